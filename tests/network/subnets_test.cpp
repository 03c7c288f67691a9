#include "network/support.hpp"

using namespace network_test;

namespace {
SubnetCreate subnet_spec(const char* cidr) {
  SubnetCreate spec;
  spec.cidr = cidr;
  return spec;
}
}  // namespace

TEST_CASE("a subnet's block, gateway, pools and options are checked as they will stand together") {
  World world;
  struct Row {
    std::string what;
    SubnetCreate spec;
    const char* type;     ///< Empty: good.
    const char* gateway = "";
    std::vector<AddressPool> pools = {};
  };
  const auto with = [](const char* cidr, auto change) {
    SubnetCreate spec = subnet_spec(cidr);
    change(spec);
    return spec;
  };
  const Row rows[] = {
      {"defaults", subnet_spec("10.0.0.0/24"), "", "10.0.0.1", {{"10.0.0.2", "10.0.0.254"}}},
      {"a /30", subnet_spec("10.0.0.0/30"), "", "10.0.0.1", {{"10.0.0.2", "10.0.0.2"}}},
      {"a /31", with("10.0.0.0/31", [](auto& s) { s.dhcp = false; }), "", "10.0.0.0",
       {{"10.0.0.1", "10.0.0.1"}}},
      {"a /32 has no gateway", subnet_spec("10.0.0.9/32"), "", "", {{"10.0.0.9", "10.0.0.9"}}},
      {"a gateway in the middle splits the pool",
       with("10.0.0.0/24", [](auto& s) { s.gateway = "10.0.0.100"; }), "", "10.0.0.100",
       {{"10.0.0.1", "10.0.0.99"}, {"10.0.0.101", "10.0.0.254"}}},
      {"no gateway", with("10.0.0.0/24", [](auto& s) { s.gateway = ""; }), "", "",
       {{"10.0.0.1", "10.0.0.254"}}},
      {"a gateway elsewhere", with("10.0.0.0/24", [](auto& s) { s.gateway = "10.9.0.1"; }), "",
       "10.9.0.1", {{"10.0.0.1", "10.0.0.254"}}},
      {"pools are sorted",
       with("10.0.0.0/24",
            [](auto& s) {
              s.pools = {{{"10.0.0.50", "10.0.0.59"}, {"10.0.0.10", "10.0.0.19"}}};
            }),
       "", "10.0.0.1", {{"10.0.0.10", "10.0.0.19"}, {"10.0.0.50", "10.0.0.59"}}},
      {"host bits", subnet_spec("10.0.0.5/24"), "InvalidInput"},
      {"not a block", subnet_spec("10.0.0.0"), "InvalidInput"},
      {"empty", subnet_spec(""), "BadRequest"},
      {"too large", subnet_spec("8.0.0.0/7"), "InvalidInput"},
      {"all", subnet_spec("0.0.0.0/0"), "InvalidInput"},
      {"loopback", subnet_spec("127.0.0.0/24"), "InvalidInput"},
      {"multicast", subnet_spec("224.0.0.0/24"), "InvalidInput"},
      {"IPv6 in IPv4", subnet_spec("fd00::/64"), "InvalidInput"},
      {"version 5", with("10.0.0.0/24", [](auto& s) { s.ip_version = 5; }), "InvalidInput"},
      {"gateway is the network", with("10.0.0.0/24", [](auto& s) { s.gateway = "10.0.0.0"; }),
       "InvalidInput"},
      {"gateway is broadcast", with("10.0.0.0/24", [](auto& s) { s.gateway = "10.0.0.255"; }),
       "InvalidInput"},
      {"gateway is everybody", with("10.0.0.0/24", [](auto& s) { s.gateway = "255.255.255.255"; }),
       "InvalidInput"},
      {"gateway is nobody", with("10.0.0.0/24", [](auto& s) { s.gateway = "0.0.0.0"; }),
       "InvalidInput"},
      {"gateway is a group", with("10.0.0.0/24", [](auto& s) { s.gateway = "224.0.0.1"; }),
       "InvalidInput"},
      {"gateway is no address", with("10.0.0.0/24", [](auto& s) { s.gateway = "gw"; }),
       "InvalidInput"},
      {"gateway in a pool",
       with("10.0.0.0/24",
            [](auto& s) {
              s.gateway = "10.0.0.5";
              s.pools = {{{"10.0.0.2", "10.0.0.9"}}};
            }),
       "GatewayConflictWithAllocationPools"},
      {"default gateway in a pool",
       with("10.0.0.0/24", [](auto& s) { s.pools = {{{"10.0.0.1", "10.0.0.9"}}}; }),
       "GatewayConflictWithAllocationPools"},
      {"pool backwards",
       with("10.0.0.0/24", [](auto& s) { s.pools = {{{"10.0.0.9", "10.0.0.2"}}}; }),
       "InvalidAllocationPool"},
      {"pool of words", with("10.0.0.0/24", [](auto& s) { s.pools = {{{"a", "b"}}}; }),
       "InvalidAllocationPool"},
      {"pool outside",
       with("10.0.0.0/24", [](auto& s) { s.pools = {{{"10.0.0.9", "10.0.1.9"}}}; }),
       "OutOfBoundsAllocationPool"},
      {"pool with broadcast",
       with("10.0.0.0/24", [](auto& s) { s.pools = {{{"10.0.0.9", "10.0.0.255"}}}; }),
       "OutOfBoundsAllocationPool"},
      {"pools overlap",
       with("10.0.0.0/24",
            [](auto& s) {
              s.pools = {{{"10.0.0.2", "10.0.0.9"}, {"10.0.0.9", "10.0.0.20"}}};
            }),
       "OverlappingAllocationPools"},
      {"dns word", with("10.0.0.0/24", [](auto& s) { s.dns_servers = {"dns.example"}; }),
       "InvalidInput"},
      {"dns option injected",
       with("10.0.0.0/24", [](auto& s) { s.dns_servers = {"9.9.9.9\ntag:x,1"}; }), "InvalidInput"},
      {"dns twice",
       with("10.0.0.0/24", [](auto& s) { s.dns_servers = {"9.9.9.9", "9.9.9.9"}; }),
       "InvalidInput"},
      {"dns too many",
       with("10.0.0.0/24",
            [](auto& s) {
              s.dns_servers = {"9.9.9.1", "9.9.9.2", "9.9.9.3", "9.9.9.4", "9.9.9.5", "9.9.9.6"};
            }),
       "DNSNameServersExhausted"},
      {"route", with("10.0.0.0/24", [](auto& s) { s.host_routes = {{"10.9.0.0/16", "moon"}}; }),
       "InvalidInput"},
      {"routes too many",
       with("10.0.0.0/24", [](auto& s) { s.host_routes.resize(limits::kSubnetHostRoutes + 1); }),
       "HostRoutesExhausted"},
      {"pools too many",
       with("10.0.0.0/24",
            [](auto& s) { s.pools = std::vector<AddressPool>(limits::kSubnetPools + 1); }),
       "InvalidInput"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Network net = world.network(member("p"));
    SubnetCreate spec = row.spec;
    spec.network = net.id;
    const auto made = world.networks->create_subnet(member("p"), spec);
    CHECK(made.has_value() == (*row.type == '\0'));
    if (!made) {
      CHECK(made.error().type == row.type);
    } else {
      CHECK(made->gateway == row.gateway);
      CHECK(made->pools == row.pools);
    }
    REQUIRE(world.networks->delete_network(member("p"), net.id));
  }
  CHECK(world.used("p", "ports") == 0);
}

TEST_CASE("blocks of one network do not overlap; those of two may") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx), other = world.network(ctx);
  world.subnet(ctx, net, "10.0.0.0/24");
  for (const char* cidr : {"10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/8"}) {
    CAPTURE(cidr);
    SubnetCreate spec = subnet_spec(cidr);
    spec.network = net.id;
    CHECK(code_of(world.networks->create_subnet(ctx, spec)) == ErrorCode::InvalidArgument);
  }
  world.subnet(ctx, net, "10.0.1.0/24");
  world.subnet(ctx, other, "10.0.0.0/24");
}

TEST_CASE("a network has a bounded number of subnets") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  for (std::size_t i = 0; i < limits::kSubnetsPerNetwork; ++i)
    world.subnet(ctx, net, fmt::format("10.0.{}.0/24", i), false);
  SubnetCreate spec = subnet_spec("10.1.0.0/24");
  spec.network = net.id;
  CHECK(code_of(world.networks->create_subnet(ctx, spec)) == ErrorCode::InvalidArgument);
}

TEST_CASE("subnets are for the network's owner; another's network looks like none") {
  World world;
  const Network own = world.network(member("p")), shared = world.network(admin(), "s", true);
  SubnetCreate spec = subnet_spec("10.0.0.0/24");
  spec.network = own.id;
  CHECK(code_of(world.networks->create_subnet(member("q"), spec)) == ErrorCode::NotFound);
  spec.network = shared.id;
  CHECK(code_of(world.networks->create_subnet(member("q"), spec)) == ErrorCode::Forbidden);
  spec.network = NetworkId{"no-such"};
  CHECK(type_of(world.networks->create_subnet(member("q"), spec)) == "NetworkNotFound");
}

TEST_CASE("a DHCP port is there while a subnet has DHCP, with an address in each of them") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const auto dhcp = [&]() -> std::vector<std::string> {
    const auto ports = world.networks->ports(
        ctx, {{{"device_owner", "network:dhcp"}}, {}, {}, SIZE_MAX, false});
    REQUIRE(ports);
    REQUIRE(ports->size() <= 1);
    std::vector<std::string> addresses;
    if (ports->size() == 1)
      for (const FixedIp& fixed : ports->front().fixed_ips) addresses.push_back(fixed.address);
    return addresses;
  };
  using List = std::vector<std::string>;
  const Subnet first = world.subnet(ctx, net, "10.0.0.0/24");
  CHECK(dhcp() == List{"10.0.0.2"});
  const Subnet without = world.subnet(ctx, net, "10.0.1.0/24", false);
  CHECK(dhcp() == List{"10.0.0.2"});
  SubnetUpdate on, off;
  on.dhcp = true;
  off.dhcp = false;
  REQUIRE(world.networks->update_subnet(ctx, without.id, on));
  CHECK(dhcp() == List{"10.0.0.2", "10.0.1.2"});
  REQUIRE(world.networks->update_subnet(ctx, first.id, off));
  CHECK(dhcp() == List{"10.0.1.2"});
  REQUIRE(world.networks->delete_subnet(ctx, without.id));
  CHECK(dhcp() == List{});
  CHECK(world.used("p", "ports") == 0);
  CHECK(world.networks->network(ctx, net.id)->dhcp_port.empty());
}

TEST_CASE("the DHCP port is ours: nobody deletes or changes it, nobody makes another") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net);
  const PortId id = world.networks->network(ctx, net.id)->dhcp_port;
  CHECK(code_of(world.networks->delete_port(admin(), id)) == ErrorCode::Conflict);
  PortUpdate rename;
  rename.name = "mine";
  CHECK(code_of(world.networks->update_port(admin(), id, rename)) == ErrorCode::Conflict);
  PortCreate fake;
  fake.network = net.id;
  fake.device_owner = "network:dhcp";
  CHECK(code_of(world.networks->create_port(admin(), fake)) == ErrorCode::Forbidden);
}

TEST_CASE("a subnet with addresses in use stays; the DHCP server's own does not hold it") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const Subnet sub = world.subnet(ctx, net);
  const auto port = world.port(ctx, net.id);
  REQUIRE(port);
  CHECK(type_of(world.networks->delete_subnet(ctx, sub.id)) == "SubnetInUse");
  CHECK(world.networks->network(ctx, net.id)->subnets.size() == 1);
  REQUIRE(world.networks->delete_port(ctx, port->id));
  REQUIRE(world.networks->delete_subnet(ctx, sub.id));
  CHECK(world.networks->network(ctx, net.id)->subnets.empty());
}

TEST_CASE("pools and gateway change together or not at all") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const Subnet sub = world.subnet(ctx, net);
  SubnetUpdate into_pool;
  into_pool.gateway = "10.0.0.77";
  CHECK(type_of(world.networks->update_subnet(ctx, sub.id, into_pool)) ==
        "GatewayConflictWithAllocationPools");
  into_pool.pools = {{{"10.0.0.100", "10.0.0.101"}}};
  const auto changed = world.networks->update_subnet(ctx, sub.id, into_pool);
  REQUIRE(changed);
  CHECK(changed->gateway == "10.0.0.77");
  CHECK(world.port(ctx, net.id)->fixed_ips[0].address == "10.0.0.100");
  CHECK(world.port(ctx, net.id)->fixed_ips[0].address == "10.0.0.101");
  CHECK(type_of(world.port(ctx, net.id)) == "IpAddressGenerationFailure");
  SubnetUpdate wider;
  wider.pools = {{{"10.0.0.100", "10.0.0.102"}}};
  REQUIRE(world.networks->update_subnet(ctx, sub.id, wider));
  CHECK(world.port(ctx, net.id)->fixed_ips[0].address == "10.0.0.102");
  SubnetUpdate none;
  none.gateway = "";
  CHECK(world.networks->update_subnet(ctx, sub.id, none)->gateway == "");
}
