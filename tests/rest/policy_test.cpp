#include <doctest/doctest.h>

#include "identity/policy.hpp"
#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;

namespace {

std::vector<rest::Route> routes_of_all() {
  std::vector<rest::Route> all;
  for (const auto table :
       {rest::identity_routes(), rest::identity_registry_routes(), rest::image_routes(),
        rest::network_routes(), rest::compute_routes(), rest::task_routes(),
        rest::audit_routes(), rest::discovery_routes()})
    all.insert(all.end(), table.begin(), table.end());
  return all;
}

/// The pattern with an id that exists nowhere in each place.
std::string target_of(const rest::Route& route) {
  std::string target;
  bool inside = false;
  for (const char c : route.pattern) {
    if (c == '{') target += "0123456789abcdef0123456789abcdef";
    if (c == '{' || c == '}') inside = c == '{';
    else if (!inside) target += c;
  }
  return target;
}

/// Open to whoever holds a token, whatever the roles.
bool needs_role(std::string_view policy) {
  for (const auto rows : {identity::identity_policies(), identity::credential_policies(),
                          identity::compute_policies(),
                          identity::image_policies(), identity::network_policies(),
                          identity::task_policies()}) {
    for (const auto& row : rows) {
      if (row.name == policy)
        return row.is.rule != "@" && row.is.rule.find("owner") == row.is.rule.npos &&
               row.is.rule.find("target") == row.is.rule.npos;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("policy: every route that needs a token names a rule that exists") {
  Site site;
  std::size_t count = 0;
  for (const rest::Route& route : routes_of_all()) {
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    if (!route.auth) {
      CHECK(route.policy.empty());
      continue;
    }
    ++count;
    CAPTURE(route.policy);
    CHECK(site.cloud->identity().enforce(Context::system(), route.policy));
  }
  CHECK(count > 60);
}

TEST_CASE("policy: every route refuses no token, a garbled, an expired and one without the role") {
  Site site;
  const std::string expired = site.admin;
  site.clock->advance(std::chrono::hours(2));
  site.admin = site.login("admin", kAdminPassword, "admin");
  const auto system = Context::system();
  RoleCreate auditor;
  auditor.name = "auditor";
  REQUIRE(site.cloud->identity().create_role(system, auditor));
  const std::string roleless = site.add_user("rita", "auditor");
  std::string garbled = site.admin;
  garbled[garbled.size() / 2] = garbled[garbled.size() / 2] == 'A' ? 'B' : 'A';
  for (const rest::Route& route : routes_of_all()) {
    if (!route.auth) continue;
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    const std::string method(route.method), target = target_of(route);
    for (const std::string& token : {std::string(), garbled, expired, std::string("x")}) {
      CAPTURE(token);
      const Answer answer = site.send(method, target, "", token);
      CHECK(answer.status == 401);
      CHECK(answer.headers.has("WWW-Authenticate"));
    }
    // Some hear of what is wrong with the body first: here, that there is none.
    if (needs_role(route.policy))
      CHECK(site.send(method, target, "", roleless).status == (route.check_body ? 400 : 403));
    const Answer admin = site.send(method, target, "", site.admin);
    CAPTURE(admin.text);
    CHECK(admin.status != 401);
    CHECK(admin.status != 500);
    if (route.service != rest::Service::Identity) CHECK(admin.status != 403);
  }
}

TEST_CASE("policy: headers that claim an identity are not believed") {
  Site site;
  const HeaderList claims = {{"X-Roles", "admin"},          {"X-User-Id", "admin"},
                             {"X-Project-Id", "admin"},     {"X-Is-Admin-Project", "True"},
                             {"X-Identity-Status", "Confirmed"}, {"X-Role", "admin"}};
  CHECK(site.send("GET", "/identity/v3/users", "", "", claims).status == 401);
  const std::string reader = site.add_user("rosa", "reader");
  CHECK(site.send("GET", "/identity/v3/users", "", reader, claims).status == 403);
}
