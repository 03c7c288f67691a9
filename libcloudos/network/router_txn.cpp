#include "network/router_txn.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cloudos/limits.hpp"
#include "identity/quota.hpp"
#include "network/port_checks.hpp"
#include "network/sharing.hpp"

namespace cloudos::network {
namespace {

constexpr std::size_t kRouterRoutes = 30;

Failure bad_router(std::string message) {
  return fail_as("BadRequest", ErrorCode::InvalidArgument, std::move(message));
}

Result<Network> external_network(store::Txn& txn, const Context& ctx, const NetworkId& id) {
  CLOUDOS_TRY(Network network, load_seen<Network>(txn, ctx, id));
  if (!network.external)
    return bad_router(fmt::format("Network {} is not an external network", id.value));
  return network;
}

Result<void> check_gateway_overlap(store::Txn& txn, const Router& router, const Network& network) {
  CLOUDOS_TRY(const auto outside, subnets_of(txn, network));
  Router inner = router;
  inner.gateway_ips.clear();
  CLOUDOS_TRY(const auto legs, leg_subnets(txn, inner));
  for (const Subnet& subnet : outside) CLOUDOS_CHECK(check_leg_overlap(legs, subnet));
  return Result<void>();
}

Result<void> drop_gateway(const Networks::Impl& impl, store::Txn& txn, Router& router) {
  if (router.gateway_port.empty()) return Result<void>();
  if (carries_floating(txn, router.id, SubnetId{})) {
    return fail_as("RouterExternalGatewayInUseByFloatingIp", ErrorCode::Conflict,
                   fmt::format("Gateway cannot be updated for router {}, since a gateway to "
                               "external network {} is required by one or more floating IPs.",
                               router.id.value, router.gateway_network.value));
  }
  CLOUDOS_CHECK(erase_leg(impl, txn, router.gateway_port));
  router.gateway_port = PortId{};
  router.gateway_network = NetworkId{};
  router.gateway_ips.clear();
  return Result<void>();
}

/// The gateway's port is its network's, so that no tenant counts it; nor is a limit of the network's
/// owner asked, who would else stop others' routers.
Result<void> make_gateway(const Networks::Impl& impl, store::Txn& txn, const Network& network,
                          const GatewaySpec& spec, const LegDraft& draft, Router& router) {
  Port port;
  port.id = draft.id;
  port.project = network.project;
  port.network = network.id;
  CLOUDOS_TRY(port.mac, free_mac(txn, network.id, draft.macs));
  port.device_id = router.id.value;
  port.device_owner = kGatewayOwner;
  port.router = router.id;
  port.port_security = false;
  port.tap = tap_name(draft.id);
  port.created_at = port.updated_at = draft.now;
  const bool named = spec.ips && !spec.ips->empty();
  // First its host: on a routed network the address follows from where that is.
  CLOUDOS_CHECK(plug_leg(impl, txn, network, router, port));
  CLOUDOS_TRY(port.fixed_ips,
              impl.take_addresses(txn, network, port, named ? &*spec.ips : nullptr));
  CLOUDOS_CHECK(Quota::add(txn, port.project, "ports", 1));
  CLOUDOS_CHECK(records::insert(txn, port));
  CLOUDOS_CHECK(impl.precommit_port(txn, port, network));
  router.gateway_network = network.id;
  router.gateway_port = port.id;
  router.gateway_ips = port.fixed_ips;
  return Result<void>();
}

/// Other addresses of the gateway it has.
Result<void> readdress_gateway(const Networks::Impl& impl, store::Txn& txn, const Network& network,
                               const std::vector<FixedIpRequest>& asked, const LegDraft& draft,
                               Router& router) {
  CLOUDOS_TRY(Port port, load<Port>(txn, router.gateway_port));
  std::vector<FixedIp> kept, going;
  std::vector<FixedIpRequest> wanted = asked;
  for (const FixedIp& held : port.fixed_ips) {
    const auto found = std::find_if(wanted.begin(), wanted.end(), [&](const FixedIpRequest& one) {
      return (one.subnet.empty() || one.subnet == held.subnet) &&
             (one.address.empty() || parse_ip(one.address) == parse_ip(held.address));
    });
    if (found == wanted.end()) {
      going.push_back(held);
      continue;
    }
    kept.push_back(held);
    wanted.erase(found);
  }
  if (going.empty() && wanted.empty()) return Result<void>();
  CLOUDOS_CHECK(impl.give_back(txn, going));
  port.fixed_ips = kept;
  CLOUDOS_TRY(const auto taken, impl.take_addresses(txn, network, port, &wanted));
  port.fixed_ips.insert(port.fixed_ips.end(), taken.begin(), taken.end());
  port.updated_at = draft.now;
  CLOUDOS_CHECK(records::update(txn, port));
  CLOUDOS_CHECK(impl.precommit_port(txn, port, network));
  router.gateway_ips = port.fixed_ips;
  return Result<void>();
}

}  // namespace

LegDraft draft_leg(const Networks::Impl& impl) {
  return {impl.engine.ids.make<PortId>(), impl.make_macs(), impl.engine.clock.wall()};
}

std::optional<std::string> router_host(const Networks::Impl& impl) {
  for (const auto& one : impl.wiring.abilities()) {
    bool works = false;
    for (const Ability& ability : one.abilities)
      works = works || (ability.name == "router" && ability.works);
    if (works) return one.host;
  }
  return std::nullopt;
}

namespace {

std::string legs_due(const RouterId& id) {
  return fmt::format("{}{}", kLegsDuePrefix, records::key_part(id.value));
}

/// Written once: a key that comes wakes whoever plugs.
void note_waiting(store::Txn& txn, const RouterId& id) {
  const std::string key = legs_due(id);
  if (!txn.get(key)) txn.put(key, "1");
}

Result<void> plug_all_legs(const Networks::Impl& impl, store::Txn& txn, const RouterId& id,
                           WallTime now) {
  auto router = records::get<Router>(txn, id);
  const bool gone = !router && router.error().code == ErrorCode::NotFound;
  if (gone || (router && router->unscheduled)) {
    txn.erase(legs_due(id));
    return Result<void>();
  }
  if (!router) return fail(std::move(router).error());
  bool waits = false, changed = false;
  auto legs = router->interfaces;
  if (!router->gateway_port.empty()) legs.push_back(router->gateway_port);
  for (const PortId& leg : legs) {
    CLOUDOS_TRY(Port port, load<Port>(txn, leg));
    if (port.plugged) continue;
    CLOUDOS_TRY(const Network network, load<Network>(txn, port.network));
    CLOUDOS_CHECK(plug_leg(impl, txn, network, *router, port));
    waits = waits || !port.plugged;
    if (!port.plugged) continue;
    changed = true;
    port.updated_at = now;
    CLOUDOS_CHECK(records::update(txn, port));
    CLOUDOS_CHECK(impl.precommit_port(txn, port, network));
  }
  if (!waits) txn.erase(legs_due(id));
  if (!changed) return Result<void>();
  router->updated_at = now;
  return records::update(txn, *router);
}

}  // namespace

Result<bool> plug_waiting_legs(Networks::Impl& impl) {
  if (!router_host(impl)) return false;
  store::ScanOptions options;
  options.keys_only = true;
  options.limit = limits::kListPage;
  const WallTime now = impl.engine.clock.wall();
  std::optional<Error> failure;
  for (bool more = true; more;) {
    CLOUDOS_TRY(const auto snapshot, impl.snapshot());
    CLOUDOS_TRY(const auto due, snapshot->scan(kLegsDuePrefix, options));
    for (const auto& entry : due) {
      const RouterId id{entry.key.substr(kLegsDuePrefix.size())};
      const auto plugged =
          impl.transact([&](store::Txn& txn) { return plug_all_legs(impl, txn, id, now); });
      if (!plugged && !failure) failure = plugged.error();  // The others need not wait for it.
    }
    more = due.size() == options.limit;
    if (more) options.after = due.back().key;
  }
  if (failure) return fail(std::move(*failure));
  return false;  // Those that wait still do so until the period is over.
}

Result<void> plug_leg(const Networks::Impl& impl, store::Txn& txn, const Network& network, Router& router,
                      Port& leg) {
  if (leg.plugged || router.unscheduled) return Result<void>();
  const auto host = router_host(impl);
  if (!host) {
    note_waiting(txn, router.id);
    return Result<void>();
  }
  // One leg decides for all: a router is whole on one host.
  if (router.host.empty()) router.host = *host;
  Port there = leg;
  const auto bound = impl.bind_port(txn, network, there, router.host);
  if (bound) {
    leg = std::move(there);
    leg.plugged = true;
    return Result<void>();
  }
  const bool elsewhere = bound.error().type == "PortBindingError" ||
                         bound.error().type == "HostNotCompatibleWithFixedIps";
  if (!elsewhere) return fail(bound.error());
  note_waiting(txn, router.id);  // It stays DOWN until then, as it truly is.
  return Result<void>();
}

Result<std::vector<LegSubnet>> leg_subnets(store::Txn& txn, const Router& router) {
  std::vector<LegSubnet> legs;
  for (const FixedIp& fixed : router.gateway_ips) {
    CLOUDOS_TRY(auto subnet, load<Subnet>(txn, fixed.subnet));
    legs.push_back({router.gateway_port, std::move(subnet)});
  }
  for (const PortId& id : router.interfaces) {
    CLOUDOS_TRY(const Port port, load<Port>(txn, id));
    for (const FixedIp& fixed : port.fixed_ips) {
      CLOUDOS_TRY(auto subnet, load<Subnet>(txn, fixed.subnet));
      legs.push_back({id, std::move(subnet)});
    }
  }
  return legs;
}

Result<void> check_leg_overlap(const std::vector<LegSubnet>& legs, const Subnet& subnet) {
  const IpBlock block = block_of(subnet);
  for (const LegSubnet& leg : legs) {
    if (leg.subnet.id == subnet.id)
      return bad_router(fmt::format("Router already has a port on subnet {}", subnet.id.value));
    if (!block_of(leg.subnet).overlaps(block)) continue;
    return bad_router(fmt::format("Cidr {} of subnet {} overlaps with cidr {} of subnet {}",
                                  subnet.cidr, subnet.id.value, leg.subnet.cidr,
                                  leg.subnet.id.value));
  }
  return Result<void>();
}

Result<void> check_readdressed(store::Txn& txn, const Port& before, const Port& after) {
  if (after.fixed_ips.empty()) return bad_router("Router port must have at least one fixed IP");
  CLOUDOS_TRY(Router router, load<Router>(txn, after.router));
  CLOUDOS_TRY(auto legs, leg_subnets(txn, router));
  std::erase_if(legs, [&](const LegSubnet& leg) { return leg.port == after.id; });
  std::size_t fours = 0;
  std::vector<SubnetId> has;
  for (const FixedIp& fixed : after.fixed_ips) {
    if (std::find(has.begin(), has.end(), fixed.subnet) != has.end()) continue;
    has.push_back(fixed.subnet);
    CLOUDOS_TRY(Subnet subnet, load<Subnet>(txn, fixed.subnet));
    CLOUDOS_CHECK(check_leg_overlap(legs, subnet));
    fours += subnet.v6() ? 0 : 1;
    legs.push_back({after.id, std::move(subnet)});
  }
  if (fours > 1) return bad_router("Cannot have multiple IPv4 subnets on router port");
  for (const FixedIp& fixed : before.fixed_ips) {
    if (std::find(has.begin(), has.end(), fixed.subnet) != has.end()) continue;
    if (!carries_floating(txn, router.id, fixed.subnet)) continue;
    return fail_as("RouterInterfaceInUseByFloatingIP", ErrorCode::Conflict,
                   fmt::format("Router interface for subnet {} on router {} cannot be deleted, as "
                               "it is required by one or more floating IPs.", fixed.subnet.value,
                               router.id.value));
  }
  CLOUDOS_CHECK(check_routes_of(txn, router, router.routes));
  router.updated_at = after.updated_at;
  return records::update(txn, router);
}

Result<void> set_gateway(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                         const GatewaySpec& spec, const LegDraft& draft, Router& router) {
  CLOUDOS_CHECK(admin_only(ctx, spec.snat.has_value(), "external_gateway_info:enable_snat"));
  CLOUDOS_CHECK(admin_only(ctx, spec.ips && !spec.ips->empty(),
                           "external_gateway_info:external_fixed_ips"));
  router.snat = spec.snat.value_or(true);
  if (spec.network.empty()) return drop_gateway(impl, txn, router);
  CLOUDOS_TRY(const Network network, external_network(txn, ctx, spec.network));
  if (router.gateway_network == spec.network) {
    if (!spec.ips || spec.ips->empty()) return Result<void>();
    return readdress_gateway(impl, txn, network, *spec.ips, draft, router);
  }
  CLOUDOS_CHECK(drop_gateway(impl, txn, router));
  CLOUDOS_CHECK(check_gateway_overlap(txn, router, network));
  note_use(txn, router.project, network);
  return make_gateway(impl, txn, network, spec, draft, router);
}

Result<std::vector<HostRoute>> normal_routes(const std::vector<HostRoute>& routes) {
  std::vector<HostRoute> normal;
  for (const HostRoute& route : routes) {
    const auto block = parse_ip_block(route.destination);
    const auto hop = parse_ip(route.nexthop);
    if (!block || !hop || block->base.v6 != hop->v6) {
      return invalid(fmt::format("routes: '{}' by '{}' is not a block and an address of one family",
                                 route.destination.substr(0, 64), route.nexthop.substr(0, 64)));
    }
    HostRoute one{block->text(), hop->text()};
    if (std::find(normal.begin(), normal.end(), one) == normal.end())
      normal.push_back(std::move(one));
  }
  return normal;
}

Result<std::vector<HostRoute>> check_routes_of(store::Txn& txn, const Router& router,
                                               const std::vector<HostRoute>& routes) {
  if (routes.size() > kRouterRoutes) {
    return fail_as("RoutesExhausted", ErrorCode::InvalidArgument,
                   fmt::format("Unable to complete operation for {}. The number of routes exceeds "
                               "the maximum {}.", router.id.value, kRouterRoutes));
  }
  if (routes.empty()) return routes;
  CLOUDOS_TRY(const auto legs, leg_subnets(txn, router));
  std::vector<std::string> own;
  for (const FixedIp& fixed : router.gateway_ips) own.push_back(fixed.address);
  for (const PortId& id : router.interfaces) {
    CLOUDOS_TRY(const Port port, load<Port>(txn, id));
    for (const FixedIp& fixed : port.fixed_ips) own.push_back(fixed.address);
  }
  for (const HostRoute& route : routes) {
    const auto hop = parse_ip(route.nexthop);
    const bool near = hop && std::any_of(legs.begin(), legs.end(), [&](const LegSubnet& leg) {
                        return block_of(leg.subnet).contains(*hop);
                      });
    const bool self = std::find(own.begin(), own.end(), route.nexthop) != own.end();
    if (near && !self) continue;
    return fail_as("InvalidRoutes", ErrorCode::InvalidArgument,
                   fmt::format("Invalid format for routes: {} via {}, the nexthop is {}.",
                               route.destination, route.nexthop,
                               self ? "used by router" : "not connected with router"));
  }
  return routes;
}

bool carries_floating(store::Txn& txn, const RouterId& router, const SubnetId& subnet) {
  const std::string_view field = subnet.empty() ? "router" : "leg";
  const std::string value = subnet.empty() ? router.value : leg_of(router, subnet);
  return !txn.none(records::index_prefix(FloatingIp::kKind, field, value)) ||
         !txn.none(records::index_prefix(PortForwarding::kKind, field, value));
}

Result<void> erase_leg(const Networks::Impl& impl, store::Txn& txn, const PortId& id) {
  CLOUDOS_TRY(const Port port, load<Port>(txn, id));
  return impl.erase_port(txn, port);
}

}  // namespace cloudos::network
