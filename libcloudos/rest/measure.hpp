#pragma once
#include <array>
#include <atomic>
#include <unordered_map>

#include "base/trace.hpp"
#include "cloudos/metrics.hpp"
#include "rest/router.hpp"

/// What the router measures and traces of requests.
namespace cloudos::rest {

/// Durations by route and class of status. Thread-safe after add(); no lock once a pair was seen.
class RequestMeter final {
 public:
  /// `metrics` outlives it.
  explicit RequestMeter(Metrics& metrics) : metrics_(metrics) {}
  /// `route` outlives it.
  void add(const Route& route) { by_route_.try_emplace(&route); }
  /// `route` null: none was found, or the path was refused before.
  void note(const Route* route, int status, std::chrono::microseconds took);

 private:
  /// By first digit of the status.
  struct Series {
    std::array<std::atomic<Histogram*>, 6> by_class{};
  };
  Histogram& make(const Route* route, std::size_t digit);

  Metrics& metrics_;
  std::unordered_map<const Route*, Series> by_route_;
  Series unknown_;
};

/// A request's own span and, for its log lines, its id: a child of the caller's `traceparent`, or
/// the first of a trace when somebody listens. The header is replaced by the request's own, which
/// is what later parts of the request (its body's end, say) and services that it calls go by.
class RequestSpan final {
 public:
  RequestSpan(const Tracer& tracer, Request& request);
  void ended(const Request& request, const Response& response);

 private:
  SpanScope span_;
};

/// The trace of what this thread works at, for Context::traceparent; empty: none.
std::string current_traceparent();

}  // namespace cloudos::rest
