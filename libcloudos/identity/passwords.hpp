#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

#include "cloudos/account_rules.hpp"
#include "cloudos/metrics.hpp"
#include "cloudos/random.hpp"
#include "cloudos/result.hpp"
#include "identity/hashes.hpp"

namespace cloudos::identity {

/// Hashes and checks passwords, few at a time.
///
/// Hashing is slow on purpose, so it is fenced in: at most `kAtOnce` run, at most `kWaiting` wait,
/// each for at most `kPatience`. Nothing else passes this gate. Thread-safe.
class Passwords final {
 public:
  static constexpr unsigned kAtOnce = 2;
  static constexpr unsigned kWaiting = 64;
  static constexpr std::chrono::seconds kPatience{10};

  Passwords(const PasswordHashing& with, Random& random) : with_(with), random_(random) {}

  /// With a fresh salt. Blocks for one hash.
  /// Errors: InvalidArgument (empty or over limits::kPasswordBytes), Unavailable (too many wait).
  Result<std::string> hash(std::string_view password);
  /// Does the password belong to the hash? With an empty hash (no such user, no password) the same
  /// work is done and the answer is no: time tells nothing. Blocks for one hash. True: it does,
  /// and it should be hashed anew, since algorithm or cost are others than those in force.
  /// Errors: Unauthenticated (it does not), Unavailable (too many wait).
  Result<bool> verify(std::string_view password, const KeptHash& hash);
  Result<bool> verify(std::string_view password, std::string_view hash) {
    return verify(password, KeptHash{hash});
  }
  /// Refused before any work. Errors: InvalidArgument.
  static Result<void> check(std::string_view password);

  /// For hashes made from now on; those that there are keep theirs.
  void set_cost(unsigned cost);
  void set_hashing(const PasswordHashing& with);
  PasswordHashing hashing() const;

  /// Counts the hashes from now on. Before others use this; outlives it.
  void count_by(Counter& counter) { counter_ = &counter; }

  struct Load {
    unsigned running = 0, waiting = 0;
  };
  Load load() const;

 private:
  class Turn;

  mutable std::mutex mutex_;
  PasswordHashing with_;  // Guarded by mutex_.
  Random& random_;
  Counter* counter_ = nullptr;  // Constant while others use this.
  std::condition_variable freed_;
  unsigned running_ = 0, waiting_ = 0;  // Guarded by mutex_.
};

}  // namespace cloudos::identity
