#include "rest/router.hpp"

// In a build that leaves compute out.
namespace cloudos::rest {

std::span<const Route> compute_routes() {
  return {};
}

}  // namespace cloudos::rest
