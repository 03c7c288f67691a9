#include <algorithm>

#include "identity/impl.hpp"

namespace cloudos {

using identity::DomainRecord;
using identity::GrantRecord;
using identity::GroupRecord;
using identity::ProjectRecord;
using identity::RoleRecord;
using identity::UserRecord;

namespace {

/// The narrowest index that a filter allows; the rest is compared.
records::Range grants_range(const AssignmentFilter& filter) {
  // By user the groups count too when effective, so that index would miss some.
  if (filter.user && !filter.effective) return {"user", filter.user->value, false};
  if (filter.group) return {"group", filter.group->value, false};
  if (filter.system) return {"system", "all", false};
  if (filter.subtree) return {"", "", false};
  if (filter.project) return {"project", filter.project->value, false};
  if (filter.domain) return {"domain", filter.domain->value, false};
  if (filter.role && !filter.effective) return {"role", filter.role->value, false};
  return {"", "", false};
}

/// `projects`: the one that is asked for and those below it, if any is.
bool assignment_matches(const AssignmentFilter& filter, const std::set<ProjectId>& projects,
                        const Assignment& a) {
  return (!filter.user || *filter.user == a.user) && (!filter.group || *filter.group == a.group) &&
         (!filter.project || projects.contains(a.project)) &&
         (!filter.domain || *filter.domain == a.domain) &&
         (!filter.role || *filter.role == a.role) && (!filter.system || a.system);
}

/// Errors: InvalidArgument (a subtree of nothing).
Result<std::set<ProjectId>> projects_of_filter(const store::Snapshot& at,
                                               const AssignmentFilter& filter) {
  std::set<ProjectId> found;
  if (filter.subtree && !filter.project) {
    return fail(ErrorCode::InvalidArgument,
                "include_subtree needs scope.project.id: whose subtree is meant?");
  }
  if (filter.project) found.insert(*filter.project);
  std::vector<ProjectId> open(found.begin(), found.end());
  while (filter.subtree && !open.empty()) {
    const ProjectId above = open.back();
    open.pop_back();
    CLOUDOS_TRY(const auto children, records::all<ProjectRecord>(at, "parent", above.value));
    for (const ProjectRecord& child : children)
      if (found.insert(child.id).second) open.push_back(child.id);
  }
  return found;
}

/// Names of what assignments point to, each read once.
class NameBook {
 public:
  explicit NameBook(const store::Snapshot& at) : at_(at) {}

  struct Entry {
    std::string name;
    DomainId domain;
  };
  template <class Record>
  Result<Entry> of(const std::string& id) {
    const std::string key = std::string(Record::kKind) + "/" + id;
    if (const auto known = names_.find(key); known != names_.end()) return known->second;
    CLOUDOS_TRY(const auto record, records::get<Record>(at_, id));
    Entry entry{record.name, {}};
    if constexpr (requires { record.domain; }) entry.domain = record.domain;
    names_[key] = entry;
    return entry;
  }

 private:
  const store::Snapshot& at_;
  std::map<std::string, Entry> names_;
};

Result<NamedAssignment> name_assignment(NameBook& book, const Assignment& a) {
  NamedAssignment named;
  named.assignment = a;
  CLOUDOS_TRY(const auto actor, a.group.empty() ? book.of<UserRecord>(a.user.value)
                                                : book.of<GroupRecord>(a.group.value));
  NameBook::Entry target;
  if (!a.project.empty()) {
    CLOUDOS_TRY(target, book.of<ProjectRecord>(a.project.value));
  } else if (!a.domain.empty()) {
    CLOUDOS_TRY(target, book.of<DomainRecord>(a.domain.value));
  }
  CLOUDOS_TRY(const auto role, book.of<RoleRecord>(a.role.value));
  named.actor_name = actor.name;
  named.actor_domain = actor.domain;
  named.target_name = target.name;
  named.target_domain = target.domain;
  named.role_name = role.name;
  CLOUDOS_TRY(const auto actor_domain, book.of<DomainRecord>(actor.domain.value));
  named.actor_domain_name = actor_domain.name;
  if (!target.domain.empty()) {
    CLOUDOS_TRY(const auto target_domain, book.of<DomainRecord>(target.domain.value));
    named.target_domain_name = target_domain.name;
  }
  return named;
}

}  // namespace

Result<std::vector<NamedAssignment>> Identity::list_assignments(
    const Context& ctx, const AssignmentFilter& filter) const {
  CLOUDOS_TRY(const auto domain,
              impl_->allow_list(ctx, "identity:list_role_assignments", std::nullopt));
  if (filter.effective && filter.group) {
    return fail(ErrorCode::InvalidArgument,
                "effective assignments are those of users: do not filter by group");
  }
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  records::PageSpec<GrantRecord> spec;
  spec.range = grants_range(filter);
  CLOUDOS_TRY(const auto grants, records::page(*at, spec));
  CLOUDOS_TRY(const auto projects, projects_of_filter(*at, filter));
  std::set<Assignment> found;
  const auto add = [&](Assignment a, const std::vector<RoleId>& roles) {
    for (const RoleId& role : roles) {
      a.role = role;
      if (assignment_matches(filter, projects, a)) found.insert(a);
    }
  };
  for (const GrantRecord& grant : grants) {
    const Assignment held{grant.user, grant.group, grant.project, grant.domain, {}, grant.system};
    if (!filter.effective) {
      add(held, grant.roles);
      continue;
    }
    CLOUDOS_TRY(const auto closed, impl_->closure(*at, grant.roles));
    std::vector<RoleId> roles;
    for (const RoleRecord& role : closed) roles.push_back(role.id);
    if (grant.group.empty()) {
      add(held, roles);
      continue;
    }
    CLOUDOS_TRY(const auto members,
                records::all<UserRecord>(*at, "group", grant.group.value));
    for (const UserRecord& member : members)
      add({member.id, {}, grant.project, grant.domain, {}, grant.system}, roles);
  }
  NameBook book(*at);
  std::vector<NamedAssignment> list;
  for (const Assignment& a : found) {
    CLOUDOS_TRY(auto named, name_assignment(book, a));
    // Of those who run a domain: what is on it and on what is in it.
    if (domain && a.domain != *domain && named.target_domain != *domain) continue;
    list.push_back(std::move(named));
  }
  return list;
}

}  // namespace cloudos
