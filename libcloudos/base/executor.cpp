#include "base/executor.hpp"

#include <sched.h>

#include <list>
#include <system_error>

#include "base/actor.hpp"
#include "base/assert.hpp"
#include "cloudos/limits.hpp"

namespace cloudos {
namespace {

/// Work that nobody waits for in a call leaves the processor to the threads of those who do. What a
/// thread starts (a guest, a server) is as if we had not asked.
void stand_back() {
  const ::sched_param none{};
  // Where it is not allowed everything works as well, only callers wait longer.
  static_cast<void>(::sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &none));
}

}  // namespace

struct Executor::Shared : std::enable_shared_from_this<Executor::Shared> {
  Shared(const Clock& the_clock, unsigned most) : clock(the_clock), most_threads(most) {}

  const Clock& clock;
  const unsigned most_threads;
  std::mutex mutex;
  std::condition_variable ready;  // Work became due, or we stop.
  std::condition_variable idle;   // A closure ended.
  // Ordered by due time, then by order of posting.
  std::map<std::pair<MonoTime, std::uint64_t>, Work> queue;
  std::uint64_t posted = 0;
  std::size_t running = 0;
  std::size_t waiting = 0;         // Threads in `ready`.
  std::list<std::thread> threads;  // Alive ones.
  std::list<std::thread> ended;    // To be joined: they only return yet.
  bool stopping = false;
  std::function<void()> wake;

  /// Has somebody look at the queue: a thread that waits, or a new one. Under the mutex.
  void call_thread();
  void work(std::list<std::thread>::iterator self);
};

void Executor::Shared::call_thread() {
  if (waiting > 0) {
    ready.notify_one();
    return;
  }
  if (threads.size() >= most_threads || stopping) return;
  for (std::thread& thread : ended) thread.join();
  ended.clear();
  const auto self = threads.emplace(threads.end());
  try {
    *self = std::thread([shared = shared_from_this(), self] { shared->work(self); });
  } catch (const std::system_error&) {
    threads.erase(self);  // The machine has no thread left: those that run come by later.
    CLOUDOS_ASSERT(!threads.empty());
  }
}

void Executor::Shared::work(std::list<std::thread>::iterator self) {
  stand_back();
  std::unique_lock lock(mutex);
  bool rested = false;  // A whole rest long nothing was due.
  while (!stopping) {
    const MonoTime now = clock.mono();
    if (queue.empty() || queue.begin()->first.first > now) {
      if ((rested && waiting > 0) || waiting >= limits::kIdleThreads) {
        ready.notify_one();  // What woke us, if anything did, is the other's now.
        ended.splice(ended.end(), threads, self);
        return;
      }
      const MonoTime rest = now + limits::kIdleThread;
      const MonoTime until = queue.empty() ? rest : std::min(rest, queue.begin()->first.first);
      ++waiting;
      rested = ready.wait_until(lock, until) == std::cv_status::timeout && until == rest;
      --waiting;
      continue;
    }
    rested = false;
    Work due = std::move(queue.begin()->second);
    queue.erase(queue.begin());
    ++running;
    // One wake-up may stand for two closures: pass it on while more is due. And somebody must wait
    // for what is due later: this closure may block.
    if (!queue.empty() && (waiting == 0 || queue.begin()->first.first <= now)) call_thread();
    lock.unlock();
    {
      const ActorScope ours(Actor::Kind::Work);
      due();
      due = nullptr;
    }
    lock.lock();
    --running;
    idle.notify_all();
  }
}

Executor::Executor(const Clock& clock, unsigned threads)
    : clock_(clock), most_threads_(threads), shared_(std::make_shared<Shared>(clock, threads)) {
  std::lock_guard lock(shared_->mutex);
  shared_->call_thread();
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
    // A thread that waits for a later time must hear of an earlier one.
    if (first || due <= clock_.mono()) shared_->call_thread();
  }
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
    {
      const ActorScope ours(Actor::Kind::Work);
      work();
      work = nullptr;
    }
    {
      std::lock_guard lock(shared_->mutex);
      --shared_->running;
    }
    shared_->idle.notify_all();
    ++count;
  }
}

bool Executor::stop(std::chrono::milliseconds patience) {
  std::map<std::pair<MonoTime, std::uint64_t>, Work> dropped;
  std::list<std::thread> threads;
  bool done = false;
  {
    std::unique_lock lock(shared_->mutex);
    shared_->stopping = true;
    dropped.swap(shared_->queue);
    shared_->ready.notify_all();
    done = shared_->idle.wait_for(lock, patience, [&] { return shared_->running == 0; });
    threads.splice(threads.end(), shared_->threads);
    threads.splice(threads.end(), shared_->ended);
  }
  for (auto& thread : threads) {
    if (done)
      thread.join();
    else
      thread.detach();
  }
  return done;
}

}  // namespace cloudos
