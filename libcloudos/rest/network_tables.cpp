#include "rest/network_tables.hpp"

namespace cloudos::rest {

std::span<const Route> network_routes() {
  static const std::vector<Route> kAllNetworkRoutes = [] {
    std::vector<Route> all;
    for (const auto part : {network_api::core_routes(), network_api::sharing_routes(),
                            network_api::qos_routes(), network_api::tag_routes(),
                            network_api::trunk_routes(), network_api::address_group_routes(),
                            network_api::metering_routes(), network_api::agent_routes(),
                            network_api::trace_routes(), network_api::binding_routes(),
                            network_api::segment_routes(),
                            network_api::beginning_routes(),
                            network_api::layer3_routes(), network_api::pool_routes()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return kAllNetworkRoutes;
}

}  // namespace cloudos::rest
