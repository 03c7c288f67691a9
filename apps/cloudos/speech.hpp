#pragma once
#include <string>
#include <string_view>

namespace cli {

/// The language of whoever runs the program, by LANGUAGE, LC_ALL, LC_MESSAGES and LANG: "en", "ko".
std::string_view language();
/// A text of ours in that language. What scripts read (columns, values, JSON) is no such text.
std::string tr(std::string_view text);

}  // namespace cli
