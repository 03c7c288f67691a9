#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include "base/text.hpp"
#include "cloudos/hosts.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/maintenance.hpp"
#include "cloudos/tasks.hpp"
#include "maintenance/manifest.hpp"
#include "support.hpp"

using namespace cloudos;
using maintenance::BackupOptions;
using maintenance::Payloads;
using test::boot;
using test::cloud_options;
using test::open_cloud;
using test::WorkFolder;

namespace {

unsigned mode_of(const std::filesystem::path& path) {
  struct stat file {};
  REQUIRE(::stat(path.c_str(), &file) == 0);
  return file.st_mode & 0777;
}

maintenance::CheckReport sound(const std::filesystem::path& folder, bool read_payloads = false) {
  const auto report = maintenance::check({folder, read_payloads});
  REQUIRE(report);
  for (const auto& problem : report->problems) FAIL_CHECK(problem);
  for (const auto& note : report->notes) FAIL_CHECK(note);
  return *report;
}

void spoil(const std::filesystem::path& file, std::streamoff at) {
  ::chmod(file.c_str(), 0600);
  std::fstream io(file, std::ios::in | std::ios::out | std::ios::binary);
  io.seekp(at);
  io.put('X');
}

void settle(Cloud& cloud, const test::Small& small, const ServerId& server) {
  const auto now = cloud.servers().get(small.tenant, server);
  REQUIRE(now);
  CHECK(cloud.tasks().wait(now->task, std::chrono::seconds(20)));
}

}  // namespace

TEST_CASE("a backup of a serving cloud restores elsewhere, with everything of one moment") {
  const WorkFolder work;
  auto cloud = open_cloud(cloud_options(work / "a"));
  const auto small = test::fill(*cloud);
  const ServerId kept = boot(*cloud, small, "kept");
  // Others go on all the while.
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    for (int i = 0; !stop; ++i) {
      NetworkCreate network;
      network.name = fmt::format("n{}", i);
      const auto made = cloud->networks().create_network(small.tenant, network);
      if (made) (void)cloud->networks().delete_network(small.tenant, made->id).has_value();
    }
  });
  const auto made = maintenance::backup({work / "a", work / "b", Payloads::Copy});
  stop = true;
  busy.join();
  const std::string why = made ? "" : made.error().message + " " + made.error().detail;
  INFO(why);
  REQUIRE(made);
  CHECK(made->payloads == 1);
  CHECK(made->payload_bytes == 100'000);
  CHECK(made->server_disks == 1);
  CHECK(made->gone.empty());
  CHECK(mode_of(work / "b") == 0700);
  for (const auto& entry : std::filesystem::directory_iterator(work / "b/keys")) {
    CHECK(mode_of(entry.path()) == 0600);
  }
  // What came after it is not in it.
  const ServerId later = boot(*cloud, small, "later");
  const std::string old_id = test::read_text(work / "a/folder-id");
  cloud.reset();
  std::filesystem::remove_all(work / "a");

  const auto back = maintenance::restore({work / "b", work / "elsewhere/c"});
  CHECK(back.error().code == ErrorCode::NotFound);  // The folder's parent must be there.
  std::filesystem::create_directory(work / "elsewhere");
  const auto restored = maintenance::restore({work / "b", work / "elsewhere/c"});
  REQUIRE(restored);
  CHECK(restored->revision == made->revision);
  CHECK(restored->missing.empty());
  CHECK(sound(work / "elsewhere/c", true).payloads == 1);
  cloud = open_cloud(cloud_options(work / "elsewhere/c"));
  CHECK(test::read_text(work / "elsewhere/c/folder-id") != old_id);
  CHECK(cloud->servers().get(small.tenant, kept));
  CHECK(cloud->servers().get(small.tenant, later).error().code == ErrorCode::NotFound);
  boot(*cloud, small, "anew");
}

TEST_CASE("payloads are linked or listed instead, and what was deleted meanwhile is told") {
  const WorkFolder work;
  auto cloud = open_cloud(cloud_options(work / "a"));
  const auto small = test::fill(*cloud);
  const auto second = test::upload(*cloud, small.tenant, "second", "data of the second");
  const std::string payload = "images/" + second.value;
  const auto linked = maintenance::backup({work / "a", work / "l", Payloads::Link});
  REQUIRE(linked);
  CHECK(std::filesystem::hard_link_count(work / "l" / payload) == 2);
  // Deleting the image leaves the backup's link.
  REQUIRE(cloud->images().remove(small.tenant, second));
  CHECK(test::read_text(work / "l" / payload) == "data of the second");
  REQUIRE(maintenance::restore({work / "l", work / "from-links"}));
  sound(work / "from-links", true);

  const auto listed = maintenance::backup({work / "a", work / "n", Payloads::List});
  REQUIRE(listed);
  CHECK_FALSE(std::filesystem::exists(work / "n/images"));
  const auto manifest = *maintenance::parse_manifest(test::read_text(work / "n/manifest"));
  const auto entry = std::find_if(manifest.entries.begin(), manifest.entries.end(), [](auto& e) {
    return e.kind == maintenance::ManifestEntry::Kind::Listed;
  });
  REQUIRE(entry != manifest.entries.end());
  CHECK(entry->size == 100'000);
  CHECK(entry->checksum.starts_with("sha512:"));
  const auto restored = maintenance::restore({work / "n", work / "from-list"});
  REQUIRE(restored);
  CHECK(restored->missing == std::vector<std::string>{"images/" + small.image.value});
  const auto checked = maintenance::check({work / "from-list", false});
  REQUIRE(checked);
  REQUIRE(checked->problems.size() == 1);
  CHECK(checked->problems[0].find("its data is not there") != std::string::npos);

  // A payload that is gone when its turn comes.
  cloud.reset();
  std::filesystem::remove(work / "a/images" / small.image.value);
  const auto gone = maintenance::backup({work / "a", work / "g", Payloads::Copy});
  REQUIRE(gone);
  CHECK(gone->gone == std::vector<std::string>{small.image.value});
  CHECK(maintenance::restore({work / "g", work / "from-gone"})->missing.size() == 1);
}

TEST_CASE("what is no whole backup is refused, and nothing appears") {
  const WorkFolder work;
  {
    const auto cloud = open_cloud(cloud_options(work / "a"));
    test::fill(*cloud);
  }
  REQUIRE(maintenance::backup({work / "a", work / "b", Payloads::Copy}));
  std::string payload, key;
  for (const auto& e : std::filesystem::directory_iterator(work / "b/images")) payload = e.path();
  for (const auto& e : std::filesystem::directory_iterator(work / "b/keys")) key = e.path();
  struct Row {
    std::string what;
    std::function<void(const std::filesystem::path&)> harm;
    ErrorCode code;
  };
  const auto inner = [&](const std::filesystem::path& copy, const std::string& file) {
    return copy / std::filesystem::path(file).lexically_relative(work / "b");
  };
  const Row rows[] = {
      {"no manifest", [](auto& b) { std::filesystem::remove(b / "manifest"); },
       ErrorCode::InvalidArgument},
      {"a cut-off manifest", [](auto& b) { std::filesystem::resize_file(b / "manifest", 200); },
       ErrorCode::InvalidArgument},
      {"a changed manifest", [](auto& b) { spoil(b / "manifest", 40); },
       ErrorCode::InvalidArgument},
      {"a changed store", [](auto& b) { spoil(b / "store/data.mdb", 9'000); }, ErrorCode::Internal},
      {"a cut-off store",
       [](auto& b) { std::filesystem::resize_file(b / "store/data.mdb", 4'096); },
       ErrorCode::Internal},
      {"a changed payload", [&](auto& b) { spoil(inner(b, payload), 5); }, ErrorCode::Internal},
      {"a missing key", [&](auto& b) { std::filesystem::remove(inner(b, key)); },
       ErrorCode::Internal},
      {"a newer backup",
       [](auto& b) { std::ofstream(b / "manifest") << "cloudos-backup 2\nend sha256:00\n"; },
       ErrorCode::Unsupported},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto copy = work / "copy";
    std::filesystem::copy(work / "b", copy, std::filesystem::copy_options::recursive);
    row.harm(copy);
    const auto refused = maintenance::restore({copy, work / "r"});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == row.code);
    CHECK_FALSE(std::filesystem::exists(work / "r"));
    CHECK_FALSE(std::filesystem::exists(work / "r.restoring"));
    std::filesystem::remove_all(copy);
  }
  std::filesystem::create_directory(work / "full");
  std::ofstream(work / "full/file") << "x";
  CHECK(maintenance::restore({work / "b", work / "full"}).error().code == ErrorCode::Conflict);
  CHECK(maintenance::backup({work / "a", work / "full", Payloads::Copy}).error().code ==
        ErrorCode::Conflict);
  CHECK(maintenance::backup({work / "full", work / "x", Payloads::Copy}).error().code ==
        ErrorCode::NotFound);
  std::filesystem::create_directory(work / "empty");
  CHECK(maintenance::restore({work / "b", work / "empty", true}));
  CHECK(test::read_text(work / "empty/folder-id") == test::read_text(work / "a/folder-id"));
}

TEST_CASE("no path of a manifest leads out of the folder") {
  maintenance::Manifest manifest;
  for (const char* path : {"../x", "/etc/x", "a/../../x", "a//b", "."}) {
    CAPTURE(path);
    manifest.entries = {{maintenance::ManifestEntry::Kind::File, 0600, 1, "sha256:00", path}};
    CHECK_FALSE(maintenance::parse_manifest(maintenance::write_manifest(manifest)));
  }
}

TEST_CASE("a folder that moved to another path and host goes on, and names neither") {
  const WorkFolder work;
  Options options = cloud_options(work / "before-the-move");
  options.host_names = {"old-machine"};
  auto cloud = open_cloud(options);
  const auto small = test::fill(*cloud);
  const ServerId server = boot(*cloud, small, "mover");
  REQUIRE(cloud->servers().stop(small.tenant, server));
  settle(*cloud, small, server);
  cloud.reset();
  {
    const auto raw = *store::open_lmdb({.directory = work / "before-the-move/store"});
    const auto snapshot = *raw->snapshot();
    store::ScanOptions scan;
    for (;;) {
      const auto entries = *snapshot->scan("", scan);
      for (const auto& entry : entries) {
        CAPTURE(entry.key);
        CHECK(entry.value.find("before-the-move") == std::string::npos);
      }
      if (entries.size() < limits::kScanPage) break;
      scan.after = entries.back().key;
    }
  }
  std::filesystem::rename(work / "before-the-move", work / "after");
  // The machine has another name now; nobody tells.
  cloud = open_cloud(cloud_options(work / "after"));
  const auto hosts = cloud->hosts().list(Context::system());
  REQUIRE(hosts);
  REQUIRE(hosts->size() == 1);
  CHECK(hosts->front().name == "old-machine");
  REQUIRE(cloud->servers().start(small.tenant, server));
  settle(*cloud, small, server);
  CHECK(cloud->servers().get(small.tenant, server)->status() == "ACTIVE");
  boot(*cloud, small, "another");
  cloud.reset();
  sound(work / "after");
}

TEST_CASE("data in further stores is listed with its store, looked at where it is named, and told") {
  const WorkFolder work;
  Options options = cloud_options(work / "a");
  options.image_stores.folders["fast"].folder = work / "fast";
  auto cloud = open_cloud(options);
  const auto small = test::fill(*cloud);
  REQUIRE(cloud->images().stores().copy(small.tenant, small.image, {"fast"}));
  for (int i = 0; i < 400; ++i) {
    if (cloud->images().get(small.tenant, small.image)->locations.size() == 2) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  REQUIRE(cloud->images().get(small.tenant, small.image)->locations.size() == 2);
  const std::string name = "fast/" + small.image.value;
  BackupOptions backup{work / "a", work / "b", Payloads::Copy, {{"fast", work / "fast"}}};
  const auto made = maintenance::backup(backup);
  REQUIRE(made);
  CHECK(made->elsewhere == std::vector<std::string>{name});
  CHECK(made->gone.empty());
  const auto manifest = maintenance::parse_manifest(test::read_text(work / "b" / "manifest"));
  REQUIRE(manifest);
  const auto entry = std::find_if(manifest->entries.begin(), manifest->entries.end(),
                                  [&](const auto& each) { return each.path == name; });
  REQUIRE(entry != manifest->entries.end());
  CHECK(entry->kind == maintenance::ManifestEntry::Kind::Elsewhere);
  CHECK(entry->checksum.starts_with("sha512:"));
  maintenance::RestoreOptions restore;
  restore.backup = work / "b";
  restore.folder = work / "c";
  const auto restored = maintenance::restore(restore);
  REQUIRE(restored);
  CHECK(restored->elsewhere == std::vector<std::string>{name});
  CHECK(restored->missing.empty());

  maintenance::CheckOptions look{work / "a", true, {}};
  auto report = maintenance::check(look);
  REQUIRE(report);
  CHECK(report->sound());
  REQUIRE(report->notes.size() == 1);
  CHECK(report->notes[0].find("'fast'") != std::string::npos);
  look.stores["fast"] = work / "fast";
  report = maintenance::check(look);
  REQUIRE(report);
  CHECK(report->sound());
  CHECK(report->notes.empty());
  spoil(work / "fast" / small.image.value, 0);
  report = maintenance::check(look);
  REQUIRE(report->problems.size() == 1);
  CHECK(report->problems[0].find("in store 'fast'") != std::string::npos);
  std::filesystem::remove(work / "fast" / small.image.value);
  CHECK(maintenance::check(look)->problems.size() == 1);
  backup.target = work / "d";
  CHECK(maintenance::backup(backup)->gone == std::vector<std::string>{name});
}
