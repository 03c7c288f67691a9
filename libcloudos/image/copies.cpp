#include "image/copies.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "image/charge.hpp"
#include "image/location_state.hpp"

namespace cloudos::image {
namespace {

constexpr std::chrono::seconds kCopyRetry{1};

bool has_copy(const std::vector<ImageLocation>& locations, std::string_view store) {
  return std::any_of(locations.begin(), locations.end(),
                     [&](const ImageLocation& at) { return at.url.empty() && at.store == store; });
}

std::string copy_garbage_key(const ImageId& id, std::string_view store) {
  return garbage_key(id) + "/" + std::string(store);
}

Result<tasks::Outcome> run_copy(Images::Impl& images, tasks::StepContext& step) {
  const ImageId id{step.value("image")};
  const std::string store = step.value("store");
  CLOUDOS_TRY(const auto snapshot, step.snapshot());
  CLOUDOS_TRY(const Payload payload, records::get<Payload>(*snapshot, id));
  if (has_copy(payload.locations, store)) return tasks::Done{};
  // Bytes of a copy that was removed are not taken away under the new one.
  CLOUDOS_TRY(const auto garbage, snapshot->get(copy_garbage_key(id, store)));
  if (garbage) return tasks::Again{kCopyRetry};
  const Claim claim(images, id, store);
  if (!claim.holds()) return tasks::Again{kCopyRetry};
  bool stopped = false;
  const auto copied = copy_data(images, payload, store, [&]() -> Result<void> {
    if (claim.cancelled()) return image_not_found(id);
    stopped = images.engine.runner.stopping();
    return stopped ? fail(ErrorCode::Cancelled, "the process stops") : Result<void>();
  });
  if (stopped) return tasks::Again{kCopyRetry};  // Of the next process.
  CLOUDOS_CHECK(copied);
  return tasks::Done{};
}

Result<tasks::Outcome> undo_copy(Images::Impl& images, tasks::StepContext& step) {
  const ImageId id{step.value("image")};
  const std::string store = step.value("store");
  const Claim whole(images, id), claim(images, id, store);
  if (!whole.holds() || !claim.holds()) return tasks::Again{kCopyRetry};
  CLOUDOS_TRY(const auto snapshot, step.snapshot());
  const auto payload = records::get<Payload>(*snapshot, id);
  if (!payload && payload.error().code != ErrorCode::NotFound) return fail(payload.error());
  if (payload && has_copy(payload->locations, store)) return tasks::Done{};
  CLOUDOS_TRY(PayloadStore* const payloads, images.set->payloads(store));
  CLOUDOS_CHECK(payloads->remove(id));
  return tasks::Done{};
}

Result<tasks::Outcome> record_copy(tasks::StepContext& step) {
  const ImageId id{step.value("image")};
  const std::string store = step.value("store");
  const WallTime now = step.clock().wall();
  CLOUDOS_CHECK(step.commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Image image, records::get<Image>(txn, id));
    CLOUDOS_TRY(Payload payload, records::get<Payload>(txn, id));
    if (image.status == ImageStatus::PendingDelete)
      return fail(ErrorCode::NotFound, fmt::format("image {} is deleted", id.value));
    std::erase(image.importing_to, store);
    std::erase(image.failed_stores, store);
    image.updated_at = now;
    auto locations = payload.locations;
    if (!has_copy(locations, store)) locations.push_back({store, {}, {}});
    return put_locations(txn, image, payload, std::move(locations));
  }));
  return tasks::Done{};
}

Result<void> copy_failed(store::Txn& txn, const tasks::TaskRecord& task, bool for_good) {
  const ImageId id{task.params.at("image")};
  const std::string& store = task.params.at("store");
  auto image = records::get<Image>(txn, id);
  if (!image) return Result<void>();  // Deleted: there is nobody to tell.
  std::erase(image->importing_to, store);
  std::erase(image->failed_stores, store);
  if (for_good) image->failed_stores.push_back(store);
  return update_image(txn, *image);
}

}  // namespace

Result<void> put_locations(store::Txn& txn, Image& image, Payload& payload,
                           std::vector<ImageLocation> locations) {
  payload.locations = locations;
  image.locations = std::move(locations);
  CLOUDOS_CHECK(records::update(txn, payload));
  return update_image(txn, image);
}

Result<void> drop_location(store::Txn& txn, Image& image, Payload& payload, std::size_t at) {
  auto locations = payload.locations;
  if (at >= locations.size()) {
    return fail(ErrorCode::NotFound, fmt::format("image {} has no such location", image.id.value));
  }
  if (locations.size() == 1) {
    return fail(ErrorCode::Forbidden,
                fmt::format("image {} has one location only: delete the image", image.id.value));
  }
  const ImageLocation dropped = locations[at];
  locations.erase(locations.begin() + static_cast<std::ptrdiff_t>(at));
  const bool another_url =
      !dropped.url.empty() && std::any_of(locations.begin(), locations.end(),
                                          [](const ImageLocation& l) { return !l.url.empty(); });
  if (dropped.store == payload.boot_store && !another_url) {
    if (!txn.none(pin_prefix(image.id))) {
      return fail(ErrorCode::Conflict, fmt::format("servers boot from image {} in store '{}'",
                                                   image.id.value, dropped.store));
    }
    const auto ours = std::find_if(locations.begin(), locations.end(),
                                   [](const ImageLocation& l) { return l.url.empty(); });
    payload.boot_store = ours == locations.end() ? std::string(kHttpStore) : ours->store;
  }
  if (dropped.url.empty()) {
    txn.put(copy_garbage_key(image.id, dropped.store),
            fmt::format("{} {}", image.id.value, dropped.store));
  }
  return put_locations(txn, image, payload, std::move(locations));
}

Result<void> copy_data(const Images::Impl& images, const Payload& payload, std::string_view store,
                       const std::function<Result<void>()>& go_on) {
  const std::vector<std::string> into{std::string(store)};
  const auto open = [&]() -> Result<std::unique_ptr<PayloadWriter>> {
    CLOUDOS_TRY(auto writer, images.set->create(payload.id, into, payload.size_bytes, true));
    return std::unique_ptr<PayloadWriter>(std::move(writer));
  };
  return fill_verified(images, payload, open, go_on);
}

tasks::TaskType copy_task(Images::Impl& images) {
  tasks::TaskType type;
  type.name = "copy-image";
  tasks::Step copy{"copy", tasks::Step::Kind::Remote,
                   [&images](tasks::StepContext& step) { return run_copy(images, step); },
                   [&images](tasks::StepContext& step) { return undo_copy(images, step); }};
  tasks::Step record{"record", tasks::Step::Kind::Local, record_copy, {}};
  type.steps.push_back(std::move(copy));
  type.steps.push_back(std::move(record));
  type.failed = [](store::Txn& txn, const tasks::TaskRecord& task, const Error&) {
    return copy_failed(txn, task, true);
  };
  type.superseded = [](store::Txn& txn, const tasks::TaskRecord& task) {
    return copy_failed(txn, task, false);
  };
  return type;
}

}  // namespace cloudos::image
