#include "cloudos/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <variant>

#include "base/assert.hpp"
#include "base/mutex.hpp"
#include "cloudos/limits.hpp"

namespace cloudos {

// Not in the namespace below: Metrics::Impl, which is not in it either, holds one.
enum class MetricKind : std::uint8_t { Counter, Gauge, Histogram };

namespace {

std::string_view metric_type(MetricKind kind) {
  switch (kind) {
    case MetricKind::Counter: return "counter";
    case MetricKind::Gauge: return "gauge";
    case MetricKind::Histogram: return "histogram";
  }
  return "untyped";
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') out += "\\\\";
    else if (c == '\n') out += "\\n";
    else if (c == '"' && quotes) out += "\\\"";
    else out += c;
  }
}

/// route="/a",code="2xx": what stands between the braces, and the key of a series.
std::string label_text(const MetricLabels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name;
    out += "=\"";
    append_escaped(out, value, true);
    out += '"';
  }
  return out;
}

std::string number_text(double number) {
  const auto whole = static_cast<std::int64_t>(number);
  if (number < 1e15 && number > -1e15 && static_cast<double>(whole) == number)
    return fmt::format("{}", whole);
  return fmt::format("{}", number);
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix,
                   std::string_view labels, std::string_view more, std::string_view value) {
  out += name;
  out += suffix;
  if (!labels.empty() || !more.empty()) {
    out += '{';
    out += labels;
    if (!labels.empty() && !more.empty()) out += ',';
    out += more;
    out += '}';
  }
  out += ' ';
  out += value;
  out += '\n';
}

void append_histogram(std::string& out, std::string_view name, std::string_view labels,
                      const Histogram& histogram) {
  const Histogram::Reading reading = histogram.read();
  const Buckets& buckets = histogram.buckets();
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < buckets.upper.size(); ++i) {
    below += reading.buckets[i];
    // Nine digits: 0.0001 times a unit of 1e-9 must not come out as 0.00010000000000000002.
    const double end = static_cast<double>(buckets.upper[i]) * buckets.unit;
    append_sample(out, name, "_bucket", labels, fmt::format("le=\"{:.9g}\"", end),
                  fmt::format("{}", below));
  }
  append_sample(out, name, "_bucket", labels, "le=\"+Inf\"", fmt::format("{}", reading.count));
  append_sample(out, name, "_sum", labels, {},
                number_text(static_cast<double>(reading.sum) * buckets.unit));
  append_sample(out, name, "_count", labels, {}, fmt::format("{}", reading.count));
}

void append_head(std::string& out, std::string_view name, std::string_view help, MetricKind kind) {
  out += "# HELP ";
  out += name;
  out += ' ';
  append_escaped(out, help, false);
  out += "\n# TYPE ";
  out += name;
  out += ' ';
  out += metric_type(kind);
  out += '\n';
}

/// What collectors read, by name: a format of text wants each name's samples together.
class CollectedSamples final : public MetricsReading {
 public:
  struct Family {
    MetricKind kind;
    std::string help;
    std::map<std::string, double> samples;
  };
  void gauge(std::string_view name, std::string_view help, double value,
             const MetricLabels& labels) override {
    add(MetricKind::Gauge, name, help, value, labels);
  }
  void counter(std::string_view name, std::string_view help, double value,
               const MetricLabels& labels) override {
    add(MetricKind::Counter, name, help, value, labels);
  }
  std::map<std::string, Family> families;

 private:
  void add(MetricKind kind, std::string_view name, std::string_view help, double value,
           const MetricLabels& labels) {
    Family& family = families.try_emplace(std::string(name), Family{kind, std::string(help), {}})
                         .first->second;
    if (family.samples.size() < limits::kMetricSeries)
      family.samples.insert_or_assign(label_text(labels), value);
  }
};

}  // namespace

Buckets Buckets::seconds() {
  constexpr std::uint64_t us = 1'000, ms = 1'000 * us, s = 1'000 * ms;
  return {{100 * us, 250 * us, 500 * us, 1 * ms, 2'500 * us, 5 * ms, 10 * ms, 25 * ms, 50 * ms,
           100 * ms, 250 * ms, 500 * ms, 1 * s, 2'500 * ms, 5 * s, 10 * s, 30 * s, 60 * s},
          1e-9};
}
Buckets Buckets::bytes() {
  return {{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20}, 1};
}
Buckets Buckets::counts() { return {{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1'024}, 1}; }

Histogram::Histogram(Buckets buckets)
    : buckets_(std::move(buckets)),
      counts_(std::make_unique<std::atomic<std::uint64_t>[]>(buckets_.upper.size() + 1)) {
  CLOUDOS_ASSERT(std::is_sorted(buckets_.upper.begin(), buckets_.upper.end()));
}

void Histogram::observe(std::uint64_t raw) {
  const auto at = std::lower_bound(buckets_.upper.begin(), buckets_.upper.end(), raw);
  counts_[static_cast<std::size_t>(at - buckets_.upper.begin())].fetch_add(
      1, std::memory_order_relaxed);
  sum_.fetch_add(raw, std::memory_order_relaxed);
}

Histogram::Reading Histogram::read() const {
  Reading reading;
  for (std::size_t i = 0; i <= buckets_.upper.size(); ++i) {
    reading.buckets.push_back(counts_[i].load(std::memory_order_relaxed));
    reading.count += reading.buckets.back();
  }
  reading.sum = sum_.load(std::memory_order_relaxed);
  return reading;
}

struct Metrics::Impl {
  struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
  };
  struct Family {
    MetricKind kind;
    std::string help;
    Buckets buckets;
    std::map<std::string, Series> series;  // By label text.
  };

  Mutex mutex;
  std::map<std::string, Family, std::less<>> families CLOUDOS_GUARDED_BY(mutex);

  // Held while collectors run, so never together with `mutex`: they may count themselves.
  Mutex collecting;
  std::map<std::uint64_t, std::function<void(MetricsReading&)>> collectors
      CLOUDOS_GUARDED_BY(collecting);
  std::uint64_t collectors_ever CLOUDOS_GUARDED_BY(collecting) = 0;

  Series& series(MetricKind kind, std::string_view name, std::string_view help,
                 const MetricLabels& labels, const Buckets& buckets = {});
  std::string family_text(std::string_view name, const Family& family) const;
};

Metrics::Impl::Series& Metrics::Impl::series(MetricKind kind, std::string_view name,
                                             std::string_view help, const MetricLabels& labels,
                                             const Buckets& buckets) {
  LockGuard lock(mutex);
  auto found = families.find(name);
  if (found == families.end())
    found = families.try_emplace(std::string(name), Family{kind, std::string(help), buckets, {}})
                .first;
  Family& family = found->second;
  CLOUDOS_ASSERT(family.kind == kind);
  std::string key = label_text(labels);
  if (!family.series.contains(key) && family.series.size() >= limits::kMetricSeries) {
    MetricLabels other = labels;
    for (auto& [label, value] : other) value = "other";
    key = label_text(other);
  }
  Series& one = family.series[key];
  if (kind == MetricKind::Counter && !one.counter) one.counter = std::make_unique<Counter>();
  if (kind == MetricKind::Gauge && !one.gauge) one.gauge = std::make_unique<Gauge>();
  if (kind == MetricKind::Histogram && !one.histogram)
    one.histogram = std::make_unique<Histogram>(family.buckets);
  return one;
}

std::string Metrics::Impl::family_text(std::string_view name, const Family& family) const {
  std::string out;
  append_head(out, name, family.help, family.kind);
  for (const auto& [labels, one] : family.series) {
    if (one.counter)
      append_sample(out, name, {}, labels, {}, fmt::format("{}", one.counter->value()));
    if (one.gauge) append_sample(out, name, {}, labels, {}, fmt::format("{}", one.gauge->value()));
    if (one.histogram) append_histogram(out, name, labels, *one.histogram);
  }
  return out;
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view name, std::string_view help,
                          const MetricLabels& labels) {
  return *impl_->series(MetricKind::Counter, name, help, labels).counter;
}
Gauge& Metrics::gauge(std::string_view name, std::string_view help, const MetricLabels& labels) {
  return *impl_->series(MetricKind::Gauge, name, help, labels).gauge;
}
Histogram& Metrics::histogram(std::string_view name, std::string_view help, const Buckets& buckets,
                              const MetricLabels& labels) {
  return *impl_->series(MetricKind::Histogram, name, help, labels, buckets).histogram;
}

Metrics::Collector& Metrics::Collector::operator=(Collector&& other) noexcept {
  std::swap(ended_, other.ended_);
  return *this;
}
Metrics::Collector::~Collector() {
  if (ended_) ended_();
}

Metrics::Collector Metrics::collect(std::function<void(MetricsReading&)> collect) {
  LockGuard lock(impl_->collecting);
  const std::uint64_t id = ++impl_->collectors_ever;
  impl_->collectors.emplace(id, std::move(collect));
  Collector handle;
  handle.ended_ = [impl = impl_.get(), id] {
    LockGuard last(impl->collecting);
    impl->collectors.erase(id);
  };
  return handle;
}

std::string Metrics::text() const {
  CollectedSamples collected;
  {
    LockGuard lock(impl_->collecting);
    for (const auto& [id, collect] : impl_->collectors) collect(collected);
  }
  std::map<std::string, std::string> texts;
  for (const auto& [name, family] : collected.families) {
    std::string& out = texts[name];
    append_head(out, name, family.help, family.kind);
    for (const auto& [labels, value] : family.samples)
      append_sample(out, name, {}, labels, {}, number_text(value));
  }
  {
    LockGuard lock(impl_->mutex);
    for (const auto& [name, family] : impl_->families)
      texts[name] = impl_->family_text(name, family);
  }
  std::string all;
  for (const auto& [name, text] : texts) all += text;
  return all;
}

}  // namespace cloudos
