#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "records/kept_rows.hpp"

using namespace cloudos;

namespace {

struct Shown {
  std::string id, colour;
};
struct Leaf : Shown {
  static constexpr std::string_view kKind = "leaf";
  static constexpr std::uint32_t kSchema = 1;
  std::uint64_t generation = 0;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, Leaf& l) {
  v.field({1, "id"}, l.id);
  v.field({2, "colour"}, l.colour);
  v.field({3, "generation"}, l.generation);
  v.unknown(l.unknown);
}
void keys(records::Keys& k, const Leaf& l) {
  k.index("colour", l.colour);
}

struct LeafFolder {
  std::filesystem::path path;
  LeafFolder() {
    std::string text = std::filesystem::temp_directory_path() / "cloudos-rows-XXXXXX";
    REQUIRE(::mkdtemp(text.data()));
    path = text;
  }
  ~LeafFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

Result<void> put_leaf(store::Store& store, std::string id, std::string colour) {
  CLOUDOS_CHECK(store.transact([&](store::Txn& txn) -> Result<void> {
    if (txn.get(records::record_key(Leaf::kKind, id))) {
      CLOUDOS_CHECK(records::modify<Leaf>(txn, id, [&](Leaf& leaf) {
        leaf.colour = colour;
        return Result<void>();
      }));
      return Result<void>();
    }
    Leaf leaf;
    leaf.id = id;
    leaf.colour = colour;
    return records::insert(txn, leaf);
  }));
  return Result<void>();
}

/// Counts how often a row is told.
struct Teller {
  std::atomic<int> told{0};
  RowFormat<Shown> format(std::string key) {
    return {std::move(key), [this](std::string& out, const Shown& leaf) {
              ++told;
              out += leaf.id + ":" + leaf.colour;
            }};
  }
};

std::string shown(const Result<RowTexts>& texts) {
  if (!texts) return "error: " + texts.error().message;
  return fmt::format("{}|{}|{}|{}", texts->text, texts->count, texts->last,
                     texts->more ? "more" : "all");
}

}  // namespace

TEST_CASE("a kept row is told once, and again when its record has changed") {
  const auto store = store::open_memory();
  REQUIRE(put_leaf(*store, "1", "red"));
  REQUIRE(put_leaf(*store, "2", "blue"));
  records::KeptRows<Leaf> rows;
  Teller teller;
  const auto list = [&](std::string key = "k") {
    return shown(rows.page(**store->snapshot(), records::PageSpec<Leaf>(), teller.format(key)));
  };
  CHECK(list() == "2:blue,1:red|2|1|all");
  CHECK(list() == "2:blue,1:red|2|1|all");
  CHECK(teller.told == 2);
  REQUIRE(put_leaf(*store, "1", "green"));
  CHECK(list() == "2:blue,1:green|2|1|all");
  CHECK(teller.told == 3);
  CHECK(list("another format") == "2:blue,1:green|2|1|all");
  CHECK(teller.told == 5);
  CHECK(list("") == "2:blue,1:green|2|1|all");
  CHECK(list("") == "2:blue,1:green|2|1|all");
  CHECK(teller.told == 9);
  REQUIRE(store->transact([](store::Txn& txn) {
    return records::erase<Leaf>(txn, std::string("2"));
  }));
  CHECK(list() == "1:green|1|1|all");
  REQUIRE(put_leaf(*store, "2", "white"));  // The same id again is another record.
  CHECK(list() == "2:white,1:green|2|1|all");
}

TEST_CASE("kept rows give the pages that rows told anew give") {
  const auto store = store::open_memory();
  const char* const colours[] = {"red", "blue", "green"};
  for (int i = 0; i < 200; ++i)
    REQUIRE(put_leaf(*store, fmt::format("{:03}", i), colours[i % 3]));
  struct Row {
    std::string what;
    records::PageSpec<Leaf> spec;
  };
  const auto by_colour = [](const Leaf& a, const Leaf& b) { return a.colour < b.colour; };
  const auto no_red = [](const Leaf& leaf) { return leaf.colour != "red"; };
  const Row table[] = {
      {"all", {}},
      {"oldest first", {{"", "", false}, {}, {}, "", SIZE_MAX}},
      {"a page", {{}, {}, {}, "", 70}},
      {"the page behind", {{}, {}, {}, "130", 70}},
      {"the last page", {{}, {}, {}, "070", 70}},
      {"exactly all", {{}, {}, {}, "", 200}},
      {"nothing", {{}, {}, {}, "", 0}},
      {"behind the last", {{}, {}, {}, "000", 10}},
      {"an unknown marker", {{}, {}, {}, "zzz", 10}},
      {"of an index", {{"colour", "blue", true}, {}, {}, "", 10}},
      {"of an index, behind", {{"colour", "blue", true}, {}, {}, "100", 10}},
      {"some", {{}, no_red, {}, "", 10}},
      {"sorted", {{}, {}, by_colour, "", 90}},
      {"sorted, behind", {{}, {}, by_colour, "100", 90}},
      {"sorted, some of an index", {{"colour", "green", true}, no_red, by_colour, "", 5}},
  };
  records::KeptRows<Leaf> rows;
  Teller teller;
  for (const Row& row : table) {
    CAPTURE(row.what);
    const auto at = store->snapshot();
    const std::string anew = shown(rows.page(**at, row.spec, teller.format("")));
    CHECK(shown(rows.page(**at, row.spec, teller.format("k"))) == anew);
    CHECK(shown(rows.page(**at, row.spec, teller.format("k"))) == anew);
    const auto found = records::page(**at, row.spec);
    if (found) CHECK(anew.find(fmt::format("|{}|", found->size())) != std::string::npos);
    else CHECK(anew == "error: " + found.error().message);
  }
}

TEST_CASE("what is kept of rows is bounded") {
  const auto store = store::open_memory();
  records::KeptRows<Leaf> rows;
  const std::size_t big = 8 << 20;
  const RowFormat<Shown> format{"k", [&](std::string& out, const Shown&) { out.append(big, 'x'); }};
  for (int i = 0; i < 6; ++i) {
    REQUIRE(put_leaf(*store, fmt::format("{}", i), "red"));
    records::PageSpec<Leaf> one;
    one.limit = 1;
    REQUIRE(rows.page(**store->snapshot(), one, format));
    CHECK(rows.bytes() <= limits::kRowTextBytes);
  }
  CHECK(rows.bytes() > big);
  // A page that is too large alone is told and not kept.
  const std::size_t before = rows.bytes();
  REQUIRE(put_leaf(*store, "6", "red"));
  const auto all = rows.page(**store->snapshot(), records::PageSpec<Leaf>(),
                             RowFormat<Shown>{"other", format.write});
  REQUIRE(all);
  CHECK(all->text.size() == 7 * big + 6);
  CHECK(rows.bytes() == before);
}

TEST_CASE("a change by another process shows in the very next list") {
  const LeafFolder folder;
  auto owner = store::open_lmdb({.directory = folder.path, .map_bytes = 64 << 20});
  REQUIRE(owner);
  REQUIRE(put_leaf(**owner, "1", "red"));
  auto guest = store::open_lmdb({.directory = folder.path, .owner = false});
  REQUIRE(guest);
  records::KeptRows<Leaf> rows;
  Teller teller;
  for (const char* colour : {"blue", "blue", "green"}) {
    REQUIRE(put_leaf(**owner, "1", colour));
    const auto at = (*guest)->snapshot();
    REQUIRE(at);
    CHECK(shown(rows.page(**at, records::PageSpec<Leaf>(), teller.format("k"))) ==
          fmt::format("1:{}|1|1|all", colour));
  }
}

TEST_CASE("a list sees each change that was committed before it began, whoever lists meanwhile") {
  const auto store = store::open_memory();
  for (int i = 0; i < 50; ++i) REQUIRE(put_leaf(*store, fmt::format("{:02}", i), "0"));
  records::KeptRows<Leaf> rows;
  Teller teller;
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0};
  std::thread other([&] {
    while (!over) {
      const auto texts =
          rows.page(**store->snapshot(), records::PageSpec<Leaf>(), teller.format("k"));
      if (!texts || texts->count != 50) ++wrong;
    }
  });
  for (int i = 1; i <= 300; ++i) {
    const std::string id = fmt::format("{:02}", i % 50);
    if (!put_leaf(*store, id, fmt::format("{}", i))) ++wrong;
    const auto texts =
        rows.page(**store->snapshot(), records::PageSpec<Leaf>(), teller.format("k"));
    if (!texts || texts->text.find(fmt::format("{}:{}", id, i)) == std::string::npos) ++wrong;
  }
  over = true;
  other.join();
  CHECK(wrong == 0);
}
