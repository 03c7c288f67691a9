#include <algorithm>

#include <fmt/format.h>

#include "base/caught.hpp"
#include "records/table.hpp"
#include "tasks/runner_impl.hpp"

namespace cloudos {

using std::chrono::milliseconds;

void TaskRunner::Impl::start_reconcilers() {
  std::vector<std::pair<std::string, std::string>> names;
  {
    LockGuard lock(mutex);
    for (const auto& [name, slot] : reconcilers) names.emplace_back(name, slot.reconciler.wake_on);
  }
  std::weak_ptr<Impl> weak = shared_from_this();
  for (const auto& [name, prefix] : names) {
    if (!prefix.empty()) {
      auto watch = store.watch(prefix, [weak, reconciler = name] {
        if (const auto self = weak.lock()) self->schedule_reconciler(reconciler, milliseconds{0});
      });
      LockGuard lock(mutex);
      reconcilers[name].watch = std::move(watch);
    }
    schedule_reconciler(name, milliseconds{0});
  }
}

void TaskRunner::Impl::schedule_reconciler(const std::string& name, milliseconds after) {
  const MonoTime due = after.count() == 0 ? MonoTime{} : clock.mono() + after;
  std::uint64_t ticket;
  {
    LockGuard lock(mutex);
    const auto found = reconcilers.find(name);
    if (stopping || !started || found == reconcilers.end()) return;
    ReconcilerSlot& slot = found->second;
    if (slot.running) {
      slot.again = true;
      return;
    }
    // A wake-up that came just before the period's own appointment is not put off by it.
    if (slot.due && *slot.due <= due) return;
    slot.due = due;
    ticket = slot.ticket = ++tickets;
  }
  executor.post_at(due, [self = shared_from_this(), name, ticket] {
    self->run_reconciler(name, ticket);
  });
}

void TaskRunner::Impl::run_reconciler(const std::string& name, std::uint64_t ticket) {
  Reconciler* reconciler;
  {
    LockGuard lock(mutex);
    const auto slot = reconcilers.find(name);
    if (stopping || slot->second.running || slot->second.ticket != ticket) return;
    slot->second.running = true;
    slot->second.again = false;
    slot->second.due.reset();
    reconciler = &slot->second.reconciler;  // Constant after start.
  }
  bool more = false;
  const auto passed = caught(ErrorCode::Internal, "an internal error stopped the pass",
                             [&] { return reconciler->pass(); });
  if (passed) {
    more = *passed;
  } else {
    const Error& why = passed.error();
    log.write(why.code == ErrorCode::Internal ? LogLevel::Error : LogLevel::Warning,
              fmt::format("reconciler {}: {}{}{}", name, why.message,
                          why.detail.empty() ? "" : " - ", why.detail));
  }
  {
    LockGuard lock(mutex);
    const auto slot = reconcilers.find(name);
    slot->second.running = false;
    more = more || slot->second.again;
  }
  schedule_reconciler(name, more ? milliseconds{0} : reconciler->period);
}

/// Keeps the history of finished tasks bounded: those that finished first go first.
///
/// "First" is the order of the store: the revision that wrote a task's entry in the index of final
/// ones. Times are no order when the clock was set back, and ids are made from the time.
Reconciler TaskRunner::Impl::retention() {
  const auto pass = [this]() -> Result<bool> {
    CLOUDOS_TRY(const auto snapshot, store.snapshot());
    const std::string prefix = records::index_prefix(tasks::TaskRecord::kKind, "final", "1");
    std::vector<std::pair<store::Revision, std::string>> ended;
    store::ScanOptions scan;
    scan.keys_only = true;
    for (;;) {
      CLOUDOS_TRY(const auto entries, snapshot->scan(prefix, scan));
      for (const auto& entry : entries)
        ended.emplace_back(entry.revision, entry.key.substr(prefix.size()));
      if (entries.size() < limits::kScanPage) break;
      scan.after = entries.back().key;
    }
    if (ended.size() <= options.finished_kept) return false;
    const std::size_t over = ended.size() - options.finished_kept;
    const auto batch = static_cast<std::ptrdiff_t>(std::min(over, limits::kFinishedTasksSlack / 5));
    std::partial_sort(ended.begin(), ended.begin() + batch, ended.end());
    CLOUDOS_CHECK(store.transact([&](store::Txn& txn) -> Result<void> {
      for (auto oldest = ended.begin(); oldest != ended.begin() + batch; ++oldest) {
        const auto erased = records::erase<tasks::TaskRecord>(txn, oldest->second);
        if (!erased && erased.error().code != ErrorCode::NotFound) return fail(erased.error());
      }
      return Result<void>();
    }));
    return over > static_cast<std::size_t>(batch);
  };
  return {"tasks", std::chrono::minutes{10}, {}, pass};
}

}  // namespace cloudos
