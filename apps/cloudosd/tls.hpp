#pragma once
#include <memory>
#include <string>

#include "cloudos/clock.hpp"
#include "cloudos/result.hpp"
#include "cloudosd/server.hpp"
#include "cloudosd/transport.hpp"

/// TLS by OpenSSL; the one file that sees it.
namespace cloudosd {

/// A certificate with its key, and how TLS is spoken: 1.2 and 1.3 (or 1.3 only), forward secrecy and
/// authenticated ciphers only, no compression, no renegotiation, no session tickets (every
/// connection makes its own keys), HTTP/1.1 by ALPN. Thread-safe; never changes.
class TlsContext {
 public:
  /// Errors: InvalidArgument (which file, and what is wrong with it).
  static cloudos::Result<std::shared_ptr<const TlsContext>> load(const TlsFiles& files);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// The server's side of a connection; it outlives this context if need be. Null: no memory.
  std::unique_ptr<Transport> transport(int socket) const;
  /// "CN=cloud.example, until 2027-01-01T00:00:00Z": for the log.
  const std::string& summary() const { return summary_; }
  cloudos::WallTime not_before() const { return not_before_; }
  cloudos::WallTime not_after() const { return not_after_; }

 private:
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  std::string summary_;
  cloudos::WallTime not_before_, not_after_;
};

}  // namespace cloudosd
