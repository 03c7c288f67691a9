#include "cloud/backends.hpp"

#include "hypervisor/libvirt.hpp"
#include "hypervisor/simulated.hpp"
#include "network/linuxbridge/linuxbridge.hpp"
#include "network/simulated.hpp"

namespace cloudos {

Result<std::shared_ptr<hypervisor::Driver>> open_hypervisor(const Options& options,
                                                            const Engine& engine) {
  if (options.hypervisor_driver) return options.hypervisor_driver;
  if (options.hypervisor == Backend::Simulated) {
    hypervisor::SimulatedSettings settings;
    settings.clock = options.clock.get();
    return hypervisor::make_simulated(settings);
  }
  hypervisor::LibvirtSettings settings;
  settings.uri = options.libvirt_uri;
  settings.root_dir = engine.data_dir / "libvirt";
  settings.folder_id = engine.folder_id;
  settings.virt_type = options.virt_type;
  settings.disks_dir = engine.data_dir;
  settings.log = engine.log.for_room("hypervisor");
  CLOUDOS_TRY(auto driver, hypervisor::make_libvirt(settings));
  return std::shared_ptr<hypervisor::Driver>(std::move(driver));
}

Result<Mechanism> open_mechanism(const Options& options, const Engine& engine) {
  if (options.mechanism_driver) return Mechanism{options.mechanism_driver, nullptr};
  if (options.network == Backend::Simulated)
    return Mechanism{std::make_shared<network::SimulatedDriver>(), nullptr};
  network::LinuxBridgeSettings settings;
  settings.folder_id = engine.folder_id;
  settings.run_dir = (engine.data_dir / "run").string();
  settings.physical_bridges = options.bridge_mappings;
  CLOUDOS_TRY(const auto driver,
              network::make_linuxbridge(settings, nullptr, engine.log.for_room("network")));
  return Mechanism{driver, [driver](network::MetadataHandler handler) {
                     driver->set_metadata_handler(std::move(handler));
                   }};
}

}  // namespace cloudos
