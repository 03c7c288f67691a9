#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rest/router.hpp"
#include "rest/target.hpp"

namespace cloudos::rest {

/// The routes as a tree of path segments, built once. Literal segments win over {names}.
/// Read-only after add(): thread-safe.
class RouteTree {
 public:
  RouteTree();
  ~RouteTree();
  /// Aborts when the same method and shape is there already. `route` outlives the tree.
  void add(const Route& route);

  struct Match {
    const Route* route = nullptr;              ///< Null: nothing there for this method.
    std::vector<std::string_view> parameters;  ///< Still escaped, in the pattern's order.
    std::string allow;                         ///< Other methods of this path; empty: no such path.
    Service service = Service::None;           ///< Of the path, when it exists.
  };
  /// `segments` as path_segments() gives them.
  Match find(std::string_view method, const PathSegments& segments) const;

 private:
  struct Node;
  const Node* walk(const Node& node, std::string_view method,
                   const PathSegments& segments, std::size_t at, Match& match,
                   const Node*& other) const;
  std::unique_ptr<Node> root_;
};

/// The names in a pattern's braces, in order.
std::vector<std::string_view> pattern_names(std::string_view pattern);

}  // namespace cloudos::rest
