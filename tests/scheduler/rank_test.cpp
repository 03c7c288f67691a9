#include <algorithm>
#include <chrono>
#include <cstdlib>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "cloudos/scheduler.hpp"

using namespace cloudos;
using scheduler::Capacity;
using scheduler::HostState;
using scheduler::Request;

namespace {
HostState good_host(std::string name = "h") {
  HostState host;
  host.name = std::move(name);
  host.zone = "nova";
  host.alive = true;
  host.vcpus = {4, 0, 0, 1.0};
  host.ram_mib = {1000, 0, 0, 1.0};
  host.disk_gib = {100, 0, 0, 1.0};
  return host;
}
HostState changed(void (*change)(HostState&)) {
  HostState host = good_host();
  change(host);
  return host;
}
std::string names_of(const std::vector<HostState>& hosts, const std::vector<std::size_t>& best) {
  std::string names;
  for (const std::size_t i : best) names += hosts[i].name;
  return names;
}
}  // namespace

TEST_CASE("a capacity is what is there less what is reserved, times the ratio, less what is used") {
  struct Row { std::string what; Capacity have; std::uint64_t limit, free; };
  const Row rows[] = {
      {"plain", {10, 0, 3, 1.0}, 10, 7},
      {"promised more often", {10, 0, 3, 1.5}, 15, 12},
      {"reserved before the ratio", {10, 4, 0, 2.0}, 12, 12},
      {"all reserved", {10, 10, 0, 16.0}, 0, 0},
      {"more reserved than there", {10, 11, 0, 16.0}, 0, 0},
      {"used beyond a lowered ratio", {10, 0, 30, 1.0}, 10, 0},
      {"nothing there", {}, 0, 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(row.have.limit() == row.limit);
    CHECK(row.have.free() == row.free);
  }
}

TEST_CASE("each filter passes and refuses for its own reason, and says so only when asked") {
  struct Row {
    std::string what;
    HostState host;
    Request request;
    const char* removed_by;  ///< "" passes
    const char* because;
  };
  const Row rows[] = {
      {"fits exactly", good_host(), {4, 1000, 100}, "", ""},
      {"asks for nothing", good_host(), {}, "", ""},
      {"disabled", changed([](HostState& h) { h.enabled = false; }), {}, "ComputeFilter",
       "h: ComputeFilter: disabled by an administrator\n"},
      {"down", changed([](HostState& h) { h.alive = false; }), {}, "ComputeFilter",
       "h: ComputeFilter: its hypervisor does not answer\n"},
      {"its zone", good_host(), {1, 1, 1, "nova"}, "", ""},
      {"another zone", good_host(), {1, 1, 1, "west"}, "AvailabilityZoneFilter",
       "h: AvailabilityZoneFilter: in zone nova, west asked\n"},
      {"one vCPU too many", good_host(), {5}, "CoreFilter",
       "h: CoreFilter: 4 vCPUs free of 4, 5 asked\n"},
      {"no vCPU reported", changed([](HostState& h) { h.vcpus = {}; }), {1}, "CoreFilter",
       "h: CoreFilter: 0 vCPUs free of 0, 1 asked\n"},
      {"one MiB too much", good_host(), {1, 1001}, "RamFilter",
       "h: RamFilter: 1000 MiB of RAM free of 1000, 1001 asked\n"},
      {"RAM in use", changed([](HostState& h) { h.ram_mib.used = 1; }), {1, 1000}, "RamFilter",
       "h: RamFilter: 999 MiB of RAM free of 1000, 1000 asked\n"},
      {"one GiB too much", good_host(), {1, 1, 101}, "DiskFilter",
       "h: DiskFilter: 100 GiB of disk free of 100, 101 asked\n"},
      {"sizes beyond any host", good_host(), {~0U, ~std::uint64_t{0}, ~std::uint64_t{0}},
       "CoreFilter", "h: CoreFilter: 4 vCPUs free of 4, 4294967295 asked\n"},
  };
  const auto policy = scheduler::default_policy();
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const std::vector<HostState> hosts{row.host};
    const auto ranking = scheduler::rank(policy, hosts, row.request);
    const bool passes = row.removed_by[0] == '\0';
    CHECK(ranking.passed == (passes ? 1 : 0));
    CHECK(ranking.best.size() == ranking.passed);
    if (!passes) {
      CHECK(ranking.report.lines.back().filter == row.removed_by);
      CHECK(ranking.report.lines.back().removed == 1);
    }
    CHECK(scheduler::explain(policy, hosts, row.request) == row.because);
  }
}

TEST_CASE("the report counts what each filter removed and names no host") {
  std::vector<HostState> hosts;
  for (int i = 0; i < 6; ++i) hosts.push_back(good_host(fmt::format("secret-{}", i)));
  hosts[0].alive = false;
  hosts[1].enabled = false;
  hosts[2].ram_mib.used = 900;
  hosts[3].ram_mib.used = 901;
  Request request{1, 200, 1};
  request.not_hosts = {"secret-4"};
  const auto ranking = scheduler::rank(scheduler::default_policy(), hosts, request);
  CHECK(names_of(hosts, ranking.best) == "secret-5");
  CHECK(scheduler::summary(ranking.report) ==
        "6 hosts: 1 left out by name or tried before, ComputeFilter removed 2, "
        "RamFilter removed 2");
  request.host = "nobody";
  const auto none = scheduler::rank(scheduler::default_policy(), hosts, request);
  CHECK(none.best.empty());
  CHECK(scheduler::summary(none.report) == "6 hosts: 6 left out by name or tried before");
  CHECK(scheduler::summary(scheduler::rank(scheduler::default_policy(), {}, {}).report) ==
        "0 hosts");
}

TEST_CASE("an explanation stops at its limit and says how much is left out") {
  std::vector<HostState> hosts(5, good_host());
  for (HostState& host : hosts) host.alive = false;
  const auto text = scheduler::explain(scheduler::default_policy(), hosts, {}, 2);
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);
  CHECK(text.substr(text.size() - 11) == "and 3 more\n");
}

TEST_CASE("weighers spread; a negative multiplier stacks; equal hosts keep their order") {
  struct Row { std::string what; std::uint64_t used[3]; double multiplier; const char* order; };
  const Row rows[] = {
      {"most free first", {500, 0, 900}, 1.0, "bac"},
      {"least free first", {500, 0, 900}, -1.0, "cab"},
      {"all equal", {5, 5, 5}, 1.0, "abc"},
      {"no say", {500, 0, 900}, 0.0, "abc"},
      {"a tie behind the best", {500, 0, 500}, 1.0, "bac"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    std::vector<HostState> hosts{good_host("a"), good_host("b"), good_host("c")};
    for (std::size_t i = 0; i < 3; ++i) hosts[i].ram_mib.used = row.used[i];
    auto policy = scheduler::default_policy();
    for (auto& weighed : policy.weighers) weighed.multiplier = row.multiplier;
    CHECK(names_of(hosts, scheduler::rank(policy, hosts, {1, 1, 1}).best) == row.order);
  }
}

TEST_CASE("weighers are normalised, so that MiB do not drown processors") {
  std::vector<HostState> hosts{good_host("a"), good_host("b")};
  hosts[0].ram_mib = {1'000'000, 0, 0, 1.0};
  hosts[1].ram_mib = {999'000, 0, 0, 1.0};   // A thousandth less RAM …
  hosts[0].vcpus = {1, 0, 0, 1.0};           // … against three quarters of the processors.
  CHECK(names_of(hosts, scheduler::rank(scheduler::default_policy(), hosts, {1, 1, 1}).best) ==
        "ba");
}

TEST_CASE("only as many hosts as asked for are ordered") {
  std::vector<HostState> hosts;
  for (int i = 0; i < 100; ++i) {
    hosts.push_back(good_host());
    hosts.back().disk_gib.used = static_cast<std::uint64_t>(99 - i);
  }
  const auto ranking = scheduler::rank(scheduler::default_policy(), hosts, {1, 1, 1}, 3);
  CHECK(ranking.passed == 100);
  CHECK(ranking.best == std::vector<std::size_t>{99, 98, 97});
}

// Run by hand: CLOUDOS_BENCH=1 test_scheduler -tc='*ten thousand*'. It asserts no time.
TEST_CASE("ten thousand hosts are ranked to the last one") {
  std::vector<HostState> hosts;
  for (int i = 0; i < 10'000; ++i) {
    hosts.push_back(good_host(fmt::format("host-{}", i)));
    hosts.back().ram_mib.used = static_cast<std::uint64_t>(i * 7919 % 1000);
  }
  const auto policy = scheduler::default_policy();
  const int rounds = std::getenv("CLOUDOS_BENCH") != nullptr ? 200 : 1;
  const auto begin = std::chrono::steady_clock::now();
  std::size_t passed = 0;
  for (int i = 0; i < rounds; ++i) passed += scheduler::rank(policy, hosts, {1, 500, 1}).passed;
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(passed / static_cast<std::size_t>(rounds) == 5'010);
  if (rounds > 1) {
    const auto micros = took / rounds / std::chrono::microseconds(1);
    MESSAGE("ranking 10,000 hosts takes " << micros << " microseconds");
  }
}
