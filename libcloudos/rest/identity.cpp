#include "rest/identity_handlers.hpp"

namespace cloudos::rest {
namespace identity_v3 {
namespace {

constexpr Route read_route(std::string_view pattern, Handler handler, std::string_view policy) {
  return {"GET", pattern, handler, policy, Service::Identity, RouteClass::Inline, true};
}
constexpr Route write_route(std::string_view method, std::string_view pattern, Handler handler,
                            std::string_view policy) {
  return {method, pattern, handler, policy, Service::Identity, RouteClass::Commits, true};
}
/// Routes that may hash a password.
constexpr Route hash_route(std::string_view method, std::string_view pattern, Handler handler,
                           std::string_view policy, bool auth = true) {
  return {method, pattern, handler, policy, Service::Identity, RouteClass::Hash, auth};
}

constexpr Route kIdentityRoutes[] = {
    hash_route("POST", "/identity/v3/auth/tokens", create_token, "", false),
    read_route("/identity/v3/auth/tokens", show_token, "identity:validate_token"),
    write_route("DELETE", "/identity/v3/auth/tokens", revoke_token, "identity:revoke_token"),
    read_route("/identity/v3/auth/catalog", auth_catalog, "identity:get_auth_catalog"),
    read_route("/identity/v3/auth/projects", auth_projects, "identity:get_auth_projects"),
    read_route("/identity/v3/auth/domains", auth_domains, "identity:get_auth_domains"),
    read_route("/identity/v3/auth/system", auth_system, "identity:get_auth_system"),

    hash_route("POST", "/identity/v3/users", create_user, "identity:create_user"),
    read_route("/identity/v3/users", list_users, "identity:list_users"),
    read_route("/identity/v3/users/{user_id}", show_user, "identity:get_user"),
    hash_route("PATCH", "/identity/v3/users/{user_id}", update_user, "identity:update_user"),
    write_route("DELETE", "/identity/v3/users/{user_id}", delete_user, "identity:delete_user"),
    hash_route("POST", "/identity/v3/users/{user_id}/password", change_user_password,
               "identity:change_password"),
    read_route("/identity/v3/users/{user_id}/projects", list_user_projects,
               "identity:list_user_projects"),
    read_route("/identity/v3/users/{user_id}/groups", list_user_groups,
               "identity:list_groups_for_user"),

    write_route("POST", "/identity/v3/groups", create_group, "identity:create_group"),
    read_route("/identity/v3/groups", list_groups, "identity:list_groups"),
    read_route("/identity/v3/groups/{group_id}", show_group, "identity:get_group"),
    write_route("PATCH", "/identity/v3/groups/{group_id}", update_group, "identity:update_group"),
    write_route("DELETE", "/identity/v3/groups/{group_id}", delete_group, "identity:delete_group"),
    read_route("/identity/v3/groups/{group_id}/users", list_group_users,
               "identity:list_users_in_group"),
    read_route("/identity/v3/groups/{group_id}/users/{user_id}", check_group_user,
               "identity:check_user_in_group"),
    write_route("PUT", "/identity/v3/groups/{group_id}/users/{user_id}", add_group_user,
                "identity:add_user_to_group"),
    write_route("DELETE", "/identity/v3/groups/{group_id}/users/{user_id}", remove_group_user,
                "identity:remove_user_from_group"),

    write_route("POST", "/identity/v3/domains", create_domain, "identity:create_domain"),
    read_route("/identity/v3/domains", list_domains, "identity:list_domains"),
    read_route("/identity/v3/domains/{domain_id}", show_domain, "identity:get_domain"),
    write_route("PATCH", "/identity/v3/domains/{domain_id}", update_domain,
                "identity:update_domain"),
    write_route("DELETE", "/identity/v3/domains/{domain_id}", delete_domain,
                "identity:delete_domain"),

    write_route("POST", "/identity/v3/projects", create_project, "identity:create_project"),
    read_route("/identity/v3/projects", list_projects, "identity:list_projects"),
    read_route("/identity/v3/projects/{project_id}", show_project, "identity:get_project"),
    write_route("PATCH", "/identity/v3/projects/{project_id}", update_project,
                "identity:update_project"),
    write_route("DELETE", "/identity/v3/projects/{project_id}", delete_project,
                "identity:delete_project"),
    read_route("/identity/v3/projects/{project_id}/tags", list_project_tags,
               "identity:list_project_tags"),
    write_route("PUT", "/identity/v3/projects/{project_id}/tags", replace_project_tags,
                "identity:update_project_tags"),
    write_route("DELETE", "/identity/v3/projects/{project_id}/tags", clear_project_tags,
                "identity:delete_project_tags"),
    read_route("/identity/v3/projects/{project_id}/tags/{tag}", check_project_tag,
               "identity:get_project_tag"),
    write_route("PUT", "/identity/v3/projects/{project_id}/tags/{tag}", add_project_tag,
                "identity:create_project_tag"),
    write_route("DELETE", "/identity/v3/projects/{project_id}/tags/{tag}", remove_project_tag,
                "identity:delete_project_tag"),

    write_route("POST", "/identity/v3/roles", create_role, "identity:create_role"),
    read_route("/identity/v3/roles", list_roles, "identity:list_roles"),
    read_route("/identity/v3/roles/{role_id}", show_role, "identity:get_role"),
    write_route("PATCH", "/identity/v3/roles/{role_id}", update_role, "identity:update_role"),
    write_route("DELETE", "/identity/v3/roles/{role_id}", delete_role, "identity:delete_role"),
    read_route("/identity/v3/roles/{prior_role_id}/implies", list_implied_roles,
               "identity:list_implied_roles"),
    read_route("/identity/v3/roles/{prior_role_id}/implies/{implied_role_id}", show_implied_role,
               "identity:get_implied_role"),
    {"HEAD", "/identity/v3/roles/{prior_role_id}/implies/{implied_role_id}", check_implied_role,
     "identity:check_implied_role", Service::Identity, RouteClass::Inline, true},
    write_route("PUT", "/identity/v3/roles/{prior_role_id}/implies/{implied_role_id}",
                create_implied_role, "identity:create_implied_role"),
    write_route("DELETE", "/identity/v3/roles/{prior_role_id}/implies/{implied_role_id}",
                delete_implied_role, "identity:delete_implied_role"),
    read_route("/identity/v3/role_inferences", list_role_inferences,
               "identity:list_role_inference_rules"),
    read_route("/identity/v3/role_assignments", list_role_assignments,
               "identity:list_role_assignments"),

    read_route("/identity/v3/projects/{project_id}/users/{user_id}/roles", list_grants,
               "identity:list_grants"),
    read_route("/identity/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", check_grant,
               "identity:check_grant"),
    write_route("PUT", "/identity/v3/projects/{project_id}/users/{user_id}/roles/{role_id}",
                create_grant, "identity:create_grant"),
    write_route("DELETE", "/identity/v3/projects/{project_id}/users/{user_id}/roles/{role_id}",
                revoke_grant, "identity:revoke_grant"),
    read_route("/identity/v3/projects/{project_id}/groups/{group_id}/roles", list_grants,
               "identity:list_grants"),
    read_route("/identity/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}",
               check_grant, "identity:check_grant"),
    write_route("PUT", "/identity/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}",
                create_grant, "identity:create_grant"),
    write_route("DELETE", "/identity/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}",
                revoke_grant, "identity:revoke_grant"),
    read_route("/identity/v3/domains/{domain_id}/users/{user_id}/roles", list_grants,
               "identity:list_grants"),
    read_route("/identity/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}", check_grant,
               "identity:check_grant"),
    write_route("PUT", "/identity/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}",
                create_grant, "identity:create_grant"),
    write_route("DELETE", "/identity/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}",
                revoke_grant, "identity:revoke_grant"),
    read_route("/identity/v3/domains/{domain_id}/groups/{group_id}/roles", list_grants,
               "identity:list_grants"),
    read_route("/identity/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}", check_grant,
               "identity:check_grant"),
    write_route("PUT", "/identity/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}",
                create_grant, "identity:create_grant"),
    write_route("DELETE", "/identity/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}",
                revoke_grant, "identity:revoke_grant"),

    write_route("POST", "/identity/v3/regions", create_region, "identity:create_region"),
    read_route("/identity/v3/regions", list_regions, "identity:list_regions"),
    read_route("/identity/v3/regions/{region_id}", show_region, "identity:get_region"),
    write_route("PUT", "/identity/v3/regions/{region_id}", create_named_region,
                "identity:create_region"),
    write_route("PATCH", "/identity/v3/regions/{region_id}", update_region,
                "identity:update_region"),
    write_route("DELETE", "/identity/v3/regions/{region_id}", delete_region,
                "identity:delete_region"),
    write_route("POST", "/identity/v3/services", create_service, "identity:create_service"),
    read_route("/identity/v3/services", list_services, "identity:list_services"),
    read_route("/identity/v3/services/{service_id}", show_service, "identity:get_service"),
    write_route("PATCH", "/identity/v3/services/{service_id}", update_service,
                "identity:update_service"),
    write_route("DELETE", "/identity/v3/services/{service_id}", delete_service,
                "identity:delete_service"),
    write_route("POST", "/identity/v3/endpoints", create_endpoint, "identity:create_endpoint"),
    read_route("/identity/v3/endpoints", list_endpoints, "identity:list_endpoints"),
    read_route("/identity/v3/endpoints/{endpoint_id}", show_endpoint, "identity:get_endpoint"),
    write_route("PATCH", "/identity/v3/endpoints/{endpoint_id}", update_endpoint,
                "identity:update_endpoint"),
    write_route("DELETE", "/identity/v3/endpoints/{endpoint_id}", delete_endpoint,
                "identity:delete_endpoint"),
};

}  // namespace
}  // namespace identity_v3

std::span<const Route> identity_routes() { return identity_v3::kIdentityRoutes; }

}  // namespace cloudos::rest
