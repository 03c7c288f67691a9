#include "support/task_proofs.hpp"

#include "records/table.hpp"

using namespace cloudos;
using namespace cloudos::test;

namespace {

using Place = std::pair<std::string, bool>;  // step, undo

struct Recorder {
  std::set<Place> places;
  RunnerFaults faults(const std::string& type) {
    RunnerFaults faults;
    faults.before_step = [this, type](const tasks::TaskRecord& task, std::string_view step,
                                      bool undo) -> std::optional<Error> {
      if (task.type == type) places.emplace(step, undo);
      return std::nullopt;
    };
    return faults;
  }
};

std::set<Place> steps_of(const Scenario& scenario) {
  Recorder recorder;
  scenario.reset();
  const std::shared_ptr<store::Store> store = store::open_memory();
  const auto life = scenario.live(store, recorder.faults(scenario.task_type));
  scenario.prepare(*life);
  scenario.begin(*life);
  life->settle();
  scenario.check(*life, false);
  REQUIRE_FALSE(recorder.places.empty());
  return recorder.places;
}

/// Did the task end in Failed? It must have ended.
bool failed_task(store::Store& store, const std::string& type) {
  const auto snapshot = *store.snapshot();
  const auto all = records::all<tasks::TaskRecord>(*snapshot);
  REQUIRE(all);
  bool failed = false;
  for (const auto& task : *all) {
    if (task.type != type) continue;
    CAPTURE(task.step);
    CAPTURE(task.error_message);
    CHECK(is_final(task.state));
    failed = failed || task.state == TaskState::Failed;
  }
  return failed;
}

}  // namespace

void test::prove_repeats(const Scenario& scenario) {
  for (const Place& place : steps_of(scenario)) {
    CAPTURE(place.first);
    scenario.reset();
    const std::shared_ptr<store::Store> store = store::open_memory();
    int forgotten = 0;
    RunnerFaults faults;
    faults.forget_step = [&](const tasks::TaskRecord& task, std::string_view step, bool undo) {
      return task.type == scenario.task_type && step == place.first && undo == place.second &&
             ++forgotten == 1;
    };
    const auto life = scenario.live(store, faults);
    scenario.prepare(*life);
    scenario.begin(*life);
    life->settle();
    scenario.check(*life, false);
  }
}

void test::prove_crashes(const Scenario& scenario) {
  for (std::size_t commits = 0;; ++commits) {
    CAPTURE(commits);
    REQUIRE(commits < 200);
    scenario.reset();
    const std::shared_ptr<store::Store> memory = store::open_memory();
    {
      const auto life = scenario.live(memory, {});
      scenario.prepare(*life);
    }
    const auto faulty = std::make_shared<store::FaultyStore>(memory);
    {
      const auto life = scenario.live(faulty, {});
      scenario.begin(*life);
      faulty->crash_after(commits);
      life->settle();
    }
    const bool crashed = faulty->crashed();
    const auto life = scenario.live(memory, {});
    life->settle();
    scenario.check(*life, false);
    if (!crashed) return;  // It ended before that many commits: every one has been tried.
  }
}

void test::prove_fails_clean(const Scenario& scenario) {
  for (const Place& place : steps_of(scenario)) {
    CAPTURE(place.first);
    scenario.reset();
    const std::shared_ptr<store::Store> store = store::open_memory();
    bool broken = true;
    RunnerFaults faults;
    faults.before_step = [&](const tasks::TaskRecord& task, std::string_view step,
                             bool undo) -> std::optional<Error> {
      if (!broken || task.type != scenario.task_type || step != place.first || undo != place.second)
        return std::nullopt;
      return Error{ErrorCode::Unavailable, fmt::format("{} was made to fail", step), {}};
    };
    const auto life = scenario.live(store, faults);
    scenario.prepare(*life);
    scenario.begin(*life);
    life->settle();
    broken = false;
    life->settle();
    scenario.check(*life, failed_task(*store, scenario.task_type));
  }
}
