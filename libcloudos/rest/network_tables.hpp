#pragma once
#include "rest/router.hpp"

/// The parts of the Networking API's table of routes, a file each.
namespace cloudos::rest::network_api {

std::span<const Route> core_routes();      ///< network.cpp
std::span<const Route> sharing_routes();   ///< network_sharing.cpp
std::span<const Route> qos_routes();       ///< network_qos.cpp
std::span<const Route> layer3_routes();    ///< network_l3.cpp
std::span<const Route> pool_routes();      ///< network_pools.cpp
std::span<const Route> tag_routes();       ///< network_tags.cpp
std::span<const Route> trunk_routes();     ///< network_trunks.cpp
std::span<const Route> address_group_routes();  ///< network_address_groups.cpp
std::span<const Route> metering_routes();  ///< network_metering.cpp
std::span<const Route> binding_routes();   ///< network_bindings.cpp
std::span<const Route> segment_routes();   ///< network_segments.cpp
std::span<const Route> beginning_routes();  ///< network_beginnings.cpp
std::span<const Route> agent_routes();     ///< network_agents.cpp
std::span<const Route> trace_routes();     ///< network_traces.cpp

}  // namespace cloudos::rest::network_api
