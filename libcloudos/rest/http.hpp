#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cloudos/bytes.hpp"

/// Requests and responses without sockets: what the Router takes and gives, whoever carries the
/// bytes (cloudosd, a host program's server, a test's table).
namespace cloudos::rest {

/// Header fields in order; names compare without case.
class Headers {
 public:
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  /// Replaces every field of that name by this one.
  void set(std::string_view name, std::string value);
  /// The first field of that name; empty when absent.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  std::string method;  ///< "GET", upper case
  std::string target;  ///< As on the wire: path and query, still escaped.
  Headers headers;
  ByteSource* body = nullptr;  ///< Pulled by the handler; null when there is none.
  std::string remote_address;  ///< For logs and audit.
  std::string base_url;        ///< "http://127.0.0.1:5000": what links in replies begin with.
  std::string request_id;      ///< "req-<uuid>"; the Router makes one when empty.
};

/// A part of a file, sent without a thread.
struct FileRange {
  std::filesystem::path path;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct Response {
  int status = 200;
  Headers headers;  ///< Without Content-Length and Transfer-Encoding: the carrier adds them.
  std::variant<std::string, FileRange, std::unique_ptr<ByteSource>> body;
};

/// "Not Found" for 404; "Status" for one that we never send.
std::string_view reason_phrase(int status);

/// Which pool of the server runs a route.
enum class RouteClass : std::uint8_t {
  Inline,   ///< Memory and store reads: on the io thread.
  Commits,  ///< Writes: they share an fsync only if many wait together.
  Streams,  ///< Uploads and downloads, as long as they take.
  Hash,     ///< Password hashing: few, so that validation never starves.
};

}  // namespace cloudos::rest
