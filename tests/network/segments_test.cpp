#include "network/segments.hpp"

#include "cloudos/network_segments.hpp"
#include "cloudos/port_bindings.hpp"
#include "cloudos/routers.hpp"
#include "network/fake_driver.hpp"
#include "network/support.hpp"

using namespace network_test;

namespace {

/// Hosts h1 and h2 on a wire each.
struct RoutedWorld : World {
  Context boss = admin();
  RoutedWorld() : World({"physnet1", "physnet2"}, drivers()) {}
  static std::vector<std::shared_ptr<network::MechanismDriver>> drivers() {
    std::vector<std::shared_ptr<network::MechanismDriver>> all;
    for (const auto& [host, wire] : {std::pair{"h1", "physnet1"}, {"h2", "physnet2"}}) {
      auto one = std::make_shared<FakeDriver>("sw", host, std::set<std::string>{"vlan", "flat"});
      one->reaches = {wire};
      all.push_back(one);
    }
    return all;
  }
  Network several() {
    NetworkCreate spec;
    spec.name = "routed";
    spec.segments = {{"vlan", "physnet1", 100}, {"vlan", "physnet2", 200}};
    auto made = networks->create_network(boss, spec);
    if (!made) FAIL(made.error().message);
    return *made;
  }
  Result<Subnet> subnet_on(const Network& net, const std::string& cidr, const SegmentId& segment) {
    SubnetCreate spec;
    spec.network = net.id;
    spec.cidr = cidr;
    spec.segment = segment;
    return networks->create_subnet(boss, spec);
  }
  Result<Port> port_on(const Network& net, const std::string& host) {
    PortCreate spec;
    spec.network = net.id;
    spec.host = host;
    return networks->create_port(boss, spec);
  }
};

struct RangeWorld : World {
  Context boss = admin();
  explicit RangeWorld(NetworkSettings settings)
      : World({"physnet1"}, {}, std::move(settings)) {}
  static NetworkSettings of_vxlan(network::TagRanges ranges) {
    NetworkSettings settings;
    settings.tenant_types = {"vxlan"};
    settings.vxlan_ranges = std::move(ranges);
    return settings;
  }
  Result<Network> of_project(const std::string& project) {
    NetworkCreate spec;
    spec.project = ProjectId{project};
    return networks->create_network(boss, spec);
  }
  Result<SegmentRange> range(std::uint32_t first, std::uint32_t last,
                             const std::string& project = {}) {
    SegmentRangeCreate spec;
    spec.name = "range";
    spec.network_type = "vxlan";
    spec.minimum = first;
    spec.maximum = last;
    spec.shared = project.empty();
    if (!project.empty()) spec.project = ProjectId{project};
    return networks->segments().create_range(boss, spec);
  }
};

}  // namespace

TEST_CASE("a network's first segment is there by itself, and its id stays") {
  World world;
  const Network net = world.network(admin());
  auto& segments = world.networks->segments();
  const auto all = segments.segments(admin(), {{{"network_id", net.id.value}}, {}, {}, SIZE_MAX});
  REQUIRE(all);
  REQUIRE(all->size() == 1);
  const NetworkSegment first = all->front();
  CHECK(network::network_of_first(first.id) == net.id);
  CHECK(segments.segment(admin(), first.id)->network_type == "local");
  SegmentUpdate named;
  named.name = "named";
  const auto changed = segments.update(admin(), first.id, named);
  REQUIRE(changed);
  CHECK(changed->id == first.id);
  CHECK(changed->generation == 2);
  CHECK(segments.segment(admin(), first.id)->name == "named");
  CHECK(segments.segment(admin(), first.id)->created_at == first.created_at);
  CHECK(type_of(segments.remove(admin(), first.id)) == "SegmentInUse");
  CHECK(type_of(segments.segment(admin(), SegmentId{"nobody"})) == "SegmentNotFound");
  CHECK(code_of(segments.segments(member("p"))) == ErrorCode::Forbidden);
  REQUIRE(world.networks->delete_network(admin(), net.id));
  CHECK(type_of(segments.segment(admin(), first.id)) == "SegmentNotFound");
  CHECK(world.keys_left().empty());
}

TEST_CASE("networks of several segments take all of them, or are not made") {
  World world({"physnet1", "physnet2"});
  NetworkCreate spec;
  spec.segments = {{"vlan", "physnet1", 7}, {"vlan", "physnet2", 7}, {"vxlan", "", {}}};
  const auto made = world.networks->create_network(admin(), spec);
  REQUIRE(made);
  CHECK(network_segments(*made).size() == 3);
  CHECK(made->network_type == "vlan");
  CHECK(made->segmentation_id == 7U);
  CHECK(made->mtu == 1450);  // What the least of them carries.
  struct Row {
    std::string what;
    std::vector<NetworkCreate::Segment> segments;
    ErrorCode code;
  };
  const std::vector<Row> rows = {
      {"one is taken", {{"vlan", "physnet1", 8}, {"vlan", "physnet2", 7}}, ErrorCode::Conflict},
      {"the same twice",
       {{"vlan", "physnet1", 9}, {"vlan", "physnet1", 9}},
       ErrorCode::InvalidArgument},
      {"unknown type",
       {{"vlan", "physnet1", 9}, {"carrier pigeon", "", {}}},
       ErrorCode::InvalidArgument},
      {"no such wire", {{"vlan", "physnet9", 9}}, ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    NetworkCreate other;
    other.segments = row.segments;
    CHECK(code_of(world.networks->create_network(admin(), other)) == row.code);
  }
  NetworkCreate both = spec;
  both.network_type = "local";
  CHECK(code_of(world.networks->create_network(admin(), both)) == ErrorCode::InvalidArgument);
  CHECK(code_of(world.networks->create_network(member("p"), spec)) == ErrorCode::Forbidden);
  REQUIRE(world.networks->delete_network(admin(), made->id));
  // What was taken for those that failed is free, too.
  NetworkCreate again;
  again.segments = {{"vlan", "physnet1", 7}, {"vlan", "physnet1", 8}};
  CHECK(world.networks->create_network(admin(), again));
}

TEST_CASE("segments come to a network and go, while nothing is on them") {
  RoutedWorld world;
  const Network net = world.several();
  auto& segments = world.networks->segments();
  SegmentCreate more;
  more.network = net.id;
  more.network_type = "vlan";
  more.physical_network = "physnet1";
  more.segmentation_id = 100;
  CHECK(code_of(segments.create(world.boss, more)) == ErrorCode::Conflict);
  more.segmentation_id = 101;
  more.name = "third";
  const auto third = segments.create(world.boss, more);
  REQUIRE(third);
  CHECK(segments.segments(world.boss, {{{"name", "third"}}, {}, {}, SIZE_MAX})->size() == 1);
  const auto subnet = world.subnet_on(net, "10.3.0.0/24", third->id);
  REQUIRE(subnet);
  CHECK(type_of(segments.remove(world.boss, third->id)) == "SegmentInUse");
  REQUIRE(world.networks->delete_subnet(world.boss, subnet->id));
  REQUIRE(segments.remove(world.boss, third->id));
  // Its tag is free again.
  CHECK(segments.create(world.boss, more));
  // The first one may go when nothing is there; the network is then what is left.
  const auto all = network_segments(*world.networks->network(world.boss, net.id));
  REQUIRE(segments.remove(world.boss, all.front().id));
  CHECK(world.networks->network(world.boss, net.id)->physical_network == "physnet2");
  CHECK(code_of(segments.create(member("p"), more)) == ErrorCode::Forbidden);
}

TEST_CASE("a network's MTU is what the least of its segments carries, also of one added later") {
  World world;
  NetworkCreate spec;
  spec.network_type = "vlan";
  spec.physical_network = "physnet1";
  const auto net = world.networks->create_network(admin(), spec);
  REQUIRE(net);
  CHECK(net->mtu == 1500);
  SegmentCreate more;
  more.network = net->id;
  more.network_type = "vxlan";
  REQUIRE(world.networks->segments().create(admin(), more));
  CHECK(world.networks->network(admin(), net->id)->mtu == 1450);
  more.network_type = "vlan";
  more.physical_network = "physnet1";
  REQUIRE(world.networks->segments().create(admin(), more));
  CHECK(world.networks->network(admin(), net->id)->mtu == 1450);
}

TEST_CASE("an MTU that was asked for meanwhile stays when the segment goes that made it smaller") {
  World world;
  NetworkCreate spec;
  spec.network_type = "vlan";
  spec.physical_network = "physnet1";
  const auto net = world.networks->create_network(admin(), spec);
  REQUIRE(net);
  SegmentCreate more;
  more.network = net->id;
  more.network_type = "vxlan";
  const auto tunnel = world.networks->segments().create(admin(), more);
  REQUIRE(tunnel);
  NetworkUpdate change;
  change.mtu = 1400;
  REQUIRE(world.networks->update_network(admin(), net->id, change));
  REQUIRE(world.networks->segments().remove(admin(), tunnel->id));
  CHECK(world.networks->network(admin(), net->id)->mtu == 1400);
}

TEST_CASE("an MTU that a segment made smaller is what it was when that segment goes") {
  struct Row {
    std::string what;
    std::vector<NetworkCreate::Segment> made;
    std::optional<std::uint32_t> asked, changed;  ///< At the beginning; while both are there.
    std::uint32_t with, without;                  ///< A segment of type vxlan.
  };
  const NetworkCreate::Segment vlan{"vlan", "physnet1", {}}, vxlan{"vxlan", "", {}};
  const std::vector<Row> rows = {
      {"added later", {vlan}, {}, {}, 1450, 1500},
      {"there from the beginning", {vlan, vxlan}, {}, {}, 1450, 1500},
      {"smaller asked for", {vlan}, 1400, {}, 1400, 1400},
      {"between the two asked for", {vlan}, 1480, {}, 1450, 1480},
      {"asked for while both were there", {vlan}, {}, 1440, 1440, 1440},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    NetworkCreate spec;
    spec.segments = row.made;
    spec.mtu = row.asked;
    const auto net = world.networks->create_network(admin(), spec);
    REQUIRE(net);
    auto& segments = world.networks->segments();
    if (row.made.size() == 1) {
      SegmentCreate more;
      more.network = net->id;
      more.network_type = "vxlan";
      REQUIRE(segments.create(admin(), more));
    }
    NetworkUpdate change;
    change.mtu = row.changed;
    if (row.changed) REQUIRE(world.networks->update_network(admin(), net->id, change));
    const auto now = world.networks->network(admin(), net->id);
    CHECK(now->mtu == row.with);
    REQUIRE(segments.remove(admin(), network_segments(*now).back().id));
    CHECK(world.networks->network(admin(), net->id)->mtu == row.without);
  }
}

TEST_CASE("an MTU of a record that does not say who wanted it stays, if nothing else explains it") {
  World world;
  NetworkCreate spec;
  spec.segments = {{"vlan", "physnet1", {}}};
  spec.mtu = 1300;
  const auto net = world.networks->create_network(admin(), spec);
  REQUIRE(net);
  REQUIRE(world.store->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<Network>(txn, net->id, [](Network& old) {
      old.asked_mtu.reset();
      return Result<void>();
    }));
    return Result<void>();
  }));
  SegmentCreate more;
  more.network = net->id;
  more.network_type = "vxlan";
  const auto added = world.networks->segments().create(admin(), more);
  REQUIRE(added);
  CHECK(world.networks->network(admin(), net->id)->mtu == 1300);
  REQUIRE(world.networks->segments().remove(admin(), added->id));
  CHECK(world.networks->network(admin(), net->id)->mtu == 1300);
}

TEST_CASE("a dynamic segment comes and goes with its port; drivers hear of both, the MTU follows") {
  auto top = std::make_shared<FakeDriver>("tor", "", std::set<std::string>{"vlan"});
  top->lower = network::LowerSegment{"vxlan", ""};
  const auto below = std::make_shared<FakeDriver>("bridge", "h1", std::set<std::string>{"vxlan"});
  World world({"physnet1"}, {top, below});
  NetworkCreate spec;
  spec.network_type = "vlan";
  spec.physical_network = "physnet1";
  const auto net = world.networks->create_network(admin(), spec);
  REQUIRE(net);
  std::size_t heard = 0;
  below->fault = [&](std::string_view call, const std::string& id) -> std::optional<Error> {
    heard += call == "precommit" && id == net->id.value;
    return std::nullopt;
  };
  PortCreate asked;
  asked.network = net->id;
  asked.host = "h1";
  const auto port = world.networks->create_port(admin(), asked);
  REQUIRE(port);
  REQUIRE(port->levels.size() == 2);
  CHECK(heard == 1);
  CHECK(world.networks->network(admin(), net->id)->mtu == 1450);
  REQUIRE(world.networks->delete_port(admin(), port->id));
  CHECK(network_segments(*world.networks->network(admin(), net->id)).size() == 1);
  CHECK(heard == 2);
  CHECK(world.networks->network(admin(), net->id)->mtu == 1500);
  below->fault = nullptr;
}

TEST_CASE("subnets of a network are all on segments of it, or none is") {
  RoutedWorld world;
  const Network net = world.several();
  const auto all = network_segments(net);
  REQUIRE(world.subnet_on(net, "10.1.0.0/24", all[0].id));
  CHECK(type_of(world.subnet_on(net, "10.2.0.0/24", SegmentId{})) ==
        "SubnetsNotAllAssociatedWithSegments");
  CHECK(type_of(world.subnet_on(net, "10.2.0.0/24", SegmentId{"nobody"})) == "SegmentNotFound");
  const Network other = world.network(world.boss, "other");
  CHECK(type_of(world.subnet_on(net, "10.2.0.0/24", network_segments(other)[0].id)) ==
        "NetworkIdsDontMatch");
  // The only subnet of a network of one segment is put on it later, once.
  const Subnet plain = world.subnet(world.boss, other, "10.9.0.0/24");
  SubnetUpdate onto;
  onto.segment = network_segments(other)[0].id;
  CHECK(world.networks->update_subnet(world.boss, plain.id, onto)->segment == *onto.segment);
  onto.segment = all[0].id;
  CHECK(type_of(world.networks->update_subnet(world.boss, plain.id, onto)) ==
        "SubnetSegmentAssociationChangeNotAllowed");
}

TEST_CASE(
    "a port of a routed network has addresses of its host's segment, as soon as it has a host") {
  RoutedWorld world;
  const Network net = world.several();
  const auto all = network_segments(net);
  const auto one = world.subnet_on(net, "10.1.0.0/24", all[0].id);
  const auto two = world.subnet_on(net, "10.2.0.0/24", all[1].id);
  REQUIRE(one);
  REQUIRE(two);
  const auto there = world.port_on(net, "h2");
  REQUIRE(there);
  REQUIRE(there->fixed_ips.size() == 1);
  CHECK(there->fixed_ips[0].subnet == two->id);
  // Without a host it waits; with one it gets them.
  const auto waiting = world.port_on(net, "");
  REQUIRE(waiting);
  CHECK(waiting->fixed_ips.empty());
  CHECK(waiting->deferred_addresses);
  PortUpdate host;
  host.host = "h1";
  const auto bound = world.networks->update_port(world.boss, waiting->id, host);
  REQUIRE(bound);
  REQUIRE(bound->fixed_ips.size() == 1);
  CHECK(bound->fixed_ips[0].subnet == one->id);
  CHECK_FALSE(bound->deferred_addresses);
  // An address that is named binds the host.
  host.host = "h2";
  CHECK(type_of(world.networks->update_port(world.boss, waiting->id, host)) ==
        "HostNotCompatibleWithFixedIps");
  // So do servers' ports when they are plugged.
  const auto of_server = world.server_port(world.boss, net.id, "s1");
  REQUIRE(of_server);
  CHECK(of_server->deferred_addresses);
  REQUIRE(world.networks->plug(of_server->id, ServerId{"s1"}, "h2"));
  CHECK(world.networks->port(world.boss, of_server->id)->fixed_ips.at(0).subnet == two->id);
}

TEST_CASE("a router's gateway has its address on the segment that its host reaches") {
  auto far = std::make_shared<network::SimulatedDriver>("h1", "");
  World world({"physnet1"}, {far});
  const Context boss = admin();
  NetworkCreate spec;
  spec.external = true;
  spec.segments = {{"vxlan", "", 10}, {"vxlan", "", 20}};
  const auto net = world.networks->create_network(boss, spec);
  REQUIRE(net);
  // The simulated driver takes the first: the subnet of the second is not where the router is.
  const auto all = network_segments(*net);
  for (const std::size_t at : {std::size_t{1}, std::size_t{0}}) {
    SubnetCreate subnet;
    subnet.network = net->id;
    subnet.cidr = at == 0 ? "10.1.0.0/24" : "10.2.0.0/24";
    subnet.segment = all[at].id;
    REQUIRE(world.networks->create_subnet(boss, subnet));
  }
  RouterCreate router;
  router.gateway = GatewaySpec{net->id, {}, {}};
  const auto made = world.networks->routers().create(boss, router);
  if (!made) FAIL(made.error().message);
  REQUIRE(made->gateway_ips.size() == 1);
  CHECK(made->gateway_ips[0].address.starts_with("10.1.0."));
  CHECK(world.networks->port(boss, made->gateway_port)->plugged);
}

TEST_CASE("the configuration's ranges are there to read, and not to change") {
  RangeWorld world(RangeWorld::of_vxlan({{1, 10}, {20, 30}}));
  auto& segments = world.networks->segments();
  const auto all = segments.ranges(world.boss, {{{"default", "true"}}, {}, {}, SIZE_MAX});
  REQUIRE(all);
  CHECK(all->size() == 3);  // Every tag of physnet1, too.
  for (const SegmentRange& one : *all) {
    CHECK(one.shared);
    CHECK(segments.range(world.boss, one.id)->minimum == one.minimum);
    CHECK(type_of(segments.remove_range(world.boss, one.id)) ==
          "NetworkSegmentRangeDefaultReadOnly");
    CHECK(type_of(segments.update_range(world.boss, one.id, {})) ==
          "NetworkSegmentRangeDefaultReadOnly");
  }
  CHECK(code_of(segments.ranges(member("p"))) == ErrorCode::Forbidden);
}

TEST_CASE("a project with a range of its own gets its numbers, and nobody else does") {
  RangeWorld world(RangeWorld::of_vxlan({{1, 6}}));
  const auto own = world.range(3, 4, "mine");
  REQUIRE(own);
  std::set<std::uint32_t> mine, others;
  for (int i = 0; i < 2; ++i) mine.insert(world.of_project("mine")->segmentation_id.value());
  CHECK((mine == std::set<std::uint32_t>{3, 4}));
  for (int i = 0; i < 3; ++i) others.insert(world.of_project("other")->segmentation_id.value());
  CHECK(others.count(3) + others.count(4) == 0);
  // Its own being used up, it is served as the others are.
  CHECK(world.of_project("mine")->segmentation_id.has_value());
  CHECK(code_of(world.of_project("other")) == ErrorCode::NoCapacity);
  const auto use = world.networks->segments().use_of(world.boss, *own);
  REQUIRE(use);
  CHECK((use->used ==
         std::map<std::uint32_t, ProjectId>{{3, ProjectId{"mine"}}, {4, ProjectId{"mine"}}}));
  CHECK(use->available.empty());
}

TEST_CASE("a range is used by whoever it is for, and does not shrink over what is given out") {
  RangeWorld world(RangeWorld::of_vxlan({{1, 1}}));
  auto& segments = world.networks->segments();
  REQUIRE(world.of_project("a"));
  CHECK(code_of(world.of_project("a")) == ErrorCode::NoCapacity);
  const auto range = world.range(100, 105);
  REQUIRE(range);
  const auto net = world.of_project("a");
  REQUIRE(net);
  CHECK(net->segmentation_id == 100U);
  struct Row {
    std::string what;
    SegmentRangeUpdate change;
    std::string type;
  };
  SegmentRangeUpdate above, below, wide, backwards;
  above.minimum = 101;
  below.maximum = 99;
  backwards.minimum = 50;
  backwards.maximum = 40;
  wide.minimum = 50;
  wide.maximum = 200;
  const std::vector<Row> rows = {
      {"begins behind it", above, "NetworkSegmentRangeReferencedByProject"},
      {"ends before it", below, "NetworkSegmentRangeReferencedByProject"},
      {"ends before it begins", backwards, "NetworkSegmentRangeReferencedByProject"},
      {"grows", wide, "no error"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(type_of(segments.update_range(world.boss, range->id, row.change)) == row.type);
  }
  CHECK(type_of(world.range(150, 300)) == "NetworkSegmentRangeOverlaps");
  CHECK(type_of(segments.remove_range(world.boss, range->id)) ==
        "NetworkSegmentRangeReferencedByProject");
  REQUIRE(world.networks->delete_network(world.boss, net->id));
  REQUIRE(segments.remove_range(world.boss, range->id));
  CHECK(code_of(world.of_project("a")) == ErrorCode::NoCapacity);
  CHECK(type_of(segments.range(world.boss, range->id)) == "NetworkSegmentRangeNotFound");
}

TEST_CASE("projects' networks get the first type that has a segment left") {
  NetworkSettings settings = RangeWorld::of_vxlan({{5, 5}});
  settings.tenant_types = {"vlan", "vxlan", "local"};
  settings.vlan_ranges = std::map<std::string, network::TagRanges>{{"physnet1", {{10, 10}}}};
  RangeWorld world(settings);
  std::vector<std::string> types;
  for (int i = 0; i < 4; ++i) types.push_back(world.of_project("p")->network_type);
  CHECK((types == std::vector<std::string>{"vlan", "vxlan", "local", "local"}));
}

TEST_CASE("a range knows its numbers, however many others are taken") {
  RangeWorld world(RangeWorld::of_vxlan({{1, 2'000}}));
  auto& segments = world.networks->segments();
  world.limit("many", "networks", 2'000);
  for (std::size_t i = 0; i <= limits::kScanPage; ++i) REQUIRE(world.of_project("many"));
  // As texts, these come behind all of the others.
  const auto range = world.range(99'990, 99'999);
  REQUIRE(range);
  NetworkCreate named;
  named.project = ProjectId{"late"};
  named.network_type = "vxlan";
  named.segmentation_id = 99'995;
  const auto net = world.networks->create_network(world.boss, named);
  REQUIRE(net);
  const auto use = segments.use_of(world.boss, *range);
  REQUIRE(use);
  CHECK((use->used == std::map<std::uint32_t, ProjectId>{{99'995, ProjectId{"late"}}}));
  CHECK((use->available == std::vector<std::uint32_t>{99'990, 99'991, 99'992, 99'993, 99'994,
                                                      99'996, 99'997, 99'998, 99'999}));
  SegmentRangeUpdate less;
  less.maximum = 99'994;
  CHECK(type_of(segments.update_range(world.boss, range->id, less)) ==
        "NetworkSegmentRangeReferencedByProject");
  CHECK(type_of(segments.remove_range(world.boss, range->id)) ==
        "NetworkSegmentRangeReferencedByProject");
  REQUIRE(world.networks->delete_network(world.boss, net->id));
  CHECK(segments.update_range(world.boss, range->id, less));
  CHECK(segments.remove_range(world.boss, range->id));
}

TEST_CASE("numbers kept for a project are in nobody's way, however many they are") {
  struct Row {
    std::string what;
    network::TagRanges configured;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> kept;
    std::vector<std::uint32_t> given;  ///< To the others, and then nothing is left, if below 5.
  };
  const std::vector<Row> rows = {
      {"more than one transaction looks at, in front",
       {{1, 1'000'000}},
       {{1, 100'000}},
       {100'001, 100'002, 100'003, 100'004, 100'005}},
      {"in the middle", {{1, 200'000}}, {{3, 150'000}}, {1, 2, 150'001, 150'002, 150'003}},
      {"one behind the other",
       {{1, 300'000}},
       {{1, 70'000}, {70'002, 200'000}},
       {70'001, 200'001, 200'002, 200'003, 200'004}},
      {"over the edges of two", {{1, 10}, {20, 200'000}}, {{9, 100'000}}, {1, 2, 3, 4, 5}},
      {"up to the end", {{5, 100'000}}, {{8, 200'000}}, {5, 6, 7}},
      {"all there are", {{5, 100'000}}, {{1, 200'000}}, {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    RangeWorld world(RangeWorld::of_vxlan(row.configured));
    for (const auto& [first, last] : row.kept) REQUIRE(world.range(first, last, "mine"));
    for (const std::uint32_t number : row.given) {
      const auto net = world.of_project("other");
      REQUIRE(net);
      CHECK(net->segmentation_id == number);
    }
    if (row.given.size() < 5) CHECK(code_of(world.of_project("other")) == ErrorCode::NoCapacity);
    CHECK(world.of_project("mine")->segmentation_id == row.kept.front().first);
  }
}

TEST_CASE("addresses made of MACs come only to ports that reach the subnet's segment") {
  RoutedWorld world;
  const Network net = world.several();
  const auto all = network_segments(net);
  const auto early = world.port_on(net, "");
  REQUIRE(early);
  CHECK_FALSE(early->deferred_addresses);
  const auto one = world.subnet_on(net, "10.1.0.0/24", all[0].id);
  const auto two = world.subnet_on(net, "10.2.0.0/24", all[1].id);
  REQUIRE(one);
  REQUIRE(two);
  const auto near = world.port_on(net, "h2"), far = world.port_on(net, "h1");
  const auto waiting = world.port_on(net, "");
  REQUIRE(near);
  REQUIRE(far);
  REQUIRE(waiting);
  PortCreate spec;
  spec.network = net.id;
  spec.fixed_ips = std::vector<FixedIpRequest>{{one->id, "10.1.0.50"}};
  const auto meant_far = world.networks->create_port(world.boss, spec);
  spec.fixed_ips = std::vector<FixedIpRequest>{{two->id, "10.2.0.50"}};
  const auto meant_near = world.networks->create_port(world.boss, spec);
  REQUIRE(meant_far);
  REQUIRE(meant_near);
  SubnetCreate six;
  six.network = net.id;
  six.ip_version = 6;
  six.cidr = "fd00:1::/64";
  six.ra_mode = six.address_mode = "slaac";
  six.segment = all[1].id;
  const auto slaac = world.networks->create_subnet(world.boss, six);
  REQUIRE(slaac);
  struct Row {
    std::string what;
    PortId port;
    std::vector<SubnetId> subnets, bound;  ///< Before and after it has the host.
    bool waits;
    std::string host;
  };
  const std::vector<Row> rows = {
      {"on the segment", near->id, {two->id, slaac->id}, {two->id, slaac->id}, false, "h2"},
      {"on the other", far->id, {one->id}, {one->id}, false, "h1"},
      {"waits and comes there", waiting->id, {}, {two->id, slaac->id}, true, "h2"},
      {"older than all subnets, comes elsewhere", early->id, {}, {one->id}, true, "h1"},
      {"named, elsewhere", meant_far->id, {one->id}, {one->id}, false, "h1"},
      {"named, there", meant_near->id, {two->id, slaac->id}, {two->id, slaac->id}, false, "h2"},
  };
  const auto subnets_of = [](const Port& port) {
    std::vector<SubnetId> ids;
    for (const FixedIp& fixed : port.fixed_ips) ids.push_back(fixed.subnet);
    return ids;
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto before = world.networks->port(world.boss, row.port);
    REQUIRE(before);
    CHECK(subnets_of(*before) == row.subnets);
    CHECK(before->deferred_addresses == row.waits);
    PortUpdate host;
    host.host = row.host;
    const auto bound = world.networks->update_port(world.boss, row.port, host);
    if (!bound) FAIL_CHECK(bound.error().message);
    if (!bound) continue;
    CHECK(subnets_of(*bound) == row.bound);
    CHECK_FALSE(bound->deferred_addresses);
  }
}

TEST_CASE("a binding that is only prepared takes no address; the one that is active does") {
  RoutedWorld world;
  const Network net = world.several();
  const auto all = network_segments(net);
  SubnetCreate spec;
  spec.network = net.id;
  spec.cidr = "10.1.0.0/24";
  spec.segment = all[0].id;
  spec.dhcp = false;
  spec.pools = {{{"10.1.0.10", "10.1.0.10"}}};
  REQUIRE(world.networks->create_subnet(world.boss, spec));
  REQUIRE(world.subnet_on(net, "10.2.0.0/24", all[1].id));
  const auto waiting = world.port_on(net, "");
  REQUIRE(waiting);
  CHECK(waiting->deferred_addresses);
  PortBindings bindings(*world.networks);
  for (const char* host : {"h1", "h2"}) {
    PortBinding ready;
    ready.host = host;
    REQUIRE(bindings.add(world.boss, waiting->id, ready));
  }
  // The only one there is goes to whoever is there first.
  const auto quick = world.port_on(net, "h1");
  REQUIRE(quick);
  REQUIRE(quick->fixed_ips.size() == 1);
  CHECK(code_of(bindings.activate(world.boss, waiting->id, "h1")) == ErrorCode::NoCapacity);
  REQUIRE(world.networks->delete_port(world.boss, quick->id));
  REQUIRE(bindings.activate(world.boss, waiting->id, "h1"));
  const auto active = world.networks->port(world.boss, waiting->id);
  REQUIRE(active->fixed_ips.size() == 1);
  CHECK(active->fixed_ips[0].address == "10.1.0.10");
  CHECK_FALSE(active->deferred_addresses);
  // From now on it is where its address is.
  CHECK(type_of(bindings.activate(world.boss, waiting->id, "h2")) ==
        "HostNotCompatibleWithFixedIps");
  CHECK(world.networks->port(world.boss, waiting->id)->host == "h1");
  REQUIRE(world.networks->delete_port(world.boss, waiting->id));
  CHECK(world.port_on(net, "h1")->fixed_ips.at(0).address == "10.1.0.10");
}

TEST_CASE("a port without a host has all its addresses on one segment, those of its MAC too") {
  RoutedWorld world;
  const Network net = world.several();
  const auto all = network_segments(net);
  std::vector<SubnetId> four, six;
  for (const std::size_t at : {std::size_t{0}, std::size_t{1}}) {
    const auto one = world.subnet_on(net, at == 0 ? "10.1.0.0/24" : "10.2.0.0/24", all[at].id);
    REQUIRE(one);
    four.push_back(one->id);
    SubnetCreate spec;
    spec.network = net.id;
    spec.ip_version = 6;
    spec.cidr = at == 0 ? "fd00:1::/64" : "fd00:2::/64";
    spec.ra_mode = spec.address_mode = "slaac";
    spec.segment = all[at].id;
    const auto slaac = world.networks->create_subnet(world.boss, spec);
    REQUIRE(slaac);
    six.push_back(slaac->id);
  }
  const auto subnets_of = [](const Port& port) {
    std::set<SubnetId> ids;
    for (const FixedIp& fixed : port.fixed_ips) ids.insert(fixed.subnet);
    return ids;
  };
  struct Row {
    std::string what;
    std::vector<FixedIpRequest> asked;
    std::optional<std::size_t> segment;  ///< Nothing: refused.
  };
  const std::vector<Row> rows = {
      {"an address of the first", {{four[0], "10.1.0.50"}}, 0},
      {"any of the second", {{four[1], ""}}, 1},
      {"an address alone", {{SubnetId{}, "10.2.0.51"}}, 1},
      {"its MAC's", {{six[0], ""}}, 0},
      {"of both", {{four[0], ""}, {four[1], ""}}, {}},
      {"of both, one by its MAC", {{four[0], ""}, {six[1], ""}}, {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    PortCreate spec;
    spec.network = net.id;
    spec.fixed_ips = row.asked;
    const auto port = world.networks->create_port(world.boss, spec);
    if (!row.segment) {
      CHECK(type_of(port) == "FixedIpsSubnetsNotOnSameSegment");
      continue;
    }
    REQUIRE(port);
    for (const SubnetId& has : subnets_of(*port))
      CHECK((has == four[*row.segment] || has == six[*row.segment]));
    CHECK(subnets_of(*port).count(six[*row.segment]) == 1);
    // So it can be bound where they are, and there alone.
    PortUpdate host;
    host.host = *row.segment == 0 ? "h2" : "h1";
    CHECK(type_of(world.networks->update_port(world.boss, port->id, host)) ==
          "HostNotCompatibleWithFixedIps");
    host.host = *row.segment == 0 ? "h1" : "h2";
    const auto bound = world.networks->update_port(world.boss, port->id, host);
    if (!bound) FAIL_CHECK(bound.error().message);
    PortUpdate other;
    other.fixed_ips = std::vector<FixedIpRequest>{{four[1 - *row.segment], ""}};
    CHECK(type_of(world.networks->update_port(world.boss, port->id, other)) ==
          "HostNotCompatibleWithFixedIps");
    // Without a host, or with it, it moves to the other segment whole.
    for (const bool with_host : {false, true}) {
      CAPTURE(with_host);
      const std::size_t to = with_host ? *row.segment : 1 - *row.segment;
      if (!with_host) {
        host.host = "";
        REQUIRE(world.networks->update_port(world.boss, port->id, host));
      }
      other.fixed_ips = std::vector<FixedIpRequest>{{four[to], ""}};
      if (with_host) other.host = to == 0 ? "h1" : "h2";
      const auto moved = world.networks->update_port(world.boss, port->id, other);
      if (!moved) FAIL_CHECK(moved.error().message);
      if (moved) CHECK((subnets_of(*moved) == std::set<SubnetId>{four[to], six[to]}));
    }
    // Not to where its addresses are not.
    other.host = *row.segment == 0 ? "h2" : "h1";
    CHECK(type_of(world.networks->update_port(world.boss, port->id, other)) ==
          "HostNotCompatibleWithFixedIps");
    other.fixed_ips = std::vector<FixedIpRequest>{{four[1 - *row.segment], ""}};
    const auto across = world.networks->update_port(world.boss, port->id, other);
    if (!across) FAIL_CHECK(across.error().message);
    REQUIRE(world.networks->delete_port(world.boss, port->id));
  }
}
