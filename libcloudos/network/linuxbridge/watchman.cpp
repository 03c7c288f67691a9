#include "network/linuxbridge/watchman.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
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
#include <optional>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include "base/fd.hpp"
#include "network/linuxbridge/netlink.hpp"
#include "network/linuxbridge/netns.hpp"

namespace cloudos::network::linuxbridge {
namespace {

/// Devices that names.hpp gives: ours, or another cloud's, which costs a look for nothing.
bool named_as_ours(std::string_view name) {
  return name.starts_with("clb") || name.starts_with("clv") || name.starts_with("clr") ||
         name.starts_with("clq") || name.starts_with("clx") || name.starts_with("cly") ||
         name.starts_with("cli") || name.starts_with("clt") || name.starts_with("tap");
}

/// A device that is gone, was taken down, or out of its bridge; or a bridge of the operator's that
/// came or went: what is in it has to be put there again.
bool link_disturbed(const nlmsghdr& message, const std::set<std::string>& bridges) {
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
  const bool gone = message.nlmsg_type == RTM_DELLINK;
  constexpr unsigned kMade = ~0U;  // "All of it changed", as the kernel says of a new device.
  if (bridges.count(name) > 0) return gone || info.ifi_change == kMade;
  if (!named_as_ours(name)) return false;
  if (gone) return true;
  const bool up = (info.ifi_flags & IFF_UP) != 0;
  const bool plugged = in_bridge || name.starts_with("clb") || name.starts_with("cly") ||
                       name.starts_with("clq") || name.starts_with("cli") ||
                       name.starts_with("clt");
  return !up || !plugged;
}

/// Whether a device of this namespace is called so. Of one that is gone nobody knows, and that it
/// went is heard of by itself.
bool is_device_called(int index, bool (*wanted)(std::string_view)) {
  std::array<char, IF_NAMESIZE> name{};
  return ::if_indextoname(static_cast<unsigned>(index), name.data()) != nullptr &&
         wanted(name.data());
}

/// Where a tunnel leads, or what a bridge of ours answers for: written, never learned.
bool neighbour_disturbed(const nlmsghdr& message) {
  ndmsg info{};
  std::memcpy(&info, NLMSG_DATA(&message), sizeof info);
  if (info.ndm_family == AF_BRIDGE) {
    const bool written = (info.ndm_flags & NTF_SELF) != 0 && (info.ndm_state & NUD_PERMANENT) != 0;
    return written && is_device_called(info.ndm_ifindex, [](std::string_view name) {
      return name.starts_with("clx");
    });
  }
  // Of groups' addresses there are entries, too, which come and go by themselves.
  return message.nlmsg_type == RTM_DELNEIGH && info.ndm_state != NUD_NOARP &&
         is_device_called(info.ndm_ifindex,
                          [](std::string_view name) { return name.starts_with("clb"); });
}

/// A filter at a device's entrance, the place for them, or a queue that went.
bool control_disturbed(const nlmsghdr& message) {
  tcmsg info{};
  std::memcpy(&info, NLMSG_DATA(&message), sizeof info);
  return is_device_called(info.tcm_ifindex, named_as_ours);
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

/// The number of the namespace that a message is of; nothing: the listener's own.
std::optional<int> namespace_of(msghdr& received) {
  for (cmsghdr* one = CMSG_FIRSTHDR(&received); one != nullptr; one = CMSG_NXTHDR(&received, one)) {
    if (one->cmsg_level != SOL_NETLINK || one->cmsg_type != NETLINK_LISTEN_ALL_NSID) continue;
    int number = -1;
    std::memcpy(&number, CMSG_DATA(one), sizeof number);
    return number;
  }
  return std::nullopt;
}

/// Reads all there is; whether any of it is somebody's doing to what is ours.
bool drain(int socket, const std::string& table, const std::set<std::string>& bridges,
           const std::set<int>& inside) {
  alignas(nlmsghdr) std::array<char, 32 << 10> buffer;
  alignas(cmsghdr) std::array<char, 256> control;
  bool disturbed = false;
  while (true) {
    iovec part{buffer.data(), buffer.size()};
    msghdr received{};
    received.msg_iov = &part;
    received.msg_iovlen = 1;
    received.msg_control = control.data();
    received.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(socket, &received, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {  // More than it could hold: anything may have happened.
      disturbed = true;
      continue;
    }
    if (got <= 0) return disturbed;
    const auto where = namespace_of(received);
    if (where && inside.count(*where) == 0) continue;
    auto left = static_cast<unsigned>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      const auto type = message->nlmsg_type;
      if (type == RTM_NEWLINK || type == RTM_DELLINK)
        disturbed |= link_disturbed(*message, bridges);
      if (!where && (type == RTM_NEWNEIGH || type == RTM_DELNEIGH))
        disturbed |= neighbour_disturbed(*message);
      if (!where && (type == RTM_DELTFILTER || type == RTM_DELCHAIN || type == RTM_DELQDISC))
        disturbed |= control_disturbed(*message);
      if (where && (type == RTM_DELADDR || type == RTM_DELROUTE)) disturbed = true;
      if (type >> 8 == NFNL_SUBSYS_NFTABLES) disturbed |= filter_disturbed(*message, table);
    }
  }
}

/// Reads all there is; whether a name that begins so went, or nobody can tell.
bool drain_names(int inotify, const std::string& prefix) {
  alignas(inotify_event) std::array<char, 16 << 10> buffer;
  bool disturbed = false;
  while (true) {
    const ssize_t got = ::read(inotify, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return disturbed;
    inotify_event event{};
    for (std::size_t at = 0; at + sizeof event <= static_cast<std::size_t>(got);
         at += sizeof event + event.len) {
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      if ((event.mask & IN_Q_OVERFLOW) != 0) disturbed = true;
      disturbed |= std::string_view(name, strnlen(name, event.len)).starts_with(prefix);
    }
  }
}

constexpr std::uint32_t kFilterGroup = 1U << (NFNLGRP_NFTABLES - 1);
constexpr int kRoom = 1 << 20;
/// What the waiting tells apart; any other number is a process.
constexpr std::uint64_t kSocket = 0;

/// Of this namespace alone, or of those that have a number in it, too.
enum class Hears : bool { Here, Everywhere };

void add_listener(std::vector<Fd>& out, int protocol, std::uint32_t groups, Hears hears) {
  // Without one the periodic pass is what notices.
  auto opened = Netlink::listen(protocol, groups);
  if (!opened) return;
  const int on = 1;
  ::setsockopt(opened->get(), SOL_SOCKET, SO_RCVBUF, &kRoom, sizeof kRoom);
  if (hears == Hears::Everywhere &&
      ::setsockopt(opened->get(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) != 0) {
    // Of its own namespace it hears all the same.
  }
  out.push_back(std::move(*opened));
}

}  // namespace

struct Watchman::Impl {
  const std::string table, netns_prefix;
  const std::set<std::string> bridges;
  std::mutex mutex;
  std::condition_variable resumed;
  // Below: guarded by `mutex`.
  std::mutex telling;  // Held while `disturbed` runs: replacing it waits for that.
  std::function<void()> disturbed;
  std::vector<Fd> sockets;
  std::set<int> inside;
  std::map<int, Fd> servers;
  int resting = 0;
  bool stopping = false;
  Fd wake, waiting, names;
  std::thread thread;

  Impl(std::string of_table, std::string of_netns, std::set<std::string> of_bridges)
      : table(std::move(of_table)),
        netns_prefix(std::move(of_netns)),
        bridges(std::move(of_bridges)) {}
  /// The folder comes with the first namespace, and goes with the last: asked for again it is the
  /// same watch, or a new folder's.
  void watch_names() const {
    if (names.valid() &&
        ::inotify_add_watch(names.get(), kNetnsFolder, IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR) < 0)
      return;  // There are none, or the periodic pass is what notices.
  }
  void ring() const {
    const std::uint64_t one = 1;
    if (::write(wake.get(), &one, sizeof one) < 0) return;  // A full counter wakes as well.
  }
  bool wait_for(int fd, std::uint64_t as) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = as;
    return ::epoll_ctl(waiting.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }
  /// Closing alone would not do: a process the program forked may hold it open as well.
  void unwatch(std::map<int, Fd>::iterator server) {
    ::epoll_ctl(waiting.get(), EPOLL_CTL_DEL, server->second.get(), nullptr);
    servers.erase(server);
  }
  void watch_servers(const std::vector<int>& pids);
  bool read_all();
  void run();
};

/// With the mutex held.
bool Watchman::Impl::read_all() {
  bool any = false;
  for (const auto& socket : sockets) any |= drain(socket.get(), table, bridges, inside);
  if (names.valid()) any |= drain_names(names.get(), netns_prefix);
  std::array<epoll_event, 64> events{};
  int count = 0;
  do {
    count = ::epoll_wait(waiting.get(), events.data(), static_cast<int>(events.size()), 0);
    bool ended = false;
    for (int i = 0; i < count; ++i) {
      const auto server =
          servers.find(static_cast<int>(events[static_cast<std::size_t>(i)].data.u64));
      if (server == servers.end()) continue;
      unwatch(server);
      any = ended = true;
    }
    if (!ended) break;
  } while (count == static_cast<int>(events.size()));
  return any;
}

/// With the mutex held.
void Watchman::Impl::watch_servers(const std::vector<int>& pids) {
  const std::set<int> wanted(pids.begin(), pids.end());
  for (auto next = servers.begin(); next != servers.end();) {
    const auto server = next++;
    if (wanted.count(server->first) == 0) unwatch(server);
  }
  for (const int pid : wanted) {
    if (servers.count(pid) > 0) continue;
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (process.valid() && wait_for(process.get(), static_cast<std::uint64_t>(pid)))
      servers.emplace(pid, std::move(process));
  }
}

void Watchman::Impl::run() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    lock.unlock();
    epoll_event any{};
    const int got = ::epoll_wait(waiting.get(), &any, 1, -1);
    lock.lock();
    if (got < 0 && errno != EINTR) return;
    std::uint64_t count = 0;
    if (::read(wake.get(), &count, sizeof count) < 0) count = 0;
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

Watchman::Watchman(std::string table, std::string netns_prefix, std::set<std::string> bridges)
    : impl_(std::make_unique<Impl>(std::move(table), std::move(netns_prefix),
                                   std::move(bridges))) {}

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
  impl_->sockets.clear();
  add_listener(impl_->sockets, NETLINK_ROUTE,
               RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR,
               Hears::Everywhere);
  // Guests' neighbours, as routers and servers meet them, are nobody's concern.
  add_listener(impl_->sockets, NETLINK_ROUTE, RTMGRP_NEIGH | RTMGRP_TC, Hears::Here);
  add_listener(impl_->sockets, NETLINK_NETFILTER, kFilterGroup, Hears::Everywhere);
  impl_->wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  impl_->waiting = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!impl_->wake.valid() || !impl_->waiting.valid()) return;  // The periodic pass is left.
  bool waits = impl_->wait_for(impl_->wake.get(), kSocket);
  for (const auto& socket : impl_->sockets) waits &= impl_->wait_for(socket.get(), kSocket);
  if (!waits) return;
  if (!impl_->netns_prefix.empty()) impl_->names = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (impl_->names.valid() && !impl_->wait_for(impl_->names.get(), kSocket)) impl_->names.reset();
  impl_->watch_names();
  try {
    impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
  } catch (const std::exception&) {
    impl_->sockets.clear();
  }
}

Watchman::Rest::Rest(Watchman& watchman) : impl_(watchman.impl_.get()) {
  const std::lock_guard lock(impl_->mutex);
  ++impl_->resting;
}

Watchman::Rest::~Rest() {
  if (impl_ == nullptr) return;
  const std::lock_guard lock(impl_->mutex);
  --impl_->resting;
  impl_->resumed.notify_all();
}

void Watchman::Rest::end(const std::vector<int>& pids, std::set<int> inside) {
  Impl& impl = *std::exchange(impl_, nullptr);
  const std::lock_guard lock(impl.mutex);
  --impl.resting;
  impl.resumed.notify_all();  // Who wakes waits for the mutex.
  if (impl.resting > 0 || !impl.thread.joinable()) return;
  impl.inside = std::move(inside);
  impl.watch_names();
  impl.read_all();
  impl.watch_servers(pids);
}

}  // namespace cloudos::network::linuxbridge
