// /servers: collection, item, and what hangs below an item.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cloudos/networks.hpp"
#include "rest/compute_api.hpp"

namespace cloudos::rest::compute_api {
namespace {

/// For administrators, from 2.16 on: what the host of a server is like.
std::string host_status_of(const Call& call, const Server& server) {
  if (call.microversion < kV16 || !call.ctx.is_admin || server.host.empty()) return {};
  const auto host = call.cloud.hosts().get(call.ctx, server.host);
  if (!host) return "UNKNOWN";
  if (!host->up) return "DOWN";
  return host->enabled ? "UP" : "MAINTENANCE";
}

Response one_server(const Call& call, const Server& server, ServerDetail detail) {
  JsonWriter w;
  w.open().key("server");
  write_server(w, call, server, detail, host_status_of(call, server));
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> create_server(Call& call) {
  CLOUDOS_TRY(const CreateRequest request, decode_create(call));
  CLOUDOS_TRY(const auto servers, call.cloud.servers().create_many(call.ctx, request.spec));
  const Server& server = servers.front();
  JsonWriter w;
  if (request.return_reservation) {
    w.open().member("reservation_id", server.reservation).close();
    return json_response(202, std::move(w).take());
  }
  w.open().key("server").open().member("id", server.id);
  write_links(w, call, "servers", server.id.value);
  w.member("OS-DCF:diskConfig", server.manual_disk_config ? "MANUAL" : "AUTO");
  w.key("security_groups").open_list();
  for (const std::string& name : server.security_group_names) w.open().member("name", name).close();
  w.close_list().member(
      "adminPass", request.admin_pass.empty() ? make_password(call.cloud) : request.admin_pass);
  w.close().close();
  Response response = json_response(202, std::move(w).take());
  response.headers.add("Location", call.service_url + "/servers/" + server.id.value);
  return response;
}

Result<Response> list_some(Call& call, bool detailed) {
  CLOUDOS_TRY(ServerQuery query, decode_server_query(call));
  query.with_addresses = detailed;
  CLOUDOS_TRY(const auto servers, call.cloud.servers().list(call.ctx, query));
  JsonWriter w;
  w.open().key("servers").open_list();
  for (const Server& server : servers) {
    if (detailed) {
      write_server(w, call, server, ServerDetail::Full, host_status_of(call, server));
      continue;
    }
    w.open().member("id", server.id).member("name", server.name);
    write_links(w, call, "servers", server.id.value);
    w.close();
  }
  w.close_list();
  if (!servers.empty() && servers.size() == query.limit) {
    write_next_link(w, call, "servers_links", detailed ? "servers/detail" : "servers",
                    servers.back().id.value);
  }
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_servers(Call& call) { return list_some(call, false); }
Result<Response> list_servers_detail(Call& call) { return list_some(call, true); }

Result<Response> show_server(Call& call) {
  CLOUDOS_TRY(const Server server, call.cloud.servers().get(call.ctx, server_id(call)));
  return one_server(call, server, ServerDetail::Full);
}

Result<Response> update_server(Call& call) {
  CLOUDOS_TRY(const ServerUpdate change, decode_update(call));
  CLOUDOS_TRY(const Server server,
              call.cloud.servers().update(call.ctx, server_id(call), change));
  return one_server(call, server, ServerDetail::Updated);
}

Result<Response> delete_server(Call& call) {
  CLOUDOS_CHECK(call.cloud.servers().remove(call.ctx, server_id(call)));
  return empty_response(204);
}

Result<Response> list_ips(Call& call) {
  CLOUDOS_TRY(const Server server, call.cloud.servers().get(call.ctx, server_id(call)));
  JsonWriter w;
  w.open().key("addresses").open();
  write_addresses(w, server, AddressDetail::Plain);
  w.close().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_ips(Call& call) {
  CLOUDOS_TRY(const Server server, call.cloud.servers().get(call.ctx, server_id(call)));
  const std::string& wanted = call.path("network_label");
  JsonWriter w;
  w.open().key(wanted).open_list();
  bool found = false;
  for (const ServerAddress& each : server.addresses) {
    if (each.network_name != wanted) continue;
    found = true;
    w.open().member("version", each.ipv6 ? 6 : 4).member("addr", each.address).close();
  }
  if (!found) return fail(ErrorCode::NotFound, "Network not found");
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

constexpr Route kServerRoutes[] = {
    {"GET", "/compute/v2.1/servers", list_servers, "os_compute_api:servers:index",
     Service::Compute},
    {"POST", "/compute/v2.1/servers", create_server, "os_compute_api:servers:create",
     Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/servers/detail", list_servers_detail, "os_compute_api:servers:detail",
     Service::Compute},
    {"GET", "/compute/v2.1/servers/{server_id}", show_server, "os_compute_api:servers:show",
     Service::Compute},
    {"PUT", "/compute/v2.1/servers/{server_id}", update_server, "os_compute_api:servers:update",
     Service::Compute, RouteClass::Commits},
    {"DELETE", "/compute/v2.1/servers/{server_id}", delete_server, "os_compute_api:servers:delete",
     Service::Compute, RouteClass::Commits},
    {"POST", "/compute/v2.1/servers/{server_id}/action", act_on_server,
     "os_compute_api:servers:action", Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/servers/{server_id}/ips", list_ips, "os_compute_api:ips:index",
     Service::Compute},
    {"GET", "/compute/v2.1/servers/{server_id}/ips/{network_label}", show_ips,
     "os_compute_api:ips:show", Service::Compute},
};

}  // namespace

std::span<const Route> server_routes() { return kServerRoutes; }

}  // namespace cloudos::rest::compute_api
