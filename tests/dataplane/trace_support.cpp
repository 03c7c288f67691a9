#include "dataplane/trace_support.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "network/linuxbridge/netns.hpp"

namespace dataplane {

using namespace cloudos;
using namespace cloudos::network;

PortPlan stand_in_for(const Port& port) {
  PortPlan plan;
  plan.id = port.id;
  plan.mac = port.mac;
  plan.tap = port.tap;
  for (const FixedIp& fixed : port.fixed_ips) plan.addresses.push_back(fixed.address);
  return plan;
}

std::string address_at(const Port& port) {
  return port.fixed_ips.at(0).address;
}

std::string trace_told(const NetworkTrace& trace) {
  std::string text;
  for (const TraceHop& hop : trace.hops)
    text += fmt::format("{} {}: {} [{}] {}\n", name_of(hop.state), hop.place, hop.text, hop.device,
                        hop.detail);
  return text;
}

void drain(const Fd& listener) {
  pollfd waiting{listener.get(), POLLIN, 0};
  while (::poll(&waiting, 1, 0) == 1)
    if (!Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)).valid()) return;
}

void set_device(const std::string& name, const lb::LinkChange& change) {
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  const auto link = lb::find_link(*netlink, name);
  REQUIRE(link);
  REQUIRE(*link);
  REQUIRE(lb::change_link(*netlink, **link, change));
}

TracedHost::TracedHost(bool routed) {
  make_bridge("br-out");
  LinuxBridgeSettings settings;
  settings.run_dir = dir.path();
  settings.physical_bridges = {{"outside", "br-out"}};
  driver = l3_driver(settings);
  world.emplace(std::vector<std::string>{"outside"},
                std::vector<std::shared_ptr<MechanismDriver>>{driver});
  world->start();
  inside = world->network(p, "inside");
  subnet = world->subnet(p, inside);
  if (routed) {
    NetworkCreate spec;
    spec.name = "external";
    spec.external = true;
    spec.network_type = "flat";
    spec.physical_network = "outside";
    auto made = world->networks->create_network(network_test::admin(), spec);
    REQUIRE(made);
    external = *made;
    SubnetCreate outer;
    outer.network = external.id;
    outer.cidr = "203.0.113.0/24";
    outer.dhcp = false;
    REQUIRE(world->networks->create_subnet(network_test::admin(), outer));
    RouterCreate wanted;
    wanted.gateway = GatewaySpec{external.id, {}, {}};
    const auto here = world->networks->routers().create(p, wanted);
    REQUIRE(here);
    REQUIRE(world->networks->routers().add_interface(p, here->id, {subnet.id, {}}));
    router = *world->networks->routers().router(p, here->id);
    outside.emplace(outsider("br-out", "out0", "203.0.113.1", 24));
  }
  a = plug("s-a");
  b = plug("s-b");
  guest_a.emplace(guest_of(stand_in_for(a), routed ? "10.0.0.1" : ""));
  guest_b.emplace(guest_of(stand_in_for(b), routed ? "10.0.0.1" : ""));
  for (const auto* port : {&a, &b}) {
    const auto wired = world->networks->plug(port->id, ServerId{port->device_id}, "host-1");
    CAPTURE(wired ? "" : wired.error().message + wired.error().detail);
    REQUIRE(wired);
  }
  allow_in("0.0.0.0/0", 80);
  repair();
  guest_a->await_carrier();
  guest_b->await_carrier();
  if (outside) outside->await_carrier();
  web_b = guest_b->listen(address_at(b), 80);
}

TracedHost::~TracedHost() {
  if (driver) {
    driver->watch(nullptr);
    CHECK(driver->converge({}));
  }
}

Port TracedHost::plug(const std::string& server) {
  const auto made = world->server_port(p, inside.id, server);
  REQUIRE(made);
  return *made;
}

void TracedHost::allow_in(const std::string& cidr, std::int64_t port) {
  SecurityGroupRuleCreate rule;
  rule.group = a.security_groups.at(0);
  rule.direction = "ingress";
  rule.protocol = "tcp";
  rule.port_min = rule.port_max = port;
  rule.remote_cidr = cidr;
  REQUIRE(world->networks->create_rule(p, rule));
}

NetworkTrace TracedHost::trace(const std::string& from, const std::string& to,
                               std::int64_t port) const {
  TraceSpec spec;
  spec.from = from;
  spec.to = to;
  spec.port = port;
  const auto found = world->networks->traces().trace(network_test::admin(), spec);
  CAPTURE(found ? "" : found.error().message);
  REQUIRE(found);
  return *found;
}

void TracedHost::repair() {
  world->run(std::chrono::seconds(35));
}

void TracedHost::in_router(const std::function<void()>& work) const {
  const auto space = lb::open_netns(lb::Names(kFolder).netns(router.id.value));
  REQUIRE(space);
  REQUIRE(lb::run_in_netns(space->get(), [&]() -> Result<void> {
    work();
    return Result<void>();
  }));
}

std::string TracedHost::chain(const std::string& prefix, const std::string& id) const {
  return prefix + lb::Names(kFolder).brief(id);
}

void add_six(TracedHost& host) {
  SubnetCreate six;
  six.network = host.inside.id;
  six.ip_version = 6;
  six.cidr = "fd00:1::/64";
  six.ra_mode = six.address_mode = "slaac";
  REQUIRE(host.world->networks->create_subnet(host.p, six));
  host.repair();
}

std::string six_at(TracedHost& host, const Port& port) {
  const auto now = host.world->networks->port(host.p, port.id);
  REQUIRE(now);
  for (const FixedIp& fixed : now->fixed_ips)
    if (fixed.address.find(':') != std::string::npos) return fixed.address;
  return {};
}

}  // namespace dataplane
