#include "cloudos/credentials.hpp"
#include "identity/account_rules.hpp"
#include "identity/credential_records.hpp"
#include "identity/password_support.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace identity_test;
using std::chrono::seconds;

namespace {

constexpr const char* kSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";  // "12345678901234567890"

std::int64_t window_now(World& world) {
  return std::chrono::floor<seconds>(world.clock.wall()).time_since_epoch() / seconds(30);
}

std::string code_of_window(World& world, std::int64_t back) {
  return identity::totp_code("12345678901234567890", window_now(world) - back);
}

Credential add_secret(World& world, const User& user, const std::string& secret = kSecret) {
  CredentialCreate spec;
  spec.type = "totp";
  spec.blob = secret;
  spec.user = user.id;
  auto made = world.identity->credentials().create(world.system, spec);
  REQUIRE(made);
  return *made;
}

Login totp_login(const User& user, const std::string& passcode) {
  Login login;
  login.totp = Login::Totp{{user.id.value, {}, {}, {}}, passcode};
  login.scope.kind = Scope::Kind::Unscoped;
  return login;
}

}  // namespace

TEST_CASE("passcodes agree with those of RFC 6238") {
  const std::pair<std::int64_t, const char*> rows[] = {{59, "287082"},
                                                       {1'111'111'109, "081804"},
                                                       {1'111'111'111, "050471"},
                                                       {1'234'567'890, "005924"},
                                                       {2'000'000'000, "279037"},
                                                       {20'000'000'000, "353130"}};
  for (const auto& [time, code] : rows) {
    CAPTURE_BOUND(time);
    CHECK(identity::totp_code("12345678901234567890", time / 30) == code);
  }
  CHECK(identity::read_totp_secret(kSecret) == "12345678901234567890");
  CHECK(identity::read_totp_secret("gezd gnbv gy3t qojq") == "1234567890");
  CHECK(identity::read_totp_secret("MFRGG===") == "abc");
  for (const char* wrong : {"", "1", "A1", "MFRGG=A", "????"})
    CHECK(identity::read_totp_secret(wrong).empty());
}

TEST_CASE("a passcode of now or of the window before logs in, once") {
  const TempFolder folder;
  World world(folder.path);
  const User una = world.add_user("una");
  add_secret(world, una);
  world.clock.advance(seconds(3'000));
  const auto token = world.identity->authenticate(totp_login(una, code_of_window(world, 1)));
  REQUIRE(token);
  CHECK(token->methods == std::vector<std::string>{"totp"});
  CHECK(failure(world.identity->authenticate(totp_login(una, code_of_window(world, 1)))) ==
        ErrorCode::Unauthenticated);
  world.start();  // What was used stays used.
  CHECK_FALSE(world.identity->authenticate(totp_login(una, code_of_window(world, 1))));
  CHECK(world.identity->authenticate(totp_login(una, code_of_window(world, 0))));
  CHECK_FALSE(world.identity->authenticate(totp_login(una, code_of_window(world, 0))));
  world.clock.advance(seconds(60));
  CHECK_FALSE(world.identity->authenticate(totp_login(una, code_of_window(world, 2))));
  CHECK_FALSE(world.identity->authenticate(totp_login(una, code_of_window(world, -1))));
  AccountRules rules;
  rules.totp_previous_windows = 0;
  REQUIRE(world.identity->set_account_rules(rules));
  CHECK_FALSE(world.identity->authenticate(totp_login(una, code_of_window(world, 1))));
  CHECK(world.identity->authenticate(totp_login(una, code_of_window(world, 0))));
}

TEST_CASE("a passcode that is wrong in any way is refused in one way") {
  World world;
  const User una = world.add_user("una"), otto = world.add_user("otto");
  add_secret(world, una);
  world.clock.advance(seconds(3'000));
  User nobody;
  nobody.id = UserId{"0123"};
  const std::string good = code_of_window(world, 0);
  std::set<std::string> messages;
  for (const auto& login :
       {totp_login(una, "000000"), totp_login(una, ""), totp_login(una, "1"),
        totp_login(una, good + "0"), totp_login(otto, good), totp_login(nobody, good)}) {
    const auto answer = world.identity->authenticate(login);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::Unauthenticated);
    messages.insert(answer.error().message);
  }
  CHECK(messages.size() == 1);
  CHECK(world.identity->authenticate(totp_login(una, good)));
}

TEST_CASE("passcodes are not guessed: few tries count in a half minute, and they lock out") {
  World world;
  const User una = world.add_user("una");
  add_secret(world, una);
  world.clock.advance(seconds(3'000));
  for (unsigned i = 0; i < limits::kPasscodeTries; ++i)
    CHECK_FALSE(world.identity->authenticate(totp_login(una, "000000")));
  CHECK_FALSE(world.identity->authenticate(totp_login(una, code_of_window(world, 0))));
  world.clock.advance(seconds(30));
  CHECK(world.identity->authenticate(totp_login(una, code_of_window(world, 0))));
  AccountRules rules;
  rules.lockout_attempts = 2;
  REQUIRE(world.identity->set_account_rules(rules));
  world.clock.advance(seconds(30));
  for (int i = 0; i < 2; ++i) CHECK_FALSE(world.identity->authenticate(totp_login(una, "000000")));
  CHECK_FALSE(world.identity->authenticate(totp_login(una, code_of_window(world, 0))));
  CHECK_FALSE(world.login("una", "password of una"));
}

TEST_CASE("rules of methods tell what is missing, and look only at methods that there are") {
  using Rules = std::vector<std::vector<std::string>>;
  const std::vector<std::string> known = {"password", "totp", "token", "external"};
  struct Row {
    std::string what;
    std::optional<bool> enabled;
    std::optional<Rules> rules;
    std::vector<std::string> held;
    std::optional<Rules> missing;
  };
  const Row rows[] = {
      {"no rules", true, {}, {"password"}, {}},
      {"not enabled", {}, Rules{{"password", "totp"}}, {"password"}, {}},
      {"switched off", false, Rules{{"password", "totp"}}, {"password"}, {}},
      {"half", true, Rules{{"password", "totp"}}, {"password"}, Rules{{"password", "totp"}}},
      {"whole", true, Rules{{"password", "totp"}}, {"totp", "password"}, {}},
      {"more than whole", true, Rules{{"password", "totp"}}, {"totp", "password", "token"}, {}},
      {"another rule holds", true, Rules{{"password", "totp"}, {"external"}}, {"external"}, {}},
      {"of two",
       true,
       Rules{{"password", "totp"}, {"external"}},
       {"password"},
       Rules{{"external"}, {"password", "totp"}}},
      {"twice the same",
       true,
       Rules{{"totp", "password"}, {"password", "totp", "totp"}},
       {"password"},
       Rules{{"password", "totp"}}},
      {"an unknown method is left out", true, Rules{{"password", "palm"}}, {"password"}, {}},
      {"but not the others",
       true,
       Rules{{"password", "totp", "palm"}},
       {"password"},
       Rules{{"password", "totp"}}},
      {"nothing but unknown ones", true, Rules{{"palm"}, {"iris"}}, {"password"}, {}},
      {"one of nothing but unknown ones lets nobody in",
       true,
       Rules{{"palm"}, {"password", "totp"}},
       {"password"},
       Rules{{"password", "totp"}}},
      {"an empty rule lets nobody in",
       true,
       Rules{{}, {"password", "totp"}},
       {"password"},
       Rules{{"password", "totp"}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    UserOptions options;
    options.multi_factor_auth_enabled = row.enabled;
    options.multi_factor_auth_rules = row.rules;
    CHECK(identity::missing_factors(options, row.held, known) == row.missing);
  }
}

TEST_CASE("two methods in two steps: the first gives a receipt, both give a token") {
  World world;
  const User una = world.add_user("una");
  add_secret(world, una);
  world.clock.advance(seconds(3'000));
  IdentityUpdate with;
  with.options.multi_factor_auth_enabled = true;
  using Rules = std::vector<std::vector<std::string>>;
  with.options.multi_factor_auth_rules = Rules{{"password", "totp"}};
  REQUIRE(world.identity->update_user(world.system, una.id, with));
  Login first;
  first.password = Login::Password{{una.id.value, {}, {}, {}}, "password of una"};
  first.scope.kind = Scope::Kind::Unscoped;
  CHECK_FALSE(world.identity->authenticate(first));
  const auto half = world.identity->log_in(first);
  REQUIRE(half);
  CHECK_FALSE(half->token);
  REQUIRE(half->receipt);
  CHECK(half->receipt->methods == std::vector<std::string>{"password"});
  CHECK(half->receipt->required == std::vector<std::vector<std::string>>{{"password", "totp"}});
  Login second = totp_login(una, code_of_window(world, 0));
  CHECK(failure(world.identity->authenticate(totp_login(una, "000000"))) ==
        ErrorCode::Unauthenticated);
  second.receipt = half->receipt->id;
  const auto whole = world.identity->log_in(second);
  REQUIRE(whole);
  REQUIRE(whole->token);
  CHECK(whole->token->token.methods == std::vector<std::string>{"password", "totp"});
  CHECK(world.rescope(whole->token->token.text, World::unscoped()));
  // A wrong password beside a good passcode does not use that up.
  world.clock.advance(seconds(30));
  Login both = totp_login(una, code_of_window(world, 0));
  both.password = Login::Password{{una.id.value, {}, {}, {}}, "wrong"};
  CHECK_FALSE(world.identity->authenticate(both));
  both.password->password = "password of una";
  CHECK(world.identity->authenticate(both));
}
