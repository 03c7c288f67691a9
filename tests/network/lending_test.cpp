#include "cloudos/network_qos.hpp"
#include "cloudos/network_sharing.hpp"
#include "cloudos/routers.hpp"
#include "network/support.hpp"
#include "store/faulty.hpp"

using namespace network_test;

namespace {

/// Two processes' worth of the service over one store; what one does runs just before the other's
/// next commit.
struct Rivals {
  std::shared_ptr<store::Store> ground = store::open_memory();  // Shared with both.
  std::shared_ptr<store::FaultyStore> watched = std::make_shared<store::FaultyStore>(ground);
  World slow{watched, 3}, quick{ground, 4};

  void before_next_commit(std::function<void()> act) {
    auto done = std::make_shared<bool>(false);
    watched->before_commit([done, act = std::move(act)]() -> std::optional<Error> {
      if (std::exchange(*done, true)) return std::nullopt;
      act();
      return std::nullopt;
    });
  }
};

RbacPolicyCreate lending(const std::string& type, const std::string& id,
                         const std::string& target) {
  RbacPolicyCreate spec;
  spec.object_type = type;
  spec.object_id = id;
  spec.action = "access_as_shared";
  spec.target = target;
  return spec;
}

/// A driver whose host learns to carry routers while the cloud runs.
class LateDriver final : public network::MechanismDriver {
 public:
  std::string_view name() const override { return "late"; }
  std::vector<network::Ability> abilities() const override {
    return {{"router", able, able ? "" : "not yet"}};
  }
  Result<void> precommit(store::Txn&, const network::Change&) override { return Result<void>(); }
  Result<void> postcommit(const network::Change&) override { return Result<void>(); }
  Result<void> converge(const network::Plan&) override { return Result<void>(); }
  std::optional<network::Binding> bind_port(const network::PortContext&) const override {
    network::Binding binding;
    binding.driver = "late";
    binding.vif_type = "tap";
    return binding;
  }
  bool able = false;
};

}  // namespace

TEST_CASE("a grant does not end under somebody who begins to use it at that moment") {
  struct Row {
    std::string what;
    std::function<Result<void>(NetworkSharing&, const RbacPolicy&)> end;
  };
  const std::vector<Row> rows = {
      {"deleted", [](NetworkSharing& sharing,
                     const RbacPolicy& policy) { return sharing.remove(admin(), policy.id); }},
      {"given to another",
       [](NetworkSharing& sharing, const RbacPolicy& policy) -> Result<void> {
         CLOUDOS_CHECK(sharing.retarget(admin(), policy.id, "green"));
         return Result<void>();
       }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Rivals two;
    const Network net = two.slow.network(member("blue"));
    auto& sharing = two.slow.networks->sharing();
    const auto made = sharing.create(member("blue"), {lending("network", net.id.value, "red")});
    REQUIRE(made);
    two.before_next_commit([&] { REQUIRE(two.quick.port(member("red"), net.id)); });
    CHECK(type_of(row.end(sharing, made->front())) == "RbacPolicyInUse");
    CHECK(sharing.policy(admin(), made->front().id)->target == "red");
  }
}

TEST_CASE("of two grants that cover one use, two callers do not take both") {
  Rivals two;
  const Network net = two.slow.network(admin());
  auto& sharing = two.slow.networks->sharing();
  const auto made = sharing.create(
      admin(), {lending("network", net.id.value, "red"), lending("network", net.id.value, "*")});
  REQUIRE(made);
  REQUIRE(two.slow.port(member("red"), net.id));
  two.before_next_commit(
      [&] { REQUIRE(two.quick.networks->sharing().remove(admin(), made->at(1).id)); });
  CHECK(type_of(sharing.remove(admin(), made->at(0).id)) == "RbacPolicyInUse");
  CHECK(two.slow.networks->network(member("red"), net.id));
}

TEST_CASE("a QoS policy for all does not stop being so under somebody who takes it") {
  Rivals two;
  QosPolicyCreate spec;
  spec.name = "gold";
  spec.shared = true;
  const auto policy = two.slow.networks->qos().create(admin(), {spec});
  REQUIRE(policy);
  two.before_next_commit([&] {
    NetworkCreate net;
    net.name = "n";
    net.qos_policy = policy->front().id;
    REQUIRE(two.quick.networks->create_network(member("red"), net));
  });
  QosPolicyUpdate unshare;
  unshare.shared = false;
  CHECK(type_of(two.slow.networks->qos().update(admin(), policy->front().id, unshare)) ==
        "RbacPolicyInUse");
  CHECK(two.slow.networks->qos().policy(admin(), policy->front().id)->shared);
}

TEST_CASE("legs that were made before any host carried routers are plugged once one does") {
  auto late = std::make_shared<LateDriver>();  // Shared with the service.
  World world({"physnet1"}, {late});
  world.start();
  const Context blue = member("blue");
  const Network net = world.network(blue);
  const Subnet sub = world.subnet(blue, net);
  RouterCreate spec;
  spec.name = "r";
  auto& routers = world.networks->routers();
  const auto router = routers.create(blue, spec);
  REQUIRE(router);
  RouterLeg leg;
  leg.subnet = sub.id;
  const auto added = routers.add_interface(blue, router->id, leg);
  REQUIRE(added);
  world.run(std::chrono::seconds(60));
  CHECK_FALSE(world.networks->port(blue, added->port)->plugged);
  late->able = true;
  world.run(std::chrono::seconds(60));
  const auto port = world.networks->port(blue, added->port);
  CHECK(port->plugged);
  CHECK(port->driver == "late");
  CHECK(port->status() == PortStatus::Active);
  REQUIRE(routers.remove_interface(blue, router->id, leg));
  REQUIRE(routers.remove(blue, router->id));
}
