#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/result.hpp"

namespace cloudos::locale {

/// msgid and msgstr of each entry of a .po file, without its header and without fuzzy or empty
/// ones. Errors: InvalidArgument (with the line), TooLarge.
Result<std::vector<std::pair<std::string, std::string>>> read_po(std::string_view text);

}  // namespace cloudos::locale
