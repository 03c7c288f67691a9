#include <fmt/format.h>

#include "image/certificates.hpp"
#include "image/cache.hpp"
#include "image/reading.hpp"

// Reading what was uploaded.
namespace cloudos {
namespace {

ImageFile described_file(const image::Payload& payload, std::filesystem::path path) {
  ImageFile file;
  file.path = std::move(path);
  file.format = payload.format;
  file.size_bytes = payload.size_bytes;
  file.virtual_size_bytes = payload.virtual_size_bytes;
  return file;
}

/// What the data of an image is, for callers who may read it.
Result<image::Payload> readable_payload(const Images::Impl& impl, const Context& ctx,
                                        const ImageId& id) {
  CLOUDOS_TRY(const auto snapshot, impl.engine.store.snapshot());
  CLOUDOS_TRY(const Image image, records::get<Image>(*snapshot, id));
  if (!image::may_see(ctx, image)) return image::image_not_found(id);
  if (image.status == ImageStatus::Deactivated && !ctx.is_admin) {
    return fail(ErrorCode::Forbidden, fmt::format("image {} is deactivated", id.value));
  }
  if (!image.size_bytes) {
    return fail(ErrorCode::Conflict, fmt::format("image {} is {}: it has no data", id.value,
                                                 to_string(image.status)));
  }
  return records::get<image::Payload>(*snapshot, id);
}

}  // namespace

Result<ImageFile> Images::file(const Context& ctx, const ImageId& id) const {
  CLOUDOS_TRY(const auto payload, readable_payload(*impl_, ctx, id));
  // A file that comes first is sent as it is; what is no file is read piece by piece.
  for (const ImageLocation& location : image::ordered_locations(*impl_, payload)) {
    const auto path = image::local_file(*impl_, payload, location);
    if (!path.empty()) return described_file(payload, path);
    const image::NamedStore* store = impl_->set->find(location.store);
    if (store == nullptr || store->folder.empty()) break;
  }
  return described_file(payload, {});
}

Result<std::unique_ptr<ByteSource>> Images::read(const Context& ctx, const ImageId& id,
                                                 std::uint64_t offset,
                                                 std::uint64_t length) const {
  CLOUDOS_TRY(const auto payload, readable_payload(*impl_, ctx, id));
  return image::read_payload(*impl_, payload, {offset, length}, ctx);
}

Result<std::unique_ptr<ByteSource>> Images::resume(const Context& ctx, const ImageId& id,
                                                   const ImageFile& failed, std::uint64_t offset,
                                                   std::uint64_t length) const {
  CLOUDOS_TRY(const auto payload, readable_payload(*impl_, ctx, id));
  const auto locations = image::ordered_locations(*impl_, payload);
  image::Reading reading{offset, length, 0, true};
  while (reading.skip < locations.size()) {
    const image::NamedStore* store = impl_->set->find(locations[reading.skip++].store);
    if (store != nullptr && store->payloads && store->payloads->path(id) == failed.path) break;
  }
  return image::read_payload(*impl_, payload, reading, ctx);
}

Result<ImageFile> Images::base_file(const ImageId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  const auto payload = records::get<image::Payload>(*snapshot, id);
  if (!payload) {
    if (payload.error().code == ErrorCode::NotFound) return image::image_not_found(id);
    return fail(payload.error());
  }
  if (impl_->settings.imports.verify_at_boot)
    CLOUDOS_CHECK(image::check_boot_signature(*impl_, *payload));
  if (payload->boot_store == image::kHttpStore) {
    CLOUDOS_TRY(auto path, impl_->cache->file(*payload));
    return described_file(*payload, std::move(path));
  }
  CLOUDOS_TRY(const image::PayloadStore* const payloads,
              impl_->set->payloads(payload->boot_store));
  return described_file(*payload, payloads->path(id));
}

}  // namespace cloudos
