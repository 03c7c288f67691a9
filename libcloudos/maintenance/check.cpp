#include "maintenance/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "maintenance/folder.hpp"
#include "maintenance/kinds.hpp"
#include "records/keys.hpp"

namespace cloudos::maintenance {

namespace {

/// The part of a key between its `at`th slash and the next: part 0 of "/ix/port" is "ix".
std::string_view key_piece(std::string_view key, std::size_t at) {
  for (; !key.empty(); --at) {
    key.remove_prefix(1);
    const auto end = std::min(key.find('/'), key.size());
    if (at == 0) return key.substr(0, end);
    key.remove_prefix(end);
  }
  return {};
}

/// The records of one kind, and what they say there must be besides.
struct KindCount {
  std::uint64_t uniques = 0, indexes = 0;  // Named by records.
  std::uint64_t found_uniques = 0, found_indexes = 0;
};

class StoreCheck {
 public:
  StoreCheck(const store::Snapshot& snapshot, CheckReport& report)
      : snapshot_(snapshot), report_(report), found_(report), kinds_(all_kinds()) {}

  Result<void> run() {
    report_.revision = snapshot_.revision();
    for (const Kind& kind : kinds_) CLOUDOS_CHECK(check_kind(kind));
    CLOUDOS_CHECK(count_keys());
    for (const Kind& kind : kinds_) CLOUDOS_CHECK(check_strays(kind));
    CLOUDOS_CHECK(check_quotas(snapshot_, found_));
    for (const ServiceRecords& service : service_records())
      if (service.check) CLOUDOS_CHECK(service.check(snapshot_, found_));
    return Result<void>();
  }

 private:
  Result<void> check_kind(const Kind& kind) {
    return each_entry(snapshot_, records::record_prefix(kind.name), false,
                      [&](const store::Entry& entry) { return check_record(kind, entry); });
  }

  Result<void> check_record(const Kind& kind, const store::Entry& entry) {
    ++report_.records;
    const auto read = kind.read(entry.value);
    if (!read) {
      found_.problem(fmt::format("{}: {}", entry.key, read.error().message));
      return Result<void>();
    }
    if (records::record_key(kind.name, read->id) != entry.key)
      found_.problem(fmt::format("{}: the record is that of '{}'", entry.key, read->id));
    KindCount& count = counts_[std::string(kind.name)];
    // A record of an older schema may have other keys, until it is migrated.
    const bool current = codec_schema(entry.value) == kind.schema;
    for (const auto& unique : read->keys.uniques) {
      CLOUDOS_TRY(const auto owner, snapshot_.get(unique.key));
      count.uniques += owner.has_value();
      if (!current || (owner && owner->value == read->id)) continue;
      found_.problem(owner ? fmt::format("{}: its {} '{}' is held by '{}'", entry.key, unique.field,
                                         unique.value, owner->value)
                           : fmt::format("{}: its {} '{}' is not held", entry.key, unique.field,
                                         unique.value));
    }
    for (const std::string& index : read->keys.indexes) {
      CLOUDOS_TRY(const auto there, snapshot_.get(index));
      count.indexes += there.has_value();
      if (current && !there)
        found_.problem(fmt::format("{}: lists do not find it by {}", entry.key, index));
    }
    for (const Reference& to : read->references) {
      CLOUDOS_TRY(const auto there, snapshot_.get(records::record_key(to.kind, to.id)));
      if (!there)
        found_.problem(
            fmt::format("{}: it names {} '{}', which is not there", entry.key, to.kind, to.id));
    }
    return Result<void>();
  }

  static std::uint32_t codec_schema(std::string_view bytes) { return codec::stored_schema(bytes); }

  Result<void> count_keys() {
    std::map<std::string, std::uint64_t> unknown;
    const auto known = [&](std::string_view first) {
      const auto& others = other_keys();
      return std::find(others.begin(), others.end(), first) != others.end() ||
             std::any_of(kinds_.begin(), kinds_.end(),
                         [&](const Kind& kind) { return kind.name == first; });
    };
    CLOUDOS_CHECK(each_entry(snapshot_, {}, true, [&](const store::Entry& entry) {
      ++report_.keys;
      const std::string_view first = key_piece(entry.key, 0);
      if (first == "ix" || first == "ux") {
        KindCount& count = counts_[std::string(key_piece(entry.key, 1))];
        ++(first == "ix" ? count.found_indexes : count.found_uniques);
      } else if (!known(first)) {
        ++unknown[std::string(first)];
      }
      return Result<void>();
    }));
    for (const auto& [first, keys] : unknown)
      found_.note(fmt::format("{} keys under /{}/ are not of this program", keys, first));
    return Result<void>();
  }

  /// Every unique value and index entry that there is belongs to a record. Counts tell whether to
  /// look at each: those that records name were all looked up above.
  Result<void> check_strays(const Kind& kind) {
    const KindCount count = counts_[std::string(kind.name)];
    if (count.found_uniques != count.uniques)
      CLOUDOS_CHECK(each_entry(
          snapshot_, fmt::format("/ux/{}/", kind.name), false,
          [&](const store::Entry& entry) { return check_stray(kind, entry.key, entry.value); }));
    if (count.found_indexes != count.indexes)
      CLOUDOS_CHECK(each_entry(
          snapshot_, fmt::format("/ix/{}/", kind.name), true, [&](const store::Entry& entry) {
            return check_stray(kind, entry.key, entry.key.substr(entry.key.rfind('/') + 1));
          }));
    return Result<void>();
  }

  Result<void> check_stray(const Kind& kind, const std::string& key, const std::string& id) {
    // The id of an index key is a part of a key already.
    const bool index = key.starts_with("/ix/");
    const std::string record =
        index ? records::record_prefix(kind.name) + id : records::record_key(kind.name, id);
    CLOUDOS_TRY(const auto entry, snapshot_.get(record));
    const auto read = entry ? kind.read(entry->value) : fail(ErrorCode::NotFound, "");
    const auto names = [&](const records::Keys& keys) {
      if (index)
        return std::find(keys.indexes.begin(), keys.indexes.end(), key) != keys.indexes.end();
      return std::any_of(keys.uniques.begin(), keys.uniques.end(),
                         [&](const auto& unique) { return unique.key == key; });
    };
    if (read && (names(read->keys) || codec_schema(entry->value) != kind.schema))
      return Result<void>();
    found_.problem(fmt::format("{}: it leads to {} '{}', which {}", key, kind.name, id,
                               entry ? "does not have it" : "is not there"));
    return Result<void>();
  }

  const store::Snapshot& snapshot_;
  CheckReport& report_;
  Findings found_;
  const std::vector<Kind> kinds_;
  std::map<std::string, KindCount> counts_;
};

}  // namespace

Result<void> each_entry(const store::Snapshot& snapshot, std::string_view prefix, bool keys_only,
                        const std::function<Result<void>(const store::Entry&)>& visit) {
  store::ScanOptions scan;
  scan.keys_only = keys_only;
  for (;;) {
    CLOUDOS_TRY(const auto entries, snapshot.scan(prefix, scan));
    for (const store::Entry& entry : entries) CLOUDOS_CHECK(visit(entry));
    if (entries.size() < limits::kScanPage) return Result<void>();
    scan.after = entries.back().key;
  }
}

Result<CheckReport> check_snapshot(const store::Snapshot& snapshot) {
  CheckReport report;
  CLOUDOS_CHECK(StoreCheck(snapshot, report).run());
  return report;
}

Result<CheckReport> check(const CheckOptions& options) {
  CLOUDOS_CHECK(check_data_folder(options.folder));
  CLOUDOS_TRY(const auto guest, store::open_lmdb(guest_options(options.folder)));
  CLOUDOS_TRY(const auto snapshot, guest->snapshot());
  CLOUDOS_TRY(CheckReport report, check_snapshot(*snapshot));
  Findings found(report);
  for (const ServiceRecords& service : service_records())
    if (service.check_files)
      CLOUDOS_CHECK(service.check_files(*snapshot, *guest, options, report, found));
  return report;
}

}  // namespace cloudos::maintenance
