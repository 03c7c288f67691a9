// The reconciler "servers": what the hypervisors run against what the records say.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "compute/servers_impl.hpp"
#include "records/table.hpp"

namespace cloudos {

using compute::Sync;

namespace {

using Domains = std::map<ServerId, hypervisor::DomainState>;

PowerState public_power(hypervisor::PowerState power) { return static_cast<PowerState>(power); }

std::optional<PowerState> power_in(const Domains& domains, const ServerId& id) {
  const auto domain = domains.find(id);
  if (domain == domains.end()) return std::nullopt;
  return public_power(domain->second.power);
}

/// Records what was seen, unless anybody touched the server since `seen` was read.
Result<void> store_sync(const Engine& engine, const Server& seen, Sync sync,
                        std::optional<PowerState> power, const std::string& boot) {
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    auto server = records::get<Server>(txn, seen.id);
    if (!server || server->generation != seen.generation) return Result<void>();
    server->power_state = power.value_or(PowerState::NoState);
    if (sync == Sync::MarkStopped) server->vm_state = VmState::Stopped;
    else if (power && !boot.empty()) server->host_boot = boot;
    server->updated_at = engine.clock.wall();
    return records::update(txn, *server);
  }));
  return Result<void>();
}

/// A task that makes a server what it is recorded as, unless anybody touched it since `seen`.
Result<void> queue_fix(const Servers::Impl& room, const Server& seen, std::string_view type,
                       ServerTask state, tasks::Values params) {
  const Engine& engine = room.engine;
  const tasks::TaskRecord task = room.make_task({}, seen.id, type, std::move(params));
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    auto server = records::get<Server>(txn, seen.id);
    if (!server || server->generation != seen.generation) return Result<void>();
    return room.hand_over(txn, *server, task, state);
  }));
  engine.runner.wake();
  return Result<void>();
}

/// A domain nobody should have: of no server, or of one that lives on another host.
bool is_stray(const store::Snapshot& snapshot, const ServerId& id,
              const std::set<std::string>& hosts) {
  const auto server = records::get<Server>(snapshot, id);
  if (!server) return server.error().code == ErrorCode::NotFound;
  return server->task_state == ServerTask::None && !hosts.contains(server->host);
}

}  // namespace

Result<void> Servers::Impl::fix(const Server& server, std::optional<PowerState> power,
                                hypervisor::Driver& driver) {
  const bool off = !power || *power == PowerState::Shutdown || *power == PowerState::Crashed;
  // Whether the host has started anew is asked when it matters, not at every look.
  CLOUDOS_TRY(const std::string boot, boot_of(driver, server.vm_state == VmState::Active && off));
  const Sync sync = compute::power_sync(server.vm_state, server.power_state, power,
                                        compute::compare_boot(server.host_boot, boot));
  switch (sync) {
    case Sync::Nothing:
      return server.leaving_macs.empty() ? Result<void>() : ask_again(server);
    case Sync::ForceStop:
      return queue_fix(*this, server, "stop-server", ServerTask::PoweringOff, {{"mode", "hard"}});
    case Sync::Resume:
      if (!settings.resume_guests) break;
      log.info(fmt::format("server {} ran when its host went down: started again",
                           server.id.value));
      return queue_fix(*this, server, "start-server", ServerTask::PoweringOn, {{"resume", "1"}});
    case Sync::Store:
    case Sync::MarkStopped:
      break;
  }
  return store_sync(engine, server, sync == Sync::Resume ? Sync::MarkStopped : sync, power, boot);
}

Result<bool> Servers::Impl::sync_pass() {
  // One look at each hypervisor; several hosts may share it. In the order of hosts' names, never of
  // where drivers lie in memory: what happened can be repeated.
  struct Look {
    hypervisor::Driver* driver;
    std::set<std::string> hosts;
    Domains domains;
  };
  std::vector<Look> looks;
  looks.reserve(settings.drivers.size());  // by_host points into it.
  for (const auto& [host, driver] : settings.drivers) {
    auto at = std::find_if(looks.begin(), looks.end(),
                           [own = driver.get()](const Look& look) { return look.driver == own; });
    if (at == looks.end()) at = looks.insert(at, Look{driver.get(), {}, {}});
    at->hosts.insert(host);
  }
  std::map<std::string_view, const Domains*> by_host;
  std::map<std::string_view, std::string> boot_by_host;
  std::optional<Error> first_error;
  for (Look& look : looks) {
    auto listed = look.driver->list();
    const auto boot = boot_of(*look.driver, false);
    if (!listed || !boot) {
      if (!first_error) first_error = listed ? boot.error() : listed.error();
      continue;  // Its servers are left as they are: not seen is not gone.
    }
    for (auto& domain : *listed) look.domains.emplace(domain.id, domain);
    for (const std::string& host : look.hosts) {
      boot_by_host[host] = *boot;
      by_host[host] = &look.domains;
    }
  }

  std::size_t fixed = 0;
  {
    // Read after the hypervisors: a record exists before its domain and outlives it.
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    std::vector<std::pair<hypervisor::Driver*, ServerId>> strays;
    for (const Look& look : looks) {
      for (const auto& [id, domain] : look.domains) {
        if (is_stray(*snapshot, id, look.hosts)) strays.emplace_back(look.driver, id);
      }
    }
    for (const auto& [driver, id] : strays) {
      if (fixed == limits::kServersFixedPerPass) return true;
      ++fixed;
      log.warn(fmt::format("domain {} belongs to no server here: destroyed", id.value));
      CLOUDOS_CHECK(driver->destroy(id));
    }
  }

  std::vector<Server> suspects;
  {
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    records::PageSpec<Server> spec;
    spec.matches = [&](const Server& server) {
      const auto domains = by_host.find(server.host);
      return server.task_state == ServerTask::None && domains != by_host.end() &&
             (!server.leaving_macs.empty() ||
              compute::power_sync(server.vm_state, server.power_state,
                                 power_in(*domains->second, server.id),
                                 compute::compare_boot(server.host_boot, boot_by_host[server.host])) !=
                  Sync::Nothing);
    };
    spec.limit = limits::kServersFixedPerPass + 1;
    CLOUDOS_TRY(suspects, records::page(*snapshot, spec));
  }
  const bool more = suspects.size() > limits::kServersFixedPerPass;
  if (more) suspects.pop_back();
  for (const Server& server : suspects) {
    // The first look may be older than a task that has ended since. This one is younger than the
    // record, and what it finds is written only if the record is still the same.
    CLOUDOS_TRY(const auto driver, driver_of(server.host));
    CLOUDOS_TRY(const auto now, driver->list(server.id));
    const auto power = now.empty() ? std::optional<PowerState>()
                                   : std::optional<PowerState>(public_power(now.front().power));
    CLOUDOS_CHECK(fix(server, power, *driver));
  }
  if (first_error) return fail(std::move(*first_error));
  return more;
}

}  // namespace cloudos
