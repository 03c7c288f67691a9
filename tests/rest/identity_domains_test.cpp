#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "rest/support.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace rest_test;
using Json = nlohmann::json;

namespace {

const std::string kDomainsV3 = "/identity/v3";

Answer ask_admin(Site& site, const std::string& method, const std::string& path,
                 const Json& body = nullptr) {
  return site.send(method, kDomainsV3 + path, body.is_null() ? "" : body.dump(), site.admin);
}

std::string new_domain(Site& site, const std::string& name) {
  const Answer answer = ask_admin(site, "POST", "/domains", {{"domain", {{"name", name}}}});
  REQUIRE(answer.status == 201);
  return answer.json()["domain"]["id"];
}

}  // namespace

TEST_CASE("a domain's configuration is made, replaced, read in parts, changed and deleted") {
  Site site;
  const std::string config = "/domains/" + new_domain(site, "d") + "/config";
  const Json first = {{"identity", {{"driver", "ldap"}}},
                      {"ldap", {{"url", "ldap://x/"}, {"pool_retry_delay", 0.5}}}};
  CHECK(ask_admin(site, "GET", config).status == 404);
  const Answer made = ask_admin(site, "PUT", config, {{"config", first}});
  CHECK(made.status == 201);
  CHECK(made.json()["config"] == first);
  CHECK(ask_admin(site, "PUT", config, {{"config", first}}).status == 200);
  CHECK(ask_admin(site, "HEAD", config).status == 200);
  CHECK(ask_admin(site, "GET", config + "/ldap").json() ==
        Json{{"config", {{"ldap", first["ldap"]}}}});
  CHECK(ask_admin(site, "GET", config + "/ldap/url").json() ==
        Json{{"config", {{"url", "ldap://x/"}}}});

  const Answer one =
      ask_admin(site, "PATCH", config + "/ldap/url", {{"config", {{"url", "ldap://y/"}}}});
  CHECK(one.status == 200);
  CHECK(one.json()["config"]["ldap"]["url"] == "ldap://y/");
  CHECK(one.json()["config"]["identity"] == first["identity"]);
  const Answer group = ask_admin(site, "PATCH", config + "/identity",
                                 {{"config", {{"identity", {{"list_limit", 3}}}}}});
  CHECK(group.json()["config"]["identity"] == Json{{"driver", "ldap"}, {"list_limit", 3}});
  const Answer secret =
      ask_admin(site, "PATCH", config, {{"config", {{"ldap", {{"password", "hush"}}}}}});
  CHECK(secret.status == 200);
  CHECK(secret.text.find("hush") == std::string::npos);
  CHECK(ask_admin(site, "GET", config).text.find("password") == std::string::npos);

  struct Row {
    std::string what, method, path;
    Json body;
    int status;
  };
  const Row rows[] = {
      {"another group", "GET", "/token", nullptr, 403},
      {"another option", "GET", "/ldap/colour", nullptr, 403},
      {"not set", "GET", "/ldap/user", nullptr, 404},
      {"not set, to change", "PATCH", "/ldap/user", {{"config", {{"user", "u"}}}}, 404},
      {"not set, to delete", "DELETE", "/ldap/user", nullptr, 404},
      {"another than the path's", "PATCH", "/ldap/url", {{"config", {{"user", "u"}}}}, 403},
      {"an unknown group", "PUT", "", {{"config", {{"token", {{"a", 1}}}}}}, 403},
      {"no object", "PUT", "", {{"config", {{"ldap", 1}}}}, 400},
      {"null", "PUT", "", {{"config", {{"ldap", {{"url", nullptr}}}}}}, 400},
      {"a number that is too large",
       "PUT",
       "",
       {{"config", {{"identity", {{"list_limit", UINT64_MAX}}}}}},
       400},
      {"no config", "PUT", "", {{"x", 1}}, 400},
      {"an option", "DELETE", "/identity/driver", nullptr, 204},
      {"a group", "DELETE", "/identity", nullptr, 204},
      {"all", "DELETE", "", nullptr, 204},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = ask_admin(site, row.method, config + row.path, row.body);
    INFO(answer.text);
    CHECK(answer.status == row.status);
  }
  CHECK(ask_admin(site, "GET", config).status == 404);
  CHECK(ask_admin(site, "GET", "/domains/nowhere/config").status == 404);
}

TEST_CASE("defaults of configurations and the rules for passwords are shown") {
  Site site;
  const Json all = ask_admin(site, "GET", "/domains/config/default").json()["config"];
  CHECK(all["identity"]["driver"] == "sql");
  CHECK(all["identity"]["list_limit"].is_null());
  CHECK(all["ldap"]["pool_retry_delay"] == 0.1);
  CHECK(all["ldap"]["user_attribute_ignore"] == Json{"default_project_id"});
  CHECK(ask_admin(site, "GET", "/domains/config/ldap/default").json()["config"]["ldap"] ==
        all["ldap"]);
  for (const auto& [name, value] : all["ldap"].items()) {
    CAPTURE_BOUND(name);
    CHECK(ask_admin(site, "GET", "/domains/config/ldap/" + name + "/default").json()["config"] ==
          Json{{name, value}});
  }
  CHECK(ask_admin(site, "GET", "/domains/config/ldap/password/default").status == 403);
  const std::string rules = "/domains/default/config/security_compliance";
  CHECK(ask_admin(site, "GET", rules).json()["config"]["security_compliance"].size() == 2);
  CHECK(ask_admin(site, "GET", rules + "/password_regex").json()["config"] ==
        Json{{"password_regex", nullptr}});
  CHECK(ask_admin(site, "GET", rules + "/lockout_duration").status == 403);
  CHECK(
      ask_admin(site, "PATCH", rules, {{"config", {{"security_compliance", {{"a", 1}}}}}}).status ==
      403);
}

TEST_CASE("a domain's list limit cuts lists of its users and groups, and no others") {
  Site site;
  const std::string domain = new_domain(site, "d");
  for (const std::string name : {"a", "b", "c"}) {
    REQUIRE(ask_admin(site, "POST", "/users", {{"user", {{"name", name}, {"domain_id", domain}}}})
                .status == 201);
    REQUIRE(ask_admin(site, "POST", "/groups", {{"group", {{"name", name}, {"domain_id", domain}}}})
                .status == 201);
  }
  REQUIRE(ask_admin(site, "PUT", "/domains/" + domain + "/config",
                    {{"config", {{"identity", {{"list_limit", 2}}}}}})
              .status == 201);
  for (const std::string many : {"users", "groups"}) {
    CAPTURE(many);
    const Json cut = ask_admin(site, "GET", "/" + many + "?domain_id=" + domain).json();
    CHECK(cut[many].size() == 2);
    CHECK(cut["truncated"] == true);
    CHECK(ask_admin(site, "GET", "/" + many).json()[many].size() >= 3);
  }
}

TEST_CASE("consumers: the secret is shown when they are made, and chosen by nobody") {
  Site site;
  const std::string path = "/OS-OAUTH1/consumers";
  const Answer made = ask_admin(site, "POST", path,
                                {{"consumer", {{"description", "printer"}, {"colour", "red"}}}});
  REQUIRE(made.status == 201);
  Json consumer = made.json()["consumer"];
  CHECK(consumer["secret"].get<std::string>().size() == 64);
  consumer.erase("secret");
  const std::string one = path + "/" + consumer["id"].get<std::string>();
  CHECK(consumer["links"]["self"].get<std::string>().ends_with(one));
  CHECK(ask_admin(site, "GET", one).json()["consumer"] == consumer);
  CHECK(ask_admin(site, "GET", path).json()["consumers"] == Json::array({consumer}));
  CHECK(ask_admin(site, "POST", path, {{"consumer", {{"description", nullptr}}}}).status == 201);
  CHECK(ask_admin(site, "POST", path, {{"consumer", {{"secret", "mine"}}}}).status == 400);
  CHECK(ask_admin(site, "PATCH", one, {{"consumer", {{"secret", "mine"}}}}).status == 400);
  CHECK(ask_admin(site, "PATCH", one, {{"consumer", {{"description", 1}}}}).status == 400);
  const Answer changed =
      ask_admin(site, "PATCH", one, {{"consumer", {{"description", "scanner"}}}});
  CHECK(changed.json()["consumer"]["description"] == "scanner");
  CHECK(changed.json()["consumer"]["colour"] == "red");
  CHECK(ask_admin(site, "DELETE", one).status == 204);
  for (const std::string method : {"GET", "DELETE"})
    CHECK(ask_admin(site, method, one).status == 404);
  CHECK(ask_admin(site, "PATCH", one, {{"consumer", {{"description", "x"}}}}).status == 404);
}
