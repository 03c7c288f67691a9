#include "network/linuxbridge/netlink.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace cloudos::network::linuxbridge {
namespace {

constexpr std::size_t kReceiveBytes = 64 << 10;
constexpr int kAnswerSeconds = 10;

std::size_t aligned(std::size_t size) {
  return (size + 3) & ~std::size_t{3};
}

}  // namespace

NetlinkMessage::NetlinkMessage(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr head{};
  head.nlmsg_type = type;
  head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  bytes_.reserve(256);
  append(&head, sizeof head);
}

void NetlinkMessage::append(const void* data, std::size_t size) {
  const auto* from = static_cast<const char*>(data);
  bytes_.insert(bytes_.end(), from, from + size);
  bytes_.resize(aligned(bytes_.size()), 0);
}

void NetlinkMessage::attr(std::uint16_t type, const void* data, std::size_t size) {
  rtattr head{};
  head.rta_type = type;
  head.rta_len = static_cast<std::uint16_t>(sizeof head + size);
  append(&head, sizeof head);
  if (size > 0) append(data, size);
}

void NetlinkMessage::attr(std::uint16_t type, std::string_view text) {
  const std::string with_nul(text);
  attr(type, with_nul.c_str(), with_nul.size() + 1);
}

std::size_t NetlinkMessage::begin(std::uint16_t type) {
  const std::size_t at = bytes_.size();
  attr(type, nullptr, 0);
  return at;
}

void NetlinkMessage::end(std::size_t nest) {
  rtattr head{};
  std::memcpy(&head, bytes_.data() + nest, sizeof head);
  head.rta_len = static_cast<std::uint16_t>(bytes_.size() - nest);
  std::memcpy(bytes_.data() + nest, &head, sizeof head);
}

Result<Netlink> Netlink::open(int protocol) {
  Netlink out;
  out.socket_ = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!out.socket_.valid()) {
    return fail(ErrorCode::Unavailable, "cannot open a netlink socket", std::strerror(errno));
  }
  // The kernel answers at once; a limit keeps a lost answer from holding a worker for ever.
  const timeval patience{kAnswerSeconds, 0};
  ::setsockopt(out.socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const int room = 1 << 20;
  ::setsockopt(out.socket_.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  return out;
}

Result<Fd> Netlink::listen(int protocol, std::uint32_t groups) {
  Fd out(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  sockaddr_nl at{};
  at.nl_family = AF_NETLINK;
  at.nl_groups = groups;
  if (!out.valid() || ::bind(out.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
    return fail(ErrorCode::Unavailable, "cannot listen to netlink", std::strerror(errno));
  }
  return out;
}

int Netlink::dump(NetlinkMessage& message, const Visitor& visit) {
  auto& bytes = message.bytes();
  nlmsghdr head{};
  std::memcpy(&head, bytes.data(), sizeof head);
  head.nlmsg_len = static_cast<std::uint32_t>(bytes.size());
  head.nlmsg_seq = ++sequence_;
  std::memcpy(bytes.data(), &head, sizeof head);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent = 0;
  do {
    sent = ::sendto(socket_.get(), bytes.data(), bytes.size(), 0,
                    reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return errno;

  const auto buffer = std::make_unique_for_overwrite<char[]>(kReceiveBytes);
  const bool wants_ack = (head.nlmsg_flags & NLM_F_ACK) != 0;
  while (true) {
    ssize_t got = ::recv(socket_.get(), buffer.get(), kReceiveBytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
    auto left = static_cast<unsigned>(got);
    for (const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer.get());
         NLMSG_OK(answer, left); answer = NLMSG_NEXT(answer, left)) {
      if (answer->nlmsg_seq != sequence_) continue;  // Of a request that timed out before.
      if (answer->nlmsg_type == NLMSG_DONE) return 0;
      if (answer->nlmsg_type == NLMSG_ERROR) {
        return -static_cast<const nlmsgerr*>(NLMSG_DATA(answer))->error;
      }
      visit(*answer);
      if ((answer->nlmsg_flags & NLM_F_MULTI) == 0 && !wants_ack) return 0;
    }
  }
}

int Netlink::execute(NetlinkMessage& message) {
  nlmsghdr head{};
  std::memcpy(&head, message.bytes().data(), sizeof head);
  head.nlmsg_flags |= NLM_F_ACK;
  std::memcpy(message.bytes().data(), &head, sizeof head);
  return dump(message, [](const nlmsghdr&) {});
}

void each_attr(const void* data, std::size_t size,
               const std::function<void(std::uint16_t, const char*, std::size_t)>& visit) {
  const auto* at = static_cast<const char*>(data);
  while (size >= sizeof(rtattr)) {
    rtattr head{};
    std::memcpy(&head, at, sizeof head);
    if (head.rta_len < sizeof head || head.rta_len > size) return;
    visit(static_cast<std::uint16_t>(head.rta_type & NLA_TYPE_MASK), at + sizeof head,
          head.rta_len - sizeof head);
    const std::size_t step = aligned(head.rta_len);
    if (step >= size) return;
    at += step;
    size -= step;
  }
}

}  // namespace cloudos::network::linuxbridge
