#include <algorithm>
#include <span>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "codec/binary.hpp"
#include "identity/methods.hpp"

/// Logins: what the methods proved, put together into a token or a receipt.
namespace cloudos {

using identity::bad_login;
using identity::bad_token;
using identity::Conclusion;
using identity::DomainRecord;
using identity::method_bit;
using identity::ProjectRecord;
using identity::ReceiptPayload;
using identity::TokenPayload;
using identity::UserRecord;

namespace identity {

Failure bad_token() {
  return fail(ErrorCode::Unauthenticated, "the token does not hold (any more): log in again");
}
/// One answer for every wrong login: it tells neither users nor projects apart.
Failure bad_login() {
  return fail(ErrorCode::Unauthenticated,
              "the login failed: wrong user, password or scope, or one that is disabled");
}

}  // namespace identity

namespace {

constexpr std::size_t kAuditIdBytes = 16;

std::uint64_t unix_seconds(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  return seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds);
}

/// What a login has proved so far, by all its methods.
struct Proof {
  std::uint32_t methods = 0;
  std::optional<UserId> user;
  std::uint64_t user_epoch = 0;  ///< The state it was proved in: a change since leaves it behind.
  std::optional<WallTime> expires_at;      ///< Of the token it goes back to.
  std::optional<std::string> first_audit;  ///< 16 raw bytes: of the login it goes back to.
  ApplicationCredentialId credential;

  /// Errors: Unauthenticated (another user than before, or that one has changed meanwhile).
  Result<void> add(TokenPayload::Method method, const UserId& who, std::uint64_t epoch) {
    if (user && (*user != who || user_epoch != epoch)) return bad_login();
    user = who;
    user_epoch = epoch;
    methods |= method_bit(method);
    return Result<void>();
  }
};

/// What tells one conclusion from another in one state.
std::string conclusion_key(const UserId& user, std::uint32_t methods, const Scope& scope) {
  std::string key = user.value;
  key += '\n';
  key += std::to_string(methods);
  key += '/';
  key += static_cast<char>('0' + static_cast<int>(scope.kind));
  for (const std::string* part :
       {&scope.target.id, &scope.target.name, &scope.target.domain_id, &scope.target.domain_name}) {
    // Lengths, for what a client names may hold any separator.
    key += std::to_string(part->size());
    key += ':';
    key += *part;
  }
  return key;
}

/// A token by a trust or application credential says what it says, and nothing is made of it.
Result<void> check_exchangeable(const TokenPayload& payload) {
  const bool by_key = (payload.methods & method_bit(TokenPayload::Method::Ec2)) != 0;
  if (payload.trust.empty() && payload.application_credential.empty() && !by_key)
    return Result<void>();
  return fail(
      ErrorCode::Forbidden,
      "a token by a trust, an application credential or an EC2 key cannot be exchanged: log "
      "in again");
}

Result<void> add_token(const identity::TokenCache::Entry& entry, Proof& proof) {
  const TokenPayload& parent = *entry.payload;
  CLOUDOS_CHECK(check_exchangeable(parent));
  CLOUDOS_CHECK(proof.add(TokenPayload::Method::Token, parent.user, parent.user_epoch));
  proof.methods |= parent.methods;
  // Rescoping never gains time, and the chain names the login it goes back to.
  proof.expires_at = parent.expires_at;
  proof.first_audit = parent.audit_ids.back();
  return Result<void>();
}

/// Every method the login names must hold. Those without a hash come first.
Result<Proof> prove(const Identity::Impl& impl, const Login& login) {
  using Method = TokenPayload::Method;
  Proof proof;
  if (login.token) {
    CLOUDOS_TRY(const auto entry, impl.by_snapshot([&](const store::Snapshot& at) {
      return impl.held_at(at, *login.token);
    }));
    CLOUDOS_CHECK(add_token(entry, proof));
  }
  if (!login.receipt.empty()) {
    CLOUDOS_TRY(const auto receipt, impl.open_receipt(login.receipt));
    CLOUDOS_CHECK(proof.add(Method{}, receipt.user, receipt.user_epoch));
    proof.methods |= receipt.methods;
  }
  if (login.external) {
    CLOUDOS_TRY(const auto user, identity::verify_external(impl, *login.external));
    CLOUDOS_CHECK(proof.add(Method::External, user.id, user.epoch));
  }
  if (login.password) {
    CLOUDOS_TRY(const auto user, identity::verify_password(impl, *login.password));
    CLOUDOS_CHECK(proof.add(Method::Password, user.id, user.epoch));
  }
  if (login.application_credential) {
    CLOUDOS_TRY(const auto proven,
                identity::verify_application_credential(impl, *login.application_credential));
    CLOUDOS_CHECK(proof.add(Method::ApplicationCredential, proven.user.id, proven.user.epoch));
    proof.credential = proven.credential;
  }
  // Last, for a code holds once: a wrong password beside it does not use it up.
  if (login.totp) {
    CLOUDOS_TRY(const auto user, identity::verify_totp(impl, *login.totp));
    CLOUDOS_CHECK(proof.add(Method::Totp, user.id, user.epoch));
  }
  return proof;
}

LoginOutcome make_receipt(const Identity::Impl& impl, const Conclusion& conclusion,
                          std::uint32_t methods) {
  ReceiptPayload payload;
  payload.methods = methods;
  payload.user = conclusion.payload.user;
  payload.user_epoch = conclusion.payload.user_epoch;
  payload.user_domain_epoch = conclusion.payload.user_domain_epoch;
  payload.issued_at = impl.engine.clock.wall();
  payload.expires_at = payload.issued_at + limits::kReceiptLife;
  Receipt receipt;
  receipt.id = impl.keys->seal(codec::encode_record(payload), unix_seconds(payload.issued_at));
  receipt.user = conclusion.token.user;
  receipt.user_domain = conclusion.token.user_domain;
  receipt.methods = identity::method_names(methods);
  receipt.issued_at = payload.issued_at;
  receipt.expires_at = payload.expires_at;
  receipt.required = conclusion.missing;
  return {nullptr, std::move(receipt)};
}

LoginOutcome make_token(const Identity::Impl& impl, std::shared_ptr<const Conclusion> conclusion,
                        const Proof& proof, const identity::StateMark& mark) {
  identity::Issue issue;
  issue.of = std::move(conclusion);
  issue.issued_at = impl.engine.clock.wall();
  const WallTime end = issue.issued_at + impl.token_lifetime.load();
  // A trust's or credential's end is in the conclusion.
  const WallTime last = issue.of->payload.expires_at;
  issue.expires_at = last == WallTime{} ? end : std::min(last, end);
  if (proof.expires_at) issue.expires_at = std::min(issue.expires_at, *proof.expires_at);
  const std::span audit(reinterpret_cast<std::uint8_t*>(issue.audit.data()), kAuditIdBytes);
  impl.engine.random.fill(audit);
  issue.has_ancestor = proof.first_audit.has_value();
  if (issue.has_ancestor) {
    CLOUDOS_ASSERT(proof.first_audit->size() == kAuditIdBytes);
    std::copy(proof.first_audit->begin(), proof.first_audit->end(),
              issue.audit.begin() + kAuditIdBytes);
  }
  const std::uint64_t key_version = impl.keys->version();
  auto valid = std::make_shared<const ValidToken>(
      issue.token(impl.keys->seal(issue.sealed(), unix_seconds(issue.issued_at))));
  impl.cache.put(valid->token.text, {nullptr, nullptr, key_version, mark,
                                     std::make_shared<const identity::Issue>(std::move(issue))});
  return {std::move(valid), std::nullopt};
}

/// The last step: one snapshot in which all that was proved still stands; `mark` is its.
Result<LoginOutcome> finish_login(const Identity::Impl& impl, const store::Snapshot& at,
                                  const identity::StateMark& mark, const Login& login,
                                  const Proof& proof) {
  // What ends by time alone is concluded anew each time.
  const bool lasting = proof.credential.empty() && login.scope.kind != Scope::Kind::Trust;
  std::string key;
  std::shared_ptr<const Conclusion> conclusion;
  if (lasting) {
    key = conclusion_key(*proof.user, proof.methods, login.scope);
    conclusion = impl.conclusions.find(mark, key);
  }
  if (!conclusion) {
    CLOUDOS_TRY(auto fresh,
                impl.conclude(at, *proof.user, proof.methods, login.scope, proof.credential));
    fresh.payload.methods = proof.methods;
    fresh.sealed = identity::encode_shared(fresh.payload);
    conclusion = std::make_shared<const Conclusion>(std::move(fresh));
    if (lasting) impl.conclusions.put(mark, std::move(key), conclusion);
  }
  if (conclusion->payload.user_epoch != proof.user_epoch) return bad_login();
  if (!conclusion->missing.empty()) return make_receipt(impl, *conclusion, proof.methods);
  return make_token(impl, std::move(conclusion), proof, mark);
}

}  // namespace

Result<LoginOutcome> Identity::Impl::log_in_by_key(
    const UserRecord& user, const Scope& scope, const ApplicationCredentialId& credential) const {
  Proof proof;
  CLOUDOS_CHECK(proof.add(TokenPayload::Method::Ec2, user.id, user.epoch));
  proof.credential = credential;
  Login login;
  login.scope = scope;
  CLOUDOS_TRY(auto outcome, by_snapshot([&](const store::Snapshot& at) -> Result<LoginOutcome> {
                CLOUDOS_TRY(const auto mark, this->mark(at));
                return finish_login(*this, at, mark, login, proof);
              }));
  if (outcome.token && outcome.token->token.trust)
    CLOUDOS_CHECK(use_trust(outcome.token->token.trust->id));
  return outcome;
}

Result<ReceiptPayload> Identity::Impl::open_receipt(std::string_view text) const {
  if (text.size() > identity::kTokenBytes) return bad_login();
  const auto plain = keys->open(text);
  if (!plain) return bad_login();
  auto payload = codec::decode_record<ReceiptPayload>(*plain);
  if (!payload || payload->user.empty() || engine.clock.wall() >= payload->expires_at)
    return bad_login();
  return payload;
}

Result<void> Identity::Impl::aim(const store::Snapshot& at, const UserRecord& user,
                                 const Scope& scope, TokenPayload& payload) const {
  const auto rest_on = [&](const Assignment& on) -> Result<void> {
    CLOUDOS_TRY(auto effective, effective_roles(at, user, on));
    payload.stamps = std::move(effective.stamps);
    return Result<void>();
  };
  if (scope.kind == Scope::Kind::Project) {
    CLOUDOS_TRY(const auto project, find_project(at, scope.target));
    if (!project) return bad_login();
    const auto home = records::get<DomainRecord>(at, project->domain);
    if (!home) return bad_login();
    payload.target = TokenPayload::Target::Project;
    payload.target_id = project->id.value;
    payload.target_epoch = project->epoch;
    payload.target_domain_epoch = home->epoch;
    Assignment on;
    on.project = project->id;
    return rest_on(on);
  }
  if (scope.kind == Scope::Kind::Domain) {
    CLOUDOS_TRY(const auto target, find_domain(at, scope.target.id, scope.target.name));
    if (!target) return bad_login();
    payload.target = TokenPayload::Target::Domain;
    payload.target_id = target->id.value;
    payload.target_epoch = target->epoch;
    Assignment on;
    on.domain = target->id;
    return rest_on(on);
  }
  payload.target = TokenPayload::Target::System;
  Assignment on;
  on.system = true;
  return rest_on(on);
}

Result<Conclusion> Identity::Impl::conclude(const store::Snapshot& at, const UserId& user_id,
                                            std::uint32_t methods, const Scope& scope,
                                            const ApplicationCredentialId& credential) const {
  const auto user = records::get<UserRecord>(at, user_id);
  if (!user) return bad_login();
  const auto domain = records::get<DomainRecord>(at, user->domain);
  if (!domain || !user->enabled || !domain->enabled) return bad_login();
  Conclusion conclusion;
  TokenPayload& payload = conclusion.payload;
  payload.user = user->id;
  payload.user_epoch = user->epoch;
  payload.user_domain_epoch = domain->epoch;
  conclusion.missing = identity::required_methods_missing(*user, methods);
  if (!conclusion.missing.empty()) {
    conclusion.token.user = {user->id.value, user->name};
    conclusion.token.user_domain = {domain->id.value, domain->name};
    return conclusion;
  }
  if (!credential.empty() && scope.kind != Scope::Kind::Default) {
    return fail(ErrorCode::Unauthenticated,
                "an application credential has a scope of its own: leave the login's away");
  }
  if (!credential.empty()) {
    CLOUDOS_CHECK(aim_at_credential(at, *user, credential, payload));
  } else if (scope.kind == Scope::Kind::Trust) {
    CLOUDOS_CHECK(aim_at_trust(at, *user, TrustId{scope.target.id}, payload));
  } else if (scope.kind == Scope::Kind::Default && !user->default_project.empty()) {
    const TokenPayload unscoped = payload;
    const Scope home{Scope::Kind::Project, {user->default_project.value, {}, {}, {}}};
    if (aim(at, *user, home, payload)) {
      if (auto token = resolve(at, payload, {})) {
        conclusion.token = std::move(*token);
        return conclusion;
      }
    }
    payload = unscoped;  // A default that cannot be used is no reason to refuse the login.
  } else if (scope.kind != Scope::Kind::Default && scope.kind != Scope::Kind::Unscoped) {
    CLOUDOS_CHECK(aim(at, *user, scope, payload));
  }
  auto token = resolve(at, payload, {});
  if (!token && token.error().code == ErrorCode::Unauthenticated) {
    if (scope.kind != Scope::Kind::Trust) return bad_login();
    return fail(ErrorCode::Forbidden,
                "the trustor of this trust can no longer do what it says, so it gives no token");
  }
  if (!token) return fail(std::move(token).error());
  conclusion.token = std::move(*token);
  return conclusion;
}

Result<LoginOutcome> Identity::perform_login(const Login& login) {
  if (!login.password && !login.token && !login.totp && !login.application_credential &&
      !login.external) {
    return fail(ErrorCode::InvalidArgument,
                "a login needs a method (password, token, totp, application_credential) with what "
                "belongs to it");
  }
  const bool token_alone = !login.password && !login.totp && !login.application_credential &&
                           !login.external && login.receipt.empty();
  Proof proof;
  if (!token_alone) {
    CLOUDOS_TRY(proof, prove(*impl_, login));
  }
  CLOUDOS_TRY(auto outcome,
              impl_->by_snapshot([&](const store::Snapshot& at) -> Result<LoginOutcome> {
                if (!login.token) {
                  CLOUDOS_TRY(const auto mark, impl_->mark(at));
                  return finish_login(*impl_, at, mark, login, proof);
                }
                // The old token must hold in the very state the new one is made from.
                CLOUDOS_TRY(const auto entry, impl_->held_at(at, *login.token));
                if (!token_alone) return finish_login(*impl_, at, entry.mark, login, proof);
                Proof now;
                CLOUDOS_CHECK(add_token(entry, now));
                return finish_login(*impl_, at, entry.mark, login, now);
              }));
  // Only now: a login that fails spends no use of the trust.
  if (outcome.token && outcome.token->token.trust)
    CLOUDOS_CHECK(impl_->use_trust(outcome.token->token.trust->id));
  return outcome;
}

Result<Token> Identity::authenticate(const Login& login) {
  CLOUDOS_TRY(const auto outcome, log_in(login));
  if (outcome.token) return outcome.token->token;
  return fail(ErrorCode::Unauthenticated,
              "the login needs further methods: ask for its receipt (log_in) to go on");
}

}  // namespace cloudos
