#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "cloudos/scheduler.hpp"

namespace cloudos::scheduler {
namespace {

bool is_excluded(const HostState& host, const Request& request) {
  if (!request.host.empty() && host.name != request.host) return true;
  return !request.not_hosts.empty() &&
         std::find(request.not_hosts.begin(), request.not_hosts.end(), host.name) !=
             request.not_hosts.end();
}

/// Adds each weigher's normalised, multiplied values up.
std::vector<double> total_weights(const Policy& policy, std::span<const HostState> hosts,
                                  const Request& request, const std::vector<std::size_t>& passed) {
  std::vector<double> total(passed.size(), 0.0);
  const std::size_t count = policy.weighers.size();
  std::vector<double> raw(passed.size() * count);
  std::vector<double> most(count, 0.0);
  std::vector<double> least(count, 0.0);  // Fixed at zero: half as much free weighs half as much.
  for (std::size_t i = 0; i < passed.size(); ++i) {
    for (std::size_t k = 0; k < count; ++k) {
      const double value = policy.weighers[k].weigher->weigh(hosts[passed[i]], request);
      raw[i * count + k] = value;
      most[k] = std::max(most[k], value);
      least[k] = std::min(least[k], value);
    }
  }
  for (std::size_t k = 0; k < count; ++k) {
    if (most[k] == least[k]) continue;
    const double scale = policy.weighers[k].multiplier / (most[k] - least[k]);
    for (std::size_t i = 0; i < passed.size(); ++i)
      total[i] += (raw[i * count + k] - least[k]) * scale;
  }
  return total;
}

}  // namespace

Ranking rank(const Policy& policy, std::span<const HostState> hosts, const Request& request,
             std::size_t most) {
  Ranking ranking;
  ranking.report.hosts = hosts.size();
  std::vector<std::size_t> left;
  left.reserve(hosts.size());
  std::vector<std::size_t> removed(policy.filters.size(), 0);
  // Host by host, not filter by filter: the same answer with one walk over memory.
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (is_excluded(hosts[i], request)) {
      ++ranking.report.excluded;
      continue;
    }
    std::size_t stage = 0;
    while (stage < removed.size() && policy.filters[stage]->pass(hosts[i], request)) ++stage;
    if (stage == removed.size()) left.push_back(i);
    else ++removed[stage];
  }
  std::size_t before = hosts.size() - ranking.report.excluded;
  for (std::size_t stage = 0; stage < removed.size() && before > 0; ++stage) {
    ranking.report.lines.push_back({policy.filters[stage]->name(), removed[stage]});
    before -= removed[stage];
  }
  ranking.passed = left.size();
  const std::vector<double> weight = total_weights(policy, hosts, request, left);
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
