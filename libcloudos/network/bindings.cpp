#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/network_limits.hpp"
#include "cloudos/port_bindings.hpp"
#include "network/impl.hpp"
#include "network/segments.hpp"
#include "network/trunk_ports.hpp"

namespace cloudos {
namespace network {
namespace {

PortBinding active_binding(const Port& port) {
  PortBinding active;
  active.host = port.host;
  active.vnic_type = port.vnic_type;
  active.profile = port.profile;
  active.driver = port.driver;
  active.vif_type = port.vif_type;
  active.vif_details = port.vif_details;
  active.levels = port.levels;
  return active;
}

Failure missing_binding(const PortId& id, std::string_view host) {
  return fail_as("PortBindingNotFound", ErrorCode::NotFound,
                 fmt::format("Binding for port {} for host {} could not be found.", id.value,
                             host.substr(0, 64)));
}

auto inactive_on(Port& port, std::string_view host) {
  return std::find_if(port.inactive_bindings.begin(), port.inactive_bindings.end(),
                      [&](const PortBinding& one) { return one.host == host; });
}

Result<void> insert_binding(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                            const PortId& id, PortBinding& binding) {
  CLOUDOS_TRY(Port port, load_owned<Port>(txn, ctx, id));
  CLOUDOS_TRY(const Network network, load<Network>(txn, port.network));
  if (port.host == binding.host ||
      inactive_on(port, binding.host) != port.inactive_bindings.end()) {
    return fail_as("PortBindingAlreadyExists", ErrorCode::Conflict,
                   fmt::format("Binding for port {} on host {} already exists.", id.value,
                               binding.host));
  }
  if (port.inactive_bindings.size() >= limits::kPortBindings)
    return invalid(fmt::format("bindings: at most {} inactive ones", limits::kPortBindings));
  // Bound as the port would be there; the port itself is left as it is.
  Port there = port;
  // Addresses come with the binding that is active: what a copy takes nobody would give back.
  there.deferred_addresses = false;
  there.vnic_type = binding.vnic_type;
  CLOUDOS_CHECK(impl.bind_port(txn, network, there, binding.host));
  binding.driver = there.driver;
  binding.vif_type = there.vif_type;
  binding.vif_details = there.vif_details;
  binding.levels = there.levels;
  port.inactive_bindings.push_back(binding);
  return records::update(txn, port);
}

Result<void> swap_binding(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                          const PortId& id, std::string_view host, WallTime now,
                          PortBinding& activated) {
  CLOUDOS_TRY(Port port, load_owned<Port>(txn, ctx, id));
  if (port.host == host) {
    return fail_as("PortBindingAlreadyActive", ErrorCode::Conflict,
                   fmt::format("Binding for port {} on host {} is already active.", id.value,
                               host.substr(0, 64)));
  }
  const auto found = inactive_on(port, host);
  if (found == port.inactive_bindings.end()) return missing_binding(id, host);
  activated = *found;
  // The device is on the host before still, and what its frames carry: plug() makes it all here.
  if (port.plugged) CLOUDOS_CHECK(unplug_sub_ports(impl, txn, port));
  if (port.host.empty()) port.inactive_bindings.erase(found);
  else *found = active_binding(port);
  port.host = activated.host;
  port.vnic_type = activated.vnic_type;
  port.profile = activated.profile;
  port.driver = activated.driver;
  port.vif_type = activated.vif_type;
  port.vif_details = activated.vif_details;
  port.levels = activated.levels;
  // Addresses may have come, or are still to come, since the binding was prepared.
  CLOUDOS_TRY(const Network network, load<Network>(txn, port.network));
  CLOUDOS_CHECK(check_addresses_reach(txn, network, port));
  CLOUDOS_CHECK(impl.take_deferred(txn, network, port));
  port.plugged = port.wired = false;
  port.updated_at = now;
  CLOUDOS_CHECK(records::update(txn, port));
  return impl.precommit_gone(txn, Change::Kind::Port, id.value, port.generation);
}

}  // namespace
}  // namespace network

Result<std::vector<PortBinding>> PortBindings::list(const Context& ctx, const PortId& id) const {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "bindings"));
  CLOUDOS_TRY(const Port port, networks_.port(ctx, id));
  std::vector<PortBinding> all;
  if (!port.host.empty()) all.push_back(network::active_binding(port));
  all.insert(all.end(), port.inactive_bindings.begin(), port.inactive_bindings.end());
  return all;
}

Result<PortBinding> PortBindings::add(const Context& ctx, const PortId& id,
                                      const PortBinding& asked) {
  auto& impl = networks_.impl();
  CLOUDOS_CHECK(check_call(ctx, impl.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "bindings"));
  CLOUDOS_CHECK(check_name("host", asked.host, 1, limits::kNameChars));
  if (asked.profile.size() > limits::kPortProfileBytes)
    return network::invalid(fmt::format("profile: at most {} bytes", limits::kPortProfileBytes));
  PortBinding made;
  CLOUDOS_CHECK(impl.transact([&](store::Txn& txn) -> Result<void> {
    made = asked;
    return network::insert_binding(impl, txn, ctx, id, made);
  }));
  return made;
}

Result<PortBinding> PortBindings::activate(const Context& ctx, const PortId& id,
                                           std::string_view host) {
  auto& impl = networks_.impl();
  CLOUDOS_CHECK(check_call(ctx, impl.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "bindings"));
  const WallTime now = impl.engine.clock.wall();
  PortBinding activated;
  CLOUDOS_CHECK(impl.transact([&](store::Txn& txn) -> Result<void> {
    return network::swap_binding(impl, txn, ctx, id, host, now, activated);
  }));
  return activated;
}

Result<void> PortBindings::remove(const Context& ctx, const PortId& id, std::string_view host) {
  auto& impl = networks_.impl();
  CLOUDOS_CHECK(check_call(ctx, impl.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "bindings"));
  return impl.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Port port, network::load_owned<Port>(txn, ctx, id));
    const auto found = network::inactive_on(port, host);
    if (found == port.inactive_bindings.end()) return network::missing_binding(id, host);
    const auto levels = found->levels;
    port.inactive_bindings.erase(found);
    CLOUDOS_CHECK(records::update(txn, port));
    return impl.release_levels(txn, port.network, levels);
  });
}

}  // namespace cloudos
