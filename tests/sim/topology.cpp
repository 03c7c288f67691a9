// What hangs on networks, changed at random: pools, grants, trunks, policies, address groups,
// meters, routes, bindings, topologies of one's own.
#include <fmt/format.h>

#include "cloudos/address_groups.hpp"
#include "cloudos/metering_labels.hpp"
#include "cloudos/network_qos.hpp"
#include "cloudos/network_sharing.hpp"
#include "cloudos/port_bindings.hpp"
#include "cloudos/routers.hpp"
#include "cloudos/subnet_pools.hpp"
#include "cloudos/trunks.hpp"
#include "pick.hpp"
#include "world.hpp"

namespace cloudos::sim {

void World::act_on_topology() {
  using Act = void (World::*)();
  constexpr Act kActs[] = {&World::act_on_networks, &World::act_on_networks,
                           &World::act_on_routers,  &World::act_on_routers,
                           &World::act_on_groups,   &World::act_on_pools,
                           &World::act_on_pools,    &World::act_on_grants,
                           &World::act_on_trunks,   &World::act_on_trunks,
                           &World::act_on_policies, &World::act_on_address_groups,
                           &World::act_on_meters,   &World::act_on_routes,
                           &World::act_on_ports,    &World::act_on_ports,
                           &World::act_on_own_topology};
  (this->*kActs[fate_.below(std::size(kActs))])();
}

/// Blocks that the pools of both families are cut of; some of them are the usual ones.
void World::act_on_pools() {
  auto& api = cloud_->networks().subnet_pools();
  const auto pools = api.pools(tenant_);
  const auto scopes = api.scopes(tenant_);
  const auto networks = cloud_->networks().networks(tenant_);
  const SubnetPool* pool = any_of(fate_, pools);
  const AddressScope* scope = any_of(fate_, scopes);
  const Network* network = any_of(fate_, networks);
  const auto choice = fate_.below(100);
  const bool v6 = chance(400);
  const std::string block = v6 ? fmt::format("fd10:{}::/56", fate_.below(3))
                               : fmt::format("10.{}.0.0/22", 64 + fate_.below(3));
  if (pool == nullptr || choice < 15) {
    SubnetPoolCreate spec;
    spec.name = fmt::format("pool{}", actions_);
    spec.prefixes = {block};
    spec.default_prefix = v6 ? 64 : 28;
    if (scope != nullptr && chance(300)) spec.scope = scope->id;
    return ignore(api.create(tenant_, spec));
  }
  if (choice < 55 && network != nullptr) {
    SubnetCreate spec;
    spec.network = network->id;
    spec.pool = pool->id;
    spec.ip_version = pool->ip_version;
    if (pool->ip_version == 6 && chance(600)) spec.ra_mode = spec.address_mode = "slaac";
    return ignore(cloud_->networks().create_subnet(tenant_, spec));
  }
  if (choice < 65) return ignore(api.add_prefixes(tenant_, pool->id, {block}));
  if (choice < 72) return ignore(api.remove_prefixes(tenant_, pool->id, {block}));
  if (choice < 78 && network != nullptr)
    return ignore(api.onboard(tenant_, pool->id, network->id));
  if (choice < 84) return ignore(api.create_scope(tenant_, {"scope", {}, v6 ? 6U : 4U, false}));
  if (choice < 90) {
    SubnetPoolUpdate change;
    change.scope = scope != nullptr && chance(600) ? scope->id : AddressScopeId{};
    return ignore(api.update(tenant_, pool->id, change));
  }
  if (choice < 93 && scope != nullptr) return ignore(api.remove_scope(tenant_, scope->id));
  ignore(api.remove(tenant_, pool->id));
}

/// The tenant grants what it has to the neighbour, who uses it, and takes it back.
void World::act_on_grants() {
  auto& api = cloud_->networks();
  const auto policies = api.sharing().policies(tenant_);
  const auto networks = api.networks(tenant_);
  const auto groups = api.groups(tenant_);
  const auto pools = api.subnet_pools().pools(tenant_);
  const RbacPolicy* policy = any_of(fate_, policies);
  const Network* network = any_of(fate_, networks);
  const SecurityGroup* group = any_of(fate_, groups);
  const SubnetPool* pool = any_of(fate_, pools);
  const auto choice = fate_.below(100);
  RbacPolicyCreate grant;
  grant.action = "access_as_shared";
  grant.target = neighbour_.project.value;
  if (choice < 30 && network != nullptr) {
    grant.object_type = "network";
    grant.object_id = network->id.value;
    return ignore(api.sharing().create(tenant_, {grant}));
  }
  if (choice < 42 && group != nullptr) {
    grant.object_type = "security_group";
    grant.object_id = group->id.value;
    return ignore(api.sharing().create(tenant_, {grant}));
  }
  if (choice < 50 && pool != nullptr) {
    grant.object_type = "subnetpool";
    grant.object_id = pool->id.value;
    return ignore(api.sharing().create(tenant_, {grant}));
  }
  if (choice < 80) {
    const auto seen = api.networks(neighbour_);
    const auto ports = api.ports(neighbour_);
    const Network* on = any_of(fate_, seen);
    const Port* port = any_of(fate_, ports);
    if (port != nullptr && chance(400)) return ignore(api.delete_port(neighbour_, port->id));
    if (on == nullptr) return;
    PortCreate spec;
    spec.name = "given";
    spec.network = on->id;
    return ignore(api.create_port(neighbour_, spec));
  }
  if (policy == nullptr) return;
  if (choice < 86) return ignore(api.sharing().retarget(tenant_, policy->id, "another"));
  ignore(api.sharing().remove(tenant_, policy->id));
}

void World::act_on_trunks() {
  auto& api = cloud_->networks().trunks();
  const auto trunks = api.trunks(tenant_);
  const auto ports = cloud_->networks().ports(tenant_);
  const Trunk* trunk = any_of(fate_, trunks);
  const Port* port = any_of(fate_, ports);
  const auto choice = fate_.below(100);
  if (port == nullptr) return;
  if (trunk == nullptr || choice < 25) {
    TrunkCreate spec;
    spec.port = port->id;
    return ignore(api.create(tenant_, {spec}));
  }
  if (choice < 65) {
    SubPort sub;
    sub.port = port->id;
    sub.segmentation_type = "vlan";
    sub.segmentation_id = static_cast<std::uint32_t>(100 + fate_.below(5));
    return ignore(api.add_sub_ports(tenant_, trunk->id, {sub}));
  }
  if (choice < 80 && !trunk->sub_ports.empty())
    return ignore(api.remove_sub_ports(tenant_, trunk->id, {trunk->sub_ports.front().port}));
  if (choice < 88) {
    TrunkUpdate change;
    change.admin_up = chance(600);
    return ignore(api.update(tenant_, trunk->id, change));
  }
  ignore(api.remove(tenant_, trunk->id));
}

/// Quality of service, which members may use and admins make.
void World::act_on_policies() {
  auto& api = cloud_->networks().qos();
  Context admin = Context::system();
  admin.project = tenant_.project;
  const auto policies = api.policies(admin);
  const auto ports = cloud_->networks().ports(tenant_);
  const auto networks = cloud_->networks().networks(tenant_);
  const QosPolicy* policy = any_of(fate_, policies);
  const Port* port = any_of(fate_, ports);
  const Network* network = any_of(fate_, networks);
  const auto choice = fate_.below(100);
  if (policy == nullptr || choice < 15) {
    QosPolicyCreate spec;
    spec.name = fmt::format("q{}", actions_);
    return ignore(api.create(admin, {spec}));
  }
  if (choice < 35) {
    QosRuleSpec rule;
    rule.type = QosRule::kBandwidth;
    rule.max_kbps = static_cast<std::int64_t>(1'000 + fate_.below(9'000));
    return ignore(api.add_rule(admin, policy->id, rule));
  }
  if (choice < 45 && !policy->rules.empty()) {
    const QosRule& rule = policy->rules.front();
    return ignore(api.remove_rule(admin, policy->id, rule.type, rule.id));
  }
  if (choice < 70 && port != nullptr) {
    PortUpdate change;
    change.qos_policy = chance(700) ? policy->id : QosPolicyId{};
    return ignore(cloud_->networks().update_port(tenant_, port->id, change));
  }
  if (choice < 85 && network != nullptr) {
    NetworkUpdate change;
    change.qos_policy = chance(600) ? policy->id : QosPolicyId{};
    return ignore(cloud_->networks().update_network(tenant_, network->id, change));
  }
  ignore(api.remove(admin, policy->id));
}

void World::act_on_address_groups() {
  auto& api = cloud_->networks().address_groups();
  const auto groups = api.groups(tenant_);
  const auto security = cloud_->networks().groups(tenant_);
  const AddressGroup* group = any_of(fate_, groups);
  const SecurityGroup* of = any_of(fate_, security);
  const std::string address = fmt::format("192.0.2.{}/32", fate_.below(6));
  const auto choice = fate_.below(100);
  if (group == nullptr || choice < 15) {
    AddressGroupCreate spec;
    spec.name = fmt::format("a{}", actions_);
    spec.addresses = {address};
    return ignore(api.create(tenant_, {spec}));
  }
  if (choice < 40) return ignore(api.add_addresses(tenant_, group->id, {address}));
  if (choice < 60) return ignore(api.remove_addresses(tenant_, group->id, {address}));
  if (choice < 85 && of != nullptr) {
    SecurityGroupRuleCreate rule;
    rule.group = of->id;
    rule.direction = "ingress";
    rule.protocol = "udp";
    rule.remote_address_group = group->id;
    return ignore(cloud_->networks().create_rule(tenant_, rule));
  }
  ignore(api.remove(tenant_, group->id));
}

void World::act_on_meters() {
  auto& api = cloud_->networks().metering_labels();
  Context admin = Context::system();
  admin.project = tenant_.project;
  const auto labels = api.labels(admin);
  const auto rules = api.rules(admin);
  const MeteringLabel* label = any_of(fate_, labels);
  const MeteringRule* rule = any_of(fate_, rules);
  const auto choice = fate_.below(100);
  if (label == nullptr || choice < 25) {
    MeteringLabelCreate spec;
    spec.name = fmt::format("m{}", actions_);
    return ignore(api.create(admin, {spec}));
  }
  if (choice < 65) {
    MeteringRuleCreate spec;
    spec.label = label->id;
    spec.remote = fmt::format("198.51.100.{}/32", fate_.below(6));
    return ignore(api.create_rules(admin, {spec}));
  }
  if (choice < 80 && rule != nullptr) return ignore(api.remove_rule(admin, rule->id));
  ignore(api.remove(admin, label->id));
}

void World::act_on_routes() {
  auto& api = cloud_->networks().routers();
  const auto routers = api.routers(tenant_);
  const auto subnets = cloud_->networks().subnets(tenant_);
  const Router* router = any_of(fate_, routers);
  const Subnet* subnet = any_of(fate_, subnets);
  if (router == nullptr || subnet == nullptr) return;
  RouterUpdate change;
  const auto& routes = router->routes;
  if (!routes.empty() && chance(400)) {
    change.remove_routes = {routes[fate_.below(routes.size())]};
  } else if (!subnet->pools.empty()) {
    const std::string to = subnet->v6() ? fmt::format("fd77:{}::/64", fate_.below(5))
                                        : fmt::format("172.20.{}.0/24", fate_.below(5));
    change.add_routes = {{to, subnet->pools.front().end}};
  }
  if (chance(200)) change.admin_up = chance(500);
  ignore(api.update(tenant_, router->id, change));
}

/// What ports say of themselves, and where they are.
void World::act_on_ports() {
  auto& api = cloud_->networks();
  const auto ports = api.ports(tenant_);
  const auto networks = api.networks(tenant_);
  const Port* port = any_of(fate_, ports);
  const Network* network = any_of(fate_, networks);
  const auto choice = fate_.below(100);
  Context admin = Context::system();
  admin.project = tenant_.project;
  if (network != nullptr && (port == nullptr || choice < 20)) {
    PortCreate spec;
    spec.name = "given";
    spec.network = network->id;
    if (chance(500)) spec.fixed_ips.emplace();
    return ignore(api.create_port(tenant_, spec));
  }
  if (port == nullptr) return;
  PortUpdate change;
  PortBindings bindings(api);
  const std::string host = fmt::format("host-{}", fate_.below(4));
  if (choice < 35) change.fixed_ips.emplace();
  else if (choice < 45) change.mac = fmt::format("fa:16:3e:00:00:{:02x}", fate_.below(12));
  else if (choice < 55) change.admin_up = chance(500);
  else if (choice < 65) change.allowed_address_pairs = {{{fmt::format("10.9.0.{}", choice), {}}}};
  else if (choice < 75) change.host = chance(600) ? host : "";
  else if (choice < 83) {
    PortBinding other;
    other.host = host;
    return ignore(bindings.add(admin, port->id, other));
  } else if (choice < 90) {
    return ignore(bindings.activate(admin, port->id, host));
  } else {
    return ignore(bindings.remove(admin, port->id, host));
  }
  const bool of_admins = change.host || change.mac;
  ignore(api.update_port(of_admins ? admin : tenant_, port->id, change));
}

/// Its ground is there from the first time on.
void World::act_on_own_topology() {
  auto& api = cloud_->networks();
  const Context admin = Context::system();
  const NetworkId network = outside();
  NetworkUpdate usual;
  usual.is_default = true;
  ignore(api.update_network(admin, network, usual));
  for (const bool v6 : {false, true}) {
    SubnetPoolCreate pool;
    pool.name = "usual";
    pool.project = ProjectId{"outside"};
    pool.prefixes = {v6 ? "fd20::/56" : "10.99.0.0/24"};
    pool.default_prefix = v6 ? 64 : 28;
    pool.shared = pool.is_default = true;
    ignore(api.subnet_pools().create(admin, pool));
  }
  if (chance(600)) ignore(api.routers().auto_topology(neighbour_, neighbour_.project));
  else ignore(api.routers().delete_auto_topology(neighbour_, neighbour_.project));
}

}  // namespace cloudos::sim
