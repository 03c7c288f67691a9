#include "network/subnet_checks.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "network/access.hpp"

namespace cloudos::network {
namespace {

Failure bad_subnet(std::string_view type, std::string message) {
  return fail_as(type, ErrorCode::InvalidArgument, std::move(message));
}

/// Neither "this network", loopback, multicast nor broadcast.
bool may_be_host(const Ip& ip) {
  if (ip.v6) {
    const auto first = static_cast<unsigned>(ip.value >> 120);
    return ip.value > 1 && first != 0xff;
  }
  const auto first = static_cast<unsigned>(ip.value >> 24);
  return first != 0 && first != 127 && first < 224;
}

constexpr std::string_view kModes[] = {"slaac", "dhcpv6-stateful", "dhcpv6-stateless"};

Result<void> check_mode(std::string_view name, const std::string& mode) {
  const auto* end = std::end(kModes);
  if (mode.empty() || std::find(std::begin(kModes), end, mode) != end) return Result<void>();
  return invalid(fmt::format("{}: '{}' is none of slaac, dhcpv6-stateful, dhcpv6-stateless", name,
                             mode.substr(0, 64)));
}

Result<std::string> check_gateway(const IpBlock& block, const std::optional<std::string>& asked) {
  if (!asked) {
    if (block.prefix == block.base.bits()) return std::string();
    Ip first = block.first_host();
    if (first.v6 && block.prefix < 127) ++first.value;
    return first.text();
  }
  if (asked->empty()) return std::string();
  const auto ip = parse_ip(*asked);
  if (!ip || ip->v6 != block.base.v6 || !may_be_host(*ip) ||
      (block.contains(*ip) && !block.usable(*ip))) {
    return bad_subnet("InvalidInput", fmt::format("gateway_ip: '{}' cannot be a gateway of {}",
                                                  asked->substr(0, 64), block.text()));
  }
  return ip->text();
}

using IpRange = std::pair<Ip, Ip>;

std::vector<IpRange> default_ranges(const IpBlock& block, const std::string& gateway) {
  Ip first = block.first_host();
  const Ip last = block.last_host();
  // The first address of an IPv6 block is that of its routers, all of them.
  if (first.v6 && block.prefix < 127) ++first.value;
  const auto ip = parse_ip(gateway);
  if (!ip || *ip < first || *ip > last) return {{first, last}};
  std::vector<IpRange> ranges;
  if (*ip > first) ranges.emplace_back(first, Ip{ip->v6, ip->value - 1});
  if (*ip < last) ranges.emplace_back(Ip{ip->v6, ip->value + 1}, last);
  return ranges;
}

Result<std::vector<IpRange>> check_ranges(const IpBlock& block,
                                          const std::vector<AddressPool>& pools) {
  std::vector<IpRange> ranges;
  if (pools.size() > limits::kSubnetPools)
    return invalid(fmt::format("allocation_pools: at most {}", limits::kSubnetPools));
  for (const AddressPool& pool : pools) {
    const auto start = parse_ip(pool.start), end = parse_ip(pool.end);
    if (!start || !end || start->v6 != block.base.v6 || end->v6 != block.base.v6 ||
        *start > *end) {
      return bad_subnet("InvalidAllocationPool",
                        fmt::format("The allocation pool {}-{} is not valid.",
                                    pool.start.substr(0, 64), pool.end.substr(0, 64)));
    }
    if (!block.usable(*start) || !block.usable(*end)) {
      return bad_subnet("OutOfBoundsAllocationPool",
                        fmt::format("The allocation pool {}-{} spans beyond the subnet cidr {}.",
                                    pool.start, pool.end, block.text()));
    }
    ranges.emplace_back(*start, *end);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first <= ranges[i - 1].second) {
      return fail_as("OverlappingAllocationPools", ErrorCode::Conflict,
                     fmt::format("Found overlapping allocation pools at {} in subnet {}.",
                                 ranges[i].first.text(), block.text()));
    }
  }
  return ranges;
}

Result<std::vector<AddressPool>> pools_of(const std::vector<IpRange>& ranges,
                                          const std::string& gateway) {
  const auto ip = parse_ip(gateway);
  std::vector<AddressPool> pools;
  for (const auto& [start, end] : ranges) {
    if (ip && *ip >= start && *ip <= end) {
      return fail_as("GatewayConflictWithAllocationPools", ErrorCode::Conflict,
                     fmt::format("Gateway ip {} conflicts with allocation pool {}-{}.", gateway,
                                 start.text(), end.text()));
    }
    pools.push_back({start.text(), end.text()});
  }
  return pools;
}

}  // namespace

Result<IpBlock> check_subnet_cidr(const SubnetCreate& spec) {
  bool host_bits = false;
  const auto block = parse_ip_block(spec.cidr, &host_bits);
  const bool v6 = spec.ip_version == 6;
  if (!block || block->base.v6 != v6) {
    return invalid(fmt::format("cidr: '{}' is not an IPv{} block such as {}",
                               spec.cidr.substr(0, 64), v6 ? 6 : 4,
                               v6 ? "fd00:1::/64" : "10.0.0.0/24"));
  }
  if (host_bits) {
    return invalid(fmt::format("cidr: '{}' has host bits set; the block is {}",
                               spec.cidr.substr(0, 64), block->text()));
  }
  const unsigned least = v6 ? 16 : limits::kSubnetPrefixLeast;
  if (block->prefix < least)
    return invalid(fmt::format("cidr: {} is larger than a /{}", block->text(), least));
  if (!may_be_host(block->base))
    return invalid(fmt::format("cidr: {} is not for hosts", block->text()));
  return *block;
}

Result<void> check_subnet_modes(const SubnetCreate& spec) {
  if (spec.ip_version != 4 && spec.ip_version != 6) return invalid("ip_version must be 4 or 6");
  CLOUDOS_CHECK(check_mode("ipv6_ra_mode", spec.ra_mode));
  CLOUDOS_CHECK(check_mode("ipv6_address_mode", spec.address_mode));
  const bool any = !spec.ra_mode.empty() || !spec.address_mode.empty();
  if (!any) return Result<void>();
  if (spec.ip_version == 4)
    return invalid("ipv6_ra_mode and ipv6_address_mode are for IPv6 subnets");
  if (!spec.dhcp)
    return invalid("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is False");
  if (!spec.ra_mode.empty() && !spec.address_mode.empty() && spec.ra_mode != spec.address_mode) {
    return invalid(fmt::format("ipv6_ra_mode '{}' and ipv6_address_mode '{}' must be the same when "
                               "both are set", spec.ra_mode, spec.address_mode));
  }
  return Result<void>();
}

Result<void> check_auto_block(const Subnet& subnet, const IpBlock& block) {
  if (!auto_addressed(subnet) || block.prefix == 64) return Result<void>();
  return invalid(fmt::format("cidr: {} is not a /64, which addresses made of MACs need",
                             block.text()));
}

Result<std::vector<std::string>> check_service_types(const std::vector<std::string>& types) {
  std::vector<std::string> checked;
  for (const std::string& type : types) {
    // Whoever makes ports names their kinds: "compute:nova", "network:dhcp", "load:balancer".
    const auto colon = type.find(':');
    const bool known = colon != type.npos && colon > 0 &&
                       type.find_first_of(" \t\r\n,") == type.npos;
    if (!known || type.size() > limits::kDeviceChars) {
      return bad_subnet("InvalidSubnetServiceType",
                        fmt::format("Subnet service type {} does not correspond to a valid device "
                                    "owner.", type.substr(0, 64)));
    }
    if (std::find(checked.begin(), checked.end(), type) == checked.end()) checked.push_back(type);
  }
  return checked;
}

Result<std::vector<std::string>> check_dns_servers(const std::vector<std::string>& servers,
                                                   bool v6) {
  if (servers.size() > limits::kSubnetDnsServers) {
    return bad_subnet("DNSNameServersExhausted",
                      fmt::format("dns_nameservers: at most {}", limits::kSubnetDnsServers));
  }
  std::vector<std::string> checked;
  for (const std::string& server : servers) {
    const auto ip = parse_ip(server);
    if (!ip || ip->v6 != v6) {
      return invalid(fmt::format("dns_nameservers: '{}' is not an IPv{} address",
                                 server.substr(0, 64), v6 ? 6 : 4));
    }
    std::string text = ip->text();
    if (std::find(checked.begin(), checked.end(), text) != checked.end())
      return invalid(fmt::format("dns_nameservers: {} is there twice", text));
    checked.push_back(std::move(text));
  }
  return checked;
}

Result<std::vector<HostRoute>> check_host_routes(const std::vector<HostRoute>& routes, bool v6) {
  if (routes.size() > limits::kSubnetHostRoutes) {
    return bad_subnet("HostRoutesExhausted",
                      fmt::format("host_routes: at most {}", limits::kSubnetHostRoutes));
  }
  std::vector<HostRoute> checked;
  for (const HostRoute& route : routes) {
    const auto block = parse_ip_block(route.destination);
    const auto nexthop = parse_ip(route.nexthop);
    if (!block || !nexthop || block->base.v6 != v6 || nexthop->v6 != v6) {
      return invalid(fmt::format("host_routes: '{}' by '{}' is not an IPv{} block and address",
                                 route.destination.substr(0, 64), route.nexthop.substr(0, 64),
                                 v6 ? 6 : 4));
    }
    HostRoute normal{block->text(), nexthop->text()};
    if (std::find(checked.begin(), checked.end(), normal) != checked.end())
      return invalid(fmt::format("host_routes: {} is there twice", normal.destination));
    checked.push_back(std::move(normal));
  }
  return checked;
}

Result<void> shape_subnet(const SubnetCreate& spec, const IpBlock& block, Subnet& subnet) {
  subnet.cidr = block.text();
  CLOUDOS_CHECK(check_auto_block(subnet, block));
  CLOUDOS_TRY(subnet.gateway, check_gateway(block, spec.gateway));
  std::vector<IpRange> ranges;
  if (spec.pools) {
    CLOUDOS_TRY(ranges, check_ranges(block, *spec.pools));
    // A gateway nobody named keeps out of the way of pools somebody did name.
    if (!spec.gateway && !pools_of(ranges, subnet.gateway)) {
      return fail_as("GatewayConflictWithAllocationPools", ErrorCode::Conflict,
                     fmt::format("Gateway ip {} conflicts with an allocation pool; name another "
                                 "gateway_ip, or null for none.", subnet.gateway));
    }
  } else {
    ranges = default_ranges(block, subnet.gateway);
  }
  CLOUDOS_TRY(subnet.pools, pools_of(ranges, subnet.gateway));
  CLOUDOS_TRY(subnet.dns_servers, check_dns_servers(spec.dns_servers, block.base.v6));
  CLOUDOS_TRY(subnet.host_routes, check_host_routes(spec.host_routes, block.base.v6));
  return Result<void>();
}

Result<void> change_subnet(const SubnetUpdate& change, Subnet& subnet, bool& pools_changed) {
  if (change.name) subnet.name = *change.name;
  if (change.description) subnet.description = *change.description;
  if (change.dns_publish_fixed_ip) subnet.dns_publish_fixed_ip = *change.dns_publish_fixed_ip;
  if (change.dhcp) {
    if (!*change.dhcp && (!subnet.ra_mode.empty() || !subnet.address_mode.empty())) {
      return invalid("enable_dhcp cannot be False while ipv6_ra_mode or ipv6_address_mode is set");
    }
    subnet.dhcp = *change.dhcp;
  }
  if (change.service_types) {
    CLOUDOS_TRY(subnet.service_types, check_service_types(*change.service_types));
  }
  if (change.dns_servers) {
    CLOUDOS_TRY(subnet.dns_servers, check_dns_servers(*change.dns_servers, subnet.v6()));
  }
  if (change.host_routes) {
    CLOUDOS_TRY(subnet.host_routes, check_host_routes(*change.host_routes, subnet.v6()));
  }
  pools_changed = change.gateway || change.pools;
  if (!pools_changed) return Result<void>();
  const IpBlock block = block_of(subnet);
  if (change.gateway) {
    CLOUDOS_TRY(subnet.gateway, check_gateway(block, change.gateway));
  }
  CLOUDOS_TRY(const auto ranges, check_ranges(block, change.pools.value_or(subnet.pools)));
  CLOUDOS_TRY(subnet.pools, pools_of(ranges, subnet.gateway));
  return Result<void>();
}

}  // namespace cloudos::network
