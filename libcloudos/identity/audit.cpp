// Every login as an event of the audit log, however it ended.
#include "audit/recorder.hpp"
#include "base/actor.hpp"
#include "identity/impl.hpp"

namespace cloudos {
namespace {

std::string methods_of(const Login& login) {
  std::string methods;
  const auto add = [&](bool used, std::string_view method) {
    if (!used) return;
    if (!methods.empty()) methods += ',';
    methods += method;
  };
  add(login.password.has_value(), "password");
  add(login.token.has_value(), "token");
  add(login.totp.has_value(), "totp");
  add(login.application_credential.has_value(), "application_credential");
  add(login.external.has_value(), "external");
  return methods;
}

/// Whom the login names; nothing when it names nobody, or shows a token or credential only.
const NamedReference* named_by(const Login& login) {
  if (login.password) return &login.password->user;
  if (login.totp) return &login.totp->user;
  if (login.external) return &*login.external;
  return nullptr;
}

void tell_token(const Token& token, audit::Attempt& attempt) {
  attempt.user = token.user.id;
  attempt.user_name = token.user.name;
  attempt.user_domain = token.user_domain.id;
  if (token.project) attempt.project = token.project->id;
  if (token.domain) attempt.domain = token.domain->id;
  attempt.system_scope = token.system;
}

}  // namespace

/// A name that nobody has is not written down: people type passwords where names belong.
void Identity::Impl::audit_failed_login(const Login& login, const Error& error) const {
  audit::Attempt attempt;
  attempt.outcome = AuditOutcome::Failure;
  const std::string methods = methods_of(login);
  attempt.methods = methods;
  attempt.reason = to_string(error.code);
  std::optional<identity::UserRecord> user;
  if (const NamedReference* const who = named_by(login)) {
    auto found = by_snapshot([&](const store::Snapshot& at) { return find_user(at, *who); });
    if (found) user = std::move(*found);
  }
  if (user) {
    attempt.user = user->id.value;
    attempt.user_name = user->name;
    attempt.user_domain = user->domain.value;
    if (error.code == ErrorCode::Unauthenticated)
      attempt.reason = user->enabled ? "wrong credentials or scope" : "the user is disabled";
  } else if (error.code == ErrorCode::Unauthenticated && named_by(login)) {
    attempt.reason = "no such user";
  }
  engine.audit->record(attempt);
}

Result<Token> Identity::Impl::audit_key_login(Result<Token> outcome) const {
  if (!engine.audit) return outcome;
  audit::Attempt attempt;
  attempt.methods = "ec2credential";
  if (outcome) {
    tell_token(*outcome, attempt);
  } else {
    attempt.outcome = AuditOutcome::Failure;
    attempt.reason = to_string(outcome.error().code);
  }
  engine.audit->record(attempt);
  return outcome;
}

/// Keys are files: no commit changes them that could carry an event.
void Identity::Impl::audit_key_rotation(const Context& ctx, std::string_view operation) const {
  if (!engine.audit) return;
  audit::Attempt attempt;
  attempt.action = AuditAction::Update;
  attempt.operation = operation;
  attempt.user = ctx.user.value;
  attempt.user_domain = ctx.user_domain.value;
  attempt.project = ctx.project.value;
  attempt.domain = ctx.domain.value;
  attempt.system_scope = ctx.system_scope;
  engine.audit->record(attempt);
}

Result<LoginOutcome> Identity::log_in(const Login& login) {
  if (!impl_->engine.audit) return perform_login(login);
  // What a login writes down on its way (a better hash, a failure's count) is nobody's change.
  const ActorScope ours(Actor::Kind::Work);
  auto outcome = perform_login(login);
  if (!outcome) {
    impl_->audit_failed_login(login, outcome.error());
    return outcome;
  }
  if (!outcome->token) return outcome;  // Half a login: the one that follows it is the event.
  audit::Attempt attempt;
  const std::string methods = methods_of(login);
  attempt.methods = methods;
  tell_token(outcome->token->token, attempt);
  impl_->engine.audit->record(attempt);
  return outcome;
}

}  // namespace cloudos
