#pragma once
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "cloudos/images.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

/// How the Image API v2 spells images: one table of attributes makes bodies, reads them, and is
/// shown as the JSON schema that clients check against.
namespace cloudos::rest {

/// What a value of an attribute looks like in JSON.
enum class ImageShape : std::uint8_t {
  Uuid, NullableText, Hash, Integer, NullableInteger, Flag, Time, Link, Tags,
  Status, Visibility, DiskFormat, ContainerFormat,
};

struct ImageAttribute {
  std::string_view name;
  ImageShape shape;
  std::string_view description;
  void (*write)(JsonWriter& w, const Image& image);
  /// Null for what callers cannot set at creation, or change later.
  Result<void> (*create)(const nlohmann::json& value, ImageCreate& spec);
  Result<void> (*update)(const nlohmann::json& value, ImageUpdate& changes);
};
std::span<const ImageAttribute> image_attributes();
const ImageAttribute* find_image_attribute(std::string_view name);

void write_image(JsonWriter& w, const Image& image);
void write_member(JsonWriter& w, const ImageId& image, const ImageMember& member);

/// Errors: InvalidArgument, Forbidden (read-only attribute).
Result<ImageCreate> decode_image_create(const nlohmann::json& body);
/// How a PATCH body spells its operations.
enum class PatchDialect : std::uint8_t {
  V20,  ///< {"replace": "/name", "value": "x"}
  V21,  ///< {"op": "replace", "path": "/name", "value": "x"}
};
/// Errors: InvalidArgument, Forbidden (read-only attribute, or one that cannot be removed).
Result<ImageUpdate> decode_image_patch(const nlohmann::json& body, PatchDialect dialect);
/// The query of GET /images. Errors: InvalidArgument.
Result<ImageQuery> decode_image_query(const Call& call);
/// The query without its marker, for links to first and next pages; "" or "a=b&c=d".
std::string query_without_marker(const Call& call);

std::string image_schema();
std::string images_schema();
std::string member_schema();
std::string members_schema();

}  // namespace cloudos::rest
