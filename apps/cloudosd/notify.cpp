#include "cloudosd/notify.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/text.hpp"

namespace cloudosd {
namespace {

/// Text after "STATUS=" ends at a line end.
std::string one_line(std::string_view text) {
  std::string line(text.substr(0, 1'000));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return line;
}

std::uint64_t monotonic_usec() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value ? value : "";
  ::unsetenv(name);
  return text;
}

}  // namespace

Notifier::Notifier(std::string_view socket) {
  sockaddr_un address{};
  const bool abstract = socket.starts_with('@');
  if (socket.size() < 2 || !(abstract || socket.starts_with('/')) ||
      socket.size() >= sizeof address.sun_path)
    return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.data(), socket.size());
  if (abstract) address.sun_path[0] = '\0';
  // A path ends with its NUL; a name of the abstract space is exactly as long as it is.
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size() + (abstract ? 0 : 1));
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) return;
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), length) == 0) return;
  ::close(socket_);
  socket_ = -1;
}

Notifier::~Notifier() {
  if (socket_ >= 0) ::close(socket_);
}

void Notifier::send(const std::string& message) const {
  if (socket_ < 0) return;
  [[maybe_unused]] const ssize_t sent =
      ::send(socket_, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Notifier::ready(std::string_view status) const {
  send(fmt::format("READY=1\nSTATUS={}", one_line(status)));
}
void Notifier::reloading() const {
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_usec()));
}
void Notifier::stopping() const {
  send("STOPPING=1\nSTATUS=stopping; guests keep running");
}
void Notifier::status(std::string_view text) const {
  send(fmt::format("STATUS={}", one_line(text)));
}
void Notifier::alive() const {
  send("WATCHDOG=1");
}

ManagerWishes take_manager_wishes() {
  ManagerWishes wishes;
  wishes.notify_socket = take_variable("NOTIFY_SOCKET");
  const auto usec = cloudos::parse_unsigned(take_variable("WATCHDOG_USEC"));
  const std::string pid = take_variable("WATCHDOG_PID");
  const bool ours = pid.empty() || pid == std::to_string(::getpid());
  if (usec && *usec > 0 && ours) wishes.watchdog = std::chrono::microseconds(*usec);
  return wishes;
}

}  // namespace cloudosd
