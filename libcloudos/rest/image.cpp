#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/image_imports.hpp"
#include "rest/image_codec.hpp"
#include "rest/image_tables.hpp"
#include "rest/target.hpp"

// Source: Image API v2 reference.
namespace cloudos::rest {
namespace {

ImageId image_id(const Call& call) { return ImageId{call.path("image_id")}; }

Response image_response(Call& call, int status, const Image& image) {
  JsonWriter w;
  write_image(w, image, call.cloud);
  return json_response(status, std::move(w).take());
}

Result<Response> create_image(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const ImageCreate spec, decode_image_create(*body));
  CLOUDOS_TRY(const Image image, call.cloud.images().create(call.ctx, spec));
  Response response = image_response(call, 201, image);
  response.headers.add("Location", call.service_url + "/images/" + image.id.value);
  std::vector<std::string> methods, stores;
  for (const ImportMethod method : call.cloud.images().imports().methods())
    methods.emplace_back(to_string(method));
  for (const ImageStore& store : call.cloud.images().stores().list())
    if (!store.read_only) stores.push_back(store.name);
  if (!methods.empty())
    response.headers.add("OpenStack-image-import-methods",
                         fmt::format("{}", fmt::join(methods, ",")));
  response.headers.add("OpenStack-image-store-ids", fmt::format("{}", fmt::join(stores, ",")));
  return response;
}

/// "/v2/images/" names an image without an id, which does not exist, rather than the collection:
/// a client whose id is empty must not get, or think it deleted, everything.
bool names_no_image(const Call& call) {
  return split_target(call.request.target).first.ends_with('/');
}

Result<Response> refuse_images_delete(Call& call) {
  if (names_no_image(call)) return fail(ErrorCode::NotFound, "The image has no id.");
  Response response = status_response(Service::Image, 405, "Images are deleted one by one.",
                                      call.request);
  response.headers.set("Allow", "GET, POST");
  return response;
}

Result<Response> list_images(Call& call) {
  if (names_no_image(call)) return fail(ErrorCode::NotFound, "The image has no id.");
  CLOUDOS_TRY(const ImageQuery query, decode_image_query(call));
  const auto& options = call.cloud.images().stores().options();
  RowFormat<Image> row;
  // Where an image's data lies is looked up anew.
  if (!options.show_locations && !options.show_direct_url) row.key = "image";
  row.write = [&call](std::string& out, const Image& image) {
    JsonWriter w(std::move(out));
    write_image(w, image, call.cloud);
    out = std::move(w).take();
  };
  CLOUDOS_TRY(const RowTexts rows, call.cloud.images().list(call.ctx, query, row));
  const std::string rest = query_without_marker(call);
  JsonWriter w(rows.text.size() + rest.size() * 2 + 256);
  w.open().key("images").open_list().literal(rows.text);
  w.close_list().member("schema", "/v2/schemas/images");
  w.member("first", "/v2/images" + (rest.empty() ? "" : "?" + rest));
  if (rows.more) {
    w.member("next", fmt::format("/v2/images?{}{}marker={}", rest, rest.empty() ? "" : "&",
                                 rows.last));
  }
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_image(Call& call) {
  CLOUDOS_TRY(const Image image, call.cloud.images().get(call.ctx, image_id(call)));
  // Whoever asked for it: that there was one is no secret to those who see the image.
  const auto imports = call.cloud.images().imports().image_tasks(Context::system(), image.id);
  JsonWriter w;
  write_image(w, image, call.cloud, imports && !imports->empty());
  return json_response(200, std::move(w).take());
}

std::optional<PatchDialect> patch_dialect(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  if (equals_ignore_case(type, "application/openstack-images-v2.1-json-patch"))
    return PatchDialect::V21;
  if (equals_ignore_case(type, "application/openstack-images-v2.0-json-patch"))
    return PatchDialect::V20;
  return std::nullopt;
}

/// Only where the operator shows locations, and only who may change them.
Result<void> check_may_patch_locations(Call& call, const ImagePatch& patch) {
  for (const ImageLocationChange& change : patch.locations) {
    if (!call.cloud.images().stores().options().show_locations) {
      return fail(ErrorCode::Forbidden,
                  "Locations cannot be changed: the operator does not show them.");
    }
    const bool removes = change.kind == ImageLocationChange::Kind::Remove;
    CLOUDOS_CHECK(call.cloud.identity().enforce(
        call.ctx, removes ? "delete_image_location" : "set_image_location"));
  }
  return Result<void>();
}

Result<Response> update_image(Call& call) {
  const auto dialect = patch_dialect(call.request.headers.get("Content-Type"));
  if (!dialect) {
    Response response = status_response(Service::Image, 415,
                                        "Send application/openstack-images-v2.1-json-patch.",
                                        call.request);
    response.headers.add("Accept-Patch", "application/openstack-images-v2.1-json-patch, "
                                         "application/openstack-images-v2.0-json-patch");
    return response;
  }
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const ImagePatch patch, decode_image_patch(*body, *dialect));
  if (body->empty()) {
    CLOUDOS_TRY(const Image same, call.cloud.images().get(call.ctx, image_id(call)));
    return image_response(call, 200, same);
  }
  CLOUDOS_CHECK(check_may_patch_locations(call, patch));
  CLOUDOS_TRY(const Image image, call.cloud.images().stores().change(
                                     call.ctx, image_id(call), patch.changes, patch.locations));
  return image_response(call, 200, image);
}

Result<Response> delete_image(Call& call) {
  CLOUDOS_CHECK(call.cloud.images().remove(call.ctx, image_id(call)));
  return empty_response(204);
}

Result<Response> add_image_tag(Call& call) {
  CLOUDOS_CHECK(call.cloud.images().add_tag(call.ctx, image_id(call), call.path("tag")));
  return empty_response(204);
}

Result<Response> remove_image_tag(Call& call) {
  CLOUDOS_CHECK(call.cloud.images().remove_tag(call.ctx, image_id(call), call.path("tag")));
  return empty_response(204);
}

Result<Response> deactivate_image(Call& call) {
  CLOUDOS_CHECK(call.cloud.images().deactivate(call.ctx, image_id(call)));
  return empty_response(204);
}

Result<Response> reactivate_image(Call& call) {
  CLOUDOS_CHECK(call.cloud.images().reactivate(call.ctx, image_id(call)));
  return empty_response(204);
}

Response member_response(const ImageId& image, const ImageMember& member) {
  JsonWriter w;
  write_member(w, image, member);
  return json_response(200, std::move(w).take());
}

Result<Response> add_image_member(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const Members in(*body, "");
  CLOUDOS_TRY(const auto project, in.id<ProjectId>("member"));
  CLOUDOS_TRY(const ImageMember member,
              call.cloud.images().add_member(call.ctx, image_id(call), project));
  return member_response(image_id(call), member);
}

Result<Response> list_image_members(Call& call) {
  CLOUDOS_TRY(const auto members, call.cloud.images().members(call.ctx, image_id(call)));
  JsonWriter w;
  w.open().key("members").open_list();
  for (const ImageMember& member : members) write_member(w, image_id(call), member);
  w.close_list().member("schema", "/v2/schemas/members").close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_image_member(Call& call) {
  CLOUDOS_TRY(const auto members, call.cloud.images().members(call.ctx, image_id(call)));
  for (const ImageMember& member : members) {
    if (member.project.value != call.path("member_id")) continue;
    return member_response(image_id(call), member);
  }
  return fail(ErrorCode::NotFound,
              fmt::format("Image {} has no such member.", image_id(call).value.substr(0, 64)));
}

Result<Response> update_image_member(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const Members in(*body, "");
  CLOUDOS_TRY(const std::string text, in.text("status"));
  const auto status = member_status_from(text);
  if (!status) {
    return fail(ErrorCode::InvalidArgument, "status must be pending, accepted or rejected");
  }
  CLOUDOS_TRY(const ImageMember member,
              call.cloud.images().set_member_status(
                  call.ctx, image_id(call), ProjectId{call.path("member_id")}, *status));
  return member_response(image_id(call), member);
}

Result<Response> remove_image_member(Call& call) {
  CLOUDOS_CHECK(call.cloud.images().remove_member(call.ctx, image_id(call),
                                                  ProjectId{call.path("member_id")}));
  return empty_response(204);
}

template <std::string (*Make)()>
Result<Response> show_schema(Call&) {
  return json_response(200, Make());
}

}  // namespace

// rest/image_data.cpp
Result<Response> upload_image_data(Call& call);
Result<Response> download_image_data(Call& call);

namespace {

constexpr Service kImage = Service::Image;
constexpr RouteClass kImageCommits = RouteClass::Commits;
constexpr RouteClass kImageStreams = RouteClass::Streams;
constexpr Route kImageRoutes[] = {
    {"POST", "/image/v2/images", create_image, "add_image", kImage, kImageCommits},
    {"GET", "/image/v2/images", list_images, "get_images", kImage},
    {"DELETE", "/image/v2/images", refuse_images_delete, "delete_image", kImage},
    {"GET", "/image/v2/images/{image_id}", show_image, "get_image", kImage},
    {"PATCH", "/image/v2/images/{image_id}", update_image, "modify_image", kImage, kImageCommits},
    {"DELETE", "/image/v2/images/{image_id}", delete_image, "delete_image", kImage, kImageCommits},
    {"PUT", "/image/v2/images/{image_id}/file", upload_image_data, "upload_image", kImage,
     kImageStreams},
    {"GET", "/image/v2/images/{image_id}/file", download_image_data, "download_image", kImage,
     kImageStreams},
    {"PUT", "/image/v2/images/{image_id}/tags/{tag}", add_image_tag, "modify_image", kImage,
     kImageCommits},
    {"DELETE", "/image/v2/images/{image_id}/tags/{tag}", remove_image_tag, "modify_image", kImage,
     kImageCommits},
    {"POST", "/image/v2/images/{image_id}/actions/deactivate", deactivate_image, "deactivate",
     kImage, kImageCommits},
    {"POST", "/image/v2/images/{image_id}/actions/reactivate", reactivate_image, "reactivate",
     kImage, kImageCommits},
    {"POST", "/image/v2/images/{image_id}/members", add_image_member, "add_member", kImage,
     kImageCommits},
    {"GET", "/image/v2/images/{image_id}/members", list_image_members, "get_members", kImage},
    {"GET", "/image/v2/images/{image_id}/members/{member_id}", show_image_member, "get_member",
     kImage},
    {"PUT", "/image/v2/images/{image_id}/members/{member_id}", update_image_member,
     "modify_member", kImage, kImageCommits},
    {"DELETE", "/image/v2/images/{image_id}/members/{member_id}", remove_image_member,
     "delete_member", kImage, kImageCommits},
    {"GET", "/image/v2/schemas/image", show_schema<image_schema>, "get_image_schema", kImage},
    {"GET", "/image/v2/schemas/images", show_schema<images_schema>, "get_image_schema", kImage},
    {"GET", "/image/v2/schemas/member", show_schema<member_schema>, "get_image_schema", kImage},
    {"GET", "/image/v2/schemas/members", show_schema<members_schema>, "get_image_schema", kImage},
};

}  // namespace

std::span<const Route> image_record_routes() { return kImageRoutes; }

}  // namespace cloudos::rest
