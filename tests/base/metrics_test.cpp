#include "cloudos/metrics.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "cloudos/limits.hpp"

using namespace cloudos;

TEST_CASE("the text is Prometheus': help and type once a name, escaped, in order") {
  Metrics metrics;
  metrics.counter("b_total", "Calls\nwith a \\.", {{"who", "a \"b\" \\ c\nd"}}).add(3);
  metrics.counter("b_total", "another help", {{"who", "x"}}).add();
  metrics.gauge("a_level", "Level.").set(-2);
  CHECK(metrics.text() ==
        "# HELP a_level Level.\n"
        "# TYPE a_level gauge\n"
        "a_level -2\n"
        "# HELP b_total Calls\\nwith a \\\\.\n"
        "# TYPE b_total counter\n"
        "b_total{who=\"a \\\"b\\\" \\\\ c\\nd\"} 3\n"
        "b_total{who=\"x\"} 1\n");
}

TEST_CASE("a histogram shows cumulative buckets, sum and count in its unit") {
  Metrics metrics;
  auto& took = metrics.histogram("t_seconds", "T.", {{1'000'000, 2'500'000}, 1e-9}, {{"k", "v"}});
  using namespace std::chrono_literals;
  took.observe(1ms);    // Ends are in their bucket.
  took.observe(2ms);
  took.observe(2500us);
  took.observe(1s);
  took.observe(std::chrono::nanoseconds(-5));  // A clock that was set back counts as no time.
  CHECK(metrics.text() ==
        "# HELP t_seconds T.\n"
        "# TYPE t_seconds histogram\n"
        "t_seconds_bucket{k=\"v\",le=\"0.001\"} 2\n"
        "t_seconds_bucket{k=\"v\",le=\"0.0025\"} 4\n"
        "t_seconds_bucket{k=\"v\",le=\"+Inf\"} 5\n"
        "t_seconds_sum{k=\"v\"} 1.0055\n"
        "t_seconds_count{k=\"v\"} 5\n");
}

TEST_CASE("the same name and labels are the same metric, and it stays where it is") {
  Metrics metrics;
  Counter& one = metrics.counter("a_total", "A.", {{"x", "1"}});
  for (int i = 0; i < 1'000; ++i)
    metrics.counter("a_total", "A.", {{"x", std::to_string(i)}}).add();
  CHECK(&one == &metrics.counter("a_total", "A.", {{"x", "1"}}));
  CHECK(one.value() == 1);
}

TEST_CASE("label sets beyond the limit share one series") {
  Metrics metrics;
  for (std::size_t i = 0; i < limits::kMetricSeries + 500; ++i)
    metrics.counter("a_total", "A.", {{"x", std::to_string(i)}}).add();
  CHECK(metrics.counter("a_total", "A.", {{"x", "one more"}}).value() == 500);
  CHECK(metrics.text().find("a_total{x=\"other\"} 500\n") != std::string::npos);
}

TEST_CASE("collectors are asked for each text until their handle goes") {
  Metrics metrics;
  int asked = 0;
  {
    auto handle = metrics.collect([&](MetricsReading& reading) {
      ++asked;
      reading.gauge("g", "G.", 1.5, {{"a", "1"}});
      reading.counter("c_total", "C.", 1e6);
      reading.gauge("g", "G.", 2, {{"a", "2"}});
    });
    auto moved = std::move(handle);
    CHECK(metrics.text() ==
          "# HELP c_total C.\n# TYPE c_total counter\nc_total 1000000\n"
          "# HELP g G.\n# TYPE g gauge\ng{a=\"1\"} 1.5\ng{a=\"2\"} 2\n");
  }
  CHECK(metrics.text().empty());
  CHECK(asked == 1);
}

TEST_CASE("nothing is lost when many threads count and one reads") {
  Metrics metrics;
  Counter& counter = metrics.counter("a_total", "A.");
  Histogram& histogram = metrics.histogram("b", "B.", Buckets::counts());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < 10'000; ++i) {
        counter.add();
        histogram.observe(i % 3);
        if (i % 1'000 == 0) metrics.gauge("c", "C.", {{"t", std::to_string(i)}}).add(1);
      }
    });
  for (int i = 0; i < 20; ++i) CHECK_FALSE(metrics.text().empty());
  for (auto& thread : threads) thread.join();
  CHECK(counter.value() == 40'000);
  CHECK(histogram.read().count == 40'000);
  CHECK(metrics.gauge("c", "C.", {{"t", "0"}}).value() == 4);
}
