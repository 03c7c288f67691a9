#include <doctest/doctest.h>

#include <set>
#include <stdexcept>

#include "life.hpp"

using namespace cloudos;
using namespace std::chrono_literals;
using tasks::Outcome;
using tasks::Step;
using tasks::StepContext;
using tasks::TaskRecord;

namespace {

/// What survives a crash of the process: the "host" that remote steps change.
struct Outside {
  std::set<std::string> things;
  int calls = 0;
  int busy = 0, most_busy = 0;
};

Result<Outcome> put_mark(StepContext& c, const char* key) {
  CLOUDOS_CHECK(c.commit([&](store::Txn& txn) -> Result<void> {
    if (txn.get(key)) return fail(ErrorCode::Internal, "the effect ran twice");
    txn.put(key, c.task().id.value);
    return Result<void>();
  }));
  return Outcome(tasks::Done{});
}
Result<Outcome> erase_mark(StepContext& c, const char* key) {
  CLOUDOS_CHECK(c.commit([&](store::Txn& txn) {
    txn.erase(key);
    return Result<void>();
  }));
  return Outcome(tasks::Done{});
}

/// claim (local) -> make (remote) -> publish (local)
tasks::TaskType demo_type(Outside& outside) {
  tasks::TaskType type;
  type.name = "demo";
  type.host = [](const TaskRecord& t) { return t.params.at("host"); };
  type.steps = {
      {"claim", Step::Kind::Local, [](StepContext& c) { return put_mark(c, "/claim"); },
       [](StepContext& c) { return erase_mark(c, "/claim"); }},
      {"make", Step::Kind::Remote,
       [&outside](StepContext& c) -> Result<Outcome> {
         ++outside.calls;
         outside.things.insert(c.task().id.value);
         c.output("made", c.task().id.value);
         if (c.value("poll") == "yes" && outside.calls < 3) return Outcome(tasks::Again{1s});
         return Outcome(tasks::Done{});
       },
       [&outside](StepContext& c) -> Result<Outcome> {
         outside.things.erase(c.task().id.value);
         return Outcome(tasks::Done{});
       }},
      {"publish", Step::Kind::Local, [](StepContext& c) { return put_mark(c, "/public"); },
       [](StepContext& c) { return erase_mark(c, "/public"); }},
  };
  type.failed = [](store::Txn& txn, const TaskRecord& t, const Error& error) {
    txn.put("/fault", t.step + ": " + error.message);
    return Result<void>();
  };
  return type;
}

struct DemoLife final : tasks_test::RunnerLife {
  DemoLife(std::shared_ptr<store::Store> s, Outside& outside, RunnerFaults faults,
           std::vector<tasks::TaskType> more = {})
      : RunnerLife(std::move(s), std::move(faults)) {
    runner.add(demo_type(outside));
    for (auto& type : more) runner.add(std::move(type));
    (void)runner.start().has_value();
  }
  TaskId begin(tasks::Values params = {{"host", "a"}}, std::string type = "demo") {
    TaskRecord task;
    task.type = std::move(type);
    task.resource = "demo/1";
    task.params = std::move(params);
    const auto begun = enqueue(std::move(task));
    REQUIRE(begun);
    return *begun;
  }
};

}  // namespace

TEST_CASE("a task type passes the three proofs") {
  Outside outside;
  test::Scenario scenario;
  scenario.task_type = "demo";
  scenario.reset = [&] { outside = {}; };
  scenario.live = [&](std::shared_ptr<store::Store> store, RunnerFaults faults) {
    return std::make_unique<DemoLife>(std::move(store), outside, std::move(faults));
  };
  scenario.prepare = [](test::Life&) {};
  scenario.begin = [](test::Life& life) { static_cast<DemoLife&>(life).begin(); };
  scenario.check = [&](test::Life& life, bool failed) {
    auto& demo = static_cast<DemoLife&>(life);
    CHECK(demo.has("/claim") == !failed);
    CHECK(demo.has("/public") == !failed);
    CHECK(demo.has("/fault") == failed);
    CHECK(outside.things.size() == (failed ? 0 : 1));
  };
  test::prove_task(scenario);
}

TEST_CASE("a step that polls is called again after the pause it asked for, without commits") {
  Outside outside;
  DemoLife life(store::open_memory(), outside, {});
  const TaskId id = life.begin({{"host", "a"}, {"poll", "yes"}});
  const MonoTime start = life.clock.mono();
  life.settle();
  CHECK(life.record(id).state == TaskState::Done);
  CHECK(life.record(id).outputs.at("made") == id.value);
  CHECK(outside.calls >= 3);
  CHECK(life.clock.mono() - start >= 1s);
}

TEST_CASE("a superseding task waits until the other has unwound, then runs") {
  Outside outside;
  tasks::TaskType gate;
  gate.name = "gate";
  bool open = false;
  gate.steps = {{"wait", Step::Kind::Remote,
                 [&](StepContext&) -> Result<Outcome> {
                   if (open) return Outcome(tasks::Done{});
                   return Outcome(tasks::Again{1h});
                 },
                 nullptr}};
  tasks::TaskType remove;
  remove.name = "remove";
  std::string order;
  gate.superseded = [&](store::Txn&, const TaskRecord&) {
    order += "unwound ";
    return Result<void>();
  };
  remove.steps = {{"wait", Step::Kind::Local, tasks::wait_superseded("other"), nullptr, true},
                  {"remove", Step::Kind::Local,
                   [&](StepContext&) -> Result<Outcome> {
                     order += "removed";
                     return Outcome(tasks::Done{});
                   },
                   nullptr}};
  DemoLife life(store::open_memory(), outside, {}, {gate, remove});
  const TaskId first = life.begin({}, "gate");
  life.executor.run_pending();
  CHECK_FALSE(is_final(life.record(first).state));
  const TaskId second = life.begin({{"other", first.value}}, "remove");
  REQUIRE(life.store->transact(
      [&](store::Txn& txn) { return tasks::supersede(txn, first, second); }));
  life.clock.advance(1s);
  for (int i = 0; i < 5; ++i) {
    life.executor.run_pending();
    life.clock.advance(100ms);
  }
  CHECK(life.record(first).state == TaskState::Failed);
  CHECK(life.record(second).state == TaskState::Done);
  CHECK(order == "unwound removed");
}

TEST_CASE("behind the point of no return a task gets stuck visibly, and goes on by itself or asked") {
  Outside outside;
  Error reason{ErrorCode::Unavailable, "the host does not answer", {}};
  bool broken = true;
  tasks::TaskType type;
  type.name = "one-way";
  type.steps = {{"go", Step::Kind::Remote,
                 [&](StepContext&) -> Result<Outcome> {
                   if (broken) return fail(reason);
                   return Outcome(tasks::Done{});
                 },
                 nullptr, true}};
  DemoLife life(store::open_memory(), outside, {}, {type});
  const TaskId id = life.begin({}, "one-way");
  life.settle();
  CHECK(life.record(id).state == TaskState::Stuck);
  CHECK(life.runner.tasks().get(Context::system(), id)->error->message == reason.message);
  broken = false;
  life.settle();
  CHECK(life.record(id).state == TaskState::Done);

  broken = true;
  reason.code = ErrorCode::Internal;
  const TaskId second = life.begin({}, "one-way");
  life.settle();
  CHECK(life.record(second).state == TaskState::Stuck);
  broken = false;
  CHECK(life.runner.tasks().unwind(Context::system(), second).error().code == ErrorCode::Conflict);
  CHECK(life.runner.tasks().retry(Context{}, second).error().code == ErrorCode::Forbidden);
  REQUIRE(life.runner.tasks().retry(Context::system(), second));
  life.executor.run_pending();
  CHECK(life.record(second).state == TaskState::Done);
  CHECK(life.runner.tasks().retry(Context::system(), second).error().code == ErrorCode::Conflict);
}

TEST_CASE("a task of an unknown type or a newer version is parked, never guessed") {
  Outside outside;
  DemoLife life(store::open_memory(), outside, {});
  const TaskId unknown = life.begin({}, "from-the-future");
  life.settle();
  CHECK(life.record(unknown).state == TaskState::Parked);
}

TEST_CASE("an idle runner commits nothing") {
  Outside outside;
  DemoLife life(store::open_memory(), outside, {});
  life.begin();
  life.settle();
  const auto before = (*life.store->snapshot())->revision();
  life.settle();
  CHECK((*life.store->snapshot())->revision() == before);
}

TEST_CASE("on threads, lanes bound the steps at once on one host and everything ends") {
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  Executor executor(clock, 6);
  const auto store = store::open_memory();
  TaskRunner runner(*store, executor, clock, random, {}, {.host_lanes = 2});
  std::atomic<int> busy{0}, most{0};
  tasks::TaskType type;
  type.name = "busy";
  type.host = [](const TaskRecord&) { return std::string("only"); };
  type.steps = {{"work", Step::Kind::Remote,
                 [&](StepContext&) -> Result<Outcome> {
                   const int now = ++busy;
                   for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
                   }
                   std::this_thread::yield();
                   --busy;
                   return Outcome(tasks::Done{});
                 },
                 nullptr}};
  runner.add(type);
  REQUIRE(runner.start());
  std::vector<TaskId> all;
  for (int i = 0; i < 60; ++i) {
    TaskRecord task;
    task.id = ids.make<TaskId>();
    task.type = "busy";
    all.push_back(task.id);
    REQUIRE(store->transact([&](store::Txn& txn) { return tasks::enqueue(txn, task); }));
  }
  for (const TaskId& id : all) {
    const auto task = runner.tasks().wait(id, 20s);
    REQUIRE(task);
    CHECK(task->state == TaskState::Done);
  }
  CHECK(most <= 2);
  runner.stop();
  CHECK(executor.stop(10s));
}

TEST_CASE("a reconciler that throws, whatever it throws, runs again on its period") {
  ManualClock clock;
  SeededRandom random(1);
  Executor executor(clock, 0);
  const auto store = store::open_memory();
  std::vector<std::string> lines;
  const Log log([&](const LogRecord& record) { lines.emplace_back(record.message); }, "tasks");
  TaskRunner runner(*store, executor, clock, random, log);
  int passes = 0;
  runner.add(Reconciler{"r", 10s, {}, [&]() -> Result<bool> {
                          if (++passes == 1) throw std::runtime_error("a driver fell over");
                          if (passes == 2) throw 42;
                          return false;
                        }});
  REQUIRE(runner.start());
  executor.run_pending();
  for (int pass = 2; pass < 4; ++pass) {
    clock.advance(10s);
    executor.run_pending();
    CHECK(passes == pass);
  }
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("a driver fell over") != std::string::npos);
  CHECK(lines[1].find("not an exception") != std::string::npos);
  runner.stop();
}

TEST_CASE("reconcilers run at start, on their period, when woken, and go on while there is more") {
  ManualClock clock;
  SeededRandom random(1);
  Executor executor(clock, 0);
  const auto store = store::open_memory();
  TaskRunner runner(*store, executor, clock, random, {});
  int passes = 0, more = 0;
  runner.add(Reconciler{"r", 10s, "/watched/", [&]() -> Result<bool> {
                          ++passes;
                          return more-- > 0;
                        }});
  REQUIRE(runner.start());
  executor.run_pending();
  CHECK(passes == 1);
  clock.advance(10s);
  executor.run_pending();
  CHECK(passes == 2);
  more = 2;
  REQUIRE(store->transact([](store::Txn& txn) {
    txn.put("/watched/x", "");
    return Result<void>();
  }));
  executor.run_pending();
  CHECK(passes == 5);
  runner.wake_reconciler("r");
  executor.run_pending();
  CHECK(passes == 6);
  runner.stop();
}
