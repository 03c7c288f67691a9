#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/network_driver.hpp"
#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netlink.hpp"
#include "network/linuxbridge/ruleset.hpp"

/// What is really on this host, compared with what a trace says should be: reads, writes nothing.
namespace cloudos::network::linuxbridge {

/// What a device tells beside what Link has.
struct LiveLink {
  Link link;
  bool carrier = false;             ///< Somebody is at its other end.
  std::optional<int> bridge_state;  ///< Of a bridge's port: BR_STATE_*.
  std::uint64_t received = 0, sent = 0;
};
/// Nothing when there is none of that name.
Result<std::optional<LiveLink>> live_link(Netlink& netlink, const std::string& name);

/// Where a bridge or a tunnel sends frames.
struct LiveForward {
  std::string mac;
  int device = 0, master = 0;
  std::string remote;  ///< Of a tunnel's own entries: the other end.
};
Result<std::vector<LiveForward>> live_forwards(Netlink& netlink);
/// The state of a neighbour on a link (NUD_*), and its MAC; nothing: never asked for.
struct LiveNeighbour {
  std::uint16_t state = 0;
  std::string mac;
};
Result<std::optional<LiveNeighbour>> live_neighbour(Netlink& netlink, int link,
                                                    const std::string& address);
/// Where the kernel would send it.
struct LiveRoute {
  std::string via;
  int link = 0;
};
/// Nothing: there is no route.
Result<std::optional<LiveRoute>> live_route(Netlink& netlink, const std::string& destination);
/// Connections of this packet's kind that connection tracking knows of in the zone.
Result<std::uint64_t> live_connections(const Packet& packet, int zone);

/// What to do about a device that has our name and is not ours: the driver never touches it.
std::string remedy_of_foreign();

/// Answers a driver's inspect(). Opens its own sockets for each look, in the namespace of the
/// calling thread. Thread-safe.
class Inspector {
 public:
  struct Settings {
    std::map<std::string, std::string> physical_bridges;
    std::string networks_dir;  ///< One folder per network inside.
  };
  Inspector(Names names, Settings settings)
      : names_(std::move(names)), settings_(std::move(settings)) {}
  /// In the host's own namespace. Errors: Unavailable.
  Result<Finding> look(const Inspection& asked) const;

 private:
  Result<Finding> device(const Inspection& asked) const;
  Result<Finding> network(const Inspection& asked) const;
  Result<Finding> forwarding(const Inspection& asked) const;
  Result<Finding> tunnel(const Inspection& asked, const NetworkPlan& plan, const Link& bridge,
                         Netlink& netlink) const;
  Result<Finding> dhcp(const Inspection& asked) const;
  Result<Finding> filter(const Inspection& asked) const;
  Result<Finding> router(const Inspection& asked) const;
  Result<Finding> leg(const Inspection& asked) const;
  Result<Finding> route(const Inspection& asked) const;
  Result<Finding> translation(const Inspection& asked) const;
  void tell_missing_bridge(const NetworkPlan& plan, Finding& finding) const;
  std::string bridge_name(const NetworkPlan& plan) const;

  Names names_;
  Settings settings_;
};

}  // namespace cloudos::network::linuxbridge
