#include <fmt/format.h>

#include "cloudos/limits.hpp"
#include "config/key.hpp"

namespace cloudos::config {
namespace {

constexpr std::uint64_t kDay = 86'400;

constexpr Section kSections[] = {
    {"cloud", "The cloud itself."},
    {"server", "The HTTP edge: one port for every service."},
    {"tls", "Certificates of the HTTP edge."},
    {"services", "Which services there are; identity always is."},
    {"hypervisor", "What runs guests."},
    {"network", "What connects guests."},
    {"identity", "Tokens and passwords."},
    {"log", "The log."},  // The comma at the end keeps one section a line.
};

constexpr Key kKeys[] = {
    {.section = "cloud",
     .name = "data_dir",
     .type = Type::Path,
     .fallback = "",
     .help = "holds everything; made when it is not there; must be set",
     .flag = "--data-dir",
     .word = "DIR"},
    {.section = "cloud",
     .name = "public_url",
     .type = Type::Url,
     .fallback = "",
     .help = "what clients are told to use; without it made of the first address listened on",
     .flag = "--public-url",
     .word = "URL"},
    {.section = "cloud",
     .name = "workers",
     .type = Type::Count,
     .fallback = "64",
     .help = "most threads for tasks; they come with work and go without",
     .flag = "--workers",
     .word = "N",
     .least = 1,
     .most = limits::kWorkers},
    {.section = "cloud",
     .name = "store_limit",
     .type = Type::Bytes,
     .fallback = "",
     .help = "the most the store may hold: address space, not disk; without it as much as the "
             "machine allows",
     .least = 16 << 20,
     .most = std::uint64_t{1} << 42},
    {.section = "cloud",
     .name = "admin_password_file",
     .type = Type::Path,
     .fallback = "",
     .help = "its first line is the password of the first admin; read on the first start only. "
             "Without it a password is made",
     .flag = "--admin-password-file",
     .word = "FILE"},
    {.section = "cloud",
     .name = "admin_password",
     .type = Type::Text,
     .fallback = "",
     .help = "that password itself, where a file of its own is not possible",
     .secret = true},

    {.section = "server",
     .name = "listen",
     .type = Type::Listen,
     .fallback = "127.0.0.1:5000",
     .help = "where to answer; port 0: any that is free. Sockets passed by a service manager are "
             "used instead",
     .flag = "--listen",
     .word = "ADDR:PORT"},
    {.section = "server",
     .name = "io_threads",
     .type = Type::Count,
     .fallback = "2",
     .help = "threads that carry requests",
     .flag = "--io-threads",
     .word = "N",
     .least = 1,
     .most = 64},

    {.section = "server",
     .name = "connections",
     .type = Type::Count,
     .fallback = "10000",
     .help = "the most clients at a time; less where the process may open fewer files",
     .least = 16,
     .most = 1'000'000},

    {.section = "server",
     .name = "metrics_access",
     .type = Type::Choice,
     .fallback = "loopback",
     .help = "who may read /metrics and the reasons in /readyz without an admin's token: nobody, "
             "whoever connects from this machine, or whoever reaches the port",
     .choices = "admin, loopback or everyone"},

    {.section = "tls",
     .name = "certificate",
     .type = Type::Path,
     .help = "PEM file: the server's certificate, and behind it those that vouch for it. With it "
             "addresses listened on speak https unless they begin with http://",
     .flag = "--tls-certificate",
     .word = "FILE",
     .reload = true},
    {.section = "tls",
     .name = "key",
     .type = Type::Path,
     .help = "PEM file: the certificate's key, not encrypted",
     .flag = "--tls-key",
     .word = "FILE",
     .reload = true},
    {.section = "tls",
     .name = "chain",
     .type = Type::Path,
     .help = "PEM file: the certificates that vouch for it, when they are in a file apart",
     .reload = true},

    {.section = "services",
     .name = "images",
     .type = Type::Switch,
     .fallback = "yes",
     .help = "images; what is left out has no catalogue entry, no routes and no work"},
    {.section = "services",
     .name = "networks",
     .type = Type::Switch,
     .fallback = "yes",
     .help = "networks, ports and security groups"},
    {.section = "services",
     .name = "compute",
     .type = Type::Switch,
     .fallback = "yes",
     .help = "servers, flavors, keypairs and hosts; needs images and networks"},

    {.section = "hypervisor",
     .name = "backend",
     .type = Type::Choice,
     .fallback = "libvirt",
     .help = "libvirt runs guests by QEMU; simulated keeps them in memory",
     .choices = "libvirt or simulated"},
    {.section = "hypervisor",
     .name = "libvirt_uri",
     .type = Type::Uri,
     .fallback = "qemu:///embed",
     .help = "qemu:///embed: guests of this folder, without a daemon; or any libvirt URI",
     .flag = "--libvirt-uri",
     .word = "URI"},
    {.section = "hypervisor",
     .name = "virt_type",
     .type = Type::Choice,
     .fallback = "auto",
     .help = "auto takes KVM where the machine has it",
     .flag = "--virt-type",
     .word = "TYPE",
     .choices = "auto, kvm or qemu"},
    {.section = "hypervisor",
     .name = "host_names",
     .type = Type::Names,
     .fallback = "",
     .help = "names of the hosts; libvirt has one, by default the machine's name"},
    {.section = "hypervisor",
     .name = "simulated_hosts",
     .type = Type::Count,
     .fallback = "1",
     .help = "with backend = simulated: that many hosts, named host-0001 and on",
     .flag = "--hosts",
     .word = "N",
     .least = 1,
     .most = 10'000},

    {.section = "network",
     .name = "backend",
     .type = Type::Choice,
     .fallback = "linuxbridge",
     .help = "linuxbridge makes bridges and taps; user gives each guest a NAT of its own, which "
             "needs no root: it reaches out, nobody reaches it; simulated keeps networks in memory",
     .choices = "linuxbridge, user or simulated"},
    {.section = "network",
     .name = "bridge_mappings",
     .type = Type::Mapping,
     .fallback = "",
     .help = "for flat networks, PHYSICAL_NETWORK:BRIDGE: ports are added to a bridge you made"},

    {.section = "identity",
     .name = "token_lifetime",
     .type = Type::Seconds,
     .fallback = "1h",
     .help = "how long a token is good for; those that there are keep their end",
     .least = 60,
     .most = 365 * kDay,
     .reload = true},
    {.section = "identity",
     .name = "password_cost",
     .type = Type::Count,
     .fallback = "12",
     .help = "cost of a password's bcrypt hash: one more doubles the time of a login",
     .least = 4,
     .most = 16,
     .reload = true},
    {.section = "identity",
     .name = "policy_file",
     .type = Type::Path,
     .help = "rules over the default policy, as OpenStack's policy files have them; read again by a "
             "reload",
     .flag = "--policy-file",
     .word = "FILE"},
    {.section = "identity",
     .name = "token_key_age",
     .type = Type::Seconds,
     .fallback = "",
     .help = "how old the key that seals tokens may grow before it is rotated; without it it is "
             "never",
     .least = 60,
     .most = 365 * kDay},

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

}  // namespace

std::span<const Key> keys() {
  return kKeys;
}
std::span<const Section> sections() {
  return kSections;
}

const Key* find_key(std::string_view section, std::string_view name) {
  for (const Key& key : kKeys)
    if (key.section == section && key.name == name) return &key;
  return nullptr;
}

const Key* find_flag(std::string_view flag) {
  if (flag.empty()) return nullptr;
  for (const Key& key : kKeys)
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
