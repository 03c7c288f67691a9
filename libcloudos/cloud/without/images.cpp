#include "cloud/services.hpp"

// In a build that leaves images out.
namespace cloudos::images_service {

bool built() {
  return false;
}
Result<void> check(const Options&) {
  return service_left_out("images");
}
Result<std::shared_ptr<Images>> open(const ServiceGround&) {
  return service_left_out("images");
}

}  // namespace cloudos::images_service
