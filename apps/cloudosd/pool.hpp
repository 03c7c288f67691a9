#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>

namespace cloudosd {

/// Threads that come with work and go when there is none: an idle server has none of them.
/// Thread-safe.
class Pool {
 public:
  using Work = std::function<void()>;
  /// Lowest: whoever else has something to do on this machine goes first, at once (where the
  /// process may raise its threads again; else they have a third of others' share).
  enum class Priority { Normal, Lowest };

  Pool(unsigned most_threads, std::size_t most_queued, Priority priority = Priority::Normal);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// False when as much work waits as may, or after stop().
  bool post(Work work);
  struct Load {
    std::size_t threads = 0, queued = 0;
  };
  Load load() const;
  /// Work of the lowest priority that has been under way for longer than that is on a machine that
  /// is busy for good (with guests, say): from now on it gets a tenth of others' share, and after
  /// four times as long the same as they. Returns how much such work there is.
  std::size_t raise_starved(std::chrono::milliseconds after);
  /// Takes no more; waits until what was taken is done.
  void stop();

 private:
  enum class Share { Idle, Small, Whole };
  struct Running {
    int thread;  ///< As the kernel numbers them.
    std::chrono::steady_clock::time_point began;
    Share share = Share::Idle;
  };

  void run();

  const unsigned most_threads_;
  const std::size_t most_queued_;
  const Priority priority_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, ended_;
  std::deque<Work> queue_;
  std::list<Running> running_;  // Of the lowest priority only.
  unsigned threads_ = 0;
  unsigned idle_ = 0;
  bool stopped_ = false;
};

}  // namespace cloudosd
