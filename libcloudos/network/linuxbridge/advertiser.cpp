#include "network/linuxbridge/advertiser.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netns.hpp"

namespace cloudos::network::linuxbridge {
namespace {

using AdvertClock = std::chrono::steady_clock;
constexpr std::chrono::seconds kAdvertPeriod{200};
/// However often guests ask, all of them hear the answer.
constexpr std::chrono::milliseconds kAnswerPause{500};
constexpr std::uint16_t kRouterSeconds = 1'800;
constexpr std::uint32_t kPrefixSeconds = 86'400;
constexpr std::uint32_t kPreferredSeconds = 14'400;

void put_be(std::string& out, std::uint64_t value, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i));
}

void put_raw_ipv6(std::string& out, const std::string& text) {
  std::array<char, 16> raw{};
  inet_pton(AF_INET6, text.c_str(), raw.data());
  out.append(raw.data(), raw.size());
}

void put_prefix(std::string& out, const IpPrefix& prefix, bool autonomous) {
  out += std::string("\x03\x04", 2);
  out += static_cast<char>(prefix.length);
  out += static_cast<char>(0x80 | (autonomous ? 0x40 : 0));  // On-link; addresses made of it.
  put_be(out, kPrefixSeconds, 4);
  put_be(out, kPreferredSeconds, 4);
  put_be(out, 0, 4);
  put_raw_ipv6(out, prefix.network);
}

}  // namespace

std::string advertisement(const std::vector<RouterPlan::Advertise>& prefixes,
                          const std::string& mac) {
  std::string options;
  std::vector<std::string> servers;
  std::uint8_t flags = 0;
  std::uint32_t mtu = 0;
  for (const auto& one : prefixes) {
    const auto prefix = parse_ip_prefix(one.prefix);
    if (!prefix || !prefix->v6) continue;
    if (one.ra_mode == "dhcpv6-stateful") flags |= 0x80;   // Addresses by DHCP.
    if (one.ra_mode == "dhcpv6-stateless") flags |= 0x40;  // The rest by DHCP.
    put_prefix(options, *prefix, one.ra_mode != "dhcpv6-stateful");
    for (const auto& server : one.dns_servers) {
      const auto ip = parse_ip(server);
      if (ip && ip->v6) servers.push_back(ip->address);
    }
    mtu = one.mtu;
  }
  if (options.empty()) return {};
  std::string out;
  put_be(out, std::uint64_t{ND_ROUTER_ADVERT} << 24, 4);  // The kernel fills in the checksum.
  out += static_cast<char>(64);
  out += static_cast<char>(flags);
  put_be(out, kRouterSeconds, 2);
  put_be(out, 0, 8);
  out += std::string("\x01\x01", 2);
  for (std::size_t i = 0; i + 1 < mac.size(); i += 3)
    out += static_cast<char>(std::stoi(mac.substr(i, 2), nullptr, 16));
  out += std::string("\x05\x01\x00\x00", 4);
  put_be(out, mtu, 4);
  out += options;
  if (servers.empty()) return out;
  out += '\x19';
  out += static_cast<char>(1 + 2 * servers.size());
  put_be(out, 0, 2);
  put_be(out, kRouterSeconds, 4);
  for (const auto& server : servers) put_raw_ipv6(out, server);
  return out;
}

Result<Fd> open_advertising(int netns, const std::string& device) {
  Fd out;
  CLOUDOS_CHECK(run_in_netns(netns, [&]() -> Result<void> {
    Fd fd(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6));
    const int hops = 255;
    icmp6_filter only{};
    ICMP6_FILTER_SETBLOCKALL(&only);
    ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &only);
    ipv6_mreq all_routers{};
    inet_pton(AF_INET6, "ff02::2", &all_routers.ipv6mr_multiaddr);
    all_routers.ipv6mr_interface = if_nametoindex(device.c_str());
    const int outgoing = static_cast<int>(all_routers.ipv6mr_interface);
    if (!fd.valid() ||
        ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device.c_str(),
                     static_cast<socklen_t>(device.size())) != 0 ||
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) != 0 ||
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_IF, &outgoing, sizeof outgoing) != 0 ||
        ::setsockopt(fd.get(), IPPROTO_ICMPV6, ICMP6_FILTER, &only, sizeof only) != 0 ||
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &all_routers, sizeof all_routers) !=
            0) {
      return fail(ErrorCode::Unavailable, "cannot advertise on " + device, std::strerror(errno));
    }
    out = std::move(fd);
    return Result<void>();
  }));
  return out;
}

struct Advertiser::Impl {
  struct Leg {
    Fd socket;
    int device_index = 0;
    std::string message;
    AdvertClock::time_point next;
    AdvertClock::time_point last{};
    bool failed = false;
  };
  Log log;
  std::mutex mutex;  // Everything below; the thread lets go of it only to wait.
  std::map<PortId, Leg> legs;
  bool stopping = false;
  Fd wake;
  std::thread thread;

  void ring() const {
    const std::uint64_t one = 1;
    if (::write(wake.get(), &one, sizeof one) < 0) return;  // A full counter wakes as well.
  }
  void send(Leg& leg) const {
    sockaddr_in6 all_nodes{};
    all_nodes.sin6_family = AF_INET6;
    inet_pton(AF_INET6, "ff02::1", &all_nodes.sin6_addr);
    all_nodes.sin6_scope_id = static_cast<std::uint32_t>(leg.device_index);
    // A leg that is down just now is tried again with the next period.
    const auto sent = ::sendto(leg.socket.get(), leg.message.data(), leg.message.size(), 0,
                               reinterpret_cast<const sockaddr*>(&all_nodes), sizeof all_nodes);
    leg.failed = sent < 0;
    leg.last = AdvertClock::now();
    leg.next = leg.last + (leg.failed ? std::chrono::seconds(1) : kAdvertPeriod);
  }
  void run();
};

void Advertiser::Impl::run() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    std::vector<pollfd> polled{{wake.get(), POLLIN, 0}};
    std::vector<PortId> order;
    auto next = AdvertClock::now() + kAdvertPeriod;
    for (const auto& [id, leg] : legs) {
      polled.push_back({leg.socket.get(), POLLIN, 0});
      order.push_back(id);
      next = std::min(next, leg.next);
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(next - AdvertClock::now());
    lock.unlock();
    // Sockets that remove() closes meanwhile are seen as such: ring() ends the wait first.
    if (::poll(polled.data(), polled.size(),
               static_cast<int>(std::max<long>(0, left.count() + 1))) < 0) {
      for (auto& p : polled) p.revents = 0;
    }
    lock.lock();
    std::uint64_t count = 0;
    if (polled[0].revents != 0 && ::read(wake.get(), &count, sizeof count) < 0) count = 0;
    const auto now = AdvertClock::now();
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto leg = legs.find(order[i]);
      if (leg == legs.end() || leg->second.socket.get() != polled[i + 1].fd) continue;
      std::array<char, 512> question{};
      bool asked = false;
      while (::recv(leg->second.socket.get(), question.data(), question.size(), 0) > 0)
        asked = true;
      if (asked)
        leg->second.next =
            std::min(leg->second.next, std::max(now, leg->second.last + kAnswerPause));
    }
    for (auto& [id, leg] : legs)
      if (now >= leg.next) send(leg);
  }
}

Advertiser::Advertiser(Log log) : impl_(std::make_unique<Impl>()) {
  impl_->log = std::move(log);
}

Advertiser::~Advertiser() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  if (!impl_->thread.joinable()) return;
  impl_->ring();
  impl_->thread.join();
}

Result<void> Advertiser::set(const PortId& leg, int device_index, const std::string& message,
                             const std::function<Result<Fd>()>& socket) {
  const std::lock_guard lock(impl_->mutex);
  const auto known = impl_->legs.find(leg);
  if (known != impl_->legs.end() && known->second.device_index == device_index) {
    // Who could not be advertised the last time is known, too.
    if (known->second.message == message && impl_->thread.joinable()) return Result<void>();
    known->second.message = message;
    known->second.next = AdvertClock::now();
  } else {
    CLOUDOS_TRY(auto opened, socket());
    impl_->legs[leg] = {std::move(opened), device_index, message, AdvertClock::now(), {}, false};
  }
  if (!impl_->thread.joinable()) {
    impl_->wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!impl_->wake.valid())
      return fail(ErrorCode::Unavailable, "cannot advertise routers", std::strerror(errno));
    try {
      impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
    } catch (const std::exception& e) {
      return fail(ErrorCode::Unavailable, "cannot advertise routers", e.what());
    }
  }
  impl_->ring();
  return Result<void>();
}

void Advertiser::remove(const PortId& leg) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->legs.erase(leg) > 0 && impl_->thread.joinable()) impl_->ring();
}

bool Advertiser::advertises(const PortId& leg) const {
  const std::lock_guard lock(impl_->mutex);
  const auto known = impl_->legs.find(leg);
  return known != impl_->legs.end() && impl_->thread.joinable() && !known->second.failed;
}

}  // namespace cloudos::network::linuxbridge
