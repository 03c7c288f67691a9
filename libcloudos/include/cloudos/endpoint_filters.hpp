#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cloudos/identity.hpp"

namespace cloudos {

using EndpointGroupId = Id<struct EndpointGroupTag>;

/// Endpoints by what they have in common; what is empty is not asked for, but not all may be.
struct EndpointGroupFilter {
  ServiceId service;
  std::string interface, region;
};

struct EndpointGroup {
  EndpointGroupId id;
  std::uint64_t generation = 0;
  std::string name;
  std::string description;
  EndpointGroupFilter filter;
  WallTime created_at;
};
struct EndpointGroupCreate {
  std::string name, description;
  EndpointGroupFilter filter;
};
struct EndpointGroupUpdate {
  std::optional<std::string> name, description;
  std::optional<EndpointGroupFilter> filter;
};

/// Which endpoints a project's catalog shows: those chosen for it and those of the groups chosen
/// for it; where none was, all or none, by Options::show_all_endpoints.
///
/// Thread-safe. The next token shows what a call has committed when it returns.
/// Errors of all: NotFound, Forbidden. Source: Identity API v3, OS-EP-FILTER.
class CLOUDOS_EXPORT EndpointFilters final {
 public:
  explicit EndpointFilters(Identity::Impl& of) : of_(of) {}

  /// Errors: InvalidArgument (an empty filter, a service or region that is not there).
  Result<EndpointGroup> create_group(const Context& ctx, const EndpointGroupCreate& spec);
  Result<EndpointGroup> get_group(const Context& ctx, const EndpointGroupId& id) const;
  Result<std::vector<EndpointGroup>> list_groups(const Context& ctx,
                                                 const IdentityFilter& filter) const;
  Result<EndpointGroup> update_group(const Context& ctx, const EndpointGroupId& id,
                                     const EndpointGroupUpdate& with);
  Result<void> remove_group(const Context& ctx, const EndpointGroupId& id);
  Result<std::vector<Endpoint>> endpoints_of_group(const Context& ctx,
                                                   const EndpointGroupId& id) const;
  Result<std::vector<Project>> projects_of_group(const Context& ctx,
                                                 const EndpointGroupId& id) const;

  /// Choosing what is chosen already succeeds.
  Result<void> add(const Context& ctx, const ProjectId& project, const EndpointId& endpoint);
  Result<void> add(const Context& ctx, const ProjectId& project, const EndpointGroupId& group);
  Result<void> check(const Context& ctx, const ProjectId& project,
                     const EndpointId& endpoint) const;
  Result<void> check(const Context& ctx, const ProjectId& project,
                     const EndpointGroupId& group) const;
  Result<void> remove(const Context& ctx, const ProjectId& project, const EndpointId& endpoint);
  Result<void> remove(const Context& ctx, const ProjectId& project, const EndpointGroupId& group);
  /// By itself or by a group.
  Result<std::vector<Endpoint>> endpoints_of_project(const Context& ctx,
                                                     const ProjectId& project) const;
  Result<std::vector<EndpointGroup>> groups_of_project(const Context& ctx,
                                                       const ProjectId& project) const;
  Result<std::vector<Project>> projects_of_endpoint(const Context& ctx,
                                                    const EndpointId& endpoint) const;

 private:
  Identity::Impl& of_;
};

}  // namespace cloudos
