#include "network/trace_rules.hpp"

#include <algorithm>

#include "cloudos/address_groups.hpp"
#include "network/extra_records.hpp"
#include "network/ip.hpp"
#include "network/record.hpp"
#include "network/rules.hpp"

namespace cloudos::network::tracing {
namespace {

constexpr unsigned kIcmp = 1, kUdp = 17, kIcmp6 = 58;

/// The address the port makes of a MAC for its own link.
bool is_link_local_of(std::string_view mac, std::string_view address) {
  const auto link = parse_ip_block("fe80::/64");
  const auto own = parse_ip(eui64_address(*link, mac));
  return own && own == parse_ip(address);
}

bool one_of(std::uint32_t type, std::initializer_list<std::uint32_t> types) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

/// ICMP rules name a type and maybe a code; of what is traced the code is 0.
bool ports_match(const SecurityGroupRule& rule, const Packet& packet) {
  if (!rule.port_min && !rule.port_max) return true;
  const std::uint32_t low = rule.port_min.value_or(0);
  if (packet.protocol == kIcmp || packet.protocol == kIcmp6)
    return packet.port == low && rule.port_max.value_or(0) == 0;
  return packet.port >= low && packet.port <= rule.port_max.value_or(low);
}

bool port_covers(const Port& port, std::string_view address) {
  const auto fixed = [&](const FixedIp& ip) { return ip.address == address; };
  const auto pair = [&](const AllowedAddressPair& p) { return covers(p.address, address); };
  return std::any_of(port.fixed_ips.begin(), port.fixed_ips.end(), fixed) ||
         std::any_of(port.allowed_address_pairs.begin(), port.allowed_address_pairs.end(), pair);
}

Result<bool> remote_matches(const store::Snapshot& snapshot, const SecurityGroupRule& rule,
                            std::string_view remote) {
  if (!rule.remote_group.empty()) {
    CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "group", rule.remote_group.value));
    return std::any_of(ports.begin(), ports.end(),
                       [&](const Port& port) { return port_covers(port, remote); });
  }
  if (!rule.remote_address_group.empty()) {
    const auto group = records::get<AddressGroup>(snapshot, rule.remote_address_group);
    return group && std::any_of(group->addresses.begin(), group->addresses.end(),
                                [&](const auto& prefix) { return covers(prefix, remote); });
  }
  return rule.remote_cidr.empty() || covers(rule.remote_cidr, remote);
}

Result<bool> rule_matches(const store::Snapshot& snapshot, const SecurityGroupRule& rule,
                          const Packet& packet, bool ingress) {
  if (rule.ingress != ingress || rule.ipv6 != packet.v6()) return false;
  if (auto number = protocol_number(rule)) {
    if (*number == kIcmp && rule.ipv6) number = kIcmp6;
    if (*number != packet.protocol) return false;
  }
  if (!ports_match(rule, packet)) return false;
  return remote_matches(snapshot, rule, ingress ? packet.source : packet.destination);
}

}  // namespace

bool covers(std::string_view text, std::string_view address) {
  const auto ip = parse_ip(address);
  if (!ip) return false;
  if (text.find('/') == std::string_view::npos) return parse_ip(text) == ip;
  const auto block = parse_ip_block(text);
  return block && block->contains(*ip);
}

std::string protocol_name(unsigned protocol) {
  switch (protocol) {
    case kIcmp:
      return "icmp";
    case 6:
      return "tcp";
    case kUdp:
      return "udp";
    case kIcmp6:
      return "ipv6-icmp";
    case 132:
      return "sctp";
    default:
      return std::to_string(protocol);
  }
}

std::string describe(const Packet& packet) {
  std::string text =
      fmt::format("{} > {} {}", packet.source, packet.destination, protocol_name(packet.protocol));
  if (packet.port != 0) text += fmt::format(" {}", packet.port);
  return text;
}

bool may_send(const Port& port, const Packet& packet) {
  const std::string& mac = packet.source_mac;
  const bool dhcp = packet.protocol == kUdp && packet.source == "0.0.0.0" &&
                    packet.destination == "255.255.255.255" && packet.port == 67;
  if (mac == port.mac) {
    if (dhcp || is_link_local_of(mac, packet.source)) return true;
    for (const FixedIp& fixed : port.fixed_ips)
      if (fixed.address == packet.source) return true;
  }
  for (const AllowedAddressPair& pair : port.allowed_address_pairs) {
    if ((pair.mac.empty() ? port.mac : pair.mac) != mac) continue;
    if (dhcp || covers(pair.address, packet.source) || is_link_local_of(mac, packet.source))
      return true;
  }
  return false;
}

bool needs_no_rule(const Packet& packet, bool ingress) {
  if (packet.protocol == kUdp) {
    const std::uint32_t dhcp = packet.v6() ? (ingress ? 546 : 547) : (ingress ? 68 : 67);
    return packet.port == dhcp;
  }
  if (packet.protocol != kIcmp6) return false;
  return ingress ? one_of(packet.port, {130, 134, 135, 136})
                 : one_of(packet.port, {131, 132, 133, 135, 136, 143});
}

Result<std::optional<SecurityGroupRule>> deciding_rule(const store::Snapshot& snapshot,
                                                       const Port& port, const Packet& packet,
                                                       bool ingress) {
  for (const SecurityGroupId& group : port.security_groups) {
    CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "group", group.value));
    for (const SecurityGroupRule& rule : rules) {
      CLOUDOS_TRY(const bool matches, rule_matches(snapshot, rule, packet, ingress));
      if (matches) return std::optional<SecurityGroupRule>(rule);
    }
  }
  return std::optional<SecurityGroupRule>();
}

}  // namespace cloudos::network::tracing
