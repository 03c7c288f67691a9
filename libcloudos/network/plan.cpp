#include "network/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "network/extra_records.hpp"
#include "network/l3_records.hpp"
#include "network/plan_router.hpp"
#include "network/qos.hpp"
#include "network/record.hpp"
#include "network/rules.hpp"
#include "network/trunk_ports.hpp"
#include "network/segments.hpp"

namespace cloudos::network {
namespace {

/// The record, or nothing when it is gone: plans are made of what is there.
template <class T, class IdType>
Result<std::optional<T>> maybe(const store::Snapshot& snapshot, const IdType& id) {
  auto found = records::get<T>(snapshot, id);
  if (found) return std::optional<T>(std::move(*found));
  if (found.error().code == ErrorCode::NotFound) return std::optional<T>();
  return fail(std::move(found).error());
}

/// Whether the scope has a port of the index value plugged.
Result<bool> any_plugged(const store::Snapshot& snapshot, const PlanScope& scope,
                         std::string_view index, const std::string& value) {
  bool found = false;
  CLOUDOS_CHECK(records::walk(snapshot, Port::kKind, {std::string(index), value, false}, {},
                              [&](const store::Entry& entry) -> Result<bool> {
                                CLOUDOS_TRY(const auto port,
                                            codec::decode_record<Port>(entry.value));
                                found = scope.has(port);
                                return !found;
                              }));
  return found;
}

/// Some plugged port of the scope has the group, or has one with a rule that names it.
Result<bool> group_is_wanted(const store::Snapshot& snapshot, const PlanScope& scope,
                             const SecurityGroupId& id) {
  CLOUDOS_TRY(bool wanted, any_plugged(snapshot, scope, "group", id.value));
  if (wanted) return true;
  CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "remote", id.value));
  std::set<SecurityGroupId> seen;
  for (const SecurityGroupRule& rule : rules) {
    if (!seen.insert(rule.group).second) continue;
    CLOUDOS_TRY(wanted, any_plugged(snapshot, scope, "group", rule.group.value));
    if (wanted) return true;
  }
  return false;
}

Result<GroupPlan> group_plan(const store::Snapshot& snapshot, const SecurityGroup& group) {
  GroupPlan plan;
  plan.id = group.id;
  plan.stateful = group.stateful;
  CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "group", group.id.value));
  for (const SecurityGroupRule& rule : rules) plan.rules.push_back(plan_rule(rule));
  CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "group", group.id.value));
  for (const Port& port : ports) {
    for (const FixedIp& fixed : port.fixed_ips) plan.members.push_back(fixed.address);
    for (const AllowedAddressPair& pair : port.allowed_address_pairs)
      plan.members.push_back(pair.address);
  }
  std::sort(plan.members.begin(), plan.members.end());
  plan.members.erase(std::unique(plan.members.begin(), plan.members.end()), plan.members.end());
  return plan;
}

/// The segment that the scope's driver has the port on.
SegmentId segment_for(const Network& network, const Port& port, const PlanScope& scope) {
  for (auto level = port.levels.rbegin(); level != port.levels.rend(); ++level)
    if (level->driver == scope.driver) return level->segment;
  return port.levels.empty() ? network.segments.front().id : port.levels.back().segment;
}

SegmentPlan segment_plan(const NetworkSegment& segment) {
  return {segment.id, segment.network_type, segment.physical_network,
          segment.segmentation_id.value_or(0)};
}

/// Of a network of several segments: those that the scope's ports are on, and the subnets there.
void choose_segments(const Network& network, const std::vector<Port>& ports,
                     const PlanScope& scope, NetworkPlan& plan) {
  std::set<SegmentId> here, addressed;
  for (const Port& port : ports) {
    if (!scope.has(port)) continue;
    here.insert(segment_for(network, port, scope));
    addressed.insert(address_segment(network, port));
  }
  for (const NetworkSegment& segment : network.segments)
    if (here.count(segment.id)) plan.segments.push_back(segment_plan(segment));
  if (plan.segments.empty()) return;
  const SegmentPlan& first = plan.segments.front();
  plan.type = first.type;
  plan.physical_network = first.physical_network;
  plan.segmentation_id = first.segmentation_id;
  std::erase_if(plan.subnets, [&](const SubnetPlan& subnet) {
    return !subnet.segment.empty() && addressed.count(subnet.segment) == 0;
  });
}

/// An admin took the network from the host's DHCP agent: nothing is handed out there.
bool dhcp_is_off(const Network& network, const PlanScope& scope) {
  if (network.no_dhcp_agents.empty()) return false;
  const std::string agent = dhcp_agent_id(scope.driver, scope.host);
  return std::find(network.no_dhcp_agents.begin(), network.no_dhcp_agents.end(), agent) !=
         network.no_dhcp_agents.end();
}

/// Where the port is for the tunnels of other hosts; nothing when it is on none, or on this one.
std::optional<RemotePort> remote_port(const Network& network, const NetworkPlan& plan,
                                      const Port& port, const PlanScope& scope) {
  if (!plan.segments.empty()) {
    const SegmentId on = segment_for(network, port, scope);
    const auto same = [&](const SegmentPlan& one) { return one.id == on; };
    if (std::none_of(plan.segments.begin(), plan.segments.end(), same)) return std::nullopt;
  }
  if (!scope.tunnels || !port.plugged || port.host == scope.host) return std::nullopt;
  const auto tunnel = scope.tunnels->find(port.host);
  if (tunnel == scope.tunnels->end() || tunnel->second.empty()) return std::nullopt;
  RemotePort remote{port.mac, {}, tunnel->second};
  for (const FixedIp& fixed : port.fixed_ips) remote.addresses.push_back(fixed.address);
  return remote;
}

void add_hosts(NetworkPlan& plan, const Network& network, const Port& port,
               const std::set<SubnetId>& with_dhcp) {
  for (const FixedIp& fixed : port.fixed_ips) {
    if (!with_dhcp.count(fixed.subnet)) continue;
    DhcpHost host;
    host.port = port.id;
    host.subnet = fixed.subnet;
    host.mac = port.mac;
    host.address = fixed.address;
    host.host_name = port.dns_name.empty() ? default_host_name(fixed.address) : port.dns_name;
    host.domain = port.dns_domain.empty() ? network.dns_domain : port.dns_domain;
    for (const DhcpOption& option : port.dhcp_options)
      host.options.push_back({option.name, option.value, option.ip_version == 6});
    plan.hosts.push_back(std::move(host));
  }
}

Result<NetworkPlan> network_plan(const store::Snapshot& snapshot, const PlanScope& scope,
                                 const Network& network) {
  NetworkPlan plan = plan_of(network);
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_TRY(const auto subnet, maybe<Subnet>(snapshot, id));
    if (subnet) plan.subnets.push_back(plan_of(*subnet));
  }
  const bool one_segment = network.segments.empty();
  std::vector<Port> ports;
  if (!one_segment) {
    CLOUDOS_TRY(ports, records::all<Port>(snapshot, "network", network.id.value));
    choose_segments(network, ports, scope, plan);
  }
  const bool off = dhcp_is_off(network, scope);
  std::set<SubnetId> with_dhcp;
  for (SubnetPlan& subnet : plan.subnets) {
    subnet.dhcp = subnet.dhcp && !off;
    if (subnet.dhcp) with_dhcp.insert(subnet.id);
  }
  const bool tunnelled = plan.type == "vxlan" && scope.tunnels;
  if (with_dhcp.empty() && !tunnelled) return plan;
  if (one_segment) {
    CLOUDOS_TRY(ports, records::all<Port>(snapshot, "network", network.id.value));
  }
  std::set<std::string> remote_hosts;
  for (const Port& port : ports) {
    const bool ours = port.id == network.dhcp_port;
    const bool leg = !port.router.empty();
    if (ours && !with_dhcp.empty()) plan.dhcp_mac = port.mac;
    for (SubnetPlan& subnet : plan.subnets) {
      for (const FixedIp& fixed : port.fixed_ips) {
        if (subnet.id != fixed.subnet) continue;
        if (ours) subnet.dhcp_address = fixed.address;
        if (leg && port.plugged) subnet.routed = true;
      }
    }
    if (!ours) add_hosts(plan, network, port, with_dhcp);
    if (!tunnelled || ours) continue;
    if (auto remote = remote_port(network, plan, port, scope)) {
      remote_hosts.insert(remote->tunnel_address);
      plan.remote_ports.push_back(std::move(*remote));
    }
  }
  plan.remote_hosts.assign(remote_hosts.begin(), remote_hosts.end());
  return plan;
}

/// What plan_of() cannot know without a snapshot.
Result<PortPlan> port_plan(const store::Snapshot& snapshot, const PlanScope& scope,
                           const Port& port, const Network& network) {
  PortPlan plan = plan_of(port, network);
  if (!port.levels.empty()) plan.segment = segment_for(network, port, scope);
  plan.qos = qos_plan(snapshot, port, network);
  return plan;
}

}  // namespace

std::string default_host_name(std::string_view address) {
  std::string name = fmt::format("host-{}", address);
  for (char& c : name)
    if (c == '.' || c == ':') c = '-';
  while (name.back() == '-') name.pop_back();  // "fd00::" ends in what a label may not.
  return name;
}

NetworkPlan plan_of(const Network& network) {
  NetworkPlan plan;
  plan.id = network.id;
  plan.type = network.network_type;
  plan.physical_network = network.physical_network;
  plan.mtu = network.mtu;
  plan.segmentation_id = network.segmentation_id.value_or(0);
  plan.admin_up = network.admin_up;
  return plan;
}

SubnetPlan plan_of(const Subnet& subnet) {
  SubnetPlan plan;
  plan.id = subnet.id;
  plan.cidr = subnet.cidr;
  plan.gateway = subnet.gateway;
  plan.dhcp = subnet.dhcp;
  plan.dns_servers = subnet.dns_servers;
  for (const HostRoute& route : subnet.host_routes)
    plan.host_routes.emplace_back(route.destination, route.nexthop);
  plan.segment = subnet.segment;
  plan.ra_mode = subnet.ra_mode;
  plan.address_mode = subnet.address_mode;
  return plan;
}

PortPlan plan_of(const Port& port, const Network& network) {
  PortPlan plan;
  plan.id = port.id;
  plan.network = port.network;
  plan.mac = port.mac;
  for (const FixedIp& fixed : port.fixed_ips) plan.addresses.push_back(fixed.address);
  for (const AllowedAddressPair& pair : port.allowed_address_pairs)
    plan.allowed_pairs.emplace_back(pair.address, pair.mac);
  plan.port_security = port.port_security;
  plan.admin_up = port.admin_up;
  plan.groups = port.security_groups;
  plan.tap = port.tap;
  plan.mtu = network.mtu;
  if (!port.levels.empty()) plan.segment = port.levels.back().segment;
  return plan;
}

Result<PlanPtr<NetworkPlan>> plan_network(const store::Snapshot& snapshot, const PlanScope& scope,
                                          const NetworkId& id) {
  CLOUDOS_TRY(const bool used,
              any_plugged(snapshot, scope, "plugged_on", plugged_on(scope.driver, id)));
  if (!used) return PlanPtr<NetworkPlan>();
  CLOUDOS_TRY(const auto network, maybe<Network>(snapshot, id));
  if (!network) return PlanPtr<NetworkPlan>();
  CLOUDOS_TRY(auto plan, network_plan(snapshot, scope, *network));
  return std::make_shared<const NetworkPlan>(std::move(plan));
}

Result<PlanPtr<GroupPlan>> plan_group(const store::Snapshot& snapshot, const PlanScope& scope,
                                      const SecurityGroupId& id) {
  CLOUDOS_TRY(const auto group, maybe<SecurityGroup>(snapshot, id));
  if (!group) return PlanPtr<GroupPlan>();
  CLOUDOS_TRY(const bool wanted, group_is_wanted(snapshot, scope, id));
  if (!wanted) return PlanPtr<GroupPlan>();
  CLOUDOS_TRY(auto plan, group_plan(snapshot, *group));
  return std::make_shared<const GroupPlan>(std::move(plan));
}

Result<PlanPtr<PortPlan>> plan_port(const store::Snapshot& snapshot, const PlanScope& scope,
                                    const PortId& id) {
  CLOUDOS_TRY(const auto port, maybe<Port>(snapshot, id));
  if (!port || !scope.has(*port) || !port->router.empty()) return PlanPtr<PortPlan>();
  CLOUDOS_TRY(const auto network, records::get<Network>(snapshot, port->network));
  CLOUDOS_TRY(auto plan, port_plan(snapshot, scope, *port, network));
  if (port->sub_of_trunk && !plan_sub_port(snapshot, *port, plan)) return PlanPtr<PortPlan>();
  return std::make_shared<const PortPlan>(std::move(plan));
}

namespace {

/// What the labels of the router's project, and those for all, count.
Result<std::vector<RouterPlan::Meter>> meters_of(const store::Snapshot& snapshot,
                                                 const ProjectId& project) {
  CLOUDOS_TRY(const auto rules, records::all<MeteringRule>(snapshot));
  std::vector<RouterPlan::Meter> meters;
  for (const MeteringRule& rule : rules) {
    CLOUDOS_TRY(const auto label, maybe<MeteringLabel>(snapshot, rule.label));
    if (!label || (!label->shared && label->project != project)) continue;
    meters.push_back(
        {rule.label, rule.ingress, rule.remote, rule.source, rule.destination, rule.excluded});
  }
  return meters;
}

AddressGroupPlan address_group_plan(const AddressGroup& group) {
  return {group.id, group.addresses};
}

/// The groups that ports name, and one step further: a rule's remote group is needed for its
/// members, its own rules are not.
Result<void> add_groups(const store::Snapshot& snapshot, std::set<SecurityGroupId> groups,
                        Plan& plan) {
  std::set<SecurityGroupId> remote;
  std::set<AddressGroupId> addresses;
  for (const SecurityGroupId& id : groups) {
    CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "group", id.value));
    for (const SecurityGroupRule& rule : rules) {
      if (!rule.remote_group.empty()) remote.insert(rule.remote_group);
      if (!rule.remote_address_group.empty()) addresses.insert(rule.remote_address_group);
    }
  }
  for (const AddressGroupId& id : addresses) {
    CLOUDOS_TRY(const auto group, maybe<AddressGroup>(snapshot, id));
    if (group) plan.address_groups.emplace(id, address_group_plan(*group));
  }
  groups.insert(remote.begin(), remote.end());
  for (const SecurityGroupId& id : groups) {
    CLOUDOS_TRY(const auto group, maybe<SecurityGroup>(snapshot, id));
    if (!group) continue;
    CLOUDOS_TRY(auto whole, group_plan(snapshot, *group));
    plan.groups.emplace(id, std::move(whole));
  }
  return Result<void>();
}

}  // namespace

Result<PlanPtr<AddressGroupPlan>> plan_address_group(const store::Snapshot& snapshot,
                                                     const PlanScope& scope,
                                                     const AddressGroupId& id) {
  CLOUDOS_TRY(const auto group, maybe<AddressGroup>(snapshot, id));
  if (!group) return PlanPtr<AddressGroupPlan>();
  CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "addresses", id.value));
  std::set<SecurityGroupId> seen;
  for (const SecurityGroupRule& rule : rules) {
    if (!seen.insert(rule.group).second) continue;
    CLOUDOS_TRY(const bool wanted, any_plugged(snapshot, scope, "group", rule.group.value));
    if (wanted) return std::make_shared<const AddressGroupPlan>(address_group_plan(*group));
  }
  return PlanPtr<AddressGroupPlan>();
}

Result<PlanPtr<RouterPlan>> plan_whole_router(const store::Snapshot& snapshot,
                                              const PlanScope& scope, const RouterId& id) {
  CLOUDOS_TRY(const auto plan, plan_router(snapshot, scope.driver, scope.host, id));
  if (!plan) return PlanPtr<RouterPlan>();
  CLOUDOS_TRY(const auto router, maybe<Router>(snapshot, id));
  if (!router) return PlanPtr<RouterPlan>();
  RouterPlan whole = *plan;
  CLOUDOS_TRY(whole.meters, meters_of(snapshot, router->project));
  return std::make_shared<const RouterPlan>(std::move(whole));
}

Result<Plan> plan_all(const store::Snapshot& snapshot, const PlanScope& scope) {
  Plan plan;
  CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "plugged", scope.driver));
  std::map<NetworkId, Network> networks;
  std::set<SecurityGroupId> groups;
  std::set<RouterId> routers;
  for (const Port& port : ports) {
    if (!scope.has(port)) continue;
    if (!networks.count(port.network)) {
      CLOUDOS_TRY(auto network, records::get<Network>(snapshot, port.network));
      CLOUDOS_TRY(auto whole, network_plan(snapshot, scope, network));
      plan.networks.emplace(port.network, std::move(whole));
      networks.emplace(port.network, std::move(network));
    }
    if (!port.router.empty()) {
      routers.insert(port.router);
      continue;
    }
    CLOUDOS_TRY(auto whole, port_plan(snapshot, scope, port, networks.at(port.network)));
    if (port.sub_of_trunk && !plan_sub_port(snapshot, port, whole)) continue;
    plan.ports.emplace(port.id, std::move(whole));
    groups.insert(port.security_groups.begin(), port.security_groups.end());
  }
  CLOUDOS_CHECK(add_groups(snapshot, std::move(groups), plan));
  for (const RouterId& id : routers) {
    CLOUDOS_TRY(const auto router, plan_whole_router(snapshot, scope, id));
    if (router) plan.routers.emplace(id, *router);
  }
  return plan;
}

}  // namespace cloudos::network
