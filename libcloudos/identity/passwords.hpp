#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

#include "cloudos/random.hpp"
#include "cloudos/result.hpp"

namespace cloudos::identity {

/// Hashes and checks passwords with bcrypt (libcrypt), few at a time.
///
/// Hashing is slow on purpose, so it is fenced in: at most `kAtOnce` run, at most `kWaiting` wait,
/// each for at most `kPatience`. Nothing else passes this gate. Thread-safe.
class Passwords final {
 public:
  static constexpr unsigned kAtOnce = 2;
  static constexpr unsigned kWaiting = 64;
  static constexpr std::chrono::seconds kPatience{10};

  /// `cost`: 2^cost rounds, 4..16.
  Passwords(unsigned cost, Random& random) : cost_(cost), random_(random) {}

  /// "$2b$12$…" with a fresh salt. Blocks for one hash.
  /// Errors: InvalidArgument (empty or over limits::kPasswordBytes), Unavailable (too many wait).
  Result<std::string> hash(std::string_view password);
  /// Does the password belong to the hash? With an empty hash (no such user, no password) the same
  /// work is done and the answer is no: time tells nothing. Blocks for one hash.
  /// Errors: Unauthenticated (it does not), Unavailable (too many wait).
  Result<void> verify(std::string_view password, std::string_view hash);
  /// Refused before any work. Errors: InvalidArgument.
  static Result<void> check(std::string_view password);

  /// For hashes made from now on; those that there are keep theirs.
  void set_cost(unsigned cost) { cost_ = cost; }

  struct Load {
    unsigned running = 0, waiting = 0;
  };
  Load load() const;

 private:
  class Turn;
  std::string salt(unsigned cost);

  std::atomic<unsigned> cost_;
  Random& random_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  unsigned running_ = 0, waiting_ = 0;  // Guarded by mutex_.
};

}  // namespace cloudos::identity
