#include <nlohmann/json.hpp>

#include "rest/identity_handlers.hpp"

namespace cloudos::rest::identity_v3 {
namespace {

const std::vector<std::string_view>& region_members() {
  static const std::vector<std::string_view> kKnown = {"description", "parent_region_id"};
  return kKnown;
}
const std::vector<std::string_view>& service_members() {
  static const std::vector<std::string_view> kKnown = {"type", "name", "description", "enabled"};
  return kKnown;
}
const std::vector<std::string_view>& endpoint_members() {
  static const std::vector<std::string_view> kKnown = {
      "service_id", "interface", "region", "region_id", "url", "description", "enabled"};
  return kKnown;
}

Result<RegionCreate> read_region(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("region"));
  const Members in(*body, "region");
  RegionCreate spec;
  CLOUDOS_TRY(const auto id, in.maybe_text("id"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  CLOUDOS_TRY(const auto parent, in.maybe_text("parent_region_id"));
  spec.id = id.value_or("");
  spec.description = description.value_or("");
  spec.parent = parent.value_or("");
  CLOUDOS_TRY(spec.extra, read_extra(*body, region_members()));
  return spec;
}

Result<IdentityUpdate> read_region_update(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("region"));
  const Members in(*body, "region");
  IdentityUpdate with;
  CLOUDOS_CHECK(read_unchanged(in, "id", call.path("region_id")));
  CLOUDOS_TRY(with.description, in.maybe_text("description"));
  CLOUDOS_TRY(with.parent, in.maybe_text("parent_region_id"));
  if (in.is_null("parent_region_id")) with.parent = "";
  CLOUDOS_TRY(with.extra, read_extra_changes(*body, region_members()));
  return with;
}

Result<ServiceCreate> read_service(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("service"));
  const Members in(*body, "service");
  ServiceCreate spec;
  CLOUDOS_TRY(spec.type, in.text("type"));
  CLOUDOS_TRY(const auto name, in.maybe_text("name"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  CLOUDOS_TRY(const auto enabled, read_boolean(in, "enabled"));
  spec.name = name.value_or("");
  spec.description = description.value_or("");
  spec.enabled = enabled.value_or(true);
  CLOUDOS_TRY(spec.extra, read_extra(*body, service_members()));
  return spec;
}

Result<IdentityUpdate> read_service_update(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("service"));
  const Members in(*body, "service");
  IdentityUpdate with;
  CLOUDOS_CHECK(read_unchanged(in, "id", call.path("service_id")));
  CLOUDOS_TRY(with.type, in.maybe_text("type"));
  CLOUDOS_TRY(with.name, in.maybe_text("name"));
  CLOUDOS_TRY(with.description, in.maybe_text("description"));
  CLOUDOS_TRY(with.enabled, read_boolean(in, "enabled"));
  CLOUDOS_TRY(with.extra, read_extra_changes(*body, service_members()));
  return with;
}

/// `region` is the older word for `region_id`; clients of both kinds exist.
Result<std::optional<std::string>> read_endpoint_region(const Members& in) {
  CLOUDOS_TRY(auto id, in.maybe_text("region_id"));
  if (id) return id;
  return in.maybe_text("region");
}

Result<EndpointCreate> read_endpoint(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("endpoint"));
  const Members in(*body, "endpoint");
  EndpointCreate spec;
  CLOUDOS_TRY(spec.service, in.id<ServiceId>("service_id"));
  CLOUDOS_TRY(spec.interface, in.text("interface"));
  CLOUDOS_TRY(spec.url, in.text("url"));
  CLOUDOS_TRY(const auto region, read_endpoint_region(in));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  CLOUDOS_TRY(const auto enabled, read_boolean(in, "enabled"));
  spec.region = region.value_or("");
  spec.description = description.value_or("");
  spec.enabled = enabled.value_or(true);
  CLOUDOS_TRY(spec.extra, read_extra(*body, endpoint_members()));
  return spec;
}

Result<IdentityUpdate> read_endpoint_update(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("endpoint"));
  const Members in(*body, "endpoint");
  IdentityUpdate with;
  CLOUDOS_CHECK(read_unchanged(in, "id", call.path("endpoint_id")));
  CLOUDOS_TRY(with.service, in.maybe_id<ServiceId>("service_id"));
  CLOUDOS_TRY(with.interface, in.maybe_text("interface"));
  CLOUDOS_TRY(with.url, in.maybe_text("url"));
  CLOUDOS_TRY(with.region, read_endpoint_region(in));
  CLOUDOS_TRY(with.description, in.maybe_text("description"));
  CLOUDOS_TRY(with.enabled, read_boolean(in, "enabled"));
  CLOUDOS_TRY(with.extra, read_extra_changes(*body, endpoint_members()));
  return with;
}

ServiceId path_service(const Call& call) { return ServiceId{call.path("service_id")}; }
EndpointId path_endpoint(const Call& call) { return EndpointId{call.path("endpoint_id")}; }

}  // namespace

Result<Response> create_region(Call& call) {
  CLOUDOS_TRY(const auto spec, read_region(call));
  CLOUDOS_TRY(const auto region, call.cloud.identity().create_region(call.ctx, spec));
  return one_reply("region", region, call, write_region, 201);
}

Result<Response> create_named_region(Call& call) {
  CLOUDOS_TRY(auto spec, read_region(call));
  if (!spec.id.empty() && spec.id != call.path("region_id"))
    return fail(ErrorCode::InvalidArgument, "region.id is not that of the path");
  spec.id = call.path("region_id");
  CLOUDOS_TRY(const auto region, call.cloud.identity().create_region(call.ctx, spec));
  return one_reply("region", region, call, write_region, 201);
}

Result<Response> list_regions(Call& call) {
  CLOUDOS_TRY(const auto filter, read_filter(call, {}));
  CLOUDOS_TRY(const auto regions, call.cloud.identity().list_regions(call.ctx, filter));
  return list_reply("regions", regions, call, write_region);
}

Result<Response> show_region(Call& call) {
  CLOUDOS_TRY(const auto region,
              call.cloud.identity().get_region(call.ctx, call.path("region_id")));
  return one_reply("region", region, call, write_region);
}

Result<Response> update_region(Call& call) {
  CLOUDOS_TRY(const auto with, read_region_update(call));
  CLOUDOS_TRY(const auto region,
              call.cloud.identity().update_region(call.ctx, call.path("region_id"), with));
  return one_reply("region", region, call, write_region);
}

Result<Response> delete_region(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().remove_region(call.ctx, call.path("region_id")));
  return empty_response(204);
}

Result<Response> create_service(Call& call) {
  CLOUDOS_TRY(const auto spec, read_service(call));
  CLOUDOS_TRY(const auto service, call.cloud.identity().create_service(call.ctx, spec));
  return one_reply("service", service, call, write_service, 201);
}

Result<Response> list_services(Call& call) {
  CLOUDOS_TRY(const auto filter, read_filter(call, {"type", "name"}));
  CLOUDOS_TRY(const auto services, call.cloud.identity().list_services(call.ctx, filter));
  return list_reply("services", services, call, write_service);
}

Result<Response> show_service(Call& call) {
  CLOUDOS_TRY(const auto service,
              call.cloud.identity().get_service(call.ctx, path_service(call)));
  return one_reply("service", service, call, write_service);
}

Result<Response> update_service(Call& call) {
  CLOUDOS_TRY(const auto with, read_service_update(call));
  CLOUDOS_TRY(const auto service,
              call.cloud.identity().update_service(call.ctx, path_service(call), with));
  return one_reply("service", service, call, write_service);
}

Result<Response> delete_service(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().remove_service(call.ctx, path_service(call)));
  return empty_response(204);
}

Result<Response> create_endpoint(Call& call) {
  CLOUDOS_TRY(const auto spec, read_endpoint(call));
  CLOUDOS_TRY(const auto endpoint, call.cloud.identity().create_endpoint(call.ctx, spec));
  return one_reply("endpoint", endpoint, call, write_endpoint, 201);
}

Result<Response> list_endpoints(Call& call) {
  CLOUDOS_TRY(const auto filter, read_filter(call, {}));
  CLOUDOS_TRY(const auto endpoints, call.cloud.identity().list_endpoints(call.ctx, filter));
  return list_reply("endpoints", endpoints, call, write_endpoint);
}

Result<Response> show_endpoint(Call& call) {
  CLOUDOS_TRY(const auto endpoint,
              call.cloud.identity().get_endpoint(call.ctx, path_endpoint(call)));
  return one_reply("endpoint", endpoint, call, write_endpoint);
}

Result<Response> update_endpoint(Call& call) {
  CLOUDOS_TRY(const auto with, read_endpoint_update(call));
  CLOUDOS_TRY(const auto endpoint,
              call.cloud.identity().update_endpoint(call.ctx, path_endpoint(call), with));
  return one_reply("endpoint", endpoint, call, write_endpoint);
}

Result<Response> delete_endpoint(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().remove_endpoint(call.ctx, path_endpoint(call)));
  return empty_response(204);
}

}  // namespace cloudos::rest::identity_v3
