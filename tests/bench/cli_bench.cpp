// The command line client as people and scripts meet it: one process a command.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "bench.hpp"
#include "daemon.hpp"

namespace cloudos::bench {
namespace {

/// From the start of a process to its end, with nobody to read what it says.
double process_ms(const std::vector<std::string>& words, const std::vector<std::string>& variables) {
  std::vector<char*> argv, envp;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  for (const std::string& one : variables) envp.push_back(const_cast<char*>(one.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const auto began = std::chrono::steady_clock::now();
  pid_t pid = -1;
  if (::posix_spawn(&pid, argv[0], &files, nullptr, argv.data(), envp.data()) != 0)
    give_up("cannot start " + words[0]);
  posix_spawn_file_actions_destroy(&files);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status != 0) give_up("cli: " + words[0] + " " + words[1] + " failed");
  return ms_since(began);
}

}  // namespace

std::vector<Figure> bench_cli(const Settings& settings) {
  std::vector<Figure> figures;
  if (!settings.wants("cli.server_list")) return figures;
  const Daemon daemon(settings.folder / "cli");
  const std::string program =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "cloudos").string();
  const std::vector<std::string> variables = {
      fmt::format("OS_AUTH_URL=http://127.0.0.1:{}/identity/v3", daemon.port()),
      "OS_USERNAME=admin",
      "OS_PASSWORD=bench",
      "OS_PROJECT_NAME=admin",
      "OS_USER_DOMAIN_ID=default",
      "OS_PROJECT_DOMAIN_ID=default",
      "PATH=/usr/bin:/bin",
      "XDG_CACHE_HOME=" + (settings.folder / "cli").string()};
  const std::vector<std::string> list = {program, "server", "list"};
  process_ms(list, variables);  // Logs in; the token is kept for those that follow.
  Rounds rounds;
  for (int i = 0; i < (settings.quick ? 1 : 41); ++i) {
    const double ours = process_ms(list, variables);
    rounds.add(ours, process_ms({"/bin/sh", "-c", ":"}, variables));
  }
  figures.push_back(rounds.figure("cli.server_list",
                                  "`cloudos server list` over HTTP with a kept token, the whole "
                                  "process; reference: an empty shell",
                                  "ms"));
  return figures;
}

}  // namespace cloudos::bench
