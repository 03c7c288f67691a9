#include "base/process.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <vector>

// What runs beside us. These tests start real programs.
using namespace cloudos;
using namespace std::chrono_literals;

namespace {

struct Place {
  std::filesystem::path path;
  Place() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cloudos-child-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Place() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

ChildRun script(const std::string& text) {
  ChildRun run;
  run.program = "/bin/sh";
  run.arguments = {"-c", text};
  run.time = 20s;
  run.output_bytes = 100;
  return run;
}

}  // namespace

TEST_CASE("a program gets the environment and the limits it is given, and nothing else") {
  ChildRun run = script("exec env; exit 9");
  run.environment = {"ONE=1"};
  auto end = run_child(run);
  REQUIRE(end);
  CHECK(end->output.find("ONE=1\n") != std::string::npos);
  CHECK(end->output.find("HOME=") == std::string::npos);
  run = script("ulimit -n; ulimit -c; ulimit -f");
  run.files = 33;
  run.file_bytes = 1024;
  end = run_child(run);
  REQUIRE(end);
  CHECK(end->output == "33\n0\n2\n");
  end = run_child(script("echo $0 '$1'; kill -TERM $$"));
  REQUIRE(end);
  CHECK_FALSE(end->exited);
  CHECK(end->status == SIGTERM);
  end = run_child(script("yes | head -c 100000; exit 3"));
  REQUIRE(end);
  CHECK(end->exited);
  CHECK(end->status == 3);
  CHECK(end->output.size() == 100);
}

TEST_CASE("a program whose parent went before it began does not begin") {
  const Place place;
  const auto mark = place.path / "mark";
  ChildRun run = script("echo begun >" + mark.native());
  REQUIRE(run_child(run));
  CHECK(std::filesystem::remove(mark));
  // As it looks to a child that was given to somebody else.
  run.parent = ::getppid();
  const auto end = run_child(run);
  REQUIRE(end);
  CHECK(end->exited);
  CHECK(end->status == 125);
  CHECK_FALSE(std::filesystem::exists(mark));
}

TEST_CASE("a program is not longer there than who runs it") {
  const Place place;
  const auto mark = place.path / "pid";
  // A process of its own dies while it runs a program.
  const pid_t daemon = ::fork();
  REQUIRE(daemon >= 0);
  if (daemon == 0) {
    ChildRun run = script("echo $$ >" + mark.native() + "; exec sleep 300");
    run.time = 300s;
    run.parent = ::getpid();
    (void)run_child(run).has_value();
    ::_exit(0);
  }
  pid_t child = 0;
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (child == 0 && std::chrono::steady_clock::now() < until) {
    std::ifstream(mark) >> child;
    std::this_thread::yield();
  }
  REQUIRE(child > 0);
  REQUIRE(::kill(daemon, SIGKILL) == 0);
  REQUIRE(::waitpid(daemon, nullptr, 0) == daemon);
  std::string state = "R";
  while (state != "gone" && state != "Z" && state != "X" &&
         std::chrono::steady_clock::now() < until) {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string skip;
    state = "gone";
    if (stat >> skip >> skip) stat >> state;
    std::this_thread::yield();
  }
  CHECK(state != "R");
  CHECK(state != "S");
}

TEST_CASE("a program that takes too long is ended, and so is one that is no longer wanted") {
  ChildRun run = script("exec sleep 300");
  run.time = 50ms;
  auto end = run_child(run);
  REQUIRE_FALSE(end);
  CHECK(end.error().code == ErrorCode::Timeout);
  run.time = 20s;
  int asked = 0;
  run.go_on = [&]() -> Result<void> {
    if (++asked < 2) return Result<void>();
    return fail(ErrorCode::Cancelled, "enough");
  };
  end = run_child(run);
  REQUIRE_FALSE(end);
  CHECK(end.error().code == ErrorCode::Cancelled);
}

TEST_CASE("what a program leaves behind does not hold up who waits for it, however much it says") {
  const auto began = std::chrono::steady_clock::now();
  const auto end = run_child(script("yes & exit 4"));
  REQUIRE(end);
  CHECK(end->exited);
  CHECK(end->status == 4);
  CHECK(std::chrono::steady_clock::now() - began < 10s);
}

TEST_CASE("an end that somebody else in this process took is an error, and no success") {
  struct Row {
    std::string what;
    void (*handler)(int);
    std::string text;
  };
  // The handler runs on this thread, the only one that may: it is there before we can look.
  const std::vector<Row> rows = {
      {"ignored, good", SIG_IGN, "exit 0"},
      {"ignored, bad", SIG_IGN, "exit 3"},
      {"ignored, killed", SIG_IGN, "kill -KILL $$"},
      {"all reaped, bad",
       [](int) {
         const int interrupted = errno;
         while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
         errno = interrupted;
       },
       "exit 3"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    struct sigaction ours {};
    struct sigaction before {};
    ours.sa_handler = row.handler;
    REQUIRE(::sigaction(SIGCHLD, &ours, &before) == 0);
    const auto end = run_child(script(row.text));
    REQUIRE(::sigaction(SIGCHLD, &before, nullptr) == 0);
    REQUIRE_FALSE(end);
    CHECK(end.error().code == ErrorCode::Unavailable);
    CHECK(end.error().message.find("somebody else in this process") != std::string::npos);
  }
  // Otherwise it is known as ever.
  const auto end = run_child(script("exit 3"));
  REQUIRE(end);
  CHECK(end->status == 3);
}
