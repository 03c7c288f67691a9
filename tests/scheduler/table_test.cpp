#include "scheduler/table.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "cloudos/random.hpp"

using namespace cloudos;
using scheduler::HostState;
using scheduler::HostTable;
using scheduler::Request;

namespace {

/// A filter and a weigher of an embedder: they know nothing of columns.
class EvenServers final : public scheduler::Filter {
 public:
  std::string_view name() const override { return "EvenServers"; }
  bool pass(const HostState& host, const Request&) const override { return host.servers % 2 == 0; }
  std::string explain(const HostState&, const Request&) const override { return "odd"; }
};
class FewServers final : public scheduler::Weigher {
 public:
  std::string_view name() const override { return "FewServers"; }
  double weigh(const HostState& host, const Request&) const override {
    return -static_cast<double>(host.servers);
  }
};

scheduler::Capacity some_capacity(Random& random) {
  scheduler::Capacity capacity;
  capacity.total = random.below(8) == 0 ? 0 : random.below(20);
  capacity.reserved = random.below(3);
  capacity.used = random.below(12);
  capacity.ratio = random.below(2) == 0 ? 1.0 : 1.5;
  return capacity;
}

HostState some_host(Random& random, std::size_t number) {
  HostState host;
  host.name = fmt::format("h{}", number);
  host.zone = random.below(3) == 0 ? "east" : "west";
  host.enabled = random.below(6) != 0;
  host.alive = random.below(6) != 0;
  host.vcpus = some_capacity(random);
  host.ram_mib = some_capacity(random);
  host.disk_gib = some_capacity(random);
  host.servers = static_cast<std::uint32_t>(random.below(5));
  return host;
}

Request some_request(Random& random) {
  Request request;
  request.vcpus = static_cast<std::uint32_t>(random.below(6));
  request.ram_mib = random.below(6);
  request.disk_gib = random.below(6);
  const char* zones[] = {"", "", "east", "north"};
  request.zone = zones[random.below(4)];
  if (random.below(8) == 0) request.host = fmt::format("h{}", random.below(8));
  while (random.below(3) == 0) request.not_hosts.push_back(fmt::format("h{}", random.below(8)));
  return request;
}

std::string told(const scheduler::Ranking& ranking) {
  std::string text = fmt::format("{} passed:", ranking.passed);
  for (const std::size_t i : ranking.best) text += fmt::format(" {}", i);
  text += "; " + scheduler::summary(ranking.report);
  for (const auto& line : ranking.report.lines)
    text += fmt::format(" {}={}", line.filter, line.removed);
  return text;
}

}  // namespace

TEST_CASE("a table of hosts is ranked as the plain states are, whoever made filters and weighers") {
  SeededRandom random(7);
  scheduler::Policy stacking = scheduler::default_policy();
  for (auto& weighed : stacking.weighers) weighed.multiplier = -0.5;
  scheduler::Policy mixed = scheduler::default_policy();
  mixed.filters.insert(mixed.filters.begin() + 2, std::make_shared<EvenServers>());
  mixed.weighers.push_back({std::make_shared<FewServers>(), 2.0});
  const scheduler::Policy policies[] = {scheduler::default_policy(), stacking, mixed, {}};
  for (int round = 0; round < 2'000; ++round) {
    CAPTURE(round);
    std::vector<HostState> hosts;
    for (std::size_t i = 0; i < random.below(40); ++i) hosts.push_back(some_host(random, i));
    HostTable table;
    table.assign(hosts);
    if (!hosts.empty()) {  // Some change after the table was made.
      const std::size_t one = random.below(hosts.size());
      hosts[one] = some_host(random, one);
      table.change(one, [&](HostState& host) { host = hosts[one]; });
      const std::size_t other = random.below(hosts.size());
      hosts[other].alive = !hosts[other].alive;
      table.set_alive(other, hosts[other].alive);
    }
    const Request request = some_request(random);
    const std::size_t most = random.below(20);
    for (const auto& policy : policies)
      CHECK(told(scheduler::rank(policy, table, request, most)) ==
            told(scheduler::rank(policy, hosts, request, most)));
  }
}

TEST_CASE("amounts that a column cannot hold exactly are ranked by the plain states") {
  constexpr std::uint64_t kMuch = (std::uint64_t{1} << 53) + 2;
  HostState small, large;
  small.name = "small";
  large.name = "large";
  for (HostState* host : {&small, &large}) {
    host->alive = true;
    host->vcpus = {4, 0, 0, 1.0};
    host->disk_gib = {4, 0, 0, 1.0};
  }
  small.ram_mib = {kMuch - 2, 0, 0, 1.0};
  large.ram_mib = {kMuch, 0, 0, 1.0};
  const std::vector<HostState> hosts{small, large};
  HostTable table;
  table.assign(hosts);
  CHECK_FALSE(table.is_plain());
  Request request;
  request.ram_mib = kMuch - 1;
  const auto policy = scheduler::default_policy();
  CHECK(scheduler::rank(policy, table, request).best == std::vector<std::size_t>{1});
  table.assign({small});
  CHECK(table.is_plain());
  CHECK(scheduler::rank(policy, table, request).best.empty());  // The request is the large one.
}
