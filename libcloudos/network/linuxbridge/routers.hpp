#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cloudos/log.hpp"
#include "cloudos/network_driver.hpp"
#include "network/linuxbridge/advertiser.hpp"
#include "network/linuxbridge/filter.hpp"
#include "network/linuxbridge/metadata_server.hpp"
#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netlink.hpp"
#include "network/linuxbridge/wires.hpp"

namespace cloudos::network::linuxbridge {

/// Routers: a namespace each, with a leg (veth) in the bridge of each of its networks, routes,
/// address translation, router advertisements and metadata.
///
/// Everything is found again by names made of ids; ensure() is idempotent and writes only what
/// differs. One thread at a time.
class Routers {
 public:
  Routers(Names names, Netlink netlink, MetadataServer& metadata, Log log)
      : names_(std::move(names)),
        netlink_(std::move(netlink)),
        metadata_(metadata),
        log_(log),
        advertiser_(log) {}

  using Bridges = std::function<std::optional<Link>(const NetworkId&)>;
  /// A router that is administratively down is taken down. Errors: Unavailable, Conflict.
  Result<void> ensure(const RouterPlan& plan, const Bridges& bridges, const LinkFinder& find);
  /// Success when it is gone already. `plan` (if known) names its legs.
  Result<void> remove(const RouterId& id);
  /// Takes down what this cloud has of other routers than these.
  Result<void> keep_only(const std::set<RouterId>& routers);

  /// Whether guests behind the leg are told of the router.
  bool advertises(const PortId& leg) const { return advertiser_.advertises(leg); }
  /// Their namespaces, as the watchman knows them.
  std::set<int> namespaces() const;

 private:
  struct Space {
    Fd netns;
    std::optional<Netlink> inside;
    std::optional<Filter> filter;
    std::optional<int> number;  ///< See netns_id().
    std::optional<RouterPlan> made;  ///< As ensure() left it.
  };
  Result<Space*> enter_router(const RouterId& id);
  Result<Link> ensure_leg(const RouterPortPlan& leg, Space& space, const LinkFinder& find,
                          Link& outer);
  Result<void> drop_other_legs(const RouterPlan& plan, Space& space);
  Result<std::vector<std::string>> ensure_leg_addresses(const RouterPortPlan& leg,
                                                        const std::vector<std::string>& floating,
                                                        const Link& link, Space& space);
  Result<void> ensure_routes(const RouterPlan& plan, const std::map<PortId, Link>& legs,
                             Space& space);
  Result<void> ensure_services(const RouterPlan& plan, const std::map<PortId, Link>& legs,
                               Space& space);
  Result<void> forget_translations(const RouterPlan& plan, Space& space);
  void report(const std::vector<std::string>& rejected);

  Names names_;
  Netlink netlink_;
  MetadataServer& metadata_;
  Log log_;
  Advertiser advertiser_;
  std::map<RouterId, Space> spaces_;
  std::set<std::string> reported_;
};

}  // namespace cloudos::network::linuxbridge
