#pragma once
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace cli {

/// The language of whoever runs the program, by LANGUAGE, LC_ALL, LC_MESSAGES and LANG: "en", "ko".
std::string_view language();
/// A text of ours in that language. What scripts read (columns, values, JSON) is no such text.
std::string tr(std::string_view text);

/// A line of a report for people, in their language.
template <class... T>
void tell(fmt::format_string<T...> line, T&&... values) {
  fmt::print("{}\n", tr(fmt::format(line, std::forward<T>(values)...)));
}
/// The same of what went wrong: "cloudos: ..." on the standard error.
template <class... T>
void complain(fmt::format_string<T...> line, T&&... values) {
  fmt::print(stderr, "cloudos: {}\n", tr(fmt::format(line, std::forward<T>(values)...)));
}

}  // namespace cli
