#pragma once
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "store/lmdb_env.hpp"
#include "store/lmdb_meters.hpp"
#include "store/txn_buffer.hpp"

namespace cloudos::store::lmdb {

/// Group commit: who comes while a commit runs waits in a queue; the first of the queue then leads
/// and runs all waiting bodies, one after another, over one write transaction with one fsync.
///
/// Every result waits for that commit, also of a body that failed or wrote nothing: it may have
/// read what another body of the batch wrote. Thread-safe.
///
/// Callers go before work of our own (Actor::Kind::Work: tasks, reconcilers), of which a batch
/// with callers takes a few only: somebody waits for the callers' answers, and whoever asks for a
/// thousand servers wants them recorded before the first ones are built on. Work never starves.
class Committer {
 public:
  /// Hears the keys that a batch wrote, sorted, after its commit and before its callers return.
  using Committed = std::function<void(std::span<const std::string_view>)>;

  /// `meters` may be null; outlives it.
  Committer(Env& env, const LmdbOptions& options, Meters* meters, Committed committed);
  Result<Revision> transact(const Body& body);

 private:
  class Batch;
  struct Waiter;

  /// How many of either kind are in the batch.
  struct Taken {
    std::size_t callers = 0, work = 0;
  };

  void lead(Waiter& self);
  Waiter* take(Taken& taken);
  static Waiter* pop_front(std::deque<Waiter*>& line);
  Result<void> run(Batch& batch, const std::function<Waiter*()>& next);
  void hand_over(std::span<Waiter* const> done);
  void check_readers();

  Env& env_;
  const std::size_t log_entries_;
  const std::chrono::milliseconds reader_check_;
  Meters* const meters_;
  const Committed committed_;
  std::chrono::steady_clock::time_point readers_checked_;  // The leader's.

  std::mutex mutex_;
  std::deque<Waiter*> callers_, work_;  // By mutex_. Who leads is in neither.
  bool leading_ = false;                // By mutex_: someone leads, or was woken to.
};

}  // namespace cloudos::store::lmdb
