#include "rest/router.hpp"

// In a build that leaves networks out.
namespace cloudos::rest {

std::span<const Route> network_routes() {
  return {};
}

}  // namespace cloudos::rest
