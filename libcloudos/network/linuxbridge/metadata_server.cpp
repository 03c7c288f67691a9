#include "network/linuxbridge/metadata_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "network/linuxbridge/netns.hpp"

namespace cloudos::network::linuxbridge {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::size_t kHeadBytes = 8 << 10;
constexpr std::size_t kConnections = 256;
constexpr std::size_t kConnectionsPerNetwork = 64;
constexpr std::size_t kConnectionsPerGuest = 8;
constexpr int kBacklog = 64;
constexpr std::chrono::seconds kRequestPatience{10};
constexpr std::chrono::seconds kDrainPatience{2};
constexpr std::chrono::milliseconds kFullPause{10};

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return status < 500 ? "Error" : "Internal Server Error";
  }
}

std::string write_response(const MetadataAnswer& answer, bool head_only) {
  std::string type;  // A content type is ours, but a line break in it would be a header.
  for (const char c : answer.content_type) {
    if (c >= ' ' && c < 0x7f) type += c;
  }
  std::string out = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
      answer.status, reason_of(answer.status), type, answer.body.size());
  if (!head_only) out += answer.body;
  return out;
}

}  // namespace

Result<Fd> listen_in_netns(int netns, const std::string& address, std::uint16_t port,
                           const std::string& device) {
  Fd out;
  CLOUDOS_CHECK(run_in_netns(netns, [&]() -> Result<void> {
    const bool v6 = address.find(':') != std::string::npos;
    Fd fd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    sockaddr_in6 at6{};
    at6.sin6_family = AF_INET6;
    at6.sin6_port = htons(port);
    if (v6) {
      inet_pton(AF_INET6, address.c_str(), &at6.sin6_addr);
      at6.sin6_scope_id = if_nametoindex(device.c_str());
    } else {
      inet_pton(AF_INET, address.c_str(), &at.sin_addr);
    }
    const auto* to =
        v6 ? reinterpret_cast<const sockaddr*>(&at6) : reinterpret_cast<const sockaddr*>(&at);
    if (!fd.valid() || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (!device.empty() && ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device.c_str(),
                                         static_cast<socklen_t>(device.size())) != 0) ||
        ::bind(fd.get(), to, v6 ? sizeof at6 : sizeof at) != 0 ||
        ::listen(fd.get(), kBacklog) != 0) {
      return fail(ErrorCode::Unavailable, fmt::format("cannot serve metadata at {}:{}: {}", address,
                                                      port, std::strerror(errno)));
    }
    out = std::move(fd);
    return Result<void>();
  }));
  return out;
}

MetadataRequest parse_metadata_request(std::string_view head) {
  MetadataRequest out;
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const auto first = line.find(' ');
  const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return {400, false, ""};
  const std::string_view method = line.substr(0, first);
  std::string_view path = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return {400, false, ""};
  if (method != "GET" && method != "HEAD") return {405, false, ""};
  path = path.substr(0, path.find('?'));
  if (path.empty() || path.front() != '/') return {400, false, ""};
  for (const char c : path) {
    if (c <= ' ' || c >= 0x7f) return {400, false, ""};
  }
  out.head_only = method == "HEAD";
  out.path = std::string(path);
  return out;
}

struct MetadataServer::Impl {
  enum class Stage : std::uint8_t { Reading, Writing, Draining };

  struct Listener {
    Fd fd;
    NetworkId network;
  };
  struct Connection {
    Fd fd;
    std::string key;  // Of the listener it came by.
    NetworkId network;
    std::string peer;
    Stage stage = Stage::Reading;
    std::string in, out;
    std::size_t sent = 0;
    Steady::time_point deadline;
  };

  Log log;
  mutable std::mutex mutex;
  std::condition_variable taken_over;
  std::mutex calling;       // Held while the handler runs: replacing it waits for that.
  MetadataHandler handler;  // Guarded by `calling`; the rest, down to the thread, by `mutex`.
  std::map<std::string, std::shared_ptr<Listener>>
      wanted;               // Shared with the thread, which may be in accept.
  std::uint64_t asked = 0;  // Counts changes of `wanted` …
  std::uint64_t seen = 0;   // … and those the thread has taken over.
  bool stopping = false;
  Fd wake;
  std::thread thread;

  // The thread's own.
  std::map<std::string, std::shared_ptr<Listener>> listeners;
  std::vector<Connection> connections;

  void ring() const {
    const std::uint64_t one = 1;
    // A full counter wakes as well, so there is nothing to do about a failure.
    if (::write(wake.get(), &one, sizeof one) < 0) return;
  }
  void run();
  bool take_over();
  void accept_from(const std::string& key, const Listener& listener);
  bool make_room(std::size_t on_network);
  bool step(Connection& connection, short events);
  void answer(Connection& connection);
  void begin_drain(Connection& connection);
};

/// Takes over what add() and remove() asked for. False when it is time to stop.
bool MetadataServer::Impl::take_over() {
  std::lock_guard lock(mutex);
  if (seen != asked) {
    const auto kept = [&](const std::string& key) {
      const auto now = wanted.find(key);
      const auto was = listeners.find(key);
      return now != wanted.end() && was != listeners.end() && now->second == was->second;
    };
    std::erase_if(connections, [&](const Connection& c) {
      if (kept(c.key)) return false;
      // Reset, not closed politely: what lingers would keep the namespace.
      const linger at_once{1, 0};
      ::setsockopt(c.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      return true;
    });
    listeners = wanted;
    seen = asked;
    taken_over.notify_all();
  }
  return !stopping;
}

void MetadataServer::Impl::run() {
  while (take_over()) {
    std::vector<pollfd> polled{{wake.get(), POLLIN, 0}};
    std::vector<std::string> order;
    for (const auto& [key, listener] : listeners) {
      polled.push_back({listener->fd.get(), POLLIN, 0});
      order.push_back(key);
    }
    const std::size_t first = polled.size();
    auto next = Steady::now() + std::chrono::hours(1);
    for (const auto& c : connections) {
      polled.push_back(
          {c.fd.get(), static_cast<short>(c.stage == Stage::Writing ? POLLOUT : POLLIN), 0});
      next = std::min(next, c.deadline);
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Steady::now());
    const int patience =
        connections.empty() ? -1 : static_cast<int>(std::max<long>(0, left.count() + 1));
    if (::poll(polled.data(), polled.size(), patience) < 0) {
      for (auto& p : polled) p.revents = 0;  // Interrupted, or no memory just now.
    }
    if (polled[0].revents != 0) {
      std::uint64_t count = 0;
      if (::read(wake.get(), &count, sizeof count) < 0) count = 0;
    }
    const auto now = Steady::now();
    std::vector<bool> done(connections.size());
    for (std::size_t i = 0; i < connections.size(); ++i) {
      const short events = polled[first + i].revents;
      done[i] = now >= connections[i].deadline || (events != 0 && !step(connections[i], events));
    }
    for (std::size_t i = connections.size(); i-- > 0;) {
      if (done[i]) connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(i));
    }
    for (std::size_t i = 0; i < order.size(); ++i) {
      if ((polled[1 + i].revents & POLLIN) != 0) accept_from(order[i], *listeners.at(order[i]));
    }
  }
  connections.clear();
  listeners.clear();
}

/// When all places are taken the network with the most gives up its oldest, so that guests of many
/// networks together cannot shut out another's. False when `on_network` is no fewer.
bool MetadataServer::Impl::make_room(std::size_t on_network) {
  if (connections.size() < kConnections) return true;
  std::map<NetworkId, std::size_t> counts;
  for (const auto& c : connections) ++counts[c.network];
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most->second <= on_network + 1) return false;
  connections.erase(std::find_if(connections.begin(), connections.end(),
                                 [&](const auto& c) { return c.network == most->first; }));
  return true;
}

void MetadataServer::Impl::accept_from(const std::string& key, const Listener& listener) {
  const NetworkId& network = listener.network;
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  Fd fd(::accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                  SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) {
    // Out of descriptors the socket stays readable: without a pause this would spin.
    if (errno == EMFILE || errno == ENFILE) std::this_thread::sleep_for(kFullPause);
    return;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (peer.ss_family == AF_INET6) {
    const auto* at = reinterpret_cast<const sockaddr_in6*>(&peer);
    inet_ntop(AF_INET6, &at->sin6_addr, text.data(), text.size());
  } else {
    const auto* at = reinterpret_cast<const sockaddr_in*>(&peer);
    inet_ntop(AF_INET, &at->sin_addr, text.data(), text.size());
  }
  std::size_t on_network = 0;
  std::size_t of_guest = 0;
  for (const auto& c : connections) {
    on_network += c.network == network ? 1 : 0;
    of_guest += c.network == network && c.peer == text.data() ? 1 : 0;
  }
  // Closing at once is the answer to a guest (or a network) that hoards connections.
  if (on_network >= kConnectionsPerNetwork || of_guest >= kConnectionsPerGuest) return;
  if (!make_room(on_network)) return;
  Connection connection;
  connection.fd = std::move(fd);
  connection.key = key;
  connection.network = network;
  connection.peer = text.data();
  connection.deadline = Steady::now() + kRequestPatience;
  connections.push_back(std::move(connection));
}

void MetadataServer::Impl::answer(Connection& connection) {
  const auto request = parse_metadata_request(connection.in);
  MetadataAnswer answer;
  if (connection.in.size() >= kHeadBytes) {
    answer = {431, "text/plain", "request too large\n"};
  } else if (request.refusal != 0) {
    answer = {request.refusal, "text/plain", std::string(reason_of(request.refusal)) + "\n"};
  } else {
    std::lock_guard lock(calling);
    try {
      answer = handler ? handler(connection.network, connection.peer, request.path)
                       : MetadataAnswer{503, "text/plain", "not ready, try again\n"};
    } catch (const std::exception& e) {
      log.error(fmt::format("answering a metadata request failed: {}", e.what()));
      answer = {500, "text/plain", "internal error\n"};
    }
  }
  connection.out = write_response(answer, request.head_only);
  connection.stage = Stage::Writing;
  connection.deadline = Steady::now() + kRequestPatience;
}

/// Closing with unread input would reset the connection and lose the answer on its way.
void MetadataServer::Impl::begin_drain(Connection& connection) {
  ::shutdown(connection.fd.get(), SHUT_WR);
  connection.stage = Stage::Draining;
  connection.deadline = Steady::now() + kDrainPatience;
}

/// False when the connection is over.
bool MetadataServer::Impl::step(Connection& connection, short events) {
  const int fd = connection.fd.get();
  if (connection.stage != Stage::Writing) {
    std::array<char, 4096> chunk{};
    const ssize_t got = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    if (connection.stage == Stage::Draining) return true;
    connection.in.append(chunk.data(), static_cast<std::size_t>(got));
    const auto end = connection.in.find("\r\n\r\n");
    if (end == std::string::npos && connection.in.size() < kHeadBytes) return true;
    answer(connection);
  }
  if ((events & (POLLERR | POLLNVAL)) != 0) return false;
  while (connection.sent < connection.out.size()) {
    const ssize_t put = ::send(fd, connection.out.data() + connection.sent,
                               connection.out.size() - connection.sent, MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN || errno == EINTR;
    connection.sent += static_cast<std::size_t>(put);
  }
  begin_drain(connection);
  return true;
}

MetadataServer::MetadataServer(MetadataHandler handler, Log log) : impl_(std::make_unique<Impl>()) {
  impl_->handler = std::move(handler);
  impl_->log = std::move(log);
}

MetadataServer::~MetadataServer() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  if (impl_->thread.joinable()) {
    impl_->ring();
    impl_->thread.join();
  }
}

void MetadataServer::set_handler(MetadataHandler handler) {
  std::lock_guard lock(impl_->calling);
  impl_->handler = std::move(handler);
}

Result<void> MetadataServer::add(const std::string& key, const NetworkId& network, Fd listener) {
  std::lock_guard lock(impl_->mutex);
  if (!impl_->thread.joinable()) {
    impl_->wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!impl_->wake.valid()) {
      return fail(ErrorCode::Unavailable, "cannot start the metadata server", std::strerror(errno));
    }
    try {
      impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
    } catch (const std::exception& e) {
      return fail(ErrorCode::Unavailable, "cannot start the metadata server", e.what());
    }
  }
  impl_->wanted[key] =
      std::make_shared<Impl::Listener>(Impl::Listener{std::move(listener), network});
  ++impl_->asked;
  impl_->ring();
  return Result<void>();
}

void MetadataServer::remove(const std::string& key) {
  std::unique_lock lock(impl_->mutex);
  if (impl_->wanted.erase(key) == 0) return;
  const std::uint64_t mine = ++impl_->asked;
  impl_->ring();
  impl_->taken_over.wait(lock, [&] { return impl_->seen >= mine; });
}

bool MetadataServer::serves(const std::string& key) const {
  std::lock_guard lock(impl_->mutex);
  return impl_->wanted.count(key) > 0;
}

}  // namespace cloudos::network::linuxbridge
