// Which languages a client wants.
#include <algorithm>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/locale.hpp"

namespace cloudos::locale {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// 1*8ALPHA *("-" 1*8alphanum), or "*".
bool is_language_range(std::string_view tag) {
  if (tag == "*") return true;
  bool first = true;
  for (const std::string_view part : split(tag, '-')) {
    if (part.empty() || part.size() > 8) return false;
    for (const char c : part)
      if (!is_letter(c) && (first || !is_digit(c))) return false;
    first = false;
  }
  return true;
}

/// "1", "1.000", "0.8": at most three digits behind the point.
std::optional<std::uint16_t> parse_weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  unsigned weight = text[0] == '1' ? 1'000 : 0;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  unsigned scale = 100;
  for (std::size_t i = 2; i < text.size(); ++i, scale /= 10) {
    if (!is_digit(text[i])) return std::nullopt;
    weight += scale * static_cast<unsigned>(text[i] - '0');
  }
  if (weight > 1'000) return std::nullopt;
  return static_cast<std::uint16_t>(weight);
}

std::optional<LanguageRange> parse_range(std::string_view item) {
  const auto semicolon = item.find(';');
  const std::string_view tag = trim(item.substr(0, semicolon));
  if (!is_language_range(tag)) return std::nullopt;
  LanguageRange range{fold_case(tag), 1'000};
  if (semicolon == item.npos) return range;
  const std::string_view parameter = trim(item.substr(semicolon + 1));
  if (parameter.size() < 2 || (parameter[0] != 'q' && parameter[0] != 'Q') || parameter[1] != '=')
    return std::nullopt;
  const auto weight = parse_weight(parameter.substr(2));
  if (!weight) return std::nullopt;
  range.weight = *weight;
  return range;
}

}  // namespace

std::vector<LanguageRange> parse_accept_language(std::string_view header) {
  std::vector<LanguageRange> ranges;
  if (header.empty() || header.size() > limits::kLanguageHeaderBytes) return ranges;
  for (const std::string_view item : split(header, ',')) {
    if (ranges.size() == limits::kLanguageRanges) break;
    if (auto range = parse_range(trim(item))) ranges.push_back(std::move(*range));
  }
  return ranges;
}

}  // namespace cloudos::locale
