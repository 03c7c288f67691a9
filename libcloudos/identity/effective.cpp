#include <algorithm>

#include <fmt/format.h>

#include "identity/crud.hpp"

/// What assignments come to: groups, trees of projects, roles that imply others.
namespace cloudos {

using identity::DomainRecord;
using identity::GrantRecord;
using identity::ProjectRecord;
using identity::RoleRecord;
using identity::UserRecord;

Result<std::vector<RoleRecord>> Identity::Impl::closure(const store::Snapshot& at,
                                                        const std::vector<RoleId>& roles) const {
  std::vector<RoleRecord> found;
  std::vector<RoleId> open = roles;
  std::set<RoleId> seen;
  while (!open.empty()) {
    const RoleId id = open.back();
    open.pop_back();
    if (!seen.insert(id).second) continue;
    auto role = records::get<RoleRecord>(at, id);
    if (!role && role.error().code == ErrorCode::NotFound) continue;
    if (!role) return fail(std::move(role).error());
    open.insert(open.end(), role->implies.begin(), role->implies.end());
    found.push_back(std::move(*role));
  }
  std::sort(found.begin(), found.end(),
            [](const RoleRecord& a, const RoleRecord& b) { return a.name < b.name; });
  return found;
}

Result<std::vector<ProjectRecord>> Identity::Impl::ancestors(const store::Snapshot& at,
                                                             const ProjectRecord& project) const {
  std::vector<ProjectRecord> above;
  for (ProjectId next = project.parent; !next.empty();) {
    if (above.size() > limits::kProjectDepth)
      return fail(ErrorCode::Internal, "projects lie under one another in a circle");
    CLOUDOS_TRY(auto parent, records::get<ProjectRecord>(at, next));
    next = parent.parent;
    above.push_back(std::move(parent));
  }
  return above;
}

Result<std::vector<ProjectRecord>> Identity::Impl::descendants(const store::Snapshot& at,
                                                               const std::string& above) const {
  std::vector<ProjectRecord> below;
  std::vector<std::string> open{above};
  for (std::size_t i = 0; i < open.size(); ++i) {
    const std::string parent = open[i];
    CLOUDOS_TRY(auto children, records::all<ProjectRecord>(at, "parent", parent));
    for (ProjectRecord& child : children) {
      open.push_back(child.id.value);
      below.push_back(std::move(child));
    }
  }
  return below;
}

namespace {

/// Where roles on a project come from: itself, and by inheritance what it lies under. Nothing when
/// something of that is disabled or gone.
Result<std::vector<Assignment>> role_sources(const Identity::Impl& impl, const store::Snapshot& at,
                                             const ProjectId& id) {
  std::vector<Assignment> places;
  const auto project = records::get<ProjectRecord>(at, id);
  if (!project && project.error().code == ErrorCode::NotFound) return places;
  if (!project) return fail(project.error());
  CLOUDOS_TRY(const auto above, impl.ancestors(at, *project));
  for (const ProjectRecord& parent : above)
    if (!parent.enabled) return places;
  places.push_back({{}, {}, id, {}, {}});
  for (const ProjectRecord& parent : above)
    places.push_back({{}, {}, parent.id, {}, {}, false, true});
  places.push_back({{}, {}, {}, project->domain, {}, false, true});
  return places;
}

}  // namespace

Result<Identity::Impl::Effective> Identity::Impl::effective_roles(const store::Snapshot& at,
                                                                  const UserRecord& user,
                                                                  const Assignment& on) const {
  Effective effective;
  std::vector<Assignment> places{{{}, {}, {}, on.domain, {}, on.system}};
  if (!on.project.empty()) {
    CLOUDOS_TRY(places, role_sources(*this, at, on.project));
  }
  std::vector<RoleId> given;
  const auto collect = [&](Assignment place, const UserId& who,
                           const GroupId& group) -> Result<void> {
    place.user = who;
    place.group = group;
    const auto grant = records::get<GrantRecord>(at, identity::grant_id(place));
    if (!grant && grant.error().code == ErrorCode::NotFound) return Result<void>();
    if (!grant) return fail(grant.error());
    given.insert(given.end(), grant->roles.begin(), grant->roles.end());
    effective.stamps.push_back(grant->stamp);
    return Result<void>();
  };
  for (const Assignment& place : places) {
    CLOUDOS_CHECK(collect(place, user.id, {}));
    for (const GroupId& group : user.groups) CLOUDOS_CHECK(collect(place, {}, group));
  }
  CLOUDOS_TRY(const auto roles, closure(at, given));
  for (const RoleRecord& role : roles)
    if (role.domain.empty()) effective.roles.push_back({role.id.value, role.name});
  return effective;
}

Result<std::vector<GrantRecord>> Identity::Impl::grants_of(const store::Snapshot& at,
                                                           const UserRecord& user) const {
  CLOUDOS_TRY(auto grants, records::all<GrantRecord>(at, "user", user.id.value));
  for (const GroupId& group : user.groups) {
    CLOUDOS_TRY(auto more, records::all<GrantRecord>(at, "group", group.value));
    grants.insert(grants.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  }
  return grants;
}

Result<std::vector<Project>> Identity::projects_of(const Context& ctx, const UserId& user) const {
  CLOUDOS_TRY(const auto record,
              impl_->owned<UserRecord>(ctx, "identity:list_user_projects", user));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(const auto grants, impl_->grants_of(*at, record));
  std::map<ProjectId, Project> found;
  for (const GrantRecord& grant : grants) {
    if (!grant.inherited && !grant.project.empty()) {
      CLOUDOS_TRY(auto project, records::get<ProjectRecord>(*at, grant.project));
      found.emplace(grant.project, std::move(project));
    } else if (grant.inherited) {
      CLOUDOS_TRY(auto below, impl_->descendants(*at, grant.domain.empty() ? grant.project.value
                                                                           : grant.domain.value));
      for (ProjectRecord& project : below) found.emplace(project.id, std::move(project));
    }
  }
  std::vector<Project> list;
  std::map<DomainId, bool> homes;
  for (auto& [id, project] : found) {
    if (!project.enabled) continue;
    const auto [home, is_new] = homes.emplace(project.domain, false);
    if (is_new) {
      CLOUDOS_TRY(const auto domain, records::get<DomainRecord>(*at, project.domain));
      home->second = domain.enabled;
    }
    if (home->second) list.push_back(std::move(project));
  }
  return list;
}

Result<std::vector<Domain>> Identity::domains_of(const Context& ctx, const UserId& user) const {
  CLOUDOS_TRY(const auto record,
              impl_->owned<UserRecord>(ctx, "identity:list_user_projects", user));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(const auto grants, impl_->grants_of(*at, record));
  std::set<DomainId> ids;
  for (const GrantRecord& grant : grants)
    if (!grant.inherited && !grant.domain.empty()) ids.insert(grant.domain);
  std::vector<Domain> list;
  for (const DomainId& id : ids) {
    CLOUDOS_TRY(auto domain, records::get<DomainRecord>(*at, id));
    if (domain.enabled) list.push_back(std::move(domain));
  }
  return list;
}

Result<std::vector<Role>> Identity::system_roles_of(const Context& ctx,
                                                    const UserId& user) const {
  CLOUDOS_TRY(const auto record,
              impl_->owned<UserRecord>(ctx, "identity:list_user_projects", user));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(const auto held,
              impl_->effective_roles(*at, record, {{}, {}, {}, {}, {}, true}));
  std::vector<Role> roles;
  for (const Token::Named& named : held.roles) {
    CLOUDOS_TRY(auto role, records::get<RoleRecord>(*at, named.id));
    roles.push_back(std::move(role));
  }
  return roles;
}

Result<std::vector<Project>> Identity::parents_of(const Context& ctx, const ProjectId& id) const {
  CLOUDOS_TRY(const auto project, impl_->owned<ProjectRecord>(ctx, "identity:get_project", id));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(const auto above, impl_->ancestors(*at, project));
  return impl_->visible(ctx, *at, above);
}

Result<std::vector<Project>> Identity::subtree_of(const Context& ctx, const ProjectId& id) const {
  CLOUDOS_CHECK(impl_->owned<ProjectRecord>(ctx, "identity:get_project", id));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(const auto below, impl_->descendants(*at, id.value));
  return impl_->visible(ctx, *at, below);
}

Result<std::vector<Project>> Identity::Impl::visible(
    const Context& ctx, const store::Snapshot& at,
    const std::vector<ProjectRecord>& projects) const {
  std::vector<Project> list;
  std::optional<UserRecord> caller;
  if (!ctx.user.empty()) {
    CLOUDOS_TRY(caller, records::get<UserRecord>(at, ctx.user));
  }
  for (const ProjectRecord& project : projects) {
    PolicyTarget target{{}, {}};
    identity::tell(target, project);
    bool seen = allow(ctx, "identity:get_project", std::move(target)).has_value();
    if (!seen && caller) {
      CLOUDOS_TRY(const auto held, effective_roles(at, *caller, {{}, {}, project.id, {}, {}}));
      seen = !held.roles.empty();
    }
    if (seen) list.push_back(project);
  }
  return list;
}

}  // namespace cloudos
