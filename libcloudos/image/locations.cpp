#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "image/charge.hpp"
#include "image/copies.hpp"
#include "image/fetch.hpp"
#include "image/location_state.hpp"
#include "image/location_rules.hpp"
#include "image/reading.hpp"
#include "image/stores.hpp"

// Where data is, as callers see and change it.
namespace cloudos {

using image::check_declared;
using image::check_location_metadata;
using image::check_place;
using image::check_takes_location;
using image::checked_location_url;
using image::first_location;
using image::PreparedLocation;

namespace {

/// Asks for size and head of data that was declared.
Result<image::Findings> look_at_location(const Images::Impl& images, const Context& ctx,
                                         const std::string& url, const Image& formats,
                                         const ImageLocationAdd& add) {
  CLOUDOS_TRY(const auto reader, image::open_url(images, url, ctx));
  image::Findings found;
  found.size_bytes = reader->size();
  found.sums = {fold_case(add.md5), fold_case(add.hash)};
  if (formats.size_bytes) return found;
  CLOUDOS_TRY(found.verified,
              image::verify_content(*reader, formats.disk_format, formats.container_format,
                                    images.guard.rules().require_format_match));
  return found;
}

/// `whole`: the data is read and compared now, whatever was declared.
Result<PreparedLocation> prepare_location(const Images::Impl& images, const Context& ctx,
                                          const Image& image, const ImageLocationAdd& add,
                                          const image::Claim& claim, bool whole) {
  CLOUDOS_CHECK(check_location_metadata(add.metadata));
  CLOUDOS_CHECK(check_takes_location(image));
  CLOUDOS_CHECK(check_declared(add, image));
  PreparedLocation ready;
  ready.location = {std::string(image::kHttpStore), {}, add.metadata};
  CLOUDOS_TRY(ready.location.url, checked_location_url(images, add.url));
  CLOUDOS_CHECK(check_place(images, image, ready.location.url));
  if (!whole && !add.hash.empty()) {
    CLOUDOS_TRY(ready.found, look_at_location(images, ctx, ready.location.url, image, add));
    ready.location.unverified = true;
    return ready;
  }
  CLOUDOS_TRY(ready.found,
              image::read_location(images, ctx, ready.location.url, image, [&]() -> Result<void> {
                return claim.cancelled() ? image::image_not_found(image.id) : Result<void>();
              }));
  CLOUDOS_CHECK(image::check_sums(ready.found.sums, add.hash, add.md5));
  return ready;
}

/// Within a commit: one more place of the data that the image has.
Result<void> next_location(const Images::Impl& images, store::Txn& txn, Image& image,
                           image::Payload& payload, const PreparedLocation& ready) {
  CLOUDOS_CHECK(check_place(images, image, ready.location.url));
  if (ready.found.size_bytes != payload.size_bytes) {
    return fail(ErrorCode::Conflict, fmt::format("the location has {} bytes, the image has {}",
                                                 ready.found.size_bytes, payload.size_bytes));
  }
  CLOUDOS_CHECK(image::check_sums(ready.found.sums, image.sha512,
                                  ready.found.sums.md5.empty() ? "" : image.md5));
  payload.sha512 = image.sha512;
  auto locations = payload.locations;
  locations.push_back(ready.location);
  return image::put_locations(txn, image, payload, std::move(locations));
}

/// Changes of an image's locations, applied in their order to the records of one commit.
class LocationEdits {
 public:
  LocationEdits(const Images::Impl& images, const ImageStores& stores)
      : images_(images), stores_(stores) {}

  /// Before the commit: asks the web for everything that is to be added.
  Result<void> prepare(const Context& ctx, const Image& image, const image::Claim& claim,
                       const std::vector<ImageLocationChange>& changes, bool whole) {
    for (const ImageLocationChange& change : changes) {
      const bool adds = change.kind == ImageLocationChange::Kind::Add ||
                        (change.kind == ImageLocationChange::Kind::ReplaceAll &&
                         image.locations.empty());
      for (const ImageLocationAdd& add : change.wanted) {
        if (!adds) CLOUDOS_CHECK(check_location_metadata(add.metadata));
        if (!adds || ready_.contains(add.url)) continue;
        CLOUDOS_TRY(ready_[add.url], prepare_location(images_, ctx, image, add, claim, whole));
      }
    }
    return Result<void>();
  }

  Result<void> apply(store::Txn& txn, Image& image,
                     const std::vector<ImageLocationChange>& changes) const {
    image::Payload payload;
    if (image.size_bytes) {
      CLOUDOS_TRY(payload, records::get<image::Payload>(txn, image.id));
    }
    for (const ImageLocationChange& change : changes) {
      using Kind = ImageLocationChange::Kind;
      if (change.kind == Kind::Remove) {
        CLOUDOS_CHECK(remove(txn, image, payload, change));
      } else if (change.kind == Kind::ReplaceAll && !image.locations.empty()) {
        CLOUDOS_CHECK(replace(txn, image, payload, change));
      } else {
        for (const ImageLocationAdd& wanted : change.wanted)
          CLOUDOS_CHECK(add(txn, image, payload, wanted));
      }
    }
    return Result<void>();
  }

 private:
  Result<void> add(store::Txn& txn, Image& image, image::Payload& payload,
                   const ImageLocationAdd& wanted) const {
    const auto ready = ready_.find(wanted.url);
    if (ready == ready_.end()) {
      return fail(ErrorCode::Conflict,
                  fmt::format("the locations of image {} changed meanwhile", image.id.value));
    }
    PreparedLocation mine = ready->second;
    mine.location.metadata = wanted.metadata;
    if (image.size_bytes) return next_location(images_, txn, image, payload, mine);
    CLOUDOS_CHECK(check_takes_location(image));
    return first_location(txn, image, payload, mine);
  }

  static Result<void> remove(store::Txn& txn, Image& image, image::Payload& payload,
                             const ImageLocationChange& change) {
    const std::size_t count = image.locations.size();
    if (count == 0 || change.at.value_or(0) >= count)
      return fail(ErrorCode::InvalidArgument, "there is no location at that position");
    if (image.is_protected) {
      return fail(ErrorCode::Forbidden,
                  fmt::format("image {} is protected: its data stays", image.id.value));
    }
    return image::drop_location(txn, image, payload, change.at.value_or(count - 1));
  }

  Result<void> replace(store::Txn& txn, Image& image, image::Payload& payload,
                       const ImageLocationChange& change) const {
    auto locations = payload.locations;
    bool same = change.wanted.size() == locations.size();
    for (std::size_t at = 0; same && at < locations.size(); ++at)
      same = stores_.url_of(image.id, locations[at]) == change.wanted[at].url;
    if (!same) {
      return fail(ErrorCode::InvalidArgument,
                  "replacing locations changes their metadata only: send all URLs in their order");
    }
    for (std::size_t at = 0; at < locations.size(); ++at)
      locations[at].metadata = change.wanted[at].metadata;
    return image::put_locations(txn, image, payload, std::move(locations));
  }

  const Images::Impl& images_;
  const ImageStores& stores_;
  std::map<std::string, PreparedLocation> ready_;  // By the URL as it was asked for.
};

bool adds_location(const std::vector<ImageLocationChange>& changes) {
  return std::any_of(changes.begin(), changes.end(), [](const ImageLocationChange& change) {
    return change.kind != ImageLocationChange::Kind::Remove;
  });
}

/// Attributes and locations of an image in one commit.
Result<Image> change_image(Images::Impl& images, const Context& ctx, const ImageId& id,
                           const ImageUpdate& attributes,
                           const std::vector<ImageLocationChange>& changes, bool whole) {
  CLOUDOS_CHECK(check_call(ctx, images.engine.clock));
  const image::Caller caller(ctx, images.guard);
  LocationEdits edits(images, *images.stores);
  std::optional<image::Claim> claim;  // To the end: nobody else brings data meanwhile.
  if (adds_location(changes)) {
    claim.emplace(images, id);
    CLOUDOS_TRY(Image image, images.visible(ctx, id));
    CLOUDOS_CHECK(image::check_may_change(ctx, image));
    if (!claim->holds())
      return fail(ErrorCode::Conflict, fmt::format("image {} is being uploaded", id.value));
    // As it is going to be: formats may be among the attributes.
    CLOUDOS_CHECK(image::apply_update(caller, attributes, image));
    CLOUDOS_CHECK(edits.prepare(ctx, image, *claim, changes, whole));
  }
  CLOUDOS_TRY(Image changed, images.change_within(ctx, id, [&](store::Txn& txn, Image& image) {
    const auto applied = image::apply_update(caller, attributes, image);
    return applied ? edits.apply(txn, image, changes) : applied;
  }));
  if (!changes.empty()) images.engine.runner.wake_reconciler("images");
  return caller.shown(std::move(changed));
}

}  // namespace

std::string ImageStores::url_of(const ImageId& id, const ImageLocation& location) const {
  if (!location.url.empty()) return location.url;
  const image::NamedStore* store = impl_->images.set->find(location.store);
  if (store == nullptr || !store->payloads) return {};
  const auto path = store->payloads->path(id);
  std::error_code error;
  return path.empty() ? std::string() : "file://" + std::filesystem::absolute(path, error).string();
}

Result<std::vector<ImageLocation>> ImageStores::locations(const Context& ctx,
                                                          const ImageId& id) const {
  CLOUDOS_TRY(Image image, impl_->images.visible(ctx, id));
  return std::move(image.locations);
}

Result<Image> ImageStores::change(const Context& ctx, const ImageId& id,
                                  const ImageUpdate& attributes,
                                  const std::vector<ImageLocationChange>& locations) {
  return change_image(impl_->images, ctx, id, attributes, locations, false);
}

Result<Image> ImageStores::add_location(const Context& ctx, const ImageId& id,
                                        const ImageLocationAdd& add) {
  ImageLocationChange change;
  change.wanted.push_back(add);
  return change_image(impl_->images, ctx, id, {}, {std::move(change)}, true);
}

Result<Image> ImageStores::remove_location(const Context& ctx, const ImageId& id, std::size_t at) {
  auto changed = impl_->change_locations(
      ctx, id, [&](store::Txn& txn, Image& image, image::Payload& payload) -> Result<void> {
        if (image.is_protected) {
          return fail(ErrorCode::Forbidden,
                      fmt::format("image {} is protected: its data stays", id.value));
        }
        return image::drop_location(txn, image, payload, at);
      });
  if (changed) impl_->images.engine.runner.wake_reconciler("images");
  return changed;
}

Result<Image> ImageStores::set_location_metadata(
    const Context& ctx, const ImageId& id, std::size_t at,
    const std::map<std::string, std::string>& metadata) {
  CLOUDOS_CHECK(check_location_metadata(metadata));
  return impl_->change_locations(
      ctx, id, [&](store::Txn& txn, Image& image, image::Payload& payload) -> Result<void> {
        auto locations = payload.locations;
        if (at >= locations.size())
          return fail(ErrorCode::NotFound, fmt::format("image {} has no such location", id.value));
        locations[at].metadata = metadata;
        return image::put_locations(txn, image, payload, std::move(locations));
      });
}

}  // namespace cloudos
