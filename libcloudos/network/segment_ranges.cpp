#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "cloudos/network_limits.hpp"
#include "network/derived_id.hpp"
#include "network/impl.hpp"
#include "network/listing.hpp"
#include "network/segments.hpp"

namespace cloudos {

using network::Attribute;

void fields(codec::FieldVisitor& v, SegmentRange& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "project"}, r.project);
  v.field({4, "name"}, r.name);
  v.field({5, "description"}, r.description);
  v.field({6, "shared"}, r.shared);
  v.field({7, "network_type"}, r.network_type);
  v.field({8, "physical_network"}, r.physical_network);
  v.field({9, "minimum"}, r.minimum);
  v.field({10, "maximum"}, r.maximum);
  v.field({11, "created_at"}, r.created_at);
  v.field({12, "updated_at"}, r.updated_at);
  v.unknown(r.unknown);
}

void keys(records::Keys& k, const SegmentRange& r) {
  k.index("project", r.project.value);
}

std::optional<Attribute> list_attribute(const SegmentRange& r, std::string_view name) {
  if (name == "default") return Attribute::flag(r.is_default);
  if (name == "shared") return Attribute::flag(r.shared);
  if (name == "network_type") return Attribute::text(r.network_type);
  if (name == "physical_network") return Attribute::text(r.physical_network);
  if (name == "minimum") return Attribute::number(std::uint64_t{r.minimum});
  if (name == "maximum") return Attribute::number(std::uint64_t{r.maximum});
  return network::common_attribute(r, name);
}

namespace network {

void fields(codec::FieldVisitor& v, RangeTable::Row& r) {
  v.field({1, "range"}, r.range);
  v.field({2, "project"}, r.project);
  v.field({3, "first"}, r.first);
  v.field({4, "last"}, r.last);
}

void fields(codec::FieldVisitor& v, RangeTable& t) {
  v.field({1, "id"}, t.id);
  v.field({2, "generation"}, t.generation);
  v.field({3, "rows"}, t.rows);
  v.unknown(t.unknown);
}

void keys(records::Keys&, const RangeTable&) {}

std::string range_table_id(std::string_view type, std::string_view physical_network) {
  return type == "vlan" ? fmt::format("vlan:{}", physical_network) : std::string(type);
}

namespace {

SegmentRange configured_range(std::string_view type, std::string_view physical, TagRange numbers) {
  SegmentRange range;
  range.id.value = derived_id(
      {"segment-range", type, physical, fmt::format("{}-{}", numbers.first, numbers.second)});
  range.generation = 1;
  range.is_default = range.shared = true;
  range.network_type = type;
  range.physical_network = physical;
  range.minimum = numbers.first;
  range.maximum = numbers.second;
  return range;
}

Failure range_read_only(const SegmentRangeId& id) {
  return fail_as(
      "NetworkSegmentRangeDefaultReadOnly", ErrorCode::InvalidArgument,
      fmt::format("Network Segment Range {} is of the configuration: it is changed there",
                  id.value));
}

Failure range_in_use(const SegmentRangeId& id) {
  return fail_as("NetworkSegmentRangeReferencedByProject", ErrorCode::Conflict,
                 fmt::format("Network Segment Range {} is referenced by one or more tenant "
                             "networks.",
                             id.value));
}

Result<void> check_range(const Networks::Impl& impl, const SegmentRange& range) {
  const bool vlan = range.network_type == "vlan";
  if (!vlan && range.network_type != "vxlan") {
    return fail_as("NetworkSegmentRangeNetTypeNotSupported", ErrorCode::InvalidArgument,
                   fmt::format("network_type: '{}' has no numbers to make ranges of; use vlan or "
                               "vxlan",
                               range.network_type.substr(0, 64)));
  }
  const auto& physical = impl.settings.physical_networks;
  const bool here =
      std::find(physical.begin(), physical.end(), range.physical_network) != physical.end();
  if (vlan && !here) {
    return invalid(
        fmt::format("physical_network: a range of VLANs is of a physical network, and "
                    "this cloud has no '{}'",
                    range.physical_network.substr(0, 64)));
  }
  const std::uint32_t most = vlan ? limits::kVlanMost : limits::kVniMost;
  if (range.minimum >= 1 && range.minimum <= range.maximum && range.maximum <= most)
    return Result<void>();
  return invalid(fmt::format("minimum and maximum must be within 1 to {}, in this order", most));
}

Result<RangeTable> load_table(store::Txn& txn, const SegmentRange& range) {
  const std::string id = range_table_id(range.network_type, range.physical_network);
  auto table = records::get<RangeTable>(txn, id);
  if (table || table.error().code != ErrorCode::NotFound) return table;
  RangeTable fresh;
  fresh.id = id;
  return fresh;
}

Result<void> write_table(store::Txn& txn, RangeTable& table) {
  return table.generation == 0 ? records::insert(txn, table) : records::update(txn, table);
}

/// Numbers of two ranges never mean two things: those that admins made lie apart.
Result<void> refuse_overlap(const RangeTable& table, const SegmentRange& range) {
  for (const RangeTable::Row& row : table.rows) {
    if (row.range == range.id || row.last < range.minimum || row.first > range.maximum) continue;
    return fail_as("NetworkSegmentRangeOverlaps", ErrorCode::Conflict,
                   fmt::format("Network segment range overlaps with existing network segment range "
                               "{}.",
                               row.range.value));
  }
  return Result<void>();
}

/// Range and table as they were when `used` was read; then nothing was given out since.
struct SeenRange {
  SegmentRange range;
  std::uint64_t table = 0;
  std::map<std::uint32_t, ProjectId> used;
};

Result<std::map<std::uint32_t, ProjectId>> used_numbers(const store::Snapshot& snapshot,
                                                        const SegmentRange& range) {
  const std::string prefix = tag_prefix(range.network_type, range.physical_network) + "/";
  std::map<std::uint32_t, ProjectId> used;
  // Numbers lie there as texts: those of a range are anywhere among all that are taken.
  store::ScanOptions scan;
  for (;;) {
    CLOUDOS_TRY(const auto taken, snapshot.scan(prefix, scan));
    for (const store::Entry& entry : taken) {
      const auto number = parse_unsigned(std::string_view(entry.key).substr(prefix.size()));
      if (!number || *number < range.minimum || *number > range.maximum) continue;
      const auto network = records::get<Network>(snapshot, NetworkId{entry.value});
      if (network) used.emplace(static_cast<std::uint32_t>(*number), network->project);
    }
    if (taken.size() < limits::kScanPage) return used;
    scan.after = taken.back().key;
  }
}

Result<SeenRange> see_range(const store::Snapshot& snapshot, const SegmentRangeId& id) {
  SeenRange seen;
  CLOUDOS_TRY(seen.range, load<SegmentRange>(snapshot, id));
  const auto table = records::get<RangeTable>(
      snapshot, range_table_id(seen.range.network_type, seen.range.physical_network));
  if (table) seen.table = table->generation;
  CLOUDOS_TRY(seen.used, used_numbers(snapshot, seen.range));
  return seen;
}

/// The table of a range that nobody took a number of since it was seen. Errors: Stale.
Result<RangeTable> unchanged_table(store::Txn& txn, const SeenRange& seen) {
  CLOUDOS_TRY(auto table, load_table(txn, seen.range));
  if (table.generation != seen.table)
    return fail(ErrorCode::Stale, "a number of the range was given out meanwhile");
  return table;
}

Result<void> refuse_default_range(const Networks::Impl& impl, const SegmentRangeId& id) {
  for (const SegmentRange& one : configured_ranges(impl.settings))
    if (one.id == id) return range_read_only(id);
  return Result<void>();
}

}  // namespace

std::vector<SegmentRange> configured_ranges(const NetworkSettings& settings) {
  std::vector<SegmentRange> all;
  for (const auto& [physical, ranges] : vlan_ranges_of(settings))
    for (const TagRange& one : ranges) all.push_back(configured_range("vlan", physical, one));
  for (const TagRange& one : settings.vxlan_ranges)
    all.push_back(configured_range("vxlan", "", one));
  return all;
}

}  // namespace network

Result<std::vector<SegmentRange>> NetworkSegments::ranges(const Context& ctx,
                                                          const NetworkListSpec& spec) const {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "network_segment_ranges"));
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  auto all = network::configured_ranges(impl_.settings);
  CLOUDOS_TRY(auto made, records::all<SegmentRange>(*snapshot));
  std::move(made.begin(), made.end(), std::back_inserter(all));
  return network::list_these(std::move(all), ctx, spec);
}

Result<SegmentRange> NetworkSegments::range(const Context& ctx, const SegmentRangeId& id) const {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "network_segment_ranges"));
  for (SegmentRange& one : network::configured_ranges(impl_.settings))
    if (one.id == id) return std::move(one);
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load<SegmentRange>(*snapshot, id);
}

Result<SegmentRangeUse> NetworkSegments::use_of(const Context& ctx,
                                                const SegmentRange& range) const {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "network_segment_ranges"));
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  SegmentRangeUse use;
  CLOUDOS_TRY(use.used, network::used_numbers(*snapshot, range));
  for (std::uint32_t number = range.minimum;
       number <= range.maximum && use.available.size() < limits::kRangeShown; ++number)
    if (!use.used.count(number)) use.available.push_back(number);
  return use;
}

Result<SegmentRange> NetworkSegments::create_range(const Context& ctx,
                                                   const SegmentRangeCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "network_segment_ranges"));
  CLOUDOS_CHECK(network::check_texts(spec.name, spec.description));
  SegmentRange draft;
  if (!spec.shared) {
    CLOUDOS_TRY(draft.project, network::owner_of_new(ctx, spec.project));
  }
  draft.id = impl_.engine.ids.make<SegmentRangeId>();
  draft.name = spec.name;
  draft.description = spec.description;
  draft.shared = spec.shared;
  draft.network_type = spec.network_type;
  draft.physical_network = spec.network_type == "vlan" ? spec.physical_network : "";
  if (!spec.minimum || !spec.maximum)
    return network::invalid("minimum and maximum are both needed");
  draft.minimum = *spec.minimum;
  draft.maximum = *spec.maximum;
  draft.created_at = draft.updated_at = impl_.engine.clock.wall();
  CLOUDOS_CHECK(network::check_range(impl_, draft));
  SegmentRange made;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    made = draft;
    CLOUDOS_TRY(auto table, network::load_table(txn, made));
    if (table.rows.size() >= limits::kSegmentRanges) {
      return network::invalid(fmt::format("at most {} ranges of one kind", limits::kSegmentRanges));
    }
    CLOUDOS_CHECK(network::refuse_overlap(table, made));
    table.rows.push_back({made.id, made.project, made.minimum, made.maximum});
    CLOUDOS_CHECK(network::write_table(txn, table));
    return records::insert(txn, made);
  }));
  return made;
}

Result<SegmentRange> NetworkSegments::update_range(const Context& ctx, const SegmentRangeId& id,
                                                   const SegmentRangeUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "network_segment_ranges"));
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), change.description.value_or("")));
  CLOUDOS_CHECK(network::refuse_default_range(impl_, id));
  const WallTime now = impl_.engine.clock.wall();
  SegmentRange changed;
  CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
    network::SeenRange seen;
    {
      CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
      CLOUDOS_TRY(seen, network::see_range(*snapshot, id));
    }
    const bool below =
        change.minimum && !seen.used.empty() && *change.minimum >= seen.used.begin()->first;
    const bool above =
        change.maximum && !seen.used.empty() && *change.maximum <= seen.used.rbegin()->first;
    if (below || above) return network::range_in_use(id);
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(changed, network::load<SegmentRange>(txn, id));
      CLOUDOS_TRY(auto table, network::unchanged_table(txn, seen));
      if (change.name) changed.name = *change.name;
      if (change.description) changed.description = *change.description;
      if (change.minimum) changed.minimum = *change.minimum;
      if (change.maximum) changed.maximum = *change.maximum;
      changed.updated_at = now;
      CLOUDOS_CHECK(network::check_range(impl_, changed));
      CLOUDOS_CHECK(network::refuse_overlap(table, changed));
      for (auto& row : table.rows) {
        if (row.range != id) continue;
        row.first = changed.minimum;
        row.last = changed.maximum;
      }
      CLOUDOS_CHECK(network::write_table(txn, table));
      return records::update(txn, changed);
    });
  }));
  return changed;
}

Result<void> NetworkSegments::remove_range(const Context& ctx, const SegmentRangeId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "network_segment_ranges"));
  CLOUDOS_CHECK(network::refuse_default_range(impl_, id));
  return store::replan([&]() -> Result<void> {
    network::SeenRange seen;
    {
      CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
      CLOUDOS_TRY(seen, network::see_range(*snapshot, id));
    }
    if (!seen.used.empty()) return network::range_in_use(id);
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(auto table, network::unchanged_table(txn, seen));
      std::erase_if(table.rows, [&](const auto& row) { return row.range == id; });
      CLOUDOS_CHECK(network::write_table(txn, table));
      return records::erase<SegmentRange>(txn, id);
    });
  });
}

}  // namespace cloudos
