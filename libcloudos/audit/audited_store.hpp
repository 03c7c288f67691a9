#pragma once
#include <atomic>
#include <functional>

#include "cloudos/clock.hpp"
#include "cloudos/metrics.hpp"
#include "cloudos/random.hpp"
#include "cloudos/store.hpp"

namespace cloudos::audit {

/// A store whose commits carry the events of what they change. Reads go straight through.
/// Thread-safe.
class AuditedStore final : public store::Store {
 public:
  /// All outlive it; `metrics` may be null.
  AuditedStore(store::Store& inner, const Clock& clock, IdSource& ids, Metrics* metrics);

  Result<std::unique_ptr<store::Snapshot>> snapshot() override { return inner_.snapshot(); }
  Result<store::Revision> transact(const store::Body& body) override;
  std::unique_ptr<store::Watch> watch(std::string prefix, std::function<void()> wake) override {
    return inner_.watch(std::move(prefix), std::move(wake));
  }
  Result<store::Changes> changes(std::string_view prefix, store::Revision since) override {
    return inner_.changes(prefix, since);
  }

  /// Rows written since the last call.
  std::size_t take_written() { return written_.exchange(0, std::memory_order_relaxed); }
  /// Called, on any thread, when limits::kAuditSlack rows were written: somebody should look.
  void on_many(std::function<void()> many) { many_ = std::move(many); }

 private:
  store::Store& inner_;
  const Clock& clock_;
  IdSource& ids_;
  Counter* const events_;
  std::atomic<std::size_t> written_{0};
  std::function<void()> many_;  // Set before the first commit of others.
};

}  // namespace cloudos::audit
