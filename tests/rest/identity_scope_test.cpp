#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using Json = nlohmann::json;

namespace {

const std::string kIdentity = "/identity/v3";

/// A token from a token.
Answer rescoped(Site& site, const std::string& token, const Json& scope) {
  Json auth = {{"identity", {{"methods", {"token"}}, {"token", {{"id", token}}}}}};
  if (!scope.is_null()) auth["scope"] = scope;
  return site.send("POST", kIdentity + "/auth/tokens", Json{{"auth", auth}}.dump(), "");
}

const Json kSystem = {{"system", {{"all", true}}}};
const Json kDefaultDomain = {{"domain", {{"id", "default"}}}};

std::string subject(const Answer& answer) {
  INFO(answer.text);
  REQUIRE(answer.status == 201);
  return std::string(answer.headers.get("X-Subject-Token"));
}

std::string id_of(Site& site, const std::string& plural, const std::string& name) {
  const Json found = site.get(kIdentity + "/" + plural + "?name=" + name).json()[plural];
  REQUIRE(found.size() == 1);
  return found[0]["id"];
}

}  // namespace

TEST_CASE("scopes: a system token says so, shows a catalog, and lists where one may go") {
  Site site;
  const Answer made = rescoped(site, site.admin, kSystem);
  const std::string token = subject(made);
  const Json body = made.json()["token"];
  CHECK(body["system"] == Json{{"all", true}});
  CHECK_FALSE(body.contains("project"));
  CHECK_FALSE(body.contains("domain"));
  CHECK(body["roles"].size() == 3);
  CHECK(body["catalog"].size() >= 4);
  CHECK(body["methods"] == Json{"password", "token"});
  const Answer shown = site.send("GET", kIdentity + "/auth/tokens", "", token,
                                 {{"X-Subject-Token", token}});
  REQUIRE(shown.status == 200);
  CHECK(shown.json()["token"] == body);
  const Answer bare = site.send("GET", kIdentity + "/auth/tokens?nocatalog", "", token,
                                {{"X-Subject-Token", token}});
  CHECK_FALSE(bare.json()["token"].contains("catalog"));
  const Json system = site.send("GET", kIdentity + "/auth/system", "", token).json();
  CHECK(system["system"] == Json::array({{{"all", true}}}));
  CHECK(system["links"].contains("self"));
  CHECK(site.send("GET", kIdentity + "/auth/domains", "", token).json()["domains"].size() == 1);
  CHECK(site.send("GET", kIdentity + "/auth/projects", "", token).json()["projects"].size() == 1);
  CHECK(site.send("GET", kIdentity + "/users", "", token).status == 200);
}

TEST_CASE("scopes: roles on the system are given, checked, listed and taken by user and group") {
  Site site;
  site.add_user("una");
  const std::string una = id_of(site, "users", "una"), reader = id_of(site, "roles", "reader");
  const Answer group = site.post(kIdentity + "/groups", {{"group", {{"name", "crew"}}}});
  REQUIRE(group.status == 201);
  const std::string crew = group.json()["group"]["id"];
  for (const std::string& actor : {"/system/users/" + una, "/system/groups/" + crew}) {
    CAPTURE(actor);
    const std::string roles = kIdentity + actor + "/roles", one = roles + "/" + reader;
    CHECK(site.get(roles).json()["roles"].empty());
    CHECK(site.get(one).status == 404);
    CHECK(site.send("PUT", one, "", site.admin).status == 204);
    CHECK(site.send("PUT", one, "", site.admin).status == 204);
    CHECK(site.get(one).status == 204);
    CHECK(site.send("HEAD", one, "", site.admin).status == 204);
    CHECK(site.get(roles).json()["roles"].size() == 1);
    CHECK(site.send("DELETE", one, "", site.admin).status == 204);
    CHECK(site.send("DELETE", one, "", site.admin).status == 404);
    CHECK(site.send("PUT", roles + "/nosuch", "", site.admin).status == 404);
  }
  CHECK(site.send("PUT", kIdentity + "/system/users/nobody/roles/" + reader, "", site.admin)
            .status == 404);
  const std::string member = site.login("una", "password of una", "una");
  CHECK(site.send("PUT", kIdentity + "/system/users/" + una + "/roles/" + reader, "", member)
            .status == 403);
  CHECK(rescoped(site, member, kSystem).status == 401);
  CHECK(site.send("GET", kIdentity + "/auth/system", "", member).json()["system"].empty());
}

TEST_CASE("scopes: what a token is for decides where it serves") {
  Site site;
  const std::string unscoped = subject(rescoped(site, site.admin, "unscoped"));
  const std::string domain = subject(rescoped(site, site.admin, kDefaultDomain));
  const std::string system = subject(rescoped(site, site.admin, kSystem));
  struct Row {
    std::string what, method, target, token;
    int status;
  };
  const Row rows[] = {
      {"unscoped: own projects", "GET", "/identity/v3/auth/projects", unscoped, 200},
      {"unscoped: users", "GET", "/identity/v3/users", unscoped, 403},
      {"unscoped: catalog", "GET", "/identity/v3/auth/catalog", unscoped, 403},
      {"unscoped: servers", "GET", "/compute/v2.1/servers", unscoped, 403},
      {"unscoped: images", "GET", "/image/v2/images", unscoped, 403},
      {"domain: users", "GET", "/identity/v3/users", domain, 200},
      {"domain: catalog", "GET", "/identity/v3/auth/catalog", domain, 200},
      {"domain: servers", "GET", "/compute/v2.1/servers", domain, 403},
      {"domain: hypervisors", "GET", "/compute/v2.1/os-hypervisors", domain, 403},
      {"system: hypervisors", "GET", "/compute/v2.1/os-hypervisors", system, 200},
      {"system: all servers", "GET", "/compute/v2.1/servers?all_tenants=1", system, 200},
      {"system: a network of no project", "POST", "/network/v2.0/networks", system, 403},
      {"project: servers", "GET", "/compute/v2.1/servers", site.admin, 200},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = site.send(row.method, row.target, "", row.token);
    CAPTURE(answer.text.substr(0, 300));
    CHECK(answer.status == row.status);
  }
}

TEST_CASE("scopes: assignments below a project are asked for with include_subtree") {
  Site site;
  site.add_user("una");
  const std::string top = id_of(site, "projects", "una"), una = id_of(site, "users", "una");
  const Answer made = site.post(
      kIdentity + "/projects", {{"project", {{"name", "below"}, {"parent_id", top}}}});
  REQUIRE(made.status == 201);
  const std::string below = made.json()["project"]["id"];
  REQUIRE(site.send("PUT", kIdentity + "/projects/" + below + "/users/" + una + "/roles/" +
                               id_of(site, "roles", "reader"), "", site.admin).status == 204);
  const std::string base = kIdentity + "/role_assignments?scope.project.id=" + top;
  CHECK(site.get(base).json()["role_assignments"].size() == 1);
  CHECK(site.get(base + "&include_subtree=true").json()["role_assignments"].size() == 2);
}

TEST_CASE("tokens: a header that says who calls may be there once only") {
  Site site;
  const std::string target = kIdentity + "/auth/tokens";
  const HeaderList same = {{"X-Subject-Token", site.admin}, {"x-auth-token", site.admin}};
  const Answer twice = site.send("GET", target, "", site.admin, same);
  CHECK(twice.status == 400);
  CHECK(twice.json()["error"]["message"].get<std::string>().find("X-Auth-Token") !=
        std::string::npos);
  CHECK(site.send("GET", "/compute/v2.1/servers", "", site.admin, {{"X-Auth-Token", "x"}}).status ==
        400);
  const HeaderList subjects = {{"X-Subject-Token", site.admin}, {"X-Subject-Token", "x"}};
  CHECK(site.send("GET", target, "", site.admin, subjects).status == 400);
  CHECK(site.send("DELETE", target, "", site.admin, subjects).status == 400);
  CHECK(site.get(kIdentity + "/users").status == 200);
}

TEST_CASE("tokens: caches are told that a reply hangs on the token, and clients where to log in") {
  Site site;
  for (const std::string& token : {site.admin, std::string(), std::string("x")}) {
    const Answer answer = site.send("GET", kIdentity + "/users", "", token);
    CHECK(answer.headers.get("Vary") == "X-Auth-Token");
    CHECK(answer.headers.count("Vary") == 1);
    CHECK(answer.headers.has("WWW-Authenticate") == (answer.status == 401));
  }
  const Answer made = rescoped(site, site.admin, nullptr);
  CHECK(made.headers.count("Vary") == 1);
  CHECK(made.headers.count("X-Subject-Token") == 1);
}

TEST_CASE("tokens: a reply shows the catalog and the names of now, never of an earlier look") {
  Site site;
  const auto shown = [&] {
    return site.send("GET", kIdentity + "/auth/tokens", "", site.admin,
                     {{"X-Subject-Token", site.admin}}).json()["token"];
  };
  const Json before = shown();
  CHECK(shown() == before);
  const Answer made = site.post(kIdentity + "/services", {{"service", {{"type", "zebra"}}}});
  REQUIRE(made.status == 201);
  CHECK(shown()["catalog"].size() == before["catalog"].size() + 1);
  const std::string service = kIdentity + "/services/" +
                              made.json()["service"]["id"].get<std::string>();
  REQUIRE(site.send("DELETE", service, "", site.admin).status == 204);
  CHECK(shown() == before);
  const std::string admin = id_of(site, "projects", "admin");
  REQUIRE(site.send("PATCH", kIdentity + "/projects/" + admin,
                    R"({"project": {"name": "renamed"}})", site.admin).status == 200);
  CHECK(shown()["project"]["name"] == "renamed");
}

TEST_CASE("token keys are told without the keys, rotated by admins, and tokens live on") {
  Site site;
  const std::string keys = kIdentity + "/OS-CLOUDOS/token_keys";
  const Json before = site.get(keys).json()["token_keys"];
  REQUIRE(before.size() == 2);
  CHECK(before[0]["role"] == "primary");
  CHECK(before[1]["role"] == "staged");
  CHECK(before[0]["until"].is_null());
  CHECK(before[0]["id"].get<std::string>().size() == 8);
  const Answer rotated = site.send("POST", keys, "", site.admin);
  CHECK(rotated.status == 201);
  const Json after = rotated.json()["token_keys"];
  REQUIRE(after.size() == 3);
  CHECK(after[0]["id"] == before[1]["id"]);
  CHECK(after[2]["id"] == before[0]["id"]);
  CHECK(after[2]["until"].is_string());
  CHECK(site.get(kIdentity + "/users").status == 200);
  const std::string member = site.add_user("una");
  CHECK(site.send("GET", keys, "", member).status == 403);
  CHECK(site.send("POST", keys, "", member).status == 403);
}

TEST_CASE("policy: rules given to the cloud hold for requests at once, bad ones leave the old") {
  Options options;
  options.policy = "identity:list_users: role:helper or rule:admin_required\n";
  Site site(options);
  CHECK(site.post(kIdentity + "/roles", {{"role", {{"name", "helper"}}}}).status == 201);
  const std::string helper = site.add_user("hilda", "helper"), member = site.add_user("una");
  const auto users = [&](const std::string& token) {
    return site.send("GET", kIdentity + "/users", "", token).status;
  };
  CHECK(users(helper) == 200);
  CHECK(users(member) == 403);
  CHECK(users(site.admin) == 200);
  auto& identity = site.cloud->identity();
  CHECK_FALSE(identity.set_policy("identity:list_users: rule:nosuch"));
  CHECK(users(helper) == 200);
  REQUIRE(identity.set_policy("identity:list_users: \"!\""));
  CHECK(users(site.admin) == 403);
  REQUIRE(identity.set_policy("os_compute_api:servers:detail: role:helper"));
  CHECK(users(site.admin) == 200);
  CHECK(site.send("GET", "/compute/v2.1/servers/detail", "", member).status == 403);
  CHECK(site.send("GET", "/compute/v2.1/servers/detail", "", helper).status == 200);
  options.policy = "identity:list_users: nonsense";
  CHECK(Cloud::open(options).error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("credential keys are told without the keys, and rotated by admins") {
  Site site;
  const std::string keys = kIdentity + "/OS-CLOUDOS/credential_keys";
  const Json before = site.get(keys).json()["credential_keys"];
  REQUIRE(before.size() == 1);
  CHECK(before[0]["role"] == "primary");
  CHECK(before[0]["secrets"] == 0);
  CHECK(before[0].size() == 3);
  const Answer rotated = site.send("POST", keys, "", site.admin);
  CHECK(rotated.status == 201);
  const Json after = rotated.json()["credential_keys"];
  REQUIRE(after.size() == 2);
  CHECK(after[0]["id"] != before[0]["id"]);
  CHECK(after[1]["id"] == before[0]["id"]);
  const std::string member = site.add_user("una");
  CHECK(site.send("GET", keys, "", member).status == 403);
  CHECK(site.send("POST", keys, "", member).status == 403);
}
