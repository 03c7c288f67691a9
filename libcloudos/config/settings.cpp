#include "config/settings.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/domain_name.hpp"
#include "base/folder_name.hpp"
#include "base/text.hpp"
#include "cloudos/log.hpp"
#include "config/ranges.hpp"

namespace cloudos::config {
namespace {

/// The number that canonical() wrote: with its unit.
std::uint64_t plain_number(std::string_view text) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  std::uint64_t number = parse_unsigned(text.substr(0, digits)).value_or(0);
  if (digits == text.npos) return number;
  const std::string_view unit = text.substr(digits);
  constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {{"TiB", std::uint64_t{1} << 40},
                                                                   {"GiB", 1 << 30},
                                                                   {"MiB", 1 << 20},
                                                                   {"KiB", 1 << 10},
                                                                   {"d", 86'400},
                                                                   {"h", 3'600},
                                                                   {"m", 60},
                                                                   {"s", 1}};
  for (const auto& [name, factor] : kUnits)
    if (unit == name) number *= factor;
  return number;
}

/// What to write to give a key its value, in the words of whoever reads it.
std::string way_to_set(std::string_view section, std::string_view name) {
  const Key& key = *find_key(section, name);
  return key.flag.empty() ? fmt::format("{} in [{}]", name, section)
                          : fmt::format("{} {}", key.flag, key.word);
}

/// Of what somebody wrote, as much as a message can show.
std::string quoted_start(std::string_view text) {
  std::string_view start = text.substr(0, 64);
  while (!utf8_length(start) && !start.empty()) start.remove_suffix(1);
  return fmt::format("'{}{}'", start, start.size() < text.size() ? "..." : "");
}

std::string no_host_name(std::string_view host) {
  return fmt::format("a host's name is 1 to 64 letters, digits, dots, hyphens and underscores and "
                     "begins with a letter or a digit, unlike {}.",
                     quoted_start(host));
}

bool is_address(const std::string& text) {
  in6_addr any{};
  return ::inet_pton(AF_INET, text.c_str(), &any) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &any) == 1;
}

void check_image_stores(const Settings& settings, std::vector<Problem>& problems) {
  const auto stores = settings.mapping("image", "stores");
  const auto problem = [&](std::string_view name, std::string message) {
    problems.push_back({settings.of("image", name).place, std::move(message)});
  };
  for (const auto& [store, folder] : stores)
    if (!folder.starts_with('/'))
      problem("stores", fmt::format("the folder of store {} must begin with /.", store));
  for (const char* name : {"store_weights", "store_capacity"}) {
    for (const auto& [store, number] : settings.mapping("image", name)) {
      if (store != "file" && !stores.contains(store))
        problem(name, fmt::format("there is no store {}: give it a folder in stores.", store));
      if (const auto value = parse_unsigned(number); !value || *value > 1'000'000)
        problem(name, fmt::format("{} of store {} needs a number up to 1000000.", name, store));
    }
  }
  const std::string& first = settings.text("image", "default_store");
  if (!first.empty() && first != "file" && !stores.contains(first))
    problem("default_store", fmt::format("there is no store {}: give it a folder in stores.", first));
}

/// Where data may be read from on behalf of callers: a word that is none must not open what is shut.
void check_image_imports(const Settings& settings, std::vector<Problem>& problems) {
  const auto problem = [&](std::string_view name, std::string message) {
    problems.push_back({settings.of("image", name).place, std::move(message)});
  };
  constexpr std::string_view kMethods[] = {"glance-direct", "web-download", "copy-image",
                                           "glance-download"};
  for (const std::string& item : settings.list("image", "import_methods"))
    if (std::find(std::begin(kMethods), std::end(kMethods), item) == std::end(kMethods))
      problem("import_methods",
              fmt::format("images are not imported by {}: glance-direct, web-download, copy-image "
                          "and glance-download are ways to.",
                          quoted_start(item)));
  for (const std::string& item : settings.list("image", "web_schemes"))
    if (item != "http" && item != "https")
      problem("web_schemes",
              fmt::format("nothing is read by {}: http and https are.", quoted_start(item)));
  const auto ports = settings.list("image", "web_ports");
  for (const std::string& item : ports)
    if (const auto port = parse_unsigned(item);
        (!port || *port < 1 || *port > 65'535) && (item != "any" || ports.size() > 1))
      problem("web_ports", fmt::format("web_ports needs numbers from 1 to 65535, or any alone, "
                                       "unlike {}.",
                                       quoted_start(item)));
}

/// A room that is none would be a line of the log that somebody waits for.
void check_log(const Settings& settings, std::vector<Problem>& problems) {
  constexpr std::string_view kRooms[] = {
      "audit", "cloud",       "cloudosd", "compute",   "hypervisor", "identity",  "image", "locale",
      "maintenance", "network", "placement", "records", "rest",      "scheduler", "store", "tasks"};
  const auto levels = parse_log_levels(settings.text("log", "level"));
  if (!levels) return;
  for (const auto& [room, level] : levels->rooms) {
    if (std::find(std::begin(kRooms), std::end(kRooms), room) != std::end(kRooms)) continue;
    const std::string_view near = nearest(room, kRooms);
    problems.push_back(
        {settings.of("log", "level").place,
         near.empty() ? fmt::format("no room of the log is called {}; there are: {}.",
                                    quoted_start(room), fmt::join(kRooms, ", "))
                      : fmt::format("no room of the log is called {}. Did you mean '{}'?",
                                    quoted_start(room), near)});
  }
}

void check_network(const Settings& settings, std::vector<Problem>& problems) {
  const auto problem = [&](std::string_view name, std::string message) {
    problems.push_back({settings.of("network", name).place, std::move(message)});
  };
  for (const std::string& type : settings.list("network", "tenant_network_types"))
    if (type != "local" && type != "vlan" && type != "vxlan")
      problem("tenant_network_types",
              fmt::format("projects' networks cannot be of type {}: local, vlan and vxlan are.",
                          type));
  if (!parse_vlan_ranges(settings.list("network", "network_vlan_ranges")))
    problem("network_vlan_ranges",
            "network_vlan_ranges needs PHYSICAL_NETWORK:FIRST:LAST within 1 to 4094, with commas "
            "between.");
  if (!parse_vni_ranges(settings.list("network", "vni_ranges")))
    problem("vni_ranges", "vni_ranges needs FIRST:LAST within 1 to 16777215, with commas between.");
  const std::string& domain = settings.text("network", "dns_domain");
  if (!is_domain_name(domain))
    problem("dns_domain", fmt::format("dns_domain needs a domain such as example.org, unlike {}.",
                                      quoted_start(domain)));
  if (settings.given("network", "tunnel_address") && !settings.given("network", "host"))
    problem("tunnel_address", "tunnel_address is a host's: say which, by host in [network].");
}

/// Nothing, or what is wrong with the name of another host and its network namespace.
std::string wrong_host(const Settings& settings, const std::string& host,
                       const std::string& space) {
  if (!is_folder_name(host))
    return no_host_name(host);
  if (!is_folder_name(space))
    return fmt::format("the network namespace of host {} is a name that ip netns takes, unlike {}.",
                       host, quoted_start(space));
  if (host == settings.text("network", "host"))
    return fmt::format("host {} is this one, by host in [network], and cannot be another.", host);
  return {};
}

void check_other_networks(const Settings& settings, std::vector<Problem>& problems) {
  const auto problem = [&](std::string_view name, std::string message) {
    problems.push_back({settings.of("network", name).place, std::move(message)});
  };
  const auto spaces = settings.mapping("network", "host_namespaces");
  if (!spaces.empty() && !settings.given("network", "host"))
    problem("host_namespaces",
            "host_namespaces are of other hosts: say which this one is, by host in [network].");
  if (!spaces.empty() && settings.text("network", "backend") != "linuxbridge")
    problem("host_namespaces", "host_namespaces need backend = linuxbridge in [network].");
  std::map<std::string, std::string> host_of;
  for (const auto& [host, space] : spaces) {
    if (std::string wrong = wrong_host(settings, host, space); !wrong.empty())
      problem("host_namespaces", std::move(wrong));
    else if (const auto [first, fresh] = host_of.emplace(space, host); !fresh)
      problem("host_namespaces",
              fmt::format("hosts {} and {} cannot be one network namespace, {}.", first->second,
                          host, space));
  }
  for (const auto& [host, address] : settings.mapping("network", "host_tunnels")) {
    if (!spaces.contains(host))
      problem("host_tunnels", fmt::format("there is no host {}: give it a namespace in "
                                          "host_namespaces.",
                                          quoted_start(host)));
    else if (!is_address(address))
      problem("host_tunnels",
              fmt::format("the tunnel's end of host {} is an IP address, unlike {}.", host,
                          quoted_start(address)));
  }
}

void check_other_daemons(const Settings& settings, std::vector<Problem>& problems) {
  const auto others = settings.mapping("hypervisor", "other_hosts");
  if (others.empty()) return;
  const auto problem = [&](std::string message) {
    problems.push_back({settings.of("hypervisor", "other_hosts").place, std::move(message)});
  };
  const auto names = settings.list("hypervisor", "host_names");
  if (settings.text("hypervisor", "backend") == "simulated" || names.empty())
    problem("other_hosts are of libvirt's, beside one that is named: set host_names, without "
            "backend = simulated.");
  std::map<std::string, std::string> host_of;
  if (!names.empty()) host_of.emplace(settings.text("hypervisor", "libvirt_uri"), names.front());
  for (const auto& [host, uri] : others) {
    if (!is_folder_name(host))
      problem(no_host_name(host));
    else if (std::find(names.begin(), names.end(), host) != names.end())
      problem(fmt::format("host {} is in host_names and cannot be another.", host));
    else if (uri.starts_with("qemu:///embed"))
      problem(fmt::format("host {} needs the URI of a libvirt daemon: qemu:///embed is this "
                          "process's own.",
                          host));
    else if (const auto [first, fresh] = host_of.emplace(uri, host); !fresh)
      problem(fmt::format("hosts {} and {} cannot have one libvirt daemon, {}.", first->second,
                          host, quoted_start(uri)));
  }
}

void check_together(const Settings& settings, std::vector<Problem>& problems) {
  check_image_stores(settings, problems);
  check_image_imports(settings, problems);
  check_log(settings, problems);
  check_network(settings, problems);
  check_other_networks(settings, problems);
  check_other_daemons(settings, problems);
  const auto problem = [&](std::string_view section, std::string_view name, std::string message) {
    problems.push_back({settings.of(section, name).place, std::move(message)});
  };
  if (settings.text("cloud", "data_dir").empty())
    problem("cloud", "data_dir",
            fmt::format("{} is required: the folder that holds everything; or data_dir in [cloud] "
                        "of the configuration file.",
                        way_to_set("cloud", "data_dir")));
  const bool simulated = settings.text("hypervisor", "backend") == "simulated";
  if (settings.number("hypervisor", "simulated_hosts") > 1 && !simulated)
    problem("hypervisor", "simulated_hosts",
            settings.of("hypervisor", "simulated_hosts").origin == Origin::Flag
                ? "--hosts N is for --simulated (backend = simulated): the real hypervisor has the "
                  "one host it runs on."
                : "simulated_hosts is for backend = simulated: the real hypervisor has the one "
                  "host it runs on.");
  if (settings.given("hypervisor", "simulated_hosts") && settings.given("hypervisor", "host_names"))
    problem("hypervisor", "host_names",
            "host_names and simulated_hosts both say which hosts there are: keep one.");
  if (!simulated && settings.list("hypervisor", "host_names").size() > 1)
    problem("hypervisor", "host_names",
            "several hosts need backend = simulated: libvirt has the one host it runs on.");
  if (settings.yes("services", "compute") &&
      !(settings.yes("services", "images") && settings.yes("services", "networks")))
    problem("services", "compute",
            "compute needs images and networks: leave it out too, or have them.");
  const bool certificate = !settings.text("tls", "certificate").empty();
  if (certificate != !settings.text("tls", "key").empty())
    problem("tls", certificate ? "certificate" : "key",
            "a certificate and its key go together: set both certificate and key in [tls].");
  for (const std::string& item : settings.list("server", "listen")) {
    const auto endpoint = parse_endpoint(item);
    if (endpoint && endpoint->tls.value_or(false) && !certificate)
      problem("server", "listen", fmt::format("{} needs certificate and key in [tls].", item));
  }
  if (settings.given("cloud", "admin_password") && settings.given("cloud", "admin_password_file"))
    problem("cloud", "admin_password",
            "admin_password and admin_password_file both give the password: keep one.");
}

}  // namespace

Settings::Settings() {
  for (const Key& key : keys()) {
    auto text =
        key.fallback.empty() ? Result<std::string>(std::string()) : canonical(key, key.fallback);
    CLOUDOS_ASSERT(text.has_value());
    values_.push_back({std::move(*text), Origin::Default, {}});
  }
}

const Settings::Value& Settings::of(const Key& key) const {
  const auto index = static_cast<std::size_t>(&key - keys().data());
  CLOUDOS_ASSERT(index < values_.size());
  return values_[index];
}

const Settings::Value& Settings::of(std::string_view section, std::string_view name) const {
  const Key* key = find_key(section, name);
  CLOUDOS_ASSERT(key != nullptr);
  return of(*key);
}

std::uint64_t Settings::number(std::string_view section, std::string_view name) const {
  return plain_number(text(section, name));
}

std::map<std::string, std::string> Settings::mapping(std::string_view section,
                                                     std::string_view name) const {
  std::map<std::string, std::string> all;
  for (const std::string& item : list(section, name)) {
    const auto [left, right] = pair_of(item);
    all.emplace(left, right);
  }
  return all;
}

void Settings::set(const Key& key, Value value) {
  const auto index = static_cast<std::size_t>(&key - keys().data());
  CLOUDOS_ASSERT(index < values_.size());
  values_[index] = std::move(value);
}

Merged merge(std::span<const Layer> layers) {
  Merged merged;
  for (const Layer& layer : layers) {
    for (const Entry& entry : layer.entries)
      merged.settings.set(*entry.key, {entry.text, layer.origin, entry.place});
    merged.problems.insert(merged.problems.end(), layer.problems.begin(), layer.problems.end());
  }
  check_together(merged.settings, merged.problems);
  return merged;
}

std::vector<const Key*> changed_keys(const Settings& before, const Settings& after) {
  std::vector<const Key*> changed;
  for (const Key& key : keys())
    if (before.of(key).text != after.of(key).text) changed.push_back(&key);
  return changed;
}

}  // namespace cloudos::config
