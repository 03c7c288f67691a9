#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/crud.hpp"
#include "identity/grants.hpp"

namespace cloudos {

using identity::GrantRecord;
using identity::RoleRecord;

namespace {

constexpr std::string_view kAdminRole = "admin";

/// The rule that guards a role: those of one domain have rules of their own.
std::string role_rule(std::string_view verb, const DomainId& domain) {
  return fmt::format("identity:{}_{}role{}", verb, domain.empty() ? "" : "domain_",
                     verb == "list" ? "s" : "");
}

Result<void> allow_role(const Identity::Impl& impl, const Context& ctx, std::string_view verb,
                        const DomainId& domain) {
  return impl.allow(ctx, role_rule(verb, domain));
}

/// The role, if the caller may do this to it.
Result<RoleRecord> owned_role(const Identity::Impl& impl, const Context& ctx,
                              std::string_view verb, const RoleId& id) {
  // Who may not for either kind learns nothing of it.
  if (!allow_role(impl, ctx, verb, DomainId{"any"})) CLOUDOS_CHECK(allow_role(impl, ctx, verb, {}));
  CLOUDOS_TRY(auto role, impl.by_snapshot([&](const store::Snapshot& at) {
    return records::get<RoleRecord>(at, id);
  }));
  CLOUDOS_CHECK(allow_role(impl, ctx, verb, role.domain));
  return role;
}

}  // namespace

Result<Role> Identity::create_role(const Context& ctx, const RoleCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(allow_role(*impl_, ctx, "create", spec.domain));
  CLOUDOS_CHECK(identity::check_title("name", spec.name, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_spec(spec));
  auto record = identity::record_of<RoleRecord>(spec, impl_->engine);
  record.domain = spec.domain;
  CLOUDOS_CHECK(impl_->commit_quietly([&](store::Txn& txn) -> Result<void> {
    if (!record.domain.empty())
      CLOUDOS_CHECK(records::get<identity::DomainRecord>(txn, record.domain));
    return records::insert(txn, record);
  }));
  return Role(record);
}

Result<Role> Identity::get_role(const Context& ctx, const RoleId& id) const {
  CLOUDOS_TRY(auto record, owned_role(*impl_, ctx, "get", id));
  return Role(std::move(record));
}

Result<std::vector<Role>> Identity::list_roles(const Context& ctx,
                                               const IdentityFilter& filter) const {
  CLOUDOS_CHECK(allow_role(*impl_, ctx, "list", filter.domain.value_or(DomainId{})));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  records::Range range;
  if (filter.domain && !filter.domain->empty()) range = {"domain", filter.domain->value, true};
  return identity::listed<Role, RoleRecord>(*at, filter, std::move(range),
                                            [&](const RoleRecord& r) {
    if (filter.domain) return r.domain == *filter.domain;
    return r.domain.empty() || filter.domain_roles;
  });
}

Result<Role> Identity::update_role(const Context& ctx, const RoleId& id,
                                   const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(owned_role(*impl_, ctx, "update", id));
  CLOUDOS_CHECK(identity::check_update(with, limits::kNameChars));
  Role after;
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, records::modify<RoleRecord>(txn, id, [&](RoleRecord& r) {
      return identity::change_common(r, with);
    }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

namespace identity {

Result<void> take_role(store::Txn& txn, const std::string& grant, const RoleId& role,
                       std::uint64_t stamp) {
  CLOUDOS_TRY(auto record, records::get<GrantRecord>(txn, grant));
  if (std::erase(record.roles, role) == 0)
    return fail(ErrorCode::NotFound, fmt::format("role {} is not held", role.value.substr(0, 64)));
  if (record.roles.empty()) return records::erase<GrantRecord>(txn, grant);
  record.stamp = stamp;
  return records::update(txn, record);
}

}  // namespace identity

Result<void> Identity::remove_role(const Context& ctx, const RoleId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(const auto role, owned_role(*impl_, ctx, "delete", id));
  CLOUDOS_CHECK(identity::check_mutable("role", id.value, role.immutable));
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
          auto taken = identity::take_role(txn, grant.id, id, stamp);
          if (!taken && taken.error().code != ErrorCode::NotFound) return taken;
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
        CLOUDOS_TRY(const auto now, records::get<RoleRecord>(txn, id));
        CLOUDOS_CHECK(identity::check_mutable("role", id.value, now.immutable));
        return records::erase<RoleRecord>(txn, id);
      });
    }));
  }
  return Result<void>();
}

namespace {

Result<void> check_implied(const RoleRecord& prior, const RoleRecord& implied) {
  if (implied.domain.empty() && equals_ignore_case(implied.name, kAdminRole))
    return fail(ErrorCode::Forbidden, "role admin is given by itself: no other role implies it");
  if (prior.domain.empty() && !implied.domain.empty()) {
    return fail(ErrorCode::Forbidden,
                fmt::format("role {} is one of a domain: no role of the whole cloud implies it",
                            implied.name));
  }
  return Result<void>();
}

}  // namespace

Result<void> Identity::imply_role(const Context& ctx, const RoleId& prior, const RoleId& implied) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_implied_role"));
  return store::replan([&]() -> Result<void> {
    CLOUDOS_TRY(const auto at, impl_->snapshot());
    CLOUDOS_TRY(const auto above, records::get<RoleRecord>(*at, prior));
    CLOUDOS_TRY(const auto meant, records::get<RoleRecord>(*at, implied));
    CLOUDOS_CHECK(check_implied(above, meant));
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

}  // namespace cloudos
