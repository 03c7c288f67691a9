#include "http_load.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
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

/// The size of the reply at the beginning of `bytes`; 0: not all of its head is there.
std::size_t reply_size(std::string_view bytes) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == bytes.npos) return 0;
  const auto at = bytes.substr(0, end).find("Content-Length: ");
  const std::size_t length = at == bytes.npos ? 0 : std::strtoul(bytes.data() + at + 16, nullptr, 10);
  return end + 4 + length;
}

class Driver {
 public:
  Driver(std::uint16_t port, const std::string& request, unsigned count)
      : request_(request), epoll_(::epoll_create1(EPOLL_CLOEXEC)), clients_(count) {
    for (Client& client : clients_) {
      client.fd = connect_to(port);
      if (client.fd < 0) give_up("http: nobody answers");
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &client}};
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event);
    }
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
            micros_[micros_.size() * 99 / 100]};
  }

 private:
  struct Client {
    int fd = -1;
    SteadyClock::time_point asked;
    std::string held;
  };

  void ask(Client& client) {
    client.asked = SteadyClock::now();
    if (::send(client.fd, request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size()))
      give_up("http: a request was not taken");
  }
  void hear(Client& client, SteadyClock::time_point from) {
    const ssize_t got = ::recv(client.fd, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) give_up("http: a connection ended");
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    if (!client.held.empty()) bytes = client.held.append(bytes);
    const std::size_t size = reply_size(bytes);
    if (size == 0 || bytes.size() < size) {
      if (client.held.empty()) client.held = bytes;
      return;
    }
    if (!bytes.starts_with("HTTP/1.1 2"))
      give_up("http: " + std::string(bytes.substr(0, bytes.find('\r'))));
    const auto now = SteadyClock::now();
    if (now >= from)
      micros_.push_back(std::chrono::duration<double, std::micro>(now - client.asked).count());
    client.held.clear();
    ask(client);
  }

  const std::string& request_;
  int epoll_;
  std::vector<Client> clients_;
  std::vector<double> micros_;
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
    while (reply_size(reply) == 0 || reply.size() < reply_size(reply)) {
      const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
      reply.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
  ::close(fd);
  return reply;
}

}  // namespace cloudos::bench
