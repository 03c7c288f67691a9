// Commands about a whole data folder; the work is libcloudos's.
#include "admin_store.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "cloudos/maintenance.hpp"

namespace cli {
namespace {

namespace keep = cloudos::maintenance;

int refuse(const cloudos::Error& error) {
  fmt::print(stderr, "cloudos: {}\n", error.message);
  if (!error.detail.empty()) fmt::print(stderr, "cloudos: ({})\n", error.detail);
  return 1;
}

std::string human(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; amount >= 1024 && unit < 4; ++unit) amount /= 1024;
  return unit == 0 ? fmt::format("{} bytes", bytes)
                   : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

int run_backup(const AdminGiven& given) {
  keep::BackupOptions options;
  options.folder = admin_value(given, "DIR");
  options.target = admin_value(given, "TARGET");
  const std::string payloads = admin_value(given, "--payloads");
  if (payloads == "link")
    options.payloads = keep::Payloads::Link;
  else if (payloads == "list")
    options.payloads = keep::Payloads::List;
  else if (!payloads.empty() && payloads != "copy") {
    fmt::print(stderr, "cloudos: --payloads is 'copy', 'link' or 'list', not '{}'\n", payloads);
    return 2;
  }
  const auto made = keep::backup(options);
  if (!made) return refuse(made.error());
  fmt::print("backup of revision {}: {} keys, {}; {} payloads, {}{}\n", made->revision, made->keys,
             human(made->store_bytes), made->payloads, human(made->payload_bytes),
             options.payloads == keep::Payloads::List ? " (listed only)" : "");
  for (const std::string& image : made->gone)
    fmt::print("the data of image {} was deleted meanwhile and is not in it\n", image);
  if (made->server_disks > 0)
    fmt::print("disks of {} servers are not in it: back them up from within\n", made->server_disks);
  return 0;
}

int run_restore(const AdminGiven& given) {
  keep::RestoreOptions options;
  options.backup = admin_value(given, "BACKUP");
  options.folder = admin_value(given, "DIR");
  options.same_id = given.contains("--same-id");
  const auto made = keep::restore(options);
  if (!made) return refuse(made.error());
  fmt::print("restored revision {} of {}: {} files, {}\n", made->revision,
             cloudos::format_time(made->made_at), made->files, human(made->bytes));
  for (const std::string& path : made->missing)
    fmt::print("not in the backup: {} (put it there before the images are used)\n", path);
  return 0;
}

int run_check(const AdminGiven& given) {
  const auto report = keep::check({admin_value(given, "DIR"), given.contains("--read-payloads")});
  if (!report) return refuse(report.error());
  for (const std::string& problem : report->problems) fmt::print("problem: {}\n", problem);
  if (report->more > 0) fmt::print("problem: and {} more\n", report->more);
  for (const std::string& note : report->notes) fmt::print("note: {}\n", note);
  fmt::print("revision {}: {} records, {} keys, {} payloads, {} problems\n", report->revision,
             report->records, report->keys, report->payloads,
             report->problems.size() + report->more);
  return report->sound() ? 0 : 3;
}

int run_compact(const AdminGiven& given) {
  const auto done = keep::compact(admin_value(given, "DIR"));
  if (!done) return refuse(done.error());
  fmt::print("{} before, {} now\n", human(done->bytes_before), human(done->bytes_after));
  return 0;
}

int run_stat(const AdminGiven& given) {
  const auto numbers = keep::stat(admin_value(given, "DIR"));
  if (!numbers) return refuse(numbers.error());
  fmt::print("revision        {}\nformat          {}\n", numbers->revision, numbers->format);
  if (numbers->process != 0)
    fmt::print(
        "run by          process {}\nguests          {} connections, {} commits, {} conflicts\n"
        "snapshots       {} reader slots, {} pinned by guests\n",
        numbers->process, numbers->guests, numbers->guest_commits, numbers->guest_conflicts,
        numbers->readers, numbers->pins);
  fmt::print("opened          {} times\n", numbers->opened);
  fmt::print("data file       {}: {} in use, {} free, {} levels deep\nlimit           {}\n",
             human(numbers->file_bytes), human(numbers->used_bytes), human(numbers->free_bytes),
             numbers->depth, human(numbers->map_bytes));
  fmt::print("change log      {} commits, {}\n\n{:<32} {:>10} {:>14}\n", numbers->log_commits,
             human(numbers->log_bytes), "kind", "keys", "bytes");
  for (const auto& [kind, size] : numbers->kinds)
    fmt::print("{:<32} {:>10} {:>14}\n", kind, size.keys, size.bytes);
  return 0;
}

constexpr AdminOption kFolder{"DIR", "DIR", "The data folder, in use or not", true};
constexpr AdminOption kBackupOptions[] = {
    kFolder,
    {"TARGET", "DIR", "The folder to make", true},
    {"--payloads", "HOW", "Data of images: copy (default), link (same file system) or list"},
};
constexpr AdminOption kRestoreOptions[] = {
    {"BACKUP", "DIR", "What 'cloudos backup' made", true},
    {"DIR", "DIR", "The data folder to make; must not exist, or be empty", true},
    {"--same-id", "", "It replaces a lost folder on the same host"},
};
constexpr AdminOption kCheckOptions[] = {
    kFolder,
    {"--read-payloads", "", "Read the data of all images and compare checksums"},
};
constexpr AdminOption kFolderOption[] = {kFolder};

constexpr AdminCommand kStoreCommands[] = {
    {"backup", "Back up a data folder, also while its cloud serves", kBackupOptions, run_backup},
    {"restore", "Make a data folder from a backup", kRestoreOptions, run_restore},
    {"store check", "Look for what contradicts itself in a data folder; exits 3 if there is any",
     kCheckOptions, run_check},
    {"store compact", "Give back unused room of a stopped cloud's store", kFolderOption,
     run_compact},
    {"store stat", "Show how large a store is and what fills it", kFolderOption, run_stat},
};

}  // namespace

std::span<const AdminCommand> store_commands() {
  return kStoreCommands;
}

}  // namespace cli
