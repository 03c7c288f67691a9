#include "cloudosd/pool.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <system_error>
#include <thread>

namespace cloudosd {
namespace {
constexpr std::chrono::seconds kIdleThread{10};
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
  if (priority_ == Priority::Low)
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 10);
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
    lock.unlock();
    work();
    work = nullptr;  // What it holds goes before the lock comes.
    lock.lock();
  }
  --threads_;
  ended_.notify_all();
}

void Pool::stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  wake_.notify_all();
  ended_.wait(lock, [this] { return threads_ == 0; });
}

}  // namespace cloudosd
