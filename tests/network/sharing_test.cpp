#include "cloudos/address_groups.hpp"
#include "cloudos/network_qos.hpp"
#include "cloudos/network_sharing.hpp"
#include "cloudos/network_tags.hpp"
#include "network/support.hpp"

using namespace network_test;

namespace {

RbacPolicyCreate grant_of(const std::string& type, const std::string& id, const std::string& target,
                          const std::string& action = "access_as_shared") {
  RbacPolicyCreate spec;
  spec.object_type = type;
  spec.object_id = id;
  spec.action = action;
  spec.target = target;
  return spec;
}

bool lists_network(World& world, const Context& ctx, const NetworkId& id) {
  const auto all = world.networks->networks(ctx);
  REQUIRE(all);
  return std::any_of(all->begin(), all->end(), [&](const Network& n) { return n.id == id; });
}

}  // namespace

TEST_CASE("a network that is granted to a project is seen by it alone, with its subnets") {
  World world;
  const Context blue = member("blue"), red = member("red"), green = member("green");
  const Network net = world.network(blue);
  const Subnet sub = world.subnet(blue, net);
  CHECK(type_of(world.networks->network(red, net.id)) == "NetworkNotFound");
  auto& sharing = world.networks->sharing();
  const auto made = sharing.create(blue, {grant_of("network", net.id.value, "red")});
  REQUIRE(made);
  CHECK(world.networks->network(red, net.id)->shared);
  CHECK_FALSE(world.networks->network(blue, net.id)->shared);
  CHECK(lists_network(world, red, net.id));
  CHECK_FALSE(lists_network(world, green, net.id));
  CHECK(world.networks->subnets(red)->size() == 1);
  CHECK(world.networks->subnet(red, sub.id));
  CHECK(type_of(world.networks->subnet(green, sub.id)) == "SubnetNotFound");
  CHECK(type_of(world.networks->delete_network(red, net.id)) == "PolicyNotAuthorized");

  const auto port = world.port(red, net.id);
  REQUIRE(port);
  CHECK(type_of(sharing.remove(blue, made->front().id)) == "RbacPolicyInUse");
  CHECK(type_of(sharing.remove(red, made->front().id)) == "RbacPolicyNotFound");
  REQUIRE(world.networks->delete_port(red, port->id));
  REQUIRE(sharing.remove(blue, made->front().id));
  CHECK(type_of(world.networks->network(red, net.id)) == "NetworkNotFound");
  CHECK(world.used("blue", "rbac_policies") == 0);
}

TEST_CASE("who may grant what to whom") {
  World world;
  const Context blue = member("blue"), red = member("red");
  const Network net = world.network(blue);
  auto& sharing = world.networks->sharing();
  const auto type = [&](const Context& ctx, const RbacPolicyCreate& spec) {
    return type_of(sharing.create(ctx, {spec}));
  };
  CHECK(type(red, grant_of("network", net.id.value, "red")) == "NetworkNotFound");
  CHECK(type(blue, grant_of("network", net.id.value, "*")) == "PolicyNotAuthorized");
  CHECK(type(blue, grant_of("network", "nowhere", "red")) == "NetworkNotFound");
  CHECK(type(blue, grant_of("flavor", net.id.value, "red")) == "InvalidInput");
  CHECK(type(blue, grant_of("network", net.id.value, "red", "access_as_owner")) == "InvalidInput");
  CHECK(type(blue, grant_of("qos_policy", net.id.value, "red", "access_as_external")) ==
        "InvalidInput");
  REQUIRE(sharing.create(blue, {grant_of("network", net.id.value, "red")}));
  CHECK(type(blue, grant_of("network", net.id.value, "red")) == "DuplicateRbacPolicy");
  // Seen, but not owned.
  CHECK(type(red, grant_of("network", net.id.value, "green")) == "InvalidInput");
  world.limit("blue", "rbac_policies", 1);
  CHECK(code_of(sharing.create(blue, {grant_of("network", net.id.value, "green")})) ==
        ErrorCode::QuotaExceeded);
}

TEST_CASE("shared and external are grants to all, and follow each other") {
  World world;
  const Context root = admin(), red = member("red");
  const Network net = world.network(root, "net", true);
  auto& sharing = world.networks->sharing();
  NetworkListSpec of_net;
  of_net.filters = {{"object_id", net.id.value}};
  auto policies = sharing.policies(root, of_net);
  REQUIRE(policies);
  REQUIRE(policies->size() == 1);
  CHECK(policies->front().target == "*");
  REQUIRE(sharing.remove(root, policies->front().id));
  CHECK_FALSE(world.networks->network(root, net.id)->shared);
  CHECK(type_of(world.networks->network(red, net.id)) == "NetworkNotFound");

  const auto outside =
      sharing.create(root, {grant_of("network", net.id.value, "red", "access_as_external")});
  REQUIRE(outside);
  CHECK(world.networks->network(root, net.id)->external);
  CHECK(world.networks->network(red, net.id));
  CHECK(type_of(world.networks->network(member("green"), net.id)) == "NetworkNotFound");
  REQUIRE(sharing.retarget(root, outside->front().id, "*"));
  CHECK(world.networks->network(member("green"), net.id));
  NetworkUpdate inside;
  inside.external = false;
  REQUIRE(world.networks->update_network(root, net.id, inside));
  CHECK(sharing.policies(root, of_net)->empty());
  REQUIRE(world.networks->delete_network(root, net.id));
}

TEST_CASE("an external network of before there were grants is seen by all") {
  World world;
  const Context root = admin();
  const Network net = world.network(root);
  REQUIRE(world.store->transact([&](store::Txn& txn) {
    return [&]() -> Result<void> {
      CLOUDOS_CHECK(records::modify<Network>(txn, net.id, [](Network& old) {
        old.external = true;
        return Result<void>();
      }));
      return Result<void>();
    }();
  }));
  CHECK(world.networks->network(member("red"), net.id));
  CHECK(lists_network(world, member("red"), net.id));
  REQUIRE(world.networks->sharing().create(
      root, {grant_of("network", net.id.value, "red", "access_as_external")}));
  CHECK(world.networks->network(member("green"), net.id));
}

TEST_CASE("a network's owner sees and deletes what others have on it, and nobody else does") {
  World world;
  const Context blue = member("blue"), red = member("red");
  const Network net = world.network(blue);
  REQUIRE(world.networks->sharing().create(blue, {grant_of("network", net.id.value, "red")}));
  const auto port = world.port(red, net.id);
  REQUIRE(port);
  CHECK(world.networks->port(blue, port->id));
  CHECK(type_of(world.networks->delete_port(member("green"), port->id)) == "PortNotFound");
  CHECK(world.networks->delete_port(blue, port->id));
}

TEST_CASE("grants go with what they are about") {
  World world;
  const Context blue = member("blue");
  const Network net = world.network(blue);
  REQUIRE(world.networks->sharing().create(blue, {grant_of("network", net.id.value, "red")}));
  REQUIRE(world.networks->delete_network(blue, net.id));
  CHECK(world.networks->sharing().policies(admin())->empty());
  CHECK(world.used("blue", "rbac_policies") == 0);
}

TEST_CASE("tags are those of who may change the resource, and lists select by them") {
  World world;
  const Context blue = member("blue"), red = member("red");
  const Network first = world.network(blue, "first"), second = world.network(blue, "second");
  auto& tags = world.networks->tags();
  REQUIRE(tags.replace(blue, "networks", first.id.value, {"b", "a", "b"}));
  REQUIRE(tags.add(blue, "networks", second.id.value, {"b"}));
  CHECK(*tags.tags(blue, "networks", first.id.value) == std::vector<std::string>{"a", "b"});
  struct Row {
    std::string what, filter, value;
    std::size_t found;
  };
  for (const Row& row : std::vector<Row>{{"all of them", "tags", "a,b", 1},
                                         {"one of them", "tags", "b", 2},
                                         {"any", "tags-any", "a,c", 1},
                                         {"not all", "not-tags", "a,b", 1},
                                         {"none", "not-tags-any", "a,b", 0}}) {
    CAPTURE(row.what);
    NetworkListSpec spec;
    spec.filters = {{row.filter, row.value}};
    CHECK(world.networks->networks(blue, spec)->size() == row.found);
  }
  CHECK(type_of(tags.tags(red, "networks", first.id.value)) == "NetworkNotFound");
  CHECK(type_of(tags.replace(red, "networks", first.id.value, {})) == "NetworkNotFound");
  CHECK(type_of(tags.remove(blue, "networks", first.id.value, "c")) == "TagNotFound");
  CHECK(type_of(tags.tags(blue, "agents", first.id.value)) == "HTTPNotFound");
  CHECK(code_of(tags.add(blue, "networks", first.id.value, {"x,y"})) ==
        ErrorCode::InvalidArgument);
  CHECK(code_of(tags.add(blue, "networks", first.id.value, {std::string(61, 'x')})) ==
        ErrorCode::InvalidArgument);
  // A shared network's tags are its owner's to change.
  REQUIRE(world.networks->sharing().create(blue, {grant_of("network", first.id.value, "red")}));
  CHECK(tags.tags(red, "networks", first.id.value));
  CHECK(type_of(tags.replace(red, "networks", first.id.value, {})) == "PolicyNotAuthorized");
}

TEST_CASE("a change bound to a revision commits at that revision alone") {
  World world;
  const Context blue = member("blue");
  const Network net = world.network(blue);
  NetworkUpdate rename;
  rename.name = "other";
  {
    const RevisionGuard guard(*world.networks, Network::kKind, net.id.value, net.generation + 1);
    CHECK(type_of(world.networks->update_network(blue, net.id, rename)) ==
          "RevisionNumberConstraintFailed");
  }
  {
    const RevisionGuard guard(*world.networks, Network::kKind, net.id.value, net.generation);
    CHECK(world.networks->update_network(blue, net.id, rename));
    CHECK(type_of(world.networks->delete_network(blue, net.id)) ==
          "RevisionNumberConstraintFailed");
  }
  CHECK(world.networks->delete_network(blue, net.id));
}

TEST_CASE("address groups keep prefixes, and rules hold them") {
  World world;
  const Context blue = member("blue"), red = member("red");
  auto& groups = world.networks->address_groups();
  AddressGroupCreate spec;
  spec.addresses = {"10.1.2.3/8", "192.0.2.1/32", "fd00::1/64"};
  const auto made = groups.create(blue, {spec});
  REQUIRE(made);
  const AddressGroup group = made->front();
  CHECK(group.addresses == std::vector<std::string>{"10.0.0.0/8", "192.0.2.1/32", "fd00::/64"});
  for (const char* wrong : {"10.0.0.0/33", "10.0.0.1", "everything", ""}) {
    CAPTURE(wrong);
    CHECK(code_of(groups.add_addresses(blue, group.id, {wrong})) == ErrorCode::InvalidArgument);
  }
  CHECK(type_of(groups.remove_addresses(blue, group.id, {"10.9.0.0/16"})) == "AddressesNotFound");
  CHECK(groups.remove_addresses(blue, group.id, {"10.0.0.0/8"})->addresses.size() == 2);
  CHECK(type_of(groups.group(red, group.id)) == "AddressGroupNotFound");

  SecurityGroupCreate asked;
  asked.name = "web";
  const auto security = world.networks->create_group(blue, asked);
  REQUIRE(security);
  SecurityGroupRuleCreate rule;
  rule.group = security->id;
  rule.direction = "ingress";
  rule.remote_address_group = group.id;
  const auto ruled = world.networks->create_rule(blue, rule);
  REQUIRE(ruled);
  CHECK(type_of(world.networks->create_rule(blue, rule)) == "SecurityGroupRuleExists");
  rule.remote_cidr = "10.0.0.0/8";
  CHECK(type_of(world.networks->create_rule(blue, rule)) == "SecurityGroupMultipleRemoteEntites");
  CHECK(type_of(groups.remove(blue, group.id)) == "AddressGroupInUse");
  REQUIRE(world.networks->delete_rule(blue, ruled->id));
  REQUIRE(groups.remove(blue, group.id));
}
