#include <algorithm>

#include "base/text.hpp"
#include "codec/binary.hpp"
#include "identity/revocations.hpp"
#include "identity/methods.hpp"

/// Tokens: what they mean at this moment, and their end.
namespace cloudos {

using identity::bad_token;
using identity::DomainRecord;
using identity::ProjectRecord;
using identity::RevocationRecord;
using identity::TokenPayload;
using identity::UserRecord;

namespace {

/// NotFound becomes "the token does not hold"; a store that fails stays what it is.
template <class Record>
Result<Record> record_of_token(const store::Snapshot& at, std::string_view id) {
  auto record = records::get<Record>(at, id);
  if (!record && record.error().code == ErrorCode::NotFound) return bad_token();
  return record;
}

std::string audit_text(const std::string& raw) {
  return to_base64(raw, true);
}

/// Was it ended, alone or with all that go back to its login? Errors: Unauthenticated.
Result<void> check_not_revoked(const store::Snapshot& at, const TokenPayload& payload) {
  if (payload.audit_ids.empty()) return Result<void>();  // Not made yet.
  for (const std::string& id : {audit_text(payload.audit_ids.front()),
                                identity::chain_id(audit_text(payload.audit_ids.back()))}) {
    CLOUDOS_TRY(const auto revoked, at.get(records::record_key(RevocationRecord::kKind, id)));
    if (revoked) return bad_token();
  }
  return Result<void>();
}

/// What the token is scoped to, told in the token too. Errors: Unauthenticated.
Result<Assignment> target_of(const store::Snapshot& at, const TokenPayload& payload, Token& token) {
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
  context.roles.reserve(roles.size());
  for (const Named& role : roles) context.roles.push_back(role.name);
  context.is_admin = is_admin;
  if (trust) context.trust = trust->id;
  if (application_credential) {
    context.application_credential = application_credential->id;
    context.restricted = application_credential->restricted;
  }
  // An EC2 key is of one project: no token of it makes what reaches further.
  if (std::find(methods.begin(), methods.end(), "ec2credential") != methods.end())
    context.restricted = true;
  std::sort(context.roles.begin(), context.roles.end());
  context.request_id = std::move(request_id);
  return context;
}

ValidToken::~ValidToken() { delete text_.load(std::memory_order_acquire); }

const std::string& ValidToken::written(std::string (*write)(const Token&)) const {
  if (const std::string* made = text_.load(std::memory_order_acquire)) return *made;
  auto mine = std::make_unique<const std::string>(write(token));
  const std::string* others = nullptr;
  if (text_.compare_exchange_strong(others, mine.get(), std::memory_order_acq_rel))
    return *mine.release();
  return *others;
}

Result<std::optional<TokenPayload>> Identity::Impl::open(std::string_view text) const {
  if (text.empty() || text.size() > identity::kTokenBytes) return std::optional<TokenPayload>();
  const auto plain = keys->open(text);
  if (!plain) return std::optional<TokenPayload>();
  auto payload = codec::decode_record<TokenPayload>(*plain);
  // Sealed by our key and yet not readable: a receipt, a newer version's, or our bug.
  if (!payload || payload->user.empty() || payload->audit_ids.empty())
    return std::optional<TokenPayload>();
  return std::optional<TokenPayload>(std::move(*payload));
}

Result<void> Identity::Impl::tell_roles(const store::Snapshot& at, const UserRecord& who,
                                        const Assignment& on, const std::vector<RoleId>* only,
                                        const TokenPayload& payload, Token& token) const {
  CLOUDOS_TRY(auto effective, effective_roles(at, who, on));
  const auto stands = [&](std::uint64_t stamp) {
    return std::find(effective.stamps.begin(), effective.stamps.end(), stamp) !=
           effective.stamps.end();
  };
  if (effective.roles.empty() || !std::all_of(payload.stamps.begin(), payload.stamps.end(), stands))
    return bad_token();
  if (only == nullptr) {
    token.roles = std::move(effective.roles);
    return Result<void>();
  }
  CLOUDOS_TRY(const auto asked, closure(at, *only));
  for (const RoleId& role : *only) {
    if (std::none_of(asked.begin(), asked.end(), [&](const auto& r) { return r.id == role; }))
      return bad_token();  // A role that is gone.
  }
  for (const auto& role : asked) {
    if (!role.domain.empty()) continue;  // Shows in no token; what it implies does.
    Token::Named named{role.id.value, role.name};
    if (std::find(effective.roles.begin(), effective.roles.end(), named) == effective.roles.end())
      return bad_token();
    token.roles.push_back(std::move(named));
  }
  return token.roles.empty() ? Result<void>(bad_token()) : Result<void>();
}

Result<Token> Identity::Impl::resolve(const store::Snapshot& at, const TokenPayload& payload,
                                      std::string_view text) const {
  CLOUDOS_CHECK(check_not_revoked(at, payload));
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
  token.password_expires_at = identity::password_expiry(*this, user);
  token.issued_at = payload.issued_at;
  token.expires_at = payload.expires_at;
  for (const std::string& id : payload.audit_ids) token.audit_ids.push_back(audit_text(id));
  Assignment on;
  if (payload.target != TokenPayload::Target::None) {
    CLOUDOS_TRY(on, target_of(at, payload, token));
  }
  if (!payload.trust.empty()) {
    CLOUDOS_CHECK(tell_trust(at, payload, token));
  } else if (!payload.application_credential.empty()) {
    CLOUDOS_CHECK(tell_application_credential(at, user, payload, token));
  } else if (payload.target != TokenPayload::Target::None) {
    CLOUDOS_CHECK(tell_roles(at, user, on, nullptr, payload, token));
  }
  token.is_admin = !token.roles.empty() && policy()->is_admin(token.context({}));
  return token;
}

Result<identity::StateMark> Identity::Impl::mark(const store::Snapshot& at) const {
  keys->follow();  // A key that another process ended takes along tokens that were seen before.
  identity::StateMark mark;
  // Before anything is read by them: what changes meanwhile makes another number.
  mark.rules = policy_changes.load(std::memory_order_acquire) + keys->version();
  CLOUDOS_TRY(auto entry, at.get(identity::kStateKey));
  if (entry) mark.state = std::move(entry->value);
  return mark;
}

Result<identity::TokenCache::Entry> Identity::Impl::held_at(const store::Snapshot& at,
                                                            std::string_view text,
                                                            std::chrono::seconds grace) const {
  if (text.empty() || text.size() > identity::kTokenBytes) return bad_token();
  CLOUDOS_TRY(auto now, mark(at));
  const auto expired = [&](const WallTime end) { return engine.clock.wall() >= end + grace; };
  auto entry = cache.find(text);
  if (entry && entry->issue) {
    entry->unfold(text);
    cache.put(text, *entry);
  }
  if (entry && entry->token && entry->mark == now) {
    if (expired(entry->token->token.expires_at)) return bad_token();
    return std::move(*entry);
  }
  keys->refresh();  // A key that is gone takes its tokens along.
  now.rules = policy_changes.load(std::memory_order_acquire) + keys->version();
  const std::uint64_t key_version = keys->version();
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
  cache.put(text, *entry);
  return std::move(*entry);
}

Result<std::shared_ptr<const ValidToken>> Identity::Impl::valid(std::string_view text,
                                                                std::chrono::seconds grace) const {
  if (text.empty() || text.size() > identity::kTokenBytes) return bad_token();
  return by_snapshot([&](const store::Snapshot& at) -> Result<std::shared_ptr<const ValidToken>> {
    CLOUDOS_TRY(const auto now, mark(at));
    if (auto known = cache.current(text, now)) {
      if (engine.clock.wall() >= known->token.expires_at + grace) return bad_token();
      return known;
    }
    CLOUDOS_TRY(auto entry, held_at(at, text, grace));
    return std::move(entry.token);
  });
}

Result<Token> Identity::validate(std::string_view token_text) const {
  CLOUDOS_TRY(const auto known, impl_->valid(token_text));
  return known->token;
}

Result<std::shared_ptr<const ValidToken>> Identity::valid(std::string_view token_text) const {
  return impl_->valid(token_text);
}

Result<std::shared_ptr<const ValidToken>> Identity::valid_or_expired(
    std::string_view token_text) const {
  return impl_->valid(token_text, limits::kExpiredTokenWindow);
}

Result<void> Identity::revoke(const Context& ctx, std::string_view token_text, bool chain) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const auto known = impl_->valid(token_text);
  if (!known) {
    if (known.error().code != ErrorCode::Unauthenticated) return fail(known.error());
    return fail(ErrorCode::NotFound, "no such token holds");
  }
  const Token& token = (*known)->token;
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:revoke_token", {{}, UserId{token.user.id}}));
  RevocationRecord record;
  record.id = chain ? identity::chain_id(token.audit_ids.back()) : token.audit_ids.front();
  record.revoked_at = impl_->engine.clock.wall();
  // No token of the chain outlives the login it goes back to, which may have been given more time
  // than logins are now.
  record.expires_at = chain ? record.revoked_at + impl_->keys->lifetime() : token.expires_at;
  return impl_->commit([&](store::Txn& txn) -> Result<void> {
    if (txn.get(records::record_key(RevocationRecord::kKind, record.id))) return Result<void>();
    RevocationRecord fresh = record;
    return records::insert(txn, fresh);
  });
}

Result<std::vector<RevocationEvent>> Identity::list_revocations(
    const Context& ctx, const std::optional<WallTime>& since) const {
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:list_revoke_events"));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(const auto found, records::all<RevocationRecord>(*at));
  const std::string_view chain = "chain:";
  std::vector<RevocationEvent> events;
  for (const RevocationRecord& record : found) {
    if (impl_->engine.clock.wall() >= record.expires_at) continue;
    if (since && record.revoked_at < *since) continue;
    RevocationEvent event;
    event.revoked_at = record.revoked_at;
    if (record.id.starts_with(chain))
      event.audit_chain_id = record.id.substr(chain.size());
    else
      event.audit_id = record.id;
    events.push_back(std::move(event));
  }
  CLOUDOS_TRY(const auto others, records::all<identity::RevokeEventRecord>(*at));
  for (const identity::RevokeEventRecord& record : others) {
    if (impl_->engine.clock.wall() >= record.expires_at) continue;
    if (since && record.revoked_at < *since) continue;
    RevocationEvent event;
    event.user = record.user;
    event.project = record.project;
    event.domain = record.domain;
    event.role = record.role;
    event.trust = record.trust;
    event.revoked_at = record.revoked_at;
    events.push_back(std::move(event));
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const auto& a, const auto& b) { return a.revoked_at < b.revoked_at; });
  return events;
}

namespace {

constexpr std::size_t kRevocationsSwept = 200;

/// Ids of records of that kind whose time is over, by their index on it.
Result<std::vector<std::string>> expired_ids(const store::Snapshot& at, std::string_view kind,
                                             WallTime now) {
  store::ScanOptions options;
  options.limit = kRevocationsSwept;
  options.keys_only = true;
  const std::string root = records::index_root(kind, "expires");
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

template <class Record>
Result<bool> sweep_expired(const Identity::Impl& impl) {
  CLOUDOS_TRY(const auto at, impl.snapshot());
  CLOUDOS_TRY(const auto due, expired_ids(*at, Record::kKind, impl.engine.clock.wall()));
  if (due.empty()) return false;
  // An expired token is refused by its time: no cache needs to look again.
  CLOUDOS_CHECK(impl.commit_quietly([&](store::Txn& txn) -> Result<void> {
    for (const std::string& id : due) {
      auto erased = records::erase<Record>(txn, id);
      if (!erased && erased.error().code != ErrorCode::NotFound) return erased;
    }
    return Result<void>();
  }));
  return due.size() == kRevocationsSwept;
}

}  // namespace

Result<bool> Identity::Impl::sweep_revocations() const {
  CLOUDOS_TRY(const bool more, sweep_expired<RevocationRecord>(*this));
  CLOUDOS_TRY(const bool others, sweep_expired<identity::RevokeEventRecord>(*this));
  return more || others;
}

}  // namespace cloudos
