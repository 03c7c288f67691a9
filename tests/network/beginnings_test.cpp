#include "cloudos/address_groups.hpp"
#include "cloudos/default_rules.hpp"
#include "cloudos/network_agents.hpp"
#include "cloudos/simple_network.hpp"
#include "network/fake_driver.hpp"
#include "network/support.hpp"
#include "store/faulty.hpp"

#include <fmt/format.h>

#include <map>
#include <thread>

using namespace network_test;
using namespace std::chrono_literals;

namespace {

/// "in 4 tcp 22", sorted.
std::vector<std::string> words_of(World& world, const Context& ctx, const SecurityGroupId& group) {
  std::vector<std::string> words;
  const auto rules =
      world.networks->rules(ctx, {{{"security_group_id", group.value}}, {}, {}, SIZE_MAX});
  REQUIRE(rules);
  for (const SecurityGroupRule& rule : *rules) {
    std::string text = std::string(rule.ingress ? "in" : "out") + (rule.ipv6 ? " 6" : " 4");
    if (!rule.protocol.empty()) text += " " + rule.protocol;
    if (rule.port_min) text += " " + std::to_string(*rule.port_min);
    if (rule.remote_group == group) text += " self";
    words.push_back(text);
  }
  std::sort(words.begin(), words.end());
  return words;
}

SecurityGroup custom_group(World& world, const Context& ctx, const std::string& name) {
  SecurityGroupCreate spec;
  spec.name = name;
  auto made = world.networks->create_group(ctx, spec);
  REQUIRE(made);
  return *made;
}

DefaultRuleCreate ssh_rule(bool in_default, bool in_others) {
  DefaultRuleCreate spec;
  spec.rule.direction = "ingress";
  spec.rule.protocol = "tcp";
  spec.rule.port_min = spec.rule.port_max = 22;
  spec.in_default = in_default;
  spec.in_others = in_others;
  return spec;
}

/// Two hosts, each with all an agent does.
struct AgentWorld : World {
  Context boss = admin();
  AgentWorld()
      : World({}, {std::make_shared<network::SimulatedDriver>("h1", ""),
                   std::make_shared<network::SimulatedDriver>("h2", "")}) {}
  std::string agent(const std::string& host, const std::string& topic) {
    const auto all = networks->agents().agents(boss);
    REQUIRE(all);
    for (const NetworkAgent& one : *all)
      if (one.host == host && one.topic == topic) return one.id.value;
    FAIL("no such agent");
    return {};
  }
};

/// All there is in the store.
std::map<std::string, std::string> everything(World& world) {
  std::map<std::string, std::string> all;
  const auto snapshot = *world.store->snapshot();
  const auto found = snapshot->scan("/");
  REQUIRE(found);
  for (const auto& entry : *found) all[entry.key] = entry.value;
  return all;
}

/// Keys that were not there before.
std::vector<std::string> new_keys(World& world, const std::map<std::string, std::string>& before) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : everything(world))
    if (before.count(key) == 0) keys.push_back(key);
  return keys;
}

/// With a way outside, and all of it named.
SimpleNetworkSpec wired() {
  SimpleNetworkSpec spec;
  spec.dns_servers = {"192.0.2.53"};
  spec.physical_network = "physnet1";
  spec.floating_cidr = "203.0.113.0/24";
  spec.floating_gateway = "203.0.113.1";
  spec.floating_first = "203.0.113.100";
  spec.floating_last = "203.0.113.199";
  return spec;
}

}  // namespace

TEST_CASE("a cloud begins with everything out, and in from the group itself in default groups") {
  World world;
  const Context ctx = member("p");
  const auto templates = world.networks->default_rules().rules(ctx);
  REQUIRE(templates);
  CHECK(templates->size() == 4);
  const auto groups = world.networks->groups(ctx);
  REQUIRE(groups);
  REQUIRE(groups->size() == 1);
  CHECK((words_of(world, ctx, groups->front().id) ==
         std::vector<std::string>{"in 4 self", "in 6 self", "out 4", "out 6"}));
  CHECK((words_of(world, ctx, custom_group(world, ctx, "own").id) ==
         std::vector<std::string>{"out 4", "out 6"}));
}

TEST_CASE("new groups begin with what admins say, default groups and others apart") {
  World world;
  const Context boss = admin();
  auto& defaults = world.networks->default_rules();
  const auto made = defaults.create(boss, {ssh_rule(true, true)});
  REQUIRE(made);
  CHECK(type_of(defaults.create(boss, {ssh_rule(true, false)})) ==
        "DefaultSecurityGroupRuleExists");
  CHECK(code_of(defaults.create(member("p"), {ssh_rule(true, true)})) == ErrorCode::Forbidden);
  CHECK(code_of(defaults.remove(member("p"), made->front().id)) == ErrorCode::Forbidden);
  const auto there = defaults.rules(boss);
  REQUIRE(there);
  for (const DefaultRule& one : *there)
    if (!one.ingress) REQUIRE(defaults.remove(boss, one.id));
  const Context ctx = member("p");
  const auto group = world.networks->groups(ctx)->front();
  CHECK((words_of(world, ctx, group.id) ==
         std::vector<std::string>{"in 4 self", "in 4 tcp 22", "in 6 self"}));
  CHECK((words_of(world, ctx, custom_group(world, ctx, "own").id) ==
         std::vector<std::string>{"in 4 tcp 22"}));
  // A group's rules count against its project, and what is there already stays as it was.
  CHECK(world.used("p", "security_group_rules") == 4);
  REQUIRE(defaults.remove(boss, made->front().id));
  CHECK(words_of(world, ctx, group.id).size() == 3);
  CHECK(type_of(defaults.rule(ctx, made->front().id)) == "DefaultSecurityGroupRuleNotFound");
}

TEST_CASE(
    "more templates than a group's ids are drawn for are used all the same, alike each time") {
  World world;
  std::vector<DefaultRuleCreate> many;
  for (int port = 1; port <= 20; ++port) {
    many.push_back(ssh_rule(true, true));
    many.back().rule.port_min = many.back().rule.port_max = port;
  }
  REQUIRE(world.networks->default_rules().create(admin(), many));
  const Context ctx = member("p");
  CHECK(words_of(world, ctx, custom_group(world, ctx, "a").id).size() == 22);
  CHECK(words_of(world, ctx, custom_group(world, ctx, "b").id).size() == 22);
  many.resize(1);
  std::size_t room = 0;
  for (int port = 1'000; port < 1'100; ++port) {
    many[0].rule.port_min = many[0].rule.port_max = port;
    room += world.networks->default_rules().create(admin(), many) ? 1 : 0;
  }
  CHECK(room == 40);  // limits::kDefaultRules
}

TEST_CASE("a template whose remote group is gone is left out, not left open") {
  World world;
  const Context boss = admin();
  const SecurityGroup remote = custom_group(world, boss, "remote");
  DefaultRuleCreate spec = ssh_rule(true, true);
  spec.rule.remote_group = remote.id;
  REQUIRE(world.networks->default_rules().create(boss, {spec}));
  spec.rule.remote_group = SecurityGroupId{"nobody"};
  CHECK(type_of(world.networks->default_rules().create(boss, {spec})) == "SecurityGroupNotFound");
  CHECK(words_of(world, boss, custom_group(world, boss, "with").id).size() == 3);
  REQUIRE(world.networks->delete_group(boss, remote.id));
  CHECK(words_of(world, boss, custom_group(world, boss, "without").id).size() == 2);
}

// ---- agents -------------------------------------------------------------------------------------

TEST_CASE("an agent is alive while its own driver does its work") {
  auto good = std::make_shared<FakeDriver>("good", "h1", std::set<std::string>{"local"});
  auto bad = std::make_shared<FakeDriver>("bad", "h2", std::set<std::string>{"local"});
  World world({}, {good, bad});
  const auto alive = [&](const std::string& host) {
    const auto agents = world.networks->agents().agents(admin());
    REQUIRE(agents);
    for (const NetworkAgent& one : *agents)
      if (one.host == host) return one.alive;
    return false;
  };
  CHECK_FALSE(alive("h1"));  // Nothing has been done yet.
  world.start();
  world.run();
  CHECK(alive("h1"));
  CHECK(alive("h2"));
  bad->fault = [](std::string_view call, const std::string&) -> std::optional<Error> {
    if (call != "converge") return std::nullopt;
    return Error{ErrorCode::Unavailable, "out of order", {}, {}};
  };
  world.run(60s);
  CHECK(alive("h2"));  // Its last sign is not 75 seconds old.
  world.run(60s);
  CHECK(alive("h1"));
  CHECK_FALSE(alive("h2"));
  // By the clock that never jumps: who sets the calendar neither kills nor revives.
  for (const auto jump : {24h, -24h, -48h}) {
    world.clock.jump_wall(jump);
    CHECK(alive("h1"));
    CHECK_FALSE(alive("h2"));
  }
  bad->fault = nullptr;
  world.run(180s);
  CHECK(alive("h2"));
}

TEST_CASE("a network taken from a DHCP agent is not served on its host, others go on") {
  AgentWorld world;
  const Network net = world.network(world.boss);
  world.subnet(world.boss, net);
  auto& agents = world.networks->agents();
  const std::string one = world.agent("h1", "dhcp_agent");
  CHECK(agents.dhcp_agents_of(world.boss, net.id)->size() == 2);
  CHECK(type_of(agents.add_network(world.boss, one, net.id)) == "NetworkHostedByDHCPAgent");
  REQUIRE(agents.remove_network(world.boss, one, net.id));
  CHECK(type_of(agents.remove_network(world.boss, one, net.id)) == "NetworkNotHostedByDhcpAgent");
  CHECK(agents.networks_of(world.boss, one)->empty());
  CHECK(agents.dhcp_agents_of(world.boss, net.id)->size() == 1);
  CHECK(type_of(agents.add_network(world.boss, world.agent("h1", "l3_agent"), net.id)) ==
        "InvalidDHCPAgent");
  CHECK(code_of(agents.remove_network(member("p"), one, net.id)) == ErrorCode::Forbidden);
  // A network without DHCP is served where it was given to.
  const Network bare = world.network(world.boss, "bare");
  CHECK(agents.dhcp_agents_of(world.boss, bare.id)->empty());
  REQUIRE(agents.add_network(world.boss, one, bare.id));
  CHECK(agents.networks_of(world.boss, one)->size() == 1);
}

TEST_CASE("on a host whose DHCP agent was told so nothing is handed out") {
  auto driver = std::make_shared<network::SimulatedDriver>("h1", "");
  World world({}, {driver});
  const Context boss = admin();
  const Network net = world.network(boss);
  world.subnet(boss, net);
  const auto port = world.server_port(boss, net.id, "s1");
  REQUIRE(port);
  REQUIRE(world.networks->plug(port->id, ServerId{"s1"}, "h1"));
  CHECK(driver->state().networks.at(net.id).hosts.size() == 1);
  world.start();
  world.run();
  auto& agents = world.networks->agents();
  const auto all = agents.dhcp_agents_of(boss, net.id);
  REQUIRE(all->size() == 1);
  REQUIRE(agents.remove_network(boss, all->front().id.value, net.id));
  world.run(5s);
  const auto plan = driver->state().networks.at(net.id);
  CHECK(plan.hosts.empty());
  CHECK(plan.dhcp_mac.empty());
  CHECK_FALSE(plan.subnets.at(0).dhcp);
  REQUIRE(agents.add_network(boss, all->front().id.value, net.id));
  world.run(5s);
  CHECK(driver->state().networks.at(net.id).hosts.size() == 1);
}

TEST_CASE(
    "a router is carried by one agent, moves to another, and by nobody when it was taken away") {
  AgentWorld world;
  const Network net = world.network(world.boss);
  const Subnet subnet = world.subnet(world.boss, net);
  auto& routers = world.networks->routers();
  auto& agents = world.networks->agents();
  const auto router = routers.create(world.boss, {});
  REQUIRE(router);
  const std::string one = world.agent("h1", "l3_agent"), two = world.agent("h2", "l3_agent");
  CHECK(agents.l3_agents_of(world.boss, router->id)->empty());  // Without a leg nobody has to.
  REQUIRE(routers.add_interface(world.boss, router->id, {subnet.id, {}}));
  REQUIRE(agents.l3_agents_of(world.boss, router->id)->size() == 1);
  CHECK(agents.l3_agents_of(world.boss, router->id)->front().id.value == one);
  CHECK(type_of(agents.add_router(world.boss, two, router->id)) == "RouterHostedByL3Agent");
  CHECK(type_of(agents.remove_router(world.boss, two, router->id)) == "RouterNotHostedByL3Agent");
  REQUIRE(agents.remove_router(world.boss, one, router->id));
  CHECK(agents.l3_agents_of(world.boss, router->id)->empty());
  const auto leg = [&] {
    const auto id = routers.router(world.boss, router->id)->interfaces.at(0);
    return *world.networks->port(world.boss, id);
  };
  CHECK_FALSE(leg().plugged);
  CHECK(leg().vif_type == "unbound");
  REQUIRE(agents.add_router(world.boss, two, router->id));
  CHECK(agents.routers_of(world.boss, two)->size() == 1);
  CHECK(leg().plugged);
  CHECK(leg().host == "h2");
  CHECK(type_of(agents.add_router(world.boss, world.agent("h2", "dhcp_agent"), router->id)) ==
        "InvalidL3Agent");
  CHECK(code_of(agents.remove_router(member("p"), two, router->id)) == ErrorCode::Forbidden);
  CHECK(agents.provider("router") == "simulated");
}

// ---- simple networks
// -------------------------------------------------------------------------------

TEST_CASE("a simple network is made by one call, and by the next one nothing") {
  World world;
  const Context ctx = member("p");
  auto& simple = world.networks->simple();
  const auto first = simple.ensure(ctx);
  REQUIRE(first);
  CHECK(first->network.name == "simple");
  CHECK(first->subnet.cidr == "10.0.0.0/24");
  CHECK(first->subnet.dhcp);
  CHECK(first->made.size() == 4);
  CHECK((words_of(world, ctx, first->group.id) ==
         std::vector<std::string>{"in 4 icmp", "in 4 self", "in 4 tcp 22", "in 6 self", "out 4",
                                  "out 6"}));
  const auto again = simple.ensure(ctx);
  REQUIRE(again);
  CHECK(again->made.empty());
  CHECK(again->network.id == first->network.id);
  CHECK(world.networks->networks(ctx)->size() == 1);
  SimpleNetworkSpec other;
  other.cidr = "10.7.0.0/24";
  CHECK(type_of(simple.ensure(ctx, other)) == "SimpleNetworkDiffers");
  REQUIRE(simple.remove(ctx));
  CHECK(world.networks->networks(ctx)->empty());
  CHECK(simple.remove(ctx));  // Gone is gone.
}

TEST_CASE("with a wire outside a simple network has floating addresses") {
  World world;
  const Context boss = admin();
  SimpleNetworkSpec spec;
  spec.physical_network = "physnet1";
  spec.floating_cidr = "203.0.113.0/24";
  spec.floating_first = "203.0.113.100";
  spec.floating_last = "203.0.113.199";
  auto& simple = world.networks->simple();
  const auto made = simple.ensure(boss, spec);
  if (!made) FAIL(made.error().message);
  REQUIRE(made->outside);
  CHECK(made->outside->external);
  CHECK(made->router->interfaces.size() == 1);
  FloatingIpCreate floating;
  floating.network = made->outside->id;
  const auto port = world.port(boss, made->network.id);
  REQUIRE(port);
  floating.port = port->id;
  const auto address = world.networks->routers().create_floating_ip(boss, floating);
  if (!address) FAIL(address.error().message);
  CHECK(address->address.starts_with("203.0.113.1"));
  CHECK(simple.ensure(boss, spec)->made.empty());
  CHECK(code_of(simple.remove(boss)) == ErrorCode::Conflict);  // A port is there.
  REQUIRE(world.networks->delete_port(boss, port->id));
}

TEST_CASE("what a simple network cannot be is said before anything is made") {
  World world;
  struct Row {
    std::string what;
    SimpleNetworkSpec spec;
    Context ctx;
    ErrorCode code;
    std::string says;
  };
  SimpleNetworkSpec words, floats, overlapping, member_outside, half;
  words.cidr = "ten";
  floats.floating_cidr = "203.0.113.0/24";
  overlapping.physical_network = "physnet1";
  overlapping.floating_cidr = "10.0.0.0/16";
  member_outside.physical_network = "physnet1";
  member_outside.floating_cidr = "203.0.113.0/24";
  half = member_outside;
  half.floating_first = "203.0.113.9";
  const std::vector<Row> rows = {
      {"no block", words, admin(), ErrorCode::InvalidArgument, "10.0.0.0/24"},
      {"floating without outside", floats, admin(), ErrorCode::InvalidArgument, "physical_network"},
      {"overlap", overlapping, admin(), ErrorCode::InvalidArgument, "overlap"},
      {"a member's way outside", member_outside, member("p"), ErrorCode::Forbidden,
       "physical_network"},
      {"half a range", half, admin(), ErrorCode::InvalidArgument, "floating_last"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto made = world.networks->simple().ensure(row.ctx, row.spec);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == row.code);
    CHECK(made.error().message.find(row.says) != std::string::npos);
  }
  CHECK(world.networks->networks(admin())->empty());
}

TEST_CASE("a simple network in use is not removed, and nothing of it is touched") {
  World world;
  const Context boss = admin();
  auto& simple = world.networks->simple();
  const auto made = simple.ensure(boss, wired());
  if (!made) FAIL(made.error().message);
  struct Row {
    std::string what;
    std::function<std::function<void()>()> use;  ///< Returns how its use ends.
  };
  const auto port_on = [&](const NetworkId& network) {
    const auto port = world.server_port(boss, network, "s1");
    REQUIRE(port);
    return *port;
  };
  const auto without_port = [&](const Port& port) {
    // A server's port is the server's: it goes as compute lets it go.
    REQUIRE(world.networks->delete_port(boss, port.id));
  };
  const std::vector<Row> rows = {
      {"a server on the network",
       [&] {
         const Port port = port_on(made->network.id);
         return std::function<void()>([&, port] { without_port(port); });
       }},
      {"a server outside",
       [&] {
         const Port port = port_on(made->outside->id);
         return std::function<void()>([&, port] { without_port(port); });
       }},
      {"a floating address",
       [&] {
         const Port port = port_on(made->network.id);
         FloatingIpCreate floating;
         floating.network = made->outside->id;
         floating.port = port.id;
         REQUIRE(world.networks->routers().create_floating_ip(boss, floating));
         return std::function<void()>([&, port] { without_port(port); });
       }},
      {"a router of another name",
       [&] {
         RouterCreate other;
         other.name = "other";
         other.gateway = GatewaySpec{made->outside->id, {}, {}};
         const auto router = world.networks->routers().create(boss, other);
         REQUIRE(router);
         const RouterId id = router->id;
         return std::function<void()>(
             [&, id] { REQUIRE(world.networks->routers().remove(boss, id)); });
       }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto end = row.use();
    const auto before = everything(world);
    CHECK(code_of(simple.remove(boss)) == ErrorCode::Conflict);
    CHECK((everything(world) == before));
    const auto again = simple.ensure(boss, wired());
    REQUIRE(again);
    CHECK(again->made.empty());
    CHECK((everything(world) == before));
    end();
  }
  CHECK(simple.remove(boss));
}

TEST_CASE("a removed simple network leaves nothing but the rules of the default group") {
  World world;
  const Context boss = admin();
  auto& simple = world.networks->simple();
  REQUIRE(simple.ensure(boss, wired()));
  REQUIRE(simple.remove(boss));
  const auto before = everything(world);  // Has counters at zero and the group's rules.
  for (const char* kind : {"/network/", "/subnet/", "/port/", "/router/", "/rbac_policy/",
                           "/floating_ip/", "/simple-network/"}) {
    CAPTURE(kind);
    CHECK((*world.store->snapshot())->scan(kind)->empty());
  }
  for (const char* counted : {"networks", "subnets", "ports", "routers", "floating_ips"}) {
    CAPTURE(counted);
    CHECK(world.used("admin", counted) == 0);
  }
  const auto made = simple.ensure(boss, wired());
  REQUIRE(made);
  CHECK(made->made.size() == 6);  // The rules are there: two networks and subnets, router, leg.
  FloatingIpCreate idle;
  idle.network = made->outside->id;
  REQUIRE(world.networks->routers().create_floating_ip(boss, idle));
  REQUIRE(simple.remove(boss));  // An address that leads nowhere goes, too.
  CHECK((new_keys(world, before) == std::vector<std::string>{}));
  const auto empty = everything(world);
  CHECK(simple.remove(boss));
  CHECK(simple.remove(boss, "never-there"));
  CHECK((everything(world) == empty));
}

TEST_CASE("a simple network that cannot be made whole is not made in part") {
  World world;
  const Context boss = admin();
  REQUIRE(world.networks->groups(boss));  // The default group, which is no part of it.
  for (const char* resource : {"networks", "subnets", "routers", "security_group_rules"}) {
    CAPTURE(resource);
    const std::int64_t used = world.used("admin", resource);
    // One of the two that are needed, where two are.
    world.limit("admin", resource, used + (resource == std::string("routers") ? 0 : 1));
    const auto before = everything(world);
    CHECK(code_of(world.networks->simple().ensure(boss, wired())) == ErrorCode::QuotaExceeded);
    CHECK((everything(world) == before));
    world.limit("admin", resource, 100);
  }
  const auto made = world.networks->simple().ensure(boss, wired());
  REQUIRE(made);
  CHECK(made->made.size() == 8);
}

TEST_CASE("what is missing of a simple network is made by the next call") {
  World world;
  const Context boss = admin();
  auto& simple = world.networks->simple();
  auto& routers = world.networks->routers();
  SimpleNetworkSpec inside;
  inside.dns_servers = wired().dns_servers;
  REQUIRE(simple.ensure(boss, inside));
  const auto first = simple.ensure(boss, wired());
  REQUIRE(first);
  const std::vector<std::string> parts = {"network simple-outside", "subnet 203.0.113.0/24",
                                          "router simple-router",
                                          "leg of router simple-router in network simple"};
  CHECK((first->made == parts));
  REQUIRE(routers.remove_interface(boss, first->router->id, {first->subnet.id, {}}));
  const auto leg = simple.ensure(boss, wired());
  REQUIRE(leg);
  CHECK(leg->made.size() == 1);
  CHECK(leg->router->id == first->router->id);
  CHECK(leg->router->interfaces.size() == 1);
  REQUIRE(routers.remove_interface(boss, first->router->id, {first->subnet.id, {}}));
  REQUIRE(world.networks->delete_subnet(boss, first->subnet.id));
  const auto subnet = simple.ensure(boss, wired());
  REQUIRE(subnet);
  CHECK(subnet->made.size() == 2);
  CHECK(subnet->network.id == first->network.id);
  CHECK(subnet->network.subnets.size() == 1);
}

TEST_CASE("a simple network that is there otherwise than asked for is refused, and left so") {
  World world;
  const Context boss = admin();
  auto& simple = world.networks->simple();
  REQUIRE(simple.ensure(boss, wired()));
  struct Row {
    std::string what;
    std::function<void(SimpleNetworkSpec&)> other;
    std::string says;
  };
  const std::vector<Row> rows = {
      {"block", [](auto& s) { s.cidr = "10.9.0.0/24"; }, "cidr: "},
      {"other DNS", [](auto& s) { s.dns_servers = {"192.0.2.54"}; },
       "dns_servers: "},
      {"no DNS", [](auto& s) { s.dns_servers.clear(); }, "no DNS servers"},
      {"outside block", [](auto& s) {
         s.floating_cidr = "198.51.100.0/24";
         s.floating_gateway = s.floating_first = s.floating_last = "";
       }, "floating_cidr: "},
      {"gateway", [](auto& s) { s.floating_gateway = "203.0.113.2"; },
       "floating_gateway: "},
      {"first address", [](auto& s) { s.floating_first = "203.0.113.101"; },
       "floating_first: "},
      {"last address", [](auto& s) { s.floating_last = "203.0.113.200"; },
       "floating_last: "},
      {"the whole range", [](auto& s) { s.floating_first = s.floating_last = ""; },
       "203.0.113.254"},
      {"closed", [](auto& s) { s.open = false; }, "open: "},
  };
  const auto before = everything(world);
  for (const Row& row : rows) {
    CAPTURE(row.what);
    SimpleNetworkSpec spec = wired();
    row.other(spec);
    const auto made = simple.ensure(boss, spec);
    CHECK(type_of(made) == "SimpleNetworkDiffers");
    if (!made) CHECK(made.error().message.find(row.says) != std::string::npos);
    CHECK((everything(world) == before));
  }
  SimpleNetworkSpec first_address = wired();
  first_address.floating_gateway.clear();  // Means the one that is there.
  CHECK(simple.ensure(boss, first_address)->made.empty());
}

TEST_CASE("a closed simple network adds no rules") {
  World world;
  const Context ctx = member("p");
  SimpleNetworkSpec closed;
  closed.open = false;
  const auto made = world.networks->simple().ensure(ctx, closed);
  REQUIRE(made);
  CHECK(made->made.size() == 2);
  CHECK((words_of(world, ctx, made->group.id) ==
         std::vector<std::string>{"in 4 self", "in 6 self", "out 4", "out 6"}));
  CHECK(world.networks->simple().ensure(ctx, closed)->made.empty());
}

TEST_CASE("of calls for one simple network at once one makes it and the others find it") {
  for (int round = 0; round < 8; ++round) {
    CAPTURE(round);
    World world;
    const Context boss = admin();
    std::vector<std::string> made(4), failed(4);
    std::vector<std::thread> callers;
    for (std::size_t i = 0; i < made.size(); ++i) {
      callers.emplace_back([&, i] {
        const auto done = world.networks->simple().ensure(boss, wired());
        if (done) made[i] = fmt::format("{} {}", done->network.id.value, done->made.size());
        else failed[i] = done.error().message;
      });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK((failed == std::vector<std::string>(4)));
    std::sort(made.begin(), made.end());
    const std::string id = made[0].substr(0, made[0].find(' '));
    CHECK((made == std::vector<std::string>{id + " 0", id + " 0", id + " 0", id + " 8"}));
    CHECK(world.networks->networks(boss)->size() == 2);
    CHECK(world.networks->simple().remove(boss));
    CHECK(world.networks->networks(boss)->empty());
  }
}

TEST_CASE("a part of a simple network that is given another name is a part no more") {
  World world;
  const Context boss = admin();
  auto& simple = world.networks->simple();
  const auto made = simple.ensure(boss, wired());
  if (!made) FAIL(made.error().message);
  NetworkUpdate name;
  name.name = "web";
  REQUIRE(world.networks->update_network(boss, made->network.id, name));
  RouterUpdate other;
  other.name = "edge";
  REQUIRE(world.networks->routers().update(boss, made->router->id, other));
  // Another one may have the name, and the first is nobody's but its owner's.
  SimpleNetworkSpec inside;
  inside.cidr = "10.7.0.0/24";
  const auto second = simple.ensure(boss, inside);
  if (!second) FAIL(second.error().message);
  CHECK(second->network.id != made->network.id);
  name.name = "simple";
  REQUIRE(world.networks->update_network(boss, made->network.id, name));
  CHECK(type_of(simple.ensure(boss, inside)) == "NoUniqueMatch");
  name.name = "web";
  REQUIRE(world.networks->update_network(boss, made->network.id, name));
  CHECK(simple.ensure(boss, inside)->made.empty());
  // It all goes by hand, and nothing is left of it.
  auto& routers = world.networks->routers();
  REQUIRE(routers.remove_interface(boss, made->router->id, {made->subnet.id, {}}));
  REQUIRE(routers.remove(boss, made->router->id));
  for (const NetworkId& id : {made->network.id, made->outside->id, second->network.id})
    REQUIRE(world.networks->delete_network(boss, id));
  for (const auto& entry : *(*world.store->snapshot())->scan("/"))
    CHECK(entry.key.find("simple") == std::string::npos);
}

TEST_CASE("a simple network is there once, whoever makes one meanwhile and takes a part of it") {
  const auto data = std::make_shared<store::FaultyStore>(store::open_memory());
  World world(data, 1, {std::make_shared<network::SimulatedDriver>()});
  const Context boss = admin();
  auto& simple = world.networks->simple();
  bool came = false;
  data->before_commit([&]() -> std::optional<Error> {
    if (std::exchange(came, true)) return std::nullopt;
    const auto first = simple.ensure(boss, wired());
    REQUIRE(first);
    auto& routers = world.networks->routers();
    REQUIRE(routers.remove_interface(boss, first->router->id, {first->subnet.id, {}}));
    REQUIRE(world.networks->delete_network(boss, first->network.id));
    return std::nullopt;
  });
  const auto made = simple.ensure(boss, wired());
  if (!made) FAIL(made.error().message);
  CHECK(came);
  CHECK(made->made.size() == 3);  // Network, subnet, leg.
  CHECK(world.networks->networks(boss)->size() == 2);
  CHECK(world.networks->routers().routers(boss)->size() == 1);
  // One that is made while it is removed is seen, too.
  data->before_commit(nullptr);
  came = false;
  REQUIRE(world.networks->routers().remove_interface(boss, made->router->id,
                                                     {made->subnet.id, {}}));
  REQUIRE(world.networks->routers().remove(boss, made->router->id));
  data->before_commit([&]() -> std::optional<Error> {
    if (!std::exchange(came, true)) CHECK(simple.ensure(boss, wired()));
    return std::nullopt;
  });
  REQUIRE(simple.remove(boss));
  CHECK(world.networks->networks(boss)->empty());
  CHECK(world.networks->routers().routers(boss)->empty());
}
