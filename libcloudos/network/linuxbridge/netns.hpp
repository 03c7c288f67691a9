#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "cloudos/result.hpp"
#include "network/linuxbridge/netlink.hpp"

/// Named network namespaces, kept where iproute2 keeps them, so that `ip netns exec NAME` works.
///
/// The caller's thread never changes its namespace: a short-lived thread does.
namespace cloudos::network::linuxbridge {

/// Where namespaces have their names, as files.
inline constexpr const char* kNetnsFolder = "/run/netns";

/// Makes the namespace, or leaves a usable one of that name as it is. Errors: Unavailable.
Result<void> create_netns(const std::string& name);
/// Nothing when there is no namespace of that name (a leftover plain file counts as none).
std::optional<Fd> open_netns(const std::string& name);
/// Takes the name away; what still runs in it keeps it alive. Success when it is gone already.
Result<void> remove_netns(const std::string& name);
std::vector<std::string> list_netns(std::string_view prefix);

/// Runs `work` on a thread of its own, which may change its namespace, and waits for it. What it
/// throws (no thread, no memory) becomes an error.
Result<void> on_own_thread(const std::function<Result<void>()>& work);
/// The same inside a namespace.
Result<void> run_in_netns(int netns, const std::function<Result<void>()>& work);
/// True when both descriptors (or /proc files) are of the same namespace.
bool same_netns(int netns, const std::string& proc_file);

/// The number by which the namespace of `netlink` knows another; given to it when it has none.
/// Errors: Unavailable.
Result<int> netns_id(Netlink& netlink, int netns);

/// Writes a short value to a /proc/sys file of the calling thread's namespace.
Result<void> write_sysctl(const std::string& path, std::string_view value);
std::optional<std::string> read_small_file(const std::string& path);

}  // namespace cloudos::network::linuxbridge
