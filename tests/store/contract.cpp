#include "contract.hpp"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include <doctest/doctest.h>

using namespace cloudos;
using store::Txn;

namespace {

Result<store::Revision> put(store::Store& s, const std::string& key, const std::string& value) {
  return s.transact([&](Txn& txn) {
    txn.put(key, value);
    return Result<void>();
  });
}

std::string scan_text(const store::Snapshot& snapshot, std::string_view prefix,
                      const store::ScanOptions& options = {}) {
  std::string all;
  const auto entries = snapshot.scan(prefix, options);
  for (const auto& entry : *entries) all += entry.key + "=" + entry.value + " ";
  return all;
}

void check_reads(store::Store& s) {
  CHECK_FALSE(*(*s.snapshot())->get("/a/1"));
  const auto first = put(s, "/a/1", "one");
  REQUIRE(first);
  const auto old = *s.snapshot();
  CHECK(*put(s, "/a/1", "uno") > *first);
  CHECK((*old->get("/a/1"))->value == "one");
  CHECK((*old->get("/a/1"))->revision == *first);
  const auto now = *s.snapshot();
  CHECK((*now->get("/a/1"))->value == "uno");
  CHECK(now->revision() > old->revision());
  REQUIRE(put(s, "/a/2", ""));
  CHECK((*(*s.snapshot())->get("/a/2"))->value.empty());
}

void check_scans(store::Store& s) {
  for (const char* key : {"/s/a", "/s/b", "/s/c", "/s/d", "/sa", "/t/a", "/r/z"})
    REQUIRE(put(s, key, key + 1));
  const auto view = *s.snapshot();
  CHECK(scan_text(*view, "/s/") == "/s/a=s/a /s/b=s/b /s/c=s/c /s/d=s/d ");
  CHECK(scan_text(*view, "/s/", {"/s/b", 1, false, true}) == "/s/c= ");
  CHECK(scan_text(*view, "/s/", {"", 2, true, false}) == "/s/d=s/d /s/c=s/c ");
  CHECK(scan_text(*view, "/s/", {"/s/c", 9, true, false}) == "/s/b=s/b /s/a=s/a ");
  CHECK(scan_text(*view, "/s/", {"/s/bb", 9, true, true}) == "/s/b= /s/a= ");
  CHECK(scan_text(*view, "/s/", {"/a", 1, false, true}) == "/s/a= ");
  CHECK(scan_text(*view, "/s/", {"/z", 9, false, true}).empty());
  CHECK(scan_text(*view, "/nothing/").empty());
}

void check_transactions(store::Store& s) {
  REQUIRE(put(s, "/x/1", "v"));
  const auto before = (*s.snapshot())->revision();
  // Own writes are seen; an error, an exception or a limit leaves no trace.
  const auto failed = s.transact([](Txn& txn) -> Result<void> {
    CHECK(txn.get("/x/1") == "v");
    txn.erase("/x/1");
    CHECK_FALSE(txn.get("/x/1"));
    CHECK(txn.none("/x/"));
    txn.put("/x/2", "w");
    CHECK_FALSE(txn.none("/x/"));
    CHECK(txn.get("/x/2") == "w");
    return fail(ErrorCode::Conflict, "no");
  });
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::Conflict);
  CHECK(s.transact([](Txn& txn) -> Result<void> {
           txn.put("/x/3", "w");
           throw std::runtime_error("boom");
         }).error().code == ErrorCode::Internal);
  CHECK(s.transact([](Txn& txn) {
           txn.put(std::string(limits::kKeyBytes + 1, 'k'), "");
           return Result<void>();
         }).error().code == ErrorCode::TooLarge);
  CHECK(s.transact([](Txn& txn) {
           for (std::size_t i = 0; i <= limits::kTxnKeys; ++i) txn.put("/x/" + std::to_string(i), "");
           return Result<void>();
         }).error().code == ErrorCode::TooLarge);
  CHECK(s.transact([](Txn& txn) {
           txn.put("/x/big", std::string(limits::kTxnBytes + 1, 'v'));
           return Result<void>();
         }).error().code == ErrorCode::TooLarge);
  CHECK((*s.snapshot())->revision() == before);
  // A body that writes nothing commits nothing.
  CHECK(*s.transact([](Txn&) { return Result<void>(); }) == before);
  // The limits themselves are allowed.
  CHECK(s.transact([](Txn& txn) {
    const std::string longest = "/y/" + std::string(limits::kKeyBytes - 3, 'k');
    txn.put(longest, std::string(300'000, 'v'));
    for (std::size_t i = 1; i < limits::kTxnKeys; ++i) txn.put("/y/" + std::to_string(i), "");
    return Result<void>();
  }));
  CHECK_FALSE((*s.snapshot())->scan("/y/")->empty());
}

void check_none(store::Store& s) {
  REQUIRE(put(s, "/n/1", ""));
  REQUIRE(put(s, "/n/2", ""));
  CHECK(s.transact([](Txn& txn) {
    CHECK_FALSE(txn.none("/n/"));
    CHECK_FALSE(txn.none("/n/2"));
    CHECK(txn.none("/n/3"));
    txn.erase("/n/1");
    CHECK_FALSE(txn.none("/n/"));
    txn.erase("/n/2");
    CHECK(txn.none("/n/"));
    return Result<void>();
  }));
}

void check_changes(store::Store& s) {
  const auto since = (*s.snapshot())->revision();
  REQUIRE(put(s, "/c/1", "a"));
  REQUIRE(put(s, "/c/1", "b"));
  REQUIRE(put(s, "/d/1", "b"));
  auto changes = *s.changes("/c/", since);
  CHECK(changes.keys == std::vector<std::string>{"/c/1"});
  CHECK_FALSE(changes.too_old);
  CHECK(s.changes("/c/", changes.until)->keys.empty());
  std::atomic<int> woken{0};
  {
    const auto watch = s.watch("/c/", [&] { ++woken; });
    REQUIRE(put(s, "/c/2", "a"));
    for (int i = 0; i < 500 && woken == 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // A hint may come late.
    CHECK(woken > 0);
  }
}

void check_concurrency(store::Store& s) {
  constexpr int kThreads = 8, kRounds = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&s, t] {
      for (int i = 0; i < kRounds; ++i) {
        const auto done = s.transact([&](Txn& txn) -> Result<void> {
          const auto seen = txn.get("/count");
          const int count = seen ? std::stoi(std::string(*seen)) : 0;
          if (t == 0 && i % 5 == 0) return fail(ErrorCode::Conflict, "leaves no trace");
          txn.put("/count", std::to_string(count + 1));
          txn.put("/by/" + std::to_string(t) + "/" + std::to_string(i), "");
          return Result<void>();
        });
        if (done.has_value() == (t == 0 && i % 5 == 0)) std::abort();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto view = *s.snapshot();
  CHECK((*view->get("/count"))->value == std::to_string(kThreads * kRounds - kRounds / 5));
  CHECK(view->scan("/by/")->size() == kThreads * kRounds - kRounds / 5);
}

}  // namespace

void test::check_store_contract(const OpenStore& open) {
  auto run = [&](const char* what, void (*check)(store::Store&)) {
    CAPTURE(what);
    const auto s = open();
    REQUIRE(s);
    check(*s);
  };
  run("reads", check_reads);
  run("scans", check_scans);
  run("transactions", check_transactions);
  run("none", check_none);
  run("changes", check_changes);
  run("concurrency", check_concurrency);
}
