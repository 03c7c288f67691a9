#include "cloudos/network_qos.hpp"
#include "cloudos/trunks.hpp"
#include "network/qos.hpp"
#include "network/support.hpp"

using namespace network_test;

namespace {

QosPolicy qos_of(World& world, const Context& ctx, bool shared = false, bool is_default = false) {
  QosPolicyCreate spec;
  spec.name = "gold";
  spec.shared = shared;
  spec.is_default = is_default;
  const auto made = world.networks->qos().create(ctx, {spec});
  REQUIRE(made);
  return made->front();
}

QosRuleSpec bandwidth(std::int64_t kbps, const std::string& direction) {
  QosRuleSpec spec;
  spec.type = QosRule::kBandwidth;
  spec.max_kbps = kbps;
  spec.direction = direction;
  return spec;
}

}  // namespace

TEST_CASE("a policy has one limit each way and one mark, and says so to devices") {
  World world;
  const Context root = admin();
  const QosPolicy policy = qos_of(world, root);
  auto& qos = world.networks->qos();
  REQUIRE(qos.add_rule(root, policy.id, bandwidth(1'000, "egress")));
  REQUIRE(qos.add_rule(root, policy.id, bandwidth(2'000, "ingress")));
  CHECK(type_of(qos.add_rule(root, policy.id, bandwidth(3'000, "egress"))) == "QoSRulesConflict");
  QosRuleSpec mark;
  mark.type = QosRule::kDscp;
  mark.dscp_mark = 46;
  const auto marked = qos.add_rule(root, policy.id, mark);
  REQUIRE(marked);
  mark.dscp_mark = 41;
  CHECK(code_of(qos.update_rule(root, policy.id, marked->id, mark)) == ErrorCode::InvalidArgument);
  const network::QosPlan plan = network::qos_plan(*qos.policy(root, policy.id));
  CHECK(plan.egress_kbps == 1'000);
  CHECK(plan.ingress_kbps == 2'000);
  CHECK(plan.dscp == 46);
  CHECK(qos.policy_of(root, QosRule::kDscp, marked->id)->value == policy.id.value);
  CHECK(type_of(qos.policy_of(root, QosRule::kBandwidth, marked->id)) == "QosRuleNotFound");
  REQUIRE(qos.remove_rule(root, policy.id, QosRule::kDscp, marked->id));
  CHECK(type_of(qos.rule(root, policy.id, QosRule::kDscp, marked->id)) == "QosRuleNotFound");
}

TEST_CASE("projects use policies that they see, and no policy goes while it is used") {
  World world;
  const Context root = admin(), blue = member("blue");
  const QosPolicy hidden = qos_of(world, root), open = qos_of(world, root, true);
  NetworkCreate spec;
  spec.qos_policy = hidden.id;
  CHECK(type_of(world.networks->create_network(blue, spec)) == "QosPolicyNotFound");
  spec.qos_policy = open.id;
  const auto net = world.networks->create_network(blue, spec);
  REQUIRE(net);
  CHECK(type_of(world.networks->qos().remove(root, open.id)) == "QosPolicyInUse");
  CHECK(type_of(world.networks->qos().remove(blue, open.id)) == "PolicyNotAuthorized");
  CHECK(type_of(world.networks->qos().remove(blue, hidden.id)) == "QosPolicyNotFound");
  const auto port = world.port(blue, net->id);
  REQUIRE(port);
  PortUpdate change;
  change.qos_policy = hidden.id;
  CHECK(type_of(world.networks->update_port(blue, port->id, change)) == "QosPolicyNotFound");
  NetworkUpdate none;
  none.qos_policy = QosPolicyId{};
  REQUIRE(world.networks->update_network(blue, net->id, none));
  REQUIRE(world.networks->qos().remove(root, open.id));
}

TEST_CASE("a project's default policy is its new networks'") {
  World world;
  const Context root = admin();
  const QosPolicy policy = qos_of(world, root, false, true);
  CHECK(world.network(root).qos_policy == policy.id);
  CHECK(world.network(member("blue")).qos_policy.empty());
  QosPolicyCreate second;
  second.name = "second";
  second.is_default = true;
  CHECK(type_of(world.networks->qos().create(root, {second})) == "QoSPolicyDefaultAlreadyExists");
}

TEST_CASE("networks take tags of their type, each once") {
  World world({"physnet1"});
  const Context root = admin();
  NetworkCreate spec;
  spec.network_type = "vlan";
  spec.physical_network = "physnet1";
  spec.segmentation_id = 7;
  const auto named = world.networks->create_network(root, spec);
  REQUIRE(named);
  CHECK(type_of(world.networks->create_network(root, spec)) == "VlanIdInUse");
  spec.segmentation_id = 4'095;
  CHECK(code_of(world.networks->create_network(root, spec)) == ErrorCode::InvalidArgument);
  spec.segmentation_id.reset();
  spec.physical_network.reset();
  const auto any = world.networks->create_network(root, spec);
  REQUIRE(any);
  CHECK(any->physical_network == "physnet1");
  CHECK(any->segmentation_id.has_value());
  CHECK(any->segmentation_id != named->segmentation_id);
  spec.network_type = "vxlan";
  const auto tunnel = world.networks->create_network(root, spec);
  REQUIRE(tunnel);
  CHECK(tunnel->mtu == 1'450);
  spec.segmentation_id = *tunnel->segmentation_id;
  CHECK(type_of(world.networks->create_network(root, spec)) == "TunnelIdInUse");
  for (const NetworkId& id : {named->id, any->id, tunnel->id})
    REQUIRE(world.networks->delete_network(root, id));
  CHECK(world.networks->create_network(root, spec));
}

TEST_CASE("options for a guest's DHCP cannot become options for anybody else") {
  World world;
  const Context blue = member("blue");
  const Network net = world.network(blue);
  struct Row {
    std::string what, name, value;
    bool good;
  };
  for (const Row& row : std::vector<Row>{{"a name", "mtu", "1400", true},
                                         {"a number", "26", "1400", true},
                                         {"a line's end in the value", "mtu", "1\ndhcp-script=/x", false},
                                         {"a carriage return", "mtu", "1\r", false},
                                         {"a zero byte", "mtu", std::string("1\0", 2), false},
                                         {"a line's end in the name", "mtu\ntag", "1", false},
                                         {"more than a name", "mtu,1\\,tag:other", "1", false},
                                         {"a tag", "tag:other", "1", false},
                                         {"no name", "", "1", false},
                                         {"an option that is none", "255", "1", false}}) {
    CAPTURE(row.what);
    PortCreate spec;
    spec.network = net.id;
    spec.dhcp_options = {{row.name, row.value, 4}};
    const auto made = world.networks->create_port(blue, spec);
    CHECK(made.has_value() == row.good);
    if (!made) CHECK(made.error().code == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("a trunk holds its ports, each tag once") {
  World world;
  const Context blue = member("blue");
  const Network net = world.network(blue), inner = world.network(blue);
  const auto parent = world.port(blue, net.id), first = world.port(blue, inner.id),
             second = world.port(blue, inner.id);
  REQUIRE((parent && first && second));
  auto& trunks = world.networks->trunks();
  TrunkCreate spec;
  spec.port = parent->id;
  spec.sub_ports = {{first->id, "vlan", 5}, {second->id, "vlan", 5}};
  CHECK(code_of(trunks.create(blue, {spec})) == ErrorCode::InvalidArgument);
  spec.sub_ports.pop_back();
  const auto made = trunks.create(blue, {spec});
  REQUIRE(made);
  const TrunkId id = made->front().id;
  CHECK(*trunks.status(blue, made->front()) == "DOWN");
  CHECK(type_of(trunks.add_sub_ports(blue, id, {{second->id, "vlan", 5}})) == "DuplicateSubPort");
  CHECK(code_of(trunks.add_sub_ports(blue, id, {{parent->id, "vlan", 6}})) == ErrorCode::Conflict);
  REQUIRE(trunks.add_sub_ports(blue, id, {{second->id, "vlan", 6}}));
  CHECK(type_of(world.networks->delete_port(blue, parent->id)) == "PortInUse");
  CHECK(type_of(world.networks->delete_port(blue, first->id)) == "PortInUse");
  CHECK(type_of(trunks.trunk(member("red"), id)) == "TrunkNotFound");
  CHECK(type_of(trunks.remove_sub_ports(blue, id, {parent->id})) == "SubPortNotFound");
  REQUIRE(trunks.remove_sub_ports(blue, id, {first->id}));
  REQUIRE(world.networks->delete_port(blue, first->id));
  TrunkUpdate down;
  down.admin_up = false;
  REQUIRE(trunks.update(blue, id, down));
  CHECK(type_of(trunks.remove(blue, id)) == "TrunkDisabled");
  down.admin_up = true;
  REQUIRE(trunks.update(blue, id, down));
  REQUIRE(trunks.remove(blue, id));
  REQUIRE(world.networks->delete_port(blue, second->id));
  CHECK(world.used("blue", "trunks") == 0);
}
