#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "network/linuxbridge/netlink.hpp"

/// What traffic control does with frames as they come in by a device.
namespace cloudos::network::linuxbridge {

/// One filter at a device's entrance. Lower orders come first.
struct Entrance {
  std::uint32_t order = 0;
  std::string kind;  ///< "u32", "bpf"
  std::string name;  ///< Of a program.
};
/// In their order; none when the device has no such place.
Result<std::vector<Entrance>> list_entrances(Netlink& netlink, const Link& link);
/// Indexes of the devices that have such a place: one question for the whole host.
Result<std::set<int>> devices_with_entrances(Netlink& netlink);
/// Makes the place for them. Success when it is there.
Result<void> open_entrance(Netlink& netlink, const Link& link);
/// Takes one filter away, and the place with the last. Success when it is gone already.
Result<void> drop_entrance(Netlink& netlink, const Link& link, std::uint32_t order);
/// A message that adds a filter: its kind and options are the caller's to append.
NetlinkMessage entrance_message(const Link& link, std::uint32_t order, std::uint16_t flags);

/// The order of the filter that sends everything round by another device; programs come before it.
inline constexpr std::uint32_t kShapingOrder = 0xc000;

}  // namespace cloudos::network::linuxbridge
