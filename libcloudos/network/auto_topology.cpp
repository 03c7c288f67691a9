#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "network/auto_addresses.hpp"
#include "network/floating_txn.hpp"
#include "network/l3_records.hpp"
#include "network/pool_records.hpp"
#include "network/sharing.hpp"
#include "network/topology_txn.hpp"

namespace cloudos {
namespace network {
namespace {

/// Whose topology is there; its value is the network's id.
std::string topology_key(const ProjectId& project) {
  return fmt::format("/auto-topology/{}", records::key_part(project.value));
}

Failure topology_failure(std::string_view reason) {
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

/// All of it, drawn before the one transaction that makes it.
struct TopologyDraft {
  NetworkDraft network;
  RouterDraft router;
  struct Arm {
    SubnetDraft subnet;
    LegDraft leg;
  };
  std::vector<Arm> arms;  ///< One of each family.
};

Result<TopologyDraft> draft_topology(Networks::Impl& impl, const Context& ctx,
                                     const TopologyGround& ground) {
  TopologyDraft draft;
  NetworkCreate network;
  network.name = "auto_allocated_network";
  CLOUDOS_TRY(draft.network, draft_network(impl, ctx, network));
  RouterCreate router;
  router.name = "auto_allocated_router";
  router.gateway = GatewaySpec{ground.outside, {}, {}};
  CLOUDOS_TRY(draft.router, draft_router(impl, ctx, router));
  for (const unsigned version : ground.families) {
    SubnetCreate spec;
    spec.network = draft.network.network.id;
    spec.name = fmt::format("auto_allocated_subnet_v{}", version);
    spec.ip_version = version;
    spec.use_default_pool = true;
    if (version == 6 && ground.slaac) spec.ra_mode = spec.address_mode = "slaac";
    CLOUDOS_TRY(auto subnet, draft_subnet(impl, ctx, spec));
    draft.arms.push_back({std::move(subnet), draft_leg(impl)});
  }
  return draft;
}

Result<void> insert_topology(Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                             const TopologyDraft& draft) {
  CLOUDOS_CHECK(insert_network(impl, txn, ctx, draft.network));
  CLOUDOS_TRY(Router router, insert_router(impl, ctx, txn, draft.router));
  for (const TopologyDraft::Arm& arm : draft.arms) {
    CLOUDOS_TRY(const Subnet subnet, insert_subnet(impl, ctx, txn, arm.subnet));
    CLOUDOS_CHECK(add_leg(impl, txn, ctx, {subnet.id, {}}, arm.leg, router));
  }
  return records::update(txn, router);
}

/// What a snapshot showed beside the network.
struct TopologyLeavings {
  std::vector<std::pair<RouterId, PortId>> legs;
  std::vector<RbacPolicyId> grants;
  std::vector<FloatingIpId> idle;
};

Result<TopologyLeavings> topology_leavings(const store::Snapshot& snapshot, const NetworkId& id) {
  TopologyLeavings left;
  CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "network", id.value));
  for (const Port& port : ports)
    if (port.device_owner == kInterfaceOwner) left.legs.emplace_back(port.router, port.id);
  CLOUDOS_TRY(left.grants, grants_of(snapshot, id.value));
  CLOUDOS_TRY(left.idle, idle_floating(snapshot, id));
  return left;
}

/// The routers beside the network, then the network.
Result<void> erase_topology(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                            const NetworkId& id, const TopologyLeavings& left) {
  std::set<RouterId> routers;
  for (const auto& [of, port] : left.legs) {
    CLOUDOS_TRY(Router router, load_owned<Router>(txn, ctx, of));
    CLOUDOS_CHECK(drop_leg(impl, txn, {{}, port}, impl.engine.clock.wall(), router));
    CLOUDOS_CHECK(records::update(txn, router));
    routers.insert(of);
  }
  for (const RouterId& of : routers) {
    CLOUDOS_TRY(const Router router, load<Router>(txn, of));
    CLOUDOS_CHECK(erase_router(impl, txn, router));
  }
  return erase_network(impl, txn, ctx, id, left.grants, left.idle);
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
  CLOUDOS_TRY(const auto draft, network::draft_topology(impl_, caller, ground));
  AutoTopology topology{project, draft.network.network.id};
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    const std::string key = network::topology_key(project);
    const auto held = txn.get(key);
    if (held && records::get<Network>(txn, NetworkId{std::string(*held)})) {
      topology.network = NetworkId{std::string(*held)};
      return Result<void>();
    }
    topology.network = draft.network.network.id;
    txn.put(key, topology.network.value);
    return network::insert_topology(impl_, txn, caller, draft);
  }));
  for (const auto& arm : draft.arms)
    network::give_auto_addresses(impl_, arm.subnet.subnet.id);
  return topology;
}

Result<void> Routers::delete_auto_topology(const Context& ctx, const ProjectId& project) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_TRY(const Context caller, network::topology_caller(ctx, project));
  return store::replan([&]() -> Result<void> {
    std::optional<AutoTopology> stored;
    network::TopologyLeavings left;
    {
      CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
      CLOUDOS_TRY(stored, network::stored_topology(*snapshot, project));
      if (stored) {
        CLOUDOS_TRY(left, network::topology_leavings(*snapshot, stored->network));
      }
    }
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      txn.erase(network::topology_key(project));
      if (!stored) return Result<void>();
      return network::erase_topology(impl_, txn, caller, stored->network, left);
    });
  });
}

}  // namespace cloudos
