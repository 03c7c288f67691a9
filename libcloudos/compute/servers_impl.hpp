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

  // create_task.cpp, power.cpp, remove.cpp: the task types.
  tasks::TaskType create_type();
  tasks::TaskType delete_type();
  tasks::TaskType stop_type();
  tasks::TaskType start_type();
  tasks::TaskType reboot_type();
  /// Records the intent on a server and queues its task in one commit. Returns the task.
  Result<TaskId> begin(const Context& ctx, const ServerId& id, compute::Action action,
                       ServerTask task_state, std::string_view type, tasks::Values params);

  // guest.cpp: what steps of several tasks do to a guest. Blocking; on workers only.
  Result<std::shared_ptr<hypervisor::Driver>> driver_of(const std::string& host) const;
  std::filesystem::path folder_of(const ServerId& id) const;  ///< Empty without a data folder.
  std::string holder_of(const ServerId& id) const { return "server/" + id.value; }
  Result<void> plug_ports(const Server& server, tasks::StepContext& step) const;
  Result<void> unplug_ports(const Server& server) const;
  /// The boot_mark() of its Capabilities. `again`: ask, though it was told before.
  Result<std::string> boot_of(hypervisor::Driver& driver, bool again) const;
  Result<void> make_disks(const Server& server) const;
  Result<void> remove_disks(const ServerId& id) const;
  /// Defines the domain with the wiring that plug_ports left in the task, and starts it.
  Result<void> boot(const Server& server, tasks::StepContext& step) const;
  /// Lets go of every port in the transaction: ours are deleted, given ones set free.
  Result<void> release_ports(store::Txn& txn, const ServerId& id,
                             const std::vector<ServerPort>& ports) const;

  // sync.cpp
  Result<bool> sync_pass();
  /// Makes record and guest agree again. `power`: as seen after `server` was read.
  Result<void> fix(const Server& server, std::optional<PowerState> power,
                   hypervisor::Driver& driver);
};

namespace compute {

/// A step's function on the server that the task is about, with the step's name in front of errors.
using ServerStep =
    std::function<Result<tasks::Outcome>(Servers::Impl&, tasks::StepContext&, const Server&)>;
tasks::StepFunction on_server(Servers::Impl& room, std::string_view step, ServerStep function);

/// Reads, changes and writes a server in a step's transaction; one that is gone is Conflict.
Result<void> change_server(store::Txn& txn, const ServerId& id, WallTime now,
                           const std::function<void(Server&)>& change);

ServerId server_of(const tasks::TaskRecord& task);
/// Who asked, for calls into other rooms on the task's behalf.
Context caller_of(const tasks::TaskRecord& task, const Server& server);
ServerFault fault_of(std::string_view what, const Error& error, const std::string& host,
                     WallTime now);

}  // namespace compute
}  // namespace cloudos
