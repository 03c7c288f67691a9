#include "image/location_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "image/charge.hpp"
#include "image/fetch.hpp"
#include "image/url.hpp"

namespace cloudos::image {
namespace {

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

}  // namespace

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

Result<std::string> checked_location_url(const Images::Impl& images, const std::string& text) {
  if (images.set->find(kHttpStore) == nullptr) {
    return fail(ErrorCode::InvalidArgument, "locations that are URLs are not on offer here");
  }
  if (text.size() > limits::kUrlBytes) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a location's URL has at most {} bytes", limits::kUrlBytes));
  }
  CLOUDOS_TRY(const Url url, parse_url(text));
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

Result<void> check_place(const Images::Impl& images, const Image& image, const std::string& url) {
  const std::size_t most = std::min(images.guard.rules().most_locations, limits::kImageLocations);
  if (image.locations.size() >= most)
    return fail(ErrorCode::TooLarge, fmt::format("an image has at most {} locations", most));
  for (const ImageLocation& at : image.locations)
    if (at.url == url) return fail(ErrorCode::Conflict, "the image has this location already");
  return Result<void>();
}

Result<void> check_takes_location(const Image& image) {
  const bool queued = image.status == ImageStatus::Queued || image.status == ImageStatus::Saving;
  if (!image.size_bytes && !queued) {
    return fail(ErrorCode::Conflict,
                fmt::format("image {} is {}", image.id.value, to_string(image.status)));
  }
  if (image.size_bytes || (image.disk_format != DiskFormat::Unset &&
                           image.container_format != ContainerFormat::Unset))
    return Result<void>();
  return fail(ErrorCode::InvalidArgument,
              "disk_format and container_format must be set before data is added");
}

Result<void> check_declared(const ImageLocationAdd& add, const Image& image) {
  const bool differs = (!add.hash.empty() && (add.hash_algorithm != "sha512" ||
                                              !equals_ignore_case(add.hash, image.sha512))) ||
                       (!add.md5.empty() && !image.md5.empty() &&
                        !equals_ignore_case(add.md5, image.md5));
  if (image.size_bytes && !image.sha512.empty() && differs) {
    return fail(ErrorCode::Conflict,
                "the declared checksum is not that of the data which the image has");
  }
  if (add.hash_algorithm != "sha512")
    return fail(ErrorCode::InvalidArgument, "os_hash_algo must be sha512");
  const auto is_sum = [](std::string_view text, std::size_t digits) {
    return text.empty() || (text.size() == digits && from_hex(text).has_value());
  };
  if (is_sum(add.hash, 128) && is_sum(add.md5, 32)) return Result<void>();
  return fail(ErrorCode::InvalidArgument,
              "a checksum is 32 (md5) or 128 (sha512) hexadecimal digits");
}

Result<void> first_location(store::Txn& txn, Image& image, Payload& payload,
                            const PreparedLocation& ready) {
  payload.id = image.id;
  payload.format = image.disk_format;
  payload.size_bytes = ready.found.size_bytes;
  payload.virtual_size_bytes = ready.found.verified.virtual_size_bytes;
  payload.sha512 = ready.found.sums.sha512;
  payload.declared = ready.location.unverified;
  payload.boot_store = kHttpStore;
  payload.locations = {ready.location};
  image.status = ImageStatus::Active;
  image.reserved_bytes = 0;
  image.size_bytes = ready.found.size_bytes;
  image.virtual_size_bytes.reset();
  if (payload.virtual_size_bytes != 0) image.virtual_size_bytes = payload.virtual_size_bytes;
  image.format_problem = ready.found.verified.format_problem;
  image.md5 = ready.found.sums.md5;
  image.sha512 = ready.found.sums.sha512;
  image.locations = payload.locations;
  CLOUDOS_CHECK(records::insert(txn, payload));
  return update_image(txn, image);
}

}  // namespace cloudos::image
