#include "network/linuxbridge/wires.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.hpp"
#include "network/linuxbridge/entrances.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/shaping.hpp"
#include "network/linuxbridge/sub_ports.hpp"

namespace cloudos::network::linuxbridge {
namespace {

constexpr const char* kMetadataIp = "169.254.169.254";
constexpr const char* kMetadataIp6 = "fe80::a9fe:a9fe";
constexpr std::uint16_t kMetadataPort = 80;

bool serves_inet6(const NetworkPlan& plan) {
  for (const auto& subnet : plan.subnets) {
    if (subnet.dhcp && subnet.dhcp_address.find(':') != std::string::npos) return true;
  }
  return false;
}

bool serves_dhcp(const NetworkPlan& plan) {
  if (plan.dhcp_mac.empty() || !plan.admin_up) return false;
  for (const auto& subnet : plan.subnets) {
    if (subnet.dhcp && !subnet.dhcp_address.empty()) return true;
  }
  return false;
}

/// The kernel's IPv6 in a namespace is off until a subnet needs it: addresses are ours to give.
Result<void> turn_on_inet6() {
  const std::pair<const char*, const char*> values[] = {
      {"/proc/sys/net/ipv6/conf/default/accept_ra", "0"},
      {"/proc/sys/net/ipv6/conf/default/accept_dad", "0"},
      {"/proc/sys/net/ipv6/conf/all/accept_ra", "0"},
      {"/proc/sys/net/ipv6/conf/all/disable_ipv6", "0"},
  };
  for (const auto& [path, value] : values) CLOUDOS_CHECK(write_sysctl(path, value));
  return Result<void>();
}

Failure foreign_device(const std::string& name) {
  return fail(ErrorCode::Conflict,
              "device " + name + " is on the host and not ours; rename or remove it");
}

std::vector<std::string> folder_names(const std::string& path) {
  std::vector<std::string> names;
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) return names;
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  ::closedir(folder);
  return names;
}

/// Networks whose server runs, by the command lines of all processes.
std::set<std::string> running_servers(const std::string& networks_dir) {
  std::set<std::string> found;
  const std::string before = "--pid-file=" + networks_dir + "/";
  for (const auto& name : folder_names("/proc")) {
    if (!parse_unsigned(name)) continue;
    const auto command = read_small_file("/proc/" + name + "/cmdline");
    if (!command) continue;
    for (const auto word : split(*command, '\0')) {
      if (word.substr(0, before.size()) != before) continue;
      const auto id = word.substr(before.size(), word.find('/', before.size()) - before.size());
      if (is_plain_id(id)) found.emplace(id);
    }
  }
  return found;
}

/// The first failure is what the caller hears of; the rest goes on all the same.
void keep_first(Result<void>& first, Result<void> next) {
  if (first && !next) first = std::move(next);
}

}  // namespace

LinkFinder Wires::ask_kernel() {
  return [this](const std::string& name) { return find_link(netlink_, name); };
}

Dnsmasq Wires::dnsmasq_of(const NetworkId& id) const {
  return Dnsmasq(settings_.dnsmasq, settings_.networks_dir + "/" + id.value);
}

std::vector<int> Wires::servers() const {
  std::vector<int> pids;
  for (const auto& [id, network] : networks_) {
    if (network.server) pids.push_back(*network.server);
  }
  return pids;
}

std::set<int> Wires::namespaces() const {
  std::set<int> numbers;
  for (const auto& [id, space] : namespaces_)
    if (space.number) numbers.insert(*space.number);
  return numbers;
}

void Wires::report(const std::vector<std::string>& rejected) {
  constexpr std::size_t kMost = 1'000;
  if (reported_.size() > kMost) reported_.clear();
  for (const auto& what : rejected) {
    if (reported_.insert(what).second) log_.warn("left out: " + what);
  }
}

/// By its alias; or, had we died before giving it one, by the address it was made with.
bool Wires::is_ours(const Link& link, const NetworkId& id) const {
  return link.alias == names_.alias(id.value) ||
         (link.alias.empty() && link.mac == names_.mac(id.value));
}

/// Changes only what differs: a pass that finds everything right writes nothing.
Result<void> Wires::adjust(Netlink& netlink, const Link& link, const LinkChange& wanted) {
  LinkChange change;
  if (wanted.mtu && *wanted.mtu != link.mtu) change.mtu = wanted.mtu;
  if (wanted.master && *wanted.master != link.master) change.master = wanted.master;
  if (wanted.mac && *wanted.mac != link.mac) change.mac = wanted.mac;
  if (wanted.alias && *wanted.alias != link.alias) change.alias = wanted.alias;
  if (wanted.up && *wanted.up != link.up) change.up = wanted.up;
  if (!change.mtu && !change.master && !change.mac && !change.alias && !change.up) {
    return Result<void>();
  }
  return change_link(netlink, link, change);
}

Result<Link> Wires::ensure_bridge(const NetworkPlan& plan, const LinkFinder& find) {
  if (plan.type == "flat") {
    const auto mapping = settings_.physical_bridges.find(plan.physical_network);
    if (mapping == settings_.physical_bridges.end()) {
      return fail(
          ErrorCode::Unavailable,
          fmt::format("physical network {} has no bridge on this host", plan.physical_network));
    }
    CLOUDOS_TRY(auto link, find(mapping->second));
    if (!link || link->kind != "bridge") {
      return fail(ErrorCode::Unavailable,
                  fmt::format("bridge {} of physical network {} is not there", mapping->second,
                              plan.physical_network));
    }
    return std::move(*link);
  }
  const std::string name = names_.bridge(plan.id.value);
  const std::string alias = names_.alias(plan.id.value);
  CLOUDOS_TRY(auto link, find(name));
  if (link && !is_ours(*link, plan.id)) return foreign_device(name);
  if (!link) {
    CLOUDOS_TRY(auto made, add_bridge(netlink_, name, alias, names_.mac(plan.id.value), plan.mtu));
    link = std::move(made);
  }
  CLOUDOS_CHECK(silence_inet6(netlink_, *link));
  CLOUDOS_CHECK(adjust(netlink_, *link, {.up = plan.admin_up, .mtu = plan.mtu, .alias = alias}));
  return std::move(*link);
}

Result<void> Wires::ensure_network(const NetworkPlan& plan, const LinkFinder& find) {
  if (!is_plain_id(plan.id.value))
    return fail(ErrorCode::InvalidArgument, "a network's id is not valid");
  CLOUDOS_TRY(auto bridge, ensure_bridge(plan, find));
  // Where no other host is there is nobody to tunnel to.
  const bool tunnelled = plan.type == "vxlan" && !settings_.tunnel_address.empty();
  if (tunnelled) CLOUDOS_CHECK(ensure_tunnel(plan, bridge, find));
  networks_[plan.id] = {bridge, plan.type != "flat", serves_dhcp(plan), tunnelled, {}};
  if (!serves_dhcp(plan)) return remove_dhcp(plan.id);
  return ensure_dhcp(plan, bridge, find);
}

/// The namespace, open: made when it is missing, opened anew when it was replaced behind our back.
Result<Netlink*> Wires::enter(const NetworkId& id) {
  const std::string name = names_.netns(id.value);
  auto& state = namespaces_[id];
  if (state.inside && same_netns(state.netns.get(), std::string(kNetnsFolder) + "/" + name))
    return &*state.inside;
  auto found = open_netns(name);
  metadata_.remove(id.value);  // Its sockets are of the namespace that is no more.
  metadata_.remove(id.value + " inet6");
  state = Namespace();
  if (!found) {
    CLOUDOS_CHECK(create_netns(name));
    state.fresh = true;
    found = open_netns(name);
    if (!found) return fail(ErrorCode::Unavailable, "network namespace " + name + " does not open");
  }
  std::optional<Netlink> inside;
  CLOUDOS_CHECK(run_in_netns(found->get(), [&]() -> Result<void> {
    CLOUDOS_TRY(auto opened, Netlink::open(NETLINK_ROUTE));
    // It serves one link and routes nothing; kernels without IPv6 lack the second file.
    CLOUDOS_CHECK(write_sysctl("/proc/sys/net/ipv4/ip_forward", "0"));
    if (auto off = write_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"); !off) {
      log_.debug(off.error().message);
    }
    CLOUDOS_TRY(const auto lo, find_link(opened, "lo"));
    if (lo && !lo->up) CLOUDOS_CHECK(change_link(opened, *lo, {.up = true}));
    inside = std::move(opened);
    return Result<void>();
  }));
  state.netns = std::move(*found);
  state.inside = std::move(inside);
  if (const auto number = netns_id(netlink_, state.netns.get())) state.number = *number;
  return &*state.inside;
}

Result<Link> Wires::ensure_dhcp_link(const NetworkPlan& plan, const Link& bridge, Netlink& inside,
                                     const LinkFinder& find) {
  const std::string outer_name = names_.dhcp_outer(plan.id.value);
  const std::string inner_name = names_.dhcp_inner(plan.id.value);
  const auto mac = parse_mac(plan.dhcp_mac);
  if (!mac) return fail(ErrorCode::InvalidArgument, "the DHCP port's MAC is not valid");
  CLOUDOS_TRY(auto outer, find(outer_name));
  if (outer && !is_ours(*outer, plan.id)) return foreign_device(outer_name);
  CLOUDOS_TRY(auto inner, find_link(inside, inner_name));
  if (!outer || !inner) {
    if (outer) CLOUDOS_CHECK(delete_link(netlink_, *outer));
    if (inner) CLOUDOS_CHECK(delete_link(inside, *inner));
    const int netns = namespaces_[plan.id].netns.get();
    CLOUDOS_TRY(auto made, add_veth(netlink_, outer_name, names_.alias(plan.id.value),
                                    names_.mac(plan.id.value), plan.mtu, inner_name, *mac, netns));
    outer = std::move(made);
    CLOUDOS_TRY(inner, find_link(inside, inner_name));
    if (!inner) return fail(ErrorCode::Unavailable, "device " + inner_name + " did not appear");
  }
  if (!inner->up) {  // It is put up last: who failed or died before that has to be followed up.
    const int netns = namespaces_[plan.id].netns.get();
    CLOUDOS_CHECK(run_in_netns(netns, [&] { return finish_checksums(inner_name); }));
  }
  CLOUDOS_CHECK(adjust(
      netlink_, *outer,
      {.up = true, .mtu = plan.mtu, .master = bridge.index, .alias = names_.alias(plan.id.value)}));
  CLOUDOS_CHECK(adjust(inside, *inner, {.up = true, .mtu = plan.mtu, .mac = *mac}));
  return std::move(*inner);
}

Result<void> Wires::ensure_addresses(const NetworkPlan& plan, const Link& link, Netlink& inside) {
  std::set<LinkAddress> wanted{{kMetadataIp, 32}};
  for (const auto& subnet : plan.subnets) {
    if (!subnet.dhcp || subnet.dhcp_address.empty()) continue;
    const auto address = parse_ip(subnet.dhcp_address);
    const auto cidr = parse_ip_prefix(subnet.cidr);
    if (!address || !cidr || address->v6 != cidr->v6) {
      return fail(ErrorCode::InvalidArgument, "a subnet's CIDR or DHCP address is not valid");
    }
    wanted.insert({address->address, cidr->length});
  }
  if (serves_inet6(plan)) {
    wanted.insert({kMetadataIp6, 64});
    wanted.insert({link_local_of(plan.dhcp_mac), 64});
    Namespace& space = namespaces_[plan.id];
    if (!space.inet6) CLOUDOS_CHECK(run_in_netns(space.netns.get(), turn_on_inet6));
    space.inet6 = true;
    CLOUDOS_CHECK(silence_inet6(inside, link));
  }
  CLOUDOS_TRY(const auto has, list_addresses(inside, link));
  for (const auto& address : has) {
    if (wanted.erase(address) == 0) CLOUDOS_CHECK(delete_address(inside, link, address));
  }
  for (const auto& address : wanted) CLOUDOS_CHECK(add_address(inside, link, address));
  return Result<void>();
}

/// Over IPv6 metadata is at a link-local address: who asks is told by the link-local address that
/// his MAC makes, the only one the packet filter lets him send by.
Result<void> Wires::ensure_metadata(const NetworkPlan& plan, const Link& link, int netns) {
  const std::string& key = plan.id.value;
  const std::string key6 = key + " inet6";
  if (!metadata_.serves(key)) {
    CLOUDOS_TRY(auto listener, listen_in_netns(netns, kMetadataIp, kMetadataPort));
    CLOUDOS_CHECK(metadata_.add(key, plan.id, std::move(listener)));
  }
  if (!serves_inet6(plan)) {
    metadata_.remove(key6);
    return Result<void>();
  }
  if (metadata_.serves(key6)) return Result<void>();
  CLOUDOS_TRY(auto listener, listen_in_netns(netns, kMetadataIp6, kMetadataPort, link.name));
  return metadata_.add(key6, plan.id, std::move(listener));
}

Result<void> Wires::ensure_dhcp(const NetworkPlan& plan, const Link& bridge,
                                const LinkFinder& find) {
  CLOUDOS_TRY(Netlink * inside, enter(plan.id));
  CLOUDOS_TRY(const auto link, ensure_dhcp_link(plan, bridge, *inside, find));
  CLOUDOS_CHECK(ensure_addresses(plan, link, *inside));
  const int netns = namespaces_[plan.id].netns.get();
  std::vector<std::string> rejected;
  CLOUDOS_TRY(const auto files, render_dhcp(plan, settings_.dns_domain, {link.name, link.index},
                                            rejected));
  report(rejected);
  Namespace& space = namespaces_[plan.id];
  if (::mkdir(settings_.networks_dir.c_str(), 0755) != 0 && errno != EEXIST) {
    return fail(errno == ENOSPC ? ErrorCode::StorageFull : ErrorCode::Unavailable,
                std::string("cannot make the networks' folder: ") + std::strerror(errno),
                settings_.networks_dir);
  }
  Dnsmasq server = dnsmasq_of(plan.id);
  CLOUDOS_CHECK(server.ensure(files, netns, std::exchange(space.fresh, false), space.look));
  networks_[plan.id].server = space.look ? space.look->pid : server.pid();
  return ensure_metadata(plan, link, netns);
}

Result<void> Wires::remove_dhcp(const NetworkId& id) {
  metadata_.remove(id.value);
  metadata_.remove(id.value + " inet6");
  Result<void> first;
  struct stat unused {};
  const std::string folder = settings_.networks_dir + "/" + id.value;
  if (::stat(folder.c_str(), &unused) == 0) keep_first(first, dnsmasq_of(id).remove());
  ::rmdir(settings_.networks_dir.c_str());  // Only the last one's goes.
  namespaces_.erase(id);
  const std::string name = names_.netns(id.value);
  if (open_netns(name)) keep_first(first, remove_netns(name));
  auto outer = find_link(netlink_, names_.dhcp_outer(id.value));
  if (!outer) return fail(std::move(outer).error());
  if (*outer && is_ours(**outer, id)) {
    keep_first(first, delete_link(netlink_, **outer));
  }
  return first;
}

Result<void> Wires::remove_network(const NetworkId& id) {
  if (!is_plain_id(id.value))
    return fail(ErrorCode::InvalidArgument, "a network's id is not valid");
  Result<void> first = remove_dhcp(id);
  networks_.erase(id);
  auto tunnel = find_link(netlink_, names_.tunnel(id.value));
  if (!tunnel) return fail(std::move(tunnel).error());
  if (*tunnel && is_ours(**tunnel, id)) keep_first(first, delete_link(netlink_, **tunnel));
  auto bridge = find_link(netlink_, names_.bridge(id.value));
  if (!bridge) return fail(std::move(bridge).error());
  if (*bridge && is_ours(**bridge, id)) {
    keep_first(first, delete_link(netlink_, **bridge));
  }
  return first;
}

std::optional<FilterNetwork> Wires::filter_network(const NetworkId& id) const {
  const auto found = networks_.find(id);
  if (found == networks_.end()) return std::nullopt;
  const Link& bridge = found->second.bridge;
  // A bridge's index is its own on the whole host, whatever clouds there are. A flat network shares
  // the host's zone: the host may route or translate its packets.
  const int zone = found->second.isolated ? std::max(1, bridge.index & 0xffff) : 0;
  return FilterNetwork{bridge.name, zone, found->second.isolated};
}

std::optional<Link> Wires::bridge(const NetworkId& id) const {
  const auto found = networks_.find(id);
  return found == networks_.end() ? std::nullopt : std::optional(found->second.bridge);
}

std::string Wires::tunnel(const NetworkId& id) const {
  const auto found = networks_.find(id);
  return found != networks_.end() && found->second.tunnelled ? names_.tunnel(id.value) : "";
}

std::string Wires::dhcp_link(const NetworkId& id) const {
  const auto found = networks_.find(id);
  return found != networks_.end() && found->second.dhcp ? names_.dhcp_outer(id.value) : "";
}

Result<Link> Wires::ensure_tap(const PortPlan& plan, const LinkFinder& find) {
  if (!is_device_name(plan.tap))
    return fail(ErrorCode::InvalidArgument, "a port's device name is not valid");
  if (!plan.parent_tap.empty()) return ensure_sub_device(plan, find);
  const std::string alias = names_.alias(plan.id.value);
  CLOUDOS_TRY(auto link, find(plan.tap));
  if (link && link->alias != alias) {
    // We may have died between making the tap and marking it.
    const bool half_made =
        link->alias.empty() && link->master == 0 && !link->up && link->kind == "tun";
    if (!half_made) return foreign_device(plan.tap);
  }
  if (!link) {
    CLOUDOS_CHECK(add_tap(plan.tap));
    CLOUDOS_TRY(link, find_link(netlink_, plan.tap));
    if (!link) return fail(ErrorCode::Unavailable, "device " + plan.tap + " did not appear");
  }
  CLOUDOS_CHECK(silence_inet6(netlink_, *link));
  CLOUDOS_CHECK(adjust(netlink_, *link, {.mtu = plan.mtu, .alias = alias}));
  return std::move(*link);
}

/// A pair whose far end is led to the parent's device: the near one is what a tap is to others.
Result<Link> Wires::ensure_sub_device(const PortPlan& plan, const LinkFinder& find) {
  const std::string alias = names_.alias(plan.id.value);
  const std::string far_name = names_.sub_end(plan.id.value);
  // Its parent may have been made a moment ago, and is in no listing then.
  CLOUDOS_TRY(const auto parent, find_link(netlink_, plan.parent_tap));
  if (!parent || !names_.owner(parent->alias))
    return fail(ErrorCode::Unavailable, "the parent's device of a sub-port is not on the host");
  CLOUDOS_TRY(auto near, find(plan.tap));
  CLOUDOS_TRY(auto far, find(far_name));
  if (near && near->alias != alias) return foreign_device(plan.tap);
  if (far && !far->alias.empty() && far->alias != alias) return foreign_device(far_name);
  if (!near || !far) {
    if (near) CLOUDOS_CHECK(delete_link(netlink_, *near));
    if (far) CLOUDOS_CHECK(delete_link(netlink_, *far));
    const Fd here(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    CLOUDOS_TRY(auto made, add_veth(netlink_, plan.tap, alias, names_.mac(plan.id.value), plan.mtu,
                                    far_name, names_.mac(plan.id.value + " far"), here.get()));
    near = std::move(made);
    CLOUDOS_TRY(far, find_link(netlink_, far_name));
    if (!far) return fail(ErrorCode::Unavailable, "device " + far_name + " did not appear");
  }
  CLOUDOS_CHECK(silence_inet6(netlink_, *near));
  CLOUDOS_CHECK(silence_inet6(netlink_, *far));
  CLOUDOS_CHECK(adjust(netlink_, *near, {.mtu = plan.mtu, .alias = alias}));
  CLOUDOS_CHECK(adjust(netlink_, *far, {.up = true, .mtu = plan.mtu, .alias = alias}));
  const auto known = sub_ports_.find(plan.id);
  const SubPlace place{plan.parent_tap, plan.sub_tag, far->index};
  if (known != sub_ports_.end() && known->second != place) CLOUDOS_CHECK(free_tag(known->second));
  CLOUDOS_CHECK(lead_sub_port(netlink_, *far, *parent, plan.sub_tag));
  sub_ports_[plan.id] = place;
  return std::move(*near);
}

Result<void> Wires::free_tag(const SubPlace& place) {
  CLOUDOS_TRY(const auto parent, find_link(netlink_, place.parent_tap));
  return parent ? drop_sub_port(netlink_, *parent, place.tag, place.end) : Result<void>();
}

Result<void> Wires::free_tags(const std::vector<Link>& all,
                              const std::map<PortId, PortPlan>& ports) {
  std::erase_if(sub_ports_, [&](const auto& known) { return ports.count(known.first) == 0; });
  CLOUDOS_TRY(const auto entered, devices_with_entrances(netlink_));
  if (entered.empty()) return Result<void>();
  std::set<std::string> taps;
  std::map<std::string, std::map<std::uint32_t, int>> wanted;
  for (const auto& [id, port] : ports) {
    taps.insert(port.tap);
    if (port.parent_tap.empty()) continue;
    CLOUDOS_TRY(const auto end, find_link(netlink_, names_.sub_end(id.value)));
    if (end) wanted[port.parent_tap][port.sub_tag] = end->index;
  }
  Result<void> first;
  for (const auto& link : all) {
    if (entered.count(link.index) == 0 || taps.count(link.name) == 0) continue;
    if (names_.owner(link.alias))
      keep_first(first, keep_sub_ports(netlink_, link, wanted[link.name]));
  }
  return first;
}

Result<void> Wires::attach(const PortPlan& plan, const Link& tap, bool up) {
  const auto network = networks_.find(plan.network);
  const int bridge = network == networks_.end() ? 0 : network->second.bridge.index;
  return adjust(netlink_, tap, {.up = up && bridge != 0, .master = bridge});
}

Result<void> Wires::shape_tap(const PortPlan& plan, const Link& tap) {
  return shape(netlink_, names_, plan.id, tap, plan.qos);
}

Result<void> Wires::remove_tap(const PortId& id, const std::string& tap) {
  const std::string alias = names_.alias(id.value);
  CLOUDOS_CHECK(unshape(netlink_, names_, id));
  if (const auto sub = sub_ports_.find(id); sub != sub_ports_.end()) {
    CLOUDOS_CHECK(free_tag(sub->second));
    sub_ports_.erase(sub);
  }
  if (!tap.empty()) {
    CLOUDOS_TRY(const auto link, find_link(netlink_, tap));
    if (link && link->alias == alias) return delete_link(netlink_, *link);
    return Result<void>();
  }
  CLOUDOS_TRY(const auto all, links());  // After a restart the name may not be known.
  for (const auto& link : all) {
    if (link.alias == alias) CLOUDOS_CHECK(delete_link(netlink_, link));
  }
  return Result<void>();
}

Result<void> Wires::remove_orphans(const std::vector<Link>& all,
                                   const std::set<std::string>& networks,
                                   const std::set<std::string>& ports,
                                   const std::set<std::string>& routers) {
  Result<void> first;
  for (const auto& link : all) {
    const auto owner = names_.owner(link.alias);
    // Taps go first: a bridge's deletion would leave them behind, up and in no bridge.
    if (owner && ports.count(*owner) == 0 && networks.count(*owner) == 0 && link.kind != "bridge") {
      keep_first(first, delete_link(netlink_, link));
    }
  }
  std::set<std::string> stale;
  for (const auto& link : all) {
    const auto owner = names_.owner(link.alias);
    if (owner && link.kind == "bridge" && networks.count(*owner) == 0) stale.insert(*owner);
  }
  for (const auto& [id, unused] : networks_) {
    if (networks.count(id.value) == 0) stale.insert(id.value);
  }
  for (auto& id : folder_names(settings_.networks_dir)) {
    if (networks.count(id) == 0 && is_plain_id(id)) stale.insert(std::move(id));
  }
  if (!searched_) {
    for (const auto& id : running_servers(settings_.networks_dir)) {
      if (networks.count(id) == 0) keep_first(first, dnsmasq_of(NetworkId(id)).remove());
    }
    searched_ = true;
  }
  for (const auto& id : stale) keep_first(first, remove_network(NetworkId(id)));
  std::set<std::string> wanted;
  for (const auto& id : networks) wanted.insert(names_.netns(id));
  for (const auto& id : routers) wanted.insert(names_.netns(id));
  for (const auto& name : list_netns(names_.netns_prefix())) {
    if (wanted.count(name) == 0) keep_first(first, remove_netns(name));
  }
  return first;
}

}  // namespace cloudos::network::linuxbridge
