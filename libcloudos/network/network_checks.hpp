#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/store.hpp"

/// Checks of networks, and of what networks and ports have in common.
namespace cloudos::network {

/// What needs nothing but the request. Errors: InvalidArgument, Forbidden.
Result<void> check_network_create(const Context& ctx, const NetworkCreate& spec);
Result<void> check_network_update(const NetworkUpdate& change);
/// "example.org." or nothing. Errors: InvalidArgument.
Result<void> check_dns_domain(std::string_view domain);
/// Errors: NotFound (no such zone).
Result<void> check_zone_hints(std::string_view zone, const std::vector<std::string>& hints);
/// Sorted, each once. Errors: InvalidArgument.
Result<std::vector<std::string>> checked_tags(std::vector<std::string> tags);

/// What a network of this type carries over links of `base` at most: tunnels take their header.
std::uint32_t most_mtu(std::uint32_t base, std::string_view type);
/// The asked-for MTU, or the most. Errors: InvalidArgument.
Result<std::uint32_t> mtu_of(std::uint32_t base, std::string_view type,
                             const std::optional<std::uint32_t>& asked);
Result<void> check_mtu(std::uint32_t base, std::string_view type,
                       const std::optional<std::uint32_t>& asked);

/// The caller may use the policy. Errors: NotFound.
Result<void> check_qos_policy(store::Txn& txn, const Context& ctx, const QosPolicyId& id);
/// Puts `next` (empty: none) in the place of `held`. What an admin gave and its owner does not see is
/// not the owner's to take off. Errors: NotFound, Forbidden, Conflict.
Result<void> change_qos_policy(store::Txn& txn, const Context& ctx, const QosPolicyId& next,
                               QosPolicyId& held);
/// The network's policy, or else its project's default one, which it gets. Errors: NotFound.
Result<void> use_qos_policy(store::Txn& txn, const Context& ctx, Network& network);
/// One external network is the default one. Errors: Conflict, InvalidArgument (not external).
Result<void> refuse_second_default(store::Txn& txn, const Network& network);

}  // namespace cloudos::network
