#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/routers.hpp"

namespace cloudos {

/// A worker of ours as the Networking API shows it: a mechanism driver on its host, and what else
/// that driver does there.
struct NetworkAgent {
  static constexpr std::string_view kKind = "network_agent";
  static constexpr std::string_view kNoun = "Agent";
  Id<struct NetworkAgentTag> id;    ///< Made of host and kind: the same after a restart.
  std::uint64_t generation = 0;
  ProjectId project;
  std::string type;                 ///< "Linux bridge agent", "DHCP agent", "L3 agent", …
  std::string binary;               ///< "neutron-linuxbridge-agent", as clients know it.
  std::string host, topic, zone, description;
  bool admin_up = true;
  /// Its driver did a pass within limits::kAgentDown, by the clock that never jumps.
  bool alive = false;
  std::map<std::string, std::string> configurations;
  WallTime created_at, updated_at;  ///< When it started; when its driver last did its work.
};

struct NetworkAgentUpdate {
  std::optional<std::string> description;
  std::optional<bool> admin_up;
};

/// Addresses of a network: how many there are, how many are used. Kept as decimal text: an IPv6
/// subnet has more than any number holds.
struct IpAvailability {
  NetworkId network;
  ProjectId project;
  std::string name, total, used;
  struct OfSubnet {
    SubnetId id;
    std::string name, cidr, total, used;
    unsigned ip_version = 4;
  };
  std::vector<OfSubnet> subnets;
};

struct NetworkZone {
  std::string name, resource;       ///< resource: "network", "router"
  bool available = true;
};

/// Who carries what. Thread-safe; part of Networks.
/// Source: Networking API v2.0 (agent, dhcp_agent_scheduler, l3_agent_scheduler,
/// network-ip-availability, availability_zone).
class CLOUDOS_EXPORT NetworkAgents final {
 public:
  /// Admins; others are shown none.
  Result<std::vector<NetworkAgent>> agents(const Context& ctx,
                                           const NetworkListSpec& spec = {}) const;
  Result<NetworkAgent> agent(const Context& ctx, const std::string& id) const;
  /// Errors: Unsupported (admin_up = false: a driver is stopped by taking it out).
  Result<NetworkAgent> update(const Context& ctx, const std::string& id,
                              const NetworkAgentUpdate& change);
  /// Errors: NotFound, Conflict (a driver that is here is here again at once).
  Result<void> remove(const Context& ctx, const std::string& id);

  /// Networks that an agent's host hands addresses out for, and the agents that do for a network.
  Result<std::vector<Network>> networks_of(const Context& ctx, const std::string& agent) const;
  Result<std::vector<NetworkAgent>> dhcp_agents_of(const Context& ctx,
                                                   const NetworkId& network) const;

  /// Gives the network to a DHCP agent, or takes it from one: its host then hands out no addresses
  /// of it. Errors: Forbidden, NotFound, Conflict (already so; not a DHCP agent).
  Result<void> add_network(const Context& ctx, const std::string& agent, const NetworkId& network);
  Result<void> remove_network(const Context& ctx, const std::string& agent,
                              const NetworkId& network);

  /// The routers that an agent's host carries, and the agent that does for a router.
  Result<std::vector<Router>> routers_of(const Context& ctx, const std::string& agent) const;
  Result<std::vector<NetworkAgent>> l3_agents_of(const Context& ctx, const RouterId& router) const;
  /// Moves the router to the agent's host, or takes it from there: then nobody carries it.
  /// Errors: Forbidden, NotFound, Conflict (another agent has it; this one has not; not able).
  Result<void> add_router(const Context& ctx, const std::string& agent, const RouterId& router);
  Result<void> remove_router(const Context& ctx, const std::string& agent, const RouterId& router);

  Result<std::vector<NetworkZone>> zones(const Context& ctx) const;
  /// The quotas of projects that have limits of their own. Admins.
  Result<std::map<ProjectId, NetworkQuotas>> own_quotas(const Context& ctx) const;
  /// What the drivers do here, by name: what the extension list is made of.
  bool able(std::string_view ability) const;
  /// The first driver that does; nothing: none.
  std::optional<std::string> provider(std::string_view ability) const;
  /// Of the networks that `spec` selects: by network_id, network_name, project_id, ip_version.
  Result<std::vector<IpAvailability>> availabilities(const Context& ctx,
                                                     const NetworkListSpec& spec = {}) const;
  Result<IpAvailability> availability(const Context& ctx, const NetworkId& id) const;

  explicit NetworkAgents(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos
