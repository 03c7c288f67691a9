#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/network_inspect.hpp"
#include "cloudos/result.hpp"
#include "cloudos/store.hpp"

/// The ML2 seam: what the networks service tells its drivers, as plain structs.
namespace cloudos::network {

// ---- what should be true on a host -------------------------------------------------------------

struct SubnetPlan {
  SubnetId id;
  std::string cidr;                        ///< "10.0.0.0/24"
  std::string gateway;                     ///< Empty: none.
  bool dhcp = true;
  std::vector<std::string> dns_servers;
  std::vector<std::pair<std::string, std::string>> host_routes;  ///< destination, next hop
  std::string dhcp_address;                ///< Of the network's DHCP port in this subnet.
  // IPv6 only. Empty modes: nothing of ours advertises, or hands out, here.
  std::string ra_mode, address_mode;       ///< "slaac", "dhcpv6-stateful", "dhcpv6-stateless"
  bool routed = false;                     ///< A router of ours sends its advertisements.
  SegmentId segment = {};                  ///< Of a routed network: where its addresses are used.
  friend bool operator==(const SubnetPlan&, const SubnetPlan&) = default;
};

/// One lease the DHCP server hands out.
struct DhcpHost {
  PortId port;
  SubnetId subnet;
  std::string mac, address;
  std::string host_name;                   ///< A valid DNS label; "host-10-0-0-5" when none is set.
  std::string domain;                      ///< Empty: the server's own.
  struct Option {
    std::string name, value;               ///< dnsmasq's name, or a number.
    bool ipv6 = false;
    friend bool operator==(const Option&, const Option&) = default;
  };
  std::vector<Option> options;             ///< Over those of the subnet.
  friend bool operator==(const DhcpHost&, const DhcpHost&) = default;
};

/// Where an address of a tunnelled network lives (L2 population).
struct RemotePort {
  std::string mac;
  std::vector<std::string> addresses;
  std::string tunnel_address;              ///< Of the host that carries it.
  friend bool operator==(const RemotePort&, const RemotePort&) = default;
};

/// A segment of a network, as drivers know it.
struct SegmentPlan {
  SegmentId id;
  std::string type, physical_network;
  std::uint32_t segmentation_id = 0;
  friend bool operator==(const SegmentPlan&, const SegmentPlan&) = default;
};

struct NetworkPlan {
  NetworkId id;
  // Of a network of several segments: the one that the plan's ports are on.
  std::string type;                        ///< "local", "flat", "vlan", "vxlan"
  std::string physical_network;            ///< flat, vlan: the bridge mapping's name.
  std::uint32_t segmentation_id = 0;       ///< vlan: the tag; vxlan: the VNI.
  std::vector<RemotePort> remote_ports;    ///< vxlan: those plugged on other hosts.
  std::vector<std::string> remote_hosts;   ///< vxlan: tunnel addresses that floods go to.
  std::uint32_t mtu = 1500;
  bool admin_up = true;
  std::string dhcp_mac;                    ///< Of the DHCP port; empty: no DHCP on this network.
  std::vector<SubnetPlan> subnets;
  std::vector<DhcpHost> hosts;
  /// Of a network of several segments, those that the plan's ports are on: more than one only for a
  /// driver of several hosts.
  std::vector<SegmentPlan> segments;
  friend bool operator==(const NetworkPlan&, const NetworkPlan&) = default;
};

struct RulePlan {
  bool ingress = true;
  bool ipv6 = false;
  std::string protocol;                    ///< "", "tcp", "udp", "icmp", "ipv6-icmp", or a number as text
  std::optional<std::uint32_t> port_min, port_max;  ///< icmp: type and code.
  std::string remote_cidr;                 ///< Empty: any (unless remote_group).
  SecurityGroupId remote_group;            ///< Members' addresses.
  AddressGroupId remote_address_group;     ///< Its prefixes; resolved in Plan::address_groups.
  friend bool operator==(const RulePlan&, const RulePlan&) = default;
};

struct GroupPlan {
  SecurityGroupId id;
  std::vector<RulePlan> rules;
  std::vector<std::string> members;        ///< Addresses of ports in the group, for remote_group.
  bool stateful = true;
  friend bool operator==(const GroupPlan&, const GroupPlan&) = default;
};

/// The prefixes rules name by their address group.
struct AddressGroupPlan {
  AddressGroupId id;
  std::vector<std::string> prefixes;
  friend bool operator==(const AddressGroupPlan&, const AddressGroupPlan&) = default;
};

/// Quality of service of one port: kilobits a second and kilobits; 0: no limit.
struct QosPlan {
  std::uint32_t egress_kbps = 0, egress_burst = 0;    ///< From the guest.
  std::uint32_t ingress_kbps = 0, ingress_burst = 0;  ///< To the guest.
  std::optional<std::uint8_t> dscp;                   ///< Marked on what the guest sends.
  friend bool operator==(const QosPlan&, const QosPlan&) = default;
};

struct PortPlan {
  PortId id;
  NetworkId network;
  std::string mac;
  std::vector<std::string> addresses;      ///< Fixed addresses.
  std::vector<std::pair<std::string, std::string>> allowed_pairs;  ///< (address or CIDR, MAC or "")
  bool port_security = true;               ///< false: neither groups nor anti-spoofing.
  bool admin_up = true;
  std::vector<SecurityGroupId> groups;
  std::string tap;                         ///< The device's name on the host; fixed for the port's life.
  std::uint32_t mtu = 1500;
  QosPlan qos;
  /// A sub-port: its frames are those of the parent's device with this tag.
  std::string parent_tap;
  std::uint32_t sub_tag = 0;
  SegmentId segment;                       ///< Of a network of several segments: the port's.
  friend bool operator==(const PortPlan&, const PortPlan&) = default;
};

/// A router's leg in a network.
struct RouterPortPlan {
  PortId port;
  NetworkId network;
  std::string mac;
  std::vector<std::string> addresses;      ///< With prefix length: "10.0.0.1/24".
  std::uint32_t mtu = 1500;
  friend bool operator==(const RouterPortPlan&, const RouterPortPlan&) = default;
};

/// One router, whole. Networks of its legs are on the router's host, too.
struct RouterPlan {
  RouterId id;
  bool admin_up = true;
  std::vector<RouterPortPlan> legs;        ///< Its interfaces.
  std::optional<RouterPortPlan> gateway;   ///< Its leg in the external network.
  std::vector<std::string> gateway_hops;   ///< Default next hops: one IPv4, one IPv6 at most.
  bool snat = true;
  std::vector<std::string> snat_excluded;  ///< Prefixes of the gateway's address scope: routed as they are.
  std::vector<std::pair<std::string, std::string>> routes;  ///< destination, next hop
  struct Floating {
    FloatingIpId id;
    std::string floating, fixed;
    QosPlan qos = {};                      ///< Towards the address, and from it; no marks.
    friend bool operator==(const Floating&, const Floating&) = default;
  };
  std::vector<Floating> floating;
  struct Forward {
    PortForwardingId id;
    std::string floating, protocol;        ///< "tcp", "udp", "icmp", …
    std::uint32_t external_first = 0, external_last = 0;
    std::string internal;
    std::uint32_t internal_first = 0, internal_last = 0;
    friend bool operator==(const Forward&, const Forward&) = default;
  };
  std::vector<Forward> forwards;
  /// Router advertisements, one for each leg's IPv6 subnet with a ra_mode.
  struct Advertise {
    NetworkId network;
    std::string prefix, ra_mode;
    std::vector<std::string> dns_servers;
    std::uint32_t mtu = 1500;
    friend bool operator==(const Advertise&, const Advertise&) = default;
  };
  std::vector<Advertise> advertise;
  /// Counted traffic: label and the prefixes it counts.
  struct Meter {
    MeteringLabelId id;
    bool ingress = true;
    std::string remote, source, destination;  ///< Prefixes; empty: any.
    bool excluded = false;
    friend bool operator==(const Meter&, const Meter&) = default;
  };
  std::vector<Meter> meters;
  friend bool operator==(const RouterPlan&, const RouterPlan&) = default;
};

/// Everything a driver has to provide on its host.
struct Plan {
  std::map<NetworkId, NetworkPlan> networks;
  std::map<SecurityGroupId, GroupPlan> groups;  ///< Those that `ports` and their rules refer to.
  std::map<PortId, PortPlan> ports;             ///< Bound to this host and plugged.
  std::map<RouterId, RouterPlan> routers;       ///< Those this host carries.
  std::map<AddressGroupId, AddressGroupPlan> address_groups;  ///< Those that rules name.
};

/// One resource changed (or is to be gone). Carries what it takes to act on it alone.
struct Change {
  enum class Kind : std::uint8_t { Network, Group, Port, AddressGroup, Router } kind;
  std::string id;
  std::uint64_t revision = 0;              ///< Grows with each change of the resource.
  // Exactly one is set, unless the resource is gone.
  std::shared_ptr<const NetworkPlan> network;
  std::shared_ptr<const GroupPlan> group;
  std::shared_ptr<const PortPlan> port;
  std::shared_ptr<const AddressGroupPlan> address_group;
  std::shared_ptr<const RouterPlan> router;
  bool gone() const { return !network && !group && !port && !address_group && !router; }
};

// ---- drivers -------------------------------------------------------------------------------------

/// A port that is to be bound on a host, on one of its network's segments.
struct PortContext {
  std::string host;
  std::string network_type, physical_network;
  std::string vnic_type = "normal";
  std::optional<std::uint32_t> segmentation_id;
  NetworkId network;
  SegmentId segment;
  std::string profile = "{}";              ///< binding:profile, a JSON object.
  unsigned level = 0;                      ///< How many drivers have bound above.
};

/// What a driver that binds one level wants below it: a segment of this kind, made when the network
/// has none yet.
struct LowerSegment {
  std::string network_type, physical_network;
  friend bool operator==(const LowerSegment&, const LowerSegment&) = default;
};

struct Binding {
  std::string driver;
  std::string vif_type;                    ///< "bridge", "tap", …
  std::map<std::string, std::string> vif_details;
  /// Set: this level only; a driver below has to bind the port on such a segment.
  std::optional<LowerSegment> lower;
};

/// What a driver found it can do on its host, and why not the rest.
struct Ability {
  /// "type:local", "type:flat", "type:vlan", "type:vxlan", "router", "dhcp", "metadata", "trunk",
  /// "qos", "metering", "ipv6"; others are shown and mean nothing to the service.
  std::string name;
  bool works = false;
  std::string reason;    ///< Of what does not work: "this kernel has no VLAN devices".
};

/// A call that throws counts as one that failed: it is logged, and repeated as such. name(), host()
/// and tunnel_address() are asked once, when the cloud opens: who throws then keeps it from opening.
class CLOUDOS_EXPORT MechanismDriver {
 public:
  virtual ~MechanismDriver() = default;
  virtual std::string_view name() const = 0;
  /// The one host it works on; empty: every host (a central back end, or the simulated one).
  virtual std::string host() const { return {}; }
  /// Where other hosts' tunnels lead to for this one's ports; empty: none do. Pure.
  virtual std::string tunnel_address() const { return {}; }
  /// Probed at start. Pure.
  virtual std::vector<Ability> abilities() const { return {}; }
  /// `disturbed` is called, from any thread, when somebody else touched what the driver keeps: a
  /// converge() follows. Once this returns the one before is called no more. Set nothing at the end.
  virtual void watch(std::function<void()> disturbed) { static_cast<void>(disturbed); }
  /// Inside the transaction: veto, or write the driver's own records. No I/O; may run twice.
  /// The plan holds what the transaction can read without a scan: no `hosts`, no `members`, and of
  /// a group's rules only those being added.
  virtual Result<void> precommit(store::Txn& txn, const Change& change) = 0;
  /// After commit, at least once, in revision order per resource: makes the back end match. A port
  /// is complete only after its network and its groups were told. May block; on workers only.
  virtual Result<void> postcommit(const Change& change) = 0;
  /// Makes the back end hold exactly `plan`: adds what is missing, removes what is ours and not in
  /// it, restarts what died, leaves the rest (and everything foreign) alone. Called at start, on a
  /// period and after a failed postcommit.
  virtual Result<void> converge(const Plan& plan) = 0;
  /// A binding for this port on `port.host`, or nothing so the next segment, and then the next
  /// driver, may try. Called outside the transaction that keeps the answer, maybe several times (and
  /// within one only where its caller opened it himself); changes nothing.
  virtual std::optional<Binding> bind_port(const PortContext& port) const = 0;
  /// Looks at one place on its host, for a trace, and changes nothing. May block; on workers only,
  /// several of which may ask at once.
  /// Errors: Unavailable (the host does not answer).
  virtual Result<Finding> inspect(const Inspection& asked) {
    static_cast<void>(asked);
    return Finding();  // Not known.
  }
};

/// What segments of one type are made of, and who has which: its records change with the network's,
/// in one transaction. Thread-safe.
class CLOUDOS_EXPORT TypeDriver {
 public:
  virtual ~TypeDriver() = default;
  virtual std::string_view name() const = 0;  ///< "vlan": network_type
  struct Segment {
    std::string physical_network;
    std::optional<std::uint32_t> segmentation_id;
    ProjectId project = {};  ///< Whose network it is for: ranges of its own come first.
  };
  /// Checks what a caller asks for. Errors: InvalidArgument, naming the attribute.
  virtual Result<void> validate(const Segment& asked) const = 0;
  /// Takes a segment within the transaction that creates the network. Errors: NoCapacity,
  /// Conflict (taken).
  virtual Result<Segment> allocate(store::Txn& txn, const Segment& asked, const NetworkId& id) = 0;
  /// Gives it back; one that nobody has is success.
  virtual Result<void> release(store::Txn& txn, const Segment& held, const NetworkId& id) = 0;
};

// ---- metadata ------------------------------------------------------------------------------------

struct MetadataAnswer {
  int status = 200;
  std::string content_type = "text/plain";
  std::string body;
};

/// Answers a guest's request to 169.254.169.254: who asks is the owner of `address` on `network`,
/// never what a header claims. Thread-safe; reads the store only.
using MetadataHandler = std::function<MetadataAnswer(const NetworkId& network,
                                                     const std::string& address,
                                                     const std::string& path)>;

/// Declared here, implemented by compute, injected by cloud: the documents of one server.
class CLOUDOS_EXPORT MetadataSource {
 public:
  virtual ~MetadataSource() = default;
  /// `path` as asked ("/openstack/latest/meta_data.json"). NotFound becomes 404.
  virtual Result<MetadataAnswer> document(const ServerId& server, const std::string& path) = 0;
};

/// Declared here, implemented by compute, injected by cloud: who uses a port.
class CLOUDOS_EXPORT DeviceOwner {
 public:
  virtual ~DeviceOwner() = default;
  /// Called before a port in use, with this MAC address, is deleted by its own API.
  /// Errors: Conflict (refuse).
  virtual Result<void> release_port(store::Txn& txn, const ServerId& server, const PortId& port,
                                    const std::string& mac) = 0;
};

}  // namespace cloudos::network
