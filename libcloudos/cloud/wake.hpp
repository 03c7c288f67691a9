#pragma once
#include <memory>
#include <mutex>

#include "base/executor.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// The descriptor by which a host's event loop hears that work has come. Thread-safe.
class WakeFd final {
 public:
  /// The descriptor, made and tied to `executor` by the first call; readable at once, for whatever
  /// came before. Errors: Unavailable (no descriptor left).
  Result<int> open(Executor& executor);
  /// No longer readable, until something comes.
  void drain();

 private:
  struct Event;
  std::mutex mutex_;
  std::shared_ptr<Event> event_;  // Shared with the executor, whose threads may outlive us.
};

}  // namespace cloudos
