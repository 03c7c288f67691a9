#pragma once
#include "cloudos/servers.hpp"

/// What a server may be told to do in which state: pure, table-tested.
namespace cloudos::compute {

enum class Action : std::uint8_t {
  Start, Stop, RebootSoft, RebootHard, ChangeMetadata, ChangeInterfaces, Delete
};

/// Errors: Conflict, saying the action and the state that forbids it.
/// Source: check_instance_state of the Compute API.
Result<void> check_action(const Server& server, Action action);

/// What the periodic look at the hypervisor does about a server without work in progress.
enum class Sync : std::uint8_t {
  Nothing,
  Store,        ///< Only the power state is recorded.
  MarkStopped,  ///< It went off by itself: recorded as stopped.
  ForceStop,    ///< It runs though it should not: switched off.
  Resume,       ///< Its host's restart ended it: started again.
};
/// The start of the host that a server was seen running in, beside the one that is now.
enum class HostBoot : std::uint8_t { Same, Other, Unrecorded };
/// What is recorded of a start; empty when the hypervisor tells none. A folder that was restored from
/// a backup has another id: where its guests ran is not this folder's history.
std::string boot_mark(std::string_view folder_id, std::string_view boot);
HostBoot compare_boot(std::string_view recorded, std::string_view now);
/// `observed`: nothing when the hypervisor has no such domain.
Sync power_sync(VmState state, PowerState stored, std::optional<PowerState> observed,
                HostBoot boot = HostBoot::Same);

std::optional<VmState> parse_vm_state(std::string_view text);
std::optional<ServerTask> parse_server_task(std::string_view text);

/// Each is empty or an address of its family. Errors: InvalidArgument.
Result<void> check_access_ips(const std::string& ipv4, const std::string& ipv6);

/// Who may act on a locked server. Errors: Conflict.
Result<void> check_lock(const Context& ctx, const Server& server);

/// A DNS label out of a server's name: "My server.1" -> "my-server-1"; `fallback` if none is left.
std::string host_name_for(std::string_view name, std::string_view fallback);

/// A pattern for names as lists take them: ^ $ . * + ? [a-z] \x; found anywhere in the text.
/// Bounded: a pattern that would take too long finds nothing.
bool pattern_found(std::string_view pattern, std::string_view text);

}  // namespace cloudos::compute
