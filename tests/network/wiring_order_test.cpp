#include <algorithm>

#include "cloudos/trunks.hpp"
#include "network/fake_driver.hpp"
#include "network/support.hpp"

using namespace network_test;
using namespace std::chrono_literals;

TEST_CASE("a sub-port is told after its parent, whatever their ids are") {
  const auto driver = std::make_shared<FakeDriver>("sw", "h1", std::set<std::string>{"local"});
  driver->says = {{"trunk", true, {}}};
  World world({"physnet1"}, {driver});
  const Context boss = admin();
  const Network outer = world.network(boss, "outer"), inner = world.network(boss, "inner");
  TrunkCreate spec;
  std::vector<PortId> subs;
  for (std::uint32_t tag = 5; tag < 10; ++tag) {
    const auto sub = world.port(boss, inner.id);
    REQUIRE(sub);
    subs.push_back(sub->id);
    spec.sub_ports.push_back({sub->id, "vlan", tag});
  }
  const PortId parent = world.port(boss, outer.id)->id;
  // By their ids alone, one of them would come first.
  REQUIRE(*std::min_element(subs.begin(), subs.end()) < parent);
  spec.port = parent;
  REQUIRE(world.networks->trunks().create(boss, {spec}));
  REQUIRE(world.store->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(world.networks->attach_port(txn, boss, parent, ServerId{"s1"}, "compute:nova"));
    return Result<void>();
  }));
  world.start();
  world.run();
  REQUIRE(world.networks->plug(parent, ServerId{"s1"}, "h1"));
  world.run(1s);
  std::vector<std::string> told;
  driver->fault = [&](std::string_view call, const std::string& id) -> std::optional<Error> {
    if (call == "postcommit") told.push_back(id);
    return std::nullopt;
  };
  PortUpdate down;
  down.admin_up = false;
  for (const PortId& sub : subs) REQUIRE(world.networks->update_port(boss, sub, down));
  REQUIRE(world.networks->update_port(boss, parent, down));
  world.run(1s);
  const auto of_parent = std::find(told.begin(), told.end(), parent.value);
  REQUIRE(of_parent != told.end());
  for (const PortId& sub : subs) CHECK(std::find(of_parent, told.end(), sub.value) != told.end());
  for (const PortId& sub : subs) CHECK(std::find(told.begin(), of_parent, sub.value) == of_parent);
  driver->fault = nullptr;
}

TEST_CASE("a whole plan that is due is not put off by what fails until then") {
  const auto driver = std::make_shared<FakeDriver>("sw", "h1", std::set<std::string>{"local"});
  World world({"physnet1"}, {driver});
  const Context boss = admin();
  const Network net = world.network(boss);
  world.start();
  world.run(1s);
  int plans = 0;
  driver->fault = [&](std::string_view call, const std::string&) -> std::optional<Error> {
    if (call == "converge") ++plans;
    if (call != "postcommit") return std::nullopt;
    return Error{ErrorCode::Unavailable, "the switch does not answer", {}, {}};
  };
  const auto plug = [&](const std::string& server) {
    const auto port = world.server_port(boss, net.id, server);
    REQUIRE(port);
    CHECK_FALSE(world.networks->plug(port->id, ServerId{server}, "h1"));
  };
  plug("s1");
  for (const char* server : {"s2", "s3"}) {
    world.run(60ms);
    plug(server);
  }
  CHECK(plans == 0);
  // It is due as long after the first failure as a first failure takes.
  world.run(limits::kBackoffFirst - 100ms);
  CHECK(plans == 1);
  driver->fault = nullptr;
}
