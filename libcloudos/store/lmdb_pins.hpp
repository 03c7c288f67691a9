#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>

#include "base/mutex.hpp"
#include "store/lmdb_pages.hpp"

/// Snapshots that the owner holds for guests, so that the pages these read are not reused.
///
/// A guest takes no reader slot itself: LMDB's slots cost a mutex in shared memory, and a stopped
/// process would pin pages for ever. A pin ends when the guest says so, when its connection ends,
/// or when its lease ends, whatever the guest does; the guest looks at the same clock after each
/// page and trusts none that it read later. The lease is renewed while the snapshot is used.
namespace cloudos::store::lmdb {

struct PinnedCommit {
  std::uint64_t id = 0;
  Commit commit;
  std::int64_t expires = 0;  ///< guest::now_ns().
};

/// What a store offers beside the contract when it can pin.
class PinSource {
 public:
  virtual ~PinSource() = default;
  /// Changes with each owner of the folder: pins of another epoch hold nothing.
  virtual std::uint64_t epoch() const = 0;
  /// The newest commit, which is `least` or a later one: guests see a commit in the file a little
  /// before the owner's own readers do. Errors: Unavailable (too many).
  virtual Result<PinnedCommit> pin(std::uint64_t least) = 0;
  /// The new expiry. Errors: Stale (it has ended).
  virtual Result<std::int64_t> renew(std::uint64_t id) = 0;
  virtual void unpin(std::uint64_t id) = 0;
  virtual std::uint64_t pin_count() const = 0;
  /// Slots of LMDB's reader table that were ever in use at one time.
  virtual std::uint64_t reader_count() const = 0;
};

/// The pins of one owner. Thread-safe.
class Pins {
 public:
  Pins(std::shared_ptr<Env> env, std::chrono::nanoseconds lease)
      : env_(std::move(env)), lease_(lease.count()) {}
  ~Pins();
  Pins(const Pins&) = delete;
  Pins& operator=(const Pins&) = delete;

  Result<PinnedCommit> pin(const std::filesystem::path& folder, std::uint64_t least);
  Result<std::int64_t> renew(std::uint64_t id);
  void unpin(std::uint64_t id);
  std::uint64_t count() const;
  /// Ends those whose lease is over. Cheap: commits call it.
  void sweep();

 private:
  struct Held {
    Reader reader;
    std::int64_t begun = 0;
    std::int64_t expires = 0;
  };
  Result<std::shared_ptr<const PageFile>> file(const std::filesystem::path& folder);
  void note_earliest() CLOUDOS_REQUIRES(mutex_);

  const std::shared_ptr<Env> env_;
  const std::int64_t lease_;
  mutable Mutex mutex_;
  std::map<std::uint64_t, Held> held_ CLOUDOS_GUARDED_BY(mutex_);
  std::uint64_t last_ CLOUDOS_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const PageFile> file_ CLOUDOS_GUARDED_BY(mutex_);
  std::atomic<std::int64_t> earliest_{INT64_MAX};
};

/// Writes the next epoch into `folder` (a file "owner": epoch, process). By the owner, locked,
/// before it opens LMDB.
Result<std::uint64_t> begin_epoch(int folder);

/// The epoch of a folder as guests see it, at any time.
class EpochFile {
 public:
  static Result<std::shared_ptr<const EpochFile>> open(const std::filesystem::path& folder);
  /// 0 when it cannot be read.
  std::uint64_t now() const;
  /// The process that owns it, or owned it last; 0 when unknown.
  int process() const;

 private:
  Descriptor file_;
};

}  // namespace cloudos::store::lmdb
