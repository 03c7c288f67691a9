#include <doctest/doctest.h>

#include <thread>

#include "cloudos/limits.hpp"
#include "image/world.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

const Context kOwner = member_of("owner");

/// Bytes that are made as they are read, and a hook before each read.
class Generated final : public ByteSource {
 public:
  explicit Generated(std::uint64_t total) : left_(total) {}
  Result<std::size_t> read(std::span<std::byte> buffer) override {
    largest_buffer = std::max(largest_buffer, buffer.size());
    if (before_read) CLOUDOS_CHECK(before_read());
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
    std::memset(buffer.data(), 'x', count);
    left_ -= count;
    return count;
  }
  std::optional<std::uint64_t> size() const override { return announced; }
  std::size_t largest_buffer = 0;
  std::optional<std::uint64_t> announced;
  std::function<Result<void>()> before_read;

 private:
  std::uint64_t left_;
};

/// Counts operations of store and payloads alike; from the chosen one on, everything fails and
/// nothing is done any more: the process is dead.
struct Fate {
  int operations = 0;
  int dies_at = INT32_MAX;
  bool alive() { return ++operations <= dies_at; }
};
Failure dead() { return fail(ErrorCode::Unavailable, "the process is dead"); }

class MortalStore final : public store::Store {
 public:
  MortalStore(std::shared_ptr<store::Store> real, std::shared_ptr<Fate> fate)
      : real_(std::move(real)), fate_(std::move(fate)) {}
  Result<std::unique_ptr<store::Snapshot>> snapshot() override {
    if (fate_->operations > fate_->dies_at) return dead();
    return real_->snapshot();
  }
  Result<store::Revision> transact(const store::Body& body) override {
    if (!fate_->alive()) return dead();
    return real_->transact(body);
  }
  std::unique_ptr<store::Watch> watch(std::string prefix, std::function<void()> wake) override {
    return real_->watch(std::move(prefix), std::move(wake));
  }
  Result<store::Changes> changes(std::string_view prefix, store::Revision since) override {
    return real_->changes(prefix, since);
  }

 private:
  std::shared_ptr<store::Store> real_;
  std::shared_ptr<Fate> fate_;
};

class MortalWriter final : public image::PayloadWriter {
 public:
  MortalWriter(std::unique_ptr<image::PayloadWriter> real, std::shared_ptr<Fate> fate,
               std::filesystem::path file)
      : real_(std::move(real)), fate_(std::move(fate)), part_(std::move(file += ".part")) {}
  /// What a killed process leaves: the file as it is, its descriptor closed.
  ~MortalWriter() override {
    if (fate_->operations <= fate_->dies_at || !std::filesystem::exists(part_)) return;
    const std::filesystem::path kept = part_.string() + ".kept";
    std::filesystem::create_hard_link(part_, kept);
    real_.reset();
    std::filesystem::rename(kept, part_);
  }
  Result<void> write(std::span<const std::byte> bytes) override {
    if (!fate_->alive()) return dead();
    return real_->write(bytes);
  }
  image::RandomReader& written() override { return real_->written(); }
  Result<void> publish() override {
    if (!fate_->alive()) return dead();
    return real_->publish();
  }

 private:
  std::unique_ptr<image::PayloadWriter> real_;
  std::shared_ptr<Fate> fate_;
  std::filesystem::path part_;
};

class MortalPayloads final : public image::PayloadStore {
 public:
  MortalPayloads(std::unique_ptr<image::PayloadStore> real, std::shared_ptr<Fate> fate)
      : real_(std::move(real)), fate_(std::move(fate)) {}
  Result<std::unique_ptr<image::PayloadWriter>> create(const ImageId& id) override {
    if (!fate_->alive()) return dead();
    CLOUDOS_TRY(auto writer, real_->create(id));
    return std::unique_ptr<image::PayloadWriter>(
        std::make_unique<MortalWriter>(std::move(writer), fate_, real_->path(id)));
  }
  Result<std::unique_ptr<image::RandomReader>> open(const ImageId& id) const override {
    return real_->open(id);
  }
  Result<void> remove(const ImageId& id) override {
    if (!fate_->alive()) return dead();
    return real_->remove(id);
  }
  Result<std::vector<ImageId>> list() const override { return real_->list(); }
  std::filesystem::path path(const ImageId& id) const override { return real_->path(id); }

 private:
  std::unique_ptr<image::PayloadStore> real_;
  std::shared_ptr<Fate> fate_;
};

std::unique_ptr<image::PayloadStore> files_in(const Folder& folder) {
  auto opened = image::open_payload_files(folder.path / "images");
  REQUIRE(opened);
  return std::move(*opened);
}

/// A payload store whose disk is full after `room` bytes.
class FullWriter final : public image::PayloadWriter {
 public:
  FullWriter(std::unique_ptr<image::PayloadWriter> real, std::size_t room)
      : real_(std::move(real)), room_(room) {}
  Result<void> write(std::span<const std::byte> bytes) override {
    if (bytes.size() > room_) return fail(ErrorCode::StorageFull, "the disk is full");
    room_ -= bytes.size();
    return real_->write(bytes);
  }
  image::RandomReader& written() override { return real_->written(); }
  Result<void> publish() override { return real_->publish(); }

 private:
  std::unique_ptr<image::PayloadWriter> real_;
  std::size_t room_;
};
class FullPayloads final : public image::PayloadStore {
 public:
  FullPayloads(std::unique_ptr<image::PayloadStore> real, std::size_t room)
      : real_(std::move(real)), room_(room) {}
  Result<std::unique_ptr<image::PayloadWriter>> create(const ImageId& id) override {
    CLOUDOS_TRY(auto writer, real_->create(id));
    return std::unique_ptr<image::PayloadWriter>(
        std::make_unique<FullWriter>(std::move(writer), room_));
  }
  Result<std::unique_ptr<image::RandomReader>> open(const ImageId& id) const override {
    return real_->open(id);
  }
  Result<void> remove(const ImageId& id) override { return real_->remove(id); }
  Result<std::vector<ImageId>> list() const override { return real_->list(); }
  std::filesystem::path path(const ImageId& id) const override { return real_->path(id); }

 private:
  std::unique_ptr<image::PayloadStore> real_;
  std::size_t room_;
};

}  // namespace

TEST_CASE("an upload makes the image active with its sizes and checksums, and downloads the same") {
  Folder folder;
  for (const bool files : {true, false}) {
    CAPTURE(files);
    World world(files ? folder.path : std::filesystem::path());
    const ImageId id = world.make(kOwner);
    const auto done = world.upload(kOwner, id, "abc");
    REQUIRE(done);
    CHECK(done->status == ImageStatus::Active);
    CHECK(done->size_bytes == 3);
    CHECK(done->virtual_size_bytes == 3);
    CHECK(done->md5 == "900150983cd24fb0d6963f7d28e17f72");
    CHECK(done->sha512 ==
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23"
          "a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    const auto file = world.images->file(kOwner, id);
    REQUIRE(file);
    CHECK(file->path.empty() == !files);
    CHECK(file->format == DiskFormat::Raw);
    CHECK(file->size_bytes == 3);
    struct Row {
      std::uint64_t offset, length;
      const char* bytes;
    };
    for (const Row& row : {Row{0, UINT64_MAX, "abc"}, Row{1, 1, "b"}, Row{2, 9, "c"},
                           Row{3, 1, ""}, Row{UINT64_MAX, UINT64_MAX, ""}, Row{0, 0, ""}}) {
      CAPTURE(row.offset);
      const auto source = world.images->read(kOwner, id, row.offset, row.length);
      REQUIRE(source);
      CHECK((*source)->size() == std::string_view(row.bytes).size());
      CHECK(drained(**source) == row.bytes);
    }
  }
}

TEST_CASE("the virtual size is the disk's, not the file's") {
  World world;
  ImageCreate spec;
  spec.disk_format = DiskFormat::Qcow2;
  const ImageId id = world.active(kOwner, qcow2().bytes, spec);
  const auto file = world.images->base_file(id);
  REQUIRE(file);
  CHECK(file->format == DiskFormat::Qcow2);
  CHECK(file->virtual_size_bytes == 64 << 20);
  CHECK(file->size_bytes == qcow2().bytes.size());
}

TEST_CASE("refused data leaves the image queued, no byte, and says why") {
  struct Row {
    std::string what;
    DiskFormat disk;
    std::string bytes;
    ErrorCode code;
    const char* says;
  };
  const Row rows[] = {
      {"qcow2 that claims to be raw", DiskFormat::Raw, qcow2_with_backing("/etc/passwd").bytes,
       ErrorCode::InvalidArgument, "backing file"},
      {"whole qcow2 as raw", DiskFormat::Raw, qcow2().bytes, ErrorCode::InvalidArgument,
       "it is qcow2, not raw"},
      {"vmdk that names a host file", DiskFormat::Vmdk,
       vmdk(vmdk_descriptor("monolithicSparse", "RW 2048 SPARSE \"/etc/passwd\"")).bytes,
       ErrorCode::InvalidArgument, "/etc/passwd"},
      {"data file", DiskFormat::Qcow2, qcow2_with_extension(0x44415441, "/etc/shadow").bytes,
       ErrorCode::InvalidArgument, "external data file"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Folder folder;
    World world(folder.path);
    ImageCreate spec;
    spec.disk_format = row.disk;
    const ImageId id = world.make(kOwner, spec);
    const auto refused = world.upload(kOwner, id, row.bytes);
    CHECK(code_of(refused) == row.code);
    CHECK(refused.error().message.find(row.says) != std::string::npos);
    const auto image = world.images->get(kOwner, id);
    REQUIRE(image);
    CHECK(image->status == ImageStatus::Queued);
    CHECK_FALSE(image->size_bytes.has_value());
    CHECK(image->md5.empty());
    CHECK(folder.files() == 0);
    CHECK(code_of(world.images->base_file(id)) == ErrorCode::NotFound);
  }
}

TEST_CASE("data of no bytes is stored as asked, and no server boots from it") {
  Folder folder;
  World world(folder.path);
  const ImageId id = world.active(kOwner, "");
  const auto image = world.images->get(kOwner, id);
  REQUIRE(image);
  CHECK(image->size_bytes == 0);
  CHECK(image->md5 == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(image->format_problem == "it has no bytes");
  CHECK_FALSE(world.with([&](store::Txn& txn) { return world.images->pin(txn, id, "server/1"); }));
  const auto source = world.images->read(kOwner, id);
  REQUIRE(source);
  CHECK(drained(**source).empty());
}

TEST_CASE("an upload needs formats, and an image takes data once") {
  World world;
  const auto bare = world.images->create(kOwner, {});
  REQUIRE(bare);
  CHECK(code_of(world.upload(kOwner, bare->id, "x")) == ErrorCode::InvalidArgument);
  const ImageId id = world.active(kOwner, "x");
  CHECK(code_of(world.upload(kOwner, id, "y")) == ErrorCode::Conflict);
  const auto source = world.images->read(kOwner, id);
  REQUIRE(source);
  CHECK(drained(**source) == "x");
  CHECK(code_of(world.upload(kOwner, ImageId{"none"}, "x")) == ErrorCode::NotFound);
}

TEST_CASE("archives are kept as they are, and no server boots from them") {
  World world;
  ImageCreate spec;
  spec.container_format = ContainerFormat::Ova;
  spec.disk_format = DiskFormat::Vmdk;
  const ImageId id = world.active(kOwner, "a tar file", spec);
  CHECK_FALSE(world.images->get(kOwner, id)->virtual_size_bytes.has_value());
  CHECK(code_of(world.with([&](store::Txn& txn) {
          return world.images->pin(txn, id, "server/1");
        })) == ErrorCode::Conflict);
}

TEST_CASE("64 MiB pass through a buffer of fixed size") {
  Folder folder;
  World world(folder.path);
  const ImageId id = world.make(kOwner);
  Generated source(64 << 20);
  const auto done = world.images->upload(kOwner, id, source);
  REQUIRE(done);
  CHECK(done->size_bytes == 64 << 20);
  CHECK(source.largest_buffer == limits::kImageChunkBytes);
  CHECK(std::filesystem::file_size(world.images->file(kOwner, id)->path) == 64 << 20);
}

TEST_CASE("an upload that is too large, cut short or broken off leaves no byte") {
  struct Row {
    std::string what;
    std::uint64_t bytes;
    std::optional<std::uint64_t> announced;
    bool breaks_off;
    ErrorCode code;
  };
  const Row rows[] = {
      {"larger than the limit", 1'001, {}, false, ErrorCode::TooLarge},
      {"announced larger than the limit", 0, 1'001, false, ErrorCode::TooLarge},
      {"shorter than announced", 500, 600, false, ErrorCode::InvalidArgument},
      {"the sender goes away", 500, {}, true, ErrorCode::Unavailable},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Folder folder;
    ImageSettings settings;
    settings.max_bytes = 1'000;
    World world(folder.path, nullptr, std::move(settings));
    const ImageId id = world.make(kOwner);
    Generated source(row.bytes);
    source.announced = row.announced;
    int reads = 0;
    source.before_read = [&]() -> Result<void> {
      if (row.breaks_off && ++reads == 2) return fail(ErrorCode::Unavailable, "gone");
      return Result<void>();
    };
    CHECK(code_of(world.images->upload(kOwner, id, source)) == row.code);
    CHECK(world.images->get(kOwner, id)->status == ImageStatus::Queued);
    CHECK(folder.files() == 0);
    CHECK(world.upload(kOwner, id, std::string(1'000, 'x')));  // And it can be tried again.
  }
}

TEST_CASE("a full disk is a clear error and frees what was written") {
  Folder folder;
  ImageSettings settings;
  settings.payloads = std::make_unique<FullPayloads>(files_in(folder), limits::kImageChunkBytes);
  World world(folder.path, nullptr, std::move(settings));
  const ImageId id = world.make(kOwner);
  Generated source(3 * limits::kImageChunkBytes);
  CHECK(code_of(world.images->upload(kOwner, id, source)) == ErrorCode::StorageFull);
  CHECK(folder.files() == 0);
  CHECK(world.images->get(kOwner, id)->status == ImageStatus::Queued);
}

TEST_CASE("a second upload to an image that is being uploaded is a conflict, and harms nothing") {
  Folder folder;
  World world(folder.path);
  const ImageId id = world.make(kOwner);
  Generated source(1'000);
  int inner = 0;
  source.before_read = [&]() -> Result<void> {
    if (inner++ > 0) return Result<void>();
    CHECK(world.images->get(kOwner, id)->status == ImageStatus::Saving);
    CHECK(code_of(world.upload(kOwner, id, "other")) == ErrorCode::Conflict);
    CHECK(code_of(world.upload(member_of("eve"), id, "other")) == ErrorCode::NotFound);
    world.settle();  // The reconciler leaves a running upload alone.
    CHECK(folder.files() == 1);
    return Result<void>();
  };
  const auto done = world.images->upload(kOwner, id, source);
  REQUIRE(done);
  CHECK(done->size_bytes == 1'000);
}

TEST_CASE("an image deleted during its upload leaves no byte, and the upload fails") {
  Folder folder;
  World world(folder.path);
  const ImageId id = world.make(kOwner);
  Generated source(8 * limits::kImageChunkBytes);
  int reads = 0;
  source.before_read = [&]() -> Result<void> {
    if (++reads == 3) CHECK(world.images->remove(kOwner, id));
    return Result<void>();
  };
  CHECK(code_of(world.images->upload(kOwner, id, source)) == ErrorCode::NotFound);
  CHECK(reads == 3);  // The rest is not waited for.
  CHECK(folder.files() == 0);
  world.settle();
  CHECK(world.keys_left() == 0);
}

TEST_CASE("deleting an image removes its bytes, then frees its id") {
  Folder folder;
  World world(folder.path);
  ImageCreate spec;
  spec.id = ImageId{"aaaaaaaa-1111-2222-3333-444455556666"};
  const ImageId id = world.active(kOwner, "bytes", spec);
  REQUIRE(world.images->remove(kOwner, id));
  CHECK(code_of(world.images->get(kOwner, id)) == ErrorCode::NotFound);
  CHECK(code_of(world.images->base_file(id)) == ErrorCode::NotFound);
  CHECK(code_of(world.images->remove(kOwner, id)) == ErrorCode::NotFound);
  CHECK(code_of(world.images->create(kOwner, spec)) == ErrorCode::AlreadyExists);
  world.settle();
  CHECK(folder.files() == 0);
  CHECK(world.keys_left() == 0);
  CHECK(world.images->create(kOwner, spec));
}

TEST_CASE("pinned data outlives its image and restarts, and goes with the last pin") {
  Folder folder;
  std::shared_ptr<store::Store> store = store::open_memory();
  ImageId id;
  {
    World world(folder.path, store);
    id = world.active(kOwner, "bytes");
    for (const char* holder : {"server/1", "server/2", "server/2"}) {
      CHECK(world.with([&](store::Txn& txn) { return world.images->pin(txn, id, holder); }));
    }
    REQUIRE(world.images->remove(kOwner, id));
    world.settle();
    CHECK(folder.files() == 1);
    CHECK(code_of(world.with([&](store::Txn& txn) {
            return world.images->pin(txn, id, "server/3");
          })) == ErrorCode::NotFound);
  }
  World world(folder.path, store);
  world.settle();
  const auto base = world.images->base_file(id);
  REQUIRE(base);
  CHECK(std::filesystem::file_size(base->path) == 5);
  const auto unpin = [&](const char* holder) {
    CHECK(world.with([&](store::Txn& txn) { return world.images->unpin(txn, id, holder); }));
    world.settle();
  };
  unpin("server/1");
  unpin("server/1");
  unpin("server/none");
  CHECK(folder.files() == 1);
  unpin("server/2");
  CHECK(folder.files() == 0);
  CHECK(world.keys_left() == 0);
}

TEST_CASE("an image that exists keeps its data when its last pin goes") {
  World world;
  const ImageId id = world.active(kOwner, "bytes");
  CHECK(world.with([&](store::Txn& txn) { return world.images->pin(txn, id, "server/1"); }));
  CHECK(world.with([&](store::Txn& txn) { return world.images->unpin(txn, id, "server/1"); }));
  world.settle();
  CHECK(world.images->base_file(id));
}

TEST_CASE("a queued image cannot be pinned") {
  World world;
  const ImageId id = world.make(kOwner);
  CHECK(code_of(world.with([&](store::Txn& txn) {
          return world.images->pin(txn, id, "server/1");
        })) == ErrorCode::Conflict);
}

TEST_CASE("wherever an upload crashes, the next start finds it whole or cleans up") {
  int dies_at = 0;
  bool survived = false;
  bool seen_queued = false;
  while (!survived) {
    CAPTURE(dies_at);
    REQUIRE(dies_at < 50);
    Folder folder;
    std::shared_ptr<store::Store> store = store::open_memory();
    const auto fate = std::make_shared<Fate>();
    ImageId id;
    {
      ImageSettings settings;
      settings.payloads = std::make_unique<MortalPayloads>(files_in(folder), fate);
      World life(folder.path, std::make_shared<MortalStore>(store, fate), std::move(settings));
      id = life.make(kOwner);
      fate->operations = 0;
      fate->dies_at = dies_at;
      Generated source(2 * limits::kImageChunkBytes);
      survived = life.images->upload(kOwner, id, source).has_value();
    }
    World next(folder.path, store);
    next.settle();
    const auto image = next.images->get(kOwner, id);
    REQUIRE(image);
    if (image->status == ImageStatus::Active) {
      CHECK(std::filesystem::file_size(next.images->file(kOwner, id)->path) ==
            2 * limits::kImageChunkBytes);
    } else {
      seen_queued = true;
      CHECK(image->status == ImageStatus::Queued);
      CHECK(folder.files() == 0);
      CHECK(next.upload(kOwner, id, "again"));
    }
    ++dies_at;
  }
  CHECK(dies_at >= 5);  // begin, create, two writes, publish, commit
  CHECK(seen_queued);
}

TEST_CASE("an image left saving takes a new upload even before the reconciler ran") {
  Folder folder;
  std::shared_ptr<store::Store> store = store::open_memory();
  const auto fate = std::make_shared<Fate>();
  ImageId id;
  {
    ImageSettings settings;
    settings.payloads = std::make_unique<MortalPayloads>(files_in(folder), fate);
    World life(folder.path, std::make_shared<MortalStore>(store, fate), std::move(settings));
    id = life.make(kOwner);
    fate->operations = 0;
    fate->dies_at = 2;
    CHECK_FALSE(life.upload(kOwner, id, "lost"));
  }
  World next(folder.path, store);
  CHECK(next.images->get(kOwner, id)->status == ImageStatus::Saving);
  CHECK(next.upload(kOwner, id, "found"));
}

TEST_CASE("a crash between delete and sweep leaves nothing after the next start") {
  Folder folder;
  std::shared_ptr<store::Store> store = store::open_memory();
  {
    World life(folder.path, store);
    REQUIRE(life.images->remove(kOwner, life.active(kOwner, "bytes")));
  }
  CHECK(folder.files() == 1);
  World next(folder.path, store);
  next.settle();
  CHECK(folder.files() == 0);
  CHECK(next.keys_left() == 0);
}

TEST_CASE("the sweep works through more garbage than one pass takes") {
  World world;
  std::vector<ImageId> ids;
  for (std::size_t i = 0; i < limits::kImageSweepItems + 3; ++i)
    ids.push_back(world.active(kOwner, "x"));
  for (const ImageId& id : ids) REQUIRE(world.images->remove(kOwner, id));
  world.settle();
  CHECK(world.keys_left() == 0);
}

TEST_CASE("uploads and deletes of many threads leave what the records say") {
  Folder folder;
  World world(folder.path);
  std::vector<ImageId> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(world.make(kOwner));
  std::atomic<int> succeeded{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        TextSource source(std::string(1'000, 'x'));
        if (world.images->upload(kOwner, ids[i], source)) ++succeeded;
        if (t == 0 && i == 1) (void)world.images->remove(kOwner, ids[1]).has_value();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  world.settle();
  CHECK(succeeded >= 3);
  CHECK(succeeded <= 4);
  CHECK(folder.files() == 3);
}
