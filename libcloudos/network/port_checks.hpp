#pragma once
#include <string>
#include <vector>

#include "cloudos/networks.hpp"
#include "network/access.hpp"
#include "network/sharing.hpp"
#include "cloudos/store.hpp"

/// Checks of a port that need the store, shared by its creation and its change.
namespace cloudos::network {

/// The first of `macs` that no port of the network has.
/// Errors: AlreadyExists (the only one is taken), NoCapacity (all are).
Result<std::string> free_mac(store::Txn& txn, const NetworkId& network,
                             const std::vector<std::string>& macs);
/// The subnet an asked-for address is of. A view into `subnets`. Errors: InvalidArgument.
Result<const Subnet*> subnet_for(const Network& network, const std::vector<Subnet>& subnets,
                                 const FixedIpRequest& asked);

/// A port that the caller owns, or whose network is the caller's. Errors: NotFound.
template <class Source>
Result<Port> load_port(Source& source, const Context& ctx, const PortId& id) {
  CLOUDOS_TRY(Port port, load<Port>(source, id));
  if (ctx.may_see(port.project)) return port;
  const auto network = records::get<Network>(source, port.network);
  if (network && ctx.may_see(network->project)) return port;
  return missing<Port>(id.value);
}

/// The subnets of a network, from a snapshot or within a transaction.
template <class Source>
Result<std::vector<Subnet>> subnets_of(Source& source, const Network& network) {
  std::vector<Subnet> subnets;
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_TRY(Subnet subnet, load<Subnet>(source, id));
    subnets.push_back(std::move(subnet));
  }
  return subnets;
}

/// The groups are there and the port's project's (or the caller's). Errors: NotFound.
template <class Source>
Result<void> check_groups(Source& source, const Context& ctx, const ProjectId& project,
                          const std::vector<SecurityGroupId>& groups) {
  for (const SecurityGroupId& id : groups) {
    CLOUDOS_TRY(const SecurityGroup group, load_seen<SecurityGroup>(source, ctx, id));
    if (group.going) return missing<SecurityGroup>(id.value);
    if constexpr (std::is_same_v<Source, store::Txn>) note_use(source, project, group);
    if (group.project == project || group.project == ctx.project) continue;
    // An admin does not lend one project's group to another, unless its owner granted it.
    const auto scope = grant_scope("security_group", id.value, kAsShared);
    if (!has_grant(source, scope, project.value) && !has_grant(source, scope, kAnyProject))
      return missing<SecurityGroup>(id.value);
  }
  return Result<void>();
}

/// A trunk's ports leave it before they go. Errors: Conflict.
Result<void> refuse_trunk_port(const Port& port);

/// Without port security a port has neither groups nor allowed pairs. Errors: Conflict.
Result<void> check_security(const Port& port);

}  // namespace cloudos::network
