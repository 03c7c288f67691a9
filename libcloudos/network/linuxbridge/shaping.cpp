#include "network/linuxbridge/shaping.hpp"

#include <sys/socket.h>
// After the C library's headers: the kernel's give way to them.
#include <fmt/format.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "network/linuxbridge/entrances.hpp"

namespace cloudos::network::linuxbridge {
namespace {

constexpr std::uint32_t kBucketHandle = 0xc1050000;
constexpr std::uint32_t kLargestFrame = 65'550;  // Frames are cut up behind the queue only.

Failure shaping_failed(std::string_view what, const std::string& name, int error) {
  return fail(ErrorCode::Unavailable,
              fmt::format("{} {} failed: {}", what, name, std::strerror(error)));
}

NetlinkMessage tc_message(std::uint16_t type, std::uint16_t flags, const Link& link,
                          std::uint32_t parent, std::uint32_t handle) {
  NetlinkMessage message(type, flags);
  tcmsg head{};
  head.tcm_family = AF_UNSPEC;
  head.tcm_ifindex = link.index;
  head.tcm_parent = parent;
  head.tcm_handle = handle;
  message.header(head);
  return message;
}

/// As Neutron has it: without a burst of its own four fifths of a second's worth.
Bucket bucket_for(std::uint32_t kbps, std::uint32_t burst_kb) {
  if (kbps == 0) return {};
  const std::uint64_t rate = std::uint64_t{kbps} * 1'000 / 8;
  const std::uint64_t burst = burst_kb > 0 ? std::uint64_t{burst_kb} * 1'000 / 8 : rate * 4 / 5;
  return {rate, static_cast<std::uint32_t>(
                    std::clamp<std::uint64_t>(burst, 10'000, std::uint64_t{1} << 30))};
}

Result<void> set_bucket(Netlink& netlink, const Link& link, const Bucket& wanted) {
  CLOUDOS_TRY(const auto has, bucket_of(netlink, link));
  // The kernel keeps the burst as a time.
  const std::uint32_t apart =
      has.burst > wanted.burst ? has.burst - wanted.burst : wanted.burst - has.burst;
  if (has.rate == wanted.rate && apart <= wanted.burst / 50) return Result<void>();
  if (wanted.rate == 0) {
    auto message = tc_message(RTM_DELQDISC, 0, link, TC_H_ROOT, kBucketHandle);
    const int error = netlink.execute(message);
    if (error != 0 && error != ENOENT && error != EINVAL)
      return shaping_failed("unlimiting", link.name, error);
    return Result<void>();
  }
  auto message =
      tc_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, link, TC_H_ROOT, kBucketHandle);
  message.attr(TCA_KIND, "tbf");
  tc_tbf_qopt options{};
  options.rate.rate = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted.rate, 0xffffffffU));
  options.rate.linklayer = TC_LINKLAYER_ETHERNET;
  // A twentieth of a second may wait.
  options.limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(
      std::max<std::uint64_t>(wanted.rate / 20 + wanted.burst, 2 * kLargestFrame), 0x7fffffffU));
  const auto nest = message.begin(TCA_OPTIONS);
  message.attr(TCA_TBF_PARMS, &options, sizeof options);
  message.attr_u32(TCA_TBF_BURST, wanted.burst);
  if (wanted.rate > 0xffffffffU) message.attr(TCA_TBF_RATE64, &wanted.rate, sizeof wanted.rate);
  message.end(nest);
  if (const int error = netlink.execute(message); error != 0)
    return shaping_failed("limiting", link.name, error);
  return Result<void>();
}

/// Everything that comes in by the tap goes round by `by`, but what programs before it take.
Result<void> redirect_all(Netlink& netlink, const Link& tap, const Link& by) {
  CLOUDOS_TRY(const auto has, list_entrances(netlink, tap));
  bool there = false;
  for (const Entrance& one : has) {
    if (one.kind != "u32") continue;
    if (one.order == kShapingOrder)
      there = true;
    else  // As an earlier release had it: before the programs.
      CLOUDOS_CHECK(drop_entrance(netlink, tap, one.order));
  }
  if (there) return Result<void>();
  CLOUDOS_CHECK(open_entrance(netlink, tap));
  auto filter = entrance_message(tap, kShapingOrder, NLM_F_CREATE | NLM_F_EXCL);
  filter.attr(TCA_KIND, "u32");
  const auto options = filter.begin(TCA_OPTIONS);
  // A selector with one key after it, of which no bit counts.
  std::array<char, sizeof(tc_u32_sel) + sizeof(tc_u32_key)> everything{};
  tc_u32_sel selector{};
  selector.flags = TC_U32_TERMINAL;
  selector.nkeys = 1;
  std::memcpy(everything.data(), &selector, sizeof selector);
  const auto actions = filter.begin(TCA_U32_ACT);
  const auto first = filter.begin(1);
  filter.attr(TCA_ACT_KIND, "mirred");
  const auto inner = filter.begin(TCA_ACT_OPTIONS);
  tc_mirred round{};
  round.action = TC_ACT_STOLEN;
  round.eaction = TCA_EGRESS_REDIR;
  round.ifindex = static_cast<std::uint32_t>(by.index);
  filter.attr(TCA_MIRRED_PARMS, &round, sizeof round);
  filter.end(inner);
  filter.end(first);
  filter.end(actions);
  filter.attr(TCA_U32_SEL, everything.data(), everything.size());
  filter.end(options);
  const int error = netlink.execute(filter);
  if (error != 0) return shaping_failed("leading what comes by", tap.name, error);
  return Result<void>();
}

Result<void> stop_redirecting(Netlink& netlink, const Link& tap) {
  CLOUDOS_TRY(const auto has, list_entrances(netlink, tap));
  for (const Entrance& one : has)
    if (one.kind == "u32") CLOUDOS_CHECK(drop_entrance(netlink, tap, one.order));
  return Result<void>();
}

}  // namespace

Result<Bucket> bucket_of(Netlink& netlink, const Link& link) {
  // Without "echo" only others hear the answer.
  auto message = tc_message(RTM_GETQDISC, NLM_F_ECHO, link, TC_H_ROOT, kBucketHandle);
  Bucket found;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    if (answer.nlmsg_type != RTM_NEWQDISC) return;
    tcmsg head{};
    std::memcpy(&head, NLMSG_DATA(&answer), sizeof head);
    if (head.tcm_ifindex != link.index || head.tcm_handle != kBucketHandle) return;
    const auto* attrs = static_cast<const char*>(NLMSG_DATA(&answer)) + NLMSG_ALIGN(sizeof head);
    each_attr(attrs, answer.nlmsg_len - NLMSG_LENGTH(sizeof head),
              [&](std::uint16_t type, const char* data, std::size_t n) {
                if (type != TCA_OPTIONS) return;
                each_attr(data, n, [&](std::uint16_t kind, const char* value, std::size_t m) {
                  if (kind == TCA_TBF_PARMS && m >= sizeof(tc_tbf_qopt)) {
                    tc_tbf_qopt options{};
                    std::memcpy(&options, value, sizeof options);
                    found.rate = std::max<std::uint64_t>(found.rate, options.rate.rate);
                    // In ticks of 64 nanoseconds: the time a burst takes.
                    found.burst =
                        static_cast<std::uint32_t>(static_cast<double>(options.buffer) * 64e-9 *
                                                       static_cast<double>(options.rate.rate) +
                                                   0.5);
                  }
                  if (kind == TCA_TBF_RATE64 && m >= 8) std::memcpy(&found.rate, value, 8);
                });
              });
  });
  if (error != 0 && error != ENOENT && error != EINVAL)
    return shaping_failed("looking at the queue of", link.name, error);
  return found;
}

Result<void> shape(Netlink& netlink, const Names& names, const PortId& port, const Link& tap,
                   const QosPlan& qos) {
  CLOUDOS_CHECK(set_bucket(netlink, tap, bucket_for(qos.ingress_kbps, qos.ingress_burst)));
  if (qos.egress_kbps == 0) {
    CLOUDOS_TRY(const auto round, find_link(netlink, names.shaper(port.value)));
    if (!round) return Result<void>();
    CLOUDOS_CHECK(stop_redirecting(netlink, tap));
    return unshape(netlink, names, port);
  }
  const std::string alias = names.alias(port.value);
  CLOUDOS_TRY(auto round, find_link(netlink, names.shaper(port.value)));
  if (round && !round->alias.empty() && round->alias != alias)
    return fail(ErrorCode::Conflict, "device " + round->name + " is on the host and not ours");
  if (!round) {
    CLOUDOS_CHECK(stop_redirecting(netlink, tap));  // It led to a device that is no more.
    CLOUDOS_TRY(auto made, add_ifb(netlink, names.shaper(port.value), alias));
    round = std::move(made);
  }
  if (!round->up) CLOUDOS_CHECK(change_link(netlink, *round, {.up = true}));
  CLOUDOS_CHECK(set_bucket(netlink, *round, bucket_for(qos.egress_kbps, qos.egress_burst)));
  return redirect_all(netlink, tap, *round);
}

Result<void> unshape(Netlink& netlink, const Names& names, const PortId& port) {
  CLOUDOS_TRY(const auto round, find_link(netlink, names.shaper(port.value)));
  if (!round || round->alias != names.alias(port.value)) return Result<void>();
  return delete_link(netlink, *round);
}

}  // namespace cloudos::network::linuxbridge
