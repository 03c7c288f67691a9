#pragma once
#include <string>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/result.hpp"
#include "network/ip.hpp"

/// What a subnet may be: pure checks, with the Networking API's names for what is wrong.
namespace cloudos::network {

/// The block asked for. Errors: InvalidArgument.
Result<IpBlock> check_subnet_cidr(const SubnetCreate& spec);
/// IPv6 modes against each other, the family, DHCP and (when known) the block.
Result<void> check_subnet_modes(const SubnetCreate& spec);
Result<void> check_auto_block(const Subnet& subnet, const IpBlock& block);
Result<std::vector<std::string>> check_service_types(const std::vector<std::string>& types);
Result<std::vector<std::string>> check_dns_servers(const std::vector<std::string>& servers,
                                                   bool v6);
Result<std::vector<HostRoute>> check_host_routes(const std::vector<HostRoute>& routes, bool v6);
/// Gateway, pools, name servers and routes of a subnet of this block, as they will stand together.
Result<void> shape_subnet(const SubnetCreate& spec, const IpBlock& block, Subnet& subnet);
/// The changed subnet's fields. `pools_changed`: allocation must begin anew.
Result<void> change_subnet(const SubnetUpdate& change, Subnet& subnet, bool& pools_changed);

}  // namespace cloudos::network
