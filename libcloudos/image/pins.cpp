#include <set>

#include <fmt/format.h>

#include "image/impl.hpp"

// Who refers to the data of images, and what becomes of data that nobody refers to.
namespace cloudos {
namespace image {

Claim::Claim(Images::Impl& impl, ImageId id) : impl_(impl), id_(std::move(id)) {
  const LockGuard lock(impl_.mutex);
  holds_ = impl_.claimed.try_emplace(id_).second;
}

Claim::~Claim() {
  if (!holds_) return;
  const LockGuard lock(impl_.mutex);
  impl_.claimed.erase(id_);
}

bool Claim::cancelled() const {
  const LockGuard lock(impl_.mutex);
  const auto writing = impl_.claimed.find(id_);
  return writing != impl_.claimed.end() && writing->second.cancelled;
}

void cancel_writer(Images::Impl& impl, const ImageId& id) {
  const LockGuard lock(impl.mutex);
  const auto writing = impl.claimed.find(id);
  if (writing != impl.claimed.end()) writing->second.cancelled = true;
}

void release_payload(store::Txn& txn, const ImageId& id) {
  const std::string payload = records::record_key(Payload::kKind, id.value);
  if (txn.get(records::record_key(Image::kKind, id.value)) || !txn.none(pin_prefix(id)) ||
      !txn.get(payload)) {
    return;
  }
  txn.erase(payload);
  txn.put(garbage_key(id), id.value);
}

}  // namespace image

Result<void> Images::pin(store::Txn& txn, const ImageId& id, std::string_view holder) {
  CLOUDOS_TRY(const Image image, records::get<Image>(txn, id));
  if (image.status != ImageStatus::Active) {
    return fail(ErrorCode::Conflict, fmt::format("image {} is {}, not active", id.value,
                                                 to_string(image.status)));
  }
  if (!image::is_bootable(image.container_format)) {
    return fail(ErrorCode::Conflict,
                fmt::format("image {} has container format {}: a server cannot boot from it",
                            id.value, to_string(image.container_format)));
  }
  txn.put(image::pin_key(id, holder), {});
  return Result<void>();
}

Result<void> Images::unpin(store::Txn& txn, const ImageId& id, std::string_view holder) {
  const std::string pin = image::pin_key(id, holder);
  if (!txn.get(pin)) return Result<void>();
  txn.erase(pin);
  image::release_payload(txn, id);
  return Result<void>();
}

Result<ImageFile> Images::base_file(const ImageId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  const auto payload = records::get<image::Payload>(*snapshot, id);
  if (!payload) {
    if (payload.error().code == ErrorCode::NotFound) return image::image_not_found(id);
    return fail(payload.error());
  }
  ImageFile file;
  file.path = impl_->payloads().path(id);
  file.format = payload->format;
  file.size_bytes = payload->size_bytes;
  file.virtual_size_bytes = payload->virtual_size_bytes;
  return file;
}

Result<bool> Images::Impl::sweep() {
  if (!swept.exchange(true)) {
    const auto done = sweep_leftovers();
    if (!done) swept = false;
    CLOUDOS_CHECK(done);
  }
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  store::ScanOptions options;
  options.limit = limits::kImageSweepItems;
  CLOUDOS_TRY(const auto garbage, snapshot->scan(image::kGarbagePrefix, options));
  for (const store::Entry& entry : garbage) {
    CLOUDOS_CHECK(payloads().remove(ImageId{entry.value}));
    // Only now may the id be used again: bytes under its name are never taken for new ones.
    CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) {
      txn.erase(entry.key);
      return Result<void>();
    }));
  }
  return garbage.size() == limits::kImageSweepItems;
}

/// At start, and after an upload that could not clean up after itself.
Result<void> Images::Impl::sweep_leftovers() {
  std::set<ImageId> suspects;
  CLOUDOS_TRY(const auto files, payloads().list());
  suspects.insert(files.begin(), files.end());
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  CLOUDOS_TRY(const auto saving, records::all<Image>(*snapshot, "saving", "1"));
  for (const Image& image : saving) suspects.insert(image.id);
  for (const ImageId& id : suspects) CLOUDOS_CHECK(sweep_leftover(id));
  return Result<void>();
}

Result<void> Images::Impl::sweep_leftover(const ImageId& id) {
  const image::Claim claim(*this, id);
  if (!claim.holds()) return Result<void>();  // An upload of this process: it cleans up itself.
  const auto cleared = clear_unfinished(id);
  // One of a guest of this folder does so too.
  if (!cleared && cleared.error().code == ErrorCode::Conflict) return Result<void>();
  return cleared;
}

Result<void> Images::Impl::clear_unfinished(const ImageId& id) {
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  // A payload's record is written with Active: what has one is finished, whatever was reported.
  const auto payload = records::get<image::Payload>(*snapshot, id);
  if (payload) return Result<void>();
  if (payload.error().code != ErrorCode::NotFound) return fail(payload.error());
  CLOUDOS_CHECK(payloads().remove(id));
  const WallTime now = engine.clock.wall();
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    auto image = records::get<Image>(txn, id);
    if (!image || image->status != ImageStatus::Saving) return Result<void>();
    image->status = ImageStatus::Queued;
    image->updated_at = now;
    return records::update(txn, *image);
  }));
  return Result<void>();
}

}  // namespace cloudos
