#include "image/records.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace cloudos {
namespace {

constexpr std::array<std::string_view, 7> kImageStatusNames{
    "queued",    "saving",    "active",        "deactivated",
    "uploading", "importing", "pending_delete"};
constexpr std::array<std::string_view, 4> kImageVisibilityNames{"shared", "private", "community",
                                                                "public"};
constexpr std::array<std::string_view, 11> kDiskFormatNames{
    "", "raw", "qcow2", "vmdk", "vhd", "vdi", "iso", "ami", "ari", "aki", "vhdx"};
constexpr std::array<std::string_view, 9> kContainerFormatNames{
    "", "bare", "ovf", "ova", "docker", "compressed", "ami", "ari", "aki"};
constexpr std::array<std::string_view, 3> kMemberStatusNames{"pending", "accepted", "rejected"};

/// Sorted. Attributes of the Image API and names it keeps for itself.
constexpr std::array<std::string_view, 36> kImageAttributes{
    "checksum", "container_format", "created_at", "deleted", "deleted_at", "direct_url",
    "disk_format", "file", "first", "id", "image_id", "is_public", "links", "location", "locations",
    "members", "min_disk", "min_ram", "name", "next", "os_hash_algo", "os_hash_value", "os_hidden",
    "owner", "properties", "protected", "schema", "self", "size", "status", "store", "stores",
    "tags", "updated_at", "virtual_size", "visibility"};

template <class Enum>
std::optional<Enum> enum_from(std::string_view text, std::span<const std::string_view> names) {
  if (text.empty()) return std::nullopt;
  const auto at = std::find(names.begin(), names.end(), text);
  if (at == names.end()) return std::nullopt;
  return static_cast<Enum>(at - names.begin());
}

}  // namespace

std::string_view to_string(ImageStatus status) {
  return kImageStatusNames.at(static_cast<std::size_t>(status));
}
std::string_view to_string(ImageVisibility visibility) {
  return kImageVisibilityNames.at(static_cast<std::size_t>(visibility));
}
std::string_view to_string(DiskFormat format) {
  return kDiskFormatNames.at(static_cast<std::size_t>(format));
}
std::string_view to_string(ContainerFormat format) {
  return kContainerFormatNames.at(static_cast<std::size_t>(format));
}
std::string_view to_string(MemberStatus status) {
  return kMemberStatusNames.at(static_cast<std::size_t>(status));
}
std::optional<ImageStatus> image_status_from(std::string_view text) {
  return enum_from<ImageStatus>(text, kImageStatusNames);
}
std::optional<ImageVisibility> image_visibility_from(std::string_view text) {
  return enum_from<ImageVisibility>(text, kImageVisibilityNames);
}
std::optional<DiskFormat> disk_format_from(std::string_view text) {
  return enum_from<DiskFormat>(text, kDiskFormatNames);
}
std::optional<ContainerFormat> container_format_from(std::string_view text) {
  return enum_from<ContainerFormat>(text, kContainerFormatNames);
}
std::optional<MemberStatus> member_status_from(std::string_view text) {
  return enum_from<MemberStatus>(text, kMemberStatusNames);
}
bool is_image_attribute(std::string_view name) {
  static_assert(std::is_sorted(kImageAttributes.begin(), kImageAttributes.end()));
  return std::binary_search(kImageAttributes.begin(), kImageAttributes.end(), name);
}

void fields(codec::FieldVisitor& v, ImageMember& m) {
  v.field({1, "project"}, m.project);
  v.field({2, "status"}, m.status);
  v.field({3, "created_at"}, m.created_at);
  v.field({4, "updated_at"}, m.updated_at);
}

void fields(codec::FieldVisitor& v, ImageLocation& l) {
  v.field({1, "store"}, l.store);
  v.field({2, "url"}, l.url);
  v.field({3, "metadata"}, l.metadata);
  v.field({4, "unverified"}, l.unverified);
  v.field({5, "problem"}, l.problem);
}

void fields(codec::FieldVisitor& v, Image& i) {
  v.field({1, "id"}, i.id);
  v.field({2, "generation"}, i.generation);
  v.field({3, "name"}, i.name);
  v.field({4, "owner"}, i.owner);
  v.field({5, "status"}, i.status);
  v.field({6, "visibility"}, i.visibility);
  v.field({7, "disk_format"}, i.disk_format);
  v.field({8, "container_format"}, i.container_format);
  v.field({9, "protected"}, i.is_protected);
  v.field({10, "hidden"}, i.is_hidden);
  v.field({11, "min_disk_gib"}, i.min_disk_gib);
  v.field({12, "min_ram_mib"}, i.min_ram_mib);
  v.field({13, "size_bytes"}, i.size_bytes);
  v.field({14, "virtual_size_bytes"}, i.virtual_size_bytes);
  v.field({15, "md5"}, i.md5);
  v.field({16, "sha512"}, i.sha512);
  v.field({17, "tags"}, i.tags);
  v.field({18, "properties"}, i.properties);
  v.field({19, "members"}, i.members);
  v.field({20, "created_at"}, i.created_at);
  v.field({21, "updated_at"}, i.updated_at);
  v.field({22, "locations"}, i.locations);
  v.field({23, "importing_to"}, i.importing_to);
  v.field({24, "failed_stores"}, i.failed_stores);
  v.field({25, "reserved_bytes"}, i.reserved_bytes);
  v.field({26, "staged_bytes"}, i.staged_bytes);
  v.field({27, "scrub_at"}, i.scrub_at);
  v.field({28, "counted"}, i.counted);
  v.field({40, "format_problem"}, i.format_problem);
  v.unknown(i.unknown);
  image::name_first_store(i.size_bytes.has_value(), i.locations);
}

void keys(records::Keys& k, const Image& i) {
  // What the reconciler looks for at start; other lists walk all images.
  if (i.status == ImageStatus::Uploading) k.index("uploading", "1");
  if (i.status == ImageStatus::Saving) k.index("saving", "1");
  if (i.status == ImageStatus::PendingDelete) k.index("pending_delete", "1");
}

namespace image {

void fields(codec::FieldVisitor& v, Payload& p) {
  v.field({1, "id"}, p.id);
  v.field({2, "generation"}, p.generation);
  v.field({3, "format"}, p.format);
  v.field({4, "size_bytes"}, p.size_bytes);
  v.field({5, "virtual_size_bytes"}, p.virtual_size_bytes);
  v.field({6, "locations"}, p.locations);
  v.field({7, "sha512"}, p.sha512);
  v.field({8, "boot_store"}, p.boot_store);
  v.field({9, "declared"}, p.declared);
  v.unknown(p.unknown);
  name_first_store(true, p.locations);
  if (p.boot_store.empty()) p.boot_store = kFirstStore;
}

void name_first_store(bool has_data, std::vector<ImageLocation>& locations) {
  if (has_data && locations.empty()) locations.push_back({std::string(kFirstStore), {}, {}});
}
void keys(records::Keys&, const Payload&) {}

std::string garbage_key(const ImageId& id) {
  return std::string(kGarbagePrefix) + records::key_part(id.value);
}
std::string pin_prefix(const ImageId& id) {
  return "/image-pin/" + records::key_part(id.value) + "/";
}
std::string pin_key(const ImageId& id, std::string_view holder) {
  return pin_prefix(id) + records::key_part(holder);
}

}  // namespace image
}  // namespace cloudos
