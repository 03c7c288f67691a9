// The durable work of the cloud.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::tasks {

constexpr Parameter kTaskOne[] = {subject("TASK", "tasks")};
constexpr Parameter kTaskMany[] = {subject("TASK...", "tasks")};
constexpr Parameter kTaskList[] = {
    text("state", "--state", "in this state: running, stuck, done, ..."),
    text("type", "--type", "of this type: create-server, ..."),
    text("resource", "--resource", "about this: server/<id>"),
    set("open", "--open", "true", "only those that are not over"),
    limit(),
    marker(),
};

constexpr Verb kTaskVerbs[] = {
    {"tasks.list", "GET", "/tasks/v1/tasks", "", "tasks", "Lists tasks, newest first.", "task list",
     kTaskList},
    {"tasks.show", "GET", "/tasks/v1/tasks/{id}", "", "task", "Shows a task.", "task show",
     kTaskOne},
    {"tasks.retry", "POST", "/tasks/v1/tasks/{id}/retry", "", "task",
     "Lets a stuck task try its step again at once.", "task retry", kTaskMany},
    {"tasks.unwind", "POST", "/tasks/v1/tasks/{id}/unwind", "", "task",
     "Lets a stuck task undo what it can.", "task unwind", kTaskMany},
};

constexpr Column kTaskColumns[] = {
    {"ID", "id"},
    {"Type", "type"},
    {"State", "state"},
    {"Step", "step"},
    {"Resource", "resource"},
    {"Updated At", "updated_at"},
    {"Attempt", "attempt", Look::Plain, {}, {}, true},
    {"Project", "project_id", Look::Plain, {}, {}, true},
    {"Created At", "created_at", Look::Plain, {}, {}, true},
    {"Waits For", "waits_for", Look::Plain, {}, {}, true},
    {"Error", "error", Look::Plain, {}, {}, true},
};

constexpr Noun kTaskNouns[] = {{"tasks", "task", "tasks", kTaskColumns, "id", ""}};

}  // namespace table::tasks

std::span<const Verb> task_verbs() {
  return table::tasks::kTaskVerbs;
}
std::span<const Noun> task_nouns() {
  return table::tasks::kTaskNouns;
}

}  // namespace cloudos::verbs
