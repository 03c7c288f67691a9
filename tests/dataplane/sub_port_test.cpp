#include <doctest/doctest.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <optional>

#include "dataplane/l3_support.hpp"
#include "dataplane/traffic.hpp"
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

/// Whether a program that does nothing may be loaded: then the driver's own have to work.
bool takes_programs() {
  bpf_insn steps[2]{};
  steps[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  steps[1].code = BPF_JMP | BPF_EXIT;
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
  attr.insns = reinterpret_cast<std::uintptr_t>(steps);
  attr.insn_cnt = 2;
  attr.license = reinterpret_cast<std::uintptr_t>("Apache-2.0");
  return Fd(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr))).valid();
}

/// False, with the reason told: this kernel has nothing that trunks are made of.
bool has_trunks(const MechanismDriver& driver) {
  const auto can = trunk_ability(driver);
  CAPTURE(can.reason);
  if (takes_programs()) REQUIRE(can.works);
  if (can.works) return true;
  CHECK_FALSE(can.reason.empty());
  MESSAGE("skipped: " << can.reason);
  return false;
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
    if (!has_trunks(*world.driver)) return;
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
    const std::string after = host_state(world.dir.path());
    CAPTURE(before);
    CAPTURE(after);
    CHECK((after == before));
  });
}

TEST_CASE("what others break of a sub-port is whole within five seconds; others lose nothing") {
  on_private_host([] {
    TrunkedWorld world;
    if (!has_trunks(*world.driver)) return;
    const PortPlan from = add_port(world.plan, 21);
    const PortPlan to = add_port(world.plan, 22);
    {
      const Guest guest = guest_of(world.parent, "");
      const Guest there = guest_of(world.other, "");
      const Guest sender = guest_of(from, "");
      const Guest listener = guest_of(to, "");
      std::optional<Keeper> keeper(std::in_place, world.driver, world.plan);
      for (const auto* one : {&guest, &there, &sender, &listener}) one->await_carrier();
      const auto heard = there.sniff();
      const auto back = guest.sniff();
      const auto works = [&] {
        guest.send_frame(with_tag(udp_frame(world.sub.mac, world.other.mac, "10.5.0.1", "10.5.0.2",
                                            5000, 5000, "from-the-trunk"),
                                  kSubTag));
        if (tag_of_next(heard, "from-the-trunk") != -1) return false;
        there.send_frame(udp_frame(world.other.mac, world.sub.mac, "10.5.0.2", "10.5.0.1", 5000,
                                   5000, "to-the-trunk"));
        return tag_of_next(back, "to-the-trunk") == kSubTag;
      };
      const std::string end = lb::Names(kFolder).sub_end(world.sub.id.value);
      const auto drop = [](const std::string& device, std::uint32_t order) {
        auto netlink = lb::Netlink::open(NETLINK_ROUTE);
        const auto link = lb::find_link(*netlink, device);
        REQUIRE(*link);
        REQUIRE(lb::drop_entrance(*netlink, **link, order));
      };
      struct Row {
        std::string what;
        std::function<void()> damage;
      };
      const Row rows[] = {
          {"the program that takes the tag off removed", [&] { drop(world.parent.tap, kSubTag); }},
          {"the program that puts the tag on removed", [&] { drop(end, 1); }},
          {"the pair's end deleted", [&] { drop_device(end); }},
          {"the sub-port's device deleted", [&] { drop_device(world.sub.tap); }},
      };
      for (const auto& row : rows) {
        CAPTURE(row.what);
        keeper->rest();
        REQUIRE(becomes(works));
        Stream stream(sender, listener, "10.0.0.22", 5000);
        REQUIRE(becomes([&] { return stream.sent() > 5; }));
        const auto began = std::chrono::steady_clock::now();
        row.damage();
        CHECK(becomes(works));
        CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
        CHECK(stream.finish() == 0);
        CHECK(keeper->failures() == 0);
      }
      keeper.reset();
      converge(*world.driver, {});
    }
  });
}

TEST_CASE("a sub-port without its parent on the host is an error of its own") {
  on_private_host([] {
    TrunkedWorld world;
    if (!has_trunks(*world.driver)) return;
    world.plan.ports.erase(world.parent.id);
    const Guest there = guest_of(world.other, "");
    const auto done = world.driver->converge(world.plan);
    REQUIRE_FALSE(done);
    CHECK(done.error().message.find("sub-port") != std::string::npos);
    there.await_carrier();  // The others are as they should be.
    converge(*world.driver, {});
  });
}

TEST_CASE("a tag that changed while nobody ran leads nowhere any more, and the others stay") {
  on_private_host([] {
    TrunkedWorld world;
    if (!has_trunks(*world.driver)) return;
    {
      PortPlan second = world.another(world.sub.network, 3, "tap-sub-3", "fa:16:3e:00:03:03");
      second.parent_tap = world.parent.tap;
      second.sub_tag = kSubTag + 10;
      PortPlan elsewhere = world.another(world.parent.network, 4, "tap-4", "fa:16:3e:00:03:04");
      world.plan.ports.emplace(second.id, second);
      world.plan.ports.emplace(elsewhere.id, elsewhere);
      const Guest guest = guest_of(world.parent, "");
      const Guest there = guest_of(world.other, "");
      const Guest another = guest_of(elsewhere, "");
      converge(*world.driver, world.plan);
      guest.await_carrier();
      there.await_carrier();
      const auto heard = there.sniff();
      const auto gets_through = [&](const Guest& from, const PortPlan& port, std::uint16_t tag) {
        from.send_frame(with_tag(udp_frame(port.mac, world.other.mac, port.addresses.front(),
                                           "10.5.0.2", 5000, 5000, "of-a-sub-port"),
                                 tag));
        return tag_of_next(heard, "of-a-sub-port") == -1;
      };
      CHECK(becomes([&] { return gets_through(guest, world.sub, kSubTag); }));
      CHECK(becomes([&] { return gets_through(guest, second, second.sub_tag); }));
      CHECK(entrances_of(world.parent.tap) == 2);
      struct Row {
        std::string what, parent;
        std::uint16_t tag, second_tag;
        std::size_t entrances;
      };
      const Row rows[] = {
          {"another tag", world.parent.tap, kSubTag + 1, kSubTag + 10, 2},
          {"the two tags swapped", world.parent.tap, kSubTag + 10, kSubTag + 1, 2},
          {"another trunk", elsewhere.tap, kSubTag + 10, kSubTag + 1, 1},
          {"back again", world.parent.tap, kSubTag, kSubTag + 1, 2},
      };
      for (const bool anew : {true, false}) {
        CAPTURE(anew);
        for (const Row& row : rows) {
          CAPTURE(row.what);
          const auto before = world.sub;
          const auto second_before = second;
          world.sub.parent_tap = row.parent;
          world.sub.sub_tag = row.tag;
          second.sub_tag = row.second_tag;
          world.plan.ports[world.sub.id] = world.sub;
          world.plan.ports[second.id] = second;
          if (anew) {
            LinuxBridgeSettings settings;
            settings.run_dir = world.dir.path();
            world.driver = l3_driver(settings);
          }
          converge(*world.driver, world.plan);
          const Guest& now = row.parent == world.parent.tap ? guest : another;
          CHECK(becomes([&] { return gets_through(now, world.sub, row.tag); }));
          CHECK(becomes([&] { return gets_through(guest, second, row.second_tag); }));
          const Guest& was = before.parent_tap == world.parent.tap ? guest : another;
          CHECK_FALSE(gets_through(was, world.sub, static_cast<std::uint16_t>(before.sub_tag)));
          const auto old_tag = static_cast<std::uint16_t>(second_before.sub_tag);
          if (old_tag != row.second_tag) CHECK_FALSE(gets_through(guest, second, old_tag));
          CHECK(entrances_of(world.parent.tap) == row.entrances);
          CHECK(entrances_of(elsewhere.tap) == 2 - row.entrances);
        }
        second.sub_tag = kSubTag + 10;
        world.plan.ports[second.id] = second;
        converge(*world.driver, world.plan);
      }
      // One that left its trunk without anybody being told of it.
      world.plan.ports.erase(second.id);
      LinuxBridgeSettings settings;
      settings.run_dir = world.dir.path();
      world.driver = l3_driver(settings);
      converge(*world.driver, world.plan);
      CHECK(entrances_of(world.parent.tap) == 1);
      CHECK(gets_through(guest, world.sub, kSubTag));
    }
    converge(*world.driver, {});
  });
}
