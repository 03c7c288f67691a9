#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "dataplane/l3_support.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

// RFC 8415: messages and options.
constexpr int kSolicit = 1, kAdvertise = 2, kRequest = 3, kReply = 7;
constexpr unsigned kClientId = 1, kServerId = 2, kAssociation = 3, kAddress = 5, kWanted = 6, kElapsed = 8,
                   kSearch = 24;

void put16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}
void put_option(std::string& out, unsigned code, const std::string& value) {
  put16(out, code);
  put16(out, static_cast<unsigned>(value.size()));
  out += value;
}
std::string option_of(const std::string& message, std::size_t from, unsigned code) {
  const auto u16 = [&](std::size_t i) {
    return static_cast<unsigned>(static_cast<std::uint8_t>(message[i])) << 8 |
           static_cast<std::uint8_t>(message[i + 1]);
  };
  for (std::size_t i = from; i + 4 <= message.size(); i += 4 + u16(i + 2))
    if (u16(i) == code) return message.substr(i + 4, u16(i + 2));
  return "";
}

/// The address that the guest is given by DHCPv6; empty: none. `searched` gets the domains to
/// search, as they are sent.
std::string leased6(const Guest& guest, const std::string& mac, std::string* searched = nullptr) {
  std::string leased;
  guest.in([&] {
    const Fd fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 at{};
    at.sin6_family = AF_INET6;
    at.sin6_port = htons(546);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    sockaddr_in6 servers = at;
    servers.sin6_port = htons(547);
    inet_pton(AF_INET6, "ff02::1:2", &servers.sin6_addr);
    servers.sin6_scope_id = if_nametoindex("eth0");
    const auto raw = mac_of(mac);
    std::string client("\0\3\0\1", 4);
    client.append(raw.begin(), raw.end());
    const auto ask = [&](int kind, const std::string& server) {
      std::string out(1, static_cast<char>(kind));
      out += "tid";
      put_option(out, kClientId, client);
      if (!server.empty()) put_option(out, kServerId, server);
      put_option(out, kElapsed, std::string(2, '\0'));
      put_option(out, kWanted, std::string{'\0', static_cast<char>(kSearch)});
      put_option(out, kAssociation, std::string("\0\0\0\1", 4) + std::string(8, '\0'));
      if (::sendto(fd.get(), out.data(), out.size(), 0, reinterpret_cast<const sockaddr*>(&servers),
                   sizeof servers) < 0)
        return std::string();  // No address of its own yet.
      pollfd waiting{fd.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 500) != 1) return std::string();
      std::array<char, 2'048> answer{};
      const auto got = ::recv(fd.get(), answer.data(), answer.size(), 0);
      return got > 4 ? std::string(answer.data(), static_cast<std::size_t>(got)) : std::string();
    };
    const auto offer = ask(kSolicit, "");
    if (offer.empty() || offer[0] != kAdvertise) return;
    const auto reply = ask(kRequest, option_of(offer, 4, kServerId));
    if (reply.empty() || reply[0] != kReply) return;
    const auto address = option_of(option_of(reply, 4, kAssociation), 12, kAddress);
    if (address.size() < 16) return;
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(AF_INET6, address.data(), text.data(), text.size());
    leased = text.data();
    if (searched) *searched = option_of(reply, 4, kSearch);
  });
  return leased;
}

}  // namespace

TEST_CASE("a guest gets its own address by DHCPv6, and no other MAC gets it") {
  on_private_host([] {
    const TempDir dir;
    Plan plan = simple_plan();
    PortPlan& port = add_port(plan, 11);
    PortPlan& stranger = add_port(plan, 12);
    NetworkPlan& network = plan.networks.begin()->second;
    SubnetPlan six;
    six.id = SubnetId("22222222-2222-4222-8222-222222222266");
    six.cidr = "fd00:1::/64";
    six.dhcp_address = "fd00:1::2";
    six.address_mode = "dhcpv6-stateful";
    network.subnets.push_back(six);
    DhcpHost host = network.hosts.front();
    host.subnet = six.id;
    host.address = "fd00:1::b";
    host.domain = "starwars.";
    network.hosts.push_back(host);
    port.addresses.emplace_back(host.address);
    LinuxBridgeSettings settings;
    settings.run_dir = dir.path();
    settings.dns_domain = "cloud.example.";
    const auto driver = l3_driver(settings);
    const Guest guest = guest_of(port, "");
    const Guest other = guest_of(stranger, "");
    converge(*driver, plan);
    guest.await_carrier();
    other.await_carrier();
    std::string got, searched;
    CHECK(becomes([&] { return !(got = leased6(guest, port.mac, &searched)).empty(); },
                  std::chrono::seconds(8)));
    CHECK(searched == std::string("\5cloud\7example\0", 15));
    CHECK(got == "fd00:1::b");
    // By the address his frames come from, whatever he says he is.
    CHECK(leased6(other, port.mac) != "fd00:1::b");
    converge(*driver, {});
  });
}
