#include "base/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/fd.hpp"

namespace cloudos {
namespace {

using ChildTime = std::chrono::steady_clock::time_point;
constexpr std::chrono::milliseconds kAskChildEvery{100};

/// posix_spawn has no hook between fork and exec, and fork is not for a process with threads: small
/// programs set each thing and become the next one.
///
/// The signal for our death is set by the child, so that we may be dead by then and it would never
/// come: it looks whose child it is after that. The shell reads nothing but the one line here.
Result<std::vector<std::string>> child_line(const ChildRun& run) {
  std::vector<std::string> tools;
  for (const char* name : {"setpriv", "sh", "prlimit", "nice", "env"}) {
    tools.push_back(find_program(name).native());
    if (!tools.back().empty()) continue;
    return fail(ErrorCode::Unsupported,
                fmt::format("{} is missing: install util-linux, coreutils and a shell", name));
  }
  std::vector<std::string> line{tools[0]};
  if (run.strangers) line.push_back("--no-new-privs");
  line.insert(line.end(), {"--pdeathsig", "KILL", "--", tools[1], "-c",
                           "[ \"$PPID\" = \"$1\" ] || exit 125; shift; exec \"$@\"",
                           "sh", std::to_string(run.parent), tools[4], "-i"});  // Shells add to it.
  line.insert(line.end(), run.environment.begin(), run.environment.end());
  if (run.strangers) line.insert(line.end(), {tools[3], "-n", "10"});
  line.insert(line.end(), {tools[2], "--core=0"});
  const std::pair<const char*, std::uint64_t> limits[] = {
      {"as", run.memory_bytes},
      {"stack", run.stack_bytes},
      {"cpu", static_cast<std::uint64_t>(run.cpu.count())},
      {"fsize", run.file_bytes},
      {"nofile", run.files}};
  for (const auto& [name, most] : limits)
    if (most != 0) line.push_back(fmt::format("--{}={}", name, most));
  line.insert(line.end(), {"--", run.program.native()});
  line.insert(line.end(), run.arguments.begin(), run.arguments.end());
  return line;
}

Result<pid_t> spawn_child(std::vector<std::string> line, const ChildRun& run, int output) {
  std::vector<char*> argv;
  for (std::string& word : line) argv.push_back(word.data());
  argv.push_back(nullptr);
  char* const nothing[] = {nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (run.strangers) posix_spawn_file_actions_addchdir_np(&actions, "/");
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, argv.front(), &actions, &attributes, argv.data(), nothing);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return fail(ErrorCode::Unavailable,
                fmt::format("a program could not be started: {}", std::strerror(error)));
  }
  return pid;
}

constexpr int kPipeBlocks = 64;  ///< Reads that empty a pipe, four times over.

/// What there is to read now; false: nothing will come any more.
bool read_child(int fd, std::size_t most, std::string& output) {
  char block[4'096];
  const ssize_t got = ::read(fd, block, sizeof block);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  const std::size_t room = most - std::min(most, output.size());
  output.append(block, std::min(room, static_cast<std::size_t>(got)));
  return true;
}

/// Until the program ended, whatever it closed before. `process` is its pidfd.
Result<std::string> read_while_running(int fd, int process, ChildTime until, const ChildRun& run) {
  std::string output;
  pollfd waiting[] = {{process, POLLIN, 0}, {fd, POLLIN, 0}};
  for (;;) {
    if (run.go_on) CLOUDOS_CHECK(run.go_on());
    const auto now = std::chrono::steady_clock::now();
    if (now >= until) {
      return fail(ErrorCode::Timeout, fmt::format("{} did not end in time",
                                                  run.program.filename().native()));
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now);
    const auto wait = run.go_on ? std::min(left, kAskChildEvery) : left;
    const int ready = ::poll(waiting, 2, static_cast<int>(wait.count()));
    if (ready < 0 && errno != EINTR) return fail(ErrorCode::Unavailable, std::strerror(errno));
    if (ready <= 0) continue;
    if (waiting[1].revents != 0 && !read_child(fd, run.output_bytes, output)) waiting[1].fd = -1;
    if (waiting[0].revents == 0) continue;
    // What it said last is in the pipe still; what it left behind may write on and on.
    for (int block = 0; block < kPipeBlocks && waiting[1].fd >= 0; ++block)
      if (::poll(&waiting[1], 1, 0) <= 0 || !read_child(fd, run.output_bytes, output)) break;
    return output;
  }
}

std::string end_taken(const ChildRun& run) {
  return fmt::format(
      "how {} ended is not known: its end was taken by somebody else in this process, which is to "
      "leave children alone that are not its own",
      run.program.filename().native());
}

/// Waits for its end. Nothing: somebody else in this process took the news of it (waitpid(-1), or a
/// SIGCHLD that is ignored), and nobody will know any more how it ended. A pidfd names this child and
/// no later one of the same number.
std::optional<siginfo_t> reap_child(int process, pid_t pid) {
  siginfo_t info{};
  const auto wait = [&] {
    return process >= 0 ? ::waitid(P_PIDFD, static_cast<id_t>(process), &info, WEXITED)
                        : ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED);
  };
  int done = wait();
  while (done != 0 && errno == EINTR) done = wait();
  if (done != 0 || info.si_pid == 0) return std::nullopt;
  return info;
}

}  // namespace

std::filesystem::path find_program(std::string_view name) {
  for (const char* folder : {"/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"}) {
    const auto path = std::filesystem::path(folder) / name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

Result<ChildEnd> run_child(const ChildRun& run) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return fail(ErrorCode::Unavailable, fmt::format("no pipe: {}", std::strerror(errno)));
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  CLOUDOS_TRY(auto line, child_line(run));
  const ChildTime until = std::chrono::steady_clock::now() + run.time;
  CLOUDOS_TRY(const pid_t pid, spawn_child(std::move(line), run, writing.get()));
  // The descriptor tells of its end without reaping it: the number stays its own until then.
  // (By number: glibc 2.36 declares pidfd_open without extern "C".)
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  // A child that is not there any more was reaped, and not by us.
  const bool taken = process.get() < 0 && errno == ESRCH;
  if (taken) return fail(ErrorCode::Unavailable, end_taken(run));
  writing.reset();
  auto output = process.get() < 0
                    ? Result<std::string>(fail(ErrorCode::Unavailable, "a program got lost"))
                    : read_while_running(reading.get(), process.get(), until, run);
  // The group's number is its own while it is not reaped, and then while it left anything behind.
  (void)::kill(-pid, SIGKILL);
  const auto end = reap_child(process.get(), pid);
  if (!output) return fail(std::move(output).error());
  if (!end) return fail(ErrorCode::Unavailable, end_taken(run));
  return ChildEnd{end->si_code == CLD_EXITED, end->si_status, std::move(*output)};
}

}  // namespace cloudos
