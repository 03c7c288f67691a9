#include "network/linuxbridge/watchman.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
// After the C library's headers: the kernel's give way to them.
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>
#include <thread>

#include "network/linuxbridge/netlink.hpp"

namespace cloudos::network::linuxbridge {
namespace {

/// Devices that names.hpp gives: ours, or another cloud's, which costs a look for nothing.
bool named_as_ours(std::string_view name) {
  return name.starts_with("clb") || name.starts_with("clv") || name.starts_with("clr") ||
         name.starts_with("clq") || name.starts_with("clx") || name.starts_with("cly") ||
         name.starts_with("tap");
}

/// A device that is gone, was taken down, or out of its bridge.
bool link_disturbed(const nlmsghdr& message) {
  ifinfomsg info{};
  std::memcpy(&info, NLMSG_DATA(&message), sizeof info);
  if (info.ifi_family != AF_UNSPEC) return false;  // A bridge's own messages of its ports.
  std::string name;
  bool in_bridge = false;
  each_attr(static_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof info),
            message.nlmsg_len - NLMSG_LENGTH(sizeof info),
            [&](std::uint16_t type, const char* data, std::size_t n) {
              if (type == IFLA_IFNAME) name.assign(data, strnlen(data, n));
              if (type == IFLA_MASTER) in_bridge = true;
            });
  if (!named_as_ours(name)) return false;
  if (message.nlmsg_type == RTM_DELLINK) return true;
  const bool up = (info.ifi_flags & IFF_UP) != 0;
  const bool plugged =
      in_bridge || name.starts_with("clb") || name.starts_with("cly") || name.starts_with("clq");
  return !up || !plugged;
}

/// Of tables, chains, rules, sets and elements alike the table's name is the first attribute.
bool filter_disturbed(const nlmsghdr& message, const std::string& table) {
  bool ours = false;
  each_attr(static_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(nfgenmsg)),
            message.nlmsg_len - NLMSG_LENGTH(sizeof(nfgenmsg)),
            [&](std::uint16_t type, const char* data, std::size_t n) {
              if (type == NFTA_TABLE_NAME && table == std::string(data, strnlen(data, n)))
                ours = true;
            });
  return ours;
}

/// Reads all there is; whether any of it is somebody's doing to what is ours.
bool drain(int socket, const std::string& table) {
  alignas(nlmsghdr) std::array<char, 32 << 10> buffer;
  bool disturbed = false;
  while (true) {
    const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {  // More than it could hold: anything may have happened.
      disturbed = true;
      continue;
    }
    if (got <= 0) return disturbed;
    auto left = static_cast<unsigned>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      const auto type = message->nlmsg_type;
      if (type == RTM_NEWLINK || type == RTM_DELLINK) disturbed |= link_disturbed(*message);
      if (type == RTM_DELADDR || type == RTM_DELROUTE) disturbed = true;
      if (type >> 8 == NFNL_SUBSYS_NFTABLES) disturbed |= filter_disturbed(*message, table);
    }
  }
}

void add_listener(std::vector<Fd>& out, int protocol, std::uint32_t groups) {
  // Without one the periodic pass is what notices.
  if (auto opened = Netlink::listen(protocol, groups)) out.push_back(std::move(*opened));
}

constexpr std::uint32_t kFilterGroup = 1U << (NFNLGRP_NFTABLES - 1);

}  // namespace

std::vector<Fd> listen_inside() {
  std::vector<Fd> out;
  add_listener(out, NETLINK_ROUTE,
               RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR);
  add_listener(out, NETLINK_NETFILTER, kFilterGroup);
  return out;
}

struct Watchman::Impl {
  const std::string table;
  std::mutex mutex;
  std::condition_variable resumed;
  // Below: guarded by `mutex`.
  std::mutex telling;  // Held while `disturbed` runs: replacing it waits for that.
  std::function<void()> disturbed;
  std::vector<Fd> home;
  std::vector<int> inside;
  std::map<int, Fd> servers;
  int resting = 0;
  bool stopping = false;
  Fd wake;
  std::thread thread;

  explicit Impl(std::string name) : table(std::move(name)) {}
  void ring() const {
    const std::uint64_t one = 1;
    if (::write(wake.get(), &one, sizeof one) < 0) return;  // A full counter wakes as well.
  }
  bool read_all();
  void run();
};

/// With the mutex held.
bool Watchman::Impl::read_all() {
  bool any = false;
  for (const auto& socket : home) any |= drain(socket.get(), table);
  for (const int socket : inside) any |= drain(socket, table);
  for (auto server = servers.begin(); server != servers.end();) {
    pollfd ended{server->second.get(), POLLIN, 0};
    if (::poll(&ended, 1, 0) == 1) {
      any = true;
      server = servers.erase(server);
    } else {
      ++server;
    }
  }
  return any;
}

void Watchman::Impl::run() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    std::vector<pollfd> polled{{wake.get(), POLLIN, 0}};
    for (const auto& socket : home) polled.push_back({socket.get(), POLLIN, 0});
    for (const int socket : inside) polled.push_back({socket, POLLIN, 0});
    for (const auto& [pid, server] : servers) polled.push_back({server.get(), POLLIN, 0});
    lock.unlock();
    if (::poll(polled.data(), polled.size(), -1) < 0) polled[0].revents = 0;
    lock.lock();
    std::uint64_t count = 0;
    if (polled[0].revents != 0 && ::read(wake.get(), &count, sizeof count) < 0) count = 0;
    resumed.wait(lock, [&] { return resting == 0 || stopping; });
    if (stopping || !read_all()) continue;
    lock.unlock();
    {
      const std::lock_guard tell(telling);
      if (disturbed) disturbed();
    }
    lock.lock();
  }
}

Watchman::Watchman(std::string table) : impl_(std::make_unique<Impl>(std::move(table))) {}

Watchman::~Watchman() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->resumed.notify_all();
  }
  if (!impl_->thread.joinable()) return;
  impl_->ring();
  impl_->thread.join();
}

void Watchman::start(std::function<void()> disturbed) {
  const bool wanted = disturbed != nullptr;
  {
    const std::lock_guard tell(impl_->telling);
    impl_->disturbed = std::move(disturbed);
  }
  const std::lock_guard lock(impl_->mutex);
  if (!wanted || impl_->thread.joinable()) return;
  impl_->home.clear();
  add_listener(impl_->home, NETLINK_ROUTE, RTMGRP_LINK);
  add_listener(impl_->home, NETLINK_NETFILTER, kFilterGroup);
  impl_->wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!impl_->wake.valid()) return;  // The periodic pass is left.
  try {
    impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
  } catch (const std::exception&) {
    impl_->home.clear();
  }
}

void Watchman::rest() {
  const std::lock_guard lock(impl_->mutex);
  ++impl_->resting;
  impl_->inside.clear();
}

void Watchman::resume(std::vector<int> pids, std::vector<int> listening) {
  const std::lock_guard lock(impl_->mutex);
  if (--impl_->resting > 0) return;
  if (!impl_->thread.joinable()) return;
  impl_->inside = std::move(listening);
  impl_->read_all();
  std::map<int, Fd> servers;
  for (const int pid : pids) {
    const auto known = impl_->servers.find(pid);
    if (known != impl_->servers.end())
      servers[pid] = std::move(known->second);
    else
      servers[pid] = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  }
  std::erase_if(servers, [](const auto& s) { return !s.second.valid(); });
  impl_->servers = std::move(servers);
  impl_->ring();
  impl_->resumed.notify_all();
}

}  // namespace cloudos::network::linuxbridge
