#include <fmt/format.h>

#include <set>

#include "base/text.hpp"
#include "placement/hosts_impl.hpp"
#include "records/table.hpp"

namespace cloudos {
namespace {

// A host takes two keys when it is new; well under the limits of a transaction.
constexpr std::size_t kHostsPerCommit = 500;

bool same_facts(const HostFacts& a, const HostFacts& b) {
  HostFacts left = a;
  left.disk_free_gib = b.disk_free_gib;  // Changes all the time and is never recorded.
  return left == b;
}

}  // namespace

/// Writes a record for each host that has none yet.
Result<void> Hosts::Impl::register_hosts() {
  std::vector<placement::HostRecord> fresh;
  {
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    CLOUDOS_TRY(const auto known, records::all<placement::HostRecord>(*snapshot));
    std::set<std::string_view> names;
    std::uint64_t number = 0;
    for (const auto& host : known) {
      names.insert(host.name);
      number = std::max(number, host.number);
    }
    for (std::size_t source = 0; source < settings.hosts.size(); ++source) {
      for (const std::string& name : settings.hosts[source].names) {
        CLOUDOS_CHECK(check_name("host name", name, 1, limits::kNameChars));
        if (!source_of.emplace(name, source).second) {
          return fail(ErrorCode::InvalidArgument, fmt::format("host {} is named twice", name));
        }
        if (names.contains(name)) continue;
        placement::HostRecord host;
        host.id = engine.ids.make<HostId>();
        host.number = ++number;
        host.name = name;
        host.zone = settings.zone;
        host.cpu_ratio = settings.cpu_ratio;
        host.ram_ratio = settings.ram_ratio;
        host.disk_ratio = settings.disk_ratio;
        host.reserved_ram_mib = settings.reserved_ram_mib;
        host.created_at = engine.clock.wall();
        fresh.push_back(std::move(host));
      }
    }
    if (source_of.size() > limits::kHosts) {
      return fail(ErrorCode::InvalidArgument, fmt::format("{} hosts, at most {} are possible",
                                                          source_of.size(), limits::kHosts));
    }
  }
  for (std::size_t from = 0; from < fresh.size(); from += kHostsPerCommit) {
    const std::size_t to = std::min(fresh.size(), from + kHostsPerCommit);
    CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
      for (std::size_t i = from; i < to; ++i) CLOUDOS_CHECK(records::insert(txn, fresh[i]));
      return Result<void>();
    }));
  }
  return Result<void>();
}

/// Writes what a hypervisor says into the records of its hosts, where it differs.
Result<void> Hosts::Impl::record_facts(const placement::HostSource& source,
                                       const HostFacts& facts) {
  std::vector<HostId> differ;
  {
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    for (const std::string& name : source.names) {
      CLOUDOS_TRY(const auto record, find(*snapshot, name));
      if (!same_facts(record.facts, facts)) differ.push_back(record.id);
    }
  }
  for (std::size_t from = 0; from < differ.size(); from += kHostsPerCommit) {
    const std::size_t to = std::min(differ.size(), from + kHostsPerCommit);
    CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
      for (std::size_t i = from; i < to; ++i) {
        CLOUDOS_CHECK(records::modify<placement::HostRecord>(txn, differ[i],
                                                             [&](placement::HostRecord& host) {
                                                               host.facts = facts;
                                                               host.facts.disk_free_gib = 0;
                                                               return Result<void>();
                                                             }));
      }
      return Result<void>();
    }));
  }
  return Result<void>();
}

/// One pass of the reconciler: asks every hypervisor once.
Result<bool> Hosts::Impl::probe_all() {
  std::optional<Error> first_error;
  for (std::size_t i = 0; i < settings.hosts.size(); ++i) {
    auto facts = settings.hosts[i].probe();
    // Recorded before the host counts as up: the scheduler must not see it without its amounts.
    auto recorded = facts ? record_facts(settings.hosts[i], *facts) : Result<void>();
    const auto& error = !facts      ? std::optional<Error>(facts.error())
                        : !recorded ? std::optional<Error>(recorded.error())
                                    : std::nullopt;
    if (error && !first_error) first_error = error;
    LockGuard lock(mutex);
    Answer& answer = answers[i];
    answer.asked = true;
    if (error) continue;
    answer.at = engine.clock.mono();
    answer.wall = engine.clock.wall();
    answer.disk_free_gib = facts->disk_free_gib;
  }
  if (first_error) return fail(std::move(*first_error));
  return false;
}

namespace {

void show_host(const placement::HostRecord& record, const placement::HostUsage* usage,
               scheduler::HostState& state) {
  placement::fill_capacity(record, usage, state.vcpus, state.ram_mib, state.disk_gib);
  state.id = record.id;
  state.name = record.name;
  state.zone = record.zone;
  // Forced down reads as out of use: liveness is what answers, and changes by itself.
  state.enabled = !record.disabled && !record.forced_down;
  state.servers = usage ? usage->servers : 0;
}

void show_usage(const placement::HostUsage& usage, scheduler::HostState& state) {
  state.vcpus.used = usage.vcpus;
  state.ram_mib.used = usage.ram_mib;
  state.disk_gib.used = usage.disk_gib;
  state.servers = usage.servers;
}

Result<std::optional<placement::HostUsage>> stored_usage(const store::Snapshot& snapshot,
                                                     std::string_view host) {
  auto usage = records::get<placement::HostUsage>(snapshot, host);
  if (!usage && usage.error().code == ErrorCode::NotFound)
    return std::optional<placement::HostUsage>();
  if (!usage) return fail(std::move(usage).error());
  return std::optional<placement::HostUsage>(std::move(*usage));
}

}  // namespace

/// The whole view anew.
Result<void> Hosts::Impl::load_cache(const store::Snapshot& snapshot) {
  CLOUDOS_TRY(const auto hosts, records::all<placement::HostRecord>(snapshot));
  std::vector<scheduler::HostState> states(hosts.size());
  cache.at.clear();
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    CLOUDOS_TRY(const auto usage, stored_usage(snapshot, hosts[i].id.value));
    show_host(hosts[i], usage ? &*usage : nullptr, states[i]);
    cache.at[hosts[i].id] = i;
  }
  cache.table.assign(std::move(states));
  cache.alive.assign(settings.hosts.size(), false);
  cache.loaded = true;
  return Result<void>();
}

/// The hosts of these keys. False: one is not in the view yet.
Result<bool> Hosts::Impl::update_cache(const store::Snapshot& snapshot,
                                       const std::vector<std::string>& keys) {
  const std::string record_prefix = records::record_prefix(placement::HostRecord::kKind);
  for (const std::string& key : keys) {
    const std::string id = key.substr(key.rfind('/') + 1);
    const auto at = cache.at.find(HostId{id});
    if (at == cache.at.end()) return false;  // A host joined: rare.
    CLOUDOS_TRY(const auto usage, stored_usage(snapshot, id));
    if (!key.starts_with(record_prefix)) {
      cache.table.change(at->second, [&](scheduler::HostState& state) {
        show_usage(usage.value_or(placement::HostUsage{}), state);
      });
      continue;
    }
    CLOUDOS_TRY(const auto record, records::get<placement::HostRecord>(snapshot, id));
    cache.table.change(at->second, [&](scheduler::HostState& state) {
      show_host(record, usage ? &*usage : nullptr, state);
    });
  }
  return true;
}

/// Brings the scheduler's view up to the newest commit. Under cache_mutex.
Result<void> Hosts::Impl::refresh_cache() {
  // "/host" begins the keys of both kinds the view is made of.
  constexpr std::string_view kPrefix = "/host";
  if (cache.loaded) {
    CLOUDOS_TRY(const auto changes, engine.store.changes(kPrefix, cache.since));
    if (!changes.too_old) {
      bool known = true;
      if (!changes.keys.empty()) {
        CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
        CLOUDOS_TRY(known, update_cache(*snapshot, changes.keys));
      }
      cache.since = changes.until;
      if (known) return Result<void>();
    }
  }
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  cache.since = snapshot->revision();
  return load_cache(*snapshot);
}

/// Writes into the view who answers. Under cache_mutex.
void Hosts::Impl::refresh_alive() {
  std::vector<bool> alive;
  {
    LockGuard lock(mutex);
    alive.reserve(answers.size());
    for (const Answer& answer : answers) alive.push_back(is_up(answer));
  }
  if (alive == cache.alive) return;
  for (std::size_t i = 0; i < cache.table.size(); ++i) {
    const auto source = source_of.find(cache.table.states()[i].name);
    cache.table.set_alive(i, source != source_of.end() && alive[source->second]);
  }
  cache.alive = std::move(alive);
}

namespace placement {

Result<std::unique_ptr<Hosts>> make_hosts(const Engine& engine, PlacementSettings settings) {
  auto impl = std::make_unique<Hosts::Impl>(engine, std::move(settings));
  CLOUDOS_CHECK(impl->register_hosts());
  Hosts::Impl* self = impl.get();
  engine.runner.add(
      Reconciler{"hosts", impl->settings.period, "", [self] { return self->probe_all(); }});
  return std::make_unique<Hosts>(std::move(impl));
}

Result<HostsView> host_states(const Hosts& hosts) {
  Hosts::Impl& impl = hosts.impl();
  {
    const std::unique_lock lock(impl.cache_mutex);
    CLOUDOS_CHECK(impl.refresh_cache());
    impl.refresh_alive();
  }
  // Who comes in between makes it newer yet.
  return HostsView(std::shared_lock(impl.cache_mutex), impl.cache.table);
}

bool all_probed(const Hosts& hosts) {
  Hosts::Impl& impl = hosts.impl();
  LockGuard lock(impl.mutex);
  return std::all_of(impl.answers.begin(), impl.answers.end(),
                     [](const auto& answer) { return answer.asked; });
}

}  // namespace placement
}  // namespace cloudos
