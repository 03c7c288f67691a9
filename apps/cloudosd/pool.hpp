#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace cloudosd {

/// Threads that come with work and go when there is none: an idle server has none of them.
/// Thread-safe.
class Pool {
 public:
  using Work = std::function<void()>;
  enum class Priority { Normal, Low };

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
  /// Takes no more; waits until what was taken is done.
  void stop();

 private:
  void run();

  const unsigned most_threads_;
  const std::size_t most_queued_;
  const Priority priority_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, ended_;
  std::deque<Work> queue_;
  unsigned threads_ = 0;
  unsigned idle_ = 0;
  bool stopped_ = false;
};

}  // namespace cloudosd
