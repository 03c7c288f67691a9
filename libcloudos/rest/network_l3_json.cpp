#include "rest/network_l3_json.hpp"

#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace cloudos::rest::network_api {
namespace {

Failure bad_member(const Members& in, std::string_view name, std::string_view rule) {
  return fail(ErrorCode::InvalidArgument, fmt::format("{} {}", in.where(name), rule));
}

Result<std::optional<std::vector<FixedIpRequest>>> decode_gateway_ips(const Members& in) {
  CLOUDOS_TRY(const auto objects, list_of_objects(in, "external_fixed_ips"));
  if (!objects) return std::optional<std::vector<FixedIpRequest>>();
  std::vector<FixedIpRequest> asked;
  for (const nlohmann::json* object : *objects) {
    const Members fixed(*object, in.where("external_fixed_ips"));
    FixedIpRequest one;
    CLOUDOS_CHECK(put_text(fixed, "subnet_id", one.subnet.value));
    CLOUDOS_CHECK(put_text(fixed, "ip_address", one.address));
    CLOUDOS_CHECK(fixed.no_others());
    if (one.subnet.empty() && one.address.empty())
      return bad_member(in, "external_fixed_ips", "needs subnet_id or ip_address");
    asked.push_back(std::move(one));
  }
  return std::optional(std::move(asked));
}

/// external_gateway_info: null and {} are none.
Result<std::optional<GatewaySpec>> decode_gateway_info(const Members& in) {
  if (!in.has("external_gateway_info")) return std::optional<GatewaySpec>();
  CLOUDOS_TRY(const nlohmann::json* object, in.maybe_object("external_gateway_info"));
  if (object == nullptr || object->empty()) return std::optional<GatewaySpec>(GatewaySpec{});
  const Members info(*object, in.where("external_gateway_info"));
  GatewaySpec spec;
  CLOUDOS_TRY(spec.network, info.id<NetworkId>("network_id"));
  CLOUDOS_TRY(spec.snat, info.maybe_flag("enable_snat"));
  CLOUDOS_TRY(spec.ips, decode_gateway_ips(info));
  CLOUDOS_CHECK(info.no_others());
  return std::optional(std::move(spec));
}

void write_gateway_info(Fields& out, const cloudos::Router& router) {
  if (!out.wants("external_gateway_info")) return;
  out.w.key("external_gateway_info");
  if (router.gateway_network.empty()) {
    out.w.null();
    return;
  }
  out.w.open().member("network_id", router.gateway_network);
  out.w.member("enable_snat", router.snat).key("external_fixed_ips").open_list();
  for (const FixedIp& fixed : router.gateway_ips)
    out.w.open().member("subnet_id", fixed.subnet).member("ip_address", fixed.address).close();
  out.w.close_list().close();
}

using ForwardRange = std::pair<std::uint32_t, std::uint32_t>;

/// "external_port": 80, or "external_port_range": "80:90".
Result<std::optional<ForwardRange>> decode_forward_range(const Members& in,
                                                         const std::string& name) {
  CLOUDOS_TRY(const auto one, in.maybe_integer(name, 0, UINT32_MAX));
  CLOUDOS_TRY(const auto range, in.maybe_text(name + "_range"));
  if (one && range) return bad_member(in, name, "and its range exclude each other");
  if (one) {
    const auto port = static_cast<std::uint32_t>(*one);
    return std::optional(ForwardRange{port, port});
  }
  if (!range) return std::optional<ForwardRange>();
  const auto colon = range->find(':');
  const auto first = parse_unsigned(std::string_view(*range).substr(0, colon));
  const auto last = colon == std::string::npos
                        ? first
                        : parse_unsigned(std::string_view(*range).substr(colon + 1));
  if (!first || !last || *first > 65'535 || *last > 65'535)
    return bad_member(in, name + "_range", "must be FIRST:LAST");
  return std::optional(ForwardRange{static_cast<std::uint32_t>(*first),
                                    static_cast<std::uint32_t>(*last)});
}

void write_forward_range(Fields& out, const std::string& name, std::uint32_t first,
                         std::uint32_t last) {
  if (first == last) out.member(name, first);
  out.member(name + "_range", fmt::format("{}:{}", first, last));
}

Result<std::optional<unsigned>> pool_length(const Members& in, std::string_view name) {
  CLOUDOS_TRY(const auto number, in.maybe_integer(name, 0, INT32_MAX));
  if (!number) return std::optional<unsigned>();
  return std::optional(static_cast<unsigned>(*number));
}

Result<std::optional<std::uint64_t>> pool_quota(const Members& in) {
  CLOUDOS_TRY(const auto number, in.maybe_integer("default_quota", 0, INT64_MAX));
  if (!number) return std::optional<std::uint64_t>();
  return std::optional(static_cast<std::uint64_t>(*number));
}

}  // namespace

// ---- routers ------------------------------------------------------------------------------------

Result<RouterCreate> decode_router(const Members& in) {
  RouterCreate spec;
  CLOUDOS_CHECK(put_text(in, "name", spec.name));
  CLOUDOS_CHECK(put_text(in, "description", spec.description));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_CHECK(in.flag("admin_state_up", spec.admin_up));
  CLOUDOS_TRY(spec.gateway, decode_gateway_info(in));
  if (spec.gateway && spec.gateway->network.empty()) spec.gateway.reset();
  CLOUDOS_TRY(auto routes, decode_route_list(in, "routes"));
  if (routes) spec.routes = std::move(*routes);
  CLOUDOS_TRY(auto zones, in.maybe_text_list("availability_zone_hints"));
  if (zones) spec.zone_hints = std::move(*zones);
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<RouterUpdate> decode_router_update(const Members& in) {
  RouterUpdate change;
  CLOUDOS_TRY(change.name, in.maybe_text("name"));
  CLOUDOS_TRY(change.description, in.maybe_text("description"));
  CLOUDOS_TRY(change.admin_up, in.maybe_flag("admin_state_up"));
  CLOUDOS_TRY(change.gateway, decode_gateway_info(in));
  CLOUDOS_TRY(change.routes, decode_route_list(in, "routes"));
  if (!change.routes && in.is_null("routes")) change.routes.emplace();
  CLOUDOS_CHECK(no_other_changes(in, {"availability_zone_hints", "availability_zones"}));
  return change;
}

void write_router(Fields& out, const cloudos::Router& router) {
  write_common(out, router);
  out.member("name", router.name);
  out.member("admin_state_up", router.admin_up);
  out.member("status", "ACTIVE");
  write_gateway_info(out, router);
  write_route_list(out, "routes", router.routes);
  out.member("availability_zone_hints", router.zone_hints);
  // The one zone there is, once something in it carries the router.
  if (!out.wants("availability_zones")) return;
  out.w.key("availability_zones").open_list();
  const bool carried = !router.host.empty() || !router.interfaces.empty() ||
                       !router.gateway_port.empty();
  if (carried && !router.unscheduled) out.w.value("nova");
  out.w.close_list();
}

Result<RouterLeg> decode_leg(const Members& in) {
  RouterLeg leg;
  CLOUDOS_CHECK(check_uuid(in, "subnet_id"));
  CLOUDOS_CHECK(check_uuid(in, "port_id"));
  CLOUDOS_CHECK(put_text(in, "subnet_id", leg.subnet.value));
  CLOUDOS_CHECK(put_text(in, "port_id", leg.port.value));
  CLOUDOS_CHECK(in.no_others());
  return leg;
}

// ---- floating addresses -------------------------------------------------------------------------

Result<FloatingIpCreate> decode_floating(const Members& in) {
  FloatingIpCreate spec;
  CLOUDOS_TRY(spec.network, in.id<NetworkId>("floating_network_id"));
  CLOUDOS_CHECK(put_text(in, "subnet_id", spec.subnet.value));
  CLOUDOS_CHECK(put_text(in, "floating_ip_address", spec.address));
  CLOUDOS_CHECK(put_text(in, "description", spec.description));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_CHECK(put_text(in, "port_id", spec.port.value));
  CLOUDOS_CHECK(put_text(in, "fixed_ip_address", spec.fixed_address));
  CLOUDOS_CHECK(put_text(in, "dns_name", spec.dns_name));
  CLOUDOS_CHECK(put_text(in, "dns_domain", spec.dns_domain));
  CLOUDOS_CHECK(put_text(in, "qos_policy_id", spec.qos_policy.value));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<FloatingIpUpdate> decode_floating_update(const Members& in) {
  FloatingIpUpdate change;
  CLOUDOS_TRY(change.port, in.maybe_id<PortId>("port_id"));
  // An address once had nothing but where it leads: to change nothing still means nowhere.
  if (!change.port && (in.is_null("port_id") || in.is_empty())) change.port.emplace();
  CLOUDOS_TRY(auto policy, in.maybe_text("qos_policy_id"));
  if (policy) change.qos_policy = QosPolicyId{std::move(*policy)};
  else if (in.is_null("qos_policy_id")) change.qos_policy.emplace();
  CLOUDOS_TRY(change.fixed_address, in.maybe_text("fixed_ip_address"));
  CLOUDOS_TRY(change.description, in.maybe_text("description"));
  CLOUDOS_CHECK(no_other_changes(in, {"floating_network_id", "floating_ip_address", "router_id",
                                      "dns_name", "dns_domain"}));
  return change;
}

namespace {

/// What it forwards, as it is shown beside it.
void write_forwards(Fields& out, const std::vector<PortForwarding>& forwardings) {
  out.w.key("port_forwardings").open_list();
  for (const PortForwarding& f : forwardings) {
    static const std::set<std::string, std::less<>> kAll;
    out.w.open();
    Fields whole(out.w, kAll);
    whole.member("protocol", f.protocol);
    whole.member("internal_ip_address", f.internal_address);
    if (f.internal_first == f.internal_last) whole.member("internal_port", f.internal_first);
    else write_forward_range(whole, "internal_port", f.internal_first, f.internal_last);
    if (f.external_first == f.external_last) whole.member("external_port", f.external_first);
    else write_forward_range(whole, "external_port", f.external_first, f.external_last);
    out.w.close();
  }
  out.w.close_list();
}

}  // namespace

void write_floating(Fields& out, const FloatingIp& floating, const FloatingExtra& extra) {
  write_common(out, floating);
  out.member("floating_network_id", floating.network.value);
  out.member("floating_ip_address", floating.address);
  out.text_or_null("fixed_ip_address", floating.fixed_address);
  out.text_or_null("port_id", floating.port.value);
  out.text_or_null("router_id", floating.router.value);
  const std::string_view statuses[] = {"DOWN", "ACTIVE", "ERROR"};
  out.member("status", statuses[static_cast<std::size_t>(floating.status)]);
  out.member("dns_name", floating.dns_name);
  out.member("dns_domain", floating.dns_domain);
  out.text_or_null("qos_policy_id", floating.qos_policy.value);
  if (out.wants("port_forwardings")) {
    const auto forwards = extra.forwardings.find(floating.id);
    write_forwards(out, forwards == extra.forwardings.end() ? std::vector<PortForwarding>()
                                                            : forwards->second);
  }
  if (!out.wants("port_details")) return;
  out.w.key("port_details");
  const auto port = extra.ports.find(floating.port);
  if (port == extra.ports.end()) {
    out.w.null();
    return;
  }
  const Port& p = port->second;
  out.w.open().member("name", p.name).member("network_id", p.network);
  out.w.member("mac_address", p.mac).member("admin_state_up", p.admin_up);
  out.w.member("status", p.status() == PortStatus::Active ? "ACTIVE" : "DOWN");
  out.w.member("device_id", p.device_id).member("device_owner", p.device_owner).close();
}

// ---- port forwardings ---------------------------------------------------------------------------

Result<PortForwardingCreate> decode_forwarding(const Members& in) {
  PortForwardingCreate spec;
  CLOUDOS_TRY(spec.protocol, in.text("protocol"));
  spec.protocol = fold_case(spec.protocol);
  CLOUDOS_CHECK(put_text(in, "description", spec.description));
  CLOUDOS_TRY(spec.internal_port, in.id<PortId>("internal_port_id"));
  CLOUDOS_CHECK(put_text(in, "internal_ip_address", spec.internal_address));
  CLOUDOS_TRY(const auto external, decode_forward_range(in, "external_port"));
  CLOUDOS_TRY(const auto internal, decode_forward_range(in, "internal_port"));
  if (!external) return bad_member(in, "external_port", "or external_port_range is needed");
  if (!internal) return bad_member(in, "internal_port", "or internal_port_range is needed");
  std::tie(spec.external_first, spec.external_last) = *external;
  std::tie(spec.internal_first, spec.internal_last) = *internal;
  CLOUDOS_TRY(const auto project, decode_project(in));
  (void)project;  // Clients send it; the floating address's own counts.
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<PortForwardingUpdate> decode_forwarding_update(const Members& in) {
  PortForwardingUpdate change;
  CLOUDOS_TRY(change.protocol, in.maybe_text("protocol"));
  if (change.protocol) change.protocol = fold_case(*change.protocol);
  CLOUDOS_TRY(change.description, in.maybe_text("description"));
  CLOUDOS_TRY(change.internal_port, in.maybe_id<PortId>("internal_port_id"));
  CLOUDOS_TRY(change.internal_address, in.maybe_text("internal_ip_address"));
  CLOUDOS_TRY(change.external, decode_forward_range(in, "external_port"));
  CLOUDOS_TRY(change.internal, decode_forward_range(in, "internal_port"));
  CLOUDOS_CHECK(in.no_others());
  return change;
}

void write_forwarding(Fields& out, const PortForwarding& f) {
  out.member("id", f.id.value);
  out.member("description", f.description);
  out.member("protocol", f.protocol);
  out.member("internal_port_id", f.internal_port.value);
  out.member("internal_ip_address", f.internal_address);
  write_forward_range(out, "external_port", f.external_first, f.external_last);
  write_forward_range(out, "internal_port", f.internal_first, f.internal_last);
}

// ---- subnet pools and address scopes ------------------------------------------------------------

Result<SubnetPoolCreate> decode_pool(const Members& in) {
  SubnetPoolCreate spec;
  CLOUDOS_CHECK(put_text(in, "name", spec.name));
  CLOUDOS_CHECK(put_text(in, "description", spec.description));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_TRY(auto prefixes, in.maybe_text_list("prefixes"));
  if (!prefixes) return bad_member(in, "prefixes", "is needed");
  spec.prefixes = std::move(*prefixes);
  CLOUDOS_TRY(spec.least_prefix, pool_length(in, "min_prefixlen"));
  CLOUDOS_TRY(spec.default_prefix, pool_length(in, "default_prefixlen"));
  CLOUDOS_TRY(spec.most_prefix, pool_length(in, "max_prefixlen"));
  CLOUDOS_TRY(spec.default_quota, pool_quota(in));
  CLOUDOS_CHECK(in.flag("shared", spec.shared));
  CLOUDOS_CHECK(in.flag("is_default", spec.is_default));
  CLOUDOS_CHECK(check_uuid(in, "address_scope_id"));
  CLOUDOS_CHECK(put_text(in, "address_scope_id", spec.scope.value));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<SubnetPoolUpdate> decode_pool_update(const Members& in) {
  SubnetPoolUpdate change;
  CLOUDOS_TRY(change.name, in.maybe_text("name"));
  CLOUDOS_TRY(change.description, in.maybe_text("description"));
  CLOUDOS_TRY(change.prefixes, in.maybe_text_list("prefixes"));
  CLOUDOS_TRY(change.least_prefix, pool_length(in, "min_prefixlen"));
  CLOUDOS_TRY(change.default_prefix, pool_length(in, "default_prefixlen"));
  CLOUDOS_TRY(change.most_prefix, pool_length(in, "max_prefixlen"));
  CLOUDOS_TRY(change.default_quota, pool_quota(in));
  if (in.is_null("default_quota")) change.default_quota = 0;
  CLOUDOS_TRY(change.is_default, in.maybe_flag("is_default"));
  CLOUDOS_TRY(change.scope, in.maybe_id<AddressScopeId>("address_scope_id"));
  if (!change.scope && in.is_null("address_scope_id")) change.scope.emplace();
  CLOUDOS_CHECK(in.no_others());
  return change;
}

void write_pool(Fields& out, const SubnetPool& pool) {
  write_common(out, pool);
  out.member("name", pool.name);
  out.member("ip_version", pool.ip_version);
  out.member("prefixes", pool.prefixes);
  // Texts, as the API has always had them.
  out.member("min_prefixlen", std::to_string(pool.least_prefix));
  out.member("default_prefixlen", std::to_string(pool.default_prefix));
  out.member("max_prefixlen", std::to_string(pool.most_prefix));
  out.member("default_quota", pool.default_quota);
  out.member("shared", pool.shared);
  out.member("is_default", pool.is_default);
  out.text_or_null("address_scope_id", pool.scope.value);
}

Result<AddressScopeCreate> decode_scope(const Members& in) {
  AddressScopeCreate spec;
  CLOUDOS_CHECK(put_text(in, "name", spec.name));
  CLOUDOS_TRY(spec.project, decode_project(in));
  CLOUDOS_TRY(const auto version, in.integer("ip_version", 0, 255));
  spec.ip_version = static_cast<unsigned>(version);
  CLOUDOS_CHECK(in.flag("shared", spec.shared));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<AddressScopeUpdate> decode_scope_update(const Members& in) {
  AddressScopeUpdate change;
  CLOUDOS_TRY(change.name, in.maybe_text("name"));
  CLOUDOS_TRY(change.shared, in.maybe_flag("shared"));
  CLOUDOS_CHECK(in.no_others());
  return change;
}

void write_scope(Fields& out, const AddressScope& scope) {
  out.member("id", scope.id.value);
  out.member("project_id", scope.project.value);
  out.member("tenant_id", scope.project.value);
  out.member("name", scope.name);
  out.member("ip_version", scope.ip_version);
  out.member("shared", scope.shared);
}

}  // namespace cloudos::rest::network_api
