#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.hpp"
#include "cloudos/maintenance.hpp"
#include "maintenance/files.hpp"
#include "maintenance/folder.hpp"
#include "maintenance/kinds.hpp"
#include "maintenance/manifest.hpp"
#include "store/lmdb_copy.hpp"
#include "store/lmdb_format.hpp"

namespace cloudos::maintenance {

namespace {

constexpr std::string_view kAlgorithm = "sha256";

/// One backup being made.
class BackupRun {
 public:
  explicit BackupRun(const BackupOptions& options) : options_(options) {}

  Result<BackupReport> run() {
    CLOUDOS_CHECK(check_data_folder(options_.folder));
    CLOUDOS_CHECK(check_empty(options_.target, "the target"));
    CLOUDOS_CHECK(make_folder(options_.target));
    CLOUDOS_CHECK(copy_store());
    CLOUDOS_CHECK(copy_payloads());
    CLOUDOS_CHECK(copy_folder("keys"));
    for (const char* name : {"clouds.yaml", "openrc"}) CLOUDOS_CHECK(copy_one(name, 0600, true));
    return finish();
  }

 private:
  std::filesystem::path target(std::string_view name) const { return options_.target / name; }

  Result<void> copy_store() {
    CLOUDOS_TRY(const auto copied,
                store::copy_lmdb(guest_options(options_.folder), target("store")));
    report_.revision = manifest_.revision = copied.revision;
    report_.keys = copied.records;
    CLOUDOS_TRY(const FileFacts facts, read_facts(target("store") / "data.mdb", kAlgorithm));
    report_.store_bytes = facts.size;
    add({ManifestEntry::Kind::File, 0600, facts.size, facts.checksum, "store/data.mdb"});
    return Result<void>();
  }

  /// What the copied store promises, so that both are of one state.
  Result<void> copy_payloads() {
    CLOUDOS_TRY(const auto copy, store::open_lmdb({.directory = target("store"), .owner = false}));
    CLOUDOS_TRY(const auto snapshot, copy->snapshot());
    std::vector<PromisedFile> files;
    for (const ServiceRecords& service : service_records()) {
      if (service.files) {
        CLOUDOS_TRY(auto more, service.files(*snapshot));
        std::move(more.begin(), more.end(), std::back_inserter(files));
      }
      if (service.server_disks) {
        CLOUDOS_TRY(report_.server_disks, service.server_disks(*snapshot));
      }
    }
    const bool images = !files.empty() && options_.payloads != Payloads::List;
    if (images) CLOUDOS_CHECK(make_folder(target("images")));
    for (const PromisedFile& file : files)
      CLOUDOS_CHECK(file.store.empty() ? copy_payload(file) : list_elsewhere(file));
    if (images) CLOUDOS_CHECK(sync_folder(target("images")));
    return Result<void>();
  }

  /// Further stores are folders of the operator's, with backups of their own: the manifest says what
  /// they must hold for this backup to be whole.
  Result<void> list_elsewhere(const PromisedFile& payload) {
    const auto folder = options_.stores.find(payload.store);
    if (folder != options_.stores.end()) {
      std::error_code error;
      const auto file = folder->second / payload.id;
      const auto size = std::filesystem::file_size(file, error);
      if (error && error != std::errc::no_such_file_or_directory)
        return fail(file_error(error, "read", file));
      if (error || size != payload.size_bytes) report_.gone.push_back(payload.name);
    }
    add({ManifestEntry::Kind::Elsewhere, 0, payload.size_bytes,
         payload.checksum.empty() ? "-" : payload.checksum, payload.name});
    report_.elsewhere.push_back(payload.name);
    return Result<void>();
  }

  Result<void> copy_payload(const PromisedFile& payload) {
    const std::string& name = payload.name;
    const std::string& known = payload.checksum;
    const auto from = options_.folder / name;
    ManifestEntry entry{ManifestEntry::Kind::File, 0440, payload.size_bytes, known, name};
    const std::string_view algorithm = known.empty() ? kAlgorithm : "sha512";
    Result<FileFacts> facts{FileFacts{payload.size_bytes, known}};
    if (options_.payloads == Payloads::Copy) {
      facts = copy_file(from, target(name), 0440, algorithm);
    } else {
      const bool link = options_.payloads == Payloads::Link;
      if (!link) entry.kind = ManifestEntry::Kind::Listed;
      if (link && ::link(from.c_str(), target(name).c_str()) != 0)
        facts = fail(file_error(errno, "link", from));
      struct stat file {};
      if (facts && ::stat(from.c_str(), &file) != 0) facts = fail(file_error(errno, "stat", from));
      if (facts && known.empty()) facts = read_facts(link ? target(name) : from, algorithm);
      if (facts)
        facts->size = known.empty() ? facts->size : static_cast<std::uint64_t>(file.st_size);
    }
    if (!facts && facts.error().code == ErrorCode::NotFound) {
      report_.gone.push_back(payload.id);
      entry.kind = ManifestEntry::Kind::Gone;
      add(entry);
      return Result<void>();
    }
    if (!facts && facts.error().code == ErrorCode::Unsupported) {
      return fail(ErrorCode::Unsupported,
                  "the target is on another file system than the images: they cannot be linked; "
                  "have them copied");
    }
    if (!facts) return fail(facts.error());
    if (facts->size != payload.size_bytes || (!known.empty() && facts->checksum != known)) {
      return fail(ErrorCode::Internal,
                  fmt::format("the data of image {} is not what was uploaded; delete the image, or "
                              "put its file back",
                              payload.id));
    }
    entry.checksum = facts->checksum;
    add(entry);
    ++report_.payloads;
    report_.payload_bytes += facts->size;
    return Result<void>();
  }

  Result<void> copy_folder(const std::string& name) {
    std::error_code error;
    std::filesystem::recursive_directory_iterator at(options_.folder / name, error), end;
    if (error == std::errc::no_such_file_or_directory) return Result<void>();
    if (error) return fail(file_error(error, "read", options_.folder / name));
    CLOUDOS_CHECK(make_folder(target(name)));
    for (; at != end; at.increment(error)) {
      const std::string inner = at->path().lexically_relative(options_.folder).native();
      if (at->is_symlink(error)) continue;
      if (at->is_directory(error)) CLOUDOS_CHECK(make_folder(target(inner)));
      // A key that is being replaced is whole under its own name; drafts are nobody's.
      else if (at->is_regular_file(error))
        CLOUDOS_CHECK(copy_one(inner, 0600, true));
    }
    if (error) return fail(file_error(error, "read", options_.folder / name));
    return sync_folder(target(name));
  }

  Result<void> copy_one(const std::string& name, unsigned mode, bool may_be_gone) {
    const auto facts = copy_file(options_.folder / name, target(name), mode, kAlgorithm);
    if (!facts && may_be_gone && facts.error().code == ErrorCode::NotFound) return Result<void>();
    if (!facts) return fail(facts.error());
    add({ManifestEntry::Kind::File, mode, facts->size, facts->checksum, name});
    return Result<void>();
  }

  Result<BackupReport> finish() {
    manifest_.made_at = SystemClock().wall();
    manifest_.store_format = store::lmdb::kFormatVersion;
    if (const auto id = read_small_file(options_.folder / "folder-id", 64))
      manifest_.folder_id = trim(*id);
    // The manifest last, under its name in one step: before that there is no backup.
    const auto draft = target("manifest.new");
    CLOUDOS_CHECK(write_file(draft, write_manifest(manifest_), 0600));
    if (::rename(draft.c_str(), target(kManifestName).c_str()) != 0)
      return fail(file_error(errno, "rename", draft));
    CLOUDOS_CHECK(sync_folder(options_.target));
    return report_;
  }

  void add(ManifestEntry entry) { manifest_.entries.push_back(std::move(entry)); }

  const BackupOptions& options_;
  BackupReport report_;
  Manifest manifest_;
};

}  // namespace

Result<BackupReport> backup(const BackupOptions& options) {
  return BackupRun(options).run();
}

}  // namespace cloudos::maintenance
