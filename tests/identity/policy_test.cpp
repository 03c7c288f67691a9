#include <doctest/doctest.h>

#include "cloudos/policy.hpp"

using namespace cloudos;

namespace {
Context caller(std::vector<std::string> roles, const char* project = "p", const char* user = "u") {
  Context ctx;
  ctx.user = UserId{user};
  ctx.project = ProjectId{project};
  ctx.is_admin = std::find(roles.begin(), roles.end(), "admin") != roles.end();
  ctx.roles = std::move(roles);
  return ctx;
}
}  // namespace

TEST_CASE("the default policies give each role what is its own and no more") {
  const Policy table;
  struct Row {
    std::string what;
    std::string_view policy;
    Context ctx;
    PolicyTarget target;
    bool allowed;
  };
  const PolicyTarget none, own{ProjectId{"p"}, UserId{"u"}},
      foreign{ProjectId{"q"}, UserId{"v"}};
  const Row rows[] = {
      {"admin anywhere", "identity:create_user", caller({"admin"}), foreign, true},
      {"the program itself", "identity:create_user", Context::system(), none, true},
      {"member makes a user", "identity:create_user", caller({"member", "reader"}), none, false},
      {"member makes a server", "os_compute_api:servers:create", caller({"member"}), none, true},
      {"member in another project", "os_compute_api:servers:create", caller({"member"}), foreign,
       false},
      {"reader makes a server", "os_compute_api:servers:create", caller({"reader"}), none, false},
      {"reader lists servers", "os_compute_api:servers:index", caller({"reader"}), own, true},
      {"member lists servers", "os_compute_api:servers:index", caller({"member"}), own, true},
      {"own role only", "os_compute_api:servers:index", caller({"auditor"}), none, false},
      {"no role", "get_images", caller({}), none, false},
      {"reader of nothing", "get_images", caller({"reader"}, ""), none, false},
      {"anyone looks at a token", "identity:validate_token", caller({}, ""), none, true},
      {"oneself", "identity:get_user", caller({}, ""), own, true},
      {"somebody else", "identity:get_user", caller({"member"}), foreign, false},
      {"nobody asks for nobody", "identity:get_user", caller({}, "", ""), none, false},
      {"all tenants", "os_compute_api:servers:detail:get_all_tenants", caller({"member"}), none,
       false},
      {"public image", "publicize_image", caller({"member"}), none, false},
      {"shared network", "create_network:shared", caller({"member"}), none, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto answer = table.enforce(row.ctx, row.policy, row.target);
    CHECK(answer.has_value() == row.allowed);
    if (!row.allowed) CHECK(answer.error().code == ErrorCode::Forbidden);
  }
}

TEST_CASE("a name that is not in the table is refused to everyone, admins too") {
  const Policy table;
  CHECK(table.enforce(Context::system(), "identity:make_coffee", {}).error().code ==
        ErrorCode::Internal);
  CHECK(table.enforce(Context::system(), "", {}).error().code == ErrorCode::Internal);
}
