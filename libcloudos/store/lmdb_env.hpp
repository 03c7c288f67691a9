#pragma once
#include <lmdb.h>

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.hpp"
#include "store/lmdb_format.hpp"

namespace cloudos::store::lmdb {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

/// LMDB's cursor in the shape lmdb_scan.hpp reads by. Does not own it.
class EnvCursor {
 public:
  explicit EnvCursor(MDB_cursor* cursor) : cursor_(cursor) {}
  Result<void> seek(std::string_view key);
  Result<void> last() { return move(MDB_LAST); }
  Result<void> next() { return move(MDB_NEXT); }
  Result<void> prev() { return move(MDB_PREV); }
  bool valid() const { return valid_; }
  std::string_view key() const { return {static_cast<const char*>(key_.mv_data), key_.mv_size}; }
  Result<std::string_view> value() const {
    return std::string_view(static_cast<const char*>(value_.mv_data), value_.mv_size);
  }

 private:
  Result<void> move(MDB_cursor_op op);

  MDB_cursor* cursor_;
  MDB_val key_{};
  MDB_val value_{};
  bool valid_ = false;
};

/// A read transaction with its cursor; its reader slot is kept between uses.
struct Reader {
  MDB_txn* txn = nullptr;
  MDB_cursor* cursor = nullptr;
};

/// The owner's environment. Thread-safe. Shared by the store and its snapshots, which may outlive
/// it.
class Env {
 public:
  /// Locks the folder, opens LMDB in it, and makes or checks the format record.
  static Result<std::shared_ptr<Env>> open(const LmdbOptions& options);
  ~Env();
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;

  MDB_env* get() const { return env_; }
  MDB_dbi tree() const { return tree_; }
  std::size_t page_bytes() const { return page_bytes_; }
  /// Which owner of the folder this is, counted (lmdb_pins.hpp).
  std::uint64_t epoch() const { return epoch_; }
  /// Pages that changes may use which do not only erase; the rest of the map is for those.
  std::size_t usable_pages() const { return usable_pages_; }

  Result<Reader> begin_read();
  void end_read(Reader reader);

  /// Has the file system keep room behind the data file, as far as there is some: a commit takes
  /// new pages before it gives back old ones, so that without it nothing could be deleted on a full
  /// disk. Called by the one committer at a time.
  void keep_room();

  /// What a failed commit means: LMDB reports a short write as EIO.
  Error commit_error(int code) const;

 private:
  Env() = default;
  Result<void> lock(const LmdbOptions& options);
  Result<void> reserve_lock_file(const LmdbOptions& options);
  Result<void> start(const LmdbOptions& options);
  Result<void> cover_pages();
  Result<void> found(Reader reader);

  Descriptor folder_;  // Holds the lock; released last.
  MDB_env* env_ = nullptr;
  MDB_dbi tree_ = 0;
  std::uint64_t epoch_ = 0;
  std::size_t page_bytes_ = 0;
  std::size_t usable_pages_ = 0;
  std::uint64_t room_until_ = 0;  // Bytes of the data file that the file system holds for us.
  bool cut_off_ = false;  // Pages were missing at the end of the file: unused ones, or damage.

  Mutex mutex_;
  std::vector<Reader> idle_ CLOUDOS_GUARDED_BY(mutex_);
};

}  // namespace cloudos::store::lmdb
