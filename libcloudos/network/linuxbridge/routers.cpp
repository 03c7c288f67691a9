#include "network/linuxbridge/routers.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/nft.hpp"
#include "network/linuxbridge/router_rules.hpp"
#include "network/linuxbridge/routes.hpp"

namespace cloudos::network::linuxbridge {
namespace {

constexpr const char* kRouterMetadataIp = "169.254.169.254";
constexpr std::uint16_t kRouterMetadataPort = 80;

bool has_ipv6(const RouterPortPlan& leg) {
  return std::any_of(leg.addresses.begin(), leg.addresses.end(),
                     [](const auto& a) { return a.find(':') != std::string::npos; });
}

std::string metadata_key(const PortId& leg) {
  return "router " + leg.value;
}

/// A namespace of its own begins with the kernel's defaults, which are a host's.
Result<void> make_it_route() {
  const std::pair<const char*, const char*> values[] = {
      {"/proc/sys/net/ipv4/ip_forward", "1"},
      {"/proc/sys/net/ipv4/conf/all/rp_filter", "0"},
      {"/proc/sys/net/ipv4/conf/default/rp_filter", "0"},
      {"/proc/sys/net/ipv4/conf/all/arp_ignore", "1"},
      {"/proc/sys/net/ipv4/conf/all/arp_announce", "2"},
      {"/proc/sys/net/ipv4/conf/all/send_redirects", "0"},
      {"/proc/sys/net/ipv4/conf/default/send_redirects", "0"},
  };
  for (const auto& [path, value] : values) CLOUDOS_CHECK(write_sysctl(path, value));
  // Kernels without IPv6 lack these.
  const std::pair<const char*, const char*> six[] = {
      {"/proc/sys/net/ipv6/conf/all/forwarding", "1"},
      {"/proc/sys/net/ipv6/conf/default/accept_ra", "0"},
      {"/proc/sys/net/ipv6/conf/default/accept_dad", "0"},
      {"/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1"},
  };
  for (const auto& [path, value] : six)
    if (!write_sysctl(path, value)) break;
  return Result<void>();
}

/// Tells the network who has an address now (in the calling thread's namespace): a floating address
/// may have been another router's a moment ago.
void announce_address(const std::string& device, const std::string& mac,
                      const std::string& address) {
  in_addr ip{};
  if (inet_pton(AF_INET, address.c_str(), &ip) != 1) return;
  const Fd fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ARP)));
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(ETH_P_ARP);
  to.sll_ifindex = static_cast<int>(if_nametoindex(device.c_str()));
  to.sll_halen = 6;
  std::memset(to.sll_addr, 0xff, 6);
  std::string out("\x00\x01\x08\x00\x06\x04\x00\x01", 8);
  std::string own;
  for (std::size_t i = 0; i + 1 < mac.size(); i += 3)
    own += static_cast<char>(std::stoi(mac.substr(i, 2), nullptr, 16));
  const std::string four(reinterpret_cast<const char*>(&ip), 4);
  out += own + four + std::string(6, '\0') + four;
  // Lost it would be learned a little later, by asking.
  if (::sendto(fd.get(), out.data(), out.size(), 0, reinterpret_cast<const sockaddr*>(&to),
               sizeof to) < 0)
    return;
}

Result<void> change_if_needed(Netlink& netlink, const Link& link, const LinkChange& wanted) {
  LinkChange change;
  if (wanted.mtu && *wanted.mtu != link.mtu) change.mtu = wanted.mtu;
  if (wanted.master && *wanted.master != link.master) change.master = wanted.master;
  if (wanted.mac && *wanted.mac != link.mac) change.mac = wanted.mac;
  if (wanted.alias && *wanted.alias != link.alias) change.alias = wanted.alias;
  if (wanted.up && *wanted.up != link.up) change.up = wanted.up;
  const bool any = change.mtu || change.master || change.mac || change.alias || change.up;
  return any ? change_link(netlink, link, change) : Result<void>();
}

std::vector<const RouterPortPlan*> all_legs(const RouterPlan& plan) {
  std::vector<const RouterPortPlan*> legs;
  for (const auto& leg : plan.legs) legs.push_back(&leg);
  if (plan.gateway) legs.push_back(&*plan.gateway);
  return legs;
}

}  // namespace

void Routers::report(const std::vector<std::string>& rejected) {
  constexpr std::size_t kMost = 1'000;
  if (reported_.size() > kMost) reported_.clear();
  for (const auto& what : rejected)
    if (reported_.insert(what).second) log_.warn("left out: " + what);
}

Result<Routers::Space*> Routers::enter_router(const RouterId& id) {
  const std::string name = names_.netns(id.value);
  auto found = open_netns(name);
  Space& space = spaces_[id];
  if (found && space.inside &&
      same_netns(space.netns.get(), "/proc/self/fd/" + std::to_string(found->get()))) {
    return &space;
  }
  if (space.made) {  // Sockets of a namespace that is no more.
    for (const auto* leg : all_legs(*space.made)) {
      advertiser_.remove(leg->port);
      metadata_.remove(metadata_key(leg->port));
    }
  }
  space = Space();
  if (!found) {
    CLOUDOS_CHECK(create_netns(name));
    found = open_netns(name);
    if (!found) return fail(ErrorCode::Unavailable, "network namespace " + name + " does not open");
  }
  CLOUDOS_CHECK(run_in_netns(found->get(), [&]() -> Result<void> {
    CLOUDOS_TRY(auto inside, Netlink::open(NETLINK_ROUTE));
    CLOUDOS_TRY(auto nft, Nft::open());
    CLOUDOS_CHECK(make_it_route());
    CLOUDOS_TRY(const auto lo, find_link(inside, "lo"));
    if (lo && !lo->up) CLOUDOS_CHECK(change_link(inside, *lo, {.up = true}));
    // Guests reach metadata by their default route: the address is the router's own, on no leg.
    if (lo) CLOUDOS_CHECK(add_address(inside, *lo, {kRouterMetadataIp, 32}));
    space.inside = std::move(inside);
    space.filter.emplace(std::move(nft), names_.table());
    return Result<void>();
  }));
  space.netns = std::move(*found);
  if (const auto number = netns_id(netlink_, space.netns.get())) space.number = *number;
  return &space;
}

Result<Link> Routers::ensure_leg(const RouterPortPlan& leg, Space& space, const LinkFinder& find,
                                 Link& outer) {
  const std::string outer_name = leg_outer(names_, leg.port);
  const std::string inner_name = leg_inner(names_, leg.port);
  const std::string alias = names_.alias(leg.port.value);
  const auto mac = parse_mac(leg.mac);
  if (!mac || !is_plain_id(leg.port.value))
    return fail(ErrorCode::InvalidArgument, "a router's leg has no valid MAC or id");
  CLOUDOS_TRY(auto out, find(outer_name));
  const bool ours = out && (out->alias == alias ||
                            (out->alias.empty() && out->mac == names_.mac(leg.port.value)));
  if (out && !ours)
    return fail(ErrorCode::Conflict,
                "device " + outer_name + " is on the host and not ours; rename or remove it");
  CLOUDOS_TRY(auto in, find_link(*space.inside, inner_name));
  if (!out || !in) {
    if (out) CLOUDOS_CHECK(delete_link(netlink_, *out));
    if (in) CLOUDOS_CHECK(delete_link(*space.inside, *in));
    CLOUDOS_TRY(auto made, add_veth(netlink_, outer_name, alias, names_.mac(leg.port.value),
                                    leg.mtu, inner_name, *mac, space.netns.get()));
    out = std::move(made);
    CLOUDOS_TRY(in, find_link(*space.inside, inner_name));
    if (!in) return fail(ErrorCode::Unavailable, "device " + inner_name + " did not appear");
  }
  CLOUDOS_CHECK(silence_inet6(*space.inside, *in));
  CLOUDOS_CHECK(change_if_needed(netlink_, *out, {.up = true, .mtu = leg.mtu, .alias = alias}));
  CLOUDOS_CHECK(change_if_needed(*space.inside, *in, {.up = true, .mtu = leg.mtu, .mac = *mac}));
  outer = std::move(*out);
  return std::move(*in);
}

/// A device of ours in the namespace that is no leg any more; its peer goes with it.
Result<void> Routers::drop_other_legs(const RouterPlan& plan, Space& space) {
  std::set<std::string> wanted;
  for (const auto* leg : all_legs(plan)) wanted.insert(leg_inner(names_, leg->port));
  CLOUDOS_TRY(const auto links, list_links(*space.inside));
  if (space.made) {
    for (const auto* leg : all_legs(*space.made)) {
      if (wanted.count(leg_inner(names_, leg->port)) > 0) continue;
      advertiser_.remove(leg->port);
      metadata_.remove(metadata_key(leg->port));
    }
  }
  for (const auto& link : links) {
    if (!link.name.starts_with("clq") || wanted.count(link.name) > 0) continue;
    CLOUDOS_CHECK(delete_link(*space.inside, link));
  }
  return Result<void>();
}

/// Returns the addresses that are new here.
Result<std::vector<std::string>> Routers::ensure_leg_addresses(
    const RouterPortPlan& leg, const std::vector<std::string>& floating, const Link& link,
    Space& space) {
  std::set<LinkAddress> wanted;
  for (const auto& text : leg.addresses) {
    const auto ip = parse_ip_prefix(text);
    if (!ip) return fail(ErrorCode::InvalidArgument, "a router's address is not valid");
    wanted.insert({ip->address, ip->length});
  }
  for (const auto& address : floating) wanted.insert({address, 32});
  if (has_ipv6(leg)) wanted.insert({link_local_of(leg.mac), 64});
  CLOUDOS_TRY(const auto has, list_addresses(*space.inside, link));
  for (const auto& address : has)
    if (wanted.erase(address) == 0) CLOUDOS_CHECK(delete_address(*space.inside, link, address));
  std::vector<std::string> fresh;
  for (const auto& address : wanted) {
    CLOUDOS_CHECK(add_address(*space.inside, link, address));
    fresh.push_back(address.address);
  }
  return fresh;
}

Result<void> Routers::ensure_routes(const RouterPlan& plan, const std::map<PortId, Link>& legs,
                                    Space& space) {
  std::vector<std::string> rejected;
  std::set<Route> wanted;
  for (const auto& route : planned_routes(plan, rejected)) {
    const auto leg = legs.find(route.leg);
    if (leg != legs.end()) wanted.insert({route.destination, route.via, leg->second.index});
  }
  report(rejected);
  CLOUDOS_TRY(const auto has, list_routes(*space.inside));
  for (const auto& route : has)
    if (wanted.erase(route) == 0) CLOUDOS_CHECK(delete_route(*space.inside, route));
  for (const auto& route : wanted) CLOUDOS_CHECK(add_route(*space.inside, route));
  return Result<void>();
}

/// Advertisements and metadata on the inner legs.
Result<void> Routers::ensure_services(const RouterPlan& plan, const std::map<PortId, Link>& legs,
                                      Space& space) {
  for (const auto& leg : plan.legs) {
    const Link& link = legs.at(leg.port);
    std::vector<RouterPlan::Advertise> prefixes;
    for (const auto& one : plan.advertise)
      if (one.network == leg.network) prefixes.push_back(one);
    const std::string message = advertisement(prefixes, leg.mac);
    const int netns = space.netns.get();
    if (message.empty()) {
      advertiser_.remove(leg.port);
    } else {
      CLOUDOS_CHECK(advertiser_.set(leg.port, link.index, message,
                                    [&] { return open_advertising(netns, link.name); }));
    }
    const std::string key = metadata_key(leg.port);
    if (metadata_.serves(key)) continue;
    CLOUDOS_TRY(auto listener,
                listen_in_netns(netns, kRouterMetadataIp, kRouterMetadataPort, link.name));
    CLOUDOS_CHECK(metadata_.add(key, leg.network, std::move(listener)));
  }
  return Result<void>();
}

/// Connections by a floating address that leads elsewhere now are over.
Result<void> Routers::forget_translations(const RouterPlan& plan, Space& space) {
  if (!space.made || !space.filter) return Result<void>();
  std::set<FlowOwner> owners;
  for (const auto& was : space.made->floating) {
    const bool stays = std::any_of(plan.floating.begin(), plan.floating.end(),
                                   [&](const auto& now) { return now == was; });
    if (!stays) owners.insert({0, was.floating});
  }
  for (const auto& was : space.made->forwards) {
    const bool stays = std::any_of(plan.forwards.begin(), plan.forwards.end(),
                                   [&](const auto& now) { return now == was; });
    if (!stays) owners.insert({0, was.floating});
  }
  return space.filter->forget_flows(owners);
}

Result<void> Routers::ensure(const RouterPlan& plan, const Bridges& bridges,
                             const LinkFinder& find) {
  if (!is_plain_id(plan.id.value))
    return fail(ErrorCode::InvalidArgument, "a router's id is not valid");
  if (!plan.admin_up) return remove(plan.id);
  CLOUDOS_TRY(Space * space, enter_router(plan.id));
  CLOUDOS_CHECK(drop_other_legs(plan, *space));
  std::map<PortId, Link> inner;
  std::map<PortId, Link> outer;
  for (const auto* leg : all_legs(plan)) {
    CLOUDOS_TRY(auto link, ensure_leg(*leg, *space, find, outer[leg->port]));
    inner.emplace(leg->port, std::move(link));
  }
  std::vector<std::string> rejected;
  CLOUDOS_CHECK(space->filter->verify(router_ruleset(names_, plan, rejected)));
  report(rejected);
  CLOUDOS_CHECK(forget_translations(plan, *space));
  const auto floating = floating_addresses(plan);
  std::map<PortId, std::vector<std::string>> fresh;
  for (const auto* leg : all_legs(plan)) {
    const bool gateway = plan.gateway && leg == &*plan.gateway;
    CLOUDOS_TRY(fresh[leg->port],
                ensure_leg_addresses(*leg, gateway ? floating : std::vector<std::string>{},
                                     inner.at(leg->port), *space));
  }
  CLOUDOS_CHECK(ensure_routes(plan, inner, *space));
  // Into its networks only now that it is whole.
  for (const auto* leg : all_legs(plan)) {
    const auto bridge = bridges(leg->network);
    if (!bridge)
      return fail(ErrorCode::Unavailable,
                  fmt::format("network {} of the router is not on the host", leg->network.value));
    CLOUDOS_CHECK(change_if_needed(netlink_, outer.at(leg->port), {.master = bridge->index}));
  }
  space->made = plan;  // From here on there are sockets that remove() has to know of.
  CLOUDOS_CHECK(ensure_services(plan, inner, *space));
  const bool any =
      std::any_of(fresh.begin(), fresh.end(), [](const auto& leg) { return !leg.second.empty(); });
  if (any) {
    CLOUDOS_CHECK(run_in_netns(space->netns.get(), [&]() -> Result<void> {
      for (const auto* leg : all_legs(plan))
        for (const auto& address : fresh[leg->port])
          announce_address(inner.at(leg->port).name, leg->mac, address);
      return Result<void>();
    }));
  }
  return Result<void>();
}

Result<void> Routers::remove(const RouterId& id) {
  const auto space = spaces_.find(id);
  Result<void> first;
  if (space != spaces_.end() && space->second.made) {
    for (const auto* leg : all_legs(*space->second.made)) {
      advertiser_.remove(leg->port);
      metadata_.remove(metadata_key(leg->port));
      auto outer = find_link(netlink_, leg_outer(names_, leg->port));
      if (!outer) {
        first = fail(std::move(outer).error());
      } else if (*outer && (*outer)->alias == names_.alias(leg->port.value)) {
        if (auto gone = delete_link(netlink_, **outer); !gone && first) first = std::move(gone);
      }
    }
  }
  spaces_.erase(id);
  const std::string name = names_.netns(id.value);
  if (!open_netns(name)) return first;
  auto gone = remove_netns(name);
  return first ? std::move(gone) : std::move(first);
}

Result<void> Routers::keep_only(const std::set<RouterId>& routers) {
  std::vector<RouterId> stale;
  for (const auto& [id, unused] : spaces_)
    if (routers.count(id) == 0) stale.push_back(id);
  Result<void> first;
  for (const auto& id : stale)
    if (auto gone = remove(id); !gone && first) first = std::move(gone);
  return first;
}

std::set<int> Routers::namespaces() const {
  std::set<int> numbers;
  for (const auto& [id, space] : spaces_)
    if (space.number) numbers.insert(*space.number);
  return numbers;
}

}  // namespace cloudos::network::linuxbridge
