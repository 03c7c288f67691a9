#include "network/linuxbridge/routes.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
// After the C library's headers: the kernel's give way to them.
#include <fmt/format.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "network/linuxbridge/names.hpp"

namespace cloudos::network::linuxbridge {
namespace {

Failure route_failed(std::string_view what, std::string_view of, int error) {
  return fail(ErrorCode::Unavailable,
              fmt::format("{} {} failed: {}", what, of, std::strerror(error)));
}

/// 4 or 16 bytes, as many as the address has.
std::string raw_address(const std::string& text) {
  std::array<char, 16> raw{};
  const bool v6 = text.find(':') != std::string::npos;
  if (inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), raw.data()) != 1) return {};
  return std::string(raw.data(), v6 ? 16 : 4);
}

std::string address_text(const char* data, std::size_t size) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (size != 4 && size != 16) return {};
  inet_ntop(size == 4 ? AF_INET : AF_INET6, data, text.data(), text.size());
  return text.data();
}

std::string raw_mac(const std::string& text) {
  std::array<unsigned, 6> b{};
  std::string out(6, '\0');
  if (std::sscanf(text.c_str(), "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) ==
      6) {
    for (std::size_t i = 0; i < 6; ++i) out[i] = static_cast<char>(b[i]);
  }
  return out;
}

std::string mac_text(const char* data) {
  const auto* b = reinterpret_cast<const unsigned char*>(data);
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2], b[3], b[4],
                     b[5]);
}

std::optional<Route> read_route(const nlmsghdr& message) {
  const auto* info = static_cast<const rtmsg*>(NLMSG_DATA(&message));
  const bool v6 = info->rtm_family == AF_INET6;
  if (info->rtm_type != RTN_UNICAST || info->rtm_table != RT_TABLE_MAIN ||
      info->rtm_protocol == RTPROT_KERNEL || (info->rtm_flags & RTM_F_CLONED) != 0) {
    return std::nullopt;
  }
  Route route;
  std::string to = v6 ? "::" : "0.0.0.0";
  const auto* attrs = reinterpret_cast<const char*>(info) + NLMSG_ALIGN(sizeof *info);
  each_attr(attrs, message.nlmsg_len - NLMSG_LENGTH(sizeof *info),
            [&](std::uint16_t type, const char* data, std::size_t n) {
              if (type == RTA_DST) to = address_text(data, n);
              if (type == RTA_GATEWAY) route.via = address_text(data, n);
              if (type == RTA_OIF && n >= sizeof route.link)
                std::memcpy(&route.link, data, sizeof route.link);
            });
  route.destination = fmt::format("{}/{}", to, info->rtm_dst_len);
  return route;
}

NetlinkMessage route_message(std::uint16_t type, std::uint16_t flags, const Route& route,
                             const IpPrefix& to) {
  NetlinkMessage message(type, flags);
  rtmsg head{};
  head.rtm_family = to.v6 ? AF_INET6 : AF_INET;
  head.rtm_dst_len = static_cast<std::uint8_t>(to.length);
  head.rtm_table = RT_TABLE_MAIN;
  head.rtm_protocol = RTPROT_STATIC;
  head.rtm_scope = RT_SCOPE_UNIVERSE;
  head.rtm_type = RTN_UNICAST;
  if (!route.via.empty()) head.rtm_flags = RTNH_F_ONLINK;
  message.header(head);
  const std::string raw = raw_address(to.network);
  if (to.length > 0) message.attr(RTA_DST, raw.data(), raw.size());
  const std::string via = raw_address(route.via);
  if (!via.empty()) message.attr(RTA_GATEWAY, via.data(), via.size());
  message.attr_u32(RTA_OIF, static_cast<std::uint32_t>(route.link));
  return message;
}

NetlinkMessage neighbour_message(std::uint16_t type, std::uint16_t flags, const Link& link,
                                 std::uint8_t family, std::uint8_t how, const std::string& mac) {
  NetlinkMessage message(type, flags);
  ndmsg head{};
  head.ndm_family = family;
  head.ndm_ifindex = link.index;
  head.ndm_state = NUD_PERMANENT;
  head.ndm_flags = how;
  message.header(head);
  const std::string raw = raw_mac(mac);
  message.attr(NDA_LLADDR, raw.data(), raw.size());
  return message;
}

struct NeighbourEntry {
  ndmsg head{};
  std::string address, mac;
};

Result<std::vector<NeighbourEntry>> list_entries(Netlink& netlink, const Link& link,
                                                 std::uint8_t family) {
  NetlinkMessage message(RTM_GETNEIGH, NLM_F_DUMP);
  ndmsg head{};
  head.ndm_family = family;
  message.header(head);
  std::vector<NeighbourEntry> found;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type != RTM_NEWNEIGH) return;
    NeighbourEntry entry;
    std::memcpy(&entry.head, NLMSG_DATA(&answer), sizeof entry.head);
    if (entry.head.ndm_ifindex != link.index) return;
    const auto* attrs = static_cast<const char*>(NLMSG_DATA(&answer)) + NLMSG_ALIGN(sizeof(ndmsg));
    each_attr(attrs, answer.nlmsg_len - NLMSG_LENGTH(sizeof(ndmsg)),
              [&](std::uint16_t type, const char* data, std::size_t n) {
                if (type == NDA_LLADDR && n == 6) entry.mac = mac_text(data);
                if (type == NDA_DST) entry.address = address_text(data, n);
              });
    found.push_back(std::move(entry));
  });
  if (error != 0) return route_failed("listing neighbours of", link.name, error);
  return found;
}

/// A MAC behind a tunnel is known to the tunnel, and to the bridge as behind its port.
Result<void> change_forward(Netlink& netlink, const Link& tunnel, const Forward& forward,
                            bool add) {
  const auto type = static_cast<std::uint16_t>(add ? RTM_NEWNEIGH : RTM_DELNEIGH);
  const bool flood = forward.mac == "00:00:00:00:00:00";
  const auto flags =
      static_cast<std::uint16_t>(add ? NLM_F_CREATE | (flood ? NLM_F_APPEND : NLM_F_REPLACE) : 0);
  auto message = neighbour_message(type, flags, tunnel, AF_BRIDGE, NTF_SELF, forward.mac);
  const std::string raw = raw_address(forward.remote);
  message.attr(NDA_DST, raw.data(), raw.size());
  int error = netlink.execute(message);
  if (error == (add ? EEXIST : ENOENT)) error = 0;
  if (error == 0 && !flood) {
    auto master =
        neighbour_message(type, static_cast<std::uint16_t>(add ? NLM_F_CREATE | NLM_F_REPLACE : 0),
                          tunnel, AF_BRIDGE, NTF_MASTER, forward.mac);
    // Static, not permanent: a permanent entry is the bridge's own address.
    ndmsg head{};
    std::memcpy(&head, master.bytes().data() + NLMSG_HDRLEN, sizeof head);
    head.ndm_state = NUD_NOARP;
    std::memcpy(master.bytes().data() + NLMSG_HDRLEN, &head, sizeof head);
    error = netlink.execute(master);
    if (!add && error == ENOENT) error = 0;
  }
  if (error != 0) return route_failed("forwarding " + forward.mac + " by", tunnel.name, error);
  return Result<void>();
}

Result<void> change_neighbour(Netlink& netlink, const Link& link, const Neighbour& neighbour,
                              bool add) {
  const bool v6 = neighbour.address.find(':') != std::string::npos;
  auto message =
      neighbour_message(static_cast<std::uint16_t>(add ? RTM_NEWNEIGH : RTM_DELNEIGH),
                        static_cast<std::uint16_t>(add ? NLM_F_CREATE | NLM_F_REPLACE : 0), link,
                        v6 ? AF_INET6 : AF_INET, 0, neighbour.mac);
  const std::string raw = raw_address(neighbour.address);
  message.attr(NDA_DST, raw.data(), raw.size());
  const int error = netlink.execute(message);
  if (error != 0 && (add || error != ENOENT)) {
    return route_failed("the neighbour " + neighbour.address + " of", link.name, error);
  }
  return Result<void>();
}

}  // namespace

Result<std::vector<Route>> list_routes(Netlink& netlink) {
  std::vector<Route> routes;
  for (const std::uint8_t family : {AF_INET, AF_INET6}) {
    NetlinkMessage message(RTM_GETROUTE, NLM_F_DUMP);
    rtmsg head{};
    head.rtm_family = family;
    message.header(head);
    const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
      if (answer.nlmsg_type != RTM_NEWROUTE) return;
      if (auto route = read_route(answer)) routes.push_back(std::move(*route));
    });
    if (error != 0 && error != EAFNOSUPPORT && error != EOPNOTSUPP) {
      return route_failed("listing", "routes", error);
    }
  }
  return routes;
}

Result<void> add_route(Netlink& netlink, const Route& route) {
  const auto to = parse_ip_prefix(route.destination);
  if (!to) return fail(ErrorCode::InvalidArgument, "a route's destination is not a prefix");
  auto message = route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, *to);
  if (const int error = netlink.execute(message); error != 0) {
    return route_failed("the route to", route.destination, error);
  }
  return Result<void>();
}

Result<void> delete_route(Netlink& netlink, const Route& route) {
  const auto to = parse_ip_prefix(route.destination);
  if (!to) return Result<void>();
  auto message = route_message(RTM_DELROUTE, 0, route, *to);
  // Whoever made it, by whatever protocol.
  rtmsg head{};
  std::memcpy(&head, message.bytes().data() + NLMSG_HDRLEN, sizeof head);
  head.rtm_protocol = RTPROT_UNSPEC;
  head.rtm_scope = RT_SCOPE_NOWHERE;
  head.rtm_flags = 0;
  std::memcpy(message.bytes().data() + NLMSG_HDRLEN, &head, sizeof head);
  const int error = netlink.execute(message);
  if (error != 0 && error != ESRCH && error != ENOENT) {
    return route_failed("removing the route to", route.destination, error);
  }
  return Result<void>();
}

Result<std::vector<Forward>> list_forwards(Netlink& netlink, const Link& tunnel) {
  CLOUDOS_TRY(const auto entries, list_entries(netlink, tunnel, AF_BRIDGE));
  std::vector<Forward> found;
  for (const auto& entry : entries) {
    if ((entry.head.ndm_flags & NTF_SELF) != 0 && !entry.address.empty())
      found.push_back({entry.mac, entry.address});
  }
  return found;
}

Result<void> add_forward(Netlink& netlink, const Link& tunnel, const Forward& forward) {
  return change_forward(netlink, tunnel, forward, true);
}
Result<void> delete_forward(Netlink& netlink, const Link& tunnel, const Forward& forward) {
  return change_forward(netlink, tunnel, forward, false);
}

Result<std::vector<Neighbour>> list_neighbours(Netlink& netlink, const Link& link) {
  std::vector<Neighbour> found;
  for (const std::uint8_t family : {AF_INET, AF_INET6}) {
    CLOUDOS_TRY(const auto entries, list_entries(netlink, link, family));
    for (const auto& entry : entries) {
      if ((entry.head.ndm_state & NUD_PERMANENT) != 0 && !entry.mac.empty() &&
          entry.head.ndm_type == RTN_UNICAST)
        found.push_back({entry.address, entry.mac});
    }
  }
  return found;
}

Result<void> add_neighbour(Netlink& netlink, const Link& link, const Neighbour& neighbour) {
  return change_neighbour(netlink, link, neighbour, true);
}
Result<void> delete_neighbour(Netlink& netlink, const Link& link, const Neighbour& neighbour) {
  return change_neighbour(netlink, link, neighbour, false);
}

Result<void> answer_for_neighbours(Netlink& netlink, const Link& port) {
  NetlinkMessage message(RTM_SETLINK, 0);
  ifinfomsg head{};
  head.ifi_family = AF_BRIDGE;
  head.ifi_index = port.index;
  message.header(head);
  const auto protinfo = message.begin(IFLA_PROTINFO | NLA_F_NESTED);
  message.attr_u8(IFLA_BRPORT_LEARNING, 0);
  message.attr_u8(IFLA_BRPORT_NEIGH_SUPPRESS, 1);
  message.end(protinfo);
  if (const int error = netlink.execute(message); error != 0) {
    return route_failed("setting up the bridge port", port.name, error);
  }
  return Result<void>();
}

}  // namespace cloudos::network::linuxbridge
