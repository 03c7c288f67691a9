#include <fmt/format.h>

#include "image/certificates.hpp"
#include "image/charge.hpp"
#include "image/impl.hpp"
#include "image/pipeline.hpp"
#include "image/verify.hpp"

// Uploads: the only code that writes the bytes of images.
namespace cloudos {

struct ImageUpload::Impl {
  Impl(Images::Impl& the_images, const Context& caller, const ImageId& id)
      : images(the_images), ctx(caller), claim(the_images, id) {}

  Result<void> begin(std::optional<std::uint64_t> size, const std::vector<std::string>& stores);
  Result<void> take(std::span<const std::byte> bytes);
  Result<Image> publish();
  Result<Image> activate();
  /// Takes more from the quota: nobody announced this much.
  Result<void> reserve_more();
  /// Clears up, once; the error goes on to the caller.
  Error ended_by(Error error);

  Images::Impl& images;
  const Context ctx;
  const image::Claim claim;
  Image image;
  std::optional<std::uint64_t> announced;
  std::unique_ptr<image::DigestPipeline> digests;
  std::optional<image::SignatureCheck> signature;
  std::unique_ptr<image::PayloadFanOut> writer;
  std::vector<std::string> stores;
  std::uint64_t covered = 0;  // Past these bytes the quota is asked again.
  std::uint64_t total = 0;
  std::string format_problem;
  image::Payload payload;
  image::Digests::Values values;
  bool open = false;           // Saving, and to be cleared up if it does not become Active.
  std::optional<Error> broken;
};

namespace {

Failure upload_too_large(std::uint64_t most) {
  return fail(ErrorCode::TooLarge, fmt::format("an image has at most {} bytes", most));
}

}  // namespace

/// Queued -> Saving. Saving without a claim is what a crash left: it counts as Queued.
Result<Image> Images::Impl::mark_saving(const Context& ctx, const ImageId& id,
                                        std::uint64_t reserved) {
  return change(ctx, id, [&](Image& image) -> Result<void> {
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
    image.reserved_bytes = reserved;
    return Result<void>();
  });
}

Result<void> ImageUpload::Impl::begin(std::optional<std::uint64_t> size,
                                      const std::vector<std::string>& names) {
  announced = size;
  if (announced && *announced > images.settings.max_bytes)
    return upload_too_large(images.settings.max_bytes);
  // What is not announced is settled at the end when it is little, and else reserved as it comes.
  covered = announced.value_or(limits::kImageHashAlone);
  CLOUDOS_TRY(stores, images.set->choose(names, size));
  CLOUDOS_TRY(image, images.mark_saving(ctx, claim.image(),
                                         announced.value_or(0) * stores.size()));
  open = true;
  CLOUDOS_TRY(const auto snapshot, images.engine.store.snapshot());
  CLOUDOS_TRY(signature, image::begin_signature(*snapshot, image,
                                                images.settings.imports.trusted_certificates,
                                                images.engine.clock.wall()));
  CLOUDOS_TRY(digests, image::DigestPipeline::make(images.engine.executor));
  CLOUDOS_TRY(writer, images.set->create(image.id, stores, size, true));
  return Result<void>();
}

Result<void> ImageUpload::Impl::take(std::span<const std::byte> bytes) {
  CLOUDOS_CHECK(check_call(ctx, images.engine.clock));
  if (claim.cancelled()) return image::image_not_found(image.id);
  if (bytes.size() > images.settings.max_bytes - total)
    return upload_too_large(images.settings.max_bytes);
  total += bytes.size();
  if (total > covered) CLOUDOS_CHECK(reserve_more());
  CLOUDOS_CHECK(digests->update(bytes));
  if (signature) CLOUDOS_CHECK(signature->update(bytes));
  return writer->write(bytes);
}

Result<void> ImageUpload::Impl::reserve_more() {
  const auto reserve = [&](std::uint64_t bytes) -> Result<void> {
    CLOUDOS_CHECK(images.engine.store.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(Image saved, records::get<Image>(txn, image.id));
      saved.reserved_bytes = bytes * stores.size();
      return image::update_image(txn, saved);
    }));
    covered = bytes;
    return Result<void>();
  };
  auto reserved = reserve(total + limits::kImageReserveBytes);
  if (!reserved && reserved.error().code == ErrorCode::QuotaExceeded) reserved = reserve(total);
  return reserved;
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
  payload.boot_store = stores.front();
  CLOUDOS_TRY(const image::Verified verified,
              image::verify_content(writer->written(), image.disk_format, image.container_format,
                                    images.guard.rules().require_format_match));
  payload.virtual_size_bytes = verified.virtual_size_bytes;
  format_problem = verified.format_problem;
  if (signature) CLOUDOS_CHECK(signature->finish());
  CLOUDOS_TRY(values, digests->finish());
  // Durable before the record says so; a crash in between leaves a file that the sweep removes.
  CLOUDOS_CHECK(writer->publish());
  payload.sha512 = values.sha512;
  for (const std::string& name : writer->names()) payload.locations.push_back({name, {}, {}});
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
    saved.format_problem = format_problem;
    saved.size_bytes = payload.size_bytes;
    saved.virtual_size_bytes.reset();
    if (payload.virtual_size_bytes != 0) saved.virtual_size_bytes = payload.virtual_size_bytes;
    saved.md5 = values.md5;
    saved.sha512 = values.sha512;
    saved.reserved_bytes = 0;
    saved.locations = payload.locations;
    saved.updated_at = now;
    CLOUDOS_CHECK(records::insert(txn, payload));
    CLOUDOS_CHECK(image::update_image(txn, saved));
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
  digests.reset();
  const Log& log = images.engine.log;
  log.write(LogLevel::Warning, fmt::format("upload to image {}: {}", image.id.value, error.message),
            ctx.request_id);
  if (const auto cleared = images.clear_unfinished(image.id); !cleared) {
    log.error(fmt::format("image {} stays saving until the next sweep: {}", image.id.value,
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
                                                          const std::vector<std::string>& stores) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  auto upload = std::make_unique<ImageUpload::Impl>(*impl_, ctx, id);
  if (!upload->claim.holds()) {
    CLOUDOS_TRY(const Image busy, impl_->visible(ctx, id));
    CLOUDOS_CHECK(image::check_may_change(ctx, busy));
    return fail(ErrorCode::Conflict, fmt::format("image {} is being uploaded already", id.value));
  }
  auto begun = upload->begin(size, stores);
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
