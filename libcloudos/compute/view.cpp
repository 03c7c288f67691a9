// What is read of servers: one, lists, console, user data.
#include <fstream>

#include <fmt/format.h>

#include "base/text.hpp"
#include "compute/names.hpp"
#include "compute/servers_impl.hpp"
#include "records/table.hpp"

namespace cloudos {

using compute::pattern_found;

namespace {

using ServerLess = std::function<bool(const Server&, const Server&)>;

/// Three-way comparison by one field; nothing when servers cannot be sorted by it.
std::function<int(const Server&, const Server&)> comparison(std::string_view key) {
  const auto by = [](auto value) {
    return [value](const Server& a, const Server& b) {
      const auto left = value(a);
      const auto right = value(b);
      return left < right ? -1 : right < left ? 1 : 0;
    };
  };
  if (key == "uuid" || key == "id") return by([](const Server& s) { return s.id.value; });
  if (key == "display_name" || key == "name") return by([](const Server& s) { return s.name; });
  if (key == "created_at") return by([](const Server& s) { return s.created_at; });
  if (key == "updated_at") return by([](const Server& s) { return s.updated_at; });
  if (key == "launched_at")
    return by([](const Server& s) { return s.launched_at.value_or(WallTime{}); });
  if (key == "host") return by([](const Server& s) { return s.host; });
  if (key == "vm_state") return by([](const Server& s) { return to_string(s.vm_state); });
  if (key == "task_state") return by([](const Server& s) { return to_string(s.task_state); });
  if (key == "power_state") return by([](const Server& s) { return s.power_state; });
  if (key == "image_ref") return by([](const Server& s) { return s.image.value; });
  if (key == "instance_type_id" || key == "flavor")
    return by([](const Server& s) { return s.flavor.id.value; });
  if (key == "project_id") return by([](const Server& s) { return s.project.value; });
  if (key == "user_id") return by([](const Server& s) { return s.user.value; });
  if (key == "availability_zone") return by([](const Server& s) { return s.host_zone; });
  if (key == "key_name") return by([](const Server& s) { return s.key_name; });
  if (key == "display_description") return by([](const Server& s) { return s.description; });
  if (key == "launch_index") return by([](const Server& s) { return s.launch_index; });
  return nullptr;
}

Result<ServerLess> server_order(const ServerQuery& query) {
  std::vector<std::pair<std::function<int(const Server&, const Server&)>, bool>> keys;
  for (const auto& [key, descending] : query.sort) {
    auto compare = comparison(key);
    if (!compare) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("sort_key: '{}' is not a key to sort servers by", key.substr(0, 64)));
    }
    keys.emplace_back(std::move(compare), descending);
  }
  // Newest first is what the store keeps: nothing to sort then.
  if (keys.empty()) return ServerLess();
  return ServerLess([keys = std::move(keys)](const Server& a, const Server& b) {
    for (const auto& [compare, descending] : keys) {
      if (const int order = compare(a, b)) return descending ? order > 0 : order < 0;
    }
    return false;
  });
}

bool equal_or_any(const std::string& wanted, const std::string& value) {
  return wanted.empty() || wanted == value;
}

bool matches_record(const ServerQuery& query, const Server& server) {
  if (!query.name.empty() && !pattern_found(query.name, server.name)) return false;
  if (!query.statuses.empty() &&
      std::none_of(query.statuses.begin(), query.statuses.end(), [&](const std::string& status) {
        return equals_ignore_case(status, server.status());
      })) {
    return false;
  }
  if (query.vm_state && *query.vm_state != server.vm_state) return false;
  if (query.task_state && *query.task_state != server.task_state) return false;
  if (query.power_state && *query.power_state != server.power_state) return false;
  if (query.changed_since && server.updated_at < *query.changed_since) return false;
  if (query.changed_before && server.updated_at > *query.changed_before) return false;
  if (!query.ids.empty() &&
      std::find(query.ids.begin(), query.ids.end(), server.id.value) == query.ids.end()) {
    return false;
  }
  return equal_or_any(query.image, server.image.value) &&
         equal_or_any(query.flavor, server.flavor.id.value) &&
         equal_or_any(query.host, server.host) && equal_or_any(query.zone, server.host_zone) &&
         equal_or_any(query.key_name, server.key_name) &&
         equal_or_any(query.user, server.user.value) &&
         equal_or_any(query.reservation, server.reservation);
}

/// The last `lines` lines of `text`; an unfinished last line counts.
std::string_view last_lines(std::string_view text, std::uint64_t lines) {
  if (lines == 0) return {};
  std::size_t at = text.size();
  if (at > 0 && text[at - 1] == '\n') --at;
  for (; at > 0; --at) {
    if (text[at - 1] == '\n' && --lines == 0) break;
  }
  return text.substr(at);
}

}  // namespace

Result<Server> Servers::Impl::find(const store::Snapshot& snapshot, const Context& ctx,
                                   const ServerId& id) const {
  auto server = records::get<Server>(snapshot, id);
  if ((!server && server.error().code == ErrorCode::NotFound) ||
      (server && !ctx.may_see(server->project))) {
    return fail(ErrorCode::NotFound,
                fmt::format("Instance {} could not be found.", id.value.substr(0, 64)));
  }
  if (!server) return fail(std::move(server).error());
  return std::move(*server);
}

/// Names of networks and groups, each looked up once a call.
const std::string& Servers::Impl::Names::network(const NetworkId& id) {
  const auto known = networks_.find(id);
  if (known != networks_.end()) return known->second;
  const auto found = service_.network(Context::system(), id);
  return networks_[id] = found ? found->name : id.value;
}

const std::string& Servers::Impl::Names::group(const SecurityGroupId& id) {
  const auto known = groups_.find(id);
  if (known != groups_.end()) return known->second;
  const auto found = service_.group(Context::system(), id);
  return groups_[id] = found ? found->name : id.value;
}

/// What a server looks like from outside: addresses and groups are its ports' own.
Result<void> Servers::Impl::fill_view(const store::Snapshot& snapshot, Names& names,
                                      Server& server) const {
  if (server.ports.empty()) return Result<void>();
  CLOUDOS_TRY(const auto ports, networks.ports_of(snapshot, server.id));
  std::vector<std::string> groups;
  const auto add = [&](const Port& port) -> Result<void> {
    CLOUDOS_TRY(const auto floating, networks.floating_of(snapshot, port.id));
    for (const FixedIp& ip : port.fixed_ips) {
      server.addresses.push_back({names.network(port.network), port.network, port.id, port.mac,
                                  ip.address, ip.address.find(':') != std::string::npos, false});
    }
    for (const auto& pair : floating) {
      server.addresses.push_back({names.network(port.network), port.network, port.id, port.mac,
                                  pair.second, false, true});
    }
    for (const SecurityGroupId& group : port.security_groups) {
      const std::string& name = names.group(group);
      if (std::find(groups.begin(), groups.end(), name) == groups.end()) groups.push_back(name);
    }
    return Result<void>();
  };
  for (const ServerPort& used : server.ports) {
    const auto port = std::find_if(ports.begin(), ports.end(),
                                   [&](const Port& p) { return p.id == used.port; });
    if (port != ports.end()) CLOUDOS_CHECK(add(*port));
  }
  server.security_group_names = std::move(groups);
  return Result<void>();
}

Result<Server> Servers::get(const Context& ctx, const ServerId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  CLOUDOS_TRY(Server server, impl_->find(*snapshot, ctx, id));
  Impl::Names names(impl_->networks);
  CLOUDOS_CHECK(impl_->fill_view(*snapshot, names, server));
  return server;
}

Result<std::vector<Server>> Servers::list(const Context& ctx, const ServerQuery& query) const {
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  const bool everyone = query.all_projects && ctx.is_admin;
  const ProjectId& project = everyone ? query.project : ctx.project;
  records::PageSpec<Server> spec;
  if (!everyone || !project.empty()) spec.range = {"project", project.value, true};
  CLOUDOS_TRY(spec.less, server_order(query));
  Impl::Names names(impl_->networks);
  std::optional<Error> broken;
  spec.matches = [&](const Server& server) {
    if (!matches_record(query, server)) return false;
    if (query.ip.empty()) return true;
    Server seen = server;
    if (auto filled = impl_->fill_view(*snapshot, names, seen); !filled) broken = filled.error();
    return std::any_of(seen.addresses.begin(), seen.addresses.end(),
                       [&](const ServerAddress& a) {
                         return !a.floating && pattern_found(query.ip, a.address);
                       });
  };
  if (!query.marker.empty()) {
    if (!impl_->find(*snapshot, ctx, ServerId{query.marker}))
      return records::bad_marker(Server::kKind, query.marker);
    spec.marker = query.marker;
  }
  spec.limit = query.limit;
  CLOUDOS_TRY(auto servers, records::page(*snapshot, spec));
  if (broken) return fail(std::move(*broken));
  if (query.with_addresses) {
    for (Server& server : servers) CLOUDOS_CHECK(impl_->fill_view(*snapshot, names, server));
  }
  return servers;
}

Result<std::string> Servers::console_output(const Context& ctx, const ServerId& id,
                                            std::optional<std::uint64_t> lines) const {
  {
    CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
    CLOUDOS_TRY(const Server server, impl_->find(*snapshot, ctx, id));
    if (server.host.empty()) {
      return fail(ErrorCode::Conflict, fmt::format("Instance {} is not ready", id.value));
    }
  }
  if (impl_->engine.data_dir.empty()) return std::string();
  std::ifstream file(impl_->folder_of(id) / "console.log", std::ios::binary);
  if (!file) return std::string();  // The guest has not been started yet.
  file.seekg(0, std::ios::end);
  const auto size = static_cast<std::streamoff>(file.tellg());
  const auto most = static_cast<std::streamoff>(limits::kConsoleBytes);
  const std::streamoff from = size > most ? size - most : 0;
  file.seekg(from);
  std::string text(static_cast<std::size_t>(size - from), '\0');
  file.read(text.data(), size - from);
  text.resize(static_cast<std::size_t>(file.gcount()));
  return lines ? std::string(last_lines(text, *lines)) : text;
}

Result<std::string> Servers::user_data(const Context& ctx, const ServerId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  CLOUDOS_TRY(const Server server, impl_->find(*snapshot, ctx, id));
  if (!server.has_user_data) return std::string();
  CLOUDOS_TRY(auto entry, snapshot->get(compute::user_data_key(id)));
  return entry ? std::move(entry->value) : std::string();
}

}  // namespace cloudos
