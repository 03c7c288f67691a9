// What users let others do: trusts, application credentials, access rules; and tokens that ended.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::delegation {

constexpr Parameter kTrustOne[] = {subject("TRUST", "trusts")};
constexpr Parameter kTrustRole[] = {subject("TRUST", "trusts"),
                                    subject("ROLE", "roles", "role_id")};
constexpr Parameter kTrustMany[] = {subject("TRUST...", "trusts")};
constexpr Parameter kTrustCreate[] = {
    subject("TRUSTOR", "users", "trustor_user_id"),
    subject("TRUSTEE", "users", "trustee_user_id"),
    must(ref("project_id", "--project", "projects", "project it is for")),
    must(refs("roles", "--role", "roles", "role on the project (repeat for more)", "id")),
    set("impersonation", "--impersonate", "true", "its tokens show the trustor as their user"),
    set("impersonation", "--no-impersonate", "false", "its tokens show the trustee"),
    text("expires_at", "--expiration", "its end, as in 2027-01-31T12:00:00Z"),
    number("remaining_uses", "--uses", "tokens that may be made by it"),
    set("allow_redelegation", "--allow-redelegation", "true", "the trustee may hand it on"),
    number("redelegation_count", "--redelegation-count", "how often"),
};
constexpr Parameter kTrustList[] = {
    ref("trustor_user_id", "--trustor", "users", "given by this user"),
    ref("trustee_user_id", "--trustee", "users", "given to this user"),
};

constexpr Parameter kOwner = ref("user_id", "--user", "users", "user [you]", "user");
constexpr Parameter kCredentialOne[] = {word("id", "CREDENTIAL", "name or id"), kOwner};
constexpr Parameter kCredentialMany[] = {word("id", "CREDENTIAL...", "name or id"), kOwner};
constexpr Parameter kCredentialList[] = {kOwner, kNamed};
constexpr Parameter kCredentialCreate[] = {
    kItsName,
    kOwner,
    {"secret", Kind::Secret, "--secret", "its secret; without it one is made"},
    refs("roles", "--role", "roles", "role of the token (repeat for more) [all]", "id"),
    text("expires_at", "--expiration", "its end, as in 2027-01-31T12:00:00Z"),
    kDescription,
    set("unrestricted", "--unrestricted", "true", "may make credentials and trusts too"),
    set("unrestricted", "--restricted", "false", "may not (the default)"),
    of(Kind::PairList, "access_rules", "--access-rule",
       "service=compute,method=GET,path=/v2.1/servers (repeat for more)"),
    of(Kind::Json, "access_rules", "--access-rules", "all of its rules as JSON"),
};
constexpr Parameter kRuleOne[] = {word("id", "ID", "its id"), kOwner};
constexpr Parameter kRuleMany[] = {word("id", "ID...", "its id"), kOwner};
constexpr Parameter kRuleList[] = {kOwner};
constexpr Parameter kEvents[] = {
    text("since", "--since", "ended then or later, as in 2027-01-31T12:00:00Z")};

#define CLOUDOS_USERS_OWN(what) "/identity/v3/users/{user_id}/" what
constexpr Verb kDelegationVerbs[] = {
    {"trusts.create", "POST", "/identity/v3/OS-TRUST/trusts", "trust", "trust",
     "Lets another user act for one.", "trust create", kTrustCreate},
    {"trusts.list", "GET", "/identity/v3/OS-TRUST/trusts", "", "trusts", "Lists trusts.",
     "trust list", kTrustList},
    {"trusts.show", "GET", "/identity/v3/OS-TRUST/trusts/{id}", "", "trust", "Shows a trust.",
     "trust show", kTrustOne},
    {"trusts.delete", "DELETE", "/identity/v3/OS-TRUST/trusts/{id}", "", "",
     "Ends a trust and its tokens.", "trust delete", kTrustMany},
    {"trusts.list_roles", "GET", "/identity/v3/OS-TRUST/trusts/{id}/roles", "", "roles",
     "Lists the roles of a trust.", "", kTrustOne},
    {"trusts.show_role", "GET", "/identity/v3/OS-TRUST/trusts/{id}/roles/{role_id}", "", "role",
     "Shows a role of a trust.", "", kTrustRole},
    {"application_credentials.create", "POST", CLOUDOS_USERS_OWN("application_credentials"),
     "application_credential", "application_credential",
     "Makes a secret by which a program logs in; shown this once.", "application credential create",
     kCredentialCreate},
    {"application_credentials.list", "GET", CLOUDOS_USERS_OWN("application_credentials"), "",
     "application_credentials", "Lists application credentials.", "application credential list",
     kCredentialList},
    {"application_credentials.show", "GET", CLOUDOS_USERS_OWN("application_credentials/{id}"), "",
     "application_credential", "Shows an application credential.", "application credential show",
     kCredentialOne},
    {"application_credentials.delete", "DELETE", CLOUDOS_USERS_OWN("application_credentials/{id}"),
     "", "", "Ends an application credential and its tokens.", "application credential delete",
     kCredentialMany},
    {"access_rules.list", "GET", CLOUDOS_USERS_OWN("access_rules"), "", "access_rules",
     "Lists access rules.", "access rule list", kRuleList},
    {"access_rules.show", "GET", CLOUDOS_USERS_OWN("access_rules/{id}"), "", "access_rule",
     "Shows an access rule.", "access rule show", kRuleOne},
    {"access_rules.delete", "DELETE", CLOUDOS_USERS_OWN("access_rules/{id}"), "", "",
     "Deletes an access rule that no credential uses.", "access rule delete", kRuleMany},
    {"tokens.list_revocations", "GET", "/identity/v3/OS-REVOKE/events", "", "events",
     "Lists what ended tokens before their time.", "", kEvents},
};
#undef CLOUDOS_USERS_OWN

constexpr Column kTrustColumns[] = {
    {"ID", "id"},
    {"Expires At", "expires_at"},
    {"Impersonation", "impersonation"},
    {"Project ID", "project_id"},
    {"Trustee User ID", "trustee_user_id"},
    {"Trustor User ID", "trustor_user_id"},
};
constexpr Column kCredentialColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Project ID", "project_id"},
    {"Description", "description"},
    {"Expires At", "expires_at"},
};
constexpr Column kRuleColumns[] = {
    {"ID", "id"}, {"Service", "service"}, {"Method", "method"}, {"Path", "path"}};

constexpr Noun kDelegationNouns[] = {
    {"trusts", "trust", "identity", kTrustColumns, "id", "id"},
    {"application_credentials", "application credential", "identity", kCredentialColumns, "id",
     "name"},
    {"access_rules", "access rule", "identity", kRuleColumns, "id", "id"},
};

}  // namespace table::delegation

std::span<const Verb> delegation_verbs() {
  return table::delegation::kDelegationVerbs;
}
std::span<const Noun> delegation_nouns() {
  return table::delegation::kDelegationNouns;
}

}  // namespace cloudos::verbs
