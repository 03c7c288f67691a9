#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/network_driver.hpp"

/// The kinds of segments a network may be of.
namespace cloudos::network {

/// By name; "local" and "flat". Those of other names are Unsupported here, not unknown.
class TypeDrivers {
 public:
  explicit TypeDrivers(std::vector<std::string> physical_networks);
  /// Errors: Unsupported (known, not here), InvalidArgument.
  Result<TypeDriver*> find(std::string_view name) const;

 private:
  std::map<std::string, std::unique_ptr<TypeDriver>, std::less<>> drivers_;
};

}  // namespace cloudos::network
