#include "locale/built_in.hpp"

// The files' bytes, as data of the library: found wherever it is, linked in or installed.
// CLOUDOS_LOCALE_DIR is where they are while it is compiled.
#define CLOUDOS_CATALOGUE(symbol, file)                                       \
  asm(".section .rodata\n"                                                    \
      ".hidden cloudos_locale_" symbol "\n.global cloudos_locale_" symbol     \
      "\n"                                                                    \
      ".hidden cloudos_locale_" symbol "_end\n.global cloudos_locale_" symbol \
      "_end\n"                                                                \
      "cloudos_locale_" symbol ":\n.incbin \"" CLOUDOS_LOCALE_DIR "/" file    \
      "\"\n"                                                                  \
      "cloudos_locale_" symbol "_end:\n.byte 0\n.previous\n")

CLOUDOS_CATALOGUE("ko", "ko.po");

extern "C" {
__attribute__((visibility("hidden"))) extern const char cloudos_locale_ko[];
__attribute__((visibility("hidden"))) extern const char cloudos_locale_ko_end[];
}

namespace cloudos::locale {

std::span<const BuiltIn> built_in_catalogues() {
  static const BuiltIn kBuiltIn[] = {
      {"ko",
       {cloudos_locale_ko, static_cast<std::size_t>(cloudos_locale_ko_end - cloudos_locale_ko)}},
  };
  return kBuiltIn;
}

}  // namespace cloudos::locale
