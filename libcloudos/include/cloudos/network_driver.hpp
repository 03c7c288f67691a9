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
  friend bool operator==(const SubnetPlan&, const SubnetPlan&) = default;
};

/// One lease the DHCP server hands out.
struct DhcpHost {
  PortId port;
  SubnetId subnet;
  std::string mac, address;
  std::string host_name;                   ///< A valid DNS label; "host-10-0-0-5" when none is set.
  friend bool operator==(const DhcpHost&, const DhcpHost&) = default;
};

struct NetworkPlan {
  NetworkId id;
  std::string type;                        ///< "local", "flat"
  std::string physical_network;            ///< flat: the bridge mapping's name.
  std::uint32_t mtu = 1500;
  bool admin_up = true;
  std::string dhcp_mac;                    ///< Of the DHCP port; empty: no DHCP on this network.
  std::vector<SubnetPlan> subnets;
  std::vector<DhcpHost> hosts;
  friend bool operator==(const NetworkPlan&, const NetworkPlan&) = default;
};

struct RulePlan {
  bool ingress = true;
  bool ipv6 = false;
  std::string protocol;                    ///< "", "tcp", "udp", "icmp", "ipv6-icmp", or a number as text
  std::optional<std::uint32_t> port_min, port_max;  ///< icmp: type and code.
  std::string remote_cidr;                 ///< Empty: any (unless remote_group).
  SecurityGroupId remote_group;            ///< Members' addresses.
  friend bool operator==(const RulePlan&, const RulePlan&) = default;
};

struct GroupPlan {
  SecurityGroupId id;
  std::vector<RulePlan> rules;
  std::vector<std::string> members;        ///< Addresses of ports in the group, for remote_group.
  friend bool operator==(const GroupPlan&, const GroupPlan&) = default;
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
  friend bool operator==(const PortPlan&, const PortPlan&) = default;
};

/// Everything a driver has to provide on its host.
struct Plan {
  std::map<NetworkId, NetworkPlan> networks;
  std::map<SecurityGroupId, GroupPlan> groups;  ///< Those that `ports` and their rules refer to.
  std::map<PortId, PortPlan> ports;             ///< Bound to this host and plugged.
};

/// One resource changed (or is to be gone). Carries what it takes to act on it alone.
struct Change {
  enum class Kind : std::uint8_t { Network, Group, Port } kind;
  std::string id;
  std::uint64_t revision = 0;              ///< Grows with each change of the resource.
  // Exactly one is set, unless the resource is gone.
  std::shared_ptr<const NetworkPlan> network;
  std::shared_ptr<const GroupPlan> group;
  std::shared_ptr<const PortPlan> port;
  bool gone() const { return !network && !group && !port; }
};

// ---- drivers -------------------------------------------------------------------------------------

struct PortContext {
  std::string host;
  std::string network_type, physical_network;
  std::string vnic_type = "normal";
};

struct Binding {
  std::string driver;
  std::string vif_type;                    ///< "bridge", "tap", …
  std::map<std::string, std::string> vif_details;
};

class CLOUDOS_EXPORT MechanismDriver {
 public:
  virtual ~MechanismDriver() = default;
  virtual std::string_view name() const = 0;
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
  /// A binding for this port on `port.host`, or nothing so the next driver may try. Pure.
  virtual std::optional<Binding> bind_port(const PortContext& port) const = 0;
};

class CLOUDOS_EXPORT TypeDriver {
 public:
  virtual ~TypeDriver() = default;
  virtual std::string_view name() const = 0;
  struct Segment {
    std::string physical_network;
    std::optional<std::uint32_t> segmentation_id;
  };
  /// Checks what a caller asks for. Errors: InvalidArgument, naming the attribute.
  virtual Result<void> validate(const Segment& asked) const = 0;
  /// Takes a segment within the transaction that creates the network. Errors: NoCapacity,
  /// Conflict (taken).
  virtual Result<Segment> allocate(store::Txn& txn, const Segment& asked, const NetworkId& id) = 0;
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
  /// Called before a port in use is deleted by its own API. Errors: Conflict (refuse).
  virtual Result<void> release_port(store::Txn& txn, const ServerId& server, const PortId& port) = 0;
};

}  // namespace cloudos::network
