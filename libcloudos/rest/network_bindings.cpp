#include "cloudos/port_bindings.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"

namespace cloudos::rest::network_api {
namespace {

void write_binding(JsonWriter& w, const PortBinding& binding, bool active) {
  w.open().member("host", binding.host).member("status", active ? "ACTIVE" : "INACTIVE");
  w.member("vnic_type", binding.vnic_type).member("vif_type", binding.vif_type);
  w.key("profile").literal(binding.profile);
  w.key("vif_details").open();
  for (const auto& [name, value] : binding.vif_details) {
    if (value == "true" || value == "false") w.member(name, value == "true");
    else w.member(name, value);
  }
  w.close().close();
}

Response binding_response(int status, const PortBinding& binding, bool active) {
  JsonWriter w;
  w.open().key("binding");
  write_binding(w, binding, active);
  w.close();
  return json_response(status, std::move(w).take());
}

Result<Response> list_bindings(Call& call) {
  const PortId id{call.path("port_id")};
  CLOUDOS_TRY(const auto all, PortBindings(call.cloud.networks()).list(call.ctx, id));
  CLOUDOS_TRY(const Port port, call.cloud.networks().port(call.ctx, id));
  JsonWriter w;
  w.open().key("bindings").open_list();
  for (const PortBinding& one : all) write_binding(w, one, one.host == port.host);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> add_binding(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* object, call.json_object("binding"));
  const Members in(*object, "binding");
  PortBinding asked;
  CLOUDOS_TRY(asked.host, in.text("host"));
  CLOUDOS_TRY(auto vnic, in.maybe_text("vnic_type"));
  if (vnic) asked.vnic_type = std::move(*vnic);
  CLOUDOS_TRY(const nlohmann::json* profile, in.maybe_object("profile"));
  if (profile != nullptr) asked.profile = profile->dump();
  CLOUDOS_CHECK(in.no_others());
  CLOUDOS_TRY(const auto made, PortBindings(call.cloud.networks())
                                   .add(call.ctx, PortId{call.path("port_id")}, asked));
  return binding_response(201, made, false);
}

Result<Response> activate_binding(Call& call) {
  CLOUDOS_TRY(const auto active,
              PortBindings(call.cloud.networks())
                  .activate(call.ctx, PortId{call.path("port_id")}, call.path("host")));
  return binding_response(200, active, true);
}

Result<Response> remove_binding(Call& call) {
  CLOUDOS_CHECK(PortBindings(call.cloud.networks())
                    .remove(call.ctx, PortId{call.path("port_id")}, call.path("host")));
  return empty_response(204);
}

constexpr Route kBindingRoutes[] = {
    network_route("GET", "/network/v2.0/ports/{port_id}/bindings", list_bindings,
                  "get_port_bindings"),
    network_route("POST", "/network/v2.0/ports/{port_id}/bindings", add_binding,
                  "create_port_binding"),
    network_route("DELETE", "/network/v2.0/ports/{port_id}/bindings/{host}", remove_binding,
                  "delete_port_binding"),
    network_route("PUT", "/network/v2.0/ports/{port_id}/bindings/{host}/activate",
                  activate_binding, "activate"),
};

}  // namespace

std::span<const Route> binding_routes() { return kBindingRoutes; }

}  // namespace cloudos::rest::network_api
