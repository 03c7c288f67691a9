#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cloudos/log.hpp"
#include "cloudos/network_driver.hpp"
#include "cloudos/result.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/metadata_server.hpp"
#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netlink.hpp"
#include "network/linuxbridge/ruleset.hpp"

namespace cloudos::network::linuxbridge {

/// Answers which link has a name: from a listing, or by asking the kernel.
using LinkFinder = std::function<Result<std::optional<Link>>(const std::string& name)>;

/// Bridges, taps and DHCP namespaces: everything on the host but the packet filter.
///
/// Each ensure is idempotent and writes only what differs. A device is ours when its alias says so;
/// one that has our name without our alias is left alone, and is a Conflict.
/// One thread at a time.
class Wires {
 public:
  struct Settings {
    std::string networks_dir;  ///< One folder per network inside; absolute.
    std::string dnsmasq;
    std::map<std::string, std::string> physical_bridges;
    std::string tunnel_address;
    std::string dns_domain;
  };
  Wires(Names names, Settings settings, Netlink netlink, MetadataServer& metadata, Log log)
      : names_(std::move(names)),
        settings_(std::move(settings)),
        netlink_(std::move(netlink)),
        metadata_(metadata),
        log_(std::move(log)) {}

  LinkFinder ask_kernel();
  Result<std::vector<Link>> links() { return list_links(netlink_); }

  /// The network's bridge and, when it has DHCP, its namespace with server and metadata.
  /// Errors: Unavailable, Conflict, InvalidArgument, StorageFull.
  Result<void> ensure_network(const NetworkPlan& plan, const LinkFinder& find);
  /// Takes all of it down again; a foreign bridge stays. Success when it is gone already.
  Result<void> remove_network(const NetworkId& id);
  /// How the filter sees a network that was ensured.
  std::optional<FilterNetwork> filter_network(const NetworkId& id) const;
  /// The network's bridge, once ensured.
  std::optional<Link> bridge(const NetworkId& id) const;
  /// Its end of the tunnel, or empty.
  std::string tunnel(const NetworkId& id) const;
  /// Our end of the DHCP link, or empty when the network has none.
  std::string dhcp_link(const NetworkId& id) const;

  /// The port's tap (a sub-port's end of its pair), in no bridge and down when it is new. Errors:
  /// Unavailable, Conflict.
  Result<Link> ensure_tap(const PortPlan& plan, const LinkFinder& find);
  /// Puts the tap where the port belongs, up or down. Call only once the filter knows the port.
  Result<void> attach(const PortPlan& plan, const Link& tap, bool up);
  /// The tap's queues as its quality of service wants them. Errors: Unavailable, Conflict.
  Result<void> shape_tap(const PortPlan& plan, const Link& tap);
  /// Deletes the port's device, under whatever name it is.
  Result<void> remove_tap(const PortId& id, const std::string& tap);

  /// Frees devices of trunks' parents of the tags that no sub-port of `ports` has there.
  Result<void> free_tags(const std::vector<Link>& links, const std::map<PortId, PortPlan>& ports);
  /// Removes what carries our mark and is of none of these.
  Result<void> remove_orphans(const std::vector<Link>& links, const std::set<std::string>& networks,
                              const std::set<std::string>& ports,
                              const std::set<std::string>& routers = {});
  /// Processes that a network's addresses depend on.
  std::vector<int> servers() const;
  /// Namespaces of ours, as the watchman knows them.
  std::set<int> namespaces() const;

 private:
  struct Namespace {
    Fd netns;
    std::optional<Netlink> inside;   ///< Opened in the namespace once; keeps it alive while open.
    bool inet6 = false;              ///< IPv6 was turned on in it.
    bool fresh = false;              ///< Made by us, and nothing was started in it yet.
    std::optional<DhcpLook> look = {};
    std::optional<int> number = {};  ///< See netns_id().
  };
  struct Network {
    Link bridge;
    bool isolated = true;
    bool dhcp = false;
    bool tunnelled = false;
    std::optional<int> server = {};  ///< Its DHCP server's process.
  };
  struct SubPlace {
    std::string parent_tap;
    std::uint32_t tag = 0;
    int end = 0;  ///< The index of the pair's end that the tag leads to.
    bool operator==(const SubPlace&) const = default;
  };
  Result<void> free_tag(const SubPlace& place);
  Result<Link> ensure_sub_device(const PortPlan& plan, const LinkFinder& find);
  Result<Link> ensure_bridge(const NetworkPlan& plan, const LinkFinder& find);
  Result<void> ensure_tunnel(const NetworkPlan& plan, const Link& bridge, const LinkFinder& find);
  Result<void> ensure_forwards(const NetworkPlan& plan, const Link& tunnel, const Link& bridge);
  Result<void> ensure_metadata(const NetworkPlan& plan, const Link& link, int netns);
  Result<void> ensure_dhcp(const NetworkPlan& plan, const Link& bridge, const LinkFinder& find);
  Result<Netlink*> enter(const NetworkId& id);
  Result<Link> ensure_dhcp_link(const NetworkPlan& plan, const Link& bridge, Netlink& inside,
                                const LinkFinder& find);
  Result<void> ensure_addresses(const NetworkPlan& plan, const Link& link, Netlink& inside);
  Result<void> remove_dhcp(const NetworkId& id);
  Result<void> adjust(Netlink& netlink, const Link& link, const LinkChange& wanted);
  bool is_ours(const Link& link, const NetworkId& id) const;
  Dnsmasq dnsmasq_of(const NetworkId& id) const;
  void report(const std::vector<std::string>& rejected);

  Names names_;
  Settings settings_;
  Netlink netlink_;
  MetadataServer& metadata_;
  Log log_;
  std::map<NetworkId, Network> networks_;
  std::map<NetworkId, Namespace> namespaces_;
  std::set<std::string> reported_;
  /// Sub-ports' places on their parents, to be freed.
  std::map<PortId, SubPlace> sub_ports_;
  bool searched_ = false;  ///< Whether servers left by an earlier run were looked for.
};

}  // namespace cloudos::network::linuxbridge
