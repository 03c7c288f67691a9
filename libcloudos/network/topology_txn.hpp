#pragma once
#include <optional>
#include <vector>

#include "network/impl.hpp"
#include "network/ip.hpp"
#include "network/router_txn.hpp"
#include "network/segment_drafts.hpp"

/// Networks, subnets and routers within a transaction that may do more. What they are made of is
/// drawn and checked before it.
namespace cloudos::network {

struct NetworkDraft {
  Network network;  ///< Its segments are not yet taken.
  SegmentDrafts segments;
  RbacPolicyId as_shared, as_external;
};
Result<NetworkDraft> draft_network(Networks::Impl& impl, const Context& ctx,
                                   const NetworkCreate& spec);
Result<Network> insert_network(Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                               const NetworkDraft& draft);
/// With its subnets; `grants` and `idle` (floating addresses) are what a snapshot showed of it.
Result<void> erase_network(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                           const NetworkId& id, const std::vector<RbacPolicyId>& grants,
                           const std::vector<FloatingIpId>& idle);

struct SubnetDraft {
  Subnet subnet;
  SubnetCreate spec;
  std::optional<IpBlock> block;  ///< Only when the caller named it.
  Networks::Impl::DhcpDraft dhcp;
};
Result<SubnetDraft> draft_subnet(Networks::Impl& impl, const Context& ctx,
                                 const SubnetCreate& spec);
/// The network's subnets work with that MTU, if one is asked for. Errors: Conflict.
Result<void> check_subnets_mtu(store::Txn& txn, const Network& network,
                               const std::optional<std::uint32_t>& mtu);
/// After the commit its network's ports may be owed addresses (auto_addresses.hpp).
Result<Subnet> insert_subnet(Networks::Impl& impl, const Context& ctx, store::Txn& txn,
                             const SubnetDraft& draft);

struct RouterDraft {
  Router router;
  RouterCreate spec;
  LegDraft leg;
};
Result<RouterDraft> draft_router(Networks::Impl& impl, const Context& ctx,
                                 const RouterCreate& spec);
Result<Router> insert_router(Networks::Impl& impl, const Context& ctx, store::Txn& txn,
                             const RouterDraft& draft);
/// Errors: Conflict (it has legs, or carries floating addresses).
Result<void> erase_router(const Networks::Impl& impl, store::Txn& txn, const Router& router);

/// Changes `router`, which the caller writes.
Result<RouterInterface> add_leg(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                                const RouterLeg& leg, const LegDraft& draft, Router& router);
Result<RouterInterface> drop_leg(const Networks::Impl& impl, store::Txn& txn, const RouterLeg& leg,
                                 WallTime now, Router& router);

/// A rule that make_rule() drafted, with its id, times and group.
/// Errors: NotFound, Forbidden, AlreadyExists (a rule of the same words), QuotaExceeded.
Result<SecurityGroupRule> insert_rule(const Networks::Impl& impl, store::Txn& txn,
                                      const Context& ctx, const SecurityGroupRule& rule);

}  // namespace cloudos::network
