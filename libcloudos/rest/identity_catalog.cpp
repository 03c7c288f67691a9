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

struct CatalogKind {
  static Identity& service(const Call& call) { return call.cloud.identity(); }
};

struct RegionKind : CatalogKind {
  using Id = std::string;
  static constexpr std::string_view one = "region", many = "regions", key = "region_id";
  static constexpr auto read = read_region;
  static constexpr auto read_update = read_region_update;
  static constexpr auto write = write_region;
  static constexpr auto create = &Identity::create_region;
  static constexpr auto list = &Identity::list_regions;
  static constexpr auto get = &Identity::get_region;
  static constexpr auto update = &Identity::update_region;
  static constexpr auto remove = &Identity::remove_region;
  static Result<IdentityFilter> read_filter(const Call& call) {
    return identity_v3::read_filter(call, {"description"});
  }
};

struct ServiceKind : CatalogKind {
  using Id = ServiceId;
  static constexpr std::string_view one = "service", many = "services", key = "service_id";
  static constexpr auto read = read_service;
  static constexpr auto read_update = read_service_update;
  static constexpr auto write = write_service;
  static constexpr auto create = &Identity::create_service;
  static constexpr auto list = &Identity::list_services;
  static constexpr auto get = &Identity::get_service;
  static constexpr auto update = &Identity::update_service;
  static constexpr auto remove = &Identity::remove_service;
  static Result<IdentityFilter> read_filter(const Call& call) {
    return identity_v3::read_filter(call, {"type", "name", "description"});
  }
};

struct EndpointKind : CatalogKind {
  using Id = EndpointId;
  static constexpr std::string_view one = "endpoint", many = "endpoints", key = "endpoint_id";
  static constexpr auto read = read_endpoint;
  static constexpr auto read_update = read_endpoint_update;
  static constexpr auto write = write_endpoint;
  static constexpr auto create = &Identity::create_endpoint;
  static constexpr auto list = &Identity::list_endpoints;
  static constexpr auto get = &Identity::get_endpoint;
  static constexpr auto update = &Identity::update_endpoint;
  static constexpr auto remove = &Identity::remove_endpoint;
  static Result<IdentityFilter> read_filter(const Call& call) {
    return identity_v3::read_filter(call, {});
  }
};

}  // namespace

Result<Response> create_region(Call& call) { return create_one<RegionKind>(call); }
Result<Response> list_regions(Call& call) { return list_all<RegionKind>(call); }
Result<Response> show_region(Call& call) { return show_one<RegionKind>(call); }
Result<Response> update_region(Call& call) { return update_one<RegionKind>(call); }
Result<Response> delete_region(Call& call) { return delete_one<RegionKind>(call); }

Result<Response> create_named_region(Call& call) {
  CLOUDOS_TRY(auto spec, read_region(call));
  if (!spec.id.empty() && spec.id != call.path("region_id"))
    return fail(ErrorCode::InvalidArgument, "region.id is not that of the path");
  spec.id = call.path("region_id");
  CLOUDOS_TRY(const auto region, call.cloud.identity().create_region(call.ctx, spec));
  return one_reply("region", region, call, write_region, 201);
}

Result<Response> create_service(Call& call) { return create_one<ServiceKind>(call); }
Result<Response> list_services(Call& call) { return list_all<ServiceKind>(call); }
Result<Response> show_service(Call& call) { return show_one<ServiceKind>(call); }
Result<Response> update_service(Call& call) { return update_one<ServiceKind>(call); }
Result<Response> delete_service(Call& call) { return delete_one<ServiceKind>(call); }

Result<Response> create_endpoint(Call& call) { return create_one<EndpointKind>(call); }
Result<Response> list_endpoints(Call& call) { return list_all<EndpointKind>(call); }
Result<Response> show_endpoint(Call& call) { return show_one<EndpointKind>(call); }
Result<Response> update_endpoint(Call& call) { return update_one<EndpointKind>(call); }
Result<Response> delete_endpoint(Call& call) { return delete_one<EndpointKind>(call); }

}  // namespace cloudos::rest::identity_v3
