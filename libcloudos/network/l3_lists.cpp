#include "network/l3_lists.hpp"

#include "network/listing.hpp"

namespace cloudos {

using network::Attribute;
using network::common_attribute;

std::string_view status_text(FloatingIpStatus status) {
  switch (status) {
    case FloatingIpStatus::Active: return "ACTIVE";
    case FloatingIpStatus::Error: return "ERROR";
    case FloatingIpStatus::Down: break;
  }
  return "DOWN";
}

std::optional<Attribute> list_attribute(const Router& r, std::string_view name) {
  if (name == "admin_state_up") return Attribute::flag(r.admin_up);
  if (name == "status") return Attribute::text("ACTIVE");
  if (name == "availability_zone_hints") return Attribute::texts(r.zone_hints);
  if (name == "external_gateway_info.network_id") return Attribute::text(r.gateway_network.value);
  return common_attribute(r, name);
}

std::optional<Attribute> list_attribute(const FloatingIp& f, std::string_view name) {
  if (name == "floating_network_id") return Attribute::text(f.network.value);
  if (name == "floating_ip_address") return Attribute::text(f.address);
  if (name == "fixed_ip_address") return Attribute::text(f.fixed_address);
  if (name == "port_id") return Attribute::text(f.port.value);
  if (name == "router_id") return Attribute::text(f.router.value);
  if (name == "qos_policy_id") return Attribute::text(f.qos_policy.value);
  if (name == "dns_name") return Attribute::text(f.dns_name);
  if (name == "dns_domain") return Attribute::text(f.dns_domain);
  if (name == "status") return Attribute::text(std::string(status_text(f.status)));
  return common_attribute(f, name);
}

network::ListIndexes list_indexes(const FloatingIp*) {
  return {{"port_id", "port"}, {"router_id", "router"}, {"floating_network_id", "network"}};
}

std::optional<Attribute> list_attribute(const PortForwarding& f, std::string_view name) {
  if (name == "protocol") return Attribute::text(f.protocol);
  if (name == "internal_port_id") return Attribute::text(f.internal_port.value);
  if (name == "internal_ip_address") return Attribute::text(f.internal_address);
  if (name == "internal_port") return Attribute::number(f.internal_first);
  if (name == "external_port") return Attribute::number(f.external_first);
  if (name == "internal_port_range")
    return Attribute::text(fmt::format("{}:{}", f.internal_first, f.internal_last));
  if (name == "external_port_range")
    return Attribute::text(fmt::format("{}:{}", f.external_first, f.external_last));
  return common_attribute(f, name);
}

std::optional<Attribute> list_attribute(const SubnetPool& p, std::string_view name) {
  if (name == "ip_version") return Attribute::number(std::uint64_t{p.ip_version});
  if (name == "prefixes") return Attribute::texts(p.prefixes);
  if (name == "min_prefixlen") return Attribute::number(std::uint64_t{p.least_prefix});
  if (name == "default_prefixlen") return Attribute::number(std::uint64_t{p.default_prefix});
  if (name == "max_prefixlen") return Attribute::number(std::uint64_t{p.most_prefix});
  if (name == "shared") return Attribute::flag(p.shared);
  if (name == "is_default") return Attribute::flag(p.is_default);
  if (name == "address_scope_id") return Attribute::text(p.scope.value);
  return common_attribute(p, name);
}

std::optional<Attribute> list_attribute(const AddressScope& s, std::string_view name) {
  if (name == "ip_version") return Attribute::number(std::uint64_t{s.ip_version});
  if (name == "shared") return Attribute::flag(s.shared);
  if (name == "description") return std::nullopt;
  return common_attribute(s, name);
}

}  // namespace cloudos
