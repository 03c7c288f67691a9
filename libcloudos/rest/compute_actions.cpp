// POST /servers/{id}/action, and metadata, interfaces and groups below a server.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cloudos/networks.hpp"
#include "rest/compute_api.hpp"

namespace cloudos::rest::compute_api {
namespace {

using nlohmann::json;

Result<Response> accepted(const Result<TaskId>& begun) {
  if (!begun) return fail(begun.error());
  return empty_response(202);
}

Result<Response> start_action(Call& call, const json&) {
  return accepted(call.cloud.servers().start(call.ctx, server_id(call)));
}
Result<Response> stop_action(Call& call, const json&) {
  return accepted(call.cloud.servers().stop(call.ctx, server_id(call)));
}

Result<Response> reboot_action(Call& call, const json& body) {
  const Members in(body, "reboot");
  CLOUDOS_TRY(const auto type, in.text("type"));
  CLOUDOS_CHECK(in.no_others());
  const bool hard = type == "HARD" || type == "hard" || type == "Hard";
  if (!hard && type != "SOFT" && type != "soft" && type != "Soft")
    return fail(ErrorCode::InvalidArgument, "reboot.type: SOFT or HARD");
  return accepted(call.cloud.servers().reboot(call.ctx, server_id(call),
                                              hard ? RebootMode::Hard : RebootMode::Soft));
}

Result<Response> console_action(Call& call, const json& body) {
  const Members in(body, "os-getConsoleOutput");
  CLOUDOS_TRY(const auto length, in.maybe_integer("length", -1));
  CLOUDOS_CHECK(in.no_others());
  std::optional<std::uint64_t> lines;
  if (length && *length >= 0) lines = static_cast<std::uint64_t>(*length);
  CLOUDOS_TRY(const auto text,
              call.cloud.servers().console_output(call.ctx, server_id(call), lines));
  JsonWriter w;
  w.open().member("output", text).close();
  return json_response(200, std::move(w).take());
}

Result<Response> lock_action(Call& call, const json&) {
  CLOUDOS_CHECK(call.cloud.servers().lock(call.ctx, server_id(call)));
  return empty_response(202);
}
Result<Response> unlock_action(Call& call, const json&) {
  CLOUDOS_CHECK(call.cloud.servers().unlock(call.ctx, server_id(call)));
  return empty_response(202);
}

Result<Response> reset_action(Call& call, const json& body) {
  const Members in(body, "os-resetState");
  CLOUDOS_TRY(const auto state, in.text("state"));
  CLOUDOS_CHECK(in.no_others());
  if (state != "active" && state != "error")
    return fail(ErrorCode::InvalidArgument, "os-resetState.state: active or error");
  CLOUDOS_CHECK(call.cloud.servers().reset_state(
      call.ctx, server_id(call), state == "active" ? VmState::Active : VmState::Error));
  return empty_response(202);
}

/// Adds a group to, or takes it from, every port of the server.
Result<Response> change_groups(Call& call, const json& body, bool add) {
  const Members in(body, add ? "addSecurityGroup" : "removeSecurityGroup");
  CLOUDOS_TRY(const auto name, in.text("name"));
  CLOUDOS_CHECK(in.no_others());
  CLOUDOS_TRY(const Server server, call.cloud.servers().get(call.ctx, server_id(call)));
  NetworkListSpec spec;
  spec.filters = {{"name", name}, {"project_id", server.project.value}};
  CLOUDOS_TRY(auto groups, call.cloud.networks().groups(call.ctx, spec));
  if (groups.empty()) {
    spec.filters[0].first = "id";
    CLOUDOS_TRY(groups, call.cloud.networks().groups(call.ctx, spec));
  }
  if (groups.empty())
    return fail(ErrorCode::NotFound, fmt::format("Security group {} not found.", name.substr(0, 64)));
  const SecurityGroupId& group = groups.front().id;
  bool found = false;
  for (const ServerPort& used : server.ports) {
    CLOUDOS_TRY(const Port port, call.cloud.networks().port(call.ctx, used.port));
    PortUpdate change;
    const auto& has = port.security_groups;
    found = found || std::find(has.begin(), has.end(), group) != has.end();
    (add ? change.add_groups : change.remove_groups).push_back(group);
    CLOUDOS_CHECK(call.cloud.networks().update_port(call.ctx, port.id, change));
  }
  if (!add && !found) {
    return fail(ErrorCode::NotFound, fmt::format("Security group {} not associated with the "
                                                 "instance {}", name.substr(0, 64), server.id.value));
  }
  return empty_response(202);
}
Result<Response> add_group_action(Call& call, const json& body) {
  return change_groups(call, body, true);
}
Result<Response> remove_group_action(Call& call, const json& body) {
  return change_groups(call, body, false);
}

struct ActionRow {
  std::string_view name;
  Result<Response> (*act)(Call&, const json&);
  bool takes_object;  ///< Otherwise its value is null.
};
constexpr ActionRow kActions[] = {
    {"os-start", start_action, false},
    {"os-stop", stop_action, false},
    {"reboot", reboot_action, true},
    {"os-getConsoleOutput", console_action, true},
    {"lock", lock_action, false},
    {"unlock", unlock_action, false},
    {"os-resetState", reset_action, true},
    {"addSecurityGroup", add_group_action, true},
    {"removeSecurityGroup", remove_group_action, true},
};

// ---- metadata -----------------------------------------------------------------------------------

Response metadata_response(const std::map<std::string, std::string>& metadata) {
  JsonWriter w;
  w.open().member("metadata", metadata).close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_metadata(Call& call) {
  CLOUDOS_TRY(const Server server, call.cloud.servers().get(call.ctx, server_id(call)));
  return metadata_response(server.metadata);
}

Result<Response> write_metadata(Call& call, bool replace) {
  CLOUDOS_TRY(const auto* body, call.json());
  const Members in(*body, "");
  CLOUDOS_TRY(const auto metadata, in.maybe_text_map("metadata"));
  CLOUDOS_CHECK(in.no_others());
  if (!metadata) return fail(ErrorCode::InvalidArgument, "metadata must be an object of texts");
  CLOUDOS_TRY(const Server server, call.cloud.servers().change_metadata(
                                       call.ctx, server_id(call), *metadata, replace));
  return metadata_response(server.metadata);
}
Result<Response> merge_metadata(Call& call) { return write_metadata(call, false); }
Result<Response> replace_metadata(Call& call) { return write_metadata(call, true); }

Response meta_response(std::string_view key, const std::string& value) {
  JsonWriter w;
  w.open().key("meta").open().member(key, value).close().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_meta(Call& call) {
  CLOUDOS_TRY(const Server server, call.cloud.servers().get(call.ctx, server_id(call)));
  const auto item = server.metadata.find(call.path("key"));
  if (item == server.metadata.end())
    return fail(ErrorCode::NotFound, "Metadata item was not found");
  return meta_response(item->first, item->second);
}

Result<Response> set_meta(Call& call) {
  CLOUDOS_TRY(const auto* body, call.json());
  const Members in(*body, "");
  CLOUDOS_TRY(const auto meta, in.maybe_text_map("meta"));
  CLOUDOS_CHECK(in.no_others());
  const std::string& key = call.path("key");
  if (!meta || meta->size() != 1)
    return fail(ErrorCode::InvalidArgument, "meta must be an object with one text");
  if (meta->begin()->first != key)
    return fail(ErrorCode::InvalidArgument, "Request body and URI mismatch");
  CLOUDOS_CHECK(call.cloud.servers().change_metadata(call.ctx, server_id(call), *meta, false));
  return meta_response(key, meta->begin()->second);
}

Result<Response> delete_meta(Call& call) {
  CLOUDOS_CHECK(call.cloud.servers().change_metadata(call.ctx, server_id(call), {}, false,
                                                     {call.path("key")}));
  return empty_response(204);
}

// ---- what a server is connected to --------------------------------------------------------------

void write_interface(JsonWriter& w, const Port& port) {
  w.open().member("port_id", port.id).member("net_id", port.network);
  w.member("mac_addr", port.mac);
  w.member("port_state", port.status() == PortStatus::Active ? "ACTIVE" : "DOWN");
  w.key("fixed_ips").open_list();
  for (const FixedIp& ip : port.fixed_ips)
    w.open().member("subnet_id", ip.subnet).member("ip_address", ip.address).close();
  w.close_list().close();
}

Result<Response> list_interfaces(Call& call) {
  CLOUDOS_TRY(const Server server, call.cloud.servers().get(call.ctx, server_id(call)));
  CLOUDOS_TRY(const auto ports, call.cloud.networks().ports_of(server.id));
  JsonWriter w;
  w.open().key("interfaceAttachments").open_list();
  for (const Port& port : ports) write_interface(w, port);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_interface(Call& call) {
  CLOUDOS_TRY(const Server server, call.cloud.servers().get(call.ctx, server_id(call)));
  CLOUDOS_TRY(const auto ports, call.cloud.networks().ports_of(server.id));
  for (const Port& port : ports) {
    if (port.id.value != call.path("port_id")) continue;
    JsonWriter w;
    w.open().key("interfaceAttachment");
    write_interface(w, port);
    w.close();
    return json_response(200, std::move(w).take());
  }
  return fail(ErrorCode::NotFound, fmt::format("Port id {} could not be found.",
                                               call.path("port_id").substr(0, 64)));
}

/// What a body says of the interface. Source: attach_interfaces of the Compute API, until 2.48.
Result<ServerNetwork> read_interface(Call& call) {
  CLOUDOS_TRY(const auto* body, call.json_object("interfaceAttachment"));
  const Members in(*body, "interfaceAttachment");
  ServerNetwork wanted;
  CLOUDOS_TRY(const auto port, in.maybe_id<PortId>("port_id"));
  CLOUDOS_TRY(const auto network, in.maybe_id<NetworkId>("net_id"));
  wanted.port = port.value_or(PortId{});
  wanted.network = network.value_or(NetworkId{});
  CLOUDOS_TRY(const auto* addresses, in.maybe_array("fixed_ips"));
  CLOUDOS_CHECK(in.no_others());
  if (!addresses) return wanted;
  if (addresses->size() != 1)
    return fail(ErrorCode::InvalidArgument, "interfaceAttachment.fixed_ips: one address");
  const Members address(addresses->front(), "interfaceAttachment.fixed_ips");
  CLOUDOS_TRY(wanted.fixed_ip, address.text("ip_address"));
  CLOUDOS_CHECK(address.no_others());
  return wanted;
}

Result<Response> attach_interface(Call& call) {
  CLOUDOS_TRY(const auto wanted, read_interface(call));
  CLOUDOS_TRY(const Server server,
              call.cloud.servers().attach_interface(call.ctx, server_id(call), wanted));
  CLOUDOS_TRY(const Port port, call.cloud.networks().port(Context::system(call.ctx.request_id),
                                                          server.ports.back().port));
  JsonWriter w;
  w.open().key("interfaceAttachment");
  write_interface(w, port);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> detach_interface(Call& call) {
  return accepted(call.cloud.servers().detach_interface(call.ctx, server_id(call),
                                                        PortId{call.path("port_id")}));
}

void write_group_rule(JsonWriter& w, const SecurityGroupRule& rule) {
  w.open().member("id", rule.id).member("parent_group_id", rule.group);
  w.member_or_null("ip_protocol", rule.protocol);
  w.member("from_port", rule.port_min).member("to_port", rule.port_max);
  w.key("group").open().close().key("ip_range").open();
  if (!rule.remote_cidr.empty()) w.member("cidr", rule.remote_cidr);
  w.close().close();
}

Result<void> write_group(JsonWriter& w, const Call& call, const SecurityGroup& group) {
  NetworkListSpec spec;
  spec.filters = {{"security_group_id", group.id.value}, {"direction", "ingress"}};
  CLOUDOS_TRY(const auto rules, call.cloud.networks().rules(call.ctx, spec));
  w.open().member("id", group.id).member("name", group.name).member("tenant_id", group.project);
  w.member("description", group.description).key("rules").open_list();
  for (const SecurityGroupRule& rule : rules) write_group_rule(w, rule);
  w.close_list().close();
  return Result<void>();
}

Result<Response> list_server_groups(Call& call) {
  CLOUDOS_TRY(const Server server, call.cloud.servers().get(call.ctx, server_id(call)));
  CLOUDOS_TRY(const auto ports, call.cloud.networks().ports_of(server.id));
  std::vector<SecurityGroupId> ids;
  for (const Port& port : ports) {
    for (const SecurityGroupId& id : port.security_groups)
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  JsonWriter w;
  w.open().key("security_groups").open_list();
  for (const SecurityGroupId& id : ids) {
    CLOUDOS_TRY(const auto group, call.cloud.networks().group(call.ctx, id));
    CLOUDOS_CHECK(write_group(w, call, group));
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

// The client looks groups up here before it adds one to a server, though Network keeps them.

Result<Response> list_groups(Call& call) {
  NetworkListSpec spec;
  spec.filters = {{"project_id", call.ctx.project.value}};
  CLOUDOS_TRY(const auto groups, call.cloud.networks().groups(call.ctx, spec));
  JsonWriter w;
  w.open().key("security_groups").open_list();
  for (const SecurityGroup& group : groups) CLOUDOS_CHECK(write_group(w, call, group));
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_group(Call& call) {
  CLOUDOS_TRY(const auto group, call.cloud.networks().group(
                                    call.ctx, SecurityGroupId{call.path("group_id")}));
  JsonWriter w;
  w.open().key("security_group");
  CLOUDOS_CHECK(write_group(w, call, group));
  w.close();
  return json_response(200, std::move(w).take());
}

/// From 2.6 on the one way to ask for a console; there are none of these kinds.
Result<Response> create_remote_console(Call& call) {
  if (call.microversion < kV6)
    return fail(ErrorCode::NotFound, "The resource could not be found.");
  CLOUDOS_TRY(const auto* console, call.json_object("remote_console"));
  const Members in(*console, "remote_console");
  CLOUDOS_TRY(const auto protocol, in.text("protocol"));
  CLOUDOS_TRY(const auto type, in.text("type"));
  CLOUDOS_CHECK(in.no_others());
  CLOUDOS_CHECK(call.cloud.servers().get(call.ctx, server_id(call)));
  return fail(ErrorCode::InvalidArgument, fmt::format("Unavailable console type {}. The serial "
                                                      "console's log can be read.",
                                                      type.substr(0, 64)));
}

/// There is no volume service: nothing can be attached.
Result<Response> list_volume_attachments(Call& call) {
  CLOUDOS_CHECK(call.cloud.servers().get(call.ctx, server_id(call)));
  return json_response(200, R"({"volumeAttachments": []})");
}

constexpr Route kServerItemRoutes[] = {
    {"GET", "/compute/v2.1/servers/{server_id}/metadata", list_metadata,
     "os_compute_api:server-metadata:index", Service::Compute},
    {"POST", "/compute/v2.1/servers/{server_id}/metadata", merge_metadata,
     "os_compute_api:server-metadata:create", Service::Compute, RouteClass::Commits},
    {"PUT", "/compute/v2.1/servers/{server_id}/metadata", replace_metadata,
     "os_compute_api:server-metadata:update_all", Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/servers/{server_id}/metadata/{key}", show_meta,
     "os_compute_api:server-metadata:show", Service::Compute},
    {"PUT", "/compute/v2.1/servers/{server_id}/metadata/{key}", set_meta,
     "os_compute_api:server-metadata:update", Service::Compute, RouteClass::Commits},
    {"DELETE", "/compute/v2.1/servers/{server_id}/metadata/{key}", delete_meta,
     "os_compute_api:server-metadata:delete", Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/servers/{server_id}/os-interface", list_interfaces,
     "os_compute_api:os-attach-interfaces:list", Service::Compute},
    {"GET", "/compute/v2.1/servers/{server_id}/os-interface/{port_id}", show_interface,
     "os_compute_api:os-attach-interfaces:show", Service::Compute},
    {"POST", "/compute/v2.1/servers/{server_id}/os-interface", attach_interface,
     "os_compute_api:os-attach-interfaces:create", Service::Compute, RouteClass::Commits},
    {"DELETE", "/compute/v2.1/servers/{server_id}/os-interface/{port_id}", detach_interface,
     "os_compute_api:os-attach-interfaces:delete", Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/servers/{server_id}/os-security-groups", list_server_groups,
     "os_compute_api:os-security-groups:list", Service::Compute},
    {"GET", "/compute/v2.1/os-security-groups", list_groups,
     "os_compute_api:os-security-groups:list", Service::Compute},
    {"GET", "/compute/v2.1/os-security-groups/{group_id}", show_group,
     "os_compute_api:os-security-groups:list", Service::Compute},
    {"GET", "/compute/v2.1/servers/{server_id}/os-volume_attachments", list_volume_attachments,
     "os_compute_api:os-volumes-attachments:index", Service::Compute},
    {"POST", "/compute/v2.1/servers/{server_id}/remote-consoles", create_remote_console,
     "os_compute_api:servers:action", Service::Compute},
};

}  // namespace

Result<Response> act_on_server(Call& call) {
  CLOUDOS_TRY(const auto* body, call.json());
  if (!body->is_object() || body->size() != 1)
    return fail(ErrorCode::InvalidArgument, "The body must be an object with one action.");
  const std::string& name = body->begin().key();
  const json& value = *body->begin();
  for (const ActionRow& row : kActions) {
    if (row.name != name) continue;
    if (row.takes_object && !value.is_object())
      return fail(ErrorCode::InvalidArgument, fmt::format("{} must be an object", name));
    return row.act(call, value);
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("There is no such action: {}", name.substr(0, 64)));
}

std::span<const Route> server_item_routes() { return kServerItemRoutes; }

}  // namespace cloudos::rest::compute_api
