#include "cloudos/image_stores.hpp"
#include "cloudos/images.hpp"
#include "rest/image_tables.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

// The host's cache of images.
// Source: Image API v2 reference, cache management.
namespace cloudos::rest {
namespace {

double epoch_seconds(WallTime at) {
  return static_cast<double>(at.time_since_epoch().count()) / 1e6;
}

Result<Response> list_image_cache(Call& call) {
  CLOUDOS_TRY(const ImageCacheState state, call.cloud.images().stores().cache(call.ctx));
  JsonWriter w;
  w.open().key("cached_images").open_list();
  for (const CachedImage& entry : state.cached) {
    w.open().member("image_id", entry.image).member("hits", entry.hits);
    w.member("last_accessed", epoch_seconds(entry.accessed_at));
    w.member("last_modified", epoch_seconds(entry.modified_at));
    w.member("size", entry.size_bytes).close();
  }
  w.close_list().key("queued_images").open_list();
  for (const ImageId& id : state.queued) w.value(id);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> queue_cached_image(Call& call) {
  auto queued = call.cloud.images().stores().queue_in_cache(call.ctx,
                                                            ImageId{call.path("image_id")});
  // The API's word for an image without data.
  if (!queued && queued.error().code == ErrorCode::Conflict)
    return fail(ErrorCode::InvalidArgument, queued.error().message);
  CLOUDOS_CHECK(queued);
  return empty_response(202);
}

Result<Response> delete_cached_image(Call& call) {
  CLOUDOS_CHECK(
      call.cloud.images().stores().remove_from_cache(call.ctx, ImageId{call.path("image_id")}));
  return empty_response(204);
}

Result<Response> clear_image_cache(Call& call) {
  const std::string_view target = call.request.headers.get("X-Image-Cache-Clear-Target");
  const bool both = target.empty() || target == "both";
  if (!both && target != "cache" && target != "queue") {
    return fail(ErrorCode::InvalidArgument,
                "X-Image-Cache-Clear-Target must be cache, queue or both");
  }
  CLOUDOS_CHECK(call.cloud.images().stores().clear_cache(call.ctx, both || target == "cache",
                                                         both || target == "queue"));
  return empty_response(204);
}

Result<Response> clean_image_cache(Call& call) {
  CLOUDOS_CHECK(call.cloud.images().stores().clean_cache(call.ctx));
  return empty_response(200);
}

Result<Response> prune_image_cache(Call& call) {
  CLOUDOS_CHECK(call.cloud.images().stores().prune_cache(call.ctx));
  return empty_response(200);
}

constexpr Route kImageCacheRoutes[] = {
    {"GET", "/image/v2/cache", list_image_cache, "cache_list", Service::Image, RouteClass::Commits},
    {"DELETE", "/image/v2/cache", clear_image_cache, "cache_delete", Service::Image,
     RouteClass::Commits},
    {"POST", "/image/v2/cache/clean", clean_image_cache, "manage_image_cache", Service::Image,
     RouteClass::Commits},
    {"POST", "/image/v2/cache/prune", prune_image_cache, "manage_image_cache", Service::Image,
     RouteClass::Commits},
    {"PUT", "/image/v2/cache/{image_id}", queue_cached_image, "cache_image", Service::Image,
     RouteClass::Commits},
    {"DELETE", "/image/v2/cache/{image_id}", delete_cached_image, "cache_delete", Service::Image,
     RouteClass::Commits},
};

}  // namespace

std::span<const Route> image_cache_routes() {
  return kImageCacheRoutes;
}

}  // namespace cloudos::rest
