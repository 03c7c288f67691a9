#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "cloudos/networks.hpp"
#include "cloudos/network_driver.hpp"
#include "cloudos/store.hpp"

/// What should be true on a host, as a pure function of a snapshot.
///
/// A driver's plan holds the ports it has bound and that are plugged, their networks whole (with
/// every address DHCP hands out), and the groups those ports and their rules refer to. A network
/// without a plugged port is not on the host: it costs nothing until something uses it.
namespace cloudos::network {

template <class PlanType>
using PlanPtr = std::shared_ptr<const PlanType>;  // Shared with Change and with who remembers it.

/// Null: not in `driver`'s plan, or gone.
Result<PlanPtr<NetworkPlan>> plan_network(const store::Snapshot& snapshot, std::string_view driver,
                                          const NetworkId& id);
Result<PlanPtr<GroupPlan>> plan_group(const store::Snapshot& snapshot, std::string_view driver,
                                      const SecurityGroupId& id);
Result<PlanPtr<PortPlan>> plan_port(const store::Snapshot& snapshot, std::string_view driver,
                                    const PortId& id);
Result<Plan> plan_all(const store::Snapshot& snapshot, std::string_view driver);

// The parts that need no scan; precommit sees these.
NetworkPlan plan_of(const Network& network);
SubnetPlan plan_of(const Subnet& subnet);
PortPlan plan_of(const Port& port, const Network& network);

/// "host-10-0-0-5"
std::string default_host_name(std::string_view address);

}  // namespace cloudos::network
