#pragma once
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "audit/row.hpp"
#include "base/executor.hpp"
#include "cloudos/log.hpp"
#include "cloudos/metrics.hpp"
#include "cloudos/random.hpp"
#include "cloudos/store.hpp"

namespace cloudos::audit {

/// An authentication, a call that was refused, or a change of what is in no record. Views: copied by
/// record().
struct Attempt {
  AuditAction action = AuditAction::Authenticate;
  AuditOutcome outcome = AuditOutcome::Success;
  std::string_view user, user_name, user_domain, project, domain;
  bool system_scope = false;
  std::string_view methods, operation, reason;
};

/// Keeps attempts until there is a moment to write them, the same ones as one. Where this thread's
/// work comes from (base/actor.hpp) is theirs too. Thread-safe; record() takes a lock and no more.
class Recorder final {
 public:
  struct Ground {
    store::Store& store;
    Executor& executor;
    const Clock& clock;
    IdSource& ids;
    Log log;
    Metrics* metrics = nullptr;  ///< May be null.
  };
  explicit Recorder(Ground ground);

  void record(const Attempt& attempt);
  /// Writes all that waits. Errors: of the store; what waited is counted as lost.
  Result<void> flush();
  /// Rows written since the last call.
  std::size_t take_written();

 private:
  struct Cell {
    Row row;
    std::uint64_t count = 0;  ///< Since it was last written; 0: it only waits for repetitions.
    MonoTime due;             ///< Written then, or dropped.
    bool failure = false;
  };
  using Cells = std::map<std::string, Cell, std::less<>>;

  Cell& cell_of(const Attempt& attempt, std::string_view address, bool failure);
  void begin_cell(Cell& cell, const Attempt& attempt, bool anonymous);
  void arm(MonoTime due);
  Result<void> write(bool all);

  const Ground ground_;
  Counter* logins_ = nullptr;
  Counter* changes_ = nullptr;
  Counter* failures_ = nullptr;
  Counter* lost_ = nullptr;

  std::mutex mutex_;
  // Below: guarded by mutex_.
  Cells cells_;
  std::size_t login_cells_ = 0, failure_cells_ = 0;
  std::string key_;  // Memory for the next one.
  bool armed_ = false;
  std::size_t written_ = 0;
};

}  // namespace cloudos::audit
