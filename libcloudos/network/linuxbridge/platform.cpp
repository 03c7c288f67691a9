#include "network/linuxbridge/platform.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/fd.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/nft.hpp"

namespace cloudos::network::linuxbridge {
namespace {

constexpr std::array<const char*, 2> kSwitches{"/proc/sys/net/bridge/bridge-nf-call-iptables",
                                               "/proc/sys/net/bridge/bridge-nf-call-ip6tables"};

bool has_capabilities() {
  __user_cap_header_struct head{};
  head.version = _LINUX_CAPABILITY_VERSION_3;
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &head, data.data()) != 0) return false;
  const std::uint32_t needed = (1U << CAP_NET_ADMIN) | (1U << CAP_SYS_ADMIN) | (1U << CAP_NET_RAW);
  return (data[0].effective & needed) == needed;
}

std::string find_dnsmasq(const std::string& asked) {
  std::vector<std::string> places{asked};
  if (asked.empty()) places = {"/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq", "/sbin/dnsmasq"};
  for (const auto& place : places) {
    if (!place.empty() && place.front() == '/' && ::access(place.c_str(), X_OK) == 0) return place;
  }
  return "";
}

/// br_netfilter is the one module that the kernel does not load by itself when it is needed.
Result<void> load_br_netfilter() {
  ChildRun run;
  run.program = find_program("modprobe");
  if (run.program.empty()) return fail(ErrorCode::Unsupported, "modprobe is missing");
  run.arguments = {"-q", "br_netfilter"};
  run.time = std::chrono::seconds{10};
  run.output_bytes = 1'000;
  CLOUDOS_TRY(const ChildEnd end, run_child(run));
  if (end.exited && end.status == 0) return Result<void>();
  return fail(ErrorCode::Unavailable, fmt::format("modprobe ended with {}", end.status),
              end.output);
}

/// Every feature the tables use, added and deleted in one transaction: nothing of it ever acts.
std::string trial(const std::string& table) {
  return fmt::format(
      "add table bridge {0}\n"
      "add chain bridge {0} c {{ type filter hook forward priority -200; policy accept; }}\n"
      "add rule bridge {0} c arp saddr ip 10.0.0.0/8 meta mark set 1 drop\n"
      "add table inet {0}\n"
      "add map inet {0} z {{ typeof iifname : ct zone; }}\n"
      "add chain inet {0} c {{ type filter hook prerouting priority -300; policy accept; }}\n"
      "add rule inet {0} c ct zone set iifname map @z\n"
      "add rule inet {0} c ct state established,related accept\n"
      "delete table bridge {0}\ndelete table inet {0}\n",
      table);
}

}  // namespace

Result<std::string> probe_platform(const std::string& dnsmasq, const std::string& probe_table) {
  std::vector<std::string> missing;
  std::string detail;
  const bool privileged = has_capabilities();
  if (!privileged)
    missing.emplace_back("root's rights (CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN)");
  if (!Fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC)).valid()) {
    missing.push_back(fmt::format("/dev/net/tun ({})", std::strerror(errno)));
  }
  std::string program = find_dnsmasq(dnsmasq);
  if (program.empty()) missing.emplace_back("dnsmasq (install dnsmasq-base)");
  if (privileged) {
    const auto loaded =
        ::access(kSwitches[0], F_OK) == 0 ? Result<void>() : load_br_netfilter();
    // Whether it is there counts, not what is known of who loaded it.
    if (::access(kSwitches[0], F_OK) != 0) {
      missing.emplace_back("br_netfilter (load it by: modprobe br_netfilter)");
      if (!loaded) detail = loaded.error().message + " " + loaded.error().detail;
    }
    auto nft = Nft::open();
    const auto tried = nft ? nft->run(trial(probe_table)) : Result<void>(fail(nft.error()));
    if (!tried) {
      missing.emplace_back("nftables with bridge and inet tables and connection tracking");
      detail += (detail.empty() ? "" : "; ") + tried.error().message + " " + tried.error().detail;
    }
  }
  if (missing.empty()) return program;
  return fail(ErrorCode::Unavailable,
              fmt::format("Linux bridge networking lacks {}{}", fmt::join(missing, "; "),
                          privileged ? "" : "; the network backend user needs none of this"),
              detail);
}

Result<void> filter_bridged_packets(const std::string& note) {
  for (const char* path : kSwitches) {
    const auto value = read_small_file(path);
    if (value && trim(*value) == "1") continue;
    if (!value) {
      return fail(ErrorCode::Unavailable,
                  "bridged packets do not pass the packet filter: load br_netfilter", path);
    }
    CLOUDOS_CHECK(replace_file(note, "off before\n"));
    CLOUDOS_CHECK(write_sysctl(path, "1"));
  }
  return Result<void>();
}

void restore_bridged_packets(const std::string& note) {
  if (::access(note.c_str(), F_OK) != 0) return;
  for (const char* path : kSwitches) {
    if (!write_sysctl(path, "0")) return;
  }
  ::unlink(note.c_str());
}

}  // namespace cloudos::network::linuxbridge
