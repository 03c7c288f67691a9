#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/process.hpp"
#include "dataplane/l3_support.hpp"
#include "dataplane/support.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/metadata_server.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/nft.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

/// A driver on the test's private host.
struct Host {
  TempDir dir;
  std::shared_ptr<LinuxBridgeDriver> driver;
  std::vector<std::string> asked;  // Written by the metadata thread, read after its answer.

  explicit Host(std::map<std::string, std::string> bridges = {},
                const std::string& folder = kFolder) {
    driver = make(std::move(bridges), folder);
  }
  std::shared_ptr<LinuxBridgeDriver> make(std::map<std::string, std::string> bridges = {},
                                          const std::string& folder = kFolder) {
    auto made = make_linuxbridge(
        {folder, dir.path(), std::move(bridges), ""},
        [this](const NetworkId& network, const std::string& address, const std::string& path) {
          asked.push_back(address);
          return MetadataAnswer{200, "text/plain", network.value + " " + address + " " + path};
        },
        Log());
    CAPTURE(made ? "" : made.error().message + made.error().detail);
    REQUIRE(made);
    return *made;
  }
  void converge(const Plan& plan) const {
    const auto done = driver->converge(plan);
    CAPTURE(done ? "" : done.error().message + "\n" + done.error().detail);
    REQUIRE(done);
  }
  void tell(const Change& change) const {
    const auto done = driver->postcommit(change);
    CAPTURE(done ? "" : done.error().message + "\n" + done.error().detail);
    REQUIRE(done);
  }
  std::optional<int> dnsmasq(const NetworkId& network) const {
    return lb::Dnsmasq("", dir.path() + "/networks/" + network.value).pid();
  }
};

/// Two guests on a converged host; destroyed last to first.
struct TwoGuests {
  Plan plan = simple_plan();
  PortPlan& first = add_port(plan, 11);
  PortPlan& second = add_port(plan, 12);
  Guest a{kFolder, first};
  Guest b{kFolder, second};
  Host host;
  explicit TwoGuests(bool configured = true) {
    if (configured) {
      a.add_address("10.0.0.11", 24);
      b.add_address("10.0.0.12", 24);
    }
    host.converge(plan);
    a.await_carrier();
    b.await_carrier();
  }
  ~TwoGuests() {
    const auto cleared = host.driver->converge({});
    CHECK(cleared);
  }
  GroupPlan& group() { return plan.groups.begin()->second; }
  NetworkPlan& network() { return plan.networks.begin()->second; }
};

const char* const kProbe = "probe-of-the-test";

Fd accept_one(const Fd& listener) {
  return Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

/// No connection is forgotten for the rest of the calling thread's life: what names one is longer
/// than anything else that is sent by sendto() for a rule. False when the kernel does not let us.
bool refuse_to_forget() {
  std::array<sock_filter, 6> steps{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 80, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOBUFS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{static_cast<unsigned short>(steps.size()), steps.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

using Octets = std::vector<std::uint8_t>;

void append(Octets& out, const Octets& more) {
  out.insert(out.end(), more.begin(), more.end());
}

/// fe80::<last>, or the guest's own made of its MAC fa:16:3e:00:01:<last>.
Octets link_local(std::uint8_t last, bool of_mac) {
  if (of_mac) return {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xf8, 0x16, 0x3e, 0xff, 0xfe, 0, 1, last};
  return {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last};
}

const Octets kAllNodes = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

/// An ICMPv6 message with its checksum, which connection tracking looks at before any rule.
Octets icmpv6(Octets message, const Octets& from) {
  Octets sum_over = from;
  append(sum_over, kAllNodes);
  append(sum_over, {0, 0, 0, static_cast<std::uint8_t>(message.size()), 0, 0, 0, 58});
  append(sum_over, message);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < sum_over.size(); ++i)
    sum += static_cast<std::uint32_t>(sum_over[i]) << (i % 2 == 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  sum = ~sum & 0xffff;
  message[2] = static_cast<std::uint8_t>(sum >> 8);
  message[3] = static_cast<std::uint8_t>(sum);
  return message;
}

/// To all nodes of the link.
Octets ip6_frame(const std::string& mac, const Octets& from, std::uint8_t next,
                 const Octets& payload) {
  Octets frame = {0x33, 0x33, 0, 0, 0, 1};
  append(frame, mac_of(mac));
  append(frame, {0x86, 0xdd, 0x60, 0, 0, 0, static_cast<std::uint8_t>(payload.size() >> 8),
                 static_cast<std::uint8_t>(payload.size()), next, 255});
  append(frame, from);
  append(frame, kAllNodes);
  append(frame, payload);
  return frame;
}

Octets with_text(Octets message, std::string_view text) {
  message.insert(message.end(), text.begin(), text.end());
  return message;
}

}  // namespace

TEST_CASE("a guest gets its address, routes, name servers and MTU by DHCP") {
  on_private_host([] {
    TwoGuests t(false);
    const auto lease = t.a.dhcp();
    REQUIRE(lease);
    CHECK(lease->address == "10.0.0.11");
    const auto text = [](std::initializer_list<int> bytes) {
      return std::string(bytes.begin(), bytes.end());
    };
    CHECK(lease->options.at(1) == text({255, 255, 255, 0}));
    CHECK(lease->options.at(3) == text({10, 0, 0, 1}));
    CHECK(lease->options.at(6) == text({10, 0, 0, 2}));
    CHECK(lease->options.at(26) == text({0x05, 0xdc}));
    CHECK(lease->options.at(12) == "guest-11");
    CHECK(lease->options.at(121) == text({32, 169, 254, 169, 254, 10, 0, 0, 2, 0, 10, 0, 0, 1}));
    const auto other = t.b.dhcp();
    REQUIRE(other);
    CHECK(other->address == "10.0.0.12");
    CHECK_FALSE(t.b.dhcp("fa:16:3e:99:99:99"));
  });
}

TEST_CASE("metadata goes by the peer's address, whatever headers claim") {
  on_private_host([] {
    TwoGuests t;
    for (auto* guest : {&t.a, &t.b}) {
      guest->in([] {
        auto inside = lb::Netlink::open(NETLINK_ROUTE);
        auto device = lb::find_link(*inside, "eth0");
        REQUIRE(lb::add_address(*inside, **device, {"169.254.1.1", 16}));
      });
    }
    struct Row {
      std::string what;
      std::string request;
      std::string answer;
    };
    const std::string network = t.network().id.value;
    const Row rows[] = {
        {"plain", "GET /openstack/latest/meta_data.json HTTP/1.1\r\nHost: x\r\n\r\n",
         network + " 10.0.0.11 /openstack/latest/meta_data.json"},
        {"forged headers",
         "GET /a HTTP/1.1\r\nX-Forwarded-For: 10.0.0.12\r\nX-Instance-ID: 1\r\nX-Real-IP: "
         "10.0.0.12\r\n\r\n",
         network + " 10.0.0.11 /a"},
        {"query is cut off", "GET /a?b=c HTTP/1.0\r\n\r\n", network + " 10.0.0.11 /a"},
        {"other verbs", "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"},
        {"not HTTP", "hello\r\n\r\n", "400"},
        {"another proxy's form", "GET http://other/a HTTP/1.1\r\n\r\n", "400"},
        {"endless head", "GET /a HTTP/1.1\r\nA: " + std::string(9000, 'a'), "431"},
    };
    // The guest reaches 169.254.169.254 on its link; its own address must be the source.
    for (const auto& row : rows) {
      CAPTURE(std::string(row.what));
      const Fd fd = t.a.connect("169.254.169.254", 80, "10.0.0.11");
      REQUIRE(fd.valid());
      const std::string out = answer_to(fd, row.request);
      CAPTURE(out);
      CHECK(out.find(row.answer) != std::string::npos);
    }
    CHECK_FALSE(t.b.can_connect("169.254.169.254", 80, "169.254.1.1"));  // Not its address.
  });
}

TEST_CASE(
    "ingress is closed until a rule opens it, and closes again with it, connections included") {
  on_private_host([] {
    TwoGuests t;
    const Fd web = t.b.listen("10.0.0.12", 22);
    auto opened = lb::open_netns(lb::Names(kFolder).netns(t.network().id.value));
    REQUIRE(opened);
    const Guest dhcp_namespace(std::move(*opened));
    CHECK_FALSE(t.a.can_connect("10.0.0.12", 22));
    CHECK_FALSE(dhcp_namespace.can_connect("10.0.0.12", 22));  // The DHCP port is no exemption.
    t.group().rules.push_back(tcp_from_anywhere(22));
    t.host.tell(change_of(t.group(), 2));
    CHECK(dhcp_namespace.can_connect("10.0.0.12", 22));
    const Fd session = t.a.connect("10.0.0.12", 22);
    REQUIRE(session.valid());
    accept_one(web).reset();  // The namespace's.
    const Fd accepted = accept_one(web);
    CHECK(still_flows(session, accepted));
    t.group().rules.pop_back();
    t.host.tell(change_of(t.group(), 3));
    CHECK_FALSE(still_flows(session, accepted));
    CHECK_FALSE(t.a.can_connect("10.0.0.12", 22));
    // An old revision that comes late changes nothing.
    auto late = t.group();
    late.rules.push_back(tcp_from_anywhere(22));
    t.host.tell(change_of(late, 2));
    CHECK_FALSE(t.a.can_connect("10.0.0.12", 22));
  });
}

TEST_CASE("connections that could not be ended end with the next change, whosever it is") {
  on_private_host([] {
    TwoGuests t;
    t.group().rules.push_back(tcp_from_anywhere(22));
    t.host.tell(change_of(t.group(), 2));
    const PortPlan third = add_port(t.plan, 13);
    t.host.tell(change_of(third, 1));
    const Fd web = t.b.listen("10.0.0.12", 22);
    const Fd session = t.a.connect("10.0.0.12", 22);
    REQUIRE(session.valid());
    const Fd accepted = accept_one(web);
    CHECK(still_flows(session, accepted));
    t.group().rules.pop_back();
    bool set_up = false;
    std::optional<ErrorCode> refusal;
    std::thread([&] {
      set_up = refuse_to_forget();
      if (!set_up) return;
      const auto done = t.host.driver->postcommit(change_of(t.group(), 3));
      if (!done) refusal = done.error().code;
    }).join();
    REQUIRE(set_up);
    CHECK(refusal == ErrorCode::Unavailable);
    CHECK_FALSE(t.a.can_connect("10.0.0.12", 22));
    CHECK(still_flows(session, accepted));
    t.host.tell(gone(change_of(third, 2)));
    CHECK_FALSE(still_flows(session, accepted));
  });
}

TEST_CASE("a rule for a group lets its members in and nobody else") {
  on_private_host([] {
    TwoGuests t;
    GroupPlan peers;
    peers.id = SecurityGroupId("55555555-5555-4555-8555-555555555555");
    t.plan.groups[peers.id] = peers;
    RulePlan rule = tcp_from_anywhere(80);
    rule.remote_group = peers.id;
    t.group().rules.push_back(rule);
    t.host.tell(change_of(t.group(), 2));
    t.host.tell(change_of(peers, 2));
    const Fd web = t.b.listen("10.0.0.12", 80);
    CHECK_FALSE(t.a.can_connect("10.0.0.12", 80));
    struct Row {
      std::string what;
      std::vector<std::string> members;
      bool lets_in;
    };
    const Row rows[] = {
        {"its address", {"10.0.0.11"}, true},
        {"nobody", {}, false},
        {"a prefix around it, and one inside that",
         {"10.0.0.8/29", "10.0.0.8/30", "10.0.0.99"},
         true},
        {"a prefix beside it", {"10.0.0.16/29"}, false},
        {"no address at all", {"10.0.0.11; accept"}, false},
    };
    std::uint64_t revision = 3;
    for (const auto& row : rows) {
      CAPTURE(std::string(row.what));
      peers.members = row.members;
      t.host.tell(change_of(peers, revision++));
      CHECK(t.a.can_connect("10.0.0.12", 80) == row.lets_in);
    }
  });
}

TEST_CASE("a guest cannot send as anybody else, nor serve addresses or routes") {
  on_private_host([] {
    TwoGuests t;
    RulePlan any;
    t.group().rules.push_back(any);
    t.host.tell(change_of(t.group(), 2));
    const Fd seen = t.b.sniff();
    const std::string mine = t.a.mac();
    const std::string to = t.b.mac();
    const std::string arp_marker = {10, 0, 0, 77};
    struct Row {
      std::string what;
      std::vector<std::uint8_t> frame;
      std::string needle;
      bool passes;
    };
    auto vlan = udp_frame(mine, to, "10.0.0.11", "10.0.0.12", 5000, 5001, kProbe);
    vlan.insert(vlan.begin() + 12, {0x81, 0x00, 0x00, 0x05});
    auto advert = std::vector<std::uint8_t>{0x33, 0x33, 0, 0, 0, 1};
    for (const auto b : mac_of(mine)) advert.push_back(b);
    for (const int b : {0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, 58, 255})
      advert.push_back(static_cast<std::uint8_t>(b));
    // From the guest's own link-local address: only the kind of message is wrong.
    for (const int b :
         {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xf8, 0x16, 0x3e, 0xff, 0xfe, 0, 0x01, 0x0b}) {
      advert.push_back(static_cast<std::uint8_t>(b));
    }
    for (const int b : {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
      advert.push_back(static_cast<std::uint8_t>(b));
    for (const int b : {134, 0, 0, 0}) advert.push_back(static_cast<std::uint8_t>(b));
    for (const char c : std::string("routeadv....")) advert.push_back(static_cast<std::uint8_t>(c));
    const Row rows[] = {
        {"its own", udp_frame(mine, to, "10.0.0.11", "10.0.0.12", 5000, 5001, kProbe), kProbe,
         true},
        {"another IP", udp_frame(mine, to, "10.0.0.13", "10.0.0.12", 5000, 5001, kProbe), kProbe,
         false},
        {"another MAC",
         udp_frame("fa:16:3e:00:01:99", to, "10.0.0.11", "10.0.0.12", 5000, 5001, kProbe), kProbe,
         false},
        {"a DHCP server", udp_frame(mine, to, "10.0.0.11", "10.0.0.12", 67, 68, kProbe), kProbe,
         false},
        {"a DHCP server at another port of its own",
         udp_frame(mine, to, "10.0.0.11", "10.0.0.12", 1067, 68, kProbe), kProbe, false},
        {"a tagged frame", vlan, kProbe, false},
        {"a router advertisement", advert, "routeadv", false},
        {"its own ARP", arp_frame(mine, mine, "10.0.0.11", "10.0.0.77"), arp_marker, true},
        {"an ARP probe", arp_frame(mine, mine, "0.0.0.0", "10.0.0.77"), arp_marker, true},
        {"ARP of another IP", arp_frame(mine, mine, "10.0.0.12", "10.0.0.77"), arp_marker, false},
        {"ARP of another MAC", arp_frame(mine, to, "10.0.0.11", "10.0.0.77"), arp_marker, false},
    };
    for (const auto& row : rows) {
      CAPTURE(std::string(row.what));
      t.a.send_frame(row.frame);
      CHECK(arrives(seen, row.needle) == row.passes);
    }
    // Allowed pairs widen it; without port security nothing is checked.
    const auto as_other = udp_frame(mine, to, "10.0.0.13", "10.0.0.12", 5000, 5001, kProbe);
    t.first.allowed_pairs = {{"10.0.0.13", ""}, {"10.0.0.0/28", ""}};
    t.host.tell(change_of(t.first, 2));
    t.a.send_frame(as_other);
    CHECK(arrives(seen, kProbe));
    t.first.allowed_pairs.clear();
    t.host.tell(change_of(t.first, 3));
    t.a.send_frame(as_other);
    CHECK_FALSE(arrives(seen, kProbe));
    t.first.port_security = false;
    t.host.tell(change_of(t.first, 4));
    t.a.send_frame(as_other);
    CHECK(arrives(seen, kProbe));
  });
}

TEST_CASE("a guest speaks for no neighbour to the DHCP server") {
  on_private_host([] {
    TwoGuests t;
    const auto say = [&](const std::string& from, const std::string& to, std::uint16_t port,
                         const std::string& message) {
      t.a.send_frame(udp_frame(t.a.mac(), "ff:ff:ff:ff:ff:ff", from, to, port, 67, message));
    };
    const std::string everybody = "255.255.255.255", server = "10.0.0.2";
    const std::string declined = dhcp_message(4, t.b.mac(), "10.0.0.12", server);
    // Who may ask in another's name would be answered, and could have the other's address declined:
    // dnsmasq keeps it from its owner for minutes then.
    const std::string answer("\x02\x01\x06\x00XID1", 8);
    const Fd seen = t.a.sniff();
    for (const std::uint16_t port : {68, 1068}) {
      CAPTURE(port);
      say("0.0.0.0", everybody, port, dhcp_message(1, t.b.mac(), "", ""));
      say("10.0.0.11", everybody, port, dhcp_message(1, t.b.mac(), "", ""));
      CHECK_FALSE(arrives(seen, answer));
      say("0.0.0.0", everybody, port, declined);
      say("10.0.0.11", everybody, port, declined);
      say("10.0.0.11", server, port, declined);
    }
    // Nor when the name is in a fragment of its own.
    auto begun =
        udp_frame(t.a.mac(), "ff:ff:ff:ff:ff:ff", "10.0.0.11", everybody, 68, 67, declined);
    auto rest = begun;
    constexpr std::size_t kIp = 14, kUdp = 34, kCut = 16;
    const auto lasting = [](Octets& frame, std::uint16_t flags) {
      const std::size_t length = frame.size() - kIp;
      frame[kIp + 2] = static_cast<std::uint8_t>(length >> 8);
      frame[kIp + 3] = static_cast<std::uint8_t>(length);
      frame[kIp + 4] = frame[kIp + 5] = 7;
      frame[kIp + 6] = static_cast<std::uint8_t>(flags >> 8);
      frame[kIp + 7] = static_cast<std::uint8_t>(flags);
      frame[kIp + 10] = frame[kIp + 11] = 0;
      std::uint32_t sum = 0;
      for (std::size_t i = kIp; i < kUdp; i += 2) sum += frame[i] * 256U + frame[i + 1];
      while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
      frame[kIp + 10] = static_cast<std::uint8_t>(~sum >> 8);
      frame[kIp + 11] = static_cast<std::uint8_t>(~sum);
    };
    begun.resize(kUdp + kCut);
    rest.erase(rest.begin() + kUdp, rest.begin() + kUdp + kCut);
    lasting(begun, 0x2000);
    lasting(rest, kCut / 8);
    t.a.send_frame(begun);
    t.a.send_frame(rest);
    const auto lease = t.b.dhcp();
    REQUIRE(lease);
    CHECK(lease->address == "10.0.0.12");
    CHECK(t.a.dhcp());  // In its own name it may.
    // Whose MACs a pair allows it speaks for.
    t.first.allowed_pairs = {{"10.0.0.11", t.b.mac()}};
    t.host.tell(change_of(t.first, 2));
    const Fd allowed = t.a.sniff();
    say("0.0.0.0", everybody, 68, dhcp_message(1, t.b.mac(), "", ""));
    CHECK(arrives(allowed, answer, std::chrono::milliseconds(3000)));
  });
}

TEST_CASE("a guest speaks for no neighbour and no router over IPv6") {
  on_private_host([] {
    TwoGuests t;
    RulePlan any;  // What a group's defaults let out.
    any.ingress = false;
    any.ipv6 = true;
    t.group().rules.push_back(any);
    t.host.tell(change_of(t.group(), 2));
    const Fd seen = t.b.sniff();
    const Octets from = link_local(11, true);
    // An option of a kind nobody knows, for the sniffer to find.
    const auto advert_of = [&](const Octets& target, std::string_view text) {
      Octets message = {136, 0, 0, 0, 0x20, 0, 0, 0};
      append(message, target);
      append(message, {200, 2});
      return icmpv6(with_text(std::move(message), text), from);
    };
    const auto router = icmpv6(
        with_text({134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 200, 2}, "router-advert."),
        from);
    struct Row {
      std::string what;
      Octets frame;
      std::string needle;
      bool passes;
    };
    const auto whole = [&](const Octets& message) {
      return ip6_frame(t.a.mac(), from, 58, message);
    };
    const Row rows[] = {
        {"its own address", whole(advert_of(from, "of-its-own-add")), "of-its-own-add", true},
        {"another's address", whole(advert_of(link_local(12, true), "of-another-one")),
         "of-another-one", false},
        {"a gateway's address", whole(advert_of(link_local(1, false), "of-the-gateway")),
         "of-the-gateway", false},
        {"a router", whole(router), "router-advert.", false},
    };
    for (const auto& row : rows) {
      CAPTURE(row.what);
      t.a.send_frame(row.frame);
      CHECK(arrives(seen, row.needle) == row.passes);
    }
    // An allowed pair may be spoken for, whether one address or a prefix.
    for (const char* pair : {"fe80::1", "fe80::/10", "fe80::/63"}) {
      CAPTURE(std::string(pair));
      t.first.allowed_pairs = {{pair, ""}};
      t.host.tell(change_of(t.first, 2));
      t.a.send_frame(whole(advert_of(link_local(1, false), "of-the-gateway")));
      CHECK(arrives(seen, "of-the-gateway"));
    }
  });
}

TEST_CASE("no network's guests keep another network's from their metadata") {
  on_private_host([] {
    TwoGuests t;
    std::atomic<int> answered = 0;
    lb::MetadataServer server(
        [&](const NetworkId&, const std::string&, const std::string&) {
          ++answered;
          return MetadataAnswer{200, "text/plain", "here you are"};
        },
        Log());
    // The guest's own namespace has a loopback to connect over: five networks on five ports.
    t.a.in([&] {
      auto inside = lb::Netlink::open(NETLINK_ROUTE);
      auto lo = lb::find_link(*inside, "lo");
      REQUIRE(lb::change_link(*inside, **lo, {.up = true}));
    });
    for (std::uint16_t i = 0; i < 5; ++i) {
      auto listener =
          lb::listen_in_netns(t.a.netns(), "127.0.0.1", static_cast<std::uint16_t>(8000 + i));
      REQUIRE(listener);
      REQUIRE(server.add(fmt::format("net-{}", i), NetworkId{fmt::format("net-{}", i)},
                         std::move(*listener)));
    }
    std::vector<Fd> hoard;  // Four networks, 64 idle connections each.
    for (std::uint16_t network = 0; network < 4; ++network) {
      for (int guest = 1; guest <= 8; ++guest) {
        for (int i = 0; i < 8; ++i) {
          hoard.push_back(t.a.connect("127.0.0.1", static_cast<std::uint16_t>(8000 + network),
                                      fmt::format("127.0.1.{}", guest)));
          REQUIRE(hoard.back().valid());
        }
      }
    }
    // As often as it takes the server to see all of them, one a network at a time.
    const auto began = std::chrono::steady_clock::now();
    for (int i = 1; i <= 100; ++i) {
      const Fd asking = t.a.connect("127.0.0.1", 8004, "127.0.0.1");
      REQUIRE(asking.valid());
      const auto answer = answer_to(asking, "GET /a HTTP/1.1\r\n\r\n");
      REQUIRE(answer.find("here you are") != std::string::npos);
      REQUIRE(answered == i);
    }
    // Idle ones are given up after ten seconds: nobody had to wait for that.
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(8));
  });
}

TEST_CASE("leaves a process behind" * doctest::skip()) {
  // What a daemon does: nobody's child, in a session of its own. It keeps our stdout open.
  const pid_t between = ::fork();
  REQUIRE(between >= 0);
  if (between == 0) {
    ::setsid();
    if (::fork() == 0) {
      ::signal(SIGTERM, SIG_IGN);
      if (::write(STDOUT_FILENO, "there\n", 6) == 6) ::pause();
    }
    ::_exit(0);
  }
  ::waitpid(between, nullptr, 0);
  while (true) ::pause();
}

TEST_CASE("whatever ends this program ends all that it started") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root");
    return;
  }
  for (const int signal : {SIGKILL, SIGTERM}) {
    CAPTURE(signal);
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const pid_t program = ::fork();
    REQUIRE(program >= 0);
    if (program == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execl("/proc/self/exe", "test", "--no-skip", "-tc=leaves a process behind", nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    std::string said;
    char c = 0;
    while (said.find("there") == std::string::npos && ::read(ends[0], &c, 1) == 1) said += c;
    CHECK(said.find("there") != std::string::npos);
    ::kill(program, signal);
    ::waitpid(program, nullptr, 0);
    // The pipe ends with the last process that has it.
    pollfd end{ends[0], POLLIN, 0};
    bool ended = false;
    while (!ended && ::poll(&end, 1, 10'000) == 1) ended = ::read(ends[0], &c, 1) == 0;
    ::close(ends[0]);
    CHECK(ended);
  }
}

TEST_CASE("a DHCP server whose end somebody else took is judged by whether it serves") {
  on_private_host([] {
    struct sigaction ignored {};
    struct sigaction before {};
    ignored.sa_handler = SIG_IGN;
    REQUIRE(::sigaction(SIGCHLD, &ignored, &before) == 0);
    {
      const Guest somewhere;
      const TempDir folder;
      lb::Dnsmasq broken("/bin/false", folder.path() + "/dhcp");
      const auto done = broken.ensure({}, somewhere.netns(), true);
      REQUIRE_FALSE(done);
      CHECK(done.error().message.find("taken by somebody else") != std::string::npos);
      CHECK(broken.remove());
    }
    {
      TwoGuests two;
      CHECK(two.host.dnsmasq(two.network().id));
    }
    REQUIRE(::sigaction(SIGCHLD, &before, nullptr) == 0);
  });
}

TEST_CASE("a DHCP server knows its files, whatever came between them and the word to it") {
  on_private_host([] {
    const Guest somewhere;
    const TempDir folder;
    const std::string place = folder.path() + "/dhcp";
    lb::Dnsmasq server(find_program("dnsmasq").string(), place);
    const auto ensured = [&](const lb::DhcpFiles& files) {
      return server.ensure(files, somewhere.netns()).has_value();
    };
    lb::DhcpFiles files{"port=0\n", "", "", ""};
    REQUIRE(ensured(files));
    const auto first = server.pid();
    REQUIRE(first);
    // One of the files cannot be written, and what it is started with has been.
    files.config += "domain-needed\n";
    std::filesystem::remove(place + "/hosts");
    std::filesystem::create_directories(place + "/hosts/in the way");
    CHECK_FALSE(ensured(files));
    std::filesystem::remove_all(place + "/hosts");
    CHECK(ensured(files));
    const auto second = server.pid();
    REQUIRE(second);
    CHECK(*second != *first);
    CHECK(ensured(files));
    CHECK(server.pid() == second);
    // We died before it was told to read them again.
    std::ofstream(place + "/unread") << "\n";
    CHECK(ensured(files));
    REQUIRE(server.pid());
    CHECK(server.pid() != second);
    CHECK_FALSE(std::filesystem::exists(place + "/unread"));
    files.names = "10.0.0.1 one\n";  // What it reads again while it runs.
    const auto third = server.pid();
    CHECK(ensured(files));
    CHECK(server.pid() == third);
    CHECK_FALSE(std::filesystem::exists(place + "/unread"));
    CHECK(server.remove());
    CHECK_FALSE(std::filesystem::exists(place));
  });
}

TEST_CASE("a pid file that names another process costs that one nothing, and no server") {
  on_private_host([] {
    TwoGuests two;
    const auto& network = two.network().id;
    const std::string folder = two.host.dir.path() + "/networks/" + network.value;
    const std::string pid_file = folder + "/dnsmasq.pid";
    /// Somebody else's process, which may name our files as an editor does.
    struct Stranger {
      Fd waits_for, kept;
      pid_t pid = -1;
      explicit Stranger(const std::vector<std::string>& more) {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        waits_for = Fd(ends[0]);
        kept = Fd(ends[1]);
        std::vector<std::string> words{"sh", "-c", "read line"};
        words.insert(words.end(), more.begin(), more.end());
        pid = ::fork();
        if (pid != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(waits_for.get(), STDIN_FILENO);
        std::vector<char*> argv;
        for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        ::execv("/bin/sh", argv.data());
        ::_exit(127);
      }
      bool lives() const { return ::waitpid(pid, nullptr, WNOHANG) == 0; }
      ~Stranger() {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
      }
    };
    const Stranger stranger({});
    const Stranger reader({"--pid-file=" + pid_file});
    REQUIRE(becomes([&] {
      return lb::read_small_file(fmt::format("/proc/{}/cmdline", reader.pid))
                 .value_or("")
                 .find(pid_file) != std::string::npos;
    }));
    const auto number = [](int pid) { return fmt::format("{}\n", pid); };
    struct Row {
      std::string what, named;
      bool killed;
    };
    const Row rows[] = {
        {"another's, and the server runs", number(stranger.pid), false},
        {"another's, and the server is gone", number(stranger.pid), true},
        {"one that names our files, and the server runs", number(reader.pid), false},
        {"one that names our files, and the server is gone", number(reader.pid), true},
        {"nobody's, and the server runs", "2147483\n", false},
        {"nobody's, and the server is gone", "2147483\n", true},
        {"our own, and the server runs", number(::getpid()), false},
        {"no number, and the server runs", "nobody\n", false},
        {"no file, and the server runs", "", false},
    };
    REQUIRE(two.a.dhcp());
    for (const auto& row : rows) {
      CAPTURE(row.what);
      const auto before = two.host.dnsmasq(network);
      REQUIRE(before);
      const Fd old(static_cast<int>(::syscall(SYS_pidfd_open, *before, 0)));
      REQUIRE(old.valid());
      pollfd ended{old.get(), POLLIN, 0};
      if (row.killed) {
        ::kill(*before, SIGKILL);
        REQUIRE(::poll(&ended, 1, 3'000) == 1);
      }
      std::filesystem::remove(pid_file);
      if (!row.named.empty()) std::ofstream(pid_file) << row.named;
      const auto since = std::chrono::steady_clock::now();
      two.host.converge(two.plan);
      CHECK(std::chrono::steady_clock::now() - since < std::chrono::seconds(5));
      const auto after = two.host.dnsmasq(network);
      REQUIRE(after);
      // Never two of one network.
      CHECK((*after == *before || ::poll(&ended, 1, 0) == 1));
      CHECK(two.a.dhcp());
      CHECK(stranger.lives());
      CHECK(reader.lives());
    }
  });
}

TEST_CASE("QEMU's end of a tap gets its lease and cannot send as another") {
  on_private_host([] {
    Plan plan = simple_plan();
    PortPlan& port = add_port(plan, 11);
    const PortPlan other = add_port(plan, 12);
    RulePlan any;
    plan.groups.begin()->second.rules.push_back(any);
    const Guest b(kFolder, other);
    const Host host;
    host.converge(plan);
    b.await_carrier();
    const Fd tap = open_tap(port.tap);
    const Fd seen = b.sniff();
    // The kernel may take a second to notice that the tap is held, and drops frames until then.
    bool arrived = false;
    for (int attempt = 0; attempt < 20 && !arrived; ++attempt) {
      write_tap(tap, udp_frame(port.mac, other.mac, "10.0.0.11", "10.0.0.12", 5000, 5001, kProbe));
      arrived = arrives(seen, kProbe);
    }
    CHECK(arrived);
    write_tap(tap, udp_frame(port.mac, other.mac, "10.0.0.13", "10.0.0.12", 5000, 5001, kProbe));
    CHECK_FALSE(arrives(seen, kProbe));
    // Unplugged while QEMU still holds it: the device goes all the same.
    host.tell(gone(change_of(port, 1)));
    auto netlink = lb::Netlink::open(NETLINK_ROUTE);
    const auto link = lb::find_link(*netlink, port.tap);
    REQUIRE(link);
    CHECK_FALSE(link->has_value());
    host.converge({});
  });
}
