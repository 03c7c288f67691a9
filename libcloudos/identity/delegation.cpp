#include <fmt/format.h>

#include <algorithm>

#include "identity/methods.hpp"

/// What tokens by trusts and application credentials mean, and what they may not do.
namespace cloudos {

using identity::AccessRuleRecord;
using identity::ApplicationCredentialRecord;
using identity::bad_token;
using identity::DomainRecord;
using identity::TokenPayload;
using identity::TrustRecord;
using identity::UserRecord;

namespace identity {
namespace {

/// What only somebody who logged in as the user may do.
struct Undelegated {
  std::string_view policy;
  bool by_trust;    ///< Refused to a token by a trust too.
  bool on_oneself;  ///< Refused only when it is done to the token's own user.
};
constexpr Undelegated kUndelegated[] = {
    {"identity:create_application_credential", true, false},
    {"identity:delete_application_credential", true, false},
    {"identity:delete_access_rule", true, false},
    {"identity:create_trust", false, false},  // By a trust: where that one allows it.
    {"identity:delete_trust", false, false},
    {"identity:create_credential", false, false},
    {"identity:update_credential", false, false},
    {"identity:delete_credential", false, false},
    {"identity:ec2_create_credential", false, false},
    {"identity:ec2_delete_credential", false, false},
    {"identity:change_password", true, true},
    {"identity:update_user", true, true},
    {"identity:delete_user", true, true},
};

}  // namespace

Result<void> check_delegation(const Context& ctx, std::string_view policy,
                              const PolicyTarget& target) {
  if (!ctx.restricted && ctx.trust.empty() && ctx.application_credential.empty())
    return Result<void>();
  for (const Undelegated& row : kUndelegated) {
    if (row.policy != policy) continue;
    if (row.on_oneself && target.user != ctx.user) continue;
    if (!ctx.trust.empty() && row.by_trust) {
      return fail(ErrorCode::Forbidden,
                  "a token by a trust may not do that: log in as the user oneself");
    }
    if (ctx.restricted) {
      return fail(ErrorCode::Forbidden,
                  "a token by a restricted application credential may not do that: log in as the "
                  "user oneself, or make the credential unrestricted");
    }
    // An unrestricted one stands for the user, but cannot turn into the user.
    if (!ctx.application_credential.empty() && row.on_oneself) {
      return fail(ErrorCode::Forbidden,
                  "a token by an application credential may not change its own user");
    }
  }
  return Result<void>();
}

}  // namespace identity

Trusts& Identity::trusts() const {
  return impl_->trusts;
}
ApplicationCredentials& Identity::application_credentials() const {
  return impl_->application_credentials;
}

Result<Identity::Impl::TrustChain> Identity::Impl::trust_chain(const store::Snapshot& at,
                                                               const TrustId& id) const {
  const auto gone = [] {
    return fail(ErrorCode::NotFound, "there is no such trust, or its time is over");
  };
  TrustChain chain;
  TrustId next = id;
  for (std::uint32_t depth = 0; !next.empty(); ++depth) {
    if (depth > limits::kTrustDepth) return gone();
    auto record = records::get<TrustRecord>(at, next);
    if (!record && record.error().code != ErrorCode::NotFound) return fail(record.error());
    if (!record || (record->expires_at && engine.clock.wall() >= *record->expires_at))
      return gone();
    auto trustor = records::get<UserRecord>(at, record->trustor);
    if (!trustor && trustor.error().code != ErrorCode::NotFound) return fail(trustor.error());
    if (!trustor) return gone();
    CLOUDOS_TRY(const auto domain, records::get<DomainRecord>(at, trustor->domain));
    if (!trustor->enabled || !domain.enabled)
      return fail(ErrorCode::Forbidden, "the trustor of this trust is disabled");
    chain.epochs += trustor->epoch;
    chain.domain_epochs += domain.epoch;
    next = record->redelegated_from;
    if (depth == 0) {
      chain.trust = std::move(*record);
      chain.trustor = *trustor;
    }
    chain.root = std::move(*trustor);
  }
  return chain;
}

Result<void> Identity::Impl::aim_at_trust(const store::Snapshot& at, const UserRecord& user,
                                          const TrustId& id, TokenPayload& payload) const {
  CLOUDOS_TRY(const auto chain, trust_chain(at, id));
  if (chain.trust.limited && chain.trust.remaining_uses == 0)
    return fail(ErrorCode::NotFound, "there is no such trust, or its uses are spent");
  if (chain.trust.trustee != user.id)
    return fail(ErrorCode::Forbidden, "the user is not the trustee of this trust");
  if (!chain.trust.project.empty()) {
    const Scope scope{Scope::Kind::Project, {chain.trust.project.value, {}, {}, {}}};
    CLOUDOS_CHECK(aim(at, chain.root, scope, payload));
  }
  payload.trust = chain.trust.id;
  payload.trustor_epoch = chain.epochs;
  payload.trustor_domain_epoch = chain.domain_epochs;
  if (chain.trust.expires_at) payload.expires_at = *chain.trust.expires_at;
  return Result<void>();
}

Result<void> Identity::Impl::tell_trust(const store::Snapshot& at, const TokenPayload& payload,
                                        Token& token) const {
  const auto chain = trust_chain(at, payload.trust);
  if (!chain) {
    const ErrorCode code = chain.error().code;
    if (code == ErrorCode::NotFound || code == ErrorCode::Forbidden) return bad_token();
    return fail(chain.error());
  }
  const TrustRecord& trust = chain->trust;
  if (chain->epochs != payload.trustor_epoch ||
      chain->domain_epochs != payload.trustor_domain_epoch || trust.trustee != payload.user ||
      trust.project.value != payload.target_id) {
    return bad_token();
  }
  token.trust = Token::ByTrust{trust.id, trust.trustor, trust.trustee, trust.impersonation};
  if (trust.impersonation) {
    CLOUDOS_TRY(const auto domain, records::get<DomainRecord>(at, chain->trustor.domain));
    token.user = {chain->trustor.id.value, chain->trustor.name};
    token.user_domain = {domain.id.value, domain.name};
    token.password_expires_at = identity::password_expiry(*this, chain->trustor);
  }
  if (trust.project.empty()) return Result<void>();
  Assignment on;
  on.project = trust.project;
  return tell_roles(at, chain->root, on, &trust.roles, payload, token);
}

Result<void> Identity::Impl::use_trust(const TrustId& id) const {
  const auto at_hand =
      by_snapshot([&](const store::Snapshot& at) { return records::get<TrustRecord>(at, id); });
  if (!at_hand) return fail(at_hand.error());
  if (!at_hand->limited) return Result<void>();
  const WallTime swept = engine.clock.wall() + keys->lifetime();
  // Tokens that were made before stay as they are: no cache needs to look again.
  return commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<TrustRecord>(txn, id, [&](TrustRecord& r) -> Result<void> {
      if (r.remaining_uses == 0)
        return fail(ErrorCode::NotFound, "there is no such trust, or its uses are spent");
      if (--r.remaining_uses == 0) r.sweep_at = swept;
      return Result<void>();
    }));
    return Result<void>();
  });
}

Result<void> Identity::Impl::aim_at_credential(const store::Snapshot& at, const UserRecord& user,
                                               const ApplicationCredentialId& id,
                                               TokenPayload& payload) const {
  const auto record = records::get<ApplicationCredentialRecord>(at, id);
  if (!record && record.error().code != ErrorCode::NotFound) return fail(record.error());
  if (!record || record->user != user.id) return identity::bad_login();
  const Scope scope{Scope::Kind::Project, {record->project.value, {}, {}, {}}};
  CLOUDOS_CHECK(aim(at, user, scope, payload));
  // All the grants it was made under must stand; those that came later do not matter to it.
  payload.stamps = record->stamps;
  payload.application_credential = record->id;
  if (record->expires_at) payload.expires_at = *record->expires_at;
  return Result<void>();
}

Result<void> Identity::Impl::tell_application_credential(const store::Snapshot& at,
                                                         const UserRecord& user,
                                                         const TokenPayload& payload,
                                                         Token& token) const {
  const auto record = records::get<ApplicationCredentialRecord>(at, payload.application_credential);
  if (!record && record.error().code != ErrorCode::NotFound) return fail(record.error());
  if (!record || record->user != user.id || record->project.value != payload.target_id)
    return bad_token();
  Token::ByApplicationCredential by{record->id, record->name, !record->unrestricted, {}};
  if (record->ruled) {
    by.access_rules.emplace();
    for (const std::string& id : record->rules) {
      CLOUDOS_TRY(const auto rule, records::get<AccessRuleRecord>(at, id));
      by.access_rules->push_back({rule.id, rule.service, rule.method, rule.path});
    }
  }
  token.application_credential = std::move(by);
  Assignment on;
  on.project = record->project;
  return tell_roles(at, user, on, &record->roles, payload, token);
}

namespace {

constexpr std::size_t kSweptTrusts = 200;

/// Trusts whose time is over.
Result<std::vector<std::string>> ended_trusts(const store::Snapshot& at, WallTime now) {
  store::ScanOptions options;
  options.limit = kSweptTrusts;
  options.keys_only = true;
  const std::string root = records::index_root(TrustRecord::kKind, "expires");
  CLOUDOS_TRY(const auto entries, at.scan(root, options));
  const std::string until =
      records::key_number(static_cast<std::uint64_t>(now.time_since_epoch().count()));
  std::vector<std::string> due;
  for (const store::Entry& entry : entries) {
    const std::string_view rest = std::string_view(entry.key).substr(root.size());
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos || rest.substr(0, slash) > until) break;
    due.emplace_back(rest.substr(slash + 1));
  }
  return due;
}

/// Trusts that hand on one that is gone: theirs went with a user, or by its time.
Result<std::vector<std::string>> orphaned_trusts(const store::Snapshot& at) {
  std::vector<std::string> due;
  store::ScanOptions options;
  options.keys_only = true;
  const std::string root = records::index_root(TrustRecord::kKind, "from");
  CLOUDOS_TRY(const auto entries, at.scan(root, options));
  for (const store::Entry& entry : entries) {
    const std::string_view rest = std::string_view(entry.key).substr(root.size());
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos || due.size() == kSweptTrusts) break;
    CLOUDOS_TRY(const auto parent,
                at.get(records::record_key(TrustRecord::kKind, rest.substr(0, slash))));
    if (!parent) due.emplace_back(rest.substr(slash + 1));
  }
  return due;
}

}  // namespace

Result<bool> Identity::Impl::sweep_trusts() const {
  CLOUDOS_TRY(const auto at, snapshot());
  CLOUDOS_TRY(auto due, ended_trusts(*at, engine.clock.wall()));
  if (due.empty()) {
    CLOUDOS_TRY(due, orphaned_trusts(*at));
  }
  if (due.empty()) return false;
  // Nobody logs in by them any more, and their tokens have ended with them.
  CLOUDOS_CHECK(commit_quietly([&](store::Txn& txn) -> Result<void> {
    for (const std::string& id : due) {
      auto erased = records::erase<TrustRecord>(txn, TrustId{id});
      if (!erased && erased.error().code != ErrorCode::NotFound) return erased;
    }
    return Result<void>();
  }));
  return true;
}

}  // namespace cloudos
