// The task create-server: place, ports, wire, disks, boot, activate.
#include <fmt/format.h>

#include "compute/servers_impl.hpp"
#include "records/table.hpp"

namespace cloudos {

using compute::change_server;
using compute::on_server;
using tasks::Outcome;
using tasks::Step;
using tasks::StepContext;

namespace {

constexpr int kRankings = 3;  // How often a full best list is drawn up anew.

placement::Resources resources_of(const Server& server) {
  const Flavor& flavor = server.flavor;
  return {flavor.vcpus, flavor.ram_mib, flavor.disk_gib};
}

scheduler::Request request_of(const Server& server) {
  scheduler::Request request;
  request.vcpus = server.flavor.vcpus;
  request.ram_mib = server.flavor.ram_mib;
  request.disk_gib = server.flavor.disk_gib;
  request.zone = server.zone;
  request.host = server.wanted_host;
  return request;
}

/// A host to try.
struct Candidate {
  HostId id;
  std::string name, zone;
};

/// The best hosts by the newest view. Errors: NoCapacity (there is none).
Result<std::vector<Candidate>> candidates(Servers::Impl& room, const scheduler::Request& request) {
  CLOUDOS_TRY(const auto hosts, placement::host_states(room.hosts));
  const auto ranking = scheduler::rank(room.settings.policy, *hosts, request);
  if (ranking.best.empty()) {
    return fail(ErrorCode::NoCapacity,
                "No valid host was found. " + scheduler::summary(ranking.report),
                scheduler::explain(room.settings.policy, hosts->states(), request));
  }
  std::vector<Candidate> best;
  best.reserve(ranking.best.size());
  for (const std::size_t i : ranking.best) {
    const scheduler::HostState& host = hosts->states()[i];
    best.push_back({host.id, host.name, host.zone});
  }
  return best;
}

/// Ranks over the newest view, then claims the best host that still has room.
Result<Outcome> place_server(Servers::Impl& room, StepContext& step, const Server& server) {
  // Before every hypervisor was asked once, "down" only means "not known yet".
  if (!placement::all_probed(room.hosts))
    return Outcome(tasks::Again{std::chrono::milliseconds{50}});
  const auto request = request_of(server);
  const WallTime now = step.clock().wall();
  for (int round = 0; round < kRankings; ++round) {
    CLOUDOS_TRY(const auto hosts, candidates(room, request));
    for (const Candidate& host : hosts) {
      step.output("host", host.name);
      const auto claimed = step.commit([&](store::Txn& txn) -> Result<void> {
        CLOUDOS_CHECK(placement::claim(txn, host.id, server.id, resources_of(server)));
        return change_server(txn, server.id, now, [&](Server& s) {
          s.host = host.name;
          s.host_zone = host.zone;
          s.task_state =
              s.networks.empty() ? ServerTask::BlockDeviceMapping : ServerTask::Networking;
        });
      });
      if (claimed) return Outcome(tasks::Done{});
      // Somebody was quicker: the next of the list.
      if (claimed.error().code != ErrorCode::NoCapacity) return fail(claimed.error());
    }
  }
  return fail(ErrorCode::Unavailable, "every host that had room was taken meanwhile");
}

Result<Outcome> unplace_server(Servers::Impl&, StepContext& step, const Server& server) {
  const WallTime now = step.clock().wall();
  CLOUDOS_CHECK(step.commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(placement::release(txn, server.id));
    return change_server(txn, server.id, now, [](Server& s) {
      s.host.clear();
      s.host_zone.clear();
    });
  }));
  return Outcome(tasks::Done{});
}

Result<Outcome> allocate_ports(Servers::Impl& room, StepContext& step, const Server& server) {
  if (server.networks.empty()) return Outcome(tasks::Done{});  // Placing it wrote what there is.
  const Context ctx = compute::caller_of(step.task(), server);
  CLOUDOS_TRY(auto snapshot, step.snapshot());
  std::vector<std::optional<PortPrep>> preps(server.networks.size());
  for (std::size_t i = 0; i < preps.size(); ++i) {
    const ServerNetwork& wanted = server.networks[i];
    if (!wanted.port.empty()) continue;
    CLOUDOS_TRY(preps[i],
                room.prepare_port(*snapshot, ctx, server, wanted, server.security_groups));
  }
  snapshot.reset();
  const WallTime now = step.clock().wall();
  CLOUDOS_CHECK(step.commit([&](store::Txn& txn) -> Result<void> {
    std::vector<ServerPort> ports;
    for (std::size_t i = 0; i < preps.size(); ++i) {
      CLOUDOS_TRY(auto taken, room.take_port(txn, ctx, server, preps[i], server.networks[i].port));
      ports.push_back(std::move(taken.port));
    }
    return change_server(txn, server.id, now, [&](Server& s) {
      s.ports = ports;
      s.task_state = ServerTask::BlockDeviceMapping;
    });
  }));
  return Outcome(tasks::Done{});
}

Result<Outcome> release_server_ports(Servers::Impl& room, StepContext& step, const Server& server) {
  const WallTime now = step.clock().wall();
  CLOUDOS_CHECK(step.commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(room.release_ports(txn, server.id, server.ports));
    return change_server(txn, server.id, now, [](Server& s) { s.ports.clear(); });
  }));
  return Outcome(tasks::Done{});
}

Result<Outcome> activate(Servers::Impl&, StepContext& step, const Server& server) {
  const WallTime now = step.clock().wall();
  CLOUDOS_CHECK(step.commit([&](store::Txn& txn) {
    return change_server(txn, server.id, now, [&](Server& s) {
      s.vm_state = VmState::Active;
      s.power_state = PowerState::Running;
      s.task_state = ServerTask::None;
      s.host_boot = step.value("host-boot");
      s.launched_at = now;
    });
  }));
  return Outcome(tasks::Done{});
}

}  // namespace

tasks::TaskType Servers::Impl::create_type() {
  const auto remote = [this](std::string_view name,
                             Result<void> (*work)(Impl&, StepContext&, const Server&)) {
    return on_server(
        *this, name,
        [work](Impl& room, StepContext& step, const Server& server) -> Result<Outcome> {
          CLOUDOS_CHECK(work(room, step, server));
          return Outcome(tasks::Done{});
        });
  };
  tasks::TaskType type;
  type.name = "create-server";
  // Wiring, disks and boot find what they did before: one commit for the row, with its end.
  type.steps = {
      {"place", Step::Kind::Local, on_server(*this, "place", place_server),
       on_server(*this, "place", unplace_server)},
      {"ports", Step::Kind::Local, on_server(*this, "ports", allocate_ports),
       on_server(*this, "ports", release_server_ports)},
      {"wire", Step::Kind::Remote,
       remote("wire", [](Impl& room, StepContext& step,
                         const Server& server) { return room.plug_ports(server, step); }),
       remote("wire", [](Impl& room, StepContext&,
                         const Server& server) { return room.unplug_ports(server); }),
       false, true},
      {"disks", Step::Kind::Remote,
       remote("disks", [](Impl& room, StepContext&,
                          const Server& server) { return room.make_disks(server); }),
       remote("disks", [](Impl& room, StepContext&,
                          const Server& server) { return room.remove_disks(server.id); }),
       false, true},
      {"boot", Step::Kind::Remote,
       remote("boot", [](Impl& room, StepContext& step,
                         const Server& server) { return room.boot(server, step); }),
       remote("boot",
              [](Impl& room, StepContext&, const Server& server) -> Result<void> {
                CLOUDOS_TRY(const auto driver, room.driver_of(server.host));
                return driver->destroy(server.id);
              }),
       false, true},
      {"activate", Step::Kind::Local, on_server(*this, "activate", activate), nullptr, false, true},
  };
  type.host = [](const tasks::TaskRecord& task) {
    const auto host = task.outputs.find("host");
    return host == task.outputs.end() ? std::string() : host->second;
  };
  const auto broken = [this](store::Txn& txn, const tasks::TaskRecord& task, const Error& error) {
    const auto host = task.outputs.find("host");
    const WallTime now = engine.clock.wall();
    return change_server(txn, compute::server_of(task), now, [&](Server& s) {
      s.vm_state = VmState::Error;
      s.task_state = ServerTask::None;
      s.power_state = PowerState::NoState;
      s.fault = compute::fault_of("The server could not be created", error,
                                  host == task.outputs.end() ? "" : host->second, now);
    });
  };
  type.failed = [this, broken](store::Txn& txn, const tasks::TaskRecord& task,
                               const Error& error) -> Result<void> {
    const ServerId id = compute::server_of(task);
    CLOUDOS_TRY(const Server server, records::get<Server>(txn, id));
    CLOUDOS_CHECK(images.unpin(txn, server.image, holder_of(id)));
    return broken(txn, task, error);
  };
  type.stuck = broken;
  return type;
}

}  // namespace cloudos
