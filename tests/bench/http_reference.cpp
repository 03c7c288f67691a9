// The plainest server that Boost.Beast makes: what HTTP itself costs on this machine.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "http_load.hpp"
#include "seed.hpp"

namespace cloudos::bench {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

class Hello : public std::enable_shared_from_this<Hello> {
 public:
  explicit Hello(tcp::socket socket) : socket_(std::move(socket)) {
    socket_.set_option(tcp::no_delay(true));
  }
  void read() {
    request_ = {};
    http::async_read(socket_, buffer_, request_,
                     [self = shared_from_this()](error_code ec, std::size_t) {
                       if (!ec) self->write();
                     });
  }

 private:
  void write() {
    reply_ = {http::status::ok, 11};
    reply_.set(http::field::content_type, "text/plain");
    reply_.keep_alive(request_.keep_alive());
    reply_.body() = "hello, world";
    reply_.prepare_payload();
    http::async_write(socket_, reply_, [self = shared_from_this()](error_code ec, std::size_t) {
      if (!ec) self->read();
    });
  }
  tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> reply_;
};

class Hellos {
 public:
  explicit Hellos(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) loops_.push_back(std::make_unique<asio::io_context>(1));
    acceptor_.emplace(*loops_[0], tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  }
  std::uint16_t port() const { return acceptor_->local_endpoint().port(); }
  void run() {
    accept();
    std::vector<std::thread> threads;
    for (auto& loop : loops_)
      threads.emplace_back([&io = *loop] {
        const auto busy = asio::make_work_guard(io);
        io.run();
      });
    for (auto& thread : threads) thread.join();
  }

 private:
  void accept() {
    asio::io_context& io = *loops_[next_++ % loops_.size()];
    acceptor_->async_accept(io, [this, &io](error_code ec, tcp::socket socket) {
      if (ec) return;
      asio::post(io, [kept = std::make_shared<Hello>(std::move(socket))] { kept->read(); });
      accept();
    });
  }
  std::vector<std::unique_ptr<asio::io_context>> loops_;
  std::optional<tcp::acceptor> acceptor_;
  std::size_t next_ = 0;
};

}  // namespace

HelloServer::HelloServer(unsigned threads) {
  int ready[2];
  if (::pipe(ready) != 0 || (pid_ = ::fork()) < 0) give_up("http: no process for the reference");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    Hellos hellos(threads);
    const std::uint16_t port = hellos.port();
    if (::write(ready[1], &port, sizeof port) != sizeof port) ::_exit(1);
    hellos.run();
    ::_exit(0);
  }
  ::close(ready[1]);
  if (::read(ready[0], &port_, sizeof port_) != sizeof port_) give_up("http: no reference");
  ::close(ready[0]);
}

HelloServer::~HelloServer() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace cloudos::bench
