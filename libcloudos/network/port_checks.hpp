#pragma once
#include <string>
#include <vector>

#include "cloudos/networks.hpp"
#include "store/store.hpp"

/// Checks of a port that need the store, shared by its creation and its change.
namespace cloudos::network {

/// The first of `macs` that no port of the network has.
/// Errors: AlreadyExists (the only one is taken), NoCapacity (all are).
Result<std::string> free_mac(store::Txn& txn, const NetworkId& network,
                             const std::vector<std::string>& macs);
/// Its groups are there and its project's (or the caller's). Errors: NotFound.
Result<void> check_groups(store::Txn& txn, const Context& ctx, const Port& port);
/// Without port security a port has neither groups nor allowed pairs. Errors: Conflict.
Result<void> check_security(const Port& port);

}  // namespace cloudos::network
