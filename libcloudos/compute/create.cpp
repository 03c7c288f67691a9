// Servers::create: everything that can be refused is refused here, then one commit.
#include <fmt/format.h>

#include "base/text.hpp"
#include "compute/flavors_room.hpp"
#include "compute/servers_impl.hpp"
#include "identity/quota.hpp"
#include "records/table.hpp"

namespace cloudos {
namespace {

constexpr std::uint64_t kGib = std::uint64_t{1} << 30;

/// An unknown reference in a body is a wrong request, not a missing resource.
template <class T>
Result<T> as_reference(Result<T> result) {
  if (result || result.error().code != ErrorCode::NotFound) return result;
  return fail(ErrorCode::InvalidArgument, result.error().message, result.error().detail);
}

Result<void> check_image(const Image& image, const Flavor& flavor) {
  if (image.status != ImageStatus::Active) {
    return fail(ErrorCode::InvalidArgument, fmt::format("Image {} is not active.", image.id.value));
  }
  switch (image.disk_format) {
    case DiskFormat::Aki:
    case DiskFormat::Ari:
    case DiskFormat::Unset:
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("Image {} is no disk to boot from.", image.id.value));
    default:
      break;
  }
  if (flavor.ram_mib < image.min_ram_mib) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("Flavor's memory is too small for requested image: {} MiB, the image "
                            "needs {}.", flavor.ram_mib, image.min_ram_mib));
  }
  if (flavor.disk_gib == 0) return Result<void>();
  const std::uint64_t size = image.virtual_size_bytes.value_or(image.size_bytes.value_or(0));
  if (flavor.disk_gib < image.min_disk_gib || flavor.disk_gib * kGib < size) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("Flavor's disk is too small for requested image: {} GiB, the image "
                            "needs {} bytes and at least {} GiB.", flavor.disk_gib, size,
                            image.min_disk_gib));
  }
  return Result<void>();
}

Result<void> check_spec(const ServerCreate& spec) {
  CLOUDOS_CHECK(check_name("name", spec.name, 1, limits::kNameChars));
  if (!spec.description.empty())
    CLOUDOS_CHECK(check_name("description", spec.description, 0, limits::kDescriptionChars));
  CLOUDOS_CHECK(compute::check_items("metadata", spec.metadata, false));
  if (spec.user_data.size() > limits::kUserDataBytes) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("user_data: at most {} characters of base64", limits::kUserDataBytes));
  }
  CLOUDOS_CHECK(compute::check_access_ips(spec.access_ipv4, spec.access_ipv6));
  if (!spec.user_data.empty() && !from_base64(spec.user_data))
    return fail(ErrorCode::InvalidArgument, "user_data: is not base64");
  if (spec.min_count < 1 || spec.max_count < spec.min_count ||
      spec.max_count > limits::kServersPerCall) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("min_count and max_count: 1 to {}, min_count at most max_count",
                            limits::kServersPerCall));
  }
  return Result<void>();
}

/// The networks the caller means when it names none.
Result<std::vector<ServerNetwork>> only_network(const Networks& networks, const Context& ctx) {
  CLOUDOS_TRY(const auto seen, networks.networks(ctx));
  std::vector<ServerNetwork> usable;
  for (const Network& network : seen) {
    const bool own = network.project == ctx.project;
    if ((own || network.shared) && !network.subnets.empty())
      usable.push_back({network.id, {}, {}});
  }
  if (usable.size() > 1) {
    return fail(ErrorCode::Conflict,
                "Multiple possible networks found, use a Network ID to be more specific.");
  }
  return usable;
}

class NetworkCheck {
 public:
  NetworkCheck(store::Store& store, const Networks& networks, const store::Snapshot& snapshot,
               const Context& ctx, std::uint32_t servers,
               const std::vector<SecurityGroupId>& groups)
      : store_(store), networks_(networks), snapshot_(snapshot), ctx_(ctx), servers_(servers),
        groups_(groups) {}

  Result<void> check(const std::vector<ServerNetwork>& wanted) {
    if (wanted.size() > limits::kServerPorts) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("networks: at most {} are possible", limits::kServerPorts));
    }
    for (const ServerNetwork& nic : wanted) {
      CLOUDOS_CHECK(nic.port.empty() ? check_network(nic) : check_port(nic));
    }
    return Result<void>();
  }

 private:
  Result<void> check_port(const ServerNetwork& nic) {
    if (servers_ > 1) {
      return fail(ErrorCode::InvalidArgument,
                  "Unable to launch multiple instances with a single configured port ID. Please "
                  "launch your instances one by one with different ports.");
    }
    if (!nic.fixed_ip.empty())
      return fail(ErrorCode::InvalidArgument, "networks: a port brings its own address");
    CLOUDOS_TRY(const Port port, as_reference(networks_.port(ctx_, nic.port)));
    if (!ports_.insert(port.id).second) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("Port {} is named twice.", port.id.value));
    }
    if (!port.device_id.empty())
      return fail(ErrorCode::Conflict, fmt::format("Port {} is still in use.", port.id.value));
    return Result<void>();
  }

  Result<void> check_network(const ServerNetwork& nic) {
    if (!nic.fixed_ip.empty() && servers_ > 1) {
      return fail(ErrorCode::InvalidArgument,
                  "Invalid fixed IP Address: one address cannot serve several servers.");
    }
    CLOUDOS_TRY(const Network network, as_reference(networks_.network(ctx_, nic.network)));
    if (network.subnets.empty()) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("Network {} requires a subnet in order to boot instances on.",
                              network.id.value));
    }
    // What the network service would refuse later, it says now.
    PortCreate port;
    port.network = network.id;
    if (!nic.fixed_ip.empty()) port.fixed_ips = std::vector<FixedIpRequest>{{{}, nic.fixed_ip}};
    if (!groups_.empty()) port.security_groups = groups_;
    CLOUDOS_TRY(const auto prepared,
                as_reference(networks_.prepare_port(snapshot_, ctx_, port)));
    return nic.fixed_ip.empty() ? Result<void>() : try_address(prepared, nic.fixed_ip);
  }

  /// Whether the network gives out this very address is for the network service to say: it makes
  /// the port in a transaction that is then dropped.
  Result<void> try_address(const PortPrep& prepared, const std::string& address) {
    Result<void> answer;
    (void)store_.transact([&](store::Txn& txn) -> Result<void> {
      const auto made = as_reference(networks_.create_port(txn, ctx_, prepared));
      answer = made ? Result<void>() : Result<void>(fail(made.error()));
      return fail(ErrorCode::Conflict, "only tried");
    });
    if (answer || (answer.error().code != ErrorCode::Conflict &&
                   answer.error().code != ErrorCode::AlreadyExists)) {
      return answer;
    }
    return fail(ErrorCode::InvalidArgument,
                fmt::format("Fixed IP address {} is already in use.", address));
  }

  store::Store& store_;
  const Networks& networks_;
  const store::Snapshot& snapshot_;
  const Context& ctx_;
  const std::uint32_t servers_;
  const std::vector<SecurityGroupId>& groups_;
  std::set<PortId> ports_;
};

/// "zone" or "zone:host" (":host" alone names any zone). Errors: Forbidden, InvalidArgument.
Result<void> read_zone(const Hosts& hosts, const Context& ctx, const std::string& text,
                       Server& server) {
  if (text.empty()) return Result<void>();
  const auto parts = split(text, ':');
  server.zone = parts[0];
  if (parts.size() > 1) {
    if (!ctx.is_admin)
      return fail(ErrorCode::Forbidden, "only administrators may name the host of a server");
    if (parts.size() > 3 || (parts.size() == 3 && parts[2] != parts[1] && !parts[2].empty()))
      return fail(ErrorCode::InvalidArgument, "availability_zone: zone, or zone:host");
    server.wanted_host = parts[1];
    if (!server.wanted_host.empty()) {
      CLOUDOS_CHECK(as_reference(hosts.get(ctx, server.wanted_host)));
    }
  }
  if (server.zone.empty()) return Result<void>();
  CLOUDOS_TRY(const auto zones, hosts.zones(ctx));
  for (const Hosts::Zone& zone : zones) {
    if (zone.name == server.zone) return Result<void>();
  }
  return fail(ErrorCode::InvalidArgument, "The requested availability zone is not available");
}

/// One server of a call: the template with its own ids and name.
struct Planned {
  Server server;
  tasks::TaskRecord task;
};

std::vector<Planned> plan_servers(const Engine& engine, const Context& ctx, const Server& model,
                                  std::uint32_t count) {
  std::vector<Planned> plan(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    Server& server = plan[i].server;
    server = model;
    server.id = engine.ids.make<ServerId>();
    if (count > 1) server.name = fmt::format("{}-{}", model.name, i + 1);
    server.host_name = compute::host_name_for(server.name, "server-" + server.id.value);
    server.launch_index = i;
    server.task = engine.ids.make<TaskId>();
    tasks::TaskRecord& task = plan[i].task;
    task.id = server.task;
    task.type = "create-server";
    task.params = {{"server", server.id.value}, {"admin", ctx.is_admin ? "1" : "0"}};
    task.resource = "server/" + server.id.value;
    task.project = server.project;
    task.request_id = ctx.request_id;
    task.traceparent = ctx.traceparent;
    task.created_at = server.created_at;
  }
  return plan;
}

/// Quota, pin, record, user data and task of one server, in the transaction of the call.
Result<void> write_server(Servers::Impl& room, store::Txn& txn, const Planned& plan,
                          const std::string& user_data) {
  Server server = plan.server;
  CLOUDOS_CHECK(Quota::reserve(txn, server.project, "servers", 1));
  CLOUDOS_CHECK(Quota::reserve(txn, server.project, "cores", server.flavor.vcpus));
  CLOUDOS_CHECK(Quota::reserve(txn, server.project, "ram_mib",
                               static_cast<std::int64_t>(server.flavor.ram_mib)));
  CLOUDOS_CHECK(room.images.pin(txn, server.image, room.holder_of(server.id)));
  if (server.has_user_data) txn.put(compute::user_data_key(server.id), user_data);
  CLOUDOS_CHECK(records::insert(txn, server));
  return tasks::enqueue(txn, plan.task);
}

}  // namespace

/// Looks everything up that the spec names. Errors: as Servers::create.
Result<Server> Servers::Impl::resolve(const Context& ctx, const ServerCreate& spec) const {
  Server model;
  model.project = ctx.project;
  model.user = ctx.user;
  model.name = spec.name;
  model.description = spec.description;
  model.metadata = spec.metadata;
  model.has_user_data = !spec.user_data.empty();
  model.manual_disk_config = spec.manual_disk_config;
  model.access_ipv4 = spec.access_ipv4;
  model.access_ipv6 = spec.access_ipv6;
  model.task_state = ServerTask::Scheduling;
  model.created_at = model.updated_at = engine.clock.wall();
  model.reservation = "r-" + engine.ids.hex().substr(24);
  CLOUDOS_TRY(model.flavor, as_reference(flavors->get(ctx, spec.flavor)));
  CLOUDOS_TRY(const Image image, as_reference(images.get(ctx, spec.image)));
  CLOUDOS_CHECK(check_image(image, model.flavor));
  model.image = image.id;
  model.disk_bytes = model.flavor.disk_gib * kGib;
  if (!spec.key_name.empty()) {
    const auto pair = keypairs->get(ctx, spec.key_name);
    if (!pair) return fail(ErrorCode::InvalidArgument, "Invalid key_name provided.");
    model.key_name = pair->name;
    model.public_key = pair->public_key;
  }
  CLOUDOS_CHECK(read_zone(hosts, ctx, spec.availability_zone, model));
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  // The default group alone is what ports get that name none; it may not be made yet.
  const bool only_default = spec.security_groups == std::vector<std::string>{"default"};
  for (const std::string& name : spec.security_groups) {
    if (only_default) break;
    CLOUDOS_TRY(const auto group, as_reference(networks.find_group(*snapshot, ctx, name)));
    model.security_groups.push_back(group.id);
    model.security_group_names.push_back(group.name);
  }
  if (model.security_group_names.empty()) model.security_group_names = {"default"};
  CLOUDOS_TRY(model.networks, resolve_networks(ctx, *snapshot, spec.networks, spec.max_count,
                                               model.security_groups));
  return model;
}

Result<std::vector<ServerNetwork>> Servers::Impl::resolve_networks(
    const Context& ctx, const store::Snapshot& snapshot,
    const std::optional<std::vector<ServerNetwork>>& asked, std::uint32_t servers,
    const std::vector<SecurityGroupId>& groups) const {
  std::vector<ServerNetwork> found;
  if (asked) {
    found = *asked;
  } else {
    CLOUDOS_TRY(found, only_network(networks, ctx));
  }
  NetworkCheck check(engine.store, networks, snapshot, ctx, servers, groups);
  CLOUDOS_CHECK(check.check(found));
  return found;
}

Result<std::vector<Server>> Servers::create_many(const Context& ctx, const ServerCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(check_spec(spec));
  const Engine& engine = impl_->engine;
  CLOUDOS_TRY(const Server model, impl_->resolve(ctx, spec));
  const auto plan = plan_servers(engine, ctx, model, spec.max_count);
  std::uint32_t count = spec.max_count;
  for (;; --count) {
    const auto written = engine.store.transact([&](store::Txn& txn) -> Result<void> {
      for (std::uint32_t i = 0; i < count; ++i)
        CLOUDOS_CHECK(write_server(*impl_, txn, plan[i], spec.user_data));
      return Result<void>();
    });
    if (written) break;
    if (written.error().code != ErrorCode::QuotaExceeded || count <= spec.min_count)
      return fail(written.error());
  }
  engine.runner.wake();
  std::vector<Server> servers;
  for (std::uint32_t i = 0; i < count; ++i) servers.push_back(plan[i].server);
  return servers;
}

Result<Server> Servers::create(const Context& ctx, const ServerCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  ServerCreate one = spec;
  one.min_count = one.max_count = 1;
  CLOUDOS_TRY(auto servers, create_many(ctx, one));
  return std::move(servers.front());
}

}  // namespace cloudos
