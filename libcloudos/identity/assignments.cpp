#include <algorithm>

#include "identity/crud.hpp"

/// The list of assignments: as they are on record, or what they come to.
namespace cloudos {

using identity::DomainRecord;
using identity::GrantRecord;
using identity::GroupRecord;
using identity::ProjectRecord;
using identity::RoleRecord;
using identity::UserRecord;

namespace {

/// Errors: InvalidArgument (a subtree of nothing, or what could only be an empty list).
Result<void> check_assignment_filter(const AssignmentFilter& filter) {
  const auto wrong = [](std::string_view why) {
    return fail(ErrorCode::InvalidArgument, std::string(why));
  };
  if (filter.user && filter.group) return wrong("user.id and group.id exclude each other");
  if (int(filter.project.has_value()) + int(filter.domain.has_value()) + int(filter.system) > 1)
    return wrong("scope.project.id, scope.domain.id and scope.system exclude one another");
  if (filter.subtree && !filter.project)
    return wrong("include_subtree needs scope.project.id: whose subtree is meant?");
  if (filter.effective && filter.group)
    return wrong("effective assignments are those of users: do not filter by group");
  if (filter.effective && filter.inherited && filter.domain)
    return wrong("what a domain hands down is in effect on projects: not by scope.domain.id");
  return Result<void>();
}

/// One reading of all assignments. Lives as long as the snapshot.
class AssignmentReader {
 public:
  AssignmentReader(const Identity::Impl& impl, const store::Snapshot& at,
                   const AssignmentFilter& filter)
      : impl_(impl), at_(at), filter_(filter) {}

  /// What matches, and the assignment on record that each follows from.
  Result<std::map<Assignment, Assignment>> read() {
    CLOUDOS_CHECK(choose_projects());
    CLOUDOS_TRY(const auto ranges, choose_ranges());
    for (const records::Range& range : ranges) {
      records::PageSpec<GrantRecord> spec;
      spec.range = range;
      CLOUDOS_TRY(const auto grants, records::page(at_, spec));
      for (const GrantRecord& grant : grants)
        CLOUDOS_CHECK(filter_.effective ? expand(grant) : take(grant));
    }
    return std::move(found_);
  }

 private:
  Result<void> choose_projects() {
    if (!filter_.project) return Result<void>();
    projects_.insert(*filter_.project);
    if (!filter_.subtree) return Result<void>();
    CLOUDOS_TRY(const auto below, impl_.descendants(at_, filter_.project->value));
    for (const ProjectRecord& project : below) projects_.insert(project.id);
    return Result<void>();
  }

  /// The narrowest indexes that hold all that may match; the rest is compared.
  Result<std::vector<records::Range>> choose_ranges() const {
    using Ranges = std::vector<records::Range>;
    if (filter_.group) return Ranges{{"group", filter_.group->value, false}};
    if (filter_.system) return Ranges{{"system", "all", false}};
    if (filter_.user) {
      Ranges ranges{{"user", filter_.user->value, false}};
      const auto user = records::get<UserRecord>(at_, *filter_.user);
      if (!user && user.error().code != ErrorCode::NotFound) return fail(user.error());
      if (user && filter_.effective)
        for (const GroupId& group : user->groups) ranges.push_back({"group", group.value, false});
      return ranges;
    }
    if (filter_.project && !filter_.subtree) {
      Ranges ranges{{"project", filter_.project->value, false}};
      const auto project = records::get<ProjectRecord>(at_, *filter_.project);
      if (!project && project.error().code != ErrorCode::NotFound) return fail(project.error());
      if (!project || !filter_.effective) return ranges;
      CLOUDOS_TRY(const auto above, impl_.ancestors(at_, *project));
      for (const ProjectRecord& parent : above)
        ranges.push_back({"project", parent.id.value, false});
      ranges.push_back({"domain", project->domain.value, false});
      return ranges;
    }
    if (filter_.domain) return Ranges{{"domain", filter_.domain->value, false}};
    if (filter_.role && !filter_.effective) return Ranges{{"role", filter_.role->value, false}};
    return Ranges{{"", "", false}};
  }

  bool matches(const Assignment& a) const {
    return (!filter_.user || *filter_.user == a.user) &&
           (!filter_.group || *filter_.group == a.group) &&
           (!filter_.project || projects_.contains(a.project)) &&
           (!filter_.domain || *filter_.domain == a.domain) &&
           (!filter_.role || *filter_.role == a.role) && (!filter_.system || a.system);
  }
  void add(const Assignment& a, const Assignment& source) {
    if ((!filter_.inherited || source.inherited) && matches(a)) found_.emplace(a, source);
  }

  Result<void> take(const GrantRecord& grant) {
    Assignment a = on_record(grant);
    for (const RoleId& role : grant.roles) {
      a.role = role;
      add(a, a);
    }
    return Result<void>();
  }

  static Assignment on_record(const GrantRecord& g) {
    return {g.user, g.group, g.project, g.domain, {}, g.system, g.inherited};
  }

  /// Groups become their members, what is inherited becomes what it is on, roles bring others.
  Result<void> expand(const GrantRecord& grant) {
    Assignment source = on_record(grant);
    std::vector<UserId> users{grant.user};
    if (!grant.group.empty()) {
      users.clear();
      CLOUDOS_TRY(const auto members, records::all<UserRecord>(at_, "group", grant.group.value));
      for (const UserRecord& member : members) users.push_back(member.id);
    }
    std::vector<Assignment> places{{{}, {}, grant.project, grant.domain, {}, grant.system}};
    if (grant.inherited) {
      places.clear();
      CLOUDOS_TRY(const auto below,
                  impl_.descendants(at_, grant.domain.empty() ? grant.project.value
                                                              : grant.domain.value));
      for (const ProjectRecord& project : below) places.push_back({{}, {}, project.id, {}, {}});
    }
    for (const RoleId& given : grant.roles) {
      source.role = given;
      CLOUDOS_TRY(const auto roles, impl_.closure(at_, {given}));
      for (const RoleRecord& role : roles) {
        if (!role.domain.empty()) continue;  // In effect it is what it implies.
        for (Assignment a : places) {
          a.role = role.id;
          for (const UserId& user : users) {
            a.user = user;
            add(a, source);
          }
        }
      }
    }
    return Result<void>();
  }

  const Identity::Impl& impl_;
  const store::Snapshot& at_;
  const AssignmentFilter& filter_;
  std::set<ProjectId> projects_;  // Asked for: one, or one and those below it.
  std::map<Assignment, Assignment> found_;
};

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
  Result<std::string> of_domain(const DomainId& id) {
    if (id.empty()) return std::string();
    CLOUDOS_TRY(auto domain, of<DomainRecord>(id.value));
    return std::move(domain.name);
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
  named.role_domain = role.domain;
  CLOUDOS_TRY(named.actor_domain_name, book.of_domain(actor.domain));
  CLOUDOS_TRY(named.target_domain_name, book.of_domain(target.domain));
  CLOUDOS_TRY(named.role_domain_name, book.of_domain(role.domain));
  return named;
}

}  // namespace

Result<std::vector<NamedAssignment>> Identity::list_assignments(
    const Context& ctx, const AssignmentFilter& filter) const {
  CLOUDOS_TRY(const auto domain,
              impl_->allow_list(ctx, "identity:list_role_assignments", std::nullopt));
  CLOUDOS_CHECK(check_assignment_filter(filter));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(const auto found, AssignmentReader(*impl_, *at, filter).read());
  NameBook book(*at);
  std::vector<NamedAssignment> list;
  for (const auto& [a, source] : found) {
    CLOUDOS_TRY(auto named, name_assignment(book, a));
    // Of those who run a domain: what is on it and on what is in it.
    if (domain && a.domain != *domain && named.target_domain != *domain) continue;
    named.source = source;
    list.push_back(std::move(named));
  }
  return list;
}

}  // namespace cloudos
