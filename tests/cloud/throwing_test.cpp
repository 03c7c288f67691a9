// A host program's driver that throws, within a whole cloud.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>

#include "cloud/support.hpp"
#include "cloudos/hypervisor.hpp"
#include "cloudos/network_driver.hpp"
#include "cloudos/networks.hpp"
#include "hypervisor/simulated.hpp"

using namespace cloudos;
using cloud_test::boot_server;
using cloud_test::make_server;
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

/// The simulated one, of which each verb throws as often as `throws` says.
class FallenHypervisor final : public hypervisor::Driver {
 public:
  std::string_view name() const override {
    if (nameless) throw 7;
    return "fallen";
  }
  Result<hypervisor::Capabilities> capabilities() override {
    maybe_throw("capabilities");
    return inner_->capabilities();
  }
  Result<void> make_disk(const hypervisor::DiskSpec& disk) override {
    maybe_throw("make_disk");
    return inner_->make_disk(disk);
  }
  Result<void> define(const hypervisor::DomainSpec& spec) override {
    maybe_throw("define");
    return inner_->define(spec);
  }
  Result<void> start(const ServerId& id) override {
    maybe_throw("start");
    return inner_->start(id);
  }
  Result<void> stop(const ServerId& id, hypervisor::StopMode mode) override {
    maybe_throw("stop");
    return inner_->stop(id, mode);
  }
  Result<void> destroy(const ServerId& id) override {
    maybe_throw("destroy");
    return inner_->destroy(id);
  }
  Result<std::vector<hypervisor::DomainState>> list(const std::optional<ServerId>& only) override {
    maybe_throw("list");
    return inner_->list(only);
  }

  bool nameless = false;
  std::map<std::string, int> throws;  ///< Set while nothing runs.

 private:
  void maybe_throw(const std::string& verb) {
    const std::lock_guard lock(mutex_);
    if (throws[verb] == 0) return;
    if (--throws[verb] % 2 == 0) throw std::runtime_error("no");
    throw 8;
  }
  const std::shared_ptr<hypervisor::Driver> inner_ = hypervisor::make_simulated({});
  std::mutex mutex_;
};

}  // namespace

TEST_CASE("a hypervisor driver that throws has failed once: what was to be done is tried again") {
  const auto fallen = std::make_shared<FallenHypervisor>();
  for (const char* verb : {"define", "start", "stop", "destroy", "list"})
    fallen->throws[verb] = 1;
  Options options = small_options();
  options.host_names.clear();
  options.hypervisor_drivers = {{"far", fallen}};
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  const auto server = boot_server(**cloud, "s");
  const std::string why = server ? "" : server.error().message;
  CAPTURE(why);
  REQUIRE(server);
  CHECK(server->vm_state == VmState::Active);
  CHECK(fallen->throws["start"] == 0);
  const auto stopped = (*cloud)->servers().stop(member(), server->id);
  REQUIRE(stopped);
  CHECK((*cloud)->tasks().wait(*stopped, std::chrono::seconds{20})->state == TaskState::Done);
  const auto gone = (*cloud)->servers().remove(member(), server->id);
  REQUIRE(gone);
  CHECK((*cloud)->tasks().wait(*gone, std::chrono::seconds{20})->state == TaskState::Done);
  CHECK(fallen->throws["destroy"] == 0);
}

TEST_CASE("a hypervisor driver that throws on and on leaves a server in error that says so") {
  const auto fallen = std::make_shared<FallenHypervisor>();
  fallen->throws["start"] = 1'000;
  Options options = small_options();
  options.host_names.clear();
  options.hypervisor_drivers = {{"far", fallen}};
  options.workers = 0;
  const auto clock = std::make_shared<ManualClock>();
  options.clock = clock;
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  (*cloud)->run_pending();
  const auto server = make_server(**cloud, "s");
  REQUIRE(server);
  for (int i = 0; i < 100; ++i) {
    (*cloud)->run_pending();
    clock->advance(std::chrono::seconds{10});
  }
  const auto seen = (*cloud)->servers().get(member(), server->id);
  REQUIRE(seen);
  CHECK(seen->vm_state == VmState::Error);
  REQUIRE(seen->fault);
  CHECK(seen->fault->message.find("driver fallen broke off in start") != std::string::npos);
}

TEST_CASE("a hypervisor driver that throws when it is asked who it is keeps the cloud shut") {
  const auto fallen = std::make_shared<FallenHypervisor>();
  fallen->nameless = true;
  for (const bool beside : {false, true}) {
    CAPTURE(beside);
    Options options = small_options();
    if (beside)
      options.hypervisor_drivers = {{"far", fallen}};
    else
      options.hypervisor_driver = fallen;
    const auto cloud = Cloud::open(options);
    REQUIRE_FALSE(cloud);
    CHECK(cloud.error().code == ErrorCode::InvalidArgument);
    CHECK(cloud.error().message.find(beside ? "host far" : "hypervisor_driver") !=
          std::string::npos);
  }
}

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
