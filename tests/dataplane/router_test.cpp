#include <doctest/doctest.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "dataplane/l3_support.hpp"
#include "network/linuxbridge/advertiser.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/nft.hpp"
#include "network/linuxbridge/router_rules.hpp"
#include "network/linuxbridge/routes.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

LinuxBridgeSettings with_outside(const TempDir& dir) {
  LinuxBridgeSettings settings;
  settings.run_dir = dir.path();
  settings.physical_bridges = {{"outside", "br-out"}};
  return settings;
}

/// Two guests behind a router, the first with a floating address, and somebody outside.
struct RoutedWorld {
  TempDir dir;
  Plan plan = routed_plan();
  PortPlan first, second;
  std::shared_ptr<LinuxBridgeDriver> driver;

  RoutedWorld() {
    make_bridge("br-out");
    first = add_port(plan, 11);
    second = add_port(plan, 12);
    for (const std::uint16_t port : {80, 22})
      plan.groups.begin()->second.rules.push_back(tcp_from_anywhere(port));
    router_of(plan).floating = {
        {FloatingIpId("aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"), "203.0.113.50", "10.0.0.11"}};
    router_of(plan).forwards = {{PortForwardingId("bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"),
                                 "203.0.113.60", "tcp", 2222, 2222, "10.0.0.12", 22, 22}};
    driver = l3_driver(with_outside(dir));
  }
};

std::string router_netns(Plan& plan) {
  return lb::Names(kFolder).netns(router_of(plan).id.value);
}

}  // namespace

TEST_CASE("a floating address leads in and out, and who has none leaves by the router's") {
  on_private_host([] {
    RoutedWorld world;
    const Guest outside = outsider("br-out", "out0", "203.0.113.1", 24);
    const Guest a = guest_of(world.first, "10.0.0.1");
    const Guest b = guest_of(world.second, "10.0.0.1");
    converge(*world.driver, world.plan);
    for (const auto* guest : {&outside, &a, &b}) guest->await_carrier();
    const auto web_a = a.listen("10.0.0.11", 80);
    const auto closed_a = a.listen("10.0.0.11", 81);
    const auto ssh_b = b.listen("10.0.0.12", 22);
    const auto there = outside.listen("203.0.113.1", 7000);

    CHECK(becomes([&] { return outside.can_connect("203.0.113.50", 80); }));
    CHECK(peer_of_next(web_a) == "203.0.113.1");
    CHECK_FALSE(outside.can_connect("203.0.113.50", 81));  // The group is asked as ever.
    CHECK(becomes([&] { return outside.can_connect("203.0.113.60", 2222); }));
    CHECK_FALSE(outside.can_connect("203.0.113.60", 22));
    CHECK(becomes([&] { return a.can_connect("203.0.113.1", 7000); }));
    CHECK(peer_of_next(there) == "203.0.113.50");
    CHECK(becomes([&] { return b.can_connect("203.0.113.1", 7000); }));
    CHECK(peer_of_next(there) == "203.0.113.2");
    // One guest asks another by its floating address: the answer comes back by the router.
    CHECK(becomes([&] { return b.can_connect("203.0.113.50", 80); }));

    // The address moves to the other guest, and its connections end.
    const auto web_b = b.listen("10.0.0.12", 80);
    router_of(world.plan).floating.front().fixed = "10.0.0.12";
    tell(*world.driver, change_of(router_of(world.plan), 10));
    CHECK(becomes([&] { return outside.can_connect("203.0.113.50", 80); }));
    CHECK(peer_of_next(web_b) == "203.0.113.1");
    CHECK(becomes([&] { return a.can_connect("203.0.113.1", 7000); }));
    CHECK(peer_of_next(there) == "203.0.113.2");
    converge(*world.driver, {});
  });
}

TEST_CASE("without SNAT only floating addresses lead out; extra routes lead where they say") {
  on_private_host([] {
    RoutedWorld world;
    const Guest outside = outsider("br-out", "out0", "203.0.113.1", 24);
    outside.in([] {
      auto inside = lb::Netlink::open(NETLINK_ROUTE);
      const auto lo = lb::find_link(*inside, "lo");
      REQUIRE(lb::add_address(*inside, **lo, {"198.51.100.1", 32}));
    });
    const Guest a = guest_of(world.first, "10.0.0.1");
    const Guest b = guest_of(world.second, "10.0.0.1");
    router_of(world.plan).snat = false;
    router_of(world.plan).gateway_hops.clear();
    router_of(world.plan).routes = {{"198.51.100.0/24", "203.0.113.1"}, {"1.2.3.0/24", "9.9.9.9"}};
    converge(*world.driver, world.plan);
    for (const auto* guest : {&outside, &a, &b}) guest->await_carrier();
    const auto there = outside.listen("198.51.100.1", 7000);
    CHECK(becomes([&] { return a.can_connect("198.51.100.1", 7000); }));
    CHECK(peer_of_next(there) == "203.0.113.50");
    CHECK_FALSE(b.can_connect("198.51.100.1", 7000));
    converge(*world.driver, {});
  });
}

TEST_CASE("a router is found again, put right, and leaves nothing behind") {
  on_private_host([] {
    RoutedWorld world;
    const std::string before = host_state(world.dir.path());
    {
      const Guest outside = outsider("br-out", "out0", "203.0.113.1", 24);
      const Guest a = guest_of(world.first, "10.0.0.1");
      converge(*world.driver, world.plan);
      outside.await_carrier();
      a.await_carrier();
      const auto web = a.listen("10.0.0.11", 80);
      const auto works = [&] { return outside.can_connect("203.0.113.50", 80); };
      CHECK(becomes(works));
      world.driver = l3_driver(with_outside(world.dir));  // As after kill -9.
      converge(*world.driver, world.plan);
      CHECK(works());
      const auto inside = lb::open_netns(router_netns(world.plan));
      REQUIRE(inside);
      REQUIRE(lb::run_in_netns(inside->get(), [&]() -> Result<void> {
        CLOUDOS_TRY(auto context, lb::Nft::open());
        return context.run("delete table inet cloudos_0a1b2c3d");
      }));
      CHECK_FALSE(works());
      converge(*world.driver, world.plan);
      CHECK(becomes(works));
      REQUIRE(lb::remove_netns(router_netns(world.plan)));
      converge(*world.driver, world.plan);
      CHECK(becomes(works));
      converge(*world.driver, {});
      drop_device("out0");  // His sockets may keep his namespace for a while.
    }
    CHECK((host_state(world.dir.path()) == before));
  });
}

TEST_CASE("a router's leg makes itself no IPv6 address, though who made it died before he said so") {
  on_private_host([] {
    RoutedWorld world;
    converge(*world.driver, world.plan);
    const std::string leg = lb::leg_inner(lb::Names(kFolder), router_of(world.plan).legs[0].port);
    const auto inside = lb::open_netns(router_netns(world.plan));
    REQUIRE(inside);
    const auto mode = [&] {
      std::optional<std::uint8_t> found;
      REQUIRE(lb::run_in_netns(inside->get(), [&]() -> Result<void> {
        CLOUDOS_TRY(auto netlink, lb::Netlink::open(NETLINK_ROUTE));
        CLOUDOS_TRY(const auto link, lb::find_link(netlink, leg));
        if (link) found = link->inet6_mode;
        return Result<void>();
      }));
      return found;
    };
    if (!mode()) {
      MESSAGE("skipped: no IPv6");
      return;
    }
    REQUIRE(lb::run_in_netns(inside->get(), [&]() -> Result<void> {
      std::ofstream("/proc/sys/net/ipv6/conf/" + leg + "/addr_gen_mode") << "0\n";
      return Result<void>();
    }));
    REQUIRE(mode() == std::uint8_t{0});
    world.driver = l3_driver(with_outside(world.dir));
    converge(*world.driver, world.plan);
    CHECK(mode() == std::uint8_t{1});
    converge(*world.driver, {});
  });
}

TEST_CASE("somebody else's doing is noticed within a moment") {
  on_private_host([] {
    RoutedWorld world;
    const Guest a = guest_of(world.first, "");
    std::atomic<int> noticed = 0;
    converge(*world.driver, world.plan);
    world.driver->watch([&] { ++noticed; });
    converge(*world.driver, world.plan);
    CHECK(noticed == 0);
    struct Row {
      std::string what;
      std::function<void()> disturb;
    };
    const auto network = world.plan.routers.begin()->second.legs.front().network;
    const Row rows[] = {
        {"a tap deleted", [&] { drop_device(world.second.tap); }},
        {"our table deleted", [&] { nft("delete table inet cloudos_0a1b2c3d"); }},
        {"a router's leg deleted",
         [&] {
           drop_device(lb::leg_outer(lb::Names(kFolder), router_of(world.plan).legs.front().port));
         }},
        {"a router's filter flushed",
         [&] {
           const auto inside = lb::open_netns(router_netns(world.plan));
           REQUIRE(lb::run_in_netns(inside->get(), [&]() -> Result<void> {
             CLOUDOS_TRY(auto context, lb::Nft::open());
             return context.run("flush table inet cloudos_0a1b2c3d");
           }));
         }},
        {"a router's namespace without its name",
         [&] { REQUIRE(lb::remove_netns(router_netns(world.plan))); }},
        {"dnsmasq killed",
         [&] {
           const auto pid = lb::Dnsmasq("", world.dir.path() + "/networks/" + network.value).pid();
           REQUIRE(pid);
           ::kill(*pid, SIGKILL);
         }},
    };
    for (const auto& row : rows) {
      CAPTURE(row.what);
      const int before = noticed;
      row.disturb();
      CHECK(becomes([&] { return noticed > before; }));
      converge(*world.driver, world.plan);
    }
    const int before = noticed;
    nft("add table inet foreign\ndelete table inet foreign");
    CHECK_FALSE(becomes([&] { return noticed > before; }, std::chrono::milliseconds(300)));
    world.driver->watch(nullptr);
    converge(*world.driver, {});
  });
}

TEST_CASE("guests make their IPv6 addresses of the router's prefix") {
  on_private_host([] {
    const TempDir dir;
    Plan plan = routed_plan();
    PortPlan& port = add_port(plan, 11);
    port.addresses.emplace_back("fd00:1::f816:3eff:fe00:10b");
    SubnetPlan subnet;
    subnet.id = SubnetId("22222222-2222-4222-8222-222222222266");
    subnet.cidr = "fd00:1::/64";
    subnet.gateway = "fd00:1::1";
    subnet.dhcp_address = "fd00:1::2";
    subnet.ra_mode = subnet.address_mode = "slaac";
    subnet.routed = true;
    NetworkPlan& network = plan.networks.begin()->second;
    network.subnets.push_back(subnet);
    RouterPlan& router = router_of(plan);
    router.legs.front().addresses.emplace_back("fd00:1::1/64");
    router.advertise = {{network.id, "fd00:1::/64", "slaac", {"fd00:1::53"}, 1500}};
    make_bridge("br-out");
    const auto driver = l3_driver(with_outside(dir));
    const Guest guest = guest_of(port, "");
    converge(*driver, plan);
    guest.await_carrier();
    CHECK(becomes(
        [&] {
          const auto has = addresses_of(guest);
          return std::find(has.begin(), has.end(), "fd00:1::f816:3eff:fe00:10b") != has.end();
        },
        std::chrono::seconds(8)));
    std::string gateway;
    guest.in([&] {
      auto inside = lb::Netlink::open(NETLINK_ROUTE);
      const auto routes = lb::list_routes(*inside);
      REQUIRE(routes);
      for (const auto& route : *routes)
        if (route.destination == "::/0") gateway = route.via;
    });
    CHECK(gateway == lb::link_local_of(router.legs.front().mac));
    converge(*driver, {});
  });
}

TEST_CASE("an advertisement says what the subnet's mode means") {
  struct Row {
    std::string what, mode;
    unsigned flags, prefix_flags;
  };
  const Row rows[] = {
      {"addresses by SLAAC", "slaac", 0x00, 0xc0},
      {"the rest by DHCP", "dhcpv6-stateless", 0x40, 0xc0},
      {"all by DHCP", "dhcpv6-stateful", 0x80, 0x80},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto message =
        lb::advertisement({{NetworkId("n"), "fd00::/64", row.mode, {}, 1400}}, "fa:16:3e:00:00:01");
    REQUIRE(message.size() == 16 + 8 + 8 + 32);
    CHECK(static_cast<std::uint8_t>(message[5]) == row.flags);
    CHECK(static_cast<std::uint8_t>(message[16 + 8 + 8 + 3]) == row.prefix_flags);
  }
  CHECK(lb::advertisement({{NetworkId("n"), "10.0.0.0/24", "slaac", {}, 1400}}, "fa:16:3e:00:00:01")
            .empty());
}

TEST_CASE("a leg that could not be advertised is so the next time that it is asked for") {
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(std::filesystem::begin(tasks), std::filesystem::end(tasks));
  };
  const auto before = threads();
  lb::Advertiser advertiser{Log()};
  const PortId leg("11111111-1111-4111-8111-111111111111");
  Fd socket(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  REQUIRE(socket.valid());
  const auto asked = [&] {
    return advertiser.set(leg, 1, "message", [&]() -> Result<Fd> { return std::move(socket); });
  };
  rlimit usual{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &usual) == 0);
  rlimit none = usual;
  none.rlim_cur = 3;  // No descriptor is left for what it wakes by.
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const bool first = asked().has_value();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &usual) == 0);
  CHECK_FALSE(first);
  CHECK(threads() == before);
  CHECK(asked());
  CHECK(threads() == before + 1);
  CHECK(asked());
  CHECK(threads() == before + 1);
}

TEST_CASE("a router's rules take no word that is no address") {
  Plan plan = routed_plan();
  RouterPlan& router = router_of(plan);
  router.floating = {{FloatingIpId("f"), "1.2.3.4; drop", "10.0.0.5"},
                     {FloatingIpId("g"), "203.0.113.9", "10.0.0.9"}};
  router.forwards = {
      {PortForwardingId("p"), "203.0.113.9", "tcp dport 1 accept", 1, 1, "10.0.0.9", 1, 1},
      {PortForwardingId("q"), "203.0.113.9", "tcp", 0, 70'000, "10.0.0.9", 1, 1}};
  router.routes = {{"10.9.0.0/16", "10.0.0.77"}, {"10.8.0.0/16", "192.0.2.1"}, {"x", "y"}};
  std::vector<std::string> rejected;
  const auto rules = lb::router_ruleset(lb::Names(kFolder), router, rejected);
  CHECK(rejected.size() == 3);
  CHECK(lb::render_whole(rules).find(';' + std::string(" drop\n")) == std::string::npos);
  CHECK(rules.inet.sets.at("floating").elements ==
        std::map<std::string, std::string>{{"203.0.113.9", "10.0.0.9"}});
  rejected.clear();
  const auto routes = lb::planned_routes(router, rejected);
  CHECK(rejected.size() == 2);
  REQUIRE(routes.size() == 2);
  CHECK(routes[0].destination == "0.0.0.0/0");
  CHECK(routes[1].leg == router.legs.front().port);
}
