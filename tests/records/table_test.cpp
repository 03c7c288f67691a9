#include <doctest/doctest.h>

#include "base/text.hpp"
#include "records/table.hpp"

using namespace cloudos;

namespace {
struct Thing {
  static constexpr std::string_view kKind = "thing";
  static constexpr std::uint32_t kSchema = 1;
  std::string id, name, project, colour;
  std::uint64_t generation = 0;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, Thing& t) {
  v.field({1, "id"}, t.id);
  v.field({2, "name"}, t.name);
  v.field({3, "project"}, t.project);
  v.field({4, "colour"}, t.colour);
  v.field({5, "generation"}, t.generation);
  v.unknown(t.unknown);
}
void keys(records::Keys& k, const Thing& t) {
  k.unique("name", t.project, fold_case(t.name));
  k.index("project", t.project);
  if (!t.colour.empty()) k.index("colour", t.colour);
}

struct World {
  std::unique_ptr<store::Store> store = store::open_memory();
  Result<void> add(std::string id, std::string name, std::string project = "p",
                   std::string colour = "") {
    return with([&](store::Txn& txn) {
      Thing thing{id, name, project, colour, 0, {}};
      return records::insert(txn, thing);
    });
  }
  Result<void> with(const store::Body& body) {
    CLOUDOS_CHECK(store->transact(body));
    return Result<void>();
  }
  std::size_t keys_left() {
    return (*store->snapshot())->scan("/")->size();
  }
};
std::string ids(const Result<std::vector<Thing>>& things) {
  if (!things) return "error: " + things.error().message;
  std::string all;
  for (const Thing& thing : *things) all += thing.id;
  return all;
}
}  // namespace

TEST_CASE("unique values are kept across insert, rename and erase, and leave no key behind") {
  World world;
  REQUIRE(world.add("1", "Alpha"));
  const auto taken = world.add("2", "ALPHA");
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == ErrorCode::AlreadyExists);
  CHECK(world.add("2", "alpha", "other-project"));
  CHECK(world.with([](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<Thing>(txn, std::string("1"), [](Thing& t) {
      t.name = "beta";
      return Result<void>();
    }));
    return Result<void>();
  }));
  CHECK(world.add("3", "Alpha"));
  for (const char* id : {"1", "2", "3"}) {
    CHECK(world.with([&](store::Txn& txn) { return records::erase<Thing>(txn, std::string(id)); }));
  }
  CHECK(world.keys_left() == 0);
}

TEST_CASE("each write counts the generation up") {
  World world;
  REQUIRE(world.add("1", "a"));
  Thing last;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(world.with([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(last, records::modify<Thing>(txn, std::string("1"),
                                               [](Thing&) { return Result<void>(); }));
      return Result<void>();
    }));
  }
  CHECK(last.generation == 4);
}

TEST_CASE("lists are filtered, sorted, paged by marker, by index or over all") {
  World world;
  for (int i = 0; i < 9; ++i) {
    REQUIRE(world.add(std::to_string(i), std::string(1, static_cast<char>('z' - i)),
                      i % 2 ? "odd" : "even", i < 3 ? "red" : ""));
  }
  const auto snapshot = *world.store->snapshot();
  records::PageSpec<Thing> spec;
  CHECK(ids(records::page(*snapshot, spec)) == "876543210");
  spec.limit = 3;
  CHECK(ids(records::page(*snapshot, spec)) == "876");
  spec.marker = "6";
  CHECK(ids(records::page(*snapshot, spec)) == "543");
  spec.range = {"project", "odd", false};
  spec.marker = "3";
  CHECK(ids(records::page(*snapshot, spec)) == "57");
  spec.marker = "";
  spec.matches = [](const Thing& t) { return t.id > "1"; };
  CHECK(ids(records::page(*snapshot, spec)) == "357");
  spec.less = [](const Thing& a, const Thing& b) { return a.name < b.name; };
  spec.limit = 2;
  CHECK(ids(records::page(*snapshot, spec)) == "75");
  spec.marker = "5";
  CHECK(ids(records::page(*snapshot, spec)) == "3");
  spec.marker = "nope";
  CHECK(records::page(*snapshot, spec).error().code == ErrorCode::InvalidArgument);
  CHECK(ids(records::all<Thing>(*snapshot, "colour", "red")) == "012");
}

TEST_CASE("records that sort alike stay in the order of their creation, pages or not") {
  World world;
  for (int i = 0; i < 60; ++i)
    REQUIRE(world.add(fmt::format("{:02}", i), std::to_string(i), i % 3 ? "rest" : "third", ""));
  const auto snapshot = *world.store->snapshot();
  records::PageSpec<Thing> spec;
  spec.range.newest_first = false;
  spec.less = [](const Thing& a, const Thing& b) { return a.project < b.project; };
  const auto whole = *records::page(*snapshot, spec);
  REQUIRE(whole.size() == 60);
  for (std::size_t i = 1; i < whole.size(); ++i) {
    CAPTURE(i);
    const Thing &before = whole[i - 1], &after = whole[i];
    CHECK((before.project < after.project ||
           (before.project == after.project && before.id < after.id)));
  }
  spec.marker = whole[10].id;
  spec.limit = 3;
  CHECK(ids(records::page(*snapshot, spec)) == whole[11].id + whole[12].id + whole[13].id);
  CHECK(records::places_in_order(3, nullptr) == std::vector<std::size_t>{0, 1, 2});
}

TEST_CASE("lists longer than a scan page are whole") {
  World world;
  for (int i = 0; i < 2'500; ++i)
    REQUIRE(world.add(fmt::format("{:05}", i), std::to_string(i), "p", "c"));
  const auto snapshot = *world.store->snapshot();
  CHECK(records::all<Thing>(*snapshot)->size() == 2'500);
  CHECK(records::all<Thing>(*snapshot, "colour", "c")->size() == 2'500);
}

TEST_CASE("names of 255 characters of any script are unique by all of their text") {
  World world;
  std::string name;
  for (int i = 0; i < 254; ++i) name += "서";
  REQUIRE(world.add("1", name + "가"));
  CHECK(world.add("2", name + "나"));
  CHECK(world.add("3", name + "가").error().code == ErrorCode::AlreadyExists);
}

TEST_CASE("separators inside values cannot reach into another key") {
  World world;
  REQUIRE(world.add("1", "a/b", "p"));
  CHECK(world.add("2", "b", "p/a"));
  CHECK(records::key_part("a/%\n") == "a%2F%25%0A");
}
