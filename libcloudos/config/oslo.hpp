#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace cloudos::config {

/// One "name = value" of a file in oslo.config's syntax. Repeated names are several of these.
struct OsloOption {
  std::string section;  ///< "DEFAULT" before any [section].
  std::string name;     ///< As written.
  std::string
      value;  ///< Continuation lines joined by line ends; outer quotes and blanks taken off.
  std::size_t line = 0;
};
struct OsloFile {
  std::vector<OsloOption> options;
  std::vector<std::size_t> bad_lines;  ///< That are neither option, section, comment nor blank.
};

/// Sections, "name = value" or "name: value", comments behind # or ; at a line's start, values that
/// go on in indented lines. Interpolation ($name) is left as it is. Pure; reads any text.
/// Source: oslo.config, "Configuration file format".
OsloFile read_oslo(std::string_view text);

}  // namespace cloudos::config
