#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/export.hpp"
#include "cloudos/function_ref.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/result.hpp"

/// The transactional store under everything: read wide from a snapshot, write narrow in a
/// transaction, hear of changes by watch and change log. Three backends, one contract
/// (tests/store/contract.hpp runs over each of them).
namespace cloudos {
class Metrics;
}
namespace cloudos::store {

/// Order of commits; 0 is before the first.
using Revision = std::uint64_t;

struct Entry {
  std::string key;
  std::string value;
  Revision revision = 0;  ///< Of the commit that last wrote the key.
};

struct ScanOptions {
  /// Whole key to start behind (before, when reversed); empty: from the end of the range.
  std::string after;
  std::size_t limit = limits::kScanPage;
  bool reverse = false;
  bool keys_only = false;   ///< Leave `value` empty: cheaper for index entries.
};

/// A consistent view of one revision. Cheap; drop it soon: it pins pages. One thread at a time.
class CLOUDOS_EXPORT Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual Revision revision() const = 0;
  /// Nothing when the key is absent. Errors: Unavailable, Internal.
  virtual Result<std::optional<Entry>> get(std::string_view key) const = 0;
  /// Entries whose key starts with `prefix`, in key order, at most options.limit (<= kScanPage).
  virtual Result<std::vector<Entry>> scan(std::string_view prefix,
                                          const ScanOptions& options = {}) const = 0;
};

/// What the body of a transaction sees: the newest committed state plus its own writes.
///
/// No scan on purpose: every read can be validated on every backend. A failure (limit, disk, map
/// full) is kept and becomes the result of transact(), so that bodies need not check each call.
class CLOUDOS_EXPORT Txn {
 public:
  virtual ~Txn() = default;
  /// The view lives until the body returns, or until the same key is written by it.
  virtual std::optional<std::string_view> get(std::string_view key) = 0;
  virtual void put(std::string_view key, std::string_view value) = 0;
  virtual void erase(std::string_view key) = 0;
  /// True when nothing lies under `prefix`.
  virtual bool none(std::string_view prefix) = 0;
};

/// Runs inside transact(): on any thread, maybe more than once, and other callers wait for it.
/// No I/O, no waits, no calls into the store, no thread-locals. An error leaves no trace.
/// Names the caller's lambda and owns nothing: pass the lambda, and keep no Body.
using Body = FunctionRef<Result<void>(Txn&)>;

struct Changes {
  std::vector<std::string> keys;  ///< Changed after `since`, each once, in no order.
  Revision until = 0;             ///< Pass as the next `since`.
  bool too_old = false;           ///< The log no longer reaches back to `since`: scan again.
};

/// Ends its watch when destroyed; after that `wake` is not called, nor running.
class CLOUDOS_EXPORT Watch {
 public:
  virtual ~Watch() = default;
};

/// Thread-safe.
class CLOUDOS_EXPORT Store {
 public:
  virtual ~Store() = default;

  virtual Result<std::unique_ptr<Snapshot>> snapshot() = 0;

  /// Runs `body` and commits what it wrote, durably, before it returns.
  ///
  /// Returns the revision of the commit; a body that wrote nothing commits nothing and returns the
  /// newest revision. Concurrent calls may share one fsync.
  /// Errors: what `body` returned; TooLarge (key, keys or bytes over the limits); StorageFull;
  /// Unavailable; Stale (a backend gave up after bounded reruns).
  virtual Result<Revision> transact(const Body& body) = 0;

  /// Calls `wake` soon after each commit under `prefix` that was made through this store; may call
  /// it without cause. `wake` must be short and must not call the store. A hint: confirm by
  /// reading.
  virtual std::unique_ptr<Watch> watch(std::string prefix, std::function<void()> wake) = 0;

  /// The keys under `prefix` changed after `since`. Errors: Unavailable.
  virtual Result<Changes> changes(std::string_view prefix, Revision since) = 0;
};

/// In memory: for tests, simulations and clouds that need not survive. One mutex.
struct MemoryOptions {
  std::size_t change_log_entries = limits::kChangeLogEntries;
};
CLOUDOS_EXPORT std::unique_ptr<Store> open_memory(const MemoryOptions& options = {});

/// On disk: one LMDB environment in a folder of its own.
struct LmdbOptions {
  std::filesystem::path directory;  ///< Made (0700) by the owner when it does not exist.
  /// Address space and upper bound of the data file, which is sparse: it never grows under readers.
  std::uint64_t map_bytes = limits::kStoreMapBytes;
  unsigned readers = limits::kStoreReaders;  ///< Snapshots open at one time.
  /// The one process that writes. Guests (false) take no lock and leave no mark in the folder.
  ///
  /// A guest without `socket` only reads: it cannot pin pages, so that its snapshots read until two
  /// more commits passed and then answer Stale (see replan), and transact() is Unavailable.
  bool owner = true;
  /// Guests: where the owner serves them (serve_guests). Then transact() runs its body here, over a
  /// snapshot, and the owner repeats what it read and wrote within a transaction of its own: a
  /// conflict runs the body again. Snapshots are pinned by the owner for as long as they are used,
  /// at most limits::kGuestPinMost. watch() calls from a thread of its own, which the first watch
  /// starts: within milliseconds of the commit while the owner serves, else by looking every
  /// limits::kGuestWatchPoll. Without a serving owner everything else is as without `socket`.
  ///
  /// transact() then also ends in Timeout when the owner is there but does not answer (stopped,
  /// say): the change may or may not have been made, and is not made twice.
  std::filesystem::path socket;
  std::shared_ptr<Metrics> metrics;  ///< The owner: counts its commits. Null: nobody does.
  std::size_t change_log_entries = limits::kChangeLogEntries;  ///< Keys the log reaches back.
  /// How often a commit looks for reader slots of killed processes (LMDB's own tools take them).
  std::chrono::milliseconds reader_check{1'000};
  /// The owner: how long it keeps a guest's snapshot that is not heard of. The guest's reads end in
  /// Stale by then, stopped or not.
  std::chrono::milliseconds pin_lease{limits::kGuestPinLease};
};

/// Opens (the owner: or makes) the store in `options.directory`. Starts no thread; an idle store
/// writes nothing.
///
/// Errors: Conflict (it has an owner, in this process or another), NotFound (a guest finds no
/// store), Unavailable (not readable or writable), Unsupported (foreign data, newer format),
/// StorageFull, InvalidArgument (map_bytes), Internal (damaged).
CLOUDOS_EXPORT Result<std::unique_ptr<Store>> open_lmdb(const LmdbOptions& options);

/// Serves guests of `owner` until destroyed, which ends what runs for them and breaks their
/// connections. Destroy it before the store.
class CLOUDOS_EXPORT GuestService {
 public:
  virtual ~GuestService() = default;
  struct Numbers {
    std::size_t connections = 0;    ///< Open now.
    std::uint64_t commits = 0;      ///< Made for guests so far.
    std::uint64_t conflicts = 0;    ///< Sent back: what the guest read had changed.
    std::uint64_t refused = 0;      ///< Connections and requests that broke a rule or a limit.
  };
  virtual Numbers numbers() const = 0;
};

/// Listens on the unix socket `socket` (0600; made anew) for guests of the same user, or of root,
/// with a thread of its own and one a connection. Any store can be served; snapshots of guests are
/// pinned when it is the owner of an LMDB store.
///
/// Connections, sizes and times are bounded (limits::kGuest…). Errors: Unavailable (the socket
/// cannot be made).
CLOUDOS_EXPORT Result<std::unique_ptr<GuestService>> serve_guests(
    Store& owner, const std::filesystem::path& socket);

/// The bounded loop around snapshot and transact: runs `attempt` again while it ends in Stale, at
/// most limits::kReplanRounds times. Errors: those of `attempt`; Unavailable (still Stale).
CLOUDOS_EXPORT Result<void> replan(const FunctionRef<Result<void>()>& attempt);

}  // namespace cloudos::store
