#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>

#include "cloudos/clock.hpp"
#include "cloudos/export.hpp"

namespace cloudos {

/// A source of random bytes, injected. Thread-safe.
class CLOUDOS_EXPORT Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> bytes) = 0;
  /// A number in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
};

/// getrandom(2): fit for keys and tokens.
class CLOUDOS_EXPORT SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> bytes) override;
};

/// The same bytes for the same seed (splitmix64): for simulations, never for keys.
class CLOUDOS_EXPORT SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> bytes) override;

 private:
  std::mutex mutex_;
  std::uint64_t state_;
};

/// Makes ids: UUIDs of version 7, strictly increasing within the process, so that records written
/// one after another lie side by side in the store. Thread-safe.
class CLOUDOS_EXPORT IdSource {
 public:
  IdSource(const Clock& clock, Random& random) : clock_(clock), random_(random) {}
  /// "0192f0c1-8a00-7xxx-yxxx-xxxxxxxxxxxx"
  std::string uuid();
  /// The same without dashes, as the Identity API shows ids.
  std::string hex();
  template <class IdType>
  IdType make() {
    return IdType{uuid()};
  }

 private:
  const Clock& clock_;
  Random& random_;
  std::mutex mutex_;
  std::uint64_t last_ms_ = 0;
  std::uint32_t counter_ = 0;
};

}  // namespace cloudos
