#include "cloudos/routers.hpp"
#include "network/plan_router.hpp"
#include "network/support.hpp"

using namespace network_test;

namespace {

/// An external network of the admin's, and a project's network behind a router.
struct Layer3 : World {
  Context p = member("p");
  Network outside = external();
  Subnet outside_subnet = subnet(admin(), outside, "203.0.113.0/24", false);
  Network inside = network(p, "inside");
  Subnet inside_subnet = subnet(p, inside);

  Network external(const std::string& name = "ext") {
    NetworkCreate spec;
    spec.name = name;
    spec.external = true;
    auto made = networks->create_network(admin(), spec);
    REQUIRE(made);
    return *made;
  }
  Router router(bool gateway = true, bool leg = true) {
    RouterCreate spec;
    if (gateway) spec.gateway = GatewaySpec{outside.id, {}, {}};
    auto made = networks->routers().create(p, spec);
    if (!made) FAIL(made.error().message);
    if (leg) REQUIRE(networks->routers().add_interface(p, made->id, {inside_subnet.id, {}}));
    return *networks->routers().router(p, made->id);
  }
  Result<FloatingIp> floating(const PortId& port = {}, const std::string& fixed = {}) {
    FloatingIpCreate spec;
    spec.network = outside.id;
    spec.port = port;
    spec.fixed_address = fixed;
    return networks->routers().create_floating_ip(p, spec);
  }
};

}  // namespace

TEST_CASE("a router's legs are ports that only the router takes away") {
  Layer3 world;
  Routers& routers = world.networks->routers();
  const Router router = world.router();
  REQUIRE(router.interfaces.size() == 1);
  const auto leg = world.networks->port(world.p, router.interfaces[0]);
  REQUIRE(leg);
  CHECK(leg->router == router.id);
  CHECK(leg->device_owner == "network:router_interface");
  CHECK(leg->device_id == router.id.value);
  CHECK(leg->fixed_ips[0].address == "10.0.0.1");
  CHECK(type_of(world.networks->delete_port(admin(), leg->id)) == "ServicePortInUse");
  PortUpdate move;
  move.device_id = "another";
  CHECK(type_of(world.networks->update_port(admin(), leg->id, move)) == "ServicePortInUse");
  CHECK(type_of(world.networks->delete_port(admin(), router.gateway_port)) == "ServicePortInUse");
  CHECK(type_of(routers.remove(world.p, router.id)) == "RouterInUse");
  CHECK(type_of(world.networks->delete_subnet(world.p, world.inside_subnet.id)) == "SubnetInUse");
  REQUIRE(routers.remove_interface(world.p, router.id, {world.inside_subnet.id, {}}));
  CHECK_FALSE(world.networks->port(world.p, leg->id));
  REQUIRE(routers.remove(world.p, router.id));
  CHECK(world.used("p", "routers") == 0);
  CHECK_FALSE(world.networks->port(admin(), router.gateway_port));
}

TEST_CASE("a leg is asked for by subnet or by port, and by nothing that is another's or overlaps") {
  Layer3 world;
  Routers& routers = world.networks->routers();
  const Router router = world.router(false);
  const auto add = [&](const RouterLeg& leg) {
    return type_of(routers.add_interface(world.p, router.id, leg));
  };
  CHECK(add({}) == "BadRequest");
  CHECK(add({world.inside_subnet.id, PortId{"x"}}) == "BadRequest");
  CHECK(add({world.inside_subnet.id, {}}) == "BadRequest");  // It has one there.
  const Network other = world.network(world.p, "other");
  CHECK(add({world.subnet(world.p, other, "10.0.0.0/25").id, {}}) == "BadRequest");
  const Network foreign = world.network(member("q"), "foreign");
  const Subnet theirs = world.subnet(member("q"), foreign, "10.9.0.0/24");
  CHECK(add({theirs.id, {}}) == "SubnetNotFound");
  const auto their_port = world.port(member("q"), foreign.id);
  CHECK(add({{}, their_port->id}) == "PortNotFound");
  CHECK(type_of(routers.add_interface(member("q"), router.id, {theirs.id, {}})) ==
        "RouterNotFound");
  const auto server = world.port(world.p, other.id, "server-1");
  CHECK(add({{}, server->id}) == "PortInUse");
  const Network third = world.network(world.p, "third");
  const Subnet sub = world.subnet(world.p, third, "10.3.0.0/24");
  const auto own = world.port(world.p, third.id);
  const auto added = routers.add_interface(world.p, router.id, {{}, own->id});
  REQUIRE(added);
  CHECK(added->port == own->id);
  CHECK(added->subnets == std::vector<SubnetId>{sub.id});
  CHECK(world.networks->port(world.p, own->id)->security_groups.empty());
  CHECK(type_of(routers.remove_interface(world.p, router.id, {sub.id, PortId{"no"}})) ==
        "RouterInterfaceNotFound");
  CHECK(type_of(routers.remove_interface(world.p, router.id, {theirs.id, {}})) ==
        "RouterInterfaceNotFoundForSubnet");
}

TEST_CASE("a gateway is on an external network; who stands on it keeps it there") {
  Layer3 world;
  Routers& routers = world.networks->routers();
  const Router router = world.router();
  CHECK(router.gateway_ips.size() == 1);
  CHECK(router.snat);
  RouterUpdate inner, none;
  inner.gateway = GatewaySpec{world.inside.id, {}, {}};
  none.gateway = GatewaySpec{};
  CHECK(type_of(routers.update(world.p, router.id, inner)) == "BadRequest");
  const auto port = world.port(world.p, world.inside.id, "server-1");
  const auto floating = world.floating(port->id);
  REQUIRE(floating);
  CHECK(type_of(routers.update(world.p, router.id, none)) ==
        "RouterExternalGatewayInUseByFloatingIp");
  CHECK(type_of(routers.remove_interface(world.p, router.id, {world.inside_subnet.id, {}})) ==
        "RouterInterfaceInUseByFloatingIP");
  REQUIRE(routers.delete_floating_ip(world.p, floating->id));
  REQUIRE(routers.update(world.p, router.id, none));
  CHECK(routers.router(world.p, router.id)->gateway_port.empty());
  RouterUpdate snat;
  snat.gateway = GatewaySpec{world.outside.id, false, {}};
  CHECK(code_of(routers.update(world.p, router.id, snat)) == ErrorCode::Forbidden);
  const auto changed = routers.update(admin(), router.id, snat);
  REQUIRE(changed);
  CHECK_FALSE(changed->snat);
  RouterUpdate named;
  named.gateway = GatewaySpec{world.outside.id, {},
                              std::vector<FixedIpRequest>{{SubnetId{}, "203.0.113.77"}}};
  CHECK(routers.update(admin(), router.id, named)->gateway_ips[0].address == "203.0.113.77");
  CHECK(world.networks->port(admin(), changed->gateway_port)->fixed_ips[0].address ==
        "203.0.113.77");
  CHECK(type_of(world.networks->delete_network(admin(), world.outside.id)) == "NetworkInUse");
}

TEST_CASE("extra routes lead to what the router reaches, and hold their leg") {
  Layer3 world;
  Routers& routers = world.networks->routers();
  const Router router = world.router();
  RouterUpdate change;
  change.routes = std::vector<HostRoute>{{"10.77.0.0/16", "10.5.0.5"}};
  CHECK(type_of(routers.update(world.p, router.id, change)) == "InvalidRoutes");
  change.routes = std::vector<HostRoute>{{"10.77.0.0/16", "10.0.0.1"}};
  CHECK(type_of(routers.update(world.p, router.id, change)) == "InvalidRoutes");
  change.routes = std::vector<HostRoute>{{"10.77.0.0/16", "moon"}};
  CHECK(code_of(routers.update(world.p, router.id, change)) == ErrorCode::InvalidArgument);
  RouterUpdate add, add_other, drop;
  add.add_routes = {HostRoute{"10.77.0.0/16", "10.0.0.9"}};
  add_other.add_routes = {HostRoute{"10.78.0.0/16", "10.0.0.9"}};
  drop.remove_routes = add.add_routes;
  REQUIRE(routers.update(world.p, router.id, add));
  CHECK(routers.update(world.p, router.id, add_other)->routes.size() == 2);
  CHECK(routers.update(world.p, router.id, drop)->routes == add_other.add_routes);
  CHECK(type_of(routers.remove_interface(world.p, router.id, {world.inside_subnet.id, {}})) ==
        "RouterInterfaceInUseByRoute");
}

TEST_CASE("a floating address leads to one address inside, by the router between") {
  Layer3 world;
  Routers& routers = world.networks->routers();
  const auto port = world.port(world.p, world.inside.id, "server-1");
  CHECK(type_of(world.floating(port->id)) == "ExternalGatewayForFloatingIPNotFound");
  const Router router = world.router();
  const auto floating = world.floating(port->id);
  REQUIRE(floating);
  CHECK(floating->router == router.id);
  CHECK(floating->fixed_address == port->fixed_ips[0].address);
  CHECK(type_of(world.floating(port->id)) == "FloatingIPPortAlreadyAssociated");
  CHECK(type_of(world.floating(port->id, "10.0.0.99")) == "BadRequest");
  const auto theirs = world.port(member("q"), world.network(member("q")).id);
  // Another's port and none at all look the same.
  CHECK(type_of(world.floating(theirs->id)) == "BadRequest");
  CHECK(type_of(world.floating(PortId{"nowhere"})) == "BadRequest");
  FloatingIpUpdate away;
  away.port = PortId{};
  const auto freed = routers.update_floating_ip(world.p, floating->id, away);
  REQUIRE(freed);
  CHECK(freed->port.empty());
  CHECK(freed->router.empty());
  CHECK(freed->status == FloatingIpStatus::Down);
  FloatingIpUpdate back;
  back.port = port->id;
  REQUIRE(routers.update_floating_ip(world.p, floating->id, back));
  // What it leads to goes: it is free again.
  REQUIRE(world.networks->delete_port(world.p, port->id));
  CHECK(routers.floating_ip(world.p, floating->id)->port.empty());
  CHECK(world.used("p", "floating_ips") == 1);
  REQUIRE(routers.delete_floating_ip(world.p, floating->id));
  CHECK(world.used("p", "floating_ips") == 0);
  CHECK_FALSE(world.networks->port(admin(), floating->outer_port));
}

TEST_CASE("floating addresses are those of the external network, as many as the project may have") {
  Layer3 world;
  Routers& routers = world.networks->routers();
  FloatingIpCreate spec;
  spec.network = world.inside.id;
  CHECK(type_of(routers.create_floating_ip(world.p, spec)) == "BadRequest");
  spec.network = world.outside.id;
  spec.address = "203.0.113.50";
  CHECK(code_of(routers.create_floating_ip(world.p, spec)) == ErrorCode::Forbidden);
  REQUIRE(routers.create_floating_ip(admin(), spec));
  CHECK(type_of(routers.create_floating_ip(admin(), spec)) == "IpAddressAlreadyAllocated");
  spec.address = "198.51.100.1";
  CHECK(type_of(routers.create_floating_ip(admin(), spec)) == "InvalidIpForNetwork");
  world.limit("p", "floating_ips", 1);
  REQUIRE(world.floating());
  CHECK(code_of(world.floating()) == ErrorCode::QuotaExceeded);
  CHECK(routers.floating_ip_pools(world.p)->size() == 1);
  NetworkListSpec by_address;
  by_address.filters.emplace_back("floating_ip_address", "203.0.113.50");
  CHECK(routers.floating_ips(admin(), by_address)->size() == 1);
  CHECK(routers.floating_ips(world.p, by_address)->empty());
}

TEST_CASE("an external network takes idle floating addresses with it, and stays for those in use") {
  Layer3 world;
  const Router router = world.router();
  const auto port = world.port(world.p, world.inside.id, "server-1");
  const auto used = world.floating(port->id);
  REQUIRE(world.floating());
  CHECK(type_of(world.networks->delete_network(admin(), world.outside.id)) == "NetworkInUse");
  CHECK(world.used("p", "floating_ips") == 2);
  Routers& routers = world.networks->routers();
  FloatingIpUpdate away;
  away.port = PortId{};
  REQUIRE(routers.update_floating_ip(world.p, used->id, away));
  RouterUpdate none;
  none.gateway = GatewaySpec{};
  REQUIRE(routers.update(world.p, router.id, none));
  REQUIRE(world.networks->delete_network(admin(), world.outside.id));
  CHECK(world.used("p", "floating_ips") == 0);
  CHECK(world.used("admin", "ports") == 0);
}

TEST_CASE("forwarded ports lead one way each and go with what they lead to") {
  Layer3 world;
  Routers& routers = world.networks->routers();
  world.router();
  const auto port = world.port(world.p, world.inside.id, "server-1");
  const auto floating = world.floating();
  REQUIRE(floating);
  const auto forward = [&](std::uint32_t outer, std::uint32_t inner, const char* protocol = "tcp",
                           std::uint32_t width = 0) {
    PortForwardingCreate spec;
    spec.protocol = protocol;
    spec.internal_port = port->id;
    spec.external_first = outer;
    spec.external_last = outer + width;
    spec.internal_first = inner;
    spec.internal_last = inner + width;
    return routers.create_forwarding(world.p, floating->id, spec);
  };
  const auto web = forward(8080, 80);
  REQUIRE(web);
  CHECK(web->internal_address == port->fixed_ips[0].address);
  CHECK(type_of(forward(8080, 81)) == "BadRequest");
  CHECK(type_of(forward(8081, 80)) == "BadRequest");
  CHECK(type_of(forward(8070, 70, "tcp", 20)) == "BadRequest");
  CHECK(type_of(forward(0, 80)) == "InvalidInput");
  CHECK(type_of(forward(65'530, 1'000, "tcp", 10)) == "InvalidInput");
  CHECK(type_of(forward(1, 1, "carrier-pigeon")) == "InvalidInput");
  REQUIRE(forward(8080, 80, "udp"));
  REQUIRE(forward(9000, 9000, "tcp", 10));
  FloatingIpUpdate lead;
  lead.port = port->id;
  CHECK(type_of(routers.update_floating_ip(world.p, floating->id, lead)) ==
        "FipInUseByPortForwarding");
  CHECK(type_of(world.floating(port->id)) == "PortHasPortForwarding");
  PortForwardingUpdate change;
  change.external = {8443, 8443};
  CHECK(routers.update_forwarding(world.p, floating->id, web->id, change)->external_first == 8443);
  CHECK(code_of(routers.forwarding(member("q"), floating->id, web->id)) == ErrorCode::NotFound);
  REQUIRE(routers.delete_forwarding(world.p, floating->id, web->id));
  CHECK(routers.forwardings(world.p, floating->id)->size() == 2);
  REQUIRE(world.networks->delete_port(world.p, port->id));
  CHECK(routers.forwardings(world.p, floating->id)->empty());
  CHECK(routers.floating_ip(world.p, floating->id)->router.empty());
}

TEST_CASE("a floating address says that its router fails on the host, and that it is well again") {
  Layer3 world;
  const Router broken = world.router(), well = world.router(true, false);
  const auto other = world.network(world.p, "other");
  const auto other_subnet = world.subnet(world.p, other, "10.9.0.0/24");
  REQUIRE(world.networks->routers().add_interface(world.p, well.id, {other_subnet.id, {}}));
  world.start();
  const auto address = [&](const NetworkId& net, const std::string& server) {
    const auto port = world.server_port(world.p, net, server);
    REQUIRE(port);
    REQUIRE(world.networks->plug(port->id, ServerId{server}, "host-1"));
    const auto floating = world.floating(port->id);
    REQUIRE(floating);
    return floating->id;
  };
  const FloatingIpId one = address(world.inside.id, "s1"), two = address(other.id, "s2");
  const auto status = [&](const FloatingIpId& id) {
    return world.networks->routers().floating_ip(world.p, id)->status;
  };
  world.run(40s);
  REQUIRE(status(one) == FloatingIpStatus::Active);
  REQUIRE(status(two) == FloatingIpStatus::Active);
  // As when an operator's bridge goes: no change of any record tells of it.
  world.driver->set_fault(
      [&](std::string_view call, const std::string& id) -> std::optional<Error> {
        if (call != "converge" && (call != "postcommit" || id != broken.id.value))
          return std::nullopt;
        return Error{ErrorCode::Unavailable, "the bridge is gone", {}, {}};
      });
  world.run(40s);
  CHECK(status(one) == FloatingIpStatus::Error);
  CHECK(status(two) == FloatingIpStatus::Active);
  world.driver->set_fault({});
  world.run(40s);
  CHECK(status(one) == FloatingIpStatus::Active);
}

TEST_CASE("a router's plan is what its host needs: legs, gateway, addresses and forwarded ports") {
  Layer3 world;
  Routers& routers = world.networks->routers();
  const Router router = world.router();
  const auto port = world.port(world.p, world.inside.id, "server-1");
  const auto floating = world.floating(port->id);
  REQUIRE(floating);
  const auto plan_now = [&] {
    const auto plan =
        network::plan_router(**world.store->snapshot(), "simulated", {}, router.id);
    REQUIRE(plan);
    return *plan;
  };
  auto plan = plan_now();
  REQUIRE(plan);
  REQUIRE(plan->legs.size() == 1);
  CHECK(plan->legs[0].addresses == std::vector<std::string>{"10.0.0.1/24"});
  REQUIRE(plan->gateway.has_value());
  CHECK(plan->gateway->addresses ==
        std::vector<std::string>{router.gateway_ips[0].address + "/24"});
  CHECK(plan->gateway_hops == std::vector<std::string>{"203.0.113.1"});
  REQUIRE(plan->floating.size() == 1);
  CHECK(plan->floating[0].floating == floating->address);
  CHECK(plan->floating[0].fixed == port->fixed_ips[0].address);
  REQUIRE(network::settle_router(*world.store, router.id, true));
  CHECK(routers.floating_ip(world.p, floating->id)->status == FloatingIpStatus::Active);
  const auto before = (*world.store->snapshot())->revision();
  REQUIRE(network::settle_router(*world.store, router.id, true));
  CHECK((*world.store->snapshot())->revision() == before);
  REQUIRE(network::settle_router(*world.store, router.id, false));
  CHECK(routers.floating_ip(world.p, floating->id)->status == FloatingIpStatus::Error);
  RouterUpdate rest;
  rest.admin_up = false;
  REQUIRE(routers.update(world.p, router.id, rest));
  REQUIRE(network::settle_router(*world.store, router.id, false));
  CHECK(routers.floating_ip(world.p, floating->id)->status == FloatingIpStatus::Down);
  CHECK(network::plan_router(**world.store->snapshot(), "another", {}, router.id)->get() ==
        nullptr);
}

TEST_CASE("what was made for a router and its addresses leaves nothing behind") {
  Layer3 world;
  Routers& routers = world.networks->routers();
  const Router router = world.router();
  const auto port = world.port(world.p, world.inside.id, "server-1");
  const auto floating = world.floating(port->id);
  REQUIRE(routers.delete_floating_ip(world.p, floating->id));
  REQUIRE(routers.remove_interface(world.p, router.id, {{}, router.interfaces[0]}));
  REQUIRE(routers.remove(world.p, router.id));
  REQUIRE(world.networks->delete_port(world.p, port->id));
  REQUIRE(world.networks->delete_network(world.p, world.inside.id));
  REQUIRE(world.networks->delete_network(admin(), world.outside.id));
  for (const std::string& key : world.keys_left())
    CHECK_MESSAGE(key.find("security_group") != std::string::npos, key);
  CHECK(world.used("p", "ports") == 0);
  CHECK(world.used("admin", "ports") == 0);
}
