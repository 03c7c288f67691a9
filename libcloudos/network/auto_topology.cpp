#include <algorithm>

#include <fmt/format.h>

#include "network/impl.hpp"
#include "network/l3_records.hpp"
#include "network/pool_records.hpp"

namespace cloudos {
namespace network {
namespace {

/// Whose topology is there; its value is the network's id.
std::string topology_key(const ProjectId& project) {
  return fmt::format("/auto-topology/{}", records::key_part(project.value));
}

tl::unexpected<Error> topology_failure(std::string_view reason) {
  return fail_as("AutoAllocationFailure", ErrorCode::Conflict,
                 fmt::format("Deployment error: {}.", reason));
}

/// What a topology is made over.
struct TopologyGround {
  NetworkId outside;
  std::vector<unsigned> families;  ///< With a default subnet pool.
  bool slaac = false;              ///< That of IPv6 gives /64.
};

Result<TopologyGround> topology_ground(const store::Snapshot& snapshot) {
  TopologyGround ground;
  CLOUDOS_TRY(const auto networks, records::all<Network>(snapshot, "public", "1"));
  for (const Network& one : networks)
    if (one.external && one.is_default) ground.outside = one.id;
  if (ground.outside.empty()) return topology_failure("No default router:external network");
  for (const unsigned version : {4U, 6U}) {
    CLOUDOS_TRY(const auto id, records::find_unique(snapshot, SubnetPool::kKind, "default", "",
                                                    version == 6 ? "6" : "4"));
    if (!id) continue;
    CLOUDOS_TRY(const auto pool, records::get<SubnetPool>(snapshot, *id));
    ground.families.push_back(version);
    ground.slaac = ground.slaac || (version == 6 && pool.default_prefix == 64);
  }
  if (ground.families.empty()) return topology_failure("No default subnetpools defined");
  return ground;
}

Result<std::optional<AutoTopology>> stored_topology(const store::Snapshot& snapshot,
                                                    const ProjectId& project) {
  CLOUDOS_TRY(const auto entry, snapshot.get(topology_key(project)));
  if (!entry || !records::get<Network>(snapshot, NetworkId{entry->value}))
    return std::optional<AutoTopology>();
  return std::optional(AutoTopology{project, NetworkId{entry->value}});
}

Result<Context> topology_caller(const Context& ctx, const ProjectId& project) {
  if (project.empty()) return invalid("project_id is empty");
  if (!ctx.may_see(project))
    return forbidden("auto-allocated-topology: only an admin acts for another project");
  Context caller = ctx;
  caller.project = project;
  return caller;
}

/// Takes away what is there of the network and the routers beside it, whatever that is.
Result<void> tear_down(Networks& networks, const Context& ctx, const NetworkId& id) {
  NetworkListSpec legs;
  legs.filters.emplace_back("network_id", id.value);
  legs.filters.emplace_back("device_owner", std::string(kInterfaceOwner));
  CLOUDOS_TRY(const auto ports, networks.ports(ctx, legs));
  for (const Port& port : ports) {
    CLOUDOS_CHECK(networks.routers().remove_interface(ctx, port.router, {{}, port.id}));
    CLOUDOS_CHECK(networks.routers().remove(ctx, port.router));
  }
  return networks.delete_network(ctx, id);
}

Result<void> build_up(Networks& networks, const Context& ctx, const TopologyGround& ground,
                      const NetworkId& id) {
  RouterCreate router;
  router.name = "auto_allocated_router";
  router.gateway = GatewaySpec{ground.outside, {}, {}};
  CLOUDOS_TRY(const Router made, networks.routers().create(ctx, router));
  for (const unsigned version : ground.families) {
    SubnetCreate spec;
    spec.network = id;
    spec.name = fmt::format("auto_allocated_subnet_v{}", version);
    spec.ip_version = version;
    spec.use_default_pool = true;
    if (version == 6 && ground.slaac) spec.ra_mode = spec.address_mode = "slaac";
    auto subnet = networks.create_subnet(ctx, spec);
    auto leg = subnet ? networks.routers().add_interface(ctx, made.id, {subnet->id, {}})
                      : Result<RouterInterface>(fail(subnet.error()));
    if (leg) continue;
    // Without a leg nobody else would find it.
    if (version == ground.families.front()) (void)networks.routers().remove(ctx, made.id);
    return fail(std::move(leg).error());
  }
  return Result<void>();
}

}  // namespace
}  // namespace network

Result<void> Routers::check_auto_topology(const Context& ctx, const ProjectId& project) const {
  CLOUDOS_CHECK(network::topology_caller(ctx, project));
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_CHECK(network::topology_ground(*snapshot));
  return Result<void>();
}

Result<AutoTopology> Routers::auto_topology(const Context& ctx, const ProjectId& project) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_TRY(const Context caller, network::topology_caller(ctx, project));
  network::TopologyGround ground;
  {
    CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
    CLOUDOS_TRY(const auto stored, network::stored_topology(*snapshot, project));
    if (stored) return *stored;
    CLOUDOS_TRY(ground, network::topology_ground(*snapshot));
  }
  NetworkCreate spec;
  spec.name = "auto_allocated_network";
  CLOUDOS_TRY(const Network made, impl_.whole->create_network(caller, spec));
  // The one who writes the mark has the project's topology; it is whole only after that.
  AutoTopology topology{project, made.id};
  bool mine = false;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    const std::string key = network::topology_key(project);
    const auto held = txn.get(key);
    mine = !held || !records::get<Network>(txn, NetworkId{std::string(*held)});
    if (mine) txn.put(key, made.id.value);
    else topology.network = NetworkId{std::string(*held)};
    return Result<void>();
  }));
  if (!mine) {
    CLOUDOS_CHECK(impl_.whole->delete_network(caller, made.id));
    return topology;
  }
  if (auto built = network::build_up(*impl_.whole, caller, ground, made.id); !built) {
    (void)delete_auto_topology(ctx, project);
    return fail(std::move(built).error());
  }
  return topology;
}

Result<void> Routers::delete_auto_topology(const Context& ctx, const ProjectId& project) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_TRY(const Context caller, network::topology_caller(ctx, project));
  std::optional<AutoTopology> stored;
  {
    CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
    CLOUDOS_TRY(stored, network::stored_topology(*snapshot, project));
  }
  if (stored) CLOUDOS_CHECK(network::tear_down(*impl_.whole, caller, stored->network));
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    txn.erase(network::topology_key(project));
    return Result<void>();
  });
}

}  // namespace cloudos
