#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "rest/identity_handlers.hpp"

namespace cloudos::rest::identity_v3 {
namespace {

constexpr std::size_t kLoginMethods = 8;

/// {"id": …} or {"name": …, "domain": {"id" or "name": …}}
Result<NamedReference> read_reference(const nlohmann::json& object, std::string_view where,
                                      bool has_domain) {
  const Members in(object, where);
  NamedReference reference;
  CLOUDOS_TRY(const auto id, in.maybe_text("id"));
  CLOUDOS_TRY(const auto name, in.maybe_text("name"));
  reference.id = id.value_or("");
  reference.name = name.value_or("");
  if (reference.id.empty() && reference.name.empty())
    return fail(ErrorCode::InvalidArgument, fmt::format("{} needs an id or a name", where));
  if (!has_domain || !reference.id.empty()) return reference;
  CLOUDOS_TRY(const nlohmann::json* domain, in.maybe_object("domain"));
  if (domain == nullptr) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} is given by name and needs its domain", where));
  }
  CLOUDOS_TRY(const auto home, read_reference(*domain, in.where("domain"), false));
  reference.domain_id = home.id;
  reference.domain_name = home.name;
  return reference;
}

Result<Scope> read_scope(const nlohmann::json* given) {
  Scope scope;
  if (given == nullptr || given->is_null()) return scope;
  if (given->is_string() && *given == "unscoped") {
    scope.kind = Scope::Kind::Unscoped;
    return scope;
  }
  if (!given->is_object() || given->size() != 1) {
    return fail(ErrorCode::InvalidArgument,
                "auth.scope must be \"unscoped\" or an object with one member");
  }
  const Members in(*given, "auth.scope");
  CLOUDOS_TRY(const nlohmann::json* project, in.maybe_object("project"));
  CLOUDOS_TRY(const nlohmann::json* domain, in.maybe_object("domain"));
  CLOUDOS_TRY(const nlohmann::json* system, in.maybe_object("system"));
  CLOUDOS_TRY(const nlohmann::json* trust, in.maybe_object("OS-TRUST:trust"));
  if (project != nullptr) {
    scope.kind = Scope::Kind::Project;
    CLOUDOS_TRY(scope.target, read_reference(*project, "auth.scope.project", true));
  } else if (domain != nullptr) {
    scope.kind = Scope::Kind::Domain;
    CLOUDOS_TRY(scope.target, read_reference(*domain, "auth.scope.domain", false));
  } else if (system != nullptr) {
    scope.kind = Scope::Kind::System;
    CLOUDOS_TRY(const auto all, read_boolean(Members(*system, "auth.scope.system"), "all"));
    if (!all.value_or(false))
      return fail(ErrorCode::InvalidArgument, "auth.scope.system must be {\"all\": true}");
  } else if (trust != nullptr) {
    scope.kind = Scope::Kind::Trust;
    CLOUDOS_TRY(scope.target.id, Members(*trust, "auth.scope.OS-TRUST:trust").text("id"));
  } else {
    return fail(ErrorCode::InvalidArgument,
                "auth.scope must name a project, a domain, a trust or the system");
  }
  return scope;
}

Result<Login::ApplicationCredential> read_credential(const Members& in) {
  CLOUDOS_TRY(const nlohmann::json* body, in.object("application_credential"));
  const Members credential(*body, "auth.identity.application_credential");
  Login::ApplicationCredential given;
  CLOUDOS_TRY(const auto id, credential.maybe_text("id"));
  given.id = id.value_or("");
  if (given.id.empty()) {
    CLOUDOS_TRY(given.name, credential.text("name"));
    CLOUDOS_TRY(const nlohmann::json* user, credential.object("user"));
    CLOUDOS_TRY(given.user,
                read_reference(*user, "auth.identity.application_credential.user", true));
  }
  CLOUDOS_TRY(given.secret, credential.text("secret"));
  return given;
}

Result<Login::Totp> read_totp(const Members& in) {
  CLOUDOS_TRY(const nlohmann::json* body, in.object("totp"));
  CLOUDOS_TRY(const nlohmann::json* user, Members(*body, "auth.identity.totp").object("user"));
  Login::Totp given;
  CLOUDOS_TRY(given.user, read_reference(*user, "auth.identity.totp.user", true));
  CLOUDOS_TRY(given.passcode, Members(*user, "auth.identity.totp.user").text("passcode"));
  return given;
}

/// `caller`: whom the host program vouches for, which no client can say.
Result<void> read_method(const Members& in, std::string_view method,
                         const std::optional<Context>& caller, Login& login) {
  if (method == "password") {
    CLOUDOS_TRY(const nlohmann::json* body, in.object("password"));
    const Members password(*body, "auth.identity.password");
    CLOUDOS_TRY(const nlohmann::json* user, password.object("user"));
    Login::Password given;
    CLOUDOS_TRY(given.user, read_reference(*user, "auth.identity.password.user", true));
    CLOUDOS_TRY(given.password,
                Members(*user, "auth.identity.password.user").text("password"));
    login.password = std::move(given);
  } else if (method == "token") {
    CLOUDOS_TRY(const nlohmann::json* body, in.object("token"));
    CLOUDOS_TRY(login.token, Members(*body, "auth.identity.token").text("id"));
  } else if (method == "totp") {
    CLOUDOS_TRY(login.totp, read_totp(in));
  } else if (method == "application_credential") {
    CLOUDOS_TRY(login.application_credential, read_credential(in));
  } else if (method == "external" && caller && !caller->user.empty()) {
    login.external = NamedReference{caller->user.value, {}, {}, {}};
  } else {
    return fail(ErrorCode::Unauthenticated, "that login method is not on offer");
  }
  return Result<void>();
}

Result<Login> read_login(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("auth"));
  const Members auth(*body, "auth");
  CLOUDOS_TRY(const nlohmann::json* identity, auth.object("identity"));
  const Members in(*identity, "auth.identity");
  CLOUDOS_TRY(const auto methods, in.maybe_text_list("methods"));
  if (!methods || methods->empty() || methods->size() > kLoginMethods) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("auth.identity.methods must list 1 to {} methods", kLoginMethods));
  }
  Login login;
  for (const std::string& method : *methods) 
    CLOUDOS_CHECK(read_method(in, method, call.request.caller, login));
  if (call.request.headers.count("Openstack-Auth-Receipt") > 1)
    return fail(ErrorCode::InvalidArgument, "the header Openstack-Auth-Receipt is given twice");
  login.receipt = call.request.headers.get("Openstack-Auth-Receipt");
  CLOUDOS_TRY(login.scope, read_scope(auth.raw("scope")));
  return login;
}

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
  JsonWriter w;
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
  CLOUDOS_TRY(const auto login, read_login(call));
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
