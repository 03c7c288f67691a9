#include "maintenance/folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "cloudos/maintenance.hpp"
#include "maintenance/files.hpp"
#include "store/lmdb_copy.hpp"

namespace cloudos::maintenance {

Result<void> check_data_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::exists(folder / "store" / "data.mdb", error)) return Result<void>();
  return fail(ErrorCode::NotFound,
              fmt::format("{} is not a data folder: there is no store in it", folder.native()));
}

store::LmdbOptions guest_options(const std::filesystem::path& folder) {
  store::LmdbOptions options;
  options.directory = folder / "store";
  options.owner = false;
  options.socket = folder / "run" / "store.sock";
  return options;
}

Result<void> save_store(const std::filesystem::path& folder, const std::string& name) {
  const auto saved = folder / "backups";
  const auto target = saved / ("before-" + name);
  CLOUDOS_CHECK(make_folder(saved));
  std::error_code error;
  // Done before, by a start that got no further: what it saved is older or the same.
  if (std::filesystem::exists(target, error)) return Result<void>();
  const auto draft = saved / "draft";
  std::filesystem::remove_all(draft, error);
  const auto copied = store::copy_lmdb({.directory = folder / "store", .owner = false}, draft);
  if (!copied) return fail_in("saving the store before its records are changed", copied.error());
  if (::rename(draft.c_str(), target.c_str()) != 0) return fail(file_error(errno, "save", target));
  CLOUDOS_CHECK(sync_folder(saved));
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> all;
  for (std::filesystem::directory_iterator at(saved, error), end; !error && at != end;
       at.increment(error))
    all.emplace_back(at->last_write_time(error), at->path());
  std::sort(all.begin(), all.end());
  for (std::size_t i = 0; i + limits::kSavedStores < all.size(); ++i)
    if (all[i].second != target) std::filesystem::remove_all(all[i].second, error);
  return Result<void>();
}

Result<CompactReport> compact(const std::filesystem::path& folder) {
  CLOUDOS_CHECK(check_data_folder(folder));
  const auto compacted = store::compact_lmdb(folder / "store");
  if (!compacted && compacted.error().code == ErrorCode::Conflict) {
    return fail(ErrorCode::Conflict,
                fmt::format("the data folder {} is in use; stop the process that runs it first",
                            folder.native()));
  }
  if (!compacted) return fail(compacted.error());
  return CompactReport{compacted->bytes_before, compacted->bytes_after};
}

Result<Numbers> stat(const std::filesystem::path& folder) {
  CLOUDOS_CHECK(check_data_folder(folder));
  CLOUDOS_TRY(const auto measured, store::measure_lmdb(guest_options(folder)));
  Numbers numbers;
  numbers.revision = measured.revision;
  numbers.format = measured.format;
  for (const auto& [kind, size] : measured.kinds) numbers.kinds[kind] = {size.keys, size.bytes};
  numbers.log_commits = measured.log_commits;
  numbers.log_bytes = measured.log_bytes;
  numbers.file_bytes = measured.file_bytes;
  numbers.used_bytes = measured.used_pages * measured.page_bytes;
  numbers.free_bytes = measured.free_pages * measured.page_bytes;
  numbers.map_bytes = measured.map_bytes;
  numbers.depth = measured.depth;
  numbers.process = measured.served ? measured.process : 0;
  numbers.opened = measured.epoch;
  numbers.readers = measured.readers;
  numbers.pins = measured.pins;
  numbers.guests = measured.connections;
  numbers.guest_commits = measured.commits;
  numbers.guest_conflicts = measured.conflicts;
  return numbers;
}

}  // namespace cloudos::maintenance
