#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cloudosd {

/// How many connections of one loop are in which phase. Changed by the loop's thread only, so
/// without a locked instruction; read by any.
class PhaseCounts final {
 public:
  static constexpr std::array<std::string_view, 8> kNames = {
      "handshake", "idle", "head", "body", "upload", "handling", "writing", "lingering"};

  void add(std::size_t phase) { change(phase, 1); }
  void drop(std::size_t phase) { change(phase, -1); }
  std::int64_t of(std::size_t phase) const {
    return counts_[phase].load(std::memory_order_relaxed);
  }

 private:
  void change(std::size_t phase, std::int64_t by) {
    auto& count = counts_[phase];
    count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  std::array<std::atomic<std::int64_t>, kNames.size()> counts_{};
};

}  // namespace cloudosd
