#include <doctest/doctest.h>

#include <cstdlib>

#include "base/text.hpp"
#include "world.hpp"

using namespace cloudos;

namespace {

struct Workload {
  std::string what;
  sim::Chaos chaos;
  std::size_t actions;
  std::size_t closures;  ///< Pieces of work between two actions, at most.
};

/// More seeds by hand: CLOUDOS_SIM_SEEDS=200 (CLOUDOS_SIM_FIRST=1000) test_sim.
std::pair<std::uint64_t, std::uint64_t> chosen_seeds() {
  const auto number = [](const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    const auto value = text == nullptr ? std::nullopt : parse_unsigned(text);
    return value.value_or(otherwise);
  };
  return {number("CLOUDOS_SIM_FIRST", 1), number("CLOUDOS_SIM_SEEDS", 3)};
}

void play(sim::World& world, const Workload& load, std::uint64_t seed) {
  SeededRandom pace(seed * 31 + 7);
  for (std::size_t i = 0; i < load.actions; ++i) {
    world.act();
    world.run(pace.below(load.closures));
  }
  world.rest();
}

}  // namespace

TEST_CASE("invariants hold after every step, and everything settles when the faults end") {
  const Workload loads[] = {
      {"create and delete storm", {}, 60, 12},
      {"drivers fail, forget and are slow", {.fail = 80, .forget = 60, .slow = 60}, 50, 25},
      {"crashes at any commit", {.crash = 150}, 50, 20},
      {"callers and workers amid the calls of drivers", {.fail = 20, .forget = 20, .meddle = 150},
       40, 20},
      {"clock, power and host go their own ways", {.fail = 20, .crash = 40, .world = 120}, 50, 25},
      {"networks and what hangs on them", {.crash = 60, .topology = 800}, 150, 8},
      {"a host is lost, and comes back or never does",
       {.fail = 20, .forget = 20, .slow = 20, .crash = 30, .lose = 80, .topology = 200}, 60, 25},
      {"all of it",
       {.fail = 60, .forget = 40, .slow = 40, .crash = 100, .meddle = 50, .world = 60, .lose = 40,
        .topology = 300},
       60, 25},
  };
  const auto [first, seeds] = chosen_seeds();
  sim::World::Ended all;
  std::size_t crashes = 0, losses = 0;
  for (const Workload& load : loads) {
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
      CAPTURE(load.what);
      CAPTURE(seed);
      sim::World world(seed, load.chaos);
      play(world, load, seed);
      const auto ended = world.ended();
      all.tasks += ended.tasks;
      all.failed += ended.failed;
      all.superseded += ended.superseded;
      crashes += world.crashes();
      losses += world.losses();
    }
  }
  // What the workloads are there for did happen.
  CHECK(all.tasks > 40 * seeds);
  CHECK(all.failed > 3 * seeds);
  CHECK(all.superseded > 2 * seeds);
  CHECK(crashes > 5 * seeds);
  CHECK(losses > 2 * seeds);
}

TEST_CASE("a seed reproduces a run to the byte, another seed makes another run") {
  const Workload load{"all of it",
                      {.fail = 60, .forget = 40, .slow = 40, .crash = 100, .world = 60, .lose = 60,
                       .topology = 400},
                      40, 20};
  const auto digest_of = [&](std::uint64_t seed) {
    sim::World world(seed, load.chaos);
    play(world, load, seed);
    return world.digest();
  };
  CHECK(digest_of(11) == digest_of(11));
  CHECK(digest_of(11) != digest_of(12));
}

TEST_CASE("an idle cloud commits nothing") {
  sim::World world(1, {});
  REQUIRE(world.create("quiet"));
  world.rest();
  const std::string before = world.digest();
  world.rest();
  CHECK(world.digest() == before);
}
