#include "network/linuxbridge/dnsmasq.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <thread>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netns.hpp"

namespace cloudos::network::linuxbridge {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::seconds kStartPatience{10};
constexpr std::chrono::seconds kStopPatience{3};
constexpr std::chrono::milliseconds kStep{2};
constexpr std::chrono::nanoseconds kSettled{1'000'000'000};
constexpr const char* kFolderSeenAt = "/mnt";
constexpr std::size_t kComplaintBytes = 2'000;
/// There while the files may be others than those that the server has read.
constexpr const char* kUnread = "unread";

/// Between fork and exec only calls that are safe there. Never returns.
[[noreturn]] void become_dnsmasq(int netns, int complaints, const char* folder, char* const* argv) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  char* environment[] = {nullptr};
  const char* failed = nullptr;
  if (setns(netns, CLONE_NEWNET) != 0) failed = "cannot enter the network namespace\n";
  // Slave mounts: what the host unmounts is not kept busy by us.
  if (!failed &&
      (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0 ||
       mount(folder, kFolderSeenAt, nullptr, MS_BIND, nullptr) != 0)) {
    failed = "cannot make its mount namespace\n";
  }
  if (!failed) {
    const int null = open("/dev/null", O_RDWR);
    setsid();
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(complaints, 2) < 0) {
      failed = "cannot set up its files\n";
    } else {
      syscall(SYS_close_range, 3U, ~0U, 0U);
      execve(argv[0], argv, environment);
      failed = "cannot be executed\n";
      complaints = 2;
    }
  }
  const ssize_t written = write(complaints, failed, strlen(failed));
  _exit(written > 0 ? 127 : 126);
}

/// Reads until the writer is gone or the time is up.
std::string read_complaints(int fd, Steady::time_point deadline) {
  std::string out;
  std::array<char, 512> chunk{};
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now());
    pollfd waiting{fd, POLLIN, 0};
    const int ready = left.count() <= 0 ? 0 : ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return out;
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return out;
    if (out.size() < kComplaintBytes) out.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

enum class ChildEnded : std::uint8_t {
  Well,
  Badly,
  Late,     ///< Not in time: it was killed.
  Unknown,  ///< Somebody else in this process took the news of it (waitpid(-1), SIGCHLD ignored).
};

ChildEnded wait_for_child(pid_t child, Steady::time_point deadline) {
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now());
  pollfd waiting{process.get(), POLLIN, 0};
  if (process.valid() && left.count() > 0 &&
      ::poll(&waiting, 1, static_cast<int>(left.count())) < 0) {
    waiting.revents = 0;  // The loop is what counts.
  }
  int status = 0;
  while (true) {
    const pid_t got = ::waitpid(child, &status, WNOHANG);
    if (got == child)
      return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? ChildEnded::Well : ChildEnded::Badly;
    if (got < 0 && errno != EINTR) return ChildEnded::Unknown;
    if (Steady::now() >= deadline) break;
    std::this_thread::sleep_for(kStep);
  }
  ::kill(child, SIGKILL);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return ChildEnded::Late;
}

DhcpLook::Stamp stamp_from(const struct stat& seen, bool contents) {
  DhcpLook::Stamp stamp;
  stamp.device = seen.st_dev;
  stamp.inode = seen.st_ino;
  stamp.mode = seen.st_mode;
  if (!contents) return stamp;
  const auto ns = [](const timespec& at) { return at.tv_sec * 1'000'000'000LL + at.tv_nsec; };
  stamp.size = static_cast<std::uint64_t>(seen.st_size);
  stamp.written_ns = ns(seen.st_mtim);
  stamp.changed_ns = ns(seen.st_ctim);
  return stamp;
}

/// Of a folder only that it is the same one: its server writes its leases there.
DhcpLook::Stamp stamp_of(const char* path) {
  struct stat seen {};
  if (::stat(path, &seen) != 0) return {};
  return stamp_from(seen, !S_ISDIR(seen.st_mode));
}

DhcpLook::Stamp stamp_of_netns(int netns) {
  struct stat seen {};
  return ::fstat(netns, &seen) == 0 ? stamp_from(seen, false) : DhcpLook::Stamp{};
}

/// Too lately for the next write to be told from it: file systems count in coarse steps.
bool written_lately(const DhcpLook& look) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  for (const auto& stamp : look.stamps) {
    const std::int64_t age = now.tv_sec * 1'000'000'000LL + now.tv_nsec - stamp.changed_ns;
    if (stamp.changed_ns != 0 && age < kSettled.count()) return true;
  }
  return false;
}

/// When a process was started, in the kernel's ticks; nothing: it is over.
std::optional<std::uint64_t> started_at(int process) {
  const auto line = read_small_file(fmt::format("/proc/{}/stat", process));
  if (!line) return std::nullopt;
  const auto name_end = line->rfind(')');  // The name may hold anything.
  if (name_end == std::string::npos || name_end + 2 >= line->size()) return std::nullopt;
  const auto fields = split(std::string_view(*line).substr(name_end + 2), ' ');
  constexpr std::size_t kState = 0, kStart = 19;
  if (fields.size() <= kStart || fields[kState] == "Z" || fields[kState] == "X")
    return std::nullopt;
  const auto ticks = parse_unsigned(fields[kStart]);
  return ticks ? std::optional<std::uint64_t>(*ticks) : std::nullopt;
}

/// Address to MAC, from lines of dnsmasq's host file.
std::map<std::string, std::string> owners_of(const std::string& hosts) {
  std::map<std::string, std::string> owners;
  for (const auto line : split(hosts, '\n')) {
    const auto fields = split(line, ',');
    if (fields.size() >= 3) owners[std::string(fields[2])] = std::string(fields[0]);
  }
  return owners;
}

/// A lease line ("expiry mac address name client") of an address that now belongs to another MAC.
bool contradicts(std::string_view lease, const std::map<std::string, std::string>& owners) {
  const auto fields = split(lease, ' ');
  if (fields.size() < 3) return false;
  const auto owner = owners.find(std::string(fields[2]));
  return owner != owners.end() && owner->second != fields[1];
}

}  // namespace

Result<Written> replace_file(const std::string& path, const std::string& content) {
  if (read_small_file(path) == content) return Written::No;
  const std::string fresh = path + ".new";
  const auto failed = [&]() -> Failure {
    const int error = errno;
    ::unlink(fresh.c_str());
    const bool full = error == ENOSPC || error == EDQUOT;
    return fail(full ? ErrorCode::StorageFull : ErrorCode::Unavailable,
                std::string("cannot write a file of the DHCP server: ") + std::strerror(error),
                path);
  };
  Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid() || ::fchmod(file.get(), 0644) != 0) return failed();
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t put = ::write(file.get(), content.data() + done, content.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return failed();
    done += static_cast<std::size_t>(put);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return failed();
  return Written::Yes;
}

std::optional<int> Dnsmasq::noted_pid() const {
  const auto text = read_small_file(path("dnsmasq.pid"));
  const auto number = text ? parse_unsigned(trim(*text)) : std::nullopt;
  if (!number || *number < 2 || *number > 1U << 30) return std::nullopt;
  return static_cast<int>(*number);
}

std::optional<int> Dnsmasq::pid() const {
  const auto noted = noted_pid();
  return noted && is_ours(*noted) ? noted : std::nullopt;
}

/// Pids are reused: only a process whose command line is the one that we start it by is ours, down
/// to the last word; others may name our files, too. (A zombie's command line is empty.)
bool Dnsmasq::is_ours(int process) const {
  const auto command = read_small_file(fmt::format("/proc/{}/cmdline", process));
  if (!command) return false;
  // Whatever the program is called: it may have been another when it was started.
  const auto first_end = command->find('\0');
  if (first_end == std::string::npos) return false;
  std::string mine;
  for (const auto& word : words()) mine.append(word).push_back('\0');
  return std::string_view(*command).substr(first_end + 1) == mine;
}

/// Behind the program's name.
std::vector<std::string> Dnsmasq::words() const {
  return {"--conf-file=" + path("dnsmasq.conf"), "--dhcp-leasefile=" + path("leases"),
          "--pid-file=" + path("dnsmasq.pid")};
}

/// The pid file says nothing, or names somebody else who lives: its server may run all the same.
/// One that names nobody was right: dnsmasq writes it before it serves.
bool Dnsmasq::may_be_misled() const {
  const auto noted = noted_pid();
  return !noted || started_at(*noted).has_value();
}

/// Started before the data folder was moved: the folder's own part of the path is the same, and
/// namespaces belong to one network of one data folder.
bool Dnsmasq::was_ours(int process, int netns) const {
  if (!same_netns(netns, fmt::format("/proc/{}/ns/net", process))) return false;
  const auto command = read_small_file(fmt::format("/proc/{}/cmdline", process));
  if (!command) return false;
  const std::string end = folder_.substr(folder_.rfind('/')) + "/dnsmasq.pid";
  for (const auto word : split(*command, '\0')) {
    if (word.starts_with("--pid-file=") && word.ends_with(end)) return true;
  }
  return false;
}

/// For when its pid file was lost, or is another's.
std::optional<int> Dnsmasq::search(const std::function<bool(int)>& wanted) const {
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr) return std::nullopt;
  std::optional<int> found;
  while (const dirent* entry = ::readdir(folder)) {
    const auto number = parse_unsigned(entry->d_name);
    if (number && *number > 1 && wanted(static_cast<int>(*number))) {
      found = static_cast<int>(*number);
      break;
    }
  }
  ::closedir(folder);
  return found;
}

bool Dnsmasq::leases_contradict(const std::string& hosts) const {
  const auto leases = read_small_file(path("leases"));
  if (!leases || leases->empty()) return false;
  const auto owners = owners_of(hosts);
  for (const auto line : split(*leases, '\n')) {
    if (contradicts(line, owners)) return true;
  }
  return false;
}

Result<void> Dnsmasq::drop_contradicted_leases(const std::string& hosts) const {
  const auto leases = read_small_file(path("leases"));
  if (!leases) return Result<void>();
  const auto owners = owners_of(hosts);
  std::string kept;
  for (const auto line : split(*leases, '\n')) {
    if (!line.empty() && !contradicts(line, owners)) kept.append(line).append("\n");
  }
  CLOUDOS_CHECK(replace_file(path("leases"), kept));
  return Result<void>();
}

std::array<DhcpLook::Stamp, DhcpLook::kFiles> Dnsmasq::stamps() const {
  return {stamp_of(folder_.c_str()),        stamp_of(path("dnsmasq.conf").c_str()),
          stamp_of(path("hosts").c_str()),  stamp_of(path("options").c_str()),
          stamp_of(path("names").c_str()),  stamp_of(path("dnsmasq.pid").c_str())};
}

bool Dnsmasq::looks_the_same(const DhcpLook& look, const DhcpFiles& files, int netns) const {
  return look.files == files && look.netns == stamp_of_netns(netns) && look.stamps == stamps() &&
         started_at(look.pid) == look.started;
}

Result<void> Dnsmasq::ensure(const DhcpFiles& files, int netns, bool fresh,
                             std::optional<DhcpLook>& look) {
  if (look && looks_the_same(*look, files, netns)) return Result<void>();
  look.reset();
  // Before anything is read: who writes after that is noticed the next time.
  DhcpLook now{files, stamps(), stamp_of_netns(netns), 0, 0};
  const bool settled = !written_lately(now);
  CLOUDOS_TRY(const bool untouched, ensure_files(files, netns, fresh));
  if (!untouched || !settled) return Result<void>();
  const auto running = pid();
  const auto started = running ? started_at(*running) : std::nullopt;
  // The same process as a moment ago, then: it was ours before and after.
  if (!started || pid() != running) return Result<void>();
  now.pid = *running;
  now.started = *started;
  look = std::move(now);
  return Result<void>();
}

/// Whether there was nothing to be done.
Result<bool> Dnsmasq::ensure_files(const DhcpFiles& files, int netns, bool fresh) {
  const bool made = ::mkdir(folder_.c_str(), 0755) == 0;
  if (!made && errno != EEXIST) {
    return fail(errno == ENOSPC ? ErrorCode::StorageFull : ErrorCode::Unavailable,
                std::string("cannot make the DHCP server's folder: ") + std::strerror(errno),
                folder_);
  }
  if (::chmod(folder_.c_str(), 0755) != 0) {
    return fail(ErrorCode::Unavailable, "cannot open up the DHCP server's folder", folder_);
  }
  // Who fails, or dies, between the files and the word to their server leaves a mark of it.
  const bool unsure = ::access(path(kUnread).c_str(), F_OK) == 0;
  if (!made && !unsure && !has(files)) CLOUDOS_CHECK(replace_file(path(kUnread), "\n"));
  CLOUDOS_TRY(const auto config, replace_file(path("dnsmasq.conf"), files.config));
  CLOUDOS_TRY(const auto hosts, replace_file(path("hosts"), files.hosts));
  CLOUDOS_TRY(const auto options, replace_file(path("options"), files.options));
  CLOUDOS_TRY(const auto names, replace_file(path("names"), files.names));
  const auto running = pid();
  const bool usable = running && config == Written::No &&
                      same_netns(netns, fmt::format("/proc/{}/ns/net", *running));
  // dnsmasq would not hand an address to its new owner while the old one's lease lasts.
  const bool stale = hosts == Written::Yes && leases_contradict(files.hosts);
  if (usable && !stale && !unsure) {
    const bool changed = hosts == Written::Yes || options == Written::Yes || names == Written::Yes;
    if (changed) signal_ours(*running, SIGHUP);
    if (changed) ::unlink(path(kUnread).c_str());
    return !changed;
  }
  if (made && fresh) {
    CLOUDOS_CHECK(start(netns));
    return false;
  }
  CLOUDOS_CHECK(stop());
  if (!fresh) CLOUDOS_CHECK(stop_moved(netns));
  CLOUDOS_CHECK(drop_contradicted_leases(files.hosts));
  auto started = start(netns);
  if (!started) {
    // One may run although the pid file names nobody, and have the addresses.
    const auto ours = [this](int process) { return is_ours(process); };
    const auto hidden = search(ours);
    if (!hidden) return fail(std::move(started).error());
    CLOUDOS_CHECK(end(*hidden, ours));
    CLOUDOS_CHECK(start(netns));
  }
  ::unlink(path(kUnread).c_str());
  return false;
}

/// One that was started before the data folder was moved.
Result<void> Dnsmasq::stop_moved(int netns) {
  const auto before_move = [&](int process) { return was_ours(process, netns); };
  // The pid file moved along with the folder, and saves looking at every process.
  auto moved = noted_pid();
  if (moved && !before_move(*moved)) moved.reset();
  if (!moved && may_be_misled()) moved = search(before_move);
  return moved ? end(*moved, before_move) : Result<void>();
}

bool Dnsmasq::has(const DhcpFiles& files) const {
  return read_small_file(path("dnsmasq.conf")) == files.config &&
         read_small_file(path("hosts")) == files.hosts &&
         read_small_file(path("options")) == files.options &&
         read_small_file(path("names")) == files.names;
}

Result<void> Dnsmasq::start(int netns) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail(ErrorCode::Unavailable, "cannot start dnsmasq", std::strerror(errno));
  }
  Fd complaints(ends[0]);
  Fd child_end(ends[1]);
  auto told = words();
  std::vector<char*> argv{program_.data()};
  for (auto& word : told) argv.push_back(word.data());
  argv.push_back(nullptr);
  const auto deadline = Steady::now() + kStartPatience;
  const pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::Unavailable, "cannot start dnsmasq", std::strerror(errno));
  if (child == 0) become_dnsmasq(netns, child_end.get(), folder_.c_str(), argv.data());
  child_end.reset();
  // It goes into the background by itself once it serves; the process that we started ends then.
  std::string said = read_complaints(complaints.get(), deadline);
  const ChildEnded ended = wait_for_child(child, deadline);
  // Who serves has written its pid file before. It is asked for too when nobody knows the rest.
  if ((ended == ChildEnded::Well || ended == ChildEnded::Unknown) && pid()) return Result<void>();
  if (said.empty() && ended == ChildEnded::Unknown)
    said = "how it ended was taken by somebody else in this process";
  if (said.empty() && ended == ChildEnded::Late) said = "it did not serve in time";
  for (char& c : said) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return fail(ErrorCode::Unavailable,
              said.empty() ? "dnsmasq did not start" : "dnsmasq did not start: " + said);
}

Result<void> Dnsmasq::stop() {
  const auto ours = [this](int process) { return is_ours(process); };
  auto first = pid();
  if (!first && may_be_misled()) first = search(ours);
  return first ? end(*first, ours) : Result<void>();
}

/// By a handle that stays its own when its number becomes another's.
void Dnsmasq::signal_ours(int process, int signal) const {
  const Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  if (handle.valid() && is_ours(process))
    ::syscall(SYS_pidfd_send_signal, handle.get(), signal, nullptr, 0U);
}

Result<void> Dnsmasq::end(int process, const std::function<bool(int)>& lives) const {
  // Its command line is gone before its sockets are: its successor needs the addresses.
  const Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  if (!ended.valid() && errno != ESRCH)
    return fail(ErrorCode::Unavailable, "cannot take hold of dnsmasq", std::strerror(errno));
  // By the handle, which is its own from here on though its number became another's.
  const auto tell = [&](int signal) {
    ::syscall(SYS_pidfd_send_signal, ended.get(), signal, nullptr, 0U);
  };
  if (!ended.valid() || !lives(process)) return Result<void>();
  tell(SIGTERM);
  const auto patience = Steady::now() + kStopPatience;
  while (lives(process)) {
    if (Steady::now() >= patience) tell(SIGKILL);
    if (Steady::now() >= patience + kStopPatience) {
      return fail(ErrorCode::Unavailable, "dnsmasq does not end", folder_);
    }
    std::this_thread::sleep_for(kStep);
  }
  pollfd waiting{ended.get(), POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(1'000 * kStopPatience.count())) == 0)
    return fail(ErrorCode::Unavailable, "dnsmasq does not end", folder_);
  return Result<void>();
}

Result<void> Dnsmasq::remove() {
  CLOUDOS_CHECK(stop());
  for (const auto* file :
       {"dnsmasq.conf", "hosts", "options", "names", "leases", "dnsmasq.pid", kUnread,
        "dnsmasq.conf.new", "hosts.new", "options.new", "names.new", "leases.new",
        "unread.new"}) {
    ::unlink(path(file).c_str());
  }
  if (::rmdir(folder_.c_str()) != 0 && errno != ENOENT) {
    return fail(ErrorCode::Unavailable,
                std::string("cannot remove the DHCP server's folder: ") + std::strerror(errno),
                folder_);
  }
  return Result<void>();
}

}  // namespace cloudos::network::linuxbridge
