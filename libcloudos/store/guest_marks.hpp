#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/store.hpp"

namespace cloudos::store::guest {

/// Marks of guests' sessions, and which of them nobody will ask about any more. Each mark tells the
/// number of its session's newest commit, so that a guest whose connection broke learns what became
/// of it. A while after the last connection of a session ended its mark is erased, by the commit of
/// another one: an idle store writes nothing. Times are now_ns(). Thread-safe.
class SessionMarks {
 public:
  /// `rest`: how long a mark is kept after its guest left.
  explicit SessionMarks(std::chrono::nanoseconds rest) : rest_(rest.count()) {}

  /// A connection commits by the session, before it commits.
  void enter(const std::string& mark);
  /// It does so no more. A session may change from one connection to the next in either order.
  void leave(const std::string& mark, std::int64_t now);
  /// A mark that was found in the store, of a session that nobody has entered.
  void found(const std::string& mark, std::int64_t now);

  /// Some whose guests left long ago, at most limits::kGuestMarkersPerCommit: to be erased, or
  /// given back. Whoever erases asks has_left() within the transaction: the guest may be back.
  std::vector<std::string> take(std::int64_t now);
  void give_back(const std::vector<std::string>& marks, std::int64_t now);
  bool has_left(const std::string& mark) const;

 private:
  void wait(const std::string& mark, std::int64_t now) CLOUDOS_REQUIRES(mutex_);

  const std::int64_t rest_;
  mutable Mutex mutex_;
  std::map<std::string, std::size_t> users_ CLOUDOS_GUARDED_BY(mutex_);  // Connections; not 0.
  std::deque<std::pair<std::string, std::int64_t>> order_ CLOUDOS_GUARDED_BY(mutex_);
  std::map<std::string, std::int64_t> waiting_ CLOUDOS_GUARDED_BY(mutex_);  // Since when.
};

/// Twice as long as a guest waits for an answer.
inline constexpr std::chrono::nanoseconds kMarkRest = 2 * limits::kGuestCallTime;

/// serve_guests() with another rest of its marks.
Result<std::unique_ptr<GuestService>> serve(Store& owner, const std::filesystem::path& socket,
                                            std::chrono::nanoseconds mark_rest);

}  // namespace cloudos::store::guest
