#include "cloudos/bytes.hpp"

#include <algorithm>
#include <cstring>

namespace cloudos {

Result<std::size_t> TextSource::read(std::span<std::byte> buffer) {
  const std::size_t count = std::min(buffer.size(), text_.size() - at_);
  if (count > 0) std::memcpy(buffer.data(), text_.data() + at_, count);
  at_ += count;
  return count;
}

}  // namespace cloudos
