#include <fmt/format.h>

#include <set>

#include "base/text.hpp"
#include "image/cache.hpp"
#include "image/charge.hpp"
#include "image/impl.hpp"

// What becomes of data that nobody refers to, and of images whose time is over.
namespace cloudos {

Result<bool> Images::Impl::sweep() {
  if (!swept.exchange(true)) {
    const auto done = sweep_leftovers();
    if (!done) swept = false;
    CLOUDOS_CHECK(done);
  }
  CLOUDOS_CHECK(scrub());
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  store::ScanOptions options;
  options.limit = limits::kImageSweepItems;
  CLOUDOS_TRY(const auto garbage, snapshot->scan(image::kGarbagePrefix, options));
  Result<void> all_gone;
  for (const store::Entry& entry : garbage) {
    auto gone = sweep_garbage(entry);
    if (!gone) all_gone = std::move(gone);  // One store that is away keeps the others from nothing.
  }
  CLOUDOS_CHECK(all_gone);
  CLOUDOS_TRY(const bool uncounted, count_uncounted());
  return uncounted || garbage.size() == limits::kImageSweepItems;
}

/// "<id>": all copies; "<id> <store>": the one in that store.
Result<void> Images::Impl::sweep_garbage(const store::Entry& entry) {
  const auto parts = split(entry.value, ' ');
  const ImageId id{std::string(parts[0])};
  if (parts.size() == 1) {
    CLOUDOS_CHECK(set->remove(id));
    cache->forget(id);
  } else if (const image::NamedStore* store = set->find(parts[1]); store && store->payloads) {
    CLOUDOS_CHECK(store->payloads->remove(id));
  }
  // Only now may the id be used again: bytes under its name are never taken for new ones.
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) {
    txn.erase(entry.key);
    return Result<void>();
  }));
  return Result<void>();
}

Result<void> Images::Impl::scrub() {
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  CLOUDOS_TRY(const auto deleted, records::all<Image>(*snapshot, "pending_delete", "1"));
  const WallTime now = engine.clock.wall();
  for (const Image& image : deleted) {
    if (image.scrub_at && *image.scrub_at > now) continue;
    CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
      const auto still = records::get<Image>(txn, image.id);
      if (!still || still->status != ImageStatus::PendingDelete) return Result<void>();
      CLOUDOS_CHECK(image::erase_image(txn, image.id));
      image::release_payload(txn, image.id);
      return Result<void>();
    }));
  }
  return Result<void>();
}

Result<bool> Images::Impl::count_uncounted() {
  constexpr std::string_view kCounted = "/counted/image";
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  CLOUDOS_TRY(const auto done, snapshot->get(kCounted));
  if (done) return false;
  records::PageSpec<Image> spec;
  spec.matches = [](const Image& image) { return !image.counted; };
  spec.limit = limits::kImageSweepItems;
  CLOUDOS_TRY(const auto images, records::page<Image>(*snapshot, spec));
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    for (const Image& image : images) {
      auto now = records::get<Image>(txn, image.id);
      if (!now || now->counted) continue;
      // What is there is kept, over any limit: this is no new use of it.
      CLOUDOS_CHECK(image::count_image(txn, *now));
    }
    if (images.size() < limits::kImageSweepItems) txn.put(std::string(kCounted), "1");
    return Result<void>();
  }));
  return images.size() == limits::kImageSweepItems;
}

/// At start, and after an upload that could not clean up after itself.
Result<void> Images::Impl::sweep_leftovers() {
  for (const auto& store : set->all()) {
    if (!store->payloads) continue;
    CLOUDOS_TRY(const auto files, store->payloads->list());
    for (const ImageId& id : files) CLOUDOS_CHECK(sweep_copy(*store, id));
  }
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  CLOUDOS_TRY(const auto saving, records::all<Image>(*snapshot, "saving", "1"));
  for (const Image& image : saving) CLOUDOS_CHECK(sweep_leftover(image.id));
  return Result<void>();
}

/// Bytes that no record tells of and that nobody is about to write.
Result<void> Images::Impl::sweep_copy(const image::NamedStore& store, const ImageId& id) {
  const image::Claim claim(*this, id), copying(*this, id, store.name);
  if (!claim.holds() || !copying.holds()) return Result<void>();
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  const auto payload = records::get<image::Payload>(*snapshot, id);
  if (!payload && payload.error().code != ErrorCode::NotFound) return fail(payload.error());
  if (payload) {
    for (const ImageLocation& location : payload->locations)
      if (location.store == store.name && location.url.empty()) return Result<void>();
  }
  const auto image = records::get<Image>(*snapshot, id);
  if (!image && image.error().code != ErrorCode::NotFound) return fail(image.error());
  if (image) {
    // Their tasks go on, or clean up, themselves.
    if (image->status == ImageStatus::Importing || image->status == ImageStatus::Uploading)
      return Result<void>();
    for (const std::string& name : image->importing_to)
      if (name == store.name) return Result<void>();
  }
  const auto removed = store.payloads->remove(id);
  // A guest of this folder writes it: it cleans up itself.
  if (!removed && removed.error().code == ErrorCode::Conflict) return Result<void>();
  return removed;
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
  CLOUDOS_CHECK(set->remove(id));
  const WallTime now = engine.clock.wall();
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    auto image = records::get<Image>(txn, id);
    if (!image || image->status != ImageStatus::Saving) return Result<void>();
    image->status = ImageStatus::Queued;
    image->reserved_bytes = 0;  // With it the quota has its bytes back.
    image->updated_at = now;
    return image::update_image(txn, *image);
  }));
  return Result<void>();
}

}  // namespace cloudos
