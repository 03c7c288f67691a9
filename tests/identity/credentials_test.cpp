#include "cloudos/credentials.hpp"

#include "cloudos/application_credentials.hpp"
#include "cloudos/trusts.hpp"
#include "identity/credential_keys.hpp"
#include "identity/credential_records.hpp"
#include "identity/password_support.hpp"

using namespace cloudos;
using namespace identity_test;

namespace {

CredentialCreate ec2_spec(const User& user, const Project& project, const std::string& access) {
  CredentialCreate spec;
  spec.type = "ec2";
  spec.blob = R"({"access":")" + access + R"(","secret":"s"})";
  spec.ec2 = {access, "s"};
  spec.user = user.id;
  spec.project = project.id;
  return spec;
}

struct Pair {
  World world;
  User una = world.add_user("una"), otto = world.add_user("otto");
  Project work = world.add_project("work"), play = world.add_project("play");
  Context as_una, as_otto, as_admin;
  Pair() {
    world.grant(una.id, work.id, "member");
    world.grant(otto.id, work.id, "member");
    as_una = world.login("una", "password of una", World::project_scope("work"))->context("r");
    as_otto = world.login("otto", "password of otto", World::project_scope("work"))->context("r");
    as_admin = world.admin_token().context("r");
  }
  Credentials& credentials() { return world.identity->credentials(); }
};

}  // namespace

TEST_CASE("a credential is made, shown, listed, changed and removed by its owner") {
  Pair p;
  const auto made = p.credentials().create(p.as_una, ec2_spec(p.una, p.work, "AK"));
  REQUIRE(made);
  CHECK(made->id.value.size() == 64);
  CHECK(made->ec2 == Ec2Key{"AK", "s"});
  CHECK(failure(p.credentials().create(p.as_una, ec2_spec(p.una, p.play, "AK"))) ==
        ErrorCode::AlreadyExists);
  CredentialUpdate with;
  with.blob = R"({"access":"BK","secret":"t"})";
  with.ec2 = Ec2Key{"BK", "t"};
  const auto changed = p.credentials().update(p.as_una, made->id, with);
  REQUIRE(changed);
  CHECK(changed->id == made->id);
  CHECK(changed->ec2 == Ec2Key{"BK", "t"});
  CHECK(p.credentials().get(p.as_una, made->id)->blob == *with.blob);
  CHECK(p.credentials().get_ec2(p.as_una, p.una.id, "BK"));
  CHECK_FALSE(p.credentials().get_ec2(p.as_una, p.una.id, "AK"));
  CHECK(p.credentials().list(p.as_una, {})->size() == 1);
  CHECK(p.credentials().list(p.as_otto, {})->empty());
  CHECK(p.credentials().list(p.as_admin, {})->size() == 1);
  CredentialFilter filter;
  filter.type = "totp";
  CHECK(p.credentials().list(p.as_una, filter)->empty());
  filter.type = "ec2";
  filter.user = p.una.id;
  CHECK(p.credentials().list(p.as_una, filter)->size() == 1);
  CHECK(p.credentials().list(p.as_otto, filter)->empty());
  REQUIRE(p.credentials().remove(p.as_una, made->id));
  CHECK(failure(p.credentials().get(p.as_una, made->id)) == ErrorCode::NotFound);
}

TEST_CASE("another's credential is not there, whatever is asked of it") {
  Pair p;
  const auto made = p.credentials().create(p.as_una, ec2_spec(p.una, p.work, "AK"));
  REQUIRE(made);
  CHECK(failure(p.credentials().get(p.as_otto, made->id)) == ErrorCode::NotFound);
  CHECK(failure(p.credentials().update(p.as_otto, made->id, {})) == ErrorCode::NotFound);
  CHECK(failure(p.credentials().remove(p.as_otto, made->id)) == ErrorCode::NotFound);
  CHECK(failure(p.credentials().get_ec2(p.as_otto, p.una.id, "AK")) == ErrorCode::Forbidden);
  CHECK(failure(p.credentials().get_ec2(p.as_otto, p.otto.id, "AK")) == ErrorCode::NotFound);
  CHECK(failure(p.credentials().list_ec2(p.as_otto, p.una.id)) == ErrorCode::Forbidden);
  CHECK(failure(p.credentials().create(p.as_otto, ec2_spec(p.una, p.work, "X"))) ==
        ErrorCode::Forbidden);
  CHECK(failure(p.credentials().create_ec2(p.as_otto, p.una.id, p.work.id)) ==
        ErrorCode::Forbidden);
}

TEST_CASE("whose a credential is, of which project and type, only an admin changes") {
  Pair p;
  const auto made = p.credentials().create(p.as_una, ec2_spec(p.una, p.work, "AK"));
  REQUIRE(made);
  CredentialUpdate project, user, type;
  project.project = p.play.id;
  user.user = p.otto.id;
  type.type = "cert";
  for (const auto* with : {&project, &user, &type})
    CHECK(failure(p.credentials().update(p.as_una, made->id, *with)) == ErrorCode::Forbidden);
  for (const auto* with : {&project, &user, &type})
    CHECK(p.credentials().update(p.as_admin, made->id, *with));
  const auto now = p.credentials().get(p.as_admin, made->id);
  REQUIRE(now);
  CHECK(now->project == p.play.id);
  CHECK(now->user == p.otto.id);
  CHECK(now->ec2.access.empty());  // It is no EC2 key any more.
  CredentialUpdate back;
  back.type = "ec2";
  CHECK(failure(p.credentials().update(p.as_admin, made->id, back)) == ErrorCode::InvalidArgument);
}

TEST_CASE("credentials that are wrong in shape are refused") {
  Pair p;
  struct Row {
    std::string what;
    CredentialCreate spec;
    ErrorCode code = ErrorCode::InvalidArgument;
  };
  std::vector<Row> rows(9, Row{"", ec2_spec(p.una, p.work, "AK")});
  rows[0].what = "no type", rows[0].spec.type = "";
  rows[1].what = "no project", rows[1].spec.project = {};
  rows[2].what = "no access", rows[2].spec.ec2.access = "";
  rows[3].what = "no secret", rows[3].spec.ec2.secret = "";
  rows[4].what = "a long access",
  rows[4].spec.ec2.access = std::string(limits::kEc2KeyChars + 1, 'a');
  rows[5].what = "a long blob", rows[5].spec.blob = std::string(limits::kCredentialBytes + 1, 'a');
  rows[6].what = "no base32", rows[6].spec.type = "totp";
  rows[7].what = "unknown project", rows[7].spec.project = ProjectId{"0123"};
  rows[7].code = ErrorCode::NotFound;
  rows[8].what = "a long type",
  rows[8].spec.type = std::string(limits::kCredentialTypeChars + 1, 't');
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(failure(p.credentials().create(p.as_una, row.spec)) == row.code);
  }
  CHECK(failure(p.credentials().create_ec2(p.as_una, p.una.id, p.play.id)) ==
        ErrorCode::Forbidden);  // No role there.
  CHECK(failure(p.credentials().create_ec2(p.as_una, p.una.id, ProjectId{"0123"})) ==
        ErrorCode::NotFound);
}

TEST_CASE("no secret lies open in the store, and none is opened without the folder's key") {
  const TempFolder folder;
  World world(folder.path);
  const User una = world.add_user("una");
  const Project work = world.add_project("work");
  auto spec = ec2_spec(una, work, "access-of-una");
  spec.ec2.secret = "very-secret-text";
  spec.blob = "very-secret-text in a blob";
  const auto made = world.identity->credentials().create(world.system, spec);
  REQUIRE(made);
  const auto at = world.store->snapshot();
  const auto everything = (*at)->scan("/");
  REQUIRE(everything);
  CHECK(everything->size() > 5);
  for (const auto& entry : *everything)
    CHECK(entry.value.find("very-secret-text") == std::string::npos);
  const auto file = folder.path / "keys" / "credentials";
  REQUIRE(std::filesystem::exists(file));
  CHECK((std::filesystem::status(file).permissions() & std::filesystem::perms::others_all) ==
        std::filesystem::perms::none);
  world.start();
  CHECK(world.identity->credentials().get(world.system, made->id)->ec2.secret ==
        "very-secret-text");
  std::filesystem::rename(file, folder.path / "old-key");
  world.start();
  CHECK(failure(world.identity->credentials().get(world.system, made->id)) == ErrorCode::Internal);
  // The old key behind a new one opens again, and the new one seals.
  std::FILE* const both = std::fopen(file.c_str(), "a");
  REQUIRE(both != nullptr);
  std::FILE* const old = std::fopen((folder.path / "old-key").c_str(), "r");
  REQUIRE(old != nullptr);
  char line[128] = {};
  CHECK(std::fgets(line, sizeof line, old) != nullptr);
  std::fputs(line, both);
  std::fclose(old);
  std::fclose(both);
  world.start();
  CHECK(world.identity->credentials().get(world.system, made->id));
}

TEST_CASE("credentials go with their user and with their project") {
  Pair p;
  const auto one = p.credentials().create_ec2(p.as_una, p.una.id, p.work.id);
  const auto two = p.credentials().create_ec2(p.as_otto, p.otto.id, p.work.id);
  REQUIRE(one);
  REQUIRE(two);
  REQUIRE(p.world.identity->remove_user(p.world.system, p.una.id));
  CHECK(failure(p.credentials().get(p.world.system, one->id)) == ErrorCode::NotFound);
  CHECK(p.credentials().get(p.world.system, two->id));
  REQUIRE(p.world.identity->remove_project(p.world.system, p.work.id));
  CHECK(failure(p.credentials().get(p.world.system, two->id)) == ErrorCode::NotFound);
}

TEST_CASE("a user has so many credentials and no more") {
  Pair p;
  for (std::size_t i = 0; i < limits::kCredentialsOfUser; ++i)
    REQUIRE(p.credentials().create(p.world.system, ec2_spec(p.una, p.work, std::to_string(i))));
  CHECK(failure(p.credentials().create(p.world.system, ec2_spec(p.una, p.work, "last"))) ==
        ErrorCode::QuotaExceeded);
  CHECK(p.credentials().create(p.world.system, ec2_spec(p.otto, p.work, "last")));
}

TEST_CASE("tokens of delegations see and make only what is of the same delegation") {
  Pair p;
  const auto own = p.credentials().create_ec2(p.as_una, p.una.id, p.work.id);
  REQUIRE(own);
  struct Row {
    std::string what;
    Context ctx;
    bool may_make;
  };
  Row rows[3] = {
      {"restricted", p.as_una, false}, {"unrestricted", p.as_una, true}, {"trust", p.as_una, true}};
  rows[0].ctx.application_credential = ApplicationCredentialId{"a"};
  rows[0].ctx.restricted = true;
  rows[1].ctx.application_credential = ApplicationCredentialId{"b"};
  rows[2].ctx.trust = TrustId{"t"};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    // A secret of the user's own would give more than the delegation does.
    CHECK(p.credentials().list(row.ctx, {})->empty());
    CHECK(p.credentials().list_ec2(row.ctx, p.una.id)->empty());
    CHECK_FALSE(p.credentials().get(row.ctx, own->id));
    CHECK_FALSE(p.credentials().get_ec2(row.ctx, p.una.id, own->ec2.access));
    CHECK_FALSE(p.credentials().remove(row.ctx, own->id));
    CHECK_FALSE(p.credentials().update(row.ctx, own->id, {}));
    CHECK(failure(p.credentials().create_ec2(row.ctx, p.una.id, p.play.id)) ==
          ErrorCode::Forbidden);
    CredentialCreate totp;
    totp.type = "totp";
    totp.blob = "MFRGG===";
    totp.user = p.una.id;
    CHECK(failure(p.credentials().create(row.ctx, totp)) == ErrorCode::Forbidden);
    const auto made = p.credentials().create_ec2(row.ctx, p.una.id, p.work.id);
    CHECK(made.has_value() == row.may_make);
    if (!made) continue;
    CHECK(made->trust == row.ctx.trust);
    CHECK(made->application_credential == row.ctx.application_credential);
    CHECK(p.credentials().list(row.ctx, {})->size() == 1);
    CredentialUpdate moved;
    moved.project = p.play.id;
    Context admin = row.ctx;
    admin.is_admin = true;
    CHECK_FALSE(p.credentials().update(admin, made->id, moved));
    CHECK(p.credentials().remove(row.ctx, made->id));
  }
}

TEST_CASE("another key seals secrets from now on, and those of before are sealed anew") {
  TempFolder folder;
  World world(folder.path);
  const User una = world.add_user("una");
  const Project work = world.add_project("work");
  world.grant(una.id, work.id, "member");
  auto& credentials = world.identity->credentials();
  const Context admin = world.admin_token().context("r");
  const auto made = credentials.create(admin, ec2_spec(una, work, "AK"));
  REQUIRE(made);
  CHECK(failure(credentials.keys(world.login("una", "password of una",
                                             World::project_scope("work"))->context("r"))) ==
        ErrorCode::Forbidden);
  const auto before = credentials.keys(admin);
  REQUIRE(before);
  REQUIRE(before->size() == 1);
  CHECK(before->front().seals);
  CHECK(before->front().secrets == 2);  // The blob and the secret in it.
  const auto sealed = [&] {
    const auto at = world.store->snapshot();
    return records::get<identity::CredentialRecord>(**at, made->id)->sealed_secret;
  };
  const std::string old = sealed();
  const auto rotated = credentials.rotate_keys(admin);
  REQUIRE(rotated);
  REQUIRE(rotated->size() == 2);
  CHECK(rotated->at(1).id == before->front().id);
  CHECK(rotated->at(1).secrets == 2);
  CHECK(sealed() == old);
  CHECK(credentials.get(admin, made->id)->ec2.secret == "s");
  // Not again before all is sealed anew: a key that is still needed would go.
  CHECK(failure(credentials.rotate_keys(admin)) == ErrorCode::Conflict);
  world.executor.run_pending();
  CHECK(sealed() != old);
  const auto after = credentials.keys(admin);
  CHECK(after->at(0).secrets == 2);
  CHECK(after->at(1).secrets == 0);
  CHECK(credentials.get(admin, made->id)->ec2.secret == "s");
  const auto second = credentials.rotate_keys(admin);
  REQUIRE(second);
  CHECK(second->size() == 2);
  CHECK(second->at(1).id == rotated->at(0).id);  // The first one is gone.
  world.start();
  CHECK(world.identity->credentials().get(admin, made->id)->ec2.secret == "s");
}

TEST_CASE("who opens the folder later, or seals at the same time, follows another key") {
  TempFolder folder;
  SeededRandom random{7};
  identity::CredentialKeys owner, guest;
  const auto file = folder.path / "keys" / "credentials";
  REQUIRE(owner.open(file, random, true));
  REQUIRE(guest.open(file, random, false));
  const auto first = guest.seal("one", random);
  REQUIRE(first);
  REQUIRE(owner.rotate(random));
  const auto second = guest.seal("two", random);
  REQUIRE(second);
  CHECK(owner.sealed_by(*first) == 1);
  CHECK(owner.sealed_by(*second) == 0);
  CHECK(guest.ids() == owner.ids());
  const auto third = owner.seal("three", random);
  identity::CredentialKeys late;
  REQUIRE(late.open(file, random, false));
  for (const auto& [text, plain] :
       {std::pair(*first, "one"), std::pair(*second, "two"), std::pair(*third, "three")})
    CHECK(late.unseal(text) == plain);
}
