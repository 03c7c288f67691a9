#pragma once
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/executor.hpp"
#include "cloudos/networks.hpp"
#include "identity/quota.hpp"
#include "network/networks_room.hpp"
#include "network/record.hpp"
#include "network/simulated.hpp"
#include "cloudos/store.hpp"
#include "tasks/engine.hpp"
#include "tasks/runner.hpp"

namespace network_test {

using namespace cloudos;

/// A member of project `name`.
inline Context member(const std::string& name) {
  Context ctx;
  ctx.user = UserId{"user-of-" + name};
  ctx.project = ProjectId{name};
  ctx.roles = {"member", "reader"};
  return ctx;
}
inline Context admin(const std::string& project = "admin") {
  Context ctx = Context::system();
  ctx.project = ProjectId{project};
  return ctx;
}

/// The service over memory, a clock that stands still and a data plane that complains.
struct World {
  explicit World(std::vector<std::string> physical = {"physnet1"},
                 std::vector<std::shared_ptr<network::MechanismDriver>> drivers = {},
                 NetworkSettings settings = {}) {
    if (drivers.empty()) drivers = {driver};
    settings.physical_networks = std::move(physical);
    networks = make_networks(engine, settings, drivers);
  }
  /// Another life of a process over what an earlier one left.
  World(std::shared_ptr<store::Store> over, std::uint64_t seed,
        std::vector<std::shared_ptr<network::MechanismDriver>> drivers = {})
      : random(seed), store(over) {
    NetworkSettings settings;
    if (drivers.empty())
      drivers = {driver};
    else
      settings.physical_networks = {"physnet1"};
    networks = make_networks(engine, settings, drivers);
  }
  /// Everything goes as it came: what was made must leave nothing.
  ~World() {
    for (const std::string& complaint : driver->complaints()) FAIL_CHECK(complaint);
  }

  void start() { REQUIRE(runner.start()); }
  /// Runs what is due; virtual time goes on by at most `span`.
  void run(std::chrono::milliseconds span = std::chrono::milliseconds{0}) {
    const MonoTime end = clock.mono() + span;
    for (int round = 0; round < 1'000; ++round) {
      executor.run_pending();
      const auto next = executor.next_due();
      if (!next || *next > end) break;
      if (*next > clock.mono()) clock.advance(*next - clock.mono());
    }
    if (clock.mono() < end) clock.advance(end - clock.mono());
  }

  Network network(const Context& ctx, const std::string& name = "net", bool shared = false) {
    NetworkCreate spec;
    spec.name = name;
    spec.shared = shared;
    auto made = networks->create_network(ctx, spec);
    REQUIRE(made);
    return *made;
  }
  Subnet subnet(const Context& ctx, const Network& net, const std::string& cidr = "10.0.0.0/24",
                bool dhcp = true) {
    SubnetCreate spec;
    spec.network = net.id;
    spec.cidr = cidr;
    spec.dhcp = dhcp;
    auto made = networks->create_subnet(ctx, spec);
    if (!made) FAIL(made.error().message);
    return *made;
  }
  Result<Port> port(const Context& ctx, const NetworkId& net, const std::string& device = {}) {
    PortCreate spec;
    spec.network = net;
    if (!device.empty()) {
      spec.device_id = device;
      spec.device_owner = "compute:nova";
    }
    return networks->create_port(ctx, spec);
  }
  /// As compute makes it: within a transaction, given to the server from the start.
  Result<Port> server_port(const Context& ctx, const NetworkId& net, const std::string& server,
                           const std::string& vnic_type = "normal") {
    PortCreate spec;
    spec.network = net;
    spec.device_id = server;
    spec.device_owner = "compute:nova";
    spec.vnic_type = vnic_type;
    CLOUDOS_TRY(const auto snapshot, store->snapshot());
    CLOUDOS_TRY(const auto prep, networks->prepare_port(*snapshot, ctx, spec));
    Port made;
    CLOUDOS_CHECK(store->transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(made, networks->create_port(txn, ctx, prep));
      return Result<void>();
    }));
    return made;
  }
  std::int64_t used(const std::string& project, const std::string& resource) {
    const auto usage = Quota::usage(**store->snapshot(), ProjectId{project});
    REQUIRE(usage);
    return usage->at(resource).in_use;
  }
  void limit(const std::string& project, const std::string& resource, std::int64_t most) {
    REQUIRE(store->transact([&](store::Txn& txn) {
      return Quota::set_limit(txn, ProjectId{project}, resource, most);
    }));
  }
  /// Keys of the room's kinds that are left.
  std::vector<std::string> keys_left() {
    std::vector<std::string> left;
    const auto snapshot = *store->snapshot();
    for (const char* prefix : {"/network/", "/subnet/", "/port/", "/security_group/",
                               "/security_group_rule/", "/ux/", "/ix/", "/ip-chunk/", "/ip-full/",
                               "/segment/", "/segment-due/", "/auto-due/", "/legs-due/"}) {
      const auto found = snapshot->scan(prefix);
      REQUIRE(found);
      for (const auto& entry : *found) left.push_back(entry.key);
    }
    return left;
  }

  ManualClock clock;
  SeededRandom random{11};
  IdSource ids{clock, random};
  std::shared_ptr<store::Store> store = store::open_memory();  // Shared with lives after this one.
  Executor executor{clock, 0};
  TaskRunner runner{*store, executor, clock, random, Log{}};
  std::shared_ptr<network::SimulatedDriver> driver = std::make_shared<network::SimulatedDriver>();
  Engine engine{*store, executor, runner, clock, random, ids, Log{}, {}, "testtest"};
  std::unique_ptr<Networks> networks;
};

template <class T>
ErrorCode code_of(const Result<T>& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}
template <class T>
std::string type_of(const Result<T>& result) {
  if (result) return "no error";
  return result.error().type;
}

}  // namespace network_test
