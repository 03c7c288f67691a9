#include <fmt/format.h>

#include <algorithm>

#include "cloudos/limits.hpp"
#include "identity/quota.hpp"
#include "network/addressing.hpp"
#include "network/bulk.hpp"
#include "network/floating_txn.hpp"
#include "network/ip.hpp"
#include "network/l3_lists.hpp"
#include "network/listing.hpp"
#include "network/network_checks.hpp"
#include "network/port_checks.hpp"
#include "network/sharing.hpp"

namespace cloudos {
namespace network {
namespace {

struct FloatingDraft {
  FloatingIp floating;
  FloatingIpCreate spec;
  LegsOfSubnets legs;
  PortId outer_port;
  std::vector<std::string> macs;
};

Result<void> check_dns_names(std::string_view name, std::string_view domain) {
  const auto plain = [](std::string_view text) {
    return text.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == text.npos;
  };
  if (name.size() > limits::kNameChars || !plain(name))
    return invalid("dns_name: letters, digits, dashes and dots");
  return check_dns_domain(domain);
}

Result<FloatingDraft> draft_floating(Networks::Impl& impl, const store::Snapshot& snapshot,
                                     const Context& ctx, const FloatingIpCreate& spec) {
  CLOUDOS_CHECK(check_texts({}, spec.description));
  CLOUDOS_CHECK(admin_only(ctx, !spec.address.empty(), "floating_ip_address"));
  CLOUDOS_CHECK(check_dns_names(spec.dns_name, spec.dns_domain));
  if (!spec.fixed_address.empty() && spec.port.empty()) {
    return fail_as("BadRequest", ErrorCode::InvalidArgument,
                   "fixed_ip_address cannot be specified without a port_id");
  }
  FloatingDraft draft;
  draft.spec = spec;
  FloatingIp& floating = draft.floating;
  CLOUDOS_TRY(floating.project, owner_of_new(ctx, spec.project));
  floating.network = spec.network;
  floating.description = spec.description;
  floating.dns_name = spec.dns_name;
  floating.dns_domain = spec.dns_domain;
  floating.qos_policy = spec.qos_policy;
  floating.tags = spec.tags;
  floating.id = impl.engine.ids.make<FloatingIpId>();
  floating.created_at = floating.updated_at = impl.engine.clock.wall();
  draft.outer_port = impl.engine.ids.make<PortId>();
  draft.macs = impl.make_macs();
  if (!spec.port.empty()) {
    CLOUDOS_TRY(draft.legs, legs_beside(snapshot, spec.port));
  }
  return draft;
}

/// An IPv4 address of the external network: the one asked for, or any that is free.
Result<FixedIp> take_outer(const Networks::Impl& impl, store::Txn& txn, const Network& network,
                           const Port& port, const FloatingIpCreate& spec) {
  CLOUDOS_TRY(const auto subnets, subnets_of(txn, network));
  if (!spec.address.empty()) {
    const std::vector<FixedIpRequest> asked = {{spec.subnet, spec.address}};
    CLOUDOS_TRY(auto taken, impl.take_addresses(txn, network, port, &asked));
    return std::move(taken.front());
  }
  bool known = spec.subnet.empty();
  for (const Subnet& subnet : serving(subnets, kFloatingOwner)) {
    if (!spec.subnet.empty() && subnet.id != spec.subnet) continue;
    known = true;
    if (subnet.v6()) continue;
    if (auto address = take_any_of(txn, subnet)) return FixedIp{subnet.id, std::move(*address)};
  }
  if (!known) {
    return invalid(fmt::format("subnet_id: subnet {} is not on network {}",
                               spec.subnet.value.substr(0, 64), network.id.value));
  }
  return fail_as("ExternalIpAddressExhausted", ErrorCode::Conflict,
                 fmt::format("Unable to find any IP address on external network {}.",
                             network.id.value));
}

/// The external network's port that keeps the address: its owner's, whose limit nobody asks.
Result<void> make_outer_port(const Networks::Impl& impl, store::Txn& txn, const Network& network,
                             const FloatingDraft& draft, FloatingIp& floating) {
  Port port;
  port.id = draft.outer_port;
  port.project = network.project;
  port.network = network.id;
  CLOUDOS_TRY(port.mac, free_mac(txn, network.id, draft.macs));
  port.device_id = floating.id.value;
  port.device_owner = kFloatingOwner;
  port.floating_ip = floating.id;
  port.port_security = false;
  port.tap = tap_name(port.id);
  port.created_at = port.updated_at = floating.created_at;
  CLOUDOS_TRY(auto outer, take_outer(impl, txn, network, port, draft.spec));
  floating.address = outer.address;
  floating.outer_port = port.id;
  port.fixed_ips.push_back(std::move(outer));
  CLOUDOS_CHECK(Quota::add(txn, port.project, "ports", 1));
  return records::insert(txn, port);
}

Result<FloatingIp> insert_floating(const Networks::Impl& impl, const Context& ctx,
                                   store::Txn& txn, const FloatingDraft& draft) {
  FloatingIp floating = draft.floating;
  CLOUDOS_TRY(const Network network, load_seen<Network>(txn, ctx, floating.network));
  if (!network.external) {
    return fail_as("BadRequest", ErrorCode::InvalidArgument,
                   fmt::format("Network {} is not a valid external network", network.id.value));
  }
  note_use(txn, floating.project, network);
  if (!floating.qos_policy.empty())
    CLOUDOS_CHECK(check_qos_policy(txn, ctx, floating.qos_policy));
  CLOUDOS_CHECK(network::reserve_quota(txn, floating.project, "floating_ips", 1));
  CLOUDOS_CHECK(make_outer_port(impl, txn, network, draft, floating));
  if (!draft.spec.port.empty()) {
    CLOUDOS_TRY(const Inside inside,
                find_inside(txn, ctx, floating.project, network.id, draft.legs, draft.spec.port,
                            draft.spec.fixed_address));
    CLOUDOS_CHECK(associate(txn, inside, floating));
  }
  CLOUDOS_CHECK(records::insert(txn, floating));
  return floating;
}

Result<void> apply_floating(store::Txn& txn, const Context& ctx, const FloatingIpUpdate& change,
                            const LegsOfSubnets& legs, FloatingIp& floating) {
  if (change.description) floating.description = *change.description;
  if (change.qos_policy)
    CLOUDOS_CHECK(change_qos_policy(txn, ctx, *change.qos_policy, floating.qos_policy));
  if (!change.port && !change.fixed_address) return Result<void>();
  const PortId port = change.port.value_or(floating.port);
  const std::string address = change.fixed_address.value_or("");
  if (port.empty()) {
    if (!address.empty()) {
      return fail_as("BadRequest", ErrorCode::InvalidArgument,
                     "fixed_ip_address cannot be specified without a port_id");
    }
    disassociate(floating);
    return Result<void>();
  }
  CLOUDOS_TRY(const Inside inside,
              find_inside(txn, ctx, floating.project, floating.network, legs, port, address));
  if (inside.port.id == floating.port && inside.fixed.address == floating.fixed_address)
    return Result<void>();
  return associate(txn, inside, floating);
}

}  // namespace
}  // namespace network

Result<std::vector<FloatingIp>> Routers::create_floating_ips(
    const Context& ctx, const std::vector<FloatingIpCreate>& specs) {
  CLOUDOS_CHECK(network::check_bulk(impl_, ctx, specs.size()));
  std::vector<network::FloatingDraft> drafts;
  {
    CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
    for (const FloatingIpCreate& spec : specs) {
      CLOUDOS_TRY(auto draft, network::draft_floating(impl_, *snapshot, ctx, spec));
      drafts.push_back(std::move(draft));
    }
  }
  return network::insert_all<FloatingIp>(impl_, drafts,
                                         [&](store::Txn& txn, const network::FloatingDraft& draft) {
                                           return network::insert_floating(impl_, ctx, txn, draft);
                                         });
}

Result<FloatingIp> Routers::create_floating_ip(const Context& ctx, const FloatingIpCreate& spec) {
  CLOUDOS_TRY(auto made, create_floating_ips(ctx, {spec}));
  return std::move(made.front());
}

Result<FloatingIp> Routers::floating_ip(const Context& ctx, const FloatingIpId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load_seen<FloatingIp>(*snapshot, ctx, id);
}

Result<std::vector<FloatingIp>> Routers::floating_ips(const Context& ctx,
                                                      const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::list_records<FloatingIp>(*snapshot, ctx, spec);
}

Result<FloatingIp> Routers::update_floating_ip(const Context& ctx, const FloatingIpId& id,
                                               const FloatingIpUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::check_texts({}, change.description.value_or("")));
  const WallTime now = impl_.engine.clock.wall();
  network::LegsOfSubnets legs;
  if (change.port || change.fixed_address) {
    CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
    CLOUDOS_TRY(const auto seen, network::load_seen<FloatingIp>(*snapshot, ctx, id));
    CLOUDOS_TRY(legs, network::legs_beside(*snapshot, change.port.value_or(seen.port)));
  }
  FloatingIp changed;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<FloatingIp>(txn, ctx, id));
    CLOUDOS_CHECK(network::apply_floating(txn, ctx, change, legs, changed));
    changed.updated_at = now;
    return records::update(txn, changed);
  }));
  return changed;
}

Result<void> Routers::delete_floating_ip(const Context& ctx, const FloatingIpId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const FloatingIp floating, network::load_owned<FloatingIp>(txn, ctx, id));
    if (!floating.forwardings.empty()) {
      return network::fail_as("FipInUseByPortForwarding", ErrorCode::Conflict,
                              fmt::format("Floating IP {} in use by Port Forwarding resources.",
                                          id.value));
    }
    CLOUDOS_TRY(const Port outer, network::load<Port>(txn, floating.outer_port));
    CLOUDOS_CHECK(impl_.erase_port(txn, outer));
    CLOUDOS_CHECK(Quota::reserve(txn, floating.project, "floating_ips", -1));
    return records::erase<FloatingIp>(txn, id);
  });
}

Result<std::vector<FloatingIpPool>> Routers::floating_ip_pools(const Context& ctx) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  NetworkListSpec external;
  external.filters.emplace_back("router:external", "true");
  CLOUDOS_TRY(const auto networks, network::list_records<Network>(*snapshot, ctx, external));
  std::vector<FloatingIpPool> pools;
  for (const Network& one : networks) {
    CLOUDOS_TRY(const auto subnets, network::subnets_of(*snapshot, one));
    for (const Subnet& subnet : subnets)
      if (!subnet.v6()) pools.push_back({one.id, subnet.id, subnet.name, subnet.cidr});
  }
  return pools;
}

}  // namespace cloudos
