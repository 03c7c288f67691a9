#pragma once
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "cloudos/export.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// Calendar time, UTC, microseconds since 1970. May jump; used for what people read and for expiry.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
/// Time that never jumps; used for deadlines, back-off and periods. Means nothing after a restart.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::microseconds>;

/// The two clocks, apart and injected. Thread-safe.
class CLOUDOS_EXPORT Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual MonoTime mono() const = 0;
};

/// The machine's clocks.
class CLOUDOS_EXPORT SystemClock final : public Clock {
 public:
  WallTime wall() const override;
  MonoTime mono() const override;
};

/// A clock that stands still until it is moved: for tests and simulations. Thread-safe.
class CLOUDOS_EXPORT ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start = WallTime{std::chrono::seconds{1'700'000'000}});
  WallTime wall() const override;
  MonoTime mono() const override;
  /// Moves both clocks on.
  void advance(std::chrono::microseconds by);
  /// Moves calendar time only, either way: an operator or NTP sets the clock.
  void jump_wall(std::chrono::microseconds by);

 private:
  mutable std::mutex mutex_;
  WallTime wall_;
  MonoTime mono_{};
};

/// "2026-11-22T06:58:01Z", or with ".123456" before the Z when `micros`.
CLOUDOS_EXPORT std::string format_time(WallTime time, bool micros = false);
/// Reads what format_time writes, with or without fraction and Z. Errors: InvalidArgument.
CLOUDOS_EXPORT Result<WallTime> parse_time(std::string_view text);

}  // namespace cloudos
