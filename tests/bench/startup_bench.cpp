// From the start of cloudosd to its first good answer, on a folder full of servers.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "bench.hpp"
#include "cloudos/tasks.hpp"
#include "seed.hpp"

namespace cloudos::bench {

namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr unsigned kHosts = 100;

/// Records `count` servers, each built by its task on a simulated host; returns a token's text.
std::string fill(const std::filesystem::path& folder, std::size_t count) {
  const Seeded seeded = seed(folder, kHosts);
  Cloud& cloud = *seeded.cloud;
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 16; ++caller) {
    callers.emplace_back([&] {
      for (std::size_t i = next++; i < count; i = next++) {
        const ServerCreate spec = seeded.spec(fmt::format("server-{}", i));
        const Server server = must(cloud.servers().create(seeded.me, spec), "creating a server");
        const Task task = must(cloud.tasks().wait(server.task, 60s), "building a server");
        if (task.state != TaskState::Done) give_up("a server was not built");
      }
    });
  }
  for (auto& caller : callers) caller.join();
  return seeded.token;
}

class Process {
 public:
  Process(const std::filesystem::path& folder, unsigned port) {
    const std::string program =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "cloudosd").string();
    const std::string listen = fmt::format("127.0.0.1:{}", port), hosts = std::to_string(kHosts);
    const std::string data = folder.string();
    const char* argv[] = {program.c_str(), "--data-dir", data.c_str(), "--listen", listen.c_str(),
                          "--simulated",   "--hosts",    hosts.c_str(), nullptr};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&pid_, program.c_str(), &files, nullptr, const_cast<char**>(argv), environ) != 0)
      give_up("cannot start " + program);
    posix_spawn_file_actions_destroy(&files);
  }
  ~Process() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  double anon_mib() const {
    std::ifstream status(fmt::format("/proc/{}/status", pid_));
    for (std::string word; status >> word;) {
      double kib;
      if (word == "RssAnon:" && status >> kib) return kib / 1024;
    }
    return 0;
  }

 private:
  pid_t pid_ = 0;
};

/// One request on a fresh connection; true when the answer begins with a 200.
bool answers(unsigned port, const std::string& token) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool good = false;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request =
        fmt::format("GET /compute/v2.1/servers HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {}\r\n"
                    "Connection: close\r\n\r\n", token);
    char reply[16] = {};
    good = send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(request.size()) &&
           recv(fd, reply, 12, MSG_WAITALL) == 12 &&
           std::string_view(reply, 12) == "HTTP/1.1 200";
  }
  close(fd);
  return good;
}

struct Start {
  double ms = 0, anon_mib = 0;
};

Start start_once(const std::filesystem::path& folder, const std::string& token, unsigned port,
                 std::chrono::milliseconds rest) {
  const auto began = Steady::now();
  const Process process(folder, port);
  while (!answers(port, token)) {
    if (Steady::now() - began > 60s) give_up("no answer within a minute");
    std::this_thread::sleep_for(200us);
  }
  const double ms = std::chrono::duration<double, std::milli>(Steady::now() - began).count();
  std::this_thread::sleep_for(rest);
  return {ms, process.anon_mib()};
}

}  // namespace

std::vector<Figure> bench_startup(const Settings& settings) {
  const std::size_t servers = settings.quick ? 20 : 10'000;
  const int rounds = settings.quick ? 1 : 9;
  const auto rest = settings.quick ? 10ms : 3'000ms;
  const auto full = settings.folder / "full", empty = settings.folder / "empty";
  const std::string full_token = fill(full, servers), empty_token = fill(empty, 0);
  const unsigned port = 20'000 + static_cast<unsigned>(getpid()) % 20'000;
  Rounds time, memory;
  for (int round = 0; round < rounds; ++round) {
    const Start with = start_once(full, full_token, port, rest);
    const Start without = start_once(empty, empty_token, port, rest);
    time.add(with.ms, without.ms);
    memory.add(with.anon_mib, without.anon_mib);
  }
  const std::string what = fmt::format("{} servers recorded; reference: none", servers);
  return {time.figure("startup.first_200", "start to the first 200 of GET /servers; " + what, "ms"),
          memory.figure("startup.anon", "RssAnon of the idle process; " + what, "MiB")};
}

}  // namespace cloudos::bench
