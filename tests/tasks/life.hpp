#pragma once
#include <memory>
#include <utility>

#include "records/table.hpp"
#include "support/task_proofs.hpp"

namespace tasks_test {

using namespace cloudos;
using namespace std::chrono_literals;

/// A runner on a store and a clock by hand. The test's own life adds its types and starts it.
struct RunnerLife : test::Life {
  RunnerLife(std::shared_ptr<store::Store> s, RunnerFaults faults)
      : store(std::move(s)), runner(*store, executor, clock, random, {}, {.faults = faults}) {}
  ~RunnerLife() override {
    runner.stop();
    executor.stop(0ms);
  }
  void settle() override {
    const MonoTime end = clock.mono() + 1h;
    while (clock.mono() < end) {
      executor.run_pending();
      const auto due = executor.next_due();
      if (!due || *due > end) return;
      clock.advance(std::max(*due - clock.mono(), 0us));
    }
  }
  /// Asks for `task`, which gets an id and a time. The store may be dead already.
  Result<TaskId> enqueue(tasks::TaskRecord task) {
    task.id = ids.make<TaskId>();
    task.created_at = clock.wall();
    CLOUDOS_CHECK(store->transact([&](store::Txn& txn) { return tasks::enqueue(txn, task); }));
    return task.id;
  }
  tasks::TaskRecord record(const TaskId& id) {
    return *records::get<tasks::TaskRecord>(**store->snapshot(), id);
  }
  bool has(const char* key) { return (*(*store->snapshot())->get(key)).has_value(); }

  std::shared_ptr<store::Store> store;
  ManualClock clock;
  SeededRandom random{1};
  IdSource ids{clock, random};
  Executor executor{clock, 0};
  TaskRunner runner;
};

}  // namespace tasks_test
