#include "rest/support.hpp"
#include "support/capture.hpp"

using nlohmann::json;
using rest_test::Answer;
using rest_test::Site;

namespace {

struct SegmentsSite : Site {
  std::string boss = admin, member = add_user("tenant");

  Answer call(const std::string& token, const std::string& method, const std::string& path,
              const json& body = nullptr) {
    return send(method, "/network/v2.0" + path, body.is_null() ? "" : body.dump(), token, {});
  }
  json made(const std::string& path, const std::string& name, const json& fields) {
    const auto answer = call(boss, "POST", path, {{name, fields}});
    INFO(answer.text);
    REQUIRE(answer.status == 201);
    return answer.json().at(name);
  }
  bool announces(const std::string& alias) {
    return call(member, "GET", "/extensions/" + alias).status == 200;
  }
};

std::string segments_id(const json& resource) {
  return resource.at("id").get<std::string>();
}

}  // namespace

TEST_CASE("networks of several segments are shown with a list of them, to admins") {
  SegmentsSite site;
  const json net =
      site.made("/networks", "network",
                {{"name", "wide"},
                 {"segments",
                  {{{"provider:network_type", "vxlan"}, {"provider:segmentation_id", 70}},
                   {{"provider:network_type", "local"}}}}});
  CHECK(net.at("segments") == json({{{"provider:network_type", "vxlan"},
                                     {"provider:physical_network", nullptr},
                                     {"provider:segmentation_id", 70}},
                                    {{"provider:network_type", "local"},
                                     {"provider:physical_network", nullptr},
                                     {"provider:segmentation_id", nullptr}}}));
  CHECK_FALSE(net.contains("provider:network_type"));
  const std::string one = "/networks/" + segments_id(net);
  CHECK(site.call(site.member, "GET", one).status == 404);
  CHECK(site.call(site.member, "POST", "/networks",
                  {{"network", {{"segments", {{{"provider:network_type", "local"}}}}}}})
            .status == 403);
  const json plain = site.made("/networks", "network", {{"name", "plain"}});
  CHECK_FALSE(plain.contains("segments"));
  CHECK(plain.at("provider:network_type") == "local");
}

TEST_CASE("segments go through their lives, for admins alone") {
  SegmentsSite site;
  const std::string net = segments_id(site.made("/networks", "network", {{"name", "net"}}));
  const auto listed = site.call(site.boss, "GET", "/segments?network_id=" + net);
  REQUIRE(listed.status == 200);
  REQUIRE(listed.json().at("segments").size() == 1);
  const json first = listed.json().at("segments").at(0);
  for (const char* member :
       {"id", "network_id", "name", "description", "network_type", "physical_network",
        "segmentation_id", "created_at", "updated_at", "revision_number"})
    CHECK_MESSAGE(first.contains(member), member);
  const json more = site.made(
      "/segments", "segment",
      {{"network_id", net}, {"network_type", "vxlan"}, {"segmentation_id", 99}, {"name", "more"}});
  CHECK(more.at("segmentation_id") == 99);
  const auto adjacent = [&] {
    const auto one = site.call(site.boss, "GET", "/networks/" + net + "?fields=l2_adjacency");
    CHECK(one.json().at("network").size() == 1);
    const auto all = site.call(site.boss, "GET", "/networks?name=net").json().at("networks");
    CHECK(all.at(0).at("l2_adjacency") == one.json().at("network").at("l2_adjacency"));
    return one.json().at("network").at("l2_adjacency").get<bool>();
  };
  CHECK(adjacent());
  const json on_segment = site.made("/subnets", "subnet",
                                    {{"network_id", net},
                                     {"ip_version", 4},
                                     {"cidr", "10.8.0.0/24"},
                                     {"segment_id", segments_id(first)}});
  CHECK_FALSE(adjacent());
  REQUIRE(site.call(site.boss, "DELETE", "/subnets/" + segments_id(on_segment)).status == 204);
  CHECK(adjacent());
  const std::string path = "/segments/" + segments_id(more);
  const auto named = site.call(site.boss, "PUT", path, {{"segment", {{"name", "named"}}}});
  CHECK(named.json().at("segment").at("name") == "named");
  CHECK(named.json().at("segment").at("revision_number") == 2);
  CHECK(site.call(site.boss, "GET", "/segments?name=named").json().at("segments").size() == 1);
  CHECK(site.call(site.boss, "GET", path + "?fields=id").json() ==
        json{{"segment", {{"id", segments_id(more)}}}});
  struct Row {
    std::string what, method, path;
    json body;
  };
  const std::vector<Row> rows = {
      {"list", "GET", "/segments", nullptr},
      {"show", "GET", path, nullptr},
      {"make",
       "POST",
       "/segments",
       {{"segment", {{"network_id", net}, {"network_type", "local"}}}}},
      {"change", "PUT", path, {{"segment", {{"name", "evil"}}}}},
      {"delete", "DELETE", path, nullptr},
      {"ranges", "GET", "/network_segment_ranges", nullptr},
      {"make a range",
       "POST",
       "/network_segment_ranges",
       {{"network_segment_range", {{"network_type", "vxlan"}, {"minimum", 1}, {"maximum", 2}}}}},
      {"make a default rule",
       "POST",
       "/default-security-group-rules",
       {{"default_security_group_rule", {{"direction", "ingress"}}}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(site.call(site.member, row.method, row.path, row.body).status == 403);
  }
  CHECK(site.call(site.boss, "DELETE", path).status == 204);
  CHECK(site.call(site.boss, "GET", path).status == 404);
  CHECK(site.call(site.boss, "DELETE", "/segments/" + segments_id(first)).status == 409);
}

TEST_CASE("ranges of segments say what of them is used and what is free") {
  SegmentsSite site;
  const json range = site.made("/network_segment_ranges", "network_segment_range",
                               {{"name", "r"},
                                {"network_type", "vxlan"},
                                {"minimum", 10},
                                {"maximum", 13},
                                {"shared", true}});
  CHECK(range.at("available") == json({10, 11, 12, 13}));
  CHECK(range.at("used") == json::object());
  CHECK(range.at("default") == false);
  CHECK(range.at("project_id").is_null());
  const json net = site.made(
      "/networks", "network",
      {{"name", "n"}, {"provider:network_type", "vxlan"}, {"provider:segmentation_id", 11}});
  const std::string path = "/network_segment_ranges/" + segments_id(range);
  const json now = site.call(site.boss, "GET", path).json().at("network_segment_range");
  CHECK(now.at("available") == json({10, 12, 13}));
  CHECK(now.at("used") == json{{"11", net.at("project_id")}});
  CHECK(site.call(site.boss, "PUT", path, {{"network_segment_range", {{"minimum", 12}}}}).status ==
        409);
  CHECK(site.call(site.boss, "DELETE", path).status == 409);
  CHECK(site.call(site.boss, "DELETE", "/networks/" + segments_id(net)).status == 204);
  CHECK(site.call(site.boss, "DELETE", path).status == 204);
  const json fixed = site.call(site.boss, "GET", "/network_segment_ranges?default=true").json();
  CHECK_FALSE(fixed.at("network_segment_ranges").empty());
  for (const json& one : fixed.at("network_segment_ranges"))
    CHECK(site.call(site.boss, "DELETE", "/network_segment_ranges/" + segments_id(one)).status ==
          400);
  const std::vector<std::pair<std::string, json>> wrong = {
      {"no numbers", {{"network_type", "vxlan"}}},
      {"backwards", {{"network_type", "vxlan"}, {"minimum", 9}, {"maximum", 1}}},
      {"no such type", {{"network_type", "flat"}, {"minimum", 1}, {"maximum", 2}}},
      {"no such wire",
       {{"network_type", "vlan"}, {"minimum", 1}, {"maximum", 2}, {"physical_network", "nowhere"}}},
  };
  for (const auto& [what, body] : wrong) {
    CAPTURE_BOUND(what);
    CHECK(site.call(site.boss, "POST", "/network_segment_ranges", {{"network_segment_range", body}})
              .status == 400);
  }
}

TEST_CASE("default rules are everybody's to read, and new groups have them") {
  SegmentsSite site;
  const auto all = site.call(site.member, "GET", "/default-security-group-rules");
  REQUIRE(all.status == 200);
  CHECK(all.json().at("default_security_group_rules").size() == 4);
  const json rule = site.made("/default-security-group-rules", "default_security_group_rule",
                              {{"direction", "ingress"},
                               {"protocol", 6},
                               {"port_range_min", 22},
                               {"port_range_max", 22},
                               {"remote_group_id", "PARENT"},
                               {"used_in_default_sg", true}});
  CHECK(rule.at("remote_group_id") == "PARENT");
  CHECK(rule.at("used_in_non_default_sg") == true);
  CHECK(site.call(site.boss, "POST", "/default-security-group-rules",
                  {{"default_security_group_rule",
                    {{"direction", "ingress"},
                     {"protocol", "tcp"},
                     {"port_range_min", 22},
                     {"port_range_max", 22},
                     {"remote_group_id", "PARENT"}}}})
            .status == 409);
  const auto group =
      site.call(site.member, "POST", "/security-groups", {{"security_group", {{"name", "g"}}}});
  REQUIRE(group.status == 201);
  CHECK(group.json().at("security_group").at("security_group_rules").size() == 3);
  const std::string path = "/default-security-group-rules/" + segments_id(rule);
  CHECK(site.call(site.member, "GET", path).status == 200);
  CHECK(site.call(site.member, "DELETE", path).status == 403);
  CHECK(site.call(site.boss, "DELETE", path).status == 204);
  CHECK(site.call(site.boss, "DELETE", path).status == 404);
}

TEST_CASE("agents' schedules and providers say what drivers do") {
  SegmentsSite site;
  for (const char* alias : {"dhcp_agent_scheduler", "l3_agent_scheduler", "multi-provider",
                            "segment", "network-segment-range", "security-groups-default-rules",
                            "standard-attr-segment", "ip_allocation"})
    CHECK_MESSAGE(site.announces(alias), alias);
  CHECK(site.call(site.member, "GET", "/service-providers").json().at("service_providers") ==
        json({{{"service_type", "L3_ROUTER_NAT"}, {"name", "simulated"}, {"default", true}}}));
  std::map<std::string, std::string> agents;
  const json listed = site.call(site.boss, "GET", "/agents").json();
  for (const json& one : listed.at("agents")) {
    agents[one.at("agent_type").get<std::string>()] = segments_id(one);
    const json& able = one.at("configurations");
    CHECK(able.at("router") == "works");
    const json carried = json::array({"port_forwarding", "fip_qos"});
    CHECK(able.value("extensions", json()) ==
          (one.at("agent_type") == "L3 agent" ? carried : json()));
  }
  const std::string router = segments_id(site.made("/routers", "router", {{"name", "r"}}));
  const std::string l3 = "/agents/" + agents.at("L3 agent") + "/l3-routers";
  const json charge = {{"router_id", router}};
  CHECK(site.call(site.boss, "POST", l3, charge).status == 201);
  CHECK(site.call(site.boss, "GET", l3).json().at("routers").size() == 1);
  CHECK(site.call(site.boss, "GET", "/routers/" + router + "/l3-agents")
            .json()
            .at("agents")
            .at(0)
            .at("id") == agents.at("L3 agent"));
  CHECK(site.call(site.boss, "DELETE", l3 + "/" + router).status == 204);
  CHECK(site.call(site.boss, "DELETE", l3 + "/" + router).status == 409);
  CHECK(site.call(site.boss, "GET", l3).json().at("routers").empty());
  const std::string net = segments_id(site.made("/networks", "network", {{"name", "n"}}));
  const std::string dhcp = "/agents/" + agents.at("DHCP agent") + "/dhcp-networks";
  CHECK(site.call(site.boss, "POST", dhcp, {{"network_id", net}}).status == 201);
  CHECK(site.call(site.boss, "POST", dhcp, {{"network_id", net}}).status == 409);
  CHECK(site.call(site.boss, "DELETE", dhcp + "/" + net).status == 204);
  CHECK(site.call(site.boss, "GET", dhcp).json().at("networks").empty());
  for (const std::string& path : {l3, dhcp, "/routers/" + router + "/l3-agents"})
    CHECK(site.call(site.member, "GET", path).status == 403);
  CHECK(site.call(site.member, "POST", l3, charge).status == 403);
}

TEST_CASE("a simple network is one request") {
  SegmentsSite site;
  const json asked = {{"simple_network", {{"name", "easy"}}}};
  const auto first = site.call(site.member, "POST", "/simple-networks", asked);
  INFO(first.text);
  REQUIRE(first.status == 201);
  CHECK(first.json().at("simple_network").at("made").size() == 4);
  const auto again = site.call(site.member, "POST", "/simple-networks", asked);
  CHECK(again.status == 200);
  CHECK(again.json().at("simple_network").at("made").empty());
  CHECK(again.json().at("simple_network").at("network_id") ==
        first.json().at("simple_network").at("network_id"));
  CHECK(site.call(site.member, "DELETE", "/simple-networks/easy").status == 204);
  CHECK(site.call(site.member, "POST", "/simple-networks", {{"simple_network", {{"cidr", "ten"}}}})
            .status == 400);
}
