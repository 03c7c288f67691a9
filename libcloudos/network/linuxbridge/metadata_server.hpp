#pragma once
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "cloudos/log.hpp"
#include "cloudos/network_driver.hpp"
#include "cloudos/result.hpp"

/// HTTP at 169.254.169.254:80, for guests.
namespace cloudos::network::linuxbridge {

/// A listening socket made inside the namespace; it stays in it, whoever accepts from it. With a
/// device it hears what comes by that alone, which link-local addresses need.
/// Errors: Unavailable.
Result<Fd> listen_in_netns(int netns, const std::string& address, std::uint16_t port,
                           const std::string& device = {});

/// Answers metadata requests of all networks from one thread of its own, started with the first.
///
/// Who asks is the peer's address on the network whose socket it came by: guests cannot forge it
/// (the packet filter sees to that), and no header is read. GET and HEAD only; one request a
/// connection; requests, connections and time are bounded. Thread-safe.
class MetadataServer {
 public:
  MetadataServer(MetadataHandler handler, Log log);
  ~MetadataServer();
  MetadataServer(const MetadataServer&) = delete;
  MetadataServer& operator=(const MetadataServer&) = delete;

  /// Once this returns the handler before is called no more.
  void set_handler(MetadataHandler handler);
  /// Serves `network` from `listener`, in place of the socket `key` had. Errors: Unavailable.
  Result<void> add(const std::string& key, const NetworkId& network, Fd listener);
  /// Once this returns no socket of the key is open here (they would keep its namespace).
  void remove(const std::string& key);
  bool serves(const std::string& key) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What a request's head asks for: the path, or the status to refuse it with.
struct MetadataRequest {
  int refusal = 0;
  bool head_only = false;
  std::string path;
};
MetadataRequest parse_metadata_request(std::string_view head);

}  // namespace cloudos::network::linuxbridge
