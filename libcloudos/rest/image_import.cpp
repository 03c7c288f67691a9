#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cloudos/image_imports.hpp"
#include "rest/image_codec.hpp"

// Staging and importing. Source: Image API v2, interoperable image import.
namespace cloudos::rest {
namespace {

ImageId import_image_id(const Call& call) { return ImageId{call.path("image_id")}; }

class StageReceiver final : public BodyReceiver {
 public:
  explicit StageReceiver(std::unique_ptr<ImageStaging> staging) : staging_(std::move(staging)) {}
  Result<void> write(std::span<const std::byte> bytes) override { return staging_->write(bytes); }
  Result<Response> end() override {
    CLOUDOS_CHECK(staging_->finish());
    return empty_response(204);
  }

 private:
  std::unique_ptr<ImageStaging> staging_;
};

Result<Response> stage_image(Call& call) {
  const std::string_view type = call.request.headers.get("Content-Type");
  if (!equals_ignore_case(trim(type.substr(0, type.find(';'))), "application/octet-stream")) {
    return status_response(Service::Image, 415, "Send the data as application/octet-stream.",
                           call.request);
  }
  ImageImports& imports = call.cloud.images().imports();
  if (call.request.pushes_body) {
    CLOUDOS_TRY(auto staging, imports.begin_stage(
                                  call.ctx, import_image_id(call),
                                  parse_unsigned(call.request.headers.get("Content-Length"))));
    Response response;
    response.receiver = std::make_unique<StageReceiver>(std::move(staging));
    return response;
  }
  TextSource nothing{""};
  ByteSource& data = call.request.body ? *call.request.body : nothing;
  CLOUDOS_CHECK(imports.stage(call.ctx, import_image_id(call), data));
  return empty_response(204);
}

/// {"method": {"name": "web-download", "uri": "…"}, "stores": […], …}, and the older header that
/// names one store.
Result<ImageImport> decode_import(const nlohmann::json& body, const Request& request) {
  ImageImport wish;
  const Members in(body, "");
  CLOUDOS_TRY(const nlohmann::json* method, in.object("method"));
  const Members how(*method, "method");
  CLOUDOS_TRY(const std::string name, how.text("name"));
  const auto known = import_method_from(name);
  if (!known) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("Unknown import method name '{}'.", name.substr(0, 64)));
  }
  wish.method = *known;
  CLOUDOS_TRY(const auto uri, how.maybe_text("uri"));
  if (wish.method == ImportMethod::WebDownload && !uri) {
    return fail(ErrorCode::InvalidArgument, "method.uri must be given for web-download");
  }
  wish.uri = uri.value_or("");
  if (wish.method == ImportMethod::GlanceDownload) {
    CLOUDOS_TRY(const auto region, how.maybe_text("glance_region"));
    CLOUDOS_TRY(const auto image, how.maybe_text("glance_image_id"));
    CLOUDOS_TRY(const auto interface, how.maybe_text("glance_service_interface"));
    if (!image) {
      return fail(ErrorCode::InvalidArgument,
                  "'glance_image_id' needs to be set for glance-download import method");
    }
    wish.region = region.value_or("");
    wish.remote_image = ImageId{*image};
    wish.interface = interface.value_or("public");
    wish.token = request.headers.get("X-Auth-Token");
  }
  CLOUDOS_TRY(const auto stores, in.maybe_text_list("stores"));
  wish.stores = stores.value_or(std::vector<std::string>());
  CLOUDOS_CHECK(in.flag("all_stores", wish.all_stores));
  CLOUDOS_CHECK(in.flag("all_stores_must_succeed", wish.all_stores_must_succeed));
  const std::string_view store = request.headers.get("x-image-meta-store");
  if (!store.empty() && wish.stores.empty() && !wish.all_stores) wish.stores.emplace_back(store);
  return wish;
}

Result<Response> import_image(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const ImageImport wish, decode_import(*body, call.request));
  CLOUDOS_CHECK(call.cloud.images().imports().import(call.ctx, import_image_id(call), wish));
  return empty_response(202);
}

Result<Response> import_info(Call& call) {
  JsonWriter w;
  w.open().key("import-methods").open();
  w.member("description", "Import methods available.").member("type", "array");
  w.key("value").open_list();
  for (const ImportMethod method : call.cloud.images().imports().methods())
    w.value(to_string(method));
  w.close_list().close().close();
  return json_response(200, std::move(w).take());
}

constexpr Service kImportService = Service::Image;
constexpr Route kImageImportRoutes[] = {
    {"PUT", "/image/v2/images/{image_id}/stage", stage_image, "upload_image", kImportService,
     RouteClass::Streams},
    {"POST", "/image/v2/images/{image_id}/import", import_image, "import_image", kImportService,
     RouteClass::Commits},
    {"GET", "/image/v2/info/import", import_info, "get_image_info", kImportService},
};

}  // namespace

std::span<const Route> image_import_routes() { return kImageImportRoutes; }

}  // namespace cloudos::rest
