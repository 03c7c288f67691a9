#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "cloudos/network_limits.hpp"
#include "identity/quota.hpp"
#include "network/address.hpp"
#include "network/auto_addresses.hpp"
#include "network/bulk.hpp"
#include "network/floating_txn.hpp"
#include "network/impl.hpp"
#include "network/ip.hpp"
#include "network/l3_records.hpp"
#include "network/network_checks.hpp"
#include "network/port_checks.hpp"
#include "network/router_txn.hpp"
#include "network/segments.hpp"
#include "network/trunk_ports.hpp"

namespace cloudos {
namespace network {
namespace {

constexpr std::string_view kVnicTypes[] = {"normal", "macvtap", "direct", "direct-physical",
                                           "baremetal", "virtio-forwarder"};

Result<void> check_dns_label(std::string_view label) {
  if (label.empty()) return Result<void>();
  const std::string folded = fold_case(label);
  const bool good = folded.size() <= 63 && folded.front() != '-' && folded.back() != '-' &&
                    folded.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
                        folded.npos;
  // DHCP options are made of it: nothing but a label may pass.
  if (!good) return invalid("dns_name: 1 to 63 letters, digits and dashes");
  return Result<void>();
}

Result<void> check_numa(std::string_view policy) {
  for (const std::string_view known : {"", "required", "preferred", "legacy", "socket"})
    if (policy == known) return Result<void>();
  return invalid(fmt::format("numa_affinity_policy: '{}' is unknown", policy.substr(0, 64)));
}

/// Options become lines of the DHCP server's files: neither a name nor a value may end its line, nor
/// a name say more than which option it is.
Result<void> check_dhcp_option(const DhcpOption& option) {
  const std::string name = fold_case(option.name);
  const bool named = !name.empty() && name.size() <= limits::kDhcpOptionBytes &&
                     name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
                         name.npos && name.front() != '-';
  const auto number = parse_unsigned(name);
  if (!named || (number && (*number < 1 || *number > 254)))
    return invalid(fmt::format("extra_dhcp_opts: '{}' is not an option's name or number",
                               option.name.substr(0, 64)));
  const bool plain = option.value.size() <= limits::kDhcpOptionBytes &&
                     std::none_of(option.value.begin(), option.value.end(), [](unsigned char c) {
                       return c < 0x20 || c == 0x7f;
                     });
  if (!plain) {
    return invalid(fmt::format("extra_dhcp_opts: the value of {} is longer than {} bytes or holds "
                               "control characters", option.name, limits::kDhcpOptionBytes));
  }
  return Result<void>();
}

Result<void> check_dhcp_options(const std::vector<DhcpOption>& options, bool creating) {
  if (options.size() > limits::kPortDhcpOptions)
    return invalid(fmt::format("extra_dhcp_opts: at most {}", limits::kPortDhcpOptions));
  for (const DhcpOption& option : options) {
    CLOUDOS_CHECK(check_dhcp_option(option));
    if (creating && option.value.empty())
      return invalid(fmt::format("extra_dhcp_opts: {} has no value", option.name));
    const auto twins = std::count_if(options.begin(), options.end(), [&](const DhcpOption& other) {
      return other.name == option.name && other.ip_version == option.ip_version;
    });
    if (twins > 1) return invalid(fmt::format("extra_dhcp_opts: {} is there twice", option.name));
  }
  return Result<void>();
}

/// Options that are named are set, or taken away by an empty value; the others stay.
Result<void> merge_dhcp_options(const std::vector<DhcpOption>& asked, Port& port) {
  for (const DhcpOption& option : asked) {
    const auto same = std::find_if(
        port.dhcp_options.begin(), port.dhcp_options.end(), [&](const DhcpOption& held) {
          return held.name == option.name && held.ip_version == option.ip_version;
        });
    if (option.value.empty()) {
      if (same != port.dhcp_options.end()) port.dhcp_options.erase(same);
    } else if (same != port.dhcp_options.end()) {
      same->value = option.value;
    } else {
      port.dhcp_options.push_back(option);
    }
  }
  if (port.dhcp_options.size() > limits::kPortDhcpOptions)
    return invalid(fmt::format("extra_dhcp_opts: at most {}", limits::kPortDhcpOptions));
  return Result<void>();
}

Result<std::string> checked_mac(std::string_view text) {
  const auto mac = normalise_mac(text);
  if (!mac)
    return invalid(fmt::format("mac_address: '{}' is not one host's", text.substr(0, 64)));
  return *mac;
}

Result<std::vector<AllowedAddressPair>> check_pairs(const std::vector<AllowedAddressPair>& pairs) {
  if (pairs.size() > limits::kPortAddressPairs) {
    return fail_as("AllowedAddressPairExhausted", ErrorCode::InvalidArgument,
                   fmt::format("allowed_address_pairs: at most {}", limits::kPortAddressPairs));
  }
  std::vector<AllowedAddressPair> checked;
  for (const AllowedAddressPair& pair : pairs) {
    const auto address = normalise_address_or_cidr(pair.address);
    if (!address) {
      return invalid(fmt::format("allowed_address_pairs: '{}' is not an address or CIDR",
                                 pair.address.substr(0, 64)));
    }
    AllowedAddressPair normal{*address, {}};
    if (!pair.mac.empty()) {
      CLOUDOS_TRY(normal.mac, checked_mac(pair.mac));
    }
    if (std::find(checked.begin(), checked.end(), normal) != checked.end()) {
      return fail_as("DuplicateAddressPairInRequest", ErrorCode::InvalidArgument,
                     fmt::format("Request contains duplicate address pair: mac_address {} "
                                 "ip_address {}.", normal.mac, normal.address));
    }
    checked.push_back(std::move(normal));
  }
  return checked;
}

Result<void> check_fixed(const std::vector<FixedIpRequest>& asked) {
  if (asked.size() > limits::kPortFixedIps)
    return invalid(fmt::format("fixed_ips: at most {}", limits::kPortFixedIps));
  for (const FixedIpRequest& one : asked) {
    if (one.subnet.empty() && one.address.empty())
      return invalid("fixed_ips: subnet_id or ip_address is needed");
  }
  return Result<void>();
}

Result<std::vector<SecurityGroupId>> check_group_list(std::vector<SecurityGroupId> groups) {
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  if (groups.size() > limits::kPortGroups)
    return invalid(fmt::format("security_groups: at most {}", limits::kPortGroups));
  return groups;
}

Result<void> check_device(std::string_view id, std::string_view owner, bool owns_network) {
  CLOUDOS_CHECK(check_name("device_id", id, 0, limits::kDeviceChars));
  CLOUDOS_CHECK(check_name("device_owner", owner, 0, limits::kDeviceChars));
  if (owner == kDhcpOwner) return forbidden("device_owner: network:dhcp is the cloud's own");
  if (owner.substr(0, 8) == "network:" && !owns_network)
    return forbidden("device_owner: network:* is for the network's owner");
  return Result<void>();
}

Result<void> check_binding(std::string_view host, std::string_view vnic_type,
                           std::string_view profile) {
  CLOUDOS_CHECK(check_name("binding:host_id", host, 0, limits::kNameChars));
  const auto* end = std::end(kVnicTypes);
  if (std::find(std::begin(kVnicTypes), end, vnic_type) == end)
    return invalid(fmt::format("binding:vnic_type '{}' is unknown", vnic_type.substr(0, 64)));
  if (profile.size() > limits::kPortProfileBytes) {
    return invalid(fmt::format("binding:profile: at most {} bytes", limits::kPortProfileBytes));
  }
  return Result<void>();
}

/// The fields that the API's default policy keeps for admins and owners of the network.
Result<void> check_creator(const Context& ctx, const Network& network, const PortCreate& spec) {
  CLOUDOS_CHECK(admin_only(ctx, !spec.host.empty(), "binding:host_id"));
  CLOUDOS_CHECK(admin_only(ctx, spec.profile != "{}", "binding:profile"));
  if (ctx.may_see(network.project)) return Result<void>();
  if (network.external && !network.shared)
    return forbidden("ports on another project's external network");
  const auto named = [](const FixedIpRequest& one) { return !one.address.empty(); };
  const bool addresses =
      spec.fixed_ips && std::any_of(spec.fixed_ips->begin(), spec.fixed_ips->end(), named);
  const std::pair<bool, std::string_view> kept[] = {
      {!spec.mac.empty(), "mac_address"},
      {addresses, "fixed_ips:ip_address"},
      {spec.port_security.has_value(), "port_security_enabled"},
      {!spec.allowed_address_pairs.empty(), "allowed_address_pairs"},
  };
  for (const auto& [used, attribute] : kept)
    if (used) return forbidden(fmt::format("{}: only the network's owner may set it", attribute));
  return Result<void>();
}

Result<void> check_changer(const Context& ctx, const Network& network, const PortUpdate& change) {
  CLOUDOS_CHECK(admin_only(ctx, change.host.has_value(), "binding:host_id"));
  CLOUDOS_CHECK(admin_only(ctx, change.profile.has_value(), "binding:profile"));
  CLOUDOS_CHECK(admin_only(ctx, change.mac.has_value(), "mac_address"));
  if (ctx.may_see(network.project)) return Result<void>();
  const auto named = [](const FixedIpRequest& one) { return !one.address.empty(); };
  const bool addresses =
      change.fixed_ips && std::any_of(change.fixed_ips->begin(), change.fixed_ips->end(), named);
  const std::pair<bool, std::string_view> kept[] = {
      {addresses, "fixed_ips:ip_address"},
      {change.port_security.has_value(), "port_security_enabled"},
      {change.allowed_address_pairs.has_value(), "allowed_address_pairs"},
  };
  for (const auto& [used, attribute] : kept)
    if (used) return forbidden(fmt::format("{}: only the network's owner may set it", attribute));
  return Result<void>();
}

/// What the transaction would refuse later is refused at once, as far as the snapshot shows it.
Result<void> check_against(const store::Snapshot& snapshot, const Context& ctx,
                           const Network& network, const PortPrep& prep) {
  if (prep.spec.security_groups)
    CLOUDOS_CHECK(check_groups(snapshot, ctx, prep.project, *prep.spec.security_groups));
  if (!prep.spec.fixed_ips) return Result<void>();
  CLOUDOS_TRY(const auto subnets, subnets_of(snapshot, network));
  for (const FixedIpRequest& asked : *prep.spec.fixed_ips) {
    CLOUDOS_TRY(const Subnet* subnet, subnet_for(network, subnets, asked));
    if (asked.address.empty()) continue;
    CLOUDOS_TRY(const auto owner, records::find_unique(snapshot, Port::kKind, "address",
                                                       network.id.value, asked.address));
    if (!owner) continue;
    return fail_as("IpAddressAlreadyAllocated", ErrorCode::Conflict,
                   fmt::format("address {} of subnet {} is in use", asked.address,
                               subnet->id.value));
  }
  return Result<void>();
}

/// Checks of a change that need nothing but itself; normalises it.
Result<PortUpdate> check_change(PortUpdate change) {
  CLOUDOS_CHECK(check_texts(change.name.value_or(""), change.description.value_or("")));
  CLOUDOS_CHECK(check_dns_label(change.dns_name.value_or("")));
  CLOUDOS_CHECK(check_binding(change.host.value_or(""), change.vnic_type.value_or("normal"),
                              change.profile.value_or("{}")));
  if (change.mac) {
    CLOUDOS_TRY(change.mac, checked_mac(*change.mac));
  }
  if (change.fixed_ips) CLOUDOS_CHECK(check_fixed(*change.fixed_ips));
  CLOUDOS_CHECK(check_dns_domain(change.dns_domain.value_or("")));
  CLOUDOS_CHECK(check_numa(change.numa_affinity.value_or("")));
  if (change.dhcp_options) CLOUDOS_CHECK(check_dhcp_options(*change.dhcp_options, false));
  if (change.security_groups) {
    CLOUDOS_TRY(change.security_groups, check_group_list(*change.security_groups));
  }
  if (change.allowed_address_pairs) {
    CLOUDOS_TRY(change.allowed_address_pairs, check_pairs(*change.allowed_address_pairs));
  }
  return change;
}

}  // namespace
}  // namespace network

Result<PortPrep> Networks::prepare_port(const store::Snapshot& snapshot, const Context& ctx,
                                        const PortCreate& spec) const {
  PortPrep prep;
  prep.spec = spec;
  CLOUDOS_TRY(const Network network, network::load_seen<Network>(snapshot, ctx, spec.network));
  CLOUDOS_CHECK(network::check_texts(spec.name, spec.description));
  CLOUDOS_CHECK(network::check_dns_label(spec.dns_name));
  CLOUDOS_CHECK(network::check_creator(ctx, network, spec));
  CLOUDOS_CHECK(network::check_device(spec.device_id, spec.device_owner,
                                      ctx.may_see(network.project)));
  CLOUDOS_CHECK(network::check_binding(spec.host, spec.vnic_type, spec.profile));
  if (spec.fixed_ips) CLOUDOS_CHECK(network::check_fixed(*spec.fixed_ips));
  CLOUDOS_CHECK(network::check_dns_domain(spec.dns_domain));
  CLOUDOS_CHECK(network::check_numa(spec.numa_affinity));
  CLOUDOS_CHECK(network::check_dhcp_options(spec.dhcp_options, true));
  CLOUDOS_TRY(prep.spec.tags, network::checked_tags(spec.tags));
  CLOUDOS_TRY(prep.spec.allowed_address_pairs, network::check_pairs(spec.allowed_address_pairs));
  if (spec.security_groups) {
    CLOUDOS_TRY(prep.spec.security_groups, network::check_group_list(*spec.security_groups));
  }
  CLOUDOS_TRY(prep.project, network::owner_of_new(ctx, spec.project));
  if (spec.mac.empty()) {
    prep.macs = impl_->make_macs();
  } else {
    CLOUDOS_TRY(auto mac, network::checked_mac(spec.mac));
    prep.macs = {std::move(mac)};
  }
  CLOUDOS_CHECK(network::check_against(snapshot, ctx, network, prep));
  prep.id = impl_->engine.ids.make<PortId>();
  auto group = impl_->draft_group(0);
  prep.default_group = std::move(group.id);
  prep.default_rules = impl_->draft_group(4).rules;
  prep.now = group.now;
  return prep;
}

Result<Port> Networks::create_port(store::Txn& txn, const Context& ctx,
                                   const PortPrep& prep) const {
  CLOUDOS_TRY(Port port, impl_->insert_port(txn, ctx, prep));
  if (port.device_id.empty()) return port;
  port.attached = true;
  CLOUDOS_CHECK(records::update(txn, port));
  return port;
}

Result<std::vector<Port>> Networks::create_ports(const Context& ctx,
                                                 const std::vector<PortCreate>& specs) {
  CLOUDOS_CHECK(network::check_bulk(*impl_, ctx, specs.size()));
  std::vector<PortPrep> preps;
  {
    CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
    for (const PortCreate& spec : specs) {
      CLOUDOS_TRY(auto prep, prepare_port(*snapshot, ctx, spec));
      preps.push_back(std::move(prep));
    }
  }
  return network::insert_all<Port>(*impl_, preps, [&](store::Txn& txn, const PortPrep& prep) {
    return impl_->insert_port(txn, ctx, prep);
  });
}

Result<Port> Networks::create_port(const Context& ctx, const PortCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(auto made, create_ports(ctx, {spec}));
  return std::move(made.front());
}

Result<Port> Networks::port(const Context& ctx, const PortId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::load_port(*snapshot, ctx, id);
}

// ---- update -------------------------------------------------------------------------------------

namespace network {
namespace {

/// Keeps the addresses asked for that are held, gives back the rest, takes what is new. `moving`: the
/// port gets another host after this, which is then to reach them.
Result<void> change_addresses(const Networks::Impl& impl, store::Txn& txn, const Network& network,
                              const std::vector<FixedIpRequest>& asked, bool moving, Port& port) {
  std::vector<FixedIp> kept;
  std::vector<FixedIpRequest> wanted;
  auto held = port.fixed_ips;
  const auto keep = [&](const FixedIpRequest& one) {
    const auto found = std::find_if(held.begin(), held.end(), [&](const FixedIp& fixed) {
      return (one.subnet.empty() || one.subnet == fixed.subnet) &&
             (one.address.empty() || parse_ip(one.address) == parse_ip(fixed.address));
    });
    if (found == held.end()) return false;
    kept.push_back(*found);
    held.erase(found);
    return true;
  };
  for (const bool named : {true, false})
    for (const FixedIpRequest& one : asked)
      if (one.address.empty() != named && !keep(one)) wanted.push_back(one);
  if (!asked.empty() && has_auto_addresses(port)) {
    // What the MAC has stays, asked for or not: where the port is from now on.
    CLOUDOS_TRY(const auto subnets, subnets_of(txn, network));
    std::set<SegmentId> segments;
    for (const FixedIpRequest& one : asked) {
      CLOUDOS_TRY(const Subnet* subnet, subnet_for(network, subnets, one));
      segments.insert(subnet->segment);
    }
    for (const Subnet& subnet : subnets)
      if (auto_addressed(subnet) && segments.count(subnet.segment) > 0) keep({subnet.id, {}});
  }
  CLOUDOS_CHECK(free_port(txn, port, held, port.updated_at));
  CLOUDOS_CHECK(impl.give_back(txn, held));
  Port without = port;
  without.fixed_ips = kept;
  if (moving) without.host.clear();
  std::vector<FixedIp> taken;
  if (!wanted.empty()) {
    CLOUDOS_TRY(taken, impl.take_addresses(txn, network, without, &wanted));
  }
  kept.insert(kept.end(), taken.begin(), taken.end());
  port.fixed_ips = std::move(kept);
  port.unaddressed = asked.empty();
  return Result<void>();
}

/// The addresses that a port has by its MAC are those of its new one.
Result<void> renew_auto_addresses(store::Txn& txn, const std::string& old_mac, Port& port) {
  for (FixedIp& fixed : port.fixed_ips) {
    CLOUDOS_TRY(const Subnet subnet, load<Subnet>(txn, fixed.subnet));
    if (!auto_addressed(subnet) || fixed.address != eui64_address(block_of(subnet), old_mac))
      continue;
    fixed.address = eui64_address(block_of(subnet), port.mac);
    const auto owner = records::find_unique(txn, Port::kKind, "address", port.network.value,
                                            fixed.address);
    if (!owner || *owner == port.id.value) continue;
    return fail_as("IpAddressAlreadyAllocated", ErrorCode::Conflict,
                   fmt::format("address {} of subnet {} is in use", fixed.address,
                               subnet.id.value));
  }
  return Result<void>();
}

Result<void> change_mac(store::Txn& txn, const std::string& mac, Port& port) {
  if (mac == port.mac) return Result<void>();
  if (port.plugged || !port.host.empty()) {
    return fail_as("PortBound", ErrorCode::Conflict,
                   fmt::format("Unable to complete operation on port {}, port is already bound, "
                               "port type: {}, old_mac {}, new_mac {}.", port.id.value,
                               port.vif_type, port.mac, mac));
  }
  const std::string old_mac = port.mac;
  CLOUDOS_TRY(port.mac, free_mac(txn, port.network, {mac}));
  return renew_auto_addresses(txn, old_mac, port);
}

Result<void> change_binding(const Networks::Impl& impl, store::Txn& txn, const Network& network,
                            const PortUpdate& change, Port& port) {
  const bool failed = !port.host.empty() && port.driver.empty();
  const bool rebind = (change.host && (*change.host != port.host || failed)) ||
                      (change.vnic_type && *change.vnic_type != port.vnic_type);
  if (change.profile) port.profile = *change.profile;
  if (!rebind) return Result<void>();
  if (port.plugged) {
    return fail_as("PortInUse", ErrorCode::Conflict,
                   fmt::format("port {} is plugged on host {}: its binding cannot change now",
                               port.id.value, port.host));
  }
  if (change.vnic_type) port.vnic_type = *change.vnic_type;
  const std::string host = change.host.value_or(port.host);
  if (!host.empty()) return impl.bind_or_note(txn, network, port, host);
  port.host.clear();
  port.driver.clear();
  port.levels.clear();
  port.vif_type = "unbound";
  port.vif_details.clear();
  return Result<void>();
}

Result<void> change_groups(store::Txn& txn, const Context& ctx, const PortUpdate& change,
                           Port& port) {
  if (!change.security_groups && change.add_groups.empty() && change.remove_groups.empty())
    return Result<void>();
  auto groups = change.security_groups.value_or(port.security_groups);
  for (const SecurityGroupId& gone : change.remove_groups) std::erase(groups, gone);
  groups.insert(groups.end(), change.add_groups.begin(), change.add_groups.end());
  CLOUDOS_TRY(port.security_groups, check_group_list(std::move(groups)));
  return check_groups(txn, ctx, port.project, port.security_groups);
}

Result<void> change_port(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                         const Network& network, const PortUpdate& change, Port& port) {
  if (change.name) port.name = *change.name;
  if (change.description) port.description = *change.description;
  if (change.admin_up) port.admin_up = *change.admin_up;
  if (change.dns_name) port.dns_name = *change.dns_name;
  if (change.dns_domain) port.dns_domain = *change.dns_domain;
  if (change.numa_affinity) port.numa_affinity = *change.numa_affinity;
  if (change.hints) port.hints = *change.hints;
  if (change.propagate_uplink_status)
    port.propagate_uplink_status = *change.propagate_uplink_status;
  if (change.dhcp_options) CLOUDOS_CHECK(merge_dhcp_options(*change.dhcp_options, port));
  if (change.qos_policy)
    CLOUDOS_CHECK(change_qos_policy(txn, ctx, *change.qos_policy, port.qos_policy));
  if (change.device_id || change.device_owner) {
    const std::string& id = change.device_id ? *change.device_id : port.device_id;
    const std::string& owner = change.device_owner ? *change.device_owner : port.device_owner;
    CLOUDOS_CHECK(check_device(id, owner, ctx.may_see(network.project)));
    if (port.attached && (id != port.device_id || owner != port.device_owner)) {
      return fail_as("PortInUse", ErrorCode::Conflict,
                     fmt::format("port {} belongs to server {}: detach it there", port.id.value,
                                 port.device_id));
    }
    port.device_id = id;
    port.device_owner = owner;
  }
  if (change.mac) CLOUDOS_CHECK(change_mac(txn, *change.mac, port));
  const bool moving = change.host && *change.host != port.host;
  if (change.fixed_ips)
    CLOUDOS_CHECK(change_addresses(impl, txn, network, *change.fixed_ips, moving, port));
  if (change.port_security) port.port_security = *change.port_security;
  if (change.allowed_address_pairs) port.allowed_address_pairs = *change.allowed_address_pairs;
  CLOUDOS_CHECK(change_groups(txn, ctx, change, port));
  CLOUDOS_CHECK(check_security(port));
  return change_binding(impl, txn, network, change, port);
}

Result<void> refuse_dhcp_port(const Port& port) {
  if (port.device_owner != kDhcpOwner) return Result<void>();
  return fail_as("PortInUse", ErrorCode::Conflict,
                 fmt::format("port {} is the DHCP server's: it goes with the last subnet of its "
                             "network that has DHCP", port.id.value));
}

bool of_layer3(const Port& port) { return !port.router.empty() || !port.floating_ip.empty(); }

/// Routers and floating addresses stand on their ports: those change and go through them.
Result<void> refuse_layer3_port(const Port& port, const PortUpdate* change) {
  if (!of_layer3(port)) return Result<void>();
  // A leg inside moves to other addresses; a gateway does so through its router.
  const bool fixed = change && change->fixed_ips && port.device_owner != kInterfaceOwner;
  const bool harmless = change && !change->device_id && !change->device_owner && !change->mac &&
                        !fixed && !change->host && !change->port_security &&
                        !change->security_groups && change->add_groups.empty();
  if (harmless) return Result<void>();
  return fail_as("ServicePortInUse", ErrorCode::Conflict,
                 fmt::format("Port {} cannot be {} directly via the port API: has device owner {}.",
                             port.id.value, change ? "changed so" : "deleted", port.device_owner));
}

}  // namespace
}  // namespace network

Result<Port> Networks::update_port(const Context& ctx, const PortId& id, const PortUpdate& asked) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(const PortUpdate change, network::check_change(asked));
  const WallTime now = impl_->engine.clock.wall();
  Port changed;
  CLOUDOS_CHECK(impl_->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<Port>(txn, ctx, id));
    CLOUDOS_TRY(const Network network, network::load<Network>(txn, changed.network));
    CLOUDOS_CHECK(network::check_changer(ctx, network, change));
    CLOUDOS_CHECK(network::refuse_dhcp_port(changed));
    CLOUDOS_CHECK(network::refuse_layer3_port(changed, &change));
    const Port before = changed;
    CLOUDOS_CHECK(network::change_port(*impl_, txn, ctx, network, change, changed));
    changed.updated_at = now;
    CLOUDOS_CHECK(records::update(txn, changed));
    CLOUDOS_CHECK(impl_->release_levels(txn, changed.network, before.levels));
    if (!changed.router.empty() && change.fixed_ips)
      CLOUDOS_CHECK(network::check_readdressed(txn, before, changed));
    return impl_->precommit_port(txn, changed, network);
  }));
  return changed;
}

Result<void> Networks::delete_port(const Context& ctx, const PortId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return impl_->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const Port port, network::load_port(txn, ctx, id));
    CLOUDOS_CHECK(network::refuse_dhcp_port(port));
    CLOUDOS_CHECK(network::refuse_layer3_port(port, nullptr));
    CLOUDOS_CHECK(network::refuse_trunk_port(port));
    if (auto* owner = impl_->device_owner.load(); owner && port.attached)
      CLOUDOS_CHECK(owner->release_port(txn, ServerId{port.device_id}, id, port.mac));
    return impl_->erase_port(txn, port);
  });
}

// ---- for compute --------------------------------------------------------------------------------

Result<Port> Networks::attach_port(store::Txn& txn, const Context& ctx, const PortId& id,
                                   const ServerId& server, std::string_view device_owner) const {
  CLOUDOS_TRY(Port port, network::load_owned<Port>(txn, ctx, id));
  CLOUDOS_CHECK(network::refuse_layer3_port(port, nullptr));
  if (!port.device_id.empty() && port.device_id != server.value) {
    return network::fail_as("PortInUse", ErrorCode::Conflict,
                            fmt::format("Port {} is still in use.", id.value));
  }
  port.device_id = server.value;
  port.device_owner = device_owner;
  port.attached = true;
  CLOUDOS_CHECK(records::update(txn, port));
  return port;
}

Result<void> Networks::detach_port(store::Txn& txn, const PortId& id,
                                   const ServerId& server) const {
  auto port = records::get<Port>(txn, id);
  if (!port && port.error().code == ErrorCode::NotFound) return Result<void>();
  if (!port) return fail(std::move(port).error());
  if (port->device_id != server.value) return Result<void>();
  const bool was = port->plugged;
  if (was) CLOUDOS_CHECK(network::unplug_sub_ports(*impl_, txn, *port));
  port->device_id.clear();
  port->device_owner.clear();
  port->host.clear();
  port->driver.clear();
  port->vif_type = "unbound";
  port->vif_details.clear();
  port->attached = port->plugged = port->wired = false;
  const auto before = std::exchange(port->levels, {});
  CLOUDOS_CHECK(records::update(txn, *port));
  CLOUDOS_CHECK(impl_->release_levels(txn, port->network, before));
  if (!was) return Result<void>();
  return impl_->precommit_gone(txn, network::Change::Kind::Port, id.value, port->generation);
}

Result<void> Networks::delete_port(store::Txn& txn, const PortId& id) const {
  const auto port = records::get<Port>(txn, id);
  if (port) return impl_->erase_port(txn, *port);
  if (port.error().code == ErrorCode::NotFound) return Result<void>();
  return fail(port.error());
}

Result<std::vector<Port>> Networks::ports_of(const store::Snapshot& snapshot,
                                             const ServerId& server) const {
  records::PageSpec<Port> spec;
  spec.range = {"device", server.value, false};
  spec.matches = [](const Port& port) { return port.attached; };
  return records::page(snapshot, spec);
}

Result<std::vector<Port>> Networks::ports_of(const ServerId& server) const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return ports_of(*snapshot, server);
}

Result<std::vector<std::pair<std::string, std::string>>> Networks::floating_of(
    const store::Snapshot& snapshot, const PortId& port) const {
  CLOUDOS_TRY(const auto all, records::all<FloatingIp>(snapshot, "port", port.value));
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const FloatingIp& one : all) pairs.emplace_back(one.fixed_address, one.address);
  return pairs;
}

}  // namespace cloudos
