#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <stdlib.h>

#include <doctest/doctest.h>

#include "image/blobs.hpp"
#include "image/images_room.hpp"
#include "cloudos/store.hpp"
#include "records/table.hpp"
#include "tasks/task.hpp"

/// The image room alone, on a store in memory and a manual clock; data in memory or in files.
namespace image_test {

/// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "cloudos-image-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::size_t files() const {
    std::size_t count = 0;
    if (!std::filesystem::exists(path / "images")) return 0;
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(path / "images"))
      ++count;
    return count;
  }
  std::filesystem::path path;
};

/// One life of the process that runs the folder.
class World {
 public:
  explicit World(std::filesystem::path folder = {}, std::shared_ptr<store::Store> shared = nullptr,
                 ImageSettings settings = {}, RunnerFaults faults = {})
      : store(shared ? std::move(shared) : std::shared_ptr<store::Store>(store::open_memory())),
        runner(*store, executor, clock, random, Log(), with_faults(std::move(faults))) {
    Engine engine{*store, executor,         runner,    clock, random, ids, Log(),
                  std::move(folder), "0badcafe"};
    auto made = make_images(engine, std::move(settings));
    REQUIRE(made);
    images = std::move(*made);
  }
  /// Starts the runner when it is not, and runs what is due, reconcilers included.
  void settle() {
    // A store that is dead lets no runner start, which is what such a test is about.
    if (!started) REQUIRE((runner.start() || !store->snapshot()));
    started = true;
    executor.run_pending();
  }
  /// Moves on until nothing is due for an hour.
  void settle_all() {
    settle();
    for (int round = 0; round < 2'000; ++round) {
      const auto due = executor.next_due();
      if (!due || *due > clock.mono() + std::chrono::hours(1)) return;
      if (round > 200 && store_is_quiet()) return;
      if (*due > clock.mono())
        clock.advance(std::chrono::ceil<std::chrono::milliseconds>(*due - clock.mono()));
      executor.run_pending();
    }
  }
  Result<void> with(const store::Body& body) {
    CLOUDOS_CHECK(store->transact(body));
    return Result<void>();
  }
  ImageId make(const Context& ctx, ImageCreate spec = {}) {
    if (spec.disk_format == DiskFormat::Unset) spec.disk_format = DiskFormat::Raw;
    if (spec.container_format == ContainerFormat::Unset)
      spec.container_format = ContainerFormat::Bare;
    const auto image = images->create(ctx, spec);
    REQUIRE(image);
    clock.advance(std::chrono::seconds(1));
    return image->id;
  }
  Result<Image> upload(const Context& ctx, const ImageId& id, std::string bytes) {
    TextSource source(std::move(bytes));
    return images->upload(ctx, id, source);
  }
  /// An active image.
  ImageId active(const Context& ctx, std::string bytes, ImageCreate spec = {}) {
    const ImageId id = make(ctx, std::move(spec));
    const auto done = upload(ctx, id, std::move(bytes));
    const std::string why = done ? "" : done.error().message;
    INFO(why);
    REQUIRE(done);
    return id;
  }
  /// Keys of the room left in the store.
  std::size_t keys_left() const {
    const auto snapshot = store->snapshot();
    REQUIRE(snapshot);
    std::size_t count = 0;
    for (const char* prefix : {"/image", "/ix/image", "/ux/image"})
      count += (*snapshot)->scan(prefix)->size();
    return count;
  }

  /// No task is open: what is due are periods of reconcilers.
  bool store_is_quiet() const {
    const auto snapshot = store->snapshot();
    if (!snapshot) return true;
    const auto all = records::all<tasks::TaskRecord>(**snapshot);
    if (!all) return true;
    for (const auto& task : *all)
      if (!is_final(task.state)) return false;
    return true;
  }
  static RunnerOptions with_faults(RunnerFaults faults) {
    RunnerOptions options;
    options.faults = std::move(faults);
    return options;
  }

  std::shared_ptr<store::Store> store;
  ManualClock clock;
  SeededRandom random{5};
  IdSource ids{clock, random};
  Executor executor{clock, 0};
  TaskRunner runner;
  std::unique_ptr<Images> images;
  bool started = false;
};

inline Context member_of(std::string project) {
  Context ctx;
  ctx.user = UserId{"user of " + project};
  ctx.project = ProjectId{std::move(project)};
  ctx.roles = {"member", "reader"};
  return ctx;
}
inline Context admin_of(std::string project) {
  Context ctx = Context::system();
  ctx.project = ProjectId{std::move(project)};
  return ctx;
}
template <class T>
ErrorCode code_of(const Result<T>& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}
/// All bytes of a source, read in odd pieces.
inline std::string drained(ByteSource& source) {
  std::string all;
  std::byte piece[777];
  for (;;) {
    const auto got = source.read(piece);
    REQUIRE(got);
    if (*got == 0) return all;
    all.append(reinterpret_cast<const char*>(piece), *got);
  }
}

}  // namespace image_test
