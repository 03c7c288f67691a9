#pragma once
#include <vector>

#include "cloudos/routers.hpp"
#include "network/impl.hpp"
#include "network/l3_records.hpp"

/// Floating addresses and port forwardings, within a transaction.
namespace cloudos::network {

/// Ports in whose subnet a router has a leg, as a snapshot showed them; checked in the transaction.
using LegsOfSubnets = std::map<SubnetId, std::vector<PortId>>;
Result<LegsOfSubnets> legs_beside(const store::Snapshot& snapshot, const PortId& port);

/// Where a floating address leads, or a forwarding: a port's IPv4 address behind a router.
struct Inside {
  Port port;
  FixedIp fixed;
  RouterId router;
};
/// The port's address `address` (empty: its only IPv4 one), and the router between it and the
/// external network. Errors: NotFound (port, way out), InvalidArgument.
Result<Inside> find_inside(store::Txn& txn, const Context& ctx, const ProjectId& project,
                           const NetworkId& external, const LegsOfSubnets& legs,
                           const PortId& port, const std::string& address);

/// Lets `floating` lead there. Errors: Conflict.
Result<void> associate(store::Txn& txn, const Inside& inside, FloatingIp& floating);
void disassociate(FloatingIp& floating);

/// These addresses of the port go: what leads to them leads nowhere from now on.
Result<void> free_port(store::Txn& txn, const Port& port, const std::vector<FixedIp>& going,
                       WallTime now);

/// Floating addresses of an external network that lead nowhere: they go with it.
Result<std::vector<FloatingIpId>> idle_floating(const store::Snapshot& snapshot,
                                                const NetworkId& network);
/// Those of `ids` that still lead nowhere.
Result<void> erase_idle_floating(const Networks::Impl& impl, store::Txn& txn,
                                 const std::vector<FloatingIpId>& ids);

/// The forwardings to a port, for those who know the port only.
std::vector<PortForwardingId> forwardings_to(store::Txn& txn, const PortId& port);
void note_forwarding(store::Txn& txn, const PortId& port, const PortForwardingId& id, bool there);
Result<void> erase_forwarding(store::Txn& txn, const PortForwarding& forwarding, WallTime now);

}  // namespace cloudos::network
