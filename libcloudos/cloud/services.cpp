#include "cloud/services.hpp"

#include <fmt/format.h>

namespace cloudos {

Services Services::built() {
  return {images_service::built(), networks_service::built(), compute_service::built()};
}

Failure left_out(std::string_view what, std::string_view cmake_option) {
  return fail(ErrorCode::Unsupported,
              fmt::format("{} not in this build of the library: it was made with the CMake option "
                          "{} off",
                          what, cmake_option));
}

Failure service_left_out(std::string_view service) {
  return fail(ErrorCode::Unsupported,
              fmt::format("this build of the library has no {0}: CLOUDOS_SERVICES of CMake names "
                          "what it has. Set Options::services.{0} to false, or all of them to "
                          "Services::built()",
                          service));
}

Result<void> check_built(const Options& options) {
  if (options.services.images) CLOUDOS_CHECK(images_service::check(options));
  if (options.services.networks) CLOUDOS_CHECK(networks_service::check(options));
  if (options.services.compute) CLOUDOS_CHECK(compute_service::check(options));
  return Result<void>();
}

}  // namespace cloudos
