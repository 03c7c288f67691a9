#pragma once
#include <span>
#include <string_view>

namespace cloudos::locale {

/// A catalogue that comes with the library.
struct BuiltIn {
  std::string_view language;
  std::string_view po;
};
std::span<const BuiltIn> built_in_catalogues();

}  // namespace cloudos::locale
