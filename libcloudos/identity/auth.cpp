#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "codec/binary.hpp"
#include "identity/impl.hpp"

namespace cloudos {

using identity::DomainRecord;
using identity::ProjectRecord;
using identity::RevocationRecord;
using identity::TokenPayload;
using identity::UserRecord;

namespace {

constexpr std::size_t kAuditIdBytes = 16;

tl::unexpected<Error> bad_token() {
  return fail(ErrorCode::Unauthenticated, "the token does not hold (any more): log in again");
}
/// One answer for every wrong login: it tells neither users nor projects apart.
tl::unexpected<Error> bad_login() {
  return fail(ErrorCode::Unauthenticated,
              "the login failed: wrong user, password or scope, or one that is disabled");
}

/// NotFound becomes "the token does not hold"; a store that fails stays what it is.
template <class Record>
Result<Record> record_of_token(const store::Snapshot& at, std::string_view id) {
  auto record = records::get<Record>(at, id);
  if (!record && record.error().code == ErrorCode::NotFound) return bad_token();
  return record;
}

std::string audit_text(const std::string& raw) { return to_base64(raw, true); }

std::uint64_t unix_seconds(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  return seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds);
}

/// What the token is scoped to, told in the token too. Errors: Unauthenticated.
Result<Assignment> target_of(const store::Snapshot& at, const TokenPayload& payload,
                             Token& token) {
  Assignment on;
  if (payload.target == TokenPayload::Target::System) {
    on.system = token.system = true;
    return on;
  }
  if (payload.target == TokenPayload::Target::Domain) {
    CLOUDOS_TRY(const auto domain, record_of_token<DomainRecord>(at, payload.target_id));
    if (!domain.enabled || domain.epoch != payload.target_epoch) return bad_token();
    token.domain = Token::Named{domain.id.value, domain.name};
    on.domain = domain.id;
    return on;
  }
  CLOUDOS_TRY(const auto project, record_of_token<ProjectRecord>(at, payload.target_id));
  CLOUDOS_TRY(const auto home, record_of_token<DomainRecord>(at, project.domain.value));
  if (!project.enabled || project.epoch != payload.target_epoch || !home.enabled ||
      home.epoch != payload.target_domain_epoch) {
    return bad_token();
  }
  token.project = Token::Named{project.id.value, project.name};
  token.project_domain = Token::Named{home.id.value, home.name};
  on.project = project.id;
  return on;
}

}  // namespace

Context Token::context(std::string request_id) const {
  Context context;
  context.user = UserId{user.id};
  context.user_domain = DomainId{user_domain.id};
  if (project) context.project = ProjectId{project->id};
  if (project_domain) context.project_domain = DomainId{project_domain->id};
  if (domain) context.domain = DomainId{domain->id};
  context.system_scope = system;
  for (const Named& role : roles) context.roles.push_back(role.name);
  context.is_admin = is_admin;
  std::sort(context.roles.begin(), context.roles.end());
  context.request_id = std::move(request_id);
  return context;
}

const std::string& ValidToken::written(std::string (*write)(const Token&)) const {
  std::call_once(once_, [&] { text_ = write(token); });
  return text_;
}

Result<std::optional<TokenPayload>> Identity::Impl::open(std::string_view text) const {
  if (text.empty() || text.size() > identity::kTokenBytes) return std::optional<TokenPayload>();
  const auto plain = keys->open(text);
  if (!plain) return std::optional<TokenPayload>();
  auto payload = codec::decode_record<TokenPayload>(*plain);
  // Sealed by our key and yet not readable: a newer version's, or our bug. Not valid here.
  if (!payload || payload->user.empty() || payload->audit_ids.empty())
    return std::optional<TokenPayload>();
  return std::optional<TokenPayload>(std::move(*payload));
}

Result<Token> Identity::Impl::resolve(const store::Snapshot& at, const TokenPayload& payload,
                                      std::string_view text) const {
  CLOUDOS_TRY(const auto revoked,
              at.get(records::record_key(RevocationRecord::kKind,
                                         audit_text(payload.audit_ids.front()))));
  if (revoked) return bad_token();
  CLOUDOS_TRY(const auto user, record_of_token<UserRecord>(at, payload.user.value));
  CLOUDOS_TRY(const auto domain, record_of_token<DomainRecord>(at, user.domain.value));
  if (!user.enabled || user.epoch != payload.user_epoch || !domain.enabled ||
      domain.epoch != payload.user_domain_epoch) {
    return bad_token();
  }
  Token token;
  token.text = text;
  token.methods = identity::method_names(payload.methods);
  token.user = {user.id.value, user.name};
  token.user_domain = {domain.id.value, domain.name};
  token.issued_at = payload.issued_at;
  token.expires_at = payload.expires_at;
  for (const std::string& id : payload.audit_ids) token.audit_ids.push_back(audit_text(id));
  if (payload.target == TokenPayload::Target::None) return token;

  CLOUDOS_TRY(const auto on, target_of(at, payload, token));
  CLOUDOS_TRY(auto effective, effective_roles(at, user, on));
  const auto held = [&](std::uint64_t stamp) {
    return std::find(effective.stamps.begin(), effective.stamps.end(), stamp) !=
           effective.stamps.end();
  };
  if (effective.roles.empty() || !std::all_of(payload.stamps.begin(), payload.stamps.end(), held))
    return bad_token();
  token.roles = std::move(effective.roles);
  token.is_admin = policy()->is_admin(token.context({}));
  return token;
}

Result<identity::StateMark> Identity::Impl::mark(const store::Snapshot& at) const {
  identity::StateMark mark;
  // Before anything is read by them: what changes meanwhile makes another number.
  mark.rules = policy_changes.load(std::memory_order_acquire) + keys->version();
  CLOUDOS_TRY(auto entry, at.get(identity::kStateKey));
  if (entry) mark.state = std::move(entry->value);
  return mark;
}

Result<std::shared_ptr<const ValidToken>> Identity::Impl::valid_at(const store::Snapshot& at,
                                                                   std::string_view text) const {
  CLOUDOS_TRY(auto now, mark(at));
  const auto expired = [&](const WallTime end) { return engine.clock.wall() >= end; };
  if (auto known = cache.current(text, now)) {
    if (expired(known->token.expires_at)) return bad_token();
    return known;
  }
  keys->refresh();  // A key that is gone takes its tokens along.
  now.rules = policy_changes.load(std::memory_order_acquire) + keys->version();
  const std::uint64_t key_version = keys->version();
  auto entry = cache.find(text);
  if (!entry || entry->keys != key_version) {
    CLOUDOS_TRY(auto payload, open(text));
    if (!payload) return bad_token();
    entry = identity::TokenCache::Entry{
        std::make_shared<const TokenPayload>(std::move(*payload)), nullptr, key_version, {}};
  }
  if (expired(entry->payload->expires_at)) return bad_token();
  CLOUDOS_TRY(auto token, resolve(at, *entry->payload, text));
  entry->token = std::make_shared<const ValidToken>(std::move(token));
  entry->mark = std::move(now);
  auto known = entry->token;
  cache.put(text, std::move(*entry));
  return known;
}

Result<std::shared_ptr<const ValidToken>> Identity::Impl::valid(std::string_view text) const {
  if (text.empty() || text.size() > identity::kTokenBytes) return bad_token();
  return by_snapshot([&](const store::Snapshot& at) { return valid_at(at, text); });
}

Result<Token> Identity::Impl::issue(const store::Snapshot& at, TokenPayload payload,
                                    const UserRecord& user, const Scope& scope) const {
  const auto domain = records::get<DomainRecord>(at, user.domain);
  if (!domain) return bad_login();
  payload.user = user.id;
  payload.user_epoch = user.epoch;
  payload.user_domain_epoch = domain->epoch;
  const auto aim_at_project = [&](const ProjectRecord& project) -> Result<void> {
    const auto home = records::get<DomainRecord>(at, project.domain);
    if (!home) return bad_login();
    CLOUDOS_TRY(auto effective, effective_roles(at, user, {{}, {}, project.id, {}, {}}));
    payload.target = TokenPayload::Target::Project;
    payload.target_id = project.id.value;
    payload.target_epoch = project.epoch;
    payload.target_domain_epoch = home->epoch;
    payload.stamps = std::move(effective.stamps);
    return Result<void>();
  };
  if (scope.kind == Scope::Kind::Project) {
    CLOUDOS_TRY(const auto project, find_project(at, scope.target));
    if (!project) return bad_login();
    CLOUDOS_CHECK(aim_at_project(*project));
  } else if (scope.kind == Scope::Kind::Domain) {
    CLOUDOS_TRY(const auto target, find_domain(at, scope.target.id, scope.target.name));
    if (!target) return bad_login();
    CLOUDOS_TRY(auto effective, effective_roles(at, user, {{}, {}, {}, target->id, {}}));
    payload.target = TokenPayload::Target::Domain;
    payload.target_id = target->id.value;
    payload.target_epoch = target->epoch;
    payload.stamps = std::move(effective.stamps);
  } else if (scope.kind == Scope::Kind::System) {
    CLOUDOS_TRY(auto effective, effective_roles(at, user, {{}, {}, {}, {}, {}, true}));
    payload.target = TokenPayload::Target::System;
    payload.stamps = std::move(effective.stamps);
  }
  const auto seal = [&](const TokenPayload& content) -> Result<Token> {
    const std::string text =
        keys->seal(codec::encode_record(content), unix_seconds(content.issued_at));
    return resolve(at, content, text);
  };
  if (scope.kind == Scope::Kind::Default && !user.default_project.empty()) {
    const TokenPayload unscoped = payload;
    const auto project = records::get<ProjectRecord>(at, user.default_project);
    if (project && aim_at_project(*project)) {
      if (auto token = seal(payload)) return token;
    }
    payload = unscoped;  // A default that cannot be used is no reason to refuse the login.
  }
  auto token = seal(payload);
  if (!token && token.error().code == ErrorCode::Unauthenticated) return bad_login();
  return token;
}

Result<Token> Identity::log_in(const Login& login) {
  if (!login.password && !login.token) {
    return fail(ErrorCode::InvalidArgument,
                "a login needs the method password or token with what belongs to it");
  }
  TokenPayload payload;
  payload.issued_at = impl_->engine.clock.wall();
  payload.expires_at = payload.issued_at + impl_->token_lifetime.load();
  std::string own_audit(kAuditIdBytes, '\0');
  impl_->engine.random.fill({reinterpret_cast<std::uint8_t*>(own_audit.data()), kAuditIdBytes});
  payload.audit_ids = {own_audit};

  std::optional<UserRecord> user;
  std::optional<TokenPayload> parent;
  if (login.token) {
    CLOUDOS_CHECK(impl_->valid(*login.token));
    CLOUDOS_TRY(parent, impl_->open(*login.token));
    if (!parent) return bad_token();
    CLOUDOS_TRY(user, impl_->by_snapshot([&](const store::Snapshot& at) {
      return record_of_token<UserRecord>(at, parent->user.value);
    }));
    if (user->epoch != parent->user_epoch) return bad_token();
    // Rescoping never gains time, and the chain names the login it goes back to.
    payload.expires_at = parent->expires_at;
    payload.audit_ids.push_back(parent->audit_ids.back());
    payload.methods = parent->methods | static_cast<std::uint32_t>(TokenPayload::Method::Token);
  }
  if (login.password) {
    const NamedReference& who = login.password->user;
    // The snapshot is not held during the hash: it pins pages.
    CLOUDOS_TRY(auto named, impl_->by_snapshot([&](const store::Snapshot& at) {
      return impl_->find_user(at, who);
    }));
    CLOUDOS_TRY(const auto turn,
                impl_->logins.begin(named ? named->id.value : fold_case(who.id + who.name)));
    const auto matched =
        impl_->passwords.verify(login.password->password, named ? named->password_hash : "");
    if (!matched && matched.error().code != ErrorCode::Unauthenticated)
      return fail(matched.error());
    if (!matched || !named || !named->enabled || (user && user->id != named->id))
      return bad_login();
    payload.methods |= static_cast<std::uint32_t>(TokenPayload::Method::Password);
    // The state the password was checked in: a change since then leaves this login behind.
    user = std::move(named);
  }
  return impl_->by_snapshot([&](const store::Snapshot& at) -> Result<Token> {
    // The old token must hold in the very state the new one is made from.
    if (parent) CLOUDOS_CHECK(impl_->resolve(at, *parent, *login.token));
    return impl_->issue(at, payload, *user, login.scope);
  });
}

Result<Token> Identity::validate(std::string_view token_text) const {
  CLOUDOS_TRY(const auto known, impl_->valid(token_text));
  return known->token;
}

Result<std::shared_ptr<const ValidToken>> Identity::valid(std::string_view token_text) const {
  return impl_->valid(token_text);
}

Result<void> Identity::revoke(const Context& ctx, std::string_view token_text) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const auto known = impl_->valid(token_text);
  if (!known) {
    if (known.error().code != ErrorCode::Unauthenticated) return fail(known.error());
    return fail(ErrorCode::NotFound, "no such token holds");
  }
  const Token* const token = &(*known)->token;
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:revoke_token", {{}, UserId{token->user.id}}));
  RevocationRecord record;
  record.id = token->audit_ids.front();
  record.expires_at = token->expires_at;
  return impl_->commit([&](store::Txn& txn) -> Result<void> {
    if (txn.get(records::record_key(RevocationRecord::kKind, record.id))) return Result<void>();
    RevocationRecord fresh = record;
    return records::insert(txn, fresh);
  });
}

Result<bool> Identity::Impl::sweep_revocations() const {
  constexpr std::size_t kSwept = 200;
  CLOUDOS_TRY(const auto at, snapshot());
  store::ScanOptions options;
  options.limit = kSwept;
  options.keys_only = true;
  const std::string root = records::index_root(RevocationRecord::kKind, "expires");
  CLOUDOS_TRY(const auto entries, at->scan(root, options));
  const auto now = static_cast<std::uint64_t>(engine.clock.wall().time_since_epoch().count());
  const std::string until = records::key_number(now);
  std::vector<std::string> due;
  for (const store::Entry& entry : entries) {
    const std::string_view rest = std::string_view(entry.key).substr(root.size());
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos || rest.substr(0, slash) > until) break;
    due.emplace_back(rest.substr(slash + 1));
  }
  if (due.empty()) return false;
  // An expired token is refused by its time: no cache needs to look again.
  CLOUDOS_CHECK(commit_quietly([&](store::Txn& txn) -> Result<void> {
    for (const std::string& id : due) {
      auto erased = records::erase<RevocationRecord>(txn, id);
      if (!erased && erased.error().code != ErrorCode::NotFound) return erased;
    }
    return Result<void>();
  }));
  return due.size() == kSwept;
}

}  // namespace cloudos
