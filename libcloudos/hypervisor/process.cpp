#include "hypervisor/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace cloudos::hypervisor {
namespace {

constexpr std::size_t kOutputBytes = 16 << 10;
constexpr char kSearchPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

Error os_error(std::string_view what, int number) {
  return {ErrorCode::Unavailable, fmt::format("{}: {}", what, std::strerror(number)), {}};
}

// prlimit(1) sets the limits and becomes the program: posix_spawn has no hook between fork and
// exec, and fork itself is not for a process with threads.
std::vector<std::string> with_limits(const Program& program) {
  std::vector<std::string> line = {find_program("prlimit").native(),
                                   fmt::format("--as={}", program.memory_bytes),
                                   fmt::format("--cpu={}", program.cpu.count()),
                                   "--core=0",
                                   "--",
                                   program.path.native()};
  line.insert(line.end(), program.arguments.begin(), program.arguments.end());
  return line;
}

Result<pid_t> spawn(const Program& program, int output) {
  std::vector<std::string> line = with_limits(program);
  if (line.front().empty()) {
    return fail(ErrorCode::Unsupported, "prlimit is missing: install the package util-linux");
  }
  std::vector<char*> argv;
  for (std::string& word : line) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string path = kSearchPath;
  std::string locale = "LC_ALL=C";  // Messages are matched below us.
  char* const environment[] = {path.data(), locale.data(), nullptr};

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
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
      ::posix_spawn(&pid, argv.front(), &actions, &attributes, argv.data(), environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail(os_error("a program could not be started", error));
  return pid;
}

// Reads until the program closed its output (what is over the limit is dropped) or time is up.
bool read_output(int fd, std::chrono::steady_clock::time_point deadline, std::string& output) {
  char block[4096];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t got = ::read(fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    const std::size_t room = kOutputBytes - std::min(kOutputBytes, output.size());
    output.append(block, std::min(room, static_cast<std::size_t>(got)));
  }
}

// A host program that reaps all children, or ignores SIGCHLD, may have taken the exit code: then
// the caller judges by what the program left behind, so this counts as success.
int exit_code_of(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0) {
    if (errno != EINTR) return 0;
  }
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

}  // namespace

std::filesystem::path find_program(std::string_view name) {
  for (const char* folder : {"/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"}) {
    const auto path = std::filesystem::path(folder) / name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

Result<ProgramEnd> run_program(const Program& program) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(os_error("no pipe for a program", errno));
  const Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  const auto deadline = std::chrono::steady_clock::now() + program.timeout;
  CLOUDOS_TRY(const pid_t pid, spawn(program, writing.get()));
  // The descriptor pins the process: its number cannot be reused before we signal it.
  // (By number: glibc 2.36 declares pidfd_open without extern "C".)
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  writing.close();
  ProgramEnd end;
  if (!read_output(reading.get(), deadline, end.output)) {
    if (process.get() >= 0) {
      ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
    } else {
      ::kill(pid, SIGKILL);
    }
    (void)exit_code_of(pid);
    return fail(ErrorCode::Timeout,
                fmt::format("{} did not end in time", program.path.filename().native()));
  }
  end.exit_code = exit_code_of(pid);
  return end;
}

}  // namespace cloudos::hypervisor
