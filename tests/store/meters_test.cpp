#include <doctest/doctest.h>

#include "cloudos/metrics.hpp"
#include "cloudos/store.hpp"
#include "lmdb_support.hpp"

using namespace cloudos;

TEST_CASE("an LMDB store counts its commits and tells of its map and open snapshots") {
  const cloudos::test::TempFolder folder;
  auto metrics = std::make_shared<Metrics>();
  store::LmdbOptions options;
  options.directory = folder.path() / "store";
  options.map_bytes = 64 << 20;
  options.metrics = metrics;
  auto opened = store::open_lmdb(options);
  REQUIRE(opened);
  const auto put = [&](const char* key) {
    REQUIRE((*opened)->transact([&](store::Txn& txn) -> Result<void> {
      txn.put(key, "12345");
      return Result<void>();
    }));
  };
  const auto has = [&](const std::string& line) {
    CAPTURE(line);
    CHECK(metrics->text().find(line + "\n") != std::string::npos);
  };
  const Histogram& commits =
      metrics->histogram("cloudos_store_commit_seconds", "", Buckets::seconds());
  const auto before = commits.read().count;
  put("a");
  put("b");
  REQUIRE((*opened)->transact([](store::Txn&) { return Result<void>(); }));  // Writes nothing.
  CHECK(commits.read().count == before + 2);
  has("cloudos_store_snapshots 0");
  has("cloudos_store_oldest_snapshot_commits 0");
  {
    const auto snapshot = (*opened)->snapshot();
    REQUIRE(snapshot);
    put("c");
    put("d");
    has("cloudos_store_snapshots 1");
    has("cloudos_store_oldest_snapshot_commits 2");
  }
  has("cloudos_store_snapshots 0");
  has("cloudos_store_map_bytes 67108864");
  has("cloudos_store_commit_failures_total 0");
  opened->reset();
  CHECK(metrics->text().find("cloudos_store_map_bytes") == std::string::npos);
}
