#include "cloudosd/transport.hpp"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace cloudosd {
namespace {

constexpr std::uint64_t kFilePart = 512 << 10;  // Of one turn: other connections wait meanwhile.

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(int socket) : socket_(socket) {}

  Io handshake() override { return Io::Done; }

  Moved read(std::span<char> out) override {
    while (true) {
      const ssize_t got = ::recv(socket_, out.data(), out.size(), 0);
      if (got > 0) return {Io::Done, static_cast<std::size_t>(got)};
      if (got == 0) return {Io::End};
      if (errno != EINTR) return {would_block() ? Io::WantRead : Io::Failed};
    }
  }

  Moved write(std::string_view first, std::string_view second) override {
    std::array<iovec, 2> parts{iovec{const_cast<char*>(first.data()), first.size()},
                               iovec{const_cast<char*>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = first.empty() ? &parts[1] : parts.data();
    message.msg_iovlen = first.empty() || second.empty() ? 1 : 2;
    while (true) {
      const ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
      if (sent > 0) return {Io::Done, static_cast<std::size_t>(sent)};
      if (sent == 0 || errno != EINTR) return {would_block() ? Io::WantWrite : Io::Failed};
    }
  }

  Moved send_file(int file, std::uint64_t offset, std::uint64_t most) override {
    auto at = static_cast<off_t>(offset);
    while (true) {
      const ssize_t sent = ::sendfile(socket_, file, &at, std::min(most, kFilePart));
      if (sent > 0) return {Io::Done, static_cast<std::size_t>(sent)};
      if (sent == 0) return {Io::Failed};  // The file is shorter than was promised.
      if (errno != EINTR) return {would_block() ? Io::WantWrite : Io::Failed};
    }
  }

  bool holds_bytes() const override { return false; }
  void finish() override { ::shutdown(socket_, SHUT_WR); }
  Moved drop() override {
    std::array<char, 16 << 10> nowhere;
    return read(nowhere);
  }

 private:
  static bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }
  const int socket_;
};

}  // namespace

std::unique_ptr<Transport> plain_transport(int socket) {
  return std::make_unique<PlainTransport>(socket);
}

}  // namespace cloudosd
