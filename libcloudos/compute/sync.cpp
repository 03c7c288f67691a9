// The reconciler "servers": what the hypervisors run against what the records say.
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
                        std::optional<PowerState> power) {
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    auto server = records::get<Server>(txn, seen.id);
    if (!server || server->generation != seen.generation) return Result<void>();
    server->power_state = power.value_or(PowerState::NoState);
    if (sync == Sync::MarkStopped) server->vm_state = VmState::Stopped;
    server->updated_at = engine.clock.wall();
    return records::update(txn, *server);
  }));
  return Result<void>();
}

/// A task that switches off a server that runs though it is recorded as stopped.
Result<void> queue_force_stop(const Engine& engine, const Server& seen) {
  tasks::TaskRecord task;
  task.id = engine.ids.make<TaskId>();
  task.type = "stop-server";
  task.params = {{"server", seen.id.value}, {"host", seen.host}, {"mode", "hard"}};
  task.resource = "server/" + seen.id.value;
  task.project = seen.project;
  task.created_at = engine.clock.wall();
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    auto server = records::get<Server>(txn, seen.id);
    if (!server || server->generation != seen.generation) return Result<void>();
    server->task = task.id;
    server->task_state = ServerTask::PoweringOff;
    server->updated_at = task.created_at;
    CLOUDOS_CHECK(records::update(txn, *server));
    return tasks::enqueue(txn, task);
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

Result<bool> Servers::Impl::sync_pass() {
  // One look at each hypervisor; several hosts may share it.
  std::map<hypervisor::Driver*, std::set<std::string>> hosts_of;
  for (const auto& [host, driver] : settings.drivers) hosts_of[driver.get()].insert(host);
  std::map<std::string_view, const Domains*> by_host;
  std::map<hypervisor::Driver*, Domains> looks;
  std::optional<Error> first_error;
  for (const auto& [driver, names] : hosts_of) {
    auto listed = driver->list();
    if (!listed) {
      if (!first_error) first_error = listed.error();
      continue;  // Its servers are left as they are: not seen is not gone.
    }
    Domains& domains = looks[driver];
    for (auto& domain : *listed) domains.emplace(domain.id, domain);
    for (const std::string& host : names) by_host[host] = &domains;
  }

  std::size_t fixed = 0;
  {
    // Read after the hypervisors: a record exists before its domain and outlives it.
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    std::vector<std::pair<hypervisor::Driver*, ServerId>> strays;
    for (const auto& [driver, domains] : looks) {
      for (const auto& [id, domain] : domains) {
        if (is_stray(*snapshot, id, hosts_of[driver])) strays.emplace_back(driver, id);
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
             compute::power_sync(server.vm_state, server.power_state,
                                 power_in(*domains->second, server.id)) != Sync::Nothing;
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
    const Sync sync = compute::power_sync(server.vm_state, server.power_state, power);
    if (sync == Sync::ForceStop) CLOUDOS_CHECK(queue_force_stop(engine, server));
    else if (sync != Sync::Nothing) CLOUDOS_CHECK(store_sync(engine, server, sync, power));
  }
  if (first_error) return fail(std::move(*first_error));
  return more;
}

}  // namespace cloudos
