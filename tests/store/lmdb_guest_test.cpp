#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "lmdb_support.hpp"

using namespace cloudos;
using test::open_owner;
using test::put_one;
using test::TempFolder;

namespace {

std::unique_ptr<store::Store> open_as_guest(const std::filesystem::path& folder) {
  auto guest = store::open_lmdb({.directory = folder, .owner = false});
  if (!guest) FAIL(guest.error().message, " ", guest.error().detail);
  return std::move(*guest);
}

std::string listing(const store::Snapshot& view, std::string_view prefix,
                    const store::ScanOptions& options) {
  std::string all;
  const auto entries = view.scan(prefix, options);
  if (!entries) return entries.error().message;
  for (const auto& e : *entries) all += fmt::format("{}={}@{}\n", e.key, e.value, e.revision);
  return all;
}

/// Random writes and erasures in many commits: branch pages, overflow pages, freed pages.
void fill_at_random(store::Store& s, std::mt19937& random, int commits) {
  for (int c = 0; c < commits; ++c) {
    REQUIRE(s.transact([&](store::Txn& txn) {
      for (int i = 0; i < 40; ++i) {
        const auto key =
            fmt::format("/r/{:03x}/{}", random() % 4096, std::string(random() % 90, 'k'));
        const std::size_t size = random() % 50 == 0 ? random() % 20'000 : random() % 200;
        if (random() % 4 == 0)
          txn.erase(key);
        else
          txn.put(key, std::string(size, static_cast<char>('a' + random() % 26)));
      }
      return Result<void>();
    }));
  }
}

}  // namespace

TEST_CASE("a guest reads what the owner reads") {
  const TempFolder folder;
  const auto owner = open_owner(folder.path());
  const auto guest = open_as_guest(folder.path());
  CHECK((*guest->snapshot())->revision() == 0);
  CHECK((*guest->snapshot())->scan("")->empty());
  std::mt19937 random(7);
  for (int round = 0; round < 5; ++round) {
    fill_at_random(*owner, random, 20);
    const auto theirs = *guest->snapshot();
    const auto ours = *owner->snapshot();
    CHECK(theirs->revision() == ours->revision());
    for (int probe = 0; probe < 60; ++probe) {
      const auto prefix =
          random() % 3 == 0 ? std::string("/r/") : fmt::format("/r/{:x}", random() % 16);
      store::ScanOptions options{.limit = 1 + random() % 300,
                                 .reverse = random() % 2 == 0,
                                 .keys_only = random() % 2 == 0};
      if (random() % 2 == 0) options.after = fmt::format("/r/{:03x}", random() % 4096);
      CAPTURE(prefix);
      CAPTURE(options.after);
      CAPTURE(options.reverse);
      CHECK(listing(*theirs, prefix, options) == listing(*ours, prefix, options));
      const auto key = fmt::format("/r/{:03x}/", random() % 4096);
      CHECK((*theirs->get(key)).has_value() == (*ours->get(key)).has_value());
    }
    const auto since = ours->revision() - 7;
    auto mine = guest->changes("/r/", since)->keys, yours = owner->changes("/r/", since)->keys;
    std::sort(mine.begin(), mine.end());
    std::sort(yours.begin(), yours.end());
    CHECK(mine == yours);
  }
}

TEST_CASE("a guest's snapshot says Stale when the owner moved on, and a new one reads") {
  const TempFolder folder;
  const auto owner = open_owner(folder.path());
  const auto guest = open_as_guest(folder.path());
  REQUIRE(put_one(*owner, "/a", "1"));
  const auto view = *guest->snapshot();
  REQUIRE(put_one(*owner, "/a", "2"));
  CHECK((*view->get("/a"))->value == "1");
  REQUIRE(put_one(*owner, "/a", "3"));
  CHECK(view->get("/a").error().code == ErrorCode::Stale);
  CHECK(view->scan("/").error().code == ErrorCode::Stale);
  CHECK(test::value_of(*guest, "/a") == "3");
}

TEST_CASE("a guest beside a busy owner sees whole commits or Stale, never a mixture") {
  const TempFolder folder;
  const auto owner = open_owner(folder.path());
  const auto write = [&](int value) {
    return owner->transact([&](store::Txn& txn) {
      for (int i = 0; i < 40; ++i)
        txn.put(fmt::format("/pair/{}", i), std::to_string(value) + std::string(300, '.'));
      return Result<void>();
    });
  };
  REQUIRE(write(0));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int value = 1; !stop; ++value)
      if (!write(value)) std::abort();
  });
  const auto guest = open_as_guest(folder.path());
  int whole = 0, stale = 0;
  while (whole < 50 && stale < 100'000) {
    const auto view = guest->snapshot();
    const auto entries = view ? (*view)->scan("/pair/") : fail(view.error());
    if (!entries) {
      // A guest that gave up after its bounded reruns says Unavailable.
      const auto code = entries.error().code;
      CHECK((code == ErrorCode::Stale || code == ErrorCode::Unavailable));
      ++stale;
      continue;
    }
    ++whole;
    REQUIRE(entries->size() == 40);
    for (const auto& entry : *entries) CHECK(entry.value == entries->front().value);
  }
  stop = true;
  writer.join();
  CHECK(whole == 50);
}

TEST_CASE("a guest changes nothing and needs a store to be there") {
  const TempFolder folder;
  CHECK(store::open_lmdb({.directory = folder.path(), .owner = false}).error().code ==
        ErrorCode::NotFound);
  const auto owner = open_owner(folder.path());
  const auto guest = open_as_guest(folder.path());
  const auto refused = put_one(*guest, "/a", "");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::Unavailable);
  CHECK(test::value_of(*owner, "/a") == "(none)");
  const auto watch = guest->watch("/", [] { FAIL("guests are not called"); });
  REQUIRE(put_one(*owner, "/a", ""));
}
