#include "network/l3_records.hpp"

namespace cloudos {

void fields(codec::FieldVisitor& v, Router& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "project"}, r.project);
  v.field({4, "name"}, r.name);
  v.field({5, "description"}, r.description);
  v.field({6, "admin_up"}, r.admin_up);
  v.field({7, "gateway_network"}, r.gateway_network);
  v.field({8, "gateway_port"}, r.gateway_port);
  v.field({9, "gateway_ips"}, r.gateway_ips);
  v.field({10, "snat"}, r.snat);
  v.field({11, "routes"}, r.routes);
  v.field({12, "interfaces"}, r.interfaces);
  v.field({13, "host"}, r.host);
  v.field({14, "created_at"}, r.created_at);
  v.field({15, "updated_at"}, r.updated_at);
  v.field({16, "tags"}, r.tags);
  v.field({17, "agent"}, r.agent);
  v.field({18, "unscheduled"}, r.unscheduled);
  v.field({19, "zone_hints"}, r.zone_hints);
  v.field({20, "simple"}, r.simple);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, FloatingIp& f) {
  v.field({1, "id"}, f.id);
  v.field({2, "generation"}, f.generation);
  v.field({3, "project"}, f.project);
  v.field({4, "description"}, f.description);
  v.field({5, "network"}, f.network);
  v.field({6, "address"}, f.address);
  v.field({7, "outer_port"}, f.outer_port);
  v.field({8, "port"}, f.port);
  v.field({9, "fixed_subnet"}, f.fixed_subnet);
  v.field({10, "fixed_address"}, f.fixed_address);
  v.field({11, "router"}, f.router);
  v.field({12, "status"}, f.status);
  v.field({13, "dns_name"}, f.dns_name);
  v.field({14, "dns_domain"}, f.dns_domain);
  v.field({15, "qos_policy"}, f.qos_policy);
  v.field({16, "forwardings"}, f.forwardings);
  v.field({17, "created_at"}, f.created_at);
  v.field({18, "updated_at"}, f.updated_at);
  v.field({19, "tags"}, f.tags);
  v.unknown(f.unknown);
}

void fields(codec::FieldVisitor& v, PortForwarding& f) {
  v.field({1, "id"}, f.id);
  v.field({2, "generation"}, f.generation);
  v.field({3, "project"}, f.project);
  v.field({4, "floating_ip"}, f.floating_ip);
  v.field({5, "router"}, f.router);
  v.field({6, "description"}, f.description);
  v.field({7, "protocol"}, f.protocol);
  v.field({8, "external_first"}, f.external_first);
  v.field({9, "external_last"}, f.external_last);
  v.field({10, "internal_port"}, f.internal_port);
  v.field({11, "internal_subnet"}, f.internal_subnet);
  v.field({12, "internal_address"}, f.internal_address);
  v.field({13, "internal_first"}, f.internal_first);
  v.field({14, "internal_last"}, f.internal_last);
  v.field({15, "created_at"}, f.created_at);
  v.field({16, "updated_at"}, f.updated_at);
  v.unknown(f.unknown);
}

void keys(records::Keys& k, const Router& r) {
  k.index("project", r.project.value);
  if (!r.gateway_network.empty()) k.index("gateway", r.gateway_network.value);
  if (r.simple) k.unique("simple", r.project.value, r.name);
}

void keys(records::Keys& k, const FloatingIp& f) {
  k.index("project", f.project.value);
  k.index("network", f.network.value);
  if (!f.router.empty()) k.index("router", f.router.value);
  if (!f.qos_policy.empty()) k.index("qos", f.qos_policy.value);
  if (f.port.empty()) return;
  // An address inside has one address outside: two would not know which of them to answer from.
  k.unique("fixed", f.port.value, f.fixed_address);
  k.index("port", f.port.value);
  k.index("leg", network::leg_of(f.router, f.fixed_subnet));
}

void keys(records::Keys& k, const PortForwarding& f) {
  k.index("project", f.project.value);
  k.index("floating_ip", f.floating_ip.value);
  k.index("router", f.router.value);
  k.index("port", f.internal_port.value);
  k.index("leg", network::leg_of(f.router, f.internal_subnet));
}

std::string network::leg_of(const RouterId& router, const SubnetId& subnet) {
  return fmt::format("{}:{}", router.value, subnet.value);
}

}  // namespace cloudos
