#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "identity/quota.hpp"
#include "network/addressing.hpp"
#include "network/auto_addresses.hpp"
#include "network/bulk.hpp"
#include "network/impl.hpp"
#include "network/pool_txn.hpp"
#include "network/segments.hpp"
#include "network/subnet_checks.hpp"
#include "network/topology_txn.hpp"

namespace cloudos {
namespace network {

Result<SubnetDraft> draft_subnet(Networks::Impl& impl, const Context& ctx,
                                 const SubnetCreate& spec) {
  CLOUDOS_CHECK(check_texts(spec.name, spec.description));
  CLOUDOS_CHECK(check_subnet_modes(spec));
  SubnetDraft draft;
  draft.spec = spec;
  Subnet& subnet = draft.subnet;
  subnet.network = spec.network;
  subnet.name = spec.name;
  subnet.description = spec.description;
  subnet.dhcp = spec.dhcp;
  subnet.ra_mode = spec.ra_mode;
  subnet.address_mode = spec.address_mode;
  subnet.dns_publish_fixed_ip = spec.dns_publish_fixed_ip;
  subnet.segment = spec.segment;
  CLOUDOS_TRY(subnet.service_types, check_service_types(spec.service_types));
  if (!spec.cidr.empty()) {
    CLOUDOS_TRY(draft.block, check_subnet_cidr(spec));
    CLOUDOS_CHECK(shape_subnet(spec, *draft.block, subnet));
  } else if (spec.pool.empty() && !spec.use_default_pool) {
    return fail_as("BadRequest", ErrorCode::InvalidArgument,
                   "cidr: a block is needed, or a subnet pool to cut it from");
  }
  CLOUDOS_TRY(subnet.project, owner_of_new(ctx, spec.project));
  subnet.id = impl.engine.ids.make<SubnetId>();
  subnet.created_at = subnet.updated_at = impl.engine.clock.wall();
  draft.dhcp = impl.draft_dhcp();
  return draft;
}

namespace {

/// No host speaks IPv6 over links of less (RFC 8200).
constexpr std::uint32_t kLeastMtuOfIpv6 = 1280;

Result<void> check_mtu_for(const Network& network, const Subnet& subnet, std::uint32_t mtu) {
  if (!subnet.v6() || mtu >= kLeastMtuOfIpv6) return Result<void>();
  return fail_as("NetworkMTUSubnetConflict", ErrorCode::Conflict,
                 fmt::format("an MTU of {} is too small for network {}: its IPv6 subnets need {} "
                             "or more", mtu, network.id.value, kLeastMtuOfIpv6));
}

Result<void> check_overlap(store::Txn& txn, const Network& network, const Subnet& subnet) {
  const IpBlock block = block_of(subnet);
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_TRY(const Subnet other, load<Subnet>(txn, id));
    if (block_of(other).overlaps(block)) {
      return invalid(fmt::format("Requested subnet with cidr {} for network {} overlaps with "
                                 "another subnet: {} ({}).", subnet.cidr, network.id.value,
                                 id.value, other.cidr));
    }
  }
  return Result<void>();
}

Result<void> cut_from_pool(store::Txn& txn, const Context& ctx, const SubnetDraft& draft,
                           Subnet& subnet) {
  CLOUDOS_TRY(const auto pool, pool_for(txn, ctx, draft.spec));
  if (!pool) return Result<void>();
  CLOUDOS_TRY(const IpBlock block,
              take_prefix(txn, *pool, draft.block, draft.spec.prefix_length, subnet));
  subnet.pool = pool->id;
  return shape_subnet(draft.spec, block, subnet);
}

}  // namespace

Result<void> check_subnets_mtu(store::Txn& txn, const Network& network,
                               const std::optional<std::uint32_t>& mtu) {
  if (!mtu || *mtu >= kLeastMtuOfIpv6) return Result<void>();
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_TRY(const Subnet subnet, load<Subnet>(txn, id));
    CLOUDOS_CHECK(check_mtu_for(network, subnet, *mtu));
  }
  return Result<void>();
}

Result<Subnet> insert_subnet(Networks::Impl& impl, const Context& ctx, store::Txn& txn,
                             const SubnetDraft& draft) {
  Subnet subnet = draft.subnet;
  CLOUDOS_TRY(Network network, load_owned<Network>(txn, ctx, subnet.network));
  if (network.subnets.size() >= limits::kSubnetsPerNetwork)
    return invalid(fmt::format("a network has at most {} subnets", limits::kSubnetsPerNetwork));
  CLOUDOS_CHECK(cut_from_pool(txn, ctx, draft, subnet));
  CLOUDOS_CHECK(check_subnet_segment(txn, network, subnet));
  CLOUDOS_CHECK(check_overlap(txn, network, subnet));
  CLOUDOS_CHECK(check_mtu_for(network, subnet, network.mtu));
  CLOUDOS_CHECK(check_pool_affinity(txn, network, subnet));
  subnet.shared = network.shared;
  CLOUDOS_CHECK(network::reserve_quota(txn, subnet.project, "subnets", 1));
  CLOUDOS_CHECK(records::insert(txn, subnet));
  network.subnets.push_back(subnet.id);
  const bool ports = !txn.none(records::index_prefix(Port::kKind, "network", network.id.value));
  if (ports && auto_addressed(subnet)) owe_auto_addresses(txn, subnet.id);
  CLOUDOS_CHECK(impl.keep_dhcp_port(txn, network, draft.dhcp));
  CLOUDOS_CHECK(records::update(txn, network));
  CLOUDOS_CHECK(impl.precommit_network(txn, network));
  return subnet;
}

namespace {

Failure subnet_in_use(const SubnetId& id) {
  return fail_as("SubnetInUse", ErrorCode::Conflict,
                 fmt::format("Unable to complete operation on subnet {}: One or more ports have an "
                             "IP allocation from this subnet.", id.value));
}

/// A router answers at the gateway's address: it does not move away from under it.
Result<void> check_gateway_free(store::Txn& txn, const Subnet& before, const Subnet& after) {
  if (before.gateway.empty() || before.gateway == after.gateway) return Result<void>();
  const auto owner = records::find_unique(txn, Port::kKind, "address", before.network.value,
                                          before.gateway);
  if (!owner) return Result<void>();
  CLOUDOS_TRY(const Port port, load<Port>(txn, PortId{*owner}));
  if (port.router.empty()) return Result<void>();
  return fail_as("GatewayIpInUse", ErrorCode::Conflict,
                 fmt::format("Current gateway ip {} already in use by port {}. Unable to update.",
                             before.gateway, port.id.value));
}

Result<Subnet> write_change(Networks::Impl& impl, const Context& ctx, store::Txn& txn,
                            const SubnetId& id, const SubnetUpdate& change,
                            const Networks::Impl::DhcpDraft& draft) {
  CLOUDOS_TRY(Subnet changed, load_owned<Subnet>(txn, ctx, id));
  const Subnet before = changed;
  bool pools_changed = false;
  CLOUDOS_CHECK(change_subnet(change, changed, pools_changed));
  CLOUDOS_CHECK(check_gateway_free(txn, before, changed));
  if (change.segment) {
    CLOUDOS_TRY(const Network of_it, load<Network>(txn, changed.network));
    CLOUDOS_CHECK(move_subnet(txn, of_it, *change.segment, changed));
  }
  if (pools_changed) forget_pools(txn, changed);
  changed.updated_at = draft.now;
  CLOUDOS_CHECK(records::update(txn, changed));
  // The network is written too: its revision counts its subnets' changes, and drivers hear of it.
  CLOUDOS_TRY(Network network, load<Network>(txn, changed.network));
  CLOUDOS_CHECK(impl.keep_dhcp_port(txn, network, draft));
  CLOUDOS_CHECK(records::update(txn, network));
  CLOUDOS_CHECK(impl.precommit_network(txn, network));
  return changed;
}

}  // namespace
}  // namespace network

Result<std::vector<Subnet>> Networks::create_subnets(const Context& ctx,
                                                     const std::vector<SubnetCreate>& specs) {
  auto made = network::create_all<Subnet>(
      *impl_, ctx, specs,
      [&](const SubnetCreate& spec) { return network::draft_subnet(*impl_, ctx, spec); },
      [&](store::Txn& txn, const network::SubnetDraft& draft) {
        return network::insert_subnet(*impl_, ctx, txn, draft);
      });
  if (!made) return made;
  for (const Subnet& subnet : *made)
    if (network::auto_addressed(subnet)) network::give_auto_addresses(*impl_, subnet.id);
  return made;
}

Result<Subnet> Networks::create_subnet(const Context& ctx, const SubnetCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(auto made, create_subnets(ctx, {spec}));
  return std::move(made.front());
}

Result<Subnet> Networks::subnet(const Context& ctx, const SubnetId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::load_seen<Subnet>(*snapshot, ctx, id);
}

Result<Subnet> Networks::update_subnet(const Context& ctx, const SubnetId& id,
                                       const SubnetUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), change.description.value_or("")));
  const auto draft = impl_->draft_dhcp();
  Subnet changed;
  CLOUDOS_CHECK(impl_->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::write_change(*impl_, ctx, txn, id, change, draft));
    return Result<void>();
  }));
  return changed;
}

namespace network {
namespace {

Result<void> erase_subnet(Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                          const SubnetId& id, const Networks::Impl::DhcpDraft& draft,
                          const AutoRelease& release) {
  CLOUDOS_TRY(const Subnet subnet, load_owned<Subnet>(txn, ctx, id));
  CLOUDOS_TRY(Network network, load<Network>(txn, subnet.network));
  std::erase(network.subnets, id);
  CLOUDOS_CHECK(impl.keep_dhcp_port(txn, network, draft));
  CLOUDOS_CHECK(release.drop(txn, subnet));
  if (!txn.none(records::index_prefix(Port::kKind, "subnet", id.value))) {
    if (release.outdated(subnet)) return fail(ErrorCode::Stale, "a port was added meanwhile");
    return subnet_in_use(id);
  }
  forget_pools(txn, subnet);
  forget_auto_addresses(txn, id);
  CLOUDOS_CHECK(give_back_prefix(txn, subnet));
  CLOUDOS_CHECK(Quota::reserve(txn, subnet.project, "subnets", -1));
  CLOUDOS_CHECK(records::erase<Subnet>(txn, id));
  CLOUDOS_CHECK(records::update(txn, network));
  return impl.precommit_network(txn, network);
}

}  // namespace
}  // namespace network

Result<void> Networks::delete_subnet(const Context& ctx, const SubnetId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const auto draft = impl_->draft_dhcp();
  network::AutoRelease release(*impl_, id);
  return store::replan([&]() -> Result<void> {
    CLOUDOS_CHECK(release.prepare(ctx));
    return impl_->transact([&](store::Txn& txn) {
      return network::erase_subnet(*impl_, txn, ctx, id, draft, release);
    });
  });
}

}  // namespace cloudos
