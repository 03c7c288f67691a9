#include <thread>

#include "base/text.hpp"
#include "identity/fernet.hpp"
#include "identity/passwords.hpp"
#include "identity/private_file.hpp"
#include "identity/support.hpp"

using namespace cloudos;
using identity::Fernet;
using identity::FernetKey;
using identity::Passwords;

namespace {

/// 0, 1, 2, …: what the specification's example draws.
class CountingRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    for (auto& byte : bytes) byte = next_++;
  }

 private:
  std::uint8_t next_ = 0;
};

/// Holds whoever draws a salt until it is opened.
class GatedRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [&] { return open_; });
    std::fill(bytes.begin(), bytes.end(), std::uint8_t{1});
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

FernetKey fernet_key(const std::string& base64) {
  const auto raw = from_base64(base64, true);
  REQUIRE(raw);
  return {raw->substr(0, 16), raw->substr(16)};
}

}  // namespace

TEST_CASE("sealing agrees with the published example") {
  CountingRandom random;
  const Fernet fernet({fernet_key("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")});
  const std::string sealed = fernet.seal("hello", 499'162'800, random);
  CHECK(sealed ==
        "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU"
        "4IwqDA");
  CHECK(fernet.open(sealed) == "hello");
  CHECK(fernet.open(sealed + "==") == "hello");
}

TEST_CASE("every key opens, the first seals, a foreign one does neither") {
  SeededRandom random(1);
  const FernetKey a{std::string(16, 'a'), std::string(16, 'A')};
  const FernetKey b{std::string(16, 'b'), std::string(16, 'B')};
  const std::string by_a = Fernet({a}).seal("text", 1, random);
  CHECK(Fernet({b, a}).open(by_a) == "text");
  CHECK_FALSE(Fernet({b}).open(by_a));
  CHECK_FALSE(Fernet({a}).open(Fernet({b, a}).seal("text", 1, random)));
}

TEST_CASE("sealed text of any length comes back, and cut text does not") {
  SeededRandom random(2);
  const Fernet fernet({{std::string(16, 's'), std::string(16, 'e')}});
  for (std::size_t length = 0; length < 70; ++length) {
    CAPTURE(length);
    const std::string plain(length, 'p');
    const std::string sealed = fernet.seal(plain, length, random);
    CHECK(fernet.open(sealed) == plain);
    for (std::size_t cut = 1; cut < sealed.size(); cut += 7)
      CHECK_FALSE(fernet.open(sealed.substr(0, sealed.size() - cut)));
  }
}

TEST_CASE("private files are whole or not there, whatever an earlier crash left") {
  identity_test::TempFolder folder;
  const auto file = folder.path / "secret";
  CHECK_FALSE(*identity::read_private_file(file));
  REQUIRE(identity::write_private_file(folder.path / "secret.new", "left by a crash"));
  REQUIRE(identity::write_private_file(file, "one"));
  REQUIRE(identity::write_private_file(file, "two"));
  CHECK(**identity::read_private_file(file) == "two");
  CHECK_FALSE(std::filesystem::exists(folder.path / "secret.new"));
  CHECK(identity::write_private_file("/proc/none/secret", "x").error().code ==
        ErrorCode::Unavailable);
}

TEST_CASE("every byte of a password counts") {
  SeededRandom random(4);
  Passwords passwords({PasswordHashing::Algorithm::Bcrypt, 4}, random);
  const std::string long_one(72, 'x');
  struct Row {
    std::string what;
    std::string right, wrong;
  };
  const Row rows[] = {
      {"short", "secret", "Secret"},
      {"one more than bcrypt reads", long_one + "a", long_one + "b"},
      {"exactly what bcrypt reads", long_one, long_one + "x"},
      {"after a zero byte", std::string("a\0b", 3), std::string("a\0c", 3)},
      {"zero byte against nothing", std::string("a\0", 2), "a"},
      {"the longest", std::string(limits::kPasswordBytes, 'y'),
       std::string(limits::kPasswordBytes - 1, 'y')},
      {"not ASCII", "비밀번호", "비밀번홀"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto hash = passwords.hash(row.right);
    REQUIRE(hash);
    const bool cut = row.right.size() > 72 || row.right.find('\0') != row.right.npos;
    CHECK(hash->starts_with(cut ? "$bcrypt-sha256$v=2,t=2b,r=4$" : "$2b$04$"));
    CHECK(passwords.verify(row.right, *hash));
    CHECK(passwords.verify(row.wrong, *hash).error().code == ErrorCode::Unauthenticated);
    CHECK(*passwords.hash(row.right) != *hash);
  }
}

TEST_CASE("passwords out of bounds are refused before any work") {
  SeededRandom random(5);
  Passwords passwords({PasswordHashing::Algorithm::Bcrypt, 4}, random);
  CHECK(passwords.hash("").error().code == ErrorCode::InvalidArgument);
  CHECK(passwords.hash(std::string(limits::kPasswordBytes + 1, 'x')).error().code ==
        ErrorCode::InvalidArgument);
  CHECK(passwords.verify(std::string(1 << 20, 'x'), "").error().code ==
        ErrorCode::Unauthenticated);
  for (const char* broken : {"", "x", "$2b$04$", "$2b$99$abcdefghijklmnopqrstuv", "*0", "$1$a$b"}) {
    CAPTURE(broken);
    CHECK(passwords.verify("x", broken).error().code == ErrorCode::Unauthenticated);
  }
}

TEST_CASE("two hashes run, a bounded number waits, and the next is turned away at once") {
  GatedRandom random;
  Passwords passwords({PasswordHashing::Algorithm::Bcrypt, 4}, random);
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  const unsigned most = Passwords::kAtOnce + Passwords::kWaiting;
  for (unsigned i = 0; i < most; ++i) {
    threads.emplace_back([&] {
      if (passwords.hash("secret")) ++done;
    });
  }
  while (passwords.load().waiting < Passwords::kWaiting) std::this_thread::yield();
  CHECK(passwords.load().running == Passwords::kAtOnce);
  CHECK(passwords.hash("secret").error().code == ErrorCode::Unavailable);
  CHECK(passwords.verify("secret", "").error().code == ErrorCode::Unavailable);
  random.open();
  for (std::thread& thread : threads) thread.join();
  CHECK(done == static_cast<int>(most));
  CHECK(passwords.load().running == 0);
}
