#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cloudos/export.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// Bytes that are pulled: an upload's body, an image being read. One thread at a time.
class CLOUDOS_EXPORT ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Reads up to buffer.size() bytes; 0 means the end. May block.
  /// Errors: Timeout, Unavailable (the sender went away), TooLarge.
  virtual Result<std::size_t> read(std::span<std::byte> buffer) = 0;
  /// The total, when it is known before the first read.
  virtual std::optional<std::uint64_t> size() const { return std::nullopt; }
};

/// Bytes that are pushed. One thread at a time.
class CLOUDOS_EXPORT ByteSink {
 public:
  virtual ~ByteSink() = default;
  /// Takes all of `bytes` or fails, which ends what feeds it. May block.
  virtual Result<void> write(std::span<const std::byte> bytes) = 0;
};

/// A source over text it owns.
class CLOUDOS_EXPORT TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  Result<std::size_t> read(std::span<std::byte> buffer) override;
  std::optional<std::uint64_t> size() const override { return text_.size(); }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

}  // namespace cloudos
