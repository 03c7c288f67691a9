#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "identity/quota.hpp"
#include "network/address.hpp"
#include "network/impl.hpp"
#include "network/ipam.hpp"

namespace cloudos {
namespace network {
namespace {

tl::unexpected<Error> bad_subnet(std::string_view type, std::string message) {
  return fail_as(type, ErrorCode::InvalidArgument, std::move(message));
}

/// Neither "this network", loopback, multicast nor broadcast.
bool may_be_host(std::uint32_t address) {
  const std::uint32_t first = address >> 24;
  return first != 0 && first != 127 && first < 224;
}

Result<Block> check_cidr(const SubnetCreate& spec) {
  if (spec.ip_version == 6) {
    return bad_subnet("InvalidInput", "ip_version: IPv6 subnets are not yet supported here; "
                                      "use 4");
  }
  if (spec.ip_version != 4) return invalid("ip_version must be 4");
  bool host_bits = false;
  const auto block = parse_block(spec.cidr, &host_bits);
  if (!block) {
    if (spec.cidr.find(':') != std::string::npos)
      return bad_subnet("InvalidInput", "cidr: IPv6 subnets are not yet supported here");
    return invalid(fmt::format("cidr: '{}' is not an IPv4 block such as 10.0.0.0/24",
                               spec.cidr.substr(0, 64)));
  }
  if (host_bits) {
    return invalid(fmt::format("cidr: '{}' has host bits set; the block is {}",
                               spec.cidr.substr(0, 64), block->text()));
  }
  if (block->prefix < limits::kSubnetPrefixLeast) {
    return invalid(fmt::format("cidr: {} is larger than a /{}", block->text(),
                               limits::kSubnetPrefixLeast));
  }
  if (!may_be_host(block->base))
    return invalid(fmt::format("cidr: {} is not for hosts", block->text()));
  return *block;
}

Result<std::string> check_gateway(const Block& block, const std::optional<std::string>& asked) {
  if (!asked) return block.prefix == 32 ? std::string() : format_ipv4(block.first_host());
  if (asked->empty()) return std::string();
  const auto address = parse_ipv4(*asked);
  if (!address || !may_be_host(*address) ||
      (block.contains(*address) && !block.usable(*address))) {
    return bad_subnet("InvalidInput", fmt::format("gateway_ip: '{}' cannot be a gateway of {}",
                                                  asked->substr(0, 64), block.text()));
  }
  return format_ipv4(*address);
}

using Range = std::pair<std::uint32_t, std::uint32_t>;

std::vector<Range> default_ranges(const Block& block, const std::string& gateway) {
  const std::uint32_t first = block.first_host(), last = block.last_host();
  const auto address = parse_ipv4(gateway);
  if (!address || *address < first || *address > last) return {{first, last}};
  std::vector<Range> ranges;
  if (*address > first) ranges.emplace_back(first, *address - 1);
  if (*address < last) ranges.emplace_back(*address + 1, last);
  return ranges;
}

Result<std::vector<Range>> check_ranges(const Block& block, const std::vector<AddressPool>& pools) {
  std::vector<Range> ranges;
  if (pools.size() > limits::kSubnetPools)
    return invalid(fmt::format("allocation_pools: at most {}", limits::kSubnetPools));
  for (const AddressPool& pool : pools) {
    const auto start = parse_ipv4(pool.start), end = parse_ipv4(pool.end);
    if (!start || !end || *start > *end) {
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
                                 format_ipv4(ranges[i].first), block.text()));
    }
  }
  return ranges;
}

Result<std::vector<AddressPool>> pools_of(const std::vector<Range>& ranges,
                                          const std::string& gateway) {
  const auto address = parse_ipv4(gateway);
  std::vector<AddressPool> pools;
  for (const auto& [start, end] : ranges) {
    if (address && *address >= start && *address <= end) {
      return fail_as("GatewayConflictWithAllocationPools", ErrorCode::Conflict,
                     fmt::format("Gateway ip {} conflicts with allocation pool {}-{}.", gateway,
                                 format_ipv4(start), format_ipv4(end)));
    }
    pools.push_back({format_ipv4(start), format_ipv4(end)});
  }
  return pools;
}

Result<std::vector<std::string>> check_dns(const std::vector<std::string>& servers) {
  if (servers.size() > limits::kSubnetDnsServers) {
    return bad_subnet("DNSNameServersExhausted",
                      fmt::format("dns_nameservers: at most {}", limits::kSubnetDnsServers));
  }
  std::vector<std::string> checked;
  for (const std::string& server : servers) {
    const auto address = parse_ipv4(server);
    if (!address) {
      return invalid(fmt::format("dns_nameservers: '{}' is not an IPv4 address",
                                 server.substr(0, 64)));
    }
    if (std::find(checked.begin(), checked.end(), server) != checked.end())
      return invalid(fmt::format("dns_nameservers: {} is there twice", server));
    checked.push_back(format_ipv4(*address));
  }
  return checked;
}

Result<std::vector<HostRoute>> check_routes(const std::vector<HostRoute>& routes) {
  if (routes.size() > limits::kSubnetHostRoutes) {
    return bad_subnet("HostRoutesExhausted",
                      fmt::format("host_routes: at most {}", limits::kSubnetHostRoutes));
  }
  std::vector<HostRoute> checked;
  for (const HostRoute& route : routes) {
    const auto block = parse_block(route.destination);
    const auto nexthop = parse_ipv4(route.nexthop);
    if (!block || !nexthop) {
      return invalid(fmt::format("host_routes: '{}' by '{}' is not a block and an address",
                                 route.destination.substr(0, 64), route.nexthop.substr(0, 64)));
    }
    HostRoute normal{block->text(), format_ipv4(*nexthop)};
    if (std::find(checked.begin(), checked.end(), normal) != checked.end())
      return invalid(fmt::format("host_routes: {} is there twice", normal.destination));
    checked.push_back(std::move(normal));
  }
  return checked;
}

Result<Subnet> draft_subnet(Networks::Impl& impl, const Context& ctx, const SubnetCreate& spec) {
  CLOUDOS_CHECK(check_texts(spec.name, spec.description));
  CLOUDOS_TRY(const Block block, check_cidr(spec));
  Subnet subnet;
  subnet.network = spec.network;
  subnet.name = spec.name;
  subnet.description = spec.description;
  subnet.cidr = block.text();
  subnet.dhcp = spec.dhcp;
  CLOUDOS_TRY(subnet.gateway, check_gateway(block, spec.gateway));
  std::vector<Range> ranges;
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
  CLOUDOS_TRY(subnet.dns_servers, check_dns(spec.dns_servers));
  CLOUDOS_TRY(subnet.host_routes, check_routes(spec.host_routes));
  CLOUDOS_TRY(subnet.project, owner_of_new(ctx, spec.project));
  subnet.id = impl.engine.ids.make<SubnetId>();
  subnet.created_at = subnet.updated_at = impl.engine.clock.wall();
  return subnet;
}

Result<void> check_overlap(store::Txn& txn, const Network& network, const Subnet& subnet) {
  const auto block = parse_block(subnet.cidr);
  CLOUDOS_ASSERT(block.has_value());
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_TRY(const Subnet other, load<Subnet>(txn, id));
    if (space_of(other).block.overlaps(*block)) {
      return invalid(fmt::format("Requested subnet with cidr {} for network {} overlaps with "
                                 "another subnet: {} ({}).", subnet.cidr, network.id.value, id.value,
                                 other.cidr));
    }
  }
  return Result<void>();
}

Result<void> insert_subnet(Networks::Impl& impl, const Context& ctx, store::Txn& txn,
                           Subnet& subnet, const Networks::Impl::DhcpDraft& draft) {
  CLOUDOS_TRY(Network network, load_owned<Network>(txn, ctx, subnet.network));
  if (network.subnets.size() >= limits::kSubnetsPerNetwork)
    return invalid(fmt::format("a network has at most {} subnets", limits::kSubnetsPerNetwork));
  CLOUDOS_CHECK(check_overlap(txn, network, subnet));
  subnet.shared = network.shared;
  CLOUDOS_CHECK(Quota::reserve(txn, subnet.project, "subnets", 1));
  CLOUDOS_CHECK(records::insert(txn, subnet));
  network.subnets.push_back(subnet.id);
  CLOUDOS_CHECK(impl.keep_dhcp_port(txn, network, draft));
  CLOUDOS_CHECK(records::update(txn, network));
  return impl.precommit_network(txn, network);
}

/// The changed subnet's fields, pools and gateway checked together as they will stand.
Result<void> apply(store::Txn& txn, const SubnetUpdate& change, Subnet& subnet) {
  if (change.name) subnet.name = *change.name;
  if (change.description) subnet.description = *change.description;
  if (change.dhcp) subnet.dhcp = *change.dhcp;
  if (change.dns_servers) {
    CLOUDOS_TRY(subnet.dns_servers, check_dns(*change.dns_servers));
  }
  if (change.host_routes) {
    CLOUDOS_TRY(subnet.host_routes, check_routes(*change.host_routes));
  }
  if (!change.gateway && !change.pools) return Result<void>();
  const Block block = space_of(subnet).block;
  if (change.gateway) {
    CLOUDOS_TRY(subnet.gateway, check_gateway(block, change.gateway));
  }
  CLOUDOS_TRY(const auto ranges, check_ranges(block, change.pools.value_or(subnet.pools)));
  CLOUDOS_TRY(subnet.pools, pools_of(ranges, subnet.gateway));
  forget_full_chunks(txn, space_of(subnet));
  return Result<void>();
}

}  // namespace
}  // namespace network

Result<std::vector<Subnet>> Networks::create_subnets(const Context& ctx,
                                                     const std::vector<SubnetCreate>& specs) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  if (specs.size() > limits::kNetworkBulk)
    return fail(ErrorCode::TooLarge, fmt::format("at most {} at once", limits::kNetworkBulk));
  std::vector<Subnet> drafts;
  std::vector<Impl::DhcpDraft> dhcp;
  for (const SubnetCreate& spec : specs) {
    CLOUDOS_TRY(auto draft, network::draft_subnet(*impl_, ctx, spec));
    drafts.push_back(std::move(draft));
    dhcp.push_back(impl_->draft_dhcp());
  }
  std::vector<Subnet> made;
  CLOUDOS_CHECK(impl_->transact([&](store::Txn& txn) -> Result<void> {
    made = drafts;
    for (std::size_t i = 0; i < made.size(); ++i)
      CLOUDOS_CHECK(network::insert_subnet(*impl_, ctx, txn, made[i], dhcp[i]));
    return Result<void>();
  }));
  return made;
}

Result<Subnet> Networks::create_subnet(const Context& ctx, const SubnetCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(auto made, create_subnets(ctx, {spec}));
  return std::move(made.front());
}

Result<Subnet> Networks::subnet(const Context& ctx, const SubnetId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::load_seen<Subnet>(*snapshot, ctx, id);
}

Result<Subnet> Networks::update_subnet(const Context& ctx, const SubnetId& id,
                                       const SubnetUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), change.description.value_or("")));
  const WallTime now = impl_->engine.clock.wall();
  const auto draft = impl_->draft_dhcp();
  Subnet changed;
  CLOUDOS_CHECK(impl_->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<Subnet>(txn, ctx, id));
    CLOUDOS_CHECK(network::apply(txn, change, changed));
    changed.updated_at = now;
    CLOUDOS_CHECK(records::update(txn, changed));
    // The network is written too: its revision counts its subnets' changes, and drivers hear of it.
    CLOUDOS_TRY(Network network, network::load<Network>(txn, changed.network));
    CLOUDOS_CHECK(impl_->keep_dhcp_port(txn, network, draft));
    CLOUDOS_CHECK(records::update(txn, network));
    return impl_->precommit_network(txn, network);
  }));
  return changed;
}

Result<void> Networks::delete_subnet(const Context& ctx, const SubnetId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const auto draft = impl_->draft_dhcp();
  return impl_->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const Subnet subnet, network::load_owned<Subnet>(txn, ctx, id));
    CLOUDOS_TRY(Network network, network::load<Network>(txn, subnet.network));
    auto& subnets = network.subnets;
    subnets.erase(std::remove(subnets.begin(), subnets.end(), id), subnets.end());
    CLOUDOS_CHECK(impl_->keep_dhcp_port(txn, network, draft));
    if (!txn.none(records::index_prefix(Port::kKind, "subnet", id.value))) {
      return network::fail_as(
          "SubnetInUse", ErrorCode::Conflict,
          fmt::format("Unable to complete operation on subnet {}: One or more ports have an IP "
                      "allocation from this subnet.", id.value));
    }
    network::forget_full_chunks(txn, network::space_of(subnet));
    CLOUDOS_CHECK(Quota::reserve(txn, subnet.project, "subnets", -1));
    CLOUDOS_CHECK(records::erase<Subnet>(txn, id));
    CLOUDOS_CHECK(records::update(txn, network));
    return impl_->precommit_network(txn, network);
  });
}

}  // namespace cloudos
