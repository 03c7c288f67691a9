#include "store/faulty.hpp"

namespace cloudos::store {

void FaultyStore::crash_after(std::size_t commits) {
  LockGuard lock(mutex_);
  commits_left_ = commits;
}

bool FaultyStore::crashed() const {
  LockGuard lock(mutex_);
  return commits_left_ == 0U;
}

void FaultyStore::before_commit(std::function<std::optional<Error>()> ask) {
  LockGuard lock(mutex_);
  ask_ = std::move(ask);
}

Result<void> FaultyStore::alive() const {
  if (crashed()) return fail(ErrorCode::Unavailable, "the process has crashed");
  return Result<void>();
}

Result<std::unique_ptr<Snapshot>> FaultyStore::snapshot() {
  CLOUDOS_CHECK(alive());
  return inner_->snapshot();
}

Result<Revision> FaultyStore::transact(const Body& body) {
  CLOUDOS_CHECK(alive());
  std::function<std::optional<Error>()> ask;
  {
    LockGuard lock(mutex_);
    ask = ask_;
  }
  if (ask) {
    if (auto error = ask()) return fail(std::move(*error));
  }
  Revision before = 0;
  {
    CLOUDOS_TRY(const auto view, inner_->snapshot());
    before = view->revision();
  }
  auto result = inner_->transact(body);
  if (result && *result > before) {
    LockGuard lock(mutex_);
    if (commits_left_ && *commits_left_ > 0) --*commits_left_;
  }
  return result;
}

std::unique_ptr<Watch> FaultyStore::watch(std::string prefix, std::function<void()> wake) {
  return inner_->watch(std::move(prefix), std::move(wake));
}

Result<Changes> FaultyStore::changes(std::string_view prefix, Revision since) {
  CLOUDOS_CHECK(alive());
  return inner_->changes(prefix, since);
}

}  // namespace cloudos::store
