#include "identity/account_rules.hpp"

#include "identity/password_support.hpp"

using namespace cloudos;
using namespace identity_test;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

constexpr hours kDay{24};

void set_rules(World& world, const AccountRules& rules) {
  REQUIRE(world.identity->set_account_rules(rules));
}

Result<void> change(World& world, const User& user, const std::string& from,
                    const std::string& to) {
  return world.identity->change_password({}, user.id, from, to);
}

void set_options(World& world, const User& user, const UserOptions& options) {
  IdentityUpdate with;
  with.options = options;
  REQUIRE(world.identity->update_user(world.system, user.id, with));
}

void set_by_admin(World& world, const User& user, const std::string& password) {
  IdentityUpdate with;
  with.password = password;
  REQUIRE(world.identity->update_user(world.system, user.id, with));
}

}  // namespace

TEST_CASE("without rules nothing is counted, nothing expires and a failed login writes nothing") {
  World world;
  const User una = world.add_user("una");
  CHECK(world.identity->account_rules() == AccountRules{});
  const auto revision = world.revision();
  for (int i = 0; i < 20; ++i) CHECK_FALSE(world.login("una", "wrong"));
  world.clock.advance(1'000 * kDay);
  CHECK(world.login("una", "password of una"));
  CHECK(world.revision() == revision);
  CHECK_FALSE(una.password_expires_at);
}

TEST_CASE("too many wrong passwords in a row lock a user out for a time") {
  World world;
  const User una = world.add_user("una");
  AccountRules rules;
  rules.lockout_attempts = 3;
  rules.lockout_duration = seconds(60);
  set_rules(world, rules);
  const auto wrong = [&] { CHECK_FALSE(world.login("una", "wrong")); };
  const auto right = [&] { return world.login("una", "password of una").has_value(); };
  wrong(), wrong();
  CHECK(right());  // Which begins the count anew.
  wrong(), wrong(), wrong();
  CHECK_FALSE(right());
  CHECK_FALSE(change(world, una, "password of una", "another"));
  world.clock.advance(seconds(59));
  wrong();  // Makes it no longer.
  world.clock.advance(seconds(2));
  CHECK(right());
  wrong(), wrong(), wrong();
  world.clock.advance(seconds(61));
  wrong();  // Counts as the first again.
  CHECK(right());

  rules.lockout_duration = seconds(0);
  set_rules(world, rules);
  wrong(), wrong(), wrong();
  world.clock.advance(1'000 * kDay);
  CHECK_FALSE(right());
  set_by_admin(world, una, "password of una");
  CHECK(right());

  UserOptions options;
  options.ignore_lockout_failure_attempts = true;
  set_options(world, una, options);
  for (int i = 0; i < 9; ++i) wrong();
  CHECK(right());
}

TEST_CASE("a count of wrong passwords outlives a restart, and tokens outlive the count") {
  World world;
  world.settings.account_rules.lockout_attempts = 2;
  world.start();
  world.add_user("una");
  const auto token = world.login("una", "password of una", World::unscoped());
  REQUIRE(token);
  CHECK_FALSE(world.login("una", "wrong"));
  world.start();
  CHECK_FALSE(world.login("una", "wrong"));
  CHECK_FALSE(world.login("una", "password of una"));
}

TEST_CASE("the locked out, the unknown and the disabled are refused in the same words, as long") {
  World world;
  world.add_user("una");
  AccountRules rules;
  rules.lockout_attempts = 2;
  set_rules(world, rules);
  UserCreate spec;
  spec.name = "disabled";
  spec.domain = DomainId{"default"};
  spec.password = "password of disabled";
  spec.enabled = false;
  REQUIRE(world.identity->create_user(world.system, spec));
  std::set<std::string> messages;
  struct Row {
    std::string what, user, password;
    bool right = false;
  };
  const Row rows[] = {
      {"wrong", "una", "wrong"},
      {"wrong again", "una", "wrong"},
      {"locked out, wrong", "una", "wrong"},
      {"locked out, right", "una", "password of una"},
      {"unknown", "nobody", "wrong"},
      {"unknown again", "nobody", "wrong"},
      {"unknown a third time", "nobody", "wrong"},
      {"disabled, wrong", "disabled", "wrong"},
      {"disabled, right", "disabled", "password of disabled", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto before = world.revision();
    const auto login = world.login(row.user, row.password);
    REQUIRE_FALSE(login);
    CHECK(login.error().code == ErrorCode::Unauthenticated);
    messages.insert(login.error().message);
    // Each failure is one commit: of a user who is not there, too.
    if (!row.right) CHECK(world.revision() == before + 1);
  }
  CHECK(messages.size() == 1);
}

TEST_CASE("a password expires, and its user changes it without a token") {
  World world;
  AccountRules rules;
  rules.password_days = 30;
  set_rules(world, rules);
  const User una = world.add_user("una");
  REQUIRE(una.password_expires_at);
  CHECK(*una.password_expires_at == world.clock.wall() + 30 * kDay);
  world.clock.advance(30 * kDay - seconds(1));
  const auto token = world.login("una", "password of una", World::unscoped());
  REQUIRE(token);
  CHECK(token->password_expires_at == una.password_expires_at);
  world.clock.advance(seconds(1));
  const auto late = world.login("una", "password of una");
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::Unauthenticated);
  CHECK(late.error().message.find("expired") != std::string::npos);
  CHECK(world.login("una", "wrong").error().message.find("expired") == std::string::npos);
  CHECK(failure(change(world, una, "wrong", "next")) == ErrorCode::Unauthenticated);
  REQUIRE(change(world, una, "password of una", "next"));
  CHECK(world.login("una", "next"));
  CHECK_FALSE(world.identity->validate(token->text));

  world.clock.advance(30 * kDay);
  CHECK_FALSE(world.login("una", "next"));
  UserOptions options;
  options.ignore_password_expiry = true;
  set_options(world, una, options);
  CHECK(world.login("una", "next"));
  CHECK_FALSE(world.identity->get_user(world.system, una.id)->password_expires_at);
}

TEST_CASE("users choose none of their last passwords; admins may") {
  World world;
  AccountRules rules;
  rules.unique_passwords = 3;
  set_rules(world, rules);
  const User una = world.add_user("una");
  const std::string first = "password of una";
  CHECK(failure(change(world, una, first, first)) == ErrorCode::InvalidArgument);
  REQUIRE(change(world, una, first, "second"));
  REQUIRE(change(world, una, "second", "third"));
  for (const std::string& used : {first, std::string("second"), std::string("third")})
    CHECK(failure(change(world, una, "third", used)) == ErrorCode::InvalidArgument);
  REQUIRE(change(world, una, "third", "fourth"));
  CHECK(stored_user(world, una.id).old_hashes.size() == 2);
  REQUIRE(change(world, una, "fourth", first));
  set_by_admin(world, una, "fourth");
  set_by_admin(world, una, "fourth");
  CHECK(world.login("una", "fourth"));
  set_rules(world, {});
  REQUIRE(change(world, una, "fourth", "fourth"));
  CHECK(stored_user(world, una.id).old_hashes.empty());
}

TEST_CASE("a password that its user chose is kept for the least age") {
  World world;
  AccountRules rules;
  rules.password_age_days = 2;
  set_rules(world, rules);
  const User una = world.add_user("una");
  REQUIRE(change(world, una, "password of una", "second"));  // An admin had chosen the first.
  CHECK(failure(change(world, una, "second", "third")) == ErrorCode::InvalidArgument);
  CHECK(failure(change(world, una, "wrong", "third")) == ErrorCode::Unauthenticated);
  world.clock.advance(2 * kDay);
  REQUIRE(change(world, una, "second", "third"));
  set_by_admin(world, una, "fourth");
  REQUIRE(change(world, una, "fourth", "fifth"));
}

TEST_CASE("a password must match the pattern, whoever sets it, and hears what is wanted") {
  World world;
  AccountRules rules;
  rules.password_regex = "^(?=.*\\d)(?=.*[a-z]).{7,}$";
  rules.password_regex_description = "seven characters with a digit";
  set_rules(world, rules);
  UserCreate spec;
  spec.name = "una";
  spec.domain = DomainId{"default"};
  spec.password = "password";
  const auto refused = world.identity->create_user(world.system, spec);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::InvalidArgument);
  CHECK(refused.error().message.find("seven characters with a digit") != std::string::npos);
  CHECK(refused.error().message.find("password:") == 0);
  spec.password = "passw0rd";
  const auto una = world.identity->create_user(world.system, spec);
  REQUIRE(una);
  IdentityUpdate with;
  with.password = "short1";
  CHECK(failure(world.identity->update_user(world.system, una->id, with)) ==
        ErrorCode::InvalidArgument);
  CHECK(failure(change(world, *una, "passw0rd", "nodigits")) == ErrorCode::InvalidArgument);
  CHECK(change(world, *una, "passw0rd", "n0digits"));
  // It must begin with it, as Keystone's does.
  rules.password_regex = "abc";
  set_rules(world, rules);
  CHECK(failure(change(world, *una, "n0digits", "xabc")) == ErrorCode::InvalidArgument);
  CHECK(change(world, *una, "n0digits", "abcx"));
}

TEST_CASE("patterns that do not compile, or never come to an end, are refused") {
  World world;
  AccountRules good;
  good.unique_passwords = 2;
  set_rules(world, good);
  for (const std::string pattern : {"(", "[a", "a{2,1}", "(?P<", "(a+)+$", "(a|a)*$", "(.*)*x",
                                    "^(([a-z])+.)+[A-Z]([a-z])+$"}) {
    CAPTURE(pattern);
    AccountRules rules;
    rules.password_regex = pattern;
    const auto set = world.identity->set_account_rules(rules);
    REQUIRE_FALSE(set);
    CHECK(set.error().code == ErrorCode::InvalidArgument);
    CHECK(set.error().message.find("password_regex") == 0);
    CHECK(world.identity->account_rules() == good);
  }
  AccountRules rules;
  rules.password_regex = std::string(limits::kPasswordRegexBytes + 1, 'a');
  CHECK_FALSE(check_account_rules(rules));
  struct Row {
    std::string what;
    AccountRules rules;
  };
  Row rows[4];
  rows[0].what = "younger than it may live";
  rows[0].rules.password_days = rows[0].rules.password_age_days = 5;
  rows[1].what = "too long a history";
  rows[1].rules.unique_passwords = limits::kPasswordHistory + 1;
  rows[2].what = "too many windows";
  rows[2].rules.totp_previous_windows = 11;
  rows[3].what = "signatures without a life";
  rows[3].rules.signature_life = seconds(0);
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK_FALSE(check_account_rules(row.rules));
  }
}

TEST_CASE("a password that an admin gave must be changed at its first use") {
  World world;
  AccountRules rules;
  rules.change_upon_first_use = true;
  set_rules(world, rules);
  const User una = world.add_user("una");
  CHECK(failure(world.login("una", "password of una")) == ErrorCode::Unauthenticated);
  REQUIRE(change(world, una, "password of una", "mine"));
  CHECK(world.login("una", "mine"));
  set_by_admin(world, una, "theirs");
  CHECK_FALSE(world.login("una", "theirs"));
  UserOptions options;
  options.ignore_change_password_upon_first_use = true;
  set_options(world, una, options);
  set_by_admin(world, una, "theirs again");
  CHECK(world.login("una", "theirs again"));
}

TEST_CASE("who does not log in for long is disabled until an admin says otherwise") {
  World world;
  AccountRules rules;
  rules.inactive_days = 10;
  set_rules(world, rules);
  const User una = world.add_user("una");
  world.clock.advance(9 * kDay);
  REQUIRE(world.login("una", "password of una"));
  world.clock.advance(9 * kDay);
  CHECK(world.login("una", "password of una"));
  world.clock.advance(10 * kDay + seconds(1));
  CHECK(failure(world.login("una", "password of una")) == ErrorCode::Unauthenticated);
  CHECK_FALSE(world.identity->get_user(world.system, una.id)->enabled);
  IdentityFilter disabled;
  disabled.enabled = false;
  const auto listed = world.identity->list_users(world.system, disabled);
  REQUIRE(listed);
  CHECK(std::any_of(listed->begin(), listed->end(),
                    [&](const User& user) { return user.id == una.id; }));
  IdentityUpdate with;
  with.enabled = true;
  CHECK(world.identity->update_user(world.system, una.id, with)->enabled);
  CHECK(world.login("una", "password of una"));
  UserOptions options;
  options.ignore_user_inactivity = true;
  set_options(world, una, options);
  world.clock.advance(100 * kDay);
  CHECK(world.login("una", "password of una"));
}

TEST_CASE("a locked password is not its user's to change") {
  World world;
  const User una = world.add_user("una");
  UserOptions options;
  options.lock_password = true;
  set_options(world, una, options);
  CHECK(failure(change(world, una, "wrong", "next")) == ErrorCode::Unauthenticated);
  CHECK(failure(change(world, una, "password of una", "next")) == ErrorCode::Forbidden);
  set_by_admin(world, una, "next");
  CHECK(world.login("una", "next"));
}

TEST_CASE("the own password is changed by nobody else, and tells not who exists") {
  World world;
  const User una = world.add_user("una"), otto = world.add_user("otto");
  Context other;
  other.user = otto.id;
  CHECK(failure(world.identity->change_password(other, una.id, "password of una", "x")) ==
        ErrorCode::Forbidden);
  User nobody;
  nobody.id = UserId{"0123"};
  const auto unknown = change(world, nobody, "wrong", "x");
  const auto known = change(world, una, "wrong", "x");
  REQUIRE_FALSE(unknown);
  REQUIRE_FALSE(known);
  CHECK(unknown.error().code == known.error().code);
  CHECK(unknown.error().message == known.error().message);
}

TEST_CASE("options are set one by one, taken away, kept and listed by expiry") {
  World world;
  UserCreate spec;
  spec.name = "una";
  spec.domain = DomainId{"default"};
  spec.password = "p";
  spec.options.lock_password = false;
  using Rules = std::vector<std::vector<std::string>>;
  spec.options.multi_factor_auth_rules = Rules{{"password", "totp"}};
  auto una = world.identity->create_user(world.system, spec);
  REQUIRE(una);
  CHECK(una->options == spec.options);
  IdentityUpdate with;
  with.options.lock_password = true;
  with.unset_options = {"multi_factor_auth_rules"};
  REQUIRE(world.identity->update_user(world.system, una->id, with));
  world.start();
  una = world.identity->get_user(world.system, una->id);
  REQUIRE(una);
  CHECK(una->options.lock_password == true);
  CHECK_FALSE(una->options.multi_factor_auth_rules);
  with = {};
  with.options.multi_factor_auth_rules.emplace(limits::kFactorRules + 1);
  CHECK(failure(world.identity->update_user(world.system, una->id, with)) ==
        ErrorCode::InvalidArgument);

  AccountRules rules;
  rules.password_days = 10;
  set_rules(world, rules);
  world.add_user("otto");
  const WallTime expiry = world.clock.wall() + 10 * kDay;
  const auto count = [&](TimeFilter::Match match, WallTime time) {
    IdentityFilter filter;
    filter.password_expires_at = {{match, time}};
    return world.identity->list_users(world.system, filter)->size();
  };
  using Match = TimeFilter::Match;
  CHECK(count(Match::Before, expiry) == 0);
  CHECK(count(Match::NotAfter, expiry) == 1);
  CHECK(count(Match::After, expiry) == 0);
  CHECK(count(Match::NotBefore, expiry) == 1);
  CHECK(count(Match::Equal, expiry) == 1);
  CHECK(count(Match::NotEqual, expiry) == 0);
}
