#pragma once
#include "cloudos/store.hpp"
#include "cloudos/subnet_pools.hpp"

namespace cloudos::network {

/// Makes the pool one of `scope` (empty: of none), with the prefixes it now has. Writes the scopes;
/// the caller writes the pool.
/// Errors: NotFound, InvalidArgument (family, whose scope), Conflict (another pool's prefixes).
Result<void> join_scope(store::Txn& txn, const Context& ctx, const AddressScopeId& scope,
                        SubnetPool& pool);

}  // namespace cloudos::network
