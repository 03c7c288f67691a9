#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

namespace cloudos::store {
class Txn;
class Snapshot;
}  // namespace cloudos::store

namespace cloudos {

inline constexpr std::int64_t kUnlimited = -1;

/// What a project may have of one resource, and has.
struct QuotaUse {
  std::int64_t limit = kUnlimited;
  std::int64_t in_use = 0;
  /// The same, as it is counted: sizes of images have limits in MiB and are counted in bytes.
  std::int64_t counted = 0;
};

/// Counts per project and resource, changed in the transaction that writes the counted record, so
/// that limits hold under concurrency and the counts equal the records.
///
/// A limit is the project's own, else the cloud's default, else the built-in one. Resources:
/// servers cores ram_mib key_pairs server_groups server_group_members networks subnets ports
/// security_groups security_group_rules image_count_total image_count_uploading image_size_total
/// image_stage_total; the last two have limits in MiB and are reserved in bytes. State is in the
/// store alone. Thread-safe.
class Quota final {
 public:
  /// Takes `delta` of a resource (gives back, when negative; never below zero).
  /// Errors: QuotaExceeded (names resource, limit and use), Internal (no such resource).
  static Result<void> reserve(store::Txn& txn, const ProjectId& project, std::string_view resource,
                              std::int64_t delta);
  /// As reserve(), whatever the limit is: for what is there already and was not counted.
  static Result<void> add(store::Txn& txn, const ProjectId& project, std::string_view resource,
                          std::int64_t delta);
  /// Every resource with the project's limit and use.
  static Result<std::map<std::string, QuotaUse>> usage(const store::Snapshot& snapshot,
                                                       const ProjectId& project);
  /// Sets the project's own limit; nothing returns it to the default. A limit below the use is
  /// kept: it stops what is new. Errors: InvalidArgument (resource, or below -1).
  static Result<void> set_limit(store::Txn& txn, const ProjectId& project,
                                std::string_view resource, std::optional<std::int64_t> limit);
  /// Sets the default of every project without a limit of its own; nothing returns to the built-in.
  static Result<void> set_default(store::Txn& txn, std::string_view resource,
                                  std::optional<std::int64_t> limit);
  /// Is its limit set by the registry of limits (LimitsRegistry), as an image's are?
  static bool is_unified(std::string_view resource);
  /// Projects with limits of their own, and for which resources.
  static Result<std::map<ProjectId, std::set<std::string>>> limited_projects(
      const store::Snapshot& snapshot);
  /// The defaults in force.
  static Result<std::map<std::string, std::int64_t>> defaults(const store::Snapshot& snapshot);
};

}  // namespace cloudos
