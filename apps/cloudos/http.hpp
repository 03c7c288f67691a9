#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/result.hpp"

namespace cli {

struct HttpReply {
  int status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  /// Names compare without case; empty when absent.
  std::string header(std::string_view name) const;
};

struct HttpRequest {
  std::string method;
  std::string url;  ///< Whole: "http://host:port/path?query"
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string content_type = "application/json";
  std::string upload;    ///< A file to send as the body, a piece at a time.
  std::string download;  ///< A file for the body of a reply below 400, written a piece at a time.
};

/// HTTP for one caller, connections kept open between requests. The one class that sees httplib.
class Http {
 public:
  struct Settings {
    bool verify = true;
    std::string ca_file;
    std::function<void(std::uint64_t sent, std::uint64_t total)> progress;  ///< Of uploads.
  };
  explicit Http(Settings settings);
  ~Http();
  Http(Http&&) noexcept;
  /// Any status is a reply. Errors: InvalidArgument (URL, file), Unavailable (nobody answers),
  /// Timeout.
  cloudos::Result<HttpReply> send(const HttpRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cli
