#include "cloudos/application_credentials.hpp"

#include "cloudos/trusts.hpp"
#include "identity/support.hpp"

using namespace cloudos;
using identity_test::World;

namespace {

struct Office {
  World world;
  Project project = world.add_project("work");
  User user = world.add_user("una");
  RoleId member = world.role("member"), reader = world.role("reader");

  Office() { world.grant(user.id, project.id, "member"); }

  Context ctx() {
    const auto token = world.login("una", "password of una", World::project_scope("work"));
    REQUIRE(token);
    return token->context("");
  }
  ApplicationCredentialCreate spec(const std::string& name = "backup") const {
    ApplicationCredentialCreate spec;
    spec.user = user.id;
    spec.name = name;
    return spec;
  }
  ApplicationCredential make(const ApplicationCredentialCreate& what) {
    const auto made = world.identity->application_credentials().create(ctx(), what);
    const std::string why = made ? "" : made.error().message;
    INFO(why);
    REQUIRE(made);
    return *made;
  }
  Result<Token> use(const ApplicationCredential& credential, Scope scope = {}) {
    Login login;
    login.application_credential =
        Login::ApplicationCredential{credential.id.value, "", {}, credential.secret};
    login.scope = std::move(scope);
    return world.identity->authenticate(login);
  }
  Token used(const ApplicationCredential& credential) {
    const auto token = use(credential);
    const std::string why = token ? "" : token.error().message;
    INFO(why);
    REQUIRE(token);
    return *token;
  }
  bool holds(const Token& token) { return bool(world.identity->validate(token.text)); }
};

ErrorCode code_of_result(const auto& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}

}  // namespace

TEST_CASE("an application credential logs in by id and by name, for its project and roles") {
  Office office;
  ApplicationCredentialCreate spec = office.spec();
  spec.roles = {{"", "reader", "", ""}};
  const ApplicationCredential made = office.make(spec);
  CHECK(made.secret.size() > 80);
  CHECK_FALSE(made.unrestricted);
  const Token token = office.used(made);
  CHECK(token.methods == std::vector<std::string>{"application_credential"});
  CHECK(token.user.id == office.user.id.value);
  CHECK(token.project->id == office.project.id.value);
  CHECK(identity_test::role_names(token) == std::vector<std::string>{"reader"});
  REQUIRE(token.application_credential);
  CHECK(token.application_credential->id == made.id);
  CHECK(token.application_credential->restricted);
  CHECK_FALSE(token.application_credential->access_rules);
  CHECK(token.context("").restricted);
  Login named;
  named.application_credential =
      Login::ApplicationCredential{"", "backup", {"", "UNA", "default", ""}, made.secret};
  CHECK(office.world.identity->authenticate(named));
  CHECK(office.holds(token));
}

TEST_CASE("a secret is shown once, kept as a hash, and may be chosen") {
  Office office;
  ApplicationCredentialCreate spec = office.spec();
  spec.secret = "chosen by hand";
  const ApplicationCredential made = office.make(spec);
  CHECK(made.secret == "chosen by hand");
  const auto& credentials = office.world.identity->application_credentials();
  CHECK(credentials.get(office.ctx(), office.user.id, made.id)->secret.empty());
  CHECK(credentials.list(office.ctx(), office.user.id)->front().secret.empty());
  CHECK(office.use(made));
  const auto at = office.world.store->snapshot();
  REQUIRE(at);
  const auto entries = (*at)->scan("/");
  REQUIRE(entries);
  for (const auto& entry : *entries) CHECK(entry.value.find("chosen by hand") == std::string::npos);
}

TEST_CASE("a wrong login by an application credential says nothing of what was wrong") {
  Office office;
  const ApplicationCredential made = office.make(office.spec());
  struct Row {
    std::string what;
    Login::ApplicationCredential given;
  };
  const Row rows[] = {
      {"wrong secret", {made.id.value, "", {}, "wrong"}},
      {"unknown id", {"0123456789abcdef0123456789abcdef", "", {}, made.secret}},
      {"unknown name", {"", "none", {"", "una", "default", ""}, made.secret}},
      {"unknown user", {"", "backup", {"", "nobody", "default", ""}, made.secret}},
      {"empty secret", {made.id.value, "", {}, ""}},
  };
  std::string message;
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Login login;
    login.application_credential = row.given;
    const auto token = office.world.identity->authenticate(login);
    REQUIRE_FALSE(token);
    CHECK(token.error().code == ErrorCode::Unauthenticated);
    if (message.empty()) message = token.error().message;
    CHECK(token.error().message == message);
  }
  // It has a scope of its own, and no other.
  CHECK(code_of_result(office.use(made, World::project_scope("work"))) ==
        ErrorCode::Unauthenticated);
}

TEST_CASE("a restricted application credential makes no credentials, trusts, nor a new password") {
  Office office;
  const User other = office.world.add_user("theo");
  const Context ctx = office.used(office.make(office.spec())).context("");
  auto& identity = *office.world.identity;
  auto& credentials = identity.application_credentials();
  const ApplicationCredential second = office.make(office.spec("second"));
  CHECK(code_of_result(credentials.create(ctx, office.spec("third"))) == ErrorCode::Forbidden);
  CHECK(code_of_result(credentials.remove(ctx, office.user.id, second.id)) == ErrorCode::Forbidden);
  TrustCreate trust;
  trust.trustor = office.user.id;
  trust.trustee = other.id;
  trust.project = office.project.id;
  trust.roles = {{office.reader.value, {}, {}, {}}};
  CHECK(code_of_result(identity.trusts().create(ctx, trust)) == ErrorCode::Forbidden);
  CHECK(code_of_result(identity.change_password(ctx, office.user.id, "password of una",
                                                "another one")) == ErrorCode::Forbidden);
  for (const std::string policy :
       {"identity:create_application_credential", "identity:delete_application_credential",
        "identity:create_trust", "identity:delete_trust", "identity:create_credential",
        "identity:update_credential", "identity:delete_credential",
        "identity:ec2_create_credential", "identity:ec2_delete_credential"}) {
    CAPTURE(policy);
    const auto allowed = identity.enforce(ctx, policy, {{}, office.user.id});
    REQUIRE_FALSE(allowed);
    CHECK(allowed.error().code == ErrorCode::Forbidden);
  }
  CHECK(credentials.list(ctx, office.user.id));  // To look is allowed.
  CHECK(office.world.login("una", "password of una"));
}

TEST_CASE("an admin's restricted application credential changes others, but not its own user") {
  World world;
  const User other = world.add_user("other");
  const Token admin = world.admin_token();
  ApplicationCredentialCreate spec;
  spec.user = UserId{admin.user.id};
  spec.name = "automation";
  const auto made = world.identity->application_credentials().create(admin.context(""), spec);
  REQUIRE(made);
  Login login;
  login.application_credential = Login::ApplicationCredential{made->id.value, "", {}, made->secret};
  const auto token = world.identity->authenticate(login);
  REQUIRE(token);
  CHECK(token->is_admin);
  IdentityUpdate with;
  with.description = "changed";
  CHECK(world.identity->update_user(token->context(""), other.id, with));
  CHECK(code_of_result(world.identity->update_user(token->context(""), UserId{admin.user.id},
                                                   with)) == ErrorCode::Forbidden);
  CHECK(code_of_result(world.identity->remove_user(token->context(""), UserId{admin.user.id})) ==
        ErrorCode::Forbidden);
}

TEST_CASE("an unrestricted one makes others, which have no more roles, life or requests than it") {
  Office office;
  ApplicationCredentialCreate spec = office.spec();
  spec.unrestricted = true;
  spec.roles = {{"", "reader", "", ""}};
  spec.expires_at = office.world.clock.wall() + std::chrono::minutes(30);
  const Context ctx = office.used(office.make(spec)).context("");
  auto& credentials = office.world.identity->application_credentials();
  const auto plain = credentials.create(ctx, office.spec("plain"));
  REQUIRE(plain);
  CHECK(plain->roles.size() == 1);
  CHECK(plain->roles[0].name == "reader");
  CHECK(plain->expires_at == spec.expires_at);
  ApplicationCredentialCreate more = office.spec("more");
  more.roles = {{"", "member", "", ""}};
  CHECK(code_of_result(credentials.create(ctx, more)) == ErrorCode::InvalidArgument);
  ApplicationCredentialCreate longer = office.spec("longer");
  longer.expires_at = *spec.expires_at + std::chrono::seconds(1);
  CHECK(code_of_result(credentials.create(ctx, longer)) == ErrorCode::Forbidden);
  TrustCreate trust;
  trust.trustor = office.user.id;
  trust.trustee = office.world.add_user("theo").id;
  trust.project = office.project.id;
  trust.roles = {{office.member.value, {}, {}, {}}};
  CHECK(code_of_result(office.world.identity->trusts().create(ctx, trust)) == ErrorCode::Forbidden);
  ApplicationCredentialCreate ruled = office.spec("ruled");
  ruled.unrestricted = true;
  ruled.access_rules = {{"", "identity", "POST", "/v3/**"}};
  const Context bound = office.used(office.make(ruled)).context("");
  CHECK(code_of_result(credentials.create(bound, office.spec("free"))) == ErrorCode::Forbidden);
}

TEST_CASE("a token by an application credential is exchanged for nothing") {
  Office office;
  ApplicationCredentialCreate spec = office.spec();
  spec.unrestricted = true;
  const Token token = office.used(office.make(spec));
  CHECK(code_of_result(office.world.rescope(token.text)) == ErrorCode::Forbidden);
  CHECK(code_of_result(office.world.rescope(token.text, World::unscoped())) ==
        ErrorCode::Forbidden);
}

TEST_CASE("what ends an application credential ends its tokens with that very commit") {
  struct Row {
    std::string what;
    std::function<void(Office&, const ApplicationCredential&)> act;
    bool for_good = true;
  };
  const Row rows[] = {
      {"it is deleted",
       [](Office& o, const ApplicationCredential& c) {
         REQUIRE(o.world.identity->application_credentials().remove(o.ctx(), o.user.id, c.id));
       }},
      {"the user loses a role on the project",
       [](Office& o, const ApplicationCredential&) {
         REQUIRE(o.world.identity->ungrant(o.world.system,
                                           {o.user.id, {}, o.project.id, {}, o.member}));
       }},
      {"the user loses it and gets it back",
       [](Office& o, const ApplicationCredential&) {
         const Assignment held{o.user.id, {}, o.project.id, {}, o.member};
         REQUIRE(o.world.identity->ungrant(o.world.system, held));
         REQUIRE(o.world.identity->grant(o.world.system, held));
       }},
      {"the user is disabled",
       [](Office& o, const ApplicationCredential&) {
         IdentityUpdate with;
         with.enabled = false;
         REQUIRE(o.world.identity->update_user(o.world.system, o.user.id, with));
       }},
      {"the user is removed",
       [](Office& o, const ApplicationCredential&) {
         REQUIRE(o.world.identity->remove_user(o.world.system, o.user.id));
         CHECK(o.world.keys("/application_credential/") == 0);
       }},
      {"the project is removed",
       [](Office& o, const ApplicationCredential&) {
         REQUIRE(o.world.identity->remove_project(o.world.system, o.project.id));
         CHECK(o.world.keys("/application_credential/") == 0);
       }},
      {"the user has a new password, which the credential outlives",
       [](Office& o, const ApplicationCredential&) {
         IdentityUpdate with;
         with.password = "a new one";
         REQUIRE(o.world.identity->update_user(o.world.system, o.user.id, with));
       },
       false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Office office;
    const ApplicationCredential made = office.make(office.spec());
    const Token token = office.used(made);
    row.act(office, made);
    CHECK_FALSE(office.holds(token));
    CHECK(bool(office.use(made)) != row.for_good);
  }
}

TEST_CASE("its end is the end of its tokens") {
  Office office;
  ApplicationCredentialCreate spec = office.spec();
  spec.expires_at = office.world.clock.wall();
  CHECK(code_of_result(office.world.identity->application_credentials().create(
            office.ctx(), spec)) == ErrorCode::InvalidArgument);
  spec.expires_at = office.world.clock.wall() + std::chrono::minutes(5);
  const ApplicationCredential made = office.make(spec);
  const Token token = office.used(made);
  CHECK(token.expires_at == *spec.expires_at);
  office.world.clock.advance(std::chrono::minutes(5));
  CHECK_FALSE(office.holds(token));
  CHECK(code_of_result(office.use(made)) == ErrorCode::Unauthenticated);
}

TEST_CASE("one makes them for oneself, on the project of one's token, with a name of one's own") {
  Office office;
  const User other = office.world.add_user("theo");
  auto& credentials = office.world.identity->application_credentials();
  ApplicationCredentialCreate spec = office.spec();
  spec.user = other.id;
  CHECK(code_of_result(credentials.create(office.ctx(), spec)) == ErrorCode::Forbidden);
  const auto unscoped = office.world.login("una", "password of una", World::unscoped());
  REQUIRE(unscoped);
  CHECK(code_of_result(credentials.create(unscoped->context(""), office.spec())) ==
        ErrorCode::InvalidArgument);
  const ApplicationCredential made = office.make(office.spec());
  CHECK(code_of_result(credentials.create(office.ctx(), office.spec())) ==
        ErrorCode::AlreadyExists);
  const auto stranger = office.world.login("theo", "password of theo", World::unscoped());
  REQUIRE(stranger);
  const Context theo = stranger->context("");
  CHECK(code_of_result(credentials.get(theo, office.user.id, made.id)) == ErrorCode::Forbidden);
  CHECK(code_of_result(credentials.get(theo, other.id, made.id)) == ErrorCode::NotFound);
  CHECK(code_of_result(credentials.remove(theo, other.id, made.id)) == ErrorCode::NotFound);
  CHECK(code_of_result(credentials.list(theo, office.user.id)) == ErrorCode::Forbidden);
  CHECK(credentials.list(office.ctx(), office.user.id, "backup")->size() == 1);
  CHECK(credentials.list(office.ctx(), office.user.id, "none")->empty());
}

TEST_CASE("access rules are shared by a user's credentials and stay until deleted") {
  Office office;
  auto& credentials = office.world.identity->application_credentials();
  ApplicationCredentialCreate spec = office.spec();
  spec.access_rules = {{"", "compute", "GET", "/v2.1/servers/*"},
                       {"", "compute", "GET", "/v2.1/servers/*"}};
  const ApplicationCredential first = office.make(spec);
  REQUIRE(first.access_rules);
  REQUIRE(first.access_rules->size() == 1);
  const std::string id = first.access_rules->front().id;
  spec.name = "second";
  spec.access_rules = {{id, "", "", ""}, {"", "image", "GET", "/v2/images"}};
  const ApplicationCredential second = office.make(spec);
  CHECK(second.access_rules->size() == 2);
  CHECK(credentials.list_rules(office.ctx(), office.user.id)->size() == 2);
  const Token token = office.used(second);
  REQUIRE(token.application_credential->access_rules);
  CHECK(token.application_credential->access_rules->front().path == "/v2.1/servers/*");
  CHECK(code_of_result(credentials.remove_rule(office.ctx(), office.user.id, id)) ==
        ErrorCode::Forbidden);
  REQUIRE(credentials.remove(office.ctx(), office.user.id, first.id));
  REQUIRE(credentials.remove(office.ctx(), office.user.id, second.id));
  CHECK(credentials.get_rule(office.ctx(), office.user.id, id)->service == "compute");
  CHECK(credentials.remove_rule(office.ctx(), office.user.id, id));
  CHECK(code_of_result(credentials.get_rule(office.ctx(), office.user.id, id)) ==
        ErrorCode::NotFound);
  spec.name = "third";
  spec.access_rules = {{id, "", "", ""}};
  CHECK(code_of_result(credentials.create(office.ctx(), spec)) == ErrorCode::NotFound);
}

TEST_CASE("an access rule that means nothing is refused") {
  Office office;
  struct Row {
    std::string what;
    AccessRule rule;
  };
  const Row rows[] = {
      {"no method", {"", "compute", "", "/"}},
      {"no method of HTTP's", {"", "compute", "get", "/"}},
      {"no service", {"", "", "GET", "/"}},
      {"a blank in the service", {"", "com pute", "GET", "/"}},
      {"no path", {"", "compute", "GET", ""}},
      {"a path that begins with no /", {"", "compute", "GET", "v2.1"}},
      {"a long path", {"", "compute", "GET", "/" + std::string(200, 'a')}},
      {"too many wildcards", {"", "compute", "GET", "/" + std::string(40, '*')}},
      {"an open brace", {"", "compute", "GET", "/v2.1/{server"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    ApplicationCredentialCreate spec = office.spec();
    spec.access_rules = {row.rule};
    CHECK(code_of_result(office.world.identity->application_credentials().create(
              office.ctx(), spec)) == ErrorCode::InvalidArgument);
  }
  CHECK(office.world.keys("/access_rule/") == 0);
}
