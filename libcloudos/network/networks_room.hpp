#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/network_driver.hpp"
#include "network/types.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

struct NetworkSettings {
  /// What networks may name: the keys of the driver's bridge mappings, and of `vlan_ranges`.
  std::vector<std::string> physical_networks;
  std::uint32_t mtu = 1500;  ///< Of networks that ask for none, before their type's header.
  /// Of networks whose caller names no type: the first that has a segment left.
  std::vector<std::string> tenant_types = {"local"};
  /// Where drivers work that serve every host; empty: there are several, or none is known.
  std::string host;
  std::string dns_domain = "openstacklocal";  ///< Without a dot behind it.
  std::string zone = "nova";          ///< The one availability zone of networks and routers.
  /// Tags that are given out: firsts and lasts, by physical network. Nothing: all of them.
  std::optional<std::map<std::string, network::TagRanges>> vlan_ranges;
  network::TagRanges vxlan_ranges{{1, 65'535}};
  /// What flat networks may name. Nothing: all physical networks.
  std::optional<std::vector<std::string>> flat_networks;
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
