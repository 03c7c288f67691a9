#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/ids.hpp"
#include "cloudos/clock.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"

/// What users let others do: trusts and application credentials.
namespace cloudos::identity {

struct TrustRecord {
  static constexpr std::string_view kKind = "trust";
  static constexpr std::uint32_t kSchema = 1;
  TrustId id;
  std::uint64_t generation = 0;
  UserId trustor, trustee;
  ProjectId project;
  std::vector<RoleId> roles;
  bool impersonation = false;
  std::optional<WallTime> expires_at;
  bool limited = false;              ///< `remaining_uses` counts.
  std::uint32_t remaining_uses = 0;
  TrustId redelegated_from;
  std::uint32_t redelegation_count = 0;
  WallTime created_at;
  /// When its last use was spent: it stays until the token that was made then has expired.
  std::optional<WallTime> sweep_at;
  std::string unknown;
};

struct ApplicationCredentialRecord {
  static constexpr std::string_view kKind = "application_credential";
  static constexpr std::uint32_t kSchema = 1;
  ApplicationCredentialId id;
  std::uint64_t generation = 0;
  UserId user;
  std::string name, description;
  ProjectId project;
  std::vector<RoleId> roles;
  std::vector<std::uint64_t> stamps;  ///< Of the grants it was made under: all must still stand.
  std::optional<WallTime> expires_at;
  bool unrestricted = false;
  bool ruled = false;                 ///< `rules` counts, also when it is empty.
  std::vector<std::string> rules;     ///< Ids of access rules.
  std::string secret_hash;
  WallTime created_at;
  std::string unknown;
};

struct AccessRuleRecord {
  static constexpr std::string_view kKind = "access_rule";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;
  std::uint64_t generation = 0;
  UserId user;
  std::string service, method, path;
  std::string unknown;
};

void fields(codec::FieldVisitor& v, TrustRecord& r);
void fields(codec::FieldVisitor& v, ApplicationCredentialRecord& r);
void fields(codec::FieldVisitor& v, AccessRuleRecord& r);

void keys(records::Keys& k, const TrustRecord& r);
void keys(records::Keys& k, const ApplicationCredentialRecord& r);
void keys(records::Keys& k, const AccessRuleRecord& r);

/// The unique value of an access rule among its user's.
std::string rule_value(std::string_view service, std::string_view method, std::string_view path);

}  // namespace cloudos::identity
