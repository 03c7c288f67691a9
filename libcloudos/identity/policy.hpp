#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "cloudos/policy.hpp"

/// The default rules: one table for every route of every service.
namespace cloudos::identity {

/// What a token may be scoped to. Whoever has a token that fits may be asked for roles.
enum PolicyScopes : std::uint8_t {
  kOnProject = 1,
  kOnDomain = 2,
  kOnSystem = 4,
  kOnAny = 8,  ///< Unscoped too.
};

/// What a target can say: the parts of PolicyTarget.
enum class PolicyPart : std::uint8_t {
  Project, User, Domain, ProjectDomain, UserDomain, GroupDomain, RoleName, Enabled
};
constexpr std::uint32_t part_bit(PolicyPart part) {
  return std::uint32_t{1} << static_cast<unsigned>(part);
}

struct PolicyDefault {
  std::string_view rule;
  std::uint8_t scopes = kOnAny;
  /// Parts that the service compares itself or asks about with a complete target: no others may be
  /// used in a rule, which would silently say yes.
  std::uint32_t parts = 0;
  /// The target is complete when the service asks. Otherwise the service only ever shows a caller
  /// the caller's own, so that a comparison may not be turned around by `not`.
  bool exact = false;
};

inline constexpr std::uint32_t kProjectPart = part_bit(PolicyPart::Project);
inline constexpr std::uint32_t kUserPart = part_bit(PolicyPart::User);

/// Whoever has a valid token, scoped or not.
inline constexpr PolicyDefault kAnyone{"@", kOnAny, 0};
/// Role reader (member and admin imply it) on the target's project.
inline constexpr PolicyDefault kReader{"rule:project_reader_or_admin", kOnProject | kOnSystem,
                                       kProjectPart};
/// Role member (admin implies it) on the target's project.
inline constexpr PolicyDefault kMember{"rule:project_member_or_admin", kOnProject, kProjectPart};
/// The user that the target is about.
inline constexpr PolicyDefault kSelf{"rule:admin_or_owner", kOnAny, kUserPart};
inline constexpr PolicyDefault kAdmin{"rule:admin_required", kOnProject | kOnSystem, kProjectPart};

struct PolicyRow {
  std::string_view name;  ///< "identity:create_user", as OpenStack's policy files have it.
  PolicyDefault is;
};

/// Rules that others refer to.
struct PolicyHelper {
  std::string_view name, rule;
};
std::span<const PolicyHelper> policy_helpers();

/// One block of the table per service.
std::span<const PolicyRow> identity_policies();
std::span<const PolicyRow> compute_policies();
std::span<const PolicyRow> credential_policies();
std::span<const PolicyRow> image_policies();
std::span<const PolicyRow> network_policies();
std::span<const PolicyRow> task_policies();
std::span<const PolicyRow> audit_policies();

}  // namespace cloudos::identity
