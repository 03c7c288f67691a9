#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

namespace store {
class Snapshot;
class Txn;
}  // namespace store
namespace network {
class DeviceOwner;
class MetadataSource;
struct MetadataAnswer;
}  // namespace network

// The rest of the Networking API, a header each: cloudos/<name>.hpp.
class AddressGroups;
class DefaultRules;
class MeteringLabels;
class NetworkAgents;
class NetworkQos;
class NetworkSegments;
class NetworkSharing;
class NetworkTags;
class NetworkTraces;
class Routers;
class SimpleNetworks;
class SubnetPools;
class Trunks;

// ---- networks -----------------------------------------------------------------------------------

/// One of the segments of a network: what carries it on the hosts that reach it.
struct NetworkSegment {
  static constexpr std::string_view kKind = "segment";
  static constexpr std::string_view kNoun = "Segment";
  SegmentId id;
  std::uint64_t generation = 1;
  ProjectId project;             ///< Its network's. Not stored.
  NetworkId network;             ///< Not stored.
  std::string name, description;
  std::string network_type, physical_network;
  std::optional<std::uint32_t> segmentation_id;
  bool dynamic = false;          ///< Made for a binding below another one; goes with its last port.
  WallTime created_at, updated_at;
  friend bool operator==(const NetworkSegment&, const NetworkSegment&) = default;
};

/// A layer-2 network. Field names follow the Networking API; `admin_up` is admin_state_up.
struct Network {
  static constexpr std::string_view kKind = "network";
  static constexpr std::uint32_t kSchema = 1;
  NetworkId id;
  std::uint64_t generation = 0;  ///< revision_number: counts every change, subnets included.
  ProjectId project;
  std::string name, description;
  bool admin_up = true;
  bool shared = false;           ///< Every project sees and uses it.
  bool external = false;         ///< router:external: every project sees it.
  std::uint32_t mtu = 1500;      ///< Bytes of the largest IP packet.
  bool port_security = true;     ///< What its new ports start with.
  std::string network_type;      ///< "local", "flat", "vlan", "vxlan"
  std::string physical_network;  ///< flat and vlan only.
  std::optional<std::uint32_t> segmentation_id;  ///< vlan: 1..4094; vxlan: 1..16777215.
  std::vector<SubnetId> subnets; ///< In order of creation.
  PortId dhcp_port;              ///< Ours; empty while no subnet has DHCP.
  WallTime created_at, updated_at;
  std::string dns_domain;        ///< "example.org."; empty: the cloud's.
  bool is_default = false;       ///< External: what an auto-allocated topology leads out by.
  bool vlan_transparent = false;
  QosPolicyId qos_policy;        ///< For ports without one of their own; empty: none.
  std::vector<std::string> zone_hints;  ///< availability_zone_hints
  std::vector<std::string> tags;        ///< Sorted.
  /// In order; the first is what the three fields above say. Empty: that one is the only one, as it
  /// was made. Ask network_segments() for them.
  std::vector<NetworkSegment> segments;
  /// Agents that an admin gave the network to, or took it from; by their ids.
  std::vector<std::string> dhcp_agents, no_dhcp_agents;
  /// As it was asked for; absent: whatever all of its segments carry, as they come and go.
  std::optional<std::uint32_t> asked_mtu;
  bool simple = false;           ///< Made as part of a simple network, and still of that name.
  std::string unknown;
};

/// What a caller asks for. `shared`, `external`, the provider fields and `project` need an admin.
struct NetworkCreate {
  std::string name, description;  ///< 0..255 characters.
  std::optional<ProjectId> project;
  bool admin_up = true;
  bool shared = false;
  bool external = false;
  std::optional<std::uint32_t> mtu;  ///< 68..65535; absent: the cloud's.
  bool port_security = true;
  std::optional<std::string> network_type, physical_network;
  std::optional<std::uint32_t> segmentation_id;
  std::string dns_domain;
  bool is_default = false, vlan_transparent = false;
  QosPolicyId qos_policy;
  std::vector<std::string> zone_hints, tags;
  /// Of a network of several segments: in place of the three provider fields.
  struct Segment {
    std::string network_type, physical_network;
    std::optional<std::uint32_t> segmentation_id;
  };
  std::vector<Segment> segments;
};
/// Absent fields stay as they are.
struct NetworkUpdate {
  std::optional<std::string> name, description;
  std::optional<bool> admin_up, shared, external, port_security, is_default;
  std::optional<std::uint32_t> mtu;
  std::optional<std::string> dns_domain;
  std::optional<QosPolicyId> qos_policy;  ///< Empty: none.
};

// ---- subnets ------------------------------------------------------------------------------------

struct AddressPool {
  std::string start, end;  ///< Both inclusive.
  friend bool operator==(const AddressPool&, const AddressPool&) = default;
};
struct HostRoute {
  std::string destination, nexthop;
  friend bool operator==(const HostRoute&, const HostRoute&) = default;
};

/// A block of addresses, IPv4 or IPv6, on a network.
struct Subnet {
  static constexpr std::string_view kKind = "subnet";
  static constexpr std::uint32_t kSchema = 1;
  SubnetId id;
  std::uint64_t generation = 0;
  ProjectId project;
  NetworkId network;
  std::string name, description;
  std::string cidr;     ///< "10.0.0.0/24", "fd00:1::/64"; no host bits.
  std::string gateway;  ///< Empty: none.
  std::vector<AddressPool> pools;  ///< Sorted, apart, without the gateway.
  bool dhcp = true;
  std::vector<std::string> dns_servers;
  std::vector<HostRoute> host_routes;
  bool shared = false;  ///< As its network; kept here so that lists need not read networks.
  WallTime created_at, updated_at;
  std::string ra_mode;       ///< ipv6_ra_mode: who sends router advertisements; empty: not us.
  std::string address_mode;  ///< ipv6_address_mode: "slaac", "dhcpv6-stateful", "dhcpv6-stateless"
  SubnetPoolId pool;         ///< Where its prefix comes from; empty: the caller named it.
  SegmentId segment;         ///< Of a routed network; empty: all of it.
  std::vector<std::string> service_types;  ///< Owners ("compute:nova") whose ports use it; empty: all.
  bool dns_publish_fixed_ip = false;
  std::vector<std::string> tags;
  std::string unknown;
  bool v6() const { return cidr.find(':') != std::string::npos; }
};

struct SubnetCreate {
  NetworkId network;
  std::string name, description;
  std::optional<ProjectId> project;       ///< Admins; absent: the caller's.
  unsigned ip_version = 4;                ///< 4 or 6.
  /// IPv4 /8 to /32, IPv6 /16 to /128. Empty: out of a subnet pool.
  std::string cidr;
  std::optional<std::string> gateway;     ///< Absent: the first address. Empty: none.
  std::optional<std::vector<AddressPool>> pools;  ///< Absent: all but the gateway.
  bool dhcp = true;
  std::vector<std::string> dns_servers;   ///< At most limits::kSubnetDnsServers.
  std::vector<HostRoute> host_routes;     ///< At most limits::kSubnetHostRoutes.
  std::string ra_mode, address_mode;      ///< IPv6 only; equal when both are set.
  SubnetPoolId pool;                      ///< Empty: none, unless `use_default_pool`.
  bool use_default_pool = false;
  std::optional<unsigned> prefix_length;  ///< Of what the pool gives; absent: the pool's default.
  SegmentId segment;
  std::vector<std::string> service_types;
  bool dns_publish_fixed_ip = false;
};
struct SubnetUpdate {
  std::optional<std::string> name, description;
  std::optional<std::vector<std::string>> service_types;
  std::optional<SegmentId> segment;
  std::optional<bool> dns_publish_fixed_ip;
  std::optional<std::string> gateway;     ///< Empty: none.
  std::optional<std::vector<AddressPool>> pools;
  std::optional<bool> dhcp;
  std::optional<std::vector<std::string>> dns_servers;
  std::optional<std::vector<HostRoute>> host_routes;
};

// ---- ports --------------------------------------------------------------------------------------

struct FixedIp {
  SubnetId subnet;
  std::string address;
  friend bool operator==(const FixedIp&, const FixedIp&) = default;
};
/// What a caller wants of an address; either field may be empty, not both.
using FixedIpRequest = FixedIp;

struct AllowedAddressPair {
  std::string address;  ///< Or a CIDR.
  std::string mac;      ///< Empty: the port's own.
  friend bool operator==(const AllowedAddressPair&, const AllowedAddressPair&) = default;
};

/// extra_dhcp_opts: an option by dnsmasq's name ("mtu", "bootfile-name") or number.
struct DhcpOption {
  std::string name, value;
  unsigned ip_version = 4;
  friend bool operator==(const DhcpOption&, const DhcpOption&) = default;
};

/// Who carries a port on which segment: from the network's own down to the host's.
struct BindingLevel {
  std::string driver;
  SegmentId segment;
  friend bool operator==(const BindingLevel&, const BindingLevel&) = default;
};

/// A binding beside the active one, prepared on another host (live migration).
struct PortBinding {
  std::string host, vnic_type = "normal", profile = "{}", driver, vif_type = "unbound";
  std::map<std::string, std::string> vif_details;
  std::vector<BindingLevel> levels;
  friend bool operator==(const PortBinding&, const PortBinding&) = default;
};

enum class PortStatus : std::uint8_t { Down, Active };

/// A plug on a network with its addresses, its filters and, once a host has it, its binding.
struct Port {
  static constexpr std::string_view kKind = "port";
  static constexpr std::uint32_t kSchema = 1;
  PortId id;
  std::uint64_t generation = 0;
  ProjectId project;
  NetworkId network;
  std::string name, description;
  bool admin_up = true;
  std::string mac;
  std::vector<FixedIp> fixed_ips;
  std::string device_id;     ///< The server (or router) that uses it; empty: free.
  std::string device_owner;  ///< "compute:nova", "network:dhcp", …
  std::vector<SecurityGroupId> security_groups;
  bool port_security = true;
  std::vector<AllowedAddressPair> allowed_address_pairs;
  std::string dns_name;      ///< A DNS label the DHCP server hands out; empty: "host-10-0-0-5".
  // Binding: who carries the port, and where. Written by plug(), or by an admin naming a host.
  std::string host;          ///< Empty: unbound.
  std::string vnic_type = "normal";
  std::string profile = "{}";  ///< JSON object, opaque to us.
  std::string driver;        ///< The mechanism driver that bound it.
  std::string vif_type = "unbound";
  std::map<std::string, std::string> vif_details;
  bool plugged = false;      ///< Its device should be on `host`.
  bool wired = false;        ///< The driver has made it so.
  bool foreign = false;      ///< Its project is not its network's.
  /// Compute gave it to its device. Without this, device_id is what somebody wrote there, maybe the
  /// id of another project's server.
  bool attached = false;
  std::string tap;           ///< Its device's name, fixed for life; no two ports share one.
  WallTime created_at, updated_at;
  std::vector<DhcpOption> dhcp_options;
  std::vector<PortBinding> inactive_bindings;
  QosPolicyId qos_policy;    ///< Empty: its network's.
  std::string dns_domain;    ///< Empty: its network's.
  TrunkId trunk;             ///< It is the parent, or (with `sub_of_trunk`) a sub-port.
  bool sub_of_trunk = false;
  RouterId router;           ///< It is a router's interface or gateway.
  FloatingIpId floating_ip;  ///< It holds this floating address on the external network.
  std::string numa_affinity, hints;  ///< As asked; not interpreted.
  bool propagate_uplink_status = true;
  std::vector<std::string> tags;
  /// Of networks with several segments. Empty: `driver`, on the network's first one.
  std::vector<BindingLevel> levels;
  bool deferred_addresses = false;  ///< It gets them with its host: only then is its segment known.
  bool unaddressed = false;  ///< Asked for no addresses: subnets that come later give it none.
  std::string unknown;

  PortStatus status() const {
    return plugged && wired && admin_up ? PortStatus::Active : PortStatus::Down;
  }
};

/// `mac`, `fixed_ips`, `host`, `profile` and `project` of others' networks need an admin, as the
/// Networking API's default policy has it.
struct PortCreate {
  NetworkId network;
  std::string name, description;
  std::optional<ProjectId> project;
  bool admin_up = true;
  std::string mac;  ///< Empty: one is made.
  /// Absent: an address of each family, of the first subnet with room.
  std::optional<std::vector<FixedIpRequest>> fixed_ips;
  std::string device_id, device_owner;
  std::optional<std::vector<SecurityGroupId>> security_groups;  ///< Absent: the project's default.
  std::optional<bool> port_security;                            ///< Absent: the network's.
  std::vector<AllowedAddressPair> allowed_address_pairs;
  std::string dns_name;
  std::string host;
  std::string vnic_type = "normal";
  std::string profile = "{}";
  std::vector<DhcpOption> dhcp_options;  ///< At most limits::kPortDhcpOptions.
  QosPolicyId qos_policy;
  std::string dns_domain;
  std::string numa_affinity, hints;
  bool propagate_uplink_status = true;
  std::vector<std::string> tags;
};
struct PortUpdate {
  std::optional<std::string> name, description, mac, device_id, device_owner, host, vnic_type,
      profile, dns_name, dns_domain, numa_affinity, hints;
  std::optional<bool> admin_up, port_security, propagate_uplink_status;
  std::optional<QosPolicyId> qos_policy;  ///< Empty: none of its own.
  std::optional<std::vector<DhcpOption>> dhcp_options;  ///< By name: set, or removed by "".
  std::optional<std::vector<FixedIpRequest>> fixed_ips;
  std::optional<std::vector<SecurityGroupId>> security_groups;
  std::optional<std::vector<AllowedAddressPair>> allowed_address_pairs;
  /// Changes to the groups the port has when this commits: of two callers neither's is lost.
  std::vector<SecurityGroupId> add_groups, remove_groups;
};

/// A port creation, checked, with all that is random or timed drawn: create_port() of the same
/// preparation makes the same port however often its transaction runs.
struct PortPrep {
  PortId id;
  PortCreate spec;
  ProjectId project;
  std::vector<std::string> macs;                 ///< To try in turn; one, when the caller gave it.
  SecurityGroupId default_group;                 ///< Its id, if it must be made.
  std::vector<SecurityGroupRuleId> default_rules;
  WallTime now;
};

/// A port behind a NAT of its own, inside the guest's QEMU process (vif_type "user").
struct UserModeWiring {
  std::string cidr;      ///< "10.0.0.0/24"
  std::string gateway;   ///< The NAT itself; the host's own services answer here, too.
  std::string resolver;  ///< Name service: the host's.
  std::string address;   ///< What the guest gets by DHCP: the port's.
};

/// What a hypervisor needs to connect a guest.
struct PortWiring {
  PortId port;
  NetworkId network;
  std::string tap;       ///< The device exists when plug() returns.
  std::string mac;
  std::uint32_t mtu = 1500;
  std::string vif_type;  ///< "bridge", "tap", "user", …
  std::optional<UserModeWiring> user_mode;  ///< Set for vif_type "user": there is no device.
};

// ---- security groups ----------------------------------------------------------------------------

struct SecurityGroupRule {
  static constexpr std::string_view kKind = "security_group_rule";
  static constexpr std::uint32_t kSchema = 1;
  SecurityGroupRuleId id;
  std::uint64_t generation = 0;
  ProjectId project;
  SecurityGroupId group;
  std::string description;
  bool ingress = true;
  bool ipv6 = false;
  std::string protocol;  ///< As asked, lower case: "tcp", "icmp", "47"; empty: any.
  std::optional<std::uint32_t> port_min, port_max;  ///< icmp: type and code.
  std::string remote_cidr;                          ///< Normalised; empty: any.
  SecurityGroupId remote_group;                     ///< Empty: none.
  WallTime created_at, updated_at;
  AddressGroupId remote_address_group;              ///< Empty: none.
  std::string unknown;
};
struct SecurityGroupRuleCreate {
  SecurityGroupId group;
  std::optional<ProjectId> project;  ///< Admins.
  std::string description;
  std::string direction;             ///< "ingress", "egress"
  std::string ethertype = "IPv4";    ///< "IPv4", "IPv6"
  std::string protocol;              ///< A name, or 0..255; empty or "any": all.
  std::optional<std::int64_t> port_min, port_max;
  std::string remote_cidr;
  SecurityGroupId remote_group;
  AddressGroupId remote_address_group;
};

/// A set of rules; what no rule of any of a port's groups lets through is dropped.
struct SecurityGroup {
  static constexpr std::string_view kKind = "security_group";
  static constexpr std::uint32_t kSchema = 1;
  SecurityGroupId id;
  std::uint64_t generation = 0;      ///< Also counts changes of its rules.
  ProjectId project;
  std::string name, description;
  bool is_default = false;
  WallTime created_at, updated_at;
  bool stateful = true;              ///< false: answers need rules of their own.
  std::vector<std::string> tags;
  bool going = false;                ///< Its deletion has begun and ends: no port may take it up.
  std::string unknown;
};
struct SecurityGroupCreate {
  std::string name, description;
  bool stateful = true;
  std::optional<ProjectId> project;  ///< Admins.
};
struct SecurityGroupUpdate {
  std::optional<std::string> name, description;
  std::optional<bool> stateful;      ///< Conflict while ports use it.
};

// ---- lists --------------------------------------------------------------------------------------

/// Which part of a list, by the attribute names of the Networking API ("network_id",
/// "router:external", "fixed_ips" = "ip_address=10.0.0.5").
struct NetworkListSpec {
  /// All attributes must match; of one attribute given several times, any value.
  std::vector<std::pair<std::string, std::string>> filters;
  struct Sort {
    std::string attribute;
    bool descending = false;
  };
  std::vector<Sort> sort;        ///< Empty: by creation, oldest first.
  std::string marker;            ///< Id of the last one of the page before.
  std::size_t limit = SIZE_MAX;
  bool reverse = false;          ///< The page before the marker instead.
};

// ---- quotas -------------------------------------------------------------------------------------

struct NetworkQuota {
  std::int64_t limit = -1;  ///< -1: none.
  std::int64_t in_use = 0;
};
/// By the API's names: network, subnet, port, security_group, security_group_rule, rbac_policy,
/// router, floatingip, subnetpool, trunk.
using NetworkQuotas = std::map<std::string, NetworkQuota>;
using NetworkLimits = std::map<std::string, std::int64_t>;

// ---- the service --------------------------------------------------------------------------------

/// Networks, subnets, ports and security groups, and the drivers that make them true on hosts.
///
/// Thread-safe. Changes are committed with their quota when a call returns; drivers follow behind,
/// except in plug() and unplug(), which wait for them.
///
/// Errors of every call here and in the parts below, beside those that it names. What names one
/// thing: NotFound, also for what the caller may not see. Changes: InvalidArgument (a field),
/// Forbidden (an admin's field, or another's thing that the caller only sees), TooLarge (a list over
/// limits::kNetworkBulk), Timeout and Cancelled (by the context). Lists: InvalidArgument (an
/// attribute that is unknown), NotFound (the marker). Any: Unavailable and others of the store.
/// Source: Networking API v2.0; ML2.
class CLOUDOS_EXPORT Networks final {
 public:
  /// Errors: InvalidArgument, Forbidden (an admin's field), QuotaExceeded, NoCapacity, Conflict
  /// (segment taken).
  Result<Network> create_network(const Context& ctx, const NetworkCreate& spec);
  Result<Network> network(const Context& ctx, const NetworkId& id) const;
  /// Own ones, shared ones and external ones; all of them for admins.
  Result<std::vector<Network>> networks(const Context& ctx, const NetworkListSpec& spec = {}) const;
  Result<Network> update_network(const Context& ctx, const NetworkId& id,
                                 const NetworkUpdate& change);
  /// Takes its subnets and its DHCP port with it. Errors: NotFound, Conflict (other ports on it).
  Result<void> delete_network(const Context& ctx, const NetworkId& id);

  /// Errors: InvalidArgument, NotFound (network, segment), QuotaExceeded.
  Result<Subnet> create_subnet(const Context& ctx, const SubnetCreate& spec);
  Result<Subnet> subnet(const Context& ctx, const SubnetId& id) const;
  Result<std::vector<Subnet>> subnets(const Context& ctx, const NetworkListSpec& spec = {}) const;
  Result<Subnet> update_subnet(const Context& ctx, const SubnetId& id, const SubnetUpdate& change);
  /// Errors: NotFound, Conflict (ports have addresses of it).
  Result<void> delete_subnet(const Context& ctx, const SubnetId& id);

  /// Errors: InvalidArgument, NotFound, Forbidden, QuotaExceeded, NoCapacity (no address left),
  /// AlreadyExists (MAC), Conflict (address in use).
  Result<Port> create_port(const Context& ctx, const PortCreate& spec);
  Result<Port> port(const Context& ctx, const PortId& id) const;
  Result<std::vector<Port>> ports(const Context& ctx, const NetworkListSpec& spec = {}) const;
  Result<Port> update_port(const Context& ctx, const PortId& id, const PortUpdate& change);
  /// Asks the device's owner first. Errors: NotFound, Conflict.
  Result<void> delete_port(const Context& ctx, const PortId& id);

  /// Lists and reads make the project's default group if it is not there yet.
  Result<SecurityGroup> create_group(const Context& ctx, const SecurityGroupCreate& spec);
  Result<SecurityGroup> group(const Context& ctx, const SecurityGroupId& id) const;
  Result<std::vector<SecurityGroup>> groups(const Context& ctx, const NetworkListSpec& spec = {});
  Result<SecurityGroup> update_group(const Context& ctx, const SecurityGroupId& id,
                                     const SecurityGroupUpdate& change);
  /// Rules of other groups that name it as their remote group go with it.
  /// Errors: NotFound, Conflict (ports use it, or it is a default group).
  Result<void> delete_group(const Context& ctx, const SecurityGroupId& id);
  /// Errors: InvalidArgument, NotFound (group), AlreadyExists (same rule), QuotaExceeded.
  Result<SecurityGroupRule> create_rule(const Context& ctx, const SecurityGroupRuleCreate& spec);
  Result<SecurityGroupRule> rule(const Context& ctx, const SecurityGroupRuleId& id) const;
  Result<std::vector<SecurityGroupRule>> rules(const Context& ctx,
                                               const NetworkListSpec& spec = {});
  Result<void> delete_rule(const Context& ctx, const SecurityGroupRuleId& id);

  // All of a list or none, in one commit (at most limits::kNetworkBulk).
  Result<std::vector<Network>> create_networks(const Context& ctx,
                                               const std::vector<NetworkCreate>& specs);
  Result<std::vector<Subnet>> create_subnets(const Context& ctx,
                                             const std::vector<SubnetCreate>& specs);
  Result<std::vector<Port>> create_ports(const Context& ctx, const std::vector<PortCreate>& specs);
  Result<std::vector<SecurityGroup>> create_groups(const Context& ctx,
                                                   const std::vector<SecurityGroupCreate>& specs);
  Result<std::vector<SecurityGroupRule>> create_rules(
      const Context& ctx, const std::vector<SecurityGroupRuleCreate>& specs);

  /// Errors: NotFound (another project's).
  Result<NetworkQuotas> quotas(const Context& ctx, const ProjectId& project) const;
  Result<NetworkLimits> default_quotas() const;
  /// Sets the limits that are named. Admins. Errors: InvalidArgument, Forbidden.
  Result<NetworkQuotas> set_quotas(const Context& ctx, const ProjectId& project,
                                   const NetworkLimits& limits);
  /// Back to the defaults. Admins.
  Result<void> reset_quotas(const Context& ctx, const ProjectId& project);

  // ---- for compute: part of the caller's transaction ----

  /// Checks `spec` against the snapshot as the caller `ctx` and draws ids and addresses to try.
  /// Errors: as create_port.
  Result<PortPrep> prepare_port(const store::Snapshot& snapshot, const Context& ctx,
                                const PortCreate& spec) const;
  /// Makes the port within `txn`; re-reads what it stands on. Errors: as create_port. A device it
  /// names has it from the start.
  Result<Port> create_port(store::Txn& txn, const Context& ctx, const PortPrep& prep) const;
  /// Gives an existing port to a server. Errors: NotFound, Conflict (it has a device already).
  Result<Port> attach_port(store::Txn& txn, const Context& ctx, const PortId& id,
                           const ServerId& server, std::string_view device_owner) const;
  /// Takes it back: no device, no binding. Nothing happens when the port is gone or another
  /// device's.
  Result<void> detach_port(store::Txn& txn, const PortId& id, const ServerId& server) const;
  /// Nothing happens when the port is gone. Unplug it first.
  Result<void> delete_port(store::Txn& txn, const PortId& id) const;
  /// The ports that compute gave to `server`, oldest first; never what others claim to be its.
  Result<std::vector<Port>> ports_of(const store::Snapshot& snapshot,
                                     const ServerId& server) const;
  Result<std::vector<Port>> ports_of(const ServerId& server) const;
  /// The floating addresses that lead to the port, each behind the port's own that it leads to.
  Result<std::vector<std::pair<std::string, std::string>>> floating_of(
      const store::Snapshot& snapshot, const PortId& port) const;
  /// By id or by name among the project's groups. Errors: NotFound, Conflict (several have the
  /// name).
  Result<SecurityGroup> find_group(const store::Snapshot& snapshot, const Context& ctx,
                                   std::string_view name_or_id) const;

  /// Binds the port to `host` and waits until its driver has made network, groups and device.
  ///
  /// Idempotent. Blocks on drivers: call it on workers, outside transactions.
  /// Errors: NotFound, Conflict (another device's port, or plugged on another host), Unsupported
  /// (no driver binds it there), and what the driver says.
  Result<PortWiring> plug(const PortId& id, const ServerId& server, std::string_view host);
  /// The device is gone when this returns. Idempotent: a port that is gone is success.
  Result<void> unplug(const PortId& id);

  // ---- the rest of the API: parts of this service, good for as long as it ----

  SubnetPools& subnet_pools();       ///< Subnet pools and address scopes.
  Routers& routers();                ///< Routers, floating addresses, port forwarding.
  NetworkQos& qos();
  Trunks& trunks();
  NetworkSharing& sharing();         ///< RBAC policies.
  AddressGroups& address_groups();   ///< Prefixes that rules name together.
  MeteringLabels& metering_labels();
  NetworkAgents& agents();           ///< Who carries what, zones, availability of addresses.
  NetworkTags& tags();
  NetworkSegments& segments();       ///< Segments of networks, and the ranges they come from.
  DefaultRules& default_rules();     ///< What new security groups begin with.
  SimpleNetworks& simple();          ///< A whole network for servers by one call.
  NetworkTraces& traces();           ///< Why packets arrive, or do not.

  /// The cloud's, in which guests search names; without a dot behind it.
  const std::string& dns_domain() const;

  /// Injected by `cloud` before the runner starts; outlive this.
  void set_metadata_source(network::MetadataSource* source);
  void set_device_owner(network::DeviceOwner* owner);

  struct CLOUDOS_LOCAL Impl;
  explicit Networks(std::unique_ptr<Impl> impl);
  ~Networks();
  Networks(const Networks&) = delete;
  Networks& operator=(const Networks&) = delete;
  Impl& impl() { return *impl_; }  ///< For the room itself.

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos
