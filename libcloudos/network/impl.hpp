#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cloudos/address_groups.hpp"
#include "cloudos/default_rules.hpp"
#include "cloudos/metering_labels.hpp"
#include "cloudos/network_agents.hpp"
#include "cloudos/network_qos.hpp"
#include "cloudos/network_segments.hpp"
#include "cloudos/network_sharing.hpp"
#include "cloudos/network_tags.hpp"
#include "cloudos/network_trace.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/simple_network.hpp"
#include "cloudos/trunks.hpp"
#include "cloudos/routers.hpp"
#include "cloudos/subnet_pools.hpp"
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
        types(settings),
        wiring(e, std::move(drivers)),
        log(e.log.for_room("network")) {}

  Result<void> transact(const store::Body& body) const {
    CLOUDOS_CHECK(transact_bound(body));
    return Result<void>();
  }
  /// A transaction whose bind_port() asks drivers outside of it: the body ends, they are asked, and
  /// it runs again, with their answers as long as nothing they stand on changed (binding_desk.cpp).
  Result<store::Revision> transact_bound(const store::Body& body) const;
  /// What a RevisionGuard of this thread allows (tags.cpp).
  Result<store::Revision> transact_guarded(const store::Body& body) const;
  Result<std::unique_ptr<store::Snapshot>> snapshot() const { return engine.store.snapshot(); }
  std::string make_mac() const;
  std::vector<std::string> make_macs() const;

  // Written narrow, within the caller's transaction (ports_txn.cpp).
  Result<Port> insert_port(store::Txn& txn, const Context& ctx, const PortPrep& prep) const;
  Result<void> erase_port(store::Txn& txn, const Port& port) const;
  /// Beside what is asked for (or, without, what there is), what its MAC has without asking.
  Result<std::vector<FixedIp>> take_addresses(store::Txn& txn, const Network& network,
                                              const Port& port,
                                              const std::vector<FixedIpRequest>* asked) const;
  Result<void> give_back(store::Txn& txn, const std::vector<FixedIp>& fixed_ips) const;
  /// Errors: Unsupported (no driver; "PortBindingError"), Conflict (its addresses are elsewhere).
  Result<void> bind_port(store::Txn& txn, const Network& network, Port& port,
                         std::string_view host) const;
  /// The same; when no driver takes it the port's record says so, and why.
  Result<void> bind_or_note(store::Txn& txn, const Network& network, Port& port,
                            std::string_view host) const;
  /// The addresses of a port that waited for its host with them. Changes `port` alone.
  Result<void> take_deferred(store::Txn& txn, const Network& network, Port& port) const;
  /// Dynamic segments that no port is on any more go. Call it after the port was written.
  Result<void> release_levels(store::Txn& txn, const NetworkId& network,
                              const std::vector<BindingLevel>& before) const;
  /// Finds or makes the dynamic segment of the network.
  Result<NetworkSegment> dynamic_segment(const NetworkId& network,
                                         const network::LowerSegment& kind) const;
  // Segments are taken from, and given back to, their type driver (segments.cpp).
  Result<void> take_segment(store::Txn& txn, const Network& network,
                            const network::TypeDriver::Segment& asked,
                            NetworkSegment& segment) const;
  /// The same for a network that is there: it has the segment then, and an MTU that fits on it. The
  /// caller writes both. Errors: InvalidArgument (it has no room), Conflict, NoCapacity.
  Result<void> add_segment(store::Txn& txn, Network& network,
                           const network::TypeDriver::Segment& asked,
                           NetworkSegment& segment) const;
  Result<void> give_segment_back(store::Txn& txn, const NetworkId& network,
                                 const NetworkSegment& segment) const;
  /// And the network's MTU is again what those that are left carry.
  Result<void> drop_segment(store::Txn& txn, Network& network, const SegmentId& id) const;
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
  /// Of what takes more than one commit (unfinished.cpp).
  void add_reconcilers();

  Engine engine;
  NetworkSettings settings;
  network::TypeDrivers types;
  mutable network::Wiring wiring;
  Log log;
  // Parts of the service that have no state but this.
  SubnetPools subnet_pools{*this};
  Routers routers{*this};
  NetworkTags tags{*this};
  NetworkSharing sharing{*this};
  NetworkQos qos{*this};
  Trunks trunks{*this};
  AddressGroups address_groups{*this};
  MeteringLabels metering{*this};
  NetworkAgents agents{*this};
  NetworkSegments segments{*this};
  DefaultRules default_rules{*this};
  SimpleNetworks simple{*this};
  NetworkTraces traces{*this};
  std::atomic<int> traces_running{0};  ///< See NetworkTraces::trace().
  struct Guard {
    std::string kind, id;
    std::uint64_t revision = 0;
  };
  std::atomic<std::size_t> guarded{0};
  mutable std::mutex guards_mutex;
  std::map<std::thread::id, Guard> guards;  // Guarded by guards_mutex.
  std::mutex auto_addresses;  ///< Who gives addresses of MACs, or takes them, does so alone.
  Networks* whole = nullptr;  ///< Whom this is the inside of.
  std::atomic<network::MetadataSource*> metadata{nullptr};
  std::atomic<network::DeviceOwner*> device_owner{nullptr};
};

}  // namespace cloudos
