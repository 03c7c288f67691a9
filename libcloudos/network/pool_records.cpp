#include "network/pool_records.hpp"

namespace cloudos {

void fields(codec::FieldVisitor& v, AddressScope& s) {
  v.field({1, "id"}, s.id);
  v.field({2, "generation"}, s.generation);
  v.field({3, "project"}, s.project);
  v.field({4, "name"}, s.name);
  v.field({5, "ip_version"}, s.ip_version);
  v.field({6, "shared"}, s.shared);
  v.field({7, "pools"}, s.pools);
  v.field({8, "created_at"}, s.created_at);
  v.field({9, "updated_at"}, s.updated_at);
  v.field({10, "description"}, s.description);
  v.unknown(s.unknown);
}

void fields(codec::FieldVisitor& v, SubnetPool& p) {
  v.field({1, "id"}, p.id);
  v.field({2, "generation"}, p.generation);
  v.field({3, "project"}, p.project);
  v.field({4, "name"}, p.name);
  v.field({5, "description"}, p.description);
  v.field({6, "ip_version"}, p.ip_version);
  v.field({7, "prefixes"}, p.prefixes);
  v.field({8, "least_prefix"}, p.least_prefix);
  v.field({9, "default_prefix"}, p.default_prefix);
  v.field({10, "most_prefix"}, p.most_prefix);
  v.field({11, "default_quota"}, p.default_quota);
  v.field({12, "shared"}, p.shared);
  v.field({13, "is_default"}, p.is_default);
  v.field({14, "scope"}, p.scope);
  v.field({15, "created_at"}, p.created_at);
  v.field({16, "updated_at"}, p.updated_at);
  v.field({17, "tags"}, p.tags);
  v.unknown(p.unknown);
}

void keys(records::Keys& k, const AddressScope& s) {
  k.index("project", s.project.value);
  if (s.shared) k.index("public", "1");
}

void keys(records::Keys& k, const SubnetPool& p) {
  k.index("project", p.project.value);
  if (p.shared || p.is_default) k.index("public", "1");
  if (p.is_default) k.unique("default", "", p.ip_version == 6 ? "6" : "4");
}

namespace network {

void fields(codec::FieldVisitor& v, PoolUse::Taken& t) {
  v.field({1, "cidr"}, t.cidr);
  v.field({2, "subnet"}, t.subnet);
  v.field({3, "project"}, t.project);
}

void fields(codec::FieldVisitor& v, PoolUse& u) {
  v.field({1, "id"}, u.id);
  v.field({2, "generation"}, u.generation);
  v.field({3, "taken"}, u.taken);
  v.unknown(u.unknown);
}

void keys(records::Keys&, const PoolUse&) {}

}  // namespace network
}  // namespace cloudos
