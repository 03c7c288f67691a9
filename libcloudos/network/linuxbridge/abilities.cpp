#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/nft.hpp"
#include "network/linuxbridge/platform.hpp"
#include "network/linuxbridge/shaping.hpp"
#include "network/linuxbridge/sub_ports.hpp"

/// What a host can do is found by doing it, once, with devices made for the purpose.
namespace cloudos::network::linuxbridge {
namespace {

/// Whether the kernel makes a device of a kind; it is deleted again. Returns 0 or errno.
int try_vlan(Netlink& netlink, const Link& under, const std::string& name) {
  NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, name);
  message.attr_u32(IFLA_LINK, static_cast<std::uint32_t>(under.index));
  const auto info = message.begin(IFLA_LINKINFO);
  message.attr(IFLA_INFO_KIND, "vlan");
  const auto data = message.begin(IFLA_INFO_DATA);
  const std::uint16_t tag = 1;
  message.attr(IFLA_VLAN_ID, &tag, sizeof tag);
  message.end(data);
  message.end(info);
  return netlink.execute(message);
}

Ability ability(std::string name, const Result<void>& tried) {
  if (tried) return {std::move(name), true, {}};
  return {std::move(name), false, tried.error().message};
}

/// The namespace of a router: a trial of what only such a one needs.
Result<void> try_router(const Names& names) {
  const std::string name = names.netns("ability");
  CLOUDOS_CHECK(create_netns(name));
  const auto opened = open_netns(name);
  auto tried = opened ? run_in_netns(opened->get(),
                                     [&]() -> Result<void> {
                                       CLOUDOS_TRY(auto nft, Nft::open());
                                       return nft.run(
                                           "add table inet trial\n"
                                           "add map inet trial m { type ipv4_addr : ipv4_addr; }\n"
                                           "add chain inet trial c { type nat hook prerouting "
                                           "priority -100; }\n"
                                           "add rule inet trial c dnat ip to ip daddr map @m\n");
                                     })
                      : Result<void>(fail(ErrorCode::Unavailable, "no network namespace"));
  CLOUDOS_CHECK(remove_netns(name));
  return tried;
}

Result<void> try_shaping(Netlink& netlink, const Names& names, const Link& device) {
  QosPlan qos;
  qos.egress_kbps = qos.ingress_kbps = 1'000;
  const PortId port("ability");
  auto tried = shape(netlink, names, port, device, qos);
  CLOUDOS_CHECK(unshape(netlink, names, port));
  return tried;
}

Result<void> try_trunk(Netlink& netlink, const Names& names, const Link& device) {
  CLOUDOS_TRY(const auto left, find_link(netlink, names.sub_end("ability")));
  if (left) CLOUDOS_CHECK(delete_link(netlink, *left));
  CLOUDOS_TRY(const auto other, add_ifb(netlink, names.sub_end("ability"), names.alias("ability")));
  auto tried = try_sub_ports(netlink, device, other);
  CLOUDOS_CHECK(delete_link(netlink, other));
  return tried;
}

}  // namespace

Result<std::vector<Ability>> probe_abilities(Netlink& netlink,
                                             const LinuxBridgeSettings& settings) {
  const Names names(settings.folder_id, settings.shared_machine ? settings.host : "");
  std::vector<Ability> out{{"type:local", true, {}}, {"type:flat", true, {}}};
  if (settings.physical_bridges.empty())
    out.back() = {"type:flat", false, "no physical network is mapped to a bridge"};
  const std::string base = names.bridge("ability");
  CLOUDOS_TRY(const auto left, find_link(netlink, base));
  if (left) CLOUDOS_CHECK(delete_link(netlink, *left));
  CLOUDOS_TRY(const auto bridge,
              add_bridge(netlink, base, names.alias("ability"), names.mac("ability"), 1500));
  const std::string other = names.tunnel("ability");
  if (settings.tunnel_address.empty()) {
    const bool only = settings.host.empty();
    out.push_back({"type:vxlan", only, only ? "" : "this host has no tunnel address"});
  } else {
    // A VNI that no network gets.
    const auto made = add_vxlan(netlink, other, names.alias("ability"), names.mac("ability"), 1450,
                                0xffffff, settings.tunnel_address);
    if (made) CLOUDOS_CHECK(delete_link(netlink, *made));
    out.push_back(ability("type:vxlan", made ? Result<void>() : Result<void>(fail(made.error()))));
  }
  const int vlan = try_vlan(netlink, bridge, other);
  CLOUDOS_TRY(const auto tagged, find_link(netlink, other));
  if (tagged) CLOUDOS_CHECK(delete_link(netlink, *tagged));
  const std::string no_vlan =
      fmt::format("this kernel has no VLAN devices ({})", std::strerror(vlan));
  // Networks by tags are left to a driver with a switch of its own.
  out.push_back({"type:vlan", false,
                 vlan != 0 ? no_vlan : "the Linux bridge driver has no networks by tags"});
  out.push_back(ability("trunk", try_trunk(netlink, names, bridge)));
  out.push_back(ability("qos", try_shaping(netlink, names, bridge)));
  CLOUDOS_CHECK(delete_link(netlink, bridge));
  out.push_back(ability("router", try_router(names)));
  // A router counts what labels name, by counters in its own packet filter.
  Ability counts = out.back();
  counts.name = "metering";
  out.push_back(std::move(counts));
  const bool inet6 = ::access("/proc/sys/net/ipv6", F_OK) == 0;
  out.push_back({"ipv6", inet6, inet6 ? "" : "this kernel has no IPv6"});
  out.push_back({"dhcp", true, {}});
  out.push_back({"metadata", true, {}});
  out.push_back({"security_groups", true, {}});
  return out;
}

}  // namespace cloudos::network::linuxbridge
