#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/fd.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/token_keys.hpp"
#include "identity/keyring.hpp"
#include "identity/private_file.hpp"
#include "identity/support.hpp"

using namespace cloudos;
using namespace std::chrono_literals;
using identity::KeyFile;
using identity::KeyRing;
using identity_test::TempFolder;
using identity_test::World;

namespace {

std::unique_ptr<KeyRing> open_ring(const std::filesystem::path& folder, const Clock& clock,
                                   Random& random, bool owner = true) {
  auto ring = KeyRing::open(folder / "keys" / "tokens", clock, random, 1h, owner);
  REQUIRE(ring);
  return std::move(*ring);
}

std::string key_text(const std::filesystem::path& folder) {
  const auto text = identity::read_private_file(folder / "keys" / "tokens");
  REQUIRE(text);
  REQUIRE(*text);
  return **text;
}

unsigned mode_of(const std::filesystem::path& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

}  // namespace

TEST_CASE("token keys are made once, kept 0600, and refused when damaged") {
  TempFolder folder;
  ManualClock clock;
  SeededRandom random(3);
  const auto file = folder.path / "keys" / "tokens";
  const auto ring = open_ring(folder.path, clock, random);
  CHECK(mode_of(file) == 0600);
  CHECK(mode_of(file.parent_path()) == 0700);
  const std::string sealed = ring->seal("text", 1);
  CHECK(open_ring(folder.path, clock, random)->open(sealed) == "text");
  const std::string good = key_text(folder.path);
  const std::string key = good.substr(good.find("\nlifetime") + 15, 43);
  const std::string damages[] = {"",
                                 "\n\n",
                                 "short\n",
                                 "!!!!\n",
                                 "AAAA\nBBBB\n",
                                 key + " master 1\n",
                                 key + " primary\n",
                                 key + " primary x\n",
                                 key + " secondary 1 2\n",
                                 key + " primary 1\n" + key + " primary 1\n",
                                 "lifetime\n" + key + " primary 1\n",
                                 key + " primary 1 2 3\n"};
  for (const std::string& damage : damages) {
    CAPTURE(damage);
    REQUIRE(identity::write_private_file(file, damage));
    CHECK(KeyRing::open(file, clock, random, 1h, true).error().code == ErrorCode::InvalidArgument);
    CHECK(list_token_keys(folder.path).error().code == ErrorCode::InvalidArgument);
    CHECK(rotate_token_keys(folder.path, clock, random).error().code == ErrorCode::InvalidArgument);
    CHECK(key_text(folder.path) == damage);
  }
}

TEST_CASE("a rotation makes the staged key primary and stages another") {
  TempFolder folder;
  ManualClock clock;
  SeededRandom random(4);
  const auto ring = open_ring(folder.path, clock, random);
  const auto before = ring->list();
  REQUIRE(before.size() == 2);
  CHECK(before[0].role == TokenKey::Role::Primary);
  CHECK(before[1].role == TokenKey::Role::Staged);
  clock.advance(5min);
  const auto after = ring->rotate(false);
  REQUIRE(after);
  REQUIRE(after->size() == 3);
  CHECK((*after)[0].id == before[1].id);
  CHECK((*after)[0].since == std::chrono::floor<std::chrono::seconds>(clock.wall()));
  CHECK((*after)[1].role == TokenKey::Role::Staged);
  CHECK((*after)[2].id == before[0].id);
  CHECK((*after)[2].role == TokenKey::Role::Secondary);
  CHECK((*after)[2].until >= clock.wall() + 1h);
  CHECK(mode_of(folder.path / "keys" / "tokens") == 0600);
  // The keys themselves are nowhere in what is told.
  for (const TokenKey& key : *after) CHECK(key.id.size() == 8);
}

TEST_CASE("every process on a folder follows a rotation by any of them, without a restart") {
  TempFolder folder;
  ManualClock clock;
  SeededRandom random(5), other(6);
  const auto here = open_ring(folder.path, clock, random);
  const auto there = open_ring(folder.path, clock, other, false);
  const std::string old = here->seal("old", 1);
  REQUIRE(rotate_token_keys(folder.path, clock, other));
  REQUIRE(rotate_token_keys(folder.path, clock, other));
  const std::string fresh = here->seal("fresh", 1);
  CHECK(there->open(fresh) == "fresh");
  CHECK(there->open(old) == "old");
  CHECK(here->open(there->seal("from there", 1)) == "from there");
  CHECK(here->list()[0].id == there->list()[0].id);
}

TEST_CASE("a file that was replaced while it was looked at is not followed in place of its heir") {
  TempFolder folder;
  ManualClock clock;
  SeededRandom random(7), other(8);
  const auto ring = open_ring(folder.path, clock, random);
  const auto file = folder.path / "keys" / "tokens", copy = folder.path / "copy";
  std::ofstream(copy) << key_text(folder.path);
  const Fd nameless(::open(copy.c_str(), O_RDONLY | O_CLOEXEC));
  std::filesystem::remove(copy);
  std::filesystem::remove(file);
  std::filesystem::create_symlink(fmt::format("/proc/self/fd/{}", nameless.get()), file);
  ring->refresh();
  REQUIRE(rotate_token_keys(folder.path, clock, other));
  const std::string sealed = ring->seal("by the newest", 1);
  const auto keys = list_token_keys(folder.path);
  REQUIRE(keys);
  CHECK(ring->list()[0].id == (*keys)[0].id);
  CHECK(open_ring(folder.path, clock, other, false)->open(sealed) == "by the newest");
}

TEST_CASE("a key goes when all it sealed has expired, and no sooner") {
  TempFolder folder;
  ManualClock clock;
  SeededRandom random(7);
  const auto ring = open_ring(folder.path, clock, random);
  const std::string sealed = ring->seal("text", 1);
  REQUIRE(ring->rotate(false));
  clock.advance(59min);
  REQUIRE(ring->rotate(false));
  CHECK(ring->open(sealed) == "text");
  clock.advance(3min);
  REQUIRE(ring->rotate(false));
  CHECK_FALSE(ring->open(sealed));
}

TEST_CASE("keys in use are bounded: one rotation too many is refused, or ends the oldest tokens") {
  TempFolder folder;
  ManualClock clock;
  SeededRandom random(8);
  const auto ring = open_ring(folder.path, clock, random);
  const std::string oldest = ring->seal("oldest", 1);
  for (std::size_t keys = 3; keys <= limits::kTokenKeys; ++keys) REQUIRE(ring->rotate(false));
  const std::string before = key_text(folder.path);
  CHECK(ring->rotate(false).error().code == ErrorCode::Conflict);
  CHECK(key_text(folder.path) == before);
  CHECK(ring->open(oldest) == "oldest");
  const auto forced = ring->rotate(true);
  REQUIRE(forced);
  CHECK(forced->size() == limits::kTokenKeys);
  CHECK_FALSE(ring->open(oldest));
  clock.advance(2h);
  REQUIRE(ring->rotate(false));
  CHECK(ring->list().size() == 3);
}

TEST_CASE("a folder without keys has none to show, and a guest makes none") {
  TempFolder folder;
  ManualClock clock;
  SeededRandom random(9);
  CHECK(list_token_keys(folder.path).error().code == ErrorCode::NotFound);
  CHECK(rotate_token_keys(folder.path, clock, random).error().code == ErrorCode::NotFound);
  CHECK(KeyRing::open(folder.path / "keys" / "tokens", clock, random, 1h, false).error().code ==
        ErrorCode::NotFound);
  CHECK_FALSE(std::filesystem::exists(folder.path / "keys"));
}

TEST_CASE("a file of keys and nothing else, as older versions wrote it, goes on") {
  TempFolder folder;
  ManualClock clock;
  SeededRandom random(10);
  const std::string a(43, 'A'), b = std::string(42, 'B') + "A";
  REQUIRE(identity::write_private_file(folder.path / "keys" / "tokens", a + "\n" + b + "\n"));
  const auto keys = list_token_keys(folder.path);
  REQUIRE(keys);
  REQUIRE(keys->size() == 2);
  CHECK((*keys)[0].role == TokenKey::Role::Primary);
  CHECK((*keys)[1].role == TokenKey::Role::Secondary);
  const auto ring = open_ring(folder.path, clock, random);
  const std::string sealed = ring->seal("text", 1);
  REQUIRE(ring->rotate(false));
  CHECK(ring->open(sealed) == "text");
  CHECK(ring->list().size() == 4);
}

TEST_CASE("a longer token lifetime is written down where rotations by others see it") {
  TempFolder folder;
  ManualClock clock;
  SeededRandom random(11);
  open_ring(folder.path, clock, random);
  const auto file = folder.path / "keys" / "tokens";
  REQUIRE(KeyRing::open(file, clock, random, 24h, true));
  const auto rotated = rotate_token_keys(folder.path, clock, random);
  REQUIRE(rotated);
  CHECK((*rotated)[2].until >= clock.wall() + 24h);
}

TEST_CASE("whoever is killed while rotating leaves the old keys or the new ones, never less") {
  TempFolder folder;
  SystemClock clock;
  SystemRandom random;
  const auto ring = open_ring(folder.path, clock, random);
  const std::string sealed = ring->seal("text", 1);
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (;;) (void)rotate_token_keys(folder.path, clock, random, true).has_value();
    }
    ::usleep(static_cast<useconds_t>(500 + 137 * round));
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    const auto keys = list_token_keys(folder.path);
    REQUIRE(keys);
    CHECK((*keys)[0].role == TokenKey::Role::Primary);
    CHECK((*keys)[1].role == TokenKey::Role::Staged);
    CHECK(mode_of(folder.path / "keys" / "tokens") == 0600);
    const std::string now = ring->seal("now", 1);
    CHECK(open_ring(folder.path, clock, random, false)->open(now) == "now");
  }
  // What a kill leaves beside the file is gone with the next rotation.
  REQUIRE(rotate_token_keys(folder.path, clock, random, true));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path / "keys")) {
    (void)entry;
    ++files;
  }
  CHECK(files == 1);
}

TEST_CASE("a damaged file of keys changes nothing for who runs; a removed key ends its tokens") {
  TempFolder folder;
  World world(folder.path);
  const auto file = folder.path / "keys" / "tokens";
  const Token token = world.admin_token();
  const std::string good = key_text(folder.path);
  REQUIRE(identity::write_private_file(file, "nonsense\n"));
  CHECK(world.identity->validate(token.text));
  CHECK(world.admin_token().user.name == "admin");
  // An operator, or another process, takes the key away: its tokens end, though nothing else
  // happens and they were asked about a moment ago.
  CHECK(world.identity->validate(token.text));
  ManualClock clock;
  SeededRandom random(12);
  auto others = KeyFile::make(clock.wall(), random);
  REQUIRE(identity::write_private_file(file, others.text()));
  world.clock.advance(KeyRing::kKeyLook);
  CHECK(world.identity->validate(token.text).error().code == ErrorCode::Unauthenticated);
  // And the other way: with the key, its tokens are back.
  REQUIRE(identity::write_private_file(file, good));
  CHECK(world.identity->validate(token.text));
}

TEST_CASE("a key ended by another process ends cached tokens within the time of a look") {
  static_assert(KeyRing::kKeyLook < std::chrono::milliseconds(100));
  TempFolder folder;
  World world(folder.path);
  const Token token = world.admin_token();
  ManualClock elsewhere;
  SeededRandom random(13);
  for (std::size_t i = 0; i <= limits::kTokenKeys; ++i) {
    world.clock.advance(KeyRing::kKeyLook);
    // Each rotation is followed; the last ones force out the key that sealed our token.
    CHECK(world.identity->validate(token.text).has_value() == (i + 2 <= limits::kTokenKeys));
    REQUIRE(rotate_token_keys(folder.path, elsewhere, random, true));
  }
}

TEST_CASE("tokens outlive any number of rotations, in memory and on disk, and die at their end") {
  TempFolder folder;
  for (const bool on_disk : {false, true}) {
    CAPTURE(on_disk);
    World world(on_disk ? folder.path : std::filesystem::path());
    const Token token = world.admin_token();
    for (int i = 0; i < 5; ++i) {
      world.clock.advance(10min);
      REQUIRE(world.identity->rotate_token_keys(world.system));
      CHECK(world.identity->validate(token.text));
      CHECK(world.rescope(token.text));
    }
    const auto keys = world.identity->token_keys(world.system);
    REQUIRE(keys);
    CHECK(keys->size() == 7);
    world.clock.advance(11min);
    CHECK_FALSE(world.identity->validate(token.text));
  }
}

TEST_CASE("keys are rotated by age where that is asked for") {
  TempFolder folder;
  World world(folder.path);
  const auto primary = [&] { return (*world.identity->token_keys(world.system))[0].id; };
  const std::string first = primary();
  world.clock.advance(std::chrono::hours(24 * 400));
  world.executor.run_pending();
  CHECK(primary() == first);
  world.settings.key_rotation = 30min;
  world.start();
  world.executor.run_pending();
  CHECK(primary() != first);
  const std::string second = primary();
  world.clock.advance(2min);
  world.executor.run_pending();
  CHECK(primary() == second);
  world.clock.advance(30min);
  world.executor.run_pending();
  CHECK(primary() != second);
}

TEST_CASE("only an admin sees and rotates keys") {
  World world;
  const User user = world.add_user("uma");
  Context ctx;
  ctx.user = user.id;
  ctx.roles = {"member", "reader"};
  CHECK(world.identity->token_keys(ctx).error().code == ErrorCode::Forbidden);
  CHECK(world.identity->rotate_token_keys(ctx).error().code == ErrorCode::Forbidden);
}
