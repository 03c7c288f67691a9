#include <doctest/doctest.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <chrono>
#include <functional>
#include <optional>
#include <set>

#include "dataplane/l3_support.hpp"
#include "dataplane/traffic.hpp"
#include "network/linuxbridge/routes.hpp"
#include "network/linuxbridge/shaping.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

/// A wire between two hosts, which are namespaces: "wire0" in each.
void join_hosts(const Guest& a, const Guest& b) {
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  lb::NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, "wire0");
  message.attr_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(a.netns()));
  const auto info = message.begin(IFLA_LINKINFO);
  message.attr(IFLA_INFO_KIND, "veth");
  const auto data = message.begin(IFLA_INFO_DATA);
  const auto peer = message.begin(VETH_INFO_PEER);
  message.header(ifinfomsg{});
  message.attr(IFLA_IFNAME, "wire0");
  message.attr_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(b.netns()));
  message.end(peer);
  message.end(data);
  message.end(info);
  REQUIRE(netlink->execute(message) == 0);
}

struct Machine {
  Guest space;
  TempDir dir;
  std::string name, address;
  std::shared_ptr<LinuxBridgeDriver> driver;

  Machine(std::string called, std::string at) : name(std::move(called)), address(std::move(at)) {}
  void start() {
    space.in([&] {
      auto inside = lb::Netlink::open(NETLINK_ROUTE);
      const auto wire = lb::find_link(*inside, "wire0");
      REQUIRE(lb::change_link(*inside, **wire, {.up = true}));
      REQUIRE(lb::add_address(*inside, **wire, {address, 24}));
      LinuxBridgeSettings settings;
      settings.run_dir = dir.path();
      settings.host = name;
      settings.tunnel_address = address;
      settings.shared_machine = true;
      driver = l3_driver(settings);
    });
  }
};

bool can(const MechanismDriver& driver, std::string_view what) {
  for (const auto& one : driver.abilities())
    if (one.name == what) return one.works;
  return false;
}

}  // namespace

TEST_CASE("a network spans two hosts by tunnels, each with its own DHCP server") {
  on_private_host([] {
    Machine one("host-1", "192.0.2.1");
    Machine two("host-2", "192.0.2.2");
    join_hosts(one.space, two.space);
    one.start();
    two.start();
    CHECK(can(*one.driver, "type:vxlan"));
    PortContext asked;
    asked.network_type = "vxlan";
    asked.segmentation_id = 77;
    asked.host = "host-2";
    CHECK_FALSE(one.driver->bind_port(asked));
    asked.host = "host-1";
    CHECK(one.driver->bind_port(asked));

    Plan here = simple_plan();
    here.networks.begin()->second.type = "vxlan";
    here.networks.begin()->second.segmentation_id = 77;
    here.networks.begin()->second.mtu = 1450;
    here.groups.begin()->second.rules.push_back(tcp_from_anywhere(80));
    const PortPlan a = add_port(here, 11);
    const PortPlan b = add_port(here, 12);
    Plan there = here;
    const auto split = [](Plan& plan, const PortPlan& other, const std::string& tunnel) {
      plan.ports.erase(other.id);
      NetworkPlan& network = plan.networks.begin()->second;
      network.remote_ports = {{other.mac, other.addresses, tunnel}};
      network.remote_hosts = {tunnel};
    };
    split(here, b, "192.0.2.2");
    split(there, a, "192.0.2.1");
    std::optional<Guest> guest_a, guest_b;
    one.space.in([&] { guest_a.emplace(guest_of(a, "")); });
    two.space.in([&] { guest_b.emplace(guest_of(b, "")); });
    converge(*one.driver, here);  // From this thread, which is on neither host.
    converge(*two.driver, there);
    one.space.in([&] { guest_a->await_carrier(); });
    two.space.in([&] { guest_b->await_carrier(); });

    const auto web = guest_b->listen("10.0.0.12", 80);
    CHECK(becomes([&] { return guest_a->can_connect("10.0.0.12", 80); }));
    CHECK_FALSE(guest_a->can_connect("10.0.0.12", 81));
    const auto lease_a = guest_a->dhcp();
    REQUIRE(lease_a);
    CHECK(lease_a->address == "10.0.0.11");
    const auto lease_b = guest_b->dhcp();
    REQUIRE(lease_b);
    CHECK(lease_b->address == "10.0.0.12");
    // Nothing of what is each host's own is heard on the other.
    const auto heard = guest_b->sniff();
    guest_a->send_frame(udp_frame(a.mac, "ff:ff:ff:ff:ff:ff", "0.0.0.0", "255.255.255.255", 68, 67,
                                  "discover-of-a"));
    CHECK_FALSE(arrives(heard, "discover-of-a"));
    converge(*one.driver, {});
    converge(*two.driver, {});
  });
}

TEST_CASE("what others break of a tunnel is whole within five seconds; others lose nothing") {
  on_private_host([] {
    Machine one("host-1", "192.0.2.1");
    Machine two("host-2", "192.0.2.2");
    join_hosts(one.space, two.space);
    one.start();
    two.start();
    Plan here = simple_plan();
    NetworkPlan& wide = here.networks.begin()->second;
    wide.type = "vxlan";
    wide.segmentation_id = 77;
    wide.mtu = 1450;
    auto& rules = here.groups.begin()->second.rules;
    rules.push_back(tcp_from_anywhere(80));
    rules.push_back(tcp_from_anywhere(5000));
    rules.back().protocol = "udp";
    const PortPlan a = add_port(here, 11);
    const PortPlan b = add_port(here, 12);
    Plan there = here;
    here.ports.erase(b.id);
    here.networks.begin()->second.remote_ports = {{b.mac, b.addresses, "192.0.2.2"}};
    here.networks.begin()->second.remote_hosts = {"192.0.2.2"};
    there.ports.erase(a.id);
    there.networks.begin()->second.remote_ports = {{a.mac, a.addresses, "192.0.2.1"}};
    there.networks.begin()->second.remote_hosts = {"192.0.2.1"};
    // Two on the second host that have nothing to do with the tunnel.
    NetworkPlan beside = there.networks.begin()->second;
    const NetworkId network = beside.id;
    beside.id = NetworkId("dddddddd-dddd-4ddd-8ddd-dddddddddddd");
    beside.type = "local";
    beside.dhcp_mac = "fa:16:3e:00:00:03";
    beside.hosts.clear();
    beside.remote_ports.clear();
    beside.remote_hosts.clear();
    const auto neighbour = [&](int last) {
      PortPlan port = b;
      port.id = PortId(fmt::format("44444444-4444-4444-8444-9999999999{}", last));
      port.network = beside.id;
      port.mac = fmt::format("fa:16:3e:00:09:{}", last);
      port.tap = fmt::format("tap-beside-{}", last);
      port.addresses = {fmt::format("10.0.0.{}", last)};
      there.ports.emplace(port.id, port);
      return port;
    };
    const PortPlan c = neighbour(21);
    const PortPlan d = neighbour(22);
    there.networks.emplace(beside.id, beside);
    std::optional<Guest> guest_a, guest_b, guest_c, guest_d;
    one.space.in([&] { guest_a.emplace(guest_of(a, "")); });
    two.space.in([&] {
      guest_b.emplace(guest_of(b, ""));
      guest_c.emplace(guest_of(c, ""));
      guest_d.emplace(guest_of(d, ""));
    });
    converge(*one.driver, here);
    std::optional<Keeper> keeper(std::in_place, two.driver, there);
    one.space.in([&] { guest_a->await_carrier(); });
    two.space.in([&] {
      for (const auto* guest : {&*guest_b, &*guest_c, &*guest_d}) guest->await_carrier();
    });
    const lb::Names names(kFolder, "host-2");
    const std::string tunnel = names.tunnel(network.value);
    const std::string bridge = names.bridge(network.value);
    /// What is done with the device, on the second host; nothing when it is not there.
    const auto with = [&](const std::string& device, const auto& work) {
      two.space.in([&] {
        auto netlink = lb::Netlink::open(NETLINK_ROUTE);
        const auto link = lb::find_link(*netlink, device);
        if (link && *link) work(*netlink, **link);
      });
    };
    const auto forwards = [&] {
      std::set<std::string> found;
      with(tunnel, [&](lb::Netlink& netlink, const lb::Link& link) {
        const auto has = lb::list_forwards(netlink, link);
        for (const auto& entry : *has) found.insert(entry.mac + " " + entry.remote);
      });
      return found;
    };
    const auto answers = [&] {
      std::size_t found = 0;
      with(bridge, [&](lb::Netlink& netlink, const lb::Link& link) {
        found = lb::list_neighbours(netlink, link)->size();
      });
      return found;
    };
    // One of them: what is done while another is being put right is seen by the pass after that.
    const auto forget = [&](bool flood) {
      with(tunnel, [&](lb::Netlink& netlink, const lb::Link& link) {
        const auto has = lb::list_forwards(netlink, link);
        for (const auto& entry : *has)
          if ((entry.mac == "00:00:00:00:00:00") == flood)
            REQUIRE(lb::delete_forward(netlink, link, entry));
      });
    };
    const auto web = guest_a->listen("10.0.0.11", 80);
    const auto connects = [&] { return guest_b->can_connect("10.0.0.11", 80); };
    REQUIRE(becomes(connects));
    keeper->rest();
    const auto known = forwards();
    REQUIRE(known.size() == 2);
    REQUIRE(answers() == 1);
    const auto whole = [&] { return forwards() == known && answers() == 1 && connects(); };
    struct Row {
      std::string what;
      std::function<void()> damage;
    };
    const Row rows[] = {
        {"the tunnel's device deleted", [&] { two.space.in([&] { drop_device(tunnel); }); }},
        {"the tunnel taken down",
         [&] {
           with(tunnel, [](lb::Netlink& netlink, const lb::Link& link) {
             REQUIRE(lb::change_link(netlink, link, {.up = false}));
           });
         }},
        {"a port's forwarding entry deleted", [&] { forget(false); }},
        {"the entry for broadcasts deleted", [&] { forget(true); }},
        {"the address that is answered for deleted",
         [&] {
           with(bridge, [](lb::Netlink& netlink, const lb::Link& link) {
             const auto has = lb::list_neighbours(netlink, link);
             for (const auto& entry : *has) REQUIRE(lb::delete_neighbour(netlink, link, entry));
           });
         }},
        {"the bridge deleted", [&] { two.space.in([&] { drop_device(bridge); }); }},
    };
    for (const auto& row : rows) {
      CAPTURE(row.what);
      keeper->rest();
      REQUIRE(becomes(whole));
      Stream stream(*guest_c, *guest_d, "10.0.0.22", 5000);
      REQUIRE(becomes([&] { return stream.sent() > 5; }));
      const auto began = std::chrono::steady_clock::now();
      row.damage();
      CHECK(becomes(whole));
      CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
      CHECK(stream.finish() == 0);
      CHECK(keeper->failures() == 0);
    }
    keeper.reset();
    converge(*one.driver, {});
    converge(*two.driver, {});
  });
}

TEST_CASE("bandwidth limits come, change and go with the port's policy") {
  on_private_host([] {
    const TempDir dir;
    LinuxBridgeSettings settings;
    settings.run_dir = dir.path();
    const auto driver = l3_driver(settings);
    if (!can(*driver, "qos")) {
      MESSAGE("skipped: this kernel limits no bandwidth");
      return;
    }
    CHECK_FALSE(can(*driver, "type:vlan"));
    Plan plan = simple_plan();
    plan.groups.begin()->second.rules.push_back(tcp_from_anywhere(80));
    RulePlan datagrams = tcp_from_anywhere(5000);
    datagrams.protocol = "udp";
    plan.groups.begin()->second.rules.push_back(datagrams);
    PortPlan& a = add_port(plan, 11);
    const PortPlan b = add_port(plan, 12);
    a.qos = {2'000, 200, 1'000, 100, 26};
    const Guest guest_a = guest_of(a, "");
    const Guest guest_b = guest_of(b, "");
    converge(*driver, plan);
    guest_a.await_carrier();
    guest_b.await_carrier();
    const auto bucket = [](const std::string& device) {
      auto netlink = lb::Netlink::open(NETLINK_ROUTE);
      const auto link = lb::find_link(*netlink, device);
      REQUIRE(link);
      if (!*link) return std::uint64_t{0};
      const auto found = lb::bucket_of(*netlink, **link);
      REQUIRE(found);
      return found->rate;
    };
    const std::string round = lb::Names(kFolder).shaper(a.id.value);
    CHECK(bucket(a.tap) == 125'000);
    CHECK(bucket(round) == 250'000);
    const auto web = guest_b.listen("10.0.0.12", 80);
    CHECK(becomes([&] { return guest_a.can_connect("10.0.0.12", 80); }));
    // What the guest sends is marked: 26 << 2 in the second byte of the IP header.
    const auto heard = guest_b.sniff();
    guest_a.send_frame(udp_frame(a.mac, b.mac, "10.0.0.11", "10.0.0.12", 4000, 5000, "marked"));
    CHECK(arrives(heard, std::string("\x08\x00\x45\x68", 4)));

    a.qos = {4'000, 0, 0, 0, {}};
    tell(*driver, change_of(a, 5));
    CHECK(bucket(a.tap) == 0);
    CHECK(bucket(round) == 500'000);
    CHECK(guest_a.can_connect("10.0.0.12", 80));
    a.qos = {};
    tell(*driver, change_of(a, 6));
    CHECK(bucket(round) == 0);
    CHECK(guest_a.can_connect("10.0.0.12", 80));
    converge(*driver, {});
  });
}

TEST_CASE(
    "an address group opens and closes by its elements, and answers need rules when stateless") {
  on_private_host([] {
    const TempDir dir;
    LinuxBridgeSettings settings;
    settings.run_dir = dir.path();
    const auto driver = l3_driver(settings);
    Plan plan = simple_plan();
    GroupPlan& group = plan.groups.begin()->second;
    AddressGroupPlan friends{AddressGroupId("cccccccc-cccc-4ccc-8ccc-cccccccccccc"), {}};
    RulePlan rule = tcp_from_anywhere(80);
    rule.remote_address_group = friends.id;
    group.rules.push_back(rule);
    plan.address_groups.emplace(friends.id, friends);
    const PortPlan a = add_port(plan, 11);
    const PortPlan b = add_port(plan, 12);
    const Guest guest_a = guest_of(a, "");
    const Guest guest_b = guest_of(b, "");
    converge(*driver, plan);
    guest_a.await_carrier();
    guest_b.await_carrier();
    const auto web = guest_b.listen("10.0.0.12", 80);
    const auto told_of = [&](std::uint64_t revision) {
      tell(*driver, change_of(friends, revision));
    };
    CHECK_FALSE(guest_a.can_connect("10.0.0.12", 80));
    friends.prefixes = {"10.0.0.8/29", "fd00::/64", "10.0.0.9/32"};
    told_of(2);
    CHECK(becomes([&] { return guest_a.can_connect("10.0.0.12", 80); }));
    friends.prefixes = {"10.0.0.64/26"};
    told_of(3);
    CHECK_FALSE(guest_a.can_connect("10.0.0.12", 80));

    friends.prefixes = {"0.0.0.0/0"};
    told_of(4);
    CHECK(becomes([&] { return guest_a.can_connect("10.0.0.12", 80); }));
    group.stateful =
        false;  // The answer to the asker is a packet like any other: no rule, no entry.
    tell(*driver, change_of(group, 5));
    CHECK_FALSE(guest_a.can_connect("10.0.0.12", 80));
    converge(*driver, {});
  });
}

TEST_CASE("two tenants use the same addresses on one host, and neither sees the other") {
  on_private_host([] {
    const TempDir dir;
    LinuxBridgeSettings settings;
    settings.run_dir = dir.path();
    const auto driver = l3_driver(settings);
    Plan plan = simple_plan();
    plan.groups.begin()->second.rules.push_back(tcp_from_anywhere(80));
    const PortPlan a = add_port(plan, 11);
    const PortPlan b = add_port(plan, 12);
    NetworkPlan other = plan.networks.begin()->second;
    other.id = NetworkId("dddddddd-dddd-4ddd-8ddd-dddddddddddd");
    other.dhcp_mac = "fa:16:3e:00:00:03";
    PortPlan twin = b;
    twin.id = PortId("44444444-4444-4444-8444-999999999999");
    twin.network = other.id;
    twin.mac = "fa:16:3e:00:01:99";
    twin.tap = "tap-twin";
    other.hosts.clear();
    plan.networks.emplace(other.id, other);
    plan.ports.emplace(twin.id, twin);
    const Guest guest_a = guest_of(a, "");
    const Guest guest_b = guest_of(b, "");
    const Guest guest_twin = guest_of(twin, "");
    converge(*driver, plan);
    for (const auto* guest : {&guest_a, &guest_b, &guest_twin}) guest->await_carrier();
    const auto web_b = guest_b.listen("10.0.0.12", 80);
    const auto web_twin = guest_twin.listen("10.0.0.12", 80);
    CHECK(becomes([&] { return guest_a.can_connect("10.0.0.12", 80); }));
    CHECK(peer_of_next(web_b) == "10.0.0.11");
    CHECK(peer_of_next(web_twin).empty());
    CHECK_FALSE(guest_twin.can_connect("10.0.0.11", 80));
    converge(*driver, {});
  });
}

TEST_CASE(
    "45 ports on one bridge, a rule changed among them, and a network made: how long it takes") {
  on_private_host([] {
    using Clock = std::chrono::steady_clock;
    const auto took = [](Clock::time_point since) {
      return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
    };
    const TempDir dir;
    LinuxBridgeSettings settings;
    settings.run_dir = dir.path();
    const auto driver = l3_driver(settings);
    Plan plan = simple_plan();
    const PortPlan first = add_port(plan, 11);
    tell(*driver, change_of(plan.groups.begin()->second, 1));
    auto since = Clock::now();
    tell(*driver, change_of(plan.networks.begin()->second, 1));
    tell(*driver, change_of(first, 1));
    MESSAGE("network with DHCP and one port: " << took(since) << " ms");
    for (int i = 12; i < 56; ++i) add_port(plan, i);
    since = Clock::now();
    converge(*driver, plan);
    MESSAGE("45 ports: " << took(since) << " ms");
    GroupPlan& group = plan.groups.begin()->second;
    for (int i = 0; i < 1'000; ++i)
      group.members.push_back(fmt::format("10.1.{}.{}", i / 250, i % 250 + 1));
    tell(*driver, change_of(group, 2));
    group.rules.push_back(tcp_from_anywhere(80));
    since = Clock::now();
    tell(*driver, change_of(group, 3));
    MESSAGE("a rule in a group of 1,000 members: " << took(since) << " ms");
    const PortPlan last = plan.ports.rbegin()->second;
    CHECK(nft_list().find(lb::Names(kFolder).brief(last.id.value)) != std::string::npos);
    since = Clock::now();
    converge(*driver, plan);
    MESSAGE("a pass with nothing wrong: " << took(since) << " ms");
    converge(*driver, {});
  });
}
