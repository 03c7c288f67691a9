#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cloudos/random.hpp"
#include "cloudos/trace.hpp"

/// Spans of the work at hand, and which work that is on this thread.
namespace cloudos {

/// What this thread works for: the request (or the one that a task came from) and the span that is
/// the parent of whatever begins now.
struct Work {
  std::string_view request_id;
  const TraceContext* trace = nullptr;
};

/// The innermost WorkScope of this thread; null outside of any.
///
/// Thread-local, for neither a driver's verbs nor a log line's many callers have room for it as an
/// argument. It points to a stack frame of this thread and is put back when that frame ends.
const Work* current_work();

class WorkScope final {
 public:
  WorkScope(std::string_view request_id, const TraceContext* trace);
  ~WorkScope();
  WorkScope(const WorkScope&) = delete;
  WorkScope& operator=(const WorkScope&) = delete;

 private:
  Work work_;
  const Work* const outer_;
};

/// Draws the ids of spans and hands ended ones to the sink. Thread-safe.
class Tracer final {
 public:
  /// Both outlive it.
  Tracer(SpanSink sink, Random& random, const Clock& clock)
      : sink_(std::move(sink)), random_(random), clock_(clock) {}
  bool on() const { return sink_ != nullptr; }
  /// A new span below `parent`; without one, the first span of a new trace.
  TraceContext child_of(const std::optional<TraceContext>& parent) const;
  const Clock& clock() const { return clock_; }
  void emit(const Span& span) const { sink_(span); }

 private:
  const SpanSink sink_;
  Random& random_;
  const Clock& clock_;
};

/// A piece of work of this thread, from construction to destruction: its log lines carry its
/// request and trace, and, when its trace is sampled and somebody listens, it ends as a span.
///
/// `tracer` may be null.
class SpanScope final {
 public:
  /// Traces begin at the edges only: elsewhere, without a parent there is no span.
  enum class At { Inside, Edge };
  SpanScope(const Tracer* tracer, std::string name, const std::optional<TraceContext>& parent,
            std::string_view request_id, At at = At::Inside);
  /// Below what this thread works at.
  SpanScope(const Tracer* tracer, std::string name);
  ~SpanScope();
  SpanScope(const SpanScope&) = delete;
  SpanScope& operator=(const SpanScope&) = delete;

  /// Its own; nothing outside of any trace.
  const std::optional<TraceContext>& context() const { return context_; }
  /// Will it be reported? Attributes are worth their making only then.
  bool reported() const { return reported_; }
  void name(std::string name) { name_ = std::move(name); }
  void attribute(std::string name, std::string value) {
    if (reported_) attributes_.emplace_back(std::move(name), std::move(value));
  }
  void failed(std::string_view status) {
    ok_ = false;
    status_ = status;
  }

 private:
  const Tracer* const tracer_;
  std::string name_;
  const std::string parent_id_;
  const bool reported_;
  const std::optional<TraceContext> context_;
  const std::string request_id_;
  WorkScope work_;
  WallTime start_{};
  MonoTime began_{};
  bool ok_ = true;
  std::string status_;
  std::vector<std::pair<std::string, std::string>> attributes_;
};

}  // namespace cloudos
