#include "rest/target.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::rest {
namespace {

int hex_digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (plus && text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 1 < text.size() ? hex_digit_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit_value(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return fail(ErrorCode::InvalidArgument,
                    "The URL has a '%' that is not followed by two hexadecimal digits.");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (out.find('\0') != std::string::npos || !utf8_length(out))
    return fail(ErrorCode::InvalidArgument, "The URL is not valid UTF-8 text once unescaped.");
  return out;
}

std::string percent_encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  if (std::all_of(text.begin(), text.end(), is_unreserved)) return std::string(text);
  std::string out;
  out.reserve(text.size() + 16);
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

std::pair<std::string_view, std::string_view> split_target(std::string_view target) {
  const auto mark = target.find('?');
  if (mark == std::string_view::npos) return {target, {}};
  return {target.substr(0, mark), target.substr(mark + 1)};
}

PathSegments path_segments(std::string_view path) {
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  PathSegments segments;
  if (path.empty()) return segments;
  for (std::size_t slash; (slash = path.find('/')) != path.npos; path.remove_prefix(slash + 1))
    segments.push_back(path.substr(0, slash));
  segments.push_back(path);
  return segments;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> out;
  if (query.empty()) return out;
  for (const std::string_view part : split(query, '&')) {
    if (part.empty()) continue;
    if (out.size() == limits::kQueryParameters)
      return fail(ErrorCode::TooLarge, "The query has too many parameters.");
    const auto mark = part.find('=');
    CLOUDOS_TRY(std::string name, percent_decode(part.substr(0, mark), true));
    std::string value;
    if (mark != std::string_view::npos) {
      CLOUDOS_TRY(value, percent_decode(part.substr(mark + 1), true));
    }
    out.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

}  // namespace cloudos::rest
