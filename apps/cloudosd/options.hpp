#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "cloudos/cloud.hpp"
#include "cloudosd/server.hpp"

namespace cloudosd {

/// What the command line asks for.
struct Command {
  cloudos::Options cloud;
  ServerOptions server;
  std::optional<std::filesystem::path> admin_password_file;
  std::optional<std::string> public_url;  ///< Without: made of the address and port bound to.
};
struct ShowHelp {};
struct ShowVersion {};
struct UsageError {
  std::string message;  ///< One sentence.
};

/// Pure. `arguments` are those behind the program's name.
std::variant<Command, ShowHelp, ShowVersion, UsageError> parse_arguments(
    std::span<const std::string> arguments);

std::string_view help_text();

/// "http://127.0.0.1:5000" for the address and port; wildcard addresses become loopback's.
std::string default_public_url(const std::string& address, std::uint16_t port);

/// The password in the file: its first line. Errors: Unavailable, InvalidArgument (empty, too
/// long).
cloudos::Result<std::string> read_password_file(const std::filesystem::path& path);

}  // namespace cloudosd
