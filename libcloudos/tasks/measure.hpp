#pragma once
#include "base/trace.hpp"
#include "tasks/runner_impl.hpp"

/// What the runner counts, measures and traces of its tasks.
namespace cloudos {

/// This thread works for a task: its log lines carry the task's request and trace.
class TaskWork final {
 public:
  explicit TaskWork(const tasks::TaskRecord& record)
      : trace_(parse_traceparent(record.traceparent)),
        scope_(record.request_id, trace_ ? &*trace_ : nullptr) {}

 private:
  const std::optional<TraceContext> trace_;
  const WorkScope scope_;
};

/// One call of a step, from construction to ended(): a duration and, in a sampled trace, a span
/// that the driver calls of the step lie below.
class StepMeasure final {
 public:
  StepMeasure(const TaskRunner::Impl& runner, const tasks::TaskRecord& record,
              const tasks::Step& step);
  void ended(const Result<tasks::Outcome>& outcome);

 private:
  const TaskRunner::Impl& runner_;
  const tasks::TaskRecord& record_;
  const tasks::Step& step_;
  const MonoTime began_;
  std::optional<SpanScope> span_;
};

/// The record as a commit left it: counts the tasks that ended or got stuck.
void note_task_state(const TaskRunner::Impl& runner, const tasks::TaskRecord& record);

}  // namespace cloudos
