#include "tasks/task.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"
#include "records/table.hpp"

namespace cloudos {

std::string_view to_string(TaskState state) {
  switch (state) {
    case TaskState::Queued: return "queued";
    case TaskState::Running: return "running";
    case TaskState::Unwinding: return "unwinding";
    case TaskState::Done: return "done";
    case TaskState::Failed: return "failed";
    case TaskState::Stuck: return "stuck";
    case TaskState::Parked: return "parked";
  }
  return "parked";
}

namespace tasks {

void fields(codec::FieldVisitor& v, TaskRecord& t) {
  v.field({1, "id"}, t.id);
  v.field({2, "generation"}, t.generation);
  v.field({3, "type"}, t.type);
  v.field({4, "version"}, t.version);
  v.field({5, "state"}, t.state);
  v.field({6, "step"}, t.step);
  v.field({7, "params"}, t.params);
  v.field({8, "outputs"}, t.outputs);
  v.field({9, "resource"}, t.resource);
  v.field({10, "project"}, t.project);
  v.field({11, "request_id"}, t.request_id);
  v.field({12, "priority"}, t.priority);
  v.field({13, "attempt"}, t.attempt);
  v.field({14, "created_at"}, t.created_at);
  v.field({15, "updated_at"}, t.updated_at);
  v.field({16, "not_before"}, t.not_before);
  v.field({17, "waits_for"}, t.waits_for);
  v.field({18, "superseded_by"}, t.superseded_by);
  v.field({19, "unwinding"}, t.unwinding);
  v.field({20, "error_code"}, t.error_code);
  v.field({21, "error_message"}, t.error_message);
  v.field({22, "error_detail"}, t.error_detail);
  v.field({23, "traceparent"}, t.traceparent);
  v.unknown(t.unknown);
}

void keys(records::Keys& k, const TaskRecord& t) {
  // Deletes and unwinds give things back: they come first after a restart.
  if (is_final(t.state)) k.index("final", "1");
  else k.index("open", t.priority == 0 || t.unwinding ? "0" : "1");
  k.index("resource", t.resource);
}

const std::string& StepContext::value(const std::string& name) const {
  static const std::string kNone;
  const TaskRecord& record = task();
  if (const auto found = record.outputs.find(name); found != record.outputs.end())
    return found->second;
  const auto found = record.params.find(name);
  return found == record.params.end() ? kNone : found->second;
}

Result<void> enqueue(store::Txn& txn, TaskRecord task) {
  CLOUDOS_ASSERT(!task.id.empty() && !task.type.empty());
  task.state = TaskState::Queued;
  task.step.clear();
  task.updated_at = task.created_at;
  return records::insert(txn, task);
}

Result<void> supersede(store::Txn& txn, const TaskId& task, const TaskId& by) {
  auto record = records::get<TaskRecord>(txn, task);
  if (!record) {
    if (record.error().code == ErrorCode::NotFound) return Result<void>();
    return fail(record.error());
  }
  if (is_final(record->state)) return Result<void>();
  record->superseded_by = by.value;
  return records::update(txn, *record);
}

StepFunction wait_superseded(std::string param_name) {
  return [name = std::move(param_name)](StepContext& c) -> Result<Outcome> {
    const std::string& id = c.value(name);
    if (id.empty()) return Outcome(Done{});
    CLOUDOS_TRY(const auto snapshot, c.snapshot());
    const auto other = records::get<TaskRecord>(*snapshot, id);
    if (!other && other.error().code != ErrorCode::NotFound) return fail(other.error());
    if (!other || is_final(other->state)) return Outcome(Done{});
    return Outcome(WaitFor{records::record_key(TaskRecord::kKind, id)});
  };
}

Transition next_state(TaskState state, const Event& event) {
  using Kind = Event::Kind;
  using Move = Transition::Move;
  const bool going = state == TaskState::Queued || state == TaskState::Running;
  const bool tries_left = event.attempt + 1 < limits::kTaskAttempts;
  switch (event.kind) {
    case Kind::StepDone:
      if (!going) break;
      if (event.last_step) return {TaskState::Done, Move::End};
      return {TaskState::Running, Move::Next};
    case Kind::StepAgain:
      if (going) return {TaskState::Running, Move::Stay};
      if (state == TaskState::Unwinding) return {state, Move::Stay};
      break;
    case Kind::StepFailed:
      if (!going) break;
      if (event.retryable && tries_left) return {TaskState::Running, Move::BackOff};
      if (event.no_return) return {TaskState::Stuck, Move::Stay};
      return {TaskState::Unwinding, Move::Back};
    case Kind::UndoDone:
      if (state != TaskState::Unwinding) break;
      if (event.last_step) return {TaskState::Failed, Move::End};
      return {TaskState::Unwinding, Move::Back};
    case Kind::UndoFailed:
      if (state != TaskState::Unwinding) break;
      if (event.retryable && tries_left) return {TaskState::Unwinding, Move::BackOff};
      return {TaskState::Stuck, Move::Stay};
    case Kind::Superseded:
      // Behind the point of no return a task runs to its end; a stuck one hands over as it is,
      // for whoever supersedes cleans up all there is.
      if (going && !event.no_return) return {TaskState::Unwinding, Move::Back};
      if (state == TaskState::Stuck)
        return event.no_return ? Transition{TaskState::Failed, Move::End}
                               : Transition{TaskState::Unwinding, Move::Back};
      break;
    case Kind::Retry:
      if (state != TaskState::Stuck) break;
      return {event.unwinding ? TaskState::Unwinding : TaskState::Running, Move::Stay};
    case Kind::Unwind:
      if (state != TaskState::Stuck || event.no_return) break;
      return {TaskState::Unwinding, Move::Back};
  }
  return {state, Move::Stay};
}

std::chrono::milliseconds backoff(std::uint32_t attempt, Random& random) {
  const auto full = std::min<std::int64_t>(
      limits::kBackoffFirst.count() << std::min<std::uint32_t>(attempt, 16),
      limits::kBackoffMost.count());
  const auto half = static_cast<std::uint64_t>(full / 2);
  return std::chrono::milliseconds{full - static_cast<std::int64_t>(random.below(half + 1))};
}

}  // namespace tasks
}  // namespace cloudos
