#pragma once
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "cloudos/network_driver.hpp"

/// What drivers are told of one resource.
namespace cloudos::network {

/// It is gone, or (until a plan is put in) nothing is known of it.
inline Change gone_change(Change::Kind kind, std::string id, std::uint64_t revision) {
  Change change{};
  change.kind = kind;
  change.id = std::move(id);
  change.revision = revision;
  return change;
}

/// It is as the plan says.
template <class Plan>
Change change_of(Plan plan, std::uint64_t revision) {
  Change change = gone_change({}, plan.id.value, revision);
  auto shared = std::make_shared<const Plan>(std::move(plan));
  if constexpr (std::is_same_v<Plan, NetworkPlan>) {
    change.kind = Change::Kind::Network;
    change.network = std::move(shared);
  } else if constexpr (std::is_same_v<Plan, GroupPlan>) {
    change.kind = Change::Kind::Group;
    change.group = std::move(shared);
  } else if constexpr (std::is_same_v<Plan, PortPlan>) {
    change.kind = Change::Kind::Port;
    change.port = std::move(shared);
  } else if constexpr (std::is_same_v<Plan, AddressGroupPlan>) {
    change.kind = Change::Kind::AddressGroup;
    change.address_group = std::move(shared);
  } else {
    static_assert(std::is_same_v<Plan, RouterPlan>, "plans of these five kinds alone");
    change.kind = Change::Kind::Router;
    change.router = std::move(shared);
  }
  return change;
}

}  // namespace cloudos::network
