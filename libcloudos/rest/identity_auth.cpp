#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "rest/identity_handlers.hpp"
#include "rest/login.hpp"

namespace cloudos::rest::identity_v3 {
namespace {

Result<Login> login_of(Call& call) {
  CLOUDOS_TRY(const std::string_view text, call.text());
  auto login = read_plain_login(text);
  if (!login) {
    CLOUDOS_TRY(const nlohmann::json* auth, call.json_object("auth"));
    CLOUDOS_TRY(login, read_login(*auth, call.request.caller));
  }
  if (call.request.headers.count("Openstack-Auth-Receipt") > 1)
    return fail(ErrorCode::InvalidArgument, "the header Openstack-Auth-Receipt is given twice");
  login->receipt = call.request.headers.get("Openstack-Auth-Receipt");
  return std::move(*login);
}

constexpr std::size_t kTokenBytes = 1'024;  // Of a token's reply without the catalogue, about.

void write_named(JsonWriter& w, const Token::Named& named, const Token::Named* domain) {
  w.open().member("id", named.id).member("name", named.name);
  if (domain != nullptr)
    w.key("domain").open().member("id", domain->id).member("name", domain->name).close();
}

void write_delegation(JsonWriter& w, const Token& token) {
  if (const auto& trust = token.trust) {
    w.key("OS-TRUST:trust").open().member("id", trust->id);
    w.key("trustor_user").open().member("id", trust->trustor).close();
    w.key("trustee_user").open().member("id", trust->trustee).close();
    w.member("impersonation", trust->impersonation).close();
  }
  if (const auto& credential = token.application_credential) {
    w.key("application_credential").open().member("id", credential->id);
    w.member("name", credential->name).member("restricted", credential->restricted);
    if (credential->access_rules) {
      w.key("access_rules").open_list();
      for (const AccessRule& rule : *credential->access_rules) {
        w.open().member("id", rule.id).member("service", rule.service);
        w.member("method", rule.method).member("path", rule.path).close();
      }
      w.close_list();
    }
    w.close();
  }
}

/// What of a token's reply is the same until something changes: all but catalogue and braces.
std::string write_token(const Token& token) {
  JsonWriter w(kTokenBytes);
  w.open().key("token").open().member("methods", token.methods);
  w.key("user");
  write_named(w, token.user, &token.user_domain);
  if (token.password_expires_at)
    w.member("password_expires_at", format_time(*token.password_expires_at, true));
  else
    w.member_null("password_expires_at");
  w.close();
  w.member("audit_ids", token.audit_ids);
  w.member("expires_at", format_time(token.expires_at, true));
  w.member("issued_at", format_time(token.issued_at, true));
  if (token.project) {
    w.key("project");
    write_named(w, *token.project, &*token.project_domain);
    w.close().member("is_domain", token.is_domain);
  }
  if (token.domain) {
    w.key("domain");
    write_named(w, *token.domain, nullptr);
    w.close();
  }
  if (token.system) w.key("system").open().member("all", true).close();
  write_delegation(w, token);
  if (!token.roles.empty()) {
    w.key("roles").open_list();
    for (const Token::Named& role : token.roles) {
      write_named(w, role, nullptr);
      w.close();
    }
    w.close_list();
  }
  w.close().close();
  std::string text = std::move(w).take();
  text.resize(text.size() - 2);  // The braces.
  return text;
}

std::string catalog_as_text(const std::vector<CatalogEntry>& catalog) {
  JsonWriter w;
  write_catalog(w, catalog);
  return std::move(w).take();
}

ProjectId project_of(const Token& token) {
  return ProjectId{token.project ? token.project->id : std::string()};
}

Result<Response> token_reply(int status, const ValidToken& valid, Call& call) {
  const Token& token = valid.token;
  const std::string& head = valid.written(write_token);
  std::string body;
  if (!token.roles.empty() && !call.query("nocatalog")) {
    CLOUDOS_TRY(const auto catalog,
                call.cloud.identity().catalog_text(project_of(token), UserId{token.user.id},
                                                   catalog_as_text));
    body.reserve(head.size() + catalog->size() + 16);
    body += head;
    body += ",\"catalog\":";
    body += *catalog;
  } else {
    body = head;
  }
  body += "}}";
  Response response = json_response(status, std::move(body));
  response.headers.add("X-Subject-Token", token.text);
  return response;
}

/// Half a login: what held, and what would make it whole.
Response receipt_reply(const Receipt& receipt, const Call& call) {
  JsonWriter w;
  w.open().key("receipt").open().member("methods", receipt.methods);
  w.key("user");
  write_named(w, receipt.user, &receipt.user_domain);
  w.close().member("expires_at", format_time(receipt.expires_at, true));
  w.member("issued_at", format_time(receipt.issued_at, true)).close();
  w.key("required_auth_methods").open_list();
  for (const auto& methods : receipt.required) w.value(methods);
  w.close_list().close();
  Response response = json_response(401, std::move(w).take());
  response.headers.add("Openstack-Auth-Receipt", receipt.id);
  response.headers.add("WWW-Authenticate", fmt::format("Keystone uri=\"{}/identity/v3\"",
                                                       call.request.base_url));
  return response;
}

Result<std::string_view> subject_token(const Call& call) {
  if (call.request.headers.count("X-Subject-Token") > 1)
    return fail(ErrorCode::InvalidArgument, "the header X-Subject-Token is given twice");
  const std::string_view text = call.request.headers.get("X-Subject-Token");
  if (text.empty())
    return fail(ErrorCode::InvalidArgument, "the header X-Subject-Token is missing");
  return text;
}

}  // namespace

Result<Response> token_answer(int status, const ValidToken& valid, Call& call) {
  return token_reply(status, valid, call);
}

RouteClass login_class(std::string_view body) {
  // The word spelled any other way has an escape in it: nobody gets hashing done on a thread of
  // others by hiding it.
  const auto has = [&](std::string_view word) { return body.find(word) != body.npos; };
  if (has("password") || has("secret") || has("\\")) return RouteClass::Hash;
  // A passcode is used up, and so is a use of a trust.
  return has("totp") || has("trust") ? RouteClass::Commits : RouteClass::Inline;
}

Result<Response> create_token(Call& call) {
  CLOUDOS_TRY(const auto login, login_of(call));
  const auto outcome = call.cloud.identity().log_in(login);
  if (!outcome) {
    // Clients tell a token that is gone from a wrong password.
    if (login.token && outcome.error().code == ErrorCode::Unauthenticated &&
        !call.cloud.identity().valid(*login.token))
      return fail(ErrorCode::NotFound, outcome.error().message);
    return fail(outcome.error());
  }
  if (outcome->receipt) return receipt_reply(*outcome->receipt, call);
  return token_reply(201, *outcome->token, call);
}

Result<Response> show_token(Call& call) {
  CLOUDOS_TRY(const auto text, subject_token(call));
  // A service finishes what its caller began while the token held.
  const bool expired_too = call.query("allow_expired") && *call.query("allow_expired") != "0";
  if (expired_too)
    CLOUDOS_CHECK(call.cloud.identity().enforce(call.ctx, "identity:validate_expired_token"));
  const auto token = expired_too ? call.cloud.identity().valid_or_expired(text)
                                 : call.cloud.identity().valid(text);
  if (!token && token.error().code == ErrorCode::Unauthenticated)
    return fail(ErrorCode::NotFound, "no such token holds");
  if (!token) return fail(token.error());
  // Everyone may look at their own; who else may is an admin.
  PolicyTarget owner{{}, UserId{(*token)->token.user.id}};
  owner.complete = true;
  CLOUDOS_CHECK(call.cloud.identity().enforce(call.ctx, "identity:validate_token", owner));
  return token_reply(200, **token, call);
}

Result<Response> revoke_token(Call& call) {
  CLOUDOS_TRY(const auto text, subject_token(call));
  // Our own: with all tokens that go back to the same login.
  const bool chain = call.query("chain").has_value();
  CLOUDOS_CHECK(call.cloud.identity().revoke(call.ctx, text, chain));
  return empty_response(204);
}

Result<Response> auth_catalog(Call& call) {
  if (call.token != nullptr && call.token->roles.empty())
    return fail(ErrorCode::Forbidden, "a token without a scope has no catalog");
  CLOUDOS_TRY(const auto catalog, call.cloud.identity().catalog_text(
                                      call.ctx.project, call.ctx.user, catalog_as_text));
  JsonWriter w;
  w.open().key("catalog").literal(*catalog);
  w.key("links");
  write_list_links(w, call);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> auth_projects(Call& call) {
  CLOUDOS_TRY(const auto projects, call.cloud.identity().projects_of(call.ctx, call.ctx.user));
  return list_reply("projects", projects, call, write_project);
}

Result<Response> auth_domains(Call& call) {
  CLOUDOS_TRY(const auto domains, call.cloud.identity().domains_of(call.ctx, call.ctx.user));
  return list_reply("domains", domains, call, write_domain);
}

Result<Response> auth_system(Call& call) {
  CLOUDOS_TRY(const auto roles,
              call.cloud.identity().system_roles_of(call.ctx, call.ctx.user));
  JsonWriter w;
  w.open().key("system").open_list();
  if (!roles.empty()) w.open().member("all", true).close();
  w.close_list().key("links");
  write_list_links(w, call);
  w.close();
  return json_response(200, std::move(w).take());
}

namespace {

Response keys_reply(int status, const std::vector<TokenKey>& keys) {
  constexpr std::string_view kRoles[] = {"primary", "staged", "secondary"};
  JsonWriter w;
  w.open().key("token_keys").open_list();
  for (const TokenKey& key : keys) {
    w.open().member("id", key.id).member("role", kRoles[static_cast<std::size_t>(key.role)]);
    w.member("since", format_time(key.since));
    if (key.role == TokenKey::Role::Secondary) w.member("until", format_time(key.until));
    else w.member_null("until");
    w.close();
  }
  w.close_list().close();
  return json_response(status, std::move(w).take());
}

}  // namespace

Result<Response> list_token_keys(Call& call) {
  CLOUDOS_TRY(const auto keys, call.cloud.identity().token_keys(call.ctx));
  return keys_reply(200, keys);
}

Result<Response> rotate_token_keys(Call& call) {
  CLOUDOS_TRY(const auto keys, call.cloud.identity().rotate_token_keys(call.ctx));
  return keys_reply(201, keys);
}

}  // namespace cloudos::rest::identity_v3
