#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "network/linuxbridge/fd.hpp"

/// Who notices that somebody else touched what is ours on the host.
namespace cloudos::network::linuxbridge {

/// Listens to the kernel and to our servers' ends, on a thread of its own that starts with the
/// first who wants to know. What happens between rest() and resume() is our own doing and not
/// reported. Thread-safe.
class Watchman {
 public:
  /// `table` is the name of our packet filter's tables.
  explicit Watchman(std::string table);
  ~Watchman();
  Watchman(const Watchman&) = delete;
  Watchman& operator=(const Watchman&) = delete;

  /// Listens in the calling thread's network namespace. Null stops telling: once this returns the
  /// one before is called no more.
  void start(std::function<void()> disturbed);
  void rest();
  /// `pids` are our servers; `listening` are sockets of listen_inside(), open until the next
  /// rest().
  void resume(std::vector<int> pids, std::vector<int> listening);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Sockets that hear of changes in the calling thread's namespace: devices, addresses, routes, and
/// packet filters.
std::vector<Fd> listen_inside();

}  // namespace cloudos::network::linuxbridge
