#include <fmt/format.h>

#include "cloudos/credentials.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/image_stores.hpp"
#include "cloudos/routers.hpp"
#include "pick.hpp"
#include "world.hpp"

namespace cloudos::sim {
void World::act() {
  ++actions_;
  reopen_if_crashed();
  if (chance(chaos_.crash)) faulty_->crash_after(fate_.below(6));
  if (chance(chaos_.world)) act_on_world();
  if (chaos_.lose != 0 && chance(chaos_.lose)) lose_or_find_edge();
  act_of_tenant();
}

void World::act_of_tenant() {
  if (chaos_.topology != 0 && chance(chaos_.topology)) return act_on_topology();
  const auto choice = fate_.below(100);
  if (choice < 62) act_on_servers();
  else if (choice < 75) act_on_networks();
  else if (choice < 82) act_on_routers();
  else if (choice < 87) act_on_groups();
  else if (choice < 94) act_on_images();
  else if (choice < 98) act_on_identity();
  else clock_->advance(std::chrono::milliseconds{fate_.below(5'000)});
}

/// A host is heard of no more, or again: with its guests, or after a power cut.
void World::lose_or_find_edge() {
  edge_lost_ = !edge_lost_;
  if (edge_lost_) ++losses_;
  if (edge_lost_ || !chance(400)) return;
  edge_->power_cut();
  edge_plane_->inner().reboot();
}

void World::act_on_world() {
  const auto list = servers();
  switch (fate_.below(4)) {
    case 0:
      return jump_clock(std::chrono::hours{chance(500) ? 24 : -24});
    case 1:
      return reset_host();
    case 2:
      return hypervisor_->power_cut();
    default:
      if (!list.empty()) hypervisor_->forget(list[fate_.below(list.size())].id);
  }
}

/// A server on what happens to be there: any image, a network, a port or none.
void World::create_any() {
  ServerCreate spec = wish(fmt::format("s{}", actions_));
  if (const auto images = cloud_->images().list(tenant_, {}); chance(300))
    if (const Image* image = any_of(fate_, images)) spec.image = image->id;
  if (const auto networks = cloud_->networks().networks(tenant_); chance(250))
    if (const Network* network = any_of(fate_, networks))
      spec.networks->push_back({network->id, {}, {}});
  if (const auto ports = cloud_->networks().ports(tenant_); chance(300))
    if (const Port* port = any_of(fate_, ports)) spec.networks->push_back({{}, port->id, {}});
  if (chance(100)) spec.networks->clear();
  if (chance(100))
    spec.networks->push_back({network_, {}, fmt::format("10.0.0.{}", fate_.below(16))});
  if (chance(200)) spec.min_count = spec.max_count = 2;
  ignore(cloud_->servers().create_many(tenant_, spec));
}

/// A port more, on any network, the only one or one of the user's; or one less.
void World::change_interfaces(const Server& server) {
  auto& api = cloud_->servers();
  if (!server.ports.empty() && chance(500)) {
    const auto& port = server.ports[fate_.below(server.ports.size())];
    return ignore(api.detach_interface(tenant_, server.id, port.port));
  }
  ServerNetwork wanted;
  const auto networks = cloud_->networks().networks(tenant_);
  const auto ports = cloud_->networks().ports(tenant_);
  const auto which = fate_.below(3);
  if (const Network* network = any_of(fate_, networks); network && which == 0)
    wanted.network = network->id;
  if (const Port* port = any_of(fate_, ports); port && which == 1) wanted.port = port->id;
  ignore(api.attach_interface(tenant_, server.id, wanted));
}

void World::act_on_servers() {
  const auto list = servers();
  const auto some = [&]() -> const Server& { return list[fate_.below(list.size())]; };
  const auto choice = fate_.below(100);
  auto& api = cloud_->servers();
  if (list.empty() || choice < 40) return create_any();
  if (choice < 60) ignore(api.remove(tenant_, some().id));
  else if (choice < 68) change_interfaces(some());
  else if (choice < 78) ignore(api.stop(tenant_, some().id));
  else if (choice < 86) ignore(api.start(tenant_, some().id));
  else if (choice < 96)
    ignore(api.reboot(tenant_, some().id, chance(500) ? RebootMode::Soft : RebootMode::Hard));
  else hypervisor_->power_off(some().id, chance(300));
}

/// Records it, begins to upload, and ends that in one way or the other.
void World::upload_image() {
  ImageCreate spec;
  spec.name = fmt::format("u{}", actions_);
  spec.disk_format = DiskFormat::Raw;
  spec.container_format = ContainerFormat::Bare;
  const auto image = cloud_->images().create(tenant_, spec);
  if (!image) return;
  const std::vector<std::string> places[] = {{}, {"second"}, {"file", "third"}};
  const std::uint64_t size = 1 + fate_.below(400'000);
  std::optional<std::uint64_t> announced;
  if (chance(500)) announced = size;
  auto upload = cloud_->images().begin_upload(tenant_, image->id, announced,
                                              places[fate_.below(3)]);
  if (!upload) return;
  const std::string bytes(size, 'x');
  if (!(*upload)->write(std::as_bytes(std::span(bytes)))) return;
  if (chance(100)) ignore(cloud_->images().remove(tenant_, image->id));
  if (chance(700)) ignore((*upload)->finish());
}

void World::act_on_images() {
  const auto list = cloud_->images().list(tenant_, {});
  const Image* image = any_of(fate_, list);
  auto& stores = cloud_->images().stores();
  const auto choice = fate_.below(100);
  if (image == nullptr || choice < 15) (void)make_image(fmt::format("i{}", actions_));
  else if (choice < 40) upload_image();
  else if (choice < 60) ignore(stores.copy(tenant_, image->id, {chance(500) ? "second" : "third"}));
  else if (choice < 75) {
    const char* const names[] = {"file", "second", "third"};
    ignore(stores.remove_copy(tenant_, image->id, names[fate_.below(3)]));
  }
  // The first one stays, so that servers can be made at all.
  else if (image->id != image_) ignore(cloud_->images().remove(tenant_, image->id));
}

/// What an administrator does, of people and projects that nothing else here needs.
void World::act_on_identity() {
  auto& api = cloud_->identity();
  const Context admin = Context::system();
  IdentityFilter filter;
  std::vector<User> users;
  if (const auto list = api.list_users(admin, filter)) {
    for (const User& user : *list)
      if (user.name.starts_with("sim-")) users.push_back(user);
  }
  std::vector<Project> projects;
  if (const auto list = api.list_projects(admin, filter)) {
    for (const Project& project : *list)
      if (project.name.starts_with("sim-")) projects.push_back(project);
  }
  const auto choice = fate_.below(100);
  if (users.empty() || choice < 20) {
    UserCreate spec;
    spec.name = fmt::format("sim-u{}", actions_);
    spec.domain = DomainId{"default"};
    return ignore(api.create_user(admin, spec));
  }
  if (projects.empty() || choice < 35) {
    ProjectCreate spec;
    spec.name = fmt::format("sim-p{}", actions_);
    spec.domain = DomainId{"default"};
    return ignore(api.create_project(admin, spec));
  }
  const User& user = users[fate_.below(users.size())];
  const Project& project = projects[fate_.below(projects.size())];
  IdentityUpdate change;
  change.enabled = chance(500);
  if (choice < 60) return grant_any(user.id, project.id);
  if (choice < 70) return ignore(api.update_user(admin, user.id, change));
  if (choice < 76) return ignore(api.update_project(admin, project.id, change));
  if (choice < 84) {
    CredentialCreate secret;
    secret.type = "cert";
    secret.blob = "blob";
    secret.user = user.id;
    return ignore(api.credentials().create(admin, secret));
  }
  if (choice < 88) return ignore(api.credentials().rotate_keys(admin));
  if (choice < 94) return ignore(api.remove_user(admin, user.id));
  ignore(api.remove_project(admin, project.id));
}

void World::grant_any(const UserId& user, const ProjectId& project) {
  auto& api = cloud_->identity();
  const auto roles = api.list_roles(Context::system(), {});
  const Role* role = any_of(fate_, roles);
  if (role == nullptr) return;
  Assignment assignment;
  assignment.user = user;
  assignment.project = project;
  assignment.role = role->id;
  if (chance(650)) ignore(api.grant(Context::system(), assignment));
  else ignore(api.ungrant(Context::system(), assignment));
}

NetworkId World::outside() {
  NetworkListSpec external;
  external.filters.emplace_back("router:external", "true");
  const auto there = cloud_->networks().networks(Context::system(), external);
  if (there && !there->empty()) return there->front().id;
  Context admin = Context::system();
  admin.project = ProjectId{"outside"};
  NetworkCreate spec;
  spec.name = "outside";
  spec.external = true;
  const auto made = cloud_->networks().create_network(admin, spec);
  if (!made) return {};
  SubnetCreate addresses;
  addresses.network = made->id;
  addresses.cidr = "203.0.113.0/28";
  addresses.dhcp = false;
  ignore(cloud_->networks().create_subnet(admin, addresses));
  return made->id;
}

void World::act_on_floating(const NetworkId& network) {
  auto& api = cloud_->networks().routers();
  const auto all = api.floating_ips(tenant_);
  const auto ports = cloud_->networks().ports(tenant_);
  const FloatingIp* floating = any_of(fate_, all);
  const Port* port = any_of(fate_, ports);
  if (floating == nullptr || chance(300)) {
    FloatingIpCreate spec;
    spec.network = network;
    if (port != nullptr && chance(500)) spec.port = port->id;
    return ignore(api.create_floating_ip(tenant_, spec));
  }
  if (chance(300)) return ignore(api.delete_floating_ip(tenant_, floating->id));
  if (port == nullptr) return;
  if (chance(400)) {
    PortForwardingCreate forward;
    forward.protocol = chance(500) ? "tcp" : "udp";
    forward.internal_port = port->id;
    forward.external_first = forward.external_last =
        static_cast<std::uint32_t>(fate_.below(4) + 8000);
    forward.internal_first = forward.internal_last = 80;
    return ignore(api.create_forwarding(tenant_, floating->id, forward));
  }
  FloatingIpUpdate change;
  change.port = chance(600) ? port->id : PortId{};
  ignore(api.update_floating_ip(tenant_, floating->id, change));
}

/// Routers between the tenant's subnets and outside, their legs and what they carry.
void World::act_on_routers() {
  auto& api = cloud_->networks().routers();
  const NetworkId network = outside();
  const auto routers = api.routers(tenant_);
  const auto subnets = cloud_->networks().subnets(tenant_);
  const Router* router = any_of(fate_, routers);
  const Subnet* subnet = any_of(fate_, subnets);
  const auto choice = fate_.below(100);
  if (router == nullptr || choice < 10) {
    RouterCreate spec;
    if (chance(700)) spec.gateway = GatewaySpec{network, {}, {}};
    return ignore(api.create(tenant_, spec));
  }
  if (choice < 40 && subnet != nullptr)
    return ignore(api.add_interface(tenant_, router->id, {subnet->id, {}}));
  if (choice < 50 && subnet != nullptr)
    return ignore(api.remove_interface(tenant_, router->id, {subnet->id, {}}));
  if (choice < 58) {
    RouterUpdate change;
    change.gateway = GatewaySpec{chance(700) ? network : NetworkId{}, {}, {}};
    return ignore(api.update(tenant_, router->id, change));
  }
  if (choice < 64) return ignore(api.remove(tenant_, router->id));
  act_on_floating(network);
}

void World::act_on_networks() {
  auto& api = cloud_->networks();
  const auto networks = api.networks(tenant_);
  const auto ports = api.ports(tenant_);
  const auto subnets = api.subnets(tenant_);
  const Network* network = any_of(fate_, networks);
  const Port* port = any_of(fate_, ports);
  const Subnet* subnet = any_of(fate_, subnets);
  const auto choice = fate_.below(100);
  if (network == nullptr || choice < 12) {
    NetworkCreate spec;
    spec.name = fmt::format("n{}", actions_);
    ignore(api.create_network(tenant_, spec));
  } else if (choice < 30) {
    SubnetCreate spec;
    spec.network = network->id;
    spec.cidr = fmt::format("10.{}.0.0/29", fate_.below(4) + 1);
    spec.dhcp = chance(700);
    if (chance(250)) {
      spec.ip_version = 6;
      spec.cidr = fmt::format("fd00:{}::/64", fate_.below(4) + 1);
      if (spec.dhcp && chance(500)) spec.ra_mode = spec.address_mode = "slaac";
    }
    ignore(api.create_subnet(tenant_, spec));
  } else if (choice < 60) {
    PortCreate spec;
    spec.name = "given";
    spec.network = network->id;
    ignore(api.create_port(tenant_, spec));
  } else if (choice < 66 && port != nullptr) {
    PortUpdate change;
    change.fixed_ips = std::vector<FixedIpRequest>{};
    for (const FixedIp& fixed : port->fixed_ips) change.fixed_ips->push_back({fixed.subnet, {}});
    if (subnet != nullptr) change.fixed_ips->push_back({subnet->id, {}});
    ignore(api.update_port(tenant_, port->id, change));
  } else if (choice < 85 && port != nullptr) {
    ignore(api.delete_port(tenant_, port->id));
  } else if (choice < 90 && subnet != nullptr) {
    SubnetUpdate change;
    change.dhcp = !subnet->dhcp;
    ignore(api.update_subnet(tenant_, subnet->id, change));
  } else if (choice < 95 && subnet != nullptr) {
    ignore(api.delete_subnet(tenant_, subnet->id));
  } else if (network->id != network_) {
    ignore(api.delete_network(tenant_, network->id));
  }
}

void World::act_on_groups() {
  auto& api = cloud_->networks();
  const auto groups = api.groups(tenant_);
  const auto rules = api.rules(tenant_);
  const SecurityGroup* group = any_of(fate_, groups);
  const SecurityGroup* other = any_of(fate_, groups);
  const SecurityGroupRule* rule = any_of(fate_, rules);
  const auto ports = api.ports(tenant_);
  const Port* port = any_of(fate_, ports);
  const auto choice = fate_.below(100);
  if (group == nullptr || choice < 20) {
    SecurityGroupCreate spec;
    spec.name = fmt::format("g{}", actions_);
    ignore(api.create_group(tenant_, spec));
  } else if (choice < 50) {
    SecurityGroupRuleCreate spec;
    spec.group = group->id;
    spec.direction = chance(700) ? "ingress" : "egress";
    spec.protocol = "tcp";
    spec.port_min = spec.port_max = static_cast<std::int64_t>(1 + fate_.below(8));
    if (other != nullptr && chance(400)) spec.remote_group = other->id;
    ignore(api.create_rule(tenant_, spec));
  } else if (choice < 65 && rule != nullptr) {
    ignore(api.delete_rule(tenant_, rule->id));
  } else if (choice < 85 && port != nullptr) {
    PortUpdate change;
    change.security_groups = std::vector<SecurityGroupId>{group->id};
    ignore(api.update_port(tenant_, port->id, change));
  } else {
    ignore(api.delete_group(tenant_, group->id));
  }
}

}  // namespace cloudos::sim
