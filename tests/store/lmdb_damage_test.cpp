#include <doctest/doctest.h>
#include <fmt/format.h>
#include <lmdb.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <map>
#include <thread>

#include "lmdb_support.hpp"

using namespace cloudos;
using test::erase_one;
using test::open_owner;
using test::put_one;
using test::SmallDisk;
using test::TempFolder;
using test::value_of;

namespace {

/// Writes one record into a folder with plain LMDB, as another program would.
void write_foreign(const std::filesystem::path& folder, std::string_view key,
                   std::string_view value) {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi tree = 0;
  REQUIRE(mdb_env_create(&env) == 0);
  REQUIRE(mdb_env_open(env, folder.c_str(), 0, 0600) == 0);
  REQUIRE(mdb_txn_begin(env, nullptr, 0, &txn) == 0);
  REQUIRE(mdb_dbi_open(txn, nullptr, 0, &tree) == 0);
  MDB_val k{key.size(), const_cast<char*>(key.data())};
  MDB_val v{value.size(), const_cast<char*>(value.data())};
  REQUIRE(mdb_put(txn, tree, &k, &v, 0) == 0);
  REQUIRE(mdb_txn_commit(txn) == 0);
  mdb_env_close(env);
}

std::string fill_key(int i) {
  return fmt::format("/fill/{:06}", i);
}

/// Puts records until the store is full: how many there are.
int fill_up(store::Store& s, std::size_t value_bytes) {
  for (int i = 0;; ++i) {
    const auto done = put_one(s, fill_key(i), std::string(value_bytes, 'f'));
    if (done) continue;
    CAPTURE(done.error().detail);
    REQUIRE(done.error().code == ErrorCode::StorageFull);
    return i;
  }
}

void check_filled(store::Store& s, int count, std::size_t value_bytes) {
  const auto view = *s.snapshot();
  for (int i = 0; i < count; ++i) {
    const auto entry = view->get(fill_key(i));
    if (!entry || !*entry || (*entry)->value.size() != value_bytes) FAIL("lost record ", i);
  }
  CHECK_FALSE(*view->get(fill_key(count)));
}

/// Fills, erases all, fills again: a full store is not a dead one.
void check_full_and_back(store::Store& s) {
  const int first = fill_up(s, 3'000);
  REQUIRE(first > 10);
  check_filled(s, first, 3'000);
  for (int i = 0; i < first; ++i) {
    const auto erased = erase_one(s, fill_key(i));
    if (!erased) FAIL("erase ", i, ": ", erased.error().detail);
  }
  CHECK((*s.snapshot())->scan("/fill/")->empty());
  const int second = fill_up(s, 3'000);
  CHECK(second > first / 2);
  check_filled(s, second, 3'000);
}

}  // namespace

TEST_CASE("a store at its size limit says so, loses nothing, and can be emptied") {
  const TempFolder folder;
  {
    const auto s = open_owner(folder.path(), 1 << 20);
    check_full_and_back(*s);
  }
  // Full, opened again with a higher limit: what was refused fits.
  const auto s = open_owner(folder.path(), 4 << 20);
  CHECK(put_one(*s, "/more", std::string(500'000, 'm')));
}

TEST_CASE("a snapshot that pins the last pages is told apart from lost data") {
  const TempFolder folder;
  const auto s = open_owner(folder.path(), limits::kStoreMapLeastBytes);
  REQUIRE(put_one(*s, "/a", "kept"));
  auto pin = *s->snapshot();
  // The same record again and again: only pinned pages make the store full.
  Result<store::Revision> last{0};
  for (int i = 0; i < 1'000 && last; ++i) last = put_one(*s, "/b", std::string(2'000, 'b'));
  REQUIRE_FALSE(last);
  CHECK(last.error().code == ErrorCode::StorageFull);
  CHECK((*pin->get("/a"))->value == "kept");
  pin.reset();
  CHECK(put_one(*s, "/b", "again"));
  CHECK(value_of(*s, "/a") == "kept");
}

TEST_CASE("one body too many for the store does not take the others of its commit down") {
  struct Row {
    std::string what;
    bool pinned;
  };
  const Row rows[] = {{"refused before it is applied", false}, {"the map overflows", true}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const TempFolder folder;
    const auto s = open_owner(folder.path(), 1 << 20);
    REQUIRE(put_one(*s, "/first", ""));
    const auto pin = row.pinned ? *s->snapshot() : nullptr;
    // The change that is too large fits by count, not beside the pages the snapshot pins.
    const std::size_t large = row.pinned ? 600'000 : 900'000;
    if (row.pinned) {
      REQUIRE(put_one(*s, "/large", std::string(large, 'a')));
      REQUIRE(erase_one(*s, "/large"));
    }
    std::atomic<int> entered{0}, stored{0}, refused{0};
    constexpr int kCallers = 8;
    std::vector<std::thread> callers;
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&, i] {
        ++entered;
        const auto done = s->transact([&](store::Txn& txn) {
          for (int turn = 0; turn < 1'000 || entered < kCallers; ++turn) std::this_thread::yield();
          txn.put(fmt::format("/by/{}", i), i == 3 ? std::string(large, 'z') : "small");
          return Result<void>();
        });
        if (done)
          ++stored;
        else if (done.error().code == ErrorCode::StorageFull && i == 3)
          ++refused;
      });
    }
    for (auto& caller : callers) caller.join();
    CHECK(stored == kCallers - 1);
    CHECK(refused == 1);
    CHECK((*s->snapshot())->scan("/by/")->size() == kCallers - 1);
  }
}

TEST_CASE("a batch of large changes is cut into several commits") {
  const TempFolder folder;
  const auto s = open_owner(folder.path());
  constexpr int kCallers = 20;
  static_assert(kCallers * 900'000ULL > 2 * limits::kCommitBatchBytes);
  std::atomic<int> entered{0};
  std::vector<store::Revision> revisions(kCallers);
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      ++entered;
      revisions[static_cast<std::size_t>(i)] = *s->transact([&](store::Txn& txn) {
        for (int turn = 0; turn < 100 || entered < kCallers; ++turn) std::this_thread::yield();
        txn.put(fmt::format("/large/{}", i), std::string(900'000, 'l'));
        return Result<void>();
      });
    });
  }
  for (auto& caller : callers) caller.join();
  std::map<store::Revision, int> shared;
  for (const auto revision : revisions) ++shared[revision];
  CHECK(shared.size() >= 2);
  for (const auto& [revision, count] : shared)
    CHECK(count * 900'000ULL <= limits::kCommitBatchBytes + 900'000);
  CHECK((*s->snapshot())->scan("/large/", {.keys_only = true})->size() == kCallers);
}

TEST_CASE("a full disk is a clear error, loses nothing, and freed space is used again") {
  const TempFolder folder;
  const SmallDisk disk(folder.path(), "size=1m");
  if (!disk.ok()) {
    MESSAGE("skipped: only root may mount the small disk this needs");
    return;
  }
  {
    const auto s = open_owner(folder.path() / "store");
    check_full_and_back(*s);
    // A snapshot in every slot: the lock file was given its pages before the disk was full.
    std::vector<std::unique_ptr<store::Snapshot>> held;
    for (int i = 0; i < 500; ++i) held.push_back(*s->snapshot());
    CHECK(value_of(*s, fill_key(0)).size() == 3'000);
  }
  const auto s = open_owner(folder.path() / "store");
  CHECK(value_of(*s, fill_key(0)).size() == 3'000);
}

TEST_CASE("a disk that is full from the start is a clear error") {
  const TempFolder folder;
  const SmallDisk disk(folder.path(), "size=16k");
  if (!disk.ok()) {
    MESSAGE("skipped: only root may mount the small disk this needs");
    return;
  }
  const auto s = store::open_lmdb({.directory = folder.path() / "store"});
  REQUIRE_FALSE(s);
  CHECK(s.error().code == ErrorCode::StorageFull);
}

TEST_CASE("a folder that cannot be written is one clear sentence; guests still read it") {
  const TempFolder folder;
  const SmallDisk disk(folder.path(), "size=1m");
  if (!disk.ok()) {
    MESSAGE("skipped: only root may mount the disk this needs");
    return;
  }
  REQUIRE(put_one(*open_owner(folder.path()), "/a", "readable"));
  REQUIRE(disk.make_read_only());
  const auto owner = store::open_lmdb({.directory = folder.path()});
  REQUIRE_FALSE(owner);
  CHECK(owner.error().code == ErrorCode::Unavailable);
  CHECK(owner.error().message.find("not writable") != std::string::npos);
  CHECK(store::open_lmdb({.directory = folder.path() / "new"}).error().code ==
        ErrorCode::Unavailable);
  const auto guest = store::open_lmdb({.directory = folder.path(), .owner = false});
  REQUIRE(guest);
  CHECK(value_of(**guest, "/a") == "readable");
}

TEST_CASE("what is not a store of ours is refused, and left as it is") {
  struct Row {
    std::string what;
    std::string content;  ///< Of data.mdb; empty: see key.
    std::string key, value;
    ErrorCode code;
  };
  const std::string name = "cloudos store";
  const Row rows[] = {
      {"text", std::string(10'000, 't'), {}, {}, ErrorCode::Internal},
      {"a few bytes", "x", {}, {}, ErrorCode::Internal},
      {"pages of zeros", std::string(16'384, '\0'), {}, {}, ErrorCode::Internal},
      {"another program's", {}, "some key", "some value", ErrorCode::Unsupported},
      {"a newer format",
       {},
       std::string(1, '\1'),
       name + std::string("\0\0\0\2", 4),
       ErrorCode::Unsupported},
      {"a format cut off", {}, std::string(1, '\1'), name, ErrorCode::Unsupported},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const TempFolder folder;
    if (row.content.empty())
      write_foreign(folder.path(), row.key, row.value);
    else
      std::ofstream(folder.path() / "data.mdb") << row.content;
    for (const bool owner : {true, false}) {
      CAPTURE(owner);
      const auto s = store::open_lmdb({.directory = folder.path(), .owner = owner});
      REQUIRE_FALSE(s);
      CHECK(s.error().code == row.code);
      CHECK_FALSE(s.error().message.empty());
    }
  }
}

TEST_CASE("a data file cut off by a broken copy is reported, never a crash") {
  const TempFolder folder;
  {
    const auto s = open_owner(folder.path());
    for (int i = 0; i < 300; ++i) REQUIRE(put_one(*s, fill_key(i), std::string(500, 'c')));
  }
  const auto data = folder.path() / "data.mdb";
  const auto whole = std::filesystem::file_size(data);
  int reported = 0;
  for (std::uintmax_t size = whole - 4'096; size > 8'192; size = size * 3 / 4) {
    CAPTURE(size);
    const TempFolder copy;
    std::filesystem::copy_file(data, copy.path() / "data.mdb");
    std::filesystem::resize_file(copy.path() / "data.mdb", size);
    for (const bool owner : {false, true}) {
      const auto s = store::open_lmdb({.directory = copy.path(), .owner = owner});
      const auto view = s ? (*s)->snapshot() : fail(s.error());
      const auto entries = view ? (*view)->scan("/fill/") : fail(view.error());
      if (entries) continue;
      ++reported;
      CHECK(entries.error().code == ErrorCode::Internal);
    }
  }
  CHECK(reported > 0);
}

TEST_CASE("options out of range are refused") {
  const TempFolder folder;
  CHECK(store::open_lmdb({.directory = folder.path(), .map_bytes = limits::kStoreMapLeastBytes - 1})
            .error()
            .code == ErrorCode::InvalidArgument);
  CHECK(store::open_lmdb({.directory = folder.path() / "no" / "such"}).error().code ==
        ErrorCode::NotFound);
  std::ofstream(folder.path() / "file") << "text";
  CHECK_FALSE(store::open_lmdb({.directory = folder.path() / "file"}));
}
