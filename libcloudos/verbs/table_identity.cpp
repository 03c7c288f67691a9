// Domains, projects, users, groups, regions, services, endpoints.
#include "verbs/recipes.hpp"
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::identity {

constexpr Parameter kEnable = set("enabled", "--enable", "true", "may be used (the default)");
constexpr Parameter kDisable = set("enabled", "--disable", "false", "may not be used");
constexpr Parameter kDomain = ref("domain_id", "--domain", "domains", "domain it belongs to");
constexpr Parameter kOfDomain = ref("domain_id", "--domain", "domains", "of this domain");

constexpr Parameter kDomainOne[] = {subject("DOMAIN", "domains")};
constexpr Parameter kDomainMany[] = {subject("DOMAIN...", "domains")};
constexpr Parameter kDomainCreate[] = {kItsName, kDescription, kEnable,
                                       kDisable, kImmutable, kMutable};
constexpr Parameter kDomainSet[] = {
    subject("DOMAIN", "domains"), kNewName, kDescription, kEnable, kDisable, kImmutable, kMutable};
constexpr Parameter kDomainList[] = {
    kNamed, set("enabled", "--enabled", "true", "only those that may be used"), limit(), marker()};

constexpr Parameter kProjectOne[] = {subject("PROJECT", "projects")};
constexpr Parameter kProjectShow[] = {
    subject("PROJECT", "projects"),
    set("parents_as_ids", "--parents", "1", "with what it lies under"),
    set("subtree_as_ids", "--children", "1", "with what lies under it")};
constexpr Parameter kProjectMany[] = {subject("PROJECT...", "projects")};
constexpr Parameter kProjectCreate[] = {
    kItsName,
    kDescription,
    kDomain,
    ref("parent_id", "--parent", "projects", "project that it is part of"),
    kEnable,
    kDisable,
    kImmutable,
    kMutable,
    of(Kind::TextList, "tags", "--tag", "tag (repeat for more)"),
    kProperties,
};
constexpr Parameter kProjectSet[] = {
    subject("PROJECT", "projects"),
    kNewName,
    kDescription,
    kEnable,
    kDisable,
    kImmutable,
    kMutable,
    append(of(Kind::TextList, "tags", "--tag", "tag to add (repeat for more)")),
    remove(of(Kind::TextList, "tags", "--remove-tag", "tag to take away (repeat)")),
    set("tags", "--clear-tags", "[]", "take all tags away"),
    kProperties,
};
constexpr Parameter kProjectList[] = {
    kNamed,
    kOfDomain,
    ref("parent_id", "--parent", "projects", "parts of this project"),
    set("enabled", "--enabled", "true", "only those that may be used"),
    text("tags", "--tags", "with all of these tags, apart by commas"),
    text("tags-any", "--tags-any", "with any of these tags"),
    text("not-tags", "--not-tags", "without all of these tags"),
    text("not-tags-any", "--not-tags-any", "without any of these tags"),
    limit(),
    marker(),
};
constexpr Parameter kProjectsOfUser[] = {
    must(ref("id", "--user", "users", "those that this user has a role on"))};
constexpr Parameter kProjectsOfMine[] = {
    must(set("", "--my-projects", "true", "those that you have a role on"))};
constexpr Parameter kUsersOfProject[] = {
    must(ref("id", "--project", "projects", "those that have a role on this project"))};
constexpr Parameter kPurge[] = {must(ref("id", "--project", "projects", "project that goes")),
                                kDryRun, kKeepProject, kTimeout};
constexpr Parameter kCleanUp[] = {must(ref("id", "--project", "projects", "project to empty")),
                                  kDryRun, kMadeBefore, kChangedBefore, kTimeout};
constexpr Parameter kVersionList[] = {text("service", "--service", "of this type of service"),
                                      text("status", "--status", "CURRENT, SUPPORTED, ...")};
constexpr Parameter kProjectTags[] = {
    subject("PROJECT", "projects"),
    of(Kind::TextList, "tags", {}, "all the tags"),
};
constexpr Parameter kProjectTag[] = {subject("PROJECT", "projects"), must(text("tag", {}, "tag"))};

constexpr Parameter kUserOne[] = {subject("USER", "users")};
constexpr Parameter kUserMany[] = {subject("USER...", "users")};
constexpr Parameter kPassword =
    of(Kind::Secret, "password", "--password", "password; - asks for it");
constexpr Parameter kAskPassword =
    of(Kind::Prompt, "password", "--password-prompt", "ask for the password");
#define CLOUDOS_USER_OPTION(flag, member, help)             \
  set("options", "--" flag, "{\"" member "\":true}", help), \
      set("options", "--no-" flag, "{\"" member "\":false}", "not so (the default)")
#define CLOUDOS_USER_OPTIONS                                                                 \
  CLOUDOS_USER_OPTION("ignore-lockout-failure-attempts", "ignore_lockout_failure_attempts",  \
                      "is never locked out by wrong passwords"),                             \
      CLOUDOS_USER_OPTION("ignore-password-expiry", "ignore_password_expiry",                \
                          "its password never expires"),                                     \
      CLOUDOS_USER_OPTION("ignore-change-password-upon-first-use",                           \
                          "ignore_change_password_upon_first_use",                           \
                          "keeps the password that an admin gives"),                         \
      CLOUDOS_USER_OPTION("ignore-user-inactivity", "ignore_user_inactivity",                \
                          "is not disabled for want of logins"),                             \
      set("options", "--enable-lock-password", "{\"lock_password\":true}",                   \
          "cannot change its own password"),                                                 \
      set("options", "--disable-lock-password", "{\"lock_password\":false}",                 \
          "can change its own password (the default)"),                                      \
      set("options", "--enable-multi-factor-auth", "{\"multi_factor_auth_enabled\":true}",   \
          "logins need all methods of a rule"),                                              \
      set("options", "--disable-multi-factor-auth", "{\"multi_factor_auth_enabled\":false}", \
          "one method will do (the default)"),                                               \
      of(Kind::CommaLists, "options", "--multi-factor-auth-rule",                            \
         "methods that do together: password,totp (repeat for more)", "multi_factor_auth_rules")

constexpr Parameter kUserCreate[] = {
    kItsName,
    kDomain,
    ref("default_project_id", "--project", "projects", "project that logins choose"),
    kPassword,
    kAskPassword,
    text("email", "--email", "mail address"),
    kDescription,
    kEnable,
    kDisable,
    CLOUDOS_USER_OPTIONS,
};
constexpr Parameter kUserSet[] = {
    subject("USER", "users"),
    kNewName,
    ref("default_project_id", "--project", "projects", "project that logins choose"),
    kPassword,
    kAskPassword,
    text("email", "--email", "mail address"),
    kDescription,
    kEnable,
    kDisable,
    CLOUDOS_USER_OPTIONS,
};
#undef CLOUDOS_USER_OPTIONS
#undef CLOUDOS_USER_OPTION
constexpr Parameter kUserList[] = {
    kNamed, kOfDomain, set("enabled", "--enabled", "true", "only those that may log in"), limit(),
    marker()};
constexpr Parameter kUsersOfGroup[] = {
    must(ref("id", "--group", "groups", "members of this group"))};
constexpr Parameter kPasswordChange[] = {
    ref("id", "--user", "users", "user [you]", "user"),
    must(of(Kind::Secret, "original_password", "--original-password",
            "the password until now; - asks for it")),
    must(of(Kind::Secret, "password", "--password", "the new one; - asks for it")),
};

constexpr Parameter kGroupOne[] = {subject("GROUP", "groups")};
constexpr Parameter kGroupMany[] = {subject("GROUP...", "groups")};
constexpr Parameter kGroupCreate[] = {kItsName, kDomain, kDescription};
constexpr Parameter kGroupSet[] = {subject("GROUP", "groups"), kNewName, kDescription};
constexpr Parameter kGroupList[] = {kNamed, kOfDomain, limit(), marker()};
constexpr Parameter kGroupsOfUser[] = {
    must(ref("id", "--user", "users", "those that this user is in"))};
constexpr Parameter kGroupUser[] = {subject("GROUP", "groups"),
                                    subject("USER", "users", "user_id")};
constexpr Parameter kGroupUsers[] = {subject("GROUP", "groups"),
                                     subject("USER...", "users", "user_id")};

constexpr Parameter kRegionOne[] = {subject("REGION", "regions")};
constexpr Parameter kRegionMany[] = {subject("REGION...", "regions")};
constexpr Parameter kParentRegion =
    ref("parent_region_id", "--parent-region", "regions", "region that it is part of");
constexpr Parameter kRegionCreate[] = {word("id", "REGION", "its id"), kParentRegion, kDescription};
constexpr Parameter kRegionSet[] = {subject("REGION", "regions"), kParentRegion, kDescription};
constexpr Parameter kRegionList[] = {
    ref("parent_region_id", "--parent-region", "regions", "parts of this region")};

constexpr Parameter kServiceOne[] = {subject("SERVICE", "services")};
constexpr Parameter kServiceMany[] = {subject("SERVICE...", "services")};
constexpr Parameter kServiceCreate[] = {word("type", "TYPE", "what it offers: compute, image"),
                                        text("name", "--name", "its name"), kDescription, kEnable,
                                        kDisable};
constexpr Parameter kServiceSet[] = {subject("SERVICE", "services"),
                                     kNewName,
                                     text("type", "--type", "what it offers"),
                                     kDescription,
                                     kEnable,
                                     kDisable};
constexpr Parameter kServiceList[] = {kNamed, text("type", "--type", "of this type")};

constexpr Parameter kEndpointOne[] = {subject("ENDPOINT", "endpoints")};
constexpr Parameter kEndpointMany[] = {subject("ENDPOINT...", "endpoints")};
constexpr Parameter kEndpointRegion = ref("region_id", "--region", "regions", "region it is in");
constexpr Parameter kEndpointCreate[] = {
    subject("SERVICE", "services", "service_id"),
    word("interface", "INTERFACE", "public, internal or admin"),
    word("url", "URL", "where it answers"),
    kEndpointRegion,
    kEnable,
    kDisable,
};
constexpr Parameter kEndpointSet[] = {
    subject("ENDPOINT", "endpoints"),
    ref("service_id", "--service", "services", "service it belongs to"),
    text("interface", "--interface", "public, internal or admin"),
    text("url", "--url", "where it answers"),
    kEndpointRegion,
    kEnable,
    kDisable,
};
constexpr Parameter kEndpointList[] = {
    ref("service_id", "--service", "services", "of this service"),
    text("interface", "--interface", "public, internal or admin"),
    ref("region_id", "--region", "regions", "in this region"),
};

constexpr Verb kIdentityVerbs[] = {
    {"domains.create", "POST", "/identity/v3/domains", "domain", "domain", "Makes a domain.",
     "domain create", kDomainCreate},
    {"domains.list", "GET", "/identity/v3/domains", "", "domains", "Lists domains.", "domain list",
     kDomainList},
    {"domains.show", "GET", "/identity/v3/domains/{id}", "", "domain", "Shows a domain.",
     "domain show", kDomainOne},
    {"domains.update", "PATCH", "/identity/v3/domains/{id}", "domain", "domain",
     "Changes a domain.", "domain set", kDomainSet},
    {"domains.delete", "DELETE", "/identity/v3/domains/{id}", "", "",
     "Deletes a domain, which must be disabled.", "domain delete", kDomainMany},

    {"projects.create", "POST", "/identity/v3/projects", "project", "project", "Makes a project.",
     "project create", kProjectCreate},
    {"projects.list", "GET", "/identity/v3/projects", "", "projects", "Lists projects.",
     "project list", kProjectList},
    {"projects.list_mine", "GET", "/identity/v3/auth/projects", "", "projects",
     "Lists the projects that the caller has a role on.", "project list", kProjectsOfMine},
    {"projects.show", "GET", "/identity/v3/projects/{id}", "", "project", "Shows a project.",
     "project show", kProjectShow},
    {"projects.update", "PATCH", "/identity/v3/projects/{id}", "project", "project",
     "Changes a project.", "project set", kProjectSet},
    {"projects.delete", "DELETE", "/identity/v3/projects/{id}", "", "", "Deletes a project.",
     "project delete", kProjectMany},
    {"projects.purge", "DELETE", "", "", "",
     "Deletes what a project has, and then the project.", "project purge", kPurge, Style::Json,
     purge_project},
    {"projects.cleanup", "DELETE", "", "", "", "Deletes what a project has.", "project cleanup",
     kCleanUp, Style::Json, clean_up_project},
    {"projects.list_users", "GET", "", "", "", "Lists the users that have a role on a project.",
     "user list", kUsersOfProject, Style::Json, list_project_users},
    {"projects.list_tags", "GET", "/identity/v3/projects/{id}/tags", "", "tags",
     "Lists a project's tags.", "", kProjectOne},
    {"projects.set_tags", "PUT", "/identity/v3/projects/{id}/tags", "", "tags",
     "Gives a project these tags and no others.", "", kProjectTags},
    {"projects.delete_tags", "DELETE", "/identity/v3/projects/{id}/tags", "", "",
     "Takes all tags from a project.", "", kProjectOne},
    {"projects.check_tag", "GET", "/identity/v3/projects/{id}/tags/{tag}", "", "",
     "Succeeds when the project has the tag.", "", kProjectTag},
    {"projects.add_tag", "PUT", "/identity/v3/projects/{id}/tags/{tag}", "", "",
     "Gives a project a tag.", "", kProjectTag},
    {"projects.remove_tag", "DELETE", "/identity/v3/projects/{id}/tags/{tag}", "", "",
     "Takes a tag from a project.", "", kProjectTag},

    {"users.create", "POST", "/identity/v3/users", "user", "user", "Makes a user.", "user create",
     kUserCreate},
    {"users.list", "GET", "/identity/v3/users", "", "users", "Lists users.", "user list",
     kUserList},
    {"users.show", "GET", "/identity/v3/users/{id}", "", "user", "Shows a user.", "user show",
     kUserOne},
    {"users.update", "PATCH", "/identity/v3/users/{id}", "user", "user", "Changes a user.",
     "user set", kUserSet},
    {"users.delete", "DELETE", "/identity/v3/users/{id}", "", "", "Deletes a user.", "user delete",
     kUserMany},
    {"users.change_password", "POST", "/identity/v3/users/{id}/password", "user", "",
     "Changes one's own password.", "user password set", kPasswordChange},
    {"users.list_projects", "GET", "/identity/v3/users/{id}/projects", "", "projects",
     "Lists the projects that a user has a role on.", "project list", kProjectsOfUser},
    {"users.list_groups", "GET", "/identity/v3/users/{id}/groups", "", "groups",
     "Lists the groups that a user is in.", "group list", kGroupsOfUser},

    {"groups.create", "POST", "/identity/v3/groups", "group", "group", "Makes a group of users.",
     "group create", kGroupCreate},
    {"groups.list", "GET", "/identity/v3/groups", "", "groups", "Lists groups of users.",
     "group list", kGroupList},
    {"groups.show", "GET", "/identity/v3/groups/{id}", "", "group", "Shows a group of users.",
     "group show", kGroupOne},
    {"groups.update", "PATCH", "/identity/v3/groups/{id}", "group", "group",
     "Changes a group of users.", "group set", kGroupSet},
    {"groups.delete", "DELETE", "/identity/v3/groups/{id}", "", "", "Deletes a group of users.",
     "group delete", kGroupMany},
    {"groups.list_users", "GET", "/identity/v3/groups/{id}/users", "", "users",
     "Lists the users in a group.", "user list", kUsersOfGroup},
    {"groups.check_user", "GET", "/identity/v3/groups/{id}/users/{user_id}", "", "",
     "Succeeds when the user is in the group.", "group contains user", kGroupUser},
    {"groups.add_user", "PUT", "/identity/v3/groups/{id}/users/{user_id}", "", "",
     "Puts users into a group.", "group add user", kGroupUsers},
    {"groups.remove_user", "DELETE", "/identity/v3/groups/{id}/users/{user_id}", "", "",
     "Takes users out of a group.", "group remove user", kGroupUsers},

    {"versions.list", "GET", "", "", "", "Shows which versions of the APIs there are.",
     "versions show", kVersionList, Style::Json, list_versions},
    {"versions.list_identity", "GET", "/identity", "", "versions",
     "Tells which versions of the Identity API there are.", ""},
    {"versions.list_image", "GET", "/image", "", "versions",
     "Tells which versions of the Image API there are.", ""},
    {"versions.list_network", "GET", "/network", "", "versions",
     "Tells which versions of the Network API there are.", ""},
    {"versions.list_compute", "GET", "/compute", "", "versions",
     "Tells which versions of the Compute API there are.", ""},

    {"regions.create", "POST", "/identity/v3/regions", "region", "region", "Makes a region.",
     "region create", kRegionCreate},
    {"regions.create_named", "PUT", "/identity/v3/regions/{id}", "region", "region",
     "Makes a region under the id of its path.", "", kRegionOne},
    {"regions.list", "GET", "/identity/v3/regions", "", "regions", "Lists regions.", "region list",
     kRegionList},
    {"regions.show", "GET", "/identity/v3/regions/{id}", "", "region", "Shows a region.",
     "region show", kRegionOne},
    {"regions.update", "PATCH", "/identity/v3/regions/{id}", "region", "region",
     "Changes a region.", "region set", kRegionSet},
    {"regions.delete", "DELETE", "/identity/v3/regions/{id}", "", "", "Deletes a region.",
     "region delete", kRegionMany},

    {"services.create", "POST", "/identity/v3/services", "service", "service",
     "Adds a service to the catalog.", "service create", kServiceCreate},
    {"services.list", "GET", "/identity/v3/services", "", "services",
     "Lists the services of the catalog.", "service list", kServiceList},
    {"services.show", "GET", "/identity/v3/services/{id}", "", "service",
     "Shows a service of the catalog.", "service show", kServiceOne},
    {"services.update", "PATCH", "/identity/v3/services/{id}", "service", "service",
     "Changes a service of the catalog.", "service set", kServiceSet},
    {"services.delete", "DELETE", "/identity/v3/services/{id}", "", "",
     "Deletes a service of the catalog with its endpoints.", "service delete", kServiceMany},

    {"endpoints.create", "POST", "/identity/v3/endpoints", "endpoint", "endpoint",
     "Adds an endpoint to a service of the catalog.", "endpoint create", kEndpointCreate},
    {"endpoints.list", "GET", "/identity/v3/endpoints", "", "endpoints", "Lists endpoints.",
     "endpoint list", kEndpointList},
    {"endpoints.show", "GET", "/identity/v3/endpoints/{id}", "", "endpoint", "Shows an endpoint.",
     "endpoint show", kEndpointOne},
    {"endpoints.update", "PATCH", "/identity/v3/endpoints/{id}", "endpoint", "endpoint",
     "Changes an endpoint.", "endpoint set", kEndpointSet},
    {"endpoints.delete", "DELETE", "/identity/v3/endpoints/{id}", "", "", "Deletes an endpoint.",
     "endpoint delete", kEndpointMany},
};

constexpr Column kDomainColumns[] = {
    {"ID", "id"}, {"Name", "name"}, {"Enabled", "enabled"}, {"Description", "description"}};
constexpr Column kProjectColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Domain ID", "domain_id", Look::Plain, {}, {}, true},
    {"Description", "description", Look::Plain, {}, {}, true},
    {"Enabled", "enabled", Look::Plain, {}, {}, true},
};
constexpr Column kUserColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Project", "default_project_id", Look::Plain, {}, {}, true},
    {"Domain", "domain_id", Look::Plain, {}, {}, true},
    {"Description", "description", Look::Plain, {}, {}, true},
    {"Email", "email", Look::Plain, {}, {}, true},
    {"Enabled", "enabled", Look::Plain, {}, {}, true},
};
constexpr Column kGroupColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Domain ID", "domain_id", Look::Plain, {}, {}, true},
    {"Description", "description", Look::Plain, {}, {}, true},
};
constexpr Column kRoleColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Description", "description", Look::Plain, {}, {}, true},
};
constexpr Column kAssignmentColumns[] = {
    {"Role", "role", Look::Named},
    {"User", "user", Look::Named},
    {"Group", "group", Look::Named},
    {"Project", "scope.project", Look::Named},
    {"Domain", "scope.domain", Look::Named},
    {"System", "scope.system", Look::Pairs},
    {"Inherited", "scope.OS-INHERIT:inherited_to"},
};
constexpr Column kInferenceColumns[] = {
    {"Prior Role ID", "prior_role.id"},
    {"Prior Role Name", "prior_role.name"},
    {"Implied Role ID", "implies.id"},
    {"Implied Role Name", "implies.name"},
};
constexpr Column kServiceColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Type", "type"},
    {"Description", "description", Look::Plain, {}, {}, true},
    {"Enabled", "enabled", Look::Plain, {}, {}, true},
};
constexpr Column kEndpointColumns[] = {
    {"ID", "id"},
    {"Region", "region_id"},
    {"Service Name", "service_id", Look::NameOf, "services"},
    {"Service Type", "service_id", Look::NameOf, "services", "type"},
    {"Enabled", "enabled"},
    {"Interface", "interface"},
    {"URL", "url"},
};
constexpr Column kRegionColumns[] = {
    {"Region", "id"}, {"Parent Region", "parent_region_id"}, {"Description", "description"}};
constexpr Column kTokenKeyColumns[] = {
    {"ID", "id"}, {"Role", "role"}, {"Since", "since"}, {"Until", "until"}};
constexpr Column kCredentialKeyColumns[] = {{"ID", "id"}, {"Role", "role"}, {"Secrets", "secrets"}};
constexpr Column kPurgedColumns[] = {{"Type", "type"},
                                     {"ID", "id"},
                                     {"Name", "name"},
                                     {"Status", "status"},
                                     {"Reason", "reason"}};
constexpr Column kVersionColumns[] = {{"Region Name", "region"},
                                      {"Service Type", "service_type"},
                                      {"Version", "version"},
                                      {"Status", "status"},
                                      {"Endpoint", "endpoint"},
                                      {"Min Microversion", "min_microversion"},
                                      {"Max Microversion", "max_microversion"}};
constexpr Column kCatalogColumns[] = {
    {"Name", "name"}, {"Type", "type"}, {"Endpoints", "endpoints", Look::Endpoints}};

constexpr Noun kIdentityNouns[] = {
    {"domains", "domain", "identity", kDomainColumns, "id", "name", "name"},
    {"projects", "project", "identity", kProjectColumns, "id", "name", "name"},
    {"users", "user", "identity", kUserColumns, "id", "name", "name"},
    {"groups", "group", "identity", kGroupColumns, "id", "name", "name"},
    {"roles", "role", "identity", kRoleColumns, "id", "name", "name"},
    {"role_assignments", "role assignment", "identity", kAssignmentColumns, "", ""},
    {"implied_roles", "implied role", "identity", kInferenceColumns, "", ""},
    {"services", "service", "identity", kServiceColumns, "id", "name", "name"},
    {"endpoints", "endpoint", "identity", kEndpointColumns, "id", ""},
    {"regions", "region", "identity", kRegionColumns, "id", "id"},
    {"purged_things", "purged thing", "identity", kPurgedColumns, "id", ""},
    {"versions", "version", "identity", kVersionColumns, "version", ""},
    {"tokens", "token", "identity", {}, "", ""},
    {"token_keys", "token key", "identity", kTokenKeyColumns, "id", ""},
    {"credential_keys", "credential key", "identity", kCredentialKeyColumns, "id", ""},
    {"catalog", "catalog", "identity", kCatalogColumns, "type", "name"},
};

}  // namespace table::identity

std::span<const Verb> identity_verbs() {
  return table::identity::kIdentityVerbs;
}
std::span<const Noun> identity_nouns() {
  return table::identity::kIdentityNouns;
}

}  // namespace cloudos::verbs
