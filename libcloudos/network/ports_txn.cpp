#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "identity/quota.hpp"
#include "network/address.hpp"
#include "network/addressing.hpp"
#include "network/auto_addresses.hpp"
#include "network/changes.hpp"
#include "network/floating_txn.hpp"
#include "network/impl.hpp"
#include "network/ip.hpp"
#include "network/ipam.hpp"
#include "network/network_checks.hpp"
#include "network/plan.hpp"
#include "network/port_checks.hpp"
#include "network/segments.hpp"

namespace cloudos {

using network::Change;

std::string Networks::Impl::make_mac() const {
  std::array<std::uint8_t, 3> tail{};
  engine.random.fill(tail);
  return fmt::format("fa:16:3e:{:02x}:{:02x}:{:02x}", tail[0], tail[1], tail[2]);
}

std::vector<std::string> Networks::Impl::make_macs() const {
  std::vector<std::string> macs;
  for (std::size_t i = 0; i < limits::kMacAttempts; ++i) macs.push_back(make_mac());
  return macs;
}

namespace network {

Result<std::string> free_mac(store::Txn& txn, const NetworkId& network,
                             const std::vector<std::string>& macs) {
  for (const std::string& mac : macs)
    if (!records::find_unique(txn, Port::kKind, "mac", network.value, mac)) return mac;
  if (macs.size() == 1) {
    return fail_as("MacAddressInUse", ErrorCode::AlreadyExists,
                   fmt::format("Unable to complete operation for network {}. The mac address {} is "
                               "in use.", network.value, macs.front()));
  }
  return fail_as("MacAddressGenerationFailure", ErrorCode::NoCapacity,
                 fmt::format("Unable to generate a unique mac on network {}.", network.value));
}

Result<void> check_security(const Port& port) {
  if (port.port_security) return Result<void>();
  if (!port.security_groups.empty()) {
    return fail_as("PortSecurityPortHasSecurityGroup", ErrorCode::Conflict,
                   "Port has security group associated. Cannot disable port security or IP "
                   "address until security group is removed.");
  }
  if (!port.allowed_address_pairs.empty()) {
    return fail_as("AddressPairAndPortSecurityRequired", ErrorCode::Conflict,
                   "Port Security must be enabled in order to have allowed address pairs on a "
                   "port.");
  }
  return Result<void>();
}

Result<const Subnet*> subnet_for(const Network& network, const std::vector<Subnet>& subnets,
                                 const FixedIpRequest& asked) {
  const auto address = parse_ip(asked.address);
  if (!asked.address.empty() && !address) {
    return invalid(fmt::format("fixed_ips: '{}' is not an IP address",
                               asked.address.substr(0, 64)));
  }
  for (const Subnet& subnet : subnets) {
    const bool named = subnet.id == asked.subnet;
    if (!asked.subnet.empty() && !named) continue;
    if (!address || block_of(subnet).usable(*address)) return &subnet;
    if (!named) continue;
    return fail_as("InvalidIpForSubnet", ErrorCode::InvalidArgument,
                   fmt::format("IP address {} is not a valid IP for subnet {} ({}).",
                               asked.address, subnet.id.value, subnet.cidr));
  }
  if (!asked.subnet.empty()) {
    return invalid(fmt::format("fixed_ips: subnet {} is not on network {}",
                               asked.subnet.value.substr(0, 64), network.id.value));
  }
  return fail_as("InvalidIpForNetwork", ErrorCode::InvalidArgument,
                 fmt::format("IP address {} is not a valid IP for any of the subnets on network "
                             "{}.", asked.address.substr(0, 64), network.id.value));
}

namespace {

/// The one address that a port's MAC has in the subnet. Errors: Conflict (taken).
Result<FixedIp> take_auto(store::Txn& txn, const Subnet& subnet, const Port& port) {
  FixedIp fixed{subnet.id, eui64_address(block_of(subnet), port.mac)};
  const auto owner = records::find_unique(txn, Port::kKind, "address", subnet.network.value,
                                          fixed.address);
  if (!owner || *owner == port.id.value) return fixed;
  return fail_as("IpAddressAlreadyAllocated", ErrorCode::Conflict,
                 fmt::format("address {} of subnet {} is in use", fixed.address, subnet.id.value));
}

/// Subnets whose addresses follow from MACs give no other, but to routers.
Result<void> check_auto_asked(const Subnet& subnet, const Ip& address, const Port& port) {
  if (!has_auto_addresses(port) || address.text() == eui64_address(block_of(subnet), port.mac))
    return Result<void>();
  return fail_as("AllocationOnAutoAddressSubnet", ErrorCode::InvalidArgument,
                 fmt::format("IPv6 address {} cannot be directly assigned to a port on subnet {} as "
                             "the subnet is configured for automatic addresses", address.text(),
                             subnet.id.value));
}

Result<FixedIp> take_asked(store::Txn& txn, const Network& network,
                           const std::vector<Subnet>& subnets, const Port& port,
                           const FixedIpRequest& asked) {
  CLOUDOS_TRY(const Subnet* subnet, subnet_for(network, subnets, asked));
  const bool automatic = auto_addressed(*subnet);
  if (asked.address.empty()) {
    if (automatic) return take_auto(txn, *subnet, port);
    CLOUDOS_TRY(auto any, take_any_of(txn, *subnet));
    return FixedIp{subnet->id, std::move(any)};
  }
  const auto address = parse_ip(asked.address);
  CLOUDOS_ASSERT(address.has_value());
  FixedIp fixed{subnet->id, address->text()};
  if (!automatic) {
    CLOUDOS_CHECK(take_this(txn, *subnet, fixed.address));
    return fixed;
  }
  CLOUDOS_CHECK(check_auto_asked(*subnet, *address, port));
  if (records::find_unique(txn, Port::kKind, "address", network.id.value, fixed.address)) {
    return fail_as("IpAddressAlreadyAllocated", ErrorCode::Conflict,
                   fmt::format("address {} of subnet {} is in use", fixed.address,
                               subnet->id.value));
  }
  return fixed;
}

/// What a port gets that asks for nothing: an address of each family that is to be had.
Result<std::vector<FixedIp>> take_default(store::Txn& txn, const Network& network,
                                          const std::vector<Subnet>& subnets, const Port& port) {
  std::vector<FixedIp> taken;
  const auto mine = serving(subnets, port.device_owner);
  if (mine.empty() && !subnets.empty()) {
    return fail_as("IpAddressGenerationFailureNoMatchingSubnet", ErrorCode::Conflict,
                   fmt::format("No valid service subnet for the given device owner on network {}.",
                               network.id.value));
  }
  std::optional<SegmentId> segment;
  for (const bool v6 : {false, true}) {
    bool any = false, found = false;
    for (const Subnet& subnet : mine) {
      if (subnet.v6() != v6 || auto_addressed(subnet) || found) continue;
      if (segment && subnet.segment != *segment) continue;
      any = true;
      auto address = take_any_of(txn, subnet);
      if (!address) continue;
      taken.push_back({subnet.id, std::move(*address)});
      segment = subnet.segment;  // The other family's is to work at the same place.
      found = true;
    }
    if (!any || found) continue;
    // Who goes on without addresses keeps none of them.
    for (const Subnet& subnet : mine)
      for (const FixedIp& fixed : taken)
        if (fixed.subnet == subnet.id) give_back_to(txn, subnet, fixed.address);
    return fail_as("IpAddressGenerationFailure", ErrorCode::NoCapacity,
                   fmt::format("No more IP addresses available on network {}.",
                               network.id.value));
  }
  return taken;
}

/// What the caller named, as a port of that network; addresses, groups and binding follow.
Port draft_port(const PortPrep& prep, const Network& network) {
  const PortCreate& spec = prep.spec;
  Port port;
  port.id = prep.id;
  port.project = prep.project;
  port.network = network.id;
  port.name = spec.name;
  port.description = spec.description;
  port.admin_up = spec.admin_up;
  port.device_id = spec.device_id;
  port.device_owner = spec.device_owner;
  port.port_security = spec.port_security.value_or(network.port_security);
  port.allowed_address_pairs = spec.allowed_address_pairs;
  port.dns_name = spec.dns_name;
  port.dns_domain = spec.dns_domain;
  port.dhcp_options = spec.dhcp_options;
  port.qos_policy = spec.qos_policy;
  port.numa_affinity = spec.numa_affinity;
  port.hints = spec.hints;
  port.propagate_uplink_status = spec.propagate_uplink_status;
  port.tags = spec.tags;
  port.vnic_type = spec.vnic_type;
  port.profile = spec.profile;
  port.tap = tap_name(prep.id);
  port.foreign = prep.project != network.project;
  port.created_at = port.updated_at = prep.now;
  return port;
}

}  // namespace
}  // namespace network

namespace network {
namespace {

/// Named ones first, so that "any" does not take what the same request names.
Result<std::vector<FixedIp>> take_all_asked(store::Txn& txn, const Network& network,
                                            const std::vector<Subnet>& subnets, const Port& port,
                                            const std::vector<FixedIpRequest>& asked) {
  std::vector<FixedIp> taken;
  const auto has = [](const std::vector<FixedIp>& held, const FixedIp& fixed) {
    return std::find(held.begin(), held.end(), fixed) != held.end();
  };
  for (const bool named : {true, false}) {
    for (const FixedIpRequest& one : asked) {
      if (one.address.empty() == named) continue;
      CLOUDOS_TRY(auto fixed, take_asked(txn, network, subnets, port, one));
      // What follows from the MAC is one address, however often it is asked for.
      if (!has(port.fixed_ips, fixed) && !has(taken, fixed)) taken.push_back(std::move(fixed));
    }
  }
  return taken;
}

}  // namespace
}  // namespace network

Result<std::vector<FixedIp>> Networks::Impl::take_addresses(
    store::Txn& txn, const Network& network, const Port& port,
    const std::vector<FixedIpRequest>* asked) const {
  std::vector<FixedIp> taken;
  CLOUDOS_TRY(const auto subnets, network::subnets_of(txn, network));
  if (asked) {
    CLOUDOS_TRY(taken, network::take_all_asked(txn, network, subnets, port, *asked));
    if (asked->empty()) return taken;
  } else {
    const auto near = network::subnets_within_reach(network, port, subnets);
    CLOUDOS_TRY(taken, network::take_default(txn, network, near, port));
  }
  // Where it has to be for those to work, and for nothing else, it has what its MAC gives it.
  Port with = port;
  with.fixed_ips.insert(with.fixed_ips.end(), taken.begin(), taken.end());
  CLOUDOS_CHECK(network::check_addresses_reach(txn, network, with));
  if (!network::has_auto_addresses(port)) return taken;
  for (const Subnet& subnet : network::subnets_within_reach(network, with, subnets)) {
    const auto of_it = [&](const FixedIp& fixed) { return fixed.subnet == subnet.id; };
    if (!network::auto_addressed(subnet) ||
        std::any_of(with.fixed_ips.begin(), with.fixed_ips.end(), of_it))
      continue;
    auto fixed = network::take_auto(txn, subnet, port);
    if (!fixed) {
      CLOUDOS_CHECK(give_back(txn, taken));
      return fail(std::move(fixed).error());
    }
    taken.push_back(std::move(*fixed));
  }
  return taken;
}

Result<void> Networks::Impl::give_back(store::Txn& txn,
                                       const std::vector<FixedIp>& fixed_ips) const {
  for (const FixedIp& fixed : fixed_ips) {
    CLOUDOS_TRY(const Subnet subnet, network::load<Subnet>(txn, fixed.subnet));
    network::give_back_to(txn, subnet, fixed.address);
  }
  return Result<void>();
}

// ---- precommit ----------------------------------------------------------------------------------

Result<void> Networks::Impl::precommit_port(store::Txn& txn, const Port& port,
                                            const Network& network) const {
  return wiring.precommit(txn, network::change_of(network::plan_of(port, network), port.generation));
}

Result<void> Networks::Impl::precommit_gone(store::Txn& txn, Change::Kind kind,
                                            const std::string& id, std::uint64_t revision) const {
  return wiring.precommit(txn, network::gone_change(kind, id, revision));
}

Result<void> Networks::Impl::precommit_network(store::Txn& txn, const Network& network) const {
  auto plan = network::plan_of(network);
  CLOUDOS_TRY(const auto subnets, network::subnets_of(txn, network));
  for (const Subnet& subnet : subnets) plan.subnets.push_back(network::plan_of(subnet));
  return wiring.precommit(txn, network::change_of(std::move(plan), network.generation));
}

// ---- ports come and go --------------------------------------------------------------------------

Result<Port> Networks::Impl::insert_port(store::Txn& txn, const Context& ctx,
                                         const PortPrep& prep) const {
  const PortCreate& spec = prep.spec;
  // Read again: a network that went since preparation must not get a port.
  CLOUDOS_TRY(const Network network, network::load_seen<Network>(txn, ctx, spec.network));
  Port port = network::draft_port(prep, network);
  network::note_use(txn, port.project, network);
  CLOUDOS_TRY(port.mac, network::free_mac(txn, network.id, prep.macs));
  if (!port.qos_policy.empty())
    CLOUDOS_CHECK(network::check_qos_policy(txn, ctx, port.qos_policy));
  if (spec.security_groups) {
    port.security_groups = *spec.security_groups;
  } else if (port.port_security) {
    CLOUDOS_TRY(auto group, default_group(txn, port.project,
                                          {prep.default_group, prep.default_rules, prep.now}));
    port.security_groups.push_back(std::move(group));
  }
  CLOUDOS_CHECK(network::check_security(port));
  CLOUDOS_CHECK(network::check_groups(txn, ctx, port.project, port.security_groups));
  if (!spec.host.empty()) CLOUDOS_CHECK(bind_or_note(txn, network, port, spec.host));
  CLOUDOS_TRY(port.deferred_addresses, network::waits_for_host(txn, network, port, spec.fixed_ips));
  if (!port.deferred_addresses) {
    CLOUDOS_TRY(port.fixed_ips,
                take_addresses(txn, network, port, spec.fixed_ips ? &*spec.fixed_ips : nullptr));
  }
  CLOUDOS_CHECK(network::check_addresses_reach(txn, network, port));
  port.unaddressed = spec.fixed_ips && spec.fixed_ips->empty();
  CLOUDOS_CHECK(network::reserve_quota(txn, port.project, "ports", 1));
  CLOUDOS_CHECK(records::insert(txn, port));
  CLOUDOS_CHECK(precommit_port(txn, port, network));
  return port;
}

Result<void> Networks::Impl::erase_port(store::Txn& txn, const Port& port) const {
  CLOUDOS_CHECK(network::free_port(txn, port, port.fixed_ips, engine.clock.wall()));
  CLOUDOS_CHECK(give_back(txn, port.fixed_ips));
  CLOUDOS_CHECK(Quota::reserve(txn, port.project, "ports", -1));
  CLOUDOS_CHECK(records::erase<Port>(txn, port.id));
  CLOUDOS_CHECK(release_levels(txn, port.network, network::all_levels(port)));
  return precommit_gone(txn, Change::Kind::Port, port.id.value, port.generation + 1);
}

// ---- the DHCP port ------------------------------------------------------------------------------

Networks::Impl::DhcpDraft Networks::Impl::draft_dhcp() const {
  return {engine.ids.make<PortId>(), make_macs(), engine.clock.wall()};
}

namespace network {
namespace {

/// The addresses a DHCP port keeps, and those it gives back.
std::pair<std::vector<FixedIp>, std::vector<FixedIp>> part_addresses(
    const std::vector<FixedIp>& held, const std::vector<Subnet>& wanted) {
  std::pair<std::vector<FixedIp>, std::vector<FixedIp>> parts;
  for (const FixedIp& fixed : held) {
    const bool keep = std::any_of(wanted.begin(), wanted.end(),
                                  [&](const Subnet& s) { return s.id == fixed.subnet; });
    (keep ? parts.first : parts.second).push_back(fixed);
  }
  return parts;
}

Result<Port> new_dhcp_port(store::Txn& txn, const Network& network,
                           const Networks::Impl::DhcpDraft& draft) {
  Port port;
  port.id = draft.id;
  port.project = network.project;
  port.network = network.id;
  CLOUDOS_TRY(port.mac, free_mac(txn, network.id, draft.macs));
  port.device_id = "dhcp-" + network.id.value;
  port.device_owner = kDhcpOwner;
  port.port_security = false;
  port.vif_type = "unbound";
  port.tap = tap_name(draft.id);
  port.created_at = port.updated_at = draft.now;
  return port;
}

}  // namespace
}  // namespace network

Result<void> Networks::Impl::keep_dhcp_port(store::Txn& txn, Network& network,
                                            const DhcpDraft& draft) const {
  CLOUDOS_TRY(auto wanted, network::subnets_of(txn, network));
  wanted.erase(std::remove_if(wanted.begin(), wanted.end(),
                              [](const Subnet& subnet) { return !subnet.dhcp; }),
               wanted.end());
  const bool had = !network.dhcp_port.empty();
  if (wanted.empty()) {
    if (!had) return Result<void>();
    CLOUDOS_TRY(const Port port, network::load<Port>(txn, network.dhcp_port));
    network.dhcp_port = PortId{};
    return erase_port(txn, port);
  }
  Port port;
  if (had) {
    CLOUDOS_TRY(port, network::load<Port>(txn, network.dhcp_port));
  } else {
    CLOUDOS_TRY(port, network::new_dhcp_port(txn, network, draft));
    network.dhcp_port = port.id;
  }
  auto [kept, dropped] = network::part_addresses(port.fixed_ips, wanted);
  if (had && dropped.empty() && kept.size() == wanted.size()) return Result<void>();
  CLOUDOS_CHECK(give_back(txn, dropped));
  for (const Subnet& subnet : wanted) {
    const auto held = std::find_if(kept.begin(), kept.end(),
                                   [&](const FixedIp& f) { return f.subnet == subnet.id; });
    if (held != kept.end()) continue;
    if (network::auto_addressed(subnet)) {
      kept.push_back({subnet.id, network::eui64_address(network::block_of(subnet), port.mac)});
      continue;
    }
    auto address = network::take_any_of(txn, subnet);
    if (!address) return fail_in("an address for the DHCP server", std::move(address).error());
    kept.push_back({subnet.id, std::move(*address)});
  }
  port.fixed_ips = std::move(kept);
  port.updated_at = draft.now;
  if (had) return records::update(txn, port);
  CLOUDOS_CHECK(network::reserve_quota(txn, port.project, "ports", 1));
  return records::insert(txn, port);
}

}  // namespace cloudos
