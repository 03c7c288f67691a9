#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>

#include "dataplane/support.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/metadata_server.hpp"
#include "network/linuxbridge/router_rules.hpp"
#include "network/linuxbridge/ruleset.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

const char* const kCloudDomain = "cloud.example";

RulePlan rule_with(const std::string& protocol, std::optional<std::uint32_t> low,
                   std::optional<std::uint32_t> high, const std::string& cidr = "",
                   bool v6 = false) {
  RulePlan rule;
  rule.protocol = protocol;
  rule.port_min = low;
  rule.port_max = high;
  rule.remote_cidr = cidr;
  rule.ipv6 = v6;
  return rule;
}

std::size_t count_of(const std::string& text, const std::string& needle) {
  std::size_t count = 0;
  for (auto at = text.find(needle); at != std::string::npos; at = text.find(needle, at + 1))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("a rule is written exactly, or not at all when it makes no sense") {
  struct Row {
    std::string what;
    RulePlan rule;
    const char* match;  ///< nullptr: none.
  };
  const Row rows[] = {
      {"anything", rule_with("", {}, {}), "meta nfproto ipv4"},
      {"one port", rule_with("tcp", 22, 22), "meta nfproto ipv4 meta l4proto 6 th dport 22"},
      {"a range", rule_with("udp", 1, 65535), "meta nfproto ipv4 meta l4proto 17 th dport 1-65535"},
      {"no upper end", rule_with("tcp", 80, {}), "meta nfproto ipv4 meta l4proto 6 th dport 80"},
      {"a prefix", rule_with("tcp", 22, 22, "10.1.2.3/8"),
       "meta nfproto ipv4 ip saddr 10.0.0.0/8 meta l4proto 6 th dport 22"},
      {"everybody's prefix", rule_with("", {}, {}, "0.0.0.0/0"), "meta nfproto ipv4"},
      {"IPv6", rule_with("tcp", 22, 22, "fd00::/8", true),
       "meta nfproto ipv6 ip6 saddr fd00::/8 meta l4proto 6 th dport 22"},
      {"ICMP type and code", rule_with("icmp", 8, 0),
       "meta nfproto ipv4 meta l4proto 1 icmp type 8 icmp code 0"},
      {"ICMP of IPv6", rule_with("icmp", 128, {}, "", true),
       "meta nfproto ipv6 meta l4proto 58 icmpv6 type 128"},
      {"a number", rule_with("47", {}, {}), "meta nfproto ipv4 meta l4proto 47"},
      {"ports of what has none", rule_with("47", 1, 2), nullptr},
      {"ports of anything", rule_with("", 22, 22), nullptr},
      {"an upper end alone", rule_with("tcp", {}, 22), nullptr},
      {"the wrong way round", rule_with("tcp", 23, 22), nullptr},
      {"too high a port", rule_with("tcp", 22, 65536), nullptr},
      {"too high a type", rule_with("icmp", 256, {}), nullptr},
      {"too high a protocol", rule_with("256", {}, {}), nullptr},
      {"an unknown protocol", rule_with("tcp; accept", {}, {}), nullptr},
      {"the other family's prefix", rule_with("", {}, {}, "fd00::/8"), nullptr},
      {"no prefix at all", rule_with("", {}, {}, "10.0.0.0/33"), nullptr},
      {"a command for a prefix", rule_with("", {}, {}, "10.0.0.1 accept; #"), nullptr},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.what));
    const auto match = lb::match_of(lb::Names(kFolder), row.rule);
    CHECK(match.value_or("none") == std::string(row.match == nullptr ? "none" : row.match));
  }
}

TEST_CASE("a change of one port writes nothing about another") {
  Plan plan = simple_plan();
  const PortPlan first = add_port(plan, 11);
  PortPlan second = add_port(plan, 12);
  const lb::Names names(kFolder);
  std::vector<std::string> rejected;
  auto before = lb::empty_ruleset(names);
  lb::put_group(before, names, plan.groups.begin()->second, rejected);
  lb::put_port(before, names, {&first, 7, {"clb", 3, true}}, rejected);
  lb::put_port(before, names, {&second, 8, {"clb", 3, true}}, rejected);
  CHECK(lb::render_difference(before, before).empty());
  auto after = before;
  second.addresses = {"10.0.0.99"};
  lb::put_port(after, names, {&second, 8, {"clb", 3, true}}, rejected);
  const std::string change = lb::render_difference(before, after);
  CHECK(change.find("10.0.0.99") != std::string::npos);
  CHECK(change.find(names.brief(first.id.value)) == std::string::npos);
  CHECK(lb::tightened_ports(before, after).empty());
  lb::drop_port(after, names, second.id, second.tap);
  CHECK(lb::tightened_ports(before, after) == std::set<std::string>{names.brief(second.id.value)});
  lb::drop_port(after, names, first.id, first.tap);
  auto none = lb::empty_ruleset(names);
  lb::put_group(none, names, plan.groups.begin()->second, rejected);
  CHECK(lb::same_rules(after, none));
  CHECK(rejected.empty());
}

TEST_CASE("an address of two ports stays the other's when one goes") {
  const lb::Names names(kFolder);
  struct Row {
    std::string what;
    bool isolated;  ///< Else on a flat network.
    bool own;       ///< The address is the second port's own; else both have it as a pair.
    bool first_goes;
  };
  const Row rows[] = {
      {"a pair of both, the first goes", true, false, true},
      {"a pair of both, the second goes", true, false, false},
      {"a pair of both on a flat network, the first goes", false, false, true},
      {"a pair of both on a flat network, the second goes", false, false, false},
      {"the second's own, the first goes", true, true, true},
      {"the second's own on a flat network, the first goes", false, true, true},
      {"the second's own on a flat network, the second goes", false, true, false},
  };
  for (const auto& row : rows) {
    for (const bool first_comes_last : {false, true}) {
      CAPTURE(row.what);
      CAPTURE(first_comes_last);
      Plan plan = simple_plan();
      PortPlan& first = add_port(plan, 11);
      PortPlan& second = add_port(plan, 12);
      const std::string address = row.own ? "10.0.0.12" : "10.0.0.100";
      first.allowed_pairs = {{address, ""}};
      if (!row.own) second.allowed_pairs = {{address, ""}};
      const lb::FilterNetwork network{"clb", 3, row.isolated};
      std::vector<std::string> rejected;
      const auto rules_of = [&](const std::vector<const PortPlan*>& ports) {
        auto rules = lb::empty_ruleset(names);
        lb::put_group(rules, names, plan.groups.begin()->second, rejected);
        for (const auto* port : ports)
          lb::put_port(rules, names, {port, port == &first ? 7 : 8, network}, rejected);
        return rules;
      };
      const auto before =
          first_comes_last ? rules_of({&second, &first}) : rules_of({&first, &second});
      CHECK(lb::render_whole(before) == lb::render_whole(rules_of({&first, &second})));
      const std::string place = "\"clb\" . " + address;
      const auto leads_to = [&](const lb::Ruleset& rules) {
        const auto& elements = rules.inet.sets.at("ingress_at").elements;
        const auto found = elements.find(place);
        return found == elements.end() ? std::string("nowhere") : found->second;
      };
      const PortPlan& goes = row.first_goes ? first : second;
      const PortPlan& stays = row.first_goes ? second : first;
      // Whose own it is decides, and not who else may send as it.
      if (row.own && !row.isolated)
        CHECK(leads_to(before) == "goto i_" + names.brief(second.id.value));

      auto after = before;
      lb::drop_port(after, names, goes.id, goes.tap);
      CHECK(lb::render_whole(after) == lb::render_whole(rules_of({&stays})));
      CHECK(after.inet.sets.at("tracked").elements.count(place) == 1);
      CHECK(leads_to(after) ==
            (row.isolated ? "nowhere" : "goto i_" + names.brief(stays.id.value)));
      const std::string change = lb::render_difference(before, after);
      const auto tracked = change.find("delete element inet " + before.table + " tracked {");
      const auto end = change.find('\n', tracked);
      if (row.own && !row.first_goes) {
        CHECK(tracked == std::string::npos);  // All it had the other has, too.
      } else {
        REQUIRE(tracked != std::string::npos);
        CHECK(change.substr(tracked, end - tracked).find(address) == std::string::npos);
      }
      lb::drop_port(after, names, stays.id, stays.tap);
      CHECK(lb::render_whole(after) == lb::render_whole(rules_of({})));
      CHECK(after.claims.empty());
      CHECK(after.devices.empty());
      CHECK(rejected.empty());
    }
  }
}

TEST_CASE("a device and a mark that became another port's stay that one's") {
  const lb::Names names(kFolder);
  Plan plan = simple_plan();
  const PortPlan old_port = add_port(plan, 11);
  PortPlan port = add_port(plan, 12);
  port.tap = old_port.tap;
  std::vector<std::string> rejected;
  auto alone = lb::empty_ruleset(names);
  lb::put_group(alone, names, plan.groups.begin()->second, rejected);
  auto rules = alone;
  lb::put_port(alone, names, {&port, 7, {"clb", 3, true}}, rejected);
  lb::put_port(rules, names, {&old_port, 7, {"clb", 3, true}, false}, rejected);
  lb::put_port(rules, names, {&port, 7, {"clb", 3, true}}, rejected);
  lb::drop_port(rules, names, old_port.id, old_port.tap);
  CHECK(lb::render_whole(rules) == lb::render_whole(alone));
  // One that never got its device takes nothing of it away either.
  lb::drop_port(rules, names, PortId("66666666-6666-4666-8666-666666666666"), port.tap);
  CHECK(lb::render_whole(rules) == lb::render_whole(alone));
}

TEST_CASE("a rule set is its owner's alone, and the same however it came about") {
  const lb::Names names(kFolder);
  Plan plan = simple_plan();
  for (int i = 11; i < 60; ++i) add_port(plan, i);
  GroupPlan first = plan.groups.begin()->second;
  first.rules.push_back(rule_with("tcp", 80, 80));
  first.rules.back().remote_group = first.id;
  std::vector<std::string> rejected;
  const auto rules_of = [&](const GroupPlan& group, const std::string& left_out) {
    auto rules = lb::empty_ruleset(names);
    lb::put_group(rules, names, group, rejected);
    int tap = 7;
    for (const auto& [id, port] : plan.ports) {
      ++tap;
      if (port.tap != left_out) lb::put_port(rules, names, {&port, tap, {"clb", 3, true}}, rejected);
    }
    return rules;
  };
  GroupPlan second = first;
  second.rules.push_back(rule_with("tcp", 22, 22));
  second.members.erase(second.members.begin());
  second.members.emplace_back("10.0.0.200");
  const PortPlan& gone = plan.ports.begin()->second;
  const auto before = rules_of(first, "");
  const std::string text = lb::render_whole(before);
  auto after = before;
  lb::put_group(after, names, second, rejected);
  lb::drop_port(after, names, gone.id, gone.tap);
  CHECK(lb::render_whole(before) == text);
  CHECK(lb::render_whole(after) == lb::render_whole(rules_of(second, gone.tap)));
  CHECK_FALSE(lb::same_rules(before, after));
  // What differs is found beside as much that is shared, and beside nothing that is.
  CHECK(lb::render_difference(before, after) ==
        lb::render_difference(rules_of(first, ""), rules_of(second, gone.tap)));
  CHECK(lb::tightened_ports(before, after).size() == plan.ports.size());  // By the member that went.
  auto kept = before;
  lb::adopt(kept, after);
  CHECK(lb::render_difference(kept, after).empty());
  CHECK(lb::same_rules(kept, after));
  lb::put_group(after, names, first, rejected);
  lb::put_port(after, names, {&gone, 8, {"clb", 3, true}}, rejected);
  CHECK(lb::render_difference(before, after).empty());
  CHECK(lb::render_whole(after) == text);
  CHECK(lb::render_whole(kept) == lb::render_whole(rules_of(second, gone.tap)));
  CHECK(rejected.empty());
}

TEST_CASE("what a rule set cannot take is left out, which closes") {
  Plan plan = simple_plan();
  PortPlan port = add_port(plan, 11);
  GroupPlan& group = plan.groups.begin()->second;
  group.rules = {rule_with("tcp", 23, 22)};
  group.members = {"not an address"};
  port.addresses = {"10.0.0.11 accept"};
  port.allowed_pairs = {{"0.0.0.0/99", ""}, {"10.0.0.1", "aa:bb"}};
  std::vector<std::string> rejected;
  auto rules = lb::empty_ruleset(lb::Names(kFolder));
  lb::put_group(rules, lb::Names(kFolder), group, rejected);
  lb::put_port(rules, lb::Names(kFolder), {&port, 7, {"clb", 3, true}}, rejected);
  CHECK(rejected.size() == 5);
  CHECK(lb::render_whole(rules).find("10.0.0.11 accept") == std::string::npos);
  port.mac = "nonsense";
  rejected.clear();
  lb::put_port(rules, lb::Names(kFolder), {&port, 7, {"clb", 3, true}}, rejected);
  CHECK(*rules.bridge.chains.at("s_" + lb::Names(kFolder).brief(port.id.value)).rules ==
        std::vector<std::string>{"drop"});
}

TEST_CASE("nothing breaks out of its line in the DHCP server's files") {
  const Plan good = [] {
    Plan plan = simple_plan();
    add_port(plan, 11);
    return plan;
  }();
  struct Row {
    std::string what;
    std::function<void(NetworkPlan&)> spoil;
  };
  const Row rows[] = {
      {"host name with a line",
       [](NetworkPlan& n) { n.hosts[0].host_name = "a\ndhcp-script=/bin/sh"; }},
      {"host name with a field", [](NetworkPlan& n) { n.hosts[0].host_name = "a,10.0.0.9"; }},
      {"MAC with a field", [](NetworkPlan& n) { n.hosts[0].mac = "fa:16:3e:00:00:01,set:x"; }},
      {"address with a line", [](NetworkPlan& n) { n.hosts[0].address = "10.0.0.9\nevil"; }},
      {"name server with an option",
       [](NetworkPlan& n) { n.subnets[0].dns_servers = {"1.1.1.1,evil"}; }},
      {"gateway with a line", [](NetworkPlan& n) { n.subnets[0].gateway = "10.0.0.1\nevil"; }},
      {"option with a line",
       [](NetworkPlan& n) {
         n.hosts[0].options = {{"bootfile-name", "x\nevil", false}};
       }},
      {"option's name with a field",
       [](NetworkPlan& n) {
         n.hosts[0].options = {{"mtu,evil", "1", false}};
       }},
      {"option's name with a line",
       [](NetworkPlan& n) {
         n.hosts[0].options = {{"1\nevil", "1", true}};
       }},
      {"option with a number that is none",
       [](NetworkPlan& n) {
         n.hosts[0].options = {{"999", "evil", false}};
       }},
      {"route with a line",
       [](NetworkPlan& n) {
         n.subnets[0].host_routes = {{"10.1.0.0/16", "evil\n"}};
       }},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.what));
    NetworkPlan network = good.networks.begin()->second;
    row.spoil(network);
    std::vector<std::string> rejected;
    const auto files = lb::render_dhcp(network, kCloudDomain, {"dev0", 5}, rejected);
    REQUIRE(files);
    CHECK(rejected.size() == 1);
    const std::string all = files->config + files->hosts + files->options + files->names;
    CHECK(all.find("evil") == std::string::npos);
    CHECK(all.find("script") == std::string::npos);
    CHECK(count_of(files->hosts, "\n") <= 1);
  }
  NetworkPlan network = good.networks.begin()->second;
  std::vector<std::string> rejected;
  network.subnets[0].cidr = "10.0.0.0/24\nevil";
  CHECK(lb::render_dhcp(network, kCloudDomain, {"dev0", 5}, rejected).error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("IPv6 addresses are handed out as the subnet's mode has it") {
  struct Row {
    std::string what, mode;
    bool range, host;
  };
  const Row rows[] = {
      {"nobody of ours", "", false, false},
      {"SLAAC", "slaac", false, false},
      {"the rest by DHCP", "dhcpv6-stateless", true, false},
      {"all by DHCP", "dhcpv6-stateful", true, true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    Plan plan = simple_plan();
    add_port(plan, 11);
    NetworkPlan& network = plan.networks.begin()->second;
    network.subnets[0].cidr = "fd00::/64";
    network.subnets[0].gateway = "fd00::1";
    network.subnets[0].dhcp_address = "fd00::2";
    network.subnets[0].address_mode = row.mode;
    network.subnets[0].dns_servers = {"fd00::53"};
    network.hosts[0].address = "fd00::b";
    network.hosts[0].options = {{"sntp-server", "[fd00::9]", true}};
    network.hosts[0].domain = "example.org.";
    std::vector<std::string> rejected;
    const auto files = lb::render_dhcp(network, kCloudDomain, {"dev0", 5}, rejected);
    REQUIRE(files);
    CHECK(rejected.empty());
    CHECK((files->config.find("dhcp-range=set:s-22222222-2222-4222-8222-222222222222,fd00::,"
                              "static,64,86400s\n") != std::string::npos) == row.range);
    CHECK((files->options.find("option6:dns-server,[fd00::53]\n") != std::string::npos) ==
          row.range);
    CHECK((files->options.find("option6:domain-search,cloud.example\n") != std::string::npos) ==
          row.range);
    CHECK((files->hosts == "fa:16:3e:00:01:0b,guest-11.cloud.example,[fd00::b]\n") == row.host);
    CHECK(files->hosts.empty() != row.host);
    CHECK(files->names == "fd00::b guest-11.example.org guest-11.cloud.example guest-11\n");
    CHECK(files->options.find("option6:sntp-server,[fd00::9]\n") != std::string::npos);
    CHECK(files->config.find("\ndomain=cloud.example\n") != std::string::npos);
  }
}

TEST_CASE("a port's name is under the cloud's domain and its own; guests hear the cloud's alone") {
  struct Row {
    std::string what, cloud, own, searched, name, known;
  };
  const Row rows[] = {
      {"none of its own", "openstackgate.local.", "", "openstackgate.local",
       "10.0.0.11 guest-11.openstackgate.local guest-11\n",
       "domain-needed\nlocal=/openstackgate.local/"},
      {"a domain of its own", "openstackgate.local.", "starwars.", "openstackgate.local",
       "10.0.0.11 guest-11.starwars guest-11.openstackgate.local guest-11\n",
       "domain-needed\nlocal=/openstackgate.local/\nlocal=/starwars/\n"},
      {"the cloud's as its own", "a.example", "A.example.", "a.example",
       "10.0.0.11 guest-11.a.example guest-11\n", "local=/a.example/\n"},
      {"its own is none", "a.example", "evil\nline.", "a.example",
       "10.0.0.11 guest-11.a.example guest-11\n", "domain-needed\nlocal=/a.example/\ndhcp-hosts"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    Plan plan = simple_plan();
    add_port(plan, 11);
    NetworkPlan& network = plan.networks.begin()->second;
    network.hosts[0].domain = row.own;
    std::vector<std::string> rejected;
    const auto files = lb::render_dhcp(network, row.cloud, {"dev0", 5}, rejected);
    REQUIRE(files);
    CHECK(files->names == row.name);
    CHECK(files->hosts == "fa:16:3e:00:01:0b,guest-11." + row.searched + ",10.0.0.11\n");
    CHECK(count_of(files->config, "\ndomain=") == 1);
    CHECK(files->config.find("\ndomain=" + row.searched + "\n") != std::string::npos);
    CHECK(files->config.find(row.known) != std::string::npos);
    CHECK((files->config + files->options).find("evil") == std::string::npos);
  }
  std::vector<std::string> rejected;
  for (const char* domain : {"", ".", "a b", "a\ndhcp-script=/bin/sh", "-a", "a..b", "a/b"}) {
    CAPTURE(std::string(domain));
    const Plan plan = simple_plan();
    const auto files =
        lb::render_dhcp(plan.networks.begin()->second, domain, {"dev0", 5}, rejected);
    REQUIRE_FALSE(files);
    CHECK(files.error().code == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("addresses, MACs and names are taken strictly") {
  const char* const bad_ips[] = {"",
                                 "10.0.0",
                                 "10.0.0.256",
                                 "010.0.0.1",
                                 "10.0.0.1/",
                                 "10.0.0.1/33",
                                 "10.0.0.1/-1",
                                 "::/129",
                                 "fe80::1%eth0",
                                 " 10.0.0.1",
                                 "10.0.0.1\n",
                                 "1::2::3"};
  for (const char* text : bad_ips) {
    CAPTURE(std::string(text));
    CHECK_FALSE(lb::parse_ip_prefix(text));
  }
  CHECK(lb::parse_ip_prefix("10.1.2.3/20")->text() == "10.1.0.0/20");
  CHECK(lb::parse_ip_prefix("FD00::1/8")->text() == "fd00::/8");
  CHECK(lb::parse_ip_prefix("0.0.0.0/0")->text() == "0.0.0.0/0");
  CHECK(lb::parse_mac("FA:16:3E:00:00:01") == "fa:16:3e:00:00:01");
  for (const char* text :
       {"", "fa:16:3e:00:00", "fa-16-3e-00-00-01", "fa:16:3e:00:00:0g", "fa:16:3e:00:00:01\n"}) {
    CHECK_FALSE(lb::parse_mac(text));
  }
  for (const char* text : {"", ".", "..", "a/b", "a b", "sixteen-letters-", "a\n"}) {
    CHECK_FALSE(lb::is_device_name(text));
  }
  CHECK(lb::link_local_of("fa:16:3e:00:01:0b") == "fe80::f816:3eff:fe00:10b");
  CHECK_FALSE(lb::is_host_label("-a"));
  CHECK_FALSE(lb::is_host_label(std::string(64, 'a')));
}

TEST_CASE("two clouds never name a thing alike, and names fit") {
  const lb::Names a("0a1b2c3d");
  const lb::Names b("0a1b2c3e");
  const std::string id = "11111111-1111-4111-8111-111111111111";
  // Of a thousand networks and ports in two clouds no two devices are called alike.
  std::set<std::string> seen;
  std::size_t made = 0;
  for (const lb::Names& names : {a, b}) {
    for (int i = 0; i < 1'000; ++i) {
      const std::string one = fmt::format("11111111-1111-4111-8111-{:012}", i);
      for (const auto& name :
           {names.bridge(one), names.dhcp_outer(one), names.dhcp_inner(one), names.tunnel(one),
            names.shaper(one), names.sub_end(one), lb::leg_outer(names, PortId(one)),
            lb::leg_inner(names, PortId(one))}) {
        if (!lb::is_device_name(name)) FAIL_CHECK(name);
        seen.insert(name);
        ++made;
      }
    }
  }
  CHECK(seen.size() == made);
  CHECK(a.bridge(id) != b.bridge(id));
  CHECK(a.mac(id) != b.mac(id));
  CHECK(a.owner(a.alias(id)) == id);
  CHECK_FALSE(a.owner(b.alias(id)));
  CHECK_FALSE(a.owner(""));
  CHECK_FALSE(a.owner("cloudos:0a1b2c3d:"));
}

TEST_CASE("a metadata request is a short GET or HEAD of a plain path") {
  struct Row {
    const char* head;
    int refusal;
    const char* path;
  };
  const Row rows[] = {
      {"GET / HTTP/1.1\r\n\r\n", 0, "/"},
      {"HEAD /a/b HTTP/1.0\r\n\r\n", 0, "/a/b"},
      {"GET /a?x=/../y HTTP/1.1\r\n\r\n", 0, "/a"},
      {"PUT /latest/api/token HTTP/1.1\r\n\r\n", 405, ""},
      {"GET a HTTP/1.1\r\n\r\n", 400, ""},
      {"GET  HTTP/1.1\r\n\r\n", 400, ""},
      {"GET /a HTTP/2\r\n\r\n", 400, ""},
      {"GET /a\x01 HTTP/1.1\r\n\r\n", 400, ""},
      {"GET /a", 400, ""},
      {"\r\n\r\n", 400, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.head));
    const auto request = lb::parse_metadata_request(row.head);
    CHECK(request.refusal == row.refusal);
    CHECK(request.path == row.path);
  }
}
