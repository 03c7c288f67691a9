#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <filesystem>
#include <fstream>

#include "cloudos/cloud.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/images.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"
#include "hypervisor/simulated.hpp"

using namespace cloudos;
using namespace std::chrono_literals;

namespace {

struct TempFolder {
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cloudos-cloud-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

Options quick(const std::filesystem::path& folder = {}) {
  Options options;
  options.data_dir = folder;
  options.password_cost = 4;
  options.host_names = {"host-1"};
  options.store_limit_bytes = std::uint64_t{1} << 32;
  return options;
}

Result<Server> boot(Cloud& cloud, const std::string& name) {
  Context me = Context::system();
  me.project = ProjectId{"p"};
  CLOUDOS_TRY(const auto image,
              cloud.images().create(me, {.name = "i", .disk_format = DiskFormat::Raw,
                                         .container_format = ContainerFormat::Bare}));
  TextSource bytes(std::string(512, 'x'));
  CLOUDOS_CHECK(cloud.images().upload(me, image.id, bytes));
  CLOUDOS_TRY(const auto flavors, cloud.servers().flavors().list(me));
  ServerCreate spec;
  spec.name = name;
  spec.flavor = flavors.front().id;
  spec.image = image.id;
  spec.networks = std::vector<ServerNetwork>{};
  CLOUDOS_TRY(const auto server, cloud.servers().create(me, spec));
  CLOUDOS_CHECK(cloud.tasks().wait(server.task, 20s));
  return cloud.servers().get(me, server.id);
}

/// What a library must leave alone in the program that links it.
struct HostProgram {
  HostProgram() {
    mask = ::umask(077);
    ::umask(mask);
    for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, nullptr, &handlers[signal]);
    cwd = std::filesystem::current_path();
    locale = std::setlocale(LC_ALL, nullptr);
  }
  void check_same() const {
    const HostProgram now;
    CHECK(now.mask == mask);
    CHECK(now.cwd == cwd);
    CHECK(now.locale == locale);
    for (int signal = 1; signal < NSIG; ++signal) {
      CAPTURE(signal);
      CHECK((now.handlers[signal].sa_handler == handlers[signal].sa_handler));
    }
  }
  mode_t mask;
  struct sigaction handlers[NSIG] = {};
  std::filesystem::path cwd;
  std::string locale;
};

}  // namespace

TEST_CASE("a cloud is a good guest: no handler, umask, locale, working directory or stdout changes") {
  const HostProgram before;
  TempFolder folder, capture;
  std::fflush(stdout);
  const int saved = dup(1);
  const int file = ::open((capture.path / "out").c_str(), O_RDWR | O_CREAT, 0600);
  dup2(file, 1);
  bool active = false;
  {
    auto cloud = Cloud::open(quick(folder.path));
    if (cloud) {
      const auto server = boot(**cloud, "one");
      active = server && server->vm_state == VmState::Active;
    }
  }
  std::fflush(stdout);
  dup2(saved, 1);
  close(saved);
  close(file);
  CHECK(active);
  CHECK(std::filesystem::file_size(capture.path / "out") == 0);
  before.check_same();
}

TEST_CASE("two clouds live in one process, and know nothing of each other") {
  TempFolder first, second;
  auto one = Cloud::open(quick(first.path));
  auto two = Cloud::open(quick(second.path));
  REQUIRE(one);
  REQUIRE(two);
  REQUIRE(boot(**one, "only-here"));
  CHECK((*one)->servers().list(Context::system(), {.all_projects = true})->size() == 1);
  CHECK((*two)->servers().list(Context::system(), {.all_projects = true})->empty());
}

TEST_CASE("one Cloud at a time runs a folder; the second is told who does") {
  TempFolder folder;
  auto first = Cloud::open(quick(folder.path));
  REQUIRE(first);
  const auto second = Cloud::open(quick(folder.path));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::Conflict);
  CHECK(second.error().message.find(std::to_string(getpid())) != std::string::npos);
  first->reset();
  CHECK(Cloud::open(quick(folder.path)));
}

TEST_CASE("what was committed is there after a restart, also in a folder that was moved") {
  TempFolder folder, other;
  Server before;
  // The guests live on through the restart, as they do on a real host.
  Options options = quick(folder.path);
  options.hypervisor_driver = hypervisor::make_simulated({});
  {
    auto cloud = Cloud::open(options);
    REQUIRE(cloud);
    const auto server = boot(**cloud, "stays");
    REQUIRE(server);
    before = *server;
  }
  const auto moved = other.path / "moved";
  std::filesystem::rename(folder.path, moved);
  options.data_dir = moved;
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  Context me = Context::system();
  const auto after = (*cloud)->servers().get(me, before.id);
  REQUIRE(after);
  CHECK(after->name == "stays");
  CHECK(after->vm_state == VmState::Active);
  CHECK((*cloud)->images().list(me, {})->size() == 1);
}

TEST_CASE("folders that cannot be used are refused with one clear sentence") {
  TempFolder folder;
  const auto file = folder.path / "file";
  std::ofstream(file) << "x";
  struct Row { std::string what; std::filesystem::path path; ErrorCode code; };
  const Row rows[] = {
      {"a file stands there", file, ErrorCode::Unavailable},
      {"below a file", file / "deeper", ErrorCode::Unavailable},
      {"the kernel says no", "/proc/cloudos", ErrorCode::Unavailable},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto cloud = Cloud::open(quick(row.path));
    REQUIRE_FALSE(cloud);
    CHECK(cloud.error().code == row.code);
    CHECK(cloud.error().message.find(row.path.filename().string()) != std::string::npos);
  }
}

TEST_CASE("options that make no sense are refused") {
  struct Row { std::string what; Options options; };
  Row rows[4] = {{"real guests without a folder", {}}, {"too many workers", {}},
                 {"a hash too cheap", {}}, {"a hash too dear", {}}};
  rows[0].options.hypervisor = Backend::Real;
  rows[1].options.workers = 100'000;
  rows[2].options.password_cost = 1;
  rows[3].options.password_cost = 40;
  for (Row& row : rows) {
    CAPTURE(row.what);
    const auto cloud = Cloud::open(row.options);
    REQUIRE_FALSE(cloud);
    CHECK(cloud.error().code == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("with no workers the host program drives the cloud") {
  Options options = quick();
  options.workers = 0;
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  const auto server = boot(**cloud, "driven");
  REQUIRE(server);
  CHECK(server->vm_state == VmState::Active);
}

TEST_CASE("bootstrap writes clouds.yaml and openrc for the owner's eyes only") {
  TempFolder folder;
  auto cloud = Cloud::open(quick(folder.path));
  REQUIRE(cloud);
  for (const char* name : {"clouds.yaml", "openrc"}) {
    CAPTURE(name);
    struct stat info {};
    REQUIRE(stat((folder.path / name).c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
  }
}
