#include "base/text.hpp"

#include <array>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/assert.hpp"

namespace cloudos {

namespace {

/// Decodes one code point at `at` and moves on; 0xffffffff when the bytes are not valid UTF-8.
char32_t next_code_point(std::string_view text, std::size_t& at) {
  constexpr char32_t kBad = 0xffffffff;
  const auto lead = static_cast<unsigned char>(text[at]);
  std::size_t length = 1;
  char32_t value = lead;
  if (lead >= 0x80) {
    if (lead >= 0xc2 && lead <= 0xdf) length = 2, value = lead & 0x1fU;
    else if (lead >= 0xe0 && lead <= 0xef) length = 3, value = lead & 0x0fU;
    else if (lead >= 0xf0 && lead <= 0xf4) length = 4, value = lead & 0x07U;
    else return kBad;
  }
  if (at + length > text.size()) return kBad;
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[at + i]);
    if ((next & 0xc0U) != 0x80) return kBad;
    value = (value << 6) | (next & 0x3fU);
  }
  if ((length == 3 && value < 0x800) || (length == 4 && (value < 0x10000 || value > 0x10ffff)) ||
      (value >= 0xd800 && value <= 0xdfff))
    return kBad;
  at += length;
  return value;
}

void append_utf8(std::string& out, char32_t value) {
  if (value < 0x80) {
    out += static_cast<char>(value);
  } else if (value < 0x800) {
    out += static_cast<char>(0xc0 | (value >> 6));
    out += static_cast<char>(0x80 | (value & 0x3f));
  } else if (value < 0x10000) {
    out += static_cast<char>(0xe0 | (value >> 12));
    out += static_cast<char>(0x80 | ((value >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (value & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (value >> 18));
    out += static_cast<char>(0x80 | ((value >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((value >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (value & 0x3f));
  }
}

char32_t lower(char32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c < 0x80) return c;
  if (c >= 0xc0 && c <= 0xde && c != 0xd7) return c + 32;            // Latin-1
  if (c >= 0x100 && c <= 0x17f && c != 0x130 && c != 0x131 && c != 0x138 && c != 0x149 &&
      c != 0x178 && c != 0x17f) {                                    // Latin Extended-A
    const bool odd_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
    return (c % 2 == 0) != odd_upper ? c + 1 : c;
  }
  if (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) return c + 32;         // Greek
  if (c >= 0x410 && c <= 0x42f) return c + 32;                       // Cyrillic
  if (c >= 0x400 && c <= 0x40f) return c + 80;
  return c;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::size_t> utf8_length(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count)
    if (next_code_point(text, at) == 0xffffffff) return std::nullopt;
  return count;
}

std::string fold_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char32_t value = next_code_point(text, at);
    if (value == 0xffffffff) return std::string(text);  // Not text: keep it as it is.
    append_utf8(out, lower(value));
  }
  return out;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15U];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    std::uint8_t value = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (error != std::errc{} || end != text.data() + i + 2) return std::nullopt;
    out += static_cast<char>(value);
  }
  return out;
}

std::string to_base64(std::string_view bytes, bool url) {
  static constexpr char kStd[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static constexpr char kUrl[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const char* const digits = url ? kUrl : kStd;
  const auto byte = [&](std::size_t at) {
    return std::uint32_t{static_cast<unsigned char>(bytes[at])};
  };
  const std::size_t whole = bytes.size() / 3, left = bytes.size() % 3;
  std::string out(4 * whole + (left == 0 ? 0 : url ? left + 1 : 4), '=');
  char* to = out.data();
  for (std::size_t i = 0; i < 3 * whole; i += 3) {
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    *to++ = digits[group >> 18];
    *to++ = digits[(group >> 12) & 63U];
    *to++ = digits[(group >> 6) & 63U];
    *to++ = digits[group & 63U];
  }
  if (left > 0) {
    const std::uint32_t group = byte(3 * whole) << 16 | (left == 2 ? byte(3 * whole + 1) << 8 : 0);
    *to++ = digits[group >> 18];
    *to++ = digits[(group >> 12) & 63U];
    if (left == 2) *to++ = digits[(group >> 6) & 63U];
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text, bool url) {
  std::size_t padding = 0;
  while (!text.empty() && text.back() == '=' && padding < 2) text.remove_suffix(1), ++padding;
  if (text.size() % 4 == 1 || (padding != 0 && (text.size() + padding) % 4 != 0))
    return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    std::uint32_t digit;
    if (c >= 'A' && c <= 'Z') digit = static_cast<std::uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z') digit = static_cast<std::uint32_t>(c - 'a') + 26;
    else if (c >= '0' && c <= '9') digit = static_cast<std::uint32_t>(c - '0') + 52;
    else if (c == (url ? '-' : '+')) digit = 62;
    else if (c == (url ? '_' : '/')) digit = 63;
    else return std::nullopt;
    group = (group << 6) | digit;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>((group >> bits) & 0xffU);
    }
  }
  if ((group & ((1U << bits) - 1)) != 0) return std::nullopt;  // Left-over bits must be zero.
  return out;
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) return std::nullopt;
  return parse_number<std::uint64_t>(text);
}
std::optional<std::int64_t> parse_signed(std::string_view text) {
  return parse_number<std::int64_t>(text);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool equals_ignore_case(std::string_view a, std::string_view b) {
  const auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return low(x) == low(y); });
}

bool is_uuid_like(std::string_view text) {
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) ++digits;
    else if (c != '-' || text.size() != 36 || (i != 8 && i != 13 && i != 18 && i != 23)) return false;
  }
  return digits == 32 && (text.size() == 32 || text.size() == 36);
}

std::string sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  unsigned length = 0;
  const int done = EVP_Digest(bytes.data(), bytes.size(),
                              reinterpret_cast<unsigned char*>(digest.data()), &length,
                              EVP_sha256(), nullptr);
  CLOUDOS_ASSERT(done == 1 && length == 32);
  return digest;
}

bool equal_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<void> check_name(std::string_view what, std::string_view text, std::size_t min_chars,
                        std::size_t max_chars) {
  // Count no further than can be valid: a name of a megabyte is refused by its size alone.
  const auto length = text.size() > max_chars * 4 ? std::optional(text.size()) : utf8_length(text);
  if (!length) return fail(ErrorCode::InvalidArgument, fmt::format("{} is not valid UTF-8", what));
  if (*length < min_chars || *length > max_chars) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} must have {} to {} characters, not {}", what, min_chars, max_chars,
                            *length));
  }
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} must not hold control characters", what));
    }
  }
  return Result<void>();
}

namespace {

/// The characters that stand in JSON text as they are: ASCII but controls, quote and backslash.
struct JsonPlain {
  std::array<bool, 256> plain{};
  constexpr JsonPlain() {
    for (std::size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  }
};
constexpr JsonPlain kJsonPlain;

/// The same of eight at once; false is no more than a doubt.
bool all_json_plain(const char* bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = kOnes << 7;
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  const auto with_zero = [](std::uint64_t w) { return (w - kOnes) & ~w; };
  const std::uint64_t control = (word - kOnes * 0x20) & ~word;
  const std::uint64_t special = with_zero(word ^ (kOnes * '"')) | with_zero(word ^ (kOnes * '\\'));
  return ((word | control | special) & kHighs) == 0;
}

void append_json_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default: out += fmt::format("\\u{:04x}", c);
  }
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
  std::size_t begun = 0;  // Of what goes out as it is, in one piece.
  const auto flush = [&](std::size_t until) {
    out.append(text.data() + begun, until - begun);
  };
  for (std::size_t at = 0; at < text.size();) {
    if (at + 8 <= text.size() && all_json_plain(text.data() + at)) {
      at += 8;
      continue;
    }
    const auto c = static_cast<unsigned char>(text[at]);
    if (kJsonPlain.plain[c]) {
      ++at;
      continue;
    }
    const std::size_t start = at;
    if (c >= 0x80) {
      if (next_code_point(text, at) != 0xffffffff) continue;
      flush(start);
      out += "\xef\xbf\xbd";  // Bytes that are not text become U+FFFD, never broken JSON.
    } else {
      flush(start);
      append_json_escape(out, c);
    }
    begun = at = start + 1;
  }
  flush(text.size());
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_text(out, text);
  out += '"';
}

}  // namespace cloudos
