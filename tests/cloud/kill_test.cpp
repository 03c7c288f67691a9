// kill -9 in the midst of everything: what the next process finds in the folder.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "compute/records.hpp"
#include "records/table.hpp"
#include "support/invariants.hpp"
#include "tasks/task.hpp"

using namespace cloudos;
using namespace std::chrono_literals;

namespace {

constexpr int kPulse = 3;  // The descriptor that the child writes a byte to after each call.
constexpr const char* kChildFolder = "CLOUDOS_CLOUD_CHILD";

Options storm_options(const std::filesystem::path& folder) {
  Options options;
  options.data_dir = folder;
  options.password_cost = 4;
  options.host_names = {"host-1", "host-2"};
  options.store_limit_bytes = std::uint64_t{1} << 32;
  return options;
}

Context storm_caller() {
  Context me = Context::system();
  me.project = ProjectId{"p"};
  return me;
}

template <class T>
const T* storm_pick(SeededRandom& random, const Result<std::vector<T>>& list) {
  return list && !list->empty() ? &(*list)[random.below(list->size())] : nullptr;
}

void storm_call(Cloud& cloud, SeededRandom& random) {
  const Context me = storm_caller();
  const auto images = cloud.images().list(me, {});
  const auto networks = cloud.networks().networks(me);
  const auto servers = cloud.servers().list(me);
  const auto flavors = cloud.servers().flavors().list(me);
  const Image* image = storm_pick(random, images);
  const Network* network = storm_pick(random, networks);
  const Server* server = storm_pick(random, servers);
  const auto choice = random.below(100);
  if (image == nullptr || choice < 10) {
    const auto made = cloud.images().create(me, {.name = "i", .disk_format = DiskFormat::Raw,
                                                 .container_format = ContainerFormat::Bare});
    TextSource bytes(std::string(2 << 20, 'x'));
    if (made) (void)cloud.images().upload(me, made->id, bytes).has_value();
  } else if (network == nullptr || choice < 15) {
    NetworkCreate spec;
    spec.name = "n";
    SubnetCreate subnet;
    subnet.cidr = "10.0.0.0/28";
    if (const auto made = cloud.networks().create_network(me, spec)) {
      subnet.network = made->id;
      (void)cloud.networks().create_subnet(me, subnet).has_value();
    }
  } else if (choice < 60) {
    ServerCreate spec;
    spec.name = "s";
    spec.flavor = flavors->front().id;
    spec.image = image->id;
    spec.networks = std::vector<ServerNetwork>{{network->id, {}, {}}};
    (void)cloud.servers().create(me, spec).has_value();
  } else if (server != nullptr && choice < 85) {
    (void)cloud.servers().remove(me, server->id).has_value();
  } else if (choice < 92) {
    (void)cloud.images().remove(me, image->id).has_value();
  } else {
    (void)cloud.networks().delete_network(me, network->id).has_value();
  }
}

[[noreturn]] void storm_until_killed(const std::filesystem::path& folder) {
  auto cloud = Cloud::open(storm_options(folder));
  if (!cloud) ::_exit(1);
  std::vector<std::thread> callers;
  for (std::uint64_t i = 0; i < 3; ++i) {
    callers.emplace_back([&cloud, i] {
      SeededRandom random(static_cast<std::uint64_t>(::getpid()) * 4 + i);
      for (;;) {
        storm_call(**cloud, random);
        if (::write(kPulse, ".", 1) != 1) ::_exit(2);
      }
    });
  }
  for (auto& caller : callers) caller.join();
  ::_exit(3);
}

/// Runs a child on the folder and kills it after `calls` calls.
void run_and_kill(const std::filesystem::path& folder, std::size_t calls) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::close(ends[0]);
    ::dup2(ends[1], kPulse);
    ::setenv(kChildFolder, folder.c_str(), 1);
    ::execl("/proc/self/exe", "child", "--no-skip", "--test-case=a child of the cloud tests",
            nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  char pulse;
  std::size_t seen = 0;
  while (seen < calls && ::read(ends[0], &pulse, 1) == 1) ++seen;
  ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::close(ends[0]);
  CHECK(seen == calls);
  CHECK(WIFSIGNALED(status));
}

/// Runs what is due until nothing is open any more.
void settle_storm(Cloud& cloud, ManualClock& clock) {
  const MonoTime end = clock.mono() + 30min;
  while (clock.mono() < end) {
    cloud.run_pending();
    const auto due = cloud.next_deadline();
    if (!due) return;
    if (*due > clock.mono()) clock.advance(*due - clock.mono());
  }
}

}  // namespace

TEST_CASE("a child of the cloud tests" * doctest::skip()) {
  if (const char* folder = std::getenv(kChildFolder)) storm_until_killed(folder);
}

TEST_CASE("kill -9 in a storm leaves nothing that the next start does not finish or clear") {
  std::string folder = (std::filesystem::temp_directory_path() / "cloudos-kill-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  std::mt19937 random(std::random_device{}());
  std::size_t open_tasks = 0;
  for (int round = 0; round < 4; ++round) {
    run_and_kill(folder, 20 + random() % 60);
    Options options = storm_options(folder);
    // The machine lost its clock's battery too: everything in the folder is from the future.
    const auto clock = std::make_shared<ManualClock>();
    const std::shared_ptr<store::Store> store =
        *store::open_lmdb({.directory = std::filesystem::path(folder) / "store",
                           .map_bytes = options.store_limit_bytes});
    test::check_records(**store->snapshot());
    open_tasks += records::all<tasks::TaskRecord>(**store->snapshot(), "open", "1")->size();
    options.clock = clock;
    options.store = store;
    options.workers = 0;
    auto cloud = Cloud::open(options);
    REQUIRE(cloud);
    settle_storm(**cloud, *clock);
    const auto snapshot = *store->snapshot();
    test::check_records(*snapshot);
    test::check_files_at_rest(*snapshot, folder);
    const auto all = *records::all<tasks::TaskRecord>(*snapshot);
    for (const auto& task : all) {
      CAPTURE(task.type);
      CAPTURE(task.step);
      CAPTURE(task.error_message);
      CHECK(is_final(task.state));
    }
    const auto servers = *records::all<Server>(*snapshot);
    for (const Server& server : servers) CHECK(server.task_state == ServerTask::None);
  }
  CHECK(open_tasks > 0);  // Else nothing was interrupted.
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}
