#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/network_driver.hpp"
#include "cloudos/network_segments.hpp"
#include "network/lists.hpp"
#include "network/record.hpp"

/// Segments live in their network's record. One that was never touched is not even there: its id
/// follows from the network's, so that networks of one segment, which nearly all are, cost nothing.
namespace cloudos {

struct NetworkSettings;

std::optional<network::Attribute> list_attribute(const NetworkSegment& s, std::string_view name);
std::optional<network::Attribute> list_attribute(const SegmentRange& r, std::string_view name);
void fields(codec::FieldVisitor& v, SegmentRange& r);
void keys(records::Keys& k, const SegmentRange& r);

namespace network {

/// The id of a network's first segment, and back. Pure.
SegmentId first_segment(const NetworkId& network);
NetworkId network_of_first(const SegmentId& segment);

/// Where the segment's network is found: by its own entry, or by its id. Errors: NotFound.
Result<Network> load_segment_network(store::Txn& txn, const SegmentId& id);

/// The segment of the network, or null.
const NetworkSegment* segment_in(const std::vector<NetworkSegment>& segments, const SegmentId& id);
/// A dynamic segment that no port is on yet has a key under this: whoever died before its binding
/// was written leaves it, and a reconciler gives the segment back.
inline constexpr std::string_view kSegmentDuePrefix = "/segment-due/";
std::string segment_due(const NetworkId& network, const SegmentId& segment);
/// Makes `network.segments` say what network_segments() does, so that it can be changed.
void spell_segments(Network& network);
/// The three fields of a network are those of its first segment.
void lead_by_first(Network& network);
bool same_wire(const NetworkSegment& a, const NetworkSegment& b);

/// The segment of the network that a bound port's addresses belong to; empty: it is not bound.
SegmentId address_segment(const Network& network, const Port& port);

/// Of all bindings, active or not.
std::vector<BindingLevel> all_levels(const Port& port);

// ---- subnets of routed networks (segment_subnets.cpp)
// --------------------------------------------

/// All subnets of a network are on segments of it, or none is. Errors: InvalidArgument, NotFound.
Result<void> check_subnet_segment(store::Txn& txn, const Network& network, const Subnet& subnet);
/// A subnet comes onto a segment only as the only one of its network, once.
Result<void> move_subnet(store::Txn& txn, const Network& network, const SegmentId& segment,
                         Subnet& subnet);
bool is_routed(const std::vector<Subnet>& subnets);
/// Those that a port may have more addresses of: with a host, those of its segment, and without one
/// those of the segment that its addresses are of.
std::vector<Subnet> subnets_within_reach(const Network& network, const Port& port,
                                         std::vector<Subnet> subnets);
/// A new port that names no address of a routed network gets one with its host.
Result<bool> waits_for_host(store::Txn& txn, const Network& network, const Port& port,
                            const std::optional<std::vector<FixedIpRequest>>& asked);
/// A bound port's addresses are those of its segment, and those of one that is on no host are of one
/// segment, so that there can be a host for it. Errors: Conflict, InvalidArgument.
Result<void> check_addresses_reach(store::Txn& txn, const Network& network, const Port& port);

// ---- ranges (segment_ranges.cpp)
// ------------------------------------------------------------------

/// What allocation knows of the ranges of one kind of segment, beside the configuration's.
struct RangeTable {
  static constexpr std::string_view kKind = "segment_range_table";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;                ///< "vxlan", "vlan:physnet1"
  std::uint64_t generation = 0;  ///< Grows, too, when a number of one of the rows is given out.
  struct Row {
    SegmentRangeId range;
    ProjectId project;  ///< Empty: everybody's.
    std::uint32_t first = 0, last = 0;
  };
  std::vector<Row> rows;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, RangeTable::Row& r);
void fields(codec::FieldVisitor& v, RangeTable& t);
void keys(records::Keys& k, const RangeTable& t);
std::string range_table_id(std::string_view type, std::string_view physical_network);
/// Those that the configuration says, by ids that stay.
std::vector<SegmentRange> configured_ranges(const NetworkSettings& settings);

}  // namespace network
}  // namespace cloudos
