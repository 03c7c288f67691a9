#include <openssl/evp.h>
#include <zlib.h>

#include <fstream>

#include "base/text.hpp"
#include "cloudos/image_imports.hpp"
#include "cloudos/image_stores.hpp"
#include "image/imports.hpp"
#include "image/world.hpp"
#include "support/task_proofs.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

using Urls = std::map<std::string, std::string>;

/// Downloads come from a table; what is not in it is a server that does not answer.
image::OpenUrl open_table(std::shared_ptr<Urls> urls) {
  return [urls](const std::string& url, const image::GoOn& go_on)
             -> Result<std::unique_ptr<ByteSource>> {
    CLOUDOS_CHECK(go_on());
    const auto at = urls->find(url);
    if (at == urls->end()) return fail(ErrorCode::Unavailable, "the server does not answer");
    return std::unique_ptr<ByteSource>(std::make_unique<TextSource>(at->second));
  };
}

ImageSettings settings_of(std::shared_ptr<Urls> urls, const std::filesystem::path& folder) {
  ImageSettings settings;
  settings.open_url = open_table(std::move(urls));
  if (!folder.empty()) settings.stores.folders["second"] = {folder / "second", "", 1, 0};
  return settings;
}

struct ImportWorld : World {
  explicit ImportWorld(std::filesystem::path folder = {}, ImageSettings settings = {},
                       std::shared_ptr<store::Store> shared = nullptr, RunnerFaults faults = {})
      : World(folder, std::move(shared), std::move(settings), std::move(faults)),
        place(std::move(folder)) {}
  ImageImports& imports() { return images->imports(); }
  Result<void> stage(const Context& ctx, const ImageId& id, std::string bytes) {
    TextSource source(std::move(bytes));
    return imports().stage(ctx, id, source);
  }
  Image get(const ImageId& id) {
    const auto found = images->get(Context::system(), id);
    REQUIRE(found);
    return *found;
  }
  ImageTask task_of(const ImageId& id) {
    const auto all = imports().image_tasks(Context::system(), id);
    REQUIRE(all);
    REQUIRE_FALSE(all->empty());
    return all->front();
  }
  std::string data(const ImageId& id) {
    const auto source = images->read(Context::system(), id);
    REQUIRE(source);
    return drained(**source);
  }
  /// Staged and converted files that are left.
  std::size_t staged_files() const {
    std::size_t count = 0;
    std::error_code error;
    for (const auto& file :
         std::filesystem::recursive_directory_iterator(place / "image-staging", error))
      count += file.is_regular_file();
    return count;
  }
  const std::filesystem::path place;
};

ImageImport web(std::string uri = "https://example.org/disk") {
  ImageImport wish;
  wish.method = ImportMethod::WebDownload;
  wish.uri = std::move(uri);
  return wish;
}

const std::string kDisk(200'000, 'd');

std::string gzipped(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<unsigned>(text.size());
  stream.next_out = reinterpret_cast<unsigned char*>(out.data());
  stream.avail_out = static_cast<unsigned>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

TEST_CASE("staged data becomes an image by import, and is staged no longer") {
  const Folder folder;
  ImportWorld w(folder.path);
  const Context me = member_of("p");
  const ImageId id = w.make(me);
  REQUIRE(w.stage(me, id, kDisk));
  CHECK(w.get(id).status == ImageStatus::Uploading);
  CHECK(w.get(id).staged_bytes == kDisk.size());
  CHECK_FALSE(w.get(id).size_bytes);
  CHECK(w.staged_files() == 1);
  CHECK(code_of(w.images->file(me, id)) == ErrorCode::Conflict);
  CHECK(code_of(w.upload(me, id, "other")) == ErrorCode::Conflict);
  CHECK(code_of(w.stage(me, id, "again")) == ErrorCode::Conflict);
  const auto task = w.imports().import(me, id, {});
  REQUIRE(task);
  CHECK(task->status == ImageTaskStatus::Pending);
  CHECK(w.get(id).status == ImageStatus::Importing);
  CHECK(w.get(id).properties.at("os_glance_import_task") == task->id.value);
  CHECK(code_of(w.imports().import(me, id, {})) == ErrorCode::Conflict);
  w.settle_all();
  const Image image = w.get(id);
  CHECK(image.status == ImageStatus::Active);
  CHECK(image.size_bytes == kDisk.size());
  CHECK(image.virtual_size_bytes == kDisk.size());
  CHECK(image.md5.size() == 32);
  CHECK(image.sha512.size() == 128);
  CHECK(image.staged_bytes == 0);
  CHECK(image.properties.count("os_glance_import_task") == 0);
  CHECK(image.importing_to.empty());
  CHECK(w.data(id) == kDisk);
  CHECK(w.staged_files() == 0);
  CHECK(w.task_of(id).status == ImageTaskStatus::Success);
  CHECK(w.task_of(id).expires_at);
}

TEST_CASE("a web download becomes an image, and one that fails gives it back with the reason") {
  const Folder folder;
  const auto urls = std::make_shared<Urls>();
  (*urls)["https://example.org/disk"] = kDisk;
  (*urls)["https://example.org/trick"] = qcow2_with_backing("/etc/passwd").bytes;
  (*urls)["https://example.org/nothing"] = "";
  ImportWorld w(folder.path, settings_of(urls, folder.path));
  const Context me = member_of("p");
  const ImageId good = w.make(me);
  REQUIRE(w.imports().import(me, good, web()));
  w.settle_all();
  CHECK(w.get(good).status == ImageStatus::Active);
  CHECK(w.data(good) == kDisk);
  struct Row {
    std::string what, uri, message;
  };
  const Row rows[] = {
      {"a trick", "https://example.org/trick", "backing file"},
      {"no bytes", "https://example.org/nothing", "no bytes"},
      {"no answer", "https://example.org/gone", "does not answer"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const ImageId id = w.make(me);
    REQUIRE(w.imports().import(me, id, web(row.uri)));
    w.settle_all();
    const Image image = w.get(id);
    CHECK(image.status == ImageStatus::Queued);
    CHECK(image.staged_bytes == 0);
    CHECK(image.reserved_bytes == 0);
    CHECK(image.properties.empty());
    CHECK(image.failed_stores.size() == 1);
    const ImageTask task = w.task_of(id);
    CHECK(task.status == ImageTaskStatus::Failure);
    CHECK(task.message.find(row.message) != std::string::npos);
    CHECK(w.staged_files() == 0);
    // The owner may try again, also by an upload.
    CHECK(w.upload(me, id, kDisk));
  }
}

TEST_CASE("an import is refused before anything is recorded when it cannot be meant") {
  const Folder folder;
  ImportWorld w(folder.path, settings_of(std::make_shared<Urls>(), folder.path));
  const Context me = member_of("p"), other = member_of("q");
  const ImageId queued = w.make(me), active = w.active(me, kDisk);
  const auto bare = w.images->create(me, {});
  REQUIRE(bare);
  ImageImport both = web();
  both.stores = {"file"};
  both.all_stores = true;
  ImageImport nowhere = web();
  nowhere.stores = {"nowhere"};
  ImageImport copy;
  copy.method = ImportMethod::CopyImage;
  struct Row {
    std::string what;
    const Context& who;
    ImageId image;
    ImageImport wish;
    ErrorCode code;
  };
  const Row rows[] = {
      {"nothing staged", me, queued, {}, ErrorCode::Conflict},
      {"data is there", me, active, web(), ErrorCode::Conflict},
      {"no formats", me, bare->id, web(), ErrorCode::Conflict},
      {"another's image", other, queued, web(), ErrorCode::NotFound},
      {"no such image", me, ImageId{"00000000-0000-0000-0000-000000000000"}, web(),
       ErrorCode::NotFound},
      {"stores and all stores", me, queued, both, ErrorCode::InvalidArgument},
      {"unknown store", me, queued, nowhere, ErrorCode::InvalidArgument},
      {"copy of nothing", me, queued, copy, ErrorCode::Conflict},
      {"a file (OSSA-2015-002, 2025-001)", me, queued, web("file:///etc/passwd"),
       ErrorCode::InvalidArgument},
      {"glance's file system", me, queued, web("filesystem:///etc/passwd"),
       ErrorCode::InvalidArgument},
      {"a path (OSSA-2014-041)", me, queued, web("../../etc/passwd"), ErrorCode::InvalidArgument},
      {"another store's scheme", me, queued, web("swift+config://x/y"), ErrorCode::InvalidArgument},
      {"loopback", me, queued, web("http://127.0.0.1/"), ErrorCode::InvalidArgument},
      {"metadata server", me, queued, web("http://169.254.169.254/"), ErrorCode::InvalidArgument},
      {"a port that is closed", me, queued, web("http://example.org:22/"),
       ErrorCode::InvalidArgument},
      {"userinfo", me, queued, web("http://a:b@example.org/"), ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(code_of(w.imports().import(row.who, row.image, row.wish)) == row.code);
  }
  CHECK(w.get(queued).status == ImageStatus::Queued);
  CHECK(w.imports().tasks(Context::system(), {})->empty());
}

TEST_CASE("methods that the operator took away are not on offer") {
  ImageSettings settings;
  settings.imports.web_download = false;
  settings.imports.glance_direct = false;
  ImportWorld w({}, std::move(settings));
  const Context me = member_of("p");
  const ImageId id = w.make(me);
  CHECK(w.imports().methods() == std::vector{ImportMethod::CopyImage});
  CHECK(code_of(w.stage(me, id, "x")) == ErrorCode::Forbidden);
  CHECK(code_of(w.imports().import(me, id, web())) == ErrorCode::InvalidArgument);
}

TEST_CASE("an import goes to several stores, and copy-image adds one later") {
  const Folder folder;
  const auto urls = std::make_shared<Urls>();
  (*urls)["https://example.org/disk"] = kDisk;
  ImportWorld w(folder.path, settings_of(urls, folder.path));
  const Context me = member_of("p");
  ImageImport wish = web();
  wish.all_stores = true;
  const ImageId both = w.make(me);
  REQUIRE(w.imports().import(me, both, wish));
  CHECK(w.get(both).importing_to.size() == 2);
  w.settle_all();
  CHECK(w.get(both).status == ImageStatus::Active);
  CHECK(w.get(both).locations.size() == 2);
  const ImageId one = w.active(me, kDisk);
  REQUIRE(w.get(one).locations.size() == 1);
  ImageImport copy;
  copy.method = ImportMethod::CopyImage;
  copy.stores = {"second"};
  REQUIRE(w.imports().import(me, one, copy));
  w.settle_all();
  CHECK(w.get(one).status == ImageStatus::Active);
  CHECK(w.get(one).locations.size() == 2);
  CHECK(w.task_of(one).status == ImageTaskStatus::Success);
}

TEST_CASE("staging that is given up, too long or cut off leaves nothing") {
  const Folder folder;
  ImageSettings settings;
  settings.max_bytes = 100'000;
  ImportWorld w(folder.path, std::move(settings));
  const Context me = member_of("p");
  const ImageId id = w.make(me);
  const auto untouched = [&] {
    return w.get(id).status == ImageStatus::Queued && w.get(id).staged_bytes == 0 &&
           w.staged_files() == 0;
  };
  CHECK(code_of(w.stage(me, id, kDisk)) == ErrorCode::TooLarge);
  CHECK(untouched());
  CHECK(code_of(w.stage(me, id, "")) == ErrorCode::InvalidArgument);
  CHECK(untouched());
  {
    const auto staging = w.imports().begin_stage(me, id);
    REQUIRE(staging);
    const std::string some(50'000, 'x');
    REQUIRE((*staging)->write(std::as_bytes(std::span(some))));
    CHECK(w.get(id).status == ImageStatus::Uploading);
    CHECK(w.get(id).staged_bytes >= 50'000);  // In the quota while it comes (OSSA-2013-029).
    CHECK(code_of(w.imports().begin_stage(me, id)) == ErrorCode::Conflict);
    CHECK(code_of(w.imports().import(me, id, {})) == ErrorCode::Conflict);
  }
  CHECK(untouched());
  {
    const auto staging = w.imports().begin_stage(me, id, 10);
    REQUIRE(staging);
    const std::string some(5, 'x');
    REQUIRE((*staging)->write(std::as_bytes(std::span(some))));
    CHECK(code_of((*staging)->finish()) == ErrorCode::InvalidArgument);
  }
  CHECK(untouched());
}

TEST_CASE("deleted in mid-transfer an image leaves no byte and no worker (OSSA-2015-004, -015)") {
  const Folder folder;
  const auto urls = std::make_shared<Urls>();
  (*urls)["https://example.org/disk"] = kDisk;
  const Context me = member_of("p");
  SUBCASE("while it is staged") {
    ImportWorld w(folder.path, settings_of(urls, folder.path));
    const ImageId id = w.make(me);
    const auto staging = w.imports().begin_stage(me, id);
    REQUIRE(staging);
    const std::string some(50'000, 'x');
    REQUIRE((*staging)->write(std::as_bytes(std::span(some))));
    REQUIRE(w.images->remove(me, id));
    CHECK(code_of((*staging)->write(std::as_bytes(std::span(some)))) == ErrorCode::NotFound);
    CHECK(w.staged_files() == 0);
  }
  SUBCASE("staged and forgotten") {
    ImportWorld w(folder.path, settings_of(urls, folder.path));
    const ImageId id = w.make(me);
    REQUIRE(w.stage(me, id, kDisk));
    REQUIRE(w.images->remove(me, id));
    w.settle_all();
    CHECK(w.staged_files() == 0);
  }
  SUBCASE("before its import begins") {
    ImportWorld w(folder.path, settings_of(urls, folder.path));
    const ImageId id = w.make(me);
    REQUIRE(w.imports().import(me, id, web()));
    REQUIRE(w.images->remove(me, id));
    w.settle_all();
    CHECK(w.staged_files() == 0);
    CHECK(folder.files() == 0);
    CHECK(w.store_is_quiet());
    CHECK(w.imports().tasks(Context::system(), {})->at(0).status == ImageTaskStatus::Failure);
  }
  SUBCASE("between any two steps") {
    for (const char* at : {"fetch", "prepare", "place", "activate", "clear"}) {
      CAPTURE(at);
      ImportWorld* world = nullptr;
      ImageId id;
      bool gone = false;
      RunnerFaults faults;
      faults.before_step = [&](const tasks::TaskRecord& task, std::string_view step, bool undo)
          -> std::optional<Error> {
        if (!undo && !gone && task.type == image::kImportTask && step == at) {
          gone = true;
          REQUIRE(world->images->remove(me, id));
        }
        return std::nullopt;
      };
      ImportWorld w(folder.path, settings_of(urls, folder.path), nullptr, faults);
      world = &w;
      id = w.make(me);
      REQUIRE(w.imports().import(me, id, web()));
      w.settle_all();
      CHECK(gone);
      CHECK(w.store_is_quiet());
      CHECK(w.staged_files() == 0);
      CHECK(folder.files() == 0);
      CHECK(code_of(w.images->get(me, id)) == ErrorCode::NotFound);
    }
  }
}

TEST_CASE("staged data that nobody imports goes after a day") {
  const Folder folder;
  ImportWorld w(folder.path);
  const Context me = member_of("p");
  const ImageId id = w.make(me);
  REQUIRE(w.stage(me, id, kDisk));
  w.settle_all();
  CHECK(w.get(id).status == ImageStatus::Uploading);
  w.clock.advance(std::chrono::hours(25));
  w.settle_all();
  CHECK(w.get(id).status == ImageStatus::Queued);
  CHECK(w.get(id).staged_bytes == 0);
  CHECK(w.staged_files() == 0);
}

TEST_CASE("what a crash cut off in staging is cleared at the next start") {
  const Folder folder;
  const std::shared_ptr<store::Store> store = store::open_memory();
  const Context me = member_of("p");
  ImageId id;
  {
    ImportWorld w(folder.path, {}, store);
    id = w.make(me);
    // A process that was killed: the record says Uploading, bytes are unpublished.
    REQUIRE(w.with([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(Image image, records::get<Image>(txn, id));
      image.status = ImageStatus::Uploading;
      return records::update(txn, image);
    }));
    std::ofstream(folder.path / "image-staging" / (id.value + ".part")) << "half";
    std::ofstream(folder.path / "image-staging" / "converted" / "of-a-dead-task") << "half";
  }
  ImportWorld w(folder.path, {}, store);
  w.settle_all();
  CHECK(w.get(id).status == ImageStatus::Queued);
  CHECK(w.staged_files() == 0);
}

TEST_CASE("import-image fails clean, repeats and survives a crash after every commit") {
  const Context me = member_of("p");
  struct Outside {
    Folder folder;
    std::shared_ptr<Urls> urls = std::make_shared<Urls>();
  };
  struct ProofLife : test::Life {
    ProofLife(Outside& outside, std::shared_ptr<store::Store> store, RunnerFaults faults)
        : world(outside.folder.path, settings_of(outside.urls, outside.folder.path),
                std::move(store), std::move(faults)) {
      world.settle();
    }
    void settle() override { world.settle_all(); }
    ImportWorld world;
  };
  std::unique_ptr<Outside> outside;
  ImageId id;
  bool direct = false;
  const auto world = [](test::Life& life) -> ImportWorld& {
    return static_cast<ProofLife&>(life).world;
  };
  test::Scenario scenario;
  scenario.task_type = image::kImportTask;
  scenario.reset = [&] {
    outside = std::make_unique<Outside>();
    (*outside->urls)["https://example.org/disk"] = kDisk;
  };
  scenario.live = [&](std::shared_ptr<store::Store> store, RunnerFaults faults) {
    return std::make_unique<ProofLife>(*outside, std::move(store), std::move(faults));
  };
  scenario.prepare = [&](test::Life& life) {
    id = world(life).make(me);
    if (direct) REQUIRE(world(life).stage(me, id, kDisk));
  };
  scenario.begin = [&](test::Life& life) {
    REQUIRE(world(life).imports().import(me, id, direct ? ImageImport{} : web()));
  };
  scenario.check = [&](test::Life& life, bool failed) {
    ImportWorld& w = world(life);
    const Image image = w.get(id);
    CHECK(image.reserved_bytes == 0);
    if (image.status == ImageStatus::Uploading) {  // Nothing was promised yet.
      CHECK(direct);
      CHECK(w.staged_files() == 1);
      return;
    }
    CHECK(image.staged_bytes == 0);
    CHECK(w.staged_files() == 0);
    CHECK(image.properties.empty());
    const auto tasks = w.imports().tasks(Context::system(), {});
    REQUIRE(tasks);
    if (failed || tasks->empty()) {
      CHECK(image.status == ImageStatus::Queued);
      CHECK(outside->folder.files() == 0);
      if (failed) CHECK(w.task_of(id).status == ImageTaskStatus::Failure);
      return;
    }
    CHECK(image.status == ImageStatus::Active);
    CHECK(w.data(id) == kDisk);
    CHECK(outside->folder.files() == 1);
    CHECK(w.task_of(id).status == ImageTaskStatus::Success);
  };
  SUBCASE("of a download") { test::prove_task(scenario); }
  SUBCASE("of staged data") {
    direct = true;
    test::prove_task(scenario);
  }
}

TEST_CASE("import-copies fails clean, repeats and survives a crash after every commit") {
  const Context me = member_of("p");
  const std::string disk(600'000, 'd');
  const std::vector<std::string> wanted{"second", "third"};
  struct Life : test::Life {
    Life(const std::filesystem::path& folder, ImageSettings settings,
         std::shared_ptr<store::Store> store, RunnerFaults faults, std::chrono::seconds age)
        : world(folder, std::move(settings), std::move(store), std::move(faults)) {
      world.clock.advance(age);  // Each life makes ids of its own: they are of the time.
      world.settle();
    }
    void settle() override { world.settle_all(); }
    ImportWorld world;
  };
  std::unique_ptr<Folder> folder;
  std::chrono::seconds age{0};
  ImageId id;
  const auto world = [](test::Life& life) -> ImportWorld& {
    return static_cast<Life&>(life).world;
  };
  const auto has_file = [&](const std::string& store) {
    return std::filesystem::exists(folder->path / store / id.value);
  };
  test::Scenario scenario;
  scenario.task_type = image::kImportCopyTask;
  scenario.reset = [&] {
    folder = std::make_unique<Folder>();
    age = {};
  };
  scenario.live = [&](std::shared_ptr<store::Store> store, RunnerFaults faults) {
    ImageSettings settings;
    for (const std::string& name : wanted)
      settings.stores.folders[name] = {folder->path / name, "", 1, 0};
    age += std::chrono::hours(1);
    return std::make_unique<Life>(folder->path, std::move(settings), std::move(store),
                                  std::move(faults), age);
  };
  scenario.prepare = [&](test::Life& life) { id = world(life).active(me, disk); };
  scenario.begin = [&](test::Life& life) {
    ImageImport wish;
    wish.method = ImportMethod::CopyImage;
    wish.stores = wanted;
    REQUIRE(world(life).imports().import(me, id, wish));
  };
  scenario.check = [&](test::Life& life, bool failed) {
    ImportWorld& w = world(life);
    const Image image = w.get(id);
    CHECK(image.status == ImageStatus::Active);
    CHECK(image.importing_to.empty());
    CHECK(image.failed_stores.empty());
    CHECK(image.properties.empty());
    CHECK(image.reserved_bytes == 0);
    CHECK(w.data(id) == disk);
    CHECK(w.staged_files() == 0);
    const auto tasks = w.imports().tasks(Context::system(), {});
    REQUIRE(tasks);
    const std::size_t copies = failed || tasks->empty() ? 1 : 3;
    const std::string why = tasks->empty() ? "" : w.task_of(id).message;
    INFO(why);
    CHECK(image.locations.size() == copies);
    for (const std::string& name : wanted) CHECK(has_file(name) == (copies == 3));
    CHECK(w.images->stores().usage(me)->at("image_size_total").usage == (copies == 3 ? 2 : 1));
    if (!tasks->empty())
      CHECK(w.task_of(id).status == (failed ? ImageTaskStatus::Failure : ImageTaskStatus::Success));
  };
  test::prove_task(scenario);
}

TEST_CASE("imported disks become the operator's format, and what cannot be is given back") {
  const Folder folder;
  ImageSettings settings;
  settings.imports.conversion_format = DiskFormat::Qcow2;
  settings.imports.inject_properties = {{"imported_by", "us"}};
  ImportWorld w(folder.path, std::move(settings));
  if (::access("/usr/bin/qemu-img", X_OK) != 0) return;
  const Context me = member_of("p");
  const ImageId id = w.make(me);
  const std::string disk(1 << 20, 'd');
  REQUIRE(w.stage(me, id, disk));
  REQUIRE(w.imports().import(me, id, {}));
  w.settle_all();
  const Image image = w.get(id);
  const std::string why = w.task_of(id).message;
  INFO(why);
  REQUIRE(image.status == ImageStatus::Active);
  CHECK(image.disk_format == DiskFormat::Qcow2);
  CHECK(image.virtual_size_bytes == disk.size());
  CHECK(image.properties.at("imported_by") == "us");
  CHECK(w.data(id).starts_with("QFI\xfb"));
  CHECK(w.staged_files() == 0);
  // Admins' images get no properties, and formats that are no disks stay as they are.
  ImageCreate cd;
  cd.disk_format = DiskFormat::Iso;
  const Context admin = admin_of("admin");
  const ImageId kept = w.make(admin, cd);
  REQUIRE(w.stage(admin, kept, iso().bytes));
  REQUIRE(w.imports().import(admin, kept, {}));
  w.settle_all();
  CHECK(w.get(kept).disk_format == DiskFormat::Iso);
  CHECK(w.get(kept).properties.empty());
  // A header that lies never gets as far as the tool.
  ImageCreate vdi_spec;
  vdi_spec.disk_format = DiskFormat::Vdi;
  const ImageId bad = w.make(me, vdi_spec);
  REQUIRE(w.stage(me, bad, vdi().le(0x170, 1ull << 62, 8).bytes));
  REQUIRE(w.imports().import(me, bad, {}));
  w.settle_all();
  CHECK(w.get(bad).status == ImageStatus::Queued);
  CHECK(w.staged_files() == 0);
}

TEST_CASE("compressed data is unpacked where that is wanted, and a bomb is not") {
  const Folder folder;
  ImageSettings settings;
  settings.imports.decompress = true;
  settings.max_bytes = 4 << 20;
  ImportWorld w(folder.path, std::move(settings));
  const Context me = member_of("p");
  ImageCreate spec;
  spec.container_format = ContainerFormat::Compressed;
  const auto imported = [&](const std::string& bytes) {
    const ImageId id = w.make(me, spec);
    REQUIRE(w.stage(me, id, bytes));
    REQUIRE(w.imports().import(me, id, {}));
    w.settle_all();
    CHECK(w.staged_files() == 0);
    return id;
  };
  const ImageId good = imported(gzipped(kDisk));
  CHECK(w.get(good).status == ImageStatus::Active);
  CHECK(w.get(good).container_format == ContainerFormat::Bare);
  CHECK(w.data(good) == kDisk);
  struct Row {
    std::string what, bytes;
  };
  std::string cut = gzipped(kDisk);
  cut.resize(cut.size() - 5);
  const Row rows[] = {
      {"a bomb (OSSA-2013-029)", gzipped(std::string(64 << 20, '\0'))},
      {"a trick inside", gzipped(qcow2_with_backing("/etc/passwd").bytes)},
      {"no gzip", "hello"},
      {"cut off", cut},
      {"something behind it", gzipped(kDisk) + "x"},
      {"nothing inside", gzipped("")},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const ImageId id = imported(row.bytes);
    CHECK(w.get(id).status == ImageStatus::Queued);
    CHECK(w.task_of(id).status == ImageTaskStatus::Failure);
  }
}

TEST_CASE("the tasks API makes an image of a URL, for admins alone") {
  const Folder folder;
  const auto urls = std::make_shared<Urls>();
  (*urls)["https://example.org/disk"] = qcow2().bytes;
  ImportWorld w(folder.path, settings_of(urls, folder.path));
  const Context admin = admin_of("admin"), me = member_of("p");
  ImageTaskCreate spec;
  spec.import_from = "https://example.org/disk";
  spec.import_from_format = "qcow2";
  spec.image.name = "made by a task";
  CHECK(code_of(w.imports().create_task(me, spec)) == ErrorCode::Forbidden);
  const auto task = w.imports().create_task(admin, spec);
  REQUIRE(task);
  CHECK(task->status == ImageTaskStatus::Pending);
  w.settle_all();
  const auto done = w.imports().task(admin, task->id);
  REQUIRE(done);
  CHECK(done->status == ImageTaskStatus::Success);
  CHECK(w.get(done->image).name == "made by a task");
  CHECK(w.get(done->image).status == ImageStatus::Active);
  CHECK(code_of(w.imports().task(me, task->id)) == ErrorCode::Forbidden);
  CHECK(code_of(w.imports().task(admin, TaskId{"none"})) == ErrorCode::NotFound);
  spec.import_from = "file:///etc/passwd";
  CHECK(code_of(w.imports().create_task(admin, spec)) == ErrorCode::InvalidArgument);
  spec.import_from = "https://example.org/disk";
  spec.import_from_format = "tape";
  CHECK(code_of(w.imports().create_task(admin, spec)) == ErrorCode::InvalidArgument);
  // Two days later nobody remembers.
  w.clock.advance(std::chrono::hours(49));
  w.settle_all();
  CHECK(w.imports().tasks(admin, {})->empty());
}

TEST_CASE("lists of tasks are narrowed by status and type, page by page") {
  const Folder folder;
  const auto urls = std::make_shared<Urls>();
  (*urls)["https://example.org/disk"] = kDisk;
  ImportWorld w(folder.path, settings_of(urls, folder.path));
  const Context admin = admin_of("admin");
  for (const char* uri : {"https://example.org/disk", "https://example.org/gone",
                          "https://example.org/disk"}) {
    REQUIRE(w.imports().import(admin, w.make(admin), web(uri)));
    w.settle_all();
  }
  const auto count = [&](ImageTaskQuery query) { return w.imports().tasks(admin, query)->size(); };
  CHECK(count({}) == 3);
  CHECK(count({.status = ImageTaskStatus::Success}) == 2);
  CHECK(count({.status = ImageTaskStatus::Failure}) == 1);
  CHECK(count({.status = ImageTaskStatus::Pending}) == 0);
  CHECK(count({.type = "import"}) == 0);
  CHECK(count({.type = "api_image_import"}) == 3);
  CHECK(count({.limit = 2}) == 2);
  const auto all = w.imports().tasks(admin, {});
  const auto rest = w.imports().tasks(admin, {.marker = all->at(0).id.value});
  CHECK(rest->size() == 2);
  CHECK(code_of(w.imports().tasks(admin, {.marker = "none"})) == ErrorCode::InvalidArgument);
}
