#include <algorithm>

#include <fmt/format.h>

#include "identity/quota.hpp"
#include "network/port_checks.hpp"
#include "network/topology_txn.hpp"

namespace cloudos {
namespace network {
namespace {

Failure bad_leg(std::string message) {
  return fail_as("BadRequest", ErrorCode::InvalidArgument, std::move(message));
}

RouterInterface interface_of(const Router& router, const Port& port,
                             const std::vector<SubnetId>& subnets) {
  return {router.id, router.project, port.network, port.id, subnets, port.tags};
}

/// The router's port on a network that has IPv6 addresses only: more of them join it.
Result<std::optional<Port>> v6_leg_on(store::Txn& txn, const Router& router,
                                      const NetworkId& network) {
  for (const PortId& id : router.interfaces) {
    CLOUDOS_TRY(Port port, load<Port>(txn, id));
    const bool six = std::all_of(port.fixed_ips.begin(), port.fixed_ips.end(), [](const auto& f) {
      return f.address.find(':') != std::string::npos;
    });
    if (port.network == network && six) return std::optional<Port>(std::move(port));
  }
  return std::optional<Port>();
}

Result<void> check_leg_subnet(const Subnet& subnet) {
  if (subnet.gateway.empty()) return bad_leg("Subnet for router interface must have a gateway IP");
  if (subnet.v6() && subnet.ra_mode.empty() && !subnet.address_mode.empty()) {
    return bad_leg(fmt::format("IPv6 subnet {} configured to receive RAs from an external router "
                               "cannot be added to Neutron Router.", subnet.id.value));
  }
  return Result<void>();
}

Port new_leg(const Router& router, const Network& network, const LegDraft& draft) {
  Port port;
  port.id = draft.id;
  port.project = router.project;
  port.network = network.id;
  port.device_id = router.id.value;
  port.device_owner = kInterfaceOwner;
  port.router = router.id;
  port.port_security = false;
  port.foreign = router.project != network.project;
  port.tap = tap_name(draft.id);
  port.created_at = port.updated_at = draft.now;
  return port;
}

Result<RouterInterface> add_subnet(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                                   const SubnetId& id, const LegDraft& draft, Router& router) {
  CLOUDOS_TRY(const Subnet subnet, load_seen<Subnet>(txn, ctx, id));
  CLOUDOS_TRY(const Network network, load_seen<Network>(txn, ctx, subnet.network));
  if (!ctx.may_see(subnet.project) && !network.shared && !subnet.shared) {
    return bad_leg(fmt::format("Cannot add interface to router because subnet {} is not owned by "
                               "project making the request", id.value));
  }
  CLOUDOS_CHECK(check_leg_subnet(subnet));
  CLOUDOS_TRY(const auto legs, leg_subnets(txn, router));
  CLOUDOS_CHECK(check_leg_overlap(legs, subnet));
  const std::vector<FixedIpRequest> asked = {{subnet.id, subnet.gateway}};
  if (subnet.v6()) {
    CLOUDOS_TRY(auto joined, v6_leg_on(txn, router, network.id));
    if (joined) {
      CLOUDOS_TRY(const auto taken, impl.take_addresses(txn, network, *joined, &asked));
      joined->fixed_ips.insert(joined->fixed_ips.end(), taken.begin(), taken.end());
      joined->updated_at = draft.now;
      CLOUDOS_CHECK(records::update(txn, *joined));
      CLOUDOS_CHECK(impl.precommit_port(txn, *joined, network));
      return interface_of(router, *joined, {subnet.id});
    }
  }
  Port port = new_leg(router, network, draft);
  CLOUDOS_TRY(port.mac, free_mac(txn, network.id, draft.macs));
  CLOUDOS_TRY(port.fixed_ips, impl.take_addresses(txn, network, port, &asked));
  CLOUDOS_CHECK(plug_leg(impl, txn, network, router, port));
  CLOUDOS_CHECK(network::reserve_quota(txn, port.project, "ports", 1));
  CLOUDOS_CHECK(records::insert(txn, port));
  CLOUDOS_CHECK(impl.precommit_port(txn, port, network));
  router.interfaces.push_back(port.id);
  return interface_of(router, port, {subnet.id});
}

Result<std::vector<SubnetId>> check_leg_port(store::Txn& txn, const Router& router,
                                             const Port& port) {
  if (!port.device_id.empty() || !port.router.empty() || !port.device_owner.empty()) {
    return fail_as("PortInUse", ErrorCode::Conflict,
                   fmt::format("Unable to complete operation on port {} for network {}. Port "
                               "already has an attached device {}.", port.id.value,
                               port.network.value, port.device_id));
  }
  if (port.fixed_ips.empty()) return bad_leg("Router port must have at least one fixed IP");
  CLOUDOS_TRY(auto legs, leg_subnets(txn, router));
  std::vector<SubnetId> subnets;
  std::size_t fours = 0;
  for (const FixedIp& fixed : port.fixed_ips) {
    CLOUDOS_TRY(Subnet subnet, load<Subnet>(txn, fixed.subnet));
    CLOUDOS_CHECK(check_leg_overlap(legs, subnet));
    fours += subnet.v6() ? 0 : 1;
    subnets.push_back(subnet.id);
    legs.push_back({port.id, std::move(subnet)});
  }
  if (fours > 1) return bad_leg("Cannot have multiple IPv4 subnets on router port");
  return subnets;
}

Result<RouterInterface> add_port(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                                 const PortId& id, const LegDraft& draft, Router& router) {
  CLOUDOS_TRY(Port port, load_owned<Port>(txn, ctx, id));
  CLOUDOS_TRY(const auto subnets, check_leg_port(txn, router, port));
  CLOUDOS_TRY(const Network network, load<Network>(txn, port.network));
  port.device_id = router.id.value;
  port.device_owner = kInterfaceOwner;
  port.router = router.id;
  port.port_security = false;
  port.security_groups.clear();
  port.allowed_address_pairs.clear();
  port.updated_at = draft.now;
  CLOUDOS_CHECK(plug_leg(impl, txn, network, router, port));
  CLOUDOS_CHECK(records::update(txn, port));
  CLOUDOS_CHECK(impl.precommit_port(txn, port, network));
  router.interfaces.push_back(port.id);
  return interface_of(router, port, subnets);
}

}  // namespace

Result<RouterInterface> add_leg(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                                const RouterLeg& leg, const LegDraft& draft, Router& router) {
  auto added = leg.port.empty() ? add_subnet(impl, txn, ctx, leg.subnet, draft, router)
                                : add_port(impl, txn, ctx, leg.port, draft, router);
  router.updated_at = draft.now;
  return added;
}

namespace {

// ---- a leg goes ---------------------------------------------------------------------------------

Result<Port> find_leg(store::Txn& txn, const Router& router, const RouterLeg& leg) {
  for (const PortId& id : router.interfaces) {
    if (!leg.port.empty() && id != leg.port) continue;
    CLOUDOS_TRY(Port port, load<Port>(txn, id));
    const bool has = std::any_of(port.fixed_ips.begin(), port.fixed_ips.end(),
                                 [&](const FixedIp& f) { return f.subnet == leg.subnet; });
    if (leg.subnet.empty() || has) return port;
    if (leg.port.empty()) continue;
    return fail_as("SubnetMismatchForPort", ErrorCode::Conflict,
                   fmt::format("Subnet on port {} does not match the requested subnet {}.",
                               id.value, leg.subnet.value.substr(0, 64)));
  }
  if (!leg.port.empty()) {
    return fail_as("RouterInterfaceNotFound", ErrorCode::NotFound,
                   fmt::format("Router {} does not have an interface with id {}", router.id.value,
                               leg.port.value.substr(0, 64)));
  }
  return fail_as("RouterInterfaceNotFoundForSubnet", ErrorCode::NotFound,
                 fmt::format("Router {} has no interface on subnet {}", router.id.value,
                             leg.subnet.value.substr(0, 64)));
}

Result<void> check_leg_unused(store::Txn& txn, const Router& router, const SubnetId& id) {
  if (carries_floating(txn, router.id, id)) {
    return fail_as("RouterInterfaceInUseByFloatingIP", ErrorCode::Conflict,
                   fmt::format("Router interface for subnet {} on router {} cannot be deleted, as "
                               "it is required by one or more floating IPs.", id.value,
                               router.id.value));
  }
  CLOUDOS_TRY(const Subnet subnet, load<Subnet>(txn, id));
  for (const HostRoute& route : router.routes) {
    const auto hop = parse_ip(route.nexthop);
    if (!hop || !block_of(subnet).contains(*hop)) continue;
    return fail_as("RouterInterfaceInUseByRoute", ErrorCode::Conflict,
                   fmt::format("Router interface for subnet {} on router {} cannot be deleted, as "
                               "it is required by one or more routes.", id.value,
                               router.id.value));
  }
  return Result<void>();
}

}  // namespace

Result<RouterInterface> drop_leg(const Networks::Impl& impl, store::Txn& txn,
                                 const RouterLeg& leg, WallTime now, Router& router) {
  CLOUDOS_TRY(Port port, find_leg(txn, router, leg));
  router.updated_at = now;
  std::vector<FixedIp> going = port.fixed_ips, kept;
  if (leg.port.empty() && going.size() > 1) {
    // One of several IPv6 subnets: the others stay.
    const auto other = [&](const FixedIp& fixed) { return fixed.subnet != leg.subnet; };
    std::copy_if(going.begin(), going.end(), std::back_inserter(kept), other);
    std::erase_if(going, other);
  }
  std::vector<SubnetId> subnets;
  for (const FixedIp& fixed : going) {
    CLOUDOS_CHECK(check_leg_unused(txn, router, fixed.subnet));
    subnets.push_back(fixed.subnet);
  }
  if (kept.empty()) {
    CLOUDOS_CHECK(impl.erase_port(txn, port));
    std::erase(router.interfaces, port.id);
    return interface_of(router, port, subnets);
  }
  CLOUDOS_CHECK(impl.give_back(txn, going));
  port.fixed_ips = std::move(kept);
  port.updated_at = now;
  CLOUDOS_CHECK(records::update(txn, port));
  CLOUDOS_TRY(const Network network, load<Network>(txn, port.network));
  CLOUDOS_CHECK(impl.precommit_port(txn, port, network));
  return interface_of(router, port, subnets);
}

}  // namespace network

Result<RouterInterface> Routers::add_interface(const Context& ctx, const RouterId& id,
                                               const RouterLeg& leg) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  if (leg.subnet.empty() && leg.port.empty())
    return network::bad_leg("Either subnet_id or port_id must be specified");
  if (!leg.subnet.empty() && !leg.port.empty())
    return network::bad_leg("Cannot specify both subnet-id and port-id");
  const auto draft = network::draft_leg(impl_);
  RouterInterface added;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Router router, network::load_owned<Router>(txn, ctx, id));
    CLOUDOS_TRY(added, network::add_leg(impl_, txn, ctx, leg, draft, router));
    return records::update(txn, router);
  }));
  return added;
}

Result<RouterInterface> Routers::remove_interface(const Context& ctx, const RouterId& id,
                                                  const RouterLeg& leg) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  if (leg.subnet.empty() && leg.port.empty())
    return network::bad_leg("Either subnet_id or port_id must be specified");
  const WallTime now = impl_.engine.clock.wall();
  RouterInterface removed;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Router router, network::load_owned<Router>(txn, ctx, id));
    CLOUDOS_TRY(removed, network::drop_leg(impl_, txn, leg, now, router));
    return records::update(txn, router);
  }));
  return removed;
}

}  // namespace cloudos
