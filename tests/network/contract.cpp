#include "network/contract.hpp"

#include <doctest/doctest.h>

#include "network/changes.hpp"

namespace network_test {
namespace {

using namespace cloudos;
using network::Change;

/// One network with DHCP, one group that lets ssh in, and ports on them.
struct ContractPlan {
  network::Plan plan;
  std::uint64_t revision = 1;

  explicit ContractPlan(const std::string& type) {
    network::NetworkPlan net;
    net.id = NetworkId{"0192f0c1-0000-7000-8000-00000000c0de"};
    net.type = type;
    network::SubnetPlan subnet;
    subnet.id = SubnetId{"0192f0c1-0000-7000-8000-00000000c0df"};
    subnet.cidr = "10.77.0.0/24";
    subnet.gateway = "10.77.0.1";
    subnet.dhcp_address = "10.77.0.2";
    net.subnets.push_back(subnet);
    net.dhcp_mac = "fa:16:3e:77:00:02";
    plan.networks.emplace(net.id, net);
    network::GroupPlan group;
    group.id = SecurityGroupId{"0192f0c1-0000-7000-8000-00000000c0e0"};
    network::RulePlan rule;
    rule.protocol = "tcp";
    rule.port_min = rule.port_max = 22;
    group.rules.push_back(rule);
    plan.groups.emplace(group.id, group);
    for (const char digit : {'a', 'b'}) add_port(digit);
  }
  network::NetworkPlan& net() { return plan.networks.begin()->second; }
  network::GroupPlan& group() { return plan.groups.begin()->second; }
  network::PortPlan& port(std::size_t i) {
    return std::next(plan.ports.begin(), static_cast<long>(i))->second;
  }

  void add_port(char digit) {
    network::PortPlan port;
    port.id = PortId{std::string("0192f0c1-0000-7000-8000-c0c0c0c0c0c") + digit};
    port.network = net().id;
    port.mac = std::string("fa:16:3e:77:00:1") + digit;
    port.addresses = {digit == 'a' ? "10.77.0.10" : "10.77.0.11"};
    port.groups = {group().id};
    port.tap = std::string("tapc0c0c0c0c0") + digit;
    net().hosts.push_back({port.id, net().subnets[0].id, port.mac, port.addresses[0],
                           std::string("guest-") + digit});
    group().members.push_back(port.addresses[0]);
    plan.ports.emplace(port.id, port);
  }
  template <class OnePlan>
  Change change(const OnePlan& one) {
    return network::change_of(one, ++revision);
  }
  Change gone(Change::Kind kind, const std::string& id) {
    return network::gone_change(kind, id, ++revision);
  }
};

void contract_ok(const Result<void>& result) {
  const std::string why = result ? "" : result.error().message + " " + result.error().detail;
  INFO(why);
  CHECK(result);
}

void contract_tell_all(const DriverUnderTest& under, ContractPlan& world) {
  contract_ok(under.driver->postcommit(world.change(world.net())));
  contract_ok(under.driver->postcommit(world.change(world.group())));
  for (auto& [id, port] : world.plan.ports)
    contract_ok(under.driver->postcommit(world.change(port)));
}

}  // namespace

void run_mechanism_contract(const std::function<DriverUnderTest()>& make, const std::string& host,
                            const std::string& network_type) {
  const DriverUnderTest under = make();
  auto& driver = *under.driver;
  ContractPlan world(network_type);
  const std::string tap_a = world.port(0).tap, tap_b = world.port(1).tap;
  const NetworkId net = world.net().id;

  SUBCASE("binds a port by itself alone, the same each time") {
    const network::PortContext context{host, network_type, "", "normal"};
    const auto first = driver.bind_port(context), second = driver.bind_port(context);
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->driver == driver.name());
    CHECK_FALSE(first->vif_type.empty());
    CHECK(first->vif_type == second->vif_type);
    CHECK_FALSE(under.has_network(net));
    CHECK_FALSE(driver.bind_port({host, network_type, "", "baremetal"}));
  }
  SUBCASE("a device is there when postcommit of its port returns, also when told twice") {
    contract_tell_all(under, world);
    CHECK(under.has_network(net));
    CHECK(under.has_device(tap_a));
    CHECK(under.has_device(tap_b));
    contract_tell_all(under, world);
    CHECK(under.has_device(tap_a));
  }
  SUBCASE("a device is gone when postcommit of its end returns, also when told twice") {
    contract_tell_all(under, world);
    const std::string id = world.port(0).id.value;
    contract_ok(driver.postcommit(world.gone(Change::Kind::Port, id)));
    CHECK_FALSE(under.has_device(tap_a));
    CHECK(under.has_device(tap_b));
    contract_ok(driver.postcommit(world.gone(Change::Kind::Port, id)));
    CHECK(under.has_network(net));
  }
  SUBCASE("asked about a place, it finds what it was told and misses what is gone") {
    contract_tell_all(under, world);
    network::Plan plan;
    plan.networks.emplace(net, world.net());
    network::Inspection asked;
    asked.place = network::Inspection::Place::Network;
    asked.network = net;
    asked.plan = std::make_shared<const network::Plan>(std::move(plan));
    const auto there = driver.inspect(asked);
    REQUIRE(there);
    if (there->known) {
      CHECK(there->faults.empty());
      for (const std::size_t port : {0U, 1U})
        contract_ok(
            driver.postcommit(world.gone(Change::Kind::Port, world.port(port).id.value)));
      contract_ok(driver.postcommit(world.gone(Change::Kind::Network, net.value)));
      const auto gone = driver.inspect(asked);
      REQUIRE(gone);
      REQUIRE_FALSE(gone->faults.empty());
      CHECK(gone->faults.front().drops);
    }
  }
  SUBCASE("the end of what never was is success") {
    contract_ok(driver.postcommit(world.gone(Change::Kind::Port, world.port(0).id.value)));
    contract_ok(driver.postcommit(world.gone(Change::Kind::Group, world.group().id.value)));
    contract_ok(driver.postcommit(world.gone(Change::Kind::Network, net.value)));
    CHECK_FALSE(under.has_network(net));
  }
  SUBCASE("changes of a network and a group leave devices where they are") {
    contract_tell_all(under, world);
    world.net().hosts.pop_back();
    world.group().rules.clear();
    world.group().members.pop_back();
    contract_ok(driver.postcommit(world.change(world.net())));
    contract_ok(driver.postcommit(world.change(world.group())));
    CHECK(under.has_device(tap_a));
    CHECK(under.has_device(tap_b));
  }
  SUBCASE("converge makes all of a plan, twice as well as once") {
    contract_ok(driver.converge(world.plan));
    CHECK(under.has_network(net));
    CHECK(under.has_device(tap_a));
    CHECK(under.has_device(tap_b));
    contract_ok(driver.converge(world.plan));
    CHECK(under.has_device(tap_b));
  }
  SUBCASE("converge takes away what is not in the plan and keeps the rest") {
    contract_tell_all(under, world);
    world.plan.ports.erase(world.port(0).id);
    contract_ok(driver.converge(world.plan));
    CHECK_FALSE(under.has_device(tap_a));
    CHECK(under.has_device(tap_b));
    contract_ok(driver.converge(network::Plan{}));
    CHECK_FALSE(under.has_device(tap_b));
    CHECK_FALSE(under.has_network(net));
  }
  SUBCASE("what converge made, postcommit takes on") {
    contract_ok(driver.converge(world.plan));
    contract_ok(driver.postcommit(world.gone(Change::Kind::Port, world.port(1).id.value)));
    CHECK(under.has_device(tap_a));
    CHECK_FALSE(under.has_device(tap_b));
  }
  contract_ok(driver.converge(network::Plan{}));
  CHECK_FALSE(under.has_network(net));
  CHECK_FALSE(under.has_device(tap_a));
}

}  // namespace network_test
