#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

constexpr PolicyRow kIdentityPolicies[] = {
    // What concerns the caller's own token; whose token it is, the service checks.
    {"identity:validate_token", Rule::Self},
    {"identity:check_token", Rule::Self},
    {"identity:revoke_token", Rule::Self},
    {"identity:get_auth_catalog", Rule::Anyone},
    {"identity:get_auth_projects", Rule::Anyone},
    {"identity:get_auth_domains", Rule::Anyone},
    {"identity:get_auth_system", Rule::Anyone},

    {"identity:create_domain", Rule::Admin},
    {"identity:get_domain", Rule::Anyone},  // One's own domain: checked by the service.
    {"identity:list_domains", Rule::Admin},
    {"identity:update_domain", Rule::Admin},
    {"identity:delete_domain", Rule::Admin},

    {"identity:create_project", Rule::Admin},
    {"identity:get_project", Rule::Anyone},  // Of one's own token: checked by the service.
    {"identity:list_projects", Rule::Admin},
    {"identity:update_project", Rule::Admin},
    {"identity:delete_project", Rule::Admin},
    {"identity:list_user_projects", Rule::Self},
    {"identity:list_project_tags", Rule::Anyone},
    {"identity:get_project_tag", Rule::Anyone},
    {"identity:create_project_tag", Rule::Admin},
    {"identity:update_project_tags", Rule::Admin},
    {"identity:delete_project_tag", Rule::Admin},
    {"identity:delete_project_tags", Rule::Admin},

    {"identity:create_user", Rule::Admin},
    {"identity:get_user", Rule::Self},
    {"identity:list_users", Rule::Admin},
    {"identity:update_user", Rule::Admin},
    {"identity:delete_user", Rule::Admin},
    {"identity:change_password", Rule::Self},

    {"identity:create_group", Rule::Admin},
    {"identity:get_group", Rule::Admin},
    {"identity:list_groups", Rule::Admin},
    {"identity:update_group", Rule::Admin},
    {"identity:delete_group", Rule::Admin},
    {"identity:list_groups_for_user", Rule::Self},
    {"identity:list_users_in_group", Rule::Admin},
    {"identity:add_user_to_group", Rule::Admin},
    {"identity:remove_user_from_group", Rule::Admin},
    {"identity:check_user_in_group", Rule::Admin},

    {"identity:create_role", Rule::Admin},
    {"identity:get_role", Rule::Admin},
    {"identity:list_roles", Rule::Admin},
    {"identity:update_role", Rule::Admin},
    {"identity:delete_role", Rule::Admin},
    {"identity:list_implied_roles", Rule::Admin},
    {"identity:get_implied_role", Rule::Admin},
    {"identity:check_implied_role", Rule::Admin},
    {"identity:create_implied_role", Rule::Admin},
    {"identity:delete_implied_role", Rule::Admin},
    {"identity:list_role_inference_rules", Rule::Admin},

    {"identity:create_grant", Rule::Admin},
    {"identity:check_grant", Rule::Admin},
    {"identity:list_grants", Rule::Admin},
    {"identity:revoke_grant", Rule::Admin},
    {"identity:list_role_assignments", Rule::Admin},

    {"identity:create_region", Rule::Admin},
    {"identity:get_region", Rule::Anyone},
    {"identity:list_regions", Rule::Anyone},
    {"identity:update_region", Rule::Admin},
    {"identity:delete_region", Rule::Admin},
    {"identity:create_service", Rule::Admin},
    {"identity:get_service", Rule::Admin},
    {"identity:list_services", Rule::Admin},
    {"identity:update_service", Rule::Admin},
    {"identity:delete_service", Rule::Admin},
    {"identity:create_endpoint", Rule::Admin},
    {"identity:get_endpoint", Rule::Admin},
    {"identity:list_endpoints", Rule::Admin},
    {"identity:update_endpoint", Rule::Admin},
    {"identity:delete_endpoint", Rule::Admin},
};

}  // namespace

std::span<const PolicyRow> identity_policies() { return kIdentityPolicies; }

}  // namespace cloudos::identity
