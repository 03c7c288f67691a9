#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "rest/access_rules.hpp"
#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using Json = nlohmann::json;

namespace {

const std::string kDelegV3 = "/identity/v3";

using Person = Site::Person;

Json password_login(const std::string& name, const Json& scope) {
  Json user = {
      {"name", name}, {"domain", {{"id", "default"}}}, {"password", "password of " + name}};
  Json auth = {{"identity", {{"methods", {"password"}}, {"password", {{"user", user}}}}}};
  if (!scope.is_null()) auth["scope"] = scope;
  return {{"auth", auth}};
}

Answer log_in(Site& site, const Json& body, const HeaderList& headers = {}) {
  return site.send("POST", kDelegV3 + "/auth/tokens", body.dump(), "", headers);
}

Json trust_spec(const Person& trustor, const Person& trustee) {
  return {{"trustor_user_id", trustor.id},
          {"trustee_user_id", trustee.id},
          {"project_id", trustor.project},
          {"impersonation", false},
          {"roles", Json::array({{{"name", "member"}}})}};
}

}  // namespace

TEST_CASE("trusts over REST: made, used, listed, shown with roles, deleted") {
  Site site;
  const Person tina = site.person("tina"), theo = site.person("theo"), zoe = site.person("zoe");
  const std::string trusts = kDelegV3 + "/OS-TRUST/trusts";
  Json spec = trust_spec(tina, theo);
  spec["expires_at"] = "2999-01-02T03:04:05Z";
  spec["remaining_uses"] = 3;
  const Answer made = site.send("POST", trusts, Json{{"trust", spec}}.dump(), tina.token);
  INFO(made.text);
  REQUIRE(made.status == 201);
  const Json trust = made.json()["trust"];
  CHECK(trust["expires_at"] == "2999-01-02T03:04:05.000000Z");
  CHECK(trust["remaining_uses"] == 3);
  CHECK(trust["redelegation_count"] == 0);
  CHECK(trust["deleted_at"].is_null());
  CHECK(trust["roles"].size() == 1);
  CHECK(trust["roles"][0]["name"] == "member");
  const std::string id = trust["id"], one = trusts + "/" + id;
  CHECK(trust["links"]["self"] == "http://cloud.test:5000/identity/v3/OS-TRUST/trusts/" + id);
  const Answer token = log_in(site, password_login("theo", {{"OS-TRUST:trust", {{"id", id}}}}));
  REQUIRE(token.status == 201);
  const Json said = token.json()["token"]["OS-TRUST:trust"];
  CHECK(said["id"] == id);
  CHECK(said["trustor_user"]["id"] == tina.id);
  CHECK(said["trustee_user"]["id"] == theo.id);
  CHECK(said["impersonation"] == false);
  CHECK(token.json()["token"]["project"]["id"] == tina.project);
  CHECK(site.send("GET", one, "", tina.token).json()["trust"]["remaining_uses"] == 2);
  CHECK(site.send("HEAD", one, "", theo.token).status == 200);
  CHECK(site.send("GET", one, "", zoe.token).status == 404);
  const std::string member = trust["roles"][0]["id"];
  CHECK(site.send("GET", one + "/roles", "", theo.token).json()["roles"].size() == 1);
  CHECK(site.send("GET", one + "/roles/" + member, "", theo.token).json()["role"]["name"] ==
        "member");
  CHECK(site.send("HEAD", one + "/roles/" + member, "", theo.token).status == 200);
  CHECK(site.send("GET", one + "/roles/0123", "", theo.token).status == 404);
  CHECK(site.send("GET", trusts, "", tina.token).status == 403);
  CHECK(site.get(trusts).json()["trusts"].size() == 1);
  const std::string of_tina = trusts + "?trustor_user_id=" + tina.id;
  CHECK(site.send("GET", of_tina, "", tina.token).json()["trusts"].size() == 1);
  CHECK_FALSE(site.send("GET", of_tina, "", tina.token).json()["trusts"][0].contains("roles"));
  CHECK(site.send("GET", of_tina, "", theo.token).status == 403);
  CHECK(site.send("GET", trusts + "?trustee_user_id=" + theo.id, "", theo.token)
            .json()["trusts"]
            .size() == 1);
  CHECK(site.send("DELETE", one, "", theo.token).status == 403);
  CHECK(site.send("DELETE", one, "", zoe.token).status == 404);
  CHECK(site.send("DELETE", one, "", tina.token).status == 204);
  CHECK(site.send("GET", one, "", tina.token).status == 404);
  const std::string text(token.headers.get("X-Subject-Token"));
  CHECK(site.send("GET", kDelegV3 + "/auth/projects", "", text).status == 401);
  CHECK(log_in(site, password_login("theo", {{"OS-TRUST:trust", {{"id", id}}}})).status == 404);
}

TEST_CASE("trusts over REST: what is not a trust is refused") {
  Site site;
  const Person tina = site.person("tina"), theo = site.person("theo");
  struct Row {
    std::string what;
    std::function<void(Json&)> change;
    int status;
  };
  const Row rows[] = {
      {"another's", [&](Json& t) { t["trustor_user_id"] = theo.id; }, 403},
      {"no impersonation said", [&](Json& t) { t.erase("impersonation"); }, 400},
      {"impersonation as text", [&](Json& t) { t["impersonation"] = "yes"; }, 400},
      {"no such time", [&](Json& t) { t["expires_at"] = "bad.123Z"; }, 400},
      {"a time that has passed", [&](Json& t) { t["expires_at"] = "1970-01-01T00:00:00Z"; }, 400},
      {"no uses", [&](Json& t) { t["remaining_uses"] = 0; }, 400},
      {"uses as text", [&](Json& t) { t["remaining_uses"] = "2"; }, 400},
      {"roles as text", [&](Json& t) { t["roles"] = "member"; }, 400},
      {"a role without a name", [&](Json& t) { t["roles"] = Json::array({Json::object()}); }, 400},
      {"no roles", [&](Json& t) { t["roles"] = Json::array(); }, 403},
      {"a role not held", [&](Json& t) { t["roles"][0]["name"] = "admin"; }, 403},
      {"an unknown trustee", [&](Json& t) { t["trustee_user_id"] = "0123"; }, 404},
      {"too many steps",
       [&](Json& t) {
         t["allow_redelegation"] = true;
         t["redelegation_count"] = 100;
       },
       403},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Json spec = trust_spec(tina, theo);
    row.change(spec);
    const Answer answer =
        site.send("POST", kDelegV3 + "/OS-TRUST/trusts", Json{{"trust", spec}}.dump(), tina.token);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
  }
}

TEST_CASE("application credentials over REST: made, used, shown without the secret, deleted") {
  Site site;
  const Person una = site.person("una"), theo = site.person("theo");
  const std::string mine = kDelegV3 + "/users/" + una.id + "/application_credentials";
  const Json spec = {{"name", "backup"},
                     {"description", "nightly"},
                     {"expires_at", "2999-01-02T03:04:05.678901"},
                     {"roles", Json::array({{{"name", "reader"}}})}};
  const Answer made =
      site.send("POST", mine, Json{{"application_credential", spec}}.dump(), una.token);
  INFO(made.text);
  REQUIRE(made.status == 201);
  const Json credential = made.json()["application_credential"];
  const std::string id = credential["id"], secret = credential["secret"];
  CHECK(credential["expires_at"] == "2999-01-02T03:04:05.678901");
  CHECK(credential["project_id"] == una.project);
  CHECK(credential["unrestricted"] == false);
  CHECK(credential["links"]["self"] == "http://cloud.test:5000" + mine + "/" + id);
  CHECK_FALSE(credential.contains("access_rules"));
  const Answer shown = site.send("GET", mine + "/" + id, "", una.token);
  CHECK(shown.json()["application_credential"]["name"] == "backup");
  CHECK(shown.text.find(secret) == std::string::npos);
  CHECK(site.send("GET", mine + "?name=backup", "", una.token)
            .json()["application_credentials"]
            .size() == 1);
  CHECK(site.send("GET", mine + "?name=other", "", una.token)
            .json()["application_credentials"]
            .empty());
  const Answer token = site.log_in_by_credential(id, secret);
  INFO(token.text);
  REQUIRE(token.status == 201);
  const Json body = token.json()["token"];
  CHECK(body["methods"] == Json{"application_credential"});
  CHECK(body["application_credential"]["id"] == id);
  CHECK(body["application_credential"]["restricted"] == true);
  CHECK(body["roles"].size() == 1);
  const std::string text(token.headers.get("X-Subject-Token"));
  CHECK(site.send("GET", mine, "", text).status == 200);
  const Json other = {{"application_credential", {{"name", "other"}}}};
  CHECK(site.send("POST", mine, other.dump(), text).status == 403);
  CHECK(site.send("DELETE", mine + "/" + id, "", text).status == 403);
  CHECK(site.send("POST", kDelegV3 + "/OS-TRUST/trusts",
                  Json{{"trust", trust_spec(una, theo)}}.dump(), text)
            .status == 403);
  CHECK(site.send("POST", mine, Json{{"application_credential", spec}}.dump(), una.token).status ==
        409);
  CHECK(site.send("GET", mine, "", theo.token).status == 403);
  CHECK(site.send("POST", mine, other.dump(), theo.token).status == 403);
  CHECK(site.log_in_by_credential(id, "wrong").status == 401);
  CHECK(site.send("DELETE", mine + "/" + id, "", una.token).status == 204);
  CHECK(site.send("GET", mine, "", text).status == 401);
  CHECK(site.log_in_by_credential(id, secret).status == 401);
  CHECK(site.send("GET", mine + "/" + id, "", una.token).status == 404);
}

TEST_CASE("access rules are enforced for every service, and nothing else is let through") {
  Site site;
  const Person una = site.person("una");
  const std::string mine = kDelegV3 + "/users/" + una.id;
  const Json rules = Json::array({
      {{"service", "compute"}, {"method", "GET"}, {"path", "/v2.1/flavors/{flavor_id}"}},
      {{"service", "compute"}, {"method", "GET"}, {"path", "/v2.1/servers"}},
      {{"service", "image"}, {"method", "GET"}, {"path", "/v2/**"}},
      {{"service", "identity"}, {"method", "GET"}, {"path", "/v3/users/*/access_rules"}},
  });
  const Json spec = {{"name", "ruled"}, {"access_rules", rules}};
  const Answer made = site.send("POST", mine + "/application_credentials",
                                Json{{"application_credential", spec}}.dump(), una.token);
  INFO(made.text);
  REQUIRE(made.status == 201);
  const Json credential = made.json()["application_credential"];
  REQUIRE(credential["access_rules"].size() == 4);
  const Answer login = site.log_in_by_credential(credential["id"], credential["secret"]);
  REQUIRE(login.status == 201);
  CHECK(login.json()["token"]["application_credential"]["access_rules"].size() == 4);
  const std::string token(login.headers.get("X-Subject-Token"));
  struct Row {
    std::string method, target;
    bool allowed;
  };
  const Row rows[] = {
      {"GET", "/compute/v2.1/servers", true},
      {"GET", "/compute/v2.1/servers?limit=1", true},
      {"GET", "/compute/v2.1/servers/", true},
      {"GET", "/compute/v2.1/servers/detail", false},
      {"POST", "/compute/v2.1/servers", false},
      {"GET", "/compute/v2.1/flavors", false},
      {"GET", "/compute/v2.1/flavors/", false},
      {"GET", "/compute/v2.1/flavors/some", true},
      {"GET", "/compute/v2.1/flavors/some/os-extra_specs", false},
      {"GET", "/image/v2/images", true},
      {"GET", "/image/v2/images/some/members", true},
      {"POST", "/image/v2/images", false},
      {"GET", "/network/v2.0/networks", false},
      {"GET", "/v3/users/" + una.id + "/access_rules", true},
      {"GET", "/identity/v3/users/" + una.id + "/access_rules", true},
      {"GET", "/identity/v3/auth/projects", false},
      {"GET", "/tasks/v1/tasks", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.method + " " + row.target);
    const Answer answer = site.send(row.method, row.target, "", token);
    const bool refused =
        answer.status == 403 && answer.text.find("access rules") != std::string::npos;
    CHECK(refused != row.allowed);
    CHECK(answer.status != 401);
  }
  const std::string rule = credential["access_rules"][0]["id"];
  const std::string one = mine + "/access_rules/" + rule;
  CHECK(site.send("GET", one, "", una.token).json()["access_rule"]["service"] == "compute");
  CHECK(site.send("DELETE", one, "", una.token).status == 403);
  const std::string id = credential["id"];
  CHECK(site.send("DELETE", mine + "/application_credentials/" + id, "", una.token).status == 204);
  CHECK(site.send("GET", mine + "/access_rules", "", una.token).json()["access_rules"].size() == 4);
  CHECK(site.send("DELETE", one, "", una.token).status == 204);
  CHECK(site.send("GET", one, "", una.token).status == 404);
}

TEST_CASE("paths of access rules match whole paths by their wildcards") {
  struct Row {
    std::string pattern, path;
    bool matches;
  };
  const Row rows[] = {
      {"/v2.1/servers", "/v2.1/servers", true},
      {"/v2.1/servers", "/v2.1/servers/x", false},
      {"/v2.1/servers", "/v2.1/server", false},
      {"/v2.1/servers/*", "/v2.1/servers/x", true},
      {"/v2.1/servers/*", "/v2.1/servers", false},
      {"/v2.1/servers/*", "/v2.1/servers/x/ips", false},
      {"/v2.1/servers/*/ips", "/v2.1/servers/x/ips", true},
      {"/v2.1/servers/*/ips", "/v2.1/servers/x/y/ips", false},
      {"/v2.1/**", "/v2.1/servers/x/ips", true},
      {"/v2.1/**/ips", "/v2.1/servers/x/ips", true},
      {"/v2.1/**/ips", "/v2.1/servers/x/metadata", false},
      {"**", "/anything/at/all", true},
      {"/v2.1/{kind}/{id}", "/v2.1/servers/x", true},
      {"/v2.1/{kind}/{id}", "/v2.1/servers/", false},
      {"/v2.1/s{rest}", "/v2.1/servers", true},
      {"/v2.1/s*s", "/v2.1/servers", true},
      {"/v2.1/.*", "/v2.1/servers", false},
      {"", "", true},
      {"*", "", true},
      {"{a}", "", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.pattern);
    CAPTURE(row.path);
    CHECK(rest::path_matches(row.pattern, row.path) == row.matches);
  }
  // No pattern makes it slow.
  CHECK_FALSE(rest::path_matches("/" + std::string(60, '*') + "x", "/" + std::string(8'000, 'a')));
}

TEST_CASE("headers that a client forges say nothing about who it is") {
  Site site;
  const Person una = site.person("una");
  const HeaderList forged = {
      {"X-Roles", "admin"},
      {"X-Role", "admin"},
      {"X-User-Id", "0123"},
      {"X-User", "admin"},
      {"X-Project-Id", "0123"},
      {"X-Is-Admin-Project", "True"},
      {"X-Identity-Status", "Confirmed"},
      {"REMOTE_USER", "admin"},
      {"Remote-User", "admin"},
      {"X-Remote-User", "admin"},
      {"X-Tenant-Id", "0123"},
      {"X-Domain-Id", "default"},
      {"OpenStack-System-Scope", "all"},
      {"X-Forwarded-User", "admin"},
  };
  CHECK(site.send("GET", kDelegV3 + "/users", "", "", forged).status == 401);
  CHECK(site.send("GET", kDelegV3 + "/users", "", una.token, forged).status == 403);
  const Answer own = site.send("GET", kDelegV3 + "/auth/tokens", "", una.token,
                               {{"X-Subject-Token", una.token}, {"X-Roles", "admin"}});
  REQUIRE(own.status == 200);
  const Json told = own.json();
  for (const Json& role : told["token"]["roles"]) CHECK(role["name"] != "admin");
  const Json external = {
      {"auth", {{"identity", {{"methods", {"external"}}, {"external", Json::object()}}}}}};
  const Answer refused = log_in(site, external, forged);
  CHECK(refused.status == 401);
  CHECK(refused.headers.get("WWW-Authenticate") ==
        "Keystone uri=\"http://cloud.test:5000/identity/v3\"");
}

TEST_CASE("method external is whom the host program vouches for") {
  Site site;
  const Person una = site.person("una");
  const Json scope = {{"project", {{"id", una.project}}}};
  const std::string body =
      Json{{"auth", {{"identity", {{"methods", {"external"}}}}, {"scope", scope}}}}.dump();
  TextSource source(body);
  rest::Request request;
  request.method = "POST";
  request.target = kDelegV3 + "/auth/tokens";
  request.base_url = "http://cloud.test:5000";
  request.headers.add("Content-Type", "application/json");
  request.body = &source;
  Context caller;
  caller.user = UserId{una.id};
  request.caller = caller;
  const auto response = site.router->handle(request);
  CHECK(response.status == 201);
  const Json token = Json::parse(std::get<std::string>(response.body))["token"];
  CHECK(token["methods"] == Json{"external"});
  CHECK(token["user"]["id"] == una.id);
  CHECK(token["project"]["id"] == una.project);
}

TEST_CASE("tokens end alone or with all that go back to one login, as events that are shown") {
  Site site;
  const Person una = site.person("una");
  const auto rescope = [&](const std::string& token) {
    const Json auth = {{"identity", {{"methods", {"token"}}, {"token", {{"id", token}}}}},
                       {"scope", {{"project", {{"id", una.project}}}}}};
    const Answer made = log_in(site, {{"auth", auth}});
    REQUIRE(made.status == 201);
    return std::string(made.headers.get("X-Subject-Token"));
  };
  const auto holds = [&](const std::string& token) {
    return site.send("GET", kDelegV3 + "/auth/projects", "", token).status == 200;
  };
  const std::string second = rescope(una.token), third = rescope(second);
  const std::string mine = site.login("una", "password of una", "una");
  CHECK(site.send("DELETE", kDelegV3 + "/auth/tokens", "", second, {{"X-Subject-Token", second}})
            .status == 204);
  CHECK_FALSE(holds(second));
  CHECK(holds(una.token));
  CHECK(holds(third));
  site.clock->advance(std::chrono::seconds(2));
  const std::string later = format_time(site.clock->wall());
  CHECK(
      site.send("DELETE", kDelegV3 + "/auth/tokens?chain", "", third, {{"X-Subject-Token", third}})
          .status == 204);
  CHECK_FALSE(holds(third));
  CHECK_FALSE(holds(una.token));
  CHECK(holds(mine));  // Another login.
  const std::string events = kDelegV3 + "/OS-REVOKE/events";
  CHECK(site.send("GET", events, "", mine).status == 403);
  const Json all = site.get(events).json()["events"];
  REQUIRE(all.size() == 2);
  CHECK(all[0].contains("audit_id"));
  CHECK(all[1].contains("audit_chain_id"));
  CHECK(all[1].contains("issued_before"));
  CHECK(site.get(events + "?since=" + later).json()["events"].size() == 1);
  CHECK(site.get(events + "?since=yesterday").status == 400);
  CHECK(site.send("DELETE", kDelegV3 + "/auth/tokens", "", mine, {{"X-Subject-Token", site.admin}})
            .status == 403);
}

TEST_CASE("an expired token is shown to services that ask for it, for a while") {
  Site site;
  const Person una = site.person("una");
  const auto roles = site.post(kDelegV3 + "/roles", {{"role", {{"name", "service"}}}});
  REQUIRE((roles.status == 201 || roles.status == 409));
  const std::string service = site.add_user("nova", "service");
  const std::string shown = kDelegV3 + "/auth/tokens", expired = shown + "?allow_expired=1";
  const HeaderList subject = {{"X-Subject-Token", una.token}};
  CHECK(site.send("GET", shown, "", service, subject).status == 200);
  CHECK(site.send("GET", expired, "", una.token, subject).status == 403);
  site.clock->advance(std::chrono::minutes(61));
  const std::string again = site.login("nova", "password of nova", "nova");
  CHECK(site.send("GET", shown, "", again, subject).status == 404);
  CHECK(site.send("GET", expired, "", again, subject).status == 200);
  CHECK(site.send("GET", expired, "", una.token, subject).status == 401);
  // What ends a token ends it there too.
  IdentityUpdate with;
  with.enabled = false;
  REQUIRE(site.cloud->identity().update_user(Context::system(), UserId{una.id}, with));
  CHECK(site.send("GET", expired, "", again, subject).status == 404);
}

TEST_CASE("a token that was just made is not read from the store again, and says the same") {
  Site site;
  const Person una = site.person("una");
  const Json scope = {{"project", {{"id", una.project}}}};
  const Answer made = log_in(site, password_login("una", scope));
  REQUIRE(made.status == 201);
  const std::string token(made.headers.get("X-Subject-Token"));
  const Answer shown =
      site.send("GET", kDelegV3 + "/auth/tokens", "", token, {{"X-Subject-Token", token}});
  CHECK(shown.text == made.text);
  const Answer bare = site.send("GET", kDelegV3 + "/auth/tokens?nocatalog", "", token,
                                {{"X-Subject-Token", token}});
  CHECK_FALSE(bare.json()["token"].contains("catalog"));
  const Answer head =
      site.send("HEAD", kDelegV3 + "/auth/tokens", "", token, {{"X-Subject-Token", token}});
  CHECK(head.status == 200);
}
