#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cloudos/network_segments.hpp"
#include "rest/network_api.hpp"

namespace cloudos::rest::network_api {
namespace {

using nlohmann::json;

Failure bad_body(std::string message) {
  return fail(ErrorCode::InvalidArgument, std::move(message));
}

Result<std::optional<std::vector<FixedIpRequest>>> decode_fixed_ips(const Members& in) {
  CLOUDOS_TRY(const auto objects, list_of_objects(in, "fixed_ips"));
  if (!objects) return std::optional<std::vector<FixedIpRequest>>();
  std::vector<FixedIpRequest> asked;
  for (const json* object : *objects) {
    const Members fixed(*object, in.where("fixed_ips"));
    FixedIpRequest one;
    CLOUDOS_CHECK(put_text(fixed, "subnet_id", one.subnet.value));
    CLOUDOS_CHECK(put_text(fixed, "ip_address", one.address));
    CLOUDOS_CHECK(fixed.no_others());
    asked.push_back(std::move(one));
  }
  return std::optional(std::move(asked));
}

Result<std::optional<std::vector<AllowedAddressPair>>> decode_pairs(const Members& in) {
  CLOUDOS_TRY(const auto objects, list_of_objects(in, "allowed_address_pairs"));
  if (!objects) return std::optional<std::vector<AllowedAddressPair>>();
  std::vector<AllowedAddressPair> pairs;
  for (const json* object : *objects) {
    const Members pair(*object, in.where("allowed_address_pairs"));
    AllowedAddressPair one;
    CLOUDOS_TRY(one.address, pair.text("ip_address"));
    CLOUDOS_CHECK(put_text(pair, "mac_address", one.mac));
    CLOUDOS_CHECK(pair.no_others());
    pairs.push_back(std::move(one));
  }
  return std::optional(std::move(pairs));
}

Result<std::optional<std::vector<SecurityGroupId>>> decode_groups(const Members& in) {
  CLOUDOS_TRY(auto texts, in.maybe_text_list("security_groups"));
  if (!texts) return std::optional<std::vector<SecurityGroupId>>();
  std::vector<SecurityGroupId> groups;
  for (std::string& text : *texts) {
    SecurityGroupId id{std::move(text)};
    if (std::find(groups.begin(), groups.end(), id) != groups.end())
      return bad_body(in.where("security_groups") + " names a group twice");
    groups.push_back(std::move(id));
  }
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

/// extra_dhcp_opts; a value of null takes the option away.
Result<std::optional<std::vector<DhcpOption>>> decode_dhcp_options(const Members& in) {
  CLOUDOS_TRY(const auto objects, list_of_objects(in, "extra_dhcp_opts"));
  if (!objects) return std::optional<std::vector<DhcpOption>>();
  std::vector<DhcpOption> options;
  for (const json* object : *objects) {
    const Members option(*object, in.where("extra_dhcp_opts"));
    DhcpOption one;
    CLOUDOS_TRY(one.name, option.text("opt_name"));
    if (!option.is_null("opt_value")) {
      CLOUDOS_TRY(one.value, option.text("opt_value"));
      if (one.value.empty()) return bad_body(option.where("opt_value") + " is empty");
    }
    CLOUDOS_TRY(const auto version, option.maybe_integer("ip_version", 4, 6));
    one.ip_version = static_cast<unsigned>(version.value_or(4));
    if (one.ip_version == 5) return bad_body(option.where("ip_version") + " must be 4 or 6");
    CLOUDOS_CHECK(option.no_others());
    options.push_back(std::move(one));
  }
  return std::optional(std::move(options));
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

Result<void> check_uuid(const Members& in, std::string_view name) {
  CLOUDOS_TRY(const auto text, in.maybe_text(name));
  if (!text || text->empty() || is_uuid_like(*text)) return Result<void>();
  return bad_body(fmt::format("{}: '{}' is not a valid UUID", in.where(name), text->substr(0, 64)));
}

Result<std::optional<ProjectId>> decode_project(const Members& in) {
  CLOUDOS_TRY(auto project, in.maybe_id<ProjectId>("project_id"));
  CLOUDOS_TRY(auto tenant, in.maybe_id<ProjectId>("tenant_id"));
  if (project && tenant && *project != *tenant)
    return bad_body("'project_id' and 'tenant_id' do not match");
  return project ? project : tenant;
}

// ---- networks -----------------------------------------------------------------------------------

namespace {

Result<std::vector<NetworkCreate::Segment>> decode_segments(const Members& in) {
  std::vector<NetworkCreate::Segment> segments;
  CLOUDOS_TRY(const auto objects, list_of_objects(in, "segments"));
  if (!objects) return segments;
  for (const json* object : *objects) {
    const Members segment(*object, in.where("segments"));
    NetworkCreate::Segment one;
    CLOUDOS_TRY(one.network_type, segment.text("provider:network_type"));
    CLOUDOS_CHECK(put_text(segment, "provider:physical_network", one.physical_network));
    CLOUDOS_TRY(one.segmentation_id, maybe_number(segment, "provider:segmentation_id"));
    CLOUDOS_CHECK(segment.no_others());
    segments.push_back(std::move(one));
  }
  return segments;
}

/// The provider attributes; a network of several segments has a list of them.
void write_provider(Fields& out, const Network& network) {
  auto segments = network_segments(network);
  std::erase_if(segments, [](const NetworkSegment& one) { return one.dynamic; });
  if (segments.size() > 1) {
    if (!out.wants("segments")) return;
    out.w.key("segments").open_list();
    for (const NetworkSegment& one : segments) {
      out.w.open().member("provider:network_type", one.network_type);
      out.w.member_or_null("provider:physical_network", one.physical_network);
      out.w.member("provider:segmentation_id", one.segmentation_id).close();
    }
    out.w.close_list();
    return;
  }
  out.member("provider:network_type", network.network_type);
  out.text_or_null("provider:physical_network", network.physical_network);
  out.member("provider:segmentation_id", network.segmentation_id);
}

}  // namespace

Result<NetworkCreate> decode_network(const Members& in) {
  NetworkCreate spec;
  CLOUDOS_CHECK(put_text(in, "name", spec.name));
  CLOUDOS_CHECK(put_text(in, "description", spec.description));
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
  CLOUDOS_TRY(spec.segments, decode_segments(in));
  CLOUDOS_CHECK(put_text(in, "dns_domain", spec.dns_domain));
  CLOUDOS_CHECK(in.flag("is_default", spec.is_default));
  CLOUDOS_CHECK(put_text(in, "qos_policy_id", spec.qos_policy.value));
  CLOUDOS_TRY(auto zones, in.maybe_text_list("availability_zone_hints"));
  if (zones) spec.zone_hints = std::move(*zones);
  CLOUDOS_TRY(auto tags, in.maybe_text_list("tags"));
  if (tags) spec.tags = std::move(*tags);
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
  CLOUDOS_TRY(change.dns_domain, clearable_text(in, "dns_domain"));
  CLOUDOS_TRY(change.is_default, in.maybe_flag("is_default"));
  CLOUDOS_TRY(auto policy, clearable_text(in, "qos_policy_id"));
  if (policy) change.qos_policy = QosPolicyId{std::move(*policy)};
  CLOUDOS_CHECK(no_other_changes(
      in, {"provider:network_type", "provider:physical_network", "provider:segmentation_id",
           "segments", "availability_zone_hints", "availability_zones", "subnets"}));
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
  out.member("dns_domain", network.dns_domain);
  out.member("is_default", network.is_default);
  out.text_or_null("qos_policy_id", network.qos_policy.value);
  out.member("availability_zone_hints", network.zone_hints);
  // The one zone there is, once something in it serves the network.
  if (out.wants("availability_zones")) {
    out.w.key("availability_zones").open_list();
    if (!network.dhcp_port.empty()) out.w.value("nova");
    out.w.close_list();
  }
  if (out.wants("subnets")) {
    out.w.key("subnets").open_list();
    for (const SubnetId& id : network.subnets) out.w.value(id.value);
    out.w.close_list();
  }
  if (ctx.is_admin) write_provider(out, network);
}

// ---- ports --------------------------------------------------------------------------------------

Result<PortCreate> decode_port(const Members& in) {
  PortCreate spec;
  CLOUDOS_TRY(spec.network, in.id<NetworkId>("network_id"));
  CLOUDOS_CHECK(put_text(in, "name", spec.name));
  CLOUDOS_CHECK(put_text(in, "description", spec.description));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_CHECK(in.flag("admin_state_up", spec.admin_up));
  CLOUDOS_CHECK(put_text(in, "mac_address", spec.mac));
  CLOUDOS_TRY(spec.fixed_ips, decode_fixed_ips(in));
  CLOUDOS_CHECK(put_text(in, "device_id", spec.device_id));
  CLOUDOS_CHECK(put_text(in, "device_owner", spec.device_owner));
  CLOUDOS_TRY(spec.security_groups, decode_groups(in));
  CLOUDOS_TRY(spec.port_security, in.maybe_flag("port_security_enabled"));
  CLOUDOS_TRY(auto pairs, decode_pairs(in));
  if (pairs) spec.allowed_address_pairs = std::move(*pairs);
  CLOUDOS_CHECK(put_text(in, "binding:host_id", spec.host));
  CLOUDOS_CHECK(put_text(in, "binding:vnic_type", spec.vnic_type));
  CLOUDOS_TRY(auto profile, decode_profile(in));
  if (profile) spec.profile = std::move(*profile);
  CLOUDOS_TRY(auto options, decode_dhcp_options(in));
  if (options) spec.dhcp_options = std::move(*options);
  CLOUDOS_CHECK(put_text(in, "qos_policy_id", spec.qos_policy.value));
  CLOUDOS_CHECK(put_text(in, "dns_name", spec.dns_name));
  CLOUDOS_CHECK(put_text(in, "dns_domain", spec.dns_domain));
  CLOUDOS_CHECK(in.flag("propagate_uplink_status", spec.propagate_uplink_status));
  CLOUDOS_CHECK(put_text(in, "numa_affinity_policy", spec.numa_affinity));
  CLOUDOS_TRY(auto tags, in.maybe_text_list("tags"));
  if (tags) spec.tags = std::move(*tags);
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
  CLOUDOS_TRY(change.dhcp_options, decode_dhcp_options(in));
  CLOUDOS_TRY(auto policy, clearable_text(in, "qos_policy_id"));
  if (policy) change.qos_policy = QosPolicyId{std::move(*policy)};
  CLOUDOS_TRY(change.dns_name, clearable_text(in, "dns_name"));
  CLOUDOS_TRY(change.dns_domain, clearable_text(in, "dns_domain"));
  CLOUDOS_TRY(change.propagate_uplink_status, in.maybe_flag("propagate_uplink_status"));
  CLOUDOS_TRY(change.numa_affinity, clearable_text(in, "numa_affinity_policy"));
  CLOUDOS_CHECK(no_other_changes(
      in, {"network_id", "dns_assignment", "binding:vif_type", "binding:vif_details"}));
  return change;
}

namespace {

/// What resolves to the port: as the DHCP server's names go.
void write_dns(Fields& out, const Port& port, const Network* network, const std::string& cloud) {
  std::string domain = !port.dns_domain.empty() ? port.dns_domain
                       : network                ? network->dns_domain
                                                : "";
  if (domain.empty()) domain = cloud + ".";
  out.w.key("dns_assignment").open_list();
  for (const FixedIp& fixed : port.fixed_ips) {
    std::string name = port.dns_name;
    if (name.empty()) {
      name = "host-" + fixed.address;
      for (char& c : name)
        if (c == '.' || c == ':') c = '-';
      while (name.back() == '-') name.pop_back();
    }
    const std::string full = name + "." + domain;
    out.w.open().member("hostname", name).member("fqdn", full);
    out.w.member("ip_address", fixed.address).close();
  }
  out.w.close_list();
}

void write_trunk_details(Fields& out, const Trunk& trunk, const PortExtra& extra) {
  out.w.key("trunk_details").open().member("trunk_id", trunk.id.value);
  out.w.key("sub_ports").open_list();
  for (const SubPort& sub : trunk.sub_ports) {
    out.w.open().member("port_id", sub.port.value);
    out.w.member("segmentation_type", sub.segmentation_type);
    out.w.member("segmentation_id", sub.segmentation_id);
    const auto mac = extra.macs.find(sub.port);
    out.w.member_or_null("mac_address", mac == extra.macs.end() ? "" : mac->second).close();
  }
  out.w.close_list().close();
}

}  // namespace

Result<PortExtra> port_extra(const Call& call, const std::vector<Port>& ports,
                             const std::set<std::string, std::less<>>& fields) {
  PortExtra extra;
  const auto wants = [&](std::string_view name) { return fields.empty() || fields.count(name); };
  auto& networks = call.cloud.networks();
  extra.dns_domain = networks.dns_domain();
  for (const Port& port : ports) {
    if ((wants("dns_assignment") || wants("qos_network_policy_id")) &&
        !extra.networks.count(port.network)) {
      // Its owner need not see a network that is shared no longer.
      auto network = networks.network(call.ctx, port.network);
      if (network) extra.networks.emplace(port.network, std::move(*network));
    }
    if (port.trunk.empty() || port.sub_of_trunk || !wants("trunk_details")) continue;
    auto trunk = networks.trunks().trunk(call.ctx, port.trunk);
    if (!trunk) continue;
    for (const SubPort& sub : trunk->sub_ports)
      if (auto carried = networks.port(call.ctx, sub.port))
        extra.macs.emplace(sub.port, std::move(carried->mac));
    extra.trunks.emplace(port.trunk, std::move(*trunk));
  }
  return extra;
}

void write_port(Fields& out, const Context& ctx, const Port& port, const PortExtra& extra) {
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
  out.member("ip_allocation", port.deferred_addresses ? "deferred"
                              : port.fixed_ips.empty() ? "none"
                                                       : "immediate");
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
  if (out.wants("extra_dhcp_opts")) {
    out.w.key("extra_dhcp_opts").open_list();
    for (const DhcpOption& option : port.dhcp_options) {
      out.w.open().member("opt_name", option.name).member("opt_value", option.value);
      out.w.member("ip_version", option.ip_version).close();
    }
    out.w.close_list();
  }
  const auto found = extra.networks.find(port.network);
  const Network* network = found == extra.networks.end() ? nullptr : &found->second;
  out.member("dns_name", port.dns_name);
  out.member("dns_domain", port.dns_domain);
  if (out.wants("dns_assignment")) write_dns(out, port, network, extra.dns_domain);
  out.text_or_null("qos_policy_id", port.qos_policy.value);
  out.text_or_null("qos_network_policy_id", network ? network->qos_policy.value : "");
  out.member("propagate_uplink_status", port.propagate_uplink_status);
  out.text_or_null("numa_affinity_policy", port.numa_affinity);
  if (const auto trunk = extra.trunks.find(port.trunk);
      trunk != extra.trunks.end() && out.wants("trunk_details"))
    write_trunk_details(out, trunk->second, extra);
  if (!ctx.is_admin) return;
  out.member("binding:host_id", port.host);
  out.member("binding:vif_type", port.vif_type);
  if (out.wants("binding:profile")) out.w.key("binding:profile").literal(port.profile);
  if (out.wants("binding:vif_details")) write_details(out.w, port.vif_details);
}

// ---- security groups ----------------------------------------------------------------------------

Result<SecurityGroupCreate> decode_group(const Members& in) {
  SecurityGroupCreate spec;
  CLOUDOS_CHECK(put_text(in, "name", spec.name));
  CLOUDOS_CHECK(put_text(in, "description", spec.description));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_CHECK(in.flag("stateful", spec.stateful));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<SecurityGroupUpdate> decode_group_update(const Members& in) {
  SecurityGroupUpdate change;
  CLOUDOS_TRY(change.name, in.maybe_text("name"));
  CLOUDOS_TRY(change.description, in.maybe_text("description"));
  CLOUDOS_TRY(change.stateful, in.maybe_flag("stateful"));
  CLOUDOS_CHECK(no_other_changes(in, {"security_group_rules"}));
  return change;
}

void write_group(Fields& out, const SecurityGroup& group,
                 const std::vector<SecurityGroupRule>& rules) {
  write_common(out, group);
  out.member("name", group.name);
  out.member("stateful", group.stateful);
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

Result<void> decode_rule_match(const Members& in, SecurityGroupRuleCreate& rule) {
  CLOUDOS_TRY(rule.direction, in.text("direction"));
  CLOUDOS_CHECK(put_text(in, "description", rule.description));
  CLOUDOS_CHECK(put_text(in, "ethertype", rule.ethertype));
  // A protocol is a name or a number, and clients send the number as either.
  if (const json* protocol = in.raw("protocol"); protocol && protocol->is_number_integer())
    rule.protocol = protocol->dump();
  else
    CLOUDOS_CHECK(put_text(in, "protocol", rule.protocol));
  CLOUDOS_TRY(rule.port_min, in.maybe_integer("port_range_min"));
  CLOUDOS_TRY(rule.port_max, in.maybe_integer("port_range_max"));
  CLOUDOS_CHECK(put_text(in, "remote_ip_prefix", rule.remote_cidr));
  CLOUDOS_CHECK(put_text(in, "remote_group_id", rule.remote_group.value));
  return put_text(in, "remote_address_group_id", rule.remote_address_group.value);
}

Result<SecurityGroupRuleCreate> decode_rule(const Members& in) {
  SecurityGroupRuleCreate spec;
  CLOUDOS_TRY(spec.group, in.id<SecurityGroupId>("security_group_id"));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_CHECK(decode_rule_match(in, spec));
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
  out.text_or_null("remote_address_group_id", rule.remote_address_group.value);
}

}  // namespace cloudos::rest::network_api
