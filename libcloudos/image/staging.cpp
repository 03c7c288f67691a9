#include <fmt/format.h>

#include "image/charge.hpp"
#include "image/imports.hpp"

// Data that waits to be imported.
namespace cloudos {

struct ImageStaging::Impl {
  Impl(ImageImports::Impl& the_imports, const Context& caller, const ImageId& id)
      : imports(the_imports), ctx(caller),
        claim(the_imports.images, id, std::string(image::kStagingClaim)) {}

  Result<void> begin(std::optional<std::uint64_t> size);
  Result<void> take(std::span<const std::byte> bytes);
  Result<void> reserve(std::uint64_t bytes);
  Result<Image> publish();
  /// Clears up, once; the error goes on to the caller.
  Error ended_by(Error error);
  std::uint64_t most() const { return imports.images.settings.max_bytes; }

  ImageImports::Impl& imports;
  const Context ctx;
  const image::Claim claim;
  std::optional<std::uint64_t> announced;
  std::unique_ptr<image::PayloadWriter> writer;
  std::uint64_t covered = 0, total = 0;
  bool open = false;
  std::optional<Error> broken;
};

namespace {

/// Uploading without staged bytes is what a crash left: it counts as Queued.
Result<void> begin_staging(Image& image, bool staged, std::uint64_t size) {
  const bool left_over = image.status == ImageStatus::Uploading && !staged;
  if (image.status != ImageStatus::Queued && !left_over) {
    return fail(ErrorCode::Conflict, fmt::format("image {} is {}: data cannot be staged for it",
                                                 image.id.value, to_string(image.status)));
  }
  image.status = ImageStatus::Uploading;
  image.staged_bytes = size;
  return Result<void>();
}

}  // namespace

Result<void> ImageStaging::Impl::begin(std::optional<std::uint64_t> size) {
  if (size && *size > most()) {
    return fail(ErrorCode::TooLarge, fmt::format("an image has at most {} bytes", most()));
  }
  announced = size;
  covered = size.value_or(0);
  const bool staged = imports.staging->open(claim.image()).has_value();
  CLOUDOS_CHECK(imports.images.change(ctx, claim.image(), [&](Image& image) {
    return begin_staging(image, staged, covered);
  }));
  open = true;
  CLOUDOS_TRY(writer, imports.staging->create(claim.image()));
  return Result<void>();
}

Result<void> ImageStaging::Impl::take(std::span<const std::byte> bytes) {
  CLOUDOS_CHECK(check_call(ctx, imports.images.engine.clock));
  if (claim.cancelled()) return image::image_not_found(claim.image());
  if (bytes.size() > most() - total) {
    return fail(ErrorCode::TooLarge, fmt::format("an image has at most {} bytes", most()));
  }
  total += bytes.size();
  if (total > covered) {
    auto more = reserve(total + limits::kImageReserveBytes);
    if (!more && more.error().code == ErrorCode::QuotaExceeded) more = reserve(total);
    CLOUDOS_CHECK(more);
  }
  return writer->write(bytes);
}

Result<void> ImageStaging::Impl::reserve(std::uint64_t bytes) {
  CLOUDOS_CHECK(imports.images.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Image saved, records::get<Image>(txn, claim.image()));
    saved.staged_bytes = bytes;
    return image::update_image(txn, saved);
  }));
  covered = bytes;
  return Result<void>();
}

Result<Image> ImageStaging::Impl::publish() {
  CLOUDOS_CHECK(check_call(ctx, imports.images.engine.clock));
  if (total == 0) return fail(ErrorCode::InvalidArgument, "image data refused: it has no bytes");
  if (announced && total != *announced) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the data ended after {} of {} bytes", total, *announced));
  }
  CLOUDOS_CHECK(writer->publish());
  return imports.images.change(ctx, claim.image(), [&](Image& image) -> Result<void> {
    if (image.status != ImageStatus::Uploading) {
      return fail(ErrorCode::Conflict,
                  fmt::format("image {} changed while data was staged", image.id.value));
    }
    image.staged_bytes = total;
    return Result<void>();
  });
}

Error ImageStaging::Impl::ended_by(Error error) {
  if (!open) return error;
  open = false;
  broken = error;
  writer.reset();
  const Log& log = imports.images.engine.log;
  log.write(LogLevel::Warning,
            fmt::format("staging for image {}: {}", claim.image().value, error.message),
            ctx.request_id);
  if (const auto cleared = imports.clear_staging(claim.image()); !cleared) {
    log.error(fmt::format("image {} stays uploading until the next sweep: {}", claim.image().value,
                          cleared.error().message));
    imports.swept = false;  // The reconciler tries again.
  }
  return error;
}

ImageStaging::ImageStaging(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ImageStaging::~ImageStaging() {
  impl_->ended_by({ErrorCode::Unavailable, "it was given up before its end", {}});
}

Result<void> ImageStaging::write(std::span<const std::byte> bytes) {
  if (!impl_->open) return fail(impl_->broken.value_or(Error{}));
  auto taken = impl_->take(bytes);
  if (!taken) return fail(impl_->ended_by(std::move(taken).error()));
  return taken;
}

Result<Image> ImageStaging::finish() {
  if (!impl_->open) return fail(impl_->broken.value_or(Error{}));
  auto staged = impl_->publish();
  if (!staged) return fail(impl_->ended_by(std::move(staged).error()));
  impl_->open = false;
  return staged;
}

Result<std::unique_ptr<ImageStaging>> ImageImports::begin_stage(const Context& ctx,
                                                                const ImageId& id,
                                                                std::optional<std::uint64_t> size) {
  CLOUDOS_CHECK(check_call(ctx, impl_->images.engine.clock));
  if (!impl_->offers(ImportMethod::GlanceDirect)) {
    return fail(ErrorCode::Forbidden, "this cloud imports no staged data");
  }
  auto staging = std::make_unique<ImageStaging::Impl>(*impl_, ctx, id);
  if (!staging->claim.holds()) {
    CLOUDOS_TRY(const Image busy, impl_->images.visible(ctx, id));
    CLOUDOS_CHECK(image::check_may_change(ctx, busy));
    return fail(ErrorCode::Conflict, fmt::format("data is staged for image {} already", id.value));
  }
  auto begun = staging->begin(size);
  if (!begun) return fail(staging->ended_by(std::move(begun).error()));
  return std::unique_ptr<ImageStaging>(new ImageStaging(std::move(staging)));
}

Result<void> ImageImports::stage(const Context& ctx, const ImageId& id, ByteSource& data) {
  CLOUDOS_TRY(const auto staging, begin_stage(ctx, id, data.size()));
  std::vector<std::byte> buffer(limits::kImageChunkBytes);
  while (true) {
    auto got = data.read(buffer);
    if (!got) return fail(staging->impl_->ended_by(std::move(got).error()));
    if (*got == 0) break;
    CLOUDOS_CHECK(staging->write(std::span<const std::byte>(buffer).first(*got)));
  }
  CLOUDOS_CHECK(staging->finish());
  return Result<void>();
}

Result<void> ImageImports::Impl::clear_staging(const ImageId& id) {
  CLOUDOS_CHECK(staging->remove(id));
  const WallTime now = images.engine.clock.wall();
  CLOUDOS_CHECK(images.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    auto image = records::get<Image>(txn, id);
    if (!image || image->status != ImageStatus::Uploading) return Result<void>();
    image->status = ImageStatus::Queued;
    image->staged_bytes = 0;  // With it the quota has its bytes back.
    image->updated_at = now;
    return image::update_image(txn, *image);
  }));
  return Result<void>();
}

Result<bool> ImageImports::Impl::sweep() {
  if (!swept.exchange(true)) {
    auto done = sweep_work();
    if (done) done = sweep_staging();
    if (!done) swept = false;
    CLOUDOS_CHECK(done);
  }
  // What was staged long ago, and what was deleted while it was staged.
  CLOUDOS_CHECK(sweep_staging());
  return sweep_tasks();
}

/// Staged bytes belong to an image that is Uploading (for a while) or Importing. An image that is
/// Uploading and has none was cut off.
Result<void> ImageImports::Impl::sweep_staging() {
  std::set<ImageId> suspects;
  CLOUDOS_TRY(const auto files, staging->list());
  suspects.insert(files.begin(), files.end());
  CLOUDOS_TRY(const auto snapshot, images.engine.store.snapshot());
  CLOUDOS_TRY(const auto uploading, records::all<Image>(*snapshot, "uploading", "1"));
  for (const Image& image : uploading) suspects.insert(image.id);
  for (const ImageId& id : suspects) {
    const image::Claim claim(images, id, std::string(image::kStagingClaim));
    if (!claim.holds()) continue;  // Somebody is at it.
    CLOUDOS_TRY(const auto now, images.engine.store.snapshot());
    const auto image = records::get<Image>(*now, id);
    if (!image && image.error().code != ErrorCode::NotFound) return fail(image.error());
    if (image && image->status == ImageStatus::Importing) continue;
    const bool waits = image && image->status == ImageStatus::Uploading &&
                       staging->open(id).has_value() &&
                       images.engine.clock.wall() - image->updated_at < limits::kImageStagedTime;
    if (waits) continue;
    const auto cleared = clear_staging(id);
    // A guest of this folder writes it: it cleans up itself.
    if (!cleared && cleared.error().code != ErrorCode::Conflict) return cleared;
  }
  return Result<void>();
}

/// Converted disks of imports that are over. Only at start: later each task clears its own.
Result<void> ImageImports::Impl::sweep_work() {
  if (work.empty()) return Result<void>();
  CLOUDOS_TRY(const auto snapshot, images.engine.store.snapshot());
  std::error_code error;
  std::filesystem::directory_iterator files(work, error);
  for (; !error && files != std::filesystem::directory_iterator(); files.increment(error)) {
    const auto task =
        records::get<tasks::TaskRecord>(*snapshot, TaskId{files->path().filename().native()});
    if (!task && task.error().code != ErrorCode::NotFound) return fail(task.error());
    std::error_code ignored;
    if (!task || is_final(task->state)) std::filesystem::remove(files->path(), ignored);
  }
  if (error) {
    return fail(ErrorCode::Unavailable,
                fmt::format("the folder of conversions does not work: {}", error.message()));
  }
  return Result<void>();
}

Result<bool> ImageImports::Impl::sweep_tasks() {
  const WallTime now = images.engine.clock.wall();
  CLOUDOS_TRY(const auto snapshot, images.engine.store.snapshot());
  records::PageSpec<ImageTask> spec;
  spec.range.newest_first = false;
  spec.matches = [&](const ImageTask& task) { return task.expires_at && *task.expires_at < now; };
  spec.limit = limits::kImageSweepItems;
  CLOUDOS_TRY(const auto old, records::page<ImageTask>(*snapshot, spec));
  for (const ImageTask& task : old) {
    CLOUDOS_CHECK(images.engine.store.transact(
        [&](store::Txn& txn) { return records::erase<ImageTask>(txn, task.id); }));
  }
  return old.size() == limits::kImageSweepItems;
}

}  // namespace cloudos
