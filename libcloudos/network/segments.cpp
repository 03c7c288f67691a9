#include "network/segments.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cloudos/network_limits.hpp"
#include "network/impl.hpp"
#include "network/listing.hpp"
#include "network/network_checks.hpp"
#include "network/segment_drafts.hpp"

namespace cloudos {

using network::Attribute;

std::optional<Attribute> list_attribute(const NetworkSegment& s, std::string_view name) {
  if (name == "network_id") return Attribute::text(s.network.value);
  if (name == "network_type") return Attribute::text(s.network_type);
  if (name == "physical_network") return Attribute::text(s.physical_network);
  if (name == "segmentation_id") return Attribute::number(s.segmentation_id);
  return network::common_attribute(s, name);
}

std::vector<NetworkSegment> network_segments(const Network& network) {
  std::vector<NetworkSegment> all = network.segments;
  if (all.empty()) {
    NetworkSegment only;
    only.id = network::first_segment(network.id);
    only.network_type = network.network_type;
    only.physical_network = network.physical_network;
    only.segmentation_id = network.segmentation_id;
    only.created_at = only.updated_at = network.created_at;
    all.push_back(std::move(only));
  }
  for (NetworkSegment& one : all) {
    one.network = network.id;
    one.project = network.project;
  }
  std::stable_partition(all.begin(), all.end(), [](const auto& one) { return !one.dynamic; });
  return all;
}

namespace network {
namespace {

constexpr std::string_view kSegmentSuffix = "-segment";
constexpr std::string_view kSegmentHex = "0123456789abcdef";

/// The last digit changed, which is its own reverse; other ids than ours get a word behind them.
std::string segment_partner(std::string_view id) {
  const auto digit = id.empty() ? kSegmentHex.npos : kSegmentHex.find(id.back());
  if (digit == kSegmentHex.npos || id.ends_with(kSegmentSuffix)) return {};
  std::string other(id);
  other.back() = kSegmentHex[digit ^ 8];
  return other;
}

Result<Network> find_segment_network(const store::Snapshot& snapshot, const SegmentId& id) {
  CLOUDOS_TRY(const auto named,
              records::find_unique(snapshot, Network::kKind, "segment", "", id.value));
  const NetworkId owner = named ? NetworkId{*named} : network_of_first(id);
  auto network = records::get<Network>(snapshot, owner);
  if (!network && network.error().code == ErrorCode::NotFound)
    return missing<NetworkSegment>(id.value);
  return network;
}

/// The segment of what was found by its id: a first one may have gone since.
Result<NetworkSegment> pick_segment(const Network& network, const SegmentId& id) {
  const auto all = network_segments(network);
  if (const auto* one = segment_in(all, id)) return *one;
  return missing<NetworkSegment>(id.value);
}

Result<void> check_segment_spec(const Networks::Impl& impl, const SegmentCreate& spec) {
  CLOUDOS_CHECK(check_texts(spec.name, spec.description));
  CLOUDOS_TRY(const TypeDriver* type, impl.types.find(spec.network_type));
  return type->validate({spec.physical_network, spec.segmentation_id});
}

Result<void> refuse_used_segment(store::Txn& txn, const Network& network, const SegmentId& id) {
  bool used = !txn.none(records::index_prefix(Port::kKind, "segment", id.value));
  // Ports that were bound while it was the only one do not say so: any port may be on it.
  if (id == first_segment(network.id))
    used = used || !txn.none(records::index_prefix(Port::kKind, "network", network.id.value));
  for (const SubnetId& subnet : network.subnets) {
    CLOUDOS_TRY(const Subnet one, load<Subnet>(txn, subnet));
    used = used || one.segment == id;
  }
  if (!used) return Result<void>();
  return fail_as(
      "SegmentInUse", ErrorCode::Conflict,
      fmt::format("Segment '{}' cannot be deleted: subnets or ports are on it.", id.value));
}

}  // namespace

SegmentId first_segment(const NetworkId& network) {
  auto other = segment_partner(network.value);
  return SegmentId{other.empty() ? network.value + std::string(kSegmentSuffix) : std::move(other)};
}

NetworkId network_of_first(const SegmentId& segment) {
  if (segment.value.ends_with(kSegmentSuffix))
    return NetworkId{segment.value.substr(0, segment.value.size() - kSegmentSuffix.size())};
  return NetworkId{segment_partner(segment.value)};
}

const NetworkSegment* segment_in(const std::vector<NetworkSegment>& segments, const SegmentId& id) {
  for (const NetworkSegment& one : segments)
    if (one.id == id) return &one;
  return nullptr;
}

std::string segment_due(const NetworkId& network, const SegmentId& segment) {
  return fmt::format("{}{}/{}", kSegmentDuePrefix, records::key_part(network.value),
                     records::key_part(segment.value));
}

void spell_segments(Network& network) {
  if (network.segments.empty()) network.segments = network_segments(network);
}

void lead_by_first(Network& network) {
  const auto all = network_segments(network);
  network.network_type = all.front().network_type;
  network.physical_network = all.front().physical_network;
  network.segmentation_id = all.front().segmentation_id;
}

bool same_wire(const NetworkSegment& a, const NetworkSegment& b) {
  return a.network_type == b.network_type && a.physical_network == b.physical_network &&
         a.segmentation_id == b.segmentation_id;
}

Result<Network> load_segment_network(store::Txn& txn, const SegmentId& id) {
  const auto named = records::find_unique(txn, Network::kKind, "segment", "", id.value);
  const NetworkId owner = named ? NetworkId{*named} : network_of_first(id);
  auto network = records::get<Network>(txn, owner);
  if (!network && network.error().code == ErrorCode::NotFound)
    return missing<NetworkSegment>(id.value);
  CLOUDOS_CHECK(network);
  CLOUDOS_CHECK(pick_segment(*network, id));
  return network;
}

SegmentId address_segment(const Network& network, const Port& port) {
  if (port.host.empty() || port.driver.empty()) return {};
  return port.levels.empty() ? network_segments(network).front().id : port.levels.front().segment;
}

std::vector<BindingLevel> all_levels(const Port& port) {
  auto all = port.levels;
  for (const PortBinding& one : port.inactive_bindings)
    all.insert(all.end(), one.levels.begin(), one.levels.end());
  return all;
}

}  // namespace network

NetworkSegments& Networks::segments() {
  return impl_->segments;
}

Result<std::vector<NetworkSegment>> NetworkSegments::segments(const Context& ctx,
                                                              const NetworkListSpec& spec) const {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "segments"));
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  std::vector<Network> networks;
  const auto named = std::find_if(spec.filters.begin(), spec.filters.end(),
                                  [](const auto& filter) { return filter.first == "network_id"; });
  if (named == spec.filters.end()) {
    CLOUDOS_TRY(networks, records::all<Network>(*snapshot));
  } else {
    for (const auto& [name, value] : spec.filters) {
      if (name != "network_id") continue;
      auto one = records::get<Network>(*snapshot, NetworkId{value});
      if (one) networks.push_back(std::move(*one));
    }
  }
  std::vector<NetworkSegment> all;
  for (const Network& network : networks)
    for (NetworkSegment& one : network_segments(network)) all.push_back(std::move(one));
  return network::list_these(std::move(all), ctx, spec);
}

Result<NetworkSegment> NetworkSegments::segment(const Context& ctx, const SegmentId& id) const {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "segments"));
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(const auto network, network::find_segment_network(*snapshot, id));
  return network::pick_segment(network, id);
}

Result<NetworkSegment> NetworkSegments::create(const Context& ctx, const SegmentCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "segments"));
  CLOUDOS_CHECK(network::check_segment_spec(impl_, spec));
  NetworkSegment draft;
  draft.id = impl_.engine.ids.make<SegmentId>();
  draft.name = spec.name;
  draft.description = spec.description;
  draft.network_type = spec.network_type;
  draft.created_at = draft.updated_at = impl_.engine.clock.wall();
  NetworkSegment made;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Network network, network::load<Network>(txn, spec.network));
    made = draft;
    made.network = network.id;
    made.project = network.project;
    CLOUDOS_CHECK(
        impl_.add_segment(txn, network, {spec.physical_network, spec.segmentation_id}, made));
    network.updated_at = draft.created_at;
    CLOUDOS_CHECK(records::update(txn, network));
    return impl_.precommit_network(txn, network);
  }));
  return made;
}

Result<NetworkSegment> NetworkSegments::update(const Context& ctx, const SegmentId& id,
                                               const SegmentUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "segments"));
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), change.description.value_or("")));
  const WallTime now = impl_.engine.clock.wall();
  NetworkSegment changed;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Network network, network::load_segment_network(txn, id));
    network::spell_segments(network);
    for (NetworkSegment& one : network.segments) {
      if (one.id != id) continue;
      if (change.name) one.name = *change.name;
      if (change.description) one.description = *change.description;
      one.updated_at = now;
      ++one.generation;
      changed = one;
    }
    changed.network = network.id;
    changed.project = network.project;
    return records::update(txn, network);
  }));
  return changed;
}

Result<void> NetworkSegments::remove(const Context& ctx, const SegmentId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "segments"));
  const WallTime now = impl_.engine.clock.wall();
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Network network, network::load_segment_network(txn, id));
    const auto all = network_segments(network);
    if (std::count_if(all.begin(), all.end(), [](const auto& one) { return !one.dynamic; }) == 1 &&
        all.front().id == id) {
      return network::fail_as("SegmentInUse", ErrorCode::Conflict,
                              fmt::format("Segment '{}' cannot be deleted: it is the only one of "
                                          "network {}, and goes with it.",
                                          id.value, network.id.value));
    }
    CLOUDOS_CHECK(network::refuse_used_segment(txn, network, id));
    CLOUDOS_CHECK(impl_.drop_segment(txn, network, id));
    network.updated_at = now;
    CLOUDOS_CHECK(records::update(txn, network));
    return impl_.precommit_network(txn, network);
  });
}

// ---- taken and given back
// ------------------------------------------------------------------------

Result<void> Networks::Impl::take_segment(store::Txn& txn, const Network& network,
                                          const network::TypeDriver::Segment& asked,
                                          NetworkSegment& segment) const {
  CLOUDOS_TRY(network::TypeDriver* const type, types.find(segment.network_type));
  auto wanted = asked;
  wanted.project = network.project;
  NetworkSegment named = segment;
  named.physical_network = asked.physical_network;
  named.segmentation_id = asked.segmentation_id;
  for (const NetworkSegment& other : network.segments) {
    // Its type driver would not mind: the network has it already.
    const bool twin =
        network::same_wire(other, named) &&
        (named.segmentation_id || named.network_type == "flat" || named.network_type == "local");
    if (!twin) continue;
    return network::fail_as("NetworkSegmentAlreadyExists", ErrorCode::Conflict,
                            fmt::format("network {} has a segment of type {} like that already: {}",
                                        network.id.value, other.network_type, other.id.value));
  }
  CLOUDOS_TRY(const auto taken, type->allocate(txn, wanted, network.id));
  segment.physical_network = taken.physical_network;
  segment.segmentation_id = taken.segmentation_id;
  return Result<void>();
}

Result<void> Networks::Impl::add_segment(store::Txn& txn, Network& network,
                                         const network::TypeDriver::Segment& asked,
                                         NetworkSegment& segment) const {
  network::spell_segments(network);
  if (network.segments.size() >= limits::kNetworkSegments)
    return network::invalid(
        fmt::format("a network has at most {} segments", limits::kNetworkSegments));
  CLOUDOS_CHECK(take_segment(txn, network, asked, segment));
  network::note_asked_mtu(settings.mtu, network);
  network.segments.push_back(segment);
  network::fit_mtu(settings.mtu, network);
  return Result<void>();
}

Result<void> Networks::Impl::give_segment_back(store::Txn& txn, const NetworkId& network,
                                               const NetworkSegment& segment) const {
  CLOUDOS_TRY(network::TypeDriver* const type, types.find(segment.network_type));
  if (segment.dynamic) txn.erase(network::segment_due(network, segment.id));
  return type->release(txn, {segment.physical_network, segment.segmentation_id}, network);
}

Result<void> Networks::Impl::drop_segment(store::Txn& txn, Network& network,
                                          const SegmentId& id) const {
  network::spell_segments(network);
  const auto found = std::find_if(network.segments.begin(), network.segments.end(),
                                  [&](const NetworkSegment& one) { return one.id == id; });
  if (found == network.segments.end()) return Result<void>();
  CLOUDOS_CHECK(give_segment_back(txn, network.id, *found));
  network::note_asked_mtu(settings.mtu, network);
  network.segments.erase(found);
  network::lead_by_first(network);
  network::fit_mtu(settings.mtu, network);
  return Result<void>();
}

}  // namespace cloudos
