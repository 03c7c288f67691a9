#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "store/lmdb_env.hpp"

/// What guests and the owner of a store say to each other over a unix socket: one request, one
/// reply, in frames of a length (4 bytes), a kind (1) and a body.
///
///   hello   name, version                     -> epoch of the owner (0: it pins nothing)
///   commit  session 16, number 8, deadline 8, script  -> revision
///   pin     least transaction                 -> id, commit (txn, root, last page), expiry
///   renew   id                                -> expiry
///   unpin   id                                (no reply)
///   watch   revision                          -> revision, once there is a newer one
///   numbers                                   -> connections, commits, conflicts, refused, pins,
///   readers
///
/// A script is what a body did, in its order: reads with what they answered, and writes. The owner
/// repeats it within a transaction; a read that answers otherwise makes it Stale. Values that were
/// read travel as digests. Times are CLOCK_MONOTONIC, which is one clock for a whole machine.
namespace cloudos::store::guest {

using lmdb::append_integer;
using lmdb::Descriptor;

inline constexpr std::string_view kHelloName = "cloudos store guest";
inline constexpr std::uint32_t kProtocol = 1;
inline constexpr std::size_t kSessionBytes = 16;
inline constexpr std::size_t kDigestBytes = 32;

enum class Frame : char {
  Hello = 'H',
  Commit = 'C',
  Pin = 'P',
  Renew = 'R',
  Unpin = 'U',
  Watch = 'W',
  Numbers = 'N',
  Ok = 'o',
  Failed = 'e',
};

struct Message {
  Frame kind = Frame::Ok;
  std::string body;
};

/// Nanoseconds of CLOCK_MONOTONIC.
std::int64_t now_ns();
inline std::int64_t in_ns(std::chrono::nanoseconds time) {
  return time.count();
}

/// Reads a body from its front; after the first mistake everything is empty and ok() is false.
class Parser {
 public:
  explicit Parser(std::string_view bytes) : rest_(bytes) {}
  template <class T>
  T integer() {
    const std::string_view bytes = take(sizeof(T));
    return bytes.empty() ? T{} : lmdb::read_integer<T>(bytes);
  }
  std::string_view take(std::size_t size);
  /// A length of two bytes, then as many.
  std::string_view text() { return take(integer<std::uint16_t>()); }
  std::string_view long_text() { return take(integer<std::uint32_t>()); }
  std::string_view rest() { return take(rest_.size()); }
  bool at_end() const { return rest_.empty(); }
  bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

void append_text(std::string& out, std::string_view text);  // At most 65,535 bytes.
void append_long_text(std::string& out, std::string_view text);

std::string encode_error(const Error& error);
Error decode_error(std::string_view body);

/// Bytes that all connections together may be receiving; small requests do not count.
class ReceiveBudget {
 public:
  static constexpr std::size_t kFree = 64 << 10;
  [[nodiscard]] bool take(std::size_t bytes);
  void give_back(std::size_t bytes);

 private:
  std::atomic<std::size_t> used_{0};
};

/// A connected socket. One thread at a time, but for interrupt().
class Socket {
 public:
  Socket() = default;
  explicit Socket(Descriptor fd) : fd_(std::move(fd)) {}
  /// Errors: NotFound (nobody listens there), Unavailable.
  static Result<Socket> connect(const std::filesystem::path& path);

  bool open() const { return fd_.get() >= 0; }
  void close() { fd_ = Descriptor(); }
  int fd() const { return fd_.get(); }
  /// Nobody will hear from the other end any more; what is being received fails.
  void interrupt() const;

  /// Errors: Timeout, Unavailable (the other end is gone), TooLarge (receive).
  Result<void> send(Frame kind, std::string_view body, std::int64_t deadline) const;
  /// Waits until `first` for the first byte, then at most limits::kGuestFrameTime for the rest.
  Result<Message> receive(std::int64_t first, ReceiveBudget* budget = nullptr) const;

 private:
  Result<void> wait(short events, std::int64_t deadline) const;
  Result<void> fill(char* bytes, std::size_t size, std::int64_t deadline) const;
  Descriptor fd_;
};

/// Listens at `path`, made anew with mode 0600. Errors: Unavailable.
Result<Descriptor> listen_at(const std::filesystem::path& path);

/// Collects a script.
class Script {
 public:
  void read(std::string_view key, const std::optional<std::string_view>& value);
  void none(std::string_view prefix, bool answer);
  void put(std::string_view key, std::string_view value);
  void erase(std::string_view key);
  std::size_t steps() const { return steps_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void step(char kind, std::string_view key);
  std::string bytes_;
  std::size_t steps_ = 0;
};

/// Errors: InvalidArgument (not a script), TooLarge (limits::kGuestScriptSteps).
Result<void> check_script(std::string_view bytes);
/// Does again what `bytes` (which passed check_script) tells. Errors: Stale.
Result<void> replay(std::string_view bytes, Txn& txn);

}  // namespace cloudos::store::guest
