#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/maintenance.hpp"
#include "maintenance/files.hpp"
#include "maintenance/manifest.hpp"
#include "store/lmdb_format.hpp"

namespace cloudos::maintenance {

namespace {

/// A folder that goes away unless it is kept.
class Draft {
 public:
  explicit Draft(std::filesystem::path path) : path_(std::move(path)) {}
  ~Draft() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void keep() { path_.clear(); }

 private:
  std::filesystem::path path_;
};

Result<void> make_parents(const std::filesystem::path& folder, const std::string& name,
                          std::set<std::filesystem::path>& made) {
  auto at = folder;
  const auto inner = std::filesystem::path(name).parent_path();
  for (const auto& part : inner) {
    at /= part;
    CLOUDOS_CHECK(make_folder(at));
    made.insert(at);
  }
  return Result<void>();
}

Result<void> restore_file(const ManifestEntry& entry, const std::filesystem::path& backup,
                          const std::filesystem::path& folder) {
  const std::string algorithm = entry.checksum.substr(0, entry.checksum.find(':'));
  const auto facts = copy_file(backup / entry.path, folder / entry.path, entry.mode, algorithm);
  if (!facts && facts.error().code == ErrorCode::NotFound) {
    return fail(ErrorCode::Internal,
                fmt::format("{} is missing from the backup; nothing was restored", entry.path));
  }
  if (!facts) return fail(facts.error());
  if (facts->size == entry.size && facts->checksum == entry.checksum) return Result<void>();
  return fail(ErrorCode::Internal,
              fmt::format("{} in the backup is not what was saved (its checksum differs); nothing "
                          "was restored",
                          entry.path));
}

}  // namespace

Result<RestoreReport> restore(const RestoreOptions& options) {
  auto text = read_small_file(options.backup / kManifestName, limits::kManifestBytes);
  if (!text && text.error().code == ErrorCode::NotFound) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} is not a backup, or one that was not finished: it has no manifest",
                            options.backup.native()));
  }
  if (!text) return fail(text.error());
  CLOUDOS_TRY(const Manifest manifest, parse_manifest(*text));
  if (manifest.store_format > store::lmdb::kFormatVersion) {
    return fail(ErrorCode::Unsupported,
                "the backup was made by a newer version of this program; restore it with that one");
  }
  CLOUDOS_CHECK(check_empty(options.folder, "the folder"));
  const auto whole = std::filesystem::absolute(options.folder).lexically_normal();
  const auto name = whole.filename().empty() ? whole.parent_path() : whole;
  Draft draft(name.native() + ".restoring");
  std::error_code ignored;
  std::filesystem::remove_all(draft.path(), ignored);  // Of a run that was killed.
  // Made by us: keys must not go into a folder that another put there.
  if (::mkdir(draft.path().c_str(), 0700) != 0)
    return fail(file_error(errno, "cannot make the folder", draft.path()));
  RestoreReport report;
  report.revision = manifest.revision;
  report.made_at = manifest.made_at;
  std::set<std::filesystem::path> made{draft.path()};
  for (const ManifestEntry& entry : manifest.entries) {
    if (entry.kind == ManifestEntry::Kind::Elsewhere) {
      report.elsewhere.push_back(entry.path);
      continue;
    }
    if (entry.kind != ManifestEntry::Kind::File) {
      report.missing.push_back(entry.path);
      continue;
    }
    CLOUDOS_CHECK(make_parents(draft.path(), entry.path, made));
    CLOUDOS_CHECK(restore_file(entry, options.backup, draft.path()));
    ++report.files;
    report.bytes += entry.size;
  }
  if (options.same_id && !manifest.folder_id.empty())
    CLOUDOS_CHECK(write_file(draft.path() / "folder-id", manifest.folder_id + "\n", 0600));
  for (const auto& folder : made) CLOUDOS_CHECK(sync_folder(folder));
  // The folder appears whole: over an empty one, or where there was none.
  if (::rename(draft.path().c_str(), name.c_str()) != 0)
    return fail(file_error(errno, "rename to", name));
  draft.keep();
  CLOUDOS_CHECK(sync_folder(name.parent_path()));
  return report;
}

}  // namespace cloudos::maintenance
