#include "network/extra_records.hpp"

#include "network/listing.hpp"

namespace cloudos {

using network::Attribute;

// ---- as they are stored -------------------------------------------------------------------------

void fields(codec::FieldVisitor& v, RbacPolicy& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "project"}, r.project);
  v.field({4, "object_type"}, r.object_type);
  v.field({5, "object_id"}, r.object_id);
  v.field({6, "action"}, r.action);
  v.field({7, "target"}, r.target);
  v.field({8, "created_at"}, r.created_at);
  v.field({9, "updated_at"}, r.updated_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, QosRule& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "type"}, r.type);
  v.field({3, "max_kbps"}, r.max_kbps);
  v.field({4, "max_burst_kbps"}, r.max_burst_kbps);
  v.field({5, "ingress"}, r.ingress);
  v.field({6, "dscp_mark"}, r.dscp_mark);
  v.field({7, "min_kbps"}, r.min_kbps);
}

void fields(codec::FieldVisitor& v, QosPolicy& q) {
  v.field({1, "id"}, q.id);
  v.field({2, "generation"}, q.generation);
  v.field({3, "project"}, q.project);
  v.field({4, "name"}, q.name);
  v.field({5, "description"}, q.description);
  v.field({6, "shared"}, q.shared);
  v.field({7, "is_default"}, q.is_default);
  v.field({8, "rules"}, q.rules);
  v.field({9, "created_at"}, q.created_at);
  v.field({10, "updated_at"}, q.updated_at);
  v.field({11, "tags"}, q.tags);
  v.unknown(q.unknown);
}

void fields(codec::FieldVisitor& v, SubPort& s) {
  v.field({1, "port"}, s.port);
  v.field({2, "segmentation_type"}, s.segmentation_type);
  v.field({3, "segmentation_id"}, s.segmentation_id);
}

void fields(codec::FieldVisitor& v, Trunk& t) {
  v.field({1, "id"}, t.id);
  v.field({2, "generation"}, t.generation);
  v.field({3, "project"}, t.project);
  v.field({4, "name"}, t.name);
  v.field({5, "description"}, t.description);
  v.field({6, "admin_up"}, t.admin_up);
  v.field({7, "port"}, t.port);
  v.field({8, "sub_ports"}, t.sub_ports);
  v.field({9, "created_at"}, t.created_at);
  v.field({10, "updated_at"}, t.updated_at);
  v.field({11, "tags"}, t.tags);
  v.unknown(t.unknown);
}

void fields(codec::FieldVisitor& v, AddressGroup& g) {
  v.field({1, "id"}, g.id);
  v.field({2, "generation"}, g.generation);
  v.field({3, "project"}, g.project);
  v.field({4, "name"}, g.name);
  v.field({5, "description"}, g.description);
  v.field({6, "shared"}, g.shared);
  v.field({7, "addresses"}, g.addresses);
  v.field({8, "created_at"}, g.created_at);
  v.field({9, "updated_at"}, g.updated_at);
  v.unknown(g.unknown);
}

void fields(codec::FieldVisitor& v, DefaultRule& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "project"}, r.project);
  v.field({4, "description"}, r.description);
  v.field({5, "ingress"}, r.ingress);
  v.field({6, "ipv6"}, r.ipv6);
  v.field({7, "protocol"}, r.protocol);
  v.field({8, "port_min"}, r.port_min);
  v.field({9, "port_max"}, r.port_max);
  v.field({10, "remote_cidr"}, r.remote_cidr);
  v.field({11, "remote_group"}, r.remote_group);
  v.field({12, "from_own_group"}, r.from_own_group);
  v.field({13, "remote_address_group"}, r.remote_address_group);
  v.field({14, "in_default"}, r.in_default);
  v.field({15, "in_others"}, r.in_others);
  v.field({16, "created_at"}, r.created_at);
  v.field({17, "updated_at"}, r.updated_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, MeteringLabel& l) {
  v.field({1, "id"}, l.id);
  v.field({2, "generation"}, l.generation);
  v.field({3, "project"}, l.project);
  v.field({4, "name"}, l.name);
  v.field({5, "description"}, l.description);
  v.field({6, "shared"}, l.shared);
  v.field({7, "created_at"}, l.created_at);
  v.field({8, "updated_at"}, l.updated_at);
  v.unknown(l.unknown);
}

void fields(codec::FieldVisitor& v, MeteringRule& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "project"}, r.project);
  v.field({4, "label"}, r.label);
  v.field({5, "ingress"}, r.ingress);
  v.field({6, "excluded"}, r.excluded);
  v.field({7, "remote"}, r.remote);
  v.field({8, "source"}, r.source);
  v.field({9, "destination"}, r.destination);
  v.field({10, "created_at"}, r.created_at);
  v.field({11, "updated_at"}, r.updated_at);
  v.unknown(r.unknown);
}

// ---- as they are found --------------------------------------------------------------------------

void keys(records::Keys& k, const RbacPolicy& r) {
  k.unique("grant", network::grant_scope(r.object_type, r.object_id, r.action), r.target);
  k.index("project", r.project.value);
  k.index("target", r.target);
  k.index("object", r.object_id);
  // What a project sees by grants is found without reading the grants of others.
  if (r.target != network::kAnyProject || r.object_type != "network")
    k.index("granted", r.object_type + ":" + r.target);
  k.index("given", network::grant_scope(r.object_type, r.object_id, r.action));
}

void keys(records::Keys& k, const QosPolicy& q) {
  k.index("project", q.project.value);
  if (q.shared) k.index("public", "1");
  if (q.is_default) k.unique("default", "", q.project.value);
  for (const QosRule& rule : q.rules) k.unique("rule", rule.type, rule.id.value);
}

void keys(records::Keys& k, const Trunk& t) {
  k.index("project", t.project.value);
  k.unique("port", "", t.port.value);
}

void keys(records::Keys& k, const AddressGroup& g) {
  k.index("project", g.project.value);
  if (g.shared) k.index("public", "1");
}

void keys(records::Keys& k, const MeteringLabel& l) {
  k.index("project", l.project.value);
  if (l.shared) k.index("public", "1");
}

void keys(records::Keys& k, const MeteringRule& r) {
  k.index("project", r.project.value);
  k.index("label", r.label.value);
  k.unique("rule", r.label.value,
           fmt::format("{}|{}|{}|{}", r.ingress, r.remote, r.source, r.destination));
}

// ---- as lists know them -------------------------------------------------------------------------

std::optional<Attribute> list_attribute(const RbacPolicy& r, std::string_view name) {
  if (name == "object_type") return Attribute::text(r.object_type);
  if (name == "object_id") return Attribute::text(r.object_id);
  if (name == "action") return Attribute::text(r.action);
  if (name == "target_tenant" || name == "target_project_id") return Attribute::text(r.target);
  return network::common_attribute(r, name);
}

std::optional<Attribute> list_attribute(const QosPolicy& q, std::string_view name) {
  if (name == "shared") return Attribute::flag(q.shared);
  if (name == "is_default") return Attribute::flag(q.is_default);
  return network::common_attribute(q, name);
}

std::optional<Attribute> list_attribute(const Trunk& t, std::string_view name) {
  if (name == "port_id") return Attribute::text(t.port.value);
  if (name == "admin_state_up") return Attribute::flag(t.admin_up);
  return network::common_attribute(t, name);
}

std::optional<Attribute> list_attribute(const AddressGroup& g, std::string_view name) {
  if (name == "shared") return Attribute::flag(g.shared);
  if (name == "addresses") return Attribute::texts(g.addresses);
  return network::common_attribute(g, name);
}

std::optional<Attribute> list_attribute(const DefaultRule& r, std::string_view name) {
  if (name == "direction") return Attribute::text(r.ingress ? "ingress" : "egress");
  if (name == "ethertype") return Attribute::text(r.ipv6 ? "IPv6" : "IPv4");
  if (name == "protocol") return Attribute::text(r.protocol);
  if (name == "port_range_min") return Attribute::number(r.port_min);
  if (name == "port_range_max") return Attribute::number(r.port_max);
  if (name == "remote_ip_prefix") return Attribute::text(r.remote_cidr);
  if (name == "remote_group_id")
    return Attribute::text(r.from_own_group ? "PARENT" : r.remote_group.value);
  if (name == "remote_address_group_id") return Attribute::text(r.remote_address_group.value);
  if (name == "used_in_default_sg") return Attribute::flag(r.in_default);
  if (name == "used_in_non_default_sg") return Attribute::flag(r.in_others);
  return network::common_attribute(r, name);
}

std::optional<Attribute> list_attribute(const MeteringLabel& l, std::string_view name) {
  if (name == "shared") return Attribute::flag(l.shared);
  return network::common_attribute(l, name);
}

std::optional<Attribute> list_attribute(const MeteringRule& r, std::string_view name) {
  if (name == "metering_label_id") return Attribute::text(r.label.value);
  if (name == "direction") return Attribute::text(r.ingress ? "ingress" : "egress");
  if (name == "excluded") return Attribute::flag(r.excluded);
  if (name == "remote_ip_prefix") return Attribute::text(r.remote);
  if (name == "source_ip_prefix") return Attribute::text(r.source);
  if (name == "destination_ip_prefix") return Attribute::text(r.destination);
  return network::common_attribute(r, name);
}

}  // namespace cloudos
