#pragma once
#include "cloudos/routers.hpp"
#include "network/record.hpp"

/// How routers, floating addresses and port forwardings are stored.
namespace cloudos {

void fields(codec::FieldVisitor& v, Router& r);
void fields(codec::FieldVisitor& v, FloatingIp& f);
void fields(codec::FieldVisitor& v, PortForwarding& f);

void keys(records::Keys& k, const Router& r);
void keys(records::Keys& k, const FloatingIp& f);
void keys(records::Keys& k, const PortForwarding& f);

namespace network {

inline constexpr std::string_view kInterfaceOwner = "network:router_interface";
inline constexpr std::string_view kGatewayOwner = "network:router_gateway";
inline constexpr std::string_view kFloatingOwner = "network:floatingip";

/// The index value under which what stands on a router's leg in one subnet lies.
std::string leg_of(const RouterId& router, const SubnetId& subnet);

}  // namespace network
}  // namespace cloudos
