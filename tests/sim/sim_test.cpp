#include <doctest/doctest.h>

#include "world.hpp"

using namespace cloudos;

namespace {

struct Workload {
  std::string what;
  sim::Chaos chaos;
  std::size_t actions;
  std::size_t closures;  ///< Pieces of work between two actions, at most.
};

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
      {"all of it", {.fail = 60, .forget = 40, .slow = 40, .crash = 100}, 50, 25},
  };
  sim::World::Ended all;
  std::size_t crashes = 0;
  for (const Workload& load : loads) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      CAPTURE(load.what);
      CAPTURE(seed);
      sim::World world(seed, load.chaos);
      play(world, load, seed);
      const auto ended = world.ended();
      CHECK(ended.tasks > load.actions / 4);
      all.failed += ended.failed;
      all.superseded += ended.superseded;
      crashes += world.crashes();
    }
  }
  // What the workloads are there for did happen.
  CHECK(all.failed > 10);
  CHECK(all.superseded > 10);
  CHECK(crashes > 30);
}

TEST_CASE("a seed reproduces a run to the byte, another seed makes another run") {
  const Workload load{"all of it", {.fail = 60, .forget = 40, .slow = 40, .crash = 100}, 30, 20};
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
