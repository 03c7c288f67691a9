#include "cloud/services.hpp"

// In a build that leaves compute out.
namespace cloudos::compute_service {

bool built() {
  return false;
}
Result<void> check(const Options&) {
  return service_left_out("compute");
}
Result<std::vector<std::string>> known_hosts(store::Store&, const std::string&) {
  return std::vector<std::string>();
}
Result<ComputeParts> open(const ServiceGround&, Images&, Networks&) {
  return service_left_out("compute");
}

}  // namespace cloudos::compute_service
