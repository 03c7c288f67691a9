#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "cloudos/cloud.hpp"
#include "cloudosd/log_lines.hpp"
#include "cloudosd/server.hpp"
#include "config/settings.hpp"

namespace cloudosd {

/// What the command line asks for.
struct Invocation {
  enum class Action { Run, CheckConfig, ShowConfig, SampleConfig, Help, Version };
  Action action = Action::Run;
  cloudos::config::Layer flags;
  std::optional<std::string> config_file;  ///< Without: config::kDefaultFile, when it is there.
};
using Action = Invocation::Action;
struct UsageError {
  std::string message;  ///< Sentences, one for each thing that is wrong.
};

/// Pure. `arguments` are those behind the program's name.
std::variant<Invocation, UsageError> parse_arguments(std::span<const std::string> arguments);

/// The file (if there is one), the environment and the flags, merged. Reads the file each time.
cloudos::config::Merged load_settings(const Invocation& invocation,
                                      std::span<const std::string> environment);
/// This process's variables, as "NAME=value".
std::vector<std::string> own_environment();

/// What cloudosd is made of.
struct Command {
  cloudos::Options cloud;
  ServerOptions server;
  std::optional<std::filesystem::path> admin_password_file;
  std::optional<std::string> public_url;  ///< Without: made of the address and port bound to.
  std::filesystem::path log_file;         ///< Empty: stderr.
  LogFormat log_format = LogFormat::Text;
};
/// Pure; the settings are those of load_settings() without problems.
Command make_command(const cloudos::config::Settings& settings);

/// The parts of it that a reload applies.
TlsFiles tls_files(const cloudos::config::Settings& settings);
LogFormat log_format(const cloudos::config::Settings& settings);
cloudos::LogLevels log_levels(const cloudos::config::Settings& settings);
cloudos::PasswordHashing password_hashing(const cloudos::config::Settings& settings);
cloudos::AccountRules account_rules(const cloudos::config::Settings& settings);

/// What only looking at this machine tells: files that cannot be read, a certificate that is none.
/// One sentence each. Changes nothing.
std::vector<cloudos::config::Problem> check_machine(const cloudos::config::Settings& settings);
/// Those of load_settings(), and what check_machine() finds elsewhere.
std::vector<cloudos::config::Problem> all_problems(const cloudos::config::Merged& loaded);

std::string help_text();

/// "http://127.0.0.1:5000" for the address and port; wildcard addresses become loopback's.
std::string default_public_url(const std::string& address, std::uint16_t port, bool tls = false);

/// The password in the file: its first line. Errors: Unavailable, InvalidArgument (empty, too
/// long).
cloudos::Result<std::string> read_password_file(const std::filesystem::path& path);

}  // namespace cloudosd
