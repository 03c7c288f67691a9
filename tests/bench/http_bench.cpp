// Tokens over HTTP, beside what HTTP alone costs.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "bench.hpp"
#include "http_load.hpp"
#include "seed.hpp"

namespace cloudos::bench {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kClients = 16;
constexpr unsigned kIoThreads = 2;

/// A cloudosd with its log in a file, as in production, and its admin's token.
class Daemon {
 public:
  explicit Daemon(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "password") << "bench\n";
    const std::string program =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "cloudosd").string();
    const std::string data = folder / "data", password = folder / "password", log = folder / "log";
    const char* argv[] = {program.c_str(), "--data-dir",  data.c_str(),
                          "--listen",      "127.0.0.1:0",  "--admin-password-file",
                          password.c_str(), "--simulated", nullptr};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    int said[2];
    if (::pipe2(said, O_CLOEXEC) != 0) give_up("http: no pipe");
    posix_spawn_file_actions_adddup2(&files, said[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, 2, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (::posix_spawn(&pid_, program.c_str(), &files, nullptr, const_cast<char**>(argv), environ))
      give_up("cannot start " + program);
    posix_spawn_file_actions_destroy(&files);
    ::close(said[1]);
    std::string line;
    for (char c = 0; ::read(said[0], &c, 1) == 1 && c != '\n';) line += c;
    ::close(said[0]);
    const auto at = line.find("http://127.0.0.1:");
    if (at == line.npos) give_up("http: cloudosd did not start; its log is " + log);
    port_ = static_cast<std::uint16_t>(std::atoi(line.c_str() + at + 17));
  }
  ~Daemon() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  std::uint16_t port() const { return port_; }
  static std::string get(const std::string& path, const std::string& fields = {}) {
    return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, fields);
  }
  static std::string post(const std::string& path, const std::string& body) {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\n\r\n{}",
        path, body.size(), body);
  }
  static std::string login(const std::string& identity) {
    return post("/identity/v3/auth/tokens",
                fmt::format(R"({{"auth":{{"identity":{},)"
                            R"("scope":{{"project":{{"name":"admin","domain":{{"id":"default"}}}}}}}}}})",
                            identity));
  }
  static std::string password_login() {
    return login(R"({"methods":["password"],"password":{"user":{"name":"admin",)"
                 R"("domain":{"id":"default"},"password":"bench"}}})");
  }
  std::string token() const {
    const std::string reply = ask_once(port_, password_login());
    const auto at = reply.find("X-Subject-Token: ");
    if (at == std::string::npos) give_up("http: no token: " + reply.substr(0, 80));
    return reply.substr(at + 17, reply.find('\r', at) - at - 17);
  }

 private:
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

/// Logs in with passwords as fast as the server hashes, for as long as it lives.
class Logins {
 public:
  Logins(std::uint16_t port, unsigned clients) {
    for (unsigned i = 0; i < clients; ++i)
      threads_.emplace_back([this, port] {
        while (!over_) {
          if (ask_once(port, Daemon::password_login()).starts_with("HTTP/1.1 201")) ++done_;
        }
      });
  }
  ~Logins() {
    over_ = true;
    for (auto& thread : threads_) thread.join();
  }
  Logins(const Logins&) = delete;
  Logins& operator=(const Logins&) = delete;
  unsigned done() const { return done_; }

 private:
  std::atomic<bool> over_{false};
  std::atomic<unsigned> done_{0};
  std::vector<std::thread> threads_;
};

struct Times {
  std::chrono::milliseconds warm_up, during;
  int rounds;
};

Figure against_hello(const char* name, const char* what, const Daemon& daemon,
                     const std::string& request, const Times& times) {
  const HelloServer hello(kIoThreads);
  const std::string plain = Daemon::get("/");
  Rounds rounds;
  for (int i = 0; i < times.rounds; ++i) {
    const Load ours = drive(daemon.port(), request, kClients, times.warm_up, times.during);
    const Load reference = drive(hello.port(), plain, kClients, times.warm_up, times.during);
    rounds.add(ours.per_second, reference.per_second);
  }
  return rounds.figure(name, fmt::format("{}, {} connections; reference: hello world with "
                                         "Boost.Beast, same client", what, kClients),
                       "requests/s");
}

Figure beside_hashing(const char* name, const Daemon& daemon, const std::string& request,
                      unsigned clients, const Times& times) {
  Rounds rounds;
  unsigned logins = 0;
  for (int i = 0; i < times.rounds; ++i) {
    const Load alone = drive(daemon.port(), request, clients, times.warm_up, times.during);
    const Logins busy(daemon.port(), 8);
    const Load beside = drive(daemon.port(), request, clients, times.warm_up, times.during);
    rounds.add(beside.p99_us, alone.p99_us);
    logins += busy.done();
  }
  return rounds.figure(name,
                       fmt::format("99th percentile of a validation, {} connections, while "
                                   "passwords are hashed ({} logins); reference: alone",
                                   clients, logins),
                       "us");
}

}  // namespace

std::vector<Figure> bench_http(const Settings& settings) {
  const Times times = settings.quick ? Times{10ms, 50ms, 1} : Times{300ms, 2'000ms, 7};
  const Daemon daemon(settings.folder / "http");
  const std::string token = daemon.token();
  const std::string validate =
      Daemon::get("/identity/v3/auth/tokens",
                  fmt::format("X-Auth-Token: {0}\r\nX-Subject-Token: {0}\r\n", token));
  const std::string renew = Daemon::login(
      fmt::format(R"({{"methods":["token"],"token":{{"id":"{}"}}}})", token));
  std::vector<Figure> figures;
  if (settings.wants("http.validate"))
    figures.push_back(
        against_hello("http.validate", "GET /v3/auth/tokens of one's own token", daemon, validate,
                      times));
  if (settings.wants("http.token_for_token"))
    figures.push_back(against_hello("http.token_for_token", "POST /v3/auth/tokens with a token",
                                    daemon, renew, times));
  if (settings.wants("http.p99_hashing"))
    figures.push_back(beside_hashing("http.p99_hashing", daemon, validate, kClients, times));
  if (settings.wants("http.p99_hashing_one"))
    figures.push_back(beside_hashing("http.p99_hashing_one", daemon, validate, 1, times));
  return figures;
}

}  // namespace cloudos::bench
