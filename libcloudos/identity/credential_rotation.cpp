#include <fmt/format.h>

#include "identity/credential_records.hpp"
#include "identity/domain_records.hpp"
#include "identity/impl.hpp"
#include "records/table.hpp"

/// The keys that users' secrets are sealed with, changed while everything goes on.
namespace cloudos {

using identity::CredentialKeys;
using identity::CredentialRecord;
using identity::DomainConfigRecord;
using identity::OAuthConsumerRecord;

namespace {

constexpr std::size_t kSealedAnewAtOnce = 100;

/// The sealed texts of a record.
std::vector<std::string*> sealed_texts(CredentialRecord& r) {
  return {&r.sealed_blob, &r.sealed_secret};
}
std::vector<std::string*> sealed_texts(OAuthConsumerRecord& r) {
  return {&r.sealed_secret};
}
std::vector<std::string*> sealed_texts(DomainConfigRecord& r) {
  std::vector<std::string*> texts;
  for (identity::StoredOption& option : r.options) texts.push_back(&option.sealed);
  return texts;
}

/// Every record of the kind that has a text which the first key does not open; with `counts`, also
/// how many texts each key opens.
template <class Record>
Result<std::vector<std::string>> sealed_before(const store::Snapshot& at,
                                               const CredentialKeys& keys,
                                               std::vector<CredentialKey>* counts) {
  std::vector<std::string> ids;
  CLOUDOS_TRY(auto all, records::all<Record>(at));
  for (Record& record : all) {
    bool before = false;
    for (const std::string* text : sealed_texts(record)) {
      if (text->empty()) continue;
      const auto place = keys.sealed_by(*text);
      before = before || place != 0;
      if (counts && place && *place < counts->size()) ++(*counts)[*place].secrets;
    }
    if (before) ids.push_back(records::id_text(record.id));
  }
  return ids;
}

/// True when there is more of this kind.
template <class Record>
Result<bool> seal_anew(const Identity::Impl& impl) {
  const CredentialKeys& keys = impl.credential_keys;
  CLOUDOS_TRY(const auto at, impl.snapshot());
  CLOUDOS_TRY(auto ids, sealed_before<Record>(*at, keys, nullptr));
  const bool more = ids.size() > kSealedAnewAtOnce;
  if (more) ids.resize(kSealedAnewAtOnce);
  if (ids.empty()) return false;
  CLOUDOS_CHECK(impl.commit_quietly([&](store::Txn& txn) -> Result<void> {
    for (const std::string& id : ids) {
      auto record = records::get<Record>(txn, id);
      if (!record) continue;  // Removed meanwhile.
      for (std::string* text : sealed_texts(*record)) {
        if (text->empty() || keys.sealed_by(*text) == 0) continue;
        CLOUDOS_TRY(const std::string plain, keys.unseal(*text));
        CLOUDOS_TRY(*text, keys.seal(plain, impl.engine.random));
      }
      CLOUDOS_CHECK(records::update(txn, *record));
    }
    return Result<void>();
  }));
  return more;
}

/// The keys with what each has sealed; `left`: how many records wait to be sealed anew.
Result<std::vector<CredentialKey>> counted_keys(const Identity::Impl& impl, std::size_t& left) {
  std::vector<CredentialKey> keys;
  for (const std::string& id : impl.credential_keys.ids())
    keys.push_back({id, keys.empty(), 0});
  CLOUDOS_TRY(const auto at, impl.snapshot());
  CLOUDOS_TRY(const auto a, sealed_before<CredentialRecord>(*at, impl.credential_keys, &keys));
  CLOUDOS_TRY(const auto b, sealed_before<OAuthConsumerRecord>(*at, impl.credential_keys, &keys));
  CLOUDOS_TRY(const auto c, sealed_before<DomainConfigRecord>(*at, impl.credential_keys, &keys));
  left = a.size() + b.size() + c.size();
  return keys;
}

}  // namespace

Result<bool> Identity::Impl::reseal_credentials() const {
  const std::uint64_t version = credential_keys.version();
  if (credential_keys.ids().size() < 2 || resealed == version) return false;
  CLOUDOS_TRY(const bool secrets, seal_anew<CredentialRecord>(*this));
  CLOUDOS_TRY(const bool consumers, seal_anew<OAuthConsumerRecord>(*this));
  CLOUDOS_TRY(const bool configs, seal_anew<DomainConfigRecord>(*this));
  const bool more = secrets || consumers || configs;
  if (!more) resealed = version;
  return more;
}

Result<std::vector<CredentialKey>> Credentials::keys(const Context& ctx) const {
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:list_credential_keys"));
  std::size_t left = 0;
  return counted_keys(impl_, left);
}

Result<std::vector<CredentialKey>> Credentials::rotate_keys(const Context& ctx) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(impl_.allow(ctx, "identity:rotate_credential_keys"));
  const std::lock_guard lock(impl_.credential_rotation);
  std::size_t left = 0;
  CLOUDOS_CHECK(counted_keys(impl_, left));
  if (left != 0) {
    return fail(ErrorCode::Conflict,
                fmt::format("{} records are not sealed with the present key yet: rotate again when "
                            "they are",
                            left));
  }
  CLOUDOS_CHECK(impl_.credential_keys.rotate(impl_.engine.random));
  impl_.audit_key_rotation(ctx, "identity:rotate_credential_keys");
  impl_.engine.runner.wake_reconciler("credential-keys");
  CLOUDOS_TRY(auto keys, counted_keys(impl_, left));
  impl_.engine.log.write(LogLevel::Info,
                         fmt::format("credential keys rotated: {} seals now", keys.front().id),
                         ctx.request_id);
  return keys;
}

}  // namespace cloudos
