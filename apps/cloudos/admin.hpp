#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Commands about a data folder or a file on this machine instead of a cloud's things: they need no
/// login. Parsing, help, completion and man pages are made from this table as from that of nouns.
namespace cli {

struct AdminOption {
  std::string_view flag;   ///< "--data-dir"; without dashes a positional argument: "FILE".
  std::string_view value;  ///< What stands behind it in the help: "DIR"; empty: a switch.
  std::string_view help;
  bool required = false;
  bool repeated = false;
};

/// What was given, by flag; a switch that was given has one empty text.
using AdminGiven = std::map<std::string, std::vector<std::string>, std::less<>>;

struct AdminCommand {
  std::string_view words;  ///< "config check"
  std::string_view help;   ///< One sentence.
  std::span<const AdminOption> options;
  int (*run)(const AdminGiven& given);  ///< Returns the exit code.
};

std::span<const AdminCommand> admin_commands();

/// The first value of an option; empty when it was not given.
std::string admin_value(const AdminGiven& given, std::string_view flag);

}  // namespace cli
