#pragma once
#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cloudos/network_driver.hpp"
#include "network/linuxbridge/by_name.hpp"
#include "network/linuxbridge/names.hpp"

/// The packet filter as a value: what should be in the kernel, written as nftables text, whole or
/// as the difference to what is there. No I/O.
///
/// How a packet meets it. A frame from a guest's tap passes the bridge family's `prerouting`, where
/// the tap's chain drops what does not carry the port's own addresses and marks the rest with the
/// port's mark. Bridged IP packets then pass the inet family (br_netfilter), where connection
/// tracking is: the mark leads to the port's egress chain, and who is accepted is marked "passed".
/// In the bridge's `forward` only passed packets go on; they get the mark of the port they leave
/// by, which leads to that port's ingress chain, and have to be "passed" once more. So a packet
/// that missed a stage (br_netfilter off, a table flushed) is dropped, never let through.
namespace cloudos::network::linuxbridge {

/// A set's elements: keys to values, which are empty in a set. Copies share them until one of the
/// copies is changed: a ruleset of thousands of elements is copied and compared with every change.
class Elements {
 public:
  using Map = std::map<std::string, std::string>;
  Elements() = default;
  Elements(std::initializer_list<Map::value_type> values) : map_(std::make_shared<Map>(values)) {}
  Map::const_iterator begin() const { return all().begin(); }
  Map::const_iterator end() const { return all().end(); }
  Map::const_iterator find(const std::string& key) const { return all().find(key); }
  std::size_t count(const std::string& key) const { return all().count(key); }
  bool empty() const { return all().empty(); }
  std::size_t size() const { return all().size(); }
  std::string& operator[](const std::string& key) { return own()[key]; }
  void erase(const std::string& key) {
    if (count(key) > 0) own().erase(key);
  }
  void clear() { map_.reset(); }
  friend bool operator==(const Elements& a, const Elements& b) {
    return a.map_ == b.map_ || a.all() == b.all();
  }
  friend bool operator==(const Elements& a, const Map& b) { return a.all() == b; }

 private:
  const Map& all() const {
    static const Map kNone;
    return map_ ? *map_ : kNone;
  }
  Map& own() {
    if (!map_ || map_.use_count() > 1) map_ = std::make_shared<Map>(all());
    return *map_;
  }
  std::shared_ptr<Map> map_;  // Shared by copies, and never changed while it is.
};

/// One table: named chains, sets and maps. A copy costs pointers only.
struct FilterTable {
  struct Chain {
    std::string hook;  ///< "type filter hook …;" of a base chain, or empty.
    std::shared_ptr<const std::vector<std::string>> rules;
  };
  struct Set {
    bool map = false;
    std::string type;  ///< "type ifname : verdict"
    Elements elements;
  };
  ByName<Chain> chains;
  ByName<Set> sets;
  std::set<std::string> counters;
  bool empty() const { return chains.empty() && sets.empty() && counters.empty(); }
};

struct Ruleset {
  std::string table;   ///< The name, the same in both families.
  FilterTable bridge;  ///< Family bridge: spoofing.
  FilterTable inet;    ///< Family inet: security groups.

  // What follows is not written out, and not copied by adopt().

  /// An element of a set of `inet`.
  struct Place {
    std::string set, key;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  /// Who has a place; the least of several is whose value is written. An address is its port's
  /// before it is theirs who may send as it too.
  struct Claim {
    bool pair = false;
    std::string brief;  ///< Names::brief of the port.
    std::string value;
    friend auto operator<=>(const Claim&, const Claim&) = default;
  };
  std::map<Place, std::set<Claim>> claims;
  std::map<std::string, std::vector<Place>> places;  ///< By Names::brief of ports.
  std::map<std::string, std::string> devices;        ///< Taps to Names::brief of their ports.
  /// By Names::brief of groups: what their sets were filled with.
  std::map<std::string, std::vector<std::string>> members;
};

/// A network as the filter sees it.
struct FilterNetwork {
  std::string bridge;
  int zone = 0;          ///< Of connection tracking; 0 shares the host's.
  bool isolated = true;  ///< The bridge is ours alone: the host is no part of it.
  friend bool operator==(const FilterNetwork&, const FilterNetwork&) = default;
};

/// A port whose tap exists.
struct FilterPort {
  const PortPlan* plan = nullptr;
  int tap_index = 0;
  FilterNetwork network;
  bool stateful = true;  ///< False when a group of its is stateless: what it sends is not tracked.
};

/// The tables with nothing in them but the stages.
Ruleset empty_ruleset(const Names& names);
/// Adds one network's connection-tracking zone, and its links that are no guests': those of its
/// DHCP server and routers. Over `tunnel` (empty: none) neither DHCP nor its server is heard: every
/// host has its own.
void put_network(Ruleset& rules, const FilterNetwork& network,
                 const std::vector<std::string>& links, const std::string& tunnel = {},
                 const std::string& dhcp_mac = {});
/// Adds (or replaces) a group's chains and member sets. Rules that cannot be written are left out,
/// which closes; `rejected` says which.
void put_group(Ruleset& rules, const Names& names, const GroupPlan& group,
               std::vector<std::string>& rejected);
/// Adds (or replaces) a port. Groups it names that are not there yet get empty (closed) chains.
void put_port(Ruleset& rules, const Names& names, const FilterPort& port,
              std::vector<std::string>& rejected);

/// Takes a port out again; what another port has as well stays that one's. Success when it is not
/// in.
void drop_port(Ruleset& rules, const Names& names, const PortId& port, const std::string& tap);
/// Takes a network's zone and links out again.
void drop_network(Ruleset& rules, const std::string& bridge, const std::vector<std::string>& links);
/// Adds (or replaces) the prefixes that rules name together; drop_address_group() empties them.
void put_address_group(Ruleset& rules, const Names& names, const AddressGroupPlan& group,
                       std::vector<std::string>& rejected);
void drop_address_group(Ruleset& rules, const Names& names, const AddressGroupId& id);

/// Ports (as Names::brief) that `after` allows less than `before`: their connections have to end.
std::set<std::string> tightened_ports(const Ruleset& before, const Ruleset& after);

/// One rule as the match part of an nftables rule; nothing when it makes no sense.
std::optional<std::string> match_of(const Names& names, const RulePlan& rule);

/// Replaces both tables by this, in one transaction.
std::string render_whole(const Ruleset& rules);
/// Turns `before` into `after`, in one transaction. Empty when they are the same.
std::string render_difference(const Ruleset& before, const Ruleset& after);
/// Removes both tables, in one transaction.
std::string render_removal(const std::string& table);
bool same_rules(const Ruleset& a, const Ruleset& b);
/// Makes `to` a copy of what of `from` is written out.
void adopt(Ruleset& to, const Ruleset& from);

}  // namespace cloudos::network::linuxbridge
