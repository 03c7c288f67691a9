#include "network/rules.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "network/address.hpp"
#include "network/errors.hpp"

namespace cloudos::network {
namespace {

constexpr unsigned kIcmp = 1, kTcp = 6, kUdp = 17, kIcmpV6 = 58;

struct ProtocolName {
  std::string_view name;
  unsigned number;
};
// IANA's numbers under the names the Networking API takes.
constexpr ProtocolName kProtocols[] = {
    {"ah", 51},          {"dccp", 33},      {"egp", 8},         {"esp", 50},
    {"gre", 47},         {"icmp", kIcmp},   {"icmpv6", kIcmpV6}, {"igmp", 2},
    {"ipip", 4},         {"ipv6-encap", 41}, {"ipv6-frag", 44}, {"ipv6-icmp", kIcmpV6},
    {"ipv6-nonxt", 59},  {"ipv6-opts", 60}, {"ipv6-route", 43}, {"ospf", 89},
    {"pgm", 113},        {"rsvp", 46},      {"sctp", 132},      {"tcp", kTcp},
    {"udp", kUdp},       {"udplite", 136},  {"vrrp", 112},
};

std::optional<unsigned> protocol_of(std::string_view protocol) {
  for (const ProtocolName& known : kProtocols)
    if (known.name == protocol) return known.number;
  const auto number = parse_unsigned(protocol);
  if (!number || *number > 255) return std::nullopt;
  return static_cast<unsigned>(*number);
}

bool has_ports(unsigned protocol) {
  return protocol == kTcp || protocol == kUdp || protocol == 33 || protocol == 132 ||
         protocol == 136;
}

Failure bad_rule(std::string_view type, std::string message) {
  return fail_as(type, ErrorCode::InvalidArgument, std::move(message));
}

Result<void> check_protocol(const SecurityGroupRule& rule) {
  if (rule.protocol.empty()) return Result<void>();
  const auto number = protocol_of(rule.protocol);
  if (!number) {
    return bad_rule("SecurityGroupRuleInvalidProtocol",
                    fmt::format("protocol '{}' is neither a known name nor 0 to 255",
                                rule.protocol.substr(0, 64)));
  }
  const bool only_v6 = *number == kIcmpV6 || *number == 41 || *number == 43 || *number == 44 ||
                       *number == 59 || *number == 60;
  if (only_v6 && !rule.ipv6) {
    return bad_rule("SecurityGroupEthertypeConflictWithProtocol",
                    fmt::format("protocol '{}' is IPv6's and the rule's ethertype is IPv4",
                                rule.protocol));
  }
  return Result<void>();
}

Result<void> check_icmp(const SecurityGroupRuleCreate& spec) {
  for (const auto& [value, what] : {std::pair{spec.port_min, "type"}, {spec.port_max, "code"}}) {
    if (value && (*value < 0 || *value > 255)) {
      return bad_rule("SecurityGroupInvalidIcmpValue",
                      fmt::format("Invalid value for ICMP {} ({}): it must be 0 to 255", what, *value));
    }
  }
  if (!spec.port_min && spec.port_max) {
    return bad_rule("SecurityGroupMissingIcmpType",
                    fmt::format("ICMP code {} is given, but ICMP type (port-range-min) is missing",
                                *spec.port_max));
  }
  return Result<void>();
}

/// Port ranges are whole or absent: half a range must not become an open one.
Result<void> check_ports(const SecurityGroupRule& rule, const SecurityGroupRuleCreate& spec) {
  if (!spec.port_min && !spec.port_max) return Result<void>();
  const auto number = protocol_number(rule);
  if (!number) {
    return bad_rule("SecurityGroupProtocolRequiredWithPorts",
                    "a port range needs a protocol that has ports");
  }
  if (*number == kIcmp || *number == kIcmpV6) return check_icmp(spec);
  if (!has_ports(*number)) {
    return bad_rule("SecurityGroupInvalidProtocolForPort",
                    fmt::format("protocol '{}' has no ports: leave the range out", rule.protocol));
  }
  for (const auto& value : {spec.port_min, spec.port_max}) {
    if (value && (*value < 1 || *value > 65'535)) {
      return bad_rule("SecurityGroupInvalidPortValue",
                      fmt::format("Invalid value for port {}: it must be 1 to 65535", *value));
    }
  }
  if (!spec.port_min || !spec.port_max || *spec.port_min > *spec.port_max) {
    return bad_rule("SecurityGroupInvalidPortRange",
                    "both ends of a port range are needed, and port_range_min must be <= "
                    "port_range_max");
  }
  return Result<void>();
}

Result<void> check_remote(SecurityGroupRule& rule, const SecurityGroupRuleCreate& spec) {
  const int remotes = (spec.remote_cidr.empty() ? 0 : 1) + (spec.remote_group.empty() ? 0 : 1) +
                      (spec.remote_address_group.empty() ? 0 : 1);
  if (remotes > 1) {
    return bad_rule("SecurityGroupMultipleRemoteEntites",
                    "remote_ip_prefix, remote_group_id and remote_address_group_id exclude each "
                    "other");
  }
  rule.remote_group = spec.remote_group;
  rule.remote_address_group = spec.remote_address_group;
  if (spec.remote_cidr.empty()) return Result<void>();
  const auto cidr = normalise_cidr(spec.remote_cidr);
  if (!cidr) {
    return invalid(fmt::format("remote_ip_prefix: '{}' is not an address or CIDR",
                               spec.remote_cidr.substr(0, 64)));
  }
  if (cidr->ipv6 != rule.ipv6) {
    return bad_rule("SecurityGroupRuleParameterConflict",
                    fmt::format("Conflicting value ethertype {} for remote_ip_prefix {}",
                                rule.ipv6 ? "IPv6" : "IPv4", cidr->text));
  }
  rule.remote_cidr = cidr->text;
  return Result<void>();
}

std::string optional_number(const std::optional<std::uint32_t>& number) {
  return number ? std::to_string(*number) : std::string("-");
}

}  // namespace

std::optional<unsigned> protocol_number(const SecurityGroupRule& rule) {
  if (rule.protocol.empty()) return std::nullopt;
  auto number = protocol_of(rule.protocol);
  // "icmp" of an IPv6 rule means ICMPv6: nobody wants IPv4's inside IPv6.
  if (number == kIcmp && rule.ipv6) number = kIcmpV6;
  return number;
}

Result<SecurityGroupRule> make_rule(const SecurityGroupRuleCreate& spec) {
  SecurityGroupRule rule;
  rule.group = spec.group;
  if (spec.direction != "ingress" && spec.direction != "egress")
    return invalid("direction must be ingress or egress");
  rule.ingress = spec.direction == "ingress";
  if (!equals_ignore_case(spec.ethertype, "IPv4") && !equals_ignore_case(spec.ethertype, "IPv6"))
    return invalid("ethertype must be IPv4 or IPv6");
  rule.ipv6 = equals_ignore_case(spec.ethertype, "IPv6");
  CLOUDOS_CHECK(check_name("description", spec.description, 0, limits::kDescriptionChars));
  rule.description = spec.description;
  rule.protocol = fold_case(spec.protocol);
  if (rule.protocol == "any") rule.protocol.clear();
  CLOUDOS_CHECK(check_protocol(rule));
  CLOUDOS_CHECK(check_ports(rule, spec));
  if (spec.port_min) rule.port_min = static_cast<std::uint32_t>(*spec.port_min);
  if (spec.port_max) rule.port_max = static_cast<std::uint32_t>(*spec.port_max);
  CLOUDOS_CHECK(check_remote(rule, spec));
  return rule;
}

std::string canonical_rule(const SecurityGroupRule& rule) {
  const bool any = rule.remote_cidr == "0.0.0.0/0" || rule.remote_cidr == "::/0";
  const auto protocol = protocol_number(rule);
  return fmt::format("{}|{}|{}|{}|{}|{}|{}", rule.ingress ? "in" : "out", rule.ipv6 ? 6 : 4,
                     protocol ? std::to_string(*protocol) : "-", optional_number(rule.port_min),
                     optional_number(rule.port_max), any ? "" : rule.remote_cidr,
                     rule.remote_group.value + rule.remote_address_group.value);
}

RulePlan plan_rule(const SecurityGroupRule& rule) {
  RulePlan plan;
  plan.ingress = rule.ingress;
  plan.ipv6 = rule.ipv6;
  if (const auto number = protocol_number(rule)) {
    switch (*number) {
      case kTcp: plan.protocol = "tcp"; break;
      case kUdp: plan.protocol = "udp"; break;
      case kIcmp: plan.protocol = "icmp"; break;
      case kIcmpV6: plan.protocol = "ipv6-icmp"; break;
      default: plan.protocol = std::to_string(*number);
    }
  }
  plan.port_min = rule.port_min;
  plan.port_max = rule.port_max;
  plan.remote_cidr = rule.remote_cidr;
  plan.remote_group = rule.remote_group;
  plan.remote_address_group = rule.remote_address_group;
  return plan;
}

}  // namespace cloudos::network
