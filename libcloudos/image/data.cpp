#include <fmt/format.h>

#include "image/impl.hpp"

// Reading what was uploaded.
namespace cloudos {
namespace {

class RangeSource final : public ByteSource {
 public:
  /// `clock` outlives the source.
  RangeSource(std::unique_ptr<image::RandomReader> reader, std::uint64_t offset,
              std::uint64_t length, Context ctx, const Clock& clock)
      : reader_(std::move(reader)), ctx_(std::move(ctx)), clock_(clock),
        at_(std::min(offset, reader_->size())),
        end_(at_ + std::min(length, reader_->size() - at_)) {}
  Result<std::size_t> read(std::span<std::byte> buffer) override {
    const auto wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(buffer.size(), end_ - at_));
    if (wanted == 0) return std::size_t{0};
    CLOUDOS_CHECK(check_call(ctx_, clock_));
    CLOUDOS_TRY(const std::size_t got, reader_->read_at(at_, buffer.first(wanted)));
    at_ += got;
    return got;
  }
  std::optional<std::uint64_t> size() const override { return end_ - at_; }

 private:
  std::unique_ptr<image::RandomReader> reader_;
  const Context ctx_;
  const Clock& clock_;
  std::uint64_t at_, end_;
};

}  // namespace

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
      std::make_unique<RangeSource>(std::move(reader), offset, length, ctx,
                                    impl_->engine.clock));
}

}  // namespace cloudos
