#include <algorithm>

#include <fmt/format.h>

#include "identity/crud.hpp"
#include "identity/grants.hpp"

/// Assignments: who is given which role where.
namespace cloudos {

using identity::GrantRecord;
using identity::ProjectRecord;
using identity::RoleRecord;

namespace {

/// One actor and one target, no more and no less; both there.
template <class Source>
Result<void> check_ends(Source& from, const Assignment& a) {
  using identity::DomainRecord;
  using identity::GroupRecord;
  using identity::UserRecord;
  const int targets = int(!a.project.empty()) + int(!a.domain.empty()) + int(a.system);
  if (a.user.empty() == a.group.empty() || targets != 1) {
    return fail(ErrorCode::InvalidArgument,
                "an assignment needs a user or a group, and a project, a domain or the system");
  }
  if (a.system && a.inherited)
    return fail(ErrorCode::InvalidArgument, "roles on the system are not inherited");
  if (a.group.empty()) CLOUDOS_CHECK(records::get<UserRecord>(from, a.user));
  else CLOUDOS_CHECK(records::get<GroupRecord>(from, a.group));
  if (!a.project.empty()) CLOUDOS_CHECK(records::get<ProjectRecord>(from, a.project));
  if (!a.domain.empty()) CLOUDOS_CHECK(records::get<DomainRecord>(from, a.domain));
  return Result<void>();
}

/// A role of one domain is given on that domain and its projects only.
Result<void> check_home_of_role(store::Txn& txn, const Assignment& a) {
  CLOUDOS_TRY(const auto role, records::get<RoleRecord>(txn, a.role));
  if (role.domain.empty()) return Result<void>();
  if (a.system) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("role {} is one of a domain: it cannot be given on the system",
                            role.name));
  }
  DomainId home = a.domain;
  if (!a.project.empty()) {
    CLOUDOS_TRY(const auto project, records::get<ProjectRecord>(txn, a.project));
    home = project.domain;
  }
  if (home == role.domain) return Result<void>();
  return fail(ErrorCode::Forbidden,
              fmt::format("role {} is one of another domain than this", role.name));
}

bool holds_role(const Result<GrantRecord>& grant, const RoleId& role) {
  return grant && std::binary_search(grant->roles.begin(), grant->roles.end(), role);
}

}  // namespace

Result<void> Identity::Impl::allow_grant(const Context& ctx, std::string_view verb,
                                         const Assignment& a) const {
  const std::string name = fmt::format("identity:{}_{}grant{}", verb, a.system ? "system_" : "",
                                       verb == "list" ? "s" : "");
  PolicyTarget target{a.project, a.user};
  target.domain = a.domain;
  CLOUDOS_CHECK(may_ask(ctx, name, target));
  CLOUDOS_TRY(const auto at, snapshot());
  CLOUDOS_CHECK(check_ends(*at, a));
  const auto tell_of = [&](auto record) -> Result<void> {
    if (!record) return fail(std::move(record).error());
    identity::tell(target, *record);
    return Result<void>();
  };
  if (!a.group.empty())
    CLOUDOS_CHECK(tell_of(records::get<identity::GroupRecord>(*at, a.group)));
  if (!a.project.empty())
    CLOUDOS_CHECK(tell_of(records::get<identity::ProjectRecord>(*at, a.project)));
  if (!a.user.empty()) CLOUDOS_CHECK(tell_of(records::get<identity::UserRecord>(*at, a.user)));
  if (!a.role.empty()) {
    const auto role = records::get<RoleRecord>(*at, a.role);
    if (role) target.role_name = role->name;
  }
  auto allowed = allow(ctx, name, target);
  const std::string seen = a.system ? "identity:check_system_grant" : "identity:check_grant";
  // Who does not see the ends either learns not even that they are there.
  if (!allowed && !allow(ctx, seen, std::move(target)))
    return fail(ErrorCode::NotFound, "the user, the group or what the role is on is not there");
  return allowed;
}

Result<void> Identity::grant(const Context& ctx, const Assignment& a) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow_grant(ctx, "create", a));
  const std::string id = identity::grant_id(a);
  const std::uint64_t stamp = impl_->draw();
  {
    CLOUDOS_TRY(const auto at, impl_->snapshot());
    if (holds_role(records::get<GrantRecord>(*at, id), a.role)) return Result<void>();
  }
  return impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(check_ends(txn, a));
    CLOUDOS_CHECK(check_home_of_role(txn, a));
    auto record = records::get<GrantRecord>(txn, id);
    if (!record && record.error().code != ErrorCode::NotFound) return fail(record.error());
    if (!record) {
      GrantRecord fresh{id,       0,         stamp, a.user,   a.group,    a.project,
                        a.domain, {a.role}, {},    a.system, a.inherited};
      return records::insert(txn, fresh);
    }
    if (holds_role(record, a.role)) return Result<void>();
    if (record->roles.size() >= limits::kRolesOfGrant) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("at most {} roles on one target", limits::kRolesOfGrant));
    }
    record->roles.insert(
        std::upper_bound(record->roles.begin(), record->roles.end(), a.role), a.role);
    return records::update(txn, *record);
  });
}

Result<void> Identity::ungrant(const Context& ctx, const Assignment& a) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow_grant(ctx, "revoke", a));
  const std::uint64_t stamp = impl_->draw();
  return impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(check_ends(txn, a));
    return identity::take_role(txn, identity::grant_id(a), a.role, stamp);
  });
}

Result<void> Identity::check_grant(const Context& ctx, const Assignment& a) const {
  CLOUDOS_CHECK(impl_->allow_grant(ctx, "check", a));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  if (holds_role(records::get<GrantRecord>(*at, identity::grant_id(a)), a.role))
    return Result<void>();
  return fail(ErrorCode::NotFound, fmt::format("role {} is not held", a.role.value.substr(0, 64)));
}

Result<std::vector<Role>> Identity::roles_of(const Context& ctx, const Assignment& a) const {
  CLOUDOS_CHECK(impl_->allow_grant(ctx, "list", a));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  std::vector<Role> roles;
  const auto grant = records::get<GrantRecord>(*at, identity::grant_id(a));
  if (!grant && grant.error().code == ErrorCode::NotFound) return roles;
  if (!grant) return fail(grant.error());
  for (const RoleId& id : grant->roles) {
    CLOUDOS_TRY(auto role, records::get<RoleRecord>(*at, id));
    roles.push_back(std::move(role));
  }
  return roles;
}

Result<void> Identity::Impl::drop_grants(std::string_view field, std::string_view value,
                                         const store::Body& last) const {
  const identity::Dependent of[] = {identity::dependent<GrantRecord>(field)};
  return drop_dependents(of, value, last);
}

Result<void> Identity::Impl::drop_dependents(std::span<const identity::Dependent> of,
                                             std::string_view value,
                                             const store::Body& last) const {
  constexpr std::size_t kAtOnce = 200;
  for (bool all = false; !all;) {
    CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
      CLOUDOS_TRY(const auto at, snapshot());
      std::vector<std::pair<const identity::Dependent*, std::string>> found;
      for (const identity::Dependent& each : of) {
        CLOUDOS_TRY(auto ids, each.find(*at, each.field, value, kAtOnce - found.size()));
        for (std::string& id : ids) found.emplace_back(&each, std::move(id));
        if (found.size() >= kAtOnce) break;
      }
      all = found.size() < kAtOnce;
      return commit([&](store::Txn& txn) -> Result<void> {
        for (const auto& [each, id] : found) {
          auto erased = each->erase(txn, id);
          if (!erased && erased.error().code != ErrorCode::NotFound) return erased;
        }
        if (!all) return Result<void>();
        for (const identity::Dependent& each : of) {
          if (!txn.none(records::index_prefix(each.kind, each.field, value)))
            return fail(ErrorCode::Stale, "something that goes with it was added meanwhile");
        }
        return last(txn);
      });
    }));
  }
  return Result<void>();
}

}  // namespace cloudos
