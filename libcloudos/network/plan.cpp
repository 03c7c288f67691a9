#include "network/plan.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "network/record.hpp"
#include "network/rules.hpp"

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

Result<bool> any_entry(const store::Snapshot& snapshot, const std::string& prefix) {
  store::ScanOptions options;
  options.limit = 1;
  options.keys_only = true;
  CLOUDOS_TRY(const auto found, snapshot.scan(prefix, options));
  return !found.empty();
}

Result<bool> group_is_plugged(const store::Snapshot& snapshot, std::string_view driver,
                              const SecurityGroupId& id) {
  bool found = false;
  CLOUDOS_CHECK(records::walk(snapshot, Port::kKind, {"group", id.value, false}, {},
                              [&](const store::Entry& entry) -> Result<bool> {
                                CLOUDOS_TRY(const auto port,
                                            codec::decode_record<Port>(entry.value));
                                found = port.plugged && port.driver == driver;
                                return !found;
                              }));
  return found;
}

/// Some plugged port of the driver has the group, or has one with a rule that names it.
Result<bool> group_is_wanted(const store::Snapshot& snapshot, std::string_view driver,
                             const SecurityGroupId& id) {
  CLOUDOS_TRY(bool wanted, group_is_plugged(snapshot, driver, id));
  if (wanted) return true;
  CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "remote", id.value));
  std::set<SecurityGroupId> seen;
  for (const SecurityGroupRule& rule : rules) {
    if (!seen.insert(rule.group).second) continue;
    CLOUDOS_TRY(wanted, group_is_plugged(snapshot, driver, rule.group));
    if (wanted) return true;
  }
  return false;
}

Result<GroupPlan> group_plan(const store::Snapshot& snapshot, const SecurityGroup& group) {
  GroupPlan plan;
  plan.id = group.id;
  CLOUDOS_TRY(const auto rules,
              records::all<SecurityGroupRule>(snapshot, "group", group.id.value));
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

Result<NetworkPlan> network_plan(const store::Snapshot& snapshot, const Network& network) {
  NetworkPlan plan = plan_of(network);
  std::set<SubnetId> with_dhcp;
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_TRY(const auto subnet, maybe<Subnet>(snapshot, id));
    if (!subnet) continue;
    plan.subnets.push_back(plan_of(*subnet));
    if (subnet->dhcp) with_dhcp.insert(id);
  }
  if (with_dhcp.empty()) return plan;
  CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "network", network.id.value));
  for (const Port& port : ports) {
    const bool ours = port.id == network.dhcp_port;
    if (ours) plan.dhcp_mac = port.mac;
    for (const FixedIp& fixed : port.fixed_ips) {
      if (ours) {
        for (SubnetPlan& subnet : plan.subnets)
          if (subnet.id == fixed.subnet) subnet.dhcp_address = fixed.address;
      } else if (with_dhcp.count(fixed.subnet)) {
        plan.hosts.push_back({port.id, fixed.subnet, port.mac, fixed.address,
                              port.dns_name.empty() ? default_host_name(fixed.address)
                                                    : port.dns_name});
      }
    }
  }
  return plan;
}

}  // namespace

std::string default_host_name(std::string_view address) {
  std::string name = fmt::format("host-{}", address);
  std::replace(name.begin(), name.end(), '.', '-');
  return name;
}

NetworkPlan plan_of(const Network& network) {
  NetworkPlan plan;
  plan.id = network.id;
  plan.type = network.network_type;
  plan.physical_network = network.physical_network;
  plan.mtu = network.mtu;
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
  return plan;
}

Result<PlanPtr<NetworkPlan>> plan_network(const store::Snapshot& snapshot, std::string_view driver,
                                          const NetworkId& id) {
  CLOUDOS_TRY(const bool used, any_entry(snapshot, records::index_prefix(
                                             Port::kKind, "plugged_on", plugged_on(driver, id))));
  if (!used) return PlanPtr<NetworkPlan>();
  CLOUDOS_TRY(const auto network, maybe<Network>(snapshot, id));
  if (!network) return PlanPtr<NetworkPlan>();
  CLOUDOS_TRY(auto plan, network_plan(snapshot, *network));
  return std::make_shared<const NetworkPlan>(std::move(plan));
}

Result<PlanPtr<GroupPlan>> plan_group(const store::Snapshot& snapshot, std::string_view driver,
                                      const SecurityGroupId& id) {
  CLOUDOS_TRY(const auto group, maybe<SecurityGroup>(snapshot, id));
  if (!group) return PlanPtr<GroupPlan>();
  CLOUDOS_TRY(const bool wanted, group_is_wanted(snapshot, driver, id));
  if (!wanted) return PlanPtr<GroupPlan>();
  CLOUDOS_TRY(auto plan, group_plan(snapshot, *group));
  return std::make_shared<const GroupPlan>(std::move(plan));
}

Result<PlanPtr<PortPlan>> plan_port(const store::Snapshot& snapshot, std::string_view driver,
                                    const PortId& id) {
  CLOUDOS_TRY(const auto port, maybe<Port>(snapshot, id));
  if (!port || !port->plugged || port->driver != driver) return PlanPtr<PortPlan>();
  CLOUDOS_TRY(const auto network, records::get<Network>(snapshot, port->network));
  return std::make_shared<const PortPlan>(plan_of(*port, network));
}

Result<Plan> plan_all(const store::Snapshot& snapshot, std::string_view driver) {
  Plan plan;
  CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "plugged", driver));
  std::map<NetworkId, Network> networks;
  std::set<SecurityGroupId> groups;
  for (const Port& port : ports) {
    if (!networks.count(port.network)) {
      CLOUDOS_TRY(auto network, records::get<Network>(snapshot, port.network));
      CLOUDOS_TRY(auto whole, network_plan(snapshot, network));
      plan.networks.emplace(port.network, std::move(whole));
      networks.emplace(port.network, std::move(network));
    }
    plan.ports.emplace(port.id, plan_of(port, networks.at(port.network)));
    groups.insert(port.security_groups.begin(), port.security_groups.end());
  }
  // One step further: a rule's remote group is needed for its members, its own rules are not.
  std::set<SecurityGroupId> remote;
  for (const SecurityGroupId& id : groups) {
    CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "group", id.value));
    for (const SecurityGroupRule& rule : rules)
      if (!rule.remote_group.empty()) remote.insert(rule.remote_group);
  }
  groups.insert(remote.begin(), remote.end());
  for (const SecurityGroupId& id : groups) {
    CLOUDOS_TRY(const auto group, maybe<SecurityGroup>(snapshot, id));
    if (!group) continue;
    CLOUDOS_TRY(auto whole, group_plan(snapshot, *group));
    plan.groups.emplace(id, std::move(whole));
  }
  return plan;
}

}  // namespace cloudos::network
