#include "cloudos/trunks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cloudos/network_limits.hpp"
#include "identity/quota.hpp"
#include "network/bulk.hpp"
#include "network/extra_records.hpp"
#include "network/impl.hpp"
#include "network/listing.hpp"
#include "network/port_checks.hpp"
#include "network/trunk_ports.hpp"

namespace cloudos {
namespace network {
namespace {

constexpr std::string_view kSubPortOwner = "trunk:subport";

Failure in_trunk(const PortId& id, const TrunkId& trunk) {
  return fail_as("PortInUseAsTrunkParent", ErrorCode::Conflict,
                 fmt::format("Port {} is currently of trunk {}.", id.value, trunk.value));
}

/// What needs only the request: kinds known, tags within range and each once.
Result<void> check_sub_ports(const std::vector<SubPort>& subs) {
  if (subs.size() > limits::kTrunkSubPorts)
    return invalid(fmt::format("sub_ports: at most {}", limits::kTrunkSubPorts));
  std::set<std::uint32_t> tags;
  std::set<PortId> ports;
  for (const SubPort& sub : subs) {
    if (!ports.insert(sub.port).second)
      return invalid(fmt::format("sub_ports: port {} is there twice", sub.port.value.substr(0, 64)));
    if (sub.segmentation_type == "inherit") continue;
    if (sub.segmentation_type != "vlan")
      return invalid(fmt::format("sub_ports: segmentation_type '{}' is not vlan or inherit",
                                 sub.segmentation_type.substr(0, 64)));
    if (sub.segmentation_id < 1 || sub.segmentation_id > limits::kVlanMost)
      return invalid(fmt::format("sub_ports: segmentation_id must be 1 to {}", limits::kVlanMost));
    if (!tags.insert(sub.segmentation_id).second)
      return invalid(fmt::format("sub_ports: segmentation_id {} is there twice",
                                 sub.segmentation_id));
  }
  return Result<void>();
}

Result<void> refuse_down(const Trunk& trunk) {
  if (trunk.admin_up) return Result<void>();
  return fail_as("TrunkDisabled", ErrorCode::Conflict,
                 fmt::format("Trunk {} is currently disabled.", trunk.id.value));
}

/// Ties a port to the trunk as one of those it carries.
Result<SubPort> take_sub_port(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                              const Trunk& trunk, const Port& parent_port, const Network& parent,
                              SubPort sub, WallTime now) {
  CLOUDOS_TRY(Port port, load_owned<Port>(txn, ctx, sub.port));
  if (port.id == trunk.port || !port.trunk.empty())
    return in_trunk(port.id, port.trunk.empty() ? trunk.id : port.trunk);
  if (!port.device_id.empty() || port.plugged) {
    return fail_as("PortInUse", ErrorCode::Conflict,
                   fmt::format("Port {} is still in use.", port.id.value));
  }
  CLOUDOS_TRY(const Network network, load<Network>(txn, port.network));
  if (network.mtu > parent.mtu) {
    return fail_as("SubPortMtuGreaterThanTrunkPortMtu", ErrorCode::Conflict,
                   fmt::format("MTU {} of sub-port {} is larger than MTU {} of trunk port {}.",
                               network.mtu, port.id.value, parent.mtu, trunk.port.value));
  }
  if (sub.segmentation_type == "inherit") {
    if (network.network_type != "vlan" || !network.segmentation_id)
      return invalid(fmt::format("sub_ports: port {} is on no VLAN whose tag it could inherit",
                                 port.id.value));
    sub.segmentation_type = "vlan";
    sub.segmentation_id = *network.segmentation_id;
  }
  const bool tag_taken = std::any_of(
      trunk.sub_ports.begin(), trunk.sub_ports.end(),
      [&](const SubPort& other) { return other.segmentation_id == sub.segmentation_id; });
  if (tag_taken) {
    return fail_as("DuplicateSubPort", ErrorCode::Conflict,
                   fmt::format("segmentation_type {} and segmentation_id {} already in use on "
                               "trunk {}.", sub.segmentation_type, sub.segmentation_id,
                               trunk.id.value));
  }
  port.trunk = trunk.id;
  port.sub_of_trunk = true;
  port.device_id = trunk.id.value;
  port.device_owner = kSubPortOwner;
  port.updated_at = now;
  CLOUDOS_CHECK(records::update(txn, port));
  CLOUDOS_CHECK(plug_sub_port(impl, txn, parent_port, port));
  return sub;
}

Result<void> release_sub_port(const Networks::Impl& impl, store::Txn& txn, const PortId& id,
                              WallTime now) {
  auto port = records::get<Port>(txn, id);
  if (!port && port.error().code == ErrorCode::NotFound) return Result<void>();
  if (!port) return fail(std::move(port).error());
  port->trunk = TrunkId{};
  port->sub_of_trunk = false;
  port->device_id.clear();
  port->device_owner.clear();
  port->updated_at = now;
  const auto before = port->levels;
  CLOUDOS_CHECK(leave_host(impl, txn, *port));
  CLOUDOS_CHECK(records::update(txn, *port));
  return impl.release_levels(txn, port->network, before);
}

Result<void> take_sub_ports(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                            Trunk& trunk, const std::vector<SubPort>& subs, WallTime now) {
  if (trunk.sub_ports.size() + subs.size() > limits::kTrunkSubPorts)
    return invalid(fmt::format("a trunk has {} sub-ports at most", limits::kTrunkSubPorts));
  CLOUDOS_TRY(const Port port, load<Port>(txn, trunk.port));
  CLOUDOS_TRY(const Network parent, load<Network>(txn, port.network));
  for (const SubPort& sub : subs) {
    CLOUDOS_TRY(auto taken, take_sub_port(impl, txn, ctx, trunk, port, parent, sub, now));
    trunk.sub_ports.push_back(std::move(taken));
  }
  return Result<void>();
}

struct TrunkDraft {
  Trunk trunk;
  std::vector<SubPort> sub_ports;
};

Result<TrunkDraft> draft_trunk(const Networks::Impl& impl, const Context& ctx,
                               const TrunkCreate& spec) {
  CLOUDOS_CHECK(check_sub_ports(spec.sub_ports));
  TrunkDraft draft;
  CLOUDOS_TRY(draft.trunk, draft_owned<Trunk>(impl, ctx, spec));
  draft.trunk.admin_up = spec.admin_up;
  draft.trunk.port = spec.port;
  draft.sub_ports = spec.sub_ports;
  return draft;
}

Result<Trunk> insert_trunk(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                           Trunk trunk, const std::vector<SubPort>& subs) {
  CLOUDOS_TRY(Port parent, load_owned<Port>(txn, ctx, trunk.port));
  if (!parent.trunk.empty()) return in_trunk(parent.id, parent.trunk);
  // The cloud's own ports come and go with what they are for.
  const bool of_cloud = std::string_view(parent.device_owner).substr(0, 8) == "network:";
  if (parent.plugged || parent.attached || of_cloud) {
    return fail_as("ParentPortInUse", ErrorCode::Conflict,
                   fmt::format("Port {} is currently in use and is not eligible for use as a "
                               "parent port.", parent.id.value));
  }
  parent.trunk = trunk.id;
  parent.updated_at = trunk.created_at;
  CLOUDOS_CHECK(records::update(txn, parent));
  CLOUDOS_CHECK(take_sub_ports(impl, txn, ctx, trunk, subs, trunk.created_at));
  CLOUDOS_CHECK(network::reserve_quota(txn, trunk.project, "trunks", 1));
  CLOUDOS_CHECK(records::insert(txn, trunk));
  return trunk;
}

}  // namespace
}  // namespace network

Trunks& Networks::trunks() { return impl_->trunks; }

Result<std::vector<Trunk>> Trunks::create(const Context& ctx,
                                          const std::vector<TrunkCreate>& specs) {
  return network::create_all<Trunk>(
      impl_, ctx, specs,
      [&](const TrunkCreate& spec) { return network::draft_trunk(impl_, ctx, spec); },
      [&](store::Txn& txn, const network::TrunkDraft& draft) {
        return network::insert_trunk(impl_, txn, ctx, draft.trunk, draft.sub_ports);
      });
}

Result<Trunk> Trunks::trunk(const Context& ctx, const TrunkId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load_seen<Trunk>(*snapshot, ctx, id);
}

Result<std::vector<Trunk>> Trunks::trunks(const Context& ctx, const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::list_records<Trunk>(*snapshot, ctx, spec);
}

Result<Trunk> Trunks::update(const Context& ctx, const TrunkId& id, const TrunkUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), change.description.value_or("")));
  const WallTime now = impl_.engine.clock.wall();
  Trunk changed;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<Trunk>(txn, ctx, id));
    if (change.name) changed.name = *change.name;
    if (change.description) changed.description = *change.description;
    if (change.admin_up) changed.admin_up = *change.admin_up;
    changed.updated_at = now;
    return records::update(txn, changed);
  }));
  return changed;
}

Result<void> Trunks::remove(const Context& ctx, const TrunkId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  const WallTime now = impl_.engine.clock.wall();
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const Trunk trunk, network::load_owned<Trunk>(txn, ctx, id));
    CLOUDOS_CHECK(network::refuse_down(trunk));
    auto parent = records::get<Port>(txn, trunk.port);
    // The parent may be in a running guest: it loses what it carried, and nothing else.
    for (const SubPort& sub : trunk.sub_ports)
      CLOUDOS_CHECK(network::release_sub_port(impl_, txn, sub.port, now));
    if (parent) {
      parent->trunk = TrunkId{};
      parent->updated_at = now;
      CLOUDOS_CHECK(records::update(txn, *parent));
    }
    CLOUDOS_CHECK(Quota::reserve(txn, trunk.project, "trunks", -1));
    return records::erase<Trunk>(txn, id);
  });
}

Result<Trunk> Trunks::add_sub_ports(const Context& ctx, const TrunkId& id,
                                    const std::vector<SubPort>& ports) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::check_sub_ports(ports));
  const WallTime now = impl_.engine.clock.wall();
  Trunk changed;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<Trunk>(txn, ctx, id));
    CLOUDOS_CHECK(network::refuse_down(changed));
    CLOUDOS_CHECK(network::take_sub_ports(impl_, txn, ctx, changed, ports, now));
    changed.updated_at = now;
    return records::update(txn, changed);
  }));
  return changed;
}

Result<Trunk> Trunks::remove_sub_ports(const Context& ctx, const TrunkId& id,
                                       const std::vector<PortId>& ports) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  const WallTime now = impl_.engine.clock.wall();
  Trunk changed;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<Trunk>(txn, ctx, id));
    CLOUDOS_CHECK(network::refuse_down(changed));
    for (const PortId& port : ports) {
      const auto gone = std::erase_if(changed.sub_ports,
                                      [&](const SubPort& sub) { return sub.port == port; });
      if (gone == 0) {
        return network::fail_as("SubPortNotFound", ErrorCode::NotFound,
                                fmt::format("SubPort on trunk {} with parent port {} could not be "
                                            "found.", id.value, port.value.substr(0, 64)));
      }
      CLOUDOS_CHECK(network::release_sub_port(impl_, txn, port, now));
    }
    changed.updated_at = now;
    return records::update(txn, changed);
  }));
  return changed;
}

Result<std::string> Trunks::status(const Context&, const Trunk& trunk) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  const auto parent = records::get<Port>(*snapshot, trunk.port);
  if (!parent || parent->status() != PortStatus::Active) return std::string("DOWN");
  for (const SubPort& sub : trunk.sub_ports) {
    const auto port = records::get<Port>(*snapshot, sub.port);
    if (!port || port->status() != PortStatus::Active) return std::string("DEGRADED");
  }
  return std::string("ACTIVE");
}

Result<void> network::refuse_trunk_port(const Port& port) {
  if (port.trunk.empty()) return Result<void>();
  return fail_as("PortInUse", ErrorCode::Conflict,
                 fmt::format("Port {} is in use by trunk {}: take it out of the trunk first.",
                             port.id.value, port.trunk.value));
}

}  // namespace cloudos
