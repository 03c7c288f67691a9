#pragma once
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

extern char** environ;

/// Programs as tests run them: started, watched and ended by their own process id, with folders
/// that go when the test goes.
namespace program_test {

/// AddressSanitizer keeps freed memory back: bounds on memory mean something only without it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kMeasuresMemory = false;
#elif defined(__has_feature)  // clang's way of saying it
inline constexpr bool kMeasuresMemory =
    !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
inline constexpr bool kMeasuresMemory = true;
#endif

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "cloudos-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

using Variables = std::map<std::string, std::string>;

/// A running program with its stdout in a pipe and its stderr in a file.
class Program {
 public:
  Program(std::vector<std::string> words, const std::filesystem::path& errors,
          const Variables& variables = {}) {
    int out[2];
    REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    std::vector<char*> argv, envp;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::vector<std::string> environment;
    for (char** entry = environ; *entry; ++entry)
      if (std::string_view(*entry).substr(0, 3) != "OS_") environment.emplace_back(*entry);
    for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
    for (std::string& entry : environment) envp.push_back(entry.data());
    envp.push_back(nullptr);
    const int failed =
        ::posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    out_ = out[0];
    REQUIRE(failed == 0);
  }
  ~Program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      (void)wait();
    }
    ::close(out_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const { REQUIRE(::kill(pid_, number) == 0); }
  /// Waits for the end; the exit code, or 128 and the signal.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  /// The next line of stdout; empty at the end.
  std::string read_line() {
    std::string line;
    char c = 0;
    while (::read(out_, &c, 1) == 1 && c != '\n') line += c;
    return line;
  }
  std::string read_all() {
    std::string text;
    char buffer[4096];
    ssize_t count = 0;
    while ((count = ::read(out_, buffer, sizeof buffer)) > 0)
      text.append(buffer, static_cast<std::size_t>(count));
    return text;
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

struct Ran {
  int code = -1;
  std::string out, err;
};

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Runs a program to its end.
inline Ran run_program(std::vector<std::string> words, const Variables& variables = {}) {
  TempDir dir;
  const auto errors = dir.path() / "stderr";
  Program program(std::move(words), errors, variables);
  Ran ran;
  ran.out = program.read_all();
  ran.code = program.wait();
  ran.err = text_of(errors);
  return ran;
}

/// A cloudosd with simulated drivers on a free port of 127.0.0.1 and a folder of its own.
class Cloudosd {
 public:
  explicit Cloudosd(const std::string& program, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {program,    "--data-dir",  data_dir().string(),
                                      "--listen", "127.0.0.1:0", "--simulated"};
    words.insert(words.end(), more.begin(), more.end());
    process_ = std::make_unique<Program>(words, dir_.path() / "log");
    ready_line = process_->read_line();
    const auto at = ready_line.find("http://127.0.0.1:");
    const std::string said = ready_line + "\n" + log();
    INFO(said);
    REQUIRE(at != std::string::npos);
    port = static_cast<std::uint16_t>(std::atoi(ready_line.c_str() + at + 17));
    REQUIRE(port != 0);
  }
  Program& process() { return *process_; }
  std::filesystem::path data_dir() const { return dir_.path() / "data"; }
  std::string log() const { return text_of(dir_.path() / "log"); }
  /// What the command line client needs to find this cloud.
  Variables client_variables() const {
    return {{"OS_CLOUD", "cloudos"},
            {"OS_CLIENT_CONFIG_FILE", (data_dir() / "clouds.yaml").string()},
            {"XDG_CACHE_HOME", (dir_.path() / "cache").string()}};
  }

  std::string ready_line;
  std::uint16_t port = 0;

 private:
  TempDir dir_;
  std::unique_ptr<Program> process_;
};

/// A raw TCP connection: what is sent is exactly what is written here.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(socket_ >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~RawConnection() { ::close(socket_); }
  RawConnection(RawConnection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), held_(std::move(other.held_)) {}
  RawConnection& operator=(RawConnection&&) = delete;

  /// False when the other side closed meanwhile.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// Says that no more comes.
  void finish() { ::shutdown(socket_, SHUT_WR); }

  struct Reply {
    int status = 0;  ///< 0: the connection ended first.
    std::string head, body;
    bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
  };
  /// One reply, by its Content-Length; `bodyless` for those to HEAD.
  Reply read_reply(bool bodyless = false) {
    Reply reply;
    while (held_.find("\r\n\r\n") == std::string::npos)
      if (!receive()) return reply;
    const auto end = held_.find("\r\n\r\n") + 4;
    reply.head = held_.substr(0, end);
    held_.erase(0, end);
    reply.status = std::atoi(reply.head.c_str() + 9);
    const auto at = reply.head.find("Content-Length: ");
    const std::size_t length =
        at == std::string::npos || bodyless ? 0 : std::stoul(reply.head.substr(at + 16));
    while (held_.size() < length)
      if (!receive()) return {};
    reply.body = held_.substr(0, length);
    held_.erase(0, length);
    return reply;
  }
  /// True when the other side ends the connection within `patience`; what comes first is dropped.
  bool ended_within(std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      pollfd fd{socket_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&fd, 1, static_cast<int>(left.count())) <= 0) return false;
      if (!receive()) return true;
    }
  }

 private:
  bool receive() {
    char buffer[16384];
    pollfd fd{socket_, POLLIN, 0};
    if (::poll(&fd, 1, 30'000) <= 0) return false;
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count <= 0) return false;
    held_.append(buffer, static_cast<std::size_t>(count));
    return true;
  }
  int socket_ = -1;
  std::string held_;
};

}  // namespace program_test
