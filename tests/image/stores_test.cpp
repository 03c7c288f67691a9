#include <doctest/doctest.h>

#include "cloudos/image_stores.hpp"
#include "image/broken_payloads.hpp"
#include "image/store_set.hpp"
#include "image/world.hpp"
#include "support/task_proofs.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

const Context kAnn = member_of("ann");
const Context kStoresBob = member_of("bob");
const Context kStoresRoot = admin_of("root");

ImageSettings three_stores(Disks& disks, ImageStoreOptions options = {}) {
  ImageSettings settings;
  settings.payloads = disks.open("file");
  settings.more_payloads["fast"] = disks.open("fast");
  settings.more_payloads["slow"] = disks.open("slow");
  settings.stores = std::move(options);
  return settings;
}

std::vector<std::string> stores_of(const Image& image) {
  std::vector<std::string> names;
  for (const ImageLocation& location : image.locations) names.push_back(location.store);
  return names;
}

ImageId active_in(World& world, const std::vector<std::string>& stores, std::string bytes) {
  const ImageId id = world.make(kAnn);
  TextSource source(std::move(bytes));
  const auto done = world.images->upload(kAnn, id, source, stores);
  REQUIRE(done);
  return id;
}

std::string patterned(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + i * 7 % 23);
  return bytes;
}

/// All of it, or the error.
Result<std::string> read_whole(ByteSource& source) {
  std::string all;
  std::vector<std::byte> piece(40'000);
  while (true) {
    CLOUDOS_TRY(const std::size_t got, source.read(piece));
    if (got == 0) return all;
    all.append(reinterpret_cast<const char*>(piece.data()), got);
  }
}
Result<std::string> download(World& world, const ImageId& id, std::uint64_t offset = 0,
                             std::uint64_t length = UINT64_MAX) {
  CLOUDOS_TRY(const auto source, world.images->read(kAnn, id, offset, length));
  return read_whole(*source);
}

}  // namespace

TEST_CASE("an upload goes to all stores it names, and its image tells where it is") {
  Disks disks;
  World world({}, nullptr, three_stores(disks));
  const ImageId id = active_in(world, {"fast", "slow"}, "data");
  CHECK(stores_of(*world.images->get(kAnn, id)) == std::vector<std::string>{"fast", "slow"});
  CHECK(disks.has("fast", id));
  CHECK(disks.has("slow", id));
  CHECK_FALSE(disks.has("file", id));
  CHECK(*download(world, id) == "data");
  REQUIRE(world.images->remove(kAnn, id));
  world.settle();
  CHECK_FALSE(disks.has("fast", id));
  CHECK_FALSE(disks.has("slow", id));
  CHECK(world.keys_left() == 0);
}

TEST_CASE("a store that fails ends an upload to several, and no byte stays in any") {
  Disks disks;
  World world({}, nullptr, three_stores(disks));
  disks.harm_of("slow")->full_after = 10;
  const ImageId id = world.make(kAnn);
  TextSource source(std::string(1'000, 'x'));
  CHECK(code_of(world.images->upload(kAnn, id, source, {"fast", "slow"})) ==
        ErrorCode::StorageFull);
  CHECK(world.images->get(kAnn, id)->status == ImageStatus::Queued);
  for (const char* name : {"file", "fast", "slow"}) CHECK_FALSE(disks.has(name, id));
}

TEST_CASE("uploads that name no store go to the default, or to the heaviest with room") {
  Folder folder;
  struct Row {
    std::string what;
    std::string default_store;
    std::map<std::string, ImageStoreFolder> folders;
    std::uint32_t weight;
    std::uint64_t size;
    std::string goes_to;  // Empty: nowhere.
  };
  const auto at = [&](std::string name, std::uint32_t weight, std::uint64_t capacity) {
    return ImageStoreFolder{folder.path / name, "", weight, capacity};
  };
  const Row rows[] = {
      {"nothing said: the data folder's", "", {{"a", at("a", 0, 0)}}, 100, 10, "file"},
      {"the heaviest", "", {{"a", at("a", 200, 0)}}, 100, 10, "a"},
      {"the heaviest that has room",
       "",
       {{"a", at("a", 200, 9)}, {"b", at("b", 150, 0)}},
       100,
       10,
       "b"},
      {"the default, however light",
       "b",
       {{"a", at("a", 200, 0)}, {"b", at("b", 1, 0)}},
       100,
       10,
       "b"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    ImageStoreOptions options;
    options.default_store = row.default_store;
    options.folders = row.folders;
    options.weight = row.weight;
    ImageSettings settings;
    settings.stores = options;
    World world(folder.path / "data", nullptr, std::move(settings));
    const auto chosen = world.images->stores().choose({}, row.size);
    REQUIRE(chosen);
    CHECK(*chosen == std::vector<std::string>{row.goes_to});
    CHECK(world.images->stores().list().front().name ==
          (row.default_store.empty() ? world.images->stores().list().front().name
                                     : row.default_store));
  }
}

TEST_CASE("what is no store, cannot be written or is there twice is refused") {
  Folder folder;
  ImageStoreOptions options;
  options.http = true;
  ImageSettings settings;
  settings.stores = options;
  World world({}, nullptr, std::move(settings));
  CHECK(code_of(world.images->stores().choose({"nowhere"})) == ErrorCode::InvalidArgument);
  CHECK(code_of(world.images->stores().choose({"http"})) == ErrorCode::InvalidArgument);
  struct Row {
    std::string what;
    std::string name;
    std::filesystem::path folder;
    std::string default_store;
  };
  const Row rows[] = {
      {"a name with blanks", "my store", folder.path / "a", ""},
      {"the name of the data folder's", "file", folder.path / "a", ""},
      {"the data folder's folder", "other", folder.path / "data" / "images", ""},
      {"a default that is not there", "a", folder.path / "a", "b"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    ManualClock clock;
    ImageStoreOptions wrong;
    wrong.folders[row.name].folder = row.folder;
    wrong.default_store = row.default_store;
    std::filesystem::create_directories(folder.path / "data" / "images");
    const auto opened = image::StoreSet::open(wrong, folder.path / "data" / "images",
                                              image::open_payload_memory(1'000), {}, clock);
    CHECK(code_of(opened) == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("a store keeps to its capacity, announced or not") {
  Folder folder;
  ImageStoreOptions options;
  options.folders["small"] = {folder.path / "small", "", 0, 1'000};
  ImageSettings settings;
  settings.stores = options;
  World world(folder.path / "data", nullptr, std::move(settings));
  for (const bool announced : {true, false}) {
    CAPTURE(announced);
    const ImageId id = world.make(kAnn);
    std::optional<std::uint64_t> size;
    if (announced) size = 1'001;
    auto upload = world.images->begin_upload(kAnn, id, size, {"small"});
    if (announced) {
      CHECK(code_of(upload) == ErrorCode::StorageFull);
      continue;
    }
    REQUIRE(upload);
    const std::string bytes(1'001, 'x');
    CHECK(code_of((*upload)->write(std::as_bytes(std::span(bytes)))) == ErrorCode::StorageFull);
  }
  CHECK(std::filesystem::is_empty(folder.path / "small"));
}

TEST_CASE("locations are read in the order the strategy says") {
  using Facts = std::vector<image::LocationFacts>;
  const Facts facts{
      {"http", false, 900}, {"file", true, 100}, {"file", true, 500}, {"rbd", false, 0}};
  struct Row {
    std::string what;
    LocationStrategy strategy;
    std::vector<std::string> types;
    std::vector<std::size_t> order;
  };
  const Row rows[] = {
      {"as they came", LocationStrategy::LocationOrder, {"file"}, {0, 1, 2, 3}},
      {"by type", LocationStrategy::StoreType, {"rbd", "file"}, {3, 1, 2, 0}},
      {"by type, nothing preferred", LocationStrategy::StoreType, {}, {0, 1, 2, 3}},
      {"what is here, the fastest first, then what nobody measured",
       LocationStrategy::Measured,
       {},
       {2, 1, 3, 0}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(image::reading_order(row.strategy, row.types, facts) == row.order);
  }
}

TEST_CASE("a read that fails goes on with the next location, at the same byte") {
  const std::string bytes = patterned(300'000);
  struct Row {
    std::string what;
    void (*hurt)(Harm& harm);
  };
  const Row rows[] = {
      {"the store is away", [](Harm& h) { h.closed = true; }},
      {"a bad sector at the start", [](Harm& h) { h.unreadable_from = 0; }},
      {"a bad sector in the middle", [](Harm& h) { h.unreadable_from = 123'456; }},
      {"a file that was cut", [](Harm& h) { h.ends_at = 200'001; }},
  };
  for (const Row& row : rows) {
    for (const bool whole : {true, false}) {
      CAPTURE(row.what);
      CAPTURE(whole);
      Disks disks;
      World world({}, nullptr, three_stores(disks));
      const ImageId id = active_in(world, {"fast", "slow"}, bytes);
      row.hurt(*disks.harm_of("fast"));
      const auto read = whole ? download(world, id) : download(world, id, 1'000, 250'000);
      REQUIRE(read);
      CHECK((*read == (whole ? bytes : bytes.substr(1'000, 250'000))));
    }
  }
}

TEST_CASE("when every location fails so does the download, never with wrong bytes") {
  const std::string bytes = patterned(300'000);
  Disks disks;
  World world({}, nullptr, three_stores(disks));
  const ImageId id = active_in(world, {"fast", "slow"}, bytes);
  disks.harm_of("fast")->unreadable_from = 100'000;
  disks.harm_of("slow")->ends_at = 200'000;
  CHECK(code_of(download(world, id)) == ErrorCode::Unavailable);
}

TEST_CASE("data that was read whole from several places has its checksum, or does not end") {
  const std::string bytes = patterned(300'000);
  Disks disks;
  World world({}, nullptr, three_stores(disks));
  const ImageId id = active_in(world, {"fast", "slow"}, bytes);
  disks.harm_of("fast")->unreadable_from = 100'000;
  disks.harm_of("slow")->flips = 250'000;
  CHECK(code_of(download(world, id)) == ErrorCode::Unavailable);
}

TEST_CASE("a file that cannot be read on is resumed elsewhere, and what was sent is compared") {
  Folder folder;
  ImageStoreOptions options;
  options.folders["second"] = {folder.path / "second", "", 0, 0};
  ImageSettings settings;
  settings.stores = options;
  World world(folder.path / "data", nullptr, std::move(settings));
  const std::string bytes = patterned(300'000);
  const ImageId id = active_in(world, {"file", "second"}, bytes);
  const auto file = world.images->file(kAnn, id);
  REQUIRE(file);
  CHECK(file->path == folder.path / "data" / "images" / id.value);
  auto rest = world.images->resume(kAnn, id, *file, 123'456);
  REQUIRE(rest);
  CHECK((*rest)->size() == 300'000 - 123'456);
  CHECK((*read_whole(**rest) == bytes.substr(123'456)));
  // One that is not as long as it should be is not even begun.
  std::filesystem::permissions(file->path, std::filesystem::perms::owner_all);
  std::filesystem::resize_file(file->path, 1'000);
  CHECK(world.images->file(kAnn, id)->path == folder.path / "second" / id.value);
  CHECK((*download(world, id) == bytes));
}

TEST_CASE("the rate of a store is measured while it is read") {
  Disks disks;
  ImageStoreOptions options;
  options.strategy = LocationStrategy::Measured;
  World world({}, nullptr, three_stores(disks, options));
  image::NamedStore store;
  image::StoreSet::measured(store, 1 << 20, std::chrono::seconds(1));
  CHECK(store.bytes_per_second == 1 << 20);
  image::StoreSet::measured(store, 8 << 20, std::chrono::seconds(1));
  CHECK(store.bytes_per_second > 1 << 20);
  CHECK(store.bytes_per_second < 8 << 20);
  const auto before = store.bytes_per_second.load();
  image::StoreSet::measured(store, 1'000, std::chrono::seconds(1));  // Too little to tell.
  CHECK(store.bytes_per_second == before);
}

TEST_CASE("a copy can be taken away, but never the last, nor what servers boot from") {
  Disks disks;
  World world({}, nullptr, three_stores(disks));
  const ImageId id = active_in(world, {"file", "fast", "slow"}, "data");
  auto& stores = world.images->stores();
  CHECK(code_of(stores.remove_copy(kAnn, id, "nowhere")) == ErrorCode::NotFound);
  CHECK(code_of(stores.remove_copy(kStoresBob, id, "fast")) == ErrorCode::NotFound);
  REQUIRE(world.with([&](store::Txn& txn) { return world.images->pin(txn, id, "server/1"); }));
  CHECK(code_of(stores.remove_copy(kAnn, id, "file")) == ErrorCode::Conflict);
  REQUIRE(stores.remove_copy(kAnn, id, "fast"));
  CHECK(code_of(stores.remove_copy(kAnn, id, "fast")) == ErrorCode::NotFound);
  REQUIRE(world.with([&](store::Txn& txn) { return world.images->unpin(txn, id, "server/1"); }));
  REQUIRE(stores.remove_copy(kAnn, id, "file"));
  CHECK(code_of(stores.remove_copy(kAnn, id, "slow")) == ErrorCode::Forbidden);
  world.settle();
  CHECK_FALSE(disks.has("file", id));
  CHECK_FALSE(disks.has("fast", id));
  CHECK(stores_of(*world.images->get(kAnn, id)) == std::vector<std::string>{"slow"});
  CHECK(*download(world, id) == "data");
}

TEST_CASE("a protected image keeps every copy") {
  Disks disks;
  World world({}, nullptr, three_stores(disks));
  const ImageId id = active_in(world, {"file", "fast"}, "data");
  ImageUpdate protect;
  protect.is_protected = true;
  REQUIRE(world.images->update(kAnn, id, protect));
  CHECK(code_of(world.images->stores().remove_copy(kAnn, id, "fast")) == ErrorCode::Forbidden);
}

TEST_CASE("data is copied to more stores by a task") {
  Disks disks;
  World world({}, nullptr, three_stores(disks));
  const ImageId id = active_in(world, {"file"}, patterned(600'000));
  auto& stores = world.images->stores();
  CHECK(code_of(stores.copy(kStoresBob, id, {"fast"})) == ErrorCode::NotFound);
  const auto queued = stores.copy(kAnn, id, {"fast", "file", "slow"});
  REQUIRE(queued);
  CHECK(queued->size() == 2);  // "file" has it.
  CHECK(world.images->get(kAnn, id)->importing_to == std::vector<std::string>{"fast", "slow"});
  CHECK(stores.copy(kAnn, id, {"fast"})->empty());  // Under way.
  world.settle_all();
  const auto image = *world.images->get(kAnn, id);
  CHECK(image.importing_to.empty());
  CHECK(stores_of(image) == std::vector<std::string>{"file", "fast", "slow"});
  CHECK(disks.has("fast", id));
  CHECK(code_of(stores.copy(kAnn, world.make(kAnn), {"fast"})) == ErrorCode::Conflict);
}

TEST_CASE("a copy that fails leaves no byte, gives its bytes back and says where it failed") {
  Disks disks;
  World world({}, nullptr, three_stores(disks));
  const ImageId id = active_in(world, {"file"}, patterned(600'000));
  disks.harm_of("fast")->full_after = 300'000;
  REQUIRE(world.images->stores().copy(kAnn, id, {"fast"}));
  CHECK(world.images->stores().usage(kAnn)->at("image_size_total").usage == 2);
  world.settle_all();
  const auto image = *world.images->get(kAnn, id);
  CHECK(image.failed_stores == std::vector<std::string>{"fast"});
  CHECK(image.importing_to.empty());
  CHECK_FALSE(disks.has("fast", id));
  CHECK(world.images->stores().usage(kAnn)->at("image_size_total").usage == 1);
}

TEST_CASE("an image that is deleted while it is copied leaves nothing in any store") {
  Disks disks;
  World world({}, nullptr, three_stores(disks));
  const ImageId id = active_in(world, {"file"}, "data");
  REQUIRE(world.images->stores().copy(kAnn, id, {"fast"}));
  REQUIRE(world.images->remove(kAnn, id));
  world.settle_all();
  CHECK_FALSE(disks.has("file", id));
  CHECK_FALSE(disks.has("fast", id));
  CHECK(world.keys_left() == 0);
}

TEST_CASE("an image that is deleted amid a transfer ends it, and leaves nothing anywhere") {
  for (const bool copying : {true, false}) {
    CAPTURE(copying);
    Disks disks;
    World world({}, nullptr, three_stores(disks));
    ImageId id;
    const auto gone = [&] { REQUIRE(world.images->remove(kAnn, id)); };
    if (copying) {
      id = active_in(world, {"file"}, patterned(600'000));
      disks.harm_of("fast")->during = gone;
      REQUIRE(world.images->stores().copy(kAnn, id, {"fast"}));
    } else {
      id = world.make(kAnn);
      disks.harm_of("fast")->during = gone;
      TextSource source(patterned(600'000));
      CHECK(code_of(world.images->upload(kAnn, id, source, {"fast", "slow"})) ==
            ErrorCode::NotFound);
    }
    world.settle_all();
    for (const char* name : {"file", "fast", "slow"}) CHECK_FALSE(disks.has(name, id));
    CHECK(world.keys_left() == 0);
    CHECK(world.images->stores().usage(kAnn)->at("image_size_total").usage == 0);
  }
}

namespace {

struct CopyLife final : test::Life {
  CopyLife(Disks& disks, std::shared_ptr<store::Store> store, RunnerFaults faults)
      : world({}, std::move(store), three_stores(disks), std::move(faults)) {}
  void settle() override { world.settle_all(); }
  World world;
};

}  // namespace

TEST_CASE("copy-image fails clean, repeats every step and survives a crash after every commit") {
  Disks disks;
  ImageId id;
  test::Scenario scenario;
  scenario.task_type = "copy-image";
  scenario.reset = [&] { disks = {}; };
  scenario.live = [&](std::shared_ptr<store::Store> store, RunnerFaults faults) {
    return std::make_unique<CopyLife>(disks, std::move(store), std::move(faults));
  };
  scenario.prepare = [&](test::Life& life) {
    id = active_in(static_cast<CopyLife&>(life).world, {"file"}, patterned(600'000));
  };
  scenario.begin = [&](test::Life& life) {
    REQUIRE(static_cast<CopyLife&>(life).world.images->stores().copy(kAnn, id, {"fast"}));
  };
  scenario.check = [&](test::Life& life, bool failed) {
    World& world = static_cast<CopyLife&>(life).world;
    const auto image = world.images->get(kAnn, id);
    REQUIRE(image);
    CHECK(image->importing_to.empty());
    CHECK(image->locations.size() == (failed ? 1 : 2));
    CHECK(disks.has("fast", id) == !failed);
    CHECK(image->failed_stores.size() == (failed ? 1 : 0));
    CHECK(world.images->stores().usage(kAnn)->at("image_size_total").usage == (failed ? 1 : 2));
  };
  test::prove_task(scenario);
}

TEST_CASE("with delayed delete an image waits, seen by admins alone, and then goes") {
  Disks disks;
  ImageStoreOptions options;
  options.scrub_time = std::chrono::hours(1);
  std::shared_ptr<store::Store> store = store::open_memory();
  ImageId id, queued;
  {
    World world({}, store, three_stores(disks, options));
    id = active_in(world, {"file", "fast"}, "data");
    queued = world.make(kAnn);
    REQUIRE(world.images->remove(kAnn, queued));
    // It has no data.
    CHECK(code_of(world.images->get(kStoresRoot, queued)) == ErrorCode::NotFound);
    REQUIRE(world.images->remove(kAnn, id));
    CHECK(code_of(world.images->get(kAnn, id)) == ErrorCode::NotFound);
    CHECK(code_of(world.images->file(kAnn, id)) == ErrorCode::NotFound);
    CHECK(world.images->get(kStoresRoot, id)->status == ImageStatus::PendingDelete);
    CHECK(world.images->list(kStoresRoot, {})->empty());
    ImageQuery query;
    query.statuses = {ImageStatus::PendingDelete};
    query.all_visibilities = true;
    CHECK(world.images->list(kStoresRoot, query)->size() == 1);
    CHECK(world.images->list(kAnn, query)->empty());
    CHECK(world.images->stores().usage(kAnn)->at("image_size_total").usage == 0);
    CHECK(world.images->stores().usage(kAnn)->at("image_count_total").usage == 0);
    ImageUpdate rename;
    rename.name = "again";
    CHECK(code_of(world.images->update(kStoresRoot, id, rename)) == ErrorCode::Conflict);
    world.settle();
    CHECK(disks.has("fast", id));
  }
  World next({}, store, three_stores(disks, options));  // Another process, some time later.
  next.clock.advance(std::chrono::hours(2));
  next.settle_all();
  CHECK(code_of(next.images->get(kStoresRoot, id)) == ErrorCode::NotFound);
  CHECK_FALSE(disks.has("file", id));
  CHECK_FALSE(disks.has("fast", id));
  CHECK(next.keys_left() == 0);
}

TEST_CASE("an admin who deletes a deleted image again does not wait") {
  Disks disks;
  ImageStoreOptions options;
  options.scrub_time = std::chrono::hours(1);
  World world({}, nullptr, three_stores(disks, options));
  const ImageId id = active_in(world, {"file"}, "data");
  REQUIRE(world.images->remove(kAnn, id));
  CHECK(code_of(world.images->remove(kAnn, id)) == ErrorCode::NotFound);
  REQUIRE(world.images->remove(kStoresRoot, id));
  world.settle();
  CHECK_FALSE(disks.has("file", id));
}

TEST_CASE("a store that is away keeps nothing for ever: what is left goes when it is back") {
  Disks disks;
  World world({}, nullptr, three_stores(disks));
  const ImageId id = active_in(world, {"file", "fast"}, "data");
  disks.harm_of("fast")->keeps = true;
  REQUIRE(world.images->remove(kAnn, id));
  world.settle();
  CHECK(disks.has("fast", id));
  ImageCreate again;
  again.id = id;
  CHECK(code_of(world.images->create(kAnn, again)) == ErrorCode::AlreadyExists);
  disks.harm_of("fast")->keeps = false;
  for (int minute = 0; minute < 10; ++minute) {
    world.clock.advance(std::chrono::minutes(1));
    world.settle();
  }
  CHECK_FALSE(disks.has("fast", id));
  CHECK(world.keys_left() == 0);
}
