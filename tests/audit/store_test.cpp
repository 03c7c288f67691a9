// The store that tells of what is committed through it.
#include <doctest/doctest.h>

#include "audit/audited_store.hpp"
#include "audit/resources.hpp"
#include "audit/row.hpp"
#include "base/actor.hpp"
#include "base/trace.hpp"
#include "cloudos/context.hpp"
#include "codec/binary.hpp"
#include "records/table.hpp"

using namespace cloudos;

namespace {

/// A record of the kind "flavor", for its fields are few.
struct Thing {
  static constexpr std::string_view kKind = "flavor";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;
  std::uint64_t generation = 0;
  std::string name;
};
void fields(codec::FieldVisitor& v, Thing& t) {
  v.field({1, "id"}, t.id);
  v.field({2, "generation"}, t.generation);
  v.field({3, "name"}, t.name);
}
void keys(records::Keys& k, const Thing& t) {
  k.unique("name", "", t.name);
}

struct Bench {
  ManualClock clock;
  SeededRandom random{3};
  IdSource ids{clock, random};
  std::unique_ptr<store::Store> inner = store::open_memory();
  audit::AuditedStore store{*inner, clock, ids, nullptr};

  std::vector<audit::ChangeRow> rows() {
    std::vector<audit::ChangeRow> rows;
    const auto at = inner->snapshot();
    REQUIRE(at);
    const auto entries = (*at)->scan(records::record_prefix(audit::ChangeRow::kKind));
    REQUIRE(entries);
    for (const auto& entry : *entries) {
      auto row = codec::decode_record<audit::ChangeRow>(entry.value);
      REQUIRE(row);
      rows.push_back(std::move(*row));
    }
    return rows;
  }
  Result<store::Revision> put(const std::string& id, const std::string& name) {
    return store.transact([&](store::Txn& txn) -> Result<void> {
      Thing thing{id, 0, name};
      if (txn.get(records::record_key("flavor", id))) return records::update(txn, thing);
      return records::insert(txn, thing);
    });
  }
};

Context caller_of(const std::string& user, const std::string& project) {
  Context ctx;
  ctx.user = UserId{user};
  ctx.project = ProjectId{project};
  ctx.request_id = "req-1";
  return ctx;
}

}  // namespace

TEST_CASE("a change and its event are one commit") {
  Bench bench;
  const Context ctx = caller_of("u", "p");
  const ActorScope edge(&ctx, "192.0.2.7", "curl/8", "flavor:create", "/flavors");
  REQUIRE(bench.put("f1", "small"));
  const auto rows = bench.rows();
  REQUIRE(rows.size() == 1);
  const auto& row = rows[0];
  CHECK(row.user.value == "u");
  CHECK(row.project.value == "p");
  CHECK(row.address == "192.0.2.7");
  CHECK(row.agent == "curl/8");
  CHECK(row.operation == "flavor:create");
  CHECK(row.path == "/flavors");
  CHECK(row.request_id == "req-1");
  CHECK(row.time == bench.clock.wall());
  REQUIRE(row.targets.size() == 1);
  CHECK(row.targets[0].action == AuditAction::Create);
  CHECK(row.targets[0].id == "f1");
  CHECK(row.targets[0].name == "small");
  const auto at = bench.inner->snapshot();
  REQUIRE(at);
  const auto record = (*at)->get(records::record_key("flavor", "f1"));
  const auto event = (*at)->get(records::record_key(audit::ChangeRow::kKind, row.id));
  REQUIRE(record);
  REQUIRE(event);
  REQUIRE(*record);
  REQUIRE(*event);
  CHECK((*record)->revision == (*event)->revision);
}

TEST_CASE("a change that fails leaves no event, and one that writes nothing makes none") {
  Bench bench;
  const Context ctx = caller_of("u", "p");
  const ActorScope edge(&ctx, "", "", "", "");
  CHECK_FALSE(bench.store.transact([&](store::Txn& txn) -> Result<void> {
    Thing thing{"f1", 0, "small"};
    CLOUDOS_CHECK(records::insert(txn, thing));
    return fail(ErrorCode::Conflict, "no");
  }));
  CHECK(bench.store.transact([](store::Txn& txn) -> Result<void> {
    txn.put("/counter/x", "1");
    return Result<void>();
  }));
  CHECK(bench.store.transact([](store::Txn&) { return Result<void>(); }));
  CHECK(bench.rows().empty());
  CHECK(bench.store.take_written() == 0);
}

TEST_CASE("what a commit makes, changes and erases is told once each") {
  Bench bench;
  const Context ctx = caller_of("u", "p");
  const ActorScope edge(&ctx, "", "", "", "");
  REQUIRE(bench.put("old", "old"));
  REQUIRE(bench.put("gone", "gone"));
  REQUIRE(bench.store.transact([&](store::Txn& txn) -> Result<void> {
    Thing made{"new", 0, "new"};
    CLOUDOS_CHECK(records::insert(txn, made));
    CLOUDOS_CHECK(records::update(txn, made));
    Thing changed{"old", 0, "old2"};
    CLOUDOS_CHECK(records::update(txn, changed));
    CLOUDOS_CHECK(records::erase<Thing>(txn, std::string("gone")));
    Thing brief{"brief", 0, "brief"};
    CLOUDOS_CHECK(records::insert(txn, brief));
    return records::erase<Thing>(txn, std::string("brief"));
  }));
  const auto rows = bench.rows();
  REQUIRE(rows.size() == 3);
  const auto& targets = rows[2].targets;
  REQUIRE(targets.size() == 3);
  CHECK(targets[0].action == AuditAction::Create);
  CHECK(targets[0].name == "new");
  CHECK(targets[1].action == AuditAction::Update);
  CHECK(targets[1].name == "old2");
  CHECK(targets[2].action == AuditAction::Delete);
  CHECK(targets[2].name == "gone");
}

TEST_CASE("who called is what the edge says, else what the call itself says") {
  Bench bench;
  const Context inner = caller_of("inner", "pi");
  struct Row {
    std::string what;
    bool edge, call;
    std::string user;
    std::size_t events;  // Of one creation and one change.
  };
  const Row rows[] = {
      {"an edge, which calls on", true, true, "outer", 2},
      {"an edge alone", true, false, "outer", 2},
      {"the host program's call", false, true, "inner", 2},
      {"our own work: changes of state are not told", false, false, "", 1},
  };
  int number = 0;
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const std::string id = "f" + std::to_string(++number);
    const std::size_t before = bench.rows().size();
    const Context outer = caller_of("outer", "po");
    const ActorScope work(Actor::Kind::Work);
    const auto run = [&] {
      if (row.call) REQUIRE(check_call(inner, bench.clock));
      REQUIRE(bench.put(id, id + "a"));
      REQUIRE(bench.put(id, id + "b"));
    };
    if (row.edge) {
      const ActorScope edge(&outer, "", "", "", "");
      run();
    } else {
      run();
    }
    const auto told = bench.rows();
    REQUIRE(told.size() == before + row.events);
    CHECK(told[before].user.value == row.user);
  }
}

TEST_CASE("what a task makes belongs to the request that the task came from") {
  Bench bench;
  const ActorScope work(Actor::Kind::Work);
  const WorkScope of_request("req-of-old", nullptr);
  REQUIRE(bench.put("f1", "small"));
  REQUIRE(bench.rows().size() == 1);
  CHECK(bench.rows()[0].request_id == "req-of-old");
  CHECK(bench.rows()[0].user.empty());
}

TEST_CASE("a change that is as large as a change may be is told too") {
  Bench bench;
  const Context ctx = caller_of("u", "p");
  const ActorScope edge(&ctx, "", "", "", "");
  const auto written = bench.store.transact([](store::Txn& txn) -> Result<void> {
    for (std::size_t i = 0; i < limits::kTxnKeys; ++i)
      txn.put(records::record_key("flavor", "f" + std::to_string(i)), std::string(1, '\1'));
    return Result<void>();
  });
  REQUIRE(written);
  const auto rows = bench.rows();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].targets.size() == limits::kTxnKeys);
}

TEST_CASE("somebody is called when many events were written") {
  Bench bench;
  int called = 0;
  bench.store.on_many([&] { ++called; });
  for (std::size_t i = 0; i < limits::kAuditSlack + 5; ++i) {
    const std::string id = std::to_string(i);
    REQUIRE(bench.put(id, id));
  }
  CHECK(called == 1);
  CHECK(bench.store.take_written() == limits::kAuditSlack + 5);
}

TEST_CASE("the table of resources is sorted and finds the kind in a key") {
  const auto table = audit::resources();
  for (std::size_t i = 1; i < table.size(); ++i) CHECK(table[i - 1].kind < table[i].kind);
  std::string_view id;
  struct Row {
    std::string key;
    bool found;
    std::string id;
  };
  for (const Row& row : {Row{"/server/abc", true, "abc"}, Row{"/server", false, ""},
                         Row{"/ix/server/project/p/abc", false, ""}, Row{"/ux/server/x", false, ""},
                         Row{"/serverx/abc", false, ""}, Row{"", false, ""},
                         Row{"/quota-limit/p/cores", true, "p/cores"}}) {
    CAPTURE(row.key);
    const auto* const found = audit::resource_of_key(row.key, id);
    CHECK((found != nullptr) == row.found);
    if (found) CHECK(id == row.id);
  }
}
