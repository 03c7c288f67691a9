#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos {

/// The segments of a network, dynamic ones last; at least one. Pure.
CLOUDOS_EXPORT std::vector<NetworkSegment> network_segments(const Network& network);

struct SegmentCreate {
  NetworkId network;
  std::string name, description;
  std::string network_type, physical_network;
  std::optional<std::uint32_t> segmentation_id;  ///< Absent: one of the ranges.
};
struct SegmentUpdate {
  std::optional<std::string> name, description;
};

/// Numbers that segments of a kind are made of. Those of the configuration are read-only.
struct SegmentRange {
  static constexpr std::string_view kKind = "segment_range";
  static constexpr std::string_view kNoun = "NetworkSegmentRange";
  static constexpr std::uint32_t kSchema = 1;
  SegmentRangeId id;
  std::uint64_t generation = 0;
  ProjectId project;             ///< Whose networks alone get its numbers; empty when shared.
  std::string name, description;
  bool is_default = false;       ///< Of the configuration. Not stored.
  bool shared = false;
  std::string network_type;      ///< "vlan", "vxlan"
  std::string physical_network;  ///< vlan only.
  std::uint32_t minimum = 0, maximum = 0;  ///< Both inclusive.
  WallTime created_at, updated_at;
  std::string unknown;
};

struct SegmentRangeCreate {
  std::string name, description;
  bool shared = true;
  std::optional<ProjectId> project;  ///< Not shared; absent: the caller's.
  std::string network_type, physical_network;
  std::optional<std::uint32_t> minimum, maximum;
};
struct SegmentRangeUpdate {
  std::optional<std::string> name, description;
  std::optional<std::uint32_t> minimum, maximum;
};

/// What of a range is given out.
struct SegmentRangeUse {
  std::map<std::uint32_t, ProjectId> used;  ///< By number: whose network has it.
  std::vector<std::uint32_t> available;     ///< At most limits::kRangeShown, the lowest.
};

/// Segments and the ranges they come from. For admins; thread-safe; part of Networks.
/// Source: Networking API v2.0 (segment, network-segment-range, l2_adjacency).
class CLOUDOS_EXPORT NetworkSegments final {
 public:
  Result<std::vector<NetworkSegment>> segments(const Context& ctx,
                                               const NetworkListSpec& spec = {}) const;
  Result<NetworkSegment> segment(const Context& ctx, const SegmentId& id) const;
  /// Errors: Forbidden, InvalidArgument, NotFound (network), Conflict (taken), NoCapacity.
  Result<NetworkSegment> create(const Context& ctx, const SegmentCreate& spec);
  Result<NetworkSegment> update(const Context& ctx, const SegmentId& id,
                                const SegmentUpdate& change);
  /// Errors: NotFound, Conflict (subnets or ports are on it, or it is its network's only one).
  Result<void> remove(const Context& ctx, const SegmentId& id);

  Result<std::vector<SegmentRange>> ranges(const Context& ctx,
                                           const NetworkListSpec& spec = {}) const;
  Result<SegmentRange> range(const Context& ctx, const SegmentRangeId& id) const;
  /// Errors: Forbidden, InvalidArgument, Conflict (another range has some of its numbers).
  Result<SegmentRange> create_range(const Context& ctx, const SegmentRangeCreate& spec);
  /// A bound that is named has to lie outside what is given out.
  /// Errors: NotFound, InvalidArgument (of the configuration), Conflict.
  Result<SegmentRange> update_range(const Context& ctx, const SegmentRangeId& id,
                                    const SegmentRangeUpdate& change);
  /// Errors: NotFound, InvalidArgument (of the configuration), Conflict (some are given out).
  Result<void> remove_range(const Context& ctx, const SegmentRangeId& id);
  /// Of these networks, those whose subnets are each on one segment: only routers lead from one
  /// segment to another (l2_adjacency is false).
  Result<std::set<NetworkId>> routed_of(const std::vector<Network>& networks) const;
  Result<SegmentRangeUse> use_of(const Context& ctx, const SegmentRange& range) const;

  explicit NetworkSegments(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos
