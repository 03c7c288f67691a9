#pragma once
#include <string_view>

namespace cloudos {

/// Whether it is a domain that files of name servers may hold as it is: labels of 1 to 63 letters,
/// digits and hyphens of ASCII, none of which begins or ends with a hyphen, with dots between them;
/// 253 in all. A dot may be behind it.
constexpr bool is_domain_name(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return false;
  std::size_t label = 0;  // Characters of the label so far.
  char last = '.';
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == '.') {
      if (label == 0 || last == '-') return false;
      label = 0;
    } else {
      if (!plain && (c != '-' || label == 0)) return false;
      if (++label > 63) return false;
    }
    last = c;
  }
  return label > 0 && last != '-';
}

}  // namespace cloudos
