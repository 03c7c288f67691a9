#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "cloudos/network_driver.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/store.hpp"

/// What should be true on a host, as a pure function of a snapshot.
///
/// A driver's plan holds the ports it has bound and that are plugged, their networks whole (with
/// every address DHCP hands out), and the groups those ports and their rules refer to. A network
/// without a plugged port is not on the host: it costs nothing until something uses it.
namespace cloudos::network {

template <class PlanType>
using PlanPtr = std::shared_ptr<const PlanType>;  // Shared with Change and with who remembers it.

/// Whose plan it is: what `driver` has bound, on `host` alone when that is named.
struct PlanScope {
  std::string_view driver, host = {};
  /// Where each host's tunnels end; null: no host has any.
  const std::map<std::string, std::string>* tunnels = nullptr;
  PlanScope(std::string_view name, std::string_view on = {},
            const std::map<std::string, std::string>* ends = nullptr)
      : driver(name), host(on), tunnels(ends) {}
  bool has(const Port& port) const {
    return port.plugged && (host.empty() || port.host == host) && bound_by(port);
  }
  /// At whatever level.
  bool bound_by(const Port& port) const {
    if (port.driver == driver) return true;
    for (const BindingLevel& level : port.levels)
      if (level.driver == driver) return true;
    return false;
  }
};

/// Null: not in the scope's plan, or gone.
Result<PlanPtr<NetworkPlan>> plan_network(const store::Snapshot& snapshot, const PlanScope& scope,
                                          const NetworkId& id);
Result<PlanPtr<GroupPlan>> plan_group(const store::Snapshot& snapshot, const PlanScope& scope,
                                      const SecurityGroupId& id);
/// A router's leg is its router's: no port of its own.
Result<PlanPtr<PortPlan>> plan_port(const store::Snapshot& snapshot, const PlanScope& scope,
                                    const PortId& id);
Result<PlanPtr<AddressGroupPlan>> plan_address_group(const store::Snapshot& snapshot,
                                                     const PlanScope& scope,
                                                     const AddressGroupId& id);
/// plan_router(), and what is counted on it.
Result<PlanPtr<RouterPlan>> plan_whole_router(const store::Snapshot& snapshot,
                                              const PlanScope& scope, const RouterId& id);
Result<Plan> plan_all(const store::Snapshot& snapshot, const PlanScope& scope);

// The parts that need no scan; precommit sees these.
NetworkPlan plan_of(const Network& network);
SubnetPlan plan_of(const Subnet& subnet);
PortPlan plan_of(const Port& port, const Network& network);

/// The id of the DHCP agent on the host of a driver; of a driver of all hosts, its only one.
std::string dhcp_agent_id(std::string_view driver, std::string_view host);

/// "host-10-0-0-5"
std::string default_host_name(std::string_view address);

}  // namespace cloudos::network
