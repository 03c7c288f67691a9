#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/result.hpp"
#include "network/address.hpp"
#include "cloudos/store.hpp"

/// Which addresses of a subnet are taken, exactly, under any concurrency: one record per 256
/// addresses holds a bit each, and one per 65,536 says which of those have nothing left to give.
///
/// The second kind changes only when a chunk becomes full or stops being so, and may be dropped at
/// any time: it is written again by whoever finds a chunk full. Records without a bit are erased,
/// so a subnet without addresses in use holds no record.
namespace cloudos::network {

/// What allocation needs to know of a subnet.
struct Space {
  SubnetId subnet;
  Block block;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pools;  ///< Inclusive, sorted, apart.
};
Space space_of(const Subnet& subnet);

/// Takes the lowest free address of the pools. Errors: NoCapacity.
Result<std::uint32_t> take_any_address(store::Txn& txn, const Space& space);
/// Takes this one, inside a pool or not. Errors: Conflict (taken).
Result<void> take_address(store::Txn& txn, const Space& space, std::uint32_t address);
/// Gives it back. Nothing happens when it is free.
void give_back_address(store::Txn& txn, const Space& space, std::uint32_t address);
/// After the pools changed, or before the subnet goes.
void forget_full_chunks(store::Txn& txn, const Space& space);

}  // namespace cloudos::network
