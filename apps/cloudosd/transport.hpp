#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

/// Bytes to and from one client, in the clear or by TLS. Nothing here waits: what cannot go on says
/// what the socket has to be ready for first.
namespace cloudosd {

enum class Io : std::uint8_t {
  Done,       ///< Something was moved.
  WantRead,   ///< Try again once the socket is readable.
  WantWrite,  ///< Try again, with the same bytes, once it is writable.
  End,        ///< The client sends no more.
  Failed,     ///< The connection is of no more use.
};

struct Moved {
  Io io = Io::Failed;
  std::size_t bytes = 0;  ///< More than 0 with Done, else 0.
};

/// One thread at a time; which one may change. The socket is somebody else's and does not block.
class Transport {
 public:
  virtual ~Transport() = default;
  /// To be Done before anything else is called.
  virtual Io handshake() = 0;
  virtual Moved read(std::span<char> out) = 0;
  /// `first` and then `second`, as much as goes; one of them may be empty.
  virtual Moved write(std::string_view first, std::string_view second) = 0;
  virtual Moved send_file(int file, std::uint64_t offset, std::uint64_t most) = 0;
  /// Bytes are here that no readiness of the socket will tell of: read() before waiting.
  virtual bool holds_bytes() const = 0;
  /// Tells the client that no more comes. Whatever it still sends is read by drop().
  virtual void finish() = 0;
  /// Reads and forgets.
  virtual Moved drop() = 0;
};

std::unique_ptr<Transport> plain_transport(int socket);

}  // namespace cloudosd
