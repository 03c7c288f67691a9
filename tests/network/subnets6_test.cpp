#include <functional>

#include "cloudos/network_agents.hpp"
#include "cloudos/routers.hpp"
#include "cloudos/subnet_pools.hpp"
#include "network/ip.hpp"
#include "network/support.hpp"

using namespace network_test;

namespace {

SubnetCreate six(const NetworkId& net, const char* cidr = "fd00:1::/64",
                 const char* mode = "") {
  SubnetCreate spec;
  spec.network = net;
  spec.ip_version = 6;
  spec.cidr = cidr;
  spec.ra_mode = spec.address_mode = mode;
  return spec;
}

bool has_address(const Port& port, const std::string& address) {
  for (const FixedIp& fixed : port.fixed_ips)
    if (fixed.address == address) return true;
  return false;
}

}  // namespace

TEST_CASE("a network with IPv6 has an MTU that IPv6 works with") {
  World world;
  const Context ctx = member("p");
  const auto net = world.network(ctx);
  const auto to = [&](std::uint32_t mtu) {
    NetworkUpdate change;
    change.mtu = mtu;
    return type_of(world.networks->update_network(ctx, net.id, change));
  };
  CHECK(to(1000) == "no error");
  CHECK(type_of(world.networks->create_subnet(ctx, six(net.id))) == "NetworkMTUSubnetConflict");
  CHECK(world.networks->subnets(ctx)->empty());
  world.subnet(ctx, net);  // IPv4 does with less.
  CHECK(to(1280) == "no error");
  REQUIRE(world.networks->create_subnet(ctx, six(net.id)));
  CHECK(to(1279) == "NetworkMTUSubnetConflict");
  CHECK(world.networks->network(ctx, net.id)->mtu == 1280);
  CHECK(to(1400) == "no error");
}

TEST_CASE("an IPv6 subnet's modes, block, gateway and pools go together") {
  World world;
  struct Row {
    std::string what;
    std::function<void(SubnetCreate&)> change;
    bool good;
    std::string gateway = "fd00:1::1";
    std::vector<AddressPool> pools = {{"fd00:1::2", "fd00:1::ffff:ffff:ffff:ffff"}};
  };
  const Row rows[] = {
      {"defaults", [](auto&) {}, true},
      {"written long", [](auto& s) { s.cidr = "FD00:0001:0::0/64"; }, true},
      {"slaac", [](auto& s) { s.ra_mode = s.address_mode = "slaac"; }, true},
      {"only one mode", [](auto& s) { s.address_mode = "dhcpv6-stateful"; }, true},
      {"no gateway", [](auto& s) { s.gateway = ""; }, true, "",
       {{"fd00:1::1", "fd00:1::ffff:ffff:ffff:ffff"}}},
      {"a link-local gateway", [](auto& s) { s.gateway = "fe80::1"; }, true, "fe80::1",
       {{"fd00:1::1", "fd00:1::ffff:ffff:ffff:ffff"}}},
      {"modes that differ",
       [](auto& s) {
         s.ra_mode = "slaac";
         s.address_mode = "dhcpv6-stateful";
       },
       false},
      {"a mode without DHCP",
       [](auto& s) {
         s.ra_mode = "slaac";
         s.dhcp = false;
       },
       false},
      {"an unknown mode", [](auto& s) { s.ra_mode = "magic"; }, false},
      {"slaac in a /80",
       [](auto& s) {
         s.cidr = "fd00:1::/80";
         s.ra_mode = s.address_mode = "slaac";
       },
       false},
      {"modes of IPv4",
       [](auto& s) {
         s.ip_version = 4;
         s.cidr = "10.0.0.0/24";
         s.ra_mode = "slaac";
       },
       false},
      {"an IPv4 block", [](auto& s) { s.cidr = "10.0.0.0/24"; }, false},
      {"an IPv4 gateway", [](auto& s) { s.gateway = "10.0.0.1"; }, false},
      {"an IPv4 name server", [](auto& s) { s.dns_servers = {"9.9.9.9"}; }, false},
      {"host bits", [](auto& s) { s.cidr = "fd00:1::5/64"; }, false},
      {"multicast", [](auto& s) { s.cidr = "ff00::/64"; }, false},
      {"a pool outside", [](auto& s) { s.pools = {{{"fd00:1::2", "fd00:2::9"}}}; }, false},
      {"a zone", [](auto& s) { s.gateway = "fe80::1%eth0"; }, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Network net = world.network(member("p"));
    SubnetCreate spec = six(net.id);
    row.change(spec);
    const auto made = world.networks->create_subnet(member("p"), spec);
    CHECK(made.has_value() == row.good);
    if (made) {
      CHECK(made->cidr == "fd00:1::/64");
      CHECK(made->gateway == row.gateway);
      CHECK(made->pools == row.pools);
    } else {
      CHECK(made.error().code == ErrorCode::InvalidArgument);
    }
    REQUIRE(world.networks->delete_network(member("p"), net.id));
  }
}

TEST_CASE("addresses made of MACs come to every port, before or after their subnet") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net, "10.0.0.0/24");
  const auto early = world.port(ctx, net.id);
  const auto slaac = world.networks->create_subnet(ctx, six(net.id, "fd00:1::/64", "slaac"));
  REQUIRE(slaac);
  const auto made_of = [&](const Port& port) {
    return network::eui64_address(network::block_of(*slaac), port.mac);
  };
  CHECK(has_address(*world.networks->port(ctx, early->id), made_of(*early)));
  const auto late = world.port(ctx, net.id);
  REQUIRE(late);
  CHECK(late->fixed_ips.size() == 2);
  CHECK(has_address(*late, made_of(*late)));
  PortCreate named;
  named.network = net.id;
  named.fixed_ips = std::vector<FixedIpRequest>{{slaac->id, "fd00:1::77"}};
  CHECK(type_of(world.networks->create_port(ctx, named)) == "AllocationOnAutoAddressSubnet");
  named.fixed_ips = std::vector<FixedIpRequest>{};
  CHECK(world.networks->create_port(ctx, named)->fixed_ips.empty());
  PortUpdate four_only;
  four_only.fixed_ips = std::vector<FixedIpRequest>{{SubnetId{}, "10.0.0.99"}};
  const auto changed = world.networks->update_port(ctx, late->id, four_only);
  REQUIRE(changed);
  CHECK(has_address(*changed, "10.0.0.99"));
  CHECK(has_address(*changed, made_of(*late)));
  // They hold nothing: the subnet goes, and they with it.
  REQUIRE(world.networks->delete_subnet(ctx, slaac->id));
  CHECK(world.networks->port(ctx, early->id)->fixed_ips.size() == 1);
}

TEST_CASE("addresses of a stateful subnet are taken one by one and leave no record behind") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  SubnetCreate spec = six(net.id, "fd00:1::/64", "dhcpv6-stateful");
  spec.dhcp = true;
  const auto sub = world.networks->create_subnet(ctx, spec);
  REQUIRE(sub);
  const auto first = world.port(ctx, net.id), second = world.port(ctx, net.id);
  CHECK(first->fixed_ips[0].address == "fd00:1::3");  // The DHCP server has the one before.
  CHECK(second->fixed_ips[0].address == "fd00:1::4");
  PortCreate far;
  far.network = net.id;
  far.fixed_ips = std::vector<FixedIpRequest>{{sub->id, "FD00:1:0:0:ffff::1"}};
  const auto named = world.networks->create_port(ctx, far);
  REQUIRE(named);
  CHECK(named->fixed_ips[0].address == "fd00:1::ffff:0:0:1");
  CHECK(type_of(world.networks->create_port(ctx, far)) == "IpAddressAlreadyAllocated");
  REQUIRE(world.networks->delete_port(ctx, first->id));
  CHECK(world.port(ctx, net.id)->fixed_ips[0].address == "fd00:1::3");
  const auto ports = world.networks->ports(ctx);
  for (const Port& port : *ports)
    if (port.device_owner.empty()) REQUIRE(world.networks->delete_port(ctx, port.id));
  REQUIRE(world.networks->delete_network(ctx, net.id));
  CHECK((*world.store->snapshot())->scan("/ip6-")->empty());
}

TEST_CASE("a port gets one address of each family, and of the subnets made for its kind") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net, "10.0.0.0/24", false);
  REQUIRE(world.networks->create_subnet(ctx, six(net.id)));
  SubnetCreate computes;
  computes.network = net.id;
  computes.cidr = "10.1.0.0/24";
  computes.dhcp = false;
  computes.service_types = {"compute:nova"};
  REQUIRE(world.networks->create_subnet(ctx, computes));
  CHECK(world.port(ctx, net.id)->fixed_ips.size() == 2);
  const auto server = world.port(ctx, net.id, "server-1");
  REQUIRE(server);
  REQUIRE(server->fixed_ips.size() == 1);
  CHECK(server->fixed_ips[0].address == "10.1.0.2");
  computes.cidr = "10.2.0.0/24";
  computes.service_types = {"anything"};
  CHECK(type_of(world.networks->create_subnet(ctx, computes)) == "InvalidSubnetServiceType");
}

TEST_CASE("a router's IPv6 legs on one network share a port, and need a router to advertise them") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const auto one = world.networks->create_subnet(ctx, six(net.id, "fd00:1::/64", "slaac"));
  const auto two = world.networks->create_subnet(ctx, six(net.id, "fd00:2::/64", "slaac"));
  SubnetCreate elsewhere = six(net.id, "fd00:3::/64", "slaac");
  elsewhere.ra_mode.clear();
  const auto three = world.networks->create_subnet(ctx, elsewhere);
  REQUIRE(three);
  Routers& routers = world.networks->routers();
  const auto router = routers.create(ctx, {});
  const auto first = routers.add_interface(ctx, router->id, {one->id, {}});
  const auto second = routers.add_interface(ctx, router->id, {two->id, {}});
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->port == second->port);
  CHECK(type_of(routers.add_interface(ctx, router->id, {three->id, {}})) == "BadRequest");
  REQUIRE(routers.remove_interface(ctx, router->id, {one->id, {}}));
  CHECK(world.networks->port(ctx, first->port)->fixed_ips.size() == 1);
}

TEST_CASE("addresses of a network are counted whole, however many there are") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net, "10.0.0.0/24");
  SubnetCreate six;
  six.network = net.id;
  six.ip_version = 6;
  six.cidr = "fd00:5::/64";
  six.dhcp = false;
  REQUIRE(world.networks->create_subnet(ctx, six));
  const auto count = world.networks->agents().availability(admin(), net.id);
  REQUIRE(count);
  REQUIRE(count->subnets.size() == 2);
  CHECK(count->subnets[0].total == "253");
  CHECK(count->subnets[1].total == "18446744073709551614");
  CHECK(count->total == "18446744073709551867");
  CHECK(count->used == "1");  // The DHCP server's.
}

// ---- pools --------------------------------------------------------------------------------------

TEST_CASE("blocks merge and part without a hole or an overlap") {
  const auto blocks = [](std::vector<const char*> texts) {
    std::vector<network::IpBlock> all;
    for (const char* text : texts) all.push_back(*network::parse_ip_block(text));
    return all;
  };
  CHECK(network::merge_blocks(blocks({"10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25"})) ==
        blocks({"10.0.0.0/23"}));
  CHECK(network::merge_blocks(blocks({"10.0.1.0/24", "10.0.2.0/24"})) ==
        blocks({"10.0.1.0/24", "10.0.2.0/24"}));
  CHECK(network::subtract_blocks(blocks({"10.0.0.0/24"}), blocks({"10.0.0.64/26"})) ==
        blocks({"10.0.0.0/26", "10.0.0.128/25"}));
  CHECK(network::subtract_blocks(blocks({"fd00::/48"}), blocks({"fd00::/48"})).empty());
}

TEST_CASE("subnets cut from a pool are apart, as long as it lasts, and give back what they had") {
  World world;
  const Context ctx = member("p");
  SubnetPools& pools = world.networks->subnet_pools();
  SubnetPoolCreate spec;
  spec.name = "pool";
  spec.prefixes = {"10.8.0.0/23"};
  spec.default_prefix = 24;
  const auto pool = pools.create(ctx, spec);
  REQUIRE(pool);
  const Network net = world.network(ctx), other = world.network(ctx);
  const auto cut = [&](const Network& on, std::optional<unsigned> length = {}) {
    SubnetCreate subnet;
    subnet.network = on.id;
    subnet.pool = pool->id;
    subnet.prefix_length = length;
    return world.networks->create_subnet(ctx, subnet);
  };
  CHECK(type_of(cut(net, 4)) == "MinPrefixSubnetAllocationError");
  CHECK(type_of(cut(net, 33)) == "MaxPrefixSubnetAllocationError");
  const auto first = cut(net), second = cut(other, 25);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->cidr == "10.8.0.0/24");
  CHECK(second->cidr == "10.8.1.0/25");
  CHECK(type_of(cut(other)) == "SubnetAllocationError");
  CHECK(type_of(pools.remove(ctx, pool->id)) == "SubnetPoolDeleteError");
  CHECK(type_of(pools.remove_prefixes(ctx, pool->id, {"10.8.0.0/24"})) == "SubnetPoolPrefixInUse");
  SubnetCreate mixed;
  mixed.network = net.id;
  mixed.cidr = "172.16.0.0/24";
  CHECK(type_of(world.networks->create_subnet(ctx, mixed)) == "NetworkSubnetPoolAffinityError");
  REQUIRE(world.networks->delete_subnet(ctx, first->id));
  CHECK(cut(net)->cidr == "10.8.0.0/24");
  REQUIRE(world.networks->delete_network(ctx, net.id));
  REQUIRE(world.networks->delete_network(ctx, other.id));
  REQUIRE(pools.remove(ctx, pool->id));
  CHECK(world.used("p", "subnet_pools") == 0);
}

TEST_CASE("a pool's bounds, family, quota and default are kept") {
  World world;
  const Context ctx = member("p");
  SubnetPools& pools = world.networks->subnet_pools();
  const auto make = [&](const Context& who, auto change) {
    SubnetPoolCreate spec;
    spec.prefixes = {"10.8.0.0/16"};
    change(spec);
    return pools.create(who, spec);
  };
  CHECK(type_of(make(ctx, [](auto& s) { s.prefixes = {"10.0.0.0/8", "fd00::/48"}; })) ==
        "PrefixVersionMismatch");
  CHECK(type_of(make(ctx, [](auto& s) { s.least_prefix = 33; })) ==
        "IllegalSubnetPoolPrefixBounds");
  CHECK(type_of(make(ctx, [](auto& s) {
    s.least_prefix = 24;
    s.default_prefix = 23;
  })) == "IllegalSubnetPoolPrefixBounds");
  CHECK(code_of(make(ctx, [](auto& s) { s.shared = true; })) == ErrorCode::Forbidden);
  const auto usual = make(admin(), [](auto& s) {
    s.shared = s.is_default = true;
    s.default_prefix = 24;
    s.default_quota = 256;
  });
  REQUIRE(usual);
  CHECK(code_of(make(admin(), [](auto& s) { s.is_default = true; })) ==
        ErrorCode::InvalidArgument);
  const Network net = world.network(ctx), other = world.network(ctx);
  SubnetCreate subnet;
  subnet.network = net.id;
  subnet.use_default_pool = true;
  REQUIRE(world.networks->create_subnet(ctx, subnet));
  subnet.network = other.id;
  CHECK(type_of(world.networks->create_subnet(ctx, subnet)) == "SubnetPoolQuotaExceeded");
  subnet.ip_version = 6;
  CHECK(type_of(world.networks->create_subnet(ctx, subnet)) == "BadRequest");
}

TEST_CASE("pools of one address scope have nothing in common") {
  World world;
  const Context ctx = member("p");
  SubnetPools& pools = world.networks->subnet_pools();
  const auto scope = pools.create_scope(ctx, {"scope", {}, 4, false});
  REQUIRE(scope);
  SubnetPoolCreate spec;
  spec.prefixes = {"10.8.0.0/16"};
  spec.scope = scope->id;
  const auto pool = pools.create(ctx, spec);
  REQUIRE(pool);
  CHECK(type_of(pools.create(ctx, spec)) == "AddressScopePrefixConflict");
  spec.prefixes = {"fd00::/48"};
  CHECK(code_of(pools.create(ctx, spec)) == ErrorCode::InvalidArgument);
  CHECK(type_of(pools.remove_scope(ctx, scope->id)) == "AddressScopeInUse");
  SubnetPoolUpdate leave;
  leave.scope = AddressScopeId{};
  REQUIRE(pools.update(ctx, pool->id, leave));
  AddressScopeUpdate share, unshare;
  share.shared = true;
  unshare.shared = false;
  CHECK(code_of(pools.update_scope(ctx, scope->id, share)) == ErrorCode::Forbidden);
  REQUIRE(pools.update_scope(admin(), scope->id, share));
  CHECK(type_of(pools.update_scope(admin(), scope->id, unshare)) == "AddressScopeUpdateError");
  REQUIRE(pools.remove_scope(ctx, scope->id));
}

TEST_CASE("a pool takes a network's subnets over") {
  World world;
  const Context ctx = member("p");
  SubnetPools& pools = world.networks->subnet_pools();
  SubnetPoolCreate spec;
  spec.prefixes = {"10.8.0.0/24"};
  const auto pool = pools.create(ctx, spec);
  const Network net = world.network(ctx);
  const Subnet sub = world.subnet(ctx, net, "10.9.0.0/24");
  const auto wider = pools.onboard(ctx, pool->id, net.id);
  REQUIRE(wider);
  CHECK(wider->prefixes == std::vector<std::string>{"10.8.0.0/24", "10.9.0.0/24"});
  CHECK(world.networks->subnet(ctx, sub.id)->pool == pool->id);
  CHECK(code_of(pools.onboard(ctx, pool->id, net.id)) == ErrorCode::InvalidArgument);
}
