#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <set>
#include <thread>

#include "contract.hpp"
#include "lmdb_support.hpp"
#include "store/lmdb_pages.hpp"

using namespace cloudos;
using test::erase_one;
using test::open_owner;
using test::put_one;
using test::TempFolder;
using test::value_of;

namespace {

std::size_t count_threads() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

std::uint64_t newest_txn_in(const std::filesystem::path& folder) {
  return (*store::lmdb::PageFile::open(folder))->newest()->txn;
}

}  // namespace

TEST_CASE("the LMDB store keeps the contract") {
  std::vector<std::unique_ptr<TempFolder>> folders;
  test::check_store_contract([&] {
    folders.push_back(std::make_unique<TempFolder>());
    return open_owner(folders.back()->path());
  });
}

TEST_CASE("records, revisions and the change log outlive the process that wrote them") {
  const TempFolder folder;
  store::Revision first = 0, second = 0;
  {
    const auto s = open_owner(folder.path() / "store");
    first = *put_one(*s, "/a", "one");
    second = *put_one(*s, "/b", std::string(300'000, 'x'));
  }
  const auto s = open_owner(folder.path() / "store");
  const auto view = *s->snapshot();
  CHECK(view->revision() == second);
  CHECK((*view->get("/a"))->value == "one");
  CHECK((*view->get("/a"))->revision == first);
  CHECK((*view->get("/b"))->value == std::string(300'000, 'x'));
  CHECK(s->changes("/", first)->keys == std::vector<std::string>{"/b"});
  CHECK(*put_one(*s, "/c", "") == second + 1);
  CHECK_FALSE(*view->get("/c"));
}

TEST_CASE("a reader behind the LMDB change log is told to scan again") {
  const TempFolder folder;
  const auto s = *store::open_lmdb({.directory = folder.path(), .change_log_entries = 4});
  for (int i = 0; i < 8; ++i) REQUIRE(put_one(*s, "/k/" + std::to_string(i), ""));
  CHECK(s->changes("/", 1)->too_old);
  CHECK_FALSE(s->changes("/", 4)->too_old);
  CHECK(s->changes("/", 4)->keys.size() == 4);
  CHECK(s->changes("/", 9)->too_old);  // Ahead: the folder came back from a backup.
  CHECK_FALSE(s->changes("/", 8)->too_old);
}

TEST_CASE("one commit of the most and longest keys is in the change log, and none of it is lost") {
  const TempFolder folder;
  const auto s = open_owner(folder.path());
  const auto since = *put_one(*s, "/first", "");
  const std::string stem = "/" + std::string(400, 'k');
  REQUIRE(s->transact([&](store::Txn& txn) {
    for (std::size_t i = 0; i < limits::kTxnKeys; ++i)
      txn.put(fmt::format("{}{:04}", stem, i), "v");
    return Result<void>();
  }));
  REQUIRE(put_one(*s, "/last", ""));
  const auto changes = *s->changes("/", since);
  CHECK_FALSE(changes.too_old);
  CHECK(std::set<std::string>(changes.keys.begin(), changes.keys.end()).size() ==
        limits::kTxnKeys + 1);
  // Whole pages of the longest keys, either way, with a marker longer than any key.
  const auto view = *s->snapshot();
  CHECK(view->scan(stem, {.limit = 5'000})->size() == limits::kScanPage);
  const std::string beyond = stem + "0009" + std::string(300, 'z');
  CHECK((*view->scan(stem, {.after = beyond, .limit = 1}))[0].key == stem + "0010");
  CHECK((*view->scan(stem, {.after = beyond, .limit = 1, .reverse = true}))[0].key ==
        stem + "0009");
  CHECK(view->scan(std::string(600, 'k'))->empty());
  CHECK_FALSE(*view->get(std::string(600, 'k')));
}

TEST_CASE("a folder has one owner at a time, also within a process") {
  const TempFolder folder;
  auto s = open_owner(folder.path());
  const auto again = store::open_lmdb({.directory = folder.path()});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::Conflict);
  REQUIRE(put_one(*s, "/a", "still works"));
  // A snapshot keeps the folder owned, as it keeps its pages.
  auto view = *s->snapshot();
  s.reset();
  CHECK(store::open_lmdb({.directory = folder.path()}).error().code == ErrorCode::Conflict);
  CHECK((*view->get("/a"))->value == "still works");
  view.reset();
  CHECK(value_of(*open_owner(folder.path()), "/a") == "still works");
}

TEST_CASE("an idle store commits nothing and starts no thread") {
  const TempFolder folder;
  const auto threads = count_threads();
  auto s = open_owner(folder.path());
  REQUIRE(put_one(*s, "/a", ""));
  CHECK(count_threads() == threads);
  const auto txn = newest_txn_in(folder.path());
  for (int i = 0; i < 3; ++i) {
    s.reset();
    s = open_owner(folder.path());
    CHECK(value_of(*s, "/a").empty());
    CHECK_FALSE(s->transact([](store::Txn&) { return fail(ErrorCode::Conflict, "no"); }));
    CHECK(s->transact([](store::Txn& txn2) {
      CHECK_FALSE(txn2.none("/a"));
      return Result<void>();
    }));
  }
  CHECK(newest_txn_in(folder.path()) == txn);
}

TEST_CASE("the store's files are private, sparse, and not inherited by child programs") {
  const TempFolder folder;
  const auto path = folder.path() / "store";
  const auto s = open_owner(path);
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  for (const char* name : {"data.mdb", "lock.mdb"}) {
    CAPTURE(name);
    REQUIRE(::stat((path / name).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    // The data file may hold room for deletes behind its end, and nothing else.
    const bool has_room = std::string_view(name) == "data.mdb";
    CHECK(status.st_size <= 128 << 10);
    CHECK(status.st_blocks * 512 <=
          (128 << 10) + static_cast<blkcnt_t>(has_room ? limits::kStoreRoomBytes : 0));
  }
  std::size_t found = 0;
  for (int fd = 3; fd < 1024; ++fd) {
    std::error_code none;
    const auto link = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), none);
    if (none || !link.native().starts_with(path.native())) continue;
    ++found;
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK(found >= 3);
}

TEST_CASE("concurrent commits share an fsync, and each body sees those before it") {
  const TempFolder folder;
  const auto s = open_owner(folder.path());
  constexpr int kCallers = 16;
  std::atomic<int> entered{0};
  std::vector<store::Revision> revisions(kCallers);
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      ++entered;
      revisions[static_cast<std::size_t>(i)] = *s->transact([&](store::Txn& txn) {
        // Who leads waits for the others to come; what is only waited for in a test.
        for (int turn = 0; turn < 1'000 || entered < kCallers; ++turn) std::this_thread::yield();
        const auto seen = txn.get("/count");
        txn.put("/count", std::to_string(seen ? std::stoi(std::string(*seen)) + 1 : 1));
        return Result<void>();
      });
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(value_of(*s, "/count") == std::to_string(kCallers));
  const std::set<store::Revision> distinct(revisions.begin(), revisions.end());
  CHECK(distinct.size() < kCallers);
  CHECK(*distinct.rbegin() == distinct.size());
}

TEST_CASE("a body that throws anything leaves no trace and no caller waiting") {
  const TempFolder folder;
  const auto s = open_owner(folder.path());
  CHECK(s->transact([](store::Txn& txn) -> Result<void> {
           txn.put("/x", "");
           throw 42;
         })
            .error()
            .code == ErrorCode::Internal);
  REQUIRE(put_one(*s, "/y", ""));
  CHECK(value_of(*s, "/x") == "(none)");
}

TEST_CASE("snapshots are as many as the store has readers, and slots come back") {
  const TempFolder folder;
  const auto s = *store::open_lmdb({.directory = folder.path()});
  std::vector<std::unique_ptr<store::Snapshot>> held;
  for (;;) {
    auto view = s->snapshot();
    if (!view) {
      CHECK(view.error().code == ErrorCode::Unavailable);
      break;
    }
    held.push_back(std::move(*view));
    REQUIRE(held.size() < 2 * limits::kStoreReaders);
  }
  CHECK(held.size() >= limits::kStoreReaders);
  REQUIRE(put_one(*s, "/a", "written beside all of them"));
  CHECK_FALSE(*held.back()->get("/a"));
  held.clear();
  CHECK(value_of(*s, "/a") == "written beside all of them");
}
