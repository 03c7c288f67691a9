#pragma once
#include <map>
#include <string>
#include <vector>

#include "network/impl.hpp"
#include "network/ip.hpp"
#include "network/l3_records.hpp"

/// Routers' legs and gateways, within a transaction.
namespace cloudos::network {

/// What a leg's port is made of, drawn before the transaction.
struct LegDraft {
  PortId id;
  std::vector<std::string> macs;
  WallTime now;
};
LegDraft draft_leg(const Networks::Impl& impl);

/// Whose host can carry routers: its name (empty: any host), or nothing.
std::optional<std::string> router_host(const Networks::Impl& impl);
/// Routers with a leg that waits for a host that carries routers have a key under this.
inline constexpr std::string_view kLegsDuePrefix = "/legs-due/";
/// Plugs the legs that wait, once a host can carry them: a reconciler's pass.
Result<bool> plug_waiting_legs(Networks::Impl& impl);
/// Plugs the leg where the router is, or notes that it waits: for a host that carries routers at
/// all, or for a driver that takes the leg there. The record is not written.
Result<void> plug_leg(const Networks::Impl& impl, store::Txn& txn, const Network& network, Router& router,
                      Port& leg);

/// Every subnet the router has an address in, with the port that has it.
struct LegSubnet {
  PortId port;
  Subnet subnet;
};
Result<std::vector<LegSubnet>> leg_subnets(store::Txn& txn, const Router& router);
/// Errors: InvalidArgument (the router has a leg in it, or in one that overlaps).
Result<void> check_leg_overlap(const std::vector<LegSubnet>& legs, const Subnet& subnet);

/// A leg has other addresses now, already written: it meets no other leg, and what floating addresses
/// and routes need is still there. Writes the router, so that its host hears of it.
/// Errors: InvalidArgument, Conflict.
Result<void> check_readdressed(store::Txn& txn, const Port& before, const Port& after);

/// Makes, keeps or takes away the gateway as asked. Changes `router`, which the caller writes.
Result<void> set_gateway(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                         const GatewaySpec& spec, const LegDraft& draft, Router& router);
/// Checked and canonical. Errors: InvalidArgument.
Result<std::vector<HostRoute>> check_routes_of(store::Txn& txn, const Router& router,
                                               const std::vector<HostRoute>& routes);
Result<std::vector<HostRoute>> normal_routes(const std::vector<HostRoute>& routes);

/// Floating addresses or forwardings stand on that leg, or (without a subnet) on the router.
bool carries_floating(store::Txn& txn, const RouterId& router, const SubnetId& subnet);
Result<void> erase_leg(const Networks::Impl& impl, store::Txn& txn, const PortId& port);

}  // namespace cloudos::network
