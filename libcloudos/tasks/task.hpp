#pragma once
#include <any>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cloudos/random.hpp"
#include "cloudos/store.hpp"
#include "cloudos/tasks.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"

/// Durable tasks: lists of named steps with undo, run to an end whatever crashes in between.
namespace cloudos::tasks {

using Values = std::map<std::string, std::string>;

/// The stored task. Services create it through enqueue() and otherwise see it in their steps.
struct TaskRecord {
  static constexpr std::string_view kKind = "task";
  static constexpr std::uint32_t kSchema = 1;
  TaskId id;
  std::uint64_t generation = 0;
  std::string type;
  std::uint32_t version = 1;
  TaskState state = TaskState::Queued;
  std::string step;      ///< Name of the step begun and not done; of the one to undo.
  Values params;         ///< Fixed at creation.
  Values outputs;        ///< What steps chose and made, by name.
  std::string resource;  ///< "server/<id>"
  ProjectId project;
  std::string request_id;
  std::uint8_t priority = 1;  ///< 0 first (deletes), then 1.
  std::uint32_t attempt = 0;
  WallTime created_at, updated_at;
  std::optional<WallTime> not_before;
  std::string waits_for;
  std::string superseded_by;  ///< Id of the task that makes this one unwind.
  bool unwinding = false;     ///< Which way a Stuck task goes when it is tried again.
  std::optional<std::int32_t> error_code;
  std::string error_message, error_detail;
  std::string traceparent;  ///< Of the call that made it: parent of its steps' spans.
  std::string unknown;
};
void fields(codec::FieldVisitor& v, TaskRecord& t);
void keys(records::Keys& k, const TaskRecord& t);

struct Done {};
/// The step is not finished: call it again after this long (polling a driver, say).
struct Again {
  std::chrono::milliseconds after;
};
/// Call the step again once the record under `key` changed, or after `at_most`.
struct WaitFor {
  std::string key;
  std::chrono::milliseconds at_most{30'000};
};
using Outcome = std::variant<Done, Again, WaitFor>;

/// What a step's function is given. One thread, for the length of the call.
class StepContext {
 public:
  virtual ~StepContext() = default;

  virtual const TaskRecord& task() const = 0;
  /// The parameter or output of that name; empty when absent.
  const std::string& value(const std::string& name) const;
  /// The snapshot of now. Errors: as Store::snapshot.
  virtual Result<std::unique_ptr<store::Snapshot>> snapshot() const = 0;
  /// Records an output with the commit that ends this call (also one that ends in Again or
  /// WaitFor). Not kept when the call fails.
  virtual void output(std::string name, std::string value) = 0;
  /// Runs `effect` in the very commit that records this step as done (undone, when unwinding):
  /// exactly once. If the effect fails nothing is committed, commit() returns that error, and the
  /// step may try another (place: the next host). At most one success per call; after it the step
  /// returns Done. The effect's reads are validated; it must not capture stale decisions blindly.
  virtual Result<void> commit(const store::Body& effect) = 0;
  /// How often this step has failed before; 0 the first time.
  virtual std::uint32_t attempt() const = 0;
  virtual const Clock& clock() const = 0;
};

/// Does a step, or undoes it. Idempotent: "already done" and "already gone" are success.
/// A retryable error (is_retryable) backs off and calls again, up to limits::kTaskAttempts; any
/// other error unwinds (or becomes Stuck behind the point of no return).
using StepFunction = std::function<Result<Outcome>(StepContext&)>;

struct Step {
  std::string_view name;
  enum class Kind : std::uint8_t {
    Local,   ///< Store only, by commit(): effect and log entry are one commit.
    Remote,  ///< Driver calls, outside any transaction: at least once.
  } kind;
  StepFunction run;
  StepFunction undo;                ///< Empty: nothing to undo.
  bool point_of_no_return = false;  ///< Once this step began, the task never unwinds.
  /// May begin right behind the step before it, without a commit between them that says so: what is
  /// quick and repeatable is then recorded by one commit, with the step that ends the row.
  ///
  /// After a crash the row is run again from its recorded step on. Unwinding begins with its last
  /// remote step, whether that ever began or not: its undo finds nothing to do then. Never together
  /// with point_of_no_return.
  bool joined = false;
};

struct TaskType {
  std::string name;
  std::uint32_t version = 1;
  std::vector<Step> steps;
  /// Parameters that no record keeps once the task has ended: the commit that ends it drops them.
  std::vector<std::string> secrets;
  /// The host whose lane the step uses; empty: no lane. Called before each Remote step.
  std::function<std::string(const TaskRecord&)> host;
  /// In the commit that makes the task Failed: e.g. the server becomes ERROR with this fault.
  /// Not called when the task was superseded: then `superseded` is, if given.
  std::function<Result<void>(store::Txn&, const TaskRecord&, const Error&)> failed;
  std::function<Result<void>(store::Txn&, const TaskRecord&)> superseded;
  /// In the commit that makes the task Done.
  std::function<Result<void>(store::Txn&, const TaskRecord&)> done;
  /// In the commit that makes the task Stuck, so that the resource shows it.
  std::function<Result<void>(store::Txn&, const TaskRecord&, const Error&)> stuck;
};

/// Writes a new Queued task within the transaction that records the intent. Fill id, type,
/// params, resource, project, request_id, traceparent, priority and created_at; the rest is set
/// here.
Result<void> enqueue(store::Txn& txn, TaskRecord task);

/// Tells a running task to unwind because `by` takes over its resource (delete during create).
/// `by` then waits for it with wait_superseded(). Nothing happens to a final task; a Stuck one is
/// made to unwind; one behind its point of no return runs to its end.
Result<void> supersede(store::Txn& txn, const TaskId& task, const TaskId& by);

/// First step of a superseding task: WaitFor until the task named by output/param `name` is final.
StepFunction wait_superseded(std::string param_name);

/// What the transition function decides; pure and table-tested.
struct Event {
  enum class Kind : std::uint8_t {
    StepDone,
    StepAgain,
    StepFailed,
    UndoDone,
    UndoFailed,
    Superseded,
    Retry,
    Unwind
  } kind;
  bool retryable = false;     ///< StepFailed, UndoFailed
  bool last_step = false;     ///< StepDone: no step follows. UndoDone: none is left to undo.
  bool no_return = false;     ///< The point of no return has begun.
  bool unwinding = false;     ///< Retry: the way the task went when it got stuck.
  std::uint32_t attempt = 0;  ///< Failures of this step before this one.
};
struct Transition {
  TaskState state;
  enum class Move : std::uint8_t {
    Stay,     ///< Same step, as the step asked.
    Next,     ///< On to the next step.
    Back,     ///< Undo: this step first when it had begun, then the one before.
    BackOff,  ///< Same step, later.
    End,      ///< Nothing more to do.
  } move;
  friend bool operator==(const Transition&, const Transition&) = default;
};
Transition next_state(TaskState state, const Event& event);
/// min(first * 2^attempt, most), half of it jittered by `random`.
std::chrono::milliseconds backoff(std::uint32_t attempt, Random& random);

}  // namespace cloudos::tasks
