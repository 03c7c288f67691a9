#pragma once
#include <memory>
#include <string>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/network_driver.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

struct NetworkSettings {
  /// What flat networks may name: the keys of the driver's bridge mappings.
  std::vector<std::string> physical_networks;
  std::uint32_t mtu = 1500;  ///< Of networks that ask for none.
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
