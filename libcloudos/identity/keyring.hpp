#pragma once
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "cloudos/token_keys.hpp"
#include "identity/fernet.hpp"

namespace cloudos::identity {

/// The content of keys/tokens.
///
/// Text, one line a key: the key in base64, its role, since when (seconds since 1970), and for a
/// secondary one until when. A line `lifetime 3600` says how long tokens live. A line that is a key
/// and nothing more is of an older version: the first of those is primary, the others secondary.
struct KeyFile {
  struct Line {
    FernetKey key;
    TokenKey info;
  };
  std::chrono::seconds lifetime{0};
  std::vector<Line> lines;  ///< The primary first, then the staged one, then the others.

  /// Errors: InvalidArgument.
  static Result<KeyFile> parse(std::string_view text);
  std::string text() const;
  std::vector<FernetKey> keys() const;
  std::vector<TokenKey> infos() const;

  /// A primary and a staged key.
  static KeyFile make(WallTime now, Random& random);
  /// Errors: Conflict (too many keys in use).
  Result<void> rotate(WallTime now, Random& random, bool force);
};

/// The keys in use, as the file has them now.
///
/// Who seals looks at the file first (one fstat of the file that was read: another one in its place
/// takes its name, which it shows), and who meets a token that no key opens looks again: so a
/// rotation by any process on the folder is followed at once, without a message. Who asks about a
/// token that was seen before looks for the file by its name when that was done kKeyLook ago: so a
/// key that anybody ended takes its tokens along, within that time.
/// Thread-safe.
class KeyRing final {
 public:
  static constexpr std::chrono::milliseconds kKeyLook{50};
  /// `file` empty: keys in memory. `owner`: makes the file when there is none, and writes down
  /// `lifetime` when it is longer than what the file says.
  /// Errors: NotFound (a guest finds no keys), InvalidArgument (damaged), Unavailable, StorageFull.
  static Result<std::unique_ptr<KeyRing>> open(std::filesystem::path file, const Clock& clock,
                                               Random& random, std::chrono::seconds lifetime,
                                               bool owner);

  std::string seal(std::string_view plain, std::uint64_t unix_seconds) const;
  std::optional<std::string> open(std::string_view text) const;
  /// Reads the file again when it is another one than last time. A damaged one changes nothing.
  void refresh() const;
  /// The same by name, unless somebody did within kKeyLook: for every token that is asked about.
  void follow() const;
  /// Counts the changes seen: what was concluded under another number no longer holds.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  std::vector<TokenKey> list() const;
  /// The longest that tokens sealed by these keys live.
  std::chrono::seconds lifetime() const { return state()->file.lifetime; }
  Result<std::vector<TokenKey>> rotate(bool force);
  /// How old the primary key is.
  std::chrono::microseconds age() const;

 private:
  struct Stamp {
    std::uint64_t device = 0, inode = 0, names = 0, size = 0;
    /// Since 1970, in seconds and nanoseconds: the last write, and the last change of any kind.
    std::pair<std::int64_t, std::int64_t> written, changed;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct Seen {
    Fd file;  ///< Without one there was none, and the next look is by name.
    Stamp stamp;
  };
  struct State {
    KeyFile file;
    Fernet fernet;
    Seen seen;
  };
  KeyRing(std::filesystem::path file, const Clock& clock, Random& random)
      : file_(std::move(file)), clock_(clock), random_(random) {}
  std::shared_ptr<const State> state() const;
  Result<void> load() const;
  /// Looks at what has the file's name, whether or not that is what was read.
  void find() const;
  static Seen look_at(const std::filesystem::path& file);
  static Stamp stamp_of(const Fd& file);

  const std::filesystem::path file_;
  const Clock& clock_;
  Random& random_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const State> state_;  // By mutex_; shared with callers that use it.
  mutable std::atomic<std::uint64_t> version_{0};
  mutable std::atomic<MonoTime::rep> next_look_{0};
};

}  // namespace cloudos::identity
