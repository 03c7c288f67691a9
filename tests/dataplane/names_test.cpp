#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "base/text.hpp"
#include "dataplane/l3_support.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

// RFC 1035: types of records, and what a server says of a question.
constexpr unsigned kRecordA = 1, kRecordPtr = 12, kRecordAaaa = 28;
constexpr int kKnown = 0, kNoSuchName = 3, kNoServer = -1;

std::string spelled(std::string_view name) {
  std::string out;
  for (const auto label : split(name, '.')) {
    out += static_cast<char>(label.size());
    out.append(label);
  }
  return out + '\0';
}

struct NameAnswer {
  int code = kNoServer;
  unsigned answers = 0;
  std::string data;  ///< Of the last answer, as it came.
};

/// What the server at 10.0.0.2 says to a guest.
NameAnswer asked_for(const Guest& guest, std::string_view name, unsigned type) {
  NameAnswer found;
  guest.in([&] {
    const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(53);
    REQUIRE(inet_pton(AF_INET, "10.0.0.2", &server.sin_addr) == 1);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) return;
    const std::string question = std::string("\x12\x34\1\0\0\1\0\0\0\0\0\0", 12) + spelled(name) +
                                 '\0' + static_cast<char>(type) + std::string("\0\1", 2);
    std::array<char, 512> got{};
    ssize_t size = 0;
    for (int i = 0; i < 5 && size <= 0; ++i) {
      if (::send(fd.get(), question.data(), question.size(), 0) < 0) continue;
      pollfd waiting{fd.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 500) == 1) size = ::recv(fd.get(), got.data(), got.size(), 0);
    }
    if (size < static_cast<ssize_t>(question.size())) return;
    found.code = got[3] & 15;
    found.answers = static_cast<unsigned char>(got[7]);
    // A pointer to the name, type, class, time and length come before the data.
    const std::size_t at = question.size() + 12;
    if (found.answers > 0 && at < static_cast<std::size_t>(size))
      found.data.assign(got.data() + at, static_cast<std::size_t>(size) - at);
  });
  return found;
}

std::string bytes_of(const std::string& address) {
  const auto raw = ip_of(address);
  return {raw.begin(), raw.end()};
}

}  // namespace

TEST_CASE("guests search the cloud's domain, and find names under it, bare, and under their own") {
  on_private_host([] {
    const TempDir dir;
    Plan plan = simple_plan();
    const PortPlan luke = add_port(plan, 11);
    const PortPlan leia = add_port(plan, 12);
    const PortPlan han = add_port(plan, 13);
    auto& hosts = plan.networks.begin()->second.hosts;
    hosts[0].host_name = "luke";
    hosts[1].host_name = "leia";
    hosts[2].host_name = "han";
    for (auto& host : hosts) host.domain = "starwars.";
    hosts[2].domain = "falcon.example.";
    LinuxBridgeSettings settings;
    settings.run_dir = dir.path();
    settings.dns_domain = "openstackgate.local.";
    const auto driver = l3_driver(settings);
    Guest guest = guest_of(luke, "");
    converge(*driver, plan);
    guest.await_carrier();
    const auto lease = guest.dhcp();
    REQUIRE(lease);
    constexpr int kDomainOption = 15, kSearchOption = 119;
    REQUIRE(lease->options.count(kDomainOption) == 1);
    CHECK(lease->options.at(kDomainOption).substr(0, 19) == "openstackgate.local");
    CHECK(lease->options.count(kSearchOption) == 0);
    for (const auto& option : lease->options) {
      CAPTURE(option.first);
      CHECK(option.second.find("starwars") == std::string::npos);
    }
    struct Row {
      std::string name;
      unsigned type;
      int code;
      std::string data;  ///< Empty: no answer.
    };
    const Row rows[] = {
        {"leia", kRecordA, kKnown, bytes_of("10.0.0.12")},
        {"leia.openstackgate.local", kRecordA, kKnown, bytes_of("10.0.0.12")},
        {"LEIA.OpenStackGate.local", kRecordA, kKnown, bytes_of("10.0.0.12")},
        {"leia.starwars", kRecordA, kKnown, bytes_of("10.0.0.12")},
        {"luke.openstackgate.local", kRecordA, kKnown, bytes_of("10.0.0.11")},
        {"han.falcon.example", kRecordA, kKnown, bytes_of("10.0.0.13")},
        {"han.openstackgate.local", kRecordA, kKnown, bytes_of("10.0.0.13")},
        {"han.starwars", kRecordA, kNoSuchName, ""},
        {"leia.openstacklocal", kRecordA, 5, ""},
        {"yoda", kRecordA, kNoSuchName, ""},
        {"yoda.openstackgate.local", kRecordA, kNoSuchName, ""},
        // Who asks for both kinds of addresses takes this for an answer, and does not wait.
        {"leia", kRecordAaaa, kKnown, ""},
        {"leia.openstackgate.local", kRecordAaaa, kKnown, ""},
        {"leia.starwars", kRecordAaaa, kKnown, ""},
        {"12.0.0.10.in-addr.arpa", kRecordPtr, kKnown, spelled("leia.starwars")},
    };
    for (const bool again : {false, true}) {
      CAPTURE(again);  // Files that are read again say the same.
      for (const auto& row : rows) {
        CAPTURE(row.name);
        CAPTURE(row.type);
        const auto found = asked_for(guest, row.name, row.type);
        CHECK(found.code == row.code);
        CHECK(found.answers == (row.data.empty() ? 0U : 1U));
        CHECK((found.data.substr(0, row.data.size()) == row.data));
      }
      add_port(plan, 20);
      converge(*driver, plan);
    }
    converge(*driver, {});
  });
}

TEST_CASE("a domain that would break out of its line is none of a driver's") {
  const TempDir dir;
  for (const char* domain : {"", "a b", "a\ndhcp-script=/bin/sh", "a,b", "a/b"}) {
    CAPTURE(std::string(domain));
    LinuxBridgeSettings settings;
    settings.folder_id = kFolder;
    settings.run_dir = dir.path();
    settings.dns_domain = domain;
    const auto made = make_linuxbridge(settings, nullptr, Log());
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::InvalidArgument);
  }
}
