#include "rest/match.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "rest/target.hpp"

namespace cloudos::rest {
namespace {

bool is_name_segment(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool answers(const Route& route, std::string_view method) {
  return route.method == method || (method == "HEAD" && route.method == "GET");
}

}  // namespace

struct RouteTree::Node {
  struct Child {
    std::string_view segment;  // Of a route's pattern.
    std::unique_ptr<Node> node;
  };
  std::vector<Child> literals;  // By length and then text: mostly the length alone tells.
  std::unique_ptr<Node> name;
  std::vector<const Route*> routes;

  std::vector<Child>::const_iterator place_of(std::string_view segment) const {
    return std::lower_bound(literals.begin(), literals.end(), segment,
                            [](const Child& child, std::string_view wanted) {
                              return child.segment.size() != wanted.size()
                                         ? child.segment.size() < wanted.size()
                                         : child.segment < wanted;
                            });
  }
  const Node* literal(std::string_view segment) const {
    const auto at = place_of(segment);
    return at != literals.end() && at->segment == segment ? at->node.get() : nullptr;
  }
  Node& make_literal(std::string_view segment) {
    const auto at = place_of(segment);
    if (at != literals.end() && at->segment == segment) return *at->node;
    return *literals.insert(at, {segment, std::make_unique<Node>()})->node;
  }
  const Route* route_for(std::string_view method) const {
    const Route* found = nullptr;
    for (const Route* route : routes) {
      if (route->method == method) return route;
      if (answers(*route, method)) found = route;
    }
    return found;
  }
};

RouteTree::RouteTree() : root_(std::make_unique<Node>()) {}
RouteTree::~RouteTree() = default;

void RouteTree::add(const Route& route) {
  Node* node = root_.get();
  for (const std::string_view segment : path_segments(route.pattern)) {
    if (!is_name_segment(segment)) {
      node = &node->make_literal(segment);
      continue;
    }
    if (!node->name) node->name = std::make_unique<Node>();
    node = node->name.get();
  }
  for (const Route* other : node->routes) CLOUDOS_ASSERT(other->method != route.method);
  node->routes.push_back(&route);
}

// Depth-first, literal before name, so that /servers/detail is never taken for a server's id while
// /servers/detail/metadata still may be. Patterns bound the work: at most two ways a segment.
const RouteTree::Node* RouteTree::walk(const Node& node, std::string_view method,
                                       const PathSegments& segments,
                                       std::size_t at, Match& match, const Node*& other) const {
  if (at == segments.size()) {
    if (node.route_for(method)) return &node;
    if (!node.routes.empty() && !other) other = &node;
    return nullptr;
  }
  if (const Node* literal = node.literal(segments[at]))
    if (const Node* found = walk(*literal, method, segments, at + 1, match, other)) return found;
  if (node.name && !segments[at].empty()) {
    match.parameters.push_back(segments[at]);
    if (const Node* found = walk(*node.name, method, segments, at + 1, match, other)) return found;
    match.parameters.pop_back();
  }
  return nullptr;
}

RouteTree::Match RouteTree::find(std::string_view method,
                                 const PathSegments& segments) const {
  Match match;
  if (segments.size() > limits::kPathSegments) return match;
  const Node* other = nullptr;
  if (const Node* node = walk(*root_, method, segments, 0, match, other)) {
    match.route = node->route_for(method);
    match.service = match.route->service;
  } else if (other) {
    match.service = other->routes.front()->service;
    std::vector<std::string_view> methods;
    for (const Route* route : other->routes) {
      methods.push_back(route->method);
      if (route->method == "GET") methods.push_back("HEAD");
    }
    std::sort(methods.begin(), methods.end());
    methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
    for (const std::string_view each : methods) {
      if (!match.allow.empty()) match.allow += ", ";
      match.allow += each;
    }
  }
  return match;
}

std::vector<std::string_view> pattern_names(std::string_view pattern) {
  std::vector<std::string_view> names;
  for (const std::string_view segment : path_segments(pattern))
    if (is_name_segment(segment)) names.push_back(segment.substr(1, segment.size() - 2));
  return names;
}

}  // namespace cloudos::rest
