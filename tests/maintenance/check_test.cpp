#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "base/text.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/maintenance.hpp"
#include "cloudos/tasks.hpp"
#include "maintenance/kinds.hpp"
#include "support.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using test::boot;
using test::cloud_options;
using test::open_cloud;
using test::WorkFolder;

namespace {

/// The first key under a prefix.
std::string first_key(store::Store& s, std::string_view prefix) {
  const auto entries = *(*s.snapshot())->scan(prefix, {.limit = 1});
  REQUIRE_FALSE(entries.empty());
  return entries.front().key;
}

std::string value_at(store::Store& s, const std::string& key) {
  return (*(*s.snapshot())->get(key))->value;
}

void write(store::Store& s, const std::string& key, const std::optional<std::string>& value) {
  REQUIRE(s.transact([&](store::Txn& txn) {
    if (value)
      txn.put(key, *value);
    else
      txn.erase(key);
    return Result<void>();
  }));
}

std::string listing(const std::vector<std::string>& lines) {
  std::string all;
  for (const auto& line : lines) all += line + "\n";
  return all;
}

}  // namespace

TEST_CASE("a cloud that worked is sound, while it serves and after") {
  const WorkFolder work;
  auto cloud = open_cloud(cloud_options(work / "a"));
  const auto small = test::fill(*cloud);
  for (int i = 0; i < 3; ++i) boot(*cloud, small, fmt::format("s{}", i));
  const auto all = cloud->servers().list(small.tenant);
  const auto removed = cloud->servers().remove(small.tenant, all->front().id);
  REQUIRE(removed);
  for (const bool live : {true, false}) {
    CAPTURE(live);
    if (!live) cloud.reset();
    const auto report = maintenance::check({work / "a", true});
    REQUIRE(report);
    CHECK_MESSAGE(report->sound(), listing(report->problems));
    CHECK_MESSAGE(report->notes.empty(), listing(report->notes));
    CHECK(report->records > 30);
    CHECK(report->keys > report->records);
    CHECK(report->payloads == 1);
  }
}

TEST_CASE("check finds each kind of damage, and says what it is") {
  const WorkFolder work;
  {
    const auto cloud = open_cloud(cloud_options(work / "a"));
    const auto small = test::fill(*cloud);
    boot(*cloud, small, "s");
  }
  struct Row {
    std::string what;
    std::function<void(store::Store&, const std::filesystem::path&)> harm;
    std::string finding;
  };
  const auto erase_first = [](const char* prefix) {
    return [prefix](store::Store& s, const auto&) { write(s, first_key(s, prefix), std::nullopt); };
  };
  const Row rows[] = {
      {"a record that is none", [](auto& s, auto&) { write(s, first_key(s, "/port/"), "\xff"); },
       "cannot be read"},
      {"a record of a newer schema",
       [](auto& s, auto&) {
         const auto key = first_key(s, "/network/");
         write(s, key, "\x09" + value_at(s, key).substr(1));
       },
       "newer version"},
      {"a record under another's key",
       [](auto& s, auto&) { write(s, "/image/other", value_at(s, first_key(s, "/image/"))); },
       "the record is that of"},
      {"an index entry that is missing", erase_first("/ix/port/network/"), "lists do not find it"},
      {"an index entry too many",
       [](auto& s, auto&) { write(s, "/ix/port/network/none/none", ""); }, "is not there"},
      {"an index entry of another value",
       [](auto& s, auto&) {
         const auto id = first_key(s, "/server/").substr(8);
         write(s, "/ix/server/project/none/" + id, "");
       },
       "does not have it"},
      {"a unique value that is free", erase_first("/ux/port/mac/"), "is not held"},
      {"a unique value of another",
       [](auto& s, auto&) { write(s, first_key(s, "/ux/port/mac/"), "another"); },
       "is held by 'another'"},
      {"a unique value of nobody",
       [](auto& s, auto&) { write(s, "/ux/user/name/default/none", "none"); }, "is not there"},
      {"a reference to nothing", erase_first("/subnet/"), "which is not there"},
      {"a counter that is off", [](auto& s, auto&) { write(s, first_key(s, "/quota-use/"), "77"); },
       "77"},
      {"a claim without a server", erase_first("/server/"), "claims room on host"},
      {"a server without a claim", erase_first("/allocation/"), "claims room on ''"},
      {"an address that is free", erase_first("/ip-chunk/"), "has a port, but is free"},
      {"a tunnel's number that nobody has",
       [](auto& s, auto&) { write(s, "/segment/vxlan/7", "nobody"); }, "is taken by no network"},
      {"data that nobody recorded", erase_first("/image-payload/"),
       "the image's data is not there"},
      {"a payload that is gone",
       [](auto&, auto& folder) { std::filesystem::remove_all(folder / "images"); },
       "its data is not there"},
      {"a payload that is cut off",
       [](auto&, auto& folder) {
         for (const auto& e : std::filesystem::directory_iterator(folder / "images"))
           std::filesystem::resize_file(e.path(), 9);
       },
       "has 9 bytes"},
      {"a payload that was changed",
       [](auto&, auto& folder) {
         for (const auto& e : std::filesystem::directory_iterator(folder / "images"))
           std::ofstream(e.path()) << std::string(100'000, 'o');
       },
       "is not what was uploaded"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto copy = work / "copy";
    std::filesystem::copy(work / "a", copy, std::filesystem::copy_options::recursive);
    {
      const auto s = *store::open_lmdb({.directory = copy / "store"});
      row.harm(*s, copy);
    }
    const auto report = maintenance::check({copy, true});
    REQUIRE(report);
    CHECK_FALSE(report->sound());
    CHECK_MESSAGE(listing(report->problems).find(row.finding) != std::string::npos,
                  listing(report->problems));
    std::filesystem::remove_all(copy);
  }
}

TEST_CASE("keys and files of others are noted, and are no problem") {
  const WorkFolder work;
  { const auto cloud = open_cloud(cloud_options(work / "a")); }
  {
    const auto s = *store::open_lmdb({.directory = work / "a/store"});
    write(*s, "/my-driver/x", "");
  }
  std::filesystem::create_directories(work / "a/images");
  std::ofstream(work / "a/images/spare") << "x";
  const auto report = maintenance::check({work / "a", false});
  REQUIRE(report);
  CHECK(report->sound());
  CHECK(report->notes.size() == 2);
}

TEST_CASE("findings are bounded, and the rest is counted") {
  const WorkFolder work;
  { const auto cloud = open_cloud(cloud_options(work / "a")); }
  {
    const auto s = *store::open_lmdb({.directory = work / "a/store"});
    REQUIRE(s->transact([](store::Txn& txn) {
      for (std::size_t i = 0; i < limits::kCheckFindings + 100; ++i)
        txn.put(fmt::format("/ix/port/network/none/{}", i), "");
      return Result<void>();
    }));
  }
  const auto report = maintenance::check({work / "a", false});
  REQUIRE(report);
  CHECK(report->problems.size() == limits::kCheckFindings);
  CHECK(report->more == 100);
}

TEST_CASE("compact gives room back, loses nothing, and needs the folder for itself") {
  const WorkFolder work;
  auto cloud = open_cloud(cloud_options(work / "a"));
  CHECK(maintenance::compact(work / "a").error().code == ErrorCode::Conflict);
  cloud.reset();
  {
    const auto s = *store::open_lmdb({.directory = work / "a/store"});
    for (int i = 0; i < 40; ++i)
      write(*s, fmt::format("/my-driver/{}", i), std::string(200'000, 'x'));
    for (int i = 0; i < 40; ++i) write(*s, fmt::format("/my-driver/{}", i), std::nullopt);
  }
  // A guest that was there before finds the new file.
  const auto guest = *store::open_lmdb({.directory = work / "a/store", .owner = false});
  const auto before = *maintenance::stat(work / "a");
  const auto compacted = maintenance::compact(work / "a");
  REQUIRE(compacted);
  CHECK(compacted->bytes_before > 4'000'000);
  CHECK(compacted->bytes_after < 1'000'000);
  const auto after = *maintenance::stat(work / "a");
  CHECK(after.revision == before.revision);
  CHECK(after.kinds.size() == before.kinds.size());
  for (const auto& [kind, numbers] : before.kinds) {
    CAPTURE_BOUND(kind);
    CHECK(after.kinds.at(kind).keys == numbers.keys);
    CHECK(after.kinds.at(kind).bytes == numbers.bytes);
  }
  CHECK(after.file_bytes < before.file_bytes);
  cloud = open_cloud(cloud_options(work / "a"));
  test::fill(*cloud);
  CHECK_FALSE((*guest->snapshot())->scan("/network/")->empty());
  CHECK(maintenance::check({work / "a", false})->sound());
}

TEST_CASE("stat counts what there is, beside the cloud that serves") {
  const WorkFolder work;
  const auto cloud = open_cloud(cloud_options(work / "a"));
  const auto small = test::fill(*cloud);
  boot(*cloud, small, "s");
  const auto numbers = maintenance::stat(work / "a");
  REQUIRE(numbers);
  CHECK(numbers->kinds.at("server").keys == 1);
  CHECK(numbers->kinds.at("ix/server").keys == 1);
  CHECK(numbers->kinds.at("image").keys == 1);
  CHECK(numbers->kinds.at("user").bytes > 50);
  CHECK(numbers->process == ::getpid());
  CHECK(numbers->guests >= 1);
  CHECK(numbers->used_bytes + numbers->free_bytes == numbers->file_bytes);
  CHECK(numbers->map_bytes == limits::kStoreMapBytes);
  CHECK(numbers->log_commits > 5);
  CHECK(maintenance::stat(work / "none").error().code == ErrorCode::NotFound);
}

TEST_CASE("the table of kinds is sorted by nothing but has each kind once, of a known prefix") {
  std::set<std::string> names;
  for (const auto& kind : maintenance::all_kinds()) {
    CAPTURE(kind.name);
    CHECK(names.insert(std::string(kind.name)).second);
    CHECK(kind.schema >= 1);
  }
  for (const auto other : maintenance::other_keys()) CHECK(names.insert(std::string(other)).second);
}

TEST_CASE("a folder of a newer program is refused before anything changes") {
  const WorkFolder work;
  { const auto cloud = open_cloud(cloud_options(work / "a")); }
  store::Revision before = 0;
  {
    const auto s = *store::open_lmdb({.directory = work / "a/store"});
    write(*s, "/schema/port", "2");
    before = (*s->snapshot())->revision();
  }
  const auto refused = Cloud::open(cloud_options(work / "a"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::Unsupported);
  CHECK(refused.error().message.find("newer version") != std::string::npos);
  const auto s = *store::open_lmdb({.directory = work / "a/store"});
  CHECK((*s->snapshot())->revision() == before);
}
