#include <set>

#include <fmt/format.h>

#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/names.hpp"

/// What dnsmasq is told, as text.
namespace cloudos::network::linuxbridge {
namespace {

constexpr std::string_view kDomain = "openstacklocal";
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
  if (!is_plain_id(plan.id.value) || !cidr || !address || cidr->v6 || address->v6) {
    return fail(ErrorCode::InvalidArgument, "a subnet's CIDR or DHCP address is not valid");
  }
  DhcpSubnet out{"s-" + plan.id.value, *cidr, address->address, "", {}, {}};
  const auto reject = [&](std::string_view what) {
    rejected.push_back(fmt::format("subnet {}: {} is not an address", plan.id.value, what));
  };
  if (!plan.gateway.empty()) {
    const auto gateway = parse_ip(plan.gateway);
    if (gateway && !gateway->v6) {
      out.gateway = gateway->address;
    } else {
      reject("its gateway");
    }
  }
  for (const auto& server : plan.dns_servers) {
    const auto ip = parse_ip(server);
    if (ip && !ip->v6) {
      out.dns.push_back(ip->address);
    } else {
      reject("a name server");
    }
  }
  if (out.dns.empty()) out.dns.push_back(out.address);
  for (const auto& [destination, hop] : plan.host_routes) {
    const auto to = parse_ip_prefix(destination);
    const auto via = parse_ip(hop);
    if (to && via && !to->v6 && !via->v6) {
      out.routes.emplace_back(fmt::format("{}/{}", to->network, to->length), via->address);
    } else {
      reject("a host route");
    }
  }
  return out;
}

std::string options_of(const DhcpSubnet& subnet, std::uint32_t mtu) {
  const std::string tag = "tag:" + subnet.tag + ",";
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

}  // namespace

Result<DhcpFiles> render_dhcp(const NetworkPlan& network, const std::string& device,
                              int device_index, std::vector<std::string>& rejected) {
  DhcpFiles files;
  // Its sockets are bound to the device's index: a device made anew needs a restart.
  files.config = fmt::format("# {0} {1}\n", device, device_index);
  files.config += fmt::format(
      "no-hosts\nno-resolv\nbind-interfaces\nexcept-interface=lo\ninterface={0}\n"
      "dhcp-authoritative\ndhcp-lease-max=65536\nquiet-dhcp\ndomain={1}\nlocal=/{1}/\n"
      "dhcp-hostsfile={2}/hosts\ndhcp-optsfile={2}/options\naddn-hosts={2}/names\n",
      device, kDomain, kSeenAt);
  std::set<std::string> served;
  for (const auto& plan : network.subnets) {
    if (!plan.dhcp || plan.dhcp_address.empty()) continue;
    CLOUDOS_TRY(const auto subnet, check_subnet(plan, rejected));
    files.config += fmt::format("dhcp-range=set:{},{},static,{},{}s\n", subnet.tag,
                                subnet.cidr.network, netmask_of(subnet.cidr.length), kLeaseSeconds);
    files.options += options_of(subnet, network.mtu);
    served.insert(plan.id.value);
  }
  for (const auto& host : network.hosts) {
    if (served.count(host.subnet.value) == 0) continue;
    const auto mac = parse_mac(host.mac);
    const auto ip = parse_ip(host.address);
    if (!mac || !ip || ip->v6 || !is_host_label(host.host_name)) {
      rejected.push_back("a DHCP host has a bad name, MAC or address");
      continue;
    }
    // No "set:" tag here: dnsmasq 2.90 links it into its own state while it answers, and crashes
    // when it frees it as it reads the file again.
    files.hosts += fmt::format("{},{}.{},{}\n", *mac, host.host_name, kDomain, ip->address);
    files.names +=
        fmt::format("{} {}.{} {}\n", ip->address, host.host_name, kDomain, host.host_name);
  }
  return files;
}

}  // namespace cloudos::network::linuxbridge
