#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <latch>
#include <thread>

#include "placement/placement.hpp"

using namespace cloudos;

namespace {
/// A store, a runner on this thread, and hosts whose hypervisors answer as told.
struct PlacementWorld {
  ManualClock clock;
  SeededRandom random{7};
  std::unique_ptr<store::Store> store;
  Executor executor{clock, 0};
  TaskRunner runner{*store, executor, clock, random, Log{}};
  IdSource ids{clock, random};
  Engine engine{*store, executor, runner, clock, random, ids, Log{}, {}, "00000000"};
  Context admin = Context::system();
  std::map<std::string, std::optional<HostFacts>> answers;  ///< By first host name of the source.
  std::unique_ptr<Hosts> hosts;

  explicit PlacementWorld(std::vector<std::vector<std::string>> sources = {{"a"}, {"b"}},
                          std::size_t change_log = limits::kChangeLogEntries)
      : store(store::open_memory({change_log})) {
    placement::PlacementSettings settings;
    for (auto& names : sources) {
      const std::string key = names.front();
      answers[key] = HostFacts{"QEMU", 7'002'000, "x86_64", "qemu", "{}", 2, 1000, 10, 8};
      settings.hosts.push_back({names, [this, key]() -> Result<HostFacts> {
                                  if (!answers[key]) return fail(ErrorCode::Unavailable, "gone");
                                  return *answers[key];
                                }});
    }
    auto made = placement::make_hosts(engine, settings);
    REQUIRE(made);
    hosts = std::move(*made);
    REQUIRE(runner.start());
  }
  ~PlacementWorld() { runner.stop(); }
  void pass_time(std::chrono::seconds by) {
    clock.advance(by);
    executor.run_pending();
  }
  HostId id(std::string_view name) { return (*hosts->get(admin, name)).id; }
  Result<void> claim(std::string_view host, std::string server, placement::Resources what) {
    const HostId where = id(host);
    CLOUDOS_CHECK(store->transact([&](store::Txn& txn) {
      return placement::claim(txn, where, ServerId{server}, what);
    }));
    return Result<void>();
  }
  Result<void> release(std::string server) {
    CLOUDOS_CHECK(store->transact(
        [&](store::Txn& txn) { return placement::release(txn, ServerId{server}); }));
    return Result<void>();
  }
  std::string usage(std::string_view name) {
    const Host host = *hosts->get(admin, name);
    return fmt::format("{}/{}/{} x{}", host.vcpus.used, host.ram_mib.used, host.disk_gib.used,
                       host.servers);
  }
  std::size_t audit_lines() { return placement::audit(**store->snapshot())->size(); }
};
}  // namespace

TEST_CASE("a host is up while its hypervisor answers, and no commit says so") {
  PlacementWorld world;
  CHECK_FALSE(world.hosts->get(world.admin, "a")->up);
  CHECK_FALSE(placement::all_probed(*world.hosts));
  world.executor.run_pending();
  CHECK(placement::all_probed(*world.hosts));
  CHECK(world.hosts->get(world.admin, "a")->up);
  CHECK(world.hosts->get(world.admin, "a")->facts.ram_mib == 1000);
  const auto revision = (*world.store->snapshot())->revision();
  world.answers["a"].reset();
  world.answers["b"]->disk_free_gib = 1;
  world.pass_time(std::chrono::seconds(30));
  CHECK(world.hosts->get(world.admin, "a")->up);
  world.pass_time(std::chrono::seconds(31));
  CHECK_FALSE(world.hosts->get(world.admin, "a")->up);
  CHECK(world.hosts->get(world.admin, "b")->up);
  CHECK(world.hosts->get(world.admin, "b")->facts.disk_free_gib == 1);
  CHECK((*world.store->snapshot())->revision() == revision);
  world.answers["a"] = HostFacts{"QEMU", 8'000'000, "x86_64", "qemu", "{}", 4, 2000, 20, 8};
  world.pass_time(std::chrono::seconds(60));
  CHECK(world.hosts->get(world.admin, "a")->up);
  CHECK(world.hosts->get(world.admin, "a")->vcpus.total == 4);
  CHECK((*world.store->snapshot())->revision() == revision + 1);
}

TEST_CASE("hosts keep their records across starts and are found by name, id and number") {
  PlacementWorld world;
  const Host b = *world.hosts->get(world.admin, "b");
  CHECK(b.number == 2);
  CHECK(world.hosts->get(world.admin, b.id.value)->name == "b");
  CHECK(world.hosts->get(world.admin, "2")->name == "b");
  CHECK(world.hosts->get(world.admin, "3").error().code == ErrorCode::NotFound);
  placement::PlacementSettings again;
  again.hosts = {{{"b", "c"}, [] { return Result<HostFacts>(HostFacts{}); }}};
  TaskRunner other(*world.store, world.executor, world.clock, world.random, Log{});
  Engine engine{*world.store, world.executor, other, world.clock, world.random, world.ids, Log{},
                {}, "00000000"};
  auto restarted = placement::make_hosts(engine, again);
  REQUIRE(restarted);
  CHECK((*restarted)->get(world.admin, "b")->id == b.id);
  CHECK((*restarted)->get(world.admin, "c")->number == 3);
  CHECK((*restarted)->list(world.admin)->size() == 3);
  CHECK((*restarted)->list(world.admin, "2")->front().name == "c");
  CHECK((*restarted)->list(world.admin, "nope").error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("host names that cannot be are refused") {
  struct Row { std::string what; std::vector<std::vector<std::string>> sources; };
  const Row rows[] = {{"twice", {{"x"}, {"x"}}},
                      {"empty", {{""}}},
                      {"over 255 characters", {{std::string(256, 'h')}}}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    PlacementWorld world;
    placement::PlacementSettings settings;
    for (const auto& names : row.sources)
      settings.hosts.push_back({names, [] { return Result<HostFacts>(HostFacts{}); }});
    TaskRunner other(*world.store, world.executor, world.clock, world.random, Log{});
    Engine engine{*world.store, world.executor, other, world.clock, world.random, world.ids, Log{},
                  {}, "00000000"};
    const auto made = placement::make_hosts(engine, settings);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("claims take what is free, move, repeat and are given back whole") {
  PlacementWorld world;
  world.executor.run_pending();
  REQUIRE(world.claim("a", "s1", {1, 500, 4}));
  CHECK(world.usage("a") == "1/500/4 x1");
  REQUIRE(world.claim("a", "s1", {1, 500, 4}));
  CHECK(world.usage("a") == "1/500/4 x1");
  REQUIRE(world.claim("b", "s1", {1, 500, 4}));
  CHECK(world.usage("a") == "0/0/0 x0");
  CHECK(world.usage("b") == "1/500/4 x1");
  CHECK(placement::claim_of(**world.store->snapshot(), ServerId{"s1"})->value().host ==
        world.id("b"));
  CHECK(world.audit_lines() == 0);
  REQUIRE(world.release("s1"));
  REQUIRE(world.release("s1"));
  CHECK(world.usage("b") == "0/0/0 x0");
  CHECK((*world.store->snapshot())->scan("/allocation")->empty());
  CHECK((*world.store->snapshot())->scan("/host_usage")->empty());
}

TEST_CASE("a claim is refused by the amount that is short, and leaves no trace") {
  struct Row { std::string what; placement::Resources ask; const char* message; };
  const Row rows[] = {
      {"processors, promised sixteen times", {33, 1, 1},
       "the host has 32 vCPUs left, 33 are asked for"},
      {"RAM, promised half as much again", {1, 1501, 1},
       "the host has 1500 MiB of RAM left, 1501 are asked for"},
      {"disk, promised once", {1, 1, 11}, "the host has 10 GiB of disk left, 11 are asked for"},
      {"everything there is", {32, 1500, 10}, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    PlacementWorld world;
    world.executor.run_pending();
    const auto claimed = world.claim("a", "s", row.ask);
    CHECK(claimed.has_value() == (row.message[0] == '\0'));
    if (claimed) {
      CHECK(world.claim("a", "t", {1, 0, 0}).error().code == ErrorCode::NoCapacity);
      continue;
    }
    CHECK(claimed.error().code == ErrorCode::NoCapacity);
    CHECK(claimed.error().message == row.message);
    CHECK(world.usage("a") == "0/0/0 x0");
  }
}

TEST_CASE("a refused move keeps the old claim") {
  PlacementWorld world;
  world.executor.run_pending();
  REQUIRE(world.claim("a", "s1", {1, 500, 4}));
  CHECK(world.claim("b", "s1", {1, 500, 11}).error().code == ErrorCode::NoCapacity);
  CHECK(world.usage("a") == "1/500/4 x1");
}

TEST_CASE("a disabled host takes no claim and says why it is disabled; admins only may do it") {
  PlacementWorld world;
  world.executor.run_pending();
  Context user;
  user.project = ProjectId{"p"};
  CHECK(world.hosts->disable(user, "a").error().code == ErrorCode::Forbidden);
  CHECK(world.hosts->list(user).error().code == ErrorCode::Forbidden);
  CHECK(world.hosts->disable(world.admin, "nope").error().code == ErrorCode::NotFound);
  CHECK(world.hosts->disable(world.admin, "a", std::string(256, 'r')).error().code ==
        ErrorCode::InvalidArgument);
  const auto disabled = world.hosts->disable(world.admin, "a", "new memory");
  REQUIRE(disabled);
  CHECK_FALSE(disabled->enabled);
  CHECK(disabled->disabled_reason == "new memory");
  CHECK(world.claim("a", "s", {1, 1, 1}).error().code == ErrorCode::NoCapacity);
  CHECK(world.hosts->zones(user)->front().available);
  CHECK(world.hosts->zones(user, true)->front().hosts.empty());
  CHECK(world.hosts->zones(world.admin, true)->front().hosts.size() == 2);
  REQUIRE(world.hosts->disable(world.admin, "b"));
  CHECK_FALSE(world.hosts->zones(user)->front().available);
  REQUIRE(world.hosts->enable(world.admin, "a"));
  CHECK(world.hosts->get(world.admin, "a")->disabled_reason.empty());
  CHECK(world.claim("a", "s", {1, 1, 1}));
}

TEST_CASE("the scheduler's view follows claims, answers and administrators") {
  PlacementWorld world;
  const auto seen = [&](std::size_t host) {
    const auto view = placement::host_states(*world.hosts);
    REQUIRE(view);
    REQUIRE((*view)->size() == 2);
    return (*view)->states()[host];
  };
  CHECK_FALSE(seen(0).alive);
  world.executor.run_pending();
  CHECK(seen(0).alive);
  CHECK(seen(0).ram_mib.limit() == 1500);
  REQUIRE(world.claim("b", "s1", {1, 500, 4}));
  CHECK(seen(1).ram_mib.used == 500);
  CHECK(seen(1).alive);
  CHECK((*placement::host_states(*world.hosts))->free_ram_mib()[1] == 1000);
  REQUIRE(world.hosts->disable(world.admin, "a"));
  CHECK_FALSE(seen(0).enabled);
  CHECK((*placement::host_states(*world.hosts))->usable()[0] == 0);
  REQUIRE(world.release("s1"));
  CHECK(seen(1).ram_mib.used == 0);
  CHECK(seen(1).servers == 0);
  world.answers["b"].reset();
  world.pass_time(std::chrono::seconds(61));
  CHECK(seen(0).alive);
  CHECK_FALSE(seen(1).alive);
  CHECK((*placement::host_states(*world.hosts))->usable()[1] == 0);
}

TEST_CASE("a ranking under way keeps the view it began with; whoever needs a newer one waits") {
  PlacementWorld world;
  world.executor.run_pending();
  const HostId a = world.id("a");
  const auto used = [&](const scheduler::HostTable& table) -> std::uint64_t {
    for (const auto& state : table.states())
      if (state.id == a) return state.vcpus.used;
    return 99;
  };
  std::latch begun{1};
  std::atomic<bool> refreshed{false};
  std::uint64_t seen_after = 0;
  std::thread other;
  {
    const auto held = placement::host_states(*world.hosts);
    REQUIRE(held);
    CHECK(used(**held) == 0);
    REQUIRE(world.claim("a", "server", {1, 100, 1}));
    other = std::thread([&] {
      begun.count_down();
      const auto newer = placement::host_states(*world.hosts);
      refreshed = true;
      if (newer) seen_after = used(**newer);
    });
    begun.wait();
    // The other one is at the lock by now, or will be: neither way does it change what is held.
    for (int look = 0; look < 2'000; ++look) {
      std::this_thread::yield();
      REQUIRE(used(**held) == 0);
      REQUIRE_FALSE(refreshed);
    }
  }
  other.join();
  CHECK(refreshed);
  CHECK(seen_after == 1);
}

TEST_CASE("the view is whole again after more changes than the change log keeps") {
  PlacementWorld world(std::vector<std::vector<std::string>>{{"a"}, {"b"}}, 4);
  world.executor.run_pending();
  CHECK((*placement::host_states(*world.hosts))->states()[0].alive);
  for (int i = 0; i < 8; ++i) REQUIRE(world.claim("b", fmt::format("s{}", i), {1, 10, 1}));
  const auto view = *placement::host_states(*world.hosts);
  CHECK(view->states()[1].servers == 8);
  CHECK(view->states()[0].alive);
}

TEST_CASE("ten thousand hosts share one hypervisor connection and register in batches") {
  std::vector<std::string> names;
  for (int i = 0; i < 10'000; ++i) names.push_back(fmt::format("host-{:05}", i));
  PlacementWorld world({names});
  world.executor.run_pending();
  CHECK((*placement::host_states(*world.hosts))->size() == 10'000);
  CHECK((*placement::host_states(*world.hosts))->states().back().alive);
  CHECK(world.hosts->list(world.admin, "host-09997")->size() == 2);
}

TEST_CASE("the audit tells usage that is not the sum of the claims") {
  PlacementWorld world;
  world.executor.run_pending();
  REQUIRE(world.claim("a", "s1", {1, 500, 4}));
  CHECK(world.audit_lines() == 0);
  const auto entry = (*world.store->snapshot())->scan("/allocation/")->front();
  REQUIRE(world.store->transact([&](store::Txn& txn) {
    txn.erase(entry.key);
    return Result<void>();
  }));
  CHECK(world.audit_lines() == 1);
}
