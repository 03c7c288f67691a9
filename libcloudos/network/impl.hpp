#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "cloudos/networks.hpp"
#include "network/access.hpp"
#include "cloudos/network_driver.hpp"
#include "network/errors.hpp"
#include "network/networks_room.hpp"
#include "network/record.hpp"
#include "network/types.hpp"
#include "network/wiring.hpp"

namespace cloudos {

/// What the service's files share. Constant after construction but for what is injected.
struct Networks::Impl {
  Impl(const Engine& e, NetworkSettings s, network::Wiring::Drivers drivers)
      : engine(e),
        settings(std::move(s)),
        types(settings.physical_networks),
        wiring(e, std::move(drivers)),
        log(e.log.for_room("network")) {}

  Result<void> transact(const store::Body& body) {
    CLOUDOS_CHECK(engine.store.transact(body));
    return Result<void>();
  }
  Result<std::unique_ptr<store::Snapshot>> snapshot() const { return engine.store.snapshot(); }
  std::string make_mac() const;
  std::vector<std::string> make_macs() const;

  // Written narrow, within the caller's transaction (ports_txn.cpp).
  Result<Port> insert_port(store::Txn& txn, const Context& ctx, const PortPrep& prep) const;
  Result<void> erase_port(store::Txn& txn, const Port& port) const;
  Result<std::vector<FixedIp>> take_addresses(store::Txn& txn, const Network& network,
                                              const std::vector<FixedIpRequest>* asked) const;
  Result<void> give_back(store::Txn& txn, const std::vector<FixedIp>& fixed_ips) const;
  Result<void> bind_port(const Network& network, Port& port, std::string_view host) const;
  Result<void> precommit_port(store::Txn& txn, const Port& port, const Network& network) const;
  Result<void> precommit_gone(store::Txn& txn, network::Change::Kind kind, const std::string& id,
                              std::uint64_t revision) const;
  Result<void> precommit_network(store::Txn& txn, const Network& network) const;

  /// What a DHCP port is made of, drawn before the transaction.
  struct DhcpDraft {
    PortId id;
    std::vector<std::string> macs;
    WallTime now;
  };
  DhcpDraft draft_dhcp() const;
  /// Makes the network's DHCP port as its subnets need it: there or not, an address in each subnet
  /// with DHCP. Changes `network`, which the caller writes.
  Result<void> keep_dhcp_port(store::Txn& txn, Network& network, const DhcpDraft& draft) const;

  /// What a project's default group is made of.
  struct GroupDraft {
    SecurityGroupId id;
    std::vector<SecurityGroupRuleId> rules;
    WallTime now;
  };
  GroupDraft draft_group(std::size_t rules) const;
  /// The project's default group, made if it is not there.
  Result<SecurityGroupId> default_group(store::Txn& txn, const ProjectId& project,
                                        const GroupDraft& draft) const;
  Result<void> ensure_default_group(const ProjectId& project);

  Engine engine;
  NetworkSettings settings;
  network::TypeDrivers types;
  mutable network::Wiring wiring;
  Log log;
  std::atomic<network::MetadataSource*> metadata{nullptr};
  std::atomic<network::DeviceOwner*> device_owner{nullptr};
};

}  // namespace cloudos
