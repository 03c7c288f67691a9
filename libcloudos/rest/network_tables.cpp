#include "rest/network_tables.hpp"

#include <algorithm>
#include <deque>
#include <string>

namespace cloudos::rest {
namespace {

constexpr std::string_view kNetworkRoot = "/network/v2.0/";

std::string_view collection_of(std::string_view pattern) {
  const auto rest = pattern.substr(kNetworkRoot.size());
  return rest.substr(0, rest.find('/'));
}
bool has_underscore(std::string_view pattern) {
  return collection_of(pattern).find('_') != std::string_view::npos;
}

std::deque<std::string> dashed_patterns(const std::vector<Route>& routes) {
  std::deque<std::string> dashed;
  for (const Route& route : routes) {
    if (!has_underscore(route.pattern)) continue;
    std::string pattern(route.pattern);
    const auto begin = pattern.begin() + static_cast<std::ptrdiff_t>(kNetworkRoot.size());
    std::replace(begin,
                 begin + static_cast<std::ptrdiff_t>(collection_of(route.pattern).size()), '_',
                 '-');
    dashed.push_back(std::move(pattern));
  }
  return dashed;
}

}  // namespace

std::span<const Route> network_routes() {
  static const std::vector<Route> kAllNetworkRoutes = [] {
    std::vector<Route> all;
    for (const auto part : {network_api::core_routes(), network_api::sharing_routes(),
                            network_api::qos_routes(), network_api::tag_routes(),
                            network_api::trunk_routes(), network_api::address_group_routes(),
                            network_api::metering_routes(), network_api::agent_routes(), network_api::trace_routes(),
                            network_api::binding_routes(), network_api::segment_routes(),
                            network_api::beginning_routes(),
                            network_api::layer3_routes(), network_api::pool_routes()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    // Clients write some collections with a dash that the reference has with an underscore.
    static const std::deque<std::string> kDashed = dashed_patterns(all);
    auto dashed = kDashed.begin();
    for (std::size_t i = 0, end = all.size(); i < end; ++i) {
      if (!has_underscore(all[i].pattern)) continue;
      Route twin = all[i];
      twin.pattern = *dashed++;
      all.push_back(twin);
    }
    return all;
  }();
  return kAllNetworkRoutes;
}

}  // namespace cloudos::rest
