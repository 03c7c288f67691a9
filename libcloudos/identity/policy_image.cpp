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
    {"import_image", kMember},
    {"copy_image", kAdmin},
    {"deactivate", kMember},
    {"reactivate", kMember},

    // Where an image's bytes lie.
    {"get_image_location", kMember},
    {"set_image_location", kMember},
    {"delete_image_location", kMember},
    {"add_image_location", kMember},
    {"fetch_image_location", kAdmin},

    {"add_member", kMember},
    {"get_member", kReader},
    {"get_members", kReader},
    {"modify_member", kMember},
    {"delete_member", kMember},

    {"get_image_schema", kAnyone},
    {"get_image_info", kAnyone},
    {"get_usage", kReader},
    {"stores_info", kAnyone},
    {"stores_info_detail", kAdmin},

    {"tasks_api_access", kAdmin},
    {"get_task", kAdmin},
    {"get_tasks", kAdmin},
    {"add_task", kAdmin},
    {"modify_task", kAdmin},

    {"add_certificate", kMember},
    {"get_certificate", kReader},
    {"get_certificates", kReader},
    {"delete_certificate", kMember},

    {"cache_image", kAdmin},
    {"cache_list", kAdmin},
    {"cache_delete", kAdmin},
    {"manage_image_cache", kAdmin},

    // Definitions of metadata: everybody's to read when public, an admin's to write.
    {"get_metadef_namespace", kReader},
    {"get_metadef_namespaces", kReader},
    {"add_metadef_namespace", kAdmin},
    {"modify_metadef_namespace", kAdmin},
    {"delete_metadef_namespace", kAdmin},
    {"get_metadef_object", kReader},
    {"get_metadef_objects", kReader},
    {"add_metadef_object", kAdmin},
    {"modify_metadef_object", kAdmin},
    {"delete_metadef_object", kAdmin},
    {"list_metadef_resource_types", kReader},
    {"get_metadef_resource_type", kReader},
    {"add_metadef_resource_type_association", kAdmin},
    {"remove_metadef_resource_type_association", kAdmin},
    {"get_metadef_property", kReader},
    {"get_metadef_properties", kReader},
    {"add_metadef_property", kAdmin},
    {"modify_metadef_property", kAdmin},
    {"remove_metadef_property", kAdmin},
    {"get_metadef_tag", kReader},
    {"get_metadef_tags", kReader},
    {"add_metadef_tag", kAdmin},
    {"add_metadef_tags", kAdmin},
    {"modify_metadef_tag", kAdmin},
    {"delete_metadef_tag", kAdmin},
    {"delete_metadef_tags", kAdmin},
};

}  // namespace

std::span<const PolicyRow> image_policies() { return kImagePolicies; }

}  // namespace cloudos::identity
