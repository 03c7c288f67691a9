#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/export.hpp"

/// Traces: one call followed through its request, the steps of its task and their driver calls.
namespace cloudos {

/// Where in which trace something happens. Source: W3C Trace Context, level 1.
struct TraceContext {
  std::string trace_id;  ///< 32 lower-case hexadecimal digits, not all zero.
  std::string span_id;   ///< 16 of them: of the span that is the parent of what comes next.
  bool sampled = false;  ///< Its spans are reported.
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

/// Reads a `traceparent` header to the letter: nothing for anything but a valid one. Of versions
/// after 00 the known part is read.
CLOUDOS_EXPORT std::optional<TraceContext> parse_traceparent(std::string_view text);
/// "00-<trace id>-<span id>-01"
CLOUDOS_EXPORT std::string to_traceparent(const TraceContext& context);

/// One finished piece of work of a trace. Views live for the call only.
struct Span {
  std::string_view name;       ///< "POST /compute/v2.1/servers", "create-server/boot", "libvirt start"
  std::string_view trace_id, span_id;
  std::string_view parent_id;  ///< Empty: the trace began here.
  std::string_view request_id;
  WallTime start;
  std::chrono::microseconds duration{0};
  bool ok = true;              ///< False: it failed; `status` says how.
  std::string_view status;     ///< Empty, or what went wrong.
  /// ("http.route", "/compute/v2.1/servers"), ("task.id", "…"), ("server.id", "…")
  const std::vector<std::pair<std::string, std::string>>& attributes;
};

/// Called when a sampled span ends, from any thread, also concurrently; must not block nor call
/// back into the Cloud. Hand the span to OpenTelemetry, say.
using SpanSink = std::function<void(const Span&)>;

}  // namespace cloudos
