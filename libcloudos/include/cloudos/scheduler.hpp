#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"

/// Where a server goes: filters say which hosts can, weighers say which is best. Pure functions
/// over plain structs; nothing here reads a store or calls a driver.
namespace cloudos::scheduler {

/// One resource of a host: what there is, what is promised already.
struct Capacity {
  std::uint64_t total = 0;
  std::uint64_t reserved = 0;  ///< Kept for the host itself.
  std::uint64_t used = 0;      ///< Sum of the claims.
  double ratio = 1.0;          ///< How often the rest may be promised.

  std::uint64_t limit() const {
    if (total <= reserved) return 0;
    // By way of signed numbers: the machine converts those in one instruction, unsigned in many.
    const auto rest = static_cast<double>(static_cast<std::int64_t>(total - reserved));
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(rest * ratio));
  }
  std::uint64_t free() const { return limit() <= used ? 0 : limit() - used; }
  friend bool operator==(const Capacity&, const Capacity&) = default;
};

/// What filters and weighers see of a host. A host that reports no vCPU at all is not trusted with
/// a server: unlike Nova's CoreFilter, zero means zero here.
struct HostState {
  Capacity vcpus, ram_mib, disk_gib;
  bool enabled = true;         ///< By an administrator.
  bool alive = false;          ///< Its hypervisor answered within the period.
  std::uint32_t servers = 0;   ///< Claims on it.
  std::string zone;            ///< Availability zone.
  std::string name;
  HostId id;
};

/// What is to be placed.
struct Request {
  std::uint32_t vcpus = 0;
  std::uint64_t ram_mib = 0;
  std::uint64_t disk_gib = 0;
  std::string zone;                     ///< Empty: any.
  std::string host;                     ///< An administrator asks for this host; empty: any.
  std::vector<std::string> not_hosts;   ///< Tried in vain by this request.
};

/// Says whether a host can take the request. Stateless, thread-safe.
class CLOUDOS_EXPORT Filter {
 public:
  virtual ~Filter() = default;
  virtual std::string_view name() const = 0;
  /// Runs for every host: builds no text.
  virtual bool pass(const HostState& host, const Request& request) const = 0;
  /// Why `pass` said no; runs only for reports.
  virtual std::string explain(const HostState& host, const Request& request) const = 0;
};

/// Prefers hosts. Raw values are normalised to 0..1 over the hosts that passed, from zero up, then
/// multiplied and added up; where all are equal a weigher has no say. Stateless, thread-safe.
class CLOUDOS_EXPORT Weigher {
 public:
  virtual ~Weigher() = default;
  virtual std::string_view name() const = 0;
  virtual double weigh(const HostState& host, const Request& request) const = 0;
};

struct Weighed {
  std::shared_ptr<const Weigher> weigher;  ///< Shared by schedulers that rank at the same time.
  double multiplier = 1.0;                 ///< Negative: stack instead of spread.
};

/// Filters in the order they run, and weighers. Constant after construction.
struct Policy {
  std::vector<std::shared_ptr<const Filter>> filters;  ///< Shared like the weighers.
  std::vector<Weighed> weighers;
};

/// ComputeFilter, AvailabilityZoneFilter, CoreFilter, RamFilter, DiskFilter; RAMWeigher, CPUWeigher
/// and DiskWeigher, each spreading. Source: nova/scheduler (names and meanings).
CLOUDOS_EXPORT Policy default_policy();

/// How many hosts each filter removed, in the order they ran.
struct Report {
  struct Line {
    std::string_view filter;
    std::size_t removed = 0;
  };
  std::size_t hosts = 0;
  std::size_t excluded = 0;  ///< By name: Request::host and not_hosts.
  std::vector<Line> lines;   ///< Ends with the filter that removed the last host.
};

struct Ranking {
  std::vector<std::size_t> best;  ///< Indexes into the hosts, best first; at most `most`.
  std::size_t passed = 0;
  Report report;
};

/// Ranks `hosts` for `request`. Equal weights: the earlier host first.
CLOUDOS_EXPORT Ranking rank(const Policy& policy, std::span<const HostState> hosts,
                            const Request& request, std::size_t most = 16);

/// "3 hosts: ComputeFilter removed 1, RamFilter removed 2": for everybody.
CLOUDOS_EXPORT std::string summary(const Report& report);

/// "host-1: RamFilter: 64 MiB free, 128 MiB asked" per line, for administrators: it names hosts.
CLOUDOS_EXPORT std::string explain(const Policy& policy, std::span<const HostState> hosts,
                                   const Request& request, std::size_t most_lines = 32);

}  // namespace cloudos::scheduler
