#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cloudos/bytes.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/result.hpp"

/// The OpenStack REST APIs without sockets: a Router answers requests, whoever carries the bytes
/// (cloudosd, a host program's own server, a test's table).
namespace cloudos {
class Cloud;
namespace locale { class Catalogues; }
}  // namespace cloudos
namespace cloudos::rest {

struct Route;

/// Header fields in order; names compare without case.
class CLOUDOS_EXPORT Headers {
 public:
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  /// Replaces every field of that name by this one.
  void set(std::string_view name, std::string value);
  /// The first field of that name; empty when absent.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  /// How many fields have that name.
  std::size_t count(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  std::string method;  ///< "GET", upper case
  std::string target;  ///< As on the wire: path and query, still escaped.
  Headers headers;
  ByteSource* body = nullptr;  ///< Pulled by the handler; null when there is none.
  /// There is a body which the carrier would rather push: see BodyReceiver. `body` is null then.
  bool pushes_body = false;
  std::string remote_address;  ///< For logs and audit.
  std::string base_url;        ///< "http://127.0.0.1:5000": what links in replies begin with.
  std::string request_id;      ///< "req-<uuid>"; the Router makes one when empty.
  /// Who calls, when the host program vouches for it: no token is looked at, policy still is.
  /// Never set it from anything a client sent.
  std::optional<Context> caller;
  /// The languages that refusals may be in; the Router sets its cloud's. Null: the library's.
  const locale::Catalogues* catalogues = nullptr;
};

/// A part of a file, sent without a thread.
struct FileRange {
  std::filesystem::path path;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  /// Asked once when the file cannot be read on: the rest of the range from a place in the file
  /// that is given. Null, or answers null: there is nothing else. May block.
  std::function<std::unique_ptr<ByteSource>(std::uint64_t from)> resume{};
};

struct Response;

/// Takes the body of a long upload piece by piece, so that no thread waits for a slow sender. The
/// handler of a route of class Streams answers with one when Request::pushes_body is set.
/// Dropped before its end: as if the sender had gone away. One thread at a time, which may change.
class CLOUDOS_EXPORT BodyReceiver {
 public:
  virtual ~BodyReceiver() = default;
  /// Takes all of `bytes` or fails, which ends the request. May block.
  virtual Result<void> write(std::span<const std::byte> bytes) = 0;
  /// Behind the last byte: the request's reply. May block. Called once.
  virtual Result<Response> end() = 0;
};

struct Response {
  int status = 200;
  const Route* route = nullptr;  ///< That answered; null: none did. Lives as long as the Router.
  Headers headers;  ///< Without Content-Length and Transfer-Encoding: the carrier adds them.
  std::variant<std::string, FileRange, std::unique_ptr<ByteSource>> body;
  /// Not a reply yet: push the body to it, then ask Router::end_body() for the reply.
  std::unique_ptr<BodyReceiver> receiver;
  /// What a refusal stands for, for callers in this process; carriers send the body.
  std::optional<Error> error;
};

/// "Not Found" for 404; "Status" for one that we never send.
CLOUDOS_EXPORT std::string_view reason_phrase(int status);

/// Which pool of the server runs a route.
enum class RouteClass : std::uint8_t {
  Inline,   ///< Memory and store reads: on the io thread.
  Commits,  ///< Writes: they share an fsync only if many wait together.
  Streams,  ///< Uploads and downloads, as long as they take.
  Hash,     ///< Password hashing: few, so that validation never starves.
};

/// Whose dialect of versions and errors a path speaks.
enum class Service : std::uint8_t { None, Identity, Image, Compute, Network };

/// Matches, authenticates, checks policy, calls the service, encodes. Thread-safe. Outlived by the
/// Cloud. handle() blocks as the call itself does: reads are memory, writes wait for one commit.
class CLOUDOS_EXPORT Router final {
 public:
  /// With the routes of every service.
  explicit Router(Cloud& cloud);
  /// With these routes only. Two routes of one method and shape are a bug and abort.
  Router(Cloud& cloud, const std::vector<std::span<const Route>>& tables);
  ~Router();
  /// Never fails: errors are responses. Adds X-Openstack-Request-Id. Pulls the body as it needs;
  /// what it leaves unread is the carrier's to drain or to close on.
  Response handle(Request& request) const;
  /// Which pool should run this request; by method and path alone, without reading the body.
  RouteClass classify(std::string_view method, std::string_view target) const;
  /// The same once the body is known: a login without a password, say, needs no hashing.
  RouteClass classify(std::string_view method, std::string_view target,
                      std::string_view body) const;
  /// The largest body that makes sense there, if it is not a stream: less where no token is asked
  /// for.
  std::size_t body_limit(std::string_view method, std::string_view target) const;
  /// The reply when this request will not be allowed whatever its body says (no token, or no right
  /// to the call): for carriers, before they read much. Nothing: go on, handle() looks again.
  std::optional<Response> refuse_early(Request& request) const;
  /// The reply to a request that handle() answered with a receiver: asks the receiver for it, or
  /// makes it of `outcome` when that is an error.
  Response end_body(Request& request, std::unique_ptr<BodyReceiver> receiver,
                    Result<void> outcome) const;
  /// Whose error body a request for this path would get: for refusals by the carrier itself.
  static Service service_of(std::string_view target);

 private:
  struct CLOUDOS_LOCAL Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos::rest
