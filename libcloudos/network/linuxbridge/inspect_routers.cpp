#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>

#include <algorithm>

#include "network/linuxbridge/inspect.hpp"
#include "network/linuxbridge/inspect_tables.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/router_rules.hpp"
#include "network/trace_rules.hpp"

// Routers, as their namespaces have them.
namespace cloudos::network::linuxbridge {
namespace {

using tracing::tell;

const RouterPortPlan* leg_of_plan(const RouterPlan& plan, const PortId& id) {
  for (const auto& leg : plan.legs)
    if (leg.port == id) return &leg;
  return plan.gateway && plan.gateway->port == id ? &*plan.gateway : nullptr;
}

bool switched_on(const char* path) {
  const auto value = read_small_file(path);
  return value && !value->empty() && value->front() != '0';
}

bool never_answers(const LiveNeighbour& neighbour) {
  return (neighbour.state & (NUD_FAILED | NUD_INCOMPLETE)) != 0;
}

void compare_leg(const Inspection& asked, const std::optional<LiveLink>& inner,
                 const std::string& name, const std::vector<LinkAddress>& has, Finding& finding) {
  if (!inner) {
    finding.fault(tell("The router's leg is missing in its namespace."), "no device " + name);
    return;
  }
  if (!inner->link.up) finding.fault(tell("The router's leg is down."), name + " is down");
  for (const auto& address : asked.addresses) {
    const bool there = std::any_of(has.begin(), has.end(),
                                   [&](const auto& one) { return one.address == address; });
    if (!there)
      finding.fault(tell("The router's leg has lost its address {}.", address),
                    fmt::format("{} has no {}", name, address));
  }
}

}  // namespace

Result<Finding> Inspector::router(const Inspection& asked) const {
  Finding finding;
  finding.known = true;
  finding.device = names_.netns(asked.router.value);
  const auto netns = open_netns(finding.device);
  if (!netns) {
    // Whoever has it open keeps it alive.
    CLOUDOS_TRY(auto netlink, Netlink::open(NETLINK_ROUTE));
    CLOUDOS_TRY(const auto leg, live_link(netlink, leg_outer(names_, asked.port)));
    const bool lives = leg && leg->link.up && leg->carrier;
    finding.fault(lives ? tell("The router's namespace has lost its name: packets may still pass, "
                               "but nobody can look into it.")
                        : tell("The router's namespace is not there."),
                  "no namespace " + finding.device, !lives);
    return finding;
  }
  const bool v6 = asked.packet.v6();
  CLOUDOS_CHECK(run_in_netns(netns->get(), [&]() -> Result<void> {
    if (!switched_on(v6 ? "/proc/sys/net/ipv6/conf/all/forwarding"
                        : "/proc/sys/net/ipv4/ip_forward")) {
      finding.fault(tell("Routing is switched off in the router's namespace."),
                    v6 ? "net.ipv6.conf.all.forwarding is 0" : "net.ipv4.ip_forward is 0");
      finding.faults.back().remedy =
          tell("Turn it on again there, or start the host's service anew: it does that then.");
    }
    return Result<void>();
  }));
  return finding;
}

Result<Finding> Inspector::leg(const Inspection& asked) const {
  Finding finding;
  const auto plan = asked.plan->routers.find(asked.router);
  const auto network = asked.plan->networks.find(asked.network);
  if (plan == asked.plan->routers.end() || network == asked.plan->networks.end()) return finding;
  finding.known = true;
  const std::string outer_name = leg_outer(names_, asked.port);
  const std::string inner_name = leg_inner(names_, asked.port);
  finding.device = outer_name;
  CLOUDOS_TRY(auto netlink, Netlink::open(NETLINK_ROUTE));
  CLOUDOS_TRY(const auto outer, live_link(netlink, outer_name));
  CLOUDOS_TRY(const auto bridge, find_link(netlink, bridge_name(network->second)));
  if (!outer) {
    finding.fault(tell("The router's leg is not there."), "no device " + outer_name);
    return finding;
  }
  finding.packets = outer->received;
  if (!bridge) {
    tell_missing_bridge(network->second, finding);
  } else if (!outer->link.up) {
    finding.fault(tell("The router's leg is down."), outer_name + " is down");
  } else if (outer->link.master != bridge->index) {
    finding.fault(tell("The router's leg is not in the bridge of its network."),
                  fmt::format("{} has master {}", outer_name, outer->link.master));
  }
  const auto netns = open_netns(names_.netns(asked.router.value));
  if (!netns) return finding;  // The router's own hop tells of it.
  CLOUDOS_CHECK(run_in_netns(netns->get(), [&]() -> Result<void> {
    CLOUDOS_TRY(auto inside, Netlink::open(NETLINK_ROUTE));
    CLOUDOS_TRY(const auto inner, live_link(inside, inner_name));
    std::vector<LinkAddress> has;
    if (inner) {
      CLOUDOS_TRY(has, list_addresses(inside, inner->link));
    }
    compare_leg(asked, inner, inner_name, has, finding);
    return Result<void>();
  }));
  return finding;
}

Result<Finding> Inspector::route(const Inspection& asked) const {
  Finding finding;
  const auto plan = asked.plan->routers.find(asked.router);
  const auto netns = open_netns(names_.netns(asked.router.value));
  if (plan == asked.plan->routers.end() || !netns) return finding;
  const auto* leg = leg_of_plan(plan->second, asked.port);
  if (leg == nullptr) return finding;
  finding.known = true;
  const std::string name = leg_inner(names_, asked.port);
  finding.device = name;
  const std::string& to = asked.packet.destination;
  const std::string& next = asked.via.empty() ? to : asked.via;
  CLOUDOS_CHECK(run_in_netns(netns->get(), [&]() -> Result<void> {
    CLOUDOS_TRY(auto inside, Netlink::open(NETLINK_ROUTE));
    CLOUDOS_TRY(const auto link, find_link(inside, name));
    CLOUDOS_TRY(const auto route, live_route(inside, to));
    if (!route) {
      finding.fault(tell("The router's namespace has no route to {}.", to),
                    fmt::format("no route to {} by {}", to, name));
      return Result<void>();
    }
    if (!link || route->link != link->index || route->via != asked.via) {
      finding.fault(tell("The router's namespace sends {} another way than it should.", to),
                    fmt::format("by device {}, next hop \"{}\", not by {}, next hop \"{}\"",
                                route->link, route->via, name, asked.via));
      return Result<void>();
    }
    CLOUDOS_TRY(const auto neighbour, live_neighbour(inside, link->index, next));
    if (neighbour && never_answers(*neighbour)) {
      finding.fault(tell("Nobody answered when the router last asked for the next hop."),
                    fmt::format("{}: {} has failed", name, next), false);
      finding.faults.back().remedy = tell("Look whether the next hop is there and up.");
    }
    return Result<void>();
  }));
  return finding;
}

Result<Finding> Inspector::translation(const Inspection& asked) const {
  Finding finding;
  const auto plan = asked.plan->routers.find(asked.router);
  const auto netns = open_netns(names_.netns(asked.router.value));
  if (plan == asked.plan->routers.end() || !netns) return finding;
  finding.known = true;
  finding.device = names_.netns(asked.router.value);
  std::vector<std::string> rejected;
  const Ruleset rules = router_ruleset(names_, plan->second, rejected);
  const bool in = asked.place == Inspection::Place::TranslateIn;
  const Packet& packet = asked.packet;
  CLOUDOS_CHECK(run_in_netns(netns->get(), [&]() -> Result<void> {
    CLOUDOS_TRY(auto live, LiveTables::open());
    if (!live.has_table("inet", rules.table)) {
      finding.fault(tell("The router's address translation is gone."),
                    fmt::format("table inet {} is not there", rules.table));
      return Result<void>();
    }
    FilterComparison compare(live, rules, finding);
    compare.chain("inet", in ? "translate_in" : "translate_out");
    if (in) {
      compare.element("inet", "floating", packet.destination);
    } else {
      compare.element("inet", "fixed", packet.source);
    }
    CLOUDOS_CHECK(compare.finish());
    CLOUDOS_TRY(finding.connections, live_connections(packet, 0));
    return Result<void>();
  }));
  return finding;
}

}  // namespace cloudos::network::linuxbridge
