#pragma once
#include <memory>
#include <string>

#include "dataplane/support.hpp"

/// Routers and outside worlds for tests on a private host.
namespace dataplane {

std::shared_ptr<cloudos::network::LinuxBridgeDriver> l3_driver(
    cloudos::network::LinuxBridgeSettings settings);
void converge(cloudos::network::MechanismDriver& driver, const Plan& plan);
void tell(cloudos::network::MechanismDriver& driver, const cloudos::network::Change& change);

/// The operator's bridge, with nothing of ours in it.
void make_bridge(const std::string& name);
/// Somebody at the bridge who is no guest: his device carries no mark of ours.
Guest outsider(const std::string& bridge, const std::string& tap, const std::string& address,
               unsigned length);
/// A guest of the port, with the port's addresses and a default route.
Guest guest_of(const cloudos::network::PortPlan& port, const std::string& gateway);
void set_default_route(const Guest& guest, const std::string& via);

/// simple_plan() and an external network 203.0.113.0/24 on physical network "outside", and a router
/// between them: 10.0.0.1 inside, 203.0.113.2 outside, its next hop 203.0.113.1.
Plan routed_plan();
cloudos::network::RouterPlan& router_of(Plan& plan);

/// Deletes the device, which has to be there.
void drop_device(const std::string& name);

/// Who a listener saw at the other end of the next connection to it; empty: nobody came.
std::string peer_of_next(const cloudos::Fd& listener);
/// Asks until it is so, or for `patience`.
bool becomes(const std::function<bool()>& so,
             std::chrono::milliseconds patience = std::chrono::seconds(5));
std::vector<std::string> addresses_of(const Guest& guest);

}  // namespace dataplane
