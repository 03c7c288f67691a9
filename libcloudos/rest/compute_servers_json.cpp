// Servers between JSON and structs.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "rest/compute_api.hpp"

namespace cloudos::rest::compute_api {
namespace {

Failure no_such(std::string_view what, std::string_view why) {
  return fail(ErrorCode::InvalidArgument, fmt::format("{}: {}", what, why));
}

Result<ServerNetwork> decode_nic(const nlohmann::json& item) {
  if (!item.is_object()) return no_such("server.networks", "each must be an object");
  const Members in(item, "server.networks");
  ServerNetwork nic;
  CLOUDOS_TRY(const auto uuid, in.maybe_text("uuid"));
  CLOUDOS_TRY(const auto port, in.maybe_text("port"));
  CLOUDOS_TRY(const auto fixed_ip, in.maybe_text("fixed_ip"));
  CLOUDOS_CHECK(in.no_others());
  if (!uuid && !port) return no_such("server.networks", "name a network by uuid, or a port");
  // With both given Compute takes the port.
  if (port) nic.port = PortId{*port};
  else nic.network = NetworkId{*uuid};
  nic.fixed_ip = fixed_ip.value_or("");
  return nic;
}

/// Only what an image on a local disk is anyway; volumes are a service of their own.
Result<void> decode_block_devices(const nlohmann::json& list, ServerCreate& spec) {
  constexpr std::string_view kWhat = "server.block_device_mapping_v2";
  if (list.empty()) return Result<void>();
  if (list.size() != 1 || !list[0].is_object())
    return no_such(kWhat, "only one disk made from an image is possible");
  const Members in(list[0], kWhat);
  CLOUDOS_TRY(const auto source, in.maybe_text("source_type"));
  CLOUDOS_TRY(const auto destination, in.maybe_text("destination_type"));
  CLOUDOS_TRY(const auto boot, in.maybe_integer("boot_index"));
  CLOUDOS_TRY(const auto uuid, in.maybe_text("uuid"));
  CLOUDOS_TRY(const auto goes_too, in.maybe_flag("delete_on_termination"));
  CLOUDOS_CHECK(in.no_others());
  if (source != "image" || destination.value_or("local") != "local" || boot.value_or(0) != 0 ||
      !uuid || !goes_too.value_or(true)) {
    return no_such(kWhat, "only one local disk made from an image, boot_index 0, is possible");
  }
  if (!spec.image.empty() && spec.image.value != *uuid)
    return no_such(kWhat, "names another image than imageRef");
  spec.image = ImageId{*uuid};
  return Result<void>();
}

Result<void> decode_nics(const Members& in, ServerCreate& spec) {
  CLOUDOS_TRY(const auto* networks, in.maybe_array("networks"));
  if (!networks) return Result<void>();
  // An empty list says nothing: Compute then chooses, as without it.
  if (networks->empty()) return Result<void>();
  std::vector<ServerNetwork> nics;
  for (const auto& item : *networks) {
    CLOUDOS_TRY(auto nic, decode_nic(item));
    nics.push_back(std::move(nic));
  }
  spec.networks = std::move(nics);
  return Result<void>();
}

Result<void> decode_groups(const Members& in, ServerCreate& spec) {
  CLOUDOS_TRY(const auto* groups, in.maybe_array("security_groups"));
  if (!groups) return Result<void>();
  for (const auto& item : *groups) {
    const Members group(item, "server.security_groups");
    CLOUDOS_TRY(auto name, group.text("name"));
    CLOUDOS_CHECK(group.no_others());
    // Named twice is named once.
    auto& all = spec.security_groups;
    if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(std::move(name));
  }
  return Result<void>();
}

Result<bool> decode_disk_config(const Members& in) {
  CLOUDOS_TRY(const auto config, in.maybe_text("OS-DCF:diskConfig"));
  if (config && *config != "AUTO" && *config != "MANUAL")
    return no_such("OS-DCF:diskConfig", "AUTO or MANUAL");
  return config && *config == "MANUAL";
}

Result<void> decode_counts(const Members& in, ServerCreate& spec) {
  CLOUDOS_TRY(const auto least, in.maybe_integer("min_count", 1, limits::kServersPerCall));
  CLOUDOS_TRY(const auto most, in.maybe_integer("max_count", 1, limits::kServersPerCall));
  spec.min_count = static_cast<std::uint32_t>(least.value_or(1));
  spec.max_count = static_cast<std::uint32_t>(most.value_or(spec.min_count));
  if (spec.min_count > spec.max_count)
    return no_such("min_count", "must be <= max_count");
  return Result<void>();
}

/// Keys that are known but name what is not here: refused with a reason, never ignored.
Result<void> refuse_absent(const Members& in) {
  CLOUDOS_TRY(const auto drive, in.maybe_flag("config_drive"));
  if (drive.value_or(false))
    return no_such("server.config_drive", "is not possible; the metadata service has the same");
  for (const std::string_view name : {"block_device_mapping", "personality"}) {
    CLOUDOS_TRY(const auto* list, in.maybe_array(name));
    if (list && !list->empty()) return no_such(in.where(name), "is not possible here");
  }
  return Result<void>();
}

Result<void> check_hints(const nlohmann::json& body) {
  for (const char* name : {"os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"}) {
    const auto hints = body.find(name);
    if (hints == body.end()) continue;
    if (!hints->is_object()) return no_such(name, "must be an object");
    if (!hints->empty()) return no_such(name, "none of these hints is known here");
  }
  return Result<void>();
}

Result<std::string> decode_server_name(const Members& in, std::string_view member) {
  CLOUDOS_TRY(const auto name, in.text(member));
  if (name.empty() || trim(name) != name)
    return no_such(in.where(member), "must not be empty, nor begin or end with a blank");
  return name;
}

Result<void> decode_create_body(const Call& call, const Members& in, CreateRequest& request) {
  ServerCreate& spec = request.spec;
  CLOUDOS_TRY(spec.name, decode_server_name(in, "name"));
  CLOUDOS_TRY(spec.flavor, in.id<FlavorId>("flavorRef"));
  CLOUDOS_TRY(const auto image, in.maybe_text("imageRef"));
  spec.image = ImageId{image.value_or("")};
  // Clients of old send links instead of ids.
  if (const auto slash = spec.flavor.value.rfind('/'); slash != std::string::npos)
    spec.flavor.value.erase(0, slash + 1);
  CLOUDOS_CHECK(decode_nics(in, spec));
  CLOUDOS_CHECK(decode_groups(in, spec));
  CLOUDOS_CHECK(decode_counts(in, spec));
  CLOUDOS_CHECK(refuse_absent(in));
  CLOUDOS_TRY(const auto* devices, in.maybe_array("block_device_mapping_v2"));
  if (devices) CLOUDOS_CHECK(decode_block_devices(*devices, spec));
  CLOUDOS_TRY(spec.manual_disk_config, decode_disk_config(in));
  const auto text = [&](std::string_view name, std::string& out) -> Result<void> {
    CLOUDOS_TRY(auto value, in.maybe_text(name));
    if (value) out = std::move(*value);
    return Result<void>();
  };
  CLOUDOS_CHECK(text("key_name", spec.key_name));
  CLOUDOS_CHECK(text("user_data", spec.user_data));
  CLOUDOS_CHECK(text("availability_zone", spec.availability_zone));
  CLOUDOS_CHECK(text("accessIPv4", spec.access_ipv4));
  CLOUDOS_CHECK(text("accessIPv6", spec.access_ipv6));
  CLOUDOS_CHECK(text("adminPass", request.admin_pass));
  if (call.microversion >= kV19) CLOUDOS_CHECK(text("description", spec.description));
  CLOUDOS_TRY(auto metadata, in.maybe_text_map("metadata"));
  if (metadata) spec.metadata = std::move(*metadata);
  CLOUDOS_CHECK(in.flag("return_reservation_id", request.return_reservation));
  return in.no_others();
}

void write_fault(JsonWriter& w, const Call& call, const ServerFault& fault) {
  w.key("fault").open().member("code", fault.code).member("message", fault.message);
  w.member("created", format_time(fault.created_at));
  if (call.ctx.is_admin && !fault.details.empty()) w.member("details", fault.details);
  w.close();
}

void write_admin_attributes(JsonWriter& w, const Call& call, const Server& server) {
  w.member_or_null("OS-EXT-SRV-ATTR:host", server.host);
  w.member_or_null("OS-EXT-SRV-ATTR:hypervisor_hostname", server.host);
  w.member("OS-EXT-SRV-ATTR:instance_name", "instance-" + server.id.value);
  if (call.microversion < kV3) return;
  w.member("OS-EXT-SRV-ATTR:hostname", server.host_name);
  w.member("OS-EXT-SRV-ATTR:reservation_id", server.reservation);
  w.member("OS-EXT-SRV-ATTR:launch_index", server.launch_index);
  w.member("OS-EXT-SRV-ATTR:kernel_id", "").member("OS-EXT-SRV-ATTR:ramdisk_id", "");
  w.member("OS-EXT-SRV-ATTR:root_device_name", "/dev/vda");
  w.key("OS-EXT-SRV-ATTR:user_data");
  const auto data = server.has_user_data
                        ? call.cloud.servers().user_data(call.ctx, server.id)
                        : Result<std::string>(std::string());
  if (data && !data->empty()) w.value(*data);
  else w.null();
}

/// What only GET shows, beside what PUT repeats.
void write_extensions(JsonWriter& w, const Call& call, const Server& server,
                      std::string_view host_status) {
  w.member_or_null("key_name", server.key_name);
  w.member("config_drive", "");
  w.member("OS-EXT-AZ:availability_zone",
           server.host_zone.empty() ? server.zone : server.host_zone);
  w.member("OS-EXT-STS:vm_state", to_string(server.vm_state));
  w.member_or_null("OS-EXT-STS:task_state", to_string(server.task_state));
  w.member("OS-EXT-STS:power_state", static_cast<int>(server.power_state));
  write_time(w, "OS-SRV-USG:launched_at", server.launched_at);
  w.member_null("OS-SRV-USG:terminated_at");
  w.key("os-extended-volumes:volumes_attached").open_list().close_list();
  // Groups are its ports' own; a server without any has none.
  if (!server.security_group_names.empty() && !(server.ports.empty() && server.launched_at)) {
    w.key("security_groups").open_list();
    for (const std::string& name : server.security_group_names)
      w.open().member("name", name).close();
    w.close_list();
  }
  if (call.ctx.is_admin) write_admin_attributes(w, call, server);
  if (call.microversion >= kV16 && call.ctx.is_admin) w.member("host_status", host_status);
}

}  // namespace

Result<CreateRequest> decode_create(Call& call) {
  CLOUDOS_TRY(const auto* server, call.json_object("server"));
  CLOUDOS_TRY(const auto* body, call.json());
  CLOUDOS_CHECK(check_hints(*body));
  CreateRequest request;
  const Members in(*server, "server");
  CLOUDOS_CHECK(decode_create_body(call, in, request));
  if (request.spec.image.empty())
    return no_such("server.imageRef", "an image to boot from is needed");
  return request;
}

Result<ServerUpdate> decode_update(Call& call) {
  CLOUDOS_TRY(const auto* server, call.json_object("server"));
  const Members in(*server, "server");
  ServerUpdate change;
  if (in.has("name")) {
    CLOUDOS_TRY(change.name, decode_server_name(in, "name"));
  }
  CLOUDOS_TRY(change.access_ipv4, in.maybe_text("accessIPv4"));
  CLOUDOS_TRY(change.access_ipv6, in.maybe_text("accessIPv6"));
  CLOUDOS_CHECK(decode_disk_config(in));
  if (call.microversion >= kV19 && in.has("description")) {
    CLOUDOS_TRY(const auto description, in.maybe_text("description"));
    change.description = description.value_or("");
  }
  CLOUDOS_CHECK(in.no_others());
  return change;
}

namespace {

Result<std::optional<WallTime>> query_time(const Call& call, std::string_view name) {
  const auto text = call.query(name);
  if (!text) return std::optional<WallTime>();
  const auto time = parse_time(*text);
  if (!time) return fail(ErrorCode::InvalidArgument, fmt::format("{}: is no ISO 8601 time", name));
  return std::optional<WallTime>(*time);
}

Result<void> decode_admin_query(const Call& call, ServerQuery& query) {
  const auto text = [&](std::string_view name) {
    return std::string(call.query(name).value_or(""));
  };
  query.host = text("host");
  query.zone = text("availability_zone");
  query.key_name = text("key_name");
  query.user = text("user_id");
  if (const auto uuid = call.query("uuid")) query.ids.emplace_back(*uuid);
  for (const std::string_view name : {"tenant_id", "project_id"}) {
    if (const auto project = call.query(name); project && !project->empty()) {
      query.project = ProjectId{std::string(*project)};
      query.all_projects = true;
    }
  }
  // A state nobody can be in finds nobody.
  const std::vector<std::string> kNobody = {"-"};
  if (const auto state = call.query("vm_state")) {
    query.vm_state = VmState::Building;
    for (const VmState each :
         {VmState::Building, VmState::Active, VmState::Stopped, VmState::Error}) {
      if (to_string(each) == *state) query.vm_state = each;
    }
    if (to_string(*query.vm_state) != *state) query.ids = kNobody;
  }
  if (const auto state = call.query("task_state")) {
    query.task_state = ServerTask::None;
    for (unsigned i = 0; i <= static_cast<unsigned>(ServerTask::Deleting); ++i) {
      if (to_string(static_cast<ServerTask>(i)) == *state)
        query.task_state = static_cast<ServerTask>(i);
    }
    if (to_string(*query.task_state) != *state) query.ids = kNobody;
  }
  CLOUDOS_TRY(const auto power, query_number(call, "power_state", 0, 9));
  if (power) query.power_state = static_cast<PowerState>(*power);
  return Result<void>();
}

}  // namespace

Result<ServerQuery> decode_server_query(const Call& call) {
  ServerQuery query;
  CLOUDOS_TRY(const auto page, call.page());
  query.marker = page.marker;
  query.limit = page.limit;
  CLOUDOS_TRY(const auto everyone, query_flag(call, "all_tenants"));
  if (everyone.value_or(false) && !call.ctx.is_admin) {
    return fail(ErrorCode::Forbidden,
                "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be "
                "performed.");
  }
  query.all_projects = everyone.value_or(false);
  const auto text = [&](std::string_view name) {
    return std::string(call.query(name).value_or(""));
  };
  query.name = text("name");
  query.image = text("image");
  query.flavor = text("flavor");
  query.reservation = text("reservation_id");
  query.ip = text("ip");
  if (query.ip.empty()) query.ip = text("ip6");
  for (const auto& [key, value] : call.query_all())
    if (key == "status") query.statuses.push_back(value);
  CLOUDOS_TRY(query.changed_since, query_time(call, "changes-since"));
  if (call.ctx.is_admin) CLOUDOS_CHECK(decode_admin_query(call, query));
  // Deleted servers are gone: nothing is kept of them.
  CLOUDOS_TRY(const auto deleted, query_flag(call, "deleted"));
  if (call.ctx.is_admin && deleted.value_or(false)) query.ids = {"-"};
  for (const auto& [key, value] : call.query_all()) {
    if (key == "sort_key" && value == "host" && !call.ctx.is_admin)
      return fail(ErrorCode::Forbidden, "sort_key: only administrators sort servers by host");
    if (key == "sort_key") query.sort.emplace_back(value, true);
    if (key == "sort_dir" && value != "asc" && value != "desc")
      return fail(ErrorCode::InvalidArgument, "sort_dir must be asc or desc");
  }
  std::size_t at = 0;
  for (const auto& [key, value] : call.query_all())
    if (key == "sort_dir" && at < query.sort.size()) query.sort[at++].second = value == "desc";
  return query;
}

void write_addresses(JsonWriter& w, const Server& server, AddressDetail detail) {
  std::vector<std::string_view> written;
  for (const ServerAddress& first : server.addresses) {
    const std::string_view name = first.network_name;
    if (std::find(written.begin(), written.end(), name) != written.end()) continue;
    written.push_back(name);
    w.key(name).open_list();
    for (const ServerAddress& each : server.addresses) {
      if (each.network_name != name) continue;
      w.open().member("version", each.ipv6 ? 6 : 4).member("addr", each.address);
      if (detail == AddressDetail::Full) {
        w.member("OS-EXT-IPS:type", each.floating ? "floating" : "fixed");
        w.member("OS-EXT-IPS-MAC:mac_addr", each.mac);
      }
      w.close();
    }
    w.close_list();
  }
}

void write_server(JsonWriter& w, const Call& call, const Server& server, ServerDetail detail,
                  std::string_view host_status) {
  w.open().member("id", server.id).member("name", server.name).member("status", server.status());
  w.member("tenant_id", server.project).member("user_id", server.user);
  w.member("metadata", server.metadata);
  // Tells one project's servers on one host apart from others', without naming the host.
  const std::string digest = sha256(server.project.value + server.host);
  w.member("hostId", server.host.empty()
                         ? std::string()
                         : to_hex({reinterpret_cast<const std::uint8_t*>(digest.data()), 28}));
  w.key("image").open().member("id", server.image);
  write_bookmark(w, call, "images", server.image.value);
  w.close().key("flavor").open().member("id", server.flavor.id);
  write_bookmark(w, call, "flavors", server.flavor.id.value);
  w.close().member("created", format_time(server.created_at));
  w.member("updated", format_time(server.updated_at));
  w.key("addresses").open();
  write_addresses(w, server, AddressDetail::Full);
  w.close().member("accessIPv4", server.access_ipv4).member("accessIPv6", server.access_ipv6);
  write_links(w, call, "servers", server.id.value);
  w.member("OS-DCF:diskConfig", server.manual_disk_config ? "MANUAL" : "AUTO");
  if (server.vm_state == VmState::Error && server.fault) write_fault(w, call, *server.fault);
  else if (server.vm_state == VmState::Active || server.vm_state == VmState::Building)
    w.member("progress", server.vm_state == VmState::Active ? 100 : 0);
  if (call.microversion >= kV9) w.member("locked", server.locked);
  if (call.microversion >= kV19) w.member_or_null("description", server.description);
  if (detail == ServerDetail::Full) write_extensions(w, call, server, host_status);
  w.close();
}

std::string make_password(Cloud& cloud) {
  // The last digits of our ids are random; twelve of them are 48 bits.
  return cloud.ids().hex().substr(20);
}

}  // namespace cloudos::rest::compute_api
