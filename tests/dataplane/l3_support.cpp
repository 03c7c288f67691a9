#include "dataplane/l3_support.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "network/linuxbridge/routes.hpp"

namespace dataplane {

using namespace cloudos;
using namespace cloudos::network;

std::shared_ptr<LinuxBridgeDriver> l3_driver(LinuxBridgeSettings settings) {
  if (settings.folder_id.empty()) settings.folder_id = kFolder;
  auto made = make_linuxbridge(std::move(settings), nullptr, Log());
  CAPTURE(made ? "" : made.error().message + made.error().detail);
  REQUIRE(made);
  return *made;
}

void converge(MechanismDriver& driver, const Plan& plan) {
  const auto done = driver.converge(plan);
  CAPTURE(done ? "" : done.error().message + "\n" + done.error().detail);
  REQUIRE(done);
}

void tell(MechanismDriver& driver, const Change& change) {
  const auto done = driver.postcommit(change);
  CAPTURE(done ? "" : done.error().message + "\n" + done.error().detail);
  REQUIRE(done);
}

void make_bridge(const std::string& name) {
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  const auto bridge = lb::add_bridge(*netlink, name, "", "02:00:00:00:00:01", 1500);
  REQUIRE(bridge);
  REQUIRE(lb::change_link(*netlink, *bridge, {.up = true}));
}

void drop_device(const std::string& name) {
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  const auto link = lb::find_link(*netlink, name);
  REQUIRE(link);
  REQUIRE(*link);
  REQUIRE(lb::delete_link(*netlink, **link));
}

Guest outsider(const std::string& bridge, const std::string& tap, const std::string& address,
               unsigned length) {
  PortPlan port;
  port.id = PortId("outsider");
  port.mac = "02:00:00:00:00:99";
  port.tap = tap;
  Guest out("somebody", port);
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  const auto to = lb::find_link(*netlink, bridge);
  const auto end = lb::find_link(*netlink, tap);
  REQUIRE(lb::change_link(*netlink, **end, {.up = true, .master = (*to)->index}));
  out.add_address(address, length);
  return out;
}

void set_default_route(const Guest& guest, const std::string& via) {
  guest.in([&] {
    auto inside = lb::Netlink::open(NETLINK_ROUTE);
    const auto device = lb::find_link(*inside, "eth0");
    const bool v6 = via.find(':') != std::string::npos;
    REQUIRE(lb::add_route(*inside, {v6 ? "::/0" : "0.0.0.0/0", via, (*device)->index}));
  });
}

Guest guest_of(const PortPlan& port, const std::string& gateway) {
  Guest guest(kFolder, port);
  for (const auto& address : port.addresses)
    if (address.find(':') == std::string::npos) guest.add_address(address, 24);
  if (!gateway.empty()) set_default_route(guest, gateway);
  return guest;
}

Plan routed_plan() {
  Plan plan = simple_plan();
  NetworkPlan outside;
  outside.id = NetworkId("55555555-5555-4555-8555-555555555555");
  outside.type = "flat";
  outside.physical_network = "outside";
  SubnetPlan subnet;
  subnet.id = SubnetId("66666666-6666-4666-8666-666666666666");
  subnet.cidr = "203.0.113.0/24";
  subnet.dhcp = false;
  outside.subnets.push_back(subnet);
  RouterPlan router;
  router.id = RouterId("77777777-7777-4777-8777-777777777777");
  RouterPortPlan leg;
  leg.port = PortId("88888888-8888-4888-8888-888888888888");
  leg.network = plan.networks.begin()->first;
  leg.mac = "fa:16:3e:00:02:01";
  leg.addresses = {"10.0.0.1/24"};
  router.legs = {leg};
  RouterPortPlan gateway;
  gateway.port = PortId("99999999-9999-4999-8999-999999999999");
  gateway.network = outside.id;
  gateway.mac = "fa:16:3e:00:02:02";
  gateway.addresses = {"203.0.113.2/24"};
  router.gateway = gateway;
  router.gateway_hops = {"203.0.113.1"};
  plan.networks.emplace(outside.id, outside);
  plan.routers.emplace(router.id, router);
  return plan;
}

RouterPlan& router_of(Plan& plan) {
  return plan.routers.begin()->second;
}

std::string peer_of_next(const Fd& listener) {
  pollfd waiting{listener.get(), POLLIN, 0};
  if (::poll(&waiting, 1, 1'000) != 1) return "";
  sockaddr_in peer{};
  socklen_t size = sizeof peer;
  const Fd got(
      ::accept4(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
  std::array<char, INET_ADDRSTRLEN> text{};
  inet_ntop(AF_INET, &peer.sin_addr, text.data(), text.size());
  return got.valid() ? text.data() : "";
}

bool becomes(const std::function<bool()>& so, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!so()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

std::vector<std::string> addresses_of(const Guest& guest) {
  std::vector<std::string> out;
  guest.in([&] {
    auto inside = lb::Netlink::open(NETLINK_ROUTE);
    const auto device = lb::find_link(*inside, "eth0");
    const auto has = lb::list_addresses(*inside, **device);
    REQUIRE(has);
    for (const auto& one : *has) out.push_back(one.address);
  });
  return out;
}

}  // namespace dataplane
