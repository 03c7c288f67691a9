#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

constexpr PolicyDefault kOwnCredential{"rule:admin_or_owner", kOnAny, kUserPart, true};
constexpr PolicyDefault kSeenCredential{"rule:cloud_reader or rule:owner", kOnAny, kUserPart, true};
// Who shows others' signatures gets tokens of theirs: services, and nobody else.
constexpr PolicyDefault kSignatures{"role:service or rule:admin_required", kOnAny, 0, true};

constexpr PolicyRow kCredentialPolicies[] = {
    {"identity:create_credential", kOwnCredential},
    {"identity:get_credential", kSeenCredential},
    {"identity:list_credentials", kSeenCredential},
    {"identity:update_credential", kOwnCredential},
    {"identity:delete_credential", kOwnCredential},
    {"identity:ec2_create_credential", kOwnCredential},
    {"identity:ec2_get_credential", kSeenCredential},
    {"identity:ec2_list_credentials", kSeenCredential},
    {"identity:ec2_delete_credential", kOwnCredential},
    {"identity:ec2_authenticate", kSignatures},
    {"identity:s3_authenticate", kSignatures},
};

}  // namespace

std::span<const PolicyRow> credential_policies() { return kCredentialPolicies; }

}  // namespace cloudos::identity
