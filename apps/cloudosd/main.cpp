#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "cloudos/cloud.hpp"
#include "cloudosd/log_lines.hpp"
#include "cloudosd/options.hpp"
#include "cloudosd/server.hpp"
#include "rest/router.hpp"

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

int stop_event = -1;

extern "C" void on_stop_signal(int) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_event, &one, sizeof one);
}
extern "C" void on_ignored_signal(int) {}

/// Handlers and not masks or SIG_IGN: those would be inherited by QEMU and dnsmasq. A second
/// signal ends the program at once.
void catch_signals() {
  stop_event = ::eventfd(0, EFD_CLOEXEC);
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  action.sa_handler = on_ignored_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGPIPE, &action, nullptr);
}

void wait_for_stop() {
  pollfd fd{stop_event, POLLIN, 0};
  while (::poll(&fd, 1, -1) < 0 && errno == EINTR) {
  }
}

/// A process that serves thousands of connections on few threads needs descriptors, and no heap
/// per thread.
void prepare_process() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  ::mallopt(M_ARENA_MAX, 2);
}

int failed(const std::string& message) {
  fmt::print(stderr, "cloudosd: {}\n", message);
  return kFailed;
}

int shown(const std::string& text) {
  fmt::print("{}", text);
  return std::fflush(stdout) == 0 ? 0 : kFailed;
}

int run(cloudosd::Command command) {
  prepare_process();
  catch_signals();
  cloudosd::Server server(command.server);
  if (const auto bound = server.bind(); !bound) return failed(bound.error().message);
  const std::string url = command.public_url.value_or(cloudosd::default_public_url(
      command.server.listen.front().address, server.port(), command.server.listen.front().tls));
  command.cloud.public_url = url;
  command.cloud.log = cloudosd::stderr_lines();
  if (command.admin_password_file) {
    auto password = cloudosd::read_password_file(*command.admin_password_file);
    // On later starts the file is not looked at, so it need not be there any more.
    if (password)
      command.cloud.admin_password = std::move(*password);
    else if (!std::filesystem::exists(command.cloud.data_dir / "clouds.yaml"))
      return failed(password.error().message);
  }
  const std::filesystem::path folder = command.cloud.data_dir;
  auto cloud = cloudos::Cloud::open(std::move(command.cloud));
  if (!cloud) {
    if (!cloud.error().detail.empty())
      cloudosd::stderr_lines()({cloudos::LogLevel::Error, "cloudosd", cloud.error().detail, {}});
    return failed(cloud.error().message);
  }
  const cloudos::rest::Router router(**cloud);
  server.start(**cloud, router, url);
  fmt::print("cloudosd is ready at {}, data folder {}; access for the admin: {}\n", url,
             std::filesystem::absolute(folder).lexically_normal().string(),
             (std::filesystem::absolute(folder) / "clouds.yaml").lexically_normal().string());
  std::fflush(stdout);
  wait_for_stop();
  (*cloud)->log("cloudosd").info("stopping; guests keep running");
  server.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  using Action = cloudosd::Invocation::Action;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto parsed = cloudosd::parse_arguments(arguments);
  if (const auto* error = std::get_if<cloudosd::UsageError>(&parsed)) {
    fmt::print(stderr, "cloudosd: {} See cloudosd --help.\n", error->message);
    return kUsage;
  }
  const auto& invocation = std::get<cloudosd::Invocation>(parsed);
  if (invocation.action == Action::Help) return shown(cloudosd::help_text());
  if (invocation.action == Action::Version)
    return shown(fmt::format("cloudosd {}\n", CLOUDOS_VERSION));
  if (invocation.action == Action::SampleConfig) return shown(cloudos::config::sample_text());

  const auto loaded = cloudosd::load_settings(invocation, cloudosd::own_environment());
  auto problems = loaded.problems;
  if (problems.empty() && invocation.action != Action::Run)
    problems = cloudosd::check_machine(loaded.settings);
  for (const auto& problem : problems)
    fmt::print(stderr, "cloudosd: {}\n", cloudos::config::to_string(problem));
  if (invocation.action == Action::ShowConfig)
    (void)shown(cloudos::config::effective_text(loaded.settings, true));
  if (!problems.empty()) return kUsage;
  if (invocation.action != Action::Run) return 0;
  return run(cloudosd::make_command(loaded.settings));
}
