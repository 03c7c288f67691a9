#include "cloudos/tasks.hpp"

#include <fmt/format.h>

#include <thread>

#include "records/table.hpp"
#include "tasks/runner_impl.hpp"

namespace cloudos {

using tasks::TaskRecord;

namespace {

Task public_task(const TaskRecord& record) {
  Task task;
  task.id = record.id;
  task.type = record.type;
  task.state = record.state;
  task.step = record.step;
  task.resource = record.resource;
  task.project = record.project;
  task.attempt = record.attempt;
  task.created_at = record.created_at;
  task.updated_at = record.updated_at;
  task.not_before = record.not_before;
  task.waits_for = record.waits_for;
  if (record.error_code)
    task.error = Error{static_cast<ErrorCode>(*record.error_code), record.error_message, {}};
  return task;
}

/// Endings of a task that is awaited are told.
class Awaited final {
 public:
  Awaited(TaskRunner::Impl& runner, const TaskId& id) : runner_(runner) {
    const LockGuard lock(runner_.mutex);
    at_ = runner_.awaited.insert(id.value);
  }
  ~Awaited() {
    const LockGuard lock(runner_.mutex);
    runner_.awaited.erase(at_);
  }
  Awaited(const Awaited&) = delete;
  Awaited& operator=(const Awaited&) = delete;

  /// How often such a task has settled.
  std::uint64_t told() const {
    const LockGuard lock(runner_.mutex);
    return runner_.settled;
  }
  /// Until one more has, or `until`.
  void wait(std::uint64_t known, std::chrono::steady_clock::time_point until) CLOUDOS_TSA(
      no_thread_safety_analysis) {  // The condition's lock is not one that the analysis knows.
    std::unique_lock lock(runner_.mutex);
    while (runner_.settled == known && !runner_.stopping)
      if (runner_.finished.wait_until(lock, until) == std::cv_status::timeout) return;
  }

 private:
  TaskRunner::Impl& runner_;
  std::multiset<std::string>::iterator at_;
};

bool has_settled(TaskState state) {
  return is_final(state) || state == TaskState::Stuck || state == TaskState::Parked;
}

}  // namespace

Tasks::Tasks(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tasks::~Tasks() = default;

Result<Task> Tasks::get(const Context& ctx, const TaskId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->store.snapshot());
  CLOUDOS_TRY(const TaskRecord record, records::get<TaskRecord>(*snapshot, id));
  if (!ctx.may_see(record.project)) return records::not_found(TaskRecord::kKind, id.value);
  return public_task(record);
}

Result<std::vector<Task>> Tasks::list(const Context& ctx, std::string_view marker,
                                      std::size_t limit) const {
  CLOUDOS_TRY(const auto snapshot, impl_->store.snapshot());
  records::PageSpec<TaskRecord> spec;
  spec.marker = marker;
  spec.limit = limit;
  spec.matches = [&](const TaskRecord& record) { return ctx.may_see(record.project); };
  CLOUDOS_TRY(const auto found, records::page(*snapshot, spec));
  std::vector<Task> list;
  for (const TaskRecord& record : found) list.push_back(public_task(record));
  return list;
}

Result<Task> Tasks::wait(const TaskId& id, std::chrono::milliseconds patience) const {
  return wait(Context::system(), id, patience);
}

Result<Task> Tasks::wait(const Context& ctx, const TaskId& id,
                         std::chrono::milliseconds patience) const {
  constexpr std::chrono::milliseconds kLook{50};
  auto& runner = *impl_->runner.impl_;
  const auto real_end = std::chrono::steady_clock::now() + patience;
  MonoTime end = impl_->clock.mono() + patience;
  if (ctx.deadline) end = std::min(end, *ctx.deadline);
  // A guest of the folder waits for what another process does: nothing tells it but the store.
  const bool elsewhere = !runner.is_started();
  Awaited awaited(runner, id);
  for (;;) {
    const std::uint64_t told = awaited.told();
    auto task = get(ctx, id);
    if (!task && task.error().code != ErrorCode::Stale) return task;
    if (task && has_settled(task->state)) return task;
    if (ctx.cancel.cancelled()) return fail(check_call(ctx, impl_->clock).error());
    const auto real_now = std::chrono::steady_clock::now();
    if (impl_->clock.mono() >= end || real_now >= real_end || runner.is_stopping()) {
      if (!task) return task;
      return fail(ErrorCode::Timeout, fmt::format("task {} is still {} at step '{}'", id.value,
                                                  to_string(task->state), task->step));
    }
    if (impl_->executor.threads() == 0) {
      if (impl_->executor.run_pending(end) > 0) continue;
      const auto due = impl_->executor.next_due();
      if (!elsewhere && (!due || *due > end)) {
        return fail(ErrorCode::Timeout, fmt::format("task {} waits and nothing is due", id.value));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{elsewhere ? 5 : 1});
      continue;
    }
    const auto look = elsewhere ? std::chrono::milliseconds{5} : kLook;
    awaited.wait(told, std::min(real_end, real_now + look));
  }
}

Result<Task> Tasks::retry(const Context& ctx, const TaskId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->clock));
  if (!ctx.is_admin) return fail(ErrorCode::Forbidden, "retrying a task needs the admin role");
  CLOUDOS_CHECK(impl_->store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<TaskRecord>(txn, id, [&](TaskRecord& t) -> Result<void> {
      if (t.state != TaskState::Stuck)
        return fail(ErrorCode::Conflict,
                    fmt::format("task {} is {}, not stuck", id.value, to_string(t.state)));
      t.state =
          tasks::next_state(t.state, {.kind = tasks::Event::Kind::Retry, .unwinding = t.unwinding})
              .state;
      t.attempt = 0;
      t.not_before.reset();
      return Result<void>();
    }));
    return Result<void>();
  }));
  impl_->runner.wake();
  return get(ctx, id);
}

Result<Task> Tasks::unwind(const Context& ctx, const TaskId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->clock));
  if (!ctx.is_admin) return fail(ErrorCode::Forbidden, "unwinding a task needs the admin role");
  const auto& types = impl_->runner.impl_->types;
  CLOUDOS_CHECK(impl_->store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<TaskRecord>(txn, id, [&](TaskRecord& t) -> Result<void> {
      const auto type = types.find(t.type);
      const bool no_return = type == types.end() || locate(type->second, t).no_return;
      const auto next =
          tasks::next_state(t.state, {.kind = tasks::Event::Kind::Unwind, .no_return = no_return});
      if (next.state != TaskState::Unwinding)
        return fail(
            ErrorCode::Conflict,
            fmt::format("task {} is {} and cannot be unwound{}", id.value, to_string(t.state),
                        no_return ? ": it is past its point of no return" : ""));
      t.state = next.state;
      t.unwinding = true;
      t.attempt = 0;
      t.not_before.reset();
      return Result<void>();
    }));
    return Result<void>();
  }));
  impl_->runner.wake();
  return get(ctx, id);
}

}  // namespace cloudos
