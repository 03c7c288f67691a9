#pragma once
#include <functional>
#include <memory>
#include <set>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "store/faulty.hpp"
#include "tasks/runner.hpp"

/// The three proofs that every task type gets for free. A scenario builds a world on a store it is
/// given, and knows how to start its task and what must hold at the end.
namespace cloudos::test {

/// One life of a process: everything between a start and a crash. Made anew for each life, over
/// the same store and the same outside world (drivers), which the scenario keeps.
struct Life {
  virtual ~Life() = default;
  /// Moves on until nothing is due for an hour of the manual clock.
  virtual void settle() = 0;
};

struct Scenario {
  /// Forgets everything: a new outside world for a new run.
  std::function<void()> reset;
  /// Starts a process on `store` with the given faults.
  std::function<std::unique_ptr<Life>(std::shared_ptr<store::Store> store, RunnerFaults faults)> live;
  /// Brings the world to where the task begins (without faults), then starts the task.
  std::function<void(Life&)> prepare;
  std::function<void(Life&)> begin;
  /// All is as it should be when the task ended; `failed`: it was made to fail.
  std::function<void(Life&, bool failed)> check;
  std::string task_type;
};

/// Fails each step in turn with a final error: the task unwinds clean, or is Stuck behind its point
/// of no return and then goes on when the fault is gone.
void prove_fails_clean(const Scenario& scenario);
/// Throws each step's result away once, as a crash before the commit does: it runs twice.
void prove_repeats(const Scenario& scenario);
/// Crashes after each commit, starts again, and ends as if nothing had happened.
void prove_crashes(const Scenario& scenario);

inline void prove_task(const Scenario& scenario) {
  prove_repeats(scenario);
  prove_crashes(scenario);
  prove_fails_clean(scenario);
}

}  // namespace cloudos::test
