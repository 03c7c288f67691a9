#pragma once
#include <memory>
#include <string>

#include "base/executor.hpp"
#include "base/trace.hpp"
#include "cloudos/log.hpp"
#include "cloudos/metrics.hpp"
#include "cloudos/random.hpp"
#include "tasks/task.hpp"

namespace cloudos {

/// Fixes what it finds: compares what should be with what is, on a period and when woken.
///
/// Takes no input, does bounded work a pass, is safe to repeat, and never runs twice at once.
struct Reconciler {
  std::string name;
  std::chrono::milliseconds period;
  /// Key prefix whose changes wake it early; empty: the period only.
  std::string wake_on;
  /// Returns true when there is more to do now. An error is logged and the next period tries again.
  std::function<Result<bool>()> pass;
};

/// Test hooks into the runner; production code leaves them empty.
struct RunnerFaults {
  /// An error here is what the step "returned", without its having run.
  std::function<std::optional<Error>(const tasks::TaskRecord&, std::string_view step, bool undo)>
      before_step;
  /// True: the step has run, and its result is thrown away as if we had crashed before the commit,
  /// so that it runs again.
  std::function<bool(const tasks::TaskRecord&, std::string_view step, bool undo)> forget_step;
};

struct RunnerOptions {
  unsigned workers = 2;  ///< Only for the bound on steps at once; threads are the executor's.
  std::size_t host_lanes = limits::kHostLanes;
  std::size_t finished_kept = limits::kFinishedTasksKept;  ///< The history; older ones are erased.
  RunnerFaults faults;
  Metrics* metrics = nullptr;      ///< Outlives the runner. Null: nobody counts.
  const Tracer* tracer = nullptr;  ///< Outlives the runner. Null: nobody traces.
};

/// What a runner is busy with, at one instant.
struct RunnerStats {
  bool running = false;            ///< Started and not stopping.
  std::size_t open = 0;            ///< Tasks it knows that have not ended.
  std::size_t on_threads = 0;      ///< Of those: a step is being called.
  std::size_t in_queues = 0;       ///< Of those: wait for a lane of their host.
  std::size_t stuck = 0;
  struct Lane {
    std::string host;
    std::size_t used = 0, queued = 0;
  };
  std::vector<Lane> lanes;         ///< Hosts with a lane in use, by name.
  std::vector<std::string> calling;         ///< Ids of the tasks on threads, some.
  std::vector<std::string> stuck_tasks;     ///< Ids, some.
  std::vector<std::string> reconciling;     ///< Names of the reconcilers that run now.
};

/// Runs durable tasks and reconcilers on an executor. One runner per data folder at a time.
///
/// Register all types and reconcilers, then start(). Thread-safe after that.
class TaskRunner final {
 public:
  /// All references outlive the runner.
  TaskRunner(store::Store& store, Executor& executor, const Clock& clock, Random& random, Log log,
             RunnerOptions options = {});
  ~TaskRunner();

  void add(tasks::TaskType type);
  void add(Reconciler reconciler);
  /// Finds every runnable task of the store and begins. No recovery mode: this is the only path.
  Result<void> start();
  /// No step begins after this; running ones are not waited for (the executor's stop does that).
  void stop();
  /// Looks for new work soon: called by services after a commit that enqueued (the watch would
  /// find it too, later).
  void wake();
  /// Runs a reconciler soon.
  void wake_reconciler(std::string_view name);
  Tasks& tasks();
  RunnerStats stats() const;
  /// True once stop() was called: what a step does for long ends early, and goes on after the next
  /// start.
  bool stopping() const;

  struct Impl;

 private:
  friend class Tasks;
  std::shared_ptr<Impl> impl_;  // Shared with closures in the executor that outlive a late stop.
};

}  // namespace cloudos
