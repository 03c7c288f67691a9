#include "cloud/services.hpp"
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
  CLOUDOS_TRY(const auto driver,
              network::make_linuxbridge(settings, nullptr, engine.log.for_room("network")));
  return Mechanism{driver, [driver](network::MetadataHandler handler) {
                     driver->set_metadata_handler(std::move(handler));
                   }};
#else
  return left_out("the Linux-bridge driver is", "CLOUDOS_WITH_LINUXBRIDGE");
#endif
}

}  // namespace

bool built() {
  return true;
}

Result<void> check([[maybe_unused]] const Options& options) {
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
  for (const auto& [name, bridge] : options.bridge_mappings)
    settings.physical_networks.push_back(name);
  if (!ground.engine.guest) {
    CLOUDOS_TRY(auto built_in, open_mechanism(options, ground.engine));
    mechanisms.push_back(ground.observatory.observe(built_in.driver));
    parts.serve_metadata = built_in.serve_metadata;
  }
  parts.networks = make_networks(ground.engine, settings, std::move(mechanisms));
  if (parts.serve_metadata) parts.serve_metadata(network::metadata_handler(*parts.networks));
  return parts;
}

}  // namespace cloudos::networks_service
