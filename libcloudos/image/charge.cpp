#include "image/charge.hpp"

#include <algorithm>

#include "identity/quota.hpp"
#include "image/records.hpp"

namespace cloudos::image {
namespace {

/// In the order in which they are refused.
struct ChargeRow {
  std::string_view resource;
  std::int64_t Charge::*amount;
};
constexpr ChargeRow kChargeRows[] = {
    {"image_count_total", &Charge::images},
    {"image_count_uploading", &Charge::uploading},
    {"image_size_total", &Charge::bytes},
    {"image_stage_total", &Charge::staged},
};

/// From one charge to the other; the system's own images are nobody's.
Result<void> settle(store::Txn& txn, const ProjectId& project, const Charge& before,
                    const Charge& after) {
  if (project.empty()) return Result<void>();
  for (const ChargeRow& row : kChargeRows) {
    CLOUDOS_CHECK(
        Quota::reserve(txn, project, row.resource, after.*row.amount - before.*row.amount));
  }
  return Result<void>();
}

Charge counted_charge(const Image& image) {
  return image.counted ? charge_of(image) : Charge{};
}

Result<void> settle(store::Txn& txn, const Image& before, Image& after) {
  after.counted = true;
  if (before.owner == after.owner) {
    return settle(txn, after.owner, counted_charge(before), charge_of(after));
  }
  CLOUDOS_CHECK(settle(txn, before.owner, counted_charge(before), {}));
  return settle(txn, after.owner, {}, charge_of(after));
}

}  // namespace

std::size_t own_copies(const Image& image) {
  return static_cast<std::size_t>(std::count_if(image.locations.begin(), image.locations.end(),
                                                [](const auto& at) { return at.url.empty(); }));
}

Charge charge_of(const Image& image) {
  Charge charge;
  if (image.status == ImageStatus::PendingDelete) return charge;
  charge.images = 1;
  charge.uploading = image.status == ImageStatus::Saving ||
                     image.status == ImageStatus::Uploading ||
                     image.status == ImageStatus::Importing;
  const std::uint64_t copies = own_copies(image) + image.importing_to.size();
  charge.bytes =
      static_cast<std::int64_t>(image.size_bytes.value_or(0) * copies + image.reserved_bytes);
  charge.staged = static_cast<std::int64_t>(image.staged_bytes);
  return charge;
}

Result<void> insert_image(store::Txn& txn, Image& image) {
  image.counted = true;
  CLOUDOS_CHECK(settle(txn, image.owner, {}, charge_of(image)));
  return records::insert(txn, image);
}

Result<Image> modify_image(store::Txn& txn, const ImageId& id,
                           const std::function<Result<void>(Image&)>& change) {
  return records::modify<Image>(txn, id, [&](Image& image) -> Result<void> {
    const Image before = image;
    CLOUDOS_CHECK(change(image));
    return settle(txn, before, image);
  });
}

Result<void> update_image(store::Txn& txn, Image& image) {
  CLOUDOS_TRY(const Image before, records::get<Image>(txn, image.id));
  CLOUDOS_CHECK(settle(txn, before, image));
  return records::update(txn, image);
}

Result<void> count_image(store::Txn& txn, Image& image) {
  const Charge charge = charge_of(image);
  for (const ChargeRow& row : kChargeRows) {
    if (!image.owner.empty())
      CLOUDOS_CHECK(Quota::add(txn, image.owner, row.resource, charge.*row.amount));
  }
  image.counted = true;
  return records::update(txn, image);
}

Result<void> erase_image(store::Txn& txn, const ImageId& id) {
  CLOUDOS_TRY(const Image before, records::get<Image>(txn, id));
  CLOUDOS_CHECK(settle(txn, before.owner, counted_charge(before), {}));
  return records::erase<Image>(txn, id);
}

}  // namespace cloudos::image
