#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "rest/network_scene.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

namespace {

/// Callers in the order of an expectation's letters.
enum NetCaller : std::size_t { NetReader, NetMember, NetStranger, NetAdmin, NetCallers };
constexpr std::string_view kNetCallers[] = {"reader of the project", "member of the project",
                                            "member of another project", "admin"};

/// What each gets for things of one project: y: it is done, see net_status(); f: 403; n: 404, as
/// for what is nowhere.
struct NetExpectation {
  std::string_view letters;
  std::vector<std::string_view> policies;  ///< "GET /pattern" wins over the route's policy.
};

const std::vector<NetExpectation>& net_expectations() {
  static const std::vector<NetExpectation> kAll = {
      // Whoever has a token for a project; lists leave out what is another's.
      {"yyyy",
       {"get_networks",
        "get_subnets",
        "get_ports",
        "get_security_groups",
        "get_security_group_rules",
        "get_routers",
        "get_floatingips",
        "get_floatingip_pools",
        "get_subnetpools",
        "get_address_scopes",
        "get_rbac_policies",
        "get_policies",
        "get_trunks",
        "get_address_groups",
        "get_agents",
        "get_availability_zones",
        "get_service_providers",
        "get_extensions",
        "get_extension",
        "get_network_trace",
        "get_rule_types",
        "get_quota_defaults",
        "get_default_security_group_rules",
        "get_default_security_group_rule"}},
      // Those of the project see.
      {"yyny",
       {"get_network",
        "get_subnet",
        "get_port",
        "get_security_group",
        "get_security_group_rule",
        "get_router",
        "get_floatingip",
        "get_floatingip_port_forwarding",
        "get_floatingip_port_forwardings",
        "get_subnetpool",
        "get_address_scope",
        "get_rbac_policy",
        "get_policy",
        "get_policy_bandwidth_limit_rule",
        "get_policy_bandwidth_limit_rules",
        "get_alias_bandwidth_limit_rule",
        "get_policy_dscp_marking_rule",
        "get_policy_dscp_marking_rules",
        "get_alias_dscp_marking_rule",
        "get_policy_minimum_bandwidth_rule",
        "get_policy_minimum_bandwidth_rules",
        "get_alias_minimum_bandwidth_rule",
        "get_tags",
        "get_trunk",
        "get_subports",
        "get_address_group",
        "get_quota"}},
      // Its members make and change.
      {"fyyy",
       {"create_network", "create_subnet", "create_port", "create_security_group",
        "create_security_group_rule", "create_router", "create_floatingip", "create_subnetpool",
        "create_address_scope", "create_rbac_policy", "create_trunk", "create_address_group",
        "create_simple_network", "delete_simple_network"}},
      {"fyny",
       {"update_network",
        "delete_network",
        "update_subnet",
        "delete_subnet",
        "update_port",
        "delete_port",
        "update_security_group",
        "delete_security_group",
        "delete_security_group_rule",
        "update_router",
        "delete_router",
        "add_router_interface",
        "remove_router_interface",
        "add_extraroutes",
        "remove_extraroutes",
        "update_floatingip",
        "delete_floatingip",
        "create_floatingip_port_forwarding",
        "update_floatingip_port_forwarding",
        "delete_floatingip_port_forwarding",
        "update_subnetpool",
        "delete_subnetpool",
        "add_prefixes",
        "remove_prefixes",
        "onboard_network_subnets",
        "update_address_scope",
        "delete_address_scope",
        "update_rbac_policy",
        "delete_rbac_policy",
        "create_tags",
        "update_tags",
        "delete_tags",
        "update_trunk",
        "delete_trunk",
        "add_subports",
        "remove_subports",
        "update_address_group",
        "delete_address_group",
        "add_addresses",
        "remove_addresses"}},
      {"fyfy", {"get_auto_allocated_topology", "delete_auto_allocated_topology"}},
      // Admins write QoS policies, also those that a project has for its own.
      {"fffy",
       {"create_policy", "create_policy_bandwidth_limit_rule", "create_policy_dscp_marking_rule",
        "create_policy_minimum_bandwidth_rule", "get_rule_type"}},
      {"ffny",
       {"update_policy", "delete_policy", "update_policy_bandwidth_limit_rule",
        "delete_policy_bandwidth_limit_rule", "update_alias_bandwidth_limit_rule",
        "delete_alias_bandwidth_limit_rule", "update_policy_dscp_marking_rule",
        "delete_policy_dscp_marking_rule", "update_alias_dscp_marking_rule",
        "delete_alias_dscp_marking_rule", "update_policy_minimum_bandwidth_rule",
        "delete_policy_minimum_bandwidth_rule", "update_alias_minimum_bandwidth_rule",
        "delete_alias_minimum_bandwidth_rule"}},
      // What is the cloud's.
      {"fffy",
       {"create_metering_label",
        "get_metering_label",
        "get_metering_labels",
        "delete_metering_label",
        "create_metering_label_rule",
        "get_metering_label_rule",
        "get_metering_label_rules",
        "delete_metering_label_rule",
        "get_agent",
        "update_agent",
        "delete_agent",
        "get_dhcp-networks",
        "get_dhcp-agents",
        "get_network_ip_availabilities",
        "get_network_ip_availability",
        "get_port_bindings",
        "create_port_binding",
        "delete_port_binding",
        "activate",
        "get_quotas",
        "update_quota",
        "delete_quota",
        "create_dhcp-network",
        "delete_dhcp-network",
        "get_l3-routers",
        "create_l3-router",
        "delete_l3-router",
        "get_l3-agents",
        "get_segments",
        "create_segment",
        "get_segment",
        "update_segment",
        "delete_segment",
        "get_network_segment_ranges",
        "create_network_segment_range",
        "get_network_segment_range",
        "update_network_segment_range",
        "delete_network_segment_range",
        "create_default_security_group_rule",
        "delete_default_security_group_rule"}},
  };
  return kAll;
}

std::string net_letters(const rest::Route& route) {
  const std::string exact = fmt::format("{} {}", route.method, route.pattern);
  std::string by_policy;
  for (const NetExpectation& row : net_expectations()) {
    for (const std::string_view name : row.policies) {
      if (name == exact) return std::string(row.letters);
      if (name == route.policy) by_policy = row.letters;
    }
  }
  return by_policy;
}

/// What a caller gets who may: what the API says of success, unless the request is none that can
/// succeed.
int net_status(const rest::Route& route) {
  struct Row {
    std::string_view route;
    int status;
  };
  static constexpr Row kOthers[] = {
      {"GET /{resource}/{id}/tags/{tag}", 204},
      {"PUT /{resource}/{id}/tags/{tag}", 201},
      {"POST /{resource}/{id}/tags", 200},
      {"POST /qos/policies", 201},
      {"POST /ports/{port_id}/bindings", 201},
      {"POST /floatingips/{floating_id}/port_forwardings", 201},
      // One rule of a kind is there already.
      {"POST /qos/policies/{policy_id}/bandwidth_limit_rules", 409},
      {"POST /qos/policies/{policy_id}/dscp_marking_rules", 409},
      {"POST /qos/policies/{policy_id}/minimum_bandwidth_rules", 409},
      {"DELETE /agents/{id}", 409},                        // A part of this process.
      {"GET /auto-allocated-topology/{project_id}", 409},  // No network outside is the default.
      {"GET /network-traces", 400},                        // Asks for nothing.
  };
  for (const Row& row : kOthers) {
    const auto space = row.route.find(' ');
    if (route.method == row.route.substr(0, space) &&
        route.pattern == "/network/v2.0" + std::string(row.route.substr(space + 1)))
      return row.status;
  }
  // Most bodies say nothing of what is to be made: the test of creations does.
  return route.method == "POST" ? 400 : route.method == "DELETE" ? 204 : 200;
}

bool net_fits(char letter, const Answer& there, int done) {
  return there.status == (letter == 'f' ? 403 : letter == 'n' ? 404 : done);
}

/// Nothing of the project is in what a stranger is shown. Templates of rules are everybody's.
void check_tells_nothing(const NetworkScene& scene, const std::string& text) {
  for (const auto& [collection, id] : scene.ours) {
    if (collection == "default-security-group-rules" || collection == "host") continue;
    CAPTURE_BOUND(collection);
    CAPTURE_BOUND(id);
    CHECK(text.find(id) == text.npos);
  }
}

/// Something to be made: where, and of which of the caller's things. `n` is each caller's own.
struct NetCreation {
  std::string pattern;
  std::function<json(const NetworkScene::Things& things, int n)> body;
  std::function<std::string(const NetworkScene::Things& things)> path = nullptr;
};

std::vector<NetCreation> creations_of_members(NetworkScene& scene) {
  using Things = NetworkScene::Things;
  const auto owner = [&scene](const Things& things) {
    return things.at("project_id") == scene.ours.at("project_id") ? scene.member : scene.stranger;
  };
  const auto named = [](const std::string& singular) {
    return [singular](const Things&, int n) -> json {
      return {{singular, {{"name", fmt::format("new-{}", n)}}}};
    };
  };
  return {
      {"/networks", named("network")},
      {"/routers", named("router")},
      {"/security-groups", named("security_group")},
      {"/subnets",
       [](const Things& t, int n) -> json {
         return {{"subnet",
                  {{"network_id", t.at("networks")},
                   {"ip_version", 4},
                   {"cidr", fmt::format("10.200.{}.0/24", n)}}}};
       }},
      {"/ports",
       [](const Things& t, int) -> json {
         return {{"port", {{"network_id", t.at("networks")}}}};
       }},
      {"/security-group-rules",
       [](const Things& t, int n) -> json {
         return {{"security_group_rule",
                  {{"security_group_id", t.at("security-groups")},
                   {"direction", "ingress"},
                   {"protocol", "tcp"},
                   {"port_range_min", 1000 + n},
                   {"port_range_max", 1000 + n}}}};
       }},
      {"/floatingips",
       [&scene](const Things&, int) -> json {
         return {{"floatingip", {{"floating_network_id", scene.outside}}}};
       }},
      {"/subnetpools",
       [](const Things&, int n) -> json {
         return {{"subnetpool",
                  {{"name", "new"}, {"prefixes", {fmt::format("172.{}.0.0/16", 16 + n)}}}}};
       }},
      {"/address-scopes",
       [](const Things&, int n) -> json {
         return {{"address_scope", {{"name", fmt::format("new-{}", n)}, {"ip_version", 4}}}};
       }},
      {"/rbac-policies",
       [](const Things& t, int n) -> json {
         return {{"rbac_policy",
                  {{"object_type", "network"},
                   {"object_id", t.at("networks")},
                   {"action", "access_as_shared"},
                   {"target_tenant", fmt::format("target-{}", n)}}}};
       }},
      {"/trunks",
       [&scene, owner](const Things& t, int) -> json {
         const auto parent =
             scene.made(owner(t), "/ports", "port", {{"network_id", t.at("networks")}});
         return {{"trunk", {{"port_id", parent}}}};
       }},
      {"/address-groups",
       [](const Things&, int n) -> json {
         return {{"address_group",
                  {{"name", fmt::format("new-{}", n)}, {"addresses", {"192.0.2.0/25"}}}}};
       }},
      {"/simple-networks",
       [](const Things&, int) -> json {
         return {{"simple_network", {{"name", "easy"}}}};
       }},
      {"/{resource}/{id}/tags",
       [](const Things&, int n) -> json { return {{"tags", {fmt::format("new-{}", n)}}}; },
       [](const Things& t) { return "/networks/" + t.at("networks") + "/tags"; }},
      {"/floatingips/{floating_id}/port_forwardings",
       [&scene, owner](const Things& t, int n) -> json {
         const std::string path = "/floatingips/" + t.at("floatingips") + "/port_forwardings";
         json one = scene.call(owner(t), "GET", path).json().at("port_forwardings").at(0);
         return {{"port_forwarding",
                  {{"protocol", "tcp"},
                   {"external_port", 3000 + n},
                   {"internal_port", 100 + n},
                   {"internal_port_id", one.at("internal_port_id")},
                   {"internal_ip_address", one.at("internal_ip_address")}}}};
       },
       [](const Things& t) { return "/floatingips/" + t.at("floatingips") + "/port_forwardings"; }},
  };
}

std::vector<NetCreation> creations_of_admins(NetworkScene& scene) {
  using Things = NetworkScene::Things;
  const auto agent = [&scene](const std::string& type) {
    const json agents = scene.call(scene.admin, "GET", "/agents").json().at("agents");
    for (const json& one : agents)
      if (one.at("agent_type") == type) return one;
    FAIL("no such agent");
    return json();
  };
  const std::string policy =
      scene.made(scene.admin, "/qos/policies", "policy", {{"name", "no rules yet"}});
  std::vector<NetCreation> all = {
      {"/qos/policies",
       [](const Things&, int) -> json { return {{"policy", {{"name", "new"}}}}; }},
      {"/metering/metering-labels",
       [](const Things&, int) -> json { return {{"metering_label", {{"name", "new"}}}}; }},
      {"/metering/metering-label-rules",
       [](const Things& t, int) -> json {
         return {{"metering_label_rule",
                  {{"metering_label_id", t.at("metering-labels")},
                   {"remote_ip_prefix", "172.16.0.0/12"}}}};
       }},
      {"/network_segment_ranges",
       [](const Things&, int) -> json {
         return {{"network_segment_range",
                  {{"name", "new"},
                   {"network_type", "vxlan"},
                   {"shared", true},
                   {"minimum", 80'000},
                   {"maximum", 80'100}}}};
       }},
      {"/segments",
       [](const Things& t, int) -> json {
         return {{"segment", {{"network_id", t.at("networks")}, {"network_type", "vxlan"}}}};
       }},
      {"/default-security-group-rules",
       [](const Things&, int) -> json {
         return {{"default_security_group_rule",
                  {{"direction", "ingress"},
                   {"protocol", "tcp"},
                   {"port_range_min", 2200},
                   {"port_range_max", 2200},
                   {"used_in_non_default_sg", true}}}};
       }},
      {"/ports/{port_id}/bindings",
       [agent](const Things&, int) -> json {
         return {{"binding", {{"host", agent("DHCP agent").at("host")}}}};
       },
       [](const Things& t) { return "/ports/" + t.at("ports") + "/bindings"; }},
      {"/agents/{id}/dhcp-networks",
       // Without DHCP no agent has it yet.
       [&scene](const Things&, int) -> json {
         return {{"network_id", scene.made(scene.admin, "/networks", "network", {{"name", "n"}})}};
       },
       [agent](const Things&) {
         return "/agents/" + agent("DHCP agent").at("id").get<std::string>() + "/dhcp-networks";
       }},
      {"/agents/{id}/l3-routers",
       [&scene](const Things&, int) -> json {
         return {{"router_id", scene.made(scene.admin, "/routers", "router", {{"name", "free"}})}};
       },
       [agent](const Things&) {
         return "/agents/" + agent("L3 agent").at("id").get<std::string>() + "/l3-routers";
       }},
  };
  for (const auto& [kind, field] :
       {std::pair{"bandwidth_limit_rule", "max_kbps"}, std::pair{"dscp_marking_rule", "dscp_mark"},
        std::pair{"minimum_bandwidth_rule", "min_kbps"}}) {
    const std::string rule = kind, member = field;
    all.push_back({"/qos/policies/{policy_id}/" + rule + "s",
                   [rule, member](const Things&, int) -> json { return {{rule, {{member, 8}}}}; },
                   [policy, rule](const Things&) {
                     return "/qos/policies/" + policy + "/" + rule + "s";
                   }});
  }
  return all;
}

}  // namespace

TEST_CASE("policy matrix of networks: every route has an expectation") {
  for (const rest::Route& route : rest::network_routes()) {
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    CAPTURE(route.policy);
    CHECK(route.auth);
    CHECK_FALSE(route.policy.empty());
    CHECK(net_letters(route).size() == NetCallers);
  }
}

TEST_CASE("policy matrix of networks: no caller does, sees or learns what is another's") {
  constexpr auto npos = std::string::npos;
  std::unique_ptr<NetworkScene> scene;
  for (const rest::Route& route : rest::network_routes()) {
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    CAPTURE(route.policy);
    const std::string letters = net_letters(route);
    if (letters.size() != NetCallers) continue;  // The test above says so.
    if (!scene) scene = std::make_unique<NetworkScene>();
    // Those who are refused first: they must leave what the others act on.
    bool changed = false;
    for (const bool refused : {true, false}) {
      for (std::size_t caller = 0; caller < NetCallers; ++caller) {
        if ((letters[caller] != 'y') != refused) continue;
        // What the one before has deleted is there again for the next.
        if (changed) {
          scene = std::make_unique<NetworkScene>();
          changed = false;
        }
        CAPTURE(kNetCallers[caller]);
        const std::string* const tokens[] = {&scene->reader, &scene->member, &scene->stranger,
                                             &scene->admin};
        const Answer there = scene->send(route, *tokens[caller]);
        CAPTURE(letters[caller]);
        CAPTURE(there.status);
        CAPTURE(there.text);
        CHECK(net_fits(letters[caller], there, net_status(route)));
        if (!refused && route.method == "PUT" && scene->body_of(route).dump().find("told") != npos)
          CHECK(there.text.find("told") != npos);
        const bool list = route.method == "GET" && route.pattern.find('{') == std::string::npos;
        if (list && caller == NetStranger) check_tells_nothing(*scene, there.text);
        changed = !refused && route.method != "GET";
      }
    }
    if (changed) scene.reset();
  }
}

TEST_CASE("policy matrix of networks: who may make a thing makes it, and who may not does not") {
  NetworkScene scene;
  const auto theirs = scene.things_of(scene.stranger, "10.7");
  const std::string* const tokens[] = {&scene.reader, &scene.member, &scene.stranger, &scene.admin};
  auto all = creations_of_members(scene);
  for (NetCreation& one : creations_of_admins(scene)) all.push_back(std::move(one));
  for (const rest::Route& route : rest::network_routes()) {
    if (route.method != "POST") continue;
    CAPTURE(route.pattern);
    const auto creation = std::find_if(all.begin(), all.end(), [&](const NetCreation& one) {
      return "/network/v2.0" + one.pattern == route.pattern;
    });
    CHECK(creation != all.end());
    if (creation == all.end()) continue;
    const std::string letters = net_letters(route);
    for (std::size_t caller = 0; caller < NetCallers; ++caller) {
      CAPTURE(kNetCallers[caller]);
      // A stranger makes things of what is his own, unless that is what he may not.
      const bool own = caller == NetStranger && letters[caller] == 'y';
      const auto& things = own ? theirs : scene.ours;
      const json body = creation->body(things, static_cast<int>(caller));
      const std::string path = creation->path ? creation->path(things) : creation->pattern;
      const Answer there = scene.call(*tokens[caller], "POST", path, body);
      CAPTURE(body.dump());
      CAPTURE(there.text);
      CAPTURE(there.status);
      const bool tags = route.pattern.ends_with("/tags");
      CHECK(net_fits(letters[caller], there, tags ? 200 : 201));
    }
  }
}

TEST_CASE("who shows no token, a garbled or an expired one is nobody on every guarded route") {
  NetworkScene scene;
  std::string garbled = scene.member;
  garbled[garbled.size() / 2] = garbled[garbled.size() / 2] == 'A' ? 'B' : 'A';
  const auto each = [&](const std::string& what, const std::string& token) {
    std::size_t routes = 0;
    for (const auto table : {rest::network_routes(), rest::compute_routes(), rest::task_routes(),
                             rest::audit_routes()}) {
      for (const rest::Route& route : table) {
        if (!route.auth) continue;
        CAPTURE(what);
        CAPTURE(route.method);
        CAPTURE(route.pattern);
        const Answer answer = scene.send(route, token);
        CHECK(answer.status == 401);
        CHECK(answer.headers.has("WWW-Authenticate"));
        ++routes;
      }
    }
    CHECK(routes > 200);
  };
  each("none", "");
  each("garbled", garbled);
  scene.clock->advance(std::chrono::hours(2));
  each("expired", scene.member);
  each("an admin's, expired", scene.admin);
}

TEST_CASE("what hangs on a thing is reached through its own parent alone") {
  NetworkScene scene;
  // The same things of the other project, made by the same hands.
  NetworkScene::Things theirs = scene.things_of(scene.stranger, "10.7");
  const NetworkScene::Things& ours = scene.ours;
  const json tags = {{"tags", {"evil"}}};
  const json forward = {{"port_forwarding", {{"description", "evil"}}}};
  struct Row {
    std::string what, method, path;
    json body;
  };
  const std::vector<Row> rows = {
      {"a forwarding through another's address", "GET",
       "/floatingips/" + theirs.at("floatingips") + "/port_forwardings/" + ours.at("forwarding"),
       nullptr},
      {"another's forwarding through one's own address", "GET",
       "/floatingips/" + ours.at("floatingips") + "/port_forwardings/" + theirs.at("forwarding"),
       nullptr},
      {"changed so", "PUT",
       "/floatingips/" + ours.at("floatingips") + "/port_forwardings/" + theirs.at("forwarding"),
       forward},
      {"deleted so", "DELETE",
       "/floatingips/" + ours.at("floatingips") + "/port_forwardings/" + theirs.at("forwarding"),
       nullptr},
      {"all of another's address", "GET",
       "/floatingips/" + theirs.at("floatingips") + "/port_forwardings", nullptr},
      {"tags of another's network", "GET", "/networks/" + theirs.at("networks") + "/tags", nullptr},
      {"tags put on another's network", "PUT", "/networks/" + theirs.at("networks") + "/tags",
       tags},
      {"tags added to another's port", "POST", "/ports/" + theirs.at("ports") + "/tags", tags},
      {"a tag on another's router", "PUT", "/routers/" + theirs.at("routers") + "/tags/evil",
       nullptr},
      {"tags taken off another's group", "DELETE",
       "/security-groups/" + theirs.at("security-groups") + "/tags", nullptr},
      {"tags of a network asked for as a port's", "GET", "/ports/" + ours.at("networks") + "/tags",
       nullptr},
      {"tags of another's port asked for as a network's", "PUT",
       "/networks/" + theirs.at("ports") + "/tags", tags},
      {"tags of what has none", "PUT", "/rbac-policies/" + ours.at("rbac-policies") + "/tags",
       tags},
      {"sub-ports of another's trunk", "GET", "/trunks/" + theirs.at("trunks") + "/get_subports",
       nullptr},
      {"a sub-port put on another's trunk",
       "PUT",
       "/trunks/" + theirs.at("trunks") + "/add_subports",
       {{"sub_ports",
         {{{"port_id", ours.at("ports")},
           {"segmentation_type", "vlan"},
           {"segmentation_id", 8}}}}}},
      {"another's port put on one's own trunk",
       "PUT",
       "/trunks/" + ours.at("trunks") + "/add_subports",
       {{"sub_ports",
         {{{"port_id", theirs.at("ports")},
           {"segmentation_type", "vlan"},
           {"segmentation_id", 8}}}}}},
      {"another's subnet put on one's own router",
       "PUT",
       "/routers/" + ours.at("routers") + "/add_router_interface",
       {{"subnet_id", theirs.at("subnets")}}},
      {"another's port put on one's own router",
       "PUT",
       "/routers/" + ours.at("routers") + "/add_router_interface",
       {{"port_id", theirs.at("ports")}}},
      {"a rule put into another's group",
       "POST",
       "/security-group-rules",
       {{"security_group_rule",
         {{"security_group_id", theirs.at("security-groups")}, {"direction", "ingress"}}}}},
      {"a subnet put on another's network",
       "POST",
       "/subnets",
       {{"subnet",
         {{"network_id", theirs.at("networks")}, {"ip_version", 4}, {"cidr", "10.99.0.0/24"}}}}},
      {"another's network taken over by one's own pool",
       "PUT",
       "/subnetpools/" + ours.at("subnetpools") + "/onboard_network_subnets",
       {{"network_id", theirs.at("networks")}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = scene.call(scene.member, row.method, row.path, row.body);
    CAPTURE(answer.text);
    CHECK(answer.status == 404);
  }
  // Rules of one QoS policy are not of another, even to those who may read both.
  const std::string rule = "/bandwidth_limit_rules/" + ours.at("bandwidth_limit_rules");
  const std::string other = "/qos/policies/" + theirs.at("policies");
  CHECK(scene.call(scene.admin, "GET", "/qos/policies/" + ours.at("policies") + rule).status ==
        200);
  CHECK(scene.call(scene.admin, "GET", other + rule).status == 404);
  CHECK(scene.call(scene.admin, "PUT", other + rule, {{"bandwidth_limit_rule", {{"max_kbps", 9}}}})
            .status == 404);
  CHECK(scene.call(scene.admin, "DELETE", other + rule).status == 404);
  CHECK(scene.call(scene.member, "GET", other + rule).status == 404);
}
