#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "cloudos/bytes.hpp"
#include "cloudosd/body_parser.hpp"
#include "cloudosd/head.hpp"

/// A connection's bytes while a pool's thread has its socket: it waits there, with poll(2), for as
/// long as limits::kStallTime; no other thread reads or writes that socket meanwhile.
namespace cloudosd {

/// Bytes received and not yet used.
class Input {
 public:
  std::string_view view() const { return std::string_view(bytes_).substr(at_); }
  bool empty() const { return at_ == bytes_.size(); }
  void consume(std::size_t count);
  /// Room for `most` more bytes at the end; what of it was not filled is given back by commit().
  char* prepare(std::size_t most);
  void commit(std::size_t count);
  /// Gives memory back when nothing is held.
  void shrink();

 private:
  std::string bytes_;
  std::size_t at_ = 0;
  std::size_t prepared_at_ = 0;
};

/// The body of an upload, as its handler pulls it: what is not asked for stays in the kernel's
/// buffer and holds the sender back.
class StreamBody final : public cloudos::ByteSource {
 public:
  /// `socket` does not block; all references outlive this.
  StreamBody(int socket, Input& input, BodyParser& parser, const Head& head)
      : socket_(socket), input_(input), parser_(parser), head_(head) {}
  cloudos::Result<std::size_t> read(std::span<std::byte> buffer) override;
  std::optional<std::uint64_t> size() const override { return head_.content_length; }
  /// All of it was read: the connection may serve another request.
  bool finished() const { return parser_.done(); }

 private:
  cloudos::Result<void> receive();

  int socket_;
  Input& input_;
  BodyParser& parser_;
  const Head& head_;
  bool begun_ = false;
  std::uint64_t received_ = 0;
  std::chrono::steady_clock::duration waited_{};  // For the sender only: our disk is not its fault.
};

/// Sends all of it. False: the receiver is gone, or stalled for too long.
bool send_all(int socket, std::string_view bytes);
/// Sends what the source has; in chunks when `chunked`. False: as above, or the source failed, or
/// it gave other than `length` bytes: the connection must end at once, so that the receiver
/// notices.
bool send_source(int socket, cloudos::ByteSource& source, bool chunked,
                 std::optional<std::uint64_t> length);

}  // namespace cloudosd
