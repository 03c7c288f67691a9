#pragma once
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "cloudos/image_stores.hpp"
#include "cloudos/images.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

/// How the Image API v2 spells images: one table of attributes makes bodies, reads them, and is
/// shown as the JSON schema that clients check against.
namespace cloudos::rest {

/// What a value of an attribute looks like in JSON.
enum class ImageShape : std::uint8_t {
  Uuid, NullableText, Hash, Integer, NullableInteger, Flag, Time, Link, Tags,
  Status, Visibility, DiskFormat, ContainerFormat, Locations,
};

struct ImageAttribute {
  std::string_view name;
  ImageShape shape;
  std::string_view description;
  /// Null for what is not always there: write_image knows when.
  void (*write)(JsonWriter& w, const Image& image);
  /// Null for what callers cannot set at creation, or change later.
  Result<void> (*create)(const nlohmann::json& value, ImageCreate& spec);
  Result<void> (*update)(const nlohmann::json& value, ImageUpdate& changes);
};
std::span<const ImageAttribute> image_attributes();
const ImageAttribute* find_image_attribute(std::string_view name);

/// `cloud` knows what of the data's places is shown. Of one that is `imported` the stores that are
/// still to come are told even when there are none: clients that wait look for that.
void write_image(JsonWriter& w, const Image& image, Cloud& cloud, bool imported = false);
void write_member(JsonWriter& w, const ImageId& image, const ImageMember& member);

/// Errors: InvalidArgument, Forbidden (read-only attribute).
Result<ImageCreate> decode_image_create(const nlohmann::json& body);
/// How a PATCH body spells its operations.
enum class PatchDialect : std::uint8_t {
  V20,  ///< {"replace": "/name", "value": "x"}; add is for what is not there yet.
  V21,  ///< {"op": "replace", "path": "/name", "value": "x"}
};
struct ImagePatch {
  ImageUpdate changes;
  std::vector<ImageLocationChange> locations;
};
/// Errors: InvalidArgument; Forbidden (read-only attribute, or one that cannot be removed);
/// Conflict (V20: an attribute is there already).
Result<ImagePatch> decode_image_patch(const nlohmann::json& body, PatchDialect dialect);

/// "Attribute 'x' must be …", and "… is read-only."
Failure wrong_attribute(std::string_view name, std::string_view rule);
Failure read_only_attribute(std::string_view name);

/// The query of GET /images. Errors: InvalidArgument.
Result<ImageQuery> decode_image_query(const Call& call);
/// The query without its marker, for links to first and next pages; "" or "a=b&c=d".
std::string query_without_marker(const Call& call);

std::string image_schema();
std::string images_schema();
std::string member_schema();
std::string members_schema();

}  // namespace cloudos::rest
