#include "cloud/backends.hpp"

#include <fmt/format.h>

#if CLOUDOS_WITH_LIBVIRT
#include "hypervisor/libvirt.hpp"
#endif
#include "hypervisor/simulated.hpp"
#if CLOUDOS_WITH_LINUXBRIDGE
#include "network/linuxbridge/linuxbridge.hpp"
#endif
#include "network/simulated.hpp"
#include "network/user.hpp"

namespace cloudos {
namespace {

[[maybe_unused]] tl::unexpected<Error> left_out(std::string_view what, std::string_view option) {
  return fail(ErrorCode::Unsupported,
              fmt::format("{} not in this build of the library: it was made with the CMake option "
                          "{} off",
                          what, option));
}

Result<std::shared_ptr<hypervisor::Driver>> open_hypervisor(const Options& options,
                                                            [[maybe_unused]] const Engine& engine) {
  if (options.hypervisor_driver) return options.hypervisor_driver;
  if (options.hypervisor == Backend::Simulated) {
    hypervisor::SimulatedSettings settings;
    settings.clock = options.clock.get();
    return hypervisor::make_simulated(settings);
  }
#if CLOUDOS_WITH_LIBVIRT
  hypervisor::LibvirtSettings settings;
  settings.uri = options.libvirt_uri;
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

}  // namespace

Result<void> check_backends(const Options& options) {
  if (options.hypervisor == Backend::User)
    return fail(ErrorCode::InvalidArgument,
                "user mode is for networks: the hypervisor is simulated or real");
#if !CLOUDOS_WITH_LIBVIRT
  if (options.hypervisor == Backend::Real && !options.hypervisor_driver)
    return left_out("the libvirt driver is", "CLOUDOS_WITH_LIBVIRT");
#endif
#if !CLOUDOS_WITH_LINUXBRIDGE
  if (options.network == Backend::Real && !options.mechanism_driver)
    return left_out("the Linux-bridge driver is", "CLOUDOS_WITH_LINUXBRIDGE");
#endif
  static_cast<void>(options);
  return Result<void>();
}

Result<std::map<std::string, std::shared_ptr<hypervisor::Driver>>> open_hypervisors(
    const Options& options, const Engine& engine) {
  auto drivers = options.hypervisor_drivers;
  for (const auto& [host, driver] : drivers) {
    if (!driver)
      return fail(ErrorCode::InvalidArgument, fmt::format("the driver of host {} is null", host));
  }
  if (options.host_names.empty()) return drivers;
  CLOUDOS_TRY(const auto driver, open_hypervisor(options, engine));
  for (const std::string& name : options.host_names) drivers.emplace(name, driver);
  return drivers;
}

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
  CLOUDOS_TRY(const auto driver,
              network::make_linuxbridge(settings, nullptr, engine.log.for_room("network")));
  return Mechanism{driver, [driver](network::MetadataHandler handler) {
                     driver->set_metadata_handler(std::move(handler));
                   }};
#else
  return left_out("the Linux-bridge driver is", "CLOUDOS_WITH_LINUXBRIDGE");
#endif
}

}  // namespace cloudos
