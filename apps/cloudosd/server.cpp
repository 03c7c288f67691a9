#include "cloudosd/server.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "cloudosd/connection.hpp"

namespace cloudosd {
namespace {

namespace asio = boost::asio;
namespace limits = cloudos::limits;
using asio::ip::tcp;
using boost::system::error_code;
using cloudos::ErrorCode;
using cloudos::fail;

constexpr int kBacklog = 1'024;
constexpr std::chrono::milliseconds kAcceptPause{50};
constexpr std::size_t kOtherDescriptors = 512;  // The store's, the drivers', files being sent.

std::size_t affordable_connections() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
    return limits::kConnections;
  const std::size_t all = files.rlim_cur;
  return std::min(limits::kConnections,
                  all > 2 * kOtherDescriptors ? all - kOtherDescriptors : all / 2);
}

}  // namespace

struct Server::Impl {
  explicit Impl(ServerOptions chosen) : options(std::move(chosen)) {
    for (unsigned i = 0; i < std::max(1u, options.io_threads); ++i)
      loops.push_back(std::make_unique<Loop>());
    acceptor.emplace(loops[0]->io);
    pause.emplace(loops[0]->io);
  }

  void accept();
  void accept_later();
  void for_all(void (Connection::*verb)());
  bool wait_until_none(std::chrono::milliseconds patience);

  ServerOptions options;
  std::vector<std::unique_ptr<Loop>> loops;  // Outlives what runs on it.
  std::optional<tcp::acceptor> acceptor;
  std::optional<asio::steady_timer> pause;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards;
  std::vector<std::thread> threads;
  std::unique_ptr<Carrier> carrier;
  std::size_t next_loop = 0;
};

Server::Server(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() {
  stop();
}

cloudos::Result<void> Server::bind() {
  const auto& [address, port, tls, descriptor] = impl_->options.listen.front();
  error_code ec;
  tcp::resolver resolver(impl_->loops[0]->io);
  const auto found = resolver.resolve(address, std::to_string(port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, ec);
  if (ec || found.empty())
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("'{}' is not an address of this machine: give --listen ADDR:PORT.", address));
  const tcp::endpoint endpoint = *found.begin();
  auto& acceptor = *impl_->acceptor;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(kBacklog, ec);
  if (!ec) return cloudos::Result<void>();
  if (ec == asio::error::address_in_use)
    return fail(
        ErrorCode::Conflict,
        fmt::format("Port {} of {} is in use by another program: stop it, or choose another "
                    "with --listen ADDR:PORT.",
                    port, address));
  if (ec == asio::error::access_denied)
    return fail(
        ErrorCode::Unavailable,
        fmt::format("Port {} needs more rights than this program has: choose one above 1023 "
                    "with --listen ADDR:PORT.",
                    port));
  return fail(
      ErrorCode::InvalidArgument,
      fmt::format("Cannot listen on {} port {}: {}. Choose another with --listen ADDR:PORT.",
                  address, port, ec.message()));
}

std::uint16_t Server::port() const {
  error_code ec;
  const auto endpoint = impl_->acceptor->local_endpoint(ec);
  return ec ? std::uint16_t{0} : endpoint.port();
}

void Server::start(cloudos::Cloud& cloud, const cloudos::rest::Router& router,
                   std::string base_url) {
  impl_->carrier = std::unique_ptr<Carrier>(new Carrier{cloud, router, std::move(base_url)});
  impl_->carrier->most_connections = affordable_connections();
  for (auto& loop : impl_->loops) {
    impl_->guards.push_back(asio::make_work_guard(loop->io));
    impl_->threads.emplace_back([io = &loop->io] { io->run(); });
  }
  asio::post(impl_->loops[0]->io, [impl = impl_.get()] { impl->accept(); });
}

void Server::Impl::accept() {
  if (carrier->stopping) return;
  if (carrier->connections >= carrier->most_connections) {
    // Whoever holds connections idle must not keep others out.
    for_all(&Connection::make_room);
    return accept_later();
  }
  // The connection's own loop from the start; in turn, so that each thread has its share.
  Loop& loop = *loops[next_loop++ % loops.size()];
  acceptor->async_accept(loop.io, [this, &loop](error_code ec, tcp::socket socket) {
    if (ec == asio::error::operation_aborted || carrier->stopping) return;
    if (ec) return accept_later();  // Out of descriptors, most likely: some come back.
    asio::post(loop.io, [this, &loop, accepted = std::move(socket)]() mutable {
      std::make_shared<Connection>(std::move(accepted), loop, *carrier)->start();
    });
    accept();
  });
}

void Server::Impl::accept_later() {
  pause->expires_after(kAcceptPause);
  pause->async_wait([this](error_code ec) {
    if (!ec) accept();
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

void Server::stop() {
  if (!impl_->carrier) return;
  impl_->carrier->stopping = true;
  asio::post(impl_->loops[0]->io, [impl = impl_.get()] {
    error_code ec;
    impl->acceptor->close(ec);
    impl->pause->cancel();
  });
  impl_->for_all(&Connection::drain);
  if (!impl_->wait_until_none(limits::kDrainTime)) impl_->for_all(&Connection::cut);
  impl_->carrier->commits.stop();
  impl_->carrier->hashes.stop();
  impl_->carrier->streams.stop();
  impl_->for_all(&Connection::cut);
  impl_->wait_until_none(std::chrono::seconds(1));
  for (auto& loop : impl_->loops) loop->io.stop();
  for (auto& thread : impl_->threads) thread.join();
  for (auto& loop : impl_->loops) loop->connections.clear();
  impl_->threads.clear();
  impl_->carrier.reset();
}

}  // namespace cloudosd
