#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/export.hpp"
#include "cloudos/result.hpp"

/// What people are told, in their language. English is what the sources say; everything else is
/// looked up when somebody asks for it, by request: the process keeps its locale.
namespace cloudos::locale {

/// One entry of an Accept-Language header.
struct LanguageRange {
  std::string tag;               ///< Lower case: "ko-kr", or "*".
  std::uint16_t weight = 1'000;  ///< q in thousandths; 0: not this one.
  friend bool operator==(const LanguageRange&, const LanguageRange&) = default;
};

/// Reads an Accept-Language header. Entries that are not well formed are left out, and so are those
/// beyond limits::kLanguageRanges; of a header over limits::kLanguageHeaderBytes nothing is read.
/// Source: RFC 9110, 12.5.4.
CLOUDOS_EXPORT std::vector<LanguageRange> parse_accept_language(std::string_view header);

/// Messages in the languages there are. Read-only once made: thread-safe.
class CLOUDOS_EXPORT Catalogues final {
 public:
  /// English, and what comes with the library: Korean. Reads nothing yet: a catalogue is read when
  /// it is first asked for.
  Catalogues();
  ~Catalogues();
  Catalogues(const Catalogues&) = delete;
  Catalogues& operator=(const Catalogues&) = delete;

  /// The catalogues of this library, for all who add none of their own.
  static const Catalogues& built_in();

  /// Adds or replaces a language ("ko", "pt-BR") by a GNU .po file's text: msgid is a message's
  /// English template, msgstr the same with its places, in order ({}) or by number ({0}). Before
  /// others use this. Errors: InvalidArgument (not a .po file, tag, other places), TooLarge.
  Result<void> add(std::string_view language, std::string po);
  /// "en" first.
  std::vector<std::string> languages() const;

  /// The language that suits an Accept-Language header best: "en" unless another is asked for.
  /// "ko-KR" is served by "ko". Source: RFC 4647, lookup.
  std::string_view choose(std::string_view accept_language) const;
  /// The same from the environment of a program: LANGUAGE, LC_ALL, LC_MESSAGES, LANG, in the way of
  /// gettext. A character set other than UTF-8 is answered in English.
  std::string_view choose_for(
      const std::function<std::optional<std::string>(const std::string&)>& environment) const;

  /// The message in that language, or as it is. It is told by what its template leaves unchanged:
  /// of several that fit, the one with most text of its own.
  std::string translate(std::string_view language, std::string_view message) const;

 private:
  struct CLOUDOS_LOCAL Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos::locale
