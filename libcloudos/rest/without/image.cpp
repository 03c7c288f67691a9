#include "rest/router.hpp"

// In a build that leaves images out.
namespace cloudos::rest {

std::span<const Route> image_routes() {
  return {};
}

}  // namespace cloudos::rest
