#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

constexpr PolicyHelper kPolicyHelpers[] = {
    // Whose calls services take for an admin's: they see and change every project's things.
    {"context_is_admin", "role:admin"},
    {"admin_required", "role:admin or is_admin:1"},
    {"system_reader", "role:reader and system_scope:all"},
    {"cloud_reader", "rule:admin_required or rule:system_reader"},
    {"service_role", "role:service"},
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
    // Who has the role reader on a domain sees what its manager may change.
    {"reader_of_domain", "(role:reader or role:manager) and domain_id:%(target.domain.id)s"},
    {"reader_of_user", "(role:reader or role:manager) and domain_id:%(target.user.domain_id)s"},
    {"reader_of_group", "(role:reader or role:manager) and domain_id:%(target.group.domain_id)s"},
    {"reader_of_project",
     "(role:reader or role:manager) and domain_id:%(target.project.domain_id)s"},
    {"reader_of_grant",
     "(role:reader or role:manager) and "
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
constexpr PolicyDefault kCloudReader{"rule:cloud_reader", kOnAny, 0, true};
constexpr PolicyDefault kOwnToken = asked_with("rule:admin_or_owner", kUserPart);
constexpr PolicyDefault kSeenDomain = asked_with(
    "rule:cloud_reader or domain_id:%(target.domain.id)s or "
    "user_domain_id:%(target.domain.id)s or project_domain_id:%(target.domain.id)s",
    kDomainPart);
constexpr PolicyDefault kDomainList =
    asked_with("rule:cloud_reader or rule:reader_of_domain", kDomainPart);
constexpr PolicyDefault kSeenProject = asked_with(
    "rule:cloud_reader or project_id:%(target.project.id)s or rule:reader_of_project",
    kOfProject);
constexpr PolicyDefault kOwnUser =
    asked_with("rule:cloud_reader or rule:owner or rule:reader_of_user", kOfUser);
constexpr PolicyDefault kSeenGroup =
    asked_with("rule:cloud_reader or rule:reader_of_group", kOfGroup);
constexpr PolicyDefault kSeenMember = asked_with(
    "rule:cloud_reader or (rule:reader_of_group and rule:reader_of_user)", kOfGroup | kOfUser);
constexpr PolicyDefault kManagedUser =
    asked_with("rule:admin_required or rule:manager_of_user", kOfUser);
constexpr PolicyDefault kManagedGroup =
    asked_with("rule:admin_required or rule:manager_of_group", kOfGroup);
constexpr PolicyDefault kManagedMember = asked_with(
    "rule:admin_required or (rule:manager_of_group and rule:manager_of_user)",
    kOfGroup | kOfUser);
constexpr PolicyDefault kManagedProject =
    asked_with("rule:admin_required or rule:manager_of_project", kOfProject);
constexpr PolicyDefault kSeenRole = asked_with("rule:cloud_reader or role:manager", 0);
constexpr PolicyDefault kSeenGrant =
    asked_with("rule:cloud_reader or rule:reader_of_grant", kOfGrant);
/// Of a project or domain: whoever is on it, or sees the domain.
constexpr PolicyDefault kSeenLimit = asked_with(
    "rule:cloud_reader or project_id:%(target.project.id)s or domain_id:%(target.domain.id)s or "
    "domain_id:%(target.project.domain_id)s",
    kOfProject | kDomainPart);
constexpr PolicyDefault kManagedGrant = asked_with(
    "rule:admin_required or (rule:manager_of_grant and rule:domain_managed_target_role)",
    kOfGrant | part_bit(PolicyPart::RoleName));

/// Services look at the tokens of those who call them.
constexpr PolicyDefault kShownToken =
    asked_with("rule:admin_or_owner or rule:service_role", kUserPart);
constexpr PolicyDefault kService{"rule:admin_required or rule:service_role", kOnAny, 0, true};
/// What is one user's own, shown to readers of the cloud too.
constexpr PolicyDefault kSeenTrust = asked_with("rule:cloud_reader or rule:owner", kUserPart);
/// Of one user, by nobody else.
constexpr PolicyDefault kOnlyOwner = asked_with("rule:owner", kUserPart);

constexpr PolicyRow kIdentityPolicies[] = {
    {"identity:validate_token", kShownToken},
    {"identity:validate_expired_token", kService},
    {"identity:check_token", kOwnToken},
    {"identity:revoke_token", kOwnToken},
    {"identity:get_auth_catalog", kAnyone},
    {"identity:get_auth_projects", kAnyone},
    {"identity:get_auth_domains", kAnyone},
    {"identity:get_auth_system", kAnyone},

    {"identity:create_domain", kCloudAdmin},
    {"identity:get_domain", kSeenDomain},
    {"identity:list_domains", kCloudReader},
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
    {"identity:get_group", kSeenGroup},
    {"identity:list_groups", kDomainList},
    {"identity:update_group", kManagedGroup},
    {"identity:delete_group", kManagedGroup},
    {"identity:list_groups_for_user", kOwnUser},
    {"identity:list_users_in_group", kSeenGroup},
    {"identity:add_user_to_group", kManagedMember},
    {"identity:remove_user_from_group", kManagedMember},
    {"identity:check_user_in_group", kSeenMember},

    {"identity:create_role", kCloudAdmin},
    {"identity:get_role", kSeenRole},
    {"identity:list_roles", kSeenRole},
    {"identity:update_role", kCloudAdmin},
    {"identity:delete_role", kCloudAdmin},
    // Roles of one domain.
    {"identity:create_domain_role", kCloudAdmin},
    {"identity:get_domain_role", kSeenRole},
    {"identity:list_domain_roles", kSeenRole},
    {"identity:update_domain_role", kCloudAdmin},
    {"identity:delete_domain_role", kCloudAdmin},
    {"identity:list_implied_roles", kCloudReader},
    {"identity:get_implied_role", kCloudReader},
    {"identity:check_implied_role", kCloudReader},
    {"identity:create_implied_role", kCloudAdmin},
    {"identity:delete_implied_role", kCloudAdmin},
    {"identity:list_role_inference_rules", kCloudReader},

    {"identity:create_grant", kManagedGrant},
    {"identity:check_grant", kSeenGrant},
    {"identity:list_grants", kSeenGrant},
    {"identity:revoke_grant", kManagedGrant},
    {"identity:list_role_assignments", kDomainList},
    {"identity:create_system_grant", kCloudAdmin},
    {"identity:check_system_grant", kCloudReader},
    {"identity:list_system_grants", kCloudReader},
    {"identity:revoke_system_grant", kCloudAdmin},

    {"identity:create_region", kCloudAdmin},
    {"identity:get_region", kAnyone},
    {"identity:list_regions", kAnyone},
    {"identity:update_region", kCloudAdmin},
    {"identity:delete_region", kCloudAdmin},
    {"identity:create_service", kCloudAdmin},
    {"identity:get_service", kCloudReader},
    {"identity:list_services", kCloudReader},
    {"identity:update_service", kCloudAdmin},
    {"identity:delete_service", kCloudAdmin},
    {"identity:create_endpoint", kCloudAdmin},
    {"identity:get_endpoint", kCloudReader},
    {"identity:list_endpoints", kCloudReader},
    {"identity:update_endpoint", kCloudAdmin},
    {"identity:delete_endpoint", kCloudAdmin},

    {"identity:create_domain_config", kCloudAdmin},
    {"identity:get_domain_config", kCloudReader},
    {"identity:get_domain_config_default", kCloudReader},
    {"identity:get_security_compliance_domain_config", kAnyone},
    {"identity:update_domain_config", kCloudAdmin},
    {"identity:delete_domain_config", kCloudAdmin},

    {"identity:create_consumer", kCloudAdmin},
    {"identity:get_consumer", kCloudReader},
    {"identity:list_consumers", kCloudReader},
    {"identity:update_consumer", kCloudAdmin},
    {"identity:delete_consumer", kCloudAdmin},

    {"identity:create_endpoint_group", kCloudAdmin},
    {"identity:get_endpoint_group", kCloudReader},
    {"identity:list_endpoint_groups", kCloudReader},
    {"identity:update_endpoint_group", kCloudAdmin},
    {"identity:delete_endpoint_group", kCloudAdmin},
    {"identity:list_endpoints_associated_with_endpoint_group", kCloudReader},
    {"identity:list_projects_associated_with_endpoint_group", kCloudReader},
    {"identity:list_endpoint_groups_for_project", kCloudReader},
    {"identity:get_endpoint_group_in_project", kCloudReader},
    {"identity:add_endpoint_group_to_project", kCloudAdmin},
    {"identity:remove_endpoint_group_from_project", kCloudAdmin},
    {"identity:list_projects_for_endpoint", kCloudReader},
    {"identity:list_endpoints_for_project", kCloudReader},
    {"identity:check_endpoint_in_project", kCloudReader},
    {"identity:add_endpoint_to_project", kCloudAdmin},
    {"identity:remove_endpoint_from_project", kCloudAdmin},

    {"identity:create_policy", kCloudAdmin},
    {"identity:get_policy", kCloudReader},
    {"identity:list_policies", kCloudReader},
    {"identity:update_policy", kCloudAdmin},
    {"identity:delete_policy", kCloudAdmin},
    {"identity:create_policy_association_for_endpoint", kCloudAdmin},
    {"identity:check_policy_association_for_endpoint", kCloudReader},
    {"identity:delete_policy_association_for_endpoint", kCloudAdmin},
    {"identity:create_policy_association_for_service", kCloudAdmin},
    {"identity:check_policy_association_for_service", kCloudReader},
    {"identity:delete_policy_association_for_service", kCloudAdmin},
    {"identity:create_policy_association_for_region_and_service", kCloudAdmin},
    {"identity:check_policy_association_for_region_and_service", kCloudReader},
    {"identity:delete_policy_association_for_region_and_service", kCloudAdmin},
    {"identity:get_policy_for_endpoint", kCloudReader},
    {"identity:list_endpoints_for_policy", kCloudReader},

    {"identity:create_registered_limits", kCloudAdmin},
    {"identity:get_registered_limit", kAnyone},
    {"identity:list_registered_limits", kAnyone},
    {"identity:update_registered_limit", kCloudAdmin},
    {"identity:delete_registered_limit", kCloudAdmin},
    {"identity:get_limit_model", kAnyone},
    {"identity:create_limits", kCloudAdmin},
    {"identity:get_limit", kSeenLimit},
    {"identity:list_limits", kSeenLimit},
    {"identity:update_limit", kCloudAdmin},
    {"identity:delete_limit", kCloudAdmin},

    // Trusts: of their trustor and, to look at, their trustee.
    {"identity:create_trust", kOnlyOwner},
    {"identity:list_trusts", kCloudReader},
    {"identity:list_trusts_for_trustor", kSeenTrust},
    {"identity:list_trusts_for_trustee", kSeenTrust},
    {"identity:get_trust", kSeenTrust},
    {"identity:list_roles_for_trust", kSeenTrust},
    {"identity:get_role_for_trust", kSeenTrust},
    {"identity:delete_trust", kOwnToken},

    {"identity:create_application_credential", kOnlyOwner},
    {"identity:get_application_credential", kSeenTrust},
    {"identity:list_application_credentials", kSeenTrust},
    {"identity:delete_application_credential", kOwnToken},
    {"identity:get_access_rule", kSeenTrust},
    {"identity:list_access_rules", kSeenTrust},
    {"identity:delete_access_rule", kOwnToken},

    {"identity:list_revoke_events", kService},

    {"identity:list_token_keys", kCloudAdmin},
    {"identity:rotate_token_keys", kCloudAdmin},
    {"identity:list_credential_keys", kCloudAdmin},
    {"identity:rotate_credential_keys", kCloudAdmin},
};

}  // namespace

std::span<const PolicyHelper> policy_helpers() { return kPolicyHelpers; }
std::span<const PolicyRow> identity_policies() { return kIdentityPolicies; }

}  // namespace cloudos::identity
