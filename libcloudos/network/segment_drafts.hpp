#pragma once
#include <optional>
#include <string>
#include <vector>

#include "network/impl.hpp"

/// What a new network is carried by: checked before its transaction, taken within it.
namespace cloudos::network {

struct SegmentDrafts {
  /// One segment: the kinds to try, and what of it was named.
  std::vector<std::string> types;
  std::string physical_network;
  std::optional<std::uint32_t> segmentation_id;
  /// Or several, as they were named.
  std::vector<NetworkSegment> several;
  std::optional<std::uint32_t> mtu;  ///< As asked.
};

/// Errors: InvalidArgument, Unsupported.
Result<SegmentDrafts> draft_segments(const Networks::Impl& impl, const NetworkCreate& spec);
/// Takes them for the network and sets its segments and MTU. Errors: Conflict, NoCapacity.
Result<void> take_segments(const Networks::Impl& impl, store::Txn& txn, const SegmentDrafts& drafts,
                           Network& network);
/// Gives all back.
Result<void> give_segments_back(const Networks::Impl& impl, store::Txn& txn,
                                const Network& network);
/// Before a network's segments change: an MTU that is not what they carry was asked for, which
/// records of before did not say. `base` is what the cloud's wires carry.
void note_asked_mtu(std::uint32_t base, Network& network);
/// After it: frames of any port fit on each of the segments, and are no longer than was asked for.
void fit_mtu(std::uint32_t base, Network& network);
/// The MTU fits each of its segments. Errors: InvalidArgument.
Result<void> check_mtu_of(const Networks::Impl& impl, const Network& network,
                          const std::optional<std::uint32_t>& asked);

}  // namespace cloudos::network
