#include <algorithm>
#include <set>

#include "network/ip.hpp"
#include "network/l3_records.hpp"
#include "network/record.hpp"
#include "network/trace_walker.hpp"

// Routers on a packet's way: translation, routes, legs.
namespace cloudos::network::tracing {
namespace {

constexpr unsigned kMostRouters = 16;
constexpr std::string_view kMetadataAddress = "169.254.169.254";

std::string address_of(const std::string& with_length) {
  return with_length.substr(0, with_length.find('/'));
}

/// The gateway's own IPv4 address; empty: it has none.
std::string hiding_address(const RouterPlan& plan) {
  if (!plan.gateway) return {};
  for (const std::string& address : plan.gateway->addresses)
    if (address.find(':') == std::string::npos) return address_of(address);
  return {};
}

bool is_gateway(const RouterPlan& plan, const PortId& leg) {
  return plan.gateway && plan.gateway->port == leg;
}

const RouterPortPlan* leg_towards(const RouterPlan& plan, const std::string& hop) {
  const auto reaches = [&](const RouterPortPlan& leg) {
    return std::any_of(leg.addresses.begin(), leg.addresses.end(),
                       [&](const auto& address) { return covers(address, hop); });
  };
  for (const RouterPortPlan& leg : plan.legs)
    if (reaches(leg)) return &leg;
  return plan.gateway && reaches(*plan.gateway) ? &*plan.gateway : nullptr;
}

const RouterPlan::Forward* forward_for(const RouterPlan& plan, const Packet& packet) {
  for (const RouterPlan::Forward& one : plan.forwards) {
    if (one.floating != packet.destination) continue;
    if (one.protocol != protocol_name(packet.protocol)) continue;
    if (one.protocol == "icmp") return &one;
    if (packet.port >= one.external_first && packet.port <= one.external_last) return &one;
  }
  return nullptr;
}

template <class Floating>
const Floating* with_floating(const std::vector<Floating>& all, const std::string& address) {
  for (const Floating& one : all)
    if (one.floating == address) return &one;
  return nullptr;
}

}  // namespace

bool Walker::translate_in(const Router& router, const RouterPlan& plan, const Port& in,
                          bool& changed) {
  const Packet before = packet_;
  std::string_view resource = PortForwarding::kKind;
  std::string id;
  if (const auto* forward = forward_for(plan, packet_)) {
    id = forward->id.value;
    packet_.destination = forward->internal;
    if (forward->protocol != "icmp")
      packet_.port = forward->internal_first + (packet_.port - forward->external_first);
  } else if (const auto* floating = with_floating(plan.floating, packet_.destination)) {
    resource = FloatingIp::kKind;
    id = floating->id.value;
    packet_.destination = floating->fixed;
  } else if (with_floating(plan.forwards, packet_.destination) != nullptr) {
    drop("translation", router.project,
         tell("No port forwarding of {} is for {} {}.", packet_.destination,
              protocol_name(packet_.protocol), packet_.port),
         tell("Add one: cloudos floating ip port forwarding create"));
    return false;
  } else {
    return true;
  }
  changed = true;
  Step& step =
      add("translation", router.project,
          tell("Floating address {} leads to {}.", before.destination, packet_.destination));
  about(step, resource, id);
  Plan whole;
  whole.routers.emplace(plan.id, plan);
  auto& asked = ask(step, in, Inspection::Place::TranslateIn, std::move(whole));
  asked.packet = before;
  asked.translated = packet_;
  return true;
}

/// The longest prefix; of equals the link itself before routes, as the kernel has it.
std::optional<Walker::Way> Walker::way_out(const RouterPlan& plan) const {
  std::optional<Way> best;
  int length = -1;
  const auto offer = [&](const RouterPortPlan* leg, const std::string& prefix,
                         const std::string& via) {
    const auto block = parse_ip_block(prefix);
    if (leg == nullptr || !block || !covers(prefix, packet_.destination)) return;
    if (static_cast<int>(block->prefix) <= length) return;
    length = static_cast<int>(block->prefix);
    best = Way{leg, via, prefix};
  };
  const auto links = [&](const RouterPortPlan& leg) {
    for (const std::string& address : leg.addresses) offer(&leg, address, "");
  };
  for (const RouterPortPlan& leg : plan.legs) links(leg);
  if (plan.gateway) links(*plan.gateway);
  for (const auto& [to, via] : plan.routes) offer(leg_towards(plan, via), to, via);
  for (const std::string& hop : plan.gateway_hops) {
    const bool v6 = hop.find(':') != std::string::npos;
    if (plan.gateway) offer(&*plan.gateway, v6 ? "::/0" : "0.0.0.0/0", hop);
  }
  return best;
}

void Walker::route_hop(const Router& router, const RouterPlan& plan, const Port& in,
                       const std::optional<Way>& way) {
  if (!way) {
    drop("route", router.project,
         tell("Router {} has no route to {}.", called(router), packet_.destination),
         plan.gateway ? tell("Add a route: cloudos router add route --route "
                             "destination=PREFIX,gateway=ADDRESS {}",
                             router.id.value)
                      : tell("It has no gateway to the outside: give it one (cloudos router set "
                             "--external-gateway NETWORK {}), or a route.",
                             router.id.value));
    about(steps_.back(), Router::kKind, router.id.value);
    return;
  }
  std::string text;
  if (way->via.empty()) {
    text = tell("Router {} has a leg in the network of {}.", called(router), packet_.destination);
  } else if (way->destination == "0.0.0.0/0" || way->destination == "::/0") {
    // Whose address that is outside is the provider's to know.
    text = tell("Router {} sends it outside by its default route.", called(router));
  } else {
    text = tell("Route {} of router {} leads to {}.", way->destination, called(router), way->via);
  }
  Step& step = add("route", router.project, std::move(text));
  about(step, Router::kKind, router.id.value);
  if (!way->via.empty()) step.hop.detail = "next: " + way->via;
  Plan whole;
  whole.routers.emplace(plan.id, plan);
  auto& asked = ask(step, in, Inspection::Place::Route, std::move(whole));
  asked.port = way->leg->port;
  asked.via = way->via;
}

void Walker::translate_out(const Router& router, const RouterPlan& plan, const Port& in,
                           const RouterPortPlan& out, bool translated) {
  if (packet_.v6() || !plan.gateway || is_gateway(plan, in.id)) return;
  const bool outwards = is_gateway(plan, out.port);
  if (!outwards && !translated) return;
  const Packet before = packet_;
  const std::string outside = hiding_address(plan);
  const RouterPlan::Floating* floating = nullptr;
  for (const RouterPlan::Floating& one : plan.floating)
    if (one.fixed == packet_.source) floating = &one;
  const bool excluded =
      outwards && floating == nullptr &&
      std::any_of(plan.snat_excluded.begin(), plan.snat_excluded.end(),
                  [&](const auto& prefix) { return covers(prefix, packet_.source); });
  if (floating != nullptr) {
    packet_.source = floating->floating;
  } else if (!excluded && !outside.empty() && (plan.snat || translated)) {
    packet_.source = outside;
  }
  if (packet_.source == before.source) {
    Step& step =
        add("translation", router.project,
            tell("It leaves as {}: answers need a route back to that address.", packet_.source));
    if (!excluded) step.hop.state = TraceState::Noted;
    about(step, Router::kKind, router.id.value);
    return;
  }
  Step& step = add("translation", router.project,
                   tell("It leaves as {} instead of {}.", packet_.source, before.source));
  if (floating != nullptr) {
    about(step, FloatingIp::kKind, floating->id.value);
  } else {
    about(step, Router::kKind, router.id.value);
  }
  Plan whole;
  whole.routers.emplace(plan.id, plan);
  auto& asked = ask(step, in, Inspection::Place::TranslateOut, std::move(whole));
  asked.packet = before;
  asked.translated = packet_;
  asked.port = out.port;
}

void Walker::leg_hop(const Router& router, const RouterPlan& plan, const Port& leg,
                     std::vector<std::string> addresses, const std::string& network) {
  Step& step = add("leg", router.project, tell("Its leg in network {} is up.", network));
  about(step, Port::kKind, leg.id.value);
  Plan whole;
  whole.routers.emplace(plan.id, plan);
  if (const auto record = records::get<Network>(snapshot_, leg.network)) {
    auto there = network_at(*record, leg.driver, leg.host);
    whole.networks.emplace(leg.network, there ? std::move(*there) : plan_of(*record));
  }
  ask(step, leg, Inspection::Place::Leg, std::move(whole)).addresses = std::move(addresses);
}

bool Walker::for_router_itself(const Router& router, const RouterPlan& plan, const Port& in) {
  std::set<std::string> own{std::string(kMetadataAddress)};
  for (const RouterPortPlan& leg : plan.legs)
    for (const std::string& address : leg.addresses) own.insert(address_of(address));
  if (plan.gateway)
    for (const std::string& address : plan.gateway->addresses) own.insert(address_of(address));
  if (own.count(packet_.destination) == 0) return false;
  const bool ping = packet_.protocol == 1 || packet_.protocol == 58;
  if (is_gateway(plan, in.id) && !ping) {
    drop("receiver", router.project,
         tell("{} is the router's own address: from outside it answers pings and nothing else.",
              packet_.destination),
         tell("Reach a port behind it by a floating address: cloudos floating ip create --port "
              "PORT NETWORK"));
  } else {
    add("receiver", router.project, tell("Delivered to the router itself."));
    over_ = true;
  }
  about(steps_.back(), Router::kKind, router.id.value);
  return true;
}

/// `floating`: the address that brought it to the gateway's leg, if one did.
Result<void> Walker::route(const Port& in, const std::string& floating) {
  CLOUDOS_TRY(const auto router, records::get<Router>(snapshot_, in.router));
  const auto refuse = [&](std::string text, std::string remedy) {
    drop("router", router.project, std::move(text), std::move(remedy));
    about(steps_.back(), Router::kKind, router.id.value);
    return Result<void>();
  };
  if (++routers_ > kMostRouters)
    return refuse(tell("It goes in a circle: router {} sees it again.", called(router)),
                  tell("Look at the routes of the routers above."));
  if (!router.admin_up)
    return refuse(tell("Router {} is administratively down.", called(router)),
                  tell("Turn it on: cloudos router set --enable {}", router.id.value));
  const auto scope = scope_of_(in.driver, in.host);
  if (!in.plugged)
    return refuse(tell("No host carries router {}.", called(router)),
                  tell("A host that can route has to be there: cloudos network agent list"));
  RouterPlan plan;
  if (scope) {
    CLOUDOS_TRY(const auto found, plan_whole_router(snapshot_, *scope, router.id));
    if (found) plan = *found;
  }
  plan.id = router.id;
  Step& step = add("router", router.project, tell("Router {} takes it.", called(router)));
  about(step, Router::kKind, router.id.value);
  if (!scope) {  // Another process has its driver: the rest of the way is that one's to tell.
    step.hop.host = in.host;
    step.hop.state = TraceState::NotKnown;
    over_ = true;
    return Result<void>();
  }
  Plan whole;
  whole.routers.emplace(plan.id, plan);
  ask(step, in, Inspection::Place::Router, std::move(whole));

  std::vector<std::string> addresses;
  for (const FixedIp& fixed : in.fixed_ips) addresses.push_back(fixed.address);
  if (!floating.empty()) addresses.push_back(floating);
  CLOUDOS_TRY(const auto network_in, records::get<Network>(snapshot_, in.network));
  leg_hop(router, plan, in, std::move(addresses), called(network_in));
  bool translated = false;
  if (!translate_in(router, plan, in, translated)) return Result<void>();
  if (for_router_itself(router, plan, in)) return Result<void>();
  if (!floating.empty() && !translated)
    return refuse(tell("Floating address {} leads nowhere: it is given to no port.", floating),
                  tell("Give it to one: cloudos floating ip set --port PORT FLOATING_IP"));

  const auto way = way_out(plan);
  route_hop(router, plan, in, way);
  if (over_ || !way) return Result<void>();
  translate_out(router, plan, in, *way->leg, translated);
  CLOUDOS_TRY(const auto out, records::get<Port>(snapshot_, way->leg->port));
  CLOUDOS_TRY(const auto network, records::get<Network>(snapshot_, out.network));
  std::vector<std::string> own;
  for (const FixedIp& fixed : out.fixed_ips) own.push_back(fixed.address);
  packet_.source_mac = out.mac;
  packet_.destination_mac.clear();
  if (out.id != in.id) leg_hop(router, plan, out, std::move(own), called(network));
  return carry(network, {out.driver, out.host, router.project},
               way->via.empty() ? packet_.destination : way->via);
}

}  // namespace cloudos::network::tracing
