#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/caught.hpp"
#include "base/text.hpp"
#include "run.hpp"
#include "shell.hpp"
#include "speech.hpp"
#include "token_cache.hpp"
#include "wait.hpp"

/// The command line: words lead to a command of the table, which says what else may be given.
///
/// Two programs are made of this file. `cloudos` does verbs over HTTP: it loads no hypervisor's
/// library, which alone takes longer than a list. Whatever else is asked of it, it runs
/// `cloudos-local`, which has the whole cloud in it.
namespace cli {

#if !CLOUDOS_CLI_WHOLE
// Commands about folders and files are the whole program's.
std::span<const AdminCommand> admin_commands() {
  return {};
}
#endif

namespace {

using cloudos::Result;
namespace verbs = cloudos::verbs;

std::optional<std::string> environment_value(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (!value || !*value) return std::nullopt;
  return std::string(value);
}

int usage_error(const std::string& message) {
  fmt::print(stderr, "cloudos: {}\n", tr(message));
  return kUsage;
}

#if CLOUDOS_CLI_WHOLE
bool only_reads(const Leaf& leaf, const Given& given) {
  if (leaf.own) {
    const verbs::Verb* called = leaf.words == "call" ? verbs::find(value_of(given, "VERB")) : nullptr;
    return leaf.words != "call" || (called && called->method == "GET");
  }
  return !leaf.verbs.empty() &&
         std::all_of(leaf.verbs.begin(), leaf.verbs.end(),
                     [](const verbs::Command* each) { return each->verb->method == "GET"; });
}
#endif

/// A transport that has logged in; nothing is sent where a token of an earlier login holds.
Result<std::unique_ptr<Transport>> open_transport(const Leaf& leaf, const Given& given,
                                                  Progress& progress) {
#if CLOUDOS_CLI_WHOLE
  if (has(given, "--local"))
    return local_transport({value_of(given, "--local"),
                            has(given, "--os-project-name")
                                ? value_of(given, "--os-project-name")
                                : environment_value("OS_PROJECT_NAME").value_or(""),
                            has(given, "--simulated"), only_reads(leaf, given)});
#endif
  (void)leaf;
  CLOUDOS_TRY(Credentials credentials,
              find_credentials(value_of(given, "--os-cloud"), environment_value));
  if (has(given, "--os-project-name")) {
    if (credentials.by_application_credential())
      return cloudos::fail(cloudos::ErrorCode::InvalidArgument,
                           "--os-project-name: an application credential is for its project alone.");
    credentials.system_scope.clear();
    credentials.project_name = value_of(given, "--os-project-name");
    credentials.project_id.clear();
  }
  if (has(given, "--os-system-scope"))
    credentials.system_scope = value_of(given, "--os-system-scope");
  if (!credentials.system_scope.empty() && credentials.system_scope != "all")
    return cloudos::fail(cloudos::ErrorCode::InvalidArgument,
                         "A system's scope is 'all': the whole cloud.");
  if (has(given, "--os-region-name")) credentials.region = value_of(given, "--os-region-name");
  HttpSettings settings;
  settings.http = {credentials.verify, credentials.ca_file, nullptr};
  if (progress.terminal())
    settings.http.progress = [&progress](std::uint64_t sent, std::uint64_t total) {
      progress.show(fmt::format("uploading: {} %", total ? sent * 100 / total : 100));
    };
  if (!has(given, "--no-cache")) settings.cache_dir = cache_folder(environment_value);
  settings.credentials = std::move(credentials);
  auto transport = http_transport(std::move(settings));
  CLOUDOS_CHECK(transport->login());
  return transport;
}

int run_with_session(const Leaf& leaf, const Given& given) {
  // What is wrong with the command is said before anyone logs in.
  if (!leaf.verbs.empty()) {
    const auto printing = printing_of(given);
    if (!printing) return usage_error(printing.error().message);
    if (auto chosen = chosen_verbs(leaf, given); !chosen) {
      fmt::print(stderr, "cloudos {}: {}\n{} {}\n", leaf.words, tr(chosen.error().message),
                 tr("Usage:"), usage_of(leaf));
      return kUsage;
    }
  }
  Progress progress;
  auto transport = open_transport(leaf, given, progress);
  if (!transport) {
    (void)report(transport.error());
    return kNoCloud;
  }
  Session session(std::move(*transport));
  const int code =
      leaf.own ? run_own(session, leaf, given) : run_verbs(session, leaf, given);
  if (const std::string left = session.transport().left_undone(); !left.empty())
    fmt::print(stderr, "cloudos: {}\n", tr(left));
  return code;
}

int run_leaf(const Leaf& leaf, const std::vector<std::string>& rest) {
  const std::vector<Option> options = options_of(leaf);
  for (const std::string& word : rest)
    if (word == "--help" || word == "-h") return print_text(help_of(leaf)) ? kDone : kFailed;
  const auto given = parse_args(options, rest);
  if (!given) {
    fmt::print(stderr, "cloudos {}: {}\n{} {}\n", leaf.words, tr(given.error().message),
               tr("Usage:"), usage_of(leaf));
    return kUsage;
  }
  if (has(*given, "--simulated") && !has(*given, "--local") && !leaf.admin)
    return usage_error("--simulated goes with --local");
  if (leaf.admin) {
    AdminGiven admin;
    for (const auto& [flag, values] : *given) admin[flag] = values;
    return leaf.admin->run(admin);
  }
  if (leaf.own && needs_no_session(leaf)) return run_own_alone(leaf, *given);
  return run_with_session(leaf, *given);
}

#if !CLOUDOS_CLI_WHOLE
/// Verbs over HTTP; all else needs the whole program.
bool is_for_this_program(const Resolved& resolved) {
  if (!resolved.leaf || (resolved.leaf->own && needs_no_session(*resolved.leaf))) return false;
  for (const std::string& word : resolved.rest)
    if (word == "--help" || word == "-h" || word == "--local" || word.starts_with("--local="))
      return false;
  return true;
}

/// Beside this program, or where installations keep programs that people do not call themselves.
int run_whole_program(char** argv) {
  std::error_code ec;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ec);
  const auto folder = self.parent_path();
  for (const auto& place : {folder / "cloudos-local", folder / "../libexec/cloudos/cloudos-local"})
    ::execv(place.c_str(), argv);
  fmt::print(stderr,
             "cloudos: there is no program cloudos-local beside {}; this command needs it.\n",
             self.string());
  return kFailed;
}
#endif

int start(const std::vector<std::string>& arguments, [[maybe_unused]] char** argv) {
  if (!arguments.empty() && arguments[0] == "--version")
    return print_text("cloudos " CLOUDOS_VERSION "\n") ? kDone : kFailed;
  const Resolved resolved = resolve(arguments);
#if !CLOUDOS_CLI_WHOLE
  if (!is_for_this_program(resolved)) return run_whole_program(argv);
#endif
  if (resolved.leaf) return run_leaf(*resolved.leaf, resolved.rest);
  for (const std::string& word : resolved.rest) {
    if (word == "--help" || word == "-h")
      return print_text(help_of_group(resolved.words)) ? kDone : kFailed;
    // The first word that leads nowhere.
    if (!word.starts_with("-")) break;
  }
  return usage_error(no_such_command(resolved));
}

}  // namespace
}  // namespace cli

int main(int argc, char** argv) {
  // A cloud of any make may answer: one that sends other shapes than the API's ends no program.
  const auto done = cloudos::caught(
      cloudos::ErrorCode::Internal, "the cloud's reply is not what it should be",
      [&]() -> cloudos::Result<int> {
        return cli::start(std::vector<std::string>(argv + 1, argv + argc), argv);
      });
  if (done) return *done;
  const std::string text =
      fmt::format("cloudos: {} ({})\n", cli::tr(done.error().message), done.error().detail);
  (void)std::fputs(text.c_str(), stderr);  // It may be that which cannot be written to.
  return cli::kFailed;
}
