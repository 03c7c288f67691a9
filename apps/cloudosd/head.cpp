#include "cloudosd/head.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudosd {
namespace {

namespace limits = cloudos::limits;
using cloudos::equals_ignore_case;
using cloudos::parse_unsigned;
using cloudos::trim;

constexpr Refusal kBadRequestLine{400, "The request line is malformed."};
constexpr Refusal kBadField{400, "A header field is malformed."};

/// What a byte may be part of: every byte of every request is looked up here.
struct Kinds {
  std::array<bool, 256> token{}, value{};
  constexpr Kinds() {
    for (int c = 0x20; c < 256; ++c) value[static_cast<std::size_t>(c)] = c != 0x7f;
    value['\t'] = true;
    for (int c = '0'; c <= '9'; ++c) token[static_cast<std::size_t>(c)] = true;
    for (int c = 'a'; c <= 'z'; ++c) token[static_cast<std::size_t>(c)] = true;
    for (int c = 'A'; c <= 'Z'; ++c) token[static_cast<std::size_t>(c)] = true;
    for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
      token[static_cast<std::size_t>(c)] = true;
  }
};
constexpr Kinds kKinds;

bool is_token(std::string_view text) {
  bool good = !text.empty();
  for (const char c : text) good = good && kKinds.token[static_cast<unsigned char>(c)];
  return good;
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

/// Text, tabs and bytes above ASCII; no other control characters.
bool is_field_value(std::string_view text) {
  bool good = true;
  for (const char c : text) good &= kKinds.value[static_cast<unsigned char>(c)];
  return good;
}

std::optional<Refusal> parse_target(std::string_view text, Head& head) {
  if (text.size() > limits::kUriBytes) return Refusal{414, "The URL is too long."};
  if (!is_visible(text) || text.find('#') != text.npos) return kBadRequestLine;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equals_ignore_case(text.substr(0, scheme.size()), scheme)) continue;
    text.remove_prefix(scheme.size());
    // The host ends at the path or the query, whichever is first.
    const auto host = std::min(text.size(), text.find_first_of("/?"));
    if (host == 0) return kBadRequestLine;
    text.remove_prefix(host);
    if (text.empty() || text[0] == '?') {
      head.target = "/";
      head.target += text;
      return std::nullopt;
    }
    break;
  }
  if (text.empty() || text[0] != '/') return kBadRequestLine;
  head.target = text;
  return std::nullopt;
}

std::optional<Refusal> parse_request_line(std::string_view line, Head& head) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == line.npos || first == last) return kBadRequestLine;
  const std::string_view method = line.substr(0, first);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method) || method.size() > 20) return kBadRequestLine;
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/") return kBadRequestLine;
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return Refusal{505, "This server speaks HTTP/1.1."};
  head.http_1_0 = version == "HTTP/1.0";
  head.keep_alive = !head.http_1_0;
  head.method = method;
  return parse_target(line.substr(first + 1, last - first - 1), head);
}

std::optional<Refusal> parse_field(std::string_view line, Head& head) {
  // A name ends at the colon: a blank before it, and a folded line that begins with one, end here.
  const auto colon = line.find(':');
  if (colon == line.npos || !is_token(line.substr(0, colon))) return kBadField;
  const std::string_view value = trim(line.substr(colon + 1));
  if (!is_field_value(value)) return kBadField;
  if (head.headers.all().size() == limits::kHeaderFields)
    return Refusal{431, "The request has too many header fields."};
  head.headers.add(std::string(line.substr(0, colon)), std::string(value));
  return std::nullopt;
}

std::size_t count_fields(const Head& head, std::string_view name) {
  const auto& all = head.headers.all();
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& field) {
    return equals_ignore_case(field.first, name);
  }));
}

std::optional<Refusal> settle_framing(Head& head) {
  const auto lengths = count_fields(head, "Content-Length");
  const auto encodings = count_fields(head, "Transfer-Encoding");
  if (lengths > 1 || (lengths && encodings) || encodings > 1)
    return Refusal{400, "The request says in two ways how long its body is."};
  if (lengths) {
    const std::string_view text = head.headers.get("Content-Length");
    head.content_length = text.size() <= 18 ? parse_unsigned(text) : std::nullopt;
    if (!head.content_length) return Refusal{400, "Content-Length is not a number."};
  }
  if (encodings) {
    if (!equals_ignore_case(head.headers.get("Transfer-Encoding"), "chunked"))
      return Refusal{501, "The only transfer encoding known here is 'chunked'."};
    if (head.http_1_0) return Refusal{400, "HTTP/1.0 has no transfer encodings."};
    head.chunked = true;
  }
  return std::nullopt;
}

std::optional<Refusal> settle_fields(Head& head) {
  if (auto refusal = settle_framing(head)) return refusal;
  const auto hosts = count_fields(head, "Host");
  if (hosts > 1 || (hosts == 0 && !head.http_1_0))
    return Refusal{400, "A request needs exactly one Host header field."};
  for (const auto& [name, value] : head.headers.all()) {
    if (!equals_ignore_case(name, "Connection")) continue;
    for (const std::string_view option : cloudos::split(value, ',')) {
      if (equals_ignore_case(trim(option), "close")) head.keep_alive = false;
      if (head.http_1_0 && equals_ignore_case(trim(option), "keep-alive")) head.keep_alive = true;
    }
  }
  if (head.headers.has("Expect") && !head.http_1_0) {
    if (!equals_ignore_case(head.headers.get("Expect"), "100-continue"))
      return Refusal{417, "The only expectation known here is '100-continue'."};
    head.expects_continue = true;
  }
  return std::nullopt;
}

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

}  // namespace

bool is_field_line(std::string_view line) {
  const auto colon = line.find(':');
  return colon != line.npos && is_token(line.substr(0, colon)) &&
         is_field_value(line.substr(colon + 1));
}

std::variant<Head, Refusal> parse_head(std::string_view bytes) {
  Head head;
  bool first = true;
  while (true) {
    const auto end = bytes.find("\r\n");
    if (end == bytes.npos) return first ? kBadRequestLine : kBadField;
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 2);
    if (!first && line.empty()) break;
    // A bare CR or LF is in none of the sets of bytes that a line may be made of.
    if (auto refusal = first ? parse_request_line(line, head) : parse_field(line, head))
      return *refusal;
    first = false;
  }
  if (auto refusal = settle_fields(head)) return *refusal;
  return head;
}

std::string response_head(const cloudos::rest::Response& response,
                          std::optional<std::uint64_t> length, bool chunked, bool keep_alive) {
  std::string out;
  out.reserve(512);
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(response.status));
  out += ' ';
  out += cloudos::rest::reason_phrase(response.status);
  out += "\r\n";
  for (const auto& [name, value] : response.headers.all()) {
    if (!is_token(name) || !is_field_value(value)) continue;
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  if (length) {
    out += "Content-Length: ";
    append_number(out, *length);
    out += "\r\n";
  }
  if (chunked) out += "Transfer-Encoding: chunked\r\n";
  out += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return out;
}

}  // namespace cloudosd
