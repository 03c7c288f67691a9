#include "base/executor.hpp"

#include "base/assert.hpp"

namespace cloudos {

struct Executor::Shared {
  std::mutex mutex;
  std::condition_variable ready;  // Work became due, or we stop.
  std::condition_variable idle;   // A closure ended.
  // Ordered by due time, then by order of posting.
  std::map<std::pair<MonoTime, std::uint64_t>, Work> queue;
  std::uint64_t posted = 0;
  std::size_t running = 0;
  std::size_t alive = 0;
  bool stopping = false;
  std::function<void()> wake;
};

Executor::Executor(const Clock& clock, unsigned threads)
    : clock_(clock), shared_(std::make_shared<Shared>()) {
  for (unsigned i = 0; i < threads; ++i)
    threads_.emplace_back([this, shared = shared_] { worker(shared); });
}

Executor::~Executor() { stop(std::chrono::milliseconds{0}); }

void Executor::post(Work work) { post_at(MonoTime{}, std::move(work)); }

void Executor::post_at(MonoTime due, Work work) {
  std::function<void()> wake;
  {
    std::lock_guard lock(shared_->mutex);
    if (shared_->stopping) return;
    const std::pair key{due, ++shared_->posted};
    const bool first = shared_->queue.empty() || key < shared_->queue.begin()->first;
    shared_->queue.emplace(key, std::move(work));
    if (first) wake = shared_->wake;
  }
  shared_->ready.notify_one();
  if (wake) wake();
}

void Executor::on_wake(std::function<void()> wake) {
  std::lock_guard lock(shared_->mutex);
  shared_->wake = std::move(wake);
}

std::optional<MonoTime> Executor::next_due() const {
  std::lock_guard lock(shared_->mutex);
  if (shared_->queue.empty()) return std::nullopt;
  return shared_->queue.begin()->first.first;
}

Executor::Load Executor::load() const {
  std::lock_guard lock(shared_->mutex);
  return {shared_->queue.size(), shared_->running};
}

std::size_t Executor::run_pending(std::optional<MonoTime> deadline) {
  std::size_t count = 0;
  for (;;) {
    Work work;
    {
      std::lock_guard lock(shared_->mutex);
      if (shared_->stopping || shared_->queue.empty()) return count;
      const MonoTime now = clock_.mono();
      if (shared_->queue.begin()->first.first > now || (deadline && now >= *deadline && count > 0))
        return count;
      work = std::move(shared_->queue.begin()->second);
      shared_->queue.erase(shared_->queue.begin());
      ++shared_->running;
    }
    work();
    work = nullptr;
    {
      std::lock_guard lock(shared_->mutex);
      --shared_->running;
    }
    shared_->idle.notify_all();
    ++count;
  }
}

void Executor::worker(std::shared_ptr<Shared> shared) {
  const Clock& clock = clock_;
  std::unique_lock lock(shared->mutex);
  ++shared->alive;
  while (!shared->stopping) {
    if (shared->queue.empty()) {
      shared->ready.wait(lock);
      continue;
    }
    const MonoTime due = shared->queue.begin()->first.first;
    if (due > clock.mono()) {
      shared->ready.wait_until(lock, due);
      continue;
    }
    Work work = std::move(shared->queue.begin()->second);
    shared->queue.erase(shared->queue.begin());
    ++shared->running;
    // One wake-up may stand for two closures: pass it on while more is waiting.
    if (!shared->queue.empty()) shared->ready.notify_one();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    --shared->running;
    shared->idle.notify_all();
  }
  --shared->alive;
  shared->idle.notify_all();
}

bool Executor::stop(std::chrono::milliseconds patience) {
  std::map<std::pair<MonoTime, std::uint64_t>, Work> dropped;
  {
    std::unique_lock lock(shared_->mutex);
    shared_->stopping = true;
    dropped.swap(shared_->queue);
    shared_->ready.notify_all();
    const bool done = shared_->idle.wait_for(lock, patience, [&] { return shared_->running == 0; });
    if (!done) {
      lock.unlock();
      for (auto& thread : threads_)
        if (thread.joinable()) thread.detach();
      threads_.clear();
      return false;
    }
  }
  for (auto& thread : threads_)
    if (thread.joinable()) thread.join();
  threads_.clear();
  return true;
}

}  // namespace cloudos
