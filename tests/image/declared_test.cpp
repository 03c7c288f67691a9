#include "cloudos/image_imports.hpp"
#include "cloudos/image_stores.hpp"
#include "image/file_server.hpp"
#include "image/imports.hpp"
#include "support/task_proofs.hpp"

using namespace cloudos;
using namespace image_test;

// Locations that were declared rather than read: who compares them, and when.
namespace {

const Context kMila = member_of("mila");

ImageLocationAdd declared(const FileServer& file, const std::string& hash,
                          const std::string& target = "/disk") {
  ImageLocationAdd add;
  add.url = file.web.url(target);
  add.hash = hash;
  return add;
}

Result<Image> declare(World& world, const ImageId& id, const ImageLocationAdd& add,
                      const ImageUpdate& attributes = {}) {
  ImageLocationChange change;
  change.wanted.push_back(add);
  return world.images->stores().change(kMila, id, attributes, {change});
}

/// What a reader gets before the end or an error; and which.
struct Got {
  std::string bytes;
  std::optional<ErrorCode> failed;
};
Got read_all(World& world, const ImageId& id, std::uint64_t from = 0) {
  Got got;
  const auto source = world.images->read(kMila, id, from);
  if (!source) {
    got.failed = source.error().code;
    return got;
  }
  std::vector<std::byte> piece(10'000);
  for (;;) {
    const auto more = (*source)->read(piece);
    if (!more) got.failed = more.error().code;
    if (!more || *more == 0) return got;
    got.bytes.append(reinterpret_cast<const char*>(piece.data()), *more);
  }
}

ImageLocation location_at(World& world, const ImageId& id, std::size_t at) {
  const auto image = world.images->get(kMila, id);
  REQUIRE(image);
  REQUIRE(image->locations.size() > at);
  return image->locations[at];
}

const std::string kWrong(128, 'a');

}  // namespace

TEST_CASE("what is declared of a location is recorded, and compared by who reads it first") {
  FileServer file(std::string(200'000, 'x'));
  World world({}, nullptr, with_http(file.web.port));
  const ImageId id = world.make(kMila);
  const auto active = declare(world, id, declared(file, sha512_of(file.body)));
  REQUIRE(active);
  CHECK(active->status == ImageStatus::Active);
  CHECK(active->size_bytes == 200'000);
  CHECK(active->sha512 == sha512_of(file.body));
  CHECK(location_at(world, id, 0).unverified);
  const Got got = read_all(world, id);
  CHECK_FALSE(got.failed);
  CHECK((got.bytes == file.body));
  CHECK_FALSE(location_at(world, id, 0).unverified);
  CHECK(location_at(world, id, 0).problem.empty());
}

TEST_CASE("nobody is given the whole of what is not as declared, and it is read no more") {
  FileServer file(std::string(200'000, 'x'));
  Folder folder;
  World world(folder.path, nullptr, with_http(file.web.port));
  const ImageId id = world.make(kMila);
  SUBCASE("a download ends before its last bytes") {
    REQUIRE(declare(world, id, declared(file, kWrong)));
    const Got got = read_all(world, id);
    CHECK(got.failed == ErrorCode::Conflict);
    CHECK(got.bytes.size() < file.body.size());
  }
  SUBCASE("a part is given out after the whole was compared only") {
    REQUIRE(declare(world, id, declared(file, kWrong)));
    const Got got = read_all(world, id, 150'000);
    CHECK(got.failed == ErrorCode::Conflict);
    CHECK(got.bytes.empty());
  }
  SUBCASE("a boot fails and says why") {
    REQUIRE(declare(world, id, declared(file, kWrong)));
    const auto base = world.images->base_file(id);
    CHECK(code_of(base) == ErrorCode::Conflict);
    CHECK(base.error().message.find("not what was declared") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(folder.path / "image-cache" / id.value));
  }
  SUBCASE("a copy fails and leaves nothing") {
    REQUIRE(declare(world, id, declared(file, kWrong)));
    REQUIRE(world.images->stores().copy(kMila, id, {"file"}));
    world.settle_all();
    CHECK(world.images->get(kMila, id)->failed_stores == std::vector<std::string>{"file"});
    CHECK(folder.files() == 0);
  }
  CHECK(location_at(world, id, 0).problem.find("not what was declared") != std::string::npos);
  // From then on nobody asks the server again.
  const auto asked = file.web.heads().size();
  CHECK(read_all(world, id).failed == ErrorCode::Conflict);
  CHECK(code_of(world.images->base_file(id)) == ErrorCode::Conflict);
  CHECK(file.web.heads().size() == asked);
}

TEST_CASE("of two declared locations the one that holds is used") {
  const std::string body(100'000, 'x');
  FileServer wrong(std::string(99'999, 'x') + "y"), right(body);
  Folder folder;
  ImageSettings settings = with_http(wrong.web.port);
  settings.imports.web.ports.push_back(right.web.port);
  World world(folder.path, nullptr, std::move(settings));
  const ImageId id = world.make(kMila);
  REQUIRE(declare(world, id, declared(wrong, sha512_of(body))));
  REQUIRE(declare(world, id, declared(right, sha512_of(body))));
  SUBCASE("a boot goes on with it at once") {
    const auto base = world.images->base_file(id);
    REQUIRE(base);
    CHECK(std::filesystem::file_size(base->path) == body.size());
  }
  SUBCASE("so does a copy") {
    REQUIRE(world.images->stores().copy(kMila, id, {"file"}));
    world.settle_all();
    CHECK(location_at(world, id, 2).store == "file");
  }
  SUBCASE("and a part") {
    const Got got = read_all(world, id, 50'000);
    CHECK_FALSE(got.failed);
    CHECK(got.bytes.size() == 50'000);
  }
  SUBCASE("a download of the whole has begun with the wrong one: the next has the right one") {
    CHECK(read_all(world, id).failed == ErrorCode::Conflict);
    CHECK((read_all(world, id).bytes == body));
  }
  CHECK_FALSE(location_at(world, id, 0).problem.empty());
  CHECK(location_at(world, id, 1).problem.empty());
  CHECK_FALSE(location_at(world, id, 1).unverified);
}

TEST_CASE("content that changes behind its declared checksum boots no server") {
  // The server shows a plain disk when it is asked first, and then what the checksum is of.
  const std::string trick = qcow2_with_backing("/etc/passwd").bytes;
  const std::string shown = qcow2().bytes;
  FileServer file(shown + std::string(trick.size() > shown.size() ? trick.size() - shown.size() : 0,
                                      '\0'));
  Folder folder;
  World world(folder.path, nullptr, with_http(file.web.port));
  ImageCreate spec;
  spec.disk_format = DiskFormat::Qcow2;
  const ImageId id = world.make(kMila, spec);
  std::string later = trick;
  later.resize(file.body.size(), '\0');
  REQUIRE(declare(world, id, declared(file, sha512_of(later))));
  file.body = later;
  const auto base = world.images->base_file(id);
  CHECK(code_of(base) == ErrorCode::Conflict);
  CHECK_FALSE(std::filesystem::exists(folder.path / "image-cache" / id.value));
  CHECK_FALSE(location_at(world, id, 0).problem.empty());
}

TEST_CASE("what is declared must be a checksum, and that of the data which is there") {
  FileServer file(std::string(1'000, 'x'));
  World world({}, nullptr, with_http(file.web.port));
  const ImageId id = world.make(kMila);
  ImageLocationAdd add = declared(file, "00");
  CHECK(code_of(declare(world, id, add)) == ErrorCode::InvalidArgument);
  add = declared(file, std::string(64, 'a'));
  add.hash_algorithm = "sha256";
  CHECK(code_of(declare(world, id, add)) == ErrorCode::InvalidArgument);
  REQUIRE(declare(world, id, declared(file, kWrong)));
  struct Row {
    std::string what, hash, md5, algorithm;
  };
  const Row rows[] = {{"another hash", std::string(128, 'b'), "", "sha512"},
                      {"another algorithm", kWrong, "", "sha256"},
                      {"all of it", std::string(128, 'b'), std::string(32, '2'), "sha256"}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    add = declared(file, row.hash, "/another");
    add.md5 = row.md5;
    add.hash_algorithm = row.algorithm;
    CHECK(code_of(declare(world, id, add)) == ErrorCode::Conflict);
  }
  CHECK(world.images->get(kMila, id)->locations.size() == 1);
}

TEST_CASE("attributes and locations are one commit: all of it or nothing") {
  FileServer file(std::string(1'000, 'x'));
  World world({}, nullptr, with_http(file.web.port));
  const auto bare = world.images->create(kMila, {});
  REQUIRE(bare);
  ImageUpdate attributes;
  attributes.name = "new";
  CHECK(code_of(declare(world, bare->id, declared(file, kWrong), attributes)) ==
        ErrorCode::InvalidArgument);  // It has no formats.
  CHECK(world.images->get(kMila, bare->id)->name.empty());
  attributes.disk_format = DiskFormat::Raw;
  attributes.container_format = ContainerFormat::Bare;
  const auto before = (*world.store->snapshot())->revision();
  const auto active = declare(world, bare->id, declared(file, sha512_of(file.body)), attributes);
  REQUIRE(active);
  CHECK((*world.store->snapshot())->revision() == before + 1);
  CHECK(active->name == "new");
  CHECK(active->status == ImageStatus::Active);
  ImageLocationChange away;
  away.kind = ImageLocationChange::Kind::Remove;
  attributes = {};
  attributes.name = "newer";
  CHECK(code_of(world.images->stores().change(kMila, bare->id, attributes, {away})) ==
        ErrorCode::Forbidden);  // The last one.
  CHECK(world.images->get(kMila, bare->id)->name == "new");
}

TEST_CASE("a location that is queued is verified by a task") {
  FileServer file(std::string(200'000, 'x'));
  World world({}, nullptr, with_http(file.web.port));
  auto& stores = world.images->stores();
  const auto tasks_of = [&](const ImageId& id) {
    return *world.images->imports().image_tasks(kMila, id);
  };
  const ImageId id = world.make(kMila);
  SUBCASE("of an image without data, which is active when the data is what it should be") {
    REQUIRE(stores.queue_location(kMila, id, declared(file, "")));
    CHECK(file.web.heads().empty());
    CHECK(world.images->get(kMila, id)->status == ImageStatus::Importing);
    CHECK(code_of(stores.queue_location(kMila, id, declared(file, "", "/b"))) ==
          ErrorCode::Conflict);
    world.settle_all();
    const auto image = world.images->get(kMila, id);
    CHECK(image->status == ImageStatus::Active);
    CHECK(image->sha512 == sha512_of(file.body));
    CHECK_FALSE(location_at(world, id, 0).unverified);
    CHECK(image->properties.empty());
    CHECK(tasks_of(id).at(0).status == ImageTaskStatus::Success);
  }
  SUBCASE("of an image without data, which is queued again when it is not") {
    REQUIRE(stores.queue_location(kMila, id, declared(file, kWrong)));
    world.settle_all();
    CHECK(world.images->get(kMila, id)->status == ImageStatus::Queued);
    CHECK(world.images->get(kMila, id)->properties.empty());
    CHECK(tasks_of(id).at(0).status == ImageTaskStatus::Failure);
    CHECK(tasks_of(id).at(0).message.find("checksum") != std::string::npos);
    CHECK(world.upload(kMila, id, "data"));
  }
  SUBCASE("of an image with data, where it shows at once") {
    REQUIRE(world.upload(kMila, id, file.body));
    const auto queued = stores.queue_location(kMila, id, declared(file, ""));
    REQUIRE(queued);
    CHECK(queued->unverified);
    CHECK(location_at(world, id, 1).unverified);
    world.settle_all();
    CHECK_FALSE(location_at(world, id, 1).unverified);
    CHECK(location_at(world, id, 1).problem.empty());
  }
  SUBCASE("of an image with other data, where it shows why it is never read") {
    REQUIRE(world.upload(kMila, id, "other"));
    REQUIRE(stores.queue_location(kMila, id, declared(file, "")));
    world.settle_all();
    CHECK_FALSE(location_at(world, id, 1).problem.empty());
    CHECK(read_all(world, id).bytes == "other");
  }
  SUBCASE("of an image that is deleted meanwhile") {
    REQUIRE(stores.queue_location(kMila, id, declared(file, "")));
    REQUIRE(world.images->remove(kMila, id));
    world.settle_all();
    CHECK(code_of(world.images->get(kMila, id)) == ErrorCode::NotFound);
  }
}

namespace {

struct LocationLife final : test::Life {
  LocationLife(std::uint16_t port, std::shared_ptr<store::Store> store, RunnerFaults faults)
      : world({}, std::move(store), with_http(port), std::move(faults)) {}
  void settle() override { world.settle_all(); }
  World world;
};

}  // namespace

TEST_CASE("add-location fails clean, repeats and survives a crash after every commit") {
  FileServer file(std::string(1'000, 'x'));
  ImageId id;
  const auto world = [](test::Life& life) -> World& {
    return static_cast<LocationLife&>(life).world;
  };
  test::Scenario scenario;
  scenario.task_type = image::kLocationTask;
  scenario.reset = [] {};
  scenario.live = [&](std::shared_ptr<store::Store> store, RunnerFaults faults) {
    return std::make_unique<LocationLife>(file.web.port, std::move(store), std::move(faults));
  };
  scenario.prepare = [&](test::Life& life) { id = world(life).make(kMila); };
  scenario.begin = [&](test::Life& life) {
    REQUIRE(world(life).images->stores().queue_location(kMila, id, declared(file, "")));
  };
  scenario.check = [&](test::Life& life, bool failed) {
    const auto image = world(life).images->get(kMila, id);
    REQUIRE(image);
    CHECK(image->properties.empty());
    CHECK((image->status == ImageStatus::Queued || !failed));
    CHECK((image->status == ImageStatus::Active) == image->size_bytes.has_value());
    CHECK(image->locations.size() == (image->size_bytes ? 1 : 0));
  };
  test::prove_task(scenario);
}
