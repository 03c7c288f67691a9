#include "http_load.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "seed.hpp"

namespace cloudos::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

/// Names and tokens of HTTP compare without case.
bool begins_with(std::string_view text, std::string_view what) {
  return text.size() >= what.size() && ::strncasecmp(text.data(), what.data(), what.size()) == 0;
}

/// The value of a field in a reply's head; empty when there is none.
std::string_view field_of(std::string_view head, std::string_view name) {
  for (auto at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (!begins_with(line, name) || line.size() == name.size() || line[name.size()] != ':') continue;
    std::string_view value = line.substr(name.size() + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    return value;
  }
  return {};
}

/// How a reply ends. Peers answer as they please: with a length, in chunks, or by hanging up.
struct ReplyEnd {
  bool known = false;   ///< All of the head is there.
  bool whole = false;   ///< All of the reply is there, as far as it can tell by itself.
  bool closes = false;  ///< The connection serves no other request.
};

ReplyEnd reply_end(std::string_view bytes) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == bytes.npos) return {};
  const std::string_view head = bytes.substr(0, end), body = bytes.substr(end + 4);
  const std::string_view connection = field_of(head, "Connection");
  ReplyEnd found{.known = true};
  found.closes = head.starts_with("HTTP/1.0") ? !begins_with(connection, "keep-alive")
                                              : begins_with(connection, "close");
  if (const auto length = field_of(head, "Content-Length"); !length.empty()) {
    found.whole = body.size() >= std::strtoul(length.data(), nullptr, 10);
  } else if (begins_with(field_of(head, "Transfer-Encoding"), "chunked")) {
    found.whole = body == "0\r\n\r\n" || body.ends_with("\r\n0\r\n\r\n");
  } else if (begins_with(head.substr(std::min<std::size_t>(head.size(), 8)), " 204")) {
    found.whole = true;
  } else {
    found.closes = true;
  }
  return found;
}

class Driver {
 public:
  Driver(std::uint16_t port, const std::string& request, unsigned count)
      : port_(port), request_(request), epoll_(::epoll_create1(EPOLL_CLOEXEC)), clients_(count) {
    for (Client& client : clients_) open(client);
  }
  ~Driver() {
    for (const Client& client : clients_) ::close(client.fd);
    ::close(epoll_);
  }

  Load run(std::chrono::milliseconds warm_up, std::chrono::milliseconds during) {
    for (Client& client : clients_) ask(client);
    const auto from = SteadyClock::now() + warm_up;
    const auto until = from + during;
    std::array<epoll_event, 64> events;
    for (auto now = SteadyClock::now(); now < until; now = SteadyClock::now()) {
      const int ready = ::epoll_wait(epoll_, events.data(), events.size(), 1'000);
      for (int i = 0; i < ready; ++i)
        hear(*static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr), from);
    }
    if (micros_.empty()) give_up("http: no reply in all that time");
    std::sort(micros_.begin(), micros_.end());
    const double seconds = std::chrono::duration<double>(during).count();
    return {static_cast<double>(micros_.size()) / seconds, micros_[micros_.size() / 2],
            micros_[micros_.size() * 99 / 100], replies_};
  }

 private:
  struct Client {
    int fd = -1;
    SteadyClock::time_point asked;
    std::string held;
    bool closed = false;  // By the server, with its last reply.
  };

  void open(Client& client) {
    if (client.fd >= 0) ::close(client.fd);
    client.fd = connect_to(port_);
    if (client.fd < 0) give_up("http: nobody answers");
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &client}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event);
  }
  void ask(Client& client) {
    client.asked = SteadyClock::now();
    if (client.closed) open(client);  // Its time counts: who hangs up makes all pay for it.
    client.closed = false;
    if (::send(client.fd, request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size()))
      give_up("http: a request was not taken");
  }
  void hear(Client& client, SteadyClock::time_point from) {
    const ssize_t got = ::recv(client.fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0) give_up("http: a connection broke");
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    if (!client.held.empty()) bytes = client.held.append(bytes);
    const ReplyEnd end = reply_end(bytes);
    if (!end.whole && got > 0) {
      if (client.held.empty()) client.held = bytes;
      return;
    }
    if (!end.known || (!end.whole && !end.closes)) give_up("http: a connection ended");
    client.closed = end.closes;
    if (bytes.size() < 10 || bytes.substr(8, 2) != " 2")
      give_up("http: " + std::string(bytes.substr(0, bytes.find('\r'))));
    ++replies_;
    const auto now = SteadyClock::now();
    if (now >= from)
      micros_.push_back(std::chrono::duration<double, std::micro>(now - client.asked).count());
    client.held.clear();
    ask(client);
  }

  const std::uint16_t port_;
  const std::string& request_;
  int epoll_;
  std::vector<Client> clients_;
  std::vector<double> micros_;
  std::uint64_t replies_ = 0;
  std::array<char, 256 << 10> buffer_;
};

}  // namespace

Load drive(std::uint16_t port, const std::string& request, unsigned connections,
           std::chrono::milliseconds warm_up, std::chrono::milliseconds during) {
  return std::make_unique<Driver>(port, request, connections)->run(warm_up, during);
}

std::string ask_once(std::uint16_t port, const std::string& request) {
  const int fd = connect_to(port);
  if (fd < 0) return {};
  std::string reply;
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    std::array<char, 16 << 10> buffer;
    while (!reply_end(reply).whole) {
      const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
      reply.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
  ::close(fd);
  return reply;
}

}  // namespace cloudos::bench
