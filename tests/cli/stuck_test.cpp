// Work that got stuck, and how an operator gets it moving again.
#include <fmt/format.h>

#include <thread>

#include "cloudos/cloud.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/images.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"
#include "hypervisor/simulated.hpp"
#include "site.hpp"

using namespace cloudos;
using namespace program_test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

/// A folder in which a creation and a deletion are stuck: no disk can be made, and nothing removed
/// under servers/. It took them minutes, of a clock of their own.
struct StuckFolder {
  StuckFolder() {
    Options options;
    options.data_dir = data;
    options.workers = 0;
    options.password_cost = 4;
    options.admin_password = "secret";
    options.host_names = {"host-1"};
    options.clock = clock;
    options.hypervisor_driver = host;
    auto opened = Cloud::open(options);
    REQUIRE(opened);
    cloud = std::move(*opened);
    me = Context::system();
    const auto login = [&] {
      Login wanted;
      wanted.password = Login::Password{{"", "admin", "default", ""}, "secret"};
      wanted.scope.kind = Scope::Kind::Project;
      wanted.scope.target = {"", "admin", "default", ""};
      return cloud->identity().authenticate(wanted);
    }();
    REQUIRE(login);
    me = login->context("req-test");
    const ServerId going = create("going");
    let_pass(30s);
    break_servers();
    REQUIRE(cloud->servers().remove(me, going));
    create("coming");
    let_pass(600s);
    cloud.reset();
  }
  ServerId create(const std::string& name) {
    const auto image = cloud->images().create(
        me, {.name = name, .disk_format = DiskFormat::Raw,
             .container_format = ContainerFormat::Bare});
    REQUIRE(image);
    TextSource bytes(std::string(512, 'x'));
    REQUIRE(cloud->images().upload(me, image->id, bytes));
    ServerCreate spec;
    spec.name = name;
    spec.image = image->id;
    spec.flavor = cloud->servers().flavors().list(me)->front().id;
    spec.networks = std::vector<ServerNetwork>{};
    const auto server = cloud->servers().create(me, spec);
    REQUIRE(server);
    return server->id;
  }
  void let_pass(std::chrono::seconds time) {
    const MonoTime end = clock->mono() + time;
    while (clock->mono() < end) {
      cloud->run_pending();
      const auto due = cloud->next_deadline();
      const MonoTime next = due ? std::min(*due, end) : end;
      clock->advance(std::max(next - clock->mono(), std::chrono::microseconds{1}));
    }
  }
  /// A folder that leads to itself: every path through it is an error, and no absence.
  void break_servers() const {
    std::filesystem::create_symlink("servers", data / "servers");
    hypervisor::SimulatedHooks hooks;
    hooks.before = [](std::string_view verb, const ServerId&) -> std::optional<Error> {
      if (verb != "make_disk") return std::nullopt;
      return Error{ErrorCode::Unavailable, "the host makes no disks", {}};
    };
    host->set_hooks(std::move(hooks));
  }
  void mend_servers() const { std::filesystem::remove(data / "servers"); }

  TempDir dir;
  std::filesystem::path data = dir.path() / "data";
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>(SystemClock().wall() - 1h);
  std::shared_ptr<hypervisor::Simulated> host =
      std::make_shared<hypervisor::Simulated>(hypervisor::SimulatedSettings{});
  std::unique_ptr<Cloud> cloud;
  Context me;
};

/// cloudosd on a folder that is there already, and its client.
struct Operated {
  explicit Operated(const StuckFolder& folder)
      : daemon({CLOUDOSD_PROGRAM, "--data-dir", folder.data.string(), "--listen", "127.0.0.1:0",
                "--simulated"},
               folder.dir.path() / "log") {
    const std::string ready = daemon.read_line();
    const auto at = ready.find("http://127.0.0.1:");
    INFO(ready);
    REQUIRE(at != std::string::npos);
    const int port = std::atoi(ready.c_str() + at + 17);
    variables = {{"OS_AUTH_URL", fmt::format("http://127.0.0.1:{}/identity/v3", port)},
                 {"OS_USERNAME", "admin"},
                 {"OS_PASSWORD", "secret"},
                 {"OS_PROJECT_NAME", "admin"},
                 {"OS_USER_DOMAIN_ID", "default"},
                 {"OS_PROJECT_DOMAIN_ID", "default"},
                 {"XDG_CACHE_HOME", folder.dir.path().string()}};
  }
  Ran cloudos(const std::string& line) {
    std::vector<std::string> words = cli_test::Site::words_of(line);
    words.insert(words.begin(), CLOUDOS_PROGRAM);
    return run_program(words, variables);
  }
  json ask(const std::string& line) {
    const Ran ran = cloudos(line + " -f json");
    INFO(line << " " << ran.err);
    REQUIRE(ran.code == 0);
    return json::parse(ran.out);
  }
  std::string id_of_task(const std::string& type, const std::string& state) {
    const json tasks = ask("task list --type " + type + " --state " + state);
    REQUIRE(tasks.size() == 1);
    return tasks[0]["ID"];
  }
  void until_state(const std::string& task, const std::string& state) {
    std::string seen;
    for (int i = 0; i < 200; ++i) {
      seen = ask("task show " + task)["state"];
      if (seen == state) return;
      std::this_thread::sleep_for(50ms);
    }
    FAIL_CHECK("the task is " << seen << ", not " << state);
  }
  Program daemon;
  Variables variables;
};

}  // namespace

TEST_CASE("stuck work is found, told why, and retried or unwound once its cause is mended") {
  const StuckFolder folder;
  Operated cloud(folder);
  const std::string coming = cloud.id_of_task("create-server", "stuck");
  const std::string going = cloud.id_of_task("delete-server", "stuck");
  const Ran shown = cloud.cloudos("task show " + going);
  CHECK(shown.out.find("disks could not be removed") != std::string::npos);
  CHECK(cloud.ask("task list --open").size() == 2);
  // A deletion does not turn back.
  const Ran refused = cloud.cloudos("task unwind " + going);
  CHECK(refused.code == 1);
  CHECK(refused.err.find("point of no return") != std::string::npos);

  folder.mend_servers();
  CHECK(cloud.cloudos("task retry " + going).code == 0);
  cloud.until_state(going, "done");
  CHECK(cloud.cloudos("server show going").code == 4);
  CHECK(cloud.cloudos("task unwind " + coming).code == 0);
  cloud.until_state(coming, "failed");
  CHECK(cloud.ask("server show coming")["status"] == "ERROR");
  CHECK(cloud.ask("task list --open").empty());
  CHECK(cloud.cloudos("server delete coming --wait").code == 0);
}
