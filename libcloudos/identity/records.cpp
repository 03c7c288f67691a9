#include "identity/records.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace cloudos {

void fields(codec::FieldVisitor& v, UserOptions& o) {
  v.field({1, "ignore_change_password_upon_first_use"}, o.ignore_change_password_upon_first_use);
  v.field({2, "ignore_password_expiry"}, o.ignore_password_expiry);
  v.field({3, "ignore_lockout_failure_attempts"}, o.ignore_lockout_failure_attempts);
  v.field({4, "ignore_user_inactivity"}, o.ignore_user_inactivity);
  v.field({5, "lock_password"}, o.lock_password);
  v.field({6, "multi_factor_auth_enabled"}, o.multi_factor_auth_enabled);
  v.field({7, "multi_factor_auth_rules"}, o.multi_factor_auth_rules);
}

}  // namespace cloudos

namespace cloudos::identity {

std::string grant_id(const Assignment& a) {
  return fmt::format("{}:{}:{}:{}{}", a.group.empty() ? 'u' : 'g',
                     a.group.empty() ? a.user.value : a.group.value,
                     a.system ? 's' : a.domain.empty() ? 'p' : 'd',
                     a.system ? "all" : a.domain.empty() ? a.project.value : a.domain.value,
                     a.inherited ? ":i" : "");
}

std::string chain_id(std::string_view audit_id) { return fmt::format("chain:{}", audit_id); }

void fields(codec::FieldVisitor& v, DomainRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "name"}, r.name);
  v.field({4, "description"}, r.description);
  bool disabled = !r.enabled;  // Zero is not stored: the usual state must be the zero.
  v.field({5, "disabled"}, disabled);
  r.enabled = !disabled;
  v.field({6, "extra"}, r.extra);
  v.field({7, "created_at"}, r.created_at);
  v.field({8, "epoch"}, r.epoch);
  v.field({9, "tags"}, r.tags);
  v.field({10, "immutable"}, r.immutable);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, ProjectRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "name"}, r.name);
  v.field({4, "description"}, r.description);
  v.field({5, "domain"}, r.domain);
  v.field({6, "parent"}, r.parent);
  bool disabled = !r.enabled;
  v.field({7, "disabled"}, disabled);
  r.enabled = !disabled;
  v.field({8, "tags"}, r.tags);
  v.field({9, "extra"}, r.extra);
  v.field({10, "created_at"}, r.created_at);
  v.field({11, "epoch"}, r.epoch);
  v.field({12, "immutable"}, r.immutable);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, UserRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "name"}, r.name);
  v.field({4, "description"}, r.description);
  v.field({5, "domain"}, r.domain);
  v.field({6, "default_project"}, r.default_project);
  bool disabled = !r.enabled;
  v.field({7, "disabled"}, disabled);
  r.enabled = !disabled;
  v.field({8, "extra"}, r.extra);
  v.field({9, "created_at"}, r.created_at);
  v.field({10, "epoch"}, r.epoch);
  v.field({11, "password_hash"}, r.password_hash);
  r.has_password = !r.password_hash.empty();
  v.field({12, "password_changed_at"}, r.password_changed_at);
  v.field({13, "groups"}, r.groups);
  v.field({14, "options"}, r.options);
  v.field({15, "password_expires_at"}, r.password_expires_at);
  v.field({16, "foreign_hash"}, r.foreign_hash);
  v.field({17, "password_by_user"}, r.password_by_user);
  v.field({18, "old_hashes"}, r.old_hashes);
  v.field({19, "failed_logins"}, r.failed_logins);
  v.field({20, "failed_at"}, r.failed_at);
  v.field({21, "last_active_at"}, r.last_active_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, GroupRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "name"}, r.name);
  v.field({4, "description"}, r.description);
  v.field({5, "domain"}, r.domain);
  v.field({6, "extra"}, r.extra);
  v.field({7, "created_at"}, r.created_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, RoleRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "name"}, r.name);
  v.field({4, "description"}, r.description);
  v.field({5, "implies"}, r.implies);
  v.field({6, "extra"}, r.extra);
  v.field({7, "created_at"}, r.created_at);
  v.field({8, "domain"}, r.domain);
  v.field({9, "immutable"}, r.immutable);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, RegionRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "description"}, r.description);
  v.field({4, "parent"}, r.parent);
  v.field({5, "extra"}, r.extra);
  v.field({6, "created_at"}, r.created_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, ServiceRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "type"}, r.type);
  v.field({4, "name"}, r.name);
  v.field({5, "description"}, r.description);
  bool disabled = !r.enabled;
  v.field({6, "disabled"}, disabled);
  r.enabled = !disabled;
  v.field({7, "extra"}, r.extra);
  v.field({8, "created_at"}, r.created_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, EndpointRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "service"}, r.service);
  v.field({4, "interface"}, r.interface);
  v.field({5, "region"}, r.region);
  v.field({6, "url"}, r.url);
  v.field({7, "description"}, r.description);
  bool disabled = !r.enabled;
  v.field({8, "disabled"}, disabled);
  r.enabled = !disabled;
  v.field({9, "extra"}, r.extra);
  v.field({10, "created_at"}, r.created_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, GrantRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "stamp"}, r.stamp);
  v.field({4, "user"}, r.user);
  v.field({5, "group"}, r.group);
  v.field({6, "project"}, r.project);
  v.field({7, "domain"}, r.domain);
  v.field({8, "roles"}, r.roles);
  v.field({9, "system"}, r.system);
  v.field({10, "inherited"}, r.inherited);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, RevocationRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "expires_at"}, r.expires_at);
  v.field({4, "revoked_at"}, r.revoked_at);
  v.unknown(r.unknown);
}

void keys(records::Keys& k, const DomainRecord& r) { k.unique("name", "", fold_case(r.name)); }

void keys(records::Keys& k, const ProjectRecord& r) {
  k.unique("name", r.domain.value, fold_case(r.name));
  k.index("domain", r.domain.value);
  k.index("parent", r.parent.empty() ? r.domain.value : r.parent.value);
}

void keys(records::Keys& k, const UserRecord& r) {
  k.unique("name", r.domain.value, fold_case(r.name));
  k.index("domain", r.domain.value);
  for (const GroupId& group : r.groups) k.index("group", group.value);
}

void keys(records::Keys& k, const GroupRecord& r) {
  k.unique("name", r.domain.value, fold_case(r.name));
  k.index("domain", r.domain.value);
}

void keys(records::Keys& k, const RoleRecord& r) {
  k.unique("name", r.domain.value, fold_case(r.name));
  if (!r.domain.empty()) k.index("domain", r.domain.value);
  for (const RoleId& implied : r.implies) k.index("implies", implied.value);
}

void keys(records::Keys& k, const RegionRecord& r) {
  if (!r.parent.empty()) k.index("parent", r.parent);
}

void keys(records::Keys& k, const ServiceRecord& r) { k.index("type", r.type); }

void keys(records::Keys& k, const EndpointRecord& r) {
  k.index("service", r.service.value);
  if (!r.region.empty()) k.index("region", r.region);
}

void keys(records::Keys& k, const GrantRecord& r) {
  if (!r.user.empty()) k.index("user", r.user.value);
  if (!r.group.empty()) k.index("group", r.group.value);
  if (!r.project.empty()) k.index("project", r.project.value);
  if (!r.domain.empty()) k.index("domain", r.domain.value);
  if (r.system) k.index("system", "all");
  for (const RoleId& role : r.roles) k.index("role", role.value);
}

void keys(records::Keys& k, const RevocationRecord& r) {
  const auto micros = r.expires_at.time_since_epoch().count();
  k.index("expires", records::key_number(static_cast<std::uint64_t>(micros)));
}

}  // namespace cloudos::identity
