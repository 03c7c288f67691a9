#pragma once
#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/random.hpp"
#include "cloudos/result.hpp"
#include "identity/fernet.hpp"

namespace cloudos::identity {

/// What secrets of users are sealed with: keys/credentials, a key in base64 a line. The first one
/// seals, all of them open.
///
/// Who seals looks at the file first (one stat), and who meets what no key opens looks again: a
/// rotation by any process on the folder is followed at once. Thread-safe after open().
class CredentialKeys final {
 public:
  /// `file` empty: a key in memory. `owner`: makes the file when there is none; a guest that finds
  /// none can seal and open nothing. Errors: InvalidArgument (damaged), Unavailable, StorageFull.
  Result<void> open(const std::filesystem::path& file, Random& random, bool owner);
  /// By the first key. Errors: Unavailable (no key).
  Result<std::string> seal(std::string_view plain, Random& random) const;
  /// Errors: Internal (no key here opens it).
  Result<std::string> unseal(std::string_view sealed) const;

  /// Eight hexadecimal digits of each key's SHA-256, the first one's first.
  std::vector<std::string> ids() const;
  /// The place of the key that opens it; nothing: none does.
  std::optional<std::size_t> sealed_by(std::string_view sealed) const;
  /// A new key in front of the first; the others go. One durable replacement of the file.
  /// Errors: Unavailable, StorageFull.
  Result<void> rotate(Random& random);
  /// Counts the changes of the file that were seen.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  struct Stamp {
    std::uint64_t device = 0, inode = 0;
    std::int64_t seconds = 0, nanoseconds = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct State {
    std::string text;
    std::vector<std::string> ids;
    std::vector<Fernet> each;    // One for each key.
    Stamp stamp;
  };
  static Result<std::shared_ptr<const State>> read(std::string text);
  static std::optional<Stamp> stamp_of(const std::filesystem::path& file);
  std::shared_ptr<const State> state() const;
  /// Reads the file again when it is another one than last time. A damaged one changes nothing.
  void refresh() const;

  std::filesystem::path file_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const State> state_;  // By mutex_; shared with callers that use it.
  mutable std::atomic<std::uint64_t> version_{0};
};

}  // namespace cloudos::identity
