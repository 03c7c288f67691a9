#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "cloudos/rest.hpp"

namespace cloudosd {

/// A request's head, checked.
struct Head {
  std::string method;
  std::string target;  ///< "/path?query"; an absolute URL is cut down to that.
  cloudos::rest::Headers headers;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;
  bool http_1_0 = false;

  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

/// Why a request is not handled; the connection is closed behind the reply.
struct Refusal {
  int status = 400;
  std::string_view message;
};

/// Reads the bytes up to and with the blank line. Stricter than HTTP allows servers to be, where
/// two readers of the same bytes could disagree (request smuggling): one Content-Length at most,
/// not beside Transfer-Encoding; "chunked" alone; no folded lines, bare CR or LF, blanks before a
/// colon; exactly one Host. Pure. Source: RFC 9112, sections 2 to 6.
std::variant<Head, Refusal> parse_head(std::string_view bytes);

/// "Name: value" as HTTP has it: no folding, no blank before the colon, no control characters.
bool is_field_line(std::string_view line);

/// The status line and fields, blank line included. Fields that could break out of their line are
/// left out. `length` gives Content-Length; `chunked` Transfer-Encoding; neither: the status has no
/// body, or the connection's end ends it.
std::string response_head(const cloudos::rest::Response& response,
                          std::optional<std::uint64_t> length, bool chunked, bool keep_alive);

/// 1xx, 204 and 304 never have one.
constexpr bool status_has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

}  // namespace cloudosd
