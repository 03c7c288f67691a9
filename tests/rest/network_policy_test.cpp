#include "rest/support.hpp"

using nlohmann::json;
using rest_test::Answer;
using rest_test::Site;

namespace {

struct NetpolicySite : Site {
  std::string member = add_user("tenant"), stranger = add_user("stranger");

  Answer call(const std::string& token, const std::string& method, const std::string& path,
              const json& body = nullptr,
              std::vector<std::pair<std::string, std::string>> headers = {}) {
    return send(method, "/network/v2.0" + path, body.is_null() ? "" : body.dump(), token,
                {headers.begin(), headers.end()});
  }
  json made(const std::string& token, const std::string& path, const std::string& name,
            const json& fields) {
    const auto answer = call(token, "POST", path, {{name, fields}});
    INFO(answer.text);
    REQUIRE(answer.status == 201);
    return answer.json().at(name);
  }
  json made_network(const std::string& token) {
    return made(token, "/networks", "network", {{"name", "net"}});
  }
};

std::string netpolicy_id(const json& resource) { return resource.at("id").get<std::string>(); }

}  // namespace

TEST_CASE("tags of a resource are read and changed under the policy of the resource") {
  NetpolicySite site;
  const std::string net = "/networks/" + netpolicy_id(site.made_network(site.member));
  CHECK(site.call(site.member, "PUT", net + "/tags", {{"tags", {"red", "blue"}}}).json() ==
        json{{"tags", {"blue", "red"}}});
  CHECK(site.call(site.member, "PUT", net + "/tags/green").status == 201);
  CHECK(site.call(site.member, "GET", net + "/tags/green").status == 204);
  CHECK(site.call(site.member, "GET", net + "/tags/black").status == 404);
  CHECK(site.call(site.member, "GET", net).json().at("network").at("tags").size() == 3);
  CHECK(site.call(site.member, "GET", "/networks?tags=red,green").json().at("networks").size() ==
        1);
  CHECK(site.call(site.member, "GET", "/networks?not-tags-any=red").json().at("networks").empty());
  struct Row {
    std::string what, method, path;
    json body;
  };
  const std::vector<Row> rows = {
      {"list", "GET", net + "/tags", nullptr},
      {"check", "GET", net + "/tags/red", nullptr},
      {"add", "PUT", net + "/tags/evil", nullptr},
      {"replace", "PUT", net + "/tags", {{"tags", json::array()}}},
      {"append", "POST", net + "/tags", {{"tags", {"evil"}}}},
      {"remove", "DELETE", net + "/tags/red", nullptr},
      {"clear", "DELETE", net + "/tags", nullptr},
  };
  const std::string reader = site.add_user("watcher", "reader");
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(site.call(site.stranger, row.method, row.path, row.body).status == 404);
    if (row.method != "GET")
      CHECK(site.call(reader, row.method, row.path, row.body).status == 403);
  }
  CHECK(site.call(site.member, "GET", net + "/tags").json().at("tags").size() == 3);
  CHECK(site.call(site.member, "DELETE", net + "/tags/red").status == 204);
  CHECK(site.call(site.member, "DELETE", net + "/tags").status == 204);
}

TEST_CASE("If-Match binds a change to a revision") {
  NetpolicySite site;
  const std::string net = "/networks/" + netpolicy_id(site.made_network(site.member));
  const json rename = {{"network", {{"name", "other"}}}};
  CHECK(site.call(site.member, "PUT", net, rename, {{"If-Match", "revision_number=7"}}).status ==
        412);
  CHECK(site.call(site.member, "PUT", net, rename, {{"If-Match", "revision_number=1"}}).status ==
        200);
  CHECK(site.call(site.member, "PUT", net, rename, {{"If-Match", "\"abc\""}}).status == 400);
  CHECK(site.call(site.member, "DELETE", net, nullptr, {{"If-Match", "revision_number=1"}})
            .status == 412);
  CHECK(site.call(site.member, "DELETE", net, nullptr, {{"If-Match", "revision_number=2"}})
            .status == 204);
}

TEST_CASE("QoS policies are admins' to write, and projects' to use") {
  NetpolicySite site;
  CHECK(site.call(site.member, "POST", "/qos/policies", {{"policy", {{"name", "p"}}}}).status ==
        403);
  const json policy = site.made(site.admin, "/qos/policies", "policy",
                                {{"name", "gold"}, {"shared", true}});
  const std::string path = "/qos/policies/" + netpolicy_id(policy);
  const json rule = site.made(site.admin, path + "/bandwidth_limit_rules", "bandwidth_limit_rule",
                              {{"max_kbps", 1000}, {"direction", "ingress"}});
  CHECK(rule.at("max_burst_kbps") == 0);
  CHECK(site.call(site.member, "GET", path).json().at("policy").at("rules")[0].at("type") ==
        "bandwidth_limit");
  const std::string alias = "/qos/alias_bandwidth_limit_rules/" + netpolicy_id(rule);
  CHECK(site.call(site.admin, "PUT", alias, {{"bandwidth_limit_rule", {{"max_kbps", 2000}}}})
            .json().at("bandwidth_limit_rule").at("max_kbps") == 2000);
  CHECK(site.call(site.member, "DELETE", alias).status == 403);
  CHECK(site.call(site.admin, "POST", path + "/dscp_marking_rules",
                  {{"dscp_marking_rule", {{"dscp_mark", 41}}}})
            .status == 400);
  const json types = site.call(site.member, "GET", "/qos/rule-types").json().at("rule_types");
  CHECK(types.size() == 2);
  CHECK(site.call(site.member, "GET", "/qos/rule-types/bandwidth_limit").status == 403);
  CHECK(site.call(site.admin, "GET", "/qos/rule-types/minimum_bandwidth").status == 404);
  const json net = site.made(site.member, "/networks", "network",
                             {{"name", "net"}, {"qos_policy_id", netpolicy_id(policy)}});
  CHECK(net.at("qos_policy_id") == netpolicy_id(policy));
  CHECK(site.call(site.admin, "DELETE", path).status == 409);
  CHECK(site.call(site.admin, "DELETE", alias).status == 204);
}

TEST_CASE("a grant over HTTP shows the network to its target and to nobody else") {
  NetpolicySite site;
  const json net = site.made_network(site.admin);
  const json me = site.made_network(site.stranger);
  const json grant = site.made(site.admin, "/rbac-policies", "rbac_policy",
                               {{"object_type", "network"},
                                {"object_id", netpolicy_id(net)},
                                {"action", "access_as_shared"},
                                {"target_tenant", me.at("project_id")}});
  const std::string path = "/networks/" + netpolicy_id(net);
  CHECK(site.call(site.stranger, "GET", path).json().at("network").at("shared") == true);
  CHECK(site.call(site.stranger, "GET", "/rbac-policies/" + netpolicy_id(grant)).status == 404);
  CHECK(site.call(site.stranger, "DELETE", path).status == 403);
  for (const json& bad : {json{{"target_tenant", nullptr}}, json{{"target_tenant", ""}}}) {
    CHECK(site.call(site.admin, "PUT", "/rbac-policies/" + netpolicy_id(grant),
                    {{"rbac_policy", bad}})
              .status == 400);
  }
  CHECK(site.call(site.admin, "DELETE", "/rbac-policies/" + netpolicy_id(grant)).status == 204);
  CHECK(site.call(site.stranger, "GET", path).status == 404);
}

TEST_CASE("trunks, address groups and labels go through their lives") {
  NetpolicySite site;
  const json net = site.made_network(site.member);
  const auto port = [&] {
    return netpolicy_id(
        site.made(site.member, "/ports", "port", {{"network_id", netpolicy_id(net)}}));
  };
  const std::string parent = port(), inner = port();
  const json trunk = site.made(site.member, "/trunks", "trunk", {{"port_id", parent}});
  CHECK(trunk.at("status") == "DOWN");
  const std::string path = "/trunks/" + netpolicy_id(trunk);
  const json sub = {{"port_id", inner}, {"segmentation_type", "vlan"}, {"segmentation_id", 9}};
  CHECK(site.call(site.stranger, "PUT", path + "/add_subports", {{"sub_ports", {sub}}}).status ==
        404);
  CHECK(site.call(site.member, "PUT", path + "/add_subports", {{"sub_ports", {sub}}})
            .json().at("sub_ports") == json::array({sub}));
  CHECK(site.call(site.member, "PUT", path + "/add_subports", {{"sub_ports", sub}}).status == 400);
  CHECK(site.call(site.member, "GET", "/ports/" + parent)
            .json().at("port").at("trunk_details").at("sub_ports").size() == 1);
  CHECK(site.call(site.member, "DELETE", "/ports/" + inner).status == 409);
  CHECK(site.call(site.member, "DELETE", path).status == 204);

  const json group = site.made(site.member, "/address-groups", "address_group",
                               {{"name", "lan"}, {"addresses", {"10.1.2.3/16"}}});
  CHECK(group.at("addresses") == json::array({"10.1.0.0/16"}));
  const std::string addresses = "/address-groups/" + netpolicy_id(group);
  CHECK(site.call(site.member, "PUT", addresses + "/add_addresses",
                  {{"addresses", {"192.0.2.0/24"}}})
            .json().at("address_group").at("addresses").size() == 2);
  CHECK(site.call(site.stranger, "PUT", addresses + "/add_addresses",
                  {{"addresses", {"0.0.0.0/0"}}})
            .status == 404);
  CHECK(site.call(site.member, "DELETE", addresses).status == 204);

  CHECK(site.call(site.member, "POST", "/metering/metering-labels",
                  {{"metering_label", {{"name", "l"}}}})
            .status == 403);
  const json label = site.made(site.admin, "/metering/metering-labels", "metering_label",
                               {{"name", "l"}});
  const json rule = {{"metering_label_id", netpolicy_id(label)}, {"remote_ip_prefix", "10.0.0.0/8"}};
  site.made(site.admin, "/metering/metering-label-rules", "metering_label_rule", rule);
  CHECK(site.call(site.admin, "POST", "/metering/metering-label-rules",
                  {{"metering_label_rule", rule}})
            .status == 409);
  CHECK(site.call(site.admin, "DELETE", "/metering/metering-labels/" + netpolicy_id(label))
            .status == 204);
}

TEST_CASE("agents, zones, addresses and bindings are shown to those they concern") {
  NetpolicySite site;
  const json agents = site.call(site.admin, "GET", "/agents").json().at("agents");
  REQUIRE_FALSE(agents.empty());
  CHECK(site.call(site.member, "GET", "/agents").json().at("agents").empty());
  const std::string agent = "/agents/" + netpolicy_id(agents[0]);
  CHECK(site.call(site.member, "GET", agent).status == 403);
  CHECK(site.call(site.admin, "PUT", agent, {{"agent", {{"description", "ours"}}}})
            .json().at("agent").at("description") == "ours");
  CHECK(site.call(site.admin, "PUT", agent, {{"agent", {{"admin_state_up", false}}}}).status >=
        400);
  CHECK(site.call(site.admin, "DELETE", agent).status == 409);
  CHECK(site.call(site.member, "GET", "/availability_zones").json().at("availability_zones").size()
        == 2);

  const json net = site.made_network(site.member);
  const std::string id = netpolicy_id(net);
  site.made(site.member, "/subnets", "subnet",
            {{"network_id", id}, {"ip_version", 4}, {"cidr", "10.0.0.0/24"},
             {"enable_dhcp", false}});
  const json port = site.made(site.member, "/ports", "port", {{"network_id", id}});
  CHECK(site.call(site.member, "GET", "/network-ip-availabilities/" + id).status == 403);
  const json addresses = site.call(site.admin, "GET", "/network-ip-availabilities/" + id)
                             .json().at("network_ip_availability");
  CHECK(addresses.at("total_ips") == 253);
  CHECK(addresses.at("used_ips") == 1);

  const std::string bindings = "/ports/" + netpolicy_id(port) + "/bindings";
  const json asked = {{"binding", {{"host", "there"}}}};
  CHECK(site.call(site.member, "POST", bindings, asked).status == 403);
  CHECK(site.call(site.admin, "POST", bindings, asked).json().at("binding").at("status") ==
        "INACTIVE");
  CHECK(site.call(site.admin, "POST", bindings, asked).status == 409);
  CHECK(site.call(site.admin, "PUT", bindings + "/there/activate")
            .json().at("binding").at("status") == "ACTIVE");
  CHECK(site.call(site.admin, "GET", bindings).json().at("bindings").size() == 1);
  CHECK(site.call(site.admin, "PUT", bindings + "/there/activate").status == 409);
  CHECK(site.call(site.admin, "DELETE", bindings + "/there").status == 404);
}
