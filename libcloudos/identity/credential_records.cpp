#include "identity/credential_records.hpp"

namespace cloudos::identity {

void fields(codec::FieldVisitor& v, CredentialRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "type"}, r.type);
  v.field({4, "sealed_blob"}, r.sealed_blob);
  v.field({5, "access"}, r.access);
  v.field({6, "sealed_secret"}, r.sealed_secret);
  v.field({7, "user"}, r.user);
  v.field({8, "project"}, r.project);
  v.field({9, "trust"}, r.trust);
  v.field({10, "application_credential"}, r.application_credential);
  v.field({11, "extra"}, r.extra);
  v.field({12, "created_at"}, r.created_at);
  v.field({13, "used_window"}, r.used_window);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, SignatureRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "expires_at"}, r.expires_at);
  v.unknown(r.unknown);
}

void keys(records::Keys& k, const CredentialRecord& r) {
  k.index("user", r.user.value);
  if (!r.project.empty()) k.index("project", r.project.value);
  if (!r.access.empty()) k.unique("access", "", r.access);
}

void keys(records::Keys& k, const SignatureRecord& r) {
  const auto micros = r.expires_at.time_since_epoch().count();
  k.index("expires", records::key_number(static_cast<std::uint64_t>(micros)));
}

}  // namespace cloudos::identity
