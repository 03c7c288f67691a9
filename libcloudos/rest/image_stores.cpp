#include "cloudos/image_stores.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cloudos/images.hpp"
#include "rest/image_stores.hpp"
#include "rest/image_tables.hpp"

// Stores, copies, locations and usage of images.
// Source: Image API v2 reference (multiple stores, locations, quota usage).
namespace cloudos::rest {
namespace {

/// Items of a location's metadata that are ours to say.
constexpr const char* kPlace = "store";
constexpr const char* kVerification = "verification";

ImageId store_image_id(const Call& call) {
  return ImageId{call.path("image_id")};
}

void write_store(JsonWriter& w, const ImageStore& store, bool with_detail) {
  w.open().member("id", store.name);
  if (!store.description.empty()) w.member("description", store.description);
  if (store.is_default) w.member("default", "true");
  if (store.read_only) w.member("read-only", "true");
  if (with_detail) {
    w.member("type", store.type).member("weight", store.weight);
    w.key("properties").open();
    if (!store.folder.empty()) w.member("data_dir", store.folder.string());
    if (store.capacity_bytes != 0) w.member("capacity_bytes", store.capacity_bytes);
    w.member("used_bytes", store.used_bytes);
    if (store.bytes_per_second != 0) w.member("read_bytes_per_second", store.bytes_per_second);
    w.close();
  }
  w.close();
}

Response stores_response(Call& call, bool with_detail) {
  JsonWriter w;
  w.open().key("stores").open_list();
  for (const ImageStore& store : call.cloud.images().stores().list())
    write_store(w, store, with_detail);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_image_stores(Call& call) {
  return stores_response(call, false);
}
Result<Response> list_image_stores_detail(Call& call) {
  return stores_response(call, true);
}

Result<Response> delete_from_image_store(Call& call) {
  CLOUDOS_CHECK(call.cloud.images().stores().remove_copy(call.ctx, store_image_id(call),
                                                         call.path("store_id")));
  return empty_response(204);
}

Result<Response> show_image_usage(Call& call) {
  CLOUDOS_TRY(const auto usage, call.cloud.images().stores().usage(call.ctx));
  JsonWriter w;
  w.open().key("usage").open();
  for (const auto& [name, use] : usage)
    w.key(name).open().member("limit", use.limit).member("usage", use.usage).close();
  w.close().close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_image_locations(Call& call) {
  const ImageId id = store_image_id(call);
  CLOUDOS_TRY(const auto locations, call.cloud.images().stores().locations(call.ctx, id));
  JsonWriter w;
  w.open_list();
  for (const ImageLocation& location : locations) write_location(w, call.cloud, id, location);
  w.close_list();
  return json_response(200, std::move(w).take());
}

Result<Response> add_image_location(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const ImageLocationAdd add, decode_location(*body));
  const ImageId id = store_image_id(call);
  CLOUDOS_TRY(const ImageLocation location,
              call.cloud.images().stores().queue_location(call.ctx, id, add));
  JsonWriter w;
  write_location(w, call.cloud, id, location);
  return json_response(202, std::move(w).take());
}

constexpr Route kImageStoreRoutes[] = {
    {"GET", "/image/v2/info/stores", list_image_stores, "stores_info", Service::Image,
     RouteClass::Commits},
    {"GET", "/image/v2/info/stores/detail", list_image_stores_detail, "stores_info_detail",
     Service::Image, RouteClass::Commits},
    {"GET", "/image/v2/info/usage", show_image_usage, "get_usage", Service::Image},
    {"DELETE", "/image/v2/stores/{store_id}/{image_id}", delete_from_image_store,
     "delete_image_location", Service::Image, RouteClass::Commits},
    {"GET", "/image/v2/images/{image_id}/locations", list_image_locations, "fetch_image_location",
     Service::Image},
    {"POST", "/image/v2/images/{image_id}/locations", add_image_location, "add_image_location",
     Service::Image, RouteClass::Commits},
};

}  // namespace

std::span<const Route> image_store_routes() {
  return kImageStoreRoutes;
}

void write_location(JsonWriter& w, Cloud& cloud, const ImageId& id, const ImageLocation& location) {
  w.open().member("url", cloud.images().stores().url_of(id, location));
  w.key("metadata").open();
  bool names_store = false;
  for (const auto& [name, value] : location.metadata) {
    w.member(name, value);
    names_store = names_store || name == kPlace;
  }
  if (!names_store) w.member(kPlace, location.store);
  // What is not said is verified.
  if (location.unverified) w.member(kVerification, "pending");
  if (!location.problem.empty()) w.member(kVerification, "failed: " + location.problem);
  w.close().close();
}

Result<ImageLocationAdd> decode_location(const nlohmann::json& body) {
  const Members in(body, "location");
  ImageLocationAdd add;
  CLOUDOS_TRY(add.url, in.text("url"));
  CLOUDOS_TRY(auto metadata, in.maybe_text_map("metadata"));
  if (metadata) add.metadata = std::move(*metadata);
  add.metadata.erase(kPlace);
  add.metadata.erase(kVerification);
  CLOUDOS_TRY(const nlohmann::json* const validation, in.maybe_object("validation_data"));
  CLOUDOS_CHECK(in.no_others());
  if (validation == nullptr) return add;
  const Members sums(*validation, "location.validation_data");
  CLOUDOS_TRY(const auto md5, sums.maybe_text("checksum"));
  CLOUDOS_TRY(const auto algorithm, sums.maybe_text("os_hash_algo"));
  CLOUDOS_TRY(const auto value, sums.maybe_text("os_hash_value"));
  CLOUDOS_CHECK(sums.no_others());
  if (algorithm.has_value() != value.has_value()) {
    return fail(ErrorCode::InvalidArgument, "os_hash_algo and os_hash_value go together");
  }
  add.md5 = md5.value_or("");
  add.hash = value.value_or("");
  add.hash_algorithm = algorithm.value_or(add.hash_algorithm);
  return add;
}

}  // namespace cloudos::rest
