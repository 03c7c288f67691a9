#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/identity.hpp"

namespace cloudos {

using RegisteredLimitId = Id<struct RegisteredLimitTag>;
using LimitId = Id<struct LimitTag>;

/// How the limits of a domain and of its projects hang together.
enum class LimitModel : std::uint8_t {
  Flat,            ///< Not at all.
  StrictTwoLevel,  ///< No project's is above its domain's, and projects do not nest.
};

/// What each project may have of a resource unless a limit of its own says otherwise.
struct RegisteredLimit {
  RegisteredLimitId id;
  std::uint64_t generation = 0;
  ServiceId service;
  std::string region;         ///< Empty: in every region.
  std::string resource_name;  ///< "image_count_total"; unique by service and region.
  std::int64_t default_limit = 0;  ///< -1: as much as there is.
  std::string description;
  WallTime created_at;
};
struct RegisteredLimitCreate {
  ServiceId service;
  std::string region, resource_name, description;
  std::int64_t default_limit = 0;
};
struct RegisteredLimitUpdate {
  std::optional<ServiceId> service;
  std::optional<std::string> region, resource_name, description;
  std::optional<std::int64_t> default_limit;
};

/// What one project or domain may have of it.
struct Limit {
  LimitId id;
  std::uint64_t generation = 0;
  ProjectId project;  ///< Or else:
  DomainId domain;
  RegisteredLimitId registered;
  ServiceId service;  ///< These three are those of the registered limit.
  std::string region;
  std::string resource_name;
  std::int64_t resource_limit = 0;
  std::string description;
  WallTime created_at;
};
struct LimitCreate {
  ProjectId project;
  DomainId domain;
  ServiceId service;
  std::string region, resource_name, description;
  std::int64_t resource_limit = 0;
};
struct LimitUpdate {
  std::optional<std::int64_t> resource_limit;
  std::optional<std::string> description;
};

struct LimitFilter {
  std::optional<ServiceId> service;
  std::optional<std::string> region, resource_name;
  std::optional<ProjectId> project;  ///< Limits.
  std::optional<DomainId> domain;    ///< Limits.
  std::string marker;
  std::size_t limit = SIZE_MAX;
};

/// The limits that services ask for and keep to. Those of the image service hold at once, for all
/// (registered) and for a project: see ImageStores::usage. Others this registry only remembers.
///
/// Thread-safe. A change is committed when its call returns; a bulk one wholly or not at all.
/// Errors of what names one: NotFound; of lists: InvalidArgument (the marker); of changes: Forbidden.
/// Source: Identity API v3, unified limits.
class CLOUDOS_EXPORT LimitsRegistry final {
 public:
  explicit LimitsRegistry(Identity::Impl& of) : of_(of) {}

  LimitModel model() const;

  /// Errors: InvalidArgument (service or region not there, more than limits::kLimitsPerCall),
  /// AlreadyExists, Forbidden.
  Result<std::vector<RegisteredLimit>> create_registered(
      const Context& ctx, const std::vector<RegisteredLimitCreate>& specs);
  Result<RegisteredLimit> get_registered(const Context& ctx, const RegisteredLimitId& id) const;
  Result<std::vector<RegisteredLimit>> list_registered(const Context& ctx,
                                                       const LimitFilter& filter) const;
  /// Errors: Forbidden (projects or domains have limits of their own by it), as create.
  Result<RegisteredLimit> update_registered(const Context& ctx, const RegisteredLimitId& id,
                                            const RegisteredLimitUpdate& with);
  /// Errors: Forbidden (as update), NotFound.
  Result<void> remove_registered(const Context& ctx, const RegisteredLimitId& id);

  /// Errors: InvalidArgument (not one project or domain, or it is not there), Forbidden (no limit
  /// is registered for the resource, or the model forbids the value), AlreadyExists.
  Result<std::vector<Limit>> create(const Context& ctx, const std::vector<LimitCreate>& specs);
  Result<Limit> get(const Context& ctx, const LimitId& id) const;
  /// Who may not see all sees those of the token's project or domain.
  Result<std::vector<Limit>> list(const Context& ctx, const LimitFilter& filter) const;
  Result<Limit> update(const Context& ctx, const LimitId& id, const LimitUpdate& with);
  Result<void> remove(const Context& ctx, const LimitId& id);

 private:
  Identity::Impl& of_;
};

}  // namespace cloudos
