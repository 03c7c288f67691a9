#pragma once
#include "network/extra_records.hpp"
#include "network/impl.hpp"
#include "network/plan.hpp"

/// Sub-ports of trunks follow their parent's device: on its host, as long as it is there.
namespace cloudos::network {

/// Puts the sub-port where the parent's device is. Where that host's driver carries no sub-ports, or
/// another driver than the parent's would have it, it stays down, and its binding says why.
/// Does nothing while the parent is on no host. Writes `sub`.
Result<void> plug_sub_port(const Networks::Impl& impl, store::Txn& txn, const Port& parent,
                           Port& sub);
/// All of the parent's trunk. Success when it has none.
Result<void> plug_sub_ports(const Networks::Impl& impl, store::Txn& txn, const Port& parent);
Result<void> unplug_sub_ports(const Networks::Impl& impl, store::Txn& txn, const Port& parent);
/// Takes the sub-port off its host, if it is on one. Changes `sub` alone: the caller writes it, and
/// hands the levels it had to Impl::release_levels().
Result<void> leave_host(const Networks::Impl& impl, store::Txn& txn, Port& sub);

/// Fills in whose frames with which tag the port's are. False: its parent is not where it is.
bool plan_sub_port(const store::Snapshot& snapshot, const Port& sub, PortPlan& plan);

}  // namespace cloudos::network
