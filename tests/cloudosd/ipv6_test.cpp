#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <cstring>

#include "cloudosd/site.hpp"

using namespace site_test;

namespace {

/// The status of GET /v3 at this address; 0: nobody is there.
int status_at(const std::string& address, std::uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  const int fd = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0);
  const timeval patience{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  REQUIRE(::inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(),
                      v6 ? static_cast<void*>(&six.sin6_addr) : &four.sin_addr) == 1);
  const auto* to = v6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
  int status = 0;
  if (::connect(fd, to, v6 ? sizeof six : sizeof four) == 0) {
    const std::string_view request = "GET /v3 HTTP/1.1\r\nHost: a\r\n\r\n";
    char reply[13] = {};
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0 &&
        ::recv(fd, reply, 12, MSG_WAITALL) == 12)
      status = std::atoi(reply + 9);
  }
  ::close(fd);
  return status;
}

/// Whether this machine lets us have a network of our own, which only has IPv6.
bool enter_ipv6_only_network() {
  if (::unshare(CLONE_NEWNET) != 0) return false;
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP | IFF_LOOPBACK;
  bool up = fd >= 0 && ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  sockaddr_in none{};
  none.sin_family = AF_INET;
  std::memcpy(&request.ifr_addr, &none, sizeof none);
  up = up && ::ioctl(fd, SIOCSIFADDR, &request) == 0;  // 0.0.0.0: lo's address goes.
  if (fd >= 0) ::close(fd);
  return up;
}

constexpr int kNoNetwork = 77;

/// 0 when a cloudosd there is reached by IPv6 and says so everywhere.
int serve_on_ipv6_only() {
  TempDir dir;
  Program server({CLOUDOSD_PROGRAM, "--data-dir", (dir.path() / "d").string(), "--listen",
                  "[::1]:0", "--simulated"},
                 dir.path() / "log");
  const std::string line = server.read_line();
  const auto at = line.find("http://[::1]:");
  if (at == std::string::npos || status_at("127.0.0.1", 5000) != 0) return 1;
  const std::string url = line.substr(at, line.find_first_of(", ", at) - at);
  const Ran links = run_program({"/usr/bin/curl", "-gsS", "--max-time", "20", url + "/v3"});
  const std::string yaml = text_of(dir.path() / "d" / "clouds.yaml");
  return links.out.find(url) != std::string::npos && yaml.find(url) != std::string::npos ? 0 : 2;
}

}  // namespace

TEST_CASE("each address answers what it stands for, and no more") {
  struct Row {
    std::string what;
    std::vector<std::string> listen;
    bool v4, v6;
  };
  const Row rows[] = {
      {"IPv4's loopback", {"127.0.0.1"}, true, false},
      {"IPv6's loopback", {"::1"}, false, true},
      {"all of IPv4", {"0.0.0.0"}, true, false},
      {"all of both", {"::"}, true, true},
      {"both loopbacks", {"127.0.0.1", "::1"}, true, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    cloudosd::ServerOptions options;
    options.listen.clear();
    for (const auto& address : row.listen) options.listen.push_back({.address = address});
    Site site(options);
    const auto places = site.server.bound();
    REQUIRE(places.size() == row.listen.size());
    CHECK((status_at("127.0.0.1", places.front().port) == 200) == row.v4);
    CHECK((status_at("::1", places.back().port) == 200) == row.v6);
  }
}

TEST_CASE("all of IPv4 and all of IPv6 may have the same port, each its own way") {
  cloudosd::ServerOptions first;
  first.listen = {{.address = "0.0.0.0", .port = 0}};
  std::uint16_t port = 0;
  {
    cloudosd::Server probe(first);
    REQUIRE(probe.bind());
    port = probe.port();
  }
  cloudosd::ServerOptions options;
  options.listen = {{.address = "::", .port = port}, {.address = "0.0.0.0", .port = port}};
  cloudosd::Server server(options);
  const auto bound = server.bind();
  const std::string why = bound ? "" : bound.error().message;
  INFO(why);
  CHECK(bound);
}

TEST_CASE("an address in use is named as people write it, and nothing stays half bound") {
  cloudosd::Server first({.listen = {{.address = "::1", .port = 0}}});
  REQUIRE(first.bind());
  const auto port = first.port();
  cloudosd::Server second({.listen = {{.address = "127.0.0.1", .port = 0},
                                      {.address = "::1", .port = port}}});
  const auto bound = second.bind();
  REQUIRE_FALSE(bound);
  CHECK(bound.error().code == cloudos::ErrorCode::Conflict);
  CHECK(bound.error().message.find("::1") != std::string::npos);
  CHECK(second.port() == 0);
}

TEST_CASE("a socket that somebody else opened is taken over as it is") {
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  cloudosd::ServerOptions options;
  options.listen = {{.descriptor = fd}};
  CHECK_FALSE(cloudosd::Server(options).bind());  // It does not listen yet.
  REQUIRE(::listen(fd, 16) == 0);
  Site site(options);
  const auto places = site.server.bound();
  CHECK(places.front().address == "::1");
  CHECK(status_at("::1", places.front().port) == 200);
}

TEST_CASE("on a host without IPv4 everything works, links included") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: a network without IPv4 takes root");
    return;
  }
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // The child's network is its own; its exit code is all that leaves it.
    try {
      ::_exit(enter_ipv6_only_network() ? serve_on_ipv6_only() : kNoNetwork);
    } catch (...) {
      ::_exit(3);
    }
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoNetwork) {
    MESSAGE("skipped: this machine gives out no networks");
    return;
  }
  CHECK(WEXITSTATUS(status) == 0);
}
