#pragma once
#include <string>
#include <vector>

#include "cloudos/network_driver.hpp"
#include "cloudos/result.hpp"
#include "network/linuxbridge/linuxbridge.hpp"
#include "network/linuxbridge/netlink.hpp"

/// What this host has to offer before the driver can work.
namespace cloudos::network::linuxbridge {

/// Looks for all that is needed and names everything that is missing in one sentence.
/// `dnsmasq` empty: it is looked for in the usual places. Returns dnsmasq's path.
/// Errors: Unavailable.
Result<std::string> probe_platform(const std::string& dnsmasq, const std::string& probe_table);

/// Has bridged packets pass the IP packet filter (a switch of the whole network namespace, on by
/// default). When it has to be turned on, `note` remembers that it was off. Errors: Unavailable.
Result<void> filter_bridged_packets(const std::string& note);
/// Turns it off again if filter_bridged_packets() had turned it on.
void restore_bridged_packets(const std::string& note);

/// What beyond the needful this host can do, each tried: on devices that are gone again after.
/// Errors: Unavailable (netlink itself).
Result<std::vector<Ability>> probe_abilities(Netlink& netlink, const LinuxBridgeSettings& settings);

}  // namespace cloudos::network::linuxbridge
