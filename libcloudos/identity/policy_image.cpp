#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

constexpr PolicyRow kImagePolicies[] = {
    {"add_image", kMember},
    {"get_image", kReader},
    {"get_images", kReader},
    {"modify_image", kMember},
    {"delete_image", kMember},
    {"publicize_image", kAdmin},
    {"communitize_image", kMember},
    {"upload_image", kMember},
    {"download_image", kReader},
    {"deactivate", kMember},
    {"reactivate", kMember},
    {"add_member", kMember},
    {"get_member", kReader},
    {"get_members", kReader},
    {"modify_member", kMember},
    {"delete_member", kMember},
    {"get_image_schema", kAnyone},
    {"get_image_info", kAnyone},
    {"stores_info", kAnyone},
};

}  // namespace

std::span<const PolicyRow> image_policies() { return kImagePolicies; }

}  // namespace cloudos::identity
