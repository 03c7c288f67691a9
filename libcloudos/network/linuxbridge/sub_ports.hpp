#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netlink.hpp"

/// Sub-ports of trunks: frames with a tag on the parent's device, without one in another bridge.
///
/// A sub-port's device is one end of a pair; the other end is led to and from the parent's tap by
/// small programs of the kernel's own machine (eBPF) at the devices' entrances: one takes the tag
/// off what the guest sends with it, the other puts it on. Neither VLAN devices nor bridges that
/// know tags are needed. The parent's filter sees nothing of these frames, the sub-port's all.
namespace cloudos::network::linuxbridge {

/// The pair's other end, up and led to `tag` of `parent` and back. Writes only what differs.
/// Errors: Unavailable.
Result<void> lead_sub_port(Netlink& netlink, const Link& end, const Link& parent,
                           std::uint32_t tag);
/// Takes `tag` off the parent's device again if it leads to the device `end` (an index). Success
/// when it does not.
Result<void> drop_sub_port(Netlink& netlink, const Link& parent, std::uint32_t tag, int end);
/// Frees the parent's device of every tag that leads elsewhere than `wanted` (a device's index by
/// tag) says: of what an earlier run left, too.
Result<void> keep_sub_ports(Netlink& netlink, const Link& parent,
                            const std::map<std::uint32_t, int>& wanted);
/// Which of a sub-port's two programs are there.
struct SubPortWays {
  bool from_parent = false, to_parent = false;
};
Result<SubPortWays> look_at_sub_port(Netlink& netlink, const Link& end, const Link& parent,
                                     std::uint32_t tag);
/// Tries it with two devices that are there. Errors: Unavailable.
Result<void> try_sub_ports(Netlink& netlink, const Link& device, const Link& other);

}  // namespace cloudos::network::linuxbridge
