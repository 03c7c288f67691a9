#include "config/oslo.hpp"

#include "base/text.hpp"

namespace cloudos::config {
namespace {

std::string without_quotes(std::string_view value) {
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
      value.front() == value.back())
    value = value.substr(1, value.size() - 2);
  return std::string(value);
}

}  // namespace

OsloFile read_oslo(std::string_view text) {
  OsloFile file;
  std::string section = "DEFAULT";
  std::size_t number = 0;
  bool open = false;  // The last option may go on in the next line.
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string_view bare = trim(line);
    if (bare.empty()) {
      open = false;
      continue;
    }
    if (line.front() == '#' || line.front() == ';') continue;
    if (line.front() == ' ' || line.front() == '\t') {
      if (open)
        file.options.back().value += "\n" + std::string(bare);
      else
        file.bad_lines.push_back(number);
      continue;
    }
    open = false;
    if (line.front() == '[') {
      const std::size_t end = bare.find(']');
      if (end == bare.npos)
        file.bad_lines.push_back(number);
      else
        section = trim(bare.substr(1, end - 1));
      continue;
    }
    const std::size_t mark = bare.find_first_of("=:");
    if (mark == bare.npos || mark == 0) {
      file.bad_lines.push_back(number);
      continue;
    }
    file.options.push_back({section, std::string(trim(bare.substr(0, mark))),
                            without_quotes(trim(bare.substr(mark + 1))), number});
    open = true;
  }
  return file;
}

}  // namespace cloudos::config
