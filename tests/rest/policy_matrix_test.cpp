#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cloudos/store.hpp"
#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using Json = nlohmann::json;

namespace {

const std::string kMtxV3 = "/identity/v3";
constexpr const char* kNowhere = "0123456789abcdef0123456789abcdef";

/// Callers in the order of an expectation's letters.
enum Caller : std::size_t { Reader, Member, Stranger, Manager, Application, Callers };
constexpr std::string_view kCallerNames[] = {
    "reader of the project", "member of the project", "member of another domain's project",
    "manager of another domain", "restricted application credential of the member"};

/// What each caller gets for things of one project and of a user who is somebody else:
/// y: goes on, whatever the rest of the request is worth; f: 403; n: 404, or what a thing that
/// is nowhere gets for such a request.
struct Expectation {
  std::string_view letters;
  std::vector<std::string_view> policies;  ///< "GET /pattern" wins over the route's policy.
};

const std::vector<Expectation>& expectations() {
  static const std::vector<Expectation> kAll = {
      // Whoever has a token.
      {"yyyyy",
       {"identity:validate_token", "identity:revoke_token", "identity:get_auth_catalog",
        "identity:get_auth_projects", "identity:get_auth_domains", "identity:get_auth_system",
        "identity:get_region", "identity:list_regions", "identity:get_registered_limit",
        "identity:list_registered_limits", "identity:get_limit_model", "identity:list_limits",
        "identity:get_security_compliance_domain_config", "get_image_schema", "get_image_info",
        "stores_info"}},
      // Admins.
      {"fffff",
       {"identity:create_domain",
        "identity:list_domains",
        "identity:update_domain",
        "identity:delete_domain",
        "identity:create_role",
        "identity:update_role",
        "identity:delete_role",
        "identity:list_implied_roles",
        "identity:get_implied_role",
        "identity:check_implied_role",
        "identity:create_implied_role",
        "identity:delete_implied_role",
        "identity:list_role_inference_rules",
        "identity:create_system_grant",
        "identity:check_system_grant",
        "identity:list_system_grants",
        "identity:revoke_system_grant",
        "identity:create_region",
        "identity:update_region",
        "identity:delete_region",
        "identity:create_service",
        "identity:get_service",
        "identity:list_services",
        "identity:update_service",
        "identity:delete_service",
        "identity:create_endpoint",
        "identity:get_endpoint",
        "identity:list_endpoints",
        "identity:update_endpoint",
        "identity:delete_endpoint",
        "identity:list_token_keys",
        "identity:rotate_token_keys",
        "identity:list_revoke_events",
        "identity:list_credential_keys",
        "identity:rotate_credential_keys",
        "identity:create_domain_config",
        "identity:get_domain_config",
        "identity:get_domain_config_default",
        "identity:update_domain_config",
        "identity:delete_domain_config",
        "identity:create_consumer",
        "identity:get_consumer",
        "identity:list_consumers",
        "identity:update_consumer",
        "identity:delete_consumer",
        "identity:create_endpoint_group",
        "identity:get_endpoint_group",
        "identity:list_endpoint_groups",
        "identity:update_endpoint_group",
        "identity:delete_endpoint_group",
        "identity:list_endpoints_associated_with_endpoint_group",
        "identity:list_projects_associated_with_endpoint_group",
        "identity:list_endpoint_groups_for_project",
        "identity:get_endpoint_group_in_project",
        "identity:add_endpoint_group_to_project",
        "identity:remove_endpoint_group_from_project",
        "identity:list_projects_for_endpoint",
        "identity:list_endpoints_for_project",
        "identity:check_endpoint_in_project",
        "identity:add_endpoint_to_project",
        "identity:remove_endpoint_from_project",
        "identity:create_policy",
        "identity:get_policy",
        "identity:list_policies",
        "identity:update_policy",
        "identity:delete_policy",
        "identity:create_policy_association_for_endpoint",
        "identity:check_policy_association_for_endpoint",
        "identity:delete_policy_association_for_endpoint",
        "identity:create_policy_association_for_service",
        "identity:check_policy_association_for_service",
        "identity:delete_policy_association_for_service",
        "identity:create_policy_association_for_region_and_service",
        "identity:check_policy_association_for_region_and_service",
        "identity:delete_policy_association_for_region_and_service",
        "identity:get_policy_for_endpoint",
        "identity:list_endpoints_for_policy",
        "identity:create_registered_limits",
        "identity:update_registered_limit",
        "identity:delete_registered_limit",
        "identity:create_limits",
        "identity:update_limit",
        "identity:delete_limit",
        "identity:ec2_authenticate",
        "identity:s3_authenticate",
        "publicize_image",
        "copy_image",
        "fetch_image_location",
        "stores_info_detail",
        "tasks_api_access",
        "cache_image",
        "cache_list",
        "cache_delete",
        "manage_image_cache",
        "add_metadef_namespace",
        "modify_metadef_namespace",
        "delete_metadef_namespace",
        "add_metadef_object",
        "modify_metadef_object",
        "delete_metadef_object",
        "add_metadef_resource_type_association",
        "remove_metadef_resource_type_association",
        "add_metadef_property",
        "modify_metadef_property",
        "remove_metadef_property",
        "add_metadef_tag",
        "add_metadef_tags",
        "modify_metadef_tag",
        "delete_metadef_tag",
        "delete_metadef_tags"}},
      // Those who run a domain, for what is in theirs.
      {"fffyf",
       {"identity:get_role", "identity:list_roles", "identity:create_user", "identity:create_group",
        "identity:create_project", "identity:list_users", "identity:list_groups",
        "identity:list_projects", "identity:list_role_assignments"}},
      {"fffnf",
       {"identity:get_user",
        "identity:update_user",
        "identity:delete_user",
        "identity:list_user_projects",
        "identity:list_groups_for_user",
        "identity:get_group",
        "identity:update_group",
        "identity:delete_group",
        "identity:list_users_in_group",
        "identity:add_user_to_group",
        "identity:remove_user_from_group",
        "identity:check_user_in_group",
        "identity:update_project",
        "identity:delete_project",
        "identity:create_project_tag",
        "identity:update_project_tags",
        "identity:delete_project_tag",
        "identity:delete_project_tags",
        "identity:create_grant",
        "identity:check_grant",
        "identity:list_grants",
        "identity:revoke_grant"}},
      // One's own project and domain are seen.
      {"yyfny", {"identity:get_project", "identity:list_project_tags", "identity:get_project_tag"}},
      {"yyffy", {"identity:get_domain"}},
      {"yynny", {"identity:get_limit"}},
      // Others' own: application credentials, trusts, credentials.
      {"fffff",
       {"identity:get_application_credential", "identity:list_application_credentials",
        "identity:delete_application_credential", "identity:get_access_rule",
        "identity:list_access_rules", "identity:delete_access_rule", "identity:ec2_get_credential",
        "identity:ec2_list_credentials", "identity:ec2_delete_credential",
        "identity:list_trusts_for_trustor"}},
      {"nnnnn",
       {"identity:get_trust", "identity:list_roles_for_trust", "identity:get_role_for_trust",
        "identity:get_credential"}},
      {"nnnnf",
       {"identity:delete_trust", "identity:update_credential", "identity:delete_credential",
        "identity:create_application_credential", "identity:ec2_create_credential"}},
      {"yyyyf", {"identity:create_trust", "identity:create_credential"}},
      {"yyyyy", {"identity:list_credentials"}},

      // Images: readers read, members write, by tokens for a project.
      {"yyyfy",
       {"get_images", "get_usage", "get_certificates", "get_metadef_namespaces",
        "get_metadef_namespace", "get_metadef_objects", "get_metadef_object",
        "list_metadef_resource_types", "get_metadef_resource_type", "get_metadef_properties",
        "get_metadef_property", "get_metadef_tags", "get_metadef_tag"}},
      {"yynfy", {"get_image", "download_image", "get_certificate", "get_members", "get_member"}},
      {"fyyfy", {"add_image", "add_certificate"}},
      {"fynfy",
       {"modify_image", "delete_image", "upload_image", "import_image", "deactivate", "reactivate",
        "get_image_location", "set_image_location", "delete_image_location", "add_image_location",
        "add_member", "modify_member", "delete_member", "delete_certificate"}},
  };
  return kAll;
}

std::string letters_of(const rest::Route& route) {
  const std::string exact = fmt::format("{} {}", route.method, route.pattern);
  std::string by_policy;
  for (const Expectation& row : expectations()) {
    for (const std::string_view name : row.policies) {
      if (name == exact) return std::string(row.letters);
      if (name == route.policy) by_policy = row.letters;
    }
  }
  return by_policy;
}

/// A project of the default domain with a thing of each kind, what belongs to another of its
/// members, and callers that see more or less of it.
class Scene {
 public:
  Scene() {
    Identity& identity = site.cloud->identity();
    const Context system = Context::system();
    const std::string domain = made("/domains", "domain", {{"name", "other"}});
    ids["domain_id"] = "default";
    ids["option"] = "password_regex";
    ids["project_id"] = made("/projects", "project", {{"name", "paper"}});
    const std::string foreign =
        made("/projects", "project", {{"name", "xenon"}, {"domain_id", domain}});
    const std::string uma = add_user("uma", "default"), xena = add_user("xena", domain);
    ids["user_id"] = uma;
    std::map<std::string, std::string> roles;
    made("/roles", "role", {{"name", "manager"}});
    const auto all = identity.list_roles(system, {});
    REQUIRE(all);
    for (const Role& role : *all) roles[role.name] = role.id.value;
    ids["role_id"] = ids["prior_role_id"] = roles["member"];
    ids["implied_role_id"] = roles["reader"];
    grant("projects/" + ids["project_id"], uma, roles["member"]);
    grant("projects/" + ids["project_id"], add_user("rosa", "default"), roles["reader"]);
    const std::string mia = add_user("mia", "default");
    grant("projects/" + ids["project_id"], mia, roles["member"]);
    grant("projects/" + foreign, xena, roles["member"]);
    grant("domains/" + domain, add_user("max", domain), roles["manager"]);
    tokens[Reader] = login("rosa", "default", project_scope(ids["project_id"]));
    tokens[Member] = login("mia", "default", project_scope(ids["project_id"]));
    tokens[Stranger] = login("xena", domain, project_scope(foreign));
    tokens[Manager] = login("max", domain, {{"domain", {{"id", domain}}}});
    tokens[Application] = application(tokens[Member], mia);
    add_catalog_things();
    add_things_of(login("uma", "default", project_scope(ids["project_id"])), uma,
                  add_user("theo", "default"));
  }

  /// The pattern with the ids of what is there, or with ones that are nowhere.
  std::string target(const rest::Route& route, bool nowhere) const {
    std::string target;
    std::string_view rest = route.pattern;
    for (auto at = rest.find('{'); at != rest.npos; at = rest.find('{')) {
      const auto end = rest.find('}', at);
      const auto known = ids.find(std::string(rest.substr(at + 1, end - at - 1)));
      target += rest.substr(0, at);
      target += nowhere || known == ids.end() ? kNowhere : known->second;
      rest = rest.substr(end + 1);
    }
    return target + std::string(rest);
  }

  Answer send(const rest::Route& route, const std::string& token, bool nowhere = false) {
    const bool writes = route.method != "GET" && route.method != "HEAD";
    const bool patch = route.method == "PATCH" && route.service == rest::Service::Image;
    const std::string body = !writes ? "" : patch ? "[]" : "{}";
    HeaderList headers;
    if (patch) headers.emplace_back("Content-Type", "application/openstack-images-v2.1-json-patch");
    return site.send(std::string(route.method), target(route, nowhere), body, token, headers);
  }

  Site site;
  std::map<std::string, std::string> ids;
  std::string tokens[Callers];

 private:
  std::string made(const std::string& path, const std::string& one, const Json& body,
                   const std::string& as = {}) {
    const Answer answer =
        site.send("POST", kMtxV3 + path, Json{{one, body}}.dump(), as.empty() ? site.admin : as);
    INFO(path << " " << answer.text);
    REQUIRE(answer.status == 201);
    return answer.json()[one]["id"];
  }
  std::string add_user(const std::string& name, const std::string& domain) {
    return made("/users", "user",
                {{"name", name}, {"domain_id", domain}, {"password", "password of " + name}});
  }
  void grant(const std::string& on, const std::string& user, const std::string& role) {
    REQUIRE(site.send("PUT", fmt::format("{}/{}/users/{}/roles/{}", kMtxV3, on, user, role), "",
                      site.admin)
                .status == 204);
  }
  static Json project_scope(const std::string& id) { return {{"project", {{"id", id}}}}; }
  std::string token_of(const Json& identity, const Json& scope) {
    Json auth = {{"identity", identity}};
    if (!scope.is_null()) auth["scope"] = scope;
    const Answer answer =
        site.send("POST", kMtxV3 + "/auth/tokens", Json{{"auth", auth}}.dump(), "");
    INFO(answer.text);
    REQUIRE(answer.status == 201);
    return std::string(answer.headers.get("X-Subject-Token"));
  }
  std::string login(const std::string& name, const std::string& domain, const Json& scope) {
    return token_of(
        {{"methods", {"password"}},
         {"password",
          {{"user",
            {{"name", name}, {"domain", {{"id", domain}}}, {"password", "password of " + name}}}}}},
        scope);
  }
  std::string application(const std::string& token, const std::string& user) {
    const Answer answer = site.send(
        "POST", fmt::format("{}/users/{}/application_credentials", kMtxV3, user),
        R"({"application_credential": {"name": "robot", "secret": "of the robot"}})", token);
    INFO(answer.text);
    REQUIRE(answer.status == 201);
    return token_of(
        {{"methods", {"application_credential"}},
         {"application_credential",
          {{"id", answer.json()["application_credential"]["id"]}, {"secret", "of the robot"}}}},
        nullptr);
  }

  void add_catalog_things() {
    ids["group_id"] = made("/groups", "group", {{"name", "crew"}});
    ids["region_id"] = made("/regions", "region", {{"id", "east"}});
    ids["service_id"] = made("/services", "service", {{"type", "volume"}});
    ids["endpoint_id"] = made("/endpoints", "endpoint",
                              {{"service_id", ids["service_id"]},
                               {"interface", "public"},
                               {"region_id", "east"},
                               {"url", "http://192.0.2.1/"}});
    ids["endpoint_group_id"] = made("/OS-EP-FILTER/endpoint_groups", "endpoint_group",
                                    {{"name", "east"}, {"filters", {{"region_id", "east"}}}});
    ids["policy_id"] = made("/policies", "policy", {{"type", "text/plain"}, {"blob", "b"}});
    const Json registered = {
        {"service_id", ids["service_id"]}, {"resource_name", "volumes"}, {"default_limit", 3}};
    const Answer first =
        site.post(kMtxV3 + "/registered_limits", {{"registered_limits", {registered}}});
    REQUIRE(first.status == 201);
    ids["registered_limit_id"] = first.json()["registered_limits"][0]["id"];
    const Json limit = {{"service_id", ids["service_id"]},
                        {"resource_name", "volumes"},
                        {"resource_limit", 2},
                        {"project_id", ids["project_id"]}};
    const Answer second = site.post(kMtxV3 + "/limits", {{"limits", {limit}}});
    INFO(second.text);
    REQUIRE(second.status == 201);
    ids["limit_id"] = second.json()["limits"][0]["id"];
    ids["tag"] = "a-tag";
    add_definitions();
  }

  void add_definitions() {
    const std::string base = "/image/v2/metadefs/namespaces";
    const auto add = [&](const std::string& path, const char* body) {
      const Answer answer = site.send("POST", base + path, body, site.admin);
      INFO(path << " " << answer.text);
      REQUIRE(answer.status < 300);
    };
    add("", R"({"namespace": "lab", "visibility": "public"})");
    add("/lab/objects", R"({"name": "box"})");
    add("/lab/properties", R"({"name": "hue", "title": "Hue", "type": "string"})");
    add("/lab/tags/new", "");
    add("/lab/resource_types", R"({"name": "OS::Nova::Server"})");
    ids["namespace"] = "lab";
    ids["object_name"] = "box";
    ids["property_name"] = "hue";
    ids["tag_name"] = "new";
    ids["resource_type"] = "OS::Nova::Server";
  }

  /// What a user has of their own.
  void add_things_of(const std::string& token, const std::string& user,
                     const std::string& trustee) {
    ids["trust_id"] = made("/OS-TRUST/trusts", "trust",
                           {{"trustor_user_id", user},
                            {"trustee_user_id", trustee},
                            {"project_id", ids["project_id"]},
                            {"impersonation", false},
                            {"roles", {{{"id", ids["role_id"]}}}}},
                           token);
    const Json rule = {{"service", "volume"}, {"method", "GET"}, {"path", "/v3/volumes"}};
    ids["application_credential_id"] =
        made(fmt::format("/users/{}/application_credentials", user), "application_credential",
             {{"name", "own"}, {"access_rules", {rule}}}, token);
    const Answer rules =
        site.send("GET", fmt::format("{}/users/{}/access_rules", kMtxV3, user), "", token);
    REQUIRE(rules.status == 200);
    ids["access_rule_id"] = rules.json()["access_rules"][0]["id"];
    ids["credential_id"] =
        made("/credentials", "credential",
             {{"type", "totp"}, {"blob", "GEZDGNBVGY3TQOJQGEZDGNBVGY"}, {"user_id", user}}, token);
    const Answer image =
        site.send("POST", "/image/v2/images",
                  R"({"name": "disk", "disk_format": "raw", "container_format": "bare"})", token);
    INFO(image.text);
    REQUIRE(image.status == 201);
    ids["image_id"] = image.json()["id"];
    REQUIRE(site.send("PUT", "/image/v2/images/" + ids["image_id"] + "/file", "data", token,
                      {{"Content-Type", "application/octet-stream"}})
                .status == 204);
    ids["member_id"] = ids["project_id"];
  }
};

std::vector<rest::Route> guarded_routes() {
  std::vector<rest::Route> all;
  for (const auto table :
       {rest::identity_routes(), rest::identity_registry_routes(), rest::image_routes()})
    for (const rest::Route& route : table)
      if (route.auth) all.push_back(route);
  return all;
}

bool fits(char letter, const Answer& there, const Answer& nowhere) {
  if (letter == 'f') return there.status == 403 && nowhere.status == 403;
  if (letter == 'n')
    return there.status >= 400 && there.status < 500 && there.status != 401 &&
           there.status != 403 && there.status == nowhere.status;
  return there.status != 401 && there.status != 403 && there.status < 500;
}

}  // namespace

TEST_CASE("policy matrix: every route of identity and images has an expectation") {
  for (const rest::Route& route : guarded_routes()) {
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    CAPTURE(route.policy);
    CHECK(letters_of(route).size() == Callers);
  }
  // Open by design: a login, and a password that has expired.
  std::set<std::string> open;
  for (const auto table :
       {rest::identity_routes(), rest::identity_registry_routes(), rest::image_routes()})
    for (const rest::Route& route : table)
      if (!route.auth) open.insert(fmt::format("{} {}", route.method, route.pattern));
  CHECK(open == std::set<std::string>{"POST /identity/v3/auth/tokens",
                                      "POST /identity/v3/users/{user_id}/password"});
}

TEST_CASE("policy matrix: no caller does, sees or learns what is another's") {
  std::unique_ptr<Scene> scene;
  for (const rest::Route& route : guarded_routes()) {
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    CAPTURE(route.policy);
    const std::string letters = letters_of(route);
    if (letters.size() != Callers) continue;  // The test above says so.
    if (!scene) scene = std::make_unique<Scene>();
    std::string garbled = scene->tokens[Member];
    garbled[garbled.size() / 2] = garbled[garbled.size() / 2] == 'A' ? 'B' : 'A';
    for (const std::string& token : {std::string(), garbled}) {
      const Answer answer = scene->send(route, token);
      CHECK(answer.status == 401);
      CHECK(answer.headers.has("WWW-Authenticate"));
    }
    // Those who are refused first: they must leave what the others act on.
    bool changed = false;
    for (const bool refused : {true, false}) {
      for (std::size_t caller = 0; caller < Callers; ++caller) {
        if ((letters[caller] != 'y') != refused) continue;
        CAPTURE(kCallerNames[caller]);
        const Answer there = scene->send(route, scene->tokens[caller]);
        const Answer nowhere = refused ? scene->send(route, scene->tokens[caller], true) : Answer();
        CAPTURE(letters[caller]);
        CAPTURE(there.status);
        CAPTURE(there.text);
        CAPTURE(nowhere.status);
        CHECK(fits(letters[caller], there, nowhere));
        changed = changed || (!refused && route.method != "GET" && route.method != "HEAD");
      }
    }
    const Answer admin = scene->send(route, scene->site.admin);
    CAPTURE(admin.text);
    CHECK(admin.status != 401);
    CHECK(admin.status < 500);
    // Admins may all, but what nobody may: what others rest on, is immutable or the first domain.
    static const std::set<std::string_view> kNobodys = {"identity:delete_access_rule",
                                                        "identity:delete_domain",
                                                        "identity:delete_role",
                                                        "identity:update_role",
                                                        "identity:delete_registered_limit",
                                                        "identity:get_domain_config",
                                                        "identity:update_domain_config",
                                                        "identity:delete_domain_config",
                                                        "identity:get_domain_config_default"};
    CHECK((admin.status != 403 || kNobodys.count(route.policy) > 0));
    if (changed || (route.method != "GET" && route.method != "HEAD")) scene.reset();
  }
}

TEST_CASE("policy matrix: an expired token is nobody's on every route") {
  Scene scene;
  scene.site.clock->advance(std::chrono::hours(2));
  for (const rest::Route& route : guarded_routes()) {
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    for (const std::string& token : scene.tokens) CHECK(scene.send(route, token).status == 401);
  }
}

namespace {

/// Bodies that the services take of an admin, by what is made or changed; others are sent "{}".
std::string whole_body(const rest::Route& route, const Scene& scene) {
  const auto id = [&](const char* name) { return scene.ids.at(name); };
  const Json limit = {
      {"service_id", id("service_id")}, {"resource_name", "backups"}, {"default_limit", 3}};
  const std::map<std::string, Json> bodies = {
      {"identity:create_domain", {{"domain", {{"name", "d2"}}}}},
      {"identity:update_domain", {{"domain", {{"description", "x"}}}}},
      {"identity:create_project", {{"project", {{"name", "p2"}}}}},
      {"identity:update_project", {{"project", {{"description", "x"}}}}},
      {"identity:update_project_tags", {{"tags", {"one"}}}},
      {"identity:create_user", {{"user", {{"name", "u2"}, {"password", "a password"}}}}},
      {"identity:update_user", {{"user", {{"description", "x"}}}}},
      {"identity:create_group", {{"group", {{"name", "g2"}}}}},
      {"identity:update_group", {{"group", {{"description", "x"}}}}},
      {"identity:create_role", {{"role", {{"name", "r2"}}}}},
      {"identity:update_role", {{"role", {{"description", "x"}}}}},
      {"identity:create_region", {{"region", {{"id", "west"}}}}},
      {"identity:update_region", {{"region", {{"description", "x"}}}}},
      {"identity:create_service", {{"service", {{"type", "t2"}}}}},
      {"identity:update_service", {{"service", {{"description", "x"}}}}},
      {"identity:create_endpoint",
       {{"endpoint",
         {{"service_id", id("service_id")}, {"interface", "admin"}, {"url", "http://a/"}}}}},
      {"identity:update_endpoint", {{"endpoint", {{"url", "http://b/"}}}}},
      {"identity:create_endpoint_group",
       {{"endpoint_group", {{"name", "e2"}, {"filters", {{"interface", "admin"}}}}}}},
      {"identity:update_endpoint_group", {{"endpoint_group", {{"name", "e3"}}}}},
      {"identity:create_policy", {{"policy", {{"type", "t"}, {"blob", "b"}}}}},
      {"identity:update_policy", {{"policy", {{"blob", "c"}}}}},
      {"identity:create_registered_limits", {{"registered_limits", {limit}}}},
      {"identity:update_registered_limit", {{"registered_limit", {{"default_limit", 4}}}}},
      {"identity:update_limit", {{"limit", {{"resource_limit", 1}}}}},
      {"identity:create_consumer", {{"consumer", {{"description", "x"}}}}},
      {"identity:create_credential",
       {{"credential", {{"type", "x"}, {"blob", "b"}, {"user_id", id("user_id")}}}}},
      {"identity:update_credential", {{"credential", {{"type", "y"}}}}},
      {"add_metadef_namespace", {{"namespace", "n2"}}},
      {"modify_metadef_namespace", {{"namespace", "lab"}, {"description", "x"}}},
      {"add_metadef_object", {{"name", "o2"}}},
      {"modify_metadef_object", {{"name", "box"}, {"description", "x"}}},
      {"add_metadef_property", {{"name", "p2"}, {"title", "P"}, {"type", "string"}}},
      {"modify_metadef_property", {{"name", "hue"}, {"title", "H"}, {"type", "string"}}},
      {"add_metadef_tags", {{"tags", {{{"name", "t2"}}}}}},
      {"modify_metadef_tag", {{"name", "newer"}}},
      {"add_metadef_resource_type_association", {{"name", "OS::Glance::Image"}}},
      {"add_certificate", {{"certificate", "x"}}},
      {"add_image", {{"name", "i2"}}},
      {"add_member", {{"member", "somebody"}}},
  };
  if (route.policy == "identity:create_domain_config" ||
      route.policy == "identity:update_domain_config")
    return R"({"config": {"identity": {"list_limit": 5}}})";
  const auto known = bodies.find(std::string(route.policy));
  return known == bodies.end() ? "{}" : known->second.dump();
}

struct Outcome {
  int status = 0;
  std::string text;
};
/// As the admin whom a host program vouches for.
Outcome call_as(Scene& scene, const rest::Route& route, const Context& caller) {
  const bool patch = route.method == "PATCH" && route.service == rest::Service::Image;
  TextSource body(patch ? R"([{"op": "replace", "path": "/name", "value": "x"}])"
                        : whole_body(route, scene));
  rest::Request request;
  request.method = std::string(route.method);
  request.target = scene.target(route, false);
  request.caller = caller;
  request.body = &body;
  request.headers.add("Content-Type",
                      patch ? "application/openstack-images-v2.1-json-patch" : "application/json");
  request.headers.add("X-Subject-Token", scene.tokens[Reader]);
  const auto response = scene.site.router->handle(request);
  const auto* text = std::get_if<std::string>(&response.body);
  return {response.status, text ? *text : std::string()};
}

}  // namespace

TEST_CASE("a change whose deadline has passed, or that was cancelled, is none, on every route") {
  std::unique_ptr<Scene> scene;
  std::size_t changing = 0;
  for (const rest::Route& route : guarded_routes()) {
    if (route.method == "GET" || route.method == "HEAD") continue;
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    if (!scene) {
      scene = std::make_unique<Scene>();
      scene->site.get("/image/v2/metadefs/namespaces");  // The usual ones come with the first look.
    }
    const auto token = scene->site.cloud->identity().validate(scene->site.admin);
    REQUIRE(token);
    const Context admin = token->context("req-1");
    const auto revision = [&] {
      const auto at = scene->site.cloud->options().store->snapshot();
      REQUIRE(at);
      return (*at)->revision();
    };
    Context late = admin, gone = admin;
    late.deadline = scene->site.clock->mono();
    gone.cancel = CancelToken::make();
    gone.cancel.cancel();
    const auto before = revision();
    for (const Context& caller : {late, gone}) {
      const Outcome refused = call_as(*scene, route, caller);
      CAPTURE(refused.text);
      CHECK(refused.status >= 400);
      CHECK(revision() == before);
    }
    // What would have been a change, had there been time.
    const Outcome done = call_as(*scene, route, admin);
    if (done.status < 300) ++changing;
    if (revision() != before) scene.reset();
  }
  INFO(changing << " of them went through in time");
  CHECK(changing >= 85);
}
