#pragma once
#include <algorithm>
#include <string_view>

namespace cloudos {

/// Whether a name of somebody's can name a folder, a network namespace and the like as it is: 1 to
/// 64 letters, digits, dots, hyphens and underscores of ASCII, of which the first is a letter or a
/// digit. No path, no option of a program, no file that hides.
constexpr bool is_folder_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 64 && plain(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return plain(c) || c == '.' || c == '-' || c == '_';
         });
}

}  // namespace cloudos
