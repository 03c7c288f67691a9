#include <doctest/doctest.h>

#include "contract.hpp"

using namespace cloudos;

TEST_CASE("the memory store keeps the contract") {
  test::check_store_contract([] { return store::open_memory(); });
}

TEST_CASE("a reader behind the change log is told to scan again") {
  const auto s = store::open_memory({.change_log_entries = 4});
  for (int i = 0; i < 8; ++i) {
    REQUIRE(s->transact([&](store::Txn& txn) {
      txn.put("/k/" + std::to_string(i), "");
      return Result<void>();
    }));
  }
  CHECK(s->changes("/", 1)->too_old);
  CHECK_FALSE(s->changes("/", 4)->too_old);
  CHECK(s->changes("/", 4)->keys.size() == 4);
}

TEST_CASE("replan is bounded") {
  int rounds = 0;
  const auto result = store::replan([&]() -> Result<void> {
    ++rounds;
    return fail(ErrorCode::Stale, "changed");
  });
  CHECK(result.error().code == ErrorCode::Unavailable);
  CHECK(rounds == static_cast<int>(limits::kReplanRounds));
}
