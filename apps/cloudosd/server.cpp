#include "cloudosd/server.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <mutex>
#include <thread>
#include <vector>

#include "cloudos/metrics.hpp"
#include "cloudosd/connection.hpp"
#include "cloudosd/tls.hpp"

namespace cloudosd {
namespace {

namespace asio = boost::asio;
namespace limits = cloudos::limits;
using asio::ip::tcp;
using boost::system::error_code;
using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

constexpr int kBacklog = 4'096;  // The system's own limit may be lower.
constexpr std::chrono::milliseconds kAcceptPause{50};
constexpr std::size_t kOtherDescriptors = 512;  // The store's, the drivers', files being sent.

std::size_t affordable_connections(std::size_t wanted) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return wanted;
  const std::size_t all = files.rlim_cur;
  return std::min(wanted, all > 2 * kOtherDescriptors ? all - kOtherDescriptors : all / 2);
}

/// "127.0.0.1:5000", "[::1]:5000": as people write them.
std::string place_name(const Listen& place) {
  const bool v6 = place.address.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", place.address, place.port)
            : fmt::format("{}:{}", place.address, place.port);
}

cloudos::Failure bind_failure(const Listen& place, const error_code& ec) {
  if (ec == asio::error::address_in_use)
    return fail(ErrorCode::Conflict,
                fmt::format("Port {} of {} is in use by another program: stop it, or choose "
                            "another with --listen ADDR:PORT.",
                            place.port, place.address));
  if (ec == asio::error::access_denied)
    return fail(ErrorCode::Unavailable,
                fmt::format("Port {} needs more rights than this program has: choose one above "
                            "1023 with --listen ADDR:PORT.",
                            place.port));
  return fail(ErrorCode::InvalidArgument,
              fmt::format("Cannot listen on {}: {}. Choose another with --listen ADDR:PORT.",
                          place_name(place), ec.message()));
}

/// One listening socket. A name with several addresses has several.
struct Door {
  Door(asio::io_context& io, std::size_t of_place, bool by_tls)
      : acceptor(io), pause(io), place(of_place), tls(by_tls) {}
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::size_t place;  // In ServerOptions::listen.
  bool tls;
};

}  // namespace

struct Server::Impl {
  explicit Impl(ServerOptions chosen) : options(std::move(chosen)) {
    for (unsigned i = 0; i < std::max(1u, options.io_threads); ++i)
      loops.push_back(std::make_unique<Loop>());
  }

  Result<void> bind_all();
  Result<void> bind_place(std::size_t index);
  Result<void> adopt(std::size_t index);
  error_code open_door(std::size_t index, const tcp::endpoint& endpoint);
  bool shares_port_with_ipv4(const Listen& place) const;
  void accept(Door& door);
  void accept_later(Door& door);
  void serve(tcp::socket socket, Loop& loop, bool by_tls);
  void for_all(void (Connection::*verb)());
  void collect(cloudos::MetricsReading& reading) const;
  bool wait_until_none(std::chrono::milliseconds patience);
  std::shared_ptr<const TlsContext> current_tls() const {
    const std::lock_guard lock(tls_mutex);
    return tls;
  }

  ServerOptions options;
  std::vector<std::unique_ptr<Loop>> loops;  // Outlives what runs on it.
  std::vector<std::unique_ptr<Door>> doors;  // On the first loop.
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards;
  std::vector<std::thread> threads;
  std::unique_ptr<Carrier> carrier;
  std::size_t next_loop = 0;
  cloudos::Metrics::Collector collector;  // From start() to stop().
  mutable std::mutex tls_mutex;
  std::shared_ptr<const TlsContext> tls;  // Shared with whoever makes a connection of it right now.
};

Server::Server(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() {
  stop();
}

Result<void> Server::bind() {
  for (const Listen& place : impl_->options.listen)
    if (place.tls && !impl_->tls) {
      CLOUDOS_TRY(impl_->tls, TlsContext::load(impl_->options.tls));
    }
  auto bound = impl_->bind_all();
  if (!bound) impl_->doors.clear();
  return bound;
}

Result<void> Server::Impl::bind_all() {
  if (options.listen.empty())
    return fail(ErrorCode::InvalidArgument, "There is no address to listen on.");
  for (std::size_t i = 0; i < options.listen.size(); ++i)
    CLOUDOS_CHECK(options.listen[i].descriptor >= 0 ? adopt(i) : bind_place(i));
  return Result<void>();
}

Result<void> Server::Impl::bind_place(std::size_t index) {
  const Listen& place = options.listen[index];
  error_code ec;
  tcp::resolver resolver(loops[0]->io);
  const auto found = resolver.resolve(place.address, std::to_string(place.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, ec);
  if (ec || found.empty())
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' is not an address of this machine: give --listen ADDR:PORT.",
                            place.address));
  // A name may stand for addresses of both kinds, of which a host need not have both.
  const std::size_t before = doors.size();
  error_code last;
  for (const auto& entry : found) {
    auto endpoint = entry.endpoint();
    if (place.port == 0 && doors.size() > before)
      endpoint.port(doors.back()->acceptor.local_endpoint(ec).port());
    const error_code one = open_door(index, endpoint);
    if (!one) continue;
    last = one;
    const bool absent = one == asio::error::address_family_not_supported ||
                        one == boost::system::errc::address_not_available;
    if (!absent) return bind_failure(place, one);
  }
  return doors.size() > before ? Result<void>() : bind_failure(place, last);
}

bool Server::Impl::shares_port_with_ipv4(const Listen& place) const {
  return std::any_of(options.listen.begin(), options.listen.end(), [&](const Listen& other) {
    return place.port != 0 && other.port == place.port &&
           other.address.find(':') == std::string::npos;
  });
}

error_code Server::Impl::open_door(std::size_t index, const tcp::endpoint& endpoint) {
  const Listen& place = options.listen[index];
  auto door = std::make_unique<Door>(loops[0]->io, index, place.tls);
  auto& acceptor = door->acceptor;
  error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  // Said outright: what the system's default is differs from host to host.
  if (!ec && endpoint.address().is_v6())
    acceptor.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified() ||
                                          shares_port_with_ipv4(place)),
                        ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(kBacklog, ec);
  if (!ec) doors.push_back(std::move(door));
  return ec;
}

Result<void> Server::Impl::adopt(std::size_t index) {
  Listen& place = options.listen[index];
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  int listens = 0;
  socklen_t int_size = sizeof listens;
  if (::getsockname(place.descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      (address.ss_family != AF_INET && address.ss_family != AF_INET6) ||
      ::getsockopt(place.descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_size) != 0 ||
      listens == 0)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("Descriptor {} is not a listening TCP socket.", place.descriptor));
  auto door = std::make_unique<Door>(loops[0]->io, index, place.tls);
  error_code ec;
  door->acceptor.assign(address.ss_family == AF_INET ? tcp::v4() : tcp::v6(), place.descriptor, ec);
  if (ec) return bind_failure(place, ec);
  const auto endpoint = door->acceptor.local_endpoint(ec);
  place.address = endpoint.address().to_string();
  place.port = endpoint.port();
  doors.push_back(std::move(door));
  return Result<void>();
}

std::vector<Listen> Server::bound() const {
  std::vector<Listen> places = impl_->options.listen;
  for (const auto& door : impl_->doors) {
    error_code ec;
    const auto endpoint = door->acceptor.local_endpoint(ec);
    if (!ec) places[door->place].port = endpoint.port();
  }
  return places;
}

std::uint16_t Server::port() const {
  const auto places = bound();
  return places.empty() || impl_->doors.empty() ? std::uint16_t{0} : places.front().port;
}

Result<void> Server::reload_tls() {
  return reload_tls(impl_->options.tls);
}

Result<void> Server::reload_tls(const TlsFiles& files) {
  const auto old = impl_->current_tls();
  if (!old) return Result<void>();
  CLOUDOS_TRY(auto fresh, TlsContext::load(files));
  if (impl_->carrier)
    impl_->carrier->log.info(fmt::format("new connections get the certificate of {}",
                                         fresh->summary()));
  const std::lock_guard lock(impl_->tls_mutex);
  impl_->tls = std::move(fresh);
  impl_->options.tls = files;
  return Result<void>();
}

void Server::start(cloudos::Cloud& cloud, const cloudos::rest::Router& router,
                   std::string base_url) {
  auto& options = impl_->options;
  impl_->carrier = std::unique_ptr<Carrier>(new Carrier{
      cloud, router, std::move(base_url), options.timeouts,
      limits::kPendingBodyBytes / impl_->loops.size(), affordable_connections(options.connections),
      cloud.log("cloudosd")});
  impl_->collector = cloud.metrics().collect(
      [impl = impl_.get()](cloudos::MetricsReading& reading) { impl->collect(reading); });
  if (const auto tls = impl_->current_tls()) {
    const auto now = cloud.clock().wall();
    const bool holds = tls->not_before() <= now && now <= tls->not_after();
    impl_->carrier->log.write(holds ? cloudos::LogLevel::Info : cloudos::LogLevel::Warning,
                              fmt::format("TLS with the certificate of {}{}", tls->summary(),
                                          holds ? "" : ": clients will refuse it today"));
  }
  for (auto& loop : impl_->loops) {
    impl_->guards.push_back(asio::make_work_guard(loop->io));
    impl_->threads.emplace_back([io = &loop->io] { io->run(); });
  }
  asio::post(impl_->loops[0]->io, [impl = impl_.get()] {
    for (auto& door : impl->doors) impl->accept(*door);
  });
}

void Server::set_connections(std::size_t most) {
  impl_->carrier->most_connections = affordable_connections(most);
}

void Server::Impl::accept(Door& door) {
  if (carrier->stopping) return;
  if (carrier->connections >= carrier->most_connections) {
    // Whoever holds connections idle must not keep others out.
    for (auto& loop : loops) asio::post(loop->io, [loop = loop.get()] { make_room(*loop); });
    return accept_later(door);
  }
  // The connection's own loop from the start; in turn, so that each thread has its share.
  Loop& loop = *loops[next_loop++ % loops.size()];
  door.acceptor.async_accept(loop.io, [this, &door, &loop](error_code ec, tcp::socket socket) {
    if (ec == asio::error::operation_aborted || carrier->stopping) return;
    if (ec) return accept_later(door);  // Out of descriptors, most likely: some come back.
    asio::post(loop.io, [this, &loop, tls = door.tls, accepted = std::move(socket)]() mutable {
      serve(std::move(accepted), loop, tls);
    });
    accept(door);
  });
}

void Server::Impl::serve(tcp::socket socket, Loop& loop, bool by_tls) {
  error_code ec;
  socket.native_non_blocking(true, ec);
  if (ec) return;
  const int number = socket.native_handle();
  auto transport = by_tls ? current_tls()->transport(number) : plain_transport(number);
  if (!transport) return;
  std::make_shared<Connection>(std::move(socket), std::move(transport), loop, *carrier)->start();
}

void Server::Impl::collect(cloudos::MetricsReading& reading) const {
  const auto gauge = [&](std::string_view name, std::string_view help, std::size_t value,
                         std::string_view label, std::string_view which) {
    reading.gauge(name, help, static_cast<double>(value),
                  {{std::string(label), std::string(which)}});
  };
  for (std::size_t phase = 0; phase < PhaseCounts::kNames.size(); ++phase) {
    std::int64_t count = 0;
    for (const auto& loop : loops) count += loop->phases.of(phase);
    gauge("cloudosd_connections", "Open connections, by what they are at.",
          static_cast<std::size_t>(std::max<std::int64_t>(count, 0)), "phase",
          PhaseCounts::kNames[phase]);
  }
  const std::pair<std::string_view, const Pool&> pools[] = {
      {"commits", carrier->commits}, {"streams", carrier->streams}, {"hashes", carrier->hashes}};
  for (const auto& [name, pool] : pools) {
    const Pool::Load load = pool.load();
    gauge("cloudosd_pool_threads", "Threads of a pool; they go when there is no work.",
          load.threads, "pool", name);
    gauge("cloudosd_pool_queued", "Requests that wait for a thread of the pool.", load.queued,
          "pool", name);
  }
}

std::string Server::dump() const {
  if (!impl_->carrier) return {};
  const Carrier& carrier = *impl_->carrier;
  std::string out = fmt::format("connections: {} of {}", carrier.connections.load(),
                                carrier.most_connections.load());
  for (std::size_t phase = 0; phase < PhaseCounts::kNames.size(); ++phase) {
    std::int64_t count = 0;
    for (const auto& loop : impl_->loops) count += loop->phases.of(phase);
    if (count > 0) out += fmt::format(", {} {}", count, PhaseCounts::kNames[phase]);
  }
  const auto pool = [&out](std::string_view name, const Pool& one) {
    const Pool::Load load = one.load();
    out += fmt::format("\npool {}: {} threads, {} requests queued", name, load.threads,
                       load.queued);
  };
  pool("commits", carrier.commits);
  pool("streams", carrier.streams);
  pool("hashes", carrier.hashes);
  return out + "\n";
}

void Server::Impl::accept_later(Door& door) {
  door.pause.expires_after(kAcceptPause);
  door.pause.async_wait([this, &door](error_code ec) {
    if (!ec) accept(door);
  });
}

void Server::Impl::for_all(void (Connection::*verb)()) {
  for (auto& loop : loops)
    asio::post(loop->io, [loop = loop.get(), verb] {
      std::vector<std::shared_ptr<Connection>> all;
      for (const auto& [key, connection] : loop->connections) all.push_back(connection);
      for (const auto& connection : all) ((*connection).*verb)();
    });
}

bool Server::Impl::wait_until_none(std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (carrier->connections > 0) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

bool Server::answers(std::chrono::milliseconds patience) {
  // Shared with the loops: one that answers too late must still find it.
  struct Round {
    std::mutex mutex;
    std::condition_variable all;
    std::size_t left = 0;
  };
  auto round = std::make_shared<Round>();
  round->left = impl_->loops.size();
  for (auto& loop : impl_->loops)
    asio::post(loop->io, [round] {
      const std::lock_guard lock(round->mutex);
      if (--round->left == 0) round->all.notify_all();
    });
  std::unique_lock lock(round->mutex);
  return round->all.wait_for(lock, patience, [&] { return round->left == 0; });
}

void Server::stop() {
  if (!impl_->carrier) return;
  impl_->carrier->stopping = true;
  asio::post(impl_->loops[0]->io, [impl = impl_.get()] {
    error_code ec;
    for (auto& door : impl->doors) {
      door->acceptor.close(ec);
      door->pause.cancel();
    }
  });
  impl_->for_all(&Connection::drain);
  if (!impl_->wait_until_none(impl_->options.timeouts.drain)) impl_->for_all(&Connection::cut);
  impl_->carrier->commits.stop();
  impl_->carrier->hashes.stop();
  impl_->carrier->streams.stop();
  impl_->for_all(&Connection::cut);
  impl_->wait_until_none(std::chrono::seconds(1));
  for (auto& loop : impl_->loops) loop->io.stop();
  for (auto& thread : impl_->threads) thread.join();
  for (auto& loop : impl_->loops) loop->connections.clear();
  impl_->threads.clear();
  impl_->collector = {};
  impl_->carrier.reset();
}

}  // namespace cloudosd
