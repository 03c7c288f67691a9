#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "bench.hpp"
#include "daemon.hpp"
#include "http_load.hpp"

namespace cloudos::bench {

/// A service of another make on this machine, as --compare names it.
class Peer {
 public:
  /// "http://127.0.0.1:5000/v3".
  explicit Peer(const std::string& url);

  const std::string& url() const { return url_; }
  std::uint16_t port() const { return port_; }
  /// What its paths begin with: "/v3".
  const std::string& path() const { return path_; }
  /// A token by OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME; for an Identity service.
  std::string token() const;
  /// The reply to one request; gives up on what is not 2xx.
  std::string must_ask(const std::string& request) const;
  /// drive() against it, and the CPU time for one request of the processes that listen there.
  Load drive(const std::string& request, unsigned connections, std::chrono::milliseconds warm_up,
             std::chrono::milliseconds during, double& cpu_us) const;

 private:
  std::string url_, path_;
  std::uint16_t port_ = 0;
  std::set<int> processes_;
};

/// As `name`_peer: ours beside the peer's, for each of the http cases that are wanted.
std::vector<Figure> bench_identity_peer(const Settings& settings, const Daemon& daemon,
                                        const std::string& token);
/// image.list_1000_peer.
std::vector<Figure> bench_image_peer(const Settings& settings, const Daemon& daemon,
                                     const std::string& list);

}  // namespace cloudos::bench
