#include <fmt/format.h>
#include <linux/netlink.h>

#include "network/linuxbridge/routes.hpp"
#include "network/linuxbridge/wires.hpp"

/// The tunnels of networks that span hosts: where each address is on other hosts is written, not
/// learned, and bridges answer for it.
namespace cloudos::network::linuxbridge {
namespace {

constexpr const char* kNobody = "00:00:00:00:00:00";

}  // namespace

Result<void> Wires::ensure_tunnel(const NetworkPlan& plan, const Link& bridge,
                                  const LinkFinder& find) {
  const std::string name = names_.tunnel(plan.id.value);
  const std::string alias = names_.alias(plan.id.value);
  CLOUDOS_TRY(auto link, find(name));
  if (link && !is_ours(*link, plan.id))
    return fail(ErrorCode::Conflict,
                "device " + name + " is on the host and not ours; rename or remove it");
  if (!link) {
    CLOUDOS_TRY(auto made, add_vxlan(netlink_, name, alias, names_.mac(plan.id.value), plan.mtu,
                                     plan.segmentation_id, settings_.tunnel_address));
    link = std::move(made);
  }
  const bool joined = link->master == bridge.index;
  CLOUDOS_CHECK(adjust(netlink_, *link,
                       {.up = true, .mtu = plan.mtu, .master = bridge.index, .alias = alias}));
  if (!joined) CLOUDOS_CHECK(answer_for_neighbours(netlink_, *link));
  return ensure_forwards(plan, *link, bridge);
}

Result<void> Wires::ensure_forwards(const NetworkPlan& plan, const Link& tunnel,
                                    const Link& bridge) {
  std::set<Forward> forwards;
  std::set<Neighbour> neighbours;
  for (const auto& host : plan.remote_hosts) {
    if (const auto ip = parse_ip(host)) forwards.insert({kNobody, ip->address});
  }
  for (const auto& port : plan.remote_ports) {
    const auto mac = parse_mac(port.mac);
    const auto end = parse_ip(port.tunnel_address);
    if (!mac || !end) continue;
    forwards.insert({*mac, end->address});
    for (const auto& text : port.addresses)
      if (const auto ip = parse_ip(text)) neighbours.insert({ip->address, *mac});
  }
  CLOUDOS_TRY(const auto has, list_forwards(netlink_, tunnel));
  for (const auto& one : has)
    if (forwards.erase(one) == 0) CLOUDOS_CHECK(delete_forward(netlink_, tunnel, one));
  for (const auto& one : forwards) CLOUDOS_CHECK(add_forward(netlink_, tunnel, one));
  CLOUDOS_TRY(const auto known, list_neighbours(netlink_, bridge));
  for (const auto& one : known)
    if (neighbours.erase(one) == 0) CLOUDOS_CHECK(delete_neighbour(netlink_, bridge, one));
  for (const auto& one : neighbours) CLOUDOS_CHECK(add_neighbour(netlink_, bridge, one));
  return Result<void>();
}

}  // namespace cloudos::network::linuxbridge
