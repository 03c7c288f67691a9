#include "rest/measure.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace cloudos::rest {
namespace {

constexpr std::string_view kTraceparent = "traceparent";

std::string_view service_label(Service service) {
  switch (service) {
    case Service::None:
      return "none";
    case Service::Identity:
      return "identity";
    case Service::Image:
      return "image";
    case Service::Compute:
      return "compute";
    case Service::Network:
      return "network";
  }
  return "none";
}

/// The caller's, if there is one and only one and it is valid: all others are as if not sent.
std::optional<TraceContext> callers_trace(const Headers& headers) {
  std::optional<TraceContext> found;
  bool seen = false;
  for (const auto& [name, value] : headers.all()) {
    if (!equals_ignore_case(name, kTraceparent)) continue;
    if (seen) return std::nullopt;
    seen = true;
    found = parse_traceparent(value);
  }
  return found;
}

}  // namespace

Histogram& RequestMeter::make(const Route* route, std::size_t digit) {
  return metrics_.histogram(
      "cloudos_http_request_seconds",
      "From a request's arrival at the router to its reply, by route and class of status.",
      Buckets::seconds(),
      {{"service", std::string(service_label(route ? route->service : Service::None))},
       {"method", std::string(route ? route->method : "other")},
       {"route", std::string(route ? route->pattern : "none")},
       {"status", fmt::format("{}xx", digit)}});
}

void RequestMeter::note(const Route* route, int status, std::chrono::microseconds took) {
  const auto found = by_route_.find(route);
  Series& series = found == by_route_.end() ? unknown_ : found->second;
  if (found == by_route_.end()) route = nullptr;
  const std::size_t digit =
      status >= 100 && status < 600 ? static_cast<std::size_t>(status) / 100 : 5;
  Histogram* histogram = series.by_class[digit].load(std::memory_order_acquire);
  if (!histogram) {
    histogram = &make(route, digit);  // Whoever is first: all get the same one.
    series.by_class[digit].store(histogram, std::memory_order_release);
  }
  histogram->observe(std::chrono::nanoseconds(took));
}

RequestSpan::RequestSpan(const Tracer& tracer, Request& request)
    : span_(&tracer, request.method, callers_trace(request.headers), request.request_id,
            SpanScope::At::Edge) {
  if (span_.context()) request.headers.set(kTraceparent, to_traceparent(*span_.context()));
}

void RequestSpan::ended(const Request& request, const Response& response) {
  if (!span_.reported()) return;
  const std::string_view route = response.route ? response.route->pattern : "none";
  span_.name(fmt::format("{} {}", request.method, route));
  span_.attribute("http.request.method", request.method);
  span_.attribute("http.route", std::string(route));
  span_.attribute("http.response.status_code", std::to_string(response.status));
  span_.attribute("client.address", request.remote_address);
  if (response.status >= 500) span_.failed(reason_phrase(response.status));
}

std::string current_traceparent() {
  const Work* const work = current_work();
  return work && work->trace ? to_traceparent(*work->trace) : std::string();
}

}  // namespace cloudos::rest
