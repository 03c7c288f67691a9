#pragma once
#include "rest/router.hpp"

/// The parts of the Image service's table of routes.
namespace cloudos::rest {

std::span<const Route> image_record_routes();  ///< Images, data, tags, members, schemas.
std::span<const Route> image_import_routes();
std::span<const Route> image_task_routes();
std::span<const Route> image_store_routes();
std::span<const Route> image_cache_routes();
std::span<const Route> certificate_routes();
std::span<const Route> metadef_routes();

}  // namespace cloudos::rest
