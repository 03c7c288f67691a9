#pragma once
#include <nlohmann/json_fwd.hpp>

#include "cloudos/image_stores.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

/// How the Image API spells places of data.
namespace cloudos::rest {

/// {"url": ..., "metadata": {..., "store": ...}}
void write_location(JsonWriter& w, Cloud& cloud, const ImageId& id, const ImageLocation& location);
/// What is added as a location, here and in a PATCH of /locations. Errors: InvalidArgument.
Result<ImageLocationAdd> decode_location(const nlohmann::json& body);

}  // namespace cloudos::rest
