#pragma once
#include <functional>
#include <memory>

#include "cloudos/cloud.hpp"
#include "cloudos/hypervisor.hpp"
#include "cloudos/network_driver.hpp"
#include "tasks/engine.hpp"

/// Which driver stands behind which option: the one visible table.
namespace cloudos {

/// Errors: Unsupported (an option names what this build was made without).
Result<void> check_backends(const Options& options);

/// Host name -> its driver: the host program's own, and the one behind all of `host_names`.
Result<std::map<std::string, std::shared_ptr<hypervisor::Driver>>> open_hypervisors(
    const Options& options, const Engine& engine);

struct Mechanism {
  std::shared_ptr<network::MechanismDriver> driver;
  /// Set when the driver serves metadata to guests: called once, before the first converge.
  std::function<void(network::MetadataHandler)> serve_metadata;
};
Result<Mechanism> open_mechanism(const Options& options, const Engine& engine);

}  // namespace cloudos
