#include <doctest/doctest.h>

#include "rest/support.hpp"
#include "tasks/runner.hpp"
#include "tasks/task.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

namespace {

/// A cloud whose deletions of servers fail for as long as `broken` says, and whose boots fail, and
/// cannot be undone, for as long as `tangled` does.
struct TaskSite {
  std::shared_ptr<bool> broken = std::make_shared<bool>(false);
  std::shared_ptr<bool> tangled = std::make_shared<bool>(false);
  Site site{options()};

  Options options() const {
    Options options;
    auto faults = std::make_shared<RunnerFaults>();
    faults->before_step = [broken = broken, tangled = tangled](
                              const tasks::TaskRecord& record, std::string_view step,
                              bool undo) -> std::optional<Error> {
      if (*tangled && record.type == "create-server" && (undo || step == "boot"))
        return Error{ErrorCode::Internal, undo ? "the knot holds" : "no boot today", {}};
      if (!*broken || record.type != "delete-server") return std::nullopt;
      return Error{ErrorCode::Internal, "the host burns", {}};
    };
    options.faults = faults;
    options.host_names = {"host-1"};
    return options;
  }

  std::string make_server(const std::string& token) {
    const json image = {{"name", "i"}, {"disk_format", "raw"}, {"container_format", "bare"}};
    const auto made = site.send("POST", "/image/v2/images", image.dump(), token).json();
    const std::string id = made["id"];
    CHECK(site.send("PUT", "/image/v2/images/" + id + "/file", "data", token,
                    {{"Content-Type", "application/octet-stream"}})
              .status == 204);
    const json server = {
        {"server", {{"name", "s"}, {"imageRef", id}, {"flavorRef", "42"}, {"networks", {}}}}};
    const Answer answer = site.send("POST", "/compute/v2.1/servers", server.dump(), token);
    REQUIRE(answer.status == 202);
    site.settle();
    return answer.json()["server"]["id"];
  }
  /// Time for every pause between tries.
  void run() {
    for (int i = 0; i < 60; ++i) {
      site.settle();
      site.clock->advance(std::chrono::seconds(1));
    }
  }
  json tasks(const std::string& query) {
    const Answer answer = site.get("/tasks/v1/tasks" + query);
    CAPTURE(answer.text);
    CHECK(answer.status == 200);
    return answer.json();
  }
};

}  // namespace

TEST_CASE("tasks are listed by state, type and resource, in pages") {
  TaskSite t;
  const std::string server = t.make_server(t.site.admin);
  const json all = t.tasks("");
  REQUIRE(all["tasks"].size() >= 1);
  const json create = t.tasks("?type=create-server")["tasks"][0];
  CHECK(create["state"] == "done");
  CHECK(create["resource"] == "server/" + server);
  CHECK(create["error"].is_null());
  CHECK(t.tasks("?resource=server/" + server)["tasks"].size() >= 1);
  CHECK(t.tasks("?state=stuck")["tasks"].empty());
  CHECK(t.tasks("?open=true&type=create-server")["tasks"].empty());
  t.make_server(t.site.admin);
  const json first = t.tasks("?type=create-server&limit=1");
  CHECK(first["tasks"].size() == 1);
  const std::string next = first["tasks_links"][0]["href"];
  CHECK(next.starts_with("http://cloud.test:5000/tasks/v1/tasks?"));
  const json second = t.tasks(next.substr(next.find('?')));
  CHECK(second["tasks"].size() == 1);
  CHECK(second["tasks"][0]["id"] != first["tasks"][0]["id"]);
  CHECK_FALSE(second.contains("tasks_links"));
  struct Row {
    std::string what, query;
  };
  const Row rows[] = {{"unknown state", "?state=asleep"},
                      {"unknown filter", "?colour=red"},
                      {"no number", "?limit=x"}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = t.site.get("/tasks/v1/tasks" + row.query);
    CHECK(answer.status == 400);
    CHECK(answer.json()["error"]["code"] == 400);
  }
}

TEST_CASE("an admin unwinds a stuck task, which then undoes all that it did") {
  TaskSite t;
  const std::string ready = t.make_server(t.site.admin);
  *t.tangled = true;
  const std::string server = t.make_server(t.site.admin);
  t.run();
  const json stuck = t.tasks("?state=stuck")["tasks"];
  REQUIRE(stuck.size() == 1);
  CHECK(stuck[0]["resource"] == "server/" + server);
  const std::string path = "/tasks/v1/tasks/" + stuck[0]["id"].get<std::string>();
  *t.tangled = false;
  const Answer unwound = t.site.send("POST", path + "/unwind", "", t.site.admin);
  CAPTURE(unwound.text);
  CHECK(unwound.status == 202);
  CHECK(unwound.json()["task"]["state"] == "unwinding");
  t.site.settle();
  const json ended = t.site.get(path).json()["task"];
  CHECK(ended["state"] == "failed");
  CHECK_FALSE(ended["error"]["message"].get<std::string>().empty());
  const json left = t.site.get("/compute/v2.1/servers/" + server).json()["server"];
  CHECK(left["status"] == "ERROR");
  CHECK(t.site.get("/compute/v2.1/servers/" + ready).json()["server"]["status"] == "ACTIVE");
  // Nothing is left that would hold what it was made of.
  CHECK(t.site.send("DELETE", "/compute/v2.1/servers/" + server, "", t.site.admin).status == 204);
  t.run();
  CHECK(t.site.get("/compute/v2.1/servers/" + server).status == 404);
  CHECK(t.site.send("POST", path + "/unwind", "", t.site.admin).status == 409);
}

TEST_CASE("only an admin has a stuck task try again, and only what is stuck is tried") {
  TaskSite t;
  const std::string member = t.site.add_user("mia", "member");
  const std::string server = t.make_server(member);
  *t.broken = true;
  CHECK(t.site.send("DELETE", "/compute/v2.1/servers/" + server, "", member).status == 204);
  t.run();
  const json stuck = t.tasks("?state=stuck")["tasks"];
  REQUIRE(stuck.size() == 1);
  CHECK(stuck[0]["type"] == "delete-server");
  CHECK(stuck[0]["error"]["message"] == "the host burns");
  const std::string id = stuck[0]["id"], path = "/tasks/v1/tasks/" + id;

  const std::string stranger = t.site.add_user("sam", "member");
  struct Row {
    std::string what, method, path;
    const std::string* token;
    int status;
  };
  const Row rows[] = {
      {"its project looks", "GET", path, &member, 200},
      {"another project looks", "GET", path, &stranger, 404},
      {"its project retries", "POST", path + "/retry", &member, 403},
      {"its project unwinds", "POST", path + "/unwind", &member, 403},
      {"an admin unwinds what cannot be", "POST", path + "/unwind", &t.site.admin, 409},
      {"not there", "POST", "/tasks/v1/tasks/none/retry", &t.site.admin, 404},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = t.site.send(row.method, row.path, "", *row.token);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
  }
  CHECK(t.site.send("GET", "/tasks/v1/tasks", "", stranger).json()["tasks"].empty());

  *t.broken = false;
  const Answer retried = t.site.send("POST", path + "/retry", "", t.site.admin);
  CHECK(retried.status == 202);
  CHECK(retried.json()["task"]["attempt"] == 0);
  t.run();
  CHECK(t.site.get(path).json()["task"]["state"] == "done");
  CHECK(t.site.get("/compute/v2.1/servers/" + server).status == 404);
  const Answer again = t.site.send("POST", path + "/retry", "", t.site.admin);
  CHECK(again.status == 409);
  CHECK(again.json()["error"]["message"].get<std::string>().find("not stuck") != std::string::npos);
}
