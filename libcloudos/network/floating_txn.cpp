#include "network/floating_txn.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/quota.hpp"
#include "network/ip.hpp"

namespace cloudos::network {
namespace {

Failure bad_port(std::string message) {
  return fail_as("BadRequest", ErrorCode::InvalidArgument, std::move(message));
}

std::string forwards_key(const PortId& port) {
  return fmt::format("/forwards-to/{}", records::key_part(port.value));
}

Result<FixedIp> inside_address(const Port& port, const std::string& asked) {
  std::vector<FixedIp> fours;
  for (const FixedIp& fixed : port.fixed_ips) {
    if (fixed.address.find(':') != std::string::npos) continue;
    if (fixed.address == asked) return fixed;
    fours.push_back(fixed);
  }
  if (!asked.empty()) {
    return bad_port(fmt::format("Port {} does not have fixed ip {}.", port.id.value,
                                asked.substr(0, 64)));
  }
  if (fours.empty()) {
    return bad_port(fmt::format("Cannot add floating IP to port {} that has no fixed IPv4 "
                                "addresses.", port.id.value));
  }
  if (fours.size() > 1) {
    return bad_port(fmt::format("Port {} has multiple fixed IPv4 addresses. Must provide a specific "
                                "IPv4 address when assigning a floating IP.", port.id.value));
  }
  return fours.front();
}

/// The router that leads from the subnet to the external network: that of the gateway's address
/// before any other.
Result<std::optional<RouterId>> router_between(store::Txn& txn, const SubnetId& id,
                                               const NetworkId& external,
                                               const std::vector<PortId>& legs) {
  CLOUDOS_TRY(const Subnet subnet, load<Subnet>(txn, id));
  std::optional<RouterId> found;
  for (const PortId& leg : legs) {
    const auto port = records::get<Port>(txn, leg);
    if (!port || port->router.empty()) continue;
    const auto router = records::get<Router>(txn, port->router);
    if (!router || router->gateway_network != external) continue;
    for (const FixedIp& fixed : port->fixed_ips) {
      if (fixed.subnet != id) continue;
      if (fixed.address == subnet.gateway) return std::optional(router->id);
      if (!found) found = router->id;
    }
  }
  return found;
}

}  // namespace

Result<LegsOfSubnets> legs_beside(const store::Snapshot& snapshot, const PortId& id) {
  LegsOfSubnets legs;
  const auto port = records::get<Port>(snapshot, id);
  if (!port) return legs;  // The transaction says what is wrong.
  for (const FixedIp& fixed : port->fixed_ips) {
    CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "routed", fixed.subnet.value));
    for (const Port& leg : ports) legs[fixed.subnet].push_back(leg.id);
  }
  return legs;
}

Result<Inside> find_inside(store::Txn& txn, const Context& ctx, const ProjectId& project,
                           const NetworkId& external, const LegsOfSubnets& legs,
                           const PortId& id, const std::string& address) {
  Inside inside;
  // Another's port and one that is not there look the same.
  auto port = load<Port>(txn, id);
  if (!port && (ctx.is_admin || port.error().code != ErrorCode::NotFound))
    return fail(std::move(port).error());
  if (port) inside.port = std::move(*port);
  if (inside.port.project != project && !ctx.is_admin) {
    return bad_port(fmt::format("Cannot process floating IP association with Port {}, since that "
                                "port is owned by a different tenant.", id.value));
  }
  CLOUDOS_TRY(inside.fixed, inside_address(inside.port, address));
  const auto beside = legs.find(inside.fixed.subnet);
  std::optional<RouterId> router;
  if (beside != legs.end()) {
    CLOUDOS_TRY(router, router_between(txn, inside.fixed.subnet, external, beside->second));
  }
  if (!router) {
    return fail_as("ExternalGatewayForFloatingIPNotFound", ErrorCode::NotFound,
                   fmt::format("External network {} is not reachable from subnet {}.  Therefore, "
                               "cannot associate Port {} with a Floating IP.", external.value,
                               inside.fixed.subnet.value, id.value));
  }
  inside.router = *router;
  return inside;
}

Result<void> associate(store::Txn& txn, const Inside& inside, FloatingIp& floating) {
  if (!floating.forwardings.empty()) {
    return fail_as("FipInUseByPortForwarding", ErrorCode::Conflict,
                   fmt::format("Floating IP {} in use by Port Forwarding resources.",
                               floating.id.value));
  }
  const auto owner = records::find_unique(txn, FloatingIp::kKind, "fixed", inside.port.id.value,
                                          inside.fixed.address);
  if (owner && *owner != floating.id.value) {
    return fail_as("FloatingIPPortAlreadyAssociated", ErrorCode::Conflict,
                   fmt::format("Cannot associate floating IP {} with port {} using fixed IP {}, as "
                               "that fixed IP already has a floating IP on external network {}.",
                               floating.address, inside.port.id.value, inside.fixed.address,
                               floating.network.value));
  }
  if (!forwardings_to(txn, inside.port.id).empty()) {
    return fail_as("PortHasPortForwarding", ErrorCode::Conflict,
                   fmt::format("Cannot associate floating IP {} with port {} using fixed IP {}, as "
                               "it already has a Port Forwarding binding.", floating.id.value,
                               inside.port.id.value, inside.fixed.address));
  }
  floating.port = inside.port.id;
  floating.fixed_subnet = inside.fixed.subnet;
  floating.fixed_address = inside.fixed.address;
  floating.router = inside.router;
  floating.status = FloatingIpStatus::Down;  // Until its host has it.
  return Result<void>();
}

void disassociate(FloatingIp& floating) {
  floating.port = PortId{};
  floating.fixed_subnet = SubnetId{};
  floating.fixed_address.clear();
  if (floating.forwardings.empty()) floating.router = RouterId{};
  floating.status = FloatingIpStatus::Down;
}

// ---- with their network -------------------------------------------------------------------------

Result<std::vector<FloatingIpId>> idle_floating(const store::Snapshot& snapshot,
                                                const NetworkId& network) {
  std::vector<FloatingIpId> idle;
  CLOUDOS_TRY(const auto all, records::all<FloatingIp>(snapshot, "network", network.value));
  for (const FloatingIp& one : all)
    if (one.router.empty()) idle.push_back(one.id);
  return idle;
}

Result<void> erase_idle_floating(const Networks::Impl& impl, store::Txn& txn,
                                 const std::vector<FloatingIpId>& ids) {
  for (const FloatingIpId& id : ids) {
    const auto floating = records::get<FloatingIp>(txn, id);
    if (!floating || !floating->router.empty()) continue;
    CLOUDOS_TRY(const Port outer, load<Port>(txn, floating->outer_port));
    CLOUDOS_CHECK(impl.erase_port(txn, outer));
    CLOUDOS_CHECK(Quota::reserve(txn, floating->project, "floating_ips", -1));
    CLOUDOS_CHECK(records::erase<FloatingIp>(txn, id));
  }
  return Result<void>();
}

// ---- forwardings by port ------------------------------------------------------------------------

std::vector<PortForwardingId> forwardings_to(store::Txn& txn, const PortId& port) {
  std::vector<PortForwardingId> ids;
  const auto stored = txn.get(forwards_key(port));
  if (!stored) return ids;
  for (const std::string_view id : split(*stored, ',')) ids.emplace_back(std::string(id));
  return ids;
}

void note_forwarding(store::Txn& txn, const PortId& port, const PortForwardingId& id, bool there) {
  auto ids = forwardings_to(txn, port);
  std::erase(ids, id);
  if (there) ids.push_back(id);
  if (ids.empty()) return txn.erase(forwards_key(port));
  std::string text;
  for (const PortForwardingId& one : ids) text += (text.empty() ? "" : ",") + one.value;
  txn.put(forwards_key(port), text);
}

Result<void> erase_forwarding(store::Txn& txn, const PortForwarding& forwarding, WallTime now) {
  CLOUDOS_TRY(FloatingIp floating, load<FloatingIp>(txn, forwarding.floating_ip));
  std::erase(floating.forwardings, forwarding.id);
  if (floating.forwardings.empty() && floating.port.empty()) {
    floating.router = RouterId{};
    floating.status = FloatingIpStatus::Down;
  }
  floating.updated_at = now;
  CLOUDOS_CHECK(records::update(txn, floating));
  note_forwarding(txn, forwarding.internal_port, forwarding.id, false);
  return records::erase<PortForwarding>(txn, forwarding.id);
}

Result<void> free_port(store::Txn& txn, const Port& port, const std::vector<FixedIp>& going,
                       WallTime now) {
  for (const FixedIp& fixed : going) {
    const auto owner =
        records::find_unique(txn, FloatingIp::kKind, "fixed", port.id.value, fixed.address);
    if (!owner) continue;
    CLOUDOS_TRY(FloatingIp floating, load<FloatingIp>(txn, FloatingIpId{*owner}));
    disassociate(floating);
    floating.updated_at = now;
    CLOUDOS_CHECK(records::update(txn, floating));
  }
  for (const PortForwardingId& id : forwardings_to(txn, port.id)) {
    CLOUDOS_TRY(const auto forwarding, load<PortForwarding>(txn, id));
    const bool goes = std::any_of(going.begin(), going.end(), [&](const FixedIp& fixed) {
      return fixed.address == forwarding.internal_address;
    });
    if (goes) CLOUDOS_CHECK(erase_forwarding(txn, forwarding, now));
  }
  return Result<void>();
}

}  // namespace cloudos::network
