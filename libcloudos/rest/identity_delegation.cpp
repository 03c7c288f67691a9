#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cloudos/application_credentials.hpp"
#include "cloudos/trusts.hpp"
#include "rest/identity_handlers.hpp"

/// Trusts, application credentials, access rules, revocation events.
namespace cloudos::rest::identity_v3 {
namespace {

std::string trust_url(const Call& call, const TrustId& id) {
  return fmt::format("{}/OS-TRUST/trusts/{}", call.service_url, id.value);
}

void write_role_names(JsonWriter& w, const std::vector<Token::Named>& roles, const Call& call) {
  w.key("roles").open_list();
  for (const Token::Named& role : roles) {
    w.open().member("id", role.id).member("name", role.name).member_null("domain_id");
    w.key("links").open();
    w.member("self", fmt::format("{}/roles/{}", call.service_url, role.id)).close().close();
  }
  w.close_list();
}

void write_trust(JsonWriter& w, const Trust& trust, const Call& call, bool in_full) {
  w.open().member("id", trust.id);
  w.member("trustor_user_id", trust.trustor).member("trustee_user_id", trust.trustee);
  w.member_or_null("project_id", trust.project.value);
  w.member("impersonation", trust.impersonation);
  if (trust.expires_at)
    w.member("expires_at", format_time(*trust.expires_at, true));
  else
    w.member_null("expires_at");
  w.member_null("deleted_at");
  w.member("remaining_uses", trust.remaining_uses);
  w.member("redelegation_count", trust.redelegation_count);
  if (!trust.redelegated_from.empty()) w.member("redelegated_trust_id", trust.redelegated_from);
  if (in_full) {
    write_role_names(w, trust.roles, call);
    w.key("roles_links").open().member_null("next").member_null("previous");
    w.member("self", trust_url(call, trust.id) + "/roles").close();
  }
  w.key("links").open().member("self", trust_url(call, trust.id)).close().close();
}

Response trust_reply(int status, const Trust& trust, const Call& call) {
  JsonWriter w;
  w.open().key("trust");
  write_trust(w, trust, call, true);
  w.close();
  return json_response(status, std::move(w).take());
}

Result<std::optional<WallTime>> read_time(const Members& in, std::string_view name) {
  CLOUDOS_TRY(const auto text, in.maybe_text(name));
  if (!text) return std::optional<WallTime>();
  const auto time = parse_time(*text);
  if (!time) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} must be a time as in 2027-01-31T12:00:00Z", in.where(name)));
  }
  return std::optional<WallTime>(*time);
}

/// [{"id": …} or {"name": …}]
Result<std::vector<NamedReference>> read_roles(const Members& in) {
  std::vector<NamedReference> roles;
  CLOUDOS_TRY(const nlohmann::json* list, in.maybe_array("roles"));
  if (list == nullptr) return roles;
  for (const nlohmann::json& one : *list) {
    const Members role(one, in.where("roles"));
    NamedReference reference;
    CLOUDOS_TRY(const auto id, role.maybe_text("id"));
    CLOUDOS_TRY(const auto name, role.maybe_text("name"));
    reference.id = id.value_or("");
    reference.name = name.value_or("");
    if (reference.id.empty() && reference.name.empty()) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} must list objects with an id or a name", in.where("roles")));
    }
    roles.push_back(std::move(reference));
  }
  return roles;
}

/// A count, as a real number. Errors: InvalidArgument.
Result<std::optional<std::uint32_t>> read_count(const Members& in, std::string_view name,
                                                std::int64_t least) {
  const nlohmann::json* raw = in.raw(name);
  if (raw != nullptr && !raw->is_null() && !raw->is_number_integer())
    return fail(ErrorCode::InvalidArgument, fmt::format("{} must be a number", in.where(name)));
  CLOUDOS_TRY(const auto count, in.maybe_integer(name, least, INT32_MAX));
  if (!count) return std::optional<std::uint32_t>();
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(*count));
}

Result<TrustCreate> read_trust(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("trust"));
  const Members in(*body, "trust");
  TrustCreate spec;
  CLOUDOS_TRY(spec.trustor, in.id<UserId>("trustor_user_id"));
  CLOUDOS_TRY(spec.trustee, in.id<UserId>("trustee_user_id"));
  CLOUDOS_TRY(const auto project, in.maybe_text("project_id"));
  spec.project = ProjectId{project.value_or("")};
  CLOUDOS_TRY(const auto impersonation, read_boolean(in, "impersonation"));
  if (!impersonation)
    return fail(ErrorCode::InvalidArgument, "trust.impersonation must be true or false");
  spec.impersonation = *impersonation;
  CLOUDOS_TRY(spec.expires_at, read_time(in, "expires_at"));
  CLOUDOS_TRY(spec.remaining_uses, read_count(in, "remaining_uses", 1));
  CLOUDOS_TRY(const auto again, read_boolean(in, "allow_redelegation"));
  spec.allow_redelegation = again.value_or(false);
  CLOUDOS_TRY(spec.redelegation_count, read_count(in, "redelegation_count", 0));
  CLOUDOS_TRY(spec.roles, read_roles(in));
  return spec;
}

/// Application credentials show their times without the Z.
std::string bare_time(WallTime time) {
  std::string text = format_time(time, true);
  if (text.ends_with('Z')) text.pop_back();
  return text;
}

void write_rule(JsonWriter& w, const AccessRule& rule) {
  w.member("id", rule.id).member("service", rule.service).member("method", rule.method);
  w.member("path", rule.path);
}

void write_application_credential(JsonWriter& w, const ApplicationCredential& credential,
                                  const Call& call) {
  w.open().member("id", credential.id).member("name", credential.name);
  w.member_or_null("description", credential.description);
  w.member("user_id", credential.user).member("project_id", credential.project);
  w.member_null("system");
  if (credential.expires_at)
    w.member("expires_at", bare_time(*credential.expires_at));
  else
    w.member_null("expires_at");
  w.member("unrestricted", credential.unrestricted);
  if (!credential.secret.empty()) w.member("secret", credential.secret);
  write_role_names(w, credential.roles, call);
  if (credential.access_rules) {
    w.key("access_rules").open_list();
    for (const AccessRule& rule : *credential.access_rules) {
      w.open();
      write_rule(w, rule);
      w.close();
    }
    w.close_list();
  }
  w.key("links").open();
  w.member("self", fmt::format("{}/users/{}/application_credentials/{}", call.service_url,
                               credential.user.value, credential.id.value));
  w.close().close();
}

Response credential_reply(int status, const ApplicationCredential& credential, const Call& call) {
  JsonWriter w;
  w.open().key("application_credential");
  write_application_credential(w, credential, call);
  w.close();
  return json_response(status, std::move(w).take());
}

Result<std::optional<std::vector<AccessRule>>> read_rules(const Members& in) {
  std::optional<std::vector<AccessRule>> rules;
  CLOUDOS_TRY(const nlohmann::json* list, in.maybe_array("access_rules"));
  if (list == nullptr) return rules;
  rules.emplace();
  for (const nlohmann::json& one : *list) {
    const Members rule(one, in.where("access_rules"));
    AccessRule read;
    CLOUDOS_TRY(const auto id, rule.maybe_text("id"));
    if (id && !id->empty()) {
      read.id = *id;
    } else {
      CLOUDOS_TRY(read.service, rule.text("service"));
      CLOUDOS_TRY(read.method, rule.text("method"));
      CLOUDOS_TRY(read.path, rule.text("path"));
    }
    CLOUDOS_CHECK(rule.no_others());
    rules->push_back(std::move(read));
  }
  return rules;
}

void write_rule_in_full(JsonWriter& w, const AccessRule& rule, const Call& call) {
  w.open();
  write_rule(w, rule);
  w.key("links").open();
  w.member("self", fmt::format("{}/users/{}/access_rules/{}", call.service_url,
                               call.path("user_id"), rule.id));
  w.close().close();
}

}  // namespace

Result<Response> create_trust(Call& call) {
  CLOUDOS_TRY(const auto spec, read_trust(call));
  CLOUDOS_TRY(const auto trust, call.cloud.identity().trusts().create(call.ctx, spec));
  return trust_reply(201, trust, call);
}

Result<Response> list_trusts(Call& call) {
  TrustFilter filter;
  if (const auto id = call.query("trustor_user_id")) filter.trustor = UserId{std::string(*id)};
  if (const auto id = call.query("trustee_user_id")) filter.trustee = UserId{std::string(*id)};
  CLOUDOS_TRY(const auto trusts, call.cloud.identity().trusts().list(call.ctx, filter));
  JsonWriter w;
  w.open().key("trusts").open_list();
  for (const Trust& trust : trusts) write_trust(w, trust, call, false);
  w.close_list().key("links");
  write_list_links(w, call);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_trust(Call& call) {
  CLOUDOS_TRY(const auto trust,
              call.cloud.identity().trusts().get(call.ctx, TrustId{call.path("trust_id")}));
  return trust_reply(200, trust, call);
}

Result<Response> delete_trust(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().trusts().remove(call.ctx, TrustId{call.path("trust_id")}));
  return empty_response(204);
}

Result<Response> list_trust_roles(Call& call) {
  CLOUDOS_TRY(const auto roles,
              call.cloud.identity().trusts().roles(call.ctx, TrustId{call.path("trust_id")}));
  return list_reply("roles", roles, call, write_role);
}

Result<Response> show_trust_role(Call& call) {
  CLOUDOS_TRY(const auto roles,
              call.cloud.identity().trusts().roles(call.ctx, TrustId{call.path("trust_id")}));
  for (const Role& role : roles)
    if (role.id.value == call.path("role_id")) return one_reply("role", role, call, write_role);
  return fail(ErrorCode::NotFound, "the trust has no such role");
}

Result<Response> create_application_credential(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("application_credential"));
  const Members in(*body, "application_credential");
  ApplicationCredentialCreate spec;
  spec.user = UserId{call.path("user_id")};
  CLOUDOS_TRY(spec.name, in.text("name"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  spec.description = description.value_or("");
  CLOUDOS_TRY(spec.secret, in.maybe_text("secret"));
  CLOUDOS_TRY(spec.expires_at, read_time(in, "expires_at"));
  CLOUDOS_TRY(const auto unrestricted, read_boolean(in, "unrestricted"));
  spec.unrestricted = unrestricted.value_or(false);
  CLOUDOS_TRY(spec.roles, read_roles(in));
  CLOUDOS_TRY(spec.access_rules, read_rules(in));
  CLOUDOS_TRY(const auto made,
              call.cloud.identity().application_credentials().create(call.ctx, spec));
  return credential_reply(201, made, call);
}

Result<Response> list_application_credentials(Call& call) {
  CLOUDOS_TRY(const auto found, call.cloud.identity().application_credentials().list(
                                    call.ctx, UserId{call.path("user_id")},
                                    call.query("name").value_or(std::string_view())));
  JsonWriter w;
  w.open().key("application_credentials").open_list();
  for (const auto& credential : found) write_application_credential(w, credential, call);
  w.close_list().key("links");
  write_list_links(w, call);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_application_credential(Call& call) {
  CLOUDOS_TRY(const auto found,
              call.cloud.identity().application_credentials().get(
                  call.ctx, UserId{call.path("user_id")},
                  ApplicationCredentialId{call.path("application_credential_id")}));
  return credential_reply(200, found, call);
}

Result<Response> delete_application_credential(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().application_credentials().remove(
      call.ctx, UserId{call.path("user_id")},
      ApplicationCredentialId{call.path("application_credential_id")}));
  return empty_response(204);
}

Result<Response> list_access_rules(Call& call) {
  CLOUDOS_TRY(const auto rules, call.cloud.identity().application_credentials().list_rules(
                                    call.ctx, UserId{call.path("user_id")}));
  JsonWriter w;
  w.open().key("access_rules").open_list();
  for (const AccessRule& rule : rules) write_rule_in_full(w, rule, call);
  w.close_list().key("links");
  write_list_links(w, call);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_access_rule(Call& call) {
  CLOUDOS_TRY(const auto rule,
              call.cloud.identity().application_credentials().get_rule(
                  call.ctx, UserId{call.path("user_id")}, call.path("access_rule_id")));
  JsonWriter w;
  w.open().key("access_rule");
  write_rule_in_full(w, rule, call);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> delete_access_rule(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().application_credentials().remove_rule(
      call.ctx, UserId{call.path("user_id")}, call.path("access_rule_id")));
  return empty_response(204);
}

Result<Response> list_revoke_events(Call& call) {
  std::optional<WallTime> since;
  if (const auto text = call.query("since")) {
    const auto time = parse_time(*text);
    if (!time)
      return fail(ErrorCode::InvalidArgument, "since must be a time as in 2027-01-31T12:00:00Z");
    since = *time;
  }
  CLOUDOS_TRY(const auto events, call.cloud.identity().list_revocations(call.ctx, since));
  JsonWriter w;
  w.open().key("events").open_list();
  for (const RevocationEvent& event : events) {
    w.open();
    if (!event.audit_id.empty()) w.member("audit_id", event.audit_id);
    if (!event.audit_chain_id.empty()) w.member("audit_chain_id", event.audit_chain_id);
    if (!event.user.empty()) w.member("user_id", event.user.value);
    if (!event.project.empty()) w.member("project_id", event.project.value);
    if (!event.domain.empty()) w.member("domain_id", event.domain.value);
    if (!event.role.empty()) w.member("role_id", event.role.value);
    if (!event.trust.empty()) w.member("OS-TRUST:trust_id", event.trust.value);
    w.member("issued_before", format_time(event.revoked_at, true)).close();
  }
  w.close_list().key("links");
  write_list_links(w, call);
  w.close();
  return json_response(200, std::move(w).take());
}

}  // namespace cloudos::rest::identity_v3
