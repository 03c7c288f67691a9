#include "network/linuxbridge/sub_ports.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
// After the C library's headers: the kernel's give way to them.
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "base/fd.hpp"
#include "network/linuxbridge/entrances.hpp"

namespace cloudos::network::linuxbridge {
namespace {

using Program = std::vector<bpf_insn>;

/// The one filter at the entrance of a pair's other end.
constexpr std::uint32_t kWayBack = 1;
constexpr int kDrop = 2;   // TC_ACT_SHOT
constexpr int kGoOn = -1;  // TC_ACT_UNSPEC: the next filter is asked.
constexpr int kTagBits = 0xfff;

bpf_insn step(int code, unsigned to, unsigned from, int offset, int value) {
  bpf_insn out{};
  out.code = static_cast<__u8>(code);
  out.dst_reg = to & 15U;
  out.src_reg = from & 15U;
  out.off = static_cast<__s16>(offset);
  out.imm = value;
  return out;
}
bpf_insn copy(unsigned to, unsigned from) {
  return step(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}
bpf_insn set(unsigned to, int value) {
  return step(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}
bpf_insn read(unsigned to, unsigned from, std::size_t offset) {
  return step(BPF_LDX | BPF_MEM | BPF_W, to, from, static_cast<int>(offset), 0);
}
bpf_insn call(int helper) {
  return step(BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}
bpf_insn skip_if(int comparison, unsigned of, int value, int steps) {
  return step(BPF_JMP | comparison | BPF_K, of, 0, steps, value);
}
bpf_insn leave() {
  return step(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/// What has the tag leaves by `to` without it; the rest goes on as it came.
Program take_tag_off(int tag, int to) {
  return {copy(6, 1),
          read(2, 6, offsetof(__sk_buff, vlan_present)),
          skip_if(BPF_JEQ, 2, 0, 10),
          read(2, 6, offsetof(__sk_buff, vlan_tci)),
          step(BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, kTagBits),
          skip_if(BPF_JNE, 2, tag, 7),
          copy(1, 6),
          call(BPF_FUNC_skb_vlan_pop),
          skip_if(BPF_JNE, 0, 0, 6),
          set(1, to),
          set(2, 0),
          call(BPF_FUNC_redirect),
          leave(),
          set(0, kGoOn),
          leave(),
          set(0, kDrop),
          leave()};
}

/// Everything leaves by `to`, tagged. What is tagged already would be another's.
Program put_tag_on(int tag, int to) {
  return {copy(6, 1),
          read(2, 6, offsetof(__sk_buff, vlan_present)),
          skip_if(BPF_JNE, 2, 0, 9),
          copy(1, 6),
          set(2, htons(ETHERTYPE_VLAN)),
          set(3, tag),
          call(BPF_FUNC_skb_vlan_push),
          skip_if(BPF_JNE, 0, 0, 4),
          set(1, to),
          set(2, 0),
          call(BPF_FUNC_redirect),
          leave(),
          set(0, kDrop),
          leave()};
}

Result<Fd> load_program(const Program& program) {
  // Of its helpers none asks for a licence of a kind.
  static constexpr char kLicence[] = "Apache-2.0";
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
  attr.insns = reinterpret_cast<std::uintptr_t>(program.data());
  attr.insn_cnt = static_cast<__u32>(program.size());
  attr.license = reinterpret_cast<std::uintptr_t>(kLicence);
  Fd out(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr)));
  if (out.valid()) return out;
  return fail(ErrorCode::Unavailable,
              fmt::format("the kernel takes no program for tags: {}", std::strerror(errno)));
}

constexpr const char* kFromParent = "cloudos-off-";

std::string from_parent_name(std::uint32_t tag, int end) {
  return fmt::format("{}{}-{}", kFromParent, tag, end);
}

std::string to_parent_name(std::uint32_t tag, int parent) {
  return fmt::format("cloudos-on-{}-{}", tag, parent);
}

bool has_program(const std::vector<Entrance>& all, std::uint32_t order, const std::string& name) {
  return std::any_of(all.begin(), all.end(), [&](const Entrance& one) {
    return one.order == order && one.kind == "bpf" && one.name == name;
  });
}

/// The program at `order`, under a name that says all there is to it.
Result<void> ensure_program(Netlink& netlink, const Link& link, std::uint32_t order,
                            const std::string& name, const Program& program) {
  CLOUDOS_TRY(const auto has, list_entrances(netlink, link));
  if (has_program(has, order, name)) return Result<void>();
  CLOUDOS_TRY(const auto loaded, load_program(program));
  const bool other =
      std::any_of(has.begin(), has.end(), [&](const Entrance& one) { return one.order == order; });
  if (other) CLOUDOS_CHECK(drop_entrance(netlink, link, order));
  CLOUDOS_CHECK(open_entrance(netlink, link));
  auto message = entrance_message(link, order, NLM_F_CREATE | NLM_F_EXCL);
  message.attr(TCA_KIND, "bpf");
  const auto options = message.begin(TCA_OPTIONS);
  message.attr_u32(TCA_BPF_FD, static_cast<std::uint32_t>(loaded.get()));
  message.attr(TCA_BPF_NAME, name);
  message.attr_u32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
  message.end(options);
  const int error = netlink.execute(message);
  if (error == 0) return Result<void>();
  return fail(ErrorCode::Unavailable, fmt::format("leading tagged frames of {} failed: {}",
                                                  link.name, std::strerror(error)));
}

}  // namespace

Result<void> lead_sub_port(Netlink& netlink, const Link& end, const Link& parent,
                           std::uint32_t tag) {
  if (tag < 1 || tag > 4094) return fail(ErrorCode::InvalidArgument, "a sub-port's tag is not one");
  const int number = static_cast<int>(tag);
  CLOUDOS_CHECK(ensure_program(netlink, end, kWayBack, to_parent_name(tag, parent.index),
                               put_tag_on(number, parent.index)));
  // An order for each tag: none is 0, none behind the shaping's.
  return ensure_program(netlink, parent, tag, from_parent_name(tag, end.index),
                        take_tag_off(number, end.index));
}

Result<void> drop_sub_port(Netlink& netlink, const Link& parent, std::uint32_t tag, int end) {
  CLOUDOS_TRY(const auto has, list_entrances(netlink, parent));
  if (!has_program(has, tag, from_parent_name(tag, end))) return Result<void>();
  return drop_entrance(netlink, parent, tag);
}

Result<void> keep_sub_ports(Netlink& netlink, const Link& parent,
                            const std::map<std::uint32_t, int>& wanted) {
  CLOUDOS_TRY(const auto has, list_entrances(netlink, parent));
  for (const Entrance& one : has) {
    if (one.kind != "bpf" || !one.name.starts_with(kFromParent)) continue;
    const auto stays = wanted.find(one.order);
    if (stays != wanted.end() && one.name == from_parent_name(one.order, stays->second)) continue;
    CLOUDOS_CHECK(drop_entrance(netlink, parent, one.order));
  }
  return Result<void>();
}

Result<SubPortWays> look_at_sub_port(Netlink& netlink, const Link& end, const Link& parent,
                                     std::uint32_t tag) {
  CLOUDOS_TRY(const auto at_parent, list_entrances(netlink, parent));
  CLOUDOS_TRY(const auto at_end, list_entrances(netlink, end));
  return SubPortWays{has_program(at_parent, tag, from_parent_name(tag, end.index)),
                     has_program(at_end, kWayBack, to_parent_name(tag, parent.index))};
}

Result<void> try_sub_ports(Netlink& netlink, const Link& device, const Link& other) {
  CLOUDOS_CHECK(lead_sub_port(netlink, other, device, 1));
  return drop_sub_port(netlink, device, 1, other.index);
}

}  // namespace cloudos::network::linuxbridge
