// Bodies and queries, on their whole way through the router of a cloud in memory.
#include <memory>

#include "cloudos/cloud.hpp"
#include "cloudos/rest.hpp"
#include "fuzz/targets.hpp"

namespace cloudos::fuzz {
namespace {

// A cloud that has taken this many requests is replaced: findings must not hang on a long history.
constexpr unsigned kRequestsPerCloud = 2'000;

class Fresh {
 public:
  const rest::Router& router() {
    if (used_++ % kRequestsPerCloud == 0) {
      router_.reset();
      cloud_.reset();
      Options options;
      options.workers = 0;
      options.password_cost = 4;
      options.admin_password = "fuzz";
      options.host_names = {"host-1"};
      auto opened = Cloud::open(options);
      expect(opened.has_value(), "a cloud in memory opens");
      cloud_ = std::move(*opened);
      router_ = std::make_unique<rest::Router>(*cloud_);
    }
    return *router_;
  }
  void settle() { cloud_->run_pending(cloud_->clock().mono() + std::chrono::milliseconds{5}); }

 private:
  unsigned used_ = 0;
  std::unique_ptr<Cloud> cloud_;
  std::unique_ptr<rest::Router> router_;
};

Fresh& fresh() {
  static Fresh kept;
  return kept;
}

void request(std::string method, std::string target, std::string_view body) {
  rest::Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers.add("Content-Type", "application/json");
  request.caller = Context::system();
  request.caller->project = ProjectId{"fuzz"};
  TextSource source{std::string(body)};
  if (!body.empty()) request.body = &source;
  const rest::Response response = fresh().router().handle(request);
  expect(response.status >= 200 && response.status != 500, "no request makes an internal error");
  fresh().settle();
}

struct Door {
  const char* method;
  const char* path;
};
constexpr Door kBodies[] = {
    {"POST", "/compute/v2.1/servers"},
    {"POST", "/compute/v2.1/flavors"},
    {"POST", "/compute/v2.1/os-keypairs"},
    {"POST", "/network/v2.0/networks"},
    {"POST", "/network/v2.0/subnets"},
    {"POST", "/network/v2.0/ports"},
    {"POST", "/network/v2.0/security-groups"},
    {"POST", "/network/v2.0/security-group-rules"},
    {"POST", "/image/v2/images"},
    {"POST", "/identity/v3/projects"},
    {"POST", "/identity/v3/users"},
    {"POST", "/identity/v3/auth/tokens"},
    {"POST", "/identity/v3/roles"},
    {"POST", "/identity/v3/domains"},
    {"POST", "/identity/v3/services"},
    {"POST", "/identity/v3/endpoints"},
    {"PUT", "/compute/v2.1/os-quota-sets/fuzz"},
    {"POST", "/identity/v3/groups"},
};
constexpr const char* kLists[] = {
    "/compute/v2.1/servers/detail",
    "/compute/v2.1/flavors/detail",
    "/network/v2.0/networks",
    "/network/v2.0/ports",
    "/network/v2.0/subnets",
    "/network/v2.0/security-groups",
    "/image/v2/images",
    "/identity/v3/users",
    "/identity/v3/projects",
    "/identity/v3/role_assignments",
    "/compute/v2.1/os-hypervisors/detail",
    "/compute/v2.1/os-keypairs",
};

}  // namespace

/// The first byte chooses the route.
void run_json_body(std::string_view bytes) {
  if (bytes.empty()) return;
  const Door& door = kBodies[static_cast<unsigned char>(bytes[0]) % std::size(kBodies)];
  request(door.method, door.path, bytes.substr(1));
}

/// The same, with a query; also with the rest of the path itself.
void run_query(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > 8'192) return;
  const auto first = static_cast<unsigned char>(bytes[0]);
  const std::string list = kLists[first % std::size(kLists)];
  const std::string text(bytes.substr(1));
  request("GET", list + (first & 0x80 ? "/" : "?") + text, {});
}

}  // namespace cloudos::fuzz
