#include <doctest/doctest.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>

#include "dataplane/l3_support.hpp"
#include "network/linuxbridge/entrances.hpp"
#include "network/linuxbridge/sub_ports.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

constexpr std::uint16_t kSubTag = 77;

Ability trunk_ability(const MechanismDriver& driver) {
  for (const auto& one : driver.abilities())
    if (one.name == "trunk") return one;
  FAIL("the driver says nothing of trunks");
  return {};
}

std::vector<std::uint8_t> with_tag(std::vector<std::uint8_t> frame, std::uint16_t tag) {
  frame.insert(frame.begin() + 12,
               {0x81, 0x00, static_cast<std::uint8_t>(tag >> 8), static_cast<std::uint8_t>(tag)});
  return frame;
}

/// The tag of the next frame with the text; -1: it has none, -2: no such frame came.
int tag_of_next(const lb::Fd& sniffer, const std::string& needle) {
  const int on = 1;
  REQUIRE(::setsockopt(sniffer.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) == 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  while (std::chrono::steady_clock::now() < deadline) {
    pollfd waiting{sniffer.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 100) != 1) continue;
    std::array<char, 2048> frame{};
    alignas(cmsghdr) std::array<char, 256> control{};
    iovec part{frame.data(), frame.size()};
    msghdr received{};
    received.msg_iov = &part;
    received.msg_iovlen = 1;
    received.msg_control = control.data();
    received.msg_controllen = control.size();
    const auto got = ::recvmsg(sniffer.get(), &received, 0);
    if (got <= 0) continue;
    const std::string_view text(frame.data(), static_cast<std::size_t>(got));
    if (text.find(needle) == std::string_view::npos) continue;
    for (auto* one = CMSG_FIRSTHDR(&received); one != nullptr; one = CMSG_NXTHDR(&received, one)) {
      if (one->cmsg_level != SOL_PACKET || one->cmsg_type != PACKET_AUXDATA) continue;
      tpacket_auxdata beside{};
      std::memcpy(&beside, CMSG_DATA(one), sizeof beside);
      if ((beside.tp_status & TP_STATUS_VLAN_VALID) != 0) return beside.tp_vlan_tci & 0xfff;
    }
    return -1;
  }
  return -2;
}

/// A guest whose port is a trunk's parent, with a sub-port in another network, and somebody there.
struct TrunkedWorld {
  TempDir dir;
  Plan plan = simple_plan();
  PortPlan parent, sub, other;
  std::shared_ptr<LinuxBridgeDriver> driver;

  TrunkedWorld() {
    LinuxBridgeSettings settings;
    settings.run_dir = dir.path();
    driver = l3_driver(settings);
    RulePlan datagrams = tcp_from_anywhere(5000);
    datagrams.protocol = "udp";
    plan.groups.begin()->second.rules.push_back(datagrams);
    parent = add_port(plan, 11);
    NetworkPlan inner = plan.networks.begin()->second;
    inner.id = NetworkId("dddddddd-dddd-4ddd-8ddd-dddddddddddd");
    inner.dhcp_mac = "fa:16:3e:00:00:03";
    inner.hosts.clear();
    sub = another(inner.id, 1, "tap-sub", "fa:16:3e:00:03:01");
    sub.parent_tap = parent.tap;
    sub.sub_tag = kSubTag;
    other = another(inner.id, 2, "tap-other", "fa:16:3e:00:03:02");
    plan.networks.emplace(inner.id, inner);
    plan.ports.emplace(sub.id, sub);
    plan.ports.emplace(other.id, other);
  }
  PortPlan another(const NetworkId& network, int last, const std::string& tap,
                   const std::string& mac) {
    PortPlan port = parent;
    // Before its parent in the order of ids: the driver has to see to the order itself.
    port.id = PortId(fmt::format("22222222-4444-4444-8444-{:012}", last));
    port.network = network;
    port.tap = tap;
    port.mac = mac;
    port.addresses = {fmt::format("10.5.0.{}", last)};
    return port;
  }
};

std::size_t entrances_of(const std::string& device) {
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  const auto link = lb::find_link(*netlink, device);
  REQUIRE(link);
  REQUIRE(*link);
  const auto found = lb::list_entrances(*netlink, **link);
  REQUIRE(found);
  return found->size();
}

}  // namespace

TEST_CASE("a sub-port's frames have its tag on the parent's device and none in its network") {
  on_private_host([] {
    TrunkedWorld world;
    if (const auto can = trunk_ability(*world.driver); !can.works) {
      CHECK_FALSE(can.reason.empty());
      MESSAGE("skipped: " << can.reason);
      return;
    }
    const std::string before = host_state(world.dir.path());
    {
      const Guest guest = guest_of(world.parent, "");
      const Guest there = guest_of(world.other, "");
      converge(*world.driver, world.plan);
      guest.await_carrier();
      there.await_carrier();
      const auto heard = there.sniff();
      const auto back = guest.sniff();
      const auto out = udp_frame(world.sub.mac, world.other.mac, "10.5.0.1", "10.5.0.2", 5000, 5000,
                                 "from-the-trunk");
      const auto reply = udp_frame(world.other.mac, world.sub.mac, "10.5.0.2", "10.5.0.1", 5000,
                                   5000, "to-the-trunk");
      const auto works = [&] {
        guest.send_frame(with_tag(out, kSubTag));
        if (tag_of_next(heard, "from-the-trunk") != -1) return false;
        there.send_frame(reply);
        return tag_of_next(back, "to-the-trunk") == kSubTag;
      };
      CHECK(becomes(works));
      struct Row {
        std::string what;
        std::vector<std::uint8_t> frame;
      };
      const Row rows[] = {
          {"another tag", with_tag(out, kSubTag + 1)},
          {"no tag", out},
          {"the tag twice", with_tag(with_tag(out, kSubTag), kSubTag)},
          {"another's address", with_tag(udp_frame(world.sub.mac, world.other.mac, "10.5.0.9",
                                                   "10.5.0.2", 5000, 5000, "from-the-trunk"),
                                         kSubTag)},
          {"the parent's MAC", with_tag(udp_frame(world.parent.mac, world.other.mac, "10.5.0.1",
                                                  "10.5.0.2", 5000, 5000, "from-the-trunk"),
                                        kSubTag)},
      };
      for (const auto& row : rows) {
        CAPTURE(row.what);
        guest.send_frame(row.frame);
        CHECK_FALSE(arrives(heard, "from-the-trunk"));
      }
      // A limit on the parent's own frames stands beside the programs, and goes without them.
      world.parent.qos.egress_kbps = 10'000;
      world.plan.ports[world.parent.id] = world.parent;
      tell(*world.driver, change_of(world.parent, 5));
      CHECK(entrances_of(world.parent.tap) == 2);
      CHECK(works());
      world.parent.qos = {};
      world.plan.ports[world.parent.id] = world.parent;
      tell(*world.driver, change_of(world.parent, 6));
      CHECK(entrances_of(world.parent.tap) == 1);
      CHECK(works());

      // Another process finds it as it is; what others broke is put right.
      LinuxBridgeSettings settings;
      settings.run_dir = world.dir.path();
      world.driver = l3_driver(settings);
      converge(*world.driver, world.plan);
      CHECK(works());
      drop_device(lb::Names(kFolder).sub_end(world.sub.id.value));
      CHECK_FALSE(works());
      converge(*world.driver, world.plan);
      CHECK(becomes(works));

      world.plan.ports.erase(world.sub.id);
      tell(*world.driver, gone(change_of(world.sub, 7)));
      CHECK(entrances_of(world.parent.tap) == 0);
      CHECK_FALSE(works());
      converge(*world.driver, {});
    }
    CHECK((host_state(world.dir.path()) == before));
  });
}

TEST_CASE("a sub-port without its parent on the host is an error of its own") {
  on_private_host([] {
    TrunkedWorld world;
    if (!trunk_ability(*world.driver).works) return;
    world.plan.ports.erase(world.parent.id);
    const Guest there = guest_of(world.other, "");
    const auto done = world.driver->converge(world.plan);
    REQUIRE_FALSE(done);
    CHECK(done.error().message.find("sub-port") != std::string::npos);
    there.await_carrier();  // The others are as they should be.
    converge(*world.driver, {});
  });
}
