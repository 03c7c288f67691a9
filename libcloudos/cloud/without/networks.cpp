#include "cloud/services.hpp"

// In a build that leaves networks out.
namespace cloudos::networks_service {

bool built() {
  return false;
}
Result<void> check(const Options&) {
  return service_left_out("networks");
}
Result<NetworksParts> open(const ServiceGround&) {
  return service_left_out("networks");
}

}  // namespace cloudos::networks_service
