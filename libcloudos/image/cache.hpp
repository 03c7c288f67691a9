#pragma once
#include <condition_variable>
#include <mutex>
#include <set>

#include "cloudos/image_stores.hpp"
#include "image/impl.hpp"
#include "tasks/task.hpp"

namespace cloudos::image {

/// What this host keeps of images that are not files of its own, so that guests can run from it.
///
/// A file is verified before it has its name, and never again. The least recently used go when
/// there is more than ImageStoreOptions::cache_bytes, but none that a server boots from.
/// Thread-safe.
class Cache {
 public:
  /// An empty folder: a cloud in memory, whose cache holds nothing.
  Cache(Images::Impl& images, std::filesystem::path folder);
  /// The data as a file, fetched when it is not there. Blocks for that; callers of one image wait
  /// for one fetch. Errors: Unavailable, StorageFull, NotFound (deleted meanwhile).
  Result<std::filesystem::path> file(const Payload& payload);
  Result<ImageCacheState> state();
  /// Removes one; success when it is not there. Errors: Conflict (a server boots from it).
  Result<void> remove(const ImageId& id);
  Result<void> clear();
  Result<void> prune() { return prune_to(images_.set->options().cache_bytes); }
  /// What no image refers to, and what an interrupted fetch left.
  Result<void> clean();
  /// The image's data is gone for good.
  void forget(const ImageId& id);
  /// How many bytes were copied into the cache since the start: links and reflinks cost none.
  std::uint64_t bytes_copied() const { return bytes_copied_; }

 private:
  Result<PayloadStore*> payloads();
  Result<void> fetch(const Payload& payload, PayloadStore& into);
  bool link_local(const Payload& payload, const std::filesystem::path& to) const;
  Result<std::vector<CachedImage>> entries();
  Result<bool> in_use(const ImageId& id) const;
  Result<void> prune_to(std::uint64_t most_bytes);
  void used(const ImageId& id, const std::filesystem::path& path);

  Images::Impl& images_;
  const std::filesystem::path folder_;
  std::mutex mutex_;  // Of what follows; not Mutex, for the condition.
  std::condition_variable fetched_;
  std::set<ImageId> fetching_;
  std::map<ImageId, std::uint64_t> hits_;
  std::unique_ptr<PayloadStore> payloads_;
  std::atomic<std::uint64_t> bytes_copied_{0};
};

/// Waits to be cached; its task takes it out.
std::string cache_queue_key(const ImageId& id);
inline constexpr std::string_view kCacheQueuePrefix = "/image-cache-queue/";
/// "cache-image": brings one image into the cache.
tasks::TaskType cache_task(Images::Impl& images);

}  // namespace cloudos::image
