#pragma once
#include <functional>
#include <memory>
#include <string>

#include "cloudos/network_driver.hpp"

/// What every mechanism driver keeps to, whatever is below it.
namespace network_test {

struct DriverUnderTest {
  std::shared_ptr<cloudos::network::MechanismDriver> driver;
  /// What is really there, asked past the driver.
  std::function<bool(const cloudos::NetworkId&)> has_network;
  std::function<bool(const std::string& tap)> has_device;
};

/// Runs the contract as doctest sub-cases over fresh drivers. `host` and `network_type` are what
/// the driver binds.
void run_mechanism_contract(const std::function<DriverUnderTest()>& make, const std::string& host,
                            const std::string& network_type = "local");

}  // namespace network_test
