#include <sys/stat.h>

#include <fstream>

#include "base/text.hpp"
#include "cloudos/image_stores.hpp"
#include "image/digest.hpp"
#include "image/store_set.hpp"
#include "image/file_server.hpp"
#include "image/world.hpp"
#include "support/task_proofs.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

const Context kLea = member_of("lea");
const Context kBoss = admin_of("root");

}  // namespace

TEST_CASE("a queued image becomes active with data that others keep, once it was verified") {
  FileServer file(std::string(200'000, 'x'));
  World world({}, nullptr, with_http(file.web.port));
  auto& stores = world.images->stores();
  const ImageId id = world.make(kLea);
  ImageLocationAdd add;
  add.url = file.web.url("/disk.raw");
  add.metadata = {{"rack", "7"}};
  add.hash = std::string(128, '0');
  CHECK(code_of(stores.add_location(kLea, id, add)) == ErrorCode::Conflict);
  CHECK(world.images->get(kLea, id)->status == ImageStatus::Queued);
  add.hash = sha512_of(file.body);
  const auto active = stores.add_location(kLea, id, add);
  REQUIRE(active);
  CHECK(active->status == ImageStatus::Active);
  CHECK(active->size_bytes == 200'000);
  CHECK(active->sha512 == add.hash);
  REQUIRE(active->locations.size() == 1);
  CHECK(active->locations[0].store == "http");
  CHECK(stores.url_of(id, active->locations[0]) == add.url);
  CHECK(stores.usage(kLea)->at("image_size_total").usage == 0);  // No byte of it is ours.
  const auto source = world.images->read(kLea, id, 100'000);
  REQUIRE(source);
  CHECK(drained(**source).size() == 100'000);
  CHECK(code_of(stores.add_location(kLea, id, add)) == ErrorCode::Conflict);  // It has it.
}

TEST_CASE("what is no plain place of the web is refused as a location") {
  FileServer file("data");
  World world({}, nullptr, with_http(file.web.port));
  const ImageId id = world.make(kLea);
  struct Row {
    std::string what;
    std::string url;
  };
  const std::string host = "http://127.0.0.1:" + std::to_string(file.web.port);
  const Row rows[] = {
      {"a file of the host", "file:///etc/passwd"},
      {"the same by another name", "filesystem:///etc/passwd"},
      {"a file without a scheme", "/etc/passwd"},
      {"a store of ours", "cinder://volume"},
      {"up and away", host + "/images/../../secret"},
      {"up and away, escaped", host + "/images/%2e%2E/secret"},
      {"credentials", "http://me:secret@127.0.0.1:" + std::to_string(file.web.port) + "/a"},
      {"an address that is not public", "http://169.254.169.254/latest/meta-data"},
      {"another port of this host", "http://127.0.0.1:22/"},
      {"a redirect to such an address", host + "/hop"},
      {"nothing there", host + "/gone"},
      {"no URL", "data"},
      {"empty", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    ImageLocationAdd add;
    add.url = row.url;
    CHECK_FALSE(world.images->stores().add_location(kLea, id, add));
    CHECK(world.images->get(kLea, id)->status == ImageStatus::Queued);
  }
}

TEST_CASE("without the store http no URL is a location") {
  FileServer file("data");
  ImageSettings settings = with_http(file.web.port);
  settings.stores.http = false;
  World world({}, nullptr, std::move(settings));
  ImageLocationAdd add;
  add.url = file.web.url("/a");
  CHECK(code_of(world.images->stores().add_location(kLea, world.make(kLea), add)) ==
        ErrorCode::InvalidArgument);
  CHECK(file.web.heads().empty());
}

TEST_CASE("a location is limited in size, and what is behind it is inspected") {
  FileServer large(std::string(2'000, 'x'));
  ImageSettings settings = with_http(large.web.port);
  settings.stores.http_bytes = 1'000;
  World world({}, nullptr, std::move(settings));
  ImageLocationAdd add;
  add.url = large.web.url("/a");
  CHECK(code_of(world.images->stores().add_location(kLea, world.make(kLea), add)) ==
        ErrorCode::TooLarge);
  FileServer trick(qcow2_with_backing("/etc/passwd").bytes);
  World strict({}, nullptr, with_http(trick.web.port));
  add.url = trick.web.url("/a");
  ImageCreate spec;
  spec.disk_format = DiskFormat::Qcow2;
  const ImageId id = strict.make(kLea, spec);
  CHECK(code_of(strict.images->stores().add_location(kLea, id, add)) == ErrorCode::InvalidArgument);
  CHECK(strict.images->get(kLea, id)->status == ImageStatus::Queued);
}

TEST_CASE("another place for data that is here must have the very same bytes") {
  FileServer same(std::string(50'000, 'x'));
  FileServer other(std::string(49'999, 'x') + "y");
  ImageSettings settings = with_http(same.web.port);
  settings.imports.web.ports.push_back(other.web.port);
  World world({}, nullptr, std::move(settings));
  const ImageId id = world.active(kLea, same.body);
  ImageLocationAdd add;
  add.url = other.web.url("/a");
  CHECK(code_of(world.images->stores().add_location(kLea, id, add)) == ErrorCode::Conflict);
  CHECK(code_of(world.images->stores().add_location(member_of("eve"), id, add)) ==
        ErrorCode::NotFound);
  add.url = same.web.url("/a");
  auto image = world.images->stores().add_location(kLea, id, add);
  REQUIRE(image);
  CHECK(image->locations.size() == 2);
  image = world.images->stores().set_location_metadata(kLea, id, 1, {{"site", "b"}});
  REQUIRE(image);
  CHECK(image->locations[1].metadata.at("site") == "b");
  image = world.images->stores().remove_location(kLea, id, 0);
  REQUIRE(image);
  CHECK(image->locations.size() == 1);
  CHECK(code_of(world.images->stores().remove_location(kLea, id, 0)) == ErrorCode::Forbidden);
  CHECK(code_of(world.images->stores().remove_location(kLea, id, 7)) == ErrorCode::NotFound);
}

TEST_CASE("a transfer that breaks off goes on from a store of ours") {
  FileServer file(std::string(300'000, 'x'));
  World world({}, nullptr, with_http(file.web.port));
  const ImageId id = world.make(kLea);
  ImageLocationAdd add;
  add.url = file.web.url("/a");
  REQUIRE(world.images->stores().add_location(kLea, id, add));
  REQUIRE(world.images->stores().copy(kLea, id, {"file"}));
  world.settle_all();
  REQUIRE(world.images->get(kLea, id)->locations.size() == 2);
  file.breaks_after = 100'000;
  const auto source = world.images->read(kLea, id);
  REQUIRE(source);
  CHECK((drained(**source) == file.body));
}

TEST_CASE("a host boots from a verified copy in its cache, fetched once") {
  FileServer file(std::string(100'000, 'x'));
  Folder folder;
  World world(folder.path, nullptr, with_http(file.web.port));
  const ImageId id = world.make(kLea);
  ImageLocationAdd add;
  add.url = file.web.url("/a");
  REQUIRE(world.images->stores().add_location(kLea, id, add));
  const auto base = world.images->base_file(id);
  REQUIRE(base);
  CHECK(std::filesystem::file_size(base->path) == 100'000);
  CHECK(base->path.parent_path() == folder.path / "image-cache");
  const auto asked = file.web.heads().size();
  CHECK(world.images->base_file(id)->path == base->path);
  CHECK(file.web.heads().size() == asked);
  auto state = *world.images->stores().cache(kBoss);
  REQUIRE(state.cached.size() == 1);
  CHECK(state.cached[0].hits == 2);
  // Whoever changes the data behind the URL changes no guest.
  file.body[50'000] = 'y';
  REQUIRE(world.images->stores().clear_cache(kBoss));
  CHECK_FALSE(world.images->base_file(id));
  CHECK(world.images->stores().cache(kBoss)->cached.empty());
  CHECK(code_of(world.images->stores().cache(kLea)) == ErrorCode::Forbidden);
}

TEST_CASE(
    "the cache keeps to its size: the least recently used go, but not what servers run from") {
  FileServer file(std::string(100'000, 'x'));
  Folder folder;
  ImageSettings settings = with_http(file.web.port);
  settings.stores.cache_bytes = 250'000;
  World world(folder.path, nullptr, std::move(settings));
  std::vector<ImageId> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(world.make(kLea));
    ImageLocationAdd add;
    add.url = file.web.url("/a");
    REQUIRE(world.images->stores().add_location(kLea, ids.back(), add));
  }
  const auto cached = [&] {
    std::set<ImageId> there;
    const auto state = *world.images->stores().cache(kBoss);
    for (const auto& entry : state.cached) there.insert(entry.image);
    return there;
  };
  const auto use = [&](int i) {
    world.clock.advance(std::chrono::minutes(1));
    REQUIRE(world.images->base_file(ids[static_cast<std::size_t>(i)]));
  };
  use(0);
  use(1);
  use(0);
  use(2);  // 1 was used last.
  CHECK((cached() == std::set<ImageId>{ids[0], ids[2]}));
  REQUIRE(world.with([&](store::Txn& txn) { return world.images->pin(txn, ids[0], "server/1"); }));
  use(3);
  CHECK((cached() == std::set<ImageId>{ids[0], ids[3]}));
  CHECK(code_of(world.images->stores().remove_from_cache(kBoss, ids[0])) == ErrorCode::Conflict);
  REQUIRE(world.images->stores().remove_from_cache(kBoss, ids[3]));
  CHECK(code_of(world.images->stores().remove_from_cache(kBoss, ids[3])) == ErrorCode::NotFound);
  REQUIRE(world.images->remove(kLea, ids[0]));
  world.settle();
  CHECK((cached() == std::set<ImageId>{ids[0]}));  // A server still runs from it.
  REQUIRE(
      world.with([&](store::Txn& txn) { return world.images->unpin(txn, ids[0], "server/1"); }));
  world.settle();
  CHECK(cached().empty());
}

TEST_CASE("images are queued for the cache and get there by a task; a local one costs no copy") {
  Folder folder;
  World world(folder.path);
  const ImageId id = world.active(kLea, std::string(100'000, 'x'));
  auto& stores = world.images->stores();
  CHECK(code_of(stores.queue_in_cache(kLea, id)) == ErrorCode::Forbidden);
  CHECK(code_of(stores.queue_in_cache(kBoss, world.make(kLea))) == ErrorCode::Conflict);
  REQUIRE(stores.queue_in_cache(kBoss, id));
  REQUIRE(stores.queue_in_cache(kBoss, id));
  CHECK(stores.cache(kBoss)->queued == std::vector<ImageId>{id});
  world.settle_all();
  const auto state = *stores.cache(kBoss);
  CHECK(state.queued.empty());
  REQUIRE(state.cached.size() == 1);
  // The same blocks of the disk: nothing was copied.
  struct stat stored {
  }, cached{};
  REQUIRE(::stat((folder.path / "images" / id.value).c_str(), &stored) == 0);
  REQUIRE(::stat((folder.path / "image-cache" / id.value).c_str(), &cached) == 0);
  CHECK(stored.st_ino == cached.st_ino);
  // And a host builds on the stored file itself.
  CHECK(world.images->base_file(id)->path == folder.path / "images" / id.value);
  REQUIRE(stores.queue_in_cache(kBoss, id));  // It is there already.
  CHECK(stores.cache(kBoss)->queued.empty());
  REQUIRE(stores.clear_cache(kBoss));
  REQUIRE(stores.queue_in_cache(kBoss, id));
  REQUIRE(stores.clear_cache(kBoss, false, true));
  world.settle_all();
  CHECK(stores.cache(kBoss)->cached.empty());
}

TEST_CASE("what a killed fetch left, and what no image is for, is cleaned") {
  FileServer file(std::string(100'000, 'x'));
  Folder folder;
  World world(folder.path, nullptr, with_http(file.web.port));
  const ImageId id = world.make(kLea);
  ImageLocationAdd add;
  add.url = file.web.url("/a");
  REQUIRE(world.images->stores().add_location(kLea, id, add));
  REQUIRE(world.images->base_file(id));
  const auto cache = folder.path / "image-cache";
  const auto put = [&](const std::string& name) { std::ofstream(cache / name) << "bytes"; };
  put("00000000-0000-4000-8000-000000000001");
  put("00000000-0000-4000-8000-000000000002.part");
  REQUIRE(world.images->stores().clean_cache(kBoss));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(cache)) ++files;
  CHECK(files == 1);
  CHECK(world.images->base_file(id));
}

namespace {

struct CacheLife final : test::Life {
  CacheLife(const std::filesystem::path& folder, std::shared_ptr<store::Store> store,
            RunnerFaults faults)
      : world(folder, std::move(store), {}, std::move(faults)) {}
  void settle() override { world.settle_all(); }
  World world;
};

}  // namespace

TEST_CASE("cache-image fails clean, repeats and survives a crash after every commit") {
  std::unique_ptr<Folder> folder;
  ImageId id;
  test::Scenario scenario;
  scenario.task_type = "cache-image";
  scenario.reset = [&] { folder = std::make_unique<Folder>(); };
  scenario.live = [&](std::shared_ptr<store::Store> store, RunnerFaults faults) {
    return std::make_unique<CacheLife>(folder->path, std::move(store), std::move(faults));
  };
  scenario.prepare = [&](test::Life& life) {
    id = static_cast<CacheLife&>(life).world.active(kLea, "data");
  };
  scenario.begin = [&](test::Life& life) {
    REQUIRE(static_cast<CacheLife&>(life).world.images->stores().queue_in_cache(kBoss, id));
  };
  scenario.check = [&](test::Life& life, bool failed) {
    const auto state = static_cast<CacheLife&>(life).world.images->stores().cache(kBoss);
    REQUIRE(state);
    CHECK(state->queued.empty());
    CHECK(state->cached.size() == (failed ? 0 : 1));
  };
  test::prove_task(scenario);
}

TEST_CASE("stores, locations, their metadata and the queue of the cache are limited in number") {
  FileServer file("data");
  Folder folder;
  World world(folder.path, nullptr, with_http(file.web.port));
  auto& stores = world.images->stores();
  const ImageId id = world.active(kLea, "data");
  ImageLocationAdd add;
  add.url = file.web.url("/a");
  for (std::size_t i = 0; i <= limits::kImageLocationItems; ++i)
    add.metadata[std::to_string(i)] = "x";
  CHECK(code_of(stores.add_location(kLea, id, add)) == ErrorCode::TooLarge);
  add.metadata.clear();
  for (std::size_t i = 1; i <= limits::kImageLocations; ++i) {
    CAPTURE(i);
    add.url = file.web.url("/" + std::to_string(i));
    const auto added = stores.add_location(kLea, id, add);
    if (i < limits::kImageLocations)
      CHECK(added);
    else
      CHECK(code_of(added) == ErrorCode::TooLarge);
  }
  for (std::size_t i = 0; i < limits::kImageCacheQueue; ++i)
    REQUIRE(stores.queue_in_cache(kBoss, world.active(kLea, "x")));
  CHECK(code_of(stores.queue_in_cache(kBoss, id)) == ErrorCode::TooLarge);

  ManualClock clock;
  for (const std::size_t count : {limits::kImageStores - 1, limits::kImageStores}) {
    ImageStoreOptions options;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = "s" + std::to_string(i);
      options.folders[name].folder = folder.path / "stores" / name;
    }
    const auto opened =
        image::StoreSet::open(options, "", image::open_payload_memory(1'000), {}, clock);
    CHECK(opened.has_value() == (count < limits::kImageStores));
  }
  ImageStoreOptions options;
  options.folders[std::string(limits::kImageStoreNameChars + 1, 'a')].folder = folder.path / "long";
  CHECK(code_of(image::StoreSet::open(options, "", image::open_payload_memory(1'000), {}, clock)) ==
        ErrorCode::InvalidArgument);
}
