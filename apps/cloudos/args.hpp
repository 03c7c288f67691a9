#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/result.hpp"

/// Words of a command line taken apart by a table of options. Pure.
namespace cli {

struct Option {
  std::string_view flag;  ///< "--image"; without dashes it has a place: "SERVER", "SERVER...".
  std::string_view help;
  std::string_view value = {};  ///< What stands behind it in the help; empty: a switch.
  bool required = false;
  bool repeated = false;
  char shorthand = 0;  ///< 'f' of "-f".
};

inline bool has_place(std::string_view flag) {
  return !flag.starts_with("-");
}
/// "SERVER" of "SERVER...".
std::string_view place_name(std::string_view flag);

/// What was given for each option, by flag (of places without dots); a switch has one empty text.
using Given = std::map<std::string, std::vector<std::string>, std::less<>>;

/// "--a x", "--a=x", "-fx", "-f x"; "--" ends options. Errors: InvalidArgument (an unknown option
/// with the nearest one, a value or a required one missing, too many words).
cloudos::Result<Given> parse_args(std::span<const Option> options,
                                  std::span<const std::string> words);

/// The first value of an option; empty when it was not given.
std::string value_of(const Given& given, std::string_view flag);
inline bool has(const Given& given, std::string_view flag) {
  return given.find(flag) != given.end();
}

}  // namespace cli
