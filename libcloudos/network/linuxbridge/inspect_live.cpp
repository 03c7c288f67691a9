#include <arpa/inet.h>
#include <net/if.h>
#include <sys/socket.h>
// After the C library's headers: the kernel's give way to them.
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "network/linuxbridge/inspect.hpp"

// Live state by netlink: what the drivers' own readers leave out.
namespace cloudos::network::linuxbridge {
namespace {

auto look_failed(std::string_view what, int error) {
  return fail(ErrorCode::Unavailable,
              fmt::format("reading {} failed: {}", what, std::strerror(error)));
}

template <class T>
T live_number(const char* data, std::size_t size) {
  T value{};
  if (size >= sizeof value) std::memcpy(&value, data, sizeof value);
  return value;
}

std::string live_mac(const char* data) {
  const auto* b = reinterpret_cast<const unsigned char*>(data);
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2], b[3], b[4],
                     b[5]);
}

std::string live_address(const char* data, std::size_t size) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (size != 4 && size != 16) return {};
  inet_ntop(size == 4 ? AF_INET : AF_INET6, data, text.data(), text.size());
  return text.data();
}

std::string bytes_of(const std::string& address) {
  std::array<char, 16> raw{};
  const bool v6 = address.find(':') != std::string::npos;
  if (inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), raw.data()) != 1) return {};
  return std::string(raw.data(), v6 ? 16 : 4);
}

void read_live(const nlmsghdr& message, LiveLink& out) {
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  const auto* attrs = reinterpret_cast<const char*>(info) + NLMSG_ALIGN(sizeof *info);
  each_attr(attrs, message.nlmsg_len - NLMSG_LENGTH(sizeof *info),
            [&](std::uint16_t type, const char* data, std::size_t n) {
              if (type == IFLA_CARRIER && n >= 1) out.carrier = *data != 0;
              if (type == IFLA_STATS64 && n >= 16) {
                const auto stats = live_number<std::array<std::uint64_t, 2>>(data, n);
                out.received = stats[0];
                out.sent = stats[1];
              }
              if (type != IFLA_LINKINFO) return;
              each_attr(data, n, [&](std::uint16_t inner, const char* value, std::size_t m) {
                if (inner != IFLA_INFO_SLAVE_DATA) return;
                each_attr(value, m, [&](std::uint16_t port, const char* state, std::size_t k) {
                  if (port == IFLA_BRPORT_STATE && k >= 1) out.bridge_state = *state;
                });
              });
            });
}

/// One direction of a flow, as far as a Packet has it.
struct Tuple {
  std::string source, destination;
  unsigned protocol = 0, port = 0;
};

Tuple read_tuple(const char* data, std::size_t size) {
  Tuple tuple;
  each_attr(data, size, [&](std::uint16_t part, const char* inner, std::size_t n) {
    each_attr(inner, n, [&](std::uint16_t type, const char* value, std::size_t m) {
      if (part == CTA_TUPLE_IP) {
        if (type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC) tuple.source = live_address(value, m);
        if (type == CTA_IP_V4_DST || type == CTA_IP_V6_DST)
          tuple.destination = live_address(value, m);
      } else if (part == CTA_TUPLE_PROTO) {
        if (type == CTA_PROTO_NUM && m >= 1) tuple.protocol = static_cast<unsigned char>(*value);
        if (type == CTA_PROTO_DST_PORT) tuple.port = ntohs(live_number<std::uint16_t>(value, m));
        const bool icmp = type == CTA_PROTO_ICMP_TYPE || type == CTA_PROTO_ICMPV6_TYPE;
        if (icmp && m >= 1) tuple.port = static_cast<unsigned char>(*value);
      }
    });
  });
  return tuple;
}

bool same_flow(const nlmsghdr& message, const Packet& packet, int zone) {
  const auto* attrs =
      static_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(nfgenmsg));
  Tuple tuple;
  int in_zone = 0;
  each_attr(attrs, message.nlmsg_len - NLMSG_LENGTH(sizeof(nfgenmsg)),
            [&](std::uint16_t type, const char* data, std::size_t n) {
              if (type == CTA_TUPLE_ORIG) tuple = read_tuple(data, n);
              if (type == CTA_ZONE) in_zone = ntohs(live_number<std::uint16_t>(data, n));
            });
  return in_zone == zone && tuple.source == packet.source &&
         tuple.destination == packet.destination && tuple.protocol == packet.protocol &&
         tuple.port == packet.port;
}

}  // namespace

Result<std::optional<LiveLink>> live_link(Netlink& netlink, const std::string& name) {
  CLOUDOS_TRY(auto link, find_link(netlink, name));
  if (!link) return std::optional<LiveLink>();
  LiveLink out;
  out.link = std::move(*link);
  NetlinkMessage message(RTM_GETLINK, 0);
  ifinfomsg head{};
  head.ifi_index = out.link.index;
  message.header(head);
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type == RTM_NEWLINK) read_live(answer, out);
  });
  if (error == ENODEV) return std::optional<LiveLink>();
  if (error != 0) return look_failed("device " + name, error);
  return std::optional<LiveLink>(std::move(out));
}

Result<std::vector<LiveForward>> live_forwards(Netlink& netlink) {
  NetlinkMessage message(RTM_GETNEIGH, NLM_F_DUMP);
  ndmsg head{};
  head.ndm_family = AF_BRIDGE;
  message.header(head);
  std::vector<LiveForward> found;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type != RTM_NEWNEIGH) return;
    LiveForward entry;
    entry.device = live_number<ndmsg>(static_cast<const char*>(NLMSG_DATA(&answer)), sizeof(ndmsg))
                       .ndm_ifindex;
    const auto* attrs = static_cast<const char*>(NLMSG_DATA(&answer)) + NLMSG_ALIGN(sizeof(ndmsg));
    each_attr(attrs, answer.nlmsg_len - NLMSG_LENGTH(sizeof(ndmsg)),
              [&](std::uint16_t type, const char* data, std::size_t n) {
                if (type == NDA_LLADDR && n == 6) entry.mac = live_mac(data);
                if (type == NDA_MASTER) entry.master = live_number<int>(data, n);
                if (type == NDA_DST) entry.remote = live_address(data, n);
              });
    found.push_back(std::move(entry));
  });
  if (error != 0) return look_failed("forwarding tables", error);
  return found;
}

Result<std::optional<LiveNeighbour>> live_neighbour(Netlink& netlink, int link,
                                                    const std::string& address) {
  NetlinkMessage message(RTM_GETNEIGH, NLM_F_DUMP);
  ndmsg head{};
  head.ndm_family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  message.header(head);
  std::optional<LiveNeighbour> found;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type != RTM_NEWNEIGH) return;
    const auto* start = static_cast<const char*>(NLMSG_DATA(&answer));
    const auto info = live_number<ndmsg>(start, sizeof(ndmsg));
    if (info.ndm_ifindex != link) return;
    std::string of;
    LiveNeighbour neighbour;
    neighbour.state = info.ndm_state;
    each_attr(start + NLMSG_ALIGN(sizeof(ndmsg)), answer.nlmsg_len - NLMSG_LENGTH(sizeof(ndmsg)),
              [&](std::uint16_t type, const char* data, std::size_t n) {
                if (type == NDA_LLADDR && n == 6) neighbour.mac = live_mac(data);
                if (type == NDA_DST) of = live_address(data, n);
              });
    if (of == address) found = std::move(neighbour);
  });
  if (error != 0) return look_failed("neighbours", error);
  return found;
}

Result<std::optional<LiveRoute>> live_route(Netlink& netlink, const std::string& destination) {
  NetlinkMessage message(RTM_GETROUTE, 0);
  const std::string raw = bytes_of(destination);
  rtmsg head{};
  head.rtm_family = raw.size() == 16 ? AF_INET6 : AF_INET;
  head.rtm_dst_len = static_cast<std::uint8_t>(raw.size() * 8);
  message.header(head);
  message.attr(RTA_DST, raw.data(), raw.size());
  std::optional<LiveRoute> found;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type != RTM_NEWROUTE) return;
    const auto* start = static_cast<const char*>(NLMSG_DATA(&answer));
    const auto type = live_number<rtmsg>(start, sizeof(rtmsg)).rtm_type;
    if (type != RTN_UNICAST && type != RTN_LOCAL) return;
    LiveRoute route;
    each_attr(start + NLMSG_ALIGN(sizeof(rtmsg)), answer.nlmsg_len - NLMSG_LENGTH(sizeof(rtmsg)),
              [&](std::uint16_t attr, const char* data, std::size_t n) {
                if (attr == RTA_GATEWAY) route.via = live_address(data, n);
                if (attr == RTA_OIF) route.link = live_number<int>(data, n);
              });
    found = std::move(route);
  });
  const bool none = error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES ||
                    error == EINVAL || error == ESRCH;
  if (error != 0 && !none) return look_failed("routes", error);
  return error == 0 ? found : std::optional<LiveRoute>();
}

Result<std::uint64_t> live_connections(const Packet& packet, int zone) {
  CLOUDOS_TRY(auto netlink, Netlink::open(NETLINK_NETFILTER));
  NetlinkMessage message((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET, NLM_F_DUMP);
  nfgenmsg head{};
  head.nfgen_family = packet.v6() ? AF_INET6 : AF_INET;
  head.version = NFNETLINK_V0;
  message.header(head);
  std::uint64_t count = 0;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (same_flow(answer, packet, zone)) ++count;
  });
  if (error != 0) return look_failed("connection tracking", error);
  return count;
}

}  // namespace cloudos::network::linuxbridge
