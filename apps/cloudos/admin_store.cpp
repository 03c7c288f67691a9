// Commands about a whole data folder; the work is libcloudos's.
#include "admin_store.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <optional>

#include "cloudos/maintenance.hpp"
#include "speech.hpp"

namespace cli {
namespace {

namespace keep = cloudos::maintenance;

int refuse(const cloudos::Error& error) {
  complain("{}", error.message);
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

/// "NAME=DIR", any number of times. Nothing when one is not like that, which was said then.
std::optional<std::map<std::string, std::filesystem::path>> given_stores(const AdminGiven& given) {
  std::map<std::string, std::filesystem::path> stores;
  const auto all = given.find("--store");
  if (all == given.end()) return stores;
  for (const std::string& one : all->second) {
    const auto equals = one.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == one.size()) {
      fmt::print(stderr, "cloudos: --store is NAME=DIR, not '{}'\n", one);
      return std::nullopt;
    }
    stores[one.substr(0, equals)] = one.substr(equals + 1);
  }
  return stores;
}

/// A line for each store that has payloads of its own.
void tell_elsewhere(const std::vector<std::string>& payloads) {
  std::map<std::string, std::size_t> count;
  for (const std::string& name : payloads) ++count[name.substr(0, name.find('/'))];
  for (const auto& [store, number] : count) {
    fmt::print("data of {} images is in the image store '{}', whose folder is kept by itself\n",
               number, store);
  }
}

int run_backup(const AdminGiven& given) {
  keep::BackupOptions options;
  auto stores = given_stores(given);
  if (!stores) return 2;
  options.stores = std::move(*stores);
  options.folder = admin_value(given, "DIR");
  options.target = admin_value(given, "TARGET");
  const std::string payloads = admin_value(given, "--payloads");
  if (payloads == "link")
    options.payloads = keep::Payloads::Link;
  else if (payloads == "list")
    options.payloads = keep::Payloads::List;
  else if (!payloads.empty() && payloads != "copy") {
    complain("--payloads is 'copy', 'link' or 'list', not '{}'", payloads);
    return 2;
  }
  const auto made = keep::backup(options);
  if (!made) return refuse(made.error());
  if (options.payloads == keep::Payloads::List)
    tell("backup of revision {}: {} keys, {}; {} payloads, {} (listed only)", made->revision,
         made->keys, human(made->store_bytes), made->payloads, human(made->payload_bytes));
  else
    tell("backup of revision {}: {} keys, {}; {} payloads, {}", made->revision, made->keys,
         human(made->store_bytes), made->payloads, human(made->payload_bytes));
  for (const std::string& image : made->gone)
    tell("the data of image {} was deleted meanwhile and is not in it", image);
  tell_elsewhere(made->elsewhere);
  if (made->server_disks > 0)
    tell("disks of {} servers are not in it: back them up from within", made->server_disks);
  return 0;
}

int run_restore(const AdminGiven& given) {
  keep::RestoreOptions options;
  options.backup = admin_value(given, "BACKUP");
  options.folder = admin_value(given, "DIR");
  options.same_id = given.contains("--same-id");
  const auto made = keep::restore(options);
  if (!made) return refuse(made.error());
  tell("restored revision {} of {}: {} files, {}", made->revision,
             cloudos::format_time(made->made_at), made->files, human(made->bytes));
  for (const std::string& path : made->missing)
    tell("not in the backup: {} (put it there before the images are used)", path);
  tell_elsewhere(made->elsewhere);
  return 0;
}

int run_check(const AdminGiven& given) {
  const auto stores = given_stores(given);
  if (!stores) return 2;
  const auto report =
      keep::check({admin_value(given, "DIR"), given.contains("--read-payloads"), *stores});
  if (!report) return refuse(report.error());
  for (const std::string& problem : report->problems) tell("problem: {}", problem);
  if (report->more > 0) tell("problem: and {} more", report->more);
  for (const std::string& note : report->notes) tell("note: {}", note);
  tell("revision {}: {} records, {} keys, {} payloads, {} problems", report->revision,
             report->records, report->keys, report->payloads,
             report->problems.size() + report->more);
  return report->sound() ? 0 : 3;
}

int run_compact(const AdminGiven& given) {
  const auto done = keep::compact(admin_value(given, "DIR"));
  if (!done) return refuse(done.error());
  tell("{} before, {} now", human(done->bytes_before), human(done->bytes_after));
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
constexpr AdminOption kStore{"--store", "NAME=DIR", "The folder of a further image store", false,
                             true};
constexpr AdminOption kBackupOptions[] = {
    kFolder,
    {"TARGET", "DIR", "The folder to make", true},
    {"--payloads", "HOW", "Data of images: copy (default), link (same file system) or list"},
    kStore,
};
constexpr AdminOption kRestoreOptions[] = {
    {"BACKUP", "DIR", "What 'cloudos backup' made", true},
    {"DIR", "DIR", "The data folder to make; must not exist, or be empty", true},
    {"--same-id", "", "It replaces a lost folder on the same host"},
};
constexpr AdminOption kCheckOptions[] = {
    kFolder,
    {"--read-payloads", "", "Read the data of all images and compare checksums"},
    kStore,
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
