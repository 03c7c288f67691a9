#include "compute/records.hpp"

namespace cloudos {

void fields(codec::FieldVisitor& v, Flavor& f) {
  v.field({1, "id"}, f.id);
  v.field({2, "generation"}, f.generation);
  v.field({3, "name"}, f.name);
  v.field({4, "vcpus"}, f.vcpus);
  v.field({5, "ram_mib"}, f.ram_mib);
  v.field({6, "disk_gib"}, f.disk_gib);
  v.field({7, "ephemeral_gib"}, f.ephemeral_gib);
  v.field({8, "swap_mib"}, f.swap_mib);
  v.field({9, "rxtx_factor"}, f.rxtx_factor);
  bool is_private = !f.is_public;  // Zero values are not stored; public is the rule.
  v.field({10, "is_private"}, is_private);
  f.is_public = !is_private;
  v.field({11, "access"}, f.access);
  v.field({12, "extra_specs"}, f.extra_specs);
  v.field({13, "created_at"}, f.created_at);
  v.unknown(f.unknown);
}

void fields(codec::FieldVisitor& v, Keypair& k) {
  v.field({1, "id"}, k.id);
  v.field({2, "generation"}, k.generation);
  v.field({3, "number"}, k.number);
  v.field({4, "user"}, k.user);
  v.field({5, "name"}, k.name);
  v.field({6, "public_key"}, k.public_key);
  v.field({7, "fingerprint"}, k.fingerprint);
  v.field({8, "created_at"}, k.created_at);
  v.unknown(k.unknown);
}

void fields(codec::FieldVisitor& v, ServerFault& f) {
  v.field({1, "code"}, f.code);
  v.field({2, "message"}, f.message);
  v.field({3, "details"}, f.details);
  v.field({4, "created_at"}, f.created_at);
}

void fields(codec::FieldVisitor& v, ServerPort& p) {
  v.field({1, "port"}, p.port);
  v.field({2, "made"}, p.made);
}

void fields(codec::FieldVisitor& v, ServerNetwork& n) {
  v.field({1, "network"}, n.network);
  v.field({2, "port"}, n.port);
  v.field({3, "fixed_ip"}, n.fixed_ip);
}

void fields(codec::FieldVisitor& v, Server& s) {
  v.field({1, "id"}, s.id);
  v.field({2, "generation"}, s.generation);
  v.field({3, "project"}, s.project);
  v.field({4, "user"}, s.user);
  v.field({5, "name"}, s.name);
  v.field({6, "description"}, s.description);
  v.field({7, "host_name"}, s.host_name);
  v.field({8, "image"}, s.image);
  v.field({9, "flavor"}, s.flavor);
  v.field({10, "disk_bytes"}, s.disk_bytes);
  v.field({11, "key_name"}, s.key_name);
  v.field({12, "public_key"}, s.public_key);
  v.field({13, "has_user_data"}, s.has_user_data);
  v.field({14, "manual_disk_config"}, s.manual_disk_config);
  v.field({15, "metadata"}, s.metadata);
  v.field({16, "zone"}, s.zone);
  v.field({17, "wanted_host"}, s.wanted_host);
  v.field({18, "networks"}, s.networks);
  v.field({19, "security_groups"}, s.security_groups);
  v.field({20, "security_group_names"}, s.security_group_names);
  v.field({21, "ports"}, s.ports);
  v.field({22, "vm_state"}, s.vm_state);
  v.field({23, "task_state"}, s.task_state);
  v.field({24, "power_state"}, s.power_state);
  v.field({25, "host"}, s.host);
  v.field({26, "host_zone"}, s.host_zone);
  v.field({27, "task"}, s.task);
  v.field({28, "fault"}, s.fault);
  v.field({29, "reservation"}, s.reservation);
  v.field({30, "launch_index"}, s.launch_index);
  v.field({31, "created_at"}, s.created_at);
  v.field({32, "updated_at"}, s.updated_at);
  v.field({33, "launched_at"}, s.launched_at);
  v.field({34, "access_ipv4"}, s.access_ipv4);
  v.field({35, "access_ipv6"}, s.access_ipv6);
  v.field({36, "locked"}, s.locked);
  v.field({37, "locked_by_admin"}, s.locked_by_admin);
  v.field({38, "host_boot"}, s.host_boot);
  v.field({39, "leaving_macs"}, s.leaving_macs);
  v.unknown(s.unknown);
}

void keys(records::Keys& k, const Flavor& f) { k.unique("name", "", f.name); }
void keys(records::Keys& k, const Keypair& p) { k.index("user", p.user.value); }
void keys(records::Keys& k, const Server& s) { k.index("project", s.project.value); }

namespace compute {
std::string user_data_key(const ServerId& id) {
  return records::record_key("server_user_data", id.value);
}
}  // namespace compute
}  // namespace cloudos
