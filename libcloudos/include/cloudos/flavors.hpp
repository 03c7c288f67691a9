#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// A size of server.
struct Flavor {
  static constexpr std::string_view kKind = "flavor";
  static constexpr std::uint32_t kSchema = 1;
  FlavorId id;
  std::uint64_t generation = 0;
  std::string name;                               ///< Unique, 1..255 characters.
  std::uint32_t vcpus = 1;
  std::uint64_t ram_mib = 0;
  std::uint64_t disk_gib = 0;                     ///< 0: as large as the image.
  std::uint64_t ephemeral_gib = 0;
  std::uint64_t swap_mib = 0;
  double rxtx_factor = 1.0;
  bool is_public = true;
  std::set<ProjectId> access;                     ///< Who may use it when it is not public.
  std::map<std::string, std::string> extra_specs;
  WallTime created_at;
  std::string unknown;
};

struct FlavorCreate {
  FlavorId id;                                    ///< Empty: one is made.
  std::string name;
  std::uint64_t vcpus = 1;                        ///< 1..2^31-1, as all sizes here.
  std::uint64_t ram_mib = 0;                      ///< 1..2^31-1
  std::uint64_t disk_gib = 0;
  std::uint64_t ephemeral_gib = 0;                ///< Only 0: there are no ephemeral disks yet.
  std::uint64_t swap_mib = 0;                     ///< Only 0: there are no swap disks yet.
  double rxtx_factor = 1.0;
  bool is_public = true;
};

struct FlavorQuery {
  std::optional<bool> is_public = true;           ///< Nothing: both, as far as you see.
  std::uint64_t min_ram_mib = 0;
  std::uint64_t min_disk_gib = 0;
  std::string sort_key;                           ///< A field's name; empty: id.
  bool descending = false;
  std::string marker;
  std::size_t limit = SIZE_MAX;
};

/// Thread-safe. Every change is one commit and is for admins only.
class CLOUDOS_EXPORT Flavors final {
 public:
  /// Errors: Forbidden, InvalidArgument, AlreadyExists (id or name).
  Result<Flavor> create(const Context& ctx, const FlavorCreate& spec);
  /// A private flavor without access is NotFound.
  Result<Flavor> get(const Context& ctx, const FlavorId& id) const;
  /// Public ones, and private ones that the project may use. Errors: InvalidArgument.
  Result<std::vector<Flavor>> list(const Context& ctx, const FlavorQuery& query = {}) const;
  /// Servers made from it keep their size. Errors: Forbidden, NotFound.
  Result<void> remove(const Context& ctx, const FlavorId& id);
  /// Merges `set` into the extra specs and drops `unset`. Errors: Forbidden, NotFound,
  /// InvalidArgument.
  Result<Flavor> change_extra_specs(const Context& ctx, const FlavorId& id,
                                    const std::map<std::string, std::string>& set,
                                    const std::vector<std::string>& unset = {});
  /// Lets a project use a private flavor. Errors: Forbidden, NotFound, AlreadyExists, Conflict
  /// (the flavor is public).
  Result<Flavor> add_access(const Context& ctx, const FlavorId& id, const ProjectId& project);
  /// Errors: Forbidden, NotFound (flavor, or the project has no access).
  Result<Flavor> remove_access(const Context& ctx, const FlavorId& id, const ProjectId& project);

  struct CLOUDOS_LOCAL Impl;
  explicit Flavors(std::unique_ptr<Impl> impl);
  ~Flavors();
  Flavors(const Flavors&) = delete;
  Flavors& operator=(const Flavors&) = delete;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos
