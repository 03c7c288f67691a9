#include "cloudosd/stream.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "cloudos/limits.hpp"

namespace cloudosd {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
namespace limits = cloudos::limits;

constexpr std::size_t kChunk = 256 << 10;

enum class Wait { Ready, Stalled, Gone };

Wait wait_for_socket(int socket, short events) {
  pollfd fd{socket, events, 0};
  const auto until = std::chrono::steady_clock::now() + limits::kStallTime;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Wait::Stalled;
    const int ready = ::poll(&fd, 1, static_cast<int>(left.count()));
    if (ready > 0) return fd.revents & POLLNVAL ? Wait::Gone : Wait::Ready;
    if (ready < 0 && errno != EINTR) return Wait::Gone;
  }
}

}  // namespace

void Input::consume(std::size_t count) {
  at_ += count;
  if (at_ == bytes_.size()) {
    bytes_.clear();
    at_ = 0;
  }
}

char* Input::prepare(std::size_t most) {
  if (at_ > 0) {
    bytes_.erase(0, at_);
    at_ = 0;
  }
  prepared_at_ = bytes_.size();
  bytes_.resize(prepared_at_ + most);
  return bytes_.data() + prepared_at_;
}

void Input::commit(std::size_t count) {
  bytes_.resize(prepared_at_ + count);
}

void Input::shrink() {
  if (empty()) std::string().swap(bytes_);
}

Result<std::size_t> StreamBody::read(std::span<std::byte> buffer) {
  if (buffer.empty()) return std::size_t{0};
  if (!begun_ && head_.expects_continue && input_.empty() && !parser_.done() &&
      !send_all(socket_, "HTTP/1.1 100 Continue\r\n\r\n"))
    return fail(ErrorCode::Unavailable, "The sender of the body went away.");
  begun_ = true;
  const std::span<char> out(reinterpret_cast<char*>(buffer.data()), buffer.size());
  while (true) {
    const auto step = parser_.feed(input_.view(), out);
    input_.consume(step.consumed);
    received_ += step.produced;
    if (step.state == BodyParser::State::Bad)
      return fail(ErrorCode::InvalidArgument, "The body's chunks are malformed.");
    if (step.produced > 0 || step.state == BodyParser::State::Done) return step.produced;
    if (input_.view().size() > limits::kHeaderBytes)
      return fail(ErrorCode::InvalidArgument, "The body has a chunk header without an end.");
    CLOUDOS_CHECK(receive());
  }
}

Result<void> StreamBody::receive() {
  while (true) {
    char* room = input_.prepare(kChunk);
    const ssize_t got = ::recv(socket_, room, kChunk, 0);
    const int error = errno;
    input_.commit(got > 0 ? static_cast<std::size_t>(got) : 0);
    if (got > 0) return Result<void>();
    if (got == 0 || (error != EAGAIN && error != EINTR))
      return fail(ErrorCode::Unavailable, "The sender of the body went away.");
    const auto began = std::chrono::steady_clock::now();
    const Wait wait = wait_for_socket(socket_, POLLIN);
    waited_ += std::chrono::steady_clock::now() - began;
    if (wait == Wait::Gone)
      return fail(ErrorCode::Unavailable, "The sender of the body went away.");
    const auto seconds = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(waited_).count());
    const bool crawls =
        waited_ > 2 * limits::kStallTime && received_ < seconds * limits::kStreamBytesPerSecond;
    if (wait == Wait::Stalled || crawls)
      return fail(ErrorCode::Timeout, "The body came too slowly.");
  }
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (sent < 0 && errno == EAGAIN) {
      if (wait_for_socket(socket, POLLOUT) != Wait::Ready) return false;
    } else if (sent == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool send_source(int socket, cloudos::ByteSource& source, bool chunked,
                 std::optional<std::uint64_t> length) {
  std::vector<std::byte> buffer(kChunk);
  std::uint64_t sent = 0;
  while (true) {
    const auto got = source.read(buffer);
    if (!got) return false;
    if (*got == 0) break;
    sent += *got;
    if (length && sent > *length) return false;
    const std::string_view piece(reinterpret_cast<const char*>(buffer.data()), *got);
    if (chunked && !send_all(socket, fmt::format("{:x}\r\n", *got))) return false;
    if (!send_all(socket, piece)) return false;
    if (chunked && !send_all(socket, "\r\n")) return false;
  }
  if (length && sent != *length) return false;
  return !chunked || send_all(socket, "0\r\n\r\n");
}

}  // namespace cloudosd
