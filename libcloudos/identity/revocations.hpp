#pragma once
#include <map>
#include <string>
#include <string_view>

#include "cloudos/identity.hpp"
#include "cloudos/store.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"

/// What else than revoke() ended tokens before their time: noted for those who keep tokens of
/// their own account (list_revocations). Our own validation reads the records themselves.
namespace cloudos::identity {

/// Every token that all ids hold for which are set, given before `revoked_at`.
struct RevokeEventRecord {
  static constexpr std::string_view kKind = "revoke_event";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;  ///< "user:<id>", "project:<id>", "grant:<grant>:<role>": the last one counts.
  std::uint64_t generation = 0;
  UserId user;
  ProjectId project;
  DomainId domain;
  RoleId role;
  TrustId trust;
  WallTime revoked_at, expires_at;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, RevokeEventRecord& r);
void keys(records::Keys& k, const RevokeEventRecord& r);

/// A transaction that looks at what is written: users, projects and domains that are disabled,
/// changed or removed, trusts and roles that go, roles that are taken away. Hooks in the calls that
/// do such things would be forgotten in the next one.
class RevocationNotes final : public store::Txn {
 public:
  explicit RevocationNotes(store::Txn& inner) : inner_(inner) {}
  std::optional<std::string_view> get(std::string_view key) override { return inner_.get(key); }
  bool none(std::string_view prefix) override { return inner_.none(prefix); }
  void put(std::string_view key, std::string_view value) override;
  void erase(std::string_view key) override;
  /// Behind the last change: writes the events into the transaction itself.
  Result<void> write(WallTime now, WallTime expires_at);

 private:
  void changed(std::string_view kind, std::string_view before, std::string_view after);
  void gone(std::string_view kind, std::string_view before);
  void taken_away(const std::string& grant, std::string_view before, std::string_view after);
  store::Txn& inner_;
  std::map<std::string, RevokeEventRecord> noted_;
  std::size_t grants_ = 0;
};

}  // namespace cloudos::identity
