#include <fmt/format.h>

#include "image/digest.hpp"
#include "image/impl.hpp"

// Upload and download: the only code that touches the bytes of images.
namespace cloudos {
namespace {

/// What came in and was found good, not yet published.
struct Received {
  std::unique_ptr<image::PayloadWriter> writer;
  image::Payload payload;
  image::Digests::Values digests;
};

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

Result<Received> receive(Images::Impl& impl, const image::Claim& claim, const Image& image,
                         ByteSource& data) {
  const std::uint64_t most = impl.settings.max_bytes;
  const auto announced = data.size();
  if (announced && *announced > most) return upload_too_large(most);
  CLOUDOS_TRY(image::Digests digests, image::Digests::make());
  Received received;
  CLOUDOS_TRY(received.writer, impl.payloads().create(image.id));
  std::vector<std::byte> buffer(limits::kImageChunkBytes);
  std::uint64_t total = 0;
  for (;;) {
    CLOUDOS_TRY(const std::size_t got, data.read(buffer));
    if (got == 0) break;
    if (claim.cancelled()) return image::image_not_found(image.id);
    if (got > most - total) return upload_too_large(most);
    total += got;
    const auto bytes = std::span<const std::byte>(buffer).first(got);
    CLOUDOS_CHECK(digests.update(bytes));
    CLOUDOS_CHECK(received.writer->write(bytes));
  }
  if (announced && total != *announced) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the upload ended after {} of {} bytes", total, *announced));
  }
  received.payload.id = image.id;
  received.payload.format = image.disk_format;
  received.payload.size_bytes = total;
  CLOUDOS_TRY(received.payload.virtual_size_bytes,
              verify_content(received.writer->written(), image));
  CLOUDOS_TRY(received.digests, digests.finish());
  return received;
}

/// Queued -> Saving. Saving without a claim is what a crash left: it counts as Queued.
Result<Image> begin_upload(Images::Impl& impl, const Context& ctx, const ImageId& id) {
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

/// Saving -> Active with everything that was found out: one commit.
Result<Image> activate(Images::Impl& impl, Received& received) {
  const WallTime now = impl.engine.clock.wall();
  Image active;
  CLOUDOS_CHECK(impl.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    image::Payload& payload = received.payload;
    CLOUDOS_TRY(Image image, records::get<Image>(txn, payload.id));
    if (image.status != ImageStatus::Saving) {
      return fail(ErrorCode::Conflict, fmt::format("image {} changed during its upload",
                                                   payload.id.value));
    }
    image.status = ImageStatus::Active;
    image.size_bytes = payload.size_bytes;
    image.virtual_size_bytes.reset();
    if (payload.virtual_size_bytes != 0) image.virtual_size_bytes = payload.virtual_size_bytes;
    image.md5 = received.digests.md5;
    image.sha512 = received.digests.sha512;
    image.updated_at = now;
    CLOUDOS_CHECK(records::insert(txn, payload));
    CLOUDOS_CHECK(records::update(txn, image));
    active = std::move(image);
    return Result<void>();
  }));
  return active;
}

Result<Image> receive_and_activate(Images::Impl& impl, const image::Claim& claim,
                                   const Image& image, ByteSource& data) {
  CLOUDOS_TRY(Received received, receive(impl, claim, image, data));
  // Durable before the record says so; a crash in between leaves a file that the sweep removes.
  CLOUDOS_CHECK(received.writer->publish());
  return activate(impl, received);
}

class RangeSource final : public ByteSource {
 public:
  RangeSource(std::unique_ptr<image::RandomReader> reader, std::uint64_t offset,
              std::uint64_t length)
      : reader_(std::move(reader)), at_(std::min(offset, reader_->size())),
        end_(at_ + std::min(length, reader_->size() - at_)) {}
  Result<std::size_t> read(std::span<std::byte> buffer) override {
    const auto wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(buffer.size(), end_ - at_));
    if (wanted == 0) return std::size_t{0};
    CLOUDOS_TRY(const std::size_t got, reader_->read_at(at_, buffer.first(wanted)));
    at_ += got;
    return got;
  }
  std::optional<std::uint64_t> size() const override { return end_ - at_; }

 private:
  std::unique_ptr<image::RandomReader> reader_;
  std::uint64_t at_, end_;
};

}  // namespace

Result<Image> Images::upload(const Context& ctx, const ImageId& id, ByteSource& data) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const image::Claim claim(*impl_, id);
  if (!claim.holds()) {
    CLOUDOS_TRY(const Image busy, impl_->visible(ctx, id));
    CLOUDOS_CHECK(image::check_may_change(ctx, busy));
    return fail(ErrorCode::Conflict, fmt::format("image {} is being uploaded already", id.value));
  }
  CLOUDOS_TRY(const Image image, begin_upload(*impl_, ctx, id));
  auto outcome = receive_and_activate(*impl_, claim, image, data);
  if (outcome) return outcome;
  const Log& log = impl_->engine.log;
  log.write(LogLevel::Warning,
            fmt::format("upload to image {}: {}", id.value, outcome.error().message),
            ctx.request_id);
  if (const auto cleared = impl_->clear_unfinished(id); !cleared) {
    log.error(fmt::format("image {} stays saving for now: {}", id.value, cleared.error().message));
    impl_->swept = false;  // The reconciler tries again.
  }
  return outcome;
}

Result<ImageFile> Images::file(const Context& ctx, const ImageId& id) const {
  CLOUDOS_TRY(const Image image, impl_->visible(ctx, id));
  if (image.status == ImageStatus::Deactivated && !ctx.is_admin) {
    return fail(ErrorCode::Forbidden, fmt::format("image {} is deactivated", id.value));
  }
  if (!image.size_bytes) {
    return fail(ErrorCode::Conflict, fmt::format("image {} is {}: it has no data", id.value,
                                                 to_string(image.status)));
  }
  return base_file(id);
}

Result<std::unique_ptr<ByteSource>> Images::read(const Context& ctx, const ImageId& id,
                                                 std::uint64_t offset,
                                                 std::uint64_t length) const {
  CLOUDOS_CHECK(file(ctx, id));
  CLOUDOS_TRY(auto reader, impl_->payloads().open(id));
  return std::unique_ptr<ByteSource>(
      std::make_unique<RangeSource>(std::move(reader), offset, length));
}

}  // namespace cloudos
