#include "network/types.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "network/errors.hpp"
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

}  // namespace

TypeDrivers::TypeDrivers(std::vector<std::string> physical_networks) {
  drivers_.emplace("local", std::make_unique<LocalType>());
  drivers_.emplace("flat", std::make_unique<FlatType>(std::move(physical_networks)));
}

Result<TypeDriver*> TypeDrivers::find(std::string_view name) const {
  if (const auto found = drivers_.find(name); found != drivers_.end()) return found->second.get();
  constexpr std::array<std::string_view, 4> kElsewhere = {"vlan", "vxlan", "gre", "geneve"};
  if (std::find(kElsewhere.begin(), kElsewhere.end(), name) != kElsewhere.end()) {
    return fail_as("InvalidInput", ErrorCode::Unsupported,
                   fmt::format("provider:network_type '{}' is not yet carried here; use local or "
                               "flat", name));
  }
  return invalid(fmt::format("provider:network_type '{}' is unknown; use local or flat",
                             name.substr(0, 64)));
}

}  // namespace cloudos::network
