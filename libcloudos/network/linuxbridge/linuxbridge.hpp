#pragma once
#include <map>
#include <memory>
#include <string>

#include "cloudos/log.hpp"
#include "cloudos/network_driver.hpp"
#include "cloudos/result.hpp"

namespace cloudos::network {

struct LinuxBridgeSettings {
  std::string folder_id;  ///< Eight hexadecimal digits: marks everything that is ours on the host.
  std::string run_dir;    ///< Absolute, existing; holds the DHCP servers' files.
  std::map<std::string, std::string> physical_bridges;  ///< Physical network to an existing bridge.
  std::string dnsmasq;                                  ///< Absolute path; empty: the usual places.
  std::string host = {};  ///< Whose ports it carries; empty: every host's, as the only one.
  std::string tunnel_address =
      {};                       ///< Of this host, for vxlan networks; empty: it has none of them.
  bool shared_machine = false;  ///< Other hosts of this cloud are on the machine, too.
  /// The one that is this host, as `ip netns` names it; empty: the calling thread's.
  std::string network_namespace = {};
  std::string dns_domain = "openstacklocal";  ///< The cloud's; a dot may be behind it.
};

/// The Linux-bridge mechanism driver: one bridge per network, a tap per port, DHCP and metadata in
/// a namespace per network, security groups by nftables; all by netlink, no command is run.
///
/// Thread-safe; calls wait for each other. It works in one network namespace, by default that of
/// the thread that made it. Guests' network goes on when the driver (or its process) ends: the DHCP
/// servers and the packet filter stay, metadata answers again after the next converge(). A plan
/// without networks leaves nothing of ours on the host.
/// Source: Neutron's linuxbridge agent, DHCP agent and iptables firewall driver, for their meaning.
class LinuxBridgeDriver : public MechanismDriver {
 public:
  /// Who answers metadata requests; without one they get 503. Once this returns the one before is
  /// called no more: set nothing before what it refers to goes away.
  virtual void set_metadata_handler(MetadataHandler handler) = 0;
};

/// Checks what the host offers and makes the driver; changes nothing yet.
/// Errors: InvalidArgument (settings), Unavailable (names everything that is missing).
Result<std::shared_ptr<LinuxBridgeDriver>> make_linuxbridge(LinuxBridgeSettings settings,
                                                            MetadataHandler handler, Log log);

}  // namespace cloudos::network
