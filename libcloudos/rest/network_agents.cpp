#include "cloudos/network_agents.hpp"
#include "rest/network_l3_json.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"
#include "rest/network_views.hpp"

namespace cloudos::rest::network_api {
namespace {

struct AgentKind : PlainResource<NetworkAgent> {
  static constexpr std::string_view singular = "agent", plural = "agents";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().agents().agents(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().agents().agent(call.ctx, call.path("id"));
  }
  static Result<NetworkAgentUpdate> decode_update(const Members& in) {
    NetworkAgentUpdate change;
    // Clients send null back for a description there is none of.
    CLOUDOS_TRY(change.description, in.maybe_text("description"));
    if (in.is_null("description")) change.description = "";
    CLOUDOS_TRY(change.admin_up, in.maybe_flag("admin_state_up"));
    CLOUDOS_CHECK(in.no_others());
    return change;
  }
  static auto update(Call& call, const NetworkAgentUpdate& change) {
    return call.cloud.networks().agents().update(call.ctx, call.path("id"), change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().agents().remove(call.ctx, call.path("id"));
  }
  static void write(Fields& out, const Call&, const Record& agent, const Extra&) {
    out.member("id", agent.id.value);
    out.member("agent_type", agent.type);
    out.member("binary", agent.binary);
    out.member("host", agent.host);
    out.member("topic", agent.topic);
    out.text_or_null("availability_zone", agent.zone);
    out.text_or_null("description", agent.description);
    out.member("admin_state_up", agent.admin_up);
    out.member("alive", agent.alive);
    if (out.wants("configurations")) write_configurations(out.w, agent);
    out.member("created_at", agent_time(agent.created_at));
    out.member("started_at", agent_time(agent.created_at));
    out.member("heartbeat_timestamp", agent_time(agent.updated_at));
    if (out.wants("resources_synced")) out.w.member_null("resources_synced");
  }

 private:
  /// What its driver is able to, and of an L3 agent the extensions that clients look for by name.
  static void write_configurations(JsonWriter& w, const NetworkAgent& agent) {
    const auto works = [&agent](const char* ability) {
      const auto found = agent.configurations.find(ability);
      return found != agent.configurations.end() && found->second == "works";
    };
    w.key("configurations").open();
    for (const auto& [name, value] : agent.configurations) w.member(name, value);
    if (agent.topic == "l3_agent") {
      w.key("extensions").open_list();
      if (works("router")) w.value("port_forwarding");
      if (works("router") && works("qos")) w.value("fip_qos");
      w.close_list();
    }
    w.close();
  }
  /// "2026-01-31 12:00:00", as clients of agents know times.
  static std::string agent_time(WallTime time) {
    std::string text = format_time(time);
    for (char& c : text)
      if (c == 'T') c = ' ';
    if (!text.empty() && text.back() == 'Z') text.pop_back();
    return text;
  }
};

Result<Response> agents_response(const Call& call, const std::vector<NetworkAgent>& agents) {
  JsonWriter w;
  w.open();
  CLOUDOS_CHECK(write_records<AgentKind>(w, call, agents, wanted_fields(call)));
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_dhcp_agents(Call& call) {
  CLOUDOS_TRY(const auto agents, call.cloud.networks().agents().dhcp_agents_of(
                                     call.ctx, NetworkId{call.path("id")}));
  return agents_response(call, agents);
}

Result<Response> list_l3_agents(Call& call) {
  CLOUDOS_TRY(const auto agents, call.cloud.networks().agents().l3_agents_of(
                                     call.ctx, RouterId{call.path("id")}));
  return agents_response(call, agents);
}

Result<Response> list_l3_routers(Call& call) {
  CLOUDOS_TRY(const auto routers,
              call.cloud.networks().agents().routers_of(call.ctx, call.path("id")));
  JsonWriter w;
  const Wanted fields = wanted_fields(call);
  w.open().key("routers").open_list();
  for (const cloudos::Router& router : routers) {
    w.open();
    Fields out(w, fields);
    write_router(out, router);
    w.close();
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

/// {"network_id": …} or {"router_id": …}: what an agent is to carry.
Result<std::string> body_charge(Call& call, std::string_view name) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const Members in(*body, "");
  CLOUDOS_TRY(auto id, in.text(name));
  CLOUDOS_CHECK(in.no_others());
  return id;
}

Result<Response> add_dhcp_network(Call& call) {
  CLOUDOS_TRY(auto id, body_charge(call, "network_id"));
  CLOUDOS_CHECK(call.cloud.networks().agents().add_network(call.ctx, call.path("id"),
                                                           NetworkId{std::move(id)}));
  return json_response(201, "null");
}

Result<Response> remove_dhcp_network(Call& call) {
  CLOUDOS_CHECK(call.cloud.networks().agents().remove_network(
      call.ctx, call.path("id"), NetworkId{call.path("network_id")}));
  return empty_response(204);
}

Result<Response> add_l3_router(Call& call) {
  CLOUDOS_TRY(auto id, body_charge(call, "router_id"));
  CLOUDOS_CHECK(call.cloud.networks().agents().add_router(call.ctx, call.path("id"),
                                                          RouterId{std::move(id)}));
  return json_response(201, "null");
}

Result<Response> remove_l3_router(Call& call) {
  CLOUDOS_CHECK(call.cloud.networks().agents().remove_router(call.ctx, call.path("id"),
                                                             RouterId{call.path("router_id")}));
  return empty_response(204);
}

Result<Response> list_dhcp_networks(Call& call) {
  CLOUDOS_TRY(const auto networks,
              call.cloud.networks().agents().networks_of(call.ctx, call.path("id")));
  JsonWriter w;
  const Wanted fields = wanted_fields(call);
  w.open().key("networks").open_list();
  for (const Network& network : networks) {
    w.open();
    Fields out(w, fields);
    write_network(out, call.ctx, network);
    w.close();
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_zones(Call& call) {
  CLOUDOS_TRY(const auto zones, call.cloud.networks().agents().zones(call.ctx));
  std::vector<nlohmann::ordered_json> rows;
  for (const NetworkZone& zone : zones) {
    rows.push_back({{"name", zone.name},
                    {"resource", zone.resource},
                    {"state", zone.available ? "available" : "unavailable"}});
  }
  return view_response(call, {"availability_zones", {"name", "resource", "state"}, 2},
                       std::move(rows));
}

/// Routers are the one service here, and one driver's, if it is able to do them.
Result<Response> list_service_providers(Call& call) {
  std::vector<nlohmann::ordered_json> rows;
  if (const auto provider = call.cloud.networks().agents().provider("router")) {
    rows.push_back(
        {{"service_type", "L3_ROUTER_NAT"}, {"name", *provider}, {"default", true}});
  }
  return view_response(call, {"service_providers", {"name", "service_type", "default"}},
                       std::move(rows));
}

// ---- addresses ----------------------------------------------------------------------------------

void write_availability(Fields& out, const IpAvailability& one) {
  JsonWriter& w = out.w;
  w.open();
  out.member("network_id", one.network.value);
  out.member("network_name", one.name);
  out.member("project_id", one.project.value);
  out.member("tenant_id", one.project.value);
  // More than 64 bits of them may be.
  if (out.wants("total_ips")) w.key("total_ips").literal(one.total);
  if (out.wants("used_ips")) w.key("used_ips").literal(one.used);
  if (!out.wants("subnet_ip_availability")) {
    w.close();
    return;
  }
  w.key("subnet_ip_availability").open_list();
  for (const auto& subnet : one.subnets) {
    w.open().member("subnet_id", subnet.id.value).member("subnet_name", subnet.name);
    w.member("cidr", subnet.cidr).member("ip_version", subnet.ip_version);
    w.key("total_ips").literal(subnet.total).key("used_ips").literal(subnet.used).close();
  }
  w.close_list().close();
}

Result<Response> list_availabilities(Call& call) {
  CLOUDOS_TRY(const Query query, decode_query(call));
  CLOUDOS_TRY(const auto all,
              call.cloud.networks().agents().availabilities(call.ctx, query.spec));
  JsonWriter w;
  w.open().key("network_ip_availabilities").open_list();
  Fields out(w, query.fields);
  for (const IpAvailability& one : all) write_availability(out, one);
  w.close_list();
  write_links(w, call, "network_ip_availabilities", query,
              all.empty() ? "" : all.front().network.value,
              all.empty() ? "" : all.back().network.value, all.size());
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_availability(Call& call) {
  CLOUDOS_TRY(const auto one, call.cloud.networks().agents().availability(
                                  call.ctx, NetworkId{call.path("id")}));
  JsonWriter w;
  w.open().key("network_ip_availability");
  const Wanted fields = wanted_fields(call);
  Fields out(w, fields);
  write_availability(out, one);
  w.close();
  return json_response(200, std::move(w).take());
}

constexpr Route kAgentRoutes[] = {
    network_route("GET", "/network/v2.0/agents", list_resource<AgentKind>, "get_agents"),
    network_route("GET", "/network/v2.0/agents/{id}", show_resource<AgentKind>, "get_agent"),
    network_route("PUT", "/network/v2.0/agents/{id}", update_resource<AgentKind>, "update_agent"),
    network_route("DELETE", "/network/v2.0/agents/{id}", remove_resource<AgentKind>,
                  "delete_agent"),
    network_route("GET", "/network/v2.0/agents/{id}/dhcp-networks", list_dhcp_networks,
                  "get_dhcp-networks"),
    network_route("POST", "/network/v2.0/agents/{id}/dhcp-networks", add_dhcp_network,
                  "create_dhcp-network"),
    network_route("DELETE", "/network/v2.0/agents/{id}/dhcp-networks/{network_id}",
                  remove_dhcp_network, "delete_dhcp-network"),
    network_route("GET", "/network/v2.0/agents/{id}/l3-routers", list_l3_routers,
                  "get_l3-routers"),
    network_route("POST", "/network/v2.0/agents/{id}/l3-routers", add_l3_router,
                  "create_l3-router"),
    network_route("DELETE", "/network/v2.0/agents/{id}/l3-routers/{router_id}", remove_l3_router,
                  "delete_l3-router"),
    network_route("GET", "/network/v2.0/routers/{id}/l3-agents", list_l3_agents,
                  "get_l3-agents"),
    network_route("GET", "/network/v2.0/networks/{id}/dhcp-agents", list_dhcp_agents,
                  "get_dhcp-agents"),
    network_route("GET", "/network/v2.0/availability_zones", list_zones,
                  "get_availability_zones"),
    network_route("GET", "/network/v2.0/service-providers", list_service_providers,
                  "get_service_providers"),
    network_route("GET", "/network/v2.0/network-ip-availabilities", list_availabilities,
                  "get_network_ip_availabilities"),
    network_route("GET", "/network/v2.0/network-ip-availabilities/{id}", show_availability,
                  "get_network_ip_availability"),
};

}  // namespace

std::span<const Route> agent_routes() { return kAgentRoutes; }

}  // namespace cloudos::rest::network_api
