#include "cloudos/trusts.hpp"

#include "cloudos/application_credentials.hpp"

#include "identity/support.hpp"

using namespace cloudos;
using identity_test::World;

namespace {

/// Tina lets Theo do her work on her project.
struct Stage {
  World world;
  Project project = world.add_project("work");
  User tina = world.add_user("tina"), theo = world.add_user("theo"), zoe = world.add_user("zoe");
  RoleId member = world.role("member"), reader = world.role("reader");

  Stage() { world.grant(tina.id, project.id, "member"); }

  Context as(const std::string& name, Scope scope = World::unscoped()) {
    const auto token = world.login(name, "password of " + name, std::move(scope));
    REQUIRE(token);
    return token->context("");
  }
  TrustCreate spec() const {
    TrustCreate spec;
    spec.trustor = tina.id;
    spec.trustee = theo.id;
    spec.project = project.id;
    spec.roles = {{member.value, {}, {}, {}}};
    return spec;
  }
  Trust give(const TrustCreate& what) {
    const auto made = world.identity->trusts().create(as("tina"), what);
    const std::string why = made ? "" : made.error().message;
    INFO(why);
    REQUIRE(made);
    return *made;
  }
  Trust give() { return give(spec()); }
  Result<Token> use(const Trust& trust, const std::string& who = "theo") {
    return world.login(who, "password of " + who,
                       {Scope::Kind::Trust, {trust.id.value, "", "", ""}});
  }
  Token used(const Trust& trust, const std::string& who = "theo") {
    const auto token = use(trust, who);
    const std::string why = token ? "" : token.error().message;
    INFO(why);
    REQUIRE(token);
    return *token;
  }
  bool holds(const Token& token) { return bool(world.identity->validate(token.text)); }
};

IdentityUpdate switched(bool enabled) {
  IdentityUpdate with;
  with.enabled = enabled;
  return with;
}

ErrorCode trust_failure(const auto& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}

}  // namespace

TEST_CASE("a trust gives its trustee a token with its roles on its project, and says so") {
  Stage stage;
  TrustCreate spec = stage.spec();
  spec.roles = {{"", "reader", "", ""}};  // Which member implies.
  const Trust trust = stage.give(spec);
  CHECK(trust.roles.size() == 1);
  CHECK(trust.roles[0].name == "reader");
  const Token token = stage.used(trust);
  CHECK(token.user.id == stage.theo.id.value);
  CHECK(token.project->id == stage.project.id.value);
  CHECK(identity_test::role_names(token) == std::vector<std::string>{"reader"});
  REQUIRE(token.trust);
  CHECK(token.trust->id == trust.id);
  CHECK(token.trust->trustor == stage.tina.id);
  CHECK(token.trust->trustee == stage.theo.id);
  CHECK_FALSE(token.trust->impersonation);
  CHECK(token.context("").trust == trust.id);
  const auto again = stage.world.identity->validate(token.text);
  REQUIRE(again);
  CHECK(again->trust->id == trust.id);
  CHECK(identity_test::role_names(*again) == identity_test::role_names(token));
}

TEST_CASE("a token by a trust with impersonation shows the trustor, and what roles imply") {
  Stage stage;
  TrustCreate spec = stage.spec();
  spec.impersonation = true;
  const Token token = stage.used(stage.give(spec));
  CHECK(token.user.id == stage.tina.id.value);
  CHECK(token.trust->trustee == stage.theo.id);
  CHECK(identity_test::role_names(token) == std::vector<std::string>{"member", "reader"});
}

TEST_CASE("a trust that asks for too much, or for nonsense, is refused") {
  Stage stage;
  stage.world.role("auditor");
  const WallTime now = stage.world.clock.wall();
  struct Row {
    std::string what;
    std::function<void(TrustCreate&)> change;
    ErrorCode code;
  };
  const Row rows[] = {
      {"somebody else's trust", [&](auto& s) { s.trustor = stage.zoe.id; }, ErrorCode::Forbidden},
      {"a role that the trustor lacks",
       [&](auto& s) {
         s.roles = {{"", "auditor", "", ""}};
       },
       ErrorCode::Forbidden},
      {"a role that is not there",
       [&](auto& s) {
         s.roles = {{"", "nothing", "", ""}};
       },
       ErrorCode::NotFound},
      {"no role on a project", [&](auto& s) { s.roles.clear(); }, ErrorCode::Forbidden},
      {"roles without a project", [&](auto& s) { s.project = {}; }, ErrorCode::InvalidArgument},
      {"an unknown trustee", [&](auto& s) { s.trustee = UserId{"nobody"}; }, ErrorCode::NotFound},
      {"an unknown project", [&](auto& s) { s.project = ProjectId{"none"}; }, ErrorCode::NotFound},
      {"an end in the past", [&](auto& s) { s.expires_at = now; }, ErrorCode::InvalidArgument},
      {"no use at all", [&](auto& s) { s.remaining_uses = 0; }, ErrorCode::InvalidArgument},
      {"counted uses that can be handed on",
       [&](auto& s) {
         s.remaining_uses = 2;
         s.allow_redelegation = true;
       },
       ErrorCode::InvalidArgument},
      {"handed on too often",
       [&](auto& s) {
         s.allow_redelegation = true;
         s.redelegation_count = limits::kTrustDepth + 1;
       },
       ErrorCode::Forbidden},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    TrustCreate spec = stage.spec();
    row.change(spec);
    CHECK(trust_failure(stage.world.identity->trusts().create(stage.as("tina"), spec)) == row.code);
  }
  const Context system = Context::system();
  CHECK(stage.world.identity->trusts().list(system, {})->empty());
}

TEST_CASE("only the trustee uses a trust, and only as long as it is there") {
  Stage stage;
  const Trust trust = stage.give();
  CHECK(trust_failure(stage.use(trust, "zoe")) == ErrorCode::Forbidden);
  CHECK(trust_failure(stage.use(trust, "tina")) == ErrorCode::Forbidden);
  // Who cannot log in learns nothing of trusts.
  const Scope scope{Scope::Kind::Trust, {trust.id.value, "", "", ""}};
  CHECK(trust_failure(stage.world.login("theo", "wrong", scope)) == ErrorCode::Unauthenticated);
  Trust none = trust;
  none.id = TrustId{"0123"};
  CHECK(trust_failure(stage.use(none)) == ErrorCode::NotFound);
  const auto fails = stage.world.login("theo", "wrong", {Scope::Kind::Trust, {"0123", "", "", ""}});
  CHECK(trust_failure(fails) == ErrorCode::Unauthenticated);
}

TEST_CASE("what ends a trust ends its tokens with that very commit") {
  struct Row {
    std::string what;
    std::function<void(Stage&, const Trust&)> act;
    ErrorCode then;  ///< Of the next login by it.
  };
  const Row rows[] = {
      {"the trust is deleted",
       [](Stage& s, const Trust& t) {
         REQUIRE(s.world.identity->trusts().remove(s.as("tina"), t.id));
       },
       ErrorCode::NotFound},
      {"the trustor loses the role",
       [](Stage& s, const Trust&) {
         REQUIRE(s.world.identity->ungrant(s.world.system,
                                           {s.tina.id, {}, s.project.id, {}, s.member}));
       },
       ErrorCode::Forbidden},
      {"the trustor is disabled",
       [](Stage& s, const Trust&) {
         REQUIRE(s.world.identity->update_user(s.world.system, s.tina.id, switched(false)));
       },
       ErrorCode::Forbidden},
      {"the trustor is removed",
       [](Stage& s, const Trust&) {
         REQUIRE(s.world.identity->remove_user(s.world.system, s.tina.id));
       },
       ErrorCode::NotFound},
      {"the project is disabled",
       [](Stage& s, const Trust&) {
         REQUIRE(s.world.identity->update_project(s.world.system, s.project.id, switched(false)));
       },
       ErrorCode::Forbidden},
      {"the project is removed",
       [](Stage& s, const Trust&) {
         REQUIRE(s.world.identity->remove_project(s.world.system, s.project.id));
       },
       ErrorCode::NotFound},
      {"the role is removed",
       [](Stage& s, const Trust&) {
         REQUIRE(s.world.remove_role(s.member));
       },
       ErrorCode::Forbidden},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Stage stage;
    const Trust trust = stage.give();
    const Token token = stage.used(trust);
    CHECK(stage.holds(token));
    row.act(stage, trust);
    CHECK_FALSE(stage.holds(token));
    CHECK(trust_failure(stage.use(trust)) == row.then);
  }
}

TEST_CASE("a token by a trust dies with the trustee's account too, and by a role that comes back") {
  Stage stage;
  const Trust trust = stage.give();
  Token token = stage.used(trust);
  REQUIRE(stage.world.identity->update_user(stage.world.system, stage.theo.id, switched(false)));
  CHECK_FALSE(stage.holds(token));
  REQUIRE(stage.world.identity->update_user(stage.world.system, stage.theo.id, switched(true)));
  CHECK_FALSE(stage.holds(token));
  token = stage.used(trust);
  const Assignment held{stage.tina.id, {}, stage.project.id, {}, stage.member};
  REQUIRE(stage.world.identity->ungrant(stage.world.system, held));
  REQUIRE(stage.world.identity->grant(stage.world.system, held));
  CHECK_FALSE(stage.holds(token));  // The clock has not moved: the order is kept by the grant.
  CHECK(stage.holds(stage.used(trust)));
}

TEST_CASE("a token never outlives its trust, and an ended trust is swept") {
  Stage stage;
  TrustCreate spec = stage.spec();
  spec.expires_at = stage.world.clock.wall() + std::chrono::minutes(10);
  const Trust trust = stage.give(spec);
  const Token token = stage.used(trust);
  CHECK(token.expires_at == *spec.expires_at);
  stage.world.clock.advance(std::chrono::minutes(10));
  CHECK_FALSE(stage.holds(token));
  CHECK(trust_failure(stage.use(trust)) == ErrorCode::NotFound);
  const Context tina = stage.as("tina");
  CHECK(trust_failure(stage.world.identity->trusts().get(tina, trust.id)) == ErrorCode::NotFound);
  CHECK(stage.world.identity->trusts().list(tina, {stage.tina.id, {}})->empty());
  CHECK(stage.world.keys("/trust/") == 1);
  stage.world.clock.advance(std::chrono::minutes(20));
  stage.world.executor.run_pending();
  CHECK(stage.world.keys("/trust/") == 0);
  CHECK(stage.world.keys("/ix/trust/") == 0);
}

TEST_CASE("uses are counted one by one, failures cost none, and the last token goes on") {
  Stage stage;
  TrustCreate spec = stage.spec();
  spec.remaining_uses = 2;
  const Trust trust = stage.give(spec);
  const Context tina = stage.as("tina");
  auto& trusts = stage.world.identity->trusts();
  CHECK(trust_failure(stage.use(trust, "zoe")) == ErrorCode::Forbidden);
  CHECK_FALSE(
      stage.world.login("theo", "wrong", {Scope::Kind::Trust, {trust.id.value, "", "", ""}}));
  CHECK(trusts.get(tina, trust.id)->remaining_uses == 2);
  const Token first = stage.used(trust);
  CHECK(trusts.get(tina, trust.id)->remaining_uses == 1);
  const Token last = stage.used(trust);
  CHECK(trust_failure(trusts.get(tina, trust.id)) == ErrorCode::NotFound);
  CHECK(trust_failure(stage.use(trust)) == ErrorCode::NotFound);
  CHECK(stage.holds(first));
  CHECK(stage.holds(last));
  stage.world.clock.advance(std::chrono::hours(2));
  stage.world.executor.run_pending();
  CHECK(stage.world.keys("/trust/") == 0);
}

TEST_CASE("a token by a trust is exchanged for nothing, and gives no lasting powers") {
  Stage stage;
  TrustCreate spec = stage.spec();
  spec.impersonation = true;
  const Token token = stage.used(stage.give(spec));
  CHECK(trust_failure(stage.world.rescope(token.text)) == ErrorCode::Forbidden);
  CHECK(trust_failure(stage.world.rescope(token.text, World::unscoped())) == ErrorCode::Forbidden);
  const Context ctx = token.context("");
  IdentityUpdate with;
  with.password = "another password";
  CHECK(trust_failure(stage.world.identity->update_user(ctx, stage.tina.id, with)) ==
        ErrorCode::Forbidden);
  CHECK(trust_failure(stage.world.identity->change_password(ctx, stage.tina.id, "password of tina",
                                                      "another password")) == ErrorCode::Forbidden);
  ApplicationCredentialCreate credential;
  credential.user = stage.tina.id;
  credential.name = "mine now";
  CHECK(trust_failure(stage.world.identity->application_credentials().create(ctx, credential)) ==
        ErrorCode::Forbidden);
  CHECK(trust_failure(stage.world.identity->trusts().create(ctx, stage.spec())) ==
        ErrorCode::Forbidden);  // It may not be handed on.
}

TEST_CASE("a trust handed on has never more than the one before it") {
  Stage stage;
  TrustCreate first = stage.spec();
  first.allow_redelegation = true;
  first.redelegation_count = 2;
  first.impersonation = true;
  first.expires_at = stage.world.clock.wall() + std::chrono::hours(3);
  first.roles = {{stage.reader.value, {}, {}, {}}};
  const Trust trust = stage.give(first);
  CHECK(trust.redelegation_count == 2);
  const Context theo = stage.used(trust).context("");
  auto& trusts = stage.world.identity->trusts();
  TrustCreate next = stage.spec();  // By the trustor that the token shows.
  next.trustee = stage.zoe.id;
  next.roles = {{stage.reader.value, {}, {}, {}}};
  struct Row {
    std::string what;
    std::function<void(TrustCreate&)> change;
  };
  const Project other = stage.world.add_project("other");
  stage.world.grant(stage.tina.id, other.id, "reader");
  const Row refused[] = {
      {"more roles",
       [&](auto& s) {
         s.roles = {{stage.member.value, {}, {}, {}}};
       }},
      {"more time", [&](auto& s) { s.expires_at = *first.expires_at + std::chrono::seconds(1); }},
      {"as many steps",
       [&](auto& s) {
         s.allow_redelegation = true;
         s.redelegation_count = 2;
       }},
      {"another project", [&](auto& s) { s.project = other.id; }},
  };
  for (const Row& row : refused) {
    CAPTURE(row.what);
    TrustCreate spec = next;
    row.change(spec);
    CHECK(trust_failure(trusts.create(theo, spec)) == ErrorCode::Forbidden);
  }
  next.allow_redelegation = true;
  const auto handed = trusts.create(theo, next);
  REQUIRE(handed);
  CHECK(handed->redelegated_from == trust.id);
  CHECK(handed->redelegation_count == 1);
  CHECK(handed->expires_at == first.expires_at);
  const Token zoe = stage.used(*handed, "zoe");
  CHECK(identity_test::role_names(zoe) == std::vector<std::string>{"reader"});
  CHECK_FALSE(zoe.user.id == stage.tina.id.value);  // It does not impersonate.
  // The end of the first is the end of all.
  REQUIRE(trusts.remove(stage.as("tina"), trust.id));
  CHECK_FALSE(stage.holds(zoe));
  CHECK(trust_failure(stage.use(*handed, "zoe")) == ErrorCode::NotFound);
  CHECK(stage.world.keys("/trust/") == 0);
}

TEST_CASE("impersonation cannot be gained by handing a trust on") {
  Stage stage;
  TrustCreate first = stage.spec();
  first.allow_redelegation = true;
  const Context theo = stage.used(stage.give(first)).context("");
  TrustCreate next = stage.spec();
  next.trustor = stage.theo.id;
  next.trustee = stage.zoe.id;
  next.impersonation = true;
  auto& trusts = stage.world.identity->trusts();
  CHECK(trust_failure(trusts.create(theo, next)) == ErrorCode::Forbidden);
  next.impersonation = false;
  const auto handed = trusts.create(theo, next);  // His to hand on, though the roles are hers.
  REQUIRE(handed);
  const Token zoe = stage.used(*handed, "zoe");
  REQUIRE(stage.world.identity->ungrant(stage.world.system,
                                        {stage.tina.id, {}, stage.project.id, {}, stage.member}));
  CHECK_FALSE(stage.holds(zoe));
  // Who stands between must be in good standing too.
  REQUIRE(stage.world.identity->grant(stage.world.system,
                                      {stage.tina.id, {}, stage.project.id, {}, stage.member}));
  const Token later = stage.used(*handed, "zoe");
  REQUIRE(stage.world.identity->update_user(stage.world.system, stage.theo.id, switched(false)));
  CHECK_FALSE(stage.holds(later));
  CHECK(trust_failure(stage.use(*handed, "zoe")) == ErrorCode::Forbidden);
}

TEST_CASE("trusts are shown to those they concern, and to nobody else") {
  Stage stage;
  const Trust trust = stage.give();
  auto& trusts = stage.world.identity->trusts();
  const Context tina = stage.as("tina"), theo = stage.as("theo"), zoe = stage.as("zoe");
  CHECK(trusts.get(tina, trust.id));
  CHECK(trusts.get(theo, trust.id));
  CHECK(trust_failure(trusts.get(zoe, trust.id)) == ErrorCode::NotFound);
  CHECK(trusts.roles(theo, trust.id)->size() == 1);
  CHECK(trusts.list(tina, {stage.tina.id, {}})->size() == 1);
  CHECK(trusts.list(theo, {{}, stage.theo.id})->size() == 1);
  CHECK(trusts.list(stage.world.system, {})->size() == 1);
  CHECK(trusts.list(stage.world.system, {stage.tina.id, stage.zoe.id})->empty());
  CHECK(trust_failure(trusts.list(zoe, {stage.tina.id, {}})) == ErrorCode::Forbidden);
  CHECK(trust_failure(trusts.list(zoe, {stage.zoe.id, stage.theo.id})) == ErrorCode::Forbidden);
  CHECK(trust_failure(trusts.list(zoe, {})) == ErrorCode::Forbidden);
  CHECK(trust_failure(trusts.remove(theo, trust.id)) == ErrorCode::Forbidden);
  CHECK(trust_failure(trusts.remove(zoe, trust.id)) == ErrorCode::NotFound);
  CHECK(trusts.remove(stage.world.system, trust.id));
}

TEST_CASE("a trust that hands on one that is gone is not there any more, and is swept") {
  Stage stage;
  TrustCreate first = stage.spec();
  first.allow_redelegation = true;
  const Context theo = stage.used(stage.give(first)).context("");
  TrustCreate next = stage.spec();
  next.trustor = stage.theo.id;
  next.trustee = stage.zoe.id;
  auto& trusts = stage.world.identity->trusts();
  const auto handed = trusts.create(theo, next);
  REQUIRE(handed);
  REQUIRE(stage.world.identity->remove_user(stage.world.system, stage.tina.id));
  CHECK(trust_failure(trusts.get(stage.as("theo"), handed->id)) == ErrorCode::NotFound);
  CHECK(trusts.list(stage.world.system, {})->empty());
  CHECK(stage.world.keys("/trust/") == 1);
  stage.world.clock.advance(std::chrono::minutes(20));
  stage.world.executor.run_pending();
  CHECK(stage.world.keys("/trust/") == 0);
}
