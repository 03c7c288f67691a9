#pragma once
#include <string>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/store.hpp"

/// Addresses of a subnet of either family, taken and given back within a transaction.
///
/// IPv4 has the maps of ipam.hpp. IPv6 has the same maps of 256 addresses, kept only where some of
/// the 256 are taken, and beside them where the next free one may be at the earliest: a /64 costs
/// what its ports cost. Subnets whose addresses follow from MACs keep nothing at all: the port's
/// own unique value holds the address.
namespace cloudos::network {

/// Takes the lowest free address of the pools. Errors: NoCapacity.
Result<std::string> take_any_of(store::Txn& txn, const Subnet& subnet);
/// Takes this one, inside a pool or not. Errors: Conflict (taken).
Result<void> take_this(store::Txn& txn, const Subnet& subnet, const std::string& address);
/// Gives it back. Nothing happens when it is free.
void give_back_to(store::Txn& txn, const Subnet& subnet, const std::string& address);
/// After the pools changed, or before the subnet goes.
void forget_pools(store::Txn& txn, const Subnet& subnet);

/// The subnet's service_types name that owner of ports, or there are none.
bool serves(const Subnet& subnet, std::string_view device_owner);
/// The subnets that ports of that owner get addresses of: those made for it, else those for all.
std::vector<Subnet> serving(const std::vector<Subnet>& subnets, std::string_view device_owner);

}  // namespace cloudos::network
