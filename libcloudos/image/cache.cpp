#include "image/cache.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "image/location_state.hpp"
#include "image/reading.hpp"

namespace cloudos::image {
namespace {

WallTime from_timespec(const timespec& time) {
  return WallTime{
      std::chrono::microseconds{std::int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1'000}};
}
timespec to_timespec(WallTime at) {
  const std::int64_t micros = at.time_since_epoch().count();
  return {static_cast<time_t>(micros / 1'000'000), static_cast<long>(micros % 1'000'000) * 1'000};
}

/// Shares the blocks of a file where the file system can.
bool reflink(const std::filesystem::path& from, const std::filesystem::path& to) {
  const int source = ::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (source < 0) return false;
  const int target = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0440);
  bool done = false;
  if (target >= 0) {
    done = ::ioctl(target, FICLONE, source) == 0 && ::fsync(target) == 0;
    ::close(target);
    if (!done) ::unlink(to.c_str());
  }
  ::close(source);
  return done;
}

}  // namespace

Cache::Cache(Images::Impl& images, std::filesystem::path folder)
    : images_(images), folder_(std::move(folder)) {}

/// Made by the first who needs it: most clouds never do.
Result<PayloadStore*> Cache::payloads() {
  const std::lock_guard lock(mutex_);
  if (!payloads_) {
    CLOUDOS_TRY(payloads_, open_payload_files(folder_));
  }
  return payloads_.get();
}

void Cache::used(const ImageId& id, const std::filesystem::path& path) {
  const timespec times[2] = {to_timespec(images_.engine.clock.wall()), {0, UTIME_OMIT}};
  (void)::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
  const std::lock_guard lock(mutex_);
  ++hits_[id];
}

Result<std::filesystem::path> Cache::file(const Payload& payload) {
  if (folder_.empty()) return std::filesystem::path();
  CLOUDOS_TRY(PayloadStore* const into, payloads());
  const std::filesystem::path path = into->path(payload.id);
  {
    std::unique_lock lock(mutex_);
    while (fetching_.contains(payload.id)) fetched_.wait(lock);
    std::error_code error;
    const bool there = std::filesystem::file_size(path, error) == payload.size_bytes && !error;
    if (!there) fetching_.insert(payload.id);
    lock.unlock();
    if (there) {
      used(payload.id, path);
      return path;
    }
  }
  const auto done = fetch(payload, *into);
  {
    const std::lock_guard lock(mutex_);
    fetching_.erase(payload.id);
  }
  fetched_.notify_all();
  CLOUDOS_CHECK(done);
  used(payload.id, path);
  // It may be the only one that is over: then it stays as long as it is in use.
  if (const auto pruned = prune(); !pruned)
    images_.engine.log.warn("the image cache was not pruned: " + pruned.error().message);
  return path;
}

bool Cache::link_local(const Payload& payload, const std::filesystem::path& to) const {
  for (const ImageLocation& location : payload.locations) {
    const auto from = local_file(images_, payload, location);
    if (from.empty()) continue;
    if (::link(from.c_str(), to.c_str()) == 0 || reflink(from, to)) return true;
  }
  return false;
}

Result<void> Cache::fetch(const Payload& payload, PayloadStore& into) {
  const Claim claim(images_, payload.id, "cache");
  if (!claim.holds())
    return fail(ErrorCode::Unavailable, "the image is being removed from the cache");
  CLOUDOS_CHECK(into.remove(payload.id));
  if (link_local(payload, into.path(payload.id))) return Result<void>();
  const std::uint64_t most = images_.set->options().cache_bytes;
  CLOUDOS_CHECK(prune_to(most - std::min(most, payload.size_bytes)));
  CLOUDOS_CHECK(fill_verified(
      images_, payload, [&] { return into.create(payload.id); },
      [&]() -> Result<void> {
        return claim.cancelled() ? image_not_found(payload.id) : Result<void>();
      }));
  bytes_copied_ += payload.size_bytes;
  return Result<void>();
}

Result<std::vector<CachedImage>> Cache::entries() {
  std::vector<CachedImage> found;
  std::error_code error;
  if (folder_.empty() || !std::filesystem::exists(folder_, error)) return found;
  CLOUDOS_TRY(const PayloadStore* const store, payloads());
  CLOUDOS_TRY(const auto ids, store->list());
  for (const ImageId& id : ids) {
    struct stat status {};
    if (::stat(store->path(id).c_str(), &status) != 0) continue;  // Not whole, or gone.
    CachedImage entry;
    entry.image = id;
    entry.size_bytes = static_cast<std::uint64_t>(status.st_size);
    entry.modified_at = from_timespec(status.st_mtim);
    entry.accessed_at = from_timespec(status.st_atim);
    const std::lock_guard lock(mutex_);
    if (const auto hits = hits_.find(id); hits != hits_.end()) entry.hits = hits->second;
    found.push_back(std::move(entry));
  }
  std::sort(found.begin(), found.end(), [](const CachedImage& a, const CachedImage& b) {
    return std::tie(b.accessed_at, b.image) < std::tie(a.accessed_at, a.image);
  });
  return found;
}

Result<ImageCacheState> Cache::state() {
  ImageCacheState state;
  CLOUDOS_TRY(state.cached, entries());
  for (const CachedImage& entry : state.cached) state.size_bytes += entry.size_bytes;
  state.most_bytes = images_.set->options().cache_bytes;
  CLOUDOS_TRY(const auto snapshot, images_.engine.store.snapshot());
  CLOUDOS_TRY(const auto queued, snapshot->scan(kCacheQueuePrefix));
  for (const store::Entry& entry : queued) state.queued.emplace_back(entry.value);
  return state;
}

Result<bool> Cache::in_use(const ImageId& id) const {
  CLOUDOS_TRY(const auto snapshot, images_.engine.store.snapshot());
  const auto payload = records::get<Payload>(*snapshot, id);
  if (!payload || payload->boot_store != kHttpStore) return false;
  store::ScanOptions one;
  one.limit = 1;
  CLOUDOS_TRY(const auto pins, snapshot->scan(pin_prefix(id), one));
  return !pins.empty();
}

Result<void> Cache::remove(const ImageId& id) {
  std::error_code error;
  if (folder_.empty() || !std::filesystem::exists(folder_, error)) return Result<void>();
  CLOUDOS_TRY(const bool kept, in_use(id));
  if (kept) return fail(ErrorCode::Conflict, fmt::format("a server boots from image {}", id.value));
  CLOUDOS_TRY(PayloadStore* const store, payloads());
  {
    const std::lock_guard lock(mutex_);
    hits_.erase(id);
  }
  return store->remove(id);
}

Result<void> Cache::clear() {
  return prune_to(0);
}

Result<void> Cache::prune_to(std::uint64_t most_bytes) {
  CLOUDOS_TRY(auto cached, entries());
  std::uint64_t size = 0;
  for (const CachedImage& entry : cached) size += entry.size_bytes;
  while (size > most_bytes && !cached.empty()) {
    const CachedImage oldest = std::move(cached.back());
    cached.pop_back();
    const auto removed = remove(oldest.image);
    if (removed)
      size -= oldest.size_bytes;
    else if (removed.error().code != ErrorCode::Conflict)
      return removed;
  }
  return Result<void>();
}

Result<void> Cache::clean() {
  std::error_code error;
  if (folder_.empty() || !std::filesystem::exists(folder_, error)) return Result<void>();
  CLOUDOS_TRY(PayloadStore* const store, payloads());
  CLOUDOS_TRY(const auto ids, store->list());
  CLOUDOS_TRY(const auto snapshot, images_.engine.store.snapshot());
  for (const ImageId& id : ids) {
    {
      const std::lock_guard lock(mutex_);
      if (fetching_.contains(id)) continue;
    }
    std::error_code missing;
    const auto payload = records::get<Payload>(*snapshot, id);
    const auto size = std::filesystem::file_size(store->path(id), missing);
    if (payload && !missing && size == payload->size_bytes) continue;
    if (!payload && payload.error().code != ErrorCode::NotFound) return fail(payload.error());
    CLOUDOS_CHECK(store->remove(id));
  }
  return Result<void>();
}

void Cache::forget(const ImageId& id) {
  if (const auto removed = remove(id); !removed)
    images_.engine.log.warn("the image cache keeps what is deleted: " + removed.error().message);
}

std::string cache_queue_key(const ImageId& id) {
  return std::string(kCacheQueuePrefix) + records::key_part(id.value);
}

tasks::TaskType cache_task(Images::Impl& images) {
  const auto leave_queue = [](store::Txn& txn, const tasks::TaskRecord& task) {
    txn.erase(cache_queue_key(ImageId{task.params.at("image")}));
    return Result<void>();
  };
  tasks::TaskType type;
  type.name = "cache-image";
  tasks::Step fetch;
  fetch.name = "fetch";
  fetch.kind = tasks::Step::Kind::Remote;
  fetch.run = [&images](tasks::StepContext& step) -> Result<tasks::Outcome> {
    const ImageId id{step.value("image")};
    CLOUDOS_TRY(const auto snapshot, step.snapshot());
    CLOUDOS_TRY(const auto wanted, snapshot->get(cache_queue_key(id)));
    if (!wanted) return tasks::Done{};  // Somebody took it out of the queue.
    CLOUDOS_TRY(const auto payload, records::get<Payload>(*snapshot, id));
    CLOUDOS_CHECK(images.cache->file(payload));
    return tasks::Done{};
  };
  type.steps.push_back(std::move(fetch));
  type.done = leave_queue;
  type.failed = [leave_queue](store::Txn& txn, const tasks::TaskRecord& task, const Error&) {
    return leave_queue(txn, task);
  };
  return type;
}

}  // namespace cloudos::image
