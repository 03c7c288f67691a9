// Quotas, limits, extensions.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "rest/compute_api.hpp"

namespace cloudos::rest::compute_api {
namespace {

/// Compute's name of a quota, ours, and the fixed value of those that are no quota here.
struct QuotaRow {
  std::string_view name, resource;
  std::int64_t fixed;
};
constexpr QuotaRow kQuotaRows[] = {
    {"instances", "servers", 0},
    {"cores", "cores", 0},
    {"ram", "ram_mib", 0},
    {"key_pairs", "key_pairs", 0},
    {"security_groups", "security_groups", 0},
    {"security_group_rules", "security_group_rules", 0},
    {"server_groups", "server_groups", 0},
    {"server_group_members", "server_group_members", 0},
    {"metadata_items", "", static_cast<std::int64_t>(limits::kMetadataItems)},
    {"injected_files", "", 0},
    {"injected_file_content_bytes", "", 0},
    {"injected_file_path_bytes", "", 0},
    {"fixed_ips", "", -1},
    {"floating_ips", "", 0},
};

using QuotaLines = std::map<std::string, QuotaLine>;

QuotaLine line_of(const QuotaLines& lines, const QuotaRow& row) {
  const auto line = lines.find(std::string(row.resource));
  return line == lines.end() ? QuotaLine{row.fixed, 0} : line->second;
}

ProjectId quota_project(const Call& call) { return ProjectId{call.path("tenant_id")}; }

Response quota_response(const QuotaLines& lines, std::string_view id) {
  JsonWriter w;
  w.open().key("quota_set").open();
  if (!id.empty()) w.member("id", id);
  for (const QuotaRow& row : kQuotaRows) w.member(row.name, line_of(lines, row).limit);
  w.close().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_quota(Call& call) {
  CLOUDOS_TRY(const auto lines, call.cloud.servers().quota(call.ctx, quota_project(call)));
  return quota_response(lines, call.path("tenant_id"));
}

Result<Response> show_default_quota(Call& call) {
  CLOUDOS_TRY(const auto defaults, call.cloud.servers().default_quota());
  QuotaLines lines;
  for (const auto& [resource, limit] : defaults) lines[resource] = {limit, 0};
  return quota_response(lines, call.path("tenant_id"));
}

Result<Response> show_quota_detail(Call& call) {
  CLOUDOS_TRY(const auto lines, call.cloud.servers().quota(call.ctx, quota_project(call)));
  JsonWriter w;
  w.open().key("quota_set").open().member("id", call.path("tenant_id"));
  for (const QuotaRow& row : kQuotaRows) {
    const QuotaLine line = line_of(lines, row);
    // Nothing is ever reserved: it is counted with the record, in one commit.
    w.key(row.name).open().member("limit", line.limit).member("in_use", line.in_use);
    w.member("reserved", 0).close();
  }
  w.close().close();
  return json_response(200, std::move(w).take());
}

Result<Response> update_quota(Call& call) {
  CLOUDOS_TRY(const auto* set, call.json_object("quota_set"));
  const Members in(*set, "quota_set");
  CLOUDOS_TRY(const auto force, in.maybe_flag("force"));
  CLOUDOS_TRY(const auto before, call.cloud.servers().quota(call.ctx, quota_project(call)));
  std::map<std::string, std::optional<std::int64_t>> changes;
  for (const QuotaRow& row : kQuotaRows) {
    CLOUDOS_TRY(const auto limit, in.maybe_integer(row.name, -1, 2'147'483'647));
    if (!limit) continue;
    const QuotaLine line = line_of(before, row);
    if (row.resource.empty() && *limit != row.fixed) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("quota_set.{}: is {} and cannot be changed", row.name, row.fixed));
    }
    if (*limit >= 0 && *limit < line.in_use && !force.value_or(false)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("Quota limit {} for {} must be greater than or equal to already used "
                              "and reserved {}.", *limit, row.name, line.in_use));
    }
    if (!row.resource.empty()) changes[std::string(row.resource)] = *limit;
  }
  CLOUDOS_TRY(const auto tenant, in.maybe_text("tenant_id"));
  CLOUDOS_CHECK(in.no_others());
  CLOUDOS_CHECK(call.cloud.servers().set_quota(call.ctx, quota_project(call), changes));
  CLOUDOS_TRY(const auto after, call.cloud.servers().quota(call.ctx, quota_project(call)));
  return quota_response(after, {});
}

Result<Response> delete_quota(Call& call) {
  std::map<std::string, std::optional<std::int64_t>> changes;
  for (const QuotaRow& row : kQuotaRows)
    if (!row.resource.empty()) changes[std::string(row.resource)] = std::nullopt;
  CLOUDOS_CHECK(call.cloud.servers().set_quota(call.ctx, quota_project(call), changes));
  return empty_response(202);
}

Result<Response> show_limits(Call& call) {
  ProjectId project = call.ctx.project;
  if (const auto asked = call.query("tenant_id"); asked && !asked->empty())
    project = ProjectId{std::string(*asked)};
  CLOUDOS_TRY(const auto lines, call.cloud.servers().quota(call.ctx, project));
  const auto line = [&](const char* resource) {
    const auto found = lines.find(resource);
    return found == lines.end() ? QuotaLine{} : found->second;
  };
  JsonWriter w;
  w.open().key("limits").open().key("rate").open_list().close_list().key("absolute").open();
  w.member("maxTotalInstances", line("servers").limit);
  w.member("totalInstancesUsed", line("servers").in_use);
  w.member("maxTotalCores", line("cores").limit).member("totalCoresUsed", line("cores").in_use);
  w.member("maxTotalRAMSize", line("ram_mib").limit);
  w.member("totalRAMUsed", line("ram_mib").in_use);
  w.member("maxTotalKeypairs", line("key_pairs").limit);
  w.member("maxServerMeta", limits::kMetadataItems).member("maxImageMeta", limits::kMetadataItems);
  w.member("maxPersonality", 0).member("maxPersonalitySize", 0);
  w.member("maxSecurityGroups", line("security_groups").limit);
  w.member("totalSecurityGroupsUsed", line("security_groups").in_use);
  w.member("maxSecurityGroupRules", line("security_group_rules").limit);
  w.member("maxTotalFloatingIps", 0).member("totalFloatingIpsUsed", 0);
  w.member("maxServerGroups", line("server_groups").limit);
  w.member("totalServerGroupsUsed", line("server_groups").in_use);
  w.member("maxServerGroupMembers", line("server_group_members").limit);
  w.close().close().close();
  return json_response(200, std::move(w).take());
}

// ---- extensions ---------------------------------------------------------------------------------

/// Aliases of what is really here; clients of old ask for them before they use a feature.
constexpr std::string_view kExtensions[] = {
    "OS-DCF", "OS-EXT-AZ", "OS-EXT-IPS", "OS-EXT-IPS-MAC", "OS-EXT-SRV-ATTR", "OS-EXT-STS",
    "OS-FLV-DISABLED", "OS-FLV-EXT-DATA", "OS-SRV-USG", "os-attach-interfaces",
    "os-availability-zone", "os-console-output", "os-flavor-access", "os-flavor-extra-specs",
    "os-flavor-manage", "os-flavor-rxtx", "os-hosts", "os-hypervisors", "os-keypairs",
    "os-lock-server", "os-multiple-create", "os-quota-sets", "os-server-start-stop",
    "os-security-groups", "os-services", "os-used-limits", "os-user-data"};

void write_extension(JsonWriter& w, std::string_view alias) {
  w.open().member("alias", alias).member("name", alias).member("description", alias);
  w.member("namespace", "https://docs.openstack.org/api-ref/compute/");
  w.member("updated", "2014-12-03T00:00:00Z").key("links").open_list().close_list().close();
}

Result<Response> list_extensions(Call&) {
  JsonWriter w;
  w.open().key("extensions").open_list();
  for (const std::string_view alias : kExtensions) write_extension(w, alias);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_extension(Call& call) {
  for (const std::string_view alias : kExtensions) {
    if (alias != call.path("alias")) continue;
    JsonWriter w;
    w.open().key("extension");
    write_extension(w, alias);
    w.close();
    return json_response(200, std::move(w).take());
  }
  return fail(ErrorCode::NotFound, "The resource could not be found.");
}

constexpr Route kQuotaRoutes[] = {
    {"GET", "/compute/v2.1/limits", show_limits, "os_compute_api:limits", Service::Compute},
    {"GET", "/compute/v2.1/os-quota-sets/{tenant_id}", show_quota,
     "os_compute_api:os-quota-sets:show", Service::Compute},
    {"GET", "/compute/v2.1/os-quota-sets/{tenant_id}/detail", show_quota_detail,
     "os_compute_api:os-quota-sets:detail", Service::Compute},
    {"GET", "/compute/v2.1/os-quota-sets/{tenant_id}/defaults", show_default_quota,
     "os_compute_api:os-quota-sets:defaults", Service::Compute},
    {"PUT", "/compute/v2.1/os-quota-sets/{tenant_id}", update_quota,
     "os_compute_api:os-quota-sets:update", Service::Compute, RouteClass::Commits},
    {"DELETE", "/compute/v2.1/os-quota-sets/{tenant_id}", delete_quota,
     "os_compute_api:os-quota-sets:delete", Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/extensions", list_extensions, "os_compute_api:extensions",
     Service::Compute},
    {"GET", "/compute/v2.1/extensions/{alias}", show_extension, "os_compute_api:extensions",
     Service::Compute},
};

}  // namespace

std::span<const Route> quota_routes() { return kQuotaRoutes; }

}  // namespace cloudos::rest::compute_api
