#pragma once
#include <functional>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "cloudos/hosts.hpp"
#include "scheduler/table.hpp"
#include "tasks/engine.hpp"

/// Hosts, what they hold, and what is promised on them. The transactional side of Hosts.
namespace cloudos::placement {

/// What one server takes.
struct Resources {
  std::uint64_t vcpus = 0;
  std::uint64_t ram_mib = 0;
  std::uint64_t disk_gib = 0;
  friend bool operator==(const Resources&, const Resources&) = default;
};

/// Hosts that one hypervisor connection speaks for: usually one, in simulations thousands.
struct HostSource {
  std::vector<std::string> names;
  /// Asks the hypervisor; may block, on workers only. An answer means that the hosts are up.
  std::function<Result<HostFacts>()> probe;
};

struct PlacementSettings {
  std::vector<HostSource> hosts;
  std::string zone = "nova";
  /// Nova's of old. RAM and disk: what is promised beyond the machine is swapped or missing, so
  /// RAM is promised half as much again, disk once, processors sixteen times.
  double cpu_ratio = 16.0, ram_ratio = 1.5, disk_ratio = 1.0;
  std::uint64_t reserved_ram_mib = 0;
  std::chrono::milliseconds period{limits::kHostPeriod};
  std::chrono::milliseconds down_after{limits::kHostDown};
};

/// Registers the hosts (one commit for those that are new), and the reconciler "hosts", which asks
/// each hypervisor on a period. Errors: as Store::transact, InvalidArgument (names).
Result<std::unique_ptr<Hosts>> make_hosts(const Engine& engine, PlacementSettings settings);

/// Promises `resources` on `host` to `server`, in the caller's transaction: capacity and enablement
/// are checked against the newest state. The same claim again is success; on another host it moves.
/// Errors: NoCapacity (the message names the resource, not the host), NotFound (host).
Result<void> claim(store::Txn& txn, const HostId& host, const ServerId& server,
                   const Resources& resources);
/// Gives back what `server` holds; nothing happens when it holds nothing.
Result<void> release(store::Txn& txn, const ServerId& server);

/// A server's claim, or nothing.
struct Claim {
  HostId host;
  Resources resources;
};
Result<std::optional<Claim>> claim_of(const store::Snapshot& snapshot, const ServerId& server);

/// Every host as the scheduler sees it, for as long as this lives. Keep it for a ranking and no
/// longer, never over a commit: whoever needs a newer view waits for it.
class HostsView final {
 public:
  HostsView(std::shared_lock<std::shared_mutex> lock, const scheduler::HostTable& table)
      : lock_(std::move(lock)), table_(&table) {}
  const scheduler::HostTable& operator*() const { return *table_; }
  const scheduler::HostTable* operator->() const { return table_; }

 private:
  std::shared_lock<std::shared_mutex> lock_;
  const scheduler::HostTable* table_;
};

/// As of at least the newest commit before the call. Cached: only what changed is read again.
Result<HostsView> host_states(const Hosts& hosts);

/// False until each hypervisor was asked once: before that nobody knows which hosts are up.
bool all_probed(const Hosts& hosts);

/// Differences between allocations and usage records, as text; empty when they agree.
Result<std::vector<std::string>> audit(const store::Snapshot& snapshot);

}  // namespace cloudos::placement
