#include "speech.hpp"

#include <cstdlib>

#include "cloudos/locale.hpp"

namespace cli {

std::string_view language() {
  static const std::string kLanguage(cloudos::locale::Catalogues::built_in().choose_for(
      [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        if (!value) return std::nullopt;
        return std::string(value);
      }));
  return kLanguage;
}

std::string tr(std::string_view text) {
  return cloudos::locale::Catalogues::built_in().translate(language(), text);
}

}  // namespace cli
