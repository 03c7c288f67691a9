#include <nlohmann/json.hpp>

#include "cloudos/network_tags.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"

namespace cloudos::rest::network_api {
namespace {

Result<std::vector<std::string>> body_tags(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const Members in(*body, "");
  CLOUDOS_CHECK(in.array("tags"));
  CLOUDOS_TRY(auto tags, in.maybe_text_list("tags"));
  CLOUDOS_CHECK(in.no_others());
  return *tags;
}

Response tags_response(int status, const std::vector<std::string>& tags) {
  JsonWriter w;
  w.open().member("tags", tags).close();
  return json_response(status, std::move(w).take());
}

Result<Response> list_tags(Call& call) {
  CLOUDOS_TRY(const auto tags, call.cloud.networks().tags().tags(call.ctx, call.path("resource"),
                                                                 call.path("id")));
  return tags_response(200, tags);
}

Result<Response> replace_tags(Call& call) {
  CLOUDOS_TRY(const auto asked, body_tags(call));
  CLOUDOS_TRY(const auto tags, call.cloud.networks().tags().replace(
                                   call.ctx, call.path("resource"), call.path("id"), asked));
  return tags_response(200, tags);
}

Result<Response> add_tags(Call& call) {
  CLOUDOS_TRY(const auto asked, body_tags(call));
  CLOUDOS_TRY(const auto tags, call.cloud.networks().tags().add(
                                   call.ctx, call.path("resource"), call.path("id"), asked));
  return tags_response(200, tags);
}

Result<Response> clear_tags(Call& call) {
  CLOUDOS_CHECK(call.cloud.networks().tags().replace(call.ctx, call.path("resource"),
                                                     call.path("id"), {}));
  return empty_response(204);
}

Result<Response> check_tag(Call& call) {
  CLOUDOS_TRY(const auto tags, call.cloud.networks().tags().tags(call.ctx, call.path("resource"),
                                                                 call.path("id")));
  const std::string& tag = call.path("tag");
  if (std::find(tags.begin(), tags.end(), tag) != tags.end()) return empty_response(204);
  Error error{ErrorCode::NotFound, fmt::format("Tag {} could not be found.", tag.substr(0, 64)),
              {}};
  error.type = "TagNotFound";
  return fail(std::move(error));
}

Result<Response> add_tag(Call& call) {
  CLOUDOS_CHECK(call.cloud.networks().tags().add(call.ctx, call.path("resource"), call.path("id"),
                                                 {call.path("tag")}));
  return empty_response(201);
}

Result<Response> remove_tag(Call& call) {
  CLOUDOS_CHECK(call.cloud.networks().tags().remove(call.ctx, call.path("resource"),
                                                    call.path("id"), call.path("tag")));
  return empty_response(204);
}

constexpr Route kTagRoutes[] = {
    network_route("GET", "/network/v2.0/{resource}/{id}/tags", list_tags, "get_tags"),
    network_route("PUT", "/network/v2.0/{resource}/{id}/tags", replace_tags, "update_tags"),
    network_route("POST", "/network/v2.0/{resource}/{id}/tags", add_tags, "create_tags"),
    network_route("DELETE", "/network/v2.0/{resource}/{id}/tags", clear_tags, "delete_tags"),
    network_route("GET", "/network/v2.0/{resource}/{id}/tags/{tag}", check_tag, "get_tags"),
    network_route("PUT", "/network/v2.0/{resource}/{id}/tags/{tag}", add_tag, "create_tags"),
    network_route("DELETE", "/network/v2.0/{resource}/{id}/tags/{tag}", remove_tag, "delete_tags"),
};

}  // namespace

std::span<const Route> tag_routes() { return kTagRoutes; }

}  // namespace cloudos::rest::network_api
