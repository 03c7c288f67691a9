#include <fmt/format.h>

#include "image/impl.hpp"

// Who refers to the data of images.
namespace cloudos {
namespace image {

Claim::Claim(Images::Impl& impl, ImageId id, std::string store)
    : impl_(impl), key_(std::move(id), std::move(store)) {
  const LockGuard lock(impl_.mutex);
  holds_ = impl_.claimed.try_emplace(key_).second;
}

Claim::~Claim() {
  if (!holds_) return;
  const LockGuard lock(impl_.mutex);
  impl_.claimed.erase(key_);
}

bool Claim::cancelled() const {
  const LockGuard lock(impl_.mutex);
  const auto writing = impl_.claimed.find(key_);
  return writing != impl_.claimed.end() && writing->second.cancelled;
}

void cancel_writer(Images::Impl& impl, const ImageId& id) {
  const LockGuard lock(impl.mutex);
  for (auto at = impl.claimed.lower_bound({id, std::string()});
       at != impl.claimed.end() && at->first.first == id; ++at)
    at->second.cancelled = true;
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
  CLOUDOS_CHECK(image::check_format_verified(image));
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

}  // namespace cloudos
