#include "records/table.hpp"

#include <algorithm>
#include <numeric>

namespace cloudos::records {
namespace {

constexpr std::size_t kFirstScan = 64;  // Most lists that are asked for are short ones.

/// Everything under `prefix`, behind the id `after` if that is given.
Result<void> scan_all(const store::Snapshot& snapshot, const std::string& prefix, bool newest_first,
                      bool keys_only, std::string_view after,
                      const FunctionRef<Result<bool>(const store::Entry&)>& visit) {
  store::ScanOptions options;
  options.reverse = newest_first;
  options.keys_only = keys_only;
  options.limit = kFirstScan;
  if (!after.empty()) options.after = prefix + key_part(after);
  for (;; options.limit = std::min(4 * options.limit, limits::kScanPage)) {
    CLOUDOS_TRY(const auto entries, snapshot.scan(prefix, options));
    for (const store::Entry& entry : entries) {
      CLOUDOS_TRY(const bool more, visit(entry));
      if (!more) return Result<void>();
    }
    if (entries.size() < options.limit) return Result<void>();
    options.after = entries.back().key;
  }
}

}  // namespace

Result<void> write_keys(store::Txn& txn, std::string_view kind, const Keys* before,
                        const Keys* after, std::string_view id) {
  static const std::vector<Keys::Unique> kNoUniques;
  static const std::vector<std::string> kNoIndexes;
  const auto& old_uniques = before ? before->uniques : kNoUniques;
  const auto& new_uniques = after ? after->uniques : kNoUniques;
  for (const auto& unique : new_uniques) {
    if (std::binary_search(old_uniques.begin(), old_uniques.end(), unique)) continue;
    if (const auto owner = txn.get(unique.key); owner && *owner != id) {
      return fail(ErrorCode::AlreadyExists, fmt::format("a {} with {} '{}' exists already", kind,
                                                        unique.field, unique.value));
    }
  }
  for (const auto& unique : old_uniques)
    if (!std::binary_search(new_uniques.begin(), new_uniques.end(), unique)) txn.erase(unique.key);
  for (const auto& unique : new_uniques)
    if (!std::binary_search(old_uniques.begin(), old_uniques.end(), unique))
      txn.put(unique.key, id);

  const auto& old_indexes = before ? before->indexes : kNoIndexes;
  const auto& new_indexes = after ? after->indexes : kNoIndexes;
  for (const auto& index : old_indexes)
    if (!std::binary_search(new_indexes.begin(), new_indexes.end(), index)) txn.erase(index);
  for (const auto& index : new_indexes)
    if (!std::binary_search(old_indexes.begin(), old_indexes.end(), index)) txn.put(index, {});
  return Result<void>();
}

Failure not_found(std::string_view kind, std::string_view id) {
  return fail(ErrorCode::NotFound, fmt::format("{} {} could not be found", kind, id.substr(0, 64)));
}

Failure bad_marker(std::string_view kind, std::string_view marker) {
  return fail(ErrorCode::InvalidArgument,
              fmt::format("marker: {} {} could not be found", kind, marker.substr(0, 64)));
}

Failure too_many_to_sort(std::string_view kind) {
  return fail(ErrorCode::TooLarge,
              fmt::format("more than {} of kind {} match: sort by creation, or filter more",
                          limits::kSortedListRecords, kind));
}

std::optional<std::string> find_unique(store::Txn& txn, std::string_view kind,
                                       std::string_view field, std::string_view scope,
                                       std::string_view value) {
  const auto id = txn.get(unique_key(kind, field, scope, value));
  if (!id) return std::nullopt;
  return std::string(*id);
}

Result<std::optional<std::string>> find_unique(const store::Snapshot& snapshot,
                                               std::string_view kind, std::string_view field,
                                               std::string_view scope, std::string_view value) {
  CLOUDOS_TRY(auto entry, snapshot.get(unique_key(kind, field, scope, value)));
  if (!entry) return std::optional<std::string>();
  return std::optional<std::string>(std::move(entry->value));
}

Result<void> walk(const store::Snapshot& snapshot, std::string_view kind, const Range& range,
                  std::string_view after,
                  const FunctionRef<Result<bool>(const store::Entry&)>& visit) {
  if (!range.field.empty()) {
    return walk_keys(snapshot, kind, range, after,
                     [&](const std::string& key, store::Revision) -> Result<bool> {
                       CLOUDOS_TRY(const auto record, snapshot.get(key));
                       // An index entry without its record cannot be: both are written by one
                       // commit.
                       if (!record)
                         return fail(ErrorCode::Internal, "an index points to nothing", key);
                       return visit(*record);
                     });
  }
  return scan_all(snapshot, record_prefix(kind), range.newest_first, false, after, visit);
}

Result<void> walk_keys(
    const store::Snapshot& snapshot, std::string_view kind, const Range& range,
    std::string_view after,
    const FunctionRef<Result<bool>(const std::string& key, store::Revision revision)>& visit) {
  if (range.field.empty()) {
    return scan_all(snapshot, record_prefix(kind), range.newest_first, true, after,
                    [&](const store::Entry& entry) { return visit(entry.key, entry.revision); });
  }
  const std::string prefix = index_prefix(kind, range.field, range.value);
  std::string key = record_prefix(kind);
  const std::size_t root = key.size();
  return scan_all(snapshot, prefix, range.newest_first, true, after,
                  [&](const store::Entry& entry) {
                    key.resize(root);
                    key.append(entry.key, prefix.size());
                    return visit(key, 0);
                  });
}

std::vector<std::size_t> places_in_order(
    std::size_t count, const FunctionRef<bool(std::size_t, std::size_t)>& less) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!less) return order;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t left, std::size_t right) { return less(left, right); });
  return order;
}

}  // namespace cloudos::records
