#include "cloudos/trunks.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"

namespace cloudos::rest::network_api {
namespace {

/// The elements of {"sub_ports": […]}: objects, with a tag unless it is inherited.
Result<std::vector<SubPort>> decode_sub_ports(const Members& in, bool ports_alone) {
  std::vector<SubPort> subs;
  CLOUDOS_TRY(const nlohmann::json* list, in.maybe_array("sub_ports"));
  if (list == nullptr) return subs;
  for (const nlohmann::json& element : *list) {
    const Members one(element, in.where("sub_ports"));
    SubPort sub;
    CLOUDOS_TRY(sub.port, one.id<PortId>("port_id"));
    CLOUDOS_TRY(auto type, one.maybe_text("segmentation_type"));
    CLOUDOS_TRY(const auto tag, one.maybe_integer("segmentation_id"));
    CLOUDOS_CHECK(one.no_others());
    if (!ports_alone) {
      if (!type) return fail(ErrorCode::InvalidArgument,
                             one.where("segmentation_type") + " is needed");
      if (!tag && *type != "inherit")
        return fail(ErrorCode::InvalidArgument, one.where("segmentation_id") + " is needed");
      if (*type == "vlan" && (*tag < 0 || *tag > UINT32_MAX))
        return fail(ErrorCode::InvalidArgument, one.where("segmentation_id") + " is out of range");
      sub.segmentation_type = *type;
      if (*type == "vlan") sub.segmentation_id = static_cast<std::uint32_t>(*tag);
    }
    subs.push_back(std::move(sub));
  }
  return subs;
}

void write_sub_ports(JsonWriter& w, const Trunk& trunk) {
  w.key("sub_ports").open_list();
  for (const SubPort& sub : trunk.sub_ports) {
    w.open().member("port_id", sub.port.value);
    w.member("segmentation_type", sub.segmentation_type);
    w.member("segmentation_id", sub.segmentation_id).close();
  }
  w.close_list();
}

struct TrunkKind {
  using Record = Trunk;
  using Extra = std::map<TrunkId, std::string>;  // Their states.
  static constexpr std::string_view singular = "trunk", plural = "trunks";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().trunks().trunks(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().trunks().trunk(call.ctx, TrunkId{call.path("id")});
  }
  static Result<TrunkCreate> decode(const Members& in) {
    TrunkCreate spec;
    CLOUDOS_TRY(spec.port, in.id<PortId>("port_id"));
    CLOUDOS_CHECK(put_text(in, "name", spec.name));
    CLOUDOS_CHECK(put_text(in, "description", spec.description));
    CLOUDOS_TRY(spec.project, decode_project(in));
    CLOUDOS_CHECK(in.flag("admin_state_up", spec.admin_up));
    CLOUDOS_TRY(spec.sub_ports, decode_sub_ports(in, false));
    CLOUDOS_CHECK(in.no_others());
    return spec;
  }
  static auto create(Call& call, const std::vector<TrunkCreate>& specs) {
    return call.cloud.networks().trunks().create(call.ctx, specs);
  }
  static Result<TrunkUpdate> decode_update(const Members& in) {
    TrunkUpdate change;
    CLOUDOS_TRY(change.name, in.maybe_text("name"));
    CLOUDOS_TRY(change.description, in.maybe_text("description"));
    CLOUDOS_TRY(change.admin_up, in.maybe_flag("admin_state_up"));
    CLOUDOS_CHECK(in.no_others());
    return change;
  }
  static auto update(Call& call, const TrunkUpdate& change) {
    return call.cloud.networks().trunks().update(call.ctx, TrunkId{call.path("id")}, change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().trunks().remove(call.ctx, TrunkId{call.path("id")});
  }
  static Result<Extra> extra(const Call& call, const std::vector<Record>& trunks,
                             const Wanted& fields) {
    Extra states;
    if (!fields.empty() && !fields.count("status")) return states;
    for (const Trunk& trunk : trunks) {
      CLOUDOS_TRY(auto state, call.cloud.networks().trunks().status(call.ctx, trunk));
      states.emplace(trunk.id, std::move(state));
    }
    return states;
  }
  static void write(Fields& out, const Call&, const Record& trunk, const Extra& states) {
    write_common(out, trunk);
    out.member("name", trunk.name);
    out.member("admin_state_up", trunk.admin_up);
    out.member("port_id", trunk.port.value);
    const auto state = states.find(trunk.id);
    out.member("status", state == states.end() ? std::string("DOWN") : state->second);
    if (out.wants("sub_ports")) write_sub_ports(out.w, trunk);
  }
};

/// The trunk as an operation's answer: without a name around it.
Result<Response> bare_trunk(const Call& call, const Trunk& trunk) {
  CLOUDOS_TRY(const auto states, TrunkKind::extra(call, {trunk}, {}));
  static const Wanted kAll;
  JsonWriter w;
  w.open();
  Fields out(w, kAll);
  TrunkKind::write(out, call, trunk, states);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<std::vector<SubPort>> body_sub_ports(Call& call, bool ports_alone) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const Members in(*body, "");
  CLOUDOS_CHECK(in.array("sub_ports"));
  CLOUDOS_TRY(auto subs, decode_sub_ports(in, ports_alone));
  CLOUDOS_CHECK(in.no_others());
  return subs;
}

Result<Response> add_subports(Call& call) {
  CLOUDOS_TRY(const auto subs, body_sub_ports(call, false));
  CLOUDOS_TRY(const auto trunk, call.cloud.networks().trunks().add_sub_ports(
                                    call.ctx, TrunkId{call.path("id")}, subs));
  return bare_trunk(call, trunk);
}

Result<Response> remove_subports(Call& call) {
  CLOUDOS_TRY(const auto subs, body_sub_ports(call, true));
  std::vector<PortId> ports;
  for (const SubPort& sub : subs) ports.push_back(sub.port);
  CLOUDOS_TRY(const auto trunk, call.cloud.networks().trunks().remove_sub_ports(
                                    call.ctx, TrunkId{call.path("id")}, ports));
  return bare_trunk(call, trunk);
}

Result<Response> get_subports(Call& call) {
  CLOUDOS_TRY(const auto trunk, TrunkKind::show(call));
  JsonWriter w;
  w.open();
  write_sub_ports(w, trunk);
  w.close();
  return json_response(200, std::move(w).take());
}

constexpr Route kTrunkRoutes[] = {
    network_route("GET", "/network/v2.0/trunks", list_resource<TrunkKind>, "get_trunks"),
    network_route("POST", "/network/v2.0/trunks", create_resource<TrunkKind>, "create_trunk"),
    network_route("GET", "/network/v2.0/trunks/{id}", show_resource<TrunkKind>, "get_trunk"),
    network_route("PUT", "/network/v2.0/trunks/{id}", update_resource<TrunkKind>, "update_trunk"),
    network_route("DELETE", "/network/v2.0/trunks/{id}", remove_resource<TrunkKind>,
                  "delete_trunk"),
    network_route("GET", "/network/v2.0/trunks/{id}/get_subports", get_subports, "get_subports"),
    network_route("PUT", "/network/v2.0/trunks/{id}/add_subports", add_subports, "add_subports"),
    network_route("PUT", "/network/v2.0/trunks/{id}/remove_subports", remove_subports,
                  "remove_subports"),
};

}  // namespace

std::span<const Route> trunk_routes() { return kTrunkRoutes; }

}  // namespace cloudos::rest::network_api
