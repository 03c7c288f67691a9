#include <doctest/doctest.h>

#include "tasks/task.hpp"

using namespace cloudos;
using tasks::Event;
using tasks::Transition;

TEST_CASE("the transition function covers every state and event") {
  using K = Event::Kind;
  using M = Transition::Move;
  using S = TaskState;
  constexpr std::uint32_t kLast = limits::kTaskAttempts - 1;
  struct Row { std::string what; S from; Event event; Transition to; };
  const Row rows[] = {
      {"a step is done", S::Queued, {K::StepDone}, {S::Running, M::Next}},
      {"the last step is done", S::Running, {K::StepDone, false, true}, {S::Done, M::End}},
      {"a step asks for more time", S::Queued, {K::StepAgain}, {S::Running, M::Stay}},
      {"an undo asks for more time", S::Unwinding, {K::StepAgain}, {S::Unwinding, M::Stay}},
      {"a retryable failure", S::Running, {K::StepFailed, true}, {S::Running, M::BackOff}},
      {"the last try fails", S::Running, {.kind = K::StepFailed, .retryable = true, .attempt = kLast},
       {S::Unwinding, M::Back}},
      {"a final failure", S::Running, {K::StepFailed}, {S::Unwinding, M::Back}},
      {"a final failure of the first step", S::Queued, {K::StepFailed}, {S::Unwinding, M::Back}},
      {"a failure behind the point of no return", S::Running,
       {.kind = K::StepFailed, .no_return = true}, {S::Stuck, M::Stay}},
      {"tries are left behind the point of no return", S::Running,
       {.kind = K::StepFailed, .retryable = true, .no_return = true}, {S::Running, M::BackOff}},
      {"an undo is done", S::Unwinding, {K::UndoDone}, {S::Unwinding, M::Back}},
      {"the last undo is done", S::Unwinding, {K::UndoDone, false, true}, {S::Failed, M::End}},
      {"an undo fails for now", S::Unwinding, {K::UndoFailed, true}, {S::Unwinding, M::BackOff}},
      {"an undo fails for good", S::Unwinding, {K::UndoFailed}, {S::Stuck, M::Stay}},
      {"superseded while running", S::Running, {K::Superseded}, {S::Unwinding, M::Back}},
      {"superseded before it began", S::Queued, {K::Superseded}, {S::Unwinding, M::Back}},
      {"superseded too late", S::Running, {.kind = K::Superseded, .no_return = true},
       {S::Running, M::Stay}},
      {"superseded while stuck", S::Stuck, {K::Superseded}, {S::Unwinding, M::Back}},
      {"superseded while stuck too far", S::Stuck, {.kind = K::Superseded, .no_return = true},
       {S::Failed, M::End}},
      {"retry forward", S::Stuck, {K::Retry}, {S::Running, M::Stay}},
      {"retry the undo", S::Stuck, {.kind = K::Retry, .unwinding = true}, {S::Unwinding, M::Stay}},
      {"unwind on request", S::Stuck, {K::Unwind}, {S::Unwinding, M::Back}},
      {"unwind too late", S::Stuck, {.kind = K::Unwind, .no_return = true}, {S::Stuck, M::Stay}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(tasks::next_state(row.from, row.event) == row.to);
  }
  // Total: what makes no sense changes nothing, and final stays final.
  for (int kind = 0; kind <= static_cast<int>(K::Unwind); ++kind) {
    for (const S state : {S::Done, S::Failed, S::Parked}) {
      CHECK(tasks::next_state(state, {static_cast<K>(kind)}) == Transition{state, M::Stay});
    }
  }
}

TEST_CASE("back-off grows, is jittered by half and bounded") {
  SeededRandom random(3);
  for (std::uint32_t attempt = 0; attempt < 40; ++attempt) {
    const auto pause = tasks::backoff(attempt, random);
    const auto full = std::min<std::int64_t>(200LL << std::min(attempt, 20U), 30'000);
    CHECK(pause.count() <= full);
    CHECK(pause.count() >= full / 2);
  }
}
