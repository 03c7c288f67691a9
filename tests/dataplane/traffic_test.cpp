#include "dataplane/traffic.hpp"

#include <doctest/doctest.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>

#include "base/text.hpp"
#include "dataplane/l3_support.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/nft.hpp"
#include "network/linuxbridge/router_rules.hpp"
#include "network/linuxbridge/routes.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

RulePlan datagrams_to(std::uint16_t port) {
  RulePlan rule = tcp_from_anywhere(port);
  rule.protocol = "udp";
  return rule;
}

/// Two guests of one group that lets datagrams to port 5000 in.
struct PairOfGuests {
  TempDir dir;
  Plan plan = simple_plan();
  PortPlan a, b;
  std::shared_ptr<LinuxBridgeDriver> driver;

  PairOfGuests() {
    plan.groups.begin()->second.rules.push_back(datagrams_to(5000));
    a = add_port(plan, 11);
    b = add_port(plan, 12);
    driver = make();
  }
  std::shared_ptr<LinuxBridgeDriver> make() const {
    LinuxBridgeSettings settings;
    settings.run_dir = dir.path();
    return l3_driver(settings);
  }
  GroupPlan& group() { return plan.groups.begin()->second; }
};

/// Of one counter in the packet filter of a namespace: packets.
std::uint64_t packets_of(const Guest& space, const std::string& counter) {
  std::uint64_t packets = 0;
  space.in([&] {
    nft_ctx* context = nft_ctx_new(NFT_CTX_DEFAULT);
    nft_ctx_buffer_output(context);
    REQUIRE(nft_run_cmd_from_buffer(context, "list counters inet") == 0);
    const std::string text = nft_ctx_get_output_buffer(context);
    nft_ctx_free(context);
    const auto at = text.find("counter " + counter + " ");
    REQUIRE(at != std::string::npos);
    const auto number = text.find("packets ", at) + 8;
    packets = parse_unsigned(text.substr(number, text.find(' ', number) - number)).value_or(0);
  });
  return packets;
}

std::size_t tracked_flows(const std::string& address) {
  const auto text = lb::read_small_file("/proc/thread-self/net/nf_conntrack").value_or("");
  std::size_t count = 0;
  for (auto at = text.find(address + " "); at != std::string::npos;
       at = text.find(address + " ", at + 1))
    ++count;
  return count;
}

/// A guest behind a router with a floating address, and somebody outside.
struct OutsideWorld {
  TempDir dir;
  Plan plan = routed_plan();
  PortPlan port;
  std::mutex mutex;
  std::vector<std::pair<std::string, std::string>> asked;  // Network and address.
  std::shared_ptr<LinuxBridgeDriver> driver;

  OutsideWorld() {
    make_bridge("br-out");
    port = add_port(plan, 11);
    plan.groups.begin()->second.rules.push_back(datagrams_to(5000));
    router_of(plan).floating = {
        {FloatingIpId("aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"), "203.0.113.50", "10.0.0.11"}};
    LinuxBridgeSettings settings;
    settings.folder_id = kFolder;
    settings.run_dir = dir.path();
    settings.physical_bridges = {{"outside", "br-out"}};
    auto made = make_linuxbridge(
        settings,
        [this](const NetworkId& network, const std::string& address, const std::string&) {
          const std::lock_guard lock(mutex);
          asked.emplace_back(network.value, address);
          return MetadataAnswer{200, "text/plain", "of " + address};
        },
        Log());
    REQUIRE(made);
    driver = *made;
  }
};

}  // namespace

TEST_CASE("a port's limits hold in both directions, within a fifth") {
  on_private_host([] {
    PairOfGuests t;
    const Guest a = guest_of(t.a, "");
    const Guest b = guest_of(t.b, "");
    converge(*t.driver, t.plan);
    a.await_carrier();
    b.await_carrier();
    constexpr double kLimit = 1'000'000;  // Bytes a second: 8,000 kbit/s.
    REQUIRE(becomes([&] {
      return datagram_rate(a, b, "10.0.0.12", 5000, "", std::chrono::milliseconds(50)) > 0;
    }));
    CHECK(datagram_rate(a, b, "10.0.0.12", 5000, "", std::chrono::milliseconds(300)) > 3 * kLimit);
    struct Row {
      std::string what;
      QosPlan of_a, of_b;
    };
    const Row rows[] = {
        {"what the sender sends", {8'000, 80, 0, 0, {}}, {}},
        {"what the receiver gets", {}, {0, 0, 8'000, 80, {}}},
    };
    std::uint64_t revision = 5;
    for (const auto& row : rows) {
      CAPTURE(row.what);
      t.a.qos = row.of_a;
      t.b.qos = row.of_b;
      tell(*t.driver, change_of(t.a, ++revision));
      tell(*t.driver, change_of(t.b, revision));
      const double rate = datagram_rate(a, b, "10.0.0.12", 5000);
      CHECK(rate > 0.8 * kLimit);
      CHECK(rate < 1.2 * kLimit);
    }
    converge(*t.driver, {});
  });
}

TEST_CASE("a floating address' limits hold in both directions, within a fifth") {
  on_private_host([] {
    OutsideWorld world;
    const Guest outside = outsider("br-out", "out0", "203.0.113.1", 24);
    const Guest guest = guest_of(world.port, "10.0.0.1");
    converge(*world.driver, world.plan);
    outside.await_carrier();
    guest.await_carrier();
    constexpr double kLimit = 2'000'000;  // Bytes a second: 16,000 kbit/s.
    const auto in = [&](int ms) {
      return datagram_rate(outside, guest, "203.0.113.50", 5000, "10.0.0.11",
                           std::chrono::milliseconds(ms));
    };
    const auto out = [&](int ms) {
      return datagram_rate(guest, outside, "203.0.113.1", 5000, "", std::chrono::milliseconds(ms));
    };
    REQUIRE(becomes([&] { return in(50) > 0 && out(50) > 0; }));
    CHECK(in(300) > 2 * kLimit);
    CHECK(out(300) > 2 * kLimit);
    router_of(world.plan).floating.front().qos = {16'000, 0, 16'000, 160, {}};
    tell(*world.driver, change_of(router_of(world.plan), 5));
    for (const auto& way : {std::function<double(int)>(in), std::function<double(int)>(out)}) {
      CHECK(way(1'200) > kLimit);  // What a burst may be is used up.
      const double rate = way(1'000);
      CHECK(rate > 0.8 * kLimit);
      CHECK(rate < 1.2 * kLimit);
    }
    router_of(world.plan).floating.front().qos = {};
    tell(*world.driver, change_of(router_of(world.plan), 6));
    CHECK(in(300) > 2 * kLimit);
    converge(*world.driver, {});
  });
}

TEST_CASE("what ports of a stateless group send is not tracked: answers need a rule of their own") {
  on_private_host([] {
    PairOfGuests t;
    t.group().stateful = false;
    t.group().rules.push_back(tcp_from_anywhere(80));
    const Guest a = guest_of(t.a, "");
    const Guest b = guest_of(t.b, "");
    converge(*t.driver, t.plan);
    a.await_carrier();
    b.await_carrier();
    const auto web = b.listen("10.0.0.12", 80);
    CHECK_FALSE(a.can_connect("10.0.0.12", 80));  // The question came; its answer was refused.
    RulePlan answers;
    answers.protocol = "tcp";
    answers.port_min = 1'024;
    answers.port_max = 65'535;
    t.group().rules.push_back(answers);
    tell(*t.driver, change_of(t.group(), 2));
    CHECK(becomes([&] { return a.can_connect("10.0.0.12", 80); }));
    CHECK(tracked_flows("10.0.0.12") == 0);

    // One who relies on tracking gets his answers from one who does not.
    GroupPlan tracking = t.group();
    tracking.id = SecurityGroupId("55555555-5555-4555-8555-555555555555");
    tracking.stateful = true;
    tracking.rules.resize(2);  // Out, and nothing in.
    t.plan.groups.emplace(tracking.id, tracking);
    t.a.groups = {tracking.id};
    tell(*t.driver, change_of(tracking, 1));
    tell(*t.driver, change_of(t.a, 5));
    CHECK(becomes([&] { return a.can_connect("10.0.0.12", 80); }));
    const auto none = a.listen("10.0.0.11", 80);
    CHECK_FALSE(b.can_connect("10.0.0.11", 80));
    converge(*t.driver, {});
  });
}

TEST_CASE("metadata is served over IPv6, and by routers to whoever asks through them") {
  on_private_host([] {
    OutsideWorld world;
    NetworkPlan& network = world.plan.networks.begin()->second;
    SubnetPlan six;
    six.id = SubnetId("22222222-2222-4222-8222-222222222266");
    six.cidr = "fd00:1::/64";
    six.dhcp_address = "fd00:1::2";
    six.address_mode = "dhcpv6-stateful";
    network.subnets.push_back(six);
    const Guest guest = guest_of(world.port, "10.0.0.1");
    converge(*world.driver, world.plan);
    guest.await_carrier();
    Fd connection;
    // The guest's own link-local address takes a moment until it may be used.
    REQUIRE(becomes([&] {
      connection = connect6(guest, "fe80::a9fe:a9fe", 80);
      return connection.valid();
    }));
    const std::string forged = "GET /a HTTP/1.1\r\nX-Forwarded-For: fe80::1\r\n\r\n";
    const auto answer = answer_to(connection, forged);
    CAPTURE(answer);
    CHECK(answer.find("of " + lb::link_local_of(world.port.mac)) != std::string::npos);
    // By its default route: the router has the address, too.
    REQUIRE(becomes([&] {
      connection = guest.connect("169.254.169.254", 80);
      return connection.valid();
    }));
    CHECK(answer_to(connection, forged).find("of 10.0.0.11") != std::string::npos);
    {
      const std::lock_guard lock(world.mutex);
      for (const auto& [where, address] : world.asked) CHECK(where == network.id.value);
      CHECK(world.asked.size() == 2);
    }
    converge(*world.driver, {});
  });
}

TEST_CASE("a metering label counts what its rules name, and nothing else") {
  on_private_host([] {
    OutsideWorld world;
    const MeteringLabelId in("eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee");
    const MeteringLabelId other("ffffffff-ffff-4fff-8fff-ffffffffffff");
    router_of(world.plan).meters = {{in, true, "203.0.113.0/24", "", "", false},
                                    {other, true, "198.51.100.0/24", "", "", false},
                                    {other, false, "203.0.113.0/24", "", "", true}};
    const Guest outside = outsider("br-out", "out0", "203.0.113.1", 24);
    const Guest guest = guest_of(world.port, "10.0.0.1");
    converge(*world.driver, world.plan);
    outside.await_carrier();
    guest.await_carrier();
    const lb::Names names(kFolder);
    auto opened = lb::open_netns(names.netns(router_of(world.plan).id.value));
    REQUIRE(opened);
    const Guest router(std::move(*opened));
    {
      Stream stream(outside, guest, "203.0.113.50", 5000, "10.0.0.11");
      CHECK(becomes([&] { return packets_of(router, "m_" + names.brief(in.value)) >= 20; }));
    }
    CHECK(packets_of(router, "m_" + names.brief(other.value)) == 0);
    converge(*world.driver, {});
  });
}

TEST_CASE("what others break is noticed and put right within five seconds; others lose nothing") {
  on_private_host([] {
    PairOfGuests t;
    const PortPlan victim = add_port(t.plan, 13);
    Guest a = guest_of(t.a, "");
    a.add_address("169.254.1.1", 16);
    const Guest b = guest_of(t.b, "");
    converge(*t.driver, t.plan);
    a.await_carrier();
    b.await_carrier();
    const lb::Names names(kFolder);
    const NetworkId network = t.plan.networks.begin()->first;
    const auto netlink_has = [](const std::string& device) {
      auto netlink = lb::Netlink::open(NETLINK_ROUTE);
      const auto link = lb::find_link(*netlink, device);
      return link && link->has_value();
    };
    const auto server = [&] {
      return lb::Dnsmasq("", t.dir.path() + "/networks/" + network.value).pid();
    };
    std::optional<Keeper> keeper(std::in_place, t.driver, t.plan);
    const auto serves_metadata = [&] { return a.can_connect("169.254.169.254", 80, "10.0.0.11"); };
    struct Row {
      std::string what;
      std::function<void()> damage;
      std::function<bool()> whole;
      int may_lose;  ///< Of one datagram each 10 ms.
    };
    int killed = 0;
    std::string rules;
    const Row rows[] = {
        {"another's tap deleted", [&] { drop_device(victim.tap); },
         [&] { return netlink_has(victim.tap); }, 0},
        {"dnsmasq killed",
         [&] {
           killed = server().value_or(0);
           REQUIRE(killed > 1);
           ::kill(killed, SIGKILL);
         },
         [&] { return server() && *server() != killed; }, 0},
        {"an address taken away in the DHCP namespace",
         [&] {
           auto inside = lb::open_netns(names.netns(network.value));
           REQUIRE(inside);
           Guest(std::move(*inside)).in([&] {
             auto netlink = lb::Netlink::open(NETLINK_ROUTE);
             const auto link = lb::find_link(*netlink, names.dhcp_inner(network.value));
             REQUIRE(lb::delete_address(*netlink, **link, {"10.0.0.2", 24}));
           });
         },
         [&] { return b.dhcp().has_value(); }, 0},
        {"the link taken down in the DHCP namespace",
         [&] {
           auto inside = lb::open_netns(names.netns(network.value));
           REQUIRE(inside);
           Guest(std::move(*inside)).in([&] {
             auto netlink = lb::Netlink::open(NETLINK_ROUTE);
             const auto link = lb::find_link(*netlink, names.dhcp_inner(network.value));
             REQUIRE(lb::change_link(*netlink, **link, {.up = false}));
           });
         },
         [&] { return b.dhcp().has_value(); }, 0},
        {"the DHCP namespace's name taken away",
         [&] { REQUIRE(lb::remove_netns(names.netns(network.value))); },
         [&] { return lb::open_netns(names.netns(network.value)) && b.dhcp(); }, 0},
        {"the process ended, and another started",
         [&] {
           keeper.reset();
           t.driver.reset();
           REQUIRE_FALSE(serves_metadata());
           t.driver = t.make();
           keeper.emplace(t.driver, t.plan);
         },
         serves_metadata, 0},
        // Closed until it is back: that is what keeps a flushed filter from opening anything.
        {"our tables flushed", [&] { nft("flush ruleset\n"); }, [&] { return nft_list() == rules; },
         25},
    };
    for (const auto& row : rows) {
      CAPTURE(row.what);
      keeper->rest();
      rules = nft_list();
      REQUIRE(row.whole());
      Stream stream(a, b, "10.0.0.12", 5000);
      REQUIRE(becomes([&] { return stream.sent() > 5; }));
      const auto began = std::chrono::steady_clock::now();
      row.damage();
      CHECK(becomes(row.whole));
      CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
      const int sent = stream.sent() + 20;
      REQUIRE(becomes([&] { return stream.sent() >= sent; }));
      CHECK(stream.finish() <= row.may_lose);
      CHECK(keeper->failures() == 0);
    }
    keeper.reset();
    converge(*t.driver, {});
  });
}

TEST_CASE(
    "a router that others break is whole within five seconds; who is beside it loses nothing") {
  on_private_host([] {
    OutsideWorld world;
    world.plan.groups.begin()->second.rules.push_back(tcp_from_anywhere(80));
    const PortPlan beside = add_port(world.plan, 12);
    const Guest out = outsider("br-out", "out0", "203.0.113.1", 24);
    const Guest a = guest_of(world.port, "10.0.0.1");
    const Guest b = guest_of(beside, "10.0.0.1");
    converge(*world.driver, world.plan);
    for (const auto* guest : {&out, &a, &b}) guest->await_carrier();
    const auto web = a.listen("10.0.0.11", 80);
    const lb::Names names(kFolder);
    const RouterPlan router = router_of(world.plan);
    const std::string space = names.netns(router.id.value);
    const auto inside = [&](const std::function<Result<void>(lb::Netlink&)>& work) {
      const auto opened = lb::open_netns(space);
      REQUIRE(opened);
      REQUIRE(lb::run_in_netns(opened->get(), [&]() -> Result<void> {
        CLOUDOS_TRY(auto netlink, lb::Netlink::open(NETLINK_ROUTE));
        return work(netlink);
      }));
    };
    const auto with_gateway =
        [&](const std::function<Result<void>(lb::Netlink&, const lb::Link&)>& work) {
          inside([&](lb::Netlink& netlink) -> Result<void> {
            CLOUDOS_TRY(const auto leg,
                        lb::find_link(netlink, lb::leg_inner(names, router.gateway->port)));
            REQUIRE(leg);
            return work(netlink, *leg);
          });
        };
    const auto nft_inside = [&](const std::string& commands) {
      inside([&](lb::Netlink&) -> Result<void> {
        CLOUDOS_TRY(auto context, lb::Nft::open());
        return context.run(commands);
      });
    };
    struct Row {
      std::string what;
      std::function<void()> damage;
    };
    const Row rows[] = {
        {"its namespace's name taken away", [&] { REQUIRE(lb::remove_netns(space)); }},
        {"its translation flushed", [&] { nft_inside("flush ruleset\n"); }},
        {"its leg deleted", [&] { drop_device(lb::leg_outer(names, router.legs.front().port)); }},
        {"its leg deleted from within",
         [&] {
           with_gateway([](lb::Netlink& netlink, const lb::Link& leg) {
             return lb::delete_link(netlink, leg);
           });
         }},
        {"its leg taken down",
         [&] {
           with_gateway([](lb::Netlink& netlink, const lb::Link& leg) {
             return lb::change_link(netlink, leg, {.up = false});
           });
         }},
        {"the floating address taken away",
         [&] {
           with_gateway([](lb::Netlink& netlink, const lb::Link& leg) {
             return lb::delete_address(netlink, leg, {"203.0.113.50", 32});
           });
         }},
        {"its way out taken away",
         [&] {
           inside([](lb::Netlink& netlink) -> Result<void> {
             CLOUDOS_TRY(const auto routes, lb::list_routes(netlink));
             for (const auto& route : routes) CLOUDOS_CHECK(lb::delete_route(netlink, route));
             return Result<void>();
           });
         }},
    };
    std::optional<Keeper> keeper(std::in_place, world.driver, world.plan);
    const auto ways_out = [&] {
      std::size_t count = 0;
      inside([&](lb::Netlink& netlink) -> Result<void> {
        CLOUDOS_TRY(const auto routes, lb::list_routes(netlink));
        count = routes.size();
        return Result<void>();
      });
      return count;
    };
    // Each thing by itself: an outsider on the link needs no route back.
    const auto whole = [&] {
      return lb::open_netns(space) && out.can_connect("203.0.113.50", 80) && ways_out() == 1;
    };
    for (const auto& row : rows) {
      CAPTURE(row.what);
      keeper->rest();
      REQUIRE(becomes(whole));
      Stream stream(a, b, "10.0.0.12", 5000);
      REQUIRE(becomes([&] { return stream.sent() > 5; }));
      const auto began = std::chrono::steady_clock::now();
      row.damage();
      CHECK(becomes(whole));
      CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
      CHECK(stream.finish() == 0);
      CHECK(keeper->failures() == 0);
    }
    keeper.reset();
    converge(*world.driver, {});
  });
}
