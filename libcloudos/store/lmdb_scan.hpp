#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "store/lmdb_format.hpp"

/// Reads that are the same over LMDB's own cursor (the owner) and over pages (guests).
///
/// A cursor has: seek(key) to the first key at or after it, last(), next(), prev(), each
/// Result<void>; valid(), key(), and value() as Result<std::string_view>. Views live until it
/// moves.
namespace cloudos::store::lmdb {

/// Revision and value of the record that `at` stands on.
template <class Cursor>
Result<Entry> read_record(const Cursor& at, bool keys_only) {
  CLOUDOS_TRY(const std::string_view stored, at.value());
  if (stored.size() < kRevisionBytes) return fail(damaged("a record is shorter than its revision"));
  return Entry{std::string(at.key().substr(1)),
               keys_only ? std::string() : std::string(stored.substr(kRevisionBytes)),
               read_integer<Revision>(stored)};
}

template <class Cursor>
Result<std::optional<Entry>> find_record(Cursor& at, std::string_view key) {
  if (key.empty() || key.size() > limits::kKeyBytes) return std::optional<Entry>();
  const Key wanted(kRecordTag, key);
  CLOUDOS_CHECK(at.seek(wanted.view()));
  if (!at.valid() || at.key() != wanted.view()) return std::optional<Entry>();
  CLOUDOS_TRY(Entry entry, read_record(at, false));
  return std::optional<Entry>(std::move(entry));
}

/// Puts `at` on the first entry of the scan, or somewhere outside its range when there is none.
template <class Cursor>
Result<void> seek_scan(Cursor& at, std::string_view prefix, const ScanOptions& options) {
  // One byte over the longest key orders like the whole, and fits LMDB.
  const Key after(kRecordTag, std::string_view(options.after).substr(0, limits::kKeyBytes + 1));
  const Key range(kRecordTag, prefix);
  if (!options.reverse) {
    if (options.after.empty() || after.view() < range.view()) return at.seek(range.view());
    CLOUDOS_CHECK(at.seek(after.view()));
    if (at.valid() && at.key() == after.view()) return at.next();
    return Result<void>();
  }
  std::string end(range.view());
  while (static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  ++end.back();  // Ends at the tag, which is far from 0xff.
  if (!options.after.empty() && after.view() < end) end = after.view();
  CLOUDOS_CHECK(at.seek(end));
  return at.valid() ? at.prev() : at.last();
}

template <class Cursor>
Result<std::vector<Entry>> scan_records(Cursor& at, std::string_view prefix,
                                        const ScanOptions& options) {
  std::vector<Entry> entries;
  if (prefix.size() > limits::kKeyBytes) return entries;
  const std::size_t limit = std::min(options.limit, limits::kScanPage);
  const Key range(kRecordTag, prefix);
  CLOUDOS_CHECK(seek_scan(at, prefix, options));
  while (entries.size() < limit && at.valid() && at.key().starts_with(range.view())) {
    CLOUDOS_TRY(Entry entry, read_record(at, options.keys_only));
    entries.push_back(std::move(entry));
    CLOUDOS_CHECK(options.reverse ? at.prev() : at.next());
  }
  return entries;
}

/// The part of the log that `at` stands on. Errors: Internal (damaged).
template <class Cursor>
Result<LogPart> read_log(const Cursor& at) {
  CLOUDOS_TRY(const std::string_view value, at.value());
  const auto part = parse_log(at.key(), value);
  if (!part) return fail(damaged("a part of the change log is not readable"));
  return *part;
}

/// The newest part of the log; nothing before the first commit. Its views live until `at` moves.
template <class Cursor>
Result<std::optional<LogPart>> newest_log(Cursor& at) {
  CLOUDOS_CHECK(at.last());
  if (!at.valid() || at.key()[0] != kLogTag) return std::optional<LogPart>();
  CLOUDOS_TRY(const LogPart part, read_log(at));
  return std::optional<LogPart>(part);
}

template <class Cursor>
Result<Changes> read_changes(Cursor& at, std::string_view prefix, Revision since) {
  Changes changes;
  CLOUDOS_TRY(const auto newest, newest_log(at));
  if (newest) changes.until = newest->revision;
  // Ahead of us: the folder was put back from a backup.
  changes.too_old = since > changes.until;
  if (since >= changes.until) return changes;
  CLOUDOS_CHECK(at.seek(log_key(0, 0).view()));
  if (!at.valid()) return fail(damaged("the change log lost its end"));
  CLOUDOS_TRY(const LogPart oldest, read_log(at));
  // A commit whose first parts were trimmed is incomplete.
  changes.too_old = since < (oldest.part == 0 ? oldest.revision - 1 : oldest.revision);
  if (changes.too_old) return changes;
  std::unordered_set<std::string> keys;
  CLOUDOS_CHECK(at.seek(log_key(since + 1, 0).view()));
  while (at.valid()) {
    CLOUDOS_TRY(const LogPart part, read_log(at));
    const bool sound = for_each_key(part, [&](std::string_view key) {
      if (key.starts_with(prefix)) keys.emplace(key);
    });
    if (!sound) return fail(damaged("a part of the change log is cut off"));
    CLOUDOS_CHECK(at.next());
  }
  changes.keys.assign(keys.begin(), keys.end());
  return changes;
}

}  // namespace cloudos::store::lmdb
