#include "identity/delegation_records.hpp"

#include <algorithm>

namespace cloudos::identity {

void fields(codec::FieldVisitor& v, TrustRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "trustor"}, r.trustor);
  v.field({4, "trustee"}, r.trustee);
  v.field({5, "project"}, r.project);
  v.field({6, "roles"}, r.roles);
  v.field({7, "impersonation"}, r.impersonation);
  v.field({8, "expires_at"}, r.expires_at);
  v.field({9, "limited"}, r.limited);
  v.field({10, "remaining_uses"}, r.remaining_uses);
  v.field({11, "redelegated_from"}, r.redelegated_from);
  v.field({12, "redelegation_count"}, r.redelegation_count);
  v.field({13, "created_at"}, r.created_at);
  v.field({14, "sweep_at"}, r.sweep_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, ApplicationCredentialRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "user"}, r.user);
  v.field({4, "name"}, r.name);
  v.field({5, "description"}, r.description);
  v.field({6, "project"}, r.project);
  v.field({7, "roles"}, r.roles);
  v.field({8, "stamps"}, r.stamps);
  v.field({9, "expires_at"}, r.expires_at);
  v.field({10, "unrestricted"}, r.unrestricted);
  v.field({11, "ruled"}, r.ruled);
  v.field({12, "rules"}, r.rules);
  v.field({13, "secret_hash"}, r.secret_hash);
  v.field({14, "created_at"}, r.created_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, AccessRuleRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "user"}, r.user);
  v.field({4, "service"}, r.service);
  v.field({5, "method"}, r.method);
  v.field({6, "path"}, r.path);
  v.unknown(r.unknown);
}

void keys(records::Keys& k, const TrustRecord& r) {
  k.index("trustor", r.trustor.value);
  k.index("trustee", r.trustee.value);
  if (!r.project.empty()) k.index("project", r.project.value);
  if (!r.redelegated_from.empty()) k.index("from", r.redelegated_from.value);
  std::optional<WallTime> end = r.expires_at;
  if (r.sweep_at) end = end ? std::min(*end, *r.sweep_at) : *r.sweep_at;
  if (end) {
    const auto micros = end->time_since_epoch().count();
    k.index("expires", records::key_number(static_cast<std::uint64_t>(micros)));
  }
}

void keys(records::Keys& k, const ApplicationCredentialRecord& r) {
  k.unique("name", r.user.value, r.name);
  k.index("user", r.user.value);
  k.index("project", r.project.value);
  for (const std::string& rule : r.rules) k.index("rule", rule);
}

void keys(records::Keys& k, const AccessRuleRecord& r) {
  k.unique("rule", r.user.value, rule_value(r.service, r.method, r.path));
  k.index("user", r.user.value);
}

std::string rule_value(std::string_view service, std::string_view method, std::string_view path) {
  std::string value(service);
  value += ' ';  // In neither of the first two.
  value += method;
  value += ' ';
  value += path;
  return value;
}

}  // namespace cloudos::identity
