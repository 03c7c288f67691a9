#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/bytes.hpp"
#include "cloudos/images.hpp"
#include "cloudos/limits.hpp"

namespace cloudos {

/// A folder of the operator's that holds data of images, beside the one in the data folder.
struct ImageStoreFolder {
  std::filesystem::path folder;      ///< Made when it is not there. Nobody else's.
  std::string description;
  std::uint32_t weight = 0;          ///< Uploads that name no store go to the heaviest with room.
  std::uint64_t capacity_bytes = 0;  ///< 0: as much as its disk takes.
};

/// Which copy of an image is read first. A failed read goes on with the next one.
enum class LocationStrategy : std::uint8_t {
  LocationOrder,  ///< As they were added.
  StoreType,      ///< By `store_types`, the others behind.
  Measured,       ///< What this host has as a file, then by the rate at which stores were read.
};
/// "location_order", "store_type", "measured".
CLOUDOS_EXPORT std::string_view to_string(LocationStrategy strategy);
CLOUDOS_EXPORT std::optional<LocationStrategy> location_strategy_from(std::string_view text);

/// Where data of images is kept, and for how long.
struct ImageStoreOptions {
  /// Beside the store "file", which is in the data folder (in memory without one). By name: 1 to 64
  /// of a-z 0-9 - _
  std::map<std::string, ImageStoreFolder> folders;
  std::uint32_t weight = 100;            ///< Of the store "file".
  std::uint64_t capacity_bytes = 0;      ///< The same.
  std::string default_store;             ///< Of uploads that name none. Empty: by weight.
  /// The store "http": locations that are URLs, read by ranges and never written.
  bool http = false;
  std::uint64_t http_bytes = std::uint64_t{1} << 36;  ///< Of one such image.
  LocationStrategy strategy = LocationStrategy::LocationOrder;
  std::vector<std::string> store_types;  ///< Of LocationStrategy::StoreType: "file", "http".
  bool show_locations = false;           ///< `locations` of images are shown and may be changed.
  bool show_direct_url = false;          ///< `direct_url` of images is shown.
  /// Longer than zero: deleted images are PendingDelete for so long before their data goes.
  std::chrono::seconds scrub_time{0};
  /// Of the cache of images that are not files of this host.
  std::uint64_t cache_bytes = std::uint64_t{10} << 30;
};

/// A store as clients see it.
struct ImageStore {
  std::string name;
  std::string type;                   ///< "file", "memory", "http".
  std::string description;
  bool is_default = false;
  bool read_only = false;
  std::uint32_t weight = 0;
  std::uint64_t capacity_bytes = 0;   ///< 0: no limit of ours.
  std::uint64_t used_bytes = 0;
  std::uint64_t bytes_per_second = 0; ///< As it was read lately; 0: not yet.
  std::filesystem::path folder;       ///< Of type "file".
};

/// A location that a caller adds. Only URLs of stores without a payload of ours: "http", "https".
struct ImageLocationAdd {
  std::string url;
  std::map<std::string, std::string> metadata;
  /// What the data must have, in hexadecimal. Where none is given the data is read to find out.
  std::string hash, md5;
  std::string hash_algorithm = "sha512";  ///< Of `hash`. No other is known.
};

/// One change of an image's list of locations.
struct ImageLocationChange {
  enum class Kind : std::uint8_t {
    Add,
    Remove,
    ReplaceAll,  ///< Of an image without locations: adds them. Else they must be the same URLs in
                 ///< the same order, and their metadata is replaced.
  } kind = Kind::Add;
  std::optional<std::size_t> at;         ///< Remove: its place; absent: the last.
  std::vector<ImageLocationAdd> wanted;  ///< Add: one. ReplaceAll: those that there are then.
};

/// What a project has of images and may have; sizes in MiB, as the limits' names have it.
struct ImageUsage {
  std::int64_t limit = -1;            ///< -1: none.
  std::int64_t usage = 0;
};

/// What the host keeps of images that are not files of its own.
struct CachedImage {
  ImageId image;
  std::uint64_t size_bytes = 0;
  std::uint64_t hits = 0;             ///< Since the start.
  WallTime modified_at, accessed_at;
};
struct ImageCacheState {
  std::vector<CachedImage> cached;    ///< The one used last first.
  std::vector<ImageId> queued;
  std::uint64_t size_bytes = 0, most_bytes = 0;
};

/// The places that hold data of images: named stores, copies, locations, and the host's cache.
///
/// Thread-safe. Calls block for at most one commit where not said otherwise.
/// Source: Image API v2 (multiple stores, locations, cache).
class CLOUDOS_EXPORT ImageStores final {
 public:
  /// By weight, the default first.
  std::vector<ImageStore> list() const;
  const ImageStoreOptions& options() const;
  /// The names, checked; none: the one that an upload of `size` goes to.
  /// Errors: InvalidArgument (no such store, or it cannot be written), StorageFull.
  Result<std::vector<std::string>> choose(const std::vector<std::string>& names,
                                          std::optional<std::uint64_t> size = {}) const;

  /// Queues a durable task for each of `names` that copies the image's data there; those that have
  /// it already are passed over. Image::importing_to tells until a copy is there, failed_stores
  /// what failed. Errors: NotFound, Forbidden, Conflict (no data), InvalidArgument, QuotaExceeded.
  Result<std::vector<TaskId>> copy(const Context& ctx, const ImageId& id,
                                   const std::vector<std::string>& names);
  /// Removes the copy in one store. Errors: NotFound (image, store, or no copy there), Forbidden
  /// (not the owner, protected), Conflict (the last copy; servers boot from this one).
  Result<void> remove_copy(const Context& ctx, const ImageId& id, std::string_view store);

  /// A URL of the location: what locations[].url shows. "" when there is none (memory).
  std::string url_of(const ImageId& id, const ImageLocation& location) const;
  /// Errors: NotFound.
  Result<std::vector<ImageLocation>> locations(const Context& ctx, const ImageId& id) const;
  /// Adds a copy that somebody else keeps. A Queued image becomes Active with it. The data is read,
  /// inspected and its checksums compared first: with what is declared, and with the image's.
  /// Blocks for that. Errors: NotFound, Forbidden, Conflict (state; checksums differ; it has the
  /// location already), InvalidArgument (URL refused, content refused), TooLarge, Unavailable.
  Result<Image> add_location(const Context& ctx, const ImageId& id, const ImageLocationAdd& add);
  /// Takes one out, by its place in the list. Errors: NotFound, Forbidden, Conflict (as
  /// remove_copy).
  Result<Image> remove_location(const Context& ctx, const ImageId& id, std::size_t at);
  /// Attributes and locations in one commit: all of it or nothing.
  ///
  /// What is added with a `hash` is asked for its size and its head only, recorded as declared
  /// (ImageLocation::unverified), and compared by whoever reads it first; else it is read whole
  /// before the commit. Blocks for that. Errors: as Images::update and add_location; Forbidden (the
  /// last location), InvalidArgument (no such place; other URLs than before).
  Result<Image> change(const Context& ctx, const ImageId& id, const ImageUpdate& attributes,
                       const std::vector<ImageLocationChange>& locations);
  /// As add_location, by a durable task: a Queued image is Importing meanwhile, and Queued again
  /// when the data is not what it should be; one that has data shows the location at once, as
  /// unverified, and then verified or with its problem. Returns the location as it will be.
  /// Errors: as add_location, but for what reading the data says.
  Result<ImageLocation> queue_location(const Context& ctx, const ImageId& id,
                                       const ImageLocationAdd& add);
  /// New metadata for the location at that place. Errors: NotFound, Forbidden, InvalidArgument.
  Result<Image> set_location_metadata(const Context& ctx, const ImageId& id, std::size_t at,
                                      const std::map<std::string, std::string>& metadata);

  /// Of the caller's project: image_size_total, image_stage_total (MiB), image_count_total,
  /// image_count_uploading. Errors: Unavailable.
  Result<std::map<std::string, ImageUsage>> usage(const Context& ctx) const;

  /// The host's cache. Admins only: Forbidden otherwise.
  Result<ImageCacheState> cache(const Context& ctx) const;
  /// Queues a durable task that brings the image into the cache. Errors: NotFound, Conflict.
  Result<void> queue_in_cache(const Context& ctx, const ImageId& id);
  /// Takes it out of cache and queue; servers that run from it keep it. Errors: NotFound.
  Result<void> remove_from_cache(const Context& ctx, const ImageId& id);
  /// `cached`: what it holds goes, but what servers run from; `queued`: what waits for it does not.
  Result<void> clear_cache(const Context& ctx, bool cached = true, bool queued = true);
  /// Removes the least recently used until the cache is within its size.
  Result<void> prune_cache(const Context& ctx);
  /// Removes what no image refers to, and what an interrupted download left.
  Result<void> clean_cache(const Context& ctx);

  struct CLOUDOS_LOCAL Impl;
  explicit ImageStores(std::unique_ptr<Impl> impl);
  ~ImageStores();
  ImageStores(const ImageStores&) = delete;
  ImageStores& operator=(const ImageStores&) = delete;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos
