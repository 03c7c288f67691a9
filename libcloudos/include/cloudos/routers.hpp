#pragma once
#include "cloudos/networks.hpp"

/// Layer 3: routers with their legs and gateways, floating addresses, port forwarding.
namespace cloudos {

// ---- routers ------------------------------------------------------------------------------------

/// Carries packets between the networks it has a leg in, and outside through its gateway.
struct Router {
  static constexpr std::string_view kKind = "router";
  static constexpr std::uint32_t kSchema = 1;
  RouterId id;
  std::uint64_t generation = 0;
  ProjectId project;
  std::string name, description;
  bool admin_up = true;
  NetworkId gateway_network;         ///< Empty: no gateway.
  PortId gateway_port;
  std::vector<FixedIp> gateway_ips;  ///< Those of gateway_port.
  bool snat = true;                  ///< enable_snat
  std::vector<HostRoute> routes;     ///< Extra routes, in the order they were given.
  std::vector<PortId> interfaces;    ///< In order of creation; the gateway is not among them.
  std::string host;                  ///< Who carries it; empty: any host, or none yet.
  WallTime created_at, updated_at;
  std::vector<std::string> tags;
  std::string agent;                 ///< Who an admin gave it to; empty: whoever is able.
  bool unscheduled = false;          ///< An admin took it from its agent: nobody carries it.
  std::vector<std::string> zone_hints;  ///< availability_zone_hints
  bool simple = false;               ///< Made as part of a simple network, and still of that name.
  std::string unknown;
};

/// external_gateway_info. `snat` and addresses need an admin.
struct GatewaySpec {
  NetworkId network;                 ///< Empty: no gateway.
  std::optional<bool> snat;          ///< Absent: on.
  std::optional<std::vector<FixedIpRequest>> ips;  ///< Absent: any, or those it has.
};
struct RouterCreate {
  std::string name, description;
  std::optional<ProjectId> project;  ///< Admins.
  bool admin_up = true;
  std::optional<GatewaySpec> gateway;
  std::vector<HostRoute> routes;     ///< Of a new router only its gateway's subnets are in reach.
  std::vector<std::string> zone_hints;
};
struct RouterUpdate {
  std::optional<std::string> name, description;
  std::optional<bool> admin_up;
  std::optional<GatewaySpec> gateway;
  std::optional<std::vector<HostRoute>> routes;
  /// Changes to the routes it has when this commits: of two callers neither's is lost.
  std::vector<HostRoute> add_routes, remove_routes;
};

/// Which leg: one of the two when it is added; either or both when it goes.
struct RouterLeg {
  SubnetId subnet;
  PortId port;
};
struct RouterInterface {
  RouterId router;
  ProjectId project;
  NetworkId network;
  PortId port;
  std::vector<SubnetId> subnets;
  std::vector<std::string> tags;
};

// ---- floating addresses -------------------------------------------------------------------------

/// Down: nothing uses it, or its router rests. Active: the router's host carries it. Error: its host
/// could not.
enum class FloatingIpStatus : std::uint8_t { Down, Active, Error };

/// An address of an external network, and the port's address it leads to.
struct FloatingIp {
  static constexpr std::string_view kKind = "floating_ip";
  static constexpr std::uint32_t kSchema = 1;
  FloatingIpId id;
  std::uint64_t generation = 0;
  ProjectId project;
  std::string description;
  NetworkId network;          ///< The external one.
  std::string address;
  PortId outer_port;          ///< Holds the address on the external network.
  PortId port;                ///< Where it leads; empty: nowhere.
  SubnetId fixed_subnet;
  std::string fixed_address;
  RouterId router;            ///< That carries it: for its port, or for its port forwardings.
  FloatingIpStatus status = FloatingIpStatus::Down;
  std::string dns_name, dns_domain;
  QosPolicyId qos_policy;
  std::vector<PortForwardingId> forwardings;
  WallTime created_at, updated_at;
  std::vector<std::string> tags;
  std::string unknown;
};
struct FloatingIpCreate {
  NetworkId network;
  SubnetId subnet;            ///< Of the external network; empty: any.
  std::string address;        ///< Admins, as it is a named address of another's network; empty: any.
  std::string description;
  std::optional<ProjectId> project;  ///< Admins.
  PortId port;
  std::string fixed_address;  ///< Empty: the port's only IPv4 address.
  std::string dns_name, dns_domain;
  QosPolicyId qos_policy;
  std::vector<std::string> tags;
};
struct FloatingIpUpdate {
  std::optional<PortId> port;                ///< Empty: leads nowhere.
  std::optional<std::string> fixed_address;
  std::optional<std::string> description;
  std::optional<QosPolicyId> qos_policy;     ///< Empty: none.
};

/// An external subnet that floating addresses come from.
struct FloatingIpPool {
  NetworkId network;
  SubnetId subnet;
  std::string subnet_name, cidr;
};

/// Ports of a floating address that lead to an address inside.
struct PortForwarding {
  static constexpr std::string_view kKind = "port_forwarding";
  static constexpr std::uint32_t kSchema = 1;
  PortForwardingId id;
  std::uint64_t generation = 0;
  ProjectId project;
  FloatingIpId floating_ip;
  RouterId router;
  std::string description;
  std::string protocol;       ///< "tcp", "udp", "icmp", "sctp", "dccp", "udplite", "ipv6-icmp"
  std::uint32_t external_first = 0, external_last = 0;
  PortId internal_port;
  SubnetId internal_subnet;
  std::string internal_address;
  std::uint32_t internal_first = 0, internal_last = 0;
  WallTime created_at, updated_at;
  std::string unknown;
};
struct PortForwardingCreate {
  std::string protocol, description;
  std::uint32_t external_first = 0, external_last = 0;  ///< 1..65535; as wide as the internal one.
  PortId internal_port;
  std::string internal_address;
  std::uint32_t internal_first = 0, internal_last = 0;
};
struct PortForwardingUpdate {
  std::optional<std::string> protocol, description, internal_address;
  std::optional<PortId> internal_port;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> external, internal;
};

// ---- auto-allocated topology --------------------------------------------------------------------

/// What a project without networks gets by asking: a network, its subnets and a router outside.
struct AutoTopology {
  ProjectId project;
  NetworkId network;
};

// ---- the service --------------------------------------------------------------------------------

/// Routers, floating addresses, port forwarding. Thread-safe; part of Networks.
///
/// A router's legs are ordinary ports with `router` set: they have the addresses, the MAC and, once
/// a host carries the router, the binding.
/// Source: Networking API v2.0 (router, ext-gw-mode, extraroute, floating-ip-port-forwarding).
class CLOUDOS_EXPORT Routers final {
 public:
  /// Errors: InvalidArgument, NotFound (network), Forbidden, QuotaExceeded, NoCapacity.
  Result<Router> create(const Context& ctx, const RouterCreate& spec);
  Result<std::vector<Router>> create_many(const Context& ctx,
                                          const std::vector<RouterCreate>& specs);
  Result<Router> router(const Context& ctx, const RouterId& id) const;
  Result<std::vector<Router>> routers(const Context& ctx, const NetworkListSpec& spec = {}) const;
  /// Errors: as create; Conflict (floating addresses need the gateway).
  Result<Router> update(const Context& ctx, const RouterId& id, const RouterUpdate& change);
  /// Errors: NotFound, Conflict (it has interfaces, or floating addresses need it).
  Result<void> remove(const Context& ctx, const RouterId& id);
  /// Errors: InvalidArgument, NotFound, Conflict (port or address in use).
  Result<RouterInterface> add_interface(const Context& ctx, const RouterId& id,
                                        const RouterLeg& leg);
  /// Errors: NotFound, Conflict (floating addresses or routes need it).
  Result<RouterInterface> remove_interface(const Context& ctx, const RouterId& id,
                                           const RouterLeg& leg);

  /// Errors: InvalidArgument, NotFound, Forbidden, QuotaExceeded, NoCapacity, Conflict (the port
  /// has one already, or the address is taken).
  Result<FloatingIp> create_floating_ip(const Context& ctx, const FloatingIpCreate& spec);
  Result<std::vector<FloatingIp>> create_floating_ips(const Context& ctx,
                                                      const std::vector<FloatingIpCreate>& specs);
  Result<FloatingIp> floating_ip(const Context& ctx, const FloatingIpId& id) const;
  Result<std::vector<FloatingIp>> floating_ips(const Context& ctx,
                                               const NetworkListSpec& spec = {}) const;
  Result<FloatingIp> update_floating_ip(const Context& ctx, const FloatingIpId& id,
                                        const FloatingIpUpdate& change);
  /// Errors: NotFound, Conflict (it forwards ports).
  Result<void> delete_floating_ip(const Context& ctx, const FloatingIpId& id);
  Result<std::vector<FloatingIpPool>> floating_ip_pools(const Context& ctx) const;

  /// Errors: InvalidArgument, NotFound, Conflict (the floating address leads to a port).
  Result<PortForwarding> create_forwarding(const Context& ctx, const FloatingIpId& id,
                                           const PortForwardingCreate& spec);
  /// All of a list or none, in one commit.
  Result<std::vector<PortForwarding>> create_forwardings(
      const Context& ctx, const FloatingIpId& id, const std::vector<PortForwardingCreate>& specs);
  Result<PortForwarding> forwarding(const Context& ctx, const FloatingIpId& floating,
                                    const PortForwardingId& id) const;
  Result<std::vector<PortForwarding>> forwardings(const Context& ctx, const FloatingIpId& floating,
                                                  const NetworkListSpec& spec = {}) const;
  Result<PortForwarding> update_forwarding(const Context& ctx, const FloatingIpId& floating,
                                           const PortForwardingId& id,
                                           const PortForwardingUpdate& change);
  Result<void> delete_forwarding(const Context& ctx, const FloatingIpId& floating,
                                 const PortForwardingId& id);

  /// The project's topology; made if it is not there. Errors: Conflict (no default external
  /// network or subnet pool), Forbidden.
  Result<AutoTopology> auto_topology(const Context& ctx, const ProjectId& project);
  /// Could it be made? Makes nothing. Errors: Conflict.
  Result<void> check_auto_topology(const Context& ctx, const ProjectId& project) const;
  /// Nothing happens when it is not there.
  Result<void> delete_auto_topology(const Context& ctx, const ProjectId& project);

  explicit Routers(Networks::Impl& impl) : impl_(impl) {}
  Routers(const Routers&) = delete;
  Routers& operator=(const Routers&) = delete;

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos
