#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/network_driver.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

struct NetworkSettings {
  /// What flat networks may name: the keys of the driver's bridge mappings.
  std::vector<std::string> physical_networks;
  std::uint32_t mtu = 1500;  ///< Of networks that ask for none, before their type's header.
  std::string tenant_type = "local";  ///< Of networks whose caller names no type.
  std::string zone = "nova";          ///< The one availability zone of networks and routers.
  /// Tags that are given out: first and last, by physical network; absent: all of them.
  std::map<std::string, std::pair<std::uint32_t, std::uint32_t>> vlan_ranges;
  std::pair<std::uint32_t, std::uint32_t> vxlan_range{1, 16'777'215};
};

/// Makes the service and registers its reconciler `ports` on engine.runner. `drivers` are asked in
/// order; they are shared with whoever made them.
std::unique_ptr<Networks> make_networks(
    const Engine& engine, NetworkSettings settings,
    std::vector<std::shared_ptr<network::MechanismDriver>> drivers);

namespace network {
/// What a data plane's metadata server calls. Good for as long as `networks` lives.
MetadataHandler metadata_handler(Networks& networks);
}  // namespace network
}  // namespace cloudos
