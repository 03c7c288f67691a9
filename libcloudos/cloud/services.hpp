#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "cloud/observatory.hpp"
#include "cloudos/cloud.hpp"
#include "cloudos/hypervisor.hpp"
#include "cloudos/network_driver.hpp"
#include "tasks/engine.hpp"

/// The services beside identity. Each is wired to the others in cloud/<service>.cpp; in a build that
/// leaves it out, without/<service>.cpp stands there instead and opens nothing.
namespace cloudos {

/// What a service is opened on. All of it outlives the service.
struct ServiceGround {
  const Options& options;
  const Engine& engine;
  Observatory& observatory;
  Identity& identity;
};

// Shared pointers, of one owner each: a build that lacks a class has no destructor of it to name.

namespace images_service {
bool built();
/// Errors: Unsupported (an option names what this build was made without).
Result<void> check(const Options& options);
Result<std::shared_ptr<Images>> open(const ServiceGround& ground);
}  // namespace images_service

struct NetworksParts {
  std::shared_ptr<Networks> networks;
  /// Set when the data plane serves metadata to guests: null ends that.
  std::function<void(network::MetadataHandler)> serve_metadata;
};

namespace networks_service {
bool built();
Result<void> check(const Options& options);  ///< As images_service::check().
Result<NetworksParts> open(const ServiceGround& ground);
}  // namespace networks_service

struct ComputeParts {
  std::map<std::string, std::shared_ptr<hypervisor::Driver>> drivers;
  std::shared_ptr<Hosts> hosts;
  std::shared_ptr<Servers> servers;
  std::unique_ptr<network::MetadataSource> metadata;
  std::unique_ptr<network::DeviceOwner> device_owner;
};

namespace compute_service {
bool built();
Result<void> check(const Options& options);  ///< As images_service::check().
/// The hosts of a folder that says nothing of them: see host_names.hpp.
Result<std::vector<std::string>> known_hosts(store::Store& store, const std::string& machine);
Result<ComputeParts> open(const ServiceGround& ground, Images& images, Networks& networks);
}  // namespace compute_service

/// That a part which the options ask for was left out when the library was built: Unsupported.
Failure left_out(std::string_view what, std::string_view cmake_option);
/// The same of a whole service: "images".
Failure service_left_out(std::string_view service);
/// Errors: Unsupported (a service or a driver that this build does not have).
Result<void> check_built(const Options& options);

}  // namespace cloudos
