#pragma once
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/cloud.hpp"
#include "cloudos/rest.hpp"

namespace cloudos {
struct Token;
}

/// From request to response: match, authenticate, check policy by route name, call, encode.
namespace cloudos::rest {

/// A microversion such as 2.53; {0, 0} when the service has none.
struct Microversion {
  std::uint32_t major = 0, minor = 0;
  friend auto operator<=>(const Microversion&, const Microversion&) = default;
};
inline constexpr Microversion kComputeMin{2, 1};
/// The newest Compute microversion on offer; raised in the change that teaches the encoders.
inline constexpr Microversion kComputeMax{2, 19};

/// The request's target taken apart: what the pattern's {names} matched, and the query.
struct ParsedTarget {
  std::vector<std::pair<std::string, std::string>> path;   ///< {name} to value, unescaped
  std::vector<std::pair<std::string, std::string>> query;  ///< in order, unescaped
};

/// One call on its way through a handler.
class Call {
 public:
  Cloud& cloud;
  const Context& ctx;  ///< Who calls. For routes with auth = false: no user, no roles.
  Request& request;
  Microversion microversion;     ///< Negotiated; {0,0} where there is none.
  const Token* token = nullptr;  ///< The caller's; null with auth = false.
  std::string
      service_url;  ///< "http://host:port/compute/v2.1": what this service's links begin with.

  /// The value of {name} in the route's pattern, unescaped.
  const std::string& path(std::string_view name) const;
  /// The first query parameter of that name, unescaped; nothing when absent.
  std::optional<std::string_view> query(std::string_view name) const;
  /// All query parameters in order, unescaped.
  const std::vector<std::pair<std::string, std::string>>& query_all() const;
  /// `limit` and `marker`, checked. Errors: InvalidArgument.
  struct Page {
    std::string marker;
    std::size_t limit = SIZE_MAX;
  };
  Result<Page> page(std::size_t most = limits::kListPage) const;
  /// The body as it came, at most limits::kJsonBodyBytes of it. Lives as long as the call.
  /// Errors: TooLarge, those of the body's source.
  Result<std::string_view> text();
  /// The body as JSON: at most limits::kJsonBodyBytes, limits::kJsonDepth deep, valid UTF-8, no
  /// duplicate surprises. Errors: InvalidArgument (with line and reason), TooLarge.
  Result<const nlohmann::json*> json();
  /// The body's member `name`, which must be an object: {"server": {...}}. Errors: InvalidArgument.
  Result<const nlohmann::json*> json_object(std::string_view name);

  Call(Cloud& the_cloud, const Context& caller, Request& the_request, ParsedTarget target);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  struct Parsed;
  std::unique_ptr<Parsed> parsed_;
};

using Handler = Result<Response> (*)(Call& call);

struct Route {
  std::string_view method;   ///< "GET" also answers HEAD; the carrier leaves the body out.
  std::string_view pattern;  ///< "/compute/v2.1/servers/{server_id}"
  Handler handler;
  std::string_view policy;  ///< Name in the policy table: "os_compute_api:servers:show"; empty with
                            ///< auth = false.
  Service service = Service::None;
  RouteClass cls = RouteClass::Inline;
  bool auth = true;  ///< Needs a valid X-Auth-Token.
  /// Where the body decides (class Hash only): the class of a request with this body.
  RouteClass (*class_of)(std::string_view body) = nullptr;
  /// What is wrong with the body by itself, asked when the policy refuses the caller: clients of
  /// some services hear of a bad body before they hear what they may not do.
  Result<void> (*check_body)(Call& call) = nullptr;
};

/// Each service's routes, in rest/<service>*.cpp.
std::span<const Route> identity_routes();
std::span<const Route> identity_registry_routes();
std::span<const Route> image_routes();
std::span<const Route> network_routes();
std::span<const Route> compute_routes();
std::span<const Route> task_routes();
std::span<const Route> audit_routes();
std::span<const Route> discovery_routes();
std::span<const Route> operation_routes();

/// An error in the service's own body and status. The only place where errors become HTTP.
///
/// Network errors also carry a type that clients map to exception classes: Error.type, or else it
/// is made of the code and of the first noun in the message, so a message names its subject first:
/// "network 'a' is not known" gives NetworkNotFound, "subnet 'b' is in use by port 'c'" gives
/// SubnetInUse, "address 10.0.0.5 is taken" gives IpAddressInUse (rest/errors.cpp has the table).
Response error_response(Service service, const Error& error, const Request& request);
int http_status(Service service, ErrorCode code);
/// What a refusal that no ErrorCode stands for looks like: 405, 406, 408, 411, 414, 431 and such.
Response status_response(Service service, int status, std::string_view message,
                         const Request& request);

/// Replies.
Response json_response(int status, std::string body);
Response empty_response(int status);

}  // namespace cloudos::rest
