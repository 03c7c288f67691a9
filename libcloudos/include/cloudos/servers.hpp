#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/flavors.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/keypairs.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// The last stable state: what the user expects.
enum class VmState : std::uint8_t { Building, Active, Stopped, Error };
/// Work in progress, as Compute names it.
enum class ServerTask : std::uint8_t {
  None, Scheduling, Networking, BlockDeviceMapping, Spawning, PoweringOff, PoweringOn, Rebooting,
  RebootingHard, Deleting
};
/// What the hypervisor said last, numbered as Compute does.
enum class PowerState : std::uint8_t {
  NoState = 0, Running = 1, Paused = 3, Shutdown = 4, Crashed = 6, Suspended = 7
};
CLOUDOS_EXPORT std::string_view to_string(VmState state);     ///< "building"
CLOUDOS_EXPORT std::string_view to_string(ServerTask task);   ///< "powering-off"; "" for None.
/// The one status clients see: "ACTIVE", "SHUTOFF", "HARD_REBOOT", … Pure.
/// Source: state-machine of the Compute API, view of vm_state and task_state.
CLOUDOS_EXPORT std::string_view server_status(VmState state, ServerTask task);

/// Why a server is in ERROR.
struct ServerFault {
  std::int64_t code = 500;
  std::string message;   ///< Names step and reason; no host.
  std::string details;   ///< Names host and more: for administrators.
  WallTime created_at;
};

/// A port the server uses, in guest device order.
struct ServerPort {
  PortId port;
  bool made = false;     ///< By us: deleted with the server. Otherwise given, and only let go.
  friend bool operator==(const ServerPort&, const ServerPort&) = default;
};

/// One address of a server, as of the reading.
struct ServerAddress {
  std::string network_name;
  NetworkId network;
  PortId port;
  std::string mac;
  std::string address;
  bool ipv6 = false;
  bool floating = false;   ///< Of an external network; it leads to one of the port's own before it.
};

/// A network interface asked for: a network, with an address if one matters, or a port of yours.
struct ServerNetwork {
  NetworkId network;
  PortId port;
  std::string fixed_ip;
};

/// A server: a virtual machine.
struct Server {
  static constexpr std::string_view kKind = "server";
  static constexpr std::uint32_t kSchema = 1;
  ServerId id;
  std::uint64_t generation = 0;
  ProjectId project;
  UserId user;
  std::string name;
  std::string description;
  std::string host_name;                          ///< What the guest is called: a DNS label.
  ImageId image;
  Flavor flavor;                                  ///< As it was when the server was made.
  std::uint64_t disk_bytes = 0;                   ///< Of the root disk; 0: the image's.
  std::string key_name;
  std::string public_key;                         ///< The pair's, as it was then.
  bool has_user_data = false;
  bool manual_disk_config = false;                ///< Kept for clients; we never resize.
  std::map<std::string, std::string> metadata;
  std::string zone;                               ///< Asked for; empty: any.
  std::string wanted_host;                        ///< An administrator asked for it.
  std::vector<ServerNetwork> networks;            ///< Asked for.
  std::vector<SecurityGroupId> security_groups;   ///< For the ports we make.
  std::vector<std::string> security_group_names;  ///< As they were asked for.
  std::vector<ServerPort> ports;
  std::vector<std::string> leaving_macs;          ///< Taken, and held by the guest: asked again.
  VmState vm_state = VmState::Building;
  ServerTask task_state = ServerTask::None;
  PowerState power_state = PowerState::NoState;
  std::string host;                               ///< Empty: not placed.
  std::string host_zone;                          ///< Of `host` when it was placed.
  std::string host_boot;                          ///< Start of `host` that it was seen running in.
  TaskId task;                                    ///< Changes it now, or did last.
  std::optional<ServerFault> fault;
  std::string access_ipv4, access_ipv6;           ///< What the user says it is reached by.
  bool locked = false;                            ///< Only administrators act on it.
  bool locked_by_admin = false;
  std::string reservation;                        ///< "r-…": servers made by one call share it.
  std::uint32_t launch_index = 0;
  WallTime created_at, updated_at;
  std::optional<WallTime> launched_at;
  std::string unknown;

  std::vector<ServerAddress> addresses;           ///< As of the reading; not stored.

  std::string_view status() const { return server_status(vm_state, task_state); }
};

/// What a caller asks for; sizes come from the flavor. Field names follow the Compute API.
struct ServerCreate {
  std::string name;                        ///< 1..255 characters (UTF-8); need not be unique.
  std::string description;
  FlavorId flavor;
  ImageId image;
  /// One port each, in guest device order. Nothing: the project's only network, or none if it has
  /// none; two are ambiguous. An empty list: no network at all.
  std::optional<std::vector<ServerNetwork>> networks;
  std::string key_name;
  std::string user_data;                   ///< base64, at most limits::kUserDataBytes.
  std::map<std::string, std::string> metadata;
  std::vector<std::string> security_groups;///< Names or ids; empty: the project's default group.
  std::string availability_zone;           ///< "zone", or, for admins, "zone:host".
  bool manual_disk_config = false;
  std::string access_ipv4, access_ipv6;
  std::uint32_t min_count = 1;
  std::uint32_t max_count = 1;
};

/// What changes; absent members stay as they are.
struct ServerUpdate {
  std::optional<std::string> name, description;
  std::optional<std::string> access_ipv4, access_ipv6;  ///< Empty: none.
};

/// What a project may have of one resource, and has. -1: no limit.
struct QuotaLine {
  std::int64_t limit = -1;
  std::int64_t in_use = 0;
};

struct ServerQuery {
  bool all_projects = false;               ///< Admins only.
  ProjectId project;                       ///< Admins, with all_projects: this one only.
  std::string name;                        ///< A part of it, or a pattern with ^ . * + ? $ [].
  std::vector<std::string> statuses;       ///< Any of them: "ACTIVE", …; no case. Empty: all.
  std::string image, flavor, host, zone, key_name, user, reservation, ip;
  std::optional<VmState> vm_state;
  std::optional<ServerTask> task_state;
  std::optional<PowerState> power_state;
  std::optional<WallTime> changed_since, changed_before;
  std::vector<std::string> ids;
  std::vector<std::pair<std::string, bool>> sort;  ///< Field, descending. Empty: newest first.
  std::string marker;
  std::size_t limit = SIZE_MAX;
  bool with_addresses = true;
};

enum class RebootMode : std::uint8_t { Soft, Hard };

/// Server (virtual machine) lifecycle.
///
/// Thread-safe. Calls record intent and return; a durable task does the work (see Tasks).
/// Errors of all that name a server: NotFound (also another project's).
class CLOUDOS_EXPORT Servers final {
 public:
  /// Records a server in BUILD and queues its create task: one commit, no driver call.
  ///
  /// Returns the stored server; Tasks::wait(server.task) ends with it ACTIVE or in ERROR.
  /// Errors: InvalidArgument (also an unknown reference), QuotaExceeded, Conflict (several
  /// networks to choose from; a port in use), Forbidden (a host named by who is no admin).
  /// Source: Compute API v2.1, POST /servers.
  Result<Server> create(const Context& ctx, const ServerCreate& spec);
  /// As many as the quota lets, between min_count and max_count; one commit for all.
  Result<std::vector<Server>> create_many(const Context& ctx, const ServerCreate& spec);

  Result<Server> get(const Context& ctx, const ServerId& id) const;
  /// Errors: InvalidArgument (marker, sort key), TooLarge (too many to sort).
  Result<std::vector<Server>> list(const Context& ctx, const ServerQuery& query = {}) const;
  /// One commit. Errors: InvalidArgument, Conflict (locked).
  Result<Server> update(const Context& ctx, const ServerId& id, const ServerUpdate& change);
  /// Keeps everybody but administrators and who locked it from changing the server. One commit.
  Result<Server> lock(const Context& ctx, const ServerId& id);
  /// Errors: Forbidden (an administrator locked it).
  Result<Server> unlock(const Context& ctx, const ServerId& id);
  /// Merges `set`, drops `unset` (each must be there), or replaces all. One commit.
  /// Errors: InvalidArgument, QuotaExceeded (over limits::kMetadataItems), NotFound (item),
  /// Conflict (state).
  Result<Server> change_metadata(const Context& ctx, const ServerId& id,
                                 const std::map<std::string, std::string>& set, bool replace,
                                 const std::vector<std::string>& unset = {});

  /// Queues deletion: one commit. A create that still runs is superseded and unwinds first. The
  /// server shows task_state deleting until it is gone; a second call changes nothing.
  /// Returns the task.
  Result<TaskId> remove(const Context& ctx, const ServerId& id);
  /// One commit, then a task. Errors: Conflict (not stopped, or busy). Returns the task.
  Result<TaskId> start(const Context& ctx, const ServerId& id);
  /// Presses the power button, and cuts the power after a minute. Errors: Conflict.
  Result<TaskId> stop(const Context& ctx, const ServerId& id);
  /// Errors: Conflict.
  Result<TaskId> reboot(const Context& ctx, const ServerId& id, RebootMode mode);
  /// Gives the server one more interface: a new port on `wanted.network`, or the port
  /// `wanted.port`; with neither, a port on the project's only network. A guest that runs gets it at
  /// once, one that is off with its next start. One commit, then a task, which a start, stop or
  /// reboot that is asked for meanwhile waits for.
  ///
  /// Returns the server with the new port as the last of `ports`, and the task as `task`; when that
  /// fails (the host or the guest refuses), the port is given back.
  /// Errors: NotFound (also the network or the port), InvalidArgument (both named; an address that
  /// is not the network's), QuotaExceeded, Conflict (state; several networks to choose from; a port
  /// or an address in use; limits::kServerPorts reached; locked).
  /// Source: Compute API v2.1, POST /servers/{id}/os-interface.
  Result<Server> attach_interface(const Context& ctx, const ServerId& id,
                                  const ServerNetwork& wanted);
  /// Takes an interface from the server: a port that was made for it is deleted, another one set
  /// free, once the guest has let go. A guest that does not within limits::kInterfaceLeaves keeps it:
  /// the task fails. One commit, then the task, which is returned.
  /// Errors: NotFound (also a port that is not this server's), Conflict (state, locked).
  Result<TaskId> detach_interface(const Context& ctx, const ServerId& id, const PortId& port);
  /// An administrator says what state it is in; work in progress is not touched. One commit.
  /// Errors: Forbidden, Conflict (busy).
  Result<Server> reset_state(const Context& ctx, const ServerId& id, VmState state);

  /// The last `lines` lines of the serial console (0: none; nothing: all that is kept), at most
  /// limits::kConsoleBytes. Errors: Conflict (not built yet).
  Result<std::string> console_output(const Context& ctx, const ServerId& id,
                                     std::optional<std::uint64_t> lines = {}) const;
  /// The base64 text it was made with; empty: none.
  Result<std::string> user_data(const Context& ctx, const ServerId& id) const;

  /// Limits and use of every resource that is counted per project, by the names of Quota
  /// ("servers", "cores", "ram_mib", "key_pairs", …). Other projects': admins only.
  /// Errors: Forbidden.
  Result<std::map<std::string, QuotaLine>> quota(const Context& ctx,
                                                 const ProjectId& project) const;
  /// The limits of projects that have none of their own.
  Result<std::map<std::string, std::int64_t>> default_quota() const;
  /// Sets limits; nothing returns one to the default. Admins only; one commit.
  /// Errors: Forbidden, InvalidArgument.
  Result<void> set_quota(const Context& ctx, const ProjectId& project,
                         const std::map<std::string, std::optional<std::int64_t>>& limits);

  Flavors& flavors();
  Keypairs& keypairs();

  struct CLOUDOS_LOCAL Impl;
  explicit Servers(std::unique_ptr<Impl> impl);
  ~Servers();
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;
  /// For rooms of the library: see compute/servers_room.hpp.
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos
