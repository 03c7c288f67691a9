#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "rest/compute_api.hpp"

namespace cloudos::rest::compute_api {
namespace {

FlavorId flavor_id(const Call& call) { return FlavorId{call.path("flavor_id")}; }

void write_flavor(JsonWriter& w, const Call& call, const Flavor& flavor) {
  w.open().member("id", flavor.id).member("name", flavor.name);
  w.member("ram", flavor.ram_mib).member("disk", flavor.disk_gib).member("vcpus", flavor.vcpus);
  w.key("swap");
  if (flavor.swap_mib == 0) w.value("");  // Compute's way of saying none, before 2.75.
  else w.value(flavor.swap_mib);
  w.member("OS-FLV-EXT-DATA:ephemeral", flavor.ephemeral_gib);
  w.member("OS-FLV-DISABLED:disabled", false);
  w.member("os-flavor-access:is_public", flavor.is_public);
  w.key("rxtx_factor").literal(fmt::format("{:#.6g}", flavor.rxtx_factor));
  write_links(w, call, "flavors", flavor.id.value);
  w.close();
}

Response one_flavor(const Call& call, const Flavor& flavor) {
  JsonWriter w;
  w.open().key("flavor");
  write_flavor(w, call, flavor);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<FlavorQuery> decode_flavor_query(const Call& call) {
  FlavorQuery query;
  CLOUDOS_TRY(const auto page, call.page());
  query.marker = page.marker;
  query.limit = page.limit;
  const auto is_public = call.query("is_public");
  if (call.ctx.is_admin && is_public && (*is_public == "None" || *is_public == "none")) {
    query.is_public.reset();
  } else if (call.ctx.is_admin && is_public) {
    CLOUDOS_TRY(query.is_public, query_flag(call, "is_public"));
  }
  constexpr std::int64_t kMost = 2'147'483'647;
  CLOUDOS_TRY(const auto ram, query_number(call, "minRam", 0, kMost));
  CLOUDOS_TRY(const auto disk, query_number(call, "minDisk", 0, kMost));
  query.min_ram_mib = static_cast<std::uint64_t>(ram.value_or(0));
  query.min_disk_gib = static_cast<std::uint64_t>(disk.value_or(0));
  query.sort_key = call.query("sort_key").value_or("");
  const auto direction = call.query("sort_dir").value_or("asc");
  if (direction != "asc" && direction != "desc")
    return fail(ErrorCode::InvalidArgument, "sort_dir must be asc or desc");
  query.descending = direction == "desc";
  return query;
}

Result<Response> list_some_flavors(Call& call, bool detailed) {
  CLOUDOS_TRY(const FlavorQuery query, decode_flavor_query(call));
  CLOUDOS_TRY(const auto flavors, call.cloud.servers().flavors().list(call.ctx, query));
  JsonWriter w;
  w.open().key("flavors").open_list();
  for (const Flavor& flavor : flavors) {
    if (detailed) {
      write_flavor(w, call, flavor);
      continue;
    }
    w.open().member("id", flavor.id).member("name", flavor.name);
    write_links(w, call, "flavors", flavor.id.value);
    w.close();
  }
  w.close_list();
  if (!flavors.empty() && flavors.size() == query.limit) {
    write_next_link(w, call, "flavors_links", detailed ? "flavors/detail" : "flavors",
                    flavors.back().id.value);
  }
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_flavors(Call& call) { return list_some_flavors(call, false); }
Result<Response> list_flavors_detail(Call& call) { return list_some_flavors(call, true); }

Result<Response> show_flavor(Call& call) {
  CLOUDOS_TRY(const Flavor flavor,
              call.cloud.servers().flavors().get(call.ctx, flavor_id(call)));
  return one_flavor(call, flavor);
}

Result<FlavorCreate> decode_flavor(Call& call) {
  CLOUDOS_TRY(const auto* flavor, call.json_object("flavor"));
  const Members in(*flavor, "flavor");
  constexpr std::int64_t kMost = 2'147'483'647;
  FlavorCreate spec;
  CLOUDOS_TRY(spec.name, in.text("name"));
  if (const auto* id = in.raw("id"); id && id->is_number_integer()) {
    spec.id = FlavorId{id->dump()};
  } else {
    CLOUDOS_TRY(const auto text, in.maybe_text("id"));
    // novaclient says "auto" for: make one.
    if (text && *text != "auto") spec.id = FlavorId{*text};
  }
  CLOUDOS_TRY(const auto ram, in.integer("ram", 1, kMost));
  CLOUDOS_TRY(const auto vcpus, in.integer("vcpus", 1, kMost));
  CLOUDOS_TRY(const auto disk, in.integer("disk", 0, kMost));
  CLOUDOS_TRY(const auto ephemeral, in.maybe_integer("OS-FLV-EXT-DATA:ephemeral", 0, kMost));
  CLOUDOS_TRY(const auto swap, in.maybe_integer("swap", 0, kMost));
  spec.ram_mib = static_cast<std::uint64_t>(ram);
  spec.vcpus = static_cast<std::uint64_t>(vcpus);
  spec.disk_gib = static_cast<std::uint64_t>(disk);
  spec.ephemeral_gib = static_cast<std::uint64_t>(ephemeral.value_or(0));
  spec.swap_mib = static_cast<std::uint64_t>(swap.value_or(0));
  if (const auto* factor = in.raw("rxtx_factor"); factor && !factor->is_null()) {
    double number = 0.0;
    if (factor->is_number()) number = factor->get<double>();
    if (factor->is_string())
      number = std::strtod(factor->get_ref<const std::string&>().c_str(), nullptr);
    spec.rxtx_factor = number;  // Zero and worse are refused by the service.
  }
  CLOUDOS_CHECK(in.flag("os-flavor-access:is_public", spec.is_public));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<Response> create_flavor(Call& call) {
  CLOUDOS_TRY(const FlavorCreate spec, decode_flavor(call));
  CLOUDOS_TRY(const Flavor flavor, call.cloud.servers().flavors().create(call.ctx, spec));
  return one_flavor(call, flavor);
}

Result<Response> delete_flavor(Call& call) {
  CLOUDOS_CHECK(call.cloud.servers().flavors().remove(call.ctx, flavor_id(call)));
  return empty_response(202);
}

// ---- extra specs --------------------------------------------------------------------------------

Response specs_response(const std::map<std::string, std::string>& specs) {
  JsonWriter w;
  w.open().member("extra_specs", specs).close();
  return json_response(200, std::move(w).take());
}

Response spec_response(std::string_view key, const std::string& value) {
  JsonWriter w;
  w.open().member(key, value).close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_specs(Call& call) {
  CLOUDOS_TRY(const Flavor flavor,
              call.cloud.servers().flavors().get(call.ctx, flavor_id(call)));
  return specs_response(flavor.extra_specs);
}

/// Numbers are taken as texts, as Compute has it.
Result<std::map<std::string, std::string>> decode_specs(const nlohmann::json& object) {
  std::map<std::string, std::string> specs;
  for (const auto& [key, value] : object.items()) {
    if (value.is_string()) specs[key] = value.get<std::string>();
    else if (value.is_number()) specs[key] = value.dump();
    else return fail(ErrorCode::InvalidArgument, "extra_specs: values must be texts or numbers");
  }
  return specs;
}

Result<Response> add_specs(Call& call) {
  CLOUDOS_TRY(const auto* body, call.json_object("extra_specs"));
  CLOUDOS_TRY(const auto specs, decode_specs(*body));
  CLOUDOS_CHECK(
      call.cloud.servers().flavors().change_extra_specs(call.ctx, flavor_id(call), specs));
  return specs_response(specs);
}

Result<Response> show_spec(Call& call) {
  CLOUDOS_TRY(const Flavor flavor,
              call.cloud.servers().flavors().get(call.ctx, flavor_id(call)));
  const auto spec = flavor.extra_specs.find(call.path("key"));
  if (spec == flavor.extra_specs.end()) {
    return fail(ErrorCode::NotFound, fmt::format("Flavor {} has no extra specs with key {}.",
                                                 flavor.id.value, call.path("key").substr(0, 64)));
  }
  return spec_response(spec->first, spec->second);
}

Result<Response> set_spec(Call& call) {
  CLOUDOS_TRY(const auto* body, call.json());
  if (!body->is_object() || body->size() != 1 || body->begin().key() != call.path("key"))
    return fail(ErrorCode::InvalidArgument, "Request body and URI mismatch");
  CLOUDOS_TRY(const auto specs, decode_specs(*body));
  CLOUDOS_CHECK(
      call.cloud.servers().flavors().change_extra_specs(call.ctx, flavor_id(call), specs));
  return spec_response(specs.begin()->first, specs.begin()->second);
}

Result<Response> delete_spec(Call& call) {
  CLOUDOS_CHECK(call.cloud.servers().flavors().change_extra_specs(call.ctx, flavor_id(call), {},
                                                                  {call.path("key")}));
  return empty_response(200);
}

// ---- access -------------------------------------------------------------------------------------

Response access_response(const Flavor& flavor) {
  JsonWriter w;
  w.open().key("flavor_access").open_list();
  for (const ProjectId& project : flavor.access)
    w.open().member("flavor_id", flavor.id).member("tenant_id", project).close();
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_access(Call& call) {
  CLOUDOS_TRY(const Flavor flavor,
              call.cloud.servers().flavors().get(call.ctx, flavor_id(call)));
  if (flavor.is_public)
    return fail(ErrorCode::NotFound, "Access list not available for public flavors.");
  return access_response(flavor);
}

Result<Response> act_on_flavor(Call& call) {
  CLOUDOS_TRY(const auto* body, call.json());
  const Members in(*body, "");
  CLOUDOS_TRY(const auto* add, in.maybe_object("addTenantAccess"));
  CLOUDOS_TRY(const auto* remove, in.maybe_object("removeTenantAccess"));
  if ((add == nullptr) == (remove == nullptr))
    return fail(ErrorCode::InvalidArgument, "addTenantAccess or removeTenantAccess is needed");
  CLOUDOS_CHECK(in.no_others());
  const Members access(add ? *add : *remove, add ? "addTenantAccess" : "removeTenantAccess");
  CLOUDOS_TRY(const auto project, access.id<ProjectId>("tenant"));
  CLOUDOS_CHECK(access.no_others());
  Flavors& flavors = call.cloud.servers().flavors();
  CLOUDOS_TRY(const Flavor flavor, add ? flavors.add_access(call.ctx, flavor_id(call), project)
                                       : flavors.remove_access(call.ctx, flavor_id(call), project));
  return access_response(flavor);
}

constexpr Route kFlavorRoutes[] = {
    {"GET", "/compute/v2.1/flavors", list_flavors, "os_compute_api:flavors", Service::Compute},
    {"GET", "/compute/v2.1/flavors/detail", list_flavors_detail, "os_compute_api:flavors",
     Service::Compute},
    {"POST", "/compute/v2.1/flavors", create_flavor, "os_compute_api:os-flavor-manage:create",
     Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/flavors/{flavor_id}", show_flavor, "os_compute_api:flavors",
     Service::Compute},
    {"DELETE", "/compute/v2.1/flavors/{flavor_id}", delete_flavor,
     "os_compute_api:os-flavor-manage:delete", Service::Compute, RouteClass::Commits},
    {"POST", "/compute/v2.1/flavors/{flavor_id}/action", act_on_flavor,
     "os_compute_api:os-flavor-access:add_tenant_access", Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/flavors/{flavor_id}/os-flavor-access", list_access,
     "os_compute_api:os-flavor-access", Service::Compute},
    {"GET", "/compute/v2.1/flavors/{flavor_id}/os-extra_specs", list_specs,
     "os_compute_api:os-flavor-extra-specs:index", Service::Compute},
    {"POST", "/compute/v2.1/flavors/{flavor_id}/os-extra_specs", add_specs,
     "os_compute_api:os-flavor-extra-specs:create", Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", show_spec,
     "os_compute_api:os-flavor-extra-specs:show", Service::Compute},
    {"PUT", "/compute/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", set_spec,
     "os_compute_api:os-flavor-extra-specs:update", Service::Compute, RouteClass::Commits},
    {"DELETE", "/compute/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", delete_spec,
     "os_compute_api:os-flavor-extra-specs:delete", Service::Compute, RouteClass::Commits},
};

}  // namespace

std::span<const Route> flavor_routes() { return kFlavorRoutes; }

}  // namespace cloudos::rest::compute_api
