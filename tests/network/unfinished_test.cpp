// Operations of more than one commit, killed behind each of them; and those that were made one.
#include <algorithm>
#include <functional>
#include <set>

#include "cloudos/network_agents.hpp"
#include "cloudos/network_segments.hpp"
#include "cloudos/routers.hpp"
#include "cloudos/simple_network.hpp"
#include "cloudos/subnet_pools.hpp"
#include "network/fake_driver.hpp"
#include "network/ip.hpp"
#include "network/l3_records.hpp"
#include "store/faulty.hpp"
#include "support.hpp"

using namespace network_test;

namespace {

struct Operation {
  std::function<void(World&)> prepare;
  /// Looks up what it needs while the process lives, and returns the call: true when it was
  /// answered well.
  std::function<std::function<bool()>(World&)> call;
  /// `begun`: it had committed something when the process died.
  std::function<void(World&, bool begun)> check;
  std::size_t least_commits = 1;     ///< A case with fewer would prove nothing.
  /// Those of each life; empty: the simulated one.
  std::function<std::vector<std::shared_ptr<network::MechanismDriver>>()> drivers =
      [] { return std::vector<std::shared_ptr<network::MechanismDriver>>(); };
};

/// Kills the process behind each commit of the call; the next life ends what was begun.
void kill_everywhere(const Operation& operation) {
  std::size_t commits = 0;
  for (bool died = true; died; ++commits) {
    REQUIRE(commits < 50);
    CAPTURE(commits);
    const std::shared_ptr<store::Store> data = store::open_memory();
    {
      World before(data, 1, operation.drivers());
      operation.prepare(before);
    }
    {
      const auto faulty = std::make_shared<store::FaultyStore>(data);
      World life(faulty, 2, operation.drivers());
      const auto call = operation.call(life);
      faulty->crash_after(commits);
      const bool answered = call();
      died = faulty->crashed();
      if (!died) CHECK(answered);
    }
    World after(data, 3, operation.drivers());
    after.start();
    after.run(std::chrono::minutes(1));
    operation.check(after, commits > 0);
    CHECK((*after.store->snapshot())->scan("/auto-due/")->empty());
    CHECK((*after.store->snapshot())->scan("/segment-due/")->empty());
  }
  CHECK(commits > operation.least_commits);
}

Network only_network(World& world) {
  const auto all = world.networks->networks(member("p"));
  REQUIRE(all);
  REQUIRE(all->size() == 1);
  return all->front();
}
std::vector<Subnet> subnets_of(World& world) {
  const auto all = world.networks->subnets(member("p"));
  REQUIRE(all);
  return *all;
}

/// A network with `ports` ports, one of which asked for no address.
void make_ports(World& world, std::size_t ports) {
  world.limit("p", "ports", -1);
  const Network net = world.network(member("p"));
  PortCreate bare;
  bare.network = net.id;
  bare.name = "bare";
  bare.fixed_ips.emplace();
  REQUIRE(world.networks->create_port(member("p"), bare));
  PortCreate plain;
  plain.network = net.id;
  while (ports > 0) {
    const std::size_t some = std::min<std::size_t>(ports, 100);
    REQUIRE(world.networks->create_ports(member("p"), std::vector<PortCreate>(some, plain)));
    ports -= some;
  }
}

SubnetCreate automatic(const NetworkId& network) {
  SubnetCreate spec;
  spec.network = network;
  spec.cidr = "fd00:1::/64";
  spec.ip_version = 6;
  spec.ra_mode = spec.address_mode = "slaac";
  return spec;
}

/// Every port has the address that its MAC gives it in the subnet, or none has one.
void check_addresses(World& world, const Subnet* subnet) {
  const auto ports = world.networks->ports(member("p"));
  REQUIRE(ports);
  for (const Port& port : *ports) {
    CAPTURE(port.name);
    if (subnet == nullptr || port.name == "bare") {
      CHECK(port.fixed_ips.empty());
      continue;
    }
    REQUIRE(port.fixed_ips.size() == 1);
    CHECK(port.fixed_ips[0].address ==
          network::eui64_address(network::block_of(*subnet), port.mac));
  }
}

void check_whole_or_gone(World& world, bool there) {
  const auto subnets = subnets_of(world);
  REQUIRE(subnets.size() == (there ? 1U : 0U));
  check_addresses(world, there ? &subnets.front() : nullptr);
}

}  // namespace

TEST_CASE("ports get their addresses of a new subnet, whoever dies while they are given") {
  kill_everywhere({[](World& world) { make_ports(world, 120); },
                   [](World& world) {
                     return [&world, spec = automatic(only_network(world).id)] {
                       return world.networks->create_subnet(member("p"), spec).has_value();
                     };
                   },
                   [](World& world, bool begun) { check_whole_or_gone(world, begun); }, 4});
}

TEST_CASE("a subnet's deletion takes all its ports' addresses with it, or none") {
  const auto prepare = [](World& world) {
    make_ports(world, 270);
    REQUIRE(world.networks->create_subnet(member("p"), automatic(only_network(world).id)));
  };
  std::size_t kept = 0, gone = 0;
  kill_everywhere({prepare,
                   [](World& world) {
                     return [&world, id = subnets_of(world).front().id] {
                       return world.networks->delete_subnet(member("p"), id).has_value();
                     };
                   },
                   [&](World& world, bool) {
                     const bool there = !subnets_of(world).empty();
                     ++(there ? kept : gone);
                     check_whole_or_gone(world, there);
                   },
                   2});
  // The address of a port that lost it in an earlier commit came back.
  CHECK(kept > 1);
  CHECK(gone > 0);
}

TEST_CASE("a deletion that is refused leaves every address where it was") {
  World world;
  make_ports(world, 3);
  const Network net = only_network(world);
  const auto subnet = world.networks->create_subnet(member("p"), automatic(net.id));
  REQUIRE(subnet);
  const auto router = world.networks->routers().create(member("p"), {});
  REQUIRE(router);
  REQUIRE(world.networks->routers().add_interface(member("p"), router->id, {subnet->id, {}}));
  CHECK(type_of(world.networks->delete_subnet(member("p"), subnet->id)) == "SubnetInUse");
  CHECK(code_of(world.networks->delete_subnet(member("q"), subnet->id)) == ErrorCode::NotFound);
  REQUIRE(world.networks->routers().remove_interface(member("p"), router->id, {subnet->id, {}}));
  check_whole_or_gone(world, true);
  REQUIRE(world.networks->delete_subnet(member("p"), subnet->id));
  check_whole_or_gone(world, false);
}

TEST_CASE("a port that comes while a subnet goes is found, and lets go of it too") {
  const auto data = std::make_shared<store::FaultyStore>(store::open_memory());
  World world(data, 1);
  make_ports(world, 2);
  const NetworkId net = only_network(world).id;
  REQUIRE(world.networks->create_subnet(member("p"), automatic(net)));
  bool came = false;
  data->before_commit([&]() -> std::optional<Error> {
    if (std::exchange(came, true)) return std::nullopt;
    CHECK(world.port(member("p"), net));
    return std::nullopt;
  });
  REQUIRE(world.networks->delete_subnet(member("p"), subnets_of(world).front().id));
  CHECK(world.networks->ports(member("p"))->size() == 4);
  check_whole_or_gone(world, false);
}

TEST_CASE("an address that somebody asked for stays where it is; the other port gets none") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const auto plain = world.port(ctx, net.id);
  REQUIRE(plain);
  Subnet first = *world.networks->create_subnet(ctx, automatic(net.id));
  const auto mine = world.networks->port(ctx, plain->id)->fixed_ips.at(0).address;
  REQUIRE(world.networks->delete_subnet(ctx, first.id));
  // A router's leg has what it is given, also what would follow from another's MAC.
  SubnetCreate spec = automatic(net.id);
  spec.gateway = mine;
  PortUpdate none;
  none.fixed_ips.emplace();
  REQUIRE(world.networks->update_port(ctx, plain->id, none));
  const auto second = world.networks->create_subnet(ctx, spec);
  REQUIRE(second);
  CHECK(world.networks->port(ctx, plain->id)->fixed_ips.empty());
  CHECK((*world.store->snapshot())->scan("/auto-due/")->empty());
}

TEST_CASE("an address that follows from the MAC is one, however often it is asked for") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const auto subnet = world.networks->create_subnet(ctx, automatic(net.id));
  REQUIRE(subnet);
  PortCreate spec;
  spec.network = net.id;
  spec.fixed_ips = {{{subnet->id, {}}, {subnet->id, {}}}};
  const auto port = world.networks->create_port(ctx, spec);
  REQUIRE(port);
  CHECK(port->fixed_ips.size() == 1);
  PortUpdate change;
  change.fixed_ips = spec.fixed_ips;
  const auto changed = world.networks->update_port(ctx, port->id, change);
  REQUIRE(changed);
  CHECK(changed->fixed_ips == port->fixed_ips);
}

// ---- bindings and routers -----------------------------------------------------------------------

TEST_CASE("a dynamic segment is its port's or given back, whoever dies before the binding") {
  const auto drivers = [] {
    auto top = std::make_shared<FakeDriver>("tor", "", std::set<std::string>{"vxlan"});
    top->lower = network::LowerSegment{"vlan", "physnet1"};
    auto below = std::make_shared<FakeDriver>("bridge", "h1", std::set<std::string>{"vlan"});
    return std::vector<std::shared_ptr<network::MechanismDriver>>{top, below};
  };
  const auto prepare = [](World& world) {
    NetworkCreate spec;
    spec.network_type = "vxlan";
    spec.name = "tall";
    REQUIRE(world.networks->create_network(admin(), spec));
  };
  const auto net = [](World& world) {
    return world.networks->networks(admin(), {{{"name", "tall"}}, {}, {}, SIZE_MAX})->at(0);
  };
  std::size_t bound = 0, released = 0;
  kill_everywhere({prepare,
                   [&](World& world) {
                     PortCreate spec;
                     spec.network = net(world).id;
                     spec.host = "h1";
                     return [&world, spec] {
                       return world.networks->create_port(admin(), spec).has_value();
                     };
                   },
                   [&](World& world, bool begun) {
                     const auto ports = world.networks->ports(admin());
                     const auto segments = network_segments(net(world));
                     const auto tags = (*world.store->snapshot())->scan("/segment/vlan/");
                     REQUIRE(segments.size() == (ports->empty() ? 1U : 2U));
                     CHECK(tags->size() == ports->size());
                     released += begun && ports->empty();
                     if (ports->empty()) return;
                     ++bound;
                     CHECK(ports->at(0).levels.at(1).segment == segments[1].id);
                   },
                   2, drivers});
  CHECK(bound > 0);
  CHECK(released > 0);
}

TEST_CASE("a router that is taken away ends its floating addresses, whoever dies meanwhile") {
  const auto prepare = [](World& world) {
    const Context ctx = member("p");
    auto& routers = world.networks->routers();
    NetworkCreate outside;
    outside.external = true;
    const auto ext = world.networks->create_network(admin(), outside);
    REQUIRE(ext);
    world.subnet(admin(), *ext, "203.0.113.0/24", false);
    const Network net = world.network(ctx);
    const Subnet subnet = world.subnet(ctx, net);
    RouterCreate spec;
    spec.gateway = GatewaySpec{ext->id, {}, {}};
    const auto router = routers.create(ctx, spec);
    REQUIRE(router);
    REQUIRE(routers.add_interface(ctx, router->id, {subnet.id, {}}));
    FloatingIpCreate floating;
    floating.network = ext->id;
    floating.port = world.port(ctx, net.id, "s1")->id;
    REQUIRE(routers.create_floating_ip(ctx, floating));
    world.start();
    world.run(std::chrono::seconds(5));
    REQUIRE(routers.floating_ips(ctx)->at(0).status == FloatingIpStatus::Active);
  };
  std::size_t ended = 0;
  kill_everywhere({prepare,
                   [](World& world) {
                     const RouterId id = world.networks->routers().routers(admin())->at(0).id;
                     auto& agents = world.networks->agents();
                     const auto by = agents.l3_agents_of(admin(), id);
                     REQUIRE(by->size() == 1);
                     return [&agents, id, agent = by->front().id.value] {
                       return agents.remove_router(admin(), agent, id).has_value();
                     };
                   },
                   [&](World& world, bool begun) {
                     auto& routers = world.networks->routers();
                     CHECK(routers.routers(admin())->at(0).unscheduled == begun);
                     const auto status = routers.floating_ips(admin())->at(0).status;
                     CHECK(status == (begun ? FloatingIpStatus::Down : FloatingIpStatus::Active));
                     ended += begun;
                   },
                   2});
  CHECK(ended > 1);
}

TEST_CASE("a router is given to one agent, whoever else gives it away meanwhile") {
  const auto data = std::make_shared<store::FaultyStore>(store::open_memory());
  World world(data, 1,
              {std::make_shared<network::SimulatedDriver>("h1", ""),
               std::make_shared<network::SimulatedDriver>("h2", "")});
  auto& agents = world.networks->agents();
  std::vector<std::string> able;
  for (const NetworkAgent& one : *agents.agents(admin()))
    if (one.topic == "l3_agent") able.push_back(one.id.value);
  REQUIRE(able.size() == 2);
  const auto router = world.networks->routers().create(admin(), {});
  REQUIRE(router);
  bool came = false;
  data->before_commit([&]() -> std::optional<Error> {
    if (std::exchange(came, true)) return std::nullopt;
    CHECK(agents.add_router(admin(), able[0], router->id));
    return std::nullopt;
  });
  CHECK(type_of(agents.add_router(admin(), able[1], router->id)) == "RouterHostedByL3Agent");
  CHECK(agents.l3_agents_of(admin(), router->id)->at(0).id.value == able[0]);
  // Networks are not taken from who carries routers.
  const Network net = world.network(admin());
  world.subnet(admin(), net);
  CHECK(type_of(agents.remove_network(admin(), able[0], net.id)) == "InvalidDHCPAgent");
}

TEST_CASE("a router's leg that no driver takes waits until one does, and costs nothing meanwhile") {
  const auto driver = std::make_shared<FakeDriver>("sw", "h1", std::set<std::string>{"local"});
  driver->says = {{"router", true, {}}};
  driver->reaches = {"elsewhere"};
  World world({}, {driver});
  const Network net = world.network(admin());
  const Subnet subnet = world.subnet(admin(), net);
  auto& routers = world.networks->routers();
  const RouterId id = routers.create(admin(), {})->id;
  REQUIRE(routers.add_interface(admin(), id, {subnet.id, {}}));
  const auto leg = [&] {
    return *world.networks->port(admin(), routers.router(admin(), id)->interfaces.at(0));
  };
  CHECK_FALSE(leg().plugged);
  world.start();
  world.run(std::chrono::seconds(1));
  const auto before = routers.router(admin(), id)->generation;
  const std::size_t asked = driver->asks().size();
  world.run(std::chrono::minutes(1));
  CHECK(driver->asks().size() > asked);
  CHECK(driver->asks().size() < asked + 10);
  CHECK(routers.router(admin(), id)->generation == before);
  CHECK_FALSE(leg().plugged);
  driver->reaches.clear();
  world.run(std::chrono::minutes(1));
  CHECK(leg().plugged);
  CHECK(leg().host == "h1");
  CHECK((*world.store->snapshot())->scan("/legs-due/")->empty());
}

// ---- simple networks ----------------------------------------------------------------------------

namespace {

SimpleNetworkSpec whole_simple() {
  SimpleNetworkSpec spec;
  spec.physical_network = "physnet1";
  spec.floating_cidr = "203.0.113.0/24";
  return spec;
}

std::vector<std::shared_ptr<network::MechanismDriver>> one_simulated() {
  return {std::make_shared<network::SimulatedDriver>()};
}

/// All of it, or nothing but what a project has anyhow.
void check_simple_whole(World& world, bool there) {
  CHECK(world.networks->networks(admin())->size() == (there ? 2U : 0U));
  CHECK(world.networks->subnets(admin())->size() == (there ? 2U : 0U));
  const auto routers = world.networks->routers().routers(admin());
  REQUIRE(routers->size() == (there ? 1U : 0U));
  const auto ports = world.networks->ports(admin());
  CHECK(ports->size() == (there ? 3U : 0U));  // DHCP, leg, gateway.
  for (const Port& port : *ports)
    if (!port.router.empty()) CHECK(port.status() == PortStatus::Active);
  const std::map<std::string, std::int64_t> whole = {
      {"networks", 2}, {"subnets", 2}, {"routers", 1}, {"ports", 3}};
  for (const auto& counted : whole) {
    CAPTURE(counted.first);
    CHECK(world.used("admin", counted.first) == (there ? counted.second : 0));
  }
  // Whatever there was, the same call ends with all of it.
  auto& simple = world.networks->simple();
  const auto again = simple.ensure(admin(), whole_simple());
  REQUIRE(again);
  CHECK(again->made.empty() == there);
  CHECK(simple.ensure(admin(), whole_simple())->made.empty());
  CHECK(simple.remove(admin()));
}

}  // namespace

TEST_CASE("a simple network is whole or not there, whoever dies while it is made") {
  std::size_t there = 0;
  kill_everywhere({[](World&) {},
                   [](World& world) {
                     return [&world] {
                       return world.networks->simple().ensure(admin(), whole_simple()).has_value();
                     };
                   },
                   [&](World& world, bool begun) {
                     there += begun;
                     check_simple_whole(world, begun);
                   },
                   1, one_simulated});
  CHECK(there > 0);
}

TEST_CASE("a simple network is whole or gone, whoever dies while it is taken away") {
  std::size_t gone = 0;
  kill_everywhere({[](World& world) {
                     REQUIRE(world.networks->simple().ensure(admin(), whole_simple()));
                   },
                   [](World& world) {
                     return [&world] {
                       return world.networks->simple().remove(admin()).has_value();
                     };
                   },
                   [&](World& world, bool begun) {
                     gone += begun;
                     check_simple_whole(world, !begun);
                   },
                   1, one_simulated});
  CHECK(gone > 0);
}

// ---- groups -------------------------------------------------------------------------------------

namespace {

SecurityGroupId group_named(World& world, const std::string& name) {
  const auto all = world.networks->groups(member("p"));
  REQUIRE(all);
  for (const SecurityGroup& group : *all)
    if (group.name == name) return group.id;
  return {};
}

}  // namespace

TEST_CASE("the deletion of a group of very many rules ends, whoever dies while it lasts") {
  constexpr std::size_t kRules = 450;
  const auto prepare = [](World& world) {
    world.limit("p", "security_group_rules", -1);
    SecurityGroupCreate spec;
    spec.name = "big";
    const auto group = world.networks->create_group(member("p"), spec);
    REQUIRE(group);
    for (std::size_t from = 0; from < kRules; from += 50) {
      std::vector<SecurityGroupRuleCreate> rules;
      for (std::size_t i = from; i < from + 50; ++i) {
        SecurityGroupRuleCreate rule;
        rule.group = group->id;
        rule.direction = "ingress";
        rule.protocol = "tcp";
        rule.port_min = rule.port_max = static_cast<std::int64_t>(i + 1);
        rules.push_back(rule);
      }
      REQUIRE(world.networks->create_rules(member("p"), rules));
    }
  };
  const auto check = [](World& world, bool begun) {
    CHECK(group_named(world, "big").empty() == begun);
    std::size_t of_it = 0;
    const auto rules = world.networks->rules(member("p"));
    REQUIRE(rules);
    for (const SecurityGroupRule& rule : *rules) of_it += rule.protocol == "tcp";
    CHECK(of_it == (begun ? 0 : kRules));
    CHECK(world.used("p", "security_group_rules") == static_cast<std::int64_t>(rules->size()));
  };
  kill_everywhere({prepare,
                   [](World& world) {
                     return [&world, id = group_named(world, "big")] {
                       return world.networks->delete_group(member("p"), id).has_value();
                     };
                   },
                   check, 3});
}

TEST_CASE("no port takes up a group that is going") {
  World world;
  const Context ctx = member("p");
  SecurityGroupCreate spec;
  spec.name = "going";
  const auto group = world.networks->create_group(ctx, spec);
  REQUIRE(group);
  REQUIRE(world.store->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<SecurityGroup>(txn, group->id, [](SecurityGroup& one) {
      one.going = true;
      return Result<void>();
    }));
    return Result<void>();
  }));
  PortCreate port;
  port.network = world.network(ctx).id;
  port.security_groups = std::vector<SecurityGroupId>{group->id};
  CHECK(code_of(world.networks->create_port(ctx, port)) == ErrorCode::NotFound);
  world.start();
  world.run(std::chrono::seconds(1));
  CHECK(code_of(world.networks->group(ctx, group->id)) == ErrorCode::NotFound);
}

// ---- a topology of one's own --------------------------------------------------------------------

namespace {

/// An external network and pools of both families, all of them the default ones.
void make_ground(World& world) {
  NetworkCreate outside;
  outside.name = "outside";
  outside.external = outside.is_default = true;
  const auto net = world.networks->create_network(admin(), outside);
  REQUIRE(net);
  world.subnet(admin(), *net, "203.0.113.0/28", false);
  for (const bool v6 : {false, true}) {
    SubnetPoolCreate pool;
    pool.prefixes = {v6 ? "fd00:8::/48" : "10.8.0.0/16"};
    pool.default_prefix = v6 ? 64 : 24;
    pool.shared = pool.is_default = true;
    REQUIRE(world.networks->subnet_pools().create(admin(), pool));
  }
}

std::size_t parts(World& world) {
  const Context ctx = member("p");
  NetworkListSpec mine;
  mine.filters.emplace_back("project_id", "p");
  return world.networks->networks(ctx, mine)->size() + world.networks->subnets(ctx, mine)->size() +
         world.networks->ports(ctx, mine)->size() +
         world.networks->routers().routers(ctx, mine)->size();
}

}  // namespace

TEST_CASE("a project's topology is made whole or not at all, and goes so") {
  World world;
  make_ground(world);
  const Context ctx = member("p");
  auto& routers = world.networks->routers();
  const auto made = routers.auto_topology(ctx, ctx.project);
  if (!made) FAIL(made.error().message);
  CHECK(routers.auto_topology(ctx, ctx.project)->network == made->network);
  CHECK(world.networks->network(ctx, made->network)->subnets.size() == 2);
  const auto router = routers.routers(ctx);
  REQUIRE(router->size() == 1);
  CHECK(router->front().interfaces.size() == 2);
  CHECK_FALSE(router->front().gateway_port.empty());
  // Refused while a port is there, and nothing has gone.
  const std::size_t whole = parts(world);
  const auto port = world.port(ctx, made->network);
  REQUIRE(port);
  CHECK(type_of(routers.delete_auto_topology(ctx, ctx.project)) == "NetworkInUse");
  CHECK(parts(world) == whole + 1);
  REQUIRE(world.networks->delete_port(ctx, port->id));
  REQUIRE(routers.delete_auto_topology(ctx, ctx.project));
  CHECK(parts(world) == 0);
  // What does not fit leaves nothing.
  world.limit("p", "subnets", 1);
  CHECK(code_of(routers.auto_topology(ctx, ctx.project)) == ErrorCode::QuotaExceeded);
  CHECK(parts(world) == 0);
}

TEST_CASE("a project's topology is whole or not there, whoever dies while it is made") {
  std::size_t whole = 0;
  kill_everywhere({make_ground,
                   [](World& world) {
                     return [&world] {
                       return world.networks->routers()
                           .auto_topology(member("p"), ProjectId{"p"})
                           .has_value();
                     };
                   },
                   [&](World& world, bool begun) {
                     if (begun && whole == 0) whole = parts(world);
                     CHECK(parts(world) == (begun ? whole : 0));
                   }});
  CHECK(whole > 5);
}
