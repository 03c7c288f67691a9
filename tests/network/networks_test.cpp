#include "cloudos/address_groups.hpp"
#include "cloudos/default_rules.hpp"
#include "cloudos/metering_labels.hpp"
#include "cloudos/network_qos.hpp"
#include "cloudos/network_sharing.hpp"
#include "cloudos/routers.hpp"
#include "cloudos/subnet_pools.hpp"
#include "cloudos/trunks.hpp"
#include "network/support.hpp"

using namespace network_test;

TEST_CASE("what is made and deleted leaves neither key nor quota behind") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const Subnet sub = world.subnet(ctx, net);
  const auto port = world.port(ctx, net.id);
  REQUIRE(port);
  CHECK(world.used("p", "networks") == 1);
  CHECK(world.used("p", "subnets") == 1);
  CHECK(world.used("p", "ports") == 2);  // The DHCP port is one.
  CHECK(code_of(world.networks->delete_network(ctx, net.id)) == ErrorCode::Conflict);
  REQUIRE(world.networks->delete_port(ctx, port->id));
  REQUIRE(world.networks->delete_network(ctx, net.id));
  CHECK(code_of(world.networks->subnet(ctx, sub.id)) == ErrorCode::NotFound);
  for (const char* resource : {"networks", "subnets", "ports"})
    CHECK(world.used("p", resource) == 0);
  const auto group = world.networks->groups(ctx);
  REQUIRE(group);
  REQUIRE(world.networks->delete_group(admin(), group->front().id));
  CHECK(world.keys_left() == std::vector<std::string>{});
  CHECK(world.used("p", "security_group_rules") == 0);
}

TEST_CASE("fields of a network are checked, and those of admins refused to others") {
  World world;
  struct Row {
    std::string what;
    NetworkCreate spec;
    bool by_admin;
    std::optional<ErrorCode> error;
  };
  const auto with = [](auto change) {
    NetworkCreate spec;
    spec.name = "n";
    change(spec);
    return spec;
  };
  const Row rows[] = {
      {"plain", with([](auto&) {}), false, {}},
      {"no name", with([](auto& s) { s.name = ""; }), false, {}},
      {"longest name", with([](auto& s) { s.name = std::string(255, 'n'); }), false, {}},
      {"name too long", with([](auto& s) { s.name = std::string(256, 'n'); }), false,
       ErrorCode::InvalidArgument},
      {"name with a control character", with([](auto& s) { s.name = "a\nb"; }), false,
       ErrorCode::InvalidArgument},
      {"shared by member", with([](auto& s) { s.shared = true; }), false, ErrorCode::Forbidden},
      {"external by member", with([](auto& s) { s.external = true; }), false, ErrorCode::Forbidden},
      {"type by member", with([](auto& s) { s.network_type = "local"; }), false,
       ErrorCode::Forbidden},
      {"another's project by member", with([](auto& s) { s.project = ProjectId{"q"}; }), false,
       ErrorCode::InvalidArgument},
      {"own project by member", with([](auto& s) { s.project = ProjectId{"p"}; }), false, {}},
      {"another's project by admin", with([](auto& s) { s.project = ProjectId{"q"}; }), true, {}},
      {"least mtu", with([](auto& s) { s.mtu = 68; }), false, {}},
      {"mtu too small", with([](auto& s) { s.mtu = 67; }), false, ErrorCode::InvalidArgument},
      {"mtu too large", with([](auto& s) { s.mtu = 65'536; }), false, ErrorCode::InvalidArgument},
      {"flat on an unknown network",
       with([](auto& s) { s.network_type = "flat"; s.physical_network = "moon"; }), true,
       ErrorCode::InvalidArgument},
      {"flat without a network", with([](auto& s) { s.network_type = "flat"; }), true,
       ErrorCode::InvalidArgument},
      {"local with a segment",
       with([](auto& s) { s.network_type = "local"; s.segmentation_id = 7; }), true,
       ErrorCode::InvalidArgument},
      {"vlan", with([](auto& s) { s.network_type = "vlan"; }), true, {}},
      {"vxlan larger than its header allows",
       with([](auto& s) { s.network_type = "vxlan"; s.mtu = 1'451; }), true,
       ErrorCode::InvalidArgument},
      {"gre", with([](auto& s) { s.network_type = "gre"; }), true, ErrorCode::Unsupported},
      {"a zone that is none", with([](auto& s) { s.zone_hints = {"moon"}; }), false,
       ErrorCode::NotFound},
      {"a domain that is none", with([](auto& s) { s.dns_domain = "a b."; }), false,
       ErrorCode::InvalidArgument},
      {"unknown type", with([](auto& s) { s.network_type = "string"; }), true,
       ErrorCode::InvalidArgument},
      {"segment without type", with([](auto& s) { s.segmentation_id = 7; }), true,
       ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Context ctx = row.by_admin ? admin() : member("p");
    const auto made = world.networks->create_network(ctx, row.spec);
    CHECK(made.has_value() == !row.error.has_value());
    if (!made && row.error) CHECK(made.error().code == *row.error);
  }
}

TEST_CASE("a physical network belongs to one flat network until it is deleted") {
  World world;
  NetworkCreate spec;
  spec.network_type = "flat";
  spec.physical_network = "physnet1";
  const auto first = world.networks->create_network(admin(), spec);
  REQUIRE(first);
  const auto second = world.networks->create_network(admin(), spec);
  CHECK(type_of(second) == "FlatNetworkInUse");
  REQUIRE(world.networks->delete_network(admin(), first->id));
  CHECK(world.networks->create_network(admin(), spec));
}

TEST_CASE("networks are seen by their project, by all when shared or external, changed by owners") {
  World world;
  const Network own = world.network(member("p"));
  const Network shared = world.network(admin(), "shared", true);
  NetworkCreate outside;
  outside.external = true;
  const auto external = world.networks->create_network(admin(), outside);
  REQUIRE(external);
  const Context stranger = member("q");
  CHECK(code_of(world.networks->network(stranger, own.id)) == ErrorCode::NotFound);
  CHECK(code_of(world.networks->delete_network(stranger, own.id)) == ErrorCode::NotFound);
  CHECK(code_of(world.networks->update_network(stranger, own.id, {})) == ErrorCode::NotFound);
  CHECK(world.networks->network(stranger, shared.id));
  CHECK(world.networks->network(stranger, external->id));
  CHECK(code_of(world.networks->delete_network(stranger, shared.id)) == ErrorCode::Forbidden);
  NetworkUpdate share;
  share.shared = true;
  CHECK(code_of(world.networks->update_network(member("p"), own.id, share)) ==
        ErrorCode::Forbidden);
  CHECK(world.networks->networks(stranger)->size() == 2);
  CHECK(world.networks->networks(member("p"))->size() == 3);
  CHECK(world.networks->networks(admin())->size() == 3);
  CHECK(code_of(world.networks->network(member("p"), NetworkId{"../../port"})) ==
        ErrorCode::NotFound);
}

TEST_CASE("sharing ends only when no other project has a port there") {
  World world;
  const Network net = world.network(admin(), "shared", true);
  world.subnet(admin(), net);
  const auto port = world.port(member("q"), net.id);
  REQUIRE(port);
  NetworkUpdate end;
  end.shared = false;
  CHECK(type_of(world.networks->update_network(admin(), net.id, end)) == "InvalidSharedSetting");
  REQUIRE(world.networks->delete_port(member("q"), port->id));
  REQUIRE(world.networks->update_network(admin(), net.id, end));
  CHECK(code_of(world.networks->network(member("q"), net.id)) == ErrorCode::NotFound);
  CHECK(world.networks->subnets(member("q"))->empty());
}

TEST_CASE("quota stops what is new and leaves nothing of it") {
  World world;
  world.limit("p", "networks", 2);
  std::vector<NetworkCreate> three(3);
  CHECK(code_of(world.networks->create_networks(member("p"), three)) == ErrorCode::QuotaExceeded);
  CHECK(world.networks->networks(member("p"))->empty());
  three.pop_back();
  CHECK(world.networks->create_networks(member("p"), three));
  CHECK(code_of(world.networks->create_network(member("p"), {})) == ErrorCode::QuotaExceeded);
  CHECK(world.used("p", "networks") == 2);
}

TEST_CASE("a bulk request has an end, whatever it makes") {
  World world;
  constexpr std::size_t kMany = limits::kNetworkBulk + 1;
  Networks& all = *world.networks;
  const Context ctx = admin();
  const std::pair<std::string, ErrorCode> rows[] = {
      {"networks", code_of(all.create_networks(ctx, std::vector<NetworkCreate>(kMany)))},
      {"subnets", code_of(all.create_subnets(ctx, std::vector<SubnetCreate>(kMany)))},
      {"ports", code_of(all.create_ports(ctx, std::vector<PortCreate>(kMany)))},
      {"groups", code_of(all.create_groups(ctx, std::vector<SecurityGroupCreate>(kMany)))},
      {"rules", code_of(all.create_rules(ctx, std::vector<SecurityGroupRuleCreate>(kMany)))},
      {"default rules",
       code_of(all.default_rules().create(ctx, std::vector<DefaultRuleCreate>(kMany)))},
      {"address groups",
       code_of(all.address_groups().create(ctx, std::vector<AddressGroupCreate>(kMany)))},
      {"routers", code_of(all.routers().create_many(ctx, std::vector<RouterCreate>(kMany)))},
      {"floating addresses",
       code_of(all.routers().create_floating_ips(ctx, std::vector<FloatingIpCreate>(kMany)))},
      {"forwardings", code_of(all.routers().create_forwardings(
                          ctx, {}, std::vector<PortForwardingCreate>(kMany)))},
      {"pools", code_of(all.subnet_pools().create_many(ctx, std::vector<SubnetPoolCreate>(kMany)))},
      {"scopes",
       code_of(all.subnet_pools().create_scopes(ctx, std::vector<AddressScopeCreate>(kMany)))},
      {"trunks", code_of(all.trunks().create(ctx, std::vector<TrunkCreate>(kMany)))},
      {"QoS policies", code_of(all.qos().create(ctx, std::vector<QosPolicyCreate>(kMany)))},
      {"grants", code_of(all.sharing().create(ctx, std::vector<RbacPolicyCreate>(kMany)))},
      {"labels",
       code_of(all.metering_labels().create(ctx, std::vector<MeteringLabelCreate>(kMany)))},
      {"label rules",
       code_of(all.metering_labels().create_rules(ctx, std::vector<MeteringRuleCreate>(kMany)))},
  };
  for (const auto& row : rows) {
    CAPTURE(row.first);
    CHECK(row.second == ErrorCode::TooLarge);
  }
}

TEST_CASE("each change counts a network's revision up, its subnets' changes too") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  CHECK(net.generation == 1);
  world.clock.advance(std::chrono::seconds(5));
  NetworkUpdate change;
  change.name = "other";
  const auto renamed = world.networks->update_network(ctx, net.id, change);
  REQUIRE(renamed);
  CHECK(renamed->generation == 2);
  CHECK(renamed->updated_at == net.created_at + std::chrono::seconds(5));
  const Subnet sub = world.subnet(ctx, net);
  CHECK(world.networks->network(ctx, net.id)->generation == 3);
  SubnetUpdate dns;
  dns.dns_servers = {"9.9.9.9"};
  REQUIRE(world.networks->update_subnet(ctx, sub.id, dns));
  CHECK(world.networks->network(ctx, net.id)->generation == 4);
}
