#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/mutex.hpp"
#include "image/payload.hpp"

namespace cloudos::image {
namespace {

using Bytes = std::vector<std::byte>;

class MemoryReader final : public RandomReader {
 public:
  /// Shared with the store and other readers: a payload outlives its removal while it is read.
  explicit MemoryReader(std::shared_ptr<const Bytes> bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const override { return bytes_->size(); }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    if (offset >= bytes_->size()) return std::size_t{0};
    const auto from = static_cast<std::size_t>(offset);
    const std::size_t count = std::min(buffer.size(), bytes_->size() - from);
    std::copy_n(bytes_->begin() + static_cast<std::ptrdiff_t>(from), count, buffer.begin());
    return count;
  }

 private:
  std::shared_ptr<const Bytes> bytes_;
};

/// What writers and the store share: a writer may outlive the store's interest in its image.
struct MemoryPayloads {
  explicit MemoryPayloads(std::uint64_t limit) : limit_bytes(limit) {}
  const std::uint64_t limit_bytes;
  Mutex mutex;
  std::uint64_t used_bytes CLOUDOS_GUARDED_BY(mutex) = 0;
  std::map<ImageId, std::shared_ptr<const Bytes>> payloads CLOUDOS_GUARDED_BY(mutex);

  Result<void> take(std::uint64_t bytes) {
    const LockGuard lock(mutex);
    if (bytes > limit_bytes - used_bytes) {
      return fail(ErrorCode::StorageFull,
                  fmt::format("a cloud in memory holds at most {} bytes of images", limit_bytes));
    }
    used_bytes += bytes;
    return Result<void>();
  }
  void give_back(std::uint64_t bytes) {
    const LockGuard lock(mutex);
    used_bytes -= bytes;
  }
};

class MemoryWriter final : public PayloadWriter {
 public:
  MemoryWriter(std::shared_ptr<MemoryPayloads> shared, ImageId id)
      : shared_(std::move(shared)), id_(std::move(id)), bytes_(std::make_shared<Bytes>()),
        reader_(bytes_) {}
  ~MemoryWriter() override {
    if (!published_) shared_->give_back(bytes_->size());
  }
  Result<void> write(std::span<const std::byte> bytes) override {
    CLOUDOS_CHECK(shared_->take(bytes.size()));
    bytes_->insert(bytes_->end(), bytes.begin(), bytes.end());
    return Result<void>();
  }
  RandomReader& written() override { return reader_; }
  Result<void> publish() override {
    const LockGuard lock(shared_->mutex);
    shared_->payloads[id_] = bytes_;
    published_ = true;
    return Result<void>();
  }

 private:
  std::shared_ptr<MemoryPayloads> shared_;
  ImageId id_;
  std::shared_ptr<Bytes> bytes_;  // Shared with readers; not written after publish().
  MemoryReader reader_;
  bool published_ = false;
};

class PayloadMemory final : public PayloadStore {
 public:
  explicit PayloadMemory(std::uint64_t limit)
      : shared_(std::make_shared<MemoryPayloads>(limit)) {}

  Result<std::unique_ptr<PayloadWriter>> create(const ImageId& id) override {
    CLOUDOS_CHECK(remove(id));
    return std::unique_ptr<PayloadWriter>(std::make_unique<MemoryWriter>(shared_, id));
  }
  Result<std::unique_ptr<RandomReader>> open(const ImageId& id) const override {
    const LockGuard lock(shared_->mutex);
    const auto found = shared_->payloads.find(id);
    if (found == shared_->payloads.end()) {
      return fail(ErrorCode::NotFound, fmt::format("image {} has no data", id.value));
    }
    return std::unique_ptr<RandomReader>(std::make_unique<MemoryReader>(found->second));
  }
  Result<void> remove(const ImageId& id) override {
    const LockGuard lock(shared_->mutex);
    const auto found = shared_->payloads.find(id);
    if (found == shared_->payloads.end()) return Result<void>();
    shared_->used_bytes -= found->second->size();
    shared_->payloads.erase(found);
    return Result<void>();
  }
  Result<std::vector<ImageId>> list() const override {
    const LockGuard lock(shared_->mutex);
    std::vector<ImageId> ids;
    for (const auto& [id, bytes] : shared_->payloads) ids.push_back(id);
    return ids;
  }
  std::filesystem::path path(const ImageId&) const override { return {}; }

 private:
  std::shared_ptr<MemoryPayloads> shared_;
};

}  // namespace

std::unique_ptr<PayloadStore> open_payload_memory(std::uint64_t limit_bytes) {
  return std::make_unique<PayloadMemory>(limit_bytes);
}

}  // namespace cloudos::image
