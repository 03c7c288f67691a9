#include "identity/support.hpp"

#include "codec/binary.hpp"
#include "identity/tokens.hpp"

using namespace cloudos;
using identity_test::World;

namespace {

/// A world with a user who is member of a project by their own role, and one by a group.
struct Cast {
  World world;
  Domain domain = world.add_domain("elsewhere");
  Project project = world.add_project("work", domain.id.value);
  User user = world.add_user("una", domain.id.value);
  Group group;
  User grouped = world.add_user("gil", domain.id.value);
  RoleId member = world.role("member"), extra = world.role("auditor");

  Cast() {
    GroupCreate spec;
    spec.name = "crew";
    spec.domain = domain.id;
    group = *world.identity->create_group(world.system, spec);
    world.grant(user.id, project.id, "member");
    REQUIRE(world.identity->add_to_group(world.system, group.id, grouped.id));
    REQUIRE(world.identity->grant(world.system, {{}, group.id, project.id, {}, member}));
  }
  Result<Token> login(const User& who, const std::string& password, bool scoped = true) {
    Login login;
    login.password = Login::Password{{who.id.value, "", "", ""}, password};
    login.scope.kind = scoped ? Scope::Kind::Project : Scope::Kind::Unscoped;
    if (scoped) login.scope.target.id = project.id.value;
    return world.identity->authenticate(login);
  }
  Token token(const User& who) {
    auto made = login(who, "password of " + who.name);
    REQUIRE(made);
    return *made;
  }
};

Result<void> dropped(const auto& result) {
  if (!result) return fail(result.error());
  return Result<void>();
}

IdentityUpdate with_enabled(bool enabled) {
  IdentityUpdate with;
  with.enabled = enabled;
  return with;
}

}  // namespace

TEST_CASE("a login gives a token that says who, where and with which roles") {
  World world;
  const Token token = world.admin_token();
  CHECK(token.text.starts_with("gAAAAA"));
  CHECK(token.text.size() < 400);
  CHECK(token.methods == std::vector<std::string>{"password"});
  CHECK(token.user.name == "admin");
  CHECK(token.project->name == "admin");
  CHECK(token.project_domain->id == "default");
  CHECK(identity_test::role_names(token) == std::vector<std::string>{"admin", "member", "reader"});
  CHECK(token.expires_at == token.issued_at + std::chrono::hours(1));
  CHECK(token.audit_ids.size() == 1);
  const Context ctx = token.context("req-1");
  CHECK(ctx.is_admin);
  CHECK(ctx.project.value == token.project->id);
  CHECK(ctx.request_id == "req-1");
}

TEST_CASE("issuing and validating tokens writes nothing") {
  World world;
  const auto before = world.revision();
  const Token token = world.admin_token();
  CHECK(world.identity->validate(token.text));
  CHECK(world.rescope(token.text));
  CHECK(world.revision() == before);
}

TEST_CASE("a wrong login is Unauthenticated and does not say what was wrong") {
  World world;
  world.add_project("lonely");
  const User off = world.add_user("off");
  REQUIRE(world.identity->update_user(world.system, off.id, with_enabled(false)));
  UserCreate no_password;
  no_password.name = "mute";
  no_password.domain = DomainId{"default"};
  REQUIRE(world.identity->create_user(world.system, no_password));
  struct Row {
    std::string what;
    std::string user, password;
    Scope scope;
  };
  const Row rows[] = {
      {"wrong password", "admin", "wrong", {}},
      {"empty password", "admin", "", {}},
      {"huge password", "admin", std::string(1 << 20, 'x'), {}},
      {"unknown user", "nobody", identity_test::kAdminPassword, {}},
      {"disabled user", "off", "password of off", {}},
      {"user without a password", "mute", "", {}},
      {"unknown project", "admin", identity_test::kAdminPassword, World::project_scope("none")},
      {"project without a role", "admin", identity_test::kAdminPassword,
       World::project_scope("lonely")},
  };
  std::string message;
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto token = world.login(row.user, row.password, row.scope);
    REQUIRE_FALSE(token);
    CHECK(token.error().code == ErrorCode::Unauthenticated);
    if (message.empty()) message = token.error().message;
    CHECK(token.error().message == message);
  }
}

TEST_CASE("names of users and domains are found without regard to case") {
  World world;
  Login login;
  login.password = Login::Password{{"", "ADMIN", "", "dEfAuLt"}, identity_test::kAdminPassword};
  CHECK(world.identity->authenticate(login));
}

TEST_CASE("a login without scope uses the default project if it may, else no project") {
  World world;
  const Project project = world.add_project("home");
  const User user = world.add_user("una");
  CHECK_FALSE(world.login("una", "password of una")->project);
  IdentityUpdate with;
  with.default_project = project.id;
  REQUIRE(world.identity->update_user(world.system, user.id, with));
  CHECK_FALSE(world.login("una", "password of una")->project);
  world.grant(user.id, project.id, "member");
  CHECK(world.login("una", "password of una")->project->name == "home");
  CHECK_FALSE(world.login("una", "password of una", World::unscoped())->project);
  REQUIRE(world.identity->update_project(world.system, project.id, with_enabled(false)));
  CHECK_FALSE(world.login("una", "password of una")->project);
}

TEST_CASE("an existing token dies with the commit that kills it, and stays dead") {
  struct Row {
    std::string what;
    bool by_group;
    std::function<Result<void>(Cast&)> kill, undo;
  };
  const auto password = [](const char* text) {
    IdentityUpdate with;
    with.password = text;
    return with;
  };
  const Row rows[] = {
      {"user disabled", false,
       [](Cast& c) {
         return dropped(
             c.world.identity->update_user(c.world.system, c.user.id, with_enabled(false)));
       },
       [](Cast& c) {
         return dropped(
             c.world.identity->update_user(c.world.system, c.user.id, with_enabled(true)));
       }},
      {"user deleted", false,
       [](Cast& c) { return c.world.identity->remove_user(c.world.system, c.user.id); }, {}},
      {"project disabled", false,
       [](Cast& c) {
         return dropped(
             c.world.identity->update_project(c.world.system, c.project.id, with_enabled(false)));
       },
       [](Cast& c) {
         return dropped(
             c.world.identity->update_project(c.world.system, c.project.id, with_enabled(true)));
       }},
      {"project deleted", false,
       [](Cast& c) { return c.world.identity->remove_project(c.world.system, c.project.id); }, {}},
      {"domain disabled", false,
       [](Cast& c) {
         return dropped(
             c.world.identity->update_domain(c.world.system, c.domain.id, with_enabled(false)));
       },
       [](Cast& c) {
         return dropped(
             c.world.identity->update_domain(c.world.system, c.domain.id, with_enabled(true)));
       }},
      {"password set by an admin", false,
       [&](Cast& c) {
         return dropped(
             c.world.identity->update_user(c.world.system, c.user.id, password("new one")));
       },
       [&](Cast& c) {
         return dropped(
             c.world.identity->update_user(c.world.system, c.user.id, password("password of una")));
       }},
      {"password changed by the user", false,
       [](Cast& c) {
         Context self;
         self.user = c.user.id;
         return c.world.identity->change_password(self, c.user.id, "password of una", "new one");
       },
       {}},
      {"role taken away", false,
       [](Cast& c) {
         return c.world.identity->ungrant(c.world.system,
                                          {c.user.id, {}, c.project.id, {}, c.member});
       },
       [](Cast& c) {
         return c.world.identity->grant(c.world.system,
                                        {c.user.id, {}, c.project.id, {}, c.member});
       }},
      {"role deleted", false,
       [](Cast& c) { return c.world.remove_role(c.member); }, {}},
      {"user leaves the group", true,
       [](Cast& c) {
         return c.world.identity->remove_from_group(c.world.system, c.group.id, c.grouped.id);
       },
       [](Cast& c) {
         return c.world.identity->add_to_group(c.world.system, c.group.id, c.grouped.id);
       }},
      {"group deleted", true,
       [](Cast& c) { return c.world.identity->remove_group(c.world.system, c.group.id); }, {}},
      {"role taken from the group", true,
       [](Cast& c) {
         return c.world.identity->ungrant(c.world.system,
                                          {{}, c.group.id, c.project.id, {}, c.member});
       },
       [](Cast& c) {
         return c.world.identity->grant(c.world.system,
                                        {{}, c.group.id, c.project.id, {}, c.member});
       }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Cast cast;
    const Token token = cast.token(row.by_group ? cast.grouped : cast.user);
    const Token bystander = cast.token(row.by_group ? cast.user : cast.grouped);
    REQUIRE(cast.world.identity->validate(token.text));
    // The clock stands still throughout: the order comes from the records alone.
    REQUIRE(row.kill(cast));
    CHECK(cast.world.identity->validate(token.text).error().code == ErrorCode::Unauthenticated);
    CHECK_FALSE(cast.world.rescope(token.text));
    if (!row.undo) continue;
    REQUIRE(row.undo(cast));
    CHECK_FALSE(cast.world.identity->validate(token.text));
    CHECK(cast.token(row.by_group ? cast.grouped : cast.user).text != token.text);
    if (row.by_group || std::string(row.what).starts_with("user") ||
        std::string(row.what).starts_with("password")) {
      CHECK(cast.world.identity->validate(bystander.text));
    }
  }
}

TEST_CASE("a role that is added shows in existing tokens and kills none") {
  Cast cast;
  const Token token = cast.token(cast.user);
  REQUIRE(cast.world.identity->grant(cast.world.system,
                                     {cast.user.id, {}, cast.project.id, {}, cast.extra}));
  const auto now = cast.world.identity->validate(token.text);
  REQUIRE(now);
  CHECK(identity_test::role_names(*now) ==
        std::vector<std::string>{"auditor", "member", "reader"});
}

TEST_CASE("one token can be ended alone, by its owner or an admin, and the record is swept") {
  Cast cast;
  Identity& identity = *cast.world.identity;
  const Token first = cast.token(cast.user), second = cast.token(cast.user);
  const Context other = cast.token(cast.grouped).context("");
  CHECK(identity.revoke(other, first.text).error().code == ErrorCode::Forbidden);
  REQUIRE(identity.revoke(first.context(""), first.text));
  CHECK_FALSE(identity.validate(first.text));
  CHECK(identity.validate(second.text));
  CHECK(identity.revoke(cast.world.system, first.text).error().code == ErrorCode::NotFound);
  CHECK(identity.revoke(cast.world.system, "garbage").error().code == ErrorCode::NotFound);
  REQUIRE(identity.revoke(cast.world.system, second.text));
  CHECK(cast.world.keys("/revocation/") == 2);
  cast.world.clock.advance(std::chrono::minutes(30));
  cast.world.executor.run_pending();
  CHECK(cast.world.keys("/revocation/") == 2);  // Still needed: the tokens would hold again.
  cast.world.clock.advance(std::chrono::minutes(45));
  cast.world.executor.run_pending();
  CHECK(cast.world.keys("/revocation/") == 0);
  CHECK(cast.world.keys("/ix/revocation/") == 0);
  CHECK_FALSE(identity.validate(first.text));
}

TEST_CASE("a token expires at its time and rescoping never gains any") {
  World world;
  const Token token = world.admin_token();
  world.clock.advance(std::chrono::minutes(59));
  const auto second = world.rescope(token.text, World::project_scope("admin"));
  REQUIRE(second);
  CHECK(second->expires_at == token.expires_at);
  CHECK(second->issued_at > token.issued_at);
  CHECK(second->methods == std::vector<std::string>{"password", "token"});
  CHECK(second->audit_ids.size() == 2);
  CHECK(second->audit_ids[1] == token.audit_ids[0]);
  const auto third = world.rescope(second->text, World::unscoped());
  REQUIRE(third);
  CHECK(third->expires_at == token.expires_at);
  CHECK(third->audit_ids[1] == token.audit_ids[0]);
  world.clock.advance(std::chrono::minutes(1) - std::chrono::microseconds(1));
  CHECK(world.identity->validate(third->text));
  world.clock.advance(std::chrono::microseconds(1));
  for (const Token& each : {token, *second, *third})
    CHECK(world.identity->validate(each.text).error().code == ErrorCode::Unauthenticated);
  CHECK_FALSE(world.rescope(token.text));
}

TEST_CASE("password and token together must name one user") {
  Cast cast;
  const Token token = cast.token(cast.user);
  Login login;
  login.token = token.text;
  login.password = Login::Password{{cast.grouped.id.value, "", "", ""}, "password of gil"};
  CHECK(cast.world.identity->authenticate(login).error().code == ErrorCode::Unauthenticated);
  login.password = Login::Password{{cast.user.id.value, "", "", ""}, "password of una"};
  const auto both = cast.world.identity->authenticate(login);
  REQUIRE(both);
  CHECK(both->expires_at == token.expires_at);
  CHECK(cast.world.identity->authenticate({}).error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("a token may be scoped to a domain where a role is held") {
  Cast cast;
  Scope scope{Scope::Kind::Domain, {cast.domain.id.value, "", "", ""}};
  CHECK_FALSE(cast.world.rescope(cast.token(cast.user).text, scope));
  REQUIRE(cast.world.identity->grant(cast.world.system,
                                     {cast.user.id, {}, {}, cast.domain.id, cast.extra}));
  const auto token = cast.world.rescope(cast.token(cast.user).text, scope);
  REQUIRE(token);
  CHECK(token->domain->id == cast.domain.id.value);
  CHECK_FALSE(token->project);
  CHECK(identity_test::role_names(*token) == std::vector<std::string>{"auditor"});
}

TEST_CASE("tokens of another cloud, or of keys that are gone, are nothing here") {
  World world, other;
  other.random.fill(std::span<std::uint8_t>(std::make_unique<std::uint8_t[]>(8).get(), 8));
  other.start();
  CHECK_FALSE(world.identity->validate(other.admin_token().text));
  const Token token = world.admin_token();
  world.start();  // In memory the keys are gone too.
  CHECK_FALSE(world.identity->validate(token.text));
}

TEST_CASE("no change of a token's text validates, and none crashes") {
  World world;
  const std::string text = world.admin_token().text;
  SeededRandom random(99);
  const std::string alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n";
  int kept = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string mutated = text;
    for (auto changes = 1 + random.below(4); changes > 0; --changes) {
      const auto at = random.below(mutated.size());
      switch (random.below(4)) {
        case 0: mutated[at] = alphabet[random.below(alphabet.size())]; break;
        case 1: mutated[at] = static_cast<char>(random.below(256)); break;
        case 2: mutated.erase(at, 1 + random.below(20)); break;
        default: mutated.insert(at, 1, alphabet[random.below(alphabet.size())]); break;
      }
      if (mutated.empty()) mutated = "A";
    }
    // Padding at the end is the one way to write the same bytes.
    std::string bare = mutated;
    while (bare.ends_with('=')) bare.pop_back();
    const bool same = bare == text;
    kept += same ? 1 : 0;
    CAPTURE(mutated);
    if (!same) CHECK_FALSE(world.identity->validate(mutated));
  }
  CHECK(kept < 200);
  CHECK_FALSE(world.identity->validate(""));
  CHECK_FALSE(world.identity->validate(std::string(1 << 20, 'A')));
  CHECK(world.identity->validate(text));
}

TEST_CASE("the cache of tokens is bounded and forgets the oldest") {
  identity::TokenCache cache(100);
  for (int i = 0; i < 1'000; ++i) cache.put(std::to_string(i), {});
  CHECK(cache.size() <= 200);
  CHECK(cache.find("999"));
  CHECK_FALSE(cache.find("0"));
}

TEST_CASE("a token's content survives its encoding, whatever its ids look like") {
  for (const char* id : {"default", "", "0192f0c18a007abc8def0123456789ab",
                         "0192F0C18A007ABC8DEF0123456789AB", "0192f0c1-8a00-7abc-8def-0123456789ab",
                         "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"}) {
    CAPTURE(id);
    identity::TokenPayload payload;
    payload.methods = 3;
    payload.user = UserId{id};
    payload.target = identity::TokenPayload::Target::Domain;
    payload.target_id = id;
    payload.audit_ids = {std::string(16, '\0'), std::string(16, '\xff')};
    payload.stamps = {0, 1, UINT64_MAX};
    payload.user_epoch = UINT64_MAX;
    const auto read =
        codec::decode_record<identity::TokenPayload>(codec::encode_record(payload));
    REQUIRE(read);
    CHECK(read->user.value == id);
    CHECK(read->target_id == id);
    CHECK(read->audit_ids == payload.audit_ids);
    CHECK(read->stamps == payload.stamps);
    CHECK(read->user_epoch == UINT64_MAX);
  }
}
