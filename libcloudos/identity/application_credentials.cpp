#include "cloudos/application_credentials.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "identity/methods.hpp"

namespace cloudos {

using identity::AccessRuleRecord;
using identity::ApplicationCredentialRecord;
using identity::ProjectRecord;
using identity::UserRecord;

namespace identity {

Result<void> check_access_rule(const AccessRule& rule) {
  constexpr std::string_view kMethods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                           "PATCH", "DELETE", "OPTIONS"};
  constexpr std::size_t kServiceChars = 64;
  if (std::find(std::begin(kMethods), std::end(kMethods), rule.method) == std::end(kMethods))
    return fail(ErrorCode::InvalidArgument, "access rule: method must be one of HTTP's");
  const auto bad_char = [](char c) { return c <= ' ' || c == 0x7f; };
  if (rule.service.empty() || rule.service.size() > kServiceChars ||
      std::any_of(rule.service.begin(), rule.service.end(), bad_char)) {
    return fail(ErrorCode::InvalidArgument,
                "access rule: service must be the type of a service, such as compute");
  }
  if (!rule.path.starts_with('/') || rule.path.size() > limits::kAccessRulePathChars ||
      std::any_of(rule.path.begin(), rule.path.end(), bad_char)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("access rule: path must begin with / and have at most {} characters",
                            limits::kAccessRulePathChars));
  }
  const auto wildcards = std::count_if(rule.path.begin(), rule.path.end(),
                                       [](char c) { return c == '*' || c == '{'; });
  if (static_cast<std::size_t>(wildcards) > limits::kAccessRuleWildcards) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("access rule: more than {} wildcards in the path",
                            limits::kAccessRuleWildcards));
  }
  if (std::count(rule.path.begin(), rule.path.end(), '{') !=
      std::count(rule.path.begin(), rule.path.end(), '}')) {
    return fail(ErrorCode::InvalidArgument, "access rule: a { in the path is not closed");
  }
  return Result<void>();
}

}  // namespace identity

namespace {

constexpr std::size_t kSecretBytes = 64;

ApplicationCredential credential_of(const store::Snapshot& at,
                                    const ApplicationCredentialRecord& r) {
  ApplicationCredential credential;
  credential.id = r.id;
  credential.generation = r.generation;
  credential.user = r.user;
  credential.name = r.name;
  credential.description = r.description;
  credential.project = r.project;
  credential.roles = identity::role_names(at, r.roles);
  credential.expires_at = r.expires_at;
  credential.unrestricted = r.unrestricted;
  credential.created_at = r.created_at;
  if (r.ruled) {
    credential.access_rules.emplace();
    for (const std::string& id : r.rules)
      if (const auto rule = records::get<AccessRuleRecord>(at, id))
        credential.access_rules->push_back({rule->id, rule->service, rule->method, rule->path});
  }
  return credential;
}

Result<void> check_spec(const Context& ctx, const ApplicationCredentialCreate& spec, WallTime now) {
  if (ctx.user != spec.user)
    return fail(ErrorCode::Forbidden, "an application credential is made by its own user only");
  if (ctx.project.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "an application credential is for the project of the token, which has none");
  }
  CLOUDOS_CHECK(identity::check_title("name", spec.name, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_text("description", spec.description));
  if (spec.secret) CLOUDOS_CHECK(identity::Passwords::check(*spec.secret));
  if (spec.expires_at && *spec.expires_at <= now)
    return fail(ErrorCode::InvalidArgument, "expires_at: must lie in the future");
  if (!spec.access_rules) return Result<void>();
  if (spec.access_rules->size() > limits::kAccessRulesOfCredential) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("access_rules: more than {}", limits::kAccessRulesOfCredential));
  }
  for (const AccessRule& rule : *spec.access_rules)
    if (rule.id.empty()) CLOUDOS_CHECK(identity::check_access_rule(rule));
  return Result<void>();
}

/// Who acts by an application credential makes none that outlives it or may do more.
Result<void> check_parent(const store::Snapshot& at, const Context& ctx,
                          ApplicationCredentialRecord& record) {
  if (ctx.application_credential.empty()) return Result<void>();
  CLOUDOS_TRY(const auto parent,
              records::get<ApplicationCredentialRecord>(at, ctx.application_credential));
  if (parent.ruled) {
    return fail(ErrorCode::Forbidden,
                "a token that is bound to access rules makes no application credentials");
  }
  if (!parent.expires_at) return Result<void>();
  if (record.expires_at && *record.expires_at > *parent.expires_at) {
    return fail(ErrorCode::Forbidden,
                "expires_at: later than that of the application credential of this token");
  }
  if (!record.expires_at) record.expires_at = parent.expires_at;
  return Result<void>();
}

Result<ApplicationCredentialRecord> plan_credential(const Identity::Impl& impl,
                                                    const store::Snapshot& at, const Context& ctx,
                                                    const ApplicationCredentialCreate& spec) {
  CLOUDOS_TRY(const auto user, records::get<UserRecord>(at, spec.user));
  ApplicationCredentialRecord record;
  record.user = spec.user;
  record.name = spec.name;
  record.description = spec.description;
  record.project = ctx.project;
  record.expires_at = spec.expires_at;
  record.unrestricted = spec.unrestricted;
  record.ruled = spec.access_rules.has_value();
  CLOUDOS_CHECK(check_parent(at, ctx, record));
  Assignment on;
  on.project = ctx.project;
  CLOUDOS_TRY(auto effective, impl.effective_roles(at, user, on));
  // No more than the caller's token has: it may be one with few of the user's roles.
  std::erase_if(effective.roles, [&](const Token::Named& role) {
    return std::find(ctx.roles.begin(), ctx.roles.end(), role.name) == ctx.roles.end();
  });
  CLOUDOS_TRY(record.roles, identity::named_roles(at, spec.roles));
  CLOUDOS_CHECK(
      identity::check_held(impl, at, record.roles, effective.roles, ErrorCode::InvalidArgument));
  if (spec.roles.empty())
    for (const Token::Named& role : effective.roles) record.roles.push_back(RoleId{role.id});
  if (record.roles.empty())
    return fail(ErrorCode::InvalidArgument, "roles: the user has none on the project");
  record.stamps = std::move(effective.stamps);
  // By the snapshot: they keep a runaway client in bounds, and a few over are no harm.
  CLOUDOS_TRY(const auto have,
              records::all<ApplicationCredentialRecord>(at, "user", spec.user.value));
  CLOUDOS_TRY(const auto rules, records::all<AccessRuleRecord>(at, "user", spec.user.value));
  if (have.size() >= limits::kApplicationCredentialsOfUser ||
      rules.size() + (spec.access_rules ? spec.access_rules->size() : 0) >
          limits::kAccessRulesOfUser) {
    return fail(ErrorCode::QuotaExceeded,
                fmt::format("a user has at most {} application credentials and {} access rules",
                            limits::kApplicationCredentialsOfUser, limits::kAccessRulesOfUser));
  }
  return record;
}

/// The id of the user's rule that is meant or like it; made where there is none.
Result<std::string> bind_rule(store::Txn& txn, const UserId& user, const AccessRule& given,
                              const std::string& fresh_id) {
  if (!given.id.empty()) {
    const auto rule = records::get<AccessRuleRecord>(txn, given.id);
    if (!rule || rule->user != user)
      return fail(ErrorCode::NotFound, "access rule: the user has none of that id");
    return rule->id;
  }
  const auto known =
      records::find_unique(txn, AccessRuleRecord::kKind, "rule", user.value,
                           identity::rule_value(given.service, given.method, given.path));
  if (known) return *known;
  AccessRuleRecord rule;
  rule.id = fresh_id;
  rule.user = user;
  rule.service = given.service;
  rule.method = given.method;
  rule.path = given.path;
  CLOUDOS_CHECK(records::insert(txn, rule));
  return rule.id;
}

}  // namespace

Result<ApplicationCredential> ApplicationCredentials::create(
    const Context& ctx, const ApplicationCredentialCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:create_application_credential", {{}, spec.user}));
  CLOUDOS_CHECK(check_spec(ctx, spec, impl_.engine.clock.wall()));
  CLOUDOS_TRY(auto record, impl_.by_snapshot([&](const store::Snapshot& at) {
    return plan_credential(impl_, at, ctx, spec);
  }));
  std::string secret;
  if (spec.secret) {
    secret = *spec.secret;
  } else {
    std::string raw(kSecretBytes, '\0');
    impl_.engine.random.fill({reinterpret_cast<std::uint8_t*>(raw.data()), raw.size()});
    secret = to_base64(raw, true);
  }
  // Chosen or made: one way of hashing, so that the time of a login tells nothing.
  CLOUDOS_TRY(record.secret_hash, impl_.passwords.hash(secret));
  record.id = ApplicationCredentialId{impl_.engine.ids.hex()};
  record.created_at = impl_.engine.clock.wall();
  std::vector<std::string> fresh_ids;
  if (spec.access_rules)
    for (std::size_t i = 0; i < spec.access_rules->size(); ++i)
      fresh_ids.push_back(impl_.engine.ids.hex());
  CLOUDOS_CHECK(impl_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::get<UserRecord>(txn, record.user));
    CLOUDOS_CHECK(records::get<ProjectRecord>(txn, record.project));
    record.rules.clear();  // The body may run twice.
    for (std::size_t i = 0; i < fresh_ids.size(); ++i) {
      CLOUDOS_TRY(auto id, bind_rule(txn, record.user, (*spec.access_rules)[i], fresh_ids[i]));
      if (std::find(record.rules.begin(), record.rules.end(), id) == record.rules.end())
        record.rules.push_back(std::move(id));
    }
    return records::insert(txn, record);
  }));
  CLOUDOS_TRY(const auto at, impl_.snapshot());
  ApplicationCredential made = credential_of(*at, record);
  made.secret = std::move(secret);
  return made;
}

Result<ApplicationCredential> ApplicationCredentials::get(const Context& ctx, const UserId& user,
                                                          const ApplicationCredentialId& id) const {
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:get_application_credential", {{}, user}));
  return impl_.by_snapshot([&](const store::Snapshot& at) -> Result<ApplicationCredential> {
    CLOUDOS_TRY(const auto record, records::get<ApplicationCredentialRecord>(at, id));
    if (record.user != user)
      return records::not_found(ApplicationCredentialRecord::kKind, id.value);
    return credential_of(at, record);
  });
}

Result<std::vector<ApplicationCredential>> ApplicationCredentials::list(
    const Context& ctx, const UserId& user, std::string_view name) const {
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:list_application_credentials", {{}, user}));
  using List = std::vector<ApplicationCredential>;
  return impl_.by_snapshot([&](const store::Snapshot& at) -> Result<List> {
    records::PageSpec<ApplicationCredentialRecord> spec;
    spec.range = {"user", user.value, true};
    if (!name.empty())
      spec.matches = [&](const ApplicationCredentialRecord& r) { return r.name == name; };
    CLOUDOS_TRY(const auto found, records::page(at, spec));
    List list;
    for (const auto& record : found) list.push_back(credential_of(at, record));
    return list;
  });
}

Result<void> ApplicationCredentials::remove(const Context& ctx, const UserId& user,
                                            const ApplicationCredentialId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:delete_application_credential", {{}, user}));
  return impl_.commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const auto record, records::get<ApplicationCredentialRecord>(txn, id));
    if (record.user != user)
      return records::not_found(ApplicationCredentialRecord::kKind, id.value);
    return records::erase<ApplicationCredentialRecord>(txn, id);
  });
}

Result<std::vector<AccessRule>> ApplicationCredentials::list_rules(const Context& ctx,
                                                                   const UserId& user) const {
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:list_access_rules", {{}, user}));
  CLOUDOS_TRY(const auto at, impl_.snapshot());
  CLOUDOS_TRY(const auto found, records::all<AccessRuleRecord>(*at, "user", user.value));
  std::vector<AccessRule> rules;
  for (const auto& r : found) rules.push_back({r.id, r.service, r.method, r.path});
  return rules;
}

Result<AccessRule> ApplicationCredentials::get_rule(const Context& ctx, const UserId& user,
                                                    const std::string& id) const {
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:get_access_rule", {{}, user}));
  CLOUDOS_TRY(const auto at, impl_.snapshot());
  CLOUDOS_TRY(const auto r, records::get<AccessRuleRecord>(*at, id));
  if (r.user != user) return records::not_found(AccessRuleRecord::kKind, id);
  return AccessRule{r.id, r.service, r.method, r.path};
}

Result<void> ApplicationCredentials::remove_rule(const Context& ctx, const UserId& user,
                                                 const std::string& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:delete_access_rule", {{}, user}));
  CLOUDOS_CHECK(get_rule(ctx, user, id));
  // No credential may begin to use it meanwhile: the body fails while one does.
  const std::string users_of_it =
      records::index_prefix(ApplicationCredentialRecord::kKind, "rule", id);
  return impl_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    if (!txn.none(users_of_it)) {
      return fail(ErrorCode::Forbidden,
                  "access rule: an application credential goes by it; delete that one first");
    }
    return records::erase<AccessRuleRecord>(txn, id);
  });
}

}  // namespace cloudos
