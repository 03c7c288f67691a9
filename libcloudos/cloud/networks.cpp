#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/domain_name.hpp"
#include "base/folder_name.hpp"
#include "cloud/services.hpp"
#include "cloudos/network_limits.hpp"
#include "network/networks_room.hpp"
#include "network/simulated.hpp"
#include "network/user.hpp"
#include "network/wiring.hpp"
#if CLOUDOS_WITH_LINUXBRIDGE
#include "network/linuxbridge/linuxbridge.hpp"
#endif

namespace cloudos::networks_service {
namespace {

struct Mechanism {
  std::shared_ptr<network::MechanismDriver> driver;
  /// Set when the driver serves metadata to guests: called once, before the first converge.
  std::function<void(network::MetadataHandler)> serve_metadata;
};

#if CLOUDOS_WITH_LINUXBRIDGE
Result<Mechanism> open_linuxbridge(const network::LinuxBridgeSettings& settings,
                                   const Engine& engine) {
  CLOUDOS_TRY(const auto driver,
              network::make_linuxbridge(settings, nullptr, engine.log.for_room("network")));
  return Mechanism{driver, [driver](network::MetadataHandler handler) {
                     driver->set_metadata_handler(std::move(handler));
                   }};
}
#endif

/// Those of the hosts beside the first, each in its namespace and with files of its own.
Result<std::vector<Mechanism>> open_other_hosts([[maybe_unused]] const Options& options,
                                                [[maybe_unused]] const Engine& engine) {
  std::vector<Mechanism> out;
#if CLOUDOS_WITH_LINUXBRIDGE
  for (const auto& [host, asked] : options.networks.other_hosts) {
    network::LinuxBridgeSettings settings;
    settings.folder_id = engine.folder_id;
    const auto run_dir = engine.data_dir / "run" / "hosts" / host;
    std::error_code error;
    std::filesystem::create_directories(run_dir, error);
    if (error)
      return fail(ErrorCode::Unavailable, "the data folder cannot be written: " + error.message());
    settings.run_dir = run_dir.string();
    settings.host = host;
    settings.tunnel_address = asked.tunnel_address;
    settings.dns_domain = options.networks.dns_domain;
    settings.shared_machine = true;
    settings.network_namespace = asked.network_namespace;
    CLOUDOS_TRY(auto opened, open_linuxbridge(settings, engine));
    out.push_back(std::move(opened));
  }
#endif
  return out;
}

/// Which driver stands behind which option: the one visible table.
Result<Mechanism> open_mechanism(const Options& options, [[maybe_unused]] const Engine& engine) {
  if (options.mechanism_driver) return Mechanism{options.mechanism_driver, nullptr};
  if (options.network == Backend::Simulated)
    return Mechanism{std::make_shared<network::SimulatedDriver>(), nullptr};
  if (options.network == Backend::User)
    return Mechanism{std::make_shared<network::UserModeDriver>(), nullptr};
#if CLOUDOS_WITH_LINUXBRIDGE
  network::LinuxBridgeSettings settings;
  settings.folder_id = engine.folder_id;
  settings.run_dir = (engine.data_dir / "run").string();
  settings.physical_bridges = options.bridge_mappings;
  settings.host = options.networks.host;
  settings.tunnel_address = options.networks.tunnel_address;
  settings.dns_domain = options.networks.dns_domain;
  return open_linuxbridge(settings, engine);
#else
  return left_out("the Linux-bridge driver is", "CLOUDOS_WITH_LINUXBRIDGE");
#endif
}

/// "physnet1" is one because it is mapped, has tags, or is flat: drivers of the host program may
/// know it, too.
std::vector<std::string> physical_networks(const Options& options) {
  std::set<std::string> names;
  for (const auto& [name, bridge] : options.bridge_mappings) names.insert(name);
  if (options.networks.vlan_ranges)
    for (const auto& [name, ranges] : *options.networks.vlan_ranges) names.insert(name);
  if (options.networks.flat_networks)
    names.insert(options.networks.flat_networks->begin(), options.networks.flat_networks->end());
  return {names.begin(), names.end()};
}

Result<void> check_ranges(std::string_view what, const NetworkOptions::Ranges& ranges,
                          std::uint32_t most) {
  std::uint32_t last = 0;
  auto sorted = ranges;
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [first, end] : sorted) {
    if (first > last && first <= end && end <= most) {
      last = end;
      continue;
    }
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("networks.{}: {}-{} is not a range within 1 to {} apart from the others", what,
                    first, end, most));
  }
  return Result<void>();
}

Result<void> check_other_hosts(const Options& options) {
  const NetworkOptions& asked = options.networks;
  if (asked.other_hosts.empty()) return Result<void>();
  if (options.network != Backend::Real || options.mechanism_driver)
    return fail(ErrorCode::InvalidArgument,
                "networks.other_hosts are for the library's own driver of real networks");
  if (asked.host.empty())
    return fail(ErrorCode::InvalidArgument,
                "networks.other_hosts: say which host this one is, by networks.host");
  std::set<std::string> spaces;
  for (const auto& [host, other] : asked.other_hosts) {
    const bool named = is_folder_name(host) && is_folder_name(other.network_namespace);
    if (!named || host == asked.host)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("networks.other_hosts: '{}' has to be another host's name and needs "
                              "a network namespace; both are of 1 to 64 letters, digits, dots, "
                              "hyphens and underscores",
                              host.substr(0, 64)));
    if (!spaces.insert(other.network_namespace).second)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("networks.other_hosts: the network namespace {} is one host, not two",
                              other.network_namespace));
  }
  return Result<void>();
}

Result<void> fill_settings(const Options& options, NetworkSettings& settings) {
  const NetworkOptions& asked = options.networks;
  settings.physical_networks = physical_networks(options);
  settings.mtu = asked.mtu;
  if (!is_domain_name(asked.dns_domain))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("networks.dns_domain: '{}' is not a domain such as example.org",
                            asked.dns_domain.substr(0, 64)));
  settings.dns_domain = asked.dns_domain;
  if (settings.dns_domain.back() == '.') settings.dns_domain.pop_back();
  settings.vlan_ranges = asked.vlan_ranges;
  settings.flat_networks = asked.flat_networks;
  if (asked.vni_ranges) settings.vxlan_ranges = *asked.vni_ranges;
  if (!asked.tenant_types.empty()) settings.tenant_types = asked.tenant_types;
  for (const std::string& type : settings.tenant_types) {
    if (type == "local" || type == "vlan" || type == "vxlan") continue;
    return fail(ErrorCode::InvalidArgument,
                fmt::format("networks.tenant_types: '{}' is not local, vlan or vxlan", type));
  }
  if (!asked.tunnel_address.empty() && asked.host.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "networks.tunnel_address: say which host it is of, by networks.host");
  }
  CLOUDOS_CHECK(check_ranges("vni_ranges", settings.vxlan_ranges, limits::kVniMost));
  if (!asked.vlan_ranges) return Result<void>();
  for (const auto& [name, ranges] : *asked.vlan_ranges)
    CLOUDOS_CHECK(check_ranges("vlan_ranges", ranges, limits::kVlanMost));
  return Result<void>();
}

}  // namespace

bool built() {
  return true;
}

Result<void> check(const Options& options) {
  CLOUDOS_CHECK(check_other_hosts(options));
#if !CLOUDOS_WITH_LINUXBRIDGE
  if (options.network == Backend::Real && !options.mechanism_driver)
    return left_out("the Linux-bridge driver is", "CLOUDOS_WITH_LINUXBRIDGE");
#endif
  return Result<void>();
}

Result<NetworksParts> open(const ServiceGround& ground) {
  const Options& options = ground.options;
  NetworksParts parts;
  network::Wiring::Drivers mechanisms;
  for (const auto& driver : options.mechanism_drivers)
    mechanisms.push_back(ground.observatory.observe(driver));
  NetworkSettings settings;
  CLOUDOS_CHECK(fill_settings(options, settings));
  if (options.host_names.size() == 1 && options.hypervisor_drivers.empty())
    settings.host = options.host_names.front();
  if (!ground.engine.guest) {
    CLOUDOS_TRY(auto built_in, open_mechanism(options, ground.engine));
    CLOUDOS_TRY(auto all, open_other_hosts(options, ground.engine));
    all.insert(all.begin(), std::move(built_in));
    for (const auto& one : all) mechanisms.push_back(ground.observatory.observe(one.driver));
    std::erase_if(all, [](const Mechanism& one) { return !one.serve_metadata; });
    if (!all.empty())
      parts.serve_metadata = [all](const network::MetadataHandler& handler) {
        for (const auto& one : all) one.serve_metadata(handler);
      };
  }
  parts.networks = make_networks(ground.engine, settings, std::move(mechanisms));
  if (parts.serve_metadata) parts.serve_metadata(network::metadata_handler(*parts.networks));
  return parts;
}

}  // namespace cloudos::networks_service
