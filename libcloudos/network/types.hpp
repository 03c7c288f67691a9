#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/network_driver.hpp"

/// The kinds of segments a network may be of.
namespace cloudos::network {

using TagRange = std::pair<std::uint32_t, std::uint32_t>;  ///< First and last.

/// By name: "local", "flat", "vlan", "vxlan". Those of other names are Unsupported here, not
/// unknown.
class TypeDrivers {
 public:
  explicit TypeDrivers(std::vector<std::string> physical_networks,
                       const std::map<std::string, TagRange>& vlan_ranges = {},
                       TagRange vxlan_range = {1, 16'777'215});
  /// Errors: Unsupported (known, not here), InvalidArgument.
  Result<TypeDriver*> find(std::string_view name) const;

 private:
  std::map<std::string, std::unique_ptr<TypeDriver>, std::less<>> drivers_;
};

}  // namespace cloudos::network
