#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

namespace {

const std::string kV3 = "/identity/v3";

json password_login(const json& user, const json& scope = nullptr) {
  json auth = {{"identity", {{"methods", {"password"}}, {"password", {{"user", user}}}}}};
  if (!scope.is_null()) auth["scope"] = scope;
  return {{"auth", auth}};
}
json admin_user() {
  return {{"name", "admin"}, {"domain", {{"id", "default"}}}, {"password", kAdminPassword}};
}
json admin_scope() {
  return {{"project", {{"name", "admin"}, {"domain", {{"name", "Default"}}}}}};
}

/// Creates by POST and returns the object; fails the test otherwise.
json created(Site& site, const std::string& path, const std::string& name, const json& body) {
  const Answer answer = site.post(kV3 + path, {{name, body}});
  INFO(answer.text);
  REQUIRE(answer.status == 201);
  return answer.json()[name];
}

std::vector<std::string> listed(const json& body, const std::string& plural,
                                const std::string& member = "name") {
  std::vector<std::string> found;
  REQUIRE(body.contains(plural));
  for (const json& item : body[plural]) found.push_back(item[member]);
  std::sort(found.begin(), found.end());
  return found;
}
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("identity: a login answers 201 with token, roles and catalog") {
  Site site;
  const Answer answer = site.send(
      "POST", kV3 + "/auth/tokens", password_login(admin_user(), admin_scope()).dump(), "");
  INFO(answer.text);
  REQUIRE(answer.status == 201);
  CHECK(answer.headers.get("X-Subject-Token").starts_with("gAAAA"));
  const json token = answer.json()["token"];
  CHECK(token["methods"] == json{"password"});
  CHECK(token["user"]["name"] == "admin");
  CHECK(token["user"]["domain"] == json{{"id", "default"}, {"name", "Default"}});
  CHECK(token["user"].contains("password_expires_at"));
  CHECK(token["project"]["name"] == "admin");
  CHECK(token["is_domain"] == false);
  CHECK(token["roles"].size() == 3);
  CHECK(token["audit_ids"].size() == 1);
  CHECK(token["expires_at"].get<std::string>().size() == 27);
  Texts types;
  for (const json& service : token["catalog"]) {
    types.push_back(service["type"]);
    CHECK(service["endpoints"].size() == 3);
    for (const json& endpoint : service["endpoints"]) {
      CHECK(endpoint["region_id"] == "RegionOne");
      CHECK(endpoint["region"] == "RegionOne");
    }
  }
  CHECK(types == Texts{"identity", "compute", "image", "network"});
}

TEST_CASE("identity: an unscoped login has neither roles nor catalog") {
  Site site;
  for (const json& scope : {json(nullptr), json("unscoped")}) {
    const Answer answer =
        site.send("POST", kV3 + "/auth/tokens", password_login(admin_user(), scope).dump(), "");
    REQUIRE(answer.status == 201);
    const json token = answer.json()["token"];
    for (const char* absent : {"project", "domain", "roles", "catalog"})
      CHECK_FALSE(token.contains(absent));
    const std::string text(answer.headers.get("X-Subject-Token"));
    CHECK(site.send("GET", kV3 + "/auth/catalog", "", text).status == 403);
    CHECK(listed(site.send("GET", kV3 + "/auth/projects", "", text).json(), "projects") ==
          Texts{"admin"});
    CHECK(listed(site.send("GET", kV3 + "/auth/domains", "", text).json(), "domains") ==
          Texts{"Default"});
  }
}

TEST_CASE("identity: options are an object wherever they are sent") {
  Site site;
  for (const char* plural : {"users", "projects", "roles"}) {
    const std::string one(plural, std::string_view(plural).size() - 1);
    const std::string path = std::string("/identity/v3/") + plural;
    const auto with = [&](const json& options) {
      return json{{one, {{"name", "x"}, {"options", options}}}}.dump();
    };
    CAPTURE(std::string(plural));
    for (const json& wrong : {json("text"), json(1), json::array(), json(true)})
      CHECK(site.send("POST", path, with(wrong), site.admin).status == 400);
    const auto made = site.send("POST", path, with(nullptr), site.admin);
    REQUIRE(made.status == 201);
    CHECK(made.json().at(one).at("options") == json::object());
    const std::string item = path + "/" + made.json().at(one).at("id").get<std::string>();
    CHECK(site.send("PATCH", item, with(7), site.admin).status == 400);
    // Users have options of their own.
    const bool is_user = one == "user";
    const char* known = is_user ? "lock_password" : "immutable";
    const char* foreign = is_user ? "immutable" : "lock_password";
    CHECK(site.send("PATCH", item, with({{known, false}}), site.admin).status == 200);
    if (is_user) CHECK(site.send("PATCH", item, with({{foreign, false}}), site.admin).status == 400);
  }
}

TEST_CASE("identity: logins that are wrong in shape are 400, wrong in fact 401") {
  Site site;
  struct Row {
    std::string what;
    json body;
    int status;
  };
  json wrong = admin_user(), nobody = admin_user(), no_domain = admin_user(), typed = admin_user();
  wrong["password"] = "wrong";
  nobody["name"] = "nobody";
  no_domain.erase("domain");
  typed["password"] = 5;
  json many = password_login(admin_user());
  for (int i = 0; i < 100; ++i) many["auth"]["identity"]["methods"].push_back("password");
  json twice = password_login(admin_user(), admin_scope());
  twice["auth"]["identity"]["methods"] = {"password", "password"};
  json huge = admin_user();
  huge["password"] = std::string(500'000, 'p');
  json methodless = password_login(admin_user());
  methodless["auth"]["identity"]["methods"] = json::array();
  json totp = password_login(admin_user());
  totp["auth"]["identity"]["methods"] = {"palm"};
  const Row rows[] = {
      {"empty object", json::object(), 400},
      {"not an object", json::array(), 400},
      {"no identity", {{"auth", json::object()}}, 400},
      {"no methods", methodless, 400},
      {"a hundred methods", many, 400},
      {"the same method twice", twice, 201},
      {"unknown method", totp, 401},
      {"method without its part", {{"auth", {{"identity", {{"methods", {"password"}}}}}}}, 400},
      {"name without domain", password_login(no_domain), 400},
      {"password is a number", password_login(typed), 400},
      {"wrong password", password_login(wrong), 401},
      {"unknown user", password_login(nobody), 401},
      {"half a megabyte of password", password_login(huge), 401},
      {"unknown project", password_login(admin_user(), {{"project", {{"id", "x"}}}}), 401},
      {"project by name without domain",
       password_login(admin_user(), {{"project", {{"name", "admin"}}}}), 400},
      {"two scopes",
       password_login(admin_user(), {{"project", {{"id", "x"}}}, {"domain", {{"id", "x"}}}}), 400},
      {"scope of nonsense", password_login(admin_user(), 5), 400},
      {"system scope", password_login(admin_user(), {{"system", {{"all", true}}}}), 201},
      {"some of the system", password_login(admin_user(), {{"system", {{"all", false}}}}), 400},
      {"nothing of the system", password_login(admin_user(), {{"system", json::object()}}), 400},
      {"a trust", password_login(admin_user(), {{"OS-TRUST:trust", {{"id", "x"}}}}), 404},
      {"a token that is none",
       {{"auth", {{"identity", {{"methods", {"token"}}, {"token", {{"id", "x"}}}}}}}}, 404},
      {"domain scope", password_login(admin_user(), {{"domain", {{"id", "default"}}}}), 201},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = site.send("POST", kV3 + "/auth/tokens", row.body.dump(), "");
    CAPTURE(answer.text.substr(0, 500));
    CHECK(answer.status == row.status);
    if (row.status < 300) continue;
    CHECK(answer.json()["error"]["code"] == row.status);
    CHECK(answer.json()["error"]["message"].get<std::string>().size() > 5);
    CHECK(answer.text.find(kAdminPassword) == std::string::npos);
  }
}

TEST_CASE("identity: tokens are shown, checked and ended by their owner or an admin") {
  Site site;
  const std::string una = site.add_user("una"), otto = site.add_user("otto");
  const auto ask = [&](const char* method, const std::string& by, const std::string& about,
                       const std::string& query = "") {
    return site.send(method, kV3 + "/auth/tokens" + query, "", by, {{"X-Subject-Token", about}});
  };
  struct Row {
    std::string what;
    const char* method;
    std::string by, about;
    int status;
  };
  const Row rows[] = {
      {"own", "GET", una, una, 200},
      {"own, head", "HEAD", una, una, 200},
      {"admin about una", "GET", site.admin, una, 200},
      {"una about otto", "GET", una, otto, 403},
      {"una ends otto", "DELETE", una, otto, 403},
      {"about garbage", "GET", site.admin, "garbage", 404},
      {"ends garbage", "DELETE", site.admin, "garbage", 404},
      {"about nothing", "GET", site.admin, "", 400},
      {"una ends her own", "DELETE", una, una, 204},
      {"then she is out", "GET", una, una, 401},
      {"and gone for admins", "GET", site.admin, una, 404},
      {"admin ends otto's", "DELETE", site.admin, otto, 204},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(ask(row.method, row.by, row.about).status == row.status);
  }
  CHECK(ask("GET", site.admin, site.admin).json()["token"].contains("catalog"));
  CHECK_FALSE(ask("GET", site.admin, site.admin, "?nocatalog").json()["token"].contains("catalog"));
}

TEST_CASE("identity: what test suites do to make and drop a user of their own") {
  Site site;
  const json project = created(site, "/projects", "project",
                               {{"name", "temp"}, {"description", "d"}, {"domain_id", "default"},
                                {"enabled", true}});
  CHECK(project["parent_id"] == "default");
  CHECK(project["is_domain"] == false);
  CHECK(project["tags"] == json::array());
  CHECK(project["options"] == json::object());
  const json user = created(site, "/users", "user",
                            {{"name", "temp-user"}, {"password", "temp-password"},
                             {"email", "temp@example.org"}, {"domain_id", "default"},
                             {"enabled", true}, {"default_project_id", project["id"]}});
  CHECK(user["email"] == "temp@example.org");
  CHECK(user["default_project_id"] == project["id"]);
  CHECK_FALSE(user.contains("password"));
  CHECK(user["links"]["self"] ==
        "http://cloud.test:5000/identity/v3/users/" + user["id"].get<std::string>());
  const json roles = site.get(kV3 + "/roles").json();
  CHECK(listed(roles, "roles") == Texts{"admin", "member", "reader"});
  std::string member;
  for (const json& role : roles["roles"])
    if (role["name"] == "member") member = role["id"];
  const std::string grant = kV3 + "/projects/" + project["id"].get<std::string>() + "/users/" +
                            user["id"].get<std::string>() + "/roles";
  CHECK(site.send("PUT", grant + "/" + member, "", site.admin).status == 204);
  CHECK(site.send("HEAD", grant + "/" + member, "", site.admin).status == 204);
  CHECK(listed(site.get(grant).json(), "roles") == Texts{"member"});
  const std::string token = site.login("temp-user", "temp-password", "temp");
  const std::string user_path = kV3 + "/users/" + user["id"].get<std::string>();
  CHECK(site.send("GET", user_path, "", token).status == 200);
  CHECK(listed(site.send("GET", user_path + "/projects", "", token).json(), "projects") ==
        Texts{"temp"});
  CHECK(site.send("GET", kV3 + "/users", "", token).status == 403);
  CHECK(site.send("PATCH", user_path, R"({"user":{"enabled":true}})", token).status == 403);
  CHECK(site.send("POST", user_path + "/password",
                  R"({"user":{"original_password":"wrong","password":"n"}})", token).status == 401);
  CHECK(site.send("POST", user_path + "/password",
                  R"({"user":{"original_password":"temp-password","password":"next"}})",
                  token).status == 204);
  CHECK(site.send("GET", user_path, "", token).status == 401);
  const std::string next = site.login("temp-user", "next", "temp");
  CHECK(site.send("DELETE", grant + "/" + member, "", site.admin).status == 204);
  CHECK(site.send("GET", user_path, "", next).status == 401);
  CHECK(site.send("HEAD", grant + "/" + member, "", site.admin).status == 404);
  CHECK(site.send("DELETE", user_path, "", site.admin).status == 204);
  CHECK(site.send("DELETE", kV3 + "/projects/" + project["id"].get<std::string>(), "", site.admin)
            .status == 204);
  CHECK(site.get(user_path).status == 404);
}

TEST_CASE("identity: every kind of thing is made, listed, shown, changed and removed alike") {
  Site site;
  const json service = created(site, "/services", "service", {{"type", "dns"}, {"name", "d"}});
  struct Row {
    const char* plural;
    const char* name;
    json make, change;
  };
  const Row rows[] = {
      {"domains", "domain", {{"name", "D"}, {"enabled", false}}, {{"description", "new"}}},
      {"projects", "project", {{"name", "P"}}, {{"name", "Q"}, {"enabled", false}}},
      {"users", "user", {{"name", "U"}}, {{"name", "V"}, {"email", "v@example.org"}}},
      {"groups", "group", {{"name", "G"}, {"description", "d"}}, {{"name", "H"}}},
      {"roles", "role", {{"name", "R"}}, {{"description", "what it is for"}}},
      {"regions", "region", {{"id", "East"}, {"description", "e"}},
       {{"parent_region_id", "RegionOne"}}},
      {"services", "service", {{"type", "x"}, {"name", "y"}}, {{"enabled", false}}},
      {"endpoints", "endpoint",
       {{"service_id", service["id"]}, {"interface", "public"}, {"url", "http://e/"},
        {"region", "Far"}},
       {{"url", "https://f/"}, {"interface", "admin"}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.plural);
    const std::string collection = std::string("/") + row.plural;
    const json made = created(site, collection, row.name, row.make);
    for (const auto& [key, value] : row.make.items()) CHECK(made[key] == value);
    const std::string path = kV3 + collection + "/" + made["id"].get<std::string>();
    CHECK(made["links"]["self"] == "http://cloud.test:5000" + path);
    CHECK(site.get(path).json()[row.name] == made);
    const json list = site.get(kV3 + collection).json();
    CHECK(list["links"]["self"] == "http://cloud.test:5000" + kV3 + collection);
    const auto ids = listed(list, row.plural, "id");
    CHECK(std::count(ids.begin(), ids.end(), made["id"].get<std::string>()) == 1);
    const Answer changed =
        site.send("PATCH", path, json{{row.name, row.change}}.dump(), site.admin);
    INFO(changed.text);
    REQUIRE(changed.status == 200);
    for (const auto& [key, value] : row.change.items())
      CHECK(changed.json()[row.name][key] == value);
    CHECK(site.get(path).json()[row.name] == changed.json()[row.name]);
    CHECK(site.send("PATCH", path, json{{row.name, {{"id", "another"}}}}.dump(), site.admin)
              .status == 400);
    CHECK(site.send("DELETE", path, "", site.admin).status == 204);
    for (const char* method : {"GET", "DELETE"})
      CHECK(site.send(method, path, "", site.admin).status == 404);
  }
}

TEST_CASE("identity: bodies that are wrong are refused with a reason and change nothing") {
  Site site;
  const auto revision = [&] { return site.get(kV3 + "/users").text; };
  const auto before = revision();
  struct Row {
    std::string what;
    std::string target, body;
    int status;
  };
  const std::string deep(100, '[');
  const Row rows[] = {
      {"no body", "/users", "", 400},
      {"not JSON", "/users", "{", 400},
      {"too deep", "/users", R"({"user":)" + deep, 400},
      {"wrong wrapper", "/users", R"({"project":{"name":"x"}})", 400},
      {"no name", "/users", R"({"user":{}})", 400},
      {"name is a number", "/users", R"({"user":{"name":1}})", 400},
      {"enabled is text", "/users", R"({"user":{"name":"x","enabled":"true"}})", 400},
      {"1 MB name", "/users", R"({"user":{"name":")" + std::string(900'000, 'x') + R"("}})", 400},
      {"unknown domain", "/users", R"({"user":{"name":"x","domain_id":"none"}})", 404},
      {"65 characters of project", "/projects",
       R"({"project":{"name":")" + std::string(65, 'x') + R"("}})", 400},
      {"same project twice", "/projects", R"({"project":{"name":"admin"}})", 409},
      {"65 characters of domain", "/domains",
       R"({"domain":{"name":")" + std::string(65, 'x') + R"("}})", 400},
      {"same role twice", "/roles", R"({"role":{"name":"ADMIN"}})", 409},
      {"role of no domain", "/roles", R"({"role":{"name":"r","domain_id":"none"}})", 404},
      {"endpoint of nothing", "/endpoints",
       R"({"endpoint":{"service_id":"x","interface":"public","url":"http://x"}})", 400},
      {"region without its parent", "/regions",
       R"({"region":{"id":"r","parent_region_id":"none"}})", 404},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = site.send("POST", kV3 + row.target, row.body, site.admin);
    CAPTURE(answer.text.substr(0, 300));
    CHECK(answer.status == row.status);
    CHECK(answer.json()["error"]["code"] == row.status);
  }
  CHECK(revision() == before);
}

TEST_CASE("identity: lists are narrowed by name, domain and state") {
  Site site;
  for (const char* name : {"ann", "anne", "Bea"}) created(site, "/users", "user", {{"name", name}});
  struct Row {
    const char* query;
    Texts names;
  };
  const Row rows[] = {
      {"?name=ann", {"ann"}},
      {"?name=none", {}},
      {"?name__startswith=ann", {"ann", "anne"}},
      {"?name__icontains=E", {"Bea", "anne"}},
      {"?domain_id=default&name__endswith=a", {"Bea"}},
      {"?domain_id=none", {}},
      {"?enabled=false", {}},
      {"?enabled=true", {"Bea", "admin", "ann", "anne"}},
      {"?unknown=filter", {"Bea", "admin", "ann", "anne"}},
      {"?limit=1", {"Bea"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.query);
    CHECK(listed(site.get(kV3 + "/users" + row.query).json(), "users") == row.names);
  }
}

TEST_CASE("identity: assignments are listed with filters, names and effects") {
  Site site;
  site.add_user("una");
  const std::string base = kV3 + "/role_assignments";
  const json all = site.get(base).json()["role_assignments"];
  CHECK(all.size() == 4);  // The admin's three and una's.
  const json users = site.get(kV3 + "/users?name=una").json()["users"];
  const std::string una = users[0]["id"];
  const json named = site.get(base + "?user.id=" + una + "&include_names").json();
  REQUIRE(named["role_assignments"].size() == 1);
  const json& one = named["role_assignments"][0];
  CHECK(one["user"]["name"] == "una");
  CHECK(one["user"]["domain"]["name"] == "Default");
  CHECK(one["role"]["name"] == "member");
  CHECK(one["scope"]["project"]["name"] == "una");
  CHECK(one["scope"]["project"]["domain"]["id"] == "default");
  CHECK(one["links"].contains("assignment"));
  CHECK(site.get(base + "?effective&user.id=" + una).json()["role_assignments"].size() == 2);
  const json system = site.get(base + "?scope.system=all&include_names").json();
  REQUIRE(system["role_assignments"].size() == 1);
  CHECK(system["role_assignments"][0]["scope"]["system"]["all"] == true);
  CHECK(system["role_assignments"][0]["user"]["name"] == "admin");
  CHECK(site.get(base + "?scope.OS-INHERIT:inherited_to=projects")
            .json()["role_assignments"].empty());
  CHECK(site.get(base + "?include_subtree=true").status == 400);
  CHECK(site.get(base + "?user.id=x&group.id=y").status == 400);
}

TEST_CASE("identity: groups, tags, implied roles and domains as projects answer in their shapes") {
  Site site;
  const json user = created(site, "/users", "user", {{"name", "una"}});
  const json group = created(site, "/groups", "group", {{"name", "crew"}});
  const std::string member = kV3 + "/groups/" + group["id"].get<std::string>() + "/users/" +
                             user["id"].get<std::string>();
  const json a = created(site, "/roles", "role", {{"name", "a"}});
  const json b = created(site, "/roles", "role", {{"name", "b"}});
  const std::string implies = kV3 + "/roles/" + a["id"].get<std::string>() + "/implies";
  const std::string rule = implies + "/" + b["id"].get<std::string>();
  const json project = created(site, "/projects", "project", {{"name", "p"}, {"tags", {"x"}}});
  const std::string tags = kV3 + "/projects/" + project["id"].get<std::string>() + "/tags";
  struct Row {
    const char* method;
    std::string target, body;
    int status;
  };
  const Row rows[] = {
      {"GET", member, "", 404},
      {"PUT", member, "", 204},
      {"HEAD", member, "", 204},
      {"GET", kV3 + "/users/" + user["id"].get<std::string>() + "/groups", "", 200},
      {"DELETE", member, "", 204},
      {"DELETE", member, "", 404},
      {"GET", rule, "", 404},
      {"PUT", rule, "", 201},
      {"HEAD", rule, "", 204},
      {"GET", rule, "", 200},
      {"GET", implies, "", 200},
      {"GET", kV3 + "/role_inferences", "", 200},
      {"DELETE", rule, "", 204},
      {"PUT", tags + "/y", "", 201},
      {"GET", tags + "/y", "", 204},
      {"GET", tags + "/z", "", 404},
      {"PUT", tags + "/a%2Cb", "", 400},
      {"PUT", tags, R"({"tags":["m","n"]})", 200},
      {"PUT", tags, R"({"tags":["m","m"]})", 400},
      {"DELETE", tags + "/m", "", 204},
      {"DELETE", tags, "", 204},
      {"PUT", kV3 + "/regions/South", R"({"region":{"description":"s"}})", 201},
      {"PUT", kV3 + "/regions/South", R"({"region":{}})", 409},
      {"PUT", kV3 + "/regions/West", R"({"region":{"id":"East"}})", 400},
      {"GET", kV3 + "/projects/default", "", 200},
      {"PATCH", kV3 + "/projects/default", R"({"project":{"description":"d"}})", 200},
      {"DELETE", kV3 + "/projects/default", "", 403},
      {"DELETE", kV3 + "/domains/default", "", 403},
      // Ids that read like words of the path are ids all the same.
      {"GET", kV3 + "/projects/groups/users/domains/roles/x", "", 404},
      {"PUT", kV3 + "/domains/v3/groups/users/roles/projects", "", 404},
      {"GET", "/v3/projects/v3/users/groups/roles", "", 404},
  };
  for (const Row& row : rows) {
    CAPTURE(row.method);
    CAPTURE(row.target);
    CHECK(site.send(row.method, row.target, row.body, site.admin).status == row.status);
  }
  const json domains = site.get(kV3 + "/projects?is_domain=true").json();
  CHECK(listed(domains, "projects") == Texts{"Default"});
  CHECK(domains["projects"][0]["is_domain"] == true);
}
