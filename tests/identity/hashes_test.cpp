#include "identity/hashes.hpp"

#include "identity/password_support.hpp"
#include "identity/passwords.hpp"
#include "identity/support.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace identity_test;
using identity::HashMatch;
using identity::match_hash;

TEST_CASE("hashes of Keystone and of passlib are read, whatever made them") {
  struct Row {
    std::string what, hash;
  };
  const Row rows[] = {
      {"bcrypt", "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"},
      {"bcrypt of PHP", "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"},
      {"bcrypt over HMAC-SHA256",
       "$bcrypt-sha256$v=2,t=2b,r=4$abcdefghijklmnopqrstuu$m8phM5HLiIEvmH7mK6Z5Wd.AC8vC0.y"},
      {"scrypt",
       "$scrypt$ln=8,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$N1ankSMjjaOn9n5jpUdbOAO8TtISJBZN2+JovxESbfc"},
      {"PBKDF2",
       "$pbkdf2-sha512$1000$MDEyMzQ1Njc4OWFiY2RlZg$vgFvU7zWIDgDAUi7d8ayt.cfRiPWVVWfv8iQRsGZaZviWz"
       "sSNgWYXEE5PmvI/VELMsOmEbqLz0PKuePNjOk41A"},
      {"sha512-crypt",
       "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/"
       "x8v0/crpIjl8NJSAqXV/"},
  };
  World world;
  int count = 0;
  for (const Row& row : rows) {
    CAPTURE(row.what);
    REQUIRE(identity::check_hash(row.hash));
    CHECK(match_hash("secret", {row.hash, true}) == HashMatch::Renew);
    CHECK(match_hash("secret", {row.hash, false}) == HashMatch::Yes);
    for (const char* wrong : {"", "Secret", "secret ", "secre"})
      CHECK(match_hash(wrong, {row.hash, true}) == HashMatch::No);
    CHECK(match_hash(std::string_view("secret\0x", 8), {row.hash, true}) == HashMatch::No);

    UserCreate spec;
    spec.name = "imported-" + std::to_string(++count);
    spec.domain = DomainId{"default"};
    spec.password_hash = row.hash;
    const auto user = world.identity->create_user(world.system, spec);
    REQUIRE(user);
    CHECK(stored_hash(world, user->id) == row.hash);
    CHECK_FALSE(world.login(spec.name, "wrong"));
    CHECK(stored_hash(world, user->id) == row.hash);
    CHECK(world.login(spec.name, "secret"));
    CHECK(stored_hash(world, user->id).starts_with("$2b$04$"));
    CHECK(world.login(spec.name, "secret"));
  }
}

TEST_CASE("a long password cut by Keystone holds, and only for hashes that came from elsewhere") {
  const std::string at_54 = "$2b$04$abcdefghijklmnopqrstuuL.ikSe.VelYmAKbRCG9mEix00CqL.qi";
  const std::string at_72 = "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i";
  const std::string whole(100, 'x');
  for (const std::string& hash : {at_54, at_72}) {
    CHECK(match_hash(whole, {hash, true}) == HashMatch::Renew);
    CHECK(match_hash(whole, {hash, false}) == HashMatch::No);
    CHECK(match_hash(std::string(53, 'x'), {hash, true}) == HashMatch::No);
    CHECK(match_hash("y" + whole.substr(1), {hash, true}) == HashMatch::No);
  }
  World world;
  UserCreate spec;
  spec.name = "long";
  spec.domain = DomainId{"default"};
  spec.password_hash = at_54;
  const auto user = world.identity->create_user(world.system, spec);
  REQUIRE(user);
  REQUIRE(world.login("long", whole));
  CHECK(stored_hash(world, user->id).starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"));
  CHECK(world.login("long", whole));
  CHECK_FALSE(world.login("long", std::string(99, 'x')));  // Every byte counts from then on.
}

TEST_CASE("what is no hash, or one that costs too much, is refused") {
  const char* rows[] = {
      "",
      "secret",
      "$2b$31$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
      "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIr",
      "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
      "$scrypt$ln=24,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$N1ankSMjjaOn9n5jpUdbOAO8TtISJBZN2+JovxESbfc",
      "$scrypt$ln=8,r=8,p=999$MDEyMzQ1Njc4OWFiY2RlZg$N1ankSMjjaOn9n5jpUdbOAO8TtISJBZN2+JovxESbfc",
      "$scrypt$ln=8,r=0,p=1$MDEyMzQ1Njc4OWFiY2RlZg$N1ankSMjjaOn9n5jpUdbOAO8TtISJBZN2+JovxESbfc",
      "$scrypt$ln=8$MDEyMzQ1Njc4OWFiY2RlZg$N1ankSMjjaOn9n5jpUdbOAO8TtISJBZN2+JovxESbfc",
      "$pbkdf2-sha512$99999999999$MDEy$vgFv",
      "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
      "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
      "$6$rounds=999999999$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ",
      "$bcrypt-sha256$v=1,t=2b,r=4$abcdefghijklmnopqrstuu$m8phM5HLiIEvmH7mK6Z5Wd.AC8vC0.y",
  };
  World world;
  for (const std::string hash : rows) {
    CAPTURE(hash);
    CHECK_FALSE(identity::check_hash(hash));
    CHECK(match_hash("secret", {hash}) == HashMatch::No);
    UserCreate spec;
    spec.name = "refused";
    spec.domain = DomainId{"default"};
    spec.password_hash = hash;
    const auto made = world.identity->create_user(world.system, spec);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("every algorithm makes hashes that it knows again, and ignores no byte") {
  using Algorithm = PasswordHashing::Algorithm;
  SeededRandom random(3);
  struct Row {
    Algorithm algorithm;
    std::string prefix;
  };
  const Row rows[] = {{Algorithm::Bcrypt, "$2b$04$"},
                      {Algorithm::Scrypt, "$scrypt$ln=4,r=8,p=1$"},
                      {Algorithm::Argon2id, "$argon2id$v=19$m=64,t=1,p=1$"}};
  for (const Row& row : rows) {
    CAPTURE(row.prefix);
    const PasswordHashing with{row.algorithm, 4, 4, 64, 1};
    REQUIRE(check_password_hashing(with));
    for (const std::string& password :
         {std::string("short"), std::string(72, 'p'), std::string(73, 'p'), std::string(4'096, 'p'),
          std::string("with\0zero", 9), std::string("\xed\x95\x9c")}) {
      const auto hash = identity::make_hash(with, password, random);
      REQUIRE(hash);
      CHECK(identity::check_hash(*hash));
      CHECK(identity::made_with(with, *hash));
      CHECK(match_hash(password, {*hash}) == HashMatch::Yes);
      std::string other = password;
      other.back() ^= 1;
      CHECK(match_hash(other, {*hash}) == HashMatch::No);
      CHECK(match_hash(password + "x", {*hash}) == HashMatch::No);
      CHECK(match_hash(password.substr(0, password.size() - 1), {*hash}) == HashMatch::No);
    }
    const auto plain = identity::make_hash(with, "short", random);
    CHECK(plain->starts_with(row.prefix));
    const std::string decoy = identity::decoy_hash(with, random);
    CHECK(identity::check_hash(decoy));
    CHECK(identity::made_with(with, decoy));
    CHECK(match_hash("short", {decoy}) == HashMatch::No);
    CHECK_FALSE(identity::made_with({row.algorithm, 5, 5, 128, 2}, *plain));
  }
}

TEST_CASE("a login hashes anew what was hashed in another way, and its tokens live on") {
  World world;
  const User una = world.add_user("una");
  const auto token = world.login("una", "password of una", World::unscoped());
  REQUIRE(token);
  using Algorithm = PasswordHashing::Algorithm;
  const std::pair<PasswordHashing, std::string> rows[] = {
      {{Algorithm::Bcrypt, 5}, "$2b$05$"},
      {{Algorithm::Scrypt, 4, 4}, "$scrypt$ln=4,"},
      {{Algorithm::Argon2id, 4, 4, 64, 1}, "$argon2id$v=19$m=64,t=1,p=1$"},
      {{Algorithm::Argon2id, 4, 4, 64, 2}, "$argon2id$v=19$m=64,t=2,p=1$"},
      {{Algorithm::Bcrypt, 4}, "$2b$04$"},
  };
  for (const auto& [with, prefix] : rows) {
    CAPTURE_BOUND(prefix);
    REQUIRE(world.identity->set_password_hashing(with));
    CHECK_FALSE(world.login("una", "wrong"));
    CHECK_FALSE(stored_hash(world, una.id).starts_with(prefix));
    CHECK(world.login("una", "password of una"));
    CHECK(stored_hash(world, una.id).starts_with(prefix));
    const auto revision = world.revision();
    CHECK(world.login("una", "password of una"));
    CHECK(world.revision() == revision);  // A login that has nothing to do writes nothing.
    CHECK(world.identity->validate(token->text));
  }
  CHECK_FALSE(world.identity->set_password_hashing({Algorithm::Scrypt, 4, 40}));
  CHECK_FALSE(world.identity->set_password_hashing({Algorithm::Bcrypt, 3}));
}

TEST_CASE("a password of a megabyte is refused before it is hashed") {
  World world;
  const std::string huge(1 << 20, 'p');
  UserCreate spec;
  spec.name = "huge";
  spec.domain = DomainId{"default"};
  spec.password = huge;
  const auto made = world.identity->create_user(world.system, spec);
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::InvalidArgument);
  CHECK(made.error().message.size() < 200);
  const auto login = world.login("admin", huge);
  REQUIRE_FALSE(login);
  CHECK(login.error().code == ErrorCode::Unauthenticated);
  spec.name = std::string(1 << 20, 'n');
  spec.password = "p";
  const auto named = world.identity->create_user(world.system, spec);
  REQUIRE_FALSE(named);
  CHECK(named.error().message.size() < 200);
  CHECK_FALSE(world.login(spec.name, "p"));
}
