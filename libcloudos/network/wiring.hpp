#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cloudos/network_driver.hpp"
#include "cloudos/networks.hpp"
#include "network/guarded.hpp"
#include "network/plan.hpp"
#include "tasks/engine.hpp"

namespace cloudos::network {

/// Keeps the drivers told: each resource in revision order, changes as they are committed, and the
/// whole plan at start, on a period and after a failure.
///
/// Knows in memory what each driver was told last, so that nothing is said twice and a burst of
/// changes to one network becomes one call. What it remembers is never trusted over a restart or a
/// failure: then drivers converge. Thread-safe.
class Wiring final {
 public:
  using Drivers = std::vector<std::shared_ptr<MechanismDriver>>;  // Shared with their embedder.
  Wiring(const Engine& engine, Drivers drivers);
  ~Wiring();

  /// Adds the reconciler `ports`.
  void start_watching(TaskRunner& runner);

  /// Who carries a port, level by level: the first driver that takes it, on the first of the
  /// network's segments it takes, has each. Asks drivers, which may block: outside transactions.
  struct Bound {
    std::vector<BindingLevel> levels;
    Binding binding;  ///< The lowest one's.
  };
  using MakeSegment = std::function<Result<NetworkSegment>(const LowerSegment&)>;
  /// `make` gives the segment a driver wants below it. Errors: Unsupported, saying who could not
  /// and why; what `make` says when nobody else took it.
  Result<Bound> bind(const Network& network, const PortContext& context,
                     const MakeSegment& make) const;
  Result<void> precommit(store::Txn& txn, const Change& change) const;

  /// Returns when every driver holds the resource as it was at `least` or later; true when one of
  /// them holds it at all. Blocks on drivers. Errors: the first driver's.
  ///
  /// A plugged port's network and groups are told before it, as of the same revision or later.
  /// `about`: the host this is for. Drivers of others may fail: they are put right later, and who
  /// is lost holds up nobody else. Nothing: for every driver that the last whole plan reached.
  using About = std::optional<std::string>;
  Result<bool> tell(Change::Kind kind, const std::string& id, store::Revision least,
                    const About& about = {});
  Result<void> tell_plugged(const Port& port, store::Revision least);
  /// The port, then what it was the last to use.
  Result<void> tell_unplugged(const PortId& id, const std::optional<Port>& port,
                              store::Revision least);

  /// A sign of life: when it was for people, and by the clock that never jumps for its age.
  struct Pulse {
    WallTime at;
    MonoTime mono;
  };
  /// What the drivers found they can do, host by host.
  struct HostAbilities {
    std::string driver, host;
    std::vector<Ability> abilities;
    std::optional<Pulse> pulse;  ///< When it last was as it should be.
  };
  std::vector<HostAbilities> abilities() const;
  /// Who carries what `driver` has bound on `host`, and whose plan that is; nothing: none here.
  struct Carrier {
    GuardedDriver* driver;
    PlanScope scope;  ///< Good for as long as this.
  };
  std::optional<Carrier> carrier(std::string_view driver, std::string_view host) const;
  /// When a pass last left every driver as it should be; nothing: none has yet.
  std::optional<Pulse> pulse() const;
  WallTime started() const { return started_; }

  /// One pass of the reconciler; true when there is more to do now.
  Result<bool> pass();

 private:
  using Key = std::pair<Change::Kind, std::string>;
  struct Told {
    bool busy = false;
    bool failed = false;
    store::Revision revision = 0;
    /// Per driver what it was told last; nothing: unknown.
    std::vector<std::optional<Change>> last;
  };
  struct Dirty {
    std::set<NetworkId> networks;
    std::set<SecurityGroupId> groups;
    std::set<PortId> ports;
    std::set<RouterId> routers;
    std::set<AddressGroupId> address_groups;
    std::set<QosPolicyId> policies;
    bool meters = false;  ///< What routers count.
  };
  /// What to write about a port once its driver did it.
  struct Settled {
    std::vector<PortId> wired;
    std::vector<std::pair<NetworkId, bool>> served;  ///< Whether the network is on the host.
    std::vector<std::pair<RouterId, bool>> routed;   ///< Whether the router is as it should be.
  };

  Result<Change> build(const store::Snapshot& snapshot, std::size_t driver, const Key& key) const;
  /// What came of telling every driver.
  struct Telling {
    store::Revision revision = 0;
    std::optional<Error> failure;  ///< The first.
    bool matters = false;          ///< A driver failed that the caller waits for.
  };
  Result<bool> tell_in_turn(const Key& key, store::Revision least, bool nested,
                            const About& about);
  Result<Telling> tell_now(const Key& key, const About& about, const std::vector<bool>& sound,
                           std::vector<std::optional<Change>>& last);
  Result<void> tell_driver(const store::Snapshot& snapshot, std::size_t driver, const Key& key,
                           Change& change);
  Result<void> tell_needs(const store::Snapshot& snapshot, std::size_t driver,
                          const Change& change);
  bool matters(std::size_t driver, const About& about, const std::vector<bool>& sound) const;
  PlanScope scope_of(std::size_t driver) const;
  struct Ladder;
  bool climb_down(Ladder& ladder, const std::vector<NetworkSegment>& segments) const;
  std::string why_unbound(const Network& network, const PortContext& context) const;
  void disturbed();
  std::optional<Pulse> pulse_of(std::size_t driver) const;
  Result<bool> converge();
  /// What came of a whole plan, driver by driver.
  struct Converged {
    std::vector<bool> sound;       ///< It took the plan.
    std::optional<Error> failure;  ///< The first.
    store::Revision revision = 0;
    std::map<Key, Told> told;
    Settled settled;
  };
  Converged converge_drivers(bool first);
  void end_converge(Converged& done);
  Result<bool> collect(store::Revision since, Dirty& dirty, store::Revision& until);
  Result<void> widen(const store::Snapshot& snapshot, Dirty& dirty) const;
  Result<void> converge_one(const store::Snapshot& snapshot, std::size_t driver,
                            std::map<Key, Told>& told, Settled& settled);
  void note_failed_routers(const Plan& plan, store::Revision revision, std::size_t driver,
                           Settled& settled);
  static Result<void> note_taken_away(const store::Snapshot& snapshot, Settled& settled);
  static Result<void> note_unserved(const store::Snapshot& snapshot, Settled& settled);
  Result<void> settle_routers(const Settled& settled);
  void tell_router(const store::Snapshot& snapshot, const RouterId& id, store::Revision until,
                   Settled& settled, std::optional<Error>& failure);
  Result<void> tell_dirty(const Dirty& dirty, store::Revision until);
  Result<std::set<SecurityGroupId>> with_remote_groups(
      const store::Snapshot& snapshot, const std::vector<SecurityGroupId>& groups) const;
  Result<void> settle(const Settled& settled);
  void converge_later_locked();

  Engine engine_;
  std::vector<std::unique_ptr<GuardedDriver>> drivers_;
  WallTime started_;
  std::vector<std::string> hosts_;              ///< Of each driver, in their order.
  std::map<std::string, std::string> tunnels_;  ///< Host to tunnel address, as the drivers say.
  std::vector<std::unique_ptr<store::Watch>> watches_;

  /// What records say of the drivers' work was so once. Of the reconciler's passes alone.
  bool written_down_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Below: guarded by mutex_. Never held across a driver call; `busy` and `converging_` keep order.
  std::map<Key, Told> told_;
  bool converging_ = false;
  std::vector<bool> sound_;  ///< Each driver holds what told_ says, and nothing else.
  std::size_t active_ = 0;
  std::uint32_t failures_ = 0;
  std::optional<store::Revision> since_;
  MonoTime converge_at_{};
  std::optional<Pulse> pulse_;
  std::vector<std::optional<Pulse>> pulses_;  ///< Of each driver.
  std::optional<MonoTime> disturbed_at_;
};

}  // namespace cloudos::network
