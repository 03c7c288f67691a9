#include "scheduler/table.hpp"

#include <algorithm>
#include <numeric>

namespace cloudos::scheduler {

void HostTable::assign(std::vector<HostState> states) {
  states_ = std::move(states);
  usable_.resize(states_.size());
  zones_.resize(states_.size());
  for (Column* column : {&vcpus_, &ram_mib_, &disk_gib_}) column->resize(states_.size());
  zone_names_.clear();
  is_plain_ = true;
  for (std::size_t i = 0; i < states_.size(); ++i) fill(i);
}

void HostTable::set_alive(std::size_t host, bool alive) {
  states_[host].alive = alive;
  usable_[host] = states_[host].enabled && alive;
}

void HostTable::fill(std::size_t host) {
  const HostState& state = states_[host];
  usable_[host] = state.enabled && state.alive;
  auto zone = std::find(zone_names_.begin(), zone_names_.end(), state.zone);
  if (zone == zone_names_.end()) zone = zone_names_.insert(zone, state.zone);
  zones_[host] = static_cast<std::uint32_t>(zone - zone_names_.begin());
  const auto set = [&](Column& column, const Capacity& capacity) {
    const std::uint64_t free = capacity.free();
    is_plain_ = is_plain_ && free <= kMostExact;
    column[host] = static_cast<double>(static_cast<std::int64_t>(free));
  };
  set(vcpus_, state.vcpus);
  set(ram_mib_, state.ram_mib);
  set(disk_gib_, state.disk_gib);
}

std::optional<std::uint32_t> HostTable::zone_number(std::string_view zone) const {
  const auto found = std::find(zone_names_.begin(), zone_names_.end(), zone);
  if (found == zone_names_.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - zone_names_.begin());
}

namespace {

std::size_t count_kept(const std::vector<std::uint8_t>& kept) {
  return std::accumulate(kept.begin(), kept.end(), std::size_t{0});
}

void drop_excluded(const HostTable& hosts, const Request& request,
                   std::vector<std::uint8_t>& kept) {
  if (request.host.empty() && request.not_hosts.empty()) return;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const std::string& name = hosts.states()[i].name;
    const bool other = !request.host.empty() && name != request.host;
    const auto& tried = request.not_hosts;
    if (other || std::find(tried.begin(), tried.end(), name) != tried.end()) kept[i] = 0;
  }
}

/// The largest and the least value of hosts that are kept, both from zero.
std::pair<double, double> bounds(const double* raw, const std::vector<std::uint8_t>& kept) {
  constexpr std::size_t kLanes = 4;  // Apart from each other: one alone waits for itself.
  double most[kLanes] = {}, least[kLanes] = {};
  const std::size_t whole = kept.size() - kept.size() % kLanes;
  const auto look = [&](std::size_t i, std::size_t lane) {
    const double value = kept[i] ? raw[i] : 0.0;
    most[lane] = value > most[lane] ? value : most[lane];
    least[lane] = value < least[lane] ? value : least[lane];
  };
  for (std::size_t i = 0; i < whole; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) look(i + lane, lane);
  for (std::size_t i = whole; i < kept.size(); ++i) look(i, 0);
  return {*std::max_element(most, most + kLanes), *std::min_element(least, least + kLanes)};
}

/// Normalised, multiplied and added up, a sum a host; those of hosts that are not kept mean
/// nothing.
std::vector<double> totals(const Policy& policy, const HostTable& hosts, const Request& request,
                           const std::vector<std::uint8_t>& kept) {
  std::vector<double> total(kept.size(), 0.0), asked;
  for (const Weighed& weighed : policy.weighers) {
    const double* raw = nullptr;
    if (const auto* ours = dynamic_cast<const ColumnWeigher*>(weighed.weigher.get())) {
      raw = ours->column(hosts).data();
    } else {
      asked.assign(kept.size(), 0.0);
      for (std::size_t i = 0; i < kept.size(); ++i)
        if (kept[i]) asked[i] = weighed.weigher->weigh(hosts.states()[i], request);
      raw = asked.data();
    }
    const auto [most, least] = bounds(raw, kept);
    if (most == least) continue;
    const double from = least, scale = weighed.multiplier / (most - least);
    double* const sums = total.data();
    const std::size_t count = total.size();
    for (std::size_t i = 0; i < count; ++i) sums[i] += (raw[i] - from) * scale;
  }
  return total;
}

/// The heaviest, best first; of equals the earlier.
std::vector<std::size_t> best_of(const std::vector<double>& total,
                                 const std::vector<std::uint8_t>& kept, std::size_t most) {
  std::vector<std::size_t> best;
  best.reserve(most + 1);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i] || (best.size() == most && !(total[i] > total[best.back()]))) continue;
    const auto at =
        std::upper_bound(best.begin(), best.end(), i,
                         [&](std::size_t a, std::size_t b) { return total[a] > total[b]; });
    best.insert(at, i);
    if (best.size() > most) best.pop_back();
  }
  return best;
}

}  // namespace

Ranking rank(const Policy& policy, const HostTable& hosts, const Request& request,
             std::size_t most) {
  if (!hosts.is_plain() || std::max({std::uint64_t{request.vcpus}, request.ram_mib,
                                     request.disk_gib}) > HostTable::kMostExact)
    return rank(policy, hosts.states(), request, most);
  Ranking ranking;
  ranking.report.hosts = hosts.size();
  std::vector<std::uint8_t> kept(hosts.size(), 1);
  drop_excluded(hosts, request, kept);
  std::size_t left = count_kept(kept);
  ranking.report.excluded = hosts.size() - left;
  for (const auto& filter : policy.filters) {
    if (left == 0) break;
    if (const auto* ours = dynamic_cast<const ColumnFilter*>(filter.get())) {
      ours->keep(hosts, request, kept);
    } else {
      for (std::size_t i = 0; i < kept.size(); ++i)
        if (kept[i]) kept[i] = filter->pass(hosts.states()[i], request);
    }
    const std::size_t now = count_kept(kept);
    ranking.report.lines.push_back({filter->name(), left - now});
    left = now;
  }
  ranking.passed = left;
  most = std::min(most, left);
  if (most > 0) ranking.best = best_of(totals(policy, hosts, request, kept), kept, most);
  return ranking;
}

}  // namespace cloudos::scheduler
