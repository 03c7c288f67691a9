#include <algorithm>
#include <array>
#include <set>

#include "rest/network_scene.hpp"
#include "support/capture.hpp"

using nlohmann::json;
using rest_test::Answer;
using rest_test::NetworkScene;

namespace {

std::string error_type(const Answer& answer) {
  const json body = answer.json();
  return body.contains("NeutronError") ? body["NeutronError"].at("type").get<std::string>() : "";
}

json fixed_at(const std::string& subnet, const std::string& address) {
  return json::array({{{"subnet_id", subnet}, {"ip_address", address}}});
}

}  // namespace

TEST_CASE("a quota that is used up is named as clients look for it, in every language") {
  NetworkScene scene;
  const std::string project = scene.ours.at("project_id");
  REQUIRE(scene
              .call(scene.admin, "PUT", "/quotas/" + project,
                    {{"quota", {{"network", 1}, {"floatingip", 1}, {"security_group", 2}}}})
              .status == 200);
  struct Row {
    std::string what, path;
    json body;
    std::string begins;
  };
  const std::vector<Row> rows = {
      {"networks",
       "/networks",
       {{"network", {{"name", "n"}}}},
       "Quota exceeded for resources: ['network']"},
      {"floating addresses",
       "/floatingips",
       {{"floatingip", {{"floating_network_id", scene.outside}}}},
       "Quota exceeded for resources: ['floatingip']"},
      {"security groups",
       "/security-groups",
       {{"security_group", {{"name", "n"}}}},
       "Quota exceeded for resources: ['security_group']"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = scene.call(scene.member, "POST", row.path, row.body);
    CHECK(answer.status == 409);
    CHECK(error_type(answer) == "OverQuota");
    CHECK(answer.json()["NeutronError"]["message"].get<std::string>().starts_with(row.begins));
  }
  const Answer korean =
      scene.Site::send("POST", "/network/v2.0/networks", R"({"network": {"name": "n"}})",
                       scene.member, {{"Accept-Language", "ko"}});
  CHECK(korean.headers.get("Content-Language") == "ko");
  CHECK(korean.text.find("Quota exceeded") == std::string::npos);
}

TEST_CASE("a router's leg moves to other addresses as its port is changed, and to none that harm") {
  NetworkScene scene;
  const json legs =
      scene
          .call(scene.member, "GET",
                "/ports?device_owner=network:router_interface&fixed_ips=subnet_id%3D" +
                    scene.ours.at("subnets"))
          .json()
          .at("ports");
  REQUIRE(legs.size() == 1);
  const std::string leg = "/ports/" + legs[0].at("id").get<std::string>();
  const std::string subnet = scene.ours.at("subnets");
  const auto moved = [&](const json& fixed) {
    return scene.call(scene.member, "PUT", leg, {{"port", {{"fixed_ips", fixed}}}});
  };
  const Answer there = moved(fixed_at(subnet, "10.6.0.77"));
  CHECK(there.status == 200);
  CHECK(there.json().at("port").at("fixed_ips") == fixed_at(subnet, "10.6.0.77"));
  CHECK(moved(json::array()).status == 400);
  // A forwarding leads through the router into that subnet: the leg does not leave it.
  const std::string other = scene.made(scene.member, "/subnets", "subnet",
                                       {{"network_id", scene.ours.at("networks")},
                                        {"ip_version", 4},
                                        {"cidr", "10.6.1.0/24"},
                                        {"enable_dhcp", false}});
  CHECK(moved(fixed_at(other, "10.6.1.5")).status == 409);
  json both = fixed_at(subnet, "10.6.0.77");
  both.push_back(fixed_at(other, "10.6.1.5")[0]);
  CHECK(moved(both).status == 400);
  // What the outside has is the gateway's, and goes by the router.
  const json gateways = scene.call(scene.admin, "GET", "/ports?device_owner=network:router_gateway")
                            .json()
                            .at("ports");
  REQUIRE_FALSE(gateways.empty());
  CHECK(scene
            .call(scene.admin, "PUT", "/ports/" + gateways[0].at("id").get<std::string>(),
                  {{"port", {{"fixed_ips", json::array()}}}})
            .status == 409);
}

TEST_CASE("bodies in lists may each have an envelope, and forwardings are made all or none") {
  NetworkScene scene;
  const json groups = {
      {"security_groups",
       {{{"security_group", {{"name", "one"}}}}, {{"security_group", {{"name", "two"}}}}}}};
  const Answer made = scene.call(scene.member, "POST", "/security-groups", groups);
  CHECK(made.status == 201);
  CHECK(made.json().at("security_groups").size() == 2);
  const std::string path = "/floatingips/" + scene.ours.at("floatingips") + "/port_forwardings";
  json first = scene.call(scene.member, "GET", path).json().at("port_forwardings")[0];
  const auto forward = [&](int outer, int inner) -> json {
    return {{"protocol", "tcp"},
            {"external_port", outer},
            {"internal_port", inner},
            {"internal_port_id", first.at("internal_port_id")},
            {"internal_ip_address", first.at("internal_ip_address")}};
  };
  CHECK(scene
            .call(scene.member, "POST", path,
                  {{"port_forwardings", {forward(81, 8081), forward(81, 8082)}}})
            .status == 400);
  CHECK(scene.call(scene.member, "GET", path).json().at("port_forwardings").size() == 1);
  CHECK(scene
            .call(scene.member, "POST", path,
                  {{"port_forwardings", {forward(81, 8081), forward(82, 8082)}}})
            .status == 201);
  const std::string floating = "/floatingips/" + scene.ours.at("floatingips");
  const json shown = scene.call(scene.member, "GET", floating).json().at("floatingip");
  CHECK(shown.at("port_forwardings").size() == 3);
  CHECK(shown.at("port_forwardings")[1].at("external_port") == 81);
  CHECK(error_type(scene.call(scene.member, "DELETE", floating)) == "FipInUseByPortForwarding");
}

TEST_CASE("floating addresses are led by what is said of them, and have QoS policies") {
  NetworkScene scene;
  const json fresh = scene.answer_of(scene.member, "/floatingips", "floatingip",
                                     {{"floating_network_id", scene.outside}});
  CHECK(fresh.at("qos_policy_id") == nullptr);
  CHECK(fresh.at("port_forwardings") == json::array());
  const std::string path = "/floatingips/" + fresh.at("id").get<std::string>();
  const auto put = [&](const std::string& token, const json& fields) {
    return scene.call(token, "PUT", path, {{"floatingip", fields}});
  };
  REQUIRE(put(scene.member, {{"port_id", scene.ours.at("ports")}}).status == 200);
  CHECK(put(scene.member, {{"description", "d"}}).json()["floatingip"]["port_id"] ==
        scene.ours.at("ports"));
  CHECK(put(scene.member, json::object()).json()["floatingip"]["port_id"] == nullptr);
  // A stranger's port and none at all look the same.
  const NetworkScene::Things theirs = scene.things_of(scene.stranger, "10.7");
  for (const std::string& port :
       {theirs.at("ports"), std::string("01234567-89ab-7def-8123-456789abcdef")}) {
    const Answer refused = put(scene.member, {{"port_id", port}});
    CHECK(refused.status == 400);
    CHECK(error_type(refused) == "BadRequest");
  }
  // Rules that nobody holds are of no use to an address.
  const std::string mine = "/qos/policies/" + scene.ours.at("policies");
  CHECK(error_type(put(scene.member, {{"qos_policy_id", scene.ours.at("policies")}})) ==
        "QosRuleNotSupported");
  REQUIRE(scene
              .call(scene.admin, "DELETE",
                    mine + "/minimum_bandwidth_rules/" + scene.ours.at("minimum_bandwidth_rules"))
              .status == 204);
  CHECK(put(scene.member, {{"qos_policy_id", scene.ours.at("policies")}})
            .json()["floatingip"]["qos_policy_id"] == scene.ours.at("policies"));
  CHECK(scene.call(scene.admin, "DELETE", mine).status == 409);
  CHECK(scene
            .call(scene.admin, "POST", mine + "/minimum_bandwidth_rules",
                  {{"minimum_bandwidth_rule", {{"min_kbps", 5}}}})
            .status == 409);
  CHECK(put(scene.member, {{"qos_policy_id", theirs.at("policies")}}).status == 404);
  CHECK(put(scene.member, {{"qos_policy_id", nullptr}}).json()["floatingip"]["qos_policy_id"] ==
        nullptr);
  CHECK(scene
            .answer_of(scene.member, "/floatingips", "floatingip",
                       {{"floating_network_id", scene.outside},
                        {"qos_policy_id", scene.ours.at("policies")}})
            .at("qos_policy_id") == scene.ours.at("policies"));
  for (const char* pools : {"/floatingip_pools", "/floatingip-pools"})
    CHECK(scene.call(scene.member, "GET", pools).json().at("floatingip_pools").size() == 1);
}

TEST_CASE("what is wrong with a body is said before what its sender may not do") {
  NetworkScene scene;
  const std::string rules = "/qos/policies/" + scene.ours.at("policies") + "/";
  struct Row {
    std::string what, path;
    json body;
    int status;
  };
  const std::vector<Row> rows = {
      {"a good policy", "/qos/policies", {{"policy", {{"name", "p"}}}}, 403},
      {"a name of 256", "/qos/policies", {{"policy", {{"name", std::string(256, 'z')}}}}, 400},
      {"a description of 256",
       "/qos/policies",
       {{"policy", {{"name", "p"}, {"description", std::string(256, 'z')}}}},
       400},
      {"a project of 256",
       "/qos/policies",
       {{"policy", {{"name", "p"}, {"project_id", std::string(256, 'z')}}}},
       400},
      {"an unknown member", "/qos/policies", {{"policy", {{"name", "p"}, {"speed", 1}}}}, 400},
      {"a good rule",
       rules + "dscp_marking_rules",
       {{"dscp_marking_rule", {{"dscp_mark", 8}}}},
       403},
      {"a rule that is none",
       rules + "dscp_marking_rules",
       {{"dscp_marking_rule", {{"mark", 8}}}},
       400},
      {"a rule under another's name",
       rules + "bandwidth_limit_rules",
       {{"dscp_marking_rule", {{"dscp_mark", 8}}}},
       400},
      {"another project's port",
       "/ports",
       {{"port", {{"network_id", scene.ours.at("networks")}, {"project_id", "elsewhere"}}}},
       400},
      {"another project's network", "/networks", {{"network", {{"tenant_id", "elsewhere"}}}}, 400},
      {"a network for all", "/networks", {{"network", {{"shared", true}}}}, 403},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(scene.call(scene.member, "POST", row.path, row.body).status == row.status);
  }
  CHECK(scene.call("", "POST", "/qos/policies", {{"policy", {{"name", std::string(256, 'z')}}}})
            .status == 401);
}

TEST_CASE("odd values are taken or refused as Networking does") {
  NetworkScene scene;
  const std::string port = "/ports/" + scene.ours.at("ports");
  const std::string group = scene.ours.at("security-groups");
  const std::string addresses = "/address-groups/" + scene.ours.at("address-groups");
  const std::string router = "/routers/" + scene.ours.at("routers") + "/add_router_interface";
  struct Row {
    std::string what, method, path;
    json body;
    int status;
  };
  const std::vector<Row> rows = {
      {"a group twice", "PUT", port, {{"port", {{"security_groups", {group, group}}}}}, 400},
      {"a leg by a name", "PUT", router, {{"port_id", "no-uuid"}}, 400},
      {"a leg in a subnet by a name", "PUT", router, {{"subnet_id", "no-uuid"}}, 400},
      {"a pool of a scope by a name",
       "POST",
       "/subnetpools",
       {{"subnetpool",
         {{"name", "p"}, {"prefixes", {"10.1.0.0/16"}}, {"address_scope_id", "no-uuid"}}}},
       400},
      {"a pool's prefix with host bits",
       "POST",
       "/subnetpools",
       {{"subnetpool", {{"name", "p"}, {"prefixes", {"10.1.2.3/16"}}}}},
       201},
      {"an address group of a bare address",
       "POST",
       "/address-groups",
       {{"address_group", {{"addresses", {"10.1.2.3"}}}}},
       400},
      {"a bare address that is not in it",
       "PUT",
       addresses + "/remove_addresses",
       {{"addresses", {"10.1.2.3"}}},
       404},
      {"no address at all",
       "PUT",
       addresses + "/remove_addresses",
       {{"addresses", {"what is it"}}},
       400},
      {"a scope unshared by its owner",
       "PUT",
       "/address-scopes/" + scene.ours.at("address-scopes"),
       {{"address_scope", {{"shared", false}}}},
       403},
      {"an MTU above the links'", "POST", "/networks", {{"network", {{"mtu", 1501}}}}, 400},
      {"the links' MTU", "POST", "/networks", {{"network", {{"mtu", 1500}}}}, 201},
      {"a subnet for ports of another maker",
       "POST",
       "/subnets",
       {{"subnet",
         {{"network_id", scene.ours.at("networks")},
          {"ip_version", 4},
          {"cidr", "10.66.0.0/24"},
          {"service_types", {"maker:kind"}}}}},
       201},
      {"ICMP codes above 255",
       "POST",
       "/security-group-rules",
       {{"security_group_rule",
         {{"security_group_id", group},
          {"direction", "ingress"},
          {"protocol", "icmp"},
          {"port_range_min", 1},
          {"port_range_max", 256}}}},
       400},
      {"a subnet for no kind",
       "POST",
       "/subnets",
       {{"subnet",
         {{"network_id", scene.ours.at("networks")},
          {"ip_version", 4},
          {"cidr", "10.67.0.0/24"},
          {"service_types", {"kind"}}}}},
       400},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = scene.call(scene.member, row.method, row.path, row.body);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
  }
  const json pool = scene.call(scene.member, "GET", "/subnetpools/" + scene.ours.at("subnetpools"))
                        .json()
                        .at("subnetpool");
  CHECK(pool.at("min_prefixlen") == "8");
  CHECK(pool.at("default_prefixlen") == "8");
  CHECK(pool.at("max_prefixlen") == "32");
  const json mark = scene.call(scene.admin, "GET", "/qos/rule-types/dscp_marking")
                        .json()["rule_type"]["drivers"][0]["supported_parameters"][0];
  REQUIRE(mark.at("parameter_values").size() == 21);
  CHECK(mark.at("parameter_values")[1] == 8);
}

TEST_CASE("a rule that an admin makes for whomever goes with its group") {
  NetworkScene scene;
  const json rule = {{"security_group_id", scene.ours.at("security-groups")},
                     {"direction", "ingress"},
                     {"protocol", "tcp"}};
  json elsewhere = rule;
  elsewhere["project_id"] = "elsewhere";
  CHECK(
      scene
          .call(scene.member, "POST", "/security-group-rules", {{"security_group_rule", elsewhere}})
          .status == 400);
  const json made =
      scene.answer_of(scene.admin, "/security-group-rules", "security_group_rule", elsewhere);
  CHECK(made.at("project_id") == scene.ours.at("project_id"));
  std::set<std::string> seen;
  const json rules = scene.call(scene.member, "GET", "/security-group-rules").json();
  for (const json& one : rules.at("security_group_rules"))
    seen.insert(one.at("id").get<std::string>());
  CHECK(seen.count(made.at("id").get<std::string>()) == 1);
}

TEST_CASE("a QoS policy that an admin put on a network is not its owner's to take off") {
  NetworkScene scene;
  const std::string id = scene.made(scene.admin, "/qos/policies", "policy", {{"name", "slow"}});
  const std::string port = "/ports/" + scene.ours.at("ports");
  const std::string net = "/networks/" + scene.ours.at("networks");
  for (const auto& [path, name] : {std::pair{net, "network"}, std::pair{port, "port"}}) {
    CAPTURE_BOUND(path);
    const auto put = [&scene, &path = path, name = name](const std::string& token,
                                                         const json& policy) {
      return scene.call(token, "PUT", path, {{name, {{"qos_policy_id", policy}}}}).status;
    };
    REQUIRE(put(scene.admin, id) == 200);
    CHECK(put(scene.member, nullptr) == 403);
    CHECK(put(scene.member, id) == 200);
    CHECK(put(scene.admin, nullptr) == 200);
  }
  REQUIRE(scene.call(scene.admin, "PUT", "/qos/policies/" + id, {{"policy", {{"shared", true}}}})
              .status == 200);
  CHECK(scene.call(scene.member, "PUT", net, {{"network", {{"qos_policy_id", id}}}}).status == 200);
  CHECK(scene.call(scene.member, "PUT", net, {{"network", {{"qos_policy_id", nullptr}}}}).status ==
        200);
  // A marker that the caller does not see begins the list anew.
  const std::string theirs = scene.things_of(scene.stranger, "10.7").at("policies");
  CHECK(scene.call(scene.member, "GET", "/qos/policies?limit=1&marker=" + theirs)
            .json()
            .at("policies")
            .size() == 1);
}

TEST_CASE("a network stays external while routers or floating addresses are on it") {
  NetworkScene scene;
  const auto inward = [&] {
    return scene.call(scene.admin, "PUT", "/networks/" + scene.outside,
                      {{"network", {{"router:external", false}}}});
  };
  const Answer refused = inward();
  CHECK(refused.status == 409);
  CHECK(error_type(refused) == "ExternalNetworkInUse");
}

TEST_CASE("collections are reached by either spelling, and routers ask for zones") {
  NetworkScene scene;
  const Answer range = scene.call(
      scene.admin, "GET", "/network-segment-ranges/" + scene.ours.at("network_segment_ranges"));
  CHECK(range.status == 200);
  for (const char* path : {"/network_segment_ranges", "/network-segment-ranges",
                           "/availability_zones", "/availability-zones"})
    CHECK(scene.call(scene.admin, "GET", path).status == 200);
  const json router = scene.answer_of(scene.member, "/routers", "router",
                                      {{"name", "r"}, {"availability_zone_hints", {"nova"}}});
  CHECK(router.at("availability_zone_hints") == json::array({"nova"}));
  CHECK(router.at("availability_zones") == json::array());
  CHECK(scene
            .call(scene.member, "POST", "/routers",
                  {{"router", {{"name", "r"}, {"availability_zone_hints", {"moon"}}}}})
            .status == 404);
  CHECK(scene.call(scene.member, "GET", "/routers/" + scene.ours.at("routers"))
            .json()["router"]["availability_zones"] == json::array({"nova"}));
}

TEST_CASE("what is made once is refused as such, not as unknown") {
  NetworkScene scene;
  const auto said = [&](const std::string& things, const std::string& one,
                        const std::string& name) {
    const Answer answer =
        scene.call(scene.admin, "PUT", "/" + things + "/" + scene.ours.at(things),
                   {{one, {{name, "other"}}}});
    CHECK(answer.status == 400);
    return answer.json().at("NeutronError").at("message").get<std::string>();
  };
  for (const auto& [things, one, name] : std::vector<std::array<std::string, 3>>{
           {"networks", "network", "provider:segmentation_id"},
           {"networks", "network", "id"},
           {"subnets", "subnet", "cidr"},
           {"ports", "port", "network_id"},
           {"routers", "router", "tenant_id"},
           {"floatingips", "floatingip", "floating_network_id"},
           {"security-groups", "security_group", "tags"}}) {
    CHECK(said(things, one, name) == one + "." + name + " cannot be changed");
  }
  CHECK(said("networks", "network", "colour") == "network.colour is not known here");
}

TEST_CASE("what no record stands behind is filtered, sorted and cut as everything is") {
  NetworkScene scene;
  const auto list = [&](const std::string& path) {
    const Answer answer = scene.call(scene.admin, "GET", path);
    INFO(path << " " << answer.text);
    REQUIRE(answer.status == 200);
    return answer.json();
  };
  CHECK(scene.call(scene.admin, "PUT", "/quotas/" + scene.ours.at("project_id"),
                   {{"quota", {{"port", 77}}}})
            .status == 200);
  struct Row {
    std::string path, plural, name, value;
    std::size_t all;
  };
  const Row rows[] = {
      {"/availability_zones", "availability_zones", "resource", "router", 2},
      {"/service-providers", "service_providers", "default", "True", 1},
      {"/qos/rule-types", "rule_types", "type", "dscp_marking", 2},
      {"/floatingip_pools", "floatingip_pools", "cidr", "203.0.113.0/24", 1},
      {"/quotas", "quotas", "project_id", scene.ours.at("project_id"), 1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    CHECK(list(row.path).at(row.plural).size() == row.all);
    CHECK(list(row.path + "?" + row.name + "=" + row.value).at(row.plural).size() == 1);
    CHECK(list(row.path + "?" + row.name + "=other").at(row.plural).empty());
    CHECK(list(row.path + "?" + row.name + "=other&" + row.name + "=" + row.value)
              .at(row.plural)
              .size() == 1);
    const json sorted =
        list(row.path + "?sort_dir=desc&sort_key=" + row.name + "&fields=" + row.name)
            .at(row.plural);
    CHECK(sorted.size() == row.all);
    for (const json& one : sorted) CHECK(one.size() == 1);
    CHECK(std::is_sorted(sorted.rbegin(), sorted.rend(), [&](const json& a, const json& b) {
      return a.at(row.name) < b.at(row.name);
    }));
    CHECK(scene.call(scene.admin, "GET", row.path + "?nosuch=1").status == 400);
    CHECK(scene.call(scene.admin, "GET", row.path + "?sort_key=nosuch").status == 400);
    CHECK(scene.call(scene.admin, "GET", row.path + "?marker=nosuch").status == 404);
  }
  // Page by page there is each row once.
  const json first = list("/availability_zones?limit=1");
  REQUIRE(first.at("availability_zones").size() == 1);
  CHECK(first.at("availability_zones")[0].at("resource") == "network");
  const std::string next = first.at("availability_zones_links")[0].at("href");
  const json second = list(next.substr(next.find("/availability_zones")));
  CHECK(second.at("availability_zones")[0].at("resource") == "router");

  const std::string addresses = "/network-ip-availabilities";
  const json all = list(addresses).at("network_ip_availabilities");
  REQUIRE(all.size() > 2);
  const json one = list(addresses + "?sort_key=network_id&limit=1&fields=network_id&marker=" +
                        all[0].at("network_id").get<std::string>());
  CHECK(one.at("network_ip_availabilities") ==
        json::array({{{"network_id", all[1].at("network_id")}}}));
  CHECK(one.count("network_ip_availabilities_links") == 1);
  CHECK(list(addresses + "/" + all[0].at("network_id").get<std::string>() + "?fields=used_ips")
            .at("network_ip_availability")
            .size() == 1);
}

TEST_CASE("a QoS policy for all stays so while anything has it") {
  NetworkScene scene;
  const std::string id =
      scene.made(scene.admin, "/qos/policies", "policy", {{"name", "gold"}, {"shared", true}});
  const std::string policy = "/qos/policies/" + id;
  const auto unshare = [&] {
    return scene.call(scene.admin, "PUT", policy, {{"policy", {{"shared", false}}}}).status;
  };
  const std::string net =
      scene.made(scene.admin, "/networks", "network", {{"name", "n"}, {"qos_policy_id", id}});
  CHECK(unshare() == 409);
  REQUIRE(scene.call(scene.admin, "DELETE", "/networks/" + net).status == 204);
  const std::string theirs =
      scene.made(scene.stranger, "/networks", "network", {{"name", "n"}, {"qos_policy_id", id}});
  CHECK(unshare() == 409);
  // By a grant of his own the stranger keeps it.
  const json grants =
      scene.call(scene.admin, "GET", "/rbac-policies?object_id=" + id).json().at("rbac_policies");
  REQUIRE(grants.size() == 1);
  const std::string stranger =
      scene.call(scene.stranger, "GET", "/networks/" + theirs).json()["network"]["project_id"];
  CHECK(scene
            .call(scene.admin, "PUT", "/rbac-policies/" + grants[0].at("id").get<std::string>(),
                  {{"rbac_policy", {{"target_tenant", stranger}}}})
            .status == 409);
  scene.made(scene.admin, "/rbac-policies", "rbac_policy",
             {{"object_type", "qos_policy"},
              {"object_id", id},
              {"action", "access_as_shared"},
              {"target_tenant", stranger}});
  CHECK(unshare() == 200);
  CHECK(scene.call(scene.stranger, "GET", policy).status == 200);
  CHECK(scene.call(scene.member, "GET", policy).status == 404);
}

TEST_CASE("pools are granted to those who may use their scope, and stay while subnets are cut") {
  NetworkScene scene;
  const NetworkScene::Things theirs = scene.things_of(scene.stranger, "10.7");
  const std::string scope = scene.ours.at("address-scopes");
  const std::string pool = scene.made(scene.member, "/subnetpools", "subnetpool",
                                      {{"name", "p"},
                                       {"prefixes", {"10.44.0.0/16"}},
                                       {"default_prefixlen", 24},
                                       {"address_scope_id", scope}});
  const auto grant = [&](const std::string& type, const std::string& id) {
    return scene.call(scene.member, "POST", "/rbac-policies",
                      {{"rbac_policy",
                        {{"object_type", type},
                         {"object_id", id},
                         {"action", "access_as_shared"},
                         {"target_tenant", theirs.at("project_id")}}}});
  };
  CHECK(grant("subnetpool", pool).status == 400);
  const Answer scoped = grant("address_scope", scope);
  CHECK(scoped.status == 201);
  const Answer pooled = grant("subnetpool", pool);
  CHECK(pooled.status == 201);
  const std::string net = scene.made(scene.stranger, "/networks", "network", {{"name", "n"}});
  const std::string subnet =
      scene.made(scene.stranger, "/subnets", "subnet",
                 {{"network_id", net}, {"ip_version", 4}, {"subnetpool_id", pool}});
  const auto revoke = [&](const Answer& made) {
    return scene
        .call(scene.member, "DELETE",
              "/rbac-policies/" + made.json()["rbac_policy"]["id"].get<std::string>())
        .status;
  };
  CHECK(revoke(pooled) == 409);
  REQUIRE(scene.call(scene.stranger, "DELETE", "/subnets/" + subnet).status == 204);
  CHECK(revoke(pooled) == 204);
  // A pool of another's in the scope keeps the scope's grant.
  const std::string second =
      scene.made(scene.stranger, "/subnetpools", "subnetpool",
                 {{"name", "p"}, {"prefixes", {"10.45.0.0/16"}}, {"address_scope_id", scope}});
  CHECK(revoke(scoped) == 409);
  CHECK(scene
            .call(scene.stranger, "PUT", "/subnetpools/" + second,
                  {{"subnetpool", {{"prefixes", {"10.45.0.0/16", "10.47.0.0/16"}}}}})
            .status == 400);
  REQUIRE(scene.call(scene.stranger, "DELETE", "/subnetpools/" + second).status == 204);
  CHECK(revoke(scoped) == 204);
  // Grants go with what they are about.
  REQUIRE(grant("address_scope", scope).status == 201);
  REQUIRE(grant("subnetpool", pool).status == 201);
  REQUIRE(scene.call(scene.member, "DELETE", "/subnetpools/" + pool).status == 204);
  REQUIRE(scene.call(scene.member, "DELETE", "/address-scopes/" + scope).status == 204);
  CHECK(scene.call(scene.member, "GET", "/rbac-policies").json().at("rbac_policies").size() == 1);
}

TEST_CASE("a port's new MAC gives it the addresses that follow from it") {
  NetworkScene scene;
  const std::string net = scene.made(scene.admin, "/networks", "network", {{"name", "six"}});
  const std::string six = scene.made(scene.admin, "/subnets", "subnet",
                                     {{"network_id", net},
                                      {"ip_version", 6},
                                      {"cidr", "fd00:6::/64"},
                                      {"ipv6_ra_mode", "slaac"},
                                      {"ipv6_address_mode", "slaac"}});
  const auto port = [&](const std::string& mac) {
    return scene.answer_of(scene.admin, "/ports", "port",
                           {{"network_id", net}, {"mac_address", mac}});
  };
  const json one = port("fa:16:3e:00:00:01"), two = port("fa:16:3e:00:00:02");
  CHECK(one.at("fixed_ips") == fixed_at(six, "fd00:6::f816:3eff:fe00:1"));
  const auto change = [&](const std::string& mac) {
    return scene.call(scene.admin, "PUT", "/ports/" + one.at("id").get<std::string>(),
                      {{"port", {{"mac_address", mac}}}});
  };
  CHECK(change("fa:16:3e:00:00:02").status == 409);
  const Answer changed = change("fa:16:3e:00:00:03");
  CHECK(changed.status == 200);
  CHECK(changed.json()["port"]["fixed_ips"] == fixed_at(six, "fd00:6::f816:3eff:fe00:3"));
  // The old address is free again.
  CHECK(port("fa:16:3e:00:00:01").at("fixed_ips") == one.at("fixed_ips"));
}
