#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/mutex.hpp"
#include "cloudos/store.hpp"

namespace cloudos::store {

/// The watches of a store; shared with their handles, which may outlive it. Thread-safe.
class WatchList {
 public:
  static std::unique_ptr<Watch> add(const std::shared_ptr<WatchList>& list, std::string prefix,
                                    std::function<void()> wake) {
    LockGuard lock(list->mutex_);
    const std::uint64_t id = ++list->last_;
    list->watches_.emplace(id, std::pair(std::move(prefix), std::move(wake)));
    return std::make_unique<Handle>(list, id);
  }

  /// Calls those whose prefix `touched` says yes to.
  template <class Touched>
  void wake(const Touched& touched) {
    LockGuard lock(mutex_);
    for (const auto& [id, watch] : watches_)
      if (touched(watch.first)) watch.second();
  }

 private:
  class Handle final : public Watch {
   public:
    Handle(std::shared_ptr<WatchList> list, std::uint64_t id) : list_(std::move(list)), id_(id) {}
    ~Handle() override {
      LockGuard lock(list_->mutex_);
      list_->watches_.erase(id_);
    }

   private:
    const std::shared_ptr<WatchList> list_;
    const std::uint64_t id_;
  };

  Mutex mutex_;
  std::map<std::uint64_t, std::pair<std::string, std::function<void()>>> watches_
      CLOUDOS_GUARDED_BY(mutex_);
  std::uint64_t last_ CLOUDOS_GUARDED_BY(mutex_) = 0;
};

}  // namespace cloudos::store
