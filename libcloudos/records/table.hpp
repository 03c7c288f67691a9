#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/store.hpp"
#include "codec/binary.hpp"
#include "records/keys.hpp"

/// Typed records over the store. A record type T has
///   T::kKind                       "port": the first part of its keys, and its noun in messages
///   T::kSchema                     its schema version
///   .id                            an Id<…> (or std::string), .generation (std::uint64_t)
///   fields(codec::FieldVisitor&, T&), keys(records::Keys&, const T&)
/// and everything else (unique values, indexes, generations, errors) follows here.
namespace cloudos::records {

template <class Tag>
const std::string& id_text(const Id<Tag>& id) {
  return id.value;
}
inline const std::string& id_text(const std::string& id) {
  return id;
}

/// Not template code: what put and erase do to a record's keys.
Result<void> write_keys(store::Txn& txn, std::string_view kind, const Keys* before,
                        const Keys* after, std::string_view id);
Failure not_found(std::string_view kind, std::string_view id);

template <class T>
Keys keys_of(const T& record) {
  Keys collected(T::kKind, id_text(record.id));
  keys(collected, record);
  collected.finish();
  return collected;
}

/// The unique values and indexes that a stored record has: those of its own schema.
template <class T>
Keys stored_keys(const codec::Stored<T>& stored) {
  if constexpr (requires(Keys & k, std::uint32_t from) { keys(k, stored.record, from); }) {
    if (stored.schema < T::kSchema) {
      Keys collected(T::kKind, id_text(stored.record.id));
      keys(collected, stored.record, stored.schema);
      collected.finish();
      return collected;
    }
  }
  return keys_of(stored.record);
}

/// Reads what the store holds under `key`. Errors: NotFound (naming `id`).
template <class T>
Result<codec::Stored<T>> get_stored(store::Txn& txn, const std::string& key, std::string_view id) {
  const auto bytes = txn.get(key);
  if (!bytes) return not_found(T::kKind, id);
  return codec::decode_stored<T>(*bytes);
}

/// Reads one record within a transaction. Errors: NotFound.
template <class T>
Result<T> get(store::Txn& txn, std::string_view id) {
  const auto bytes = txn.get(record_key(T::kKind, id));
  if (!bytes) return not_found(T::kKind, id);
  return codec::decode_record<T>(*bytes);
}
template <class T, class Tag>
Result<T> get(store::Txn& txn, const Id<Tag>& id) {
  return get<T>(txn, id.value);
}

/// Reads one record of a snapshot. Errors: NotFound.
template <class T>
Result<T> get(const store::Snapshot& snapshot, std::string_view id) {
  if (id.size() > limits::kNameChars) return not_found(T::kKind, id.substr(0, 64));
  CLOUDOS_TRY(const auto entry, snapshot.get(record_key(T::kKind, id)));
  if (!entry) return not_found(T::kKind, id);
  return codec::decode_record<T>(entry->value);
}
template <class T, class Tag>
Result<T> get(const store::Snapshot& snapshot, const Id<Tag>& id) {
  return get<T>(snapshot, id.value);
}

/// Writes a record that must be new. Errors: AlreadyExists (its id, or a unique value).
template <class T>
Result<void> insert(store::Txn& txn, T& record) {
  const std::string& id = id_text(record.id);
  const std::string key = record_key(T::kKind, id);
  if (txn.get(key)) {
    return fail(ErrorCode::AlreadyExists, fmt::format("{} {} exists already", T::kKind, id));
  }
  const Keys after = keys_of(record);
  CLOUDOS_CHECK(write_keys(txn, T::kKind, nullptr, &after, id));
  record.generation = 1;
  txn.put(key, codec::encode_record(record, T::kSchema));
  return Result<void>();
}

/// Replaces a record that was read within this transaction; its generation goes up by one.
/// Errors: NotFound, AlreadyExists (a unique value).
template <class T>
Result<void> update(store::Txn& txn, T& record) {
  const std::string& id = id_text(record.id);
  const std::string key = record_key(T::kKind, id);
  CLOUDOS_TRY(const auto old, get_stored<T>(txn, key, id));
  const Keys before = stored_keys(old);
  const Keys after = keys_of(record);
  CLOUDOS_CHECK(write_keys(txn, T::kKind, &before, &after, id));
  record.generation = old.record.generation + 1;
  txn.put(key, codec::encode_record(record, T::kSchema));
  return Result<void>();
}

/// A record between its reading and its writing within one transaction: what update() would have to
/// read once more is kept.
template <class T>
struct Held {
  T record{};
  Keys before;
  std::uint64_t generation = 0;
};

/// Reads a record that is to be written back. Errors: NotFound.
template <class T, class IdType>
Result<Held<T>> hold(store::Txn& txn, const IdType& id) {
  CLOUDOS_TRY(auto stored, get_stored<T>(txn, record_key(T::kKind, id_text(id)), id_text(id)));
  Keys before = stored_keys(stored);
  const std::uint64_t generation = stored.record.generation;
  return Held<T>{std::move(stored.record), std::move(before), generation};
}

/// Writes it back, one generation up. Nobody else may have written it since in this transaction.
/// Errors: AlreadyExists (a unique value).
template <class T>
Result<void> write(store::Txn& txn, Held<T>& held) {
  const std::string& id = id_text(held.record.id);
  Keys after = keys_of(held.record);
  CLOUDOS_CHECK(write_keys(txn, T::kKind, &held.before, &after, id));
  held.record.generation = ++held.generation;
  txn.put(record_key(T::kKind, id), codec::encode_record(held.record, T::kSchema));
  held.before = std::move(after);
  return Result<void>();
}

/// Reads, lets `change` alter (or refuse), writes. Errors: NotFound, and what `change` returns.
template <class T, class IdType>
Result<T> modify(store::Txn& txn, const IdType& id, const FunctionRef<Result<void>(T&)>& change) {
  CLOUDOS_TRY(Held<T> held, hold<T>(txn, id));
  CLOUDOS_CHECK(change(held.record));
  CLOUDOS_CHECK(write(txn, held));
  return std::move(held.record);
}

/// Erases a record with all its keys. Errors: NotFound.
template <class T, class IdType>
Result<void> erase(store::Txn& txn, const IdType& id) {
  CLOUDOS_TRY(const auto old, get_stored<T>(txn, record_key(T::kKind, id_text(id)), id_text(id)));
  const Keys before = stored_keys(old);
  CLOUDOS_CHECK(write_keys(txn, T::kKind, &before, nullptr, id_text(id)));
  txn.erase(record_key(T::kKind, id_text(id)));
  return Result<void>();
}

/// The id behind a unique value, or nothing.
std::optional<std::string> find_unique(store::Txn& txn, std::string_view kind,
                                       std::string_view field, std::string_view scope,
                                       std::string_view value);
Result<std::optional<std::string>> find_unique(const store::Snapshot& snapshot,
                                               std::string_view kind, std::string_view field,
                                               std::string_view scope, std::string_view value);

/// Which records to walk, and in which direction of creation.
struct Range {
  std::string field;  ///< An index of the kind; empty: all records.
  std::string value;  ///< The index's value.
  bool newest_first = true;
};

/// A page of a list. `matches` and `less` may be empty.
template <class T>
struct PageSpec {
  Range range;
  std::function<bool(const T&)> matches;
  /// Another order than creation: all matching records are read and sorted (at most
  /// limits::kSortedListRecords). Ties keep creation order.
  std::function<bool(const T&, const T&)> less;
  std::string marker;            ///< Id of the last record of the page before; must exist.
  std::size_t limit = SIZE_MAX;  ///< SIZE_MAX: all.
};

/// Calls `visit` with the bytes of each record in `range` behind `after` until it returns false.
Result<void> walk(const store::Snapshot& snapshot, std::string_view kind, const Range& range,
                  std::string_view after,
                  const FunctionRef<Result<bool>(const store::Entry&)>& visit);

/// The same by key: `visit` gets each record's, and its revision, or 0 where that is not at hand
/// (a range of an index). Values are not read.
Result<void> walk_keys(
    const store::Snapshot& snapshot, std::string_view kind, const Range& range,
    std::string_view after,
    const FunctionRef<Result<bool>(const std::string& key, store::Revision revision)>& visit);

Failure bad_marker(std::string_view kind, std::string_view marker);
Failure too_many_to_sort(std::string_view kind);
/// The places of `count` things in their order, by `less` of two places. Equal ones stay as they
/// come, as all do when `less` is null.
/// Not template code: a sort of each kind of record took the compiler more than all its fields.
std::vector<std::size_t> places_in_order(
    std::size_t count, const FunctionRef<bool(std::size_t, std::size_t)>& less);

/// Errors: InvalidArgument (marker unknown), TooLarge (too many to sort).
template <class T>
Result<std::vector<T>> page(const store::Snapshot& snapshot, const PageSpec<T>& spec) {
  std::vector<T> found;
  if (!spec.marker.empty() && !get<T>(snapshot, spec.marker)) {
    return bad_marker(T::kKind, spec.marker);
  }
  const bool sorted = static_cast<bool>(spec.less);
  if (spec.limit == 0) return found;
  CLOUDOS_CHECK(walk(snapshot, T::kKind, spec.range, sorted ? std::string() : spec.marker,
                     [&](const store::Entry& entry) -> Result<bool> {
                       CLOUDOS_TRY(T record, codec::decode_record<T>(entry.value));
                       if (spec.matches && !spec.matches(record)) return true;
                       if (sorted && found.size() == limits::kSortedListRecords) {
                         return too_many_to_sort(T::kKind);
                       }
                       found.push_back(std::move(record));
                       return sorted || found.size() < spec.limit;
                     }));
  if (!sorted) return found;
  const auto order = places_in_order(found.size(), [&](std::size_t left, std::size_t right) {
    return spec.less(found[left], found[right]);
  });
  std::size_t from = 0;
  if (!spec.marker.empty()) {
    while (from < order.size() && id_text(found[order[from]].id) != spec.marker) ++from;
    from = std::min(from + 1, order.size());
  }
  std::vector<T> cut;
  cut.reserve(std::min(order.size() - from, spec.limit));
  for (; from < order.size() && cut.size() < spec.limit; ++from)
    cut.push_back(std::move(found[order[from]]));
  return cut;
}

/// Every record of a range, oldest first.
template <class T>
Result<std::vector<T>> all(const store::Snapshot& snapshot, std::string_view field = {},
                           std::string_view value = {}) {
  PageSpec<T> spec;
  spec.range = {std::string(field), std::string(value), false};
  return page<T>(snapshot, spec);
}

}  // namespace cloudos::records
