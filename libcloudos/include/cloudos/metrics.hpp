#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/export.hpp"

/// Counts, levels and durations, as Prometheus reads them.
namespace cloudos {

/// ("route", "/compute/v2.1/servers"): values from a small set, never ids or what clients send.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// Only grows. Thread-safe; one atomic addition.
class CLOUDOS_EXPORT Counter {
 public:
  void add(std::uint64_t more = 1) { count_.fetch_add(more, std::memory_order_relaxed); }
  std::uint64_t value() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> count_{0};
};

/// Goes up and down. Thread-safe; one atomic operation.
class CLOUDOS_EXPORT Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t more) { value_.fetch_add(more, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// The upper ends of a histogram's buckets, growing, in whole raw units; the text shows them, and
/// the sum, times `unit`. One more bucket takes the rest.
struct Buckets {
  std::vector<std::uint64_t> upper;
  double unit = 1;
  static Buckets seconds();  ///< 100 µs … 60 s; raw unit: nanoseconds
  static Buckets bytes();    ///< 256 … 16 MiB
  static Buckets counts();   ///< 1 … 1,024
};

/// How often what size was seen. Thread-safe, no lock: two atomic additions.
class CLOUDOS_EXPORT Histogram {
 public:
  explicit Histogram(Buckets buckets);
  void observe(std::uint64_t raw);
  void observe(std::chrono::nanoseconds took) {
    observe(took.count() > 0 ? static_cast<std::uint64_t>(took.count()) : std::uint64_t{0});
  }

  struct Reading {
    std::vector<std::uint64_t> buckets;  ///< Of each bucket alone, the last one open-ended.
    std::uint64_t count = 0;
    std::uint64_t sum = 0;               ///< In raw units.
  };
  Reading read() const;
  const Buckets& buckets() const { return buckets_; }

 private:
  const Buckets buckets_;
  const std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
  std::atomic<std::uint64_t> sum_{0};
};

/// Where a collector puts what it reads.
class CLOUDOS_EXPORT MetricsReading {
 public:
  virtual ~MetricsReading() = default;
  virtual void gauge(std::string_view name, std::string_view help, double value,
                     const MetricLabels& labels = {}) = 0;
  /// For what is counted elsewhere and only grows.
  virtual void counter(std::string_view name, std::string_view help, double value,
                       const MetricLabels& labels = {}) = 0;
};

/// The metrics of one cloud. Thread-safe.
///
/// Names follow Prometheus: "cloudos_…_total" for counters, units last ("_seconds", "_bytes").
class CLOUDOS_EXPORT Metrics final {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// The metric of that name and those labels, made when it is new; it lives as long as this. Takes
  /// a lock: whoever counts often keeps the reference. A name has one kind; help and buckets are
  /// the first caller's. Label sets beyond limits::kMetricSeries of one name share one series,
  /// whose labels all say "other".
  Counter& counter(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Buckets& buckets,
                       const MetricLabels& labels = {});

  /// Ends its collector when destroyed; after that it is not called, nor running.
  class CLOUDOS_EXPORT Collector {
   public:
    Collector() = default;
    Collector(Collector&& other) noexcept : ended_(std::move(other.ended_)) {
      other.ended_ = nullptr;
    }
    Collector& operator=(Collector&& other) noexcept;
    ~Collector();

   private:
    friend class Metrics;
    std::function<void()> ended_;
  };
  /// `collect` is called for each text(), one at a time, and must not block nor add or end
  /// collectors. For what is cheaper to look up than to count. Outlived by this.
  [[nodiscard]] Collector collect(std::function<void(MetricsReading&)> collect);

  /// Everything, in Prometheus' text format 0.0.4.
  std::string text() const;

 private:
  struct CLOUDOS_LOCAL Impl;
  const std::unique_ptr<Impl> impl_;
};

/// The Content-Type of Metrics::text().
inline constexpr std::string_view kMetricsContentType =
    "text/plain; version=0.0.4; charset=utf-8";

}  // namespace cloudos
