#include "cloudos/trusts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "identity/methods.hpp"

namespace cloudos {

using identity::ProjectRecord;
using identity::RoleRecord;
using identity::TrustRecord;
using identity::UserRecord;

namespace identity {

Result<std::vector<RoleId>> named_roles(const store::Snapshot& at,
                                        const std::vector<NamedReference>& given) {
  std::vector<RoleId> roles;
  if (given.size() > limits::kRolesOfGrant)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("roles: more than {}", limits::kRolesOfGrant));
  for (const NamedReference& reference : given) {
    std::string id = reference.id;
    if (id.empty()) {
      CLOUDOS_TRY(const auto named,
                  records::find_unique(at, RoleRecord::kKind, "name", reference.domain_id,
                                       fold_case(reference.name)));
      if (!named) return fail(ErrorCode::NotFound, "role: there is none of that name");
      id = *named;
    }
    CLOUDOS_TRY(const auto role, records::get<RoleRecord>(at, id));
    if (std::find(roles.begin(), roles.end(), role.id) == roles.end()) roles.push_back(role.id);
  }
  return roles;
}

std::vector<Token::Named> role_names(const store::Snapshot& at, const std::vector<RoleId>& roles) {
  std::vector<Token::Named> names;
  for (const RoleId& id : roles)
    if (const auto role = records::get<RoleRecord>(at, id))
      names.push_back({role->id.value, role->name});
  return names;
}

Result<void> check_held(const Identity::Impl& impl, const store::Snapshot& at,
                        const std::vector<RoleId>& roles, const std::vector<Token::Named>& held,
                        ErrorCode otherwise) {
  CLOUDOS_TRY(const auto asked, impl.closure(at, roles));
  for (const RoleRecord& role : asked) {
    if (!role.domain.empty()) continue;  // Counts by what it implies.
    if (std::find(held.begin(), held.end(), Token::Named{role.id.value, role.name}) == held.end())
      return fail(otherwise, fmt::format("role {} is not held on the project, so it cannot be "
                                         "passed on",
                                         role.name));
  }
  return Result<void>();
}

}  // namespace identity

namespace {

Trust trust_of(const store::Snapshot& at, const TrustRecord& r) {
  Trust trust;
  trust.id = r.id;
  trust.generation = r.generation;
  trust.trustor = r.trustor;
  trust.trustee = r.trustee;
  trust.project = r.project;
  trust.roles = identity::role_names(at, r.roles);
  trust.impersonation = r.impersonation;
  trust.expires_at = r.expires_at;
  if (r.limited) trust.remaining_uses = r.remaining_uses;
  trust.redelegated_from = r.redelegated_from;
  trust.redelegation_count = r.redelegation_count;
  trust.created_at = r.created_at;
  return trust;
}

Failure no_trust() {
  return fail(ErrorCode::NotFound, "there is no such trust, or it is over");
}

/// By its time, its uses, or because one that it hands on is gone.
bool is_over(const Identity::Impl& impl, const store::Snapshot& at, const TrustRecord& r) {
  if (r.expires_at && impl.engine.clock.wall() >= *r.expires_at) return true;
  if (r.limited && r.remaining_uses == 0) return true;
  if (r.redelegated_from.empty()) return false;
  const auto chain = impl.trust_chain(at, r.id);
  return !chain && chain.error().code == ErrorCode::NotFound;
}

/// What needs no store. Errors: InvalidArgument, Forbidden.
Result<void> check_shape(const TrustCreate& spec, WallTime now) {
  if (spec.trustor.empty() || spec.trustee.empty())
    return fail(ErrorCode::InvalidArgument, "a trust needs a trustor and a trustee");
  if (spec.project.empty() && !spec.roles.empty())
    return fail(ErrorCode::InvalidArgument, "project_id: roles need a project to be on");
  if (!spec.project.empty() && spec.roles.empty())
    return fail(ErrorCode::Forbidden, "roles: a trust on a project needs at least one");
  if (spec.expires_at && *spec.expires_at <= now)
    return fail(ErrorCode::InvalidArgument, "expires_at: must lie in the future");
  if (spec.remaining_uses && *spec.remaining_uses == 0)
    return fail(ErrorCode::InvalidArgument, "remaining_uses: must be at least 1");
  if (spec.remaining_uses && spec.allow_redelegation) {
    return fail(ErrorCode::InvalidArgument,
                "remaining_uses: must not be set if redelegation is allowed");
  }
  if (spec.redelegation_count && *spec.redelegation_count > limits::kTrustDepth) {
    return fail(ErrorCode::Forbidden,
                fmt::format("redelegation_count: must be at most {}", limits::kTrustDepth));
  }
  return Result<void>();
}

/// A trust that hands another one on has no more than that one in any respect.
Result<void> check_redelegated(const TrustRecord& parent, const std::vector<Token::Named>& held,
                               const TrustCreate& spec, TrustRecord& record,
                               const std::vector<RoleRecord>& asked) {
  const auto refuse = [](std::string_view why) {
    return fail(ErrorCode::Forbidden, fmt::format("the trust cannot be handed on: {}", why));
  };
  if (parent.redelegation_count == 0) return refuse("it does not allow so");
  if (spec.redelegation_count && *spec.redelegation_count >= parent.redelegation_count)
    return refuse("redelegation_count must go down by at least one");
  if (spec.impersonation && !parent.impersonation) return refuse("it does not allow impersonation");
  if (spec.project != parent.project) return refuse("it is for another project");
  if (parent.expires_at && spec.expires_at && *spec.expires_at > *parent.expires_at)
    return refuse("it ends earlier");
  for (const RoleRecord& role : asked) {
    if (std::none_of(held.begin(), held.end(),
                     [&](const auto& h) { return h.id == role.id.value; }))
      return refuse(fmt::format("role {} is not among its roles", role.name));
  }
  if (!record.expires_at) record.expires_at = parent.expires_at;
  record.redelegated_from = parent.id;
  record.redelegation_count =
      spec.allow_redelegation ? spec.redelegation_count.value_or(parent.redelegation_count - 1) : 0;
  return Result<void>();
}

/// Who acts by an application credential passes on no more than that one has.
Result<void> check_within_credential(const Context& ctx, const TrustCreate& spec,
                                     const std::vector<RoleRecord>& asked) {
  if (ctx.application_credential.empty()) return Result<void>();
  if (spec.project != ctx.project)
    return fail(ErrorCode::Forbidden, "the application credential is for another project");
  for (const RoleRecord& role : asked) {
    if (std::find(ctx.roles.begin(), ctx.roles.end(), role.name) == ctx.roles.end())
      return fail(ErrorCode::Forbidden,
                  fmt::format("the application credential has no role {}", role.name));
  }
  return Result<void>();
}

/// The new trust with everything that needs the store checked.
Result<TrustRecord> plan_trust(const Identity::Impl& impl, const store::Snapshot& at,
                               const Context& ctx, const TrustCreate& spec) {
  CLOUDOS_CHECK(records::get<UserRecord>(at, spec.trustee));
  CLOUDOS_TRY(const auto trustor, records::get<UserRecord>(at, spec.trustor));
  TrustRecord record;
  record.trustor = spec.trustor;
  record.trustee = spec.trustee;
  record.project = spec.project;
  record.impersonation = spec.impersonation;
  record.expires_at = spec.expires_at;
  record.limited = spec.remaining_uses.has_value();
  record.remaining_uses = spec.remaining_uses.value_or(0);
  if (spec.allow_redelegation)
    record.redelegation_count = spec.redelegation_count.value_or(limits::kTrustDepth);
  CLOUDOS_TRY(record.roles, identity::named_roles(at, spec.roles));
  CLOUDOS_TRY(const auto asked, impl.closure(at, record.roles));
  UserRecord root = trustor;
  if (!ctx.trust.empty()) {
    CLOUDOS_TRY(const auto chain, impl.trust_chain(at, ctx.trust));
    CLOUDOS_TRY(const auto parents, impl.closure(at, chain.trust.roles));
    std::vector<Token::Named> held;
    for (const RoleRecord& role : parents) held.push_back({role.id.value, role.name});
    CLOUDOS_CHECK(check_redelegated(chain.trust, held, spec, record, asked));
    root = chain.root;
  }
  CLOUDOS_CHECK(check_within_credential(ctx, spec, asked));
  if (!spec.project.empty()) {
    CLOUDOS_CHECK(records::get<ProjectRecord>(at, spec.project));
    Assignment on;
    on.project = spec.project;
    CLOUDOS_TRY(const auto effective, impl.effective_roles(at, root, on));
    CLOUDOS_CHECK(
        identity::check_held(impl, at, record.roles, effective.roles, ErrorCode::Forbidden));
  }
  CLOUDOS_TRY(const auto given, records::all<TrustRecord>(at, "trustor", spec.trustor.value));
  // By the snapshot: it keeps a runaway client in bounds, and a few over are no harm.
  if (given.size() >= limits::kTrustsOfUser) {
    return fail(ErrorCode::QuotaExceeded,
                fmt::format("a user gives at most {} trusts", limits::kTrustsOfUser));
  }
  return record;
}

/// The trust and all that hand it on.
Result<std::vector<TrustId>> with_handed_on(const store::Snapshot& at, const TrustId& id) {
  std::vector<TrustId> all{id};
  for (std::size_t next = 0; next < all.size(); ++next) {
    CLOUDOS_TRY(const auto kids, records::all<TrustRecord>(at, "from", all[next].value));
    for (const TrustRecord& kid : kids) all.push_back(kid.id);
  }
  return all;
}

}  // namespace

Result<Trust> Trusts::create(const Context& ctx, const TrustCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:create_trust", {{}, spec.trustor}));
  const WallTime now = impl_.engine.clock.wall();
  CLOUDOS_CHECK(check_shape(spec, now));
  CLOUDOS_TRY(auto record, impl_.by_snapshot([&](const store::Snapshot& at) {
    return plan_trust(impl_, at, ctx, spec);
  }));
  record.id = TrustId{impl_.engine.ids.hex()};
  record.created_at = now;
  // No token depends on it yet. What it rests on is read again: a removal meanwhile conflicts.
  CLOUDOS_CHECK(impl_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::get<UserRecord>(txn, record.trustor));
    CLOUDOS_CHECK(records::get<UserRecord>(txn, record.trustee));
    if (!record.project.empty()) CLOUDOS_CHECK(records::get<ProjectRecord>(txn, record.project));
    if (!record.redelegated_from.empty() &&
        !records::get<TrustRecord>(txn, record.redelegated_from)) {
      return no_trust();
    }
    return records::insert(txn, record);
  }));
  CLOUDOS_TRY(const auto at, impl_.snapshot());
  return trust_of(*at, record);
}

Result<Trust> Trusts::get(const Context& ctx, const TrustId& id) const {
  return impl_.by_snapshot([&](const store::Snapshot& at) -> Result<Trust> {
    const auto record = records::get<TrustRecord>(at, id);
    if (!record && record.error().code != ErrorCode::NotFound) return fail(record.error());
    if (!record || is_over(impl_, at, *record)) return no_trust();
    // Whom it does not concern learns nothing of it, not even whether it is there.
    if (!impl_.allow(ctx, "identity:get_trust", {{}, record->trustor}) &&
        !impl_.allow(ctx, "identity:get_trust", {{}, record->trustee})) {
      return no_trust();
    }
    return trust_of(at, *record);
  });
}

Result<std::vector<Trust>> Trusts::list(const Context& ctx, const TrustFilter& filter) const {
  if (!filter.trustor && !filter.trustee) CLOUDOS_CHECK(impl_.allow(ctx, "identity:list_trusts"));
  if (filter.trustor)
    CLOUDOS_CHECK(impl_.allow(ctx, "identity:list_trusts_for_trustor", {{}, *filter.trustor}));
  if (filter.trustee)
    CLOUDOS_CHECK(impl_.allow(ctx, "identity:list_trusts_for_trustee", {{}, *filter.trustee}));
  return impl_.by_snapshot([&](const store::Snapshot& at) -> Result<std::vector<Trust>> {
    records::PageSpec<TrustRecord> spec;
    if (filter.trustor)
      spec.range = {"trustor", filter.trustor->value, true};
    else if (filter.trustee)
      spec.range = {"trustee", filter.trustee->value, true};
    spec.matches = [&](const TrustRecord& r) {
      return !is_over(impl_, at, r) && (!filter.trustee || r.trustee == *filter.trustee);
    };
    CLOUDOS_TRY(const auto found, records::page(at, spec));
    std::vector<Trust> trusts;
    for (const TrustRecord& record : found) trusts.push_back(trust_of(at, record));
    return trusts;
  });
}

Result<void> Trusts::remove(const Context& ctx, const TrustId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_TRY(const auto trust, get(ctx, id));
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:delete_trust", {{}, trust.trustor}));
  for (std::size_t round = 1;; ++round) {
    CLOUDOS_TRY(const auto all, impl_.by_snapshot([&](const store::Snapshot& at) {
      return with_handed_on(at, id);
    }));
    CLOUDOS_CHECK(impl_.commit([&](store::Txn& txn) -> Result<void> {
      for (const TrustId& one : all) {
        auto erased = records::erase<TrustRecord>(txn, one);
        if (!erased && erased.error().code != ErrorCode::NotFound) return erased;
      }
      return Result<void>();
    }));
    // One that was handed on between the look and the commit holds no more; it goes next round.
    CLOUDOS_TRY(const auto left, impl_.by_snapshot([&](const store::Snapshot& at) {
      return with_handed_on(at, id);
    }));
    if (left.size() == 1 || round == limits::kReplanRounds) return Result<void>();
  }
}

Result<std::vector<Role>> Trusts::roles(const Context& ctx, const TrustId& id) const {
  CLOUDOS_TRY(const auto trust, get(ctx, id));
  CLOUDOS_TRY(const auto at, impl_.snapshot());
  std::vector<Role> roles;
  for (const Token::Named& named : trust.roles) {
    CLOUDOS_TRY(auto role, records::get<RoleRecord>(*at, named.id));
    roles.push_back(std::move(role));
  }
  return roles;
}

}  // namespace cloudos
