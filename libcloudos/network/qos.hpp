#pragma once
#include "cloudos/network_driver.hpp"
#include "cloudos/network_qos.hpp"
#include "cloudos/store.hpp"

namespace cloudos::network {

/// What a policy asks of a port's device. Pure.
QosPlan qos_plan(const QosPolicy& policy);
/// The plan of the port's policy, or else of its network's; no limits when neither has one, and for
/// ports of the cloud's own.
QosPlan qos_plan(const store::Snapshot& snapshot, const Port& port, const Network& network);

}  // namespace cloudos::network
