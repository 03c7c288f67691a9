#pragma once
#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "cloudos/result.hpp"

/// Links and addresses by rtnetlink: no process is spawned for them.
namespace cloudos::network::linuxbridge {

/// Builds one netlink request.
class NetlinkMessage {
 public:
  NetlinkMessage(std::uint16_t type, std::uint16_t flags);
  /// The family's fixed header (ifinfomsg, ifaddrmsg, nfgenmsg).
  template <class Header>
  void header(const Header& value) {
    append(&value, sizeof value);
  }
  void attr(std::uint16_t type, const void* data, std::size_t size);
  void attr(std::uint16_t type, std::string_view text);  ///< NUL-terminated.
  void attr_u8(std::uint16_t type, std::uint8_t value) { attr(type, &value, sizeof value); }
  void attr_u32(std::uint16_t type, std::uint32_t value) { attr(type, &value, sizeof value); }
  std::size_t begin(std::uint16_t type);  ///< Opens a nested attribute …
  void end(std::size_t nest);             ///< … and closes it.
  /// What begin() does, but with a fixed header after the attribute's own (veth's peer).
  void append(const void* data, std::size_t size);
  std::vector<char>& bytes() { return bytes_; }

 private:
  std::vector<char> bytes_;
};

/// One netlink socket, bound to the network namespace of the thread that opened it.
/// One thread at a time.
class Netlink {
 public:
  using Visitor = std::function<void(const nlmsghdr&)>;
  /// Errors: Unavailable.
  static Result<Netlink> open(int protocol);
  /// One that only listens: to what changes in these multicast groups (RTMGRP_… bits).
  static Result<Fd> listen(int protocol, std::uint32_t groups);
  /// Sends and waits for the acknowledgement. Returns 0 or the kernel's errno.
  int execute(NetlinkMessage& message);
  /// Sends a dump (or a get) and hands over each answer. Returns 0 or errno.
  int dump(NetlinkMessage& message, const Visitor& visit);

 private:
  Fd socket_;
  std::uint32_t sequence_ = 0;
};

/// Calls `visit` for each attribute in a message's payload.
void each_attr(const void* data, std::size_t size,
               const std::function<void(std::uint16_t, const char*, std::size_t)>& visit);

struct Link {
  int index = 0;
  std::string name, alias, kind, mac;
  std::string queue;  ///< Its queueing discipline.
  int master = 0;
  std::uint32_t mtu = 0;
  bool up = false;
  std::optional<std::uint8_t> inet6_mode;  ///< IN6_ADDR_GEN_MODE_*; nothing when IPv6 is off.
};

struct LinkChange {
  std::optional<bool> up;
  std::optional<std::uint32_t> mtu;
  std::optional<int> master;  ///< 0 takes it out of its bridge.
  std::optional<std::string> alias;
  std::optional<std::string> mac;
};

struct LinkAddress {
  std::string address;  ///< IPv4 or IPv6, canonical.
  unsigned length = 0;
  friend auto operator<=>(const LinkAddress&, const LinkAddress&) = default;
};

/// Every link of the socket's namespace. Errors: Unavailable.
Result<std::vector<Link>> list_links(Netlink& netlink);
/// Nothing when there is none of that name.
Result<std::optional<Link>> find_link(Netlink& netlink, const std::string& name);
/// An empty bridge, down: no spanning tree, no snooping, no IPv6 of its own.
Result<Link> add_bridge(Netlink& netlink, const std::string& name, const std::string& alias,
                        const std::string& mac, std::uint32_t mtu);
/// A pair whose second end appears inside `peer_netns`. The first carries the alias.
Result<Link> add_veth(Netlink& netlink, const std::string& name, const std::string& alias,
                      const std::string& mac, std::uint32_t mtu, const std::string& peer_name,
                      const std::string& peer_mac, int peer_netns);
/// A tunnel end that learns nothing: where frames go is written by add_forward(). Down.
/// Errors: Unavailable; Conflict when another device has the same VNI.
Result<Link> add_vxlan(Netlink& netlink, const std::string& name, const std::string& alias,
                       const std::string& mac, std::uint32_t mtu, std::uint32_t vni,
                       const std::string& local_address);
/// A device whose only use is the queue on its way out.
Result<Link> add_ifb(Netlink& netlink, const std::string& name, const std::string& alias);
Result<void> change_link(Netlink& netlink, const Link& link, const LinkChange& change);
/// The link gets no IPv6 address by itself. A kernel without IPv6 is fine.
Result<void> silence_inet6(Netlink& netlink, const Link& link);
/// Success when it is gone already.
Result<void> delete_link(Netlink& netlink, const Link& link);

Result<void> add_address(Netlink& netlink, const Link& link, const LinkAddress& address);
Result<void> delete_address(Netlink& netlink, const Link& link, const LinkAddress& address);
/// Of both families.
Result<std::vector<LinkAddress>> list_addresses(Netlink& netlink, const Link& link);

/// A persistent tap of the calling thread's namespace, made as QEMU wants it (virtio headers),
/// down. Errors: Unavailable.
Result<void> add_tap(const std::string& name);
/// Has the kernel fill in checksums before frames leave `name` (in the calling thread's namespace):
/// DHCP clients that read raw sockets refuse unfinished ones.
Result<void> finish_checksums(const std::string& name);

}  // namespace cloudos::network::linuxbridge
