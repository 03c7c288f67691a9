#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/result.hpp"

namespace cloudos {

/// Code points of valid UTF-8, or nothing when it is not valid (overlong, surrogate, cut off).
std::optional<std::size_t> utf8_length(std::string_view text);
/// Simple lower case: ASCII, Latin-1, Greek, Cyrillic; what unique names are folded with.
std::string fold_case(std::string_view text);

std::string to_hex(std::span<const std::uint8_t> bytes);
std::optional<std::string> from_hex(std::string_view text);
/// RFC 4648; `url` uses - and _ and no padding.
std::string to_base64(std::string_view bytes, bool url = false);
/// Strict, padding optional. Nothing when it is not base64.
std::optional<std::string> from_base64(std::string_view text, bool url = false);

/// Decimal without sign, blanks or overflow; nothing else.
std::optional<std::uint64_t> parse_unsigned(std::string_view text);
std::optional<std::int64_t> parse_signed(std::string_view text);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
bool equals_ignore_case(std::string_view a, std::string_view b);
/// Looks like 8-4-4-4-12 hexadecimal, or 32 digits without dashes.
bool is_uuid_like(std::string_view text);

/// SHA-256 as 32 raw bytes.
std::string sha256(std::string_view bytes);
/// Compares in time that does not depend on where they differ.
bool equal_secret(std::string_view a, std::string_view b);

/// Text of 1..max characters of valid UTF-8 without control characters.
/// Errors: InvalidArgument, naming `what`.
Result<void> check_name(std::string_view what, std::string_view text, std::size_t min_chars,
                        std::size_t max_chars);

/// The text as JSON string content, quotes included. For writers of responses and reports. Bytes
/// that are not text become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
/// The same without the quotes, for strings that are put together of several.
void append_json_text(std::string& out, std::string_view text);

}  // namespace cloudos
