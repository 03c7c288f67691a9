#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/export.hpp"
#include "cloudos/result.hpp"

/// Work on a data folder as a whole: backup, restore, check, compact, numbers. None of it needs the
/// cloud to be stopped but compact and, by its nature, restore. All functions block.
namespace cloudos::maintenance {

/// What becomes of images' payloads, by far the largest part of a folder.
enum class Payloads : std::uint8_t {
  Copy,  ///< Copied, and checked against the image's checksum while they are.
  Link,  ///< Hard links: no time and no room, but only within one file system.
  List,  ///< Named with size and checksum only; they are kept elsewhere.
};

struct BackupOptions {
  std::filesystem::path folder;  ///< The data folder, in use or not.
  std::filesystem::path target;  ///< A folder to make; must not exist, or be empty.
  Payloads payloads = Payloads::Copy;
  /// Folders of further image stores, by name: what is in them is checked to be there and listed.
  std::map<std::string, std::filesystem::path> stores{};
};

struct BackupReport {
  std::uint64_t revision = 0;        ///< The backup is the cloud as of this commit.
  std::uint64_t keys = 0;            ///< Of the store: records, and what finds them.
  std::uint64_t store_bytes = 0;
  std::uint64_t payloads = 0, payload_bytes = 0;  ///< In the backup, or only listed.
  std::vector<std::string> gone;     ///< Payloads deleted while the backup ran: ids of images.
  /// Payloads that are in other stores than "file", "<store>/<id>": listed, never copied.
  std::vector<std::string> elsewhere{};
  std::uint64_t server_disks = 0;    ///< Servers whose disks are not in the backup.
};

/// A backup of a folder, while its cloud serves or not: one consistent state of the store, keys/
/// (0600), clouds.yaml and openrc, and the payloads of images. Its manifest, written last, names
/// every file with size and checksum: a folder without one is no backup.
///
/// Not in it: disks and consoles of servers, and what the next start makes anew (run/, libvirt/).
/// Errors: NotFound (no data folder), Conflict (target not empty), Unsupported (Link to another
/// file system), StorageFull, Unavailable, Internal (damaged store or payload).
CLOUDOS_EXPORT Result<BackupReport> backup(const BackupOptions& options);

struct RestoreOptions {
  std::filesystem::path backup;
  std::filesystem::path folder;  ///< Must not exist, or be empty. On any host.
  /// Keep the folder's mark on its host's bridges and guests. Only where the old folder is gone and
  /// this one replaces it on the same host: two clouds with one mark tear down each other's.
  bool same_id = false;
};

struct RestoreReport {
  std::uint64_t revision = 0;
  WallTime made_at;                  ///< When the backup was.
  std::uint64_t files = 0, bytes = 0;
  std::vector<std::string> missing;  ///< Payloads to be put into images/: listed, or gone then.
  /// Payloads that were in other stores, "<store>/<id>": their folders must be what they were.
  std::vector<std::string> elsewhere{};
};

/// Makes a data folder from a backup: everything is checked while it is copied, and the folder
/// appears whole or not at all.
///
/// Errors: InvalidArgument (no backup, or its manifest is damaged), Internal (a file is not what the
/// manifest says), Conflict (folder not empty), Unsupported (of a newer version), StorageFull,
/// Unavailable.
CLOUDOS_EXPORT Result<RestoreReport> restore(const RestoreOptions& options);

struct CheckOptions {
  std::filesystem::path folder;
  bool read_payloads = false;  ///< Compare the checksum of every payload: reads all of them.
  /// Folders of further image stores, by name. Payloads of stores that are not named are noted.
  std::map<std::string, std::filesystem::path> stores{};
};

struct CheckReport {
  std::uint64_t revision = 0;
  std::uint64_t records = 0, keys = 0, payloads = 0;
  /// What contradicts itself, a sentence each; at most limits::kCheckFindings of them.
  std::vector<std::string> problems;
  /// What this version does not know, or is harmless: keys of another program, spare files.
  std::vector<std::string> notes;
  std::uint64_t more = 0;  ///< Problems beyond those listed.
  bool sound() const { return problems.empty(); }
};

/// Reads the whole store: every record decodes, unique values and indexes agree with the records
/// both ways, counters equal what they count, references lead somewhere, payloads are there. Beside
/// a running cloud: one state of it. Changes nothing.
/// Errors: NotFound, Unavailable, Unsupported, Internal (a store that cannot be walked).
CLOUDOS_EXPORT Result<CheckReport> check(const CheckOptions& options);

struct CompactReport {
  std::uint64_t bytes_before = 0, bytes_after = 0;
};
/// Gives back the room that erased records left. Errors: Conflict (the folder is in use).
CLOUDOS_EXPORT Result<CompactReport> compact(const std::filesystem::path& folder);

struct KindNumbers {
  std::uint64_t keys = 0, bytes = 0;
};
struct Numbers {
  std::uint64_t revision = 0;
  std::uint32_t format = 0;
  std::map<std::string, KindNumbers> kinds;  ///< "server", "ix/server" (its indexes), "ux/port".
  std::uint64_t log_commits = 0, log_bytes = 0;
  std::uint64_t file_bytes = 0, used_bytes = 0, free_bytes = 0, map_bytes = 0;
  unsigned depth = 0;
  int process = 0;                  ///< That runs the folder; 0: none that serves guests.
  std::uint64_t opened = 0;         ///< How often the folder had an owner.
  std::uint64_t readers = 0, pins = 0, guests = 0, guest_commits = 0, guest_conflicts = 0;
};
/// How large the store is and what fills it. Errors: as check.
CLOUDOS_EXPORT Result<Numbers> stat(const std::filesystem::path& folder);

}  // namespace cloudos::maintenance
