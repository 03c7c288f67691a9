#include "audit/recorder.hpp"

#include <algorithm>
#include <vector>

#include "base/actor.hpp"
#include "codec/binary.hpp"

namespace cloudos::audit {
namespace {

constexpr std::string_view kEvents = "cloudos_audit_events_total";
constexpr std::string_view kEventsHelp = "Events recorded in the audit log, by kind.";

template <class Kind>
void put_row(store::Txn& txn, const Row& row) {
  txn.put(records::record_key(Kind::kKind, row.id), codec::encode_record(row, Kind::kSchema));
}

}  // namespace

Recorder::Recorder(Ground ground) : ground_(std::move(ground)) {
  if (!ground_.metrics) return;
  logins_ = &ground_.metrics->counter(kEvents, kEventsHelp, {{"kind", "login"}});
  changes_ = &ground_.metrics->counter(kEvents, kEventsHelp, {{"kind", "change"}});
  failures_ = &ground_.metrics->counter(kEvents, kEventsHelp, {{"kind", "failure"}});
  lost_ = &ground_.metrics->counter("cloudos_audit_lost_total",
                                    "Authentications whose event could not be written.");
}

void Recorder::record(const Attempt& attempt) {
  const std::string_view address = current_actor().address;
  const bool failure = attempt.outcome == AuditOutcome::Failure;
  Counter* const counter = failure                                       ? failures_
                           : attempt.action == AuditAction::Authenticate ? logins_
                                                                         : changes_;
  if (counter) counter->add();
  const MonoTime now = ground_.clock.mono();
  MonoTime due;
  {
    const std::lock_guard lock(mutex_);
    Cell& cell = cell_of(attempt, address, failure);
    if (cell.count++ == 0) {
      // A repetition waits for its window to end; what is new does not wait long.
      const bool again = cell.due > now;
      if (!again) cell.due = now + limits::kAuditFlush;
      cell.row.id = ground_.ids.uuid();
      cell.row.time = ground_.clock.wall();
      if (const Context* const caller = current_actor().caller)
        cell.row.request_id = caller->request_id;
      else
        cell.row.request_id = current_actor().request_id;
    }
    cell.row.last = cell.count == 1 ? cell.row.time : ground_.clock.wall();
    if (armed_) return;
    armed_ = true;
    due = cell.due;
  }
  arm(due);
}

/// The one of all attempts like this; when there are too many, the one of all that end like this.
Recorder::Cell& Recorder::cell_of(const Attempt& attempt, std::string_view address, bool failure) {
  key_.clear();
  key_ += failure ? 'f' : 's';
  key_ += static_cast<char>('0' + static_cast<int>(attempt.action));
  key_ += attempt.system_scope ? '1' : '0';
  for (const std::string_view part : {attempt.user, attempt.project, attempt.domain, address,
                                      attempt.methods, attempt.operation, attempt.reason}) {
    key_ += part;
    key_ += '\n';
  }
  if (const auto known = cells_.find(key_); known != cells_.end()) return known->second;
  std::size_t& cells = failure ? failure_cells_ : login_cells_;
  const bool full =
      cells >= (failure ? limits::kAuditPendingFailures : limits::kAuditPendingLogins);
  if (full) {
    key_.resize(2);
    key_ += attempt.reason;
    if (const auto known = cells_.find(key_); known != cells_.end()) return known->second;
  }
  Cell& cell = cells_[key_];
  cell.failure = failure;
  ++cells;
  begin_cell(cell, attempt, full);
  return cell;
}

void Recorder::begin_cell(Cell& cell, const Attempt& attempt, bool anonymous) {
  Row& row = cell.row;
  row.generation = 1;
  row.outcome = attempt.outcome;
  row.reason = short_text(attempt.reason);
  RowTarget& target = row.targets.emplace_back();
  target.action = attempt.action;
  target.kind = attempt.action == AuditAction::Authenticate ? "user" : "call";
  if (anonymous) return;
  const Actor& actor = current_actor();
  row.address = actor.address;
  row.agent = short_text(actor.agent);
  row.path = short_text(actor.path);
  row.user.value = attempt.user;
  row.user_domain.value = attempt.user_domain;
  row.project.value = attempt.project;
  row.domain.value = attempt.domain;
  row.system_scope = attempt.system_scope;
  row.methods = attempt.methods;
  row.operation = attempt.operation;
  target.id = attempt.action == AuditAction::Authenticate ? attempt.user : attempt.operation;
  target.name = short_text(attempt.user_name);
}

void Recorder::arm(MonoTime due) {
  ground_.executor.post_at(due, [this] {
    {
      const std::lock_guard lock(mutex_);
      armed_ = false;
    }
    const auto written = write(false);
    if (!written) ground_.log.warn("audit: " + written.error().message);
  });
}

Result<void> Recorder::flush() {
  return write(true);
}

Result<void> Recorder::write(bool all) {
  const MonoTime now = ground_.clock.mono();
  std::vector<Row> logins, failures;
  std::uint64_t attempts = 0;
  std::optional<MonoTime> next;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = cells_.begin(); at != cells_.end();) {
      Cell& cell = at->second;
      if (cell.count == 0 && cell.due <= now) {
        --(cell.failure ? failure_cells_ : login_cells_);
        at = cells_.erase(at);
        continue;
      }
      if (cell.count > 0 && (all || cell.due <= now)) {
        Row row = cell.row;
        row.count = cell.count > 1 ? cell.count : 0;
        attempts += cell.count;
        (cell.failure ? failures : logins).push_back(std::move(row));
        cell.count = 0;
        cell.due = now + limits::kAuditRepeat;
      } else if (cell.count > 0 && (!next || cell.due < *next)) {
        next = cell.due;
      }
      ++at;
    }
    if (armed_) next.reset();
    if (next) armed_ = true;
    written_ += logins.size() + failures.size();
  }
  if (next) arm(*next);
  if (logins.empty() && failures.empty()) return Result<void>();
  const auto done = ground_.store.transact([&](store::Txn& txn) -> Result<void> {
    for (const Row& row : logins) {
      if (row.targets.front().action == AuditAction::Authenticate)
        put_row<LoginRow>(txn, row);
      else
        put_row<ChangeRow>(txn, row);
    }
    for (const Row& row : failures) put_row<FailureRow>(txn, row);
    return Result<void>();
  });
  if (done) return Result<void>();
  if (lost_) lost_->add(attempts);
  return fail(done.error());
}

std::size_t Recorder::take_written() {
  const std::lock_guard lock(mutex_);
  return std::exchange(written_, 0);
}

}  // namespace cloudos::audit
