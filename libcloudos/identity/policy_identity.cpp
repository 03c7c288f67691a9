#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

constexpr PolicyHelper kPolicyHelpers[] = {
    // Whose calls services take for an admin's: they see and change every project's things.
    {"context_is_admin", "role:admin"},
    {"admin_required", "role:admin or is_admin:1"},
    {"owner", "user_id:%(target.user.id)s"},
    {"admin_or_owner", "rule:admin_required or rule:owner"},
    {"project_reader", "(role:reader or role:member) and project_id:%(project_id)s"},
    {"project_member", "role:member and project_id:%(project_id)s"},
    {"project_reader_or_admin", "rule:admin_required or rule:project_reader"},
    {"project_member_or_admin", "rule:admin_required or rule:project_member"},
    // Who has the role manager on a domain runs what is in it: its users, groups, projects, and
    // who of those has which of the managed roles on what of those.
    {"domain_managed_target_role", "'manager':%(target.role.name)s or "
                                   "'member':%(target.role.name)s or "
                                   "'reader':%(target.role.name)s"},
    {"manager_of_domain", "role:manager and domain_id:%(target.domain.id)s"},
    {"manager_of_user", "role:manager and domain_id:%(target.user.domain_id)s"},
    {"manager_of_group", "role:manager and domain_id:%(target.group.domain_id)s"},
    {"manager_of_project", "role:manager and domain_id:%(target.project.domain_id)s"},
    {"manager_of_grant",
     "role:manager and "
     "(domain_id:%(target.user.domain_id)s or domain_id:%(target.group.domain_id)s) and "
     "(domain_id:%(target.project.domain_id)s or domain_id:%(target.domain.id)s)"},
};

constexpr std::uint32_t kDomainPart = part_bit(PolicyPart::Domain);
constexpr std::uint32_t kOfUser =
    kUserPart | part_bit(PolicyPart::UserDomain) | part_bit(PolicyPart::Enabled);
constexpr std::uint32_t kOfGroup = part_bit(PolicyPart::GroupDomain);
constexpr std::uint32_t kOfProject =
    kProjectPart | part_bit(PolicyPart::ProjectDomain) | part_bit(PolicyPart::Enabled);
constexpr std::uint32_t kOfGrant = kOfUser | kOfGroup | kOfProject | kDomainPart;

/// The service asks with the whole target.
constexpr PolicyDefault asked_with(std::string_view rule, std::uint32_t parts) {
  return {rule, kOnAny, parts, true};
}
constexpr PolicyDefault kCloudAdmin{"rule:admin_required", kOnAny, 0, true};
constexpr PolicyDefault kOwnToken = asked_with("rule:admin_or_owner", kUserPart);
constexpr PolicyDefault kSeenDomain = asked_with(
    "rule:admin_required or domain_id:%(target.domain.id)s or "
    "user_domain_id:%(target.domain.id)s or project_domain_id:%(target.domain.id)s",
    kDomainPart);
constexpr PolicyDefault kDomainList =
    asked_with("rule:admin_required or rule:manager_of_domain", kDomainPart);
constexpr PolicyDefault kSeenProject = asked_with(
    "rule:admin_required or project_id:%(target.project.id)s or rule:manager_of_project",
    kOfProject);
constexpr PolicyDefault kOwnUser = asked_with("rule:admin_or_owner or rule:manager_of_user",
                                              kOfUser);
constexpr PolicyDefault kManagedUser =
    asked_with("rule:admin_required or rule:manager_of_user", kOfUser);
constexpr PolicyDefault kManagedGroup =
    asked_with("rule:admin_required or rule:manager_of_group", kOfGroup);
constexpr PolicyDefault kManagedMember = asked_with(
    "rule:admin_required or (rule:manager_of_group and rule:manager_of_user)",
    kOfGroup | kOfUser);
constexpr PolicyDefault kManagedProject =
    asked_with("rule:admin_required or rule:manager_of_project", kOfProject);
constexpr PolicyDefault kSeenRole = asked_with("rule:admin_required or role:manager", 0);
constexpr PolicyDefault kSeenGrant =
    asked_with("rule:admin_required or rule:manager_of_grant", kOfGrant);
constexpr PolicyDefault kManagedGrant = asked_with(
    "rule:admin_required or (rule:manager_of_grant and rule:domain_managed_target_role)",
    kOfGrant | part_bit(PolicyPart::RoleName));

constexpr PolicyRow kIdentityPolicies[] = {
    {"identity:validate_token", kOwnToken},
    {"identity:check_token", kOwnToken},
    {"identity:revoke_token", kOwnToken},
    {"identity:get_auth_catalog", kAnyone},
    {"identity:get_auth_projects", kAnyone},
    {"identity:get_auth_domains", kAnyone},
    {"identity:get_auth_system", kAnyone},

    {"identity:create_domain", kCloudAdmin},
    {"identity:get_domain", kSeenDomain},
    {"identity:list_domains", kCloudAdmin},
    {"identity:update_domain", kCloudAdmin},
    {"identity:delete_domain", kCloudAdmin},

    {"identity:create_project", kManagedProject},
    {"identity:get_project", kSeenProject},
    {"identity:list_projects", kDomainList},
    {"identity:update_project", kManagedProject},
    {"identity:delete_project", kManagedProject},
    {"identity:list_user_projects", kOwnUser},
    {"identity:list_project_tags", kSeenProject},
    {"identity:get_project_tag", kSeenProject},
    {"identity:create_project_tag", kManagedProject},
    {"identity:update_project_tags", kManagedProject},
    {"identity:delete_project_tag", kManagedProject},
    {"identity:delete_project_tags", kManagedProject},

    {"identity:create_user", kManagedUser},
    {"identity:get_user", kOwnUser},
    {"identity:list_users", kDomainList},
    {"identity:update_user", kManagedUser},
    {"identity:delete_user", kManagedUser},
    {"identity:change_password", kOwnToken},

    {"identity:create_group", kManagedGroup},
    {"identity:get_group", kManagedGroup},
    {"identity:list_groups", kDomainList},
    {"identity:update_group", kManagedGroup},
    {"identity:delete_group", kManagedGroup},
    {"identity:list_groups_for_user", kOwnUser},
    {"identity:list_users_in_group", kManagedGroup},
    {"identity:add_user_to_group", kManagedMember},
    {"identity:remove_user_from_group", kManagedMember},
    {"identity:check_user_in_group", kManagedMember},

    {"identity:create_role", kCloudAdmin},
    {"identity:get_role", kSeenRole},
    {"identity:list_roles", kSeenRole},
    {"identity:update_role", kCloudAdmin},
    {"identity:delete_role", kCloudAdmin},
    {"identity:list_implied_roles", kCloudAdmin},
    {"identity:get_implied_role", kCloudAdmin},
    {"identity:check_implied_role", kCloudAdmin},
    {"identity:create_implied_role", kCloudAdmin},
    {"identity:delete_implied_role", kCloudAdmin},
    {"identity:list_role_inference_rules", kCloudAdmin},

    {"identity:create_grant", kManagedGrant},
    {"identity:check_grant", kSeenGrant},
    {"identity:list_grants", kSeenGrant},
    {"identity:revoke_grant", kManagedGrant},
    {"identity:list_role_assignments", kDomainList},
    {"identity:create_system_grant", kCloudAdmin},
    {"identity:check_system_grant", kCloudAdmin},
    {"identity:list_system_grants", kCloudAdmin},
    {"identity:revoke_system_grant", kCloudAdmin},

    {"identity:create_region", kCloudAdmin},
    {"identity:get_region", kAnyone},
    {"identity:list_regions", kAnyone},
    {"identity:update_region", kCloudAdmin},
    {"identity:delete_region", kCloudAdmin},
    {"identity:create_service", kCloudAdmin},
    {"identity:get_service", kCloudAdmin},
    {"identity:list_services", kCloudAdmin},
    {"identity:update_service", kCloudAdmin},
    {"identity:delete_service", kCloudAdmin},
    {"identity:create_endpoint", kCloudAdmin},
    {"identity:get_endpoint", kCloudAdmin},
    {"identity:list_endpoints", kCloudAdmin},
    {"identity:update_endpoint", kCloudAdmin},
    {"identity:delete_endpoint", kCloudAdmin},

    {"identity:list_token_keys", kCloudAdmin},
    {"identity:rotate_token_keys", kCloudAdmin},
};

}  // namespace

std::span<const PolicyHelper> policy_helpers() { return kPolicyHelpers; }
std::span<const PolicyRow> identity_policies() { return kIdentityPolicies; }

}  // namespace cloudos::identity
