#pragma once
#include <map>
#include <memory>
#include <string>

#include "cloudos/hosts.hpp"
#include "cloudos/images.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/hypervisor.hpp"
#include "cloudos/network_driver.hpp"
#include "placement/placement.hpp"
#include "tasks/engine.hpp"

/// How `cloud` makes the compute room, and what the room gives to others.
namespace cloudos {

struct ComputeSettings {
  /// Host name -> its hypervisor. Many simulated hosts may share one driver.
  std::map<std::string, std::shared_ptr<hypervisor::Driver>> drivers;  // Shared with `cloud`.
  scheduler::Policy policy = scheduler::default_policy();
  std::chrono::milliseconds period{10'000};         ///< Of the reconciler "servers".
  std::chrono::milliseconds graceful_stop{limits::kGracefulStop};
  std::chrono::milliseconds stop_poll{1'000};
  bool resume_guests = true;  ///< Start again what its host's restart ended.
};

/// What `cloud` hands to placement: one source per driver, its capabilities as HostFacts.
std::vector<placement::HostSource> host_sources(
    const std::map<std::string, std::shared_ptr<hypervisor::Driver>>& drivers);

/// Registers the task types create-server, delete-server, start-server, stop-server, reboot-server,
/// attach-interface and detach-interface and the reconciler "servers"; writes the first flavors into
/// an empty store. All references outlive the service. Errors: as Store::transact.
Result<std::unique_ptr<Servers>> make_servers(const Engine& engine, ComputeSettings settings,
                                              Hosts& hosts, Images& images, Networks& networks);

/// The documents a guest reads at 169.254.169.254; `servers` outlives it.
std::unique_ptr<network::MetadataSource> make_metadata_source(const Servers& servers);
/// Lets go of ports that their own API deletes; `servers` outlives it.
std::unique_ptr<network::DeviceOwner> make_device_owner(const Servers& servers);

}  // namespace cloudos
