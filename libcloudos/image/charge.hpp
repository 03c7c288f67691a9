#pragma once
#include <functional>

#include "cloudos/images.hpp"
#include "cloudos/store.hpp"

/// What images cost their project. Every write of an image's record goes through here, so that what
/// is counted equals the records after every commit, crashes included.
namespace cloudos::image {

struct Charge {
  std::int64_t images = 0;     ///< image_count_total
  std::int64_t uploading = 0;  ///< image_count_uploading
  std::int64_t bytes = 0;      ///< image_size_total: each copy in a store of ours, and what an
                               ///< upload or copy under way has taken
  std::int64_t staged = 0;     ///< image_stage_total
  friend bool operator==(const Charge&, const Charge&) = default;
};

/// What a record stands for; nothing once its image is deleted, whatever still becomes of its data.
Charge charge_of(const Image& image);
/// Copies of the data in stores of ours: those that cost.
std::size_t own_copies(const Image& image);

/// As records::insert, modify, update and erase, with the project's quota.
/// Errors: theirs; QuotaExceeded.
Result<void> insert_image(store::Txn& txn, Image& image);
Result<Image> modify_image(store::Txn& txn, const ImageId& id,
                           const std::function<Result<void>(Image&)>& change);
Result<void> update_image(store::Txn& txn, Image& image);
Result<void> erase_image(store::Txn& txn, const ImageId& id);
/// Counts one of before quotas, whatever the limits say.
Result<void> count_image(store::Txn& txn, Image& image);

}  // namespace cloudos::image
