#include "cloudosd/connection.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>

namespace cloudosd {
namespace {

namespace asio = boost::asio;
namespace limits = cloudos::limits;
namespace rest = cloudos::rest;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::chrono::seconds kGrace{1};  // For an honest client's first or next request.
constexpr std::size_t kRoomMade = 64;
constexpr std::chrono::milliseconds kStarved{500};  // Several times what a password takes.

}  // namespace

Connection::Connection(tcp::socket socket, std::unique_ptr<Transport> transport, Loop& loop,
                       Carrier& carrier)
    : socket_(std::move(socket)), transport_(std::move(transport)), loop_(loop), carrier_(carrier) {
  ++carrier_.connections;
}

Connection::~Connection() {
  --carrier_.connections;
}

void Connection::start() {
  error_code ec;
  socket_.set_option(tcp::no_delay(true), ec);
  const auto peer = socket_.remote_endpoint(ec);
  if (!ec) {
    auto address = peer.address();
    // A client over IPv4 of a socket for both is told by its own address.
    if (address.is_v6() && address.to_v6().is_v4_mapped())
      address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    remote_address_ = address.to_string();
  }
  loop_.connections.emplace(this, shared_from_this());
  sweep_deadlines(loop_, carrier_);
  loop_.phases.add(static_cast<std::size_t>(phase_));
  enter(Phase::Handshake, carrier_.timeouts.handshake);
  shake_hands();
}

void Connection::enter(Phase phase, Clock::duration patience) {
  loop_.phases.drop(static_cast<std::size_t>(phase_));
  loop_.phases.add(static_cast<std::size_t>(phase));
  phase_ = phase;
  began_ = Clock::now();
  deadline_ = patience == Clock::duration::max() ? Clock::time_point::max() : began_ + patience;
}

void Connection::when_ready(Io io, Step then) {
  const auto turn = ++turn_;
  socket_.async_wait(io == Io::WantWrite ? tcp::socket::wait_write : tcp::socket::wait_read,
                     [self = shared_from_this(), turn, then](error_code ec) {
                       if (self->turn_ != turn || self->phase_ == Phase::Closed) return;
                       if (ec) return self->close();
                       (*self.*then)();
                     });
}

/// Behind what others of the loop have to do: one client's many requests take turns with theirs.
void Connection::soon(Step then) {
  asio::post(loop_.io, [self = shared_from_this(), turn = ++turn_, then] {
    if (self->turn_ == turn && self->phase_ != Phase::Closed) (*self.*then)();
  });
}

void Connection::shake_hands() {
  const Io io = transport_->handshake();
  if (io == Io::Done) return next_request();
  if (io == Io::WantRead || io == Io::WantWrite) return when_ready(io, &Connection::shake_hands);
  carrier_.log.write(cloudos::LogLevel::Debug, remote_address_ + " did not get through TLS");
  close();
}

void Connection::tick(Clock::time_point now) {
  if (now < deadline_) return;
  switch (phase_) {
    case Phase::Head:
      return refuse(408, "The request's header did not come in time.");
    case Phase::Body:
      return refuse(408, "The request's body did not come in time.");
    case Phase::Upload:
      return give_up_body();
    case Phase::Handling:
    case Phase::Closed:
      return;
    case Phase::Handshake:
    case Phase::Idle:
    case Phase::Writing:
    case Phase::Lingering:
      return close();
  }
}

void Connection::drain() {
  keep_alive_ = false;
  if (phase_ == Phase::Idle || phase_ == Phase::Handshake || phase_ == Phase::Lingering) close();
}

std::optional<Connection::Clock::time_point> Connection::waits_since(Clock::time_point now) const {
  const bool waits =
      phase_ == Phase::Idle || phase_ == Phase::Head || phase_ == Phase::Handshake;
  if (!waits || now - began_ < kGrace) return std::nullopt;
  return began_;
}

void Connection::cut() {
  // Shut, not closed: the number must stay taken while a pool's thread may still use it.
  if (phase_ == Phase::Handling)
    ::shutdown(socket_.native_handle(), SHUT_RDWR);
  else
    close();
}

void Connection::close() {
  if (phase_ == Phase::Closed) return;
  loop_.phases.drop(static_cast<std::size_t>(phase_));
  phase_ = Phase::Closed;
  drop_receiver();
  release_body();
  if (file_ >= 0) ::close(std::exchange(file_, -1));
  error_code ec;
  socket_.close(ec);
  loop_.connections.erase(this);  // Callers hold another reference.
}

void Connection::next_request() {
  if (carrier_.stopping) return close();
  scanned_ = 0;
  body_checked_ = false;
  head_ = {};
  request_ = {};
  keep_alive_ = true;
  if (!input_.empty()) {
    enter(Phase::Head, carrier_.timeouts.head);
    return scan_head();
  }
  input_.shrink();
  enter(Phase::Idle, carrier_.timeouts.idle);
  receive();
}

void Connection::receive() {
  if (transport_->holds_bytes()) return soon(&Connection::read_some);
  when_ready(Io::WantRead, &Connection::read_some);
}

void Connection::read_some() {
  const Moved moved = transport_->read(loop_.scratch);
  if (moved.io == Io::WantRead || moved.io == Io::WantWrite)
    return when_ready(moved.io, &Connection::read_some);
  if (moved.io != Io::Done) return close();
  input_.append({loop_.scratch.data(), moved.bytes});
  on_bytes();
}

void Connection::on_bytes() {
  if (phase_ == Phase::Body) return feed_body();
  if (phase_ == Phase::Idle) enter(Phase::Head, carrier_.timeouts.head);
  scan_head();
}

void Connection::scan_head() {
  std::string_view seen = input_.view();
  // One empty line before a request is what some clients leave behind a body.
  if (scanned_ == 0 && seen.substr(0, 2) == "\r\n") {
    input_.consume(2);
    seen = input_.view();
  }
  const auto end = seen.find("\r\n\r\n", scanned_ > 3 ? scanned_ - 3 : 0);
  if (end != seen.npos && end + 4 <= limits::kHeaderBytes) return take_head(end + 4);
  // A client that ends lines with a bare LF would wait for us for ever.
  for (auto at = seen.find('\n', scanned_); at != seen.npos; at = seen.find('\n', at + 1))
    if (at == 0 || seen[at - 1] != '\r') return refuse(400, "The request's lines end malformed.");
  if (scanned_ <= limits::kUriBytes + 64 && seen.size() > limits::kUriBytes + 64 &&
      seen.substr(0, limits::kUriBytes + 64).find("\r\n") == seen.npos)
    return refuse(414, "The URL is too long.");
  scanned_ = seen.size();
  if (seen.size() >= limits::kHeaderBytes) return refuse(431, "The request's header is too large.");
  receive();
}

void Connection::take_head(std::size_t size) {
  auto parsed = parse_head(input_.view().substr(0, size));
  if (const auto* refusal = std::get_if<Refusal>(&parsed))
    return refuse(refusal->status, refusal->message);
  head_ = std::move(std::get<Head>(parsed));
  parser_.begin(head_);
  input_.consume(size);
  keep_alive_ = keep_alive_ && head_.keep_alive;
  request_.method = head_.method;
  request_.target = std::move(head_.target);
  request_.headers = std::move(head_.headers);
  request_.remote_address = remote_address_;
  request_.base_url = carrier_.base_url;
  class_ = carrier_.router.classify(request_.method, request_.target);
  if (class_ == rest::RouteClass::Streams || !head_.has_body()) return dispatch();
  take_body();
}

/// A body that is JSON is read before a thread is spent on it, so that slow senders cost none.
void Connection::take_body() {
  body_most_ = carrier_.router.body_limit(request_.method, request_.target);
  if (head_.content_length.value_or(0) > body_most_)
    return refuse(413, "The request's body is too large.");
  enter(Phase::Body, carrier_.timeouts.body);
  if (!head_.expects_continue || !input_.empty()) return feed_body();
  if (body_is_welcome()) start_writing(std::string(kContinue), {}, &Connection::feed_body);
}

/// Whoever may not do this at all is told before the body is read.
bool Connection::body_is_welcome() {
  if (std::exchange(body_checked_, true)) return true;
  auto response = carrier_.router.refuse_early(request_);
  if (!response) return true;
  refuse_with(std::move(*response));
  return false;
}

/// Many who send much and slowly must not fill the memory: where it would, the one that has been at
/// it for longest has to go. An honest client is through long before it comes to that.
bool Connection::afford_body() {
  const std::size_t held = body_.capacity() > limits::kSmallBodyBytes ? body_.capacity() : 0;
  if (held <= charged_) return true;
  if (!body_is_welcome()) return false;
  loop_.body_bytes += held - charged_;
  charged_ = held;
  if (!in_bodies_) in_bodies_ = loop_.bodies.insert(loop_.bodies.end(), this);
  while (loop_.body_bytes > carrier_.body_budget) {
    // Nobody left to go: what is held waits to be handled, and so must we.
    Connection* const oldest = loop_.bodies.size() > 1 ? loop_.bodies.front() : this;
    oldest->refuse(503, "Too many large requests are coming in; try again soon.");
    if (oldest == this) return false;
  }
  return true;
}

void Connection::leave_bodies() {
  if (in_bodies_) loop_.bodies.erase(*in_bodies_);
  in_bodies_.reset();
}

void Connection::release_body() {
  leave_bodies();
  std::string().swap(body_);  // Assigning an empty one would keep the memory.
  loop_.body_bytes -= charged_;
  charged_ = 0;
}

void Connection::feed_body() {
  while (true) {
    const auto step = parser_.feed(input_.view());
    if (step.state == BodyParser::State::Bad)
      return refuse(400, "The body's chunks are malformed.");
    if (body_.size() + step.piece.size() > body_most_)
      return refuse(413, "The request's body is too large.");
    body_.append(step.piece);
    input_.consume(step.consumed);
    if (step.state == BodyParser::State::Done) return body_complete();
    if (!afford_body()) return;
    if (step.consumed == 0) break;
  }
  receive();
}

void Connection::body_complete() {
  leave_bodies();
  class_ = carrier_.router.classify(request_.method, request_.target, body_);
  dispatch();
}

void Connection::dispatch() {
  enter(Phase::Handling, Clock::duration::max());
  switch (class_) {
    case rest::RouteClass::Inline: {
      cloudos::TextSource source(std::move(body_));
      if (head_.has_body()) request_.body = &source;
      rest::Response response = carrier_.router.handle(request_);
      request_.body = nullptr;
      return reply(std::move(response));
    }
    case rest::RouteClass::Commits:
      return run_in(carrier_.commits);
    case rest::RouteClass::Hash:
      return run_in(carrier_.hashes);
    case rest::RouteClass::Streams:
      return run_stream();
  }
}

void Connection::run_in(Pool& pool) {
  const bool taken = pool.post([self = shared_from_this()] {
    cloudos::TextSource source(std::move(self->body_));
    if (self->head_.has_body()) self->request_.body = &source;
    self->response_ = self->carrier_.router.handle(self->request_);
    self->request_.body = nullptr;
    self->back_to_loop(&Connection::reply_handled);
  });
  if (!taken) refuse(503, "Too many requests wait; try again soon.");
}

void sweep_deadlines(Loop& loop, Carrier& carrier) {
  if (loop.sweeping) return;
  loop.sweeping = true;
  const Timeouts& t = carrier.timeouts;
  const auto shortest = std::min({t.handshake, t.head, t.body, t.idle, t.stall, t.linger});
  loop.sweep.expires_after(
      std::clamp<Timeouts::Time>(shortest / 4, Timeouts::Time(10), Timeouts::Time(1'000)));
  loop.sweep.async_wait([&loop, &carrier](error_code ec) {
    loop.sweeping = false;
    if (ec || loop.connections.empty()) return;
    carrier.hashes.raise_starved(kStarved);
    const auto now = Connection::Clock::now();
    std::vector<std::shared_ptr<Connection>> all;
    all.reserve(loop.connections.size());
    for (const auto& [key, connection] : loop.connections) all.push_back(connection);
    for (const auto& connection : all) connection->tick(now);
    if (!loop.connections.empty()) sweep_deadlines(loop, carrier);
  });
}

void make_room(Loop& loop) {
  const auto now = Connection::Clock::now();
  std::vector<std::pair<Connection::Clock::time_point, std::shared_ptr<Connection>>> waiting;
  for (const auto& [key, connection] : loop.connections)
    if (const auto since = connection->waits_since(now)) waiting.emplace_back(*since, connection);
  const std::size_t some = std::min(waiting.size(), kRoomMade);
  std::partial_sort(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(some),
                    waiting.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < some; ++i) waiting[i].second->close();
}

}  // namespace cloudosd
