#include "base/text.hpp"
#include "identity/methods.hpp"

namespace cloudos::identity {
namespace {

/// The credential that is meant; nothing when there is none, whatever is missing.
Result<std::optional<ApplicationCredentialRecord>> meant_credential(
    const Identity::Impl& impl, const store::Snapshot& at,
    const Login::ApplicationCredential& given) {
  using Found = std::optional<ApplicationCredentialRecord>;
  std::string id = given.id;
  if (id.empty()) {
    CLOUDOS_TRY(const auto owner, impl.find_user(at, given.user));
    if (!owner) return Found();
    CLOUDOS_TRY(const auto named, records::find_unique(at, ApplicationCredentialRecord::kKind,
                                                       "name", owner->id.value, given.name));
    if (!named) return Found();
    id = *named;
  }
  auto record = records::get<ApplicationCredentialRecord>(at, id);
  if (record) return Found(std::move(*record));
  if (record.error().code == ErrorCode::NotFound) return Found();
  return fail(std::move(record).error());
}

}  // namespace

Result<ProvenCredential> verify_application_credential(const Identity::Impl& impl,
                                                       const Login::ApplicationCredential& given) {
  CLOUDOS_TRY(const auto record, impl.by_snapshot([&](const store::Snapshot& at) {
    return meant_credential(impl, at, given);
  }));
  // Guessing secrets of one credential takes no more turns than guessing one user's password.
  CLOUDOS_TRY(const auto turn,
              impl.logins.begin(record ? record->id.value
                                       : fold_case(given.id + given.user.id + given.user.name)));
  const auto matched = impl.passwords.verify(given.secret, record ? record->secret_hash : "");
  if (!matched && matched.error().code != ErrorCode::Unauthenticated) return fail(matched.error());
  if (!matched || !record) return bad_login();
  if (record->expires_at && impl.engine.clock.wall() >= *record->expires_at) return bad_login();
  auto user = impl.by_snapshot(
      [&](const store::Snapshot& at) { return records::get<UserRecord>(at, record->user); });
  if (!user && user.error().code == ErrorCode::NotFound) return bad_login();
  if (!user) return fail(std::move(user).error());
  CLOUDOS_TRY(const bool open, settle_by_key(impl, *user));
  if (!open) return bad_login();
  return ProvenCredential{std::move(*user), record->id};
}

Result<UserRecord> verify_external(const Identity::Impl& impl, const NamedReference& who) {
  CLOUDOS_TRY(auto named,
              impl.by_snapshot([&](const store::Snapshot& at) { return impl.find_user(at, who); }));
  if (!named || !named->enabled) return bad_login();
  CLOUDOS_TRY(const bool open, settle_by_key(impl, *named));
  if (!open) return bad_login();
  return std::move(*named);
}

}  // namespace cloudos::identity
