#pragma once
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "http_load.hpp"
#include "seed.hpp"

namespace cloudos::bench {

/// What a process has had of the CPU so far, in both modes and all threads.
inline double cpu_us_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  // Behind the name, which may hold blanks: the 12th and 13th are the ticks in both modes.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) * 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// A cloudosd with its log in a file, as in production, and its admin's token.
class Daemon {
 public:
  /// Guests are simulated, and networks too unless they are to be real ones of this namespace.
  enum class Plane : std::uint8_t { Simulated, LinuxBridge };
  explicit Daemon(const std::filesystem::path& folder, Plane plane = Plane::Simulated) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "password") << "bench\n";
    const std::string program =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "cloudosd").string();
    const std::string data = folder / "data", password = folder / "password", log = folder / "log";
    const std::string config = folder / "config";
    std::ofstream(config) << "[hypervisor]\nbackend = simulated\nsimulated_hosts = 100\n"
                          << "[network]\nbackend = "
                          << (plane == Plane::LinuxBridge ? "linuxbridge" : "simulated") << "\n";
    const char* argv[] = {program.c_str(), "--data-dir",  data.c_str(),
                          "--listen",      "127.0.0.1:0", "--admin-password-file",
                          password.c_str(), "--config",   config.c_str(),
                          nullptr};
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
  pid_t pid() const { return pid_; }
  /// drive() against it, and what its CPU had to do for one request.
  Load drive(const std::string& request, unsigned connections, std::chrono::milliseconds warm_up,
             std::chrono::milliseconds during, double& cpu_us) const {
    const double before = cpu_us_so_far();
    const Load load = bench::drive(port_, request, connections, warm_up, during);
    cpu_us = (cpu_us_so_far() - before) / static_cast<double>(load.replies);
    return load;
  }
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
    return post(
        "/identity/v3/auth/tokens",
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
  double cpu_us_so_far() const { return cpu_us_of(pid_); }

  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace cloudos::bench
