#pragma once
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/mutex.hpp"
#include "tasks/runner.hpp"

namespace cloudos {

struct Tasks::Impl {
  store::Store& store;
  Executor& executor;
  const Clock& clock;
  TaskRunner& runner;
};

/// What the runner knows in memory; all of it can be found again in the store.
struct TaskRunner::Impl : std::enable_shared_from_this<TaskRunner::Impl> {
  using milliseconds = std::chrono::milliseconds;
  Impl(store::Store& s, Executor& e, const Clock& c, Random& r, Log l, RunnerOptions o)
      : store(s), executor(e), clock(c), random(r), log(std::move(l)), options(std::move(o)) {}

  /// A task as one thread knows it between two calls.
  struct Stand {
    tasks::TaskRecord record;  ///< Its place and outputs may be ahead of the store: joined steps.
    tasks::Values kept;        ///< Outputs of joined steps that no commit holds yet.
    TaskState committed_state = TaskState::Queued;  ///< Where the store has it …
    std::string committed_step;
    bool committed_unwinding = false;
    store::Revision since = 0;            ///< … as of this revision.
    std::optional<MonoTime> ahead_since;  ///< When the first joined step began.
  };
  struct Slot {
    bool running = false;         ///< A closure of this task is on a thread.
    bool again = false;           ///< Something changed meanwhile: look once more when it ends.
    bool stuck = false;           ///< As of the last look.
    std::uint64_t ticket = 0;     ///< Closures with another ticket are void.
    std::optional<MonoTime> due;  ///< When the closure of that ticket runs; nothing: there is none.
    MonoTime rest_until{};        ///< The pause the last call asked for.
    std::string queued_for;       ///< The host in whose queue it stands.
    std::string lane;             ///< The host whose lane was handed to it while it stood there.
    std::optional<Stand> stand;   ///< From there it goes on then: a row is not begun anew.
    std::unique_ptr<store::Watch> waiting;
  };
  struct ReconcilerSlot {
    Reconciler reconciler;
    bool running = false, again = false;
    std::uint64_t ticket = 0;
    std::optional<MonoTime> due;
    std::unique_ptr<store::Watch> watch;
  };

  // Constant after start().
  store::Store& store;
  Executor& executor;
  const Clock& clock;
  Random& random;
  const Log log;
  const RunnerOptions options;
  std::map<std::string, tasks::TaskType> types;
  /// The histograms of a step, by outcome; null: not asked for yet.
  struct StepMeters {
    static constexpr std::size_t kOutcomes = std::variant_size_v<tasks::Outcome> + 1;
    mutable std::array<std::atomic<Histogram*>, kOutcomes> run{}, undo{};
  };
  std::map<const tasks::Step*, StepMeters> meters;  ///< Of the steps in `types`.
  std::unique_ptr<Tasks> service;
  std::unique_ptr<store::Watch> task_watch;

  Mutex mutex;
  std::condition_variable_any finished;                          ///< A task became final or stuck.
  std::multiset<std::string> awaited CLOUDOS_GUARDED_BY(mutex);  ///< Tasks that a call waits for.
  std::uint64_t settled CLOUDOS_GUARDED_BY(mutex) = 0;  ///< How often one of them became so.
  bool started CLOUDOS_GUARDED_BY(mutex) = false;
  bool stopping CLOUDOS_GUARDED_BY(mutex) = false;
  bool discovering CLOUDOS_GUARDED_BY(mutex) = false;
  store::Revision seen CLOUDOS_GUARDED_BY(mutex) = 0;
  std::size_t ended_lately CLOUDOS_GUARDED_BY(mutex) = 0;  ///< Since the history was pruned, about.
  std::uint64_t tickets CLOUDOS_GUARDED_BY(mutex) = 0;  ///< Given out: no two closures share one.
  std::map<std::string, Slot> slots CLOUDOS_GUARDED_BY(mutex);
  /// Tasks that ended here, and by which commit: what the change log says of them is no news. Kept
  /// until the log was read that far.
  std::map<std::string, store::Revision> ended_here CLOUDOS_GUARDED_BY(mutex);
  std::map<std::string, std::size_t> lane_use CLOUDOS_GUARDED_BY(mutex);
  std::map<std::string, std::deque<std::string>> lane_queue CLOUDOS_GUARDED_BY(mutex);
  std::map<std::string, ReconcilerSlot> reconcilers CLOUDOS_GUARDED_BY(mutex);

  bool is_stopping();
  bool is_started();

  // runner.cpp: which task runs when
  Result<void> find_open();
  void request_discover();
  void discover();
  void schedule(const std::string& id, std::chrono::milliseconds after);
  void run(const std::string& id, std::uint64_t ticket);
  /// What stands between a task and its next call, by its record: a pause, or a lane.
  struct Before {
    milliseconds pause{0};
    std::string host;
    bool stuck = false;
  };
  static Stand stand_of(tasks::TaskRecord record, store::Revision since);
  struct Next;
  std::optional<Stand> read_stand(const std::string& id, Next& otherwise);
  bool is_outdated(const Stand& stand);
  Before look(const Stand& stand, milliseconds rest);
  bool begin_run(const std::string& id, std::uint64_t ticket, std::string& lane,
                 std::optional<Stand>& stand, milliseconds& rest);
  bool hold_lane(const std::string& host, const std::string& id, std::string& lane);
  void pause_run(const std::string& id, const Before& before, std::optional<Stand> stand);
  bool enter_lane(const std::string& host, const std::string& id);
  void leave_lane(const std::string& host);
  void forget(const std::string& id, store::Revision ended_by);
  void wait_for(const std::string& id, const tasks::WaitFor& wait, store::Revision since);

  // step.cpp: one call of one step
  struct Next {
    bool ended = false;  ///< Final, stuck or parked: nothing to schedule …
    std::optional<std::chrono::milliseconds> after;  ///< … unless this is set.
    std::optional<tasks::WaitFor> wait;
    store::Revision since = 0;  ///< The state the step saw; of a task that ended, its last commit.
    bool go_on = false;         ///< The stand is good for the next call right away.
  };
  void end_run(const std::string& id, const Next& next);
  /// One call. Moves `stand` to where the task is after it; without go_on it is used up.
  Next perform(const std::string& id, Stand& stand);
  Next park(const tasks::TaskRecord& record, bool known);
  bool set_state(const tasks::TaskRecord& known, TaskState state);

  // reconcilers.cpp
  void start_reconcilers();
  void schedule_reconciler(const std::string& name, std::chrono::milliseconds after);
  void run_reconciler(const std::string& name, std::uint64_t ticket);
  Reconciler retention();
};

/// The steps of a task by name, and what follows from where it stands.
struct StepPosition {
  const tasks::TaskType* type = nullptr;
  std::size_t index = 0;   ///< Of the step at hand.
  bool known = true;       ///< False: the record names a step this version does not have.
  bool no_return = false;  ///< A point of no return lies at or before index.
  const tasks::Step& step() const { return type->steps[index]; }
  bool last() const { return index + 1 == type->steps.size(); }
};
StepPosition locate(const tasks::TaskType& type, const tasks::TaskRecord& record);
/// The last step that may have begun while the store has the task at `index`, or a step before it
/// of the same row of joined ones.
std::size_t reach_of(const tasks::TaskType& type, std::size_t index);
/// Another task takes over, and this one has yet to turn round: no pause or lane is in its way.
bool must_hand_over(const tasks::TaskRecord& record, const StepPosition& at);

}  // namespace cloudos
