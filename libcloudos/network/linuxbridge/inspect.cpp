#include "network/linuxbridge/inspect.hpp"

#include <fmt/format.h>
#include <linux/if_bridge.h>
#include <linux/netlink.h>

#include <algorithm>

#include "base/text.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/router_rules.hpp"
#include "network/linuxbridge/routes.hpp"
#include "network/linuxbridge/sub_ports.hpp"
#include "network/trace_rules.hpp"

// Devices, bridges, tunnels and DHCP; the packet filter is in inspect_filter.cpp, routers are in
// inspect_routers.cpp.
namespace cloudos::network::linuxbridge {
namespace {

using tracing::tell;

constexpr const char* kFlood = "00:00:00:00:00:00";

std::string tell_of_link(const Link& link) {
  return fmt::format("{} is {}, master {}", link.name, link.up ? "up" : "down", link.master);
}

/// A server's lease of the address; empty: it has given none.
std::string lease_of(const std::string& leases, const std::string& address) {
  for (const auto line : split(leases, '\n')) {
    const auto fields = split(line, ' ');
    if (fields.size() >= 3 && fields[2] == address) return std::string(fields[0]);
  }
  return {};
}

/// Whether a line of the server's host file gives the MAC the address.
bool hands_out(const std::string& hosts, const std::string& mac, const std::string& address) {
  for (const auto line : split(hosts, '\n')) {
    const bool of_mac = line.find(mac) != std::string_view::npos;
    const auto fields = split(line, ',');
    const std::string in_brackets = "[" + address + "]";
    const bool of_address = std::any_of(fields.begin(), fields.end(), [&](const auto& field) {
      return field == address || field == in_brackets;
    });
    if (of_mac && of_address) return true;
  }
  return false;
}

/// Whether a sub-port's frames get from its trunk's parent to its own device, or back.
Result<void> look_at_tag(Netlink& netlink, const std::string& end_name, const Link& parent,
                         std::uint32_t tag, bool receives, Finding& finding) {
  CLOUDOS_TRY(const auto end, find_link(netlink, end_name));
  if (!end || !end->up) {
    finding.fault(
        tell("What joins the sub-port with the device of its trunk's parent is missing or down."),
        end ? tell_of_link(*end) : "no device " + end_name);
    return Result<void>();
  }
  CLOUDOS_TRY(const auto ways, look_at_sub_port(netlink, *end, parent, tag));
  if (!ways.from_parent)
    finding.fault(tell("The program that takes the sub-port's tag off what its guest sends is "
                       "missing."),
                  fmt::format("{}: no program for tag {} to {}", parent.name, tag, end_name),
                  !receives);
  if (!ways.to_parent)
    finding.fault(tell("The program that puts the sub-port's tag on what its guest gets is "
                       "missing."),
                  fmt::format("{}: no program for tag {} to {}", end_name, tag, parent.name),
                  receives);
  return Result<void>();
}

struct TunnelEntries {
  bool own = false, elsewhere = false, flood = false;
};

TunnelEntries entries_of(const std::vector<LiveForward>& forwards, int tunnel,
                         const std::string& mac, const std::string& remote) {
  TunnelEntries found;
  for (const auto& one : forwards) {
    if (one.device != tunnel || one.remote.empty()) continue;
    if (one.mac == mac) (one.remote == remote ? found.own : found.elsewhere) = true;
    if (one.mac == kFlood && one.remote == remote) found.flood = true;
  }
  return found;
}

}  // namespace

std::string remedy_of_foreign() {
  return tell("Rename or remove that device: the host leaves what it did not make as it is.");
}

std::string Inspector::bridge_name(const NetworkPlan& plan) const {
  if (plan.type != "flat") return names_.bridge(plan.id.value);
  const auto mapping = settings_.physical_bridges.find(plan.physical_network);
  return mapping == settings_.physical_bridges.end() ? "" : mapping->second;
}

void Inspector::tell_missing_bridge(const NetworkPlan& plan, Finding& finding) const {
  finding.fault(tell("The network's bridge is not there."), "no device " + bridge_name(plan));
  // A physical network's bridge is the operator's: the driver does not make it.
  if (plan.type == "flat")
    finding.faults.back().remedy =
        tell("Make the bridge that bridge_mappings of [network] names on the host.");
}

Result<Finding> Inspector::look(const Inspection& asked) const {
  if (!asked.plan) return Finding();
  switch (asked.place) {
    case Inspection::Place::Device:
      return device(asked);
    case Inspection::Place::Sender:
    case Inspection::Place::Egress:
    case Inspection::Place::Ingress:
      return filter(asked);
    case Inspection::Place::Network:
      return network(asked);
    case Inspection::Place::Forwarding:
      return forwarding(asked);
    case Inspection::Place::Dhcp:
      return dhcp(asked);
    case Inspection::Place::Router:
      return router(asked);
    case Inspection::Place::Leg:
      return leg(asked);
    case Inspection::Place::Route:
      return route(asked);
    case Inspection::Place::TranslateIn:
    case Inspection::Place::TranslateOut:
      return translation(asked);
  }
  return Finding();
}

Result<Finding> Inspector::device(const Inspection& asked) const {
  Finding finding;
  const auto port = asked.plan->ports.find(asked.port);
  const auto network = asked.plan->networks.find(asked.network);
  if (port == asked.plan->ports.end() || network == asked.plan->networks.end()) return finding;
  finding.known = true;
  finding.device = port->second.tap;
  CLOUDOS_TRY(auto netlink, Netlink::open(NETLINK_ROUTE));
  CLOUDOS_TRY(const auto tap, live_link(netlink, port->second.tap));
  if (!tap) {
    finding.fault(tell("The port's device is not there."), "no device " + port->second.tap);
    return finding;
  }
  finding.packets = asked.receives ? tap->sent : tap->received;
  if (const std::string& name = port->second.parent_tap; !name.empty()) {
    CLOUDOS_TRY(const auto parent, find_link(netlink, name));
    if (!parent || !parent->up)
      finding.fault(tell("The device of the trunk's parent port is missing or down."), name);
    if (parent)
      CLOUDOS_CHECK(look_at_tag(netlink, names_.sub_end(asked.port.value), *parent,
                                port->second.sub_tag, asked.receives, finding));
  }
  if (tap->link.alias != names_.alias(asked.port.value)) {
    finding.fault(tell("Another device has the name of the port's."),
                  tap->link.name + " carries no mark of ours");
    finding.faults.back().remedy = remedy_of_foreign();
  }
  const std::string bridge_device = bridge_name(network->second);
  CLOUDOS_TRY(const auto bridge, find_link(netlink, bridge_device));
  if (!bridge) {
    tell_missing_bridge(network->second, finding);
  } else if (!tap->link.up) {
    finding.fault(tell("The port's device is down."), tell_of_link(tap->link));
  } else if (tap->link.master == 0) {
    finding.fault(tell("The port's device is in no bridge."), tell_of_link(tap->link));
  } else if (tap->link.master != bridge->index) {
    finding.fault(tell("The port's device is in another network's bridge."),
                  fmt::format("{}, not {}", tell_of_link(tap->link), bridge_device));
  } else if (!tap->carrier) {
    finding.fault(tell("Nobody is at the other end of the port's device: its guest does not run."),
                  tap->link.name + " has no carrier");
    finding.faults.back().remedy = tell("Start the server that uses it.");
  } else if (bridge->up && tap->bridge_state && *tap->bridge_state != BR_STATE_FORWARDING) {
    finding.fault(
        tell("The bridge does not forward for the port's device."),
        fmt::format("{} is a bridge port in state {}", tap->link.name, *tap->bridge_state));
    finding.faults.back().remedy =
        tell("It may be learning still; if it stays so, look at the bridge's spanning tree.");
  }
  return finding;
}

Result<Finding> Inspector::forwarding(const Inspection& asked) const {
  Finding finding;
  const auto plan = asked.plan->networks.find(asked.network);
  if (plan == asked.plan->networks.end()) return finding;
  CLOUDOS_TRY(auto netlink, Netlink::open(NETLINK_ROUTE));
  finding.device = bridge_name(plan->second);
  CLOUDOS_TRY(const auto bridge, find_link(netlink, finding.device));
  if (!bridge) return finding;
  if (!asked.tunnel_address.empty()) return tunnel(asked, plan->second, *bridge, netlink);
  finding.known = true;
  std::string expected = asked.peer_device;
  if (expected.empty()) {
    expected = plan->second.dhcp_mac == asked.packet.destination_mac
                   ? names_.dhcp_outer(asked.network.value)
                   : leg_outer(names_, asked.port);
  }
  CLOUDOS_TRY(const auto peer, find_link(netlink, expected));
  CLOUDOS_TRY(const auto forwards, live_forwards(netlink));
  for (const auto& one : forwards) {
    if (one.master != bridge->index || one.mac != asked.packet.destination_mac) continue;
    if (peer && one.device == peer->index) {
      finding.note = fmt::format("{} is known behind {}", one.mac, expected);
      return finding;
    }
    finding.fault(tell("The network's bridge sends what is for the receiver to another device."),
                  fmt::format("{}: {} is known behind device {}, not behind {}", finding.device,
                              one.mac, one.device, expected));
    finding.faults.back().remedy = tell(
        "Find who else sends with the receiver's MAC; an entry set by hand has to be taken "
        "away by hand.");
    return finding;
  }
  finding.note = asked.packet.destination_mac + " is not known yet: frames go to every port";
  return finding;
}

Result<Finding> Inspector::tunnel(const Inspection& asked, const NetworkPlan& plan,
                                  const Link& bridge, Netlink& netlink) const {
  Finding finding;
  finding.known = true;
  finding.device = names_.tunnel(plan.id.value);
  const std::string& mac = asked.packet.destination_mac;
  const std::string& remote = asked.tunnel_address;
  CLOUDOS_TRY(const auto link, live_link(netlink, finding.device));
  if (!link) {
    finding.fault(tell("The network's tunnel is not there."), "no device " + finding.device);
    return finding;
  }
  finding.packets = link->sent;
  if (!link->link.up)
    finding.fault(tell("The network's tunnel is down."), tell_of_link(link->link));
  if (link->link.master != bridge.index)
    finding.fault(tell("The network's tunnel is not in its bridge."), tell_of_link(link->link));
  CLOUDOS_TRY(const auto forwards, live_forwards(netlink));
  const auto entries = entries_of(forwards, link->link.index, mac, remote);
  const std::string table = fmt::format("{}: forwarding of {} to {}", finding.device, mac, remote);
  if (entries.elsewhere && !entries.own) {
    finding.fault(tell("The tunnel sends what is for the receiver to another host."), table);
  } else if (!entries.own && !entries.flood) {
    finding.fault(tell("The tunnel does not know the receiver's host: its forwarding entries are "
                       "missing."),
                  table + " is missing, and so is that of broadcasts");
  } else if (!entries.own) {
    finding.fault(tell("The receiver's forwarding entry is missing: its frames go to every host."),
                  table + " is missing", false);
  } else if (!entries.flood) {
    finding.fault(
        tell("Broadcasts do not reach the receiver's host: a forwarding entry is "
             "missing."),
        fmt::format("{}: forwarding of {} to {} is missing", finding.device, kFlood, remote),
        false);
  }
  std::string address;
  for (const auto& port : plan.remote_ports)
    if (port.mac == mac && !port.addresses.empty()) address = port.addresses.front();
  for (const auto& port : plan.remote_ports)
    for (const auto& own : port.addresses)
      if (port.mac == mac && own == asked.packet.destination) address = own;
  if (address.empty()) return finding;
  CLOUDOS_TRY(const auto neighbour, live_neighbour(netlink, bridge.index, address));
  if (!neighbour || neighbour->mac != mac)
    finding.fault(tell("The bridge does not answer for the receiver's address: a neighbour entry "
                       "is missing."),
                  fmt::format("{}: {} with {} is missing", bridge.name, address, mac),
                  !entries.flood);
  return finding;
}

Result<Finding> Inspector::dhcp(const Inspection& asked) const {
  Finding finding;
  const auto found = asked.plan->networks.find(asked.network);
  if (found == asked.plan->networks.end()) return finding;
  const NetworkPlan& plan = found->second;
  const bool own_business = asked.port.empty();  // Is the server itself what is asked for?
  finding.known = true;
  finding.device = names_.netns(plan.id.value);
  const auto off = [&](std::string text, std::string detail) {
    finding.fault(std::move(text), std::move(detail), own_business);
  };
  CLOUDOS_TRY(auto netlink, Netlink::open(NETLINK_ROUTE));
  const auto netns = open_netns(finding.device);
  if (!netns) off(tell("The namespace of the network's DHCP server is not there."), finding.device);
  const std::string outer_name = names_.dhcp_outer(plan.id.value);
  CLOUDOS_TRY(const auto outer, find_link(netlink, outer_name));
  CLOUDOS_TRY(const auto bridge, find_link(netlink, bridge_name(plan)));
  if (!outer || !outer->up || !bridge || outer->master != bridge->index)
    off(tell("The link of the network's DHCP server is missing, down, or in no bridge."),
        outer ? tell_of_link(*outer) : "no device " + outer_name);
  const std::string folder = settings_.networks_dir + "/" + plan.id.value;
  const auto server = Dnsmasq("", folder).pid();
  if (!server) off(tell("The network's DHCP server does not run."), "no dnsmasq for " + folder);
  if (server && netns && !same_netns(netns->get(), fmt::format("/proc/{}/ns/net", *server)))
    off(tell("The network's DHCP server runs in a namespace that is no more."),
        fmt::format("process {} is not in {}", *server, finding.device));
  const auto port = asked.plan->ports.find(asked.port);
  if (port == asked.plan->ports.end()) return finding;
  const std::string& address = asked.packet.source;
  const auto hosts = read_small_file(folder + "/hosts");
  if (!hosts || !hands_out(*hosts, port->second.mac, address))
    off(tell("The DHCP server does not know the port's address."),
        fmt::format("{}/hosts has no {} with {}", folder, port->second.mac, address));
  const std::string lease = lease_of(read_small_file(folder + "/leases").value_or(""), address);
  if (!lease.empty()) {
    finding.note = fmt::format("the lease of {} ends at {}", address, lease);
  } else if (finding.faults.empty()) {
    finding.fault(tell("The guest has asked for no lease of its address yet, or has it set by "
                       "hand."),
                  "no lease of " + address, false);
    finding.faults.back().remedy =
        tell("Look whether the guest has the address: cloudos console log show SERVER");
  }
  return finding;
}

}  // namespace cloudos::network::linuxbridge
