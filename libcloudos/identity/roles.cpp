#include <algorithm>

#include <fmt/format.h>

#include "identity/impl.hpp"

namespace cloudos {

using identity::GrantRecord;
using identity::RoleRecord;

Result<Role> Identity::create_role(const Context& ctx, const RoleCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_role"));
  CLOUDOS_CHECK(identity::check_title("name", spec.name, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_text("description", spec.description));
  CLOUDOS_CHECK(identity::check_extra(spec.extra));
  RoleRecord record;
  record.id = RoleId{impl_->engine.ids.hex()};
  record.name = spec.name;
  record.description = spec.description;
  record.extra = spec.extra;
  record.created_at = impl_->engine.clock.wall();
  CLOUDOS_CHECK(
      impl_->commit_quietly([&](store::Txn& txn) { return records::insert(txn, record); }));
  return Role(record);
}

Result<Role> Identity::get_role(const Context& ctx, const RoleId& id) const {
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:get_role"));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(auto record, records::get<RoleRecord>(*at, id));
  return Role(std::move(record));
}

Result<std::vector<Role>> Identity::list_roles(const Context& ctx,
                                               const IdentityFilter& filter) const {
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:list_roles"));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  records::PageSpec<RoleRecord> spec;
  spec.matches = [&](const RoleRecord& r) {
    if (filter.domain) return false;  // Every role is the whole cloud's.
    return identity::text_matches(filter.text, [&](std::string_view field) {
      if (field == "id") return std::optional(r.id.value);
      if (field == "name") return std::optional(r.name);
      if (field == "description") return std::optional(r.description);
      return identity::extra_text(r.extra, field);
    });
  };
  spec.marker = filter.marker;
  spec.limit = filter.limit;
  return identity::public_page<Role>(*at, spec);
}

Result<Role> Identity::update_role(const Context& ctx, const RoleId& id,
                                   const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:update_role"));
  if (with.name) CLOUDOS_CHECK(identity::check_title("name", *with.name, limits::kNameChars));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
  Role after;
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, records::modify<RoleRecord>(txn, id, [&](RoleRecord& r) {
      if (with.name) r.name = *with.name;
      if (with.description) r.description = *with.description;
      return identity::apply_extra(r.extra, with.extra);
    }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

namespace {

/// Takes the role out of a grant; the grant goes when nothing is left in it.
Result<void> take_role(store::Txn& txn, const std::string& grant, const RoleId& role,
                       std::uint64_t stamp) {
  CLOUDOS_TRY(auto record, records::get<GrantRecord>(txn, grant));
  if (std::erase(record.roles, role) == 0)
    return fail(ErrorCode::NotFound, fmt::format("role {} is not held", role.value.substr(0, 64)));
  if (record.roles.empty()) return records::erase<GrantRecord>(txn, grant);
  record.stamp = stamp;
  return records::update(txn, record);
}

bool absent(const Result<void>& result) {
  return !result && result.error().code == ErrorCode::NotFound;
}

}  // namespace

Result<void> Identity::remove_role(const Context& ctx, const RoleId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:delete_role"));
  CLOUDOS_CHECK(impl_->by_snapshot(
      [&](const store::Snapshot& at) { return records::get<RoleRecord>(at, id); }));
  constexpr std::size_t kAtOnce = 200;
  const std::uint64_t stamp = impl_->draw();
  for (bool all = false; !all;) {
    CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
      CLOUDOS_TRY(const auto at, impl_->snapshot());
      records::PageSpec<GrantRecord> spec;
      spec.range = {"role", id.value, false};
      spec.limit = kAtOnce;
      CLOUDOS_TRY(const auto grants, records::page(*at, spec));
      CLOUDOS_TRY(const auto priors, records::all<RoleRecord>(*at, "implies", id.value));
      all = grants.size() < kAtOnce;
      return impl_->commit([&](store::Txn& txn) -> Result<void> {
        for (const GrantRecord& grant : grants) {
          auto taken = take_role(txn, grant.id, id, stamp);
          if (!taken && !absent(taken)) return taken;
        }
        if (!all) return Result<void>();
        for (const RoleRecord& prior : priors) {
          CLOUDOS_CHECK(records::modify<RoleRecord>(txn, prior.id, [&](RoleRecord& r) {
            std::erase(r.implies, id);
            return Result<void>();
          }));
        }
        if (!txn.none(records::index_prefix(GrantRecord::kKind, "role", id.value)) ||
            !txn.none(records::index_prefix(RoleRecord::kKind, "implies", id.value))) {
          return fail(ErrorCode::Stale, "the role was given meanwhile");
        }
        return records::erase<RoleRecord>(txn, id);
      });
    }));
  }
  return Result<void>();
}

Result<void> Identity::imply_role(const Context& ctx, const RoleId& prior, const RoleId& implied) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_implied_role"));
  return store::replan([&]() -> Result<void> {
    CLOUDOS_TRY(const auto at, impl_->snapshot());
    CLOUDOS_CHECK(records::get<RoleRecord>(*at, prior));
    CLOUDOS_CHECK(records::get<RoleRecord>(*at, implied));
    CLOUDOS_TRY(const auto below, impl_->closure(*at, {implied}));
    for (const RoleRecord& role : below) {
      if (role.id == prior)
        return fail(ErrorCode::InvalidArgument, "the role is implied by that one already");
    }
    return impl_->commit([&](store::Txn& txn) -> Result<void> {
      // The circle was looked for in these states; any other and it is looked for again.
      for (const RoleRecord& role : below) {
        CLOUDOS_TRY(const auto now, records::get<RoleRecord>(txn, role.id));
        if (now.generation != role.generation) return fail(ErrorCode::Stale, "roles changed");
      }
      CLOUDOS_CHECK(records::modify<RoleRecord>(txn, prior, [&](RoleRecord& r) {
        if (std::find(r.implies.begin(), r.implies.end(), implied) == r.implies.end())
          r.implies.push_back(implied);
        return Result<void>();
      }));
      return Result<void>();
    });
  });
}

Result<void> Identity::stop_implying_role(const Context& ctx, const RoleId& prior,
                                          const RoleId& implied) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:delete_implied_role"));
  return impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<RoleRecord>(txn, prior, [&](RoleRecord& r) -> Result<void> {
      if (std::erase(r.implies, implied) == 0)
        return fail(ErrorCode::NotFound, "the role does not imply that one");
      return Result<void>();
    }));
    return Result<void>();
  });
}

namespace {

/// One actor and one target, no more and no less; both there.
template <class Source>
Result<void> check_ends(Source& from, const Assignment& a) {
  using identity::DomainRecord;
  using identity::GroupRecord;
  using identity::ProjectRecord;
  using identity::UserRecord;
  const int targets = int(!a.project.empty()) + int(!a.domain.empty()) + int(a.system);
  if (a.user.empty() == a.group.empty() || targets != 1) {
    return fail(ErrorCode::InvalidArgument,
                "an assignment needs a user or a group, and a project, a domain or the system");
  }
  if (a.group.empty()) CLOUDOS_CHECK(records::get<UserRecord>(from, a.user));
  else CLOUDOS_CHECK(records::get<GroupRecord>(from, a.group));
  if (!a.project.empty()) CLOUDOS_CHECK(records::get<ProjectRecord>(from, a.project));
  if (!a.domain.empty()) CLOUDOS_CHECK(records::get<DomainRecord>(from, a.domain));
  return Result<void>();
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
  return allow(ctx, name, std::move(target));
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
    CLOUDOS_CHECK(records::get<RoleRecord>(txn, a.role));
    auto record = records::get<GrantRecord>(txn, id);
    if (!record && record.error().code != ErrorCode::NotFound) return fail(record.error());
    if (!record) {
      GrantRecord fresh{id, 0, stamp, a.user, a.group, a.project, a.domain, {a.role}, {},
                        a.system};
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
    return take_role(txn, identity::grant_id(a), a.role, stamp);
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
  constexpr std::size_t kAtOnce = 200;
  for (bool all = false; !all;) {
    CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
      CLOUDOS_TRY(const auto at, snapshot());
      records::PageSpec<GrantRecord> spec;
      spec.range = {std::string(field), std::string(value), false};
      spec.limit = kAtOnce;
      CLOUDOS_TRY(const auto grants, records::page(*at, spec));
      all = grants.size() < kAtOnce;
      return commit([&](store::Txn& txn) -> Result<void> {
        for (const GrantRecord& grant : grants) {
          auto erased = records::erase<GrantRecord>(txn, grant.id);
          if (!erased && !absent(erased)) return erased;
        }
        if (!all) return Result<void>();
        if (!txn.none(records::index_prefix(GrantRecord::kKind, field, value)))
          return fail(ErrorCode::Stale, "a role was given meanwhile");
        return last(txn);
      });
    }));
  }
  return Result<void>();
}

}  // namespace cloudos
