// How much of the past is kept.
#include <doctest/doctest.h>

#include <set>

#include "records/table.hpp"
#include "tasks/runner.hpp"

using namespace cloudos;
using namespace std::chrono_literals;
using tasks::TaskRecord;

namespace {

tasks::TaskType quick_type() {
  tasks::TaskType type;
  type.name = "quick";
  type.steps = {
      {"only",
       tasks::Step::Kind::Remote,
       [](tasks::StepContext&) -> Result<tasks::Outcome> { return tasks::Outcome(tasks::Done{}); },
       {}}};
  return type;
}

struct History {
  explicit History(std::size_t kept)
      : runner(*store, executor, clock, random, {}, {.finished_kept = kept}) {
    runner.add(quick_type());
    REQUIRE(runner.start());
  }
  ~History() {
    runner.stop();
    executor.stop(0ms);
  }
  /// Enqueues a task and lets it end.
  std::string run_one() {
    TaskRecord task;
    task.id = ids->make<TaskId>();
    task.type = "quick";
    task.resource = "thing/" + task.id.value;
    task.created_at = clock.wall();
    const std::string id = task.id.value;
    REQUIRE(store->transact([&](store::Txn& txn) { return tasks::enqueue(txn, task); }));
    executor.run_pending();
    return id;
  }
  std::set<std::string> kept() {
    std::set<std::string> all;
    const auto tasks = *records::all<TaskRecord>(**store->snapshot());
    for (const auto& task : tasks) all.insert(task.id.value);
    return all;
  }

  std::unique_ptr<store::Store> store = store::open_memory();
  ManualClock clock;
  SeededRandom random{1};
  std::unique_ptr<IdSource> ids = std::make_unique<IdSource>(clock, random);
  Executor executor{clock, 0};
  TaskRunner runner;
};

}  // namespace

TEST_CASE("of the finished tasks those that ended last are kept, also when the clock went back") {
  History history(20);
  std::vector<std::string> order;
  for (int i = 0; i < 30; ++i) order.push_back(history.run_one());
  // A new process on a machine whose clock was set back: its ids and times lie before the old ones.
  history.clock.jump_wall(-24h);
  history.ids = std::make_unique<IdSource>(history.clock, history.random);
  for (int i = 0; i < 15; ++i) order.push_back(history.run_one());
  CHECK(order.back() < order.front());
  history.clock.advance(11min);
  history.executor.run_pending();
  CHECK(history.kept() == std::set<std::string>(order.end() - 20, order.end()));
  // Nothing is over now: no commit.
  const auto revision = (*history.store->snapshot())->revision();
  history.clock.advance(11min);
  history.executor.run_pending();
  CHECK((*history.store->snapshot())->revision() == revision);
}

TEST_CASE("a busy cloud's history does not wait for the period to be pruned") {
  History history(100);
  std::size_t most = 0;
  for (int i = 0; i < 4'000; ++i) {
    history.run_one();
    if (i % 100 == 0) most = std::max(most, history.kept().size());
  }
  CHECK(most > 200);
  CHECK(most <= 100 + limits::kFinishedTasksSlack);
  CHECK(history.kept().size() <= 100 + limits::kFinishedTasksSlack);
}
