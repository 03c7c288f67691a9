#include <fmt/format.h>
#include <linux/netlink.h>

#include <algorithm>

#include "network/linuxbridge/inspect.hpp"
#include "network/linuxbridge/inspect_tables.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/trace_rules.hpp"

// Anti-spoofing and groups of one port, as the kernel has them.
namespace cloudos::network::linuxbridge {
namespace {

using tracing::tell;
using Place = Inspection::Place;

std::string quoted(const std::string& name) {
  return "\"" + name + "\"";
}

/// The sets that a rule's remote is looked for in: one of them has to have the address.
void compare_members(LiveTables& live, const Names& names, const RulePlan& rule,
                     const Packet& packet, Finding& finding) {
  const std::string& remote = rule.ingress ? packet.source : packet.destination;
  const char family = rule.ipv6 ? '6' : '4';
  std::vector<std::string> sets;
  if (!rule.remote_group.empty()) {
    const std::string brief = names.brief(rule.remote_group.value);
    sets = {fmt::format("m{}_{}", family, brief), fmt::format("p{}_{}", family, brief)};
  } else if (!rule.remote_address_group.empty()) {
    sets = {fmt::format("a{}_{}", family, names.brief(rule.remote_address_group.value))};
  }
  if (sets.empty()) return;
  const bool there = std::any_of(sets.begin(), sets.end(), [&](const auto& set) {
    return live.element("inet", names.table(), set, remote).has_value();
  });
  if (there) return;
  finding.fault(
      tell("The address {} is missing among those that the rule's group lets through.", remote),
      fmt::format("inet {}, set {}: {} is missing", names.table(), sets.front(), remote));
}

void compare_sender(FilterComparison& compare, const std::string& brief, const std::string& tap) {
  compare.chain("bridge", "prerouting");
  compare.chain("bridge", "s_" + brief);
  compare.element("bridge", "spoof", tap);
  compare.element("bridge", "secured", tap, true);
}

void compare_egress(FilterComparison& compare, const std::string& brief, const std::string& mark) {
  compare.chain("inet", "egress");
  compare.chain("inet", "e_" + brief);
  compare.chain("inet", "egress_start");
  compare.chain("inet", "tracked");
  compare.chain("inet", "passed");
  compare.element("inet", "egress_of", mark);
}

void compare_ingress(FilterComparison& compare, const std::string& brief, const std::string& tap,
                     const std::string& mark) {
  compare.chain("bridge", "forward_from", true);
  compare.chain("bridge", "forward_to", true);
  compare.chain("inet", "ingress");
  compare.chain("inet", "i_" + brief);
  compare.chain("inet", "ingress_start");
  compare.chain("inet", "tracked");
  compare.chain("inet", "passed");
  compare.element("bridge", "out_mark", tap);
  compare.element("bridge", "secured", tap, true);
  compare.element("inet", "ingress_of", mark);
}

/// What the filter should hold for the question's port.
Ruleset rules_for(const Names& names, const Inspection& asked, const PortPlan& port,
                  const FilterNetwork& network, int tap) {
  Ruleset rules = empty_ruleset(names);
  std::vector<std::string> rejected;  // The driver reported those when it wrote them.
  FilterPort in_filter{&port, tap, network, true};
  for (const auto& [id, group] : asked.plan->groups) {
    if (!group.stateful) in_filter.stateful = false;
    if (id == asked.group) put_group(rules, names, group, rejected);
  }
  put_port(rules, names, in_filter, rejected);
  return rules;
}

}  // namespace

Result<Finding> Inspector::filter(const Inspection& asked) const {
  Finding finding;
  const auto port = asked.plan->ports.find(asked.port);
  if (port == asked.plan->ports.end()) return finding;
  finding.known = true;
  CLOUDOS_TRY(auto netlink, Netlink::open(NETLINK_ROUTE));
  CLOUDOS_TRY(const auto tap, find_link(netlink, port->second.tap));
  if (!tap) return finding;  // The device's own hop tells of it.
  const auto network = asked.plan->networks.find(port->second.network);
  FilterNetwork in_filter;
  if (network != asked.plan->networks.end()) {
    in_filter.bridge = bridge_name(network->second);
    in_filter.isolated = network->second.type != "flat";
    CLOUDOS_TRY(const auto bridge, find_link(netlink, in_filter.bridge));
    if (bridge && in_filter.isolated) in_filter.zone = std::max(1, bridge->index & 0xffff);
  }
  CLOUDOS_TRY(auto live, LiveTables::open());
  const std::string table = names_.table();
  finding.device = port->second.tap;
  if (!live.has_table("bridge", table)) {
    finding.fault(tell("The packet filter of the host is gone: nothing is filtered."),
                  fmt::format("table bridge {} is not there", table), false);
    return finding;
  }
  if (!live.has_table("inet", table)) {
    finding.fault(tell("The rules of the host's packet filter are gone: nothing passes."),
                  fmt::format("table inet {} is not there", table));
    return finding;
  }
  const Ruleset rules = rules_for(names_, asked, port->second, in_filter, tap->index);
  const std::string brief = names_.brief(asked.port.value);
  const std::string device = quoted(port->second.tap);
  const auto& marks = rules.bridge.sets.at("out_mark").elements;
  const auto mark = marks.find(device);
  const std::string mark_text = mark == marks.end() ? "" : mark->second;
  FilterComparison compare(live, rules, finding);
  if (asked.place == Place::Sender) compare_sender(compare, brief, device);
  if (asked.place == Place::Egress) compare_egress(compare, brief, mark_text);
  if (asked.place == Place::Ingress) compare_ingress(compare, brief, device, mark_text);
  const auto group = asked.plan->groups.find(asked.group);
  if (group != asked.plan->groups.end() && !asked.group.empty()) {
    const bool ingress = asked.place == Place::Ingress;
    compare.any_rule("inet", (ingress ? "gi_" : "ge_") + names_.brief(asked.group.value));
    for (const RulePlan& rule : group->second.rules)
      compare_members(live, names_, rule, asked.packet, finding);
  }
  CLOUDOS_CHECK(compare.finish());
  if (asked.place == Place::Sender) return finding;
  CLOUDOS_TRY(finding.connections, live_connections(asked.packet, in_filter.zone));
  return finding;
}

Result<Finding> Inspector::network(const Inspection& asked) const {
  Finding finding;
  const auto plan = asked.plan->networks.find(asked.network);
  if (plan == asked.plan->networks.end()) return finding;
  finding.known = true;
  const bool isolated = plan->second.type != "flat";
  finding.device = bridge_name(plan->second);
  if (finding.device.empty()) {
    finding.fault(tell("This host has no bridge of the network's physical network."),
                  "no bridge for " + plan->second.physical_network);
    finding.faults.back().remedy = tell(
        "Name a bridge for it in the configuration of the host: bridge_mappings of [network].");
    return finding;
  }
  CLOUDOS_TRY(auto netlink, Netlink::open(NETLINK_ROUTE));
  CLOUDOS_TRY(const auto bridge, live_link(netlink, finding.device));
  // A physical network's bridge is the operator's: the driver neither makes it nor turns it on.
  const auto left_alone = [&](std::string remedy) {
    if (!isolated) finding.faults.back().remedy = std::move(remedy);
  };
  if (!bridge) {
    tell_missing_bridge(plan->second, finding);
    return finding;
  }
  if (isolated && bridge->link.alias != names_.alias(asked.network.value)) {
    finding.fault(tell("Another device has the name of the network's bridge."),
                  finding.device + " carries no mark of ours");
    finding.faults.back().remedy = remedy_of_foreign();
  }
  if (!bridge->link.up) {
    finding.fault(tell("The network's bridge is down."), finding.device + " is down");
    left_alone(tell("Turn the physical network's bridge on: its host leaves it as it is."));
  }
  const auto filtered = read_small_file("/proc/sys/net/bridge/bridge-nf-call-iptables");
  if (!filtered || filtered->empty() || filtered->front() != '1')
    finding.fault(tell("Bridged packets do not pass the host's packet filter, and are dropped."),
                  "net.bridge.bridge-nf-call-iptables is not 1");
  CLOUDOS_TRY(auto live, LiveTables::open());
  for (const auto& stranger : live.strangers(names_.table())) {
    finding.fault(tell("Another packet filter of the host drops what it does not know, and sees "
                       "packets of this network, too."),
                  stranger.name + " has policy drop", stranger.closed);
    finding.faults.back().remedy =
        tell("Have it accept bridged packets, or take it away: it is none of ours.");
  }
  return finding;
}

}  // namespace cloudos::network::linuxbridge
