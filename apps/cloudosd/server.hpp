#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cloudos/limits.hpp"
#include "cloudos/result.hpp"

namespace cloudos {
class Cloud;
}
namespace cloudos::rest {
class Router;
}

namespace cloudosd {

/// One place to answer at.
///
/// "::" answers IPv4 as well (as ::ffff:a.b.c.d), unless an IPv4 address is listed with the same
/// port: then each has its own.
struct Listen {
  std::string address = "127.0.0.1";  ///< "0.0.0.0", "::1", "::", "localhost"; no brackets.
  std::uint16_t port = 5000;          ///< 0: the system chooses.
  bool tls = false;                   ///< Needs ServerOptions::tls.
  int descriptor = -1;  ///< A socket that listens already; taken over. Address and port are its own.
};

/// PEM files. They are read by bind() and reload_tls(), never in between.
struct TlsFiles {
  std::filesystem::path certificate;  ///< The server's own, and behind it those that vouch for it.
  std::filesystem::path key;          ///< Not encrypted.
  std::filesystem::path chain;        ///< Those that vouch for it, when they are in a file apart.
  bool only_1_3 = false;              ///< TLS 1.3 only; else 1.2 as well.
};

/// How long a client may take. Tests make them short; nobody else has a reason to.
struct Timeouts {
  using Time = std::chrono::milliseconds;
  Time handshake = cloudos::limits::kHandshakeTime;
  Time head = cloudos::limits::kHeadTime;
  Time body = cloudos::limits::kBodyTime;
  Time idle = cloudos::limits::kIdleTime;
  Time stall = cloudos::limits::kStallTime;
  Time linger = cloudos::limits::kLingerTime;
  Time drain = cloudos::limits::kDrainTime;
};

struct ServerOptions {
  std::vector<Listen> listen{Listen{}};  ///< The first one is what port() speaks of.
  TlsFiles tls;
  Timeouts timeouts;
  unsigned io_threads = 2;
  std::size_t connections = cloudos::limits::kConnections;  ///< Less where descriptors are few.
};

/// Carries HTTP to a Router. Thread-safe after start().
///
/// Sockets are bound before the cloud opens, so that a port in use costs nothing and early clients
/// wait in the kernel's queue instead of being refused.
class Server final {
 public:
  explicit Server(ServerOptions options);
  ~Server();
  /// Reads the TLS files, binds and listens; all of it or nothing.
  /// Errors: Conflict (in use), InvalidArgument (no such address, bad files), Unavailable.
  cloudos::Result<void> bind();
  /// The port that the first place is bound to.
  std::uint16_t port() const;
  /// Every place as it is bound, with its port: one for each in ServerOptions::listen.
  std::vector<Listen> bound() const;
  /// Begins to accept. `cloud` and `router` outlive stop(); links begin with `base_url`.
  void start(cloudos::Cloud& cloud, const cloudos::rest::Router& router, std::string base_url);
  /// Reads the TLS files again: new connections get the new certificate, those that are open keep
  /// theirs and go on. On error the old ones stay in use. Nothing to do without TLS.
  /// Errors: InvalidArgument (says which file and what is wrong with it).
  cloudos::Result<void> reload_tls();
  /// The same with other files, used from then on.
  cloudos::Result<void> reload_tls(const TlsFiles& files);
  /// The most connections from now on; those that are open stay. After start().
  void set_connections(std::size_t most);
  /// Does every io thread still take work, within `patience`? For watchdogs; between start() and
  /// stop().
  bool answers(std::chrono::milliseconds patience);
  /// Connections and pools as text for people; between start() and stop().
  std::string dump() const;
  /// Stops accepting, lets requests under way end for Timeouts::drain, then cuts them off.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudosd
