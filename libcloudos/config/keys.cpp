#include <fmt/format.h>

#include <vector>

#include "config/key_tables.hpp"

namespace cloudos::config {
namespace {

constexpr Section kSections[] = {
    {"cloud", "The cloud itself."},
    {"server", "The HTTP edge: one port for every service."},
    {"tls", "Certificates of the HTTP edge."},
    {"services", "Which services there are; identity always is."},
    {"hypervisor", "What runs guests."},
    {"compute", "Servers."},
    {"network", "What connects guests."},
    {"image", "Images, and where their data is kept."},
    {"identity", "Tokens and passwords."},
    {"security_compliance", "What is asked of passwords and logins; nothing unless said here."},
    {"audit", "What is kept of who did what."},
    {"log", "The log."},  // The comma at the end keeps one section a line.
};

/// What is kept, and told, of what happens.
constexpr Key kRecordKeys[] = {
    {.section = "audit",
     .name = "enabled",
     .type = Type::Switch,
     .fallback = "yes",
     .help = "record every change and every login"},
    {.section = "audit",
     .name = "changes",
     .type = Type::Count,
     .fallback = "100000",
     .help = "the most changes that are kept; what is oldest goes first",
     .least = 1'000,
     .most = 100'000'000},
    {.section = "audit",
     .name = "logins",
     .type = Type::Count,
     .fallback = "50000",
     .help = "the most logins that are kept",
     .least = 100,
     .most = 100'000'000},
    {.section = "audit",
     .name = "failures",
     .type = Type::Count,
     .fallback = "20000",
     .help = "the most failed logins and refused calls that are kept",
     .least = 100,
     .most = 100'000'000},
    {.section = "audit",
     .name = "age",
     .type = Type::Seconds,
     .fallback = "90d",
     .help = "how long events are kept at the most; 0: as long as their numbers allow",
     .least = 0,
     .most = 3650 * kDay},

    {.section = "log",
     .name = "level",
     .type = Type::Levels,
     .fallback = "info",
     .help = "the least that is logged: of all rooms, and of some otherwise, as in "
             "info,tasks=debug",
     .flag = "--log-level",
     .word = "LEVEL",
     .reload = true},
    {.section = "log",
     .name = "format",
     .type = Type::Choice,
     .fallback = "text",
     .help = "json writes one object a line",
     .flag = "--log-format",
     .word = "FORMAT",
     .choices = "text or json",
     .reload = true},
    {.section = "log",
     .name = "file",
     .type = Type::Path,
     .fallback = "",
     .help = "where the log goes; without it to stderr. A reload opens it anew, for rotation",
     .flag = "--log-file",
     .word = "FILE"},
};

std::vector<Key> all_keys() {
  std::vector<Key> all;
  for (const std::span<const Key> part :
       {cloud_keys(), image_keys(), identity_keys(), std::span<const Key>(kRecordKeys)})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

std::span<const Key> keys() {
  static const std::vector<Key> kAll = all_keys();
  return kAll;
}
std::span<const Section> sections() {
  return kSections;
}

const Key* find_key(std::string_view section, std::string_view name) {
  for (const Key& key : keys())
    if (key.section == section && key.name == name) return &key;
  return nullptr;
}

const Key* find_flag(std::string_view flag) {
  if (flag.empty()) return nullptr;
  for (const Key& key : keys())
    if (key.flag == flag) return &key;
  return nullptr;
}

bool is_section(std::string_view name) {
  for (const Section& section : kSections)
    if (section.name == name) return true;
  return false;
}

std::string environment_name(const Key& key) {
  std::string name = fmt::format("CLOUDOS_{}_{}", key.section, key.name);
  for (char& c : name)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return name;
}

}  // namespace cloudos::config
