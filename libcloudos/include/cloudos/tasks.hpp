#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// Where a task is. Queued -> Running -> Done, or Running -> Unwinding -> Failed, or Stuck.
enum class TaskState : std::uint8_t {
  Queued,     ///< Recorded; its first step has not begun.
  Running,    ///< At a step, or waiting between two.
  Unwinding,  ///< Undoing its steps, last one first.
  Done,       ///< Every step is done.
  Failed,     ///< Unwound clean; `error` says why.
  Stuck,      ///< Behind its point of no return, or undoing, and failing: tried again every minute
              ///< (every ten, when the reason does not look like passing), or when asked.
  Parked,     ///< Its type or version is not known to this program; a newer one will run it.
};
constexpr bool is_final(TaskState state) {
  return state == TaskState::Done || state == TaskState::Failed;
}
CLOUDOS_EXPORT std::string_view to_string(TaskState state);

/// A durable piece of work as its owner sees it.
struct Task {
  TaskId id;
  std::string type;           ///< "create-server"
  TaskState state = TaskState::Queued;
  std::string step;           ///< The step it is at, or that it undoes.
  std::string resource;       ///< "server/<id>": what it changes.
  ProjectId project;
  std::uint32_t attempt = 0;  ///< Failures of this step in a row.
  WallTime created_at, updated_at;
  std::optional<WallTime> not_before;  ///< Backing off or waiting until then.
  std::string waits_for;               ///< Key whose change it waits for.
  std::optional<Error> error;          ///< Why it unwinds, failed or is stuck.
};

/// The durable tasks of a cloud. Thread-safe.
class CLOUDOS_EXPORT Tasks final {
 public:
  /// Errors: NotFound.
  Result<Task> get(const Context& ctx, const TaskId& id) const;
  /// Newest first. Errors: InvalidArgument (marker).
  Result<std::vector<Task>> list(const Context& ctx, std::string_view marker = {},
                                 std::size_t limit = 100) const;
  /// Blocks until the task is Done, Failed or Stuck, or `patience` is over; with `workers = 0` it
  /// runs the cloud's pending work meanwhile. Returns the task as it then is.
  /// Errors: NotFound, Timeout.
  Result<Task> wait(const TaskId& id, std::chrono::milliseconds patience) const;
  /// The same for a caller: of a task that they may see, not beyond the call's deadline, and until
  /// they cancel (noticed within 50 ms). Errors: NotFound, Timeout, Cancelled.
  Result<Task> wait(const Context& ctx, const TaskId& id, std::chrono::milliseconds patience) const;
  /// A Stuck task tries its step again at once. Admins only. Errors: Forbidden, NotFound,
  /// Conflict (not Stuck).
  Result<Task> retry(const Context& ctx, const TaskId& id);
  /// A Stuck task undoes what it can. Admins only. Errors: Forbidden, NotFound, Conflict (not
  /// Stuck, or past its point of no return).
  Result<Task> unwind(const Context& ctx, const TaskId& id);

  Tasks(const Tasks&) = delete;
  ~Tasks();

 private:
  friend class TaskRunner;
  struct CLOUDOS_LOCAL Impl;
  explicit Tasks(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos
