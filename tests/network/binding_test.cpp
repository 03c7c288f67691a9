#include "cloudos/network_segments.hpp"
#include "cloudos/port_bindings.hpp"
#include "network/fake_driver.hpp"
#include "network/support.hpp"

using namespace network_test;
using namespace std::chrono_literals;

namespace {

using Fakes = std::vector<std::shared_ptr<FakeDriver>>;

std::vector<std::shared_ptr<network::MechanismDriver>> as_drivers(const Fakes& fakes) {
  return {fakes.begin(), fakes.end()};
}

/// Some drivers in their order, physnet1 and physnet2.
struct BindWorld : World {
  Fakes fakes;
  Context boss = admin();
  explicit BindWorld(Fakes drivers)
      : World({"physnet1", "physnet2"}, as_drivers(drivers)), fakes(std::move(drivers)) {}

  Network typed(const std::string& type, const std::string& physical = {}) {
    NetworkCreate spec;
    spec.name = type;
    spec.network_type = type;
    if (!physical.empty()) spec.physical_network = physical;
    auto made = networks->create_network(boss, spec);
    if (!made) FAIL(made.error().message);
    return *made;
  }
  Network several(const std::vector<std::pair<std::string, std::string>>& segments) {
    NetworkCreate spec;
    spec.name = "several";
    for (const auto& [type, physical] : segments) spec.segments.push_back({type, physical, {}});
    auto made = networks->create_network(boss, spec);
    if (!made) FAIL(made.error().message);
    return *made;
  }
  Result<Port> bound(const Network& net, const std::string& host) {
    PortCreate spec;
    spec.network = net.id;
    spec.host = host;
    return networks->create_port(boss, spec);
  }
  std::size_t dynamic_segments(const Network& net) {
    std::size_t count = 0;
    for (const auto& one : network_segments(*networks->network(boss, net.id)))
      count += one.dynamic ? 1 : 0;
    return count;
  }
};

auto fake(const std::string& name, const std::string& host, std::set<std::string> types) {
  return std::make_shared<FakeDriver>(name, host, std::move(types));
}

}  // namespace

TEST_CASE("mechanism drivers are asked in order, and only those of the port's host") {
  BindWorld world({fake("first", "h1", {"vlan"}), fake("second", "h1", {"vlan", "local"}),
                   fake("third", "h2", {"local"})});
  const Network local = world.typed("local"), vlan = world.typed("vlan", "physnet1");
  struct Row {
    std::string what;
    Network net;
    std::string host, driver;
  };
  const std::vector<Row> rows = {
      {"the first that takes it", vlan, "h1", "first"},
      {"the next when it does not", local, "h1", "second"},
      {"of another host", local, "h2", "third"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto port = world.bound(row.net, row.host);
    REQUIRE(port);
    CHECK(port->driver == row.driver);
    CHECK(port->vif_type == "fake");
    CHECK(port->host == row.host);
  }
  for (const auto& ask : world.fakes[2]->asks()) CHECK(ask.host == "h2");
}

TEST_CASE("a port that nobody binds is made all the same, and says why it does not work") {
  auto bridge = fake("bridge", "h1", {"local"});
  bridge->says = {{"type:vlan", false, "this kernel has no VLAN devices"}};
  BindWorld world({bridge});
  const Network vlan = world.typed("vlan", "physnet1");
  auto port = world.bound(vlan, "h1");
  REQUIRE(port);
  CHECK(port->vif_type == "binding_failed");
  CHECK(port->driver.empty());
  CHECK(port->host == "h1");
  CHECK(port->vif_details.at("reason") ==
        "no mechanism driver binds a normal port of a vlan network on host h1 (bridge: this kernel "
        "has no VLAN devices)");
  CHECK(port->status() == PortStatus::Down);
  const auto nowhere = world.bound(vlan, "h9");
  REQUIRE(nowhere);
  CHECK(nowhere->vif_details.at("reason").find("no driver works on that host") !=
        std::string::npos);
  // A server's port: its plug fails with the reason, which the record has, too.
  const auto of_server = world.server_port(world.boss, vlan.id, "s1");
  REQUIRE(of_server);
  const auto plugged = world.networks->plug(of_server->id, ServerId{"s1"}, "h1");
  REQUIRE_FALSE(plugged);
  CHECK(plugged.error().message.find("no VLAN devices") != std::string::npos);
  const auto after = world.networks->port(world.boss, of_server->id);
  CHECK(after->vif_type == "binding_failed");
  CHECK_FALSE(after->plugged);
  // Told the same host again, drivers are asked again.
  PortUpdate again;
  again.host = "h1";
  const auto before = bridge->asks().size();
  REQUIRE(world.networks->update_port(world.boss, port->id, again));
  CHECK(bridge->asks().size() > before);
  PortUpdate off;
  off.host = "";
  CHECK(world.networks->update_port(world.boss, port->id, off)->vif_type == "unbound");
}

TEST_CASE("a port is bound on the segment that its host reaches") {
  auto one = fake("sw", "h1", {"vlan"}), two = fake("sw", "h2", {"vlan"});
  one->reaches = {"physnet1"};
  two->reaches = {"physnet2"};
  BindWorld world({one, two});
  const Network net = world.several({{"vlan", "physnet1"}, {"vlan", "physnet2"}});
  const auto segments = network_segments(net);
  REQUIRE(segments.size() == 2);
  const auto first = world.bound(net, "h1"), second = world.bound(net, "h2");
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->levels == std::vector<BindingLevel>{{"sw", segments[0].id}});
  CHECK(second->levels == std::vector<BindingLevel>{{"sw", segments[1].id}});
  // The driver on each host knows the network by its own segment.
  world.subnet(world.boss, net);
  for (const auto& [host, wire] : {std::pair{"h1", "physnet1"}, {"h2", "physnet2"}}) {
    const std::string server = std::string("server-on-") + host;
    const auto port = world.server_port(world.boss, net.id, server);
    REQUIRE(port);
    REQUIRE(world.networks->plug(port->id, ServerId{server}, host));
    const auto& driver = std::string(host) == "h1" ? one : two;
    const auto plan = driver->networks().at(net.id);
    CHECK(plan.type == "vlan");
    CHECK(plan.physical_network == wire);
    REQUIRE(plan.segments.size() == 1);
    CHECK(driver->ports().at(port->id).segment == plan.segments[0].id);
  }
}

TEST_CASE(
    "a driver binds a level and the one below it a dynamic segment, which goes with its ports") {
  auto top = fake("tor", "", {"vxlan"});
  top->lower = network::LowerSegment{"vlan", "physnet1"};
  auto below = fake("bridge", "h1", {"vlan"});
  BindWorld world({top, below});
  const Network net = world.typed("vxlan");
  const auto port = world.bound(net, "h1");
  REQUIRE(port);
  CHECK(port->driver == "bridge");
  REQUIRE(port->levels.size() == 2);
  CHECK(port->levels[0].driver == "tor");
  const auto segments = network_segments(*world.networks->network(world.boss, net.id));
  REQUIRE(segments.size() == 2);
  CHECK(segments[1].dynamic);
  CHECK(segments[1].network_type == "vlan");
  CHECK(segments[1].segmentation_id.has_value());
  CHECK(port->levels[1].segment == segments[1].id);
  // The driver below was asked with the tag that is there.
  CHECK(below->asks().back().segmentation_id == segments[1].segmentation_id);
  CHECK(below->asks().back().level == 1);
  // A second port on the host uses the same one; it stays for as long as one of them does.
  const auto other = world.bound(net, "h1");
  REQUIRE(other);
  CHECK(other->levels == port->levels);
  CHECK(world.dynamic_segments(net) == 1);
  REQUIRE(world.networks->delete_port(world.boss, other->id));
  CHECK(world.dynamic_segments(net) == 1);
  PortUpdate off;
  off.host = "";
  REQUIRE(world.networks->update_port(world.boss, port->id, off));
  CHECK(world.dynamic_segments(net) == 0);
  REQUIRE(world.networks->delete_port(world.boss, port->id));
  REQUIRE(world.networks->delete_network(world.boss, net.id));
  for (const std::string& key : world.keys_left()) {
    CAPTURE(key);
    const bool segment = key.find("/segment/") == 0 && key.find("/segment/next/") != 0;
    CHECK_FALSE(segment);  // Only where to go on.
  }
}

TEST_CASE("both drivers of a hierarchy hold the port, each on its own segment") {
  auto top = fake("tor", "", {"vxlan"});
  top->lower = network::LowerSegment{"vlan", "physnet1"};
  auto below = fake("bridge", "h1", {"vlan"});
  BindWorld world({top, below});
  const Network net = world.typed("vxlan");
  world.subnet(world.boss, net);
  const auto port = world.server_port(world.boss, net.id, "s1");
  REQUIRE(port);
  REQUIRE(world.networks->plug(port->id, ServerId{"s1"}, "h1"));
  CHECK(top->networks().at(net.id).type == "vxlan");
  CHECK(below->networks().at(net.id).type == "vlan");
  CHECK(top->ports().count(port->id) == 1);
  CHECK(below->ports().count(port->id) == 1);
  REQUIRE(world.networks->unplug(port->id));
  CHECK(top->ports().empty());
  CHECK(below->ports().empty());
}

TEST_CASE("a dynamic segment lowers its network's MTU, and drivers may veto it") {
  auto top = fake("tor", "", {"vlan"});
  top->lower = network::LowerSegment{"vxlan", ""};
  auto below = fake("bridge", "h1", {"vxlan"});
  BindWorld world({top, below});
  const Network net = world.typed("vlan", "physnet1");
  CHECK(net.mtu == 1500);
  below->fault = [&](std::string_view call, const std::string& id) -> std::optional<Error> {
    if (call != "precommit" || id != net.id.value) return std::nullopt;
    return Error{ErrorCode::Conflict, "no segment here", {}, {}};
  };
  CHECK_FALSE(world.bound(net, "h1"));
  CHECK(world.dynamic_segments(net) == 0);
  CHECK(world.networks->network(world.boss, net.id)->mtu == 1500);
  below->fault = nullptr;
  const auto port = world.bound(net, "h1");
  REQUIRE(port);
  CHECK(port->levels.size() == 2);
  CHECK(world.networks->network(world.boss, net.id)->mtu == 1450);
}

TEST_CASE("a binding on a dynamic segment that went meanwhile is found anew") {
  auto top = fake("tor", "", {"vxlan"});
  top->lower = network::LowerSegment{"vlan", "physnet1"};
  auto below = fake("bridge", "h1", {"vlan"});
  BindWorld world({top, below});
  const Network net = world.typed("vxlan");
  std::size_t taken_away = 0;
  below->asked = [&](const FakeDriver::Ask& ask) {
    if (ask.level != 1 || taken_away > 0) return;
    ++taken_away;
    CHECK(world.networks->segments().remove(world.boss, ask.segment));
  };
  const auto port = world.bound(net, "h1");
  REQUIRE(port);
  CHECK(taken_away == 1);
  REQUIRE(port->levels.size() == 2);
  const auto segments = network_segments(*world.networks->network(world.boss, net.id));
  REQUIRE(segments.size() == 2);
  CHECK(port->levels[1].segment == segments[1].id);
  CHECK((*world.store->snapshot())->scan("/segment-due/")->empty());
}

TEST_CASE("a dynamic segment that nobody below takes is given back") {
  auto top = fake("tor", "", {"vxlan"});
  top->lower = network::LowerSegment{"vlan", "physnet1"};
  BindWorld world({top, fake("bridge", "h1", {"local"})});
  const Network net = world.typed("vxlan");
  const auto port = world.bound(net, "h1");
  REQUIRE(port);
  CHECK(port->vif_type == "binding_failed");
  CHECK(world.dynamic_segments(net) == 0);
  // A driver that wants the same again below itself ends, too.
  auto loop = fake("loop", "", {"vlan"});
  loop->lower = network::LowerSegment{"vlan", "physnet1"};
  BindWorld round({loop});
  const auto around = round.bound(round.typed("vlan", "physnet1"), "h1");
  REQUIRE(around);
  CHECK(around->vif_type == "binding_failed");
}

TEST_CASE("drivers are asked outside the transaction; what changed meanwhile is asked for anew") {
  auto driver = fake("slow", "h1", {"vlan", "local"});
  BindWorld world({driver});
  const Network net = world.several({{"vlan", "physnet1"}});
  std::size_t rounds = 0;
  driver->asked = [&](const FakeDriver::Ask&) {
    // Were the store's transaction open, this would wait for itself.
    if (++rounds > 1) return;
    SegmentCreate more;
    more.network = net.id;
    more.network_type = "vlan";
    more.physical_network = "physnet2";
    REQUIRE(world.networks->segments().create(world.boss, more));
  };
  const auto port = world.bound(net, "h1");
  REQUIRE(port);
  CHECK(rounds == 2);
  CHECK(port->driver == "slow");
  SUBCASE("what never stands still ends in a conflict") {
    driver->asked = [&](const FakeDriver::Ask&) {
      SegmentCreate more;
      more.network = net.id;
      more.network_type = "vxlan";
      REQUIRE(world.networks->segments().create(world.boss, more));
    };
    const auto never = world.bound(net, "h1");
    REQUIRE_FALSE(never);
    CHECK(never.error().code == ErrorCode::Conflict);
  }
}

TEST_CASE("every driver may veto before the commit, and then nothing is there") {
  auto calm = fake("calm", "h1", {"local"}), strict = fake("strict", "h1", {});
  BindWorld world({calm, strict});
  const Network net = world.typed("local");
  strict->fault = [](std::string_view call, const std::string&) -> std::optional<Error> {
    if (call != "precommit") return std::nullopt;
    return Error{ErrorCode::Conflict, "not on my watch", {}, {}};
  };
  const auto port = world.bound(net, "h1");
  REQUIRE_FALSE(port);
  CHECK(port.error().message == "not on my watch");
  CHECK(world.networks->ports(world.boss)->empty());
  NetworkCreate more;
  CHECK_FALSE(world.networks->create_network(world.boss, more));
  CHECK(world.networks->networks(world.boss)->size() == 1);
}

TEST_CASE("a driver that fails is told again until it has the record's revision; others are not") {
  auto good = fake("good", "h1", {"local"}), bad = fake("bad", "h2", {"local"});
  BindWorld world({good, bad});
  world.start();
  world.run();
  const Network net = world.typed("local");
  world.subnet(world.boss, net);
  bool out = true;
  bad->fault = [&](std::string_view call, const std::string&) -> std::optional<Error> {
    if (!out || call == "precommit") return std::nullopt;
    return Error{ErrorCode::Unavailable, "out of order", {}, {}};
  };
  const auto here = world.server_port(world.boss, net.id, "s1");
  const auto there = world.server_port(world.boss, net.id, "s2");
  REQUIRE(here);
  REQUIRE(there);
  // Both bind; on h2 the device is not made.
  CHECK_FALSE(world.networks->plug(there->id, ServerId{"s2"}, "h2"));
  CHECK(world.networks->port(world.boss, there->id)->status() == PortStatus::Down);
  world.run(10s);
  CHECK(bad->ports().empty());
  PortUpdate change;
  change.name = "renamed meanwhile";
  REQUIRE(world.networks->update_port(world.boss, there->id, change));
  out = false;
  world.run(120s);
  REQUIRE(bad->ports().count(there->id) == 1);
  CHECK(world.networks->port(world.boss, there->id)->status() == PortStatus::Active);
  CHECK(good->ports().empty());
  REQUIRE(world.networks->plug(here->id, ServerId{"s1"}, "h1"));
  const auto once = good->told(here->id.value).size();
  world.run(200s);
  CHECK(good->told(here->id.value).size() == once);
}

TEST_CASE("a binding prepared on another host holds its segment there") {
  auto one = fake("sw", "h1", {"vlan"}), two = fake("sw", "h2", {"vlan"});
  one->reaches = {"physnet1"};
  two->reaches = {"physnet2"};
  BindWorld world({one, two});
  const Network net = world.several({{"vlan", "physnet1"}, {"vlan", "physnet2"}});
  const auto port = world.bound(net, "h1");
  REQUIRE(port);
  PortBindings bindings(*world.networks);
  PortBinding ready;
  ready.host = "h2";
  REQUIRE(bindings.add(world.boss, port->id, ready));
  const auto second = network_segments(net)[1].id;
  CHECK(world.networks->segments().remove(world.boss, second).error().type == "SegmentInUse");
  REQUIRE(bindings.activate(world.boss, port->id, "h2"));
  const auto moved = world.networks->port(world.boss, port->id);
  CHECK(moved->host == "h2");
  CHECK(moved->levels.front().segment == second);
  CHECK_FALSE(bindings.add(world.boss, port->id, PortBinding{"h9"}));
}
