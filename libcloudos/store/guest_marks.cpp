#include "store/guest_marks.hpp"

namespace cloudos::store::guest {

void SessionMarks::enter(const std::string& mark) {
  LockGuard lock(mutex_);
  ++users_[mark];
  waiting_.erase(mark);
}

void SessionMarks::leave(const std::string& mark, std::int64_t now) {
  LockGuard lock(mutex_);
  const auto user = users_.find(mark);
  if (user == users_.end()) return;
  if (--user->second > 0) return;
  users_.erase(user);
  wait(mark, now);
}

void SessionMarks::found(const std::string& mark, std::int64_t now) {
  LockGuard lock(mutex_);
  wait(mark, now);
}

void SessionMarks::wait(const std::string& mark, std::int64_t now) {
  if (users_.contains(mark)) return;
  if (waiting_.emplace(mark, now).second) order_.emplace_back(mark, now);
}

std::vector<std::string> SessionMarks::take(std::int64_t now) {
  std::vector<std::string> marks;
  LockGuard lock(mutex_);
  while (!order_.empty() && order_.front().second < now - rest_ &&
         marks.size() < limits::kGuestMarkersPerCommit) {
    // Who came back and left again waits anew: by a later place in the order.
    const auto left = waiting_.find(order_.front().first);
    if (left != waiting_.end() && left->second == order_.front().second) {
      marks.push_back(left->first);
      waiting_.erase(left);
    }
    order_.pop_front();
  }
  return marks;
}

void SessionMarks::give_back(const std::vector<std::string>& marks, std::int64_t now) {
  LockGuard lock(mutex_);
  for (const std::string& mark : marks) wait(mark, now);
}

bool SessionMarks::has_left(const std::string& mark) const {
  LockGuard lock(mutex_);
  return !users_.contains(mark);
}

}  // namespace cloudos::store::guest
