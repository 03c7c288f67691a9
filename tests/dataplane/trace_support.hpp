#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cloudos/network_trace.hpp"
#include "cloudos/routers.hpp"
#include "dataplane/l3_support.hpp"
#include "network/support.hpp"

/// The networks service over Linux-bridge drivers on a private host, with guests that are plugged.
namespace dataplane {

/// What makes guests of ports: a namespace stands where QEMU would be.
cloudos::network::PortPlan stand_in_for(const cloudos::Port& port);

/// One network with two guests, and the outside behind a router. Repairs come with repair() alone.
struct TracedHost {
  TempDir dir;
  std::shared_ptr<cloudos::network::LinuxBridgeDriver> driver;
  std::optional<network_test::World> world;
  cloudos::Context p = network_test::member("p");
  cloudos::Network inside, external;
  cloudos::Subnet subnet;
  cloudos::Router router;
  cloudos::Port a, b;
  std::optional<Guest> guest_a, guest_b, outside;
  cloudos::Fd web_b;  ///< b listens at port 80.

  explicit TracedHost(bool routed);
  ~TracedHost();
  /// A guest of the project's on the inner network, in `groups` (none: the default one).
  cloudos::Port plug(const std::string& server);
  void allow_in(const std::string& cidr, std::int64_t port);
  cloudos::NetworkTrace trace(const std::string& from, const std::string& to,
                              std::int64_t port) const;
  /// Lets the reconciler look at the host, as it does by itself.
  void repair();
  /// Runs in the router's namespace.
  void in_router(const std::function<void()>& work) const;
  std::string chain(const std::string& prefix, const std::string& id) const;
};

std::string trace_told(const cloudos::NetworkTrace& trace);
std::string address_at(const cloudos::Port& port);
/// Takes those who connected, so that there is room for others.
void drain(const cloudos::Fd& listener);
/// Changes a device of this thread's namespace, which has to be there.
void set_device(const std::string& name, const lb::LinkChange& change);

/// The inner network has IPv6 addresses, too, which follow from MACs.
void add_six(TracedHost& host);
/// The port's IPv6 address; empty: it has none.
std::string six_at(TracedHost& host, const cloudos::Port& port);

}  // namespace dataplane
