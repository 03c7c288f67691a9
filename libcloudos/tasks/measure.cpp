#include "tasks/measure.hpp"

#include <fmt/format.h>

namespace cloudos {

using tasks::Outcome;
using tasks::TaskRecord;

namespace {

constexpr std::size_t kShownTasks = 32;  // Of each sort: a dump is read by people.

std::string_view outcome_word(const Result<Outcome>& outcome) {
  if (!outcome) return "failed";
  if (std::holds_alternative<tasks::Done>(*outcome)) return "done";
  return std::holds_alternative<tasks::Again>(*outcome) ? "again" : "waits";
}

/// Found once: every call of a step asks for it.
Histogram& step_seconds(const TaskRunner::Impl& runner, const TaskRecord& record,
                        const tasks::Step& step, const Result<Outcome>& outcome) {
  const std::size_t kind = outcome ? outcome->index() : std::variant_size_v<Outcome>;
  const auto& meters = runner.meters.find(&step)->second;
  auto& known = (record.unwinding ? meters.undo : meters.run)[kind];
  if (Histogram* const found = known.load(std::memory_order_acquire)) return *found;
  Histogram& histogram = runner.options.metrics->histogram(
      "cloudos_task_step_seconds",
      "Time of one call of a task's step; waits between two calls are not in it.",
      Buckets::seconds(),
      {{"type", record.type},
       {"step", std::string(step.name)},
       {"way", record.unwinding ? "undo" : "run"},
       {"outcome", std::string(outcome_word(outcome))}});
  known.store(&histogram, std::memory_order_release);
  return histogram;
}

}  // namespace

StepMeasure::StepMeasure(const TaskRunner::Impl& runner, const TaskRecord& record,
                         const tasks::Step& step)
    : runner_(runner), record_(record), step_(step), began_(runner.clock.mono()) {
  span_.emplace(runner.options.tracer,
                fmt::format("{}/{}{}", record.type, step.name, record.unwinding ? " (undo)" : ""));
  if (!span_->reported()) return;
  span_->attribute("task.id", record.id.value);
  span_->attribute("task.resource", record.resource);
  span_->attribute("task.attempt", std::to_string(record.attempt + 1));
}

void StepMeasure::ended(const Result<Outcome>& outcome) {
  const auto took = runner_.clock.mono() - began_;
  const std::string_view word = outcome_word(outcome);
  if (!outcome) span_->failed(outcome.error().message);
  if (span_->reported()) span_->attribute("task.outcome", std::string(word));
  if (runner_.log.wants(LogLevel::Debug))
    runner_.log.debug(fmt::format("task {} ({}), {} '{}': {} after {:.1f} ms", record_.id.value,
                                  record_.type, record_.unwinding ? "undoing" : "step", step_.name,
                                  word, static_cast<double>(took.count()) / 1000.0));
  span_.reset();
  if (runner_.options.metrics) step_seconds(runner_, record_, step_, outcome).observe(took);
}

void note_task_state(const TaskRunner::Impl& runner, const TaskRecord& record) {
  Metrics* const metrics = runner.options.metrics;
  if (!metrics || (!is_final(record.state) && record.state != TaskState::Stuck)) return;
  const MetricLabels labels = {{"type", record.type},
                               {"state", std::string(to_string(record.state))}};
  metrics->counter("cloudos_tasks_total", "Tasks that ended, or got stuck (each time).", labels)
      .add();
  if (!is_final(record.state)) return;
  metrics
      ->histogram("cloudos_task_seconds", "From the call that made a task to its end.",
                  Buckets::seconds(), labels)
      .observe(std::chrono::nanoseconds(record.updated_at - record.created_at));
}

RunnerStats TaskRunner::stats() const {
  RunnerStats stats;
  const LockGuard lock(impl_->mutex);
  stats.running = impl_->started && !impl_->stopping;
  stats.open = impl_->slots.size();
  for (const auto& [id, slot] : impl_->slots) {
    if (slot.running) ++stats.on_threads;
    if (slot.stuck) ++stats.stuck;
    if (slot.running && stats.calling.size() < kShownTasks) stats.calling.push_back(id);
    if (slot.stuck && stats.stuck_tasks.size() < kShownTasks) stats.stuck_tasks.push_back(id);
  }
  for (const auto& [host, used] : impl_->lane_use) {
    const auto queue = impl_->lane_queue.find(host);
    const std::size_t queued = queue == impl_->lane_queue.end() ? 0 : queue->second.size();
    stats.in_queues += queued;
    stats.lanes.push_back({host, used, queued});
  }
  for (const auto& [name, slot] : impl_->reconcilers)
    if (slot.running) stats.reconciling.push_back(name);
  return stats;
}

}  // namespace cloudos
