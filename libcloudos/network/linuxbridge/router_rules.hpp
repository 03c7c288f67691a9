#pragma once
#include <string>
#include <vector>

#include "network/linuxbridge/ruleset.hpp"

/// What a router's namespace has to hold, as values. No I/O.
namespace cloudos::network::linuxbridge {

/// A leg's two devices, from its port's id.
std::string leg_outer(const Names& names, const PortId& port);  ///< Its end in the bridge.
std::string leg_inner(const Names& names, const PortId& port);  ///< Its end in the namespace.

/// Translation, metering and what may not come in, as the packet filter of the router's namespace
/// (family inet only). Values that are no addresses are left out and named in `rejected`.
Ruleset router_ruleset(const Names& names, const RouterPlan& plan,
                       std::vector<std::string>& rejected);

/// Addresses that the gateway's leg has beside its own: floating ones, each without duplicates.
std::vector<std::string> floating_addresses(const RouterPlan& plan);

/// A route as the plan means it: by the leg whose subnet has the next hop.
struct PlannedRoute {
  std::string destination, via;
  PortId leg;
  friend auto operator<=>(const PlannedRoute&, const PlannedRoute&) = default;
};
/// Default and extra routes. A next hop outside every leg's subnets is left out, and named.
std::vector<PlannedRoute> planned_routes(const RouterPlan& plan,
                                         std::vector<std::string>& rejected);

}  // namespace cloudos::network::linuxbridge
