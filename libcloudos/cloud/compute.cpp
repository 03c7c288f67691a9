#include <fmt/format.h>

#include "cloud/host_names.hpp"
#include "cloud/services.hpp"
#include "compute/records.hpp"
#include "compute/servers_room.hpp"
#include "hypervisor/simulated.hpp"
#include "placement/placement.hpp"
#include "records/table.hpp"
#if CLOUDOS_WITH_LIBVIRT
#include "hypervisor/libvirt.hpp"
#endif

namespace cloudos::compute_service {
namespace {

using Drivers = std::map<std::string, std::shared_ptr<hypervisor::Driver>>;

/// Whether a guest runs by the record, or by a step of its task that may have been taken already.
bool ran(const Server& server) {
  if (server.host.empty()) return false;
  return (server.vm_state == VmState::Active && server.power_state == PowerState::Running) ||
         server.vm_state == VmState::Building || server.task_state == ServerTask::PoweringOn;
}

constexpr std::size_t kRanPage = 1'000;

/// The simulated guests of a folder. Nothing ended them while no process ran: like real ones they
/// live on, so that a restart of `cloudosd --simulated` shows what was there before.
Result<std::vector<hypervisor::DomainSpec>> simulated_guests(store::Store& store) {
  std::vector<hypervisor::DomainSpec> guests;
  CLOUDOS_TRY(const auto snapshot, store.snapshot());
  records::PageSpec<Server> page;
  page.matches = ran;
  page.limit = kRanPage;
  for (;;) {
    CLOUDOS_TRY(const auto servers, records::page(*snapshot, page));
    for (const Server& server : servers) {
      hypervisor::DomainSpec& guest = guests.emplace_back();
      guest.id = server.id;
      guest.name = server.name;
      guest.vcpus = server.flavor.vcpus;
      guest.ram_mib = server.flavor.ram_mib;
    }
    if (servers.size() < kRanPage) return guests;
    page.marker = servers.back().id.value;
  }
}

Result<std::shared_ptr<hypervisor::Driver>> open_libvirt([[maybe_unused]] const Options& options,
                                                         [[maybe_unused]] const Engine& engine,
                                                         [[maybe_unused]] const std::string& uri) {
#if CLOUDOS_WITH_LIBVIRT
  hypervisor::LibvirtSettings settings;
  settings.uri = uri;
  settings.root_dir = engine.data_dir / "libvirt";
  settings.folder_id = engine.folder_id;
  settings.virt_type = options.virt_type;
  settings.disks_dir = engine.data_dir;
  settings.log = engine.log.for_room("hypervisor");
  CLOUDOS_TRY(auto driver, hypervisor::make_libvirt(settings));
  return std::shared_ptr<hypervisor::Driver>(std::move(driver));
#else
  return left_out("the libvirt driver is", "CLOUDOS_WITH_LIBVIRT");
#endif
}

/// Which driver stands behind which option: the one visible table.
Result<std::shared_ptr<hypervisor::Driver>> open_hypervisor(const Options& options,
                                                            const Engine& engine) {
  if (options.hypervisor_driver) return options.hypervisor_driver;
  if (options.hypervisor == Backend::Simulated) {
    hypervisor::SimulatedSettings settings;
    settings.clock = options.clock.get();
    settings.ran_before = [&store = engine.store] { return simulated_guests(store); };
    return hypervisor::make_simulated(settings);
  }
  return open_libvirt(options, engine, options.libvirt_uri);
}

/// Host name -> its driver: the host program's own, other hosts', and the one behind all of
/// `host_names`.
Result<Drivers> open_hypervisors(const Options& options, const Engine& engine) {
  Drivers drivers = options.hypervisor_drivers;
  for (const auto& [host, driver] : drivers) {
    if (!driver)
      return fail(ErrorCode::InvalidArgument, fmt::format("the driver of host {} is null", host));
  }
  for (const auto& [host, uri] : options.other_hosts) {
    CLOUDOS_TRY(auto driver, open_libvirt(options, engine, uri));
    drivers.emplace(host, std::move(driver));
  }
  if (options.host_names.empty()) return drivers;
  CLOUDOS_TRY(const auto driver, open_hypervisor(options, engine));
  for (const std::string& name : options.host_names) drivers.emplace(name, driver);
  return drivers;
}

}  // namespace

bool built() {
  return true;
}

Result<void> check([[maybe_unused]] const Options& options) {
#if !CLOUDOS_WITH_LIBVIRT
  if (options.hypervisor == Backend::Real && !options.hypervisor_driver)
    return left_out("the libvirt driver is", "CLOUDOS_WITH_LIBVIRT");
#endif
  return Result<void>();
}

Result<std::vector<std::string>> known_hosts(store::Store& store, const std::string& machine) {
  return known_host_names(store, machine);
}

Result<ComputeParts> open(const ServiceGround& ground, Images& images, Networks& networks) {
  ComputeParts parts;
  if (!ground.engine.guest) {
    CLOUDOS_TRY(parts.drivers, open_hypervisors(ground.options, ground.engine));
  }
  std::map<const hypervisor::Driver*, std::shared_ptr<hypervisor::Driver>> observed;
  for (auto& [host, driver] : parts.drivers) {
    // One watcher a driver: hosts that share the one keep sharing the other.
    auto& watcher = observed[driver.get()];
    if (!watcher) watcher = ground.observatory.observe(driver);
    driver = watcher;
  }
  placement::PlacementSettings placement_settings;
  placement_settings.hosts = host_sources(parts.drivers);
  CLOUDOS_TRY(parts.hosts, placement::make_hosts(ground.engine, placement_settings));
  ComputeSettings settings;
  settings.drivers = parts.drivers;
  settings.resume_guests = ground.options.resume_guests;
  if (ground.options.placement) settings.policy = *ground.options.placement;
  CLOUDOS_TRY(parts.servers, make_servers(ground.engine, settings, *parts.hosts, images, networks));
  parts.metadata = make_metadata_source(*parts.servers);
  parts.device_owner = make_device_owner(*parts.servers);
  networks.set_metadata_source(parts.metadata.get());
  networks.set_device_owner(parts.device_owner.get());
  return parts;
}

}  // namespace cloudos::compute_service
