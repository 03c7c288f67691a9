#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/mutex.hpp"
#include "cloudos/clock.hpp"
#include "cloudos/hypervisor.hpp"

namespace cloudos::hypervisor {

/// Faults told to the simulated driver. `verb` is the name of the Driver's function; `id` is empty
/// for make_disk, capabilities and list. Called without a lock held; may be called from any thread.
struct SimulatedHooks {
  using Fault = std::function<std::optional<Error>(std::string_view verb, const ServerId& id)>;
  using Delay = std::function<std::chrono::milliseconds(std::string_view verb, const ServerId& id)>;
  /// An error here: the verb fails and nothing happened.
  Fault before;
  /// An error here: the verb did its work, but the answer is lost; the caller will repeat it.
  Fault after;
  /// How long the verb takes. Until then, counted from its first call, it answers Timeout: what a
  /// caller sees of a slow host, without anyone sleeping.
  Delay delay;
};

struct SimulatedSettings {
  std::string host_name = "simulated";
  std::uint32_t vcpus = 64;
  std::uint64_t ram_mib = 256 * 1024;
  std::uint64_t disk_gib = 10'000;
  /// Outlives the driver. Null: time stands still, so guests power off at once when asked.
  const Clock* clock = nullptr;
  /// From the power button to power off; `no_power_button` guests ignore it for good.
  std::chrono::milliseconds guest_shutdown{0};
  bool no_power_button = false;
  /// Size of a file, or nothing when there is none: what backing files are looked up with.
  /// Null: every backing file exists.
  std::function<std::optional<std::uint64_t>(const std::filesystem::path&)> file_size;
  SimulatedHooks hooks;
  /// The domains that run here since before the object was made; asked once, before the first call
  /// that is about domains. Null: none.
  std::function<Result<std::vector<DomainSpec>>()> ran_before{};
};

/// A host in memory: documents the semantics of Driver, and is what simulations run on.
///
/// Thread-safe. Keeps its domains as long as the object lives: sharing it between two Clouds, one
/// after the other, is a restart of our process with the guests living on. An object of its own for
/// each of them does the same if it is told what ran: SimulatedSettings::ran_before. Same calls in
/// the same order give the same answers.
class Simulated final : public Driver {
 public:
  explicit Simulated(SimulatedSettings settings);

  std::string_view name() const override { return "simulated"; }
  Result<Capabilities> capabilities() override;
  Result<void> make_disk(const DiskSpec& disk) override;
  Result<void> define(const DomainSpec& spec) override;
  Result<void> start(const ServerId& id) override;
  Result<void> stop(const ServerId& id, StopMode mode) override;
  Result<void> destroy(const ServerId& id) override;
  Result<std::vector<DomainState>> list(const std::optional<ServerId>& only = {}) override;
  Result<void> attach_interface(const ServerId& id, const NicSpec& nic) override;
  Result<Detached> detach_interface(const ServerId& id, const std::string& mac) override;

  /// What no caller of Driver can do: the world outside.
  void set_hooks(SimulatedHooks hooks);
  /// A domain of somebody else: never listed, and in the way of ours under the same id.
  void add_foreign(const ServerId& id);
  /// The guest ends by itself: powered off from within, or crashed.
  void power_off(const ServerId& id, bool crashed = false);
  /// The host forgets the domain, as after a lost configuration.
  void forget(const ServerId& id);
  /// The host loses power and starts anew: every domain is off, none is forgotten.
  void power_cut();
  /// Guests hear of interfaces that they shall give up, or not: one that boots, or hangs.
  void let_go(bool willing);

  /// What tests look at.
  std::optional<DomainSpec> spec(const ServerId& id) const;
  std::vector<NicSpec> interfaces(const ServerId& id) const;  ///< That the running guest has.
  std::size_t domain_count() const;
  std::vector<ServerId> domains() const;  ///< As list(), without its faults.
  std::size_t disk_count() const;
  void remove_disk(const std::filesystem::path& path);

 private:
  struct Domain {
    DomainSpec spec;
    std::vector<NicSpec> plugged;  // What the guest has since it was started.
    PowerState power = PowerState::Shutdown;
    std::optional<MonoTime> off_at;  // The guest is on its way down.
    bool foreign = false;
  };
  Result<void> enter(std::string_view verb, const ServerId& id);
  Result<void> find_what_ran();
  Result<void> leave(std::string_view verb, const ServerId& id);
  Domain* find(const ServerId& id) CLOUDOS_REQUIRES(mutex_);
  void settle(Domain& domain) CLOUDOS_REQUIRES(mutex_);
  Result<void> add_disk(const DiskSpec& disk);
  Result<void> put_domain(const DomainSpec& spec);
  Result<void> plug(const ServerId& id, const NicSpec& nic);

  const SimulatedSettings settings_;
  Mutex asking_;  // Taken before mutex_.
  std::atomic<bool> asked_{false};
  mutable Mutex mutex_;
  SimulatedHooks hooks_ CLOUDOS_GUARDED_BY(mutex_);
  std::map<ServerId, Domain> domains_ CLOUDOS_GUARDED_BY(mutex_);
  std::map<std::filesystem::path, std::uint64_t> disks_ CLOUDOS_GUARDED_BY(mutex_);
  unsigned boots_ CLOUDOS_GUARDED_BY(mutex_) = 1;
  bool lets_go_ CLOUDOS_GUARDED_BY(mutex_) = true;
  std::map<std::pair<std::string, ServerId>, MonoTime> busy_until_ CLOUDOS_GUARDED_BY(mutex_);
};

/// The simulated driver, for wiring and for tests that need its other side.
std::shared_ptr<Simulated> make_simulated(SimulatedSettings settings = {});

}  // namespace cloudos::hypervisor
