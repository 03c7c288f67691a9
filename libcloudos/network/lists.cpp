#include "network/lists.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.hpp"
#include "network/impl.hpp"

namespace cloudos {
namespace network {
namespace {

Attribute text(std::string value) { return {Attribute::Kind::Text, {std::move(value)}}; }
Attribute flag(bool value) { return {Attribute::Kind::Flag, {value ? "true" : "false"}}; }
Attribute number(std::uint64_t value) {
  return {Attribute::Kind::Number, {std::to_string(value)}};
}
Attribute number(const std::optional<std::uint32_t>& value) {
  return value ? number(*value) : Attribute{Attribute::Kind::Number, {}};
}

/// What every resource has.
template <class T>
std::optional<Attribute> common(const T& record, std::string_view name) {
  if (name == "id") return text(record.id.value);
  if (name == "project_id" || name == "tenant_id") return text(record.project.value);
  if (name == "description") return text(record.description);
  if (name == "created_at") return text(format_time(record.created_at));
  if (name == "updated_at") return text(format_time(record.updated_at));
  if (name == "revision_number") return number(record.generation);
  if constexpr (!std::is_same_v<T, SecurityGroupRule>) {
    if (name == "name") return text(record.name);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Attribute> attribute(const Network& n, std::string_view name) {
  if (name == "admin_state_up") return flag(n.admin_up);
  if (name == "shared") return flag(n.shared);
  if (name == "router:external") return flag(n.external);
  if (name == "port_security_enabled") return flag(n.port_security);
  if (name == "mtu") return number(n.mtu);
  if (name == "status") return text("ACTIVE");
  if (name == "provider:network_type") return text(n.network_type);
  if (name == "provider:physical_network") return text(n.physical_network);
  if (name == "provider:segmentation_id") return number(n.segmentation_id);
  if (name == "subnets") {
    Attribute all;
    for (const SubnetId& id : n.subnets) all.values.push_back(id.value);
    return all;
  }
  return common(n, name);
}

std::optional<Attribute> attribute(const Subnet& s, std::string_view name) {
  if (name == "network_id") return text(s.network.value);
  if (name == "cidr") return text(s.cidr);
  if (name == "gateway_ip") return text(s.gateway);
  if (name == "enable_dhcp") return flag(s.dhcp);
  if (name == "ip_version") return number(std::uint64_t{4});
  if (name == "shared") return flag(s.shared);
  if (name == "dns_nameservers") return Attribute{Attribute::Kind::Text, s.dns_servers};
  // What only IPv6 and pools have, and clients filter by: here it is nothing.
  if (name == "ipv6_address_mode" || name == "ipv6_ra_mode" || name == "subnetpool_id")
    return Attribute{};
  return common(s, name);
}

std::optional<Attribute> attribute(const Port& p, std::string_view name) {
  if (name == "network_id") return text(p.network.value);
  if (name == "admin_state_up") return flag(p.admin_up);
  if (name == "mac_address") return text(p.mac);
  if (name == "device_id") return text(p.device_id);
  if (name == "device_owner") return text(p.device_owner);
  if (name == "status") return text(p.status() == PortStatus::Active ? "ACTIVE" : "DOWN");
  if (name == "port_security_enabled") return flag(p.port_security);
  if (name == "binding:host_id") return text(p.host);
  if (name == "binding:vnic_type") return text(p.vnic_type);
  if (name == "binding:vif_type") return text(p.vif_type);
  Attribute all;
  if (name == "security_groups") {
    for (const SecurityGroupId& id : p.security_groups) all.values.push_back(id.value);
    return all;
  }
  if (name == "fixed_ips.ip_address") {
    for (const FixedIp& fixed : p.fixed_ips) all.values.push_back(fixed.address);
    return all;
  }
  if (name == "fixed_ips.subnet_id") {
    for (const FixedIp& fixed : p.fixed_ips) all.values.push_back(fixed.subnet.value);
    return all;
  }
  return common(p, name);
}

std::optional<Attribute> attribute(const SecurityGroup& g, std::string_view name) {
  return common(g, name);
}

std::optional<Attribute> attribute(const SecurityGroupRule& r, std::string_view name) {
  if (name == "security_group_id") return text(r.group.value);
  if (name == "direction") return text(r.ingress ? "ingress" : "egress");
  if (name == "ethertype") return text(r.ipv6 ? "IPv6" : "IPv4");
  if (name == "protocol") return text(r.protocol);
  if (name == "port_range_min") return number(r.port_min);
  if (name == "port_range_max") return number(r.port_max);
  if (name == "remote_ip_prefix") return text(r.remote_cidr);
  if (name == "remote_group_id") return text(r.remote_group.value);
  return common(r, name);
}

namespace {

/// What only admins are shown only admins filter and sort by: the answer would tell it.
template <class T>
std::optional<Attribute> attribute_for(const Context& ctx, std::string_view name) {
  if (!ctx.is_admin && (name.starts_with("provider:") || name == "binding:host_id" ||
                        name == "binding:vif_type")) {
    return std::nullopt;
  }
  return attribute(T{}, name);
}

struct Filter {
  std::string attribute;
  std::set<std::string> values;
};

std::string folded_flag(const std::string& value) {
  const std::string lower = fold_case(value);
  if (lower == "1" || lower == "yes" || lower == "on") return "true";
  if (lower == "0" || lower == "no" || lower == "off") return "false";
  return lower;
}

template <class T>
Result<std::vector<Filter>> filters_of(const Context& ctx, const NetworkListSpec& spec) {
  std::vector<Filter> filters;
  for (const auto& [asked, asked_value] : spec.filters) {
    std::string name = asked, value = asked_value;
    if (name == "fixed_ips") {
      const auto equals = value.find('=');
      if (equals == value.npos)
        return invalid("fixed_ips: filter by ip_address=... or subnet_id=...");
      name += "." + value.substr(0, equals);
      value = value.substr(equals + 1);
    }
    const auto known = attribute_for<T>(ctx, name);
    if (!known) {
      return fail_as("HTTPBadRequest", ErrorCode::InvalidArgument,
                     fmt::format("[{}] is invalid attribute for filtering", asked.substr(0, 64)));
    }
    if (known->kind == Attribute::Kind::Flag) value = folded_flag(value);
    const auto same = std::find_if(filters.begin(), filters.end(),
                                   [&](const Filter& filter) { return filter.attribute == name; });
    if (same != filters.end()) same->values.insert(std::move(value));
    else filters.push_back({std::move(name), {std::move(value)}});
  }
  return filters;
}

template <class T>
bool passes(const T& record, const std::vector<Filter>& filters) {
  for (const Filter& filter : filters) {
    const auto held = attribute(record, filter.attribute);
    if (!held) return false;
    if (held->values.empty() && filter.values.count("")) continue;
    const bool any = std::any_of(held->values.begin(), held->values.end(), [&](const auto& value) {
      return filter.values.count(value) > 0;
    });
    if (!any) return false;
  }
  return true;
}

/// Less, equal or more by one attribute; what has no value comes first.
template <class T>
int order(const T& a, const T& b, const std::string& name) {
  const auto left = attribute(a, name), right = attribute(b, name);
  if (!left || !right) return 0;
  const bool numbers = left->kind == Attribute::Kind::Number;
  if (numbers && !left->values.empty() && !right->values.empty()) {
    const auto l = parse_unsigned(left->values[0]), r = parse_unsigned(right->values[0]);
    if (l && r) return *l < *r ? -1 : *l > *r;
  }
  return left->values < right->values ? -1 : right->values < left->values;
}

template <class T>
Result<std::function<bool(const T&, const T&)>> order_of(const Context& ctx,
                                                             const NetworkListSpec& spec) {
  for (const auto& key : spec.sort) {
    if (!attribute_for<T>(ctx, key.attribute)) {
      return fail_as("HTTPBadRequest", ErrorCode::InvalidArgument,
                     fmt::format("{} is invalid attribute for sort_keys",
                                 key.attribute.substr(0, 64)));
    }
  }
  if (spec.sort.empty()) return std::function<bool(const T&, const T&)>();
  return std::function<bool(const T&, const T&)>([keys = spec.sort](const T& a, const T& b) {
    for (const auto& key : keys)
      if (const int way = order(a, b, key.attribute)) return key.descending ? way > 0 : way < 0;
    return a.id < b.id;
  });
}

/// The indexes under which all that may match lies: the narrowest the filters allow.
template <class T>
std::vector<records::Range> ranges_of(const Context& ctx, const std::vector<Filter>& filters) {
  using Index = std::pair<std::string_view, std::string_view>;  // attribute, index
  std::vector<Index> indexes;
  if constexpr (std::is_same_v<T, Port>) {
    indexes = {{"device_id", "device"}, {"fixed_ips.subnet_id", "subnet"},
               {"network_id", "network"}, {"security_groups", "group"}};
  } else if constexpr (std::is_same_v<T, Subnet>) {
    indexes = {{"network_id", "network"}};
  } else if constexpr (std::is_same_v<T, SecurityGroupRule>) {
    indexes = {{"security_group_id", "group"}, {"remote_group_id", "remote"}};
  }
  for (const auto& [name, index] : indexes) {
    for (const Filter& filter : filters) {
      if (filter.attribute != name || filter.values.count("")) continue;
      std::vector<records::Range> ranges;
      for (const std::string& value : filter.values)
        ranges.push_back({std::string(index), value, false});
      return ranges;
    }
  }
  if (ctx.is_admin) return {{{}, {}, false}};
  std::vector<records::Range> ranges = {{"project", ctx.project.value, false}};
  if constexpr (std::is_same_v<T, Network> || std::is_same_v<T, Subnet>)
    ranges.push_back({"public", "1", false});
  return ranges;
}

template <class T>
Result<void> gather(const store::Snapshot& snapshot, const Context& ctx,
                    const std::vector<Filter>& filters, std::map<std::string, T>& found) {
  const auto take = [&](T record) {
    if (sees(ctx, record) && passes(record, filters)) {
      std::string id = record.id.value;
      found.emplace(std::move(id), std::move(record));
    }
  };
  for (const Filter& filter : filters) {
    if (filter.attribute != "id") continue;
    for (const std::string& id : filter.values)
      if (auto record = records::get<T>(snapshot, id)) take(std::move(*record));
    return Result<void>();
  }
  for (const records::Range& range : ranges_of<T>(ctx, filters)) {
    CLOUDOS_CHECK(records::walk(snapshot, T::kKind, range, {},
                                [&](const store::Entry& entry) -> Result<bool> {
                                  CLOUDOS_TRY(T record, codec::decode_record<T>(entry.value));
                                  take(std::move(record));
                                  return true;
                                }));
  }
  return Result<void>();
}

/// The page behind (or before) the marker, in the list's order either way.
template <class T>
Result<std::vector<T>> cut_page(std::vector<T> all, const NetworkListSpec& spec) {
  auto from = all.begin(), to = all.end();
  if (!spec.marker.empty()) {
    const auto at = std::find_if(all.begin(), all.end(),
                                 [&](const T& one) { return one.id.value == spec.marker; });
    if (at == all.end()) return missing<T>(spec.marker);
    if (spec.reverse) to = at;
    else from = at + 1;
  }
  const auto size = static_cast<std::size_t>(to - from);
  if (size > spec.limit) {
    const auto limit = static_cast<std::ptrdiff_t>(spec.limit);
    if (spec.reverse) from = to - limit;
    else to = from + limit;
  }
  return std::vector<T>(std::make_move_iterator(from), std::make_move_iterator(to));
}

template <class T>
Result<std::vector<T>> list_records(const store::Snapshot& snapshot, const Context& ctx,
                                    const NetworkListSpec& spec) {
  CLOUDOS_TRY(const auto filters, filters_of<T>(ctx, spec));
  CLOUDOS_TRY(const auto less, order_of<T>(ctx, spec));
  std::map<std::string, T> found;  // By id: that is by creation.
  CLOUDOS_CHECK(gather(snapshot, ctx, filters, found));
  std::vector<T> all;
  all.reserve(found.size());
  for (auto& [id, record] : found) all.push_back(std::move(record));
  if (less) std::sort(all.begin(), all.end(), less);
  return cut_page(std::move(all), spec);
}

}  // namespace
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

Result<std::vector<SecurityGroup>> Networks::groups(const Context& ctx,
                                                    const NetworkListSpec& spec) {
  CLOUDOS_CHECK(impl_->ensure_default_group(ctx.project));
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::list_records<SecurityGroup>(*snapshot, ctx, spec);
}

Result<std::vector<SecurityGroupRule>> Networks::rules(const Context& ctx,
                                                       const NetworkListSpec& spec) {
  CLOUDOS_CHECK(impl_->ensure_default_group(ctx.project));
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::list_records<SecurityGroupRule>(*snapshot, ctx, spec);
}

}  // namespace cloudos
