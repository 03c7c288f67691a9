#include "cloudos/network_qos.hpp"
#include "cloudos/routers.hpp"
#include "network/fake_driver.hpp"
#include "network/plan_router.hpp"
#include "network/support.hpp"

using namespace cloudos;
using namespace network_test;

TEST_CASE("a floating address' policy is its router's to enforce, and a change of it is told") {
  const auto driver =
      std::make_shared<FakeDriver>("sw", "", std::set<std::string>{"local", "vxlan", "flat"});
  driver->says = {{"router", true, {}}, {"type:local", true, {}}};
  World world({"physnet1"}, {driver});
  const Context boss = admin();
  NetworkCreate spec;
  spec.name = "outside";
  spec.external = true;
  const auto outside = world.networks->create_network(boss, spec);
  REQUIRE(outside);
  world.subnet(boss, *outside, "203.0.113.0/24", false);
  const Network inside = world.network(boss, "inside");
  const Subnet inner = world.subnet(boss, inside);
  auto& routers = world.networks->routers();
  RouterCreate made;
  made.gateway = GatewaySpec{outside->id, {}, {}};
  const auto router = routers.create(boss, made);
  REQUIRE(router);
  REQUIRE(routers.add_interface(boss, router->id, {inner.id, {}}));
  const auto port = world.port(boss, inside.id, "server-1");
  REQUIRE(port);

  auto& qos = world.networks->qos();
  QosPolicyCreate gold;
  gold.name = "gold";
  const auto policies = qos.create(boss, {gold});
  REQUIRE(policies);
  const QosPolicyId policy = policies->front().id;
  QosRuleSpec limit;
  limit.type = QosRule::kBandwidth;
  limit.max_kbps = 4'000;
  limit.max_burst_kbps = 400;
  limit.direction = "egress";
  const auto rule = qos.add_rule(boss, policy, limit);
  REQUIRE(rule);
  FloatingIpCreate floating;
  floating.network = outside->id;
  floating.port = port->id;
  floating.qos_policy = policy;
  const auto address = routers.create_floating_ip(boss, floating);
  REQUIRE(address);

  const auto planned = [&] {
    const auto plan = network::plan_router(**world.store->snapshot(), "sw", {}, router->id);
    REQUIRE(plan);
    REQUIRE(*plan);
    REQUIRE((*plan)->floating.size() == 1);
    return (*plan)->floating.front().qos;
  };
  world.start();
  world.run();
  CHECK(planned() == network::QosPlan{4'000, 400, 0, 0, {}});
  const auto before = driver->told(router->id.value).size();
  limit.max_kbps = 8'000;
  REQUIRE(qos.update_rule(boss, policy, rule->id, limit));
  world.run();
  CHECK(planned().egress_kbps == 8'000);
  CHECK(driver->told(router->id.value).size() == before + 1);
  FloatingIpUpdate off;
  off.qos_policy = QosPolicyId{};
  REQUIRE(routers.update_floating_ip(boss, address->id, off));
  CHECK(planned() == network::QosPlan{});
}
