#include "network/support.hpp"

using namespace network_test;

namespace {
SecurityGroupRuleCreate ssh_rule(const SecurityGroupId& group) {
  SecurityGroupRuleCreate spec;
  spec.group = group;
  spec.direction = "ingress";
  spec.protocol = "tcp";
  spec.port_min = spec.port_max = 22;
  return spec;
}
SecurityGroup named_group(World& world, const Context& ctx, const std::string& name) {
  SecurityGroupCreate spec;
  spec.name = name;
  auto made = world.networks->create_group(ctx, spec);
  REQUIRE(made);
  return *made;
}
NetworkListSpec rules_of(const SecurityGroupId& group) {
  return {{{"security_group_id", group.value}}, {}, {}, SIZE_MAX, false};
}
}  // namespace

TEST_CASE("a project's default group comes on first use, closed to what is not of the group") {
  World world;
  const auto groups = world.networks->groups(member("p"));
  REQUIRE(groups);
  REQUIRE(groups->size() == 1);
  CHECK(groups->front().name == "default");
  const auto rules = world.networks->rules(member("p"), rules_of(groups->front().id));
  REQUIRE(rules);
  CHECK(rules->size() == 4);
  for (const SecurityGroupRule& rule : *rules) {
    CHECK(rule.protocol.empty());
    CHECK(rule.remote_cidr.empty());
    CHECK(rule.remote_group == (rule.ingress ? groups->front().id : SecurityGroupId{}));
  }
  CHECK(world.networks->groups(member("p"))->size() == 1);
  CHECK(world.used("p", "security_groups") == 1);
  CHECK(world.used("p", "security_group_rules") == 4);
  CHECK(world.networks->groups(member("q"))->front().id != groups->front().id);
}

TEST_CASE("the default group keeps its name, and no other takes it") {
  World world;
  const Context ctx = member("p");
  const auto id = world.networks->groups(ctx)->front().id;
  SecurityGroupUpdate rename;
  rename.name = "mine";
  CHECK(type_of(world.networks->update_group(ctx, id, rename)) ==
        "SecurityGroupCannotUpdateDefault");
  SecurityGroupUpdate describe;
  describe.description = "words";
  CHECK(world.networks->update_group(ctx, id, describe));
  CHECK(type_of(world.networks->delete_group(ctx, id)) == "SecurityGroupCannotRemoveDefault");
  SecurityGroupCreate spec;
  spec.name = "default";
  CHECK(code_of(world.networks->create_group(ctx, spec)) == ErrorCode::Conflict);
  const auto other = named_group(world, ctx, "web");
  rename.name = "Default";
  CHECK(code_of(world.networks->update_group(ctx, other.id, rename)) == ErrorCode::Conflict);
}

TEST_CASE("a rule is there once, whatever words it is asked in") {
  World world;
  const Context ctx = member("p");
  const auto group = named_group(world, ctx, "web");
  auto spec = ssh_rule(group.id);
  const auto first = world.networks->create_rule(ctx, spec);
  REQUIRE(first);
  spec.protocol = "6";
  spec.remote_cidr = "0.0.0.0/0";
  const auto again = world.networks->create_rule(ctx, spec);
  CHECK(type_of(again) == "SecurityGroupRuleExists");
  CHECK(again.error().message.find(first->id.value) != std::string::npos);
  REQUIRE(world.networks->delete_rule(ctx, first->id));
  CHECK(world.networks->create_rule(ctx, spec));
}

TEST_CASE("a group in use by a port stays; deleted, it takes the rules that name it along") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const auto web = named_group(world, ctx, "web"), db = named_group(world, ctx, "db");
  auto spec = ssh_rule(db.id);
  spec.remote_group = web.id;
  REQUIRE(world.networks->create_rule(ctx, spec));
  PortCreate create;
  create.network = net.id;
  create.security_groups = std::vector<SecurityGroupId>{web.id};
  const auto port = world.networks->create_port(ctx, create);
  REQUIRE(port);
  CHECK(type_of(world.networks->delete_group(ctx, web.id)) == "SecurityGroupInUse");
  REQUIRE(world.networks->delete_port(ctx, port->id));
  const auto before = world.networks->group(ctx, db.id)->generation;
  REQUIRE(world.networks->delete_group(ctx, web.id));
  CHECK(world.networks->rules(ctx, rules_of(db.id))->size() == 2);
  CHECK(world.networks->group(ctx, db.id)->generation == before + 1);
  CHECK(world.used("p", "security_groups") == 2);
  CHECK(world.used("p", "security_group_rules") == 4 + 2);
  CHECK(type_of(world.networks->create_port(ctx, create)) == "SecurityGroupNotFound");
}

TEST_CASE("a group of more rules than fit one transaction is deleted whole") {
  World world;
  const Context ctx = member("p");
  world.limit("p", "security_group_rules", -1);
  const auto group = named_group(world, ctx, "big");
  for (int batch = 0; batch < 5; ++batch) {
    std::vector<SecurityGroupRuleCreate> specs;
    for (int i = 0; i < 100; ++i) {
      auto spec = ssh_rule(group.id);
      spec.port_min = spec.port_max = 1 + batch * 100 + i;
      specs.push_back(spec);
    }
    REQUIRE(world.networks->create_rules(ctx, specs));
  }
  REQUIRE(world.networks->delete_group(ctx, group.id));
  CHECK(world.used("p", "security_group_rules") == 4);
}

TEST_CASE("all rules of a bulk request are made, or none") {
  World world;
  const Context ctx = member("p");
  const auto group = named_group(world, ctx, "web");
  CHECK(type_of(world.networks->create_rules(ctx, {ssh_rule(group.id), ssh_rule(group.id)})) ==
        "SecurityGroupRuleExists");
  CHECK(world.networks->rules(ctx, rules_of(group.id))->size() == 2);
}

TEST_CASE("groups and rules of others are out of reach, also as remote group") {
  World world;
  const Context ctx = member("p"), stranger = member("q");
  const auto group = named_group(world, ctx, "web"), own = named_group(world, stranger, "own");
  const auto rule = world.networks->create_rule(ctx, ssh_rule(group.id));
  REQUIRE(rule);
  CHECK(type_of(world.networks->group(stranger, group.id)) == "SecurityGroupNotFound");
  CHECK(type_of(world.networks->delete_group(stranger, group.id)) == "SecurityGroupNotFound");
  CHECK(type_of(world.networks->rule(stranger, rule->id)) == "SecurityGroupRuleNotFound");
  CHECK(type_of(world.networks->delete_rule(stranger, rule->id)) == "SecurityGroupRuleNotFound");
  CHECK(type_of(world.networks->create_rule(stranger, ssh_rule(group.id))) ==
        "SecurityGroupNotFound");
  auto spec = ssh_rule(own.id);
  spec.remote_group = group.id;
  CHECK(type_of(world.networks->create_rule(stranger, spec)) == "SecurityGroupNotFound");
}

TEST_CASE("a group is found by id or by the one name, in the caller's project") {
  World world;
  const Context ctx = member("p");
  const auto web = named_group(world, ctx, "web");
  named_group(world, ctx, "twin");
  named_group(world, ctx, "twin");
  const auto snapshot = *world.store->snapshot();
  const auto find = [&](const Context& who, const std::string& text) {
    return world.networks->find_group(*snapshot, who, text);
  };
  CHECK(find(ctx, "web")->id == web.id);
  CHECK(find(ctx, web.id.value)->id == web.id);
  CHECK(code_of(find(ctx, "twin")) == ErrorCode::Conflict);
  CHECK(code_of(find(ctx, "none")) == ErrorCode::NotFound);
  CHECK(code_of(find(member("q"), "web")) == ErrorCode::NotFound);
  CHECK(code_of(find(member("q"), web.id.value)) == ErrorCode::NotFound);
}

TEST_CASE("rule quota holds, and threads make one default group") {
  World world;
  const Context ctx = member("p");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] { (void)world.networks->groups(ctx).has_value(); });
  for (auto& thread : threads) thread.join();
  CHECK(world.networks->groups(ctx)->size() == 1);
  CHECK(world.used("p", "security_groups") == 1);
  world.limit("p", "security_group_rules", 5);
  const auto id = world.networks->groups(ctx)->front().id;
  CHECK(world.networks->create_rule(ctx, ssh_rule(id)));
  auto another = ssh_rule(id);
  another.port_min = another.port_max = 23;
  CHECK(code_of(world.networks->create_rule(ctx, another)) == ErrorCode::QuotaExceeded);
}
