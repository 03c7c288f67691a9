// Start, stop and reboot: the calls and their tasks.
#include <fmt/format.h>

#include "base/text.hpp"
#include "compute/servers_impl.hpp"
#include "records/table.hpp"

namespace cloudos {

using compute::after_others;
using compute::change_server;
using compute::host_behind_others;
using compute::on_server;
using tasks::Outcome;
using tasks::Step;
using tasks::StepContext;

namespace {

// A guest that is still booting misses the first press of the power button.
constexpr std::chrono::seconds kPressAgain{10};
// Nobody looked for so long: the machine slept, and its guests with it. Or we were busy; so it
// counts as sleep a few times only.
constexpr std::chrono::seconds kSlept{60};
constexpr std::uint64_t kSleeps = 3;

std::int64_t micros_of(WallTime time) { return time.time_since_epoch().count(); }

/// Off by the power button, by the plug once the guest has had its time. Polls; holds no worker.
Result<Outcome> power_off(Servers::Impl& room, StepContext& step, const Server& server) {
  CLOUDOS_TRY(const auto driver, room.driver_of(server.host));
  const auto cut = [&]() -> Result<Outcome> {
    CLOUDOS_CHECK(driver->stop(server.id, hypervisor::StopMode::Hard));
    return Outcome(tasks::Done{});
  };
  if (step.value("mode") == "hard") return cut();
  CLOUDOS_TRY(const auto domains, driver->list(server.id));
  const bool runs = !domains.empty() && domains.front().power != hypervisor::PowerState::Shutdown &&
                    domains.front().power != hypervisor::PowerState::Crashed;
  if (!runs) return Outcome(tasks::Done{});
  // A paused or suspended guest presses no button.
  if (domains.front().power != hypervisor::PowerState::Running) return cut();
  const WallTime now = step.clock().wall();
  auto deadline = parse_signed(step.value("deadline"));
  auto pressed = parse_signed(step.value("pressed"));
  // A clock that was set back gives the guest its time once more, never a day of it; and so does
  // sleep, or a guest would be cut off in the moment the machine wakes.
  const auto sleeps = parse_unsigned(step.value("sleeps")).value_or(0);
  const bool slept = pressed && micros_of(now - kSlept) > *pressed && sleeps < kSleeps;
  if (slept) step.output("sleeps", std::to_string(sleeps + 1));
  if (slept || (pressed && *pressed > micros_of(now))) {
    pressed.reset();
    deadline.reset();
  }
  if (deadline && micros_of(now) >= *deadline) return cut();
  if (!pressed || micros_of(now - kPressAgain) >= *pressed) {
    CLOUDOS_CHECK(driver->stop(server.id, hypervisor::StopMode::Graceful));
    step.output("pressed", std::to_string(micros_of(now)));
    if (!deadline) {
      step.output("deadline", std::to_string(micros_of(now + room.settings.graceful_stop)));
    }
  }
  return Outcome(tasks::Again{room.settings.stop_poll});
}

Result<Outcome> wire(Servers::Impl& room, StepContext& step, const Server& server) {
  CLOUDOS_CHECK(room.plug_ports(server, step));
  return Outcome(tasks::Done{});
}

Result<Outcome> power_on(Servers::Impl& room, StepContext& step, const Server& server) {
  CLOUDOS_CHECK(room.boot(server, step));
  return Outcome(tasks::Done{});
}

Result<Outcome> record_state(StepContext& step, const Server& server, VmState state,
                             PowerState power) {
  const WallTime now = step.clock().wall();
  CLOUDOS_CHECK(step.commit([&](store::Txn& txn) {
    return change_server(txn, server.id, now, [&](Server& s) {
      s.vm_state = state;
      s.power_state = power;
      s.task_state = ServerTask::None;
      s.leaving_macs.clear();  // Of a guest that is no more.
      if (state == VmState::Active) s.host_boot = step.value("host-boot");
      s.fault.reset();
    });
  }));
  return Outcome(tasks::Done{});
}

Result<Outcome> record_stopped(Servers::Impl&, StepContext& step, const Server& server) {
  return record_state(step, server, VmState::Stopped, PowerState::Shutdown);
}
Result<Outcome> record_active(Servers::Impl&, StepContext& step, const Server& server) {
  return record_state(step, server, VmState::Active, PowerState::Running);
}

/// What a failed power task leaves: `after` says the server's state, the fault why.
auto power_failed(const Clock& clock, std::string what, std::optional<VmState> after) {
  return [&clock, what = std::move(what), after](store::Txn& txn, const tasks::TaskRecord& task,
                                                 const Error& error) -> Result<void> {
    const WallTime now = clock.wall();
    return change_server(txn, compute::server_of(task), now, [&](Server& s) {
      s.task_state = ServerTask::None;
      if (after) s.vm_state = *after;
      s.fault = compute::fault_of(what, error, s.host, now);
    });
  };
}

}  // namespace

Result<TaskId> Servers::start(const Context& ctx, const ServerId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return impl_->begin(ctx, id, compute::Action::Start, ServerTask::PoweringOn, "start-server", {});
}

Result<TaskId> Servers::stop(const Context& ctx, const ServerId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return impl_->begin(ctx, id, compute::Action::Stop, ServerTask::PoweringOff, "stop-server",
                      {{"mode", "soft"}});
}

Result<TaskId> Servers::reboot(const Context& ctx, const ServerId& id, RebootMode mode) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const bool hard = mode == RebootMode::Hard;
  return impl_->begin(ctx, id, hard ? compute::Action::RebootHard : compute::Action::RebootSoft,
                      hard ? ServerTask::RebootingHard : ServerTask::Rebooting, "reboot-server",
                      {{"mode", hard ? "hard" : "soft"}});
}

tasks::TaskType Servers::Impl::stop_type() {
  tasks::TaskType type;
  type.name = "stop-server";
  type.steps = {
      after_others(),
      {"power-off", Step::Kind::Remote, on_server(*this, "power-off", power_off), nullptr},
      {"record", Step::Kind::Local, on_server(*this, "record", record_stopped), nullptr, false,
       true},
  };
  type.host = host_behind_others;
  // Still what it was: the next look at the hypervisor records what it finds.
  type.failed = power_failed(engine.clock, "The server could not be stopped", std::nullopt);
  return type;
}

tasks::TaskType Servers::Impl::start_type() {
  tasks::TaskType type;
  type.name = "start-server";
  type.steps = {
      after_others(),
      {"wire", Step::Kind::Remote, on_server(*this, "wire", wire), nullptr},
      {"power-on", Step::Kind::Remote, on_server(*this, "power-on", power_on), nullptr, false,
       true},
      {"record", Step::Kind::Local, on_server(*this, "record", record_active), nullptr, false,
       true},
  };
  type.host = host_behind_others;
  type.failed = [this](store::Txn& txn, const tasks::TaskRecord& task,
                       const Error& error) -> Result<void> {
    // It counts as running, and is not: an ERROR that says so, or every look would try again.
    if (task.params.contains("resume"))
      return power_failed(engine.clock,
                          "The server could not be started again after its host's restart",
                          VmState::Error)(txn, task, error);
    return power_failed(engine.clock, "The server could not be started", std::nullopt)(txn, task,
                                                                                      error);
  };
  return type;
}

tasks::TaskType Servers::Impl::reboot_type() {
  tasks::TaskType type;
  type.name = "reboot-server";
  type.steps = {
      // Here it may have to wait for long: a hard reboot takes over from one that waits for the guest.
      after_others(),
      {"power-off", Step::Kind::Remote, on_server(*this, "power-off", power_off), nullptr},
      {"wire", Step::Kind::Remote, on_server(*this, "wire", wire), nullptr},
      {"power-on", Step::Kind::Remote, on_server(*this, "power-on", power_on), nullptr, false,
       true},
      {"record", Step::Kind::Local, on_server(*this, "record", record_active), nullptr, false,
       true},
  };
  type.host = host_behind_others;
  // It may be off now: an ERROR that a hard reboot mends, never a silent SHUTOFF.
  type.failed = power_failed(engine.clock, "The server could not be rebooted", VmState::Error);
  return type;
}

}  // namespace cloudos
