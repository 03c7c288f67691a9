#include <thread>

#include "cloudos/hosts.hpp"
#include "cloudos/images.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "rest/support.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

namespace {

/// A cloud with an image and a network, as a tenant sees it.
struct ComputeSite : Site {
  std::string token;   ///< A member's.
  std::string image, network;

  static Options simulated() {
    Options options;
    options.host_names = {"sim-1", "sim-2"};
    return options;
  }
  ComputeSite() : Site(simulated()) {
    token = add_user("tenant");
    const auto made = user("POST", "/image/v2/images", {{"name", "img"}, {"disk_format", "raw"},
                                                        {"container_format", "bare"}});
    REQUIRE(made.status == 201);
    image = made.json()["id"];
    REQUIRE(send("PUT", "/image/v2/images/" + image + "/file", std::string(1024, 'x'), token,
                 {{"Content-Type", "application/octet-stream"}}).status == 204);
    const auto net = user("POST", "/network/v2.0/networks", {{"network", {{"name", "net-a"}}}});
    REQUIRE(net.status == 201);
    network = net.json()["network"]["id"];
    REQUIRE(user("POST", "/network/v2.0/subnets",
                 {{"subnet", {{"network_id", network}, {"cidr", "10.0.0.0/24"},
                              {"ip_version", 4}}}}).status == 201);
    settle();
  }
  Answer user(std::string method, std::string target, const json& body = nullptr,
              const HeaderList& headers = {}) {
    return send(std::move(method), std::move(target), body.is_null() ? "" : body.dump(), token,
                headers);
  }
  Answer compute(std::string method, std::string path, const json& body = nullptr,
                 const HeaderList& headers = {}) {
    return user(std::move(method), "/compute/v2.1" + path, body, headers);
  }
  json server_body(std::string name = "vm") const {
    return {{"server", {{"name", name}, {"imageRef", image}, {"flavorRef", "42"},
                        {"networks", {{{"uuid", network}}}}}}};
  }
  std::string boot(std::string name = "vm") {
    const auto made = compute("POST", "/servers", server_body(std::move(name)));
    INFO(made.text);
    REQUIRE(made.status == 202);
    settle();
    return made.json()["server"]["id"];
  }
  std::string status_of(const std::string& id) {
    return compute("GET", "/servers/" + id).json()["server"].value("status", "none");
  }
};

std::set<std::string> keys_of(const json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

const std::set<std::string> kServerKeys = {
    "id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image", "flavor",
    "created", "updated", "addresses", "accessIPv4", "accessIPv6", "links", "OS-DCF:diskConfig",
    "progress", "key_name", "config_drive", "OS-EXT-AZ:availability_zone", "OS-EXT-STS:vm_state",
    "OS-EXT-STS:task_state", "OS-EXT-STS:power_state", "OS-SRV-USG:launched_at",
    "OS-SRV-USG:terminated_at", "os-extended-volumes:volumes_attached", "security_groups"};

}  // namespace

TEST_CASE("compute: a floating address stands behind the address that it leads to, as its kind") {
  ComputeSite site;
  const std::string id = site.boot();
  const auto make = [&](const std::string& token, const std::string& path, const json& body) {
    const Answer made = site.send("POST", "/network/v2.0/" + path, body.dump(), token);
    INFO(made.text);
    REQUIRE(made.status == 201);
    return made.json().begin().value();
  };
  const json outside = make(site.admin, "networks",
                            {{"network", {{"name", "outside"}, {"router:external", true}}}});
  make(site.admin, "subnets", {{"subnet", {{"network_id", outside["id"]},
                                           {"cidr", "203.0.113.0/24"}, {"ip_version", 4}}}});
  const json router = make(site.token, "routers",
                           {{"router", {{"external_gateway_info",
                                         {{"network_id", outside["id"]}}}}}});
  const json port = site.user("GET", "/network/v2.0/ports?device_id=" + id).json()["ports"][0];
  const std::string path = "/network/v2.0/routers/" + router["id"].get<std::string>();
  REQUIRE(site.user("PUT", path + "/add_router_interface",
                    {{"subnet_id", port["fixed_ips"][0]["subnet_id"]}}).status == 200);
  const json floating = make(site.token, "floatingips",
                             {{"floatingip", {{"floating_network_id", outside["id"]},
                                              {"port_id", port["id"]}}}});
  const json seen =
      site.compute("GET", "/servers/" + id).json()["server"]["addresses"]["net-a"];
  REQUIRE(seen.size() == 2);
  CHECK(seen[0]["addr"] == port["fixed_ips"][0]["ip_address"]);
  CHECK(seen[0]["OS-EXT-IPS:type"] == "fixed");
  CHECK(seen[1] == json{{"version", 4}, {"addr", floating["floating_ip_address"]},
                        {"OS-EXT-IPS:type", "floating"},
                        {"OS-EXT-IPS-MAC:mac_addr", port["mac_address"]}});
}

TEST_CASE("compute: a server is created, shown, listed, stopped, started, rebooted and deleted") {
  ComputeSite site;
  const auto made = site.compute("POST", "/servers", site.server_body());
  REQUIRE(made.status == 202);
  CHECK(keys_of(made.json()["server"]) == std::set<std::string>{"id", "links", "OS-DCF:diskConfig",
                                                                "security_groups", "adminPass"});
  const std::string id = made.json()["server"]["id"];
  CHECK(made.headers.get("Location") == "http://cloud.test:5000/compute/v2.1/servers/" + id);
  CHECK(site.status_of(id) == "BUILD");
  site.settle();
  const json server = site.compute("GET", "/servers/" + id).json()["server"];
  CHECK(keys_of(server) == kServerKeys);
  CHECK(server["status"] == "ACTIVE");
  CHECK(server["OS-EXT-STS:task_state"].is_null());
  CHECK(server["OS-EXT-STS:power_state"] == 1);
  CHECK(server["addresses"]["net-a"][0]["version"] == 4);
  CHECK(server["addresses"]["net-a"][0]["OS-EXT-IPS:type"] == "fixed");
  CHECK(server["flavor"]["id"] == "42");
  CHECK(server["flavor"]["links"][0]["href"] == "http://cloud.test:5000/compute/flavors/42");
  CHECK(server["hostId"].get<std::string>().size() == 56);
  CHECK(site.compute("GET", "/servers/" + id + "/ips/net-a").json()["net-a"].size() == 1);
  CHECK(site.compute("GET", "/servers/" + id + "/os-interface").json()["interfaceAttachments"][0]
            ["port_state"] == "ACTIVE");
  CHECK(site.compute("GET", "/servers/" + id + "/os-security-groups")
            .json()["security_groups"][0]["name"] == "default");
  const auto act = [&](const json& body) {
    const int status = site.compute("POST", "/servers/" + id + "/action", body).status;
    site.settle();
    return status;
  };
  CHECK(act({{"os-start", nullptr}}) == 409);
  CHECK(act({{"os-stop", nullptr}}) == 202);
  CHECK(site.status_of(id) == "SHUTOFF");
  CHECK(act({{"os-stop", nullptr}}) == 409);
  CHECK(act({{"os-start", nullptr}}) == 202);
  CHECK(act({{"reboot", {{"type", "SOFT"}}}}) == 202);
  CHECK(act({{"reboot", {{"type", "HARD"}}}}) == 202);
  CHECK(site.status_of(id) == "ACTIVE");
  CHECK(site.compute("DELETE", "/servers/" + id).status == 204);
  CHECK(site.compute("GET", "/servers/" + id).json()["server"]["OS-EXT-STS:task_state"] ==
        "deleting");
  site.settle();
  CHECK(site.compute("GET", "/servers/" + id).status == 404);
  CHECK(site.compute("DELETE", "/servers/" + id).status == 404);
}

TEST_CASE("compute: bodies that are not what the API says are 400 and record nothing") {
  ComputeSite site;
  struct Row { std::string what; std::function<void(json&)> change; int status; };
  const Row rows[] = {
      {"no server", [](json& b) { b.erase("server"); }, 400},
      {"server is a list", [](json& b) { b["server"] = json::array(); }, 400},
      {"unknown member", [](json& b) { b["server"]["colour"] = "red"; }, 400},
      {"name is a number", [](json& b) { b["server"]["name"] = 5; }, 400},
      {"name is missing", [](json& b) { b["server"].erase("name"); }, 400},
      {"name is blank", [](json& b) { b["server"]["name"] = " "; }, 400},
      {"name ends blank", [](json& b) { b["server"]["name"] = "a "; }, 400},
      {"name of 256", [](json& b) { b["server"]["name"] = std::string(256, 'a'); }, 400},
      {"image is missing", [](json& b) { b["server"].erase("imageRef"); }, 400},
      {"image unknown", [](json& b) { b["server"]["imageRef"] = "none"; }, 400},
      {"flavor unknown", [](json& b) { b["server"]["flavorRef"] = "none"; }, 400},
      {"flavor is null", [](json& b) { b["server"]["flavorRef"] = nullptr; }, 400},
      {"networks is text", [](json& b) { b["server"]["networks"] = "auto"; }, 400},
      {"network without id", [](json& b) { b["server"]["networks"] = {json::object()}; }, 400},
      {"network unknown", [](json& b) { b["server"]["networks"][0]["uuid"] = "none"; }, 400},
      {"bad fixed address", [](json& b) { b["server"]["networks"][0]["fixed_ip"] = "9"; }, 400},
      {"metadata is a list", [](json& b) { b["server"]["metadata"] = json::array(); }, 400},
      {"metadata value is a number", [](json& b) { b["server"]["metadata"] = {{"a", 1}}; }, 400},
      {"user data is no base64", [](json& b) { b["server"]["user_data"] = "%%%"; }, 400},
      {"min over max", [](json& b) { b["server"]["min_count"] = 3, b["server"]["max_count"] = 2; },
       400},
      {"max of zero", [](json& b) { b["server"]["max_count"] = 0; }, 400},
      {"min is text", [](json& b) { b["server"]["min_count"] = "many"; }, 400},
      {"volume", [](json& b) {
         b["server"]["block_device_mapping_v2"] = {{{"source_type", "volume"}, {"uuid", "x"}}};
       }, 400},
      {"config drive", [](json& b) { b["server"]["config_drive"] = true; }, 400},
      {"hints", [](json& b) { b["os:scheduler_hints"] = {{"same_host", "x"}}; }, 400},
      {"disk config", [](json& b) { b["server"]["OS-DCF:diskConfig"] = "BOTH"; }, 400},
      {"key unknown", [](json& b) { b["server"]["key_name"] = "none"; }, 400},
      {"group unknown", [](json& b) { b["server"]["security_groups"] = {{{"name", "none"}}}; },
       400},
      {"a host named", [](json& b) { b["server"]["availability_zone"] = "nova:sim-1"; }, 403},
      {"description before 2.19", [](json& b) { b["server"]["description"] = "d"; }, 400},
  };
  for (const Row& row : rows) {
    const std::string what = row.what;
    CAPTURE(what);
    json body = site.server_body();
    row.change(body);
    const auto answer = site.compute("POST", "/servers", body);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
    CHECK(answer.json().size() == 1);
  }
  CHECK(site.compute("GET", "/servers").json()["servers"].empty());
  CHECK(site.compute("GET", "/limits").json()["limits"]["absolute"]["totalInstancesUsed"] == 0);
}

TEST_CASE("compute: everything the body may say is taken") {
  ComputeSite site;
  json body = site.server_body("full");
  json& server = body["server"];
  server["networks"] = {{{"uuid", site.network}, {"fixed_ip", "10.0.0.50"}}};
  server["metadata"] = {{"a", "b"}};
  server["user_data"] = "aGk=";
  server["security_groups"] = {{{"name", "default"}}};
  server["availability_zone"] = "nova";
  server["OS-DCF:diskConfig"] = "MANUAL";
  server["adminPass"] = "pa55";
  server["accessIPv4"] = "192.0.2.7";
  server["accessIPv6"] = "2001:db8::1";
  server["config_drive"] = false;
  server["description"] = "a description";
  server["block_device_mapping_v2"] = {{{"boot_index", 0}, {"source_type", "image"},
                                        {"destination_type", "local"}, {"uuid", site.image},
                                        {"delete_on_termination", true}}};
  const HeaderList version = {{"OpenStack-API-Version", "compute 2.19"}};
  const auto made = site.compute("POST", "/servers", body, version);
  INFO(made.text);
  REQUIRE(made.status == 202);
  CHECK(made.json()["server"]["adminPass"] == "pa55");
  site.settle();
  const std::string path = "/servers/" + made.json()["server"]["id"].get<std::string>();
  const json shown = site.compute("GET", path, nullptr, version).json()["server"];
  auto expected = kServerKeys;
  expected.insert({"locked", "description"});
  CHECK(keys_of(shown) == expected);
  CHECK(shown["status"] == "ACTIVE");
  CHECK(shown["addresses"]["net-a"][0]["addr"] == "10.0.0.50");
  CHECK(shown["accessIPv4"] == "192.0.2.7");
  CHECK(shown["OS-DCF:diskConfig"] == "MANUAL");
  CHECK(shown["description"] == "a description");
  const json admin = site.send("GET", "/compute/v2.1" + path, "", site.admin, version)
                         .json()["server"];
  CHECK(admin["OS-EXT-SRV-ATTR:user_data"] == "aGk=");
  CHECK(admin["OS-EXT-SRV-ATTR:host"].get<std::string>().starts_with("sim-"));
  CHECK(admin["host_status"] == "UP");
  const auto renamed = site.compute("PUT", path, {{"server", {{"name", "new"}}}});
  CHECK(renamed.status == 200);
  CHECK(renamed.json()["server"]["name"] == "new");
  CHECK_FALSE(renamed.json()["server"].contains("OS-EXT-STS:vm_state"));
  CHECK(site.compute("PUT", path, {{"server", {{"accessIPv4", "x"}}}}).status == 400);
}

TEST_CASE("compute: actions that are unknown, malformed or not here are refused") {
  ComputeSite site;
  const std::string action = "/servers/" + site.boot() + "/action";
  struct Row { std::string what; json body; int status; };
  const Row rows[] = {
      {"unknown", {{"fly", nullptr}}, 400},
      {"resize", {{"resize", {{"flavorRef", "2"}}}}, 400},
      {"vnc", {{"os-getVNCConsole", {{"type", "novnc"}}}}, 400},
      {"two at once", {{"os-start", nullptr}, {"os-stop", nullptr}}, 400},
      {"none", json::object(), 400},
      {"a list", json::array({"os-stop"}), 400},
      {"reboot without type", {{"reboot", json::object()}}, 400},
      {"reboot of another type", {{"reboot", {{"type", "WARM"}}}}, 400},
      {"reboot null", {{"reboot", nullptr}}, 400},
      {"console of text lines", {{"os-getConsoleOutput", {{"length", "x"}}}}, 400},
      {"console", {{"os-getConsoleOutput", {{"length", 10}}}}, 200},
      {"console, all", {{"os-getConsoleOutput", json::object()}}, 200},
      {"console, unlimited", {{"os-getConsoleOutput", {{"length", -1}}}}, 200},
      {"lock", {{"lock", nullptr}}, 202},
      {"stop, locked", {{"os-stop", nullptr}}, 202},
      {"reset by no admin", {{"os-resetState", {{"state", "error"}}}}, 403},
  };
  for (const Row& row : rows) {
    const std::string what = row.what;
    CAPTURE(what);
    if (what == "stop, locked") {
      CHECK(site.send("POST", "/compute/v2.1" + action, row.body.dump(), site.admin).status == 202);
      continue;
    }
    CHECK(site.compute("POST", action, row.body).status == row.status);
  }
  CHECK(site.compute("POST", "/servers/none/action", {{"os-stop", nullptr}}).status == 404);
}

TEST_CASE("compute: groups are added to and taken from every port of a server") {
  ComputeSite site;
  const std::string id = site.boot();
  REQUIRE(site.user("POST", "/network/v2.0/security-groups",
                    {{"security_group", {{"name", "web"}}}}).status == 201);
  const json groups = site.compute("GET", "/os-security-groups").json()["security_groups"];
  CHECK(groups.size() == 2);
  const auto act = [&](const char* action, const char* name) {
    return site.compute("POST", "/servers/" + id + "/action", {{action, {{"name", name}}}}).status;
  };
  const auto names = [&] {
    std::set<std::string> found;
    const json server = site.compute("GET", "/servers/" + id).json()["server"];
    if (server.contains("security_groups"))
      for (const json& group : server["security_groups"]) found.insert(group["name"]);
    return found;
  };
  CHECK(act("addSecurityGroup", "web") == 202);
  CHECK(names() == std::set<std::string>{"default", "web"});
  CHECK(act("addSecurityGroup", "none") == 404);
  const auto huge = site.compute("POST", "/servers/" + id + "/action",
                                 {{"removeSecurityGroup", {{"name", std::string(900'000, 'x')}}}});
  CHECK(huge.status == 404);
  CHECK(huge.text.size() < 500);  // An error does not send back what was sent.
  CHECK(act("removeSecurityGroup", "web") == 202);
  CHECK(act("removeSecurityGroup", "web") == 404);
  CHECK(names() == std::set<std::string>{"default"});
  for (const json& group : groups) {
    const std::string path = "/os-security-groups/" + group["id"].get<std::string>();
    CHECK(site.compute("GET", path).json()["security_group"]["name"] == group["name"]);
  }
  CHECK(site.compute("GET", "/os-security-groups/none").status == 404);
}

TEST_CASE("compute: groups changed by several callers at once are all changed") {
  ComputeSite site;
  const std::string id = site.boot();
  const std::vector<std::string> groups = {"a", "b", "c", "d"};
  for (const std::string& name : groups) {
    REQUIRE(site.user("POST", "/network/v2.0/security-groups",
                      {{"security_group", {{"name", name}}}}).status == 201);
  }
  const auto count = [&] {
    return site.compute("GET", "/servers/" + id).json()["server"]["security_groups"].size();
  };
  const auto all_at_once = [&](const char* action) {
    std::vector<int> status(groups.size());
    std::vector<std::thread> callers;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      callers.emplace_back([&, i] {
        status[i] = site.compute("POST", "/servers/" + id + "/action",
                                 {{action, {{"name", groups[i]}}}}).status;
      });
    }
    for (std::thread& caller : callers) caller.join();
    return status == std::vector<int>(groups.size(), 202);
  };
  for (int round = 0; round < 20; ++round) {
    REQUIRE(all_at_once("addSecurityGroup"));
    REQUIRE(count() == 5);
    REQUIRE(all_at_once("removeSecurityGroup"));
    REQUIRE(count() == 1);
  }
}

TEST_CASE("compute: metadata of a server by all its verbs") {
  ComputeSite site;
  const std::string path = "/servers/" + site.boot() + "/metadata";
  CHECK(site.compute("GET", path).json() == json{{"metadata", json::object()}});
  CHECK(site.compute("POST", path, {{"metadata", {{"a", "1"}, {"b", "2"}}}}).status == 200);
  CHECK(site.compute("PUT", path + "/c", {{"meta", {{"c", "3"}}}}).json()["meta"]["c"] == "3");
  CHECK(site.compute("PUT", path + "/c", {{"meta", {{"d", "3"}}}}).status == 400);
  CHECK(site.compute("GET", path + "/a").json()["meta"]["a"] == "1");
  CHECK(site.compute("GET", path + "/z").status == 404);
  CHECK(site.compute("DELETE", path + "/a").status == 204);
  CHECK(site.compute("DELETE", path + "/a").status == 404);
  CHECK(site.compute("PUT", path, {{"metadata", {{"z", "26"}}}}).json()["metadata"].size() == 1);
  CHECK(site.compute("POST", path, {{"metadata", {{"", "x"}}}}).status == 400);
  CHECK(site.compute("POST", path, {{"metadata", {{"k", std::string(256, 'v')}}}}).status == 400);
}

TEST_CASE("compute: server lists page, filter, sort and stay within the project") {
  ComputeSite site;
  for (const char* name : {"alpha", "beta", "gamma"}) site.boot(name);
  const auto names = [&](std::string query, std::string_view as = {}) {
    const auto answer = site.send("GET", "/compute/v2.1/servers/detail?" + query, "",
                                  as.empty() ? site.token : std::string(as));
    if (answer.status != 200) return std::to_string(answer.status);
    std::string text;
    const json body = answer.json();
    for (const json& server : body["servers"]) text += server["name"].get<std::string>() + " ";
    return text + (body.contains("servers_links") ? "more" : "");
  };
  CHECK(names("") == "gamma beta alpha ");
  CHECK(names("limit=2") == "gamma beta more");
  CHECK(names("name=et") == "beta ");
  CHECK(names("status=active") == "gamma beta alpha ");
  CHECK(names("status=ERROR") == "");
  CHECK(names("status=nonsense") == "");
  CHECK(names("image=" + site.image) == "gamma beta alpha ");
  CHECK(names("flavor=1") == "");
  CHECK(names("sort_key=display_name&sort_dir=asc") == "alpha beta gamma ");
  CHECK(names("changes-since=2001-01-01T00:00:00Z") == "gamma beta alpha ");
  CHECK(names("changes-since=2099-01-01T00:00:00Z") == "");
  CHECK(names("changes-since=yesterday") == "400");
  CHECK(names("limit=-1") == "400");
  CHECK(names("limit=x") == "400");
  CHECK(names("marker=none") == "400");
  CHECK(names("sort_key=shoe") == "400");
  CHECK(names("sort_key=host") == "403");  // The order would tell who shares a host.
  CHECK(names("sort_dir=up") == "400");
  CHECK(names("all_tenants=1") == "403");
  CHECK(names("all_tenants=maybe") == "400");
  CHECK(names("", site.admin) == "");
  CHECK(names("all_tenants=1", site.admin) == "gamma beta alpha ");
  CHECK(names("all_tenants=1&host=nowhere", site.admin) == "");
  CHECK(names("all_tenants=1&deleted=true", site.admin) == "");
  const json page = site.compute("GET", "/servers?limit=1&name=a").json();
  CHECK(keys_of(page["servers"][0]) == std::set<std::string>{"id", "name", "links"});
  const std::string next = page["servers_links"][0]["href"];
  CHECK(next.find("limit=1&name=a&marker=") != next.npos);
}

TEST_CASE("compute: another project's server is 404 for every verb") {
  ComputeSite site;
  const std::string id = site.boot();
  const std::string stranger = site.add_user("stranger");
  struct Row { const char* method; std::string path; std::string body; };
  const Row rows[] = {
      {"GET", "", ""}, {"PUT", "", R"({"server": {"name": "mine"}})"}, {"DELETE", "", ""},
      {"POST", "/action", R"({"os-stop": null})"}, {"GET", "/ips", ""}, {"GET", "/metadata", ""},
      {"POST", "/metadata", R"({"metadata": {"a": "b"}})"}, {"GET", "/os-interface", ""},
      {"POST", "/os-interface", R"({"interfaceAttachment": {}})"},
      {"DELETE", "/os-interface/none", ""},
      {"GET", "/os-security-groups", ""}, {"GET", "/os-volume_attachments", ""},
      {"POST", "/action", R"({"os-getConsoleOutput": {}})"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    CHECK(site.send(row.method, "/compute/v2.1/servers/" + id + row.path, row.body, stranger)
              .status == 404);
  }
  CHECK(site.status_of(id) == "ACTIVE");
}

TEST_CASE("compute: interfaces are given to a server and taken from it") {
  ComputeSite site;
  const std::string id = site.boot();
  const std::string path = "/servers/" + id + "/os-interface";
  const auto attach = [&](const json& what) {
    return site.compute("POST", path, {{"interfaceAttachment", what}});
  };
  const auto count = [&] {
    return site.compute("GET", path).json()["interfaceAttachments"].size();
  };
  const auto made = attach({{"net_id", site.network}, {"fixed_ips", {{{"ip_address", "10.0.0.77"}}}}});
  INFO(made.text);
  REQUIRE(made.status == 200);
  const json shown = made.json()["interfaceAttachment"];
  CHECK(keys_of(shown) ==
        std::set<std::string>{"port_id", "net_id", "mac_addr", "port_state", "fixed_ips"});
  CHECK(shown["fixed_ips"][0]["ip_address"] == "10.0.0.77");
  site.settle();
  const std::string port = shown["port_id"];
  CHECK(site.compute("GET", path + "/" + port).json()["interfaceAttachment"]["port_state"] ==
        "ACTIVE");
  const auto given = site.user("POST", "/network/v2.0/ports",
                               {{"port", {{"network_id", site.network}}}});
  const std::string own = given.json()["port"]["id"];
  CHECK(attach({{"port_id", own}}).status == 200);
  CHECK_MESSAGE(attach(json::object()).status == 200, "the project's only network is meant");
  site.settle();
  CHECK(count() == 4);

  struct Row {
    std::string what;
    json body;
    int status;
  };
  const Row rows[] = {
      {"both", {{"net_id", site.network}, {"port_id", own}}, 400},
      {"a port in use", {{"port_id", own}}, 409},
      {"an address in use",
       {{"net_id", site.network}, {"fixed_ips", {{{"ip_address", "10.0.0.77"}}}}}, 409},
      {"an address alone", {{"fixed_ips", {{{"ip_address", "10.0.0.78"}}}}}, 400},
      {"two addresses",
       {{"net_id", site.network},
        {"fixed_ips", {{{"ip_address", "10.0.0.8"}}, {{"ip_address", "10.0.0.9"}}}}}, 400},
      {"no address", {{"net_id", site.network}, {"fixed_ips", {{{"subnet", "x"}}}}}, 400},
      {"no such network", {{"net_id", "00000000-0000-4000-8000-000000000000"}}, 404},
      {"no such port", {{"port_id", "00000000-0000-4000-8000-000000000000"}}, 404},
      {"another member", {{"tag", "blue"}}, 400},
  };
  for (const auto& [what, body, status] : rows) {
    CAPTURE_BOUND(what);
    CHECK(attach(body).status == status);
  }
  CHECK(count() == 4);
  CHECK(site.compute("DELETE", path + "/" + port).status == 202);
  CHECK(site.compute("DELETE", path + "/" + own).status == 202);
  site.settle();
  CHECK(count() == 2);
  CHECK(site.user("GET", "/network/v2.0/ports/" + port).status == 404);
  CHECK(site.user("GET", "/network/v2.0/ports/" + own).json()["port"]["device_id"] == "");
  CHECK(site.compute("DELETE", path + "/" + own).status == 404);
  CHECK(site.status_of(id) == "ACTIVE");
}

TEST_CASE("compute: of interfaces asked for at once each caller is told its own") {
  ComputeSite site;
  const std::string id = site.boot();
  std::vector<std::string> addresses(6), answers(6);
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    addresses[i] = "10.0.0." + std::to_string(60 + i);
    callers.emplace_back([&, i] {
      const auto made = site.compute(
          "POST", "/servers/" + id + "/os-interface",
          {{"interfaceAttachment",
            {{"net_id", site.network}, {"fixed_ips", {{{"ip_address", addresses[i]}}}}}}});
      if (made.status == 200)
        answers[i] = made.json()["interfaceAttachment"]["fixed_ips"][0]["ip_address"];
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(answers == addresses);
}

TEST_CASE("compute: flavors as the API shows and takes them") {
  ComputeSite site;
  const json flavor = site.compute("GET", "/flavors/42").json()["flavor"];
  CHECK(keys_of(flavor) ==
        std::set<std::string>{"id", "name", "ram", "disk", "vcpus", "swap", "rxtx_factor", "links",
                              "OS-FLV-EXT-DATA:ephemeral", "OS-FLV-DISABLED:disabled",
                              "os-flavor-access:is_public"});
  CHECK(flavor["swap"] == "");
  CHECK(flavor["rxtx_factor"] == 1.0);
  CHECK(flavor["rxtx_factor"].is_number_float());
  CHECK(site.compute("GET", "/flavors/detail").json()["flavors"].size() == 6);
  CHECK(site.compute("GET", "/flavors?is_public=None").json()["flavors"].size() == 6);
  CHECK(site.compute("GET", "/flavors?limit=1").json().contains("flavors_links"));
  CHECK(site.compute("GET", "/flavors?minRam=x").status == 400);
  CHECK(site.compute("GET", "/flavors/none").status == 404);
  const json body = {{"flavor", {{"name", "f"}, {"ram", "64"}, {"vcpus", 1}, {"disk", 0},
                                 {"id", "auto"}, {"rxtx_factor", "2.5"},
                                 {"os-flavor-access:is_public", false}}}};
  CHECK(site.compute("POST", "/flavors", body).status == 403);
  const auto made = site.post("/compute/v2.1/flavors", body);
  INFO(made.text);
  REQUIRE(made.status == 200);
  const std::string path =
      "/compute/v2.1/flavors/" + made.json()["flavor"]["id"].get<std::string>();
  CHECK(made.json()["flavor"]["rxtx_factor"] == 2.5);
  CHECK(site.send("GET", path, "", site.token).status == 404);
  CHECK(site.post(path + "/action", {{"addTenantAccess", {{"tenant", "p"}}}})
            .json()["flavor_access"][0]["tenant_id"] == "p");
  CHECK(site.get(path + "/os-flavor-access").json()["flavor_access"].size() == 1);
  CHECK(site.post(path + "/action", {{"removeTenantAccess", {{"tenant", "p"}}}}).status == 200);
  CHECK(site.post(path + "/os-extra_specs", {{"extra_specs", {{"k", "v"}}}}).status == 200);
  CHECK(site.get(path + "/os-extra_specs/k").json()["k"] == "v");
  CHECK(site.get(path + "/os-extra_specs/z").status == 404);
  CHECK(site.send("DELETE", path + "/os-extra_specs/k", "", site.admin).status == 200);
  CHECK(site.send("DELETE", path, "", site.admin).status == 202);
  CHECK(site.get(path).status == 404);
  const std::pair<const char*, json> wrong[] = {{"ram", 0}, {"vcpus", -1}, {"disk", "x"},
                                                {"swap", 5}, {"name", ""}, {"colour", "red"},
                                                {"rxtx_factor", 0}, {"id", "a/b"}};
  for (const auto& [key, value] : wrong) {
    const std::string what = key;
    CAPTURE(what);
    json bad = body;
    bad["flavor"][key] = value;
    CHECK(site.post("/compute/v2.1/flavors", bad).status == 400);
  }
}

TEST_CASE("compute: key pairs speak 2.1 and, asked for it, 2.2 and 2.10") {
  ComputeSite site;
  const json import = {
      {"keypair",
       {{"name", "k"},
        {"public_key",
         "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"}}}};
  const HeaderList v2 = {{"X-OpenStack-Nova-API-Version", "2.2"}};
  const HeaderList v10 = {{"OpenStack-API-Version", "compute 2.10"}};
  const auto made = site.compute("POST", "/os-keypairs", import);
  INFO(made.text);
  REQUIRE(made.status == 200);
  CHECK(keys_of(made.json()["keypair"]) ==
        std::set<std::string>{"name", "public_key", "fingerprint", "user_id"});
  CHECK(site.compute("POST", "/os-keypairs", import).status == 409);
  const auto generated = site.compute("POST", "/os-keypairs",
                                      {{"keypair", {{"name", "g"}, {"type", "ssh"}}}}, v2);
  CHECK(generated.status == 201);
  CHECK(generated.json()["keypair"]["type"] == "ssh");
  CHECK(generated.json()["keypair"].contains("private_key"));
  CHECK(site.compute("POST", "/os-keypairs", {{"keypair", {{"name", "h"}, {"type", "ssh"}}}})
            .status == 400);
  CHECK(site.compute("POST", "/os-keypairs", {{"keypair", {{"name", "h"}, {"public_key", "x"}}}})
            .status == 400);
  CHECK(site.compute("GET", "/os-keypairs").json()["keypairs"].size() == 2);
  const json shown = site.compute("GET", "/os-keypairs/k").json()["keypair"];
  CHECK(keys_of(shown) == std::set<std::string>{"name", "public_key", "fingerprint", "user_id",
                                                "id", "deleted", "created_at", "updated_at",
                                                "deleted_at"});
  const std::string owner = shown["user_id"];
  CHECK(site.send("GET", "/compute/v2.1/os-keypairs?user_id=" + owner, "", site.admin, v10)
            .json()["keypairs"].size() == 2);
  CHECK(site.compute("GET", "/os-keypairs?user_id=somebody", nullptr, v10).status == 403);
  CHECK(site.compute("DELETE", "/os-keypairs/k").status == 202);
  CHECK(site.compute("DELETE", "/os-keypairs/g", nullptr, v2).status == 204);
  CHECK(site.compute("DELETE", "/os-keypairs/g").status == 404);
}

TEST_CASE("compute: operators see hypervisors, services and zones; tenants see zones") {
  ComputeSite site;
  (void)site.boot();
  const auto admin = [&](std::string path) { return site.get("/compute/v2.1" + path).json(); };
  const json detail = admin("/os-hypervisors/detail")["hypervisors"];
  REQUIRE(detail.size() == 2);
  CHECK(detail[0]["state"] == "up");
  CHECK(detail[0]["cpu_info"].is_string());
  CHECK(detail[0]["running_vms"].get<int>() + detail[1]["running_vms"].get<int>() == 1);
  CHECK(admin("/os-hypervisors/1")["hypervisor"]["hypervisor_hostname"] == "sim-1");
  CHECK(admin("/os-hypervisors/statistics")["hypervisor_statistics"]["count"] == 2);
  CHECK(admin("/os-hypervisors/sim/servers")["hypervisors"].size() == 2);
  CHECK(site.get("/compute/v2.1/os-hypervisors/9").status == 404);
  CHECK(site.get("/compute/v2.1/os-hypervisors/1/uptime").status == 501);
  CHECK(site.get("/compute/v2.1/os-hypervisors/9/uptime").status == 404);
  CHECK(site.get("/compute/v2.1/os-hypervisors/zzz/search").status == 404);
  CHECK(site.compute("GET", "/os-hypervisors").status == 403);
  CHECK(admin("/os-services?binary=nova-compute")["services"].size() == 2);
  CHECK(admin("/os-services?binary=nova-cert")["services"].empty());
  CHECK(admin("/os-services?host=sim-2")["services"][0]["state"] == "up");
  const json what = {{"host", "sim-1"}, {"binary", "nova-compute"}, {"disabled_reason", "broken"}};
  const auto put = [&](std::string path, const json& body, const HeaderList& headers = {}) {
    return site.send("PUT", "/compute/v2.1/os-services" + path, body.dump(), site.admin, headers);
  };
  CHECK(put("/disable-log-reason", what).json()["service"]["disabled_reason"] == "broken");
  CHECK(admin("/os-services?host=sim-1")["services"][0]["status"] == "disabled");
  CHECK(put("/enable", {{"host", "sim-1"}, {"binary", "nova-compute"}}).status == 200);
  CHECK(put("/enable", {{"host", "none"}, {"binary", "nova-compute"}}).status == 404);
  const HeaderList v11 = {{"OpenStack-API-Version", "compute 2.11"}};
  const json down = {{"host", "sim-1"}, {"binary", "nova-compute"}, {"forced_down", true}};
  CHECK(put("/force-down", down).status == 404);
  CHECK(put("/force-down", down, v11).json()["service"]["forced_down"] == true);
  CHECK(admin("/os-services?host=sim-1")["services"][0]["state"] == "down");
  const json zones = site.compute("GET", "/os-availability-zone").json()["availabilityZoneInfo"];
  CHECK(zones == json::parse(R"([{"zoneName": "nova", "zoneState": {"available": true},
                                  "hosts": null}])"));
  CHECK(admin("/os-availability-zone/detail")["availabilityZoneInfo"][0]["hosts"]["sim-2"]
             ["nova-compute"]["available"] == true);
  CHECK(admin("/os-hosts")["hosts"].size() == 2);
  CHECK(admin("/os-hosts/sim-1")["host"].size() == 3);
}

TEST_CASE("compute: quotas are shown, set, kept and given back; over quota is 403") {
  ComputeSite site;
  const std::string id = site.boot();
  const std::string project =
      site.compute("GET", "/servers/" + id).json()["server"]["tenant_id"];
  const std::string path = "/compute/v2.1/os-quota-sets/" + project;
  CHECK(site.get(path).json()["quota_set"]["instances"] == 10);
  CHECK(site.get(path + "/detail").json()["quota_set"]["instances"]["in_use"] == 1);
  CHECK(site.get(path + "/defaults").json()["quota_set"]["cores"] == 20);
  const auto set = [&](const json& quota, const std::string& who) {
    return site.send("PUT", path, json{{"quota_set", quota}}.dump(), who).status;
  };
  CHECK(set({{"instances", 1}}, site.token) == 403);
  CHECK(set({{"instances", 0}}, site.admin) == 400);
  CHECK(set({{"instances", -2}}, site.admin) == 400);
  CHECK(set({{"colours", 1}}, site.admin) == 400);
  CHECK(set({{"floating_ips", 5}}, site.admin) == 400);
  CHECK(set({{"instances", 1}}, site.admin) == 200);
  const auto over = site.compute("POST", "/servers", site.server_body());
  CHECK(over.status == 403);
  CHECK(over.json().contains("forbidden"));
  const json absolute = site.compute("GET", "/limits").json()["limits"]["absolute"];
  CHECK(absolute["maxTotalInstances"] == 1);
  CHECK(absolute["totalRAMUsed"] == 128);
  CHECK(site.send("DELETE", path, "", site.admin).status == 202);
  CHECK(site.get(path).json()["quota_set"]["instances"] == 10);
  CHECK(site.compute("GET", "/os-quota-sets/somebody-else").status == 403);
}

TEST_CASE("compute: a fault names hosts for administrators only") {
  ComputeSite site;
  json body = site.server_body();
  body["server"]["flavorRef"] = "5";
  for (const char* host : {"sim-1", "sim-2"})
    REQUIRE(site.cloud->hosts().disable(Context::system(), host));
  const auto made = site.compute("POST", "/servers", body);
  REQUIRE(made.status == 202);
  site.settle();
  const std::string path =
      "/compute/v2.1/servers/" + made.json()["server"]["id"].get<std::string>();
  const json fault = site.send("GET", path, "", site.token).json()["server"]["fault"];
  CHECK(fault["code"] == 500);
  CHECK(fault["message"].get<std::string>().find("2 hosts: ComputeFilter removed 2") !=
        std::string::npos);
  CHECK_FALSE(fault.contains("details"));
  const json full = site.get(path).json()["server"]["fault"];
  CHECK(full["details"].get<std::string>().find("sim-1: ComputeFilter: disabled") !=
        std::string::npos);
}

TEST_CASE("compute: extensions name what is here") {
  ComputeSite site;
  CHECK(site.compute("GET", "/extensions").json()["extensions"].size() > 20);
  CHECK(site.compute("GET", "/extensions/os-keypairs").json()["extension"]["alias"] ==
        "os-keypairs");
  CHECK(site.compute("GET", "/extensions/os-cells").status == 404);
}
