// A kind of two schemas: the newer program reads what the older one wrote, and migrates the rest.
#include "records/migration.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/text.hpp"

using namespace cloudos;

namespace {

/// Schema 1: sizes in GiB, names unique as they are.
struct DiskV1 {
  static constexpr std::string_view kKind = "disk";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;
  std::uint64_t generation = 0;
  std::string name;
  std::uint64_t size_gib = 0;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, DiskV1& d) {
  v.field({1, "id"}, d.id);
  v.field({2, "generation"}, d.generation);
  v.field({3, "name"}, d.name);
  v.field({4, "size_gib"}, d.size_gib);
  v.unknown(d.unknown);
}
void keys(records::Keys& k, const DiskV1& d) {
  k.unique("name", "", d.name);
  k.index("gib", records::key_number(d.size_gib));
}

/// Schema 2: sizes in MiB, names unique whatever their case, another index.
struct DiskV2 {
  static constexpr std::string_view kKind = "disk";
  static constexpr std::uint32_t kSchema = 2;
  std::string id;
  std::uint64_t generation = 0;
  std::string name;
  std::uint64_t size_mib = 0;
  std::uint64_t old_size_gib = 0;  ///< Of schema 1 only.
  std::string unknown;
};
void fields(codec::FieldVisitor& v, DiskV2& d) {
  v.field({1, "id"}, d.id);
  v.field({2, "generation"}, d.generation);
  v.field({3, "name"}, d.name);
  v.field({4, "old_size_gib"}, d.old_size_gib);
  v.field({5, "size_mib"}, d.size_mib);
  v.unknown(d.unknown);
}
void upgrade(DiskV2& d, std::uint32_t from) {
  if (from >= 2) return;
  d.size_mib = d.old_size_gib * 1024;
  d.old_size_gib = 0;
}
void keys(records::Keys& k, const DiskV2& d) {
  k.unique("name", "", fold_case(d.name));
  k.index("mib", records::key_number(d.size_mib));
}
void keys(records::Keys& k, const DiskV2& d, std::uint32_t from) {
  if (from >= 2) return keys(k, d);
  k.unique("name", "", d.name);
  k.index("gib", records::key_number(d.size_mib / 1024));
}

std::string disk_id(int i) {
  return fmt::format("disk-{:05}", i);
}

void write_old(store::Store& s, int from, int to) {
  for (int i = from; i < to; i += 50) {
    REQUIRE(s.transact([&](store::Txn& txn) -> Result<void> {
      for (int j = i; j < std::min(to, i + 50); ++j) {
        DiskV1 disk;
        disk.id = disk_id(j);
        disk.name = fmt::format("Disk {}", j);
        disk.size_gib = static_cast<std::uint64_t>(j % 7 + 1);
        CLOUDOS_CHECK(records::insert(txn, disk));
      }
      return Result<void>();
    }));
  }
}

std::size_t keys_under(store::Store& s, std::string_view prefix) {
  std::size_t count = 0;
  const auto snapshot = *s.snapshot();
  store::ScanOptions scan;
  for (;;) {
    const auto entries = *snapshot->scan(prefix, scan);
    count += entries.size();
    if (entries.size() < limits::kScanPage) return count;
    scan.after = entries.back().key;
  }
}

/// What the newest form says of them all, and nothing of the old one.
void check_new(store::Store& s, std::size_t count) {
  const auto snapshot = *s.snapshot();
  const auto all = *records::all<DiskV2>(*snapshot);
  CHECK(all.size() == count);
  for (const DiskV2& disk : all) {
    const auto entry = *snapshot->get(records::record_key("disk", disk.id));
    CHECK(codec::stored_schema(entry->value) == 2);
    CHECK(disk.old_size_gib == 0);
    CHECK(*records::find_unique(*snapshot, "disk", "name", "", fold_case(disk.name)) == disk.id);
  }
  CHECK(keys_under(s, "/ix/disk/gib/") == 0);
  CHECK(keys_under(s, "/ix/disk/mib/") == count);
  CHECK(keys_under(s, "/ux/disk/name/") == count);
}

std::vector<records::SchemaKind> both() {
  return {records::schema_kind<DiskV2>()};
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "cloudos-migrate-XXXXXX").native();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Migrates while others read and write, until it is done or killed.
int migrate_beside_others(const std::filesystem::path& folder) {
  const auto opened = store::open_lmdb({.directory = folder});
  if (!opened) return 1;
  store::Store& s = **opened;
  records::Migrator migrator(s, both(), Log());
  if (!migrator.check() || !migrator.raise()) return 2;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread reader([&] {
    while (!stop) {
      const auto snapshot = s.snapshot();
      const auto disk = records::get<DiskV2>(**snapshot, disk_id(1234));
      wrong += !disk || disk->size_mib != (1234 % 7 + 1) * 1024;
    }
  });
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const auto done = s.transact([&](store::Txn& txn) -> Result<void> {
        CLOUDOS_CHECK(records::modify<DiskV2>(txn, disk_id(i % 3000), [&](DiskV2& disk) {
          disk.unknown.clear();
          return Result<void>();
        }));
        return Result<void>();
      });
      wrong += !done;
    }
  });
  for (;;) {
    const auto more = migrator.pass();
    if (!more) return 3;
    if (!*more) break;
  }
  stop = true;
  reader.join();
  writer.join();
  return wrong == 0 ? 0 : 4;
}

}  // namespace

TEST_CASE("a record of an older schema reads as the newest, and a write stores it so") {
  const auto s = store::open_memory();
  write_old(*s, 0, 3);
  const auto disk = records::get<DiskV2>(**s->snapshot(), disk_id(2));
  REQUIRE(disk);
  CHECK(disk->size_mib == 3 * 1024);
  CHECK(disk->generation == 1);
  REQUIRE(s->transact([](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<DiskV2>(txn, disk_id(0), [](DiskV2& d) {
      d.size_mib = 7;
      return Result<void>();
    }));
    return records::erase<DiskV2>(txn, disk_id(1));
  }));
  // Old keys went with the old form, of the changed and of the erased one.
  CHECK(keys_under(*s, "/ix/disk/gib/") == 1);
  CHECK(keys_under(*s, "/ix/disk/mib/") == 1);
  CHECK(keys_under(*s, "/ux/disk/") == 2);
  CHECK(records::get<DiskV2>(**s->snapshot(), disk_id(0))->generation == 2);
}

TEST_CASE("migration rewrites what nobody wrote, in bounded commits, and then commits no more") {
  const auto s = store::open_memory();
  write_old(*s, 0, 1'050);
  std::vector<std::string> saved;
  records::Migrator migrator(*s, both(), Log(), [&](const std::string& name) {
    saved.push_back(name);
    return Result<void>();
  });
  REQUIRE(migrator.check());
  CHECK_FALSE(*migrator.pass());  // Not before the number went up.
  REQUIRE(migrator.raise());
  CHECK(saved == std::vector<std::string>{"disk-2"});
  CHECK(migrator.remaining().at("disk") == 1'050);
  int passes = 1;
  while (*migrator.pass()) {
    ++passes;
    // Each commit is a bounded one.
    const auto changes = *s->changes("/disk/", (*s->snapshot())->revision() - 1);
    CHECK(changes.keys.size() <= limits::kMigrationBatch);
  }
  CHECK(passes >= 11);
  check_new(*s, 1'050);
  CHECK(migrator.remaining().empty());
  CHECK(records::get<DiskV2>(**s->snapshot(), disk_id(7))->generation == 1);
  // The next start finds nothing to do, and writes nothing.
  const auto revision = (*s->snapshot())->revision();
  records::Migrator again(*s, both(), Log(), [&](const std::string& name) {
    saved.push_back(name);
    return Result<void>();
  });
  REQUIRE(again.check());
  REQUIRE(again.raise());
  CHECK_FALSE(*again.pass());
  CHECK((*s->snapshot())->revision() == revision);
  CHECK(saved.size() == 1);
}

TEST_CASE("nothing changes when the store cannot be saved before its records are") {
  const auto s = store::open_memory();
  write_old(*s, 0, 10);
  const auto revision = (*s->snapshot())->revision();
  records::Migrator migrator(*s, both(), Log(), [](const std::string&) -> Result<void> {
    return fail(ErrorCode::StorageFull, "no room");
  });
  CHECK(migrator.raise().error().code == ErrorCode::StorageFull);
  CHECK_FALSE(*migrator.pass());
  CHECK((*s->snapshot())->revision() == revision);
}

TEST_CASE("an older program refuses a store that a newer one raised, and its records") {
  const auto s = store::open_memory();
  write_old(*s, 0, 10);
  records::Migrator newer(*s, both(), Log());
  REQUIRE(newer.raise());
  while (*newer.pass()) {
  }
  records::Migrator older(*s, {records::schema_kind<DiskV1>()}, Log());
  const auto refused = older.check();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::Unsupported);
  CHECK(refused.error().message.find("'disk' with schema 2, this one reads up to 1") !=
        std::string::npos);
  CHECK(records::get<DiskV1>(**s->snapshot(), disk_id(1)).error().code == ErrorCode::Unsupported);
  records::Migrator without(*s, {}, Log());
  CHECK(without.check().error().code == ErrorCode::Unsupported);
}

TEST_CASE("kill -9 amid a migration beside readers and writers loses and doubles nothing") {
  const Folder folder;
  constexpr int kDisks = 3'000;
  {
    const auto s = *store::open_lmdb({.directory = folder.path()});
    write_old(*s, 0, kDisks);
  }
  int killed = 0;
  for (int round = 0; round < 12; ++round) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) ::_exit(migrate_beside_others(folder.path()));
    // Later and later, so that it always gets somewhere, and ends at last.
    ::usleep(static_cast<useconds_t>(4'000 + round * round * 4'000));
    if (round < 11) ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status))
      ++killed;
    else
      REQUIRE(WEXITSTATUS(status) == 0);
    // Whenever it died: every record is of one schema or the other, whole, with its own keys.
    const auto s = *store::open_lmdb({.directory = folder.path()});
    CHECK(keys_under(*s, "/ix/disk/gib/") + keys_under(*s, "/ix/disk/mib/") == kDisks);
    CHECK(keys_under(*s, "/ux/disk/") == kDisks);
    const auto all = *records::all<DiskV2>(**s->snapshot());
    REQUIRE(all.size() == kDisks);
    for (int i = 0; i < kDisks; ++i)
      if (all[i].size_mib != (static_cast<std::uint64_t>(i) % 7 + 1) * 1024) FAIL_CHECK(all[i].id);
  }
  CHECK(killed > 0);
  const auto s = *store::open_lmdb({.directory = folder.path()});
  check_new(*s, kDisks);
}
