#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "cloudos/networks.hpp"
#include "maintenance/kinds.hpp"
#include "network/ip.hpp"
#include "network/l3_records.hpp"
#include "network/pool_records.hpp"
#include "network/default_rules.hpp"
#include "network/extra_records.hpp"
#include "network/record.hpp"
#include "network/segments.hpp"
#include "network/types.hpp"

namespace cloudos::maintenance {
namespace {

References network_names(const Network& r) {
  References all;
  for (const SubnetId& subnet : r.subnets) all.push_back({"subnet", subnet.value});
  if (!r.dhcp_port.empty()) all.push_back({"port", r.dhcp_port.value});
  if (!r.qos_policy.empty()) all.push_back({"qos_policy", r.qos_policy.value});
  return all;
}
References subnet_names(const Subnet& r) {
  return {{"network", r.network.value}};
}
References port_names(const Port& r) {
  References all{{"network", r.network.value}};
  for (const FixedIp& fixed : r.fixed_ips) all.push_back({"subnet", fixed.subnet.value});
  for (const SecurityGroupId& group : r.security_groups)
    all.push_back({"security_group", group.value});
  if (!r.qos_policy.empty()) all.push_back({"qos_policy", r.qos_policy.value});
  if (!r.trunk.empty()) all.push_back({"trunk", r.trunk.value});
  return all;
}
References rule_names(const SecurityGroupRule& r) {
  References all{{"security_group", r.group.value}};
  if (!r.remote_group.empty()) all.push_back({"security_group", r.remote_group.value});
  if (!r.remote_address_group.empty())
    all.push_back({"address_group", r.remote_address_group.value});
  return all;
}
References rbac_names(const RbacPolicy& r) {
  return {{r.object_type == "subnetpool" ? "subnet_pool" : r.object_type, r.object_id}};
}
References trunk_names(const Trunk& r) {
  References all{{"port", r.port.value}};
  for (const SubPort& sub : r.sub_ports) all.push_back({"port", sub.port.value});
  return all;
}
References metering_rule_names(const MeteringRule& r) {
  return {{"metering_label", r.label.value}};
}

References router_names(const Router& r) {
  References all;
  if (!r.gateway_network.empty()) all.push_back({"network", r.gateway_network.value});
  if (!r.gateway_port.empty()) all.push_back({"port", r.gateway_port.value});
  for (const PortId& leg : r.interfaces) all.push_back({"port", leg.value});
  return all;
}
References floating_names(const FloatingIp& r) {
  References all{{"network", r.network.value}, {"port", r.outer_port.value}};
  if (!r.port.empty()) all.push_back({"port", r.port.value});
  if (!r.router.empty()) all.push_back({"router", r.router.value});
  for (const PortForwardingId& one : r.forwardings) all.push_back({"port_forwarding", one.value});
  return all;
}
References forwarding_names(const PortForwarding& r) {
  return {{"floating_ip", r.floating_ip.value},
          {"router", r.router.value},
          {"port", r.internal_port.value}};
}
References pool_names(const SubnetPool& r) {
  if (r.scope.empty()) return {};
  return {{"address_scope", r.scope.value}};
}
References scope_names(const AddressScope& r) {
  References all;
  for (const SubnetPoolId& pool : r.pools) all.push_back({"subnet_pool", pool.value});
  return all;
}
References pool_use_names(const network::PoolUse& r) {
  References all{{"subnet_pool", r.id.value}};
  for (const auto& one : r.taken) all.push_back({"subnet", one.subnet.value});
  return all;
}

Result<void> count_networks(const store::Snapshot& snapshot, Amounts& have) {
  CLOUDOS_CHECK(count_by_project<Network>(snapshot, "networks", have));
  CLOUDOS_CHECK(count_by_project<Subnet>(snapshot, "subnets", have));
  CLOUDOS_CHECK(count_by_project<Port>(snapshot, "ports", have));
  CLOUDOS_CHECK(count_by_project<SecurityGroup>(snapshot, "security_groups", have));
  CLOUDOS_CHECK(count_by_project<RbacPolicy>(snapshot, "rbac_policies", have));
  CLOUDOS_CHECK(count_by_project<Trunk>(snapshot, "trunks", have));
  CLOUDOS_CHECK(count_by_project<Router>(snapshot, "routers", have));
  CLOUDOS_CHECK(count_by_project<FloatingIp>(snapshot, "floating_ips", have));
  CLOUDOS_CHECK(count_by_project<SubnetPool>(snapshot, "subnet_pools", have));
  return count_by_project<SecurityGroupRule>(snapshot, "security_group_rules", have);
}

/// The addresses that maps of 256 under `prefix` say are taken.
Result<void> read_maps(const store::Snapshot& snapshot, std::string_view prefix, bool v6,
                       std::set<std::string>& taken, Findings& found) {
  return each_entry(snapshot, prefix, false, [&](const store::Entry& entry) {
    const std::string_view rest = std::string_view(entry.key).substr(prefix.size());
    const auto slash = rest.find('/');
    network::Ip128 chunk = 0;
    bool sound = slash != std::string_view::npos && entry.value.size() == 32;
    for (const char c : rest.substr(std::min(slash, rest.size() - 1) + 1)) {
      sound = sound && std::isxdigit(static_cast<unsigned char>(c)) != 0;
      chunk = chunk << 4 | static_cast<unsigned>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (!sound) {
      found.problem(fmt::format("{}: it is not a map of addresses", entry.key));
      return Result<void>();
    }
    for (unsigned i = 0; i < 256; ++i) {
      if (!(static_cast<unsigned char>(entry.value[i / 8]) >> (i % 8) & 1)) continue;
      const network::Ip ip{v6, chunk << 8 | i};
      taken.insert(fmt::format("{} {}", rest.substr(0, slash), ip.text()));
    }
    return Result<void>();
  });
}

/// Addresses that are taken are those that ports have; those made of MACs are in no map.
Result<void> check_addresses(const store::Snapshot& snapshot, Findings& found) {
  std::set<std::string> held, of_ports, taken, automatic;
  CLOUDOS_CHECK(each_record<Subnet>(snapshot, [&](const Subnet& subnet) {
    if (network::auto_addressed(subnet)) automatic.insert(subnet.id.value);
  }));
  CLOUDOS_CHECK(each_record<Port>(snapshot, [&](const Port& port) {
    for (const FixedIp& fixed : port.fixed_ips) {
      const std::string address = fmt::format("{} {}", fixed.subnet.value, fixed.address);
      if (!held.insert(address).second)
        found.problem(fmt::format("address {} of subnet '{}' is of two ports", fixed.address,
                                  fixed.subnet.value));
      if (!automatic.contains(fixed.subnet.value)) of_ports.insert(address);
    }
  }));
  CLOUDOS_CHECK(read_maps(snapshot, "/ip-chunk/", false, taken, found));
  CLOUDOS_CHECK(read_maps(snapshot, "/ip6-chunk/", true, taken, found));
  for (const std::string& one : of_ports)
    if (!taken.contains(one)) found.problem(fmt::format("address {} has a port, but is free", one));
  for (const std::string& one : taken)
    if (!of_ports.contains(one)) found.problem(fmt::format("address {} is taken by no port", one));
  return Result<void>();
}

/// Under which key the type driver keeps that the segment is taken; empty: nothing is.
std::string segment_key(const NetworkSegment& segment) {
  if (segment.network_type == "flat")
    return "/segment/flat/" + records::key_part(segment.physical_network);
  if (!segment.segmentation_id) return {};
  return fmt::format("{}/{}", network::tag_prefix(segment.network_type, segment.physical_network),
                     *segment.segmentation_id);
}

/// Numbers and wires that are taken are those of networks' segments.
Result<void> check_segments(const store::Snapshot& snapshot, Findings& found) {
  std::map<std::string, std::string> owners;
  CLOUDOS_CHECK(each_record<Network>(snapshot, [&](const Network& network) {
    for (const NetworkSegment& segment : network_segments(network))
      if (auto key = segment_key(segment); !key.empty())
        owners.emplace(std::move(key), network.id.value);
  }));
  CLOUDOS_CHECK(each_entry(snapshot, "/segment/", false, [&](const store::Entry& entry) {
    if (entry.key.starts_with("/segment/next/")) return Result<void>();
    const auto owner = owners.find(entry.key);
    if (owner == owners.end())
      found.problem(fmt::format("{} is taken by no network", entry.key));
    else if (owner->second != entry.value)
      found.problem(fmt::format("{} is taken for another network than the one it is of",
                                entry.key));
    if (owner != owners.end()) owners.erase(owner);
    return Result<void>();
  }));
  for (const auto& [key, network] : owners)
    found.problem(fmt::format("{} is of network '{}', but free", key, network));
  return Result<void>();
}

Result<void> check_networks(const store::Snapshot& snapshot, Findings& found) {
  CLOUDOS_CHECK(check_addresses(snapshot, found));
  return check_segments(snapshot, found);
}

}  // namespace

ServiceRecords network_records() {
  ServiceRecords mine;
  mine.kinds = {kind<Network>(network_names), kind<Port>(port_names), kind<SecurityGroup>(),
                kind<SecurityGroupRule>(rule_names), kind<Subnet>(subnet_names),
                kind<Router>(router_names), kind<FloatingIp>(floating_names),
                kind<PortForwarding>(forwarding_names), kind<SubnetPool>(pool_names),
                kind<AddressScope>(scope_names), kind<network::PoolUse>(pool_use_names),
                kind<RbacPolicy>(rbac_names), kind<QosPolicy>(), kind<Trunk>(trunk_names),
                kind<AddressGroup>(), kind<network::DefaultRuleSet>(),
                kind<SegmentRange>(), kind<network::RangeTable>(), kind<MeteringLabel>(),
                kind<MeteringRule>(metering_rule_names)};
  mine.other_keys = {"segment-due", "ip-chunk", "ip-full", "network-agent", "ip6-chunk",
                     "ip6-next", "forwards-to", "lent", "legs-due", "auto-topology", "segment",
                     "auto-due"};
  mine.count = count_networks;
  mine.check = check_networks;
  return mine;
}

}  // namespace cloudos::maintenance
