#include "cloudosd/activation.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.hpp"

namespace cloudosd {
namespace {

constexpr int kFirst = 3;  // Behind stdin, stdout and stderr.
constexpr std::uint64_t kMost = 64;

std::string taken_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value ? value : "";
  ::unsetenv(name);
  return text;
}

bool listens(int descriptor) {
  const auto option = [descriptor](int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
  };
  const int domain = option(SO_DOMAIN);
  return (domain == AF_INET || domain == AF_INET6) && option(SO_TYPE) == SOCK_STREAM &&
         option(SO_ACCEPTCONN) == 1;
}

Listen place_of(int descriptor) {
  Listen place;
  place.descriptor = descriptor;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char host[NI_MAXHOST] = {};
  char port[NI_MAXSERV] = {};
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
      ::getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
    place.address = host;
    place.port =
        static_cast<std::uint16_t>(cloudos::parse_unsigned(std::string_view(port)).value_or(0));
  }
  return place;
}

}  // namespace

cloudos::Result<std::vector<Listen>> take_passed_sockets(bool tls) {
  const std::string pid = taken_variable("LISTEN_PID");
  const std::string count_text = taken_variable("LISTEN_FDS");
  const std::string names_text = taken_variable("LISTEN_FDNAMES");
  std::vector<Listen> places;
  if (pid != std::to_string(::getpid())) return places;
  const auto count = cloudos::parse_unsigned(count_text);
  if (!count || *count > kMost)
    return cloudos::fail(cloudos::ErrorCode::InvalidArgument,
                         fmt::format("LISTEN_FDS is no number from 0 to {}.", kMost));
  const auto names = cloudos::split(names_text, ':');
  for (int i = 0; i < static_cast<int>(*count); ++i) {
    const int descriptor = kFirst + i;
    const std::string_view name =
        static_cast<std::size_t>(i) < names.size() ? names[static_cast<std::size_t>(i)] : "";
    if (!listens(descriptor))
      return cloudos::fail(cloudos::ErrorCode::InvalidArgument,
                           fmt::format("Descriptor {} ({}), passed by the service manager, is no "
                                       "listening TCP socket: check ListenStream= of the socket "
                                       "unit.",
                                       descriptor, name));
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    Listen place = place_of(descriptor);
    place.tls = name == "https" || (tls && name != "http");
    places.push_back(std::move(place));
  }
  return places;
}

}  // namespace cloudosd
