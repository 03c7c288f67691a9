#include <fmt/format.h>

#include "image/digest.hpp"
#include "image/impl.hpp"

// Uploads: the only code that writes the bytes of images.
namespace cloudos {

struct ImageUpload::Impl {
  Impl(Images::Impl& the_images, const Context& caller, const ImageId& id)
      : images(the_images), ctx(caller), claim(the_images, id) {}

  Result<void> begin(std::optional<std::uint64_t> size);
  Result<void> take(std::span<const std::byte> bytes);
  Result<Image> publish();
  Result<Image> activate();
  /// Clears up, once; the error goes on to the caller.
  Error ended_by(Error error);

  Images::Impl& images;
  const Context ctx;
  const image::Claim claim;
  Image image;
  std::optional<std::uint64_t> announced;
  std::optional<image::Digests> digests;
  std::unique_ptr<image::PayloadWriter> writer;
  std::uint64_t total = 0;
  image::Payload payload;
  image::Digests::Values values;
  bool open = false;           // Saving, and to be cleared up if it does not become Active.
  std::optional<Error> broken;
};

namespace {

tl::unexpected<Error> upload_too_large(std::uint64_t most) {
  return fail(ErrorCode::TooLarge, fmt::format("an image has at most {} bytes", most));
}

/// Archives are kept as they are: nothing ever opens them as a disk.
Result<std::uint64_t> verify_content(image::RandomReader& bytes, const Image& image) {
  if (bytes.size() == 0) {
    return fail(ErrorCode::InvalidArgument, "image data refused: it has no bytes");
  }
  if (!image::is_bootable(image.container_format)) return std::uint64_t{0};
  CLOUDOS_TRY(const image::Inspection found, image::inspect(bytes));
  CLOUDOS_CHECK(image::check_content(found, image.disk_format));
  return found.virtual_size_bytes;
}

/// Queued -> Saving. Saving without a claim is what a crash left: it counts as Queued.
Result<Image> mark_saving(Images::Impl& impl, const Context& ctx, const ImageId& id) {
  return impl.change(ctx, id, [&](Image& image) -> Result<void> {
    if (image.status != ImageStatus::Queued && image.status != ImageStatus::Saving) {
      return fail(ErrorCode::Conflict,
                  fmt::format("image {} is {}: its data cannot be replaced", id.value,
                              to_string(image.status)));
    }
    if (image.disk_format == DiskFormat::Unset ||
        image.container_format == ContainerFormat::Unset) {
      return fail(ErrorCode::InvalidArgument,
                  "disk_format and container_format must be set before data is uploaded");
    }
    image.status = ImageStatus::Saving;
    return Result<void>();
  });
}

}  // namespace

Result<void> ImageUpload::Impl::begin(std::optional<std::uint64_t> size) {
  announced = size;
  if (announced && *announced > images.settings.max_bytes)
    return upload_too_large(images.settings.max_bytes);
  CLOUDOS_TRY(digests, image::Digests::make());
  CLOUDOS_TRY(writer, images.payloads().create(image.id));
  return Result<void>();
}

Result<void> ImageUpload::Impl::take(std::span<const std::byte> bytes) {
  CLOUDOS_CHECK(check_call(ctx, images.engine.clock));
  if (claim.cancelled()) return image::image_not_found(image.id);
  if (bytes.size() > images.settings.max_bytes - total)
    return upload_too_large(images.settings.max_bytes);
  total += bytes.size();
  CLOUDOS_CHECK(digests->update(bytes));
  return writer->write(bytes);
}

Result<Image> ImageUpload::Impl::publish() {
  CLOUDOS_CHECK(check_call(ctx, images.engine.clock));
  if (announced && total != *announced) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the upload ended after {} of {} bytes", total, *announced));
  }
  payload.id = image.id;
  payload.format = image.disk_format;
  payload.size_bytes = total;
  CLOUDOS_TRY(payload.virtual_size_bytes, verify_content(writer->written(), image));
  CLOUDOS_TRY(values, digests->finish());
  // Durable before the record says so; a crash in between leaves a file that the sweep removes.
  CLOUDOS_CHECK(writer->publish());
  return activate();
}

/// Saving -> Active with everything that was found out: one commit.
Result<Image> ImageUpload::Impl::activate() {
  const WallTime now = images.engine.clock.wall();
  Image active;
  CLOUDOS_CHECK(images.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Image saved, records::get<Image>(txn, payload.id));
    if (saved.status != ImageStatus::Saving) {
      return fail(ErrorCode::Conflict, fmt::format("image {} changed during its upload",
                                                   payload.id.value));
    }
    saved.status = ImageStatus::Active;
    saved.size_bytes = payload.size_bytes;
    saved.virtual_size_bytes.reset();
    if (payload.virtual_size_bytes != 0) saved.virtual_size_bytes = payload.virtual_size_bytes;
    saved.md5 = values.md5;
    saved.sha512 = values.sha512;
    saved.updated_at = now;
    CLOUDOS_CHECK(records::insert(txn, payload));
    CLOUDOS_CHECK(records::update(txn, saved));
    active = std::move(saved);
    return Result<void>();
  }));
  return active;
}

Error ImageUpload::Impl::ended_by(Error error) {
  if (!open) return error;
  open = false;
  broken = error;
  writer.reset();
  const Log& log = images.engine.log;
  log.write(LogLevel::Warning, fmt::format("upload to image {}: {}", image.id.value, error.message),
            ctx.request_id);
  if (const auto cleared = images.clear_unfinished(image.id); !cleared) {
    log.error(fmt::format("image {} stays saving for now: {}", image.id.value,
                          cleared.error().message));
    images.swept = false;  // The reconciler tries again.
  }
  return error;
}

ImageUpload::ImageUpload(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ImageUpload::~ImageUpload() {
  impl_->ended_by({ErrorCode::Unavailable, "it was given up before its end", {}});
}

Result<void> ImageUpload::write(std::span<const std::byte> bytes) {
  if (!impl_->open) return fail(impl_->broken.value_or(Error{}));
  auto taken = impl_->take(bytes);
  if (!taken) return fail(impl_->ended_by(std::move(taken).error()));
  return taken;
}

Result<Image> ImageUpload::finish() {
  if (!impl_->open) return fail(impl_->broken.value_or(Error{}));
  auto active = impl_->publish();
  if (!active) return fail(impl_->ended_by(std::move(active).error()));
  impl_->open = false;
  return active;
}

Result<std::unique_ptr<ImageUpload>> Images::begin_upload(const Context& ctx, const ImageId& id,
                                                          std::optional<std::uint64_t> size,
                                                          const std::vector<std::string>&) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  auto upload = std::make_unique<ImageUpload::Impl>(*impl_, ctx, id);
  if (!upload->claim.holds()) {
    CLOUDOS_TRY(const Image busy, impl_->visible(ctx, id));
    CLOUDOS_CHECK(image::check_may_change(ctx, busy));
    return fail(ErrorCode::Conflict, fmt::format("image {} is being uploaded already", id.value));
  }
  CLOUDOS_TRY(upload->image, mark_saving(*impl_, ctx, id));
  upload->open = true;
  auto begun = upload->begin(size);
  if (!begun) return fail(upload->ended_by(std::move(begun).error()));
  return std::unique_ptr<ImageUpload>(new ImageUpload(std::move(upload)));
}

Result<Image> Images::upload(const Context& ctx, const ImageId& id, ByteSource& data,
                             const std::vector<std::string>& stores) {
  CLOUDOS_TRY(const auto upload, begin_upload(ctx, id, data.size(), stores));
  std::vector<std::byte> buffer(limits::kImageChunkBytes);
  while (true) {
    auto got = data.read(buffer);
    if (!got) return fail(upload->impl_->ended_by(std::move(got).error()));
    if (*got == 0) return upload->finish();
    CLOUDOS_CHECK(upload->write(std::span<const std::byte>(buffer).first(*got)));
  }
}

}  // namespace cloudos
