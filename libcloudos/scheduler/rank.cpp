#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "cloudos/scheduler.hpp"

namespace cloudos::scheduler {
namespace {

bool is_excluded(const HostState& host, const Request& request) {
  if (!request.host.empty() && host.name != request.host) return true;
  return !request.not_hosts.empty() && std::find(request.not_hosts.begin(), request.not_hosts.end(),
                                                 host.name) != request.not_hosts.end();
}

/// The weighers' values of the hosts that passed, gathered host by host.
class Weights {
 public:
  Weights(const Policy& policy, std::size_t hosts)
      : weighers_(policy.weighers), most_(weighers_.size(), 0.0), least_(weighers_.size(), 0.0) {
    raw_.reserve(hosts * weighers_.size());
  }
  void add(const HostState& host, const Request& request) {
    for (std::size_t k = 0; k < weighers_.size(); ++k) {
      const double value = weighers_[k].weigher->weigh(host, request);
      raw_.push_back(value);
      most_[k] = std::max(most_[k], value);
      least_[k] = std::min(least_[k], value);
    }
  }
  /// Normalised, multiplied and added up, a sum a host.
  std::vector<double> totals() const {
    const std::size_t count = weighers_.size();
    std::vector<double> total(count == 0 ? 0 : raw_.size() / count, 0.0);
    for (std::size_t k = 0; k < count; ++k) {
      if (most_[k] == least_[k]) continue;
      const double scale = weighers_[k].multiplier / (most_[k] - least_[k]);
      for (std::size_t i = 0; i < total.size(); ++i)
        total[i] += (raw_[i * count + k] - least_[k]) * scale;
    }
    return total;
  }

 private:
  std::span<const Weighed> weighers_;
  std::vector<double> raw_;
  std::vector<double> most_, least_;  // From zero: half as much free weighs half as much.
};

}  // namespace

Ranking rank(const Policy& policy, std::span<const HostState> hosts, const Request& request,
             std::size_t most) {
  Ranking ranking;
  ranking.report.hosts = hosts.size();
  std::vector<std::size_t> left;
  left.reserve(hosts.size());
  std::vector<std::size_t> removed(policy.filters.size(), 0);
  Weights weights(policy, hosts.size());
  constexpr std::size_t kAhead = 4;
  // Host by host, not filter by filter: the same answer with one walk over memory.
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (i + kAhead < hosts.size()) {
      // A host spans several lines of the cache. Stated here: as a function of its own GCC takes it
      // for one without effects, and drops the call.
      const auto* const next = reinterpret_cast<const char*>(&hosts[i + kAhead]);
      __builtin_prefetch(next);
      __builtin_prefetch(next + 64);
      __builtin_prefetch(next + 128);
    }
    if (is_excluded(hosts[i], request)) {
      ++ranking.report.excluded;
      continue;
    }
    std::size_t stage = 0;
    while (stage < removed.size() && policy.filters[stage]->pass(hosts[i], request)) ++stage;
    if (stage < removed.size()) {
      ++removed[stage];
      continue;
    }
    left.push_back(i);
    weights.add(hosts[i], request);
  }
  std::size_t before = hosts.size() - ranking.report.excluded;
  for (std::size_t stage = 0; stage < removed.size() && before > 0; ++stage) {
    ranking.report.lines.push_back({policy.filters[stage]->name(), removed[stage]});
    before -= removed[stage];
  }
  ranking.passed = left.size();
  std::vector<double> weight = weights.totals();
  if (policy.weighers.empty()) weight.resize(left.size(), 0.0);
  std::vector<std::size_t> order(left.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto wanted = order.begin() + static_cast<std::ptrdiff_t>(std::min(most, order.size()));
  std::partial_sort(order.begin(), wanted, order.end(), [&](std::size_t a, std::size_t b) {
    return weight[a] != weight[b] ? weight[a] > weight[b] : a < b;
  });
  ranking.best.reserve(static_cast<std::size_t>(wanted - order.begin()));
  for (auto it = order.begin(); it != wanted; ++it) ranking.best.push_back(left[*it]);
  return ranking;
}

std::string summary(const Report& report) {
  std::string text = fmt::format("{} host{}", report.hosts, report.hosts == 1 ? "" : "s");
  std::string_view separator = ": ";
  if (report.excluded > 0) {
    text += fmt::format("{}{} left out by name or tried before", separator, report.excluded);
    separator = ", ";
  }
  for (const Report::Line& line : report.lines) {
    if (line.removed == 0) continue;
    text += fmt::format("{}{} removed {}", separator, line.filter, line.removed);
    separator = ", ";
  }
  return text;
}

std::string explain(const Policy& policy, std::span<const HostState> hosts, const Request& request,
                    std::size_t most_lines) {
  std::string text;
  std::size_t lines = 0;
  std::size_t untold = 0;
  const auto add = [&](const HostState& host, std::string_view filter, std::string_view why) {
    if (lines == most_lines) {
      ++untold;
      return;
    }
    ++lines;
    text += fmt::format("{}: {}: {}\n", host.name, filter, why);
  };
  for (const HostState& host : hosts) {
    if (is_excluded(host, request)) {
      add(host, "excluded", "not the host asked for, or tried before");
      continue;
    }
    for (const auto& filter : policy.filters) {
      if (filter->pass(host, request)) continue;
      // Text beyond the limit is not built at all.
      add(host, filter->name(), lines < most_lines ? filter->explain(host, request) : "");
      break;
    }
  }
  if (untold > 0) text += fmt::format("and {} more\n", untold);
  return text;
}

}  // namespace cloudos::scheduler
