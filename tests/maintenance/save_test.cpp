#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>
#include <thread>

#include "cloudos/maintenance.hpp"
#include "maintenance/folder.hpp"
#include "records/migration.hpp"
#include "support.hpp"

using namespace cloudos;
using test::cloud_options;
using test::open_cloud;
using test::WorkFolder;

TEST_CASE("the store is saved before a one-way step, whole, and the newest few are kept") {
  const WorkFolder work;
  std::size_t networks = 0;
  {
    const auto cloud = open_cloud(cloud_options(work / "a"));
    test::fill(*cloud);
    networks = cloud->networks().networks(Context::system())->size();
  }
  for (int i = 0; i < 5; ++i) {
    REQUIRE(maintenance::save_store(work / "a", fmt::format("port-{}", i)));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // Told apart by their times.
  }
  std::set<std::string> kept;
  for (const auto& entry : std::filesystem::directory_iterator(work / "a/backups"))
    kept.insert(entry.path().filename());
  CHECK(kept == std::set<std::string>{"before-port-2", "before-port-3", "before-port-4"});
  // One that is there is not made again: the start that saved it got no further.
  const auto made = std::filesystem::last_write_time(work / "a/backups/before-port-3/data.mdb");
  REQUIRE(maintenance::save_store(work / "a", "port-3"));
  CHECK(std::filesystem::last_write_time(work / "a/backups/before-port-3/data.mdb") == made);

  // Going back: the saved store in place of the folder's own.
  std::filesystem::remove_all(work / "a/store");
  std::filesystem::copy(work / "a/backups/before-port-4", work / "a/store");
  CHECK(maintenance::check({work / "a", true})->sound());
  const auto cloud = open_cloud(cloud_options(work / "a"));
  CHECK(cloud->networks().networks(Context::system())->size() == networks);
}
