#include "rest/json.hpp"
#include "rest/microversion.hpp"
#include "rest/router.hpp"

/// What clients read first: which services and versions there are, and where.
/// Source: each service's own version documents, as keystoneauth reads them.
namespace cloudos::rest {
namespace {

void self_link(JsonWriter& w, const std::string& href) {
  w.key("links").open_list().open();
  w.member("rel", "self").member("href", href).close().close_list();
}

void identity_version(JsonWriter& w, const std::string& url) {
  w.open().member("id", "v3.14").member("status", "stable");
  w.member("updated", "2020-04-07T00:00:00Z");
  self_link(w, url + "/");
  w.key("media-types").open_list().open().member("base", "application/json");
  w.member("type", "application/vnd.openstack.identity-v3+json").close().close_list().close();
}

void compute_version(JsonWriter& w, const std::string& url) {
  w.open().member("id", "v2.1").member("status", "CURRENT");
  w.member("version", to_string(kComputeMax)).member("min_version", to_string(kComputeMin));
  w.member("updated", "2013-07-23T11:33:21Z");
  self_link(w, url + "/");
  w.key("media-types").open_list().open().member("base", "application/json");
  w.member("type", "application/vnd.openstack.compute+json;version=2.1").close().close_list();
  w.close();
}

/// The root: Identity's versions where clients that were given no path look for them, and the other
/// services beside, under a name that no client takes for versions of Identity.
Result<Response> root_versions(Call& call) {
  const std::string& base = call.request.base_url;
  JsonWriter w;
  w.open().key("versions").open().key("values").open_list();
  identity_version(w, base + "/identity/v3");
  w.close_list().close().key("services").open();
  const Services& there = call.cloud.services();
  w.member("identity", base + "/identity");
  if (there.compute) w.member("compute", base + "/compute");
  if (there.images) w.member("image", base + "/image");
  if (there.networks) w.member("network", base + "/network");
  w.close().close();
  Response response = json_response(300, std::move(w).take());
  response.headers.add("Location", base + "/identity/v3/");
  return response;
}

Result<Response> identity_versions(Call& call) {
  JsonWriter w;
  w.open().key("versions").open().key("values").open_list();
  identity_version(w, call.service_url);
  w.close_list().close().close();
  Response response = json_response(300, std::move(w).take());
  response.headers.add("Location", call.service_url + "/");
  return response;
}

Result<Response> identity_v3(Call& call) {
  JsonWriter w;
  w.open().key("version");
  identity_version(w, call.service_url);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> compute_versions(Call& call) {
  JsonWriter w;
  w.open().key("versions").open_list();
  compute_version(w, call.service_url);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> compute_v21(Call& call) {
  JsonWriter w;
  w.open().key("version");
  compute_version(w, call.service_url);
  w.close();
  return json_response(200, std::move(w).take());
}

/// 2.17: locations as a resource of their own; 2.14 to 2.16: the cache; 2.13: usage; 2.8 to 2.12:
/// several stores.
constexpr int kNewestImageMinor = 17;

std::string image_versions_body(const Call& call) {
  JsonWriter w;
  w.open().key("versions").open_list();
  for (int minor = kNewestImageMinor; minor >= 0; --minor) {
    w.open().member("id", "v2." + std::to_string(minor));
    w.member("status", minor == kNewestImageMinor ? "CURRENT" : "SUPPORTED");
    self_link(w, call.service_url + "/");
    w.close();
  }
  w.close_list().close();
  return std::move(w).take();
}

Result<Response> image_choices(Call& call) {
  return json_response(300, image_versions_body(call));
}
Result<Response> image_versions(Call& call) {
  return json_response(200, image_versions_body(call));
}

Result<Response> network_versions(Call& call) {
  JsonWriter w;
  w.open().key("versions").open_list().open();
  w.member("id", "v2.0").member("status", "CURRENT");
  self_link(w, call.service_url + "/");
  w.close().close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> network_v20(Call& call) {
  struct Kind {
    std::string_view name, collection;
  };
  static constexpr Kind kKinds[] = {
      {"network", "networks"},
      {"subnet", "subnets"},
      {"port", "ports"},
      {"security_group", "security-groups"},
      {"security_group_rule", "security-group-rules"},
  };
  JsonWriter w;
  w.open().key("resources").open_list();
  for (const Kind& kind : kKinds) {
    w.open();
    self_link(w, call.service_url + "/" + std::string(kind.collection));
    w.member("name", kind.name).member("collection", kind.collection).close();
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

constexpr Route open_route(std::string_view pattern, Handler handler, Service service) {
  return {.method = "GET",
          .pattern = pattern,
          .handler = handler,
          .policy = {},
          .service = service,
          .cls = RouteClass::Inline,
          .auth = false};
}

constexpr Route kDiscoveryRoutes[] = {
    open_route("/", root_versions, Service::None),
    open_route("/identity", identity_versions, Service::Identity),
    open_route("/identity/v3", identity_v3, Service::Identity),
    open_route("/compute", compute_versions, Service::Compute),
    open_route("/compute/v2.1", compute_v21, Service::Compute),
    open_route("/image", image_choices, Service::Image),
    open_route("/image/v2", image_choices, Service::Image),
    open_route("/image/versions", image_versions, Service::Image),
    open_route("/network", network_versions, Service::Network),
    open_route("/network/v2.0", network_v20, Service::Network),
};

}  // namespace

std::span<const Route> discovery_routes() {
  return kDiscoveryRoutes;
}

}  // namespace cloudos::rest
