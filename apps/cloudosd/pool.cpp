#include "cloudosd/pool.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <system_error>
#include <thread>

namespace cloudosd {
namespace {
constexpr std::chrono::seconds kIdleThread{10};

constexpr int kSmallShare = 10;  // Nice: a tenth of what others get.
constexpr int kLesserShare = 5;  // Nice: a third.

void set_policy(int thread, int policy) {
  const sched_param none{};
  ::sched_setscheduler(thread, policy, &none);
}

bool set_nice(int thread, int nice) {
  return ::setpriority(PRIO_PROCESS, static_cast<id_t>(thread), nice) == 0;
}

/// Puts the calling thread behind all others, if it may come back from there: who has no right to
/// raise its priority (no CAP_SYS_NICE, no RLIMIT_NICE) would starve there, and takes a lesser share.
/// Returns whether it can be raised.
bool stand_last(int thread) {
  const bool may_rise = set_nice(thread, 1) && set_nice(thread, 0);
  set_nice(thread, may_rise ? kSmallShare : kLesserShare);
  if (may_rise) set_policy(thread, SCHED_IDLE);
  return may_rise;
}

}  // namespace

Pool::Pool(unsigned most_threads, std::size_t most_queued, Priority priority)
    : most_threads_(most_threads), most_queued_(most_queued), priority_(priority) {}

Pool::~Pool() {
  stop();
}

bool Pool::post(Work work) {
  std::unique_lock lock(mutex_);
  if (stopped_ || queue_.size() >= most_queued_) return false;
  queue_.push_back(std::move(work));
  if (idle_ >= queue_.size() || threads_ == most_threads_) {
    wake_.notify_one();
    return true;
  }
  try {
    // Detached, for threads come and go; stop() waits until `threads_` is 0.
    std::thread([this] { run(); }).detach();
    ++threads_;
  } catch (const std::system_error&) {
    if (threads_ == 0) {
      queue_.pop_back();
      return false;
    }
    wake_.notify_one();
  }
  return true;
}

Pool::Load Pool::load() const {
  const std::lock_guard lock(mutex_);
  return {threads_, queue_.size()};
}

void Pool::run() {
  const bool lowest = priority_ == Priority::Lowest;
  const auto thread = static_cast<int>(::syscall(SYS_gettid));
  const bool last = lowest && stand_last(thread);
  std::unique_lock lock(mutex_);
  while (true) {
    if (queue_.empty()) {
      if (stopped_) break;
      ++idle_;
      const bool woken =
          wake_.wait_for(lock, kIdleThread, [this] { return stopped_ || !queue_.empty(); });
      --idle_;
      if (!woken) break;
      continue;
    }
    Work work = std::move(queue_.front());
    queue_.pop_front();
    auto mine = running_.end();
    if (last)
      mine = running_.insert(running_.end(), {thread, std::chrono::steady_clock::now()});
    lock.unlock();
    work();
    work = nullptr;  // What it holds goes before the lock comes.
    lock.lock();
    if (!last) continue;
    if (mine->share != Share::Idle) stand_last(thread);
    running_.erase(mine);
  }
  --threads_;
  ended_.notify_all();
}

std::size_t Pool::raise_starved(std::chrono::milliseconds after) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  std::size_t raised = 0;
  for (Running& running : running_) {
    const auto waited = now - running.began;
    if (running.share == Share::Idle && waited > after) {
      running.share = Share::Small;
      set_policy(running.thread, SCHED_OTHER);
    }
    if (running.share == Share::Small && waited > 4 * after) {
      running.share = Share::Whole;
      set_nice(running.thread, 0);
    }
    raised += running.share != Share::Idle;
  }
  return raised;
}

void Pool::stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  wake_.notify_all();
  ended_.wait(lock, [this] { return threads_ == 0; });
}

}  // namespace cloudosd
