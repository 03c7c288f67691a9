#include "rest/router.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "cloudos/identity.hpp"
#include "rest/match.hpp"
#include "rest/microversion.hpp"
#include "rest/target.hpp"

namespace cloudos::rest {
namespace {

constexpr std::string_view kRequestIdHeader = "X-Openstack-Request-Id";

struct ServicePrefix {
  std::string_view segment;  ///< First of the path.
  Service service;
  std::string_view service_path;  ///< What the service's links begin with, behind the base URL.
};
constexpr ServicePrefix kServicePrefixes[] = {
    {"identity", Service::Identity, "/identity/v3"},
    {"v3", Service::Identity, "/v3"},  // Where clients of a lone Keystone look.
    {"image", Service::Image, "/image/v2"},
    {"compute", Service::Compute, "/compute/v2.1"},
    {"network", Service::Network, "/network/v2.0"},
};

const ServicePrefix* prefix_of(const std::vector<std::string_view>& segments) {
  if (segments.empty()) return nullptr;
  for (const ServicePrefix& prefix : kServicePrefixes)
    if (segments[0] == prefix.segment) return &prefix;
  return nullptr;
}

/// The segments of the path, /v3/... told as /identity/v3/...
std::vector<std::string_view> routed_segments(std::string_view path) {
  auto segments = path_segments(path);
  if (!segments.empty() && segments[0] == "v3") segments.insert(segments.begin(), "identity");
  return segments;
}

/// "req-" and a UUID: another's request id that is fit for the log.
bool is_request_id(std::string_view text) {
  return text.size() == 40 && text.substr(0, 4) == "req-" && is_uuid_like(text.substr(4));
}

std::string_view shown_target(std::string_view target) {
  return split_target(target).first.substr(0, 256);  // Queries may hold what a log must not.
}

}  // namespace

struct Router::Impl {
  Cloud& cloud;
  Log log;
  RouteTree tree;

  explicit Impl(Cloud& the_cloud) : cloud(the_cloud), log(the_cloud.log("rest")) {}

  Response answer(Request& request) const;
  Result<Response> authenticated(const Route& route, const RouteTree::Match& match,
                                 Request& request, Microversion version) const;
  Response guarded(Request& request) const;
  void write_line(const Request& request, int status, MonoTime began) const;
};

/// Who calls is settled here, and nowhere else: the token's own words, never a request's headers.
Result<Response> Router::Impl::authenticated(const Route& route, const RouteTree::Match& match,
                                             Request& request, Microversion version) const {
  ParsedTarget target;
  const auto names = pattern_names(route.pattern);
  CLOUDOS_ASSERT(names.size() == match.parameters.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    CLOUDOS_TRY(std::string value, percent_decode(match.parameters[i], false));
    target.path.emplace_back(names[i], std::move(value));
  }
  const auto [path, query] = split_target(request.target);
  CLOUDOS_TRY(target.query, parse_query(query));

  Context ctx;
  ctx.request_id = request.request_id;
  std::optional<Token> token;
  if (route.auth && request.caller) {
    ctx = *request.caller;
    ctx.request_id = request.request_id;
    if (!route.policy.empty()) CLOUDOS_CHECK(cloud.identity().enforce(ctx, route.policy));
  } else if (route.auth) {
    const std::string_view text = request.headers.get("X-Auth-Token");
    if (text.empty())
      return fail(ErrorCode::Unauthenticated, "The request you have made requires authentication.");
    CLOUDOS_TRY(token, cloud.identity().validate(text));
    ctx = token->context(request.request_id);
    if (!route.policy.empty()) CLOUDOS_CHECK(cloud.identity().enforce(ctx, route.policy));
  }
  Call call(cloud, ctx, request, std::move(target));
  call.microversion = version;
  call.token = token ? &*token : nullptr;
  const ServicePrefix* prefix = prefix_of(path_segments(path));
  call.service_url = request.base_url + std::string(prefix ? prefix->service_path : "");
  return route.handler(call);
}

Response Router::Impl::answer(Request& request) const {
  const auto segments = routed_segments(split_target(request.target).first);
  const RouteTree::Match match = tree.find(request.method, segments);
  const Service service =
      match.service != Service::None ? match.service : service_of(request.target);
  if (!match.route && match.allow.empty())
    return error_response(service, {ErrorCode::NotFound, "The resource could not be found.", {}},
                          request);
  if (!match.route) {
    Response response = status_response(
        service, 405, fmt::format("This resource answers {} only.", match.allow), request);
    response.headers.set("Allow", match.allow);
    return response;
  }
  Microversion version;
  if (service == Service::Compute && match.route->auth) {
    const auto wanted = negotiate_compute(request.headers);
    if (!wanted && wanted.error().code == ErrorCode::Unsupported)
      return status_response(service, 406, wanted.error().message, request);
    if (!wanted) return error_response(service, wanted.error(), request);
    version = *wanted;
  }
  auto result = authenticated(*match.route, match, request, version);
  Response response;
  if (result) {
    response = std::move(*result);
  } else {
    const Error& error = result.error();
    if (error.code == ErrorCode::Internal || !error.detail.empty())
      log.write(error.code == ErrorCode::Internal ? LogLevel::Error : LogLevel::Info,
                fmt::format("{}: {}", error.message, error.detail), request.request_id);
    response = error_response(service, error, request);
  }
  if (version.major != 0) echo_compute_version(response.headers, version);
  return response;
}

/// The last catch: what a third party throws at us is our bug, and costs one request.
Response Router::Impl::guarded(Request& request) const {
  std::string reason;
  try {
    return answer(request);
  } catch (const std::exception& e) {
    reason = e.what();
  }
  log.write(LogLevel::Error, "a handler threw: " + reason, request.request_id);
  return error_response(service_of(request.target),
                        {ErrorCode::Internal,
                         fmt::format("The request failed inside the server; its log says why under "
                                     "{}.",
                                     request.request_id),
                         {}},
                        request);
}

void Router::Impl::write_line(const Request& request, int status, MonoTime began) const {
  if (!log.wants(LogLevel::Info)) return;
  const auto took = cloud.clock().mono() - began;
  const std::string_view global = request.headers.get(kRequestIdHeader);
  log.write(
      LogLevel::Info,
      fmt::format("{} {} {} {} {:.1f} ms{}{}", request.remote_address, request.method,
                  shown_target(request.target), status, static_cast<double>(took.count()) / 1000.0,
                  is_request_id(global) ? " global " : "",
                  is_request_id(global) ? global : std::string_view()),
      request.request_id);
}

Router::Router(Cloud& cloud, const std::vector<std::span<const Route>>& tables)
    : impl_(std::make_unique<Impl>(cloud)) {
  for (const auto& table : tables)
    for (const Route& route : table) impl_->tree.add(route);
}

Router::~Router() = default;

Response Router::handle(Request& request) const {
  const MonoTime began = impl_->cloud.clock().mono();
  if (request.request_id.empty()) request.request_id = "req-" + impl_->cloud.ids().uuid();
  Response response = impl_->guarded(request);
  response.headers.set(kRequestIdHeader, request.request_id);
  if (service_of(request.target) == Service::Compute)
    response.headers.set("x-compute-request-id", request.request_id);
  impl_->write_line(request, response.status, began);
  return response;
}

RouteClass Router::classify(std::string_view method, std::string_view target) const {
  const auto match = impl_->tree.find(method, routed_segments(split_target(target).first));
  return match.route ? match.route->cls : RouteClass::Inline;
}

Service Router::service_of(std::string_view target) {
  const ServicePrefix* prefix = prefix_of(path_segments(split_target(target).first));
  return prefix ? prefix->service : Service::None;
}

}  // namespace cloudos::rest
