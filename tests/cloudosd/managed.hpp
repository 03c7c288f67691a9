#pragma once
#include <sys/un.h>

#include <cstddef>
#include <functional>
#include <optional>

#include "support/program.hpp"

/// cloudosd as an operator has it: with a configuration file, under a service manager.
namespace managed_test {

using namespace program_test;
using namespace std::chrono_literals;

/// Asks until it is so, for at most `patience`.
inline bool becomes(const std::function<bool()>& so, std::chrono::milliseconds patience = 20s) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!so()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

/// The service manager's end of NOTIFY_SOCKET.
class Manager {
 public:
  /// `name`: a path, or "@..." for the abstract space.
  explicit Manager(std::string name) : name_(std::move(name)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(name_.size() < sizeof address.sun_path);
    std::copy(name_.begin(), name_.end(), address.sun_path);
    const bool abstract = name_[0] == '@';
    if (abstract) address.sun_path[0] = '\0';
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const auto size = offsetof(sockaddr_un, sun_path) + name_.size() + (abstract ? 0 : 1);
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(size)) ==
            0);
  }
  ~Manager() { ::close(socket_); }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  const std::string& name() const { return name_; }
  /// The next message; nothing when none comes in time.
  std::optional<std::string> next(std::chrono::milliseconds patience = 20s) {
    pollfd fd{socket_, POLLIN, 0};
    if (::poll(&fd, 1, static_cast<int>(patience.count())) <= 0) return std::nullopt;
    char buffer[4096];
    const ssize_t size = ::recv(socket_, buffer, sizeof buffer, 0);
    return size < 0 ? std::string() : std::string(buffer, static_cast<std::size_t>(size));
  }
  /// The next one that begins like this; those before it are dropped.
  std::optional<std::string> next_like(const std::string& start,
                                       std::chrono::milliseconds patience = 20s) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      if (left.count() <= 0) return std::nullopt;
      auto message = next(left);
      if (!message || message->substr(0, start.size()) == start) return message;
    }
  }

 private:
  std::string name_;
  int socket_ = -1;
};

/// Simulated, on a free port, quick to start; `more` is added to its file, whose last section is
/// [log].
class Managed {
 public:
  explicit Managed(const std::string& more = {}, Variables variables = {},
                   std::vector<std::string> before = {}) {
    configure(more);
    std::vector<std::string> words = std::move(before);
    for (const std::string& word : {std::string(CLOUDOSD_PROGRAM), std::string("--config"), file()})
      words.push_back(word);
    process = std::make_unique<Program>(words, log_file(), variables);
  }
  /// Waits for the line on stdout; the port it names.
  std::uint16_t ready() {
    const std::string line = process->read_line();
    const std::string said = line + "\n" + log();
    INFO(said);
    const auto at = line.find("://");
    REQUIRE(at != std::string::npos);
    const auto colon =
        line.find(':', line.find(']', at) == std::string::npos ? at + 3 : line.find(']', at));
    REQUIRE(colon != std::string::npos);
    return static_cast<std::uint16_t>(std::atoi(line.c_str() + colon + 1));
  }
  void configure(const std::string& more) {
    dir.file("cloudos.conf",
             "[cloud]\ndata_dir = data\n[server]\nlisten = 127.0.0.1:0\n[hypervisor]\n"
             "backend = simulated\n[network]\nbackend = simulated\n[identity]\n"
             "password_cost = 4\n[log]\n" +
                 more);
  }
  /// SIGHUP, and waits until it has been seen to; what was logged since.
  std::string reload() {
    const std::size_t before = log().size();
    process->signal(SIGHUP);
    std::string news;
    const bool seen = becomes([&] {
      news = log().substr(before);
      return news.find("configuration reloaded") != std::string::npos ||
             news.find("stays in force\n") != std::string::npos ||
             news.find("not reloaded, what was there") != std::string::npos;
    });
    CAPTURE(news);
    CHECK(seen);
    return news;
  }
  int stop() {
    process->signal(SIGTERM);
    return process->wait();
  }
  std::string file() const { return (dir.path() / "cloudos.conf").string(); }
  std::filesystem::path log_file() const { return dir.path() / "stderr"; }
  std::string log() const { return text_of(log_file()); }

  TempDir dir;
  std::unique_ptr<Program> process;
};

inline int status_of(std::uint16_t port, const std::string& path) {
  RawConnection client(port);
  client.send("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  return client.read_reply().status;
}

}  // namespace managed_test
