#include "audit/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "audit/resources.hpp"
#include "base/text.hpp"
#include "codec/binary.hpp"

namespace cloudos {

using audit::ChangeRow;
using audit::FailureRow;
using audit::LoginRow;
using audit::Row;

namespace {

constexpr std::size_t kUuidChars = 36;

struct RowKind {
  std::string_view name;
  bool changes, logins, failures;
};
constexpr RowKind kRowKinds[] = {{ChangeRow::kKind, true, false, false},
                                 {LoginRow::kKind, false, true, false},
                                 {FailureRow::kKind, false, false, true}};

/// "<uuid>.3" taken apart.
struct EventId {
  std::string uuid;
  std::size_t index = 0;
};
std::optional<EventId> parse_event_id(std::string_view id) {
  EventId parsed{std::string(id.substr(0, kUuidChars)), 0};
  if (parsed.uuid.size() != kUuidChars || !is_uuid_like(parsed.uuid)) return std::nullopt;
  if (id.size() == kUuidChars) return parsed;
  const auto index =
      id[kUuidChars] == '.' ? parse_unsigned(id.substr(kUuidChars + 1)) : std::nullopt;
  if (!index || *index == 0 || *index > limits::kTxnKeys) return std::nullopt;
  parsed.index = *index;
  return parsed;
}

AuditEvent event_of(const Row& row, std::size_t index) {
  const audit::RowTarget& target = row.targets[index];
  AuditEvent event;
  event.id = index == 0 ? row.id : fmt::format("{}.{}", row.id, index);
  event.time = row.time;
  event.action = target.action;
  event.outcome = row.outcome;
  event.initiator = {row.user,         row.user_domain, row.project, row.domain,
                     row.system_scope, row.address,     row.agent,   row.request_id};
  event.target = {target.kind, target.id, target.name, target.project, {}, target.attached};
  if (const auto* const resource = audit::resource_of_kind(target.kind))
    event.target.type_uri = resource->type_uri;
  else
    event.target.type_uri = "service/security";
  event.operation = row.operation;
  event.path = row.path;
  event.methods = row.methods;
  event.reason = row.reason;
  event.count = std::max<std::uint64_t>(row.count, 1);
  event.last = row.count > 1 ? row.last : row.time;
  return event;
}

bool sees_all(const Context& ctx) {
  return ctx.is_admin || ctx.system_scope;
}

/// What of an event the caller may see; false: not even that it happened.
bool narrow(const Context& ctx, AuditEvent& event) {
  if (sees_all(ctx)) return true;
  const bool own = !ctx.project.empty() && event.initiator.project == ctx.project;
  if (own) return true;
  if (ctx.project.empty() || event.target.project != ctx.project) return false;
  event.initiator.address.clear();
  event.initiator.agent.clear();
  return true;
}

bool matches(const AuditQuery& query, const AuditEvent& event) {
  const auto is = [](const auto& wanted, const auto& have) {
    return wanted.empty() || wanted == have;
  };
  return is(query.initiator, event.initiator.user) && is(query.kind, event.target.kind) &&
         (query.target.empty() || query.target == event.target.id ||
          query.target == event.target.name) &&
         is(query.request_id, event.initiator.request_id) &&
         is(query.address, event.initiator.address) &&
         (query.project.empty() || query.project == event.initiator.project ||
          query.project == event.target.project) &&
         (!query.action || *query.action == event.action) &&
         (!query.outcome || *query.outcome == event.outcome);
}

bool may_hold(const RowKind& kind, const AuditQuery& query) {
  if (query.action) {
    const bool change =
        *query.action != AuditAction::Authenticate && *query.action != AuditAction::Deny;
    if (change != kind.changes) return false;
    if (*query.action == AuditAction::Deny && !kind.failures) return false;
  }
  if (query.outcome && (*query.outcome == AuditOutcome::Failure) != kind.failures) return false;
  return true;
}

/// The rows of one kind, newest first, a scan page in memory.
class RowCursor {
 public:
  RowCursor(const store::Snapshot& at, std::string_view kind, std::string_view before)
      : at_(at), prefix_(records::record_prefix(kind)) {
    scan_.reverse = true;
    scan_.limit = 200;
    if (!before.empty()) scan_.after = prefix_ + std::string(before);
  }
  /// The key's id part; empty behind the last.
  Result<std::string_view> id() {
    if (next_ == page_.size() && !last_) {
      CLOUDOS_TRY(page_, at_.scan(prefix_, scan_));
      last_ = page_.size() < scan_.limit;
      if (!page_.empty()) scan_.after = page_.back().key;
      next_ = 0;
    }
    if (next_ == page_.size()) return std::string_view();
    return std::string_view(page_[next_].key).substr(prefix_.size());
  }
  Result<Row> take() { return codec::decode_record<Row>(page_[next_++].value); }

 private:
  const store::Snapshot& at_;
  const std::string prefix_;
  store::ScanOptions scan_;
  std::vector<store::Entry> page_;
  std::size_t next_ = 0;
  bool last_ = false;
};

/// The three kinds as one list by time.
class RowMerge {
 public:
  RowMerge(const store::Snapshot& at, const AuditQuery& query, std::string_view before) {
    for (const RowKind& kind : kRowKinds)
      if (may_hold(kind, query)) cursors_.emplace_back(at, kind.name, before);
  }
  /// Nothing behind the last one, or before `from`.
  Result<std::optional<Row>> next(std::string_view from) {
    RowCursor* newest = nullptr;
    std::string_view best;
    for (RowCursor& cursor : cursors_) {
      CLOUDOS_TRY(const std::string_view id, cursor.id());
      if (id.empty() || (newest && id <= best)) continue;
      newest = &cursor;
      best = id;
    }
    if (!newest || best < from) return std::optional<Row>();
    CLOUDOS_TRY(Row row, newest->take());
    return std::optional<Row>(std::move(row));
  }

 private:
  std::vector<RowCursor> cursors_;
};

}  // namespace

AuditLog::AuditLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AuditLog::~AuditLog() = default;

Result<std::vector<AuditEvent>> AuditLog::list(const Context& ctx, const AuditQuery& query) const {
  CLOUDOS_CHECK(impl_->ground.enforce(ctx, "audit:list_events"));
  std::optional<EventId> marker;
  if (!query.marker.empty()) {
    marker = parse_event_id(query.marker);
    if (!marker)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("marker: '{}' is no id of an event", query.marker.substr(0, 64)));
  }
  // Both bounds lie before the row itself; a marker in the middle of its row reads that row again.
  std::string before = query.until ? audit::id_from(*query.until) : std::string();
  if (marker && (before.empty() || marker->uuid < before)) before = marker->uuid + "~";
  const std::string from = query.since ? audit::id_from(*query.since) : std::string();
  CLOUDOS_TRY(const auto at, impl_->ground.store.snapshot());
  RowMerge rows(*at, query, before);
  std::vector<AuditEvent> events;
  while (events.size() < query.limit) {
    CLOUDOS_TRY(const auto row, rows.next(from));
    if (!row) break;
    for (std::size_t i = 0; i < row->targets.size() && events.size() < query.limit; ++i) {
      if (marker && row->id == marker->uuid && i <= marker->index) continue;
      AuditEvent event = event_of(*row, i);
      if (narrow(ctx, event) && matches(query, event)) events.push_back(std::move(event));
    }
  }
  return events;
}

Result<AuditEvent> AuditLog::get(const Context& ctx, std::string_view id) const {
  CLOUDOS_CHECK(impl_->ground.enforce(ctx, "audit:get_event"));
  const auto missing = [&] {
    return fail(ErrorCode::NotFound, fmt::format("event {} could not be found", id.substr(0, 64)));
  };
  const auto wanted = parse_event_id(id);
  if (!wanted) return missing();
  CLOUDOS_TRY(const auto at, impl_->ground.store.snapshot());
  for (const RowKind& kind : kRowKinds) {
    CLOUDOS_TRY(const auto entry, at->get(records::record_key(kind.name, wanted->uuid)));
    if (!entry) continue;
    CLOUDOS_TRY(const Row row, codec::decode_record<Row>(entry->value));
    if (wanted->index >= row.targets.size()) return missing();
    AuditEvent event = event_of(row, wanted->index);
    if (!narrow(ctx, event)) return missing();
    return event;
  }
  return missing();
}

void AuditLog::refused(const Context& ctx, std::string_view operation, const Error& why) {
  if (!impl_->ground.recorder) return;
  if (why.code != ErrorCode::Unauthenticated && why.code != ErrorCode::Forbidden) return;
  audit::Attempt attempt;
  attempt.action = AuditAction::Deny;
  attempt.outcome = AuditOutcome::Failure;
  attempt.user = ctx.user.value;
  attempt.user_domain = ctx.user_domain.value;
  attempt.project = ctx.project.value;
  attempt.domain = ctx.domain.value;
  attempt.system_scope = ctx.system_scope;
  attempt.operation = operation;
  attempt.reason = to_string(why.code);
  impl_->ground.recorder->record(attempt);
}

Result<void> AuditLog::flush() {
  return impl_->ground.recorder ? impl_->ground.recorder->flush() : Result<void>();
}

template <class Kind>
Result<bool> AuditLog::Impl::prune_kind(std::size_t keep, bool count) {
  const std::string prefix = records::record_prefix(Kind::kKind);
  std::vector<std::string> due;
  {
    CLOUDOS_TRY(const auto at, ground.store.snapshot());
    std::size_t over = 0;
    store::ScanOptions scan;
    scan.keys_only = true;
    if (count) {
      std::size_t rows = 0;
      for (bool more = true; more;) {
        CLOUDOS_TRY(const auto page, at->scan(prefix, scan));
        rows += page.size();
        more = page.size() == limits::kScanPage;
        if (more) scan.after = page.back().key;
      }
      over = rows > keep ? rows - keep : 0;
    }
    scan.after.clear();
    scan.limit = limits::kAuditPruned;
    CLOUDOS_TRY(const auto oldest, at->scan(prefix, scan));
    const std::string until = settings.age.count() > 0
                                  ? audit::id_from(ground.clock.wall() - settings.age)
                                  : std::string();
    for (const store::Entry& entry : oldest) {
      const bool old = std::string_view(entry.key).substr(prefix.size()) < until;
      if (!old && due.size() >= over) break;
      due.push_back(entry.key);
    }
  }
  if (due.empty()) return false;
  CLOUDOS_CHECK(ground.store.transact([&](store::Txn& txn) -> Result<void> {
    for (const std::string& key : due) txn.erase(key);
    return Result<void>();
  }));
  return due.size() == limits::kAuditPruned;
}

Result<bool> AuditLog::Impl::prune() {
  if (ground.audited) unseen_ += ground.audited->take_written();
  if (ground.recorder) unseen_ += ground.recorder->take_written();
  // Counting reads every key: only when there may be too many.
  const MonoTime now = ground.clock.mono();
  const bool count =
      !counted_ || unseen_ >= limits::kAuditSlack || now - *counted_ >= std::chrono::hours{1};
  CLOUDOS_TRY(const bool changes, prune_kind<ChangeRow>(settings.changes, count));
  CLOUDOS_TRY(const bool logins, prune_kind<LoginRow>(settings.logins, count));
  CLOUDOS_TRY(const bool failures, prune_kind<FailureRow>(settings.failures, count));
  const bool more = changes || logins || failures;
  if (count && !more) {
    unseen_ = 0;
    counted_ = now;
  }
  return more;
}

std::unique_ptr<AuditLog> make_audit_log(AuditGround ground, AuditSettings settings,
                                         AuditLog::Impl*& impl) {
  auto made = std::make_unique<AuditLog::Impl>(std::move(ground), settings);
  impl = made.get();
  return std::make_unique<AuditLog>(std::move(made));
}

}  // namespace cloudos
