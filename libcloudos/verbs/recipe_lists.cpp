// Lists that no service has as they are asked for.
#include <fmt/format.h>

#include <algorithm>

#include "verbs/recipes.hpp"

namespace cloudos::verbs {
namespace {

using nlohmann::json;

/// "http://host/image/v2/" of {"rel": "self"}, or of the only link there is.
std::string link_of(const json& version) {
  const auto links = version.find("links");
  if (links == version.end() || !links->is_array()) return {};
  for (const json& link : *links)
    if (text_of(link, "rel") == "self") return text_of(link, "href");
  return {};
}

/// The first region in which the catalog has the service.
std::string region_of(const json& catalog, std::string_view service) {
  for (const json& entry : catalog)
    if (text_of(entry, "type") == service)
      for (const json& endpoint : entry.value("endpoints", json::array()))
        if (std::string region = text_of(endpoint, "region"); !region.empty()) return region;
  return {};
}

/// {"versions": [...]}, or as Identity has it {"versions": {"values": [...]}}.
json versions_in(const json& reply) {
  if (reply.is_array()) return reply;
  const auto values = reply.find("values");
  return reply.is_object() && values != reply.end() ? *values : json::array();
}

/// Limits that differ from what projects begin with.
bool differs(const json& quota, const json& usual) {
  for (const auto& [name, limit] : quota.items())
    if (name != "id" && usual.contains(name) && usual[name] != limit) return true;
  return false;
}

}  // namespace

Result<json> list_versions(Doer& doer, const json& parameters) {
  CLOUDOS_TRY(const json catalog, doer.perform("catalog.list", json::object()));
  const std::string wanted = text_of(parameters, "service");
  const std::string status = text_of(parameters, "status");
  json rows = json::array();
  for (const std::string_view service : {"identity", "image", "network", "compute"}) {
    if (!wanted.empty() && wanted != service) continue;
    const auto reply = doer.perform(fmt::format("versions.list_{}", service), json::object());
    // What the cloud does not have has no versions.
    if (!reply) continue;
    for (const json& version : versions_in(*reply)) {
      if (!status.empty() && text_of(version, "status") != status) continue;
      std::string id = text_of(version, "id");
      if (id.starts_with('v')) id.erase(0, 1);
      const json none = "";
      rows.push_back({{"region", region_of(catalog, service)},
                      {"service_type", service},
                      {"version", id},
                      {"status", text_of(version, "status")},
                      {"endpoint", link_of(version)},
                      {"min_microversion", version.value("min_version", none)},
                      {"max_microversion", version.value("version", none)}});
    }
  }
  return rows;
}

Result<json> list_quotas(Doer& doer, const json&) {
  CLOUDOS_TRY(const auto projects, doer.list("projects.list"));
  json rows = json::array();
  json usual;
  for (const json& project : projects) {
    const json of = {{"id", text_of(project, "id")}};
    if (usual.is_null()) {
      CLOUDOS_TRY(usual, doer.perform("quotas.show_default", of));
    }
    CLOUDOS_TRY(json quota, doer.perform("quotas.show", of));
    if (!differs(quota, usual)) continue;
    quota["project_id"] = text_of(project, "id");
    rows.push_back(std::move(quota));
  }
  return rows;
}

Result<json> list_project_users(Doer& doer, const json& parameters) {
  CLOUDOS_TRY(const auto assignments,
              doer.list("role_assignments.list",
                        {{"scope.project.id", text_of(parameters, "id")}, {"effective", 1}}));
  std::vector<std::string> seen;
  json users = json::array();
  for (const json& assignment : assignments) {
    const std::string id = text_of(assignment.value("user", json::object()), "id");
    if (id.empty() || std::find(seen.begin(), seen.end(), id) != seen.end()) continue;
    seen.push_back(id);
    CLOUDOS_TRY(json user, doer.perform("users.show", {{"id", id}}));
    users.push_back(std::move(user));
  }
  return users;
}

Result<json> list_project_keypairs(Doer& doer, const json& parameters) {
  CLOUDOS_TRY(const json users, list_project_users(doer, parameters));
  json all = json::array();
  for (const json& user : users) {
    CLOUDOS_TRY(auto pairs, doer.list("keypairs.list", {{"user_id", text_of(user, "id")}}));
    for (json& pair : pairs) all.push_back(std::move(pair));
  }
  return all;
}

}  // namespace cloudos::verbs
