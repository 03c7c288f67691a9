#include "base/trace.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace cloudos {

namespace {

constexpr std::size_t kTraceparentChars = 55;

thread_local const Work* innermost_work = nullptr;

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool all_zero(std::string_view text) { return text.find_first_not_of('0') == text.npos; }

std::optional<TraceContext> parent_of_current_work() {
  const Work* const work = current_work();
  return work && work->trace ? std::optional(*work->trace) : std::nullopt;
}

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view text) {
  if (text.size() < kTraceparentChars) return std::nullopt;
  const std::string_view version = text.substr(0, 2), trace = text.substr(3, 32),
                         span = text.substr(36, 16), flags = text.substr(53, 2);
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  for (const std::string_view field : {version, trace, span, flags})
    if (!is_lower_hex(field)) return std::nullopt;
  if (version == "ff" || all_zero(trace) || all_zero(span)) return std::nullopt;
  // Later versions may add fields; ours has none to add.
  if (text.size() > kTraceparentChars && (version == "00" || text[kTraceparentChars] != '-'))
    return std::nullopt;
  const char low = flags[1];
  const int bits = low <= '9' ? low - '0' : low - 'a' + 10;
  return TraceContext{std::string(trace), std::string(span), (bits & 1) != 0};
}

std::string to_traceparent(const TraceContext& context) {
  return "00-" + context.trace_id + "-" + context.span_id + (context.sampled ? "-01" : "-00");
}

const Work* current_work() { return innermost_work; }

WorkScope::WorkScope(std::string_view request_id, const TraceContext* trace)
    : work_{request_id, trace}, outer_(innermost_work) {
  innermost_work = &work_;
}

WorkScope::~WorkScope() { innermost_work = outer_; }

TraceContext Tracer::child_of(const std::optional<TraceContext>& parent) const {
  std::uint8_t bytes[24];
  random_.fill(bytes);
  bytes[0] |= 1;  // Neither id may be all zero.
  bytes[8] |= 1;
  TraceContext child;
  child.span_id = to_hex(std::span(bytes).first(8));
  child.trace_id = parent ? parent->trace_id : to_hex(std::span(bytes).last(16));
  child.sampled = parent ? parent->sampled : on();
  return child;
}

SpanScope::SpanScope(const Tracer* tracer, std::string name,
                     const std::optional<TraceContext>& parent, std::string_view request_id, At at)
    : tracer_(tracer),
      name_(std::move(name)),
      parent_id_(parent ? parent->span_id : std::string()),
      reported_(tracer && tracer->on() && (parent ? parent->sampled : at == At::Edge)),
      context_(tracer && (parent || reported_) ? std::optional(tracer->child_of(parent)) : parent),
      request_id_(request_id),
      work_(request_id_, context_ ? &*context_ : nullptr) {
  if (!reported_) return;
  start_ = tracer->clock().wall();
  began_ = tracer->clock().mono();
}

SpanScope::SpanScope(const Tracer* tracer, std::string name)
    : SpanScope(tracer, std::move(name), parent_of_current_work(),
                current_work() ? current_work()->request_id : std::string_view()) {}

SpanScope::~SpanScope() {
  if (!reported_) return;
  tracer_->emit({name_, context_->trace_id, context_->span_id, parent_id_, request_id_, start_,
                 tracer_->clock().mono() - began_, ok_, status_, attributes_});
}

}  // namespace cloudos
