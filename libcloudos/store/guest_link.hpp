#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "store/guest_wire.hpp"
#include "store/lmdb_pins.hpp"

/// A guest's connections to the owner of its store. Thread-safe. Shared by the store and its
/// snapshots, which may outlive it.
namespace cloudos::store::guest {

class Link : public std::enable_shared_from_this<Link> {
 public:
  /// Reads one record of the newest commit, beside the owner.
  using Read = std::function<Result<std::optional<Entry>>(const std::string& key)>;
  Link(std::filesystem::path socket, std::shared_ptr<const lmdb::EpochFile> epoch, Read read);
  ~Link();

  /// Has the owner commit a script, once. Errors: Stale (run the body again), Unavailable (nobody
  /// serves; nothing was changed), Timeout (perhaps it was), and what the owner's commit says.
  Result<Revision> commit(const Script& script);

  /// The commit `newest`, or one after it, kept from being overwritten; nothing when the owner
  /// keeps none for us.
  std::optional<lmdb::Commit> pin(const lmdb::Commit& newest);

  /// Lets go of what is kept for the next snapshot. Snapshots that still live are not touched.
  void end();

  /// Connects and says hello. Errors: NotFound (nobody serves), Unavailable, Timeout, Unsupported.
  Result<Socket> connect(std::int64_t deadline, std::uint64_t* epoch = nullptr) const;

 private:
  /// Commits go one at a time by each of these.
  struct Line {
    Socket socket;
    std::string session;
    std::uint64_t number = 0;  ///< Of the newest commit that was sent.
  };
  /// The connection that pins belong to; closing it ends them, and the flag tells their holders.
  struct PinLine {
    Socket socket;
    std::uint64_t epoch = 0;
    std::atomic<bool> open{true};
  };
  class HeldPin;

  std::unique_ptr<Line> take_line();
  void give_line(std::unique_ptr<Line> line);
  Result<Revision> exchange(Line& line, const std::string& body, std::int64_t deadline,
                            bool& sent) const;
  Result<std::optional<Revision>> find_mark(const Line& line) const;
  Result<std::string> ask_pins(Frame kind, std::string_view body) CLOUDOS_REQUIRES(pin_mutex_);
  void drop_pin_line() CLOUDOS_REQUIRES(pin_mutex_);
  std::int64_t renew(const PinLine& line, std::uint64_t id);
  void unpin(const PinLine& line, std::uint64_t id);

  const std::filesystem::path socket_;
  const std::shared_ptr<const lmdb::EpochFile> epoch_;
  const Read read_;

  Mutex mutex_;
  std::condition_variable_any line_free_;
  std::vector<std::unique_ptr<Line>> idle_ CLOUDOS_GUARDED_BY(mutex_);
  std::size_t lines_ CLOUDOS_GUARDED_BY(mutex_) = 0;

  Mutex pin_mutex_;
  std::shared_ptr<PinLine> pin_line_ CLOUDOS_GUARDED_BY(pin_mutex_);
  std::int64_t no_pins_until_ CLOUDOS_GUARDED_BY(pin_mutex_) = 0;
  std::shared_ptr<HeldPin> newest_pin_ CLOUDOS_GUARDED_BY(pin_mutex_);
};

/// Calls `changed` after commits of the owner, from a thread of its own, until destroyed: told by
/// the owner while it serves, else by looking every limits::kGuestWatchPoll.
class ChangeTeller {
 public:
  /// Returns what is newest, having told all that is newer than `since`.
  using Tell = std::function<Revision(Revision since)>;
  ChangeTeller(std::shared_ptr<const Link> link, Revision since, Tell tell);
  ~ChangeTeller();

 private:
  void run(Revision since);
  bool wait(const Socket* socket, std::int64_t deadline) const;

  const std::shared_ptr<const Link> link_;
  const Tell tell_;
  const Descriptor stop_;
  std::thread thread_;
};

}  // namespace cloudos::store::guest
