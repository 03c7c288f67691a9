// Guests that write through the process that owns the store.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "contract.hpp"
#include "guest_support.hpp"

using namespace cloudos;
using test::Child;
using test::open_writing_guest;
using test::put_one;
using test::ServedFolder;
using test::ServingOwner;
using test::value_of;
using Clock_ = std::chrono::steady_clock;

namespace {

/// A guest with an owner of its own, in another process.
class GuestOfChild final : public store::Store {
 public:
  GuestOfChild() : owner_("serve", folder_.store()) {
    REQUIRE(owner_.line() == "serving");
    guest_ = open_writing_guest(folder_);
  }
  Result<std::unique_ptr<store::Snapshot>> snapshot() override { return guest_->snapshot(); }
  Result<store::Revision> transact(const store::Body& body) override {
    return guest_->transact(body);
  }
  std::unique_ptr<store::Watch> watch(std::string prefix, std::function<void()> wake) override {
    return guest_->watch(std::move(prefix), std::move(wake));
  }
  Result<store::Changes> changes(std::string_view prefix, store::Revision since) override {
    return guest_->changes(prefix, since);
  }

 private:
  ServedFolder folder_;
  Child owner_;
  std::unique_ptr<store::Store> guest_;
};

Result<store::Revision> add_one(store::Store& s, const std::string& mark) {
  return s.transact([&](store::Txn& txn) {
    const auto seen = txn.get("/count");
    txn.put("/count", std::to_string(seen ? std::stoi(std::string(*seen)) + 1 : 1));
    txn.put("/op/" + mark, "");
    return Result<void>();
  });
}

std::uintmax_t data_size(const ServedFolder& folder) {
  return std::filesystem::file_size(folder.store() / "data.mdb");
}

void rewrite_a(store::Store& s, int times) {
  for (int i = 0; i < times; ++i)
    REQUIRE(put_one(s, "/a", std::to_string(i) + std::string(20'000, 'a')));
}

}  // namespace

TEST_CASE("a guest that writes through an owner in another process keeps the store's contract") {
  test::check_store_contract([] { return std::make_unique<GuestOfChild>(); });
}

TEST_CASE("what either process commits is in the other's next snapshot, and wakes its watches") {
  const ServedFolder folder;
  Child owner("echo", folder.store());
  REQUIRE(owner.line() == "serving");
  const auto guest = open_writing_guest(folder);
  std::mutex mutex;
  std::condition_variable told;
  int rings = 0;
  const auto watch = guest->watch("/answer", [&] {
    const std::lock_guard lock(mutex);
    ++rings;
    told.notify_all();
  });
  std::vector<double> milliseconds;
  for (int i = 0; i < 300; ++i) {
    const std::string wanted = std::to_string(i);
    const auto begun = Clock_::now();
    REQUIRE(put_one(*guest, "/ask", wanted));
    CHECK(value_of(*guest, "/ask") == wanted);
    // There and back: our commit wakes the owner, whose commit wakes us.
    std::unique_lock lock(mutex);
    while (value_of(*guest, "/answer") != wanted) {
      const int seen = rings;
      REQUIRE(told.wait_for(lock, std::chrono::seconds(5), [&] { return rings != seen; }));
    }
    milliseconds.push_back(
        std::chrono::duration<double, std::milli>(Clock_::now() - begun).count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto at = [&](double share) {
    return milliseconds[static_cast<std::size_t>(share * double(milliseconds.size() - 1))];
  };
  MESSAGE(
      fmt::format("guest -> owner -> guest, two commits: median {:.2f} ms, p99 {:.2f}, "
                  "longest {:.2f}",
                  at(0.5), at(0.99), at(1)));
  // Two durable commits and two wake-ups; the rest is for the disk of a busy machine.
  CHECK(at(0.9) < 200);
}

TEST_CASE("guests in several processes and the owner count together without losing one") {
  const ServedFolder folder;
  ServingOwner owner(folder);
  Child first("count", folder.store()), second("count", folder.store());
  for (int i = 0; i < 100; ++i) REQUIRE(add_one(*owner.store, fmt::format("owner/{}", i)));
  CHECK(first.line() == "counted");
  CHECK(second.line() == "counted");
  CHECK(value_of(*owner.store, "/count") == "300");
  CHECK(owner.service->numbers().commits == 200);
}

TEST_CASE("kill -9 of the owner: what the guest was told is true, and nothing is made twice") {
  const ServedFolder folder;
  auto owner = std::make_unique<Child>("serve", folder.store());
  REQUIRE(owner->line() == "serving");
  const auto guest = open_writing_guest(folder);
  std::mt19937 random(std::random_device{}());
  int made = 0, refused = 0;
  for (int round = 0; round < 8; ++round) {
    std::thread killer([&, after = random() % 30'000] {
      std::this_thread::sleep_for(std::chrono::microseconds(after));
      owner->signal(SIGKILL);
    });
    for (int i = 0;; ++i) {
      const std::string mark = fmt::format("{}/{}", round, i);
      const auto done = add_one(*guest, mark);
      CHECK((value_of(*guest, "/op/" + mark) != "(none)") == done.has_value());
      made += done.has_value();
      if (done) continue;
      CAPTURE(done.error().message);
      CHECK(done.error().code == ErrorCode::Unavailable);
      ++refused;
      break;
    }
    killer.join();
    CHECK(owner->wait_ended() == -SIGKILL);
    CHECK(value_of(*guest, "/count") == (made == 0 ? "(none)" : std::to_string(made)));
    owner = std::make_unique<Child>("serve", folder.store());
    REQUIRE(owner->line() == "serving");
  }
  CHECK(refused == 8);
  // The guest finds the new owner by itself.
  CHECK(add_one(*guest, "last"));
}

TEST_CASE("a pinned snapshot of a guest reads on, however much is committed meanwhile") {
  const ServedFolder folder;
  ServingOwner owner(folder);
  const auto guest = open_writing_guest(folder);
  for (int i = 0; i < 300; ++i)
    REQUIRE(put_one(*owner.store, fmt::format("/k/{:03}", i), std::string(200, 'a')));
  const auto view = *guest->snapshot();
  for (int i = 0; i < 300; ++i)
    REQUIRE(put_one(*owner.store, fmt::format("/k/{:03}", i), std::string(200, 'b')));
  const auto entries = view->scan("/k/");
  REQUIRE(entries);
  CHECK(entries->size() == 300);
  for (const auto& entry : *entries) CHECK(entry.value == std::string(200, 'a'));
  // Two at a time: each its own state.
  const auto later = *guest->snapshot();
  REQUIRE(put_one(*owner.store, "/k/000", "c"));
  REQUIRE(put_one(*owner.store, "/k/000", "d"));
  CHECK((*later->get("/k/000"))->value == std::string(200, 'b'));
  CHECK((*view->get("/k/000"))->value == std::string(200, 'a'));
}

TEST_CASE("a guest's pin ends when it is killed, and with its lease when it is stopped") {
  const ServedFolder folder;
  ServingOwner owner(folder, {.pin_lease = std::chrono::milliseconds(300)});
  rewrite_a(*owner.store, 20);
  for (const int signal : {SIGKILL, SIGSTOP}) {
    CAPTURE(signal);
    Child child("pin", folder.store());
    REQUIRE(child.line() == "holding");
    if (signal == SIGSTOP) {
      child.signal(SIGSTOP);
      REQUIRE(child.wait_stopped());
    }
    const auto before = data_size(folder);
    const auto pinned_until = Clock_::now() + std::chrono::milliseconds(300);
    rewrite_a(*owner.store, 15);
    if (signal == SIGKILL) {
      child.signal(SIGKILL);
      CHECK(child.wait_ended() == -SIGKILL);
      while (owner.service->numbers().connections > 0) std::this_thread::yield();
    }
    while (signal == SIGSTOP && Clock_::now() < pinned_until)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const auto grown = data_size(folder);
    CHECK(grown <= before + 15 * 50'000);
    rewrite_a(*owner.store, 300);
    CHECK(data_size(folder) <= grown + 200'000);  // Pinned, it would have grown by six million.
  }
}

TEST_CASE("a guest's snapshot whose lease is over, or whose owner is another, says Stale") {
  const ServedFolder folder;
  constexpr std::chrono::milliseconds kLease{100};
  auto owner =
      std::make_unique<ServingOwner>(folder, store::LmdbOptions{.pin_lease = kLease});
  REQUIRE(put_one(*owner->store, "/a", "1"));
  const auto guest = open_writing_guest(folder);
  {
    const auto view = *guest->snapshot();
    std::this_thread::sleep_until(Clock_::now() + kLease);  // Over by then, as nobody reads.
    for (int i = 0; i < 4; ++i) REQUIRE(put_one(*owner->store, "/a", "2"));
    CHECK(view->get("/a").error().code == ErrorCode::Stale);
    CHECK(value_of(*guest, "/a") == "2");
  }
  owner.reset();
  owner = std::make_unique<ServingOwner>(folder);
  {
    const auto view = *guest->snapshot();
    owner->end();
    CHECK((*view->get("/a"))->value == "2");
    const auto next = test::open_owner(folder.store());
    for (int i = 0; i < 4; ++i) REQUIRE(put_one(*next, "/a", "3"));
    CHECK(view->get("/a").error().code == ErrorCode::Stale);
    CHECK(value_of(*guest, "/a") == "3");
    // Its writes say what is wrong, and that nothing was done.
    const auto refused = put_one(*guest, "/b", "");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::Unavailable);
    CHECK(value_of(*guest, "/b") == "(none)");
  }
}

TEST_CASE("a guest's watch calls without a serving owner too, by looking") {
  const ServedFolder folder;
  const auto owner = test::open_owner(folder.store());
  const auto guest = open_writing_guest(folder);
  std::atomic<int> rings{0}, others{0};
  const auto watch = guest->watch("/w/", [&] { ++rings; });
  const auto other = guest->watch("/x/", [&] { ++others; });
  REQUIRE(put_one(*owner, "/w/1", ""));
  for (int i = 0; i < 500 && rings == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(rings > 0);
  CHECK(others == 0);
}

TEST_CASE("the limits of a change hold in a guest, and marks of guests do not count") {
  const ServedFolder folder;
  ServingOwner owner(folder);
  const auto guest = open_writing_guest(folder);
  const auto many = guest->transact([](store::Txn& txn) {
    for (std::size_t i = 0; i <= limits::kGuestScriptSteps; ++i)
      (void)txn.get("/r/" + std::to_string(i));
    txn.put("/r", "");
    return Result<void>();
  });
  REQUIRE_FALSE(many);
  CHECK(many.error().code == ErrorCode::TooLarge);
  // A mark for the guest, and one alone however much it commits.
  for (int i = 0; i < 20; ++i) REQUIRE(put_one(*guest, "/m", std::to_string(i)));
  CHECK((*owner.store->snapshot())->scan("/guest-commit/")->size() == 1);
}
