// Servers::remove and the task delete-server.
#include <fmt/format.h>

#include "compute/servers_impl.hpp"
#include "identity/quota.hpp"
#include "records/table.hpp"

namespace cloudos {

using compute::on_server;
using tasks::Outcome;
using tasks::Step;
using tasks::StepContext;

namespace {

Result<Outcome> cut_power(Servers::Impl& room, StepContext&, const Server& server) {
  if (server.host.empty()) return Outcome(tasks::Done{});
  CLOUDOS_TRY(const auto driver, room.driver_of(server.host));
  CLOUDOS_CHECK(driver->destroy(server.id));
  return Outcome(tasks::Done{});
}

Result<Outcome> unwire(Servers::Impl& room, StepContext&, const Server& server) {
  CLOUDOS_CHECK(room.unplug_ports(server));
  return Outcome(tasks::Done{});
}

Result<Outcome> discard_disks(Servers::Impl& room, StepContext&, const Server& server) {
  CLOUDOS_CHECK(room.remove_disks(server.id));
  return Outcome(tasks::Done{});
}

/// The last commit: what the server held is given back, and it is gone.
Result<Outcome> forget_server(Servers::Impl& room, StepContext& step, const Server& server) {
  std::vector<Port> others;
  {
    CLOUDOS_TRY(const auto snapshot, step.snapshot());
    // Ports that named this server as their device without our doing are set free as well.
    CLOUDOS_TRY(others, room.networks.ports_of(*snapshot, server.id));
  }
  CLOUDOS_CHECK(step.commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const Server last, records::get<Server>(txn, server.id));
    CLOUDOS_CHECK(room.release_ports(txn, last.id, last.ports));
    for (const Port& port : others)
      CLOUDOS_CHECK(room.networks.detach_port(txn, port.id, last.id));
    CLOUDOS_CHECK(room.images.unpin(txn, last.image, room.holder_of(last.id)));
    CLOUDOS_CHECK(placement::release(txn, last.id));
    CLOUDOS_CHECK(Quota::reserve(txn, last.project, "servers", -1));
    CLOUDOS_CHECK(
        Quota::reserve(txn, last.project, "cores", -std::int64_t{last.flavor.vcpus}));
    CLOUDOS_CHECK(Quota::reserve(txn, last.project, "ram_mib",
                                 -static_cast<std::int64_t>(last.flavor.ram_mib)));
    if (last.has_user_data) txn.erase(compute::user_data_key(last.id));
    return records::erase<Server>(txn, last.id);
  }));
  return Outcome(tasks::Done{});
}

}  // namespace

Result<TaskId> Servers::remove(const Context& ctx, const ServerId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(const TaskId task, impl_->begin(ctx, id, compute::Action::Delete,
                                              ServerTask::Deleting, "delete-server", {}));
  // A deletion that got stuck tries again when it is asked for again.
  Tasks& tasks = impl_->engine.runner.tasks();
  const auto system = Context::system(ctx.request_id);
  const auto now = tasks.get(system, task);
  if (now && now->state == TaskState::Stuck) (void)tasks.retry(system, task);
  return task;
}

tasks::TaskType Servers::Impl::delete_type() {
  tasks::TaskType type;
  type.name = "delete-server";
  type.steps = {
      // A server that is being deleted is never brought back: no return from the first step on.
      {"takeover", Step::Kind::Remote, tasks::wait_superseded("waits"), nullptr, true},
      {"power-off", Step::Kind::Remote, on_server(*this, "power-off", cut_power), nullptr},
      {"unwire", Step::Kind::Remote, on_server(*this, "unwire", unwire), nullptr, false, true},
      {"disks", Step::Kind::Remote, on_server(*this, "disks", discard_disks), nullptr, false, true},
      {"forget", Step::Kind::Local, on_server(*this, "forget", forget_server), nullptr, false,
       true},
  };
  type.host = compute::host_behind_others;
  type.stuck = [this](store::Txn& txn, const tasks::TaskRecord& task, const Error& error) {
    const auto host = task.params.find("host");
    const WallTime now = engine.clock.wall();
    return compute::change_server(txn, compute::server_of(task), now, [&](Server& s) {
      s.vm_state = VmState::Error;
      s.fault = compute::fault_of("The server could not be deleted yet", error,
                                  host == task.params.end() ? "" : host->second, now);
    });
  };
  return type;
}

}  // namespace cloudos
