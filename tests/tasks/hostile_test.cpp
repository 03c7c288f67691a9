// What goes wrong around the steps: lanes, wake-ups in bad moments, clocks that jump.
#include <doctest/doctest.h>

#include <stdexcept>

#include "records/table.hpp"
#include "tasks/runner.hpp"

using namespace cloudos;
using namespace std::chrono_literals;
using tasks::Outcome;
using tasks::Step;
using tasks::StepContext;
using tasks::TaskRecord;

namespace {

/// A runner on one thread with one lane a host; `log` hears what it writes.
struct HostileLife {
  explicit HostileLife(std::vector<tasks::TaskType> types,
                       std::shared_ptr<store::Store> on = store::open_memory())
      : store(std::move(on)),
        runner(*store, executor, clock, random,
               Log([this](const LogRecord& line) { if (log) log(line); }, "tasks"),
               {.host_lanes = 1}) {
    for (auto& type : types) runner.add(std::move(type));
    REQUIRE(runner.start());
  }
  ~HostileLife() {
    runner.stop();
    executor.stop(0ms);
  }
  TaskId begin(std::string type, tasks::Values params = {}) {
    TaskRecord task;
    task.id = ids.make<TaskId>();
    task.type = std::move(type);
    task.params = std::move(params);
    task.created_at = clock.wall();
    REQUIRE(store->transact([&](store::Txn& txn) { return tasks::enqueue(txn, task); }));
    return task.id;
  }
  void supersede(const TaskId& task) {
    REQUIRE(store->transact(
        [&](store::Txn& txn) { return tasks::supersede(txn, task, TaskId{"another"}); }));
  }
  void forget(const TaskId& task) {
    REQUIRE(store->transact(
        [&](store::Txn& txn) { return records::erase<TaskRecord>(txn, task); }));
  }
  TaskState state(const TaskId& id) {
    return records::get<TaskRecord>(**store->snapshot(), id)->state;
  }
  /// Runs for that long on the clock that never jumps.
  void pass(std::chrono::microseconds time) {
    const MonoTime end = clock.mono() + time;
    for (;;) {
      executor.run_pending();
      const auto due = executor.next_due();
      if (!due || *due > end) break;
      clock.advance(std::max(*due - clock.mono(), 0us));
    }
    clock.advance(std::max(end - clock.mono(), 0us));
  }

  std::shared_ptr<store::Store> store;
  std::function<void(const LogRecord&)> log;
  ManualClock clock;
  SeededRandom random{1};
  IdSource ids{clock, random};
  Executor executor{clock, 0};
  TaskRunner runner;
};

tasks::TaskType one_step(std::string name, tasks::StepFunction run,
                         tasks::StepFunction undo = nullptr) {
  tasks::TaskType type;
  type.name = std::move(name);
  type.steps = {{"only", Step::Kind::Remote, std::move(run), std::move(undo)}};
  return type;
}

Result<Outcome> done_step(StepContext&) { return Outcome(tasks::Done{}); }
Failure no_answer() { return fail(ErrorCode::Unavailable, "no answer"); }

}  // namespace

TEST_CASE("a lane whose next task went away goes to the one behind it") {
  HostileLife* here = nullptr;
  TaskId second, third;
  auto first = one_step("first", [&](StepContext&) -> Result<Outcome> {
    // While the only lane is held, two more come and queue, and the first of them goes away.
    second = here->begin("plain");
    third = here->begin("plain");
    here->executor.run_pending();
    here->forget(second);
    here->executor.run_pending();
    return Outcome(tasks::Done{});
  });
  auto plain = one_step("plain", done_step);
  // As real types end: with a step that takes no lane.
  for (auto* type : {&first, &plain})
    type->steps.push_back({"record", Step::Kind::Local, done_step, nullptr});
  first.host = plain.host = [](const TaskRecord&) { return std::string("host"); };
  HostileLife life({first, plain});
  here = &life;
  const TaskId id = life.begin("first");
  life.pass(1s);
  CHECK(life.state(id) == TaskState::Done);
  CHECK(life.state(third) == TaskState::Done);
}

TEST_CASE("whoever is taken over from turns round without waiting for a lane") {
  HostileLife* here = nullptr;
  TaskId second;
  TaskState seen = TaskState::Queued;
  auto first = one_step("first", [&](StepContext&) -> Result<Outcome> {
    second = here->begin("plain");
    here->executor.run_pending();
    here->supersede(second);
    here->executor.run_pending();
    seen = here->state(second);
    return Outcome(tasks::Done{});
  });
  auto plain = one_step("plain", done_step);
  first.host = plain.host = [](const TaskRecord&) { return std::string("host"); };
  HostileLife life({first, plain});
  here = &life;
  life.begin("first");
  life.pass(1s);
  CHECK(seen == TaskState::Unwinding);
  CHECK(life.state(second) == TaskState::Failed);
}

TEST_CASE("an undo that fails backs off and gets stuck at the same pace, taken over or not") {
  for (const bool taken_over : {false, true}) {
    CAPTURE(taken_over);
    int undos = 0;
    auto type = one_step(
        "stubborn",
        [&](StepContext&) -> Result<Outcome> {
          if (taken_over) return Outcome(tasks::Again{1h});
          return fail(ErrorCode::Internal, "broken");
        },
        [&](StepContext&) -> Result<Outcome> {
          if (++undos > 500) return Outcome(tasks::Done{});  // Ends a storm that never pauses.
          return no_answer();
        });
    HostileLife life({type});
    const TaskId id = life.begin("stubborn");
    life.executor.run_pending();
    if (taken_over) life.supersede(id);
    life.pass(10min);
    CHECK(undos >= 8);
    CHECK(undos < 25);
    CHECK(life.state(id) == TaskState::Stuck);
  }
}

TEST_CASE("a clock that jumps a day makes no pause longer and none shorter") {
  struct Row {
    const char* what;
    std::chrono::hours jump;
  };
  for (const Row& row : {Row{"back", -24h}, Row{"forward", 24h}}) {
    CAPTURE(std::string(row.what));
    int calls = 0;
    HostileLife life({one_step("flaky", [&](StepContext&) -> Result<Outcome> {
      if (++calls < 4) return no_answer();
      return Outcome(tasks::Done{});
    })});
    const TaskId id = life.begin("flaky");
    life.executor.run_pending();
    CHECK(calls == 1);
    life.clock.jump_wall(row.jump);
    life.executor.run_pending();
    CHECK(calls == 1);
    life.pass(1min);
    CHECK(life.state(id) == TaskState::Done);
  }
}

TEST_CASE("a task that is stuck when the clock is set back is tried again within its time") {
  bool broken = true;
  auto type = one_step("one-way", [&](StepContext&) -> Result<Outcome> {
    if (broken) return fail(ErrorCode::Internal, "broken");
    return Outcome(tasks::Done{});
  });
  type.steps[0].point_of_no_return = true;
  HostileLife life({type});
  const TaskId id = life.begin("one-way");
  life.pass(1s);
  CHECK(life.state(id) == TaskState::Stuck);
  broken = false;
  life.clock.jump_wall(-24h);
  life.pass(11min);
  CHECK(life.state(id) == TaskState::Done);
}

TEST_CASE("a step that throws has failed, whatever it throws") {
  for (const bool exception : {true, false}) {
    CAPTURE(exception);
    HostileLife life({one_step("thrower", [&](StepContext&) -> Result<Outcome> {
      if (exception) throw std::runtime_error("a driver fell over");
      throw 42;
    })});
    const TaskId id = life.begin("thrower");
    life.pass(1s);
    CHECK(life.state(id) == TaskState::Failed);
  }
}

TEST_CASE("a takeover in the moment a task gets stuck is heard at once") {
  auto type = one_step("one-way", [](StepContext&) -> Result<Outcome> {
    return fail(ErrorCode::Internal, "broken");
  });
  type.steps[0].point_of_no_return = true;
  HostileLife life({type});
  const TaskId id = life.begin("one-way");
  bool taken = false;
  life.log = [&](const LogRecord& line) {
    if (taken || line.message.find("is stuck") == line.message.npos) return;
    taken = true;
    life.supersede(id);
    life.executor.run_pending();  // What came is told while the task still counts as busy.
  };
  life.pass(2s);
  CHECK(taken);
  CHECK(life.state(id) == TaskState::Failed);
}

TEST_CASE("a parked task goes on under a program that knows its type") {
  const std::shared_ptr<store::Store> store = store::open_memory();
  TaskId id;
  {
    HostileLife old({}, store);
    id = old.begin("from-the-future");
    old.pass(1s);
    CHECK(old.state(id) == TaskState::Parked);
  }
  {
    HostileLife still_old({}, store);
    const auto before = (*store->snapshot())->revision();
    still_old.pass(1min);
    CHECK((*store->snapshot())->revision() == before);
  }
  HostileLife young({one_step("from-the-future", done_step)}, store);
  young.pass(1s);
  CHECK(young.state(id) == TaskState::Done);
}
