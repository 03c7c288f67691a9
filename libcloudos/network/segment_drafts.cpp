#include "network/segment_drafts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cloudos/network_limits.hpp"
#include "network/network_checks.hpp"
#include "network/segments.hpp"

namespace cloudos::network {
namespace {

/// The least that all of them carry.
Result<std::uint32_t> least_mtu(const Networks::Impl& impl,
                                const std::vector<NetworkSegment>& segments,
                                const std::optional<std::uint32_t>& asked) {
  std::uint32_t least = UINT32_MAX;
  for (const NetworkSegment& one : segments) {
    CLOUDOS_TRY(const std::uint32_t mtu, mtu_of(impl.settings.mtu, one.network_type, asked));
    least = std::min(least, mtu);
  }
  return least;
}

Result<void> draft_several(const Networks::Impl& impl, const NetworkCreate& spec,
                           SegmentDrafts& drafts) {
  if (spec.network_type || spec.physical_network || spec.segmentation_id)
    return invalid("segments stand in place of the provider attributes, not beside them");
  if (spec.segments.size() > limits::kNetworkSegments)
    return invalid(fmt::format("segments: at most {}", limits::kNetworkSegments));
  for (const auto& asked : spec.segments) {
    CLOUDOS_TRY(const TypeDriver* type, impl.types.find(asked.network_type));
    CLOUDOS_CHECK(type->validate({asked.physical_network, asked.segmentation_id}));
    NetworkSegment one;
    one.id = impl.engine.ids.make<SegmentId>();
    one.network_type = asked.network_type;
    one.physical_network = asked.physical_network;
    one.segmentation_id = asked.segmentation_id;
    one.created_at = one.updated_at = impl.engine.clock.wall();
    const auto twin = [&](const NetworkSegment& other) {
      return same_wire(one, other) &&
             (one.segmentation_id || one.network_type == "flat" || one.network_type == "local");
    };
    if (std::any_of(drafts.several.begin(), drafts.several.end(), twin))
      return invalid("segments: the same one is there twice");
    drafts.several.push_back(std::move(one));
  }
  return Result<void>();
}

}  // namespace

Result<SegmentDrafts> draft_segments(const Networks::Impl& impl, const NetworkCreate& spec) {
  SegmentDrafts drafts;
  drafts.mtu = spec.mtu;
  if (!spec.segments.empty()) {
    CLOUDOS_CHECK(draft_several(impl, spec, drafts));
    CLOUDOS_CHECK(least_mtu(impl, drafts.several, spec.mtu));
    return drafts;
  }
  if (spec.network_type)
    drafts.types = {*spec.network_type};
  else
    drafts.types = impl.settings.tenant_types;
  drafts.physical_network = spec.physical_network.value_or("");
  drafts.segmentation_id = spec.segmentation_id;
  for (const std::string& name : drafts.types) {
    CLOUDOS_TRY(const TypeDriver* type, impl.types.find(name));
    CLOUDOS_CHECK(type->validate({drafts.physical_network, drafts.segmentation_id}));
    CLOUDOS_CHECK(mtu_of(impl.settings.mtu, name, spec.mtu));
  }
  return drafts;
}

Result<void> take_segments(const Networks::Impl& impl, store::Txn& txn, const SegmentDrafts& drafts,
                           Network& network) {
  network.asked_mtu = drafts.mtu;
  if (!drafts.several.empty()) {
    for (NetworkSegment one : drafts.several) {
      const TypeDriver::Segment asked{one.physical_network, one.segmentation_id};
      CLOUDOS_CHECK(impl.take_segment(txn, network, asked, one));
      network.segments.push_back(std::move(one));
    }
    lead_by_first(network);
    CLOUDOS_TRY(network.mtu, least_mtu(impl, network.segments, drafts.mtu));
    return Result<void>();
  }
  for (const std::string& name : drafts.types) {
    CLOUDOS_TRY(TypeDriver* const type, impl.types.find(name));
    const auto segment = type->allocate(
        txn, {drafts.physical_network, drafts.segmentation_id, network.project}, network.id);
    if (!segment && segment.error().code == ErrorCode::NoCapacity && name != drafts.types.back())
      continue;  // The next kind may have some left.
    if (!segment) return fail(segment.error());
    network.network_type = name;
    network.physical_network = segment->physical_network;
    network.segmentation_id = segment->segmentation_id;
    CLOUDOS_TRY(network.mtu, mtu_of(impl.settings.mtu, name, drafts.mtu));
    return Result<void>();
  }
  return fail_as("NoNetworkAvailable", ErrorCode::NoCapacity,
                 "Unable to create the network. No tenant network is available for allocation.");
}

Result<void> give_segments_back(const Networks::Impl& impl, store::Txn& txn,
                                const Network& network) {
  for (const NetworkSegment& one : network_segments(network))
    CLOUDOS_CHECK(impl.give_segment_back(txn, network.id, one));
  return Result<void>();
}

namespace {

std::uint32_t most_on_all(std::uint32_t base, const Network& network) {
  std::uint32_t most = UINT32_MAX;
  for (const NetworkSegment& one : network_segments(network))
    most = std::min(most, most_mtu(base, one.network_type));
  return most;
}

}  // namespace

void note_asked_mtu(std::uint32_t base, Network& network) {
  if (!network.asked_mtu && network.mtu != most_on_all(base, network))
    network.asked_mtu = network.mtu;
}

void fit_mtu(std::uint32_t base, Network& network) {
  network.mtu = most_on_all(base, network);
  if (network.asked_mtu) network.mtu = std::min(network.mtu, *network.asked_mtu);
}

Result<void> check_mtu_of(const Networks::Impl& impl, const Network& network,
                          const std::optional<std::uint32_t>& asked) {
  for (const NetworkSegment& one : network_segments(network))
    CLOUDOS_CHECK(check_mtu(impl.settings.mtu, one.network_type, asked));
  return Result<void>();
}

}  // namespace cloudos::network
