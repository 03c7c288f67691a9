#include "network/types.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cloudos/network_limits.hpp"
#include "network/errors.hpp"
#include "base/text.hpp"
#include "network/networks_room.hpp"
#include "network/segments.hpp"
#include "records/keys.hpp"

namespace cloudos::network {
namespace {

/// A segment that exists on each host by itself; nothing to take.
class LocalType final : public TypeDriver {
 public:
  std::string_view name() const override { return "local"; }
  Result<void> validate(const Segment& asked) const override {
    if (!asked.physical_network.empty())
      return invalid("provider:physical_network is not for networks of type local");
    if (asked.segmentation_id)
      return invalid("provider:segmentation_id is not for networks of type local");
    return Result<void>();
  }
  Result<Segment> allocate(store::Txn&, const Segment& asked, const NetworkId&) override {
    return asked;
  }
  Result<void> release(store::Txn&, const Segment&, const NetworkId&) override {
    return Result<void>();
  }
};

/// A physical network as it is, without tags: one network has it, whole.
class FlatType final : public TypeDriver {
 public:
  explicit FlatType(std::vector<std::string> physical) : physical_(std::move(physical)) {}
  std::string_view name() const override { return "flat"; }
  Result<void> validate(const Segment& asked) const override {
    if (asked.physical_network.empty())
      return invalid("provider:physical_network is needed for networks of type flat");
    if (asked.segmentation_id)
      return invalid("provider:segmentation_id is not for networks of type flat");
    if (std::find(physical_.begin(), physical_.end(), asked.physical_network) == physical_.end()) {
      return invalid(fmt::format("provider:physical_network: this cloud has no '{}'",
                                 asked.physical_network.substr(0, 64)));
    }
    return Result<void>();
  }
  Result<Segment> allocate(store::Txn& txn, const Segment& asked, const NetworkId& id) override {
    const std::string key = segment_key(asked);
    if (const auto owner = txn.get(key); owner && *owner != id.value) {
      return fail_as("FlatNetworkInUse", ErrorCode::Conflict,
                     fmt::format("physical network '{}' is in use by another flat network",
                                 asked.physical_network));
    }
    txn.put(key, id.value);
    return asked;
  }
  Result<void> release(store::Txn& txn, const Segment& held, const NetworkId& id) override {
    const std::string key = segment_key(held);
    if (const auto owner = txn.get(key); owner && *owner == id.value) txn.erase(key);
    return Result<void>();
  }

 private:
  static std::string segment_key(const Segment& segment) {
    return "/segment/flat/" + records::key_part(segment.physical_network);
  }
  std::vector<std::string> physical_;
};

/// Some ranges one behind the other, as one row of numbers.
class NumberRow {
 public:
  explicit NumberRow(TagRanges ranges) : ranges_(std::move(ranges)) {
    for (const TagRange& one : ranges_) size_ += one.second - one.first + 1;
  }
  std::uint32_t size() const { return size_; }
  std::uint32_t at(std::uint32_t index) const {
    for (const TagRange& one : ranges_) {
      const std::uint32_t length = one.second - one.first + 1;
      if (index < length) return one.first + index;
      index -= length;
    }
    return 0;
  }

 private:
  TagRanges ranges_;
  std::uint32_t size_ = 0;
};

/// What is left of the ranges where the others are not.
TagRanges ranges_beside(TagRanges ranges, const TagRanges& others) {
  for (const TagRange& gap : others) {
    TagRanges left;
    for (const TagRange& one : ranges) {
      if (gap.second < one.first || gap.first > one.second) {
        left.push_back(one);
        continue;
      }
      if (one.first < gap.first) left.emplace_back(one.first, gap.first - 1);
      if (one.second > gap.second) left.emplace_back(gap.second + 1, one.second);
    }
    ranges = std::move(left);
  }
  return ranges;
}

/// The numbers of one space: which are given out, and to whom.
class TagSpace {
 public:
  TagSpace(std::string_view type, std::string_view physical, TagRanges ranges)
      : prefix_(tag_prefix(type, physical)),
        table_(range_table_id(type, physical)),
        ranges_(std::move(ranges)) {}

  /// Takes a number that is named: also one outside the ranges, which are for the others.
  Result<void> take(store::Txn& txn, std::uint32_t number, const NetworkId& id,
                    std::string_view error) const {
    const std::string key = key_of(number);
    if (const auto owner = txn.get(key); owner && *owner != id.value) {
      return fail_as(error, ErrorCode::Conflict,
                     fmt::format("Unable to create the network. The segment {} is in use by "
                                 "another network.", number));
    }
    txn.put(key, id.value);
    CLOUDOS_TRY(auto table, made_ranges(txn));
    return note(txn, table, number);
  }

  /// Any free one: of the project's own ranges, then of those for all. Nothing: none is left.
  Result<std::optional<std::uint32_t>> take_any(store::Txn& txn, const ProjectId& project,
                                                const NetworkId& id) const {
    CLOUDOS_TRY(auto table, made_ranges(txn));
    TagRanges own, common = ranges_, kept;
    for (const RangeTable::Row& row : table.rows) {
      const bool mine = !row.project.empty() && row.project == project;
      (mine ? own : row.project.empty() ? common : kept).emplace_back(row.first, row.last);
    }
    auto number = first_free(txn, NumberRow(own), 0, id).first;
    if (!number) {
      // Others' own numbers are not even looked at: they would use up the tries.
      const NumberRow row(ranges_beside(std::move(common), kept));
      // Behind the one given out last: numbers rest before they are used again.
      const std::string next_key = "/segment/next" + prefix_.substr(std::size("/segment") - 1);
      std::uint32_t start = 0;
      if (const auto next = txn.get(next_key); next && row.size() > 0)
        start = static_cast<std::uint32_t>(parse_unsigned(*next).value_or(0)) % row.size();
      const auto [found, index] = first_free(txn, row, start, id);
      number = found;
      if (found) txn.put(next_key, std::to_string((index + 1) % row.size()));
    }
    if (number) CLOUDOS_CHECK(note(txn, table, *number));
    return number;
  }

  void give_back(store::Txn& txn, std::uint32_t number, const NetworkId& id) const {
    const std::string key = key_of(number);
    if (const auto owner = txn.get(key); owner && *owner == id.value) txn.erase(key);
  }

 private:
  // One transaction looks at so many numbers at most: a longer run of taken ones is full enough.
  static constexpr std::uint32_t kTries = 65'536;

  std::pair<std::optional<std::uint32_t>, std::uint32_t> first_free(
      store::Txn& txn, const NumberRow& row, std::uint32_t start, const NetworkId& id) const {
    for (std::uint32_t i = 0; i < std::min(row.size(), kTries); ++i) {
      const std::uint32_t index = (start + i) % row.size();
      const std::uint32_t number = row.at(index);
      const std::string key = key_of(number);
      if (txn.get(key)) continue;
      txn.put(key, id.value);
      return {number, index};
    }
    return {std::nullopt, 0};
  }

  Result<RangeTable> made_ranges(store::Txn& txn) const {
    auto table = records::get<RangeTable>(txn, table_);
    if (table || table.error().code != ErrorCode::NotFound) return table;
    return RangeTable{};
  }
  /// Who changes ranges knows by the table's generation whether numbers of them were given out.
  static Result<void> note(store::Txn& txn, RangeTable& table, std::uint32_t number) {
    const bool of_row = std::any_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
      return row.first <= number && number <= row.last;
    });
    return of_row ? records::update(txn, table) : Result<void>();
  }

  std::string key_of(std::uint32_t number) const { return fmt::format("{}/{}", prefix_, number); }
  std::string prefix_, table_;
  TagRanges ranges_;
};

/// Tags on a physical network.
class VlanType final : public TypeDriver {
 public:
  explicit VlanType(const std::map<std::string, TagRanges>& ranges) {
    for (const auto& [name, of_it] : ranges)
      spaces_.emplace_back(name, TagSpace("vlan", name, of_it));
  }
  std::string_view name() const override { return "vlan"; }
  Result<void> validate(const Segment& asked) const override {
    if (asked.segmentation_id &&
        (*asked.segmentation_id < 1 || *asked.segmentation_id > limits::kVlanMost)) {
      return invalid(fmt::format("provider:segmentation_id: a VLAN's is 1 to {}",
                                 limits::kVlanMost));
    }
    if (asked.segmentation_id && asked.physical_network.empty())
      return invalid("provider:physical_network is needed with a VLAN's segmentation_id");
    if (!asked.physical_network.empty() && space(asked.physical_network) == nullptr) {
      return invalid(fmt::format("provider:physical_network: this cloud has no '{}'",
                                 asked.physical_network.substr(0, 64)));
    }
    if (spaces_.empty()) return invalid("provider:network_type vlan: no physical network is here");
    return Result<void>();
  }
  Result<Segment> allocate(store::Txn& txn, const Segment& asked, const NetworkId& id) override {
    if (asked.segmentation_id) {
      CLOUDOS_CHECK(space(asked.physical_network)->take(txn, *asked.segmentation_id, id,
                                                        "VlanIdInUse"));
      return asked;
    }
    for (const auto& [name, one] : spaces_) {
      if (!asked.physical_network.empty() && asked.physical_network != name) continue;
      CLOUDOS_TRY(const auto tag, one.take_any(txn, asked.project, id));
      if (tag) return Segment{name, *tag};
    }
    return fail_as("NoNetworkAvailable", ErrorCode::NoCapacity,
                   "Unable to create the network. No VLAN is left.");
  }
  Result<void> release(store::Txn& txn, const Segment& held, const NetworkId& id) override {
    // Its physical network may have left the configuration since.
    if (held.segmentation_id) {
      TagSpace("vlan", held.physical_network, {}).give_back(txn, *held.segmentation_id, id);
    }
    return Result<void>();
  }

 private:
  const TagSpace* space(std::string_view physical) const {
    for (const auto& [name, one] : spaces_)
      if (name == physical) return &one;
    return nullptr;
  }
  std::vector<std::pair<std::string, TagSpace>> spaces_;
};

/// Tunnels between hosts.
class VxlanType final : public TypeDriver {
 public:
  explicit VxlanType(TagRanges ranges) : space_("vxlan", "", std::move(ranges)) {}
  std::string_view name() const override { return "vxlan"; }
  Result<void> validate(const Segment& asked) const override {
    if (!asked.physical_network.empty())
      return invalid("provider:physical_network is not for networks of type vxlan");
    if (asked.segmentation_id &&
        (*asked.segmentation_id < 1 || *asked.segmentation_id > limits::kVniMost)) {
      return invalid(fmt::format("provider:segmentation_id: a VXLAN's is 1 to {}",
                                 limits::kVniMost));
    }
    return Result<void>();
  }
  Result<Segment> allocate(store::Txn& txn, const Segment& asked, const NetworkId& id) override {
    if (asked.segmentation_id) {
      CLOUDOS_CHECK(space_.take(txn, *asked.segmentation_id, id, "TunnelIdInUse"));
      return asked;
    }
    CLOUDOS_TRY(const auto vni, space_.take_any(txn, asked.project, id));
    if (vni) return Segment{{}, *vni};
    return fail_as("NoNetworkAvailable", ErrorCode::NoCapacity,
                   "Unable to create the network. No tunnel id is left.");
  }
  Result<void> release(store::Txn& txn, const Segment& held, const NetworkId& id) override {
    if (held.segmentation_id) space_.give_back(txn, *held.segmentation_id, id);
    return Result<void>();
  }

 private:
  TagSpace space_;
};

}  // namespace

std::string tag_prefix(std::string_view type, std::string_view physical_network) {
  if (type != "vlan") return fmt::format("/segment/{}", type);
  return "/segment/vlan/" + records::key_part(physical_network);
}

std::map<std::string, TagRanges> vlan_ranges_of(const NetworkSettings& settings) {
  std::map<std::string, TagRanges> all;
  for (const std::string& name : settings.physical_networks)
    all[name] = settings.vlan_ranges ? TagRanges() : TagRanges{{1, limits::kVlanMost}};
  if (!settings.vlan_ranges) return all;
  for (const auto& [name, ranges] : *settings.vlan_ranges) all[name] = ranges;
  return all;
}

TypeDrivers::TypeDrivers(const NetworkSettings& settings) {
  drivers_.emplace("local", std::make_unique<LocalType>());
  drivers_.emplace("vlan", std::make_unique<VlanType>(vlan_ranges_of(settings)));
  drivers_.emplace("vxlan", std::make_unique<VxlanType>(settings.vxlan_ranges));
  drivers_.emplace("flat", std::make_unique<FlatType>(settings.flat_networks.value_or(
                               settings.physical_networks)));
}

Result<TypeDriver*> TypeDrivers::find(std::string_view name) const {
  if (const auto found = drivers_.find(name); found != drivers_.end()) return found->second.get();
  constexpr std::array<std::string_view, 2> kElsewhere = {"gre", "geneve"};
  if (std::find(kElsewhere.begin(), kElsewhere.end(), name) != kElsewhere.end()) {
    return fail_as("InvalidInput", ErrorCode::Unsupported,
                   fmt::format("provider:network_type '{}' is not carried here; use local, flat, "
                               "vlan or vxlan", name));
  }
  return invalid(fmt::format("provider:network_type '{}' is unknown; use local, flat, vlan or "
                             "vxlan", name.substr(0, 64)));
}

}  // namespace cloudos::network
