#include "network/trunk_ports.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "network/wiring.hpp"

namespace cloudos::network {
namespace {

/// Why the driver of the host carries no sub-ports; nothing: it does.
std::optional<std::string> no_sub_ports(const Wiring& wiring, const Port& parent) {
  for (const auto& host : wiring.abilities()) {
    if (host.driver != parent.driver || (!host.host.empty() && host.host != parent.host)) continue;
    for (const Ability& ability : host.abilities) {
      if (ability.name != "trunk") continue;
      if (ability.works) return std::nullopt;
      return ability.reason;
    }
  }
  return fmt::format("driver {} carries no sub-ports", parent.driver);
}

void note_down(Port& sub, const Port& parent, const std::string& why) {
  sub.host = parent.host;
  sub.driver.clear();
  sub.levels.clear();
  sub.vif_type = "binding_failed";
  sub.vif_details = {{"reason", fmt::format("sub-ports on host {}: {}", parent.host, why)}};
}

/// The host, or what is left there, is not for the sub-port: that is no fault of its parent's.
bool is_its_own(const Error& why) {
  return why.type == "HostNotCompatibleWithFixedIps" ||
         why.type == "IpAddressGenerationFailure" ||
         why.type == "IpAddressGenerationFailureNoMatchingSubnet" ||
         why.type == "IpAddressAlreadyAllocated";
}

template <class Each>
Result<void> each_sub_port(store::Txn& txn, const Port& parent, Each each) {
  if (parent.trunk.empty() || parent.sub_of_trunk) return Result<void>();
  const auto trunk = records::get<Trunk>(txn, parent.trunk);
  if (!trunk) return Result<void>();
  for (const SubPort& one : trunk->sub_ports) {
    auto sub = records::get<Port>(txn, one.port);
    if (sub) CLOUDOS_CHECK(each(*sub));
  }
  return Result<void>();
}

}  // namespace

Result<void> plug_sub_port(const Networks::Impl& impl, store::Txn& txn, const Port& parent,
                           Port& sub) {
  if (!parent.plugged) return Result<void>();
  if (sub.plugged && sub.host == parent.host && sub.driver == parent.driver) return Result<void>();
  CLOUDOS_TRY(const Network network, load<Network>(txn, sub.network));
  auto before = sub.levels;
  CLOUDOS_CHECK(leave_host(impl, txn, sub));  // It was left behind where its parent is no more.
  if (const auto why = no_sub_ports(impl.wiring, parent)) {
    note_down(sub, parent, *why);
  } else {
    const auto bound = impl.bind_or_note(txn, network, sub, parent.host);
    if (!bound && !is_its_own(bound.error())) return fail(bound.error());
    // Also those of a binding that is not kept.
    before.insert(before.end(), sub.levels.begin(), sub.levels.end());
    if (!bound)
      note_down(sub, parent, bound.error().message);
    else if (!sub.driver.empty() && sub.driver != parent.driver)
      note_down(sub, parent, fmt::format("driver {} has its network", sub.driver));
    sub.plugged = !sub.driver.empty();
  }
  CLOUDOS_CHECK(records::update(txn, sub));
  if (before != sub.levels)
    CLOUDOS_CHECK(impl.release_levels(txn, sub.network, before));
  return sub.plugged ? impl.precommit_port(txn, sub, network) : Result<void>();
}

Result<void> plug_sub_ports(const Networks::Impl& impl, store::Txn& txn, const Port& parent) {
  return each_sub_port(txn, parent,
                       [&](Port& sub) { return plug_sub_port(impl, txn, parent, sub); });
}

Result<void> leave_host(const Networks::Impl& impl, store::Txn& txn, Port& sub) {
  const bool was = sub.plugged;
  sub.plugged = sub.wired = false;
  sub.host.clear();
  sub.driver.clear();
  sub.levels.clear();
  sub.vif_type = "unbound";
  sub.vif_details.clear();
  if (!was) return Result<void>();
  return impl.precommit_gone(txn, Change::Kind::Port, sub.id.value, sub.generation);
}

Result<void> unplug_sub_ports(const Networks::Impl& impl, store::Txn& txn, const Port& parent) {
  return each_sub_port(txn, parent, [&](Port& sub) -> Result<void> {
    const auto before = sub.levels;
    CLOUDOS_CHECK(leave_host(impl, txn, sub));
    CLOUDOS_CHECK(records::update(txn, sub));
    return impl.release_levels(txn, sub.network, before);
  });
}

bool plan_sub_port(const store::Snapshot& snapshot, const Port& sub, PortPlan& plan) {
  const auto trunk = records::get<Trunk>(snapshot, sub.trunk);
  if (!trunk) return false;
  const auto place =
      std::find_if(trunk->sub_ports.begin(), trunk->sub_ports.end(),
                   [&](const SubPort& one) { return one.port == sub.id; });
  const auto parent = records::get<Port>(snapshot, trunk->port);
  if (place == trunk->sub_ports.end() || !parent || !parent->plugged ||
      parent->host != sub.host || parent->driver != sub.driver)
    return false;
  plan.parent_tap = parent->tap;
  plan.sub_tag = place->segmentation_id;
  return true;
}

}  // namespace cloudos::network
