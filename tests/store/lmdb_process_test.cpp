#include <doctest/doctest.h>
#include <fmt/format.h>
#include <lmdb.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>

#include "base/text.hpp"
#include "guest_support.hpp"

using namespace cloudos;
using test::Child;
using test::open_owner;
using test::put_one;
using test::TempFolder;
using test::value_of;

namespace {

constexpr int kChildWriters = 4;
constexpr int kReports = 3;  // The descriptor a child writes its lines to.

void report(const std::string& text) {
  const std::string row = text + "\n";
  if (::write(kReports, row.data(), row.size()) != static_cast<ssize_t>(row.size())) ::_exit(3);
}

/// Commits for ever, from several threads so that commits are shared; reports each durable one.
/// A commit of writer w writes its count and two records that must be there together.
int commit_until_killed(const std::filesystem::path& folder) {
  auto opened = store::open_lmdb({.directory = folder, .change_log_entries = 200});
  if (!opened) return 1;
  store::Store& s = **opened;
  std::vector<std::thread> writers;
  for (int w = 0; w < kChildWriters; ++w) {
    writers.emplace_back([&s, w] {
      for (;;) {
        int count = 0;
        const auto done = s.transact([&](store::Txn& txn) {
          const auto seen = txn.get(fmt::format("/count/{}", w));
          count = seen ? std::atoi(std::string(*seen).c_str()) + 1 : 1;
          txn.put(fmt::format("/count/{}", w), std::to_string(count));
          txn.put(fmt::format("/left/{}/{:08}", w, count), std::string(100, 'l'));
          txn.put(fmt::format("/right/{}/{:08}", w, count), std::string(3'000, 'r'));
          if (count > 20) txn.erase(fmt::format("/right/{}/{:08}", w, count - 20));
          return Result<void>();
        });
        if (!done) ::_exit(2);
        report(fmt::format("{} {} {}", w, count, *done));
      }
    });
  }
  for (auto& writer : writers) writer.join();
  return 0;
}

/// Takes a guest's snapshot, is stopped with it, and reads on when it is continued.
int read_stopped(const std::filesystem::path& folder) {
  const auto guest = store::open_lmdb({.directory = folder, .owner = false});
  if (!guest) return 1;
  const auto view = (*guest)->snapshot();
  if (!view || !(*view)->get("/a")) return 2;
  report("holding");
  ::raise(SIGSTOP);
  const auto late = (*view)->get("/a");
  if (late || late.error().code != ErrorCode::Stale) return 4;
  report(value_of(**guest, "/a"));
  return 0;
}

/// Holds a reader slot of LMDB's own, as its tools do, until killed.
int hold_reader(const std::filesystem::path& folder) {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  if (mdb_env_create(&env) || mdb_env_open(env, folder.c_str(), MDB_RDONLY, 0) ||
      mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn))
    return 1;
  report("holding");
  for (;;) ::pause();
}

int own(const std::filesystem::path& folder) {
  const auto opened = store::open_lmdb({.directory = folder});
  report(opened ? "owner" : opened.error().message);
  for (;;) ::pause();
}

std::uintmax_t data_bytes(const TempFolder& folder) {
  return std::filesystem::file_size(folder.path() / "data.mdb");
}

/// Rewrites one record many times: grows the file only as far as pages are pinned.
void rewrite(store::Store& s, int times) {
  for (int i = 0; i < times; ++i)
    REQUIRE(put_one(s, "/a", std::to_string(i) + std::string(20'000, 'a')));
}

/// What the child reported as durable is there, and each commit is there as a whole.
void check_survived(store::Store& s, const std::map<int, int>& reported, store::Revision newest) {
  const auto view = *s.snapshot();
  CHECK(view->revision() >= newest);
  for (int w = 0; w < kChildWriters; ++w) {
    CAPTURE(w);
    const auto entry = *view->get(fmt::format("/count/{}", w));
    const int count = entry ? std::atoi(entry->value.c_str()) : 0;
    const auto claimed = reported.find(w);
    if (claimed != reported.end()) CHECK(count >= claimed->second);
    for (int i = std::max(1, count - 30); i <= count + 1; ++i) {
      const auto left = *view->get(fmt::format("/left/{}/{:08}", w, i));
      const auto right = *view->get(fmt::format("/right/{}/{:08}", w, i));
      CHECK(left.has_value() == (i <= count));
      CHECK(right.has_value() == (i <= count && i > count - 20));
    }
  }
  const auto changes =
      *s.changes("/count/", view->revision() - std::min<store::Revision>(view->revision(), 1));
  CHECK_FALSE(changes.too_old);
  CHECK(changes.keys.empty() == (view->revision() == 0));
}

}  // namespace

TEST_CASE("a child of the store tests" * doctest::skip()) {
  const char* job = std::getenv("CLOUDOS_STORE_CHILD");
  if (!job) return;
  const auto parts = split(job, ':');
  const std::filesystem::path folder{std::string(parts.at(1))};
  const std::map<std::string_view, int (*)(const std::filesystem::path&)> roles = {
      {"commit", commit_until_killed},
      {"stopped", read_stopped},
      {"reader", hold_reader},
      {"own", own},
      {"serve", test::serve},
      {"echo", test::echo},
      {"pin", test::hold_pin},
      {"count", test::count_as_guest}};
  ::_exit(roles.at(parts.at(0))(folder));
}

TEST_CASE("kill -9 at any instant loses no reported commit and leaves none half done") {
  const TempFolder folder;
  std::mt19937 random(std::random_device{}());
  std::map<int, int> reported;
  store::Revision newest = 0;
  for (int round = 0; round < 12; ++round) {
    Child child("commit", folder.path());
    const int until = static_cast<int>(random() % 120);
    for (int i = 0; i <= until; ++i) {
      const std::string line = child.line();
      REQUIRE_FALSE(line.empty());
      if (i == until) child.signal(SIGKILL);  // In the midst of the next commits.
      int w = 0, count = 0;
      unsigned long revision = 0;
      REQUIRE(std::sscanf(line.c_str(), "%d %d %lu", &w, &count, &revision) == 3);
      reported[w] = std::max(reported[w], count);
      newest = std::max<store::Revision>(newest, revision);
    }
    // What it still reported before it died is durable too; the last line may be cut off.
    for (std::string line = child.line(); !line.empty(); line = child.line()) {
      int w = 0, count = 0;
      unsigned long revision = 0;
      if (std::sscanf(line.c_str(), "%d %d %lu", &w, &count, &revision) != 3) break;
      reported[w] = std::max(reported[w], count);
      newest = std::max<store::Revision>(newest, revision);
    }
    CHECK(child.wait_ended() == -SIGKILL);
    const auto s = open_owner(folder.path());
    check_survived(*s, reported, newest);
  }
}

TEST_CASE("a stopped guest with an open snapshot neither blocks commits nor pins pages") {
  const TempFolder folder;
  const auto s = open_owner(folder.path());
  rewrite(*s, 20);
  Child child("stopped", folder.path());
  REQUIRE(child.line() == "holding");
  REQUIRE(child.wait_stopped());
  const auto before = data_bytes(folder);
  rewrite(*s, 300);
  CHECK(data_bytes(folder) <= before + 100'000);  // Pinned, it would have grown by six million.
  REQUIRE(put_one(*s, "/a", "newest"));
  child.signal(SIGCONT);
  CHECK(child.line() == "newest");
  CHECK(child.wait_ended() == 0);
}

TEST_CASE("a killed reader of LMDB's own kind pins pages only until the next check") {
  const TempFolder folder;
  const auto s =
      *store::open_lmdb({.directory = folder.path(), .reader_check = std::chrono::milliseconds{0}});
  rewrite(*s, 20);
  Child child("reader", folder.path());
  REQUIRE(child.line() == "holding");
  const auto before = data_bytes(folder);
  rewrite(*s, 50);
  const auto pinned = data_bytes(folder);
  CHECK(pinned >= before + 500'000);
  child.signal(SIGKILL);
  CHECK(child.wait_ended() == -SIGKILL);
  rewrite(*s, 300);
  CHECK(data_bytes(folder) <= pinned + 100'000);
}

TEST_CASE("a second process is refused while the first lives, and admitted once it is killed") {
  const TempFolder folder;
  Child first("own", folder.path());
  REQUIRE(first.line() == "owner");
  CHECK(store::open_lmdb({.directory = folder.path()}).error().code == ErrorCode::Conflict);
  {
    Child second("own", folder.path());
    CHECK(second.line().find("in use by another owner") != std::string::npos);
  }
  first.signal(SIGSTOP);
  REQUIRE(first.wait_stopped());
  CHECK(store::open_lmdb({.directory = folder.path()}).error().code == ErrorCode::Conflict);
  first.signal(SIGKILL);
  CHECK(first.wait_ended() == -SIGKILL);
  const auto s = open_owner(folder.path());
  CHECK(put_one(*s, "/a", ""));
}
