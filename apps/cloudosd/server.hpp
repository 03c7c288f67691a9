#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "cloudos/result.hpp"

namespace cloudos {
class Cloud;
}
namespace cloudos::rest {
class Router;
}

namespace cloudosd {

struct ServerOptions {
  std::string address = "127.0.0.1";  ///< "0.0.0.0", "::1", "localhost"
  std::uint16_t port = 5000;          ///< 0: the system chooses.
  unsigned io_threads = 2;
};

/// Carries HTTP to a Router. Thread-safe after start().
///
/// The socket is bound before the cloud opens, so that a port in use costs nothing and early
/// clients wait in the kernel's queue instead of being refused.
class Server final {
 public:
  explicit Server(ServerOptions options);
  ~Server();
  /// Binds and listens. Errors: Conflict (in use), InvalidArgument (no such address), Unavailable.
  cloudos::Result<void> bind();
  /// The port bound to.
  std::uint16_t port() const;
  /// Begins to accept. `cloud` and `router` outlive stop(); links begin with `base_url`.
  void start(cloudos::Cloud& cloud, const cloudos::rest::Router& router, std::string base_url);
  /// Stops accepting, lets requests under way end for limits::kDrainTime, then cuts them off.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudosd
