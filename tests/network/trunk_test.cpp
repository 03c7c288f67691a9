#include "cloudos/trunks.hpp"
#include "network/fake_driver.hpp"
#include "network/support.hpp"
#include "network/trunk_ports.hpp"

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
