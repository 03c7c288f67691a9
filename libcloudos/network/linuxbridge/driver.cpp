#include <fcntl.h>
#include <fmt/format.h>
#include <linux/netlink.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/domain_name.hpp"
#include "base/mutex.hpp"
#include "network/linuxbridge/filter.hpp"
#include "network/linuxbridge/inspect.hpp"
#include "network/linuxbridge/linuxbridge.hpp"
#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/platform.hpp"
#include "network/linuxbridge/router_rules.hpp"
#include "network/linuxbridge/routers.hpp"
#include "network/linuxbridge/watchman.hpp"
#include "network/linuxbridge/wires.hpp"
#include "network/trace_rules.hpp"

namespace cloudos::network::linuxbridge {
namespace {

std::set<std::string> bridges_of(const std::map<std::string, std::string>& mappings) {
  std::set<std::string> bridges;
  for (const auto& [physical, bridge] : mappings) bridges.insert(bridge);
  return bridges;
}

bool is_our_type(const NetworkPlan& plan) {
  return plan.type == "local" || plan.type == "flat" || plan.type == "vxlan";
}

std::set<NetworkId> networks_of(const RouterPlan& plan) {
  std::set<NetworkId> out;
  for (const auto& leg : plan.legs) out.insert(leg.network);
  if (plan.gateway) out.insert(plan.gateway->network);
  return out;
}

/// Whose things stay on the host.
struct Wanted {
  std::set<std::string> networks, routers;
  std::set<std::string> devices;  ///< Ports, and legs of routers.
  std::set<RouterId> router_ids;
};

Wanted wanted_of(const Plan& plan) {
  Wanted wanted;
  for (const auto& [id, unused] : plan.networks) wanted.networks.insert(id.value);
  for (const auto& [id, unused] : plan.ports) wanted.devices.insert(id.value);
  for (const auto& [id, router] : plan.routers) {
    wanted.routers.insert(id.value);
    wanted.router_ids.insert(id);
    for (const auto& leg : router.legs) wanted.devices.insert(leg.port.value);
    if (router.gateway) wanted.devices.insert(router.gateway->port.value);
  }
  return wanted;
}

/// A port's own addresses, and those it may send as.
std::set<FlowOwner> speakers_of(const PortPlan& port, int zone) {
  std::set<FlowOwner> out;
  const auto add = [&](const std::string& text) {
    if (const auto prefix = parse_ip_prefix(text)) out.insert({zone, prefix->text()});
  };
  for (const auto& address : port.addresses) add(address);
  for (const auto& [address, unused] : port.allowed_pairs) add(address);
  return out;
}

/// All failures of a pass as one error: the first with its place, and how many more there were.
class Failures {
 public:
  void add(const std::string& where, const Result<void>& result) {
    if (result) return;
    if (count_++ > 0) return;
    first_ = result.error();
    first_.message = where + ": " + first_.message;
  }
  Result<void> result() const {
    if (count_ == 0) return Result<void>();
    Error error = first_;
    if (count_ > 1) error.message += fmt::format(" (and {} more)", count_ - 1);
    return fail(std::move(error));
  }

 private:
  Error first_;
  int count_ = 0;
};

class Driver final : public LinuxBridgeDriver {
 public:
  struct Sockets {
    Nft nft;
    Netlink wires, routers;
    Fd home;
  };
  Driver(const LinuxBridgeSettings& settings, const std::string& dnsmasq, Sockets sockets,
         std::vector<Ability> abilities, MetadataHandler handler, Log log)
      : names_(settings.folder_id, settings.shared_machine ? settings.host : ""),
        host_(settings.host),
        tunnel_address_(settings.tunnel_address),
        abilities_(std::move(abilities)),
        home_(std::move(sockets.home)),
        mappings_(settings.physical_bridges),
        switch_note_(settings.run_dir + "/bridge-filter-was-off"),
        inspector_(names_, {settings.physical_bridges, settings.run_dir + "/networks"}),
        log_(log),
        metadata_(std::move(handler), log),
        watchman_(names_.table(), names_.netns_prefix(), bridges_of(mappings_)),
        filter_(std::move(sockets.nft), names_.table()),
        wires_(names_,
               {settings.run_dir + "/networks", dnsmasq, settings.physical_bridges,
                settings.tunnel_address, settings.dns_domain},
               std::move(sockets.wires), metadata_, log),
        routers_(names_, std::move(sockets.routers), metadata_, log),
        rules_(empty_ruleset(names_)) {}

  std::string_view name() const override { return "linuxbridge"; }
  std::string host() const override { return host_; }
  std::string tunnel_address() const override { return tunnel_address_; }
  std::vector<Ability> abilities() const override { return abilities_; }
  Result<void> precommit(store::Txn&, const Change&) override { return Result<void>(); }
  Result<void> postcommit(const Change& change) override {
    return at_home([&] { return undisturbed([&] { return apply_change(change); }); });
  }
  Result<void> converge(const Plan& plan) override {
    return at_home([&] { return undisturbed([&] { return apply_plan(plan); }); });
  }
  std::optional<Binding> bind_port(const PortContext& port) const override;
  Result<Finding> inspect(const Inspection& asked) override {
    Finding found;
    CLOUDOS_CHECK(at_home([&]() -> Result<void> {
      CLOUDOS_TRY(found, inspector_.look(asked));
      if (asked.place == Inspection::Place::Leg && found.known) look_for_silence(asked, found);
      const bool drops = std::any_of(found.faults.begin(), found.faults.end(),
                                     [](const auto& fault) { return fault.drops; });
      if (!drops) return Result<void>();
      LockGuard lock(mutex_);  // Once more, and not in the middle of a change.
      CLOUDOS_TRY(found, inspector_.look(asked));
      return Result<void>();
    }));
    return found;
  }
  void watch(std::function<void()> disturbed) override {
    const auto started = at_home([&]() -> Result<void> {
      watchman_.start(std::move(disturbed));
      return Result<void>();
    });
    if (!started) log_.warn("nobody watches the host: " + started.error().message);
  }
  void set_metadata_handler(MetadataHandler handler) override {
    metadata_.set_handler(std::move(handler));
  }

 private:
  /// Taps and switches belong to the namespace of the thread that asks for them.
  Result<void> at_home(const std::function<Result<void>()>& work) const {
    if (same_netns(home_.get(), "/proc/thread-self/ns/net")) return work();
    return run_in_netns(home_.get(), work);
  }
  /// What the work does is not somebody else's doing.
  Result<void> undisturbed(const std::function<Result<void>()>& work) {
    LockGuard lock(mutex_);
    Watchman::Rest rest(watchman_);
    auto done = work();
    auto inside = wires_.namespaces();
    inside.merge(routers_.namespaces());
    rest.end(wires_.servers(), std::move(inside));
    return done;
  }
  void look_for_silence(const Inspection& asked, Finding& found);
  Result<void> apply_change(const Change& change);
  Result<void> apply_plan(const Plan& plan);
  bool works(std::string_view ability) const;
  Result<void> address_group_changed(const Change& change);
  Result<void> router_changed(const Change& change);
  Result<void> ensure_router(const RouterPlan& plan, const LinkFinder& find);
  std::vector<std::string> links_of(const NetworkId& id) const;
  void put_network_in_filter(const NetworkId& id);
  Result<void> shape_port(const PortPlan& plan, const Link& tap, const LinkFinder& find);
  Result<void> check_start();
  Result<void> network_changed(const Change& change);
  Result<void> group_changed(const Change& change);
  Result<void> port_changed(const Change& change);
  Result<void> remove_port(const PortId& id);
  Result<void> wire_port(const PortPlan& plan, const LinkFinder& find);
  Result<void> wire_ports_of(const NetworkId& id);
  void put_in_filter(const PortPlan& plan, const Link& tap);
  Result<void> write_filter();
  void note_tightened();
  void note_written();
  Result<void> end_connections();
  int zone_of(const PortPlan& port) const;
  Result<void> remove_filter();
  bool is_up(const PortPlan& plan) const;
  void report(const std::vector<std::string>& rejected);
  void rebuild_rules(const std::map<PortId, Link>& taps);
  Result<void> clear_host(const std::vector<Link>& links);

  const Names names_;
  const std::string host_;
  const std::string tunnel_address_;
  const std::vector<Ability> abilities_;
  const Fd home_;  ///< The network namespace that is this host.
  const std::map<std::string, std::string> mappings_;
  const std::string switch_note_;
  const Inspector inspector_;
  Log log_;
  MetadataServer metadata_;
  Watchman watchman_;
  Mutex mutex_;
  Filter filter_ CLOUDOS_GUARDED_BY(mutex_);
  Wires wires_ CLOUDOS_GUARDED_BY(mutex_);
  Routers routers_ CLOUDOS_GUARDED_BY(mutex_);
  Plan plan_ CLOUDOS_GUARDED_BY(mutex_);      ///< What we were told last.
  Ruleset rules_ CLOUDOS_GUARDED_BY(mutex_);  ///< What the filter should hold for it.
  bool started_ CLOUDOS_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::uint64_t> revisions_ CLOUDOS_GUARDED_BY(mutex_);
  std::set<std::string> reported_ CLOUDOS_GUARDED_BY(mutex_);
  std::set<SecurityGroupId> stateless_ CLOUDOS_GUARDED_BY(mutex_);
  /// By Names::brief of ports: who speaks for each by what is written, and by what will be.
  std::map<std::string, std::set<FlowOwner>> speakers_ CLOUDOS_GUARDED_BY(mutex_);
  std::set<PortId> unwritten_ CLOUDOS_GUARDED_BY(mutex_);  ///< Ports whose speakers may be fewer.
  bool all_unwritten_ CLOUDOS_GUARDED_BY(mutex_) = false;
  std::set<FlowOwner> to_end_ CLOUDOS_GUARDED_BY(mutex_);  ///< Whose connections have to end.
};

std::optional<Binding> Driver::bind_port(const PortContext& port) const {
  if (port.vnic_type != "normal") return std::nullopt;
  if (!host_.empty() && port.host != host_) return std::nullopt;
  const bool flat = port.network_type == "flat" && mappings_.count(port.physical_network) > 0;
  const bool vxlan = port.network_type == "vxlan" && works("type:vxlan");
  if (port.network_type != "local" && !flat && !vxlan) return std::nullopt;
  return Binding{"linuxbridge", "bridge", {{"port_filter", "true"}, {"connectivity", "l2"}}};
}

/// A leg that guests should hear of by IPv6, and do not: who came since has no route through it.
void Driver::look_for_silence(const Inspection& asked, Finding& found) {
  const auto plan = asked.plan->routers.find(asked.router);
  if (!asked.packet.v6() || plan == asked.plan->routers.end()) return;
  const RouterPlan& router = plan->second;
  const auto& all = router.advertise;
  const bool inner = std::any_of(router.legs.begin(), router.legs.end(),
                                 [&](const auto& leg) { return leg.port == asked.port; });
  if (!inner || std::none_of(all.begin(), all.end(),
                             [&](const auto& one) { return one.network == asked.network; }))
    return;
  LockGuard lock(mutex_);
  if (routers_.advertises(asked.port)) return;
  found.fault(
      tracing::tell("The router does not advertise itself: guests that start now find no way "
                    "through it by IPv6."),
      "nothing is sent on " + leg_inner(names_, asked.port), false);
}

bool Driver::works(std::string_view ability) const {
  for (const auto& one : abilities_)
    if (one.name == ability) return one.works;
  return false;
}

void Driver::report(const std::vector<std::string>& rejected) {
  constexpr std::size_t kMost = 1'000;
  if (reported_.size() > kMost) reported_.clear();
  for (const auto& what : rejected) {
    if (reported_.insert(what).second) log_.warn("left out, which closes: " + what);
  }
}

/// Changes may come before the first converge() on a host without anything of ours. On one with
/// guests they must not: their rules would be replaced by those of the change alone.
Result<void> Driver::check_start() {
  if (started_) return Result<void>();
  CLOUDOS_TRY(const auto there, filter_.present());
  if (there) {
    return fail(ErrorCode::Unavailable,
                "the network driver has not looked at this host yet; try again");
  }
  started_ = true;
  return Result<void>();
}

Result<void> Driver::apply_change(const Change& change) {
  CLOUDOS_CHECK(check_start());
  const std::string key = std::to_string(static_cast<int>(change.kind)) + change.id;
  auto& latest = revisions_[key];
  if (change.revision < latest) return Result<void>();  // Already overtaken by a newer one.
  latest = change.revision;
  switch (change.kind) {
    case Change::Kind::Network:
      return network_changed(change);
    case Change::Kind::Group:
      return group_changed(change);
    case Change::Kind::Port:
      return port_changed(change);
    case Change::Kind::AddressGroup:
      return address_group_changed(change);
    case Change::Kind::Router:
      return router_changed(change);
  }
  return Result<void>();
}

/// Remembers who speaks for ports that the filter is about to let less through of, until their
/// connections are ended.
void Driver::note_tightened() {
  if (!filter_.applied()) return;
  for (const auto& brief : tightened_ports(*filter_.applied(), rules_)) {
    const auto speakers = speakers_.find(brief);
    if (speakers != speakers_.end())
      to_end_.insert(speakers->second.begin(), speakers->second.end());
  }
}

/// What was taken away is in the kernel's filter no longer.
void Driver::note_written() {
  if (std::exchange(all_unwritten_, false)) {
    speakers_.clear();
    for (const auto& [id, port] : plan_.ports) {
      speakers_[names_.brief(id.value)];
      unwritten_.insert(id);
    }
  }
  for (const auto& id : std::exchange(unwritten_, {})) {
    const auto port = plan_.ports.find(id);
    const std::string brief = names_.brief(id.value);
    if (port == plan_.ports.end())
      speakers_.erase(brief);
    else if (const auto known = speakers_.find(brief); known != speakers_.end())
      known->second = speakers_of(port->second, zone_of(port->second));
  }
}

/// Once the filter is written. What fails stays to be done with the next write.
Result<void> Driver::end_connections() {
  note_written();
  CLOUDOS_CHECK(filter_.forget_flows(to_end_));
  to_end_.clear();
  return Result<void>();
}

/// Without networks and ports nothing of ours is on the host: no table, and no connection that a
/// later port of the same address could take for its own.
Result<void> Driver::remove_filter() {
  for (const auto& [brief, speakers] : speakers_) to_end_.insert(speakers.begin(), speakers.end());
  CLOUDOS_CHECK(filter_.remove());
  restore_bridged_packets(switch_note_);
  all_unwritten_ = true;
  return end_connections();
}

Result<void> Driver::write_filter() {
  if (plan_.networks.empty() && plan_.ports.empty() && plan_.routers.empty())
    return remove_filter();
  note_tightened();
  CLOUDOS_CHECK(filter_bridged_packets(switch_note_));
  CLOUDOS_CHECK(filter_.apply(rules_));
  return end_connections();
}

bool Driver::is_up(const PortPlan& plan) const {
  const auto network = plan_.networks.find(plan.network);
  return plan.admin_up && network != plan_.networks.end() && network->second.admin_up;
}

/// A port whose network is not there yet is filtered all the same, as one the host has no part in.
void Driver::put_in_filter(const PortPlan& plan, const Link& tap) {
  const auto network = wires_.filter_network(plan.network);
  std::vector<std::string> rejected;
  FilterPort port{&plan, tap.index, network.value_or(FilterNetwork()), true};
  for (const auto& id : plan.groups) {
    const auto group = plan_.groups.find(id);
    if (group != plan_.groups.end() && !group->second.stateful) port.stateful = false;
  }
  put_port(rules_, names_, port, rejected);
  report(rejected);
  speakers_[names_.brief(plan.id.value)].merge(speakers_of(plan, port.network.zone));
  unwritten_.insert(plan.id);
}

int Driver::zone_of(const PortPlan& port) const {
  const auto network = wires_.filter_network(port.network);
  return network ? network->zone : 0;
}

/// The order is what keeps a port closed: a tap that is down and in no bridge, then its rules, and
/// only then its place in the bridge.
Result<void> Driver::wire_port(const PortPlan& plan, const LinkFinder& find) {
  CLOUDOS_TRY(const auto tap, wires_.ensure_tap(plan, find));
  put_in_filter(plan, tap);
  CLOUDOS_CHECK(write_filter());
  CLOUDOS_CHECK(shape_port(plan, tap, find));
  return wires_.attach(plan, tap, is_up(plan));
}

/// Looks at a port's queues only where there are, or should be, any.
Result<void> Driver::shape_port(const PortPlan& plan, const Link& tap, const LinkFinder& find) {
  const QosPlan& qos = plan.qos;
  bool any = qos.egress_kbps != 0 || qos.ingress_kbps != 0 || tap.queue == "tbf";
  if (!any) {
    CLOUDOS_TRY(const auto round, find(names_.shaper(plan.id.value)));
    any = round.has_value();
  }
  return any ? wires_.shape_tap(plan, tap) : Result<void>();
}

/// Devices of ours in a network's bridge that are no guests'.
std::vector<std::string> Driver::links_of(const NetworkId& id) const {
  std::vector<std::string> links;
  if (auto link = wires_.dhcp_link(id); !link.empty()) links.push_back(std::move(link));
  for (const auto& [router, plan] : plan_.routers) {
    for (const auto& leg : plan.legs)
      if (leg.network == id) links.push_back(leg_outer(names_, leg.port));
    if (plan.gateway && plan.gateway->network == id)
      links.push_back(leg_outer(names_, plan.gateway->port));
  }
  return links;
}

void Driver::put_network_in_filter(const NetworkId& id) {
  const auto network = wires_.filter_network(id);
  const auto plan = plan_.networks.find(id);
  if (!network || plan == plan_.networks.end()) return;
  put_network(rules_, *network, links_of(id), wires_.tunnel(id), plan->second.dhcp_mac);
}

Result<void> Driver::network_changed(const Change& change) {
  const NetworkId id(change.id);
  const auto forget_links = [&](const FilterNetwork& known) {
    auto links = links_of(id);
    links.push_back(names_.dhcp_outer(id.value));
    links.push_back(names_.tunnel(id.value));
    drop_network(rules_, known.bridge, links);
  };
  if (change.gone() || !is_our_type(*change.network)) {
    if (const auto known = wires_.filter_network(id)) forget_links(*known);
    plan_.networks.erase(id);
    CLOUDOS_CHECK(wires_.remove_network(id));
    return write_filter();
  }
  const auto known = plan_.networks.find(id);
  const auto before = wires_.filter_network(id);
  const bool was_up = known != plan_.networks.end() && known->second.admin_up;
  plan_.networks[id] = *change.network;
  CLOUDOS_CHECK(wires_.ensure_network(*change.network, wires_.ask_kernel()));
  const auto after = wires_.filter_network(id);
  if (after) {
    forget_links(*after);
    put_network_in_filter(id);
  }
  // Ports need a hand when they waited for the network, or for another state of it; not with
  // every port that comes and goes beside them.
  if (before && before == after && was_up == change.network->admin_up) return write_filter();
  return wire_ports_of(id);
}

Result<void> Driver::address_group_changed(const Change& change) {
  const AddressGroupId id(change.id);
  if (change.gone()) {
    plan_.address_groups.erase(id);
    drop_address_group(rules_, names_, id);
    return write_filter();
  }
  plan_.address_groups[id] = *change.address_group;
  std::vector<std::string> rejected;
  put_address_group(rules_, names_, *change.address_group, rejected);
  report(rejected);
  return write_filter();
}

/// Its legs get their place in the filter before their place in a bridge.
Result<void> Driver::router_changed(const Change& change) {
  const RouterId id(change.id);
  std::set<NetworkId> touched;
  if (const auto known = plan_.routers.find(id); known != plan_.routers.end()) {
    touched = networks_of(known->second);
    for (const auto& network : touched)
      if (const auto seen = wires_.filter_network(network))
        drop_network(rules_, seen->bridge, links_of(network));
  }
  if (change.gone()) {
    plan_.routers.erase(id);
    CLOUDOS_CHECK(routers_.remove(id));
  } else {
    plan_.routers[id] = *change.router;
    touched.merge(networks_of(*change.router));
  }
  for (const auto& network : touched) put_network_in_filter(network);
  CLOUDOS_CHECK(write_filter());
  return change.gone() ? Result<void>() : ensure_router(*change.router, wires_.ask_kernel());
}

Result<void> Driver::ensure_router(const RouterPlan& plan, const LinkFinder& find) {
  return routers_.ensure(
      plan, [&](const NetworkId& network) { return wires_.bridge(network); }, find);
}

Result<void> Driver::wire_ports_of(const NetworkId& id) {
  const auto find = wires_.ask_kernel();
  std::map<PortId, Link> taps;
  for (const auto& [port_id, port] : plan_.ports) {
    if (port.network != id) continue;
    if (!port.parent_tap.empty()) {  // A parent that is not here yet brings it along.
      CLOUDOS_TRY(const auto parent, find(port.parent_tap));
      if (!parent) continue;
    }
    CLOUDOS_TRY(auto tap, wires_.ensure_tap(port, find));
    put_in_filter(port, tap);
    taps.emplace(port_id, std::move(tap));
  }
  CLOUDOS_CHECK(write_filter());
  for (const auto& [port_id, tap] : taps) {
    const PortPlan& port = plan_.ports.at(port_id);
    CLOUDOS_CHECK(wires_.attach(port, tap, is_up(port)));
  }
  return Result<void>();
}

Result<void> Driver::group_changed(const Change& change) {
  const SecurityGroupId id(change.id);
  GroupPlan group;  // One that is gone holds nothing, so what still refers to it is closed.
  group.id = id;
  if (!change.gone()) {
    group = *change.group;
    plan_.groups[id] = group;
  } else {
    plan_.groups.erase(id);
  }
  std::vector<std::string> rejected;
  put_group(rules_, names_, group, rejected);
  report(rejected);
  const auto was = stateless_.count(id) > 0;
  if (was != !group.stateful) {  // Ports follow their answers by other rules now.
    if (group.stateful)
      stateless_.erase(id);
    else
      stateless_.insert(id);
    const auto find = wires_.ask_kernel();
    for (const auto& [port_id, port] : plan_.ports) {
      if (std::find(port.groups.begin(), port.groups.end(), id) == port.groups.end()) continue;
      CLOUDOS_TRY(const auto tap, find(port.tap));
      if (tap) put_in_filter(port, *tap);
    }
  }
  return write_filter();
}

Result<void> Driver::remove_port(const PortId& id) {
  const auto known = plan_.ports.find(id);
  const std::string tap = known != plan_.ports.end() ? known->second.tap : std::string();
  // The device first: a tap without rules would be open.
  CLOUDOS_CHECK(wires_.remove_tap(id, tap));
  drop_port(rules_, names_, id, tap);
  plan_.ports.erase(id);
  unwritten_.insert(id);
  return write_filter();
}

Result<void> Driver::port_changed(const Change& change) {
  const PortId id(change.id);
  if (change.gone()) return remove_port(id);
  const auto known = plan_.ports.find(id);
  if (known != plan_.ports.end() && known->second.tap != change.port->tap) {
    CLOUDOS_CHECK(remove_port(id));
  }
  plan_.ports[id] = *change.port;
  const auto find = wires_.ask_kernel();
  CLOUDOS_CHECK(wire_port(*change.port, find));
  // Its device may be another than the one its sub-ports were led to.
  for (const auto& [sub_id, sub] : plan_.ports)
    if (sub.parent_tap == change.port->tap) CLOUDOS_CHECK(wire_port(sub, find));
  return Result<void>();
}

/// The rules of the whole plan, as far as its networks and taps are there.
void Driver::rebuild_rules(const std::map<PortId, Link>& taps) {
  rules_ = empty_ruleset(names_);
  all_unwritten_ = true;
  std::vector<std::string> rejected;
  for (const auto& [id, unused] : plan_.networks) put_network_in_filter(id);
  stateless_.clear();
  for (const auto& [id, group] : plan_.groups) {
    put_group(rules_, names_, group, rejected);
    if (!group.stateful) stateless_.insert(id);
  }
  for (const auto& [id, group] : plan_.address_groups)
    put_address_group(rules_, names_, group, rejected);
  report(rejected);
  for (const auto& [id, tap] : taps) put_in_filter(plan_.ports.at(id), tap);
}

Result<void> Driver::clear_host(const std::vector<Link>& links) {
  Failures failures;
  failures.add("removing routers", routers_.keep_only({}));
  failures.add("removing what is left", wires_.remove_orphans(links, {}, {}));
  rules_ = empty_ruleset(names_);
  failures.add("removing the packet filter", remove_filter());
  return failures.result();
}

Result<void> Driver::apply_plan(const Plan& plan) {
  CLOUDOS_TRY(const auto links, wires_.links());
  plan_ = plan;
  std::erase_if(plan_.networks, [](const auto& n) { return !is_our_type(n.second); });
  if (plan_.networks.empty() && plan_.ports.empty() && plan_.routers.empty()) {
    CLOUDOS_CHECK(clear_host(links));
    started_ = true;
    revisions_.clear();
    return Result<void>();
  }
  CLOUDOS_CHECK(filter_bridged_packets(switch_note_));
  // While it is gone nothing passes: it is back as it was before all else is looked at.
  if (filter_.applied()) CLOUDOS_CHECK(filter_.restore());
  std::map<std::string, Link> by_name;
  for (const auto& link : links) by_name.emplace(link.name, link);
  const LinkFinder find = [&](const std::string& device) -> Result<std::optional<Link>> {
    const auto found = by_name.find(device);
    return found == by_name.end() ? std::optional<Link>() : std::optional<Link>(found->second);
  };
  const Wanted wanted = wanted_of(plan_);
  Failures failures;
  failures.add("removing routers", routers_.keep_only(wanted.router_ids));
  failures.add("removing what is left",
               wires_.remove_orphans(links, wanted.networks, wanted.devices, wanted.routers));
  for (const auto& [id, network] : plan_.networks) {
    failures.add("network " + id.value, wires_.ensure_network(network, find));
  }
  std::map<PortId, Link> taps;
  std::set<PortId> failed;
  std::vector<const PortPlan*> parents_first;
  for (const bool sub : {false, true})
    for (const auto& [id, port] : plan_.ports)
      if (sub != port.parent_tap.empty()) parents_first.push_back(&port);
  for (const PortPlan* one : parents_first) {
    const PortPlan& port = *one;
    const PortId& id = port.id;
    auto tap = wires_.ensure_tap(port, find);
    if (tap) {
      taps.emplace(id, std::move(*tap));
      continue;
    }
    failures.add("port " + id.value, fail(tap.error()));
    failed.insert(id);
    // It may be in its bridge from before: its rules have to stay.
    const auto there = by_name.find(port.tap);
    if (there != by_name.end() && there->second.alias == names_.alias(id.value)) {
      taps.emplace(id, there->second);
    }
  }
  failures.add("tags of trunks", wires_.free_tags(links, plan_.ports));
  rebuild_rules(taps);
  note_tightened();
  // Without its rules no port may be let on: what is attached already stays as it is.
  CLOUDOS_CHECK(filter_.verify(rules_));
  failures.add("ending connections", end_connections());
  for (const auto& [id, tap] : taps) {
    if (failed.count(id) > 0) continue;
    const PortPlan& port = plan_.ports.at(id);
    failures.add("port " + id.value, shape_port(port, tap, find));
    failures.add("port " + id.value, wires_.attach(port, tap, is_up(port)));
  }
  for (const auto& [id, router] : plan_.routers)
    failures.add("router " + id.value, ensure_router(router, find));
  started_ = true;
  std::erase_if(revisions_, [&](const auto& r) {
    const std::string id = r.first.substr(1);
    return wanted.networks.count(id) == 0 && wanted.devices.count(id) == 0 &&
           wanted.routers.count(id) == 0 && plan_.groups.count(SecurityGroupId(id)) == 0 &&
           plan_.address_groups.count(AddressGroupId(id)) == 0;
  });
  return failures.result();
}

}  // namespace
}  // namespace cloudos::network::linuxbridge

namespace cloudos::network {
namespace lb = linuxbridge;
namespace {

Result<void> check_linuxbridge(const LinuxBridgeSettings& settings) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (settings.folder_id.size() != 8 ||
      !std::all_of(settings.folder_id.begin(), settings.folder_id.end(), is_hex)) {
    return fail(ErrorCode::InvalidArgument, "folder_id must be eight hexadecimal digits");
  }
  if (settings.run_dir.empty() || settings.run_dir.front() != '/') {
    return fail(ErrorCode::InvalidArgument, "run_dir must be an absolute path");
  }
  if (!settings.tunnel_address.empty() && !lb::parse_ip(settings.tunnel_address))
    return fail(ErrorCode::InvalidArgument, "tunnel_address is not an address");
  for (const auto& [physical, bridge] : settings.physical_bridges) {
    if (!lb::is_device_name(bridge)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the bridge of physical network {} is not a device name", physical));
    }
  }
  if (!is_domain_name(settings.dns_domain))
    return fail(ErrorCode::InvalidArgument, "dns_domain is not a domain");
  if (settings.network_namespace.find('/') != std::string::npos)
    return fail(ErrorCode::InvalidArgument, "network_namespace is a name, not a path");
  return Result<void>();
}

/// In the calling thread's network namespace.
Result<std::shared_ptr<LinuxBridgeDriver>> make_linuxbridge_here(
    const LinuxBridgeSettings& settings, MetadataHandler handler, Log log) {
  CLOUDOS_TRY(const auto dnsmasq,
              lb::probe_platform(settings.dnsmasq, "cloudos_" + settings.folder_id + "_probe"));
  CLOUDOS_TRY(auto nft, lb::Nft::open());
  CLOUDOS_TRY(auto netlink, lb::Netlink::open(NETLINK_ROUTE));
  CLOUDOS_TRY(auto of_routers, lb::Netlink::open(NETLINK_ROUTE));
  Fd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home.valid())
    return fail(ErrorCode::Unavailable, "cannot open the host's network namespace");
  CLOUDOS_TRY(auto abilities, lb::probe_abilities(netlink, settings));
  return std::shared_ptr<LinuxBridgeDriver>(
      std::make_shared<lb::Driver>(settings, dnsmasq,
                                   lb::Driver::Sockets{std::move(nft), std::move(netlink),
                                                       std::move(of_routers), std::move(home)},
                                   std::move(abilities), std::move(handler), std::move(log)));
}

}  // namespace

Result<std::shared_ptr<LinuxBridgeDriver>> make_linuxbridge(LinuxBridgeSettings settings,
                                                            MetadataHandler handler, Log log) {
  CLOUDOS_CHECK(check_linuxbridge(settings));
  if (settings.network_namespace.empty())
    return make_linuxbridge_here(settings, std::move(handler), std::move(log));
  const auto netns = lb::open_netns(settings.network_namespace);
  if (!netns) {
    return fail(ErrorCode::Unavailable,
                fmt::format("there is no network namespace {0}: make it by \"ip netns add {0}\"",
                            settings.network_namespace));
  }
  std::shared_ptr<LinuxBridgeDriver> driver;
  CLOUDOS_CHECK(lb::run_in_netns(netns->get(), [&]() -> Result<void> {
    CLOUDOS_TRY(driver, make_linuxbridge_here(settings, std::move(handler), std::move(log)));
    return Result<void>();
  }));
  return driver;
}

}  // namespace cloudos::network
