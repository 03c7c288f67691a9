#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/result.hpp"

/// Request targets: the path's segments and the query's parameters, still escaped and not.
namespace cloudos::rest {

/// Undoes %XX; `plus` also makes + a blank, as queries have it. Strict: no half escapes, no zero
/// byte, valid UTF-8. Errors: InvalidArgument.
Result<std::string> percent_decode(std::string_view text, bool plus);

/// Escapes all but unreserved characters (RFC 3986).
std::string percent_encode(std::string_view text);

/// "/a/b/?x=1" as {"/a/b/", "x=1"}.
std::pair<std::string_view, std::string_view> split_target(std::string_view target);

/// "/a/b" and "/a/b/" as {"a", "b"}, still escaped; "/" as {}.
std::vector<std::string_view> path_segments(std::string_view path);

/// The parameters in order. Errors: InvalidArgument.
Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

}  // namespace cloudos::rest
