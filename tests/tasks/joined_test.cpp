// Rows of joined steps: one commit for what is quick and repeatable.
#include <doctest/doctest.h>

#include <set>
#include <thread>

#include "life.hpp"

using namespace cloudos;
using namespace std::chrono_literals;
using tasks::Outcome;
using tasks::Step;
using tasks::StepContext;
using tasks::TaskRecord;

namespace {

/// What a row did outside the store, and what was called.
struct RowWorld {
  std::set<std::string> things;
  std::string calls;
};

/// first (local) -> cable, disk, power (remote, joined) -> last (local, joined)
tasks::TaskType row_type(RowWorld& world, ManualClock* slow = nullptr) {
  const auto local = [&world](std::string key, bool put) {
    return [&world, key, put](StepContext& c) -> Result<Outcome> {
      world.calls += key + (put ? " " : "- ");
      CLOUDOS_CHECK(c.commit([&](store::Txn& txn) -> Result<void> {
        if (put && txn.get("/" + key)) return fail(ErrorCode::Internal, "the effect ran twice");
        if (put)
          txn.put("/" + key, c.value("power"));
        else
          txn.erase("/" + key);
        return Result<void>();
      }));
      return Outcome(tasks::Done{});
    };
  };
  const auto remote = [&world, slow](std::string name, bool put) {
    return [&world, slow, name, put](StepContext& c) -> Result<Outcome> {
      world.calls += name + (put ? " " : "- ");
      if (put)
        world.things.insert(name);
      else
        world.things.erase(name);
      if (put) c.output(name, "by " + name);
      if (slow) slow->advance(200ms);
      return Outcome(tasks::Done{});
    };
  };
  tasks::TaskType type;
  type.name = "row";
  type.host = [](const TaskRecord&) { return std::string("host"); };
  type.steps = {
      {"first", Step::Kind::Local, local("first", true), local("first", false)},
      {"cable", Step::Kind::Remote, remote("cable", true), remote("cable", false), false, true},
      {"disk", Step::Kind::Remote, remote("disk", true), remote("disk", false), false, true},
      {"power", Step::Kind::Remote, remote("power", true), remote("power", false), false, true},
      {"last", Step::Kind::Local, local("last", true), local("last", false), false, true},
  };
  return type;
}

struct RowLife final : tasks_test::RunnerLife {
  RowLife(std::shared_ptr<store::Store> s, RowWorld& world, RunnerFaults faults, bool slow = false)
      : RunnerLife(std::move(s), std::move(faults)) {
    runner.add(row_type(world, slow ? &clock : nullptr));
    (void)runner.start().has_value();
  }
  TaskId begin() {
    TaskRecord task;
    task.type = "row";
    return enqueue(task).value_or(TaskId{});
  }
  store::Revision revision() { return (*store->snapshot())->revision(); }
};

}  // namespace

TEST_CASE("a type with joined steps passes the three proofs") {
  RowWorld world;
  test::Scenario scenario;
  scenario.task_type = "row";
  scenario.reset = [&] { world = {}; };
  scenario.live = [&](std::shared_ptr<store::Store> store, RunnerFaults faults) {
    return std::make_unique<RowLife>(std::move(store), world, std::move(faults));
  };
  scenario.prepare = [](test::Life&) {};
  scenario.begin = [](test::Life& life) { static_cast<RowLife&>(life).begin(); };
  scenario.check = [&](test::Life& life, bool failed) {
    auto& row = static_cast<RowLife&>(life);
    const bool begun = row.has("/first") || failed || !world.calls.empty();
    CHECK(row.has("/first") == (begun && !failed));
    CHECK(row.has("/last") == (begun && !failed));
    CHECK(world.things.size() == (begun && !failed ? 3 : 0));
  };
  test::prove_task(scenario);
}

TEST_CASE("a row of joined steps takes one commit, with the outputs of all") {
  RowWorld world;
  RowLife life(store::open_memory(), world, {});
  const auto before = life.revision();
  const TaskId id = life.begin();
  life.settle();
  CHECK(life.record(id).state == TaskState::Done);
  CHECK(life.revision() - before == 3);  // It was asked for; first; all the rest.
  CHECK(life.record(id).outputs.at("cable") == "by cable");
  CHECK(life.record(id).outputs.at("power") == "by power");
  CHECK(world.calls == "first cable disk power last ");
  CHECK((*(*life.store->snapshot())->get("/last"))->value == "by power");
}

TEST_CASE("a row that takes long is recorded on the way") {
  RowWorld world;
  RowLife life(store::open_memory(), world, {}, true);
  const auto before = life.revision();
  const TaskId id = life.begin();
  life.settle();
  CHECK(life.record(id).state == TaskState::Done);
  CHECK(life.revision() - before > 3);
  CHECK(world.calls == "first cable disk power last ");
}

TEST_CASE("what an earlier life did further down the row is undone too") {
  RowWorld world;
  const auto store = store::open_memory();
  const std::shared_ptr<store::Store> shared(store.get(), [](auto*) {});
  TaskId id;
  {
    // Power was on; then the process died before a commit said so.
    const auto faulty = std::make_shared<store::FaultyStore>(shared);
    RowLife life(faulty, world, {});
    id = life.begin();
    int commits = 0;
    faulty->before_commit([&]() -> std::optional<Error> {
      if (++commits == 1) return std::nullopt;
      return Error{ErrorCode::Unavailable, "the disk is gone", {}};
    });
    life.executor.run_pending();
    CHECK(world.things.contains("power"));
  }
  RunnerFaults faults;
  faults.before_step = [](const TaskRecord&, std::string_view step,
                          bool undo) -> std::optional<Error> {
    if (step == "cable" && !undo) return Error{ErrorCode::Internal, "it is broken now", {}};
    return std::nullopt;
  };
  world.calls.clear();
  RowLife life(shared, world, faults);
  CHECK(life.record(id).step == "cable");
  life.settle();
  CHECK(life.record(id).state == TaskState::Failed);
  CHECK(life.record(id).error_message == "it is broken now");
  CHECK(world.calls == "power- disk- cable- first- ");
  CHECK(world.things.empty());
}

TEST_CASE("whoever takes over from a row is heard before its next call of a driver") {
  RowWorld world;
  RowLife* now = nullptr;
  TaskId id;
  RunnerFaults faults;
  faults.before_step = [&](const TaskRecord&, std::string_view step,
                           bool undo) -> std::optional<Error> {
    if (step == "disk" && !undo)
      REQUIRE(now->store->transact(
          [&](store::Txn& txn) { return tasks::supersede(txn, id, TaskId{"another"}); }));
    return std::nullopt;
  };
  RowLife life(store::open_memory(), world, faults);
  now = &life;
  id = life.begin();
  life.settle();
  CHECK(life.record(id).state == TaskState::Failed);
  CHECK(world.calls == "first cable disk power- disk- cable- first- ");
  CHECK(world.things.empty());
}

TEST_CASE("on threads many rows end, and every wait hears of its task") {
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  Executor executor(clock, 8);
  const auto store = store::open_memory();
  TaskRunner runner(*store, executor, clock, random, {}, {.host_lanes = 2});
  std::atomic<int> steps{0};
  tasks::TaskType type;
  type.name = "many";
  type.host = [](const TaskRecord& task) { return task.params.at("host"); };
  const auto remote = [&](StepContext& c) -> Result<Outcome> {
    ++steps;
    c.output("seen", c.value("seen") + "x");
    return Outcome(tasks::Done{});
  };
  const auto local = [](StepContext& c) -> Result<Outcome> {
    CLOUDOS_CHECK(c.commit([&](store::Txn& txn) {
      txn.put("/many/" + c.task().id.value, c.value("seen"));
      return Result<void>();
    }));
    return Outcome(tasks::Done{});
  };
  // Nothing to do and no lane to do it in: whoever waits for a lane behind it goes on from there.
  const auto nothing = [](StepContext&) -> Result<Outcome> { return Outcome(tasks::Done{}); };
  type.steps = {{"zero", Step::Kind::Local, nothing, nullptr},
                {"one", Step::Kind::Remote, remote, nullptr, false, true},
                {"two", Step::Kind::Remote, remote, nullptr, false, true},
                {"three", Step::Kind::Remote, remote, nullptr, false, true},
                {"end", Step::Kind::Local, local, nullptr, false, true}};
  runner.add(type);
  REQUIRE(runner.start());
  std::vector<TaskId> all;
  for (int i = 0; i < 100; ++i) {
    TaskRecord task;
    task.id = ids.make<TaskId>();
    task.type = "many";
    task.params = {{"host", i % 2 ? "a" : "b"}};
    all.push_back(task.id);
    REQUIRE(store->transact([&](store::Txn& txn) { return tasks::enqueue(txn, task); }));
  }
  std::vector<std::thread> waiters;
  std::atomic<int> done{0};
  for (int w = 0; w < 4; ++w) {
    waiters.emplace_back([&] {
      for (const TaskId& id : all) {
        const auto task = runner.tasks().wait(id, 20s);
        done += task && task->state == TaskState::Done;
      }
    });
  }
  for (auto& waiter : waiters) waiter.join();
  CHECK(done == 400);
  for (const TaskId& id : all)
    CHECK((*(*store->snapshot())->get("/many/" + id.value))->value == "xxx");
  CHECK(steps >= 300);
  runner.stop();
  CHECK(executor.stop(10s));
}
