#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

constexpr PolicyRow kImagePolicies[] = {
    {"add_image", Rule::Member},
    {"get_image", Rule::Reader},
    {"get_images", Rule::Reader},
    {"modify_image", Rule::Member},
    {"delete_image", Rule::Member},
    {"publicize_image", Rule::Admin},
    {"communitize_image", Rule::Member},
    {"upload_image", Rule::Member},
    {"download_image", Rule::Reader},
    {"deactivate", Rule::Member},
    {"reactivate", Rule::Member},
    {"add_member", Rule::Member},
    {"get_member", Rule::Reader},
    {"get_members", Rule::Reader},
    {"modify_member", Rule::Member},
    {"delete_member", Rule::Member},
    {"get_image_schema", Rule::Anyone},
    {"get_image_info", Rule::Anyone},
    {"stores_info", Rule::Anyone},
};

}  // namespace

std::span<const PolicyRow> image_policies() { return kImagePolicies; }

}  // namespace cloudos::identity
