#pragma once
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/limits.hpp"
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

/// Segments of a path, in place: every request has some and asks for them more than once. What is
/// behind limits::kPathSegments counts as one more, for no route is that long.
class PathSegments {
 public:
  void push_back(std::string_view segment) {
    if (count_ < all_.size()) all_[count_++] = segment;
  }
  const std::string_view* begin() const { return all_.data(); }
  const std::string_view* end() const { return all_.data() + count_; }
  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  std::string_view operator[](std::size_t at) const { return all_[at]; }
  std::string_view& operator[](std::size_t at) { return all_[at]; }

 private:
  std::array<std::string_view, limits::kPathSegments + 1> all_;
  std::size_t count_ = 0;
};

/// "/a/b" and "/a/b/" as {"a", "b"}, still escaped; "/" as {}.
PathSegments path_segments(std::string_view path);

/// The parameters in order. Errors: InvalidArgument.
Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

}  // namespace cloudos::rest
