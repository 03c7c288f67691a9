#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/network_driver.hpp"

namespace cloudos {
struct NetworkSettings;
}

/// The kinds of segments a network may be of.
namespace cloudos::network {

using TagRange = std::pair<std::uint32_t, std::uint32_t>;  ///< First and last.
using TagRanges = std::vector<TagRange>;

/// By name: "local", "flat", "vlan", "vxlan". Those of other names are Unsupported here, not
/// unknown.
class TypeDrivers {
 public:
  explicit TypeDrivers(const NetworkSettings& settings);
  /// Errors: Unsupported (known, not here), InvalidArgument.
  Result<TypeDriver*> find(std::string_view name) const;

 private:
  std::map<std::string, std::unique_ptr<TypeDriver>, std::less<>> drivers_;
};

/// Which tags are given out on each physical network.
std::map<std::string, TagRanges> vlan_ranges_of(const NetworkSettings& settings);
/// Under this and "/" lie the numbers that are taken, with the networks that have them.
std::string tag_prefix(std::string_view type, std::string_view physical_network);

}  // namespace cloudos::network
