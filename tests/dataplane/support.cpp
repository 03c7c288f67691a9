#include "dataplane/support.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/nft.hpp"

namespace dataplane {
namespace {

using namespace cloudos;
using namespace cloudos::network;
using Bytes = std::vector<std::uint8_t>;
constexpr int kPatienceMs = 250;

std::string tap_name(int last) {
  return fmt::format("tap-test-{}", last);
}

void put16(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}
void put_all(Bytes& out, const Bytes& more) {
  out.insert(out.end(), more.begin(), more.end());
}

unsigned ones_sum(const Bytes& data) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < data.size(); i += 2) {
    sum += static_cast<unsigned>(data[i] << 8) | (i + 1 < data.size() ? data[i + 1] : 0U);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

Fd packet_socket() {
  Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(ETH_P_ALL);
  at.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  return fd;
}

/// The DHCP payload of the next answer to us, or empty when none comes.
std::string next_dhcp_answer(const Fd& socket) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
  while (std::chrono::steady_clock::now() < deadline) {
    pollfd waiting{socket.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 100) <= 0) continue;
    std::array<char, 2048> frame{};
    const ssize_t got = ::recv(socket.get(), frame.data(), frame.size(), 0);
    if (got < 14 + 20 + 8 + 240) continue;
    const auto u8 = [&](int i) {
      return static_cast<std::uint8_t>(frame[static_cast<std::size_t>(i)]);
    };
    const bool udp = u8(12) == 8 && u8(13) == 0 && u8(23) == 17;
    const int payload = 14 + (u8(14) & 15) * 4 + 8;
    if (!udp || u8(payload - 6) != 0 || u8(payload - 5) != 68) continue;
    return std::string(frame.data() + payload, static_cast<std::size_t>(got - payload));
  }
  return "";
}

Guest::Lease read_lease(const std::string& message) {
  Guest::Lease lease;
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(message[i]); };
  lease.address = fmt::format("{}.{}.{}.{}", at(16), at(17), at(18), at(19));
  for (std::size_t i = 240; i + 1 < message.size() && at(i) != 255;) {
    if (at(i) == 0) {
      ++i;
      continue;
    }
    const std::size_t size = at(i + 1);
    lease.options[at(i)] = message.substr(i + 2, size);
    i += 2 + size;
  }
  return lease;
}

}  // namespace

bool on_private_host(const std::function<void()>& body) {
  bool private_now = false;
  std::exception_ptr thrown;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return;
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return;
    // Copies of others' names go when those do, however private: they would count as our doing.
    for (const auto& name : lb::list_netns(""))
      ::umount2(("/run/netns/" + name).c_str(), MNT_DETACH);
    if (::mount("tmpfs", "/run", "tmpfs", 0, nullptr) != 0) return;
    private_now = true;
    try {
      body();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (!private_now) MESSAGE("skipped: needs root (private network and mount namespaces)");
  if (thrown) std::rethrow_exception(thrown);
  return private_now;
}

TempDir::TempDir() {
  std::string path = (std::filesystem::temp_directory_path() / "cloudos-dataplane-XXXXXX").string();
  REQUIRE(::mkdtemp(path.data()) != nullptr);
  path_ = path;
}
TempDir::~TempDir() {
  std::error_code ignored;
  // A test that failed half-way must not leave its servers running.
  for (const auto& entry : std::filesystem::directory_iterator(path_ + "/networks", ignored)) {
    CHECK(lb::Dnsmasq("", entry.path().string()).remove());
  }
  std::filesystem::remove_all(path_, ignored);
}

Guest::Guest() {
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) == 0) {
      netns_ = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }
  }).join();
  REQUIRE(netns_.valid());
}

Guest::Guest(const std::string& folder, const PortPlan& port) : Guest() {
  mac_ = port.mac;
  tap_ = port.tap;
  auto host = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(host);
  lb::NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, port.tap);
  const auto info = message.begin(IFLA_LINKINFO);
  message.attr(IFLA_INFO_KIND, "veth");
  const auto data = message.begin(IFLA_INFO_DATA);
  const auto peer = message.begin(VETH_INFO_PEER);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, "eth0");
  const auto raw = mac_of(port.mac);
  message.attr(IFLA_ADDRESS, raw.data(), raw.size());
  message.attr_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns_.get()));
  message.end(peer);
  message.end(data);
  message.end(info);
  REQUIRE(host->execute(message) == 0);
  const auto link = lb::find_link(*host, port.tap);
  REQUIRE(link);
  REQUIRE(lb::change_link(*host, **link, {.alias = lb::Names(folder).alias(port.id.value)}));
  in([&] {
    auto inside = lb::Netlink::open(NETLINK_ROUTE);
    for (const auto* name : {"lo", "eth0"}) {
      auto device = lb::find_link(*inside, name);
      REQUIRE(lb::change_link(*inside, **device, {.up = true}));
    }
    // An own stack has to finish its checksums: the test's frames are compared as they are.
    REQUIRE(lb::finish_checksums("eth0"));
  });
}

void Guest::await_carrier() const {
  const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (std::chrono::steady_clock::now() < deadline) {
    ifreq request{};
    std::strncpy(request.ifr_name, tap_.c_str(), IFNAMSIZ - 1);
    if (::ioctl(fd.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING) != 0)
      return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  FAIL("no carrier on " << tap_);
}

void Guest::in(const std::function<void()>& work) const {
  std::exception_ptr thrown;
  REQUIRE(lb::run_in_netns(netns_.get(), [&]() -> Result<void> {
    try {
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
    return Result<void>();
  }));
  if (thrown) std::rethrow_exception(thrown);
}

void Guest::add_address(const std::string& address, unsigned length) {
  in([&] {
    auto inside = lb::Netlink::open(NETLINK_ROUTE);
    auto device = lb::find_link(*inside, "eth0");
    REQUIRE(lb::add_address(*inside, **device, {address, length}));
  });
}

Fd Guest::connect(const std::string& address, std::uint16_t port,
                      const std::string& from) const {
  Fd out;
  in([&] {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    if (!from.empty()) {
      inet_pton(AF_INET, from.c_str(), &to.sin_addr);
      REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    }
    to.sin_port = htons(port);
    inet_pton(AF_INET, address.c_str(), &to.sin_addr);
    ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
    pollfd waiting{fd.get(), POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;
    if (::poll(&waiting, 1, kPatienceMs) == 1 &&
        ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
      out = std::move(fd);
    }
  });
  return out;
}

bool Guest::can_connect(const std::string& address, std::uint16_t port,
                        const std::string& from) const {
  return connect(address, port, from).valid();
}

Fd Guest::listen(const std::string& address, std::uint16_t port) const {
  auto fd = Fd();
  in([&] {
    Fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    inet_pton(AF_INET, address.c_str(), &at.sin_addr);
    REQUIRE(::bind(made.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(made.get(), 16) == 0);
    fd = std::move(made);
  });
  return fd;
}

std::string answer_to(const Fd& connection, const std::string& request) {
  if (::send(connection.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  std::string out;
  while (true) {
    pollfd waiting{connection.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 3000) != 1) return out;
    std::array<char, 4096> chunk{};
    const ssize_t got = ::recv(connection.get(), chunk.data(), chunk.size(), 0);
    if (got <= 0) return out;
    out.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

void Guest::send_frame(const std::vector<std::uint8_t>& frame) const {
  in([&] {
    const Fd fd = packet_socket();
    REQUIRE(::send(fd.get(), frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
  });
}

Fd Guest::sniff() const {
  Fd fd;
  in([&] { fd = packet_socket(); });
  return fd;
}

std::string dhcp_message(int type, const std::string& mac, const std::string& asked,
                         const std::string& server) {
  std::string out(236, '\0');
  out[0] = 1;  // request
  out[1] = 1;  // Ethernet
  out[2] = 6;
  std::memcpy(&out[4], "XID1", 4);
  out[10] = static_cast<char>(0x80);  // Answer by broadcast.
  const auto raw = mac_of(mac);
  std::memcpy(&out[28], raw.data(), raw.size());
  out += std::string("\x63\x82\x53\x63", 4);
  const auto option = [&](int code, const std::string& value) {
    out += static_cast<char>(code);
    out += static_cast<char>(value.size());
    out += value;
  };
  option(53, std::string(1, static_cast<char>(type)));
  option(55, std::string("\x01\x03\x06\x0c\x0f\x1a\x79", 7));
  const auto as_text = [](const Bytes& b) { return std::string(b.begin(), b.end()); };
  if (!asked.empty()) option(50, as_text(ip_of(asked)));
  if (!server.empty()) option(54, as_text(ip_of(server)));
  out += static_cast<char>(0xff);
  return out;
}

std::optional<Guest::Lease> Guest::dhcp(const std::string& as_mac) const {
  const std::string mac = as_mac.empty() ? mac_ : as_mac;
  std::optional<Lease> lease;
  in([&] {
    const Fd fd = packet_socket();
    const auto ask = [&](const std::string& message) {
      const auto frame =
          udp_frame(mac, "ff:ff:ff:ff:ff:ff", "0.0.0.0", "255.255.255.255", 68, 67, message);
      REQUIRE(::send(fd.get(), frame.data(), frame.size(), 0) > 0);
      return next_dhcp_answer(fd);
    };
    const std::string offer = ask(dhcp_message(1, mac, "", ""));
    if (offer.empty()) return;
    const Lease offered = read_lease(offer);
    const auto server = offered.options.find(54);
    if (server == offered.options.end() || server->second.size() != 4) return;
    const auto b = [&](int i) {
      return static_cast<std::uint8_t>(server->second[static_cast<std::size_t>(i)]);
    };
    const std::string answer = ask(
        dhcp_message(3, mac, offered.address, fmt::format("{}.{}.{}.{}", b(0), b(1), b(2), b(3))));
    if (answer.empty()) return;
    Lease got = read_lease(answer);
    const auto type = got.options.find(53);
    if (type != got.options.end() && type->second == "\x05") lease = std::move(got);
  });
  return lease;
}

bool arrives(const Fd& sniffer, const std::string& needle, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd waiting{sniffer.get(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) != 1) return false;
    std::array<char, 2048> frame{};
    sockaddr_ll from{};
    socklen_t size = sizeof from;
    const ssize_t got = ::recvfrom(sniffer.get(), frame.data(), frame.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
    if (from.sll_pkttype == PACKET_OUTGOING) continue;  // An error report quotes what it is about.
    if (got > 0 && std::string_view(frame.data(), static_cast<std::size_t>(got)).find(needle) !=
                       std::string_view::npos) {
      return true;
    }
  }
}

bool still_flows(const Fd& from, const Fd& accepted) {
  if (::send(from.get(), "x", 1, MSG_NOSIGNAL) != 1) return false;
  pollfd waiting{accepted.get(), POLLIN, 0};
  char byte = 0;
  return ::poll(&waiting, 1, kPatienceMs) == 1 && ::recv(accepted.get(), &byte, 1, 0) == 1;
}

Bytes mac_of(const std::string& text) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 3) {
    out.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return out;
}

Bytes ip_of(const std::string& text) {
  Bytes out(4);
  REQUIRE(inet_pton(AF_INET, text.c_str(), out.data()) == 1);
  return out;
}

Bytes udp_frame(const std::string& from_mac, const std::string& to_mac, const std::string& from_ip,
                const std::string& to_ip, std::uint16_t from_port, std::uint16_t to_port,
                const std::string& payload) {
  Bytes ip{0x45, 0};
  put16(ip, static_cast<unsigned>(28 + payload.size()));
  put_all(ip, {0, 0, 0, 0, 64, 17, 0, 0});
  put_all(ip, ip_of(from_ip));
  put_all(ip, ip_of(to_ip));
  const unsigned sum = ones_sum(ip);
  ip[10] = static_cast<std::uint8_t>(sum >> 8);
  ip[11] = static_cast<std::uint8_t>(sum);
  Bytes frame = mac_of(to_mac);
  put_all(frame, mac_of(from_mac));
  put16(frame, 0x0800);
  put_all(frame, ip);
  put16(frame, from_port);
  put16(frame, to_port);
  put16(frame, static_cast<unsigned>(8 + payload.size()));
  put16(frame, 0);  // No checksum, which UDP over IPv4 allows.
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

Bytes arp_frame(const std::string& ether_mac, const std::string& sender_mac,
                const std::string& sender_ip, const std::string& target_ip) {
  Bytes frame = mac_of("ff:ff:ff:ff:ff:ff");
  put_all(frame, mac_of(ether_mac));
  put16(frame, 0x0806);
  put_all(frame, {0, 1, 8, 0, 6, 4, 0, 1});
  put_all(frame, mac_of(sender_mac));
  put_all(frame, ip_of(sender_ip));
  put_all(frame, Bytes(6));
  put_all(frame, ip_of(target_ip));
  frame.resize(60);
  return frame;
}

Fd open_tap(const std::string& name) {
  Fd tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
  REQUIRE(::ioctl(tap.get(), TUNSETIFF, &request) == 0);
  return tap;
}

void write_tap(const Fd& tap, const Bytes& frame) {
  Bytes out(10);  // An empty virtio header.
  put_all(out, frame);
  REQUIRE(::write(tap.get(), out.data(), out.size()) == static_cast<ssize_t>(out.size()));
}

Plan simple_plan() {
  Plan plan;
  NetworkPlan network;
  network.id = NetworkId("11111111-1111-4111-8111-111111111111");
  network.type = "local";
  network.dhcp_mac = "fa:16:3e:00:00:02";
  SubnetPlan subnet;
  subnet.id = SubnetId("22222222-2222-4222-8222-222222222222");
  subnet.cidr = "10.0.0.0/24";
  subnet.gateway = "10.0.0.1";
  subnet.dhcp_address = "10.0.0.2";
  network.subnets.push_back(subnet);
  plan.networks[network.id] = network;
  GroupPlan group;
  group.id = SecurityGroupId("33333333-3333-4333-8333-333333333333");
  RulePlan out;
  out.ingress = false;
  group.rules = {out};
  out.ipv6 = true;
  group.rules.push_back(out);
  plan.groups[group.id] = group;
  return plan;
}

PortPlan& add_port(Plan& plan, int last) {
  NetworkPlan& network = plan.networks.begin()->second;
  PortPlan port;
  port.id = PortId(fmt::format("44444444-4444-4444-8444-{:012}", last));
  port.network = network.id;
  port.mac = fmt::format("fa:16:3e:00:01:{:02x}", last);
  port.addresses = {fmt::format("10.0.0.{}", last)};
  port.groups = {plan.groups.begin()->first};
  port.tap = tap_name(last);
  DhcpHost host;
  host.port = port.id;
  host.subnet = network.subnets.front().id;
  host.mac = port.mac;
  host.address = port.addresses.front();
  host.host_name = fmt::format("guest-{}", last);
  network.hosts.push_back(host);
  plan.groups.begin()->second.members.push_back(port.addresses.front());
  return plan.ports[port.id] = port;
}

RulePlan tcp_from_anywhere(std::uint16_t port) {
  RulePlan rule;
  rule.protocol = "tcp";
  rule.port_min = rule.port_max = port;
  return rule;
}

Change gone(const Change& change) {
  return network::gone_change(change.kind, change.id, change.revision + 1);
}

std::string host_state(const std::string& dir) {
  std::string out;
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  const auto links = lb::list_links(*netlink);
  REQUIRE(links);
  for (const auto& link : *links) out += "device " + link.name + " " + link.alias + "\n";
  for (const auto& name : lb::list_netns("")) out += "namespace " + name + "\n";
  out += nft_list();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    out += "file " + entry.path().filename().string() + "\n";
  }
  const std::string mounts = lb::read_small_file("/proc/thread-self/mounts").value_or("");
  out += fmt::format("{} mounts\n", std::count(mounts.begin(), mounts.end(), '\n'));
  return out;
}

void nft(const std::string& commands) {
  auto context = lb::Nft::open();
  REQUIRE(context);
  const auto done = context->run(commands);
  CAPTURE(done ? "" : done.error().detail);
  REQUIRE(done);
}

std::string nft_list() {
  auto context = lb::Nft::open();
  REQUIRE(context);
  std::string out;
  for (const auto* table : {"cloudos_0a1b2c3d", "cloudos_ffff0000", "foreign"}) {
    for (const auto* family : {"bridge", "inet"}) {
      const auto text = context->list(family, table);
      REQUIRE(text);
      out += *text;
    }
  }
  return out;
}

}  // namespace dataplane
