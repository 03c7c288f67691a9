// Tokens, roles, and who has which role where.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::access {

constexpr Parameter kRoleOne[] = {subject("ROLE", "roles")};
constexpr Parameter kRoleMany[] = {subject("ROLE...", "roles")};
constexpr Parameter kRoleCreate[] = {
    kItsName, kDescription,
    ref("domain_id", "--domain", "domains", "domain it is one of; else the whole cloud's"),
    kImmutable, kMutable};
constexpr Parameter kRoleSet[] = {subject("ROLE", "roles"), kNewName,
                                  kDescription, kImmutable,
                                  kMutable};
constexpr Parameter kRoleList[] = {kNamed,
                                   ref("domain_id", "--domain", "domains", "of this domain"),
                                   limit(), marker()};

constexpr Parameter kUser = must(ref("user_id", "--user", "users", "user that has the role"));
constexpr Parameter kGroup = must(ref("group_id", "--group", "groups", "group that has the role"));
constexpr Parameter kProject = must(ref("project_id", "--project", "projects", "on this project"));
constexpr Parameter kDomain = must(ref("domain_id", "--domain", "domains", "on this domain"));
constexpr Parameter kSystem = must(text("", "--system", "on the system; the value is: all"));
constexpr Parameter kRole = subject("ROLE", "roles", "role_id");
constexpr Parameter kProjectUser[] = {kRole, kProject, kUser};
constexpr Parameter kProjectGroup[] = {kRole, kProject, kGroup};
constexpr Parameter kDomainUser[] = {kRole, kDomain, kUser};
constexpr Parameter kDomainGroup[] = {kRole, kDomain, kGroup};
constexpr Parameter kSystemUser[] = {kRole, kSystem, kUser};
constexpr Parameter kSystemGroup[] = {kRole, kSystem, kGroup};
constexpr Parameter kOnSystemUser[] = {kSystem, kUser};
constexpr Parameter kOnSystemGroup[] = {kSystem, kGroup};
constexpr Parameter kOnProjectUser[] = {kProject, kUser};
constexpr Parameter kOnProjectGroup[] = {kProject, kGroup};
constexpr Parameter kOnDomainUser[] = {kDomain, kUser};
constexpr Parameter kOnDomainGroup[] = {kDomain, kGroup};

constexpr Parameter kImplied[] = {
    subject("ROLE", "roles"),
    must(ref("implied_role_id", "--implied-role", "roles", "role that comes with it")),
};
constexpr Parameter kAssignments[] = {
    ref("user.id", "--user", "users", "of this user"),
    mine("user.id", "--auth-user", "user", "your own"),
    ref("group.id", "--group", "groups", "of this group"),
    ref("scope.project.id", "--project", "projects", "on this project"),
    mine("scope.project.id", "--auth-project", "project", "on the project of the login"),
    ref("scope.domain.id", "--domain", "domains", "on this domain"),
    ref("role.id", "--role", "roles", "of this role"),
    set("scope.system", "--system", "\"all\"", "on the system"),
    set("scope.OS-INHERIT:inherited_to", "--inherited", "\"projects\"",
        "those on all projects below"),
    set("include_subtree", "--include-subtree", "1", "on what lies below --project too"),
    set("effective", "--effective", "1", "with what groups and implied roles give"),
    set("include_names", "--names", "1", "names instead of ids"),
};

constexpr Parameter kToken[] = {word("token", "TOKEN", "the token")};
constexpr Parameter kLogin[] = {
    {"identity",
     Kind::Text,
     {},
     "methods and credentials, as the Identity API has them",
     {},
     {},
     true},
    {"scope", Kind::Text, {}, "project, domain or nothing"},
};

#define CLOUDOS_GRANT_VERBS(who, path, full, some)                                                 \
  {"roles.list_" who, "GET", path, "", "roles", "Lists the roles of one on a target.", "", some},  \
      {"roles.check_" who,                                                                         \
       "GET",                                                                                      \
       path "/{role_id}",                                                                          \
       "",                                                                                         \
       "",                                                                                         \
       "Succeeds when the role is assigned.",                                                      \
       "",                                                                                         \
       full},                                                                                      \
      {"roles.grant_" who, "PUT", path "/{role_id}", "", "", "Assigns a role.", "role add", full}, \
  {                                                                                                \
    "roles.revoke_" who, "DELETE", path "/{role_id}", "", "", "Takes a role away.", "role remove", \
        full                                                                                       \
  }

constexpr Verb kAccessVerbs[] = {
    {"tokens.create", "POST", "/identity/v3/auth/tokens", "auth", "token",
     "Logs in; the reply's id is the token.", "", kLogin, Style::Subject},
    {"tokens.show", "GET", "/identity/v3/auth/tokens", "", "token",
     "Tells what a token stands for.", "token show", kToken, Style::Subject},
    {"tokens.revoke", "DELETE", "/identity/v3/auth/tokens", "", "", "Makes a token worthless.",
     "token revoke", kToken, Style::Subject},
    {"catalog.list", "GET", "/identity/v3/auth/catalog", "", "catalog",
     "Lists the services on offer and where they answer.", "catalog list"},
    {"domains.list_mine", "GET", "/identity/v3/auth/domains", "", "domains",
     "Lists the domains that the caller has a role on.", ""},
    {"tokens.list_systems", "GET", "/identity/v3/auth/system", "", "system",
     "Lists the systems that the caller has a role on.", ""},

    {"roles.create", "POST", "/identity/v3/roles", "role", "role", "Makes a role.", "role create",
     kRoleCreate},
    {"roles.list", "GET", "/identity/v3/roles", "", "roles", "Lists roles.", "role list",
     kRoleList},
    {"roles.show", "GET", "/identity/v3/roles/{id}", "", "role", "Shows a role.", "role show",
     kRoleOne},
    {"roles.update", "PATCH", "/identity/v3/roles/{id}", "role", "role", "Changes a role.",
     "role set", kRoleSet},
    {"roles.delete", "DELETE", "/identity/v3/roles/{id}", "", "",
     "Deletes a role and its assignments.", "role delete", kRoleMany},
    {"roles.list_implied", "GET", "/identity/v3/roles/{id}/implies", "", "role_inference",
     "Lists the roles that come with one.", "", kRoleOne},
    {"roles.show_implied", "GET", "/identity/v3/roles/{id}/implies/{implied_role_id}", "",
     "role_inference", "Shows that a role comes with another.", "", kImplied},
    {"roles.check_implied", "HEAD", "/identity/v3/roles/{id}/implies/{implied_role_id}", "", "",
     "Succeeds when a role comes with another.", "", kImplied},
    {"implied_roles.create", "PUT", "/identity/v3/roles/{id}/implies/{implied_role_id}", "",
     "role_inference", "Lets a role come with another.", "implied role create", kImplied},
    {"implied_roles.delete", "DELETE", "/identity/v3/roles/{id}/implies/{implied_role_id}", "", "",
     "Lets a role come with another no longer.", "implied role delete", kImplied},
    {"implied_roles.list", "GET", "/identity/v3/role_inferences", "", "role_inferences",
     "Lists which roles come with which.", "implied role list"},
    {"role_assignments.list", "GET", "/identity/v3/role_assignments", "", "role_assignments",
     "Lists who has which role where.", "role assignment list", kAssignments},

    CLOUDOS_GRANT_VERBS("project_user", "/identity/v3/projects/{project_id}/users/{user_id}/roles",
                        kProjectUser, kOnProjectUser),
    CLOUDOS_GRANT_VERBS("project_group",
                        "/identity/v3/projects/{project_id}/groups/{group_id}/roles", kProjectGroup,
                        kOnProjectGroup),
    CLOUDOS_GRANT_VERBS("domain_user", "/identity/v3/domains/{domain_id}/users/{user_id}/roles",
                        kDomainUser, kOnDomainUser),
    CLOUDOS_GRANT_VERBS("domain_group", "/identity/v3/domains/{domain_id}/groups/{group_id}/roles",
                        kDomainGroup, kOnDomainGroup),
    CLOUDOS_GRANT_VERBS("system_user", "/identity/v3/system/users/{user_id}/roles", kSystemUser,
                        kOnSystemUser),
    CLOUDOS_GRANT_VERBS("system_group", "/identity/v3/system/groups/{group_id}/roles", kSystemGroup,
                        kOnSystemGroup),

    {"token_keys.list", "GET", "/identity/v3/OS-CLOUDOS/token_keys", "", "token_keys",
     "Lists the keys that seal and open tokens.", "token key list"},
    {"token_keys.rotate", "POST", "/identity/v3/OS-CLOUDOS/token_keys", "", "token_keys",
     "Seals tokens with a new key; those of the keys before hold on.", "token key rotate"},
    {"credential_keys.list", "GET", "/identity/v3/OS-CLOUDOS/credential_keys", "",
     "credential_keys", "Lists the keys that seal users' secrets, and how many each has sealed.",
     "credential key list"},
    {"credential_keys.rotate", "POST", "/identity/v3/OS-CLOUDOS/credential_keys", "",
     "credential_keys", "Seals users' secrets with a new key; those of before are sealed anew.",
     "credential key rotate"},
};
#undef CLOUDOS_GRANT_VERBS

}  // namespace table::access

std::span<const Verb> access_verbs() {
  return table::access::kAccessVerbs;
}

}  // namespace cloudos::verbs
