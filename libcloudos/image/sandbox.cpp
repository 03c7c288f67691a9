#include "image/sandbox.hpp"

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

#include "image/inspect_formats.hpp"

namespace cloudos::image {
namespace {

using SandboxTime = std::chrono::steady_clock::time_point;
constexpr std::size_t kSandboxOutputBytes = 4'096;
constexpr std::chrono::milliseconds kSandboxAskEvery{100};
constexpr std::size_t kSandboxStackBytes = 1 << 20;  ///< Of each of its threads.

class SandboxFd {
 public:
  explicit SandboxFd(int fd = -1) : fd_(fd) {}
  ~SandboxFd() { close(); }
  SandboxFd(const SandboxFd&) = delete;
  SandboxFd& operator=(const SandboxFd&) = delete;
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

std::string program_path(std::string_view name) {
  for (const char* folder : {"/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"}) {
    std::string path = folder + std::string(name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

/// posix_spawn has no hook between fork and exec, and fork is not for a process with threads: small
/// programs set each thing and become the next one.
Result<std::vector<std::string>> command_line(const SandboxRun& run) {
  const std::string setpriv = program_path("setpriv"), prlimit = program_path("prlimit");
  const std::string nice = program_path("nice");
  if (setpriv.empty() || prlimit.empty() || nice.empty()) {
    return fail(ErrorCode::Unsupported,
                "setpriv, prlimit or nice is missing: install util-linux and coreutils");
  }
  if (!run.program.is_absolute() || ::access(run.program.c_str(), X_OK) != 0) {
    return fail(ErrorCode::Unsupported,
                fmt::format("{} is missing: install the package qemu-utils", run.program.native()));
  }
  std::vector<std::string> line{setpriv,
                                "--no-new-privs",
                                "--pdeathsig",
                                "KILL",
                                "--",
                                nice,
                                "-n",
                                "10",
                                prlimit,
                                fmt::format("--as={}", run.memory_bytes),
                                fmt::format("--stack={}", kSandboxStackBytes),
                                fmt::format("--cpu={}", run.time.count()),
                                fmt::format("--fsize={}", run.file_bytes),
                                "--core=0",
                                "--nofile=64",
                                "--",
                                run.program.native()};
  line.insert(line.end(), run.arguments.begin(), run.arguments.end());
  return line;
}

Result<pid_t> spawn_sandboxed(std::vector<std::string> line, int output) {
  std::vector<char*> argv;
  for (std::string& word : line) argv.push_back(word.data());
  argv.push_back(nullptr);
  // Each thread may else set 64 MiB of addresses aside for a heap of its own: with the limit on
  // addresses a dozen of them is too many.
  char one_heap[] = "MALLOC_ARENA_MAX=1";
  char* const environment[] = {one_heap, nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawn_file_actions_addchdir_np(&actions, "/");
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
  if (error != 0) {
    return fail(ErrorCode::Unavailable,
                fmt::format("a program could not be started: {}", std::strerror(error)));
  }
  return pid;
}

/// What there is to read now; false: nothing will come any more.
bool read_some(int fd, std::string& output) {
  char block[4'096];
  const ssize_t got = ::read(fd, block, sizeof block);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  const std::size_t room = kSandboxOutputBytes - output.size();
  output.append(block, std::min(room, static_cast<std::size_t>(got)));
  return true;
}

/// Until the program ended, whatever it closed before. `process` is its pidfd.
Result<std::string> read_while_running(int fd, int process, SandboxTime until,
                                       const SandboxRun& run) {
  std::string output;
  pollfd waiting[] = {{process, POLLIN, 0}, {fd, POLLIN, 0}};
  for (;;) {
    if (run.go_on) CLOUDOS_CHECK(run.go_on());
    const auto now = std::chrono::steady_clock::now();
    if (now >= until) {
      return fail(ErrorCode::Timeout,
                  fmt::format("{} did not end within {} seconds", run.program.filename().native(),
                              run.time.count()));
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now);
    const int ready =
        ::poll(waiting, 2, static_cast<int>(std::min(left, kSandboxAskEvery).count()));
    if (ready < 0 && errno != EINTR) return fail(ErrorCode::Unavailable, std::strerror(errno));
    if (ready <= 0) continue;
    if (waiting[1].revents != 0 && !read_some(fd, output)) waiting[1].fd = -1;
    if (waiting[0].revents == 0) continue;
    // What it said last is in the pipe still.
    while (waiting[1].fd >= 0 && ::poll(&waiting[1], 1, 0) > 0)
      if (!read_some(fd, output)) break;
    return output;
  }
}

/// Waits for its end; a host program that reaps all children may have taken the news.
siginfo_t reap(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
  }
  return info;
}

tl::unexpected<Error> bad_end(const SandboxRun& run, const siginfo_t& end, std::string output) {
  std::string why = fmt::format("it ended with code {}", end.si_status);
  if (end.si_code != CLD_EXITED && end.si_status == SIGXFSZ) {
    why = fmt::format("what it writes is longer than {} bytes", run.file_bytes);
  } else if (end.si_code != CLD_EXITED && end.si_status == SIGXCPU) {
    why = fmt::format("it took more than {} seconds of CPU", run.time.count());
  } else if (end.si_code != CLD_EXITED) {
    why = fmt::format("signal {} ended it", end.si_status);
  }
  // Its own words may tell of paths: they go to the log.
  return fail(ErrorCode::InvalidArgument,
              fmt::format("{} refused the data: {}", run.program.filename().native(), why),
              std::move(output));
}

Result<std::string_view> tool_format(DiskFormat format) {
  switch (format) {
    case DiskFormat::Raw:
    case DiskFormat::Iso:
    case DiskFormat::Ami:
      return std::string_view("raw");
    case DiskFormat::Qcow2:
      return std::string_view("qcow2");
    case DiskFormat::Vmdk:
      return std::string_view("vmdk");
    case DiskFormat::Vhd:
      return std::string_view("vpc");
    case DiskFormat::Vhdx:
      return std::string_view("vhdx");
    case DiskFormat::Vdi:
      return std::string_view("vdi");
    default:
      return fail(ErrorCode::Unsupported,
                  fmt::format("{} cannot be converted", cloudos::to_string(format)));
  }
}

}  // namespace

Result<std::string> run_sandboxed(const SandboxRun& run) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return fail(ErrorCode::Unavailable, fmt::format("no pipe: {}", std::strerror(errno)));
  }
  const SandboxFd reading(ends[0]);
  SandboxFd writing(ends[1]);
  CLOUDOS_TRY(auto line, command_line(run));
  const SandboxTime until = std::chrono::steady_clock::now() + run.time;
  CLOUDOS_TRY(const pid_t pid, spawn_sandboxed(std::move(line), writing.get()));
  // (By number: glibc 2.36 declares pidfd_open without extern "C".)
  const SandboxFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  writing.close();
  auto output = process.get() < 0
                    ? Result<std::string>(fail(ErrorCode::Unavailable, "a program got lost"))
                    : read_while_running(reading.get(), process.get(), until, run);
  // Not reaped yet, so the group's number is still its own: also for what it left behind.
  (void)::kill(-pid, SIGKILL);
  const siginfo_t end = reap(pid);
  if (!output) return output;
  if (end.si_code != 0 && (end.si_code != CLD_EXITED || end.si_status != 0)) {
    return bad_end(run, end, std::move(*output));
  }
  return output;
}

Result<void> convert_disk(const ConversionRules& rules, const std::filesystem::path& from,
                          DiskFormat from_format, const std::filesystem::path& to,
                          DiskFormat to_format, const GoOn& go_on) {
  CLOUDOS_TRY(const std::string_view in, tool_format(from_format));
  CLOUDOS_TRY(const std::string_view out, tool_format(to_format));
  if (!from.is_absolute() || !to.is_absolute()) {
    return fail(ErrorCode::Internal, "paths for a conversion must be absolute");
  }
  SandboxRun run;
  run.program = rules.qemu_img;
  run.arguments = {"convert", "-q", "-f", std::string(in), "-O",       std::string(out),
                   "-m",      "1",  "--", from.native(),   to.native()};
  run.memory_bytes = rules.memory_bytes;
  run.time = rules.time;
  run.file_bytes = rules.most_bytes;
  run.go_on = go_on;
  (void)::unlink(to.c_str());
  const auto done = run_sandboxed(run);
  if (done) return Result<void>();
  (void)::unlink(to.c_str());
  return fail(done.error());
}

}  // namespace cloudos::image
