#include <doctest/doctest.h>

#include "network/rules.hpp"

using namespace cloudos;

namespace {
SecurityGroupRuleCreate rule_spec(const char* protocol, std::optional<std::int64_t> min = {},
                                  std::optional<std::int64_t> max = {},
                                  const char* ethertype = "IPv4", const char* cidr = "") {
  SecurityGroupRuleCreate spec;
  spec.group = SecurityGroupId{"g"};
  spec.direction = "ingress";
  spec.protocol = protocol;
  spec.port_min = min;
  spec.port_max = max;
  spec.ethertype = ethertype;
  spec.remote_cidr = cidr;
  return spec;
}
}  // namespace

TEST_CASE("a rule that is not understood is refused, never widened") {
  struct Row {
    std::string what;
    SecurityGroupRuleCreate spec;
    const char* type;  ///< Empty: good.
  };
  const Row rows[] = {
      {"everything", rule_spec(""), ""},
      {"any", rule_spec("any"), ""},
      {"tcp port", rule_spec("tcp", 22, 22), ""},
      {"TCP in capitals", rule_spec("TCP", 1, 65'535), ""},
      {"number", rule_spec("47"), ""},
      {"sctp range", rule_spec("sctp", 10, 20), ""},
      {"icmp type", rule_spec("icmp", 8), ""},
      {"icmp type and code", rule_spec("icmp", 3, 4), ""},
      {"icmp type 0", rule_spec("icmp", 0, 0), ""},
      {"icmp by number", rule_spec("1", 8, 0), ""},
      {"icmpv6 on IPv6", rule_spec("icmpv6", 128, {}, "IPv6"), ""},
      {"icmp on IPv6", rule_spec("icmp", 128, {}, "ipv6"), ""},
      {"unknown protocol", rule_spec("tcpp"), "SecurityGroupRuleInvalidProtocol"},
      {"number too large", rule_spec("256"), "SecurityGroupRuleInvalidProtocol"},
      {"negative number", rule_spec("-1"), "SecurityGroupRuleInvalidProtocol"},
      {"ports without protocol", rule_spec("", 22, 22), "SecurityGroupProtocolRequiredWithPorts"},
      {"ports of gre", rule_spec("gre", 22, 22), "SecurityGroupInvalidProtocolForPort"},
      {"vrrp by number with ports", rule_spec("112", 1, 2), "SecurityGroupInvalidProtocolForPort"},
      {"port 0", rule_spec("tcp", 0, 22), "SecurityGroupInvalidPortValue"},
      {"port -1", rule_spec("tcp", -1, 22), "SecurityGroupInvalidPortValue"},
      {"port 65536", rule_spec("udp", 1, 65'536), "SecurityGroupInvalidPortValue"},
      {"half a range, min", rule_spec("tcp", 22), "SecurityGroupInvalidPortRange"},
      {"half a range, max", rule_spec("tcp", {}, 22), "SecurityGroupInvalidPortRange"},
      {"backwards", rule_spec("tcp", 23, 22), "SecurityGroupInvalidPortRange"},
      {"icmp type 256", rule_spec("icmp", 256), "SecurityGroupInvalidIcmpValue"},
      {"icmp code 256", rule_spec("icmp", 8, 256), "SecurityGroupInvalidIcmpValue"},
      {"icmp code alone", rule_spec("icmp", {}, 4), "SecurityGroupMissingIcmpType"},
      {"icmpv6 on IPv4", rule_spec("ipv6-icmp"), "SecurityGroupEthertypeConflictWithProtocol"},
      {"58 on IPv4", rule_spec("58"), "SecurityGroupEthertypeConflictWithProtocol"},
      {"IPv6 prefix on IPv4", rule_spec("tcp", 1, 2, "IPv4", "::/0"),
       "SecurityGroupRuleParameterConflict"},
      {"IPv4 prefix on IPv6", rule_spec("tcp", 1, 2, "IPv6", "10.0.0.0/8"),
       "SecurityGroupRuleParameterConflict"},
      {"not a prefix", rule_spec("tcp", 1, 2, "IPv4", "ten"), "InvalidInput"},
      {"ethertype", rule_spec("tcp", 1, 2, "IPv5"), "InvalidInput"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto rule = network::make_rule(row.spec);
    CHECK(rule.has_value() == (*row.type == '\0'));
    if (!rule) {
      CHECK(rule.error().code == ErrorCode::InvalidArgument);
      CHECK(rule.error().type == row.type);
    }
  }
  auto both = rule_spec("tcp", 1, 2, "IPv4", "10.0.0.0/8");
  both.remote_group = SecurityGroupId{"other"};
  CHECK_FALSE(network::make_rule(both));
  auto sideways = rule_spec("tcp");
  sideways.direction = "sideways";
  CHECK_FALSE(network::make_rule(sideways));
}

TEST_CASE("two rules are one when they say the same in other words") {
  const auto text = [](const SecurityGroupRuleCreate& spec) {
    const auto rule = network::make_rule(spec);
    REQUIRE(rule);
    return network::canonical_rule(*rule);
  };
  CHECK(text(rule_spec("tcp", 22, 22)) == text(rule_spec("6", 22, 22)));
  CHECK(text(rule_spec("any")) == text(rule_spec("")));
  CHECK(text(rule_spec("tcp", 22, 22)) ==
        text(rule_spec("tcp", 22, 22, "IPv4", "0.0.0.0/0")));
  CHECK(text(rule_spec("tcp", 22, 22, "IPv4", "10.0.0.9/8")) ==
        text(rule_spec("tcp", 22, 22, "IPv4", "10.0.0.0/8")));
  CHECK(text(rule_spec("icmp", {}, {}, "IPv6")) == text(rule_spec("58", {}, {}, "IPv6")));
  CHECK(text(rule_spec("tcp", 22, 22)) != text(rule_spec("tcp", 22, 23)));
  CHECK(text(rule_spec("tcp", 22, 22)) != text(rule_spec("tcp", 22, 22, "IPv6")));
  CHECK(text(rule_spec("icmp", 0)) != text(rule_spec("icmp")));
}

TEST_CASE("drivers see protocols by the few names they know, else by number") {
  const auto seen = [](const SecurityGroupRuleCreate& spec) {
    return network::plan_rule(*network::make_rule(spec)).protocol;
  };
  CHECK(seen(rule_spec("")) == "");
  CHECK(seen(rule_spec("6")) == "tcp");
  CHECK(seen(rule_spec("udp")) == "udp");
  CHECK(seen(rule_spec("icmp")) == "icmp");
  CHECK(seen(rule_spec("icmp", {}, {}, "IPv6")) == "ipv6-icmp");
  CHECK(seen(rule_spec("vrrp")) == "112");
}
