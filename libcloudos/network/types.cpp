#include "network/types.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cloudos/network_limits.hpp"
#include "network/errors.hpp"
#include "base/text.hpp"
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

/// The numbers of one space: which are given out, and to whom.
class TagSpace {
 public:
  TagSpace(std::string prefix, TagRange range) : prefix_(std::move(prefix)), range_(range) {}

  /// Takes a number that is named: also one outside the range, for the range is for the others.
  Result<void> take(store::Txn& txn, std::uint32_t number, const NetworkId& id,
                    std::string_view error) const {
    const std::string key = key_of(number);
    if (const auto owner = txn.get(key); owner && *owner != id.value) {
      return fail_as(error, ErrorCode::Conflict,
                     fmt::format("Unable to create the network. The segment {} is in use by "
                                 "another network.", number));
    }
    txn.put(key, id.value);
    return Result<void>();
  }
  /// Any free one, behind the one given out last: numbers rest before they are used again.
  std::optional<std::uint32_t> take_any(store::Txn& txn, const NetworkId& id) const {
    const std::string next_key = "/segment/next" + prefix_.substr(std::size("/segment") - 1);
    const std::uint32_t size = range_.second - range_.first + 1;
    std::uint32_t start = 0;
    if (const auto next = txn.get(next_key))
      start = static_cast<std::uint32_t>(parse_unsigned(*next).value_or(0)) % size;
    for (std::uint32_t i = 0; i < std::min(size, kTries); ++i) {
      const std::uint32_t number = range_.first + (start + i) % size;
      const std::string key = key_of(number);
      if (txn.get(key)) continue;
      txn.put(key, id.value);
      txn.put(next_key, std::to_string((start + i + 1) % size));
      return number;
    }
    return std::nullopt;
  }
  void give_back(store::Txn& txn, std::uint32_t number, const NetworkId& id) const {
    const std::string key = key_of(number);
    if (const auto owner = txn.get(key); owner && *owner == id.value) txn.erase(key);
  }

 private:
  // One transaction looks at so many numbers at most: a longer run of taken ones is full enough.
  static constexpr std::uint32_t kTries = 65'536;
  std::string key_of(std::uint32_t number) const { return fmt::format("{}/{}", prefix_, number); }
  std::string prefix_;
  TagRange range_;
};

/// Tags on a physical network.
class VlanType final : public TypeDriver {
 public:
  VlanType(const std::vector<std::string>& physical, const std::map<std::string, TagRange>& ranges) {
    for (const std::string& name : physical) {
      const auto found = ranges.find(name);
      spaces_.emplace_back(name, TagSpace("/segment/vlan/" + records::key_part(name),
                                          found == ranges.end() ? TagRange{1, limits::kVlanMost}
                                                                : found->second));
    }
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
      if (const auto tag = one.take_any(txn, id)) return Segment{name, *tag};
    }
    return fail_as("NoNetworkAvailable", ErrorCode::NoCapacity,
                   "Unable to create the network. No VLAN is left.");
  }
  Result<void> release(store::Txn& txn, const Segment& held, const NetworkId& id) override {
    // Its physical network may have left the configuration since.
    if (held.segmentation_id) {
      TagSpace("/segment/vlan/" + records::key_part(held.physical_network), {1, 1})
          .give_back(txn, *held.segmentation_id, id);
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
  explicit VxlanType(TagRange range) : space_("/segment/vxlan", range) {}
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
    if (const auto vni = space_.take_any(txn, id)) return Segment{{}, *vni};
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

TypeDrivers::TypeDrivers(std::vector<std::string> physical_networks,
                         const std::map<std::string, TagRange>& vlan_ranges,
                         TagRange vxlan_range) {
  drivers_.emplace("local", std::make_unique<LocalType>());
  drivers_.emplace("vlan", std::make_unique<VlanType>(physical_networks, vlan_ranges));
  drivers_.emplace("vxlan", std::make_unique<VxlanType>(vxlan_range));
  drivers_.emplace("flat", std::make_unique<FlatType>(std::move(physical_networks)));
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
