#pragma once
#include "network/impl.hpp"

/// Addresses that follow from MACs, when their subnet comes or goes.
namespace cloudos::network {

/// Every port of the subnet's network gets its address of it; routers' ports, which have theirs by
/// being asked for, do not. Ports made from now on get it as they are made.
Result<void> add_auto_addresses(Networks::Impl& impl, const Subnet& subnet);
/// Takes them away again, unless some port has an address of the subnet of its own.
Result<void> drop_auto_addresses(Networks::Impl& impl, const Context& ctx, const SubnetId& id);
/// The port has its addresses without being asked.
bool has_auto_addresses(const Port& port);

}  // namespace cloudos::network
