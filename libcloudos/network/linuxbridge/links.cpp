#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
// After the C library's headers: the kernel's give way to them.
#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netlink.hpp"

namespace cloudos::network::linuxbridge {
namespace {

Failure link_failed(std::string_view what, std::string_view name, int error) {
  return fail(ErrorCode::Unavailable,
              fmt::format("{} {} failed: {}", what, name, std::strerror(error)));
}

std::array<unsigned char, 6> mac_bytes(const std::string& text) {
  std::array<unsigned, 6> b{};
  std::array<unsigned char, 6> out{};
  if (std::sscanf(text.c_str(), "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) ==
      6) {
    for (std::size_t i = 0; i < 6; ++i) out[i] = static_cast<unsigned char>(b[i]);
  }
  return out;
}

std::optional<std::uint8_t> read_inet6_mode(const char* data, std::size_t size) {
  std::optional<std::uint8_t> mode;
  each_attr(data, size, [&](std::uint16_t family, const char* inner, std::size_t inner_size) {
    if (family != AF_INET6) return;
    each_attr(inner, inner_size, [&](std::uint16_t type, const char* value, std::size_t n) {
      if (type == IFLA_INET6_ADDR_GEN_MODE && n >= 1) mode = static_cast<std::uint8_t>(*value);
    });
  });
  return mode;
}

std::string text_of(const char* data, std::size_t size) {
  return std::string(data, strnlen(data, size));
}

template <class T>
T number_of(const char* data, std::size_t size) {
  T value{};
  if (size >= sizeof value) std::memcpy(&value, data, sizeof value);
  return value;
}

Link read_link(const nlmsghdr& message) {
  Link link;
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  link.index = info->ifi_index;
  link.up = (info->ifi_flags & IFF_UP) != 0;
  const auto* attrs = reinterpret_cast<const char*>(info) + NLMSG_ALIGN(sizeof *info);
  const std::size_t size = message.nlmsg_len - NLMSG_LENGTH(sizeof *info);
  each_attr(attrs, size, [&](std::uint16_t type, const char* data, std::size_t n) {
    switch (type) {
      case IFLA_IFNAME:
        link.name = text_of(data, n);
        break;
      case IFLA_IFALIAS:
        link.alias = text_of(data, n);
        break;
      case IFLA_QDISC:
        link.queue = text_of(data, n);
        break;
      case IFLA_MASTER:
        link.master = number_of<int>(data, n);
        break;
      case IFLA_MTU:
        link.mtu = number_of<std::uint32_t>(data, n);
        break;
      case IFLA_ADDRESS:
        if (n == 6) {
          const auto* b = reinterpret_cast<const unsigned char*>(data);
          link.mac = fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2],
                                 b[3], b[4], b[5]);
        }
        break;
      case IFLA_LINKINFO:
        each_attr(data, n, [&](std::uint16_t inner, const char* value, std::size_t m) {
          if (inner == IFLA_INFO_KIND) link.kind = text_of(value, m);
        });
        break;
      case IFLA_AF_SPEC:
        link.inet6_mode = read_inet6_mode(data, n);
        break;
      default:
        break;
    }
  });
  return link;
}

/// The kernel takes no alias while it makes a link, so that comes second.
Result<Link> added_link(Netlink& netlink, const std::string& name, const std::string& alias) {
  CLOUDOS_TRY(auto link, find_link(netlink, name));
  if (!link) return fail(ErrorCode::Unavailable, "device " + name + " vanished while it was made");
  CLOUDOS_CHECK(change_link(netlink, *link, {.alias = alias}));
  link->alias = alias;
  CLOUDOS_CHECK(silence_inet6(netlink, *link));
  return std::move(*link);
}

NetlinkMessage address_message(std::uint16_t type, std::uint16_t flags, const Link& link,
                               const LinkAddress& address) {
  NetlinkMessage message(type, flags);
  const bool v6 = address.address.find(':') != std::string::npos;
  ifaddrmsg head{};
  head.ifa_family = v6 ? AF_INET6 : AF_INET;
  head.ifa_prefixlen = static_cast<std::uint8_t>(address.length);
  head.ifa_index = static_cast<unsigned>(link.index);
  // Who has which address is in our records: asking the link for it would only take time.
  if (v6) head.ifa_flags = IFA_F_NODAD;
  message.header(head);
  std::array<unsigned char, 16> raw{};
  inet_pton(head.ifa_family, address.address.c_str(), raw.data());
  const std::size_t size = v6 ? 16 : 4;
  message.attr(IFA_LOCAL, raw.data(), size);
  message.attr(IFA_ADDRESS, raw.data(), size);
  return message;
}

/// Of an IPv4 address the local end, which a point-to-point link has beside the other's.
std::optional<LinkAddress> read_address(const nlmsghdr& message, int link) {
  const auto* info = static_cast<const ifaddrmsg*>(NLMSG_DATA(&message));
  if (static_cast<int>(info->ifa_index) != link) return std::nullopt;
  const std::uint16_t wanted = info->ifa_family == AF_INET ? IFA_LOCAL : IFA_ADDRESS;
  const std::size_t bytes = info->ifa_family == AF_INET ? 4 : 16;
  std::optional<LinkAddress> found;
  const auto* attrs = reinterpret_cast<const char*>(info) + NLMSG_ALIGN(sizeof *info);
  each_attr(attrs, message.nlmsg_len - NLMSG_LENGTH(sizeof *info),
            [&](std::uint16_t type, const char* data, std::size_t n) {
              if (type != wanted || n != bytes) return;
              std::array<char, INET6_ADDRSTRLEN> text{};
              inet_ntop(info->ifa_family, data, text.data(), text.size());
              found = LinkAddress{text.data(), info->ifa_prefixlen};
            });
  return found;
}

}  // namespace

Result<std::vector<Link>> list_links(Netlink& netlink) {
  NetlinkMessage message(RTM_GETLINK, NLM_F_DUMP);
  message.header(ifinfomsg{});
  std::vector<Link> links;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type == RTM_NEWLINK) links.push_back(read_link(answer));
  });
  if (error != 0) return link_failed("listing", "network devices", error);
  return links;
}

Result<std::optional<Link>> find_link(Netlink& netlink, const std::string& name) {
  NetlinkMessage message(RTM_GETLINK, 0);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, name);
  std::optional<Link> found;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type == RTM_NEWLINK) found = read_link(answer);
  });
  if (error != 0 && error != ENODEV) return link_failed("looking for device", name, error);
  return found;
}

Result<Link> add_bridge(Netlink& netlink, const std::string& name, const std::string& alias,
                        const std::string& mac, std::uint32_t mtu) {
  NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, name);
  message.attr_u32(IFLA_MTU, mtu);
  const auto raw = mac_bytes(mac);
  message.attr(IFLA_ADDRESS, raw.data(), raw.size());
  const auto info = message.begin(IFLA_LINKINFO);
  message.attr(IFLA_INFO_KIND, "bridge");
  const auto data = message.begin(IFLA_INFO_DATA);
  message.attr_u32(IFLA_BR_FORWARD_DELAY, 0);
  message.attr_u32(IFLA_BR_STP_STATE, 0);
  message.attr_u8(IFLA_BR_MCAST_SNOOPING, 0);  // No querier lives here: snooping would lose frames.
  message.end(data);
  message.end(info);
  if (const int error = netlink.execute(message); error != 0) {
    return link_failed("making bridge", name, error);
  }
  return added_link(netlink, name, alias);
}

Result<Link> add_veth(Netlink& netlink, const std::string& name, const std::string& alias,
                      const std::string& mac, std::uint32_t mtu, const std::string& peer_name,
                      const std::string& peer_mac, int peer_netns) {
  NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, name);
  const auto own = mac_bytes(mac);
  message.attr(IFLA_ADDRESS, own.data(), own.size());
  message.attr_u32(IFLA_MTU, mtu);
  const auto info = message.begin(IFLA_LINKINFO);
  message.attr(IFLA_INFO_KIND, "veth");
  const auto data = message.begin(IFLA_INFO_DATA);
  const auto peer = message.begin(VETH_INFO_PEER);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, peer_name);
  message.attr_u32(IFLA_MTU, mtu);
  const auto raw = mac_bytes(peer_mac);
  message.attr(IFLA_ADDRESS, raw.data(), raw.size());
  message.attr_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(peer_netns));
  message.end(peer);
  message.end(data);
  message.end(info);
  if (const int error = netlink.execute(message); error != 0) {
    return link_failed("making link", name, error);
  }
  return added_link(netlink, name, alias);
}

Result<Link> add_vxlan(Netlink& netlink, const std::string& name, const std::string& alias,
                       const std::string& mac, std::uint32_t mtu, std::uint32_t vni,
                       const std::string& local_address) {
  constexpr std::uint16_t kPort = 4789;
  NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, name);
  const auto raw = mac_bytes(mac);
  message.attr(IFLA_ADDRESS, raw.data(), raw.size());
  message.attr_u32(IFLA_MTU, mtu);
  const auto info = message.begin(IFLA_LINKINFO);
  message.attr(IFLA_INFO_KIND, "vxlan");
  const auto data = message.begin(IFLA_INFO_DATA);
  message.attr_u32(IFLA_VXLAN_ID, vni);
  message.attr_u8(IFLA_VXLAN_LEARNING, 0);
  const std::uint16_t port = htons(kPort);
  message.attr(IFLA_VXLAN_PORT, &port, sizeof port);
  std::array<unsigned char, 16> local{};
  const bool v6 = local_address.find(':') != std::string::npos;
  inet_pton(v6 ? AF_INET6 : AF_INET, local_address.c_str(), local.data());
  message.attr(v6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, local.data(), v6 ? 16 : 4);
  message.end(data);
  message.end(info);
  if (const int error = netlink.execute(message); error != 0) {
    if (error != EEXIST) return link_failed("making tunnel", name, error);
    return fail(ErrorCode::Conflict,
                fmt::format("VNI {} is taken on the host by a device that is not ours", vni));
  }
  return added_link(netlink, name, alias);
}

Result<Link> add_ifb(Netlink& netlink, const std::string& name, const std::string& alias) {
  NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, name);
  const auto info = message.begin(IFLA_LINKINFO);
  message.attr(IFLA_INFO_KIND, "ifb");
  message.end(info);
  if (const int error = netlink.execute(message); error != 0) {
    return link_failed("making device", name, error);
  }
  return added_link(netlink, name, alias);
}

Result<void> change_link(Netlink& netlink, const Link& link, const LinkChange& change) {
  NetlinkMessage message(RTM_NEWLINK, 0);
  ifinfomsg head{};
  head.ifi_index = link.index;
  if (change.up) {
    head.ifi_change = IFF_UP;
    head.ifi_flags = *change.up ? static_cast<unsigned>(IFF_UP) : 0U;
  }
  message.header(head);
  if (change.mtu) message.attr_u32(IFLA_MTU, *change.mtu);
  if (change.master) message.attr_u32(IFLA_MASTER, static_cast<std::uint32_t>(*change.master));
  if (change.alias) message.attr(IFLA_IFALIAS, change.alias->data(), change.alias->size());
  if (change.mac) {
    const auto raw = mac_bytes(*change.mac);
    message.attr(IFLA_ADDRESS, raw.data(), raw.size());
  }
  if (const int error = netlink.execute(message); error != 0) {
    return link_failed("changing device", link.name, error);
  }
  return Result<void>();
}

Result<void> silence_inet6(Netlink& netlink, const Link& link) {
  constexpr std::uint8_t kNoAddress = 1;  // IN6_ADDR_GEN_MODE_NONE
  if (!link.inet6_mode || *link.inet6_mode == kNoAddress) return Result<void>();
  NetlinkMessage message(RTM_SETLINK, 0);
  ifinfomsg head{};
  head.ifi_index = link.index;
  message.header(head);
  const auto spec = message.begin(IFLA_AF_SPEC);
  const auto family = message.begin(AF_INET6);
  message.attr_u8(IFLA_INET6_ADDR_GEN_MODE, kNoAddress);
  message.end(family);
  message.end(spec);
  const int error = netlink.execute(message);
  if (error != 0 && error != EAFNOSUPPORT && error != EOPNOTSUPP) {
    return link_failed("turning IPv6 addresses off on", link.name, error);
  }
  return Result<void>();
}

Result<void> delete_link(Netlink& netlink, const Link& link) {
  NetlinkMessage message(RTM_DELLINK, 0);
  ifinfomsg head{};
  head.ifi_index = link.index;
  message.header(head);
  const int error = netlink.execute(message);
  if (error != 0 && error != ENODEV) return link_failed("deleting device", link.name, error);
  return Result<void>();
}

Result<void> add_address(Netlink& netlink, const Link& link, const LinkAddress& address) {
  auto message = address_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link, address);
  const int error = netlink.execute(message);
  if (error != 0 && error != EEXIST) {
    return link_failed("adding address " + address.address + " to", link.name, error);
  }
  return Result<void>();
}

Result<void> delete_address(Netlink& netlink, const Link& link, const LinkAddress& address) {
  auto message = address_message(RTM_DELADDR, 0, link, address);
  const int error = netlink.execute(message);
  if (error != 0 && error != EADDRNOTAVAIL) {
    return link_failed("removing address " + address.address + " from", link.name, error);
  }
  return Result<void>();
}

Result<std::vector<LinkAddress>> list_addresses(Netlink& netlink, const Link& link) {
  NetlinkMessage message(RTM_GETADDR, NLM_F_DUMP);
  message.header(ifaddrmsg{});
  std::vector<LinkAddress> found;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type != RTM_NEWADDR) return;
    if (auto address = read_address(answer, link.index)) found.push_back(std::move(*address));
  });
  if (error != 0) return link_failed("listing addresses of", link.name, error);
  return found;
}

Result<void> add_tap(const std::string& name) {
  const Fd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!tun.valid()) {
    return fail(ErrorCode::Unavailable, "cannot open /dev/net/tun", std::strerror(errno));
  }
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
  if (::ioctl(tun.get(), TUNSETIFF, &request) != 0) return link_failed("making tap", name, errno);
  if (::ioctl(tun.get(), TUNSETOWNER, 0UL) != 0 || ::ioctl(tun.get(), TUNSETPERSIST, 1UL) != 0) {
    return link_failed("keeping tap", name, errno);
  }
  return Result<void>();
}

Result<void> finish_checksums(const std::string& name) {
  const Fd handle(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_value value{};
  value.cmd = ETHTOOL_STXCSUM;
  value.data = 0;
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (!handle.valid() || ::ioctl(handle.get(), SIOCETHTOOL, &request) != 0) {
    return link_failed("setting checksums of", name, errno);
  }
  return Result<void>();
}

}  // namespace cloudos::network::linuxbridge
