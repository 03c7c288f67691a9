#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cloudos/clock.hpp"

namespace cloudos {

/// Runs closures now or later: on up to N threads of its own, or, with none, on the thread that
/// calls run_pending(). Thread-safe.
///
/// Closures mostly wait, for a commit's fsync or for a driver: threads come when work is due and
/// none is free, and go when they had nothing to do for limits::kIdleThread, at once where
/// limits::kIdleThreads others rest. One always stays.
///
/// With no threads the order is fixed by (due time, order of posting): simulations rely on it.
class Executor {
 public:
  using Work = std::function<void()>;
  /// `clock` outlives the executor. With threads it must be a real clock.
  Executor(const Clock& clock, unsigned threads);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  void post(Work work);
  /// Runs `work` once `clock.mono()` has reached `due`.
  void post_at(MonoTime due, Work work);
  /// Runs what is due on this thread until nothing is, or `deadline` has passed.
  /// Returns how many closures ran. For executors without threads.
  std::size_t run_pending(std::optional<MonoTime> deadline = std::nullopt);
  /// When the next closure is due; nothing when none waits.
  std::optional<MonoTime> next_due() const;
  /// Called whenever next_due() may have come earlier. For host event loops. Set before use.
  void on_wake(std::function<void()> wake);
  /// No closure starts after this returns; those running are waited for until `deadline`.
  /// Returns false when one still runs then (it keeps its thread, which is left behind).
  bool stop(std::chrono::milliseconds patience);
  /// Closures that wait, also for a later time; and those that run.
  struct Load {
    std::size_t queued = 0, running = 0;
  };
  Load load() const;
  /// The most threads there may be.
  unsigned threads() const { return most_threads_; }

 private:
  struct Shared;
  const Clock& clock_;
  const unsigned most_threads_;
  std::shared_ptr<Shared> shared_;  // Shared with workers that outlive us after a stop in vain.
};

}  // namespace cloudos
