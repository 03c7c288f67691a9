#pragma once
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "cloudos/cloud.hpp"
#include "cloudos/limits.hpp"
#include "cloudosd/body_parser.hpp"
#include "cloudosd/head.hpp"
#include "cloudosd/input.hpp"
#include "cloudosd/phases.hpp"
#include "cloudosd/pool.hpp"
#include "cloudosd/server.hpp"
#include "cloudosd/transport.hpp"
#include "rest/router.hpp"

namespace cloudosd {

/// What all connections share.
struct Carrier {
  cloudos::Cloud& cloud;
  const cloudos::rest::Router& router;
  std::string base_url;
  Timeouts timeouts;
  std::size_t body_budget = 0;       ///< Of each loop.
  std::atomic<std::size_t> most_connections{0};
  cloudos::Log log;
  Pool commits{cloudos::limits::kCommitThreads, cloudos::limits::kQueuedRequests};
  Pool streams{cloudos::limits::kStreamThreads, cloudos::limits::kConnections};
  Pool hashes{cloudos::limits::kHashThreads, cloudos::limits::kQueuedRequests, Pool::Priority::Lowest};
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> connections{0};
};

class Connection;

/// One io thread's connections. All members are that thread's.
struct Loop {
  boost::asio::io_context io{1};
  boost::asio::steady_timer sweep{io};
  bool sweeping = false;
  PhaseCounts phases;  ///< Other threads read it.
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
  std::list<Connection*> bodies;   ///< Those with a large body coming in, the oldest first.
  std::size_t body_bytes = 0;      ///< Of bodies that are not handled yet.
  std::array<char, 16 << 10> scratch;  ///< What a read goes to first: who waits holds no buffer.
};

/// One client's connection: reads a request, has it handled where its route's class says, writes
/// the reply, and again. Nothing waits in a thread: a pool's thread has the transport for as long
/// as bytes move (stream.cpp), its loop's thread in between.
///
/// Shared by its loop and by whatever operation is under way.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;
  Connection(boost::asio::ip::tcp::socket socket, std::unique_ptr<Transport> transport, Loop& loop,
             Carrier& carrier);
  ~Connection();

  void start();
  /// Called every second: ends what is overdue.
  void tick(Clock::time_point now);
  /// The server stops: ends at once if nothing is under way, else behind the reply.
  void drain();
  /// Ends it whatever is under way; a thread that has the socket finds it shut.
  void cut();
  /// Since when it has been idle or busy with a request's head; nothing when that is not long.
  std::optional<Clock::time_point> waits_since(Clock::time_point now) const;
  void close();

 private:
  /// In the order of PhaseCounts::kNames.
  enum class Phase { Handshake, Idle, Head, Body, Upload, Handling, Writing, Lingering, Closed };
  using Step = void (Connection::*)();

  // connection.cpp: reading requests
  void enter(Phase phase, Clock::duration patience);
  void when_ready(Io io, Step then);
  void soon(Step then);
  void shake_hands();
  void next_request();
  void receive();
  void read_some();
  void on_bytes();
  void scan_head();
  void take_head(std::size_t size);
  void take_body();
  void feed_body();
  bool body_is_welcome();
  bool afford_body();
  void leave_bodies();
  void release_body();
  void body_complete();
  void dispatch();
  void run_in(Pool& pool);

  // reply.cpp: writing replies
  void refuse(int status, std::string_view message);
  void refuse_with(cloudos::rest::Response response);
  void reply(cloudos::rest::Response response);
  void start_writing(std::string head, std::string body, Step then);
  void write_step();
  Io write_pending();
  void open_file(const cloudos::rest::FileRange& range);
  void send_file_part();
  void resume_file();
  void file_resumed();
  void written();
  void cut_short();
  void linger();
  void drop_some();

  // stream.cpp: transfers that last
  void run_stream();
  void stream_handled();
  void pump_body();
  void pump_later();
  void move_body();
  void end_body(cloudos::Result<void> outcome);
  void give_up_body();
  void drop_receiver();
  void reply_handled();
  void pump_source();
  void pump_source_later();
  void move_source();
  bool next_piece();
  void back_to_loop(Step then);

  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<Transport> transport_;
  Loop& loop_;
  Carrier& carrier_;
  Phase phase_ = Phase::Handshake;
  Clock::time_point began_, deadline_ = Clock::time_point::max();  // Of the phase.
  std::uint64_t turn_ = 0;  // Counts waits; what an earlier one brings is not looked at.

  Input input_;
  std::size_t scanned_ = 0;  // Of input_, without a blank line.
  Head head_;
  BodyParser parser_;
  std::string body_;
  std::size_t body_most_ = 0;
  std::size_t charged_ = 0;  // Of loop_.body_bytes.
  bool body_checked_ = false;
  std::optional<std::list<Connection*>::iterator> in_bodies_;
  cloudos::rest::RouteClass class_ = cloudos::rest::RouteClass::Inline;
  cloudos::rest::Request request_;
  cloudos::rest::Response response_;
  std::string remote_address_;
  bool keep_alive_ = true;

  std::string out_head_, out_body_;  // Being sent:
  std::size_t sent_ = 0, seen_sent_ = 0;  // of both, now and at the last look.
  Clock::time_point write_until_;         // However busily it reads.
  Step after_write_ = nullptr;
  int file_ = -1;
  std::uint64_t file_at_ = 0, file_left_ = 0;
  std::size_t lingered_ = 0;

  std::unique_ptr<cloudos::rest::BodyReceiver> receiver_;  // An upload's.
  std::uint64_t received_ = 0;
  Clock::time_point waiting_since_;
  Clock::duration waited_{};  // For the sender only: our disk is not its fault.
  Io wanted_ = Io::WantRead;  // What the transfer's turn ended with.
  std::unique_ptr<cloudos::ByteSource> source_;  // A download's.
  std::optional<std::uint64_t> source_left_;
  bool chunked_ = false;
};

/// Begins the loop's regular look at its deadlines, if it is not under way.
void sweep_deadlines(Loop& loop, Carrier& carrier);

/// Ends those that have kept a connection longest without asking for anything.
void make_room(Loop& loop);

}  // namespace cloudosd
