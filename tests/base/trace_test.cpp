#include "base/trace.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/log.hpp"

using namespace cloudos;

namespace {

const std::string kTrace = "0af7651916cd43dd8448eb211c80319c", kParent = "b7ad6b7169203331";
const std::string kGiven = "00-" + kTrace + "-" + kParent + "-01";

struct Recorded {
  std::string name, trace, span, parent, request, status;
  bool ok;
};

}  // namespace

TEST_CASE("traceparent is read to the letter") {
  struct Row {
    std::string what, text;
    bool valid, sampled;
  };
  const Row rows[] = {
      {"sampled", kGiven, true, true},
      {"not sampled", "00-" + kTrace + "-" + kParent + "-00", true, false},
      {"unknown flags", "00-" + kTrace + "-" + kParent + "-fe", true, false},
      {"unknown flags and sampled", "00-" + kTrace + "-" + kParent + "-ff", true, true},
      {"later version", "01-" + kTrace + "-" + kParent + "-01", true, true},
      {"later version with more", "cc-" + kTrace + "-" + kParent + "-01-what", true, true},
      {"later version glued to more", "cc-" + kTrace + "-" + kParent + "-01what", false, false},
      {"version 00 with more", kGiven + "-what", false, false},
      {"version ff", "ff-" + kTrace + "-" + kParent + "-01", false, false},
      {"upper case", "00-0AF7651916CD43DD8448EB211C80319C-" + kParent + "-01", false, false},
      {"no trace", "00-00000000000000000000000000000000-" + kParent + "-01", false, false},
      {"no span", "00-" + kTrace + "-0000000000000000-01", false, false},
      {"short", kGiven.substr(0, 54), false, false},
      {"empty", "", false, false},
      {"blank before", " " + kGiven, false, false},
      {"other separators", "00_" + kTrace + "_" + kParent + "_01", false, false},
      {"not hexadecimal", "00-" + kTrace + "-g7ad6b7169203331-01", false, false},
      {"version not hexadecimal", "0.-" + kTrace + "-" + kParent + "-01", false, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto read = parse_traceparent(row.text);
    CHECK(read.has_value() == row.valid);
    if (!read) continue;
    CHECK(read->trace_id == kTrace);
    CHECK(read->span_id == kParent);
    CHECK(read->sampled == row.sampled);
  }
  CHECK(to_traceparent(*parse_traceparent(kGiven)) == kGiven);
}

TEST_CASE("spans nest on their thread, keep the trace and obey its sampling flag") {
  std::vector<Recorded> spans;
  const SpanSink sink = [&](const Span& span) {
    spans.push_back({std::string(span.name), std::string(span.trace_id), std::string(span.span_id),
                     std::string(span.parent_id), std::string(span.request_id),
                     std::string(span.status), span.ok});
  };
  SeededRandom random(1);
  ManualClock clock;
  const Tracer tracer(sink, random, clock);
  {
    SpanScope outer(&tracer, "outer", parse_traceparent(kGiven), "req-1");
    SpanScope inner(&tracer, "inner");
    inner.failed("broken");
  }
  REQUIRE(spans.size() == 2);
  CHECK(spans[0].name == "inner");
  CHECK(spans[0].parent == spans[1].span);
  CHECK(spans[0].request == "req-1");
  CHECK_FALSE(spans[0].ok);
  CHECK(spans[0].status == "broken");
  CHECK(spans[1].parent == kParent);
  CHECK(spans[1].trace == kTrace);
  CHECK(spans[1].span.size() == 16);
  CHECK(spans[1].ok);

  spans.clear();
  {
    SpanScope quiet(&tracer, "quiet", parse_traceparent("00-" + kTrace + "-" + kParent + "-00"),
                    "");
  }
  { SpanScope alone(&tracer, "alone"); }  // Nobody asked for this trace.
  CHECK(spans.empty());
  { SpanScope edge(&tracer, "edge", std::nullopt, "req-2", SpanScope::At::Edge); }
  REQUIRE(spans.size() == 1);
  CHECK(spans[0].parent.empty());
  CHECK(spans[0].trace.size() == 32);
  CHECK(current_work() == nullptr);
}

TEST_CASE("without a sink a request still gets a span of its own below its caller's") {
  SeededRandom random(1);
  ManualClock clock;
  const Tracer tracer(nullptr, random, clock);
  const SpanScope span(&tracer, "request", parse_traceparent(kGiven), "req-1", SpanScope::At::Edge);
  REQUIRE(span.context());
  CHECK(span.context()->trace_id == kTrace);
  CHECK(span.context()->span_id != kParent);
  CHECK(span.context()->sampled);
  CHECK_FALSE(span.reported());
  const SpanScope none(&tracer, "request", std::nullopt, "req-1", SpanScope::At::Edge);
  CHECK_FALSE(none.context());
}

TEST_CASE("log lines carry the request and trace of the thread's work") {
  std::vector<std::string> lines;
  const Log log(
      [&](const LogRecord& r) {
        lines.push_back(std::string(r.message) + "|" + std::string(r.request_id) + "|" +
                        std::string(r.trace_id));
      },
      "test");
  const auto trace = parse_traceparent(kGiven);
  log.info("before");
  {
    const WorkScope work("req-1", &*trace);
    log.info("inside");
    log.write(LogLevel::Info, "of another", "req-2");
    const WorkScope nested("req-3", nullptr);
    log.info("nested");
  }
  log.info("after");
  CHECK(lines == std::vector<std::string>{"before||", "inside|req-1|" + kTrace, "of another|req-2|",
                                          "nested|req-3|", "after||"});
}
