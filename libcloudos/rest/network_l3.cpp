#include "rest/network_l3_json.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"
#include "rest/network_views.hpp"

namespace cloudos::rest::network_api {
namespace {

// ---- routers ------------------------------------------------------------------------------------

RouterId router_of(const Call& call) { return RouterId{call.path("id")}; }

struct RouterKind : PlainResource<cloudos::Router> {
  static constexpr std::string_view singular = "router", plural = "routers";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().routers().routers(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().routers().router(call.ctx, router_of(call));
  }
  static auto decode(const Members& in) { return decode_router(in); }
  static auto create(Call& call, const std::vector<RouterCreate>& specs) {
    return call.cloud.networks().routers().create_many(call.ctx, specs);
  }
  static auto decode_update(const Members& in) { return decode_router_update(in); }
  static auto update(Call& call, const RouterUpdate& change) {
    return call.cloud.networks().routers().update(call.ctx, router_of(call), change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().routers().remove(call.ctx, router_of(call));
  }
  static void write(Fields& out, const Call&, const Record& router, const Extra&) {
    write_router(out, router);
  }
};

Response interface_response(const RouterInterface& leg) {
  JsonWriter w;
  w.open().member("id", leg.router).member("tenant_id", leg.project);
  w.member("project_id", leg.project).member("port_id", leg.port);
  w.member("network_id", leg.network);
  w.member("subnet_id", leg.subnets.empty() ? std::string() : leg.subnets.front().value);
  w.key("subnet_ids").open_list();
  for (const SubnetId& id : leg.subnets) w.value(id);
  w.close_list().member("tags", leg.tags).close();
  return json_response(200, std::move(w).take());
}

Result<RouterLeg> leg_of_body(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  if (!body->is_object()) return fail(ErrorCode::InvalidArgument, "the body must be an object");
  return decode_leg(Members(*body, {}));
}

Result<Response> add_router_leg(Call& call) {
  CLOUDOS_TRY(const RouterLeg leg, leg_of_body(call));
  CLOUDOS_TRY(const auto added, call.cloud.networks().routers().add_interface(
                                    call.ctx, router_of(call), leg));
  return interface_response(added);
}

Result<Response> remove_router_leg(Call& call) {
  CLOUDOS_TRY(const RouterLeg leg, leg_of_body(call));
  CLOUDOS_TRY(const auto removed, call.cloud.networks().routers().remove_interface(
                                      call.ctx, router_of(call), leg));
  return interface_response(removed);
}

Result<Response> change_extra_routes(Call& call, std::vector<HostRoute> RouterUpdate::* which) {
  CLOUDOS_TRY(const nlohmann::json* object, call.json_object("router"));
  const Members in(*object, "router");
  CLOUDOS_TRY(auto routes, decode_route_list(in, "routes"));
  CLOUDOS_CHECK(in.no_others());
  RouterUpdate change;
  if (routes) change.*which = std::move(*routes);
  CLOUDOS_TRY(const auto router,
              call.cloud.networks().routers().update(call.ctx, router_of(call), change));
  return record_response<RouterKind>(call, 200, router);
}
Result<Response> add_extra_routes(Call& call) {
  return change_extra_routes(call, &RouterUpdate::add_routes);
}
Result<Response> remove_extra_routes(Call& call) {
  return change_extra_routes(call, &RouterUpdate::remove_routes);
}

// ---- floating addresses -------------------------------------------------------------------------

FloatingIpId floating_of(const Call& call) { return FloatingIpId{call.path("id")}; }

struct FloatingKind {
  using Record = FloatingIp;
  using Extra = FloatingExtra;
  static constexpr std::string_view singular = "floatingip", plural = "floatingips";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().routers().floating_ips(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().routers().floating_ip(call.ctx, floating_of(call));
  }
  static auto decode(const Members& in) { return decode_floating(in); }
  static auto create(Call& call, const std::vector<FloatingIpCreate>& specs) {
    return call.cloud.networks().routers().create_floating_ips(call.ctx, specs);
  }
  static auto decode_update(const Members& in) { return decode_floating_update(in); }
  static auto update(Call& call, const FloatingIpUpdate& change) {
    return call.cloud.networks().routers().update_floating_ip(call.ctx, floating_of(call), change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().routers().delete_floating_ip(call.ctx, floating_of(call));
  }
  /// The ports that are led to, all by one list, and what is forwarded.
  static Result<Extra> extra(const Call& call, const std::vector<Record>& floating,
                             const Wanted& fields) {
    Extra extra;
    const auto wants = [&](std::string_view name) { return fields.empty() || fields.count(name); };
    NetworkListSpec spec;
    for (const FloatingIp& one : floating) {
      if (wants("port_details") && !one.port.empty()) spec.filters.emplace_back("id", one.port.value);
      if (!wants("port_forwardings") || one.forwardings.empty()) continue;
      CLOUDOS_TRY(extra.forwardings[one.id],
                  call.cloud.networks().routers().forwardings(call.ctx, one.id));
    }
    if (spec.filters.empty()) return extra;
    CLOUDOS_TRY(auto ports, call.cloud.networks().ports(call.ctx, spec));
    for (Port& port : ports) extra.ports.emplace(port.id, std::move(port));
    return extra;
  }
  static void write(Fields& out, const Call&, const Record& floating, const Extra& extra) {
    write_floating(out, floating, extra);
  }
};

Result<Response> list_floating_pools(Call& call) {
  CLOUDOS_TRY(const auto pools, call.cloud.networks().routers().floating_ip_pools(call.ctx));
  std::vector<nlohmann::ordered_json> rows;
  for (const FloatingIpPool& pool : pools) {
    rows.push_back({{"network_id", pool.network.value},
                    {"subnet_id", pool.subnet.value},
                    {"subnet_name", pool.subnet_name},
                    {"cidr", pool.cidr},
                    {"project_id", call.ctx.project.value},
                    {"tenant_id", call.ctx.project.value}});
  }
  return view_response(call,
                       {"floatingip_pools",
                        {"subnet_id", "network_id", "subnet_name", "cidr", "project_id",
                         "tenant_id"}},
                       std::move(rows));
}

// ---- port forwardings ---------------------------------------------------------------------------

FloatingIpId forwarding_parent(const Call& call) { return FloatingIpId{call.path("floating_id")}; }

struct ForwardingKind : PlainResource<PortForwarding> {
  static constexpr std::string_view singular = "port_forwarding", plural = "port_forwardings";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().routers().forwardings(call.ctx, forwarding_parent(call), spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().routers().forwarding(call.ctx, forwarding_parent(call),
                                                      PortForwardingId{call.path("id")});
  }
  static auto decode(const Members& in) { return decode_forwarding(in); }
  static auto create(Call& call, const std::vector<PortForwardingCreate>& specs) {
    return call.cloud.networks().routers().create_forwardings(call.ctx, forwarding_parent(call),
                                                              specs);
  }
  static auto decode_update(const Members& in) { return decode_forwarding_update(in); }
  static auto update(Call& call, const PortForwardingUpdate& change) {
    return call.cloud.networks().routers().update_forwarding(
        call.ctx, forwarding_parent(call), PortForwardingId{call.path("id")}, change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().routers().delete_forwarding(
        call.ctx, forwarding_parent(call), PortForwardingId{call.path("id")});
  }
  static void write(Fields& out, const Call&, const Record& forwarding, const Extra&) {
    write_forwarding(out, forwarding);
  }
};

// ---- auto-allocated topology --------------------------------------------------------------------

ProjectId topology_project(const Call& call) {
  ProjectId project{call.path("project_id")};
  // Clients that name none write what their language has for nothing.
  const bool own = project.empty() || project.value == "null" || project.value == "None";
  return own ? call.ctx.project : project;
}

Result<Response> show_topology(Call& call) {
  const ProjectId project = topology_project(call);
  const auto fields = wanted_fields(call);
  JsonWriter w;
  w.open().key("auto_allocated_topology").open();
  if (fields.count("dry-run") > 0) {
    CLOUDOS_CHECK(call.cloud.networks().routers().check_auto_topology(call.ctx, project));
    w.member("id", "dry-run=pass").member("tenant_id", project);
  } else {
    CLOUDOS_TRY(const auto topology,
                call.cloud.networks().routers().auto_topology(call.ctx, project));
    w.member("id", topology.network).member("tenant_id", topology.project);
  }
  w.member("project_id", project).close().close();
  return json_response(200, std::move(w).take());
}

Result<Response> delete_topology(Call& call) {
  CLOUDOS_CHECK(call.cloud.networks().routers().delete_auto_topology(call.ctx,
                                                                     topology_project(call)));
  return empty_response(204);
}

constexpr std::string_view kForwardingsPath =
    "/network/v2.0/floatingips/{floating_id}/port_forwardings";
constexpr std::string_view kForwardingPath =
    "/network/v2.0/floatingips/{floating_id}/port_forwardings/{id}";

constexpr Route kLayer3Routes[] = {
    network_route("GET", "/network/v2.0/routers", list_resource<RouterKind>, "get_routers"),
    network_route("POST", "/network/v2.0/routers", create_resource<RouterKind>, "create_router"),
    network_route("GET", "/network/v2.0/routers/{id}", show_resource<RouterKind>, "get_router"),
    network_route("PUT", "/network/v2.0/routers/{id}", update_resource<RouterKind>,
                  "update_router"),
    network_route("DELETE", "/network/v2.0/routers/{id}", remove_resource<RouterKind>,
                  "delete_router"),
    network_route("PUT", "/network/v2.0/routers/{id}/add_router_interface", add_router_leg,
                  "add_router_interface"),
    network_route("PUT", "/network/v2.0/routers/{id}/remove_router_interface", remove_router_leg,
                  "remove_router_interface"),
    network_route("PUT", "/network/v2.0/routers/{id}/add_extraroutes", add_extra_routes,
                  "add_extraroutes"),
    network_route("PUT", "/network/v2.0/routers/{id}/remove_extraroutes", remove_extra_routes,
                  "remove_extraroutes"),
    network_route("GET", "/network/v2.0/floatingips", list_resource<FloatingKind>,
                  "get_floatingips"),
    network_route("POST", "/network/v2.0/floatingips", create_resource<FloatingKind>,
                  "create_floatingip"),
    network_route("GET", "/network/v2.0/floatingips/{id}", show_resource<FloatingKind>,
                  "get_floatingip"),
    network_route("PUT", "/network/v2.0/floatingips/{id}", update_resource<FloatingKind>,
                  "update_floatingip"),
    network_route("DELETE", "/network/v2.0/floatingips/{id}", remove_resource<FloatingKind>,
                  "delete_floatingip"),
    network_route("GET", "/network/v2.0/floatingip_pools", list_floating_pools,
                  "get_floatingip_pools"),
    // What is not there yet is made by being asked for.
    {"GET", "/network/v2.0/auto-allocated-topology/{project_id}", show_topology,
     "get_auto_allocated_topology", Service::Network, RouteClass::Commits, true},
    network_route("DELETE", "/network/v2.0/auto-allocated-topology/{project_id}", delete_topology,
                  "delete_auto_allocated_topology"),
    network_route("GET", kForwardingsPath, list_resource<ForwardingKind>,
                  "get_floatingip_port_forwardings"),
    network_route("POST", kForwardingsPath, create_resource<ForwardingKind>,
                  "create_floatingip_port_forwarding"),
    network_route("GET", kForwardingPath, show_resource<ForwardingKind>,
                  "get_floatingip_port_forwarding"),
    network_route("PUT", kForwardingPath, update_resource<ForwardingKind>,
                  "update_floatingip_port_forwarding"),
    network_route("DELETE", kForwardingPath, remove_resource<ForwardingKind>,
                  "delete_floatingip_port_forwarding"),
};

}  // namespace

std::span<const Route> layer3_routes() { return kLayer3Routes; }

}  // namespace cloudos::rest::network_api
