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
/// The MTU fits each of its segments. Errors: InvalidArgument.
Result<void> check_mtu_of(const Networks::Impl& impl, const Network& network,
                          const std::optional<std::uint32_t>& asked);

}  // namespace cloudos::network
