#include "network/wiring.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/caught.hpp"
#include "network/changes.hpp"
#include "network/errors.hpp"
#include "network/extra_records.hpp"
#include "network/l3_records.hpp"
#include "network/plan.hpp"
#include "network/plan_router.hpp"
#include "network/record.hpp"

namespace cloudos::network {
namespace {

constexpr std::chrono::milliseconds kConvergePeriod{30'000};
constexpr std::size_t kSettleBatch = 100;
/// How often a port that changes while its groups are told is looked at again.
constexpr int kNeedsRounds = 4;
constexpr const char* kBrokenOff = "an internal error broke off what drivers were to be told";
/// Who keeps disturbing is put right once in this time.
constexpr std::chrono::milliseconds kDisturbedPause{1'000};

template <class T>
bool same_plan(const PlanPtr<T>& a, const PlanPtr<T>& b) {
  return a == b || (a && b && *a == *b);
}
bool same_change(const Change& a, const Change& b) {
  return same_plan(a.network, b.network) && same_plan(a.group, b.group) &&
         same_plan(a.port, b.port) && same_plan(a.address_group, b.address_group) &&
         same_plan(a.router, b.router);
}

bool stands_on(const RouterPlan& router, const std::set<NetworkId>& networks) {
  const auto in = [&](const RouterPortPlan& leg) { return networks.count(leg.network) > 0; };
  return std::any_of(router.legs.begin(), router.legs.end(), in) ||
         (router.gateway && in(*router.gateway));
}

/// The legs of a router that its driver holds are wired.
void note_router(const RouterPlan& router, std::vector<PortId>& wired) {
  for (const RouterPortPlan& leg : router.legs) wired.push_back(leg.port);
  if (router.gateway) wired.push_back(router.gateway->port);
}

Result<std::set<AddressGroupId>> address_groups_of(const store::Snapshot& snapshot,
                                                   const std::vector<SecurityGroupId>& groups) {
  std::set<AddressGroupId> all;
  for (const SecurityGroupId& group : groups) {
    CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "group", group.value));
    for (const SecurityGroupRule& rule : rules)
      if (!rule.remote_address_group.empty()) all.insert(rule.remote_address_group);
  }
  return all;
}

}  // namespace

Wiring::Wiring(const Engine& engine, Drivers drivers)
    : engine_(engine),
      started_(engine.clock.wall()),
      sound_(drivers.size(), false) {
  pulses_.resize(drivers.size());
  for (auto& each : drivers) {
    drivers_.push_back(
        std::make_unique<GuardedDriver>(std::move(each), engine.log.for_room("network")));
    const GuardedDriver& driver = *drivers_.back();
    hosts_.push_back(driver.host());
    if (!driver.tunnel_address().empty()) tunnels_[driver.host()] = driver.tunnel_address();
  }
}

Wiring::~Wiring() {
  for (const auto& driver : drivers_) driver->watch(nullptr);
}

PlanScope Wiring::scope_of(std::size_t driver) const {
  return {drivers_[driver]->name(), hosts_[driver], tunnels_.empty() ? nullptr : &tunnels_};
}

void Wiring::start_watching(TaskRunner& runner) {
  runner.add(Reconciler{"ports", kConvergePeriod, {}, [this] { return pass(); }});
  const auto wake = [&runner] { runner.wake_reconciler("ports"); };
  for (const std::string_view kind :
       {Network::kKind, Subnet::kKind, Port::kKind, SecurityGroup::kKind, SecurityGroupRule::kKind,
        Router::kKind, FloatingIp::kKind, PortForwarding::kKind, AddressGroup::kKind,
        QosPolicy::kKind, MeteringLabel::kKind, MeteringRule::kKind})
    watches_.push_back(engine_.store.watch(records::record_prefix(kind), wake));
  for (const auto& driver : drivers_) driver->watch([this] { disturbed(); });
}

/// Called from a driver's own thread: what it keeps is not as it left it.
void Wiring::disturbed() {
  const std::lock_guard lock(mutex_);
  const MonoTime now = engine_.clock.mono();
  const MonoTime at = disturbed_at_ ? std::max(now, *disturbed_at_ + kDisturbedPause) : now;
  if (converge_at_ <= at) return;
  disturbed_at_ = at;
  converge_at_ = at;
  TaskRunner& runner = engine_.runner;
  engine_.executor.post_at(at, [&runner] { runner.wake_reconciler("ports"); });
}

std::vector<Wiring::HostAbilities> Wiring::abilities() const {
  std::vector<HostAbilities> out;
  for (std::size_t i = 0; i < drivers_.size(); ++i)
    out.push_back({std::string(drivers_[i]->name()), hosts_[i], drivers_[i]->abilities(),
                   pulse_of(i)});
  return out;
}

std::optional<Wiring::Pulse> Wiring::pulse_of(std::size_t driver) const {
  const std::lock_guard lock(mutex_);
  return driver < pulses_.size() ? pulses_[driver] : std::nullopt;
}

std::optional<Wiring::Pulse> Wiring::pulse() const {
  const std::lock_guard lock(mutex_);
  return pulse_;
}

Result<void> Wiring::precommit(store::Txn& txn, const Change& change) const {
  for (const auto& driver : drivers_) CLOUDOS_CHECK(driver->precommit(txn, change));
  return Result<void>();
}

Result<Change> Wiring::build(const store::Snapshot& snapshot, std::size_t driver,
                             const Key& key) const {
  Change change = gone_change(key.first, key.second, snapshot.revision());
  const PlanScope scope = scope_of(driver);
  switch (key.first) {
    case Change::Kind::Network: {
      CLOUDOS_TRY(change.network, plan_network(snapshot, scope, NetworkId{key.second}));
      break;
    }
    case Change::Kind::Group: {
      CLOUDOS_TRY(change.group, plan_group(snapshot, scope, SecurityGroupId{key.second}));
      break;
    }
    case Change::Kind::Port: {
      CLOUDOS_TRY(change.port, plan_port(snapshot, scope, PortId{key.second}));
      break;
    }
    case Change::Kind::Router: {
      CLOUDOS_TRY(change.router, plan_whole_router(snapshot, scope, RouterId{key.second}));
      break;
    }
    case Change::Kind::AddressGroup: {
      CLOUDOS_TRY(change.address_group,
                  plan_address_group(snapshot, scope, AddressGroupId{key.second}));
      break;
    }
  }
  return change;
}

bool Wiring::matters(std::size_t driver, const About& about,
                     const std::vector<bool>& sound) const {
  return about ? hosts_[driver].empty() || hosts_[driver] == *about : sound[driver];
}

/// What it stands on is told first, as of then: a port that let go of a group meanwhile must not
/// be told with it, since the group may have gone. Changes `change` to what is told in the end.
Result<void> Wiring::tell_driver(const store::Snapshot& snapshot, std::size_t driver,
                                 const Key& key, Change& change) {
  CLOUDOS_CHECK(tell_needs(snapshot, driver, change));
  store::Revision seen = snapshot.revision();
  for (int round = 0; round < kNeedsRounds && (change.port || change.router); ++round) {
    CLOUDOS_TRY(const auto now, engine_.store.snapshot());
    if (std::exchange(seen, now->revision()) == now->revision()) break;
    CLOUDOS_TRY(auto newer, build(*now, driver, key));
    if (same_change(newer, change)) break;
    change = std::move(newer);
    CLOUDOS_CHECK(tell_needs(*now, driver, change));
  }
  return drivers_[driver]->postcommit(change);
}

Result<Wiring::Telling> Wiring::tell_now(const Key& key, const About& about,
                                         const std::vector<bool>& sound,
                                         std::vector<std::optional<Change>>& last) {
  CLOUDOS_TRY(const auto snapshot, engine_.store.snapshot());
  Telling telling;
  telling.revision = snapshot->revision();
  for (std::size_t i = 0; i < drivers_.size(); ++i) {
    CLOUDOS_TRY(Change change, build(*snapshot, i, key));
    if (last[i] && same_change(*last[i], change)) continue;
    const bool waited_for = matters(i, about, sound);
    // Who waits for it next has to tell it.
    last[i].reset();
    // The whole plan is due there: until then it is not asked for others' sake.
    if (!waited_for && !sound[i]) continue;
    auto told = tell_driver(*snapshot, i, key, change);
    if (told) {
      last[i] = std::move(change);
      continue;
    }
    if (!telling.failure || (waited_for && !telling.matters)) telling.failure = told.error();
    telling.matters = telling.matters || waited_for;
  }
  return telling;
}

/// What a port or a router stands on, as of the snapshot its plan was made of: a plug that commits
/// between the telling of a group and of the port must not bring the port first.
Result<void> Wiring::tell_needs(const store::Snapshot& snapshot, std::size_t driver,
                                const Change& change) {
  const store::Revision least = snapshot.revision();
  const About about = hosts_[driver];
  std::set<NetworkId> networks;
  if (change.port) networks.insert(change.port->network);
  if (change.router) {
    for (const RouterPortPlan& leg : change.router->legs) networks.insert(leg.network);
    if (change.router->gateway) networks.insert(change.router->gateway->network);
  }
  for (const NetworkId& network : networks)
    CLOUDOS_CHECK(tell_in_turn({Change::Kind::Network, network.value}, least, true, about));
  if (!change.port) return Result<void>();
  CLOUDOS_TRY(const auto addresses, address_groups_of(snapshot, change.port->groups));
  for (const AddressGroupId& group : addresses)
    CLOUDOS_CHECK(tell_in_turn({Change::Kind::AddressGroup, group.value}, least, true, about));
  CLOUDOS_TRY(const auto groups, with_remote_groups(snapshot, change.port->groups));
  for (const SecurityGroupId& group : groups)
    CLOUDOS_CHECK(tell_in_turn({Change::Kind::Group, group.value}, least, true, about));
  return Result<void>();
}

Result<bool> Wiring::tell(Change::Kind kind, const std::string& id, store::Revision least,
                          const About& about) {
  return tell_in_turn({kind, id}, least, false, about);
}

/// `nested` is part of another resource's turn, which a converge waits for: it must not wait for
/// the converge in turn. Only ports and routers nest others, and only networks and groups.
Result<bool> Wiring::tell_in_turn(const Key& key, store::Revision least, bool nested,
                                  const About& about) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    const auto found = told_.find(key);
    return (nested || !converging_) && (found == told_.end() || !found->second.busy);
  });
  Told& mine = told_[key];
  if (mine.last.empty()) {
    // After a converge, what was never told is not there.
    mine.last.resize(drivers_.size());
    for (std::size_t i = 0; i < drivers_.size(); ++i)
      if (sound_[i]) mine.last[i] = gone_change(key.first, key.second, 0);
  }
  bool unknown = false;
  for (std::size_t i = 0; i < drivers_.size(); ++i)
    unknown = unknown || (!mine.last[i] && matters(i, about, sound_));
  if (unknown || mine.failed || mine.revision < least || mine.revision == 0) {
    auto last = mine.last;
    const auto sound = sound_;
    mine.busy = true;
    ++active_;
    lock.unlock();
    auto telling = caught(ErrorCode::Internal, kBrokenOff,
                          [&] { return tell_now(key, about, sound, last); });
    lock.lock();
    const bool whole = telling && !telling->failure;
    Told& after = told_[key];  // Who is busy stays there.
    after.busy = false;
    after.failed = !whole;
    after.last = std::move(last);
    if (whole) after.revision = telling->revision;
    --active_;
    changed_.notify_all();
    if (!whole) converge_later_locked();
    if (!telling) return fail(std::move(telling).error());
    if (telling->matters) return fail(std::move(*telling->failure));
  }
  const auto& last = told_[key].last;
  const bool held = std::any_of(last.begin(), last.end(),
                                [](const auto& change) { return change && !change->gone(); });
  const bool sure =
      std::all_of(last.begin(), last.end(), [](const auto& change) { return change.has_value(); });
  const bool all_sound = std::find(sound_.begin(), sound_.end(), false) == sound_.end();
  if (!held && sure && all_sound) told_.erase(key);
  return held;
}

void Wiring::converge_later_locked() {
  const auto wait = std::min<std::chrono::milliseconds>(
      limits::kBackoffFirst * (1LL << std::min<std::uint32_t>(failures_, 10)),
      limits::kBackoffMost);
  // What is due earlier, or already, stays so: each failure would put it off a little more.
  if (const MonoTime at = engine_.clock.mono() + wait; at < converge_at_) {
    ++failures_;
    converge_at_ = at;
  }
  // Also when it stays: passes that were woken put the period's own off.
  TaskRunner& runner = engine_.runner;
  engine_.executor.post_at(converge_at_, [&runner] { runner.wake_reconciler("ports"); });
}

Result<std::set<SecurityGroupId>> Wiring::with_remote_groups(
    const store::Snapshot& snapshot, const std::vector<SecurityGroupId>& groups) const {
  std::set<SecurityGroupId> all(groups.begin(), groups.end());
  for (const SecurityGroupId& group : groups) {
    CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "group", group.value));
    for (const SecurityGroupRule& rule : rules)
      if (!rule.remote_group.empty()) all.insert(rule.remote_group);
  }
  return all;
}

Result<void> Wiring::tell_plugged(const Port& port, store::Revision least) {
  CLOUDOS_CHECK(tell(Change::Kind::Port, port.id.value, least, port.host));
  CLOUDOS_TRY(const bool served,
              tell(Change::Kind::Network, port.network.value, least, port.host));
  return settle({{port.id}, {{port.network, served}}, {}});
}

Result<void> Wiring::tell_unplugged(const PortId& id, const std::optional<Port>& port,
                                    store::Revision least) {
  const About about = port ? About(port->host) : About();
  CLOUDOS_CHECK(tell(Change::Kind::Port, id.value, least, about));
  if (!port) return Result<void>();
  std::set<SecurityGroupId> groups;
  {
    CLOUDOS_TRY(const auto snapshot, engine_.store.snapshot());
    CLOUDOS_TRY(groups, with_remote_groups(*snapshot, port->security_groups));
  }
  for (const SecurityGroupId& group : groups)
    CLOUDOS_CHECK(tell(Change::Kind::Group, group.value, least, about));
  CLOUDOS_TRY(const bool served,
              tell(Change::Kind::Network, port->network.value, least, about));
  return settle({{}, {{port->network, served}}, {}});
}

// ---- what drivers did, written down -------------------------------------------------------------

Result<void> Wiring::settle_routers(const Settled& settled) {
  for (const auto& [id, works] : settled.routed)
    CLOUDOS_CHECK(settle_router(engine_.store, id, works));
  return Result<void>();
}

Result<void> Wiring::settle(const Settled& settled) {
  CLOUDOS_CHECK(settle_routers(settled));
  // An idle cloud commits nothing: only what differs is written.
  std::vector<std::pair<PortId, bool>> differing;
  CLOUDOS_TRY(const auto snapshot, engine_.store.snapshot());
  for (const PortId& id : settled.wired) {
    const auto port = records::get<Port>(*snapshot, id);
    if (port && port->plugged && !port->wired) differing.emplace_back(id, true);
  }
  for (const auto& [id, served] : settled.served) {
    const auto network = records::get<Network>(*snapshot, id);
    if (!network || network->dhcp_port.empty()) continue;
    const auto port = records::get<Port>(*snapshot, network->dhcp_port);
    if (port && port->wired != served) differing.emplace_back(port->id, served);
  }
  for (std::size_t from = 0; from < differing.size(); from += kSettleBatch) {
    CLOUDOS_CHECK(engine_.store.transact([&](store::Txn& txn) -> Result<void> {
      const std::size_t to = std::min(differing.size(), from + kSettleBatch);
      for (std::size_t i = from; i < to; ++i) {
        auto port = records::get<Port>(txn, differing[i].first);
        if (!port) continue;  // Deleted meanwhile: nothing to say of it.
        const bool dhcp = port->device_owner == kDhcpOwner;
        if (!dhcp && !port->plugged) continue;
        port->wired = differing[i].second;
        if (dhcp) port->plugged = port->wired;
        CLOUDOS_CHECK(records::update(txn, *port));
      }
      return Result<void>();
    }));
  }
  return Result<void>();
}

// ---- the whole plan -----------------------------------------------------------------------------

Result<void> Wiring::converge_one(const store::Snapshot& snapshot, std::size_t driver,
                                  std::map<Key, Told>& told, Settled& settled) {
  const store::Revision revision = snapshot.revision();
  const auto remember = [&](Change change) {
    Told& one = told[{change.kind, change.id}];
    one.revision = revision;
    if (one.last.empty())
      one.last.assign(drivers_.size(), gone_change(change.kind, change.id, revision));
    one.last[driver] = std::move(change);
  };
  CLOUDOS_TRY(const Plan plan, plan_all(snapshot, scope_of(driver)));
  if (auto done = drivers_[driver]->converge(plan); !done) {
    note_failed_routers(plan, revision, driver, settled);
    return done;
  }
  for (const auto& [id, network] : plan.networks) {
    remember(change_of(network, revision));
    settled.served.emplace_back(id, true);
  }
  for (const auto& [id, group] : plan.groups) remember(change_of(group, revision));
  for (const auto& [id, group] : plan.address_groups) remember(change_of(group, revision));
  for (const auto& [id, port] : plan.ports) {
    remember(change_of(port, revision));
    settled.wired.push_back(id);
  }
  for (const auto& [id, router] : plan.routers) {
    remember(change_of(router, revision));
    note_router(router, settled.wired);
    settled.routed.emplace_back(id, true);
  }
  return Result<void>();
}

/// What of a plan failed nobody says: each router that floating addresses stand by is told by
/// itself, behind its networks, so that they say whether it is well.
void Wiring::note_failed_routers(const Plan& plan, store::Revision revision, std::size_t driver,
                                 Settled& settled) {
  for (const auto& [id, router] : plan.routers) {
    if (router.floating.empty() && router.forwards.empty()) continue;
    std::set<NetworkId> below;
    for (const RouterPortPlan& leg : router.legs) below.insert(leg.network);
    if (router.gateway) below.insert(router.gateway->network);
    bool well = true;
    for (const NetworkId& network : below) {
      const auto found = plan.networks.find(network);
      well = well && found != plan.networks.end() &&
             drivers_[driver]->postcommit(change_of(found->second, revision));
    }
    well = well && drivers_[driver]->postcommit(change_of(router, revision));
    settled.routed.emplace_back(id, well);
  }
}

/// Nobody carries routers that were taken from their agent: what they did ends, whoever died before
/// it was written.
Result<void> Wiring::note_taken_away(const store::Snapshot& snapshot, Settled& settled) {
  CLOUDOS_TRY(const auto routers, records::all<Router>(snapshot));
  for (const Router& router : routers)
    if (router.unscheduled) settled.routed.emplace_back(router.id, false);
  return Result<void>();
}

/// DHCP ports of networks that nobody holds are down: who died before it was written left them up.
Result<void> Wiring::note_unserved(const store::Snapshot& snapshot, Settled& settled) {
  std::set<NetworkId> held;
  for (const auto& [id, served] : settled.served) held.insert(id);
  CLOUDOS_TRY(const auto networks, records::all<Network>(snapshot));
  for (const Network& network : networks) {
    if (network.dhcp_port.empty() || held.count(network.id) > 0) continue;
    const auto port = records::get<Port>(snapshot, network.dhcp_port);
    if (port && port->wired) settled.served.emplace_back(network.id, false);
  }
  return Result<void>();
}

/// `first`: what records say of the drivers' work is not known to be so.
Wiring::Converged Wiring::converge_drivers(bool first) {
  Converged done;
  done.sound.assign(drivers_.size(), false);
  const auto snapshot = engine_.store.snapshot();
  if (!snapshot) {
    done.failure = snapshot.error();
    return done;
  }
  done.revision = (*snapshot)->revision();
  const auto idle = note_taken_away(**snapshot, done.settled);
  if (!idle) done.failure = idle.error();
  for (std::size_t i = 0; i < drivers_.size(); ++i) {
    const auto converged = converge_one(**snapshot, i, done.told, done.settled);
    done.sound[i] = converged.has_value();
    if (!converged && !done.failure) done.failure = converged.error();
  }
  const bool all = std::find(done.sound.begin(), done.sound.end(), false) == done.sound.end();
  if (first && all) {
    const auto unserved = note_unserved(**snapshot, done.settled);
    if (!unserved && !done.failure) done.failure = unserved.error();
  }
  // What the others hold is not known.
  for (auto& [key, told] : done.told)
    for (std::size_t i = 0; i < drivers_.size(); ++i)
      if (!done.sound[i]) told.last[i].reset();
  return done;
}

void Wiring::end_converge(Converged& done) {
  const std::lock_guard lock(mutex_);
  converging_ = false;
  changed_.notify_all();
  if (done.revision != 0) since_ = done.revision;
  sound_ = done.sound;
  const Pulse now{engine_.clock.wall(), engine_.clock.mono()};
  for (std::size_t i = 0; i < drivers_.size(); ++i)
    if (sound_[i]) pulses_[i] = now;
  told_ = std::move(done.told);
  if (done.failure) {
    converge_at_ = MonoTime::max();  // What was due has been tried.
    converge_later_locked();
  } else {
    failures_ = 0;
    pulse_ = now;
    // A little early, so that the period's own pass is never just too soon.
    converge_at_ = engine_.clock.mono() + kConvergePeriod - std::chrono::milliseconds{500};
  }
}

Result<bool> Wiring::converge() {
  {
    // Nobody is told anything while a whole plan is applied: a plan read before a port was plugged
    // must not take its device away after.
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !converging_; });
    converging_ = true;
    changed_.wait(lock, [&] { return active_ == 0; });
  }
  // Only passes of the reconciler come here, one at a time: they alone know what is written down.
  auto applied = caught(ErrorCode::Internal, kBrokenOff,
                        [&]() -> Result<Converged> { return converge_drivers(!written_down_); });
  Converged done;
  if (applied) {
    done = std::move(*applied);
  } else {
    done.sound.assign(drivers_.size(), false);
    done.failure = std::move(applied).error();
  }
  end_converge(done);
  written_down_ = false;
  CLOUDOS_CHECK(settle(done.settled));
  if (done.failure) return fail(std::move(*done.failure));
  written_down_ = true;
  return false;
}

// ---- changes as they come -----------------------------------------------------------------------

Result<bool> Wiring::collect(store::Revision since, Dirty& dirty, store::Revision& until) {
  // Index entries tell what a deleted record belonged to.
  const auto port = std::string("/ix/") + std::string(Port::kKind);
  const auto rule = std::string("/ix/") + std::string(SecurityGroupRule::kKind);
  std::vector<std::pair<std::string, std::function<void(std::string)>>> sources{
      {records::record_prefix(Network::kKind),
       [&](std::string id) { dirty.networks.insert(NetworkId{std::move(id)}); }},
      {records::record_prefix(Port::kKind),
       [&](std::string id) { dirty.ports.insert(PortId{std::move(id)}); }},
      {records::record_prefix(SecurityGroup::kKind),
       [&](std::string id) { dirty.groups.insert(SecurityGroupId{std::move(id)}); }},
      {port + "/network/",
       [&](std::string id) { dirty.networks.insert(NetworkId{std::move(id)}); }},
      {port + "/group/",
       [&](std::string id) { dirty.groups.insert(SecurityGroupId{std::move(id)}); }},
      {rule + "/group/",
       [&](std::string id) { dirty.groups.insert(SecurityGroupId{std::move(id)}); }},
      {rule + "/remote/",
       [&](std::string id) { dirty.groups.insert(SecurityGroupId{std::move(id)}); }},
      {rule + "/addresses/",
       [&](std::string id) { dirty.address_groups.insert(AddressGroupId{std::move(id)}); }},
      {records::record_prefix(AddressGroup::kKind),
       [&](std::string id) { dirty.address_groups.insert(AddressGroupId{std::move(id)}); }},
      {records::record_prefix(QosPolicy::kKind),
       [&](std::string id) { dirty.policies.insert(QosPolicyId{std::move(id)}); }},
      {records::record_prefix(MeteringLabel::kKind), [&](std::string) { dirty.meters = true; }},
      {records::record_prefix(MeteringRule::kKind), [&](std::string) { dirty.meters = true; }},
  };
  for (const std::string_view prefix : kRouterChanges) {
    sources.emplace_back(prefix,
                         [&](std::string id) { dirty.routers.insert(RouterId{std::move(id)}); });
  }
  until = UINT64_MAX;
  for (const auto& [prefix, take] : sources) {
    CLOUDOS_TRY(const store::Changes changes, engine_.store.changes(prefix, since));
    if (changes.too_old) return false;
    for (const std::string& key : changes.keys) {
      const std::string rest = key.substr(prefix.size());
      take(rest.substr(0, rest.find('/')));
    }
    until = std::min(until, changes.until);
  }
  return true;
}

Result<void> Wiring::widen(const store::Snapshot& snapshot, Dirty& dirty) const {
  for (const QosPolicyId& id : dirty.policies) {
    CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "qos", id.value));
    for (const Port& port : ports) dirty.ports.insert(port.id);
    CLOUDOS_TRY(const auto floating, records::all<FloatingIp>(snapshot, "qos", id.value));
    for (const FloatingIp& one : floating)
      if (!one.router.empty()) dirty.routers.insert(one.router);
    CLOUDOS_TRY(const auto networks, records::all<Network>(snapshot, "qos", id.value));
    for (const Network& network : networks) dirty.networks.insert(network.id);
  }
  for (const PortId& id : dirty.ports) {
    const auto port = records::get<Port>(snapshot, id);
    if (!port) continue;
    dirty.networks.insert(port->network);
    if (!port->router.empty()) dirty.routers.insert(port->router);
    dirty.groups.insert(port->security_groups.begin(), port->security_groups.end());
  }
  const std::vector<SecurityGroupId> groups(dirty.groups.begin(), dirty.groups.end());
  CLOUDOS_TRY(dirty.groups, with_remote_groups(snapshot, groups));
  return Result<void>();
}

Result<void> Wiring::tell_dirty(const Dirty& dirty, store::Revision until) {
  CLOUDOS_TRY(const auto snapshot, engine_.store.snapshot());
  std::optional<Error> failure;
  const auto say = [&](Change::Kind kind, const std::string& id, const About& about = {}) {
    const auto told = tell(kind, id, until, about);
    if (!told && !failure) failure = told.error();
    return told && *told;
  };
  Settled settled;
  std::vector<Port> plugged;
  std::vector<RouterId> routers;
  // Devices that go come first, then what devices need, then the devices that stay or come:
  // sub-ports last, which stand on their parents' devices.
  for (const PortId& id : dirty.ports) {
    auto port = records::get<Port>(*snapshot, id);
    if (port && port->plugged && port->router.empty())
      plugged.push_back(std::move(*port));
    else if (!port || port->router.empty())
      say(Change::Kind::Port, id.value);
  }
  for (const RouterId& id : dirty.routers) {
    if (records::get<Router>(*snapshot, id))
      routers.push_back(id);
    else
      say(Change::Kind::Router, id.value);
  }
  for (const NetworkId& id : dirty.networks) {
    const bool served = say(Change::Kind::Network, id.value);
    settled.served.emplace_back(id, served);
  }
  for (const AddressGroupId& id : dirty.address_groups) say(Change::Kind::AddressGroup, id.value);
  for (const SecurityGroupId& id : dirty.groups) say(Change::Kind::Group, id.value);
  std::stable_partition(plugged.begin(), plugged.end(),
                        [](const Port& port) { return !port.sub_of_trunk; });
  for (const Port& port : plugged)
    if (say(Change::Kind::Port, port.id.value, port.host)) settled.wired.push_back(port.id);
  for (const RouterId& id : routers) tell_router(*snapshot, id, until, settled, failure);
  CLOUDOS_CHECK(settle(settled));
  if (failure) return fail(std::move(*failure));
  return Result<void>();
}

/// A router that is carried nowhere has nothing to be said of its addresses, but for one that an
/// admin took away.
void Wiring::tell_router(const store::Snapshot& snapshot, const RouterId& id, store::Revision until,
                         Settled& settled, std::optional<Error>& failure) {
  const auto told = tell(Change::Kind::Router, id.value, until);
  if (!told && !failure) failure = told.error();
  const auto router = records::get<Router>(snapshot, id);
  const bool taken_away = router && router->unscheduled;
  if (!told || *told || taken_away)
    settled.routed.emplace_back(id, told.has_value() && !taken_away);
  if (!told || !*told || !router) return;
  settled.wired.insert(settled.wired.end(), router->interfaces.begin(), router->interfaces.end());
  if (!router->gateway_port.empty()) settled.wired.push_back(router->gateway_port);
}

Result<bool> Wiring::pass() {
  std::optional<store::Revision> since;
  {
    const std::lock_guard lock(mutex_);
    if (engine_.clock.mono() < converge_at_) since = since_;
  }
  if (!since) return converge();
  Dirty dirty;
  store::Revision until = 0;
  CLOUDOS_TRY(const bool whole, collect(*since, dirty, until));
  if (!whole) return converge();
  {
    CLOUDOS_TRY(const auto snapshot, engine_.store.snapshot());
    CLOUDOS_CHECK(widen(*snapshot, dirty));
  }
  {
    // A network's change may be its ports' (MTU); one that is not told is none of ours.
    const std::lock_guard lock(mutex_);
    for (const auto& [key, told] : told_) {
      for (const auto& change : told.last) {
        if (change && change->port && dirty.networks.count(change->port->network))
          dirty.ports.insert(PortId{key.second});
        if (change && change->router &&
            (dirty.meters || stands_on(*change->router, dirty.networks)))
          dirty.routers.insert(RouterId{key.second});
      }
    }
  }
  const auto told = tell_dirty(dirty, until);
  {
    // What failed is found again by the converge that is now due; the rest is done.
    const std::lock_guard lock(mutex_);
    if (since_ == since) since_ = until;
  }
  if (!told) return fail(told.error());
  return false;
}

}  // namespace cloudos::network
