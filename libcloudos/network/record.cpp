#include "network/record.hpp"

#include <set>

#include "network/rules.hpp"
#include "network/segments.hpp"

namespace cloudos {

void fields(codec::FieldVisitor& v, AddressPool& p) {
  v.field({1, "start"}, p.start);
  v.field({2, "end"}, p.end);
}

void fields(codec::FieldVisitor& v, HostRoute& r) {
  v.field({1, "destination"}, r.destination);
  v.field({2, "nexthop"}, r.nexthop);
}

void fields(codec::FieldVisitor& v, FixedIp& f) {
  v.field({1, "subnet"}, f.subnet);
  v.field({2, "address"}, f.address);
}

void fields(codec::FieldVisitor& v, AllowedAddressPair& p) {
  v.field({1, "address"}, p.address);
  v.field({2, "mac"}, p.mac);
}

void fields(codec::FieldVisitor& v, DhcpOption& o) {
  v.field({1, "name"}, o.name);
  v.field({2, "value"}, o.value);
  v.field({3, "ip_version"}, o.ip_version);
}

void fields(codec::FieldVisitor& v, BindingLevel& l) {
  v.field({1, "driver"}, l.driver);
  v.field({2, "segment"}, l.segment);
}

void fields(codec::FieldVisitor& v, NetworkSegment& s) {
  v.field({1, "id"}, s.id);
  v.field({2, "generation"}, s.generation);
  v.field({3, "name"}, s.name);
  v.field({4, "description"}, s.description);
  v.field({5, "network_type"}, s.network_type);
  v.field({6, "physical_network"}, s.physical_network);
  v.field({7, "segmentation_id"}, s.segmentation_id);
  v.field({8, "dynamic"}, s.dynamic);
  v.field({9, "created_at"}, s.created_at);
  v.field({10, "updated_at"}, s.updated_at);
}

void fields(codec::FieldVisitor& v, PortBinding& b) {
  v.field({1, "host"}, b.host);
  v.field({2, "vnic_type"}, b.vnic_type);
  v.field({3, "profile"}, b.profile);
  v.field({4, "driver"}, b.driver);
  v.field({5, "vif_type"}, b.vif_type);
  v.field({6, "vif_details"}, b.vif_details);
  v.field({7, "levels"}, b.levels);
}

void fields(codec::FieldVisitor& v, Network& n) {
  v.field({1, "id"}, n.id);
  v.field({2, "generation"}, n.generation);
  v.field({3, "project"}, n.project);
  v.field({4, "name"}, n.name);
  v.field({5, "description"}, n.description);
  v.field({6, "admin_up"}, n.admin_up);
  v.field({7, "shared"}, n.shared);
  v.field({8, "external"}, n.external);
  v.field({9, "mtu"}, n.mtu);
  v.field({10, "port_security"}, n.port_security);
  v.field({11, "network_type"}, n.network_type);
  v.field({12, "physical_network"}, n.physical_network);
  v.field({13, "segmentation_id"}, n.segmentation_id);
  v.field({14, "subnets"}, n.subnets);
  v.field({15, "dhcp_port"}, n.dhcp_port);
  v.field({16, "created_at"}, n.created_at);
  v.field({17, "updated_at"}, n.updated_at);
  v.field({18, "dns_domain"}, n.dns_domain);
  v.field({19, "is_default"}, n.is_default);
  v.field({20, "vlan_transparent"}, n.vlan_transparent);
  v.field({21, "qos_policy"}, n.qos_policy);
  v.field({22, "zone_hints"}, n.zone_hints);
  v.field({23, "tags"}, n.tags);
  v.field({24, "segments"}, n.segments);
  v.field({25, "dhcp_agents"}, n.dhcp_agents);
  v.field({26, "no_dhcp_agents"}, n.no_dhcp_agents);
  v.field({27, "asked_mtu"}, n.asked_mtu);
  v.field({28, "simple"}, n.simple);
  v.unknown(n.unknown);
}

void fields(codec::FieldVisitor& v, Subnet& s) {
  v.field({1, "id"}, s.id);
  v.field({2, "generation"}, s.generation);
  v.field({3, "project"}, s.project);
  v.field({4, "network"}, s.network);
  v.field({5, "name"}, s.name);
  v.field({6, "description"}, s.description);
  v.field({7, "cidr"}, s.cidr);
  v.field({8, "gateway"}, s.gateway);
  v.field({9, "pools"}, s.pools);
  v.field({10, "dhcp"}, s.dhcp);
  v.field({11, "dns_servers"}, s.dns_servers);
  v.field({12, "host_routes"}, s.host_routes);
  v.field({13, "shared"}, s.shared);
  v.field({14, "created_at"}, s.created_at);
  v.field({15, "updated_at"}, s.updated_at);
  v.field({16, "ra_mode"}, s.ra_mode);
  v.field({17, "address_mode"}, s.address_mode);
  v.field({18, "pool"}, s.pool);
  v.field({19, "segment"}, s.segment);
  v.field({20, "service_types"}, s.service_types);
  v.field({21, "dns_publish_fixed_ip"}, s.dns_publish_fixed_ip);
  v.field({22, "tags"}, s.tags);
  v.unknown(s.unknown);
}

void fields(codec::FieldVisitor& v, Port& p) {
  v.field({1, "id"}, p.id);
  v.field({2, "generation"}, p.generation);
  v.field({3, "project"}, p.project);
  v.field({4, "network"}, p.network);
  v.field({5, "name"}, p.name);
  v.field({6, "description"}, p.description);
  v.field({7, "admin_up"}, p.admin_up);
  v.field({8, "mac"}, p.mac);
  v.field({9, "fixed_ips"}, p.fixed_ips);
  v.field({10, "device_id"}, p.device_id);
  v.field({11, "device_owner"}, p.device_owner);
  v.field({12, "security_groups"}, p.security_groups);
  v.field({13, "port_security"}, p.port_security);
  v.field({14, "allowed_address_pairs"}, p.allowed_address_pairs);
  v.field({15, "dns_name"}, p.dns_name);
  v.field({16, "host"}, p.host);
  v.field({17, "vnic_type"}, p.vnic_type);
  v.field({18, "profile"}, p.profile);
  v.field({19, "driver"}, p.driver);
  v.field({20, "vif_type"}, p.vif_type);
  v.field({21, "vif_details"}, p.vif_details);
  v.field({22, "plugged"}, p.plugged);
  v.field({23, "wired"}, p.wired);
  v.field({24, "tap"}, p.tap);
  v.field({25, "created_at"}, p.created_at);
  v.field({26, "updated_at"}, p.updated_at);
  v.field({27, "foreign"}, p.foreign);
  v.field({28, "attached"}, p.attached);
  v.field({29, "dhcp_options"}, p.dhcp_options);
  v.field({30, "inactive_bindings"}, p.inactive_bindings);
  v.field({31, "qos_policy"}, p.qos_policy);
  v.field({32, "dns_domain"}, p.dns_domain);
  v.field({33, "trunk"}, p.trunk);
  v.field({34, "sub_of_trunk"}, p.sub_of_trunk);
  v.field({35, "router"}, p.router);
  v.field({36, "floating_ip"}, p.floating_ip);
  v.field({37, "numa_affinity"}, p.numa_affinity);
  v.field({38, "hints"}, p.hints);
  v.field({39, "propagate_uplink_status"}, p.propagate_uplink_status);
  v.field({40, "tags"}, p.tags);
  v.field({42, "levels"}, p.levels);
  v.field({43, "deferred_addresses"}, p.deferred_addresses);
  v.field({41, "unaddressed"}, p.unaddressed);
  v.unknown(p.unknown);
}

void fields(codec::FieldVisitor& v, SecurityGroup& g) {
  v.field({1, "id"}, g.id);
  v.field({2, "generation"}, g.generation);
  v.field({3, "project"}, g.project);
  v.field({4, "name"}, g.name);
  v.field({5, "description"}, g.description);
  v.field({6, "is_default"}, g.is_default);
  v.field({7, "created_at"}, g.created_at);
  v.field({8, "updated_at"}, g.updated_at);
  v.field({9, "stateful"}, g.stateful);
  v.field({10, "tags"}, g.tags);
  v.field({11, "going"}, g.going);
  v.unknown(g.unknown);
}

void fields(codec::FieldVisitor& v, SecurityGroupRule& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "project"}, r.project);
  v.field({4, "group"}, r.group);
  v.field({5, "description"}, r.description);
  v.field({6, "ingress"}, r.ingress);
  v.field({7, "ipv6"}, r.ipv6);
  v.field({8, "protocol"}, r.protocol);
  v.field({9, "port_min"}, r.port_min);
  v.field({10, "port_max"}, r.port_max);
  v.field({11, "remote_cidr"}, r.remote_cidr);
  v.field({12, "remote_group"}, r.remote_group);
  v.field({13, "created_at"}, r.created_at);
  v.field({14, "updated_at"}, r.updated_at);
  v.field({15, "remote_address_group"}, r.remote_address_group);
  v.unknown(r.unknown);
}

void keys(records::Keys& k, const Network& n) {
  k.index("project", n.project.value);
  if (n.shared || n.external) k.index("public", "1");
  if (!n.qos_policy.empty()) k.index("qos", n.qos_policy.value);
  if (n.is_default) k.unique("default", "", "1");
  if (n.simple) k.unique("simple", n.project.value, n.name);
  // The first one is found by the network's id.
  for (const NetworkSegment& segment : n.segments)
    if (segment.id != network::first_segment(n.id)) k.unique("segment", "", segment.id.value);
}

void keys(records::Keys& k, const Subnet& s) {
  k.index("project", s.project.value);
  k.index("network", s.network.value);
  if (s.shared) k.index("public", "1");
}

void keys(records::Keys& k, const Port& p) {
  k.unique("mac", p.network.value, p.mac);
  k.unique("tap", "", p.tap);
  k.index("project", p.project.value);
  k.index("network", p.network.value);
  for (const FixedIp& fixed : p.fixed_ips) {
    // Subnets of one network do not overlap, so an address names one port of the network.
    k.unique("address", p.network.value, fixed.address);
    k.index("subnet", fixed.subnet.value);
  }
  for (const SecurityGroupId& group : p.security_groups) k.index("group", group.value);
  if (!p.device_id.empty()) k.index("device", p.device_id);
  if (p.foreign) k.index("foreign", p.network.value);
  if (!p.qos_policy.empty()) k.index("qos", p.qos_policy.value);
  if (!p.router.empty()) {
    k.index("router", p.router.value);
    // By subnet, for who looks for the router that leads there.
    for (const FixedIp& fixed : p.fixed_ips) k.index("routed", fixed.subnet.value);
  }
  for (const BindingLevel& level : p.levels) k.index("segment", level.segment.value);
  for (const PortBinding& binding : p.inactive_bindings)
    for (const BindingLevel& level : binding.levels) k.index("segment", level.segment.value);
  if (!p.plugged || p.driver.empty()) return;
  std::set<std::string> drivers{p.driver};
  for (const BindingLevel& level : p.levels) drivers.insert(level.driver);
  for (const std::string& driver : drivers) {
    k.index("plugged", driver);
    k.index("plugged_on", network::plugged_on(driver, p.network));
  }
}

void keys(records::Keys& k, const SecurityGroup& g) {
  k.index("project", g.project.value);
  if (g.is_default) k.unique("default", "", g.project.value);
  if (g.going) k.index("going", "1");
}

void keys(records::Keys& k, const SecurityGroupRule& r) {
  k.index("project", r.project.value);
  k.index("group", r.group.value);
  if (!r.remote_group.empty()) k.index("remote", r.remote_group.value);
  if (!r.remote_address_group.empty()) k.index("addresses", r.remote_address_group.value);
  k.unique("rule", r.group.value, network::canonical_rule(r));
}

namespace network {

std::string plugged_on(std::string_view driver, const NetworkId& network) {
  return fmt::format("{}:{}", driver, network.value);
}

std::string tap_name(const PortId& id) {
  std::string digits;
  for (auto at = id.value.rbegin(); at != id.value.rend() && digits.size() < 11; ++at)
    if (*at != '-') digits += *at;
  return "tap" + std::string(digits.rbegin(), digits.rend());
}

}  // namespace network
}  // namespace cloudos
