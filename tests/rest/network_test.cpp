#include "rest/support.hpp"

using nlohmann::json;
using rest_test::Answer;
using rest_test::Site;

namespace {

constexpr const char* kNet = "/network/v2.0";

struct NetworkSite : Site {
  std::string member = add_user("tenant");

  Answer as_member(std::string method, const std::string& path, const json& body = nullptr) {
    return send(std::move(method), kNet + path, body.is_null() ? "" : body.dump(), member);
  }
  Answer as_admin(std::string method, const std::string& path, const json& body = nullptr) {
    return send(std::move(method), kNet + path, body.is_null() ? "" : body.dump(), admin);
  }
  /// The resource that a POST made.
  json made(const std::string& path, const std::string& name, const json& fields) {
    const auto answer = as_member("POST", path, {{name, fields}});
    INFO(answer.text);
    REQUIRE(answer.status == 201);
    return answer.json().at(name);
  }
  json network(const std::string& name = "net") {
    return made("/networks", "network", {{"name", name}});
  }
  json subnet(const json& net, const std::string& cidr = "10.0.0.0/24") {
    return made("/subnets", "subnet",
                {{"network_id", net.at("id")}, {"ip_version", 4}, {"cidr", cidr}});
  }
  json port(const json& net) { return made("/ports", "port", {{"network_id", net.at("id")}}); }
};

std::string id_of(const json& resource) { return resource.at("id").get<std::string>(); }

std::string network_error_of(const Answer& answer) {
  const json body = answer.json();
  if (!body.is_object() || !body.contains("NeutronError")) return "no NeutronError";
  CHECK(body.at("NeutronError").contains("detail"));
  CHECK_FALSE(body.at("NeutronError").at("message").get<std::string>().empty());
  return body.at("NeutronError").at("type").get<std::string>();
}

}  // namespace

TEST_CASE("networks, subnets and ports go through their whole life as Networking has it") {
  NetworkSite site;
  const json net = site.network();
  CHECK(net.at("status") == "ACTIVE");
  CHECK(net.at("admin_state_up") == true);
  CHECK(net.at("shared") == false);
  CHECK(net.at("router:external") == false);
  CHECK(net.at("mtu") == 1500);
  CHECK(net.at("subnets") == json::array());
  CHECK(net.at("project_id") == net.at("tenant_id"));
  CHECK(net.at("revision_number") == 1);
  CHECK(net.at("created_at").get<std::string>().back() == 'Z');
  CHECK_FALSE(net.contains("provider:network_type"));
  const auto seen_by_admin = site.as_admin("GET", "/networks/" + id_of(net)).json();
  CHECK(seen_by_admin.at("network").at("provider:network_type") == "local");
  CHECK(seen_by_admin.at("network").at("provider:segmentation_id") == nullptr);

  const json sub = site.subnet(net);
  CHECK(sub.at("gateway_ip") == "10.0.0.1");
  CHECK(sub.at("enable_dhcp") == true);
  CHECK(sub.at("ip_version") == 4);
  CHECK(sub.at("allocation_pools") ==
        json::array({{{"start", "10.0.0.2"}, {"end", "10.0.0.254"}}}));
  CHECK(sub.at("host_routes") == json::array());

  const json port = site.port(net);
  CHECK(port.at("status") == "DOWN");
  CHECK(port.at("fixed_ips") ==
        json::array({{{"subnet_id", id_of(sub)}, {"ip_address", "10.0.0.3"}}}));
  CHECK(port.at("security_groups").size() == 1);
  CHECK(port.at("binding:vnic_type") == "normal");
  CHECK_FALSE(port.contains("binding:host_id"));
  const auto port_by_admin = site.as_admin("GET", "/ports/" + id_of(port)).json().at("port");
  CHECK(port_by_admin.at("binding:vif_type") == "unbound");
  CHECK(port_by_admin.at("binding:profile") == json::object());

  const auto renamed = site.as_member("PUT", "/ports/" + id_of(port),
                                      {{"port", {{"name", "eth0"}, {"admin_state_up", false}}}});
  CHECK(renamed.status == 200);
  CHECK(renamed.json().at("port").at("name") == "eth0");
  CHECK(renamed.json().at("port").at("revision_number") == 2);
  CHECK(site.as_member("PUT", "/subnets/" + id_of(sub),
                       {{"subnet", {{"gateway_ip", nullptr}, {"dns_nameservers", {"9.9.9.9"}}}}})
            .json().at("subnet").at("gateway_ip") == nullptr);
  CHECK(site.as_member("PUT", "/networks/" + id_of(net), {{"network", {{"name", "other"}}}})
            .json().at("network").at("name") == "other");

  CHECK(network_error_of(site.as_member("DELETE", "/networks/" + id_of(net))) == "NetworkInUse");
  CHECK(network_error_of(site.as_member("DELETE", "/subnets/" + id_of(sub))) == "SubnetInUse");
  CHECK(site.as_member("DELETE", "/ports/" + id_of(port)).status == 204);
  CHECK(site.as_member("DELETE", "/subnets/" + id_of(sub)).status == 204);
  CHECK(site.as_member("DELETE", "/networks/" + id_of(net)).status == 204);
  CHECK(network_error_of(site.as_member("GET", "/networks/" + id_of(net))) == "NetworkNotFound");
}

TEST_CASE("a port's names are under its own domain, its network's, or the cloud's") {
  Options options;
  options.networks.dns_domain = "openstackgate.local";
  Site site(std::move(options));
  const auto made = [&](const std::string& path, const std::string& name, const json& fields) {
    const auto answer =
        site.send("POST", "/network/v2.0" + path, json{{name, fields}}.dump(), site.admin);
    INFO(answer.text);
    REQUIRE(answer.status == 201);
    return answer.json().at(name);
  };
  struct Row {
    std::string what, network, port, name, fqdn;
  };
  const Row rows[] = {
      {"nobody's", "", "", "leia", "leia.openstackgate.local."},
      {"the network's", "starwars.", "", "leia", "leia.starwars."},
      {"its own", "starwars.", "falcon.example.", "leia", "leia.falcon.example."},
      {"without a name", "", "", "", "host-10-0-0-3.openstackgate.local."},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const json net = made("/networks", "network", {{"name", "n"}, {"dns_domain", row.network}});
    made("/subnets", "subnet",
         {{"network_id", net.at("id")}, {"ip_version", 4}, {"cidr", "10.0.0.0/24"}});
    const json port =
        made("/ports", "port",
             {{"network_id", net.at("id")}, {"dns_name", row.name}, {"dns_domain", row.port}});
    REQUIRE(port.at("dns_assignment").size() == 1);
    CHECK(port.at("dns_assignment").at(0).at("fqdn") == row.fqdn);
    CHECK(port.at("dns_domain") == row.port);
  }
}

TEST_CASE("a request that is wrong says so in Networking's own error body") {
  NetworkSite site;
  const json net = site.network();
  const std::string net_id = id_of(net);
  site.subnet(net);
  struct Row {
    std::string what;
    const char* method;
    std::string path;
    json body;
    int status;
    const char* type;
  };
  const auto port_with = [&](const char* name, json value) {
    json fields = {{"network_id", net_id}};
    fields[name] = std::move(value);
    return json{{"port", fields}};
  };
  const Row rows[] = {
      {"no such network", "GET", "/networks/0192f0c1-0000-7000-8000-000000000000", nullptr, 404,
       "NetworkNotFound"},
      {"no such port", "GET", "/ports/x", nullptr, 404, "PortNotFound"},
      {"no such group", "DELETE", "/security-groups/x", nullptr, 404, "SecurityGroupNotFound"},
      {"no such rule", "DELETE", "/security-group-rules/x", nullptr, 404,
       "SecurityGroupRuleNotFound"},
      {"body without the resource", "POST", "/networks", {{"net", json::object()}}, 400,
       "InvalidInput"},
      {"body is a list", "POST", "/networks", json::array(), 400, "InvalidInput"},
      {"name is a number", "POST", "/networks", {{"network", {{"name", 5}}}}, 400, "InvalidInput"},
      {"name too long", "POST", "/networks", {{"network", {{"name", std::string(256, 'x')}}}}, 400,
       "InvalidInput"},
      {"a flag that is none", "POST", "/networks", {{"network", {{"admin_state_up", "maybe"}}}},
       400, "InvalidInput"},
      {"an attribute nobody knows", "POST", "/networks", {{"network", {{"colour", "red"}}}}, 400,
       "InvalidInput"},
      {"shared by a member", "POST", "/networks", {{"network", {{"shared", true}}}}, 403,
       "PolicyNotAuthorized"},
      {"bulk of nothing", "POST", "/networks", {{"networks", json::array()}}, 400, "InvalidInput"},
      {"bulk of a number", "POST", "/ports", {{"ports", 3}}, 400, "InvalidInput"},
      {"bulk of what is no object", "POST", "/networks", {{"networks", {1, "x"}}}, 400,
       "InvalidInput"},
      {"bulk of null", "POST", "/security-groups", {{"security_groups", {nullptr}}}, 400,
       "InvalidInput"},
      {"subnet without cidr", "POST", "/subnets",
       {{"subnet", {{"network_id", net_id}, {"ip_version", 4}}}}, 400, "BadRequest"},
      {"subnet with host bits", "POST", "/subnets",
       {{"subnet", {{"network_id", net_id}, {"ip_version", 4}, {"cidr", "10.1.0.7/24"}}}}, 400,
       "InvalidInput"},
      {"subnet that overlaps", "POST", "/subnets",
       {{"subnet", {{"network_id", net_id}, {"ip_version", 4}, {"cidr", "10.0.0.128/25"}}}}, 400,
       "InvalidInput"},
      {"IPv6 subnet of two minds", "POST", "/subnets",
       {{"subnet",
         {{"network_id", net_id}, {"ip_version", 6}, {"cidr", "fd00::/64"},
          {"ipv6_ra_mode", "slaac"}, {"ipv6_address_mode", "dhcpv6-stateful"}}}},
       400, "InvalidInput"},
      {"pools that are text", "POST", "/subnets",
       {{"subnet",
         {{"network_id", net_id}, {"ip_version", 4}, {"cidr", "10.1.0.0/24"},
          {"allocation_pools", {"10.1.0.2-10.1.0.9"}}}}},
       400, "InvalidInput"},
      {"port without network", "POST", "/ports", {{"port", json::object()}}, 400, "InvalidInput"},
      {"port on nothing", "POST", "/ports", {{"port", {{"network_id", "x"}}}}, 404,
       "NetworkNotFound"},
      {"address of nothing", "POST", "/ports",
       port_with("fixed_ips", json::array({{{"ip_address", "10.9.9.9"}}})), 400,
       "InvalidIpForNetwork"},
      {"address in use", "POST", "/ports",
       port_with("fixed_ips", json::array({{{"ip_address", "10.0.0.2"}}})), 409,
       "IpAddressAlreadyAllocated"},
      {"fixed_ips of text", "POST", "/ports", port_with("fixed_ips", json::array({"10.0.0.9"})),
       400, "InvalidInput"},
      {"mac of a group", "POST", "/ports", port_with("mac_address", "01:00:5e:00:00:01"), 400,
       "InvalidInput"},
      {"unknown group", "POST", "/ports", port_with("security_groups", json::array({"x"})), 404,
       "SecurityGroupNotFound"},
      {"host by a member", "POST", "/ports", port_with("binding:host_id", "h"), 403,
       "PolicyNotAuthorized"},
      {"unknown filter", "GET", "/ports?colour=red", nullptr, 400, "HTTPBadRequest"},
      {"filter by what only admins see", "GET", "/ports?binding:host_id=h", nullptr, 400,
       "HTTPBadRequest"},
      {"sorted by what only admins see", "GET", "/networks?sort_key=provider:physical_network",
       nullptr, 400, "HTTPBadRequest"},
      {"unknown sort key", "GET", "/ports?sort_key=colour", nullptr, 400, "HTTPBadRequest"},
      {"sort_dir of nothing", "GET", "/ports?sort_dir=asc", nullptr, 400, "InvalidInput"},
      {"limit of words", "GET", "/ports?limit=many", nullptr, 400, "InvalidInput"},
      {"marker of nothing", "GET", "/ports?marker=x", nullptr, 404, "PortNotFound"},
      {"group called default", "POST", "/security-groups",
       {{"security_group", {{"name", "default"}}}}, 409, "SecurityGroupDefaultAlreadyExists"},
      {"unknown extension", "GET", "/extensions/teleport", nullptr, 404, "ExtensionNotFound"},
      {"quota by a member", "PUT", "/quotas/p", {{"quota", {{"port", 5}}}}, 403,
       "PolicyNotAuthorized"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto answer = site.as_member(row.method, row.path, row.body);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
    CHECK(network_error_of(answer) == row.type);
  }
  CHECK(site.as_member("PATCH", "/networks").status == 405);
  CHECK(site.send("GET", std::string(kNet) + "/networks", "", "").status == 401);
}

TEST_CASE("several resources come of one request, all or none") {
  NetworkSite site;
  const auto nets = site.as_member(
      "POST", "/networks", {{"networks", {{{"name", "a"}}, {{"name", "b"}}}}});
  REQUIRE(nets.status == 201);
  REQUIRE(nets.json().at("networks").size() == 2);
  CHECK(nets.json().at("networks")[1].at("name") == "b");
  const std::string id = id_of(nets.json().at("networks")[0]);
  const json good = {{"network_id", id}, {"ip_version", 4}, {"cidr", "10.0.0.0/24"}};
  CHECK(site.as_member("POST", "/subnets", {{"subnets", {good, good}}}).status == 400);
  CHECK(site.as_member("GET", "/subnets").json().at("subnets").empty());
  json port = {{"network_id", id}, {"mac_address", "fa:16:3e:00:00:01"}};
  CHECK(network_error_of(site.as_member("POST", "/ports", {{"ports", {port, port}}})) ==
        "MacAddressInUse");
  CHECK(site.as_member("GET", "/ports").json().at("ports").empty());
}

TEST_CASE("lists are filtered, sorted, cut to fields and paged by links both ways") {
  NetworkSite site;
  for (const char* name : {"c", "a", "e", "b", "d"}) site.network(name);
  const auto names = [&](const std::string& query) {
    const auto answer = site.as_member("GET", "/networks" + query);
    CAPTURE(answer.text);
    REQUIRE(answer.status == 200);
    std::string text;
    const json body = answer.json();
    for (const json& net : body.at("networks")) text += net.at("name").get<std::string>();
    return text;
  };
  CHECK(names("") == "caebd");
  CHECK(names("?name=a&name=d") == "ad");
  CHECK(names("?admin_state_up=True&name=e") == "e");
  CHECK(names("?admin_state_up=False").empty());
  CHECK(names("?sort_key=name&sort_dir=desc") == "edcba");
  CHECK(names("?sort_key=name&limit=2") == "ab");
  const auto fields = site.as_member("GET", "/networks?fields=name&fields=mtu&fields=tags").json();
  CHECK(fields.at("networks")[0] == json{{"name", "c"}, {"mtu", 1500}, {"tags", json::array()}});

  std::string target = "/networks?sort_key=name&limit=2", forward, back;
  std::string previous;
  for (int page = 0; page < 3; ++page) {
    const json body = site.as_member("GET", target).json();
    for (const json& net : body.at("networks")) forward += net.at("name").get<std::string>();
    previous.clear();
    target.clear();
    const json links = body.value("networks_links", json::array());
    for (const json& link : links) {
      const auto href = link.at("href").get<std::string>();
      CHECK(href.rfind("http://cloud.test:5000/network/v2.0/networks?", 0) == 0);
      const auto path = href.substr(href.find("/networks"));
      if (link.at("rel") == "next") target = path;
      else previous = path;
    }
    if (page < 2) REQUIRE_FALSE(target.empty());
  }
  CHECK(forward == "abcde");
  CHECK(target.empty());
  REQUIRE_FALSE(previous.empty());
  const json before = site.as_member("GET", previous).json();
  for (const json& net : before.at("networks")) back += net.at("name").get<std::string>();
  CHECK(back == "cd");
}

TEST_CASE("ports are filtered by address as clients write it") {
  NetworkSite site;
  const json net = site.network();
  site.subnet(net);
  const json a = site.port(net), b = site.port(net);
  const auto answer =
      site.as_member("GET", "/ports?fixed_ips=ip_address%3D10.0.0.4&network_id=" + id_of(net));
  REQUIRE(answer.json().at("ports").size() == 1);
  CHECK(answer.json().at("ports")[0].at("id") == b.at("id"));
  CHECK(site.as_member("GET", "/ports?device_owner=network:dhcp").json().at("ports").size() == 1);
}

TEST_CASE("security groups show their rules; the same rule twice is a conflict") {
  NetworkSite site;
  const json groups = site.as_member("GET", "/security-groups").json().at("security_groups");
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].at("name") == "default");
  CHECK(groups[0].at("security_group_rules").size() == 4);
  const json web = site.made("/security-groups", "security_group",
                             {{"name", "web"}, {"description", "for the web"}});
  CHECK(web.at("security_group_rules").size() == 2);
  const json rule_body = {{"security_group_id", id_of(web)}, {"direction", "ingress"},
                          {"ethertype", "IPv4"},             {"protocol", 6},
                          {"port_range_min", "22"},          {"port_range_max", 22},
                          {"remote_ip_prefix", "10.0.0.9/8"}};
  const json rule = site.made("/security-group-rules", "security_group_rule", rule_body);
  CHECK(rule.at("protocol") == "6");
  CHECK(rule.at("port_range_min") == 22);
  CHECK(rule.at("remote_ip_prefix") == "10.0.0.0/8");
  CHECK(rule.at("remote_group_id") == nullptr);
  CHECK(rule.at("project_id") == web.at("project_id"));
  const auto again = site.as_member("POST", "/security-group-rules",
                                    {{"security_group_rule", rule_body}});
  CHECK(again.status == 409);
  CHECK(network_error_of(again) == "SecurityGroupRuleExists");
  CHECK(site.as_member("GET", "/security-groups/" + id_of(web))
            .json().at("security_group").at("security_group_rules").size() == 3);
  CHECK(site.as_member("GET", "/security-group-rules?security_group_id=" + id_of(web) +
                                  "&direction=ingress")
            .json().at("security_group_rules").size() == 1);
  CHECK(site.as_member("PUT", "/security-groups/" + id_of(web),
                       {{"security_group", {{"name", "www"}}}})
            .json().at("security_group").at("name") == "www");
  CHECK(site.as_member("DELETE", "/security-group-rules/" + id_of(rule)).status == 204);
  CHECK(site.as_member("DELETE", "/security-groups/" + id_of(web)).status == 204);
}

TEST_CASE("quotas are shown with use, set by admins, enforced and reset") {
  NetworkSite site;
  const std::string project = site.network().at("project_id").get<std::string>();
  const auto quota = site.as_member("GET", "/quotas/" + project);
  REQUIRE(quota.status == 200);
  const auto ports = quota.json().at("quota").at("port").get<int>();
  CHECK(site.as_admin("PUT", "/quotas/" + project, {{"quota", {{"network", 1}, {"port", -1}}}})
            .json().at("quota").at("network") == 1);
  const auto over = site.as_member("POST", "/networks", {{"network", {{"name", "x"}}}});
  CHECK(over.status == 409);
  CHECK(network_error_of(over) == "OverQuota");
  const auto details = site.as_member("GET", "/quotas/" + project + "/details.json").json();
  CHECK(details.at("quota").at("network") ==
        json{{"limit", 1}, {"used", 1}, {"reserved", 0}});
  CHECK(site.as_admin("PUT", "/quotas/" + project, {{"quota", {{"unicorn", 1}}}}).status == 400);
  CHECK(site.as_admin("PUT", "/quotas/" + project, {{"quota", {{"port", -2}}}}).status == 400);
  CHECK(site.as_admin("DELETE", "/quotas/" + project).status == 204);
  CHECK(site.as_member("GET", "/quotas/" + project).json().at("quota").at("port") == ports);
  CHECK(site.as_member("GET", "/quotas/" + project + "/default").json().at("quota").at("port") ==
        ports);
  CHECK(site.as_member("GET", "/quotas/someone-elses").status == 404);
}

TEST_CASE("extensions announce what is here and nothing that is not") {
  NetworkSite site;
  const json list = site.as_member("GET", "/extensions").json().at("extensions");
  std::set<std::string> aliases;
  for (const json& extension : list) aliases.insert(extension.at("alias").get<std::string>());
  for (const char* alias : {"security-group", "provider", "binding", "port-security", "quotas",
                            "allowed-address-pairs", "external-net", "pagination", "sorting"}) {
    CAPTURE(alias);
    CHECK(aliases.count(alias) == 1);
    CHECK(site.as_member("GET", std::string("/extensions/") + alias).status == 200);
  }
  for (const char* alias : {"vlan-transparent", "l3-ha", "dvr", "logging",
                            "qos-bw-minimum-ingress"}) {
    CAPTURE(alias);
    CHECK(aliases.count(alias) == 0);
  }
}

TEST_CASE("what another project owns is not there, unless it is shared") {
  NetworkSite site;
  const std::string stranger = site.add_user("stranger");
  const json net = site.network();
  const json port = site.port(net);
  const std::string group = port.at("security_groups")[0].get<std::string>();
  for (const std::string& path : {"/networks/" + id_of(net), "/ports/" + id_of(port),
                                  "/security-groups/" + group}) {
    CAPTURE(path);
    CHECK(site.send("GET", kNet + path, "", stranger).status == 404);
    CHECK(site.send("DELETE", kNet + path, "", stranger).status == 404);
  }
  CHECK(site.as_admin("PUT", "/networks/" + id_of(net), {{"network", {{"shared", true}}}}).status ==
        200);
  CHECK(site.send("GET", kNet + ("/networks/" + id_of(net)), "", stranger).status == 200);
  CHECK(site.send("DELETE", kNet + ("/networks/" + id_of(net)), "", stranger).status == 403);
}

TEST_CASE("a reader reads networks and changes nothing") {
  NetworkSite site;
  const std::string reader = site.add_user("watcher", "reader");
  CHECK(site.send("GET", std::string(kNet) + "/networks", "", reader).status == 200);
  CHECK(site.send("GET", std::string(kNet) + "/security-groups", "", reader).status == 200);
  const auto refused =
      site.send("POST", std::string(kNet) + "/networks", R"({"network":{}})", reader);
  CHECK(refused.status == 403);
  CHECK(network_error_of(refused) == "PolicyNotAuthorized");
}
