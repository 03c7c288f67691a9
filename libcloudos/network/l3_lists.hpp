#pragma once
#include "cloudos/routers.hpp"
#include "cloudos/subnet_pools.hpp"
#include "network/l3_records.hpp"
#include "network/lists.hpp"
#include "network/pool_records.hpp"

/// What routers, floating addresses, pools and scopes are listed by.
namespace cloudos {

std::optional<network::Attribute> list_attribute(const Router& router, std::string_view name);
std::optional<network::Attribute> list_attribute(const FloatingIp& floating,
                                                 std::string_view name);
std::optional<network::Attribute> list_attribute(const PortForwarding& forwarding,
                                                 std::string_view name);
std::optional<network::Attribute> list_attribute(const SubnetPool& pool, std::string_view name);
std::optional<network::Attribute> list_attribute(const AddressScope& scope, std::string_view name);
network::ListIndexes list_indexes(const FloatingIp*);

/// "ACTIVE", "DOWN", "ERROR"
std::string_view status_text(FloatingIpStatus status);

}  // namespace cloudos
