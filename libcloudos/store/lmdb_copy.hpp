#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "cloudos/store.hpp"

/// Work on a whole store in a folder, beside whoever owns it.
namespace cloudos::store {

struct CopyReport {
  Revision revision = 0;      ///< The copy is the store as this commit left it.
  std::uint64_t records = 0;  ///< Keys of the store's users.
  std::uint64_t bytes = 0;    ///< Of all keys and values.
};

/// Copies the newest commit into the folder `to` (made, 0700; must hold no store), without waste,
/// durably. The owner goes on meanwhile; `from.socket` keeps the commit from being overwritten.
///
/// Entry by entry through LMDB's public face, not page by page: what cannot be read is found here,
/// not at the restore. Errors: NotFound, Conflict (`to` holds a store), StorageFull, Unavailable
/// (the owner commits faster than we read, and pins nothing for us), Internal (damaged).
Result<CopyReport> copy_lmdb(const LmdbOptions& from, const std::filesystem::path& to);

struct CompactReport {
  std::uint64_t bytes_before = 0, bytes_after = 0;  ///< Of the data file.
};

/// Writes the store of `directory` anew, without the room that erased keys left, and swaps the
/// files. As its owner. Errors: as open_lmdb, and as copy_lmdb.
Result<CompactReport> compact_lmdb(const std::filesystem::path& directory);

struct KeyNumbers {
  std::uint64_t keys = 0, bytes = 0;
};
struct StoreNumbers {
  Revision revision = 0;
  std::uint32_t format = 0;
  std::map<std::string, KeyNumbers>
      kinds;  ///< By the first part of their keys: "server", "ix/port".
  std::uint64_t log_commits = 0, log_bytes = 0;  ///< The change log.
  std::uint64_t page_bytes = 0, map_bytes = 0;
  std::uint64_t file_bytes = 0;  ///< Of the data file: pages ever used.
  std::uint64_t used_pages = 0, free_pages = 0;
  unsigned depth = 0;
  std::uint64_t epoch = 0;  ///< How often the folder had an owner.
  int process = 0;          ///< The owner, or the last one; 0: unknown.
  bool served = false;      ///< It serves guests now.
  std::uint64_t readers = 0, pins = 0, connections = 0, commits = 0, conflicts = 0, refused = 0;
};
/// Counts everything. Errors: as copy_lmdb.
Result<StoreNumbers> measure_lmdb(const LmdbOptions& from);

}  // namespace cloudos::store
