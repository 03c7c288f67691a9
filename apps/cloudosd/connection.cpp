#include "cloudosd/connection.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

namespace cloudosd {
namespace {

namespace asio = boost::asio;
namespace limits = cloudos::limits;
namespace rest = cloudos::rest;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kFirstRead = 2 << 10;  // What an idle connection holds.
constexpr std::size_t kNextRead = 16 << 10;
constexpr std::size_t kFilePart = 512 << 10;
constexpr std::size_t kSmallBody = 16 << 10;     // Not counted towards the next.
constexpr std::size_t kPendingBodies = 64 << 20;  // Of all connections; beyond is 503.
constexpr std::size_t kLingerBytes = 64 << 20;
constexpr std::chrono::seconds kLingerTime{3};

}  // namespace

Connection::Connection(tcp::socket socket, Loop& loop, Carrier& carrier)
    : socket_(std::move(socket)), loop_(loop), carrier_(carrier) {
  ++carrier_.connections;
}

Connection::~Connection() {
  release_body();
  --carrier_.connections;
}

void Connection::start() {
  error_code ec;
  socket_.set_option(tcp::no_delay(true), ec);
  socket_.native_non_blocking(true, ec);
  const auto peer = socket_.remote_endpoint(ec);
  if (!ec) remote_address_ = peer.address().to_string();
  loop_.connections.emplace(this, shared_from_this());
  sweep_deadlines(loop_);
  next_request();
}

void Connection::enter(Phase phase, Clock::duration patience) {
  phase_ = phase;
  deadline_ =
      patience == Clock::duration::max() ? Clock::time_point::max() : Clock::now() + patience;
}

void Connection::tick(Clock::time_point now) {
  if (now < deadline_) return;
  switch (phase_) {
    case Phase::Head:
      return refuse(408, "The request's header did not come in time.");
    case Phase::Body:
      return refuse(408, "The request's body did not come in time.");
    case Phase::Handling:
    case Phase::Closed:
      return;
    case Phase::Idle:
    case Phase::Writing:
    case Phase::Lingering:
      return close();
  }
}

void Connection::drain() {
  keep_alive_ = false;
  if (phase_ == Phase::Idle || phase_ == Phase::Lingering) close();
}

void Connection::make_room() {
  if (phase_ == Phase::Idle) close();
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
  phase_ = Phase::Closed;
  error_code ec;
  socket_.close(ec);
  loop_.connections.erase(this);  // Callers hold another reference.
}

void Connection::next_request() {
  if (carrier_.stopping) return close();
  scanned_ = 0;
  body_.clear();
  head_ = {};
  request_ = {};
  keep_alive_ = true;
  if (!input_.empty()) {
    enter(Phase::Head, limits::kHeadTime);
    return scan_head();
  }
  input_.shrink();
  enter(Phase::Idle, limits::kIdleTime);
  receive();
}

void Connection::receive() {
  const std::size_t most = phase_ == Phase::Idle ? kFirstRead : kNextRead;
  socket_.async_read_some(asio::buffer(input_.prepare(most), most),
                          [self = shared_from_this()](error_code ec, std::size_t count) {
                            self->input_.commit(count);
                            // Whoever cancelled has gone on to something else.
                            if (ec == asio::error::operation_aborted) return;
                            if (ec) return self->close();
                            self->on_bytes();
                          });
}

void Connection::on_bytes() {
  switch (phase_) {
    case Phase::Idle:
      enter(Phase::Head, limits::kHeadTime);
      return scan_head();
    case Phase::Head:
      return scan_head();
    case Phase::Body:
      return feed_body();
    case Phase::Lingering:
      lingered_ += input_.view().size();
      input_.consume(input_.view().size());
      return lingered_ > kLingerBytes ? close() : receive();
    default:
      return;
  }
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
  scanned_ = seen.size();
  const auto line_end = seen.substr(0, limits::kUriBytes + 64).find("\r\n");
  if (line_end == seen.npos && seen.size() > limits::kUriBytes + 64)
    return refuse(414, "The URL is too long.");
  if (seen.size() >= limits::kHeaderBytes) return refuse(431, "The request's header is too large.");
  receive();
}

void Connection::take_head(std::size_t size) {
  const std::string_view bytes = input_.view().substr(0, size);
  auto parsed = parse_head(bytes);
  if (const auto* refusal = std::get_if<Refusal>(&parsed))
    return refuse(refusal->status, refusal->message);
  head_ = std::move(std::get<Head>(parsed));
  if (!parser_.begin(bytes)) return refuse(400, "The request is malformed.");
  input_.consume(size);
  keep_alive_ = keep_alive_ && head_.keep_alive;
  request_.method = head_.method;
  request_.target = head_.target;
  request_.headers = head_.headers;
  request_.remote_address = remote_address_;
  request_.base_url = carrier_.base_url;
  class_ = carrier_.router.classify(head_.method, head_.target);
  if (class_ == rest::RouteClass::Streams || !head_.has_body()) return dispatch();
  take_body();
}

/// A body that is JSON is read before a thread is spent on it, so that slow senders cost none.
void Connection::take_body() {
  if (head_.content_length.value_or(0) > limits::kJsonBodyBytes)
    return refuse(413, "The request's body is too large.");
  enter(Phase::Body, limits::kBodyTime);
  if (!head_.expects_continue || !input_.empty()) return feed_body();
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(kContinue),
                    [self = shared_from_this()](error_code ec, std::size_t) {
                      if (ec == asio::error::operation_aborted) return;
                      if (ec) return self->close();
                      self->feed_body();
                    });
}

/// Nobody has said yet who they are: many who send much and slowly must not fill the memory.
bool Connection::afford_body() {
  const std::size_t held = body_.capacity() > kSmallBody ? body_.capacity() : 0;
  if (held <= charged_) return true;
  const std::size_t more = held - charged_;
  charged_ = held;
  return carrier_.body_bytes.fetch_add(more) + more <= kPendingBodies;
}

void Connection::release_body() {
  body_ = std::string();
  carrier_.body_bytes -= charged_;
  charged_ = 0;
}

void Connection::feed_body() {
  std::array<char, 16 << 10> piece;
  while (true) {
    const auto step = parser_.feed(input_.view(), piece);
    input_.consume(step.consumed);
    if (body_.size() + step.produced > limits::kJsonBodyBytes)
      return refuse(413, "The request's body is too large.");
    body_.append(piece.data(), step.produced);
    if (!afford_body())
      return refuse(503, "Too many large requests are coming in; try again soon.");
    if (step.state == BodyParser::State::Bad)
      return refuse(400, "The body's chunks are malformed.");
    if (step.state == BodyParser::State::Done) return dispatch();
    if (step.consumed == 0 && step.produced == 0) break;
  }
  if (input_.view().size() > limits::kHeaderBytes)
    return refuse(400, "The body has a chunk header without an end.");
  receive();
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
      break;
  }
  const bool taken = carrier_.streams.post([self = shared_from_this()] { self->run_stream(); });
  if (!taken) refuse(503, "Too many transfers are under way; try again soon.");
}

void Connection::run_in(Pool& pool) {
  const bool taken = pool.post([self = shared_from_this()] {
    cloudos::TextSource source(std::move(self->body_));
    if (self->head_.has_body()) self->request_.body = &source;
    self->response_ = self->carrier_.router.handle(self->request_);
    self->request_.body = nullptr;
    asio::post(self->loop_.io, [self] { self->reply(std::move(self->response_)); });
  });
  if (!taken) refuse(503, "Too many requests wait; try again soon.");
}

void Connection::run_stream() {
  StreamBody source(socket_.native_handle(), input_, parser_, head_);
  if (head_.has_body()) request_.body = &source;
  response_ = carrier_.router.handle(request_);
  request_.body = nullptr;
  const bool whole = !head_.has_body() || source.finished();
  asio::post(loop_.io, [self = shared_from_this(), whole] {
    if (!whole) self->keep_alive_ = false;
    self->reply(std::move(self->response_));
  });
}

void Connection::refuse(int status, std::string_view message) {
  if (phase_ == Phase::Closed) return;
  error_code ec;
  socket_.cancel(ec);
  keep_alive_ = false;
  request_.base_url = carrier_.base_url;
  if (request_.request_id.empty()) request_.request_id = "req-" + carrier_.cloud.ids().uuid();
  rest::Response response =
      rest::status_response(rest::Router::service_of(request_.target), status, message, request_);
  response.headers.set("X-Openstack-Request-Id", request_.request_id);
  carrier_.cloud.log("cloudosd")
      .write(cloudos::LogLevel::Info,
             fmt::format("{} refused with {}: {}", remote_address_, status, message),
             request_.request_id);
  reply(std::move(response));
}

void Connection::reply(rest::Response response) {
  if (phase_ == Phase::Closed) return;
  release_body();
  enter(Phase::Writing, limits::kStallTime);
  response_ = std::move(response);
  keep_alive_ = keep_alive_ && !carrier_.stopping;
  const bool bodyless = head_.method == "HEAD" || !status_has_body(response_.status);
  std::optional<std::uint64_t> length;
  if (const auto* text = std::get_if<std::string>(&response_.body)) length = text->size();
  if (const auto* range = std::get_if<rest::FileRange>(&response_.body)) length = range->length;
  auto* source = std::get_if<std::unique_ptr<cloudos::ByteSource>>(&response_.body);
  if (source && *source) length = (*source)->size();
  if (!status_has_body(response_.status)) length = std::nullopt;

  const bool chunked = source && !length && !bodyless && !head_.http_1_0;
  if (source && !length && head_.http_1_0) keep_alive_ = false;  // The end of it is ours.
  std::string head = response_head(response_, length, chunked, keep_alive_);
  if (bodyless) return write_text(std::move(head), {});
  if (auto* text = std::get_if<std::string>(&response_.body))
    return write_text(std::move(head), std::move(*text));
  if (const auto* range = std::get_if<rest::FileRange>(&response_.body))
    return write_file(std::move(head), *range);
  write_source(std::move(head), chunked, length);
}

void Connection::write_text(std::string head, std::string body) {
  out_head_ = std::move(head);
  out_body_ = std::move(body);
  // A slow reader of a long list gets longer: a second more for each 64 KiB.
  deadline_ += std::chrono::seconds(out_body_.size() >> 16);
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(out_head_), asio::buffer(out_body_)};
  asio::async_write(socket_, buffers, [self = shared_from_this()](error_code ec, std::size_t) {
    if (ec == asio::error::operation_aborted) return;
    self->written(!ec);
  });
}

void Connection::write_file(std::string head, const rest::FileRange& range) {
  const int file = ::open(range.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    carrier_.cloud.log("cloudosd")
        .write(cloudos::LogLevel::Error,
               fmt::format("cannot open {} to send it", range.path.string()), request_.request_id);
    return refuse(500, "What was asked for cannot be read; the server's log says why.");
  }
  out_head_ = std::move(head);
  asio::async_write(socket_, asio::buffer(out_head_),
                    [self = shared_from_this(), file, offset = range.offset, left = range.length](
                        error_code ec, std::size_t) {
                      if (!ec) return self->send_file_part(file, offset, left);
                      ::close(file);
                      if (ec != asio::error::operation_aborted) self->written(false);
                    });
}

/// A part at a time and only what the socket takes now: no thread waits, no memory is held, and
/// the loop's other connections get their turns in between.
void Connection::send_file_part(int file, std::uint64_t offset, std::uint64_t left) {
  auto at = static_cast<off_t>(offset);
  ssize_t sent = 0;
  while (left > 0 && phase_ == Phase::Writing) {
    sent = ::sendfile(socket_.native_handle(), file, &at, std::min<std::uint64_t>(left, kFilePart));
    if (sent > 0) {
      left -= static_cast<std::uint64_t>(sent);
      deadline_ = Clock::now() + limits::kStallTime;
      break;
    }
    if (sent < 0 && errno == EINTR) continue;
    break;
  }
  const bool again =
      left > 0 && phase_ == Phase::Writing && (sent > 0 || (sent < 0 && errno == EAGAIN));
  if (!again) {
    ::close(file);
    if (phase_ == Phase::Writing) written(left == 0);
    return;
  }
  socket_.async_wait(tcp::socket::wait_write,
                     [self = shared_from_this(), file, at, left](error_code ec) {
                       if (!ec)
                         return self->send_file_part(file, static_cast<std::uint64_t>(at), left);
                       ::close(file);
                       if (ec != asio::error::operation_aborted) self->written(false);
                     });
}

void Connection::write_source(std::string head, bool chunked, std::optional<std::uint64_t> length) {
  enter(Phase::Handling, Clock::duration::max());
  out_head_ = std::move(head);
  const bool taken = carrier_.streams.post([self = shared_from_this(), chunked, length] {
    const int socket = self->socket_.native_handle();
    auto& source = std::get<std::unique_ptr<cloudos::ByteSource>>(self->response_.body);
    const bool whole =
        send_all(socket, self->out_head_) && send_source(socket, *source, chunked, length);
    source.reset();
    asio::post(self->loop_.io, [self, whole] {
      if (self->phase_ == Phase::Closed) return;
      self->enter(Phase::Writing, limits::kStallTime);
      self->written(whole);
    });
  });
  if (!taken) refuse(503, "Too many transfers are under way; try again soon.");
}

void Connection::written(bool whole) {
  response_ = {};
  if (!whole) return close();
  if (keep_alive_) return next_request();
  linger();
}

/// Closing on unread bytes would reset the connection and take the reply from the client's hands:
/// says that no more comes, then reads what is still on its way, for a while.
void Connection::linger() {
  error_code ec;
  socket_.shutdown(tcp::socket::shutdown_send, ec);
  if (ec || carrier_.stopping) return close();
  input_.consume(input_.view().size());
  lingered_ = 0;
  enter(Phase::Lingering, kLingerTime);
  receive();
}

void sweep_deadlines(Loop& loop) {
  if (loop.sweeping) return;
  loop.sweeping = true;
  loop.sweep.expires_after(std::chrono::seconds(1));
  loop.sweep.async_wait([&loop](error_code ec) {
    loop.sweeping = false;
    if (ec || loop.connections.empty()) return;
    const auto now = Connection::Clock::now();
    std::vector<std::shared_ptr<Connection>> all;
    all.reserve(loop.connections.size());
    for (const auto& [key, connection] : loop.connections) all.push_back(connection);
    for (const auto& connection : all) connection->tick(now);
    if (!loop.connections.empty()) sweep_deadlines(loop);
  });
}

}  // namespace cloudosd
