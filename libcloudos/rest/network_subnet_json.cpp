#include <nlohmann/json.hpp>

#include "rest/network_l3_json.hpp"

namespace cloudos::rest::network_api {

Result<std::optional<std::vector<const nlohmann::json*>>> list_of_objects(const Members& in,
                                                                         std::string_view name) {
  CLOUDOS_TRY(const nlohmann::json* list, in.maybe_array(name));
  if (list == nullptr) return std::optional<std::vector<const nlohmann::json*>>();
  std::vector<const nlohmann::json*> objects;
  for (const nlohmann::json& element : *list) {
    if (!element.is_object())
      return fail(ErrorCode::InvalidArgument, in.where(name) + " must be a list of objects");
    objects.push_back(&element);
  }
  return std::optional(std::move(objects));
}

Result<void> no_other_changes(const Members& in,
                              std::initializer_list<std::string_view> made_once) {
  constexpr std::string_view kOfAll[] = {"id",         "project_id", "tenant_id",       "status",
                                         "created_at", "updated_at", "revision_number", "tags"};
  const auto stays = [&](const auto& names) -> Result<void> {
    for (const std::string_view name : names)
      if (in.has(name))
        return fail(ErrorCode::InvalidArgument, in.where(name) + " cannot be changed");
    return Result<void>();
  };
  CLOUDOS_CHECK(stays(kOfAll));
  CLOUDOS_CHECK(stays(made_once));
  return in.no_others();
}

Result<void> put_text(const Members& in, std::string_view name, std::string& out) {
  CLOUDOS_TRY(auto text, in.maybe_text(name));
  if (text) out = std::move(*text);
  return Result<void>();
}

Result<std::optional<std::uint32_t>> maybe_number(const Members& in, std::string_view name) {
  CLOUDOS_TRY(const auto number, in.maybe_integer(name, 0, UINT32_MAX));
  if (!number) return std::optional<std::uint32_t>();
  return std::optional(static_cast<std::uint32_t>(*number));
}

Result<std::optional<std::vector<HostRoute>>> decode_route_list(const Members& in,
                                                                std::string_view name) {
  CLOUDOS_TRY(const auto objects, list_of_objects(in, name));
  if (!objects) return std::optional<std::vector<HostRoute>>();
  std::vector<HostRoute> routes;
  for (const nlohmann::json* object : *objects) {
    const Members route(*object, in.where(name));
    HostRoute one;
    CLOUDOS_TRY(one.destination, route.text("destination"));
    CLOUDOS_TRY(one.nexthop, route.text("nexthop"));
    CLOUDOS_CHECK(route.no_others());
    routes.push_back(std::move(one));
  }
  return std::optional(std::move(routes));
}

void write_route_list(Fields& out, std::string_view name, const std::vector<HostRoute>& routes) {
  if (!out.wants(name)) return;
  out.w.key(name).open_list();
  for (const HostRoute& route : routes)
    out.w.open().member("destination", route.destination).member("nexthop", route.nexthop).close();
  out.w.close_list();
}

namespace {

Result<std::optional<std::vector<AddressPool>>> decode_address_pools(const Members& in) {
  CLOUDOS_TRY(const auto objects, list_of_objects(in, "allocation_pools"));
  if (!objects) return std::optional<std::vector<AddressPool>>();
  std::vector<AddressPool> pools;
  for (const nlohmann::json* object : *objects) {
    const Members pool(*object, in.where("allocation_pools"));
    AddressPool one;
    CLOUDOS_TRY(one.start, pool.text("start"));
    CLOUDOS_TRY(one.end, pool.text("end"));
    CLOUDOS_CHECK(pool.no_others());
    pools.push_back(std::move(one));
  }
  return std::optional(std::move(pools));
}

/// A gateway: absent, an address, or null for none (empty).
Result<std::optional<std::string>> decode_gateway_ip(const Members& in) {
  if (in.is_null("gateway_ip")) {
    CLOUDOS_CHECK(in.maybe_text("gateway_ip"));
    return std::optional<std::string>("");
  }
  return in.maybe_text("gateway_ip");
}

/// A prefix length, or nothing.
Result<std::optional<unsigned>> decode_length(const Members& in, std::string_view name) {
  CLOUDOS_TRY(const auto number, in.maybe_integer(name, 0, 128));
  if (!number) return std::optional<unsigned>();
  return std::optional(static_cast<unsigned>(*number));
}

}  // namespace

Result<SubnetCreate> decode_subnet(const Members& in) {
  SubnetCreate spec;
  CLOUDOS_TRY(spec.network, in.id<NetworkId>("network_id"));
  CLOUDOS_CHECK(put_text(in, "name", spec.name));
  CLOUDOS_CHECK(put_text(in, "description", spec.description));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_TRY(const auto version, in.integer("ip_version", 0, 255));
  spec.ip_version = static_cast<unsigned>(version);
  CLOUDOS_CHECK(put_text(in, "cidr", spec.cidr));
  CLOUDOS_TRY(spec.gateway, decode_gateway_ip(in));
  CLOUDOS_TRY(spec.pools, decode_address_pools(in));
  CLOUDOS_CHECK(in.flag("enable_dhcp", spec.dhcp));
  CLOUDOS_TRY(auto dns, in.maybe_text_list("dns_nameservers"));
  if (dns) spec.dns_servers = std::move(*dns);
  CLOUDOS_TRY(auto routes, decode_route_list(in, "host_routes"));
  if (routes) spec.host_routes = std::move(*routes);
  CLOUDOS_CHECK(put_text(in, "ipv6_ra_mode", spec.ra_mode));
  CLOUDOS_CHECK(put_text(in, "ipv6_address_mode", spec.address_mode));
  CLOUDOS_CHECK(put_text(in, "subnetpool_id", spec.pool.value));
  CLOUDOS_CHECK(in.flag("use_default_subnetpool", spec.use_default_pool));
  CLOUDOS_TRY(spec.prefix_length, decode_length(in, "prefixlen"));
  CLOUDOS_CHECK(put_text(in, "segment_id", spec.segment.value));
  CLOUDOS_TRY(auto types, in.maybe_text_list("service_types"));
  if (types) spec.service_types = std::move(*types);
  CLOUDOS_CHECK(in.flag("dns_publish_fixed_ip", spec.dns_publish_fixed_ip));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<SubnetUpdate> decode_subnet_update(const Members& in) {
  SubnetUpdate change;
  CLOUDOS_TRY(change.name, in.maybe_text("name"));
  CLOUDOS_TRY(change.description, in.maybe_text("description"));
  CLOUDOS_TRY(change.gateway, decode_gateway_ip(in));
  CLOUDOS_TRY(change.pools, decode_address_pools(in));
  CLOUDOS_TRY(change.dhcp, in.maybe_flag("enable_dhcp"));
  CLOUDOS_TRY(change.dns_servers, in.maybe_text_list("dns_nameservers"));
  CLOUDOS_TRY(change.host_routes, decode_route_list(in, "host_routes"));
  CLOUDOS_TRY(change.service_types, in.maybe_text_list("service_types"));
  CLOUDOS_TRY(change.dns_publish_fixed_ip, in.maybe_flag("dns_publish_fixed_ip"));
  CLOUDOS_TRY(change.segment, in.maybe_id<SegmentId>("segment_id"));
  CLOUDOS_CHECK(no_other_changes(in, {"network_id", "cidr", "ip_version", "ipv6_ra_mode",
                                      "ipv6_address_mode", "subnetpool_id"}));
  return change;
}

void write_subnet(Fields& out, const Subnet& subnet) {
  write_common(out, subnet);
  out.member("name", subnet.name);
  out.member("network_id", subnet.network.value);
  out.member("ip_version", subnet.v6() ? 6 : 4);
  out.member("cidr", subnet.cidr);
  out.text_or_null("gateway_ip", subnet.gateway);
  out.member("enable_dhcp", subnet.dhcp);
  out.member("dns_nameservers", subnet.dns_servers);
  out.text_or_null("ipv6_address_mode", subnet.address_mode);
  out.text_or_null("ipv6_ra_mode", subnet.ra_mode);
  out.text_or_null("subnetpool_id", subnet.pool.value);
  out.text_or_null("segment_id", subnet.segment.value);
  out.member("service_types", subnet.service_types);
  out.member("dns_publish_fixed_ip", subnet.dns_publish_fixed_ip);
  if (out.wants("allocation_pools")) {
    out.w.key("allocation_pools").open_list();
    for (const AddressPool& pool : subnet.pools)
      out.w.open().member("start", pool.start).member("end", pool.end).close();
    out.w.close_list();
  }
  write_route_list(out, "host_routes", subnet.host_routes);
}

}  // namespace cloudos::rest::network_api
