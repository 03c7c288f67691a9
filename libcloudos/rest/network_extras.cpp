#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "rest/network_api.hpp"

namespace cloudos::rest::network_api {
namespace {

struct Extension {
  std::string_view alias, name, description;
};

// What is here works as its extension says; nothing else is announced.
constexpr Extension kExtensions[] = {
    {"allowed-address-pairs", "Allowed Address Pairs", "More addresses a port may send from"},
    {"binding", "Port Binding", "Where and how a port is connected"},
    {"empty-string-filtering", "Empty String Filtering", "Lists filtered by an empty value"},
    {"external-net", "External Network", "Networks that lead outside"},
    {"filter-validation", "Filter Validation", "Unknown filters are refused"},
    {"net-mtu", "Network MTU", "The largest packet of a network"},
    {"net-mtu-writable", "Network MTU (writable)", "The MTU is set and changed by callers"},
    {"pagination", "Pagination", "Lists in pages, both ways"},
    {"port-security", "Port Security", "Anti-spoofing and groups switched per network and port"},
    {"port-security-groups-filtering", "Port Security Groups Filtering",
     "Ports listed by security group"},
    {"project-id", "Project Id", "project_id beside tenant_id"},
    {"provider", "Provider Network", "Network types and physical networks, for admins"},
    {"quota_details", "Quota Details", "Limits with what is used of them"},
    {"quotas", "Quota Management", "Limits per project"},
    {"security-group", "Security Groups", "Rules for what reaches and leaves ports"},
    {"security-groups-normalized-cidr", "Normalized CIDR", "Prefixes of rules without host bits"},
    {"sorting", "Sorting", "Lists sorted by any attribute"},
    {"standard-attr-description", "Descriptions", "Descriptions on every resource"},
    {"standard-attr-revisions", "Revisions", "A number that counts each resource's changes"},
    {"standard-attr-timestamp", "Timestamps", "When resources were made and changed"},
};

void write_extension(JsonWriter& w, const Extension& extension) {
  w.open().member("alias", extension.alias).member("name", extension.name);
  w.member("description", extension.description).member("updated", "2014-04-17T00:00:00-00:00");
  w.key("links").open_list().close_list().close();
}

template <class Limits, class Write>
Response quota_response(const Limits& quotas, Write write) {
  JsonWriter w;
  w.open().key("quota").open();
  for (const auto& [name, quota] : quotas) {
    w.key(name);
    write(w, quota);
  }
  w.close().close();
  return json_response(200, std::move(w).take());
}

Response limits_response(const NetworkQuotas& quotas) {
  return quota_response(quotas, [](JsonWriter& w, const NetworkQuota& q) { w.value(q.limit); });
}

ProjectId quota_project(const Call& call) { return ProjectId{call.path("project_id")}; }

}  // namespace

Result<Response> list_extensions(Call&) {
  JsonWriter w;
  w.open().key("extensions").open_list();
  for (const Extension& extension : kExtensions) write_extension(w, extension);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_extension(Call& call) {
  const std::string& alias = call.path("alias");
  for (const Extension& extension : kExtensions) {
    if (extension.alias != alias) continue;
    JsonWriter w;
    w.open().key("extension");
    write_extension(w, extension);
    w.close();
    return json_response(200, std::move(w).take());
  }
  Error error{ErrorCode::NotFound,
              fmt::format("Extension with alias {} does not exist", alias.substr(0, 64)), {}};
  error.type = "ExtensionNotFound";
  return fail(std::move(error));
}

Result<Response> show_quota(Call& call) {
  CLOUDOS_TRY(const auto quotas, call.cloud.networks().quotas(call.ctx, quota_project(call)));
  return limits_response(quotas);
}

Result<Response> show_default_quota(Call& call) {
  CLOUDOS_TRY(const auto limits, call.cloud.networks().default_quotas());
  return quota_response(limits, [](JsonWriter& w, std::int64_t limit) { w.value(limit); });
}

Result<Response> show_quota_details(Call& call) {
  CLOUDOS_TRY(const auto quotas, call.cloud.networks().quotas(call.ctx, quota_project(call)));
  return quota_response(quotas, [](JsonWriter& w, const NetworkQuota& q) {
    w.open().member("limit", q.limit).member("used", q.in_use).member("reserved", 0).close();
  });
}

Result<Response> update_quota(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* object, call.json_object("quota"));
  const Members in(*object, "quota");
  NetworkLimits limits;
  for (const auto& [name, value] : object->items()) {
    if (name == "tenant_id" || name == "project_id" || name == "force" || name == "check_limit")
      continue;
    CLOUDOS_TRY(const auto limit, in.integer(name, -1, INT32_MAX));
    limits.emplace(name, limit);
  }
  CLOUDOS_TRY(const auto quotas,
              call.cloud.networks().set_quotas(call.ctx, quota_project(call), limits));
  return limits_response(quotas);
}

Result<Response> delete_quota(Call& call) {
  CLOUDOS_CHECK(call.cloud.networks().reset_quotas(call.ctx, quota_project(call)));
  return empty_response(204);
}

}  // namespace cloudos::rest::network_api
