// Logins and refusals: kept for a moment, then written together.
#include "audit/recorder.hpp"

#include <doctest/doctest.h>

#include "base/actor.hpp"
#include "codec/binary.hpp"

using namespace cloudos;

namespace {

/// Counts commits.
class CountingStore final : public store::Store {
 public:
  Result<std::unique_ptr<store::Snapshot>> snapshot() override { return inner_->snapshot(); }
  Result<store::Revision> transact(const store::Body& body) override {
    ++commits;
    if (broken) return fail(ErrorCode::StorageFull, "full");
    return inner_->transact(body);
  }
  std::unique_ptr<store::Watch> watch(std::string prefix, std::function<void()> wake) override {
    return inner_->watch(std::move(prefix), std::move(wake));
  }
  Result<store::Changes> changes(std::string_view prefix, store::Revision since) override {
    return inner_->changes(prefix, since);
  }
  int commits = 0;
  bool broken = false;

 private:
  std::unique_ptr<store::Store> inner_ = store::open_memory();
};

struct Desk {
  ManualClock clock;
  SeededRandom random{3};
  IdSource ids{clock, random};
  CountingStore store;
  Executor executor{clock, 0};
  Metrics metrics;
  audit::Recorder recorder{{store, executor, clock, ids, Log(), &metrics}};

  void login(const std::string& user, bool success = true, const std::string& reason = {}) {
    audit::Attempt attempt;
    attempt.user = user;
    attempt.methods = "password";
    attempt.outcome = success ? AuditOutcome::Success : AuditOutcome::Failure;
    attempt.reason = reason;
    recorder.record(attempt);
  }
  void pass(std::chrono::milliseconds time) {
    clock.advance(time);
    executor.run_pending();
  }
  template <class Kind>
  std::vector<audit::Row> rows() {
    std::vector<audit::Row> rows;
    const auto at = store.snapshot();
    REQUIRE(at);
    const auto entries = (*at)->scan(records::record_prefix(Kind::kKind));
    REQUIRE(entries);
    for (const auto& entry : *entries) {
      auto row = codec::decode_record<audit::Row>(entry.value);
      REQUIRE(row);
      rows.push_back(std::move(*row));
    }
    return rows;
  }
};

}  // namespace

TEST_CASE("logins make no commit of their own; what repeats is one event with a count") {
  Desk desk;
  const auto began = desk.clock.wall();
  {
    const ActorScope edge(nullptr, "192.0.2.1", "curl", "", "/v3/auth/tokens");
    for (int i = 0; i < 1'000; ++i) desk.login("anna");
    desk.login("bert");
  }
  CHECK(desk.store.commits == 0);
  desk.pass(limits::kAuditFlush);
  CHECK(desk.store.commits == 1);
  const auto rows = desk.rows<audit::LoginRow>();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].user.value == "anna");
  CHECK(rows[0].count == 1'000);
  CHECK(rows[0].time == began);
  CHECK(rows[0].address == "192.0.2.1");
  CHECK(rows[0].agent == "curl");
  CHECK(rows[1].user.value == "bert");
  CHECK(rows[1].count == 0);
}

TEST_CASE("repetitions are written together later, and an idle recorder writes nothing") {
  Desk desk;
  desk.login("anna");
  desk.pass(limits::kAuditFlush);
  desk.login("anna");
  desk.login("anna");
  desk.pass(limits::kAuditFlush);
  CHECK(desk.store.commits == 1);
  desk.pass(limits::kAuditRepeat);
  CHECK(desk.store.commits == 2);
  const auto rows = desk.rows<audit::LoginRow>();
  REQUIRE(rows.size() == 2);
  CHECK(rows[1].count == 2);
  for (int i = 0; i < 100; ++i) desk.pass(limits::kAuditRepeat);
  CHECK(desk.store.commits == 2);
  CHECK_FALSE(desk.executor.next_due());
}

TEST_CASE("refusals that all differ stay few, and none goes uncounted") {
  Desk desk;
  constexpr std::size_t kTries = 10'000;
  for (std::size_t i = 0; i < kTries; ++i)
    desk.login("user" + std::to_string(i), false, i % 2 == 0 ? "even" : "odd");
  desk.pass(limits::kAuditFlush);
  CHECK(desk.store.commits == 1);
  const auto rows = desk.rows<audit::FailureRow>();
  CHECK(rows.size() == limits::kAuditPendingFailures + 2);
  std::uint64_t counted = 0;
  std::size_t nameless = 0;
  for (const auto& row : rows) {
    counted += std::max<std::uint64_t>(row.count, 1);
    nameless += row.user.empty();
  }
  CHECK(counted == kTries);
  CHECK(nameless == 2);
  CHECK(desk.rows<audit::LoginRow>().empty());
}

TEST_CASE("a flood of refusals hides no login") {
  Desk desk;
  for (std::size_t i = 0; i < 1'000; ++i) desk.login("user" + std::to_string(i), false);
  desk.login("anna");
  desk.pass(limits::kAuditFlush);
  const auto rows = desk.rows<audit::LoginRow>();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].user.value == "anna");
}

TEST_CASE("what waits is written when asked for, and counted when it cannot be") {
  Desk desk;
  desk.login("anna");
  REQUIRE(desk.recorder.flush());
  CHECK(desk.rows<audit::LoginRow>().size() == 1);
  CHECK(desk.recorder.take_written() == 1);
  desk.store.broken = true;
  desk.login("bert");
  CHECK_FALSE(desk.recorder.flush());
  CHECK(desk.metrics.text().find("cloudos_audit_lost_total 1") != std::string::npos);
  desk.store.broken = false;
  REQUIRE(desk.recorder.flush());
  CHECK(desk.rows<audit::LoginRow>().size() == 1);
}

TEST_CASE("long texts are cut between characters") {
  CHECK(audit::short_text("abc") == "abc");
  const std::string korean = "한글";
  std::string longer;
  while (longer.size() < limits::kAuditTextChars) longer += korean;
  const std::string cut = audit::short_text("x" + longer);
  CHECK(cut.size() <= limits::kAuditTextChars);
  CHECK(cut.size() % 3 == 1);
}
