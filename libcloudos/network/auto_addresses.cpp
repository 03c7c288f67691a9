#include "network/auto_addresses.hpp"

#include <algorithm>

#include "network/ip.hpp"
#include "network/l3_records.hpp"

namespace cloudos::network {
namespace {

constexpr std::size_t kPortsPerCommit = 50;

bool has_address_of(const Port& port, const SubnetId& subnet) {
  return std::any_of(port.fixed_ips.begin(), port.fixed_ips.end(),
                     [&](const FixedIp& fixed) { return fixed.subnet == subnet; });
}

/// Changes ports in commits of a bounded size; those that went meanwhile are none of ours.
Result<void> change_ports(Networks::Impl& impl, const std::vector<PortId>& ports,
                          const std::function<bool(Port&)>& change) {
  for (std::size_t from = 0; from < ports.size(); from += kPortsPerCommit) {
    const std::size_t to = std::min(ports.size(), from + kPortsPerCommit);
    CLOUDOS_CHECK(impl.engine.store.transact([&](store::Txn& txn) -> Result<void> {
      for (std::size_t i = from; i < to; ++i) {
        auto port = records::get<Port>(txn, ports[i]);
        if (!port || !change(*port)) continue;
        CLOUDOS_CHECK(records::update(txn, *port));
        CLOUDOS_TRY(const Network network, load<Network>(txn, port->network));
        CLOUDOS_CHECK(impl.precommit_port(txn, *port, network));
      }
      return Result<void>();
    }));
  }
  return Result<void>();
}

}  // namespace

bool has_auto_addresses(const Port& port) {
  return port.router.empty() && port.device_owner != kFloatingOwner &&
         port.device_owner != kDhcpOwner;
}

Result<void> add_auto_addresses(Networks::Impl& impl, const Subnet& subnet) {
  if (!auto_addressed(subnet)) return Result<void>();
  std::vector<PortId> lacking;
  {
    CLOUDOS_TRY(const auto snapshot, impl.snapshot());
    CLOUDOS_TRY(const auto ports, records::all<Port>(*snapshot, "network", subnet.network.value));
    for (const Port& port : ports)
      if (has_auto_addresses(port) && !has_address_of(port, subnet.id)) lacking.push_back(port.id);
  }
  const IpBlock block = block_of(subnet);
  return change_ports(impl, lacking, [&](Port& port) {
    if (has_address_of(port, subnet.id)) return false;
    port.fixed_ips.push_back({subnet.id, eui64_address(block, port.mac)});
    return true;
  });
}

Result<void> drop_auto_addresses(Networks::Impl& impl, const Context& ctx, const SubnetId& id) {
  std::vector<PortId> having;
  {
    CLOUDOS_TRY(const auto snapshot, impl.snapshot());
    CLOUDOS_TRY(const Subnet subnet, load_owned<Subnet>(*snapshot, ctx, id));
    if (!auto_addressed(subnet)) return Result<void>();
    CLOUDOS_TRY(const auto ports, records::all<Port>(*snapshot, "subnet", id.value));
    for (const Port& port : ports) {
      if (port.device_owner == kDhcpOwner) continue;
      if (!has_auto_addresses(port)) return Result<void>();  // It stays: so do the others.
      having.push_back(port.id);
    }
  }
  return change_ports(impl, having, [&](Port& port) {
    return std::erase_if(port.fixed_ips,
                         [&](const FixedIp& fixed) { return fixed.subnet == id; }) > 0;
  });
}

}  // namespace cloudos::network
