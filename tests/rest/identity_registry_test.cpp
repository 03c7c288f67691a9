#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using Json = nlohmann::json;

namespace {

const std::string kBase = "/identity/v3";

Json make(Site& site, const std::string& path, const std::string& one, const Json& body) {
  const Answer answer = site.post(kBase + path, {{one, body}});
  INFO(path << " " << answer.text);
  REQUIRE(answer.status == 201);
  return answer.json()[one];
}

std::string id_by_name(Site& site, const std::string& plural, const std::string& name) {
  const Json found = site.get(kBase + "/" + plural + "?name=" + name).json()[plural];
  REQUIRE(found.size() == 1);
  return found[0]["id"];
}

int status(Site& site, const std::string& method, const std::string& path) {
  return site.send(method, kBase + path, "", site.admin).status;
}

}  // namespace

TEST_CASE("projects show their tree as ids and as lists, each when it is asked for") {
  Site site;
  const std::string top = make(site, "/projects", "project", {{"name", "top"}})["id"];
  const std::string middle =
      make(site, "/projects", "project", {{"name", "middle"}, {"parent_id", top}})["id"];
  const std::string leaf =
      make(site, "/projects", "project", {{"name", "leaf"}, {"parent_id", middle}})["id"];
  const auto show = [&](const std::string& id, const std::string& query) {
    return site.get(kBase + "/projects/" + id + query).json()["project"];
  };
  CHECK_FALSE(show(leaf, "").contains("parents"));
  CHECK(show(leaf, "?parents_as_ids")["parents"] ==
        Json{{middle, {{top, {{"default", nullptr}}}}}});
  CHECK(show(top, "?parents_as_ids")["parents"] == Json{{"default", nullptr}});
  CHECK(show(top, "?subtree_as_ids")["subtree"] == Json{{middle, {{leaf, nullptr}}}});
  CHECK(show(leaf, "?subtree_as_ids")["subtree"].is_null());
  const Json parents = show(leaf, "?parents_as_list")["parents"];
  REQUIRE(parents.size() == 2);
  CHECK(parents[0]["project"]["id"] == middle);
  CHECK(parents[1]["project"]["id"] == top);
  CHECK(show(top, "?subtree_as_list")["subtree"].size() == 2);
  CHECK(site.get(kBase + "/projects/" + leaf + "?parents_as_list&parents_as_ids").status == 400);
  CHECK(site.get(kBase + "/projects/" + top + "?subtree_as_list&subtree_as_ids").status == 400);
}

TEST_CASE("options: immutable is set, shown, kept, and unset by itself") {
  Site site;
  struct Row {
    std::string what, plural, one;
    Json body;
  };
  const Row rows[] = {
      {"role", "/roles", "role", {{"name", "kept"}}},
      {"project", "/projects", "project", {{"name", "kept"}}},
      {"domain", "/domains", "domain", {{"name", "kept"}, {"enabled", false}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Json body = row.body;
    body["options"] = {{"immutable", true}};
    const Json made = make(site, row.plural, row.one, body);
    CHECK(made["options"] == Json{{"immutable", true}});
    const std::string path = kBase + row.plural + "/" + made["id"].get<std::string>();
    const auto patch = [&](const Json& with) {
      return site.send("PATCH", path, Json{{row.one, with}}.dump(), site.admin);
    };
    CHECK(patch({{"description", "x"}}).status == 403);
    CHECK(site.send("DELETE", path, "", site.admin).status == 403);
    CHECK(patch({{"options", {{"unknown", true}}}}).status == 400);
    CHECK(patch({{"options", {{"immutable", "yes"}}}}).status == 400);
    CHECK(patch({{"options", {{"immutable", nullptr}}}, {"description", "x"}}).status == 403);
    const Answer unset = patch({{"options", {{"immutable", nullptr}}}});
    CHECK(unset.status == 200);
    CHECK(unset.json()[row.one]["options"] == Json::object());
    CHECK(site.send("DELETE", path, "", site.admin).status == 204);
  }
}

TEST_CASE("tags: a domain that answers as a project has them too, by the same rules") {
  Site site;
  const std::string domain = make(site, "/domains", "domain", {{"name", "acme"}})["id"];
  const std::string project = make(site, "/projects", "project", {{"name", "p"}})["id"];
  for (const std::string& id : {domain, project}) {
    CAPTURE(id);
    const std::string tags = "/projects/" + id + "/tags";
    const auto put = [&](const Json& list) {
      return site.send("PUT", kBase + tags, Json{{"tags", list}}.dump(), site.admin).status;
    };
    CHECK(put({"one", "two"}) == 200);
    CHECK(put({"a,b"}) == 400);
    CHECK(put({"a/b"}) == 400);
    CHECK(put({""}) == 400);
    CHECK(put({std::string(256, 'x')}) == 400);
    CHECK(put({std::string(255, 'x'), "one", "two"}) == 200);
    CHECK(put({"same", "same"}) == 400);
    CHECK(status(site, "GET", tags + "/one") == 204);
    CHECK(status(site, "HEAD", tags + "/one") == 204);
    CHECK(status(site, "PUT", tags + "/three") == 201);
    CHECK(status(site, "DELETE", tags + "/one") == 204);
    CHECK(status(site, "DELETE", tags + "/one") == 404);
    CHECK(site.get(kBase + tags).json()["tags"].size() == 3);
    CHECK(status(site, "DELETE", tags) == 204);
    CHECK(site.get(kBase + tags).json()["tags"] == Json::array());
  }
}

TEST_CASE("lists are cut at the cloud's limit, say so, and tell where the next page is") {
  Options options;
  options.list_limit = 3;
  Site site(std::move(options));
  for (const char* name : {"a", "b", "c", "d", "e"})
    make(site, "/roles", "role", {{"name", name}});
  const auto names = [](const Json& page) {
    std::vector<std::string> all;
    for (const Json& role : page["roles"]) all.push_back(role["name"]);
    return all;
  };
  std::vector<std::string> seen;
  std::string target = kBase + "/roles";
  for (int pages = 0; pages < 3; ++pages) {
    CAPTURE(target);
    const Answer answer = site.get(target);
    REQUIRE(answer.status == 200);
    const Json page = answer.json();
    for (const std::string& name : names(page)) seen.push_back(name);
    if (pages == 2) {
      CHECK_FALSE(page.contains("truncated"));
      CHECK(page["links"]["next"].is_null());
      break;
    }
    CHECK(page["roles"].size() == 3);
    CHECK(page["truncated"] == true);
    const std::string next = page["links"]["next"];
    REQUIRE(next.starts_with("http://cloud.test:5000/identity/v3/roles?"));
    target = next.substr(std::string("http://cloud.test:5000").size());
  }
  std::sort(seen.begin(), seen.end());
  CHECK(seen == std::vector<std::string>{"a", "admin", "b", "c", "d", "e", "member", "reader"});
  CHECK(site.get(kBase + "/roles?limit=2").json()["roles"].size() == 2);
  CHECK(site.get(kBase + "/roles?limit=100").json()["roles"].size() == 3);
  const Answer few = site.get(kBase + "/roles?name=a");
  CHECK_FALSE(few.json().contains("truncated"));
  CHECK(few.headers.get("Vary").find("X-Auth-Token") != std::string_view::npos);
  CHECK(site.get(kBase + "/role_assignments").json()["role_assignments"].size() == 3);
}

TEST_CASE("inherited assignments: given, checked, listed and taken on every path") {
  Site site;
  const std::string project = make(site, "/projects", "project", {{"name", "top"}})["id"];
  const std::string below =
      make(site, "/projects", "project", {{"name", "leaf"}, {"parent_id", project}})["id"];
  const std::string user = make(site, "/users", "user", {{"name", "uma"}})["id"];
  const std::string group = make(site, "/groups", "group", {{"name", "crew"}})["id"];
  REQUIRE(status(site, "PUT", "/groups/" + group + "/users/" + user) == 204);
  const std::string role = id_by_name(site, "roles", "member");
  for (const std::string& on : {std::string("domains/default"), "projects/" + project}) {
    for (const std::string& who : {"users/" + user, "groups/" + group}) {
      const std::string roles = "/OS-INHERIT/" + on + "/" + who + "/roles/";
      const std::string one = roles + role + "/inherited_to_projects";
      CAPTURE(one);
      CHECK(status(site, "HEAD", one) == 404);
      CHECK(status(site, "PUT", one) == 204);
      CHECK(status(site, "HEAD", one) == 204);
      CHECK(status(site, "GET", one) == 204);
      CHECK(status(site, "GET", "/" + on + "/" + who + "/roles/" + role) == 404);
      CHECK(site.get(kBase + roles + "inherited_to_projects").json()["roles"].size() == 1);
      const Json list =
          site.get(kBase + "/role_assignments?scope.OS-INHERIT:inherited_to=projects")
              .json()["role_assignments"];
      REQUIRE(list.size() == 1);
      CHECK(list[0]["scope"]["OS-INHERIT:inherited_to"] == "projects");
      CHECK(list[0]["links"]["assignment"] == "http://cloud.test:5000" + kBase + one);
      const Json effective =
          site.get(kBase + "/role_assignments?effective&include_names&user.id=" + user +
                   "&scope.project.id=" + below + "&role.id=" + id_by_name(site, "roles", "reader"))
              .json()["role_assignments"];
      REQUIRE(effective.size() == 1);
      CHECK(effective[0]["user"]["name"] == "uma");
      CHECK(effective[0]["scope"]["project"]["name"] == "leaf");
      CHECK(effective[0]["scope"]["project"]["domain"]["name"] == "Default");
      CHECK(effective[0]["scope"]["OS-INHERIT:inherited_to"] == "projects");
      CHECK(effective[0]["links"].contains("prior_role"));
      CHECK(effective[0]["links"].contains("membership") == who.starts_with("groups"));
      CHECK(status(site, "DELETE", one) == 204);
      CHECK(status(site, "DELETE", one) == 404);
    }
  }
}

TEST_CASE("filters of role assignments that say nothing are refused") {
  Site site;
  for (const char* query :
       {"user.id=a&group.id=b", "scope.project.id=a&scope.domain.id=b",
        "scope.system=all&scope.domain.id=b", "scope.system=all&scope.project.id=b",
        "effective&group.id=a", "include_subtree=true", "scope.OS-INHERIT:inherited_to=domains",
        "effective&scope.OS-INHERIT:inherited_to=projects&scope.domain.id=default"}) {
    CAPTURE(query);
    CHECK(site.get(kBase + "/role_assignments?" + query).status == 400);
  }
}

TEST_CASE("roles of a domain are listed for it, and imply as their rules say") {
  Site site;
  const std::string acme = make(site, "/domains", "domain", {{"name", "acme"}})["id"];
  const Json own = make(site, "/roles", "role", {{"name", "ops"}, {"domain_id", acme}});
  CHECK(own["domain_id"] == acme);
  const Json global = make(site, "/roles", "role", {{"name", "ops"}});
  CHECK(global["domain_id"].is_null());
  CHECK(site.get(kBase + "/roles?name=ops").json()["roles"].size() == 1);
  CHECK(site.get(kBase + "/roles?domain_id=" + acme).json()["roles"][0]["id"] == own["id"]);
  const std::string a = own["id"], b = global["id"];
  CHECK(status(site, "PUT", "/roles/" + a + "/implies/" + b) == 201);
  CHECK(status(site, "PUT", "/roles/" + b + "/implies/" + a) == 403);
  CHECK(status(site, "PUT",
               "/roles/" + b + "/implies/" + id_by_name(site, "roles", "admin")) == 403);
  CHECK(status(site, "GET", "/roles/" + a + "/implies/" + b) == 200);
  CHECK(status(site, "HEAD", "/roles/" + a + "/implies/" + b) == 204);
  const Json rules = site.get(kBase + "/role_inferences").json()["role_inferences"];
  CHECK(std::any_of(rules.begin(), rules.end(),
                    [&](const Json& rule) { return rule["prior_role"]["id"] == a; }));
  CHECK(site.send("PATCH", kBase + "/roles/" + a, R"({"role": {"domain_id": "default"}})",
                  site.admin)
            .status == 400);
}

TEST_CASE("limits: made in bulk, each refused by its own status") {
  Site site;
  const std::string service = make(site, "/services", "service", {{"type", "volume"}})["id"];
  const std::string project = make(site, "/projects", "project", {{"name", "p"}})["id"];
  const auto registered = [&](const Json& item) {
    return site.post(kBase + "/registered_limits", {{"registered_limits", {item}}});
  };
  const Json good = {{"service_id", service}, {"resource_name", "volumes"}, {"default_limit", 10}};
  const Answer made = registered(good);
  INFO(made.text);
  REQUIRE(made.status == 201);
  const Json first = made.json()["registered_limits"][0];
  CHECK(first["region_id"].is_null());
  CHECK(first["description"].is_null());
  CHECK(registered(good).status == 409);
  Json wrong = good;
  wrong["default_limit"] = "ten";
  CHECK(registered(wrong).status == 400);
  wrong = good;
  wrong["colour"] = "red";
  CHECK(registered(wrong).status == 400);
  const auto limit = [&](const Json& item) {
    return site.post(kBase + "/limits", {{"limits", {item}}});
  };
  Json mine = {{"service_id", service}, {"resource_name", "volumes"},
               {"resource_limit", 5},   {"project_id", project}};
  const Answer set = limit(mine);
  INFO(set.text);
  REQUIRE(set.status == 201);
  const std::string id = set.json()["limits"][0]["id"];
  CHECK(set.json()["limits"][0]["domain_id"].is_null());
  CHECK(limit(mine).status == 409);
  mine["resource_name"] = "unknown";
  CHECK(limit(mine).status == 403);
  const std::string base = "/registered_limits/" + first["id"].get<std::string>();
  CHECK(site.send("PATCH", kBase + base, R"({"registered_limit": {"default_limit": 1}})",
                  site.admin)
            .status == 403);
  CHECK(status(site, "DELETE", base) == 403);
  const Answer changed = site.send("PATCH", kBase + "/limits/" + id,
                                   R"({"limit": {"resource_limit": 6}})", site.admin);
  CHECK(changed.json()["limit"]["resource_limit"] == 6);
  CHECK(site.send("PATCH", kBase + "/limits/" + id, R"({"limit": {"project_id": "x"}})",
                  site.admin)
            .status == 400);
  CHECK(site.get(kBase + "/limits?resource_name=volumes").json()["limits"].size() == 1);
  CHECK(site.get(kBase + "/limits?resource_name=none").json()["limits"].empty());
  CHECK(site.get(kBase + "/limits/model").json()["model"]["name"] == "flat");
  CHECK(status(site, "HEAD", "/limits/model") == 200);
  CHECK(status(site, "DELETE", "/limits/" + id) == 204);
  CHECK(status(site, "DELETE", base) == 204);
  CHECK(status(site, "GET", base) == 404);
}

TEST_CASE("chosen endpoints: by themselves and by groups, and tokens' catalogs follow") {
  Site site;
  const std::string service = make(site, "/services", "service", {{"type", "volume"}})["id"];
  make(site, "/regions", "region", {{"id", "east"}});
  const std::string endpoint = make(site, "/endpoints", "endpoint",
                                    {{"service_id", service},
                                     {"interface", "public"},
                                     {"region_id", "east"},
                                     {"url", "http://192.0.2.1/"}})["id"];
  const std::string project = id_by_name(site, "projects", "admin");
  const std::string link = "/OS-EP-FILTER/projects/" + project + "/endpoints/" + endpoint;
  CHECK(status(site, "HEAD", link) == 404);
  CHECK(status(site, "PUT", link) == 204);
  CHECK(status(site, "HEAD", link) == 204);
  const Json catalog = site.get(kBase + "/auth/catalog").json()["catalog"];
  REQUIRE(catalog.size() == 1);
  CHECK(catalog[0]["type"] == "volume");
  CHECK(site.get(kBase + "/OS-EP-FILTER/projects/" + project + "/endpoints")
            .json()["endpoints"][0]["id"] == endpoint);
  CHECK(site.get(kBase + "/OS-EP-FILTER/endpoints/" + endpoint + "/projects")
            .json()["projects"][0]["id"] == project);
  CHECK(status(site, "DELETE", link) == 204);
  CHECK(site.get(kBase + "/auth/catalog").json()["catalog"].size() > 3);

  const Json group = make(site, "/OS-EP-FILTER/endpoint_groups", "endpoint_group",
                          {{"name", "east"}, {"filters", {{"region_id", "east"}}}});
  CHECK(group["filters"] == Json{{"region_id", "east"}});
  const std::string id = group["id"], groups = "/OS-EP-FILTER/endpoint_groups/" + id;
  CHECK(status(site, "HEAD", groups) == 200);
  CHECK(status(site, "PUT", groups + "/projects/" + project) == 204);
  CHECK(status(site, "GET", groups + "/projects/" + project) == 200);
  CHECK(status(site, "HEAD", groups + "/projects/" + project) == 200);
  CHECK(site.get(kBase + groups + "/endpoints").json()["endpoints"].size() == 1);
  CHECK(site.get(kBase + groups + "/projects").json()["projects"].size() == 1);
  CHECK(site.get(kBase + "/OS-EP-FILTER/projects/" + project + "/endpoint_groups")
            .json()["endpoint_groups"][0]["name"] == "east");
  CHECK(site.get(kBase + "/auth/catalog").json()["catalog"].size() == 1);
  CHECK(status(site, "DELETE", groups + "/projects/" + project) == 204);
  CHECK(status(site, "DELETE", groups + "/projects/" + project) == 404);
  CHECK(site.post(kBase + "/OS-EP-FILTER/endpoint_groups",
                  {{"endpoint_group", {{"name", "x"}, {"filters", {{"colour", "red"}}}}}})
            .status == 400);
  CHECK(status(site, "DELETE", groups) == 204);
  CHECK(status(site, "GET", groups) == 404);
}

TEST_CASE("policies: kept as they are, and found for an endpoint") {
  Site site;
  const std::string service = make(site, "/services", "service", {{"type", "volume"}})["id"];
  const std::string endpoint = make(site, "/endpoints", "endpoint",
                                    {{"service_id", service},
                                     {"interface", "public"},
                                     {"region_id", "RegionOne"},
                                     {"url", "http://192.0.2.1/"}})["id"];
  const Json policy = make(site, "/policies", "policy",
                           {{"type", "application/json"}, {"blob", "{\"a\": 1}"}, {"more", 2}});
  CHECK(policy["blob"] == "{\"a\": 1}");
  CHECK(policy["more"] == 2);
  const std::string id = policy["id"];
  CHECK(site.post(kBase + "/policies", {{"policy", {{"type", "x"}}}}).status == 400);
  const std::string uses = "/policies/" + id + "/OS-ENDPOINT-POLICY";
  const std::string of_endpoint = "/endpoints/" + endpoint + "/OS-ENDPOINT-POLICY/policy";
  CHECK(status(site, "GET", of_endpoint) == 404);
  for (const std::string& use : {"/endpoints/" + endpoint, "/services/" + service,
                                 "/services/" + service + "/regions/RegionOne"}) {
    CAPTURE(use);
    CHECK(status(site, "GET", uses + use) == 404);
    CHECK(status(site, "PUT", uses + use) == 204);
    CHECK(status(site, "GET", uses + use) == 204);
    CHECK(status(site, "HEAD", uses + use) == 204);
    CHECK(site.get(kBase + of_endpoint).json()["policy"]["id"] == id);
    CHECK(site.get(kBase + uses + "/endpoints").json()["endpoints"].size() == 1);
    CHECK(status(site, "DELETE", uses + use) == 204);
    CHECK(status(site, "DELETE", uses + use) == 404);
  }
  CHECK(status(site, "GET", uses + "/policy") == 200);
  const Answer changed = site.send("PATCH", kBase + "/policies/" + id,
                                   R"({"policy": {"blob": "new"}})", site.admin);
  CHECK(changed.json()["policy"]["blob"] == "new");
  CHECK(site.get(kBase + "/policies?type=application/json").json()["policies"].size() == 1);
  CHECK(status(site, "DELETE", "/policies/" + id) == 204);
}
