#include "dataplane/traffic.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace dataplane {
namespace {

sockaddr_in place_of(const std::string& address, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  REQUIRE(inet_pton(AF_INET, address.c_str(), &at.sin_addr) == 1);
  return at;
}

Fd receiver(const Guest& at, const std::string& address, std::uint16_t port) {
  Fd out;
  at.in([&] {
    Fd made(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int room = 4 << 20;
    ::setsockopt(made.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    const auto place = place_of(address, port);
    REQUIRE(::bind(made.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0);
    out = std::move(made);
  });
  return out;
}

Fd sender(const Guest& at, const std::string& address, std::uint16_t port) {
  Fd out;
  at.in([&] {
    Fd made(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto place = place_of(address, port);
    REQUIRE(::connect(made.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0);
    out = std::move(made);
  });
  return out;
}

std::size_t take_all(const Fd& in, int* count = nullptr) {
  std::array<char, 2'048> buffer{};
  std::size_t bytes = 0;
  for (ssize_t got = 0; (got = ::recv(in.get(), buffer.data(), buffer.size(), 0)) > 0;) {
    bytes += static_cast<std::size_t>(got);
    if (count != nullptr) ++*count;
  }
  return bytes;
}

}  // namespace

double datagram_rate(const Guest& from, const Guest& to, const std::string& address,
                     std::uint16_t port, const std::string& bound, std::chrono::milliseconds span) {
  const auto in = receiver(to, bound.empty() ? address : bound, port);
  const auto out = sender(from, address, port);
  const std::array<char, 1'400> payload{};
  std::size_t bytes = 0;
  const auto began = std::chrono::steady_clock::now();
  auto now = began;
  for (; now < began + span; now = std::chrono::steady_clock::now()) {
    bool blocked = false;
    for (int i = 0; i < 16 && !blocked; ++i)
      blocked = ::send(out.get(), payload.data(), payload.size(), 0) < 0;
    bytes += take_all(in);
    pollfd waiting{in.get(), POLLIN, 0};
    if (blocked) ::poll(&waiting, 1, 1);
  }
  // With headers, which limits count: Ethernet, IP and UDP.
  const double frames = static_cast<double>(bytes) / static_cast<double>(payload.size());
  const double seconds = std::chrono::duration<double>(now - began).count();
  return (static_cast<double>(bytes) + frames * 42) / seconds;
}

Stream::Stream(const Guest& from, const Guest& to, const std::string& address, std::uint16_t port,
               const std::string& bound)
    : out_(sender(from, address, port)), in_(receiver(to, bound.empty() ? address : bound, port)) {
  thread_ = std::thread([this] {
    auto next = std::chrono::steady_clock::now();
    while (!over_) {
      if (::send(out_.get(), "x", 1, 0) == 1) ++sent_;
      next += std::chrono::milliseconds(10);
      std::this_thread::sleep_until(next);
      int count = 0;
      take_all(in_, &count);
      got_ += count;
    }
  });
}

int Stream::finish() {
  if (thread_.joinable()) {
    over_ = true;
    thread_.join();
    pollfd waiting{in_.get(), POLLIN, 0};
    for (int i = 0; i < 10 && got_ < sent_; ++i) {  // What is under way.
      ::poll(&waiting, 1, 20);
      int count = 0;
      take_all(in_, &count);
      got_ += count;
    }
  }
  return sent_ - got_;
}

Stream::~Stream() {
  finish();
}

Fd connect6(const Guest& guest, const std::string& address, std::uint16_t port) {
  Fd out;
  guest.in([&] {
    Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    REQUIRE(inet_pton(AF_INET6, address.c_str(), &to.sin6_addr) == 1);
    to.sin6_scope_id = if_nametoindex("eth0");
    // While its own address is being probed for there is none to connect from.
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
        errno != EINPROGRESS)
      return;
    pollfd waiting{fd.get(), POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;
    if (::poll(&waiting, 1, 250) == 1 &&
        ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
      out = std::move(fd);
  });
  return out;
}

std::vector<std::uint8_t> with_tag(std::vector<std::uint8_t> frame, std::uint16_t tag) {
  frame.insert(frame.begin() + 12,
               {0x81, 0x00, static_cast<std::uint8_t>(tag >> 8), static_cast<std::uint8_t>(tag)});
  return frame;
}

int tag_of_next(const Fd& sniffer, const std::string& needle) {
  const int on = 1;
  REQUIRE(::setsockopt(sniffer.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) == 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  while (std::chrono::steady_clock::now() < deadline) {
    pollfd waiting{sniffer.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 100) != 1) continue;
    std::array<char, 2048> frame{};
    alignas(cmsghdr) std::array<char, 256> control{};
    iovec part{frame.data(), frame.size()};
    msghdr received{};
    received.msg_iov = &part;
    received.msg_iovlen = 1;
    received.msg_control = control.data();
    received.msg_controllen = control.size();
    const auto got = ::recvmsg(sniffer.get(), &received, 0);
    if (got <= 0) continue;
    const std::string_view text(frame.data(), static_cast<std::size_t>(got));
    if (text.find(needle) == std::string_view::npos) continue;
    for (auto* one = CMSG_FIRSTHDR(&received); one != nullptr; one = CMSG_NXTHDR(&received, one)) {
      if (one->cmsg_level != SOL_PACKET || one->cmsg_type != PACKET_AUXDATA) continue;
      tpacket_auxdata beside{};
      std::memcpy(&beside, CMSG_DATA(one), sizeof beside);
      if ((beside.tp_status & TP_STATUS_VLAN_VALID) != 0) return beside.tp_vlan_tci & 0xfff;
    }
    return -1;
  }
  return -2;
}

}  // namespace dataplane
