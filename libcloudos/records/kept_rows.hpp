#pragma once
#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cloudos/row_texts.hpp"
#include "records/table.hpp"

/// Lists of records as text, of which what has not changed is not made again.
namespace cloudos::records {

/// Records of one kind, decoded, each with the text of its row.
///
/// A row is used for the very revision of the record that it was made of, so that nothing has to be
/// told of changes, whichever process makes them. Bounded by limits::kRowTextBytes: what is kept
/// goes, all of it, when there is more. Thread-safe.
template <class T>
class KeptRows final {
 public:
  /// A page of the list, as page() finds it, told by `format` (of T or a base of it), which must
  /// call nothing that lists. Errors: those of page().
  template <class Public>
  Result<RowTexts> page(const store::Snapshot& at, PageSpec<T> spec,
                        const RowFormat<Public>& format) {
    // One more than is shown tells that there are more.
    const std::size_t shown = spec.limit;
    if (spec.limit != SIZE_MAX && spec.limit != 0) ++spec.limit;
    if (format.key.empty()) {
      CLOUDOS_TRY(const auto found, records::page(at, spec));
      return told(found, shown, format);
    }
    std::deque<Fresh> fresh;
    RowTexts texts;
    {
      const std::shared_lock lock(mutex_);
      const auto table = tables_.find(format.key);
      const Table none;
      CLOUDOS_TRY(auto rows,
                  rows_of(at, spec, table == tables_.end() ? none : table->second, format, fresh));
      texts = joined(rows, shown);
    }
    if (!fresh.empty()) keep(format.key, fresh);
    return texts;
  }

  /// How many bytes are kept, about.
  std::size_t bytes() const {
    const std::shared_lock lock(mutex_);
    return bytes_;
  }

 private:
  struct Row {
    store::Revision revision = 0;
    T record{};
    std::string text;
  };
  struct Fresh {
    std::string key;
    Row row;
    std::size_t bytes = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Table = std::unordered_map<std::string, Row, Hash, std::equal_to<>>;

  template <class Public>
  static RowTexts told(const std::vector<T>& records, std::size_t shown,
                       const RowFormat<Public>& format) {
    RowTexts texts;
    texts.more = records.size() > shown;
    for (const T& record : records) {
      if (texts.count == shown) break;
      if (texts.count++ > 0) texts.text += ',';
      format.write(texts.text, record);
    }
    if (texts.count > 0) texts.last = id_text(records[texts.count - 1].id);
    return texts;
  }

  static RowTexts joined(std::vector<const Row*>& rows, std::size_t shown) {
    RowTexts texts;
    texts.more = rows.size() > shown;
    if (texts.more) rows.resize(shown);
    texts.count = rows.size();
    std::size_t bytes = rows.size();
    for (const Row* row : rows) bytes += row->text.size();
    texts.text.reserve(bytes);
    for (const Row* row : rows) {
      if (!texts.text.empty()) texts.text += ',';
      texts.text += row->text;
    }
    if (!rows.empty()) texts.last = id_text(rows.back()->record.id);
    return texts;
  }

  template <class Public>
  static Result<const Row*> make(store::Entry entry, const RowFormat<Public>& format,
                                 std::deque<Fresh>& fresh) {
    CLOUDOS_TRY(T record, codec::decode_record<T>(entry.value));
    Fresh& made = fresh.emplace_back();
    made.row.revision = entry.revision;
    made.row.record = std::move(record);
    format.write(made.row.text, made.row.record);
    // The record's texts, decoded, are about as long as they are stored.
    made.bytes = sizeof(Fresh) + 2 * entry.key.size() + entry.value.size() + made.row.text.size();
    made.key = std::move(entry.key);
    return &made.row;
  }

  /// The row of a record by its key; `revision` is 0 where it is not known yet.
  template <class Public>
  static Result<const Row*> row_of(const store::Snapshot& at, const std::string& key,
                                   store::Revision revision, const Table& known,
                                   const RowFormat<Public>& format, std::deque<Fresh>& fresh) {
    const auto kept = known.find(key);
    if (revision != 0 && kept != known.end() && kept->second.revision == revision)
      return &kept->second;
    CLOUDOS_TRY(auto entry, at.get(key));
    // What a scan of the same snapshot has named is there.
    if (!entry) return fail(ErrorCode::Internal, "an index points to nothing", key);
    if (kept != known.end() && kept->second.revision == entry->revision) return &kept->second;
    return make(std::move(*entry), format, fresh);
  }

  template <class Public>
  static Result<std::vector<const Row*>> rows_of(const store::Snapshot& at, const PageSpec<T>& spec,
                                                 const Table& known,
                                                 const RowFormat<Public>& format,
                                                 std::deque<Fresh>& fresh) {
    std::vector<const Row*> rows;
    if (!spec.marker.empty() && !records::get<T>(at, spec.marker))
      return bad_marker(T::kKind, spec.marker);
    if (spec.limit == 0) return rows;
    const bool sorted = static_cast<bool>(spec.less);
    CLOUDOS_CHECK(walk_keys(at, T::kKind, spec.range, sorted ? std::string_view() : spec.marker,
                            [&](const std::string& key, store::Revision revision) -> Result<bool> {
                              CLOUDOS_TRY(const Row* row,
                                          row_of(at, key, revision, known, format, fresh));
                              if (spec.matches && !spec.matches(row->record)) return true;
                              if (sorted && rows.size() == limits::kSortedListRecords)
                                return too_many_to_sort(T::kKind);
                              rows.push_back(row);
                              return sorted || rows.size() < spec.limit;
                            }));
    if (!sorted) return rows;
    std::stable_sort(rows.begin(), rows.end(),
                     [&](const Row* a, const Row* b) { return spec.less(a->record, b->record); });
    auto from = rows.begin();
    if (!spec.marker.empty()) {
      from = std::find_if(from, rows.end(),
                          [&](const Row* row) { return id_text(row->record.id) == spec.marker; });
      if (from != rows.end()) ++from;
    }
    rows.erase(rows.begin(), from);
    if (rows.size() > spec.limit) rows.resize(spec.limit);
    return rows;
  }

  void keep(const std::string& format, std::deque<Fresh>& fresh) {
    std::size_t more = 0;
    for (const Fresh& each : fresh) more += each.bytes;
    if (more > limits::kRowTextBytes) return;
    const std::unique_lock lock(mutex_);
    if (bytes_ + more > limits::kRowTextBytes) {
      tables_.clear();
      bytes_ = 0;
    }
    Table& table = tables_[format];
    // A row that is replaced counts on, until all go: it was somebody's a moment ago.
    for (Fresh& each : fresh) table.insert_or_assign(std::move(each.key), std::move(each.row));
    bytes_ += more;
  }

  mutable std::shared_mutex mutex_;
  std::map<std::string, Table> tables_;  // By the format's key; guarded by mutex_.
  std::size_t bytes_ = 0;                // Guarded by mutex_.
};

}  // namespace cloudos::records
