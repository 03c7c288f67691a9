#include "network/plan_router.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "network/extra_records.hpp"
#include "network/l3_records.hpp"
#include "network/pool_records.hpp"
#include "network/qos.hpp"

namespace cloudos::network {
namespace {

bool carried(const Port& port, std::string_view driver, std::string_view host) {
  return port.plugged && port.driver == driver && (host.empty() || port.host == host);
}

/// A leg as its host needs it, with the subnets it is in.
struct Leg {
  RouterPortPlan plan;
  std::vector<Subnet> subnets;
};

Result<std::optional<Leg>> leg_plan(const store::Snapshot& snapshot, std::string_view driver,
                                    std::string_view host, const PortId& id) {
  const auto port = records::get<Port>(snapshot, id);
  if (!port || !carried(*port, driver, host)) return std::optional<Leg>();
  CLOUDOS_TRY(const auto network, records::get<Network>(snapshot, port->network));
  Leg leg;
  leg.plan.port = port->id;
  leg.plan.network = port->network;
  leg.plan.mac = port->mac;
  leg.plan.mtu = network.mtu;
  for (const FixedIp& fixed : port->fixed_ips) {
    CLOUDOS_TRY(auto subnet, records::get<Subnet>(snapshot, fixed.subnet));
    leg.plan.addresses.push_back(fixed.address + subnet.cidr.substr(subnet.cidr.find('/')));
    leg.subnets.push_back(std::move(subnet));
  }
  return std::optional<Leg>(std::move(leg));
}

void advertise(const Leg& leg, RouterPlan& plan) {
  for (const Subnet& subnet : leg.subnets) {
    if (subnet.ra_mode.empty()) continue;
    plan.advertise.push_back(
        {leg.plan.network, subnet.cidr, subnet.ra_mode, subnet.dns_servers, leg.plan.mtu});
  }
}

/// Empty: of no scope.
AddressScopeId scope_of_subnet(const store::Snapshot& snapshot, const Subnet& subnet) {
  if (subnet.pool.empty()) return {};
  const auto pool = records::get<SubnetPool>(snapshot, subnet.pool);
  return pool ? pool->scope : AddressScopeId{};
}

void plan_gateway(const store::Snapshot& snapshot, const Leg& gateway,
                  const std::vector<Leg>& legs, RouterPlan& plan) {
  std::set<bool> families;
  std::set<AddressScopeId> scopes;
  for (const Subnet& subnet : gateway.subnets) {
    if (!subnet.gateway.empty() && families.insert(subnet.v6()).second)
      plan.gateway_hops.push_back(subnet.gateway);
    if (auto scope = scope_of_subnet(snapshot, subnet); !scope.empty())
      scopes.insert(std::move(scope));
  }
  for (const Leg& leg : legs)
    for (const Subnet& subnet : leg.subnets)
      if (scopes.count(scope_of_subnet(snapshot, subnet)) > 0)
        plan.snat_excluded.push_back(subnet.cidr);
  plan.gateway = gateway.plan;
}

Result<void> plan_addresses(const store::Snapshot& snapshot, const RouterId& id,
                            RouterPlan& plan) {
  CLOUDOS_TRY(const auto floating, records::all<FloatingIp>(snapshot, "router", id.value));
  std::map<FloatingIpId, std::string> addresses;
  for (const FloatingIp& one : floating) {
    addresses.emplace(one.id, one.address);
    if (one.port.empty()) continue;
    QosPlan qos;
    if (!one.qos_policy.empty())
      if (const auto policy = records::get<QosPolicy>(snapshot, one.qos_policy))
        qos = qos_plan(*policy);
    qos.dscp.reset();
    plan.floating.push_back({one.id, one.address, one.fixed_address, qos});
  }
  CLOUDOS_TRY(const auto forwards, records::all<PortForwarding>(snapshot, "router", id.value));
  for (const PortForwarding& one : forwards) {
    const auto address = addresses.find(one.floating_ip);
    if (address == addresses.end()) continue;
    plan.forwards.push_back({one.id, address->second, one.protocol, one.external_first,
                             one.external_last, one.internal_address, one.internal_first,
                             one.internal_last});
  }
  return Result<void>();
}

}  // namespace

Result<PlanPtr<RouterPlan>> plan_router(const store::Snapshot& snapshot, std::string_view driver,
                                        std::string_view host, const RouterId& id) {
  const auto router = records::get<Router>(snapshot, id);
  if (!router) {
    if (router.error().code == ErrorCode::NotFound) return PlanPtr<RouterPlan>();
    return fail(router.error());
  }
  RouterPlan plan;
  plan.id = id;
  plan.admin_up = router->admin_up;
  plan.snat = router->snat;
  std::vector<Leg> legs;
  for (const PortId& port : router->interfaces) {
    CLOUDOS_TRY(auto leg, leg_plan(snapshot, driver, host, port));
    if (!leg) continue;
    plan.legs.push_back(leg->plan);
    advertise(*leg, plan);
    legs.push_back(std::move(*leg));
  }
  if (!router->gateway_port.empty()) {
    CLOUDOS_TRY(const auto leg, leg_plan(snapshot, driver, host, router->gateway_port));
    if (leg) plan_gateway(snapshot, *leg, legs, plan);
  }
  if (plan.legs.empty() && !plan.gateway) return PlanPtr<RouterPlan>();
  for (const HostRoute& route : router->routes)
    plan.routes.emplace_back(route.destination, route.nexthop);
  CLOUDOS_CHECK(plan_addresses(snapshot, id, plan));
  return std::make_shared<const RouterPlan>(std::move(plan));
}

Result<std::vector<RouterId>> routers_on(const store::Snapshot& snapshot, std::string_view driver,
                                         std::string_view host) {
  CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "plugged", driver));
  std::set<RouterId> routers;
  for (const Port& port : ports)
    if (!port.router.empty() && carried(port, driver, host)) routers.insert(port.router);
  return std::vector<RouterId>(routers.begin(), routers.end());
}

namespace {

/// `rests`: nobody is to carry its router, so nobody failed to.
FloatingIpStatus status_of(const FloatingIp& floating, bool rests, bool works) {
  if (rests || (floating.port.empty() && floating.forwardings.empty()))
    return FloatingIpStatus::Down;
  return works ? FloatingIpStatus::Active : FloatingIpStatus::Error;
}

template <class Reader>
Result<bool> router_rests(Reader& reader, const RouterId& id) {
  const auto router = records::get<Router>(reader, id);
  if (router) return router->unscheduled || !router->admin_up;
  if (router.error().code == ErrorCode::NotFound) return true;
  return fail(router.error());
}

}  // namespace

Result<void> settle_router(store::Store& store, const RouterId& id, bool works) {
  std::vector<FloatingIpId> differing;
  {
    CLOUDOS_TRY(const auto snapshot, store.snapshot());
    CLOUDOS_TRY(const bool rests, router_rests(*snapshot, id));
    CLOUDOS_TRY(const auto all, records::all<FloatingIp>(*snapshot, "router", id.value));
    for (const FloatingIp& one : all)
      if (one.status != status_of(one, rests, works)) differing.push_back(one.id);
  }
  if (differing.empty()) return Result<void>();
  CLOUDOS_CHECK(store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const bool rests, router_rests(txn, id));
    for (const FloatingIpId& floating : differing) {
      auto one = records::get<FloatingIp>(txn, floating);
      if (!one || one->router != id) continue;  // Moved on meanwhile.
      one->status = status_of(*one, rests, works);
      CLOUDOS_CHECK(records::update(txn, *one));
    }
    return Result<void>();
  }));
  return Result<void>();
}

}  // namespace cloudos::network
