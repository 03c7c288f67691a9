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
  if (project != nullptr) {
    scope.kind = Scope::Kind::Project;
    CLOUDOS_TRY(scope.target, read_reference(*project, "auth.scope.project", true));
  } else if (domain != nullptr) {
    scope.kind = Scope::Kind::Domain;
    CLOUDOS_TRY(scope.target, read_reference(*domain, "auth.scope.domain", false));
  } else if (given->contains("OS-TRUST:trust") || given->contains("system")) {
    return fail(ErrorCode::Unauthenticated, "nobody has a role on that kind of scope here");
  } else {
    return fail(ErrorCode::InvalidArgument, "auth.scope must name a project or a domain");
  }
  return scope;
}

Result<void> read_method(const Members& in, std::string_view method, Login& login) {
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
  for (const std::string& method : *methods) CLOUDOS_CHECK(read_method(in, method, login));
  CLOUDOS_TRY(login.scope, read_scope(auth.raw("scope")));
  return login;
}

void write_named(JsonWriter& w, const Token::Named& named, const Token::Named* domain) {
  w.open().member("id", named.id).member("name", named.name);
  if (domain != nullptr)
    w.key("domain").open().member("id", domain->id).member("name", domain->name).close();
}

Result<Response> token_reply(int status, const Token& token, Call& call) {
  JsonWriter w;
  w.open().key("token").open().member("methods", token.methods);
  w.key("user");
  write_named(w, token.user, &token.user_domain);
  w.member_null("password_expires_at").close();
  w.member("audit_ids", token.audit_ids);
  w.member("expires_at", format_time(token.expires_at, true));
  w.member("issued_at", format_time(token.issued_at, true));
  if (token.project) {
    w.key("project");
    write_named(w, *token.project, &*token.project_domain);
    w.close().member("is_domain", false);
  }
  if (token.domain) {
    w.key("domain");
    write_named(w, *token.domain, nullptr);
    w.close();
  }
  if (!token.roles.empty()) {
    w.key("roles").open_list();
    for (const Token::Named& role : token.roles) {
      write_named(w, role, nullptr);
      w.close();
    }
    w.close_list();
    if (!call.query("nocatalog")) {
      const ProjectId project{token.project ? token.project->id : std::string()};
      CLOUDOS_TRY(const auto catalog,
                  call.cloud.identity().catalog(project, UserId{token.user.id}));
      w.key("catalog");
      write_catalog(w, catalog);
    }
  }
  w.close().close();
  Response response = json_response(status, std::move(w).take());
  response.headers.add("X-Subject-Token", token.text);
  response.headers.add("Vary", "X-Auth-Token");
  return response;
}

Result<std::string_view> subject_token(const Call& call) {
  const std::string_view text = call.request.headers.get("X-Subject-Token");
  if (text.empty())
    return fail(ErrorCode::InvalidArgument, "the header X-Subject-Token is missing");
  return text;
}

}  // namespace

Result<Response> create_token(Call& call) {
  CLOUDOS_TRY(const auto login, read_login(call));
  CLOUDOS_TRY(const auto token, call.cloud.identity().authenticate(login));
  return token_reply(201, token, call);
}

Result<Response> show_token(Call& call) {
  CLOUDOS_TRY(const auto text, subject_token(call));
  const auto token = call.cloud.identity().validate(text);
  if (!token && token.error().code == ErrorCode::Unauthenticated)
    return fail(ErrorCode::NotFound, "no such token holds");
  if (!token) return fail(token.error());
  // Everyone may look at their own; who else may is an admin.
  const PolicyTarget owner{{}, UserId{token->user.id}};
  CLOUDOS_CHECK(call.cloud.identity().enforce(call.ctx, "identity:validate_token", owner));
  return token_reply(200, *token, call);
}

Result<Response> revoke_token(Call& call) {
  CLOUDOS_TRY(const auto text, subject_token(call));
  CLOUDOS_CHECK(call.cloud.identity().revoke(call.ctx, text));
  return empty_response(204);
}

Result<Response> auth_catalog(Call& call) {
  if (call.token->roles.empty())
    return fail(ErrorCode::Forbidden, "a token without a scope has no catalog");
  CLOUDOS_TRY(const auto catalog, call.cloud.identity().catalog(call.ctx.project, call.ctx.user));
  JsonWriter w;
  w.open().key("catalog");
  write_catalog(w, catalog);
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
  JsonWriter w;  // There are no assignments on the system, so nobody may scope to it.
  w.open().key("system").open_list().close_list().key("links");
  write_list_links(w, call);
  w.close();
  return json_response(200, std::move(w).take());
}

}  // namespace cloudos::rest::identity_v3
