#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "image/charge.hpp"
#include "image/copies.hpp"
#include "image/fetch.hpp"
#include "image/pipeline.hpp"
#include "image/reading.hpp"
#include "image/stores.hpp"
#include "image/url.hpp"
#include "image/verify.hpp"

// Where data is, as callers see and change it.
namespace cloudos {
namespace {

/// What was found out of the bytes behind a URL.
struct Findings {
  std::uint64_t size_bytes = 0;
  image::Digests::Values sums;
  image::Verified verified;
};

Result<void> check_location_metadata(const std::map<std::string, std::string>& metadata) {
  if (metadata.size() > limits::kImageLocationItems) {
    return fail(ErrorCode::TooLarge, fmt::format("a location has at most {} items of metadata",
                                                 limits::kImageLocationItems));
  }
  for (const auto& [name, value] : metadata) {
    CLOUDOS_CHECK(check_name("metadata name", name, 1, limits::kNameChars));
    CLOUDOS_CHECK(check_name("metadata value", value, 0, limits::kNameChars));
  }
  return Result<void>();
}

/// "a/../b", also with escapes: two readers may take it for two places.
bool has_dot_segments(std::string_view target) {
  for (std::string_view segment : split(target.substr(0, target.find('?')), '/')) {
    std::string plain = fold_case(segment);
    for (auto at = plain.find("%2e"); at != std::string::npos; at = plain.find("%2e"))
      plain.replace(at, 3, ".");
    if (plain == "." || plain == "..") return true;
  }
  return false;
}

/// Only what the web has: a path of this host, or a URL of a store of ours, would let a caller read
/// what is not theirs.
Result<std::string> checked_location_url(const Images::Impl& images, const std::string& text) {
  if (images.set->find(image::kHttpStore) == nullptr) {
    return fail(ErrorCode::InvalidArgument, "locations that are URLs are not on offer here");
  }
  if (text.size() > limits::kUrlBytes) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a location's URL has at most {} bytes", limits::kUrlBytes));
  }
  CLOUDOS_TRY(const image::Url url, image::parse_url(text));
  if (has_dot_segments(url.target)) {
    return fail(ErrorCode::InvalidArgument, "a location's path may not have '.' or '..' in it");
  }
  CLOUDOS_CHECK(images.fetcher->guard().check_url(url));
  // A fragment is never sent; with it one place of data may be two locations.
  const std::size_t hash = text.find('#');
  const std::string fragment = hash == std::string::npos ? "" : text.substr(hash);
  for (const char c : fragment) {
    if (c <= ' ' || c > '~')
      return fail(ErrorCode::InvalidArgument, "a location's fragment is printable ASCII");
  }
  return url.text() + fragment;
}

Result<void> check_declared(const ImageLocationAdd& add) {
  const auto is_sum = [](std::string_view text, std::size_t digits) {
    return text.empty() || (text.size() == digits && from_hex(text).has_value());
  };
  if (is_sum(add.sha512, 128) && is_sum(add.md5, 32)) return Result<void>();
  return fail(ErrorCode::InvalidArgument,
              "a checksum is 32 (md5) or 128 (sha512) hexadecimal digits");
}

/// Reads all of it. `formats`: what the bytes must be.
Result<Findings> read_location(const Images::Impl& images, const Context& ctx,
                               const std::string& url, const Image& formats,
                               const image::Claim& claim) {
  CLOUDOS_TRY(const auto reader, image::open_url(images, url, ctx));
  Findings found;
  found.size_bytes = reader->size();
  CLOUDOS_TRY(const auto digests, image::DigestPipeline::make(images.engine.executor));
  std::vector<std::byte> buffer(limits::kImageChunkBytes);
  for (std::uint64_t at = 0; at < found.size_bytes;) {
    CLOUDOS_CHECK(check_call(ctx, images.engine.clock));
    if (claim.cancelled()) return image::image_not_found(formats.id);
    CLOUDOS_TRY(const std::size_t got, reader->read_at(at, buffer));
    if (got == 0) return fail(ErrorCode::Unavailable, "the location's data ends too early");
    CLOUDOS_CHECK(digests->update(std::span(buffer).first(got)));
    at += got;
  }
  CLOUDOS_TRY(found.sums, digests->finish());
  CLOUDOS_TRY(found.verified,
              image::verify_content(*reader, formats.disk_format, formats.container_format,
                                    images.guard.rules().require_format_match));
  return found;
}

Result<void> check_sums(const Findings& found, const std::string& sha512, const std::string& md5) {
  const bool same = (sha512.empty() || equals_ignore_case(sha512, found.sums.sha512)) &&
                    (md5.empty() || equals_ignore_case(md5, found.sums.md5));
  if (same) return Result<void>();
  return fail(ErrorCode::Conflict, "the location's data has another checksum than it should have");
}

/// Saving -> Active, with data that somebody else keeps.
Result<Image> activate_location(Images::Impl& images, const ImageId& id, const Findings& found,
                                const ImageLocation& location) {
  const WallTime now = images.engine.clock.wall();
  Image active;
  CLOUDOS_CHECK(images.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(active, records::get<Image>(txn, id));
    if (active.status != ImageStatus::Saving) {
      return fail(ErrorCode::Conflict, fmt::format("image {} changed meanwhile", id.value));
    }
    image::Payload payload;
    payload.id = id;
    payload.format = active.disk_format;
    payload.size_bytes = found.size_bytes;
    payload.virtual_size_bytes = found.verified.virtual_size_bytes;
    payload.sha512 = found.sums.sha512;
    payload.boot_store = image::kHttpStore;
    payload.locations = {location};
    active.status = ImageStatus::Active;
    active.size_bytes = found.size_bytes;
    active.virtual_size_bytes.reset();
    if (payload.virtual_size_bytes != 0) active.virtual_size_bytes = payload.virtual_size_bytes;
    active.format_problem = found.verified.format_problem;
    active.md5 = found.sums.md5;
    active.sha512 = found.sums.sha512;
    active.locations = payload.locations;
    active.updated_at = now;
    CLOUDOS_CHECK(records::insert(txn, payload));
    return image::update_image(txn, active);
  }));
  return active;
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

Result<Image> ImageStores::add_location(const Context& ctx, const ImageId& id,
                                        const ImageLocationAdd& add) {
  Images::Impl& images = impl_->images;
  CLOUDOS_CHECK(check_call(ctx, images.engine.clock));
  CLOUDOS_CHECK(check_location_metadata(add.metadata));
  CLOUDOS_CHECK(check_declared(add));
  CLOUDOS_TRY(Image image, images.visible(ctx, id));
  CLOUDOS_CHECK(image::check_may_change(ctx, image));
  CLOUDOS_TRY(const std::string url, checked_location_url(images, add.url));
  const image::Claim claim(images, id);
  if (!claim.holds()) {
    return fail(ErrorCode::Conflict, fmt::format("image {} is being uploaded", id.value));
  }
  const ImageLocation location{std::string(image::kHttpStore), url, add.metadata};
  if (image.status == ImageStatus::Queued || image.status == ImageStatus::Saving) {
    CLOUDOS_TRY(image, images.mark_saving(ctx, id, 0));
    auto found = read_location(images, ctx, url, image, claim);
    const auto activated = [&]() -> Result<Image> {
      CLOUDOS_CHECK(found);
      CLOUDOS_CHECK(check_sums(*found, add.sha512, add.md5));
      return activate_location(images, id, *found, location);
    };
    auto active = activated();
    if (!active && !images.clear_unfinished(id)) images.swept = false;
    return active;
  }
  const auto check_place = [&](const Image& now) -> Result<void> {
    const std::size_t most = std::min(images.guard.rules().most_locations, limits::kImageLocations);
    if (now.locations.size() >= most) {
      return fail(ErrorCode::TooLarge, fmt::format("an image has at most {} locations", most));
    }
    for (const ImageLocation& at : now.locations)
      if (at.url == url) return fail(ErrorCode::Conflict, "the image has this location already");
    return Result<void>();
  };
  CLOUDOS_CHECK(check_place(image));
  if (!image.size_bytes) {
    return fail(ErrorCode::Conflict,
                fmt::format("image {} is {}", id.value, to_string(image.status)));
  }
  CLOUDOS_TRY(const Findings found, read_location(images, ctx, url, image, claim));
  CLOUDOS_CHECK(check_sums(found, add.sha512, add.md5));
  CLOUDOS_CHECK(check_sums(found, image.sha512, image.md5));
  return impl_->change_locations(
      ctx, id, [&](store::Txn& txn, Image& now, image::Payload& payload) -> Result<void> {
        CLOUDOS_CHECK(check_place(now));
        auto locations = payload.locations;
        locations.push_back(location);
        return image::put_locations(txn, now, payload, std::move(locations));
      });
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
