#include "network/linuxbridge/entrances.hpp"

#include <sys/socket.h>
// After the C library's headers: the kernel's give way to them.
#include <fmt/format.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cloudos::network::linuxbridge {
namespace {

constexpr std::uint32_t kEntrance = TC_H_MAKE(TC_H_INGRESS, 0);

NetlinkMessage entrance_request(std::uint16_t type, std::uint16_t flags, const Link& link,
                                std::uint32_t parent, std::uint32_t handle, std::uint32_t info) {
  NetlinkMessage message(type, flags);
  tcmsg head{};
  head.tcm_family = AF_UNSPEC;
  head.tcm_ifindex = link.index;
  head.tcm_parent = parent;
  head.tcm_handle = handle;
  head.tcm_info = info;
  message.header(head);
  return message;
}

Failure entrance_failed(std::string_view what, const std::string& name, int error) {
  return fail(ErrorCode::Unavailable,
              fmt::format("{} {} failed: {}", what, name, std::strerror(error)));
}

}  // namespace

NetlinkMessage entrance_message(const Link& link, std::uint32_t order, std::uint16_t flags) {
  return entrance_request(RTM_NEWTFILTER, flags, link, kEntrance, 0,
                          TC_H_MAKE(order << 16, htons(ETH_P_ALL)));
}

Result<std::vector<Entrance>> list_entrances(Netlink& netlink, const Link& link) {
  auto message = entrance_request(RTM_GETTFILTER, NLM_F_DUMP, link, kEntrance, 0, 0);
  std::vector<Entrance> found;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type != RTM_NEWTFILTER) return;
    tcmsg head{};
    std::memcpy(&head, NLMSG_DATA(&answer), sizeof head);
    if (head.tcm_ifindex != link.index) return;
    Entrance one;
    one.order = TC_H_MAJ(head.tcm_info) >> 16;
    const auto* attrs = static_cast<const char*>(NLMSG_DATA(&answer)) + NLMSG_ALIGN(sizeof head);
    each_attr(attrs, answer.nlmsg_len - NLMSG_LENGTH(sizeof head),
              [&](std::uint16_t type, const char* data, std::size_t n) {
                if (type == TCA_KIND) one.kind.assign(data, strnlen(data, n));
                if (type != TCA_OPTIONS) return;
                each_attr(data, n, [&](std::uint16_t inner, const char* text, std::size_t m) {
                  if (inner == TCA_BPF_NAME) one.name.assign(text, strnlen(text, m));
                });
              });
    if (one.kind != "bpf") one.name.clear();  // The same number means something else there.
    // The kernel tells of a place first, then of what is at it.
    const auto same = std::find_if(found.begin(), found.end(),
                                   [&](const Entrance& other) { return other.order == one.order; });
    if (same == found.end())
      found.push_back(std::move(one));
    else if (same->name.empty())
      same->name = std::move(one.name);
  });
  if (error != 0 && error != EINVAL && error != ENOENT && error != EOPNOTSUPP)
    return entrance_failed("looking at what comes by", link.name, error);
  return found;
}

Result<std::set<int>> devices_with_entrances(Netlink& netlink) {
  NetlinkMessage message(RTM_GETQDISC, NLM_F_DUMP);
  tcmsg head{};
  head.tcm_family = AF_UNSPEC;
  message.header(head);
  std::set<int> found;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type != RTM_NEWQDISC) return;
    tcmsg one{};
    std::memcpy(&one, NLMSG_DATA(&answer), sizeof one);
    if (one.tcm_parent == TC_H_INGRESS) found.insert(one.tcm_ifindex);
  });
  if (error != 0) return entrance_failed("looking at what comes by", "the host's devices", error);
  return found;
}

Result<void> open_entrance(Netlink& netlink, const Link& link) {
  auto queue =
      entrance_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, link, TC_H_INGRESS, kEntrance, 0);
  queue.attr(TCA_KIND, "ingress");
  const int error = netlink.execute(queue);
  if (error != 0 && error != EEXIST)
    return entrance_failed("preparing what comes by", link.name, error);
  return Result<void>();
}

Result<void> drop_entrance(Netlink& netlink, const Link& link, std::uint32_t order) {
  auto filter = entrance_request(RTM_DELTFILTER, 0, link, kEntrance, 0,
                                 TC_H_MAKE(order << 16, htons(ETH_P_ALL)));
  int error = netlink.execute(filter);
  if (error != 0 && error != ENOENT && error != EINVAL)
    return entrance_failed("freeing what comes by", link.name, error);
  CLOUDOS_TRY(const auto left, list_entrances(netlink, link));
  if (!left.empty()) return Result<void>();
  auto queue = entrance_request(RTM_DELQDISC, 0, link, TC_H_INGRESS, kEntrance, 0);
  error = netlink.execute(queue);
  if (error != 0 && error != ENOENT && error != EINVAL)
    return entrance_failed("freeing what comes by", link.name, error);
  return Result<void>();
}

}  // namespace cloudos::network::linuxbridge
