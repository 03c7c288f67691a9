#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.hpp"
#include "cloudos/log.hpp"
#include "records/table.hpp"

/// Records of an older schema become those of ours while the cloud serves.
///
/// A record type whose schema went up keeps reading what lies there:
///   T::kSchema                              the new number
///   upgrade(T&, std::uint32_t from)         what fields() alone cannot know of the older form
///   keys(records::Keys&, const T&, std::uint32_t from)   only if unique values or indexes changed:
///                                           the keys that a record of schema `from` has
/// Every read gives T in its newest form, every write stores that. Migration is only the rest:
/// records that nobody writes. A kind's number in the store goes up first, in a commit of its own;
/// from then on an older program refuses the folder instead of misreading it.
namespace cloudos::records {

/// One kind that may have records of several schemas.
struct SchemaKind {
  std::string kind;
  std::uint32_t schema = 1;
  /// Rewrites the record under `key` if it is of an older schema; true: it was. The record's
  /// generation stays: nobody changed it.
  Result<bool> (*rewrite)(store::Txn&, std::string_view key) = nullptr;
};

template <class T>
SchemaKind schema_kind() {
  SchemaKind made;
  made.kind = T::kKind;
  made.schema = T::kSchema;
  made.rewrite = [](store::Txn& txn, std::string_view key) -> Result<bool> {
    const auto bytes = txn.get(key);
    if (!bytes || codec::stored_schema(*bytes) >= T::kSchema) return false;
    CLOUDOS_TRY(const codec::Stored<T> old, codec::decode_stored<T>(*bytes));
    const Keys before = stored_keys(old);
    const Keys after = keys_of(old.record);
    CLOUDOS_CHECK(write_keys(txn, T::kKind, &before, &after, id_text(old.record.id)));
    txn.put(key, codec::encode_record(old.record, T::kSchema));
    return true;
  };
  return made;
}

/// Brings a store's records to the schemas of this program. Thread-safe.
class Migrator {
 public:
  /// Called before the first one-way step, with the name of what is about to be raised
  /// ("port-2"): saves the store. An error keeps everything as it is.
  using Save = std::function<Result<void>(const std::string& name)>;
  /// `store` outlives it. A `save` that is empty saves nothing.
  Migrator(store::Store& store, std::vector<SchemaKind> kinds, Log log, Save save = {});

  /// Refuses a store that a newer program raised, before anything changes.
  /// Errors: Unsupported (the message names the kind and both numbers).
  Result<void> check() const;
  /// Raises the numbers of kinds that went up, after `save`. Commits nothing when none did.
  Result<void> raise();
  /// Migrates some more records (limits::kMigrationBatch); true: there are more. Commits nothing
  /// once all are done.
  Result<bool> pass();
  /// What is left, by kind; empty: nothing.
  std::map<std::string, std::uint64_t> remaining() const;

 private:
  struct Progress {
    std::string after;  ///< The key that was looked at last.
    std::uint64_t rewritten = 0;
  };
  Result<bool> pass_kind(const SchemaKind& kind);

  store::Store& store_;
  const std::vector<SchemaKind> kinds_;
  const Log log_;
  const Save save_;
  mutable Mutex mutex_;  // Held for a whole pass: there is one at a time.
  std::map<std::string, Progress> progress_ CLOUDOS_GUARDED_BY(mutex_);
};

}  // namespace cloudos::records
