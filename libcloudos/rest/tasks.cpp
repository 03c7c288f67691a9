// The durable work of the cloud: what it does, and what an admin does about what is stuck.
#include "cloudos/tasks.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"
#include "rest/target.hpp"

namespace cloudos::rest {
namespace {

constexpr std::size_t kTasksPage = 100;    // Without a limit; more come behind the next link.
constexpr std::size_t kTasksBatch = 1000;  // Looked at together, for those that a filter passes.

void write_time_or_null(JsonWriter& w, std::string_view name, const std::optional<WallTime>& time) {
  w.key(name);
  if (time)
    w.value(format_time(*time));
  else
    w.null();
}

void write_task(JsonWriter& w, const Task& task) {
  w.open().member("id", task.id).member("type", task.type);
  w.member("state", to_string(task.state)).member_or_null("step", task.step);
  w.member("resource", task.resource).member_or_null("project_id", task.project.value);
  w.member("attempt", task.attempt);
  w.member("created_at", format_time(task.created_at));
  w.member("updated_at", format_time(task.updated_at));
  write_time_or_null(w, "not_before", task.not_before);
  w.member_or_null("waits_for", task.waits_for).key("error");
  if (task.error) {
    w.open().member("code", to_string(task.error->code)).member("message", task.error->message);
    w.close();
  } else {
    w.null();
  }
  w.close();
}

Response one_task(int status, const Task& task) {
  JsonWriter w;
  w.open().key("task");
  write_task(w, task);
  w.close();
  return json_response(status, std::move(w).take());
}

struct TaskFilter {
  std::optional<TaskState> state;
  std::string type, resource;
  bool open = false;

  bool passes(const Task& task) const {
    return (!state || task.state == *state) && (type.empty() || task.type == type) &&
           (resource.empty() || task.resource == resource) && !(open && is_final(task.state));
  }
};

Result<TaskState> task_state_from(std::string_view text) {
  std::string known;
  for (const TaskState state :
       {TaskState::Queued, TaskState::Running, TaskState::Unwinding, TaskState::Done,
        TaskState::Failed, TaskState::Stuck, TaskState::Parked}) {
    if (equals_ignore_case(to_string(state), text)) return state;
    known += (known.empty() ? "" : ", ") + std::string(to_string(state));
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("state '{}' is not known; there are: {}", text.substr(0, 64), known));
}

/// Unknown parameters are refused: a filter that is not understood would show everything.
Result<TaskFilter> decode_task_filter(const Call& call) {
  TaskFilter filter;
  for (const auto& [name, value] : call.query_all()) {
    if (name == "state") {
      CLOUDOS_TRY(filter.state, task_state_from(value));
    } else if (name == "type") {
      filter.type = value;
    } else if (name == "resource") {
      filter.resource = value;
    } else if (name == "open") {
      filter.open = value == "1" || equals_ignore_case(value, "true");
    } else if (name != "limit" && name != "marker") {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("tasks cannot be filtered by '{}'", name.substr(0, 64)));
    }
  }
  return filter;
}

void write_next_tasks(JsonWriter& w, const Call& call, const TaskId& marker) {
  std::string href = call.request.base_url + "/tasks/v1/tasks?";
  for (const auto& [name, value] : call.query_all())
    if (name != "marker") href += percent_encode(name) + "=" + percent_encode(value) + "&";
  href += "marker=" + percent_encode(marker.value);
  w.key("tasks_links").open_list().open();
  w.member("rel", "next").member("href", href).close().close_list();
}

Result<Response> list_tasks(Call& call) {
  CLOUDOS_TRY(const TaskFilter filter, decode_task_filter(call));
  CLOUDOS_TRY(Call::Page page, call.page());
  const auto limit = call.query("limit");
  if (!limit || limit->empty()) page.limit = kTasksPage;
  std::vector<Task> found;
  for (bool more = true; more && found.size() <= page.limit;) {
    CLOUDOS_TRY(const auto batch, call.cloud.tasks().list(call.ctx, page.marker, kTasksBatch));
    more = batch.size() == kTasksBatch;
    if (more) page.marker = batch.back().id.value;
    for (const Task& task : batch)
      if (found.size() <= page.limit && filter.passes(task)) found.push_back(task);
  }
  // One more than the page tells that there is a next one.
  const bool next = found.size() > page.limit;
  if (next) found.resize(page.limit);
  JsonWriter w;
  w.open().key("tasks").open_list();
  for (const Task& task : found) write_task(w, task);
  w.close_list();
  if (next) write_next_tasks(w, call, found.back().id);
  w.close();
  return json_response(200, std::move(w).take());
}

TaskId task_id(const Call& call) {
  return TaskId{call.path("task_id")};
}

Result<Response> show_task(Call& call) {
  CLOUDOS_TRY(const Task task, call.cloud.tasks().get(call.ctx, task_id(call)));
  return one_task(200, task);
}

Result<Response> retry_task(Call& call) {
  CLOUDOS_TRY(const Task task, call.cloud.tasks().retry(call.ctx, task_id(call)));
  return one_task(202, task);
}

Result<Response> unwind_task(Call& call) {
  CLOUDOS_TRY(const Task task, call.cloud.tasks().unwind(call.ctx, task_id(call)));
  return one_task(202, task);
}

Result<Response> tasks_version(Call& call) {
  JsonWriter w;
  w.open().key("version").open().member("id", "v1.0").member("status", "CURRENT");
  w.key("links").open_list().open().member("rel", "self");
  w.member("href", call.request.base_url + "/tasks/v1/").close().close_list().close().close();
  return json_response(200, std::move(w).take());
}

constexpr Route kTaskRoutes[] = {
    {"GET", "/tasks/v1", tasks_version, "", Service::None, RouteClass::Inline, false},
    // A filter may walk the whole history: not on an io thread.
    {"GET", "/tasks/v1/tasks", list_tasks, "tasks:list", Service::None, RouteClass::Commits},
    {"GET", "/tasks/v1/tasks/{task_id}", show_task, "tasks:show"},
    {"POST", "/tasks/v1/tasks/{task_id}/retry", retry_task, "tasks:retry", Service::None,
     RouteClass::Commits},
    {"POST", "/tasks/v1/tasks/{task_id}/unwind", unwind_task, "tasks:unwind", Service::None,
     RouteClass::Commits},
};

}  // namespace

std::span<const Route> task_routes() {
  return kTaskRoutes;
}

}  // namespace cloudos::rest
