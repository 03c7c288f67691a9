#pragma once
#include <functional>
#include <memory>

#include "base/mutex.hpp"
#include "cloudos/store.hpp"

namespace cloudos::store {

/// A store that breaks when told to: for tests and simulations. Thread-safe.
class FaultyStore final : public Store {
 public:
  explicit FaultyStore(std::shared_ptr<Store> inner) : inner_(std::move(inner)) {}

  /// After `commits` more commits the process is as good as dead: every call fails.
  void crash_after(std::size_t commits);
  bool crashed() const;
  /// Asked before each transaction; an error is what transact() returns, and nothing is committed.
  void before_commit(std::function<std::optional<Error>()> ask);

  Result<std::unique_ptr<Snapshot>> snapshot() override;
  Result<Revision> transact(const Body& body) override;
  std::unique_ptr<Watch> watch(std::string prefix, std::function<void()> wake) override;
  Result<Changes> changes(std::string_view prefix, Revision since) override;

 private:
  Result<void> alive() const;
  const std::shared_ptr<Store> inner_;  // Shared with the test, which lives on with the data.
  mutable Mutex mutex_;
  std::optional<std::size_t> commits_left_ CLOUDOS_GUARDED_BY(mutex_);
  std::function<std::optional<Error>()> ask_ CLOUDOS_GUARDED_BY(mutex_);
};

}  // namespace cloudos::store
