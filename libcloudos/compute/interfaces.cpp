// Interfaces that come and go while a server lives: the calls and the tasks attach-interface and
// detach-interface. What a server has is in its record from the call on, so a start, a reboot or a
// deletion that comes in between finds it right; the tasks tell the guest that runs.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "compute/names.hpp"
#include "compute/servers_impl.hpp"
#include "records/table.hpp"

namespace cloudos {

using compute::after_others;
using compute::on_server;
using tasks::Outcome;
using tasks::Step;
using tasks::StepContext;

namespace {

constexpr std::chrono::milliseconds kLeavePoll{200};

ServerPort port_of(const tasks::TaskRecord& task) {
  const auto value = [&](const char* name) {
    const auto at = task.params.find(name);
    return at == task.params.end() ? std::string() : at->second;
  };
  return {PortId{value("port")}, value("made") == "1"};
}

tasks::Values params_of(const ServerPort& port) {
  return {{"port", port.port.value}, {"made", port.made ? "1" : "0"}};
}

bool has_port(const Server& server, const PortId& port) {
  return std::any_of(server.ports.begin(), server.ports.end(),
                     [&](const ServerPort& used) { return used.port == port; });
}

/// There is no guest to tell: its next start has what the record says.
bool is_off(const Server& server) {
  return server.vm_state == VmState::Stopped || server.host.empty();
}

/// Somebody waits for this task to start, stop, reboot or delete the server: that goes by the record.
/// Another change of interfaces shows no task_state, and does not count.
bool is_overtaken(const Server& server) {
  return server.task_state != ServerTask::None;
}

Result<Outcome> wire_interface(Servers::Impl& room, StepContext& step, const Server& server) {
  const PortId port = port_of(step.task()).port;
  if (!has_port(server, port) || is_overtaken(server)) return Outcome(tasks::Done{});
  CLOUDOS_TRY(std::string nic, room.plug_port(server, port));
  step.output("nic", std::move(nic));
  return Outcome(tasks::Done{});
}

Result<Outcome> unwire_interface(Servers::Impl& room, StepContext& step, const Server& server) {
  if (!is_overtaken(server))
    CLOUDOS_CHECK(room.networks.unplug(port_of(step.task()).port));
  return Outcome(tasks::Done{});
}

Result<Outcome> plug_in(Servers::Impl& room, StepContext& step, const Server& server) {
  // Nothing was wired: it is somebody else's to do, or the port has gone.
  if (step.value("nic").empty() || is_off(server) || is_overtaken(server))
    return Outcome(tasks::Done{});
  CLOUDOS_TRY(const auto nic, Servers::Impl::read_nic(step.value("nic")));
  CLOUDOS_TRY(const auto driver, room.driver_of(server.host));
  CLOUDOS_CHECK(driver->attach_interface(server.id, nic));
  return Outcome(tasks::Done{});
}

/// Asks the guest until it has let go. Nothing when it will not within its time.
Result<std::optional<Outcome>> pull_out(Servers::Impl& room, StepContext& step,
                                        const Server& server, const std::string& mac) {
  CLOUDOS_TRY(const auto driver, room.driver_of(server.host));
  CLOUDOS_TRY(const auto found, driver->detach_interface(server.id, mac));
  if (found == hypervisor::Detached::Gone) return std::optional<Outcome>(tasks::Done{});
  const auto micros = [](WallTime time) { return time.time_since_epoch().count(); };
  const WallTime now = step.clock().wall();
  const WallTime latest = now + limits::kInterfaceLeaves;
  const auto deadline = parse_signed(step.value("deadline"));
  if (deadline && *deadline <= micros(now)) return std::optional<Outcome>();
  // Also when the clock was set back since: the guest's time begins anew, and ends.
  if (!deadline || *deadline > micros(latest))
    step.output("deadline", std::to_string(micros(latest)));
  return std::optional<Outcome>(tasks::Again{kLeavePoll});
}

Result<Outcome> take_back(Servers::Impl& room, StepContext& step, const Server& server) {
  if (step.value("nic").empty() || is_off(server) || is_overtaken(server))
    return Outcome(tasks::Done{});
  CLOUDOS_TRY(const auto nic, Servers::Impl::read_nic(step.value("nic")));
  auto left = pull_out(room, step, server, nic.mac);
  if (!left && is_retryable(left.error().code)) return fail(std::move(left).error());
  // A guest that will not let go, or a host that cannot ask it, keeps a wire that leads nowhere.
  return left && *left ? std::move(**left) : Outcome(tasks::Done{});
}

Result<Outcome> guest_lets_go(Servers::Impl& room, StepContext& step, const Server& server) {
  // Whoever waits for us switches the guest off, or has done so: no need to ask it.
  if (is_off(server) || is_overtaken(server)) return Outcome(tasks::Done{});
  CLOUDOS_TRY(const auto left, pull_out(room, step, server, step.value("mac")));
  if (left) return *left;
  return fail(ErrorCode::Conflict,
              fmt::format("the guest did not let go of the interface within {} s; stop the server, "
                          "or try again once it has booted", limits::kInterfaceLeaves.count()));
}

/// It may have let go all the same: an answer was lost, or came late.
Result<Outcome> plug_back(Servers::Impl& room, StepContext& step, const Server& server) {
  if (is_off(server) || is_overtaken(server)) return Outcome(tasks::Done{});
  const auto wiring = room.plug_port(server, port_of(step.task()).port);
  // The port was deleted meanwhile: there is nothing to give back.
  if (!wiring && wiring.error().code == ErrorCode::NotFound) return Outcome(tasks::Done{});
  if (!wiring) return fail(wiring.error());
  CLOUDOS_TRY(const auto nic, Servers::Impl::read_nic(*wiring));
  CLOUDOS_TRY(const auto driver, room.driver_of(server.host));
  const auto there = driver->attach_interface(server.id, nic);
  if (!there && is_retryable(there.error().code)) return fail(there.error());
  return Outcome(tasks::Done{});
}

Result<Outcome> cut_wire(Servers::Impl& room, StepContext& step, const Server&) {
  CLOUDOS_CHECK(room.networks.unplug(port_of(step.task()).port));
  return Outcome(tasks::Done{});
}

Result<Outcome> release_interface(Servers::Impl& room, StepContext& step, const Server& server) {
  CLOUDOS_CHECK(step.commit([&](store::Txn& txn) {
    return room.release_ports(txn, server.id, {port_of(step.task())});
  }));
  return Outcome(tasks::Done{});
}

/// The server as it is now; nothing if it is gone.
Result<std::optional<Server>> still_there(store::Txn& txn, const tasks::TaskRecord& task) {
  auto server = records::get<Server>(txn, compute::server_of(task));
  if (server) return std::optional<Server>(std::move(*server));
  if (server.error().code == ErrorCode::NotFound) return std::optional<Server>();
  return fail(std::move(server).error());
}

}  // namespace

Result<Server> Servers::attach_interface(const Context& ctx, const ServerId& id,
                                         const ServerNetwork& wanted) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  if (!wanted.network.empty() && !wanted.port.empty())
    return fail(ErrorCode::InvalidArgument, "Must not input both network_id and port_id");
  if (wanted.network.empty() && !wanted.fixed_ip.empty())
    return fail(ErrorCode::InvalidArgument, "Must input network_id when request IP address");
  const Engine& engine = impl_->engine;
  std::optional<PortPrep> prep;
  PortId given;
  Context caller = ctx;
  {
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    CLOUDOS_TRY(const Server server, impl_->find(*snapshot, ctx, id));
    CLOUDOS_CHECK(compute::check_lock(ctx, server));
    CLOUDOS_CHECK(compute::check_action(server, compute::Action::ChangeInterfaces));
    caller.project = server.project;  // An administrator's own networks are not meant.
    std::optional<std::vector<ServerNetwork>> asked;
    if (!wanted.port.empty()) {
      CLOUDOS_CHECK(impl_->networks.port(caller, wanted.port));
      asked = {wanted};
    } else if (!wanted.network.empty()) {
      CLOUDOS_CHECK(impl_->networks.network(caller, wanted.network));
      asked = {wanted};
    }
    CLOUDOS_TRY(const auto found, impl_->resolve_networks(caller, *snapshot, asked, 1, {}));
    if (found.empty()) {
      return fail(ErrorCode::InvalidArgument,
                  "The project has no network to attach: name a network or a port.");
    }
    given = found.front().port;
    if (given.empty()) {
      CLOUDOS_TRY(prep, impl_->prepare_port(*snapshot, caller, server, found.front(), {}));
    }
  }
  const tasks::TaskRecord task = impl_->make_task(ctx, id, "attach-interface", {});
  Server server;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(server, records::get<Server>(txn, id));
    CLOUDOS_CHECK(compute::check_action(server, compute::Action::ChangeInterfaces));
    if (server.ports.size() >= limits::kServerPorts) {
      return fail(ErrorCode::Conflict, fmt::format("Instance {} has {} interfaces, and can have no "
                                                   "more", id.value, server.ports.size()));
    }
    CLOUDOS_TRY(const auto taken, impl_->take_port(txn, caller, server, prep, given));
    server.ports.push_back(taken.port);
    std::erase(server.leaving_macs, taken.mac);
    tasks::TaskRecord queued = task;
    queued.params.merge(params_of(taken.port));
    return impl_->hand_over(txn, server, std::move(queued), ServerTask::None);
  }));
  engine.runner.wake();
  // As it was then: its last port is this one, whoever changes it by now.
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  Impl::Names names(impl_->networks);
  CLOUDOS_CHECK(impl_->fill_view(*snapshot, names, server));
  return server;
}

Result<TaskId> Servers::detach_interface(const Context& ctx, const ServerId& id,
                                         const PortId& port) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const Engine& engine = impl_->engine;
  const auto unknown = [&] {
    return fail(ErrorCode::NotFound, fmt::format("Port {} is not attached to instance {}.",
                                                 port.value.substr(0, 64), id.value));
  };
  std::string mac;
  {
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    CLOUDOS_TRY(const Server server, impl_->find(*snapshot, ctx, id));
    CLOUDOS_CHECK(compute::check_lock(ctx, server));
    CLOUDOS_TRY(const auto ports, impl_->networks.ports_of(*snapshot, id));
    const auto found = std::find_if(ports.begin(), ports.end(),
                                    [&](const Port& each) { return each.id == port; });
    if (found == ports.end()) return unknown();
    mac = found->mac;
  }
  const tasks::TaskRecord task = impl_->make_task(ctx, id, "detach-interface", {{"mac", mac}});
  TaskId running;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    running = task.id;
    CLOUDOS_TRY(Server server, records::get<Server>(txn, id));
    CLOUDOS_CHECK(compute::check_action(server, compute::Action::ChangeInterfaces));
    const auto used = std::find_if(server.ports.begin(), server.ports.end(),
                                   [&](const ServerPort& each) { return each.port == port; });
    if (used == server.ports.end()) {  // On its way out already: once is enough.
      running = server.task;
      return Result<void>();
    }
    tasks::TaskRecord queued = task;
    queued.params.merge(params_of(*used));
    server.ports.erase(used);
    return impl_->hand_over(txn, server, std::move(queued), ServerTask::None);
  }));
  engine.runner.wake();
  return running;
}

Result<void> Servers::Impl::ask_again(const Server& seen) {
  const std::string& mac = seen.leaving_macs.front();
  const auto task =
      make_task({}, seen.id, "detach-interface", {{"port", ""}, {"made", "0"}, {"mac", mac}});
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    auto server = records::get<Server>(txn, seen.id);
    if (!server || server->generation != seen.generation) return Result<void>();
    std::erase(server->leaving_macs, mac);
    return hand_over(txn, *server, task, ServerTask::None);
  }));
  engine.runner.wake();
  return Result<void>();
}

tasks::TaskType Servers::Impl::attach_type() {
  tasks::TaskType type;
  type.name = "attach-interface";
  type.steps = {
      after_others(),
      {"wire", Step::Kind::Remote, on_server(*this, "wire", wire_interface),
       on_server(*this, "wire", unwire_interface)},
      {"plug-in", Step::Kind::Remote, on_server(*this, "plug-in", plug_in),
       on_server(*this, "plug-in", take_back), false, true},
  };
  type.host = compute::host_behind_others;
  type.failed = [this](store::Txn& txn, const tasks::TaskRecord& task,
                       const Error&) -> Result<void> {
    CLOUDOS_TRY(auto server, still_there(txn, task));
    const ServerPort port = port_of(task);
    if (!server || !has_port(*server, port.port)) return Result<void>();
    std::erase_if(server->ports, [&](const ServerPort& used) { return used.port == port.port; });
    const auto wiring = task.outputs.find("nic");
    if (wiring != task.outputs.end() && !is_off(*server)) {
      CLOUDOS_TRY(const auto nic, read_nic(wiring->second));
      server->leaving_macs.push_back(nic.mac);
    }
    server->updated_at = engine.clock.wall();
    CLOUDOS_CHECK(records::update(txn, *server));
    return release_ports(txn, server->id, {port});
  };
  return type;
}

tasks::TaskType Servers::Impl::detach_type() {
  tasks::TaskType type;
  type.name = "detach-interface";
  type.steps = {
      after_others(),
      {"pull-out", Step::Kind::Remote, on_server(*this, "pull-out", guest_lets_go),
       on_server(*this, "pull-out", plug_back)},
      // The guest has it no more: there is no way back.
      {"unwire", Step::Kind::Remote, on_server(*this, "unwire", cut_wire), nullptr, true},
      {"release", Step::Kind::Local, on_server(*this, "release", release_interface), nullptr, false,
       true},
  };
  type.host = compute::host_behind_others;
  // It keeps what it did not let go of, and a deletion that takes over finds all there is.
  const auto give_back = [this](store::Txn& txn, const tasks::TaskRecord& task) -> Result<void> {
    CLOUDOS_TRY(auto server, still_there(txn, task));
    const ServerPort port = port_of(task);
    if (!server || has_port(*server, port.port)) return Result<void>();
    const auto kept = networks.attach_port(txn, Context::system(), port.port, server->id,
                                           "compute:" + server->host_zone);
    if (!kept && kept.error().code != ErrorCode::NotFound &&
        kept.error().code != ErrorCode::Conflict)
      return fail(kept.error());
    if (kept) {
      server->ports.push_back(port);
    } else if (!is_off(*server)) {  // Deleted meanwhile, or another one's by now.
      server->leaving_macs.push_back(task.params.at("mac"));
    }
    server->updated_at = engine.clock.wall();
    return records::update(txn, *server);
  };
  type.failed = [give_back](store::Txn& txn, const tasks::TaskRecord& task, const Error&) {
    return give_back(txn, task);
  };
  type.superseded = give_back;
  return type;
}

}  // namespace cloudos
