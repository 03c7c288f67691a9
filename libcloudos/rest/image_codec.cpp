#include "rest/image_codec.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "rest/image_stores.hpp"

namespace cloudos::rest {

Failure wrong_attribute(std::string_view name, std::string_view rule) {
  return fail(ErrorCode::InvalidArgument,
              fmt::format("Attribute '{}' must be {}.", name.substr(0, 64), rule));
}
Failure read_only_attribute(std::string_view name) {
  return fail(ErrorCode::Forbidden, fmt::format("Attribute '{}' is read-only.", name));
}

namespace {

Result<void> read_text(std::string_view name, const nlohmann::json& value, std::string& out) {
  if (value.is_null()) {
    out.clear();
    return Result<void>();
  }
  if (!value.is_string()) return wrong_attribute(name, "text");
  out = value.get<std::string>();
  return Result<void>();
}

Result<void> read_count(std::string_view name, const nlohmann::json& value, std::uint32_t& out) {
  const bool fits = value.is_number_integer() && value >= 0 && value <= INT32_MAX;
  if (!fits) return wrong_attribute(name, fmt::format("a whole number from 0 to {}", INT32_MAX));
  out = value.get<std::uint32_t>();
  return Result<void>();
}

Result<void> read_flag(std::string_view name, const nlohmann::json& value, bool& out) {
  if (!value.is_boolean()) return wrong_attribute(name, "true or false");
  out = value.get<bool>();
  return Result<void>();
}

Result<void> read_tags(const nlohmann::json& value, std::set<std::string>& out) {
  if (!value.is_array()) return wrong_attribute("tags", "a list of texts");
  out.clear();
  for (const nlohmann::json& tag : value) {
    if (!tag.is_string()) return wrong_attribute("tags", "a list of texts");
    out.insert(tag.get<std::string>());
  }
  return Result<void>();
}

/// Null means Unset where the enumeration has one.
template <class Enum>
Result<void> read_enum(std::string_view name, const nlohmann::json& value,
                       std::optional<Enum> (*from)(std::string_view), Enum& out) {
  if constexpr (requires { Enum::Unset; }) {
    if (value.is_null()) {
      out = Enum::Unset;
      return Result<void>();
    }
  }
  if (!value.is_string()) return wrong_attribute(name, "text");
  const auto found = from(value.get_ref<const std::string&>());
  if (!found) return wrong_attribute(name, "one of those that the schema lists");
  out = *found;
  return Result<void>();
}

// The rows differ in the member they set, and updates hold optionals: a reader fills a local, and
// only what was read well is stored.
#define CLOUDOS_IMAGE_SETTER(type, target, read)                            \
  [](const nlohmann::json& value, auto& into) -> Result<void> {             \
    std::decay_t<type> parsed{};                                            \
    CLOUDOS_CHECK(read);                                                    \
    into.target = std::move(parsed);                                        \
    return Result<void>();                                                  \
  }

constexpr auto kSetName =
    CLOUDOS_IMAGE_SETTER(std::string, name, read_text("name", value, parsed));
constexpr auto kSetProtected =
    CLOUDOS_IMAGE_SETTER(bool, is_protected, read_flag("protected", value, parsed));
constexpr auto kSetHidden =
    CLOUDOS_IMAGE_SETTER(bool, is_hidden, read_flag("os_hidden", value, parsed));
constexpr auto kSetMinDisk =
    CLOUDOS_IMAGE_SETTER(std::uint32_t, min_disk_gib, read_count("min_disk", value, parsed));
constexpr auto kSetMinRam =
    CLOUDOS_IMAGE_SETTER(std::uint32_t, min_ram_mib, read_count("min_ram", value, parsed));
constexpr auto kSetTags =
    CLOUDOS_IMAGE_SETTER(std::set<std::string>, tags, read_tags(value, parsed));
constexpr auto kSetVisibility = CLOUDOS_IMAGE_SETTER(
    ImageVisibility, visibility,
    read_enum("visibility", value, image_visibility_from, parsed));
constexpr auto kSetDiskFormat = CLOUDOS_IMAGE_SETTER(
    DiskFormat, disk_format, read_enum("disk_format", value, disk_format_from, parsed));
constexpr auto kSetContainerFormat = CLOUDOS_IMAGE_SETTER(
    ContainerFormat, container_format,
    read_enum("container_format", value, container_format_from, parsed));
constexpr auto kSetOwner =
    CLOUDOS_IMAGE_SETTER(ProjectId, owner, read_text("owner", value, parsed.value));
constexpr auto kSetId = CLOUDOS_IMAGE_SETTER(ImageId, id, read_text("id", value, parsed.value));
#undef CLOUDOS_IMAGE_SETTER

using Writer = void (*)(JsonWriter&, const Image&);

constexpr Writer kWriteTags = [](JsonWriter& w, const Image& i) {
  w.open_list();
  for (const std::string& tag : i.tags) w.value(tag);
  w.close_list();
};
template <class Text>
void write_or_null(JsonWriter& w, const Text& text) {
  if (text.empty()) w.null();
  else w.value(text);
}

std::string store_names(const Image& image) {
  std::string names;
  for (const ImageLocation& location : image.locations) {
    if (!names.empty()) names += ',';
    names += location.store;
  }
  return names;
}

constexpr ImageAttribute kImageAttributeRows[] = {
    {"id", ImageShape::Uuid, "An identifier for the image",
     [](JsonWriter& w, const Image& i) { w.value(i.id); }, kSetId, nullptr},
    {"name", ImageShape::NullableText, "What people call the image; need not be unique",
     [](JsonWriter& w, const Image& i) { write_or_null(w, i.name); }, kSetName, kSetName},
    {"status", ImageShape::Status, "Where the image is in its life",
     [](JsonWriter& w, const Image& i) { w.value(to_string(i.status)); }, nullptr, nullptr},
    {"visibility", ImageShape::Visibility, "Who may use the image",
     [](JsonWriter& w, const Image& i) { w.value(to_string(i.visibility)); }, kSetVisibility,
     kSetVisibility},
    {"protected", ImageShape::Flag, "Whether the image is safe from deletion",
     [](JsonWriter& w, const Image& i) { w.value(i.is_protected); }, kSetProtected, kSetProtected},
    {"os_hidden", ImageShape::Flag, "Whether lists leave the image out",
     [](JsonWriter& w, const Image& i) { w.value(i.is_hidden); }, kSetHidden, kSetHidden},
    {"owner", ImageShape::NullableText, "The project that the image belongs to",
     [](JsonWriter& w, const Image& i) { write_or_null(w, i.owner.value); }, kSetOwner, kSetOwner},
    {"checksum", ImageShape::Hash, "MD5 of the data",
     [](JsonWriter& w, const Image& i) { write_or_null(w, i.md5); }, nullptr, nullptr},
    {"os_hash_algo", ImageShape::Hash, "Algorithm of os_hash_value",
     [](JsonWriter& w, const Image& i) {
       write_or_null(w, std::string_view(i.sha512.empty() ? "" : "sha512"));
     },
     nullptr, nullptr},
    {"os_hash_value", ImageShape::Hash, "Digest of the data by os_hash_algo",
     [](JsonWriter& w, const Image& i) { write_or_null(w, i.sha512); }, nullptr, nullptr},
    {"size", ImageShape::NullableInteger, "Bytes of the data",
     [](JsonWriter& w, const Image& i) { w.value(i.size_bytes); }, nullptr, nullptr},
    {"virtual_size", ImageShape::NullableInteger, "Bytes of the disk that the data describes",
     [](JsonWriter& w, const Image& i) { w.value(i.virtual_size_bytes); }, nullptr, nullptr},
    {"container_format", ImageShape::ContainerFormat, "What the data is wrapped in",
     [](JsonWriter& w, const Image& i) { write_or_null(w, to_string(i.container_format)); },
     kSetContainerFormat, kSetContainerFormat},
    {"disk_format", ImageShape::DiskFormat, "How the data describes a disk",
     [](JsonWriter& w, const Image& i) { write_or_null(w, to_string(i.disk_format)); },
     kSetDiskFormat, kSetDiskFormat},
    {"min_disk", ImageShape::Integer, "GiB of disk that a server needs at least",
     [](JsonWriter& w, const Image& i) { w.value(i.min_disk_gib); }, kSetMinDisk, kSetMinDisk},
    {"min_ram", ImageShape::Integer, "MiB of memory that a server needs at least",
     [](JsonWriter& w, const Image& i) { w.value(i.min_ram_mib); }, kSetMinRam, kSetMinRam},
    {"created_at", ImageShape::Time, "When the image was recorded",
     [](JsonWriter& w, const Image& i) { w.value(format_time(i.created_at)); }, nullptr, nullptr},
    {"updated_at", ImageShape::Time, "When the record last changed",
     [](JsonWriter& w, const Image& i) { w.value(format_time(i.updated_at)); }, nullptr, nullptr},
    {"tags", ImageShape::Tags, "Words that the image is found by", kWriteTags, kSetTags, kSetTags},
    {"stores", ImageShape::NullableText, "Names of the stores that have the data", nullptr, nullptr,
     nullptr},
    {"locations", ImageShape::Locations, "Where copies of the data are", nullptr, nullptr, nullptr},
    {"direct_url", ImageShape::Link, "Where the data is, without this API", nullptr, nullptr,
     nullptr},
    {"self", ImageShape::Link, "Where the image is",
     [](JsonWriter& w, const Image& i) { w.value({"/v2/images/", i.id.value}); }, nullptr, nullptr},
    {"file", ImageShape::Link, "Where the data is",
     [](JsonWriter& w, const Image& i) { w.value({"/v2/images/", i.id.value, "/file"}); }, nullptr,
     nullptr},
    {"schema", ImageShape::Link, "Where this schema is",
     [](JsonWriter& w, const Image&) { w.value("/v2/schemas/image"); }, nullptr, nullptr},
};

}  // namespace

std::span<const ImageAttribute> image_attributes() { return kImageAttributeRows; }

const ImageAttribute* find_image_attribute(std::string_view name) {
  for (const ImageAttribute& row : kImageAttributeRows)
    if (row.name == name) return &row;
  return nullptr;
}

namespace {

/// What the service itself notes beside the attributes: names that no caller can set.
void write_notes(JsonWriter& w, const Image& image, bool imported) {
  const auto joined = [](const std::vector<std::string>& names) {
    return fmt::format("{}", fmt::join(names, ","));
  };
  if (imported || !image.importing_to.empty() || !image.failed_stores.empty()) {
    w.member("os_glance_importing_to_stores", joined(image.importing_to));
    w.member("os_glance_failed_import", joined(image.failed_stores));
  }
  if (!image.format_problem.empty()) w.member("os_glance_format_problem", image.format_problem);
}

}  // namespace

void write_image(JsonWriter& w, const Image& image, Cloud& cloud, bool imported) {
  const ImageStores& stores = cloud.images().stores();
  w.open();
  for (const auto& [name, value] : image.properties) w.member(name, value);
  write_notes(w, image, imported);
  for (const ImageAttribute& row : kImageAttributeRows) {
    if (row.write == nullptr) continue;
    w.key(row.name);
    row.write(w, image);
  }
  if (!image.locations.empty()) w.member("stores", store_names(image));
  if (stores.options().show_locations) {
    w.key("locations").open_list();
    for (const ImageLocation& location : image.locations) {
      // In memory there is nothing that anybody could read.
      if (!stores.url_of(image.id, location).empty()) write_location(w, cloud, image.id, location);
    }
    w.close_list();
  }
  if (stores.options().show_direct_url && !image.locations.empty()) {
    const std::string url = stores.url_of(image.id, image.locations.front());
    if (!url.empty()) w.member("direct_url", url);
  }
  w.close();
}

void write_member(JsonWriter& w, const ImageId& image, const ImageMember& member) {
  w.open().member("image_id", image).member("member_id", member.project);
  w.member("status", to_string(member.status));
  w.member("created_at", format_time(member.created_at));
  w.member("updated_at", format_time(member.updated_at));
  w.member("schema", "/v2/schemas/member").close();
}

Result<ImageCreate> decode_image_create(const nlohmann::json& body) {
  if (!body.is_object()) {
    return fail(ErrorCode::InvalidArgument, "The body must be a JSON object.");
  }
  ImageCreate spec;
  for (const auto& [name, value] : body.items()) {
    if (const ImageAttribute* attribute = find_image_attribute(name)) {
      if (attribute->create == nullptr) return read_only_attribute(name);
      CLOUDOS_CHECK(attribute->create(value, spec));
    } else {
      if (!value.is_string()) return wrong_attribute(name, "text");
      spec.properties[name] = value.get<std::string>();
    }
  }
  return spec;
}

}  // namespace cloudos::rest
