#include "network/lists.hpp"

#include <algorithm>

#include "network/impl.hpp"
#include "network/listing.hpp"

namespace cloudos {

using network::Attribute;

std::optional<network::Attribute> list_attribute(const Network& n, std::string_view name) {
  if (name == "admin_state_up") return Attribute::flag(n.admin_up);
  if (name == "shared") return Attribute::flag(n.shared);
  if (name == "router:external") return Attribute::flag(n.external);
  if (name == "port_security_enabled") return Attribute::flag(n.port_security);
  if (name == "mtu") return Attribute::number(n.mtu);
  if (name == "status") return Attribute::text("ACTIVE");
  if (name == "provider:network_type") return Attribute::text(n.network_type);
  if (name == "provider:physical_network") return Attribute::text(n.physical_network);
  if (name == "provider:segmentation_id") return Attribute::number(n.segmentation_id);
  if (name == "dns_domain") return Attribute::text(n.dns_domain);
  if (name == "is_default") return Attribute::flag(n.is_default);
  if (name == "qos_policy_id") return Attribute::text(n.qos_policy.value);
  if (name == "availability_zone_hints") return Attribute::texts(n.zone_hints);
  if (name == "subnets") {
    Attribute all;
    for (const SubnetId& id : n.subnets) all.values.push_back(id.value);
    return all;
  }
  return network::common_attribute(n, name);
}

std::optional<network::Attribute> list_attribute(const Subnet& s, std::string_view name) {
  if (name == "network_id") return Attribute::text(s.network.value);
  if (name == "cidr") return Attribute::text(s.cidr);
  if (name == "gateway_ip") return Attribute::text(s.gateway);
  if (name == "enable_dhcp") return Attribute::flag(s.dhcp);
  if (name == "ip_version") return Attribute::number(std::uint64_t{s.v6() ? 6U : 4U});
  if (name == "shared") return Attribute::flag(s.shared);
  if (name == "dns_nameservers") return Attribute::texts(s.dns_servers);
  if (name == "ipv6_address_mode") return Attribute::text(s.address_mode);
  if (name == "ipv6_ra_mode") return Attribute::text(s.ra_mode);
  if (name == "subnetpool_id") return Attribute::text(s.pool.value);
  if (name == "segment_id") return Attribute::text(s.segment.value);
  if (name == "service_types") return Attribute::texts(s.service_types);
  if (name == "dns_publish_fixed_ip") return Attribute::flag(s.dns_publish_fixed_ip);
  return network::common_attribute(s, name);
}

std::optional<network::Attribute> list_attribute(const Port& p, std::string_view name) {
  if (name == "network_id") return Attribute::text(p.network.value);
  if (name == "admin_state_up") return Attribute::flag(p.admin_up);
  if (name == "mac_address") return Attribute::text(p.mac);
  if (name == "device_id") return Attribute::text(p.device_id);
  if (name == "device_owner") return Attribute::text(p.device_owner);
  if (name == "status") return Attribute::text(p.status() == PortStatus::Active ? "ACTIVE" : "DOWN");
  if (name == "port_security_enabled") return Attribute::flag(p.port_security);
  if (name == "dns_name") return Attribute::text(p.dns_name);
  if (name == "dns_domain") return Attribute::text(p.dns_domain);
  if (name == "qos_policy_id") return Attribute::text(p.qos_policy.value);
  if (name == "propagate_uplink_status") return Attribute::flag(p.propagate_uplink_status);
  if (name == "numa_affinity_policy") return Attribute::text(p.numa_affinity);
  if (name == "binding:host_id") return Attribute::text(p.host);
  if (name == "binding:vnic_type") return Attribute::text(p.vnic_type);
  if (name == "binding:vif_type") return Attribute::text(p.vif_type);
  Attribute all;
  if (name == "security_groups") {
    for (const SecurityGroupId& id : p.security_groups) all.values.push_back(id.value);
    return all;
  }
  if (name == "fixed_ips.ip_address" || name == "fixed_ips.ip_address_substr") {
    for (const FixedIp& fixed : p.fixed_ips) all.values.push_back(fixed.address);
    return all;
  }
  if (name == "fixed_ips.subnet_id") {
    for (const FixedIp& fixed : p.fixed_ips) all.values.push_back(fixed.subnet.value);
    return all;
  }
  return network::common_attribute(p, name);
}

std::optional<network::Attribute> list_attribute(const SecurityGroup& g, std::string_view name) {
  if (name == "stateful") return Attribute::flag(g.stateful);
  return network::common_attribute(g, name);
}

std::optional<network::Attribute> list_attribute(const SecurityGroupRule& r, std::string_view name) {
  if (name == "security_group_id") return Attribute::text(r.group.value);
  if (name == "direction") return Attribute::text(r.ingress ? "ingress" : "egress");
  if (name == "ethertype") return Attribute::text(r.ipv6 ? "IPv6" : "IPv4");
  if (name == "protocol") return Attribute::text(r.protocol);
  if (name == "port_range_min") return Attribute::number(r.port_min);
  if (name == "port_range_max") return Attribute::number(r.port_max);
  if (name == "remote_ip_prefix") return Attribute::text(r.remote_cidr);
  if (name == "remote_group_id") return Attribute::text(r.remote_group.value);
  if (name == "remote_address_group_id") return Attribute::text(r.remote_address_group.value);
  return network::common_attribute(r, name);
}


network::ListIndexes list_indexes(const Port*) {
  return {{"device_id", "device"}, {"fixed_ips.subnet_id", "subnet"}, {"network_id", "network"},
          {"security_groups", "group"}};
}
network::ListIndexes list_indexes(const Subnet*) { return {{"network_id", "network"}}; }
network::ListIndexes list_indexes(const SecurityGroupRule*) {
  return {{"security_group_id", "group"}, {"remote_group_id", "remote"}};
}

namespace network {

// ---- filters ------------------------------------------------------------------------------------

namespace {

bool is_tag_filter(std::string_view name) {
  return name == "tags" || name == "tags-any" || name == "not-tags" || name == "not-tags-any";
}

std::string folded_flag(const std::string& value) {
  const std::string lower = fold_case(value);
  if (lower == "1" || lower == "yes" || lower == "on") return "true";
  if (lower == "0" || lower == "no" || lower == "off") return "false";
  return lower;
}

/// "a,b" within "a,b,c": tags hold no commas.
bool tags_match(const std::string& name, const std::string& wanted,
                const std::vector<std::string>& held) {
  const auto has = [&](const std::string& tag) {
    return std::find(held.begin(), held.end(), tag) != held.end();
  };
  std::size_t all = 0, present = 0;
  for (std::size_t from = 0; from <= wanted.size();) {
    const auto comma = std::min(wanted.find(',', from), wanted.size());
    ++all;
    present += has(wanted.substr(from, comma - from)) ? 1 : 0;
    from = comma + 1;
  }
  if (name == "tags") return present == all;
  if (name == "tags-any") return present > 0;
  if (name == "not-tags") return present < all;
  return present == 0;
}

}  // namespace

Result<void> normalise_filter(std::string& name, std::string& value) {
  if (name != "fixed_ips") return Result<void>();
  const auto equals = value.find('=');
  if (equals == value.npos)
    return invalid("fixed_ips: filter by ip_address=..., ip_address_substr=... or subnet_id=...");
  name += "." + value.substr(0, equals);
  value = value.substr(equals + 1);
  return Result<void>();
}

Result<void> normalise_value(const Attribute& of, const std::string& name, std::string& value) {
  if (of.kind == Attribute::Kind::Flag) value = folded_flag(value);
  if (name != "changed_since") return Result<void>();
  const auto time = parse_time(value);
  if (!time) {
    return invalid(fmt::format("The input changed_since must be in the following format: "
                               "YYYY-MM-DDTHH:MM:SS[Z], not '{}'", value.substr(0, 64)));
  }
  value = format_time(*time);
  return Result<void>();
}

Result<std::vector<ListFilter>> filters_by(
    const NetworkListSpec& spec,
    const FunctionRef<std::optional<Attribute>(std::string_view name)>& known) {
  std::vector<ListFilter> filters;
  for (const auto& [asked, asked_value] : spec.filters) {
    std::string name = asked, value = asked_value;
    CLOUDOS_CHECK(normalise_filter(name, value));
    const auto attribute = known(name);
    if (!attribute) return bad_filter(asked);
    CLOUDOS_CHECK(normalise_value(*attribute, name, value));
    const auto same =
        std::find_if(filters.begin(), filters.end(),
                     [&](const ListFilter& filter) { return filter.attribute == name; });
    if (same != filters.end()) same->values.insert(std::move(value));
    else filters.push_back({std::move(name), {std::move(value)}});
  }
  return filters;
}

Failure bad_filter(std::string_view name) {
  return fail_as("HTTPBadRequest", ErrorCode::InvalidArgument,
                 fmt::format("[{}] is invalid attribute for filtering", name.substr(0, 64)));
}

Failure bad_sort_key(std::string_view name) {
  return fail_as("HTTPBadRequest", ErrorCode::InvalidArgument,
                 fmt::format("{} is invalid attribute for sort_keys", name.substr(0, 64)));
}

bool filter_matches(const ListFilter& filter, const Attribute& held) {
  if (is_tag_filter(filter.attribute)) {
    return std::all_of(filter.values.begin(), filter.values.end(), [&](const auto& wanted) {
      return tags_match(filter.attribute, wanted, held.values);
    });
  }
  if (filter.attribute == "changed_since") return held.values[0] >= *filter.values.begin();
  if (held.values.empty() && filter.values.count("")) return true;
  const bool part = filter.attribute == "fixed_ips.ip_address_substr";
  return std::any_of(held.values.begin(), held.values.end(), [&](const std::string& value) {
    if (!part) return filter.values.count(value) > 0;
    return std::any_of(filter.values.begin(), filter.values.end(), [&](const auto& wanted) {
      return value.find(wanted) != value.npos;
    });
  });
}

int compare_attributes(const std::optional<Attribute>& left,
                       const std::optional<Attribute>& right) {
  if (!left || !right) return 0;
  const bool numbers = left->kind == Attribute::Kind::Number;
  if (numbers && !left->values.empty() && !right->values.empty()) {
    const auto l = parse_unsigned(left->values[0]), r = parse_unsigned(right->values[0]);
    if (l && r) return *l < *r ? -1 : *l > *r;
  }
  return left->values < right->values ? -1 : right->values < left->values;
}

}  // namespace network

Result<std::vector<Network>> Networks::networks(const Context& ctx,
                                                const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::list_records<Network>(*snapshot, ctx, spec);
}

Result<std::vector<Subnet>> Networks::subnets(const Context& ctx,
                                              const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::list_records<Subnet>(*snapshot, ctx, spec);
}

Result<std::vector<Port>> Networks::ports(const Context& ctx, const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::list_records<Port>(*snapshot, ctx, spec);
}

namespace network {
namespace {

/// The projects whose groups a list may show: the caller's, and those that an admin asks for.
Result<void> ensure_listed_groups(Networks::Impl& impl, const Context& ctx,
                                  const NetworkListSpec& spec) {
  CLOUDOS_CHECK(impl.ensure_default_group(ctx.project));
  if (!ctx.is_admin) return Result<void>();
  for (const auto& [name, value] : spec.filters) {
    if ((name == "project_id" || name == "tenant_id") && is_uuid_like(value))
      CLOUDOS_CHECK(impl.ensure_default_group(ProjectId{value}));
  }
  return Result<void>();
}

}  // namespace
}  // namespace network

Result<std::vector<SecurityGroup>> Networks::groups(const Context& ctx,
                                                    const NetworkListSpec& spec) {
  CLOUDOS_CHECK(network::ensure_listed_groups(*impl_, ctx, spec));
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::list_records<SecurityGroup>(*snapshot, ctx, spec);
}

Result<std::vector<SecurityGroupRule>> Networks::rules(const Context& ctx,
                                                       const NetworkListSpec& spec) {
  CLOUDOS_CHECK(network::ensure_listed_groups(*impl_, ctx, spec));
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::list_records<SecurityGroupRule>(*snapshot, ctx, spec);
}

}  // namespace cloudos
