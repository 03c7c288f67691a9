#pragma once
#include <optional>

#include "cloudos/subnet_pools.hpp"
#include "network/ip.hpp"
#include "network/pool_records.hpp"

/// Prefixes of subnet pools, taken and given back within a transaction.
namespace cloudos::network {

/// The pool a subnet is to be cut from; nothing when the caller named the block alone.
/// Errors: InvalidArgument, NotFound.
Result<std::optional<SubnetPool>> pool_for(store::Txn& txn, const Context& ctx,
                                           const SubnetCreate& spec);
/// Takes `asked`, or any prefix of `length` (absent: the pool's default), for subnet.
/// Errors: InvalidArgument (length), Conflict (taken, none left), QuotaExceeded.
Result<IpBlock> take_prefix(store::Txn& txn, const SubnetPool& pool,
                            const std::optional<IpBlock>& asked, std::optional<unsigned> length,
                            const Subnet& subnet);
/// Nothing happens when the subnet is of no pool.
Result<void> give_back_prefix(store::Txn& txn, const Subnet& subnet);
/// Subnets of one family on one network come from one pool. Errors: InvalidArgument.
Result<void> check_pool_affinity(store::Txn& txn, const Network& network, const Subnet& subnet);

}  // namespace cloudos::network
