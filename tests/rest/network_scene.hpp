#pragma once
#include <fmt/format.h>

#include <map>

#include "cloudos/networks.hpp"
#include "rest/support.hpp"

namespace rest_test {

/// A project with a thing of each kind that Networking has, and callers that see more or less of
/// it.
class NetworkScene : public Site {
 public:
  using Things = std::map<std::string, std::string>;  ///< Ids by collection.

  NetworkScene() {
    member = add_user("paper");
    stranger = add_user("xenon");
    reader = reader_beside();
    outside = made(admin, "/networks", "network", {{"name", "out"}, {"router:external", true}});
    made(admin, "/subnets", "subnet",
         {{"network_id", outside},
          {"ip_version", 4},
          {"cidr", "203.0.113.0/24"},
          {"enable_dhcp", false}});
    ours = things_of(member, "10.6");
    add_admins_things();
  }

  nlohmann::json answer_of(const std::string& token, const std::string& path,
                           const std::string& name, const nlohmann::json& fields) {
    const Answer answer = call(token, "POST", path, {{name, fields}});
    INFO(path << " " << answer.text);
    REQUIRE(answer.status == 201);
    return answer.json().at(name);
  }
  std::string made(const std::string& token, const std::string& path, const std::string& name,
                   const nlohmann::json& fields) {
    return answer_of(token, path, name, fields).at("id");
  }
  Answer call(const std::string& token, const std::string& method, const std::string& path,
              const nlohmann::json& body = nullptr) {
    return Site::send(method, "/network/v2.0" + path, body.is_null() ? "" : body.dump(), token);
  }

  /// One of each, of the project that `token` is for; its addresses begin with `net`.
  Things things_of(const std::string& token, const std::string& net) {
    Things all;
    const nlohmann::json first =
        answer_of(token, "/networks", "network", {{"name", "in"}, {"tags", {"a-tag"}}});
    const std::string project = first.at("project_id");
    all["networks"] = first.at("id");
    all["project_id"] = project;
    const auto port = [&] {
      return made(token, "/ports", "port", {{"network_id", all["networks"]}});
    };
    all["subnets"] = made(token, "/subnets", "subnet",
                          {{"network_id", all["networks"]},
                           {"ip_version", 4},
                           {"cidr", net + ".0.0/24"},
                           {"enable_dhcp", false}});
    all["routers"] = made(token, "/routers", "router",
                          {{"name", "r"}, {"external_gateway_info", {{"network_id", outside}}}});
    REQUIRE(call(token, "PUT", "/routers/" + all["routers"] + "/add_router_interface",
                 {{"subnet_id", all["subnets"]}})
                .status == 200);
    add_idle_things(token, net, all);
    const std::string behind = port();
    all["floatingips"] =
        made(token, "/floatingips", "floatingip", {{"floating_network_id", outside}});
    const std::string forwardings = "/floatingips/" + all["floatingips"] + "/port_forwardings";
    const nlohmann::json address =
        call(token, "GET", "/ports/" + behind).json().at("port").at("fixed_ips")[0];
    forward = {{"protocol", "tcp"},
               {"external_port", 2222},
               {"internal_port", 22},
               {"internal_port_id", behind},
               {"internal_ip_address", address.at("ip_address")}};
    all["forwarding"] = made(token, forwardings, "port_forwarding", forward);
    all["ports"] = port();
    const std::string parent = port();
    all["trunks"] = made(token, "/trunks", "trunk", {{"port_id", parent}});
    all["security-groups"] = made(token, "/security-groups", "security_group", {{"name", "g"}});
    all["security-group-rules"] =
        made(token, "/security-group-rules", "security_group_rule",
             {{"security_group_id", all["security-groups"]}, {"direction", "ingress"}});
    all["subnetpools"] = made(token, "/subnetpools", "subnetpool",
                              {{"name", "p"}, {"prefixes", {net + ".128.0/17", "10.250.0.0/16"}}});
    all["address-scopes"] =
        made(token, "/address-scopes", "address_scope", {{"name", "s"}, {"ip_version", 4}});
    all["address-groups"] = made(token, "/address-groups", "address_group",
                                 {{"name", "a"}, {"addresses", {"192.0.2.0/24"}}});
    all["rbac-policies"] = made(token, "/rbac-policies", "rbac_policy",
                                {{"object_type", "network"},
                                 {"object_id", all["networks"]},
                                 {"action", "access_as_shared"},
                                 {"target_tenant", "nobody"}});
    all["policies"] =
        made(admin, "/qos/policies", "policy", {{"name", "q"}, {"project_id", project}});
    for (const auto& [kind, field] :
         {std::pair{"bandwidth_limit", "max_kbps"}, std::pair{"dscp_marking", "dscp_mark"},
          std::pair{"minimum_bandwidth", "min_kbps"}}) {
      const std::string rule = std::string(kind) + "_rule";
      all[rule + "s"] =
          made(admin, "/qos/policies/" + all["policies"] + "/" + rule + "s", rule, {{field, 8}});
    }
    return all;
  }

  /// The pattern of a route with what is ours, and a body that says something to it.
  Answer send(const cloudos::rest::Route& route, const std::string& token) {
    std::string target, collection;
    std::string_view rest = route.pattern;
    for (auto at = rest.find('{'); at != rest.npos; at = rest.find('{')) {
      const auto end = rest.find('}', at);
      target += rest.substr(0, at);
      const std::string before = target.substr(0, target.size() - 1);
      if (rest.substr(0, at).size() > 1) collection = before.substr(before.rfind('/') + 1);
      const std::string name(rest.substr(at + 1, end - at - 1));
      if (name == "resource") collection = "networks";
      target += value_of(route, name, collection);
      rest = rest.substr(end + 1);
    }
    target += rest;
    const std::string body =
        route.method == "GET" || route.method == "DELETE" ? "" : body_of(route).dump();
    return Site::send(std::string(route.method), target, body, token);
  }

  /// What gets past decoding, so that who calls decides.
  nlohmann::json body_of(const cloudos::rest::Route& route) {
    using nlohmann::json;
    const std::string pattern(route.pattern);
    const auto ends = [&](std::string_view end) { return pattern.ends_with(end); };
    const auto has = [&](std::string_view part) { return pattern.find(part) != pattern.npos; };
    if (ends("/tags")) return {{"tags", {"b-tag"}}};
    if (ends("add_router_interface")) return {{"subnet_id", ours.at("idle subnets")}};
    if (ends("remove_router_interface")) return {{"subnet_id", ours.at("leg")}};
    if (ends("_extraroutes")) return {{"router", {{"routes", json::array()}}}};
    if (ends("add_prefixes")) return {{"prefixes", {"10.251.0.0/16"}}};
    if (ends("remove_prefixes")) return {{"prefixes", {"10.250.0.0/16"}}};
    if (ends("onboard_network_subnets")) return {{"network_id", ours.at("networks")}};
    if (ends("_subports")) return {{"sub_ports", json::array()}};
    if (ends("add_addresses")) return {{"addresses", {"198.51.100.0/24"}}};
    if (ends("remove_addresses")) return {{"addresses", {"192.0.2.0/24"}}};
    if (has("port_forwardings")) {
      if (route.method == "PUT") return {{"port_forwarding", {{"description", "told"}}}};
      json one = forward;
      one["external_port"] = 2223;
      one["internal_port"] = 23;
      return {{"port_forwarding", one}};
    }
    if (has("bandwidth_limit_rules")) return {{"bandwidth_limit_rule", {{"max_kbps", 9}}}};
    if (has("dscp_marking_rules")) return {{"dscp_marking_rule", {{"dscp_mark", 10}}}};
    if (has("minimum_bandwidth_rules")) return {{"minimum_bandwidth_rule", {{"min_kbps", 9}}}};
    if (has("/bindings")) return {{"binding", {{"host", "some-host"}}}};
    if (ends("/quotas/{project_id}")) return {{"quota", {{"network", 5}}}};
    if (has("/address-scopes/")) return {{"address_scope", {{"name", "told"}}}};
    if (has("/rbac-policies/")) return {{"rbac_policy", {{"target_tenant", "somebody"}}}};
    for (const auto& [collection, singular] : std::map<std::string, std::string>{
             {"/networks/{id}", "network"},
             {"/subnets/{id}", "subnet"},
             {"/ports/{id}", "port"},
             {"/security-groups/{id}", "security_group"},
             {"/routers/{id}", "router"},
             {"/floatingips/{id}", "floatingip"},
             {"/subnetpools/{id}", "subnetpool"},
             {"/policies/{id}", "policy"},
             {"/trunks/{id}", "trunk"},
             {"/agents/{id}", "agent"},
             {"/segments/{id}", "segment"},
             {"/network_segment_ranges/{id}", "network_segment_range"},
             {"/address-groups/{id}", "address_group"}})
      if (ends(collection) && !has("default-")) return {{singular, {{"description", "told"}}}};
    if (ends("/policies")) return {{"policy", {{"name", "n"}}}};
    return json::object();
  }

  std::string reader, member, stranger, outside;
  Things ours;

 private:
  /// What nothing hangs on: things to delete and to connect.
  void add_idle_things(const std::string& token, const std::string& net, Things& all) {
    const std::string network =
        made(token, "/networks", "network", {{"name", "idle"}, {"tags", {"a-tag"}}});
    const auto subnet = [&](const std::string& of, int third) {
      return made(
          token, "/subnets", "subnet",
          {{"network_id", of}, {"ip_version", 4}, {"cidr", fmt::format("{}.{}.0/24", net, third)}});
    };
    all["idle networks"] = network;
    all["idle subnets"] = subnet(network, 64);
    all["leg"] = subnet(all["networks"], 65);
    REQUIRE(call(token, "PUT", "/routers/" + all["routers"] + "/add_router_interface",
                 {{"subnet_id", all["leg"]}})
                .status == 200);
    all["idle routers"] = made(token, "/routers", "router", {{"name", "idle"}});
    all["idle floatingips"] =
        made(token, "/floatingips", "floatingip", {{"floating_network_id", outside}});
  }

  std::string reader_beside() {
    // A reader of the member's project, not of one of their own.
    add_user("rosa");
    auto& identity = cloud->identity();
    const auto system = cloudos::Context::system();
    cloudos::Assignment assignment;
    const auto roles = identity.list_roles(system, {});
    const auto users = identity.list_users(system, cloudos::IdentityFilter{});
    const auto projects = identity.list_projects(system, cloudos::IdentityFilter{});
    REQUIRE((roles && users && projects));
    for (const auto& each : *roles)
      if (each.name == "reader") assignment.role = each.id;
    for (const auto& each : *users)
      if (each.name == "rosa") assignment.user = each.id;
    for (const auto& each : *projects)
      if (each.name == "paper") assignment.project = each.id;
    REQUIRE(identity.grant(system, assignment));
    return login("rosa", "password of rosa", "paper");
  }

  std::string value_of(const cloudos::rest::Route& route, const std::string& name,
                       const std::string& collection) {
    const auto has = [&](std::string_view part) {
      return route.pattern.find(part) != route.pattern.npos;
    };
    if (name == "id" && has("/dhcp-networks")) return ours.at("DHCP agent");
    if (name == "id" && has("/l3-routers")) return ours.at("L3 agent");
    if (name == "id" && route.method == "DELETE" && ours.count("idle " + collection) > 0)
      return ours.at("idle " + collection);
    if (name == "project_id") return ours.at("project_id");
    if (name == "resource") return "networks";
    if (name == "tag") return "a-tag";
    if (name == "type") return "bandwidth_limit";
    if (name == "alias") return "router";
    if (name == "host") return binding();
    if (name == "floating_id") return ours.at("floatingips");
    if (name == "port_id") return ours.at("ports");
    if (name == "policy_id") return ours.at("policies");
    if (name == "network_id") return ours.at("idle networks");  // DHCP serves that.
    if (name == "router_id") return ours.at("routers");
    if (name != "id") return "nowhere";
    if (collection == "port_forwardings") return ours.at("forwarding");
    if (collection == "network-ip-availabilities") return ours.at("networks");
    if (collection.rfind("alias_", 0) == 0) return ours.at(collection.substr(6));
    const auto known = ours.find(collection.empty() ? "networks" : collection);
    return known == ours.end() ? "nowhere" : known->second;
  }
  /// A binding beside the active one, once somebody asks.
  std::string binding() {
    if (ours.count("host") == 0) {
      call(admin, "POST", "/ports/" + ours.at("ports") + "/bindings",
           {{"binding", {{"host", "some-host"}}}});
      ours["host"] = "some-host";
    }
    return ours.at("host");
  }
  /// What is the cloud's own.
  void add_admins_things() {
    const auto agents = call(admin, "GET", "/agents").json().at("agents");
    ours["agents"] = agents.at(0).at("id");
    for (const auto& agent : agents) ours[agent.at("agent_type")] = agent.at("id");
    ours["metering-labels"] =
        made(admin, "/metering/metering-labels", "metering_label", {{"name", "l"}});
    ours["metering-label-rules"] =
        made(admin, "/metering/metering-label-rules", "metering_label_rule",
             {{"metering_label_id", ours["metering-labels"]}, {"remote_ip_prefix", "10.0.0.0/8"}});
    for (const char* collection : {"segments", "default-security-group-rules"}) {
      const auto all = call(admin, "GET", std::string("/") + collection).json();
      if (!all.is_object() || all.empty() || all.begin()->empty()) continue;
      ours[collection] = (*all.begin())[0].at("id");
    }
    ours["idle segments"] =
        made(admin, "/segments", "segment",
             {{"network_id", ours["idle networks"]}, {"network_type", "vxlan"}});
    ours["network_segment_ranges"] = made(admin, "/network_segment_ranges", "network_segment_range",
                                          {{"name", "r"},
                                           {"network_type", "vxlan"},
                                           {"shared", true},
                                           {"minimum", 70'000},
                                           {"maximum", 70'100}});
  }

  nlohmann::json forward;
};

}  // namespace rest_test
