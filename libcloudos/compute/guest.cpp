// What the steps of several tasks do to a guest and what it stands on.
#include <system_error>

#include <fmt/format.h>

#include "base/text.hpp"
#include "compute/servers_impl.hpp"
#include "records/table.hpp"

namespace cloudos {
namespace compute {

ServerId server_of(const tasks::TaskRecord& task) {
  const auto id = task.params.find("server");
  return id == task.params.end() ? ServerId{} : ServerId{id->second};
}

tasks::Step after_others() {
  const auto wait = tasks::wait_superseded("waits");
  return {"takeover", tasks::Step::Kind::Remote, wait, wait};
}

std::string host_behind_others(const tasks::TaskRecord& task) {
  const auto host = task.params.find("host");
  const bool waits = task.step.empty() || task.step == "takeover";
  return waits || host == task.params.end() ? std::string() : host->second;
}

Context caller_of(const tasks::TaskRecord& task, const Server& server) {
  Context ctx;
  ctx.user = server.user;
  ctx.project = server.project;
  ctx.roles = {"member", "reader"};
  const auto admin = task.params.find("admin");
  ctx.is_admin = admin != task.params.end() && admin->second == "1";
  if (ctx.is_admin) ctx.roles.insert(ctx.roles.begin(), "admin");
  ctx.request_id = task.request_id;
  ctx.traceparent = task.traceparent;
  return ctx;
}

ServerFault fault_of(std::string_view what, const Error& error, const std::string& host,
                     WallTime now) {
  ServerFault fault;
  fault.message = fmt::format("{}: {}", what, error.message);
  // Clients show the message in a column: Compute keeps 255 characters of it.
  while (fault.message.size() > 255 || !utf8_length(fault.message)) fault.message.pop_back();
  fault.details = error.detail;
  if (!host.empty()) fault.details = fmt::format("host {}: {}", host, fault.details);
  fault.created_at = now;
  return fault;
}

tasks::StepFunction on_server(Servers::Impl& room, std::string_view step, ServerStep function) {
  return [&room, step, function = std::move(function)](
             tasks::StepContext& context) -> Result<tasks::Outcome> {
    const auto run = [&]() -> Result<tasks::Outcome> {
      CLOUDOS_TRY(auto snapshot, context.snapshot());
      auto server = records::get<Server>(*snapshot, server_of(context.task()));
      snapshot.reset();  // Driver calls follow: a snapshot kept over them would pin pages.
      if (server) return function(room, context, *server);
      // Its record is gone: whatever this step would do or undo has been done by a deletion.
      if (server.error().code == ErrorCode::NotFound) return tasks::Outcome(tasks::Done{});
      return fail(std::move(server).error());
    };
    auto outcome = run();
    if (!outcome) return fail_in(step, std::move(outcome).error());
    return outcome;
  };
}

Result<void> change_server(store::Txn& txn, const ServerId& id, WallTime now,
                           const std::function<void(Server&)>& change) {
  CLOUDOS_TRY(auto held, records::hold<Server>(txn, id));
  change(held.record);
  held.record.updated_at = now;
  return records::write(txn, held);
}

}  // namespace compute

Result<std::shared_ptr<hypervisor::Driver>> Servers::Impl::driver_of(
    const std::string& host) const {
  const auto driver = settings.drivers.find(host);
  if (driver != settings.drivers.end()) return driver->second;
  return fail(ErrorCode::Unavailable, "the host it is on has no hypervisor here", host);
}

std::filesystem::path Servers::Impl::folder_of(const ServerId& id) const {
  if (engine.data_dir.empty()) return {};
  return engine.data_dir / "servers" / id.value;
}

Result<std::string> Servers::Impl::plug_port(const Server& server, const PortId& port) const {
  CLOUDOS_TRY(const auto wiring, networks.plug(port, server.id, server.host));
  std::string nic =
      fmt::format("{} {} {} {}", wiring.port.value, wiring.mac, wiring.mtu, wiring.tap);
  if (const auto& nat = wiring.user_mode)
    nic += fmt::format(" {} {} {} {}", nat->cidr, nat->gateway, nat->resolver, nat->address);
  return nic;
}

Result<hypervisor::NicSpec> Servers::Impl::read_nic(const std::string& wiring) {
  const auto parts = split(wiring, ' ');
  if (parts.size() != 4 && parts.size() != 8)
    return fail(ErrorCode::Internal, "the wiring of a port is not known");
  hypervisor::NicSpec nic;
  nic.port = PortId{std::string(parts[0])};
  nic.mac = parts[1];
  nic.mtu = static_cast<std::uint32_t>(parse_unsigned(parts[2]).value_or(1500));
  if (parts.size() == 4)
    nic.tap = parts[3];
  else
    nic.user_mode = {std::string(parts[4]), std::string(parts[5]), std::string(parts[6]),
                     std::string(parts[7])};
  return nic;
}

Result<void> Servers::Impl::plug_ports(const Server& server, tasks::StepContext& step) const {
  for (std::size_t i = 0; i < server.ports.size(); ++i) {
    // The next step reads it from the task, so that nothing is asked for twice.
    CLOUDOS_TRY(std::string nic, plug_port(server, server.ports[i].port));
    step.output(fmt::format("nic.{}", i), std::move(nic));
  }
  step.output("nics", std::to_string(server.ports.size()));
  return Result<void>();
}

Result<void> Servers::Impl::unplug_ports(const Server& server) const {
  for (const ServerPort& port : server.ports) CLOUDOS_CHECK(networks.unplug(port.port));
  return Result<void>();
}

Result<void> Servers::Impl::make_disks(const Server& server) const {
  const auto folder = folder_of(server.id);
  CLOUDOS_TRY(const auto driver, driver_of(server.host));
  if (folder.empty()) return Result<void>();
  CLOUDOS_TRY(const auto base, images.base_file(server.image));
  hypervisor::DiskSpec disk;
  disk.path = folder / "disk.qcow2";
  disk.backing = base.path;
  disk.backing_format = to_string(base.format);
  disk.size_bytes = server.disk_bytes;
  return driver->make_disk(disk);
}

Result<void> Servers::Impl::remove_disks(const ServerId& id) const {
  const auto folder = folder_of(id);
  if (folder.empty()) return Result<void>();
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  if (error) {
    return fail(ErrorCode::Unavailable, "the server's disks could not be removed",
                error.message());
  }
  return Result<void>();
}

Result<std::string> Servers::Impl::boot_of(hypervisor::Driver& driver, bool again) const {
  if (!again) {
    LockGuard lock(boots_mutex);
    if (const auto known = boots.find(&driver); known != boots.end()) return known->second;
  }
  CLOUDOS_TRY(const auto told, driver.capabilities());
  std::string boot = compute::boot_mark(engine.folder_id, told.boot);
  LockGuard lock(boots_mutex);
  boots[&driver] = boot;
  return boot;
}

Result<void> Servers::Impl::boot(const Server& server, tasks::StepContext& step) const {
  CLOUDOS_TRY(const auto driver, driver_of(server.host));
  hypervisor::DomainSpec domain;
  domain.id = server.id;
  domain.name = server.name;
  domain.vcpus = server.flavor.vcpus;
  domain.ram_mib = server.flavor.ram_mib;
  domain.task = step.task().id.value;
  if (const auto folder = folder_of(server.id); !folder.empty()) {
    CLOUDOS_TRY(const auto base, images.base_file(server.image));
    domain.disks.push_back({folder / "disk.qcow2", base.path, std::string(to_string(base.format)),
                            server.disk_bytes});
    domain.console_log = folder / "console.log";
  }
  const auto count = parse_unsigned(step.value("nics")).value_or(0);
  for (std::uint64_t i = 0; i < count; ++i) {
    CLOUDOS_TRY(auto nic, read_nic(step.value(fmt::format("nic.{}", i))));
    domain.nics.push_back(std::move(nic));
  }
  // Before it starts: a host that goes down right after has then ended it under this one.
  CLOUDOS_TRY(const std::string host_boot, boot_of(*driver, false));
  if (!host_boot.empty()) step.output("host-boot", host_boot);
  CLOUDOS_CHECK(driver->define(domain));
  return driver->start(server.id);
}

Result<PortPrep> Servers::Impl::prepare_port(const store::Snapshot& snapshot, const Context& ctx,
                                             const Server& server, const ServerNetwork& wanted,
                                             const std::vector<SecurityGroupId>& groups) const {
  PortCreate port;
  port.network = wanted.network;
  port.project = server.project;
  port.device_id = server.id.value;
  port.device_owner = "compute:" + server.host_zone;
  port.dns_name = server.host_name;
  if (!wanted.fixed_ip.empty())
    port.fixed_ips = std::vector<FixedIpRequest>{{{}, wanted.fixed_ip}};
  if (!groups.empty()) port.security_groups = groups;
  return networks.prepare_port(snapshot, ctx, port);
}

Result<Servers::Impl::TakenPort> Servers::Impl::take_port(store::Txn& txn, const Context& ctx,
                                                          const Server& server,
                                                          const std::optional<PortPrep>& prep,
                                                          const PortId& given) const {
  if (prep) {
    CLOUDOS_TRY(const Port made, networks.create_port(txn, ctx, *prep));
    return TakenPort{{made.id, true}, made.mac};
  }
  CLOUDOS_TRY(const Port lent, networks.attach_port(txn, ctx, given, server.id,
                                                    "compute:" + server.host_zone));
  return TakenPort{{given, false}, lent.mac};
}

Result<void> Servers::Impl::release_ports(store::Txn& txn, const ServerId& id,
                                          const std::vector<ServerPort>& ports) const {
  for (const ServerPort& used : ports) {
    CLOUDOS_CHECK(used.made ? networks.delete_port(txn, used.port)
                            : networks.detach_port(txn, used.port, id));
  }
  return Result<void>();
}

tasks::TaskRecord Servers::Impl::make_task(const Context& ctx, const ServerId& id,
                                           std::string_view type, tasks::Values params) const {
  tasks::TaskRecord task;
  task.id = engine.ids.make<TaskId>();
  task.type = type;
  task.params = std::move(params);
  task.params["server"] = id.value;
  task.resource = "server/" + id.value;
  task.request_id = ctx.request_id;
  task.traceparent = ctx.traceparent;
  task.created_at = engine.clock.wall();
  return task;
}

Result<void> Servers::Impl::hand_over(store::Txn& txn, Server& server, tasks::TaskRecord task,
                                      ServerTask task_state, bool always_supersede) const {
  task.project = server.project;
  task.params["host"] = server.host;
  task.params["waits"] = server.task.value;
  bool supersede = always_supersede || server.task_state != ServerTask::None;
  if (!supersede && !server.task.empty()) {
    const auto before = records::get<tasks::TaskRecord>(txn, server.task);
    if (!before && before.error().code != ErrorCode::NotFound) return fail(before.error());
    supersede = before && before->state == TaskState::Stuck;
  }
  if (supersede) CLOUDOS_CHECK(tasks::supersede(txn, server.task, task.id));
  server.task = task.id;
  server.task_state = task_state;
  server.updated_at = task.created_at;
  CLOUDOS_CHECK(records::update(txn, server));
  return tasks::enqueue(txn, std::move(task));
}

Result<TaskId> Servers::Impl::begin(const Context& ctx, const ServerId& id, compute::Action action,
                                    ServerTask task_state, std::string_view type,
                                    tasks::Values params) {
  {
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    CLOUDOS_TRY(const Server server, find(*snapshot, ctx, id));
    CLOUDOS_CHECK(compute::check_lock(ctx, server));
  }
  tasks::TaskRecord task = make_task(ctx, id, type, std::move(params));
  task.priority = action == compute::Action::Delete ? 0 : 1;
  TaskId running = task.id;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    running = task.id;
    CLOUDOS_TRY(Server server, records::get<Server>(txn, id));
    CLOUDOS_CHECK(compute::check_action(server, action));
    if (action == compute::Action::Delete && server.task_state == ServerTask::Deleting) {
      running = server.task;  // Once is enough.
      return Result<void>();
    }
    return hand_over(txn, server, task, task_state, action == compute::Action::Delete);
  }));
  engine.runner.wake();
  return running;
}

}  // namespace cloudos
