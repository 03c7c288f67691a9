#include "tasks/runner.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"
#include "records/table.hpp"
#include "tasks/runner_impl.hpp"

namespace cloudos {

using tasks::TaskRecord;
using std::chrono::milliseconds;

TaskRunner::TaskRunner(store::Store& store, Executor& executor, const Clock& clock, Random& random,
                       Log log, RunnerOptions options)
    : impl_(std::make_shared<Impl>(store, executor, clock, random, std::move(log),
                                   std::move(options))) {
  impl_->service = std::unique_ptr<Tasks>(
      new Tasks(std::make_unique<Tasks::Impl>(Tasks::Impl{store, executor, clock, *this})));
}

TaskRunner::~TaskRunner() { stop(); }

Tasks& TaskRunner::tasks() { return *impl_->service; }

void TaskRunner::add(tasks::TaskType type) {
  CLOUDOS_ASSERT(!type.steps.empty() && type.steps.size() <= limits::kTaskSteps);
  std::string name = type.name;
  const bool added = impl_->types.emplace(std::move(name), std::move(type)).second;
  CLOUDOS_ASSERT(added);
}

void TaskRunner::add(Reconciler reconciler) {
  LockGuard lock(impl_->mutex);
  std::string name = reconciler.name;
  const bool added =
      impl_->reconcilers.emplace(std::move(name), Impl::ReconcilerSlot{std::move(reconciler)})
          .second;
  CLOUDOS_ASSERT(added);
}

Result<void> TaskRunner::start() {
  {
    LockGuard lock(impl_->mutex);
    CLOUDOS_ASSERT(!impl_->started);
    impl_->started = true;
  }
  add(impl_->retention());
  std::weak_ptr<Impl> weak = impl_;
  impl_->task_watch = impl_->store.watch(records::record_prefix(TaskRecord::kKind), [weak] {
    if (const auto impl = weak.lock()) impl->request_discover();
  });
  CLOUDOS_CHECK(impl_->find_open());
  impl_->start_reconcilers();
  return Result<void>();
}

void TaskRunner::stop() {
  std::map<std::string, Impl::Slot> slots;
  {
    LockGuard lock(impl_->mutex);
    impl_->stopping = true;
    slots.swap(impl_->slots);
  }
  impl_->finished.notify_all();
  // Watches end outside the lock: ending one waits for its callback, which takes the lock.
  impl_->task_watch.reset();
  slots.clear();
  std::vector<std::unique_ptr<store::Watch>> watches;
  {
    LockGuard lock(impl_->mutex);
    for (auto& [name, slot] : impl_->reconcilers) watches.push_back(std::move(slot.watch));
  }
}

void TaskRunner::wake() { impl_->request_discover(); }

void TaskRunner::wake_reconciler(std::string_view name) {
  impl_->schedule_reconciler(std::string(name), milliseconds{0});
}

bool TaskRunner::Impl::is_stopping() {
  LockGuard lock(mutex);
  return stopping;
}

Result<void> TaskRunner::Impl::find_open() {
  CLOUDOS_TRY(const auto snapshot, store.snapshot());
  {
    LockGuard lock(mutex);
    seen = snapshot->revision();
  }
  for (const char* urgency : {"0", "1"}) {
    const std::string prefix = records::index_prefix(TaskRecord::kKind, "open", urgency);
    store::ScanOptions scan;
    scan.keys_only = true;
    for (;;) {
      CLOUDOS_TRY(const auto entries, snapshot->scan(prefix, scan));
      for (const auto& entry : entries)
        schedule(entry.key.substr(prefix.size()), milliseconds{0});
      if (entries.size() < limits::kScanPage) break;
      scan.after = entries.back().key;
    }
  }
  return Result<void>();
}

void TaskRunner::Impl::request_discover() {
  {
    LockGuard lock(mutex);
    if (stopping || !started || discovering) return;
    discovering = true;
  }
  executor.post([self = shared_from_this()] { self->discover(); });
}

void TaskRunner::Impl::discover() {
  store::Revision since;
  {
    LockGuard lock(mutex);
    if (stopping) return;
    discovering = false;
    since = seen;
  }
  const std::string prefix = records::record_prefix(TaskRecord::kKind);
  const auto changes = store.changes(prefix, since);
  if (!changes) {
    executor.post_at(clock.mono() + std::chrono::seconds{1},
                     [self = shared_from_this()] { self->request_discover(); });
    return;
  }
  if (changes->too_old) {
    if (const auto found = find_open(); !found) log.error(found.error().message);
    return;
  }
  {
    LockGuard lock(mutex);
    seen = std::max(seen, changes->until);
  }
  for (const std::string& key : changes->keys) schedule(key.substr(prefix.size()), milliseconds{0});
}

void TaskRunner::Impl::schedule(const std::string& id, milliseconds after) {
  std::uint64_t ticket;
  {
    LockGuard lock(mutex);
    if (stopping) return;
    Slot& slot = slots[id];
    if (slot.running) {
      slot.again = true;
      return;
    }
    ticket = ++slot.ticket;
  }
  executor.post_at(after.count() == 0 ? MonoTime{} : clock.mono() + after,
                   [self = shared_from_this(), id, ticket] { self->run(id, ticket); });
}

void TaskRunner::Impl::run(const std::string& id, std::uint64_t ticket) {
  {
    LockGuard lock(mutex);
    const auto slot = slots.find(id);
    if (stopping || slot == slots.end() || slot->second.running || slot->second.ticket != ticket)
      return;
    slot->second.running = true;
    slot->second.again = false;
  }
  // Whether the task is still backing off, and which lane its step needs, stands in its record.
  std::string host;
  milliseconds early{0};
  if (const auto snapshot = store.snapshot()) {
    const auto record = records::get<TaskRecord>(**snapshot, id);
    const auto type = record ? types.find(record->type) : types.end();
    if (type != types.end()) {
      const StepPosition at = locate(type->second, *record);
      if (at.known && at.step().kind == tasks::Step::Kind::Remote && type->second.host)
        host = type->second.host(*record);
      const WallTime now = clock.wall();
      // A clock set back must not make a short pause long.
      if (record->not_before && *record->not_before > now && record->superseded_by.empty())
        early = std::min(limits::kBackoffMost, std::chrono::duration_cast<milliseconds>(
                                                   *record->not_before - now) + milliseconds{1});
    }
  }
  if (early.count() > 0 || !enter_lane(host, id)) {
    {
      LockGuard lock(mutex);
      if (const auto slot = slots.find(id); slot != slots.end()) slot->second.running = false;
    }
    if (early.count() > 0) schedule(id, early);
    return;
  }
  const Next next = perform(id);
  leave_lane(host);
  std::unique_ptr<store::Watch> old_watch;
  bool again;
  {
    LockGuard lock(mutex);
    const auto slot = slots.find(id);
    if (stopping || slot == slots.end()) return;
    slot->second.running = false;
    again = slot->second.again;
    old_watch = std::move(slot->second.waiting);
  }
  old_watch.reset();
  if (next.ended) {
    finished.notify_all();
    if (next.after) schedule(id, *next.after);
    else forget(id);
    return;
  }
  // Changes of the record that we made ourselves also come back as "again": look once more, it is
  // cheap; but never sooner than a step that asked to be called later would need.
  if (next.wait && !again) return wait_for(id, *next.wait, next.since);
  schedule(id, next.wait ? milliseconds{0} : next.after.value_or(milliseconds{0}));
}

void TaskRunner::Impl::forget(const std::string& id) {
  LockGuard lock(mutex);
  const auto slot = slots.find(id);
  if (slot != slots.end() && !slot->second.running) slots.erase(slot);
}

void TaskRunner::Impl::wait_for(const std::string& id, const tasks::WaitFor& wait,
                                store::Revision since) {
  std::weak_ptr<Impl> weak = shared_from_this();
  auto watch = store.watch(wait.key, [weak, id] {
    if (const auto self = weak.lock())
      self->executor.post([self, id] { self->schedule(id, milliseconds{0}); });
  });
  {
    LockGuard lock(mutex);
    if (stopping) return;
    slots[id].waiting.swap(watch);
  }
  watch.reset();
  // What changed between the step's look and the watch's begin is in the change log.
  const auto changes = store.changes(wait.key, since);
  const bool changed = !changes || changes->too_old || !changes->keys.empty();
  schedule(id, changed ? milliseconds{10} : wait.at_most);
}

bool TaskRunner::Impl::enter_lane(const std::string& host, const std::string& id) {
  if (host.empty()) return true;
  LockGuard lock(mutex);
  std::size_t& use = lane_use[host];
  if (use < options.host_lanes) {
    ++use;
    return true;
  }
  lane_queue[host].push_back(id);
  return false;
}

void TaskRunner::Impl::leave_lane(const std::string& host) {
  if (host.empty()) return;
  std::string next;
  {
    LockGuard lock(mutex);
    if (--lane_use[host] == 0) lane_use.erase(host);
    const auto queue = lane_queue.find(host);
    if (queue == lane_queue.end()) return;
    next = std::move(queue->second.front());
    queue->second.pop_front();
    if (queue->second.empty()) lane_queue.erase(queue);
  }
  schedule(next, milliseconds{0});
}

}  // namespace cloudos
