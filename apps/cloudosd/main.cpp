#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "cloudos/cloud.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/images.hpp"
#include "cloudosd/activation.hpp"
#include "cloudosd/liveness.hpp"
#include "cloudosd/log_lines.hpp"
#include "cloudosd/notify.hpp"
#include "cloudosd/options.hpp"
#include "cloudosd/reload.hpp"
#include "cloudosd/rootless.hpp"
#include "cloudosd/server.hpp"
#include "cloudosd/signals.hpp"
#include "rest/router.hpp"

/// The order of start and stop, and what each signal does.
namespace {

namespace config = cloudos::config;
using cloudos::Result;
using cloudosd::Action;

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr std::chrono::seconds kLoopPatience{5};

constexpr int kLargeBlock = 2 << 20;  // Its own pages; given back at once.
constexpr int kHeapKept = 4 << 20;    // Free at a heap's end; more is given back.

/// A process that serves thousands of connections on few threads needs descriptors, and no heap
/// per thread.
void prepare_process() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  ::mallopt(M_ARENA_MAX, 2);
  // Replies of a megabyte come and go: their memory is not given back to be faulted in again.
  ::mallopt(M_MMAP_THRESHOLD, kLargeBlock);
  ::mallopt(M_TRIM_THRESHOLD, kHeapKept);
}

int failed(const std::string& message) {
  fmt::print(stderr, "cloudosd: {}\n", message);
  return kFailed;
}

int shown(const std::string& text) {
  fmt::print("{}", text);
  return std::fflush(stdout) == 0 ? 0 : kFailed;
}

/// On later starts the file is not looked at, so it need not be there any more.
Result<void> take_admin_password(cloudosd::Command& command) {
  if (!command.admin_password_file) return Result<void>();
  auto password = cloudosd::read_password_file(*command.admin_password_file);
  if (password)
    command.cloud.admin_password = std::move(*password);
  else if (!std::filesystem::exists(command.cloud.data_dir / "clouds.yaml"))
    return cloudos::fail(password.error());
  return Result<void>();
}

/// What runs, as long as it runs.
struct Running {
  cloudos::Cloud& cloud;
  cloudosd::Server& server;
  cloudosd::LogOutput& output;
  const cloudosd::Notifier& manager;
  std::string status;  ///< For the service manager, while all is well.
};

/// Which addresses speak https is settled when they are bound.
Result<void> reload_certificate(cloudosd::Server& server, const cloudosd::TlsFiles& files) {
  const auto places = server.bound();
  const bool https =
      std::any_of(places.begin(), places.end(), [](const auto& place) { return place.tls; });
  if (https == files.certificate.empty())
    return cloudos::fail(cloudos::ErrorCode::Unsupported,
                         https ? "an address speaks https until the restart"
                               : "no address speaks https before the restart");
  return https ? server.reload_tls(files) : Result<void>();
}

/// Every part that a reload changes, in one place.
void add_parts(cloudosd::Reloader& reloader, const Running& running) {
  reloader.add("the log", {"log"}, [&running](const config::Settings& next) {
    running.output.set_format(cloudosd::log_format(next));
    running.cloud.set_log_levels(cloudosd::log_levels(next));
    return running.output.reopen();
  });
  reloader.add("the policy", {}, [&running](const config::Settings&) {
    return running.cloud.identity().reload_policy();
  });
  reloader.add("the protected properties of images", {}, [&running](const config::Settings&) {
    if (!running.cloud.services().images) return Result<void>();
    return running.cloud.images().reload_property_protections();
  });
  reloader.add("tokens and passwords", {"identity", "security_compliance"},
               [&running](const config::Settings& next) -> Result<void> {
                 CLOUDOS_CHECK(running.cloud.identity().set_token_lifetime(
                     std::chrono::seconds(next.number("identity", "token_lifetime"))));
                 CLOUDOS_CHECK(running.cloud.identity().set_password_hashing(
                     cloudosd::password_hashing(next)));
                 return running.cloud.identity().set_account_rules(cloudosd::account_rules(next));
               });
  reloader.add("the number of connections", {"server"},
               [&running](const config::Settings& next) -> Result<void> {
                 running.server.set_connections(next.number("server", "connections"));
                 return Result<void>();
               });
  reloader.add("the certificate", {"tls"}, [&running](const config::Settings& next) {
    return reload_certificate(running.server, cloudosd::tls_files(next));
  });
}

void reload(cloudosd::Reloader& reloader, const Running& running) {
  running.manager.reloading();
  const bool good = reloader.reload();
  running.manager.ready(good ? running.status
                             : running.status + "; the last reload failed, see the log");
}

/// Whatever the level of the log is: somebody asked for it.
void dump(const Running& running) {
  const std::string text = running.cloud.dump_state() + running.server.dump();
  for (const std::string_view line : cloudos::split(text, '\n'))
    if (!line.empty()) running.output.write({cloudos::LogLevel::Info, "dump", line});
}

/// The parts that a watchdog waits for. A store that answers "full" answers.
std::vector<cloudosd::Liveness::Question> questions(const Running& running) {
  return {{"HTTP threads",
           [&running] {
             return std::string(running.server.answers(kLoopPatience) ? "" : "do not answer");
           }},
          {"cloud", [&running] {
             for (const cloudos::HealthCheck& check : running.cloud.health().checks)
               if (check.name == "runner" && !check.ok) return check.why;
             return std::string();
           }}};
}

std::unique_ptr<cloudosd::Liveness> watch(const Running& running,
                                          const cloudosd::ManagerWishes& wishes) {
  if (!wishes.watchdog || !running.manager.listened()) return nullptr;
  const auto log = running.cloud.log("cloudosd");
  return std::make_unique<cloudosd::Liveness>(
      questions(running),
      cloudosd::Liveness::Reports{
          [&running] { running.manager.alive(); },
          [log](const std::string& why) { log.error("the watchdog is not told: " + why); }},
      *wishes.watchdog / 4);
}

void serve(const Running& running, cloudosd::Reloader& reloader,
           const cloudosd::ManagerWishes& wishes, cloudosd::Signals& signals) {
  running.manager.ready(running.status);
  const auto liveness = watch(running, wishes);
  while (true) {
    switch (signals.next()) {
      case cloudosd::Signals::Event::Reload:
        reload(reloader, running);
        break;
      case cloudosd::Signals::Event::Dump:
        dump(running);
        break;
      case cloudosd::Signals::Event::Stop:
        running.manager.stopping();
        running.cloud.log("cloudosd").info("stopping; guests keep running");
        return;
    }
  }
}

/// Where it listens indeed, which may be more than what clients are told.
std::string places_of(const cloudosd::Server& server) {
  std::string places;
  for (const cloudosd::Listen& place : server.bound()) {
    const bool brackets = place.address.find(':') != std::string::npos;
    places += fmt::format("{}{}://{}{}{}:{}", places.empty() ? "" : ", ",
                          place.tls ? "https" : "http", brackets ? "[" : "", place.address,
                          brackets ? "]" : "", place.port);
  }
  return places;
}

int run(const cloudosd::Invocation& invocation, const config::Settings& settings) {
  prepare_process();
  cloudosd::prepare_rootless(settings.text("cloud", "data_dir"));
  const auto wishes = cloudosd::take_manager_wishes();
  const cloudosd::Notifier manager(wishes.notify_socket);
  cloudosd::Signals signals;
  cloudosd::Command command = cloudosd::make_command(settings);
  auto passed = cloudosd::take_passed_sockets(!command.server.tls.certificate.empty());
  if (!passed) return failed(passed.error().message);
  if (!passed->empty()) command.server.listen = std::move(*passed);
  const auto output = cloudosd::LogOutput::open(command.log_file, command.log_format);
  if (!output) return failed(output.error().message);

  cloudosd::Server server(command.server);
  if (const auto bound = server.bind(); !bound) return failed(bound.error().message);
  const cloudosd::Listen first = server.bound().front();
  const std::string url = command.public_url.value_or(
      cloudosd::default_public_url(first.address, first.port, first.tls));
  command.cloud.public_url = url;
  command.cloud.log = cloudosd::log_sink(*output);
  if (const auto taken = take_admin_password(command); !taken) return failed(taken.error().message);
  const auto folder = std::filesystem::absolute(command.cloud.data_dir).lexically_normal();
  manager.status("opening " + folder.string());
  auto cloud = cloudos::Cloud::open(std::move(command.cloud));
  if (!cloud) {
    if (!cloud.error().detail.empty())
      (*output)->write({cloudos::LogLevel::Error, "cloudosd", cloud.error().detail});
    manager.status(cloud.error().message);
    return failed(cloud.error().message);
  }
  const cloudos::rest::Router router(**cloud);
  server.start(**cloud, router, url);
  fmt::print("cloudosd is ready at {}, data folder {}; access for the admin: {}\n", url,
             folder.string(), (folder / "clouds.yaml").string());
  std::fflush(stdout);
  // A log that is looked through later says by itself which program it is of, and since when.
  (*cloud)->log("cloudosd").info(fmt::format("cloudosd {} answers at {}, data folder {}",
                                             CLOUDOS_VERSION, places_of(server), folder.string()));
  const Running running{**cloud, server, **output, manager, "answers at " + url};
  cloudosd::Reloader reloader(invocation, settings, (*cloud)->log("cloudosd"));
  add_parts(reloader, running);
  serve(running, reloader, wishes, signals);
  server.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
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
  if (invocation.action == Action::SampleConfig) return shown(config::sample_text());

  const auto loaded = cloudosd::load_settings(invocation, cloudosd::own_environment());
  const auto problems = invocation.action == Action::CheckConfig ? cloudosd::all_problems(loaded)
                                                                 : loaded.problems;
  for (const config::Problem& problem : problems)
    fmt::print(stderr, "cloudosd: {}\n", config::to_string(problem));
  if (invocation.action == Action::ShowConfig)
    (void)shown(config::effective_text(loaded.settings, true));
  if (!problems.empty()) return kUsage;
  return invocation.action == Action::Run ? run(invocation, loaded.settings) : 0;
}
