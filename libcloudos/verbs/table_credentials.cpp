// Secrets of users: credentials of any type, and EC2 keys.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::credentials {

constexpr Parameter kType = text("type", "--type", "what it is: ec2, totp, cert, ...");
constexpr Parameter kProject = ref("project_id", "--project", "projects", "project it is for");

constexpr Parameter kCredentialOne[] = {subject("CREDENTIAL", "credentials")};
constexpr Parameter kCredentialMany[] = {subject("CREDENTIAL...", "credentials")};
constexpr Parameter kCredentialCreate[] = {
    subject("USER", "users", "user_id"),
    word("blob", "DATA", "the secret: of type ec2 JSON with access and secret, of totp base32"),
    must(kType),
    kProject,
};
constexpr Parameter kCredentialSet[] = {
    subject("CREDENTIAL", "credentials"),
    ref("user_id", "--user", "users", "whose it is (admins only)"),
    text("type", "--type", "what it is (admins only)"),
    text("blob", "--data", "the secret"),
    ref("project_id", "--project", "projects", "project it is for (admins only)"),
};
constexpr Parameter kCredentialList[] = {
    ref("user_id", "--user", "users", "of this user"),
    text("type", "--type", "of this type"),
    limit(),
    marker(),
};

constexpr Parameter kOwner = ref("user_id", "--user", "users", "user [you]", "user");
constexpr Parameter kEc2Create[] = {
    kOwner,
    ref("tenant_id", "--project", "projects", "project [that of the login]", "project"),
};
constexpr Parameter kEc2One[] = {word("access", "ACCESS_KEY", "its access key"), kOwner};
constexpr Parameter kEc2Many[] = {word("access", "ACCESS_KEY...", "its access key"), kOwner};
constexpr Parameter kEc2List[] = {kOwner};

#define CLOUDOS_EC2_PATH "/identity/v3/users/{user_id}/credentials/OS-EC2"
constexpr Verb kCredentialVerbs[] = {
    {"credentials.create", "POST", "/identity/v3/credentials", "credential", "credential",
     "Keeps a secret for a user.", "credential create", kCredentialCreate},
    {"credentials.list", "GET", "/identity/v3/credentials", "", "credentials",
     "Lists users' secrets.", "credential list", kCredentialList},
    {"credentials.show", "GET", "/identity/v3/credentials/{id}", "", "credential",
     "Shows a user's secret.", "credential show", kCredentialOne},
    {"credentials.update", "PATCH", "/identity/v3/credentials/{id}", "credential", "credential",
     "Changes a user's secret.", "credential set", kCredentialSet},
    {"credentials.delete", "DELETE", "/identity/v3/credentials/{id}", "", "",
     "Deletes a user's secret.", "credential delete", kCredentialMany},
    {"ec2_credentials.create", "POST", CLOUDOS_EC2_PATH, "", "credential", "Makes an EC2 key.",
     "ec2 credentials create", kEc2Create},
    {"ec2_credentials.list", "GET", CLOUDOS_EC2_PATH, "", "credentials", "Lists a user's EC2 keys.",
     "ec2 credentials list", kEc2List},
    {"ec2_credentials.show", "GET", CLOUDOS_EC2_PATH "/{access}", "", "credential",
     "Shows an EC2 key.", "ec2 credentials show", kEc2One},
    {"ec2_credentials.delete", "DELETE", CLOUDOS_EC2_PATH "/{access}", "", "",
     "Deletes an EC2 key.", "ec2 credentials delete", kEc2Many},
};
#undef CLOUDOS_EC2_PATH

constexpr Column kCredentialColumns[] = {{"ID", "id"},
                                         {"Type", "type"},
                                         {"User ID", "user_id"},
                                         {"Data", "blob"},
                                         {"Project ID", "project_id"}};
constexpr Column kEc2Columns[] = {{"Access", "access"},
                                  {"Secret", "secret"},
                                  {"Project ID", "tenant_id"},
                                  {"User ID", "user_id"}};

constexpr Noun kCredentialNouns[] = {
    {"credentials", "credential", "identity", kCredentialColumns, "id", "id"},
    {"ec2_credentials", "ec2 credentials", "identity", kEc2Columns, "access", "access"},
};

}  // namespace table::credentials

std::span<const Verb> credential_verbs() {
  return table::credentials::kCredentialVerbs;
}
std::span<const Noun> credential_nouns() {
  return table::credentials::kCredentialNouns;
}

}  // namespace cloudos::verbs
