#include <nlohmann/json.hpp>

#include "rest/network_api.hpp"

namespace cloudos::rest::network_api {
namespace {

using nlohmann::json;

tl::unexpected<Error> bad_body(std::string message) {
  return fail(ErrorCode::InvalidArgument, std::move(message));
}

/// The elements of a list of objects; nothing when it is absent or null.
Result<std::optional<std::vector<const json*>>> objects_of(const Members& in,
                                                           std::string_view name) {
  CLOUDOS_TRY(const json* list, in.maybe_array(name));
  if (list == nullptr) return std::optional<std::vector<const json*>>();
  std::vector<const json*> objects;
  for (const json& element : *list) {
    if (!element.is_object()) return bad_body(in.where(name) + " must be a list of objects");
    objects.push_back(&element);
  }
  return std::optional(std::move(objects));
}

Result<void> text_into(const Members& in, std::string_view name, std::string& out) {
  CLOUDOS_TRY(auto text, in.maybe_text(name));
  if (text) out = std::move(*text);
  return Result<void>();
}

Result<std::optional<std::uint32_t>> maybe_number(const Members& in, std::string_view name) {
  CLOUDOS_TRY(const auto number, in.maybe_integer(name, 0, UINT32_MAX));
  if (!number) return std::optional<std::uint32_t>();
  return std::optional(static_cast<std::uint32_t>(*number));
}

Result<std::optional<std::vector<AddressPool>>> decode_pools(const Members& in) {
  CLOUDOS_TRY(const auto objects, objects_of(in, "allocation_pools"));
  if (!objects) return std::optional<std::vector<AddressPool>>();
  std::vector<AddressPool> pools;
  for (const json* object : *objects) {
    const Members pool(*object, in.where("allocation_pools"));
    AddressPool one;
    CLOUDOS_TRY(one.start, pool.text("start"));
    CLOUDOS_TRY(one.end, pool.text("end"));
    CLOUDOS_CHECK(pool.no_others());
    pools.push_back(std::move(one));
  }
  return std::optional(std::move(pools));
}

Result<std::optional<std::vector<HostRoute>>> decode_routes(const Members& in) {
  CLOUDOS_TRY(const auto objects, objects_of(in, "host_routes"));
  if (!objects) return std::optional<std::vector<HostRoute>>();
  std::vector<HostRoute> routes;
  for (const json* object : *objects) {
    const Members route(*object, in.where("host_routes"));
    HostRoute one;
    CLOUDOS_TRY(one.destination, route.text("destination"));
    CLOUDOS_TRY(one.nexthop, route.text("nexthop"));
    CLOUDOS_CHECK(route.no_others());
    routes.push_back(std::move(one));
  }
  return std::optional(std::move(routes));
}

/// A gateway: absent, an address, or null for none (empty).
Result<std::optional<std::string>> decode_gateway(const Members& in) {
  if (in.is_null("gateway_ip")) {
    CLOUDOS_CHECK(in.maybe_text("gateway_ip"));
    return std::optional<std::string>("");
  }
  return in.maybe_text("gateway_ip");
}

Result<std::optional<std::vector<FixedIpRequest>>> decode_fixed_ips(const Members& in) {
  CLOUDOS_TRY(const auto objects, objects_of(in, "fixed_ips"));
  if (!objects) return std::optional<std::vector<FixedIpRequest>>();
  std::vector<FixedIpRequest> asked;
  for (const json* object : *objects) {
    const Members fixed(*object, in.where("fixed_ips"));
    FixedIpRequest one;
    CLOUDOS_CHECK(text_into(fixed, "subnet_id", one.subnet.value));
    CLOUDOS_CHECK(text_into(fixed, "ip_address", one.address));
    CLOUDOS_CHECK(fixed.no_others());
    asked.push_back(std::move(one));
  }
  return std::optional(std::move(asked));
}

Result<std::optional<std::vector<AllowedAddressPair>>> decode_pairs(const Members& in) {
  CLOUDOS_TRY(const auto objects, objects_of(in, "allowed_address_pairs"));
  if (!objects) return std::optional<std::vector<AllowedAddressPair>>();
  std::vector<AllowedAddressPair> pairs;
  for (const json* object : *objects) {
    const Members pair(*object, in.where("allowed_address_pairs"));
    AllowedAddressPair one;
    CLOUDOS_TRY(one.address, pair.text("ip_address"));
    CLOUDOS_CHECK(text_into(pair, "mac_address", one.mac));
    CLOUDOS_CHECK(pair.no_others());
    pairs.push_back(std::move(one));
  }
  return std::optional(std::move(pairs));
}

Result<std::optional<std::vector<SecurityGroupId>>> decode_groups(const Members& in) {
  CLOUDOS_TRY(auto texts, in.maybe_text_list("security_groups"));
  if (!texts) return std::optional<std::vector<SecurityGroupId>>();
  std::vector<SecurityGroupId> groups;
  for (std::string& text : *texts) groups.emplace_back(std::move(text));
  return std::optional(std::move(groups));
}

Result<std::optional<std::string>> decode_profile(const Members& in) {
  if (in.is_null("binding:profile")) {
    CLOUDOS_CHECK(in.maybe_object("binding:profile"));
    return std::optional<std::string>("{}");
  }
  CLOUDOS_TRY(const json* profile, in.maybe_object("binding:profile"));
  if (profile == nullptr) return std::optional<std::string>();
  return std::optional<std::string>(profile->dump());
}

/// A text that null empties.
Result<std::optional<std::string>> clearable_text(const Members& in, std::string_view name) {
  CLOUDOS_TRY(auto text, in.maybe_text(name));
  if (!text && in.is_null(name)) text = "";
  return text;
}

void write_details(JsonWriter& w, const std::map<std::string, std::string>& details) {
  w.key("binding:vif_details").open();
  for (const auto& [name, value] : details) {
    if (value == "true" || value == "false") w.member(name, value == "true");
    else w.member(name, value);
  }
  w.close();
}

}  // namespace

Result<std::optional<ProjectId>> decode_project(const Members& in) {
  CLOUDOS_TRY(auto project, in.maybe_id<ProjectId>("project_id"));
  CLOUDOS_TRY(auto tenant, in.maybe_id<ProjectId>("tenant_id"));
  if (project && tenant && *project != *tenant)
    return bad_body(in.where("tenant_id") + " differs from project_id");
  return project ? project : tenant;
}

// ---- networks -----------------------------------------------------------------------------------

Result<NetworkCreate> decode_network(const Members& in) {
  NetworkCreate spec;
  CLOUDOS_CHECK(text_into(in, "name", spec.name));
  CLOUDOS_CHECK(text_into(in, "description", spec.description));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_CHECK(in.flag("admin_state_up", spec.admin_up));
  CLOUDOS_CHECK(in.flag("shared", spec.shared));
  CLOUDOS_CHECK(in.flag("router:external", spec.external));
  CLOUDOS_CHECK(in.flag("port_security_enabled", spec.port_security));
  CLOUDOS_TRY(spec.mtu, maybe_number(in, "mtu"));
  if (spec.mtu == 0U) spec.mtu.reset();  // Neutron's word for "the cloud's".
  CLOUDOS_TRY(spec.network_type, in.maybe_text("provider:network_type"));
  CLOUDOS_TRY(spec.physical_network, in.maybe_text("provider:physical_network"));
  CLOUDOS_TRY(spec.segmentation_id, maybe_number(in, "provider:segmentation_id"));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<NetworkUpdate> decode_network_update(const Members& in) {
  NetworkUpdate change;
  CLOUDOS_TRY(change.name, in.maybe_text("name"));
  CLOUDOS_TRY(change.description, in.maybe_text("description"));
  CLOUDOS_TRY(change.admin_up, in.maybe_flag("admin_state_up"));
  CLOUDOS_TRY(change.shared, in.maybe_flag("shared"));
  CLOUDOS_TRY(change.external, in.maybe_flag("router:external"));
  CLOUDOS_TRY(change.port_security, in.maybe_flag("port_security_enabled"));
  CLOUDOS_TRY(change.mtu, maybe_number(in, "mtu"));
  CLOUDOS_CHECK(in.no_others());
  return change;
}

void write_network(Fields& out, const Context& ctx, const Network& network) {
  write_common(out, network);
  out.member("name", network.name);
  out.member("admin_state_up", network.admin_up);
  out.member("shared", network.shared);
  out.member("router:external", network.external);
  out.member("mtu", network.mtu);
  out.member("port_security_enabled", network.port_security);
  out.member("status", "ACTIVE");
  if (out.wants("subnets")) {
    out.w.key("subnets").open_list();
    for (const SubnetId& id : network.subnets) out.w.value(id.value);
    out.w.close_list();
  }
  if (!ctx.is_admin) return;
  out.member("provider:network_type", network.network_type);
  out.text_or_null("provider:physical_network", network.physical_network);
  out.member("provider:segmentation_id", network.segmentation_id);
}

// ---- subnets ------------------------------------------------------------------------------------

Result<SubnetCreate> decode_subnet(const Members& in) {
  SubnetCreate spec;
  CLOUDOS_TRY(spec.network, in.id<NetworkId>("network_id"));
  CLOUDOS_CHECK(text_into(in, "name", spec.name));
  CLOUDOS_CHECK(text_into(in, "description", spec.description));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_TRY(const auto version, in.integer("ip_version", 0, 255));
  spec.ip_version = static_cast<unsigned>(version);
  CLOUDOS_TRY(spec.cidr, in.text("cidr"));
  CLOUDOS_TRY(spec.gateway, decode_gateway(in));
  CLOUDOS_TRY(spec.pools, decode_pools(in));
  CLOUDOS_CHECK(in.flag("enable_dhcp", spec.dhcp));
  CLOUDOS_TRY(auto dns, in.maybe_text_list("dns_nameservers"));
  if (dns) spec.dns_servers = std::move(*dns);
  CLOUDOS_TRY(auto routes, decode_routes(in));
  if (routes) spec.host_routes = std::move(*routes);
  // What IPv6 subnets say is let through to be refused as IPv6.
  if (spec.ip_version == 6) return spec;
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<SubnetUpdate> decode_subnet_update(const Members& in) {
  SubnetUpdate change;
  CLOUDOS_TRY(change.name, in.maybe_text("name"));
  CLOUDOS_TRY(change.description, in.maybe_text("description"));
  CLOUDOS_TRY(change.gateway, decode_gateway(in));
  CLOUDOS_TRY(change.pools, decode_pools(in));
  CLOUDOS_TRY(change.dhcp, in.maybe_flag("enable_dhcp"));
  CLOUDOS_TRY(change.dns_servers, in.maybe_text_list("dns_nameservers"));
  CLOUDOS_TRY(change.host_routes, decode_routes(in));
  CLOUDOS_CHECK(in.no_others());
  return change;
}

void write_subnet(Fields& out, const Subnet& subnet) {
  write_common(out, subnet);
  out.member("name", subnet.name);
  out.member("network_id", subnet.network.value);
  out.member("ip_version", 4);
  out.member("cidr", subnet.cidr);
  out.text_or_null("gateway_ip", subnet.gateway);
  out.member("enable_dhcp", subnet.dhcp);
  out.member("dns_nameservers", subnet.dns_servers);
  if (out.wants("ipv6_address_mode")) out.w.member_null("ipv6_address_mode");
  if (out.wants("ipv6_ra_mode")) out.w.member_null("ipv6_ra_mode");
  if (out.wants("allocation_pools")) {
    out.w.key("allocation_pools").open_list();
    for (const AddressPool& pool : subnet.pools)
      out.w.open().member("start", pool.start).member("end", pool.end).close();
    out.w.close_list();
  }
  if (!out.wants("host_routes")) return;
  out.w.key("host_routes").open_list();
  for (const HostRoute& route : subnet.host_routes)
    out.w.open().member("destination", route.destination).member("nexthop", route.nexthop).close();
  out.w.close_list();
}

// ---- ports --------------------------------------------------------------------------------------

Result<PortCreate> decode_port(const Members& in) {
  PortCreate spec;
  CLOUDOS_TRY(spec.network, in.id<NetworkId>("network_id"));
  CLOUDOS_CHECK(text_into(in, "name", spec.name));
  CLOUDOS_CHECK(text_into(in, "description", spec.description));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_CHECK(in.flag("admin_state_up", spec.admin_up));
  CLOUDOS_CHECK(text_into(in, "mac_address", spec.mac));
  CLOUDOS_TRY(spec.fixed_ips, decode_fixed_ips(in));
  CLOUDOS_CHECK(text_into(in, "device_id", spec.device_id));
  CLOUDOS_CHECK(text_into(in, "device_owner", spec.device_owner));
  CLOUDOS_TRY(spec.security_groups, decode_groups(in));
  CLOUDOS_TRY(spec.port_security, in.maybe_flag("port_security_enabled"));
  CLOUDOS_TRY(auto pairs, decode_pairs(in));
  if (pairs) spec.allowed_address_pairs = std::move(*pairs);
  CLOUDOS_CHECK(text_into(in, "binding:host_id", spec.host));
  CLOUDOS_CHECK(text_into(in, "binding:vnic_type", spec.vnic_type));
  CLOUDOS_TRY(auto profile, decode_profile(in));
  if (profile) spec.profile = std::move(*profile);
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<PortUpdate> decode_port_update(const Members& in) {
  PortUpdate change;
  CLOUDOS_TRY(change.name, in.maybe_text("name"));
  CLOUDOS_TRY(change.description, in.maybe_text("description"));
  CLOUDOS_TRY(change.admin_up, in.maybe_flag("admin_state_up"));
  CLOUDOS_TRY(change.mac, in.maybe_text("mac_address"));
  CLOUDOS_TRY(change.fixed_ips, decode_fixed_ips(in));
  CLOUDOS_TRY(change.device_id, clearable_text(in, "device_id"));
  CLOUDOS_TRY(change.device_owner, clearable_text(in, "device_owner"));
  CLOUDOS_TRY(change.security_groups, decode_groups(in));
  CLOUDOS_TRY(change.port_security, in.maybe_flag("port_security_enabled"));
  CLOUDOS_TRY(change.allowed_address_pairs, decode_pairs(in));
  CLOUDOS_TRY(change.host, clearable_text(in, "binding:host_id"));
  CLOUDOS_TRY(change.vnic_type, in.maybe_text("binding:vnic_type"));
  CLOUDOS_TRY(change.profile, decode_profile(in));
  CLOUDOS_CHECK(in.no_others());
  return change;
}

void write_port(Fields& out, const Context& ctx, const Port& port) {
  write_common(out, port);
  out.member("name", port.name);
  out.member("network_id", port.network.value);
  out.member("admin_state_up", port.admin_up);
  out.member("mac_address", port.mac);
  out.member("device_id", port.device_id);
  out.member("device_owner", port.device_owner);
  out.member("status", port.status() == PortStatus::Active ? "ACTIVE" : "DOWN");
  out.member("port_security_enabled", port.port_security);
  out.member("binding:vnic_type", port.vnic_type);
  if (out.wants("fixed_ips")) {
    out.w.key("fixed_ips").open_list();
    for (const FixedIp& fixed : port.fixed_ips) {
      out.w.open().member("subnet_id", fixed.subnet.value);
      out.w.member("ip_address", fixed.address).close();
    }
    out.w.close_list();
  }
  if (out.wants("security_groups")) {
    out.w.key("security_groups").open_list();
    for (const SecurityGroupId& id : port.security_groups) out.w.value(id.value);
    out.w.close_list();
  }
  if (out.wants("allowed_address_pairs")) {
    out.w.key("allowed_address_pairs").open_list();
    for (const AllowedAddressPair& pair : port.allowed_address_pairs) {
      out.w.open().member("ip_address", pair.address);
      out.w.member("mac_address", pair.mac.empty() ? port.mac : pair.mac).close();
    }
    out.w.close_list();
  }
  if (!ctx.is_admin) return;
  out.member("binding:host_id", port.host);
  out.member("binding:vif_type", port.vif_type);
  if (out.wants("binding:profile")) out.w.key("binding:profile").literal(port.profile);
  if (out.wants("binding:vif_details")) write_details(out.w, port.vif_details);
}

// ---- security groups ----------------------------------------------------------------------------

Result<SecurityGroupCreate> decode_group(const Members& in) {
  SecurityGroupCreate spec;
  CLOUDOS_CHECK(text_into(in, "name", spec.name));
  CLOUDOS_CHECK(text_into(in, "description", spec.description));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<SecurityGroupUpdate> decode_group_update(const Members& in) {
  SecurityGroupUpdate change;
  CLOUDOS_TRY(change.name, in.maybe_text("name"));
  CLOUDOS_TRY(change.description, in.maybe_text("description"));
  CLOUDOS_CHECK(in.no_others());
  return change;
}

void write_group(Fields& out, const SecurityGroup& group,
                 const std::vector<SecurityGroupRule>& rules) {
  write_common(out, group);
  out.member("name", group.name);
  if (!out.wants("security_group_rules")) return;
  static const std::set<std::string, std::less<>> kAll;
  out.w.key("security_group_rules").open_list();
  for (const SecurityGroupRule& rule : rules) {
    out.w.open();
    Fields whole(out.w, kAll);
    write_rule(whole, rule);
    out.w.close();
  }
  out.w.close_list();
}

Result<SecurityGroupRuleCreate> decode_rule(const Members& in) {
  SecurityGroupRuleCreate spec;
  CLOUDOS_TRY(spec.group, in.id<SecurityGroupId>("security_group_id"));
  CLOUDOS_TRY(spec.direction, in.text("direction"));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_CHECK(text_into(in, "description", spec.description));
  CLOUDOS_CHECK(text_into(in, "ethertype", spec.ethertype));
  // A protocol is a name or a number, and clients send the number as either.
  if (const json* protocol = in.raw("protocol"); protocol && protocol->is_number_integer())
    spec.protocol = protocol->dump();
  else CLOUDOS_CHECK(text_into(in, "protocol", spec.protocol));
  CLOUDOS_TRY(spec.port_min, in.maybe_integer("port_range_min"));
  CLOUDOS_TRY(spec.port_max, in.maybe_integer("port_range_max"));
  CLOUDOS_CHECK(text_into(in, "remote_ip_prefix", spec.remote_cidr));
  CLOUDOS_CHECK(text_into(in, "remote_group_id", spec.remote_group.value));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

void write_rule(Fields& out, const SecurityGroupRule& rule) {
  write_common(out, rule);
  out.member("security_group_id", rule.group.value);
  out.member("direction", rule.ingress ? "ingress" : "egress");
  out.member("ethertype", rule.ipv6 ? "IPv6" : "IPv4");
  out.text_or_null("protocol", rule.protocol);
  out.member("port_range_min", rule.port_min);
  out.member("port_range_max", rule.port_max);
  out.text_or_null("remote_ip_prefix", rule.remote_cidr);
  out.text_or_null("normalized_cidr", rule.remote_cidr);
  out.text_or_null("remote_group_id", rule.remote_group.value);
}

}  // namespace cloudos::rest::network_api
