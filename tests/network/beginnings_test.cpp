#include "cloudos/address_groups.hpp"
#include "cloudos/default_rules.hpp"
#include "cloudos/network_agents.hpp"
#include "cloudos/simple_network.hpp"
#include "network/fake_driver.hpp"
#include "network/support.hpp"

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

// ---- agents
// ---------------------------------------------------------------------------------------

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
