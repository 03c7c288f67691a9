#include <fmt/format.h>

#include <algorithm>

#include "network/impl.hpp"
#include "network/ip.hpp"
#include "network/segments.hpp"

namespace cloudos::network {

bool is_routed(const std::vector<Subnet>& subnets) {
  return std::any_of(subnets.begin(), subnets.end(),
                     [](const Subnet& subnet) { return !subnet.segment.empty(); });
}

Result<void> check_subnet_segment(store::Txn& txn, const Network& network, const Subnet& subnet) {
  const auto segments = network_segments(network);
  if (!subnet.segment.empty() && segment_in(segments, subnet.segment) == nullptr) {
    CLOUDOS_CHECK(load_segment_network(txn, subnet.segment));
    return fail_as("NetworkIdsDontMatch", ErrorCode::InvalidArgument,
                   fmt::format("segment_id: segment {} is not of network {}", subnet.segment.value,
                               network.id.value));
  }
  for (const SubnetId& id : network.subnets) {
    if (id == subnet.id) continue;
    CLOUDOS_TRY(const Subnet other, load<Subnet>(txn, id));
    if (other.segment.empty() == subnet.segment.empty()) continue;
    return fail_as("SubnetsNotAllAssociatedWithSegments", ErrorCode::InvalidArgument,
                   fmt::format("segment_id: all subnets of network {} are on segments of it, or "
                               "none is",
                               network.id.value));
  }
  return Result<void>();
}

Result<void> move_subnet(store::Txn& txn, const Network& network, const SegmentId& segment,
                         Subnet& subnet) {
  if (segment == subnet.segment) return Result<void>();
  if (!subnet.segment.empty()) {
    return fail_as("SubnetSegmentAssociationChangeNotAllowed", ErrorCode::InvalidArgument,
                   fmt::format("segment_id: subnet {} is on segment {} and stays there",
                               subnet.id.value, subnet.segment.value));
  }
  if (network.subnets.size() > 1) {
    return fail_as("NoUpdateSubnetWhenMultipleSegmentsOnNetwork", ErrorCode::InvalidArgument,
                   fmt::format("segment_id: network {} has other subnets, which are on no segment",
                               network.id.value));
  }
  if (network_segments(network).size() > 1) {
    return fail_as("NoUpdateSubnetWhenMultipleSegmentsOnNetwork", ErrorCode::InvalidArgument,
                   fmt::format("segment_id: network {} has several segments: which of them its "
                               "ports' addresses reach is not known",
                               network.id.value));
  }
  subnet.segment = segment;
  return check_subnet_segment(txn, network, subnet);
}

std::vector<Subnet> subnets_within_reach(const Network& network, const Port& port,
                                         std::vector<Subnet> subnets) {
  if (!is_routed(subnets)) return subnets;
  SegmentId here = address_segment(network, port);
  for (const FixedIp& fixed : port.fixed_ips) {
    if (!here.empty()) break;
    for (const Subnet& subnet : subnets)
      if (subnet.id == fixed.subnet) here = subnet.segment;
  }
  if (here.empty()) return subnets;
  std::erase_if(subnets, [&](const Subnet& subnet) { return subnet.segment != here; });
  return subnets;
}

Result<bool> waits_for_host(store::Txn& txn, const Network& network, const Port& port,
                            const std::optional<std::vector<FixedIpRequest>>& asked) {
  // On the only segment there is, its addresses are known before its host.
  if (asked || network.segments.empty() || !address_segment(network, port).empty()) return false;
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_TRY(const Subnet subnet, load<Subnet>(txn, id));
    if (!subnet.segment.empty()) return true;
  }
  return false;
}

Result<void> check_addresses_reach(store::Txn& txn, const Network& network, const Port& port) {
  if (network.segments.empty()) return Result<void>();
  const SegmentId host = address_segment(network, port);
  SegmentId here = host;
  for (const FixedIp& fixed : port.fixed_ips) {
    CLOUDOS_TRY(const Subnet subnet, load<Subnet>(txn, fixed.subnet));
    if (here.empty()) here = subnet.segment;
    if (subnet.segment.empty() || subnet.segment == here) continue;
    if (host.empty()) {
      return fail_as("FixedIpsSubnetsNotOnSameSegment", ErrorCode::InvalidArgument,
                     "Cannot allocate addresses from different segments.");
    }
    return fail_as("HostNotCompatibleWithFixedIps", ErrorCode::Conflict,
                   fmt::format("Host {} is not connected to a segment where the existing fixed_ips "
                               "on port {} will function given the routed network topology.",
                               port.host, port.id.value));
  }
  return Result<void>();
}

}  // namespace cloudos::network

namespace cloudos {

Result<std::set<NetworkId>> NetworkSegments::routed_of(const std::vector<Network>& networks) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  std::set<NetworkId> routed;
  for (const Network& network : networks) {
    // All of a network's subnets are on segments, or none is.
    if (network.subnets.empty()) continue;
    const auto first = records::get<Subnet>(*snapshot, network.subnets.front());
    if (first && !first->segment.empty()) routed.insert(network.id);
  }
  return routed;
}

}  // namespace cloudos
