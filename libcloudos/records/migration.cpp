#include "records/migration.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace cloudos::records {

namespace {

// "/schema/<kind>" -> "<number>" while records of it are being rewritten, "<number> done" after.
// No record: 1, which every kind begins with.
constexpr std::string_view kSchemaPrefix = "/schema/";

struct Raised {
  std::uint32_t schema = 1;
  bool done = true;
};

std::string schema_key(std::string_view kind) {
  return std::string(kSchemaPrefix) + std::string(kind);
}

Raised parse_raised(std::string_view text) {
  const auto space = std::min(text.find(' '), text.size());
  Raised raised;
  raised.schema = static_cast<std::uint32_t>(parse_unsigned(text.substr(0, space)).value_or(0));
  raised.done = text.substr(space) == " done";
  return raised;
}

Result<std::map<std::string, Raised>> read_raised(const store::Snapshot& snapshot) {
  std::map<std::string, Raised> all;
  CLOUDOS_TRY(const auto entries, snapshot.scan(kSchemaPrefix));
  for (const auto& entry : entries)
    all[entry.key.substr(kSchemaPrefix.size())] = parse_raised(entry.value);
  return all;
}

}  // namespace

Migrator::Migrator(store::Store& store, std::vector<SchemaKind> kinds, Log log, Save save)
    : store_(store), kinds_(std::move(kinds)), log_(std::move(log)), save_(std::move(save)) {}

Result<void> Migrator::check() const {
  CLOUDOS_TRY(const auto snapshot, store_.snapshot());
  CLOUDOS_TRY(const auto raised, read_raised(*snapshot));
  for (const auto& [kind, theirs] : raised) {
    std::uint32_t ours = 0;
    for (const SchemaKind& known : kinds_)
      if (known.kind == kind) ours = known.schema;
    if (theirs.schema == 0 || theirs.schema > ours)
      return codec::newer_schema(kind, theirs.schema, ours);
  }
  return Result<void>();
}

Result<void> Migrator::raise() {
  LockGuard lock(mutex_);
  std::vector<const SchemaKind*> up;
  std::string name;
  {
    CLOUDOS_TRY(const auto snapshot, store_.snapshot());
    CLOUDOS_TRY(auto raised, read_raised(*snapshot));
    for (const SchemaKind& kind : kinds_) {
      if (kind.schema <= raised[kind.kind].schema) continue;
      // A kind without records has nothing to lose, and nobody to save it for.
      CLOUDOS_TRY(const auto any, snapshot->scan(record_prefix(kind.kind), {.limit = 1}));
      if (!any.empty())
        name += fmt::format("{}{}-{}", name.empty() ? "" : "-", kind.kind, kind.schema);
      up.push_back(&kind);
    }
  }
  if (up.empty()) return Result<void>();
  if (!name.empty() && save_) CLOUDOS_CHECK(save_(name.substr(0, 100)));
  CLOUDOS_CHECK(store_.transact([&](store::Txn& txn) -> Result<void> {
    for (const SchemaKind* kind : up) txn.put(schema_key(kind->kind), std::to_string(kind->schema));
    return Result<void>();
  }));
  for (const SchemaKind* kind : up)
    log_.info(fmt::format("records of kind {} go over to schema {}", kind->kind, kind->schema));
  return Result<void>();
}

Result<bool> Migrator::pass() {
  LockGuard lock(mutex_);
  std::map<std::string, Raised> raised;
  {
    CLOUDOS_TRY(const auto snapshot, store_.snapshot());
    CLOUDOS_TRY(raised, read_raised(*snapshot));
  }
  for (const SchemaKind& kind : kinds_) {
    const Raised state = raised[kind.kind];
    if (state.done || state.schema != kind.schema) continue;
    CLOUDOS_TRY(const bool more, pass_kind(kind));
    if (more) return true;
  }
  return false;
}

/// One batch of one kind. Keys come in order, so that each is looked at once; one that is written
/// meanwhile is new already.
Result<bool> Migrator::pass_kind(const SchemaKind& kind) {
  Progress& progress = progress_[kind.kind];
  std::vector<std::string> old;
  bool end = false;
  {
    CLOUDOS_TRY(const auto snapshot, store_.snapshot());
    store::ScanOptions scan;
    scan.after = progress.after;
    scan.limit = limits::kMigrationBatch;
    CLOUDOS_TRY(const auto entries, snapshot->scan(record_prefix(kind.kind), scan));
    end = entries.size() < scan.limit;
    std::size_t bytes = 0;
    for (const auto& entry : entries) {
      if (bytes > limits::kMigrationBatchBytes) {
        end = false;
        break;
      }
      progress.after = entry.key;
      if (codec::stored_schema(entry.value) >= kind.schema) continue;
      old.push_back(entry.key);
      bytes += entry.value.size();
    }
  }
  std::uint64_t rewritten = 0;
  const auto committed = store_.transact([&](store::Txn& txn) -> Result<void> {
    rewritten = 0;
    for (const std::string& key : old) {
      CLOUDOS_TRY(const bool was_old, kind.rewrite(txn, key));
      rewritten += was_old;
    }
    // The last batch and the note that it was the last are one commit.
    if (end) txn.put(schema_key(kind.kind), fmt::format("{} done", kind.schema));
    return Result<void>();
  });
  if (!committed) {
    progress.after.clear();  // Look at all again: what was done is skipped.
    return fail_in(fmt::format("migrating records of kind {}", kind.kind), committed.error());
  }
  progress.rewritten += rewritten;
  if (!end) return true;
  log_.info(fmt::format("records of kind {} are of schema {} now: {} were rewritten", kind.kind,
                        kind.schema, progress.rewritten));
  progress_.erase(kind.kind);
  return false;
}

std::map<std::string, std::uint64_t> Migrator::remaining() const {
  std::map<std::string, std::uint64_t> left;
  const auto snapshot = store_.snapshot();
  if (!snapshot) return left;
  const auto raised = read_raised(**snapshot);
  if (!raised) return left;
  for (const SchemaKind& kind : kinds_) {
    const auto state = raised->find(kind.kind);
    if (state == raised->end() || state->second.done) continue;
    std::uint64_t& count = left[kind.kind];
    store::ScanOptions scan;
    for (;;) {
      const auto entries = (*snapshot)->scan(record_prefix(kind.kind), scan);
      if (!entries) break;
      for (const auto& entry : *entries) count += codec::stored_schema(entry.value) < kind.schema;
      if (entries->size() < limits::kScanPage) break;
      scan.after = entries->back().key;
    }
  }
  return left;
}

}  // namespace cloudos::records
