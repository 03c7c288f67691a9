#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "dataplane/trace_support.hpp"
#include "dataplane/traffic.hpp"
#include "network/trace_rules.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

Fd listen6(const Guest& guest, std::uint16_t port) {
  Fd out;
  guest.in([&] {
    Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;  // IPv4 has a listener of its own there.
    REQUIRE(::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
    sockaddr_in6 at{};
    at.sin6_family = AF_INET6;
    at.sin6_port = htons(port);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(fd.get(), 64) == 0);
    out = std::move(fd);
  });
  return out;
}

}  // namespace

TEST_CASE("a trace of IPv6 names what is broken, and IPv6 packets agree") {
  on_private_host([] {
    TracedHost host(false);
    add_six(host);
    const std::string from = six_at(host, host.a), to = six_at(host, host.b);
    host.guest_a->add_address(from, 64);
    host.guest_b->add_address(to, 64);
    const auto web = listen6(*host.guest_b, 80);
    const auto packet = [&] {
      const bool came = connect6(*host.guest_a, to, 80).valid();
      drain(web);
      return came;
    };
    const lb::Names names(kFolder);
    const std::string filter = "inet " + names.table() + " ";
    struct Row {
      std::string what;
      std::function<void()> damage;
      std::string place;
    };
    const Row rows[] = {
        {"the group lacks the sender's address",
         [&] {
           nft(fmt::format("delete element {}{} {{ {} }}", filter,
                           host.chain("m6_", host.a.security_groups.at(0).value), from));
         },
         "ingress"},
        {"the receiver's rules are flushed",
         [&] { nft("flush chain " + filter + host.chain("i_", host.b.id.value)); }, "ingress"},
        {"the sender's rules are flushed",
         [&] { nft("flush chain " + filter + host.chain("e_", host.a.id.value)); }, "egress"},
        {"the receiver's device is down", [&] { set_device(host.b.tap, {.up = false}); }, "device"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.what);
      const auto before = host.trace(host.a.id.value, to, 80);
      CAPTURE(trace_told(before));
      REQUIRE(before.delivered);
      REQUIRE(becomes(packet));
      row.damage();
      const auto broken = host.trace(host.a.id.value, to, 80);
      CAPTURE(trace_told(broken));
      CHECK_FALSE(broken.delivered);
      CHECK(broken.hops.back().place == row.place);
      CHECK_FALSE(packet());
      host.repair();
    }
    CHECK(becomes(packet));
  });
}

TEST_CASE("a leg that should be advertised and is not is noticed, and packets go on all the same") {
  on_private_host([] {
    const TempDir dir;
    make_bridge("br-out");
    LinuxBridgeSettings settings;
    settings.run_dir = dir.path();
    settings.physical_bridges = {{"outside", "br-out"}};
    auto driver = l3_driver(settings);
    Plan plan = routed_plan();
    RouterPlan& router = router_of(plan);
    const NetworkId network = router.legs.front().network;
    router.legs.front().addresses.emplace_back("fd00:1::1/64");
    router.advertise = {{network, "fd00:1::/64", "slaac", {}, 1500}};
    converge(*driver, plan);
    Inspection asked;
    asked.place = Inspection::Place::Leg;
    asked.router = router.id;
    asked.port = router.legs.front().port;
    asked.network = network;
    asked.addresses = {"fd00:1::1"};
    const auto faults = [&](const std::string& destination) {
      asked.plan = std::make_shared<const Plan>(plan);
      asked.packet.destination = destination;
      const auto found = driver->inspect(asked);
      REQUIRE(found);
      REQUIRE(found->known);
      return found->faults;
    };
    CHECK(faults("fd00:1::99").empty());
    driver = l3_driver(settings);  // As after a restart, before the host is looked at.
    const auto silent = faults("fd00:1::99");
    REQUIRE(silent.size() == 1);
    CHECK(silent.front().text.find("does not advertise") != std::string::npos);
    CHECK_FALSE(silent.front().drops);
    CHECK(faults("10.0.0.9").empty());  // Nothing that IPv4 needs.
    converge(*driver, plan);
    CHECK(faults("fd00:1::99").empty());
    router.advertise.clear();
    converge(*driver, plan);
    CHECK(faults("fd00:1::99").empty());  // Nor should it be.
    converge(*driver, {});
  });
}
