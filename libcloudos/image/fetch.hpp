#pragma once
#include <memory>
#include <optional>
#include <string>

#include "cloudos/bytes.hpp"
#include "cloudos/limits.hpp"
#include "image/fetch_stream.hpp"
#include "image/url_guard.hpp"

namespace cloudos::image {

/// Which bytes of a resource.
struct FetchRange {
  std::uint64_t offset = 0;
  std::uint64_t length = UINT64_MAX;
};

struct FetchRequest {
  std::string url;
  FetchRange range = {};
  GoOn go_on = {};  ///< Also asked while the body is read: it lives as long as that.
  /// Shown as X-Auth-Token; whoever has it is not followed elsewhere. Empty: none.
  std::string token = {};
};

/// The bytes of an answer as they come. May block; see ByteSource.
class FetchBody : public ByteSource {
 public:
  /// Of the whole resource, whatever range was asked for; nothing when the server does not say.
  virtual std::optional<std::uint64_t> total() const = 0;
  /// What marks this version of the resource: its ETag, or else Last-Modified; may be empty.
  virtual std::string version() const = 0;
};

/// Gets data from URLs that callers name. Each hop is checked by the guard: the URL, every answer
/// of the name service, and the connection goes to an address that was checked. No cookies, no
/// credentials but a token that is given, no proxy, no content codings, and never from https to http.
/// Thread-safe; blocks.
class Fetcher {
 public:
  Fetcher(UrlGuard guard, std::unique_ptr<Resolver> resolver, std::filesystem::path ca_file = {},
          std::chrono::milliseconds stall_time = limits::kFetchStallTime)
      : guard_(std::move(guard)), resolver_(std::move(resolver)), ca_file_(std::move(ca_file)),
        stall_time_(stall_time) {}
  /// The head of the answer has come when this returns.
  /// Errors: InvalidArgument and Forbidden (the URL, or where it leads), NotFound (404, 410),
  /// Unsupported (a range was asked for that the server does not give), Unavailable, Timeout, and
  /// what go_on says.
  Result<std::unique_ptr<FetchBody>> get(const FetchRequest& request) const;
  const UrlGuard& guard() const { return guard_; }

 private:
  UrlGuard guard_;
  std::unique_ptr<Resolver> resolver_;
  std::filesystem::path ca_file_;
  std::chrono::milliseconds stall_time_;
};

}  // namespace cloudos::image
