#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cloudos/image_imports.hpp"
#include "rest/image_codec.hpp"

// The tasks of the Image API. Source: Image API v2, tasks.
namespace cloudos::rest {
namespace {

/// What was asked for, as the API shows it again.
void write_task_input(JsonWriter& w, const ImageTask& task) {
  w.key("input").open();
  if (task.type == "import") {
    w.member("import_from", task.request.uri);
    w.member("import_from_format", task.import_from_format);
    w.member("image_properties", task.image_properties);
  } else if (task.type == "location_import") {
    w.member("image_id", task.image).member("loc_url", task.request.uri);
  } else {
    w.key("import_req").open().key("method").open();
    w.member("name", to_string(task.request.method));
    if (!task.request.uri.empty()) w.member("uri", task.request.uri);
    if (task.request.method == ImportMethod::GlanceDownload) {
      w.member("glance_region", task.request.region);
      w.member("glance_image_id", task.request.remote_image);
      w.member("glance_service_interface", task.request.interface);
    }
    w.close();
    w.member("stores", task.request.stores);
    w.member("all_stores", task.request.all_stores);
    w.member("all_stores_must_succeed", task.request.all_stores_must_succeed).close();
    w.member("backend", task.request.stores);
    w.member("image_id", task.image);
  }
  w.close();
}

void write_image_task(JsonWriter& w, const ImageTask& task, bool whole) {
  w.open().member("id", task.id).member("type", task.type);
  w.member("status", to_string(task.status)).member_or_null("owner", task.owner.value);
  w.member("created_at", format_time(task.created_at));
  w.member("updated_at", format_time(task.updated_at));
  if (task.expires_at) w.member("expires_at", format_time(*task.expires_at));
  else if (whole) w.member_null("expires_at");
  if (whole) {
    write_task_input(w, task);
    w.key("result");
    if (task.status == ImageTaskStatus::Success) w.open().member("image_id", task.image).close();
    else w.null();
    w.member("message", task.message).member("image_id", task.image);
    w.member("request_id", task.request_id).member("user_id", task.user);
  }
  w.member("self", "/v2/tasks/" + task.id.value).member("schema", "/v2/schemas/task").close();
}

Response image_task_response(int status, const ImageTask& task) {
  JsonWriter w;
  write_image_task(w, task, true);
  return json_response(status, std::move(w).take());
}

/// The properties of the image to make, as a POST of an image has them.
Result<ImageTaskCreate> decode_task_create(const nlohmann::json& body) {
  const Members in(body, "");
  CLOUDOS_TRY(const std::string type, in.text("type"));
  if (type != "import") {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a task of type '{}' is not known here, only import",
                            type.substr(0, 64)));
  }
  CLOUDOS_TRY(const nlohmann::json* input, in.object("input"));
  const Members what(*input, "input");
  ImageTaskCreate spec;
  CLOUDOS_TRY(spec.import_from, what.text("import_from"));
  CLOUDOS_TRY(spec.import_from_format, what.text("import_from_format"));
  CLOUDOS_TRY(const nlohmann::json* properties, what.object("image_properties"));
  CLOUDOS_TRY(spec.image, decode_image_create(*properties));
  for (const auto& [name, value] : properties->items())
    spec.image_properties[name] = value.is_string() ? value.get<std::string>() : value.dump();
  return spec;
}

Result<Response> create_image_task(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const ImageTaskCreate spec, decode_task_create(*body));
  CLOUDOS_TRY(const ImageTask task, call.cloud.images().imports().create_task(call.ctx, spec));
  Response response = image_task_response(201, task);
  response.headers.add("Location", call.service_url + "/tasks/" + task.id.value);
  return response;
}

/// Ids sort by creation, so the first two are one.
bool is_task_sort_key(std::string_view key) {
  return key == "id" || key == "created_at" || key == "status" || key == "type";
}

Result<ImageTaskQuery> decode_task_query(const Call& call) {
  ImageTaskQuery query;
  CLOUDOS_TRY(const Call::Page page, call.page());
  query.marker = page.marker;
  query.limit = std::min(page.limit, limits::kListPage);
  query.type = call.query("type").value_or("");
  query.oldest_first = call.query("sort_dir") == "asc";
  const auto key = call.query("sort_key");
  if (key && !is_task_sort_key(*key)) {
    return fail(ErrorCode::InvalidArgument,
                "tasks are sorted by id, created_at, status or type only");
  }
  if (const auto text = call.query("status")) {
    query.status = image_task_status_from(*text);
    if (!query.status) {
      return fail(ErrorCode::InvalidArgument,
                  "status must be pending, processing, success or failure");
    }
  }
  return query;
}

/// By status or type: what there is, two days of it at most, put in order and then cut.
Result<std::vector<ImageTask>> sorted_tasks(Call& call, const ImageTaskQuery& query,
                                            std::string_view key) {
  ImageTaskQuery all = query;
  all.marker.clear();
  all.limit = limits::kSortedListRecords;
  CLOUDOS_TRY(auto tasks, call.cloud.images().imports().tasks(call.ctx, all));
  std::stable_sort(tasks.begin(), tasks.end(), [&](const ImageTask& a, const ImageTask& b) {
    const auto of = [&](const ImageTask& task) {
      return key == "type" ? std::string_view(task.type) : to_string(task.status);
    };
    return query.oldest_first ? of(a) < of(b) : of(b) < of(a);
  });
  if (!query.marker.empty()) {
    const auto last = std::find_if(tasks.begin(), tasks.end(), [&](const ImageTask& task) {
      return task.id.value == query.marker;
    });
    if (last == tasks.end()) return fail(ErrorCode::InvalidArgument, "the marker is no such task");
    tasks.erase(tasks.begin(), last + 1);
  }
  if (tasks.size() > query.limit) tasks.resize(query.limit);
  return tasks;
}

Result<std::vector<ImageTask>> asked_tasks(Call& call, const ImageTaskQuery& query) {
  const std::string_view key = call.query("sort_key").value_or("id");
  if (key == "status" || key == "type") return sorted_tasks(call, query, key);
  return call.cloud.images().imports().tasks(call.ctx, query);
}

Result<Response> list_image_tasks(Call& call) {
  CLOUDOS_TRY(ImageTaskQuery query, decode_task_query(call));
  const std::size_t page = query.limit++;
  CLOUDOS_TRY(auto tasks, asked_tasks(call, query));
  const bool more = tasks.size() > page;
  if (more) tasks.resize(page);
  const std::string rest = query_without_marker(call);
  JsonWriter w;
  w.open().key("tasks").open_list();
  for (const ImageTask& task : tasks) write_image_task(w, task, false);
  w.close_list().member("schema", "/v2/schemas/tasks");
  w.member("first", "/v2/tasks" + (rest.empty() ? "" : "?" + rest));
  if (more) {
    w.member("next", fmt::format("/v2/tasks?{}{}marker={}", rest, rest.empty() ? "" : "&",
                                 tasks.back().id.value));
  }
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_image_task(Call& call) {
  CLOUDOS_TRY(const ImageTask task,
              call.cloud.images().imports().task(call.ctx, TaskId{call.path("task_id")}));
  return image_task_response(200, task);
}

Result<Response> list_tasks_of_image(Call& call) {
  CLOUDOS_TRY(const auto tasks, call.cloud.images().imports().image_tasks(
                                    call.ctx, ImageId{call.path("image_id")}));
  JsonWriter w;
  w.open().key("tasks").open_list();
  for (const ImageTask& task : tasks) write_image_task(w, task, true);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

void write_task_schema(JsonWriter& w) {
  struct Row {
    const char* name;
    const char* type;
    const char* description;
  };
  constexpr Row kRows[] = {
      {"id", "string", "Names the task"},
      {"owner", "string", "The project whose task it is"},
      {"expires_at", "string", "When its record goes"},
      {"message", "string", "Why it failed"},
      {"created_at", "string", "When it was asked for"},
      {"updated_at", "string", "When it last changed"},
      {"image_id", "string", "The image it makes"},
      {"request_id", "string", "The request that asked for it"},
      {"user_id", "string", "Who asked for it"},
      {"self", "string", "Where it is shown"},
      {"schema", "string", "Where this schema is"},
  };
  w.open().member("name", "task").key("properties").open();
  for (const Row& row : kRows) {
    w.key(row.name).open().key("type").open_list().value("null").value(row.type).close_list();
    w.member("description", row.description).close();
  }
  w.key("type").open().member("type", "string").key("enum").open_list();
  w.value("import").value("api_image_import").close_list().close();
  w.key("status").open().member("type", "string").key("enum").open_list();
  for (const auto status : {ImageTaskStatus::Pending, ImageTaskStatus::Processing,
                            ImageTaskStatus::Success, ImageTaskStatus::Failure})
    w.value(to_string(status));
  w.close_list().close();
  for (const char* name : {"input", "result"}) {
    w.key(name).open().key("type").open_list().value("null").value("object").close_list().close();
  }
  w.close().close();
}

Result<Response> show_task_schema(Call&) {
  JsonWriter w;
  write_task_schema(w);
  return json_response(200, std::move(w).take());
}

Result<Response> show_tasks_schema(Call&) {
  JsonWriter w;
  w.open().member("name", "tasks").key("properties").open();
  w.key("tasks").open().member("type", "array").key("items");
  write_task_schema(w);
  w.close();
  for (const char* name : {"first", "next", "schema"})
    w.key(name).open().member("type", "string").close();
  w.close().key("links").open_list();
  for (const auto& [rel, href] : {std::pair{"first", "{first}"}, std::pair{"next", "{next}"},
                                  std::pair{"describedby", "{schema}"}})
    w.open().member("rel", rel).member("href", href).close();
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

constexpr Service kImageTaskService = Service::Image;
constexpr Route kImageTaskRoutes[] = {
    {"POST", "/image/v2/tasks", create_image_task, "tasks_api_access", kImageTaskService,
     RouteClass::Commits},
    {"GET", "/image/v2/tasks", list_image_tasks, "tasks_api_access", kImageTaskService},
    {"GET", "/image/v2/tasks/{task_id}", show_image_task, "tasks_api_access", kImageTaskService},
    {"GET", "/image/v2/images/{image_id}/tasks", list_tasks_of_image, "get_image",
     kImageTaskService},
    {"GET", "/image/v2/schemas/task", show_task_schema, "get_image_schema", kImageTaskService},
    {"GET", "/image/v2/schemas/tasks", show_tasks_schema, "get_image_schema", kImageTaskService},
};

}  // namespace

std::span<const Route> image_task_routes() { return kImageTaskRoutes; }

}  // namespace cloudos::rest
