#include "identity/support.hpp"

using namespace identity_test;
using cloudos::ErrorCode;

TEST_CASE("a new lifetime holds for tokens given from then on; those before keep their end") {
  TempFolder folder;
  World world(folder.path);
  const auto before = world.admin_token();
  struct Row {
    std::string what;
    std::chrono::seconds lifetime;
  };
  const Row rows[] = {{"shorter", std::chrono::seconds(90)},
                      {"longer", std::chrono::hours(20)},
                      {"shorter again", std::chrono::minutes(5)}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    REQUIRE(world.identity->set_token_lifetime(row.lifetime));
    const auto token = world.admin_token();
    CHECK(token.expires_at == token.issued_at + row.lifetime);
  }
  const auto still = world.identity->validate(before.text);
  REQUIRE(still);
  CHECK(still->expires_at == before.expires_at);
}

TEST_CASE("a lifetime that cannot be is refused and the old one stays") {
  World world;  // In memory.
  const auto zero = world.identity->set_token_lifetime(std::chrono::seconds(0));
  REQUIRE_FALSE(zero);
  CHECK(zero.error().code == ErrorCode::InvalidArgument);
  const auto longer = world.identity->set_token_lifetime(std::chrono::hours(2));
  REQUIRE_FALSE(longer);
  CHECK(longer.error().code == ErrorCode::Unsupported);
  const auto token = world.admin_token();
  CHECK(token.expires_at == token.issued_at + std::chrono::hours(1));
}

TEST_CASE("a new cost is for new passwords; old ones still open the door") {
  World world;
  for (const unsigned cost : {0U, 3U, 17U}) {
    CAPTURE(cost);
    const auto refused = world.identity->set_password_cost(cost);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::InvalidArgument);
  }
  REQUIRE(world.identity->set_password_cost(5));
  CHECK(world.login("admin", kAdminPassword, World::project_scope("admin")));
  cloudos::UserCreate spec;
  spec.name = "late";
  spec.domain = cloudos::DomainId{"default"};
  spec.password = "another password";
  REQUIRE(world.identity->create_user(world.system, spec));
  CHECK(world.login("late", "another password", World::unscoped()));
}
