#include "rest/router.hpp"

#include <fmt/format.h>

#include "base/actor.hpp"
#include "base/assert.hpp"
#include "base/text.hpp"
#include "cloudos/audit.hpp"
#include "cloudos/identity.hpp"
#include "rest/access_rules.hpp"
#include "rest/match.hpp"
#include "rest/measure.hpp"
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

/// `path` as it came.
const ServicePrefix* prefix_of(std::string_view path) {
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  const std::string_view first = path.substr(0, path.find('/'));
  for (const ServicePrefix& prefix : kServicePrefixes)
    if (first == prefix.segment) return &prefix;
  return nullptr;
}

/// The service of which this cloud has none, though a path names it; empty: all is there.
std::string_view left_out(const Services& services, Service service) {
  if (service == Service::Image && !services.images) return "image";
  if (service == Service::Network && !services.networks) return "network";
  if (service == Service::Compute && !services.compute) return "compute";
  return {};
}

/// Collections of Networking that some clients write with a dash.
constexpr std::pair<std::string_view, std::string_view> kDashedCollections[] = {
    {"availability-zones", "availability_zones"},
    {"floatingip-pools", "floatingip_pools"},
    {"network-segment-ranges", "network_segment_ranges"}};

/// The segments of the path, /v3/... told as /identity/v3/...
PathSegments routed_segments(std::string_view path) {
  PathSegments segments = path_segments(path);
  if (segments.size() > 2 && segments[0] == "network") {
    for (const auto& [dashed, name] : kDashedCollections)
      if (segments[2] == dashed) segments[2] = name;
  }
  if (segments.empty() || segments[0] != "v3") return segments;
  PathSegments told;
  told.push_back("identity");
  for (const std::string_view segment : segments) told.push_back(segment);
  return told;
}

/// "req-" and a UUID: another's request id that is fit for the log.
bool is_request_id(std::string_view text) {
  return text.size() == 40 && text.substr(0, 4) == "req-" && is_uuid_like(text.substr(4));
}

/// What the audit log says of what this request does. All of them outlive the scope.
ActorScope edge_of(const Request& request, const Route& route, const Context* caller) {
  return {caller, request.remote_address, request.headers.get("User-Agent"), route.policy,
          split_target(request.target).first};
}

std::string_view shown_target(std::string_view target) {
  return split_target(target).first.substr(0, 256);  // Queries may hold what a log must not.
}

}  // namespace

struct Router::Impl {
  Cloud& cloud;
  Log log;
  RouteTree tree;
  std::unique_ptr<RequestMeter> meter;

  explicit Impl(Cloud& the_cloud) : cloud(the_cloud), log(the_cloud.log("rest")),
        meter(std::make_unique<RequestMeter>(the_cloud.metrics())) {}

  /// Who calls, and what by.
  struct Caller {
    Context ctx;
    std::shared_ptr<const ValidToken> token;  // Shared with all who call by it.
  };

  Response answer(Request& request, const Route*& route) const;
  Result<Caller> identify(const Route& route, const Request& request) const;
  Result<Caller> admit(const Route& route, const Request& request) const;
  Response error_reply(Service service, const Error& error, const Request& request) const;
  void finish(const Request& request, Response& response, MonoTime began) const;
  Result<Response> authenticated(const Route& route, const RouteTree::Match& match,
                                 Request& request, Microversion version) const;
  Response guarded(Request& request) const;
  void write_line(const Request& request, int status, MonoTime began) const;
};

/// Who calls is settled here, and nowhere else: the token's own words, never a request's headers.
Result<Router::Impl::Caller> Router::Impl::identify(const Route& route,
                                                    const Request& request) const {
  Caller caller;
  caller.ctx.request_id = request.request_id;
  caller.ctx.traceparent = current_traceparent();
  if (!route.auth) return caller;
  if (request.caller) {
    caller.ctx = *request.caller;
    caller.ctx.request_id = request.request_id;
    if (current_work() && current_work()->trace) caller.ctx.traceparent = current_traceparent();
  } else {
    const std::string_view text = request.headers.get("X-Auth-Token");
    // Two would let those in front of us and us take this for the calls of two.
    if (request.headers.count("X-Auth-Token") > 1)
      return fail(ErrorCode::InvalidArgument, "the header X-Auth-Token is given twice");
    if (text.empty())
      return fail(ErrorCode::Unauthenticated, "The request you have made requires authentication.");
    CLOUDOS_TRY(caller.token, cloud.identity().valid(text));
    const auto& credential = caller.token->token.application_credential;
    if (credential && credential->access_rules) {
      CLOUDOS_CHECK(check_access_rules(*credential->access_rules, route.service, request.method,
                                       request.target));
    }
    caller.ctx = caller.token->context;
    caller.ctx.request_id = request.request_id;
    caller.ctx.traceparent = current_traceparent();
  }
  if (!route.policy.empty()) CLOUDOS_CHECK(cloud.identity().enforce(caller.ctx, route.policy));
  return caller;
}

/// identify(), of whose refusals the audit log hears.
Result<Router::Impl::Caller> Router::Impl::admit(const Route& route,
                                                 const Request& request) const {
  auto caller = identify(route, request);
  if (caller || !route.auth) return caller;
  const std::string_view text = request.headers.get("X-Auth-Token");
  // Who shows no token asks where to log in.
  if (!request.caller && text.empty()) return caller;
  Context who;
  if (request.caller) {
    who = *request.caller;
  } else if (const auto token = cloud.identity().valid(text)) {
    who = (*token)->context;
  }
  who.request_id = request.request_id;
  const ActorScope edge = edge_of(request, route, &who);
  cloud.audit().refused(who, route.policy, caller.error());
  return caller;
}

Result<Response> Router::Impl::authenticated(const Route& route, const RouteTree::Match& match,
                                             Request& request, Microversion version) const {
  ParsedTarget target;
  if (!match.parameters.empty()) {
    const auto names = pattern_names(route.pattern);
    CLOUDOS_ASSERT(names.size() == match.parameters.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      CLOUDOS_TRY(std::string value, percent_decode(match.parameters[i], false));
      target.path.emplace_back(names[i], std::move(value));
    }
  }
  const auto [path, query] = split_target(request.target);
  CLOUDOS_TRY(target.query, parse_query(query));

  auto admitted = admit(route, request);
  if (!admitted && route.check_body && admitted.error().code == ErrorCode::Forbidden) {
    const Context nobody;
    Call unread(cloud, nobody, request, std::move(target));
    CLOUDOS_CHECK(route.check_body(unread));
  }
  if (!admitted) return fail(std::move(admitted).error());
  const Caller caller = std::move(*admitted);
  const ActorScope edge = edge_of(request, route, route.auth ? &caller.ctx : nullptr);
  Call call(cloud, caller.ctx, request, std::move(target));
  call.microversion = version;
  call.token = caller.token ? &caller.token->token : nullptr;
  const ServicePrefix* prefix = prefix_of(path);
  call.service_url = request.base_url;
  if (prefix) call.service_url += prefix->service_path;
  auto reply = route.handler(call);
  if (!reply && route.auth) cloud.audit().refused(caller.ctx, route.policy, reply.error());
  return reply;
}

/// `route` becomes the one that answers, if any does.
Response Router::Impl::answer(Request& request, const Route*& route) const {
  const auto segments = routed_segments(split_target(request.target).first);
  const RouteTree::Match match = tree.find(request.method, segments);
  route = match.route;
  const Service service =
      match.service != Service::None ? match.service : service_of(request.target);
  if (const auto missing = left_out(cloud.services(), service); !missing.empty()) {
    return error_response(service, {ErrorCode::NotFound,
                                    fmt::format("This cloud has no {} service.", missing), {}},
                          request);
  }
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
    response = error_reply(service, result.error(), request);
  }
  if (version.major != 0) echo_compute_version(response.headers, version);
  return response;
}

Response Router::Impl::error_reply(Service service, const Error& error,
                                   const Request& request) const {
  if (error.code == ErrorCode::Internal || !error.detail.empty())
    log.write(error.code == ErrorCode::Internal ? LogLevel::Error : LogLevel::Info,
              fmt::format("{}: {}", error.message, error.detail), request.request_id);
  Response response = error_response(service, error, request);
  response.error = error;
  return response;
}

/// The last catch: what a third party throws at us is our bug, and costs one request.
Response Router::Impl::guarded(Request& request) const {
  std::string reason;
  const Route* route = nullptr;
  try {
    Response response = answer(request, route);
    response.route = route;
    return response;
  } catch (const std::exception& e) {
    reason = e.what();
  }
  log.write(LogLevel::Error, "a handler threw: " + reason, request.request_id);
  const Error error{ErrorCode::Internal,
                    fmt::format("The request failed inside the server; its log says why under {}.",
                                request.request_id),
                    {}};
  Response response = error_response(service_of(request.target), error, request);
  response.route = route;
  return response;
}

void Router::Impl::write_line(const Request& request, int status, MonoTime began) const {
  if (!log.wants(LogLevel::Info)) return;
  const auto took = cloud.clock().mono() - began;
  const std::string_view global = request.headers.get(kRequestIdHeader);
  log.write(
      LogLevel::Info,
      fmt::format("{} {} {} {} {}.{} ms{}{}", request.remote_address, request.method,
                  shown_target(request.target), status, took.count() / 1000,
                  took.count() / 100 % 10,
                  is_request_id(global) ? " global " : "",
                  is_request_id(global) ? global : std::string_view()),
      request.request_id);
}

Router::Router(Cloud& cloud, const std::vector<std::span<const Route>>& tables)
    : impl_(std::make_unique<Impl>(cloud)) {
  for (const auto& table : tables)
    for (const Route& route : table)
      if (left_out(cloud.services(), route.service).empty()) {
        impl_->tree.add(route);
        impl_->meter->add(route);
      }
}

Router::~Router() = default;

Response Router::handle(Request& request) const {
  const MonoTime began = impl_->cloud.clock().mono();
  if (!request.catalogues) request.catalogues = &impl_->cloud.catalogues();
  if (request.request_id.empty()) request.request_id = "req-" + impl_->cloud.ids().uuid();
  RequestSpan span(impl_->cloud.tracer(), request);
  Response response = impl_->guarded(request);
  if (!response.receiver) impl_->finish(request, response, began);
  span.ended(request, response);
  return response;
}

void Router::Impl::finish(const Request& request, Response& response, MonoTime began) const {
  response.headers.set(kRequestIdHeader, request.request_id);
  const Service service = service_of(request.target);
  if (service == Service::Identity) response.headers.set("Vary", "X-Auth-Token");
  if (response.headers.has("Content-Language")) {
    const std::string others(response.headers.get("Vary"));
    response.headers.set("Vary", others.empty() ? "Accept-Language" : others + ", Accept-Language");
  }
  if (service == Service::Compute)
    response.headers.set("x-compute-request-id", request.request_id);
  if (const std::string trace = current_traceparent(); !trace.empty())
    response.headers.set("traceresponse", trace);
  meter->note(response.route, response.status, cloud.clock().mono() - began);
  write_line(request, response.status, began);
}

std::optional<Response> Router::refuse_early(Request& request) const {
  const MonoTime began = impl_->cloud.clock().mono();
  if (!request.catalogues) request.catalogues = &impl_->cloud.catalogues();
  const auto match =
      impl_->tree.find(request.method, routed_segments(split_target(request.target).first));
  if (!match.route || !match.route->auth) return std::nullopt;
  if (request.request_id.empty()) request.request_id = "req-" + impl_->cloud.ids().uuid();
  const auto caller = impl_->admit(*match.route, request);
  if (caller) return std::nullopt;
  // Its body has a say first.
  if (match.route->check_body && caller.error().code == ErrorCode::Forbidden) return std::nullopt;
  Response response = impl_->error_reply(match.service, caller.error(), request);
  response.route = match.route;
  impl_->finish(request, response, began);
  return response;
}

Response Router::end_body(Request& request, std::unique_ptr<BodyReceiver> receiver,
                          Result<void> outcome) const {
  const MonoTime began = impl_->cloud.clock().mono();
  RequestSpan span(impl_->cloud.tracer(), request);
  Result<Response> result = fail(ErrorCode::Internal, "The request failed inside the server.");
  const Route* const route = impl_->tree.find(request.method,
                                              routed_segments(split_target(request.target).first))
                                 .route;
  const ActorScope edge(nullptr, request.remote_address, request.headers.get("User-Agent"),
                        route ? route->policy : std::string_view(),
                        split_target(request.target).first);
  try {
    result = outcome ? receiver->end() : Result<Response>(fail(outcome.error()));
    receiver.reset();
  } catch (const std::exception& e) {
    result.error().detail = std::string("a receiver threw: ") + e.what();
  }
  Response response =
      result ? std::move(*result)
             : impl_->error_reply(service_of(request.target), result.error(), request);
  response.route = route;
  impl_->finish(request, response, began);
  span.ended(request, response);
  return response;
}

RouteClass Router::classify(std::string_view method, std::string_view target) const {
  const auto match = impl_->tree.find(method, routed_segments(split_target(target).first));
  return match.route ? match.route->cls : RouteClass::Inline;
}

RouteClass Router::classify(std::string_view method, std::string_view target,
                            std::string_view body) const {
  const auto match = impl_->tree.find(method, routed_segments(split_target(target).first));
  if (!match.route) return RouteClass::Inline;
  return match.route->class_of ? match.route->class_of(body) : match.route->cls;
}

std::size_t Router::body_limit(std::string_view method, std::string_view target) const {
  const auto match = impl_->tree.find(method, routed_segments(split_target(target).first));
  return match.route && match.route->auth ? limits::kJsonBodyBytes : limits::kAnonymousBodyBytes;
}

Service Router::service_of(std::string_view target) {
  const ServicePrefix* prefix = prefix_of(split_target(target).first);
  return prefix ? prefix->service : Service::None;
}

}  // namespace cloudos::rest
