#include "rest/login.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "rest/identity_handlers.hpp"
#include "rest/json.hpp"

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

}  // namespace

Result<Login> read_login(const nlohmann::json& given, const std::optional<Context>& caller) {
  const Members auth(given, "auth");
  CLOUDOS_TRY(const nlohmann::json* identity, auth.object("identity"));
  const Members in(*identity, "auth.identity");
  CLOUDOS_TRY(const auto methods, in.maybe_text_list("methods"));
  if (!methods || methods->empty() || methods->size() > kLoginMethods) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("auth.identity.methods must list 1 to {} methods", kLoginMethods));
  }
  Login login;
  for (const std::string& method : *methods)
    CLOUDOS_CHECK(read_method(in, method, caller, login));
  CLOUDOS_TRY(login.scope, read_scope(auth.raw("scope")));
  return login;
}

}  // namespace cloudos::rest::identity_v3
