#include <fmt/format.h>

#include "network/address.hpp"
#include "network/impl.hpp"
#include "network/trunk_ports.hpp"
#include "network/user.hpp"

namespace cloudos {

namespace network {
namespace {

/// Writes that the port's device should be on `host`, with the binding that makes it so.
Result<void> mark_plugged(const Networks::Impl& impl, store::Txn& txn, const ServerId& server,
                          std::string_view host, Port& port) {
  if (port.device_id != server.value || !port.attached) {
    return fail_as("PortInUse", ErrorCode::Conflict,
                   fmt::format("port {} does not belong to server {}", port.id.value,
                               server.value));
  }
  if (port.plugged && port.host != host) {
    return fail_as("PortInUse", ErrorCode::Conflict,
                   fmt::format("port {} is plugged on host {}", port.id.value, port.host));
  }
  if (port.plugged) return Result<void>();
  CLOUDOS_TRY(const Network network, load<Network>(txn, port.network));
  if (port.host != host || port.driver.empty())
    CLOUDOS_CHECK(impl.bind_port(txn, network, port, host));
  port.plugged = true;
  const auto held = records::get<Port>(txn, port.id);
  CLOUDOS_CHECK(records::update(txn, port));
  if (held && held->levels != port.levels)
    CLOUDOS_CHECK(impl.release_levels(txn, port.network, held->levels));
  CLOUDOS_CHECK(impl.precommit_port(txn, port, network));
  return plug_sub_ports(impl, txn, port);
}

/// Its record says why a port is not bound, too: not only the task that tried.
void note_unbound(const Networks::Impl& impl, const PortId& id, const ServerId& server,
                  std::string_view host, const Error& why) {
  if (why.type != "PortBindingError") return;
  const auto noted = impl.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    auto port = records::get<Port>(txn, id);
    if (!port || port->plugged || port->device_id != server.value) return Result<void>();
    const auto before = std::exchange(port->levels, {});
    port->host = host;
    port->driver.clear();
    port->vif_type = "binding_failed";
    port->vif_details = {{"reason", why.message}};
    CLOUDOS_CHECK(records::update(txn, *port));
    return impl.release_levels(txn, port->network, before);
  });
  if (!noted) impl.log.warn("a failed binding is not noted: " + noted.error().message);
}

/// The first IPv4 address of the port is the one that its guest gets.
Result<UserModeWiring> user_mode_of(store::Snapshot& snapshot, const Port& port) {
  for (const FixedIp& fixed : port.fixed_ips) {
    if (!parse_ipv4(fixed.address)) continue;
    CLOUDOS_TRY(const Subnet subnet, load<Subnet>(snapshot, fixed.subnet));
    return user_mode_wiring(subnet, fixed.address);
  }
  return fail(ErrorCode::Unsupported,
              fmt::format("port {} has no IPv4 address, which user-mode networking needs",
                          port.id.value));
}

}  // namespace
}  // namespace network

Result<PortWiring> Networks::plug(const PortId& id, const ServerId& server,
                                  std::string_view host) {
  Port port;
  Network network;
  auto marked = impl_->transact_bound([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(port, network::load<Port>(txn, id));
    CLOUDOS_TRY(network, network::load<Network>(txn, port.network));
    return network::mark_plugged(*impl_, txn, server, host, port);
  });
  if (!marked) {
    network::note_unbound(*impl_, id, server, host, marked.error());
    return fail(std::move(marked).error());
  }
  const store::Revision revision = *marked;
  auto told = impl_->wiring.tell_plugged(port, revision);
  if (!told) return fail_in(fmt::format("plugging port {}", id.value), std::move(told).error());
  PortWiring wiring{port.id, port.network, port.tap, port.mac, network.mtu, port.vif_type, {}};
  if (port.vif_type == network::kUserVifType) {
    CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
    CLOUDOS_TRY(wiring.user_mode, network::user_mode_of(*snapshot, port));
  }
  return wiring;
}

Result<void> Networks::unplug(const PortId& id) {
  std::optional<Port> port;
  CLOUDOS_TRY(const auto revision, impl_->engine.store.transact([&](store::Txn& txn) {
    return [&]() -> Result<void> {
      port.reset();
      auto found = records::get<Port>(txn, id);
      if (!found && found.error().code == ErrorCode::NotFound) return Result<void>();
      if (!found) return fail(std::move(found).error());
      port = std::move(*found);
      if (!port->plugged) return Result<void>();
      port->plugged = port->wired = false;
      CLOUDOS_CHECK(records::update(txn, *port));
      CLOUDOS_CHECK(network::unplug_sub_ports(*impl_, txn, *port));
      return impl_->precommit_gone(txn, network::Change::Kind::Port, id.value, port->generation);
    }();
  }));
  auto told = impl_->wiring.tell_unplugged(id, port, revision);
  if (!told) return fail_in(fmt::format("unplugging port {}", id.value), std::move(told).error());
  return Result<void>();
}

}  // namespace cloudos
