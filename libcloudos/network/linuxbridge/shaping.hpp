#pragma once
#include <string>

#include "cloudos/network_driver.hpp"
#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netlink.hpp"

/// Bandwidth limits by traffic control.
namespace cloudos::network::linuxbridge {

/// Keeps a tap's queues as `qos` wants: a token bucket towards the guest; what the guest sends goes
/// round by a device of its own, on whose way out another one is. Writes only what differs.
/// Errors: Unavailable.
Result<void> shape(Netlink& netlink, const Names& names, const PortId& port, const Link& tap,
                   const QosPlan& qos);
/// Takes the port's device away; the tap's own queues go with the tap.
Result<void> unshape(Netlink& netlink, const Names& names, const PortId& port);

/// The token bucket at a link's root: bytes a second and bytes; both 0 when there is none.
struct Bucket {
  std::uint64_t rate = 0;
  std::uint32_t burst = 0;
  friend bool operator==(const Bucket&, const Bucket&) = default;
};
Result<Bucket> bucket_of(Netlink& netlink, const Link& link);

}  // namespace cloudos::network::linuxbridge
