#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/domain_name.hpp"
#include "base/text.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/names.hpp"

/// What dnsmasq is told, as text.
namespace cloudos::network::linuxbridge {
namespace {

constexpr std::string_view kMetadataAddress = "169.254.169.254";
constexpr unsigned kLeaseSeconds = 86'400;
/// Where its own mount namespace shows the folder (see dnsmasq.cpp).
constexpr std::string_view kSeenAt = "/mnt";

std::string netmask_of(unsigned length) {
  const std::uint32_t bits = length == 0 ? 0 : 0xffffffffU << (32 - length);
  return fmt::format("{}.{}.{}.{}", bits >> 24, (bits >> 16) & 255U, (bits >> 8) & 255U,
                     bits & 255U);
}

/// A subnet's checked values; nothing is written from the plan itself.
struct DhcpSubnet {
  std::string tag;
  IpPrefix cidr;
  std::string address, gateway;
  std::vector<std::string> dns;
  std::vector<std::pair<std::string, std::string>> routes;
};

Result<DhcpSubnet> check_subnet(const SubnetPlan& plan, std::vector<std::string>& rejected) {
  const auto cidr = parse_ip_prefix(plan.cidr);
  const auto address = parse_ip(plan.dhcp_address);
  if (!is_plain_id(plan.id.value) || !cidr || !address || cidr->v6 != address->v6) {
    return fail(ErrorCode::InvalidArgument, "a subnet's CIDR or DHCP address is not valid");
  }
  DhcpSubnet out{"s-" + plan.id.value, *cidr, address->address, "", {}, {}};
  const auto reject = [&](std::string_view what) {
    rejected.push_back(fmt::format("subnet {}: {} is not an address", plan.id.value, what));
  };
  if (!plan.gateway.empty()) {
    const auto gateway = parse_ip(plan.gateway);
    if (gateway && gateway->v6 == cidr->v6) {
      out.gateway = gateway->address;
    } else {
      reject("its gateway");
    }
  }
  for (const auto& server : plan.dns_servers) {
    const auto ip = parse_ip(server);
    if (ip && ip->v6 == cidr->v6) {
      out.dns.push_back(ip->address);
    } else {
      reject("a name server");
    }
  }
  if (out.dns.empty()) out.dns.push_back(out.address);
  for (const auto& [destination, hop] : plan.host_routes) {
    const auto to = parse_ip_prefix(destination);
    const auto via = parse_ip(hop);
    if (cidr->v6) continue;  // DHCPv6 has no routes: they come by advertisements.
    if (to && via && !to->v6 && !via->v6) {
      out.routes.emplace_back(fmt::format("{}/{}", to->network, to->length), via->address);
    } else {
      reject("a host route");
    }
  }
  return out;
}

std::string options_of(const DhcpSubnet& subnet, std::uint32_t mtu, const std::string& domain) {
  const std::string tag = "tag:" + subnet.tag + ",";
  if (subnet.cidr.v6) {
    std::string out = tag + "option6:dns-server";
    for (const auto& server : subnet.dns) out += ",[" + server + "]";
    // Over IPv4 the server says its domain by itself.
    return out + "\n" + tag + "option6:domain-search," + domain + "\n";
  }
  // Clients that take option 121 ignore option 3, so the default route is in both.
  std::string routes = fmt::format("{}/32,{}", kMetadataAddress, subnet.address);
  for (const auto& [to, via] : subnet.routes) routes += fmt::format(",{},{}", to, via);
  if (!subnet.gateway.empty()) routes += ",0.0.0.0/0," + subnet.gateway;
  std::string out;
  // An empty router option keeps dnsmasq from offering itself.
  out += tag + "option:router" + (subnet.gateway.empty() ? "" : "," + subnet.gateway) + "\n";
  out += tag + "option:classless-static-route," + routes + "\n";
  out += tag + "249," + routes + "\n";
  out += fmt::format("{}option:dns-server,{}\n", tag, fmt::join(subnet.dns, ","));
  out += fmt::format("{}option:mtu,{}\n", tag, mtu);
  return out;
}

/// SLAAC hands out nothing here; without a mode somebody else does.
bool has_range(const SubnetPlan& plan) {
  return plan.cidr.find(':') == std::string::npos || plan.address_mode == "dhcpv6-stateful" ||
         plan.address_mode == "dhcpv6-stateless";
}

std::string range_of(const DhcpSubnet& subnet) {
  if (subnet.cidr.v6)
    return fmt::format("dhcp-range=set:{},{},static,{},{}s\n", subnet.tag, subnet.cidr.network,
                       subnet.cidr.length, kLeaseSeconds);
  return fmt::format("dhcp-range=set:{},{},static,{},{}s\n", subnet.tag, subnet.cidr.network,
                     netmask_of(subnet.cidr.length), kLeaseSeconds);
}

/// "example.org." as "example.org", or nothing when it is no domain.
std::optional<std::string> domain_of(std::string text) {
  if (!is_domain_name(text)) return std::nullopt;
  if (text.back() == '.') text.pop_back();
  return text;
}

/// Nobody else is asked about names of the cloud's domain, of ports' own, and of none: what a name
/// does not have is said then, instead of that nobody may know it.
std::string known_domains(const NetworkPlan& network, const std::string& cloud) {
  std::set<std::string> domains{cloud};
  for (const auto& host : network.hosts)
    if (auto own = domain_of(host.domain)) domains.insert(std::move(*own));
  std::string out = "domain-needed\n";
  for (const auto& domain : domains) out += fmt::format("local=/{}/\n", domain);
  return out;
}

/// One option of a port's own. The server reads lines and commas: what is neither a plain name or
/// number, nor printable text, is no option.
std::optional<std::string> own_option(const DhcpHost& host, const DhcpHost::Option& option) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '+';
  };
  const bool name = !option.name.empty() && option.name.size() <= 64 &&
                    std::all_of(option.name.begin(), option.name.end(), plain);
  const bool value = option.value.size() <= 1'024 &&
                     std::all_of(option.value.begin(), option.value.end(), [](char c) {
                       return c >= ' ' && c <= '~' && c != '#' && c != '\\';
                     });
  if (!name || !value) return std::nullopt;
  const auto number = parse_unsigned(option.name);
  if (number && *number > (option.ipv6 ? 65'535U : 254U)) return std::nullopt;
  std::string key = option.ipv6 ? "option6:" + option.name : "option:" + option.name;
  if (number && !option.ipv6) key = option.name;
  return fmt::format("tag:p-{},{}{}{}\n", host.port.value, key, option.value.empty() ? "" : ",",
                     option.value);
}

/// Marks the port's requests by its MAC, for its own options. In the configuration, which a change
/// of starts the server again: a mark in the hosts file would crash dnsmasq 2.90.
void add_own_options(const DhcpHost& host, const std::string& mac, DhcpFiles& files,
                     std::set<std::string>& marked, std::vector<std::string>& rejected) {
  if (host.options.empty() || !is_plain_id(host.port.value)) return;
  if (!marked.insert(host.port.value).second) return;
  files.config += fmt::format("dhcp-mac=set:p-{},{}\n", host.port.value, mac);
  for (const auto& option : host.options) {
    if (auto line = own_option(host, option)) {
      files.options += *line;
    } else {
      rejected.push_back(fmt::format("port {}: a DHCP option is none", host.port.value));
    }
  }
}

}  // namespace

Result<DhcpFiles> render_dhcp(const NetworkPlan& network, const std::string& cloud_domain,
                              const DhcpDevice& device, std::vector<std::string>& rejected) {
  DhcpFiles files;
  const auto domain = domain_of(cloud_domain);
  if (!domain) return fail(ErrorCode::InvalidArgument, "the cloud's DNS domain is not valid");
  // Its sockets are bound to the device's index: a device made anew needs a restart.
  files.config = fmt::format("# {0} {1}\n", device.name, device.index);
  files.config += fmt::format(
      "no-hosts\nno-resolv\nbind-interfaces\nexcept-interface=lo\ninterface={0}\n"
      "dhcp-authoritative\ndhcp-lease-max=65536\nquiet-dhcp\nquiet-dhcp6\ndomain={1}\n"
      "{3}dhcp-hostsfile={2}/hosts\ndhcp-optsfile={2}/options\naddn-hosts={2}/names\n",
      device.name, *domain, kSeenAt, known_domains(network, *domain));
  std::map<std::string, bool> served;  // To whether its addresses are handed out.
  for (const auto& plan : network.subnets) {
    if (!plan.dhcp || plan.dhcp_address.empty()) continue;
    CLOUDOS_TRY(const auto subnet, check_subnet(plan, rejected));
    served[plan.id.value] = has_range(plan) && plan.address_mode != "dhcpv6-stateless";
    if (!has_range(plan)) continue;
    files.config += range_of(subnet);
    files.options += options_of(subnet, network.mtu, *domain);
  }
  std::set<std::string> marked;
  for (const auto& host : network.hosts) {
    const auto handed_out = served.find(host.subnet.value);
    if (handed_out == served.end()) continue;
    const auto mac = parse_mac(host.mac);
    const auto ip = parse_ip(host.address);
    if (!mac || !ip || !is_host_label(host.host_name)) {
      rejected.push_back("a DHCP host has a bad name, MAC or address");
      continue;
    }
    const std::string known = fmt::format("{}.{}", host.host_name, *domain);
    add_own_options(host, *mac, files, marked, rejected);
    // No "set:" tag here: dnsmasq 2.90 links it into its own state while it answers, and crashes
    // when it frees it as it reads the file again.
    // A name under another domain than the server's would have it say that domain to the guest.
    if (handed_out->second)
      files.hosts += fmt::format("{},{},{}\n", *mac, known,
                                 ip->v6 ? "[" + ip->address + "]" : ip->address);
    // The first is what the address resolves to.
    const auto own = domain_of(host.domain);
    if (own && fold_case(*own) != fold_case(*domain))
      files.names += fmt::format("{} {}.{} {} {}\n", ip->address, host.host_name, *own, known,
                                 host.host_name);
    else
      files.names += fmt::format("{} {} {}\n", ip->address, known, host.host_name);
  }
  return files;
}

}  // namespace cloudos::network::linuxbridge
