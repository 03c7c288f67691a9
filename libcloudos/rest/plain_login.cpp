#include "rest/login.hpp"
#include "rest/plain_json.hpp"

namespace cloudos::rest::identity_v3 {
namespace {

/// Reads a member's text that must not have come before, nor be empty.
void read_once(PlainJson& in, std::string& out) {
  const std::string_view text = in.text();
  if (!out.empty() || text.empty()) return in.stop();
  out = text;
}

/// {"id": …} or {"name": …}, or both.
void read_plain_home(PlainJson& in, std::string& id, std::string& name) {
  in.open();
  for (std::string_view member; in.member(member);) {
    if (member == "id") read_once(in, id);
    else if (member == "name") read_once(in, name);
    else in.stop();
  }
  if (id.empty() && name.empty()) in.stop();
}

void read_plain_project(PlainJson& in, NamedReference& project) {
  bool has_domain = false;
  in.open();
  for (std::string_view member; in.member(member);) {
    if (member == "id") {
      read_once(in, project.id);
    } else if (member == "name") {
      read_once(in, project.name);
    } else if (member == "domain" && !has_domain) {
      has_domain = true;
      read_plain_home(in, project.domain_id, project.domain_name);
    } else {
      in.stop();
    }
  }
  // By its id it needs no domain, and one that is given all the same is not looked at.
  if (project.id.empty() ? project.name.empty() || !has_domain : has_domain) in.stop();
}

void read_plain_scope(PlainJson& in, Scope& scope) {
  if (in.at_text()) {
    scope.kind = Scope::Kind::Unscoped;
    if (in.text() != "unscoped") in.stop();
    return;
  }
  in.open();
  for (std::string_view member; in.member(member);) {
    if (scope.kind != Scope::Kind::Default) return in.stop();
    if (member == "project") {
      scope.kind = Scope::Kind::Project;
      read_plain_project(in, scope.target);
    } else if (member == "domain") {
      scope.kind = Scope::Kind::Domain;
      read_plain_home(in, scope.target.id, scope.target.name);
    } else {
      in.stop();
    }
  }
  if (scope.kind == Scope::Kind::Default) in.stop();
}

void read_plain_identity(PlainJson& in, std::string& token) {
  bool by_token = false;
  in.open();
  for (std::string_view member; in.member(member);) {
    if (member == "methods" && !by_token) {
      in.open_list();
      while (in.element()) {
        if (by_token || in.text() != "token") in.stop();
        by_token = true;
      }
      if (!by_token) in.stop();
    } else if (member == "token" && token.empty()) {
      in.open();
      for (std::string_view part; in.member(part);) {
        if (part == "id") read_once(in, token);
        else in.stop();
      }
      if (token.empty()) in.stop();
    } else {
      in.stop();
    }
  }
  if (!by_token || token.empty()) in.stop();
}

}  // namespace

std::optional<Login> read_plain_login(std::string_view body) {
  PlainJson in(body);
  Login login;
  std::string token;
  bool has_auth = false, has_scope = false;
  in.open();
  for (std::string_view outer; in.member(outer);) {
    if (outer != "auth" || has_auth) {
      in.stop();
      break;
    }
    has_auth = true;
    in.open();
    for (std::string_view member; in.member(member);) {
      if (member == "identity" && token.empty()) {
        read_plain_identity(in, token);
      } else if (member == "scope" && !has_scope) {
        has_scope = true;
        read_plain_scope(in, login.scope);
      } else {
        in.stop();
      }
    }
  }
  if (!in.ended() || token.empty()) return std::nullopt;
  login.token = std::move(token);
  return login;
}

}  // namespace cloudos::rest::identity_v3
