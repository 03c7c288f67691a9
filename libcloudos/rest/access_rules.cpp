#include "rest/access_rules.hpp"

#include <algorithm>
#include <string>

#include "rest/target.hpp"

namespace cloudos::rest {
namespace {

/// A pattern is a list of these.
struct PathPiece {
  enum class Kind : std::uint8_t { Letter, Star, DoubleStar, Name } kind = Kind::Letter;
  char letter = 0;
};

std::vector<PathPiece> pieces_of(std::string_view pattern) {
  std::vector<PathPiece> pieces;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '*') {
      const bool twice = i + 1 < pattern.size() && pattern[i + 1] == '*';
      pieces.push_back({twice ? PathPiece::Kind::DoubleStar : PathPiece::Kind::Star, 0});
      i += twice;
    } else if (const auto end = pattern.find('}', i); pattern[i] == '{' && end != pattern.npos) {
      pieces.push_back({PathPiece::Kind::Name, 0});
      i = end;
    } else {
      pieces.push_back({PathPiece::Kind::Letter, pattern[i]});
    }
  }
  return pieces;
}

std::string_view service_type(Service service) {
  switch (service) {
    case Service::Identity:
      return "identity";
    case Service::Image:
      return "image";
    case Service::Compute:
      return "compute";
    case Service::Network:
      return "network";
    case Service::None:
      break;
  }
  return {};
}

}  // namespace

bool path_matches(std::string_view pattern, std::string_view path) {
  const auto pieces = pieces_of(pattern);
  // reached[i]: the pieces so far match the first i characters of the path.
  std::vector<char> reached(path.size() + 1, 0), next(path.size() + 1, 0);
  reached[0] = 1;
  for (const PathPiece& piece : pieces) {
    std::fill(next.begin(), next.end(), char{0});
    if (piece.kind == PathPiece::Kind::Letter) {
      for (std::size_t i = 0; i < path.size(); ++i)
        if (reached[i] && path[i] == piece.letter) next[i + 1] = 1;
    } else {
      const bool over_slash = piece.kind == PathPiece::Kind::DoubleStar;
      const bool maybe_none = piece.kind != PathPiece::Kind::Name;
      for (std::size_t i = 0; i <= path.size(); ++i) {
        if (maybe_none && reached[i]) next[i] = 1;
        const bool grows = i < path.size() && (over_slash || path[i] != '/');
        if (grows && (reached[i] || next[i])) next[i + 1] = 1;
      }
    }
    std::swap(reached, next);
  }
  return reached.back() != 0;
}

Result<void> check_access_rules(const std::vector<AccessRule>& rules, Service service,
                                std::string_view method, std::string_view target) {
  const std::string_view type = service_type(service);
  // As it is routed: without empty segments, which no rule means to name.
  auto segments = path_segments(split_target(target).first);
  const bool bare_identity = !segments.empty() && segments[0] == "v3";
  std::string own;
  for (std::size_t i = bare_identity ? 0 : 1; i < segments.size(); ++i) {
    own += '/';
    own += segments[i];
  }
  const std::string full =
      "/" + std::string(bare_identity || segments.empty() ? "identity" : segments[0]) + own;
  const bool allowed =
      !type.empty() && std::any_of(rules.begin(), rules.end(), [&](const AccessRule& rule) {
        return rule.service == type && rule.method == method &&
               (path_matches(rule.path, own) || path_matches(rule.path, full));
      });
  if (allowed) return Result<void>();
  return fail(ErrorCode::Forbidden,
              "The access rules of this application credential do not include this request.");
}

}  // namespace cloudos::rest
