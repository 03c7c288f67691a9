#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "cloudos/limits.hpp"
#include "network/bulk.hpp"
#include "network/floating_txn.hpp"
#include "network/ip.hpp"
#include "network/l3_lists.hpp"
#include "network/listing.hpp"

namespace cloudos {
namespace network {
namespace {

constexpr std::string_view kForwardProtocols[] = {"tcp",  "udp",     "icmp",     "icmp6",
                                                  "dccp", "sctp",    "udplite",  "ipv6-icmp"};

Failure bad_forward(std::string message) {
  return fail_as("BadRequest", ErrorCode::InvalidArgument, std::move(message));
}

Result<void> check_forward_ports(std::string_view which, std::uint32_t first,
                                 std::uint32_t last) {
  if (first >= 1 && first <= last && last <= 65'535) return Result<void>();
  return fail_as("InvalidInput", ErrorCode::InvalidArgument,
                 fmt::format("{} must be within 1 to 65535, the first not above the last", which));
}

Result<void> check_forward(const PortForwarding& f) {
  CLOUDOS_CHECK(check_texts({}, f.description));
  const auto* end = std::end(kForwardProtocols);
  if (std::find(std::begin(kForwardProtocols), end, f.protocol) == end)
    return invalid(fmt::format("protocol: '{}' cannot be forwarded", f.protocol.substr(0, 64)));
  CLOUDOS_CHECK(check_forward_ports("external_port", f.external_first, f.external_last));
  CLOUDOS_CHECK(check_forward_ports("internal_port", f.internal_first, f.internal_last));
  const auto outer = f.external_last - f.external_first, inner = f.internal_last - f.internal_first;
  if (inner != 0 && inner != outer)
    return bad_forward("port ranges: the internal range is as wide as the external one, or one port");
  return Result<void>();
}

bool ranges_meet(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a <= d && c <= b;
}

/// No packet may have two ways to go. Errors: InvalidArgument.
Result<void> check_forward_conflicts(store::Txn& txn, const FloatingIp& floating,
                                     const PortForwarding& f) {
  for (const PortForwardingId& id : floating.forwardings) {
    if (id == f.id) continue;
    CLOUDOS_TRY(const auto other, load<PortForwarding>(txn, id));
    if (other.protocol != f.protocol) continue;
    const bool outer = ranges_meet(other.external_first, other.external_last, f.external_first,
                                   f.external_last);
    const bool inner = other.internal_port == f.internal_port &&
                       other.internal_address == f.internal_address &&
                       ranges_meet(other.internal_first, other.internal_last, f.internal_first,
                                   f.internal_last);
    if (!outer && !inner) continue;
    return bad_forward(fmt::format("A duplicate port forwarding entry with same attributes already "
                                   "exists, conflicting values are {}: {} {}.", f.protocol,
                                   outer ? "external port" : "internal port",
                                   outer ? f.external_first : f.internal_first));
  }
  return Result<void>();
}

/// Where it leads, found anew; floating and forwarding go by one router.
Result<void> lead_inside(store::Txn& txn, const Context& ctx, const LegsOfSubnets& legs,
                         FloatingIp& floating, PortForwarding& f) {
  CLOUDOS_TRY(const Inside inside, find_inside(txn, ctx, floating.project, floating.network, legs,
                                               f.internal_port, f.internal_address));
  if (records::find_unique(txn, FloatingIp::kKind, "fixed", inside.port.id.value,
                           inside.fixed.address)) {
    return fail_as("PortHasBindingFloatingIP", ErrorCode::Conflict,
                   fmt::format("Cannot create port forwarding to floating IP {} with port {} using "
                               "fixed IP {}, as that port already has a binding floating IP.",
                               floating.address, inside.port.id.value, inside.fixed.address));
  }
  if (!floating.router.empty() && floating.router != inside.router) {
    return bad_forward(fmt::format("floating IP {} is carried by router {}, which does not lead to "
                                   "port {}", floating.address, floating.router.value,
                                   inside.port.id.value));
  }
  floating.router = inside.router;
  f.router = inside.router;
  f.internal_subnet = inside.fixed.subnet;
  f.internal_address = inside.fixed.address;
  return Result<void>();
}

Result<void> refuse_associated(const FloatingIp& floating) {
  if (floating.port.empty()) return Result<void>();
  return fail_as("FloatingIPInUse", ErrorCode::Conflict,
                 fmt::format("Floating IP {} is associated with port {}: it cannot forward ports.",
                             floating.id.value, floating.port.value));
}

Result<PortForwarding> load_forward(store::Txn& txn, const FloatingIp& floating,
                                    const PortForwardingId& id) {
  CLOUDOS_TRY(auto forwarding, load<PortForwarding>(txn, id));
  if (forwarding.floating_ip != floating.id) return missing<PortForwarding>(id.value);
  return forwarding;
}

void apply_forward(const PortForwardingUpdate& change, PortForwarding& f) {
  if (change.protocol) f.protocol = *change.protocol;
  if (change.description) f.description = *change.description;
  if (change.external) std::tie(f.external_first, f.external_last) = *change.external;
  if (change.internal) std::tie(f.internal_first, f.internal_last) = *change.internal;
  if (change.internal_port && *change.internal_port != f.internal_port) {
    f.internal_port = *change.internal_port;
    if (!change.internal_address) f.internal_address.clear();
  }
  if (change.internal_address) f.internal_address = *change.internal_address;
}

Result<PortForwarding> write_forward_change(store::Txn& txn, const Context& ctx,
                                            const FloatingIpId& floating_id,
                                            const PortForwardingId& id,
                                            const PortForwardingUpdate& change,
                                            const LegsOfSubnets& legs, WallTime now) {
  CLOUDOS_TRY(FloatingIp floating, load_owned<FloatingIp>(txn, ctx, floating_id));
  CLOUDOS_TRY(PortForwarding changed, load_forward(txn, floating, id));
  const PortForwarding before = changed;
  apply_forward(change, changed);
  CLOUDOS_CHECK(check_forward(changed));
  if (changed.internal_port != before.internal_port ||
      changed.internal_address != before.internal_address) {
    CLOUDOS_CHECK(lead_inside(txn, ctx, legs, floating, changed));
    note_forwarding(txn, before.internal_port, id, false);
    note_forwarding(txn, changed.internal_port, id, true);
  }
  CLOUDOS_CHECK(check_forward_conflicts(txn, floating, changed));
  changed.updated_at = floating.updated_at = now;
  CLOUDOS_CHECK(records::update(txn, floating));
  CLOUDOS_CHECK(records::update(txn, changed));
  return changed;
}

}  // namespace
}  // namespace network

namespace network {
namespace {

Result<PortForwarding> draft_forward(const Networks::Impl& impl, const FloatingIpId& id,
                                     const PortForwardingCreate& spec) {
  PortForwarding draft;
  draft.id = impl.engine.ids.make<PortForwardingId>();
  draft.floating_ip = id;
  draft.description = spec.description;
  draft.protocol = spec.protocol;
  draft.external_first = spec.external_first;
  draft.external_last = spec.external_last;
  draft.internal_port = spec.internal_port;
  draft.internal_address = spec.internal_address;
  draft.internal_first = spec.internal_first;
  draft.internal_last = spec.internal_last;
  draft.created_at = draft.updated_at = impl.engine.clock.wall();
  CLOUDOS_CHECK(check_forward(draft));
  return draft;
}

Result<void> insert_forward(store::Txn& txn, const Context& ctx, const LegsOfSubnets& legs,
                            FloatingIp& floating, PortForwarding& made) {
  CLOUDOS_CHECK(refuse_associated(floating));
  made.project = floating.project;
  CLOUDOS_CHECK(lead_inside(txn, ctx, legs, floating, made));
  CLOUDOS_CHECK(check_forward_conflicts(txn, floating, made));
  note_forwarding(txn, made.internal_port, made.id, true);
  floating.forwardings.push_back(made.id);
  floating.updated_at = made.created_at;
  return records::insert(txn, made);
}

}  // namespace
}  // namespace network

Result<std::vector<PortForwarding>> Routers::create_forwardings(
    const Context& ctx, const FloatingIpId& id, const std::vector<PortForwardingCreate>& specs) {
  CLOUDOS_CHECK(network::check_bulk(impl_, ctx, specs.size()));
  std::vector<PortForwarding> drafts;
  std::vector<network::LegsOfSubnets> legs;
  {
    CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
    for (const PortForwardingCreate& spec : specs) {
      CLOUDOS_TRY(auto draft, network::draft_forward(impl_, id, spec));
      drafts.push_back(std::move(draft));
      CLOUDOS_TRY(auto beside, network::legs_beside(*snapshot, spec.internal_port));
      legs.push_back(std::move(beside));
    }
  }
  std::vector<PortForwarding> made;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    made = drafts;
    CLOUDOS_TRY(FloatingIp floating, network::load_owned<FloatingIp>(txn, ctx, id));
    for (std::size_t i = 0; i < made.size(); ++i)
      CLOUDOS_CHECK(network::insert_forward(txn, ctx, legs[i], floating, made[i]));
    return records::update(txn, floating);
  }));
  return made;
}

Result<PortForwarding> Routers::create_forwarding(const Context& ctx, const FloatingIpId& id,
                                                  const PortForwardingCreate& spec) {
  CLOUDOS_TRY(auto made, create_forwardings(ctx, id, {spec}));
  return std::move(made.front());
}

Result<PortForwarding> Routers::forwarding(const Context& ctx, const FloatingIpId& floating,
                                           const PortForwardingId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_CHECK(network::load_seen<FloatingIp>(*snapshot, ctx, floating));
  CLOUDOS_TRY(auto found, network::load_seen<PortForwarding>(*snapshot, ctx, id));
  if (found.floating_ip != floating) return network::missing<PortForwarding>(id.value);
  return found;
}

Result<std::vector<PortForwarding>> Routers::forwardings(const Context& ctx,
                                                         const FloatingIpId& floating,
                                                         const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_CHECK(network::load_seen<FloatingIp>(*snapshot, ctx, floating));
  CLOUDOS_TRY(auto all, records::all<PortForwarding>(*snapshot, "floating_ip", floating.value));
  return network::list_these(std::move(all), ctx, spec);
}

Result<PortForwarding> Routers::update_forwarding(const Context& ctx, const FloatingIpId& floating,
                                                  const PortForwardingId& id,
                                                  const PortForwardingUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  const WallTime now = impl_.engine.clock.wall();
  network::LegsOfSubnets legs;
  {
    CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
    CLOUDOS_TRY(const auto seen, network::load_seen<PortForwarding>(*snapshot, ctx, id));
    CLOUDOS_TRY(legs, network::legs_beside(*snapshot,
                                           change.internal_port.value_or(seen.internal_port)));
  }
  PortForwarding changed;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed,
                network::write_forward_change(txn, ctx, floating, id, change, legs, now));
    return Result<void>();
  }));
  return changed;
}

Result<void> Routers::delete_forwarding(const Context& ctx, const FloatingIpId& id,
                                        const PortForwardingId& forwarding) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  const WallTime now = impl_.engine.clock.wall();
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const FloatingIp floating, network::load_owned<FloatingIp>(txn, ctx, id));
    CLOUDOS_TRY(const auto found, network::load_forward(txn, floating, forwarding));
    return network::erase_forwarding(txn, found, now);
  });
}

}  // namespace cloudos
