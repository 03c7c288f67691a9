// One call of one step: before it, around it, and the commit after it.
#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/caught.hpp"
#include "records/table.hpp"
#include "tasks/measure.hpp"
#include "tasks/runner_impl.hpp"

namespace cloudos {

using tasks::Event;
using tasks::Outcome;
using tasks::TaskRecord;
using tasks::Transition;

StepPosition locate(const tasks::TaskType& type, const TaskRecord& record) {
  StepPosition at{&type, 0, true, false};
  if (!record.step.empty()) {
    at.known = false;
    for (std::size_t i = 0; i < type.steps.size() && !at.known; ++i) {
      if (type.steps[i].name != record.step) continue;
      at.index = i;
      at.known = true;
    }
  }
  for (std::size_t i = 0; at.known && i <= at.index; ++i)
    at.no_return = at.no_return || type.steps[i].point_of_no_return;
  return at;
}

std::size_t reach_of(const tasks::TaskType& type, std::size_t index) {
  std::size_t reach = index;
  for (std::size_t i = index + 1; i < type.steps.size() && type.steps[i].joined; ++i)
    if (type.steps[i].kind == tasks::Step::Kind::Remote) reach = i;
  return reach;
}

bool must_hand_over(const TaskRecord& record, const StepPosition& at) {
  return !record.superseded_by.empty() && !record.unwinding &&
         (!at.no_return || record.state == TaskState::Stuck);
}

namespace {

Error stored_error(const TaskRecord& record) {
  return {static_cast<ErrorCode>(record.error_code.value_or(0)), record.error_message,
          record.error_detail};
}

void store_error(TaskRecord& record, const Error& error) {
  record.error_code = static_cast<std::int32_t>(error.code);
  record.error_message = error.message;
  record.error_detail = error.detail;
}

/// Moves the record as the transition says and runs the hooks of the type that belong to it.
Result<void> apply_transition(store::Txn& txn, const StepPosition& at, const Transition& transition,
                              records::Held<TaskRecord>& held, const Error* error, WallTime now,
                              std::optional<std::chrono::milliseconds> delay) {
  TaskRecord& record = held.record;
  const bool was_unwinding = record.unwinding;
  record.state = transition.state;
  record.updated_at = now;
  record.waits_for.clear();
  record.not_before.reset();
  if (delay) record.not_before = now + *delay;
  // The first error is the reason; errors of undoing go to the log and into the detail only.
  if (error && !was_unwinding) store_error(record, *error);
  if (error && was_unwinding) record.error_detail = "undo: " + error->message;
  const auto& steps = at.type->steps;
  switch (transition.move) {
    case Transition::Move::BackOff:
      ++record.attempt;
      break;
    case Transition::Move::Next:
      record.attempt = 0;
      record.step = steps[at.index + 1].name;
      record.error_code.reset();
      record.error_message.clear();
      record.error_detail.clear();
      break;
    case Transition::Move::Back:
      record.attempt = 0;
      record.unwinding = true;
      // Unwinding begins with the last step that may have begun, in an earlier life perhaps, and
      // then goes one back each time.
      if (was_unwinding)
        record.step = steps[at.index - 1].name;
      else
        record.step = steps[reach_of(*at.type, at.index)].name;
      break;
    case Transition::Move::Stay:
    case Transition::Move::End:
      break;
  }
  if (record.state == TaskState::Done && at.type->done) CLOUDOS_CHECK(at.type->done(txn, record));
  if (record.state == TaskState::Failed) {
    if (record.superseded_by.empty()) {
      if (at.type->failed) CLOUDOS_CHECK(at.type->failed(txn, record, stored_error(record)));
    } else if (at.type->superseded) {
      CLOUDOS_CHECK(at.type->superseded(txn, record));
    }
  }
  if (record.state == TaskState::Stuck && at.type->stuck) {
    CLOUDOS_CHECK(at.type->stuck(txn, record, error ? *error : stored_error(record)));
  }
  if (is_final(record.state))
    for (const std::string& secret : at.type->secrets) record.params.erase(secret);
  return records::write(txn, held);
}

/// A row of joined steps that lasts longer is recorded on the way.
constexpr std::chrono::milliseconds kJoinedTime{50};

class StepCall final : public tasks::StepContext {
 public:
  StepCall(TaskRunner::Impl& runner, const TaskRunner::Impl::Stand& stand, StepPosition at)
      : runner_(runner), stand_(stand), record_(stand.record), at_(at) {}

  const TaskRecord& task() const override { return record_; }
  Result<std::unique_ptr<store::Snapshot>> snapshot() const override {
    return runner_.store.snapshot();
  }
  void output(std::string name, std::string value) override {
    outputs_.insert_or_assign(std::move(name), std::move(value));
  }
  std::uint32_t attempt() const override { return record_.attempt; }
  const Clock& clock() const override { return runner_.clock; }

  Result<void> commit(const store::Body& effect) override {
    CLOUDOS_ASSERT(!committed_);
    const Event event = done_event();
    CLOUDOS_CHECK(advance(event, nullptr, std::nullopt, effect));
    committed_ = true;
    return Result<void>();
  }

  bool committed() const { return committed_; }
  bool superseded() const { return superseded_; }
  bool moved_on() const { return moved_on_; }
  bool has_outputs() const { return !outputs_.empty(); }
  TaskRecord& written() { return written_; }
  store::Revision revision() const { return revision_; }

  /// Whether what comes next may begin without a commit.
  bool may_join() const {
    if (record_.unwinding || at_.last() || !at_.type->steps[at_.index + 1].joined) return false;
    return !stand_.ahead_since || runner_.clock.mono() - *stand_.ahead_since < kJoinedTime;
  }
  /// Where the task is then.
  TaskRunner::Impl::Stand joined(MonoTime began) && {
    TaskRunner::Impl::Stand next = stand_;
    next.record.step = at_.type->steps[at_.index + 1].name;
    next.record.attempt = 0;
    for (auto& [name, value] : outputs_) {
      next.record.outputs.insert_or_assign(name, value);
      next.kept.insert_or_assign(name, std::move(value));
    }
    if (!next.ahead_since) next.ahead_since = began;
    return next;
  }

  Event done_event() const {
    Event event{record_.unwinding ? Event::Kind::UndoDone : Event::Kind::StepDone};
    event.last_step = record_.unwinding ? at_.index == 0 : at_.last();
    event.no_return = at_.no_return;
    return event;
  }

  /// The commit that moves the task. Fences: the record must stand where we left it.
  Result<void> advance(const Event& event, const Error* error,
                       std::optional<std::chrono::milliseconds> delay,
                       const store::Body& effect = nullptr, const std::string& waits_for = {}) {
    superseded_ = false;
    const WallTime now = runner_.clock.wall();
    auto result = runner_.store.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(auto held, records::hold<TaskRecord>(txn, record_.id));
      TaskRecord& current = held.record;
      moved_on_ = current.state != stand_.committed_state ||
                  current.step != stand_.committed_step ||
                  current.unwinding != stand_.committed_unwinding;
      if (moved_on_) return fail(ErrorCode::Stale, "the task has moved on");
      superseded_ = !current.superseded_by.empty() && !current.unwinding && !at_.no_return &&
                    event.kind != Event::Kind::Superseded;
      if (superseded_) return fail(ErrorCode::Conflict, "another task takes over");
      if (effect) CLOUDOS_CHECK(effect(txn));
      if (current.step != record_.step) {  // The steps in between were joined.
        current.step = record_.step;
        current.attempt = 0;
      }
      for (const auto& [name, value] : stand_.kept) current.outputs.insert_or_assign(name, value);
      for (const auto& [name, value] : outputs_) current.outputs.insert_or_assign(name, value);
      const Transition transition = tasks::next_state(current.state, event);
      CLOUDOS_CHECK(apply_transition(txn, at_, transition, held, error, now, delay));
      if (!waits_for.empty()) {
        current.waits_for = waits_for;
        CLOUDOS_CHECK(records::write(txn, held));
      }
      written_ = std::move(current);
      return Result<void>();
    });
    if (!result) return fail(result.error());
    revision_ = *result;
    return Result<void>();
  }

 private:
  TaskRunner::Impl& runner_;
  const TaskRunner::Impl::Stand& stand_;
  const TaskRecord& record_;
  const StepPosition at_;
  tasks::Values outputs_;
  TaskRecord written_;
  store::Revision revision_ = 0;
  bool committed_ = false, superseded_ = false, moved_on_ = false;
};

Result<Outcome> call_step(const tasks::StepFunction& function, tasks::StepContext& context) {
  if (!function) return Outcome(tasks::Done{});
  return caught(ErrorCode::Internal, "an internal error stopped the step",
                [&] { return function(context); });
}

}  // namespace

/// Into Parked, or out of it. False: the store failed, or the task is in another state by now.
bool TaskRunner::Impl::set_state(const TaskRecord& known, TaskState state) {
  const auto written = store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<TaskRecord>(txn, known.id, [&](TaskRecord& t) -> Result<void> {
      if (t.state != known.state) return fail(ErrorCode::Stale, "the task has moved on");
      t.state = state;
      t.not_before.reset();
      return Result<void>();
    }));
    return Result<void>();
  });
  return written.has_value();
}

/// Out of reach of this program, or back within it.
TaskRunner::Impl::Next TaskRunner::Impl::park(const TaskRecord& record, bool known) {
  const bool parked = record.state == TaskState::Parked;
  const Next later{false, std::chrono::seconds{1}};
  if (!known) {
    if (parked) return {true};
    log.warn(fmt::format("task {}: type {} version {} step '{}' is not known here; parked",
                         record.id.value, record.type, record.version, record.step));
    return set_state(record, TaskState::Parked) ? Next{true} : later;
  }
  // An older program left it to us.
  const auto resumed = record.unwinding ? TaskState::Unwinding : TaskState::Running;
  return set_state(record, resumed) ? Next{false, std::chrono::milliseconds{0}} : later;
}

namespace {

/// The commit behind a call, and where it leaves the task: in `stand` if it goes on from there.
TaskRunner::Impl::Next stand_after(TaskRunner::Impl& runner, StepCall& call,
                                   std::optional<std::chrono::milliseconds> delay,
                                   const Error* error, TaskRunner::Impl::Stand& stand) {
  const TaskRecord& written = call.written();
  note_task_state(runner, written);
  TaskRunner::Impl::Next next;
  next.since = call.revision();
  if (is_final(written.state)) {
    next.ended = true;
    return next;
  }
  if (written.state == TaskState::Stuck) {
    runner.log.warn(fmt::format("task {} ({}) is stuck at '{}': {}", written.id.value, written.type,
                                stand.record.step, error ? error->message : std::string()));
    next.ended = true;
    next.after = delay;
    return next;
  }
  next.after = delay.value_or(std::chrono::milliseconds{0});
  // Without threads of ours the host program hears of every step: it may have other things to do.
  next.go_on = !delay && runner.executor.threads() > 0;
  if (next.go_on) stand = TaskRunner::Impl::stand_of(std::move(call.written()), call.revision());
  return next;
}

/// What a step's error makes of the task.
struct Setback {
  Event event;
  std::optional<std::chrono::milliseconds> delay;
};
Setback setback_of(const Error& error, const TaskRecord& record, const StepPosition& at,
                   Random& random) {
  Setback setback{{record.unwinding ? Event::Kind::UndoFailed : Event::Kind::StepFailed}, {}};
  setback.event.retryable = is_retryable(error.code);
  setback.event.no_return = at.no_return;
  setback.event.attempt = record.attempt;
  const Transition expected = tasks::next_state(record.state, setback.event);
  if (expected.move == Transition::Move::BackOff)
    setback.delay = tasks::backoff(record.attempt, random);
  // Nothing is stuck for ever: what failed for good today may work once its cause is mended.
  if (expected.state == TaskState::Stuck)
    setback.delay = setback.event.retryable ? limits::kStuckRetry : limits::kStuckRetryFinal;
  return setback;
}

}  // namespace

TaskRunner::Impl::Next TaskRunner::Impl::perform(const std::string& id, Stand& stand) {
  const Next later{false, std::chrono::seconds{1}};
  const Next now{false, std::chrono::milliseconds{0}};
  const TaskRecord& record = stand.record;
  const TaskWork work(record);  // What is logged from here on belongs to the request it came from.

  const auto type = types.find(record.type);
  const bool known_type = type != types.end() && type->second.version >= record.version;
  const StepPosition at = known_type ? locate(type->second, record) : StepPosition{};
  const bool known = known_type && at.known;
  if (!known || record.state == TaskState::Parked) return park(record, known);

  StepCall call(*this, stand, at);
  const auto move = [&](const Event& event, const Error* error,
                        std::optional<std::chrono::milliseconds> delay) -> Next {
    const auto moved = call.advance(event, error, delay);
    if (!moved) return call.moved_on() || call.superseded() ? now : later;
    return stand_after(*this, call, delay, error, stand);
  };

  if (must_hand_over(record, at))
    return move({.kind = Event::Kind::Superseded, .no_return = at.no_return}, nullptr,
                std::nullopt);
  if (record.state == TaskState::Stuck)
    return move({.kind = Event::Kind::Retry, .unwinding = record.unwinding}, nullptr, std::nullopt);

  const std::string_view name = at.step().name;
  const MonoTime began = clock.mono();
  StepMeasure measure(*this, record, at.step());
  std::optional<Error> injected;
  if (options.faults.before_step)
    injected = options.faults.before_step(record, name, record.unwinding);
  auto outcome = injected ? Result<Outcome>(fail(*injected))
                          : call_step(record.unwinding ? at.step().undo : at.step().run, call);
  measure.ended(outcome);
  if (call.committed()) return stand_after(*this, call, std::nullopt, nullptr, stand);
  if (options.faults.forget_step && options.faults.forget_step(record, name, record.unwinding))
    return now;
  if (call.moved_on() || call.superseded()) return now;

  if (!outcome) {
    const Error error = outcome.error();
    log.write(LogLevel::Warning,
              fmt::format("task {} ({}), {} '{}', attempt {}: {}{}{}", id, record.type,
                          record.unwinding ? "undoing" : "step", name, record.attempt + 1,
                          error.message, error.detail.empty() ? "" : " - ", error.detail),
              record.request_id);
    const Setback setback = setback_of(error, record, at, random);
    return move(setback.event, &error, setback.delay);
  }
  if (std::holds_alternative<tasks::Done>(*outcome)) {
    if (!call.may_join()) return move(call.done_event(), nullptr, std::nullopt);
    stand = std::move(call).joined(began);
    Next next = now;
    next.go_on = true;
    return next;
  }

  // Again and WaitFor: a commit only when there is something to keep, so that polling is free.
  const auto* again = std::get_if<tasks::Again>(&*outcome);
  const auto* wait = std::get_if<tasks::WaitFor>(&*outcome);
  const std::string waits_for = wait ? wait->key : std::string();
  const store::Revision since = stand.since;
  if (call.has_outputs() || stand.ahead_since || record.waits_for != waits_for) {
    const auto kept =
        call.advance({.kind = Event::Kind::StepAgain}, nullptr, std::nullopt, nullptr, waits_for);
    if (!kept) return call.moved_on() || call.superseded() ? now : later;
  }
  Next next;
  if (again) next.after = again->after;
  if (wait) next.wait = *wait;
  next.since = since;
  return next;
}

}  // namespace cloudos
