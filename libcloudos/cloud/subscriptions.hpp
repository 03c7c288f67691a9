#pragma once
#include <functional>
#include <memory>

#include "base/executor.hpp"
#include "cloudos/log.hpp"
#include "cloudos/store.hpp"
#include "cloudos/subscription.hpp"

namespace cloudos {

struct FeedGround {
  store::Store& store;
  Executor& executor;
  const Clock& clock;
  Log log;
  /// Zero: the store tells of changes. Else nobody may (no thread may be started): look this often.
  std::chrono::milliseconds poll{0};
};

/// See Cloud::subscribe. Errors: InvalidArgument, and what the store answers.
Result<std::unique_ptr<Subscription>> make_subscription(
    const FeedGround& ground, const SubscribeOptions& what,
    std::function<void(const ChangeBatch&)> tell);

}  // namespace cloudos
