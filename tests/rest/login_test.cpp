#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "rest/json.hpp"
#include "rest/login.hpp"

using namespace cloudos;

namespace {

std::string told(const Login& login) {
  const NamedReference& at = login.scope.target;
  return fmt::format("{}{}{}{}{} token {} scope {} {}/{}/{}/{}", login.password ? "password" : "",
                     login.totp ? "totp" : "", login.application_credential ? "credential" : "",
                     login.external ? "external" : "", login.receipt, login.token.value_or("none"),
                     static_cast<int>(login.scope.kind), at.id, at.name, at.domain_id,
                     at.domain_name);
}

/// As the service reads a body that is not plain.
std::string told_generally(const std::string& body) {
  const auto json = rest::parse_json(body);
  if (!json) return "error: " + json.error().message;
  if (!json->is_object() || !json->contains("auth") || !(*json)["auth"].is_object())
    return "error: no auth";
  const auto login = rest::identity_v3::read_login((*json)["auth"], std::nullopt);
  return login ? told(*login) : "error: " + login.error().message;
}

std::string told_plainly(const std::string& body) {
  const auto login = rest::identity_v3::read_plain_login(body);
  return login ? told(*login) : "not plain";
}

std::string by_token(const std::string& scope) {
  return R"({"auth":{"identity":{"methods":["token"],"token":{"id":"gAAA-_1"}})" +
         (scope.empty() ? "" : ",\"scope\":" + scope) + "}}";
}

}  // namespace

TEST_CASE("exchanges of tokens as clients write them are read in place, to the same end") {
  struct Row {
    std::string what, body;
  };
  const Row rows[] = {
      {"no scope", by_token("")},
      {"a project by id", by_token(R"({"project":{"id":"p1"}})")},
      {"a project by name", by_token(R"({"project":{"name":"p","domain":{"id":"default"}}})")},
      {"its domain by name", by_token(R"({"project":{"domain":{"name":"Default"},"name":"p"}})")},
      {"a domain", by_token(R"({"domain":{"id":"default"}})")},
      {"a domain by name", by_token(R"({"domain":{"name":"Default"}})")},
      {"unscoped", by_token(R"("unscoped")")},
      {"the scope first",
       R"({"auth":{"scope":{"project":{"id":"p"}},"identity":{"token":{"id":"t"},)"
       R"("methods":["token"]}}})"},
      {"as Python writes it",
       R"({"auth": {"identity": {"methods": ["token"], "token": {"id": "t"}}, )"
       R"("scope": {"project": {"id": "p"}}}})"},
      {"in lines", "\r\n{\n\t\"auth\" : {\"identity\" : { \"methods\" : [ \"token\" ] ,\n"
                   "\"token\" : { \"id\" : \"t\" } } } }\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(told_plainly(row.body) != "not plain");
    CHECK(told_plainly(row.body) == told_generally(row.body));
  }
}

TEST_CASE("what is not a plain exchange of a token is left to the general reader") {
  const std::string one = R"("identity":{"methods":["token"],"token":{"id":"t"}})";
  const auto identity = [](const std::string& members) {
    return R"({"auth":{"identity":{)" + members + "}}}";
  };
  struct Row {
    std::string what, body;
  };
  const Row rows[] = {
      {"nothing", ""},
      {"no object", "[]"},
      {"no auth", "{}"},
      {"a password", identity(R"("methods":["password"],"password":{"user":{"id":"u"}})")},
      {"two methods", identity(R"("methods":["token","totp"],"token":{"id":"t"})")},
      {"no method", identity(R"("methods":[],"token":{"id":"t"})")},
      {"methods twice", identity(R"("methods":[],"methods":["token"],"token":{"id":"t"})")},
      {"the token twice", identity(R"("methods":["token"],"token":{},"token":{"id":"t"})")},
      {"its id twice", identity(R"("methods":["token"],"token":{"id":"s","id":"t"})")},
      {"no token", identity(R"("methods":["token"])")},
      {"an empty token", identity(R"("methods":["token"],"token":{"id":""})")},
      {"another member", identity(R"("methods":["token"],"token":{"id":"t"},"x":1)")},
      {"an escape", identity(R"("methods":["token"],"token":{"id":"\u0074"})")},
      {"an escaped name", identity(R"("m\u0065thods":["token"],"token":{"id":"t"})")},
      {"Korean", by_token(R"({"project":{"name":"프로젝트","domain":{"id":"default"}}})")},
      {"a control character", by_token("{\"project\":{\"id\":\"p\n\"}}")},
      {"auth twice", "{\"auth\":{" + one + "},\"auth\":{" + one + "}}"},
      {"identity twice", "{\"auth\":{" + one + "," + one + "}}"},
      {"a member beside auth", "{\"auth\":{" + one + "},\"x\":\"y\"}"},
      {"a member beside identity", "{\"auth\":{" + one + ",\"x\":\"y\"}}"},
      {"scope twice", "{\"auth\":{" + one + R"(,"scope":"unscoped","scope":"unscoped"}})"},
      {"two scopes", by_token(R"({"project":{"id":"p"},"domain":{"id":"d"}})")},
      {"no scope in it", by_token("{}")},
      {"another word", by_token(R"("all")")},
      {"null", by_token("null")},
      {"the system", by_token(R"({"system":{"all":true}})")},
      {"a trust", by_token(R"({"OS-TRUST:trust":{"id":"t"}})")},
      {"a project by nothing", by_token(R"({"project":{}})")},
      {"a project without a domain", by_token(R"({"project":{"name":"p"}})")},
      {"a domain of nothing", by_token(R"({"project":{"name":"p","domain":{}}})")},
      {"two domains", by_token(R"({"project":{"name":"p","domain":{"id":"d"},"domain":{}}})")},
      {"by id, with a domain", by_token(R"({"project":{"id":"p","domain":{"id":"d"}}})")},
      {"a comma too many", identity(R"("methods":["token",],"token":{"id":"t"})")},
      {"a comma too few", identity(R"("methods":["token"]"token":{"id":"t"})")},
      {"a comma first", identity(R"(,"methods":["token"],"token":{"id":"t"})")},
      {"no colon", identity(R"("methods"["token"],"token":{"id":"t"})")},
      {"something behind", by_token("") + "x"},
      {"a second body", by_token("") + by_token("")},
      {"a zero byte", by_token("") + std::string(1, '\0')},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(told_plainly(row.body) == "not plain");
  }
}

TEST_CASE("no body is read in place to another end, wherever it is cut or changed") {
  const std::string whole = by_token(R"({"project":{"name":"p","domain":{"id":"default"}}})");
  std::size_t read = 0;
  const auto compare = [&](const std::string& body) {
    const std::string plain = told_plainly(body);
    if (plain == "not plain") return;
    ++read;
    REQUIRE(plain == told_generally(body));
  };
  for (std::size_t at = 0; at < whole.size(); ++at) {
    CAPTURE(at);
    compare(whole.substr(0, at));
    compare(whole.substr(at));
    compare(whole.substr(0, at) + whole.substr(at + 1));
    for (const char* const with :
         {"\"", "\\", "{", "}", "[", "]", ",", ":", " ", "x", "\xff", "1"}) {
      compare(whole.substr(0, at) + with + whole.substr(at));
      compare(whole.substr(0, at) + with + whole.substr(at + 1));
    }
  }
  CHECK(read > 100);  // Blanks between words, other letters in them.
}
