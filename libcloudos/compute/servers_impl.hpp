#pragma once
#include <filesystem>

#include "base/mutex.hpp"
#include "compute/records.hpp"
#include "compute/servers_room.hpp"
#include "compute/state.hpp"
#include "tasks/task.hpp"

namespace cloudos {

/// The room's own side of Servers: what its calls, tasks and reconcilers share.
struct Servers::Impl {
  // Constant after construction; the services outlive the room.
  const Engine engine;
  const ComputeSettings settings;
  Hosts& hosts;
  Images& images;
  Networks& networks;
  const Log log;
  mutable Mutex boots_mutex;
  /// The starts of the hosts as they were told last.
  mutable std::map<const hypervisor::Driver*, std::string> boots CLOUDOS_GUARDED_BY(boots_mutex);
  std::unique_ptr<Flavors> flavors;
  std::unique_ptr<Keypairs> keypairs;

  Impl(const Engine& engine_ref, ComputeSettings with, Hosts& hosts_ref, Images& images_ref,
       Networks& networks_ref)
      : engine(engine_ref), settings(std::move(with)), hosts(hosts_ref), images(images_ref),
        networks(networks_ref), log(engine_ref.log.for_room("compute")) {}

  /// The server, if `ctx` may see it. Errors: NotFound.
  Result<Server> find(const store::Snapshot& snapshot, const Context& ctx,
                      const ServerId& id) const;

  // view.cpp: what is read beside the record.
  class Names;
  Result<void> fill_view(const store::Snapshot& snapshot, Names& names, Server& server) const;

  /// Changes a record in one commit and returns it as get() would. Errors: as find; what
  /// `change_record` returns; Conflict (locked), if `locks_count`.
  Result<Server> change(const Context& ctx, const ServerId& id, bool locks_count,
                        const std::function<Result<void>(Server&)>& change_record);

  /// A server as `spec` describes it, with all it names looked up; no id yet (create.cpp).
  Result<Server> resolve(const Context& ctx, const ServerCreate& spec) const;

  /// The networks and ports asked for, all of them looked up; nothing asked: the project's only
  /// network, if it has one. Errors: as Servers::create (create.cpp).
  Result<std::vector<ServerNetwork>> resolve_networks(
      const Context& ctx, const store::Snapshot& snapshot,
      const std::optional<std::vector<ServerNetwork>>& asked, std::uint32_t servers,
      const std::vector<SecurityGroupId>& groups) const;

  // create_task.cpp, power.cpp, remove.cpp, interfaces.cpp: the task types.
  tasks::TaskType create_type();
  tasks::TaskType delete_type();
  tasks::TaskType stop_type();
  tasks::TaskType start_type();
  tasks::TaskType reboot_type();
  tasks::TaskType attach_type();
  tasks::TaskType detach_type();
  /// Records the intent on a server and queues its task in one commit. Returns the task.
  Result<TaskId> begin(const Context& ctx, const ServerId& id, compute::Action action,
                       ServerTask task_state, std::string_view type, tasks::Values params);

  /// A task of this type about the server, which nobody was told of yet.
  tasks::TaskRecord make_task(const Context& ctx, const ServerId& id, std::string_view type,
                              tasks::Values params) const;
  /// Makes `task` the one that works on the server, and writes both. It waits for the one before,
  /// which is told to unwind if it changes the server's state or got stuck; changed interfaces are
  /// left to end.
  Result<void> hand_over(store::Txn& txn, Server& server, tasks::TaskRecord task,
                         ServerTask task_state, bool always_supersede = false) const;

  // guest.cpp: what steps of several tasks do to a guest. Blocking; on workers only.
  Result<std::shared_ptr<hypervisor::Driver>> driver_of(const std::string& host) const;
  std::filesystem::path folder_of(const ServerId& id) const;  ///< Empty without a data folder.
  std::string holder_of(const ServerId& id) const { return "server/" + id.value; }
  Result<void> plug_ports(const Server& server, tasks::StepContext& step) const;
  /// The port's wiring as a task keeps it; and what it says to the hypervisor.
  Result<std::string> plug_port(const Server& server, const PortId& port) const;
  static Result<hypervisor::NicSpec> read_nic(const std::string& wiring);
  Result<void> unplug_ports(const Server& server) const;
  /// The boot_mark() of its Capabilities. `again`: ask, though it was told before.
  Result<std::string> boot_of(hypervisor::Driver& driver, bool again) const;
  Result<void> make_disks(const Server& server) const;
  Result<void> remove_disks(const ServerId& id) const;
  /// Defines the domain with the wiring that plug_ports left in the task, and starts it.
  Result<void> boot(const Server& server, tasks::StepContext& step) const;
  /// What a port of ours will be, drawn up for take_port.
  Result<PortPrep> prepare_port(const store::Snapshot& snapshot, const Context& ctx,
                                const Server& server, const ServerNetwork& wanted,
                                const std::vector<SecurityGroupId>& groups) const;
  struct TakenPort {
    ServerPort port;
    std::string mac;
  };
  /// Makes the port of `prep`, or gives the server the port `given`.
  Result<TakenPort> take_port(store::Txn& txn, const Context& ctx, const Server& server,
                               const std::optional<PortPrep>& prep, const PortId& given) const;
  /// Lets go of every port in the transaction: ours are deleted, given ones set free.
  Result<void> release_ports(store::Txn& txn, const ServerId& id,
                             const std::vector<ServerPort>& ports) const;

  // sync.cpp
  Result<bool> sync_pass();
  /// Makes record and guest agree again. `power`: as seen after `server` was read.
  Result<void> fix(const Server& server, std::optional<PowerState> power,
                   hypervisor::Driver& driver);
  /// Asks a guest again for what it did not give up, unless somebody touched the server since
  /// (interfaces.cpp).
  Result<void> ask_again(const Server& seen);
};

namespace compute {

/// A step's function on the server that the task is about, with the step's name in front of errors.
using ServerStep =
    std::function<Result<tasks::Outcome>(Servers::Impl&, tasks::StepContext&, const Server&)>;
tasks::StepFunction on_server(Servers::Impl& room, std::string_view step, ServerStep function);

/// Reads, changes and writes a server in a step's transaction; one that is gone is Conflict.
Result<void> change_server(store::Txn& txn, const ServerId& id, WallTime now,
                           const std::function<void(Server&)>& change);

/// First step of a task that another one may be in the way of: waits for it to end. Who takes over
/// from the task in turn (a deletion) finds that one ended as well.
tasks::Step after_others();
/// The task's host from the step after that on: a task that waits takes no lane, for the other one
/// needs it to end.
std::string host_behind_others(const tasks::TaskRecord& task);

ServerId server_of(const tasks::TaskRecord& task);
/// Who asked, for calls into other rooms on the task's behalf.
Context caller_of(const tasks::TaskRecord& task, const Server& server);
ServerFault fault_of(std::string_view what, const Error& error, const std::string& host,
                     WallTime now);

}  // namespace compute
}  // namespace cloudos
