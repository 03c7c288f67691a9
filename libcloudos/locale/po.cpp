#include "locale/po.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::locale {
namespace {

/// Appends what stands between the quotes. False: not a quoted text.
bool append_quoted(std::string& out, std::string_view quoted) {
  if (quoted.size() < 2 || quoted.front() != '"' || quoted.back() != '"') return false;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    char c = quoted[i];
    if (c == '"') return false;
    if (c == '\\') {
      if (++i + 1 >= quoted.size()) return false;
      switch (quoted[i]) {
        case 'n':
          c = '\n';
          break;
        case 't':
          c = '\t';
          break;
        case 'r':
          c = '\r';
          break;
        case '"':
        case '\\':
          c = quoted[i];
          break;
        default:
          return false;
      }
    }
    out += c;
  }
  return true;
}

struct PoReader {
  std::vector<std::pair<std::string, std::string>> entries;
  std::string id, text;
  enum class In { Nothing, Id, Text } in = In::Nothing;
  bool fuzzy = false, next_fuzzy = false;

  void end() {
    if (!id.empty() && !text.empty() && !fuzzy) entries.emplace_back(id, text);
    id.clear();
    text.clear();
    fuzzy = std::exchange(next_fuzzy, false);
  }
  bool line(std::string_view line) {
    if (line.empty()) return true;
    if (line.front() == '#') {
      if (line.starts_with("#,") && line.find("fuzzy") != line.npos) next_fuzzy = true;
      return true;
    }
    if (line.starts_with("msgid ")) {
      end();
      in = In::Id;
      return append_quoted(id, trim(line.substr(6)));
    }
    if (line.starts_with("msgstr ") && in == In::Id) {
      in = In::Text;
      return append_quoted(text, trim(line.substr(7)));
    }
    if (line.front() == '"' && in != In::Nothing)
      return append_quoted(in == In::Id ? id : text, line);
    return false;
  }
};

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> read_po(std::string_view text) {
  if (text.size() > limits::kCatalogueBytes) {
    return fail(ErrorCode::TooLarge,
                fmt::format("a catalogue has at most {} bytes", limits::kCatalogueBytes));
  }
  if (!utf8_length(text))
    return fail(ErrorCode::InvalidArgument, "a catalogue must be valid UTF-8");
  PoReader reader;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    ++number;
    if (!reader.line(trim(text.substr(0, end))))
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("line {} of the catalogue is none of a .po file", number));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  reader.end();
  return std::move(reader.entries);
}

}  // namespace cloudos::locale
