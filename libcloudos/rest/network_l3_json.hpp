#pragma once
#include <map>

#include "cloudos/routers.hpp"
#include "cloudos/subnet_pools.hpp"
#include "rest/network_api.hpp"

/// Bodies of routers, floating addresses, port forwardings, subnet pools and address scopes.
namespace cloudos::rest::network_api {

// What several of them need (network_subnet_json.cpp).
Result<std::optional<std::vector<HostRoute>>> decode_route_list(const Members& in,
                                                                std::string_view name);
void write_route_list(Fields& out, std::string_view name, const std::vector<HostRoute>& routes);

Result<RouterCreate> decode_router(const Members& in);
Result<RouterUpdate> decode_router_update(const Members& in);
void write_router(Fields& out, const cloudos::Router& router);
Result<RouterLeg> decode_leg(const Members& in);
Result<FloatingIpCreate> decode_floating(const Members& in);
Result<FloatingIpUpdate> decode_floating_update(const Members& in);
/// What floating addresses are shown with: the ports they lead to, and what they forward.
struct FloatingExtra {
  std::map<PortId, Port> ports;
  std::map<FloatingIpId, std::vector<PortForwarding>> forwardings;
};
void write_floating(Fields& out, const FloatingIp& floating, const FloatingExtra& extra);
Result<PortForwardingCreate> decode_forwarding(const Members& in);
Result<PortForwardingUpdate> decode_forwarding_update(const Members& in);
void write_forwarding(Fields& out, const PortForwarding& forwarding);

Result<SubnetPoolCreate> decode_pool(const Members& in);
Result<SubnetPoolUpdate> decode_pool_update(const Members& in);
void write_pool(Fields& out, const SubnetPool& pool);
Result<AddressScopeCreate> decode_scope(const Members& in);
Result<AddressScopeUpdate> decode_scope_update(const Members& in);
void write_scope(Fields& out, const AddressScope& scope);

}  // namespace cloudos::rest::network_api
