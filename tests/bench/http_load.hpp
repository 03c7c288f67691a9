#pragma once
#include <chrono>
#include <cstdint>
#include <string>

/// A client that keeps a server busy: one thread, connections that are kept open, each with one
/// request under way at any time.
namespace cloudos::bench {

struct Load {
  double per_second = 0;
  double p50_us = 0, p99_us = 0;  ///< From a request's first byte sent to its reply's last.
  std::uint64_t replies = 0;      ///< In all, those of the warming up too.
};

/// Sends `request` again and again on `connections` connections to 127.0.0.1. Gives up on any
/// status but 2xx: an error is not a result.
Load drive(std::uint16_t port, const std::string& request, unsigned connections,
           std::chrono::milliseconds warm_up, std::chrono::milliseconds during);

/// One request on a connection of its own; the whole reply, empty when nobody is there.
std::string ask_once(std::uint16_t port, const std::string& request);

/// Serves "hello, world" with Boost.Beast as plainly as it can be done: one io_context and one
/// thread for each of `threads`. Runs in a process of its own, which ends with this object.
class HelloServer {
 public:
  explicit HelloServer(unsigned threads);
  ~HelloServer();
  HelloServer(const HelloServer&) = delete;
  HelloServer& operator=(const HelloServer&) = delete;
  std::uint16_t port() const { return port_; }

 private:
  int pid_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace cloudos::bench
