#include "cloudos/address_groups.hpp"
#include "cloudos/network_trace.hpp"
#include "cloudos/routers.hpp"
#include "network/support.hpp"
#include "network/trace_path.hpp"
#include "network/trace_rules.hpp"

using namespace network_test;

namespace {

/// Two servers of project p on one network, one on another behind a router, and the outside.
struct TracedWorld : World {
  Context p = member("p");
  Network outside = external_flat();
  Subnet outside_subnet = subnet(admin(), outside, "203.0.113.0/24", false);
  Network front = network(p, "front"), back = network(p, "back");
  Subnet front_subnet = subnet(p, front), back_subnet = subnet(p, back, "10.1.0.0/24");
  Router router = made_router();
  Port a, b, c;

  TracedWorld() {
    start();
    a = plugged(p, front.id, "s-a");
    b = plugged(p, front.id, "s-b");
    c = plugged(p, back.id, "s-c");
    run();
  }
  Network external_flat() {
    NetworkCreate spec;
    spec.name = "ext";
    spec.external = true;
    spec.network_type = "flat";
    spec.physical_network = "physnet1";
    auto made = networks->create_network(admin(), spec);
    REQUIRE(made);
    return *made;
  }
  Router made_router() {
    RouterCreate spec;
    spec.gateway = GatewaySpec{outside.id, {}, {}};
    auto made = networks->routers().create(p, spec);
    REQUIRE(made);
    for (const SubnetId& subnet : {front_subnet.id, back_subnet.id})
      REQUIRE(networks->routers().add_interface(p, made->id, {subnet, {}}));
    return *networks->routers().router(p, made->id);
  }
  Port plugged(const Context& ctx, const NetworkId& net, const std::string& server) {
    const auto made = server_port(ctx, net, server);
    REQUIRE(made);
    REQUIRE(networks->plug(made->id, ServerId{server}, "host-1"));
    return *networks->port(ctx, made->id);
  }
  void allow(const std::string& direction, const std::string& protocol, std::int64_t port,
             const std::string& cidr = {}) {
    SecurityGroupRuleCreate rule;
    rule.group = a.security_groups.at(0);
    rule.direction = direction;
    rule.protocol = protocol;
    rule.port_min = rule.port_max = port;
    rule.remote_cidr = cidr;
    REQUIRE(networks->create_rule(p, rule));
    run();
  }
  NetworkTrace trace(const Context& ctx, const TraceSpec& spec) const {
    const auto found = networks->traces().trace(ctx, spec);
    if (!found) FAIL(found.error().message);
    return *found;
  }
  FloatingIp floating(const PortId& port) {
    FloatingIpCreate spec;
    spec.network = outside.id;
    spec.port = port;
    const auto made = networks->routers().create_floating_ip(p, spec);
    REQUIRE(made);
    run();
    return *made;
  }
};

std::string address_of(const Port& port) {
  return port.fixed_ips.at(0).address;
}

std::string way_text(const NetworkTrace& trace) {
  std::string text;
  for (const TraceHop& hop : trace.hops)
    text += fmt::format("{} {}: {} [{}]\n", name_of(hop.state), hop.place, hop.text, hop.detail);
  return text;
}

TraceSpec tcp(const std::string& from, const std::string& to, std::int64_t port) {
  TraceSpec spec;
  spec.from = from;
  spec.to = to;
  spec.port = port;
  return spec;
}

}  // namespace

TEST_CASE("a trace follows records from port to port, through routers and outside") {
  TracedWorld world;
  const FloatingIp floating = world.floating(world.b.id);
  world.allow("ingress", "tcp", 80, "0.0.0.0/0");
  struct Row {
    std::string what;
    TraceSpec spec;
    bool delivered;
    std::string place, text;
  };
  const std::string a = world.a.id.value;
  FloatingIpCreate shared;
  shared.network = world.outside.id;
  const auto front = world.networks->routers().create_floating_ip(world.p, shared);
  REQUIRE(front);
  PortForwardingCreate forward;
  forward.protocol = "tcp";
  forward.external_first = forward.external_last = 8080;
  forward.internal_first = forward.internal_last = 80;
  forward.internal_port = world.c.id;
  forward.internal_address = address_of(world.c);
  REQUIRE(world.networks->routers().create_forwarding(world.p, front->id, forward));
  const auto unused = world.networks->routers().create_floating_ip(world.p, shared);
  REQUIRE(unused);
  RouterUpdate routes;
  routes.routes = std::vector<HostRoute>{{"192.0.2.0/24", address_of(world.b)}};
  REQUIRE(world.networks->routers().update(world.p, world.router.id, routes));
  world.run();
  TraceSpec spoofed = tcp(a, address_of(world.b), 80);
  spoofed.source = "10.0.0.99";
  TraceSpec ping;
  ping.from = a;
  ping.to = address_of(world.b);
  TraceSpec other_mac = tcp(a, address_of(world.b), 80);
  other_mac.source_mac = "fa:16:3e:99:99:99";
  const Row rows[] = {
      {"a ping within the default group", ping, true, "receiver", "Delivered"},
      {"an open port", tcp(a, address_of(world.b), 80), true, "receiver", "Delivered"},
      {"from an address", tcp(address_of(world.a), address_of(world.b), 80), true, "receiver",
       "Delivered"},
      {"to a port's id", tcp(a, world.b.id.value, 80), true, "receiver", "Delivered"},
      {"a spoofed address", spoofed, false, "source", "may not send as 10.0.0.99"},
      {"a spoofed MAC", other_mac, false, "source", "fa:16:3e:99:99:99"},
      {"an address that nobody has", tcp(a, "10.0.0.200", 80), false, "forwarding", "Nobody"},
      {"through the router", tcp(a, address_of(world.c), 80), true, "receiver", "Delivered"},
      {"outside", tcp(a, "198.51.100.7", 443), true, "outside", "towards 198.51.100.7"},
      {"from outside, by the floating address", tcp("198.51.100.7", floating.address, 80), true,
       "receiver", "Delivered"},
      {"from outside, a closed port", tcp("198.51.100.7", floating.address, 81), false, "ingress",
       "No rule"},
      {"from outside, an inner address", tcp("198.51.100.7", address_of(world.a), 80), false,
       "outside", "no external network"},
      {"the router's own address", tcp(a, "10.0.0.1", 22), true, "receiver", "router itself"},
      {"the floating address from within", tcp(world.c.id.value, floating.address, 80), true,
       "receiver", "Delivered"},
      {"by a forwarded port", tcp("198.51.100.7", front->address, 8080), true, "receiver",
       "Delivered"},
      {"by a port that is not forwarded", tcp("198.51.100.7", front->address, 81), false,
       "translation", "No port forwarding"},
      {"a floating address of nobody's", tcp("198.51.100.7", unused->address, 80), false,
       "translation", "leads nowhere"},
      {"by an extra route, to a port without that address", tcp(world.c.id.value, "192.0.2.9", 80),
       true, "receiver", "Delivered"},
      {"the router's outer address from outside",
       tcp("198.51.100.7", world.router.gateway_ips.at(0).address, 22), false, "receiver",
       "answers pings"},
      {"metadata", tcp(a, "169.254.169.254", 80), true, "receiver", "router itself"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const NetworkTrace trace = world.trace(admin(), row.spec);
    CAPTURE(way_text(trace));
    CHECK(trace.delivered == row.delivered);
    CHECK(trace.hops.back().place == row.place);
    CHECK(trace.summary.find(row.text) != std::string::npos);
    CHECK((trace.hops.back().state == TraceState::Drops) == !row.delivered);
    CHECK(trace.certain);
    if (!row.delivered) CHECK_FALSE(trace.remedy.empty());
  }
}

TEST_CASE("records that stop a packet are named, with what to do") {
  struct Row {
    std::string what;
    std::function<void(TracedWorld&)> change;
    std::string place, text;
    bool delivered = false;
  };
  const auto port_down = [](TracedWorld& world, const PortId& id) {
    PortUpdate change;
    change.admin_up = false;
    REQUIRE(world.networks->update_port(world.p, id, change));
  };
  const Row rows[] = {
      {"the sender is down", [&](TracedWorld& w) { port_down(w, w.a.id); }, "port",
       "administratively down"},
      {"the receiver is down", [&](TracedWorld& w) { port_down(w, w.c.id); }, "port",
       "administratively down"},
      {"the sender is unplugged", [](TracedWorld& w) { REQUIRE(w.networks->unplug(w.a.id)); },
       "port", "on no host"},
      {"the receiver is unplugged", [](TracedWorld& w) { REQUIRE(w.networks->unplug(w.c.id)); },
       "port", "on no host"},
      {"no group lets it out",
       [](TracedWorld& w) {
         PortUpdate change;
         change.security_groups = std::vector<SecurityGroupId>{};
         REQUIRE(w.networks->update_port(w.p, w.a.id, change));
       },
       "egress", "in no security group"},
      {"the network is down",
       [](TracedWorld& w) {
         NetworkUpdate change;
         change.admin_up = false;
         REQUIRE(w.networks->update_network(w.p, w.front.id, change));
       },
       "network", "administratively down"},
      {"the router is down",
       [](TracedWorld& w) {
         RouterUpdate change;
         change.admin_up = false;
         REQUIRE(w.networks->routers().update(w.p, w.router.id, change));
       },
       "router", "administratively down"},
      {"the router lost its leg",
       [](TracedWorld& w) {
         REQUIRE(w.networks->routers().remove_interface(w.p, w.router.id, {w.back_subnet.id, {}}));
       },
       "outside", "towards 10.1.0.", true},  // By the default route.
      {"the subnet has no gateway",
       [](TracedWorld& w) {
         REQUIRE(w.networks->routers().remove_interface(w.p, w.router.id, {w.front_subnet.id, {}}));
         SubnetUpdate change;
         change.gateway = "";
         REQUIRE(w.networks->update_subnet(w.p, w.front_subnet.id, change));
       },
       "route", "no gateway"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    TracedWorld world;
    world.allow("ingress", "tcp", 80);
    row.change(world);
    world.run();
    const NetworkTrace trace = world.trace(world.p, tcp(world.a.id.value, address_of(world.c), 80));
    CAPTURE(way_text(trace));
    CHECK(trace.delivered == row.delivered);
    CHECK(trace.hops.back().place == row.place);
    CHECK(trace.summary.find(row.text) != std::string::npos);
    CHECK(trace.remedy.empty() == row.delivered);
  }
}

TEST_CASE("a host that holds something else is named as the one that drops it") {
  TracedWorld world;
  world.allow("ingress", "tcp", 80);
  const TraceSpec spec = tcp(world.a.id.value, address_of(world.c), 80);
  CHECK(world.trace(admin(), spec).delivered);
  world.driver->reboot();
  const NetworkTrace trace = world.trace(admin(), spec);
  CHECK_FALSE(trace.delivered);
  CHECK(trace.hops.back().place == "device");
  CHECK(trace.hops.back().host == "host-1");
  CHECK(trace.summary == "The port's device is not there.");
  world.driver->set_fault([](std::string_view call, const std::string&) -> std::optional<Error> {
    if (call != "inspect") return std::nullopt;
    return Error{ErrorCode::Unavailable, "the host is silent", {}};
  });
  const NetworkTrace blind = world.trace(admin(), spec);
  CHECK(blind.delivered);
  CHECK_FALSE(blind.certain);
  world.driver->set_fault(nullptr);
}

TEST_CASE("tenants see their own part of the way and nothing of others'") {
  TracedWorld world;
  NetworkCreate shared;
  shared.name = "shared-net";
  shared.shared = true;
  const auto net = world.networks->create_network(admin(), shared);
  REQUIRE(net);
  world.subnet(admin(), *net, "10.9.0.0/24");
  const Port mine = world.plugged(world.p, net->id, "s-mine");
  const Port theirs = world.plugged(member("q"), net->id, "s-theirs");
  world.run();
  const TraceSpec spec = tcp(mine.id.value, address_of(theirs), 80);
  const NetworkTrace whole = world.trace(admin(), spec);
  CHECK(whole.hops.back().place == "ingress");
  const NetworkTrace part = world.trace(world.p, spec);
  CAPTURE(way_text(part));
  CHECK_FALSE(part.delivered);
  CHECK(part.hops.front().place == "port");
  CHECK(part.hops.back().place == "provider");
  CHECK(part.hops.back().state == TraceState::Drops);
  for (const TraceHop& hop : part.hops) {
    CHECK(hop.host.empty());
    CHECK(hop.device.empty());
    CHECK(hop.detail.empty());
    CHECK(hop.id != theirs.id.value);
    CHECK(hop.text.find(theirs.mac) == std::string::npos);
    if (hop.place != "provider") continue;
    CHECK(hop.id.empty());
    CHECK(hop.resource.empty());
    CHECK(hop.packet.empty());
    CHECK_FALSE(hop.packets);
  }
  // Nor the addresses of who stands outside, before the cloud.
  const NetworkTrace out = world.trace(world.p, tcp(world.a.id.value, "198.51.100.7", 443));
  CAPTURE(way_text(out));
  CHECK(out.delivered);
  for (const TraceHop& hop : out.hops) {
    CHECK((hop.text + " ").find("203.0.113.1.") == std::string::npos);
    CHECK((hop.text + " ").find("203.0.113.1 ") == std::string::npos);
    CHECK(hop.detail.empty());
  }
  const auto traces = [&](const Context& ctx, const std::string& from, const std::string& to) {
    return code_of(world.networks->traces().trace(ctx, tcp(from, to, 80)));
  };
  CHECK(traces(member("q"), mine.id.value, address_of(theirs)) == ErrorCode::NotFound);
  const FloatingIp floating = world.floating(world.b.id);
  CHECK(traces(member("q"), "198.51.100.7", floating.address) == ErrorCode::Forbidden);
  CHECK(world.networks->traces().trace(world.p, tcp("198.51.100.7", floating.address, 80)));
}

TEST_CASE("IPv6 from outside goes in by the router that has the address behind it") {
  TracedWorld world;
  SubnetCreate six;
  six.network = world.back.id;
  six.ip_version = 6;
  six.cidr = "fd00:1::/64";
  const auto subnet = world.networks->create_subnet(world.p, six);
  REQUIRE(subnet);
  REQUIRE(world.networks->routers().add_interface(world.p, world.router.id, {subnet->id, {}}));
  const Port both = world.plugged(world.p, world.back.id, "s-both");
  world.run();
  std::string inner;
  for (const FixedIp& fixed : both.fixed_ips)
    if (fixed.address.find(':') != std::string::npos) inner = fixed.address;
  REQUIRE_FALSE(inner.empty());
  TraceSpec ping;
  ping.from = "2001:db8::7";
  ping.to = inner;
  const NetworkTrace closed = world.trace(admin(), ping);
  CAPTURE(way_text(closed));
  CHECK(closed.hops.back().place == "ingress");
  SecurityGroupRuleCreate rule;
  rule.group = both.security_groups.at(0);
  rule.direction = "ingress";
  rule.ethertype = "IPv6";
  rule.protocol = "ipv6-icmp";
  REQUIRE(world.networks->create_rule(world.p, rule));
  world.run();
  for (const Context& ctx : {admin(), world.p}) {
    const NetworkTrace open = world.trace(ctx, ping);
    CAPTURE(way_text(open));
    CHECK(open.delivered);
    CHECK(std::any_of(open.hops.begin(), open.hops.end(), [&](const TraceHop& hop) {
      return hop.place == "router" && hop.id == world.router.id.value;
    }));
  }
  CHECK(code_of(world.networks->traces().trace(member("q"), ping)) == ErrorCode::Forbidden);
  ping.to = "fd00:2::9";
  const NetworkTrace nowhere = world.trace(admin(), ping);
  CHECK(nowhere.hops.back().place == "outside");
  CHECK_FALSE(nowhere.delivered);
  CHECK(code_of(world.networks->traces().trace(member("q"), ping)) == ErrorCode::Forbidden);
}

namespace {

/// Carries every port, and lets a test know when it is looked at.
struct LookedAt final : network::MechanismDriver {
  std::function<void()> looked;
  std::string_view name() const override { return "looked-at"; }
  Result<void> precommit(store::Txn&, const network::Change&) override { return Result<void>(); }
  Result<void> postcommit(const network::Change&) override { return Result<void>(); }
  Result<void> converge(const network::Plan&) override { return Result<void>(); }
  std::optional<network::Binding> bind_port(const network::PortContext&) const override {
    return network::Binding{"looked-at", "other", {}, {}};
  }
  Result<network::Finding> inspect(const network::Inspection&) override {
    if (looked) looked();
    network::Finding finding;
    finding.known = true;
    return finding;
  }
};

}  // namespace

TEST_CASE("so many traces run at once, and one more is told to come again") {
  const auto driver = std::make_shared<LookedAt>();
  World world({"physnet1"}, {driver});
  world.start();
  const Context p = member("p");
  const Network net = world.network(p);
  world.subnet(p, net);
  const auto a = world.server_port(p, net.id, "s-a");
  const auto b = world.server_port(p, net.id, "s-b");
  REQUIRE(a);
  REQUIRE(b);
  for (const auto* port : {&*a, &*b})
    REQUIRE(world.networks->plug(port->id, ServerId{port->device_id}, "host-1"));
  world.run();
  const auto ask = [&] {
    return world.networks->traces().trace(p, tcp(a->id.value, address_of(*b), 80));
  };
  int running = 0;
  std::optional<ErrorCode> refused;
  driver->looked = [&] {  // Each starts the next while it runs itself.
    if (refused) return;
    const auto next = ask();
    if (!next && !refused) refused = next.error().code;
    ++running;
  };
  REQUIRE(ask());
  CHECK(refused == ErrorCode::Unavailable);
  CHECK(running == network::tracing::kMaxTraces);
  driver->looked = nullptr;
  CHECK(ask());  // All of them gave their place back.
}

TEST_CASE("what is no packet is refused") {
  TracedWorld world;
  const std::string a = world.a.id.value;
  struct Row {
    std::string what;
    TraceSpec spec;
    ErrorCode code;
  };
  TraceSpec no_port = tcp(a, "10.0.0.9", 80);
  no_port.port.reset();
  no_port.protocol = "udp";
  TraceSpec port_of_gre = tcp(a, "10.0.0.9", 80);
  port_of_gre.protocol = "gre";
  TraceSpec unknown = tcp(a, "10.0.0.9", 80);
  unknown.protocol = "carrier-pigeon";
  TraceSpec mixed = tcp(a, "10.0.0.9", 80);
  mixed.source = "fd00::1";
  TraceSpec mac = tcp(a, "10.0.0.9", 80);
  mac.source_mac = "01:00:5e:00:00:01";
  const Row rows[] = {
      {"no sender", tcp("", "10.0.0.9", 80), ErrorCode::InvalidArgument},
      {"no receiver", tcp(a, "", 80), ErrorCode::InvalidArgument},
      {"a sender that is not there", tcp("nobody", "10.0.0.9", 80), ErrorCode::NotFound},
      {"a receiver that is not there", tcp(a, "nobody", 80), ErrorCode::NotFound},
      {"udp without a port", no_port, ErrorCode::InvalidArgument},
      {"a port of what has none", port_of_gre, ErrorCode::InvalidArgument},
      {"no such protocol", unknown, ErrorCode::InvalidArgument},
      {"port 0", tcp(a, "10.0.0.9", 0), ErrorCode::InvalidArgument},
      {"port 65536", tcp(a, "10.0.0.9", 65536), ErrorCode::InvalidArgument},
      {"both kinds of addresses", mixed, ErrorCode::InvalidArgument},
      {"a group's MAC", mac, ErrorCode::InvalidArgument},
      {"from the router's leg", tcp(world.router.interfaces.at(0).value, "10.0.0.9", 80),
       ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(code_of(world.networks->traces().trace(admin(), row.spec)) == row.code);
  }
}

TEST_CASE("the rule that decides is the one that drivers would let the packet through by") {
  namespace tracing = network::tracing;
  TracedWorld world;
  AddressGroupCreate addresses;
  addresses.addresses = {"10.77.0.0/16"};
  const auto group = world.networks->address_groups().create(world.p, {addresses});
  REQUIRE(group);
  SecurityGroupCreate empty;
  empty.name = "closed";
  const auto closed = world.networks->create_group(world.p, empty);
  REQUIRE(closed);
  Port port = world.a;
  port.security_groups = {closed->id};
  const auto add = [&](const std::string& protocol, std::optional<std::int64_t> low,
                       std::optional<std::int64_t> high, const std::string& cidr,
                       const SecurityGroupId& remote, const AddressGroupId& prefixes,
                       const std::string& type) {
    SecurityGroupRuleCreate rule;
    rule.group = closed->id;
    rule.direction = "ingress";
    rule.ethertype = type;
    rule.protocol = protocol;
    rule.port_min = low;
    rule.port_max = high;
    rule.remote_cidr = cidr;
    rule.remote_group = remote;
    rule.remote_address_group = prefixes;
    REQUIRE(world.networks->create_rule(world.p, rule));
  };
  add("tcp", 80, 90, "192.0.2.0/24", {}, {}, "IPv4");
  add("udp", 53, 53, "", world.b.security_groups.at(0), {}, "IPv4");
  add("tcp", 22, 22, "", {}, group->front().id, "IPv4");
  add("icmp", 8, 0, "", {}, {}, "IPv4");
  add("47", {}, {}, "", {}, {}, "IPv4");
  add("ipv6-icmp", {}, {}, "fd00::/16", {}, {}, "IPv6");
  struct Row {
    std::string what, from;
    unsigned protocol;
    std::uint32_t port;
    bool allowed;
  };
  const Row rows[] = {
      {"within range and prefix", "192.0.2.9", 6, 85, true},
      {"the range's last", "192.0.2.9", 6, 90, true},
      {"behind the range", "192.0.2.9", 6, 91, false},
      {"outside of the prefix", "192.0.3.9", 6, 85, false},
      {"another protocol", "192.0.2.9", 17, 85, false},
      {"a member of the remote group", address_of(world.b), 17, 53, true},
      {"no member of it", "10.0.0.250", 17, 53, false},
      {"of the address group", "10.77.3.4", 6, 22, true},
      {"not of the address group", "10.78.3.4", 6, 22, false},
      {"a ping", "8.8.8.8", 1, 8, true},
      {"another ICMP type", "8.8.8.8", 1, 13, false},
      {"a protocol by number", "8.8.8.8", 47, 0, true},
      {"IPv6 by its own rule", "fd00::9", 58, 128, true},
      {"IPv6 from elsewhere", "fe00::9", 58, 128, false},
      {"IPv6 by no IPv4 rule", "fd00::9", 47, 0, false},
  };
  const auto snapshot = *world.store->snapshot();
  for (const Row& row : rows) {
    CAPTURE(row.what);
    network::Packet packet;
    packet.source = row.from;
    packet.destination = row.from.find(':') == std::string::npos ? "10.0.0.3" : "fd00::3";
    packet.protocol = row.protocol;
    packet.port = row.port;
    const auto rule = tracing::deciding_rule(*snapshot, port, packet, true);
    REQUIRE(rule);
    CHECK(rule->has_value() == row.allowed);
    const auto out = tracing::deciding_rule(*snapshot, port, packet, false);
    REQUIRE(out);
  }
}
