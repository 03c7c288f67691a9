#include "identity/quota.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "cloudos/image_stores.hpp"
#include "image/broken_payloads.hpp"
#include "image/charge.hpp"
#include "image/records.hpp"
#include "image/world.hpp"
#include "store/faulty.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

const Context kMia = member_of("mia");
constexpr std::int64_t kOneMib = 1 << 20;

void limit(World& world, std::string_view resource, std::int64_t most) {
  REQUIRE(world.with(
      [&](store::Txn& txn) { return Quota::set_limit(txn, kMia.project, resource, most); }));
}

/// Bytes and counts, exactly.
std::int64_t counted(const World& world, const std::string& resource,
                     const ProjectId& project = kMia.project) {
  return Quota::usage(**world.store->snapshot(), project)->at(resource).counted;
}

/// What is counted equals the records, of every project.
void check_counts(const World& world) {
  std::map<std::string, image::Charge> have;
  have["mia"];
  const auto snapshot = *world.store->snapshot();
  const auto images = *records::all<Image>(*snapshot);
  for (const Image& image : images) {
    const image::Charge charge = image::charge_of(image);
    image::Charge& sum = have[image.owner.value];
    sum.images += charge.images;
    sum.uploading += charge.uploading;
    sum.bytes += charge.bytes;
    sum.staged += charge.staged;
  }
  for (const auto& [project, sum] : have) {
    CAPTURE_BOUND(project);
    CHECK(counted(world, "image_count_total", ProjectId{project}) == sum.images);
    CHECK(counted(world, "image_count_uploading", ProjectId{project}) == sum.uploading);
    CHECK(counted(world, "image_size_total", ProjectId{project}) == sum.bytes);
    CHECK(counted(world, "image_stage_total", ProjectId{project}) == sum.staged);
  }
}

std::string mib(std::size_t count) {
  return std::string(count << 20, 'x');
}

std::span<const std::byte> as_bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

TEST_CASE("images are counted, and the one too many is refused") {
  World world;
  limit(world, "image_count_total", 2);
  const ImageId first = world.make(kMia);
  world.make(kMia);
  CHECK(code_of(world.images->create(kMia, {})) == ErrorCode::QuotaExceeded);
  REQUIRE(world.images->remove(kMia, first));
  CHECK(world.images->create(kMia, {}));
  check_counts(world);
}

TEST_CASE("what is announced is taken before the first byte, and given back when it fails") {
  World world;
  limit(world, "image_size_total", 10);
  const ImageId id = world.make(kMia), other = world.make(kMia);
  {
    auto upload = world.images->begin_upload(kMia, id, 8 * kOneMib);
    REQUIRE(upload);
    CHECK(counted(world, "image_size_total") == 8 * kOneMib);
    CHECK(counted(world, "image_count_uploading") == 1);
    check_counts(world);
    CHECK(code_of(world.images->begin_upload(kMia, other, 3 * kOneMib)) ==
          ErrorCode::QuotaExceeded);
    CHECK(world.images->get(kMia, other)->status == ImageStatus::Queued);
    REQUIRE((*upload)->write(as_bytes_of(mib(1))));
  }  // Given up.
  CHECK(counted(world, "image_size_total") == 0);
  CHECK(counted(world, "image_count_uploading") == 0);
  CHECK(world.upload(kMia, other, mib(9)));
  CHECK(counted(world, "image_size_total") == 9 * kOneMib);
  check_counts(world);
}

TEST_CASE("what nobody announced is reserved as it comes, to the last byte of the limit") {
  struct Row {
    std::string what;
    std::size_t bytes;
    bool fits;
  };
  const Row rows[] = {
      {"little, settled at the end", 1, true},
      {"little, one too many", 11, false},
      {"all there is", 10, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    limit(world, "image_size_total", 10);
    const ImageId id = world.make(kMia);
    auto upload = world.images->begin_upload(kMia, id);
    REQUIRE(upload);
    const std::string piece = mib(1);
    Result<void> written;
    for (std::size_t i = 0; i < row.bytes && written; ++i) {
      written = (*upload)->write(as_bytes_of(piece));
      check_counts(world);
    }
    if (row.fits) {
      REQUIRE(written);
      CHECK((*upload)->finish());
    } else {
      CHECK(code_of(written) == ErrorCode::QuotaExceeded);
      CHECK(world.images->get(kMia, id)->status == ImageStatus::Queued);
    }
    CHECK(counted(world, "image_size_total") ==
          (row.fits ? static_cast<std::int64_t>(row.bytes) * kOneMib : 0));
    check_counts(world);
  }
}

TEST_CASE("every copy in a store of ours counts, and uploads under way are bounded") {
  Disks disks;
  ImageSettings settings;
  settings.more_payloads["second"] = disks.open("second");
  World world({}, nullptr, std::move(settings));
  limit(world, "image_size_total", 5);
  limit(world, "image_count_uploading", 1);
  const ImageId id = world.make(kMia), other = world.make(kMia);
  {
    const auto upload = world.images->begin_upload(kMia, other, 1);
    REQUIRE(upload);
    CHECK(code_of(world.images->begin_upload(kMia, id, 1)) == ErrorCode::QuotaExceeded);
  }
  TextSource three(mib(3));
  CHECK(code_of(world.images->upload(kMia, id, three, {"file", "second"})) ==
        ErrorCode::QuotaExceeded);
  TextSource two(mib(2));
  REQUIRE(world.images->upload(kMia, id, two, {"file", "second"}));
  CHECK(counted(world, "image_size_total") == 4 * kOneMib);
  REQUIRE(world.images->stores().remove_copy(kMia, id, "second"));
  CHECK(counted(world, "image_size_total") == 2 * kOneMib);
  check_counts(world);
}

TEST_CASE("an image that is given away takes its bytes with it") {
  World world;
  const ImageId id = world.active(kMia, mib(1));
  ImageUpdate give;
  give.owner = ProjectId{"zoe"};
  REQUIRE(world.images->update(admin_of("root"), id, give));
  CHECK(counted(world, "image_size_total") == 0);
  CHECK(counted(world, "image_size_total", ProjectId{"zoe"}) == kOneMib);
  check_counts(world);
}

TEST_CASE("wherever a process dies, the next one gives back what no image has") {
  for (std::size_t commits = 0; commits < 8; ++commits) {
    CAPTURE(commits);
    Folder folder;
    const std::shared_ptr<store::Store> store = store::open_memory();
    const auto faulty = std::make_shared<store::FaultyStore>(store);
    {
      World life(folder.path, faulty);
      faulty->crash_after(commits);
      const auto id = life.images->create(
          kMia, {.disk_format = DiskFormat::Raw, .container_format = ContainerFormat::Bare});
      if (id) {
        if (auto upload = life.images->begin_upload(kMia, id->id, 6 * kOneMib)) {
          (void)(*upload)->write(as_bytes_of(mib(6))).has_value();
          (void)(*upload)->finish().has_value();
          (void)life.images->remove(kMia, id->id).has_value();
        }
      }
    }
    World next(folder.path, store);
    next.settle_all();
    check_counts(next);
    CHECK(counted(next, "image_count_uploading") == 0);
  }
}

TEST_CASE("a limit holds whoever asks at the same time") {
  Folder folder;
  World world(folder.path);
  limit(world, "image_size_total", 4);
  limit(world, "image_count_total", 12);
  std::vector<std::thread> callers;
  std::atomic<int> stored{0}, refused{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 4; ++i) {
        ImageCreate spec;
        spec.disk_format = DiskFormat::Raw;
        spec.container_format = ContainerFormat::Bare;
        const auto image = world.images->create(kMia, spec);
        if (!image) continue;
        TextSource source(mib(1));
        if (world.images->upload(kMia, image->id, source))
          ++stored;
        else
          ++refused;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(stored == 4);
  CHECK(refused == 8);
  CHECK(counted(world, "image_size_total") == 4 * kOneMib);
  check_counts(world);
}

TEST_CASE("images of before quotas are counted once, over any limit") {
  const std::shared_ptr<store::Store> store = store::open_memory();
  {
    World old({}, store);
    limit(old, "image_count_total", 1);
    for (int i = 0; i < 100; ++i) {
      Image image;
      image.id = ImageId{fmt::format("00000000-0000-4000-8000-{:012}", i)};
      image.owner = kMia.project;
      image.status = ImageStatus::Active;
      image.size_bytes = 3;
      REQUIRE(old.with([&](store::Txn& txn) { return records::insert(txn, image); }));
    }
  }
  for (int life = 0; life < 2; ++life) {
    World next({}, store);
    next.settle_all();
    CHECK(counted(next, "image_count_total") == 100);
    CHECK(counted(next, "image_size_total") == 300);
    check_counts(next);
  }
}

TEST_CASE("the usage of a project is told in the units of its limits") {
  World world;
  limit(world, "image_size_total", 10);
  world.active(kMia, "a few bytes");
  const auto usage = world.images->stores().usage(kMia);
  REQUIRE(usage);
  CHECK(usage->size() == 4);
  CHECK(usage->at("image_size_total").limit == 10);
  CHECK(usage->at("image_size_total").usage == 1);
  CHECK(usage->at("image_count_total").usage == 1);
  CHECK(usage->at("image_count_total").limit == -1);
}
