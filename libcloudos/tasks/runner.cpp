#include "tasks/runner.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"
#include "records/table.hpp"
#include "tasks/runner_impl.hpp"

namespace cloudos {

using std::chrono::milliseconds;
using tasks::TaskRecord;

TaskRunner::TaskRunner(store::Store& store, Executor& executor, const Clock& clock, Random& random,
                       Log log, RunnerOptions options)
    : impl_(std::make_shared<Impl>(store, executor, clock, random, std::move(log),
                                   std::move(options))) {
  impl_->service = std::unique_ptr<Tasks>(
      new Tasks(std::make_unique<Tasks::Impl>(Tasks::Impl{store, executor, clock, *this})));
}

TaskRunner::~TaskRunner() {
  stop();
}

Tasks& TaskRunner::tasks() {
  return *impl_->service;
}

void TaskRunner::add(tasks::TaskType type) {
  CLOUDOS_ASSERT(!type.steps.empty() && type.steps.size() <= limits::kTaskSteps);
  std::string name = type.name;
  for (const tasks::Step& step : type.steps)
    CLOUDOS_ASSERT(!step.joined || !step.point_of_no_return);
  const auto [at, added] = impl_->types.emplace(std::move(name), std::move(type));
  CLOUDOS_ASSERT(added);
  for (const tasks::Step& step : at->second.steps) impl_->meters[&step];
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

void TaskRunner::wake() {
  impl_->request_discover();
}

void TaskRunner::wake_reconciler(std::string_view name) {
  impl_->schedule_reconciler(std::string(name), milliseconds{0});
}

bool TaskRunner::Impl::is_started() {
  LockGuard lock(mutex);
  return started;
}

bool TaskRunner::stopping() const {
  return impl_->is_stopping();
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
      for (const auto& entry : entries) schedule(entry.key.substr(prefix.size()), milliseconds{0});
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
    if (const auto found = find_open(); !found) {
      log.error(found.error().message);
      {
        LockGuard lock(mutex);
        seen = since;  // Not a task may be missed: the whole look is taken again.
      }
      executor.post_at(clock.mono() + std::chrono::seconds{1},
                       [self = shared_from_this()] { self->request_discover(); });
    }
    return;
  }
  std::vector<std::string> news;
  {
    LockGuard lock(mutex);
    for (const std::string& key : changes->keys) {
      std::string id = key.substr(prefix.size());
      if (!ended_here.contains(id)) news.push_back(std::move(id));
    }
    seen = std::max(seen, changes->until);
    std::erase_if(ended_here, [&](const auto& task) { return task.second <= seen; });
  }
  for (const std::string& id : news) schedule(id, milliseconds{0});
}

void TaskRunner::Impl::schedule(const std::string& id, milliseconds after) {
  const MonoTime due = after.count() == 0 ? MonoTime{} : clock.mono() + after;
  std::uint64_t ticket;
  {
    LockGuard lock(mutex);
    if (stopping) return;
    Slot& slot = slots[id];
    if (slot.running) {
      slot.again = true;
      return;
    }
    // An earlier look is never put off: it may be there for a change that this caller has not seen.
    if (slot.due && *slot.due <= due) return;
    slot.due = due;
    ticket = slot.ticket = ++tickets;
  }
  executor.post_at(due, [self = shared_from_this(), id, ticket] { self->run(id, ticket); });
}

TaskRunner::Impl::Stand TaskRunner::Impl::stand_of(TaskRecord record, store::Revision since) {
  Stand stand;
  stand.committed_state = record.state;
  stand.committed_step = record.step;
  stand.committed_unwinding = record.unwinding;
  stand.record = std::move(record);
  stand.since = since;
  return stand;
}

/// Nothing: there is nothing to call, and `otherwise` says what then.
std::optional<TaskRunner::Impl::Stand> TaskRunner::Impl::read_stand(const std::string& id,
                                                                    Next& otherwise) {
  // The store failing is no failure of the step: look again in a while.
  otherwise = {false, std::chrono::seconds{1}};
  const auto snapshot = store.snapshot();
  if (!snapshot) return std::nullopt;
  auto record = records::get<TaskRecord>(**snapshot, id);
  if (!record && record.error().code != ErrorCode::NotFound) {
    log.error(fmt::format("task {}: {} ({})", id, record.error().message, record.error().detail));
    return std::nullopt;
  }
  if (!record || is_final(record->state)) {
    otherwise = {true};
    return std::nullopt;
  }
  return stand_of(std::move(*record), (*snapshot)->revision());
}

/// Somebody else wrote the record since: takes over from it, say.
bool TaskRunner::Impl::is_outdated(const Stand& stand) {
  const auto snapshot = store.snapshot();
  if (!snapshot) return true;
  const auto entry =
      (*snapshot)->get(records::record_key(TaskRecord::kKind, stand.record.id.value));
  return !entry || !*entry || (*entry)->revision > stand.since;
}

TaskRunner::Impl::Before TaskRunner::Impl::look(const Stand& stand, milliseconds rest) {
  const TaskRecord& record = stand.record;
  const auto type = types.find(record.type);
  const StepPosition at = type == types.end() ? StepPosition{} : locate(type->second, record);
  const bool stuck = record.state == TaskState::Stuck;
  if (type == types.end() || !at.known || must_hand_over(record, at))
    return {milliseconds{0}, {}, stuck};
  if (rest.count() > 0) return {rest, {}, stuck};
  const WallTime now = clock.wall();
  // A clock that was set back makes no short pause long: the pause is over then.
  if (record.not_before && *record.not_before > now && record.updated_at <= now) {
    const auto left = std::chrono::duration_cast<milliseconds>(*record.not_before - now);
    return {std::min(limits::kBackoffMost, left + milliseconds{1}), {}, stuck};
  }
  const bool calls = !stuck && record.state != TaskState::Parked;
  if (calls && at.step().kind == tasks::Step::Kind::Remote && type->second.host)
    return {milliseconds{0}, type->second.host(record), false};
  return {milliseconds{0}, {}, stuck};
}

/// False: this closure is void. `lane` is the one handed to the task while it waited.
bool TaskRunner::Impl::begin_run(const std::string& id, std::uint64_t ticket, std::string& lane,
                                 std::optional<Stand>& stand, milliseconds& rest) {
  LockGuard lock(mutex);
  const auto found = slots.find(id);
  if (stopping || found == slots.end() || found->second.ticket != ticket) return false;
  Slot& slot = found->second;
  slot.running = true;
  slot.again = false;
  slot.due.reset();
  lane.swap(slot.lane);
  stand = std::exchange(slot.stand, std::nullopt);
  const MonoTime now = clock.mono();
  if (slot.rest_until > now) rest = std::chrono::ceil<milliseconds>(slot.rest_until - now);
  return true;
}

/// Changes `lane`, the one held, for that of `host`. False: it is not free; the task queues for it.
bool TaskRunner::Impl::hold_lane(const std::string& host, const std::string& id,
                                 std::string& lane) {
  if (lane == host) return true;
  leave_lane(lane);
  lane.clear();
  if (!enter_lane(host, id)) return false;
  lane = host;
  return true;
}

/// `stand`: of a task that waits for a lane.
void TaskRunner::Impl::pause_run(const std::string& id, const Before& before,
                                 std::optional<Stand> stand) {
  bool again = false;
  {
    LockGuard lock(mutex);
    if (const auto slot = slots.find(id); slot != slots.end()) {
      slot->second.running = false;
      slot->second.stuck = before.stuck;
      slot->second.stand = std::move(stand);
      again = slot->second.again;
    }
  }
  if (again)
    schedule(id, milliseconds{0});
  else if (before.pause.count() > 0)
    schedule(id, before.pause);
}

void TaskRunner::Impl::run(const std::string& id, std::uint64_t ticket) {
  std::string lane;
  std::optional<Stand> stand;
  milliseconds rest{0};
  if (!begin_run(id, ticket, lane, stand, rest)) return;
  if (stand && is_outdated(*stand)) stand.reset();
  Next next;
  for (;; rest = {}) {
    if (!stand) stand = read_stand(id, next);
    if (!stand) break;
    const Before before = look(*stand, rest);
    if (before.pause.count() > 0) {
      leave_lane(lane);
      return pause_run(id, before, std::nullopt);
    }
    if (!hold_lane(before.host, id, lane)) return pause_run(id, before, std::move(stand));
    next = perform(id, *stand);
    if (!next.go_on || is_stopping()) break;
    // Before a driver is called once more. A local step's own commit would notice.
    if (!before.host.empty() && is_outdated(*stand)) stand.reset();
  }
  leave_lane(lane);
  end_run(id, next);
}

/// What follows from the last call.
void TaskRunner::Impl::end_run(const std::string& id, const Next& next) {
  std::unique_ptr<store::Watch> old_watch;
  bool again = false, told = false;
  {
    LockGuard lock(mutex);
    const auto found = slots.find(id);
    if (stopping || found == slots.end()) return;
    Slot& slot = found->second;
    slot.running = false;
    slot.stuck = next.ended && next.after.has_value();
    slot.rest_until = {};
    if (!next.ended && next.after && next.after->count() > 0)
      slot.rest_until = clock.mono() + *next.after;
    again = slot.again;
    old_watch = std::move(slot.waiting);
    told = next.ended && awaited.contains(id);
    if (told) ++settled;
  }
  old_watch.reset();
  if (told) finished.notify_all();
  if (next.ended && !next.after) return forget(id, next.since);
  // Changes of the record that we made ourselves come back as "again" too: one more look is cheap,
  // and it honours the pause of a task that nobody takes over.
  if (again) return schedule(id, milliseconds{0});
  if (next.wait) return wait_for(id, *next.wait, next.since);
  schedule(id, next.after.value_or(milliseconds{0}));
}

/// `ended_by`: the commit that ended it, if it ended here.
void TaskRunner::Impl::forget(const std::string& id, store::Revision ended_by) {
  std::string lane;
  bool prune = false;
  {
    LockGuard lock(mutex);
    const auto slot = slots.find(id);
    if (slot == slots.end() || slot->second.running) return;
    lane = std::move(slot->second.lane);
    slots.erase(slot);
    if (ended_by > seen) ended_here.emplace(id, ended_by);
    prune = ++ended_lately >= limits::kFinishedTasksSlack;
    if (prune) ended_lately = 0;
  }
  leave_lane(lane);
  // A busy cloud does not wait for the period.
  if (prune) schedule_reconciler("tasks", milliseconds{0});
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
  Slot& slot = slots[id];
  if (slot.queued_for == host) return false;
  slot.queued_for = host;
  lane_queue[host].push_back(id);
  return false;
}

/// Hands the lane to the first in the queue: who finds then that it needs none hands it on, so that
/// none is lost while others wait.
void TaskRunner::Impl::leave_lane(const std::string& host) {
  if (host.empty()) return;
  std::string next;
  {
    LockGuard lock(mutex);
    const auto queue = lane_queue.find(host);
    while (queue != lane_queue.end() && !queue->second.empty() && next.empty()) {
      const auto slot = slots.find(queue->second.front());
      if (slot != slots.end() && slot->second.queued_for == host && slot->second.lane.empty()) {
        slot->second.queued_for.clear();
        slot->second.lane = host;
        next = slot->first;
      }
      queue->second.pop_front();
    }
    if (queue != lane_queue.end() && queue->second.empty()) lane_queue.erase(queue);
    if (next.empty() && --lane_use[host] == 0) lane_use.erase(host);
  }
  if (!next.empty()) schedule(next, milliseconds{0});
}

}  // namespace cloudos
