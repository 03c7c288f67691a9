#pragma once
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "cloudos/cloud.hpp"
#include "cloudos/limits.hpp"
#include "cloudosd/pool.hpp"
#include "cloudosd/stream.hpp"
#include "rest/router.hpp"

namespace cloudosd {

/// What all connections share.
struct Carrier {
  cloudos::Cloud& cloud;
  const cloudos::rest::Router& router;
  std::string base_url;
  Pool commits{cloudos::limits::kCommitThreads, cloudos::limits::kQueuedRequests};
  Pool streams{cloudos::limits::kStreamThreads, cloudos::limits::kQueuedRequests};
  Pool hashes{cloudos::limits::kHashThreads, cloudos::limits::kQueuedRequests, Pool::Priority::Low};
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> body_bytes{0};  ///< Of bodies that are read before they are handled.
  std::size_t most_connections =
      cloudos::limits::kConnections;  ///< Less where descriptors are few.
};

class Connection;

/// One io thread's connections. All members are that thread's.
struct Loop {
  boost::asio::io_context io{1};
  boost::asio::steady_timer sweep{io};
  bool sweeping = false;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
};

/// One client's connection: reads a request, has it handled where its route's class says, writes
/// the reply, and again. Its loop's thread only, but while a pool's thread has the socket.
///
/// Shared by its loop and by whatever operation is under way.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;
  Connection(boost::asio::ip::tcp::socket socket, Loop& loop, Carrier& carrier);
  ~Connection();

  void start();
  /// Called every second: ends what is overdue.
  void tick(Clock::time_point now);
  /// The server stops: ends at once if nothing is under way, else behind the reply.
  void drain();
  /// Others wait to connect: ends it if nothing is under way.
  void make_room();
  /// Ends it whatever is under way; a thread that has the socket finds it shut.
  void cut();

 private:
  enum class Phase { Idle, Head, Body, Handling, Writing, Lingering, Closed };

  void next_request();
  void receive();
  void on_bytes();
  void scan_head();
  void take_head(std::size_t size);
  void take_body();
  void feed_body();
  bool afford_body();
  void release_body();
  void dispatch();
  void run_in(Pool& pool);
  void run_stream();
  void refuse(int status, std::string_view message);
  void reply(cloudos::rest::Response response);
  void write_text(std::string head, std::string body);
  void write_file(std::string head, const cloudos::rest::FileRange& range);
  void send_file_part(int file, std::uint64_t offset, std::uint64_t left);
  void write_source(std::string head, bool chunked, std::optional<std::uint64_t> length);
  void written(bool whole);
  void linger();
  void close();
  void enter(Phase phase, Clock::duration patience);

  boost::asio::ip::tcp::socket socket_;
  Loop& loop_;
  Carrier& carrier_;
  Phase phase_ = Phase::Idle;
  Clock::time_point deadline_ = Clock::time_point::max();
  Input input_;
  std::size_t scanned_ = 0;  // Of input_, without a blank line.
  Head head_;
  BodyParser parser_;
  std::string body_;
  std::size_t charged_ = 0;  // Of carrier_.body_bytes.
  cloudos::rest::RouteClass class_ = cloudos::rest::RouteClass::Inline;
  cloudos::rest::Request request_;
  cloudos::rest::Response response_;
  std::string out_head_, out_body_;
  std::string remote_address_;
  bool keep_alive_ = true;
  std::size_t lingered_ = 0;
};

/// Begins the loop's once-a-second look at its deadlines, if it is not under way.
void sweep_deadlines(Loop& loop);

}  // namespace cloudosd
