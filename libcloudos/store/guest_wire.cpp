#include "store/guest_wire.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/text.hpp"

namespace cloudos::store::guest {

namespace {

constexpr std::size_t kHeaderBytes = 5;
constexpr int kBacklog = 64;

Error socket_error(int number, std::string_view doing) {
  return {ErrorCode::Unavailable, "the connection between the store's processes broke",
          fmt::format("{}: {}", doing, std::strerror(number))};
}

/// The address of a socket by a path of any length: through /proc, as sun_path holds 107 bytes.
struct Address {
  sockaddr_un name{};
  Descriptor folder;
};

Result<Address> address_of(const std::filesystem::path& path) {
  Address address;
  address.name.sun_family = AF_UNIX;
  std::string text = path.native();
  if (text.size() >= sizeof address.name.sun_path) {
    const auto folder = path.parent_path();
    address.folder = Descriptor(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (address.folder.get() < 0) return fail(socket_error(errno, folder.native()));
    text = fmt::format("/proc/self/fd/{}/{}", address.folder.get(), path.filename().native());
  }
  if (text.empty() || text.size() >= sizeof address.name.sun_path)
    return fail(socket_error(ENAMETOOLONG, path.native()));
  std::memcpy(address.name.sun_path, text.c_str(), text.size() + 1);
  return address;
}

}  // namespace

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string_view Parser::take(std::size_t size) {
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

void append_text(std::string& out, std::string_view text) {
  CLOUDOS_ASSERT(text.size() <= UINT16_MAX);
  append_integer(out, static_cast<std::uint16_t>(text.size()));
  out += text;
}

void append_long_text(std::string& out, std::string_view text) {
  append_integer(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

std::string encode_error(const Error& error) {
  std::string body(1, static_cast<char>(error.code));
  append_text(body, std::string_view(error.message).substr(0, 2'000));
  append_text(body, std::string_view(error.detail).substr(0, 2'000));
  return body;
}

Error decode_error(std::string_view body) {
  Parser in(body);
  const auto code = in.integer<std::uint8_t>();
  const std::string_view message = in.text();
  const std::string_view detail = in.text();
  if (!in.ok() || code > static_cast<std::uint8_t>(ErrorCode::Cancelled))
    return {ErrorCode::Unavailable, "the process that runs the folder gave no readable answer", {}};
  return {static_cast<ErrorCode>(code), std::string(message), std::string(detail)};
}

bool ReceiveBudget::take(std::size_t bytes) {
  if (bytes <= kFree) return true;
  if (used_.fetch_add(bytes) + bytes <= limits::kGuestRequestsBytes) return true;
  used_.fetch_sub(bytes);
  return false;
}

void ReceiveBudget::give_back(std::size_t bytes) {
  if (bytes > kFree) used_.fetch_sub(bytes);
}

Result<Socket> Socket::connect(const std::filesystem::path& path) {
  CLOUDOS_TRY(const Address address, address_of(path));
  Socket made(Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  if (!made.open()) return fail(socket_error(errno, "socket"));
  const auto* name = reinterpret_cast<const sockaddr*>(&address.name);
  if (::connect(made.fd(), name, sizeof address.name) == 0) return made;
  Error error = socket_error(errno, "connect");
  // EAGAIN: the queue of those who wait to be accepted is full.
  if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
    error.code = ErrorCode::NotFound;
    error.message = "no process serves the store's guests";
  }
  return fail(std::move(error));
}

void Socket::interrupt() const {
  ::shutdown(fd_.get(), SHUT_RD);
}

Result<void> Socket::wait(short events, std::int64_t deadline) const {
  for (;;) {
    const std::int64_t left = deadline - now_ns();
    if (left <= 0)
      return fail(ErrorCode::Timeout, "the store's other process does not answer", "socket");
    pollfd item{fd_.get(), events, 0};
    const auto milliseconds = std::min<std::int64_t>(left / 1'000'000 + 1, 60'000);
    const int ready = ::poll(&item, 1, static_cast<int>(milliseconds));
    if (ready > 0) return Result<void>();
    if (ready < 0 && errno != EINTR) return fail(socket_error(errno, "poll"));
  }
}

Result<void> Socket::send(Frame kind, std::string_view body, std::int64_t deadline) const {
  std::string bytes;
  bytes.reserve(kHeaderBytes + body.size());
  append_integer(bytes, static_cast<std::uint32_t>(body.size()));
  bytes += static_cast<char>(kind);
  bytes += body;
  for (std::size_t done = 0; done < bytes.size();) {
    const auto sent = ::send(fd_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent >= 0) {
      done += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return fail(socket_error(errno, "send"));
    CLOUDOS_CHECK(wait(POLLOUT, deadline));
  }
  return Result<void>();
}

Result<void> Socket::fill(char* bytes, std::size_t size, std::int64_t deadline) const {
  for (std::size_t done = 0; done < size;) {
    const auto got = ::recv(fd_.get(), bytes + done, size - done, 0);
    if (got > 0) {
      done += static_cast<std::size_t>(got);
      continue;
    }
    if (got == 0) return fail(socket_error(EPIPE, "receive"));
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return fail(socket_error(errno, "receive"));
    CLOUDOS_CHECK(wait(POLLIN, deadline));
  }
  return Result<void>();
}

Result<Message> Socket::receive(std::int64_t first, ReceiveBudget* budget) const {
  std::array<char, kHeaderBytes> header{};
  CLOUDOS_CHECK(fill(header.data(), 1, first));
  const std::int64_t rest = now_ns() + in_ns(limits::kGuestFrameTime);
  CLOUDOS_CHECK(fill(header.data() + 1, kHeaderBytes - 1, rest));
  const auto size = lmdb::read_integer<std::uint32_t>({header.data(), header.size()});
  const auto too_large = [] {
    return fail(ErrorCode::TooLarge, "a message between the store's processes is too large");
  };
  if (size > limits::kGuestRequestBytes) return too_large();
  if (budget && !budget->take(size)) return too_large();
  Message message{static_cast<Frame>(header[4]), std::string(size, '\0')};
  const auto filled = fill(message.body.data(), size, rest);
  if (budget) budget->give_back(size);
  if (!filled) return fail(filled.error());
  return message;
}

Result<Descriptor> listen_at(const std::filesystem::path& path) {
  CLOUDOS_TRY(const Address address, address_of(path));
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto failed = [&](std::string_view doing) {
    Error error = socket_error(errno, fmt::format("{} {}", doing, path.native()));
    error.message = "the socket for the store's guests cannot be made";
    return fail(std::move(error));
  };
  // On the socket, before it has a name: no moment in which others could connect, and no umask.
  if (fd.get() < 0 || ::fchmod(fd.get(), 0600) != 0) return failed("socket");
  // Who owns the store is alone in its folder: what lies there is left over.
  if (::unlink(address.name.sun_path) != 0 && errno != ENOENT) return failed("remove");
  const auto* name = reinterpret_cast<const sockaddr*>(&address.name);
  if (::bind(fd.get(), name, sizeof address.name) != 0) return failed("bind");
  if (::listen(fd.get(), kBacklog) != 0) return failed("listen");
  return fd;
}

namespace {

// A step: kind 1, key (2 bytes of length), then its answer or value.
constexpr char kReadValue = 'v', kReadAbsent = 'a', kNone = 'n', kSome = 's', kPut = 'p',
               kErase = 'd';

}  // namespace

void Script::step(char kind, std::string_view key) {
  ++steps_;
  bytes_ += kind;
  append_text(bytes_, key);
}

void Script::read(std::string_view key, const std::optional<std::string_view>& value) {
  step(value ? kReadValue : kReadAbsent, key);
  if (value) bytes_ += sha256(*value);
}

void Script::none(std::string_view prefix, bool answer) {
  step(answer ? kNone : kSome, prefix);
}

void Script::put(std::string_view key, std::string_view value) {
  step(kPut, key);
  append_long_text(bytes_, value);
}

void Script::erase(std::string_view key) {
  step(kErase, key);
}

Result<void> check_script(std::string_view bytes) {
  Parser in(bytes);
  std::size_t steps = 0;
  for (; !in.at_end(); ++steps) {
    if (steps == limits::kGuestScriptSteps) {
      return fail(ErrorCode::TooLarge, fmt::format("one change may read and write {} times at most",
                                                   limits::kGuestScriptSteps));
    }
    const char kind = static_cast<char>(in.integer<std::uint8_t>());
    const std::string_view key = in.text();
    if (kind == kReadValue) in.take(kDigestBytes);
    if (kind == kPut) in.long_text();
    const bool known = std::string_view("vanspd").find(kind) != std::string_view::npos;
    if (!in.ok() || !known || key.empty() || key.size() > limits::kKeyBytes)
      return fail(ErrorCode::InvalidArgument, "a guest of the store sent what is not a change");
  }
  return Result<void>();
}

Result<void> replay(std::string_view bytes, Txn& txn) {
  Parser in(bytes);
  while (!in.at_end()) {
    const char kind = static_cast<char>(in.integer<std::uint8_t>());
    const std::string_view key = in.text();
    bool same = true;
    switch (kind) {
      case kReadValue: {
        const auto value = txn.get(key);
        same = value && sha256(*value) == in.take(kDigestBytes);
        break;
      }
      case kReadAbsent:
        same = !txn.get(key);
        break;
      case kNone:
      case kSome:
        same = txn.none(key) == (kind == kNone);
        break;
      case kPut:
        txn.put(key, in.long_text());
        break;
      default:
        txn.erase(key);
    }
    if (!same) return fail(ErrorCode::Stale, "what the change was based on has changed meanwhile");
  }
  return Result<void>();
}

}  // namespace cloudos::store::guest
