#include "network/linuxbridge/ruleset.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "network/linuxbridge/side_by_side.hpp"

namespace cloudos::network::linuxbridge {
namespace {

using Lines = std::vector<std::string>;

// Marks are told apart from other people's by their first byte; the rest is the tap's index, which
// no two devices of a host share.
constexpr std::uint32_t kPortMark = 0xc1000000;
constexpr std::uint32_t kPassedMark = 0xc2000000;

std::uint32_t mark_of(int tap_index) {
  return kPortMark | (static_cast<std::uint32_t>(tap_index) & 0x00ffffffU);
}

void put_chain(FilterTable& table, const std::string& name, Lines rules, std::string hook = {}) {
  table.chains[name] = {std::move(hook), std::make_shared<const Lines>(std::move(rules))};
}

std::string base_hook(std::string_view hook, int priority) {
  return fmt::format("type filter hook {} priority {}; policy accept;", hook, priority);
}

std::string in_quotes(std::string_view name) {
  return fmt::format("\"{}\"", name);
}

Ruleset bridge_stages(Ruleset rules) {
  auto& t = rules.bridge;
  t.sets["isolated"] = {false, "type ifname", {}};
  t.sets["secured"] = {false, "type ifname", {}};
  t.sets["spoof"] = {true, "type ifname : verdict", {}};
  t.sets["out_mark"] = {true, "type ifname : mark", {}};
  // Everything but ARP, tagged frames included: what the IP stages do not see cannot have passed.
  const std::string unpassed =
      fmt::format("ether type != arp meta mark != {:#x} drop", kPassedMark);
  t.sets["dscp_of"] = {true, "type ifname : verdict", {}};
  t.sets["tunnels"] = {false, "type ifname", {}};
  t.sets["local_macs"] = {false, "type ether_addr", {}};
  // Named once: the kernel lists each set of a rule's own whenever anything is changed.
  t.sets["plain_types"] = {false, "type ether_type", {{"arp", ""}, {"ip", ""}, {"ip6", ""}}};
  t.sets["router_kinds"] = {false, "type icmpv6_type", {{"134", ""}, {"137", ""}}};
  t.sets["joining_kinds"] = {false, "type icmpv6_type", {{"131", ""}, {"135", ""}, {"143", ""}}};
  // What every host of a tunnelled network has for itself is not heard on the others.
  put_chain(t, "prerouting",
            {"iifname vmap @dscp_of", "iifname @tunnels goto not_through", "iifname vmap @spoof"},
            base_hook("prerouting", -300));
  put_chain(t, "not_through",
            {"ether saddr @local_macs drop", "ether daddr @local_macs drop",
             "udp dport { 67, 68 } drop", "udp dport { 546, 547 } drop"});
  // What no guest sends. A tag would hide the packet from the IP stages, while the matches of the
  // port's own chain look behind it. DHCP clients take answers whatever port they are from; and who
  // asks in fragments would hide for whom (see dhcp_rule).
  put_chain(t, "never",
            {"ether type != @plain_types drop", "ether type ip udp dport 68 drop",
             "ether type ip6 udp dport 546 drop", "ether type ip6 icmpv6 type @router_kinds drop",
             "ether type ip ip frag-off & 0x3fff != 0 udp dport 67 drop"});
  put_chain(t, "forward_from",
            {"iifname @secured " + unpassed, "iifname @secured meta mark set 0",
             "oifname @tunnels jump not_through", "meta mark set oifname map @out_mark"},
            base_hook("forward", -200));
  put_chain(t, "forward_to", {"oifname @secured " + unpassed, "oifname @secured meta mark set 0"},
            base_hook("forward", 100));
  put_chain(t, "input",
            {"iifname @isolated drop", "iifname @secured " + unpassed,
             "iifname @secured meta mark set 0"},
            base_hook("input", -200));
  put_chain(t, "output", {"oifname @isolated drop", "oifname @secured " + unpassed},
            base_hook("output", 100));
  return rules;
}

Ruleset inet_stages(Ruleset rules) {
  auto& t = rules.inet;
  t.sets["zones"] = {true, "typeof iifname : ct zone", {}};
  t.sets["egress_of"] = {true, "type mark : verdict", {}};
  t.sets["ingress_of"] = {true, "type mark : verdict", {}};
  t.sets["ingress_at"] = {true, "type ifname . ipv4_addr : verdict", {}};
  t.sets["ingress_at6"] = {true, "type ifname . ipv6_addr : verdict", {}};
  t.sets["stateless"] = {false, "type mark", {}};
  t.sets["tracked"] = {false, "type ifname . ipv4_addr", {}};
  t.sets["tracked6"] = {false, "type ifname . ipv6_addr", {}};
  put_chain(t, "passed", {fmt::format("meta mark set {:#x} accept", kPassedMark)});
  // Of ports in stateless groups answers are packets like any other.
  put_chain(t, "tracked", {"ct state established,related goto passed", "ct state invalid drop"});
  put_chain(t, "egress_start",
            {"meta nfproto ipv4 udp sport 68 udp dport 67 goto passed",
             "meta nfproto ipv6 udp sport 546 udp dport 547 goto passed",
             "icmpv6 type { 131, 132, 133, 135, 143 } goto passed"});
  // Offers come from whoever serves DHCP on the network: a guest's own are dropped where it sends.
  put_chain(t, "ingress_start",
            {"meta nfproto ipv4 udp sport 67 udp dport 68 goto passed",
             "meta nfproto ipv6 udp sport 547 udp dport 546 goto passed",
             "icmpv6 type { 130, 134, 135, 136 } goto passed"});
  // What ports of stateless groups send is not tracked; unless it may be an answer to somebody on
  // this host who relies on that.
  put_chain(t, "zone",
            {"meta mark @stateless iifname . ip daddr != @tracked notrack return",
             "meta mark @stateless iifname . ip6 daddr != @tracked6 notrack return",
             "ct zone set iifname map @zones"},  // Who has a zone is tracked, whatever comes after.
            base_hook("prerouting", -300));
  put_chain(t, "egress", {"meta mark vmap @egress_of"}, base_hook("prerouting", -150));
  const Lines at{"oifname . ip daddr vmap @ingress_at", "oifname . ip6 daddr vmap @ingress_at6"};
  put_chain(t, "ingress", {"meta mark vmap @ingress_of", at[0], at[1]}, base_hook("forward", -150));
  put_chain(t, "from_host", at, base_hook("output", 0));
  return rules;
}

struct AddressPair {
  std::string mac;
  IpPrefix ip;
  bool allowed = false;  ///< By a pair; else it is the port's own.
};

/// What the port may send as: its own addresses and the allowed pairs.
std::vector<AddressPair> pairs_of(const PortPlan& port, const std::string& mac,
                                  std::vector<std::string>& rejected) {
  std::vector<AddressPair> pairs;
  for (const auto& address : port.addresses) {
    if (auto ip = parse_ip(address)) {
      pairs.push_back({mac, std::move(*ip), false});
    } else {
      rejected.push_back(fmt::format("port {}: its address is not one", port.id.value));
    }
  }
  for (const auto& [address, pair_mac] : port.allowed_pairs) {
    auto ip = parse_ip_prefix(address);
    auto own = pair_mac.empty() ? std::optional(mac) : parse_mac(pair_mac);
    if (ip && own) {
      pairs.push_back({std::move(*own), std::move(*ip), true});
    } else {
      rejected.push_back(fmt::format("port {}: an allowed address pair is not one", port.id.value));
    }
  }
  return pairs;
}

/// A DHCP server does as the client says that a message names, whoever sent it: one that declines
/// an address in a neighbour's name keeps that neighbour from having it. The name is at a fixed
/// place behind the header of UDP.
std::string dhcp_rule(const std::set<std::string>& macs) {
  std::vector<std::string> names;
  for (std::string mac : macs) {
    mac.erase(std::remove(mac.begin(), mac.end(), ':'), mac.end());
    names.push_back("0x" + mac);
  }
  return fmt::format("ether type ip udp dport 67 @th,288,48 != {} counter drop",
                     names.size() == 1 ? names.front()
                                       : fmt::format("{{ {} }}", fmt::join(names, ", ")));
}

Lines spoof_rules(const std::vector<AddressPair>& pairs, const std::string& own_mac,
                  std::uint32_t mark) {
  std::set<std::string> macs{own_mac};
  for (const auto& pair : pairs) macs.insert(pair.mac);
  const std::string take = fmt::format("meta mark set {:#x} return", mark);
  Lines lines;
  lines.push_back(macs.size() == 1
                      ? fmt::format("ether saddr != {} counter drop", own_mac)
                      : fmt::format("ether saddr != {{ {} }} counter drop", fmt::join(macs, ", ")));
  lines.emplace_back("jump never");
  lines.push_back(dhcp_rule(macs));
  for (const auto& mac : macs) {  // An address being probed for has no owner yet.
    lines.push_back(
        fmt::format("ether saddr {0} arp saddr ether {0} arp saddr ip 0.0.0.0 return", mac));
  }
  for (const auto& [mac, ip, allowed] : pairs) {
    if (!ip.v6) {
      lines.push_back(fmt::format("ether saddr {0} arp saddr ether {0} arp saddr ip {1} return",
                                  mac, ip.text()));
    }
  }
  lines.push_back("ether type arp counter drop");
  lines.push_back("ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 " + take);
  lines.push_back("ip6 saddr :: icmpv6 type @joining_kinds " + take);
  for (const auto& mac : macs) {
    lines.push_back(fmt::format("ether saddr {} ip6 saddr {} {}", mac, link_local_of(mac), take));
  }
  for (const auto& [mac, ip, allowed] : pairs) {
    lines.push_back(
        fmt::format("ether saddr {} {} saddr {} {}", mac, ip.v6 ? "ip6" : "ip", ip.text(), take));
  }
  lines.push_back("counter drop");
  return lines;
}

/// The first `length` bits of an address, as nftables compares raw bits.
std::string leading_bits(const std::string& address, unsigned length) {
  std::array<unsigned char, 16> raw{};
  if (inet_pton(AF_INET6, address.c_str(), raw.data()) != 1) return {};
  std::string hex;
  unsigned digit = 0;
  for (unsigned i = 0; i < length; ++i) {
    digit = digit << 1 | (raw[i / 8] >> (7 - i % 8) & 1U);
    const bool full = (length - i - 1) % 4 == 0;
    if (!full) continue;
    hex += fmt::format("{:x}", digit);
    digit = 0;
  }
  return "0x" + hex;
}

/// Which IPv6 addresses the port may claim as a neighbour: what it may send as, and no other's.
/// The target is at a fixed place of the message; nftables of Debian 12 has no name for it.
Lines neighbour_rules(const std::vector<AddressPair>& pairs, const std::string& own_mac) {
  std::set<std::string> macs{own_mac};
  for (const auto& pair : pairs) macs.insert(pair.mac);
  Lines lines;
  const auto allow = [&](const std::string& address, unsigned length) {
    lines.push_back(length == 0 ? std::string("icmpv6 type 136 goto passed")
                                : fmt::format("icmpv6 type 136 @th,64,{} {} goto passed", length,
                                              leading_bits(address, length)));
  };
  for (const auto& mac : macs) allow(link_local_of(mac), 128);
  for (const auto& [mac, ip, allowed] : pairs)
    if (ip.v6) allow(ip.network, ip.length);
  lines.push_back("icmpv6 type 136 drop");
  return lines;
}

/// Gives a port a place that others may have too.
void claim(Ruleset& rules, const Ruleset::Place& place, Ruleset::Claim by) {
  rules.places[by.brief].push_back(place);
  auto& claims = rules.claims[place];
  claims.insert(std::move(by));
  rules.inet.sets[place.set].elements[place.key] = claims.begin()->value;
}

/// Takes back all that a port has claimed.
void disclaim(Ruleset& rules, const std::string& brief) {
  const auto known = rules.places.find(brief);
  if (known == rules.places.end()) return;
  for (const auto& place : known->second) {
    const auto claims = rules.claims.find(place);
    if (claims == rules.claims.end()) continue;  // It had claimed the place twice.
    std::erase_if(claims->second, [&](const auto& one) { return one.brief == brief; });
    auto& elements = rules.inet.sets[place.set].elements;
    if (claims->second.empty()) {
      elements.erase(place.key);
      rules.claims.erase(claims);
      continue;
    }
    const auto& value = claims->second.begin()->value;
    const auto written = elements.find(place.key);
    if (written == elements.end() || written->second != value) elements[place.key] = value;
  }
  rules.places.erase(known);
}

/// Leads a port's mark to its chains. Who had the mark before has no such device any more.
void put_mark(Ruleset& rules, const std::string& brief, const std::string& mark, bool stateful) {
  for (const auto* set : {"ingress_of", "egress_of", "stateless"}) {
    rules.claims.erase({set, mark});
    rules.inet.sets[set].elements.erase(mark);
  }
  claim(rules, {"ingress_of", mark}, {false, brief, "goto i_" + brief});
  claim(rules, {"egress_of", mark}, {false, brief, "goto e_" + brief});
  if (!stateful) claim(rules, {"stateless", mark}, {false, brief, ""});
}

/// Takes a device out of the bridge stages.
void clear_device(Ruleset& rules, const std::string& tap) {
  for (const auto* set : {"isolated", "secured", "spoof", "out_mark", "dscp_of"})
    rules.bridge.sets[set].elements.erase(in_quotes(tap));
  rules.devices.erase(tap);
}

void put_if_absent(FilterTable& table, const std::string& chain) {
  if (table.chains.count(chain) == 0) put_chain(table, chain, {});
}

void put_member_sets(Ruleset& rules, const std::string& brief) {
  rules.inet.sets.try_emplace("m4_" + brief, FilterTable::Set{false, "type ipv4_addr", {}});
  rules.inet.sets.try_emplace("m6_" + brief, FilterTable::Set{false, "type ipv6_addr", {}});
  // Prefixes (of allowed address pairs) need another kind of set than single addresses.
  rules.inet.sets.try_emplace("p4_" + brief,
                              FilterTable::Set{false, "type ipv4_addr; flags interval", {}});
  rules.inet.sets.try_emplace("p6_" + brief,
                              FilterTable::Set{false, "type ipv6_addr; flags interval", {}});
}

void put_address_sets(Ruleset& rules, const std::string& brief) {
  rules.inet.sets.try_emplace("a4_" + brief,
                              FilterTable::Set{false, "type ipv4_addr; flags interval", {}});
  rules.inet.sets.try_emplace("a6_" + brief,
                              FilterTable::Set{false, "type ipv6_addr; flags interval", {}});
}

bool contains(const IpPrefix& wide, const IpPrefix& narrow) {
  if (wide.v6 != narrow.v6 || wide.length > narrow.length) return false;
  const auto cut = parse_ip_prefix(fmt::format("{}/{}", narrow.address, wide.length));
  return cut && cut->network == wide.network;
}

/// Prefixes inside others are left out: the kernel takes no overlapping ones.
void put_prefixes(Ruleset& rules, const std::string& kind, const std::string& brief,
                  std::vector<IpPrefix> prefixes) {
  std::sort(prefixes.begin(), prefixes.end(),
            [](const IpPrefix& a, const IpPrefix& b) { return a.length < b.length; });
  std::vector<IpPrefix> kept;
  for (const auto& prefix : prefixes) {
    const bool inside = std::any_of(kept.begin(), kept.end(),
                                    [&](const IpPrefix& wide) { return contains(wide, prefix); });
    if (inside) continue;
    rules.inet.sets[kind + (prefix.v6 ? "6_" : "4_") + brief].elements[prefix.text()] = "";
    kept.push_back(prefix);
  }
}

/// Sorts members into the group's four sets.
void put_members(Ruleset& rules, const std::string& brief, const GroupPlan& group,
                 std::vector<std::string>& rejected) {
  put_member_sets(rules, brief);
  auto& known = rules.members[brief];
  if (known == group.members) return;  // Most changes are of rules, and members are many.
  known = group.members;
  std::vector<IpPrefix> prefixes;
  auto& sets = rules.inet.sets;
  for (const auto* name : {"m4_", "m6_", "p4_", "p6_"}) sets[name + brief].elements.clear();
  for (const auto& member : group.members) {
    auto ip = parse_ip_prefix(member);
    if (!ip) {
      rejected.push_back(fmt::format("security group {}: a member is no address", group.id.value));
    } else if (ip->host()) {
      sets[(ip->v6 ? "m6_" : "m4_") + brief].elements[ip->address] = "";
    } else {
      prefixes.push_back(std::move(*ip));
    }
  }
  put_prefixes(rules, "p", brief, std::move(prefixes));
}

/// "tcp" … or a number below 256, as nftables takes it.
std::optional<std::string> protocol_of(const RulePlan& rule) {
  static constexpr std::array<std::pair<std::string_view, int>, 17> kKnown{{{"icmp", 1},
                                                                            {"igmp", 2},
                                                                            {"ipip", 4},
                                                                            {"tcp", 6},
                                                                            {"egp", 8},
                                                                            {"udp", 17},
                                                                            {"dccp", 33},
                                                                            {"rsvp", 46},
                                                                            {"gre", 47},
                                                                            {"esp", 50},
                                                                            {"ah", 51},
                                                                            {"ipv6-icmp", 58},
                                                                            {"icmpv6", 58},
                                                                            {"ospf", 89},
                                                                            {"pgm", 113},
                                                                            {"vrrp", 112},
                                                                            {"sctp", 132}}};
  std::optional<std::uint64_t> number = parse_unsigned(rule.protocol);
  for (const auto& [name, value] : kKnown) {
    if (rule.protocol == name) number = static_cast<std::uint64_t>(value);
  }
  if (!number || *number > 255) return std::nullopt;
  if (*number == 1 && rule.ipv6) number = 58;  // "icmp" of an IPv6 rule means its own.
  return std::to_string(*number);
}

std::optional<std::string> ports_match(const RulePlan& rule, const std::string& protocol) {
  if (!rule.port_min && !rule.port_max) return "";
  if (!rule.port_min) return std::nullopt;
  const std::uint32_t low = *rule.port_min;
  if (protocol == "1" || protocol == "58") {
    const std::string_view name = protocol == "1" ? "icmp" : "icmpv6";
    if (low > 255 || rule.port_max.value_or(0) > 255) return std::nullopt;
    std::string out = fmt::format(" {} type {}", name, low);
    if (rule.port_max) out += fmt::format(" {} code {}", name, *rule.port_max);
    return out;
  }
  const bool has_ports = protocol == "6" || protocol == "17" || protocol == "33" ||
                         protocol == "132" || protocol == "136";
  const std::uint32_t high = rule.port_max.value_or(low);
  if (!has_ports || low > high || high > 65535) return std::nullopt;
  return low == high ? fmt::format(" th dport {}", low) : fmt::format(" th dport {}-{}", low, high);
}

}  // namespace

Ruleset empty_ruleset(const Names& names) {
  Ruleset rules;
  rules.table = names.table();
  return inet_stages(bridge_stages(std::move(rules)));
}

void put_network(Ruleset& rules, const FilterNetwork& network,
                 const std::vector<std::string>& links, const std::string& tunnel,
                 const std::string& dhcp_mac) {
  if (!network.isolated) return;
  rules.inet.sets["zones"].elements[in_quotes(network.bridge)] = std::to_string(network.zone);
  auto& bridge = rules.bridge.sets;
  for (const auto& link : links) bridge["isolated"].elements[in_quotes(link)] = "";
  if (tunnel.empty()) return;
  bridge["isolated"].elements[in_quotes(tunnel)] = "";
  bridge["tunnels"].elements[in_quotes(tunnel)] = "";
  if (const auto mac = parse_mac(dhcp_mac)) bridge["local_macs"].elements[*mac] = "";
}

void drop_network(Ruleset& rules, const std::string& bridge,
                  const std::vector<std::string>& links) {
  rules.inet.sets["zones"].elements.erase(in_quotes(bridge));
  for (const auto& link : links) {
    rules.bridge.sets["isolated"].elements.erase(in_quotes(link));
    rules.bridge.sets["tunnels"].elements.erase(in_quotes(link));
  }
}

void drop_port(Ruleset& rules, const Names& names, const PortId& port, const std::string& tap) {
  const std::string brief = names.brief(port.value);
  const auto device = rules.devices.find(tap);
  if (device != rules.devices.end() && device->second == brief) clear_device(rules, tap);
  disclaim(rules, brief);
  rules.bridge.chains.erase("s_" + brief);
  rules.inet.chains.erase("i_" + brief);
  rules.inet.chains.erase("e_" + brief);
}

std::optional<std::string> match_of(const Names& names, const RulePlan& rule) {
  const std::string_view family = rule.ipv6 ? "ip6" : "ip";
  std::string out = rule.ipv6 ? "meta nfproto ipv6" : "meta nfproto ipv4";
  const std::string_view side = rule.ingress ? "saddr" : "daddr";
  if (!rule.remote_group.empty()) {
    out += fmt::format(" {} {} @m{}_{}", family, side, rule.ipv6 ? 6 : 4,
                       names.brief(rule.remote_group.value));
  } else if (!rule.remote_address_group.empty()) {
    out += fmt::format(" {} {} @a{}_{}", family, side, rule.ipv6 ? 6 : 4,
                       names.brief(rule.remote_address_group.value));
  } else if (!rule.remote_cidr.empty()) {
    const auto cidr = parse_ip_prefix(rule.remote_cidr);
    if (!cidr || cidr->v6 != rule.ipv6) return std::nullopt;
    if (cidr->length > 0) out += fmt::format(" {} {} {}", family, side, cidr->text());
  }
  if (rule.protocol.empty()) {
    // Ports without a protocol mean nothing; taking it as "any" would open everything.
    if (rule.port_min || rule.port_max) return std::nullopt;
    return out;
  }
  const auto protocol = protocol_of(rule);
  if (!protocol) return std::nullopt;
  const auto ports = ports_match(rule, *protocol);
  if (!ports) return std::nullopt;
  return out + " meta l4proto " + *protocol + *ports;
}

void put_group(Ruleset& rules, const Names& names, const GroupPlan& group,
               std::vector<std::string>& rejected) {
  const std::string brief = names.brief(group.id.value);
  Lines ingress;
  Lines egress;
  std::set<std::string> seen;  // Overlapping rules are fine; the same one twice is only slower.
  for (const auto& rule : group.rules) {
    const auto match = match_of(names, rule);
    if (!match) {
      rejected.push_back(fmt::format("security group {}: a rule makes no sense", group.id.value));
      continue;
    }
    if (!rule.remote_group.empty()) put_member_sets(rules, names.brief(rule.remote_group.value));
    if (!rule.remote_address_group.empty())
      put_address_sets(rules, names.brief(rule.remote_address_group.value));
    if (!seen.insert((rule.ingress ? "i " : "e ") + *match).second) continue;
    Lines& lines = rule.ingress ? ingress : egress;
    lines.push_back(*match + " goto passed");
    if (rule.remote_group.empty()) continue;
    std::string by_prefix = lines.back();
    by_prefix[by_prefix.find("@m") + 1] = 'p';
    lines.push_back(std::move(by_prefix));
  }
  put_chain(rules.inet, "gi_" + brief, std::move(ingress));
  put_chain(rules.inet, "ge_" + brief, std::move(egress));
  put_members(rules, brief, group, rejected);
}

void put_port(Ruleset& rules, const Names& names, const FilterPort& port,
              std::vector<std::string>& rejected) {
  const PortPlan& plan = *port.plan;
  const std::string brief = names.brief(plan.id.value);
  drop_port(rules, names, plan.id, plan.tap);
  clear_device(rules, plan.tap);
  rules.devices[plan.tap] = brief;
  const std::string tap = in_quotes(plan.tap);
  if (port.network.isolated) rules.bridge.sets["isolated"].elements[tap] = "";
  if (plan.qos.dscp) {
    const std::string chain = fmt::format("q_{}", *plan.qos.dscp & 63U);
    put_chain(rules.bridge, chain,
              {fmt::format("ether type ip ip dscp set {}", *plan.qos.dscp & 63U),
               fmt::format("ether type ip6 ip6 dscp set {}", *plan.qos.dscp & 63U)});
    rules.bridge.sets["dscp_of"].elements[tap] = "jump " + chain;
  }
  if (!plan.port_security) return;

  const std::uint32_t mark = mark_of(port.tap_index);
  const std::string mark_text = fmt::format("{:#x}", mark);
  Lines ingress;
  const auto mac = parse_mac(plan.mac);
  const auto pairs = mac ? pairs_of(plan, *mac, rejected) : std::vector<AddressPair>{};
  Lines egress = mac ? neighbour_rules(pairs, *mac) : Lines{};
  if (port.stateful) {
    ingress.emplace_back("jump tracked");
    egress.emplace_back("jump tracked");
  }
  ingress.emplace_back("jump ingress_start");
  egress.emplace_back("jump egress_start");
  for (const auto& group : plan.groups) {
    const std::string group_brief = names.brief(group.value);
    put_if_absent(rules.inet, "gi_" + group_brief);
    put_if_absent(rules.inet, "ge_" + group_brief);
    ingress.push_back("jump gi_" + group_brief);
    egress.push_back("jump ge_" + group_brief);
  }
  // Counted for those who ask why; what passes is counted by the devices.
  ingress.push_back("counter drop");
  egress.push_back("counter drop");
  put_chain(rules.inet, "i_" + brief, std::move(ingress));
  put_chain(rules.inet, "e_" + brief, std::move(egress));
  put_mark(rules, brief, mark_text, port.stateful);

  if (mac) {
    put_chain(rules.bridge, "s_" + brief, spoof_rules(pairs, *mac, mark));
  } else {
    rejected.push_back(fmt::format("port {}: its MAC is not one", plan.id.value));
    put_chain(rules.bridge, "s_" + brief, {"drop"});
  }
  rules.bridge.sets["spoof"].elements[tap] = "jump s_" + brief;
  rules.bridge.sets["out_mark"].elements[tap] = mark_text;
  rules.bridge.sets["secured"].elements[tap] = "";
  for (const auto& pair : pairs) {
    if (!pair.ip.host() || port.network.bridge.empty()) continue;
    const std::string place = in_quotes(port.network.bridge) + " . " + pair.ip.address;
    if (port.stateful)
      claim(rules, {pair.ip.v6 ? "tracked6" : "tracked", place}, {pair.allowed, brief, ""});
    if (!port.network.isolated)  // What the host itself sends or routes is not bridged.
      claim(rules, {pair.ip.v6 ? "ingress_at6" : "ingress_at", place},
            {pair.allowed, brief, "goto i_" + brief});
  }
}

void put_address_group(Ruleset& rules, const Names& names, const AddressGroupPlan& group,
                       std::vector<std::string>& rejected) {
  drop_address_group(rules, names, group.id);
  std::vector<IpPrefix> prefixes;
  for (const auto& text : group.prefixes) {
    auto prefix = parse_ip_prefix(text);
    if (prefix) {
      prefixes.push_back(std::move(*prefix));
    } else {
      rejected.push_back(fmt::format("address group {}: not a prefix", group.id.value));
    }
  }
  put_prefixes(rules, "a", names.brief(group.id.value), std::move(prefixes));
}

/// The sets stay as long as rules may name them: without elements they match nothing.
void drop_address_group(Ruleset& rules, const Names& names, const AddressGroupId& id) {
  const std::string brief = names.brief(id.value);
  put_address_sets(rules, brief);
  rules.inet.sets["a4_" + brief].elements.clear();
  rules.inet.sets["a6_" + brief].elements.clear();
}

/// Whether a rule is by one of these sets.
static bool names_set(const std::string& rule, const std::set<std::string>& sets) {
  const auto at = rule.find('@');
  return at != std::string::npos &&
         sets.count(rule.substr(at + 1, rule.find(' ', at) - at - 1)) > 0;
}

/// Whether a chain has rules no more that it had.
static bool lost_rules(const Lines& had, const Lines& has) {
  if (had == has) return false;
  const std::set<std::string> kept(has.begin(), has.end());
  return std::any_of(had.begin(), had.end(),
                     [&](const std::string& rule) { return kept.count(rule) == 0; });
}

std::set<std::string> tightened_ports(const Ruleset& before, const Ruleset& after) {
  std::set<std::string> smaller;  // Sets that lost an element …
  ByName<FilterTable::Set>::differences(
      before.inet.sets, after.inet.sets,
      [&](const std::string& name, const auto* had, const auto* has) {
        if (had == nullptr || had->map) return;
        if (has != nullptr && has->elements == had->elements) return;
        for (const auto& [key, unused] : had->elements)
          if (has == nullptr || has->elements.count(key) == 0) smaller.insert(name);
      });
  std::set<std::string, std::less<>> lost;  // … and chains that lost a rule, or a set did.
  ByName<FilterTable::Chain>::differences(
      before.inet.chains, after.inet.chains,
      [&](const std::string& name, const auto* had, const auto* has) {
        if (had == nullptr || (has != nullptr && has->rules == had->rules)) return;
        if (lost_rules(*had->rules, has == nullptr ? Lines{} : *has->rules)) lost.insert(name);
      });
  if (!smaller.empty()) {
    before.inet.chains.each([&](const std::string& name, const FilterTable::Chain& chain) {
      const auto& rules = *chain.rules;
      if (std::any_of(rules.begin(), rules.end(),
                      [&](const std::string& rule) { return names_set(rule, smaller); }))
        lost.insert(name);
    });
  }
  std::set<std::string> ports;
  if (lost.empty()) return ports;
  before.inet.chains.each([&](const std::string& name, const FilterTable::Chain& chain) {
    if (!name.starts_with("i_") && !name.starts_with("e_")) return;
    bool touched = lost.count(name) > 0;
    for (const auto& rule : *chain.rules) {
      if (rule.starts_with("jump ") && lost.count(std::string_view(rule).substr(5)) > 0)
        touched = true;
    }
    if (touched) ports.insert(name.substr(2));
  });
  return ports;
}

}  // namespace cloudos::network::linuxbridge
