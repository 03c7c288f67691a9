#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cloudosd/connection.hpp"

// The writing half of a connection.
namespace cloudosd {
namespace {

namespace limits = cloudos::limits;
namespace rest = cloudos::rest;

constexpr std::size_t kLingerBytes = 64 << 20;

}  // namespace

void Connection::refuse(int status, std::string_view message) {
  if (phase_ == Phase::Closed) return;
  request_.base_url = carrier_.base_url;
  request_.catalogues = &carrier_.cloud.catalogues();
  if (request_.request_id.empty()) request_.request_id = "req-" + carrier_.cloud.ids().uuid();
  rest::Response response =
      rest::status_response(rest::Router::service_of(request_.target), status, message, request_);
  response.headers.set("X-Openstack-Request-Id", request_.request_id);
  carrier_.log.write(cloudos::LogLevel::Info,
                     fmt::format("{} refused with {}: {}", remote_address_, status, message),
                     request_.request_id);
  refuse_with(std::move(response));
}

/// Whatever else was awaited is not any more, and the connection ends behind this.
void Connection::refuse_with(rest::Response response) {
  boost::system::error_code ec;
  ++turn_;
  socket_.cancel(ec);
  keep_alive_ = false;
  reply(std::move(response));
}

void Connection::reply(rest::Response response) {
  if (phase_ == Phase::Closed) return;
  release_body();
  enter(Phase::Writing, carrier_.timeouts.stall);
  write_until_ = deadline_;
  response_ = std::move(response);
  keep_alive_ = keep_alive_ && !carrier_.stopping;
  const bool bodyless = head_.method == "HEAD" || !status_has_body(response_.status);
  if (auto* none = std::get_if<std::unique_ptr<cloudos::ByteSource>>(&response_.body); none && !*none)
    response_.body = std::string();
  auto* text = std::get_if<std::string>(&response_.body);
  const auto* range = std::get_if<rest::FileRange>(&response_.body);
  auto* source = std::get_if<std::unique_ptr<cloudos::ByteSource>>(&response_.body);
  std::optional<std::uint64_t> length;
  if (text) length = text->size();
  if (range) length = range->length;
  if (source) length = (*source)->size();
  if (!status_has_body(response_.status)) length = std::nullopt;

  chunked_ = source && !length && !bodyless && !head_.http_1_0;
  if (source && !length && head_.http_1_0) keep_alive_ = false;  // The end of it is ours.
  std::string head = response_head(response_, length, chunked_, keep_alive_);
  if (bodyless) return start_writing(std::move(head), {}, &Connection::written);
  if (text) {
    // A slow reader of a long list gets longer, as long as it reads.
    write_until_ = deadline_ + std::chrono::seconds(text->size() >> 16);
    return start_writing(std::move(head), std::move(*text), &Connection::written);
  }
  if (range) {
    open_file(*range);
    if (file_ < 0 && range->resume) {
      out_head_ = std::move(head);
      return resume_file();
    }
    if (file_ < 0) return refuse(500, "What was asked for cannot be read; the log says why.");
    return start_writing(std::move(head), {}, &Connection::send_file_part);
  }
  source_ = std::move(*source);
  source_left_ = length;
  out_head_ = std::move(head);
  out_body_.clear();
  sent_ = 0;
  pump_source();
}

void Connection::start_writing(std::string head, std::string body, Step then) {
  out_head_ = std::move(head);
  out_body_ = std::move(body);
  sent_ = seen_sent_ = 0;
  after_write_ = then;
  write_step();
}

void Connection::write_step() {
  const Io io = write_pending();
  if (io == Io::Done) return (this->*after_write_)();
  if (io != Io::WantRead && io != Io::WantWrite) return cut_short();
  if (phase_ == Phase::Writing && sent_ > seen_sent_)
    deadline_ = std::min(Clock::now() + carrier_.timeouts.stall, write_until_);
  seen_sent_ = sent_;
  when_ready(io, &Connection::write_step);
}

/// Done: all of it is out.
Io Connection::write_pending() {
  const std::string_view head(out_head_), body(out_body_);
  while (sent_ < head.size() + body.size()) {
    const std::size_t of_body = sent_ > head.size() ? sent_ - head.size() : 0;
    const Moved moved =
        transport_->write(head.substr(std::min(sent_, head.size())), body.substr(of_body));
    if (moved.io != Io::Done) return moved.io;
    sent_ += moved.bytes;
  }
  return Io::Done;
}

void Connection::open_file(const rest::FileRange& range) {
  file_ = ::open(range.path.c_str(), O_RDONLY | O_CLOEXEC);
  file_at_ = range.offset;
  file_left_ = range.length;
  if (file_ < 0)
    carrier_.log.write(cloudos::LogLevel::Error,
                       fmt::format("cannot open {} to send it", range.path.string()),
                       request_.request_id);
}

/// A part at a time and only what the socket takes now: no thread waits, no memory is held, and
/// the loop's other connections get their turns in between.
void Connection::send_file_part() {
  if (file_left_ > 0) {
    const Moved moved = transport_->send_file(file_, file_at_, file_left_);
    if (moved.io == Io::WantRead || moved.io == Io::WantWrite)
      return when_ready(moved.io, &Connection::send_file_part);
    if (moved.io != Io::Done) return resume_file();
    file_at_ += moved.bytes;
    file_left_ -= moved.bytes;
    deadline_ = Clock::now() + carrier_.timeouts.stall;
    if (file_left_ > 0) return soon(&Connection::send_file_part);
  }
  ::close(std::exchange(file_, -1));
  written();
}

/// The file cannot be read on: whoever named it may know another place that has the rest.
void Connection::resume_file() {
  const auto* range = std::get_if<rest::FileRange>(&response_.body);
  if (range == nullptr || !range->resume) return cut_short();
  if (file_ >= 0) {
    ::close(std::exchange(file_, -1));
  } else {
    out_body_.clear();
    sent_ = 0;  // Not even the head is out.
  }
  source_left_ = file_left_;
  chunked_ = false;
  enter(Phase::Handling, Clock::duration::max());
  const bool taken = carrier_.streams.post([self = shared_from_this()] {
    const auto& failed = std::get<rest::FileRange>(self->response_.body);
    self->source_ = failed.resume(self->file_at_);
    self->back_to_loop(&Connection::file_resumed);
  });
  if (!taken) cut_short();
}

void Connection::file_resumed() {
  if (phase_ == Phase::Closed) return;
  if (!source_) return cut_short();
  pump_source();
}

void Connection::written() {
  response_ = {};
  if (out_body_.capacity() > limits::kSmallBodyBytes) std::string().swap(out_body_);
  if (!keep_alive_) return linger();
  // Requests that were sent at once are answered in turn with other clients', and not each from
  // inside the one before.
  if (input_.empty()) return next_request();
  soon(&Connection::next_request);
}

/// Less than was promised: the connection must end at once, so that the client notices.
void Connection::cut_short() {
  response_ = {};
  close();
}

/// Closing on unread bytes would reset the connection and take the reply from the client's hands:
/// says that no more comes, then reads what is still on its way, for a while.
void Connection::linger() {
  transport_->finish();
  if (carrier_.stopping) return close();
  input_.consume(input_.view().size());
  lingered_ = 0;
  enter(Phase::Lingering, carrier_.timeouts.linger);
  drop_some();
}

void Connection::drop_some() {
  const Moved moved = transport_->drop();
  lingered_ += moved.bytes;
  if (moved.io == Io::WantRead) return when_ready(moved.io, &Connection::drop_some);
  if (moved.io != Io::Done || lingered_ > kLingerBytes) return close();
  soon(&Connection::drop_some);
}

}  // namespace cloudosd
