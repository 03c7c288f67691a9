#include "cloudos/network_limits.hpp"
#include "cloudos/trunks.hpp"
#include "network/fake_driver.hpp"
#include "network/support.hpp"
#include "network/trunk_ports.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace network_test;

namespace {

/// A server's port that is a trunk's parent, and two ports for it to carry.
struct TrunkWorld : World {
  Context boss = admin();
  Network outer = network(boss, "outer"), inner = network(boss, "inner");
  PortId parent, first, second;
  TrunkId trunk;

  explicit TrunkWorld(std::vector<std::shared_ptr<network::MechanismDriver>> drivers = {})
      : World({"physnet1"}, std::move(drivers)) {
    parent = port(boss, outer.id)->id;
    first = port(boss, inner.id)->id;
    second = port(boss, inner.id)->id;
    TrunkCreate spec;
    spec.port = parent;
    spec.sub_ports = {{first, "vlan", 5}};
    const auto made = networks->trunks().create(boss, {spec});
    if (!made) FAIL(made.error().message);
    trunk = made->front().id;
    REQUIRE(store->transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_CHECK(networks->attach_port(txn, boss, parent, ServerId{"s1"}, "compute:nova"));
      return Result<void>();
    }));
    start();
    run();
  }
  Port now(const PortId& id) { return *networks->port(boss, id); }
  std::string status() {
    return *networks->trunks().status(boss, *networks->trunks().trunk(boss, trunk));
  }
  /// What a driver is told of a port.
  network::PlanPtr<network::PortPlan> planned(const PortId& id) {
    const auto plan =
        network::plan_port(**store->snapshot(), {now(id).driver, now(id).host, nullptr}, id);
    REQUIRE(plan);
    return *plan;
  }
};

}  // namespace

TEST_CASE("sub-ports are on their parent's host as long as it is, with their tag on its device") {
  TrunkWorld world;
  CHECK_FALSE(world.now(world.first).plugged);
  REQUIRE(world.networks->plug(world.parent, ServerId{"s1"}, "h1"));
  world.run();
  CHECK(world.now(world.first).host == "h1");
  CHECK(world.now(world.first).status() == PortStatus::Active);
  CHECK(world.status() == "ACTIVE");
  const auto plan = world.planned(world.first);
  REQUIRE(plan);
  CHECK(plan->parent_tap == world.now(world.parent).tap);
  CHECK(plan->sub_tag == 5);

  // One more while the server runs, and one less.
  auto& trunks = world.networks->trunks();
  REQUIRE(trunks.add_sub_ports(world.boss, world.trunk, {{world.second, "vlan", 6}}));
  world.run();
  CHECK(world.now(world.second).status() == PortStatus::Active);
  REQUIRE(trunks.remove_sub_ports(world.boss, world.trunk, {world.first}));
  world.run();
  CHECK(world.now(world.first).status() == PortStatus::Down);
  CHECK(world.now(world.first).host.empty());
  CHECK(world.now(world.first).vif_type == "unbound");
  CHECK(world.status() == "ACTIVE");

  REQUIRE(world.networks->unplug(world.parent));
  world.run();
  CHECK(world.now(world.second).status() == PortStatus::Down);
  CHECK(world.status() == "DOWN");
  REQUIRE(trunks.remove(world.boss, world.trunk));
  CHECK(world.now(world.second).trunk.empty());
}

TEST_CASE("a trunk deleted under a running guest leaves its port, and takes its sub-ports") {
  TrunkWorld world;
  REQUIRE(world.networks->plug(world.parent, ServerId{"s1"}, "h1"));
  world.run();
  REQUIRE(world.now(world.first).status() == PortStatus::Active);
  REQUIRE(world.planned(world.first));
  const Port before = world.now(world.parent);

  auto& trunks = world.networks->trunks();
  const auto removed = trunks.remove(world.boss, world.trunk);
  if (!removed) FAIL(removed.error().message);
  world.run();
  CHECK(code_of(trunks.trunk(world.boss, world.trunk)) == ErrorCode::NotFound);
  const Port parent = world.now(world.parent);
  CHECK(parent.status() == PortStatus::Active);
  CHECK(parent.tap == before.tap);
  CHECK(parent.trunk.empty());
  const Port first = world.now(world.first);
  CHECK(first.status() == PortStatus::Down);
  CHECK(first.host.empty());
  CHECK(first.trunk.empty());
  CHECK(first.device_owner.empty());
  CHECK_FALSE(world.planned(world.first));
  // The port is free to go.
  REQUIRE(world.networks->delete_port(world.boss, world.first));
}

TEST_CASE("sub-ports may be of more networks than a binding has tries") {
  TrunkWorld world;
  std::vector<SubPort> more;
  for (std::uint16_t tag = 10; tag < 10 + 2 * limits::kBindTries; ++tag) {
    const Network each = world.network(world.boss, fmt::format("inner-{}", tag));
    more.push_back({world.port(world.boss, each.id)->id, "vlan", tag});
  }
  const auto added = world.networks->trunks().add_sub_ports(world.boss, world.trunk, more);
  if (!added) FAIL(added.error().message);
  REQUIRE(world.networks->plug(world.parent, ServerId{"s1"}, "h1"));
  world.run();
  for (const SubPort& sub : more) CHECK(world.now(sub.port).status() == PortStatus::Active);
  CHECK(world.status() == "ACTIVE");
}

TEST_CASE("a sub-port that has no address on its parent's host stays down; its parent works") {
  const auto driver =
      std::make_shared<FakeDriver>("sw", "h1", std::set<std::string>{"vlan", "local"});
  driver->says = {{"trunk", true, {}}};
  World world({"physnet1", "physnet2"}, {driver});
  const Context boss = admin();
  NetworkCreate routed;
  routed.segments = {{"vlan", "physnet1", 100}, {"vlan", "physnet2", 200}};
  const auto inner = world.networks->create_network(boss, routed);
  REQUIRE(inner);
  const auto segments = network_segments(*inner);
  const auto subnet = [&](const std::string& cidr, std::size_t at) {
    SubnetCreate spec;
    spec.network = inner->id;
    spec.cidr = cidr;
    spec.dhcp = false;
    spec.segment = segments[at].id;
    spec.ip_version = cidr.find(':') == std::string::npos ? 4 : 6;
    const auto made = world.networks->create_subnet(boss, spec);
    if (!made) FAIL(made.error().message);
    return made->id;
  };
  const auto with = [&](std::vector<FixedIpRequest> asked) {
    PortCreate spec;
    spec.network = inner->id;
    if (!asked.empty()) spec.fixed_ips = std::move(asked);
    return world.networks->create_port(boss, spec);
  };
  // On the first segment one address of IPv4 is left, and none of IPv6.
  const SubnetId four = subnet("10.1.0.0/30", 0), six = subnet("fd00:1::/126", 0);
  const SubnetId far = subnet("10.2.0.0/24", 1);
  while (with({{six, {}}})) {
  }
  const auto elsewhere = with({{far, {}}}), waiting = with({});
  REQUIRE(elsewhere);
  REQUIRE(waiting);
  REQUIRE(waiting->deferred_addresses);
  const PortId parent = world.port(boss, world.network(boss, "outer").id)->id;
  TrunkCreate spec;
  spec.port = parent;
  spec.sub_ports = {{elsewhere->id, "vlan", 5}, {waiting->id, "vlan", 6}};
  REQUIRE(world.networks->trunks().create(boss, {spec}));
  REQUIRE(world.store->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(world.networks->attach_port(txn, boss, parent, ServerId{"s1"}, "compute:nova"));
    return Result<void>();
  }));
  const auto plugged = world.networks->plug(parent, ServerId{"s1"}, "h1");
  if (!plugged) FAIL(plugged.error().message);
  CHECK(world.networks->port(boss, parent)->plugged);
  const std::pair<PortId, std::string> rows[] = {{elsewhere->id, "is not connected to a segment"},
                                                 {waiting->id, "No more IP addresses"}};
  for (const auto& [id, reason] : rows) {
    CAPTURE_BOUND(reason);
    const auto sub = world.networks->port(boss, id);
    CHECK_FALSE(sub->plugged);
    CHECK(sub->levels.empty());
    CHECK(sub->vif_type == "binding_failed");
    REQUIRE(sub->vif_details.count("reason") == 1);
    CHECK(sub->vif_details.at("reason").find(reason) != std::string::npos);
  }
  // The one that it might have had is still to be had.
  CHECK(with({{four, {}}}));
}

TEST_CASE("a sub-port stays down where the host's driver cannot carry it, and says why") {
  struct Row {
    std::string what;
    std::vector<network::Ability> says;
    std::string reason;
  };
  const Row rows[] = {
      {"it says that it cannot", {{"trunk", false, "no programs here"}}, "no programs here"},
      {"it says nothing of it", {}, "driver sw carries no sub-ports"},
      {"it can", {{"trunk", true, {}}}, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto driver = std::make_shared<FakeDriver>("sw", "h1", std::set<std::string>{"local"});
    driver->says = row.says;
    TrunkWorld world({driver});
    REQUIRE(world.networks->plug(world.parent, ServerId{"s1"}, "h1"));
    world.run();
    const Port sub = world.now(world.first);
    CHECK(sub.plugged == row.reason.empty());
    if (row.reason.empty()) continue;
    CHECK(sub.status() == PortStatus::Down);
    CHECK(sub.vif_type == "binding_failed");
    CHECK(sub.vif_details.at("reason").find(row.reason) != std::string::npos);
    CHECK(world.status() == "DEGRADED");
  }
}
