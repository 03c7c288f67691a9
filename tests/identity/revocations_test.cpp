#include "identity/revocations.hpp"

#include "cloudos/trusts.hpp"
#include "identity/password_support.hpp"
#include "records/table.hpp"

using namespace cloudos;
using namespace identity_test;

// What list_revocations tells of changes that end tokens.
namespace {

/// Only what came since the last time.
struct Told {
  World world;
  User una = world.add_user("una");
  Project work = world.add_project("work");
  std::vector<RevocationEvent> since() {
    const WallTime from = last;
    last = world.clock.wall() + std::chrono::seconds(1);
    auto events = world.identity->list_revocations(world.system, from);
    REQUIRE(events);
    world.clock.advance(std::chrono::seconds(2));
    return *events;
  }
  WallTime last{};
};

}  // namespace

TEST_CASE("who is disabled, gets another password or goes, and what is taken away, is told") {
  Told t;
  Identity& identity = *t.world.identity;
  t.since();
  t.world.grant(t.una.id, t.work.id, "member");
  CHECK(t.since().empty());  // Nothing ends by what is given.
  IdentityUpdate user;
  user.password = "another one";
  REQUIRE(identity.update_user(t.world.system, t.una.id, user));
  auto told = t.since();
  REQUIRE(told.size() == 1);
  CHECK(told[0].user == t.una.id);
  CHECK(told[0].project.empty());
  user = {};
  user.description = "no more than that";
  REQUIRE(identity.update_user(t.world.system, t.una.id, user));
  CHECK(t.since().empty());
  Assignment member;
  member.user = t.una.id;
  member.project = t.work.id;
  member.role = t.world.role("member");
  REQUIRE(identity.ungrant(t.world.system, member));
  told = t.since();
  REQUIRE(told.size() == 1);
  CHECK(told[0].user == t.una.id);
  CHECK(told[0].project == t.work.id);
  CHECK(told[0].role == member.role);
  IdentityUpdate project;
  project.enabled = false;
  REQUIRE(identity.update_project(t.world.system, t.work.id, project));
  told = t.since();
  REQUIRE(told.size() == 1);
  CHECK(told[0].project == t.work.id);
  REQUIRE(identity.remove_user(t.world.system, t.una.id));
  told = t.since();
  REQUIRE(told.size() == 1);
  CHECK(told[0].user == t.una.id);
}

TEST_CASE("the events of one thing are one, and go when no token of before can be left") {
  Told t;
  for (const char* password : {"one password", "two passwords", "three passwords"}) {
    IdentityUpdate user;
    user.password = password;
    REQUIRE(t.world.identity->update_user(t.world.system, t.una.id, user));
    t.world.clock.advance(std::chrono::seconds(1));
  }
  const auto stored = [&] {
    const auto at = t.world.store->snapshot();
    return records::all<identity::RevokeEventRecord>(**at)->size();
  };
  CHECK(stored() == 1);
  CHECK(t.world.identity->list_revocations(t.world.system)->size() == 1);
  t.world.clock.advance(t.world.settings.token_lifetime + std::chrono::minutes(20));
  CHECK(t.world.identity->list_revocations(t.world.system)->empty());
  t.world.executor.run_pending();
  CHECK(stored() == 0);
}
