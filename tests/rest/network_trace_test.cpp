#include "rest/support.hpp"

using nlohmann::json;
using rest_test::Answer;
using rest_test::Site;

namespace {

struct TraceSite : Site {
  std::string member = add_user("tenant"), stranger = add_user("stranger");
  json net, first, second;

  TraceSite() {
    net = made(member, "/networks", "network", {{"name", "net"}});
    made(member, "/subnets", "subnet",
         {{"network_id", net.at("id")}, {"ip_version", 4}, {"cidr", "10.0.0.0/24"}});
    first = made(member, "/ports", "port", {{"network_id", net.at("id")}, {"name", "first"}});
    second = made(member, "/ports", "port", {{"network_id", net.at("id")}, {"name", "second"}});
  }
  json made(const std::string& token, const std::string& path, const std::string& name,
            const json& fields) {
    const auto answer =
        send("POST", "/network/v2.0" + path, json{{name, fields}}.dump(), token, {});
    INFO(answer.text);
    REQUIRE(answer.status == 201);
    return answer.json().at(name);
  }
  Answer trace(const std::string& token, const std::string& query,
               const std::string& language = {}) {
    std::map<std::string, std::string> headers;
    if (!language.empty()) headers["Accept-Language"] = language;
    return send("GET", "/network/v2.0/network-traces" + query, "", token,
                {headers.begin(), headers.end()});
  }
};

}  // namespace

TEST_CASE("a trace over HTTP names the hop that drops the packet, in the caller's language") {
  TraceSite site;
  const std::string query = "?from=" + site.first.at("id").get<std::string>() + "&to=" +
                            site.second.at("fixed_ips").at(0).at("ip_address").get<std::string>() +
                            "&protocol=tcp&port=80";
  const auto answer = site.trace(site.member, query);
  INFO(answer.text);
  REQUIRE(answer.status == 200);
  const json trace = answer.json().at("network_trace");
  CHECK(trace.at("delivered") == false);
  CHECK(trace.at("certain") == true);
  REQUIRE(trace.at("hops").size() == 1);
  const json& hop = trace.at("hops").at(0);
  CHECK(hop.at("place") == "port");
  CHECK(hop.at("state") == "drops");
  CHECK(hop.at("resource_type") == "port");
  CHECK(hop.at("resource_id") == site.first.at("id"));
  CHECK(trace.at("summary") == hop.at("text"));
  CHECK(trace.at("summary") ==
        "Port first is on no host: nothing uses it, or what uses it is off.");
  CHECK(trace.at("remedy") == "Start the server that uses it, or give it to one.");
  CHECK_FALSE(hop.contains("host"));

  const auto korean = site.trace(site.member, query, "ko");
  CHECK(korean.json().at("network_trace").at("summary").get<std::string>().find("포트 first") == 0);
  CHECK(korean.json().at("network_trace").at("hops").at(0).at("state") == "drops");
}

TEST_CASE("what a trace over HTTP refuses has its status and a message") {
  TraceSite site;
  const std::string id = site.first.at("id").get<std::string>();
  struct Row {
    std::string what, token, query;
    int status;
  };
  const Row rows[] = {
      {"nothing asked for", site.member, "", 400},
      {"no receiver", site.member, "?from=" + id, 400},
      {"a word for a port", site.member, "?from=" + id + "&to=10.0.0.9&port=http", 400},
      {"an unknown parameter", site.member, "?from=" + id + "&to=10.0.0.9&colour=red", 400},
      {"a port by its name", site.member, "?from=first&to=10.0.0.9&port=80", 200},
      {"another's port", site.stranger, "?from=" + id + "&to=10.0.0.9&port=80", 404},
      {"neither end the caller's", site.stranger, "?from=192.0.2.1&to=203.0.113.9&port=80", 403},
      {"the admin", site.admin, "?from=" + id + "&to=10.0.0.9&port=80", 200},
      {"nobody", "", "?from=" + id + "&to=10.0.0.9", 401},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto answer = site.trace(row.token, row.query);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
  }
}

TEST_CASE("traces are announced as an extension of this cloud's own") {
  TraceSite site;
  const auto answer =
      site.send("GET", "/network/v2.0/extensions/cloudos-network-trace", "", site.member, {});
  CHECK(answer.status == 200);
}
