#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "image/url.hpp"

namespace cloudos::image {

/// Asked some times a second while something is waited for: an error ends the wait with it.
using GoOn = std::function<Result<void>()>;

/// A connection, plain or TLS. One thread at a time; blocks, but never longer than its times.
class FetchStream {
 public:
  virtual ~FetchStream() = default;
  /// Errors: Unavailable, Timeout, and what the GoOn says.
  virtual Result<void> write(std::string_view bytes) = 0;
  /// 0: the other side ended it in order. Errors: as write().
  virtual Result<std::size_t> read(std::span<std::byte> buffer) = 0;
};

struct StreamOptions {
  std::chrono::milliseconds connect_time;  ///< Of one address, and of the TLS handshake.
  std::chrono::milliseconds stall_time;    ///< Without a byte.
  std::filesystem::path ca_file;           ///< Empty: the system's.
  GoOn go_on;                              ///< Empty: nobody ends it.
};

/// Connects to one of these addresses and no other; for https the certificate must be valid for
/// the URL's host. Errors: Unavailable, Timeout, and what `go_on` says.
Result<std::unique_ptr<FetchStream>> connect_stream(const Url& url,
                                                    const std::vector<Address>& addresses,
                                                    const StreamOptions& options);

}  // namespace cloudos::image
