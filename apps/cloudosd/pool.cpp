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

void set_policy(int thread, int policy) {
  const sched_param none{};
  ::sched_setscheduler(thread, policy, &none);
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
  if (lowest) {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(thread), kSmallShare);
    set_policy(thread, SCHED_IDLE);
  }
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
    if (lowest)
      mine = running_.insert(running_.end(), {thread, std::chrono::steady_clock::now()});
    lock.unlock();
    work();
    work = nullptr;  // What it holds goes before the lock comes.
    lock.lock();
    if (!lowest) continue;
    if (mine->raised) set_policy(thread, SCHED_IDLE);
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
    if (!running.raised && now - running.began > after) {
      running.raised = true;
      set_policy(running.thread, SCHED_OTHER);
    }
    raised += running.raised;
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
