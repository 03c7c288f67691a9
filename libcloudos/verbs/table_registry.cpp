// Inherited roles, chosen endpoints, policies kept for services, limits, configurations of domains,
// consumers.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::registry {

constexpr Parameter kUser = must(ref("user_id", "--user", "users", "user that has the role"));
constexpr Parameter kGroup = must(ref("group_id", "--group", "groups", "group that has the role"));
constexpr Parameter kProject = must(ref("project_id", "--project", "projects", "below this one"));
constexpr Parameter kDomain = must(ref("domain_id", "--domain", "domains", "in this domain"));
constexpr Parameter kInherited =
    must(set("", "--inherited", "true", "on every project below, not on what is named itself"));
constexpr Parameter kRole = subject("ROLE", "roles", "role_id");
constexpr Parameter kProjectUser[] = {kRole, kProject, kUser, kInherited};
constexpr Parameter kProjectGroup[] = {kRole, kProject, kGroup, kInherited};
constexpr Parameter kDomainUser[] = {kRole, kDomain, kUser, kInherited};
constexpr Parameter kDomainGroup[] = {kRole, kDomain, kGroup, kInherited};
constexpr Parameter kBelowProjectUser[] = {kProject, kUser};
constexpr Parameter kBelowProjectGroup[] = {kProject, kGroup};
constexpr Parameter kBelowDomainUser[] = {kDomain, kUser};
constexpr Parameter kBelowDomainGroup[] = {kDomain, kGroup};

constexpr Parameter kGroupOne[] = {subject("ENDPOINT-GROUP", "endpoint_groups")};
constexpr Parameter kGroupMany[] = {subject("ENDPOINT-GROUP...", "endpoint_groups")};
constexpr Parameter kFilters = of(Kind::Map, "filters", "--filter",
                                  "interface, service_id or region_id=VALUE (repeat for more)");
constexpr Parameter kGroupCreate[] = {kItsName, must(kFilters),
                                      kDescription};
constexpr Parameter kGroupSet[] = {subject("ENDPOINT-GROUP", "endpoint_groups"),
                                   kNewName, kFilters, kDescription};
constexpr Parameter kGroupList[] = {kNamed};
constexpr Parameter kGroupsOfProject[] = {
    must(ref("project_id", "--project", "projects", "chosen for this project"))};
constexpr Parameter kGroupProject[] = {subject("ENDPOINT-GROUP", "endpoint_groups"),
                                       subject("PROJECT", "projects", "project_id")};
constexpr Parameter kEndpointProject[] = {subject("ENDPOINT", "endpoints"),
                                          subject("PROJECT", "projects", "project_id")};
constexpr Parameter kEndpointOne[] = {subject("ENDPOINT", "endpoints")};
constexpr Parameter kEndpointsOfProject[] = {
    must(ref("project_id", "--project", "projects", "chosen for this project"))};

constexpr Parameter kConfigDomain = subject("DOMAIN", "domains", "domain_id");
constexpr Parameter kConfigGroup = word("group", "GROUP", "identity or ldap");
constexpr Parameter kConfigOption = word("option", "OPTION", "one option of the group");
constexpr Parameter kConfigLdap =
    of(Kind::Map, "ldap", "--ldap", "OPTION=VALUE of that group (repeat for more)");
constexpr Parameter kConfigIdentity =
    of(Kind::Map, "identity", "--identity", "driver or list_limit=VALUE");
constexpr Parameter kConfigMembers = of(Kind::Members, "", {}, "the option, NAME: VALUE");
constexpr Parameter kConfigAll[] = {kConfigDomain};
constexpr Parameter kConfigOfGroup[] = {kConfigDomain, kConfigGroup};
constexpr Parameter kConfigOfOption[] = {kConfigDomain, kConfigGroup, kConfigOption};
constexpr Parameter kConfigSet[] = {kConfigDomain, kConfigIdentity, kConfigLdap};
constexpr Parameter kConfigSetGroup[] = {kConfigDomain, kConfigGroup, kConfigIdentity, kConfigLdap};
constexpr Parameter kConfigSetOption[] = {kConfigDomain, kConfigGroup, kConfigOption,
                                          kConfigMembers};
constexpr Parameter kDefaultOfGroup[] = {kConfigGroup};
constexpr Parameter kDefaultOfOption[] = {kConfigGroup, kConfigOption};
constexpr Parameter kPasswordRule[] = {
    kConfigDomain, word("option", "OPTION", "password_regex or its description")};

constexpr Parameter kConsumerOne[] = {subject("CONSUMER", "consumers")};
constexpr Parameter kConsumerMany[] = {subject("CONSUMER...", "consumers")};
constexpr Parameter kConsumerCreate[] = {kDescription};
constexpr Parameter kConsumerSet[] = {subject("CONSUMER", "consumers"), kDescription};

constexpr Parameter kPolicyOne[] = {subject("POLICY", "policies")};
constexpr Parameter kPolicyMany[] = {subject("POLICY...", "policies")};
constexpr Parameter kPolicyCreate[] = {
    {"blob", Kind::FileText, "FILE", "its text", {}, {}, true},
    must(text("type", "--type", "what the text is: application/json")),
};
constexpr Parameter kPolicySet[] = {
    subject("POLICY", "policies"),
    of(Kind::FileText, "blob", "--rules", "file with its text"),
    text("type", "--type", "what the text is"),
};
constexpr Parameter kPolicyList[] = {text("type", "--type", "of this type")};
constexpr Parameter kPolicyEndpoint[] = {
    subject("POLICY", "policies"), must(ref("endpoint_id", {}, "endpoints", "endpoint it is for"))};
constexpr Parameter kPolicyService[] = {
    subject("POLICY", "policies"), must(ref("service_id", {}, "services", "service it is for"))};
constexpr Parameter kPolicyRegion[] = {subject("POLICY", "policies"),
                                       must(ref("service_id", {}, "services", "service it is for")),
                                       must(ref("region_id", {}, "regions", "in this region"))};

constexpr Parameter kService = must(ref("service_id", "--service", "services", "of this service"));
constexpr Parameter kRegion = ref("region_id", "--region", "regions", "in this region");
constexpr Parameter kResource = word("resource_name", "RESOURCE", "what is limited: volumes");
constexpr Parameter kDefault =
    number("default_limit", "--default-limit", "how many a project may have; -1: any number");
constexpr Parameter kAmount =
    number("resource_limit", "--resource-limit", "how many it may have; -1: any number");
constexpr Parameter kRegisteredOne[] = {subject("REGISTERED-LIMIT", "registered_limits")};
constexpr Parameter kRegisteredMany[] = {subject("REGISTERED-LIMIT...", "registered_limits")};
constexpr Parameter kRegisteredCreate[] = {kResource, kService, must(kDefault), kRegion,
                                           kDescription};
constexpr Parameter kRegisteredSet[] = {
    subject("REGISTERED-LIMIT", "registered_limits"),
    ref("service_id", "--service", "services", "of this service"),
    text("resource_name", "--resource-name", "what is limited"),
    kDefault,
    kRegion,
    kDescription};
constexpr Parameter kRegisteredList[] = {
    ref("service_id", "--service", "services", "of this service"), kRegion,
    text("resource_name", "--resource-name", "of this resource"), limit(), marker()};
constexpr Parameter kLimitOne[] = {subject("LIMIT", "project_limits")};
constexpr Parameter kLimitMany[] = {subject("LIMIT...", "project_limits")};
constexpr Parameter kLimitCreate[] = {kResource,
                                      kService,
                                      must(kAmount),
                                      ref("project_id", "--project", "projects", "of this project"),
                                      ref("domain_id", "--domain", "domains", "of this domain"),
                                      kRegion,
                                      kDescription};
constexpr Parameter kLimitSet[] = {subject("LIMIT", "project_limits"), kAmount, kDescription};
constexpr Parameter kLimitList[] = {ref("service_id", "--service", "services", "of this service"),
                                    kRegion,
                                    text("resource_name", "--resource-name", "of this resource"),
                                    ref("project_id", "--project", "projects", "of this project"),
                                    ref("domain_id", "--domain", "domains", "of this domain"),
                                    limit(),
                                    marker()};

#define CLOUDOS_INHERITED_VERBS(who, path, full, some)                                        \
  {"roles.list_inherited_" who,                                                               \
   "GET",                                                                                     \
   path "/inherited_to_projects",                                                             \
   "",                                                                                        \
   "roles",                                                                                   \
   "Lists the roles that one has on all projects below.",                                     \
   "",                                                                                        \
   some},                                                                                     \
      {"roles.check_inherited_" who,                                                          \
       "GET",                                                                                 \
       path "/{role_id}/inherited_to_projects",                                               \
       "",                                                                                    \
       "",                                                                                    \
       "Succeeds when the role is inherited by the projects below.",                          \
       "",                                                                                    \
       full},                                                                                 \
      {"roles.grant_inherited_" who,                                                          \
       "PUT",                                                                                 \
       path "/{role_id}/inherited_to_projects",                                               \
       "",                                                                                    \
       "",                                                                                    \
       "Assigns a role on all projects below.",                                               \
       "role add",                                                                            \
       full},                                                                                 \
  {                                                                                           \
    "roles.revoke_inherited_" who, "DELETE", path "/{role_id}/inherited_to_projects", "", "", \
        "Takes a role on all projects below away.", "role remove", full                       \
  }

#define CLOUDOS_POLICY_VERBS(what, path, some)                                                  \
  {"policies.check_for_" what,                                                                  \
   "GET",                                                                                       \
   "/identity/v3/policies/{id}/OS-ENDPOINT-POLICY/" path,                                       \
   "",                                                                                          \
   "",                                                                                          \
   "Succeeds when the policy is for it.",                                                       \
   "",                                                                                          \
   some},                                                                                       \
      {"policies.use_for_" what,                                                                \
       "PUT",                                                                                   \
       "/identity/v3/policies/{id}/OS-ENDPOINT-POLICY/" path,                                   \
       "",                                                                                      \
       "",                                                                                      \
       "Makes a policy the one for it.",                                                        \
       "",                                                                                      \
       some},                                                                                   \
  {                                                                                             \
    "policies.stop_for_" what, "DELETE", "/identity/v3/policies/{id}/OS-ENDPOINT-POLICY/" path, \
        "", "", "Lets a policy be for it no longer.", "", some                                  \
  }

constexpr Verb kRegistryVerbs[] = {
    CLOUDOS_INHERITED_VERBS("project_user",
                            "/identity/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles",
                            kProjectUser, kBelowProjectUser),
    CLOUDOS_INHERITED_VERBS("project_group",
                            "/identity/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles",
                            kProjectGroup, kBelowProjectGroup),
    CLOUDOS_INHERITED_VERBS("domain_user",
                            "/identity/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles",
                            kDomainUser, kBelowDomainUser),
    CLOUDOS_INHERITED_VERBS("domain_group",
                            "/identity/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles",
                            kDomainGroup, kBelowDomainGroup),

    {"domains.show_config", "GET", "/identity/v3/domains/{domain_id}/config", "", "config",
     "Shows what options a domain sets.", "domain config show", kConfigAll},
    {"domains.show_config_group", "GET", "/identity/v3/domains/{domain_id}/config/{group}", "",
     "config", "Shows what options of a group a domain sets.", "", kConfigOfGroup},
    {"domains.show_config_option", "GET",
     "/identity/v3/domains/{domain_id}/config/{group}/{option}", "", "config",
     "Shows what a domain sets an option to.", "", kConfigOfOption},
    {"domains.update_config", "PATCH", "/identity/v3/domains/{domain_id}/config", "config",
     "config", "Sets options of a domain.", "domain config set", kConfigSet},
    {"domains.update_config_group", "PATCH", "/identity/v3/domains/{domain_id}/config/{group}",
     "config", "config", "Sets options of a group that a domain sets.", "", kConfigSetGroup},
    {"domains.update_config_option", "PATCH",
     "/identity/v3/domains/{domain_id}/config/{group}/{option}", "config", "config",
     "Sets an option that a domain sets.", "", kConfigSetOption},
    {"domains.delete_config", "DELETE", "/identity/v3/domains/{domain_id}/config", "", "",
     "Unsets all options of a domain.", "domain config delete", kConfigAll},
    {"domains.delete_config_group", "DELETE", "/identity/v3/domains/{domain_id}/config/{group}", "",
     "", "Unsets all options of a group of a domain.", "domain config group delete",
     kConfigOfGroup},
    {"domains.delete_config_option", "DELETE",
     "/identity/v3/domains/{domain_id}/config/{group}/{option}", "", "",
     "Unsets an option of a domain.", "domain config unset", kConfigOfOption},
    {"domains.show_default_config", "GET", "/identity/v3/domains/config/default", "", "config",
     "Shows what holds where domains set no options.", "domain config default show"},
    {"domains.show_default_config_group", "GET", "/identity/v3/domains/config/{group}/default", "",
     "config", "Shows what holds where domains set no options of a group.", "", kDefaultOfGroup},
    {"domains.show_default_config_option", "GET",
     "/identity/v3/domains/config/{group}/{option}/default", "", "config",
     "Shows what holds where domains do not set an option.", "", kDefaultOfOption},
    {"domains.replace_config", "PUT", "/identity/v3/domains/{domain_id}/config", "config", "config",
     "Sets options of a domain and unsets all others.", "domain config create", kConfigSet},
    {"domains.show_password_rules", "GET",
     "/identity/v3/domains/{domain_id}/config/security_compliance", "", "config",
     "Tells what is asked of passwords.", "", kConfigAll},
    {"domains.show_password_rule", "GET",
     "/identity/v3/domains/{domain_id}/config/security_compliance/{option}", "", "config",
     "Tells one thing that is asked of passwords.", "", kPasswordRule},

    {"consumers.create", "POST", "/identity/v3/OS-OAUTH1/consumers", "consumer", "consumer",
     "Makes a consumer; its secret is shown this once.", "consumer create", kConsumerCreate},
    {"consumers.list", "GET", "/identity/v3/OS-OAUTH1/consumers", "", "consumers",
     "Lists consumers.", "consumer list"},
    {"consumers.show", "GET", "/identity/v3/OS-OAUTH1/consumers/{id}", "", "consumer",
     "Shows a consumer.", "consumer show", kConsumerOne},
    {"consumers.update", "PATCH", "/identity/v3/OS-OAUTH1/consumers/{id}", "consumer", "consumer",
     "Changes a consumer.", "consumer set", kConsumerSet},
    {"consumers.delete", "DELETE", "/identity/v3/OS-OAUTH1/consumers/{id}", "", "",
     "Deletes a consumer.", "consumer delete", kConsumerMany},

    {"endpoint_groups.create", "POST", "/identity/v3/OS-EP-FILTER/endpoint_groups",
     "endpoint_group", "endpoint_group", "Makes a group of endpoints by what they have in common.",
     "endpoint group create", kGroupCreate},
    {"endpoint_groups.list", "GET", "/identity/v3/OS-EP-FILTER/endpoint_groups", "",
     "endpoint_groups", "Lists groups of endpoints.", "endpoint group list", kGroupList},
    {"endpoint_groups.list_of_project", "GET",
     "/identity/v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups", "", "endpoint_groups",
     "Lists the groups of endpoints chosen for a project.", "endpoint group list",
     kGroupsOfProject},
    {"endpoint_groups.show", "GET", "/identity/v3/OS-EP-FILTER/endpoint_groups/{id}", "",
     "endpoint_group", "Shows a group of endpoints.", "endpoint group show", kGroupOne},
    {"endpoint_groups.update", "PATCH", "/identity/v3/OS-EP-FILTER/endpoint_groups/{id}",
     "endpoint_group", "endpoint_group", "Changes a group of endpoints.", "endpoint group set",
     kGroupSet},
    {"endpoint_groups.delete", "DELETE", "/identity/v3/OS-EP-FILTER/endpoint_groups/{id}", "", "",
     "Deletes a group of endpoints.", "endpoint group delete", kGroupMany},
    {"endpoint_groups.list_endpoints", "GET",
     "/identity/v3/OS-EP-FILTER/endpoint_groups/{id}/endpoints", "", "endpoints",
     "Lists the endpoints of a group.", "", kGroupOne},
    {"endpoint_groups.list_projects", "GET",
     "/identity/v3/OS-EP-FILTER/endpoint_groups/{id}/projects", "", "projects",
     "Lists the projects that a group of endpoints is for.", "", kGroupOne},
    {"endpoint_groups.check_project", "GET",
     "/identity/v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{project_id}", "",
     "project_endpoint_group", "Succeeds when the group is for the project.", "", kGroupProject},
    {"endpoint_groups.add_project", "PUT",
     "/identity/v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{project_id}", "", "",
     "Shows a project the endpoints of a group.", "endpoint group add project", kGroupProject},
    {"endpoint_groups.remove_project", "DELETE",
     "/identity/v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{project_id}", "", "",
     "Shows a project the endpoints of a group no longer.", "endpoint group remove project",
     kGroupProject},
    {"endpoints.list_of_project", "GET",
     "/identity/v3/OS-EP-FILTER/projects/{project_id}/endpoints", "", "endpoints",
     "Lists the endpoints chosen for a project.", "endpoint list", kEndpointsOfProject},
    {"endpoints.list_projects", "GET", "/identity/v3/OS-EP-FILTER/endpoints/{id}/projects", "",
     "projects", "Lists the projects that an endpoint was chosen for.", "", kEndpointOne},
    {"endpoints.check_project", "GET",
     "/identity/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{id}", "", "",
     "Succeeds when the endpoint was chosen for the project.", "", kEndpointProject},
    {"endpoints.add_project", "PUT",
     "/identity/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{id}", "", "",
     "Shows a project an endpoint.", "endpoint add project", kEndpointProject},
    {"endpoints.remove_project", "DELETE",
     "/identity/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{id}", "", "",
     "Shows a project an endpoint no longer.", "endpoint remove project", kEndpointProject},
    {"endpoints.show_policy", "GET", "/identity/v3/endpoints/{id}/OS-ENDPOINT-POLICY/policy", "",
     "policy", "Shows the policy for an endpoint.", "", kEndpointOne},

    {"policies.create", "POST", "/identity/v3/policies", "policy", "policy",
     "Keeps a text for services.", "stored policy create", kPolicyCreate},
    {"policies.list", "GET", "/identity/v3/policies", "", "policies",
     "Lists the texts kept for services.", "stored policy list", kPolicyList},
    {"policies.show", "GET", "/identity/v3/policies/{id}", "", "policy",
     "Shows a text kept for services.", "stored policy show", kPolicyOne},
    {"policies.update", "PATCH", "/identity/v3/policies/{id}", "policy", "policy",
     "Changes a text kept for services.", "stored policy set", kPolicySet},
    {"policies.delete", "DELETE", "/identity/v3/policies/{id}", "", "",
     "Deletes a text kept for services.", "stored policy delete", kPolicyMany},
    {"policies.list_endpoints", "GET", "/identity/v3/policies/{id}/OS-ENDPOINT-POLICY/endpoints",
     "", "endpoints", "Lists the endpoints that a policy is for.", "", kPolicyOne},
    {"policies.show_used", "GET", "/identity/v3/policies/{id}/OS-ENDPOINT-POLICY/policy", "",
     "policy", "Shows a policy by the path of its uses.", "", kPolicyOne},
    CLOUDOS_POLICY_VERBS("endpoint", "endpoints/{endpoint_id}", kPolicyEndpoint),
    CLOUDOS_POLICY_VERBS("service", "services/{service_id}", kPolicyService),
    CLOUDOS_POLICY_VERBS("region", "services/{service_id}/regions/{region_id}", kPolicyRegion),

    {"registered_limits.create", "POST", "/identity/v3/registered_limits", "registered_limit",
     "registered_limit", "Says how much of a resource every project may have.",
     "registered limit create", kRegisteredCreate},
    {"registered_limits.list", "GET", "/identity/v3/registered_limits", "", "registered_limits",
     "Lists how much of what every project may have.", "registered limit list", kRegisteredList},
    {"registered_limits.show", "GET", "/identity/v3/registered_limits/{id}", "", "registered_limit",
     "Shows a registered limit.", "registered limit show", kRegisteredOne},
    {"registered_limits.update", "PATCH", "/identity/v3/registered_limits/{id}", "registered_limit",
     "registered_limit", "Changes a registered limit.", "registered limit set", kRegisteredSet},
    {"registered_limits.delete", "DELETE", "/identity/v3/registered_limits/{id}", "", "",
     "Deletes a registered limit.", "registered limit delete", kRegisteredMany},
    {"project_limits.create", "POST", "/identity/v3/limits", "limit", "limit",
     "Says how much of a resource one project or domain may have.", "limit create", kLimitCreate},
    {"project_limits.list", "GET", "/identity/v3/limits", "", "limits",
     "Lists how much of what projects and domains may have.", "limit list", kLimitList},
    {"project_limits.show", "GET", "/identity/v3/limits/{id}", "", "limit", "Shows a limit.",
     "limit show", kLimitOne},
    {"project_limits.update", "PATCH", "/identity/v3/limits/{id}", "limit", "limit",
     "Changes a limit.", "limit set", kLimitSet},
    {"project_limits.delete", "DELETE", "/identity/v3/limits/{id}", "", "", "Deletes a limit.",
     "limit delete", kLimitMany},
    {"project_limits.show_model", "GET", "/identity/v3/limits/model", "", "model",
     "Tells how limits of projects and domains hang together.", ""},
};
#undef CLOUDOS_INHERITED_VERBS
#undef CLOUDOS_POLICY_VERBS

constexpr Column kEndpointGroupColumns[] = {
    {"ID", "id"}, {"Name", "name"}, {"Description", "description"}};
constexpr Column kPolicyColumns[] = {{"ID", "id"}, {"Type", "type"}};
constexpr Column kRegisteredColumns[] = {
    {"ID", "id"},
    {"Service ID", "service_id"},
    {"Resource Name", "resource_name"},
    {"Default Limit", "default_limit"},
    {"Description", "description"},
    {"Region ID", "region_id"},
};
constexpr Column kLimitColumns[] = {
    {"ID", "id"},
    {"Project ID", "project_id"},
    {"Service ID", "service_id"},
    {"Resource Name", "resource_name"},
    {"Resource Limit", "resource_limit"},
    {"Description", "description"},
    {"Region ID", "region_id"},
    {"Domain ID", "domain_id", Look::Plain, {}, {}, true},
};

constexpr Column kConsumerColumns[] = {{"ID", "id"}, {"Description", "description"}};

constexpr Noun kRegistryNouns[] = {
    {"consumers", "consumer", "identity", kConsumerColumns, "id", ""},
    {"endpoint_groups", "endpoint group", "identity", kEndpointGroupColumns, "id", "name", "name"},
    {"policies", "policy", "identity", kPolicyColumns, "id", ""},
    {"registered_limits", "registered limit", "identity", kRegisteredColumns, "id", ""},
    {"project_limits", "limit", "identity", kLimitColumns, "id", ""},
};

}  // namespace table::registry

std::span<const Verb> registry_verbs() {
  return table::registry::kRegistryVerbs;
}
std::span<const Noun> registry_nouns() {
  return table::registry::kRegistryNouns;
}

}  // namespace cloudos::verbs
