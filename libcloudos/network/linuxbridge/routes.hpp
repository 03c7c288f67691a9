#pragma once
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "cloudos/result.hpp"
#include "network/linuxbridge/netlink.hpp"

/// Routes, neighbours and forwarding entries by rtnetlink.
namespace cloudos::network::linuxbridge {

/// A unicast route of the main table that the kernel did not make by itself.
struct Route {
  std::string destination;  ///< "10.1.0.0/16"; defaults are "0.0.0.0/0" and "::/0".
  std::string via;
  int link = 0;
  friend auto operator<=>(const Route&, const Route&) = default;
};
/// Both families. Errors: Unavailable.
Result<std::vector<Route>> list_routes(Netlink& netlink);
/// The next hop is taken to be on the link, whatever the link's own addresses say.
Result<void> add_route(Netlink& netlink, const Route& route);
/// Success when it is gone already.
Result<void> delete_route(Netlink& netlink, const Route& route);

/// Where a MAC is: behind a tunnel (`remote`), or (empty) behind the port of a bridge.
struct Forward {
  std::string mac;     ///< All zeros: what is for everybody or for nobody known.
  std::string remote;  ///< The other host's tunnel address.
  friend auto operator<=>(const Forward&, const Forward&) = default;
};
/// The permanent entries of one tunnel device.
Result<std::vector<Forward>> list_forwards(Netlink& netlink, const Link& tunnel);
Result<void> add_forward(Netlink& netlink, const Link& tunnel, const Forward& forward);
Result<void> delete_forward(Netlink& netlink, const Link& tunnel, const Forward& forward);

/// Whose MAC an address has, as a bridge answers for it.
struct Neighbour {
  std::string address, mac;
  friend auto operator<=>(const Neighbour&, const Neighbour&) = default;
};
/// The permanent entries of a link, both families.
Result<std::vector<Neighbour>> list_neighbours(Netlink& netlink, const Link& link);
Result<void> add_neighbour(Netlink& netlink, const Link& link, const Neighbour& neighbour);
Result<void> delete_neighbour(Netlink& netlink, const Link& link, const Neighbour& neighbour);

/// A bridge's port that learns nothing; the bridge answers for known neighbours behind it.
Result<void> answer_for_neighbours(Netlink& netlink, const Link& port);

}  // namespace cloudos::network::linuxbridge
