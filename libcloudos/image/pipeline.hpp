#pragma once
#include <memory>

#include "base/executor.hpp"
#include "image/digest.hpp"

namespace cloudos::image {

/// The checksums of a long stream, each made on a thread of the executor's while the caller goes on
/// with the next bytes. At most limits::kImageHashBuffers pieces wait; a short stream, and one
/// whose executor has no thread to spare, is hashed by the caller alone. One thread at a time.
class DigestPipeline {
 public:
  /// Errors: Internal.
  static Result<std::unique_ptr<DigestPipeline>> make(Executor& executor);
  /// Threads that come later find nothing to do.
  ~DigestPipeline();
  /// Takes a copy of `bytes`. Errors: Internal.
  Result<void> update(std::span<const std::byte> bytes);
  /// Call it once. Errors: Internal.
  Result<Digests::Values> finish();

 private:
  struct Shared;
  DigestPipeline(Executor& executor, std::shared_ptr<Shared> shared);
  void wake(std::size_t lane);
  Result<void> hand_over();
  Executor& executor_;
  std::shared_ptr<Shared> shared_;  // With the executor's closures, which may come late.
  std::uint64_t total_ = 0;
};

}  // namespace cloudos::image
