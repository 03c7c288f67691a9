#pragma once
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "image/inspect.hpp"

namespace cloudos::image {

/// A payload being written. Dropping one that is not published leaves no byte. One thread.
class PayloadWriter {
 public:
  virtual ~PayloadWriter() = default;
  /// Errors: StorageFull, Unavailable, TooLarge.
  virtual Result<void> write(std::span<const std::byte> bytes) = 0;
  /// What was written so far; lives as long as the writer.
  virtual RandomReader& written() = 0;
  /// Durable under its final name when this returns. Call it once. Errors: as write().
  virtual Result<void> publish() = 0;
};

/// Where the bytes of images are, one payload an image. Blocks; thread-safe, but a payload has one
/// writer at a time (Images sees to that). Contract suite: tests/image/payload_test.cpp.
class PayloadStore {
 public:
  virtual ~PayloadStore() = default;
  /// Begins anew: what an earlier writer left is gone.
  /// Errors: StorageFull, Unavailable, Conflict (another process on the folder writes it).
  virtual Result<std::unique_ptr<PayloadWriter>> create(const ImageId& id) = 0;
  /// Errors: NotFound, Unavailable.
  virtual Result<std::unique_ptr<RandomReader>> open(const ImageId& id) const = 0;
  /// Removes all bytes of the image, unpublished ones too; success when there are none.
  /// Errors: Unavailable, Conflict (another process on the folder writes it).
  virtual Result<void> remove(const ImageId& id) = 0;
  /// Images with any bytes here, published or not. Things that are not ours are passed over.
  virtual Result<std::vector<ImageId>> list() const = 0;
  /// The published payload as a file; empty when this store has no files.
  virtual std::filesystem::path path(const ImageId& id) const = 0;
};

/// Files "<id>" and, unpublished, "<id>.part" in `folder`, which is made when missing.
/// Errors: Unavailable, StorageFull.
Result<std::unique_ptr<PayloadStore>> open_payload_files(std::filesystem::path folder);
/// In memory, at most `limit_bytes` in all.
std::unique_ptr<PayloadStore> open_payload_memory(std::uint64_t limit_bytes);

}  // namespace cloudos::image
