// A host program's driver that throws, within a whole cloud.
#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>

#include "cloud/support.hpp"
#include "cloudos/network_driver.hpp"
#include "cloudos/networks.hpp"

using namespace cloudos;
using cloud_test::boot_server;
using cloud_test::member;
using cloud_test::small_options;

namespace {

/// Of another host than any server's; throws whatever it is asked to do.
class FallenMechanism final : public network::MechanismDriver {
 public:
  std::string_view name() const override {
    if (nameless) throw std::runtime_error("no");
    return "fallen";
  }
  std::string host() const override { return "far"; }
  std::vector<network::Ability> abilities() const override { throw 1; }
  void watch(std::function<void()>) override { throw std::runtime_error("no"); }
  Result<void> precommit(store::Txn&, const network::Change&) override { return Result<void>(); }
  Result<void> postcommit(const network::Change&) override { throw 2; }
  Result<void> converge(const network::Plan&) override {
    ++converged;
    throw std::runtime_error("no");
  }
  std::optional<network::Binding> bind_port(const network::PortContext&) const override { throw 3; }
  bool nameless = false;
  int converged = 0;
};

}  // namespace

TEST_CASE("a mechanism driver that throws is not well; servers of other hosts are") {
  const auto fallen = std::make_shared<FallenMechanism>();
  Options options = small_options();
  options.workers = 0;
  options.mechanism_drivers = {fallen};
  {
    auto cloud = Cloud::open(options);
    REQUIRE(cloud);
    (*cloud)->run_pending();
    CHECK(fallen->converged > 0);
    const auto server = boot_server(**cloud, "s");
    REQUIRE(server);
    CHECK(server->vm_state == VmState::Active);
    const Health health = (*cloud)->health();
    const auto check =
        std::find_if(health.checks.begin(), health.checks.end(),
                     [](const auto& one) { return one.name.find("fallen") != std::string::npos; });
    REQUIRE(check != health.checks.end());
    CHECK_FALSE(check->ok);
    CHECK(check->why.find("threw") != std::string::npos);
  }
  CHECK(fallen.use_count() == 2);  // Ours and the options': nothing holds it any more.
}

TEST_CASE("a mechanism driver that throws when it is asked who it is keeps the cloud shut") {
  const auto fallen = std::make_shared<FallenMechanism>();
  fallen->nameless = true;
  Options options = small_options();
  options.mechanism_drivers = {fallen};
  const auto cloud = Cloud::open(options);
  REQUIRE_FALSE(cloud);
  CHECK(cloud.error().code == ErrorCode::InvalidArgument);
  CHECK(cloud.error().message.find("mechanism_drivers") != std::string::npos);
}
