#include <thread>

#include "network/support.hpp"

using namespace network_test;
using namespace std::chrono_literals;

namespace {

/// A project with a network, and ports of servers on it.
struct PluggedWorld : World {
  Context ctx = member("p");
  Network net;
  Subnet sub;
  PluggedWorld() {
    net = network(ctx);
    sub = subnet(ctx, net);
  }
  PortId of_server(const std::string& server) {
    const auto made = server.empty() ? port(ctx, net.id) : server_port(ctx, net.id, server);
    REQUIRE(made);
    return made->id;
  }
  Port now(const PortId& id) { return *networks->port(ctx, id); }
};

}  // namespace

TEST_CASE("plug makes network, groups and device before it returns; unplug takes them away") {
  PluggedWorld world;
  const PortId id = world.of_server("s1");
  const auto wired = world.networks->plug(id, ServerId{"s1"}, "host-1");
  REQUIRE(wired);
  const Port port = world.now(id);
  CHECK(wired->tap == port.tap);
  CHECK(wired->mac == port.mac);
  CHECK(wired->mtu == 1500);
  CHECK(wired->vif_type == "tap");
  CHECK(port.status() == PortStatus::Active);
  CHECK(port.host == "host-1");
  CHECK(port.driver == "simulated");
  auto state = world.driver->state();
  CHECK(state.ports.count(id) == 1);
  CHECK(state.groups.count(port.security_groups[0]) == 1);
  const auto& net = state.networks.at(world.net.id);
  REQUIRE(net.hosts.size() == 1);
  CHECK(net.hosts[0].host_name == "host-10-0-0-3");
  CHECK(net.subnets[0].dhcp_address == "10.0.0.2");
  const Port dhcp = world.now(world.networks->network(world.ctx, world.net.id)->dhcp_port);
  CHECK(dhcp.status() == PortStatus::Active);
  CHECK(net.dhcp_mac == dhcp.mac);

  REQUIRE(world.networks->unplug(id));
  state = world.driver->state();
  CHECK(state.ports.empty());
  CHECK(state.networks.empty());
  CHECK(state.groups.empty());
  CHECK(world.now(id).status() == PortStatus::Down);
  CHECK(world.now(dhcp.id).status() == PortStatus::Down);
}

TEST_CASE("plug and unplug may be repeated, and a port that is gone is unplugged") {
  PluggedWorld world;
  const PortId id = world.of_server("s1");
  const auto first = world.networks->plug(id, ServerId{"s1"}, "host-1");
  const auto told = world.driver->calls().postcommit;
  const auto second = world.networks->plug(id, ServerId{"s1"}, "host-1");
  REQUIRE(second);
  CHECK(first->tap == second->tap);
  CHECK(world.driver->calls().postcommit == told);  // Nothing new to say.
  REQUIRE(world.networks->unplug(id));
  REQUIRE(world.networks->unplug(id));
  REQUIRE(world.networks->delete_port(world.ctx, id));
  CHECK(world.networks->unplug(id));
  CHECK(code_of(world.networks->plug(id, ServerId{"s1"}, "host-1")) == ErrorCode::NotFound);
}

TEST_CASE("only the server that has a port plugs it, on one host at a time") {
  PluggedWorld world;
  const PortId id = world.of_server("s1");
  CHECK(code_of(world.networks->plug(id, ServerId{"s2"}, "host-1")) == ErrorCode::Conflict);
  REQUIRE(world.networks->plug(id, ServerId{"s1"}, "host-1"));
  CHECK(code_of(world.networks->plug(id, ServerId{"s1"}, "host-2")) == ErrorCode::Conflict);
  REQUIRE(world.networks->unplug(id));
  REQUIRE(world.networks->plug(id, ServerId{"s1"}, "host-2"));
  CHECK(world.now(id).host == "host-2");
}

TEST_CASE("a port that names a server without being its is not the server's") {
  PluggedWorld world;
  const PortId real = world.of_server("s1");
  const Network own = world.network(member("q"));
  world.subnet(member("q"), own);
  const auto claim = world.port(member("q"), own.id, "s1");
  REQUIRE(claim);
  const auto ports = world.networks->ports_of(ServerId{"s1"});
  REQUIRE(ports);
  REQUIRE(ports->size() == 1);
  CHECK(ports->front().id == real);
  CHECK(code_of(world.networks->plug(claim->id, ServerId{"s1"}, "host-1")) == ErrorCode::Conflict);
  PortUpdate steal;
  steal.device_id = "s2";
  CHECK(type_of(world.networks->update_port(world.ctx, real, steal)) == "PortInUse");
}

TEST_CASE("a port no driver takes is not plugged, and its record says so") {
  PluggedWorld world;
  const auto port = world.server_port(world.ctx, world.net.id, "s1", "direct");
  REQUIRE(port);
  CHECK(code_of(world.networks->plug(port->id, ServerId{"s1"}, "host-1")) ==
        ErrorCode::Unsupported);
  CHECK_FALSE(world.now(port->id).plugged);
}

TEST_CASE("a driver that fails fails the plug; the next try or the period makes it good") {
  PluggedWorld world;
  world.start();
  world.run();
  const PortId id = world.of_server("s1");
  world.driver->set_fault([](std::string_view call, const std::string&) -> std::optional<Error> {
    if (call == "precommit") return std::nullopt;
    return Error{ErrorCode::Unavailable, "the bridge is out", {}, {}};
  });
  CHECK(code_of(world.networks->plug(id, ServerId{"s1"}, "host-1")) == ErrorCode::Unavailable);
  CHECK(world.now(id).status() == PortStatus::Down);
  world.run(5s);
  CHECK(world.now(id).status() == PortStatus::Down);
  world.driver->set_fault({});
  world.run(60s);
  CHECK(world.now(id).status() == PortStatus::Active);
  CHECK(world.driver->state().ports.count(id) == 1);
  CHECK(world.networks->plug(id, ServerId{"s1"}, "host-1"));
}

TEST_CASE("a driver's veto in precommit leaves nothing of the change") {
  PluggedWorld world;
  world.driver->set_fault([](std::string_view call, const std::string&) -> std::optional<Error> {
    if (call != "precommit") return std::nullopt;
    return Error{ErrorCode::Conflict, "not here", {}, {}};
  });
  CHECK(code_of(world.port(world.ctx, world.net.id)) == ErrorCode::Conflict);
  CHECK(code_of(world.networks->create_network(world.ctx, {})) == ErrorCode::Conflict);
  world.driver->set_fault({});
  CHECK(world.used("p", "ports") == 1);
  CHECK(world.used("p", "networks") == 1);
}

TEST_CASE("changes reach plugged ports by themselves, each once") {
  PluggedWorld world;
  world.start();
  world.run();
  const PortId id = world.of_server("s1");
  REQUIRE(world.networks->plug(id, ServerId{"s1"}, "host-1"));
  world.run();
  const auto group = world.now(id).security_groups[0];
  const auto told = world.driver->calls().postcommit;

  SecurityGroupRuleCreate rule;
  rule.group = group;
  rule.direction = "ingress";
  rule.protocol = "tcp";
  rule.port_min = rule.port_max = 22;
  REQUIRE(world.networks->create_rule(world.ctx, rule));
  world.run();
  CHECK(world.driver->state().groups.at(group).rules.size() == 5);
  CHECK(world.driver->calls().postcommit == told + 1);

  const PortId second = world.of_server("s2");  // Not plugged: a lease and a member, no device.
  world.run();
  CHECK(world.driver->state().networks.at(world.net.id).hosts.size() == 2);
  CHECK(world.driver->state().groups.at(group).members.size() == 2);
  CHECK(world.driver->state().ports.size() == 1);

  PortUpdate change;
  change.admin_up = false;
  REQUIRE(world.networks->update_port(world.ctx, id, change));
  world.run();
  CHECK_FALSE(world.driver->state().ports.at(id).admin_up);
  CHECK(world.now(id).status() == PortStatus::Down);

  NetworkUpdate mtu;
  mtu.mtu = 1400;
  REQUIRE(world.networks->update_network(world.ctx, world.net.id, mtu));
  world.run();
  CHECK(world.driver->state().ports.at(id).mtu == 1400);
  CHECK(world.driver->state().networks.at(world.net.id).mtu == 1400);

  SubnetUpdate dns;
  dns.dns_servers = {"9.9.9.9"};
  REQUIRE(world.networks->update_subnet(world.ctx, world.sub.id, dns));
  REQUIRE(world.networks->delete_port(world.ctx, second));
  world.run();
  const auto state = world.driver->state();
  CHECK(state.networks.at(world.net.id).subnets[0].dns_servers.size() == 1);
  CHECK(state.networks.at(world.net.id).hosts.size() == 1);
  CHECK(state.groups.at(group).members.size() == 1);
  CHECK(world.driver->calls().converge == 1);
}

TEST_CASE("a group that only a rule names is on the host for its members, and goes with the rule") {
  PluggedWorld world;
  world.start();
  world.run();
  SecurityGroupCreate named;
  named.name = "peers";
  const auto peers = world.networks->create_group(world.ctx, named);
  REQUIRE(peers);
  const PortId id = world.of_server("s1");
  REQUIRE(world.networks->plug(id, ServerId{"s1"}, "host-1"));
  world.run();
  CHECK(world.driver->state().groups.count(peers->id) == 0);
  SecurityGroupRuleCreate rule;
  rule.group = world.now(id).security_groups[0];
  rule.direction = "ingress";
  rule.remote_group = peers->id;
  const auto made = world.networks->create_rule(world.ctx, rule);
  REQUIRE(made);
  world.run();
  CHECK(world.driver->state().groups.count(peers->id) == 1);
  PortCreate member_port;
  member_port.network = world.net.id;
  member_port.security_groups = std::vector<SecurityGroupId>{peers->id};
  REQUIRE(world.networks->create_port(world.ctx, member_port));
  world.run();
  CHECK(world.driver->state().groups.at(peers->id).members.size() == 1);
  REQUIRE(world.networks->delete_rule(world.ctx, made->id));
  world.run();
  CHECK(world.driver->state().groups.count(peers->id) == 0);
}

TEST_CASE("a port deleted while plugged is taken off the host") {
  PluggedWorld world;
  world.start();
  world.run();
  const PortId id = world.of_server("s1");
  REQUIRE(world.networks->plug(id, ServerId{"s1"}, "host-1"));
  REQUIRE(world.networks->delete_port(world.ctx, id));
  world.run();
  CHECK(world.driver->state().ports.empty());
  CHECK(world.driver->state().networks.empty());
}

TEST_CASE("at start the driver converges on what is recorded, and on a period after") {
  PluggedWorld world;
  const PortId id = world.of_server("s1");
  REQUIRE(world.networks->plug(id, ServerId{"s1"}, "host-1"));
  world.driver->reboot();
  CHECK(world.driver->state().ports.empty());
  world.start();
  world.run();
  CHECK(world.driver->calls().converge == 1);
  CHECK(world.driver->state().ports.count(id) == 1);
  world.driver->reboot();
  world.run(31s);
  CHECK(world.driver->state().ports.count(id) == 1);
}

TEST_CASE("an idle cloud commits nothing for its networks") {
  PluggedWorld world;
  world.start();
  REQUIRE(world.networks->plug(world.of_server("s1"), ServerId{"s1"}, "host-1"));
  world.run(1s);
  const auto before = (*world.store->snapshot())->revision();
  world.run(300s);
  CHECK((*world.store->snapshot())->revision() == before);
}

TEST_CASE("ports are plugged from many threads while plans converge, and all end on the host") {
  PluggedWorld world;
  world.start();
  world.run();
  std::vector<PortId> ports;
  for (int i = 0; i < 40; ++i) ports.push_back(world.of_server("s" + std::to_string(i)));
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < 40; i += 4) {
        const ServerId server{"s" + std::to_string(i)};
        const auto index = static_cast<std::size_t>(i);
        if (!world.networks->plug(ports[index], server, "host-1")) ++failures;
        if (i % 2 && !world.networks->unplug(ports[index])) ++failures;
      }
    });
  }
  for (int i = 0; i < 20; ++i) world.run(31s);
  for (auto& thread : threads) thread.join();
  world.run(31s);
  CHECK(failures == 0);
  CHECK(world.driver->state().ports.size() == 20);
  for (std::size_t i = 0; i < 40; ++i)
    CHECK((world.now(ports[i]).status() == PortStatus::Active) == (i % 2 == 0));
}

TEST_CASE("detach frees a port of its server and binding; another server's is left alone") {
  PluggedWorld world;
  const PortId id = world.of_server("");
  const auto attach = [&](const char* server) {
    return world.store->transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_CHECK(
          world.networks->attach_port(txn, world.ctx, id, ServerId{server}, "compute:nova"));
      return Result<void>();
    });
  };
  const auto detach = [&](const char* server) {
    return world.store->transact(
        [&](store::Txn& txn) { return world.networks->detach_port(txn, id, ServerId{server}); });
  };
  REQUIRE(attach("s1"));
  REQUIRE(attach("s1"));
  CHECK(attach("s2").error().type == "PortInUse");
  REQUIRE(world.networks->plug(id, ServerId{"s1"}, "host-1"));
  REQUIRE(detach("s2"));
  CHECK(world.now(id).device_id == "s1");
  REQUIRE(world.networks->unplug(id));
  REQUIRE(detach("s1"));
  CHECK(world.now(id).device_id.empty());
  CHECK(world.now(id).host.empty());
  CHECK(attach("s2"));
}

TEST_CASE("a port's owner is asked before its own API deletes it") {
  struct Owner final : network::DeviceOwner {
    std::vector<std::string> asked;
    bool refuses = true;
    Result<void> release_port(store::Txn&, const ServerId& server, const PortId&,
                              const std::string&) override {
      asked.push_back(server.value);
      if (refuses) return fail(ErrorCode::Conflict, "in use");
      return Result<void>();
    }
  };
  PluggedWorld world;
  Owner owner;
  world.networks->set_device_owner(&owner);
  const PortId id = world.of_server("s1");
  CHECK(code_of(world.networks->delete_port(world.ctx, id)) == ErrorCode::Conflict);
  owner.refuses = false;
  CHECK(world.networks->delete_port(world.ctx, id));
  CHECK(owner.asked == std::vector<std::string>{"s1", "s1"});
}

TEST_CASE("metadata goes to the server whose plugged port has the address, and to nobody else") {
  struct Source final : network::MetadataSource {
    Result<network::MetadataAnswer> document(const ServerId& server,
                                             const std::string& path) override {
      if (path != "/x") return fail(ErrorCode::NotFound, "no such document");
      return network::MetadataAnswer{200, "text/plain", server.value};
    }
  };
  PluggedWorld world;
  const auto handler = network::metadata_handler(*world.networks);
  const PortId id = world.of_server("s1");
  const std::string address = world.now(id).fixed_ips[0].address;
  CHECK(handler(world.net.id, address, "/x").status == 503);
  Source source;
  world.networks->set_metadata_source(&source);
  CHECK(handler(world.net.id, address, "/x").status == 404);  // Not plugged.
  REQUIRE(world.networks->plug(id, ServerId{"s1"}, "host-1"));
  CHECK(handler(world.net.id, address, "/x").body == "s1");
  CHECK(handler(world.net.id, address, "/y").status == 404);
  CHECK(handler(world.net.id, "10.0.0.99", "/x").status == 404);
  CHECK(handler(world.net.id, "10.0.0.2", "/x").status == 404);  // The DHCP server's own.
  CHECK(handler(NetworkId{"elsewhere"}, address, "/x").status == 404);
  const Network other = world.network(member("q"));
  world.subnet(member("q"), other);
  CHECK(handler(other.id, address, "/x").status == 404);
}

TEST_CASE("of several hosts each holds its own ports alone") {
  const auto one = std::make_shared<network::SimulatedDriver>("host-1", "192.0.2.1");
  const auto two = std::make_shared<network::SimulatedDriver>("host-2", "192.0.2.2");
  World world({"physnet1"}, {one, two});
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net);
  const auto first = world.server_port(ctx, net.id, "s1");
  const auto second = world.server_port(ctx, net.id, "s2");
  REQUIRE(first);
  REQUIRE(second);
  REQUIRE(world.networks->plug(first->id, ServerId{"s1"}, "host-1"));
  CHECK(two->state().networks.empty());
  CHECK(two->state().groups.empty());
  REQUIRE(world.networks->plug(second->id, ServerId{"s2"}, "host-2"));
  world.start();
  world.run(60s);
  CHECK(one->state().ports.size() == 1);
  CHECK(one->state().ports.count(first->id) == 1);
  CHECK(two->state().ports.size() == 1);
  CHECK(two->state().ports.count(second->id) == 1);
  CHECK(one->state().networks.count(net.id) == 1);
  CHECK(type_of(world.networks->plug(first->id, ServerId{"s1"}, "host-3")) == "PortInUse");
  REQUIRE(world.networks->unplug(second->id));
  CHECK(two->state().networks.empty());
  CHECK(one->state().networks.count(net.id) == 1);
  CHECK(one->complaints().empty());
  CHECK(two->complaints().empty());
}

TEST_CASE("a port that changes its groups while it is told comes with those it has then") {
  PluggedWorld world;
  const PortId id = world.of_server("s1");
  SecurityGroupCreate spec;
  spec.name = "other";
  const auto other = world.networks->create_group(world.ctx, spec);
  REQUIRE(other);
  PortUpdate change;
  change.security_groups = std::vector<SecurityGroupId>{other->id};
  bool changed = false;
  // Between the plan of the port and the telling of its group, which then is no longer needed.
  world.driver->set_fault(
      [&](std::string_view call, const std::string& what) -> std::optional<Error> {
        if (call == "postcommit" && what == world.net.id.value && !std::exchange(changed, true))
          CHECK(world.networks->update_port(world.ctx, id, change));
        return std::nullopt;
      });
  REQUIRE(world.networks->plug(id, ServerId{"s1"}, "host-1"));
  CHECK(changed);
  CHECK(world.driver->state().ports.at(id).groups == *change.security_groups);
  CHECK(world.driver->state().groups.count(other->id) == 1);
}

TEST_CASE("a host that is lost holds up what is on it, and nothing on the others") {
  auto one = std::make_shared<network::SimulatedDriver>("h1");
  auto two = std::make_shared<network::SimulatedDriver>("h2");
  World world({"physnet1"}, {one, two});
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net);
  const auto plugged = [&](const std::string& server, const std::string& host) {
    const auto port = world.server_port(ctx, net.id, server);
    REQUIRE(port);
    const auto wired = world.networks->plug(port->id, ServerId{server}, host);
    return std::pair{port->id, wired.has_value()};
  };
  world.start();
  world.run(1s);
  const auto early = plugged("s1", "h2");
  CHECK(early.second);
  two->set_fault([](std::string_view call, const std::string&) -> std::optional<Error> {
    if (call == "precommit") return std::nullopt;
    return Error{ErrorCode::Unavailable, "not heard of", {}, {}};
  });
  // The network is on both: what changes of it does not reach the lost one.
  const auto at_once = plugged("s2", "h1");
  CHECK(at_once.second);
  CHECK_FALSE(plugged("s3", "h2").second);
  CHECK_FALSE(world.networks->unplug(early.first));
  // Also when the whole plan was refused there, on the period and by changes.
  world.run(5min);
  const auto later = plugged("s4", "h1");
  CHECK(later.second);
  REQUIRE(world.networks->unplug(at_once.first));
  CHECK(one->state().ports.size() == 1);
  CHECK(world.networks->port(ctx, later.first)->status() == PortStatus::Active);
  PortUpdate quiet;
  quiet.security_groups = std::vector<SecurityGroupId>{};
  REQUIRE(world.networks->update_port(ctx, later.first, quiet));
  world.run(1s);
  CHECK(one->state().ports.at(later.first).groups.empty());
  // It comes back, and has what records say.
  two->set_fault(nullptr);
  world.run(5min);
  CHECK(two->state().ports.size() == 1);
  CHECK(two->state().ports.count(early.first) == 0);
  for (const auto& driver : {one, two})
    for (const std::string& complaint : driver->complaints()) FAIL_CHECK(complaint);
}

TEST_CASE("what somebody else destroyed is there again within a second, not once a period") {
  PluggedWorld world;
  const PortId id = world.of_server("s1");
  world.start();
  world.run(1s);
  REQUIRE(world.networks->plug(id, ServerId{"s1"}, "host-1"));
  for (int round = 0; round < 3; ++round) {
    world.driver->disturb();
    CHECK(world.driver->state().ports.empty());
    world.run(1s);
    CHECK(world.driver->state().ports.count(id) == 1);
  }
}
