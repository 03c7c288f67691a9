#include "rest/support.hpp"
#include "support/capture.hpp"

using nlohmann::json;
using rest_test::Answer;
using rest_test::Site;

namespace {

/// A member's network and an external one, over HTTP.
struct Layer3Site : Site {
  std::string tenant = add_user("l3-tenant");
  json outside = made(admin, "/networks", "network",
                      {{"name", "ext"}, {"router:external", true}});
  json outside_subnet = made(admin, "/subnets", "subnet",
                             {{"network_id", outside.at("id")}, {"ip_version", 4},
                              {"cidr", "203.0.113.0/24"}, {"enable_dhcp", false}});
  json inside = made(tenant, "/networks", "network", {{"name", "in"}});
  json inside_subnet = made(tenant, "/subnets", "subnet",
                            {{"network_id", inside.at("id")}, {"ip_version", 4},
                             {"cidr", "10.0.0.0/24"}});

  Answer ask(const std::string& token, std::string method, const std::string& path,
             const json& body = nullptr) {
    return send(std::move(method), "/network/v2.0" + path, body.is_null() ? "" : body.dump(),
                token);
  }
  json made(const std::string& token, const std::string& path, const std::string& name,
            const json& fields) {
    const auto answer = ask(token, "POST", path, {{name, fields}});
    INFO(answer.text);
    REQUIRE(answer.status == 201);
    return answer.json().at(name);
  }
};

std::string path_to(const char* collection, const json& resource) {
  return std::string(collection) + "/" + resource.at("id").get<std::string>();
}

}  // namespace

TEST_CASE("routers, their legs and floating addresses go as Networking has them") {
  Layer3Site site;
  const json router =
      site.made(site.tenant, "/routers", "router",
                {{"name", "r"}, {"external_gateway_info", {{"network_id", site.outside.at("id")}}}});
  CHECK(router.at("status") == "ACTIVE");
  CHECK(router.at("admin_state_up") == true);
  CHECK(router.at("routes") == json::array());
  CHECK(router.at("external_gateway_info").at("enable_snat") == true);
  CHECK(router.at("external_gateway_info").at("external_fixed_ips").size() == 1);
  const std::string self = path_to("/routers", router);
  const auto leg = site.ask(site.tenant, "PUT", self + "/add_router_interface",
                            {{"subnet_id", site.inside_subnet.at("id")}});
  INFO(leg.text);
  REQUIRE(leg.status == 200);
  CHECK(leg.json().at("id") == router.at("id"));
  CHECK(leg.json().at("subnet_ids") == json::array({site.inside_subnet.at("id")}));
  const json port = site.made(site.tenant, "/ports", "port",
                              {{"network_id", site.inside.at("id")}});
  const json floating = site.made(site.tenant, "/floatingips", "floatingip",
                                  {{"floating_network_id", site.outside.at("id")},
                                   {"port_id", port.at("id")}});
  CHECK(floating.at("fixed_ip_address") == port.at("fixed_ips")[0].at("ip_address"));
  CHECK(floating.at("router_id") == router.at("id"));
  CHECK(floating.at("port_details").at("network_id") == site.inside.at("id"));
  const auto routed = site.ask(site.tenant, "PUT", self + "/add_extraroutes",
                               {{"router", {{"routes", json::array({{
                                   {"destination", "10.9.0.0/16"}, {"nexthop", "10.0.0.9"}}})}}}});
  CHECK(routed.status == 200);
  CHECK(routed.json().at("router").at("routes").size() == 1);
  const auto refused = site.ask(site.tenant, "DELETE", self);
  CHECK(refused.status == 409);
  CHECK(refused.json().at("NeutronError").at("type") == "RouterInUse");
  const auto away = site.ask(site.tenant, "PUT", path_to("/floatingips", floating),
                             {{"floatingip", {{"port_id", nullptr}}}});
  CHECK(away.status == 200);
  CHECK(away.json().at("floatingip").at("port_id") == nullptr);
  CHECK(away.json().at("floatingip").at("status") == "DOWN");
  CHECK(away.json().at("floatingip").at("port_details") == nullptr);
  const std::string forwardings = path_to("/floatingips", floating) + "/port_forwardings";
  const json forwarding = site.made(site.tenant, forwardings, "port_forwarding",
                                    {{"protocol", "tcp"}, {"external_port", 2222},
                                     {"internal_port", 22},
                                     {"internal_port_id", port.at("id")},
                                     {"internal_ip_address",
                                      port.at("fixed_ips")[0].at("ip_address")}});
  CHECK(forwarding.at("external_port") == 2222);
  CHECK(forwarding.at("internal_port_range") == "22:22");
  CHECK(site.ask(site.tenant, "GET", forwardings + "?protocol=tcp")
            .json().at("port_forwardings").size() == 1);
  CHECK(site.ask(site.tenant, "GET", forwardings + "?protocol=udp")
            .json().at("port_forwardings").empty());
  CHECK(site.ask(site.tenant, "DELETE", path_to("/floatingips", floating)).status == 409);
  CHECK(site.ask(site.tenant, "DELETE",
                 forwardings + "/" + forwarding.at("id").get<std::string>()).status == 204);
  CHECK(site.ask(site.tenant, "DELETE", path_to("/floatingips", floating)).status == 204);
  CHECK(site.ask(site.tenant, "PUT", self,
                 {{"router", {{"routes", nullptr}, {"external_gateway_info", json::object()}}}})
            .json().at("router").at("external_gateway_info") == nullptr);
  CHECK(site.ask(site.tenant, "PUT", self + "/remove_router_interface",
                 {{"port_id", leg.json().at("port_id")}}).status == 200);
  CHECK(site.ask(site.tenant, "DELETE", self).status == 204);
}

TEST_CASE("what is a layer 3 resource of one project is nothing to another") {
  Layer3Site site;
  const std::string other = site.add_user("l3-other");
  const json router = site.made(site.tenant, "/routers", "router", {{"name", "r"}});
  const json floating = site.made(site.tenant, "/floatingips", "floatingip",
                                  {{"floating_network_id", site.outside.at("id")}});
  const json pool = site.made(site.tenant, "/subnetpools", "subnetpool",
                              {{"name", "p"}, {"prefixes", {"10.8.0.0/16"}}});
  const json scope = site.made(site.tenant, "/address-scopes", "address_scope",
                               {{"name", "s"}, {"ip_version", 4}});
  const std::pair<std::string, std::string> things[] = {
      {path_to("/routers", router), "router"},
      {path_to("/floatingips", floating), "floatingip"},
      {path_to("/subnetpools", pool), "subnetpool"},
      {path_to("/address-scopes", scope), "address_scope"}};
  for (const auto& [path, name] : things) {
    CAPTURE_BOUND(path);
    CHECK(site.ask(other, "GET", path).status == 404);
    CHECK(site.ask(other, "PUT", path, {{name, json::object()}}).status == 404);
    CHECK(site.ask(other, "DELETE", path).status == 404);
    CHECK(site.ask(site.tenant, "GET", path).status == 200);
    CHECK(site.ask(site.admin, "GET", path).status == 200);
  }
  CHECK(site.ask(other, "PUT", path_to("/routers", router) + "/add_router_interface",
                 {{"subnet_id", site.inside_subnet.at("id")}}).status == 404);
}

TEST_CASE("subnets of IPv6 and out of pools are shown as they are") {
  Layer3Site site;
  const json six = site.made(site.tenant, "/subnets", "subnet",
                             {{"network_id", site.inside.at("id")}, {"ip_version", 6},
                              {"cidr", "fd00:1::/64"}, {"ipv6_ra_mode", "slaac"},
                              {"ipv6_address_mode", "slaac"}});
  CHECK(six.at("ip_version") == 6);
  CHECK(six.at("ipv6_ra_mode") == "slaac");
  CHECK(six.at("gateway_ip") == "fd00:1::1");
  CHECK(site.made(site.tenant, "/ports", "port", {{"network_id", site.inside.at("id")}})
            .at("fixed_ips").size() == 2);
  const json pool = site.made(site.tenant, "/subnetpools", "subnetpool",
                              {{"name", "p"}, {"prefixes", {"10.8.0.0/16"}},
                               {"default_prefixlen", 26}});
  CHECK(pool.at("min_prefixlen") == "8");
  CHECK(pool.at("ip_version") == 4);
  const json other = site.made(site.tenant, "/networks", "network", {{"name", "pooled"}});
  const json cut = site.made(site.tenant, "/subnets", "subnet",
                             {{"network_id", other.at("id")}, {"ip_version", 4},
                              {"subnetpool_id", pool.at("id")}});
  CHECK(cut.at("cidr") == "10.8.0.0/26");
  CHECK(cut.at("subnetpool_id") == pool.at("id"));
  const auto more = site.ask(site.tenant, "PUT", path_to("/subnetpools", pool) + "/add_prefixes",
                             {{"prefixes", {"10.9.0.0/16"}}});
  CHECK(more.status == 200);
  CHECK(more.json().at("prefixes") == json::array({"10.8.0.0/15"}));
  CHECK(site.ask(site.tenant, "DELETE", path_to("/subnetpools", pool)).status == 400);
  CHECK(site.ask(site.tenant, "GET", "/subnets?ip_version=6").json().at("subnets").size() == 1);
}

TEST_CASE("a project without a network gets one by asking, where there is ground for it") {
  Layer3Site site;
  const std::string path = "/auto-allocated-topology/null";
  CHECK(site.ask(site.tenant, "GET", path).status == 409);
  CHECK(site.ask(site.admin, "PUT", path_to("/networks", site.outside),
                 {{"network", {{"is_default", true}}}}).status == 200);
  CHECK(site.ask(site.tenant, "GET", path + "?fields=dry-run").status == 409);
  site.made(site.admin, "/subnetpools", "subnetpool",
            {{"name", "usual"}, {"prefixes", {"10.8.0.0/16"}}, {"default_prefixlen", 26},
             {"is_default", true}, {"shared", true}});
  CHECK(site.ask(site.tenant, "GET", path + "?fields=dry-run")
            .json().at("auto_allocated_topology").at("id") == "dry-run=pass");
  const auto first = site.ask(site.tenant, "GET", path);
  INFO(first.text);
  REQUIRE(first.status == 200);
  const auto again = site.ask(site.tenant, "GET", path);
  CHECK(again.json().at("auto_allocated_topology").at("id") ==
        first.json().at("auto_allocated_topology").at("id"));
  CHECK(site.ask(site.tenant, "GET", "/routers").json().at("routers").size() == 1);
  CHECK(site.ask(site.tenant, "DELETE", path).status == 204);
  CHECK(site.ask(site.tenant, "GET", "/routers").json().at("routers").empty());
  CHECK(site.ask(site.tenant, "DELETE", path).status == 204);
}
