#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "cloudosd/connection.hpp"

// Transfers that last: bodies of uploads pushed to their receiver, downloads pulled from their
// source. A pool's thread moves bytes for as long as there are any and its turn lasts; the loop
// waits in between. So a slow client holds no thread, and no more memory than one piece.
namespace cloudosd {
namespace {

namespace asio = boost::asio;
namespace limits = cloudos::limits;
namespace rest = cloudos::rest;
using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

constexpr std::size_t kPiece = 64 << 10;       // Of a download, held until the client takes it.
constexpr std::size_t kReadBytes = 256 << 10;  // The buffer of a thread that moves bodies.
constexpr std::uint64_t kTurnBytes = 4 << 20;  // Then others have their turn.
constexpr std::string_view kContinueNow = "HTTP/1.1 100 Continue\r\n\r\n";

bool is_waiting(Io io) {
  return io == Io::WantRead || io == Io::WantWrite;
}

}  // namespace

void Connection::back_to_loop(Step then) {
  asio::post(loop_.io, [self = shared_from_this(), then] { (*self.*then)(); });
}

void Connection::reply_handled() {
  reply(std::move(response_));
}

void Connection::run_stream() {
  request_.pushes_body = head_.has_body();
  const bool taken = carrier_.streams.post([self = shared_from_this()] {
    self->response_ = self->carrier_.router.handle(self->request_);
    self->back_to_loop(&Connection::stream_handled);
  });
  if (!taken) refuse(503, "Too many transfers are under way; try again soon.");
}

void Connection::stream_handled() {
  receiver_ = std::move(response_.receiver);
  if (!receiver_) {
    if (!parser_.done()) keep_alive_ = false;  // Nobody wanted the body.
    return reply(std::move(response_));
  }
  received_ = 0;
  waited_ = {};
  wanted_ = Io::Done;
  if (!head_.expects_continue || !input_.empty()) return pump_body();
  enter(Phase::Upload, carrier_.timeouts.stall);
  start_writing(std::string(kContinueNow), {}, &Connection::pump_body);
}

/// Has a thread move what is there.
void Connection::pump_body() {
  if (is_waiting(wanted_)) waited_ += Clock::now() - waiting_since_;
  wanted_ = Io::Done;
  const auto waited_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(waited_).count());
  if (waited_ > 2 * carrier_.timeouts.stall &&
      received_ * 1'000 < waited_ms * limits::kStreamBytesPerSecond)
    return give_up_body();
  enter(Phase::Handling, Clock::duration::max());
  const bool taken = carrier_.streams.post([self = shared_from_this()] { self->move_body(); });
  if (!taken) refuse(503, "Too many transfers are under way; try again soon.");
}

/// The loop's side of a turn's end: waits for more.
void Connection::pump_later() {
  if (phase_ == Phase::Closed) return;
  enter(Phase::Upload, carrier_.timeouts.stall);
  if (wanted_ == Io::Done) return pump_body();
  waiting_since_ = Clock::now();
  when_ready(wanted_, &Connection::pump_body);
}

/// On a pool's thread.
void Connection::move_body() {
  thread_local std::vector<char> buffer(kReadBytes);
  std::string_view left(buffer.data(), input_.view().copy(buffer.data(), buffer.size()));
  input_.consume(left.size());
  const auto stop_with = [&](Io wanted) {
    input_.append(left);
    input_.shrink();
    wanted_ = wanted;
    back_to_loop(&Connection::pump_later);
  };
  const std::uint64_t turn_ends = received_ + kTurnBytes;
  while (true) {
    const auto step = parser_.feed(left);
    if (step.state == BodyParser::State::Bad)
      return end_body(fail(ErrorCode::InvalidArgument, "The body's chunks are malformed."));
    if (!step.piece.empty()) {
      received_ += step.piece.size();
      auto taken = receiver_->write(std::as_bytes(std::span(step.piece)));
      if (!taken) return end_body(std::move(taken));
    }
    left.remove_prefix(step.consumed);
    if (step.state == BodyParser::State::Done) {
      input_.append(left);
      return end_body(Result<void>());
    }
    if (step.consumed > 0) continue;
    if (received_ >= turn_ends) return stop_with(Io::Done);
    // What is left is less than a line of framing: what comes goes behind it.
    std::copy(left.begin(), left.end(), buffer.begin());
    left = {buffer.data(), left.size()};
    const Moved moved = transport_->read(std::span(buffer).subspan(left.size()));
    if (is_waiting(moved.io)) return stop_with(moved.io);
    if (moved.io != Io::Done)
      return end_body(fail(ErrorCode::Unavailable, "The sender of the body went away."));
    left = {buffer.data(), left.size() + moved.bytes};
  }
}

/// On a pool's thread: what the upload comes to, a commit included.
void Connection::end_body(Result<void> outcome) {
  if (!outcome) keep_alive_ = false;
  response_ = carrier_.router.end_body(request_, std::move(receiver_), std::move(outcome));
  back_to_loop(&Connection::reply_handled);
}

void Connection::give_up_body() {
  boost::system::error_code ec;
  ++turn_;
  socket_.cancel(ec);
  enter(Phase::Handling, Clock::duration::max());
  const bool taken = carrier_.streams.post([self = shared_from_this()] {
    self->end_body(fail(ErrorCode::Timeout, "The body came too slowly."));
  });
  if (!taken) close();
}

/// What a receiver does in the end is a commit: nothing for a loop's thread, but while stopping.
void Connection::drop_receiver() {
  if (!receiver_) return;
  const auto held = std::make_shared<std::unique_ptr<rest::BodyReceiver>>(std::move(receiver_));
  carrier_.streams.post([held] { held->reset(); });
}

void Connection::pump_source() {
  enter(Phase::Handling, Clock::duration::max());
  const bool taken = carrier_.streams.post([self = shared_from_this()] { self->move_source(); });
  if (taken) return;
  source_.reset();
  close();
}

void Connection::pump_source_later() {
  enter(Phase::Writing, carrier_.timeouts.stall);
  when_ready(wanted_, &Connection::pump_source);
}

/// On a pool's thread.
void Connection::move_source() {
  std::uint64_t moved = 0;
  while (true) {
    const Io io = write_pending();
    if (is_waiting(io)) {
      wanted_ = io;
      return back_to_loop(&Connection::pump_source_later);
    }
    if (io == Io::Done && !source_) return back_to_loop(&Connection::written);
    moved += sent_;
    if (io == Io::Done && moved > kTurnBytes) return back_to_loop(&Connection::pump_source);
    if (io != Io::Done || !next_piece()) {
      source_.reset();
      return back_to_loop(&Connection::cut_short);
    }
  }
}

/// False: the source failed, or has other than as many bytes as it said.
bool Connection::next_piece() {
  sent_ = 0;
  out_head_.clear();
  out_body_.resize(kPiece);
  const auto got = source_->read(std::as_writable_bytes(std::span(out_body_)));
  if (!got || (source_left_ && *got > *source_left_)) return false;
  out_body_.resize(*got);
  if (source_left_) *source_left_ -= *got;
  if (*got == 0) {
    source_.reset();
    if (chunked_) out_head_ = "0\r\n\r\n";
    return source_left_.value_or(0) == 0;
  }
  if (chunked_) {
    out_head_ = fmt::format("{:x}\r\n", *got);
    out_body_ += "\r\n";
  }
  return true;
}

}  // namespace cloudosd
