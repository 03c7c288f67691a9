#include "network/trace_path.hpp"

#include <algorithm>

#include "network/ip.hpp"
#include "network/l3_records.hpp"
#include "network/record.hpp"
#include "network/rules.hpp"
#include "network/trace_walker.hpp"

namespace cloudos::network::tracing {
namespace {

constexpr std::string_view kMetadata = "169.254.169.254";
constexpr std::string_view kBroadcast = "255.255.255.255";

bool same_family(const std::string& a, const std::string& b) {
  return (a.find(':') == std::string::npos) == (b.find(':') == std::string::npos);
}

bool leads_outside(const NetworkPlan& network) {
  return network.type == "flat" || network.type == "vlan";
}

std::string ethertype(const Packet& packet) {
  return packet.v6() ? "IPv6" : "IPv4";
}

/// The flags of a rule that would let the packet through.
std::string rule_flags(const Packet& packet) {
  std::string flags = fmt::format("--ethertype {} --protocol {}", ethertype(packet),
                                  protocol_name(packet.protocol));
  const bool ports = packet.protocol == 6 || packet.protocol == 17 || packet.protocol == 132;
  if (ports) flags += fmt::format(" --dst-port {}", packet.port);
  return flags;
}

}  // namespace

Step& Walker::add(std::string place, const ProjectId& owner, std::string text) {
  Step step;
  step.hop.place = std::move(place);
  step.hop.text = std::move(text);
  step.hop.packet = describe(packet_);
  step.owner = owner;
  steps_.push_back(std::move(step));
  return steps_.back();
}

void Walker::drop(std::string place, const ProjectId& owner, std::string text, std::string remedy) {
  Step& step = add(std::move(place), owner, std::move(text));
  step.hop.state = TraceState::Drops;
  step.hop.remedy = std::move(remedy);
  over_ = true;
}

void Walker::about(Step& step, std::string_view resource, const std::string& id) {
  step.hop.resource = resource;
  step.hop.id = id;
}

Inspection& Walker::ask(Step& step, const Port& port, Inspection::Place place, Plan plan) {
  step.hop.host = port.host;
  step.driver = port.driver;
  Inspection asked;
  asked.place = place;
  asked.plan = std::make_shared<const Plan>(std::move(plan));
  asked.packet = packet_;
  asked.port = port.id;
  asked.network = port.network;
  asked.router = port.router;
  step.ask = std::move(asked);
  return *step.ask;
}

// ---- the ends -----------------------------------------------------------------------------------

bool Walker::port_hop(const Port& port, const Network& network, bool sends) {
  const std::size_t at = steps_.size();
  if (!network.admin_up) {
    drop("network", network.project,
         tell("Network {} is administratively down: it carries nothing.", called(network)),
         tell("Turn it on: cloudos network set --enable {}", network.id.value));
    about(steps_[at], "network", network.id.value);
    return false;
  }
  if (!port.admin_up) {
    drop("port", port.project,
         tell("Port {} is administratively down: it carries nothing.", called(port)),
         tell("Turn it on: cloudos port set --enable {}", port.id.value));
  } else if (!port.plugged) {
    drop("port", port.project,
         tell("Port {} is on no host: nothing uses it, or what uses it is off.", called(port)),
         tell("Start the server that uses it, or give it to one."));
  } else if (port.vif_type == "user") {
    Step& step = add("port", port.project,
                     tell("Port {} is behind a NAT of its own in its guest's process: nobody can "
                          "follow the way from there.",
                          called(port)));
    step.hop.state = TraceState::NotKnown;
    over_ = true;
  } else if (!port.wired) {
    Step& step =
        add("port", port.project,
            tell("Port {} is on its host, which has not said yet that it is ready.", called(port)));
    step.hop.state = TraceState::Noted;
  } else if (sends) {
    add("port", port.project, tell("Port {} sends it; it is up, and on its host.", called(port)));
  } else {
    add("port", port.project,
        tell("Port {} is to get it; it is up, and on its host.", called(port)));
  }
  about(steps_[at], "port", port.id.value);
  steps_[at].hop.host = port.host;
  return !over_;
}

Result<NetworkPlan> Walker::network_at(const Network& network, const std::string& driver,
                                       const std::string& host) {
  if (const auto scope = scope_of_(driver, host)) {
    CLOUDOS_TRY(const auto whole, plan_network(snapshot_, *scope, network.id));
    if (whole) return *whole;
  }
  return plan_of(network);
}

Result<Plan> Walker::plan_with(const Port& port, const Network& network) {
  Plan plan;
  CLOUDOS_TRY(auto of_network, network_at(network, port.driver, port.host));
  plan.networks.emplace(network.id, std::move(of_network));
  const auto scope = scope_of_(port.driver, port.host);
  if (!scope) return plan;
  CLOUDOS_TRY(const auto of_port, plan_port(snapshot_, *scope, port.id));
  if (of_port) plan.ports.emplace(port.id, *of_port);
  return plan;
}

Result<void> Walker::device_hop(const Port& port, const Network& network, bool sends) {
  Step& step = add("device", port.project, tell("Its device is up and in its network."));
  about(step, "port", port.id.value);
  CLOUDOS_TRY(auto plan, plan_with(port, network));
  ask(step, port, Inspection::Place::Device, std::move(plan)).receives = !sends;
  return Result<void>();
}

Result<void> Walker::addresses_hop(const Port& port, const Network& network) {
  const auto fixed = std::find_if(port.fixed_ips.begin(), port.fixed_ips.end(),
                                  [&](const auto& f) { return f.address == packet_.source; });
  if (fixed == port.fixed_ips.end()) return Result<void>();
  const auto subnet = records::get<Subnet>(snapshot_, fixed->subnet);
  if (!subnet) return Result<void>();
  if (auto_addressed(*subnet)) {
    CLOUDOS_TRY(const auto legs, records::all<Port>(snapshot_, "routed", subnet->id.value));
    Step& step =
        add("addresses", port.project,
            tell("The guest makes {} of the advertisements of its router.", packet_.source));
    about(step, "subnet", subnet->id.value);
    if (!legs.empty() || subnet->ra_mode.empty()) return Result<void>();
    step.hop.state = TraceState::Noted;
    step.hop.text = tell("No router advertises subnet {}: the guest gets no address by itself.",
                         called(*subnet));
    step.hop.remedy =
        tell("Give a router a leg there: cloudos router add subnet ROUTER {}", subnet->id.value);
    return Result<void>();
  }
  if (!subnet->dhcp || network.dhcp_port.empty()) {
    Step& step = add("addresses", port.project,
                     tell("Subnet {} hands out no addresses: the guest has to have {} set by hand.",
                          called(*subnet), packet_.source));
    about(step, "subnet", subnet->id.value);
    return Result<void>();
  }
  Step& step = add("addresses", port.project, tell("The guest gets {} by DHCP.", packet_.source));
  about(step, "subnet", subnet->id.value);
  CLOUDOS_TRY(auto plan, plan_with(port, network));
  ask(step, port, Inspection::Place::Dhcp, std::move(plan));
  return Result<void>();
}

Result<void> Walker::source_hop(const Port& port, const Network& network) {
  const std::string& mac = packet_.source_mac;
  if (!port.port_security) {
    Step& step = add("source", port.project,
                     tell("Port security is off: it may send as anybody, and no group is asked."));
    about(step, "port", port.id.value);
    return Result<void>();
  }
  if (!may_send(port, packet_)) {
    drop("source", port.project,
         tell("The port may not send as {} with MAC {}: anti-spoofing drops the packet.",
              packet_.source, mac),
         tell("Send from the port's own address, or allow the pair: cloudos port set "
              "--allowed-address ip-address={},mac-address={} {}",
              packet_.source, mac, port.id.value));
    about(steps_.back(), "port", port.id.value);
    return Result<void>();
  }
  Step& step =
      add("source", port.project, tell("It may send as {} with MAC {}.", packet_.source, mac));
  about(step, "port", port.id.value);
  CLOUDOS_TRY(auto plan, plan_with(port, network));
  ask(step, port, Inspection::Place::Sender, std::move(plan));
  return Result<void>();
}

Result<void> Walker::rules_hop(const Port& port, const Network& network, bool ingress) {
  if (!port.port_security) return Result<void>();
  const std::string place = ingress ? "ingress" : "egress";
  CLOUDOS_TRY(auto plan, plan_with(port, network));
  for (const SecurityGroupId& id : port.security_groups) {
    const auto record = records::get<SecurityGroup>(snapshot_, id);
    if (record) plan.groups[id] = {id, {}, {}, record->stateful};
  }
  std::optional<SecurityGroupRule> rule;
  if (needs_no_rule(packet_, ingress)) {
    add(place, port.project,
        tell("What hosts need to find each other and their addresses needs no rule."));
  } else {
    CLOUDOS_TRY(rule, deciding_rule(snapshot_, port, packet_, ingress));
    if (!rule) {
      const std::string remedy =
          ingress ? tell("Add one: cloudos security group rule create --ingress {} GROUP",
                         rule_flags(packet_))
                  : tell("Add one: cloudos security group rule create --egress {} GROUP",
                         rule_flags(packet_));
      const std::size_t groups = port.security_groups.size();
      if (groups == 0) {
        drop(place, port.project, tell("The port is in no security group: nothing passes."),
             tell("Give it one: cloudos port set --security-group GROUP {}", port.id.value));
      } else {
        drop(place, port.project,
             ingress
                 ? tell("No rule of the port's security groups ({}) lets the packet in.", groups)
                 : tell("No rule of the port's security groups ({}) lets the packet out.", groups),
             remedy);
      }
      about(steps_.back(), "port", port.id.value);
      return Result<void>();
    }
    plan.groups[rule->group].id = rule->group;
    plan.groups[rule->group].rules = {plan_rule(*rule)};
    const auto record = records::get<SecurityGroup>(snapshot_, rule->group);
    const std::string name = record ? called(*record) : rule->group.value;
    Step& step =
        add(place, port.project,
            ingress ? tell("Rule {} of security group {} lets it in.", rule->id.value, name)
                    : tell("Rule {} of security group {} lets it out.", rule->id.value, name));
    about(step, SecurityGroupRule::kKind, rule->id.value);
  }
  auto& asked =
      ask(steps_.back(), port, ingress ? Inspection::Place::Ingress : Inspection::Place::Egress,
          std::move(plan));
  if (rule) asked.group = rule->group;
  return Result<void>();
}

Result<void> Walker::from_port(const Port& port) {
  CLOUDOS_TRY(const auto network, records::get<Network>(snapshot_, port.network));
  if (!port_hop(port, network, true)) return Result<void>();
  if (packet_.source.empty()) {
    drop("addresses", port.project,
         tell("Port {} has no {} address to send from.", called(port), ethertype(packet_)),
         tell("Give it one: cloudos port set --fixed-ip subnet=SUBNET {}", port.id.value));
    return Result<void>();
  }
  CLOUDOS_CHECK(device_hop(port, network, true));
  CLOUDOS_CHECK(addresses_hop(port, network));
  CLOUDOS_CHECK(source_hop(port, network));
  if (over_) return Result<void>();
  CLOUDOS_CHECK(rules_hop(port, network, false));
  if (over_) return Result<void>();
  CLOUDOS_TRY(const auto next, next_hop(port, network));
  if (over_) return Result<void>();
  return carry(network, {port.driver, port.host, port.project}, next);
}

Result<void> Walker::receive(const Port& port, const Network& network) {
  if (!port_hop(port, network, false)) return Result<void>();
  CLOUDOS_CHECK(rules_hop(port, network, true));
  if (over_) return Result<void>();
  CLOUDOS_CHECK(device_hop(port, network, false));
  Step& step = add("receiver", port.project,
                   tell("Delivered: it leaves by the port's device. What its guest does with it is "
                        "the guest's own."));
  about(step, "port", port.id.value);
  over_ = true;
  return Result<void>();
}

// ---- between them -------------------------------------------------------------------------------

Result<std::string> Walker::next_hop(const Port& port, const Network& network) {
  const std::string& to = packet_.destination;
  if (to == kBroadcast) return to;
  std::vector<Subnet> subnets;
  for (const FixedIp& fixed : port.fixed_ips) {
    if (!same_family(fixed.address, to)) continue;
    auto subnet = records::get<Subnet>(snapshot_, fixed.subnet);
    if (!subnet) continue;
    // That of the address it sends from decides where several could.
    const bool first = fixed.address == packet_.source;
    subnets.insert(first ? subnets.begin() : subnets.end(), std::move(*subnet));
  }
  for (const Subnet& subnet : subnets)
    if (covers(subnet.cidr, to)) return to;
  std::string best;
  unsigned length = 0;
  for (const Subnet& subnet : subnets) {
    for (const HostRoute& route : subnet.host_routes) {
      const auto block = parse_ip_block(route.destination);
      if (!block || !covers(route.destination, to) || (!best.empty() && block->prefix <= length))
        continue;
      best = route.nexthop;
      length = block->prefix;
    }
  }
  if (!best.empty()) {
    add("route", port.project, tell("A host route of its subnet leads to {}.", best));
    return best;
  }
  for (const Subnet& subnet : subnets) {
    if (subnet.gateway.empty()) continue;
    if (to == kMetadata) {
      CLOUDOS_TRY(const auto router, port_at(network, subnet.gateway));
      if (!router || router->router.empty()) continue;
    }
    Step& step = add("route", port.project,
                     tell("It is not for this network: the guest sends it to the subnet's gateway "
                          "{}.",
                          subnet.gateway));
    about(step, "subnet", subnet.id.value);
    return subnet.gateway;
  }
  if (to == kMetadata) return to;
  drop("route", port.project,
       tell("It is not for this network, and the subnet has no gateway: the guest does not know "
            "where to send it."),
       subnets.empty() ? tell("Give the port an address of the receiver's kind.")
                       : tell("Give the subnet a gateway: cloudos subnet set --gateway ADDRESS {}",
                              subnets.front().id.value));
  if (!subnets.empty()) about(steps_.back(), "subnet", subnets.front().id.value);
  return std::string();
}

Result<std::optional<Port>> Walker::port_at(const Network& network, const std::string& address) {
  CLOUDOS_TRY(const auto id,
              records::find_unique(snapshot_, Port::kKind, "address", network.id.value, address));
  if (id) {
    CLOUDOS_TRY(auto port, records::get<Port>(snapshot_, *id));
    return std::optional<Port>(std::move(port));
  }
  // An address that several may have: whoever is plugged.
  CLOUDOS_TRY(auto ports, records::all<Port>(snapshot_, "network", network.id.value));
  for (Port& port : ports) {
    if (!port.plugged) continue;
    for (const AllowedAddressPair& pair : port.allowed_address_pairs)
      if (pair.address.find('/') == std::string::npos && covers(pair.address, address))
        return std::optional<Port>(std::move(port));
  }
  return std::optional<Port>();
}

Result<void> Walker::network_hop(const Network& network, const Spot& at) {
  Step& step =
      add("network", network.project, tell("Network {} carries it on its host.", called(network)));
  about(step, "network", network.id.value);
  Port there;  // Whoever is on that host.
  there.driver = at.driver;
  there.host = at.host;
  there.network = network.id;
  Plan plan;
  CLOUDOS_TRY(auto of_network, network_at(network, at.driver, at.host));
  plan.networks.emplace(network.id, std::move(of_network));
  ask(step, there, Inspection::Place::Network, std::move(plan));
  return Result<void>();
}

Result<void> Walker::forwarding_hop(const Network& network, const Spot& from, const Port& to) {
  packet_.destination_mac = to.mac;
  // A driver without a host works on all of them as if they were one.
  const auto of_sender = scope_of_(from.driver, from.host);
  const auto of_receiver = scope_of_(to.driver, to.host);
  const bool one_for_all = from.driver == to.driver && of_sender && of_sender->host.empty() &&
                           of_receiver && of_receiver->host.empty();
  const bool same_host = from.host == to.host || one_for_all;
  CLOUDOS_TRY(auto there, network_at(network, from.driver, from.host));
  if (!same_host && there.type == "local") {
    drop("forwarding", network.project,
         tell("Network {} is of type local: it does not lead to the receiver's host.",
              called(network)),
         tell("Put both on one host, or on a network of type vxlan."));
    about(steps_.back(), "network", network.id.value);
    return Result<void>();
  }
  const bool tunnelled = !same_host && there.type == "vxlan";
  std::string text = tell("It leads to the receiver, on the same host.");
  if (tunnelled) text = tell("A tunnel leads to the receiver's host.");
  if (!same_host && !tunnelled) text = tell("The physical network leads to the receiver's host.");
  Step& step = add("forwarding", network.project, std::move(text));
  about(step, "network", network.id.value);
  Port sender = to;
  sender.driver = from.driver;
  sender.host = from.host;
  const auto& scope = of_sender;
  Plan plan;
  plan.networks.emplace(network.id, std::move(there));
  auto& asked = ask(step, sender, Inspection::Place::Forwarding, std::move(plan));
  if (to.router.empty() && to.id != network.dhcp_port) asked.peer_device = to.tap;
  if (tunnelled && scope && scope->tunnels) {
    const auto end = scope->tunnels->find(to.host);
    if (end != scope->tunnels->end()) asked.tunnel_address = end->second;
  }
  if (!same_host) return network_hop(network, {to.driver, to.host, to.project});
  return Result<void>();
}

Result<void> Walker::reach_nobody(const Network& network, const Spot& at,
                                  const std::string& target) {
  CLOUDOS_TRY(const auto there, network_at(network, at.driver, at.host));
  if (!leads_outside(there)) {
    drop("forwarding", network.project,
         tell("Nobody on network {} has address {}.", called(network), target),
         tell("Check the address; a port that is to have it besides its own needs an allowed "
              "address pair."));
    about(steps_.back(), "network", network.id.value);
    return Result<void>();
  }
  CLOUDOS_CHECK(network_hop(network, at));
  Step& step = add("outside", at.sender,
                   tell("Delivered outside: the physical network takes it towards {}. What lies "
                        "beyond is not this cloud's.",
                        packet_.destination));
  step.hop.detail = "next: " + target;
  about(step, "network", network.id.value);
  over_ = true;
  return Result<void>();
}

Result<void> Walker::carry(const Network& network, const Spot& from, const std::string& target) {
  const bool to_dhcp = target == kBroadcast || target == kMetadata;
  if (to_dhcp) {
    const auto server = records::get<Port>(snapshot_, network.dhcp_port);
    if (network.dhcp_port.empty() || !server) {
      drop("forwarding", network.project,
           tell("Network {} has no DHCP server, which would answer there.", called(network)),
           tell("Turn DHCP on: cloudos subnet set --dhcp SUBNET"));
      return Result<void>();
    }
    CLOUDOS_CHECK(network_hop(network, from));
    return serve_dhcp(*server, network, from);
  }
  CLOUDOS_TRY(const auto port, port_at(network, target));
  if (!port) return reach_nobody(network, from, target);
  if (!port->floating_ip.empty()) return reach_floating(network, from, *port);
  return reach(network, from, *port);
}

Result<void> Walker::reach(const Network& network, const Spot& from, const Port& port) {
  const bool outside = from.host.empty() && from.driver.empty();
  CLOUDOS_CHECK(network_hop(network, outside ? Spot{port.driver, port.host, {}} : from));
  if (port.id == network.dhcp_port) return serve_dhcp(port, network, from);
  // Where nobody has the receiver there is nothing to look for on the way to it.
  if (!outside && port.plugged) CLOUDOS_CHECK(forwarding_hop(network, from, port));
  if (over_) return Result<void>();
  if (!port.router.empty()) return route(port, {});
  return receive(port, network);
}

/// The address is on the gateway's leg of the router that carries it.
Result<void> Walker::reach_floating(const Network& network, const Spot& from, const Port& outer) {
  const auto floating = records::get<FloatingIp>(snapshot_, outer.floating_ip);
  const auto router = floating && !floating->router.empty()
                          ? records::get<Router>(snapshot_, floating->router)
                          : Result<Router>(fail(ErrorCode::NotFound, "no router carries it"));
  const auto leg = router && !router->gateway_port.empty()
                       ? records::get<Port>(snapshot_, router->gateway_port)
                       : Result<Port>(fail(ErrorCode::NotFound, "no router carries it"));
  if (!leg) {
    drop("translation", outer.project.empty() && floating ? floating->project : outer.project,
         tell("Floating address {} leads nowhere: it is given to no port.", packet_.destination),
         tell("Give it to one: cloudos floating ip set --port PORT {}", outer.floating_ip.value));
    about(steps_.back(), FloatingIp::kKind, outer.floating_ip.value);
    return Result<void>();
  }
  const bool outside = from.host.empty() && from.driver.empty();
  CLOUDOS_CHECK(network_hop(network, outside ? Spot{leg->driver, leg->host, {}} : from));
  const bool own_leg = from.host == leg->host && packet_.source_mac == leg->mac;
  if (!outside && leg->plugged && !own_leg) CLOUDOS_CHECK(forwarding_hop(network, from, *leg));
  if (over_) return Result<void>();
  return route(*leg, packet_.destination);
}

Result<void> Walker::serve_dhcp(const Port& port, const Network& network, const Spot& at) {
  Step& step = add("receiver", network.project,
                   tell("Delivered to the network's own server of addresses, names and metadata."));
  about(step, "port", port.id.value);
  step.strict = true;
  over_ = true;
  Plan plan;
  CLOUDOS_TRY(auto of_network, network_at(network, at.driver, at.host));
  plan.networks.emplace(network.id, std::move(of_network));
  Port server = port;
  server.driver = at.driver;
  server.host = at.host;
  ask(step, server, Inspection::Place::Dhcp, std::move(plan)).port = PortId{};
  return Result<void>();
}

/// The outer leg of the router that has the address behind it.
Result<std::optional<Port>> Walker::gateway_before(const Network& network,
                                                   const std::string& address) {
  CLOUDOS_TRY(const auto routers, records::all<Router>(snapshot_, "gateway", network.id.value));
  for (const Router& router : routers) {
    if (router.gateway_port.empty()) continue;
    for (const PortId& id : router.interfaces) {
      const auto leg = records::get<Port>(snapshot_, id);
      if (!leg) continue;
      for (const FixedIp& fixed : leg->fixed_ips) {
        const auto subnet = records::get<Subnet>(snapshot_, fixed.subnet);
        if (!subnet || !covers(subnet->cidr, address)) continue;
        CLOUDOS_TRY(auto gateway, records::get<Port>(snapshot_, router.gateway_port));
        return std::optional<Port>(std::move(gateway));
      }
    }
  }
  return std::optional<Port>();
}

Result<void> Walker::from_outside() {
  const std::string& to = packet_.destination;
  CLOUDOS_TRY(const auto networks, records::all<Network>(snapshot_, "public", "1"));
  for (const Network& network : networks) {
    if (!network.external) continue;
    CLOUDOS_TRY(const auto port, port_at(network, to));
    if (port) return carry(network, {}, to);
  }
  for (const Network& network : networks) {  // IPv6 is routed as it is, if a router is before it.
    if (!network.external || !packet_.v6()) continue;
    CLOUDOS_TRY(const auto gateway, gateway_before(network, to));
    if (gateway) return reach(network, {}, *gateway);
  }
  drop("outside", {},
       tell("{} is an address of no external network: nobody outside of the cloud reaches it.", to),
       tell("Ask for a floating address that leads to it: cloudos floating ip create --port PORT "
            "NETWORK"));
  return Result<void>();
}

Result<std::vector<Step>> way_of(const store::Snapshot& snapshot, const Start& start,
                                 const FindScope& scope_of) {
  Walker walker(snapshot, scope_of, start.packet);
  if (start.port.empty()) {
    CLOUDOS_CHECK(walker.from_outside());
  } else {
    CLOUDOS_TRY(const auto port, records::get<Port>(snapshot, start.port));
    CLOUDOS_CHECK(walker.from_port(port));
  }
  return walker.take();
}

}  // namespace cloudos::network::tracing
