// Hypervisors, services, availability zones and hosts, as operators' clients list them.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "rest/compute_api.hpp"

namespace cloudos::rest::compute_api {
namespace {

constexpr std::string_view kBinary = "nova-compute";  // What clients filter services by.

std::uint64_t left(std::uint64_t total, std::uint64_t used) {
  return used > total ? 0 : total - used;
}

void write_hypervisor(JsonWriter& w, const Host& host) {
  w.open().member("id", host.number).member("hypervisor_hostname", host.name);
  w.member("state", host.up ? "up" : "down");
  w.member("status", host.enabled ? "enabled" : "disabled");
}

void write_hypervisor_detail(JsonWriter& w, const Host& host) {
  write_hypervisor(w, host);
  w.member("hypervisor_type", host.facts.hypervisor_type);
  w.member("hypervisor_version", host.facts.hypervisor_version);
  w.member("cpu_info", host.facts.cpu_info.empty() ? "{}" : host.facts.cpu_info);
  w.member("vcpus", host.vcpus.total).member("vcpus_used", host.vcpus.used);
  w.member("memory_mb", host.ram_mib.total);
  w.member("memory_mb_used", host.ram_mib.used + host.ram_mib.reserved);
  w.member("free_ram_mb", left(host.ram_mib.total, host.ram_mib.used + host.ram_mib.reserved));
  w.member("local_gb", host.disk_gib.total).member("local_gb_used", host.disk_gib.used);
  w.member("free_disk_gb", left(host.disk_gib.total, host.disk_gib.used));
  w.member("disk_available_least", host.facts.disk_free_gib);
  w.member("running_vms", host.servers).member("current_workload", 0);
  w.member("host_ip", "127.0.0.1");  // All hosts are driven by this process.
  w.key("service").open().member("id", host.number).member("host", host.name);
  w.member_or_null("disabled_reason", host.disabled_reason).close().close();
}

Result<Response> list_some_hypervisors(Call& call, bool detailed) {
  CLOUDOS_TRY(const auto hosts, call.cloud.hosts().list(call.ctx));
  JsonWriter w;
  w.open().key("hypervisors").open_list();
  for (const Host& host : hosts) {
    if (detailed) {
      write_hypervisor_detail(w, host);
    } else {
      write_hypervisor(w, host);
      w.close();
    }
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_hypervisors(Call& call) { return list_some_hypervisors(call, false); }
Result<Response> list_hypervisors_detail(Call& call) { return list_some_hypervisors(call, true); }

Result<Host> hypervisor_of(Call& call) {
  auto host = call.cloud.hosts().get(call.ctx, call.path("hypervisor_id"));
  if (host || host.error().code != ErrorCode::NotFound) return host;
  return fail(ErrorCode::NotFound, fmt::format("Hypervisor with ID '{}' could not be found.",
                                               call.path("hypervisor_id").substr(0, 64)));
}

Result<Response> show_hypervisor(Call& call) {
  CLOUDOS_TRY(const Host host, hypervisor_of(call));
  JsonWriter w;
  w.open().key("hypervisor");
  write_hypervisor_detail(w, host);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> hypervisor_statistics(Call& call) {
  CLOUDOS_TRY(const auto hosts, call.cloud.hosts().list(call.ctx));
  std::uint64_t count = 0, vcpus = 0, vcpus_used = 0, ram = 0, ram_used = 0, disk = 0,
                disk_used = 0, disk_least = 0, servers = 0;
  for (const Host& host : hosts) {
    if (!host.enabled) continue;  // As Compute counts.
    ++count;
    vcpus += host.vcpus.total;
    vcpus_used += host.vcpus.used;
    ram += host.ram_mib.total;
    ram_used += host.ram_mib.used + host.ram_mib.reserved;
    disk += host.disk_gib.total;
    disk_used += host.disk_gib.used;
    disk_least += host.facts.disk_free_gib;
    servers += host.servers;
  }
  JsonWriter w;
  w.open().key("hypervisor_statistics").open().member("count", count);
  w.member("vcpus", vcpus).member("vcpus_used", vcpus_used);
  w.member("memory_mb", ram).member("memory_mb_used", ram_used);
  w.member("free_ram_mb", left(ram, ram_used)).member("local_gb", disk);
  w.member("local_gb_used", disk_used).member("free_disk_gb", left(disk, disk_used));
  w.member("disk_available_least", disk_least).member("running_vms", servers);
  w.member("current_workload", 0).close().close();
  return json_response(200, std::move(w).take());
}

/// The hypervisors whose names hold what the path says, each with what `more` writes of it.
Result<Response> matching_hypervisors(
    Call& call, const std::function<Result<void>(JsonWriter& w, const Host& host)>& more) {
  CLOUDOS_TRY(const auto hosts, call.cloud.hosts().list(call.ctx));
  const std::string& part = call.path("hypervisor_id");
  JsonWriter w;
  w.open().key("hypervisors").open_list();
  bool any = false;
  for (const Host& host : hosts) {
    if (host.name.find(part) == std::string::npos) continue;
    any = true;
    write_hypervisor(w, host);
    CLOUDOS_CHECK(more(w, host));
    w.close();
  }
  if (!any) {
    return fail(ErrorCode::NotFound,
                fmt::format("No hypervisor matching '{}' could be found.", part.substr(0, 64)));
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> search_hypervisors(Call& call) {
  return matching_hypervisors(call, [](JsonWriter&, const Host&) { return Result<void>(); });
}

Result<Response> hypervisor_servers(Call& call) {
  return matching_hypervisors(call, [&](JsonWriter& w, const Host& host) -> Result<void> {
    ServerQuery query;
    query.all_projects = true;
    query.host = host.name;
    query.with_addresses = false;
    CLOUDOS_TRY(const auto servers, call.cloud.servers().list(call.ctx, query));
    if (servers.empty()) return Result<void>();
    w.key("servers").open_list();
    for (const Server& server : servers)
      w.open().member("uuid", server.id).member("name", "instance-" + server.id.value).close();
    w.close_list();
    return Result<void>();
  });
}

/// No driver tells how long its host has been up; 501 is what clients know to go on after.
Result<Response> hypervisor_uptime(Call& call) {
  CLOUDOS_CHECK(hypervisor_of(call));
  return status_response(Service::Compute, 501, "The hypervisor does not tell its uptime.",
                         call.request);
}

// ---- services -----------------------------------------------------------------------------------

void write_service(JsonWriter& w, const Call& call, const Host& host) {
  w.open().member("id", host.number).member("binary", kBinary).member("host", host.name);
  w.member("zone", host.zone).member("status", host.enabled ? "enabled" : "disabled");
  w.member("state", host.up ? "up" : "down");
  write_time(w, "updated_at", host.seen_at);
  w.member_or_null("disabled_reason", host.disabled_reason);
  if (call.microversion >= kV11) w.member("forced_down", host.forced_down);
  w.close();
}

Result<Response> list_services(Call& call) {
  CLOUDOS_TRY(const auto hosts, call.cloud.hosts().list(call.ctx));
  const auto binary = call.query("binary");
  const auto name = call.query("host");
  JsonWriter w;
  w.open().key("services").open_list();
  for (const Host& host : hosts) {
    if (binary && !binary->empty() && *binary != kBinary) continue;
    if (name && !name->empty() && *name != host.name) continue;
    write_service(w, call, host);
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

struct ServiceChange {
  std::string host;
  std::optional<std::string> reason;
  std::optional<bool> forced_down;
};
Result<ServiceChange> decode_service(Call& call) {
  CLOUDOS_TRY(const auto* body, call.json());
  const Members in(*body, "");
  ServiceChange change;
  CLOUDOS_TRY(change.host, in.text("host"));
  CLOUDOS_TRY(const auto binary, in.text("binary"));
  CLOUDOS_TRY(change.reason, in.maybe_text("disabled_reason"));
  if (call.microversion >= kV11) {
    CLOUDOS_TRY(change.forced_down, in.maybe_flag("forced_down"));
  }
  CLOUDOS_CHECK(in.no_others());
  if (binary != kBinary) {
    return fail(ErrorCode::NotFound,
                fmt::format("Could not find binary {} on host {}.", binary.substr(0, 64),
                            change.host.substr(0, 64)));
  }
  return change;
}

Response service_response(const Host& host, bool with_reason) {
  JsonWriter w;
  w.open().key("service").open().member("host", host.name).member("binary", kBinary);
  w.member("status", host.enabled ? "enabled" : "disabled");
  if (with_reason) w.member_or_null("disabled_reason", host.disabled_reason);
  w.close().close();
  return json_response(200, std::move(w).take());
}

Result<Response> enable_service(Call& call) {
  CLOUDOS_TRY(const auto change, decode_service(call));
  CLOUDOS_TRY(const Host host, call.cloud.hosts().enable(call.ctx, change.host));
  return service_response(host, false);
}

Result<Response> disable_service(Call& call) {
  CLOUDOS_TRY(const auto change, decode_service(call));
  CLOUDOS_TRY(const Host host, call.cloud.hosts().disable(call.ctx, change.host));
  return service_response(host, false);
}

Result<Response> disable_service_why(Call& call) {
  CLOUDOS_TRY(const auto change, decode_service(call));
  if (!change.reason) return fail(ErrorCode::InvalidArgument, "disabled_reason is needed");
  CLOUDOS_TRY(const Host host,
              call.cloud.hosts().disable(call.ctx, change.host, *change.reason));
  return service_response(host, true);
}

Result<Response> force_service_down(Call& call) {
  if (call.microversion < kV11)
    return fail(ErrorCode::NotFound, "The resource could not be found.");
  CLOUDOS_TRY(const auto change, decode_service(call));
  if (!change.forced_down) return fail(ErrorCode::InvalidArgument, "forced_down is needed");
  CLOUDOS_TRY(const Host host,
              call.cloud.hosts().force_down(call.ctx, change.host, *change.forced_down));
  JsonWriter w;
  w.open().key("service").open().member("host", host.name).member("binary", kBinary);
  w.member("forced_down", host.forced_down).close().close();
  return json_response(200, std::move(w).take());
}

// ---- zones and hosts ----------------------------------------------------------------------------

Result<Response> list_some_zones(Call& call, bool detailed) {
  CLOUDOS_TRY(const auto zones, call.cloud.hosts().zones(call.ctx, detailed));
  JsonWriter w;
  w.open().key("availabilityZoneInfo").open_list();
  for (const Hosts::Zone& zone : zones) {
    w.open().member("zoneName", zone.name);
    w.key("zoneState").open().member("available", zone.available).close().key("hosts");
    if (!detailed) {
      w.null().close();
      continue;
    }
    w.open();
    for (const Host& host : zone.hosts) {
      w.key(host.name).open().key(kBinary).open();
      w.member("active", host.enabled).member("available", host.up);
      write_time(w, "updated_at", host.seen_at);
      w.close().close();
    }
    w.close().close();
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_zones(Call& call) { return list_some_zones(call, false); }
Result<Response> list_zones_detail(Call& call) { return list_some_zones(call, true); }

Result<Response> list_hosts(Call& call) {
  CLOUDOS_TRY(const auto hosts, call.cloud.hosts().list(call.ctx));
  const auto zone = call.query("zone");
  JsonWriter w;
  w.open().key("hosts").open_list();
  for (const Host& host : hosts) {
    if (zone && *zone != host.zone) continue;
    w.open().member("host_name", host.name).member("service", "compute");
    w.member("zone", host.zone).close();
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_host(Call& call) {
  auto host = call.cloud.hosts().get(call.ctx, call.path("host_name"));
  if (!host) {
    return fail(ErrorCode::NotFound, fmt::format("Compute host {} could not be found.",
                                                 call.path("host_name").substr(0, 64)));
  }
  JsonWriter w;
  w.open().key("host").open_list();
  const auto line = [&](std::string_view what, std::uint64_t cpu, std::uint64_t ram,
                        std::uint64_t disk) {
    w.open().key("resource").open().member("host", host->name).member("project", what);
    w.member("cpu", cpu).member("memory_mb", ram).member("disk_gb", disk).close().close();
  };
  line("(total)", host->vcpus.total, host->ram_mib.total, host->disk_gib.total);
  line("(used_now)", host->vcpus.used, host->ram_mib.used + host->ram_mib.reserved,
       host->disk_gib.used);
  line("(used_max)", host->vcpus.used, host->ram_mib.used, host->disk_gib.used);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

/// There are no aggregates: zones are a host's own.
Result<Response> list_aggregates(Call&) { return json_response(200, R"({"aggregates": []})"); }

constexpr Route kHostRoutes[] = {
    {"GET", "/compute/v2.1/os-hypervisors", list_hypervisors, "os_compute_api:os-hypervisors:list",
     Service::Compute},
    {"GET", "/compute/v2.1/os-hypervisors/detail", list_hypervisors_detail,
     "os_compute_api:os-hypervisors:list-detail", Service::Compute},
    {"GET", "/compute/v2.1/os-hypervisors/statistics", hypervisor_statistics,
     "os_compute_api:os-hypervisors:statistics", Service::Compute},
    {"GET", "/compute/v2.1/os-hypervisors/{hypervisor_id}", show_hypervisor,
     "os_compute_api:os-hypervisors:show", Service::Compute},
    {"GET", "/compute/v2.1/os-hypervisors/{hypervisor_id}/search", search_hypervisors,
     "os_compute_api:os-hypervisors:search", Service::Compute},
    {"GET", "/compute/v2.1/os-hypervisors/{hypervisor_id}/servers", hypervisor_servers,
     "os_compute_api:os-hypervisors:servers", Service::Compute},
    {"GET", "/compute/v2.1/os-hypervisors/{hypervisor_id}/uptime", hypervisor_uptime,
     "os_compute_api:os-hypervisors:uptime", Service::Compute},
    {"GET", "/compute/v2.1/os-services", list_services, "os_compute_api:os-services:list",
     Service::Compute},
    {"PUT", "/compute/v2.1/os-services/enable", enable_service,
     "os_compute_api:os-services:update", Service::Compute, RouteClass::Commits},
    {"PUT", "/compute/v2.1/os-services/disable", disable_service,
     "os_compute_api:os-services:update", Service::Compute, RouteClass::Commits},
    {"PUT", "/compute/v2.1/os-services/disable-log-reason", disable_service_why,
     "os_compute_api:os-services:update", Service::Compute, RouteClass::Commits},
    {"PUT", "/compute/v2.1/os-services/force-down", force_service_down,
     "os_compute_api:os-services:update", Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/os-availability-zone", list_zones,
     "os_compute_api:os-availability-zone:list", Service::Compute},
    {"GET", "/compute/v2.1/os-availability-zone/detail", list_zones_detail,
     "os_compute_api:os-availability-zone:detail", Service::Compute},
    {"GET", "/compute/v2.1/os-hosts", list_hosts, "os_compute_api:os-hosts:list",
     Service::Compute},
    {"GET", "/compute/v2.1/os-hosts/{host_name}", show_host, "os_compute_api:os-hosts:show",
     Service::Compute},
    {"GET", "/compute/v2.1/os-aggregates", list_aggregates, "os_compute_api:os-aggregates:index",
     Service::Compute},
};

}  // namespace

std::span<const Route> host_routes() { return kHostRoutes; }

}  // namespace cloudos::rest::compute_api
