// What is left where a port is no more: sub-ports, devices, and what records say of them.
#include "cloudos/network_agents.hpp"
#include "cloudos/port_bindings.hpp"
#include "cloudos/trunks.hpp"
#include "network/fake_driver.hpp"
#include "network/support.hpp"
#include "store/faulty.hpp"

using namespace network_test;
using namespace std::chrono_literals;

namespace {

/// A trunk with one sub-port whose parent is server s1's, and two hosts that carry such.
struct MovingWorld : World {
  std::shared_ptr<FakeDriver> one, two;
  Context boss = admin();
  PortId parent, sub;

  MovingWorld() : MovingWorld(carrier("h1"), carrier("h2")) {}
  MovingWorld(std::shared_ptr<FakeDriver> first, std::shared_ptr<FakeDriver> second)
      : World({}, {first, second}), one(std::move(first)), two(std::move(second)) {
    parent = port(boss, network(boss, "outer").id)->id;
    sub = port(boss, network(boss, "inner").id)->id;
    TrunkCreate spec;
    spec.port = parent;
    spec.sub_ports = {{sub, "vlan", 5}};
    REQUIRE(networks->trunks().create(boss, {spec}));
    attach("s1");
    start();
    run(1s);
  }
  static std::shared_ptr<FakeDriver> carrier(const std::string& host) {
    auto driver = std::make_shared<FakeDriver>("sw", host, std::set<std::string>{"local"});
    driver->says = {{"trunk", true, {}}};
    return driver;
  }
  void attach(const std::string& server) {
    REQUIRE(store->transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_CHECK(networks->attach_port(txn, boss, parent, ServerId{server}, "compute:nova"));
      return Result<void>();
    }));
  }
  void plug(const std::string& server, const std::string& host) {
    REQUIRE(networks->plug(parent, ServerId{server}, host));
    run(1s);
  }
  void check_both_on(const std::shared_ptr<FakeDriver>& here,
                     const std::shared_ptr<FakeDriver>& gone) {
    const auto carried = networks->port(boss, sub);
    REQUIRE(carried);
    CHECK(carried->host == here->host());
    CHECK(carried->status() == PortStatus::Active);
    CHECK(here->ports().count(parent) == 1);
    REQUIRE(here->ports().count(sub) == 1);
    CHECK(here->ports().at(sub).parent_tap == networks->port(boss, parent)->tap);
    CHECK(gone->ports().empty());
  }
};

}  // namespace

TEST_CASE("sub-ports go with their parent to the host whose binding becomes active") {
  MovingWorld world;
  world.plug("s1", "h1");
  world.check_both_on(world.one, world.two);
  PortBindings bindings(*world.networks);
  PortBinding next;
  next.host = "h2";
  REQUIRE(bindings.add(world.boss, world.parent, next));
  REQUIRE(bindings.activate(world.boss, world.parent, "h2"));
  world.run(1s);
  CHECK(world.one->ports().empty());
  CHECK_FALSE(world.networks->port(world.boss, world.sub)->plugged);
  world.plug("s1", "h2");
  world.check_both_on(world.two, world.one);
}

TEST_CASE("a server that lets go of a trunk's port lets go of its sub-ports, wherever they were") {
  MovingWorld world;
  world.plug("s1", "h1");
  // Its host is lost: nobody could unplug it there.
  REQUIRE(world.store->transact([&](store::Txn& txn) {
    return world.networks->detach_port(txn, world.parent, ServerId{"s1"});
  }));
  CHECK(world.networks->port(world.boss, world.sub)->host.empty());
  world.run(1s);
  CHECK(world.one->ports().empty());
  world.attach("s2");
  world.plug("s2", "h2");
  world.check_both_on(world.two, world.one);
}

TEST_CASE("a sub-port that was left on another host than its parent's comes to it") {
  MovingWorld world;
  world.plug("s1", "h1");
  // As records of before may be.
  REQUIRE(world.store->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<Port>(txn, world.parent, [](Port& port) {
      port.plugged = port.wired = false;
      return Result<void>();
    }));
    return Result<void>();
  }));
  world.plug("s1", "h2");
  world.check_both_on(world.two, world.one);
}

TEST_CASE("only what a driver announces is done by it, whatever its name is") {
  const auto named = std::make_shared<FakeDriver>("simulated", "", std::set<std::string>{"local"});
  World plain({}, {named});
  World whole;
  for (const char* ability : {"router", "trunk", "qos", "dhcp", "metadata"}) {
    CAPTURE(ability);
    CHECK_FALSE(plain.networks->agents().able(ability));
    CHECK(whole.networks->agents().able(ability));
  }
  const auto workers = [](World& world) {
    std::set<std::string> types;
    for (const NetworkAgent& one : *world.networks->agents().agents(admin()))
      types.insert(one.type);
    return types.size();
  };
  CHECK(workers(plain) == 1);
  CHECK(workers(whole) == 4);
  MovingWorld world(std::make_shared<FakeDriver>("simulated", "h1", std::set<std::string>{"local"}),
                    MovingWorld::carrier("h2"));
  REQUIRE(world.networks->plug(world.parent, ServerId{"s1"}, "h1"));
  const auto sub = world.networks->port(world.boss, world.sub);
  CHECK(sub->vif_type == "binding_failed");
  CHECK_FALSE(sub->plugged);
}

TEST_CASE("a DHCP port says what is so, whoever died before it was written") {
  const std::shared_ptr<store::Store> data = store::open_memory();
  const auto driver = [] {
    return std::make_shared<FakeDriver>("sw", "h1", std::set<std::string>{"local"});
  };
  const auto dhcp = [](World& world) {
    for (const Port& port : *world.networks->ports(admin()))
      if (port.device_owner == "network:dhcp") return port;
    FAIL("no DHCP port");
    return Port{};
  };
  {
    const auto faulty = std::make_shared<store::FaultyStore>(data);
    World life(faulty, 1, {driver()});
    const Network net = life.network(admin());
    life.subnet(admin(), net);
    const auto port = life.server_port(admin(), net.id, "s1");
    REQUIRE(port);
    life.start();
    life.run(1s);
    REQUIRE(life.networks->plug(port->id, ServerId{"s1"}, "h1"));
    CHECK(dhcp(life).status() == PortStatus::Active);
    faulty->crash_after(1);
    CHECK_FALSE(life.networks->unplug(port->id));
  }
  World after(data, 2, {driver()});
  CHECK(dhcp(after).status() == PortStatus::Active);  // Nobody knows better yet.
  after.start();
  after.run(1s);
  CHECK(dhcp(after).status() == PortStatus::Down);
}
